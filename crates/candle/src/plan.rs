//! A compiled graph: its nodes in order, what they need, and what is kept between runs.

use std::collections::HashMap;

use candle_core::{Tensor, TensorId};
use fe_graph::noise::NoiseKey;
use fe_graph::{Axis, AxisId, ExecutionError, Graph, InputId, NodeId, Op, Origin, Site};

use crate::backend::Backend;
use crate::fault::Fault;
use crate::kernel::{Named, size};
use crate::looping::Loop;
use crate::operation;

/// The settings of a run, besides its inputs.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub backend: &'a Backend,
    /// The extent of every axis of the graph.
    pub extents: &'a [usize],
    pub seed: u64,
    /// The step of the feed, mixed with the positions of the loops around.
    pub step: u64,
    /// The row axis, the rows' numbers, and a stamp that changes with them.
    pub rows: Option<(Axis, &'a [u64], u64)>,
    /// Draws that take the place of noise.
    pub draws: &'a HashMap<Site, Tensor>,
}

impl Context<'_> {
    /// The extents of a tensor over `axes`.
    pub fn dims(&self, axes: &[Axis]) -> Vec<usize> {
        axes.iter().map(|a| self.extent(a.id)).collect()
    }

    /// The extent of an axis.
    pub fn extent(&self, axis: AxisId) -> usize {
        self.extents.get(axis.0 as usize).copied().unwrap_or(1)
    }

    /// The key of the draws of a site.
    pub fn key(&self, site: Site) -> NoiseKey {
        NoiseKey { seed: self.seed, site, step: self.step }
    }

    fn stamp(&self, site: Site) -> Stamp {
        match self.draws.get(&site) {
            Some(tensor) => Stamp::Tensor(tensor.id()),
            None => Stamp::Noise { seed: self.seed, step: self.step, rows: self.rows.map(|r| r.2) },
        }
    }
}

/// The origin of a leaf's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stamp {
    Tensor(TensorId),
    Noise { seed: u64, step: u64, rows: Option<u64> },
}

/// The operation of a node.
pub enum Action {
    /// An operation on tensors.
    Op(Op),
    /// A loop, compiled.
    Loop(Box<Loop>),
}

/// A node made ready.
pub struct Instruction {
    pub node: NodeId,
    pub action: Action,
    /// Places of the operands in the plan.
    pub inputs: Vec<usize>,
    /// Their axes.
    pub input_axes: Vec<Vec<Axis>>,
    pub axes: Vec<Axis>,
    pub origin: Origin,
    /// The randomness drawn, in a loop too.
    sites: Vec<Site>,
    /// Later samplers of the same arrivals, and their orders.
    siblings: Vec<(usize, u8)>,
}

/// The result of a node.
#[derive(Clone, Debug)]
pub enum Value {
    Tensor(Tensor),
    /// The results of a loop, those that are used.
    Results(Vec<Option<Tensor>>),
}

/// Nodes in order of evaluation.
///
/// A value is kept after a run where nothing it came from changed since the run before and something that changed needs
/// it; so data, constants, fixed draws and all that follows from them alone are computed once.
pub struct Plan {
    pub graph: Graph,
    pub instructions: Vec<Instruction>,
    pub outputs: Vec<usize>,
    pub values: Vec<Option<Value>>,
    stamps: Vec<Vec<Stamp>>,
    extents: Vec<usize>,
}

impl Plan {
    /// Compiles what the outputs need.
    pub fn compile(graph: &Graph, outputs: &[NodeId]) -> Self {
        let order = graph.reachable(outputs);
        let place: HashMap<NodeId, usize> = order.iter().enumerate().map(|(k, &id)| (id, k)).collect();
        let mut used: HashMap<NodeId, Vec<usize>> = HashMap::new();
        for node in order.iter().map(|&id| graph.node(id)) {
            if let (Op::Output(k), Some(&scan)) = (&node.op, node.inputs.first()) {
                used.entry(scan).or_default().push(*k);
            }
        }
        let mut instructions = Vec::with_capacity(order.len());
        for &id in &order {
            let node = graph.node(id);
            let (action, sites) = match &node.op {
                Op::Scan(scan) => {
                    let body = Loop::compile(&scan.0, used.get(&id).map_or(&[], Vec::as_slice));
                    let sites = body.sites();
                    (Action::Loop(Box::new(body)), sites)
                }
                op @ (Op::Noise { site, .. } | Op::Arrivals { site, .. }) => (Action::Op(op.clone()), vec![*site]),
                op => (Action::Op(op.clone()), vec![]),
            };
            instructions.push(Instruction {
                node: id,
                action,
                inputs: node.inputs.iter().filter_map(|i| place.get(i).copied()).collect(),
                input_axes: node.inputs.iter().map(|&i| graph.axes_of(i).to_vec()).collect(),
                axes: node.axes.clone(),
                origin: node.origin,
                sites,
                siblings: siblings(graph, &order, id),
            });
        }
        let count = instructions.len();
        Self {
            graph: graph.clone(),
            instructions,
            outputs: outputs.iter().filter_map(|id| place.get(id).copied()).collect(),
            values: vec![None; count],
            stamps: vec![vec![]; count],
            extents: vec![],
        }
    }

