//! NumPy's arrays, and idx.

use super::{beginnings, table};
use crate::common::*;
use fe_data::{Source, load};
use insta::assert_snapshot;

/// A header of NumPy's, of text as it stands.
fn headed(header: &str, data: &[u8]) -> Vec<u8> {
    npy_bytes(1, header, data)
}

/// An array of six bytes with this shape.
fn shaped(shape: &str) -> Vec<u8> {
    npy_of("|u1", shape, &[1, 2, 3, 4, 5, 6])
}

#[test]
fn arrays_of_numpy() {
    let folder = Folder::new();
    let three = f64_bytes(&[1.0, 2.0, 3.0]);
    let plain = |order: &str| format!("{{'descr': '|u1', 'fortran_order': {order}, 'shape': (2, 3), }}\n");
    let six = [1, 2, 3, 4, 5, 6];
    let typed = |descr: &str| npy_of(descr, "(3,)", &three);
    let mut short_header = shaped("(6,)");
    short_header[8] = 20;
    let mut long_header = shaped("(6,)");
    long_header[9] = 255;
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("rows first", headed(&plain("False"), &six)),
        ("columns first", headed(&plain("True"), &six)),
        ("an order that is neither", headed(&plain("None"), &six)),
        ("version 0", npy_bytes(0, &plain("False"), &six)),
        ("version 2", npy_bytes(2, &plain("False"), &six)),
        ("version 3", npy_bytes(3, &plain("False"), &six)),
        ("version 4", npy_bytes(4, &plain("False"), &six)),
        ("a header said to be shorter", short_header),
        ("a header said to be longer", long_header),
        ("no header", headed("", &six)),
        ("a header of Python", headed("__import__('os').system('true')", &six)),
        (
            "a header with a fourth entry",
            headed("{'descr': '|u1', 'fortran_order': False, 'shape': (6,), 'x': 1}", &six),
        ),
        (
            "a header with an entry twice",
            headed("{'descr': '|u1', 'descr': '<f8', 'fortran_order': False, 'shape': (6,)}", &six),
        ),
        ("no shape", headed("{'descr': '|u1', 'fortran_order': False}", &six)),
        ("a shape of no axes", npy_of("|u1", "()", &[7])),
        ("a negative size", shaped("(-1, 6)")),
        ("a size that is no whole number", shaped("(2.0, 3)")),
        ("an empty axis", npy_of("|u1", "(0,)", &[])),
        ("an empty axis beside a huge one", npy_of("|u1", "(0, 18446744073709551615)", &[])),
        ("more than there is", shaped("(7,)")),
        ("less than there is", shaped("(5,)")),
        ("sizes whose product is 0 modulo 2^64", shaped("(4294967296, 4294967296)")),
        ("sizes whose product is 6 modulo 2^64", shaped("(18446744073709551615, 18446744073709551610)")),
        ("petabytes", npy_of("<f8", "(1000000000000000,)", &three)),
        ("2^63 elements", npy_of("<f8", "(9223372036854775808,)", &three)),
        ("a size beyond 64 bits", shaped("(99999999999999999999999,)")),
        ("300 axes", shaped(&format!("({}6)", "1, ".repeat(299)))),
        ("10^5 axes", npy_bytes(2, &plain("False").replace("(2, 3)", &format!("({})", "1,".repeat(100_000))), &six)),
        ("big end first", npy_of(">f8", "(2,)", &[1.5f64.to_be_bytes(), (-2f64).to_be_bytes()].concat())),
        ("little end first, said to be big", npy_of(">f8", "(1,)", &f64_bytes(&[1.0]))),
        ("whole numbers below 0", npy_of("<i8", "(1,)", &(-5i64).to_le_bytes())),
        ("the largest of 64 bits", npy_of("<u8", "(1,)", &u64::MAX.to_le_bytes())),
        ("half precision", npy_of("<f2", "(2,)", &[0x00, 0x3c, 0x01, 0x00])),
        ("a truth that is 2", npy_of("|b1", "(3,)", &[0, 1, 2])),
        ("NaN", npy_of("<f8", "(2,)", &f64_bytes(&[1.0, f64::NAN]))),
        ("minus infinity", npy_of("<f8", "(2,)", &f64_bytes(&[1.0, f64::NEG_INFINITY]))),
        ("the smallest above 0", npy_of("<f8", "(1,)", &f64_bytes(&[5e-324]))),
        ("Python objects", typed("|O")),
        ("complex", typed("<c16")),
        ("text", typed("<U2")),
        ("bytes", typed("|S8")),
        ("dates", typed("<M8[D]")),
        ("16 bytes each", typed("<f16")),
        ("no bytes each", typed("<f0")),
        ("a type of no meaning", typed("<q8")),
        ("an escape for a type", typed("\u{1b}[31m")),
        ("empty", vec![]),
        ("another magic number", b"\x94NUMPY\x01\0".to_vec()),
        ("a table of text", b"a,b\n1,2\n".to_vec()),
    ];
    let row =
        |(k, (name, bytes)): (usize, &(&'static str, Vec<u8>))| (*name, npy(folder.write(&format!("{k}.npy"), bytes)));
    assert_snapshot!(table(&folder, &files.iter().enumerate().map(row).collect::<Vec<_>>()));
}

/// Whole numbers that double precision has not are rounded, as is documented.
#[test]
fn large_whole_numbers_are_the_nearest() {
    let folder = Folder::new();
    for number in [0, 1, (1 << 53) - 1, (1 << 53) + 1, i64::MAX] {
        let array = load(&npy(folder.write("x.npy", npy_of("<i8", "(1,)", &i64::to_le_bytes(number))))).unwrap();
        assert_eq!(array.values, [number as f64]);
    }
}

#[test]
fn idx_files_that_are_wrong() {
    let folder = Folder::new();
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("bytes", idx_bytes(0x08, &[2, 3], &[1, 2, 3, 4, 5, 255])),
        ("signed bytes", idx_bytes(0x09, &[2], &[1, 255])),
        ("16 bits", idx_bytes(0x0b, &[2], &[0, 1, 255, 255])),
        ("32 bits", idx_bytes(0x0c, &[1], &[255, 255, 255, 254])),
        ("single precision", idx_bytes(0x0d, &[1], &1.5f32.to_be_bytes())),
        ("double precision, infinite", idx_bytes(0x0e, &[1], &f64::INFINITY.to_be_bytes())),
        ("a type of no meaning", idx_bytes(0x0f, &[2], &[1, 2])),
        ("a first byte that is not 0", vec![1, 0, 8, 1, 0, 0, 0, 1, 7]),
        ("no axes", idx_bytes(0x08, &[], &[7])),
        ("an empty axis", idx_bytes(0x08, &[0], &[])),
        ("255 axes", idx_bytes(0x08, &[1; 255], &[7])),
        ("exabytes", idx_bytes(0x0e, &[u32::MAX, u32::MAX], &[0; 8])),
        ("a product of 0 modulo 2^64", idx_bytes(0x08, &[1 << 31, 1 << 31, 4], &[0; 8])),
        ("less than it says", idx_bytes(0x08, &[3], &[1, 2])),
        ("more than it says", idx_bytes(0x08, &[1], &[1, 2])),
        ("gzip", gzip(&idx_bytes(0x08, &[2], &[1, 2]))),
        ("gzip with something after it", [gzip(&idx_bytes(0x08, &[2], &[1, 2])), b"tail".to_vec()].concat()),
        ("gzip twice", gzip(&gzip(&idx_bytes(0x08, &[2], &[1, 2])))),
        ("gzip of less", gzip(&idx_bytes(0x08, &[3], &[1, 2]))),
        ("an array of NumPy", shaped("(6,)")),
    ];
    let row =
        |(k, (name, bytes)): (usize, &(&'static str, Vec<u8>))| (*name, idx(folder.write(&format!("{k}.idx"), bytes)));
    assert_snapshot!(table(&folder, &files.iter().enumerate().map(row).collect::<Vec<(&str, Source)>>()));
}

/// Wherever an array of NumPy or an idx file is cut, it is refused.
#[test]
fn beginnings_of_arrays() {
    let folder = Folder::new();
    let array = npy_of("<f8", "(2,)", &f64_bytes(&[1.0, 2.0]));
    assert_snapshot!("beginnings_npy", beginnings(&folder, "x.npy", &array, npy));
    let whole = idx_bytes(0x08, &[2, 3], &[1, 2, 3, 4, 5, 6]);
    assert_snapshot!("beginnings_idx", beginnings(&folder, "x.idx", &whole, idx));
    assert_snapshot!("beginnings_idx_gz", beginnings(&folder, "x.idx.gz", &gzip(&whole), idx));
}
