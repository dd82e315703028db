//! The places of the inputs, the parameters and the data of a training loop.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use fe_graph::plan::{Conditions, Plan, Slot, permutation};
use fe_graph::training::TrainingLoop;
use fe_graph::{Axis, ExecutionError, Feed, Graph, InputId, Tensor};

use super::backend;
use crate::arena::Arena;
use crate::executor::conditions;
use crate::math::Real;
use crate::region::start_of;

/// Elements updated at a time, and over which a norm is summed: fixed, so that no number depends on the threads.
const CHUNK: usize = 1 << 13;

/// A piece of a parameter, with its gradient and its memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub parameter: usize,
    pub gradient: usize,
    pub memory: usize,
    pub len: usize,
}

/// Data of which each batch takes some rows.
pub(super) struct Table<T> {
    pub values: Arena<T>,
    /// Elements of a row.
    pub width: usize,
    /// The place of the batch's rows.
    pub into: usize,
}

/// A parameter's place and how it is laid out.
pub(super) struct Placed {
    pub start: usize,
    pub size: usize,
    /// Extents over sorted axes, and the order in which the layout has them.
    pub shape: Vec<usize>,
    pub order: Vec<usize>,
    /// The value of a parameter that nothing depends on, which stays.
    pub idle: Option<Vec<f64>>,
}

/// Pieces of [`CHUNK`] elements.
pub(super) fn chunks(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    range.clone().step_by(CHUNK).map(move |at| at..range.end.min(at + CHUNK))
}

/// The inputs of a training loop, as its plan is to take them.
pub(super) struct Inputs {
    pub conditions: Conditions,
    pub feed: Feed,
    /// Data of all rows, of which each batch takes some.
    pub wide: HashMap<InputId, Arc<Tensor>>,
    pub batch: usize,
}

impl Inputs {
    pub fn new(graph: &Graph, training: &TrainingLoop, sparse: bool) -> Self {
        let mut feed = training.feed.clone();
        let mut conditions = conditions(graph, &feed);
        let rows = conditions.rows;
        let moving: HashSet<InputId> = training.parameters.iter().map(|p| p.0).collect();
        // What has rows is given whole, and a batch takes some of them.
        let carries_rows = |id: &InputId| {
            graph.input_info(*id).is_some_and(|i| i.axes.iter().any(|a| Some(*a) == rows)) && !moving.contains(id)
        };
        let batch = rows.map_or(1, |r| extent(&conditions, r));
        let mut wide: HashMap<InputId, Arc<Tensor>> = HashMap::new();
        for (id, tensor) in &training.feed.inputs {
            if carries_rows(id) && tensor.shape.first() != Some(&batch) {
                wide.insert(*id, tensor.clone());
                let mut shape = tensor.shape.clone();
                if let Some(first) = shape.first_mut() {
                    *first = batch;
                }
                feed.inputs.insert(*id, Arc::new(Tensor::full(shape, 0.0)));
            }
        }
        let steady = |id: &&InputId| !wide.contains_key(id) && !training.scalars.contains(id) && !moving.contains(id);
        conditions.steady = feed.inputs.keys().filter(steady).copied().collect();
        conditions.steady_draws = true;
        conditions.dense = !sparse;
        conditions.whole = training.parameters.iter().map(|p| p.1).chain(training.outputs.iter().copied()).collect();
        for (id, _, values) in &training.parameters {
            let axes = graph.input_info(*id).map(|i| i.axes.clone()).unwrap_or_default();
            let shape = axes.iter().map(|a| extent(&conditions, *a)).collect();
            feed.inputs.insert(*id, Arc::new(Tensor { shape, values: values.clone() }));
        }
        for id in &training.scalars {
            feed.inputs.entry(*id).or_insert_with(|| Arc::new(Tensor::scalar(0.0)));
        }
        Self { conditions, feed, wide, batch }
    }
}

fn extent(conditions: &Conditions, axis: Axis) -> usize {
    conditions.extents.get(axis.id.0 as usize).copied().unwrap_or(1)
}

pub(super) fn with_extents(plan: &Plan, axes: &[Axis]) -> Vec<(Axis, usize)> {
    axes.iter().map(|a| (*a, plan.extents.get(a.id.0 as usize).copied().unwrap_or(1))).collect()
}

