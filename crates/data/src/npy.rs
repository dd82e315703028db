//! NumPy's array files (`.npy`, format versions 1 to 3) and archives of them (`.npz`).

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use crate::binary::{self, Class, Encoding};
use crate::error::{DataError, Kind, Place};
use crate::file;
use crate::{Content, Header};

/// The first bytes of every `.npy` file.
pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";
/// The first bytes of a zip archive with something in it.
pub(crate) const ZIP_MAGIC: &[u8] = b"PK\x03\x04";
/// Longest header that is read; NumPy's own are below 200 bytes for plain arrays.
const MAX_HEADER: u64 = 1 << 16;

/// What a `.npy` header says, and where the data start.
struct Layout {
    encoding: Encoding,
    fortran: bool,
    shape: Vec<usize>,
    count: usize,
    start: u64,
}

impl Layout {
    fn end(&self) -> u64 {
        self.start + self.count as u64 * self.encoding.size as u64
    }

    fn header(&self) -> Header {
        Header::new(self.shape.clone(), self.encoding.element())
    }

    fn load(&self, path: &Path, mut reader: &mut dyn Read) -> Result<Content, DataError> {
        let values = binary::read_values(path, &mut reader, self.encoding, self.count, self.start)?;
        let values = if self.fortran { row_major(&self.shape, &values) } else { values };
        let white = match (self.encoding.class, self.encoding.size) {
            (Class::Unsigned, 1) => Some(255.0),
            (Class::Unsigned, 2) => Some(65535.0),
            _ => None,
        };
        Ok(Content { white, ..Content::new(self.header(), values) })
    }
}

pub(crate) fn header(path: &Path) -> Result<Header, DataError> {
    let (_, layout) = open(path)?;
    Ok(layout.header())
}

pub(crate) fn load(path: &Path) -> Result<Content, DataError> {
    let (mut reader, layout) = open(path)?;
    layout.load(path, &mut reader)
}

fn open(path: &Path) -> Result<(BufReader<File>, Layout), DataError> {
    let (file, length) = file::open(path)?;
    let mut reader = BufReader::new(file);
    let layout = read_layout(path, &mut reader)?;
    binary::check_length(path, layout.end(), length)?;
    Ok((reader, layout))
}

pub(crate) fn npz_header(path: &Path, array: Option<&str>) -> Result<Header, DataError> {
    with_entry(path, array, |layout, _, _| Ok(layout.header()))
}

pub(crate) fn npz_load(path: &Path, array: Option<&str>) -> Result<Content, DataError> {
    with_entry(path, array, |layout, entry, name| {
        let name = Some(name.to_owned());
        Ok(Content { name, ..layout.load(path, entry)? })
    })
}

/// Opens one array of an archive, checks every size that is announced, and hands it to `read`.
fn with_entry<T>(
    path: &Path,
    array: Option<&str>,
    read: impl FnOnce(&Layout, &mut dyn Read, &str) -> Result<T, DataError>,
) -> Result<T, DataError> {
    let (file, length) = file::open(path)?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| zip_error(path, error))?;
    let entries: Vec<(usize, String)> = (0..archive.len())
        .filter_map(|index| Some((index, archive.name_for_index(index)?.ok()?)))
        .filter_map(|(index, name)| Some((index, name.strip_suffix(".npy")?.to_owned())))
        .collect();
    let (index, name) = choose(path, array, &entries)?;
    let mut entry = archive.by_index(index).map_err(|error| zip_error(path, error))?;
    let announced = entry.size();
    let compressed = entry.compressed_size().min(length);
    let inside = |error: DataError| DataError { message: format!("in array `{name}`, {}", error.message), ..error };
    binary::check_growth(path, announced, compressed).map_err(inside)?;
    let layout = read_layout(path, &mut entry).map_err(inside)?;
    binary::check_length(path, layout.end(), announced).map_err(inside)?;
    read(&layout, &mut entry, name).map_err(inside)
}

fn choose<'a>(path: &Path, array: Option<&str>, entries: &'a [(usize, String)]) -> Result<(usize, &'a str), DataError> {
    let names: Vec<&str> = entries.iter().map(|(_, name)| name.as_str()).collect();
    let found = |(index, name): &'a (usize, String)| (*index, name.as_str());
    match (array, entries) {
        (_, []) => Err(DataError::file(Kind::Empty, path, "the archive holds no arrays")),
        (Some(wanted), _) => entries
            .iter()
            .find(|(_, name)| name == wanted)
            .map(found)
            .ok_or_else(|| file::unknown_name(path, "array", wanted, &names)),
        (None, [only]) => Ok(found(only)),
        (None, _) => Err(DataError::file(
            Kind::Ambiguous,
            path,
            format!("the archive holds {} arrays, and none is named", entries.len()),
        )
        .help(format!("name one of {}", file::list(&names)))),
    }
}

