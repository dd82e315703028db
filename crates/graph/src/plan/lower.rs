//! From nodes of a graph to what a plan is made of: every value is a number or a view of a stored one, sums over rows are
//! split in panels, and contractions become products or fused sums.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::view::View;
use super::{Conditions, Fold, Map, PANEL};
use crate::axis::{self, Axis, AxisId};
use crate::graph::{Graph, InputId, NodeId};
use crate::op::{Binary, Factor, Indicator, NoiseKind, Op, Real, Site, Unary};
use crate::scan::Scan;
use crate::special;
use crate::tensor::Tensor;

/// Results with at least this many elements are computed in tiles when rows are summed over; smaller ones by panels.
const TILED_RESULT: usize = 1 << 12;

/// Products of at least this many multiplications, without rows, are computed in tiles.
const TILED_PRODUCT: usize = 1 << 18;

/// Products of at most this many multiplications a batch element are fused sums.
const FUSED_PRODUCT: usize = 128;

/// Products with a vector of at most this many multiplications are fused sums.
const FUSED_VECTOR: usize = 1 << 11;

/// A place in [`Lowered::nodes`].
pub type Id = usize;

/// Axes with their extents, none of them 1, in the order of the layout.
pub type Axes = Vec<(Axis, usize)>;

/// How often something is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// For each panel of rows.
    Rows,
    /// Once.
    Once,
    /// In tiles.
    Tiled,
}

/// A value: the buffer of a view is the node that is stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Number(f64),
    View(View),
}

impl Value {
    pub fn view(&self) -> Option<&View> {
        match self {
            Self::View(v) => Some(v),
            Self::Number(_) => None,
        }
    }
}

/// What a node does.
#[derive(Clone, Debug)]
pub enum Operation {
    Input {
        key: InputId,
        name: String,
    },
    Draw {
        key: Site,
    },
    Literal(Arc<Tensor>),
    Map(Map),
    /// The operand's dimensions are its kept axes and the folded ones, these `last` or first.
    Fold {
        fold: Fold,
        last: bool,
        count: usize,
        space: Axes,
    },
    Product {
        summed: Vec<Axis>,
        sparse: bool,
    },
    Noise {
        kind: NoiseKind,
        site: Site,
    },
    /// Results of each order: this node's first.
    Arrivals {
        indicator: Indicator,
        site: Site,
        orders: Vec<(u8, Id)>,
    },
    /// A further result of the operand.
    Also,
    Gather {
        axis: Axis,
        extent: usize,
    },
    Scatter {
        axis: Axis,
        extent: usize,
        over: Vec<Axis>,
    },
    Factor {
        kind: Factor,
        row: Axis,
        column: Axis,
    },
    Scan {
        scan: Arc<Scan>,
        results: Vec<(usize, Id)>,
    },
}

/// A stored value and how it comes about.
#[derive(Clone, Debug)]
pub struct Stored {
    pub operation: Operation,
    pub operands: Vec<Value>,
    pub axes: Axes,
    pub class: Class,
    /// Follows from steady inputs alone.
    pub steady: bool,
    /// The node it was made for.
    pub node: NodeId,
}

impl Stored {
    /// Given, not computed.
    pub fn is_given(&self) -> bool {
        matches!(self.operation, Operation::Input { .. } | Operation::Draw { .. } | Operation::Literal(_))
    }
}

/// Everything the outputs need, in order of evaluation.
pub struct Lowered {
    pub nodes: Vec<Stored>,
    pub outputs: Vec<Value>,
    pub parallel: Option<Axis>,
}

impl Lowered {
    /// Whether a view of a node is read panel by panel, each panel reading its own rows only.
    pub fn is_local(&self, view: &View) -> bool {
        let Some(p) = self.parallel else { return false };
        let Some(base) = self.nodes.get(view.buffer) else { return false };
        let natural = View::contiguous(0, &base.axes);
        base.class == Class::Rows && view.dim(p).is_some() && view.stride(p) == natural.stride(p)
    }
}

struct Lowering<'a> {
    graph: &'a Graph,
    conditions: &'a Conditions,
    parallel: Option<Axis>,
    panels: usize,
    order: Vec<NodeId>,
    nodes: Vec<Stored>,
    values: HashMap<NodeId, Value>,
    now: NodeId,
    /// Element-wise nodes made once.
    maps: HashMap<(Map, Vec<String>), Value>,
    /// Contractions of which only the elements are used where a sampled count has a derivative, with that derivative.
    masks: HashMap<NodeId, NodeId>,
}

