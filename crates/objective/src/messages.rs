//! E0802 to E0844: what is in the way of a derivation. A function a message.

use fe_distribution::Family;
use fe_graph::DerivativeError;
use fe_syntax::Span;

use crate::guide::kind::GuideKind;
use crate::objective::Underivable;

fn error(code: &'static str, message: impl Into<String>, span: Span, help: impl Into<String>) -> Underivable {
    Underivable::Refused { code, message: message.into(), span, help: help.into() }
}

/// What the checker should have refused, or what every program has.
pub fn fault(message: impl Into<String>, span: Span) -> Underivable {
    Underivable::Fault { message: message.into(), span }
}

const HOW_FINITE_ARE_READ: &str = "a finite latent is read element by element, one step back in a chain, or by one index array; elements that a term mixes are \
     summed over together where they have at most 4096 joint values, as twelve indicators do";

pub fn mixes_elements(latent: &str, term: Span) -> Underivable {
    let message = format!("this term mixes several elements of `{latent}`, which is summed out");
    error("E0802", message, term, HOW_FINITE_ARE_READ)
}

pub fn mixes_some_elements(term: Span) -> Underivable {
    error("E0802", "this term mixes several elements of a latent that is summed out", term, HOW_FINITE_ARE_READ)
}

pub fn crossed(one: &str, other: &str, span: Span) -> Underivable {
    let help = "one has to hang on the other element by element; two states of a chain are one index over their pairs";
    let message = format!("`{one}` and `{other}` depend on each other in a way that is too much to sum out");
    error("E0803", message, span, help)
}

pub fn too_many_values(latent: &str, span: Span, size: usize, limit: usize) -> Underivable {
    let help = format!("at most {limit} fit; use fewer values, or a batch of rows");
    error("E0804", format!("`{latent}` has too many joint values to sum out: {size}"), span, help)
}

pub fn guide_reads_summed_out(latent: &str, guide: Span) -> Underivable {
    let help = "let it read data and continuous latents; the finite one follows exactly from all else";
    error("E0805", format!("the guide of `{latent}` reads a latent that is summed out"), guide, help)
}

pub fn not_by_enumeration(latent: &str, term: Span) -> Underivable {
    let message = format!("this term mixes several elements of `{latent}`, which cannot be summed over then");
    error("E0806", message, term, "leave `by enumeration` away: the score function is taken")
}

pub fn no_draws(latent: &str, guide: Option<GuideKind>, term: Span) -> Underivable {
    let guide = guide.map(|g| g.to_string()).unwrap_or_default();
    let message = format!(
        "this term has no closed form under the guide of `{latent}` ({guide}), and that family has no draws in a graph"
    );
    let help = "use another guide, or leave it out; a Binomial one needs a number of trials known beforehand";
    error("E0807", message, term, help)
}

pub fn no_metric(state: &str, span: Span) -> Underivable {
    let message = format!("the natural gradient of `{state}` is not known: its guide has no metric for what moves");
    error("E0836", message, span, "refine one state for each argument of the guide, or descend `by gradient`")
}

pub fn guard_of_coupled_rows(state: &str, span: Span) -> Underivable {
    let message = format!("`{state}` has a guard, and what it descends is not a sum over rows");
    error("E0836", message, span, "leave `guard` away, or let each row have a cost of its own")
}

pub fn no_message(state: &str, span: Span) -> Underivable {
    let message = format!("what `{state}` descends has no closed form in its latent, and its draws have no slope");
    let help = "use a decoder that is linear in the latent, or a Poisson or a Gaussian guide: the effect of one more spike, \
                and the slope at a draw, are then known";
    error("E0838", message, span, help)
}

pub fn message_not_affine(state: &str, span: Span) -> Underivable {
    let message =
        format!("a drawn message of `{state}` would be biased: what it descends is not quadratic in the latent");
    error("E0838", message, span, "leave `samples` away: the slope in the mean is then known in closed form")
}

pub fn descent_not_step_by_step(state: &str, place: Span) -> Underivable {
    let message = format!("the descent of `{state}` needs other positions of its loop than those before");
    error("E0837", message, place, "let priors and likelihoods read `v[t-1]` and what stands at `t`")
}

