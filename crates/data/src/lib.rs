//! Readers and preprocessing: headers first, then named arrays.
//!
//! A [`Source`] says which files to read and what to do to them. [`header`] gives the shape and
//! type of what they hold, reading as little as possible; [`load`] gives the numbers. A file is
//! never trusted: every size is checked against what the file can hold before memory is taken for
//! it, and whatever is wrong comes back as a [`DataError`] that names the file and the place.

mod bars;
mod binary;
mod cache;
mod codes;
mod column;
mod columnar;
mod error;
mod file;
mod headers;
mod idx;
mod images;
mod json;
mod memory;
mod npy;
mod patches;
mod rows;
mod stages;
mod standardize;
mod table;
mod whiten;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::cache::Entry;

pub use bars::Bars;
pub use codes::CODES;
pub use error::{DataError, Kind, Place};
pub use file::fetch_hash;
pub use headers::Headers;
pub use memory::InMemory;
pub use rows::{Cell, Condition, Relation};
pub use standardize::Statistic;

/// What a reader call in a program asks for. Paths are resolved already, relative to the
/// program's own file.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Where the numbers come from.
    pub reader: Reader,
    /// What is done to them, in order.
    pub stages: Vec<Stage>,
}

/// Where numbers come from. A path may hold `*` (any characters) and `**` (any folders); only
/// `Images` and `Patches` read more than one file, in order of path.
#[derive(Debug, Clone, PartialEq)]
pub enum Reader {
    /// An array written by NumPy's `save`: bool, integers or floats, of either byte order, in
    /// row-major or column-major order. 64-bit integers beyond 2^53 are rounded.
    Npy {
        /// The file.
        path: PathBuf,
    },
    /// An array in an archive written by NumPy's `savez` or `savez_compressed`.
    Npz {
        /// The archive.
        path: PathBuf,
        /// Its name; left out, the archive must hold one array only.
        array: Option<String>,
    },
    /// Columns of a table: of text with a header line, of a Parquet file, or of an Arrow file. A
    /// column of text becomes indices from 0 into its levels, which are sorted. Blank cells, `NA`
    /// and `NaN` are missing.
    Table(Table),
    /// A field of an object of arrays, as in Stan's JSON: a number or nested arrays. `null` is a
    /// missing value.
    Json {
        /// The file.
        path: PathBuf,
        /// The field; left out, the file itself is the array.
        field: Option<String>,
    },
    /// The idx format of the MNIST files, plain or gzip as its contents say.
    Idx {
        /// The file.
        path: PathBuf,
    },
    /// PNG and JPEG files of one size as levels in [0, 1]: `[image, height, width]`, of colour
    /// `[image, 3, height, width]`. Transparency is ignored.
    Images {
        /// The file or files.
        pattern: PathBuf,
        /// What becomes of colour.
        channels: Channels,
    },
    /// Square patches at random places of images: `[count, size²]`, of colour `[count, 3, size²]`,
    /// which are whitened channel by channel. Sizes of images may differ.
    /// For each patch an image is drawn uniformly, then a place in it. Patch i depends on the seed
    /// and on i only, so a larger `count` continues a smaller one.
    Patches {
        /// PNG or JPEG files, or one `.npy` or `.npz` of grey images `[image, height, width]` or
        /// `[height, width]`, of colour with a last dimension of 3: bytes are divided by 255, 16-bit integers by 65535, and floats must
        /// lie in [0, 1].
        pattern: PathBuf,
        /// The array of an `.npz`; left out, its only one.
        array: Option<String>,
        /// Only the first so many images; all where left out.
        images: Option<usize>,
        /// What becomes of colour.
        channels: Channels,
        /// Side of a patch, pixels.
        size: usize,
        /// Number of patches.
        count: usize,
        /// Seed of the places.
        seed: u64,
        /// Pixels cut off every side of an image. With [`Stage::Whiten`] at least 4 are, where the
        /// filter wraps around.
        border: usize,
        /// How each patch moves: `[count, frames, size²]`, of colour `[count, frames, 3, size²]`.
        moving: Option<Moving>,
    },
    /// A bar of light that crosses a field in many directions: `[angles, blank + frames, size²]`.
    Bars(Bars),
    /// Independent draws from a Normal distribution: `[count]`.
    NormalDraws {
        /// Mean.
        mean: f64,
        /// Standard deviation, at least 0.
        sd: f64,
        /// Number of draws.
        count: usize,
        /// Seed.
        seed: u64,
    },
    /// An array that the caller has already.
    Memory(Arc<InMemory>),
}

