//! Tables of comma-separated values, with a header line.
//!
//! A `.tsv` file is separated by tabs; so is another, or by semicolons, where its first line holds no comma. Either may be
//! compressed by gzip. Blanks around cells are dropped. Blank cells, `NA` and `NaN`
//! are missing. A column of text becomes indices from 0, with its levels in order of first
//! appearance; one of `true` and `false` becomes 1 and 0.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};

use crate::binary;
use crate::error::{DataError, Kind, Place};
use crate::file;
use crate::{Content, Element, Header};

/// Reads one column as a vector, several as a matrix, and without names every numeric column.
pub(crate) fn load(path: &Path, wanted: &[String]) -> Result<Content, DataError> {
    let columns = read_columns(path, wanted)?;
    match columns.as_slice() {
        [column] if wanted.len() == 1 => Ok(vector(column)),
        _ => matrix(path, columns, wanted.is_empty()),
    }
}

fn vector(column: &Column) -> Content {
    let header = Header {
        columns: vec![column.name.clone()],
        levels: (column.element == Element::Text).then_some(column.levels.len()),
        ..Header::new(vec![column.values.len()], column.element)
    };
    let mut content = Content::new(header, column.values.clone());
    if column.element == Element::Text {
        content.levels = Some(column.levels.clone());
    }
    content.missing = missing(content.values.iter());
    content
}

fn matrix(path: &Path, columns: Vec<Column>, all_numeric: bool) -> Result<Content, DataError> {
    let mut used = Vec::new();
    for column in columns {
        match column.element {
            Element::Real | Element::Integer => used.push(column),
            _ if all_numeric => {}
            Element::Bool => used.push(column),
            Element::Text => {
                return Err(DataError::file(
                    Kind::MixedTypes,
                    path,
                    "a column of text cannot stand in a matrix of numbers",
                )
                .at(Place::Column(column.name.clone()))
                .help(format!("read it alone, as csv(…, \"{}\"): it becomes indices", column.name)));
            }
        }
    }
    let rows = used.first().map_or(0, |column| column.values.len());
    if used.is_empty() {
        return Err(DataError::file(Kind::UnknownName, path, "the table has no column of numbers")
            .help("name a column of text: it becomes indices"));
    }
    let holds = |element| used.iter().any(|column| column.element == element);
    let element = [Element::Real, Element::Integer].into_iter().find(|element| holds(*element));
    let element = element.unwrap_or(Element::Bool);
    let header = Header {
        columns: used.iter().map(|column| column.name.clone()).collect(),
        ..Header::new(vec![rows, used.len()], element)
    };
    let mut values = binary::reserve(path, binary::elements(path, &header.shape)?)?;
    let mut cells: Vec<_> = used.iter().map(|column| column.values.iter()).collect();
    for _ in 0..rows {
        values.extend(cells.iter_mut().filter_map(|column| column.next().copied()));
    }
    let mut content = Content::new(header, values);
    content.missing = missing(content.values.iter());
    Ok(content)
}

/// Which values are missing, where any is. A number in a table is never NaN itself.
fn missing<'a>(values: impl Iterator<Item = &'a f64>) -> Vec<bool> {
    let missing: Vec<bool> = values.map(|value| value.is_nan()).collect();
    if missing.contains(&true) { missing } else { Vec::new() }
}

/// One column while it is read.
struct Column {
    name: String,
    values: Vec<f64>,
    element: Element,
    /// Texts in order of first appearance.
    levels: Vec<String>,
    codes: HashMap<String, usize>,
    /// The first number and the first text, with their rows: a column has no business with both.
    first_number: Option<(usize, String)>,
    first_text: Option<(usize, String)>,
    integer: bool,
}

impl Column {
    fn new(name: &str) -> Self {
        Column {
            name: name.to_owned(),
            values: Vec::new(),
            element: Element::Real,
            levels: Vec::new(),
            codes: HashMap::new(),
            first_number: None,
            first_text: None,
            integer: true,
        }
    }

    fn push(&mut self, path: &Path, cell: &str) -> Result<(), DataError> {
        let row = self.values.len() + 1;
        if matches!(cell, "" | "NA" | "NaN" | "nan") {
            self.values.push(f64::NAN);
            return Ok(());
        }
        if let Ok(number) = cell.parse::<f64>() {
            self.first_number.get_or_insert_with(|| (row, shorten(cell)));
            self.integer &= !cell.contains(['.', 'e', 'E', 'i', 'I']);
            self.values.push(number);
        } else {
            self.first_text.get_or_insert_with(|| (row, shorten(cell)));
            let next = self.levels.len();
            let code = match self.codes.get(cell) {
                Some(code) => *code,
                None => {
                    self.codes.insert(cell.to_owned(), next);
                    self.levels.push(cell.to_owned());
                    next
                }
            };
            self.values.push(code as f64);
        }
        match (&self.first_number, &self.first_text) {
            (Some((number_row, number)), Some((text_row, text))) => {
                let (other_row, other) = match *text_row == row {
                    true => (number_row, number),
                    false => (text_row, text),
                };
                Err(DataError::file(
                    Kind::MixedTypes,
                    path,
                    format!("`{}` here and `{other}` in row {other_row}: numbers and text in one column", shorten(cell)),
                )
                .at(Place::Cell { row, column: self.name.clone() })
                .help("correct the cell, or leave it blank or NA if the value is missing; numbers have no thousands separators"))
            }
            _ => Ok(()),
        }
    }

