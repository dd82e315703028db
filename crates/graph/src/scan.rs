//! Loops. A scan runs its body once for each position of an axis, carrying state; its derivative is a scan.

use std::collections::HashMap;
use std::sync::Arc;

use crate::axis::{self, Axis};
use crate::graph::{Graph, InputId, NodeId};
use crate::op::{Op, ScanRef};

/// The body of a loop and how it is fed. The operands of the scan node are the initial carries, then the scanned
/// tensors, then the constants. Its results are the final carries, then the stacked results, then, for each carry, its
/// value before each step.
#[derive(Clone, Debug)]
pub struct Scan {
    /// One step. It shares axis ids with the graph around it.
    pub body: Graph,
    /// The axis stepped along.
    pub axis: Axis,
    /// From the last position to the first.
    pub reverse: bool,
    /// The body's input that receives each carry, and the node that gives its next value.
    pub carries: Vec<(InputId, NodeId)>,
    /// The body's inputs that receive one position of each scanned tensor.
    pub slices: Vec<InputId>,
    /// The body's inputs that receive each constant, whole.
    pub constants: Vec<InputId>,
    /// The body's scalar input that receives the position.
    pub time: Option<InputId>,
    /// Body nodes collected along the axis.
    pub stacked: Vec<NodeId>,
}

/// A scan node taken apart.
#[derive(Clone, Debug)]
pub struct ScanParts {
    /// The loop.
    pub scan: Arc<Scan>,
    /// Initial carries.
    pub carries: Vec<NodeId>,
    /// Tensors stepped through.
    pub scanned: Vec<NodeId>,
    /// Tensors given whole to every step.
    pub constants: Vec<NodeId>,
}

impl Scan {
    /// Whether a turn that leaves all carries as they are leaves them so for good: where each follows from carries and what is
    /// outside alone, at no particular position and without chance.
    pub fn can_settle(&self) -> bool {
        self.slices.is_empty() && self.time.is_none() && self.is_certain()
    }

    /// Whether nothing in it is drawn.
    fn is_certain(&self) -> bool {
        let roots: Vec<NodeId> = self.carries.iter().map(|c| c.1).chain(self.stacked.iter().copied()).collect();
        self.body.reachable(&roots).into_iter().all(|id| match &self.body.node(id).op {
            Op::Noise { .. } | Op::Arrivals { .. } => false,
            Op::Scan(inner) => inner.0.is_certain(),
            _ => true,
        })
    }

    /// The number of results.
    pub fn results(&self) -> usize {
        2 * self.carries.len() + self.stacked.len()
    }

    /// The axes of result k.
    pub fn result_axes(&self, k: usize) -> Vec<Axis> {
        let (c, s) = (self.carries.len(), self.stacked.len());
        let with_axis = |node: NodeId| axis::union(self.body.axes_of(node), &[self.axis]);
        let carry_axes = |k: usize| {
            let info = self.carries.get(k).and_then(|&(input, _)| self.body.input_info(input));
            info.map(|i| i.axes.clone()).unwrap_or_default()
        };
        if k < c {
            carry_axes(k)
        } else if k < c + s {
            self.stacked.get(k - c).map(|&n| with_axis(n)).unwrap_or_default()
        } else {
            axis::union(&carry_axes(k - c - s), &[self.axis])
        }
    }

    /// The body with other axes for its inputs; input ids stay.
    fn with_input_axes(&self, outer: &Graph, wanted: &HashMap<InputId, Vec<Axis>>) -> Self {
        let mut body = Graph::with_axes_of(outer);
        let mut map = HashMap::new();
        for (k, info) in self.body.inputs().iter().enumerate() {
            let id = InputId(u32::try_from(k).unwrap_or(u32::MAX));
            let (_, node) = body.input(&info.name, wanted.get(&id).unwrap_or(&info.axes));
            map.insert(id, node);
        }
        let roots: Vec<NodeId> = self.carries.iter().map(|c| c.1).chain(self.stacked.iter().copied()).collect();
        let mut rebuilt = body.import(&self.body, &roots, &map).into_iter();
        let carries = self.carries.iter().zip(rebuilt.by_ref()).map(|(&(input, _), node)| (input, node)).collect();
        Self { carries, stacked: rebuilt.collect(), body, ..self.clone() }
    }
}

impl Graph {
    /// Runs a loop; gives the nodes of its results in the order of [`Scan`]. The axes of the body's inputs are fitted
    /// to the operands, so that a batch or sample axis may enter from outside.
    pub fn scan(&mut self, scan: Scan, initial: &[NodeId], scanned: &[NodeId], constants: &[NodeId]) -> Vec<NodeId> {
        let (scan, operands) = self.fitted(scan, initial, scanned, constants);
        let results = scan.results();
        let axes: Vec<Vec<Axis>> = (0..results).map(|k| scan.result_axes(k)).collect();
        let node = self.push(Op::Scan(ScanRef(Arc::new(scan))), operands, vec![]);
        axes.into_iter().enumerate().map(|(k, a)| self.push(Op::Output(k), vec![node], a)).collect()
    }

    /// A loop whose body's inputs have the axes of its operands, and those operands, in the order of [`Scan`].
    pub(crate) fn fitted(
        &mut self,
        mut scan: Scan,
        initial: &[NodeId],
        scanned: &[NodeId],
        constants: &[NodeId],
    ) -> (Scan, Vec<NodeId>) {
        let scanned: Vec<NodeId> = scanned.iter().map(|&x| self.broadcast(x, &[scan.axis])).collect();
        let mut wanted: HashMap<InputId, Vec<Axis>> = HashMap::new();
        for (&input, &x) in scan.slices.iter().zip(&scanned) {
            wanted.insert(input, axis::difference(self.axes_of(x), &[scan.axis]));
        }
        for (&input, &x) in scan.constants.iter().zip(constants) {
            wanted.insert(input, self.axes_of(x).to_vec());
        }
        for (&(input, _), &x) in scan.carries.iter().zip(initial) {
            wanted.insert(input, self.axes_of(x).to_vec());
        }
        // A carry has the axes of its start and of every later value: widen until nothing changes.
        loop {
            scan = scan.with_input_axes(self, &wanted);
            let mut grown = false;
            for &(input, next) in &scan.carries {
                let now = wanted.entry(input).or_default();
                let all = axis::union(now, scan.body.axes_of(next));
                grown |= all.len() > now.len();
                *now = all;
            }
            if !grown {
                break;
            }
        }
        let carries: Vec<(InputId, NodeId)> = scan.carries.clone();
        scan.carries = carries
            .into_iter()
            .map(|(input, next)| {
                let axes = wanted.get(&input).cloned().unwrap_or_default();
                (input, scan.body.broadcast(next, &axes))
            })
            .collect();
        let mut operands: Vec<NodeId> = vec![];
        for (&(input, _), &x) in scan.carries.iter().zip(initial) {
            let axes = wanted.get(&input).cloned().unwrap_or_default();
            operands.push(self.broadcast(x, &axes));
        }
        operands.extend(&scanned);
        operands.extend(constants);
        (scan, operands)
    }

    /// The scan behind a node, with its operands by role.
    pub fn scan_of(&self, id: NodeId) -> Option<ScanParts> {
        let node = self.node(id);
        let Op::Scan(scan) = &node.op else { return None };
        let mut operands = node.inputs.iter().copied();
        let carries = operands.by_ref().take(scan.0.carries.len()).collect();
        let scanned = operands.by_ref().take(scan.0.slices.len()).collect();
        Some(ScanParts { scan: scan.0.clone(), carries, scanned, constants: operands.collect() })
    }
}
