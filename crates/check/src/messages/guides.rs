//! E0400 to E0499: guides, latents, likelihoods, bounds from importance weights.

use fe_distribution::Support;
use fe_graph::Reach;
use fe_syntax::{Diagnostic, Span};

use super::{did_you_mean, error};
use crate::kind::Kind;

pub fn unknown_latent(name: &str, span: Span, near: Option<&str>) -> Diagnostic {
    let found = error("E0400", format!("there is no latent `{name}` to guide"), span, "not declared");
    did_you_mean(found, near, &format!("declare it first: `latent {name} ~ Normal(0, 1)`"))
}

pub fn guide_of_other(name: &str, kind: Kind, span: Span, declared: Span) -> Diagnostic {
    let found =
        error("E0401", format!("`{name}` is {}, and only a latent has a guide", kind.describe()), span, "guided here")
            .and(declared, format!("{} here", kind.describe()));
    match kind {
        Kind::Param => {
            found.help(format!("a param is fitted as it is; to learn how sure it is, declare `latent {name} ~ …`"))
        }
        Kind::Data => found.help(format!("data get a likelihood: `observe {name} ~ …`")),
        _ => found.help("remove the guide, or name a latent"),
    }
}

pub fn point_arguments(span: Span) -> Diagnostic {
    error("E0405", "`point` takes the refined state that it stands for", span, "not one state")
        .help("write `guide a = point(v)` with `refine v …`, or `guide a = point` for a free value")
}

pub fn guide_twice(name: &str, span: Span, first: Span) -> Diagnostic {
    error("E0402", format!("`{name}` has two guides"), span, "again")
        .and(first, "first here")
        .help("keep one of the two")
}

pub fn guide_support(
    name: &str,
    family: &str,
    span: Span,
    support: Support,
    prior: &str,
    declared: Span,
    wanted: Support,
) -> Diagnostic {
    let message = format!(
        "a `{family}` guide gives {}, and `{name}` has a `{prior}` prior over {}",
        support.describe(),
        wanted.describe()
    );
    let found = error("E0403", message, span, format!("gives {}", support.describe()))
        .and(declared, format!("takes {}", wanted.describe()));
    if support.is_discrete() == wanted.is_discrete() && !wanted.is_discrete() {
        let better = match wanted {
            Support::Positive => "`LogNormal(m, s)` or `Gamma(shape, rate)`",
            Support::Unit => "`Beta(a, b)`",
            _ => "a guide on the same range",
        };
        return found.help(format!("outside its prior a guide costs infinitely much: use {better}"));
    }
    found.help(match wanted {
        Support::Count => "a count takes a guide of counts: `Poisson(exp(…))`".to_owned(),
        _ => format!("use a guide of the prior's own family, `{prior}(…)`"),
    })
}

pub fn guide_reads_later(name: &str, span: Span, later: &str, declared: Span) -> Diagnostic {
    if name == later {
        return error("E0404", format!("the guide of `{name}` reads `{name}` itself"), span, "reads it")
            .and(declared, "the latent")
            .help("a guide is a function of data, params and earlier latents");
    }
    error(
        "E0404",
        format!("the guide of `{name}` reads `{later}`, which is declared after it"),
        span,
        format!("reads `{later}`"),
    )
    .and(declared, "declared later")
    .help(format!("declare `{later}` before `{name}`, or leave it out of this guide"))
}

pub fn guide_reads_itself(name: &str, span: Span, reach: Reach, variable: &str) -> Diagnostic {
    let (what, label) = match reach {
        Reach::UpTo(0) => ("at the same position", "reads the present".to_owned()),
        Reach::UpTo(by) => ("at later positions", format!("reads up to `[{variable}+{by}]`")),
        _ => ("at every position", "mixes all positions".to_owned()),
    };
    error("E0430", format!("the guide of `{name}` reads `{name}` itself {what}"), span, label).help(format!(
        "in a loop a guide may read the past of its own latent: `{name}[{variable}-1]`, or what follows from it"
    ))
}

