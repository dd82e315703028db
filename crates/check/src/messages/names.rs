//! E0100 to E0199: names, structure, calls of functions.

use fe_distribution::Family;
use fe_syntax::ast::Name;
use fe_syntax::{Diagnostic, Span};

use super::{did_you_mean, error, list_of};
use crate::kind::Kind;

pub fn duplicate(name: &str, second: Span, first: Span, first_kind: Kind) -> Diagnostic {
    error("E0100", format!("the name `{name}` is declared twice"), second, "declared again here")
        .and(first, format!("{} already", first_kind.describe()))
        .help("axes and values share one set of names: rename one of the two")
}

pub fn cycle(names: &[(&str, Span)]) -> Diagnostic {
    let chain: Vec<String> = names.iter().chain(names.first()).map(|n| format!("`{}`", n.0)).collect();
    let place = names.first().map(|n| n.1).unwrap_or_default();
    let message = match names {
        [(one, _)] => format!("`{one}` is defined by itself"),
        _ => format!("these declarations are defined by one another: {}", chain.join(" → ")),
    };
    let mut found = error("E0101", message, place, "needs itself");
    if names.len() > 1 {
        found = error("E0101", found.message, place, format!("needs {}", chain.get(1).map_or("", |c| c)));
        for (k, (_, span)) in names.iter().enumerate().skip(1) {
            found = found.and(*span, format!("needs {}", chain.get(k + 1).map_or("", |c| c)));
        }
    }
    found.help("break the circle: one of them must be stated without the others")
}

pub fn unknown_name(name: &str, span: Span, near: Option<(Option<Span>, String)>) -> Diagnostic {
    let found = error("E0102", format!("there is no `{name}`"), span, "not declared");
    match near {
        Some((Some(declared), near)) => {
            found.and(declared, format!("`{near}` is declared here")).help(format!("did you mean `{near}`?"))
        }
        Some((None, near)) => found.help(format!("did you mean `{near}`?")),
        None => found.help("declare it with `data`, `param`, `const`, `let` or `latent`"),
    }
}

/// What is written as if it ran over an axis: `k` where `K` is one.
pub fn place_as_value(name: &str, span: Span, (axis, declared): (String, Span)) -> Diagnostic {
    error("E0102", format!("there is no `{name}`: an axis has no variable that runs over it"), span, "not declared")
        .and(declared, format!("`{axis}` is an axis"))
        .help(format!(
            "arrays are taken whole: `arange({axis})` is each place along `{axis}`, and `eye({axis})` is 1 where two places are \
             the same; `{axis}` itself is the size"
        ))
}

pub fn unknown_function(name: &str, span: Span, near: Option<&str>) -> Diagnostic {
    let found = error("E0103", format!("there is no function `{name}`"), span, "not known");
    did_you_mean(found, near, "a function of your own is declared with `fn`, as in `fn twice(x) = 2 * x`")
}

pub fn function_habit(name: &str, span: Span, instead: &str) -> Diagnostic {
    error("E0103", format!("there is no function `{name}`"), span, "not known").help(instead.to_owned())
}

pub fn length_habit(name: &str, span: Span, axis: Option<&str>) -> Diagnostic {
    let found = error("E0103", format!("there is no function `{name}`"), span, "not known");
    match axis {
        Some(axis) => found.help(format!("an axis used as a value is its size: write `{axis}`")),
        None => found.help("an axis used as a value is its size: write its name, such as `N`"),
    }
}

pub fn function_as_value(name: &str, span: Span, declared: Option<Span>) -> Diagnostic {
    let found = error("E0104", format!("`{name}` is a function, and stands here as a value"), span, "not called");
    let found = match declared {
        Some(declared) => found.and(declared, "declared here"),
        None => found,
    };
    found.help(format!("call it, as in `{name}(x)`, or pipe a value into it, as in `x |> {name}`"))
}

pub fn call_of_value(name: &str, kind: Kind, span: Span, declared: Span) -> Diagnostic {
    error("E0105", format!("`{name}` is {}, not a function", kind.describe()), span, "called here")
        .and(declared, format!("{} here", kind.describe()))
        .help(format!("an element is picked with brackets, as in `{name}[c]`; a product is written `{name} * x`"))
}

pub fn arity(name: &str, wanted: usize, given: usize, span: Span, usage: String) -> Diagnostic {
    let count = match given {
        0 => "none is".to_owned(),
        1 => "1 is".to_owned(),
        n => format!("{n} are"),
    };
    let plural = if wanted == 1 { "argument" } else { "arguments" };
    let label = if given > wanted { "too many" } else { "too few" };
    error("E0106", format!("`{name}` takes {wanted} {plural}, and {count} given"), span, label)
        .help(format!("write `{usage}`"))
}

