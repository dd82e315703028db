//! E0400 to E0499: guides, latents, likelihoods, recurrences, bounds from importance weights.

/// Code, title and explanation, in order.
pub const CODES: &[(&str, &str, &str)] = &[
    ("E0400", "a guide of an unknown latent", "The guide names no latent of the program."),
    (
        "E0401",
        "a guide of something that is no latent",
        "A guide is the approximate posterior of a latent. A `param` is a point and needs none; data are observed.",
    ),
    ("E0402", "two guides of one latent", "A latent has one guide, whether by its name, in a group, or by `*`."),
    (
        "E0403",
        "a guide that reaches outside its prior",
        "Where the guide has mass and the prior has none, the rate is infinite, and so is the free energy. Choose a \
         guide on the prior's support, or leave it to the compiler.",
    ),
    (
        "E0404",
        "a guide that reads a later latent",
        "Guides are drawn in the order in which latents are declared, so a guide may read data, params and earlier \
         latents. Exchange the declarations, or leave the later latent out of the guide.",
    ),
    ("E0405", "an unknown guide", "No kind of guide has this name."),
    (
        "E0406",
        "one distribution for several latents",
        "Several latents are guided together by a joint guide, such as `FullRank()`. A distribution guides one.",
    ),
    (
        "E0407",
        "arguments of a joint guide",
        "The joint guide fits its mean and spread by itself, and takes no arguments.",
    ),
    (
        "E0408",
        "a count in a joint Gaussian",
        "Joint Gaussians, flows and points are for real numbers. A count has a guide of counts, stated or chosen by \
         the compiler.",
    ),
    (
        "E0409",
        "one distribution for every latent",
        "`guide *` speaks of every latent, and a distribution has arguments for one. Write a joint guide, or a guide \
         for each latent.",
    ),
    (
        "E0410",
        "a latent bent by a loss, without a stated guide",
        "A latent that follows another, or its own past, and that a loss reads could be chance, or could be chosen. \
         Inferred with the loss as evidence, it bends toward what is cheap, as if chance were kind. The compiler does \
         not guess: `guide x = prior` keeps it chance; any other guide, `guide x = exact` too, infers or chooses it.",
    ),
    ("E0411", "an unknown estimator", "Behind `by` stands an estimator, and none has this name."),
    (
        "E0412",
        "a relaxation of something that is no count",
        "Relaxations make counts differentiable. Continuous latents are differentiated as they are.",
    ),
    ("E0413", "an observation of unknown data", "`observe` names data, and none of this name are declared."),
    (
        "E0414",
        "an observation of something that is no data",
        "Only data are observed. A latent's approximate posterior is its `guide`; a penalty on what is computed is a \
         `loss`.",
    ),
    (
        "E0415",
        "data observed twice",
        "Each observation adds its likelihood to the objective, so data observed twice would count twice. Keep one, \
         or join them in a `Mixture`.",
    ),
    (
        "E0416",
        "a Laplace guide beside params",
        "A Laplace guide is a Gaussian at the posterior's mode. While params are fitted the mode moves with them, and \
         the objective would not be a bound. Make the params latents, or use `FullRank()`.",
    ),
    (
        "E0417",
        "an exact guide of infinitely many values",
        "An exact guide is found by summing over all values of its latent, which must be finite in number: an index, a \
         `bool`, or a `Binomial` count.",
    ),
    (
        "E0418",
        "an exact guide that sees what is no latent",
        "`exact(o, m)` names what a choice may depend on: latents that are drawn before it, such as what was observed. Data \
         and params are known to every guide, and its own past is remembered.",
    ),
    (
        "E0420",
        "a tridiagonal guide outside of a loop",
        "A tridiagonal guide lets each step of a loop depend on its neighbours. A latent outside of a loop has no \
         steps.",
    ),
    (
        "E0421",
        "a tridiagonal guide along two loops",
        "A tridiagonal guide follows the steps of one loop. Give each latent its own.",
    ),
    (
        "E0430",
        "a guide in a loop that reads its own present or future",
        "In a loop, what a guide draws may depend on the past of its latent, which is drawn already, and not on its \
         present or future.",
    ),
    (
        "E0431",
        "a recurrence that goes on by other than one position",
        "A recurrence written forward says how position t + 1 follows from position t, and starts at 0.",
    ),
    (
        "E0432",
        "a recurrence written forward without a start",
        "A recurrence written forward, `s[t+1]` from `s[t]`, needs its first value, `s[0]`, before the loop.",
    ),
    (
        "E0433",
        "a start that nothing goes on from",
        "A start `s[0]` belongs to a recurrence written forward. Written backward, `s[t]` from `s[t-1]`, it says with \
         `if t == 0` how it begins.",
    ),
    (
        "E0434",
        "a start with axes or a type of its own",
        "Axes and types are said once, where the recurrence goes on, and hold for its start too.",
    ),
    ("E0435", "a start of another family", "All positions of a latent have one family, its start included."),
    (
        "E0436",
        "a guide of a start alone, or without one",
        "The guide of a recurrence written forward has two parts, as the latent has: of its start, and of what goes \
         on.",
    ),
    (
        "E0437",
        "a guide of a position that a latent does not have",
        "The guide stands in another loop than its latent, or names its positions in another style.",
    ),
    (
        "E0438",
        "NUTS of some latents",
        "The sampler moves in all that is not summed or integrated out at once, so it is asked for once, of all latents. \
         What other statements say of single latents is then the guide that it starts from.",
    ),
    (
        "E0439",
        "arguments of NUTS",
        "`NUTS(draws = 1000, warmup = 1000, chains = 4)`: the draws of each chain and the steps of adaptation before them, at \
         least 100 of each, and at least two chains, so that they can be compared.",
    ),
    (
        "E0440",
        "an estimator that does not fit its guide",
        "An estimator after `by` demands something of the guide: a relaxation a count, the score function a guide \
         that can be drawn and scored, enumeration a finite one.",
    ),
    (
        "E0460",
        "a refusal of non-centring where there is none",
        "`by centred` refuses that a latent be fitted as location + scale · u. Only families of location and scale \
         are ever fitted so.",
    ),
    (
        "E0470",
        "wrong arguments of a guide over several latents",
        "The guide takes one number: `LowRank(8)`, `Flow(layers = 2)`.",
    ),
    (
        "E0471",
        "a rank that is not low",
        "With a rank as high as the dimension, a low-rank guide would be a full one with more parameters.",
    ),
    (
        "E0472",
        "a bound from importance weights in a sum",
        "`iwae` and `renyi` put distortion and rate under one logarithm, so they are an objective by themselves, and \
         no term of a sum.",
    ),
    (
        "E0473",
        "wrong arguments of a bound from importance weights",
        "`iwae` takes the number of draws; `renyi` an order from 0 up, other than 1, and the number of draws.",
    ),
    (
        "E0474",
        "importance weights of counts",
        "An importance weight is a ratio of densities. Counts are relaxed in training, and a relaxed draw has none.",
    ),
    (
        "E0475",
        "importance weights of rows that share latents",
        "A weight for each row would have to hold what all rows share, too. Make that a param or a point, or minimise \
         the free energy.",
    ),
    (
        "E0476",
        "importance weights of all rows, in batches",
        "Draws that all rows share are weighed by all rows at once, and a batch sees only some.",
    ),
];
