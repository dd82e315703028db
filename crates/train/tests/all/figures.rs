//! Figures of fits against closed forms.

use std::f64::consts::PI;

use fe_train::Setting;

use crate::support::{Bound, Silent, at_start, close, fitted};

/// μ ~ N(0, 2²), y | μ ~ N(μ, 1.5²): the evidence, the posterior, and the two parts of the free energy are known.
#[test]
fn distortion_rate_and_free_energy_of_a_normal_mean() {
    let y = [1.2, 0.3, -0.7, 2.1, 1.6, 0.4];
    let fit = fitted(&format!("data y[N] = {y:?}\nlatent mu ~ Normal(0, 2)\nobserve y ~ Normal(mu, 1.5)\n"));
    let n = y.len() as f64;
    let (prior, noise) = (4.0f64, 2.25f64);
    let variance = 1.0 / (1.0 / prior + n / noise);
    let mean = variance * y.iter().sum::<f64>() / noise;
    let distortion: f64 =
        y.iter().map(|y| 0.5 * (2.0 * PI * noise).ln() + ((y - mean).powi(2) + variance) / (2.0 * noise)).sum::<f64>()
            / n;
    let rate = 0.5 * (variance / prior + mean * mean / prior - 1.0 - (variance / prior).ln()) / n;
    close(fit.figures.distortion, distortion, 1e-8);
    close(fit.figures.rate, rate, 1e-8);
    close(fit.figures.free_energy, distortion + rate, 1e-8);
    assert_eq!((fit.figures.se, fit.figures.rows), (None, y.len()));
    // No row has a latent of its own.
    assert_eq!((fit.figures.local_rate, fit.figures.latents.len()), (0.0, 1));
    let mu = &fit.posterior.guide[0];
    close(mu.mean[0], mean, 1e-6);
    close(mu.sd[0], variance.sqrt(), 1e-6);
}

/// Independent Poisson latents: spikes, the prior's, and the rate Σ λ log(λ/r) − λ + r, with its parts.
#[test]
fn spikes_and_the_parts_of_their_rate() {
    let fit = fitted("data a[N] = [0.5, -1, 2]\nlatent z[N] ~ Poisson(0.5)\nloss gain = -a * z\n");
    let f = &fit.figures;
    // λ = ½ eᵃ minimises −a λ + KL(λ ‖ ½).
    let rates = [0.5f64, -1.0, 2.0].map(|a| 0.5 * a.exp());
    let mean = |g: &dyn Fn(f64) -> f64| rates.iter().map(|&l| g(l)).sum::<f64>() / 3.0;
    close(f.spikes.unwrap(), mean(&|l| l), 1e-6);
    close(f.prior_spikes.unwrap(), 0.5, 1e-12);
    close(f.rate, mean(&|l| l * (l / 0.5).ln() - l + 0.5), 1e-6);
    close(f.free_energy, mean(&|l| 0.5 - l), 1e-6);
    let split = f.latents[0].split.unwrap();
    close(split.log_ratio, mean(&|l| l * (l / 0.5).ln()), 1e-6);
    close(split.spikes, mean(&|l| l), 1e-6);
    close(split.prior, 0.5, 1e-12);
    close(split.suppressed + split.excited, f.rate, 1e-6);
}

/// A bound that binds: its value is the limit, its multiplier the price by hand.
#[test]
fn the_price_of_a_budget() {
    let fit = fitted(
        "data a[N] = [1, 2]\nlatent z[N] ~ Poisson(0.5)\nloss gain = -a * z\n\
         minimize distortion + rate subject to energy <= 1 spike\n",
    );
    let price = (0.25 * (1f64.exp() + 2f64.exp())).ln();
    close(fit.bounds[0].multiplier, price, 1e-4);
    close(fit.bounds[0].value, 1.0, 1e-5);
    assert!(fit.bounds[0].met && fit.converged);
}

/// Rows one by one make up the figures of all; shared latents are divided among them.
#[test]
fn rows_add_up() {
    let bound = Bound::new("data y[N] = [0.3, 2, -1]\nlatent m ~ Normal(0, 1)\nobserve y ~ Normal(m, 1)\n");
    let problem = bound.problem();
    let fit = fe_train::fit(&problem, &bound.program().train, None, &mut Silent).unwrap();
    let rows = fe_train::rows(&problem, &fit, 100).unwrap();
    assert_eq!((rows.rows.as_slice(), rows.heldout), (&[0, 1, 2][..], false));
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    close(mean(&rows.by_row.distortion), fit.figures.distortion, 1e-10);
    close(mean(&rows.by_row.rate), fit.figures.rate, 1e-10);
    close(mean(&rows.by_row.free_energy), fit.figures.free_energy, 1e-10);
}

/// Rows held out are figured under the fit to the others.
#[test]
fn held_out_rows() {
    let bound = Bound::new(
        "data y[N] = [1, 3, 2, 6, 4, 8]\nparam m = 0\nobserve y ~ Normal(m, 1)\ntrain { holdout = 0.34  optimizer = lbfgs }\n",
    );
    let problem = bound.problem();
    let y = [1.0, 3.0, 2.0, 6.0, 4.0, 8.0];
    let fit = fe_train::fit(&problem, &bound.program().train, None, &mut Silent).unwrap();
    let of = |rows: &[u64]| rows.iter().map(|&r| y[r as usize]).collect::<Vec<f64>>();
    let (train, held) = (of(&problem.train), of(&problem.heldout));
    assert_eq!((train.len(), held.len()), (4, 2));
    let m = train.iter().sum::<f64>() / 4.0;
    let mean = |rows: &[f64]| {
        rows.iter().map(|y| 0.5 * (2.0 * PI).ln() + 0.5 * (y - m).powi(2)).sum::<f64>() / rows.len() as f64
    };
    close(fit.figures.free_energy, mean(&train), 1e-8);
    close(fit.heldout.unwrap().free_energy, mean(&held), 1e-8);
}

/// A sampled term has a standard error, and lies within it of the integral by the trapezoid rule.
#[test]
fn a_sampled_term_has_an_honest_error() {
    let fit = at_start("data x[N] = [1, 2]\nlatent z ~ Normal(0, 1)\nloss l = 0 * x + tanh(max(z, 0))^2\n");
    let se = fit.figures.se.expect("what bends has neither a closed expectation nor a quadrature");
    // At the start the guide is the prior's median and the scale it starts with; the trapezoid rule knows the rest.
    let guide = &fit.posterior.guide[0];
    let (mean, sd) = (guide.mean[0], guide.sd[0]);
    let expected: f64 = (-8000..=8000)
        .map(|i| f64::from(i) * 0.002)
        .map(|z| 0.002 * (mean + sd * z).max(0.0).tanh().powi(2) * (-0.5 * z * z).exp() / (2.0 * PI).sqrt())
        .sum();
    let found = fit.figures.distortion;
    assert!(se > 0.0 && se < 0.05, "{se}");
    assert!((found - expected).abs() < 4.0 * se + 1e-3, "{found} ± {se}, not {expected}");
}

/// Figures are taken at temperature 0 and at the end of schedules, whatever the training step.
#[test]
fn a_reporting_setting() {
    let setting = Setting::reporting(7, 3);
    assert_eq!((setting.step, setting.samples, setting.temperature, setting.progress), (7, 3, 0.0, 1.0));
}
