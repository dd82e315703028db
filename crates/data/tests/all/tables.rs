//! Tables in every form, the same columns of each; the files were written by other libraries (`tests/tables/make.py`).

use std::path::{Path, PathBuf};

use crate::common::*;
use fe_data::{
    Array, Cell, Columns, Condition, Element, Format, Options, Reader, Relation, Source, Stage, Table, header, load,
    load_with,
};

/// The files, each with its form.
fn files() -> Vec<(PathBuf, Format)> {
    let of = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tables").join(name);
    let parquet =
        ["none", "snappy", "zstd", "lz4", "gzip"].map(|codec| (of(&format!("{codec}.parquet")), Format::Parquet));
    let arrow = ["uncompressed", "lz4", "zstd"].map(|codec| (of(&format!("{codec}.arrow")), Format::Arrow));
    parquet.into_iter().chain(arrow).chain([(of("table.csv"), Format::Text)]).collect()
}

fn named(names: &[&str]) -> Columns {
    Columns::Named(names.iter().map(|n| n.to_string()).collect())
}

fn all_but(names: &[&str]) -> Columns {
    Columns::AllBut(names.iter().map(|n| n.to_string()).collect())
}

fn read(path: &Path, format: Format, columns: Columns, rows: Option<Condition>, stages: &[Stage]) -> Array {
    let table = Table { path: path.to_owned(), format: Some(format), columns, rows };
    let source = Source { reader: Reader::Table(table), stages: stages.to_vec() };
    let array = load_with(&source, &Options { allow_missing: true, ..Options::default() }).unwrap();
    let header = header(&source).unwrap();
    assert_eq!((&header.shape, header.element), (&array.shape, array.element), "{}", path.display());
    assert_eq!((&header.levels, &header.columns), (&array.levels, &array.columns), "{}", path.display());
    array
}

fn column(path: &Path, format: Format, name: &str, stages: &[Stage]) -> Array {
    read(path, format, named(&[name]), None, stages)
}

fn compare(column: &str, relation: Relation, cell: Cell) -> Condition {
    Condition::Compare { column: column.into(), relation, cell }
}

fn text(text: &str) -> Cell {
    Cell::Text(text.into())
}

#[test]
fn every_form_holds_the_same() {
    for (path, format) in files() {
        let all = |f: &dyn Fn(usize) -> f64| (0..12).map(f).collect::<Vec<f64>>();
        let numbers = |name: &str| column(&path, format, name, &[]).values;
        assert_eq!(numbers("real"), all(&|k| 0.5 * k as f64 - 1.0), "{}", path.display());
        assert_eq!(numbers("single"), all(&|k| 0.25 * k as f64));
        let whole = column(&path, format, "whole", &[]);
        assert_eq!((whole.values, whole.element), (all(&|k| (k * k) as f64), Element::Integer));
        let gaps = column(&path, format, "gaps", &[]);
        let missing = gaps.missing.unwrap();
        assert!((0..12).all(|k| missing[k] == (k % 5 == 2) && (missing[k] || gaps.values[k] == 10.0 * k as f64)));
        let yes = column(&path, format, "yes", &[]);
        assert_eq!((yes.values, yes.element), (all(&|k| f64::from(k % 3 == 0)), Element::Bool));
        // Sorted by their characters: capitals first.
        let name = column(&path, format, "name", &[]);
        assert_eq!(name.levels.unwrap(), ["Blue", "green", "red"]);
        assert_eq!(name.values, all(&|k| [2.0, 0.0, 1.0][k % 3]));
        let days = [Stage::Days("2020-01-01".into())];
        assert_eq!(column(&path, format, "day", &days).values, all(&|k| 30.0 + k as f64));
        assert_eq!(column(&path, format, "time", &days).values, all(&|k| 30.0 + 0.25 * (k % 4) as f64));
    }
}

