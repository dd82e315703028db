//! What is checked of a minimum after it was found: other starts, other draws, linear response, and what `--strict` makes of it.

use crate::common::*;
use serde_json::Value;

fn fitted(program: &str, options: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.fe"), program).unwrap();
    let mut arguments = vec!["p.fe"];
    arguments.extend(options);
    fit(folder.path(), &arguments)
}

/// The ledger of a run, its lines joined as they read, and the exit code under `--strict`.
fn strictly(program: &str) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.fe"), program).unwrap();
    let output = run(folder.path(), &["run", "p.fe", "--strict"]);
    let said = stdout(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    (code(&output), said, stderr(&output))
}

const REGRESSION: &str = "data x[N] = [0, 1, 2, 3, 4, 5]\ndata y[N] = [1.1, 1.9, 3.2, 3.8, 5.1, 6.2]\n\
                          latent a ~ Normal(0, 5)\nlatent b ~ Normal(0, 5)\nobserve y ~ Normal(a + b * x, 0.5)\n";

#[test]
fn starts_agree_where_there_is_one_optimum() {
    let fit = fitted(REGRESSION, &[]);
    let starts = &fit["verdict"]["starts"];
    assert_eq!((&starts["count"], &starts["agreeing"], &starts["unfinished"]), (&4.into(), &4.into(), &0.into()));
    assert!(at(&fit, "verdict.starts.spread") < 0.01 && starts["higher"].is_null() && starts["apart"] == false);
    assert_eq!(fit["verdict"]["trusted"], true);
    let (exit, said, _) = strictly(REGRESSION);
    assert!(exit == 0 && said.contains("starts 4 of 4 starts agree within 0.001 nats"), "{said}");
    for (given, count) in [("starts = 2", Value::from(2)), ("starts = 1", Value::Null)] {
        let fit = fitted(&format!("{REGRESSION}train {{ {given} }}\n"), &[]);
        assert_eq!(fit["verdict"]["starts"]["count"], count, "{given}");
    }
    let output = {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("p.fe"), format!("{REGRESSION}train {{ starts = 3  optimizer = adam }}\n"))
            .unwrap();
        run(folder.path(), &["run", "p.fe"])
    };
    assert!(code(&output) == 1 && stderr(&output).contains("leave out `starts`"), "{}", stderr(&output));
}

/// Two wells, at 1, where the first start goes, and at −4, which is deeper by about 2 nats.
const WELLS: &str = "latent z ~ Normal(0, 3)\nloss wells = (z - 1)^2 * (z + 4)^2 / 8 + 0.6 * z\n";

#[test]
fn a_lower_minimum_found_by_another_start_is_kept() {
    let one = fitted(&format!("{WELLS}train {{ starts = 1 }}\n"), &[]);
    assert!(at(&one, "posterior.z.mean") > 0.5, "{}", one["posterior"]);
    let fit = fitted(&format!("{WELLS}train {{ starts = 16 }}\n"), &[]);
    assert!(at(&fit, "posterior.z.mean") < -3.5, "{}", fit["posterior"]);
    let (gap, higher) = (at(&one, "free_energy") - at(&fit, "free_energy"), at(&fit, "verdict.starts.higher"));
    assert!((gap - higher).abs() < 0.01 && gap > 1.5, "{gap} {higher}");
    assert!(at(&fit, "verdict.starts.agreeing") >= 2.0, "{}", fit["verdict"]);
    let said = strictly(&format!("{WELLS}train {{ starts = 16 }}\n")).1;
    assert!(said.contains("nats higher: there is more than one optimum, and"), "{said}");
    assert!(said.contains("another start ended lower than the first, and was kept"), "{said}");
}

#[test]
fn optima_of_equal_depth_are_said_to_lie_apart() {
    // Two wells alike, 2 to either side of 1; the first start, at 0, goes to the left one.
    let program = "latent z ~ Flat()\nloss wells = 2 * (z - 1)^4 - 16 * (z - 1)^2\n";
    let fit = fitted(&format!("{program}train {{ starts = 12 }}\n"), &[]);
    assert!(fit["verdict"]["starts"]["apart"] == true, "{}", fit["verdict"]);
    let said = strictly(&format!("{program}train {{ starts = 12 }}\n")).1;
    assert!(said.contains("optima of equal depth"), "{said}");
}

