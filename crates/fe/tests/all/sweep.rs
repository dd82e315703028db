//! `fe sweep`: curves with known answers, their certificate, and what a sweep leaves on disk.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::common::*;
use serde_json::Value;

/// A Gaussian source: at a price β of a nat D = β/2 and R = ½ log(2 m₂/β), m₂ = 1.3 being the second moment.
const PRICED: &str = "\
const beta = 1
data x[N] = [1, -1, 2, 0.5, -0.5]
latent z[N] ~ Normal(0, 1)
param g = 1
param h = 0
param c = 1
guide z ~ Normal(g * x, exp(h))
loss d = (x - c * z)^2
minimize distortion + beta * rate
";

/// The same under a budget.
fn budgeted() -> String {
    PRICED.replace("beta = 1", "budget = 1 bits").replace("+ beta * rate", "subject to rate <= budget")
}

const SECOND_MOMENT: f64 = 1.3;

struct Swept {
    folder: tempfile::TempDir,
    output: Output,
}

impl Swept {
    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.out().join("sweep.json")).unwrap()).unwrap()
    }

    fn again(&mut self, arguments: &[&str]) {
        self.output = sweep_in(self.folder.path(), arguments);
    }

    fn said(&self) -> String {
        stderr(&self.output)
    }
}

fn sweep_in(folder: &Path, arguments: &[&str]) -> Output {
    let all: Vec<&str> = ["sweep", "model.fe", "--out", "out"].iter().chain(arguments).copied().collect();
    run(folder, &all)
}

fn sweep(program: &str, arguments: &[&str]) -> Swept {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.fe"), program).unwrap();
    let output = sweep_in(folder.path(), arguments);
    Swept { folder, output }
}

fn ok(swept: &Swept) {
    assert!(swept.output.status.success(), "{}", swept.said());
}

fn near(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() < tolerance, "{found} and not {expected}");
}

#[test]
fn prices_trace_the_curve_and_the_certificate_holds() {
    let swept = sweep(PRICED, &["--over", "beta=0.1..1.6:5"]);
    ok(&swept);
    let json = swept.json();
    let points = json["points"].as_array().unwrap();
    assert_eq!(points.len(), 5);
    for p in points {
        let beta = at(p, "beta");
        near(at(p, "distortion"), beta / 2.0, 1e-6);
        near(at(p, "rate"), 0.5 * (2.0 * SECOND_MOMENT / beta).ln(), 1e-6);
        assert_eq!(p["converged"], true);
    }
    let pairs = json["certificate"].as_array().unwrap();
    assert_eq!(pairs.len(), 4);
    for (pair, two) in pairs.iter().zip(points.windows(2)) {
        let slope =
            (at(&two[1], "distortion") - at(&two[0], "distortion")) / (at(&two[0], "rate") - at(&two[1], "rate"));
        near(at(pair, "slope"), slope, 1e-9);
        assert_eq!(pair["holds"], true);
        assert_eq!((at(pair, "from"), at(pair, "to")), (at(&two[0], "beta"), at(&two[1], "beta")));
    }
    // The table has a row for each, under its names.
    let csv = std::fs::read_to_string(swept.out().join("sweep.csv")).unwrap();
    assert_eq!(csv.lines().count(), 6);
    assert!(csv.starts_with("beta,free_energy,distortion,rate,rate_bits,"), "{csv}");
    // And each point is a run like any other.
    let run = swept.out().join("beta=0.1");
    let fit: Value = serde_json::from_slice(&std::fs::read(run.join("fit.json")).unwrap()).unwrap();
    assert_eq!(at(&fit, "distortion"), at(&points[0], "distortion"));
}

#[test]
fn a_budget_is_swept_and_its_multipliers_certify() {
    let swept = sweep(&budgeted(), &["--over", "budget=0.5,1,2,3 bits"]);
    ok(&swept);
    let json = swept.json();
    for p in json["points"].as_array().unwrap() {
        let bits = at(p, "budget");
        let known = SECOND_MOMENT * (-2.0 * bits * std::f64::consts::LN_2).exp();
        near(at(p, "distortion"), known, 1e-5);
        // 2 D a nat, and so 2 D log 2 a bit.
        near(at(p, "constraints.0.multiplier"), 2.0 * known * std::f64::consts::LN_2, 1e-4);
    }
    assert_eq!(json["units"], serde_json::json!(["bits"]));
    let pairs = json["certificate"].as_array().unwrap();
    assert!(pairs.len() == 3 && pairs.iter().all(|p| p["holds"] == true), "{pairs:?}");
    // Without a unit, that of the program.
    let plain = sweep(&budgeted(), &["--over", "budget=0.5,1"]);
    ok(&plain);
    near(at(&plain.json()["points"][0], "distortion"), at(&json["points"][0], "distortion"), 1e-9);
}

