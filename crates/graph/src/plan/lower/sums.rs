//! Sums, maxima and contractions: folds over views, split in panels where rows are summed over, and matrix products.

use std::collections::HashMap;

use super::{Class, Lowering, Operation, Value};
use crate::axis::{self, Axis};
use crate::graph::{Graph, NodeId};
use crate::op::{Binary, Op};
use crate::plan::view::View;
use crate::plan::{Fold, Map, PANEL};

/// Results with at least this many elements are computed in tiles when rows are summed over; smaller ones by panels.
const TILED_RESULT: usize = 1 << 12;

/// Products of at least this many multiplications, without rows, are computed in tiles.
const TILED_PRODUCT: usize = 1 << 18;

/// Products of at most this many multiplications a batch element are fused sums.
const FUSED_PRODUCT: usize = 128;

/// Products with a vector of at most this many multiplications are fused sums.
const FUSED_VECTOR: usize = 1 << 11;

/// Products with a vector of at most this many elements are written out as sums.
const FEW: usize = 4;

/// Contractions that are used only as factors of one derivative of sampled counts: where that is 0, so is the product.
pub(super) fn masks(graph: &Graph, order: &[NodeId], outputs: &[NodeId]) -> HashMap<NodeId, NodeId> {
    let mut found: HashMap<NodeId, Option<NodeId>> = outputs.iter().map(|&id| (id, None)).collect();
    let derivative = |id: NodeId, axes: &[Axis]| {
        let node = graph.node(id);
        matches!(node.op, Op::Arrivals { order: 1.., .. }) && node.axes == axes
    };
    for &id in order {
        let node = graph.node(id);
        for &input in &node.inputs {
            if !matches!(graph.node(input).op, Op::Contract(_)) {
                continue;
            }
            let mask = match (&node.op, node.inputs.as_slice()) {
                (Op::Binary(Binary::Mul) | Op::Contract(_), &[a, b]) => Some(if a == input { b } else { a }),
                _ => None,
            };
            let mask = mask.filter(|&m| derivative(m, graph.axes_of(input)));
            let known = found.entry(input).or_insert(mask);
            if *known != mask {
                *known = None;
            }
        }
    }
    found.into_iter().filter_map(|(id, mask)| Some((id, mask?))).collect()
}

