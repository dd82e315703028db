//! E0200 to E0299: axes and sizes.

use fe_syntax::{Diagnostic, Span};

use super::{did_you_mean, error, list_of};
use crate::kind::Kind;

/// `[N, K]`, or that there are none.
fn bracketed(axes: &str) -> String {
    if axes.is_empty() { "no axes".into() } else { format!("axes [{axes}]") }
}

fn shape_text(shape: &[usize]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ")
}

pub fn unknown_axis(name: &str, span: Span, near: Option<&str>) -> Diagnostic {
    let found = error("E0200", format!("there is no axis `{name}`"), span, "not declared");
    did_you_mean(
        found,
        near,
        &format!("declare `dim {name} = …`; axes that first appear in `data` take their size from the file"),
    )
}

pub fn value_as_axis(name: &str, kind: Kind, span: Span, declared: Span) -> Diagnostic {
    error("E0201", format!("`{name}` is {}, not an axis", kind.describe()), span, "an axis is due here")
        .and(declared, format!("{} here", kind.describe()))
        .help(format!("axes are declared with `dim`, as in `dim {} = 10`", name.to_uppercase()))
}

pub fn quoted_axis(text: &str, span: Span) -> Diagnostic {
    let bare: String = text.chars().filter(|c| c.is_alphanumeric() || *c == '_').collect();
    error("E0202", "an axis is named without quotes", span, "in quotes")
        .help(format!("write `{}`", if bare.is_empty() { "N" } else { &bare }))
}

pub fn no_labels(text: &str, span: Span, have: &str, of: Span) -> Diagnostic {
    error("E0252", format!("no element is called `{text}`: the elements of [{have}] have no names"), span, "a name")
        .and(of, format!("[{have}]"))
        .help("levels of an `index(J)` of text name the elements of J, and columns of a table those of a matrix")
}

pub fn unknown_label(text: &str, span: Span, near: Option<&str>, known: &[(String, Vec<String>)]) -> Diagnostic {
    let of = |(axis, labels): &(String, Vec<String>)| {
        let mut shown: Vec<&str> = labels.iter().take(12).map(String::as_str).collect();
        if labels.len() > shown.len() {
            shown.push("…");
        }
        format!("{axis} has {}", shown.join(", "))
    };
    let all: Vec<String> = known.iter().map(of).collect();
    let help = match near {
        Some(near) => format!("did you mean `\"{near}\"`? {}", all.join("; ")),
        None => all.join("; "),
    };
    error("E0253", format!("no element is called `{text}`"), span, "not known").help(help)
}

pub fn label_of_several(text: &str, span: Span, axes: &[String]) -> Diagnostic {
    error("E0254", format!("`{text}` names an element of {}", list_of(axes, "and of")), span, "of which")
        .help("write an index for each axis, in order")
}

pub fn text_operator(at: Span, text: Span) -> Diagnostic {
    error("E0255", "levels are the same or not, and have no size", at, "an order")
        .and(text, "a level")
        .help("write `==` or `!=`")
}

pub fn text_against_number(text: Span, value: Span) -> Diagnostic {
    error("E0256", "a text is compared with numbers", text, "a text")
        .and(value, "numbers")
        .help("a column of text declared as an `index(J)` can be compared with its levels: `species == \"gentoo\"`")
}

pub fn sd_of_one(span: Span) -> Diagnostic {
    error("E0257", "one element has no standard deviation", span, "one element")
        .help("`sd` divides by n − 1: take it over an axis of two elements or more")
}

pub fn numbers_of_rows(span: Span, row: &str) -> Diagnostic {
    error("E0259", format!("rows have no order, so `{row}` has no numbers to count them by"), span, "over the rows")
        .help(format!(
            "read the number as data, `data t[{row}] = …`, or let a chain count its steps: `for t in {row} {{ … }}`"
        ))
}

pub fn dot_axes(span: Span, left: &(Span, String), right: &(Span, String)) -> Diagnostic {
    error("E0258", "`dot` sums over the last axis of both, which must be the same", span, "they differ")
        .and(left.0, format!("[{}]", left.1))
        .and(right.0, format!("[{}]", right.1))
        .help("write `sum(a * b, D)` with the axis that is summed, or `a @ b` for a product of matrices")
}

pub fn not_an_axis(span: Span) -> Diagnostic {
    error("E0201", "an axis is due here, by its name or by its size", span, "neither").help(
        "write an axis, as in `sum(x, D)`, or a size, as in `dense(64)`; a computed size gets a name: `dim H = 2 * K`",
    )
}