/// What is read of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The file.
    pub path: PathBuf,
    /// Its form; where it is left out, whatever the file's first bytes say.
    pub format: Option<Format>,
    /// The columns.
    pub columns: Columns,
    /// Of which rows; all where left out.
    pub rows: Option<Condition>,
}

/// The forms of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text with a header line, its cells parted by commas, tabs or semicolons.
    Text,
    /// Parquet.
    Parquet,
    /// Arrow's file of record batches, which is Feather's second version too.
    Arrow,
}

/// The columns that are read of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Columns {
    /// One gives a vector `[rows]`, several a matrix `[rows, columns]`.
    Named(Vec<String>),
    /// All columns of numbers but these, as a matrix.
    AllBut(Vec<String>),
}

/// A patch that moves over its image: a Brownian motion, reflected at the borders, pixels between others being interpolated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moving {
    /// Frames, the first one at its place.
    pub frames: usize,
    /// Standard deviation of a step in each direction, pixels.
    pub drift: f64,
}

/// The channels of an image that are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Channels {
    /// Luminance, by Rec. 709's weights on the stored values.
    #[default]
    Grey,
    /// Red, green and blue, before height and width; all the same of a grey image.
    Color,
}

impl Channels {
    /// Their number.
    pub fn count(self) -> usize {
        match self {
            Channels::Grey => 1,
            Channels::Color => 3,
        }
    }
}

/// A preprocessing stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Filters whole images by R(f) = f exp(−(f/f₀)⁴), f₀ = 0.5 cycles per pixel, crops 4 pixels
    /// at the border, and scales each patch (or image) to mean 0 and population sd 1. Only after
    /// `Images` and `Patches`, and first. A patch with sd below 1e-8 is drawn again.
    Whiten,
    /// Subtracts from each column (everything but the first axis) its mean over rows and divides
    /// by its sd (n − 1).
    Standardize,
    /// Makes indices of texts, truth values or whole numbers, their levels in this order; where it is
    /// empty, sorted, or as the caller of an array in memory has them.
    Categories(Vec<String>),
    /// Makes days since this date of dates.
    Days(String),
}

/// What the elements of an array are, as their file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Element {
    /// Real numbers.
    Real,
    /// Whole numbers.
    Integer,
    /// 0 or 1.
    Bool,
    /// Indices from 0 into levels.
    Text,
}

/// The shape and type of an array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Sizes of the axes; empty for a scalar.
    pub shape: Vec<usize>,
    /// What the elements are.
    pub element: Element,
    /// Names of the columns read from a table; empty for other readers.
    pub columns: Vec<String>,
    /// Levels of a column of text, in the order of their indices.
    pub levels: Option<Vec<String>>,
}

impl Header {
    pub(crate) fn new(shape: Vec<usize>, element: Element) -> Self {
        Header { shape, element, columns: Vec::new(), levels: None }
    }
}

/// An array in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Sizes of the axes; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements, row-major; NaN where missing.
    pub values: Vec<f64>,
    /// What the elements are.
    pub element: Element,
    /// Names of the columns read from a table; empty for other readers.
    pub columns: Vec<String>,
    /// For a column of text, what the indices stand for.
    pub levels: Option<Vec<String>>,
    /// Columns of a table that a matrix of all numbers had to leave out.
    pub left_out: Vec<String>,
    /// For each element, whether it is missing; only with [`Options::allow_missing`], and only
    /// where any is.
    pub missing: Option<Vec<bool>>,
    /// What `standardize` subtracted and divided by, for each column.
    pub statistics: Vec<Statistic>,
    /// Patches that were drawn again because nothing varied in them.
    pub redrawn: usize,
    /// SHA-256 of the contents of the file, in hexadecimal; of several files, of their contents
    /// one after the other in order of path; of `normal_draws`, of `bars` and of arrays in memory, of the values
    /// as little-endian f64.
    pub sha256: String,
    /// Whether it was taken from [`Options::cache`] and not decoded.
    pub cached: bool,
}

