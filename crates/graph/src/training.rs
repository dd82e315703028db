//! Training loops: many steps of an optimiser, whose parameters stay with the executor.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::executor::{ExecutionError, Feed};
use crate::graph::{InputId, NodeId};

/// A rule by which parameters move against their gradient g at rate r.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Rule {
    /// Adam, bias-corrected (Kingma and Ba 2015, algorithm 1): β = (0.9, 0.999), ε = 1e-8.
    Adam,
    /// Adamax (the same, algorithm 2); ε is added to |g|, so that a gradient of zero moves nothing.
    Adamax,
    /// Gradient descent along v ← momentum·v + g.
    Sgd {
        /// In [0, 1); 0 is plain gradient descent.
        momentum: f64,
    },
}

/// The decay of Adam's mean gradient.
pub const BETA1: f64 = 0.9;
/// The decay of Adam's mean square.
pub const BETA2: f64 = 0.999;
/// The number that keeps Adam from dividing by zero.
pub const EPSILON: f64 = 1e-8;

/// A training loop: what each step computes, and how it moves the parameters.
#[derive(Clone, Debug)]
pub struct TrainingLoop {
    /// Nodes that are reported of each step, before it is made. Where one of them is not finite the step is not made.
    pub outputs: Vec<NodeId>,
    /// The parameters, with their gradients and starting values over sorted axes.
    pub parameters: Vec<(InputId, NodeId, Vec<f64>)>,
    /// Scalar inputs that change from step to step.
    pub scalars: Vec<InputId>,
    /// The rule by which parameters move.
    pub rule: Rule,
    /// The largest norm of the gradient of all parameters together.
    pub clip: Option<f64>,
    /// All else: the other inputs, extents, the seed. With batches, the extent of the row axis is that of a batch,
    /// and inputs that carry it are given for all rows of the data.
    pub feed: Feed,
}

/// One step of a training loop.
#[derive(Clone, Debug, Default)]
pub struct TrainingStep {
    /// The key of its noise.
    pub step: u64,
    /// The step size.
    pub rate: f64,
    /// The changing scalars.
    pub scalars: Vec<f64>,
    /// With batches, the rows of this one.
    pub rows: Option<Arc<Vec<u64>>>,
}

/// The outcome of some steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Advance {
    /// Steps that were made.
    pub made: usize,
    /// The outputs of each step made, and of the one that could not be; one after another.
    pub outputs: Vec<f64>,
    /// Whether all that were asked for were made; else the objective or a gradient was not finite, and the parameters
    /// are those before that step.
    pub finite: bool,
}

/// All that steps change, to the bit. Arrays are laid out as the plan has them, and mean nothing elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainerState {
    /// The parameters.
    pub values: Vec<Vec<f64>>,
    /// The rule's memory of first and second moments.
    pub memory: [Vec<f64>; 2],
    /// Steps made.
    pub made: u64,
    /// Of products with counts: sampled counts, and those of them that were not 0.
    pub counts: [u64; 2],
}

/// A training loop under way.
pub trait Trainer: Send {
    /// Makes some steps.
    ///
    /// # Errors
    /// As a run of the graph.
    fn advance(&mut self, steps: &[TrainingStep]) -> Result<Advance, ExecutionError>;

    /// The parameters now, over sorted axes.
    fn values(&self) -> Vec<Vec<f64>>;

    /// Where it stands, to be gone on from.
    fn state(&mut self) -> TrainerState;

    /// Goes on from where a loop of the same plan stood.
    ///
    /// # Errors
    /// When the state is not one of this loop.
    fn restore(&mut self, state: &TrainerState) -> Result<(), ExecutionError>;

    /// The fraction of sampled counts that was not 0, over all matrix products with them so far; none where there are
    /// no such products, or the executor does not look.
    fn nonzero_fraction(&self) -> Option<f64> {
        None
    }
}
