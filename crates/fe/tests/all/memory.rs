//! The memory that is foreseen, beside what a run takes at its peak, on every program of the gallery.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::common::{fe, full, root, stderr};

/// What is foreseen is within this factor of what is taken at the peak. What is foreseen and taken beyond that of any run is too, or
/// within so many megabytes: the code that some runs use and others do not.
const FACTOR: f64 = 2.0;
const CODE: f64 = 30.0;

/// What is run every day, of each kind: noisy steps, elimination, sums, loops.
const EVERYDAY: [&str; 3] = ["control/regulator_noisy.fe", "eight_schools.fe", "control/grid.fe"];

/// Programs whose figures over all rows take minutes without optimisation: so many of the digits are read.
const FEWER: [&str; 3] = ["conv_poisson.fe", "conv_residual.fe", "conv_vae.fe"];
const DIGITS: usize = 300;

/// Numbers in the dictionary of `descent/bar.fe`, which a run of `descent/still.fe` has to have made first: units and pixels.
const DICTIONARY: [usize; 2] = [256, 256];

/// A program that has next to nothing to keep: what it takes is what any run takes.
const NOTHING: &str = "latent m ~ Normal(0, 1)\ndata y[N] = [1, 2]\nobserve y ~ Normal(m, 1)\n";

/// What a run of a few steps was foreseen to take, of it what any run takes, and what it took at its peak, in megabytes; the system
/// may not say the last.
fn run(folder: &Path, program: &str) -> (f64, f64, Option<f64>) {
    let out = tempfile::tempdir().unwrap();
    let mut child = fe(folder)
        .args(["run", "-", "--steps", "3", "--quiet", "--timings", "--threads", "2", "--out"])
        .arg(out.path().join("run"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(program.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    let ends = |start: &str, end: &str| {
        let line = said.lines().find_map(|l| l.trim().strip_prefix(start)?.trim().strip_suffix(end).map(str::to_owned));
        line.map(|l| l.split_whitespace().last().unwrap().parse().unwrap())
    };
    (ends("at the peak", "").unwrap(), ends("any run", "").unwrap(), ends("all ", "MB"))
}

/// The first of the digits, in a file of their own.
fn fewer_digits() -> tempfile::NamedTempFile {
    let packed = std::fs::File::open(root().join("examples/data/digits.idx.gz")).unwrap();
    let mut bytes = vec![];
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    // Two zeros, the kind of a number, how many axes; their lengths in four bytes each; the numbers, of one byte.
    let axes = usize::from(bytes[3]);
    let length = |k: usize| u32::from_be_bytes(bytes[4 + 4 * k..8 + 4 * k].try_into().unwrap()) as usize;
    let each: usize = (1..axes).map(length).product();
    bytes[4..8].copy_from_slice(&(DIGITS as u32).to_be_bytes());
    bytes.truncate(4 + 4 * axes + DIGITS * each);
    let mut file = tempfile::Builder::new().suffix(".idx").tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    file
}

/// A file of zeros, in format version 1.0 (numpy.lib.format): magic number, version, length of the header and header.
fn zeros(shape: &[usize]) -> Vec<u8> {
    let extents: String = shape.iter().map(|n| format!("{n},")).collect();
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({extents})}}");
    let header = format!("{header:117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + 8 * shape.iter().product::<usize>(), 0);
    bytes
}

/// Every program of the gallery.
fn gallery() -> Vec<PathBuf> {
    let mut programs = vec![];
    let mut folders = vec![root().join("examples")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "fe") {
                programs.push(path);
            }
        }
    }
    programs.sort();
    programs
}

#[test]
fn what_is_foreseen_is_taken_within_a_factor_of_two() {
    let (_, _, Some(base)) = run(&root(), NOTHING) else {
        eprintln!("the system does not say what a process has had: memory is not compared");
        return;
    };
    let examples = root().join("examples");
    let digits = fewer_digits();
    let learned = tempfile::tempdir().unwrap();
    let mut off = vec![];
    for path in gallery() {
        let name = path.strip_prefix(&examples).unwrap().to_string_lossy().into_owned();
        if !full() && !EVERYDAY.contains(&name.as_str()) {
            continue;
        }
        let mut program = std::fs::read_to_string(&path).unwrap();
        for (file, shape) in [("dictionary.npy", &DICTIONARY[..]), ("rates.npy", &DICTIONARY[..1])] {
            let made = learned.path().join(file);
            std::fs::write(&made, zeros(shape)).unwrap();
            program = program.replace(file, made.to_str().unwrap());
        }
        if FEWER.contains(&name.as_str()) {
            let fewer = program.replace("data/digits.idx.gz", digits.path().to_str().unwrap());
            assert_ne!(fewer, program, "{name}");
            program = fewer;
        }
        let (foreseen, any, taken) = run(path.parent().unwrap(), &program);
        let taken = taken.unwrap();
        let near = |a: f64, b: f64| a / b < FACTOR && b / a < FACTOR;
        let (own, beside) = (foreseen - any, (taken - base).max(0.0));
        let right = near(foreseen, taken) && (near(own, beside) || (own - beside).abs() < CODE);
        let line =
            format!("{name}: {foreseen:.1} MB foreseen, {taken:.1} MB taken; {own:.1} and {beside:.1} beyond any run");
        eprintln!("{line}");
        if !right {
            off.push(line);
        }
    }
    assert!(off.is_empty(), "{off:#?}");
}
