//! Reshapes and gathers: views where the elements lie evenly, copies and picked elements elsewhere.

use super::{Axes, Class, Lowering, Operation, Value};
use crate::axis::{self, Axis};
use crate::build::Counting;
use crate::graph::{Graph, NodeId};
use crate::op::{Node, Op};
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
        if let (Some(view), true) = (x.view(), has)
            && let Some(counting) = inputs.get(1).and_then(|&i| self.graph.counted(i))
            && let Some(view) = self.evenly(view, axis, &counting)
        {
            return Value::View(view);
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

    /// Whether an index that counts evenly stays on an axis of this extent.
    fn fits(&self, counting: &Counting, extent: usize) -> bool {
        let reach = counting.steps.iter().map(|&(a, step)| step.saturating_mul(self.extent(a.id).saturating_sub(1)));
        reach.fold(counting.start, usize::saturating_add) < extent
    }

    /// The elements that an evenly counting index picks along an axis.
    fn evenly(&self, view: &View, axis: Axis, counting: &Counting) -> Option<View> {
        if !self.fits(counting, self.extent(axis.id)) {
            return None;
        }
        let steps: Vec<(Axis, usize)> = counting.steps.iter().copied().filter(|s| self.extent(s.0.id) > 1).collect();
        if let [(along, 1)] = *steps.as_slice() {
            let length = self.extent(along.id);
            if along == axis || view.dim(along).is_none() {
                let range = counting.start..counting.start + length;
                return Some(view.range(axis, &range).renamed(&[(axis, along)]));
            }
            // Picked pointwise along an axis it has: a diagonal.
            return view
                .dim(along)
                .is_some_and(|d| d.extent == length)
                .then(|| view.diagonal(along, axis, counting.start));
        }
        let free = |a: Axis| a == axis || view.dim(a).is_none();
        steps.iter().all(|s| free(s.0)).then(|| self.stepped(view, axis, &steps, counting.start))
    }

    /// A view whose dimension along `axis` is walked by other axes, each in steps of its own.
    fn stepped(&self, view: &View, axis: Axis, steps: &[(Axis, usize)], start: usize) -> View {
        let extent = |a: Axis| self.extent(a.id);
        view.stepped(axis, &steps.iter().map(|&(a, step)| (a, extent(a), step)).collect::<Vec<_>>(), start)
    }

    pub(super) fn scatter(&mut self, u: Value, index: Value, axis: Axis, over: &[Axis], node: &Node) -> Value {
        let axes = self.layout(&node.axes);
        let own = node.inputs.first().map(|&i| self.graph.axes_of(i).to_vec()).unwrap_or_default();
        // Rows that are added to, or summed, need all of them at once.
        let apart = Some(axis) != self.parallel && !over.iter().any(|&a| Some(a) == self.parallel);
        let class = if apart { self.class_of(&axes) } else { Class::Once };
        let extent = self.extent(axis.id);
        let counted = node.inputs.get(1).and_then(|&i| self.graph.counted(i)).filter(|c| {
            self.fits(c, extent) && c.steps.iter().all(|s| over.contains(&s.0)) && axes.iter().any(|a| a.0 == axis)
        });
        if let Some(Counting { steps, start }) = counted {
            let along: Vec<Axis> = steps.iter().map(|s| s.0).collect();
            let u = self.sum(u, &axis::difference(over, &along));
            let u = self.stored(u);
            // Every axis that is summed or kept must be walked.
            let walked: Vec<Axis> = axis::difference(&own, &axis::difference(over, &along));
            let there = self.axes_of(&u);
            let all = walked.iter().all(|a| self.extent(a.id) == 1 || there.contains(a));
            let u = if all { u } else { self.expanded(u, &walked) };
            let id = self.push(Operation::Overlay { axis, steps, start }, vec![u], axes, class);
            return self.whole(id);
        }
        let (u, index) = (self.stored(u), self.stored(index));
        // Every axis that is summed or kept must be walked, so u is laid out over all of its own.
        let u = self.expanded(u, &own);
        let operation = Operation::Scatter { axis, extent, over: over.to_vec() };
        let id = self.push(operation, vec![u, index], axes, class);
        self.whole(id)
    }
}

/// The axes of windows and those that they step along: places of pictures first, then places in windows.
pub(super) fn pictures(graph: &Graph, order: &[NodeId]) -> Vec<Axis> {
    let (mut places, mut offsets) = (vec![], vec![]);
    for &id in order {
        let node = graph.node(id);
        let (Op::Gather { axis } | Op::ScatterAdd { axis, .. }) = &node.op else { continue };
        let counting = node.inputs.get(1).and_then(|&i| graph.counted(i));
        let Some(counting) = counting.filter(|c| c.steps.len() > 1) else { continue };
        let within = counting.within(|a| graph.extent_of(a.id));
        places.extend(counting.steps.iter().map(|s| s.0).filter(|&a| Some(a) != within).chain([*axis]));
        offsets.extend(within);
    }
    // Along an axis with what lies around it, the axis itself.
    for &id in order {
        let node = graph.node(id);
        if let (Op::ScatterAdd { axis, over }, [_, index]) = (&node.op, node.inputs.as_slice())
            && places.contains(axis)
            && let &[along] = over.as_slice()
            && graph.counted(*index).is_some_and(|c| c.steps == [(along, 1)])
        {
            places.push(along);
        }
    }
    places.sort_unstable();
    places.dedup();
    offsets.sort_unstable();
    offsets.dedup();
    offsets.retain(|o| !places.contains(o));
    places.into_iter().chain(offsets).collect()
}
