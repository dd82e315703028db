//! What is not a file, or not where it should be.

use super::table;
use crate::common::*;
use fe_data::Source;
use insta::assert_snapshot;

#[test]
fn paths_that_lead_nowhere() {
    let folder = Folder::new();
    folder.write("whole.csv", "a\n1\n2\n");
    folder.write("x.parquet", "a\n1\n");
    std::fs::create_dir(folder.path("folder.csv")).unwrap();
    let at = |name: &str| csv(folder.path(name), &["a"]);
    let long = "x".repeat(300);
    let mut rows: Vec<(&str, Source)> = vec![
        ("a name of nothing", at("")),
        ("a folder", at("folder.csv")),
        ("the folder itself", at(".")),
        ("a file as a folder", at("whole.csv/x.csv")),
        ("a name too long", at(&long)),
        ("a NUL in a name", at("a\0b.csv")),
        ("an escape in a name", at("\u{1b}[31m.csv")),
        ("nothing of that name", at("hole.csv")),
        ("a pattern", at("*.csv")),
        ("text named as Parquet", at("x.parquet")),
        ("an array that is a table", npy(folder.path("whole.csv"))),
    ];
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink("loop.csv", folder.path("loop.csv")).unwrap();
        symlink("gone.csv", folder.path("dangling.csv")).unwrap();
        symlink("whole.csv", folder.path("link.csv")).unwrap();
        rows.extend([
            ("a link to itself", at("loop.csv")),
            ("a link to nothing", at("dangling.csv")),
            ("a link", at("link.csv")),
            ("a device without end", csv("/dev/zero".into(), &["a"])),
            ("a device of nothing", csv("/dev/null".into(), &["a"])),
        ]);
    }
    assert_snapshot!(table(&folder, &rows));
}
