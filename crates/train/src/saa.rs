//! The objective and its gradient on all training rows, for a minimiser: compiled once, run at many points. Noise is a
//! fixed set of draws, so that it is the same function each time (sample average approximation, SAA).

use std::ops::ControlFlow;

use fe_graph::{Compiled, ExecutionError, Tensor};

use crate::lbfgs::{self, Options, Outcome, Progress};
use crate::problem::{Problem, Setting, Values};

/// A compiled objective that is the same function at every evaluation.
pub(crate) struct SaaObjective<'a> {
    problem: &'a Problem<'a>,
    compiled: Box<dyn Compiled>,
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
        Ok(Self { problem, compiled: problem.compile(&outputs)?, sums: vec![] })
    }

    /// The objective, nats per row, and its gradient, all parameters one behind the other.
    ///
    /// # Errors
    /// When a run fails.
    pub fn at(&mut self, values: &Values, setting: &Setting) -> Result<(f64, Vec<f64>), ExecutionError> {
        let parameters = &self.problem.objective.parameters;
        let results = self.compiled.run(&self.problem.feed(values, &self.problem.train, setting))?;
        let value = results.first().map_or(f64::NAN, Tensor::item);
        let gradients = parameters.iter().zip(results.iter().skip(1));
        let gradient = gradients.flat_map(|(p, t)| self.problem.whole_gradient(p, t)).collect();
        self.sums = results.into_iter().skip(1 + parameters.len()).collect();
        Ok((value, gradient))
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

    /// Minimises from some values; `observe` is shown where the run stands, and the sums there, and may end it.
    ///
    /// # Errors
    /// When a run fails.
    pub fn minimize(
        &mut self,
        start: &Values,
        setting: &Setting,
        options: &Options,
        mut observe: impl FnMut(Progress, &[Tensor]) -> ControlFlow<()>,
    ) -> Result<(Values, Outcome), ExecutionError> {
        let this = std::cell::RefCell::new(self);
        let outcome = lbfgs::minimize(
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
