//! A fit from start to figures: which method, the steps, and what came of it.

use std::time::Instant;

use fe_check::{OptimizerKind, Schedule, TrainSpec};
use fe_graph::{ExecutionError, NodeId, NonFinite, Tensor};
use fe_objective::Objective;

use crate::batches;
use crate::bounds::{self, Bounded};
use crate::deterministic;
use crate::evaluate::{self, Figures};
use crate::heldout;
use crate::moments::Change;
use crate::posterior::{self, Posterior};
use crate::problem::{Problem, Setting, Values};
use crate::response::Response;
use crate::sampled::{self, Draws};
use crate::starts::Starts;
use crate::stochastic;

/// Programs with at most this many parameters are fitted by L-BFGS where nothing is said.
const SMALL: usize = 20_000;

/// The same with chains.
const CHAINED: usize = 1_000_000;

/// At most this many noise dimensions are held fixed to make a sampled objective repeat.
const FIXED_DRAWS: usize = 256;

/// Fixed draws for a flow.
const FLOW_DRAWS: usize = 8192;
/// Monte Carlo samples of a step whose gradient is the score function's, where nothing is said.
pub(crate) const SCORE_SAMPLES: usize = 8;

/// Rows per batch where nothing is said and the data are long.
const DEFAULT_BATCH: usize = 256;

/// Longest data that are fitted whole where nothing is said.
const WHOLE: usize = 4096;

/// One line of the trace.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct TracePoint {
    /// Steps done.
    pub step: u64,
    /// Seconds since the start.
    pub seconds: f64,
    /// Per training row, as estimated in training.
    pub free_energy: f64,
    /// Per training row.
    pub distortion: f64,
    /// Per training row.
    pub rate: f64,
    /// Spikes per training row, with counts.
    pub energy: Option<f64>,
    /// On held-out rows, where it was taken.
    pub heldout: Option<f64>,
}

/// Watches a fit, and may end it.
pub trait Monitor {
    /// Called after a step; `total` is unknown when the fit runs until it has converged. `false` ends the fit, which is
    /// then finished with what it has.
    fn step(&mut self, done: u64, total: Option<u64>, objective: f64) -> bool;

    /// Something the user should know now.
    fn note(&mut self, text: &str);
}

/// Why a fit failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FitError {
    /// The executor could not run.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// A value stopped being finite.
    #[error("the free energy stopped being finite at step {step}")]
    NonFinite {
        /// The step.
        step: u64,
        /// The terms that are not finite.
        terms: Vec<String>,
        /// Where it began, when it could be found.
        place: Option<Box<NonFinite>>,
    },
    /// What `train` asks cannot be done.
    #[error("{0}")]
    Unsuited(String),
}

/// How a program is fitted, all defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// L-BFGS on all rows; a sampled objective is made to repeat by a fixed set of draws.
    Lbfgs {
        /// Most iterations.
        iterations: u64,
        /// Size of the fixed set of draws; 0 for an objective without noise.
        draws: usize,
    },
    /// Stochastic steps.
    Steps {
        /// The rule.
        optimizer: OptimizerKind,
        /// Step size.
        lr: Schedule,
        /// Momentum of `sgd`.
        momentum: f64,
        /// Rows per batch.
        batch: usize,
        /// Steps; until converged when not given.
        steps: Option<u64>,
        /// Monte Carlo samples.
        samples: usize,
        /// Largest norm of the gradient.
        clip: Option<f64>,
    },
}

/// A finished fit.
#[derive(Clone, Debug)]
pub struct Fit {
    /// Parameters on the unconstrained scale.
    pub values: Values,
    /// What stayed fixed of joint guides, by name: the base and the scale from the curvature.
    pub anchors: Vec<(String, Tensor)>,
    /// Steps or iterations done.
    pub steps: u64,
    /// Seconds of fitting.
    pub seconds: f64,
    /// The method, in words.
    pub method: String,
    /// Draws held fixed; 0 where there is no noise, or new noise at each step.
    pub fixed_draws: usize,
    /// Whether it converged.
    pub converged: bool,
    /// By which test, with its figures.
    pub test: String,
    /// Whether it was ended from outside.
    pub interrupted: bool,
    /// What the user should know.
    pub notes: Vec<String>,
    /// The part of sampled counts that was not 0 in matrix products, where the executor looked.
    pub density: Option<f64>,
    /// The course of the fit.
    pub trace: Vec<TracePoint>,
    /// Over training rows.
    pub figures: Figures,
    /// How each bound ended.
    pub bounds: Vec<Bounded>,
    /// Over held-out rows.
    pub heldout: Option<Figures>,
    /// The posterior table.
    pub posterior: Posterior,
    /// Draws of the guide.
    pub draws: Draws,
    /// What checks made of it.
    pub checks: Checks,
}

/// What is checked of a minimum after it was found; each is left out where it does not apply.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Checks {
    /// Whether other starts end there too.
    pub starts: Option<Starts>,
    /// How far other draws move it.
    pub draws: Option<Change>,
    /// By how much a mean-field guide understates standard deviations.
    pub response: Option<Response>,
}