#[test]
fn the_numbers_do_not_depend_on_threads_or_jobs() {
    let figures = |arguments: &[&str]| {
        let mut all = vec!["--over", "beta=0.1..1.6:5"];
        all.extend(arguments);
        let swept = sweep(PRICED, &all);
        ok(&swept);
        let of = |p: &Value| ["distortion", "rate", "objective_value"].map(|k| at(p, k));
        swept.json()["points"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    let one = figures(&["--threads", "1"]);
    assert_eq!(one, figures(&["--threads", "3"]));
    assert_eq!(one, figures(&["--threads", "4", "--jobs", "2"]));
}

#[test]
fn what_is_finished_is_kept_when_it_is_the_same() {
    let over = ["--over", "beta=0.5,1,1.5"];
    let mut swept = sweep(PRICED, &over);
    ok(&swept);
    let first = swept.json();
    // An interruption: one point is not there, and another was half written.
    std::fs::remove_dir_all(swept.out().join("beta=1.5")).unwrap();
    std::fs::remove_file(swept.out().join("beta=0.5/fit.json")).unwrap();
    swept.again(&["--over", "beta=0.5,1,1.5", "--resume"]);
    ok(&swept);
    assert_eq!(swept.said().matches("done before").count(), 1, "{}", swept.said());
    for (before, after) in first["points"].as_array().unwrap().iter().zip(swept.json()["points"].as_array().unwrap()) {
        assert_eq!(before["distortion"], after["distortion"]);
    }
    // Everything is there; and more points may be asked for.
    swept.again(&["--over", "beta=0.25,0.5,1,1.5", "--resume"]);
    ok(&swept);
    // Of another program or seed nothing is kept.
    swept.again(&["--over", "beta=0.5,1,1.5", "--resume", "--seed", "5"]);
    ok(&swept);
    assert_eq!(swept.said().matches("done before").count(), 0, "{}", swept.said());
    std::fs::write(swept.folder.path().join("model.fe"), PRICED.replace("g = 1", "g = 0.5")).unwrap();
    swept.again(&["--over", "beta=0.5,1,1.5", "--resume"]);
    ok(&swept);
    assert_eq!(swept.said().matches("done before").count(), 0, "{}", swept.said());
}

/// A fit that ends too early is found out by its neighbours, and trained until they agree.
#[test]
fn a_point_that_has_not_converged_is_named_and_trained_further() {
    let program = PRICED.replace("h = 0", "h = 3") + "train { optimizer = adam(lr = 0.05)  steps = 60 }\n";
    let over = ["--over", "beta=0.2,0.3,0.4,0.6,0.8,1"];
    let mut swept = sweep(&program, &over);
    ok(&swept);
    let violations = |json: &Value| {
        let pairs = json["certificate"].as_array().unwrap().clone();
        pairs.into_iter().filter(|p| p["holds"] == false).collect::<Vec<_>>()
    };
    let broken = violations(&swept.json());
    assert!(!broken.is_empty(), "{:#}", swept.json());
    for pair in &broken {
        assert!(at(pair, "violation") > 0.0);
        let beaten = at(pair, "beaten");
        assert!(beaten == at(pair, "from") || beaten == at(pair, "to"));
    }
    let strict = sweep(&program, &["--over", "beta=0.2,0.3,0.4,0.6,0.8,1", "--strict"]);
    assert_eq!(strict.output.status.code(), Some(5), "{}", strict.said());
    swept.again(&["--over", "beta=0.2,0.3,0.4,0.6,0.8,1", "--resume", "--certify"]);
    ok(&swept);
    let json = swept.json();
    assert_eq!(violations(&json), Vec::<Value>::new(), "{json:#}");
    let notes = |p: &Value| p["notes"].as_array().is_some_and(|n| !n.is_empty());
    assert!(json["points"].as_array().unwrap().iter().any(notes));
}

#[test]
fn two_names_make_a_curve_for_each_value_of_the_second() {
    let program = "\
dim K = 2
const beta = 1
data x[N, D] = [[1, 0, 2], [0, 1, -1], [2, 1, 0], [-1, 0.5, 1]]
param E[D, K] = normal(0, 0.5)
param W[K, D] = normal(0, 0.5)
param h[K] = 0
latent z[N, K] ~ Normal(0, 1)
guide z ~ Normal(x @ E, exp(h))
observe x ~ Normal(z @ W, 0.5)
minimize distortion + beta * rate
";
    let swept = sweep(program, &["--over", "beta=0.5,1,2", "--over", "K=1,2"]);
    ok(&swept);
    let json = swept.json();
    let places: Vec<(f64, f64)> =
        json["points"].as_array().unwrap().iter().map(|p| (at(p, "beta"), at(p, "K"))).collect();
    assert_eq!(places, [(0.5, 1.0), (1.0, 1.0), (2.0, 1.0), (0.5, 2.0), (1.0, 2.0), (2.0, 2.0)]);
    let pairs = json["certificate"].as_array().unwrap();
    assert_eq!(pairs.iter().map(|p| at(p, "along")).collect::<Vec<_>>(), [1.0, 1.0, 2.0, 2.0]);
    assert!(pairs.iter().all(|p| p["holds"] == true), "{pairs:?}");
    // Over a dim alone there is nothing to certify, and that is said.
    let swept = sweep(program, &["--over", "K=1..4:4"]);
    ok(&swept);
    let json = swept.json();
    assert_eq!((json["certifies"].is_null(), json["points"].as_array().unwrap().len()), (true, 4));
    assert!(json["notes"][0].as_str().unwrap().starts_with("no certificate: "), "{}", json["notes"]);
}

#[test]
fn a_fit_that_fails_is_one_of_many() {
    let program = PRICED.replace("x - c * z", "x - c * z / max(beta - 0.4, 0)");
    let swept = sweep(&program, &["--over", "beta=0.5,0.4,1"]);
    assert_eq!(swept.output.status.code(), Some(4), "{}", swept.said());
    let json = swept.json();
    let points = &json["points"];
    assert!(points[1]["failed"] == "this divides by zero" && points[1]["distortion"].is_null(), "{json:#}");
    assert!(points[0]["failed"].is_null() && points[2]["distortion"].is_number());
    // The two that there are make a pair.
    assert_eq!(json["certificate"].as_array().unwrap().len(), 1);
    assert!(std::fs::read_to_string(swept.out().join("sweep.csv")).unwrap().contains("failed"));
}

#[test]
fn wrong_command_lines_say_what_to_write() {
    for (arguments, said) in [
        (&["--over", "gamma=1,2"][..], "no `const` or `dim` called `gamma`; it has `beta`"),
        (&["--over", "beta=1..2"], "a..b:n"),
        (&["--over", "beta=1,2", "--over", "beta=3"], "swept twice"),
        (&["--over", "beta=1,2", "--set", "beta=3"], "both swept and set"),
        (&[], "--over"),
    ] {
        let swept = sweep(PRICED, arguments);
        assert_eq!(swept.output.status.code(), Some(2), "{arguments:?}: {}", swept.said());
        assert!(swept.said().contains(said), "{arguments:?}: {}", swept.said());
    }
    // A wrong program is shown as by any other command, before anything is fitted.
    let swept = sweep(&PRICED.replace("rate", "rates"), &["--over", "beta=1,2"]);
    assert_eq!(swept.output.status.code(), Some(1), "{}", swept.said());
}

/// Points of a sweep without what differs from command to command.
fn timeless(json: &Value) -> Vec<Value> {
    let mut points = json["points"].as_array().unwrap().clone();
    for point in &mut points {
        point.as_object_mut().unwrap().remove("seconds");
    }
    points
}

/// A shard as a process of its own, which does not outlive the test.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn output(mut self) -> Output {
        let (mut out, mut err) = (vec![], vec![]);
        std::io::Read::read_to_end(self.0.stdout.as_mut().unwrap(), &mut out).unwrap();
        std::io::Read::read_to_end(self.0.stderr.as_mut().unwrap(), &mut err).unwrap();
        Output { status: self.0.wait().unwrap(), stdout: out, stderr: err }
    }
}

