//! E0300 to E0399: types, supports, distributions.

use fe_distribution::{Family, Parameter, Support};
use fe_syntax::ast::Name;
use fe_syntax::{Diagnostic, Span};

use crate::kind::{Kind, Role};
use crate::range::Range;
use crate::value::{Level, Value};

use super::{did_you_mean, error, list_of};

/// How a support is written as a type.
fn type_name(support: Support) -> String {
    match support {
        Support::Real => "real".into(),
        Support::Positive => "positive".into(),
        Support::Unit => "unit".into(),
        Support::Interval { low, high } => format!("real({low}, {high})"),
        Support::Count => "count".into(),
        Support::Bool => "bool".into(),
        Support::Index(_) => "index".into(),
        Support::Simplex => "simplex".into(),
        Support::Ordered => "ordered".into(),
        Support::OneHot => "one-hot".into(),
        Support::CorrelationFactor => "correlation_factor".into(),
        Support::CovarianceFactor => "covariance_factor".into(),
        Support::Covariance => "covariance".into(),
    }
}

/// `near` is the nearest name, and `elsewhere` the nearest that other languages have, with what it is called here.
pub fn unknown_family(
    name: &str,
    span: Span,
    near: Option<&str>,
    elsewhere: Option<(&str, &str)>,
    all: &[&str],
) -> Diagnostic {
    let found = error("E0300", format!("there is no distribution `{name}`"), span, "not known");
    if let (None, Some((theirs, here))) = (near, elsewhere) {
        return found.help(format!("did you mean `{here}`, which others call {theirs}?"));
    }
    did_you_mean(found, near, &format!("there are {}", list_of(all, "and")))
}

/// `censored(…)` for `Censored(…)`.
pub fn wrapper_case(name: &str, span: Span, wrapper: &str, usage: &str) -> Diagnostic {
    let found = error("E0301", format!("a distribution is written with a capital: `{wrapper}`"), span, "lower case");
    match wrapper {
        "Censored" => found.help(format!(
            "write `{usage}`; an end may differ by row, so that one of which an event is known is \
             `high = if event == 1 then 1e9 else time`"
        )),
        _ => found.help(format!("write `{usage}`, not `{name}(…)`")),
    }
}

/// A distribution of other languages that is written out here.
pub fn family_written_out(name: &str, span: Span, instead: &str) -> Diagnostic {
    error("E0300", format!("there is no distribution `{name}`"), span, "written out here").help(instead)
}

pub fn family_case(name: &str, span: Span, family: &str) -> Diagnostic {
    let found = error("E0301", format!("a distribution is written with a capital: `{family}`"), span, "lower case");
    if crate::program::Init::DRAWS.contains(&name) {
        return found.help(format!("write `{family}(…)`; lower case, `{name}(…)` draws where a `param` starts"));
    }
    found.help(format!("write `{family}(…)`"))
}

pub fn family_synonym(name: &str, span: Span, family: &str) -> Diagnostic {
    error("E0302", format!("`{name}` is called `{family}` here"), span, "another name")
        .help(format!("write `{family}(…)`"))
}

pub fn linked_family(name: &str, span: Span, instead: &str) -> Diagnostic {
    error("E0302", format!("there is no distribution `{name}`"), span, "a link stands in the argument here")
        .help(format!("write `{instead}`"))
}

pub fn family_without_call(name: &str, span: Span) -> Diagnostic {
    // A rank has to be said; layers have a default.
    let guide_alone = crate::guide::JOINT.contains(&name) && name != "LowRank";
    let bare = guide_alone || fe_distribution::family(name).is_some_and(|f| f.parameters().is_empty());
    let call = if bare { format!("{name}()") } else { format!("{name}(…)") };
    error("E0303", format!("`{name}` needs parentheses"), span, "not called").help(format!("write `{call}`"))
}

pub fn not_a_distribution(span: Span, role: Role) -> Diagnostic {
    let found = error("E0304", "a distribution is due behind `~`", span, "a value");
    found.help(match role {
        Role::Prior => "write `latent z ~ Normal(0, 1)`; a name for a value is `let z = …`",
        Role::Guide => "write `guide z ~ Normal(m, s)`",
        Role::Likelihood => "write `observe x ~ Normal(m, s)`, with the spread around this value",
    })
}

