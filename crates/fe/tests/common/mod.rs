//! Runs the built binary, and finds the repository's files.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The `.fe` files of a folder of the repository, sorted.
pub fn programs(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "fe"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no programs in {folder}");
    files
}

/// The files of a run, sorted.
pub const RUN_FILES: [&str; 8] = [
    "diagrams.json",
    "fit.json",
    "model.fe",
    "params.safetensors",
    "posterior.nc",
    "report.html",
    "run.json",
    "trace.csv",
];

/// The name of a program's file.
pub fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

/// `fe`, to be run in a folder, without colour and at a fixed width.
pub fn fe(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fe"));
    command.current_dir(folder).env("NO_COLOR", "1").env("COLUMNS", "100").env_remove("RAYON_NUM_THREADS");
    // Tests read files as they are; the cache has its own.
    command.env("FE_CACHE", "");
    command
}

/// What `fe` says when run in a folder.
pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    fe(folder).args(arguments).output().unwrap()
}

/// What `fe` says when run in a folder with a text on standard input.
pub fn with_input(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = fe(folder);
    let mut child =
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that does not read its input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Whether everything is tried, or some of it, as every day.
pub fn full() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty() && v != "0" && v != "false");
    set("FE_FULL") || set("CI")
}

/// Exit code.
pub fn code(output: &Output) -> i32 {
    output.status.code().expect("ended by a signal")
}

/// Standard error.
pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Standard output.
pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Runs, asserts that all went well, and gives standard output.
pub fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert_eq!(code(&output), 0, "fe {}: {}", arguments.join(" "), stderr(&output));
    stdout(&output)
}

/// The document of a fit, from `--json`.
pub fn fit(folder: &Path, arguments: &[&str]) -> serde_json::Value {
    let out = tempfile::tempdir().unwrap();
    let mut all = vec!["run", "--json", "--quiet", "--out", out.path().to_str().unwrap()];
    all.extend(arguments);
    serde_json::from_str(&done(folder, &all)).unwrap()
}

/// The document of a fit of a program given as text.
pub fn fit_text(source: &str) -> serde_json::Value {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("program.fe"), source).unwrap();
    fit(folder.path(), &["program.fe"])
}

/// That a program given as text is refused, with this code.
pub fn refused(source: &str, with: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("program.fe"), source).unwrap();
    let output = run(folder.path(), &["check", "program.fe"]);
    let said = stderr(&output);
    assert_eq!(code(&output), 1, "{source}\n{said}");
    assert!(said.contains(&format!("[{with}]")), "{source}\n{said}");
}

/// What `fe explain` says of a program given as text.
pub fn explained(source: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("program.fe"), source).unwrap();
    done(folder.path(), &["explain", "program.fe"])
}

/// The number at a path like `posterior.mu.mean` or `posterior.theta.mean.2` of a document.
pub fn at(document: &serde_json::Value, path: &str) -> f64 {
    let mut value = document;
    for key in path.split('.') {
        value = match key.parse::<usize>() {
            Ok(k) if value.is_array() => &value[k],
            _ => &value[key],
        };
    }
    value.as_f64().unwrap_or_else(|| panic!("no number at {path}: {value}"))
}

/// Snapshots beside the programs of a folder, described by a program's first line.
pub fn snapshots(folder: &str, source: &str) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(root().join(folder).join("snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(source.lines().next().unwrap().trim_start_matches("# "));
    settings
}
