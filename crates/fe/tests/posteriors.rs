//! The reference posteriors of `tests/posteriors`: long NUTS runs of posteriordb's, against our tables, ten seeds each.
//!
//! `gaussian`: the posterior is nearly Gaussian, and the guide's own table is held to it, full-rank and mean-field.
//! `resampled`: it is not, and the importance-resampled table is held to it, or the verdict warns.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::io::Write;
use std::process::Stdio;

use common::*;
use serde_json::Value;

const SEEDS: u32 = 10;

/// One scalar of a posterior.
struct Scalar {
    name: String,
    mean: f64,
    sd: f64,
    /// The sd of the best Gaussian with independent components.
    alone: Option<f64>,
}

struct Case {
    name: String,
    source: String,
    kind: String,
    scalars: Vec<Scalar>,
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(root().join("tests/posteriors/reference/posteriors.json")).unwrap();
    let references: Value = serde_json::from_str(&text).unwrap();
    let case = |path: std::path::PathBuf| {
        let source = std::fs::read_to_string(&path).unwrap();
        let header = |key: &str| {
            let line = source.lines().find_map(|l| l.strip_prefix(&format!("# {key}: ")));
            line.unwrap_or_else(|| panic!("{} does not say its {key}", path.display())).to_owned()
        };
        let figures = references[header("reference")].as_object().unwrap();
        let scalars = figures.iter().map(|(name, f)| Scalar {
            name: name.clone(),
            mean: f["mean"].as_f64().unwrap(),
            sd: f["sd"].as_f64().unwrap(),
            alone: f["gaussian_meanfield_sd"].as_f64(),
        });
        Case {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            kind: header("kind"),
            scalars: scalars.collect(),
            source,
        }
    };
    programs("tests/posteriors").into_iter().map(case).collect()
}

/// The mean and the sd of a scalar, `beta[2]` counted from one, in a table of ours.
fn figure(table: &Value, name: &str) -> (f64, f64) {
    let (name, place) = match name.split_once('[') {
        Some((name, rest)) => (name, Some(rest.trim_end_matches(']').parse::<usize>().unwrap() - 1)),
        None => (name, None),
    };
    let read = |what: &str| {
        let value = &table[name][what];
        place.map_or(value, |k| &value[k]).as_f64().unwrap_or_else(|| panic!("{name} is not in the table"))
    };
    (read("mean"), read("sd"))
}

/// How far a table is off, at worst: means in sd of the reference, and sds as ratios, less what is allowed a scalar.
fn worst(table: &Value, case: &Case, target: impl Fn(&Scalar) -> f64) -> (f64, f64) {
    let mut worst = (0.0f64, 0.0f64);
    for scalar in &case.scalars {
        let (mean, sd) = figure(table, &scalar.name);
        // A noise scale of 46 observations: the KL-optimal variance of log σ falls short by 1/(2n).
        let slack = if case.name == "logmesquite_logvolume" && scalar.name == "sigma" { 0.02 } else { 0.0 };
        worst.0 = worst.0.max((mean - scalar.mean).abs() / scalar.sd);
        worst.1 = worst.1.max((sd / target(scalar) - 1.0).abs() - slack);
    }
    worst
}

/// Fits of a source with each seed.
fn fits(source: &str) -> Vec<Value> {
    let out = tempfile::tempdir().unwrap();
    let one = |seed: u32| {
        let mut command = fe(&root().join("tests/posteriors"));
        command.args(["run", "-", "--json", "--quiet", "--seed", &seed.to_string(), "--out"]).arg(out.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(code(&output), 0, "{source}\n{}", stderr(&output));
        serde_json::from_str(&stdout(&output)).unwrap()
    };
    (0..SEEDS).map(one).collect()
}

#[test]
fn nearly_gaussian_posteriors() {
    let (mut trusted, mut all) = (0, 0);
    for case in cases().iter().filter(|c| c.kind == "gaussian") {
        for (seed, fit) in fits(&case.source).iter().enumerate() {
            let (mean, sd) = worst(&fit["posterior"], case, |s| s.sd);
            assert!(mean <= 0.05 && sd <= 0.05, "{}, seed {seed}: mean off by {mean} sd, sd by {sd}", case.name);
            all += 1;
            trusted += u32::from(fit["verdict"]["trusted"] == true);
        }
    }
    assert!(trusted * 10 >= all * 9, "{trusted} of {all} fits are said to be good");
}

#[test]
fn independent_components() {
    for case in cases().iter().filter(|c| c.kind == "gaussian") {
        let names: Vec<&str> =
            case.source.lines().filter_map(|l| l.strip_prefix("latent ")?.split([' ', '[']).next()).collect();
        let source = format!("{}\nguide {} ~ MeanField()\n", case.source, names.join(", "));
        for (seed, fit) in fits(&source).iter().enumerate() {
            let (mean, sd) = worst(&fit["posterior"], case, |s| s.alone.unwrap());
            assert!(mean <= 0.05 && sd <= 0.05, "{}, seed {seed}: mean off by {mean} sd, sd by {sd}", case.name);
            // What linear response says is left out is what the reference has more.
            let factor = fit["verdict"]["mean_field"]["factor"].as_f64().unwrap();
            let known = case.scalars.iter().map(|s| s.sd / s.alone.unwrap()).fold(0.0, f64::max);
            assert!((factor / known - 1.0).abs() <= 0.05, "{}, seed {seed}: {factor} and not {known}", case.name);
        }
    }
}

#[test]
fn posteriors_that_are_not_gaussian() {
    for case in cases().iter().filter(|c| c.kind == "resampled") {
        for (seed, fit) in fits(&case.source).iter().enumerate() {
            let table = &fit["posterior_resampled"];
            if table.is_null() {
                assert!(fit["verdict"]["trusted"] == false, "{}, seed {seed}", case.name);
                continue;
            }
            let (mean, sd) = worst(table, case, |s| s.sd);
            assert!(mean <= 0.2 && sd <= 0.15, "{}, seed {seed}: mean off by {mean} sd, sd by {sd}", case.name);
        }
    }
}

/// A hierarchy written with its effects around their mean is fitted as well as one that is written with standard effects:
/// its table is there to be resampled with every seed. Refused, the funnel is missed, and that is said.
#[test]
fn centred_schools() {
    let all = cases();
    let case = all.iter().find(|c| c.name == "eight_schools_centered").unwrap();
    for (seed, fit) in fits(&case.source).iter().enumerate() {
        let table = &fit["posterior_resampled"];
        assert!(!table.is_null() && fit["verdict"]["trusted"] == true, "seed {seed}");
        let (mean, sd) = worst(table, case, |s| s.sd);
        assert!(mean <= 0.2 && sd <= 0.15, "seed {seed}: mean off by {mean} sd, sd by {sd}");
    }
    let refused = case.source.replace("Normal(mu, tau)", "Normal(mu, tau) by centred");
    assert_ne!(refused, case.source);
    for (seed, fit) in fits(&refused).iter().enumerate() {
        assert_eq!(fit["verdict"]["trusted"], false, "seed {seed}");
    }
}
