//! The message of every error, as a user reads it.

use crate::common::*;
use fe_data::{Options, Reader, Source, Stage, Statistic, load_with};
use insta::assert_snapshot;

/// Messages of several wrong sources, one after the other.
fn messages(folder: &Folder, sources: &[Source]) -> String {
    sources.iter().map(|source| folder.message(source)).collect::<Vec<_>>().join("\n")
}

#[test]
fn files_and_patterns() {
    let folder = Folder::new();
    folder.write("schools.csv", "y\n1\n");
    folder.write("empty.csv", "");
    folder.write("blank.csv", " \n\n");
    folder.write("images/a.png", png(4, 4, texture));
    folder.write("images/b.png", png(4, 4, texture));
    std::fs::create_dir(folder.path("none")).unwrap();
    assert_snapshot!(messages(
        &folder,
        &[
            csv(folder.path("school.csv"), &["y"]),
            csv(folder.path("temperatures.csv"), &["y"]),
            csv(folder.path("nowhere/y.csv"), &["y"]),
            csv(folder.path("empty.csv"), &["y"]),
            csv(folder.path("blank.csv"), &["y"]),
            npy(folder.path("images")),
            images(folder.path("images")),
            images(folder.path("images/*.jpg")),
            images(folder.path("none/*.png")),
            images(folder.path("absent/*.png")),
            images(folder.path("a***b")),
            idx(folder.path("images/*.png")),
        ]
    ));
}

