//! The account of some rows: their free energy and what it is made of.
//!
//! Training rows, held-out rows, new rows and a sweep's fits are all told by one [`Account`]; a file holds those of its
//! figures that belong there. [`Figure`] names them: a new one is a field here, and a line in each list that shows it.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde::{Deserialize, Deserializer};

use crate::figures::bits;
use crate::nested::number;

/// The free energy of some rows and its parts: nats per row unless a field says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
pub struct Account {
    /// Distortion + rate.
    #[serde(with = "number")]
    pub free_energy: f64,
    /// Monte Carlo standard error of `free_energy`, when any term was sampled.
    #[serde(default)]
    pub free_energy_se: Option<f64>,
    /// E_q[−log p(x|z) + losses].
    #[serde(with = "number")]
    pub distortion: f64,
    /// KL(q‖p) summed over latents.
    #[serde(with = "number")]
    pub rate: f64,
    /// The part of `rate` from latents that have the row axis.
    #[serde(default)]
    pub local_rate: Option<f64>,
    /// The part of `rate` from latents shared by all rows: of each row, its share.
    #[serde(default)]
    pub global_rate: Option<f64>,
    /// Free energy of all rows together, in nats: minus the evidence bound.
    #[serde(default)]
    pub free_energy_total: Option<f64>,
    /// Distortion of all rows together, nats.
    #[serde(default)]
    pub distortion_total: Option<f64>,
    /// Rate of all rows together, nats.
    #[serde(default)]
    pub rate_total: Option<f64>,
    /// Whether the free energy is known up to a constant only, as a `Flat` prior is not normalised.
    #[serde(default)]
    pub up_to_constant: bool,
    /// Expected spikes per row over all latents with count support; none without such a latent.
    #[serde(default)]
    pub energy: Option<f64>,
    /// The same under the prior: what the code would spend without a message. None where it is not known of every
    /// count.
    #[serde(default)]
    pub prior_energy: Option<f64>,
    /// Mean over rows of 1 − SS_res/SS_tot, with the latents' means decoded; none where nothing is reconstructed.
    #[serde(default)]
    pub r2: Option<f64>,
}

/// A figure of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Distortion + rate.
    FreeEnergy,
    /// The standard error of that.
    FreeEnergySe,
    /// E_q[−log p(x|z) + losses].
    Distortion,
    /// KL(q‖p).
    Rate,
    /// The same in bits.
    RateBits,
    /// The part of the rate that each row has of its own.
    LocalRate,
    /// The part that all rows share.
    GlobalRate,
    /// The free energy of all rows.
    FreeEnergyTotal,
    /// The distortion of all rows.
    DistortionTotal,
    /// The rate of all rows.
    RateTotal,
    /// Spikes.
    Energy,
    /// Spikes under the prior.
    PriorEnergy,
    /// The part of the data's variance that is reconstructed.
    R2,
}

use Figure::{
    Distortion, DistortionTotal, Energy, FreeEnergy, FreeEnergySe, FreeEnergyTotal, GlobalRate, LocalRate, PriorEnergy,
    R2, Rate, RateBits, RateTotal,
};

impl Figure {
    /// The figures by which two accounts are compared.
    pub const COMPARED: [Self; 7] = [FreeEnergy, Distortion, Rate, RateBits, Energy, PriorEnergy, R2];

    /// The key in files, the symbol in tables, and the unit, empty of fractions.
    const fn said(self) -> (&'static str, &'static str, &'static str) {
        match self {
            FreeEnergy => ("free_energy", "F", "nats"),
            FreeEnergySe => ("free_energy_se", "± se", "nats"),
            Distortion => ("distortion", "D", "nats"),
            Rate => ("rate", "R", "nats"),
            RateBits => ("rate_bits", "R", "bits"),
            LocalRate => ("local_rate", "local", "nats"),
            GlobalRate => ("global_rate", "global / rows", "nats"),
            FreeEnergyTotal => ("free_energy_total", "F", "nats"),
            DistortionTotal => ("distortion_total", "D", "nats"),
            RateTotal => ("rate_total", "R", "nats"),
            Energy => ("energy", "", "spikes"),
            PriorEnergy => ("prior_energy", "prior", "spikes"),
            R2 => ("r2", "R²", ""),
        }
    }

    /// Its key in `fit.json` and the other files.
    pub const fn key(self) -> &'static str {
        self.said().0
    }

    /// Its symbol in tables; none of the energy, which its unit names.
    pub const fn symbol(self) -> &'static str {
        self.said().1
    }

    /// Its unit; empty of fractions.
    pub const fn unit(self) -> &'static str {
        self.said().2
    }

    /// Its value in an account.
    pub fn of(self, account: &Account) -> Option<f64> {
        match self {
            FreeEnergy => Some(account.free_energy),
            FreeEnergySe => account.free_energy_se,
            Distortion => Some(account.distortion),
            Rate => Some(account.rate),
            RateBits => Some(account.rate_bits()),
            LocalRate => account.local_rate,
            GlobalRate => account.global_rate,
            FreeEnergyTotal => account.free_energy_total,
            DistortionTotal => account.distortion_total,
            RateTotal => account.rate_total,
            Energy => account.energy,
            PriorEnergy => account.prior_energy,
            R2 => account.r2,
        }
    }
}

