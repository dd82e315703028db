//! What can be wrong with a data file, as plain data.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A stable class of data error. Its code never changes meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// D0001: the file does not exist.
    FileNotFound,
    /// D0002: the path names a directory, a pipe or a device.
    NotAFile,
    /// D0003: the operating system refused to read the file.
    Unreadable,
    /// D0004: the file, or the array in it, holds nothing.
    Empty,
    /// D0005: a pattern matches no file, or several where one is due.
    Pattern,
    /// D0006: the file is not in the format its reader reads.
    Format,
    /// D0007: the file ends before what its header announces.
    Truncated,
    /// D0008: the file goes on after what its header announces.
    TrailingBytes,
    /// D0009: elements of a type that is not a number (object, complex, string, …).
    ElementType,
    /// D0010: sizes that overflow, that the file cannot hold, or that are a decompression bomb.
    TooLarge,
    /// D0011: no column, key or array has the name asked for.
    UnknownName,
    /// D0012: several arrays or columns fit, and the program must say which.
    Ambiguous,
    /// D0013: rows or nested arrays of different lengths.
    Ragged,
    /// D0014: numbers and something else in one column or array.
    MixedTypes,
    /// D0015: a missing value where none is allowed.
    Missing,
    /// D0016: a value that is not finite.
    NonFinite,
    /// D0017: text that is not UTF-8.
    Encoding,
    /// D0018: images of different sizes in one array.
    ImageSizes,
    /// D0019: a patch, or a border, that does not fit into an image.
    PatchTooLarge,
    /// D0020: an argument of a reader outside its range.
    Argument,
    /// D0021: a preprocessing stage where it has no meaning.
    Stage,
    /// D0022: a column, or every patch, without any variation.
    Constant,
    /// D0023: values that are no categories, or a level that the order stated lacks.
    Level,
    /// D0024: what should be a date and is none.
    Date,
}

impl Kind {
    /// The stable code, such as `D0011`.
    pub fn code(self) -> &'static str {
        match self {
            Kind::FileNotFound => "D0001",
            Kind::NotAFile => "D0002",
            Kind::Unreadable => "D0003",
            Kind::Empty => "D0004",
            Kind::Pattern => "D0005",
            Kind::Format => "D0006",
            Kind::Truncated => "D0007",
            Kind::TrailingBytes => "D0008",
            Kind::ElementType => "D0009",
            Kind::TooLarge => "D0010",
            Kind::UnknownName => "D0011",
            Kind::Ambiguous => "D0012",
            Kind::Ragged => "D0013",
            Kind::MixedTypes => "D0014",
            Kind::Missing => "D0015",
            Kind::NonFinite => "D0016",
            Kind::Encoding => "D0017",
            Kind::ImageSizes => "D0018",
            Kind::PatchTooLarge => "D0019",
            Kind::Argument => "D0020",
            Kind::Stage => "D0021",
            Kind::Constant => "D0022",
            Kind::Level => "D0023",
            Kind::Date => "D0024",
        }
    }
}

/// Where in a file an error lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A cell of a table: the data row, counted from 1 after the header line, and the column's name.
    Cell {
        /// Data row, from 1.
        row: usize,
        /// Name of the column.
        column: String,
    },
    /// A column of a table or of an array, by name or by index.
    Column(String),
    /// A line of a text file, from 1.
    Line(u64),
    /// A line and a column of a text file, both from 1.
    Position {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A byte offset, from 0.
    Byte(u64),
    /// A key of an object or of an archive, with indices where they help: `y[2][0]`.
    Key(String),
    /// An element of an array, by its indices from 0.
    Element(Vec<usize>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Cell { row, column } => write!(f, "row {row}, column `{column}`"),
            Place::Column(name) => write!(f, "column `{name}`"),
            Place::Line(line) => write!(f, "line {line}"),
            Place::Position { line, column } => write!(f, "line {line}, column {column}"),
            Place::Byte(offset) => write!(f, "byte {offset}"),
            Place::Key(key) => write!(f, "`{key}`"),
            Place::Element(index) => write!(f, "element {index:?}"),
        }
    }
}

/// What is wrong with the data, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("[{}] {}{message}{}", .kind.code(), prefix(.file, .place), suffix(.help))]
pub struct DataError {
    /// The class of error; `kind.code()` is its stable code.
    pub kind: Kind,
    /// The file at fault, where there is one.
    pub file: Option<PathBuf>,
    /// Where in the file.
    pub place: Option<Place>,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

fn prefix(file: &Option<PathBuf>, place: &Option<Place>) -> String {
    match (file, place) {
        (Some(file), Some(place)) => format!("{}, {place}: ", file.display()),
        (Some(file), None) => format!("{}: ", file.display()),
        (None, Some(place)) => format!("{place}: "),
        (None, None) => String::new(),
    }
}

fn suffix(help: &Option<String>) -> String {
    help.as_ref().map(|help| format!("\n  help: {help}")).unwrap_or_default()
}

impl DataError {
    /// An error of no particular file.
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        DataError { kind, file: None, place: None, message: message.into(), help: None }
    }

    /// An error of one file.
    pub(crate) fn file(kind: Kind, file: &Path, message: impl Into<String>) -> Self {
        DataError { file: Some(file.to_owned()), ..DataError::new(kind, message) }
    }

    /// The file could not be read, by the operating system's account.
    pub(crate) fn io(file: &Path, error: &io::Error) -> Self {
        DataError::file(Kind::Unreadable, file, format!("it cannot be read: {error}"))
    }

    pub(crate) fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
