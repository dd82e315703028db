//! A fit from start to figures: the method, the steps, and the results.

use std::collections::HashMap;
use std::sync::Arc;

use fe_check::TrainSpec;
use fe_graph::{ExecutionError, InputId, NodeId, NonFinite, Tensor};
use fe_objective::{Objective, Pricing};

use crate::batches;
use crate::bounds::{self, Bounded};
use crate::checkpoint::{Course, Keeper, State, Unkept};
use crate::descent::{self, Refined};
use crate::deterministic::{self, First, Terms};
use crate::estimates::{self, Estimate, StandardErrors};
use crate::evaluate;
use crate::figures::Figures;
use crate::heldout;
use crate::horizon;
use crate::method::{Method, method};
use crate::moments::Change;
use crate::posterior::{self, Posterior};
use crate::problem::{Problem, Setting, Values};
use crate::referee::ByChains;
use crate::response::Response;
use crate::sampled::{self, Draws};
use crate::spacing::{self, Coarse};
use crate::starts::Starts;
use crate::stochastic;
use crate::tails::{self, CutOff};
use crate::trace::TracePoint;

/// The most rows that a descent is watched on.
const REFINED_ROWS: usize = 2000;

/// Watches a fit, and may end it.
pub trait Monitor: Send {
    /// Called after a step; `total` is unknown when the fit runs until it has converged. `false` ends the fit, which is
    /// then finished with what it has.
    fn step(&mut self, done: u64, total: Option<u64>, objective: f64) -> bool;

    /// Called as chains make their draws, of all chains together and their warmup; `false` ends them.
    fn draw(&mut self, done: u64, total: u64) -> bool {
        self.step(done, Some(total), f64::NAN)
    }

    /// Called when the last step was made: what comes is seen no more until it is done.
    fn ended(&mut self) {}

    /// A note that the user should read now.
    fn note(&mut self, text: &str);
}

/// The reason for which a fit failed.
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
        /// The place where it began, when it could be found.
        place: Option<Box<NonFinite>>,
    },
    /// A demand of the `train` block that cannot be met.
    #[error("{0}")]
    Unsuited(String),
}

/// A finished fit.
#[derive(Clone, Debug)]
pub struct Fit {
    /// Parameters on the unconstrained scale.
    pub values: Values,
    /// The preconditioners of Gaussian guides and chains, by name: their Laplace start, which stays fixed.
    pub preconditioners: Vec<(String, Tensor)>,
    /// The program's own parameters.
    pub estimates: Vec<Estimate>,
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
    /// Notes for the user.
    pub notes: Vec<String>,
    /// The fraction of sampled counts that was not 0 in matrix products, where the executor looked.
    pub nonzero_fraction: Option<f64>,
    /// The course of the fit.
    pub trace: Vec<TracePoint>,
    /// Over training rows.
    pub figures: Figures,
    /// The end of each bound.
    pub bounds: Vec<Bounded>,
    /// Over held-out rows.
    pub heldout: Option<Figures>,
    /// The posterior table.
    pub posterior: Posterior,
    /// Draws of the guide, or of the chains that stand for it.
    pub draws: Draws,
    /// The posterior by chains, where the program asks for it.
    pub chains: Option<ByChains>,
    /// What became of the descent that refines guides, over the rows held out or else trained on.
    pub refined: Option<Refined>,
    /// Checks of the minimum.
    pub checks: Checks,
}

/// Checks of a minimum after it was found; each is left out where it does not apply.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Checks {
    /// Whether other starts end there too.
    pub starts: Option<Starts>,
    /// The distance that other draws move it.
    pub draws: Option<Change>,
    /// By how much a mean-field guide understates standard deviations.
    pub response: Option<Response>,
    /// Standard errors of the program's parameters, where it has any.
    pub errors: Option<StandardErrors>,
    /// Latents in the table whose guide was held to nothing: no weights, and no linear response.
    pub unchecked: Vec<String>,
    /// Counts whose sums end where the posterior does not.
    pub cut_off: Vec<CutOff>,
    /// Latents that are integrated at points which are too far apart.
    pub coarse: Vec<Coarse>,
}

/// The latents in the posterior table that no check was made of. A latent that is summed or integrated out is exact given the
/// others; where there are no others, it has nothing to be held to. A controller beside chance that is kept approximates nothing:
/// the table is what it does, and whether it is the best of its kind is what other starts are held to.
fn unchecked(objective: &Objective, weighed: bool, checks: &Checks) -> Vec<String> {
    let response = checks.response.as_ref();
    let alike = checks.starts.as_ref().is_some_and(|s| s.agreeing > 1 && s.higher.is_none() && !s.apart);
    if weighed || alike && !objective.guides.kept.is_empty() {
        return vec![];
    }
    let independent = objective.independent();
    let answered =
        |name: &str| matches!(response, Some(Response::Worst(_))) && independent.iter().any(|i| i.name == name);
    let alone = objective.guides.latents.iter().all(|l| l.guide.is_exact());
    let reported = |name: &str| objective.report.posterior.iter().any(|r| r.name == name);
    let latents = objective.guides.latents.iter().filter(|l| !alone && reported(&l.name) && !answered(&l.name));
    latents.map(|l| l.name.clone()).collect()
}

