//! Lines of a stream: JSON objects, or rows of a table, as what they give by name.

use std::collections::BTreeMap;

use fe_check::{SourceCall, Stage};
use fe_syntax::{Diagnostic, Span};
use serde_json::Value;

use super::{Given, Row, Stream, Taken};
use crate::error::Error;
use crate::finished::Finished;
use crate::text::Text;

/// The form of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineForm {
    /// An object a line: `{"x": [0.1, 0.2]}`; or the value alone, where lines give one thing.
    Json,
    /// A table with a header line, separated by commas.
    Csv,
}

/// A reader of lines, which knows their form from the first one if nobody said it.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    form: Option<LineForm>,
    table: Option<Table>,
}

impl Lines {
    /// Lines of this form, or of that of the first.
    pub fn new(form: Option<LineForm>) -> Self {
        Self { form, table: None }
    }

    /// The form, once it is known.
    pub fn form(&self) -> Option<LineForm> {
        self.form
    }

    /// What a line gives; nothing where it is empty or the header of a table.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&mut self, line: &str, taken: &[Taken]) -> Result<Option<Row>, Error> {
        let line = line.trim_start_matches('\u{feff}').trim();
        if line.is_empty() {
            return Ok(None);
        }
        let first = line.chars().next().unwrap_or_default();
        let guessed = if "{[-".contains(first) || first.is_ascii_digit() { LineForm::Json } else { LineForm::Csv };
        match (*self.form.get_or_insert(guessed), &self.table) {
            (LineForm::Json, _) => json_line(line, taken).map(Some),
            (LineForm::Csv, Some(table)) => table.row(line).map(Some),
            (LineForm::Csv, None) => {
                self.table = Some(Table::of(line, taken)?);
                Ok(None)
            }
        }
    }
}

fn unread(message: String, help: &str) -> Error {
    let d = Diagnostic::error("R0021", message, Span::default(), "of this program").help(help);
    Error::Data(vec![d])
}

