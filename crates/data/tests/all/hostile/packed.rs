//! Archives, gzip, and pictures.

use super::{beginnings, table};
use crate::common::*;
use fe_data::Source;
use insta::assert_snapshot;

fn array() -> Vec<u8> {
    npy_of("<f8", "(2,)", &f64_bytes(&[1.0, 2.0]))
}

/// An archive with `from` exchanged for `to` wherever its directory and its entries name it.
fn renamed(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = zip_bytes(&[(from, &array())], false);
    for at in 0..bytes.len().saturating_sub(from.len()) {
        if bytes[at..].starts_with(from.as_bytes()) {
            bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
        }
    }
    bytes
}

/// An archive in whose directory 4 bytes at `offset` of its only record are something else.
fn lying(offset: usize, value: u32) -> Vec<u8> {
    let mut bytes = zip_bytes(&[("x.npy", &array())], true);
    let at = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap() + offset;
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    bytes
}

#[test]
fn archives_of_numpy() {
    let folder = Folder::new();
    let big = npy_of("|u1", "(20000000,)", &vec![0; 20_000_000]);
    let huge = npy_of("<f8", "(1000000000000000,)", &[]);
    let whole = zip_bytes(&[("x.npy", &array())], true);
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("one array", whole.clone()),
        ("an absolute path", renamed("axyz.npy", "/etc.npy")),
        ("a path upwards", renamed("aaaaaaa.npy", "../../x.npy")),
        ("a path upwards on another system", renamed("aaaaaaa.npy", "..\\..\\x.npy")),
        ("a folder", zip_bytes(&[("x/y.npy", &array())], true)),
        ("a NUL in a name", renamed("abc.npy", "a\0c.npy")),
        ("an escape in a name", renamed("abc.npy", "\x1bbc.npy")),
        ("a name of nothing", zip_bytes(&[(".npy", &array())], true)),
        ("something that is no array", zip_bytes(&[("notes.txt", b"hello")], true)),
        ("an array and something that is none", zip_bytes(&[("notes.txt", b"hello"), ("x.npy", &array())], true)),
        ("an array of text", zip_bytes(&[("x.npy", b"hello")], true)),
        ("an empty array", zip_bytes(&[("x.npy", b"")], true)),
        ("an archive within", zip_bytes(&[("x.npy", &whole)], true)),
        ("no entries", zip_bytes(&[], true)),
        ("20 MB of zeros", zip_bytes(&[("x.npy", &big)], true)),
        ("petabytes, says the array", zip_bytes(&[("x.npy", &huge)], true)),
        ("4 GB, says the directory", lying(24, u32::MAX - 1)),
        ("0 bytes, says the directory", lying(24, 0)),
        ("packed into 4 GB, says the directory", lying(20, u32::MAX - 1)),
        ("another checksum", lying(16, 0x1234_5678)),
        ("an entry that begins elsewhere", lying(42, 7)),
        ("an entry that begins beyond the file", lying(42, 1_000_000)),
        ("packed in an unknown way", lying(10, 99)),
        ("something before it", [b"#!/bin/sh\n".to_vec(), whole.clone()].concat()),
        ("something after it", [whole.clone(), b"tail".to_vec()].concat()),
        ("twice", [whole.clone(), whole].concat()),
        ("one array alone", array()),
        ("empty", vec![]),
    ];
    let row = |(k, (name, bytes)): (usize, &(&'static str, Vec<u8>))| {
        (*name, npz(folder.write(&format!("{k}.npz"), bytes), None))
    };
    insta::with_settings!({filters => vec![(r"\d+ compressed bytes", "[SIZE] compressed bytes")]}, {
        assert_snapshot!(table(&folder, &files.iter().enumerate().map(row).collect::<Vec<_>>()));
    });
}

