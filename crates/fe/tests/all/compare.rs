//! `fe compare`: two programs on the same data and seeds, and the errors of their differences.

use crate::common::*;
use serde_json::Value;

/// A linear spiking code of few numbers, some of them held out.
const SPIKING: &str = "const beta = 1
dim K = 3
data x[N, D] = npy(\"x.npy\")
param u[K] = -1
param E[D, K] = normal(0, 0.1)
param W[K, D] = normal(0, 0.1)
latent z[N, K] ~ Poisson(exp(u))
guide z ~ Poisson(exp(u + x @ E))
observe x ~ Normal(z @ W, 1)
minimize distortion + beta * rate
train { optimizer = adam(lr = 0.01)  batch = 20  steps = 30  holdout = 25% }
";

/// Its rectified control.
const RECTIFIED: &str = "dim K = 3
data x[N, D] = npy(\"x.npy\")
param E[D, K] = normal(0, 0.1)
param W[K, D] = normal(0, 0.1)
latent z[N, K] ~ Normal(0, 1)
guide z ~ Normal(x @ E, 0.5)
let a = relu(z)
meter a
observe x ~ Normal(a @ W, 1)
train { optimizer = adam(lr = 0.01)  batch = 20  steps = 30  holdout = 25% }
";

/// Rows of numbers without a generator to depend on.
fn npy(shift: usize) -> Vec<u8> {
    let (rows, columns) = (80, 4);
    let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    header.push_str(&" ".repeat(117 - header.len()));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend(header.as_bytes());
    for k in 0..rows * columns {
        bytes.extend((((k + shift) * 7919 % 104_729) as f64 / 52_364.5 - 1.0).to_le_bytes());
    }
    bytes
}

/// A folder with both programs and their data.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.fe"), SPIKING).unwrap();
    std::fs::write(folder.path().join("b.fe"), RECTIFIED).unwrap();
    std::fs::write(folder.path().join("x.npy"), npy(0)).unwrap();
    std::fs::write(folder.path().join("other.npy"), npy(17)).unwrap();
    folder
}

fn compared(folder: &std::path::Path, arguments: &[&str]) -> Value {
    let all = [&["compare", "--json", "--quiet"], arguments].concat();
    serde_json::from_str(&done(folder, &all)).unwrap()
}

fn figure<'a>(report: &'a Value, of: &str, name: &str) -> &'a Value {
    let figures = report["figures"].as_array().unwrap();
    figures.iter().find(|f| f["of"] == of && f["name"] == name).unwrap_or_else(|| panic!("no {of} {name}"))
}

#[test]
fn a_program_is_itself() {
    let folder = folder();
    let report = compared(folder.path(), &["a.fe", "a.fe"]);
    assert_eq!((&report["paired"], &report["heldout"], &report["rows"]), (&true.into(), &true.into(), &20.into()));
    for f in report["figures"].as_array().unwrap() {
        if f["of"] != "fit" {
            assert_eq!(f["difference"], 0.0, "{f}");
            assert_eq!(f["a"], f["b"], "{f}");
        }
    }
    for name in ["free_energy", "distortion", "rate", "rate_bits", "energy"] {
        assert_eq!(figure(&report, "held out", name)["se"], 0.0, "{name}");
    }
    assert_eq!(report["notes"], serde_json::json!([]));
}

