//! Iteration: states that move together a number of times, each time by expressions of one another.

use std::collections::{HashMap, HashSet};

use crate::axis::Axis;
use crate::graph::{Graph, InputId, NodeId};
use crate::op::Op;
use crate::scan::Scan;

/// A value that moves.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// The input that stands for it in what follows from it.
    pub stand_in: NodeId,
    /// Where it starts.
    pub from: NodeId,
    /// Where it goes, in terms of all stand-ins.
    pub next: NodeId,
}

/// States after their last move, and what was watched.
#[derive(Clone, Debug)]
pub struct Iterated {
    /// The states after the last move, in the order given.
    pub last: Vec<NodeId>,
    /// What was watched, before each move, stacked along the axis.
    pub watched: Vec<NodeId>,
}

impl Graph {
    /// Moves states as often as an axis is long, by one scan. What does not follow from them is computed once, outside; what
    /// is in `fresh` (noise) is drawn anew at each move. `count` is an input that stands for the number of moves made.
    pub fn iterate(
        &mut self,
        axis: Axis,
        states: &[State],
        watched: &[NodeId],
        fresh: &HashSet<NodeId>,
        count: Option<NodeId>,
    ) -> Iterated {
        let roots: Vec<NodeId> = states.iter().map(|s| s.next).chain(watched.iter().copied()).collect();
        let order = self.reachable(&roots);
        let moving: HashSet<NodeId> =
            states.iter().map(|s| s.stand_in).chain(fresh.iter().copied()).chain(count).collect();
        let inside = self.following(&order, &moving);
        let read: HashSet<NodeId> = inside.iter().flat_map(|&id| self.node(id).inputs.iter().copied()).collect();
        let mut body = Graph::with_axes_of(self);
        let mut map: HashMap<NodeId, NodeId> = HashMap::new();
        let (mut carried, mut constants): (Vec<InputId>, Vec<(InputId, NodeId)>) = (vec![], vec![]);
        for state in states {
            let (input, node) = body.input("state", self.axes_of(state.stand_in));
            carried.push(input);
            map.insert(state.stand_in, node);
        }
        let time = count.map(|count| {
            let (input, node) = body.input("moves", &[]);
            map.insert(count, node);
            input
        });
        for &id in &order {
            if map.contains_key(&id) {
                continue;
            }
            let new = if inside.contains(&id) {
                let node = self.node(id);
                let operands: Vec<NodeId> = node.inputs.iter().filter_map(|n| map.get(n).copied()).collect();
                body.rebuild(node, &operands)
            } else if let (Some(value), true) = (self.constant_value(id), self.axes_of(id).is_empty()) {
                body.constant(value)
            } else if read.contains(&id) || roots.contains(&id) {
                let (input, node) = body.input("outside", self.axes_of(id));
                constants.push((input, id));
                node
            } else {
                continue;
            };
            map.insert(id, new);
        }
        let at = |id: &NodeId| map.get(id).copied().unwrap_or(NodeId(u32::MAX));
        let carries = carried.into_iter().zip(states.iter().map(|s| at(&s.next))).collect();
        let stacked: Vec<NodeId> = watched.iter().map(at).collect();
        let (constants, fixed): (Vec<InputId>, Vec<NodeId>) = constants.into_iter().unzip();
        let scan = Scan { body, axis, reverse: false, carries, slices: vec![], constants, time, stacked };
        let initial: Vec<NodeId> = states
            .iter()
            .map(|s| {
                let axes = self.axes_of(s.stand_in).to_vec();
                self.broadcast(s.from, &axes)
            })
            .collect();
        let results = self.scan(scan, &initial, &[], &fixed);
        let mut results = results.into_iter();
        Iterated { last: results.by_ref().take(states.len()).collect(), watched: results.take(watched.len()).collect() }
    }

    /// Noise and counts that some nodes are made of.
    pub fn noise_of(&self, roots: &[NodeId]) -> HashSet<NodeId> {
        let drawn = |n: &NodeId| matches!(self.node(*n).op, Op::Noise { .. } | Op::Arrivals { .. });
        self.reachable(roots).into_iter().filter(drawn).collect()
    }
}
