//! From groups to work on buffers, and where in memory the buffers lie.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use super::fuse::{Group, Groups, is_direct};
use super::lower::{Axes, Class, Id, Lowered, Operation, Stored, Value};
use super::{
    ALIGNMENT, Buffer, Conditions, Folding, Instruction, Load, Loop, Map, Phase, Plan, Product, Region, Slot, View,
    Work,
};
use crate::axis::{self, Axis};
use crate::graph::Graph;
use crate::op::Origin;
use crate::tensor::Tensor;

/// The nodes of a plan in groups, and the buffers that they are given.
struct Assignment<'a> {
    lowered: &'a Lowered,
    extents: &'a [usize],
    /// Place of every node's group: whose it is, and which of that place.
    group_of: HashMap<Id, (super::fuse::Place, usize)>,
    /// The buffer of every stored node.
    buffers: HashMap<Id, usize>,
}

/// The order of everything that runs: first the phases of steady work, then those of each step.
struct Timeline<'a> {
    lowered: &'a Lowered,
    levels: &'a [Option<usize>],
    steady_phases: usize,
    main_phases: usize,
}

impl Timeline<'_> {
    /// When a node is computed; none where it is given.
    fn time(&self, id: Id) -> Option<usize> {
        let level = self.levels.get(id).copied().flatten()?;
        let steady = self.lowered.nodes.get(id).is_some_and(|n| n.steady);
        Some(if steady { level } else { self.steady_phases + level })
    }

    /// After everything.
    fn forever(&self) -> usize {
        self.steady_phases + self.main_phases
    }
}

/// Buffers and memory for groups of nodes.
pub fn assign(
    graph: &Graph,
    lowered: &Lowered,
    levels: &[Option<usize>],
    groups: Groups,
    conditions: &Conditions,
    parallel: Option<(Axis, Vec<Range<usize>>)>,
) -> Plan {
    let mut group_of = HashMap::new();
    for (&place, list) in &groups {
        for (k, group) in list.iter().enumerate() {
            group_of.extend(group.nodes.iter().map(|&id| (id, (place, k))));
        }
    }
    let mut assignment = Assignment { lowered, extents: &conditions.extents, group_of, buffers: HashMap::new() };
    let phases = |steady: bool| groups.keys().filter(|p| p.0 == steady).map(|p| p.1 + 1).max().unwrap_or(0);
    let timeline = Timeline { lowered, levels, steady_phases: phases(true), main_phases: phases(false) };
    let mut plan = Plan {
        extents: conditions.extents.clone(),
        parallel,
        buffers: vec![],
        arena: 0,
        inputs: vec![],
        draws: vec![],
        steady: vec![Phase::default(); timeline.steady_phases],
        phases: vec![Phase::default(); timeline.main_phases],
        outputs: vec![],
    };
    let mut lives = assignment.give_buffers(graph, &timeline, &mut plan);
    for output in &lowered.outputs {
        let view = match output {
            Value::View(view) => assignment.placed(view),
            Value::Number(v) => {
                let content = Some(Arc::new(Tensor::scalar(*v)));
                plan.buffers.push(Buffer { size: 1, start: 0, content, origin: Origin::default() });
                lives.push((0, timeline.forever()));
                View { buffer: plan.buffers.len() - 1, ..View::default() }
            }
        };
        plan.outputs.push(view);
    }
    plan.arena = lay_out(&mut plan.buffers, &lives);
    assignment.fill_phases(graph, groups, &mut plan);
    plan
}

/// The content of a literal in the order of the layout.
fn literal(graph: &Graph, node: &Stored, tensor: &Arc<Tensor>) -> Option<Arc<Tensor>> {
    let sorted = graph.axes_of(node.node);
    if sorted.len() != tensor.shape.len() {
        return Some(tensor.clone());
    }
    let order = permutation(sorted, &node.axes.iter().map(|a| a.0).collect::<Vec<_>>());
    tensor.permuted(&order).map(Arc::new)
}

/// The permutation of a tensor over `sorted` axes to the order of `layout`, which lacks axes of extent 1.
pub fn permutation(sorted: &[Axis], layout: &[Axis]) -> Vec<usize> {
    let mut order: Vec<usize> = layout.iter().filter_map(|a| sorted.iter().position(|s| s == a)).collect();
    order.extend((0..sorted.len()).filter(|&k| sorted.get(k).is_some_and(|a| !layout.contains(a))));
    order
}

