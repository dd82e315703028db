//! The claims of the programs that infer by descent.

use serde_json::Value;

use crate::common::{at, done, root};
use crate::fits::{Options, Program, document};
use crate::trials::{Tier, Trials, claims};

/// ½ D log π at D = 64, and the normaliser of σ² = ½: what F holds beside SSE + KL.
const CONSTANT: f64 = 36.632;

fn fitted(program: &str) -> Value {
    document(&Program::named(&format!("examples/descent/{program}")), &Options::default())
}

/// No step raises F, and the last makes next to nothing of the fall.
fn settles(fit: &Value) {
    let refinement = &fit["refinement"];
    assert_eq!(refinement["rises"], 0, "{refinement}");
    assert!(at(fit, "refinement.last_fall") < 1e-3, "{refinement}");
}

/// R² after the last step.
fn r2(fit: &Value) -> f64 {
    fit["refinement"]["trace"].as_array().unwrap().last().unwrap()["r2"].as_f64().unwrap()
}

fn iterative_poisson() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("run");
    let run = folder.to_str().unwrap();
    let model = root().join("examples/descent/iterative_poisson.fe");
    done(&root(), &["run", model.to_str().unwrap(), "--quiet", "--threads", "1", "--out", run]);
    let fit: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("fit.json")).unwrap()).unwrap();
    settles(&fit);
    let sixteen = at(&fit, "heldout.free_energy");
    assert!(sixteen - CONSTANT < 53.1, "{sixteen}");
    for steps in ["64", "1000"] {
        let trace = out.path().join("trace.csv");
        let set = format!("T={steps}");
        let said = done(&root(), &["eval", run, "--set", &set, "--trace", trace.to_str().unwrap(), "--json"]);
        let evaluation: Value = serde_json::from_str(&said).unwrap();
        assert!((at(&evaluation, "free_energy") - sixteen).abs() < 0.02, "{steps}: {evaluation}");
        let lines = std::fs::read_to_string(trace).unwrap().lines().count();
        assert_eq!(lines, steps.parse::<usize>().unwrap() + 2);
    }
}

fn befond() {
    let fit = fitted("befond");
    settles(&fit);
    assert!(r2(&fit) > 0.55, "{}", r2(&fit));
    assert!(fit["terms"].as_array().unwrap().iter().all(|t| t["se"].is_null()));
}

fn iterative_gaussian() {
    let fit = fitted("iterative_gaussian");
    settles(&fit);
    assert!(r2(&fit) > 0.7, "{}", r2(&fit));
}

fn iterative_relu() {
    let fit = fitted("iterative_relu");
    settles(&fit);
    assert!(fit["terms"].as_array().unwrap().iter().all(|t| t["se"].is_null()));
    let zeros = at(&fit, "meters.active.zeros");
    assert!((0.5..0.65).contains(&zeros), "{zeros}");
}

fn predictive_coding() {
    let fit = fitted("predictive_coding");
    settles(&fit);
    assert!(r2(&fit) > 0.9, "{}", r2(&fit));
}

fn lca() {
    let fit = fitted("lca");
    settles(&fit);
    let last = fit["refinement"]["trace"].as_array().unwrap().last().unwrap();
    assert!(last["zeros"].as_f64().unwrap() > 0.6 && r2(&fit) > 0.6, "{last}");
}

fn convolutional_poisson() {
    let fit = fitted("convolutional_poisson");
    settles(&fit);
    assert!(fit["terms"].as_array().unwrap().iter().all(|t| t["estimator"] == "closed form" && t["se"].is_null()));
}

fn convolutional_lca() {
    let fit = fitted("convolutional_lca");
    settles(&fit);
    assert!(r2(&fit) > 0.8, "{}", r2(&fit));
    assert!(fit["terms"].as_array().unwrap().iter().all(|t| t["se"].is_null()));
}

fn hybrid() {
    let fit = fitted("hybrid");
    assert_eq!(fit["refinement"]["rises"], 0);
    let trace = fit["refinement"]["trace"].as_array().unwrap();
    let fall = trace[0]["free_energy"].as_f64().unwrap() - trace.last().unwrap()["free_energy"].as_f64().unwrap();
    assert!(fall > 1.0, "{trace:?}");
}

fn spiking() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("run");
    let run = folder.to_str().unwrap();
    let model = root().join("examples/descent/spiking.fe");
    done(&root(), &["run", model.to_str().unwrap(), "--quiet", "--threads", "1", "--out", run]);
    let sixteen: Value = serde_json::from_str(&done(&root(), &["eval", run, "--json"])).unwrap();
    let long: Value = serde_json::from_str(&done(&root(), &["eval", run, "--set", "T=1000", "--json"])).unwrap();
    let (sixteen, long) = (at(&sixteen, "free_energy"), at(&long, "free_energy"));
    assert!(long.is_finite() && long < sixteen + 1.0, "{sixteen} {long}");
}

fn budget() {
    let fit = fitted("budget");
    assert_eq!(fit["constraints"][0]["met"], true);
    assert!(at(&fit, "energy") <= 20.05, "{}", at(&fit, "energy"));
}

fn online() {
    let fit = fitted("online");
    assert!(fit["terms"].as_array().unwrap().iter().all(|t| t["se"].is_null()));
    let sum: f64 = fit["terms"].as_array().unwrap().iter().map(|t| t["nats"].as_f64().unwrap()).sum();
    assert!((sum - at(&fit, "free_energy")).abs() < 1e-6 * sum);
    // A picture that is known costs less than one that is not.
    let start = document(&Program::named("examples/descent/online"), &Options { steps: Some(0), ..Options::default() });
    assert!(at(&fit, "free_energy") < at(&start, "free_energy") - 10.0);
}

pub fn trials(trials: &mut Trials) {
    claims!(
        trials,
        Tier::Slow,
        iterative_poisson,
        befond,
        iterative_gaussian,
        iterative_relu,
        predictive_coding,
        lca,
        convolutional_poisson,
        convolutional_lca,
        hybrid,
        spiking,
        budget,
        online
    );
}
