//! The command line: exit codes, options, what is written where.

use std::path::Path;
use std::process::Stdio;

use crate::common::*;
use serde_json::Value;
use tempfile::TempDir;

/// A Normal mean, three data.
const MEAN: &str = "\
model mean

const sd = 1
data x[N] = csv(\"x.csv\", \"x\")
latent mu ~ Normal(0, 2)
observe x ~ Normal(mu, sd)
";

/// The same by stochastic steps over 100 rows.
const STEPS: &str = "\
model steps

data x[N] = normal_draws(1, 1, count = 100)
latent mu ~ Normal(0, 2)
param m = 0
param s = 0
guide mu ~ Normal(m, exp(s))
observe x ~ Normal(mu, 1)
train { optimizer = adam(lr = 0.01)  batch = 10  steps = 40 }
";

/// A folder with both programs and their data.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("mean.fe", MEAN);
    write("steps.fe", STEPS);
    write("x.csv", "x,y\n1,4\n2,5\n4,7\n");
    folder
}

fn document(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Asserts an exit code, an empty standard output, and words on standard error.
fn fails(folder: &Path, arguments: &[&str], expected: i32, words: &[&str]) {
    let output = run(folder, arguments);
    let said = stderr(&output);
    assert_eq!(code(&output), expected, "fe {}: {said}", arguments.join(" "));
    assert_eq!(stdout(&output), "", "fe {}", arguments.join(" "));
    for word in words {
        assert!(said.contains(word), "`{word}` is missing in: {said}");
    }
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let folder = folder();
    let fails = |arguments: &[&str], words: &[&str]| fails(folder.path(), arguments, 2, words);
    fails(&[], &["Usage"]);
    fails(&["rum", "mean.fe"], &["rum", "run"]);
    fails(&["run"], &["MODEL"]);
    fails(&["run", "mean.fe", "--bogus"], &["--bogus"]);
    fails(&["run", "none.fe"], &["none.fe cannot be read"]);
    fails(&["run", "."], &["cannot be read"]);
    fails(&["run", "x.csv/a.fe"], &["cannot be read"]);
    fails(&["run", "mean.fe", "--steps", "3", "--epochs", "3"], &["--steps", "--epochs"]);
    fails(&["run", "mean.fe", "--steps", "many"], &["many"]);
    fails(&["run", "mean.fe", "--steps", "-1"], &["-1"]);
    fails(&["run", "mean.fe", "--seed", "1.5"], &["1.5"]);
    fails(&["run", "mean.fe", "--precision", "f16"], &["f16", "f32, f64"]);
    fails(&["run", "mean.fe", "--threads", "0"], &["--threads takes a number from 1"]);
    fails(&["run", "mean.fe", "--executor", "gpu"], &["gpu", "candle"]);
    fails(&["run", "mean.fe", "--device", "tpu"], &["no device `tpu`"]);
    fails(&["run", "mean.fe", "--set", "sd"], &["--set takes NAME=VALUE, not `sd`"]);
    fails(&["run", "mean.fe", "--set", "ds=1"], &["--set `ds` names nothing", "did you mean `sd`?"]);
    fails(&["run", "mean.fe", "--set", "mu=1"], &["--set `mu` names a latent", "const mu"]);
    fails(&["run", "mean.fe", "--set", "sd=wide"], &["--set `sd=wide` is not a number"]);
    fails(&["check", "mean.fe", "--set", "ds=1"], &["--set `ds` names nothing"]);
    fails(&["run", "mean.fe", "--data", "x"], &["--data takes NAME=FILE, not `x`"]);
    fails(&["run", "mean.fe", "--data", "z=x.csv"], &["no data called `z`; it reads x"]);
    fails(&["run", "mean.fe", "--out", "x.csv"], &["x.csv cannot be written"]);
    fails(&["fmt"], &["MODELS"]);
}

#[test]
fn a_wrong_program_ends_with_1() {
    let folder = folder();
    std::fs::write(folder.path().join("wrong.fe"), "data x[N] = [1]\nobserve x ~ Normal(a, b)\n").unwrap();
    std::fs::write(folder.path().join("aimless.fe"), "model nothing\n").unwrap();
    std::fs::write(folder.path().join("empty.fe"), "").unwrap();
    for command in ["run", "check", "explain"] {
        fails(folder.path(), &[command, "wrong.fe"], 1, &["E0102", "`a`", "`b`", "2 errors"]);
        fails(folder.path(), &[command, "aimless.fe"], 1, &["E0125", "nothing is observed"]);
        fails(folder.path(), &[command, "empty.fe"], 1, &["E0138", "there is no statement"]);
    }
    assert!(!folder.path().join("runs").exists());
}

#[test]
fn a_fit_without_a_verdict_ends_with_5_where_that_is_asked() {
    let folder = folder();
    let arguments = ["run", "steps.fe", "--quiet", "--strict"];
    let output = run(folder.path(), &arguments);
    assert_eq!((code(&output), stdout(&output).as_str()), (5, ""));
    assert!(stderr(&output).starts_with("fe: not converged: "), "{}", stderr(&output));
    // It is saved all the same.
    assert_eq!(document(&folder.path().join("runs/steps/fit.json"))["verdict"]["converged"], false);
    assert_eq!(done(folder.path(), &["run", "steps.fe", "--quiet"]), "");
    assert_eq!(done(folder.path(), &["run", "mean.fe", "--quiet", "--strict"]), "");
}

#[test]
fn json_is_all_there_is_on_standard_output() {
    let folder = folder();
    // A program with a warning, whose text belongs elsewhere.
    let doubtful = MEAN.replace("Normal(mu, sd)", "Normal(mu, sd^2)");
    std::fs::write(folder.path().join("doubtful.fe"), doubtful).unwrap();
    let output = run(folder.path(), &["run", "doubtful.fe", "--json", "--out", "fit"]);
    assert_eq!(code(&output), 0);
    assert!(stderr(&output).contains("[W0103] Warning"), "{}", stderr(&output));
    let saved = std::fs::read_to_string(folder.path().join("fit/fit.json")).unwrap();
    assert_eq!(stdout(&output), saved);
    let document: Value = serde_json::from_str(&saved).unwrap();
    assert_eq!(document["schema"], 1);
    assert_eq!(document["verdict"]["converged"], true);
    // Sums hold.
    let terms: f64 = document["terms"].as_array().unwrap().iter().map(|t| at(t, "nats")).sum();
    assert!((terms - at(&document, "free_energy")).abs() < 1e-12);
    assert!((at(&document, "free_energy") * 3.0 - at(&document, "free_energy_total")).abs() < 1e-12);
}

#[test]
fn quiet_says_nothing_and_else_the_ledger_is_shown() {
    let folder = folder();
    let output = run(folder.path(), &["run", "mean.fe", "--quiet"]);
    assert_eq!((code(&output), stdout(&output), stderr(&output)), (0, String::new(), String::new()));
    let ledger = done(folder.path(), &["run", "mean.fe", "--out", "elsewhere"]);
    for words in
        ["mean\n", "free energy per row", "F = D + R", "posterior", "verdict    converged", "saved in elsewhere"]
    {
        assert!(ledger.contains(words), "`{words}` is missing in:\n{ledger}");
    }
    assert!(!ledger.contains('\u{1b}'), "colour in a pipe");
}

#[test]
fn set_gives_a_value_to_a_const_or_a_dim() {
    let folder = folder();
    let evidence = |sd: &str| at(&fit(folder.path(), &["mean.fe", "--set", sd]), "free_energy_total");
    // x ~ N(0, sd² I + 4 11ᵀ), by hand: ½[3 log 2π + log det + xᵀ S⁻¹ x].
    let exact = |sd: f64| {
        let (n, s2, t2) = (3.0, sd * sd, 4.0);
        let (sum, squares) = (7.0_f64, 21.0);
        let determinant = 2.0 * (n - 1.0) * sd.ln() + (s2 + n * t2).ln();
        let quadratic = (squares - t2 * sum * sum / (s2 + n * t2)) / s2;
        0.5 * (n * std::f64::consts::TAU.ln() + determinant + quadratic)
    };
    for sd in [0.5, 1.0, 2.0] {
        let reached = evidence(&format!("sd={sd}"));
        assert!((reached - exact(sd)).abs() < 1e-6, "{reached} and {}", exact(sd));
    }
    let axis = "dim K = 2 param w[K] = 1 data x[N] = [1, 2] observe x ~ Normal(K + 0 * sum(w), 1)";
    let shape = |arguments: &[&str]| {
        let mut all = vec!["run", "-", "--quiet", "--json"];
        all.extend(arguments);
        let output = with_input(folder.path(), &all, axis);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        at(&serde_json::from_str(&stdout(&output)).unwrap(), "free_energy_total")
    };
    let log_2pi = std::f64::consts::TAU.ln();
    assert!((shape(&[]) - (log_2pi + 0.5)).abs() < 1e-12);
    assert!((shape(&["--set", "K=4"]) - (log_2pi + 6.5)).abs() < 1e-12);
}

#[test]
fn data_replaces_the_file_and_leaves_the_rest_of_the_reader() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    std::fs::write(folder.path().join("sub/other.csv"), "z,x\n0,1\n0,1\n0,1\n0,1\n0,1\n").unwrap();
    // A path on the command line is relative to where the command runs, not to the program.
    std::fs::rename(folder.path().join("mean.fe"), folder.path().join("sub/mean.fe")).unwrap();
    let document = fit(folder.path(), &["sub/mean.fe", "--data", "x=sub/other.csv"]);
    assert_eq!(document["rows"], 5);
    // Precision 1/4 + 5, mean 5 / that; 8192 draws.
    assert!((at(&document, "posterior.mu.mean") - 5.0 / 5.25).abs() < 0.03);
}

