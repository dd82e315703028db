//! Tables of text, and JSON.

use super::table;
use crate::common::*;
use fe_data::{Reader, Source, Stage};
use insta::assert_snapshot;

/// A column `a` of each text.
fn columns<'a>(folder: &Folder, files: &[(&'a str, &[u8])]) -> Vec<(&'a str, Source)> {
    let row =
        |(k, (name, bytes)): (usize, &(&'a str, &[u8]))| (*name, csv(folder.write(&format!("{k}.csv"), bytes), &["a"]));
    files.iter().enumerate().map(row).collect()
}

#[test]
fn tables_of_text_by_their_form() {
    let folder = Folder::new();
    let files: Vec<(&str, &[u8])> = vec![
        ("empty", b""),
        ("one byte", b"a"),
        ("a header without a line's end", b"a,b"),
        ("a header and no rows", b"a,b\n"),
        ("blank lines only", b"\n\n\n"),
        ("spaces only", b"   \n  \n"),
        ("a byte order mark", b"\xef\xbb\xbfa,b\n1,2\n"),
        ("a byte order mark alone", b"\xef\xbb\xbf"),
        ("two byte order marks", b"\xef\xbb\xbf\xef\xbb\xbfa,b\n1,2\n"),
        ("UTF-16, little end first", b"\xff\xfea\0\n\x001\0\n\0"),
        ("UTF-16, big end first", b"\xfe\xff\0a\0\n\x001\0\n"),
        ("UTF-16 without a mark", b"a\0\n\x001\0\n\0"),
        ("UTF-32", b"\xff\xfe\0\0a\0\0\0\n\0\0\0"),
        ("Latin-1", b"a,b\n1,caf\xe9\n"),
        ("a NUL in a cell", b"a,b\n1\0,2\n"),
        ("a NUL in a name", b"a\0,b\n1,2\n"),
        ("NULs only", b"\0\0\0\0\0\0\0\0"),
        ("lines that end with CR LF", b"a,b\r\n1,2\r\n3,4\r\n"),
        ("lines that end with CR", b"a,b\r1,2\r3,4\r"),
        ("lines that end each in its way", b"a,b\n1,2\r\n3,4\r5,6"),
        ("a blank line within", b"a,b\n1,2\n\n3,4\n"),
        ("no last line's end", b"a,b\n1,2\n3,4"),
        ("cut within a row", b"a,b\n1,2\n3"),
        ("cut within a number", b"a,b\n1,2\n3,12"),
        ("cut within a quote", b"a,b\n1,\"tw"),
        ("a quote that is never closed", b"a,b\n1,\"x\n2,y\n3,z\n"),
        ("a quote never closed in the header", b"a,\"b\n1,2\n"),
        ("a quote within a cell", b"a,b\n1,x\"y\n2,z\n"),
        ("text after a quote", b"a,b\n1,\"x\"y\n"),
        ("a line's end within quotes", b"a,b\n1,\"x\ny\"\n2,z\n"),
        ("doubled quotes", b"a,b\n1,\"x\"\"y\"\n"),
        ("single quotes", b"a,b\n'1','2'\n"),
        ("numbers within quotes", b"a,b\n\"1\",\"2\"\n"),
        ("a row too short", b"a,b,c\n1,2,3\n4,5\n"),
        ("a row too long", b"a,b\n1,2\n3,4,5\n"),
        ("a comma at the end of each row", b"a,b\n1,2,\n3,4,\n"),
        ("a comma at the end of each line", b"a,b,\n1,2,\n3,4,\n"),
        ("the same name twice", b"a,a\n1,2\n"),
        ("another name twice", b"a,b,b\n1,2,3\n"),
        ("a name with spaces around it", b" a ,b\n1,2\n"),
        ("a name in capitals", b"A,b\n1,2\n"),
        ("no name", b",b\n1,2\n"),
        ("an escape in a name", b"\x1b[31mx,b\n1,2\n"),
        ("no header", b"1,2\n3,4\n"),
        ("a comment before the header", b"# made by hand\na,b\n1,2\n"),
        ("parted by semicolons", b"a;b\n1;2\n"),
        ("parted by semicolons, with commas in numbers", b"a;b\n1,5;2,5\n"),
        ("parted by tabs", b"a\tb\n1\t2\n"),
        ("parted by bars", b"a|b\n1|2\n"),
        ("parted by spaces", b"a b\n1 2\n"),
        ("a page", b"<!DOCTYPE html>\n<html><body>404</body></html>\n"),
        ("JSON", b"{\"a\": [1, 2]}"),
        ("an array of NumPy", b"\x93NUMPY\x01\0v\0{'descr': '<f8'"),
        ("an archive", b"PK\x03\x04\x14\0\0\0\0\0"),
        ("a picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        ("a spreadsheet of before 2007", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0"),
        ("HDF5", b"\x89HDF\r\n\x1a\n\0\0\0\0"),
        ("gzip of nothing", b"\x1f\x8b"),
        ("bzip2", b"BZh91AY&SY\0\0"),
        ("xz", b"\xfd7zXZ\0\0\x04"),
        ("Zstandard", b"\x28\xb5\x2f\xfd\0\0\0"),
    ];
    assert_snapshot!(table(&folder, &columns(&folder, &files)));
}

#[test]
fn cells_of_tables() {
    let folder = Folder::new();
    let cells = [
        "nan",
        "NaN",
        "NAN",
        "-nan",
        "NA",
        "N/A",
        "na",
        "null",
        "None",
        ".",
        "-",
        "?",
        "#N/A",
        "inf",
        "-inf",
        "Infinity",
        "1e400",
        "-1e400",
        "1e-400",
        "1e308",
        "1e",
        "1e+",
        ".5",
        "5.",
        "+5",
        "--5",
        "1_000",
        "1 000",
        "\"1,000\"",
        "1.000,5",
        "0x1F",
        "1d5",
        "1/2",
        "50%",
        "$5",
        "−5",
        "٣",
        "½",
        "007",
        "9007199254740993",
        "99999999999999999999",
        "1e0",
        "2.0",
        "true",
        "yes",
        "TRUE",
        "T",
        "\u{1b}[31m",
        "\u{202e}5",
        "\u{a0}5",
        "5\u{200b}",
    ];
    let files: Vec<String> = cells.iter().map(|cell| format!("a,b\n1,x\n{cell},y\n")).collect();
    let pairs: Vec<(&str, &[u8])> = cells.iter().copied().zip(files.iter().map(|f| f.as_bytes())).collect();
    assert_snapshot!(table(&folder, &columns(&folder, &pairs)));
}

#[test]
fn dates_of_tables() {
    let folder = Folder::new();
    let dates = [
        "2020-01-03",
        "2020-02-30",
        "2021-02-29",
        "2020-13-01",
        "2020-00-10",
        "0000-00-00",
        "2020-1-3",
        "20200103",
        "3/1/2020",
        "03.01.2020",
        "Jan 3, 2020",
        "2020-01-03T25:00:00",
        "2020-01-03T12:00:00",
        "2020-01-03 12:00",
        "2020-01-03T12:00:00Z",
        "2020-01-03T12:00:00+02:00",
        "2020-06-30T23:59:60",
        "99999-01-01",
        "-0001-01-01",
        "tomorrow",
        "43833",
    ];
    let days = [Stage::Days("2020-01-01".into())];
    let row = |(k, date): (usize, &&'static str)| {
        let text = format!("a,b\n2020-01-02,x\n\"{date}\",y\n");
        let Reader::Table(table) = csv(folder.write(&format!("{k}.csv"), text), &["a"]).reader else { unreachable!() };
        (*date, staged(Reader::Table(table), &days))
    };
    assert_snapshot!(table(&folder, &dates.iter().enumerate().map(row).collect::<Vec<_>>()));
}

#[test]
fn objects_of_json() {
    let folder = Folder::new();
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let files: Vec<(&str, &[u8])> = vec![
        ("empty", b""),
        ("spaces", b"  \n"),
        ("null", b"null"),
        ("a number", b"5"),
        ("an empty object", b"{}"),
        ("an empty array", br#"{"a": []}"#),
        ("arrays of nothing", br#"{"a": [[], []]}"#),
        ("a byte order mark", b"\xef\xbb\xbf{\"a\": [1, 2]}"),
        ("UTF-16", b"\xff\xfe{\0\"\0a\0\"\0:\x001\0}\0"),
        ("Latin-1", b"{\"a\": \"caf\xe9\"}"),
        ("a NUL", b"{\"a\": [1,\0 2]}"),
        ("cut in a name", br#"{"a"#),
        ("cut after a name", br#"{"a":"#),
        ("cut in an array", br#"{"a": [1, 2"#),
        ("cut before the last brace", br#"{"a": [1, 2]"#),
        ("cut in a number", br#"{"a": [1, 2e"#),
        ("something after it", br#"{"a": [1]} x"#),
        ("two objects", b"{\"a\": [1]}\n{\"a\": [2]}\n"),
        ("a name twice", br#"{"a": [1], "a": [2]}"#),
        ("ragged", br#"{"a": [[1, 2], [3]]}"#),
        ("of two depths", br#"{"a": [[1], 2]}"#),
        ("a number of text", br#"{"a": ["1", "2"]}"#),
        ("texts", br#"{"a": ["x", "y"]}"#),
        ("an object within", br#"{"a": {"b": [1]}}"#),
        ("rows as objects", br#"[{"a": 1}, {"a": 2}]"#),
        ("truths", br#"{"a": [true, false]}"#),
        ("numbers and truths", br#"{"a": [1, true]}"#),
        ("null within", br#"{"a": [1, null]}"#),
        ("NaN", br#"{"a": [1, NaN]}"#),
        ("nan", br#"{"a": [1, nan]}"#),
        ("Infinity", br#"{"a": [1, Infinity]}"#),
        ("1e400", br#"{"a": [1, 1e400]}"#),
        ("1e-400", br#"{"a": [1, 1e-400]}"#),
        ("9007199254740993", br#"{"a": [9007199254740993]}"#),
        ("99999999999999999999", br#"{"a": [99999999999999999999]}"#),
        ("007", br#"{"a": [007]}"#),
        (".5", br#"{"a": [.5]}"#),
        ("+5", br#"{"a": [+5]}"#),
        ("a comma at the end", br#"{"a": [1, 2,]}"#),
        ("a comment", b"// mine\n{\"a\": [1]}"),
        ("single quotes", br#"{'a': [1]}"#),
        ("an escape in a name", b"{\"\\u001b[31m\": [1]}"),
        ("half a surrogate", br#"{"\ud800": [1], "a": [2]}"#),
        ("deep", deep.as_bytes()),
        ("a table of text", b"a,b\n1,2\n"),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03"),
    ];
    let row = |(k, (name, bytes)): (usize, &(&'static str, &[u8]))| {
        (*name, json(folder.write(&format!("{k}.json"), bytes), Some("a")))
    };
    assert_snapshot!(table(&folder, &files.iter().enumerate().map(row).collect::<Vec<_>>()));
}
