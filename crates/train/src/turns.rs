//! One turn after another of a finished fit: the same values of an objective, on data that are new at each turn.

use std::collections::HashMap;
use std::sync::Arc;

use fe_graph::{Axis, Compiled, ExecutionError, Executor, InputId, NodeId, Tensor};
use fe_objective::{Objective, Readout, ReadoutOf};

use crate::fit::{FitError, locate_rows};
use crate::problem::{Kept, Problem, Ready, Setting, Values, from_sorted};
use crate::readouts::Known;
use crate::streams::Purpose;

/// What is worked out in each turn, compiled once.
pub struct Turning {
    ready: Ready,
    compiled: Box<dyn Compiled>,
    outputs: Vec<NodeId>,
    readouts: Vec<Readout>,
    states: Vec<(NodeId, Vec<Axis>)>,
}

/// What one turn is run on.
pub struct TurnInput<'a> {
    /// A tensor for each data input.
    pub data: HashMap<InputId, Arc<Tensor>>,
    /// The parameters.
    pub values: &'a Values,
    /// Fixed parts of guides, steps of descents.
    pub extra: &'a HashMap<InputId, Arc<Tensor>>,
    /// What of the fit is kept for rows that it has not seen.
    pub kept: &'a Kept,
    /// The seed of all noise.
    pub seed: u64,
    /// The number of the turn, which keys the noise.
    pub turn: u64,
    /// Draws, where something has to be drawn.
    pub samples: usize,
}

/// What became of a turn.
#[derive(Clone, Debug)]
pub struct TurnOutput {
    /// Each term in nats, with its Monte Carlo standard error, 0 where it is not drawn.
    pub terms: Vec<(f64, f64)>,
    /// Each count's spikes.
    pub spikes: Vec<f64>,
    /// Each readout: what is known, and one draw.
    pub codes: Vec<(Known, Option<Vec<f64>>)>,
    /// The nodes asked for, in their declared orders; of what is drawn the first draw.
    pub states: Vec<Vec<f64>>,
}

fn nodes(readout: &Readout) -> Vec<NodeId> {
    match readout.of {
        ReadoutOf::Value { draw, given: Some((mean, variance)) } => vec![draw, mean, variance],
        ReadoutOf::Value { draw, given: None } => vec![draw],
        ReadoutOf::Finite { probabilities, draw, .. } => [Some(probabilities), draw].into_iter().flatten().collect(),
    }
}

impl Turning {
    /// Compiles terms, spikes, readouts, and nodes over the axes they are declared with.
    ///
    /// # Errors
    /// When the executor cannot.
    pub fn new(
        objective: &Objective,
        executor: &dyn Executor,
        readouts: Vec<Readout>,
        states: Vec<(NodeId, Vec<Axis>)>,
    ) -> Result<Self, ExecutionError> {
        let terms = objective.terms.iter().map(|t| t.sum).chain(objective.spikes.iter().map(|s| s.sum));
        let read = readouts.iter().flat_map(nodes).chain(states.iter().map(|s| s.0));
        let outputs: Vec<NodeId> = terms.chain(read).collect();
        let compiled = executor.compile(&objective.graph, &outputs)?;
        Ok(Self { ready: Ready::default(), compiled, outputs, readouts, states })
    }

    /// Makes a turn.
    ///
    /// # Errors
    /// When a run fails, or the free energy is not finite.
    pub fn run(
        &mut self,
        objective: &Objective,
        executor: &dyn Executor,
        input: TurnInput,
    ) -> Result<TurnOutput, FitError> {
        let TurnInput { data, values, extra, kept, seed, turn, samples } = input;
        let problem = Problem::of_new_rows_again(objective, executor, data, kept, seed, &mut self.ready)?;
        let rows = problem.heldout.clone();
        let drawn = self.outputs.iter().any(|&n| objective.graph.has_axis(n, Axis::SAMPLE));
        let samples = if drawn { samples.max(1) } else { 1 };
        let setting = Setting { extra: extra.clone(), ..Setting::reporting(Purpose::Lines.step(turn), samples) };
        let found = self.compiled.run(&problem.feed(values, &rows, &setting))?;
        let output = self.read(&problem, &found, samples);
        match output.terms.iter().all(|t| t.0.is_finite()) {
            true => Ok(output),
            false => Err(locate_rows(&problem, values, &rows, &setting, turn)),
        }
    }

