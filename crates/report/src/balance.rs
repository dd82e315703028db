//! Whether a ledger adds up: every sum that a reader may form of a document's figures, to rounding.

use crate::account::Account;
use crate::document::{Document, Latent, TermKind};
use crate::ledger::Sums;

/// Sums of figures that were made one by one, in f64.
const ROUNDING: f64 = 1e-9;

/// Sums that single precision carries: over rows and units, each term rounded.
const SINGLE: f64 = 1e-3;

/// A sum of a ledger that does not hold: a fault of the compiler.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the ledger does not add up: {what} is {parts}, and {whole} is reported")]
pub struct Imbalance {
    /// The sum, in words.
    pub what: String,
    /// The sum of its parts.
    pub parts: f64,
    /// The whole, as reported.
    pub whole: f64,
}

/// Checks every sum of a document. `single`: its figures were carried in single precision.
///
/// # Errors
/// The first that does not hold.
pub fn balance(document: &Document, single: bool) -> Result<(), Imbalance> {
    let carried = if single { SINGLE } else { ROUNDING };
    sums(Sums::from(document))?;
    if let Some(energy) = document.account.energy {
        for price in &document.prices {
            let what = format!("the price in {}", price.unit);
            adds(&what, &[energy * price.per_spike], price.per_row, ROUNDING)?;
        }
    }
    if let Some(prior) = document.account.prior_energy {
        let spikes: Vec<f64> = document.latents.values().filter_map(|latent| latent.prior_energy).collect();
        adds("the sum of the prior spikes", &spikes, prior, ROUNDING)?;
    }
    if let Some(held) = &document.heldout {
        let Account { free_energy, distortion, rate, .. } = held.account;
        adds("distortion + rate of held-out rows", &[distortion, rate], free_energy, ROUNDING)?;
    }
    for (name, latent) in &document.latents {
        let term = document.terms.iter().find(|term| term.kind != TermKind::Distortion && term.name == *name);
        if let Some(term) = term {
            adds(&format!("the rate of `{name}`"), &[term.nats], latent.rate, ROUNDING)?;
            if let (Some(of_term), Some(of_latent)) = (term.energy, latent.energy) {
                adds(&format!("the spikes of `{name}`"), &[of_term], of_latent, ROUNDING)?;
            }
        }
        let sampled = term.is_some_and(|term| term.se.is_some());
        parts(name, latent, sampled, carried)?;
    }
    Ok(())
}

/// Checks the sums of an account: of its terms, of its parts, and over its rows.
pub(crate) fn sums(of: Sums) -> Result<(), Imbalance> {
    let Account { free_energy, distortion, rate, .. } = *of.account;
    let (distortions, rates) = of.parts();
    let all: Vec<f64> = of.terms.iter().map(|term| term.nats).collect();
    adds("the sum of the terms", &all, free_energy, ROUNDING)?;
    adds("the sum of the distortions", &distortions, distortion, ROUNDING)?;
    adds("the sum of the rates", &rates, rate, ROUNDING)?;
    adds("distortion + rate", &[distortion, rate], free_energy, ROUNDING)?;
    let whole = of.account.over(of.rows);
    for (name, parts, total) in [
        ("free energy", whole.free_energy_total, of.account.free_energy_total),
        ("distortion", whole.distortion_total, of.account.distortion_total),
        ("rate", whole.rate_total, of.account.rate_total),
    ] {
        if let (Some(parts), Some(total)) = (parts, total) {
            adds(&format!("the {name} of all rows"), &[parts], total, ROUNDING)?;
        }
    }
    if let (Some(local), Some(global)) = (of.account.local_rate, of.account.global_rate) {
        adds("local + global rate", &[local, global], rate, ROUNDING)?;
    }
    if let Some(energy) = of.account.energy {
        let spikes: Vec<f64> = of.terms.iter().filter_map(|term| term.energy).collect();
        adds("the sum of the spikes", &spikes, energy, ROUNDING)?;
    }
    Ok(())
}

/// The sums within a latent. What was sampled unit by unit is of other draws than the whole.
fn parts(name: &str, latent: &Latent, sampled: bool, carried: f64) -> Result<(), Imbalance> {
    if let Some(split) = &latent.split {
        let three = [split.log_ratio, split.minus_spikes, split.prior_spikes];
        adds(&format!("λ log(λ/r) − λ + r of `{name}`"), &three, latent.rate, carried)?;
        let two = [split.suppressed, split.excited];
        let scale: f64 = three.iter().map(|part| part.abs()).sum();
        within(&format!("suppressed + excited of `{name}`"), &two, latent.rate, carried * scale)?;
        let product = split.mean_f * split.prior_spikes;
        within(&format!("r f(λ/r) of `{name}`"), &[product], latent.rate, ROUNDING * scale)?;
    }
    let Some(units) = latent.units.as_ref().filter(|_| !sampled) else { return Ok(()) };
    let scale = latent.split.map_or(0.0, |split| split.prior_spikes + split.log_ratio.abs());
    if let Some(rates) = &units.rate {
        let magnitude = scale + rates.iter().map(|rate| rate.abs()).sum::<f64>();
        within(&format!("the rate of the units of `{name}`"), rates, latent.rate, carried * magnitude)?;
    }
    if let (Some(spikes), Some(split)) = (&units.energy, &latent.split) {
        adds(&format!("the spikes of the units of `{name}`"), spikes, -split.minus_spikes, carried)?;
    }
    if let (Some(spikes), Some(prior)) = (&units.prior, latent.prior_energy) {
        adds(&format!("the prior spikes of the units of `{name}`"), spikes, prior, carried)?;
    }
    Ok(())
}

/// Checks that parts add up to a whole, to a rounding of their size.
fn adds(what: &str, parts: &[f64], whole: f64, rounding: f64) -> Result<(), Imbalance> {
    within(what, parts, whole, rounding * parts.iter().map(|part| part.abs()).sum::<f64>())
}

fn within(what: &str, parts: &[f64], whole: f64, error: f64) -> Result<(), Imbalance> {
    let sum: f64 = parts.iter().sum();
    // Sums that are not finite are alike where they are the same infinity, or both no number.
    let same = sum == whole || sum.is_nan() && whole.is_nan() || (sum - whole).abs() <= error;
    if same { Ok(()) } else { Err(Imbalance { what: what.into(), parts: sum, whole }) }
}
