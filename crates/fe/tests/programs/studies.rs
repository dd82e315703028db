//! The claims of the studies under `examples/` and `docs/studies`, at small size.

use serde_json::Value;

use crate::common::at;
use crate::fits::{Options, Program, document};
use crate::trials::{Tier, Trials, claims};

/// Fits a program under `examples`, with `const`s set.
fn study(program: &str, options: &Options) -> Value {
    document(&Program::named(&format!("examples/{program}")), options)
}

/// Options with a `const` set.
fn set(pair: impl Into<String>) -> Options {
    Options::default().set(pair)
}

fn near(what: &str, found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, not {expected} within {tolerance:e}");
}

/// A fit that converged and met its bound; the multiplier.
fn met(fit: &Value) -> f64 {
    assert_eq!((&fit["verdict"]["converged"], &fit["constraints"][0]["met"]), (&true.into(), &true.into()));
    at(fit, "constraints.0.multiplier")
}

fn estimators(fit: &Value) -> Vec<&str> {
    fit["terms"].as_array().unwrap().iter().map(|t| t["estimator"].as_str().unwrap()).collect()
}

fn gaussian_source_at_four_budgets() {
    let reader = fe_data::Reader::NormalDraws { mean: 0.0, sd: 1.0, count: 100_000, seed: 0 };
    let sample = fe_data::load(&fe_data::Source { reader, stages: vec![] }).unwrap().values;
    let moment = sample.iter().map(|x| x * x).sum::<f64>() / sample.len() as f64;
    for bits in [0.5, 1.0, 2.0, 3.0] {
        let fit = study("rate_distortion/gaussian", &set(format!("budget={bits} bits")));
        let bound = moment * 2f64.powf(-2.0 * bits);
        near(&format!("D at {bits} bits"), at(&fit, "distortion"), bound, 1e-5 * bound);
        near("R", at(&fit, "rate_bits"), bits, 1e-5);
        near("price of a nat", met(&fit) / 2f64.ln(), 2.0 * bound, 1e-5 * bound);
    }
}

fn coin_at_four_budgets() {
    let entropy = |d: f64| -(d * d.log2() + (1.0 - d) * (1.0 - d).log2());
    for bits in [0.1, 0.3, 0.5, 0.7] {
        // h(p) − h(D) falls from h(p) to 0 between D = 0 and D = p.
        let (mut low, mut high) = (1e-12, 0.3);
        for _ in 0..100 {
            let middle = 0.5 * (low + high);
            if entropy(0.3) - entropy(middle) > bits { low = middle } else { high = middle }
        }
        let d = low;
        let fit = study("rate_distortion/bernoulli", &set(format!("budget={bits} bits")));
        near(&format!("D at {bits} bits"), at(&fit, "distortion"), d, 1e-6);
        near("R", at(&fit, "rate_bits"), bits, 2e-6);
        near("price of a bit", met(&fit), 1.0 / ((1.0 - d) / d).log2(), 1e-5);
    }
}

fn five_letters_as_blahut_and_arimoto() {
    // bench/rate_distortion.py: bits, loss, multiplier for a bit.
    let known = [
        (0.25, 1.3979436088081973, 1.89154293627438),
        (0.5, 0.9986566350846999, 1.3572568812631622),
        (1.0, 0.4756453298965929, 0.783860201399478),
        (1.5, 0.17446830358326984, 0.44705909505179836),
    ];
    for (bits, loss, multiplier) in known {
        let fit = study("rate_distortion/discrete", &set(format!("budget={bits} bits")));
        near(&format!("loss at {bits} bits"), at(&fit, "distortion"), loss, 1e-5);
        near("R", at(&fit, "rate_bits"), bits, 5e-6);
        near("price of a bit", met(&fit), multiplier, 1e-5);
    }
}

fn rationed_alarms() {
    // bench/rate_distortion.py: spikes, loss, rate, price of a spike.
    let known: [(f64, f64, f64, f64); 4] = [
        (1.0, 5.051948897297224, 0.7512796123576407, 4.350433831857453),
        (2.0, 2.4882718326841777, 0.49670280442740555, 1.8356931239862815),
        (4.0, 0.7523811662691084, 0.18808220273744958, 0.5198859174962542),
        (8.0, 0.08945669179717178, 0.019844027409155807, 0.05891106953026076),
    ];
    for (spikes, loss, rate, price) in known {
        let fit = study("rate_distortion/alarm", &set(format!("budget={spikes} spikes")));
        assert_eq!(estimators(&fit), ["closed form", "closed form"]);
        near(&format!("loss at {spikes} spikes"), at(&fit, "distortion"), loss, 1e-5 * loss.max(1.0));
        near("R", at(&fit, "rate"), rate, 1e-5);
        near("energy", at(&fit, "energy"), spikes, 1e-5 * spikes);
        near("prior", at(&fit, "latents.z.prior_energy"), spikes, 1e-4 * spikes);
        near("price of a spike", met(&fit), price, 1e-5 * price.max(1.0));
    }
}

