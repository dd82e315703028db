//! Tables with named columns: text with a header line, Parquet, and Arrow's files.
//!
//! Cells of a `.tsv` file are parted by tabs; of another by commas, or by tabs or semicolons where its first line holds no
//! comma. Text may be compressed by gzip. Blanks around cells are dropped. Blank cells, `NA` and `NaN` are missing. A
//! column of text becomes indices from 0 into its levels, which are sorted: as numbers where all of them are, else by their
//! characters. One of `true` and `false` becomes 1 and 0.

use std::borrow::Cow;
use std::path::Path;

use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};

use crate::binary;
use crate::column::Column;
use crate::error::{DataError, Kind, Place};
use crate::file;
use crate::rows::Condition;
use crate::{Columns, Content, Element, Format, Header, Table, columnar};

/// Reads one named column as a vector, several as a matrix, and otherwise every column of numbers that is not left out.
pub(crate) fn load(path: &Path, wanted: &Table) -> Result<Content, DataError> {
    let Read { columns, conditions, count } = match format(path, wanted.format)? {
        Format::Text => read_text(path, wanted)?,
        binary => columnar::read(path, binary, wanted)?,
    };
    if count == 0 {
        return Err(DataError::file(Kind::Empty, path, "the table has columns but no rows"));
    }
    let kept = match &wanted.rows {
        None => None,
        Some(condition) => {
            let kept: Vec<bool> = condition.kept(path, &conditions, count)?;
            if !kept.contains(&true) {
                return Err(DataError::file(Kind::Empty, path, "no row of the table is like that")
                    .help(format!("of its {count} rows none satisfies the condition")));
            }
            Some(kept)
        }
    };
    let columns: Vec<Column> = columns.into_iter().map(|column| column.finish(kept.as_deref())).collect();
    let mut content = match (columns.as_slice(), &wanted.columns) {
        ([column], Columns::Named(names)) if names.len() == 1 => vector(column),
        (_, Columns::Named(_)) => matrix(path, columns, false)?,
        (_, Columns::AllBut(_)) => matrix(path, columns, true)?,
    };
    if let Some(kept) = kept {
        content.rows = kept.iter().enumerate().filter(|(_, kept)| **kept).map(|(row, _)| row).collect();
    }
    Ok(content)
}

/// What was read of a table: the columns asked for, those that a condition looks at, and the number of rows.
pub(crate) struct Read {
    pub columns: Vec<Column>,
    pub conditions: Vec<Column>,
    pub count: usize,
}

/// The form of a table, which its first bytes tell; it must be the one stated, where one is.
fn format(path: &Path, stated: Option<Format>) -> Result<Format, DataError> {
    let found = file::kind(path)?;
    let format = match found {
        file::Found::Parquet => Format::Parquet,
        file::Found::Arrow => Format::Arrow,
        file::Found::Text => Format::Text,
        file::Found::Other(what, help) => {
            return Err(DataError::file(Kind::Format, path, format!("this is {what}, and no table that is read here"))
                .help(help));
        }
    };
    match stated.filter(|stated| *stated != format) {
        None => Ok(format),
        Some(stated) => {
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Err(DataError::file(
                Kind::Format,
                path,
                format!("this is {}, not {}", format.describe(), stated.describe()),
            )
            .help(format!("write `{}(\"{file}\", …)`", format.reader())))
        }
    }
}

impl Format {
    fn describe(self) -> &'static str {
        match self {
            Format::Text => "a table of text",
            Format::Parquet => "a Parquet file",
            Format::Arrow => "an Arrow file",
        }
    }

    /// The reader that a program names.
    fn reader(self) -> &'static str {
        match self {
            Format::Text => "csv",
            Format::Parquet => "parquet",
            Format::Arrow => "arrow",
        }
    }
}