pub fn formula(span: Span) -> Diagnostic {
    error("E0304", "a distribution is due behind `~`", span, "a value").help(
        "write `observe x ~ Normal(m, s)`, with the spread around this value; a formula such as `y ~ x + g` is written out, \
         `observe y ~ Normal(a + b * x + c[g], s)`, each coefficient a `param` or a `latent`",
    )
}

pub fn value_as_distribution(name: &str, kind: Kind, span: Span, declared: Span, synonym: Option<&str>) -> Diagnostic {
    let found = error(
        "E0304",
        format!("`{name}` is {}, not a distribution", kind.describe()),
        span,
        "a distribution is due here",
    )
    .and(declared, format!("{} here", kind.describe()));
    match synonym {
        Some(family) => found.help(format!("the distribution is called `{family}`")),
        None => found.help("distributions have capital names, such as `Normal(mean, sd)`"),
    }
}

pub fn guide_word_as_distribution(name: &str, span: Span) -> Diagnostic {
    error("E0305", format!("`{name}` is a kind of guide, not a distribution"), span, "only in a guide")
        .help(format!("write `guide mu, tau ~ {name}()`"))
}

/// `value` is the argument, `written` its text, `named` what it names where it is a bare name, and `factor` the data that alone
/// give its sign.
pub fn argument_range(
    family: &dyn Family,
    parameter: &Parameter,
    value: &Value,
    written: &str,
    named: Option<(String, Kind, Span)>,
    factor: Option<(String, Span)>,
) -> Diagnostic {
    let (name, range, span) = (parameter.name, value.range, value.span);
    let what = format!("the {name} of `{}`", family.name());
    let needs = match parameter.support {
        Support::Positive => "positive".to_owned(),
        Support::Unit => "between 0 and 1".to_owned(),
        other => other.describe(),
    };
    if value.level == Level::Constant {
        let label = if range.low == range.high {
            format!("this is {}", range.low)
        } else {
            format!("may be {}", range.describe())
        };
        let found = error("E0306", format!("{what} must be {needs}"), span, label);
        let found = match named {
            Some((_, kind, declared)) => found.and(declared, format!("{} here", kind.describe())),
            None => found,
        };
        return found.help(if parameter.support == Support::Unit {
            "write a number from 0 to 1".to_owned()
        } else {
            format!("write a number above 0 for the {name}")
        });
    }
    let may = match parameter.support {
        Support::Positive if range.low == 0.0 => "may be 0".to_owned(),
        Support::Positive => "may be negative".to_owned(),
        _ => format!("may be {}", range.describe()).replace("may be negative", "may be any number"),
    };
    let found = error("E0307", format!("{what} must be {needs}, and `{written}` {may}"), span, may);
    if let (Support::Positive, Some((name, declared))) = (parameter.support, factor) {
        return found.and(declared, format!("`{name}` is data of any sign")).help(format!(
            "declare `data {name} : positive = …` if the data are so; `exp({written})` is another model"
        ));
    }
    let declare = named.filter(|n| matches!(n.1, Kind::Param | Kind::Latent | Kind::Let) && range.low < 0.0);
    let found = match &declare {
        Some((name, kind, declared)) => found.and(*declared, format!("`{name}` is {} of any sign", kind.describe())),
        None => found,
    };
    let logits = family.alternatives().iter().any(|a| a.parameters.iter().any(|p| p.name == "logits"));
    found.help(match (parameter.support, declare) {
        (Support::Unit, _) if logits => {
            format!("write `{}(logits = {written})`, or `sigmoid({written})`", family.name())
        }
        (Support::Unit, _) => format!("write `sigmoid({written})`"),
        (Support::Positive, _) if range.low == 0.0 => {
            format!("write `softplus(…)` or `exp(…)`, or add a small number: `{written} + 0.001`")
        }
        (Support::Positive, Some((name, Kind::Param, _))) => {
            format!("declare `param {name} : positive = 1`, or write `exp({written})`")
        }
        (Support::Positive, Some((name, Kind::Latent, _))) => {
            format!("declare `latent {name} : positive ~ …`, or write `exp({written})`")
        }
        // What is written out may be meant to be positive as it is; exp of it is another model.
        (Support::Positive, None) if written.contains(' ') => format!(
            "write `exp({written})` or `softplus({written})`; if it is meant as it is, and positive wherever that matters, \
             `max({written}, 1e-6)`"
        ),
        (Support::Positive, _) => format!("write `exp({written})` or `softplus({written})`"),
        _ => format!("it must be {needs}"),
    })
}

