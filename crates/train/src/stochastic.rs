//! Steps along noisy gradients: minibatches, fresh draws, schedules.

use std::sync::Arc;
use std::time::Instant;

use crate::batches::Batches;
use crate::bounds::DualAscent;
use crate::convergence;
use crate::curvature;
use crate::deterministic::start_of_chains;
use crate::engine::{Engine, Step, Summary};
use crate::evaluate;
use crate::fit::{Checks, FitError, Fitted, Method, Monitor, TracePoint, locate_rows};
use crate::optimizer::Rule;
use crate::problem::{Problem, Setting, Values};
use fe_check::OptimizerKind;

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

/// How often a start that is not finite is drawn again.
const ATTEMPTS: u64 = 10;

pub(crate) fn run(
    problem: &Problem,
    method: &Method,
    from: Option<Values>,
    monitor: &mut dyn Monitor,
    started: Instant,
) -> Result<Fitted, FitError> {
    let Method::Steps { optimizer, lr, momentum, batch, steps, samples, clip: limit } = method else {
        return Err(FitError::Unsuited("not a stochastic method".into()));
    };
    let o = problem.objective;
    let mut notes = vec![];
    let goes_on = from.is_some();
    let mut values = from.unwrap_or_else(|| problem.start(0));
    let mut base = Setting { samples: *samples, ..Setting::default() };
    if let Some((setting, from)) = start_of_chains(problem, &values, &base)?.pop() {
        base = setting;
        if !from.is_empty() {
            notes.push(format!("the guide of the chain started at {from}"));
        }
    }
    for joint in &o.guides.joints {
        // Without a repeatable objective to compare candidates on, the most informed one is taken.
        if let Some(anchor) = curvature::candidates(problem, joint, &values, &base.extra)?.last() {
            anchor.feed(joint, &mut base.extra);
            notes.push(curvature::started(joint, anchor.from));
        }
    }
    let mut duals = DualAscent::new(o, steps.unwrap_or(BOUNDED_STEPS));
    duals.feed(o, &mut base.extra);
    let summary = Summary::new(problem, *samples);
    let whole = *batch >= problem.training_rows();
    let mut batches = Batches::new(problem.training_rows(), *batch, problem.seed);
    let rule = match optimizer {
        OptimizerKind::Adamax => Rule::Adamax,
        OptimizerKind::Sgd => Rule::Sgd { momentum: *momentum },
        OptimizerKind::Adam | OptimizerKind::Lbfgs => Rule::Adam,
    };
    let rows_of_batch = if whole { problem.training_rows() } else { *batch };
    let mut engine = Engine::new(problem, &base, rule, *limit, rows_of_batch, &values)?;
    let heldout = Arc::new(problem.heldout.iter().copied().take(HELDOUT_ROWS).collect::<Vec<_>>());
    let watch_heldout = !heldout.is_empty() && !o.parameters.iter().any(|p| p.local);
    let total = *steps;
    let longest = total.unwrap_or(LONGEST);
    let every = total.map_or(TRACE_EVERY, |t| t.div_ceil(TRACE_POINTS).max(1));
    let progress = |step: u64| total.map_or(0.0, |t| if t > 1 { step as f64 / (t - 1) as f64 } else { 1.0 });
    let mut trace: Vec<TracePoint> = vec![];
    let mut window = Window::default();
    let mut history: Vec<f64> = vec![];
    let (mut converged, mut test, mut interrupted) = (false, String::new(), false);
    let largest = if o.minimised.bounds.is_empty() { LARGEST_CHUNK } else { BOUNDED_CHUNK };
    let mut attempt = 0;
    let mut done = 0u64;
    // Steps made in one call: as many as take a moment, and never past a point of the trace.
    let mut chunk = 1u64;
    'fit: while done < longest {
        duals.feed(o, &mut base.extra);
        let until = (done + chunk).min((done / every + 1) * every).min(longest);
        let steps: Vec<Step> = (done..until)
            .map(|step| {
                let at = progress(step);
                let rows =
                    if whole { problem.train.clone() } else { Arc::new(chosen(&problem.train, &batches.batch(step))) };
                let now = if goes_on { 1.0 } else { at };
                let setting = Setting { step, progress: now, temperature: problem.temperature(now), ..base.clone() };
                Step { setting, rate: lr.at(at), rows, whole }
            })
            .collect();
        let clock = Instant::now();
        let made = engine.advance(problem, &steps)?;
        if clock.elapsed().as_secs_f64() < A_MOMENT {
            chunk = (chunk * 2).min(largest);
        }
        for (outputs, step) in made.outputs.chunks(made.width.max(1)).take(made.steps).zip(&steps) {
            done += 1;
            let value = outputs.first().copied().unwrap_or(f64::NAN);
            window.add(&summary.point(problem, done, started.elapsed().as_secs_f64(), outputs, step.rows.len()));
            history.push(value);
            duals
                .update(outputs.get(outputs.len() - o.minimised.bounds.len().min(outputs.len())..).unwrap_or_default());
        }
        if !made.finite {
            if done == 0 && attempt < ATTEMPTS {
                attempt += 1;
                values = problem.start(attempt);
                engine = Engine::new(problem, &base, rule, *limit, rows_of_batch, &values)?;
                continue;
            }
            return match steps.get(made.steps) {
                Some(step) => Err(locate_rows(problem, &engine.values(), &step.rows, &step.setting, done)),
                None => Err(FitError::Unsuited("a step went missing".into())),
            };
        }
        if done.is_multiple_of(every) || Some(done) == total {
            let mut point = window.take();
            if watch_heldout && trace.len().is_multiple_of(HELDOUT_EVERY) {
                let quick = evaluate::quick_free_energy(problem, &engine.values(), &heldout, &base)?;
                point.heldout = Some(quick);
            }
            trace.push(point);
            if total.is_none()
                && let Some(said) = convergence::stopped(&history)
            {
                (converged, test) = (true, said);
                break 'fit;
            }
        }
        if !monitor.step(done, total, history.last().copied().unwrap_or(f64::NAN)) {
            interrupted = true;
            break 'fit;
        }
    }
    let values = engine.values();
    if attempt > 0 {
        notes.push(format!("the free energy was not finite at the first {attempt} starts, which were drawn again"));
    }
    if test.is_empty() {
        (converged, test) = convergence::settled(&history);
    }
    let extra = Setting { extra: base.extra, ..Setting::default() };
    let density = engine.density();
    let converged = converged && !interrupted;
    Ok(Fitted {
        values,
        steps: done,
        converged,
        test,
        interrupted,
        notes,
        trace,
        density,
        extra,
        checks: Checks::default(),
    })
}

fn chosen(train: &[u64], places: &[usize]) -> Vec<u64> {
    places.iter().filter_map(|&p| train.get(p).copied()).collect()
}

/// Averages of the steps since the last point of the trace.
#[derive(Default)]
struct Window {
    count: f64,
    sum: TracePoint,
}

impl Window {
    fn add(&mut self, p: &TracePoint) {
        self.count += 1.0;
        self.sum.step = p.step;
        self.sum.seconds = p.seconds;
        self.sum.free_energy += p.free_energy;
        self.sum.distortion += p.distortion;
        self.sum.rate += p.rate;
        if let Some(e) = p.energy {
            self.sum.energy = Some(self.sum.energy.unwrap_or(0.0) + e);
        }
    }

    fn take(&mut self) -> TracePoint {
        let n = self.count.max(1.0);
        let s = std::mem::take(self).sum;
        TracePoint {
            free_energy: s.free_energy / n,
            distortion: s.distortion / n,
            rate: s.rate / n,
            energy: s.energy.map(|e| e / n),
            ..s
        }
    }
}
