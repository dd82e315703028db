//! A run is whole or says that it is not, whatever ends its process at whichever moment; and a fit that is gone on with ends where
//! one that was let alone does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fe_pipeline::Finished;
use tempfile::TempDir;

use crate::common::{RUN_FILES, code, fe, full, run, stderr, stdout};

/// Moments at which a process is killed.
fn moments() -> u32 {
    if full() { 60 } else { 2 }
}

const FIRST: &str = "model first\ndata y[N] = [1, 2, 4]\nlatent m ~ Normal(0, 1)\nobserve y ~ Normal(m, 1)\n";
const SECOND: &str = "model second\ndata y[N] = [5, 2, 4, 3]\nlatent m ~ Normal(0, 3)\nlatent s ~ HalfNormal(1)\n\
                      observe y ~ Normal(m, s)\n";

fn desk() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("first.fe"), FIRST).unwrap();
    std::fs::write(folder.path().join("second.fe"), SECOND).unwrap();
    folder
}

/// Which run a folder holds, all of whose files are of it.
fn holds(folder: &Path) -> String {
    let run = Finished::read(folder).unwrap_or_else(|e| panic!("{e}"));
    let document = run.document().unwrap_or_else(|e| panic!("{e}"));
    assert!(run.text.source.contains(&format!("model {}", document.model)));
    run.trace().unwrap();
    document.model
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

fn second(folder: &Path, fault: Option<String>) -> std::process::Output {
    let mut command = fe(folder);
    command.args(["run", "second.fe", "--out", "run", "--force", "--quiet", "--checkpoint", "0"]);
    fault.map(|f| command.env("FE_FAULT", f));
    command.output().unwrap()
}

/// Every step of writing in the full run, and in the everyday one some.
fn steps() -> impl Iterator<Item = usize> {
    (1..400).step_by(if full() { 1 } else { 16 })
}

/// A desk with a run of the first program.
fn desk_with_a_run() -> TempDir {
    let folder = desk();
    let output = fe(folder.path()).args(["run", "first.fe", "--out", "run", "--quiet"]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    folder
}

/// Makes a folder what another one is.
fn restored(from: &Path, to: &Path) {
    for name in names(to) {
        let path = to.join(&name);
        if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
    }
    for name in names(from) {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            std::fs::create_dir(&to).unwrap();
            restored(&from, &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}

/// The process is killed at each step of writing, over a run of another program.
#[test]
fn a_run_that_is_killed_at_any_step_of_writing_leaves_the_old_one_or_the_new_one() {
    let (mut old, mut new) = (0, 0);
    let (before, folder) = (desk_with_a_run(), desk());
    let run = folder.path().join("run");
    for step in steps() {
        restored(before.path(), folder.path());
        let output = second(folder.path(), Some(format!("kill:{step}")));
        let killed = output.status.code().is_none();
        match holds(&run).as_str() {
            "first" => old += 1,
            "second" => new += 1,
            other => panic!("{other}"),
        }
        // Whatever was left, the next run is whole, and nothing else stays.
        let output = second(folder.path(), None);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        assert_eq!(holds(&run), "second");
        assert_eq!(names(&run), RUN_FILES, "after a kill at step {step}");
        assert_eq!(names(folder.path()), ["first.fe", "run", "second.fe"]);
        if !killed {
            assert!(old > 1 && new > 0, "{old} and {new}");
            return;
        }
    }
    panic!("writing does not end");
}

/// The disk is full from each step of writing on.
#[test]
fn a_full_disk_leaves_the_old_run_as_it_was() {
    let (before, folder) = (desk_with_a_run(), desk());
    let run = folder.path().join("run");
    for step in steps() {
        restored(before.path(), folder.path());
        let output = second(folder.path(), Some(format!("full:{step}")));
        if code(&output) == 0 {
            assert!(step > 20, "{step}");
            return;
        }
        assert_eq!(code(&output), 2, "{}", stderr(&output));
        let said = stderr(&output);
        assert!(said.contains("run") && said.contains("cannot be"), "{said}");
        holds(&run);
    }
    panic!("writing does not end");
}

#[test]
fn draws_that_do_not_fit_the_disk_cost_nothing_else() {
    let folder = desk();
    let run = folder.path().join("run");
    assert_eq!(code(&second(folder.path(), None)), 0);
    let size = |name: &str| std::fs::metadata(run.join(name)).unwrap().len();
    let others = RUN_FILES.iter().filter(|n| **n != "posterior.nc").map(|n| size(n)).max().unwrap();
    assert!(size("posterior.nc") > others, "draws are the largest file of this run");
    let output = second(folder.path(), Some(format!("room:{others}")));
    assert_eq!(code(&output), 2);
    let said = stderr(&output);
    assert!(said.contains("run/posterior.nc cannot be written") && said.contains("everything else"), "{said}");
    assert_eq!(holds(&run), "second");
    assert_eq!(names(&run), RUN_FILES.iter().filter(|n| **n != "posterior.nc").copied().collect::<Vec<_>>());
    assert_eq!(names(folder.path()), ["first.fe", "run", "second.fe"]);
}

/// A fit by steps that takes a second or two, and writes its state at every call.
const SPIKES: &str = "model spikes\ndim K = 24\ndata x[N, D] = json(\"x.json\", \"x\")\n\
param u[K] = uniform(-2, -1)\nparam E[D, K] = normal(0, 0.2)\nparam W[K, D] = normal(0, 0.2)\n\
latent z[N, K] ~ Poisson(exp(u))\nguide z ~ Poisson(exp(u + x @ E))\nobserve x ~ Normal(z @ W, 0.7)\n\
train { optimizer = adam(lr = cosine(0.01, 0))  batch = 50  steps = 4000  holdout = 10% }\n";

/// A desk with that program.
fn spikes() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("spikes.fe"), SPIKES).unwrap();
    let number = |i: usize| f64::from(u32::try_from((i * 7919 + i * i * 31) % 1009).unwrap()) / 252.0 - 2.0;
    let rows: Vec<Vec<f64>> = (0..400).map(|r| (0..16).map(|c| number(16 * r + c)).collect()).collect();
    std::fs::write(folder.path().join("x.json"), serde_json::json!({ "x": rows }).to_string()).unwrap();
    folder
}

fn started(folder: &Path, more: &[&str]) -> Child {
    let mut command = fe(folder);
    command.args(["run", "spikes.fe", "--out", "run", "--threads", "1", "--quiet", "--checkpoint", "0"]).args(more);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What a run's files hold, without times.
pub fn lasting(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for name in ["params.safetensors", "posterior.nc", "model.fe"] {
        files.insert(name.to_owned(), std::fs::read(run.join(name)).unwrap());
    }
    let mut fit: serde_json::Value = serde_json::from_slice(&std::fs::read(run.join("fit.json")).unwrap()).unwrap();
    fit.as_object_mut().unwrap().remove("seconds");
    files.insert("fit.json".into(), fit.to_string().into_bytes());
    let trace = std::fs::read_to_string(run.join("trace.csv")).unwrap();
    // Step, seconds, and the rest.
    let rest =
        |line: &str| line.splitn(3, ',').enumerate().filter(|(k, _)| *k != 1).map(|(_, c)| c.to_owned()).collect();
    let lines: Vec<Vec<String>> = trace.lines().map(rest).collect();
    files.insert("trace.csv".into(), format!("{lines:?}").into_bytes());
    files
}

fn whole_run(folder: &Path) -> (PathBuf, Duration) {
    let clock = Instant::now();
    let output = started(folder, &[]).wait_with_output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let whole = folder.join("whole");
    std::fs::rename(folder.join("run"), &whole).unwrap();
    (whole, clock.elapsed())
}

/// kill −9 at moments spread over a fit, each followed by another one in what is left, and by a resumption to the end.
#[test]
fn a_fit_that_is_killed_at_any_moment_is_gone_on_with_bit_for_bit() {
    let folder = spikes();
    let (whole, took) = whole_run(folder.path());
    let expected = lasting(&whole);
    let count = moments();
    let mut gone_on = 0;
    for moment in 0..count {
        for part in [f64::from(moment) + 0.5, f64::from(count) * 0.3] {
            let mut child = started(folder.path(), &["--resume"]);
            std::thread::sleep(took.mul_f64(part / f64::from(count)));
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            assert!(output.stdout.is_empty(), "{}", stdout(&output));
        }
        let mut resumed = fe(folder.path());
        resumed.args(["run", "spikes.fe", "--out", "run", "--threads", "2", "--resume"]);
        let output = resumed.output().unwrap();
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        gone_on += usize::from(stderr(&output).contains("goes on after") || stderr(&output).contains("is done"));
        let found = lasting(&folder.path().join("run"));
        for (name, bytes) in &expected {
            // Threads are a fact of the process.
            let same = |b: &[u8]| String::from_utf8_lossy(b).replace("\"threads\":2", "\"threads\":1");
            assert!(same(&found[name]) == same(bytes), "{name} differs after a kill at moment {moment} of {count}");
        }
        assert_eq!(names(folder.path()), ["run", "spikes.fe", "whole", "x.json"]);
        std::fs::remove_dir_all(folder.path().join("run")).unwrap();
    }
    assert!(gone_on * 2 > count as usize, "{gone_on} of {count} had something to go on with");
}

/// The same of a sweep: points that are done are kept, and the one in hand is gone on with.
#[test]
fn a_sweep_that_is_killed_at_any_moment_is_gone_on_with_bit_for_bit() {
    let folder = spikes();
    let program = SPIKES.replace("steps = 4000", "steps = 900");
    let program = format!("const beta = 1\n{program}").replace("train {", "minimize distortion + beta * rate\ntrain {");
    std::fs::write(folder.path().join("spikes.fe"), program).unwrap();
    let begun = |out: &str| {
        let mut command = fe(folder.path());
        command.args(["sweep", "spikes.fe", "--over", "beta=0.5,1,2", "--jobs", "1", "--threads", "1", "--out", out]);
        command.args(["--resume", "--checkpoint", "0", "--quiet"]).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let ended = |child: Child| {
        let output = child.wait_with_output().unwrap();
        assert_eq!(code(&output), 0, "{}", stderr(&output));
    };
    let clock = Instant::now();
    ended(begun("whole"));
    let took = clock.elapsed();
    let (whole, run) = (folder.path().join("whole"), folder.path().join("run"));
    let count = moments().div_ceil(2);
    for moment in 0..count {
        for part in [f64::from(moment) + 0.5, f64::from(count) * 0.3] {
            let mut child = begun("run");
            std::thread::sleep(took.mul_f64(part / f64::from(count)));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        ended(begun("run"));
        assert_eq!(names(&run), names(&whole), "after a kill at moment {moment} of {count}");
        for point in ["beta=0.5", "beta=1", "beta=2"] {
            let (found, expected) = (lasting(&run.join(point)), lasting(&whole.join(point)));
            for (name, bytes) in &expected {
                assert!(found[name] == *bytes, "{name} of {point} differs after a kill at moment {moment} of {count}");
            }
        }
        std::fs::remove_dir_all(&run).unwrap();
    }
}

/// The same at each step of writing, with a sweep whose fits take no time: its own files are among those that are written.
#[test]
fn a_sweep_that_is_killed_at_any_step_of_writing_leaves_nothing_else() {
    let folder = desk();
    let program = format!("const m0 = 0\n{}", FIRST.replace("Normal(0, 1)", "Normal(m0, 1)"));
    std::fs::write(folder.path().join("first.fe"), program).unwrap();
    let swept = |fault: Option<String>| {
        let mut command = fe(folder.path());
        command.args(["sweep", "first.fe", "--over", "m0=0,1", "--jobs", "1", "--threads", "1", "--out", "run"]);
        fault.map(|f| command.env("FE_FAULT", f));
        command.args(["--resume", "--checkpoint", "0", "--quiet"]).output().unwrap()
    };
    let run = folder.path().join("run");
    assert_eq!(code(&swept(None)), 0);
    let whole = names(&run);
    for step in (1..400).step_by(if full() { 1 } else { 9 }) {
        std::fs::remove_dir_all(&run).unwrap();
        let killed = swept(Some(format!("kill:{step}"))).status.code().is_none();
        let output = swept(None);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        assert_eq!(names(&run), whole, "after a kill at step {step}");
        assert_eq!(names(folder.path()), ["first.fe", "run", "second.fe"]);
        for point in ["m0=0", "m0=1"] {
            assert_eq!(
                (holds(&run.join(point)), names(&run.join(point))),
                ("first".into(), RUN_FILES.map(String::from).into())
            );
        }
        if !killed {
            assert!(step > 40, "{step}");
            return;
        }
    }
    panic!("writing does not end");
}

fn signal(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn a_signal_ends_a_fit_at_once_with_what_it_has_and_what_goes_on_from_there() {
    let folder = spikes();
    let (whole, took) = whole_run(folder.path());
    let run = folder.path().join("run");
    for (sent, exit) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let mut child = started(folder.path(), &[]);
        // Steps are being made where a state was kept.
        while !folder.path().join("run.part/checkpoint/fit.bin").exists() {
            assert!(child.try_wait().unwrap().is_none(), "it is over");
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(took.mul_f64(0.02));
        let clock = Instant::now();
        signal(&child, sent);
        let output = child.wait_with_output().unwrap();
        let after = clock.elapsed();
        assert_eq!(output.status.code(), Some(exit), "{}", stderr(&output));
        // Two seconds, and a machine that is not idle.
        assert!(after < Duration::from_secs(6), "{sent} took {after:?}");
        let fit: serde_json::Value = serde_json::from_slice(&std::fs::read(run.join("fit.json")).unwrap()).unwrap();
        assert_eq!(fit["verdict"]["interrupted"], true);
        assert!(run.join("checkpoint/fit.bin").exists());
        assert!(names(&run).iter().all(|n| n == "checkpoint" || RUN_FILES.contains(&n.as_str())));
        // Its report alone, again.
        let output = started(folder.path(), &["--resume", "--finish"]).wait_with_output().unwrap();
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        let again: serde_json::Value = serde_json::from_slice(&std::fs::read(run.join("fit.json")).unwrap()).unwrap();
        assert_eq!((&again["steps"], &again["free_energy"]), (&fit["steps"], &fit["free_energy"]));
        let output = started(folder.path(), &["--resume"]).wait_with_output().unwrap();
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        assert_eq!(lasting(&run), lasting(&whole));
        assert_eq!(names(&run), RUN_FILES);
        std::fs::remove_dir_all(&run).unwrap();
    }
}

#[test]
fn two_do_not_write_one_run() {
    let folder = spikes();
    let mut first = started(folder.path(), &[]);
    let part = folder.path().join("run.part");
    while !part.join("lock").exists() {
        assert!(first.try_wait().unwrap().is_none(), "it is over");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(50));
    let second = started(folder.path(), &[]).wait_with_output().unwrap();
    assert_eq!(code(&second), 2);
    let said = stderr(&second);
    assert!(said.contains(&format!("run is being written by process {}", first.id())), "{said}");
    assert_eq!(code(&first.wait_with_output().unwrap()), 0);
    assert_eq!(holds(&folder.path().join("run")), "spikes");
}

/// Without a folder of its own, a second one takes another; and one that was killed is found by `--resume`.
#[test]
fn runs_without_a_name_of_their_own_keep_out_of_each_others_way() {
    let folder = desk();
    let run = |more: &[&str]| {
        let output = fe(folder.path()).args(["run", "second.fe", "--checkpoint", "0"]).args(more).output().unwrap();
        (output.status.code(), stderr(&output) + &stdout(&output))
    };
    let killed = fe(folder.path())
        .args(["run", "second.fe", "--quiet", "--checkpoint", "0"])
        .env("FE_FAULT", "kill:12")
        .output()
        .unwrap();
    assert!(killed.status.code().is_none());
    let report = fe(folder.path()).args(["report", "runs/second"]).output().unwrap();
    assert!(stderr(&report).contains("holds no finished run"), "{}", stderr(&report));
    let (exit, said) = run(&[]);
    assert_eq!(exit, Some(0));
    assert!(said.contains("runs/second holds this fit as it was ended; `--resume` goes on with it"), "{said}");
    assert!(said.contains("saved in runs/second-2"), "{said}");
    let (exit, said) = run(&["--resume"]);
    assert_eq!(exit, Some(0));
    assert!(said.contains("the fit in runs/second goes on after"), "{said}");
    let (exit, said) = run(&["--resume"]);
    assert_eq!(exit, Some(0));
    assert!(said.contains("the fit in runs/second is done: there is nothing to go on with"), "{said}");
    assert!(said.contains("saved in runs/second\n"), "{said}");
}

#[test]
fn values_that_the_writer_of_netcdf_does_not_take_cost_nothing_else() {
    if !full() {
        return;
    }
    let there = tempfile::tempdir().unwrap();
    let lets: String = (0..10_000).map(|i| format!("let a{i} = z * {i}\n")).collect();
    let program = format!("data y[N] = [1, 2]\nlatent z ~ Normal(0, 1)\n{lets}observe y ~ Normal(z, 1)\n");
    std::fs::write(there.path().join("m.fe"), program).unwrap();
    let output = run(there.path(), &["run", "m.fe", "--quiet", "--out", "run"]);
    assert_eq!(code(&output), 2);
    let said = stderr(&output);
    assert!(said.contains("posterior.nc") && said.contains("everything else of the run is there"), "{said}");
    let there = there.path().join("run");
    assert!(
        there.join("fit.json").exists() && there.join("report.html").exists() && !there.join("posterior.nc").exists()
    );
}
