//! The studies of what a code's information costs, at a small size; docs/studies/metabolic.md has them in full.

use serde_json::Value;

use crate::common::{at, done, root};
use crate::trials::{Tier, Trials, claims};

/// Sweeps a program of the gallery.
fn sweep(program: &str, arguments: &[&str]) -> Value {
    let out = tempfile::tempdir().unwrap();
    let file = format!("{program}.fe");
    let mut all = vec!["sweep", &file, "--threads", "1", "--json", "--quiet", "--out", out.path().to_str().unwrap()];
    all.extend(arguments);
    serde_json::from_str(&done(&root().join("examples"), &all)).unwrap()
}

fn points(sweep: &Value, path: &str) -> Vec<f64> {
    sweep["points"].as_array().unwrap().iter().map(|p| at(p, path)).collect()
}

fn certified(sweep: &Value, pairs: usize) {
    let found = sweep["certificate"].as_array().unwrap();
    assert!(found.len() == pairs && found.iter().all(|p| p["holds"] == true), "{found:#?}");
}

const SMALL: [&str; 8] = ["--set", "patches_in_all=5000", "--set", "K=32", "--steps", "500", "--over", "beta=0.1,1,8"];

fn a_price_on_information_silences_a_spiking_code() {
    let swept = sweep("metabolic_poisson", &SMALL);
    certified(&swept, 2);
    let (spikes, zeros) = (points(&swept, "energy"), points(&swept, "latents.z.zeros"));
    assert!(spikes.windows(2).all(|two| two[1] < two[0]) && spikes[0] / spikes[2] > 5.0, "{spikes:?}");
    assert!(zeros.windows(2).all(|two| two[0] < two[1]), "{zeros:?}");
}

fn and_not_a_rectified_one() {
    let swept = sweep("metabolic_relu", &SMALL);
    certified(&swept, 2);
    let zeros = points(&swept, "meters.a.zeros");
    assert!(zeros.iter().all(|z| (0.42..=0.58).contains(z)), "{zeros:?}");
    // What it costs in nats falls all the same.
    let rates = points(&swept, "rate");
    assert!(rates.windows(2).all(|two| two[1] < two[0]), "{rates:?}");
}

/// A third of the program's steps.
fn the_energy_of_a_collapsed_code_is_its_start() {
    let swept = sweep("collapse", &["--over", "start=-6,-2,0", "--steps", "1000"]);
    let (rates, spikes) = (points(&swept, "rate"), points(&swept, "energy"));
    assert!(rates.iter().all(|r| *r < 0.1), "{rates:?}");
    assert!(spikes.windows(2).all(|two| two[1] > 5.0 * two[0]), "{spikes:?}");
    let minimised = points(&swept, "objective_value");
    assert!(minimised.iter().all(|m| (m - minimised[0]).abs() < 0.1), "{minimised:?}");
    assert!(swept["certifies"].is_null());
}

fn with_a_bias_units_fire_as_they_expect_to() {
    let ratios = |swept: &Value| {
        let of = points(swept, "prior_energy").into_iter().zip(points(swept, "energy"));
        of.map(|(prior, mean)| prior / mean).collect::<Vec<_>>()
    };
    let with = ratios(&sweep("homeostasis", &["--over", "beta=0.5,1,4", "--steps", "1000"]));
    assert!(with.iter().all(|r| (r - 1.0).abs() < 0.03), "{with:?}");
    let without = ratios(&sweep("poisson_vae", &["--over", "beta=1", "--steps", "1000"]));
    assert!(without[0] < 0.95, "{without:?}");
}

/// More units share the spikes, and the information saturates.
fn units_fire_less_where_there_are_more_of_them() {
    let swept = sweep("poisson_vae", &["--over", "K=32,128", "--steps", "1000"]);
    let (rates, spikes) = (points(&swept, "rate"), points(&swept, "energy"));
    assert!(spikes[1] / 128.0 < 0.5 * spikes[0] / 32.0, "{spikes:?}");
    assert!((1.0..1.5).contains(&(rates[1] / rates[0])), "{rates:?}");
}

/// Every claim.
pub fn trials(trials: &mut Trials) {
    claims!(
        trials,
        Tier::Slow,
        a_price_on_information_silences_a_spiking_code,
        and_not_a_rectified_one,
        the_energy_of_a_collapsed_code_is_its_start,
        with_a_bias_units_fire_as_they_expect_to,
        units_fire_less_where_there_are_more_of_them,
    );
}
