//! The wrong programs under `tests/errors`: which codes each gives, here and in parsing. Their text is reviewed in the
//! snapshots of the built command.

use crate::common::*;

#[test]
fn wrong_programs() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/errors");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "fe"))
        .collect();
    files.sort();
    let mut table = String::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(text.starts_with("# "), "{name} says not what it shows");
        let found = checked(&text).diagnostics;
        if std::env::var("FE_SHOW").is_ok() {
            println!("=== {name}\n{}", rendered(&text, &found));
        }
        // What is found only in deriving is quiet here; the command's own test sees that it is found.
        let codes: Vec<&str> = found.iter().map(|d| d.code).collect();
        table.push_str(&format!("{name}: {}\n", codes.join(" ")));
    }
    insta::assert_snapshot!(table);
}