pub fn data_range(
    family: &str,
    parameter: &Parameter,
    span: Span,
    name: &str,
    declared: Span,
    support: Support,
) -> Diagnostic {
    let message = format!(
        "the {} of `{family}` is made of {}, and `{name}` is declared as {}",
        parameter.name,
        parameter.support.describe(),
        support.describe()
    );
    error("E0307", message, span, "used here")
        .and(declared, format!("`{name}` : {}", type_name(support)))
        .help(format!("declare `{name}` as `{}` if the data are so", type_name(parameter.support)))
}

pub fn not_a_simplex(family: &str, argument: &str, span: Span, axis: &str, difference: bool) -> Diagnostic {
    let help = match difference {
        true => {
            "of intervals between cutpoints, write `OrderedLogistic(location, cutpoints)`, or `OrderedProbit`; else \
                 `softmax(…)`, or unnormalised logarithms by name, `logits = …`"
                .to_owned()
        }
        false => format!("write `softmax(…, {axis})`, or give unnormalised logarithms by name: `{family}(logits = …)`"),
    };
    error("E0308", format!("the {argument} of `{family}` must add up to 1"), span, "need not add up to 1").help(help)
}

pub fn uniform_ends(span: Span, low: f64, high: f64) -> Diagnostic {
    error("E0309", "a `Uniform` runs from a lower to a higher end", span, format!("from {low} to {high}"))
        .help(format!("write `Uniform({high}, {low})`"))
}

pub fn moving_support(name: &str, family: &str, span: Span) -> Diagnostic {
    error(
        "E0310",
        format!("the support of `{name}` must be known before it is fitted"),
        span,
        format!("the ends of this `{family}` move"),
    )
    .help(format!("write constant ends, or scale a latent on a fixed range: `let {name} = low + (high - low) * u`"))
}

pub fn unknown_type(name: &str, span: Span, near: Option<&str>) -> Diagnostic {
    let found = error("E0311", format!("there is no type `{name}`"), span, "not known");
    if matches!(name.to_lowercase().as_str(), "int" | "integer") {
        return found.help("whole numbers from 0 up are `count`, and those that pick along an axis J are `index(J)`");
    }
    did_you_mean(found, near, "types are real, positive, unit, count, bool, simplex, ordered, index(J) and real(0, 20)")
}

pub fn type_arguments(name: &str, span: Span) -> Diagnostic {
    error("E0312", format!("the type `{name}` takes no arguments"), span, "arguments given")
        .help(format!("write `{name}`; a range is `real(0, 20)`"))
}

pub fn range_ends(span: Span) -> Diagnostic {
    error("E0312", "a range has two ends", span, "not two").help("write `real(0, 20)`")
}

pub fn empty_range(span: Span, low: f64, high: f64) -> Diagnostic {
    error("E0313", "a range runs from a lower to a higher end", span, format!("from {low} to {high}"))
        .help(format!("write `real({high}, {low})`"))
}

pub fn index_of_what(span: Span) -> Diagnostic {
    error("E0314", "an index counts along one axis", span, "which axis?").help("write `index(J)`")
}

pub fn discrete_param(name: &str, span: Span, support: Support) -> Diagnostic {
    error(
        "E0315",
        format!("`{name}` is fitted by gradients, and {} have none", support.describe()),
        span,
        "a discrete param",
    )
    .help("make it a `latent` with a distribution, or a `const`")
}

pub fn let_type(name: &str, place: Span, support: Support, value: Span, range: Range) -> Diagnostic {
    error(
        "E0316",
        format!("`{name}` is declared as {}, and its value need not be", support.describe()),
        place,
        "declared here",
    )
    .and(value, format!("may be {}", range.describe()).replace("may be negative", "may be any number"))
    .help("make it so with `exp(…)`, `softplus(…)` or `sigmoid(…)`, or leave the type away")
}

pub fn type_of_prior(name: &str, place: Span, ty: Support, family: &str, prior: Span, support: Support) -> Diagnostic {
    let message = format!("`{name}` is declared as {}, and a `{family}` draws {}", ty.describe(), support.describe());
    error("E0317", message, place, format!("`{}`", type_name(ty)))
        .and(prior, format!("draws {}", support.describe()))
        .help("leave the type away, or choose a distribution of that type")
}