pub fn guide_word(word: &str, span: Span, near: Option<&str>) -> Diagnostic {
    let found = error("E0405", format!("there is no guide `{word}`"), span, "not known");
    did_you_mean(
        found,
        near,
        "write `= point`, `= prior`, `= exact`, `~ FullRank()`, `~ MeanField()`, `~ LowRank(8)`, `~ Flow()`, `~ Tridiagonal()`, or a \
         distribution such as `~ Normal(m, s)`",
    )
}

pub fn guide_of_several(span: Span, first: Span, second: Span) -> Diagnostic {
    error("E0406", "a distribution guides one latent", span, "one distribution")
        .and(first, "one latent")
        .and(second, "and another")
        .help("write a guide for each, or `guide a, b ~ FullRank()` for all of them together")
}

pub fn joint_arguments(name: &str, span: Span) -> Diagnostic {
    error("E0407", format!("`{name}` takes no arguments"), span, "an argument")
        .help(format!("write `{name}()`: its mean and spread are fitted"))
}

pub fn counts_in_gaussian(word: &str, span: Span, name: &str, declared: Span) -> Diagnostic {
    let what = match word {
        "point" => "a point estimate",
        "Flow" => "a flow",
        _ => "a joint Gaussian",
    };
    error("E0408", format!("`{name}` is a count, and {what} is for real numbers"), span, "guides a count")
        .and(declared, "a count")
        .help(format!("state its own guide, `guide {name} ~ Poisson(exp(…))`, or leave it to the compiler"))
}

pub fn nuts_of_some(span: Span, first: &str, latent: Span) -> Diagnostic {
    error("E0438", "NUTS draws all latents together, and not some of them", span, "a sampler of the whole posterior")
        .and(latent, format!("`{first}` alone"))
        .help(
            "write `guide * ~ NUTS()`; a guide that is stated for a latent beside it is where its chains start, and their \
             scale",
        )
}

pub fn nuts_argument(span: Span) -> Diagnostic {
    error("E0439", "`NUTS` takes `draws`, `warmup` and `chains` by name", span, "none of these")
        .help("write `NUTS(draws = 1000, warmup = 1000, chains = 4)`, or `NUTS()`, which is the same")
}

pub fn nuts_too_long(span: Span, steps: usize, most: usize) -> Diagnostic {
    error("E0439", format!("these chains make {steps} steps together, and at most {most} are made"), span, "too many")
        .help(
            "a few thousand draws of each of four chains are plenty where they mix; more do not help where they do not",
        )
}

pub fn star_family(family: &str, span: Span, star: Span) -> Diagnostic {
    error("E0409", format!("`{family}` has arguments of its own for each latent"), span, "one distribution")
        .and(star, "for every latent")
        .help("write `guide * ~ FullRank()` or `guide * ~ MeanField()`, or a guide for each latent")
}

pub fn loss_needs_guide(name: &str, span: Span, loss: &str, place: Span) -> Diagnostic {
    error(
        "E0410",
        format!(
            "`{name}` follows a latent, or its own past, and is read by the loss `{loss}`: its guide must be stated"
        ),
        span,
        "no guide",
    )
    .and(place, format!("`{loss}` reads it"))
    .help(format!(
        "write `guide {name} = prior` if chance decides `{name}`: the loss then cannot bend it; or \
         `guide {name} ~ …` if `{name}` is to be inferred, or chosen, with the loss as evidence"
    ))
}

pub fn exact_of_infinite(span: Span, name: &str, declared: Span) -> Diagnostic {
    error("E0417", format!("the exact guide of `{name}` would have no end of values"), span, "not summed over")
        .and(declared, "has infinitely many values")
        .help("`exact` sums over all values of a `Categorical`, a `Bernoulli` or a `Binomial`; state another guide")
}