pub fn bad_size(name: &str, value: f64, span: Span) -> Diagnostic {
    let what = if name.is_empty() { "an axis".to_owned() } else { format!("axis `{name}`") };
    error(
        "E0203",
        format!("the size of {what} is a whole number from 1 to 2147483647"),
        span,
        format!("this is {value}"),
    )
    .help("write a whole number, such as `64` or `10_000`")
}

pub fn axis_twice(name: &str, axis: &str, again: Span, first: Span) -> Diagnostic {
    error("E0204", format!("`{name}` has the axis `{axis}` twice"), again, "again")
        .and(first, "first here")
        .help(format!("a second copy of an axis is primed: `{name}[{axis}, {axis}']`"))
}

/// `picked` is what was perhaps meant: an array with an index that counts along the first axis too many, and that index.
pub fn extra_axes(
    name: &str,
    place: Span,
    have: &str,
    extra: &[(String, Span)],
    picked: Option<(&str, &str)>,
    span: Span,
) -> Diagnostic {
    let names: Vec<String> = extra.iter().map(|e| format!("`{}`", e.0)).collect();
    let (which, plural) = (list_of(&names, "and"), if extra.len() == 1 { "axis" } else { "axes" });
    let message = format!("the right side has the {plural} {which}, which `{name}` lacks");
    let first = extra.first().map_or(span, |e| e.1);
    let mut found = error("E0205", message, first, format!("{} comes in here", names.first().map_or("", |n| n)));
    for ((_, came), name) in extra.iter().zip(&names).skip(1) {
        found = found.and(*came, format!("{name} comes in here"));
    }
    let plain = extra.first().map_or("", |e| e.0.as_str());
    let found = found.and(place, format!("`{name}` has {}", bracketed(have)));
    if let Some((array, index)) = picked {
        return found.help(format!("did you mean `{array}[{index}]`? `{index}` counts along `{plain}`"));
    }
    // A part of an axis is written as a slice where one element was meant.
    if plain == "1" {
        return found
            .help("one element is picked by its place, `x[0]`, and leaves no axis; or sum over it, as in `sum(…, 1)`");
    }
    found.help(format!("declare `{name}` with {which} too, or sum over it, as in `sum(…, {plain})` or with `@`"))
}

pub fn matmul_scalar(at: Span, scalar: Span) -> Diagnostic {
    error("E0206", "`@` sums over an axis that both sides have", scalar, "has no axes")
        .and(at, "sums here")
        .help("multiply by a number with `*`")
}

pub fn matmul_axes(
    at: Span,
    left: &(Span, String),
    right: &(Span, String),
    names: &(String, String),
    fix: Option<&str>,
) -> Diagnostic {
    let (last, first) = names;
    let found = error(
        "E0206",
        format!("`@` sums over the last axis on its left and the first on its right, and `{last}` is not `{first}`"),
        at,
        "sums here",
    )
    .and(left.0, format!("[{}], the last is `{last}`", left.1))
    .and(right.0, format!("[{}], the first is `{first}`", right.1));
    match fix {
        Some(_) => found.help("write `transpose(…)` around the right side"),
        None => found.help(format!(
            "for a product element by element write `*`; to sum over an axis that both have, `sum(a * b, {last})`"
        )),
    }
}

pub fn matmul_shared(
    at: Span,
    left: &(Span, String),
    right: &(Span, String),
    shared: &str,
    summed: &str,
) -> Diagnostic {
    error(
        "E0207",
        format!("both sides of `@` have the axis `{shared}` besides `{summed}`"),
        at,
        format!("sums over `{summed}` only"),
    )
    .and(left.0, format!("[{}]", left.1))
    .and(right.0, format!("[{}]", right.1))
    .help(format!("write `sum(a * b, {summed})`, which keeps `{shared}`; a second copy of it is `{shared}'`"))
}

pub fn no_such_axis(name: &str, place: Span, have: &str, value: Span) -> Diagnostic {
    let found = error("E0208", format!("there is no axis `{name}` here to go along"), place, format!("`{name}`"));
    let found = if value == place { found } else { found.and(value, format!("has {}", bracketed(have))) };
    found.help(if have.is_empty() {
        "this is a single number already".into()
    } else {
        format!("use one of its axes: {have}")
    })
}

pub fn reduce_scalar(function: &str, span: Span) -> Diagnostic {
    error("E0209", format!("`{function}` goes along an axis, and this has none"), span, "a single number")
        .help("leave the function away")
}

