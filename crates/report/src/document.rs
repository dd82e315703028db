//! The document of a fit, `fit.json`.
//!
//! Numbers that are not finite have no form in JSON. They are written as `null`, and a `null` where a number must
//! stand is read back as NaN.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::account::{self, Account};
use crate::nested::{Nested, number};
use crate::refinement::Refinement;
use crate::verdict::Verdict;

/// The version of the `fit.json` layout that this crate writes.
pub const SCHEMA: u32 = 1;

/// Everything reported about one fit. Figures are nats per training row unless a field says otherwise, taken after
/// the fit over all training rows at temperature 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The model's name.
    pub model: String,
    /// The model's title, when it states one.
    #[serde(default)]
    pub title: Option<String>,
    /// The version of the compiler that made the fit.
    pub fe_version: String,
    /// The seed of the fit.
    pub seed: u64,
    /// Training rows; 1 for a model without a row axis.
    pub rows: u64,
    /// Optimizer steps taken.
    pub steps: u64,
    /// Wall-clock seconds of the fit.
    #[serde(with = "number")]
    pub seconds: f64,
    /// The optimizer, as the reader knows it: `adamax`, `L-BFGS`.
    #[serde(default)]
    pub optimizer: Option<String>,
    /// The executor, with its device and precision: `candle, cpu, f32`.
    #[serde(default)]
    pub executor: Option<String>,
    /// Threads used.
    #[serde(default)]
    pub threads: Option<u64>,
    /// The part of sampled counts that was not 0 in the fit's matrix products with them, where the executor looked:
    /// what decides whether those products ran on the spikes alone.
    #[serde(default, rename = "density")]
    pub nonzero_fraction: Option<f64>,
    /// The objective as an expression in distortion, rate and energy.
    pub objective: String,
    /// The value of that objective: the number that was minimised.
    #[serde(with = "number")]
    pub objective_value: f64,
    /// The layout's version, [`SCHEMA`].
    pub schema: u32,
    /// The mark of the run, which its other files carry too; none where it is of no directory.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run: String,
    /// The free energy and its parts.
    #[serde(flatten, serialize_with = "account::of_fit")]
    pub account: Account,
    /// The cost of the spikes in other units, by the program's assumptions.
    #[serde(default)]
    pub prices: Vec<Price>,
    /// The same functionals on rows that the fit did not see.
    pub heldout: Option<HeldOut>,
    /// The terms of the free energy, in order of declaration; they add up to `free_energy`.
    pub terms: Vec<Term>,
    /// Each latent's code.
    pub latents: IndexMap<String, Latent>,
    /// The expressions named by `meter`.
    pub meters: IndexMap<String, Meter>,
    /// The bounds of the objective.
    pub constraints: Vec<Constraint>,
    /// The program's own parameters as fitted, up to [`Estimate::MOST`] elements of each.
    #[serde(default)]
    pub params: IndexMap<String, Estimate>,
    /// Fitted arrays that `params.safetensors` alone holds: larger parameters, and weights of layers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params_in_file: Vec<InFile>,
    /// Why the parameters have no standard errors, where they have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params_without_errors: Option<String>,
    /// Draws of the guide, summarised, for each global.
    pub posterior: IndexMap<String, Summary>,
    /// The same draws resampled by Pareto-smoothed importance weights; none where k̂ > 0.7.
    pub posterior_resampled: Option<IndexMap<String, Summary>>,
    /// log p(data) by the weights behind that table, and its standard error: nats over all rows.
    #[serde(default)]
    pub log_evidence: Option<LogEvidence>,
    /// What became of the descent that refines guides, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refinement: Option<Refinement>,
    /// The levels of text that axes run over, by axis.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub labels: Labels,
    /// Leave-one-out cross-validation, for models whose rows depend on shared latents alone.
    #[serde(default)]
    pub loo: Option<LeaveOneOut>,
    /// Whether the fit can be relied on.
    pub verdict: Verdict,
}

/// Levels of text, by the axis that runs over them.
pub type Labels = IndexMap<String, Vec<String>>;

/// log p(data), as reweighted draws have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogEvidence {
    /// Nats over all rows.
    #[serde(with = "number")]
    pub value: f64,
    /// Its standard error.
    #[serde(with = "number")]
    pub se: f64,
}