impl Lowering<'_> {
    fn fold(&mut self, value: Value, fold: Fold, over: &[Axis], rows: bool) -> Value {
        let Some(view) = value.view() else { return value };
        if over.is_empty() && !rows {
            return value;
        }
        let all: Vec<Axis> = view.dims.iter().map(|d| d.axis).collect();
        let kept = axis::difference(&all, over);
        let p = self.parallel;
        if rows {
            // Over the rows of each panel: they come first in the space.
            let space = self.layout(&all);
            let mut axes: Vec<Axis> = kept.iter().copied().filter(|&a| Some(a) != p).collect();
            axes.push(PANEL);
            let axes = self.layout(&axes);
            let id = self.push(Operation::Fold { fold, last: false, count: 1, space }, vec![value], axes, Class::Rows);
            return self.whole(id);
        }
        let (kept, natural, gone) = (self.layout(&kept), self.layout(&all), self.layout(over));
        let class = if over.iter().any(|&a| Some(a) == p) { Class::Once } else { self.class_of(&kept) };
        let (last, space) = if natural.starts_with(&kept) {
            (true, natural)
        } else if natural.ends_with(&kept) && class == Class::Once {
            (false, natural)
        } else {
            (true, kept.iter().chain(&gone).copied().collect())
        };
        let id = self.push(Operation::Fold { fold, last, count: gone.len(), space }, vec![value], kept, class);
        self.whole(id)
    }

    pub(super) fn sum(&mut self, value: Value, over: &[Axis]) -> Value {
        let has = self.axes_of(&value);
        let repeated = axis::difference(over, &has).iter().fold(1usize, |n, a| n.saturating_mul(self.extent(a.id)));
        let over = axis::intersection(over, &has);
        let value = if repeated == 1 {
            value
        } else {
            self.map(Map::Binary(Binary::Mul), &[value, Value::Number(repeated as f64)])
        };
        let rows = over.iter().any(|&a| Some(a) == self.parallel);
        let inner: Vec<Axis> = over.iter().copied().filter(|&a| Some(a) != self.parallel).collect();
        let value = self.fold(value, Fold::Sum, &inner, false);
        if !rows {
            return value;
        }
        let partial = self.fold(value, Fold::Sum, &[], true);
        self.over_panels(partial)
    }

    fn over_panels(&mut self, partial: Value) -> Value {
        if self.panels == 1 { partial } else { self.fold(partial, Fold::Sum, &[PANEL], false) }
    }

    pub(super) fn max(&mut self, value: Value, over: &[Axis]) -> Value {
        let over = axis::intersection(over, &self.axes_of(&value));
        self.fold(value, Fold::Max, &over, false)
    }

    pub(super) fn contract(&mut self, a: Value, b: Value, over: &[Axis]) -> Value {
        let (of_a, of_b) = (self.axes_of(&a), self.axes_of(&b));
        let only_a = axis::difference(&axis::intersection(over, &of_a), &of_b);
        let only_b = axis::difference(&axis::intersection(over, &of_b), &of_a);
        let neither = axis::difference(over, &axis::union(&of_a, &of_b));
        let (a, b) = (self.sum(a, &only_a), self.sum(b, &only_b));
        let b = self.sum(b, &neither);
        let (of_a, of_b) = (self.axes_of(&a), self.axes_of(&b));
        let summed = axis::intersection(&axis::intersection(over, &of_a), &of_b);
        let both = axis::difference(&axis::intersection(&of_a, &of_b), &summed);
        let (rows, columns) = (axis::difference(&of_a, &of_b), axis::difference(&of_b, &of_a));
        let size = |axes: &[Axis]| axes.iter().fold(1usize, |n, x| n.saturating_mul(self.extent(x.id)));
        let (m, n, k) = (size(&rows), size(&columns), size(&summed));
        let over_rows = summed.iter().any(|&x| Some(x) == self.parallel);
        let all = m.saturating_mul(n).saturating_mul(k);
        let vector = (m == 1 || n == 1) && (all <= FUSED_VECTOR || !both.is_empty());
        let fused = vector || !over_rows && all <= FUSED_PRODUCT;
        if k == 1 || fused {
            let product = self.map(Map::Binary(Binary::Mul), &[a, b]);
            return self.sum(product, &summed);
        }
        if let (&[axis], true) = (summed.as_slice(), (m == 1 || n == 1) && k <= FEW && !over_rows) {
            return self.written_out((a, b), (axis, k));
        }
        let mut kept = axis::union(&axis::union(&rows, &columns), &both);
        let panels = over_rows && m.saturating_mul(n) < TILED_RESULT;
        let class = if panels {
            kept.push(PANEL);
            Class::Rows
        } else if over_rows || !kept.iter().any(|&x| Some(x) == self.parallel) && all >= TILED_PRODUCT {
            if both.is_empty() { Class::Tiled } else { Class::Once }
        } else {
            self.class_of(&self.layout(&kept))
        };
        let (a, b) = if self.is_count(&b) { (b, a) } else { (a, b) };
        let (a, b) = (self.apart(a), self.apart(b));
        let sparse = self.is_count(&a) && !self.conditions.dense;
        let axes = self.layout(&kept);
        let mut operands = vec![a, b];
        if class == Class::Rows && both.is_empty() && !panels {
            operands.extend(self.mask(&axes));
        }
        let id = self.push(Operation::Product { summed, sparse }, operands, axes, class);
        let value = self.whole(id);
        if panels { self.over_panels(value) } else { value }
    }

    /// A sum of a few products, each a loop's own operation: a product's kernel would copy and pass over all of it for these.
    fn written_out(&mut self, (a, b): (Value, Value), (axis, count): (Axis, usize)) -> Value {
        let at = |value: &Value, k: usize| match value {
            Value::View(view) => Value::View(view.at(axis, k)),
            number => number.clone(),
        };
        let mut total: Option<Value> = None;
        for k in 0..count {
            let term = self.map(Map::Binary(Binary::Mul), &[at(&a, k), at(&b, k)]);
            total = Some(match total {
                Some(sum) => self.map(Map::Binary(Binary::Add), &[sum, term]),
                None => term,
            });
        }
        total.unwrap_or(Value::Number(0.0))
    }

    /// Overlapping windows laid out one behind the other, and pictures with their channels last, once for all products that
    /// read them.
    fn apart(&mut self, value: Value) -> Value {
        let Some(view) = value.view() else { return value };
        let axes = self.axes_of(&value);
        let picture = axes.iter().any(|a| self.pictures.contains(a)) && axes.iter().any(|&a| Some(a) == self.parallel);
        let laid_out = view.is_injective() && (!picture || view.follows(&self.layout(&axes)));
        if laid_out { value } else { self.map(Map::Copy, &[value]) }
    }

    /// The factor of the node being lowered, where that has zeros; it is laid out along the same axes.
    fn mask(&self, axes: &[(Axis, usize)]) -> Option<Value> {
        let value = self.values.get(self.masks.get(&self.now)?)?;
        let view = value.view()?;
        let full = View::contiguous(view.buffer, axes);
        (*view == full).then(|| value.clone())
    }

    /// Whether a value is a sampled count, which has exact zeros.
    fn is_count(&self, value: &Value) -> bool {
        let node = value.view().and_then(|v| self.nodes.get(v.buffer));
        node.is_some_and(|n| match &n.operation {
            Operation::Arrivals { orders, .. } => orders.first().is_some_and(|o| o.0 == 0),
            _ => false,
        })
    }
}