/// The result of a method.
pub(crate) struct Fitted {
    pub values: Values,
    pub steps: u64,
    pub converged: bool,
    pub test: String,
    pub interrupted: bool,
    pub notes: Vec<String>,
    pub trace: Vec<TracePoint>,
    pub nonzero_fraction: Option<f64>,
    /// Inputs that belong to the fit: the start of Gaussian guides, and multipliers.
    pub extra: Setting,
    pub checks: Checks,
    /// The size of the fixed set of draws that it ended with; 0 without one.
    pub draws: usize,
}

impl Fitted {
    /// A fit of no steps that has not converged, under a setting whose further inputs it keeps.
    pub fn new(values: Values, setting: &Setting) -> Self {
        Self {
            values,
            steps: 0,
            converged: false,
            test: String::new(),
            interrupted: false,
            notes: vec![],
            trace: vec![],
            nonzero_fraction: None,
            extra: Setting { extra: setting.extra.clone(), ..Setting::default() },
            checks: Checks::default(),
            draws: 0,
        }
    }
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

/// Where a fit ended.
#[derive(Clone, Debug)]
pub struct End {
    /// The parameters, on the unconstrained scale.
    pub values: Values,
    /// Over training rows.
    pub figures: Figures,
    /// Inputs that belong to the fit: the start of Gaussian guides, and multipliers.
    pub extra: HashMap<InputId, Arc<Tensor>>,
}

/// A fit with its figures, whose posterior has not been read.
pub struct Unread {
    fit: Fit,
    /// Inputs that belong to it: the start of Gaussian guides, and multipliers.
    extra: Setting,
}

impl Unread {
    /// What was minimised, per row, by its figures.
    pub fn objective(&self) -> f64 {
        self.fit.figures.objective
    }

    /// Its figures over the rows that it was trained on.
    pub fn figures(&self) -> &Figures {
        &self.fit.figures
    }

    /// Whether it was ended from outside.
    pub fn interrupted(&self) -> bool {
        self.fit.interrupted
    }

    /// Says that what it was to be held to was ended from outside.
    pub fn interrupt(&mut self) {
        self.fit.interrupted = true;
    }

    /// Where it ended, for a caller that needs no posterior.
    pub fn end(self) -> End {
        End { values: self.fit.values, figures: self.fit.figures, extra: self.extra.extra }
    }

    /// The fit without its posterior, for a caller that needs none.
    pub fn unread(self) -> Fit {
        self.fit
    }

    /// Reads the posterior: its table and how far it can be trusted, draws, and what leave-one-out needs.
    ///
    /// # Errors
    /// When a run fails.
    pub fn read(self, problem: &Problem) -> Result<Fit, FitError> {
        self.weighed(problem)?.drawn(problem)
    }

