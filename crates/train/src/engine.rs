//! The engine of stochastic steps: the executor itself where it keeps the parameters, or else an optimiser here.

use std::sync::Arc;

use fe_graph::training::{Trainer, TrainingLoop, TrainingStep};
use fe_graph::{Compiled, NodeId, Tensor};

use crate::checkpoint::EngineState;
use crate::descent;
use crate::fit::FitError;
use crate::optimizer::{Optimizer, Rule, clip};
use crate::problem::{Problem, Setting, Values};

/// One step to be made.
pub struct Step {
    /// Noise, samples, schedules.
    pub setting: Setting,
    /// The step size.
    pub rate: f64,
    /// The rows of the batch.
    pub rows: Arc<Vec<u64>>,
    /// Whether these are all rows trained on.
    pub whole: bool,
}

/// The outcome of some steps.
pub struct Made {
    /// Steps that were made.
    pub steps: usize,
    /// The outputs of every step, `width` each.
    pub outputs: Vec<f64>,
    /// Outputs of a step.
    pub width: usize,
    /// Whether all were made; else the next is not finite, and the parameters are those before it.
    pub finite: bool,
}

/// Makes steps.
pub enum Engine {
    /// The executor keeps the parameters.
    Resident(Box<dyn Trainer>, usize),
    /// The parameters are kept here.
    Hosted(Box<Hosted>),
}

/// The nodes that are watched in a fit: the objective, the sum of each term and each latent's spikes, and the values that are
/// bounded.
fn watched(problem: &Problem) -> Vec<NodeId> {
    let o = problem.objective;
    let sums = o.terms.iter().map(|t| t.sum).chain(o.spikes.iter().map(|e| e.sum));
    std::iter::once(o.minimised.value).chain(sums).chain(o.minimised.bounds.iter().map(|b| b.value)).collect()
}

impl Engine {
    /// Sets up for batches of so many rows, from these values.
    pub fn new(
        problem: &Problem,
        base: &Setting,
        rule: Rule,
        limit: Option<f64>,
        batch: usize,
        values: &Values,
    ) -> Result<Self, FitError> {
        let o = problem.objective;
        let local = o.parameters.iter().any(|p| p.local);
        let whole = batch == problem.training_rows();
        // A parameter with rows follows the rows of the data; with all rows present it is updated like any other,
        // unless some are held out, whose values must not move.
        if !local || whole && problem.heldout.is_empty() {
            let outputs = watched(problem);
            let width = outputs.iter().map(|&id| elements(problem, id, base, batch)).sum();
            let parameters = o.parameters.iter().zip(&o.minimised.gradient).zip(values);
            let multipliers = o.minimised.bounds.iter().map(|b| b.multiplier);
            let scalars = o.minimised.controls.iter().map(|c| c.0).chain([o.minimised.temperature]);
            let scalars = scalars.chain(multipliers).chain(o.descent.iter().flat_map(descent::chosen)).collect();
            let training = TrainingLoop {
                outputs,
                parameters: parameters.map(|((p, &g), v)| (p.input, g, v.clone())).collect(),
                scalars,
                rule,
                clip: limit,
                feed: problem.training_feed(base, batch),
            };
            if let Some(engine) = problem.executor.train(&o.graph, &training)? {
                return Ok(Self::Resident(engine, width));
            }
        }
        let mut outputs = watched(problem);
        outputs.extend(&o.minimised.gradient);
        let optimizers = (Optimizer::new(rule), Optimizer::new(rule));
        let (compiled, values) = (problem.compile(&outputs)?, values.clone());
        Ok(Self::Hosted(Box::new(Hosted { compiled, optimizers, values, limit })))
    }

    /// Makes some steps.
    pub fn advance(&mut self, problem: &Problem, steps: &[Step]) -> Result<Made, FitError> {
        match self {
            Self::Resident(engine, width) => {
                let o = problem.objective;
                let steps: Vec<TrainingStep> = steps
                    .iter()
                    .map(|s| TrainingStep {
                        step: s.setting.step,
                        rate: s.rate,
                        scalars: o
                            .minimised
                            .controls
                            .iter()
                            .map(|c| c.1.at(s.setting.progress))
                            .chain([s.setting.temperature])
                            .chain(o.minimised.bounds.iter().map(|b| s.setting.scalar(b.multiplier)))
                            .chain(o.descent.iter().flat_map(descent::chosen).map(|i| s.setting.scalar(i)))
                            .collect(),
                        rows: (!s.whole).then(|| s.rows.clone()),
                    })
                    .collect();
                let made = engine.advance(&steps)?;
                Ok(Made { steps: made.made, outputs: made.outputs, width: *width, finite: made.finite })
            }
            Self::Hosted(hosted) => hosted.advance(problem, steps),
        }
    }

