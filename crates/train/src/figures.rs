//! The figures of a fit, per row.

/// One term, per row.
#[derive(Clone, Debug, PartialEq)]
pub struct TermFigure {
    /// Nats per row.
    pub nats: f64,
    /// Its standard error, where it was sampled.
    pub se: Option<f64>,
}

/// The figures of one latent, per row.
#[derive(Clone, Debug, PartialEq)]
pub struct LatentFigure {
    /// Its name.
    pub name: String,
    /// Whether it has the row axis.
    pub local: bool,
    /// Nats.
    pub rate: f64,
    /// Expected spikes, of a count.
    pub spikes: Option<f64>,
    /// The prior's expected spikes, of a count.
    pub prior_spikes: Option<f64>,
    /// Fraction of exact zeros among samples, of a count.
    pub zeros: Option<f64>,
    /// Treves–Rolls sparsity over rows, averaged over units.
    pub lifetime: Option<f64>,
    /// Treves–Rolls sparsity over units, averaged over rows.
    pub population: Option<f64>,
    /// Units whose rate exceeds 0.01 nats, where rates are known unit by unit.
    pub active: Option<usize>,
    /// Units.
    pub units: usize,
    /// The parts of its rate, of a Poisson latent with a Poisson prior.
    pub split: Option<RateSplit>,
    /// Its figures unit by unit, where each row has its own units.
    pub by_unit: Option<ByUnit>,
}

/// The parts of the rate of Poisson latents, per row: Σ λ log(λ/r) − λ + r over units, which is Σ r f(λ/r) with
/// f(y) = 1 − y + y log y.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateSplit {
    /// Σ λ log(λ/r), nats.
    pub log_ratio: f64,
    /// Σ λ, spikes under the guide.
    pub spikes: f64,
    /// Σ r, spikes under the prior.
    pub prior: f64,
    /// The rate of units below their prior rate, nats.
    pub suppressed: f64,
    /// The rate of units at or above it, nats.
    pub excited: f64,
}

/// Figures of each unit, in the mean over rows, in the order of the latent's axes; none where they are not known unit
/// by unit.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ByUnit {
    /// Nats.
    pub rate: Option<Vec<f64>>,
    /// Expected spikes.
    pub spikes: Option<Vec<f64>>,
    /// The prior's expected spikes.
    pub prior: Option<Vec<f64>>,
}

/// The figures of a meter.
#[derive(Clone, Debug, PartialEq)]
pub struct MeterFigure {
    /// Its name.
    pub name: String,
    /// Mean activity.
    pub mean: f64,
    /// Fraction of exact zeros.
    pub zeros: f64,
    /// As for latents.
    pub lifetime: Option<f64>,
    /// As for latents.
    pub population: Option<f64>,
}

/// The figures of a fit over one set of rows, per row.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Figures {
    /// Rows; 1 without.
    pub rows: usize,
    /// In the objective's order of terms.
    pub terms: Vec<TermFigure>,
    /// distortion + rate.
    pub free_energy: f64,
    /// Standard error of the free energy, where sampled; terms share their draws.
    pub se: Option<f64>,
    /// Likelihoods and losses.
    pub distortion: f64,
    /// All rates.
    pub rate: f64,
    /// Rates of latents with the row axis.
    pub local_rate: f64,
    /// Expected spikes, with counts.
    pub spikes: Option<f64>,
    /// The prior's expected spikes, where known of every count.
    pub prior_spikes: Option<f64>,
    /// Expected spikes of each count, in the objective's order of `spikes`.
    pub spikes_by_latent: Vec<f64>,
    /// What `information` came to, in the objective's order of gains.
    pub gains: Vec<f64>,
    /// The objective that was minimised, at its final weights.
    pub objective: f64,
    /// The values that are bounded, in the objective's order of bounds.
    pub bounds: Vec<f64>,
    /// By latent.
    pub latents: Vec<LatentFigure>,
    /// By meter.
    pub meters: Vec<MeterFigure>,
    /// 1 − SS_res/SS_tot about each row's own mean, averaged over rows and likelihoods.
    pub r2: Option<f64>,
}

/// The figures of each row by itself, in nats and spikes.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ByRow {
    /// Distortion + rate.
    pub free_energy: Vec<f64>,
    /// Likelihoods and losses.
    pub distortion: Vec<f64>,
    /// Rates; of latents that all rows share, each row's part.
    pub rate: Vec<f64>,
    /// Expected spikes, with counts.
    pub spikes: Option<Vec<f64>>,
}