pub fn named_argument(function: &str, argument: &str, span: Span, usage: String) -> Diagnostic {
    error("E0107", format!("`{function}` has no argument named `{argument}`"), span, "not an argument of it")
        .help(format!("write `{usage}`"))
}

pub fn reduction_keyword(function: &str, argument: &str, span: Span) -> Diagnostic {
    let found = named_argument(function, argument, span, format!("{function}(x, D)"));
    if matches!(argument, "axis" | "dim" | "keepdims" | "dims") {
        return found
            .help(format!("axes have names here, not numbers: write `{function}(x, D)` with the axis to go over"));
    }
    found
}

pub fn fn_arity(name: &str, parameters: &[&str], given: usize, span: Span, declared: Span) -> Diagnostic {
    arity(name, parameters.len(), given, span, format!("{name}({})", parameters.join(", ")))
        .and(declared, "declared here")
}

pub fn fn_named_argument(name: &str, argument: &Name) -> Diagnostic {
    error("E0107", format!("arguments of `{name}` are given by place"), argument.span, "named")
        .help(format!("leave `{} =` away", argument.value))
}

pub fn too_many_calls(span: Span, most: usize) -> Diagnostic {
    let message = format!("this program calls its functions more than {most} times in all");
    error("E0108", message, span, "one call too many")
        .help("every call is written out: functions that call functions multiply")
}

pub fn too_deep(span: Span) -> Diagnostic {
    error("E0109", "this expression nests too deeply", span, "too deep").help("name its parts with `let`")
}

pub fn pipe_into(span: Span) -> Diagnostic {
    error("E0110", "a pipe leads into a function", span, "not a function")
        .help("write `x |> silu`, or `x |> dense(64)`, where x becomes the first argument")
}

pub fn text_here(span: Span) -> Diagnostic {
    error("E0111", "a text stands where a value is due", span, "a text")
        .help("texts name files and columns, as in `csv(\"file.csv\", \"column\")`; names stand without quotes")
}

pub fn clause_here(words: &str, span: Span) -> Diagnostic {
    let place =
        if words == "where" { "`holdout = where split == \"test\"`" } else { "`csv(\"d.csv\", all but \"y\")`" };
    error("E0139", format!("`{words}` has no meaning here"), span, "no value").help(format!("it stands in {place}"))
}

pub fn stated_twice(word: &str, again: Span, first: Span) -> Diagnostic {
    error("E0112", format!("`{word}` is stated twice"), again, "again")
        .and(first, "first here")
        .help("keep one of the two")
}

pub fn set_unknown(name: &str, near: Option<&str>) -> Diagnostic {
    let found = error(
        "E0113",
        format!("`{name}` names nothing in the program"),
        Span::default(),
        format!("no `const` or `dim` is called `{name}`"),
    );
    did_you_mean(found, near, "a `const` or a `dim` can be given a value")
}

pub fn set_other(name: &str, kind: Kind) -> Diagnostic {
    let message = format!("`{name}` names {}, and only a `const` or a `dim` can be set", kind.describe());
    error("E0113", message, Span::default(), "not a `const` or a `dim`")
        .help(format!("declare `const {name} = …` to set it"))
}

pub fn set_not_a_number(name: &str, text: &str) -> Diagnostic {
    error("E0114", format!("`{name}={text}` is not a number"), Span::default(), "not a number")
        .help("give a number, perhaps with its unit, as in `beta=4` or `\"budget=20 bits\"`")
}

pub fn not_constant(what: &str, span: Span, free: &str, place: Span) -> Diagnostic {
    let label = if place == span { free } else { "not such a number" };
    let found = error("E0115", format!("{what} is a number known before anything is fitted"), span, label);
    let found = if place == span { found } else { found.and(place, free.to_owned()) };
    found.help("use numbers, sizes of axes, and names declared with `const`")
}

pub fn not_finite(what: &str, value: f64, span: Span) -> Diagnostic {
    error("E0116", format!("{what} must be a finite number"), span, format!("this is {value}"))
        .help("check for a division by zero or a logarithm of zero")
}

/// The largest number that is taken for a whole one.
pub const LARGEST_WHOLE: f64 = 9e15;

pub fn not_whole(what: &str, value: f64, least: usize, span: Span) -> Diagnostic {
    let found = |message: String| error("E0117", message, span, format!("this is {value}"));
    if value > LARGEST_WHOLE {
        return found(format!("{what} is a whole number of at most {LARGEST_WHOLE}"))
            .help("write a smaller number: from here on, not every whole number is told from the next");
    }
    found(format!("{what} is a whole number from {least} up")).help("write a whole number, such as `100` or `10_000`")
}