/// Figures per held-out row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// Held-out rows.
    #[serde(default)]
    pub rows: Option<u64>,
    /// Their free energy and its parts.
    #[serde(flatten, serialize_with = "account::of_held_out")]
    pub account: Account,
}

/// The kind of a term of the free energy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TermKind {
    /// An expected negative log likelihood or loss.
    #[default]
    Distortion,
    /// A Kullback–Leibler divergence.
    Rate,
    /// −log p at a point guide: counted in the rate, but not information.
    Penalty,
}

/// One term of the free energy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Term {
    /// The observed array, loss or latent that the term belongs to.
    pub name: String,
    /// Its kind.
    pub kind: TermKind,
    /// Its value, nats per row.
    #[serde(with = "number")]
    pub nats: f64,
    /// The same in bits.
    #[serde(default, with = "number")]
    pub bits: f64,
    /// Expected spikes per row, of the rate of a count.
    #[serde(default)]
    pub energy: Option<f64>,
    /// Monte Carlo standard error of `nats`; none for a term that was computed exactly.
    pub se: Option<f64>,
    /// The estimator in training: `closed form`, `pathwise`.
    pub estimator: String,
    /// Why that estimator applies.
    pub reason: String,
    /// Whether that estimate is biased.
    pub biased: bool,
    /// The bias and its size, in words.
    #[serde(default)]
    pub bias: Option<String>,
}

/// The code of one latent. Figures that a latent's support or size gives no meaning to are none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latent {
    /// Its rate, nats per row.
    #[serde(with = "number")]
    pub rate: f64,
    /// The same in bits.
    #[serde(default, with = "number")]
    pub rate_bits: f64,
    /// Expected spikes per row under the guide.
    pub energy: Option<f64>,
    /// Expected spikes per row under the prior.
    pub prior_energy: Option<f64>,
    /// `rate / energy`.
    pub nats_per_spike: Option<f64>,
    /// Fraction of samples that are exactly zero.
    pub zeros: Option<f64>,
    /// Treves–Rolls sparsity over rows, averaged over units.
    pub lifetime_sparsity: Option<f64>,
    /// Treves–Rolls sparsity over units, averaged over rows.
    pub population_sparsity: Option<f64>,
    /// Units whose rate exceeds 0.01 nats.
    pub active: Option<u64>,
    /// Units in all.
    pub of: Option<u64>,
    /// Whether each row has its own.
    #[serde(default)]
    pub local: bool,
    /// Elements per row, or in all for a latent shared by the rows.
    #[serde(default)]
    pub dimension: u64,
    /// The parts of its rate, of a Poisson latent with a Poisson prior.
    #[serde(default)]
    pub split: Option<RateSplit>,
    /// Its figures unit by unit, where each row has its own, up to [`Units::MOST`] of them.
    #[serde(default)]
    pub units: Option<Units>,
}

/// The rate of a Poisson latent with rates λ against a prior with rates r, per row:
/// Σ r f(λ/r), f(y) = 1 − y + y log y, which is Σ λ log(λ/r) − λ + r. A unit that falls silent costs its prior rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RateSplit {
    /// Σ λ log(λ/r), nats.
    #[serde(with = "number")]
    pub log_ratio: f64,
    /// −Σ λ.
    #[serde(with = "number")]
    pub minus_spikes: f64,
    /// Σ r. The three parts add up to the rate.
    #[serde(with = "number")]
    pub prior_spikes: f64,
    /// The mean of f(λ/r) with weights r: nats for each prior spike, 1 where all units are silent.
    #[serde(with = "number")]
    pub mean_f: f64,
    /// The rate of units below their prior rate, nats.
    #[serde(with = "number")]
    pub suppressed: f64,
    /// The rate of units at or above it, nats. These two add up to the rate as well.
    #[serde(with = "number")]
    pub excited: f64,
}

/// Figures of each unit of a latent, in the mean over rows; row-major over the latent's axes but the row's. What is not
/// known unit by unit is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Units {
    /// Rate, nats.
    pub rate: Option<Vec<f64>>,
    /// Expected spikes.
    pub energy: Option<Vec<f64>>,
    /// The prior's expected spikes.
    pub prior: Option<Vec<f64>>,
}

impl Units {
    /// More units than this are not listed.
    pub const MOST: usize = 4096;
}