pub fn no_default_guide(latent: &str, prior: &dyn Family, span: Span) -> Underivable {
    let message = format!("no guide for `{latent}`, whose prior is {}, is built by default", prior.name());
    error(
        "E0810",
        message,
        span,
        "state one with `guide`, or use a continuous or Poisson latent; one that likelihoods read element by element is summed out, without `by guide`",
    )
}

pub fn steps_hang_together(latent: &str, span: Span) -> Underivable {
    let help = "a tridiagonal guide takes real, positive, unit and bounded latents; use `FullRank()`";
    error("E0812", format!("the elements of `{latent}` depend on each other along the loop"), span, help)
}

pub fn guide_too_large(what: &str, dimensions: usize, limit: usize, span: Span) -> Underivable {
    let help = format!("it takes up to {limit}; use `LowRank(8)` or `MeanField()`");
    error("E0813", format!("{what} of {dimensions} dimensions has too large a matrix of them"), span, help)
}

pub fn rows_stand_alone(what: &str, weighed: bool, span: Span) -> Underivable {
    let help = if weighed {
        "importance weights are of single rows: use `MeanField()` for what has a value for each row"
    } else {
        "leave `batch` and `holdout` away, or use `MeanField()` for what has a value for each row"
    };
    error("E0814", format!("{what} is over all rows at once, and here each row stands by itself"), span, help)
}

pub fn chain_in_batches(latent: &str, whole: usize, span: Span) -> Underivable {
    let message = format!("`{latent}` has rows, and a tridiagonal guide needs all of them at every step");
    let help = format!("leave out `batch` and `holdout`, with at most {whole} rows, or use `MeanField()`");
    error("E0814", message, span, help)
}

pub fn not_step_by_step(latents: &[&str], span: Span) -> Underivable {
    let names: Vec<String> = latents.iter().map(|n| format!("`{n}`")).collect();
    let message = format!(
        "{} cannot be drawn a position at a time: this reads other positions than those before",
        names.join(" and ")
    );
    let help = "a guide in a loop, and a prior that is the guide, reads its own past alone, `[t-1]` and the like, \
                and what is declared before it at its own position";
    error("E0816", message, span, help)
}

const WITHOUT_WEIGHTS: &str = "minimize the free energy";

pub fn weights_of_shared(objective: Span) -> Underivable {
    let message = "importance weights of single rows need what is random to belong to one, and a term has no rows";
    error("E0819", message, objective, WITHOUT_WEIGHTS)
}

pub fn weights_without_draws(objective: Span) -> Underivable {
    let message = "importance weights need pathwise draws of every latent, and one has none";
    error("E0820", message, objective, WITHOUT_WEIGHTS)
}

/// What has no derivative: `the objective`, `the joint density`.
pub fn no_derivative(of: &str, why: &DerivativeError, span: Span) -> Underivable {
    fault(format!("{of} cannot be differentiated: {why}"), span)
}

pub fn nuts_in_batches(train: Span) -> Underivable {
    let message = "rows are taken in batches here, and NUTS needs the density of all of them at each of its steps";
    error("E0830", message, train, "leave `batch` out of `train`")
}

pub fn nuts_without_posterior(objective: Span) -> Underivable {
    let message = "what is minimised is not `distortion + rate`, so that its guide is not meant to be the posterior, and there \
                   is nothing for NUTS to draw from";
    let help = "leave `minimize` out, or hold the guide to a fit of `minimize distortion + rate`";
    error("E0831", message, objective, help)
}

pub fn nuts_beside_point(latent: &str, guide: Span) -> Underivable {
    let message = format!("`{latent}` is fitted as a point, and NUTS would draw what is left as if that were known");
    error("E0832", message, guide, format!("leave out `guide {latent} = point`, or make it a `param`"))
}

pub fn nuts_beside_mode(latent: &str, span: Span) -> Underivable {
    let message = format!(
        "the guide of `{latent}` is the Gaussian at its mode, and chains would move in the others at that mode alone"
    );
    let help = format!("keep it in the guide, where chains can draw it: `by guide` behind the prior of `{latent}`");
    error("E0845", message, span, help)
}

