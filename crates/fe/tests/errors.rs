//! The wrong and doubtful programs under `tests/errors`, each with everything that `fe check` says of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;

#[test]
fn every_wrong_program() {
    let folder = root().join("tests/errors");
    let programs = programs("tests/errors");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder.join("snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let mut wrong = 0;
    for path in &programs {
        let source = std::fs::read_to_string(path).unwrap();
        assert!(source.starts_with("# "), "{}: the first line says what it shows", path.display());
        let output = run(&folder, &["check", path.file_name().unwrap().to_str().unwrap()]);
        assert!(!stderr(&output).is_empty(), "{} passes in silence", path.display());
        wrong += usize::from(code(&output) != 0);
        settings.set_description(source.lines().next().unwrap().trim_start_matches("# "));
        settings.bind(|| {
            insta::assert_snapshot!(stem(path), format!("exit code {}\n\n{}", code(&output), stderr(&output)));
        });
    }
    assert!(wrong >= 60, "only {wrong} wrong programs");
}