pub fn reduce_rows(function: &str, span: Span, axis: &str) -> Diagnostic {
    error(
        "E0210",
        format!("`{function}` without an axis takes the last one, and never the axis of data rows"),
        span,
        format!("its last axis is `{axis}`, the rows"),
    )
    .help(format!("name the axis; if all rows are meant, write `{function}(…, {axis})`"))
}

pub fn reduction_axis(function: &str, span: Span, have: &str) -> Diagnostic {
    error("E0211", format!("`{function}` goes along an axis given by its name"), span, "not the name of an axis").help(
        if have.is_empty() { "this is a single number already".into() } else { format!("use one of its axes: {have}") },
    )
}

pub fn rows_in_a_batch(function: &str, span: Span, batch: Span) -> Diagnostic {
    error("E0212", format!("a `{function}` over all rows cannot be taken in a minibatch"), span, "runs over the rows")
        .and(batch, "only some rows are seen at a time")
        .help("leave `batch` away, or take it of data alone, which is computed once")
}

pub fn list_without_axes(span: Span) -> Diagnostic {
    error("E0213", "a list takes its axes from a declaration, and none is in sight", span, "along which axis?")
        .help("name it first, as in `let a[S] = [1, 0]`")
}

pub fn list_length(span: Span, given: usize, axis: &str, extent: usize, stated: Option<Span>) -> Diagnostic {
    let found = error(
        "E0214",
        format!("this list has {given} elements, and axis `{axis}` has {extent}"),
        span,
        format!("{given} elements"),
    );
    let found = match stated {
        Some(stated) if stated != span => found.and(stated, format!("`{axis}` is {extent} here")),
        _ => found,
    };
    found.help("give as many elements as the axis has")
}

pub fn list_rank(span: Span, levels: usize, axes: &str) -> Diagnostic {
    let rank = axes.split(", ").count();
    let plural = |n: usize, word: &str| if n == 1 { format!("one {word}") } else { format!("{n} {word}s") };
    let message = format!(
        "a list has one level of brackets for each axis, and there is {} for [{axes}]",
        plural(levels, "level")
    );
    let message = if levels == 1 { message } else { message.replace("there is", "there are") };
    error("E0215", message, span, format!("{} is due", plural(rank, "level")).replace("levels is", "levels are"))
        .help("name it with its own axes first, as in `let a[S] = [1, 0]` or `let F[S, S'] = [[1, 0], [0, 1]]`")
}

pub fn ragged_list(span: Span, first: &[usize], this: &[usize]) -> Diagnostic {
    let describe =
        |s: &[usize]| if s.is_empty() { "a single number".to_owned() } else { format!("{} elements", shape_text(s)) };
    error(
        "E0216",
        "the lists in a list are of one length",
        span,
        format!("{}, and the first has {}", describe(this), describe(first)),
    )
    .help("fill the shorter ones up")
}

pub fn list_shares_axis(span: Span, axis: &str) -> Diagnostic {
    error(
        "E0217",
        format!("an element of a list along `{axis}` has that axis itself"),
        span,
        format!("has `{axis}` already"),
    )
    .help("pick one element of it, or use another axis")
}

pub fn index_scalar(span: Span, value: Span) -> Diagnostic {
    let found = error("E0218", "this has no axes to pick from", span, "picked here");
    let found = if value == span { found } else { found.and(value, "a single number") };
    found.help("leave the brackets away, or declare it with an axis")
}

pub fn index_count(span: Span, given: usize, have: &str) -> Diagnostic {
    let rank = have.split(", ").count();
    let plural = |n: usize, one: &str, more: &str| if n == 1 { format!("one {one}") } else { format!("{n} {more}") };
    let message = format!(
        "a number picks by its place: {} for {}",
        plural(given, "index", "indices"),
        plural(rank, "axis", "axes")
    );
    error("E0219", message, span, format!("has axes [{have}]"))
        .help(format!("give an index for every axis, and an axis where all of it is kept: `x[{have}]`"))
}

pub fn index_type(span: Span) -> Diagnostic {
    error("E0220", "an array picks elements only if it is known to count them", span, "of no index type").help(
        "declare it as an index, as in `data c[N] : index(J) = …`; what is computed gets its axis by a name, as in \
             `let k : index(J) = max(c - 1, 0)`; it counts from 0",
    )
}

pub fn index_outside(span: Span, k: f64, axis: &str, extent: usize) -> Diagnostic {
    let message = format!("axis `{axis}` has the elements 0 to {}", extent.saturating_sub(1));
    error("E0221", message, span, format!("there is no element {k}")).help("elements count from 0")
}

