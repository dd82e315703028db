//! Picking and adding by index, and walking strided views.

#![allow(unsafe_code)]

use fe_graph::plan::{Plan, View};
use fe_graph::{Axis, ExecutionError, Origin};

use crate::arena::Arena;
use crate::math::Real;
use crate::region::start_of;

/// A walk over some dimensions, with a place in each of N views.
#[derive(Clone, Debug)]
pub struct Walk<const N: usize> {
    dims: Vec<(usize, [usize; N])>,
    starts: [usize; N],
}

impl<const N: usize> Walk<N> {
    /// A walk whose neighbouring dimensions are one where every view steps through them evenly.
    pub fn new(dims: impl Iterator<Item = (usize, [usize; N])>, starts: [usize; N]) -> Self {
        let mut merged: Vec<(usize, [usize; N])> = vec![];
        for (extent, strides) in dims {
            match merged.last_mut() {
                Some((n, outer)) if *outer == strides.map(|s| s * extent) => {
                    (*n, *outer) = (*n * extent, strides);
                }
                _ => merged.push((extent, strides)),
            }
        }
        Self { dims: merged, starts }
    }

    /// Visits the innermost dimension at every place of the others: where it begins, its extent and its strides.
    pub fn rows<E>(&self, mut visit: impl FnMut([usize; N], (usize, [usize; N])) -> Result<(), E>) -> Result<(), E> {
        rows(&self.dims, self.starts, &mut visit)
    }

    /// Whether the second view is runs of elements, each behind the one before.
    fn writes_runs_in_order(&self) -> bool {
        let mut reach = 1;
        self.dims.iter().rev().enumerate().all(|(k, (extent, strides))| {
            let step = strides.get(1).copied().unwrap_or(0);
            let fits = if k == 0 { step == 1 } else { step >= reach };
            reach += extent.saturating_sub(1) * step;
            fits
        })
    }

    /// Visits every place, the last dimension fastest.
    pub fn each(&self, mut visit: impl FnMut([usize; N])) {
        let row = |mut at: [usize; N], (extent, strides): (usize, [usize; N])| {
            for _ in 0..extent {
                visit(at);
                for (a, s) in at.iter_mut().zip(&strides) {
                    *a += s;
                }
            }
            Ok::<(), std::convert::Infallible>(())
        };
        let Ok(()) = self.rows(row);
    }
}

