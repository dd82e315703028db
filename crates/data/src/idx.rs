//! The idx format of the MNIST files, plain or compressed by gzip.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::binary::{self, Class, Encoding};
use crate::error::{DataError, Kind, Place};
use crate::file;
use crate::{Content, Header};

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

pub(crate) fn header(path: &Path) -> Result<Header, DataError> {
    with_layout(path, |_, encoding, shape, _, _| Ok(Header::new(shape, encoding.element())))
}

pub(crate) fn load(path: &Path) -> Result<Content, DataError> {
    with_layout(path, |reader, encoding, shape, count, start| {
        let values = binary::read_values(path, reader, encoding, count, start)?;
        Ok(Content::new(Header::new(shape, encoding.element()), values))
    })
}

/// Reads the header, checks the sizes it announces, and hands the data to `read` with their
/// encoding, shape, number and offset.
fn with_layout<T>(
    path: &Path,
    read: impl FnOnce(&mut &mut dyn Read, Encoding, Vec<usize>, usize, u64) -> Result<T, DataError>,
) -> Result<T, DataError> {
    let (file, length) = file::open(path)?;
    let mut plain = BufReader::new(file);
    let compressed = plain.fill_buf().map_err(|error| DataError::io(path, &error))?.starts_with(GZIP_MAGIC);
    let mut inflated;
    let mut reader: &mut dyn Read = if compressed {
        inflated = MultiGzDecoder::new(plain);
        &mut inflated
    } else {
        &mut plain
    };

    let mut magic = [0; 4];
    take(path, &mut reader, &mut magic, 0)?;
    let [zero, also_zero, code, rank] = magic;
    let encoding = encoding(code).filter(|_| zero == 0 && also_zero == 0 && rank > 0);
    let Some(encoding) = encoding else {
        return Err(DataError::file(
            Kind::Format,
            path,
            format!("this is not an idx file: it starts with {magic:02x?}"),
        )
        .at(Place::Byte(0))
        .help("idx starts with two zeros, a type code (08 for bytes) and the number of axes"));
    };
    let mut sizes = vec![0; 4 * usize::from(rank)];
    take(path, &mut reader, &mut sizes, 4)?;
    let shape: Vec<usize> =
        sizes.chunks_exact(4).map(|size| size.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte))).collect();
    let count = binary::elements(path, &shape)?;
    let start = 4 + sizes.len() as u64;
    let announced = start + count as u64 * encoding.size as u64;
    match compressed {
        true => binary::check_growth(path, announced, length)?,
        false => binary::check_length(path, announced, length)?,
    }
    read(&mut reader, encoding, shape, count, start)
}

fn take(path: &Path, reader: &mut impl Read, into: &mut [u8], start: u64) -> Result<(), DataError> {
    let got = binary::fill(reader, into).map_err(|error| binary::damaged(path, &error))?;
    if got < into.len() {
        return Err(DataError::file(Kind::Truncated, path, "the file ends inside its header")
            .at(Place::Byte(start + got as u64)));
    }
    Ok(())
}

fn encoding(code: u8) -> Option<Encoding> {
    let (class, size) = match code {
        0x08 => (Class::Unsigned, 1),
        0x09 => (Class::Signed, 1),
        0x0b => (Class::Signed, 2),
        0x0c => (Class::Signed, 4),
        0x0d => (Class::Float, 4),
        0x0e => (Class::Float, 8),
        _ => return None,
    };
    Some(Encoding { class, size, big_endian: true })
}
