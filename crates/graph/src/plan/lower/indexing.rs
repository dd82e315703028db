//! Reshapes and gathers: views where the elements lie evenly, copies and picked elements elsewhere.

use super::{Axes, Class, Lowering, Operation, Value};
use crate::axis::{self, Axis};
use crate::graph::NodeId;
use crate::op::{Binary, Op};
use crate::plan::Map;
use crate::plan::view::View;

impl Lowering<'_> {
    pub(super) fn reshape(&mut self, value: Value, from: &[Axis], to: &[Axis]) -> Value {
        let has = self.axes_of(&value);
        if value.view().is_none() || axis::intersection(from, &has).is_empty() {
            return value;
        }
        let with = |axes: &[Axis]| axes.iter().map(|&a| (a, self.extent(a.id))).collect::<Vec<_>>();
        let (old, new) = (with(from), with(to));
        let all_there = from.iter().all(|a| self.extent(a.id) == 1 || has.contains(a));
        if all_there && let Some(view) = value.view().and_then(|v| v.reshaped(&old, &new)) {
            return Value::View(view);
        }
        // Laid out so that the axes that go come last and in their order: renamed to axes that sort so.
        let others = axis::difference(&has, from);
        let mut axes: Axes = self.layout(&others);
        axes.extend(old.iter().copied().filter(|a| a.1 != 1));
        let class = if from.iter().any(|&a| Some(a) == self.parallel) { Class::Once } else { self.class_of(&axes) };
        let id = self.push(Operation::Map(Map::Copy), vec![value], axes, class);
        match View::contiguous(id, self.nodes.get(id).map_or(&[][..], |n| &n.axes)).reshaped(&old, &new) {
            Some(view) => Value::View(view),
            None => Value::Number(f64::NAN),
        }
    }

    pub(super) fn gather(&mut self, x: Value, index: Value, axis: Axis, inputs: &[NodeId]) -> Value {
        let extent = self.extent(axis.id);
        let has = x.view().is_some_and(|v| v.dim(axis).is_some());
        if let (Some(view), true) = (x.view(), has) {
            if let Value::Number(v) = index
                && v >= 0.0
                && v < extent as f64
                && v.fract() == 0.0
            {
                return Value::View(view.at(axis, v as usize));
            }
            let run = inputs.get(1).and_then(|&i| self.run_of(i));
            if let Some((along, start)) = run
                && start + self.extent(along.id) <= extent
                && (along == axis || view.dim(along).is_none())
            {
                let length = self.extent(along.id);
                if length == 1 {
                    return Value::View(view.at(axis, start));
                }
                return Value::View(view.range(axis, &(start..start + length)).renamed(&[(axis, along)]));
            }
            // Picked pointwise along an axis it has: a diagonal.
            if let Some((along, start)) = run
                && start + self.extent(along.id) <= extent
                && let (Some(down), true) = (view.dim(along), along != axis)
                && down.extent == self.extent(along.id)
            {
                return Value::View(view.diagonal(along, axis, start));
            }
        }
        let mut axes = axis::difference(&self.axes_of(&x), &[axis]);
        axes = axis::union(&axes, &self.axes_of(&index));
        let (x, index) = (self.stored(x), self.stored(index));
        let axes = self.layout(&axes);
        // Rows may be picked from anywhere, so all of them must be there.
        let class = if Some(axis) == self.parallel { Class::Once } else { self.class_of(&axes) };
        let id = self.push(Operation::Gather { axis, extent }, vec![x, index], axes, class);
        self.whole(id)
    }

    /// The axis and the start of an index that counts up by ones.
    fn run_of(&self, id: NodeId) -> Option<(Axis, usize)> {
        let node = self.graph.node(id);
        match (&node.op, node.inputs.as_slice()) {
            (Op::Iota, _) => Some((*node.axes.first()?, 0)),
            (Op::Binary(Binary::Add), &[a, b]) => {
                let (number, iota) = if self.graph.constant_value(a).is_some() { (a, b) } else { (b, a) };
                let start = self.graph.constant_value(number)?;
                let whole = start >= 0.0 && start.fract() == 0.0 && start < u32::MAX.into();
                match self.graph.node(iota).op {
                    Op::Iota if whole => Some((*self.graph.axes_of(iota).first()?, start as usize)),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}