pub fn unknown_normaliser(name: &str, place: Span, ty: Support, family: &str, prior: Span) -> Diagnostic {
    let message = format!("the share of this `{family}` that lies in {} is not known in closed form", ty.describe());
    error("E0318", message, place, format!("restricts `{name}` to a part of its prior"))
        .and(prior, "restricted here")
        .help(match ty {
            Support::Positive => {
                "choose a positive prior: `HalfNormal`, `HalfCauchy`, `LogNormal`, `Gamma`, `Exponential`"
            }
            Support::Unit => "choose a prior between 0 and 1: `Beta` or `Uniform`",
            _ => "choose a prior on that range: `Uniform`, or a `Beta` that is scaled",
        })
}

pub fn init_arguments(function: &Name, span: Span) -> Diagnostic {
    let (usage, count) = match function.value.as_str() {
        "normal" => ("normal(mean, sd)", "two numbers"),
        "smooth" => ("smooth(sd)", "one number"),
        _ => ("uniform(low, high)", "two numbers"),
    };
    error("E0319", format!("`{}` takes {count}", function.value), span, "not so").help(format!("write `{usage}`"))
}

pub fn smooth_number(function: &Name) -> Diagnostic {
    error("E0319", "a smooth start is a curve along an axis, and this is one number", function.span, "of no axis")
        .help("write `normal(0, sd)`, or give it an axis: `param a[T] = smooth(1)`")
}

pub fn init_sd(span: Span, sd: f64) -> Diagnostic {
    error("E0320", "a spread is not negative", span, format!("the sd is {sd}"))
        .help("write `normal(mean, sd)` with an sd from 0 up")
}

pub fn init_ends(span: Span, low: f64, high: f64) -> Diagnostic {
    error("E0320", "`uniform` runs from a lower to a higher end", span, format!("from {low} to {high}"))
        .help(format!("write `uniform({high}, {low})`"))
}

pub fn init_shape(name: &str, span: Span, given: &[usize], wanted: &[usize], target: Span) -> Diagnostic {
    let text = |s: &[usize]| match s {
        [] => "a single number".to_owned(),
        [n] => format!("{n} elements"),
        _ => s.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × "),
    };
    let message = format!("this list has {}, and `{name}` has {}", text(given), text(wanted));
    error("E0321", message, span, text(given))
        .and(target, text(wanted))
        .help("give as many elements as the axes have, or one number for all")
}

pub fn init_outside(span: Span, value: f64, support: Support, ty: Option<Span>) -> Diagnostic {
    let found =
        error("E0322", format!("a param of {} cannot start at {value}", support.describe()), span, "outside its type");
    let found = match ty {
        Some(ty) => found.and(ty, "its type"),
        None => found,
    };
    found.help("start inside the type, and not at an end of it")
}

pub fn init_normal_outside(span: Span, support: Support) -> Diagnostic {
    error(
        "E0322",
        format!("a normal draw need not be one of {}", support.describe()),
        span,
        "may start outside its type",
    )
    .help("start with a number, or with `uniform(low, high)` inside the type")
}

pub fn param_distribution(name: &str, function: &Name) -> Diagnostic {
    let family = &function.value;
    let found = error(
        "E0323",
        format!("a `param` has a start, not a distribution like `{family}`"),
        function.span,
        "a distribution",
    );
    match family.to_lowercase() {
        start if crate::program::Init::DRAWS.contains(&start.as_str()) => found.help(format!(
            "a start is drawn in lower case, `{start}(…)`; a random variable is `latent {name} ~ {family}(…)`"
        )),
        _ => found.help(format!("a random variable is `latent {name} ~ {family}(…)`")),
    }
}

pub fn data_type(
    name: &str,
    place: Span,
    declared: Span,
    have: Support,
    family: &str,
    likelihood: Span,
    accepted: Support,
) -> Diagnostic {
    let message =
        format!("`{name}` is declared as {}, and a `{family}` gives {}", have.describe(), accepted.describe());
    error("E0324", message, place, "observed here")
        .and(likelihood, format!("gives {}", accepted.describe()))
        .and(declared, format!("`{name}` : {}", type_name(have)))
        .help(format!("declare it as `{}` if the data are so, or choose another likelihood", type_name(accepted)))
}

