//! The reference posteriors of `tests/posteriors`: long NUTS runs of posteriordb's, against our tables, ten seeds each.
//!
//! `gaussian`: the posterior is nearly Gaussian, and the guide's own table is held to it, full-rank and mean-field.
//! `resampled`: it is not, and the importance-resampled table is held to it, or the verdict warns.

use std::sync::Arc;

use serde_json::Value;

use crate::common::{fe, root};
use crate::fits::{Options, Outcome, Program, shared};
use crate::trials::{Tier, Trials};

const SEEDS: u64 = 10;

/// One scalar of a posterior.
struct Scalar {
    name: String,
    mean: f64,
    sd: f64,
    /// The sd of the best Gaussian with independent components.
    alone: Option<f64>,
}

struct Case {
    program: Program,
    kind: String,
    scalars: Vec<Scalar>,
}

fn cases() -> Vec<Arc<Case>> {
    let text = std::fs::read_to_string(root().join("tests/posteriors/reference/posteriors.json")).unwrap();
    let references: Value = serde_json::from_str(&text).unwrap();
    let case = |program: Program| {
        let header =
            |key: &str| program.header(key).unwrap_or_else(|| panic!("{} does not say its {key}", program.name));
        let figures = references[header("reference")].as_object().unwrap();
        let scalars = figures.iter().map(|(name, f)| Scalar {
            name: name.clone(),
            mean: f["mean"].as_f64().unwrap(),
            sd: f["sd"].as_f64().unwrap(),
            alone: f["gaussian_meanfield_sd"].as_f64(),
        });
        Arc::new(Case { kind: header("kind").to_owned(), scalars: scalars.collect(), program })
    };
    Program::all_of("tests/posteriors").into_iter().map(case).collect()
}

/// The mean and the sd of a scalar in a table of ours.
fn figure(table: &Value, name: &str) -> (f64, f64) {
    (number(table, name, "mean"), number(table, name, "sd"))
}

/// A number of a scalar, `beta[2]` counted from one.
fn number(table: &Value, name: &str, what: &str) -> f64 {
    let (name, place) = match name.split_once('[') {
        Some((name, rest)) => (name, Some(rest.trim_end_matches(']').parse::<usize>().unwrap() - 1)),
        None => (name, None),
    };
    let value = &table[name][what];
    place.map_or(value, |k| &value[k]).as_f64().unwrap_or_else(|| panic!("{name} is not in the table"))
}

/// How far a table is off, at worst: means in sd of the reference, and sds as ratios, less what is allowed a scalar.
fn worst(table: &Value, case: &Case, target: impl Fn(&Scalar) -> f64) -> (f64, f64) {
    let mut worst = (0.0f64, 0.0f64);
    for scalar in &case.scalars {
        let (mean, sd) = figure(table, &scalar.name);
        // A noise scale of 46 observations: the KL-optimal variance of log σ falls short by 1/(2n).
        let slack = if case.program.name == "logmesquite_logvolume" && scalar.name == "sigma" { 0.02 } else { 0.0 };
        worst.0 = worst.0.max((mean - scalar.mean).abs() / scalar.sd);
        worst.1 = worst.1.max((sd / target(scalar) - 1.0).abs() - slack);
    }
    worst
}

/// A fit with a seed. With seed 0 it is made from several starts; the starts of other seeds add nothing to what is held
/// here, which is one optimum.
fn fitted(program: &Program, seed: u64) -> Arc<Outcome> {
    let alone = program.with(format!("{}\ntrain {{ starts = 1 }}\n", program.source));
    shared(if seed == 0 { program } else { &alone }, &Options::seed(seed))
}

/// The guide's own table is held to a posterior that is nearly Gaussian.
fn nearly_gaussian(case: &Case, seed: u64) {
    let fit = &fitted(&case.program, seed).document;
    let (mean, sd) = worst(&fit["posterior"], case, |s| s.sd);
    assert!(mean <= 0.05 && sd <= 0.05, "mean off by {mean} sd, sd by {sd}");
}

/// Nine in ten of the fits to posteriors that are nearly Gaussian are said to be good.
fn nearly_all_are_trusted(cases: &[Arc<Case>]) {
    let of = |case: &Arc<Case>| (0..SEEDS).map(|seed| fitted(&case.program, seed)).collect::<Vec<_>>();
    let fits: Vec<_> = cases.iter().filter(|c| c.kind == "gaussian").flat_map(of).collect();
    let trusted = fits.iter().filter(|fit| fit.document["verdict"]["trusted"] == true).count();
    assert!(trusted * 10 >= fits.len() * 9, "{trusted} of {} fits are said to be good", fits.len());
}