pub fn exact_sees_what(span: Span, near: Option<&str>) -> Diagnostic {
    let found = error("E0418", "an exact guide sees other latents", span, "not another latent");
    did_you_mean(
        found,
        near,
        "name latents that are observed before: `exact(o)`; or none, `exact()`; `exact` sees all that is declared before",
    )
}

pub fn unknown_estimator(name: &str, span: Span, near: Option<&str>) -> Diagnostic {
    let found = error("E0411", format!("there is no estimator `{name}`"), span, "not known");
    did_you_mean(
        found,
        near,
        "counts are relaxed by cubic, linear, quintic, cosine, sigmoid or gumbel_softmax; others are score, enumeration and implicit",
    )
}

pub fn estimator_of_other_guide(name: &str, span: Span, wants: &str, help: &str, guide: Option<Span>) -> Diagnostic {
    let found = error("E0440", format!("this estimator of `{name}` {wants}"), span, "does not fit");
    let found = match guide {
        Some(guide) => found.and(guide, "the guide"),
        None => found,
    };
    found.help(help)
}

pub fn indicator_without_counts(name: &str, span: Span) -> Diagnostic {
    error("E0412", format!("`by {name}` says how counts are relaxed, and this is not a count"), span, "not a count")
        .help("leave it away: a continuous latent is differentiated as it is")
}

pub fn never_non_centred(family: &str, span: Span) -> Diagnostic {
    error("E0460", format!("a `{family}` is always fitted as it is written"), span, "has nothing to refuse")
        .help("leave it away: of location–scale families alone a latent may be fitted as location + scale · u")
}

pub fn unknown_observed(name: &str, span: Span, near: Option<&str>) -> Diagnostic {
    let found = error("E0413", format!("there are no data `{name}`"), span, "not declared");
    did_you_mean(found, near, &format!("declare them: `data {name}[N] = csv(\"file.csv\", \"{name}\")`"))
}

pub fn observe_other(name: &str, kind: Kind, span: Span, declared: Span) -> Diagnostic {
    let found =
        error("E0414", format!("`{name}` is {}, and only data are observed", kind.describe()), span, "observed here")
            .and(declared, format!("{} here", kind.describe()));
    match kind {
        Kind::Latent => found
            .help(format!("its approximate posterior is `guide {name} ~ …`; data are declared with `data {name} = …`")),
        Kind::Param => found.help(format!("for a prior, declare `latent {name} ~ …` in place of the param")),
        _ => found.help(format!("declare `data {name} = …`")),
    }
}

pub fn observe_let(name: &str, span: Span, declared: Span) -> Diagnostic {
    error("E0414", format!("`{name}` depends on what is fitted, and only data are observed"), span, "observed here")
        .and(declared, "not of data alone")
        .help("observe the data, and put what is fitted into the distribution; a penalty is a `loss`")
}

pub fn observed_twice(name: &str, span: Span, first: Span) -> Diagnostic {
    error("E0415", format!("`{name}` is observed twice, and would count twice"), span, "again")
        .and(first, "first here")
        .help("keep one likelihood")
}

pub fn joint_size(name: &str, key: &str, span: Span) -> Diagnostic {
    let (what, example) = match key {
        "rank" => ("its rank", "LowRank(8)"),
        _ => ("how many layers", "Flow(layers = 2)"),
    };
    error("E0470", format!("`{name}` takes one number, {what}"), span, "not so").help(format!("write `{example}`"))
}

pub fn too_many_layers(name: &str, span: Span, most: usize) -> Diagnostic {
    error("E0470", format!("`{name}` has at most {most} layers"), span, "more than that")
        .help("a few layers bend a guide as far as most posteriors go: `Flow(layers = 2)`")
}

pub fn rank_too_high(span: Span, rank: usize, dimensions: usize) -> Diagnostic {
    let message = format!("a rank of {rank} is not low: these latents have {dimensions} dimensions");
    error("E0471", message, span, "every covariance has this form").help("use `FullRank()`, or a lower rank")
}