/// What a method leaves.
pub(crate) struct Fitted {
    pub values: Values,
    pub steps: u64,
    pub converged: bool,
    pub test: String,
    pub interrupted: bool,
    pub notes: Vec<String>,
    pub trace: Vec<TracePoint>,
    pub density: Option<f64>,
    /// Inputs that belong to the fit: the anchors of joint guides.
    pub extra: Setting,
    pub checks: Checks,
}

/// Splits rows into those trained on and those held out.
///
/// # Errors
/// When nothing is left to train on, or rows are held out where there are none.
pub fn split(rows: usize, holdout: Option<f64>, seed: u64) -> Result<(Vec<u64>, Vec<u64>), String> {
    let Some(amount) = holdout else { return Ok(((0..rows as u64).collect(), vec![])) };
    let (train, heldout) = batches::holdout(rows, amount, seed);
    if train.is_empty() {
        return Err(format!("holding out {amount} of {rows} rows leaves none to train on"));
    }
    Ok((train, heldout))
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
    o.minimised.deterministic || !o.minimised.scored && noise_dimensions(o) <= FIXED_DRAWS
}

fn noise_dimensions(o: &Objective) -> usize {
    deterministic::noise_sites(o).iter().map(|s| s.size).sum()
}

fn in_batches(train: &TrainSpec, rows: usize) -> bool {
    train.batch.is_some_and(|b| b < rows)
}

/// Whether a fit will be made by L-BFGS, which needs double precision.
pub fn uses_lbfgs(objective: &Objective, train: &TrainSpec, rows: usize) -> bool {
    optimizer(objective, train, rows) == OptimizerKind::Lbfgs
}

