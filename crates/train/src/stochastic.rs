//! Steps along noisy gradients: minibatches, fresh draws, schedules.

use std::sync::Arc;
use std::time::Instant;

use fe_graph::{InputId, Tensor};

use crate::batches::Batches;
use crate::bounds::DualAscent;
use crate::checkpoint::{Course, Moment, Standing, State, Way};
use crate::convergence;
use crate::descent::{self, Steps};
use crate::engine::{Engine, Made, Step};
use crate::evaluate;
use crate::fit::{FitError, Fitted, locate_rows};
use crate::laplace;
use crate::method::StochasticSteps;
use crate::problem::{Problem, Setting, Values};
use crate::starting::{ATTEMPTS, chain_started, drawn_again, starts_of_chains};
use crate::streams::Purpose;
use crate::trace::{Sizes, TracePoint, Window};

/// Points of the trace over a fit of known length.
const TRACE_POINTS: u64 = 200;

/// Steps between points of the trace when the length is not known.
const TRACE_EVERY: u64 = 50;

/// Points of the trace at which held-out rows are evaluated: every tenth.
const HELDOUT_EVERY: usize = 10;

/// Held-out rows evaluated in the course of a fit.
const HELDOUT_ROWS: usize = 500;

/// Longest fit when it runs until it has converged.
const LONGEST: u64 = 100_000;

/// Seconds that a call of steps may take before the progress is shown.
const A_MOMENT: f64 = 0.05;

/// Steps in one call, at most.
const LARGEST_CHUNK: u64 = 4096;

/// Steps in one call where bounds are to be met, whose multipliers move between calls.
const BOUNDED_CHUNK: u64 = 8;

/// Steps after which a fit of open length has found its multipliers.
const BOUNDED_STEPS: u64 = 5000;

/// Fits by steps, from some values or from the program's start.
///
/// # Errors
/// When a run fails, or the objective is not finite.
pub(crate) fn run(
    problem: &Problem,
    method: &StochasticSteps,
    from: Option<Values>,
    course: Course,
) -> Result<Fitted, FitError> {
    let Course { monitor, keeper, earlier, started } = course;
    let mut training = Training::new(problem, method, from, started)?;
    if let Some(State(Way::Steps(standing))) = earlier {
        training.stand(*standing)?;
        if !monitor.step(training.done, method.steps, training.objective()) {
            return training.finish(Some(End::Interrupted));
        }
    }
    let mut end = None;
    while end.is_none() && training.done < training.longest() {
        let steps = training.next_steps()?;
        let made = training.advance(&steps)?;
        training.record(&steps, &made);
        if !made.finite {
            training.restart(&steps, &made)?;
            continue;
        }
        end = training.mark()?;
        if end.is_none() && !monitor.step(training.done, method.steps, training.objective()) {
            end = Some(End::Interrupted);
        }
        let moment = match end {
            None if keeper.due() => Moment::Due,
            Some(End::Interrupted) => Moment::Interrupted,
            None | Some(End::Converged(_)) => continue,
        };
        keeper.keep(State(Way::Steps(Box::new(training.standing()))), moment);
    }
    if !matches!(end, Some(End::Interrupted)) {
        keeper.keep(State(Way::Steps(Box::new(training.standing()))), Moment::Ended);
    }
    training.finish(end)
}

/// The reason for which a fit ends before its last step.
enum End {
    /// It has converged, by this test.
    Converged(String),
    Interrupted,
}

/// A fit on its way.
struct Training<'a> {
    problem: &'a Problem<'a>,
    method: &'a StochasticSteps,
    started: Instant,
    /// Whether another fit's values were gone on from, whose schedules have ended.
    goes_on: bool,
    /// The setting of every step, but for what changes with the step.
    base: Setting,
    duals: DualAscent,
    /// The steps of a descent within each step.
    inner: Option<Steps>,
    engine: Engine,
    batches: Batches,
    /// Held-out rows that are watched.
    watched: Arc<Vec<u64>>,
    sizes: Sizes,
    window: Window,
    trace: Vec<TracePoint>,
    /// The objective at every step.
    history: Vec<f64>,
    /// Steps done.
    done: u64,
    /// Steps to be made in one call: as many as take a moment.
    chunk: u64,
    /// Random starts that were not finite.
    attempt: u64,
    notes: Vec<String>,
}

