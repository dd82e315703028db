//! Triangular factors of square matrices.

#![allow(unsafe_code)]

use fe_graph::plan::{Plan, View};
use fe_graph::{Axis, Factor, matrix};

use crate::arena::Arena;
use crate::index::Walk;
use crate::math::Real;
use crate::region::start_of;

/// Matrices of one view, to be replaced by their factors in another.
#[derive(Clone)]
pub struct BoundFactor {
    kind: Factor,
    /// Matrices one behind the other, rows, columns: places of the matrices and of their factors.
    walk: Walk<2>,
    rows: usize,
}

impl BoundFactor {
    /// Places the work.
    pub fn bind(plan: &Plan, kind: Factor, (row, column): (Axis, Axis), from: &View, into: &View) -> Self {
        let extent = |a: Axis| plan.extents.get(a.id.0 as usize).copied().unwrap_or(1);
        let others = into.dims.iter().map(|d| (d.axis, d.extent)).filter(|d| d.0 != row && d.0 != column);
        let axes = others.chain([(row, extent(row)), (column, extent(column))]);
        let dims = axes.map(|(a, extent)| (extent, [from.stride(a), into.stride(a)]));
        Self { kind, walk: Walk::new(dims, [from, into].map(|v| start_of(plan, v))), rows: extent(row) }
    }

    /// Runs it, in f64; `values` is room for the matrices.
    pub fn run<T: Real>(&self, arena: &Arena<T>, values: &mut Vec<f64>) {
        values.clear();
        self.walk.each(|[from, _]| {
            // SAFETY: matrices are not written while they are factorised (see `Arena`).
            values.extend(unsafe { arena.read(from, 1) }.iter().map(|v| v.to_f64()));
        });
        matrix::factorize(self.kind, self.rows, values);
        let mut factors = values.iter();
        self.walk.each(|[_, into]| {
            if let Some(&value) = factors.next() {
                // SAFETY: the factors' place is this task's own.
                unsafe { arena.write(into, 1) }.fill(T::from_f64(value));
            }
        });
    }
}
