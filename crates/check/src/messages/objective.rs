//! E0500 to E0599: the objective, training, units.

use fe_syntax::ast::Unit;
use fe_syntax::{Diagnostic, Span};

use crate::kind::Kind;
use crate::text::unit_name;
use crate::value::Value;

use super::{did_you_mean, error, list_of};

pub fn unknown_functional(name: &str, span: Span, near: Option<&str>, declared: Option<(Kind, Span)>) -> Diagnostic {
    if name.eq_ignore_ascii_case("elbo") || name.eq_ignore_ascii_case("evidence") {
        return error(
            "E0500",
            format!("`{name}` is not minimised: it is the negative of the free energy"),
            span,
            "not a cost",
        )
        .help("leave `minimize` away, or write `minimize free_energy`");
    }
    if matches!(name.to_lowercase().as_str(), "kl" | "nll" | "loss" | "mse") {
        let ours = if name.eq_ignore_ascii_case("kl") { "rate" } else { "distortion" };
        return error("E0500", format!("`{name}` is called `{ours}` here"), span, "another name")
            .help(format!("write `{ours}`, or `{ours}(…)` for one of several"));
    }
    if let Some((kind, declared)) = declared {
        let found = error("E0500", format!("`{name}` is {}, not a functional", kind.describe()), span, "not a cost")
            .and(declared, format!("{} here", kind.describe()));
        return found.help(match kind {
            Kind::Loss => format!("losses are part of `distortion`; one alone is `distortion({name})`"),
            Kind::Latent => format!("a latent's cost is `rate({name})`"),
            _ => "an objective is made of distortion, rate and energy; a cost of your own is a `loss`".into(),
        });
    }
    let found = error("E0500", format!("there is no functional `{name}`"), span, "not known");
    did_you_mean(found, near, "an objective is made of distortion, rate and energy, as in `distortion + 4 * rate`")
}

pub fn functional_arity(name: &str, span: Span) -> Diagnostic {
    if name == "free_energy" {
        return error("E0501", "`free_energy` is the whole, of no single name", span, "of one")
            .help("write `distortion(x) + rate(z)`");
    }
    error("E0501", format!("`{name}` is taken of one name, or of all"), span, "not so")
        .help(format!("write `{name}`, or `{name}(z)`"))
}

pub fn information_of_what(span: Span) -> Diagnostic {
    error("E0501", "`information` is taken of two latents", span, "not two latents")
        .help("write `- information(c, o)`: what o says of c, given what is chosen")
}

pub fn information_added(span: Span) -> Diagnostic {
    error("E0507", "information is a gain, and is taken off what is minimised", span, "added, or bounded")
        .help("write `minimize distortion + rate(a) - information(c, o)`")
}

pub fn information_of_infinite(name: &str, span: Span, declared: Span) -> Diagnostic {
    error("E0502", format!("`{name}` is not finite, and information is summed over values"), span, "not finite")
        .and(declared, "its values have no end")
        .help("name two latents that are `Categorical`, `Bernoulli` or `Binomial`")
}

pub fn functional_of_what(name: &str, span: Span) -> Diagnostic {
    error("E0501", format!("`{name}` is taken of a name"), span, "not a name").help(format!("write `{name}(z)`"))
}

pub fn rate_of_other(
    word: &str,
    name: &str,
    span: Span,
    near: Option<&str>,
    declared: Option<(Kind, Span)>,
) -> Diagnostic {
    if let Some((kind, declared)) = declared {
        return error(
            "E0502",
            format!("`{name}` is {}, and only a latent has a {word}", kind.describe()),
            span,
            "not a latent",
        )
        .and(declared, format!("{} here", kind.describe()))
        .help(format!("name a latent, or write `{word}` for all of them"));
    }
    let found = error("E0502", format!("there is no latent `{name}`"), span, "not declared");
    did_you_mean(found, near, &format!("write `{word}` for all latents"))
}

pub fn distortion_of_other(name: &str, span: Span, near: Option<&str>) -> Diagnostic {
    let found = error("E0502", format!("nothing called `{name}` is observed or lost"), span, "not observed");
    did_you_mean(found, near, "write `distortion` for all of them")
}

pub fn energy_without_counts(span: Span) -> Diagnostic {
    error("E0503", "energy is counted in spikes, and this program has no counts", span, "always 0")
        .help("leave it away, or declare a latent with a `Poisson` prior")
}

pub fn energy_of_real(name: &str, span: Span, declared: Span) -> Diagnostic {
    error("E0503", format!("energy is counted in spikes, and `{name}` is not a count"), span, "not a count")
        .and(declared, "a real number")
        .help("name a latent with a `Poisson` prior")
}

pub fn objective_units(spikes: Span, nats: Span) -> Diagnostic {
    error("E0504", "spikes and nats do not add up", spikes, "spikes")
        .and(nats, "nats")
        .help("price the spikes: `distortion + rate + 0.02 * energy`, in nats per spike")
}