/// The figures are those of `fe run`, and errors those of the rows that `fe eval` gives one by one.
#[test]
fn figures_are_those_of_the_fits() {
    let folder = folder();
    let out = folder.path().join("out");
    let report = compared(folder.path(), &["a.fe", "b.fe", "--seed", "3", "--out", out.to_str().unwrap()]);
    let [a, b] = ["a.fe", "b.fe"].map(|program| fit(folder.path(), &[program, "--seed", "3"]));
    for (of, name, path) in [
        ("held out", "free_energy", "heldout.free_energy"),
        ("held out", "rate", "heldout.rate"),
        ("held out", "rate_bits", "heldout.rate_bits"),
        ("held out", "r2", "heldout.r2"),
        ("training", "distortion", "distortion"),
        ("training", "r2", "r2"),
        ("fit", "steps", "steps"),
    ] {
        let f = figure(&report, of, name);
        let (of_a, of_b) = (at(&a, path), at(&b, path));
        assert_eq!((f["a"].as_f64(), f["b"].as_f64()), (Some(of_a), Some(of_b)), "{of} {name}");
        assert_eq!(f["difference"].as_f64(), Some(of_b - of_a), "{of} {name}");
    }
    let energy = figure(&report, "training", "energy");
    assert_eq!((energy["a"].as_f64(), &energy["b"]), (Some(at(&a, "energy")), &Value::Null));
    assert_eq!(figure(&report, "training", "prior_energy")["a"].as_f64(), Some(at(&a, "prior_energy")));
    let zeros = figure(&report, "code", "z|a.zeros");
    assert_eq!(zeros["a"].as_f64(), Some(at(&a, "latents.z.zeros")));
    assert_eq!(zeros["b"].as_f64(), Some(at(&b, "meters.a.zeros")));
    // Paired over twenty rows: the programs see the same ones.
    assert_eq!((&report["paired"], &report["rows"], &report["of_rows"]), (&true.into(), &20.into(), &20.into()));
    let f = figure(&report, "held out", "free_energy");
    assert!(f["se_rows"].as_f64().unwrap() > 0.0);
    assert_eq!((&f["se_draws"], &f["se_seeds"], &f["se"]), (&Value::Null, &Value::Null, &f["se_rows"]));
    assert_eq!(figure(&report, "training", "free_energy")["se"], Value::Null);
    let saved: Value = serde_json::from_slice(&std::fs::read(out.join("compare.json")).unwrap()).unwrap();
    assert_eq!(figure(&saved, "held out", "rate"), figure(&report, "held out", "rate"));
    let table = std::fs::read_to_string(out.join("compare.csv")).unwrap();
    assert!(table.starts_with("of,name,unit,a,b,difference,se,se_rows,se_draws,se_seeds\n"), "{table}");
    assert_eq!(table.lines().count(), report["figures"].as_array().unwrap().len() + 1);
}

/// The error over rows, from the rows that `fe eval` gives of each program by itself.
#[test]
fn errors_are_those_of_differences_row_by_row() {
    let folder = folder();
    let whole = |source: &str| source.replace("  holdout = 25%", "");
    std::fs::write(folder.path().join("a.fe"), whole(SPIKING)).unwrap();
    std::fs::write(folder.path().join("b.fe"), whole(RECTIFIED)).unwrap();
    let report = compared(folder.path(), &["a.fe", "b.fe", "--precision", "f64"]);
    let rows = |program: &str| -> Vec<f64> {
        let run = folder.path().join(format!("run_{program}"));
        done(folder.path(), &["run", program, "--quiet", "--precision", "f64", "--out", run.to_str().unwrap()]);
        let text = done(folder.path(), &["eval", run.to_str().unwrap(), "--data", "x=x.npy", "--json"]);
        let eval: Value = serde_json::from_str(&text).unwrap();
        eval["by_row"]["free_energy"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    };
    let (a, b) = (rows("a.fe"), rows("b.fe"));
    let differences: Vec<f64> = a.iter().zip(&b).map(|(a, b)| b - a).collect();
    let n = differences.len() as f64;
    assert_eq!(n, 80.0);
    let mean = differences.iter().sum::<f64>() / n;
    let variance = differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let f = figure(&report, "training", "free_energy");
    assert!((f["difference"].as_f64().unwrap() - mean).abs() < 1e-9, "{f}, {mean}");
    assert!((f["se_rows"].as_f64().unwrap() - (variance / n).sqrt()).abs() < 1e-9, "{f}");
}

#[test]
fn seeds_give_a_spread() {
    let folder = folder();
    let report = compared(folder.path(), &["a.fe", "b.fe", "--seeds", "2", "--seed", "5"]);
    assert_eq!(report["seeds"], serde_json::json!([5, 6]));
    assert_eq!(report["a"]["fits"].as_array().unwrap().len(), 2);
    let differences = ["5", "6"].map(|seed| {
        let [a, b] = ["a.fe", "b.fe"].map(|p| at(&fit(folder.path(), &[p, "--seed", seed]), "heldout.free_energy"));
        b - a
    });
    let f = figure(&report, "held out", "free_energy");
    let (mean, spread) = ((differences[0] + differences[1]) / 2.0, (differences[0] - differences[1]).abs() / 2.0);
    assert!((f["difference"].as_f64().unwrap() - mean).abs() < 1e-12);
    assert!((f["se_seeds"].as_f64().unwrap() - spread).abs() < 1e-12);
}

/// A constant of one program, and data of both.
#[test]
fn options_go_to_the_programs_that_have_them() {
    let folder = folder();
    let report = compared(folder.path(), &["a.fe", "b.fe", "--set", "beta=4", "--set", "K=2", "--data", "x=other.npy"]);
    let a = fit(folder.path(), &["a.fe", "--set", "beta=4", "--set", "K=2", "--data", "x=other.npy"]);
    assert_eq!(figure(&report, "training", "rate")["a"].as_f64(), Some(at(&a, "rate")));
}

#[test]
fn different_data_are_told() {
    let folder = folder();
    std::fs::write(folder.path().join("b.fe"), RECTIFIED.replace("x.npy", "other.npy")).unwrap();
    let output = run(folder.path(), &["compare", "a.fe", "b.fe", "--quiet", "--json"]);
    assert_eq!(code(&output), 0);
    assert!(stderr(&output).contains("warning: the programs read different data: `x` of A is not that of B"));
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["paired"], false);
    assert!(report["notes"][0].as_str().unwrap().contains("cannot be compared"));
    // Rows held out by one alone are not the other's.
    std::fs::write(folder.path().join("b.fe"), RECTIFIED.replace("holdout = 25%", "holdout = 10%")).unwrap();
    let report = compared(folder.path(), &["a.fe", "b.fe"]);
    assert_eq!(report["paired"], false);
    assert!(report["notes"][0].as_str().unwrap().contains("hold out different rows"));
}