    /// The randomness drawn.
    pub fn sites(&self) -> Vec<Site> {
        self.instructions.iter().flat_map(|s| s.sites.iter().copied()).collect()
    }

    /// Drops everything kept between runs.
    pub fn forget(&mut self) {
        self.values.fill(None);
        for stamps in &mut self.stamps {
            stamps.clear();
        }
    }

    /// The values of the outputs. With `keep`, every node is computed, and its value left in `values`.
    pub fn run(
        &mut self,
        context: &Context,
        inputs: &HashMap<InputId, Tensor>,
        keep: bool,
    ) -> Result<Vec<Tensor>, ExecutionError> {
        let result = self.evaluate(context, inputs, keep);
        if result.is_err() && !keep {
            self.forget();
        }
        result
    }

    fn evaluate(
        &mut self,
        context: &Context,
        inputs: &HashMap<InputId, Tensor>,
        keep: bool,
    ) -> Result<Vec<Tensor>, ExecutionError> {
        if self.extents != context.extents {
            self.forget();
            self.extents = context.extents.to_vec();
        }
        let changed = self.update_stamps(context, inputs);
        let (mut uses, retained) = self.demand(&changed, keep);
        let mut early = vec![false; self.instructions.len()];
        let Self { instructions, values, outputs, .. } = self;
        for (k, instruction) in instructions.iter_mut().enumerate() {
            let wanted = |k: usize| uses.get(k).is_some_and(|&n| n > 0);
            let present = values.get(k).is_some_and(Option::is_some);
            let by_sibling = early.get(k).copied().unwrap_or(false);
            if !wanted(k) || present && !by_sibling {
                continue;
            }
            if !present {
                let open = |i: usize| wanted(i) && values.get(i).is_some_and(Option::is_none);
                let siblings: Vec<(usize, u8)> =
                    instruction.siblings.iter().copied().filter(|&(i, _)| open(i)).collect();
                let origin = instruction.origin;
                let fault = |fault: Fault| fault.at(origin);
                let found = if siblings.is_empty() {
                    vec![(k, compute(instruction, values, context, inputs).map_err(fault)?)]
                } else {
                    sample(instruction, k, &siblings, values, context).map_err(fault)?
                };
                for (i, value) in found {
                    if let (Some(slot), Some(early)) = (values.get_mut(i), early.get_mut(i)) {
                        *slot = Some(value);
                        *early = true;
                    }
                }
            }
            for &i in &instruction.inputs {
                let (Some(left), Some(slot)) = (uses.get_mut(i), values.get_mut(i)) else { continue };
                *left = left.saturating_sub(1);
                if *left == 0 && !retained.get(i).copied().unwrap_or(false) {
                    *slot = None;
                }
            }
        }
        let mut results = Vec::with_capacity(outputs.len());
        for &k in outputs.iter() {
            match values.get(k) {
                Some(Some(Value::Tensor(tensor))) => results.push(tensor.clone()),
                _ => return Err(Fault::from("an output is not a tensor").at(Origin::default())),
            }
        }
        for &k in outputs.iter() {
            if let (Some(slot), Some(false)) = (values.get_mut(k), retained.get(k)) {
                *slot = None;
            }
        }
        Ok(results)
    }

    /// The nodes that may have another value than in the last run; theirs are dropped.
    fn update_stamps(&mut self, context: &Context, inputs: &HashMap<InputId, Tensor>) -> Vec<bool> {
        let mut changed: Vec<bool> = Vec::with_capacity(self.instructions.len());
        for ((instruction, stamps), value) in self.instructions.iter().zip(&mut self.stamps).zip(&mut self.values) {
            let mut differs = instruction.inputs.iter().any(|&i| changed.get(i).copied().unwrap_or(true));
            let now: Vec<Stamp> = match &instruction.action {
                Action::Op(Op::Input(id)) => inputs.get(id).map(|t| Stamp::Tensor(t.id())).into_iter().collect(),
                _ => instruction.sites.iter().map(|&s| context.stamp(s)).collect(),
            };
            if *stamps != now {
                differs = true;
                *stamps = now;
            }
            if differs {
                *value = None;
            }
            changed.push(differs);
        }
        changed
    }

