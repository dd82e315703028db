//! Triangular factors of square matrices.

#![allow(unsafe_code)]

use std::convert::Infallible;

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
        let read = |[from, _]: [usize; 2], (n, [by, _]): (usize, [usize; 2])| {
            let reach = n.saturating_sub(1) * by + 1;
            // SAFETY: matrices are not written while they are factorised (see `Arena`).
            let own = unsafe { arena.read(from, reach) };
            if by == 1 {
                values.extend(own.iter().map(|v| v.to_f64()));
            } else {
                values.extend((0..n).filter_map(|k| own.get(k * by)).map(|v| v.to_f64()));
            }
            Ok::<(), Infallible>(())
        };
        let Ok(()) = self.walk.rows(read);
        matrix::factorize(self.kind, self.rows, values);
        let mut factors = values.as_slice();
        let write = |[_, into]: [usize; 2], (n, [_, by]): (usize, [usize; 2])| {
            let (row, rest) = factors.split_at(n.min(factors.len()));
            factors = rest;
            // SAFETY: the factors' place is this task's own.
            let own = unsafe { arena.write(into, n.saturating_sub(1) * by + 1) };
            own.iter_mut().step_by(by.max(1)).zip(row).for_each(|(o, &v)| *o = T::from_f64(v));
            Ok::<(), Infallible>(())
        };
        let Ok(()) = self.walk.rows(write);
    }
}
