//! Sums taken apart: what each element of an axis adds to a total.

use std::collections::{HashMap, HashSet};

use crate::axis::{self, Axis};
use crate::graph::{Graph, NodeId};
use crate::op::{Binary, Node, Op, Unary};

impl Graph {
    /// What each element of some axes adds to a total, of all that depends on `moving`: the total with these axes left in. What
    /// does not depend on it adds nothing. `None` where the total is not a sum over these axes.
    pub fn apart(&mut self, total: NodeId, kept: &[Axis], moving: &HashSet<NodeId>) -> Option<NodeId> {
        let order = self.reachable(&[total]);
        let follows = self.following(&order, moving);
        let mut found = HashMap::new();
        let part = self.part(total, &axis::sorted(kept), &follows, &mut found)?;
        Some(self.broadcast(part, &axis::sorted(kept)))
    }

    fn part(
        &mut self,
        node: NodeId,
        kept: &[Axis],
        follows: &HashSet<NodeId>,
        found: &mut HashMap<NodeId, NodeId>,
    ) -> Option<NodeId> {
        if !follows.contains(&node) {
            return Some(self.constant(0.0));
        }
        if kept.iter().all(|&a| self.has_axis(node, a)) {
            return Some(node);
        }
        if let Some(&known) = found.get(&node) {
            return Some(known);
        }
        let Node { op, inputs, .. } = self.node(node).clone();
        let fixed = |n: &NodeId| !follows.contains(n);
        let part = match (op, inputs.as_slice()) {
            (Op::Sum(over), &[x]) => {
                let inner = self.part(x, kept, follows, found)?;
                self.sum(inner, &axis::difference(&over, kept))
            }
            (Op::Contract(over), &[a, b]) if axis::intersection(&over, kept).is_empty() => {
                let (moved, other) = if fixed(&b) { (a, b) } else { (b, a) };
                if !fixed(&other) {
                    return None;
                }
                let inner = self.part(moved, kept, follows, found)?;
                self.contract(inner, other, &over)
            }
            (Op::Contract(over), &[a, b]) => {
                let there = |n| kept.iter().all(|&k| over.contains(&k) || self.has_axis(n, k));
                if !(there(a) || there(b)) {
                    return None;
                }
                self.contract(a, b, &axis::difference(&over, kept))
            }
            (Op::Unary(Unary::Neg), &[x]) => {
                let inner = self.part(x, kept, follows, found)?;
                self.neg(inner)
            }
            (Op::Binary(op @ (Binary::Add | Binary::Sub)), &[a, b]) => {
                let (a, b) = (self.part(a, kept, follows, found)?, self.part(b, kept, follows, found)?);
                self.binary(op, a, b)
            }
            (Op::Binary(op @ (Binary::Mul | Binary::Div)), &[a, b]) if fixed(&b) => {
                let inner = self.part(a, kept, follows, found)?;
                self.binary(op, inner, b)
            }
            (Op::Binary(Binary::Mul), &[a, b]) if fixed(&a) => {
                let inner = self.part(b, kept, follows, found)?;
                self.mul(a, inner)
            }
            (Op::Broadcast(over), &[x]) if axis::intersection(&over, kept).is_empty() => {
                let inner = self.part(x, kept, follows, found)?;
                let axes = axis::union(self.axes_of(inner), &over);
                self.broadcast(inner, &axes)
            }
            _ => return None,
        };
        found.insert(node, part);
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a product, a square and a constant, each row's own share; a square of the sum over rows is none.
    #[test]
    fn shares_of_rows() {
        let mut g = Graph::new();
        let (row, column) = (Axis::plain(g.add_axis("row", 3)), Axis::plain(g.add_axis("column", 2)));
        let x = g.input("x", &[row, column]).1;
        let y = g.input("y", &[row, column]).1;
        let product = g.contract(x, y, &[row, column]);
        let square = g.square(x);
        let squares = g.sum(square, &[row, column]);
        let half = g.scale(squares, 0.5);
        let total = g.sub(product, half);
        let moving = HashSet::from([x]);
        let apart = g.apart(total, &[row], &moving).expect("a sum over rows");
        assert_eq!(g.axes_of(apart), [row]);
        let again = g.sum(apart, &[row]);
        let whole = g.gradient(total, &[x]).expect("a slope");
        let back = g.gradient(again, &[x]).expect("a slope");
        assert_eq!(whole, back, "the shares add up to the total");
        let of_sum = g.square(squares);
        assert_eq!(g.apart(of_sum, &[row], &moving), None);
    }
}
