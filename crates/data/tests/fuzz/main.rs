//! No input makes a reader panic, or take memory that the file could not fill. The allocator counts for a whole process, so
//! these are a process of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../all/common/mod.rs"]
mod common;

use std::path::Path;

use common::*;
use fe_data::{Options, Source, Stage, header, load, load_with};
use image::{DynamicImage, ImageFormat};
use peak_alloc::PeakAlloc;
use proptest::prelude::*;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Most memory that all tests of this file together may take. Every input is below 4 KiB.
const MOST_MEMORY_MB: f32 = 64.0;

/// Every reader there is, on one file.
fn readers(path: &Path) -> Vec<Source> {
    let path = path.to_owned();
    vec![
        npy(path.clone()),
        npz(path.clone(), None),
        npz(path.clone(), Some("x")),
        csv(path.clone(), &[]),
        csv(path.clone(), &["a"]),
        json(path.clone(), None),
        json(path.clone(), Some("y")),
        idx(path.clone()),
        images(path.clone()),
        staged(patches(path, 2, 5).reader, &[Stage::Whiten]),
    ]
}

/// Reads `bytes` with the given readers. Where values come back they fit their shape and are finite.
fn try_all(bytes: &[u8], choose: impl Fn(&Path) -> Vec<Source>) {
    let folder = Folder::new();
    for source in choose(&folder.write("x", bytes)) {
        let told = header(&source);
        match load(&source) {
            Ok(array) => {
                assert_eq!(array.shape.iter().product::<usize>(), array.values.len());
                assert!(array.values.iter().all(|x| x.is_finite()));
                assert_eq!(told.unwrap().shape, array.shape);
            }
            Err(error) => {
                assert!(!error.message.is_empty());
                assert!(error.kind.code().starts_with('D'));
                let _ = load_with(&source, &Options { allow_missing: true, ..Options::default() });
            }
        }
    }
    assert!(MEMORY.peak_usage_as_mb() < MOST_MEMORY_MB, "{} MB", MEMORY.peak_usage_as_mb());
}

/// What happens to a valid file: bytes overwritten, then a part cut out, then a part put twice.
#[derive(Debug, Clone)]
struct Damage {
    overwrite: Vec<(prop::sample::Index, u8)>,
    cut: Option<(prop::sample::Index, usize)>,
    repeat: Option<(prop::sample::Index, usize)>,
}

fn damage() -> impl Strategy<Value = Damage> {
    let byte = prop_oneof![Just(0u8), Just(0xff), Just(0x7f), Just(b'9'), any::<u8>()];
    let part = || prop::option::weighted(0.2, (any::<prop::sample::Index>(), 1usize..64));
    (prop::collection::vec((any::<prop::sample::Index>(), byte), 0..6), part(), part())
        .prop_map(|(overwrite, cut, repeat)| Damage { overwrite, cut, repeat })
}

fn apply(bytes: &[u8], damage: &Damage) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, byte) in &damage.overwrite {
        let at = at.index(bytes.len());
        bytes[at] = *byte;
    }
    if let Some((at, length)) = &damage.cut {
        let at = at.index(bytes.len());
        bytes.drain(at..(at + length).min(bytes.len()));
    }
    if let Some((at, length)) = &damage.repeat
        && !bytes.is_empty()
    {
        let at = at.index(bytes.len());
        let part = bytes[at..(at + length).min(bytes.len())].to_vec();
        bytes.splice(at..at, part);
    }
    bytes
}

/// Writes right checksums into a damaged PNG, so that the damage gets past them.
fn repair_png(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut at = 8;
    while at + 8 <= bytes.len() {
        let length = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let Some(end) = at.checked_add(8 + length).filter(|end| end + 4 <= bytes.len()) else { break };
        let mut sum = flate2::Crc::new();
        sum.update(&bytes[at + 4..end]);
        bytes[end..end + 4].copy_from_slice(&sum.sum().to_be_bytes());
        at = end + 4;
    }
    bytes
}