/// The cost of the spikes in another unit: the user's assumption.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// The unit: `ATP`, `J`.
    pub unit: String,
    /// The price of a spike.
    #[serde(with = "number")]
    pub per_spike: f64,
    /// The price of a row's code.
    #[serde(with = "number")]
    pub per_row: f64,
    /// The price of a row's spikes under the prior.
    pub prior_per_row: Option<f64>,
    /// The price of a bit of rate of the latents that count; none where that rate is 0.
    pub per_bit: Option<f64>,
    /// The price of a held-out row's code.
    pub heldout_per_row: Option<f64>,
}

/// The activity of a metered expression.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Meter {
    /// Mean over rows and units.
    #[serde(with = "number")]
    pub mean: f64,
    /// Fraction of samples that are exactly zero.
    #[serde(with = "number")]
    pub zeros: f64,
    /// Treves–Rolls sparsity over rows, averaged over units; none for a single row.
    pub lifetime_sparsity: Option<f64>,
    /// Treves–Rolls sparsity over units, averaged over rows; none for a single unit.
    pub population_sparsity: Option<f64>,
}

/// One bound of the objective.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Constraint {
    /// The bound as written: `rate <= 20 bits`.
    pub expr: String,
    /// The value reached, in the bound's own unit.
    #[serde(with = "number")]
    pub value: f64,
    /// The bound's unit: `nats`, `bits`, `spikes`.
    #[serde(default)]
    pub unit: String,
    /// The Lagrange multiplier, nats per unit of the bound.
    #[serde(with = "number")]
    pub multiplier: f64,
    /// Whether the bound holds.
    pub met: bool,
}

/// A parameter as fitted, element by element, on the program's scale.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Its axes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub axes: Vec<String>,
    /// Its value.
    pub value: Nested,
    /// Its standard error, by the curvature of the free energy of all rows at its minimum; `null` at elements that nothing
    /// depends on, and none where it was not computed.
    #[serde(default)]
    pub se: Option<Nested>,
}

impl Estimate {
    /// A parameter of more elements is not listed.
    pub const MOST: usize = 1000;
}

/// A fitted array that is only in `params.safetensors`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFile {
    /// Its name there.
    pub name: String,
    /// The extents of its axes.
    pub shape: Vec<u64>,
}

/// Summaries of a posterior, element by element.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Its axes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub axes: Vec<String>,
    /// Mean.
    pub mean: Nested,
    /// Standard deviation.
    pub sd: Nested,
    /// 5 % quantile.
    pub q05: Nested,
    /// Median.
    pub q50: Nested,
    /// 95 % quantile.
    pub q95: Nested,
}

/// Leave-one-out cross-validation over rows, in nats.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LeaveOneOut {
    /// Σ log p(row | all others).
    #[serde(with = "number")]
    pub elpd: f64,
    /// Its standard error over rows.
    #[serde(with = "number")]
    pub se: f64,
    /// The effective number of parameters.
    #[serde(with = "number")]
    pub p_loo: f64,
    /// The number of rows whose weights have too heavy a tail (Pareto k̂ above 0.7, and not level), so that their share
    /// is not to be relied on.
    pub unreliable: u64,
    /// log p(row | all others), by row.
    pub rows: Nested,
    /// Pareto k̂ by row.
    pub khat: Nested,
}

/// A figure by its key in files.
pub(crate) type Keyed = (&'static str, Option<f64>);

/// The figures of a latent or meter that say how sparse a code is, and their units; by their keys in files.
pub(crate) const SPARSITY: [(&str, &str); 4] =
    [("zeros", ""), ("lifetime_sparsity", ""), ("population_sparsity", ""), ("active", "units")];

impl Latent {
    /// Its figures, by their keys in files.
    pub(crate) fn figures(&self) -> Vec<Keyed> {
        vec![
            ("rate", Some(self.rate)),
            ("energy", self.energy),
            ("prior_energy", self.prior_energy),
            ("nats_per_spike", self.nats_per_spike),
            ("zeros", self.zeros),
            ("lifetime_sparsity", self.lifetime_sparsity),
            ("population_sparsity", self.population_sparsity),
            ("active", self.active.map(|units| units as f64)),
        ]
    }
}

impl Meter {
    /// Its figures, by their keys in files.
    pub(crate) fn figures(&self) -> Vec<Keyed> {
        vec![
            ("mean", Some(self.mean)),
            ("zeros", Some(self.zeros)),
            ("lifetime_sparsity", self.lifetime_sparsity),
            ("population_sparsity", self.population_sparsity),
        ]
    }
}
