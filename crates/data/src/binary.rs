//! Numbers as fixed-width bytes: element types, sizes that are checked before anything is
//! allocated, and payloads read in pieces.

use std::io::{self, Read};
use std::path::Path;

use crate::Element;
use crate::error::{DataError, Kind, Place};

/// Most elements one array may have: 16 GiB as f64.
pub(crate) const MAX_ELEMENTS: usize = 1 << 31;
/// Most axes one array may have, as in NumPy.
const MAX_AXES: usize = 64;
/// Deflate cannot shrink data by more than this factor.
const DEFLATE_LIMIT: u64 = 1032;
/// Compressed data that grow beyond this size must not grow by more than `BOMB_RATIO`.
const BOMB_SIZE: u64 = 256 << 20;
/// See [`BOMB_SIZE`]; MNIST shrinks by 5, sparse counts by 50.
const BOMB_RATIO: u64 = 500;

/// How one number is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Encoding {
    pub class: Class,
    /// Bytes per number: 1, 2, 4 or 8.
    pub size: usize,
    pub big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Bool,
    Signed,
    Unsigned,
    Float,
}

impl Encoding {
    pub(crate) fn element(self) -> Element {
        match self.class {
            Class::Bool => Element::Bool,
            Class::Signed | Class::Unsigned => Element::Integer,
            Class::Float => Element::Real,
        }
    }

    /// The number in `bytes`, which are `size` long. 64-bit integers beyond 2^53 are rounded.
    fn decode(self, bytes: &[u8]) -> f64 {
        let push = |bits: u64, byte: &u8| (bits << 8) | u64::from(*byte);
        let bits = match self.big_endian {
            true => bytes.iter().fold(0, push),
            false => bytes.iter().rev().fold(0, push),
        };
        match (self.class, self.size) {
            (Class::Bool, _) => f64::from(u8::from(bits != 0)),
            (Class::Unsigned, _) => bits as f64,
            (Class::Signed, size) => {
                let unused = 64 - 8 * size.clamp(1, 8) as u32;
                ((bits << unused) as i64 >> unused) as f64
            }
            (Class::Float, 2) => half(bits as u16),
            (Class::Float, 4) => f64::from(f32::from_bits(bits as u32)),
            (Class::Float, _) => f64::from_bits(bits),
        }
    }
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from((bits >> 10) & 0x1f);
    let fraction = f64::from(bits & 0x3ff) / 1024.0;
    sign * match exponent {
        0 => fraction * 2f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
    }
}

/// The number of elements of an array of this shape: at least one, and no more than
/// [`MAX_ELEMENTS`].
pub(crate) fn elements(path: &Path, shape: &[usize]) -> Result<usize, DataError> {
    if shape.len() > MAX_AXES {
        return Err(DataError::file(
            Kind::TooLarge,
            path,
            format!("an array of {} axes is announced; up to {MAX_AXES} are read", shape.len()),
        ));
    }
    if shape.contains(&0) {
        return Err(DataError::file(Kind::Empty, path, format!("the array has no elements: its shape is {shape:?}")));
    }
    shape
        .iter()
        .try_fold(1usize, |product, size| product.checked_mul(*size))
        .filter(|count| *count <= MAX_ELEMENTS)
        .ok_or_else(|| {
            DataError::file(
                Kind::TooLarge,
                path,
                format!("an array of shape {shape:?} is larger than the {MAX_ELEMENTS} elements that are read"),
            )
            .help("split the file, or check that its header is not damaged")
        })
}

/// Checks that `held` bytes are what a header announces, before any are read.
pub(crate) fn check_length(path: &Path, announced: u64, held: u64) -> Result<(), DataError> {
    if held < announced {
        return Err(truncated(path, announced, held));
    }
    if held > announced {
        return Err(trailing(path, announced));
    }
    Ok(())
}

/// Checks that `compressed` bytes can and may grow to the `announced` size, before they do.
pub(crate) fn check_growth(path: &Path, announced: u64, compressed: u64) -> Result<(), DataError> {
    let most = compressed.saturating_mul(DEFLATE_LIMIT).saturating_add(1024);
    if announced > most {
        return Err(DataError::file(
            Kind::TooLarge,
            path,
            format!("its header announces {announced} bytes, more than {compressed} compressed bytes can hold"),
        )
        .help("the header is damaged, or the file is incomplete; write it again"));
    }
    if announced > BOMB_SIZE && announced > compressed.saturating_mul(BOMB_RATIO) {
        return Err(DataError::file(
            Kind::TooLarge,
            path,
            format!("{compressed} compressed bytes would grow to {announced}, as a decompression bomb's do"),
        )
        .help("if the data are meant, store them without compression"));
    }
    Ok(())
}