/// Contractions that are used only as factors of one derivative of sampled counts: where that is 0, so is the product.
fn masks(graph: &Graph, order: &[NodeId], outputs: &[NodeId]) -> HashMap<NodeId, NodeId> {
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

pub fn lower(
    graph: &Graph,
    outputs: &[NodeId],
    conditions: &Conditions,
    parallel: Option<&(Axis, Vec<Range<usize>>)>,
) -> Lowered {
    let mut lowering = Lowering {
        graph,
        conditions,
        parallel: parallel.map(|p| p.0),
        panels: parallel.map_or(1, |p| p.1.len()),
        order: graph.reachable(outputs),
        nodes: vec![],
        values: HashMap::new(),
        now: NodeId(0),
        maps: HashMap::new(),
        masks: HashMap::new(),
    };
    if !conditions.dense {
        lowering.masks = masks(graph, &lowering.order, outputs);
    }
    for id in lowering.order.clone() {
        lowering.now = id;
        if !lowering.values.contains_key(&id) && !matches!(graph.node(id).op, Op::Scan(_)) {
            let value = lowering.value(id);
            lowering.values.insert(id, value);
        }
    }
    let outputs = outputs.iter().map(|&id| lowering.output(id)).collect();
    Lowered { nodes: lowering.nodes, outputs, parallel: lowering.parallel }
}

impl Lowering<'_> {
    fn extent(&self, axis: AxisId) -> usize {
        self.conditions.extents.get(axis.0 as usize).copied().unwrap_or(1)
    }

    /// Axes in the order of the layout, without those of extent 1.
    fn layout(&self, axes: &[Axis]) -> Axes {
        let mut sorted = axis::sorted(axes);
        if let Some(p) = self.parallel {
            sorted.sort_by_key(|&a| (a != p, a));
        }
        sorted.sort_by_key(|&a| a != PANEL);
        let with = |a: Axis| (a, if a == PANEL { self.panels } else { self.extent(a.id) });
        sorted.into_iter().map(with).filter(|a| a.1 != 1).collect()
    }

    fn operand(&self, id: NodeId) -> Value {
        self.values.get(&id).cloned().unwrap_or(Value::Number(f64::NAN))
    }

    fn output(&mut self, id: NodeId) -> Value {
        let value = self.operand(id);
        if !self.conditions.whole.contains(&id) {
            return value;
        }
        self.now = id;
        let axes = self.graph.axes_of(id).to_vec();
        let value = self.stored(value);
        let value = self.expanded(value, &axes);
        let given = value.view().and_then(|v| self.nodes.get(v.buffer)).is_some_and(Stored::is_given);
        if !given {
            return value;
        }
        let axes = self.layout(&axes);
        let class = self.class_of(&axes);
        let copy = self.push(Operation::Map(Map::Copy), vec![value], axes, class);
        self.whole(copy)
    }

    fn axes_of(&self, value: &Value) -> Vec<Axis> {
        value.view().map(|v| v.dims.iter().map(|d| d.axis).collect()).unwrap_or_default()
    }

    fn has_rows(&self, axes: &[(Axis, usize)]) -> bool {
        axes.iter().any(|a| Some(a.0) == self.parallel)
    }

    fn class_of(&self, axes: &[(Axis, usize)]) -> Class {
        if self.has_rows(axes) { Class::Rows } else { Class::Once }
    }

    fn is_steady(&self, operands: &[Value]) -> bool {
        operands.iter().all(|o| o.view().is_none_or(|v| self.nodes.get(v.buffer).is_some_and(|n| n.steady)))
    }

    /// A new stored value.
    fn push(&mut self, operation: Operation, operands: Vec<Value>, axes: Axes, class: Class) -> Id {
        let steady = match &operation {
            Operation::Input { key, .. } => self.conditions.steady.contains(key),
            Operation::Draw { .. } => self.conditions.steady_draws,
            Operation::Literal(_) => true,
            Operation::Noise { .. } | Operation::Arrivals { .. } | Operation::Scan { .. } => false,
            _ => self.is_steady(&operands),
        };
        self.nodes.push(Stored { operation, operands, axes, class, steady, node: self.now });
        self.nodes.len() - 1
    }

    fn whole(&self, id: Id) -> Value {
        Value::View(View::contiguous(id, self.nodes.get(id).map_or(&[][..], |n| &n.axes)))
    }

    fn given(&mut self, operation: Operation, axes: &[Axis]) -> Value {
        let axes = self.layout(axes);
        let id = self.push(operation, vec![], axes, Class::Once);
        self.whole(id)
    }

    fn value(&mut self, id: NodeId) -> Value {
        let node = self.graph.node(id).clone();
        let inputs: Vec<Value> = node.inputs.iter().map(|&i| self.operand(i)).collect();
        let first = inputs.first().cloned().unwrap_or(Value::Number(f64::NAN));
        let second = inputs.get(1).cloned().unwrap_or(Value::Number(f64::NAN));
        match &node.op {
            Op::Constant(Real(v)) => Value::Number(*v),
            Op::Literal(tensor) if tensor.len() == 1 => Value::Number(tensor.item()),
            Op::Literal(tensor) => self.given(Operation::Literal(tensor.clone()), &node.axes),
            Op::Input(key) => {
                let name = self.graph.input_info(*key).map_or_else(String::new, |i| i.name.clone());
                self.given(Operation::Input { key: *key, name }, &node.axes)
            }
            Op::Extent(axis) => Value::Number(self.extent(*axis) as f64),
            Op::Iota => {
                let count = node.axes.first().map_or(1, |a| self.extent(a.id));
                if count == 1 {
                    return Value::Number(0.0);
                }
                let values = (0..count).map(|k| k as f64).collect();
                self.given(Operation::Literal(Arc::new(Tensor { shape: vec![count], values })), &node.axes)
            }
            Op::Unary(op) => self.map(Map::Unary(*op), &[first]),
            Op::Binary(op) => self.map(Map::Binary(*op), &[first, second]),
            Op::Select => self.map(Map::Select, &inputs),
            Op::Sum(over) => self.sum(first, over),
            Op::Max(over) => self.max(first, over),
            Op::Contract(over) => self.contract(first, second, over),
            Op::Broadcast(_) | Op::Stop => first,
            Op::Rename(pairs) => match first {
                Value::View(v) => Value::View(v.renamed(pairs)),
                number => number,
            },
            Op::Reshape { from, to } => self.reshape(first, from, to),
            Op::Gather { axis } => self.gather(first, second, *axis, &node.inputs),
            Op::ScatterAdd { axis, over } => {
                let axes = self.layout(&node.axes);
                let (u, index) = (self.stored(first), self.stored(second));
                // Every axis that is summed or kept must be walked, so u is laid out over all of its own.
                let own = node.inputs.first().map(|&i| self.graph.axes_of(i).to_vec()).unwrap_or_default();
                let u = self.expanded(u, &own);
                let operation = Operation::Scatter { axis: *axis, extent: self.extent(axis.id), over: over.clone() };
                let id = self.push(operation, vec![u, index], axes, Class::Once);
                self.whole(id)
            }
            Op::Factor { kind, row, column } => {
                let axes = self.layout(&node.axes);
                let x = self.stored(first);
                let x = self.expanded(x, &node.axes);
                let operation = Operation::Factor { kind: *kind, row: *row, column: *column };
                let id = self.push(operation, vec![x], axes, Class::Once);
                self.whole(id)
            }
            Op::Noise { kind, site } if !self.conditions.drawn.contains(site) => {
                let axes = self.layout(&node.axes);
                let class = self.class_of_noise(&axes);
                let id = self.push(Operation::Noise { kind: *kind, site: *site }, vec![], axes, class);
                self.whole(id)
            }
            Op::Noise { site, .. } => self.given(Operation::Draw { key: *site }, &node.axes),
            Op::Arrivals { indicator, site, .. } => self.arrivals(id, *indicator, *site, &inputs),
            Op::Output(k) => self.scan_result(&node, *k),
            Op::Scan(_) => first,
        }
    }

    /// Noise belongs to rows of the data: where panels are of something else it is drawn at once.
    fn class_of_noise(&self, axes: &[(Axis, usize)]) -> Class {
        if self.parallel.is_some() && self.parallel == self.conditions.rows { self.class_of(axes) } else { Class::Once }
    }

    fn map(&mut self, map: Map, operands: &[Value]) -> Value {
        let numbers: Vec<f64> =
            operands.iter().filter_map(|o| if let Value::Number(v) = o { Some(*v) } else { None }).collect();
        if numbers.len() == operands.len() {
            return Value::Number(evaluate(map, &numbers));
        }
        let neutral = |op: Binary, place: usize| match (op, operands.get(place)) {
            (Binary::Add, Some(Value::Number(v))) => *v == 0.0,
            (Binary::Sub, Some(Value::Number(v))) => place == 1 && *v == 0.0,
            (Binary::Mul, Some(Value::Number(v))) => *v == 1.0,
            (Binary::Div, Some(Value::Number(v))) => place == 1 && *v == 1.0,
            _ => false,
        };
        if let (Map::Binary(op), [a, b]) = (map, operands) {
            if neutral(op, 1) {
                return a.clone();
            }
            if neutral(op, 0) {
                return b.clone();
            }
        }
        if let Some(list) = self.constant_list(map, operands) {
            return list;
        }
        let key = (map, operands.iter().map(|o| format!("{o:?}")).collect());
        if let Some(known) = self.maps.get(&key) {
            return known.clone();
        }
        let mut axes = vec![];
        for o in operands {
            axes.extend(self.axes_of(o));
        }
        let axes = self.layout(&axes);
        let class = self.class_of(&axes);
        let id = self.push(Operation::Map(map), operands.to_vec(), axes, class);
        let value = self.whole(id);
        self.maps.insert(key, value.clone());
        value
    }

    /// A function of a list that is part of the program, and of numbers: positions moved along, for the most part.
    fn constant_list(&mut self, map: Map, operands: &[Value]) -> Option<Value> {
        let view = operands.iter().find_map(Value::view)?;
        let node = self.nodes.get(view.buffer)?;
        let Operation::Literal(list) = &node.operation else { return None };
        let (list, axes) = (list.clone(), node.axes.clone());
        let [(axis, extent)] = *axes.as_slice() else { return None };
        let same = |o: &Value| o.view().is_none_or(|v| v == view);
        if list.len() != extent || view.size() != extent || view.stride(axis) != 1 || !operands.iter().all(same) {
            return None;
        }
        let at =
            |v: f64| -> Vec<f64> { operands.iter().map(|o| if let Value::Number(n) = o { *n } else { v }).collect() };
        let values = list.values.iter().map(|&v| evaluate(map, &at(v))).collect();
        let list = Operation::Literal(Arc::new(Tensor { shape: vec![extent], values }));
        Some(self.given(list, &[axis]))
    }

    /// A number, too, as something stored.
    fn stored(&mut self, value: Value) -> Value {
        match value {
            Value::Number(v) => self.given(Operation::Literal(Arc::new(Tensor::scalar(v))), &[]),
            view => view,
        }
    }

    /// Laid out over all of these axes, contiguous.
    fn expanded(&mut self, value: Value, axes: &[Axis]) -> Value {
        let wanted = self.layout(axes);
        if value.view().is_some_and(|v| v.follows(&wanted)) {
            return value;
        }
        let class = self.class_of(&wanted);
        let id = self.push(Operation::Map(Map::Copy), vec![value], wanted, class);
        self.whole(id)
    }

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

    fn sum(&mut self, value: Value, over: &[Axis]) -> Value {
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

    fn max(&mut self, value: Value, over: &[Axis]) -> Value {
        let over = axis::intersection(over, &self.axes_of(&value));
        self.fold(value, Fold::Max, &over, false)
    }

    fn contract(&mut self, a: Value, b: Value, over: &[Axis]) -> Value {
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

    /// What the node being lowered is multiplied by, where that has zeros; it is laid out along the same axes.
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

    fn reshape(&mut self, value: Value, from: &[Axis], to: &[Axis]) -> Value {
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

    fn gather(&mut self, x: Value, index: Value, axis: Axis, inputs: &[NodeId]) -> Value {
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

    fn arrivals(&mut self, id: NodeId, indicator: Indicator, site: Site, inputs: &[Value]) -> Value {
        let node = self.graph.node(id).clone();
        if self.conditions.drawn.contains(&site) {
            // A count that is given does not change with its rate.
            return match node.op {
                Op::Arrivals { order: 0, .. } => self.given(Operation::Draw { key: site }, &node.axes),
                _ => Value::Number(0.0),
            };
        }
        let rate = self.expanded(inputs.first().cloned().unwrap_or(Value::Number(f64::NAN)), &node.axes);
        let temperature = self.stored(inputs.get(1).cloned().unwrap_or(Value::Number(f64::NAN)));
        let axes = self.layout(&node.axes);
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

    /// All results of a loop that are used, when the first is met.
    fn scan_result(&mut self, node: &crate::op::Node, k: usize) -> Value {
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

/// An element-wise operation on numbers.
pub fn evaluate(map: Map, operands: &[f64]) -> f64 {
    match (map, operands) {
        (Map::Copy, &[a]) => a,
        (Map::Unary(op), &[a]) => special::unary(op, a),
        (Map::Binary(op), &[a, b]) => special::binary(op, a, b),
        (Map::Select, &[c, a, b]) => {
            if c != 0.0 {
                a
            } else {
                b
            }
        }
        _ => f64::NAN,
    }
}

/// Rough cost of an element-wise operation, in additions.
pub fn cost(map: Map) -> usize {
    match map {
        Map::Unary(
            Unary::Neg | Unary::Square | Unary::Abs | Unary::Sign | Unary::Step | Unary::Relu | Unary::Floor,
        )
        | Map::Copy
        | Map::Select => 1,
        Map::Unary(Unary::Recip | Unary::Sqrt) | Map::Binary(Binary::Div) => 4,
        Map::Unary(
            Unary::LogGamma
            | Unary::Polygamma(_)
            | Unary::Erf
            | Unary::NormalCdf
            | Unary::LogNormalCdf
            | Unary::LogBesselI(_),
        )
        | Map::Binary(Binary::Pow) => 60,
        Map::Binary(op) if op.is_quantile() => 1000,
        Map::Unary(_) => 15,
        Map::Binary(_) => 1,
    }
}