impl<'a> Training<'a> {
    fn new(
        problem: &'a Problem<'a>,
        method: &'a StochasticSteps,
        from: Option<Values>,
        started: Instant,
    ) -> Result<Self, FitError> {
        let o = problem.objective;
        let goes_on = from.is_some();
        let values = from.unwrap_or_else(|| problem.start(0));
        let (mut base, notes) = start_of_guides(problem, &values, method.samples)?;
        let duals = DualAscent::new(o, method.steps.unwrap_or(BOUNDED_STEPS));
        duals.feed(o, &mut base.extra);
        let mut inner = Steps::new(problem)?;
        if let Some(inner) = &mut inner {
            inner.choose(problem, &values, 0, &mut base)?;
        }
        let watched = if o.parameters.iter().any(|p| p.local) {
            vec![]
        } else {
            problem.heldout.iter().copied().take(HELDOUT_ROWS).collect()
        };
        Ok(Self {
            problem,
            method,
            started,
            goes_on,
            duals,
            inner,
            engine: engine(problem, method, &base, &values)?,
            base,
            batches: Batches::new(problem.training_rows(), method.batch, problem.seed),
            watched: Arc::new(watched),
            sizes: Sizes::new(problem, method.samples),
            window: Window::default(),
            trace: vec![],
            history: vec![],
            done: 0,
            chunk: 1,
            attempt: 0,
            notes,
        })
    }