pub fn laplace_with_params(span: Span, param: &str, declared: Span) -> Diagnostic {
    error("E0416", "a Laplace guide is where the mode is, and the mode moves with the params", span, "asked for here")
        .and(declared, format!("`{param}` is fitted"))
        .help(format!("make `{param}` a latent with a prior, or use `FullRank()`"))
}

pub fn importance_in_a_sum(word: &str, span: Span) -> Diagnostic {
    let message =
        format!("`{word}` weighs distortion and rate together, under one logarithm: it is an objective by itself");
    error("E0472", message, span, "in a sum, or weighed")
        .help(format!("write `minimize {}`, or a sum of distortion, rate and energy without it", importance(word)))
}

pub fn importance_arguments(word: &str, span: Span) -> Diagnostic {
    let wanted =
        if word == "iwae" { "the number of draws, `k`" } else { "an order, `alpha`, and the number of draws, `k`" };
    error("E0473", format!("`{word}` takes {wanted}"), span, "not so").help(format!("write `{}`", importance(word)))
}

pub fn renyi_order(span: Span, alpha: f64) -> Diagnostic {
    let found =
        error("E0473", "the order of a Rényi divergence is from 0 up, and not 1", span, format!("this is {alpha}"));
    found.help(match alpha {
        1.0 => "at 1 it is the free energy: leave `minimize` away",
        _ => "write `renyi(alpha = 0.5, k = 8)`; at 0 it is `iwae`",
    })
}

pub fn importance_of_counts(word: &str, span: Span, name: &str, declared: Span) -> Diagnostic {
    let message = format!("`{word}` takes importance weights, and a relaxed draw of the count `{name}` has no density");
    error("E0474", message, span, "needs a density of each draw")
        .and(declared, "drawn by relaxation")
        .help("minimize the free energy; continuous latents have weights, and finite ones are summed out")
}

pub fn importance_mixed(word: &str, span: Span, local: &(String, Span), global: &(String, Span)) -> Diagnostic {
    let (one, all) = (&local.0, &global.0);
    let message = format!("`{word}` weighs the draws of each row by themselves, and `{all}` is shared by all rows");
    error("E0475", message, span, "no weight of a row by itself")
        .and(local.1, format!("`{one}` has a value for each row"))
        .and(global.1, format!("`{all}` has one for all"))
        .help(format!("make `{all}` a param or state `guide {all} = point`; or minimize the free energy"))
}

pub fn importance_in_batches(word: &str, span: Span, batch: Span) -> Diagnostic {
    error(
        "E0476",
        format!("`{word}` weighs draws that all rows share, and so needs all rows at once"),
        span,
        "of the whole data",
    )
    .and(batch, "in batches")
    .help("leave `batch` away, or minimize the free energy")
}

fn importance(word: &str) -> &'static str {
    if word == "iwae" { "iwae(k = 8)" } else { "renyi(alpha = 0.5, k = 8)" }
}

pub fn tridiagonal_outside(span: Span, name: &str, declared: Span) -> Diagnostic {
    error(
        "E0420",
        format!("a tridiagonal guide follows the steps of a loop, and `{name}` has none"),
        span,
        "along a loop",
    )
    .and(declared, "declared outside of a loop")
    .help(format!("declare `{name}` in a `for t in T {{ … }}`, or use `guide {name} ~ FullRank()` or `MeanField()`"))
}

pub fn tridiagonal_of_two(span: Span, first: (&str, Span), second: (&str, Span)) -> Diagnostic {
    error(
        "E0421",
        format!("`{}` and `{}` are steps of different loops, and a tridiagonal guide follows one", first.0, second.0),
        span,
        "one guide",
    )
    .and(first.1, "along one loop")
    .and(second.1, "along another")
    .help(format!("write `guide {} ~ Tridiagonal()` and `guide {} ~ Tridiagonal()`", first.0, second.0))
}
