//! Picking and adding by index, and walking strided views.

#![allow(unsafe_code)]

use fe_graph::plan::{Plan, View};
use fe_graph::{Axis, ExecutionError, Origin};

use crate::arena::Arena;
use crate::math::Real;
use crate::region::start_of;

/// A walk over some dimensions, with a place in each of N views.
#[derive(Clone, Debug)]
struct Walk<const N: usize> {
    dims: Vec<(usize, [usize; N])>,
    starts: [usize; N],
}

impl<const N: usize> Walk<N> {
    fn places(&self, mut visit: impl FnMut([usize; N])) {
        let size: usize = self.dims.iter().map(|d| d.0).product();
        let mut places = self.starts;
        for next in 1..=size {
            visit(places);
            // Dimensions that are through, the innermost first, go back to their start.
            let mut through = next;
            for (extent, strides) in self.dims.iter().rev() {
                for (p, s) in places.iter_mut().zip(strides) {
                    *p += s;
                }
                if !through.is_multiple_of(*extent) {
                    break;
                }
                through /= extent;
                for (p, s) in places.iter_mut().zip(strides) {
                    *p -= s * extent;
                }
            }
        }
    }
}

/// Picks along an axis.
#[derive(Clone, Debug)]
pub struct Gather {
    walk: Walk<3>,
    step: usize,
    extent: usize,
    origin: Origin,
}

/// Adds at an index.
#[derive(Clone, Debug)]
pub struct Scatter {
    walk: Walk<3>,
    step: usize,
    extent: usize,
    into: (usize, usize),
    origin: Origin,
}

/// A value as a place along an axis of this extent.
fn place<T: Real>(value: T, extent: usize, origin: Origin) -> Result<usize, ExecutionError> {
    let value = value.to_f64();
    // The comparison fails for NaN too.
    if value >= 0.0 && value < extent as f64 && value.fract() == 0.0 {
        Ok(value as usize)
    } else {
        Err(ExecutionError::Index { origin, value, extent })
    }
}

impl Gather {
    /// Places a gather whose views are those of the panel.
    pub fn bind(
        plan: &Plan,
        from: &View,
        index: &View,
        axis: Axis,
        extent: usize,
        into: &View,
        origin: Origin,
    ) -> Self {
        let dims = into.dims.iter().map(|d| {
            // The result may carry the axis picked along, but then it is the index's.
            let of_from = if d.axis == axis { 0 } else { from.stride(d.axis) };
            (d.extent, [of_from, index.stride(d.axis), d.stride])
        });
        let walk = Walk { dims: dims.collect(), starts: [from, index, into].map(|v| start_of(plan, v)) };
        Self { walk, step: from.stride(axis), extent, origin }
    }

    /// Runs it.
    pub fn run<T: Real>(&self, arena: &Arena<T>) -> Result<(), ExecutionError> {
        let mut result = Ok(());
        self.walk.places(|[from, index, into]| {
            // SAFETY: operands are not written meanwhile, and the result is this task's own (see `Arena`).
            let found = place(at(unsafe { arena.read(index, 1) }), self.extent, self.origin);
            match found {
                Ok(k) => {
                    // SAFETY: as above.
                    let value = at(unsafe { arena.read(from + k * self.step, 1) });
                    // SAFETY: as above.
                    unsafe { arena.write(into, 1) }.fill(value);
                }
                Err(e) if result.is_ok() => result = Err(e),
                Err(_) => {}
            }
        });
        result
    }
}

fn at<T: Real>(x: &[T]) -> T {
    x.first().copied().unwrap_or_default()
}

impl Scatter {
    /// Places a scatter.
    pub fn bind(
        plan: &Plan,
        from: &View,
        index: &View,
        (axis, extent): (Axis, usize),
        over: &[Axis],
        into: &View,
        origin: Origin,
    ) -> Self {
        // Everything either operand has is walked.
        let mut axes: Vec<(Axis, usize)> = from.dims.iter().map(|d| (d.axis, d.extent)).collect();
        for d in &index.dims {
            if !axes.iter().any(|a| a.0 == d.axis) {
                axes.push((d.axis, d.extent));
            }
        }
        let dims = axes.iter().map(|&(a, extent)| {
            let kept = if over.contains(&a) { 0 } else { into.stride(a) };
            (extent, [from.stride(a), index.stride(a), kept])
        });
        let walk = Walk { dims: dims.collect(), starts: [from, index, into].map(|v| start_of(plan, v)) };
        Self { walk, step: into.stride(axis), extent, into: (start_of(plan, into), into.size()), origin }
    }

    /// Runs it. Sums are accumulated in f64, in the order of the operand.
    pub fn run<T: Real>(&self, arena: &Arena<T>, totals: &mut Vec<f64>) -> Result<(), ExecutionError> {
        totals.clear();
        totals.resize(self.into.1, 0.0);
        let mut result = Ok(());
        self.walk.places(|[from, index, into]| {
            // SAFETY: operands are not written meanwhile (see `Arena`).
            let (value, index) = unsafe { (at(arena.read(from, 1)), at(arena.read(index, 1))) };
            match place(index, self.extent, self.origin) {
                Ok(k) => {
                    if let Some(t) = totals.get_mut(into + k * self.step - self.into.0) {
                        *t += value.to_f64();
                    }
                }
                Err(e) if result.is_ok() => result = Err(e),
                Err(_) => {}
            }
        });
        // SAFETY: the result is this task's own.
        let out = unsafe { arena.write(self.into.0, self.into.1) };
        for (o, &mut t) in out.iter_mut().zip(totals) {
            *o = T::from_f64(t);
        }
        result
    }
}

/// The elements of a view over some axes, row-major; axes it lacks repeat it.
pub fn read_out<T: Real>(plan: &Plan, arena: &Arena<T>, view: &View, axes: &[(Axis, usize)]) -> Vec<f64> {
    let dims: Vec<(usize, [usize; 1])> = axes.iter().map(|&(a, extent)| (extent, [view.stride(a)])).collect();
    let mut values = Vec::with_capacity(axes.iter().map(|a| a.1).product());
    let start = start_of(plan, view);
    if view.follows(&axes.iter().copied().filter(|a| a.1 != 1).collect::<Vec<_>>()) {
        // SAFETY: no phase is running.
        values.extend(unsafe { arena.read(start, view.size()) }.iter().map(|v| v.to_f64()));
        return values;
    }
    Walk { dims, starts: [start] }.places(|[at]| {
        // SAFETY: no phase is running.
        values.extend(unsafe { arena.read(at, 1) }.iter().map(|v| v.to_f64()));
    });
    values
}

/// Writes elements over these axes, row-major, to a view.
pub fn write_back<T: Real>(plan: &Plan, arena: &Arena<T>, view: &View, values: &[f64], axes: &[(Axis, usize)]) {
    let start = start_of(plan, view);
    let mut index = vec![0usize; axes.len()];
    for &v in values {
        let at: usize = axes.iter().zip(&index).map(|(a, i)| view.stride(a.0) * i).sum();
        // SAFETY: the results of loops and factors are their own (see `Arena`).
        unsafe { arena.write(start + at, 1) }.fill(T::from_f64(v));
        for (i, a) in index.iter_mut().zip(axes).rev() {
            *i += 1;
            if *i < a.1 {
                break;
            }
            *i = 0;
        }
    }
}