pub fn index_axis(name: &str, place: Span, of: &str, over: &str, likelihood: Span) -> Diagnostic {
    error(
        "E0325",
        format!("`{name}` counts along axis `{of}`, and its likelihood's categories are those of `{over}`"),
        place,
        format!("`index({of})`"),
    )
    .and(likelihood, format!("categories along `{over}`"))
    .help("use the same axis for both")
}

pub fn ordered_without_axis(name: &str, span: Span) -> Diagnostic {
    error("E0235", format!("`{name}` is a single number, which has no order"), span, "ordered along what?")
        .help(format!("give it an axis, as in `latent {name}[K] : ordered ~ …`"))
}

pub fn ordered_unequal(name: &str, span: Span, axis: &str, argument: Span) -> Diagnostic {
    error("E0236", format!("the order of `{name}` has no known probability"), span, "ordered here")
        .and(argument, format!("differs along `{axis}`"))
        .help(format!("give all elements along `{axis}` the same prior"))
}

pub fn wrapper_usage(span: Span, usage: &str) -> Diagnostic {
    error("E0327", "these are not its arguments", span, "not so").help(format!("write it as `{usage}`"))
}

pub fn unwrapped(wrapper: &str, family: &str, span: Span) -> Diagnostic {
    let why = match wrapper {
        "Mixture" => "its components have to be single numbers",
        _ => "the share of it between two ends is not known in closed form, or it is changed already",
    };
    error("E0328", format!("`{wrapper}` does not take a `{family}` like this"), span, why)
        .help("choose another family, or another way to say it")
}

pub fn only_a_likelihood(name: &str, span: Span) -> Diagnostic {
    let help = match name {
        "Censored" | "Weighted" => "use it in an `observe`; a latent is cut off by `Truncated` or by its type",
        "LogDensity" => {
            "use it in an `observe`; a latent has a prior that is a distribution, and what else is to be counted is a `loss`, \
             minus the log density"
        }
        _ => "use it in an `observe`",
    };
    error("E0329", format!("`{name}` is of data"), span, "draws no data").help(help)
}

pub fn not_increasing(family: &str, argument: &str, span: Span, axis: &str, written: &str) -> Diagnostic {
    error("E0341", format!("the {argument} of `{family}` must increase"), span, format!("need not, along `{axis}`"))
        .help(format!("declare them so, as in `latent c[{axis}] : ordered ~ Normal(0, 3)`; here stands `{written}`"))
}

pub fn category_count(
    name: &str,
    place: Span,
    axis: &str,
    have: usize,
    likelihood: Span,
    cutpoints: usize,
) -> Diagnostic {
    let due = cutpoints.saturating_add(1);
    error(
        "E0342",
        format!("`{name}` has {have} categories, and {cutpoints} cutpoints part {due}"),
        place,
        format!("`index({axis})`"),
    )
    .and(likelihood, format!("{cutpoints} cutpoints"))
    .help(format!("cutpoints are one fewer than categories: {} for `{axis}`", have.saturating_sub(1)))
}

pub fn density_of_a_sum(name: &str, span: Span, axis: &str, have: &str) -> Diagnostic {
    error("E0343", format!("`{name}` has a log density for each `{axis}`"), span, have)
        .help(format!("give each `{axis}` its own log density, without a sum over `{axis}`: they are added up here"))
}

pub fn missing_elsewhere(name: &str, span: Span, declared: Span) -> Diagnostic {
    error("E0330", format!("some values of `{name}` may be missing, and this needs them all"), span, "read here")
        .and(declared, "declared with `?`")
        .help(format!("state how its values come about, and gaps are inferred: `observe {name} ~ Normal(m, s)`; or fill it in before"))
}

pub fn missing_only_in_data(span: Span) -> Diagnostic {
    error("E0331", "only data can be missing", span, "not data").help("remove the `?`")
}

pub fn missing_vector(name: &str, span: Span, family: &str) -> Diagnostic {
    let help = match family {
        "LogDensity" => "give a log density for each element, and not of whole vectors",
        _ => "of vectors, those of a `MultivariateNormal` alone may have gaps: observe each element by itself",
    };
    error("E0332", format!("a `{family}` draws whole vectors, and parts of `{name}` may be missing"), span, "with `?`")
        .help(help)
}