#[test]
fn the_seed_decides_and_the_default_is_0() {
    let folder = folder();
    let run = |arguments: &[&str]| {
        let mut document = fit(folder.path(), arguments);
        document.as_object_mut().unwrap().remove("seconds");
        document
    };
    let unseeded = run(&["steps.fe"]);
    assert_eq!(unseeded["seed"], 0);
    assert_eq!(unseeded, run(&["steps.fe", "--seed", "0"]));
    let other = run(&["steps.fe", "--seed", "7"]);
    assert_eq!(other["seed"], 7);
    assert_ne!(unseeded["free_energy"], other["free_energy"]);
    assert_eq!(other, run(&["steps.fe", "--seed", "7"]));
}

#[test]
fn stages_are_timed_in_the_record_and_where_that_is_asked() {
    let folder = folder();
    let run = |arguments: &[&str]| {
        let output = fe(folder.path())
            .args(["run", "steps.fe", "--quiet", "--force", "--out", "timed"])
            .args(arguments)
            .output();
        let output = output.unwrap();
        assert!(output.status.success() && output.stdout.is_empty());
        let record = std::fs::read_to_string(folder.path().join("timed/run.json")).unwrap();
        let record: serde_json::Value = serde_json::from_str(&record).unwrap();
        let stages = record["seconds"]["stages"].as_array().unwrap().clone();
        assert!(stages.iter().all(|s| s["seconds"].as_f64().unwrap() >= 0.0));
        // A process has some megabytes before it reads anything.
        let peak = |s: &serde_json::Value| s["peak"].as_u64().is_some_and(|bytes| bytes > 1 << 21);
        assert_eq!(stages.iter().all(peak), cfg!(target_os = "linux"), "{stages:?}");
        let names: Vec<String> = stages.iter().map(|s| s["stage"].as_str().unwrap().to_owned()).collect();
        (names, String::from_utf8(output.stderr).unwrap())
    };
    let (stages, said) = run(&[]);
    assert_eq!(said, "");
    for stage in ["checking", "derivation", "reading", "first_step", "fit", "evaluation", "checks", "draws", "page"] {
        assert!(stages.iter().any(|s| s == stage), "{stage}: {stages:?}");
    }
    let (_, said) = run(&["--timings"]);
    // What was foreseen of the memory, which peaks with one of its parts.
    let (said, foreseen) = said.split_once("\n\nmemory foreseen").unwrap();
    let megabytes = |l: &str| l.split_whitespace().last().unwrap().parse::<f64>().unwrap();
    let foreseen: Vec<f64> = foreseen.lines().skip(1).map(megabytes).collect();
    let (peak, parts) = foreseen.split_last().unwrap();
    // Of any run, what lasts, and the largest part.
    let largest = parts[2..].iter().copied().fold(0.0, f64::max);
    assert!((peak - parts[0] - parts[1] - largest).abs() < 0.16 && *peak < 54.0, "{foreseen:?}");
    assert_eq!(said.lines().count(), stages.len() + 3, "{said}");
    // A line says a title, seconds, a share and its sign, and a peak; what is written to the disk is in the table alone.
    let share = |l: &str| l.split(" %").next().unwrap().split_whitespace().last().unwrap().parse::<f64>().unwrap();
    let (all, each): (Vec<&str>, Vec<&str>) = said.lines().skip(1).partition(|l| l.trim_start().starts_with("all "));
    assert!(each.iter().any(|l| l.trim_start().starts_with("writing ")));
    assert_eq!(share(all[0]), 100.0);
    // Each share is rounded to a tenth.
    let sum: f64 = each.into_iter().map(share).sum();
    assert!((sum - 100.0).abs() <= 0.05 * (stages.len() + 1) as f64 + 1e-9, "{said}");
}

