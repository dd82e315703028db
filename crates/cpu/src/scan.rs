//! Loops: the body is a program of its own, run once for each position. Steps go through tensors in f64.

#![allow(unsafe_code)]

use std::collections::HashMap;
use std::sync::Arc;

use fe_graph::noise::step_within;
use fe_graph::plan::{Plan, View};
use fe_graph::{
    Axis, AxisId, Compiled, ExecutionError, Executor, Feed, Graph, InputId, NodeId, NonFinite, Scan, Tensor,
};

use crate::arena::Arena;
use crate::index::{read_out, write_back};
use crate::math::Real;
use crate::random::Key;

/// A loop and its body, ready.
struct Turns {
    scan: Arc<Scan>,
    body: Box<dyn Compiled>,
    extents: HashMap<AxisId, usize>,
}

/// One turn: the position, the carries before it, and what the body gave.
struct Turn<'a> {
    position: usize,
    before: &'a [Arc<Tensor>],
    results: &'a [Arc<Tensor>],
}

/// Sees the body and its feed, before a turn and, with what came of it, after; says whether to go on.
type Visit<'a> = &'a mut dyn FnMut(&mut dyn Compiled, &Feed, Option<Turn>) -> Result<bool, ExecutionError>;

/// A tensor at one position of an axis; `axes` are sorted.
fn slice(tensor: &Tensor, axes: &[Axis], axis: Axis, position: usize) -> Tensor {
    let Some(at) = axes.iter().position(|&a| a == axis) else { return tensor.clone() };
    let inner: usize = tensor.shape.iter().skip(at + 1).product();
    let extent = tensor.shape.get(at).copied().unwrap_or(1);
    let blocks = tensor.values.chunks((extent * inner).max(1));
    let values = blocks.flat_map(|b| b.iter().skip(position * inner).take(inner)).copied().collect();
    let mut shape = tensor.shape.clone();
    shape.remove(at);
    Tensor { shape, values }
}

impl Turns {
    fn new(scan: &Arc<Scan>, extents: &[usize]) -> Result<Self, ExecutionError> {
        let outputs: Vec<NodeId> = scan.carries.iter().map(|c| c.1).chain(scan.stacked.iter().copied()).collect();
        let body = crate::CpuExecutor::new(crate::Precision::F64).alone().compile(&scan.body, &outputs)?;
        let number = |k: usize| AxisId(u32::try_from(k).unwrap_or(u32::MAX));
        let extents = extents.iter().enumerate().map(|(k, &e)| (number(k), e)).collect();
        Ok(Self { scan: scan.clone(), body, extents })
    }

    fn axes_of(&self, input: InputId) -> Vec<Axis> {
        self.scan.body.input_info(input).map(|i| i.axes.clone()).unwrap_or_default()
    }

    /// The sorted axes of each operand.
    fn operand_axes(&self) -> Vec<Vec<Axis>> {
        let scan = &self.scan;
        let carries = scan.carries.iter().map(|c| self.axes_of(c.0));
        let slices = scan.slices.iter().map(|&s| fe_graph::axis::union(&self.axes_of(s), &[scan.axis]));
        let constants = scan.constants.iter().map(|&c| self.axes_of(c));
        carries.chain(slices).chain(constants).collect()
    }

    /// Runs all turns. `visit` sees each one before the next, with what it was fed; where it says so the loop ends.
    /// Returns the last carries.
    fn run(
        &mut self,
        operands: &[Arc<Tensor>],
        outside: &Feed,
        visit: Visit,
    ) -> Result<Vec<Arc<Tensor>>, ExecutionError> {
        let scan = self.scan.clone();
        let axes = self.operand_axes();
        let carried = scan.carries.len();
        let mut carries: Vec<Arc<Tensor>> = operands.iter().take(carried).cloned().collect();
        let scanned = operands.iter().zip(&axes).skip(carried).take(scan.slices.len());
        let mut feed = Feed {
            seed: outside.seed,
            extents: self.extents.clone(),
            rows: outside.rows.clone(),
            draws: outside.draws.clone(),
            ..Feed::default()
        };
        for (&input, constant) in scan.constants.iter().zip(operands.iter().skip(carried + scan.slices.len())) {
            feed.inputs.insert(input, constant.clone());
        }
        let count = self.extents.get(&scan.axis.id).copied().unwrap_or(1);
        for turn in 0..count {
            let position = if scan.reverse { count - 1 - turn } else { turn };
            for (&(input, _), carry) in scan.carries.iter().zip(&carries) {
                feed.inputs.insert(input, carry.clone());
            }
            for (&input, (tensor, axes)) in scan.slices.iter().zip(scanned.clone()) {
                feed.inputs.insert(input, Arc::new(slice(tensor, axes, scan.axis, position)));
            }
            if let Some(time) = scan.time {
                feed.inputs.insert(time, Arc::new(Tensor::scalar(position as f64)));
            }
            feed.step = step_within(outside.step, position as u64);
            if !visit(self.body.as_mut(), &feed, None)? {
                break;
            }
            let results: Vec<Arc<Tensor>> = self.body.run(&feed)?.into_iter().map(Arc::new).collect();
            visit(self.body.as_mut(), &feed, Some(Turn { position, before: &carries, results: &results }))?;
            carries = results.into_iter().take(carried).collect();
        }
        Ok(carries)
    }
}