fn a_price_buys_spikes_and_beta_buys_information() {
    let small = || set("K=32").steps(1000);
    let priced = |setting: &str| study("spike_budget/price", &small().set(setting));
    let rationed = study("spike_budget/budget", &small().set("budget=5 spikes"));
    let price = met(&rationed);
    near("energy", at(&rationed, "energy"), 5.0, 0.1);
    // The multiplier, taken as a price, leads to the same point of the curve: F + price · energy is the same, and energies
    // are as near as so flat a minimum lets them be.
    let bought = priced(&format!("price={price}"));
    let in_all = |fit: &Value| at(fit, "free_energy") + price * at(fit, "energy");
    near("F + price · energy", in_all(&rationed), in_all(&bought), 0.5);
    near("energy at that price", at(&bought, "energy"), 5.0, 1.5);
    // A weight on the rate so high that nothing is told any more leaves more spikes than that.
    let silent = priced("beta=8");
    assert!(at(&silent, "energy") > at(&rationed, "energy"), "{} spikes", at(&silent, "energy"));
    assert!(at(&silent, "distortion") > at(&rationed, "distortion") + 6.0, "{}", at(&silent, "distortion"));
    assert!(at(&silent, "rate") < 0.1 && at(&rationed, "rate") > 2.0, "{}", at(&silent, "rate"));
}

/// The program of the estimators with another one, or exact.
fn estimated(by: &str, settings: &[&str]) -> f64 {
    let program = Program::named("examples/estimators/poisson_code");
    assert!(program.source.contains(" by cubic") && program.source.contains("max(miss, -miss)^2"));
    let source = match by {
        "nothing" => program.source.replace("max(miss, -miss)^2", "miss^2").replace(" by cubic", ""),
        _ => program.source.replace("by cubic", &format!("by {by}")),
    };
    let options = settings.iter().fold(Options::default().steps(600), |options, s| options.set(*s));
    at(&document(&program.with(source), &options), "free_energy")
}

fn cubic_arrivals_need_no_annealing() {
    let exact = estimated("nothing", &[]);
    for tau in ["tau=0.1", "tau=0.4", "tau=1"] {
        let cubic = estimated("cubic", &[tau]);
        assert!((cubic / exact - 1.0).abs() < 0.03, "{tau}: F {cubic}, and {exact} by the exact gradient");
    }
    let (cubic, sigmoid) = (estimated("cubic", &["tau=1"]), estimated("sigmoid", &["tau=1"]));
    assert!(sigmoid > cubic + 0.2, "at τ = 1: sigmoid {sigmoid}, cubic {cubic}");
}

fn four_codes_of_digits() {
    for (code, latent, expected) in [
        ("poisson", "z", ["closed form", "pathwise"]),
        ("gaussian", "z", ["closed form", "pathwise"]),
        ("laplace", "z", ["closed form", "pathwise"]),
        // Summed over classes in each batch: over all rows at once there would be too many numbers.
        ("categorical", "c", ["closed form", "enumeration"]),
    ] {
        let fit = study(&format!("representation/{code}"), &Options::default().steps(100));
        assert_eq!(estimators(&fit), expected, "{code}");
        assert_eq!(fit["latents"][latent]["local"], true, "{code}");
        // 52.7 is the distortion of the mean digit.
        assert!(at(&fit, "free_energy") < 60.0, "{code}: {}", at(&fit, "free_energy"));
    }
}

/// Every claim.
pub fn trials(trials: &mut Trials) {
    claims!(
        trials,
        Tier::Slow,
        a_price_buys_spikes_and_beta_buys_information,
        cubic_arrivals_need_no_annealing,
        four_codes_of_digits,
    );
    claims!(
        trials,
        Tier::Everyday,
        gaussian_source_at_four_budgets,
        coin_at_four_budgets,
        five_letters_as_blahut_and_arimoto,
        rationed_alarms,
    );
}