impl Account {
    /// The rate in bits.
    pub fn rate_bits(&self) -> f64 {
        bits(self.rate)
    }

    /// The account with its sums over so many rows.
    #[must_use]
    pub fn over(self, rows: u64) -> Self {
        let total = |per_row: f64| Some(per_row * rows as f64);
        Self {
            free_energy_total: total(self.free_energy),
            distortion_total: total(self.distortion),
            rate_total: total(self.rate),
            ..self
        }
    }

    /// The account of what could not be fitted.
    pub(crate) fn unknown() -> Self {
        Self { free_energy: f64::NAN, distortion: f64::NAN, rate: f64::NAN, ..Self::default() }
    }

    fn write<M: SerializeMap>(&self, map: &mut M, figures: &[Figure]) -> Result<(), M::Error> {
        figures.iter().try_for_each(|figure| map.serialize_entry(figure.key(), &Value(figure.of(self))))
    }
}

/// A number, or `null` where there is none that is finite.
struct Value(Option<f64>);

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        number::serialize(&self.0.unwrap_or(f64::NAN), serializer)
    }
}

/// Figures in nats of a fit.
const NATS: [Figure; 8] =
    [FreeEnergy, FreeEnergySe, Distortion, Rate, RateBits, LocalRate, GlobalRate, FreeEnergyTotal];

/// Figures of the code.
const CODE: [Figure; 3] = [Energy, PriorEnergy, R2];

/// Writes the account of a fit, among the keys of its document.
pub(crate) fn of_fit<S: Serializer>(account: &Account, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    account.write(&mut map, &NATS)?;
    map.serialize_entry("up_to_constant", &account.up_to_constant)?;
    account.write(&mut map, &CODE)?;
    map.end()
}

/// Writes the account of new rows, among the keys of their evaluation.
pub(crate) fn of_new_rows<S: Serializer>(account: &Account, serializer: S) -> Result<S::Ok, S::Error> {
    written(account, serializer, &[&NATS, &[DistortionTotal, RateTotal], &CODE])
}

/// Writes the account of rows that were held out.
pub(crate) fn of_held_out<S: Serializer>(account: &Account, serializer: S) -> Result<S::Ok, S::Error> {
    written(account, serializer, &[&[FreeEnergy, Distortion, Rate, RateBits], &CODE])
}

/// Writes the account of a sweep's point; its other figures are in the `fit.json` of its run.
pub(crate) fn of_point<S: Serializer>(account: &Account, serializer: S) -> Result<S::Ok, S::Error> {
    written(account, serializer, &[&[FreeEnergy, Distortion, Rate, Energy, PriorEnergy]])
}

fn written<S: Serializer>(account: &Account, serializer: S, figures: &[&[Figure]]) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    figures.iter().try_for_each(|some| account.write(&mut map, some))?;
    map.end()
}

/// Reads the account of a sweep's point, whose other keys may be names of the program, whatever they are.
pub(crate) fn read_of_point<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Account, D::Error> {
    #[derive(Deserialize)]
    struct OfPoint {
        #[serde(with = "number")]
        free_energy: f64,
        #[serde(with = "number")]
        distortion: f64,
        #[serde(with = "number")]
        rate: f64,
        energy: Option<f64>,
        #[serde(default)]
        prior_energy: Option<f64>,
    }
    let OfPoint { free_energy, distortion, rate, energy, prior_energy } = OfPoint::deserialize(deserializer)?;
    Ok(Account { free_energy, distortion, rate, energy, prior_energy, ..Account::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(write: impl Fn(&mut serde_json::Serializer<&mut Vec<u8>>)) -> String {
        let mut bytes = vec![];
        write(&mut serde_json::Serializer::new(&mut bytes));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn each_file_has_its_figures_in_their_order() {
        let account =
            Account { free_energy: 3.0, distortion: 1.0, rate: f64::NAN, energy: Some(2.0), ..Account::default() };
        let held_out = keys(|serializer| of_held_out(&account, serializer).unwrap());
        assert_eq!(
            held_out,
            r#"{"free_energy":3.0,"distortion":1.0,"rate":null,"rate_bits":null,"energy":2.0,"prior_energy":null,"r2":null}"#
        );
        let point = keys(|serializer| of_point(&account, serializer).unwrap());
        assert_eq!(point, r#"{"free_energy":3.0,"distortion":1.0,"rate":null,"energy":2.0,"prior_energy":null}"#);
        let back: Account = serde_json::from_str(&point).unwrap();
        assert!(back.rate.is_nan() && back.energy == Some(2.0) && back.r2.is_none());
    }
}