#[test]
fn tables_in_gzip() {
    let folder = Folder::new();
    let text = b"a,b\n1,2\n3,4\n";
    let whole = gzip(text);
    let mut flipped = whole.clone();
    let last = flipped.len() - 1;
    flipped[last - 5] ^= 1;
    let mut longer = whole.clone();
    longer[last] = 1;
    let bomb = gzip(&[b"a\n".to_vec(), b"1\n".repeat(1 << 20)].concat());
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("a table", whole.clone()),
        ("two, one after the other", [whole.clone(), gzip(b"5,6\n")].concat()),
        ("something after it", [whole.clone(), b"tail".to_vec()].concat()),
        ("zeros after it", [whole.clone(), vec![0; 100]].concat()),
        ("twice", gzip(&whole)),
        ("of nothing", gzip(b"")),
        ("another checksum", flipped),
        ("another length", longer),
        ("a million rows of a few kB", bomb),
        ("UTF-16", gzip(b"\xff\xfea\0\n\x001\0\n\0")),
        ("an unknown way of packing", [&whole[..2], &[9], &whole[3..]].concat()),
    ];
    let row = |(k, (name, bytes)): (usize, &(&'static str, Vec<u8>))| {
        (*name, csv(folder.write(&format!("{k}.csv.gz"), bytes), &["a"]))
    };
    insta::with_settings!({filters => vec![(r"\d+ compressed bytes", "[SIZE] compressed bytes")]}, {
        assert_snapshot!(table(&folder, &files.iter().enumerate().map(row).collect::<Vec<_>>()));
    });
}

#[test]
fn pictures_that_are_wrong() {
    let folder = Folder::new();
    let whole = png(3, 2, texture);
    let position = |name: &[u8]| whole.windows(4).position(|w| w == name).unwrap();
    let with = |at: usize, byte: u8| {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        bytes
    };
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("a picture", whole.clone()),
        ("another checksum of its header", with(29, whole[29] ^ 1)),
        ("another byte of its pixels", with(position(b"IDAT") + 8, 0xff)),
        ("no width", with(19, 0)),
        ("an unknown depth", with(24, 77)),
        ("no pixels", [&whole[..position(b"IDAT") - 4], &whole[position(b"IEND") - 4..]].concat()),
        ("no end", whole[..position(b"IEND") - 4].to_vec()),
        ("something after it", [whole.clone(), b"tail".to_vec()].concat()),
        ("GIF", b"GIF89a\x01\0\x01\0\0\0\0;".to_vec()),
        ("BMP", b"BM\x3a\0\0\0\0\0\0\0".to_vec()),
        ("TIFF", b"II*\0\x08\0\0\0".to_vec()),
        ("WebP", b"RIFF\x1a\0\0\0WEBPVP8L".to_vec()),
        ("SVG", b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec()),
        ("a page", b"<!DOCTYPE html>".to_vec()),
        ("empty", vec![]),
    ];
    let row = |(k, (name, bytes)): (usize, &(&'static str, Vec<u8>))| {
        (*name, images(folder.write(&format!("{k}.png"), bytes)))
    };
    assert_snapshot!(table(&folder, &files.iter().enumerate().map(row).collect::<Vec<(&str, Source)>>()));
}

/// Wherever an archive, a compressed table or a picture is cut, it is refused.
#[test]
fn beginnings_of_packed_files() {
    let folder = Folder::new();
    let archive = zip_bytes(&[("x.npy", &array())], true);
    assert_snapshot!("beginnings_npz", beginnings(&folder, "x.npz", &archive, |path| npz(path, None)));
    let table = gzip(b"a,b\n1,2\n3,4\n");
    assert_snapshot!("beginnings_csv_gz", beginnings(&folder, "x.csv.gz", &table, |path| csv(path, &["a"])));
    // The last chunk of a picture holds nothing.
    let picture = png(3, 2, texture);
    assert_snapshot!("beginnings_png", beginnings(&folder, "x.png", &picture[..picture.len() - 12], images));
}