/// A regression with heavy tails and a scale of its own: no closed form, and no quadrature.
fn robust(samples: usize) -> String {
    format!(
        "data x[N] = [-1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2]\ndata y[N] = [-1.9, -0.2, -0.8, 0.4, 2.9, 0.7, 1.4, 2.2]\n\
         latent a ~ Normal(0, 2)\nlatent b ~ Normal(0, 2)\nlatent s ~ Normal(0, 1)\n\
         observe y ~ StudentT(4, a + b * x, exp(s))\ntrain {{ samples = {samples}  starts = 1 }}\n"
    )
}

/// The change under other draws, over √2, is the error that the draws leave: over seeds, against a fit with many draws.
#[test]
fn other_draws_tell_the_error_of_the_draws() {
    let exact = fitted(&robust(32768), &[]);
    let (mut told, mut found) = ([0.0; 2], [0.0; 2]);
    let seeds = 8;
    for seed in 1..=seeds {
        let fit = fitted(&robust(64), &["--seed", &seed.to_string()]);
        assert_eq!(fit["verdict"]["draws"]["count"], 64);
        let mut largest = [0.0f64; 2];
        for z in ["a", "b", "s"] {
            let of = |d: &Value, what: &str| at(d, &format!("posterior.{z}.{what}"));
            let sd = of(&exact, "sd");
            largest[0] = largest[0].max((of(&fit, "mean") - of(&exact, "mean")).abs() / sd);
            largest[1] = largest[1].max((of(&fit, "sd") / sd).ln().abs());
        }
        for (k, what) in ["means", "sds"].iter().enumerate() {
            told[k] += at(&fit, &format!("verdict.draws.{what}")).powi(2) / 2.0 / f64::from(seeds);
            found[k] += largest[k].powi(2) / f64::from(seeds);
        }
    }
    for (k, what) in ["means", "sds"].iter().enumerate() {
        let ratio = (told[k] / found[k]).sqrt();
        assert!((0.5..2.0).contains(&ratio), "{what}: {} told, {} found", told[k].sqrt(), found[k].sqrt());
        assert!(found[k].sqrt() > 0.005, "{what}: too small to tell: {}", found[k].sqrt());
    }
    let many = fitted(&robust(4096), &[]);
    assert!(at(&many, "verdict.draws.means") < 0.2 * told[0].sqrt(), "{}", many["verdict"]);
}

#[test]
fn a_deterministic_objective_has_no_draws_to_change() {
    assert!(fitted(REGRESSION, &[])["verdict"]["draws"].is_null());
}

#[test]
fn too_few_draws_are_not_trusted() {
    let (exit, said, wrong) = strictly(&robust(5));
    assert_eq!(exit, 5, "{said} {wrong}");
    assert!(said.contains("draws another set of 8 draws moves means by at most"), "{said}");
    assert!(said.contains("raise `samples`") && wrong.contains("raise `samples`"), "{said} {wrong}");
    let fit = fitted(&robust(5), &[]);
    assert!(fit["verdict"]["converged"] == true && fit["verdict"]["trusted"] == false);
}

/// For a Gaussian posterior linear response is exact.
#[test]
fn linear_response_of_a_gaussian_posterior() {
    let fit = fitted(&format!("{REGRESSION}guide a, b ~ MeanField()\n"), &[]);
    // Precision: prior 1/25, and x'x/0.25 with Σ1 = 6, Σx = 15, Σx² = 55.
    let (p, q, r): (f64, f64, f64) = (0.04 + 6.0 / 0.25, 15.0 / 0.25, 0.04 + 55.0 / 0.25);
    let factor: f64 = (p * r / (p * r - q * q)).sqrt();
    // Both are understated by the same factor.
    assert!((at(&fit, "verdict.mean_field.factor") - factor).abs() < 1e-4 * factor, "{} {factor}", fit["verdict"]);
    let sd = at(&fit, "posterior.a.sd") * factor;
    assert!((sd - (r / (p * r - q * q)).sqrt()).abs() < 1e-3, "{sd}");
    let said = strictly(&format!("{REGRESSION}guide a, b ~ MeanField()\n")).1;
    assert!(said.contains("the mean-field guide understates the worst standard deviation, of "), "{said}");
    assert!(said.contains(&format!("by a factor of {factor:.2}, by linear response")), "{said}");
    assert!(fitted(REGRESSION, &[])["verdict"]["mean_field"].is_null());
}

