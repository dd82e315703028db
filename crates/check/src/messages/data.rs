//! E0600 to E0699: data and their readers.

use fe_syntax::ast::Name;
use fe_syntax::{Diagnostic, Span};

use super::{did_you_mean, error, list_of};
use crate::axis_table::AxisEntry;

fn shape_text(shape: &[usize]) -> String {
    match shape {
        [] => "a single number".into(),
        [n] => format!("{n} elements"),
        _ => shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × "),
    }
}

pub fn no_reader(name: &str, span: Span, text: bool) -> Diagnostic {
    let found = error("E0600", format!("`data {name}` says nowhere where the data come from"), span, "no reader");
    found.help(if text {
        "name the reader: `csv(\"file.csv\", \"column\")`, `npy(\"x.npy\")`, `json(\"data.json\", \"field\")`, …"
    } else {
        "read a file, as in `csv(\"file.csv\", \"column\")`, or write a list of numbers; a value computed from data is a `let`"
    })
}

pub fn two_readers(name: &str, second: Span, first: Span) -> Diagnostic {
    error("E0601", format!("`data {name}` reads two files"), second, "the second")
        .and(first, "the first")
        .help("declare each with its own `data`, and join them in a `let`")
}

pub fn unknown_reader(name: &str, span: Span, near: Option<&str>) -> Diagnostic {
    let found = error("E0602", format!("there is no reader `{name}`"), span, "not known");
    did_you_mean(
        found,
        near,
        "there are csv, parquet, arrow, npy, npz, json, idx, images, patches, bars and normal_draws",
    )
}

pub fn reader_argument(reader: &str, argument: &Name, near: Option<&str>, known: &[&str], usage: &str) -> Diagnostic {
    let found = error("E0603", format!("`{reader}` has no argument `{}`", argument.value), argument.span, "not known");
    let all = format!("it takes {}, as in `{usage}`", list_of(known, "and"));
    did_you_mean(found, near, &all)
}

pub fn reader_too_many(reader: &str, span: Span, usage: &str) -> Diagnostic {
    error("E0604", format!("`{reader}` takes fewer arguments"), span, "one too many").help(format!("write `{usage}`"))
}

pub fn reader_missing(reader: &str, argument: &str, span: Span, usage: &str) -> Diagnostic {
    error("E0605", format!("`{reader}` needs its {argument}"), span, "left out here").help(format!("write `{usage}`"))
}

pub fn reader_text(reader: &str, argument: &str, span: Span) -> Diagnostic {
    error("E0606", format!("the {argument} of `{reader}` is a text"), span, "not a text")
        .help("put it in double quotes")
}

pub fn reader_truth(reader: &str, argument: &str, span: Span) -> Diagnostic {
    error("E0615", format!("`{argument}` of `{reader}` is `true` or `false`"), span, "neither")
        .help(format!("write `{argument} = true`"))
}

pub fn size_before_reading(axis: &str, place: Span, argument: Span) -> Diagnostic {
    let found = error(
        "E0607",
        format!("the size of `{axis}` is known only when its file has been read"),
        place,
        "needed before",
    );
    let found = if place == argument { found } else { found.and(argument, "an argument of a reader") };
    found.help("write a number, or a `dim` or `const` that does not depend on data")
}

pub fn array_without_axes(name: &str, span: Span, shape: &[usize], source: Span) -> Diagnostic {
    let axes = match shape {
        [_] => "N".to_owned(),
        _ => "N, D".to_owned(),
    };
    error("E0608", format!("`{name}` is declared as a single number, and holds {}", shape_text(shape)), span, "no axes")
        .and(source, shape_text(shape))
        .help(format!("give it axes, as in `data {name}[{axes}]`"))
}

pub fn too_few_dimensions(name: &str, span: Span, declared: &str, shape: &[usize], source: Span) -> Diagnostic {
    let count = match shape.len() {
        0 => "a single number".to_owned(),
        1 => "one dimension".to_owned(),
        n => format!("{n} dimensions"),
    };
    error(
        "E0609",
        format!("`{name}` is declared with axes [{declared}], and its data have {count}"),
        span,
        format!("[{declared}]"),
    )
    .and(source, shape_text(shape))
    .help("declare as many axes as there are dimensions, or fewer: trailing dimensions flatten into the last axis")
}

