//! Steps along noisy gradients: minibatches, fresh draws, schedules.

use std::sync::Arc;
use std::time::Instant;

use fe_check::OptimizerKind;
use fe_graph::Tensor;

use crate::batches::Batches;
use crate::convergence;
use crate::curvature;
use crate::deterministic::trace_point_of;
use crate::evaluate;
use crate::fit::{FitError, Fitted, Method, Monitor, TracePoint, locate_rows};
use crate::optimizer::{Optimizer, Rule, clip};
use crate::problem::{Problem, Setting, Values};

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

/// How often a start that is not finite is drawn again.
const ATTEMPTS: u64 = 10;

pub(crate) fn run(
    problem: &Problem,
    method: &Method,
    monitor: &mut dyn Monitor,
    started: Instant,
) -> Result<Fitted, FitError> {
    let Method::Steps { optimizer, lr, momentum, batch, steps, samples, clip: limit } = method else {
        return Err(FitError::Unsuited("not a stochastic method".into()));
    };
    let o = problem.objective;
    let mut notes = vec![];
    let mut values = problem.start(0);
    let mut base = Setting { samples: *samples, ..Setting::default() };
    for joint in &o.joints {
        // Without a repeatable objective to compare candidates on, the most informed one is taken.
        if let Some(anchor) = curvature::candidates(problem, joint, &values)?.last() {
            anchor.feed(joint, &mut base.extra);
            notes.push(format!("the Gaussian guide started at {}", anchor.from));
        }
    }
    let mut outputs = vec![o.value];
    outputs.extend(&o.gradient);
    let sums = outputs.len();
    outputs.extend(o.terms.iter().map(|t| t.sum));
    outputs.extend(o.energies.iter().map(|e| e.sum));
    let mut compiled = problem.compile(&outputs)?;
    let whole = *batch >= problem.training_rows();
    let mut batches = Batches::new(problem.training_rows(), *batch, problem.seed);
    let rule = match optimizer {
        OptimizerKind::Adamax => Rule::Adamax,
        OptimizerKind::Sgd => Rule::Sgd { momentum: *momentum },
        OptimizerKind::Adam | OptimizerKind::Lbfgs => Rule::Adam,
    };
    // Parameters of single rows keep their own memory, for only the rows of the batch move.
    let (mut shared, mut local) = (Optimizer::new(rule), Optimizer::new(rule));
    let heldout = Arc::new(problem.heldout.iter().copied().take(HELDOUT_ROWS).collect::<Vec<_>>());
    let watch_heldout = !heldout.is_empty() && !o.parameters.iter().any(|p| p.local);
    let total = *steps;
    let every = total.map_or(TRACE_EVERY, |t| t.div_ceil(TRACE_POINTS).max(1));
    let mut trace: Vec<TracePoint> = vec![];
    let mut window = Window::default();
    let mut history: Vec<f64> = vec![];
    let (mut converged, mut test, mut interrupted) = (false, String::new(), false);
    let mut attempt = 0;
    let mut done = 0u64;
    while done < total.unwrap_or(LONGEST) {
        let progress = total.map_or(0.0, |t| if t > 1 { done as f64 / (t - 1) as f64 } else { 1.0 });
        let rows = if whole { problem.train.clone() } else { Arc::new(chosen(&problem.train, &batches.batch(done))) };
        let setting = Setting { step: done, progress, temperature: problem.temperature(progress), ..base.clone() };
        let results = compiled.run(&problem.feed(&values, &rows, &setting))?;
        let value = results.first().map_or(f64::NAN, Tensor::item);
        let mut gradients: Vec<Vec<f64>> = results.iter().skip(1).take(sums - 1).map(|t| t.values.clone()).collect();
        let finite = value.is_finite() && gradients.iter().flatten().all(|g| g.is_finite());
        if !finite {
            if done == 0 && attempt < ATTEMPTS {
                attempt += 1;
                values = problem.start(attempt);
                continue;
            }
            return Err(locate_rows(problem, &values, &rows, &setting, done));
        }
        if let Some(limit) = limit {
            clip(&mut gradients, *limit);
        }
        update(problem, (&mut shared, &mut local), &mut values, gradients, &rows, whole, lr.at(progress))?;
        done += 1;
        window.add(&trace_point_of(
            problem,
            done,
            started.elapsed().as_secs_f64(),
            results.get(sums..).unwrap_or_default(),
            rows.len(),
        ));
        history.push(value);
        if done.is_multiple_of(every) || Some(done) == total {
            let mut point = window.take();
            if watch_heldout && trace.len().is_multiple_of(HELDOUT_EVERY) {
                let quick = evaluate::quick_free_energy(problem, &values, &heldout, &base)?;
                point.heldout = Some(quick);
            }
            trace.push(point);
            if total.is_none()
                && let Some(said) = convergence::stopped(&history)
            {
                (converged, test) = (true, said);
                break;
            }
        }
        if !monitor.step(done, total, value) {
            interrupted = true;
            break;
        }
    }
    if attempt > 0 {
        notes.push(format!("the free energy was not finite at the first {attempt} starts, which were drawn again"));
    }
    if test.is_empty() {
        (converged, test) = convergence::settled(&history);
    }
    let extra = Setting { extra: base.extra, ..Setting::default() };
    Ok(Fitted { values, steps: done, converged: converged && !interrupted, test, interrupted, notes, trace, extra })
}

fn chosen(train: &[u64], places: &[usize]) -> Vec<u64> {
    places.iter().filter_map(|&p| train.get(p).copied()).collect()
}

fn update(
    problem: &Problem,
    (shared, local): (&mut Optimizer, &mut Optimizer),
    values: &mut Values,
    gradients: Vec<Vec<f64>>,
    rows: &[u64],
    whole: bool,
    lr: f64,
) -> Result<(), FitError> {
    let o = problem.objective;
    let mismatch = |_| FitError::Unsuited("a gradient does not have its parameter's shape".into());
    // A parameter with rows follows the rows of the data; with all rows present it is updated like any other, unless
    // some are held out, whose values must not move.
    let by_rows = |k: usize| o.parameters.get(k).is_some_and(|p| p.local) && !(whole && problem.heldout.is_empty());
    let (mut all, mut all_gradients, mut some, mut some_gradients) = (vec![], vec![], vec![], vec![]);
    let mut order = vec![];
    for (k, (value, gradient)) in std::mem::take(values).into_iter().zip(gradients).enumerate() {
        order.push(by_rows(k));
        if by_rows(k) {
            some.push(value);
            some_gradients.push(gradient);
        } else {
            all.push(value);
            all_gradients.push(gradient);
        }
    }
    shared.step(&mut all, &all_gradients, lr).map_err(mismatch)?;
    if !some.is_empty() {
        let rows: Vec<usize> = rows.iter().map(|&r| r as usize).collect();
        local.step_rows(&mut some, &some_gradients, &rows, lr).map_err(mismatch)?;
    }
    let (mut all, mut some) = (all.into_iter(), some.into_iter());
    *values = order.into_iter().filter_map(|by| if by { some.next() } else { all.next() }).collect();
    Ok(())
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