#[test]
fn linear_response_names_the_element() {
    // Of three sums of two, the first pair is told by its sum alone, the others one by one.
    let program = "data x[N, K] = [[1, 1, 0], [1, 1, 0], [1, 0.9, 0], [0, 0, 1], [0, 0, 2]]\ndata y[N] = [2, 2.2, 1.9, 1, 2.1]\n\
                   latent w[K] ~ Normal(0, 1)\nobserve y ~ Normal(x @ w, 0.3)\nguide w ~ MeanField()\n";
    let fit = fitted(program, &[]);
    // Precision of the first two: I + XᵀX/0.09.
    let (p, q, r): (f64, f64, f64) = (1.0 + 3.0 / 0.09, 2.9 / 0.09, 1.0 + 2.81 / 0.09);
    let factor: f64 = (p * r / (p * r - q * q)).sqrt();
    assert!((at(&fit, "verdict.mean_field.factor") - factor).abs() < 1e-3 * factor, "{} {factor}", fit["verdict"]);
    let worst = fit["verdict"]["mean_field"]["worst"].as_str().unwrap();
    assert!(["w[0]", "w[1]"].contains(&worst), "{worst}");
}

/// Beyond 256 dimensions the default guide is mean-field: Λ = I + n 11ᵀ for n sums of K.
#[test]
fn the_default_beyond_256_dimensions_says_what_it_leaves_out() {
    let program = "dim K = 260\ndata y[N] = [1, 2, 0, 1, 1]\nlatent w[K] ~ Normal(0, 1) by guide\nobserve y ~ Normal(sum(w, K), 1)\n";
    let fit = fitted(program, &[]);
    let (n, k) = (5.0f64, 260.0);
    let factor = ((1.0 + n) * (1.0 - n / (1.0 + n * k))).sqrt();
    assert!((at(&fit, "verdict.mean_field.factor") - factor).abs() < 1e-3 * factor, "{} {factor}", fit["verdict"]);
    // By noisy steps it is not computed, which is said.
    let steps = fitted(&format!("{program}train {{ optimizer = adam  steps = 5 }}\n"), &[]);
    assert!(steps["verdict"]["mean_field"].is_null());
    assert!(steps["verdict"]["notes"].to_string().contains("was not computed"), "{}", steps["verdict"]["notes"]);
}

/// A count whose data lie where its prior holds nothing: the sum would leave out what matters.
#[test]
fn a_sum_over_counts_that_ends_too_early_is_not_trusted() {
    let program = "data x[N] = [70]\nlatent n ~ Poisson(1)\nobserve x ~ Normal(n, 0.5)\n";
    let fit = fitted(program, &[]);
    assert_eq!(fit["verdict"]["trusted"], false);
    assert_eq!(fit["verdict"]["cut_off"][0]["of"], "n");
    assert!(fit["verdict"]["notes"].to_string().contains("the posterior goes on there"), "{}", fit["verdict"]["notes"]);
    // Where it reaches far enough, nothing is said.
    let fit = fitted(&program.replace("70", "3"), &[]);
    assert_eq!(fit["verdict"]["trusted"], true);
    assert!(fit["verdict"]["cut_off"].is_null());
}