pub fn size_mismatch(
    name: &str,
    axis: &str,
    place: Span,
    size: usize,
    stated: usize,
    entry: &AxisEntry,
    flat: Option<&[usize]>,
) -> Diagnostic {
    let flat = flat
        .map_or(String::new(), |f| format!(" ({})", f.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ")));
    let found = error(
        "E0610",
        format!("axis `{axis}` has {stated} elements, and `{name}` has {size} along it"),
        place,
        format!("{size} here{flat}"),
    )
    .and(entry.stated, format!("{stated} here"));
    if entry.from_file {
        found.help("arrays that share an axis have the same size along it: check the data, or name the axes apart")
    } else {
        found.help(format!("write `dim {axis} = {size}`, or leave the `dim` away: the data give an axis its size"))
    }
}

pub fn empty_data(name: &str, span: Span) -> Diagnostic {
    error("E0611", format!("`{name}` has no elements along this axis"), span, "0 elements").help("check the file")
}

/// The first few levels, in words.
fn some_of(levels: &[String]) -> String {
    let mut shown: Vec<&str> = levels.iter().take(6).map(String::as_str).collect();
    if levels.len() > shown.len() {
        shown.push("…");
    }
    shown.join(", ")
}

pub fn text_data(name: &str, span: Span, source: Span, levels: &[String]) -> Diagnostic {
    let count = levels.len();
    error("E0612", format!("`{name}` holds text, with {count} levels: {}", some_of(levels)), span, "not numbers")
        .and(source, "a column of text")
        .help(format!("declare it as an index: `data {name}[N] : index(J) = …`"))
}

pub fn text_as_truth(name: &str, span: Span, source: Span, levels: &[String]) -> Diagnostic {
    let level = levels.last().map_or("yes", String::as_str);
    error("E0612", format!("`{name}` holds text: {}", some_of(levels)), span, "which of them is true is not said")
        .and(source, "a column of text")
        .help(format!("say it: `data {name}[N] : bool = csv(…) == \"{level}\"`"))
}

pub fn days_since(span: Span) -> Diagnostic {
    error("E0616", "`days` takes the date that counts as day 0", span, "none here")
        .help("write `|> days(\"2020-01-01\")`: a number of days since then, dates in the form year-month-day")
}

pub fn level_twice(level: &str, span: Span) -> Diagnostic {
    error("E0617", format!("the level `{level}` is stated twice"), span, "again")
        .help("state each level once, in order")
}

pub fn level_no_text(span: Span) -> Diagnostic {
    error("E0618", "`categories` takes levels, in their order", span, "neither a text nor a number")
        .help("write them in double quotes: `|> categories(\"low\", \"high\")`; without any they are sorted")
}

pub fn where_no_text(span: Span) -> Diagnostic {
    error("E0619", "the condition of a reader stands in quotes", span, "not a text").help(
        "its names are columns of the file, not of the program: write `where = \"split == 'train' and age >= 18\"`",
    )
}

pub fn where_unread(span: Span, why: &str) -> Diagnostic {
    error("E0620", format!("the condition cannot be read: {why}"), span, "here").help(
        "write comparisons of columns, joined by `and`, `or`, `not`: `where = \"split == 'train' and age >= 18\"`",
    )
}

pub fn where_compares(span: Span) -> Diagnostic {
    error("E0621", "a condition compares columns with numbers or texts", span, "not such a comparison").help(
        "write a column, a comparison and a value: `age >= 18`, `split == 'train'`; join them by `and`, `or`, `not`",
    )
}

pub fn level_count(name: &str, span: Span, axis: &str, levels: usize, size: usize, stated: Option<Span>) -> Diagnostic {
    let found = error(
        "E0613",
        format!("`{name}` has {levels} levels, and axis `{axis}` {size} elements"),
        span,
        format!("{levels} levels"),
    );
    let found = match stated {
        Some(stated) => found.and(stated, format!("{size} here")),
        None => found,
    };
    found.help(format!("write `dim {axis} = {levels}`, or leave the `dim` away"))
}

pub fn data_reads(name: &str, span: Span) -> Diagnostic {
    error("E0614", format!("`data {name}` depends on what is fitted"), span, "not of the file alone")
        .help("read the data plainly, and compute with them in a `let`")
}