/// Fills in what a `train` block leaves out.
///
/// # Errors
/// When it asks for something the objective does not allow.
pub fn method(o: &Objective, train: &TrainSpec, rows: usize) -> Result<(Method, Vec<String>), FitError> {
    let mut notes = vec![];
    let chosen = optimizer(o, train, rows);
    if chosen == OptimizerKind::Lbfgs {
        if in_batches(train, rows) {
            return Err(FitError::Unsuited("lbfgs runs on all rows: leave out `batch`, or use adam".into()));
        }
        if !repeats(o) {
            return Err(FitError::Unsuited(
                "lbfgs needs an objective that repeats, and this one has too much noise to hold fixed, or a score function: use adam".into(),
            ));
        }
        let dimensions = noise_dimensions(o);
        let draws = match train.samples {
            _ if o.minimised.deterministic => 0,
            Some(s) => s.max(dimensions + 2).next_power_of_two(),
            // What can bend fits the draws themselves where they are few.
            None if o.guides.joints.iter().any(|j| j.is_flow()) => FLOW_DRAWS,
            None => (64 * dimensions).next_power_of_two().clamp(1024, 8192),
        };
        if !o.minimised.controls.is_empty() {
            notes.push("L-BFGS takes a schedule at its end value throughout".into());
        }
        let iterations = train.steps.or(train.epochs).unwrap_or(2000) as u64;
        return Ok((Method::Lbfgs { iterations, draws }, notes));
    }
    if train.starts.is_some_and(|n| n > 1) {
        return Err(FitError::Unsuited("several starts are compared by L-BFGS alone: leave out `starts`".into()));
    }
    let samples = train.samples.unwrap_or(if o.minimised.scored { SCORE_SAMPLES } else { 1 });
    if o.minimised.scored && samples < 2 {
        return Err(FitError::Unsuited(
            "the score function compares each sample with the others: `samples` has to be 2 or more".into(),
        ));
    }
    let batch = train.batch.unwrap_or_else(|| {
        if rows > WHOLE && o.minimised.importance.is_none_or(|b| b.local) {
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
    let lr = train.lr.unwrap_or(Schedule::Constant(match chosen {
        OptimizerKind::Adamax => 0.002,
        OptimizerKind::Adam if !small => 0.001,
        _ => 0.01,
    }));
    Ok((
        Method::Steps {
            optimizer: chosen,
            lr,
            momentum: train.momentum.unwrap_or(0.0),
            batch,
            steps,
            samples,
            clip: train.clip,
        },
        notes,
    ))
}

/// Fits an objective and takes its figures. With `from`, parameters that another fit ended with, it goes on from there: the
/// schedules of the objective stay at their ends, and that of the step size runs again.
///
/// # Errors
/// When a run fails, or a value stops being finite.
pub fn fit(
    problem: &Problem,
    train: &TrainSpec,
    from: Option<Values>,
    monitor: &mut dyn Monitor,
) -> Result<Fit, FitError> {
    let started = Instant::now();
    let (method, mut notes) = method(problem.objective, train, problem.training_rows())?;
    let fitted = match &method {
        Method::Lbfgs { iterations, draws } => {
            deterministic::run(problem, (*iterations, *draws), (from, train.starts), monitor, started)?
        }
        Method::Steps { .. } => stochastic::run(problem, &method, from, monitor, started)?,
    };
    let seconds = started.elapsed().as_secs_f64();
    notes.extend(fitted.notes);
    let extra = fitted.extra;
    let mut checks = fitted.checks;
    if checks.response.is_none() && !problem.objective.independent().is_empty() {
        let why =
            if fitted.converged { "the objective is sampled anew at each step" } else { "the fit has not converged" };
        checks.response = Some(Response::NotComputed(why.into()));
    }
    let figures = evaluate::figures(problem, &fitted.values, &problem.train, &extra)?;
    if !figures.free_energy.is_finite() {
        return Err(locate(problem, &fitted.values, &Setting { samples: 64, progress: 1.0, ..extra }, fitted.steps));
    }
    let deterministic = matches!(method, Method::Lbfgs { draws: 0, .. });
    let bounds = bounds::bounded(problem.objective, &figures.bounds, &extra.extra, bounds::tolerance(deterministic));
    notes.extend(bounds::unmet(problem.objective, &bounds));
    let mut heldout = None;
    if !problem.heldout.is_empty() {
        let mut values = fitted.values.clone();
        if problem.objective.parameters.iter().any(|p| p.local) {
            values = heldout::refit(problem, &values, &extra)?;
            notes.push(
                "the guide has free parameters for each row: those of held-out rows were refitted with all else fixed"
                    .into(),
            );
        }
        heldout = Some(evaluate::figures(problem, &values, &problem.heldout, &extra)?);
    }
    let posterior = posterior::posterior(problem, &fitted.values, &extra)?;
    let draws = sampled::sampled(problem, &fitted.values, &extra)?;
    let mut anchors: Vec<(String, Tensor)> = extra
        .extra
        .iter()
        .filter(|(input, _)| {
            !problem.objective.minimised.bounds.iter().any(|b| [b.multiplier, b.penalty].contains(input))
        })
        .filter_map(|(input, t)| {
            problem.objective.graph.input_info(*input).map(|i| (i.name.clone(), t.as_ref().clone()))
        })
        .collect();
    anchors.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Fit {
        anchors,
        values: fitted.values,
        steps: fitted.steps,
        seconds,
        method: method.describe(problem.objective),
        fixed_draws: if let Method::Lbfgs { draws, .. } = method { draws } else { 0 },
        converged: fitted.converged && bounds.iter().all(|b| b.met),
        test: fitted.test,
        interrupted: fitted.interrupted,
        notes,
        trace: fitted.trace,
        density: fitted.density,
        figures,
        bounds,
        heldout,
        posterior,
        draws,
        checks,
    })
}

impl Method {
    /// The method in words.
    pub fn describe(&self, o: &Objective) -> String {
        match self {
            Self::Lbfgs { draws: 0, .. } => "L-BFGS, deterministic objective".into(),
            Self::Lbfgs { draws, .. } => format!("L-BFGS, {draws} fixed draws"),
            Self::Steps { optimizer, batch, samples, .. } => {
                let name = format!("{optimizer:?}").to_lowercase();
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

/// The error of a non-finite value, with its place.
pub(crate) fn locate(problem: &Problem, values: &Values, setting: &Setting, step: u64) -> FitError {
    locate_rows(problem, values, &problem.train.clone(), setting, step)
}

/// As [`locate`], in a batch of rows.
pub(crate) fn locate_rows(
    problem: &Problem,
    values: &Values,
    rows: &std::sync::Arc<Vec<u64>>,
    setting: &Setting,
    step: u64,
) -> FitError {
    let o = problem.objective;
    let outputs: Vec<NodeId> =
        o.terms.iter().map(|t| t.sum).chain([o.minimised.value]).chain(o.minimised.gradient.iter().copied()).collect();
    let search = || -> Result<(Vec<String>, Option<Box<NonFinite>>), ExecutionError> {
        let mut compiled = problem.compile(&outputs)?;
        let feed = problem.feed(values, rows, setting);
        let results = compiled.run(&feed)?;
        let broken = o
            .terms
            .iter()
            .zip(&results)
            .filter(|(_, r)| r.values.iter().any(|v| !v.is_finite()))
            .map(|(t, _)| t.name.clone())
            .collect();
        let mut place = compiled.first_non_finite(&feed)?;
        // In a batch, the row's own number is what the user knows.
        if let (Some(p), Some(row)) = (&mut place, o.row) {
            let name = o.graph.axis(row.axis).map(|a| a.name.clone()).unwrap_or_default();
            for (axis, at) in &mut p.index {
                if *axis == name
                    && let Some(&r) = rows.get(*at)
                {
                    *at = r as usize;
                }
            }
        }
        Ok((broken, place.map(Box::new)))
    };
    match search() {
        Ok((terms, place)) => FitError::NonFinite { step, terms, place },
        Err(e) => FitError::Execution(e),
    }
}