    /// The number of uses of each value in this run, and whether it is kept after it. An output counts as a use that
    /// never ends before the run does.
    fn demand(&self, changed: &[bool], keep: bool) -> (Vec<usize>, Vec<bool>) {
        let count = self.instructions.len();
        let (mut uses, mut retained) = (vec![usize::from(keep); count], vec![keep; count]);
        let is_changed = |k: usize| changed.get(k).copied().unwrap_or(true);
        for &k in &self.outputs {
            if let (Some(n), Some(r)) = (uses.get_mut(k), retained.get_mut(k)) {
                *n += 1;
                *r |= !is_changed(k);
            }
        }
        for (k, instruction) in self.instructions.iter().enumerate().rev() {
            let wanted = uses.get(k).is_some_and(|&n| n > 0);
            if !wanted || self.values.get(k).is_some_and(Option::is_some) {
                continue;
            }
            for &i in &instruction.inputs {
                if let (Some(n), Some(r)) = (uses.get_mut(i), retained.get_mut(i)) {
                    *n += 1;
                    *r |= is_changed(k) && !is_changed(i);
                }
            }
        }
        (uses, retained)
    }
}

/// Later nodes that sample the same arrivals, with their orders.
fn siblings(graph: &Graph, order: &[NodeId], id: NodeId) -> Vec<(usize, u8)> {
    let same = |other: &NodeId| {
        let (a, b) = (graph.node(id), graph.node(*other));
        match (&a.op, &b.op) {
            (Op::Arrivals { indicator: f, site: s, .. }, Op::Arrivals { indicator: g, site: t, order }) => {
                (*other > id && f == g && s == t && a.inputs == b.inputs && a.axes == b.axes).then_some(*order)
            }
            _ => None,
        }
    };
    match graph.node(id).op {
        Op::Arrivals { .. } => order.iter().enumerate().filter_map(|(k, other)| Some((k, same(other)?))).collect(),
        _ => vec![],
    }
}

/// The tensors at some places.
pub fn tensors<'a>(places: &[usize], values: &'a [Option<Value>]) -> Result<Vec<&'a Tensor>, Fault> {
    let tensor = |&k: &usize| match values.get(k) {
        Some(Some(Value::Tensor(tensor))) => Ok(tensor),
        _ => Err(Fault::from("an operand has no value")),
    };
    places.iter().map(tensor).collect()
}

/// A node's operands.
fn operands<'a>(instruction: &'a Instruction, values: &'a [Option<Value>]) -> Result<Vec<Named<'a>>, Fault> {
    let tensors = tensors(&instruction.inputs, values)?;
    Ok(tensors.into_iter().zip(&instruction.input_axes).map(|(tensor, axes)| Named { tensor, axes }).collect())
}

/// The values of a sampler and of its siblings, each with its place.
fn sample(
    instruction: &Instruction,
    place: usize,
    siblings: &[(usize, u8)],
    values: &[Option<Value>],
    context: &Context,
) -> Result<Vec<(usize, Value)>, Fault> {
    let Action::Op(op @ Op::Arrivals { order, .. }) = &instruction.action else { return Ok(vec![]) };
    let (places, orders): (Vec<usize>, Vec<u8>) =
        std::iter::once((place, *order)).chain(siblings.iter().copied()).unzip();
    let dims = context.dims(&instruction.axes);
    let tensors = operation::arrivals(op, &orders, &operands(instruction, values)?, &instruction.axes, &dims, context)?;
    Ok(places.into_iter().zip(tensors.into_iter().map(Value::Tensor)).collect())
}

/// The value of a node.
fn compute(
    instruction: &mut Instruction,
    values: &[Option<Value>],
    context: &Context,
    inputs: &HashMap<InputId, Tensor>,
) -> Result<Value, Fault> {
    if let (Action::Op(Op::Output(k)), Some(&scan)) = (&instruction.action, instruction.inputs.first()) {
        return match values.get(scan) {
            Some(Some(Value::Results(results))) => {
                let result = results.get(*k).cloned().flatten();
                result.map(Value::Tensor).ok_or_else(|| Fault::from("a loop lacks a result"))
            }
            _ => Err(Fault::from("a loop has no value")),
        };
    }
    if let Action::Loop(body) = &mut instruction.action {
        let tensors = tensors(&instruction.inputs, values)?;
        return Ok(Value::Results(body.run(context, &tensors, &instruction.input_axes)?));
    }
    let Action::Op(op) = &instruction.action else { return Err(Fault::from("a loop was not run")) };
    let axes = &instruction.axes;
    let dims = context.dims(axes);
    size(&dims)?;
    Ok(Value::Tensor(match op {
        Op::Constant(value) => context.backend.scalar(value.0)?,
        Op::Literal(tensor) => {
            if tensor.shape != dims {
                let shape = &tensor.shape;
                return Err(Fault::Message(format!("a fixed tensor has shape {shape:?}, not {dims:?}")));
            }
            context.backend.upload(tensor)?
        }
        Op::Input(id) => inputs.get(id).cloned().ok_or_else(|| Fault::from("an input has no value"))?,
        Op::Extent(axis) => context.backend.scalar(context.extent(*axis) as f64)?,
        Op::Iota => {
            let count = size(&dims)?;
            context.backend.upload(&fe_graph::Tensor { values: (0..count).map(|k| k as f64).collect(), shape: dims })?
        }
        op => operation::apply(op, &operands(instruction, values)?, axes, &dims, context)?,
    }))
}
