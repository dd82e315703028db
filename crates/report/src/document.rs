//! The document of a fit, `fit.json`.
//!
//! Numbers that are not finite have no form in JSON. They are written as `null`, and a `null` where a number must
//! stand is read back as NaN.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::nested::{Nested, number};

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
    /// What ran the plan, with its device and precision: `candle, cpu, f32`.
    #[serde(default)]
    pub executor: Option<String>,
    /// Threads used.
    #[serde(default)]
    pub threads: Option<u64>,
    /// The part of sampled counts that was not 0 in the fit's matrix products with them, where the executor looked: what
    /// decides whether those products ran on the spikes alone.
    #[serde(default)]
    pub density: Option<f64>,
    /// The objective as an expression in distortion, rate and energy.
    pub objective: String,
    /// The value of that objective: the number that was minimised.
    #[serde(with = "number")]
    pub objective_value: f64,
    /// The layout's version, [`SCHEMA`].
    pub schema: u32,
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
    /// `rate` in bits.
    #[serde(with = "number")]
    pub rate_bits: f64,
    /// The part of `rate` from latents that have the row axis.
    #[serde(default)]
    pub local_rate: Option<f64>,
    /// The part of `rate` from latents shared by all rows, divided by the number of rows.
    #[serde(default)]
    pub global_rate: Option<f64>,
    /// Free energy of all rows together, in nats: minus the evidence bound.
    #[serde(with = "number")]
    pub free_energy_total: f64,
    /// A `Flat` prior, which is not normalised, leaves the free energy known up to a constant.
    #[serde(default)]
    pub up_to_constant: bool,
    /// Expected spikes per row over all latents with count support; none without such a latent.
    pub energy: Option<f64>,
    /// The same under the prior: what the code would spend without a message. None where it is not known of every count.
    #[serde(default)]
    pub prior_energy: Option<f64>,
    /// Mean over rows of 1 − SS_res/SS_tot, with the latents' means decoded; none where nothing is reconstructed.
    #[serde(default)]
    pub r2: Option<f64>,
    /// What the spikes cost in other units, by the program's assumptions.
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
    /// Draws of the guide, summarised, for each global.
    pub posterior: IndexMap<String, Summary>,
    /// The same draws resampled by Pareto-smoothed importance weights; none where k̂ > 0.7.
    pub posterior_resampled: Option<IndexMap<String, Summary>>,
    /// Leave-one-out cross-validation, for models whose rows depend on shared latents alone.
    #[serde(default)]
    pub loo: Option<LeaveOneOut>,
    /// Whether the fit can be relied on.
    pub verdict: Verdict,
}

/// Figures per held-out row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// Held-out rows.
    #[serde(default)]
    pub rows: Option<u64>,
    /// Distortion + rate, nats.
    #[serde(with = "number")]
    pub free_energy: f64,
    /// Distortion, nats.
    #[serde(with = "number")]
    pub distortion: f64,
    /// Rate, nats.
    #[serde(with = "number")]
    pub rate: f64,
    /// Rate in bits.
    #[serde(default, with = "number")]
    pub rate_bits: f64,
    /// Spikes; none without counts.
    pub energy: Option<f64>,
    /// Spikes under the prior; none where it is not known of every count.
    #[serde(default)]
    pub prior_energy: Option<f64>,
    /// Mean over rows of 1 − SS_res/SS_tot, with the latents' means decoded; none where nothing is reconstructed.
    pub r2: Option<f64>,
}

/// What a term of the free energy measures.
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
    /// What it measures.
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
    /// How it is estimated in training: `closed form`, `pathwise`.
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

/// What the spikes cost in another unit: the user's assumption.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// The unit: `ATP`, `J`.
    pub unit: String,
    /// Of a spike.
    #[serde(with = "number")]
    pub per_spike: f64,
    /// Of a row's code.
    #[serde(with = "number")]
    pub per_row: f64,
    /// Of a row's spikes under the prior.
    pub prior_per_row: Option<f64>,
    /// Of a bit of rate of the latents that count; none where that is 0.
    pub per_bit: Option<f64>,
    /// Of a held-out row's code.
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
    /// What was reached, in the bound's own unit.
    #[serde(with = "number")]
    pub value: f64,
    /// That unit: `nats`, `bits`, `spikes`.
    #[serde(default)]
    pub unit: String,
    /// The Lagrange multiplier, nats per unit of the bound.
    #[serde(with = "number")]
    pub multiplier: f64,
    /// Whether the bound holds.
    pub met: bool,
}

/// Summaries of a posterior, element by element.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
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
    /// How many rows have weights of too heavy a tail (Pareto k̂ above 0.7, and not level), so that their share is not to be
    /// relied on.
    pub unreliable: u64,
    /// log p(row | all others), by row.
    pub rows: Nested,
    /// Pareto k̂ by row.
    pub khat: Nested,
}