pub fn slice_ends(span: Span, start: f64, end: f64, axis: &str, extent: usize) -> Diagnostic {
    error(
        "E0222",
        format!("a slice of axis `{axis}` runs from a start to a later end within its {extent} elements"),
        span,
        format!("from {start} to {end}"),
    )
    .help(format!("write `slice(x, {axis}, 0, {extent})` for all of it; the end is not included"))
}

pub fn axis_already(axis: &str, place: Span, value: Span) -> Diagnostic {
    error("E0223", format!("the result would have the axis `{axis}` twice"), place, format!("leads to `{axis}`"))
        .and(value, format!("has `{axis}` already"))
        .help("use an axis of another name")
}

pub fn diag_axes(span: Span, have: &str) -> Diagnostic {
    error(
        "E0224",
        "`diag` takes a vector, or a square matrix over an axis and its primed copy",
        span,
        format!("has {}", bracketed(have)),
    )
    .help("declare the matrix as `F[S, S']`")
}

pub fn concat_scalar(span: Span) -> Diagnostic {
    error("E0225", "`concat` joins arrays along an axis", span, "a single number").help("give both an axis")
}

/// `parts` are those that are joined, with the axis of each that is, and its size; `meant` are axes of the first part which would
/// fit.
pub fn concat_size(
    span: Span,
    (axis, have): (&str, usize),
    parts: [(Span, String, usize); 2],
    meant: &[String],
) -> Diagnostic {
    let total = parts[0].2.saturating_add(parts[1].2);
    let message = format!("the parts have {total} elements together, and axis `{axis}` has {have}");
    let mut found = error("E0225", message, span, format!("`{axis}` is {have}"));
    let last = parts[0].1.clone();
    for (place, name, size) in parts {
        found = found.and(place, format!("joined along its last axis, `{name}`, of {size}"));
    }
    found.help(match meant {
        [one] => format!("to join it along `{one}`, declare it with `{one}` as its last axis, in place of `{last}`: `let x[…, {one}] = …`"),
        _ => format!("declare `dim {axis} = {total}`"),
    })
}

pub fn layer_scalar(layer: Span, value: Span) -> Diagnostic {
    error("E0226", "a layer goes along the last axis, and its input has none", value, "a single number")
        .and(layer, "the layer")
        .help("multiply by a `param` instead")
}

pub fn layer_over_rows(layer: Span, value: Span, axis: &str) -> Diagnostic {
    error(
        "E0227",
        "a layer goes along the last axis, and never along the rows",
        value,
        format!("its last axis is `{axis}`, the rows"),
    )
    .and(layer, "the layer")
    .help(format!("give the input an axis of its own, as in `data x[{axis}, 1] = …`"))
}

pub fn layer_without_input(name: &str, span: Span, usage: &str) -> Diagnostic {
    error("E0228", format!("`{name}` needs an input"), span, "only its arguments are given")
        .help(format!("pipe a value into it, as in `x |> {usage}`"))
}

pub fn guide_axes(name: &str, place: Span, given: &str, have: &str, declared: Span) -> Diagnostic {
    error("E0229", format!("the guide's axes are not those of `{name}`"), place, format!("[{given}]"))
        .and(declared, format!("`{name}` has {}", bracketed(have)))
        .help(format!("write `guide {name} ~ …`: its axes are known"))
}

pub fn observed_axes(name: &str, place: Span, given: &str, have: &str, declared: Span) -> Diagnostic {
    error("E0229", format!("these axes are not those of `{name}`"), place, format!("[{given}]"))
        .and(declared, format!("`{name}` has {}", bracketed(have)))
        .help(format!("write `observe {name} ~ …`: its axes are known"))
}

pub fn no_category_axis(family: &str, argument: &str, span: Span, have: &str) -> Diagnostic {
    error(
        "E0230",
        format!("the last axis of the {argument} of `{family}` is that of the categories"),
        span,
        format!("has {}, none for the categories", bracketed(have)),
    )
    .help("give it an axis that the left side lacks, as in `param w[N, K]` or `x |> dense(K)`")
}

pub fn index_without_size(axis: &str, span: Span) -> Diagnostic {
    error("E0231", format!("the size of axis `{axis}` is not known"), span, "counts along it")
        .help(format!(
            "let the column say its levels, `csv(…) |> categories`, or declare `dim {axis} = …` where it counts from 0; only a \
             column of text has levels by itself"
        ))
}

pub fn param_too_large(name: &str, span: Span) -> Diagnostic {
    error("E0233", format!("`{name}` would have more than 2147483648 elements"), span, "too large")
        .help("check the sizes of its axes")
}