/// What a line may give, for messages.
fn example(taken: &[Taken]) -> String {
    let one = |t: &Taken| {
        let dots = match t.shape.as_slice() {
            [] if t.levels.is_some() => "\"…\"".to_owned(),
            [] => "0.1".to_owned(),
            shape => format!("[… {} numbers …]", shape.iter().product::<usize>()),
        };
        format!("\"{}\": {dots}", t.name)
    };
    format!("{{{}}}", taken.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// Reads an object of JSON, or the value alone where one thing is given.
///
/// # Errors
/// When it is none, or its values are neither numbers nor text.
pub fn json_line(line: &str, taken: &[Taken]) -> Result<Row, Error> {
    let help = format!("a line is {}", example(taken));
    let value: Value = serde_json::from_str(line).map_err(|e| unread(format!("this is no JSON: {e}"), &help))?;
    let object = match value {
        Value::Object(object) => object,
        other => {
            let needed: Vec<&Taken> = taken.iter().filter(|t| !t.optional).collect();
            let [only] = needed.as_slice() else {
                return Err(unread("the values have no names, and lines give several things".into(), &help));
            };
            [(only.name.clone(), other)].into_iter().collect()
        }
    };
    let mut row = BTreeMap::new();
    for (name, value) in object {
        let given = given(&value).ok_or_else(|| {
            unread(
                format!("`{name}` holds something that is neither numbers nor text"),
                "give numbers, in nested lists",
            )
        })?;
        row.insert(name, given);
    }
    Ok(row)
}

fn given(value: &Value) -> Option<Given> {
    let mut leaves = vec![];
    let mut stack = vec![value];
    while let Some(v) = stack.pop() {
        match v {
            Value::Array(items) => stack.extend(items.iter().rev()),
            other => leaves.push(other),
        }
    }
    if leaves.iter().any(|v| v.is_string()) {
        return Some(Given::Words(leaves.iter().map(|v| v.as_str().map(str::to_owned)).collect::<Option<_>>()?));
    }
    let number = |v: &&Value| match v {
        Value::Null => Some(f64::NAN),
        Value::Bool(b) => Some(f64::from(u8::from(*b))),
        other => other.as_f64(),
    };
    Some(Given::Numbers(leaves.iter().map(number).collect::<Option<_>>()?))
}

/// The header of a table: where the elements of what is given stand.
#[derive(Clone, Debug)]
pub struct Table {
    columns: usize,
    /// For each thing its columns.
    places: Vec<(Taken, Vec<usize>)>,
}

fn cells(line: &str) -> Vec<String> {
    let (mut all, mut cell, mut quoted) = (vec![], String::new(), false);
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if quoted && rest.peek() == Some(&'"') => {
                rest.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => all.push(std::mem::take(&mut cell).trim().to_owned()),
            other => cell.push(other),
        }
    }
    all.push(cell.trim().to_owned());
    all
}

impl Table {
    /// Reads a header: `x` or `x[0]`, `x[1]`, …, or the columns that the program's reader names.
    ///
    /// # Errors
    /// When a column is missing.
    pub fn of(line: &str, taken: &[Taken]) -> Result<Self, Error> {
        let head = cells(line);
        let find = |name: &str| head.iter().position(|h| h == name);
        let mut places = vec![];
        for t in taken {
            let size: usize = t.shape.iter().product();
            let own: Vec<String> =
                (0..size).map(|k| format!("{}{}", t.name, fe_report::place(&t.shape, k, ";"))).collect();
            let named = |names: &[String]| names.iter().map(|n| find(n)).collect::<Option<Vec<usize>>>();
            let by_reader = || (t.columns.len() == size).then(|| named(&t.columns)).flatten();
            match named(&own).or_else(by_reader) {
                Some(found) => places.push((t.clone(), found)),
                None if t.optional => {}
                None if taken.iter().filter(|t| !t.optional).count() == 1 && head.len() == size => {
                    places.push((t.clone(), (0..size).collect()));
                }
                None => {
                    let names = if t.columns.len() == size { &t.columns } else { &own };
                    let names = names.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
                    let more = if size > 4 { ", …" } else { "" };
                    let message = format!("the header has no column for `{}`", t.name);
                    return Err(unread(
                        message,
                        &format!("the first line of a table names its columns: {names}{more}"),
                    ));
                }
            }
        }
        Ok(Self { columns: head.len(), places })
    }

    /// Reads a row.
    ///
    /// # Errors
    /// When it has other columns than the header, or a cell is no number where one is due.
    pub fn row(&self, line: &str) -> Result<Row, Error> {
        let cells = cells(line);
        if cells.len() != self.columns {
            let message = format!("{} cells, and the header has {} columns", cells.len(), self.columns);
            return Err(unread(message, "give one cell for each column"));
        }
        let mut row = BTreeMap::new();
        for (t, places) in &self.places {
            let own = places.iter().filter_map(|&p| cells.get(p));
            let given = match t.levels {
                Some(_) => Given::Words(own.cloned().collect()),
                None => {
                    let number = |c: &String| match c.as_str() {
                        "" | "NA" | "nan" | "NaN" => Ok(f64::NAN),
                        other => other.parse().map_err(|_| {
                            unread(format!("`{}` holds `{other}`, which is no number", t.name), "give a number")
                        }),
                    };
                    Given::Numbers(own.map(number).collect::<Result<_, _>>()?)
                }
            };
            row.insert(t.name.clone(), given);
        }
        Ok(row)
    }
}

/// A line must give all that it has to, and nothing else.
pub(super) fn known(taken: &[Taken], row: &Row, _text: &Text) -> Result<(), Error> {
    let help = format!("a line is {}", example(taken));
    if let Some(name) = row.keys().find(|n| !taken.iter().any(|t| t.name == **n)) {
        let states = taken.iter().filter(|t| t.optional).map(|t| format!("`{}`", t.name)).collect::<Vec<_>>();
        let also = if states.is_empty() { String::new() } else { format!("; {} may be left out", states.join(", ")) };
        return Err(unread(format!("a line of this program gives no `{name}`"), &format!("{help}{also}")));
    }
    match taken.iter().find(|t| !t.optional && !row.contains_key(&t.name)) {
        Some(t) => Err(unread(format!("`{}` is missing", t.name), &help)),
        None => Ok(()),
    }
}

/// The numbers of what is given; levels become their indices.
pub(super) fn numbers(taken: &Taken, given: &Given, _text: &Text, span: Span) -> Result<Vec<f64>, Error> {
    let said = |code, message: String, help: String| {
        Error::Data(vec![Diagnostic::error(code, message, span, "declared here").help(help)])
    };
    let values = match (given, &taken.levels) {
        (Given::Numbers(values), None) => values.clone(),
        (Given::Words(words), Some(levels)) => {
            let place = |w: &String| {
                levels.iter().position(|l| l == w).map(|k| k as f64).ok_or_else(|| {
                    let message = format!("`{}` holds the level `{w}`, which the fit has not seen", taken.name);
                    said("R0012", message, format!("the levels of the fit are {}", levels.join(", ")))
                })
            };
            words.iter().map(place).collect::<Result<_, _>>()?
        }
        (Given::Numbers(_), Some(levels)) => {
            let message = format!("`{}` holds numbers, and the fit had text", taken.name);
            return Err(said("R0021", message, format!("give one of its levels: {}", levels.join(", "))));
        }
        (Given::Words(_), None) => {
            let message = format!("`{}` holds text, and the fit had numbers", taken.name);
            return Err(said("R0021", message, "give numbers".into()));
        }
    };
    let size: usize = taken.shape.iter().product();
    if values.len() != size {
        let message = format!("`{}` holds {} numbers, and a line of it has {size}", taken.name, values.len());
        let help = format!("its shape is {:?}, row by row", taken.shape);
        return Err(said("R0021", message, help));
    }
    Ok(values)
}

/// Puts numbers on the scale of the fit, where its reader standardizes.
pub(super) fn standardized(run: &Finished, call: &SourceCall, values: &mut [f64]) -> Result<(), Error> {
    if !call.stages.iter().any(|s| s.0 == Stage::Standardize) {
        return Ok(());
    }
    let remembered = run.remembered();
    let Some(statistics) = remembered.statistics.get(&call.data) else {
        return Err(Error::Io(format!(
            "the run does not say how `{}` was standardized: run the program again",
            call.data
        )));
    };
    for (value, s) in values.iter_mut().zip(statistics.iter().cycle()) {
        *value = (*value - s.mean) / s.sd;
    }
    Ok(())
}

impl Stream {
    /// What a line may look like.
    pub fn example(&self) -> String {
        example(&self.taken)
    }
}