    /// Where it stands.
    pub fn standing(&mut self) -> EngineState {
        match self {
            Self::Resident(engine, _) => EngineState::Resident(engine.state()),
            Self::Hosted(hosted) => EngineState::Hosted(hosted.values.clone(), Box::new(hosted.optimizers.clone())),
        }
    }

    /// Goes on from where one of the same problem stood.
    ///
    /// # Errors
    /// When that was one of another problem.
    pub fn stand(&mut self, state: EngineState) -> Result<(), FitError> {
        match (self, state) {
            (Self::Resident(engine, _), EngineState::Resident(state)) => Ok(engine.restore(&state)?),
            (Self::Hosted(hosted), EngineState::Hosted(values, optimizers)) => {
                (hosted.values, hosted.optimizers) = (values, *optimizers);
                Ok(())
            }
            _ => Err(FitError::Unsuited("the checkpoint is of another way of fitting: leave out `--resume`".into())),
        }
    }

    /// The fraction of sampled counts that was not 0 in matrix products, where the executor looked.
    pub fn nonzero_fraction(&self) -> Option<f64> {
        match self {
            Self::Resident(engine, _) => engine.nonzero_fraction(),
            Self::Hosted(_) => None,
        }
    }

    /// The parameters now.
    pub fn values(&self) -> Values {
        match self {
            Self::Resident(engine, _) => engine.values(),
            Self::Hosted(hosted) => hosted.values.clone(),
        }
    }
}

/// Elements of a node in a step.
pub(crate) fn elements(problem: &Problem, id: NodeId, base: &Setting, batch: usize) -> usize {
    let g = &problem.objective.graph;
    let row = problem.objective.row.map(|r| r.axis);
    let extent = |a: &fe_graph::Axis| match a.id {
        fe_graph::AxisId::SAMPLE => base.samples.max(1),
        id if Some(id) == row => batch,
        id => g.extent_of(id),
    };
    g.axes_of(id).iter().map(extent).product()
}

/// An optimiser here, and the graph on the executor.
pub struct Hosted {
    compiled: Box<dyn Compiled>,
    /// Parameters of single rows keep their own memory, for only the rows of the batch move.
    optimizers: (Optimizer, Optimizer),
    values: Values,
    limit: Option<f64>,
}

impl Hosted {
    fn advance(&mut self, problem: &Problem, steps: &[Step]) -> Result<Made, FitError> {
        let watched = watched(problem).len();
        let mut made = Made { steps: 0, outputs: vec![], width: 0, finite: true };
        for step in steps {
            let results = self.compiled.run(&problem.feed(&self.values, &step.rows, &step.setting))?;
            let (outputs, gradients) = results.split_at(watched.min(results.len()));
            let from = made.outputs.len();
            made.outputs.extend(outputs.iter().flat_map(|t| &t.values));
            made.width = made.outputs.len() - from;
            let mut gradients: Vec<Vec<f64>> = gradients.iter().map(|t| t.values.clone()).collect();
            let value = outputs.first().map_or(f64::NAN, Tensor::item);
            if !value.is_finite() || gradients.iter().flatten().any(|g| !g.is_finite()) {
                made.finite = false;
                return Ok(made);
            }
            if let Some(limit) = self.limit {
                clip(&mut gradients, limit);
            }
            self.update(problem, gradients, step)?;
            made.steps += 1;
        }
        Ok(made)
    }

    fn update(&mut self, problem: &Problem, gradients: Vec<Vec<f64>>, step: &Step) -> Result<(), FitError> {
        let o = problem.objective;
        let mismatch = |_| FitError::Unsuited("a gradient does not have its parameter's shape".into());
        let all_rows = step.whole && problem.heldout.is_empty();
        let by_rows = |k: usize| o.parameters.get(k).is_some_and(|p| p.local) && !all_rows;
        let (mut all, mut all_gradients, mut some, mut some_gradients) = (vec![], vec![], vec![], vec![]);
        let mut order = vec![];
        for (k, (value, gradient)) in std::mem::take(&mut self.values).into_iter().zip(gradients).enumerate() {
            order.push(by_rows(k));
            if by_rows(k) {
                some.push(value);
                some_gradients.push(gradient);
            } else {
                all.push(value);
                all_gradients.push(gradient);
            }
        }
        let (shared, local) = &mut self.optimizers;
        shared.step(&mut all, &all_gradients, step.rate).map_err(mismatch)?;
        if !some.is_empty() {
            let rows: Vec<usize> = step.rows.iter().map(|&r| r as usize).collect();
            local.step_rows(&mut some, &some_gradients, &rows, step.rate).map_err(mismatch)?;
        }
        let (mut all, mut some) = (all.into_iter(), some.into_iter());
        self.values = order.into_iter().filter_map(|by| if by { some.next() } else { all.next() }).collect();
        Ok(())
    }
}