#[test]
fn levels_are_in_the_order_stated() {
    let stated = ["small", "medium", "large"];
    let order = [Stage::Categories(stated.map(str::to_owned).to_vec())];
    let expected: Vec<f64> = (0..12).map(|k| [0.0, 2.0, 1.0][k % 3]).collect();
    for (path, format) in files() {
        let size = column(&path, format, "size", &order);
        assert_eq!(size.levels.unwrap(), stated);
        assert_eq!(size.values, expected);
        // Arrow's own file says that its dictionary is in order; the others do not.
        let size = column(&path, format, "size", &[]);
        match format {
            Format::Arrow => {
                assert_eq!((size.values, size.levels.unwrap()), (expected.clone(), stated.map(str::to_owned).to_vec()))
            }
            _ => assert_eq!(size.levels.unwrap(), ["large", "medium", "small"]),
        }
    }
}

#[test]
fn whole_numbers_and_truths_are_categories() {
    let categories = [Stage::Categories(vec![])];
    for (path, format) in files() {
        let whole = column(&path, format, "whole", &categories);
        assert_eq!(whole.element, Element::Text);
        // By their size, not by their characters.
        assert_eq!(whole.levels.unwrap(), (0..12).map(|k: i32| (k * k).to_string()).collect::<Vec<_>>());
        assert_eq!(whole.values, (0..12).map(f64::from).collect::<Vec<_>>());
        let yes = column(&path, format, "yes", &categories);
        assert_eq!(yes.levels.unwrap(), ["false", "true"]);
        let gaps = column(&path, format, "gaps", &categories);
        assert_eq!(gaps.levels.unwrap().len(), 10);
        assert!(gaps.values[2].is_nan() && gaps.missing.unwrap()[2]);
    }
    let stated = [Stage::Categories(["true", "false"].map(str::to_owned).to_vec())];
    let (path, format) = files().remove(0);
    assert_eq!(column(&path, format, "yes", &stated).values[..3], [0.0, 1.0, 1.0]);
}

#[test]
fn matrices_by_names_and_without_some() {
    for (path, format) in files() {
        let few = read(&path, format, named(&["whole", "real"]), None, &[]);
        assert_eq!((few.shape, few.columns), (vec![12, 2], vec!["whole".to_owned(), "real".to_owned()]));
        assert_eq!(few.values[..4], [0.0, -1.0, 1.0, -0.5]);
        // The table of text has no column of lists.
        let without = if format == Format::Text { &["gaps", "real"][..] } else { &["gaps", "real", "list"] };
        let rest = read(&path, format, all_but(without), None, &[]);
        assert_eq!(rest.columns, ["single", "whole"]);
        assert_eq!(rest.left_out, ["yes", "name", "size", "day", "time"]);
    }
}

#[test]
fn rows_are_chosen_by_conditions() {
    let real = |rows| {
        let all: Vec<Vec<f64>> = files()
            .iter()
            .map(|(path, format)| read(path, *format, named(&["whole"]), Some(rows_of(rows)), &[]).values)
            .collect();
        assert!(all.iter().all(|v| *v == all[0]));
        all[0].clone()
    };
    fn rows_of(which: usize) -> Condition {
        use Relation as R;
        let red = compare("name", R::Equal, text("red"));
        let large = compare("real", R::GreaterEqual, Cell::Number(2.0));
        match which {
            0 => red,
            1 => Condition::And(red.into(), large.into()),
            2 => Condition::Or(red.into(), large.into()),
            3 => Condition::Not(red.into()),
            // A cell that is missing satisfies no comparison.
            4 => compare("gaps", R::NotEqual, Cell::Number(0.0)),
            5 => compare("yes", R::Equal, text("true")),
            _ => compare("day", R::Less, text("2020-02-02")),
        }
    }
    assert_eq!(real(0), [0.0, 9.0, 36.0, 81.0]);
    assert_eq!(real(1), [36.0, 81.0]);
    assert_eq!(real(2), [0.0, 9.0, 36.0, 49.0, 64.0, 81.0, 100.0, 121.0]);
    assert_eq!(real(3), [1.0, 4.0, 16.0, 25.0, 49.0, 64.0, 100.0, 121.0]);
    assert_eq!(real(4), [1.0, 9.0, 16.0, 25.0, 36.0, 64.0, 81.0, 100.0, 121.0]);
    assert_eq!(real(5), [0.0, 9.0, 36.0, 81.0]);
    // Days that are only in rows left out are no levels.
    assert_eq!(real(6), [0.0, 1.0]);
    let (path, format) = files().pop().unwrap();
    let name = read(&path, format, named(&["name"]), Some(rows_of(3)), &[]);
    assert_eq!(name.levels.unwrap(), ["Blue", "green"]);
}