pub fn must_be_positive(what: &str, span: Span, value: f64) -> Diagnostic {
    error("E0118", format!("{what} must be positive"), span, format!("this reaches {value}"))
        .help("write a number above 0")
}

pub fn division_by_zero(span: Span) -> Diagnostic {
    error("E0119", "this divides by zero", span, "is 0").help("check the divisor")
}

pub fn distribution_as_value(family: &str, span: Span) -> Diagnostic {
    error("E0120", format!("`{family}` is a distribution, and stands here as a value"), span, "not a number")
        .help(format!("draw from it by name: `latent z ~ {family}(…)`, and use `z` here"))
}

pub fn let_distribution(name: &str, family: &str, span: Span, _whole: Span) -> Diagnostic {
    error("E0120", format!("`let {name}` names a value, and `{family}` is a distribution"), span, "a distribution")
        .help(format!("a random variable is declared with `latent {name} ~ {family}(…)`"))
}

pub fn draw_as_value(name: &str, span: Span) -> Diagnostic {
    error("E0121", format!("`{name}` draws where a `param` starts, and has no value here"), span, "only in `param`")
        .help(format!("write `param w[K] = {name}(…)`, and use `w` here"))
}

pub fn stage_as_function(name: &str, span: Span) -> Diagnostic {
    error("E0122", format!("`{name}` prepares data directly behind their reader"), span, "not behind a reader")
        .help(format!("write `data x[N, D] = npy(\"x.npy\") |> {name}`"))
}

pub fn reader_as_value(name: &str, span: Span) -> Diagnostic {
    error("E0123", format!("`{name}` reads a file, which only `data` does"), span, "not in a `data` declaration")
        .help(format!("write `data x[N] = {name}(…)`, and use `x` here"))
}

pub fn not_a_truth(span: Span) -> Diagnostic {
    error("E0124", "a condition is true or false, 1 or 0", span, "may be another number")
        .help("compare it, as in `x > 0`")
}

pub fn nothing_observed(span: Span) -> Diagnostic {
    error("E0125", "nothing is observed, and nothing is lost: there is nothing to fit", span, "the program ends here")
        .help("add `observe x ~ Normal(…)` for data, or a `loss`")
}

pub fn empty_program() -> Diagnostic {
    error("E0138", "there is no statement in this program", Span::default(), "nothing here is a statement")
        .help("state data, what is latent and what is observed: `data x[N] = csv(…)`, `latent m ~ Normal(0, 1)`, `observe x ~ Normal(m, 1)`")
}

pub fn primed_value(name: &str, span: Span) -> Diagnostic {
    error("E0126", format!("a prime belongs to an axis, and `{name}'` stands as a value"), span, "primed")
        .help(format!("a second copy of an axis is taken in brackets, as in `x[{name}']`"))
}

pub fn meter_other(name: &str, kind: Kind, span: Span, declared: Span) -> Diagnostic {
    error(
        "E0127",
        format!("`{name}` is {}, and a meter watches a `let` or a `latent`", kind.describe()),
        span,
        "metered here",
    )
    .and(declared, format!("{} here", kind.describe()))
    .help(format!("name an expression of it: `let a = …`, then `meter a` in place of `meter {name}`"))
}

pub fn show_style(style: &Name, near: Option<&str>) -> Diagnostic {
    let found = error("E0128", format!("there is no picture called `{}`", style.value), style.span, "not known");
    did_you_mean(found, near, "write `show W as images[16, 16]`")
}

pub fn show_map(value: Span, style: Span) -> Diagnostic {
    error("E0129", "a map is of a choice, over the two sizes of a grid", style, "as a map").and(value, "of this").help(
        "write `show a as map[5, 9]`, where `a` is a latent whose guide is `exact` and the state that it sees has a value for each \
         cell, row by row",
    )
}

pub fn show_scalar(span: Span) -> Diagnostic {
    error("E0129", "this has no axes, and a picture needs at least one", span, "a single number")
        .help("show an array whose last axis holds the pixels")
}