/// A loop with its places in memory.
pub struct BoundScan {
    turns: Turns,
    plan: Plan,
    operands: Vec<View>,
    into: Vec<(usize, View)>,
    rows: Option<AxisId>,
}

impl BoundScan {
    /// Places a loop.
    ///
    /// # Errors
    /// When its body cannot be set up.
    pub fn bind(
        plan: &Plan,
        scan: &Arc<Scan>,
        operands: &[View],
        into: &[(usize, View)],
        rows: Option<Axis>,
    ) -> Result<Self, ExecutionError> {
        let turns = Turns::new(scan, &plan.extents)?;
        let (operands, into) = (operands.to_vec(), into.to_vec());
        Ok(Self { turns, plan: plan.clone(), operands, into, rows: rows.map(|r| r.id) })
    }

    /// Runs it.
    ///
    /// # Errors
    /// As its body.
    pub fn run<T: Real>(&mut self, arena: &Arena<T>, key: &Key) -> Result<(), ExecutionError> {
        let scan = self.turns.scan.clone();
        let extents = self.turns.extents.clone();
        let with = |axes: &[Axis]| -> Vec<(Axis, usize)> {
            axes.iter().map(|&a| (a, extents.get(&a.id).copied().unwrap_or(1))).collect()
        };
        let axes = self.turns.operand_axes();
        let tensor = |(view, axes): (&View, &Vec<Axis>)| {
            let axes = with(axes);
            let values = read_out(&self.plan, arena, view, &axes);
            Arc::new(Tensor { shape: axes.iter().map(|a| a.1).collect(), values })
        };
        let operands: Vec<Arc<Tensor>> = self.operands.iter().zip(&axes).map(tensor).collect();
        let outside = Feed {
            seed: key.seed,
            step: key.step,
            rows: self.rows.map(|r| (r, Arc::new(key.rows.to_vec()))),
            ..Feed::default()
        };
        let (carried, before) = (scan.carries.len(), scan.carries.len() + scan.stacked.len());
        let (plan, into) = (&self.plan, &self.into);
        let last = self.turns.run(&operands, &outside, &mut |_, _, turn| {
            let Some(turn) = turn else { return Ok(true) };
            for (k, view) in into.iter().filter(|i| i.0 >= carried) {
                let (value, axes) = if *k < before {
                    (turn.results.get(*k), scan.stacked.get(k - carried).map(|&n| scan.body.axes_of(n).to_vec()))
                } else {
                    let info = scan.carries.get(k - before).and_then(|c| scan.body.input_info(c.0));
                    (turn.before.get(k - before), info.map(|i| i.axes.clone()))
                };
                if let (Some(value), Some(axes)) = (value, axes) {
                    write_back(plan, arena, &view.at(scan.axis, turn.position), &value.values, &with(&axes));
                }
            }
            Ok(true)
        })?;
        for (k, view) in &self.into {
            if let (Some(value), Some(axes)) = (last.get(*k), axes.get(*k)) {
                write_back(&self.plan, arena, view, &value.values, &with(axes));
            }
        }
        Ok(())
    }
}

/// Where, inside the loop that a node is a result of, a value first stopped being finite; the position in the loop
/// comes first.
///
/// # Errors
/// As the loop's body.
pub fn first_non_finite(
    graph: &Graph,
    result: NodeId,
    values: &HashMap<NodeId, Tensor>,
    feed: &Feed,
    extents: &[usize],
) -> Result<Option<NonFinite>, ExecutionError> {
    let Some(&node) = graph.node(result).inputs.first() else { return Ok(None) };
    let Some(parts) = graph.scan_of(node) else { return Ok(None) };
    let tensors = graph.node(node).inputs.iter().filter_map(|i| values.get(i).cloned().map(Arc::new));
    let operands: Vec<Arc<Tensor>> = tensors.collect();
    let mut turns = Turns::new(&parts.scan, extents)?;
    let mut found = None;
    let (mut turn, count) = (0, extents.get(parts.scan.axis.id.0 as usize).copied().unwrap_or(1));
    turns.run(&operands, feed, &mut |body, feed, done| {
        if done.is_none() {
            let position = if parts.scan.reverse { count - 1 - turn } else { turn };
            found = body.first_non_finite(feed)?.map(|inside| (position, inside));
            turn += 1;
        }
        Ok(found.is_none())
    })?;
    Ok(found.map(|(position, mut inside)| {
        inside.index.insert(0, (graph.axis_name(parts.scan.axis), position));
        NonFinite { node, ..inside }
    }))
}
