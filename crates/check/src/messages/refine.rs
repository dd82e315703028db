//! E0481 to E0489: refinement.

use fe_syntax::{Diagnostic, Span};

use super::{did_you_mean, error, list_of};

pub fn random_start(name: &str, span: Span) -> Diagnostic {
    error("E0481", format!("`{name}` starts from a latent, and a descent starts from what is known"), span, "random")
        .help("start from params, data, numbers, or in a loop from the last position's state")
}

pub fn unknown_descent(word: &str, span: Span, near: Option<&str>) -> Diagnostic {
    let found = error("E0482", format!("there is no descent `{word}`"), span, "not known");
    did_you_mean(found, near, "write `by natural_gradient`, `by gradient` or `by proximal`")
}

pub fn unknown_option(word: &str, span: Span, near: Option<&str>) -> Diagnostic {
    let found = error("E0483", format!("a descent has no option `{word}`"), span, "not known");
    did_you_mean(found, near, "the options are `step`, `limit`, `guard`, `samples`, `average` and `through`")
}

pub fn unnamed_option(span: Span) -> Diagnostic {
    error("E0483", "an option of a descent goes by its name", span, "which option?").help("write `step = 0.1`")
}

pub fn yes_or_no(option: &str, span: Span) -> Diagnostic {
    error("E0483", format!("`{option}` is `true` or `false`"), span, "neither").help(format!("write `{option} = true`"))
}

pub fn step_of_param(span: Span) -> Diagnostic {
    error("E0483", "a step is one positive number", span, "not one positive number")
        .help("declare it so, `param eta : positive = 0.1`, or write `step = learned`")
}

pub fn state_unread(name: &str, span: Span, latent: &str) -> Diagnostic {
    error("E0484", format!("no guide reads `{name}`"), span, "refined for nothing").help(format!(
        "a refined state is what a guide is made of: `guide {latent} ~ Poisson(exp({name}))`; `FullRank()` and their like have \
         parameters of their own"
    ))
}

pub fn state_of_two(name: &str, span: Span, first: (&str, Span), second: (&str, Span)) -> Diagnostic {
    error("E0484", format!("the guides of `{}` and of `{}` both read `{name}`", first.0, second.0), span, "one state")
        .and(first.1, "read here")
        .and(second.1, "and here")
        .help("each state belongs to one guide: refine one for each")
}

pub fn state_elsewhere(name: &str, span: Span, what: &str, place: Span) -> Diagnostic {
    error("E0484", format!("{what} reads `{name}`, which only a guide may"), place, "read here")
        .and(span, "refined here")
        .help("let it read the latent itself; in a loop a prior may read the last position, `v[t-1]`")
}

pub fn state_axes(name: &str, span: Span, have: &str, latent: &str, want: &str, declared: Span) -> Diagnostic {
    error("E0485", format!("`{name}` is over {have}, and `{latent}` over {want}"), span, format!("over {have}"))
        .and(declared, format!("over {want}"))
        .help(format!("a state has the axes of the latent whose guide reads it: `refine {name}[{want}] from …`"))
}

pub fn state_mixed(name: &str, span: Span, latent: &str, guide: Span) -> Diagnostic {
    error("E0485", format!("the guide of `{latent}` mixes elements of `{name}`"), guide, "mixed here")
        .and(span, "refined here")
        .help("each element of a state goes to one element of the guide, as in `Poisson(exp(v))`")
}

pub fn guard_with_samples(name: &str, span: Span) -> Diagnostic {
    error("E0486", format!("`{name}` has `guard` and `samples`"), span, "both")
        .help("a guard compares free energies that repeat, and draws do not: leave one of them away")
}

pub fn through_none(name: &str, span: Span, why: &str) -> Diagnostic {
    error("E0486", format!("`{name}` cannot have `through = none`: {why}"), span, "no gradient runs back")
        .help("write `through = all`, or leave it away")
}

pub fn descents_differ(first: (&str, Span), second: (&str, Span)) -> Diagnostic {
    let message = format!("`{}` and `{}` move together, and are stated differently", first.0, second.0);
    error("E0487", message, second.1, "another way").and(first.1, "one way").help(
        "states of one descent have the same `over`, `samples`, `guard` and `average`, and stand in the same loop",
    )
}

pub fn no_fisher(name: &str, span: Span, family: &str, guide: Span, known: &[&str]) -> Diagnostic {
    error(
        "E0488",
        format!("no Fisher information is registered for `{family}`, whose guide reads `{name}`"),
        guide,
        "here",
    )
    .and(span, "a natural gradient")
    .help(format!("it is known of {}; else descend `by gradient(step = 0.1)`", list_of(known, "and")))
}

pub fn natural_point(name: &str, span: Span, guide: Span) -> Diagnostic {
    error("E0488", format!("`{name}` is a point, which has no Fisher information"), span, "a natural gradient")
        .and(guide, "a point")
        .help("descend `by proximal` or `by gradient`")
}

pub fn proximal_without_point(name: &str, span: Span, latent: &str, guide: Span) -> Diagnostic {
    error(
        "E0489",
        format!("`{name}` descends `by proximal`, and the guide of `{latent}` is no point"),
        span,
        "a proximal map",
    )
    .and(guide, "the guide")
    .help(format!("write `guide {latent} = point({name})`, or descend `by natural_gradient`"))
}

pub fn no_proximal_map(name: &str, span: Span, prior: &str, declared: Span, known: &[&str]) -> Diagnostic {
    error("E0489", format!("no proximal map is known of a `{prior}` prior"), span, format!("`{name}` needs one"))
        .and(declared, format!("a `{prior}` prior"))
        .help(format!("it is known of {}; else descend `by gradient(step = 0.1)`", list_of(known, "and")))
}