pub fn rate_left_out(span: Span, missing: &[(String, Span)]) -> Diagnostic {
    let names: Vec<String> = missing.iter().map(|m| format!("`{}`", m.0)).collect();
    let (first, rest) = (missing.first().map_or("z", |m| m.0.as_str()), list_of(&names, "and"));
    let message = format!("the rate of {rest} is left out, and could grow for free");
    let mut found = error("E0505", message, span, "no rate of it");
    for (_, declared) in missing {
        found = found.and(*declared, "a latent without a cost");
    }
    found.help(format!("add `+ rate`, or `+ rate({first})`; `0 * rate({first})` says that it is meant"))
}

pub fn no_distortion(span: Span) -> Diagnostic {
    error("E0506", "without distortion the data have no say: every guide becomes its prior", span, "no distortion")
        .help("write `minimize distortion + rate`")
}

pub fn subtracted_functional(at: Span, what: &str) -> Diagnostic {
    error("E0507", format!("`{what}` is subtracted: making it large without end would be rewarded"), at, "minus")
        .help("costs add up; what is to be small stands with a plus")
}

pub fn negative_weight(span: Span, value: f64) -> Diagnostic {
    error("E0507", "a negative weight rewards a cost that grows without end", span, format!("reaches {value}"))
        .help("write a weight from 0 up")
}

pub fn product_of_functionals(at: Span, span: Span) -> Diagnostic {
    error("E0508", "an objective is a weighted sum, and this multiplies two functionals", at, "a product")
        .and(span, "not linear")
        .help("weigh each with a number: `distortion + 4 * rate`")
}

pub fn not_linear(span: Span) -> Diagnostic {
    error("E0508", "an objective is a weighted sum of distortion, rate and energy", span, "not a weighted sum")
        .help("write `minimize distortion + 4 * rate`; a cost of your own is a `loss`")
}

pub fn constant_objective(span: Span) -> Diagnostic {
    error("E0508", "a number in an objective changes nothing", span, "a constant")
        .help("remove it, or multiply a functional by it")
}

pub fn bound_in_objective(span: Span) -> Diagnostic {
    error("E0509", "a bound stands behind `subject to`", span, "a bound")
        .help("write `minimize distortion subject to rate <= 20 bits`")
}

pub fn not_a_bound(span: Span) -> Diagnostic {
    error("E0509", "a bound is a functional, `<=`, and a number with its unit", span, "not a bound")
        .help("write `rate <= 20 bits` or `energy <= 5 spikes`")
}

pub fn bound_schedule(span: Span) -> Diagnostic {
    error("E0515", "a bound stays the same through the fit", span, "its weight changes")
        .help("weigh what is bounded by a number; schedules belong to what is minimised")
}

pub fn bound_without_unit(span: Span, value: f64, of: &str, wanted: &Unit) -> Diagnostic {
    let unit = unit_name(wanted);
    error("E0510", "a bound needs its unit", span, "a bare number").help(format!("write `{of} <= {value} {unit}`"))
}

pub fn bound_unit(span: Span, unit: &Unit, functional: Span, of: &str, wanted: &Unit) -> Diagnostic {
    let (given, right) = (unit_name(unit), if *wanted == Unit::Nats { "nats or bits" } else { "spikes" });
    error("E0511", format!("`{of}` is measured in {right}, not in {given}"), span, format!("in {given}"))
        .and(functional, format!("in {right}"))
        .help(format!("give the bound in {right}"))
}

pub fn unit_here(unit: &Unit, span: Span, what: &str) -> Diagnostic {
    let word = unit_name(unit);
    error("E0512", format!("{what} has no unit, and this is in {word}"), span, format!("in {word}"))
        .help("units belong to bounds, as in `rate <= 20 bits`; leave it away")
}

pub fn unit_here_any(span: Span) -> Diagnostic {
    error("E0512", "an element of a list has no unit", span, "with a unit").help("leave the unit away")
}

pub fn units_differ(at: Span, a: &Value, b: &Value) -> Diagnostic {
    let word = |v: &Value| v.unit.as_ref().map_or("a bare number".to_owned(), |u| format!("in {}", unit_name(u)));
    error("E0513", "these units do not go together", at, "here")
        .and(a.span, word(a))
        .and(b.span, word(b))
        .help("quantities add to their like, and are scaled by bare numbers")
}

pub fn loss_unit(span: Span) -> Diagnostic {
    error("E0513", "a loss is in nats", span, "in another unit").help("leave the unit away, or write nats")
}

pub fn schedules_multiply(span: Span) -> Diagnostic {
    error("E0514", "two schedules do not multiply", span, "a product of schedules")
        .help("write one schedule, as in `ramp(0, 4) * rate`")
}

pub fn schedule_arguments(name: &str, span: Span) -> Diagnostic {
    let usage = if name == "ramp" { "ramp(0, 1, until = 0.5)" } else { "cosine(0.01, 0)" };
    error("E0514", format!("`{name}` goes from one number to another"), span, "not so").help(format!("write `{usage}`"))
}

pub fn schedule_until(span: Span, value: f64) -> Diagnostic {
    error("E0514", "`until` is a fraction of the fit", span, format!("{value} is not between 0 and 1"))
        .help("write `ramp(0, 1, until = 0.5)` to end half way")
}