    /// Settles what the column holds.
    fn finish(mut self) -> Self {
        let truths: Vec<Option<f64>> = self.levels.iter().map(|level| truth(level)).collect();
        self.element = if self.first_text.is_none() {
            match self.integer && self.first_number.is_some() {
                true => Element::Integer,
                false => Element::Real,
            }
        } else if truths.iter().all(Option::is_some) {
            for value in self.values.iter_mut().filter(|value| !value.is_nan()) {
                *value = truths.get(*value as usize).copied().flatten().unwrap_or(f64::NAN);
            }
            Element::Bool
        } else {
            Element::Text
        };
        self
    }
}

fn truth(word: &str) -> Option<f64> {
    match word {
        "true" | "True" | "TRUE" => Some(1.0),
        "false" | "False" | "FALSE" => Some(0.0),
        _ => None,
    }
}

fn shorten(cell: &str) -> String {
    cell.chars().take(30).collect()
}

/// What parts cells: tabs in a `.tsv` file, else commas, or where the first line holds none tabs or semicolons.
fn separator(path: &Path, text: &str) -> u8 {
    let tabs = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tsv"));
    let first = text.lines().next().unwrap_or_default();
    match [',', '\t', ';'].map(|c| first.contains(c)) {
        _ if tabs => b'\t',
        [false, true, _] => b'\t',
        [false, false, true] => b';',
        _ => b',',
    }
}

fn read_columns(path: &Path, wanted: &[String]) -> Result<Vec<Column>, DataError> {
    let text = file::text(path)?;
    let separator = separator(path, &text);
    if let Some(line) = unclosed_quote(&text, separator) {
        return Err(DataError::file(Kind::Format, path, "the quote that opens here is never closed")
            .at(Place::Line(line))
            .help("close it, or leave it out: all that follows would be one cell"));
    }
    let builder = || {
        let mut builder = ReaderBuilder::new();
        builder.delimiter(separator).trim(Trim::All);
        builder
    };
    let names = builder().from_reader(text.as_bytes()).headers().map_err(|error| csv_error(path, &error))?.clone();
    let chosen = choose(path, &names, wanted)?;
    let text = if names.len() == 1 { quote_blank_lines(&text) } else { Cow::Borrowed(text.as_str()) };
    let mut columns: Vec<(usize, Column)> =
        chosen.into_iter().map(|index| (index, Column::new(names.get(index).unwrap_or_default()))).collect();
    let mut reader = builder().from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    let mut rows = 0;
    while reader.read_record(&mut record).map_err(|error| csv_error(path, &error))? {
        rows += 1;
        for (index, column) in &mut columns {
            column.push(path, record.get(*index).unwrap_or_default())?;
        }
    }
    if rows == 0 {
        return Err(DataError::file(Kind::Empty, path, "the table has a header line but no rows"));
    }
    Ok(columns.into_iter().map(|(_, column)| column.finish()).collect())
}

/// The line of a quote that opens a cell and is never closed. A quote opens at the beginning of a cell alone; doubled, it stands
/// for itself.
fn unclosed_quote(text: &str, separator: u8) -> Option<u64> {
    let (mut line, mut opened) = (1, None);
    let mut begins = true;
    for byte in text.bytes() {
        match (byte, opened) {
            (b'"', None) if begins => opened = Some(line),
            (b'"', Some(_)) => (opened, begins) = (None, true),
            (b'\n', None) => begins = true,
            (_, None) => begins = byte == separator,
            _ => {}
        }
        line += u64::from(byte == b'\n');
    }
    opened
}

/// In a table of one column a blank line is a blank cell, not a line to skip.
fn quote_blank_lines(text: &str) -> Cow<'_, str> {
    let mut out = String::with_capacity(text.len());
    let mut quoted = false;
    for line in text.trim_end().lines() {
        out.push_str(if line.trim().is_empty() && !quoted { "\"\"" } else { line });
        out.push('\n');
        quoted ^= line.matches('"').count() % 2 == 1;
    }
    Cow::Owned(out)
}

/// The positions of the wanted columns; of all columns where none is named.
fn choose(path: &Path, names: &StringRecord, wanted: &[String]) -> Result<Vec<usize>, DataError> {
    let listed: Vec<&str> = names.iter().collect();
    let is_number = |name: &&str| name.parse::<f64>().is_ok();
    let no_header = listed.iter().all(is_number);
    if wanted.is_empty() {
        if no_header {
            return Err(DataError::file(Kind::Format, path, "the first line holds numbers, not the names of columns")
                .at(Place::Line(1))
                .help("add a header line, or name the columns if these are their names"));
        }
        return Ok((0..listed.len()).collect());
    }
    let find = |name: &String| {
        let mut places = listed.iter().enumerate().filter(|(_, other)| **other == name.as_str());
        match (places.next(), places.next()) {
            (Some((index, _)), None) => Ok(index),
            (Some(_), Some(_)) => Err(DataError::file(Kind::Ambiguous, path, "several columns have this name")
                .at(Place::Column(name.clone()))
                .help("rename them in the header line")),
            (None, _) => Err(missing_column(path, name, &listed, no_header)),
        }
    };
    wanted.iter().map(find).collect()
}

fn missing_column(path: &Path, name: &str, listed: &[&str], no_header: bool) -> DataError {
    let error = file::unknown_name(path, "column", name, listed);
    match no_header {
        true => error.help("the first line holds numbers; add a line with the columns' names"),
        false => error,
    }
}

fn csv_error(path: &Path, error: &csv::Error) -> DataError {
    match error.kind() {
        ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let fields = |count: u64| if count == 1 { "1 field".to_owned() } else { format!("{count} fields") };
            let ragged = DataError::file(
                Kind::Ragged,
                path,
                format!("this row has {}, the header line {expected_len}", fields(*len)),
            )
            .help("look for a missing or extra comma, or quote text that holds one");
            match pos {
                Some(pos) => ragged.at(Place::Line(pos.line())),
                None => ragged,
            }
        }
        _ => DataError::file(Kind::Format, path, format!("this is not a table: {error}")),
    }
}