/// Gives every buffer a place that nothing else uses in its life. Returns the size of the arena.
fn lay_out(buffers: &mut [Buffer], lives: &[(usize, usize)]) -> usize {
    let mut order: Vec<usize> = (0..buffers.len()).collect();
    let life = |k: usize| lives.get(k).copied().unwrap_or((0, usize::MAX));
    // Large ones first find the best places.
    order.sort_by_key(|&k| (std::cmp::Reverse(buffers.get(k).map_or(0, |b| b.size)), k));
    let mut placed: Vec<(usize, usize, (usize, usize))> = vec![];
    let mut arena = 0;
    for k in order {
        let Some(buffer) = buffers.get_mut(k) else { continue };
        // A vector that begins inside of a buffer ends inside of its room.
        let size = buffer.size.max(1).saturating_add(ALIGNMENT - 1).div_ceil(ALIGNMENT).saturating_mul(ALIGNMENT);
        let (from, to) = life(k);
        let mut taken: Vec<(usize, usize)> =
            placed.iter().filter(|p| p.2.0 <= to && from <= p.2.1).map(|p| (p.0, p.1)).collect();
        taken.sort_unstable();
        let mut start = 0usize;
        for (s, e) in taken {
            if s >= start.saturating_add(size) {
                break;
            }
            start = start.max(e);
        }
        buffer.start = start;
        let end = start.saturating_add(size);
        placed.push((start, end, (from, to)));
        arena = arena.max(end);
    }
    arena
}