/// A guide of independent components, against the best there is.
fn independent_components(case: &Case, seed: u64) {
    let source = &case.program.source;
    let names: Vec<&str> = source.lines().filter_map(|l| l.strip_prefix("latent ")?.split([' ', '[']).next()).collect();
    let program = case.program.with(format!("{source}\nguide {} ~ MeanField()\n", names.join(", ")));
    let fit = &fitted(&program, seed).document;
    let (mean, sd) = worst(&fit["posterior"], case, |s| s.alone.unwrap());
    assert!(mean <= 0.05 && sd <= 0.05, "mean off by {mean} sd, sd by {sd}");
    // What linear response says is left out is what the reference has more.
    let factor = fit["verdict"]["mean_field"]["factor"].as_f64().unwrap();
    let known = case.scalars.iter().map(|s| s.sd / s.alone.unwrap()).fold(0.0, f64::max);
    assert!((factor / known - 1.0).abs() <= 0.05, "{factor} and not {known}");
}

/// The resampled table is held to a posterior that is not Gaussian, or the verdict warns.
fn not_gaussian(case: &Case, seed: u64) {
    let fit = &fitted(&case.program, seed).document;
    let table = &fit["posterior_resampled"];
    if table.is_null() {
        assert_eq!(fit["verdict"]["trusted"], false);
        return;
    }
    let (mean, sd) = worst(table, case, |s| s.sd);
    assert!(mean <= 0.2 && sd <= 0.15, "mean off by {mean} sd, sd by {sd}");
}

/// A hierarchy written with its effects around their mean is fitted as well as one that is written with standard effects:
/// its table is there to be resampled with every seed.
fn centred_schools(case: &Case, seed: u64) {
    let fit = &fitted(&case.program, seed).document;
    assert!(!fit["posterior_resampled"].is_null() && fit["verdict"]["trusted"] == true);
    not_gaussian(case, seed);
}

/// Where that is refused, the funnel is right in the table to read, or what is missed of it is said.
fn as_written_the_funnel_is_right_or_flagged(case: &Case, seed: u64) {
    let refused = case.program.source.replace("Normal(mu, tau)", "Normal(mu, tau) by centred");
    assert_ne!(refused, case.program.source);
    let fit = &fitted(&case.program.with(refused), seed).document;
    if fit["verdict"]["trusted"] == true {
        let (mean, sd) = worst(&fit["posterior_resampled"], case, |s| s.sd);
        assert!(mean <= 0.1 && sd <= 0.1, "mean off by {mean} sd, sd by {sd}");
    }
}

/// The draws behind a reference: means of so many that are independent.
const REFERENCE: f64 = 10_000.0;

/// The chains of `fe verify` end where the reference's do, within three standard errors of both, and say that the fit is right.
fn verified(case: &Case) {
    let folder = tempfile::tempdir().unwrap();
    let path = root().join("tests/posteriors").join(format!("{}.fe", case.program.name));
    let run = fe(folder.path()).arg("run").arg(&path).args(["--quiet", "--out", "fit"]).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let found = fe(folder.path()).args(["verify", "fit", "--json"]).output().unwrap();
    let found: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(found["outcome"], "agrees", "{found}");
    for scalar in &case.scalars {
        let at = |what: &str| number(&found["values"], &scalar.name, what);
        let error = (at("mean_error").powi(2) + scalar.sd.powi(2) / REFERENCE).sqrt();
        let off = (at("chains_mean") - scalar.mean).abs() / error;
        assert!(off <= 3.0, "the mean of {} is {off:.1} standard errors off", scalar.name);
    }
}

/// What one case is held to with one seed.
type Check = fn(&Case, u64);

/// Each case with each seed; the first seed alone everyday.
pub fn trials(trials: &mut Trials) {
    let cases = cases();
    for seed in 0..SEEDS {
        for case in &cases {
            let checks: &[(&str, Check)] = match (case.kind.as_str(), case.program.name.as_str()) {
                ("gaussian", _) => &[("", nearly_gaussian), ("independent components, ", independent_components)],
                (_, "eight_schools_centered") => {
                    &[("", centred_schools), ("as written, ", as_written_the_funnel_is_right_or_flagged)]
                }
                ("resampled", _) => &[("", not_gaussian)],
                (kind, name) => panic!("{name} is of no known kind: {kind}"),
            };
            for &(how, check) in checks {
                let case = Arc::clone(case);
                let (name, tier) = (&case.program.name, Tier::of(seed > 0 || case.program.slow()));
                trials.add(format!("posteriors::{name}::{how}seed {seed}"), tier, move || check(&case, seed));
            }
        }
    }
    for case in &cases {
        let case = Arc::clone(case);
        trials.add(format!("posteriors::{}::verified", case.program.name), Tier::Slow, move || verified(&case));
    }
    trials.add("posteriors::nearly all are trusted", Tier::Slow, move || nearly_all_are_trusted(&cases));
}