/// Groups whose likelihood has an edge between the points at which they are integrated.
#[test]
fn points_that_are_too_far_apart_are_not_trusted() {
    let program = "data x[J] = [-0.4, 1.3, 0.2, -1.1, 0.7, 0.1]\ndata y[J] : bool = [1, 0, 0, 1, 1, 0]\n\
                   latent s ~ HalfNormal(2)\nlatent z[J] ~ Normal(0, s)\nobserve y ~ Bernoulli(logits = 2 * (z - x))\n";
    let fit = fitted(program, &[]);
    assert_eq!((&fit["verdict"]["trusted"], &fit["verdict"]["coarse"]), (&true.into(), &Value::Null));
    let fit = fitted(&program.replace("2 * (z", "200 * (z"), &["--steps", "5"]);
    assert_eq!((&fit["verdict"]["trusted"], &fit["verdict"]["coarse"][0]["of"]), (&false.into(), &"z".into()));
    assert!(fit["verdict"]["notes"].to_string().contains("too far apart for how steep"), "{}", fit["verdict"]["notes"]);
}

/// Logits that are the same for every choice, whatever the temperature is.
#[test]
fn what_nothing_depends_on_is_said() {
    let program = "dim A = 2\ndata c[T] : index(A) = [0, 1, 1, 0]\ndata r[T] = [0, 1, 1, 0]\nlatent b ~ Normal(0, 1)\n\
                   latent m ~ Normal(0, 1)\nlet Q[T, A] = r\nobserve c ~ Categorical(logits = exp(b) * Q)\n\
                   observe r ~ Normal(m, 1)\n";
    let notes = fitted(program, &[])["verdict"]["notes"].to_string();
    assert!(notes.contains("the data say nothing about `b`: its posterior is its prior"), "{notes}");
    let notes = fitted(&program.replace("exp(b) * Q", "exp(b) * Q * [0, 1]"), &[])["verdict"]["notes"].to_string();
    assert!(!notes.contains("say nothing"), "{notes}");
}

#[test]
fn what_is_not_the_free_energy_is_not_judged_by_khat() {
    let fit = fitted(&format!("{REGRESSION}minimize distortion + 4 * rate\n"), &[]);
    assert!(fit["verdict"]["khat"].is_null() && fit["posterior_resampled"].is_null() && fit["loo"].is_null());
    // Nothing speaks against the guide, and nothing was asked.
    assert!(fit["verdict"]["trusted"].is_null());
    assert_eq!(fit["verdict"]["unchecked"], serde_json::json!(["a", "b"]));
    assert!(fit["verdict"]["notes"].to_string().contains("no k̂ judges it"), "{}", fit["verdict"]["notes"]);
    // The same written out is the free energy.
    let fit = fitted(&format!("{REGRESSION}minimize distortion + rate(a) + rate(b)\n"), &[]);
    assert!(fit["verdict"]["khat"].is_null() == fitted(REGRESSION, &[])["verdict"]["khat"].is_null());
}

/// A weight that ramps from 0 to 1: steps follow it, L-BFGS takes its end, and both end at the free energy's minimum.
#[test]
fn annealed_rates_end_at_their_end() {
    let plain = at(&fitted(REGRESSION, &[]), "free_energy");
    let annealed = format!("{REGRESSION}minimize distortion + ramp(0, 1, until = 0.5) * rate\n");
    let steps = fitted(&format!("{annealed}train {{ steps = 3000 }}\n"), &[]);
    assert!(steps["optimizer"].as_str().unwrap().starts_with("adam"), "{}", steps["optimizer"]);
    assert!((at(&steps, "free_energy") - plain).abs() < 1e-3, "{} {plain}", at(&steps, "free_energy"));
    assert!((at(&steps, "objective_value") - at(&steps, "free_energy")).abs() < 1e-12);
    let lbfgs = fitted(&format!("{annealed}train {{ optimizer = lbfgs }}\n"), &[]);
    assert!((at(&lbfgs, "free_energy") - plain).abs() < 1e-8, "{} {plain}", at(&lbfgs, "free_energy"));
    assert!(
        lbfgs["verdict"]["notes"].to_string().contains("takes a schedule at its end value"),
        "{}",
        lbfgs["verdict"]
    );
    assert!(fitted(REGRESSION, &[])["verdict"]["notes"].to_string().find("schedule").is_none());
}
