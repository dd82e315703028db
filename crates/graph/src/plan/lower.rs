//! From nodes of a graph to what a plan is made of: every value is a number or a view of a stored one, sums over rows
//! are split in panels, and contractions become products or fused sums.

mod draws;
mod indexing;
mod maps;
mod scans;
mod sums;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use self::maps::MapKey;
pub use self::maps::cost;
use super::view::View;
use super::{Conditions, Fold, Map, PANEL};
use crate::axis::{self, Axis, AxisId};
use crate::graph::{Graph, InputId, NodeId};
use crate::op::{Factor, Indicator, NoiseKind, Op, Real, Site};
use crate::scan::Scan;
use crate::tensor::Tensor;

/// A place in [`Lowered::nodes`].
pub type Id = usize;

/// Axes with their extents, none of them 1, in the order of the layout.
pub type Axes = Vec<(Axis, usize)>;

/// The unit in which a value is computed.
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

/// The operation of a stored value.
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
    /// Adds the operand at even steps of axes along `axis`, from `start` on.
    Overlay {
        axis: Axis,
        steps: Vec<(Axis, usize)>,
        start: usize,
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

/// The stored values that the outputs need, in order of evaluation.
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
    /// Axes that loops step along.
    loops: Vec<Axis>,
    /// Axes that windows step along, and those of the windows.
    pictures: Vec<Axis>,
    nodes: Vec<Stored>,
    values: HashMap<NodeId, Value>,
    now: NodeId,
    /// Element-wise nodes made once.
    maps: HashMap<MapKey, Value>,
    /// Contractions of which only the elements are used where a sampled count has a derivative, with that derivative.
    masks: HashMap<NodeId, NodeId>,
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
        loops: vec![],
        pictures: vec![],
        nodes: vec![],
        values: HashMap::new(),
        now: NodeId(0),
        maps: HashMap::new(),
        masks: HashMap::new(),
    };
    let along = |&id: &NodeId| if let Op::Scan(scan) = &graph.node(id).op { Some(scan.0.axis) } else { None };
    lowering.loops = lowering.order.iter().filter_map(along).chain(conditions.first).collect();
    lowering.pictures = indexing::pictures(graph, &lowering.order);
    if !conditions.dense {
        lowering.masks = sums::masks(graph, &lowering.order, outputs);
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

    /// Axes in the order of the layout, without those of extent 1: the parallel one first, then those of loops, so that
    /// what a loop reads and writes at one position lies together, then those of pictures, so that the channels at one
    /// place do.
    fn layout(&self, axes: &[Axis]) -> Axes {
        self.ordered(axes, &self.loops, &self.pictures)
    }

    /// The order in which noise is numbered, whatever loops and windows there are.
    fn layout_of_noise(&self, axes: &[Axis]) -> Axes {
        self.ordered(axes, &[], &[])
    }

    fn ordered(&self, axes: &[Axis], loops: &[Axis], pictures: &[Axis]) -> Axes {
        let mut sorted = axis::sorted(axes);
        let place = |a: Axis| pictures.iter().position(|&p| p == a).unwrap_or(usize::MAX);
        sorted.sort_by_key(|&a| (Some(a) != self.parallel, !loops.contains(&a), place(a), a));
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
            Op::ScatterAdd { axis, over } => self.scatter(first, second, *axis, over, &node),
            Op::Factor { kind, row, column } => {
                let axes = self.layout(&node.axes);
                let x = self.stored(first);
                let x = self.expanded(x, &node.axes);
                let operation = Operation::Factor { kind: *kind, row: *row, column: *column };
                let id = self.push(operation, vec![x], axes, Class::Once);
                self.whole(id)
            }
            Op::Noise { kind, site } if !self.conditions.drawn.contains(site) => {
                let axes = self.layout_of_noise(&node.axes);
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

    /// A number, too, as something stored.
    fn stored(&mut self, value: Value) -> Value {
        match value {
            Value::Number(v) => self.given(Operation::Literal(Arc::new(Tensor::scalar(v))), &[]),
            view => view,
        }
    }

    /// Laid out over all of these axes, contiguous.
    fn expanded(&mut self, value: Value, axes: &[Axis]) -> Value {
        self.laid_out(value, self.layout(axes))
    }

    fn laid_out(&mut self, value: Value, wanted: Axes) -> Value {
        if value.view().is_some_and(|v| v.follows(&wanted)) {
            return value;
        }
        let class = self.class_of(&wanted);
        let id = self.push(Operation::Map(Map::Copy), vec![value], wanted, class);
        self.whole(id)
    }
}