#[test]
fn wrong_command_lines() {
    let folder = folder();
    for (arguments, with, said) in [
        (vec!["a.fe"], 2, "B.fe"),
        (vec!["a.fe", "b.fe", "c.fe"], 2, "fit `a.fe` with `fe run`"),
        (vec!["a.fe", "missing.fe"], 2, "missing.fe cannot be read"),
        (vec!["-", "-"], 2, "standard input can be read once"),
        (vec!["a.fe", "b.fe", "--set", "gamma=1"], 2, "neither program has `const` or `dim` called `gamma`"),
        (vec!["a.fe", "b.fe", "--set", "beta"], 2, "--set takes NAME=VALUE"),
        (vec!["a.fe", "b.fe", "--data", "y=x.npy"], 2, "neither program has data called `y`"),
        (vec!["a.fe", "b.fe", "--seeds", "0"], 2, "--seeds takes a number from 1"),
        (vec!["a.fe", "b.fe", "--data", "x=none.npy"], 3, "none.npy"),
        (vec!["a.fe", "b.fe", "--steps", "5", "--quiet", "--strict"], 5, "2 of 2 fits have not converged"),
    ] {
        let output = run(folder.path(), &[&["compare"], arguments.as_slice()].concat());
        assert_eq!(code(&output), with, "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(said), "{arguments:?}: {}", stderr(&output));
    }
    // What is wrong with the second program is shown there.
    std::fs::write(folder.path().join("b.fe"), RECTIFIED.replace("relu(z)", "relu(y)")).unwrap();
    let output = run(folder.path(), &["compare", "a.fe", "b.fe"]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("b.fe"), "{}", stderr(&output));
}

/// The gallery's spiking code and its control, as a reader would set them side by side.
#[test]
fn the_spiking_code_and_its_control() {
    let folder = root().join("examples");
    let text = done(
        &folder,
        &["compare", "poisson_vae.fe", "relu_vae.fe", "--set", "K=8", "--steps", "20", "--quiet", "--json"],
    );
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&report["paired"], &report["rows"]), (&true.into(), &4000.into()));
    let f = figure(&report, "held out", "free_energy");
    let (difference, se) = (f["difference"].as_f64().unwrap(), f["se"].as_f64().unwrap());
    assert!(difference.is_finite() && se > 0.0 && se < 5.0, "{difference} ± {se}");
}
