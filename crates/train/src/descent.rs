//! Descents that refine guides: their steps, chosen by curvature, and what is watched of them step by step.

use std::collections::HashMap;
use std::sync::Arc;

use fe_check::Through;
use fe_graph::{Compiled, ExecutionError, InputId, Tensor};
use fe_objective::{Descent, DescentStep, FIGURE_ROWS, TermKind};

use crate::problem::{Problem, Setting, Values};
use crate::streams::Purpose;

/// Rows that the curvature is taken over.
const ROWS: usize = 256;

/// A step of this over (1 + λ), λ the largest curvature: at 2 the descent of a quadratic with curvatures from 1 to λ would be
/// at its fastest, and on its edge where a row has more.
const STEP: f64 = 1.8;

/// Rounds in which a first step is found, from the state's start on.
const ROUNDS: usize = 3;

/// Sets the steps of a descent that the program leaves open.
pub(crate) struct Steps {
    compiled: Box<dyn Compiled>,
    inputs: Vec<InputId>,
    rows: Arc<Vec<u64>>,
    /// The largest curvature when it was last looked at.
    pub curvature: f64,
    /// The step of the fit after which it is looked at again.
    next: u64,
}

/// The inputs that a descent's steps are set by.
pub(crate) fn chosen(descent: &Descent) -> impl Iterator<Item = InputId> + '_ {
    descent.states.iter().filter_map(|s| match s.step {
        DescentStep::Chosen(input) => Some(input),
        DescentStep::Stated(_) | DescentStep::Fitted(_) => None,
    })
}

impl Steps {
    /// For the descent of an objective; `None` where it has none, or states all its steps.
    ///
    /// # Errors
    /// When the executor cannot.
    pub fn new(problem: &Problem) -> Result<Option<Self>, ExecutionError> {
        let Some(descent) = &problem.objective.descent else { return Ok(None) };
        let inputs: Vec<InputId> = chosen(descent).collect();
        if inputs.is_empty() {
            return Ok(None);
        }
        let known = if problem.train.is_empty() { &problem.heldout } else { &problem.train };
        let rows = Arc::new(known.iter().copied().take(ROWS).collect());
        let compiled = problem.compile(&[descent.curvature])?;
        Ok(Some(Self { compiled, inputs, rows, curvature: f64::NAN, next: 0 }))
    }

    /// Chooses the steps at these values, if they are due.
    ///
    /// # Errors
    /// When a run fails.
    pub fn choose(
        &mut self,
        problem: &Problem,
        values: &Values,
        done: u64,
        setting: &mut Setting,
    ) -> Result<(), ExecutionError> {
        let rounds = if self.curvature.is_finite() { 1 } else { ROUNDS };
        if !self.curvature.is_finite() {
            self.set(&mut setting.extra, 0.0);
        }
        for _ in 0..rounds {
            let setting_now = Setting { samples: 1, step: Purpose::Curvature.step(0), ..setting.clone() };
            let found = self.compiled.run(&problem.feed(values, &self.rows, &setting_now))?;
            let curvature = found.first().map_or(f64::NAN, Tensor::item);
            if curvature.is_finite() {
                self.curvature = curvature;
                self.set(&mut setting.extra, STEP / (1.0 + curvature));
            } else {
                // It ran away: shorter steps come back.
                let before = self.inputs.first().map_or(0.0, |&i| setting.scalar(i));
                self.set(&mut setting.extra, before / 4.0);
            }
        }
        self.next = (done + 8).max(done + done / 4);
        Ok(())
    }

    /// Where they stand: the last curvature, and when they are chosen again.
    pub fn standing(&self) -> (f64, u64) {
        (self.curvature, self.next)
    }

    /// Goes on from where those of the same descent stood.
    pub fn stand(&mut self, (curvature, next): (f64, u64)) {
        (self.curvature, self.next) = (curvature, next);
    }

    /// The step of the fit before which they have to be chosen again.
    pub fn due(&self) -> u64 {
        self.next
    }

    fn set(&self, extra: &mut HashMap<InputId, Arc<Tensor>>, step: f64) {
        extra.extend(self.inputs.iter().map(|&i| (i, Arc::new(Tensor::scalar(step)))));
    }
}

