//! A ledger that does not add up is caught, whichever figure is wrong.

use crate::fits;
use fe_report::{Account, Document, balance};

#[test]
fn ledgers_add_up() {
    for (name, document) in fits::all() {
        assert_eq!(balance(&document, false), Ok(()), "{name}");
    }
    // Figures of a fit that went wrong are no fault of the ledger.
    let mut lost = fits::eight_schools();
    lost.terms[0].nats = f64::NAN;
    lost.account = Account { distortion: f64::NAN, free_energy: f64::NAN, ..lost.account }.over(lost.rows);
    assert_eq!(balance(&lost, false), Ok(()));
}

/// Changes one figure of a document.
type Break = fn(&mut Document);

#[test]
fn every_figure_of_a_sum_is_watched() {
    let wrong: [(Break, &str); 19] = [
        (|d| d.account.free_energy += 0.01, "the sum of the terms is 167.2"),
        (|d| d.terms[0].nats += 0.01, "the sum of the terms is"),
        (|d| (d.terms[0].nats, d.terms[1].nats) = (d.terms[1].nats, d.terms[0].nats), "the sum of the distortions is"),
        (
            |d| (d.account.distortion, d.account.rate) = (d.account.rate, d.account.distortion),
            "the sum of the distortions is",
        ),
        (|d| d.account.free_energy_total = Some(1.0), "the free energy of all rows is"),
        (|d| (d.account.local_rate, d.account.global_rate) = (Some(29.0), Some(0.4)), "local + global rate is"),
        (|d| d.account.energy = Some(40.0), "the sum of the spikes is"),
        (|d| d.prices[1].per_row *= 1.01, "the price in J is"),
        (|d| d.account.prior_energy = Some(0.0), "the sum of the prior spikes is"),
        (|d| d.heldout.as_mut().unwrap().account.rate = 29.0, "distortion + rate of held-out rows is"),
        (|d| d.latents["z"].rate += 0.01, "the rate of `z` is"),
        (|d| d.latents["z"].energy = Some(1.0), "the spikes of `z` is"),
        (|d| d.latents["z"].split.as_mut().unwrap().log_ratio += 0.01, "λ log(λ/r) − λ + r of `z` is"),
        (|d| d.latents["z"].split.as_mut().unwrap().suppressed += 0.01, "suppressed + excited of `z` is"),
        (|d| d.latents["z"].split.as_mut().unwrap().mean_f = 1.0, "r f(λ/r) of `z` is"),
        (|d| d.latents["z"].units.as_mut().unwrap().rate.as_mut().unwrap()[7] = 1.0, "the rate of the units of `z` is"),
        (|d| d.latents["z"].units.as_mut().unwrap().energy.as_mut().unwrap()[7] = 1.0, "the spikes of the units"),
        (|d| d.latents["z"].units.as_mut().unwrap().prior.as_mut().unwrap()[7] = 1.0, "the prior spikes of the units"),
        (|d| d.terms[1].nats = f64::NAN, "the sum of the terms is NaN"),
    ];
    for (change, said) in wrong {
        let mut document = fits::poisson_vae();
        change(&mut document);
        let error = balance(&document, false).expect_err(said).to_string();
        assert!(error.starts_with(&format!("the ledger does not add up: {said}")), "{error}");
        assert!(error.ends_with("is reported"), "{error}");
    }
}

/// Single precision carries sums over rows and units to a thousandth, and what is added here to all digits.
#[test]
fn single_precision_is_told_from_a_fault() {
    let mut rounded = fits::poisson_vae();
    rounded.latents["z"].split.as_mut().unwrap().log_ratio += 1e-5;
    assert!(balance(&rounded, false).is_err());
    assert_eq!(balance(&rounded, true), Ok(()));
    rounded.account.free_energy += 1e-5;
    assert!(balance(&rounded, true).is_err());
}