#[test]
fn steps_and_epochs_take_the_place_of_the_programs() {
    let folder = folder();
    let steps = |arguments: &[&str]| fit(folder.path(), arguments)["steps"].as_u64().unwrap();
    assert_eq!(steps(&["steps.fe"]), 40);
    assert_eq!(steps(&["steps.fe", "--steps", "7"]), 7);
    assert_eq!(steps(&["steps.fe", "--epochs", "3"]), 30);
    // 0 reports the start: KL(N(0, 1) ‖ N(0, 4)) in all, per row of 100.
    let start = fit(folder.path(), &["steps.fe", "--steps", "0"]);
    assert_eq!(start["steps"], 0);
    assert_eq!(start["verdict"]["converged"], false);
    let kl = 0.5 * (0.25 - 1.0 + 4.0_f64.ln());
    assert!((at(&start, "rate") - kl / 100.0).abs() < 1e-12, "{}", start["rate"]);
    assert_eq!(steps(&["mean.fe", "--steps", "0"]), 0);
}

#[test]
fn threads_and_precision_are_those_asked_for() {
    let folder = folder();
    for threads in ["1", "2", "3"] {
        let document = fit(folder.path(), &["mean.fe", "--threads", threads]);
        assert_eq!(document["threads"].to_string(), threads);
    }
    for precision in ["f32", "f64"] {
        let document = fit(folder.path(), &["mean.fe", "--precision", precision]);
        assert_eq!(document["executor"], format!("cpu {precision}"));
    }
    assert_eq!(fit(folder.path(), &["mean.fe"])["executor"], "cpu f64");
}