fn valid_npy() -> Vec<Vec<u8>> {
    let values = f64_bytes(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    vec![
        npy_of("<f8", "(2, 3)", &values),
        npy_bytes(2, "{'descr': '>i2', 'fortran_order': True, 'shape': (4, 3, 2), }", &values),
        npy_of("|u1", "(3, 4, 4)", &values),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        try_all(&bytes, readers);
    }

    #[test]
    fn random_bytes_after_a_magic_number(
        magic in prop::sample::select(vec![
            &b"\x93NUMPY\x01\x00"[..], b"PK\x03\x04", b"\x1f\x8b\x08\x00", b"\0\0\x08\x03\0\0",
            b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", b"\xff\xd8\xff\xe0\0\x10JFIF\0", b"{\"y\": [", b"a,b\n",
        ]),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        try_all(&[magic, &bytes].concat(), readers);
    }

    #[test]
    fn damaged_npy(which in 0usize..3, damage in damage()) {
        let bytes = apply(&valid_npy()[which], &damage);
        try_all(&bytes, |path| vec![npy(path.into()), patches(path.into(), 2, 5)]);
    }

    #[test]
    fn damaged_npz(compressed: bool, which in 0usize..3, damage in damage(), inner in damage()) {
        let array = apply(&valid_npy()[which], &inner);
        let bytes = apply(&zip_bytes(&[("x.npy", &array)], compressed), &damage);
        try_all(&bytes, |path| vec![npz(path.into(), None), patches(path.into(), 2, 5)]);
    }

    #[test]
    fn damaged_idx(compressed: bool, damage in damage(), inner in damage()) {
        let plain = apply(&idx_bytes(0x08, &[4, 3, 2], &[7; 24]), &inner);
        let bytes = if compressed { apply(&gzip(&plain), &damage) } else { plain };
        try_all(&bytes, |path| vec![idx(path.into())]);
    }

    #[test]
    fn damaged_png(damage in damage(), deep: bool) {
        let image = image::GrayImage::from_fn(20, 14, |x, y| image::Luma([texture(y, x)]));
        let image = DynamicImage::ImageLuma8(image);
        let image = if deep { DynamicImage::ImageRgba16(image.to_rgba16()) } else { image };
        let bytes = repair_png(apply(&encode(&image, ImageFormat::Png), &damage));
        try_all(&bytes, |path| vec![images(path.into()), patches(path.into(), 2, 5)]);
    }

    #[test]
    fn damaged_jpeg(damage in damage()) {
        let image = image::RgbImage::from_fn(20, 14, |x, y| image::Rgb([texture(y, x), 9, texture(x, y)]));
        let bytes = apply(&encode(&DynamicImage::ImageRgb8(image), ImageFormat::Jpeg), &damage);
        try_all(&bytes, |path| vec![images(path.into())]);
    }

    #[test]
    fn odd_tables(text in "[ab01.,;\"\n\r \tNAe-]{0,60}") {
        let text = format!("a,b\n{text}");
        try_all(text.as_bytes(), |path| vec![csv(path.into(), &["a"]), csv(path.into(), &[]), csv(path.into(), &["a", "b"])]);
        try_all(text.replace(',', "").as_bytes(), |path| vec![csv(path.into(), &["ab"])]);
    }

    #[test]
    fn odd_json(text in "[\\[\\]{}\",:0-3ey. NaultrsfE-]{0,60}") {
        for text in [text.clone(), format!("{{\"y\": [{text}]}}"), format!("[[{text}]]")] {
            try_all(text.as_bytes(), |path| vec![json(path.into(), None), json(path.into(), Some("y"))]);
        }
    }
}

/// Files that once were, or could be, trouble: each with every reader.
#[test]
fn corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        try_all(&std::fs::read(entry.unwrap().path()).unwrap(), readers);
        count += 1;
    }
    assert!(count > 10);
}
