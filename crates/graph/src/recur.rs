//! Recurrences: an expression over an axis that reads its own values at earlier positions becomes a scan.

use std::collections::{HashMap, HashSet};

use crate::axis::{Axis, difference};
use crate::graph::{Graph, InputId, NodeId};
use crate::op::Op;
use crate::scan::Scan;

/// A value that reads itself at earlier positions.
#[derive(Clone, Debug)]
pub struct Recurrence {
    /// Its value at every position, over (at least) the axis; it reads `lagged`.
    pub value: NodeId,
    /// Inputs that stand for the value one position earlier, two, and so on.
    pub lagged: Vec<NodeId>,
}

impl Graph {
    /// Steps along an axis: the values of all recurrences at every position, 0 before the first. What does not read an
    /// earlier value is computed outside of the loop.
    ///
    /// # Errors
    /// The node that mixes positions, where one does.
    pub fn recur(&mut self, axis: Axis, recurrences: &[Recurrence]) -> Result<Vec<NodeId>, NodeId> {
        let values: Vec<NodeId> = recurrences.iter().map(|r| r.value).collect();
        let lagged: HashSet<NodeId> = recurrences.iter().flat_map(|r| r.lagged.iter().copied()).collect();
        // Nodes that follow from earlier values, in order.
        let order = self.reachable(&values);
        let mut inside: HashSet<NodeId> = HashSet::new();
        for &id in &order {
            if lagged.contains(&id) || self.node(id).inputs.iter().any(|i| inside.contains(i)) {
                inside.insert(id);
            }
        }
        let mut body = Graph::with_axes_of(self);
        let mut map: HashMap<NodeId, NodeId> = HashMap::new();
        let mut carries: Vec<Vec<InputId>> = vec![];
        let (mut initial, mut starts): (Vec<NodeId>, Vec<Vec<Axis>>) = (vec![], vec![]);
        for r in recurrences {
            let mut inputs = vec![];
            for &node in &r.lagged {
                let axes = difference(self.axes_of(node), &[axis]);
                let (input, inner) = body.input("earlier", &axes);
                map.insert(node, inner);
                inputs.push(input);
                starts.push(axes);
            }
            carries.push(inputs);
        }
        for axes in starts {
            initial.push(self.full(0.0, &axes));
        }
        let (mut slices, mut scanned, mut constants, mut whole) = (vec![], vec![], vec![], vec![]);
        for &id in &order {
            if !inside.contains(&id) && !values.contains(&id) || map.contains_key(&id) {
                continue;
            }
            let node = self.node(id).clone();
            let mut operands = vec![];
            for &i in &node.inputs {
                let inner = match map.get(&i) {
                    Some(&inner) => inner,
                    None if self.constant_value(i).is_some() && self.axes_of(i).is_empty() => {
                        let value = self.constant_value(i).unwrap_or(f64::NAN);
                        body.constant(value)
                    }
                    None => {
                        // From outside: one position of it, or all of it.
                        let along = self.axes_of(i).contains(&axis);
                        let (input, inner) = body.input("outside", &difference(self.axes_of(i), &[axis]));
                        if along {
                            slices.push(input);
                            scanned.push(i);
                        } else {
                            constants.push(input);
                            whole.push(i);
                        }
                        map.insert(i, inner);
                        inner
                    }
                };
                operands.push(inner);
            }
            let mixes = match &node.op {
                Op::Sum(over) | Op::Max(over) | Op::Contract(over) => over.contains(&axis),
                Op::Rename(pairs) => pairs.iter().any(|p| p.0 == axis || p.1 == axis),
                Op::Reshape { from, to } => from.contains(&axis) || to.contains(&axis),
                Op::Gather { axis: along } => *along == axis,
                Op::ScatterAdd { axis: along, over } => *along == axis || over.contains(&axis),
                Op::Factor { row, column, .. } => *row == axis || *column == axis,
                Op::Scan(_) | Op::Output(_) | Op::Noise { .. } | Op::Arrivals { .. } => true,
                _ => false,
            };
            if mixes {
                return Err(id);
            }
            let mut step = node;
            if let Op::Broadcast(axes) = &mut step.op {
                axes.retain(|a| *a != axis);
            }
            step.axes.retain(|a| *a != axis);
            map.insert(id, body.rebuild(&step, &operands));
        }
        let of = |id: &NodeId| map.get(id).copied();
        let mut pairs: Vec<(InputId, NodeId)> = vec![];
        let mut stacked = vec![];
        for (r, inputs) in recurrences.iter().zip(&carries) {
            let next = of(&r.value).ok_or(r.value)?;
            stacked.push(next);
            // The newest first; the others move on by one.
            let before = std::iter::once(next).chain(r.lagged.iter().filter_map(of));
            pairs.extend(inputs.iter().copied().zip(before));
        }
        let scan = Scan { body, axis, reverse: false, carries: pairs, slices, constants, time: None, stacked };
        let count = initial.len();
        let results = self.scan(scan, &initial, &scanned, &whole);
        Ok(results.into_iter().skip(count).take(recurrences.len()).collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_mixes_positions_is_refused() {
        let mut g = Graph::new();
        let t = Axis::plain(g.add_axis("T", 4));
        let (_, lag) = g.input("lag", &[t]);
        let total = g.sum(lag, &[t]);
        let value = g.add(lag, total);
        let mixed = g.recur(t, &[Recurrence { value, lagged: vec![lag] }]).unwrap_err();
        assert_eq!(mixed, total);
    }

    #[test]
    fn what_does_not_depend_on_the_past_stays_outside() {
        let mut g = Graph::new();
        let t = Axis::plain(g.add_axis("T", 4));
        let ((_, x), (_, a), (_, lag)) = (g.input("x", &[t]), g.input("a", &[]), g.input("lag", &[t]));
        let squared = g.square(x);
        let part = g.mul(a, lag);
        let value = g.add(squared, part);
        let out = g.recur(t, &[Recurrence { value, lagged: vec![lag] }]).unwrap();
        assert_eq!(g.axes_of(out.first().copied().unwrap()), [t]);
        let scan = g.node(out.first().copied().unwrap()).inputs.first().copied().unwrap();
        let parts = g.scan_of(scan).unwrap();
        assert_eq!((parts.scanned, parts.constants), (vec![squared], vec![a]));
        // One product and one sum.
        assert_eq!(parts.scan.body.reachable(&parts.scan.stacked).len(), 5);
    }
}