    fn read(&self, problem: &Problem, found: &[Tensor], samples: usize) -> TurnOutput {
        let o = problem.objective;
        let g = &o.graph;
        let mut found = found.iter().zip(&self.outputs).map(|(t, &n)| {
            let of = if g.has_axis(n, Axis::SAMPLE) { samples } else { 1 };
            Draws { values: &t.values, of }
        });
        let scale = |local: bool| if local { 1.0 } else { 1.0 / problem.training_rows() as f64 };
        let mut terms = vec![];
        for (term, draws) in o.terms.iter().zip(found.by_ref()) {
            let (mean, variance) = draws.moments(0);
            let se = if draws.of > 1 { (variance / draws.of as f64).sqrt() } else { 0.0 };
            terms.push((mean * scale(term.local), se * scale(term.local)));
        }
        let mut spikes = vec![];
        for (count, draws) in o.spikes.iter().zip(found.by_ref()) {
            spikes.push(draws.moments(0).0 * scale(count.local));
        }
        let mut codes = vec![];
        for readout in &self.readouts {
            let own: Vec<Draws> = found.by_ref().take(nodes(readout).len()).collect();
            let declared = |values: Vec<f64>, axes: &[Axis]| from_sorted(g, axes, values).values;
            codes.push(match (readout.of, own.as_slice()) {
                (ReadoutOf::Finite { values, .. }, [shares, draw @ ..]) => {
                    let axes = [readout.axes.as_slice(), &[values]].concat();
                    let of = declared(shares.means(), &axes);
                    let drawn = draw.first().map(|d| declared(d.first(), &readout.axes));
                    (Known::Probabilities { values: g.extent_of(values.id), of }, drawn)
                }
                (_, [draw, given @ ..]) => {
                    let (mean, variance) = match given {
                        [mean, variance, ..] => {
                            let spread = mean.variances();
                            let all = variance.means().iter().zip(spread).map(|(v, s)| v + s).collect();
                            (mean.means(), all)
                        }
                        _ => (draw.means(), draw.variances()),
                    };
                    let sd = variance.iter().map(|v: &f64| v.max(0.0).sqrt()).collect();
                    let (mean, sd) = (declared(mean, &readout.axes), declared(sd, &readout.axes));
                    (Known::Moments { mean, sd }, Some(declared(draw.first(), &readout.axes)))
                }
                _ => (Known::Moments { mean: vec![], sd: vec![] }, None),
            });
        }
        let mut states = vec![];
        for ((_, axes), draws) in self.states.iter().zip(found) {
            states.push(from_sorted(g, axes, draws.first()).values);
        }
        TurnOutput { terms, spikes, codes, states }
    }
}

/// The values of a node, draw by draw.
struct Draws<'a> {
    values: &'a [f64],
    of: usize,
}

impl Draws<'_> {
    fn width(&self) -> usize {
        self.values.len() / self.of.max(1)
    }

    fn first(&self) -> Vec<f64> {
        self.values.iter().take(self.width()).copied().collect()
    }

    /// Mean and variance (n − 1) over draws of one element.
    fn moments(&self, element: usize) -> (f64, f64) {
        let all = || self.values.iter().skip(element).step_by(self.width().max(1));
        let mean = all().sum::<f64>() / self.of as f64;
        let squares = all().map(|v| (v - mean).powi(2)).sum::<f64>();
        (mean, squares / (self.of.saturating_sub(1)).max(1) as f64)
    }

    fn means(&self) -> Vec<f64> {
        (0..self.width()).map(|k| self.moments(k).0).collect()
    }

    fn variances(&self) -> Vec<f64> {
        (0..self.width()).map(|k| self.moments(k).1).collect()
    }
}