/// What became of a descent, over some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Refined {
    /// Steps.
    pub steps: usize,
    /// The size of a step of each state, at the end of the fit, where it is one number.
    pub step: Vec<(String, Option<f64>)>,
    /// The largest curvature over rows at the last states, in the metric of the rules; 1 + ρ of the theory.
    pub curvature: Option<f64>,
    /// The share of elements whose move the limit more than halved, over all steps.
    pub limited: f64,
    /// The first step whose free energy is within 1 % of the total fall.
    pub settled: Option<usize>,
    /// The share of the total fall that the last step made.
    pub last_fall: f64,
    /// Steps that raised the mean free energy.
    pub rises: usize,
    /// How far back the outer gradient ran.
    pub through: Through,
    /// Whether messages were drawn.
    pub spiking: bool,
    /// From the start, step by step.
    pub trace: Vec<RefinedAt>,
}

/// The state of a descent after some steps; figures are per row.
#[derive(Clone, Debug, PartialEq)]
pub struct RefinedAt {
    /// Steps made.
    pub step: usize,
    /// Distortion + rate, nats.
    pub free_energy: f64,
    /// Nats.
    pub distortion: f64,
    /// Nats.
    pub rate: f64,
    /// Expected spikes, with counts.
    pub spikes: Option<f64>,
    /// Spikes of all steps so far, this one's included: the cost of the percept.
    pub cumulative: Option<f64>,
    /// The share of zeros among counts or points.
    pub zeros: Option<f64>,
    /// Of what is decoded at the guide's means.
    pub r2: Option<f64>,
}

/// A fall of less than this share of the whole in the last step is none.
pub const SETTLED: f64 = 1e-3;

/// The course of an objective's descent over some rows; `None` where it has none, or one position follows another.
///
/// # Errors
/// When a run fails.
pub fn refined(
    problem: &Problem,
    values: &Values,
    rows: &Arc<Vec<u64>>,
    fitted: &Setting,
) -> Result<Option<Refined>, ExecutionError> {
    let Some(descent) = problem.objective.descent.as_ref().filter(|d| !d.trace.terms.is_empty()) else {
        return Ok(None);
    };
    let sums = sums(problem, descent, values, rows, fitted)?;
    let trace = trace(problem, descent, &sums, rows.len());
    let limited: Vec<f64> = descent
        .trace
        .limited
        .iter()
        .enumerate()
        .flat_map(|(k, _)| sums.get(sums.len() - descent.trace.limited.len() + k).into_iter().flatten().copied())
        .collect();
    let count = count(problem, rows.len());
    let limited = limited.iter().sum::<f64>() / limited.len().max(1) as f64 / count;
    let at = |k: usize| trace.get(k).map_or(f64::NAN, |t| t.free_energy);
    let (first, last) = (at(0), at(descent.steps));
    let fall = first - last;
    let settled = trace.iter().position(|t| t.free_energy - last <= 0.01 * fall).filter(|_| fall > 0.0);
    let before = at(descent.steps.saturating_sub(1));
    let rises = trace.windows(2).filter(|w| matches!(w, [a, b] if b.free_energy > a.free_energy * (1.0 + 1e-7) + 1e-7));
    let mut curvature = None;
    if let Some(mut steps) = Steps::new(problem)? {
        let mut setting = Setting { progress: 1.0, ..fitted.clone() };
        steps.curvature = 1.0;
        steps.choose(problem, values, 0, &mut setting)?;
        curvature = Some(steps.curvature);
    }
    Ok(Some(Refined {
        steps: descent.steps,
        step: descent.states.iter().map(|s| (s.name.clone(), size(s.step, fitted))).collect(),
        curvature,
        limited,
        settled,
        last_fall: if fall > 0.0 { (before - last) / fall } else { 0.0 },
        rises: rises.count(),
        through: descent.through,
        spiking: descent.spiking,
        trace,
    }))
}

/// A note where the last step still fell.
pub(crate) fn unsettled(refined: &Refined) -> Option<String> {
    let moving = refined.last_fall > SETTLED && !refined.spiking;
    let gradient = match refined.through {
        Through::None => {
            ", and the gradient of the fit takes them for settled: more steps (`over`), longer ones, or `through = all`"
        }
        Through::Last(_) | Through::All => ": more steps (`over`) or longer ones go on",
    };
    moving.then(|| {
        format!(
            "the descent has not settled after {} steps: the last made {:.1} % of the whole fall{gradient}",
            refined.steps,
            100.0 * refined.last_fall
        )
    })
}

