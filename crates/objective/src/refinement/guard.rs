//! A guard: each row halves its own step until its free energy falls.

use std::collections::{HashMap, HashSet};

use fe_check::Refinement;
use fe_graph::{Axis, Graph, NodeId, Tensor};

use super::descended::Descended;
use super::direction::Directions;
use crate::messages;
use crate::objective::Underivable;

/// Halvings, after which a row stays where it is.
const HALVINGS: usize = 10;

/// What a guard compares.
pub(super) struct Guard {
    /// What is descended, of each row and each position of a loop by itself, in terms of the states.
    value: NodeId,
    /// The axes of that.
    kept: Vec<Axis>,
}

impl Guard {
    /// The guard of a program's descent.
    ///
    /// # Errors
    /// Where what is descended is not a sum over rows.
    pub fn new(
        g: &mut Graph,
        row: Option<Axis>,
        first: &Refinement,
        states: &[NodeId],
        parts: &Descended,
        found: &Directions,
    ) -> Result<Self, Underivable> {
        let kept: Vec<Axis> = row.into_iter().chain(first.chain).filter(|a| first.axes.contains(a)).collect();
        let total = g.add(parts.distortion, parts.cost);
        let total = g.substitute(&[total], &found.values).first().copied().unwrap_or(total);
        let moving: HashSet<NodeId> = states.iter().copied().collect();
        let value =
            g.apart(total, &kept, &moving).ok_or_else(|| messages::guard_of_coupled_rows(&first.name, first.span))?;
        Ok(Self { value, kept: fe_graph::axis::sorted(&kept) })
    }

    /// The largest of 1, ½, ¼, … by which the moves may be scaled so that what is descended falls; 0 where none does.
    /// Constant to differentiation: where it changes, it jumps.
    pub fn share(&self, g: &mut Graph, states: &[NodeId], moves: &[NodeId]) -> NodeId {
        let axis = Axis::private(g.add_axis("halvings", HALVINGS + 1));
        let halved = (0..=HALVINGS).map(|k| 0.5f64.powi(i32::try_from(k).unwrap_or(0))).collect();
        let shares = g.literal(Tensor { shape: vec![HALVINGS + 1], values: halved }, &[axis]);
        let mut there = HashMap::new();
        for (&state, &by) in states.iter().zip(moves) {
            let part = g.mul(shares, by);
            there.insert(state, g.sub(state, part));
        }
        let moved = g.substitute(&[self.value], &there).first().copied().unwrap_or(self.value);
        let falls = g.less(moved, self.value);
        let shares = g.mul(falls, shares);
        let most = g.max(shares, &[axis]);
        let most = g.broadcast(most, &self.kept);
        g.stop(most)
    }
}