pub fn unknown_train_key(key: &str, span: Span, near: Option<&str>, keys: &[&str]) -> Diagnostic {
    let found = error("E0520", format!("`train` has no setting `{key}`"), span, "not known");
    did_you_mean(found, near, &format!("there are {}", list_of(keys, "and")))
}

pub fn train_key_twice(key: &str, span: Span, first: Span) -> Diagnostic {
    error("E0521", format!("`{key}` is set twice"), span, "again").and(first, "first here").help("keep one of the two")
}

pub fn lr_twice(span: Span) -> Diagnostic {
    error("E0521", "`lr` is set twice", span, "again").help("set it in the optimizer alone, as in `adam(lr = 0.01)`")
}

pub fn epochs_and_steps(steps: Span, epochs: Span) -> Diagnostic {
    error("E0522", "a fit is as long as `epochs` or as `steps` say, not both", steps, "in steps")
        .and(epochs, "in passes over the data")
        .help("keep one; without either, a fit ends when it has converged")
}

pub fn rows_needed(key: &str, span: Span, conflict: Option<(Span, Span)>) -> Diagnostic {
    let found = error("E0523", format!("`{key}` needs rows, and these data have no row axis"), span, "no rows");
    match conflict {
        Some((a, b)) => found
            .and(a, "this axis comes first here")
            .and(b, "and this one here")
            .help("rows are the axis that comes first in every observed array: declare it first in each"),
        None => found.help(format!("remove `{key}`; rows are the axis that comes first in every observed array")),
    }
}

pub fn batch_too_large(span: Span, batch: usize, axis: &str, left: usize, rows: usize, stated: Span) -> Diagnostic {
    let held = if left == rows { String::new() } else { format!(", of which {left} are for training") };
    error("E0524", format!("a batch of {batch} is larger than the data"), span, format!("{batch} rows"))
        .and(stated, format!("`{axis}` has {rows} rows{held}"))
        .help(format!("write at most `batch = {left}`, or leave `batch` away"))
}

pub fn lbfgs_in_batches(span: Span, optimizer: Span) -> Diagnostic {
    error("E0525", "`lbfgs` needs all rows at every step", span, "in minibatches")
        .and(optimizer, "`lbfgs`")
        .help("remove `batch`, or choose `adam`")
}

pub fn holdout_fraction(span: Span, value: f64) -> Diagnostic {
    error("E0526", "`holdout` is a fraction of the rows, between 0 and 1", span, format!("this is {value}"))
        .help("write `holdout = 10%`, or `holdout = where` and a condition")
}

pub fn holdout_without_where(span: Span, written: &str) -> Diagnostic {
    error(
        "E0526",
        "`holdout` is a fraction of the rows, or `where` and a condition",
        span,
        "a condition without `where`",
    )
    .help(format!("write `holdout = where {written}`"))
}

pub fn holdout_of_what(span: Span, row: &str, have: Option<&str>) -> Diagnostic {
    let label = match have {
        Some("") => "the same for all rows".to_owned(),
        Some(have) => format!("over [{have}]"),
        None => "not of data alone".to_owned(),
    };
    error("E0530", format!("rows are held out by a condition of data over `{row}`"), span, label).help(format!(
        "write a comparison of a column of the rows: `data split[{row}] : index(P) = …` and `where split == \"test\"`"
    ))
}

pub fn holdout_of_scaled(span: Span, name: &str, declared: Span) -> Diagnostic {
    error(
        "E0531",
        format!("the rows held out are chosen by `{name}`, which is scaled by the others"),
        span,
        "chosen here",
    )
    .and(declared, "`standardize` takes its mean and sd from the rows that are trained on")
    .help("read the column once more without `standardize`, and choose by that")
}

pub fn unknown_optimizer(name: &str, span: Span, near: Option<&str>) -> Diagnostic {
    let message =
        if name.is_empty() { "an optimizer is due here".into() } else { format!("there is no optimizer `{name}`") };
    let found = error("E0527", message, span, "not known");
    did_you_mean(found, near, "there are adam, adamax, sgd and lbfgs, as in `optimizer = adam(lr = 0.01)`")
}

pub fn quoted_optimizer(text: &str, span: Span) -> Diagnostic {
    error("E0527", "an optimizer is named without quotes", span, "in quotes")
        .help(format!("write `optimizer = {}`", text.to_lowercase()))
}

pub fn optimizer_argument(name: &str, argument: &str, span: Span, keys: &[&str]) -> Diagnostic {
    let message = if argument.is_empty() {
        format!("`{name}` takes fewer arguments")
    } else {
        format!("`{name}` has no argument `{argument}`")
    };
    error("E0528", message, span, "not known").help(format!("it takes {}", list_of(keys, "and")))
}

pub fn momentum_range(span: Span, value: f64) -> Diagnostic {
    error("E0529", "`momentum` lies from 0 to below 1", span, format!("this is {value}"))
        .help("write `sgd(lr = 0.01, momentum = 0.9)`")
}
