//! The arena of nodes. A node's operands always precede it, so ids are a topological order.

use std::collections::{HashMap, HashSet};

use crate::axis::{Axis, AxisId, AxisInfo};
use crate::op::{Node, Op, Origin, Real, ScanRef};

/// A node of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

/// A tensor given when the graph runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InputId(pub u32);

/// Name and axes of an input.
#[derive(Clone, Debug, PartialEq)]
pub struct InputInfo {
    /// As reported to the user.
    pub name: String,
    /// Sorted axes; the tensor given at run time is row-major over them.
    pub axes: Vec<Axis>,
    /// What is known of its elements.
    pub interior: Interior,
}

/// What is known of the elements of an input: logarithms that are taken of them need no guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Interior {
    /// Nothing.
    #[default]
    Real,
    /// They are above 0.
    Positive,
    /// They lie between 0 and 1, at neither.
    Unit,
}

/// Tensor expressions that share their parts: equal nodes are one node.
#[derive(Clone, Debug)]
pub struct Graph {
    nodes: Vec<Node>,
    axes: Vec<AxisInfo>,
    inputs: Vec<InputInfo>,
    known: HashMap<(Op, Vec<NodeId>, Vec<Axis>), NodeId>,
    /// Loops that were given other operands, by the loop and these.
    pub(crate) given: HashMap<(ScanRef, Vec<NodeId>), NodeId>,
    origin: Origin,
    missing: Node,
}

impl Default for Graph {
    fn default() -> Self {
        Self::new()
    }
}

impl Graph {
    /// An empty graph; it has the sample axis.
    pub fn new() -> Self {
        Self {
            nodes: vec![],
            axes: vec![AxisInfo { name: "sample".into(), extent: 1 }],
            inputs: vec![],
            known: HashMap::new(),
            given: HashMap::new(),
            origin: Origin::default(),
            missing: Node { op: Op::Constant(Real(f64::NAN)), inputs: vec![], axes: vec![], origin: Origin::default() },
        }
    }

    /// An empty graph with the same axes.
    pub fn with_axes_of(other: &Graph) -> Self {
        Self { axes: other.axes.clone(), ..Self::new() }
    }

    /// A new axis. Axes are sorted by their order of creation: create the row axis first.
    pub fn add_axis(&mut self, name: &str, extent: usize) -> AxisId {
        let id = AxisId(u32::try_from(self.axes.len()).unwrap_or(u32::MAX));
        self.axes.push(AxisInfo { name: name.into(), extent });
        id
    }

    /// Name and nominal extent of an axis.
    pub fn axis(&self, id: AxisId) -> Option<&AxisInfo> {
        self.axes.get(id.0 as usize)
    }

    /// All axes in order of creation, the sample axis first.
    pub fn axes(&self) -> &[AxisInfo] {
        &self.axes
    }

    /// Changes the nominal extent of an axis.
    pub fn set_extent(&mut self, id: AxisId, extent: usize) {
        if let Some(info) = self.axes.get_mut(id.0 as usize) {
            info.extent = extent;
        }
    }

    /// The nominal extent of an axis; 1 for an unknown one.
    pub fn extent_of(&self, id: AxisId) -> usize {
        self.axis(id).map_or(1, |a| a.extent)
    }

    /// `N`, `N'`, and `N*` for a private copy: how an axis is written.
    pub fn axis_name(&self, axis: Axis) -> String {
        let name = self.axis(axis.id).map_or("?", |a| a.name.as_str());
        match axis.primes {
            Axis::PRIVATE => format!("{name}*"),
            primes => format!("{name}{}", "'".repeat(usize::from(primes))),
        }
    }

