//! Decoded data are kept from run to run, and change nothing.

use std::path::Path;

use crate::common::{done, fe};
use serde_json::Value;

const PROGRAM: &str =
    "data x[N] = csv(\"x.csv\", \"x\")\nparam m = 5\nobserve x ~ Laplace(m, 2)\ntrain { steps = 20 }\n";

fn write_table(folder: &Path, last: f64) {
    let rows: String = (0..20_000).map(|k| format!("{}\n", f64::from(k % 7) / 3.0)).collect();
    std::fs::write(folder.join("x.csv"), format!("x\n{rows}{last}\n")).unwrap();
}

fn run(folder: &Path, cache: &str) -> (Value, bool) {
    let output = fe(folder).env("FE_CACHE", cache).args(["run", "m.fe", "--quiet", "--out", "out"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(folder.join("out").join(name)).unwrap()).unwrap()
    };
    let (mut fit, run) = (read("fit.json"), read("run.json"));
    fit.as_object_mut().unwrap().remove("seconds");
    let seconds = &run["seconds"];
    assert!(seconds["data"].as_f64().unwrap() >= 0.0 && seconds["first_step_without_data"].as_f64().unwrap() > 0.0);
    (fit, seconds["data_cached"].as_bool().unwrap())
}

#[test]
fn a_second_run_reads_what_the_first_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("m.fe"), PROGRAM).unwrap();
    write_table(folder, 1.0);
    let (plain, cached) = run(folder, "");
    assert!(!cached && !folder.join("kept").exists());
    let (first, cached) = run(folder, "kept");
    assert!(!cached);
    let (second, cached) = run(folder, "kept");
    assert!(cached);
    assert!(plain == first && first == second);
    // The same name with other contents is other data.
    write_table(folder, 5.0);
    let (other, cached) = run(folder, "kept");
    assert!(!cached && other != first);
    // A cache that cannot be is done without.
    std::fs::write(folder.join("file"), "").unwrap();
    assert_eq!(run(folder, "file"), (other, false));
    done(folder, &["check", "m.fe"]);
}