pub fn index_of_other_axis(name: &str, place: Span, stated: &str, own: &str, prior: Span) -> Diagnostic {
    error("E0237", format!("`{name}` is declared to count along `{stated}`"), place, format!("`{stated}`"))
        .and(prior, format!("has a probability for each `{own}`"))
        .help(format!("write `index({own})`, or leave the type away"))
}

pub fn vector_without_axis(family: &str, span: Span) -> Diagnostic {
    error("E0238", format!("a `{family}` draws a vector, and there is no axis for it"), span, "along what?")
        .help(format!("give what is drawn an axis, as in `w[K] ~ {family}(…)`"))
}

pub fn let_vector_type(name: &str, place: Span, ty: Support, value: Span) -> Diagnostic {
    let help = match ty {
        Support::Simplex => "make it one with `softmax(…, K)`, or write numbers that add up to 1",
        Support::Ordered => "declare a latent of that type, or leave the type away",
        _ => "declare a latent or a param of that type, or leave the type away",
    };
    error("E0326", format!("`{name}` is declared to hold {}", ty.describe()), place, format!("`{}`", type_name(ty)))
        .and(value, "is not known to be that")
        .help(help)
}

pub fn unnormalised_start(span: Span, total: f64, ty: Span) -> Diagnostic {
    error("E0333", "a simplex adds up to 1, and this start does not", span, format!("adds up to {total}"))
        .and(ty, "its type")
        .help("write shares of 1, or `uniform(0, 1)`, whose draws are divided by their sum")
}

pub fn start_of_no_value(span: Span, support: Support, ty: Span) -> Diagnostic {
    let help = match support {
        Support::Simplex => "start with every share above 0",
        Support::Ordered => {
            "write numbers that increase along the last axis, or `normal(0, 1)`, whose draws are put in order"
        }
        Support::Covariance => {
            "write a symmetric positive definite matrix, or a number, which then stands on the diagonal"
        }
        _ => "write a lower triangle with a positive diagonal, or `1`, which stands for the unit matrix",
    };
    error("E0334", format!("a param of {} cannot start like this", support.describe()), span, "is none")
        .and(ty, "its type")
        .help(help)
}

pub fn drawn_start(span: Span, support: Support, ty: Span) -> Diagnostic {
    let help = match support {
        Support::Simplex => "draw positive numbers, as `uniform(0, 1)` does: they are divided by their sum",
        _ => "start with a number, which then stands on the diagonal, or with the matrix itself",
    };
    error("E0335", format!("a param of {} cannot start from such draws", support.describe()), span, "drawn")
        .and(ty, "its type")
        .help(help)
}

pub fn vector_type_without_axis(name: &str, support: Support, span: Span) -> Diagnostic {
    let ty = type_name(support);
    error("E0336", format!("`{name}` is a single number, and a `{ty}` lies along an axis"), span, "along what?")
        .help(format!("give it an axis, as in `{name}[K] : {ty}`"))
}

pub fn matrix_type_without_axes(name: &str, support: Support, span: Span, have: &str) -> Diagnostic {
    let ty = type_name(support);
    error("E0337", format!("a `{ty}` is square, over an axis and its primed copy"), span, "not over such axes")
        .help(format!("`{name}` has {have}; write `{name}[K, K'] : {ty}`"))
}

pub fn matrix_without_axes(family: &str, span: Span, have: &str) -> Diagnostic {
    error("E0338", format!("`{family}` draws a square matrix, over an axis and its primed copy"), span, "over what?")
        .help(format!("what is drawn has {have}; declare it as in `L[K, K'] ~ {family}(…)`"))
}

pub fn few_degrees_of_freedom(family: &str, span: Span, df: f64, size: usize) -> Diagnostic {
    let least = size.saturating_sub(1);
    error(
        "E0339",
        format!("`{family}` over {size} × {size} matrices needs more than {least} degrees of freedom"),
        span,
        format!("is {df}"),
    )
    .help(format!("with {size} or more its draws have a density, and with {} or more a mean", size + 2))
}

pub fn vector_type_over_rows(name: &str, support: Support, span: Span, axis: &str) -> Diagnostic {
    error(
        "E0340",
        format!("`{name}` would tie the rows together"),
        span,
        format!("a `{}` along `{axis}`", type_name(support)),
    )
    .help("rows are independent; give it another last axis")
}
