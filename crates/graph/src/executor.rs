//! Executors: they compile outputs of a graph once, and run them on many feeds.

use std::collections::HashMap;
use std::sync::Arc;

use crate::axis::AxisId;
use crate::graph::{Graph, InputId, NodeId};
use crate::op::{Origin, Site};
use crate::tensor::Tensor;
use crate::training::{Trainer, TrainingLoop};

/// The inputs of a run.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    /// A tensor for each input that is needed, row-major over its sorted axes. Executors may keep a converted copy for
    /// as long as the same `Arc` is given.
    pub inputs: HashMap<InputId, Arc<Tensor>>,
    /// Extents that differ from the graph's nominal ones: the rows of a batch, the number of samples.
    pub extents: HashMap<AxisId, usize>,
    /// The seed of all noise.
    pub seed: u64,
    /// Asks for fresh noise.
    pub step: u64,
    /// The axis of data rows and the number of each row in the data, so that noise belongs to a row and not to its
    /// place in a batch. Without it, rows count from 0.
    pub rows: Option<(AxisId, Arc<Vec<u64>>)>,
    /// Draws that take the place of a noise site, row-major over the sorted axes of its node.
    pub draws: HashMap<Site, Arc<Tensor>>,
}

/// The place where a value first stopped being finite.
#[derive(Clone, Debug, PartialEq)]
pub struct NonFinite {
    /// The node: the first, in order of evaluation, with a non-finite value.
    pub node: NodeId,
    /// The origin of that node.
    pub origin: Origin,
    /// Position along each axis, named.
    pub index: Vec<(String, usize)>,
    /// The value: NaN or ±∞.
    pub value: f64,
    /// The operation, and the operands' values at that place.
    pub operation: String,
    /// Values of the operands there, where they could be matched by axis.
    pub operands: Vec<f64>,
}

/// An error of a run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExecutionError {
    /// An input was not fed.
    #[error("the input `{0}` was not given")]
    MissingInput(String),
    /// A tensor does not have its input's shape.
    #[error("the input `{name}` has shape {found:?}, not {expected:?}")]
    Shape {
        /// The input.
        name: String,
        /// The extents of its axes.
        expected: Vec<usize>,
        /// The extents that were given.
        found: Vec<usize>,
    },
    /// An index points outside its axis.
    #[error("an index is {value}, outside the {extent} places of its axis")]
    Index {
        /// The origin of the indexing.
        origin: Origin,
        /// The index.
        value: f64,
        /// The extent of the axis.
        extent: usize,
    },
    /// The device or the library failed (out of memory, say).
    #[error("{message}")]
    Backend {
        /// Its message.
        message: String,
        /// The node it failed at.
        origin: Origin,
    },
}

/// Compiles graphs.
pub trait Executor: Send + Sync {
    /// Its name in reports: `candle f32`.
    fn name(&self) -> String;

    /// Prepares some nodes of a graph for running.
    ///
    /// # Errors
    /// When the backend cannot be set up.
    fn compile(&self, graph: &Graph, outputs: &[NodeId]) -> Result<Box<dyn Compiled>, ExecutionError>;

    /// Prepares a training loop whose parameters stay here; `None` where this executor leaves them to its caller.
    ///
    /// # Errors
    /// When the backend cannot be set up, or what is fed does not fit.
    fn train(&self, _graph: &Graph, _training: &TrainingLoop) -> Result<Option<Box<dyn Trainer>>, ExecutionError> {
        Ok(None)
    }
}

/// Outputs of a graph, ready to run.
pub trait Compiled: Send {
    /// The values of the outputs, in order.
    ///
    /// # Errors
    /// When inputs are missing or misshapen, an index is out of range, or the backend fails. Non-finite values are not
    /// errors here.
    fn run(&mut self, feed: &Feed) -> Result<Vec<Tensor>, ExecutionError>;

    /// Runs again, node by node, and gives the first non-finite value of a node whose operands are all finite.
    ///
    /// # Errors
    /// As [`Compiled::run`].
    fn first_non_finite(&mut self, feed: &Feed) -> Result<Option<NonFinite>, ExecutionError>;
}
