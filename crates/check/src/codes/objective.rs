//! E0500 to E0599: the objective, training, units.

/// Code, title and explanation, in order.
pub const CODES: &[(&str, &str, &str)] = &[
    (
        "E0500",
        "an unknown functional",
        "An objective is made of `distortion`, `rate` and `energy`; the message says how a known synonym is called \
         here. The evidence bound is the negative of the free energy, which is what is minimised where nothing is \
         said.",
    ),
    (
        "E0501",
        "a functional of something that is no name",
        "A functional is taken of all, `rate`, or of one name, `rate(z)`.",
    ),
    (
        "E0502",
        "a functional of a name that does not have it",
        "A rate or energy belongs to a latent, a distortion to what is observed or lost.",
    ),
    (
        "E0503",
        "energy without counts",
        "Energy counts spikes. Without a latent of counts it would be 0 whatever the fit.",
    ),
    (
        "E0504",
        "spikes added to nats",
        "Nats and spikes are different units and do not add up. Weigh the energy by a price, in nats per spike.",
    ),
    (
        "E0505",
        "a rate left out",
        "A latent whose rate is not in the objective could carry any amount of information for nothing. Add its rate, \
         or say `0 * rate(z)` where that is meant.",
    ),
    ("E0506", "an objective without distortion", "Without distortion nothing ties the guide to the data."),
    (
        "E0507",
        "a functional that is rewarded",
        "A functional that is subtracted, or has a negative weight, would be made as large as possible, without end.",
    ),
    (
        "E0508",
        "an objective that is no weighted sum",
        "An objective is a sum of functionals, each times a number. Other costs are a `loss`.",
    ),
    (
        "E0509",
        "a bound that is none",
        "Behind `subject to` stand bounds: a functional, `<=`, and a number with its unit.",
    ),
    (
        "E0510",
        "a bound without a unit",
        "A bound says its unit, since rates are in nats or bits and energies in spikes.",
    ),
    ("E0511", "a bound in the wrong unit", "Rates and distortions are bounded in nats or bits, energies in spikes."),
    ("E0512", "a unit where there is none", "Units belong to bounds, budgets and prices. Here a bare number is due."),
    ("E0513", "units that do not go together", "Quantities add to their like, and are scaled by bare numbers."),
    (
        "E0514",
        "a schedule that is none",
        "A schedule goes from one number to another over the fit: `ramp(0, 1, until = 0.5)` or `cosine(0.01, 0)`. One \
         weighs one functional, and they do not multiply.",
    ),
    (
        "E0515",
        "a bound that changes in the course of the fit",
        "A bound is a fixed promise; only what is minimised may be weighed by a schedule.",
    ),
    ("E0520", "an unknown setting of train", "`train` knows a few settings, which the message lists."),
    ("E0521", "a setting given twice", "Each setting stands once."),
    (
        "E0522",
        "epochs and steps",
        "`steps` and `epochs` both say how long a fit is. Keep one; without either the fit ends when it has \
         converged.",
    ),
    (
        "E0523",
        "batch or holdout without rows",
        "Batches and held-out rows divide the row axis, the one that comes first in every observed array. These data \
         have none in common.",
    ),
    ("E0524", "a batch larger than the data", "A batch is a part of the training rows, those held out not counted."),
    (
        "E0525",
        "lbfgs in minibatches",
        "L-BFGS compares the objective from step to step, which changes with the batch. Take all rows, or `adam`.",
    ),
    (
        "E0526",
        "a holdout that is no fraction",
        "`holdout` is the part of the rows that is not trained on, such as `10%`, or `where` and a condition of theirs.",
    ),
    ("E0527", "an unknown optimizer", "No optimizer has this name. Names stand without quotes."),
    (
        "E0528",
        "an unknown argument of an optimizer",
        "The optimizer has no such argument. The message lists those it has.",
    ),
    ("E0529", "a momentum out of range", "A momentum of 1 or more would never forget a step, and diverge."),
    (
        "E0530",
        "rows held out by what is no condition of rows",
        "`holdout = where` takes a condition of data alone that has a value for each row.",
    ),
    (
        "E0531",
        "rows held out by what is scaled by the others",
        "`standardize` takes its mean and its sd from the rows that are trained on, so it cannot decide which these are.",
    ),
];