impl Assignment<'_> {
    /// The nodes that are stored, and when each is last read.
    fn last_reads(&self, timeline: &Timeline) -> BTreeMap<Id, usize> {
        let forever = timeline.forever();
        let mut last: BTreeMap<Id, usize> = BTreeMap::new();
        for (id, node) in self.lowered.nodes.iter().enumerate() {
            let Some(now) = timeline.time(id) else {
                last.insert(id, forever);
                continue;
            };
            if !matches!(node.operation, Operation::Map(_)) {
                let end = last.entry(id).or_insert(now);
                *end = now.max(*end);
            }
            for view in node.operands.iter().filter_map(Value::view) {
                if !self.is_inside(id, view) {
                    let steady = self.lowered.nodes.get(view.buffer).is_some_and(|n| n.steady);
                    // What steady work leaves for the rest must outlive every run.
                    let until = if steady && !node.steady { forever } else { now };
                    let end = last.entry(view.buffer).or_insert(until);
                    *end = until.max(*end);
                }
            }
        }
        for view in self.lowered.outputs.iter().filter_map(Value::view) {
            last.insert(view.buffer, forever);
        }
        last
    }

    /// A buffer for every node that is stored, and slots for those that are given. Returns the life of each buffer.
    fn give_buffers(&mut self, graph: &Graph, timeline: &Timeline, plan: &mut Plan) -> Vec<(usize, usize)> {
        let mut lives = vec![];
        for (id, end) in self.last_reads(timeline) {
            let Some(node) = self.lowered.nodes.get(id) else { continue };
            let size = node.axes.iter().fold(1usize, |n, a| n.saturating_mul(a.1));
            let buffer = plan.buffers.len();
            self.buffers.insert(id, buffer);
            let content = match &node.operation {
                Operation::Literal(tensor) => literal(graph, node, tensor),
                _ => None,
            };
            let origin = graph.node(node.node).origin;
            plan.buffers.push(Buffer { size, start: 0, content, origin });
            lives.push(timeline.time(id).map_or((0, timeline.forever()), |start| (start, end)));
            let axes: Vec<Axis> = node.axes.iter().map(|a| a.0).collect();
            let (sorted, steady) = (graph.axes_of(node.node).to_vec(), node.steady);
            match &node.operation {
                Operation::Input { key, name } => {
                    let (key, name) = (*key, name.clone());
                    plan.inputs.push(Slot { key, name, sorted, axes, steady, buffer, origin });
                }
                Operation::Draw { key } => {
                    let (key, name) = (*key, "draws".into());
                    plan.draws.push(Slot { key, name, sorted, axes, steady, buffer, origin });
                }
                _ => {}
            }
        }
        lives
    }

    /// The work of every group, in its phase.
    fn fill_phases(&self, graph: &Graph, groups: Groups, plan: &mut Plan) {
        let mut places: Vec<_> = groups.into_iter().collect();
        places.sort_by_key(|g| g.0);
        for ((steady, level, class), list) in places {
            let phases = if steady { &mut plan.steady } else { &mut plan.phases };
            let Some(phase) = phases.get_mut(level) else { continue };
            for group in list {
                let Some(work) = self.work(graph, &group) else { continue };
                match (class, work) {
                    (Class::Tiled, Work::Product(product)) => phase.tiled.push(product),
                    (Class::Rows, work) => phase.rows.push(work),
                    (_, work) => phase.once.push(work),
                }
            }
        }
    }

    /// Whether an operand is passed within a loop, without being stored.
    fn is_inside(&self, id: Id, view: &View) -> bool {
        let base = self.lowered.nodes.get(view.buffer);
        base.is_some_and(|b| matches!(b.operation, Operation::Map(_)))
            && self.group_of.get(&id).is_some_and(|g| Some(g) == self.group_of.get(&view.buffer))
            && is_direct(self.lowered, view)
    }

    /// A view of a node as a view of its buffer.
    fn placed(&self, view: &View) -> View {
        View { buffer: self.buffers.get(&view.buffer).copied().unwrap_or(usize::MAX), ..view.clone() }
    }

    fn result(&self, id: Id) -> View {
        let axes = self.lowered.nodes.get(id).map_or(&[][..], |n| &n.axes);
        self.placed(&View::contiguous(id, axes))
    }

    fn operand(&self, node: &Stored, place: usize) -> View {
        node.operands.get(place).and_then(Value::view).map_or_else(View::default, |v| self.placed(v))
    }

    fn work(&self, graph: &Graph, group: &Group) -> Option<Work> {
        if let Some(space) = &group.space {
            return Some(Work::Region(self.region(space, &group.nodes)));
        }
        let &id = group.nodes.first()?;
        let node = self.lowered.nodes.get(id)?;
        let origin = graph.node(node.node).origin;
        let into = self.result(id);
        Some(match &node.operation {
            Operation::Product { summed, sparse } => Work::Product(self.product(node, into, summed, *sparse)),
            Operation::Noise { kind, site } => Work::Noise { kind: *kind, site: *site, into },
            Operation::Arrivals { indicator, site, orders } => Work::Arrivals {
                indicator: *indicator,
                site: *site,
                rate: self.operand(node, 0),
                temperature: self.operand(node, 1),
                into: orders.iter().map(|&(k, id)| (k, self.result(id))).collect(),
            },
            Operation::Gather { axis, extent } => Work::Gather {
                from: self.operand(node, 0),
                index: self.operand(node, 1),
                axis: *axis,
                extent: *extent,
                into,
                origin,
            },
            Operation::Scatter { axis, extent, over } => Work::Scatter {
                from: self.operand(node, 0),
                index: self.operand(node, 1),
                axis: *axis,
                extent: *extent,
                over: over.clone(),
                into,
                origin,
            },
            Operation::Overlay { axis, steps, start } => {
                let extent = |a: Axis| self.extents.get(a.id.0 as usize).copied().unwrap_or(1);
                let steps: Vec<_> = steps.iter().map(|&(a, step)| (a, extent(a), step)).collect();
                Work::Overlay { from: self.operand(node, 0), onto: into.stepped(*axis, &steps, *start), into }
            }
            Operation::Factor { kind, row, column } => {
                Work::Factor { kind: *kind, row: *row, column: *column, from: self.operand(node, 0), into }
            }
            Operation::Scan { scan, results } => Work::Scan {
                scan: scan.clone(),
                operands: (0..node.operands.len()).map(|k| self.operand(node, k)).collect(),
                into: results.iter().map(|&(k, id)| (k, self.result(id))).collect(),
            },
            _ => return None,
        })
    }

    fn region(&self, space: &Axes, nodes: &[Id]) -> Region {
        enum Source {
            Load(usize),
            Code(usize),
        }
        let mut region = Region { space: space.clone(), loads: vec![], code: vec![], stores: vec![], folds: vec![] };
        let mut sources: HashMap<Id, Source> = HashMap::new();
        let mut code: Vec<(Map, Vec<Source>)> = vec![];
        let mut stores: Vec<(Source, View)> = vec![];
        let mut folds: Vec<(Source, Folding)> = vec![];
        let copy = |s: &Source| match s {
            Source::Load(k) => Source::Load(*k),
            Source::Code(k) => Source::Code(*k),
        };
        for &id in nodes {
            let Some(node) = self.lowered.nodes.get(id) else { continue };
            let mut operands = vec![];
            for value in &node.operands {
                if let Value::View(view) = value
                    && self.is_inside(id, view)
                    && let Some(source) = sources.get(&view.buffer)
                {
                    operands.push(copy(source));
                    continue;
                }
                let load = match value {
                    Value::Number(v) => Load::Number(*v),
                    Value::View(view) => Load::View(self.placed(view)),
                };
                let k = region.loads.iter().position(|l| *l == load).unwrap_or_else(|| {
                    region.loads.push(load);
                    region.loads.len() - 1
                });
                operands.push(Source::Load(k));
            }
            match &node.operation {
                Operation::Fold { fold, last, count, .. } => {
                    if let Some(source) = operands.pop() {
                        let (fold, last, count) = (*fold, *last, *count);
                        folds.push((source, Folding { value: 0, fold, last, count, into: self.result(id) }));
                    }
                }
                Operation::Map(map) => {
                    let source = match (map, operands.pop()) {
                        (Map::Copy, Some(source)) => source,
                        (map, last) => {
                            operands.extend(last);
                            code.push((*map, operands));
                            Source::Code(code.len() - 1)
                        }
                    };
                    if self.buffers.contains_key(&id) {
                        stores.push((copy(&source), self.result(id)));
                    }
                    sources.insert(id, source);
                }
                _ => {}
            }
        }
        let loads = region.loads.len();
        let number = |s: &Source| match s {
            Source::Load(k) => *k,
            Source::Code(k) => loads + k,
        };
        region.code = code
            .iter()
            .map(|(map, operands)| Instruction { map: *map, operands: operands.iter().map(number).collect() })
            .collect();
        region.stores = stores.into_iter().map(|(s, v)| (number(&s), v)).collect();
        region.folds = folds.into_iter().map(|(s, f)| Folding { value: number(&s), ..f }).collect();
        region
    }

    fn product(&self, node: &Stored, into: View, summed: &[Axis], sparse: bool) -> Product {
        let (left, right) = (self.operand(node, 0), self.operand(node, 1));
        let axes = |v: &View| v.dims.iter().map(|d| d.axis).collect::<Vec<_>>();
        let (of_left, of_right) = (axes(&left), axes(&right));
        let shared = axis::intersection(&of_left, &of_right);
        let batch = axis::difference(&shared, summed);
        // In the order of the result; summed axes in the order of the left operand, the parallel one first.
        let mut order = axes(&into);
        let mut k_axes = axis::intersection(&of_left, summed);
        k_axes.sort_by_key(|&a| Some(a) != self.lowered.parallel);
        order.extend(&k_axes);
        let loops = |wanted: &dyn Fn(Axis) -> bool| -> Vec<Loop> {
            let mut merged: Vec<Loop> = vec![];
            for &axis in order.iter().filter(|&&a| wanted(a)) {
                let dim = left.dim(axis).or(right.dim(axis)).or(into.dim(axis));
                let extent = dim.map_or(1, |d| d.extent);
                let strides = [left.stride(axis), right.stride(axis), into.stride(axis)];
                match merged.last_mut() {
                    Some(outer)
                        if (0..3).all(|i| outer.strides.get(i) == strides.get(i).map(|s| s * extent).as_ref()) =>
                    {
                        outer.extent *= extent;
                        outer.strides = strides;
                    }
                    _ => merged.push(Loop { axis, extent, strides }),
                }
            }
            merged
        };
        let mut outer = loops(&|a| batch.contains(&a));
        let m = loops(&|a| of_left.contains(&a) && !shared.contains(&a));
        let n = loops(&|a| of_right.contains(&a) && !shared.contains(&a));
        let mut k = loops(&|a| k_axes.contains(&a));
        let one = Loop { axis: super::PANEL, extent: 1, strides: [0; 3] };
        let mut take_largest = |mut list: Vec<Loop>| {
            let at = list.iter().enumerate().max_by_key(|(_, l)| l.extent).map(|(i, _)| i);
            let main = at.map_or(one, |i| list.remove(i));
            outer.extend(list);
            main
        };
        let (m, n) = (take_largest(m), take_largest(n));
        let at = k.iter().enumerate().max_by_key(|(_, l)| l.extent).map(|(i, _)| i);
        let main = at.map_or(one, |i| k.remove(i));
        let mask = (node.operands.len() > 2).then(|| self.operand(node, 2));
        Product { left, right, into, outer, summed: k, m, n, k: main, sparse, mask }
    }
}
