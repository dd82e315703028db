//! Parquet and Arrow's files, damaged.

use std::path::Path;

use super::table;
use crate::common::*;
use fe_data::{Columns, Format, Reader, Source, Table, load};
use insta::assert_snapshot;

fn of(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tables").join(name)).unwrap()
}

fn column(path: std::path::PathBuf, format: Format) -> Source {
    let columns = Columns::Named(vec!["real".into()]);
    source(Reader::Table(Table { path, format: Some(format), columns, rows: None }))
}

#[test]
fn files_of_columns() {
    let folder = Folder::new();
    let (parquet, arrow) = (of("none.parquet"), of("uncompressed.arrow"));
    let footer = |length: u32| {
        let mut bytes = parquet.clone();
        let at = bytes.len() - 8;
        bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
        bytes
    };
    let tail = |length: i32| {
        let mut bytes = arrow.clone();
        let at = bytes.len() - 10;
        bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
        bytes
    };
    let files: Vec<(&str, Format, Vec<u8>)> = vec![
        ("Parquet", Format::Parquet, parquet.clone()),
        ("Parquet, its first half", Format::Parquet, parquet[..parquet.len() / 2].to_vec()),
        ("Parquet without its last byte", Format::Parquet, parquet[..parquet.len() - 1].to_vec()),
        ("Parquet, its magic number alone", Format::Parquet, b"PAR1".to_vec()),
        ("Parquet, nothing between its magic numbers", Format::Parquet, b"PAR1\0\0\0\0PAR1".to_vec()),
        ("Parquet, encrypted", Format::Parquet, [b"PARE".to_vec(), vec![0; 20], b"PARE".to_vec()].concat()),
        ("Parquet, a footer of 4 GB", Format::Parquet, footer(u32::MAX)),
        ("Parquet, a footer of nothing", Format::Parquet, footer(0)),
        ("Parquet, a footer of all", Format::Parquet, footer(parquet.len() as u32 - 8)),
        ("Parquet, something after it", Format::Parquet, [parquet.clone(), b"tail".to_vec()].concat()),
        ("Arrow", Format::Arrow, arrow.clone()),
        ("Arrow, its first half", Format::Arrow, arrow[..arrow.len() / 2].to_vec()),
        ("Arrow without its last byte", Format::Arrow, arrow[..arrow.len() - 1].to_vec()),
        ("Arrow, its magic number alone", Format::Arrow, b"ARROW1\0\0".to_vec()),
        ("Arrow, a footer of 2 GB", Format::Arrow, tail(i32::MAX)),
        ("Arrow, a negative footer", Format::Arrow, tail(-1)),
        ("Arrow, a footer of nothing", Format::Arrow, tail(0)),
        ("Arrow, named as Parquet", Format::Parquet, arrow),
        ("Parquet, named as Arrow", Format::Arrow, parquet),
        ("text, named as Parquet", Format::Parquet, b"real\n1\n".to_vec()),
        ("nothing, named as Arrow", Format::Arrow, vec![]),
    ];
    let row = |(k, (name, format, bytes)): (usize, &(&'static str, Format, Vec<u8>))| {
        (*name, column(folder.write(&format!("{k}.table"), bytes), *format))
    };
    assert_snapshot!(table(&folder, &files.iter().enumerate().map(row).collect::<Vec<_>>()));
}

/// Wherever such a file is cut, it is refused; and no byte of it that is another one is more than a wrong number or an error.
#[test]
fn parts_of_files_of_columns() {
    let folder = Folder::new();
    for (name, format) in [("none.parquet", Format::Parquet), ("zstd.arrow", Format::Arrow)] {
        let bytes = of(name);
        for length in (0..bytes.len()).step_by(7).chain(bytes.len() - 12..bytes.len()) {
            let error = load(&column(folder.write("x", &bytes[..length]), format)).expect_err("a part of a file");
            assert!(error.file.is_some() && !error.message.is_empty(), "{error}");
        }
        for at in (0..bytes.len()).step_by(11).chain(bytes.len() - 40..bytes.len()) {
            let mut other = bytes.clone();
            other[at] ^= 0x55;
            if let Ok(array) = load(&column(folder.write("x", &other), format)) {
                assert!(array.shape.iter().product::<usize>() == array.values.len());
                assert!(array.values.iter().all(|v| v.is_finite()));
            }
        }
    }
}
