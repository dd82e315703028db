//! How much is computed by a pass over some nodes of an objective.

use fe_graph::{Axis, AxisId, NodeId};
use fe_objective::Objective;

/// An objective and the number of rows that it is fitted to: what decides how many draws are made, and how many at a time. It
/// needs no data, so that the same sizes are foreseen and run.
#[derive(Clone, Copy)]
pub(crate) struct Sizes<'a> {
    pub o: &'a Objective,
    /// Rows that are trained on; 1 without rows.
    pub rows: usize,
}

impl Sizes<'_> {
    /// Numbers of a value at so many draws.
    pub fn of(self, node: NodeId, draws: usize) -> usize {
        let extent = |a: &Axis| self.extent(*a, draws);
        self.o.graph.axes_of(node).iter().map(extent).fold(1, usize::saturating_mul)
    }

    /// The length of an axis.
    pub fn extent(self, axis: Axis, draws: usize) -> usize {
        match axis.id {
            AxisId::SAMPLE => draws.max(1),
            id if self.o.row.is_some_and(|r| r.axis == id) => self.rows,
            id => self.o.graph.extent_of(id),
        }
    }

    /// Numbers of the largest value behind some nodes, of one sample.
    pub fn largest(self, nodes: &[NodeId]) -> usize {
        let reached = self.o.graph.reachable(nodes);
        reached.iter().map(|&n| self.of(n, 1)).max().unwrap_or(1)
    }

    /// Numbers of some values at so many draws each, those that do not depend on them too.
    pub fn collected(self, nodes: &[NodeId], draws: usize) -> usize {
        let each = |&n: &NodeId| self.of(n, 1).saturating_mul(draws);
        nodes.iter().map(each).fold(0, usize::saturating_add)
    }

    /// Numbers that an evaluation of the objective and its gradient computes.
    pub fn evaluation(self, draws: usize) -> usize {
        let mut roots = vec![self.o.minimised.value];
        roots.extend(&self.o.minimised.gradient);
        let reached = self.o.graph.reachable(&roots);
        reached.iter().map(|&n| self.of(n, draws)).fold(0, usize::saturating_add)
    }
}