    /// Nodes made from now on carry this origin. Returns the one before.
    pub fn set_origin(&mut self, origin: Origin) -> Origin {
        std::mem::replace(&mut self.origin, origin)
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A node. An id of another graph gives a NaN constant.
    pub fn node(&self, id: NodeId) -> &Node {
        self.nodes.get(id.0 as usize).unwrap_or(&self.missing)
    }

    /// The axes of a node, sorted.
    pub fn axes_of(&self, id: NodeId) -> &[Axis] {
        &self.node(id).axes
    }

    /// Whether a node carries an axis.
    pub fn has_axis(&self, id: NodeId, axis: Axis) -> bool {
        self.axes_of(id).contains(&axis)
    }

    /// An input's name and axes.
    pub fn input_info(&self, id: InputId) -> Option<&InputInfo> {
        self.inputs.get(id.0 as usize)
    }

    /// All inputs.
    pub fn inputs(&self) -> &[InputInfo] {
        &self.inputs
    }

    /// Registers an input without a node for it.
    pub fn add_input(&mut self, name: &str, axes: &[Axis]) -> InputId {
        let id = InputId(u32::try_from(self.inputs.len()).unwrap_or(u32::MAX));
        self.inputs.push(InputInfo { name: name.into(), axes: crate::axis::sorted(axes), interior: Interior::Real });
        id
    }

    /// The node of an input.
    pub fn input_node(&mut self, id: InputId) -> NodeId {
        let axes = self.input_info(id).map(|i| i.axes.clone()).unwrap_or_default();
        self.push(Op::Input(id), vec![], axes)
    }

    /// A new input and its node.
    pub fn input(&mut self, name: &str, axes: &[Axis]) -> (InputId, NodeId) {
        let id = self.add_input(name, axes);
        (id, self.input_node(id))
    }

    /// A new input of whose elements something is known, and its node.
    pub fn input_within(&mut self, name: &str, axes: &[Axis], interior: Interior) -> (InputId, NodeId) {
        let (id, node) = self.input(name, axes);
        if let Some(info) = self.inputs.get_mut(id.0 as usize) {
            info.interior = interior;
        }
        (id, node)
    }

    /// The node of an operation, made once.
    pub(crate) fn push(&mut self, op: Op, inputs: Vec<NodeId>, axes: Vec<Axis>) -> NodeId {
        let key = (op, inputs, axes);
        if let Some(&id) = self.known.get(&key) {
            return id;
        }
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        let (op, inputs, axes) = key.clone();
        self.nodes.push(Node { op, inputs, axes, origin: self.origin });
        self.known.insert(key, id);
        id
    }

    /// The number a node stands for everywhere, when it is constant.
    pub fn constant_value(&self, id: NodeId) -> Option<f64> {
        match self.node(id) {
            Node { op: Op::Constant(Real(v)), .. } => Some(*v),
            Node { op: Op::Broadcast(_), inputs, .. } => inputs.first().and_then(|&i| self.constant_value(i)),
            _ => None,
        }
    }

    /// The nodes that the outputs need, in order of evaluation.
    pub fn reachable(&self, outputs: &[NodeId]) -> Vec<NodeId> {
        let mut seen = HashSet::new();
        let mut stack: Vec<NodeId> = outputs.to_vec();
        while let Some(id) = stack.pop() {
            if seen.insert(id) {
                stack.extend(&self.node(id).inputs);
            }
        }
        let mut order: Vec<NodeId> = seen.into_iter().collect();
        order.sort_unstable();
        order
    }

    /// Whether a node needs any of these.
    pub fn depends_on(&self, id: NodeId, on: &HashSet<NodeId>) -> bool {
        self.reachable(&[id]).iter().any(|n| on.contains(n))
    }

    /// A readable listing of what the outputs need, one node a line.
    pub fn dump(&self, outputs: &[NodeId]) -> String {
        let order = self.reachable(outputs);
        let number: HashMap<NodeId, usize> = order.iter().enumerate().map(|(k, &id)| (id, k)).collect();
        let mut text = String::new();
        for (k, &id) in order.iter().enumerate() {
            let node = self.node(id);
            let axes: Vec<String> = node.axes.iter().map(|&a| self.axis_name(a)).collect();
            let inputs: Vec<String> =
                node.inputs.iter().filter_map(|i| number.get(i)).map(|n| format!("%{n}")).collect();
            let op = self.op_name(&node.op);
            let mark = if outputs.contains(&id) { "  ← output" } else { "" };
            text.push_str(&format!("%{k}[{}] = {op}({}){mark}\n", axes.join(", "), inputs.join(", ")));
        }
        text
    }

    /// An operation in words, its axes named.
    pub fn op_name(&self, op: &Op) -> String {
        let list = |axes: &[Axis]| axes.iter().map(|&a| self.axis_name(a)).collect::<Vec<_>>().join(" ");
        match op {
            Op::Constant(Real(v)) => format!("{v}"),
            Op::Literal(_) => "literal".into(),
            Op::Input(i) => format!("input {}", self.input_info(*i).map_or("?", |i| i.name.as_str())),
            Op::Noise { kind, .. } => format!("noise {kind:?}").to_lowercase(),
            Op::Extent(a) => format!("extent {}", self.axis_name(Axis::plain(*a))),
            Op::Iota => "iota".into(),
            Op::Unary(u) => format!("{u:?}").to_lowercase(),
            Op::Binary(b) => format!("{b:?}").to_lowercase(),
            Op::Select => "select".into(),
            Op::Sum(a) => format!("sum {}", list(a)),
            Op::Max(a) => format!("max {}", list(a)),
            Op::Contract(a) => format!("contract {}", list(a)),
            Op::Broadcast(a) => format!("broadcast {}", list(a)),
            Op::Rename(p) => {
                let pairs: Vec<String> =
                    p.iter().map(|&(a, b)| format!("{}→{}", self.axis_name(a), self.axis_name(b))).collect();
                format!("rename {}", pairs.join(" "))
            }
            Op::Reshape { from, to } => format!("reshape {} → {}", list(from), list(to)),
            Op::Gather { axis } => format!("gather {}", self.axis_name(*axis)),
            Op::ScatterAdd { axis, .. } => format!("scatter {}", self.axis_name(*axis)),
            Op::Factor { kind, row, .. } => format!("{kind:?} {}", self.axis_name(*row)).to_lowercase(),
            Op::Arrivals { order, indicator, .. } => format!("arrivals {indicator:?} order {order}").to_lowercase(),
            Op::Stop => "stop".into(),
            Op::Scan(s) => format!("scan {}", self.axis_name(s.0.axis)),
            Op::Output(k) => format!("result {k}"),
        }
    }
}
