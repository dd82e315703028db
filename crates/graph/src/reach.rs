//! Positions along a loop's axis: at which steps a value reads another.

use std::collections::{HashMap, HashSet};

use crate::axis::Axis;
use crate::graph::{Graph, NodeId};
use crate::op::{Binary, Op};
use crate::scan::ScanParts;

/// The distance along a loop's axis at which a value reads another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Not at all.
    Nowhere,
    /// At positions up to its own plus this: −1 is the past alone.
    UpTo(i64),
    /// At any position.
    Anywhere,
}

impl Reach {
    /// As seen from so many positions further on.
    fn moved(self, by: i64) -> Self {
        match self {
            Self::UpTo(k) => Self::UpTo(k.saturating_add(by)),
            other => other,
        }
    }
}

impl Graph {
    /// An index that is the position along an axis plus a number, or 0 where that is less: the axis and the number.
    pub fn shift_of(&self, index: NodeId) -> Option<(Axis, i64)> {
        let node = self.node(index);
        match (&node.op, node.inputs.as_slice()) {
            (Op::Iota, _) => node.axes.first().map(|&a| (a, 0)),
            (Op::Binary(Binary::Max), &[a, b]) => {
                let zero = |n: NodeId| self.constant_value(n) == Some(0.0);
                let inner = if zero(b) { Some(a) } else { zero(a).then_some(b) };
                self.shift_of(inner?)
            }
            (Op::Binary(op @ (Binary::Add | Binary::Sub)), &[a, b]) => {
                let (of, by) = match (self.constant_value(b), op, self.constant_value(a)) {
                    (Some(by), Binary::Add, _) => (a, by),
                    (Some(by), Binary::Sub, _) => (a, -by),
                    (_, Binary::Add, Some(by)) => (b, by),
                    _ => return None,
                };
                let (axis, before) = self.shift_of(of)?;
                (by.fract() == 0.0 && by.abs() < 1e9).then(|| (axis, before.saturating_add(by as i64)))
            }
            _ => None,
        }
    }

    /// Those of some nodes, in order of evaluation, that follow from others.
    pub(crate) fn following(&self, order: &[NodeId], from: &HashSet<NodeId>) -> HashSet<NodeId> {
        let mut inside = HashSet::new();
        for &id in order {
            if from.contains(&id) || self.node(id).inputs.iter().any(|i| inside.contains(i)) {
                inside.insert(id);
            }
        }
        inside
    }

    /// The axes whose positions go together with those of one: axes of other lengths between which nodes are shifted.
    pub(crate) fn position_axes(&self, inside: &HashSet<NodeId>, axis: Axis) -> Vec<Axis> {
        let mut all = vec![axis];
        let mut order: Vec<NodeId> = inside.iter().copied().collect();
        order.sort_unstable();
        loop {
            let before = all.len();
            for &id in &order {
                let node = self.node(id);
                let (Op::Gather { axis: along }, &[x, index]) = (&node.op, node.inputs.as_slice()) else { continue };
                let Some((own, _)) = self.shift_of(index).filter(|_| inside.contains(&x)) else { continue };
                match (all.contains(along), all.contains(&own)) {
                    (true, false) => all.push(own),
                    (false, true) => all.push(*along),
                    _ => {}
                }
            }
            if all.len() == before {
                return all;
            }
        }
    }

    /// The distance along an axis at which a node reads another one, which has the axis.
    pub fn reach(&self, node: NodeId, of: NodeId, axis: Axis) -> Reach {
        let order = self.reachable(&[node]);
        let inside = self.following(&order, &HashSet::from([of]));
        let positions = self.position_axes(&inside, axis);
        let mut known: HashMap<NodeId, Reach> = HashMap::new();
        for &id in order.iter().filter(|id| inside.contains(id)) {
            let reach = if id == of { Reach::UpTo(0) } else { self.reach_of(id, &positions, &known) };
            // What has lost the axis, or has it twice, is of no one position.
            let single = self.axes_of(id).iter().filter(|a| positions.contains(a)).count() == 1;
            let loops = matches!(self.node(id).op, Op::Scan(_));
            known.insert(id, if single || loops { reach } else { Reach::Anywhere });
        }
        known.get(&node).copied().unwrap_or(Reach::Nowhere)
    }