pub fn nuts_of_counts(latent: &str, span: Span) -> Underivable {
    let message = format!("`{latent}` is discrete and not summed out, and NUTS moves along a density that has a slope");
    let help =
        "a finite latent that is read element by element is summed out; counts of few values are a `Categorical`";
    error("E0833", message, span, help)
}

pub fn nothing_for_nuts(span: Span) -> Underivable {
    let message = "every latent is summed or integrated out exactly, and nothing is left for NUTS to draw";
    error("E0834", message, span, "the table is exact: there is nothing that it could be held to")
}

pub fn nuts_without_density(span: Span) -> Underivable {
    let message = "the density of a latent under its guide is not known, or it has no draws that are a smooth function of \
                   normal noise, and NUTS moves in that noise";
    error("E0835", message, span, "leave out the guide that is stated: the one by default can be held to NUTS")
}

const IN_TIME_ORDER: &str = "latents of a loop are summed out in time order where each term reads them at one position, at that and the one before, or at \
     a fixed position, and where what is read is finite";

pub fn mixes_positions(latent: &str, term: Span) -> Underivable {
    let message =
        format!("this term reads several positions or elements of `{latent}`, which is summed out in time order");
    error("E0840", message, term, IN_TIME_ORDER)
}

pub fn too_far_back(latent: &str, term: Span) -> Underivable {
    let message = format!("this term reads `{latent}` two steps back, and the state that is carried on is of one");
    error(
        "E0840",
        message,
        term,
        "make one index over pairs of values, or carry the older value on in a `let … : index(S)`",
    )
}

pub fn other_positions(latent: &str, term: Span) -> Underivable {
    let message = format!("this term reads `{latent}` at a position of its own, and another latent along the loop");
    error("E0840", message, term, IN_TIME_ORDER)
}

pub fn not_finite_alone(term: Span) -> Underivable {
    let message = "this term reads a latent that is not finite beside those that are summed out in time order";
    error("E0840", message, term, IN_TIME_ORDER)
}

pub fn drawn_from_later(latent: &str, later: &str, span: Span) -> Underivable {
    let message = format!("`{latent}` is drawn from `{later}`, which comes after it at the same position");
    error("E0840", message, span, format!("declare `{later}` before `{latent}`, or read it one step back"))
}

pub fn prior_of_unseen(choice: &str, unseen: &str, span: Span) -> Underivable {
    let message = format!("the prior of `{choice}` reads `{unseen}`, which its guide is said not to see");
    error("E0841", message, span, format!("let it see that, `exact({unseen})`, or leave it out of the prior"))
}

pub fn exact_without_rate(choice: &str, span: Span) -> Underivable {
    let message = format!("the rate of `{choice}` weighs nothing, and its exact guide would be certain of one choice");
    error("E0842", message, span, format!("give it a small weight, `0.001 * rate({choice})`: α goes to 0 with it"))
}

pub fn information_not_summed(one: &str, other: &str, span: Span) -> Underivable {
    let message =
        format!("the information of `{one}` and `{other}` is known where finite latents are summed out in time order");
    error(
        "E0843",
        message,
        span,
        "state their guides: `guide c = prior` of what chance decides, `guide a = exact()` of a choice",
    )
}

pub fn information_of_other_steps(one: &str, other: &str, span: Span) -> Underivable {
    let message = format!("`{one}` and `{other}` are not two latents of the same positions");
    error("E0843", message, span, "information is of two latents outside of loops, or of two of one loop, step by step")
}

pub fn information_seen(choice: &str, seen: &str, span: Span) -> Underivable {
    let message = format!("`{choice}` sees `{seen}`, and what is chosen would say something of it too");
    error(
        "E0843",
        message,
        span,
        format!(
            "let it see nothing of chance, `guide {choice} = exact()`; a choice that sees needs no reward for looking"
        ),
    )
}

pub fn bounds_beside_exact(second: Span) -> Underivable {
    let message = "one bound is met beside exact guides, which follow its multiplier";
    error(
        "E0844",
        message,
        second,
        "put a weight in the place of the second: `distortion + 0.5 * rate(b) subject to rate(a) <= 3 bits`",
    )
}