    /// Reads the posterior table, and how far it can be trusted.
    ///
    /// # Errors
    /// When a run fails.
    pub fn weighed(self, problem: &Problem) -> Result<Undrawn, FitError> {
        let Self { mut fit, extra } = self;
        let (posterior, resampled) = posterior::posterior(problem, &fit.values, &extra)?;
        fit.checks.unchecked = unchecked(problem.objective, posterior.khat.is_some(), &fit.checks);
        fit.posterior = posterior;
        Ok(Undrawn { fit, extra, resampled })
    }
}

/// A fit with its posterior table, from which no draws were taken.
pub struct Undrawn {
    fit: Fit,
    extra: Setting,
    resampled: Option<posterior::Resampled>,
}

impl Undrawn {
    /// Takes draws of the posterior, and what leave-one-out needs.
    ///
    /// # Errors
    /// When a run fails.
    pub fn drawn(self, problem: &Problem) -> Result<Fit, FitError> {
        let Self { mut fit, extra, resampled } = self;
        fit.draws = sampled::sampled(problem, &fit.values, &extra, resampled.as_ref())?;
        Ok(fit)
    }
}

/// Fits an objective, takes its figures, and reads its posterior. With `from`, parameters that another fit ended with, it goes
/// on from there: the schedules of the objective stay at their ends, and that of the step size runs again.
///
/// # Errors
/// When a run fails, or a value stops being finite.
pub fn fit(
    problem: &Problem,
    train: &TrainSpec,
    from: Option<Values>,
    monitor: &mut dyn Monitor,
) -> Result<Fit, FitError> {
    minimise(problem, train, from, monitor, &mut Unkept)?.read(problem)
}

/// A fit that stands at its first minimum.
pub struct FirstMinimum {
    /// What is minimised there, nats per row, by the draws of figures and not those that it was fitted to; none where it was not
    /// reached.
    pub objective: Option<f64>,
    /// Where it stands.
    pub state: State,
}

/// The first minimum of a large fit, to be compared with another's before more draws are spent on either. `None` of other fits,
/// which go their whole way at once.
///
/// # Errors
/// As [`fit`].
pub fn first_minimum(
    problem: &Problem,
    train: &TrainSpec,
    from: Option<Values>,
    monitor: &mut dyn Monitor,
    keeper: &mut dyn Keeper,
) -> Result<Option<FirstMinimum>, FitError> {
    let (Method::Lbfgs { iterations, draws, most }, _) = method(problem.objective, train, problem.training_rows())?
    else {
        return Ok(None);
    };
    let terms = Terms { iterations, draws, most, starts: train.starts };
    let found = deterministic::first(problem, &terms, from, Course::new(monitor, keeper))?;
    let Some(First { minimum, state }) = found else { return Ok(None) };
    let Some((values, setting)) = minimum else { return Ok(Some(FirstMinimum { objective: None, state })) };
    let figures = evaluate::figures(problem, &values, &problem.train, &setting)?;
    Ok(Some(FirstMinimum { objective: Some(figures.objective), state }))
}

/// As [`fit`], up to its figures; where it stands is kept now and then, and where an earlier one stood it goes on.
///
/// # Errors
/// As there.
pub fn minimise(
    problem: &Problem,
    train: &TrainSpec,
    from: Option<Values>,
    monitor: &mut dyn Monitor,
    keeper: &mut dyn Keeper,
) -> Result<Unread, FitError> {
    let course = Course::new(&mut *monitor, keeper);
    let started = course.started;
    let (method, mut notes) = method(problem.objective, train, problem.training_rows())?;
    let fitted = match &method {
        Method::Lbfgs { iterations, draws, most } => {
            let terms = Terms { iterations: *iterations, draws: *draws, most: *most, starts: train.starts };
            deterministic::run(problem, &terms, from, course)?
        }
        Method::Steps(steps) => stochastic::run(problem, steps, from, course)?,
    };
    monitor.ended();
    let seconds = started.elapsed().as_secs_f64();
    let mut checks = fitted.checks.clone();
    checks.cut_off = tails::cut_off(problem, &fitted)?;
    checks.coarse = spacing::coarse(problem, &fitted)?;
    notes.extend(fitted.notes);
    let extra = fitted.extra;
    let why = if fitted.converged { "the objective is sampled anew at each step" } else { "the fit has not converged" };
    if checks.response.is_none() && !problem.objective.independent().is_empty() {
        checks.response = Some(Response::NotComputed(why.into()));
    }
    if checks.errors.is_none() && problem.objective.parameters.iter().any(|p| p.is_declared()) {
        let why =
            if fitted.converged { "the objective is another at each step, by its rows or its draws" } else { why };
        checks.errors = Some(StandardErrors::NotComputed(why.into()));
    }
    let figures = evaluate::figures(problem, &fitted.values, &problem.train, &extra)?;
    if !figures.free_energy.is_finite() {
        return Err(locate(problem, &fitted.values, &Setting { samples: 64, progress: 1.0, ..extra }, fitted.steps));
    }
    let deterministic = matches!(method, Method::Lbfgs { draws: 0, .. });
    let bounds = bounds::bounded(problem.objective, &figures.bounds, &extra.extra, bounds::tolerance(deterministic));
    notes.extend(bounds::unmet(problem.objective, &bounds));
    notes.extend(horizon::last_turn(problem, &fitted.values, &extra)?);
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
    let shown = if problem.heldout.is_empty() { &problem.train } else { &problem.heldout };
    let shown = Arc::new(shown.iter().copied().take(REFINED_ROWS).collect());
    let refined = descent::refined(problem, &fitted.values, &shown, &extra)?;
    notes.extend(refined.as_ref().and_then(descent::unsettled));
    let mut preconditioners: Vec<(String, Tensor)> = extra
        .extra
        .iter()
        .filter(|(input, _)| {
            // A descent goes on at the prices of its bounds, exact guides follow them, and both need them.
            let bounds = &problem.objective.minimised.bounds;
            let needed = problem.objective.descent.is_some() || problem.objective.minimised.pricing == Pricing::Dual;
            let priced = bounds.iter().any(|b| b.multiplier == **input) && needed;
            priced || !bounds.iter().any(|b| [b.multiplier, b.penalty].contains(input))
        })
        .filter_map(|(input, t)| {
            problem.objective.graph.input_info(*input).map(|i| (i.name.clone(), t.as_ref().clone()))
        })
        .collect();
    preconditioners.sort_by(|a, b| a.0.cmp(&b.0));
    let fit = Fit {
        preconditioners,
        estimates: estimates::estimates(problem, &fitted.values, checks.errors.as_ref()),
        values: fitted.values,
        steps: fitted.steps,
        seconds,
        method: method.with_draws(fitted.draws).describe(problem.objective),
        fixed_draws: fitted.draws,
        converged: fitted.converged && bounds.iter().all(|b| b.met),
        test: fitted.test,
        interrupted: fitted.interrupted,
        notes,
        trace: fitted.trace,
        nonzero_fraction: fitted.nonzero_fraction,
        figures,
        bounds,
        heldout,
        posterior: Posterior::default(),
        draws: Draws::default(),
        chains: None,
        refined,
        checks,
    };
    Ok(Unread { fit, extra })
}

/// The error of a value that is not finite, with its place.
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
