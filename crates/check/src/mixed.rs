//! Mixtures of simplexes are simplexes, as lapses that take the place of a choice make: `(1 - e) * p + e / K`.

use fe_graph::{Axis, Binary, NodeId, Op};
use fe_syntax::ast::BinaryOperator;

use crate::checker::Checker;
use crate::value::{Along, Value};

impl Checker<'_> {
    /// What adds up along an axis of a sum or product of two values, where one of them is a part of a simplex.
    pub(crate) fn mixed(&mut self, op: BinaryOperator, a: &Value, b: &Value) -> Option<Along> {
        let axis = [a, b].into_iter().find_map(|v| match v.along {
            Some(Along::Simplex(axis) | Along::Parts(axis, _)) => Some(axis),
            _ => None,
        })?;
        let total = match op {
            BinaryOperator::Multiply => {
                let (of, by) = if a.has(axis) { (a, b) } else { (b, a) };
                if by.has(axis) || by.range.low < 0.0 {
                    return None;
                }
                let total = self.total(of, axis)?;
                self.graph.mul(total, by.node)
            }
            BinaryOperator::Divide if !b.has(axis) && b.range.low >= 0.0 => {
                let total = self.total(a, axis)?;
                self.graph.div(total, b.node)
            }
            BinaryOperator::Add => {
                let (x, y) = (self.total(a, axis)?, self.total(b, axis)?);
                if self.is_rest(x, y) || self.is_rest(y, x) {
                    return Some(Along::Simplex(axis));
                }
                self.graph.add(x, y)
            }
            _ => return None,
        };
        let whole = self.graph.constant_value(total).is_some_and(|v| (v - 1.0).abs() < 1e-9);
        Some(if whole { Along::Simplex(axis) } else { Along::Parts(axis, total) })
    }

    /// What values from 0 up add up to along an axis.
    fn total(&mut self, v: &Value, axis: Axis) -> Option<NodeId> {
        match v.along {
            Some(Along::Simplex(own)) if own == axis => Some(self.graph.constant(1.0)),
            Some(Along::Parts(own, total)) if own == axis => Some(total),
            _ if v.has(axis) || v.range.low < 0.0 => None,
            _ => {
                let extent = self.graph.extent_of(axis.id) as f64;
                Some(self.one_of_equal(v.node, extent).unwrap_or_else(|| self.graph.scale(v.node, extent)))
            }
        }
    }

    /// The x of x/n.
    fn one_of_equal(&self, node: NodeId, n: f64) -> Option<NodeId> {
        let (x, share) = match (&self.graph.node(node).op, self.graph.node(node).inputs.as_slice()) {
            (Op::Binary(Binary::Mul), &[a, b]) => match self.graph.constant_value(a) {
                Some(v) => (b, v),
                None => (a, self.graph.constant_value(b)?),
            },
            (Op::Binary(Binary::Div), &[a, b]) => (a, self.graph.constant_value(b)?.recip()),
            _ => return None,
        };
        ((share * n - 1.0).abs() < 1e-9).then_some(x)
    }

    /// Whether y is 1 − x.
    fn is_rest(&self, x: NodeId, y: NodeId) -> bool {
        let node = self.graph.node(y);
        matches!((&node.op, node.inputs.as_slice()), (Op::Binary(Binary::Sub), &[one, of])
            if of == x && self.graph.constant_value(one) == Some(1.0))
    }
}
