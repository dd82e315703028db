//! Triangular factors of square matrices.

use fe_graph::plan::{Plan, View};
use fe_graph::{Axis, Factor, matrix};

use crate::arena::Arena;
use crate::index::{read_out, write_back};
use crate::math::Real;

/// Matrices of one view, to be replaced by their factors in another.
#[derive(Clone)]
pub struct BoundFactor {
    kind: Factor,
    plan: Plan,
    from: View,
    into: View,
    /// Matrices one behind the other, rows, columns.
    axes: Vec<(Axis, usize)>,
    rows: usize,
}

impl BoundFactor {
    /// Places the work.
    pub fn bind(plan: &Plan, kind: Factor, (row, column): (Axis, Axis), from: &View, into: &View) -> Self {
        let extent = |a: Axis| plan.extents.get(a.id.0 as usize).copied().unwrap_or(1);
        let others = into.dims.iter().map(|d| (d.axis, d.extent)).filter(|d| d.0 != row && d.0 != column);
        let axes = others.chain([(row, extent(row)), (column, extent(column))]).collect();
        Self { kind, plan: plan.clone(), from: from.clone(), into: into.clone(), axes, rows: extent(row) }
    }

    /// Runs it, in f64.
    pub fn run<T: Real>(&self, arena: &Arena<T>) {
        let mut values = read_out(&self.plan, arena, &self.from, &self.axes);
        matrix::factorize(self.kind, self.rows, &mut values);
        write_back(&self.plan, arena, &self.into, &values, &self.axes);
    }
}