#[test]
fn npy_files() {
    let folder = Folder::new();
    let three = f64_bytes(&[1.0, 2.0, 3.0]);
    let wrong: Vec<Vec<u8>> = vec![
        b"\x93NUM".to_vec(),
        b"not an array at all".to_vec(),
        zip_bytes(&[("x.npy", &npy_of("<f8", "(3,)", &three))], false),
        npy_bytes(9, "{}", &[]),
        npy_of("<f8", "(3,)", &three)[..30].to_vec(),
        npy_bytes(1, "{'descr': '<f8', 'shape': (3,)}", &three),
        npy_bytes(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (3, }", &three),
        npy_of("<f8", "(4,)", &three),
        npy_of("<f8", "(2,)", &three),
        npy_of("<f8", "(0, 3)", &[]),
        npy_of("<f8", "(4294967296, 4294967296, 3)", &three),
        npy_of("<f8", "(3000000000,)", &three),
        npy_of("<f8", "(99999999999999999999999,)", &three),
        npy_of("|u1", &format!("({})", "1,".repeat(65)), &[0]),
        npy_of("|O", "(3,)", &three),
        npy_of("<c16", "(3,)", &three),
        npy_of("<U4", "(3,)", &three),
        npy_of("|S8", "(3,)", &three),
        npy_of("<M8[ns]", "(3,)", &three),
        npy_of("<f16", "(3,)", &three),
        npy_of("|V8", "(3,)", &three),
        npy_bytes(1, "{'descr': [('a', '<f8'), ('b', '<f8')], 'fortran_order': False, 'shape': (3,)}", &three),
        npy_of("<f8", "(3,)", &f64_bytes(&[1.0, f64::NAN, 3.0])),
        npy_of("<f8", "(1, 3)", &f64_bytes(&[1.0, 2.0, f64::NEG_INFINITY])),
    ];
    let mut long = npy_bytes(2, "", &[]);
    long[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    let sources: Vec<Source> = wrong
        .iter()
        .chain([&long])
        .enumerate()
        .map(|(i, bytes)| npy(folder.write(&format!("x{i}.npy"), bytes)))
        .collect();
    assert_snapshot!(messages(&folder, &sources));
}

#[test]
fn npz_archives() {
    let folder = Folder::new();
    let array = npy_of("<f8", "(3,)", &f64_bytes(&[1.0, 2.0, 3.0]));
    let two = folder.write("two.npz", zip_bytes(&[("train_x.npy", &array), ("test_x.npy", &array)], true));
    let short = npy_of("<f8", "(4,)", &f64_bytes(&[1.0, 2.0, 3.0]));
    let long = npy_of("<f8", "(1,)", &vec![0; 1 << 20]);
    let object = npy_of("|O", "(1,)", &[0; 8]);
    let whole = zip_bytes(&[("x.npy", &array)], false);
    let mut flipped = whole.clone();
    let at = flipped.windows(8).position(|bytes| bytes == 2f64.to_le_bytes()).unwrap();
    flipped[at] ^= 1;
    assert_snapshot!(messages(
        &folder,
        &[
            npz(two.clone(), None),
            npz(two.clone(), Some("train_y")),
            npz(two, Some("labels")),
            npz(folder.write("plain.npz", &array), None),
            npz(folder.write("cut.npz", &whole[..whole.len() / 2]), None),
            npz(folder.write("empty.npz", zip_bytes(&[("readme.txt", b"hello")], true)), None),
            npz(folder.write("short.npz", zip_bytes(&[("x.npy", &short)], true)), None),
            npz(folder.write("long.npz", zip_bytes(&[("x.npy", &long)], true)), None),
            npz(folder.write("object.npz", zip_bytes(&[("x.npy", &object)], true)), None),
            npz(folder.write("flipped.npz", &flipped), None),
            npz(folder.write("text.npz", zip_bytes(&[("x.npy", b"hello, world")], true)), None),
        ]
    ));
}

/// Archives and gzip files that say more than they hold, or hold more than they say.
#[test]
fn bombs() {
    let folder = Folder::new();
    let zeros = vec![0; 300 << 20];
    let honest = npy_of("|u1", &format!("({},)", zeros.len()), &zeros);
    let archive = zip_bytes(&[("x.npy", &honest)], true);
    // The central directory's uncompressed size, at offset 24 of its record, set to a lie.
    let small = zip_bytes(&[("x.npy", &npy_of("|u1", "(1000000,)", &vec![0; 1_000_000]))], true);
    let mut lying = small.clone();
    let at = lying.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    lying[at + 24..at + 28].copy_from_slice(&u32::MAX.to_le_bytes()[..4]);
    lying[at + 24] = 0xf0;
    let sources = [
        npz(folder.write("bomb.npz", &archive), None),
        npz(folder.write("lying.npz", &lying), None),
        idx(folder.write("bomb.idx.gz", gzip(&idx_bytes(0x08, &[zeros.len() as u32], &zeros)))),
        idx(folder.write("lying.idx.gz", gzip(&idx_bytes(0x08, &[2_000_000_000], &[0; 1000])))),
        idx(folder.write("more.idx.gz", gzip(&idx_bytes(0x08, &[10], &zeros[..10 << 20])))),
        idx(folder.write("huge.idx", idx_bytes(0x08, &[u32::MAX, u32::MAX, u32::MAX], &[0; 10]))),
    ];
    insta::with_settings!({filters => vec![
        (r"\d+ compressed bytes", "[SIZE] compressed bytes"),
    ]}, {
        assert_snapshot!(messages(&folder, &sources));
    });
}

#[test]
fn csv_tables() {
    let folder = Folder::new();
    let schools = folder.write("schools.csv", "school,y,sigma\nA,28,15\nB,8,10\nC,-3,16\n");
    let write = |name: &str, text: &str| folder.write(name, text);
    assert_snapshot!(messages(
        &folder,
        &[
            csv(schools.clone(), &["sigm"]),
            csv(schools.clone(), &["temperature"]),
            csv(schools, &["school", "y"]),
            csv(write("ragged.csv", "a,b\n1,2\n3\n"), &["a"]),
            csv(write("wide.csv", "a,b\n1,2\n3,4,5\n"), &["a"]),
            csv(write("mixed.csv", "a,b\n1,2\n3,x\n"), &["b"]),
            csv(write("other.csv", "a,b\n1,low\n3,7\n"), &["b"]),
            csv(write("thousands.csv", "a\n12\n\"1,200\"\n"), &["a"]),
            csv(write("blank.csv", "a,b\n1,2\n3, \n"), &["b"]),
            csv(write("na.csv", "a,b\n1,2\n3,4\nNA,6\n"), &[]),
            csv(write("one.csv", "a\n1\n\n3\n"), &["a"]),
            csv(write("infinite.csv", "a\n1\ninf\n"), &["a"]),
            csv(write("overflow.csv", "a\n1\n1e999\n"), &["a"]),
            csv(write("headless.csv", "1.5,2\n3,4\n"), &[]),
            csv(write("headless.csv", "1.5,2\n3,4\n"), &["a"]),
            csv(write("semicolons.csv", "a;b\n1;2\n"), &["c"]),
            csv(write("unclosed.csv", "a,b\n1,x\n2,\"y\n3,z\n"), &["a"]),
            csv(write("twice.csv", "a,a\n1,2\n"), &["a"]),
            csv(write("no_rows.csv", "a,b\n"), &["a"]),
            csv(write("words.csv", "a,b\nx,y\n"), &[]),
            csv(folder.write("latin.csv", b"a\n1\ncaf\xe9\n"), &["a"]),
            csv(folder.write("utf16.csv", b"\xff\xfea\0\n\0"), &["a"]),
        ]
    ));
}

#[test]
fn json_objects() {
    let folder = Folder::new();
    let data = folder.write("data.json", r#"{"N": 3, "sigma": [1, 2, 3], "flags": [true, false]}"#);
    let field = |name: &str, text: &str| json(folder.write(name, text), Some("y"));
    assert_snapshot!(messages(
        &folder,
        &[
            json(data.clone(), Some("sigm")),
            json(data, None),
            json(folder.write("list.json", "[1, 2]"), Some("y")),
            json(folder.write("word.json", "\"hello\""), Some("y")),
            field("ragged.json", r#"{"y": [[1, 2], [3]]}"#),
            field("deep.json", r#"{"y": [[1, 2], [3, [4]]]}"#),
            field("shallow.json", r#"{"y": [[1, 2], 3]}"#),
            field("hollow.json", r#"{"y": [[], 3]}"#),
            field("mixed.json", r#"{"y": [1, true]}"#),
            field("text.json", r#"{"y": [1, "two"]}"#),
            field("nan_text.json", r#"{"y": [1, "NaN"]}"#),
            field("nan.json", r#"{"y": [1, NaN]}"#),
            field("infinite.json", r#"{"y": [1, -Infinity]}"#),
            field("overflow.json", r#"{"y": [1, 1e999]}"#),
            field("null.json", r#"{"y": [[1, 2], [3, null]]}"#),
            field("object.json", r#"{"y": [{"a": 1}]}"#),
            field("empty.json", r#"{"y": []}"#),
            field("twice.json", r#"{"y": [1], "y": [2]}"#),
            field("cut.json", r#"{"y": [1, 2"#),
            field("comma.json", "{\n  \"y\": [1, 2,]\n}"),
            field("after.json", r#"{"y": [1, 2]} {"#),
            field("nested.json", &format!("{{\"y\": {}", "[".repeat(10_000))),
        ]
    ));
}

#[test]
fn idx_files() {
    let folder = Folder::new();
    let whole = gzip(&idx_bytes(0x08, &[2, 3], &[1, 2, 3, 4, 5, 6]));
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let mut wrong_sum = whole.clone();
    let at = wrong_sum.len() - 8;
    wrong_sum[at] ^= 1;
    assert_snapshot!(messages(
        &folder,
        &[
            idx(folder.write("magic.idx", b"\x89PNG....")),
            idx(folder.write("type.idx", idx_bytes(0x0a, &[2], &[1, 2]))),
            idx(folder.write("rank.idx", idx_bytes(0x08, &[], &[1, 2]))),
            idx(folder.write("start.idx", [0, 0])),
            idx(folder.write("header.idx", [0, 0, 8, 3, 0, 0])),
            idx(folder.write("short.idx", idx_bytes(0x08, &[2, 3], &[1, 2, 3, 4, 5]))),
            idx(folder.write("long.idx", idx_bytes(0x08, &[2, 3], &[1, 2, 3, 4, 5, 6, 7]))),
            idx(folder.write("zero.idx", idx_bytes(0x08, &[0, 3], &[]))),
            idx(folder.write("short.idx.gz", gzip(&idx_bytes(0x08, &[2, 3], &[1, 2, 3, 4, 5])))),
            idx(folder.write("cut.idx.gz", &whole[..whole.len() - 12])),
            idx(folder.write("sum.idx.gz", &wrong_sum)),
            idx(folder.write("nan.idx", idx_bytes(0x0d, &[1], &f32::NAN.to_be_bytes()))),
        ]
    ));
}

#[test]
fn images_and_patches() {
    let folder = Folder::new();
    folder.write("sizes/a.png", png(6, 8, texture));
    folder.write("sizes/b.png", png(8, 6, texture));
    folder.write("flat/a.png", png(40, 40, |_, _| 7));
    folder.write("notes/a.png", png(8, 8, texture));
    folder.write("notes/b.png", "not an image");
    let whole = png(64, 64, texture);
    let photo = image::GrayImage::from_fn(32, 32, |x, y| image::Luma([texture(y, x)]));
    let photo = encode(&image::DynamicImage::ImageLuma8(photo), image::ImageFormat::Jpeg);
    // A PNG of one row whose header announces 30000 × 30000 pixels, with its checksum.
    let mut huge = png(1, 1, texture);
    huge[16..20].copy_from_slice(&30_000u32.to_be_bytes());
    huge[20..24].copy_from_slice(&4_000u32.to_be_bytes());
    let sum = crc(&huge[12..29]);
    huge[29..33].copy_from_slice(&sum.to_be_bytes());
    let mut enormous = huge.clone();
    enormous[20..24].copy_from_slice(&30_000u32.to_be_bytes());
    let sum = crc(&enormous[12..29]);
    enormous[29..33].copy_from_slice(&sum.to_be_bytes());
    let mut endless = huge.clone();
    endless[16..20].copy_from_slice(&0x7fff_ffffu32.to_be_bytes());
    let sum = crc(&endless[12..29]);
    endless[29..33].copy_from_slice(&sum.to_be_bytes());
    let grey = |name: &str, descr: &str, shape: &str, data: &[u8]| folder.write(name, npy_of(descr, shape, data));
    let whiten = |reader: Source| staged(reader.reader, &[Stage::Whiten]);
    let named = Reader::Patches {
        pattern: folder.path("sizes/*.png"),
        array: Some("x".into()),
        images: None,
        channels: fe_data::Channels::Grey,
        size: 4,
        count: 9,
        seed: 0,
        border: 0,
        moving: None,
    };
    assert_snapshot!(messages(
        &folder,
        &[
            images(folder.path("sizes/*.png")),
            images(folder.path("notes/*.png")),
            images(folder.write("cut.png", &whole[..whole.len() / 2])),
            images(folder.write("cut.jpg", &photo[..700])),
            images(folder.write("head.png", &whole[..20])),
            images(folder.write("huge.png", &huge)),
            images(folder.write("enormous.png", &enormous)),
            images(folder.write("endless.png", &endless)),
            whiten(images(folder.path("sizes/a.png"))),
            whiten(images(folder.path("flat/a.png"))),
            patches(folder.path("sizes/*.png"), 7, 10),
            whiten(patches(folder.path("notes/a.png"), 2, 10)),
            whiten(patches(folder.path("flat/*.png"), 8, 10)),
            patches(folder.path("sizes/*.png"), 0, 10),
            patches(folder.path("sizes/*.png"), 4, usize::MAX),
            source(named),
            patches(grey("rank.npy", "|u1", "(16,)", &[0; 16]), 2, 3),
            patches(grey("int.npy", "<i4", "(2, 2)", &[0; 16]), 2, 3),
            patches(grey("range.npy", "<f8", "(1, 2, 1)", &f64_bytes(&[0.5, 128.0])), 1, 3),
        ]
    ));
}

/// The checksum of PNG chunks, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

#[test]
fn stages_and_arguments() {
    let folder = Folder::new();
    let table = folder.write("t.csv", "a,b,c\n1,5,x\n2,5,y\n3,5,x\n");
    let one = folder.write("one.csv", "a\n1\n");
    let huge = folder.write("huge.csv", "a\n-1e308\n1e308\n");
    let scalar = folder.write("scalar.json", r#"{"y": 3}"#);
    let image = folder.write("a.png", png(40, 40, texture));
    let constant = folder.write("x.npy", npy_of("|u1", "(2, 2, 2)", &[1, 2, 3, 4, 5, 6, 3, 8]));
    let draws = |mean, sd, count| source(Reader::NormalDraws { mean, sd, count, seed: 0 });
    let standardize = |source: Source| staged(source.reader, &[Stage::Standardize]);
    assert_snapshot!(messages(
        &folder,
        &[
            staged(csv(table.clone(), &["a"]).reader, &[Stage::Whiten]),
            staged(patches(image.clone(), 8, 9).reader, &[Stage::Standardize, Stage::Whiten]),
            staged(patches(image, 8, 9).reader, &[Stage::Whiten, Stage::Whiten]),
            standardize(csv(table.clone(), &["a", "b"])),
            standardize(csv(table.clone(), &["c"])),
            standardize(csv(one, &["a"])),
            standardize(csv(huge, &["a"])),
            standardize(json(scalar, Some("y"))),
            standardize(npy(constant)),
            draws(f64::NAN, 1.0, 10),
            draws(0.0, -1.0, 10),
            draws(0.0, f64::INFINITY, 10),
            draws(0.0, 1.0, 0),
            draws(0.0, 1.0, usize::MAX),
        ]
    ));

    let wanted = standardize(csv(table, &["a"]));
    let fails = |options| folder.shorten(&load_with(&wanted, &options).unwrap_err());
    let kept = Statistic { mean: 0.0, sd: 1.0 };
    assert_snapshot!(
        [
            fails(Options { rows: Some(vec![0, 3]), ..Options::default() }),
            fails(Options { rows: Some(vec![1]), ..Options::default() }),
            fails(Options { statistics: Some(vec![kept, kept]), ..Options::default() }),
        ]
        .join("\n")
    );
}