/// How an array is loaded, where it is not in the usual way.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    /// Missing values (blank or `NA` cells, `null`, NaN in binary files) are kept and marked; else
    /// they are errors.
    pub allow_missing: bool,
    /// The rows from which `standardize` takes its statistics: the training rows. All where left out.
    pub rows: Option<Vec<usize>>,
    /// Statistics of an earlier run, to be used by `standardize` instead of new ones.
    pub statistics: Option<Vec<Statistic>>,
    /// A folder where decoded arrays are kept from run to run, by the hash of their files. None keeps nothing.
    pub cache: Option<PathBuf>,
}

/// What a reader gives, before its values are checked.
pub(crate) struct Content {
    pub header: Header,
    pub values: Vec<f64>,
    pub levels: Option<Vec<String>>,
    /// Empty where nothing is missing.
    pub missing: Vec<bool>,
    pub redrawn: usize,
    /// The value of white, where the elements are unsigned integers of 8 or 16 bits.
    pub white: Option<f64>,
    /// The field or the array of an archive that was read.
    pub name: Option<String>,
    /// Columns of a table that a matrix of all numbers had to leave out.
    pub left_out: Vec<String>,
    /// The rows of a table that were read, from 0, where not all were.
    pub rows: Vec<usize>,
}

impl Content {
    pub(crate) fn new(header: Header, values: Vec<f64>) -> Self {
        let (levels, missing, left_out, rows) = (None, Vec::new(), Vec::new(), Vec::new());
        Content { header, values, levels, missing, redrawn: 0, white: None, name: None, left_out, rows }
    }
}

/// The shape and type of what `source` gives after all its stages. Reads the headers of binary
/// files and of images only; text files, which have none, are read to their end.
///
/// # Errors
/// Whatever of a file's faults shows in its header, and stages where they have no meaning.
pub fn header(source: &Source) -> Result<Header, DataError> {
    check_stages(source)?;
    if source.stages.iter().any(stages::needs_values) {
        let path = path(&source.reader)?;
        let content = decode(&source.reader, &path, whitened(source))?;
        let file = Some(path.as_path()).filter(|path| !path.as_os_str().is_empty());
        let header = stages::apply(file, content, &source.stages)?.header;
        return match source.stages.contains(&Stage::Standardize) {
            true => standardize::check_header(header, source),
            false => Ok(header),
        };
    }
    let header = match &source.reader {
        Reader::Npy { path } => npy::header(&file::single(path)?)?,
        Reader::Npz { path, array } => npy::npz_header(&file::single(path)?, array.as_deref())?,
        Reader::Table(wanted) => table::load(&file::single(&wanted.path)?, wanted)?.header,
        Reader::Json { path, field } => json::load(&file::single(path)?, field.as_deref())?.header,
        Reader::Idx { path } => idx::header(&file::single(path)?)?,
        Reader::Images { pattern, channels } => images::header(pattern, *channels, whitened(source))?,
        Reader::Patches { .. } => patches::header(&source.reader, whitened(source))?,
        Reader::Bars(bars) => bars.header()?,
        Reader::NormalDraws { mean, sd, count, .. } => {
            check_draws(*mean, *sd, *count)?;
            Header::new(vec![*count], Element::Real)
        }
        Reader::Memory(array) => array.header()?,
    };
    match source.stages.is_empty() {
        true => Ok(header),
        false => standardize::check_header(header, source),
    }
}