#[test]
fn a_program_may_come_from_standard_input() {
    let folder = folder();
    let output = with_input(folder.path(), &["run", "-", "--json", "--quiet"], MEAN);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let from_file = fit(folder.path(), &["mean.fe"]);
    let from_input: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(from_input["free_energy"], from_file["free_energy"]);
    assert!(folder.path().join("runs/mean/model.fe").exists());
    // Also where the process is started again for its threads.
    let output = with_input(folder.path(), &["run", "-", "--threads", "2", "--json", "--quiet"], MEAN);
    let by_two: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(by_two["free_energy"], from_file["free_energy"]);
    let output = with_input(folder.path(), &["check", "-"], "latnt m ~ Normal(0, 1)");
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("<stdin>:1:1"), "{}", stderr(&output));
    let output = with_input(folder.path(), &["explain", "-"], MEAN);
    assert!(stdout(&output).contains("closed form"));
    let output = with_input(folder.path(), &["fmt", "-"], "let   a=1");
    assert_eq!((code(&output), stdout(&output).as_str()), (0, "let a = 1\n"));
}

#[test]
fn a_run_directory_is_complete_and_valid() {
    let folder = folder();
    done(folder.path(), &["run", "mean.fe", "--seed", "3", "--set", "sd=2", "--out", "deep/er"]);
    let out = folder.path().join("deep/er");
    let mut names: Vec<_> =
        std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, RUN_FILES);

    let fit = document(&out.join("fit.json"));
    assert_eq!((&fit["model"], &fit["seed"], &fit["rows"]), (&"mean".into(), &3.into(), &3.into()));
    assert_eq!(std::fs::read_to_string(out.join("model.fe")).unwrap(), MEAN);

    let run = document(&out.join("run.json"));
    assert_eq!((&run["seed"], &run["options"]["set"][0]), (&3.into(), &"sd=2".into()));
    assert_eq!(run["fe_version"], env!("CARGO_PKG_VERSION"));
    // sha256sum x.csv
    assert_eq!(run["data"][0]["sha256"], "0120a090272f58bed86aa9a53a40c4dbca63be01861b5ccfbac8004efd7b7ab6");

    let trace = std::fs::read_to_string(out.join("trace.csv")).unwrap();
    let mut lines = trace.lines();
    assert_eq!(lines.next(), Some("step,seconds,free_energy,distortion,rate,energy,heldout_free_energy"));
    let rows: Vec<Vec<&str>> = lines.map(|l| l.split(',').collect()).collect();
    assert!(!rows.is_empty());
    for row in &rows {
        let number = |k: usize| row[k].parse::<f64>().unwrap();
        assert!((number(3) + number(4) - number(2)).abs() < 1e-9, "{row:?}");
        assert_eq!((row.len(), row[5], row[6]), (7, "", ""));
    }

    let bytes = std::fs::read(out.join("params.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut shapes: Vec<_> = tensors.iter().map(|(n, t)| (n.to_owned(), t.shape().to_vec())).collect();
    shapes.sort();
    let expected = [
        ("guide.base", vec![1]),
        ("guide.curvature", vec![1, 1]),
        ("guide.mean", vec![1]),
        ("guide.scale", vec![1, 1]),
    ];
    assert_eq!(shapes, expected.map(|(n, s)| (n.to_owned(), s)));
    assert!(tensors.iter().all(|(_, t)| t.dtype() == safetensors::Dtype::F64));

    // A second run takes the place of the first, and a program that names itself says where it goes.
    done(folder.path(), &["run", "mean.fe", "--out", "deep/er", "--quiet"]);
    assert_eq!(document(&out.join("fit.json"))["seed"], 0);
    done(folder.path(), &["run", "mean.fe", "--quiet"]);
    assert!(folder.path().join("runs/mean/fit.json").exists());
}

#[test]
fn fmt_lays_out_once_and_for_all() {
    let folder = folder();
    let path = folder.path().join("loose.fe");
    let loose = "# kept\nlet   a=1 # too\nlatent m~Normal( 0,a )\n";
    std::fs::write(&path, loose).unwrap();
    fails(folder.path(), &["fmt", "--check", "loose.fe", "mean.fe"], 1, &["loose.fe: not in the canonical layout"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), loose, "--check changes nothing");
    assert_eq!(done(folder.path(), &["fmt", "loose.fe", "mean.fe"]), "");
    let once = std::fs::read_to_string(&path).unwrap();
    assert_eq!(once, "# kept\nlet a = 1  # too\nlatent m ~ Normal(0, a)\n");
    done(folder.path(), &["fmt", "loose.fe"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), once);
    assert_eq!(done(folder.path(), &["fmt", "--check", "loose.fe", "mean.fe"]), "");
    // A program that does not parse is left as it is.
    std::fs::write(&path, "let = 1\n").unwrap();
    fails(folder.path(), &["fmt", "loose.fe"], 1, &["loose.fe:1"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "let = 1\n");
}

#[test]
fn the_gallery_is_in_the_canonical_layout() {
    for folder in ["examples", "examples/descent", "tests/exact", "tests/phases"] {
        for path in programs(folder) {
            done(&root(), &["fmt", "--check", path.to_str().unwrap()]);
        }
    }
}

#[test]
fn check_gives_its_diagnostics_to_an_editor() {
    let folder = folder();
    let json = |name: &str, source: &str, expected: i32| -> Value {
        std::fs::write(folder.path().join(name), source).unwrap();
        let output = run(folder.path(), &["check", name, "--json"]);
        assert_eq!((code(&output), stderr(&output).as_str()), (expected, ""));
        serde_json::from_str(&stdout(&output)).unwrap()
    };
    let sound = json("sound.fe", MEAN, 0);
    assert_eq!(sound, serde_json::json!({ "file": "sound.fe", "diagnostics": [] }));
    let wrong = json("wrong.fe", "# λ is Greek\ndata λ[N] = [1] observe λ ~ Normal(m, 1)\n", 1);
    let diagnostic = &wrong["diagnostics"][0];
    assert_eq!(wrong["diagnostics"].as_array().unwrap().len(), 1);
    assert_eq!((&diagnostic["code"], &diagnostic["severity"]), (&"E0102".into(), &"error".into()));
    let label = &diagnostic["labels"][0];
    // Lines and columns from 1, columns in characters; start and end in bytes.
    assert_eq!((&label["line"], &label["column"], &label["end_column"]), (&2.into(), &36.into(), &37.into()));
    assert_eq!((&label["start"], &label["end"]), (&51.into(), &52.into()));
    let missing = json("missing.fe", &MEAN.replace("x.csv", "y.csv"), 3);
    assert_eq!(missing["diagnostics"][0]["code"], "D0001");
    let doubtful = json("doubtful.fe", &MEAN.replace("mu, sd", "mu, sd^2"), 0);
    assert_eq!(doubtful["diagnostics"][0]["severity"], "warning");
}

#[test]
fn explain_shows_the_graph_where_it_is_asked_for() {
    let folder = folder();
    let short = done(folder.path(), &["explain", "mean.fe"]);
    assert!(short.contains("KL(q(mu) ‖ p(mu))") && !short.contains("graph of the objective"), "{short}");
    let long = done(folder.path(), &["explain", "mean.fe", "--graph"]);
    assert!(long.starts_with(&short) && long.contains("graph of the objective per row"), "{long}");
}

#[test]
fn a_value_that_stops_being_finite_ends_with_4_and_its_place() {
    let folder = folder();
    let source = "\
data s[N] = [0, 1, 2, 3]
data y[N] : count = [1000, 2000, 1000, 3000]
latent b ~ Normal(0, 1)
param m = 0
guide b ~ Normal(m, 0.1)
observe y ~ Poisson(exp(b * s - relu(-b)))
train { optimizer = sgd(lr = 100)  batch = 4  steps = 50 }
";
    std::fs::write(folder.path().join("steep.fe"), source).unwrap();
    let output = run(folder.path(), &["run", "steep.fe", "--precision", "f32"]);
    let said = stderr(&output);
    assert_eq!(code(&output), 4, "{said}");
    for words in ["[R0001]", "at step 1", "in the term `y`", "steep.fe:6:", "gives inf at N = ", "lower the step size"]
    {
        assert!(said.contains(words), "`{words}` is missing in:\n{said}");
    }
    // Nothing that looks like a fit is left behind.
    assert!(!folder.path().join("runs/steep/fit.json").exists());
}

#[cfg(unix)]
#[test]
fn an_interrupt_saves_and_reports() {
    for (signal, exit) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        interrupted_by(signal, exit);
    }
}

#[cfg(unix)]
fn interrupted_by(signal: &str, exit: i32) {
    let folder = folder();
    let child = fe(folder.path())
        .args(["run", "steps.fe", "--steps", "1000000000", "--out", "fit"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The folder is made just before the fit begins.
    let begun = std::time::Instant::now();
    while !folder.path().join("fit").exists() {
        assert!(begun.elapsed().as_secs() < 30, "no fit begins");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    std::thread::sleep(std::time::Duration::from_millis(400));
    let sent = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), exit, "{}", stderr(&output));
    assert!(stderr(&output).contains("fe: interrupted: what there was is kept"), "{}", stderr(&output));
    assert!(stdout(&output).contains("interrupted"), "{}", stdout(&output));
    let document = document(&folder.path().join("fit/fit.json"));
    assert!(document["steps"].as_u64().unwrap() > 0);
    assert_eq!(document["verdict"]["converged"], false);
    let notes = document["verdict"]["notes"].to_string();
    assert!(notes.contains("the fit was interrupted"), "{notes}");
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_fault() {
    let folder = folder();
    for arguments in [
        &["explain", "mean.fe", "--graph"][..],
        &["run", "mean.fe"],
        &["run", "mean.fe", "--json"],
        &["check", "mean.fe"],
    ] {
        let mut child =
            fe(folder.path()).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((code(&output), stderr(&output)), (0, String::new()), "fe {}", arguments.join(" "));
    }
}

#[test]
fn the_help_names_options_and_exit_codes() {
    let folder = folder();
    let help = done(folder.path(), &["run", "--help"]);
    let options = "data set seed steps epochs threads precision executor device out json quiet strict".split(' ');
    for option in options {
        assert!(help.contains(&format!("--{option}")), "--{option} is missing in:\n{help}");
    }
    for words in ["Exit codes: 0 done", "70 a fault of the compiler itself", "posterior.nc"] {
        assert!(help.contains(words), "`{words}` is missing in:\n{help}");
    }
    assert!(done(folder.path(), &["--version"]).starts_with("fe "));
}

#[test]
fn memory_that_is_said_bounds_a_fit_before_it_begins() {
    let folder = folder();
    let program =
        "dim K = 400\nlatent w[K, K'] ~ Normal(0, 1)\ndata y[N] = [1, 2]\nobserve y ~ Normal(sum(sum(w, K'), K), 1)\n";
    std::fs::write(folder.path().join("wide.fe"), program).unwrap();
    let output = run(folder.path(), &["run", "wide.fe", "--memory", "1MB", "--out", "wide"]);
    assert_eq!(code(&output), 1);
    let said = stderr(&output);
    assert!(said.contains("E0850") && said.contains("more than the 1.0 MB of `--memory`"), "{said}");
    assert!(said.contains("400 of K by 400 of K"), "{said}");
    assert!(!folder.path().join("wide").exists());
    let output = run(folder.path(), &["run", "wide.fe", "--memory", "much"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("write `8GB`"), "{}", stderr(&output));
}
