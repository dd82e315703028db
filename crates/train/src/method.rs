//! The choice of a method: all that a `train` block leaves out, and whether what it asks for suits the objective.

use fe_check::{OptimizerKind, Schedule, Through, TrainSpec};
use fe_graph::training::Rule;
use fe_objective::Objective;

use crate::fit::FitError;
use crate::qmc::noise_sites;

/// Programs with at most this many parameters are fitted by L-BFGS where nothing is said.
const SMALL: usize = 20_000;

/// The same with chains.
const CHAINED: usize = 1_000_000;

/// At most this many noise dimensions are held fixed to make a sampled objective repeat.
const FIXED_DRAWS: usize = 256;

/// Fixed draws that a fit begins with, and those that it ends with at most; a flow has these at once.
const FEWEST_DRAWS: usize = 256;
/// Noise of this many dimensions takes a quarter of them.
const FEW: usize = 3;
const MOST_DRAWS: usize = 8192;

/// Monte Carlo samples of a step whose gradient is the score function's, where nothing is said.
pub(crate) const SCORE_SAMPLES: usize = 8;

/// Rows per batch where nothing is said and the data are long.
const DEFAULT_BATCH: usize = 256;

/// Longest data that are fitted whole where nothing is said.
const WHOLE: usize = 4096;

/// A method of fitting, all defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// L-BFGS on all rows; a sampled objective is made to repeat by a fixed set of draws.
    Lbfgs {
        /// Most iterations.
        iterations: u64,
        /// Size of the fixed set of draws; 0 for an objective without noise.
        draws: usize,
        /// The size that it may grow to, where the program does not state one.
        most: usize,
    },
    /// Stochastic steps.
    Steps(StochasticSteps),
}

/// Steps along noisy gradients.
#[derive(Clone, Debug, PartialEq)]
pub struct StochasticSteps {
    /// The rule.
    pub rule: Rule,
    /// Step size.
    pub lr: Schedule,
    /// Rows per batch.
    pub batch: usize,
    /// Steps; until converged when not given.
    pub steps: Option<u64>,
    /// Monte Carlo samples.
    pub samples: usize,
    /// Largest norm of the gradient.
    pub clip: Option<f64>,
}

impl Method {
    /// The method as it ended, with so many fixed draws.
    pub(crate) fn with_draws(self, ended: usize) -> Self {
        match self {
            Self::Lbfgs { iterations, .. } => Self::Lbfgs { iterations, draws: ended, most: ended },
            steps => steps,
        }
    }

    /// The method in words.
    pub fn describe(&self, o: &Objective) -> String {
        match self {
            Self::Lbfgs { draws: 0, .. } => "L-BFGS, deterministic objective".into(),
            Self::Lbfgs { draws, most, .. } if draws == most => format!("L-BFGS, {draws} fixed draws"),
            Self::Lbfgs { draws, .. } => format!("L-BFGS, {draws} fixed draws, more where they are needed"),
            Self::Steps(StochasticSteps { rule, batch, samples, .. }) => {
                let name = match rule {
                    Rule::Adam => "adam",
                    Rule::Adamax => "adamax",
                    Rule::Sgd { .. } => "sgd",
                };
                let rows = if o.row.is_some() { format!(", batch {batch}") } else { String::new() };
                let drawn = if o.minimised.deterministic {
                    ", no sampling".to_owned()
                } else {
                    format!(", {samples} sample{} a step", if *samples == 1 { "" } else { "s" })
                };
                format!("{name}{rows}{drawn}")
            }
        }
    }
}

fn parameter_count(o: &Objective) -> usize {
    let size = |p: &fe_objective::Parameter| p.free.iter().map(|a| o.graph.extent_of(a.id)).product::<usize>();
    o.parameters.iter().map(size).fold(0, usize::saturating_add)
}

/// The optimizer of a fit: the one asked for, else L-BFGS for what is small and repeats, else Adam.
fn optimizer(o: &Objective, train: &TrainSpec, rows: usize) -> OptimizerKind {
    let size = parameter_count(o);
    let scheduled = !o.minimised.controls.is_empty() || train.lr.is_some() || train.epochs.is_some();
    match train.optimizer {
        Some(kind) => kind,
        None if repeats(o) && !in_batches(train, rows) && !scheduled && size <= most_parameters(o) => {
            OptimizerKind::Lbfgs
        }
        None => OptimizerKind::Adam,
    }
}

/// Programs with at most this many parameters are fitted by L-BFGS: chains start at their curvature, and take few steps
/// however long they are.
fn most_parameters(o: &Objective) -> usize {
    if o.guides.chains.is_empty() { SMALL } else { CHAINED }
}