/// The values of `source` after all its stages. Missing values are errors.
///
/// # Errors
/// Anything wrong with the files, with the first value that is missing or not finite, or with a
/// stage.
pub fn load(source: &Source) -> Result<Array, DataError> {
    load_with(source, &Options::default())
}

/// As [`load`], with [`Options`].
///
/// # Errors
/// As [`load`]; also rows out of range, and statistics that do not fit the number of columns.
pub fn load_with(source: &Source, options: &Options) -> Result<Array, DataError> {
    check_stages(source)?;
    let (path, sha256, content, cached) = match &source.reader {
        reader @ (Reader::NormalDraws { .. } | Reader::Bars(_)) => {
            let content = decode(reader, Path::new(""), false)?;
            (None, file::hash_values(&content.values), content, false)
        }
        Reader::Memory(array) => (None, array.hash(), array.content()?, false),
        reader => {
            let path = path(reader)?;
            let sha256 = fetch_hash(&path)?;
            let whitened = whitened(source);
            let entry = options.cache.as_ref().map(|folder| Entry::new(folder, reader, whitened, &sha256));
            let kept = entry.as_ref().and_then(Entry::read);
            let cached = kept.is_some();
            let content = match kept {
                Some(content) => content,
                None => decode(reader, &path, whitened)?,
            };
            if let Some(entry) = entry.filter(|_| !cached) {
                entry.write(&content);
            }
            (Some(path), sha256, content, cached)
        }
    };
    let content = stages::apply(path.as_deref(), content, &source.stages)?;
    let content = check_values(path.as_deref(), content, options.allow_missing)?;
    let mut array = Array {
        shape: content.header.shape,
        values: content.values,
        element: content.header.element,
        columns: content.header.columns,
        levels: content.levels,
        left_out: content.left_out,
        missing: (!content.missing.is_empty()).then_some(content.missing),
        statistics: Vec::new(),
        redrawn: content.redrawn,
        sha256,
        cached,
    };
    for stage in source.stages.iter().filter(|stage| !stages::needs_values(stage)) {
        array.element = Element::Real;
        if *stage == Stage::Standardize {
            standardize::standardize(path.as_deref(), &mut array, options)?;
        }
    }
    Ok(array)
}

/// The file of a reader of one, or the pattern of a reader of several.
fn path(reader: &Reader) -> Result<PathBuf, DataError> {
    match reader {
        Reader::Npy { path } | Reader::Npz { path, .. } => file::single(path),
        Reader::Table(wanted) => file::single(&wanted.path),
        Reader::Json { path, .. } | Reader::Idx { path } => file::single(path),
        Reader::Images { pattern, .. } | Reader::Patches { pattern, .. } => Ok(pattern.clone()),
        Reader::NormalDraws { .. } | Reader::Bars(_) | Reader::Memory(_) => Ok(PathBuf::new()),
    }
}

/// What the files hold. `path` is what [`path`] gives.
fn decode(reader: &Reader, path: &Path, whitened: bool) -> Result<Content, DataError> {
    match reader {
        Reader::Npy { .. } => npy::load(path),
        Reader::Npz { array, .. } => npy::npz_load(path, array.as_deref()),
        Reader::Table(wanted) => table::load(path, wanted),
        Reader::Json { field, .. } => json::load(path, field.as_deref()),
        Reader::Idx { .. } => idx::load(path),
        Reader::Images { pattern, channels } => images::load(pattern, *channels, whitened),
        Reader::Patches { .. } => patches::load(reader, whitened),
        Reader::Bars(bars) => bars.load(),
        Reader::NormalDraws { mean, sd, count, seed } => normal_draws(*mean, *sd, *count, *seed),
        Reader::Memory(array) => array.content(),
    }
}

fn whitened(source: &Source) -> bool {
    source.stages.contains(&Stage::Whiten)
}

