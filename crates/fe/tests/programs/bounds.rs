//! `minimize … subject to …`: what the exact programs do not show.

use crate::common::{code, run};
use crate::fits::{Options, Program, document};
use crate::trials::{Tier, Trials, claims};

/// The least distortion of a Normal likelihood of unit scale is ½ log 2π, at an infinite rate.
fn a_bound_that_cannot_be_met_is_said_with_the_best_that_was_reached() {
    let source = "data x[N] = [1, -1, 2, 0.5, -0.5]\nlatent z[N] ~ Normal(0, 1)\nobserve x ~ Normal(z, 1)\n\
                  minimize rate subject to distortion <= 0.5 nats\n";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bounded.fe"), source).unwrap();
    let program = Program { name: "bounded".into(), source: source.into(), folder: folder.path().to_owned() };
    let fit = document(&program, &Options::default());
    let bound = &fit["constraints"][0];
    assert_eq!((&bound["met"], &fit["verdict"]["converged"]), (&false.into(), &false.into()));
    let least = 0.5 * (2.0 * std::f64::consts::PI).ln();
    assert!((bound["value"].as_f64().unwrap() - least).abs() < 1e-3);
    let notes = fit["verdict"]["notes"].as_array().unwrap();
    let said = "`distortion <= 0.5 nats` was not met: the least that was reached is 0.9189 nats";
    assert!(notes.iter().any(|n| n == said), "{notes:?}");
    let strict = run(folder.path(), &["run", "bounded.fe", "--strict", "--quiet"]);
    assert_eq!(code(&strict), 5);
}

/// In batches the multiplier is found by dual ascent.
fn budget_of_a_spiking_code_in_batches(objective: &str, limit: f64) {
    let program = Program::named("examples/poisson_vae");
    let source = program.source.replace("steps = 3000", "steps = 2000");
    let (before, after) = source.split_once("minimize distortion").unwrap();
    let after = after.split_once('\n').unwrap().1;
    let fit = document(&program.with(format!("{before}{objective}\n{after}")), &Options::default());
    let bound = &fit["constraints"][0];
    let reached = bound["value"].as_f64().unwrap();
    assert_eq!(bound["met"], true, "{bound}");
    assert!((reached / limit - 1.0).abs() < 0.02, "{reached}");
    assert!(bound["multiplier"].as_f64().unwrap() > 0.0);
    assert!(fit["heldout"]["r2"].as_f64().unwrap() > 0.3, "{}", fit["heldout"]);
}

/// Both claims.
pub fn trials(trials: &mut Trials) {
    for (objective, limit) in [
        ("minimize distortion + rate subject to energy <= 10 spikes", 10.0),
        ("minimize distortion subject to rate <= 15 bits", 15.0),
    ] {
        let name = format!("bounds::in batches, {objective}");
        trials.add(name, Tier::Slow, move || budget_of_a_spiking_code_in_batches(objective, limit));
    }
    claims!(trials, Tier::Everyday, a_bound_that_cannot_be_met_is_said_with_the_best_that_was_reached);
}
