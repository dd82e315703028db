//! Noise and sampled counts: drawn with the rows of the data, or given in place of a draw.

use super::{Class, Lowering, Operation, Value};
use crate::axis::Axis;
use crate::graph::NodeId;
use crate::op::{Indicator, Op, Site};

impl Lowering<'_> {
    /// Noise belongs to rows of the data: where panels are of something else it is drawn at once.
    pub(super) fn class_of_noise(&self, axes: &[(Axis, usize)]) -> Class {
        if self.parallel.is_some() && self.parallel == self.conditions.rows { self.class_of(axes) } else { Class::Once }
    }

    pub(super) fn arrivals(&mut self, id: NodeId, indicator: Indicator, site: Site, inputs: &[Value]) -> Value {
        let node = self.graph.node(id).clone();
        if self.conditions.drawn.contains(&site) {
            // A count that is given does not change with its rate.
            return match node.op {
                Op::Arrivals { order: 0, .. } => self.given(Operation::Draw { key: site }, &node.axes),
                _ => Value::Number(0.0),
            };
        }
        let axes = self.layout_of_noise(&node.axes);
        let rate = self.laid_out(inputs.first().cloned().unwrap_or(Value::Number(f64::NAN)), axes.clone());
        let temperature = self.stored(inputs.get(1).cloned().unwrap_or(Value::Number(f64::NAN)));
        let class = self.class_of_noise(&axes);
        let mut siblings: Vec<(u8, NodeId)> = vec![];
        for &other in &self.order {
            let n = self.graph.node(other);
            if let Op::Arrivals { order, indicator: g, site: s } = n.op
                && (g, s) == (indicator, site)
                && n.inputs == node.inputs
                && n.axes == node.axes
            {
                siblings.push((order, other));
            }
        }
        siblings.sort_unstable();
        let operation = Operation::Arrivals { indicator, site, orders: vec![] };
        let leader = self.push(operation, vec![rate, temperature], axes.clone(), class);
        let mut orders = vec![];
        for &(order, other) in &siblings {
            let result = if orders.is_empty() {
                leader
            } else {
                let of = self.whole(leader);
                self.push(Operation::Also, vec![of], axes.clone(), class)
            };
            if let Some(n) = self.nodes.get_mut(result) {
                n.node = other;
            }
            orders.push((order, result));
            let value = self.whole(result);
            self.values.insert(other, value);
        }
        if let Some(Operation::Arrivals { orders: known, .. }) = self.nodes.get_mut(leader).map(|n| &mut n.operation) {
            *known = orders;
        }
        self.operand(id)
    }
}