fn check_stages(source: &Source) -> Result<(), DataError> {
    let refuse = |message: &str, help: &str| Err(DataError::new(Kind::Stage, message).help(help));
    let kind = std::mem::discriminant::<Stage>;
    let repeated = |stage: &Stage| source.stages.iter().filter(|other| kind(other) == kind(stage)).count() > 1;
    if source.stages.iter().any(repeated) {
        return refuse("a stage is given twice", "leave one of them out");
    }
    if whitened(source) && !matches!(source.reader, Reader::Images { .. } | Reader::Patches { .. }) {
        return refuse(
            "`whiten` filters whole images, and this reader does not give any",
            "use it after `patches` or `images`; for other arrays there is `standardize`",
        );
    }
    if whitened(source) && source.stages.first() != Some(&Stage::Whiten) {
        return refuse(
            "`whiten` comes after `standardize`, but it filters the images before patches are cut",
            "write `|> whiten |> standardize`",
        );
    }
    Ok(())
}

/// Refuses what is not finite, and marks or refuses what is missing.
fn check_values(path: Option<&Path>, mut content: Content, allow_missing: bool) -> Result<Content, DataError> {
    if allow_missing && content.missing.is_empty() && content.values.iter().any(|x| x.is_nan()) {
        content.missing = content.values.iter().map(|x| x.is_nan()).collect();
    }
    let marked = |position: usize| content.missing.get(position).copied().unwrap_or(false);
    let fault = content
        .values
        .iter()
        .enumerate()
        .find(|(position, value)| !(value.is_finite() || allow_missing && marked(*position)));
    let Some((position, value)) = fault else {
        return Ok(content);
    };
    let error = match marked(position) {
        true => DataError::new(Kind::Missing, "the value is missing")
            .help("declare the data as `real?` to allow missing values, or drop the row"),
        false => DataError::new(Kind::NonFinite, format!("the value is {value}, not a finite number")).help(
            match value.is_nan() {
                true => "declare the data as `real?` if NaN means missing, or correct the value",
                false => "correct the value where the file was made",
            },
        ),
    };
    let place = match (&content.name, place(&content.header, &content.rows, position)) {
        (Some(name), Place::Element(index)) => {
            let indices: String = index.iter().map(|i| format!("[{i}]")).collect();
            Place::Key(format!("{name}{indices}"))
        }
        (_, place) => place,
    };
    Err(DataError { file: path.map(Path::to_owned), ..error }.at(place))
}

/// Where the element at a row-major position lies.
/// `rows` are those that were read, where not all were.
fn place(header: &Header, rows: &[usize], position: usize) -> Place {
    if let Some(columns) = std::num::NonZero::new(header.columns.len()) {
        let column = header.columns.get(position % columns).cloned().unwrap_or_default();
        let row = position / columns;
        return Place::Cell { row: rows.get(row).copied().unwrap_or(row) + 1, column };
    }
    let mut rest = position;
    let mut index: Vec<usize> = header
        .shape
        .iter()
        .rev()
        .map(|size| {
            let own = rest % (*size).max(1);
            rest /= (*size).max(1);
            own
        })
        .collect();
    index.reverse();
    Place::Element(index)
}

fn check_draws(mean: f64, sd: f64, count: usize) -> Result<(), DataError> {
    let refuse = |message: String| Err(DataError::new(Kind::Argument, message));
    if !mean.is_finite() {
        return refuse(format!("the mean of `normal_draws` is {mean}, not a finite number"));
    }
    if !(sd.is_finite() && sd >= 0.0) {
        return refuse(format!("the sd of `normal_draws` is {sd}; it must be finite and at least 0"));
    }
    if count == 0 || count > binary::MAX_ELEMENTS {
        return refuse(format!(
            "the count of `normal_draws` is {count}; it must be between 1 and {}",
            binary::MAX_ELEMENTS
        ));
    }
    Ok(())
}

fn normal_draws(mean: f64, sd: f64, count: usize, seed: u64) -> Result<Content, DataError> {
    check_draws(mean, sd, count)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut values = binary::reserve(Path::new("normal_draws"), count)?;
    values.extend((0..count).map(|_| {
        let unit: f64 = StandardNormal.sample(&mut rng);
        mean + sd * unit
    }));
    Ok(Content::new(Header::new(vec![count], Element::Real), values))
}