    /// Inputs that change in its course.
    fn moving(&self) -> impl Iterator<Item = InputId> + use<'a> {
        let o = self.problem.objective;
        let bounds = o.minimised.bounds.iter().flat_map(|b| [b.multiplier, b.penalty]);
        bounds.chain(o.descent.iter().flat_map(descent::chosen))
    }

    /// Where it stands.
    fn standing(&mut self) -> Standing {
        Standing {
            seconds: self.started.elapsed().as_secs_f64(),
            done: self.done,
            chunk: self.chunk,
            attempt: self.attempt,
            engine: self.engine.standing(),
            duals: self.duals.standing(),
            inputs: self.moving().map(|i| (i.0, self.base.scalar(i))).collect(),
            inner: self.inner.as_ref().map(Steps::standing),
            window: self.window.clone(),
            trace: self.trace.clone(),
            history: self.history.clone(),
        }
    }

    /// Goes on from where an earlier fit of the same problem stood.
    fn stand(&mut self, earlier: Standing) -> Result<(), FitError> {
        let Standing { seconds: _, done, chunk, attempt, engine, duals, inputs, inner, window, trace, history } =
            earlier;
        self.engine.stand(engine)?;
        (self.done, self.chunk, self.attempt) = (done, chunk, attempt);
        (self.window, self.trace, self.history) = (window, trace, history);
        self.duals.stand(duals);
        if let (Some(steps), Some(inner)) = (&mut self.inner, inner) {
            steps.stand(inner);
        }
        let given = inputs.into_iter().map(|(input, value)| (InputId(input), Arc::new(Tensor::scalar(value))));
        self.base.extra.extend(given);
        Ok(())
    }

    fn longest(&self) -> u64 {
        self.method.steps.unwrap_or(LONGEST)
    }

    /// Steps between points of the trace.
    fn every(&self) -> u64 {
        self.method.steps.map_or(TRACE_EVERY, |t| t.div_ceil(TRACE_POINTS).max(1))
    }

    /// The objective at the last step.
    fn objective(&self) -> f64 {
        self.history.last().copied().unwrap_or(f64::NAN)
    }

    /// The fraction of the fit that is done at a step; 0 where its length is not known.
    fn progress(&self, step: u64) -> f64 {
        self.method.steps.map_or(0.0, |t| if t > 1 { step as f64 / (t - 1) as f64 } else { 1.0 })
    }

    /// The steps of the next call, which never goes past a point of the trace.
    fn next_steps(&mut self) -> Result<Vec<Step>, FitError> {
        let problem = self.problem;
        let progress = self.progress(self.done);
        if let Some(inner) = self.inner.as_mut().filter(|i| i.due() <= self.done) {
            self.base.progress = progress;
            inner.choose(problem, &self.engine.values(), self.done, &mut self.base)?;
        }
        self.duals.feed(problem.objective, &mut self.base.extra);
        let until = (self.done + self.chunk).min((self.done / self.every() + 1) * self.every()).min(self.longest());
        let until = self.inner.as_ref().map_or(until, |i| until.min(i.due()));
        let whole = is_whole(problem, self.method);
        Ok((self.done..until)
            .map(|step| {
                let at = self.progress(step);
                let rows = if whole {
                    problem.train.clone()
                } else {
                    let places = self.batches.batch(step);
                    Arc::new(places.iter().filter_map(|&p| problem.train.get(p).copied()).collect())
                };
                let now = if self.goes_on { 1.0 } else { at };
                let setting = Setting {
                    step: Purpose::Training.step(step),
                    progress: now,
                    temperature: problem.temperature(now),
                    ..self.base.clone()
                };
                Step { setting, rate: self.method.lr.at(at), rows, whole }
            })
            .collect())
    }

    /// Makes steps; calls grow as long as they take less than a moment.
    fn advance(&mut self, steps: &[Step]) -> Result<Made, FitError> {
        let clock = Instant::now();
        let made = self.engine.advance(self.problem, steps)?;
        // Where multipliers move between calls, the length of these is part of the numbers, and time has no say in it.
        if !self.problem.objective.minimised.bounds.is_empty() {
            self.chunk = (self.chunk * 2).min(BOUNDED_CHUNK);
        } else if clock.elapsed().as_secs_f64() < A_MOMENT {
            self.chunk = (self.chunk * 2).min(LARGEST_CHUNK);
        }
        Ok(made)
    }

    /// Takes down the steps that were made, and moves the multipliers of bounds by them.
    fn record(&mut self, steps: &[Step], made: &Made) {
        let bounds = self.problem.objective.minimised.bounds.len();
        for (outputs, step) in made.outputs.chunks(made.width.max(1)).take(made.steps).zip(steps) {
            self.done += 1;
            let (seconds, sums) = (self.started.elapsed().as_secs_f64(), self.sizes.split(outputs));
            self.window.add(&TracePoint::new(self.problem, self.done, seconds, sums, step.rows.len()));
            self.history.push(outputs.first().copied().unwrap_or(f64::NAN));
            self.duals.update(outputs.get(outputs.len() - bounds.min(outputs.len())..).unwrap_or_default());
        }
    }

    /// After a step that is not finite: from another start where it was the first.
    fn restart(&mut self, steps: &[Step], made: &Made) -> Result<(), FitError> {
        if self.done == 0 && self.attempt < ATTEMPTS {
            self.attempt += 1;
            let values = self.problem.start(self.attempt);
            self.engine = engine(self.problem, self.method, &self.base, &values)?;
            return Ok(());
        }
        Err(match steps.get(made.steps) {
            Some(step) => locate_rows(self.problem, &self.engine.values(), &step.rows, &step.setting, self.done),
            None => FitError::Unsuited("a step went missing".into()),
        })
    }

    /// Makes a point of the trace where one is due; there a fit of open length may have converged.
    fn mark(&mut self) -> Result<Option<End>, FitError> {
        let total = self.method.steps;
        if !self.done.is_multiple_of(self.every()) && Some(self.done) != total {
            return Ok(None);
        }
        let mut point = self.window.take();
        if !self.watched.is_empty() && self.trace.len().is_multiple_of(HELDOUT_EVERY) {
            let values = self.engine.values();
            let quick = evaluate::quick_free_energy(self.problem, &values, &self.watched, &self.base)?;
            point.heldout = Some(quick);
        }
        self.trace.push(point);
        Ok(match total {
            None => convergence::stopped(&self.history).map(End::Converged),
            Some(_) => None,
        })
    }

    fn finish(mut self, end: Option<End>) -> Result<Fitted, FitError> {
        if let Some(inner) = &mut self.inner {
            self.base.progress = 1.0;
            inner.choose(self.problem, &self.engine.values(), self.done, &mut self.base)?;
        }
        let interrupted = matches!(end, Some(End::Interrupted));
        let (converged, test) = match end {
            Some(End::Converged(test)) => (true, test),
            Some(End::Interrupted) | None => convergence::settled(&self.history),
        };
        Ok(Fitted {
            steps: self.done,
            converged: converged && !interrupted,
            test,
            interrupted,
            notes: self.notes.into_iter().chain(drawn_again(self.attempt)).collect(),
            trace: self.trace,
            nonzero_fraction: self.engine.nonzero_fraction(),
            ..Fitted::new(self.engine.values(), &self.base)
        })
    }
}

/// Whether every step is on all rows.
fn is_whole(problem: &Problem, method: &StochasticSteps) -> bool {
    method.batch >= problem.training_rows()
}

fn engine(problem: &Problem, method: &StochasticSteps, base: &Setting, values: &Values) -> Result<Engine, FitError> {
    let rows = if is_whole(problem, method) { problem.training_rows() } else { method.batch };
    Engine::new(problem, base, method.rule, method.clip, rows, values)
}

/// The setting of every step, with the start of all guides, and notes of it. Without an objective that repeats, on
/// which candidates could be compared, the most informed one is taken.
fn start_of_guides(problem: &Problem, values: &Values, samples: usize) -> Result<(Setting, Vec<String>), FitError> {
    let mut notes = vec![];
    let mut base = Setting { samples, ..Setting::default() };
    if let Some((setting, from)) = starts_of_chains(problem, values, &base)?.pop() {
        base = setting;
        notes.extend(chain_started(from));
    }
    for joint in &problem.objective.guides.joints {
        if let Some(start) = laplace::candidates(problem, joint, values, &base.extra)?.last() {
            start.feed(joint, &mut base.extra);
            notes.push(laplace::started(joint, start.from));
        }
    }
    Ok((base, notes))
}