/// A step at the end of a fit.
fn size(step: DescentStep, fitted: &Setting) -> Option<f64> {
    match step {
        DescentStep::Chosen(input) => Some(fitted.scalar(input)).filter(|v| v.is_finite()),
        DescentStep::Stated(schedule) => Some(schedule.last()),
        DescentStep::Fitted(_) => None,
    }
}

fn count(problem: &Problem, rows: usize) -> f64 {
    if problem.objective.row.is_some() { rows.max(1) as f64 } else { 1.0 }
}

/// Every watched sum, step by step, over all rows.
fn sums(
    problem: &Problem,
    descent: &Descent,
    values: &Values,
    rows: &Arc<Vec<u64>>,
    fitted: &Setting,
) -> Result<Vec<Vec<f64>>, ExecutionError> {
    let t = &descent.trace;
    let nodes: Vec<_> = [&t.terms, &t.spikes, &t.zeros, &t.r2, &t.limited].into_iter().flatten().copied().collect();
    let local: Vec<bool> = {
        let o = problem.objective;
        let own = o.terms.iter().map(|t| t.local).chain(o.spikes.iter().map(|e| e.local));
        own.chain(std::iter::repeat(true)).take(nodes.len()).collect()
    };
    let mut compiled = problem.compile(&nodes)?;
    let mut totals = vec![vec![0.0; descent.steps + 1]; nodes.len()];
    let blocks: Vec<Arc<Vec<u64>>> = match problem.objective.row {
        Some(_) => rows.chunks(FIGURE_ROWS).map(|c| Arc::new(c.to_vec())).collect(),
        None => vec![rows.clone()],
    };
    for (k, block) in blocks.iter().enumerate() {
        let setting = Setting { extra: fitted.extra.clone(), ..Setting::reporting(Purpose::Figures.step(0), SAMPLES) };
        let found = compiled.run(&problem.feed(values, block, &setting))?;
        for ((total, value), &local) in totals.iter_mut().zip(&found).zip(&local) {
            if k > 0 && !local {
                continue;
            }
            for (s, slot) in total.iter_mut().enumerate() {
                *slot += value.values.get(s).copied().unwrap_or_else(|| value.item());
            }
        }
    }
    Ok(totals)
}

/// Samples of a term that has no closed form.
const SAMPLES: usize = 16;

/// The figures of each step, from the sums.
fn trace(problem: &Problem, descent: &Descent, sums: &[Vec<f64>], rows: usize) -> Vec<RefinedAt> {
    let o = problem.objective;
    let count = count(problem, rows);
    let of = |k: usize, s: usize| sums.get(k).and_then(|v| v.get(s)).copied().unwrap_or(f64::NAN);
    let scale = |local: bool| 1.0 / if local { count } else { problem.training_rows() as f64 };
    let t = &descent.trace;
    let (terms, counts, zeros) = (t.terms.len(), t.spikes.len(), t.zeros.len());
    let mean = |from: usize, n: usize, s: usize| {
        (n > 0).then(|| (from..from + n).map(|k| of(k, s)).sum::<f64>() / n as f64 / count)
    };
    let mut cumulative = 0.0;
    (0..=descent.steps)
        .map(|s| {
            let (mut distortion, mut rate) = (0.0, 0.0);
            for (k, term) in o.terms.iter().enumerate() {
                let to = if term.kind == TermKind::Rate { &mut rate } else { &mut distortion };
                *to += of(k, s) * scale(term.local);
            }
            let spikes = (counts > 0)
                .then(|| o.spikes.iter().enumerate().map(|(k, e)| of(terms + k, s) * scale(e.local)).sum::<f64>());
            if s > 0 {
                cumulative += spikes.unwrap_or(0.0);
            }
            RefinedAt {
                step: s,
                free_energy: distortion + rate,
                distortion,
                rate,
                spikes,
                cumulative: spikes.map(|_| cumulative),
                zeros: mean(terms + counts, zeros, s),
                r2: mean(terms + counts + zeros, t.r2.len(), s),
            }
        })
        .collect()
}