    fn reach_of(&self, id: NodeId, positions: &[Axis], known: &HashMap<NodeId, Reach>) -> Reach {
        let node = self.node(id);
        let of = |n: NodeId| known.get(&n).copied().unwrap_or(Reach::Nowhere);
        let most = |nodes: &[NodeId]| nodes.iter().map(|&n| of(n)).max().unwrap_or(Reach::Nowhere);
        match (&node.op, node.inputs.as_slice()) {
            (Op::Gather { axis }, &[x, index]) if positions.contains(axis) => match self.shift_of(index) {
                Some((own, by)) if positions.contains(&own) => of(x).moved(by),
                _ => Reach::Anywhere,
            },
            (Op::Scan(_), inputs) => most(inputs),
            (Op::Output(k), &[scan]) => {
                let Some(parts) = self.scan_of(scan) else { return Reach::Anywhere };
                let steps = !parts.scan.reverse && positions.contains(&parts.scan.axis);
                let fixed = |nodes: &[NodeId]| most(nodes) == Reach::Nowhere;
                if !steps || !fixed(&parts.carries) || !fixed(&parts.constants) {
                    return Reach::Anywhere;
                }
                match parts.reads(*k) {
                    None => Reach::Anywhere,
                    Some((slices, carried)) => {
                        let past = if carried { most(&parts.scanned).moved(-1) } else { Reach::Nowhere };
                        most(&slices).max(past)
                    }
                }
            }
            (op, inputs) if op.mixes(positions) => most(inputs).max(Reach::Anywhere),
            (_, inputs) => most(inputs),
        }
    }
}

impl ScanParts {
    /// The reads of a result that belongs to a position: which of the scanned tensors there, and whether it reads
    /// carries. `None` for a final carry.
    pub(crate) fn reads(&self, result: usize) -> Option<(Vec<NodeId>, bool)> {
        let (carries, stacked) = (self.scan.carries.len(), self.scan.stacked.len());
        let k = result.checked_sub(carries)?;
        if k >= stacked {
            return Some((vec![], true));
        }
        let body = &self.scan.body;
        let inputs: HashSet<_> = body
            .reachable(self.scan.stacked.get(k..=k)?)
            .into_iter()
            .filter_map(|n| if let Op::Input(input) = body.node(n).op { Some(input) } else { None })
            .collect();
        let slices = self.scan.slices.iter().zip(&self.scanned).filter(|(s, _)| inputs.contains(s));
        Some((slices.map(|(_, &x)| x).collect(), self.scan.carries.iter().any(|c| inputs.contains(&c.0))))
    }
}

impl Op {
    /// Whether a result at one position along any of these axes needs its operands at others, or has no such positions.
    /// Picks are left to who knows the index.
    pub(crate) fn mixes(&self, positions: &[Axis]) -> bool {
        let any = |axes: &[Axis]| axes.iter().any(|a| positions.contains(a));
        match self {
            Op::Sum(over) | Op::Max(over) | Op::Contract(over) => any(over),
            Op::Rename(pairs) => pairs.iter().any(|p| any(&[p.0, p.1])),
            Op::Reshape { from, to } => any(from) || any(to),
            Op::Gather { axis } => any(&[*axis]),
            Op::ScatterAdd { axis, over } => any(&[*axis]) || any(over),
            Op::Factor { row, column, .. } => any(&[*row, *column]),
            Op::Scan(_) | Op::Output(_) | Op::Noise { .. } | Op::Arrivals { .. } => true,
            _ => false,
        }
    }
}
