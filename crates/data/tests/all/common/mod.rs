//! Files written byte by byte, for the tests of this crate.
#![allow(dead_code)]

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use fe_data::{Channels, Columns, DataError, Format, Reader, Source, Stage, Table, header, load};
use tempfile::TempDir;

/// A folder of test files that goes away with the test.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Folder(TempDir::new().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file and gives its path.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The message of the error, with this folder taken out of it. `header` must fail in the same
    /// way or give a header: it may not panic.
    pub fn message(&self, source: &Source) -> String {
        let error = load(source).expect_err("this source is wrong");
        if let Err(other) = header(source) {
            assert_eq!(other, error, "header and load disagree");
        }
        self.shorten(&error)
    }

    pub fn shorten(&self, error: &DataError) -> String {
        let folder = self.0.path().display().to_string();
        error.to_string().replace(&format!("{folder}/"), "").replace(&folder, ".")
    }
}

pub fn source(reader: Reader) -> Source {
    Source { reader, stages: Vec::new() }
}

pub fn staged(reader: Reader, stages: &[Stage]) -> Source {
    Source { reader, stages: stages.to_vec() }
}

pub fn npy(path: PathBuf) -> Source {
    source(Reader::Npy { path })
}

pub fn npz(path: PathBuf, array: Option<&str>) -> Source {
    source(Reader::Npz { path, array: array.map(str::to_owned) })
}

pub fn csv(path: PathBuf, columns: &[&str]) -> Source {
    source(Reader::Table(table(path, columns)))
}

pub fn json(path: PathBuf, field: Option<&str>) -> Source {
    source(Reader::Json { path, field: field.map(str::to_owned) })
}

pub fn idx(path: PathBuf) -> Source {
    source(Reader::Idx { path })
}

pub fn images(pattern: PathBuf) -> Source {
    source(Reader::Images { pattern, channels: Channels::Grey })
}

pub fn patches(pattern: PathBuf, size: usize, count: usize) -> Source {
    let channels = Channels::Grey;
    source(Reader::Patches {
        pattern,
        array: None,
        images: None,
        channels,
        size,
        count,
        seed: 0,
        border: 0,
        moving: None,
    })
}

/// A `.npy` file with the given version, header text and data.
pub fn npy_bytes(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    match version {
        1 => bytes.extend((header.len() as u16).to_le_bytes()),
        _ => bytes.extend((header.len() as u32).to_le_bytes()),
    }
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// A row-major `.npy` file of version 1.
pub fn npy_of(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    npy_bytes(1, &header, data)
}

pub fn f64_bytes(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// A zip archive of the given entries.
pub fn zip_bytes(entries: &[(&str, &[u8])], compressed: bool) -> Vec<u8> {
    use zip::write::SimpleFileOptions;
    let method = match compressed {
        true => zip::CompressionMethod::Deflated,
        false => zip::CompressionMethod::Stored,
    };
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An idx file of bytes.
pub fn idx_bytes(code: u8, shape: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, code, shape.len() as u8];
    bytes.extend(shape.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(data);
    bytes
}

/// A grey 8-bit PNG whose pixel at (row, column) is `level(row, column)`.
pub fn png(height: u32, width: u32, level: impl Fn(u32, u32) -> u8) -> Vec<u8> {
    let image = image::GrayImage::from_fn(width, height, |x, y| image::Luma([level(y, x)]));
    encode(&image::DynamicImage::ImageLuma8(image), image::ImageFormat::Png)
}

pub fn encode(image: &image::DynamicImage, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A texture without symmetry.
pub fn texture(row: u32, column: u32) -> u8 {
    ((row * row * 31 + column * 17 + row * column * 7) % 251) as u8
}

/// Columns of a table of text; of none, all of them.
pub fn table(path: PathBuf, columns: &[&str]) -> Table {
    let names: Vec<String> = columns.iter().map(|name| name.to_string()).collect();
    let columns = if names.is_empty() { Columns::AllBut(names) } else { Columns::Named(names) };
    Table { path, format: Some(Format::Text), columns, rows: None }
}