pub(super) fn slot<'a>(plan: &'a Plan, id: &InputId) -> Option<&'a Slot<InputId>> {
    plan.inputs.iter().find(|s| s.key == *id)
}

pub(super) fn start_of_buffer(plan: &Plan, buffer: usize) -> usize {
    plan.buffers.get(buffer).map_or(0, |b| b.start)
}

pub(super) fn room<T: Real>(size: usize) -> Result<Arena<T>, ExecutionError> {
    Arena::new(size).ok_or_else(|| backend("there is not the memory for the data and the optimiser"))
}

/// The parameters in their places, and the pieces by which they move.
#[derive(Default)]
pub(super) struct Placement {
    pub parameters: Vec<Placed>,
    pub pieces: Vec<Piece>,
    /// Pieces moved by the thread that has just made their gradient, by the number of its task in the last stage.
    pub fused: HashMap<usize, Vec<Piece>>,
    /// Numbers of memory that they need.
    pub memory: usize,
}

impl Placement {
    /// A gradient that is the last stage's product (`products`) moves its parameter at once, while it is in the cache:
    /// where nothing else in that stage reads the parameter.
    pub fn new(
        graph: &Graph,
        training: &TrainingLoop,
        plan: &Plan,
        products: &[(usize, Range<usize>)],
    ) -> Result<Self, ExecutionError> {
        let mut placement = Self::default();
        let gradients = plan.outputs.iter().skip(training.outputs.len());
        for ((id, node, values), gradient) in training.parameters.iter().zip(gradients) {
            let shape_of = |axes: &[Axis]| with_extents(plan, axes).iter().map(|a| a.1).collect();
            let Some(slot) = slot(plan, id) else {
                let (shape, idle) = (shape_of(graph.axes_of(*node)), Some(values.clone()));
                placement.parameters.push(Placed { start: 0, size: 0, shape, order: vec![], idle });
                continue;
            };
            let placed = Placed {
                start: start_of_buffer(plan, slot.buffer),
                size: values.len(),
                shape: shape_of(&slot.sorted),
                order: permutation(&slot.sorted, &slot.axes),
                idle: None,
            };
            if gradient.size() != placed.size {
                return Err(backend("a gradient does not have its parameter's shape"));
            }
            let read = plan.phases.last().is_none_or(|p| p.reads(slot.buffer));
            placement.cut(placed, start_of(plan, gradient), if read { &[] } else { products });
        }
        Ok(placement)
    }

    /// Cuts a parameter into pieces, by the tiles that make its gradient where these cover it.
    fn cut(&mut self, placed: Placed, from: usize, products: &[(usize, Range<usize>)]) {
        let memory = self.memory;
        let piece = |range: Range<usize>| Piece {
            parameter: placed.start + range.start,
            gradient: from + range.start,
            memory: memory + range.start,
            len: range.len(),
        };
        let within = |r: &Range<usize>| r.start >= from && r.end <= from + placed.size;
        let tiles: Vec<_> = products.iter().filter(|(_, r)| within(r)).collect();
        let covered = tiles.iter().map(|(_, r)| r.len()).sum::<usize>() == placed.size;
        if covered && !products.is_empty() {
            for (task, range) in tiles {
                let pieces = chunks(range.start - from..range.end - from).map(piece);
                self.fused.entry(*task).or_default().extend(pieces);
            }
        } else {
            self.pieces.extend(chunks(0..placed.size).map(piece));
        }
        self.memory += placed.size.next_multiple_of(16);
        self.parameters.push(placed);
    }
}

/// The data of all rows, in memory.
pub(super) fn tables<T: Real>(
    plan: &Plan,
    wide: &HashMap<InputId, Arc<Tensor>>,
) -> Result<Vec<Table<T>>, ExecutionError> {
    let mut tables = vec![];
    for slot in &plan.inputs {
        let Some(tensor) = wide.get(&slot.key) else { continue };
        let width = tensor.shape.iter().skip(1).product();
        let mut values = room(tensor.len())?;
        for (slot, &v) in values.all().iter_mut().zip(&tensor.values) {
            *slot = T::from_f64(v);
        }
        tables.push(Table { values, width, into: start_of_buffer(plan, slot.buffer) });
    }
    Ok(tables)
}