fn truncated(path: &Path, announced: u64, held: u64) -> DataError {
    DataError::file(
        Kind::Truncated,
        path,
        format!("the data end after {held} bytes, where the header announces {announced}"),
    )
    .at(Place::Byte(held))
    .help("the file is incomplete; copy or write it again")
}

fn trailing(path: &Path, announced: u64) -> DataError {
    DataError::file(
        Kind::TrailingBytes,
        path,
        format!("the data go on after the {announced} bytes that the header announces"),
    )
    .at(Place::Byte(announced))
    .help("the header is damaged, or several arrays were written to one file")
}

/// What a failed read of possibly compressed data means.
pub(crate) fn damaged(path: &Path, error: &io::Error) -> DataError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => DataError::file(Kind::Truncated, path, "the data end too early")
            .help("the file is incomplete; copy or write it again"),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
            DataError::file(Kind::Format, path, format!("the data are damaged: {error}"))
        }
        _ => DataError::io(path, error),
    }
}

/// Fills `buffer` as far as the data go, and says how far that is.
pub(crate) fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Reads `count` numbers and checks that nothing follows them. `start` is the offset of the first.
/// The caller has checked that the file can hold them.
pub(crate) fn read_values(
    path: &Path,
    reader: &mut impl Read,
    encoding: Encoding,
    count: usize,
    start: u64,
) -> Result<Vec<f64>, DataError> {
    let announced = start + count as u64 * encoding.size as u64;
    let mut values = reserve(path, count)?;
    let mut buffer = vec![0; 1 << 16];
    while values.len() < count {
        let due = (count - values.len()).saturating_mul(encoding.size).min(buffer.len());
        let Some(piece) = buffer.get_mut(..due) else { break };
        let got = fill(reader, piece).map_err(|error| damaged(path, &error))?;
        if got < due {
            let held = start + values.len() as u64 * encoding.size as u64 + got as u64;
            return Err(truncated(path, announced, held));
        }
        values.extend(piece.chunks_exact(encoding.size).map(|bytes| encoding.decode(bytes)));
    }
    match fill(reader, &mut [0]).map_err(|error| damaged(path, &error))? {
        0 => Ok(values),
        _ => Err(trailing(path, announced)),
    }
}

/// An empty vector with room for `count` values, or an error where memory does not suffice.
pub(crate) fn reserve(path: &Path, count: usize) -> Result<Vec<f64>, DataError> {
    let mut values = Vec::new();
    values
        .try_reserve_exact(count)
        .map_err(|_| DataError::file(Kind::TooLarge, path, format!("{count} values do not fit in memory")))?;
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::{Class, Encoding, half};

    #[test]
    fn half_precision_agrees_with_ieee_754() {
        // Bit patterns from the standard's own examples.
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 2f64.powi(-14)),
            (0x0001, 2f64.powi(-24)),
            (0x3555, 0.333251953125),
            (0x7c00, f64::INFINITY),
            (0x8000, -0.0),
        ] {
            assert_eq!(half(bits).to_bits(), f64::to_bits(value));
        }
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn every_width_and_byte_order_decodes() {
        let signed = |size, big_endian| Encoding { class: Class::Signed, size, big_endian };
        assert_eq!(signed(1, false).decode(&[0xff]), -1.0);
        assert_eq!(signed(2, false).decode(&(-300i16).to_le_bytes()), -300.0);
        assert_eq!(signed(4, true).decode(&(-70000i32).to_be_bytes()), -70000.0);
        assert_eq!(signed(8, true).decode(&i64::MIN.to_be_bytes()), i64::MIN as f64);
        let float = |size, big_endian| Encoding { class: Class::Float, size, big_endian };
        assert_eq!(float(4, true).decode(&1.5f32.to_be_bytes()), 1.5);
        assert_eq!(float(8, false).decode(&0.1f64.to_le_bytes()), 0.1);
        let unsigned = Encoding { class: Class::Unsigned, size: 8, big_endian: false };
        assert_eq!(unsigned.decode(&u64::MAX.to_le_bytes()), u64::MAX as f64);
    }
}
