//! Every reader on a small file, written by hand where the format allows.

use std::path::{Path, PathBuf};

use crate::common::*;
use fe_data::{
    Array, Columns, Element, Header, Headers, Options, Reader, Source, Table, fetch_hash, header, load, load_with,
};
use image::{DynamicImage, ImageFormat};

/// Loads, and checks that the header told the same before.
fn read(source: &Source) -> Array {
    let array = load(source).unwrap();
    let Header { shape, element, columns, levels } = header(source).unwrap();
    assert_eq!(shape, array.shape);
    assert_eq!(element, array.element);
    assert_eq!(columns, array.columns);
    assert_eq!(levels, array.levels);
    assert_eq!(array.shape.iter().product::<usize>(), array.values.len());
    assert_eq!(array.missing, None);
    array
}

#[test]
fn npy_of_every_type_order_and_version() {
    let folder = Folder::new();
    let mut case = 0;
    let mut check = |bytes: Vec<u8>, shape: &[usize], values: &[f64], element| {
        case += 1;
        let array = read(&npy(folder.write(&format!("{case}.npy"), bytes)));
        assert_eq!((array.shape.as_slice(), array.values.as_slice()), (shape, values), "case {case}");
        assert_eq!(array.element, element);
    };
    check(npy_of("|b1", "(3,)", &[1, 0, 1]), &[3], &[1.0, 0.0, 1.0], Element::Bool);
    check(npy_of("|i1", "(2,)", &[0xff, 3]), &[2], &[-1.0, 3.0], Element::Integer);
    check(npy_of("|u1", "(2,)", &[0xff, 3]), &[2], &[255.0, 3.0], Element::Integer);
    check(npy_of("<i2", "(1,)", &[0xfe, 0xff]), &[1], &[-2.0], Element::Integer);
    check(npy_of(">i2", "(1,)", &[0xff, 0xfe]), &[1], &[-2.0], Element::Integer);
    check(npy_of(">u4", "(1,)", &[0, 1, 0, 0]), &[1], &[65536.0], Element::Integer);
    check(npy_of("<i8", "()", &(-5i64).to_le_bytes()), &[], &[-5.0], Element::Integer);
    check(npy_of("<f2", "(2,)", &[0x00, 0x3c, 0x00, 0xc0]), &[2], &[1.0, -2.0], Element::Real);
    check(npy_of(">f4", "(1,)", &1.25f32.to_be_bytes()), &[1], &[1.25], Element::Real);
    check(npy_of("=f8", "(1, 2)", &f64_bytes(&[0.1, 1e300])), &[1, 2], &[0.1, 1e300], Element::Real);

    let fortran = "{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3), }";
    let columns = f64_bytes(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    for version in [1, 2, 3] {
        let rows = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        check(npy_bytes(version, fortran, &columns), &[2, 3], &rows, Element::Real);
    }
    // More than one buffer's worth.
    let many: Vec<f64> = (0..20_001).map(f64::from).collect();
    check(npy_of("<f8", "(20001,)", &f64_bytes(&many)), &[20_001], &many, Element::Real);
}

#[test]
fn npz_by_name_and_alone() {
    let folder = Folder::new();
    let x = npy_of("|u1", "(2, 2)", &[1, 2, 3, 4]);
    let y = npy_of("<f8", "(1,)", &f64_bytes(&[0.5]));
    for compressed in [false, true] {
        let alone = folder.write("a.npz", zip_bytes(&[("x.npy", &x)], compressed));
        let both = folder.write("b.npz", zip_bytes(&[("x.npy", &x), ("y.npy", &y)], compressed));
        assert_eq!(read(&npz(alone, None)).values, [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(read(&npz(both.clone(), Some("x"))).shape, [2, 2]);
        assert_eq!(read(&npz(both, Some("y"))).values, [0.5]);
    }
}

#[test]
fn csv_columns() {
    let folder = Folder::new();
    let text = "\u{feff}school, y ,sigma,ok\nB,28,15.5,true\n\"A, north\",8,10,FALSE\n\nB,-3,1e2,True\n";
    let path = folder.write("t.csv", text);
    let y = read(&csv(path.clone(), &["y"]));
    assert_eq!((y.shape, y.values, y.element), (vec![3], vec![28.0, 8.0, -3.0], Element::Integer));
    let school = read(&csv(path.clone(), &["school"]));
    assert_eq!(school.values, [1.0, 0.0, 1.0]);
    assert_eq!(school.levels.unwrap(), ["A, north", "B"]);
    assert_eq!(school.element, Element::Text);
    let ok = read(&csv(path.clone(), &["ok"]));
    assert_eq!((ok.values, ok.element), (vec![1.0, 0.0, 1.0], Element::Bool));
    let both = read(&csv(path.clone(), &["sigma", "y"]));
    assert_eq!((both.shape, both.columns), (vec![3, 2], vec!["sigma".to_owned(), "y".to_owned()]));
    assert_eq!(both.values, [15.5, 28.0, 10.0, 8.0, 100.0, -3.0]);
    assert_eq!(both.element, Element::Real);
    let all = read(&csv(path, &[]));
    assert_eq!(all.columns, ["y", "sigma"]);

    let tabs = folder.write("t.tsv", "a\tb\r\n1\t2\r\n");
    assert_eq!(read(&csv(tabs, &["b"])).values, [2.0]);
    // What parts the names parts the cells, and a table may be compressed.
    let semicolons = folder.write("s.csv", "a;b\n1;2\n3;4\n");
    assert_eq!(read(&csv(semicolons, &["b"])).values, [2.0, 4.0]);
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, b"a,b\n1,2\n").unwrap();
    let bytes = gzip.finish().unwrap();
    let compressed = folder.write("t.csv.gz", &bytes);
    assert_eq!(read(&csv(compressed, &["b"])).values, [2.0]);
    let cut = folder.write("cut.csv.gz", &bytes[..bytes.len() - 9]);
    assert!(fe_data::load(&csv(cut, &["b"])).unwrap_err().message.contains("cannot be inflated"));
}

#[test]
fn missing_values_are_kept_where_allowed() {
    let folder = Folder::new();
    let allow = Options { allow_missing: true, ..Options::default() };
    let nan = npy_of("<f8", "(2,)", &f64_bytes(&[f64::NAN, 1.0]));
    for (source, values, missing) in [
        (csv(folder.write("a.csv", "a,b\nNA,1\n2,\n"), &["a", "b"]), 4, vec![true, false, false, true]),
        (csv(folder.write("b.csv", "\"a\"\n1\n\n3\n"), &["a"]), 3, vec![false, true, false]),
        (csv(folder.write("d.csv", "a\n1\n\n3\n\n"), &["a"]), 4, vec![false, true, false, true]),
        (csv(folder.write("c.csv", "a,b\nx,1\n,2\n"), &["a"]), 2, vec![false, true]),
        (json(folder.write("a.json", r#"{"y": [1, null]}"#), Some("y")), 2, vec![false, true]),
        (npy(folder.write("a.npy", nan)), 2, vec![true, false]),
    ] {
        let array = load_with(&source, &allow).unwrap();
        assert_eq!(array.values.len(), values);
        assert!(array.values.iter().zip(&missing).all(|(value, missing)| value.is_nan() == *missing));
        assert_eq!(array.missing, Some(missing));
    }
    let infinite = npy(folder.write("b.npy", npy_of("<f8", "(1,)", &f64_bytes(&[f64::INFINITY]))));
    assert!(load_with(&infinite, &allow).is_err());
}

#[test]
fn json_fields() {
    let folder = Folder::new();
    let text = r#"{"N": 2, "x": [[1, 2, 3], [4, 5.5, -6e-1]], "flag": [true, false], "skip": {"a": "b"}}"#;
    let path = folder.write("d.json", text);
    let n = read(&json(path.clone(), Some("N")));
    assert_eq!((n.shape, n.values, n.element), (vec![], vec![2.0], Element::Integer));
    let x = read(&json(path.clone(), Some("x")));
    assert_eq!((x.shape, x.element), (vec![2, 3], Element::Real));
    assert_eq!(x.values, [1.0, 2.0, 3.0, 4.0, 5.5, -0.6]);
    assert_eq!(read(&json(path, Some("flag"))).element, Element::Bool);
    let list = folder.write("l.json", "[[[1],[2]],[[3],[4]]]\n");
    assert_eq!(read(&json(list, None)).shape, [2, 2, 1]);
}

#[test]
fn idx_plain_and_compressed() {
    let folder = Folder::new();
    let bytes = idx_bytes(0x08, &[2, 1, 3], &[0, 1, 2, 253, 254, 255]);
    for bytes in [gzip(&bytes), bytes] {
        // The contents decide, not the name.
        let array = read(&idx(folder.write("digits", &bytes)));
        assert_eq!((array.shape, array.element), (vec![2, 1, 3], Element::Integer));
        assert_eq!(array.values, [0.0, 1.0, 2.0, 253.0, 254.0, 255.0]);
    }
    let floats = idx_bytes(0x0e, &[1], &(-2.5f64).to_be_bytes());
    assert_eq!(read(&idx(folder.write("floats", floats))).values, [-2.5]);
}

#[test]
fn images_become_grey_levels() {
    let folder = Folder::new();
    folder.write("set/b.png", png(3, 5, |row, column| (row * 5 + column) as u8));
    folder.write("set/a.png", png(3, 5, |_, _| 255));
    let array = read(&images(folder.path("set/*.png")));
    assert_eq!(array.shape, [2, 3, 5]);
    assert!(array.values[..15].iter().all(|x| *x == 1.0));
    assert!((0..15).all(|i| array.values[15 + i] == i as f64 / 255.0));

    let colour = image::RgbImage::from_pixel(2, 2, image::Rgb([255, 0, 51]));
    let colour = DynamicImage::ImageRgb8(colour);
    let path = folder.write("c.png", encode(&colour, ImageFormat::Png));
    assert!(read(&images(path)).values.iter().all(|x| (x - (0.2126 + 0.0722 * 0.2)).abs() < 1e-15));

    let deep = image::ImageBuffer::from_pixel(2, 2, image::Luma([13107u16]));
    let path = folder.write("d.png", encode(&DynamicImage::ImageLuma16(deep), ImageFormat::Png));
    assert!(read(&images(path)).values.iter().all(|x| (x - 0.2).abs() < 1e-15));

    let smooth = image::GrayImage::from_fn(32, 16, |x, y| image::Luma([(4 * x + 3 * y) as u8]));
    let path = folder.write("e.jpg", encode(&DynamicImage::ImageLuma8(smooth.clone()), ImageFormat::Jpeg));
    let array = read(&images(path));
    assert_eq!(array.shape, [1, 16, 32]);
    for (value, pixel) in array.values.iter().zip(smooth.into_raw()) {
        assert!((value - f64::from(pixel) / 255.0).abs() < 0.05);
    }
}

#[test]
fn hashes_are_those_of_the_contents() {
    let folder = Folder::new();
    // The test vector of FIPS 180-2.
    let abc = folder.write("abc", "abc");
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(fetch_hash(&abc).unwrap(), expected);
    folder.write("parts/1", "a");
    folder.write("parts/2", "bc");
    assert_eq!(fetch_hash(&folder.path("parts/*")).unwrap(), expected);
    let path = folder.write("y.csv", "y\n1\n");
    assert_eq!(load(&csv(path.clone(), &["y"])).unwrap().sha256, fetch_hash(&path).unwrap());
}

#[test]
fn a_path_that_exists_is_no_pattern() {
    let folder = Folder::new();
    let path = folder.write("a[1]*.csv", "y\n4\n");
    folder.write("a[1]b.csv", "y\n5\n");
    assert_eq!(read(&csv(path, &["y"])).values, [4.0]);
    assert_eq!(read(&csv(folder.path("a[1]b*.csv"), &["y"])).values, [5.0]);
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data")
}

#[test]
fn the_examples_data() {
    let data = examples();
    let schools = data.join("eight_schools.csv");
    let y = read(&csv(schools.clone(), &["y"]));
    assert_eq!(y.values, [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0]);
    assert_eq!(read(&csv(schools, &["school"])).levels.unwrap().join(""), "ABCDEFGH");
    assert_eq!(read(&json(data.join("kidiq.json"), Some("kid_score"))).shape, [434]);
    assert_eq!(read(&json(data.join("glm_poisson.json"), Some("C"))).shape, [40]);
    let digits = read(&idx(data.join("digits.idx.gz")));
    assert_eq!(digits.shape, [10_000, 28, 28]);
    // The mean intensity of MNIST's test digits, a figure often quoted.
    let mean = digits.values.iter().sum::<f64>() / digits.values.len() as f64 / 255.0;
    assert!((mean - 0.1325).abs() < 1e-4, "{mean}");
    assert_eq!(header(&images(data.join("natural/*.png"))).unwrap().shape, [10, 512, 768]);
}

#[test]
fn a_truncated_jpeg_is_an_error() {
    let folder = Folder::new();
    let image = image::GrayImage::from_fn(64, 64, |x, y| image::Luma([texture(y, x)]));
    let whole = encode(&DynamicImage::ImageLuma8(image), ImageFormat::Jpeg);
    for length in [whole.len() / 4, whole.len() / 2, whole.len() - 20] {
        let path = folder.write("cut.jpg", &whole[..length]);
        assert!(load(&images(path)).is_err(), "{length} of {} bytes", whole.len());
    }
}

/// The archives that the examples were made from, where they are at hand.
#[test]
fn the_shared_archives_agree_with_the_examples() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !shared.exists() {
        eprintln!("SKIPPED: ../shared/data is absent, so the archives in it are not read");
        return;
    }
    let test = read(&npz(shared.join("mnist.npz"), Some("test_x")));
    assert_eq!(test.values, read(&idx(examples().join("digits.idx.gz"))).values);
    let kodak = read(&npz(shared.join("kodak24_gray.npz"), None));
    assert_eq!(kodak.shape, [24, 512, 768]);
    let second = read(&images(examples().join("natural/kodim02.png")));
    let area = 512 * 768;
    assert!(second.values.iter().zip(&kodak.values[area..2 * area]).all(|(a, b)| *a == b / 255.0));
    let mut files = 0;
    for entry in std::fs::read_dir(shared.join("posteriordb/data")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        for (field, value) in object.as_object().unwrap() {
            let source = json(path.clone(), Some(field));
            match load(&source) {
                Ok(array) => assert_eq!(Some(&array.values), flatten(value).as_ref()),
                Err(error) => assert_eq!(flatten(value), Some(Vec::new()), "{error}"),
            }
        }
        files += 1;
    }
    assert!(files > 0);
}

/// All numbers of a JSON value in order.
fn flatten(value: &serde_json::Value) -> Option<Vec<f64>> {
    match value {
        serde_json::Value::Array(items) => {
            items.iter().map(flatten).collect::<Option<Vec<_>>>().map(|parts| parts.concat())
        }
        serde_json::Value::Bool(flag) => Some(vec![f64::from(u8::from(*flag))]),
        _ => value.as_f64().map(|x| vec![x]),
    }
}

#[test]
fn a_file_is_read_again_when_it_has_changed_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.csv");
    let table = Table { path: path.clone(), format: None, columns: Columns::AllBut(vec![]), rows: None };
    let source = Source { reader: Reader::Table(table), stages: vec![] };
    let at = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let write = |text: &str, at: std::time::SystemTime| {
        std::fs::write(&path, text).unwrap();
        std::fs::File::options().append(true).open(&path).unwrap().set_modified(at).unwrap();
    };
    let mut headers = Headers::default();
    let mut columns = || headers.of(&source).map(|h| h.columns);
    write("a,b\n1,2\n", at);
    assert_eq!(columns().unwrap(), ["a", "b"]);
    // Of the same time and length: only who reads it knows that it is another.
    write("c,d\n1,2\n", at);
    assert_eq!(columns().unwrap(), ["a", "b"]);
    write("c,d\n1,2\n", at + std::time::Duration::from_secs(1));
    assert_eq!(columns().unwrap(), ["c", "d"]);
    std::fs::remove_file(&path).unwrap();
    assert!(columns().is_err());
    write("c,d\n1,2\n", at);
    assert_eq!(columns().unwrap(), ["c", "d"]);
}