/// Whether the fit can be relied on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether the convergence test passed.
    pub converged: bool,
    /// Whether the fit can be relied on: it converged, the guide is not known to miss part of the posterior, another start
    /// found the same minimum where several were made, and other draws hardly move it.
    #[serde(default)]
    pub trusted: bool,
    /// That test and its outcome, in words that follow "converged:" or "not converged:".
    #[serde(default)]
    pub test: Option<String>,
    /// The Pareto shape k̂ of the importance weights of guide to posterior; none where it was not computed.
    pub khat: Option<f64>,
    /// The same of a wider proposal, a Student t with the guide's location and scale; none where it was not asked.
    #[serde(default)]
    pub khat_wide: Option<f64>,
    /// The effective fraction of the guide's draws under those weights.
    #[serde(default)]
    pub effective: Option<f64>,
    /// The same of the wider proposal.
    #[serde(default)]
    pub effective_wide: Option<f64>,
    /// Whether other starts end at the same minimum; none where one was made.
    #[serde(default)]
    pub starts: Option<Starts>,
    /// How far other draws move the guide; none where nothing was held fixed.
    #[serde(default)]
    pub draws: Option<Redraws>,
    /// What a mean-field guide leaves out, by linear response; none without such a guide, or where it was not computed.
    #[serde(default)]
    pub mean_field: Option<MeanField>,
    /// What else the reader must know.
    pub notes: Vec<String>,
}

/// How several starts of a fit compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Starts {
    /// How many were made.
    pub count: u64,
    /// How many ended at the lowest objective, the one that was kept included.
    pub agreeing: u64,
    /// How many were ended on their way.
    pub unfinished: u64,
    /// The largest difference among those that agree, nats over all rows.
    #[serde(with = "number")]
    pub spread: f64,
    /// How much higher the others ended, at most, nats over all rows.
    pub higher: Option<f64>,
    /// Whether those that agree lie more than a standard deviation apart: optima of equal depth.
    pub apart: bool,
}

/// How far a guide moves when it is fitted to other draws, the largest change of any latent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Redraws {
    /// How many draws a set holds.
    pub count: u64,
    /// Change of a mean, in standard deviations.
    #[serde(with = "number")]
    pub means: f64,
    /// Change of the logarithm of a standard deviation.
    #[serde(with = "number")]
    pub sds: f64,
}

/// The standard deviation that a mean-field guide understates most.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MeanField {
    /// Of what: `beta[1]`.
    pub worst: String,
    /// By which factor, on the unconstrained scale.
    #[serde(with = "number")]
    pub factor: f64,
}

/// Other draws that move a mean by more standard deviations than this, or a standard deviation by more than this part, leave
/// too large an error.
const REDRAW_LIMIT: f64 = 0.1;

impl Redraws {
    /// Whether the draws are too few.
    pub fn too_few(&self) -> bool {
        !(self.means <= REDRAW_LIMIT && self.sds <= REDRAW_LIMIT)
    }
}

impl Starts {
    /// Whether the lowest minimum was found once only, and others higher up.
    pub fn alone(&self) -> bool {
        self.agreeing < 2 && self.higher.is_some()
    }
}

impl Verdict {
    /// Whether nothing that was checked speaks against the fit.
    pub fn holds(&self) -> bool {
        let checked = !self.starts.is_some_and(|s| s.alone()) && !self.draws.is_some_and(|d| d.too_few());
        self.converged && !self.misses() && checked
    }

    /// What speaks against the fit, each with what to try.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = vec![];
        if self.misses() {
            faults.push(
                "the guide misses part of the posterior (k̂ > 0.7, or less than a tenth of its draws effective): do not \
                 rely on its table; try another parameterization"
                    .into(),
            );
        }
        if self.starts.is_some_and(|s| s.alone()) {
            faults.push("no other start found this minimum, and there may be lower ones: try more `starts`".into());
        }
        if self.draws.is_some_and(|d| d.too_few()) {
            faults.push("the fixed draws are too few for this guide: raise `samples`".into());
        }
        faults
    }

    /// Whether the importance weights can be used, by k̂ (Vehtari et al., 2024) and by how many draws they leave.
    pub(crate) fn resampled(&self) -> bool {
        self.khat.is_some_and(|k| k <= 0.7) && self.effective.is_none_or(|e| e >= 0.1)
    }

    /// Whether those of the wider proposal can be used.
    pub(crate) fn corrected(&self) -> bool {
        self.khat_wide.is_some_and(|k| k <= 0.5) && self.effective_wide.is_none_or(|e| e >= 0.1)
    }

    /// Whether the weights are so level that, as far as the draws reach, no mean of the posterior is more than a tenth of
    /// the guide's standard deviation away: |E_p f − E_q f| ≤ sd_q(f) √(1/e − 1) with e the effective fraction.
    pub(crate) fn level(&self) -> bool {
        self.effective.is_some_and(|e| e >= 0.99)
    }

    /// Whether the guide is known to miss part of the posterior: its weights have a heavy tail, and are not level.
    pub fn misses(&self) -> bool {
        self.khat.is_some() && !self.resampled() && !self.level() && !self.corrected()
    }
}
