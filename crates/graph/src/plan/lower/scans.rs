//! Loops: one stored value for each result that is used, all made by the first of them.

use super::{Class, Id, Lowering, Operation, Value};
use crate::axis::Axis;
use crate::graph::NodeId;
use crate::op::{Node, Op};
use crate::scan::Scan;

impl Lowering<'_> {
    /// All results of a loop that are used, when the first is met.
    pub(super) fn scan_result(&mut self, node: &Node, k: usize) -> Value {
        let Some(&scan_id) = node.inputs.first() else { return Value::Number(f64::NAN) };
        let scan_node = self.graph.node(scan_id).clone();
        let Op::Scan(scan) = &scan_node.op else { return Value::Number(f64::NAN) };
        let operands: Vec<Value> = scan_node
            .inputs
            .iter()
            .map(|&i| {
                let value = self.operand(i);
                self.stored(value)
            })
            .collect();
        let used: Vec<(usize, NodeId)> = self
            .order
            .iter()
            .filter_map(|&o| match self.graph.node(o) {
                n if n.inputs.first() == Some(&scan_id) => match n.op {
                    Op::Output(k) => Some((k, o)),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        let class = self.class_of_scan(&scan.0, &used);
        let mut results: Vec<(usize, Id)> = vec![];
        let mut found = Value::Number(f64::NAN);
        for (place, id) in used {
            let axes = self.layout(self.graph.axes_of(id));
            let result = match results.first() {
                None => {
                    let operation = Operation::Scan { scan: scan.0.clone(), results: vec![] };
                    self.push(operation, operands.clone(), axes, class)
                }
                Some(&(_, leader)) => {
                    let of = self.whole(leader);
                    let also = self.push(Operation::Also, vec![of], axes, class);
                    if let Some(n) = self.nodes.get_mut(also) {
                        n.steady = false;
                    }
                    also
                }
            };
            results.push((place, result));
            let value = self.whole(result);
            self.values.insert(id, value.clone());
            if place == k {
                found = value;
            }
        }
        if let Some(&(_, leader)) = results.first()
            && let Some(Operation::Scan { results: known, .. }) = self.nodes.get_mut(leader).map(|n| &mut n.operation)
        {
            *known = results;
        }
        found
    }

    /// A loop runs panel by panel where each row of the parallel axis goes its own way, and every result that is used has them.
    fn class_of_scan(&self, scan: &Scan, used: &[(usize, NodeId)]) -> Class {
        let Some(p) = self.parallel else { return Class::Once };
        let along = used.iter().all(|&(_, id)| self.graph.has_axis(id, p));
        if along && keeps_apart(scan, p) { Class::Rows } else { Class::Once }
    }
}

/// Whether nothing in a loop, nor in one within it, mixes the rows of an axis, counts them or draws noise for them.
fn keeps_apart(scan: &Scan, rows: Axis) -> bool {
    let roots: Vec<NodeId> = scan.carries.iter().map(|c| c.1).chain(scan.stacked.iter().copied()).collect();
    let apart = |id: NodeId| {
        let node = scan.body.node(id);
        let counts = match &node.op {
            Op::Extent(axis) => *axis == rows.id,
            Op::Iota | Op::Literal(_) => node.axes.contains(&rows),
            Op::Scan(inner) => !keeps_apart(&inner.0, rows),
            // Results of a loop are as it is.
            Op::Output(_) => false,
            op => op.mixes(&[rows]),
        };
        !counts && node.axes.iter().all(|a| a.id != rows.id || *a == rows)
    };
    scan.axis != rows && scan.body.reachable(&roots).into_iter().all(apart)
}