#[test]
fn places_are_those_of_the_file_where_rows_are_left_out() {
    let folder = Folder::new();
    let path = folder.write("t.csv", "x,use\n1,no\n,yes\n3,yes\n,no\n");
    let yes = Some(compare("use", Relation::Equal, text("yes")));
    let table = Table { path, format: None, columns: named(&["x"]), rows: yes };
    let source = Source { reader: Reader::Table(table), stages: vec![] };
    insta::assert_snapshot!(folder.message(&source));
}

#[test]
fn what_is_wrong_is_said() {
    let folder = Folder::new();
    let table = folder.write("t.csv", "x,name,day\n1,a,2020-01-31\n2.5,b,31.1.2020\n");
    let parquet = folder.write("p.parquet", std::fs::read(&files()[0].0).unwrap());
    let of = |path: &Path, format: Option<Format>, column: &str, rows: Option<Condition>, stages: &[Stage]| {
        let table = Table { path: path.to_owned(), format, columns: named(&[column]), rows };
        folder.message(&Source { reader: Reader::Table(table), stages: stages.to_vec() })
    };
    let csv = Some(Format::Text);
    let mut said = vec![
        of(&parquet, csv, "real", None, &[]),
        of(&table, Some(Format::Parquet), "x", None, &[]),
        of(&parquet, None, "list", None, &[]),
        of(&parquet, None, "rael", None, &[]),
        of(&table, csv, "x", Some(compare("name", Relation::Equal, Cell::Number(1.0))), &[]),
        of(&table, csv, "x", Some(compare("x", Relation::Equal, text("a"))), &[]),
        of(&table, csv, "x", Some(compare("nmae", Relation::Equal, text("a"))), &[]),
        of(&table, csv, "x", Some(compare("name", Relation::Equal, text("c"))), &[]),
        of(&table, csv, "x", None, &[Stage::Categories(vec![])]),
        of(&table, csv, "name", None, &[Stage::Categories(vec!["a".into()])]),
        of(&table, csv, "day", None, &[Stage::Days("2020-01-01".into())]),
        of(&table, csv, "day", None, &[Stage::Days("yesterday".into())]),
        of(&table, csv, "x", None, &[Stage::Days("2020-01-01".into())]),
    ];
    for (name, bytes) in [
        ("book.xlsx", &b"PK\x03\x04rest"[..]),
        ("old.mat", b"MATLAB 5.0 MAT-file"),
        ("new.mat", b"\x89HDF\r\n\x1a\n"),
        ("x.npy", b"\x93NUMPY\x01\x00"),
        ("one.feather", b"FEA1...."),
    ] {
        said.push(of(&folder.write(name, bytes), csv, "x", None, &[]));
    }
    insta::assert_snapshot!(said.join("\n\n"));
}

/// Cut short and with other bytes, a file gives numbers or an error, and nothing worse.
#[test]
fn damaged_files_are_errors() {
    let folder = Folder::new();
    for (path, format) in files().into_iter().filter(|f| f.1 != Format::Text) {
        let whole = std::fs::read(&path).unwrap();
        let check = |bytes: &[u8]| {
            let damaged = folder.write("damaged", bytes);
            for column in ["real", "name", "size", "time"] {
                let table =
                    Table { path: damaged.clone(), format: Some(format), columns: named(&[column]), rows: None };
                let _ = load(&Source { reader: Reader::Table(table), stages: vec![] });
            }
        };
        for cut in (8..whole.len()).step_by(97) {
            check(&whole[..cut]);
        }
        for at in (8..whole.len()).step_by(53) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            check(&bytes);
        }
    }
}
