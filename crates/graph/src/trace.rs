//! Finds where a value first stopped being finite.
//!
//! Given the value of every node, from the first non-finite element of each output the way is followed back: from an
//! element to the first operand that is not finite at the matching place (or, for a sum, in the elements summed), until
//! all are finite. So an infinity that a later choice or maximum masks is never blamed. Of the nodes so found, the
//! first in order of evaluation is reported.

use std::collections::HashMap;

use crate::axis::Axis;
use crate::executor::NonFinite;
use crate::graph::{Graph, NodeId};
use crate::op::Op;
use crate::tensor::Tensor;

/// An element: a node, and the position along each axis.
type Place = (NodeId, HashMap<Axis, usize>);

/// The first non-finite value that reaches an output, if any. `values` holds every node that the outputs need,
/// row-major over its sorted axes; loops themselves have none.
pub fn first_non_finite(graph: &Graph, outputs: &[NodeId], values: &HashMap<NodeId, Tensor>) -> Option<NonFinite> {
    let trace = Trace { graph, values };
    let mut earliest: Option<Place> = None;
    for &output in outputs {
        if let Some(start) = trace.search(output, &HashMap::new()) {
            let place = trace.back(start);
            if earliest.as_ref().is_none_or(|e| place.0 < e.0) {
                earliest = Some(place);
            }
        }
    }
    earliest.map(|place| trace.report(&place))
}

struct Trace<'a> {
    graph: &'a Graph,
    values: &'a HashMap<NodeId, Tensor>,
}

impl Trace<'_> {
    /// The first non-finite element of a node among those at `fixed` along its axes.
    fn search(&self, id: NodeId, fixed: &HashMap<Axis, usize>) -> Option<Place> {
        let (axes, tensor) = (self.graph.axes_of(id), self.values.get(&id)?);
        let broken = tensor.values.iter().enumerate().filter(|(_, v)| !v.is_finite());
        broken
            .map(|(at, _)| unravel(at, axes, &tensor.shape))
            .find(|place| axes.iter().all(|a| fixed.get(a).is_none_or(|p| place.get(a) == Some(p))))
            .map(|place| (id, place))
    }

    /// The element of a node at a place that names all its axes.
    fn at(&self, id: NodeId, place: &HashMap<Axis, usize>) -> Option<f64> {
        let (axes, tensor) = (self.graph.axes_of(id), self.values.get(&id)?);
        if !axes.iter().all(|a| place.contains_key(a)) {
            return None;
        }
        tensor.values.get(ravel(place, axes, &tensor.shape)).copied()
    }

    /// Follows a non-finite element to the node that made it. Operands precede their node, so this ends.
    fn back(&self, start: Place) -> Place {
        let mut here = start;
        while let Some(before) = self.cause(&here) {
            here = before;
        }
        here
    }

    /// The extent of each of a node's axes.
    fn dims(&self, axes: &[Axis], of: &[NodeId]) -> Vec<usize> {
        let extent = |a: &Axis| {
            of.iter().find_map(|&id| {
                let at = self.graph.axes_of(id).iter().position(|b| a == b)?;
                self.values.get(&id)?.shape.get(at).copied()
            })
        };
        axes.iter().map(|a| extent(a).unwrap_or(1)).collect()
    }

    /// A non-finite element that an element was computed from.
    fn cause(&self, (id, place): &Place) -> Option<Place> {
        let node = self.graph.node(*id);
        let operand = |n: usize| node.inputs.get(n).copied();
        match &node.op {
            Op::Select => {
                let condition = self.at(operand(0)?, place).unwrap_or(f64::NAN);
                self.search(operand(if condition != 0.0 { 1 } else { 2 })?, place)
            }
            Op::Rename(pairs) => {
                let back = |a: &Axis| pairs.iter().find(|p| p.1 == *a).map_or(*a, |p| p.0);
                let place = place.iter().map(|(a, &p)| (back(a), p)).collect();
                self.search(operand(0)?, &place)
            }
            Op::Reshape { from, to } => {
                let linear = ravel(place, to, &self.dims(to, &[*id]));
                let mut fixed = place.clone();
                fixed.retain(|a, _| !to.contains(a));
                fixed.extend(unravel(linear, from, &self.dims(from, &node.inputs)));
                self.search(operand(0)?, &fixed)
            }
            Op::Gather { axis } => {
                let index = self.at(operand(1)?, place).unwrap_or(0.0);
                let mut fixed = place.clone();
                fixed.insert(*axis, index as usize);
                self.search(operand(0)?, &fixed)
            }
            Op::ScatterAdd { axis, over } => {
                // The elements of u that fell here: those whose index is this position.
                let wanted = place.get(axis).copied();
                let mut fixed = place.clone();
                fixed.retain(|a, _| node.axes.contains(a) && a != axis && !over.contains(a));
                let (u, index) = (operand(0)?, operand(1)?);
                let (axes, values) = (self.graph.axes_of(u), self.values.get(&u)?);
                let broken = values.values.iter().enumerate().filter(|(_, v)| !v.is_finite());
                broken
                    .map(|(at, _)| unravel(at, axes, &values.shape))
                    .find(|c| {
                        fixed.iter().all(|(a, p)| c.get(a).is_none_or(|q| q == p))
                            && self.at(index, c).map(|v| v as usize) == wanted
                    })
                    .map(|place| (u, place))
            }
            Op::Factor { row, column, .. } => {
                // Any element of the matrix may be the cause.
                let mut fixed = place.clone();
                fixed.retain(|a, _| a != row && a != column);
                self.search(operand(0)?, &fixed)
            }
            Op::Output(_) => {
                // Through a loop places are not matched: any operand that is not finite is the cause.
                let operands = &self.graph.node(operand(0)?).inputs;
                operands.iter().find_map(|&k| self.search(k, &HashMap::new()))
            }
            _ => node.inputs.iter().find_map(|&k| self.search(k, place)),
        }
    }

    fn report(&self, (id, place): &Place) -> NonFinite {
        let node = self.graph.node(*id);
        NonFinite {
            node: *id,
            origin: node.origin,
            index: node.axes.iter().map(|a| (self.graph.axis_name(*a), place.get(a).copied().unwrap_or(0))).collect(),
            value: self.at(*id, place).unwrap_or(f64::NAN),
            operation: self.graph.op_name(&node.op),
            operands: node.inputs.iter().filter_map(|&i| self.at(i, place)).collect(),
        }
    }
}

fn unravel(at: usize, axes: &[Axis], dims: &[usize]) -> HashMap<Axis, usize> {
    let mut left = at;
    let mut place = HashMap::new();
    for (&a, &d) in axes.iter().zip(dims).rev() {
        place.insert(a, left % d.max(1));
        left /= d.max(1);
    }
    place
}

fn ravel(place: &HashMap<Axis, usize>, axes: &[Axis], dims: &[usize]) -> usize {
    axes.iter().zip(dims).fold(0, |at, (a, &d)| at * d + place.get(a).copied().unwrap_or(0))
}
