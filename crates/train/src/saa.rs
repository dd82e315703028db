//! The objective and its gradient on all training rows, for a minimiser: compiled once, run at many points. Noise is a
//! fixed set of draws, so that it is the same function each time (sample average approximation, SAA).

use std::ops::ControlFlow;
use std::sync::Arc;

use fe_graph::{Axis, Compiled, ExecutionError, NodeId, Tensor};
use fe_objective::GuideKind;

use crate::lbfgs::{self, Curvature, Options, Outcome, Progress};
use crate::problem::{Problem, Setting, Values};
use crate::reading::{largest, part};

/// Numbers of the largest value that a pass computes, where latents are summed at every draw: many arrays of that size, which
/// should stay near the core.
const BUDGET: usize = 1 << 18;

/// The same where a mode is sought at every draw, by many more arrays.
const SOUGHT: usize = 1 << 16;

/// A compiled objective that is the same function at every evaluation.
pub(crate) struct SaaObjective<'a> {
    problem: &'a Problem<'a>,
    compiled: Box<dyn Compiled>,
    outputs: Vec<NodeId>,
    /// The most draws of a pass.
    most: usize,
    /// The sums of terms and spikes, and the values that are bounded, at the last point that was run.
    pub sums: Vec<Tensor>,
}

impl<'a> SaaObjective<'a> {
    /// Compiles.
    ///
    /// # Errors
    /// When the executor cannot.
    pub fn new(problem: &'a Problem<'a>) -> Result<Self, ExecutionError> {
        let o = problem.objective;
        let mut outputs = vec![o.minimised.value];
        outputs.extend(&o.minimised.gradient);
        outputs.extend(o.terms.iter().map(|t| t.sum));
        outputs.extend(o.spikes.iter().map(|e| e.sum));
        outputs.extend(o.minimised.bounds.iter().map(|b| b.value));
        let apart = o.minimised.importance.is_none() && !o.minimised.scored && o.minimised.bounds.is_empty();
        let guide = |of: fn(GuideKind) -> bool| apart && o.guides.latents.iter().any(|l| of(l.guide));
        let most = match (guide(GuideKind::is_summed), guide(GuideKind::is_at_mode)) {
            (false, false) => usize::MAX,
            (true, _) => (BUDGET / largest(problem, &outputs)).max(1),
            (false, true) => (SOUGHT / largest(problem, &outputs)).max(1),
        };
        Ok(Self { problem, compiled: problem.compile(&outputs)?, outputs, most, sums: vec![] })
    }

    /// The objective, nats per row, and its gradient, all parameters one behind the other.
    ///
    /// # Errors
    /// When a run fails.
    pub fn at(&mut self, values: &Values, setting: &Setting) -> Result<(f64, Vec<f64>), ExecutionError> {
        let parameters = &self.problem.objective.parameters;
        let results = self.run(values, setting)?;
        let value = results.first().map_or(f64::NAN, Tensor::item);
        let gradients = parameters.iter().zip(results.iter().skip(1));
        let gradient = gradients.flat_map(|(p, t)| self.problem.whole_gradient(p, t)).collect();
        self.sums = results.into_iter().skip(1 + parameters.len()).collect();
        Ok((value, gradient))
    }

    /// What is compiled: means over the draws, from passes of equal size where one would be large.
    fn run(&mut self, values: &Values, setting: &Setting) -> Result<Vec<Tensor>, ExecutionError> {
        let (problem, rows) = (self.problem, &self.problem.train);
        let least = setting.samples.div_ceil(self.most).max(1);
        let passes = (least..=setting.samples.max(1)).find(|n| setting.samples.is_multiple_of(*n)).unwrap_or(1);
        if passes == 1 || setting.draws.is_empty() {
            return self.compiled.run(&problem.feed(values, rows, setting));
        }
        let each = setting.samples / passes;
        let mut whole: Vec<Tensor> = vec![];
        for pass in 0..passes {
            let draws = setting.draws.iter().map(|(&site, t)| (site, Arc::new(part(t, pass * each, each)))).collect();
            let own = Setting { draws, samples: each, ..setting.clone() };
            let results = self.compiled.run(&problem.feed(values, rows, &own))?;
            if pass == 0 {
                whole = results;
                continue;
            }
            for ((sum, own), &node) in whole.iter_mut().zip(results).zip(&self.outputs) {
                if problem.objective.graph.has_axis(node, Axis::SAMPLE) {
                    sum.values.extend(own.values);
                } else {
                    sum.values.iter_mut().zip(own.values).for_each(|(s, v)| *s += v);
                }
            }
        }
        for (sum, &node) in whole.iter_mut().zip(&self.outputs) {
            if problem.objective.graph.has_axis(node, Axis::SAMPLE) {
                sum.shape.iter_mut().take(1).for_each(|n| *n = setting.samples);
            } else {
                sum.values.iter_mut().for_each(|v| *v /= passes as f64);
            }
        }
        Ok(whole)
    }

    /// The values that are bounded, at the last point that was run.
    pub fn bounded(&self) -> Vec<f64> {
        let o = self.problem.objective;
        self.sums.iter().skip(o.terms.len() + o.spikes.len()).map(Tensor::item).collect()
    }

    /// The objective alone.
    ///
    /// # Errors
    /// When a run fails.
    pub fn value(&mut self, values: &Values, setting: &Setting) -> Result<f64, ExecutionError> {
        Ok(self.at(values, setting)?.0)
    }

    /// Minimises from some values, with what is known of the curvature, to which it adds; `observe` is shown where the run
    /// stands, and the sums there, and may end it.
    ///
    /// # Errors
    /// When a run fails.
    pub fn minimize(
        &mut self,
        (start, curvature): (&Values, &mut Curvature),
        setting: &Setting,
        options: &Options,
        mut observe: impl FnMut(Progress, &[Tensor]) -> ControlFlow<()>,
    ) -> Result<(Values, Outcome), ExecutionError> {
        let this = std::cell::RefCell::new(self);
        let outcome = lbfgs::minimize_with(
            curvature,
            |x: &[f64]| this.borrow_mut().at(&unflatten(x, start), setting),
            flatten(start),
            options,
            |now| observe(now, &this.borrow().sums),
        )?;
        Ok((unflatten(&outcome.x, start), outcome))
    }
}

/// All parameters one behind the other.
pub(crate) fn flatten(values: &Values) -> Vec<f64> {
    values.iter().flatten().copied().collect()
}

/// Such a list taken apart as `like` is.
pub(crate) fn unflatten(flat: &[f64], like: &Values) -> Values {
    let mut rest = flat;
    like.iter()
        .map(|v| {
            let (head, tail) = rest.split_at(v.len().min(rest.len()));
            rest = tail;
            head.to_vec()
        })
        .collect()
}