fn vector(column: &Column) -> Content {
    let header = Header {
        columns: vec![column.name.clone()],
        levels: (column.element == Element::Text).then(|| column.levels.clone()),
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
    let (mut used, mut left_out) = (Vec::new(), Vec::new());
    for column in columns {
        match column.element {
            // A column without a name is the index that pandas writes.
            _ if all_numeric && column.name.is_empty() => left_out.push("a column without a name".to_owned()),
            Element::Real | Element::Integer => used.push(column),
            _ if all_numeric => left_out.push(column.name.clone()),
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
    content.left_out = left_out;
    Ok(content)
}

/// Which values are missing, where any is. A number in a table is never NaN itself.
fn missing<'a>(values: impl Iterator<Item = &'a f64>) -> Vec<bool> {
    let missing: Vec<bool> = values.map(|value| value.is_nan()).collect();
    if missing.contains(&true) { missing } else { Vec::new() }
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

fn read_text(path: &Path, wanted: &Table) -> Result<Read, DataError> {
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
    let listed: Vec<&str> = names.iter().collect();
    let numbers = listed.iter().all(|name| name.parse::<f64>().is_ok());
    if numbers && matches!(wanted.columns, Columns::AllBut(_)) {
        return Err(DataError::file(Kind::Format, path, "the first line holds numbers, not the names of columns")
            .at(Place::Line(1))
            .help("add a header line, or name the columns if these are their names"));
    }
    let open = |chosen: Vec<usize>| -> Vec<(usize, Column)> {
        chosen.into_iter().map(|index| (index, Column::new(names.get(index).unwrap_or_default()))).collect()
    };
    let missing = |error: DataError| match numbers && error.kind == Kind::UnknownName {
        true => error.help("the first line holds numbers; add a line with the columns' names"),
        false => error,
    };
    let mut columns = open(choose(path, &listed, &wanted.columns).map_err(missing)?);
    let looked_at = wanted.rows.as_ref().map(Condition::columns).unwrap_or_default();
    let mut conditions = open(named(path, &listed, &looked_at).map_err(missing)?);
    let text = if names.len() == 1 { quote_blank_lines(&text) } else { Cow::Borrowed(text.as_str()) };
    let mut reader = builder().from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    let mut count = 0;
    while reader.read_record(&mut record).map_err(|error| csv_error(path, &error))? {
        count += 1;
        for (index, column) in columns.iter_mut().chain(&mut conditions) {
            column.cell(path, record.get(*index).unwrap_or_default())?;
        }
    }
    if count == 0 {
        return Err(DataError::file(Kind::Empty, path, "the table has a header line but no rows"));
    }
    let plain = |columns: Vec<(usize, Column)>| columns.into_iter().map(|(_, column)| column).collect();
    Ok(Read { columns: plain(columns), conditions: plain(conditions), count })
}

/// The positions of the wanted columns.
pub(crate) fn choose(path: &Path, listed: &[&str], wanted: &Columns) -> Result<Vec<usize>, DataError> {
    match wanted {
        Columns::Named(names) => named(path, listed, names),
        Columns::AllBut(names) => {
            let without = named(path, listed, names)?;
            Ok((0..listed.len()).filter(|index| !without.contains(index)).collect())
        }
    }
}

/// The positions of columns by their names.
pub(crate) fn named<S: AsRef<str>>(path: &Path, listed: &[&str], names: &[S]) -> Result<Vec<usize>, DataError> {
    let find = |name: &S| {
        let name = name.as_ref();
        let mut places = listed.iter().enumerate().filter(|(_, other)| **other == name);
        match (places.next(), places.next()) {
            (Some((index, _)), None) => Ok(index),
            (Some(_), Some(_)) => Err(DataError::file(Kind::Ambiguous, path, "several columns have this name")
                .at(Place::Column(name.to_owned()))
                .help("rename them in the header line")),
            (None, _) => Err(file::unknown_name(path, "column", name, listed)),
        }
    };
    names.iter().map(find).collect()
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

/// In a table of one column a blank line is a blank cell, not a line to skip; the last one too.
fn quote_blank_lines(text: &str) -> Cow<'_, str> {
    let mut out = String::with_capacity(text.len());
    let mut quoted = false;
    for line in text.lines() {
        out.push_str(if line.trim().is_empty() && !quoted { "\"\"" } else { line });
        out.push('\n');
        quoted ^= line.matches('"').count() % 2 == 1;
    }
    Cow::Owned(out)
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