fn zip_error(path: &Path, error: ZipError) -> DataError {
    match error {
        ZipError::Io(error) => binary::damaged(path, &error),
        ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_) => {
            DataError::file(Kind::Format, path, format!("the archive cannot be read: {error}"))
                .help("write it with NumPy's savez or savez_compressed")
        }
        _ => DataError::file(Kind::Format, path, "this is not a complete .npz (zip) archive")
            .help("`npz` reads what NumPy's savez writes; a single array is read by `npy`"),
    }
}

fn read_layout(path: &Path, reader: &mut impl Read) -> Result<Layout, DataError> {
    let mut take = |count: usize, offset: u64| -> Result<Vec<u8>, DataError> {
        let mut bytes = vec![0; count];
        let got = binary::fill(reader, &mut bytes).map_err(|error| binary::damaged(path, &error))?;
        if got < count {
            return Err(DataError::file(Kind::Truncated, path, "the file ends inside its header")
                .at(Place::Byte(offset + got as u64)));
        }
        Ok(bytes)
    };
    let magic = take(MAGIC.len(), 0)?;
    if magic != MAGIC {
        return Err(DataError::file(Kind::Format, path, "this is not a .npy file: its first bytes are wrong")
            .at(Place::Byte(0))
            .help(match magic.starts_with(b"PK") {
                true => "it is a zip archive: read it with `npz`",
                false => "`npy` reads what NumPy's save writes",
            }));
    }
    let version = take(2, 6)?.first().copied().unwrap_or(0);
    let width = match version {
        1 => 2,
        2 | 3 => 4,
        _ => {
            return Err(DataError::file(
                Kind::Format,
                path,
                format!("version {version} of the .npy format is not known"),
            )
            .at(Place::Byte(6))
            .help("versions 1 to 3 are read; write it again with NumPy's save"));
        }
    };
    let length = take(width, 8)?.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
    if length > MAX_HEADER {
        return Err(DataError::file(Kind::TooLarge, path, format!("its header is said to be {length} bytes long"))
            .at(Place::Byte(8))
            .help("the file is damaged, or holds records, which are not read"));
    }
    let offset = 8 + width as u64;
    let bytes = take(length as usize, offset)?;
    let text = String::from_utf8_lossy(&bytes);
    let (description, fortran, shape) = Cursor { rest: &text }.dictionary().ok_or_else(|| malformed(path, offset))?;
    let encoding = encoding(path, &description)?;
    let count = binary::elements(path, &shape)?;
    Ok(Layout { encoding, fortran, shape, count, start: offset + length })
}

fn malformed(path: &Path, offset: u64) -> DataError {
    DataError::file(Kind::Format, path, "its header is malformed")
        .at(Place::Byte(offset))
        .help("a header reads {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4)}")
}

/// The encoding that NumPy's type string names, such as `<f8`.
fn encoding(path: &Path, description: &str) -> Result<Encoding, DataError> {
    let order_free = description.trim_start_matches(['<', '>', '|', '=']);
    let big_endian = description.starts_with('>');
    let class_and_size = match order_free {
        "b1" | "?" => Some((Class::Bool, 1)),
        "i1" => Some((Class::Signed, 1)),
        "i2" => Some((Class::Signed, 2)),
        "i4" => Some((Class::Signed, 4)),
        "i8" => Some((Class::Signed, 8)),
        "u1" => Some((Class::Unsigned, 1)),
        "u2" => Some((Class::Unsigned, 2)),
        "u4" => Some((Class::Unsigned, 4)),
        "u8" => Some((Class::Unsigned, 8)),
        "f2" => Some((Class::Float, 2)),
        "f4" => Some((Class::Float, 4)),
        "f8" => Some((Class::Float, 8)),
        _ => None,
    };
    if let Some((class, size)) = class_and_size {
        return Ok(Encoding { class, size, big_endian });
    }
    let (what, help) = match order_free.chars().next() {
        Some('[') => ("records (a structured array)", "save each field as an array of its own"),
        Some('O') => ("Python objects", "they are never unpickled; save numbers, as with x.astype(float)"),
        Some('c') => ("complex numbers", "save the real and the imaginary part as two arrays"),
        Some('S' | 'a' | 'U') => ("text", "save indices, or put the text in a csv column"),
        Some('M' | 'm') => ("dates or time differences", "save numbers, as with x.astype(float)"),
        Some('f') => ("extended-precision floats", "save it as float64, with x.astype(float)"),
        Some('V') => ("raw bytes", "save numbers, as with x.astype(float)"),
        _ => ("no numbers", "save it as float64, with x.astype(float)"),
    };
    let shown: String = description.chars().take(40).collect();
    Err(DataError::file(Kind::ElementType, path, format!("its elements, of type `{shown}`, are {what}")).help(help))
}

