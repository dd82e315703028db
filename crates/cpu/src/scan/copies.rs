//! Copies between a loop's memory and the plan's, whose places are worked out once.

#![allow(unsafe_code)]

use fe_graph::Axis;
use fe_graph::plan::View;

use crate::arena::Arena;
use crate::math::Real;

/// Rows of no more elements than this are copied without a call.
const SHORT: usize = 32;

/// One side of a copy: where its memory begins, and its strides.
pub type Side<'a> = (usize, &'a View);

/// Elements copied from one strided place to another. Either place moves on with the position in the loop.
#[derive(Clone, Debug)]
pub struct Copies {
    places: [usize; 2],
    /// Elements from one position to the next.
    along: [usize; 2],
    /// Extents and strides, neighbours merged, the innermost last.
    dims: Vec<(usize, [usize; 2])>,
}

impl Copies {
    /// Over these axes, none of extent 1.
    pub fn new(axes: &[(Axis, usize)], from: Side, into: Side) -> Self {
        let mut dims: Vec<(usize, [usize; 2])> = vec![];
        for &(axis, extent) in axes {
            let strides = [from.1.stride(axis), into.1.stride(axis)];
            match dims.last_mut() {
                Some((n, outer)) if *outer == strides.map(|s| s * extent) => (*n, *outer) = (*n * extent, strides),
                _ => dims.push((extent, strides)),
            }
        }
        Self { places: [from.0, into.0], along: [0; 2], dims }
    }

    /// What is read moves on by so many elements from one position to the next.
    #[must_use]
    pub fn reading(self, step: usize) -> Self {
        Self { along: [step, 0], ..self }
    }

    /// What is written does.
    #[must_use]
    pub fn writing(self, step: usize) -> Self {
        Self { along: [0, step], ..self }
    }

    /// Copies what belongs to a position.
    ///
    /// # Safety
    /// Nobody else writes what is read, or reads or writes what is written, and the two lie apart.
    pub unsafe fn run<T: Real>(&self, from: &Arena<T>, into: &Arena<T>, position: usize) {
        let [read, write] = self.places;
        let [by_read, by_write] = self.along;
        // SAFETY: by the caller's promise.
        unsafe { copy(&self.dims, from, into, [read + by_read * position, write + by_write * position]) };
    }

    /// Whether what is read at the first position is already there.
    ///
    /// # Safety
    /// Nobody else writes either side.
    pub unsafe fn are_done<T: Real>(&self, from: &Arena<T>, into: &Arena<T>) -> bool {
        // SAFETY: by the caller's promise.
        unsafe { same(&self.dims, from, into, self.places) }
    }
}

/// # Safety
/// As [`Copies::are_done`].
unsafe fn same<T: Real>(dims: &[(usize, [usize; 2])], from: &Arena<T>, into: &Arena<T>, [a, b]: [usize; 2]) -> bool {
    // SAFETY: by the caller's promise.
    unsafe {
        match dims {
            [] => all_same(from.read(a, 1), into.read(b, 1)),
            &[(n, [1, 1])] => all_same(from.read(a, n), into.read(b, n)),
            [(n, [by_a, by_b]), rest @ ..] => (0..*n).all(|k| same(rest, from, into, [a + k * by_a, b + k * by_b])),
        }
    }
}

/// Whether numbers are the same; what is none stays so too.
fn all_same<T: Real>(a: &[T], b: &[T]) -> bool {
    a.iter().zip(b).all(|(a, b)| a == b || a.partial_cmp(a).is_none() && b.partial_cmp(b).is_none())
}

/// # Safety
/// As [`Copies::run`].
unsafe fn copy<T: Real>(dims: &[(usize, [usize; 2])], from: &Arena<T>, into: &Arena<T>, [read, write]: [usize; 2]) {
    // SAFETY: by the caller's promise.
    unsafe {
        match dims {
            [] => into.write(write, 1).copy_from_slice(from.read(read, 1)),
            &[(n, [1, 1])] => into.write(write, n).copy_from_slice(from.read(read, n)),
            &[(n, [0, 1])] => {
                let value = from.read(read, 1).first().copied().unwrap_or_default();
                into.write(write, n).fill(value);
            }
            &[(rows, [by_read, by_write]), (n, [1, 1])] if n <= SHORT => {
                for k in 0..rows {
                    let (source, ends) = from.read(read + k * by_read, n).as_chunks::<4>();
                    let (out, last) = into.write(write + k * by_write, n).as_chunks_mut::<4>();
                    for (o, v) in out.iter_mut().zip(source) {
                        *o = *v;
                    }
                    for (o, v) in last.iter_mut().zip(ends) {
                        *o = *v;
                    }
                }
            }
            [(n, [by_read, by_write]), rest @ ..] => {
                for k in 0..*n {
                    copy(rest, from, into, [read + k * by_read, write + k * by_write]);
                }
            }
        }
    }
}
