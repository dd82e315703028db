//! The same program treated differently gives the same numbers: one thread or two, laid out anew, and in single precision
//! to a stated bound.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use common::*;
use serde_json::Value;
use tempfile::TempDir;

/// A program, where its data are, and the options it is run with.
struct Subject {
    name: String,
    source: String,
    folder: PathBuf,
    options: Vec<String>,
}

/// What a run leaves: its document and its parameters.
#[derive(PartialEq, Debug)]
struct Outcome {
    fit: Value,
    parameters: Vec<u8>,
}

impl Subject {
    /// Runs a source, which stands in for the subject's own, without what may differ between runs.
    fn run(&self, source: &str, options: &[&str]) -> Outcome {
        let out = tempfile::tempdir().unwrap();
        let mut child = fe(&self.folder)
            .args(["run", "-", "--quiet", "--out"])
            .arg(out.path())
            .args(&self.options)
            .args(options)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(code(&output), 0, "{}: {}", self.name, stderr(&output));
        let read = |name: &str| std::fs::read(out.path().join(name)).unwrap();
        let mut fit: Value = serde_json::from_slice(&read("fit.json")).unwrap();
        for volatile in ["seconds", "threads"] {
            assert!(fit.as_object_mut().unwrap().remove(volatile).is_some(), "no {volatile}");
        }
        assert!(!fit["terms"].as_array().unwrap().is_empty(), "{} was fitted to nothing", self.name);
        Outcome { fit, parameters: read("params.safetensors") }
    }
}

/// The first digits of the gallery's, every fourth pixel each way, as a file.
fn few_digits(folder: &Path) -> String {
    let path = root().join("examples/data/digits.idx.gz");
    let source = fe_data::Source { reader: fe_data::Reader::Idx { path }, stages: vec![] };
    let digits = fe_data::load(&source).unwrap();
    let (count, side, coarse) = (200, 28, 7);
    assert_eq!(digits.shape[1..].iter().product::<usize>(), side * side);
    let mut bytes = vec![0, 0, 8, 2];
    bytes.extend(u32::try_from(count).unwrap().to_be_bytes());
    bytes.extend(u32::try_from(coarse * coarse).unwrap().to_be_bytes());
    for digit in digits.values.chunks(side * side).take(count) {
        bytes.extend((0..coarse * coarse).map(|i| digit[4 * (i / coarse) * side + 4 * (i % coarse)] as u8));
    }
    let file = folder.join("digits.idx");
    std::fs::write(&file, bytes).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Programs of known answer, and the gallery: less data, narrower layers and few steps where it is large.
fn subjects(folder: &TempDir) -> Vec<Subject> {
    let mut all = vec![];
    let digits = few_digits(folder.path());
    for path in programs("tests/exact").into_iter().chain(programs("examples")) {
        let name = stem(&path);
        let mut source = std::fs::read_to_string(&path).unwrap();
        let mut options = vec![];
        if source.contains("train {") {
            options.extend(["--steps".to_owned(), "20".to_owned()]);
        }
        if source.contains("patches(") {
            let fewer = source.replace("count = 40_000", "count = 1_000");
            let fewer = fewer.replace("patches_in_all = 100_000", "patches_in_all = 2_000");
            assert_ne!(fewer, source, "{name} takes other patches");
            source = fewer;
        }
        if source.contains("idx(") {
            let narrower = source.replace("dense(256)", "dense(24)").replace("dense(128)", "dense(16)");
            assert_ne!(narrower, source, "{name} has other layers");
            source = narrower;
            options.extend(["--data".to_owned(), format!("x={digits}")]);
        }
        all.push(Subject { name, source, folder: path.parent().unwrap().to_owned(), options });
    }
    all
}

#[test]
fn one_thread_or_two_and_laid_out_anew() {
    let folder = tempfile::tempdir().unwrap();
    for subject in subjects(&folder) {
        let one = subject.run(&subject.source, &["--threads", "1"]);
        let two = subject.run(&subject.source, &["--threads", "2"]);
        assert_eq!(one, two, "{} by one thread and by two", subject.name);
        // Without its comments and with its statements on one line, then laid out.
        let squeezed: Vec<&str> = subject.source.lines().map(|l| l.split('#').next().unwrap().trim()).collect();
        let formatted = fe_syntax::format(&squeezed.join(" ")).unwrap();
        assert_ne!(formatted, subject.source);
        assert_eq!(one, subject.run(&formatted, &["--threads", "2"]), "{} laid out anew", subject.name);
    }
}

/// Single precision keeps seven digits, and sums over rows and steps of training lose up to three of them: every figure
/// of the objective agrees within 1e-4 of the free energy and one.
#[test]
fn single_and_double_precision() {
    let folder = tempfile::tempdir().unwrap();
    for subject in subjects(&folder) {
        let single = subject.run(&subject.source, &["--precision", "f32"]).fit;
        let double = subject.run(&subject.source, &["--precision", "f64"]).fit;
        let scale = 1.0 + at(&double, "free_energy").abs();
        for figure in ["free_energy", "distortion", "rate", "objective_value"] {
            let off = (at(&single, figure) - at(&double, figure)).abs() / scale;
            assert!(off < 1e-4, "{}: {figure} is off by {off:e}", subject.name);
        }
    }
}

/// Both executors compute the same objective, its gradient and its steps, to the rounding of f64.
#[test]
fn both_executors() {
    let folder = tempfile::tempdir().unwrap();
    for subject in subjects(&folder) {
        // A flow's descent ends where little is to be gained, and not at a small gradient: rounding decides where.
        let few: &[&str] =
            if subject.source.contains("Flow(") && subject.options.is_empty() { &["--steps", "20"] } else { &[] };
        let [planned, reference] = ["cpu", "candle"].map(|executor| {
            let options = [&["--executor", executor, "--precision", "f64"], few].concat();
            subject.run(&subject.source, &options).fit
        });
        let scale = 1.0 + at(&reference, "free_energy").abs();
        for figure in ["free_energy", "distortion", "rate", "objective_value"] {
            let off = (at(&planned, figure) - at(&reference, figure)).abs() / scale;
            assert!(off < 1e-8, "{}: {figure} is off by {off:e}", subject.name);
        }
    }
}
