//! What a program asks of its data files, before anything is read.

use fe_syntax::Span;

/// A reader call in a `data` declaration: `patches("natural/*.png", size = 16) |> whiten`.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceCall {
    /// The name declared.
    pub data: String,
    /// `npy`, `npz`, `csv`, `parquet`, `arrow`, `json`, `idx`, `images`, `patches`, `bars`, `normal_draws`, `input`, or
    /// numbers in the program itself.
    pub reader: Reader,
    /// How many axes the data have.
    pub rank: usize,
    /// Preprocessing named directly behind it, in order.
    pub stages: Vec<(Stage, Span)>,
    /// The reader call.
    pub span: Span,
    /// The path, or the call when it has none.
    pub path_span: Span,
}

/// A reader and its arguments; paths as written, relative to the program's file.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Reader {
    Npy {
        path: String,
    },
    Npz {
        path: String,
        array: Option<String>,
    },
    Table {
        path: String,
        format: TableFormat,
        columns: Columns,
        rows: Option<Condition>,
    },
    Json {
        path: String,
        field: Option<String>,
    },
    Idx {
        path: String,
    },
    Images {
        path: String,
        channels: Channels,
    },
    Patches {
        path: String,
        array: Option<String>,
        images: Option<usize>,
        channels: Channels,
        border: usize,
        size: usize,
        count: usize,
        seed: u64,
        /// Frames and drift of patches that move.
        moving: Option<(usize, f64)>,
    },
    Bars {
        size: usize,
        angles: usize,
        frames: usize,
        width: f64,
        blank: usize,
    },
    NormalDraws {
        mean: f64,
        sd: f64,
        count: usize,
        seed: u64,
    },
    /// Given by the caller, who says from where.
    Input,
    /// Written in the program, row-major: no file.
    Numbers {
        shape: Vec<usize>,
        values: Vec<f64>,
    },
}

/// The forms of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFormat {
    /// Text, its cells parted by commas, tabs or semicolons.
    Text,
    /// Parquet.
    Parquet,
    /// Arrow's file of record batches, which is Feather's second version too.
    Arrow,
}

/// The columns of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Columns {
    /// These: one as a vector, several as a matrix.
    Named(Vec<String>),
    /// All columns of numbers but these, as a matrix.
    AllBut(Vec<String>),
}

/// Of which rows of a table: `split == 'train' and age >= 18`. A cell that is missing satisfies no comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// A column compared with a number or a text.
    Compare {
        /// The column.
        column: String,
        /// How.
        relation: Relation,
        /// With what.
        cell: Cell,
    },
    /// Both.
    And(Box<Condition>, Box<Condition>),
    /// Either.
    Or(Box<Condition>, Box<Condition>),
    /// Not.
    Not(Box<Condition>),
}

/// Comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Relation {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// What a cell is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

/// What is read of colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    /// Luminance.
    Grey,
    /// Red, green and blue.
    Color,
}

/// Preprocessing that needs the whole array.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// Whitening of image patches.
    Whiten,
    /// Columns to mean 0 and standard deviation 1.
    Standardize,
    /// Values as levels, in this order; where it is empty, sorted.
    Categories(Vec<String>),
    /// Dates as days since this one.
    Days(String),
}

/// What is known of a file before it is read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Header {
    /// Extents of the array.
    pub shape: Vec<usize>,
    /// The levels of a column of text, in the order of their indices.
    pub levels: Option<Vec<String>>,
    /// Names of the columns of a table.
    pub columns: Vec<String>,
    /// Whether all values are whole numbers by type.
    pub integer: bool,
}

/// The row axis, where it is known before the program is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Rows {
    /// It is not: what is observed decides.
    #[default]
    Unknown,
    /// There is none.
    None,
    /// The axis of this name.
    Along(String),
}

/// Values given on the command line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// `--set name=value`
    pub set: Vec<(String, String)>,
    /// The row axis of the whole program, where this is a part of one.
    pub rows: Rows,
}