/// The rows of [`Walk::rows`] from some place on.
fn rows<const N: usize, E>(
    dims: &[(usize, [usize; N])],
    starts: [usize; N],
    visit: &mut impl FnMut([usize; N], (usize, [usize; N])) -> Result<(), E>,
) -> Result<(), E> {
    match dims {
        [] => visit(starts, (1, [0; N])),
        [inner] => visit(starts, *inner),
        [(extent, strides), rest @ ..] => {
            let mut at = starts;
            for _ in 0..*extent {
                rows(rest, at, visit)?;
                for (a, s) in at.iter_mut().zip(strides) {
                    *a += s;
                }
            }
            Ok(())
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
#[inline(always)]
fn place<T: Real>(value: T, extent: usize, origin: Origin) -> Result<usize, ExecutionError> {
    let value = value.to_f64();
    let k = value as usize;
    // What is negative, broken or no number at all differs from its whole part.
    if k < extent && k as f64 == value { Ok(k) } else { Err(ExecutionError::Index { origin, value, extent }) }
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
        let walk = Walk::new(dims, [from, index, into].map(|v| start_of(plan, v)));
        Self { walk, step: from.stride(axis), extent, origin }
    }

    /// Runs it.
    ///
    /// # Errors
    /// Where an index is no place of its axis.
    pub fn run<T: Real>(
        &self,
        arena: &Arena<T>,
        copied: &mut Vec<f64>,
        places: &mut Vec<usize>,
    ) -> Result<(), ExecutionError> {
        if let [(rows, [0, by_index, by_into]), (n, [by_from, 0, 1])] = self.walk.dims[..]
            && rows >= self.extent
            && by_from != 1
        {
            return self.turned(arena, (rows, by_index, by_into), (n, by_from), copied);
        }
        match self.walk.dims.split_last() {
            Some((&(n, [0, 1, 1]), outer)) if outer.iter().all(|d| d.1[1] == 0) => {
                let reach = places_of(arena, (self.walk.starts[1], n), (self.step, self.extent), self.origin, places)?;
                self.walk.rows(|[from, _, into], _| {
                    // SAFETY: operands are not written meanwhile, and the result is this task's own (see `Arena`).
                    let (from, into) = unsafe { (arena.read(from, reach), arena.write(into, n)) };
                    for (o, &p) in into.iter_mut().zip(places.iter()) {
                        *o = from.get(p).copied().unwrap_or_default();
                    }
                    Ok(())
                })
            }
            _ => self.walk.rows(|starts, row| self.row(arena, starts, row)),
        }
    }

    /// Rows of what lies the other way round: it is turned first, so that each is one copy.
    fn turned<T: Real>(
        &self,
        arena: &Arena<T>,
        (rows, by_index, by_into): (usize, usize, usize),
        (n, by_from): (usize, usize),
        copied: &mut Vec<f64>,
    ) -> Result<(), ExecutionError> {
        let [from, index, into] = self.walk.starts;
        copied.clear();
        for k in 0..self.extent {
            // SAFETY: operands are not written meanwhile (see `Arena`).
            let column = unsafe { arena.read(from + k * self.step, n.saturating_sub(1) * by_from + 1) };
            copied.extend(column.iter().step_by(by_from.max(1)).take(n).map(|v| v.to_f64()));
        }
        for row in 0..rows {
            // SAFETY: as above.
            let k = place(at(unsafe { arena.read(index + row * by_index, 1) }), self.extent, self.origin)?;
            let values = copied.get(k * n..(k + 1) * n).unwrap_or_default();
            // SAFETY: the result is this task's own.
            for (o, &v) in unsafe { arena.write(into + row * by_into, n) }.iter_mut().zip(values) {
                *o = T::from_f64(v);
            }
        }
        Ok(())
    }

    /// The innermost dimension.
    fn row<T: Real>(
        &self,
        arena: &Arena<T>,
        [from, index, into]: [usize; 3],
        (n, [by_from, by_index, by_into]): (usize, [usize; 3]),
    ) -> Result<(), ExecutionError> {
        let pick = |j: usize| {
            // SAFETY: operands are not written meanwhile (see `Arena`).
            place(at(unsafe { arena.read(index + j * by_index, 1) }), self.extent, self.origin)
        };
        if (by_from, by_index, by_into) == (1, 0, 1) {
            let from = from + pick(0)? * self.step;
            // SAFETY: as above, and the result is this task's own.
            unsafe { arena.write(into, n).copy_from_slice(arena.read(from, n)) };
            return Ok(());
        }
        for j in 0..n {
            let from = from + j * by_from + pick(j)? * self.step;
            // SAFETY: as above.
            unsafe { arena.write(into + j * by_into, 1).copy_from_slice(arena.read(from, 1)) };
        }
        Ok(())
    }
}

/// The distances that an index of so many elements stands for, read once for all that it is met with; gives how far they reach.
fn places_of<T: Real>(
    arena: &Arena<T>,
    (index, n): (usize, usize),
    (step, extent): (usize, usize),
    origin: Origin,
    places: &mut Vec<usize>,
) -> Result<usize, ExecutionError> {
    places.clear();
    // SAFETY: operands are not written meanwhile (see `Arena`).
    for &value in unsafe { arena.read(index, n) } {
        places.push(step * place(value, extent, origin)?);
    }
    Ok(places.iter().max().map_or(0, |most| most + 1))
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
        let walk = Walk::new(dims, [from, index, into].map(|v| start_of(plan, v)));
        Self { walk, step: into.stride(axis), extent, into: (start_of(plan, into), into.size()), origin }
    }

    /// Runs it. Sums are accumulated in f64, in the order of the operand.
    ///
    /// # Errors
    /// Where an index is no place of its axis.
    pub fn run<T: Real>(
        &self,
        arena: &Arena<T>,
        totals: &mut Vec<f64>,
        places: &mut Vec<usize>,
    ) -> Result<(), ExecutionError> {
        totals.clear();
        totals.resize(self.into.1, 0.0);
        let (start, size) = self.into;
        // SAFETY: the result is this task's own.
        let out = unsafe { arena.write(start, size) };
        if let [(rows, [by_from, by_index, 0]), (n, [1, 0, by_into])] = self.walk.dims[..]
            && size == n * self.extent
            && by_into != 1
        {
            self.turned(arena, totals, (rows, by_from, by_index), n)?;
            for (k, row) in totals.chunks(n.max(1)).enumerate() {
                let places = out.get_mut(self.walk.starts[2] - start + k * self.step..).unwrap_or_default();
                for (o, &t) in places.iter_mut().step_by(by_into.max(1)).zip(row) {
                    *o = T::from_f64(t);
                }
            }
            return Ok(());
        }
        match self.walk.dims.split_last() {
            Some((&(n, [1, 1, 0]), outer)) if outer.iter().all(|d| d.1[1] == 0) => {
                places_of(arena, (self.walk.starts[1], n), (self.step, self.extent), self.origin, places)?;
                self.walk.rows(|[from, _, into], _| {
                    let totals = totals.get_mut(into - start..).unwrap_or_default();
                    // SAFETY: operands are not written meanwhile, and lie apart from the result (see `Arena`).
                    for (value, &p) in unsafe { arena.read(from, n) }.iter().zip(places.iter()) {
                        if let Some(t) = totals.get_mut(p) {
                            *t += value.to_f64();
                        }
                    }
                    Ok(())
                })?;
            }
            _ => self.walk.rows(|starts, row| self.row(arena, totals, starts, row))?,
        }
        for (o, &mut t) in out.iter_mut().zip(totals) {
            *o = T::from_f64(t);
        }
        Ok(())
    }

    /// Sums of rows, one behind the other by their place, where the result lies the other way round.
    fn turned<T: Real>(
        &self,
        arena: &Arena<T>,
        totals: &mut [f64],
        (rows, by_from, by_index): (usize, usize, usize),
        n: usize,
    ) -> Result<(), ExecutionError> {
        let [from, index, _] = self.walk.starts;
        for row in 0..rows {
            // SAFETY: operands are not written meanwhile, and lie apart from the result (see `Arena`).
            let k = place(at(unsafe { arena.read(index + row * by_index, 1) }), self.extent, self.origin)?;
            let totals = totals.get_mut(k * n..(k + 1) * n).unwrap_or_default();
            // SAFETY: as above.
            for (t, value) in totals.iter_mut().zip(unsafe { arena.read(from + row * by_from, n) }) {
                *t += value.to_f64();
            }
        }
        Ok(())
    }

    /// The innermost dimension.
    fn row<T: Real>(
        &self,
        arena: &Arena<T>,
        totals: &mut [f64],
        [from, index, into]: [usize; 3],
        (n, [by_from, by_index, by_into]): (usize, [usize; 3]),
    ) -> Result<(), ExecutionError> {
        let start = self.into.0;
        let pick = |j: usize| {
            // SAFETY: operands are not written meanwhile, and lie apart from the result (see `Arena`).
            place(at(unsafe { arena.read(index + j * by_index, 1) }), self.extent, self.origin)
        };
        if (by_from, by_index, by_into) == (1, 0, 1) {
            let totals = totals.get_mut(into + pick(0)? * self.step - start..).unwrap_or_default();
            // SAFETY: as above.
            for (t, value) in totals.iter_mut().zip(unsafe { arena.read(from, n) }) {
                *t += value.to_f64();
            }
            return Ok(());
        }
        for j in 0..n {
            let k = pick(j)?;
            // SAFETY: as above.
            let value = at(unsafe { arena.read(from + j * by_from, 1) });
            if let Some(t) = totals.get_mut(into + j * by_into + k * self.step - start) {
                *t += value.to_f64();
            }
        }
        Ok(())
    }
}

/// Adds what lies one over another.
#[derive(Clone, Debug)]
pub struct Overlay {
    walk: Walk<2>,
    into: (usize, usize),
    /// Whether what is written is runs of elements, each behind the one before.
    in_order: bool,
}

impl Overlay {
    /// Places an overlay whose views are those of the panel.
    pub fn bind(plan: &Plan, from: &View, onto: &View, into: &View) -> Self {
        let dims = from.dims.iter().map(|d| (d.extent, [d.stride, onto.stride(d.axis)]));
        let walk = Walk::new(dims, [from, onto].map(|v| start_of(plan, v)));
        let in_order = walk.writes_runs_in_order();
        Self { walk, into: (start_of(plan, into), into.size()), in_order }
    }

    /// Runs it. What lies on one place is added up in the order of the operand.
    pub fn run<T: Real>(&self, arena: &Arena<T>) {
        let (start, size) = self.into;
        // SAFETY: the result is this task's own.
        let out = unsafe { arena.write(start, size) };
        if self.in_order {
            return self.between_zeros(arena, out);
        }
        out.fill(T::ZERO);
        let row = |[from, onto]: [usize; 2], (n, [by_from, by_onto]): (usize, [usize; 2])| {
            let reach = |by: usize| n.saturating_sub(1) * by + 1;
            // SAFETY: the operand is not written meanwhile, and lies apart from the result (see `Arena`).
            let from = unsafe { arena.read(from, reach(by_from)) };
            let out = out.get_mut(onto - start..onto - start + reach(by_onto)).unwrap_or_default();
            if (by_from, by_onto) == (1, 1) {
                out.iter_mut().zip(from).for_each(|(o, &x)| *o = *o + x);
            } else {
                let out = out.iter_mut().step_by(by_onto.max(1));
                out.zip(from.iter().step_by(by_from.max(1))).for_each(|(o, &x)| *o = *o + x);
            }
            Ok::<(), std::convert::Infallible>(())
        };
        let Ok(()) = self.walk.rows(row);
    }

    /// Copies rows to their places, and zeros to all between them, so that nothing is written twice.
    fn between_zeros<T: Real>(&self, arena: &Arena<T>, out: &mut [T]) {
        let start = self.into.0;
        let mut done = 0;
        let row = |[from, onto]: [usize; 2], (n, [by_from, _]): (usize, [usize; 2])| {
            // SAFETY: the operand is not written meanwhile, and lies apart from the result (see `Arena`).
            let from = unsafe { arena.read(from, n.saturating_sub(1) * by_from + 1) };
            let first = onto - start;
            out.get_mut(done..first).unwrap_or_default().fill(T::ZERO);
            let run = out.get_mut(first..first + n).unwrap_or_default();
            match by_from {
                1 => run.iter_mut().zip(from).for_each(|(o, &x)| *o = x),
                by => run.iter_mut().zip(from.iter().step_by(by.max(1))).for_each(|(o, &x)| *o = x),
            }
            done = first + n;
            Ok::<(), std::convert::Infallible>(())
        };
        let Ok(()) = self.walk.rows(row);
        out.get_mut(done..).unwrap_or_default().fill(T::ZERO);
    }
}

/// The elements of a view over some axes, row-major; axes it lacks repeat it.
pub fn read_out<T: Real>(plan: &Plan, arena: &Arena<T>, view: &View, axes: &[(Axis, usize)]) -> Vec<f64> {
    let mut values = Vec::with_capacity(axes.iter().map(|a| a.1).product());
    let start = start_of(plan, view);
    if view.follows(&axes.iter().copied().filter(|a| a.1 != 1).collect::<Vec<_>>()) {
        // SAFETY: no phase is running.
        values.extend(unsafe { arena.read(start, view.size()) }.iter().map(|v| v.to_f64()));
        return values;
    }
    let dims = axes.iter().map(|&(a, extent)| (extent, [view.stride(a)]));
    Walk::new(dims, [start]).each(|[at]| {
        // SAFETY: no phase is running.
        values.extend(unsafe { arena.read(at, 1) }.iter().map(|v| v.to_f64()));
    });
    values
}