/// Whether the objective is the same each time it is evaluated, or can be made so by a fixed set of draws.
fn repeats(o: &Objective) -> bool {
    // Without a gradient through its steps, the slope of a descent that has not settled is not that of its value.
    let descends = o.descent.as_ref().is_some_and(|d| d.through != Through::All || d.spiking);
    o.parameters.is_empty()
        || !descends && (o.minimised.deterministic || !o.minimised.scored && noise_dimensions(o) <= FIXED_DRAWS)
}

fn noise_dimensions(o: &Objective) -> usize {
    noise_sites(o).iter().map(|s| s.size).sum()
}

fn in_batches(train: &TrainSpec, rows: usize) -> bool {
    train.batch.is_some_and(|b| b < rows)
}

/// Whether a fit will be made by L-BFGS, which needs double precision.
pub fn uses_lbfgs(objective: &Objective, train: &TrainSpec, rows: usize) -> bool {
    optimizer(objective, train, rows) == OptimizerKind::Lbfgs
}

/// The method that a `train` block asks for, its gaps filled in, and notes for the user.
///
/// # Errors
/// When it asks for something the objective does not allow.
pub fn method(o: &Objective, train: &TrainSpec, rows: usize) -> Result<(Method, Vec<String>), FitError> {
    let rule = match optimizer(o, train, rows) {
        OptimizerKind::Lbfgs => return lbfgs(o, train),
        OptimizerKind::Adam => Rule::Adam,
        OptimizerKind::Adamax => Rule::Adamax,
        OptimizerKind::Sgd => Rule::Sgd { momentum: train.momentum.unwrap_or(0.0) },
    };
    stochastic(o, train, rows, rule)
}

fn lbfgs(o: &Objective, train: &TrainSpec) -> Result<(Method, Vec<String>), FitError> {
    if !repeats(o) {
        return Err(FitError::Unsuited(
            "lbfgs needs an objective that repeats, and this one has too much noise to hold fixed, or a score function: use adam".into(),
        ));
    }
    let dimensions = noise_dimensions(o);
    let (draws, most) = match train.samples {
        _ if o.minimised.deterministic => (0, 0),
        Some(s) => {
            let stated = s.max(dimensions + 2).next_power_of_two();
            (stated, stated)
        }
        // Multipliers are found for one set of draws.
        None if !o.minimised.bounds.is_empty() => {
            let fixed = (64 * dimensions).next_power_of_two().clamp(1024, MOST_DRAWS);
            (fixed, fixed)
        }
        // What can bend fits the draws themselves where they are few.
        None if o.guides.joints.iter().any(|j| j.is_flow()) => (MOST_DRAWS, MOST_DRAWS),
        // A quadrature in few dimensions of what is smooth.
        None if dimensions <= FEW => (FEWEST_DRAWS / 4, MOST_DRAWS),
        None => ((8 * dimensions).next_power_of_two().clamp(FEWEST_DRAWS, MOST_DRAWS), MOST_DRAWS),
    };
    let mut notes = vec![];
    if !o.minimised.controls.is_empty() {
        notes.push("L-BFGS takes a schedule at its end value throughout".into());
    }
    let iterations = train.steps.or(train.epochs).unwrap_or(2000) as u64;
    Ok((Method::Lbfgs { iterations, draws, most }, notes))
}

fn stochastic(o: &Objective, train: &TrainSpec, rows: usize, rule: Rule) -> Result<(Method, Vec<String>), FitError> {
    if train.starts.is_some_and(|n| n > 1) {
        return Err(FitError::Unsuited("several starts are compared by L-BFGS alone: leave out `starts`".into()));
    }
    let samples = train.samples.unwrap_or(if o.minimised.scored { SCORE_SAMPLES } else { 1 });
    if o.minimised.scored && samples < 2 {
        return Err(FitError::Unsuited(
            "the score function compares each sample with the others: `samples` has to be 2 or more".into(),
        ));
    }
    let mut notes = vec![];
    let batch = train.batch.unwrap_or_else(|| {
        if rows > WHOLE && o.guides.of_all_rows.is_empty() && o.minimised.importance.is_none_or(|b| b.local) {
            notes.push(format!("no batch was stated: {DEFAULT_BATCH} rows a step"));
            DEFAULT_BATCH
        } else {
            rows
        }
    });
    let batch = batch.min(rows);
    let steps = match (train.steps, train.epochs) {
        (Some(s), _) => Some(s as u64),
        (None, Some(e)) => Some(((e * rows) as u64).div_ceil(batch.max(1) as u64)),
        (None, None) => None,
    };
    // Networks want small steps; a handful of parameters on scales of order one, larger ones.
    let small = parameter_count(o) <= SMALL;
    let lr = train.lr.unwrap_or(Schedule::Constant(match rule {
        Rule::Adamax => 0.002,
        Rule::Adam if !small => 0.001,
        _ => 0.01,
    }));
    Ok((Method::Steps(StochasticSteps { rule, lr, batch, steps, samples, clip: train.clip }), notes))
}