fn shard(folder: &Path, over: &str, which: &str) -> Running {
    let arguments =
        ["sweep", "model.fe", "--out", "out", "--over", over, "--shard", which, "--jobs", "1", "--threads", "1"];
    let mut command = fe(folder);
    command.args(arguments).args(["--json", "--quiet"]);
    Running(command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap())
}

/// What came of a shard, as it tells.
fn ended(shard: Running) -> Value {
    let output = shard.output();
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn shards_in_one_folder_make_each_fit_once_and_the_same_as_one_process() {
    let over = "beta=0.1..1.6:9";
    let alone = sweep(PRICED, &["--over", over]);
    ok(&alone);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.fe"), PRICED).unwrap();
    let shards: Vec<_> = ["1/3", "2/3", "3/3"].map(|which| shard(folder.path(), over, which)).into();
    let said: Vec<Value> = shards.into_iter().map(ended).collect();
    let sum = |of: &str| said.iter().map(|s| at(s, of)).sum::<f64>();
    // Each is made once, whoever does; and who ends last knows that all are.
    assert_eq!(sum("made"), 9.0, "{said:?}");
    assert!(said.iter().any(|s| at(s, "left") == 0.0) && said.iter().all(|s| at(s, "points") == 9.0));
    assert!(!folder.path().join("out/sweep.json").exists(), "a share is not the sweep");
    // One more finds everything done.
    let late = ended(shard(folder.path(), over, "2/3"));
    assert_eq!((at(&late, "made"), at(&late, "found"), at(&late, "left")), (0.0, 9.0, 0.0));
    let all = sweep_in(folder.path(), &["--over", over, "--resume"]);
    assert!(all.status.success() && stderr(&all).matches("done before").count() == 9, "{}", stderr(&all));
    let json: Value = serde_json::from_slice(&std::fs::read(folder.path().join("out/sweep.json")).unwrap()).unwrap();
    assert_eq!(timeless(&json), timeless(&alone.json()));
    assert_eq!(json["certificate"], alone.json()["certificate"]);
    assert!(!folder.path().join("out/claims").exists());
}

#[test]
fn what_a_killed_shard_was_making_another_makes_and_a_collector_waits_for_the_living() {
    let folder = tempfile::tempdir().unwrap();
    // Of so many steps that it does not end by itself.
    let endless = PRICED.to_owned() + "train { optimizer = adam(lr = 0.05)  steps = 1000000000 }\n";
    std::fs::write(folder.path().join("model.fe"), &endless).unwrap();
    let claims = folder.path().join("out/claims");
    let held = || -> Vec<PathBuf> {
        let keys = std::fs::read_dir(&claims).into_iter().flatten().flatten();
        keys.flat_map(|k| std::fs::read_dir(k.path()).unwrap().flatten()).map(|e| e.path()).collect()
    };
    let killed = shard(folder.path(), "beta=0.5,1", "1/2");
    let since = std::time::Instant::now();
    while held().is_empty() {
        assert!(since.elapsed().as_secs() < 60, "no point is claimed");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let collected = sweep_in(folder.path(), &["--over", "beta=0.5,1", "--resume"]);
    let said = stderr(&collected);
    assert_eq!(code(&collected), 2, "{said}");
    assert!(said.contains(&format!("on beta=0.5 by process {}", killed.0.id())), "{said}");
    drop(killed);
    assert_eq!(held().len(), 1, "a killed process cannot tidy up");
    // The claim of the dead is taken over, by whoever comes.
    let next = shard(folder.path(), "beta=0.5,1", "1/2");
    let since = std::time::Instant::now();
    let taken = || held().iter().any(|p| p.file_name().is_some_and(|n| n == "beta=0.5.2"));
    while !taken() {
        assert!(since.elapsed().as_secs() < 60, "the dead keep their claims: {:?}", held());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    drop(next);
}

#[test]
fn a_fit_that_fails_in_a_shard_is_not_tried_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let program = PRICED.replace("x - c * z", "x - c * z / max(beta - 0.4, 0)");
    std::fs::write(folder.path().join("model.fe"), program).unwrap();
    let first = shard(folder.path(), "beta=0.5,0.4", "1/2").output();
    assert_eq!(code(&first), 4, "{}", stderr(&first));
    let share: Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!((at(&share, "made"), share["failed"].as_array().unwrap().len()), (1.0, 1), "{share}");
    let second = shard(folder.path(), "beta=0.5,0.4", "2/2").output();
    let again: Value = serde_json::from_slice(&second.stdout).unwrap();
    assert_eq!((at(&again, "made"), at(&again, "found")), (0.0, 1.0));
    assert_eq!((code(&second), &again["failed"]), (4, &share["failed"]));
    // Who collects tries once more, and says what is wrong.
    let all = sweep_in(folder.path(), &["--over", "beta=0.5,0.4", "--resume"]);
    assert_eq!(code(&all), 4, "{}", stderr(&all));
}
