//! Loops: one stored value for each result that is used, all made by the first of them.

use super::{Class, Id, Lowering, Operation, Value};
use crate::graph::NodeId;
use crate::op::{Node, Op};

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
                let value = self.stored(value);
                self.expanded(value, self.graph.axes_of(i))
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
        let mut results: Vec<(usize, Id)> = vec![];
        let mut found = Value::Number(f64::NAN);
        for (place, id) in used {
            let axes = self.layout(self.graph.axes_of(id));
            let result = match results.first() {
                None => {
                    let operation = Operation::Scan { scan: scan.0.clone(), results: vec![] };
                    self.push(operation, operands.clone(), axes, Class::Once)
                }
                Some(&(_, leader)) => {
                    let of = self.whole(leader);
                    let also = self.push(Operation::Also, vec![of], axes, Class::Once);
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
}