pub fn show_sizes(place: Span, sizes: &[usize], value: Span, axis: &str, extent: usize) -> Diagnostic {
    let written: Vec<String> = sizes.iter().map(ToString::to_string).collect();
    let written = written.join(" × ");
    let message = match sizes {
        [_, _] | [3, _, _] => format!("{written} pixels do not make up the {extent} elements of axis {axis}"),
        _ => "a picture has a height and a width".to_owned(),
    };
    let label = match sizes {
        [_, _] | [3, _, _] => format!("{} pixels", sizes.iter().fold(1usize, |n, &s| n.saturating_mul(s))),
        _ => "two sizes are due".to_owned(),
    };
    error("E0129", message, place, label).and(value, format!("its last axis, {axis}, holds {extent}")).help(
        "write height and width, as in `show W as images[16, 16]`, and 3 before them of colour; their product is the \
             size of the last axis",
    )
}

pub fn price_of_what(name: &str, span: Span) -> Diagnostic {
    error("E0130", format!("a price is put on a spike, not on `{name}`"), span, "not `spike`")
        .help("write `price spike = 2.4e9 ATP`")
}

pub fn price_without_unit(span: Span) -> Diagnostic {
    error("E0131", "a price needs the unit in which it is paid", span, "a bare number")
        .help("write `price spike = 2.4e9 ATP`")
}

pub fn price_unit(span: Span, unit: &fe_syntax::ast::Unit) -> Diagnostic {
    let word = crate::text::unit_name(unit);
    error("E0131", format!("a price is paid in a unit of its own, not in {word}"), span, format!("in {word}"))
        .help("any other word will do, as in `price spike = 2.4e9 ATP`; nats per spike stand in `minimize`")
}

pub fn price_sign(span: Span, value: f64) -> Diagnostic {
    error("E0132", "a price must be positive", span, format!("this is {value}")).help("write a number above 0")
}

pub fn unknown_parameters(family: &str, unknown: &[(&Name, Option<&str>)], usages: &[String]) -> Diagnostic {
    let names: Vec<String> = unknown.iter().map(|u| format!("`{}`", u.0.value)).collect();
    let message = format!("`{family}` has no argument {}", list_of(&names, "or"));
    let forms: Vec<String> = usages.iter().map(|u| format!("`{family}({u})`")).collect();
    let place = unknown.first().map(|u| u.0.span).unwrap_or_default();
    let mut found = error("E0133", message, place, "not an argument of it");
    for (name, _) in unknown.iter().skip(1) {
        found = found.and(name.span, "nor this");
    }
    let meant: Vec<String> = match unknown {
        [(_, Some(near))] => vec![format!("did you mean `{near}`? ")],
        _ => unknown.iter().filter_map(|u| u.1.map(|near| format!("`{}` is called `{near}`; ", u.0.value))).collect(),
    };
    found.help(format!("{}write {}", meant.concat(), list_of(&forms, "or")))
}

pub fn mixed_parameters(family: &str, names: &[&Name], usages: &[String]) -> Diagnostic {
    let forms: Vec<String> = usages.iter().map(|u| format!("`{family}({u})`")).collect();
    let place = names.first().map(|n| n.span).unwrap_or_default();
    let mut found = error("E0134", format!("these arguments of `{family}` do not go together"), place, "this one");
    for name in names.iter().skip(1) {
        found = found.and(name.span, "and this one");
    }
    found.help(format!("choose one form: {}", list_of(&forms, "or")))
}

pub fn too_many_parameters(family: &dyn Family, names: &[&str], given: usize, span: Span) -> Diagnostic {
    let count = match names.len() {
        0 => "no arguments".to_owned(),
        1 => format!("one argument, {}", names.first().map_or("", |n| n)),
        n => format!("{n} arguments, {}", list_of(names, "and")),
    };
    let family_name = family.name();
    let message = format!("`{family_name}` takes {count}, and {given} are given");
    let found = error("E0135", message, span, "one too many");
    match given {
        2 if family.starts_at_zero() => found.help(format!(
            "it starts at 0 and has no location: write `{family_name}(s)` with its {}",
            names.first().map_or("scale", |n| n)
        )),
        _ => found.help("sizes stand on the left, as axes: `latent z[10] ~ …` draws ten"),
    }
}

pub fn missing_parameters(family: &str, missing: &[&str], span: Span, _name: Span, usages: &[String]) -> Diagnostic {
    let forms: Vec<String> = usages.iter().map(|u| format!("`{family}({u})`")).collect();
    error("E0136", format!("`{family}` needs its {}", list_of(missing, "and")), span, "left out here")
        .help(format!("it is called as {}", list_of(&forms, "or")))
}

pub fn argument_twice(function: &str, argument: &str, span: Span, first: Span) -> Diagnostic {
    error("E0137", format!("the {argument} of `{function}` is given twice"), span, "again")
        .and(first, "first here")
        .help("keep one of the two")
}
