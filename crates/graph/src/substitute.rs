//! Rebuilding expressions with some parts replaced. Axes are worked out anew, so a replacement may bring further ones
//! (samples, say) and they flow through.

use std::collections::{HashMap, HashSet};

use crate::axis;
use crate::graph::{Graph, InputId, NodeId};
use crate::op::{Node, Op, Origin};

impl Graph {
    /// The roots with some nodes replaced by others of this graph.
    pub fn substitute(&mut self, roots: &[NodeId], replaced: &HashMap<NodeId, NodeId>) -> Vec<NodeId> {
        let keys: HashSet<NodeId> = replaced.keys().copied().collect();
        let mut map: HashMap<NodeId, NodeId> = HashMap::new();
        for id in self.reachable(roots) {
            let new = if let Some(&to) = replaced.get(&id) {
                to
            } else {
                let node = self.node(id).clone();
                let inputs: Vec<NodeId> = node.inputs.iter().map(|i| map.get(i).copied().unwrap_or(*i)).collect();
                if inputs == node.inputs && !keys.contains(&id) { id } else { self.rebuild(&node, &inputs) }
            };
            map.insert(id, new);
        }
        roots.iter().map(|r| map.get(r).copied().unwrap_or(*r)).collect()
    }

    /// Copies expressions of another graph, its inputs replaced by nodes of this one; an input that is not named is
    /// registered anew. Both graphs must agree on their axes.
    pub fn import(&mut self, other: &Graph, roots: &[NodeId], inputs: &HashMap<InputId, NodeId>) -> Vec<NodeId> {
        let mut map: HashMap<NodeId, NodeId> = HashMap::new();
        let mut added: HashMap<InputId, NodeId> = HashMap::new();
        for id in other.reachable(roots) {
            let node = other.node(id);
            let new = if let Op::Input(input) = node.op {
                match inputs.get(&input).or_else(|| added.get(&input)) {
                    Some(&n) => n,
                    None => {
                        let name = other.input_info(input).map_or("?", |i| i.name.as_str());
                        let (_, n) = self.input(name, &node.axes);
                        added.insert(input, n);
                        n
                    }
                }
            } else {
                let operands: Vec<NodeId> = node.inputs.iter().filter_map(|i| map.get(i).copied()).collect();
                self.rebuild(node, &operands)
            };
            map.insert(id, new);
        }
        roots.iter().filter_map(|r| map.get(r).copied()).collect()
    }

    /// The node's operation on other operands, with the node's origin.
    pub(crate) fn rebuild(&mut self, node: &Node, inputs: &[NodeId]) -> NodeId {
        let before = self.set_origin(node.origin);
        let new = self.rebuilt(node, inputs);
        self.set_origin(before);
        new
    }

    fn rebuilt(&mut self, node: &Node, inputs: &[NodeId]) -> NodeId {
        match (&node.op, inputs) {
            (Op::Unary(op), &[x]) => self.unary(*op, x),
            (Op::Binary(op), &[a, b]) => self.binary(*op, a, b),
            (Op::Select, &[c, a, b]) => self.select(c, a, b),
            (Op::Sum(over), &[x]) => self.sum(x, over),
            (Op::Max(over), &[x]) => self.max(x, over),
            (Op::Contract(over), &[a, b]) => self.contract(a, b, over),
            (Op::Broadcast(axes), &[x]) => self.broadcast(x, axes),
            (Op::Rename(pairs), &[x]) => self.rename(x, pairs),
            (Op::Reshape { from, to }, &[x]) => self.reshape(x, from, to),
            (Op::Gather { axis }, &[x, i]) => self.gather(x, i, *axis),
            (Op::ScatterAdd { axis, over }, &[u, i]) => self.scatter_add(u, i, *axis, over),
            (Op::Factor { kind, row, column }, &[x]) => self.factor(*kind, x, *row, *column),
            (Op::Arrivals { order, indicator, site }, &[rate, temperature]) => {
                self.arrivals(rate, temperature, *order, *indicator, *site, &node.axes)
            }
            (Op::Stop, &[x]) => self.stop(x),
            (Op::Scan(own), operands) => {
                // Loops are compared by identity: the same one on the same operands is made once.
                let key = (own.clone(), operands.to_vec());
                if let Some(&known) = self.given.get(&key) {
                    return known;
                }
                let scan = own.0.as_ref().clone();
                let (c, s) = (scan.carries.len(), scan.slices.len());
                let (carries, rest) = operands.split_at(c.min(operands.len()));
                let (scanned, constants) = rest.split_at(s.min(rest.len()));
                let results = self.scan(scan, carries, scanned, constants);
                let scan_node = results.first().and_then(|&r| self.node(r).inputs.first().copied());
                let scan_node = scan_node.unwrap_or_else(|| self.constant(f64::NAN));
                self.given.insert(key, scan_node);
                scan_node
            }
            (Op::Output(k), &[scan]) => {
                let axes = self.scan_of(scan).map(|s| s.scan.result_axes(*k)).unwrap_or_default();
                self.push(Op::Output(*k), vec![scan], axes)
            }
            (op, _) => self.push(op.clone(), inputs.to_vec(), axis::sorted(&node.axes)),
        }
    }

    /// The origin a node carries.
    pub fn origin_of(&self, id: NodeId) -> Origin {
        self.node(id).origin
    }
}