/// Reads the Python literal in a header, a dictionary of three entries.
struct Cursor<'a> {
    rest: &'a str,
}

impl Cursor<'_> {
    fn dictionary(&mut self) -> Option<(String, bool, Vec<usize>)> {
        let (mut description, mut fortran, mut shape) = (None, None, None);
        self.expect("{")?;
        while self.expect("}").is_none() {
            let key = self.string()?;
            self.expect(":")?;
            match key.as_str() {
                "descr" => description = Some(self.description()?),
                "fortran_order" => fortran = Some(self.boolean()?),
                "shape" => shape = Some(self.tuple()?),
                _ => return None,
            }
            if self.expect(",").is_none() && !self.rest.trim_start().starts_with('}') {
                return None;
            }
        }
        Some((description?, fortran?, shape?))
    }

    fn expect(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(token)?;
        Some(())
    }

    fn string(&mut self) -> Option<String> {
        let quote = if self.expect("'").is_some() { '\'' } else { self.expect("\"").map(|()| '"')? };
        let (text, rest) = self.rest.split_once(quote)?;
        self.rest = rest;
        Some(text.to_owned())
    }

    /// A type string; a list, the type of a record, is kept as its own text up to the next entry.
    fn description(&mut self) -> Option<String> {
        if !self.rest.trim_start().starts_with('[') {
            return self.string();
        }
        let mut depth = 0usize;
        for (end, character) in self.rest.char_indices() {
            match character {
                '[' => depth += 1,
                ']' => depth = depth.checked_sub(1)?,
                _ => continue,
            }
            if depth == 0 {
                let (text, rest) = self.rest.split_at_checked(end + 1)?;
                self.rest = rest;
                return Some(text.trim_start().to_owned());
            }
        }
        None
    }

    fn boolean(&mut self) -> Option<bool> {
        match self.expect("True") {
            Some(()) => Some(true),
            None => self.expect("False").map(|()| false),
        }
    }

    fn tuple(&mut self) -> Option<Vec<usize>> {
        self.expect("(")?;
        let (inside, rest) = self.rest.split_once(')')?;
        self.rest = rest;
        let inside = inside.trim();
        let inside = inside.strip_suffix(',').unwrap_or(inside);
        if inside.is_empty() {
            return Some(Vec::new());
        }
        // Python 2 wrote long integers with an L.
        inside.split(',').map(|size| size.trim().trim_end_matches('L').parse().ok()).collect()
    }
}

/// Reorders values from column-major (Fortran) to row-major order.
fn row_major(shape: &[usize], values: &[f64]) -> Vec<f64> {
    let strides: Vec<usize> = shape
        .iter()
        .scan(1usize, |stride, size| {
            let own = *stride;
            *stride = stride.saturating_mul(*size);
            Some(own)
        })
        .collect();
    let mut index = vec![0; shape.len()];
    let mut offset = 0;
    let mut out = Vec::with_capacity(values.len());
    while let Some(value) = values.get(offset) {
        out.push(*value);
        if out.len() == values.len() {
            break;
        }
        for ((i, size), stride) in index.iter_mut().zip(shape).zip(&strides).rev() {
            *i += 1;
            offset += stride;
            if *i < *size {
                break;
            }
            *i = 0;
            offset -= stride * size;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Cursor, row_major};

    #[test]
    fn headers_parse() {
        let parse = |rest| Cursor { rest }.dictionary();
        assert_eq!(
            parse("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }   \n"),
            Some(("<f8".to_owned(), false, vec![3, 4]))
        );
        assert_eq!(
            parse("{\"shape\": (3L,), 'fortran_order': True, 'descr': '|b1'}"),
            Some(("|b1".to_owned(), true, vec![3]))
        );
        assert_eq!(
            parse("{'descr': [('a', '<f8'), ('b', '<i4', (2,))], 'fortran_order': False, 'shape': ()}"),
            Some(("[('a', '<f8'), ('b', '<i4', (2,))]".to_owned(), false, vec![]))
        );
        for wrong in [
            "",
            "{",
            "{'descr': '<f8'}",
            "{'shape': (-1,), 'descr': '<f8', 'fortran_order': False}",
            "{'descr'",
            "{'x': 3}",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn column_major_becomes_row_major() {
        // Element [i, j, k] of a 2 × 3 × 2 array holds 100 i + 10 j + k.
        let shape = [2, 3, 2];
        let mut fortran = Vec::new();
        let mut c = Vec::new();
        for k in 0..2 {
            for j in 0..3 {
                for i in 0..2 {
                    fortran.push(f64::from(100 * i + 10 * j + k));
                }
            }
        }
        for i in 0..2 {
            for j in 0..3 {
                for k in 0..2 {
                    c.push(f64::from(100 * i + 10 * j + k));
                }
            }
        }
        assert_eq!(row_major(&shape, &fortran), c);
    }
}
