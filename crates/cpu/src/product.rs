//! Matrix products: blocks in registers on row panels, plain loops where they are small, and spikes alone where they
//! are few.

#![allow(unsafe_code)]
#![allow(clippy::indexing_slicing)]

#[cfg(target_arch = "x86_64")]
mod blocked;
mod spikes;
#[cfg(target_arch = "x86_64")]
mod transposed;
mod vector;
mod workspace;

use std::ops::Range;

use fe_graph::plan::{Loop, Plan, Product};

use crate::arena::Arena;
use crate::isa::{Isa, vectorized};
use crate::math::Real;
#[cfg(target_arch = "x86_64")]
pub use crate::product::blocked::Lanes;
pub use crate::product::workspace::Workspace;
use crate::region::start_of;

/// Numbers that fill a vector register; nothing is asked of them on this processor.
#[cfg(not(target_arch = "x86_64"))]
pub trait Lanes {}
#[cfg(not(target_arch = "x86_64"))]
impl Lanes for f32 {}
#[cfg(not(target_arch = "x86_64"))]
impl Lanes for f64 {}

/// Up to this many multiplications plain loops are quicker than setting up a blocked product.
const SMALL: usize = 1 << 12;

/// Spikes per element below which a product with counts runs on the spikes alone.
const SPARSE: f64 = 0.25;

/// Elements wanted of a result below which each is computed by itself.
const MASKED: f64 = 0.15;

/// Products with fewer columns gain nothing from skipping zeros.
const SPARSE_COLUMNS: usize = 32;

/// A product with its places in memory.
#[derive(Clone, Debug)]
pub struct BoundProduct {
    starts: [usize; 3],
    outer: Vec<Loop>,
    summed: Vec<Loop>,
    m: Loop,
    n: Loop,
    k: Loop,
    sparse: bool,
    /// The start of the result's mask, which is laid out alike.
    mask: Option<usize>,
}

impl BoundProduct {
    /// Places a product whose views and loops are those of the panel or tile.
    pub fn bind(plan: &Plan, p: &Product) -> Self {
        let [left, right, into] = [&p.left, &p.right, &p.into].map(|v| start_of(plan, v));
        // A result is made row by row of its memory, so that a tile of it has no gaps. Counts and masks keep their
        // sides.
        let turned = !p.sparse && p.mask.is_none() && p.m.strides[2] == 1 && p.n.strides[2] > 1;
        let turn = |l: &Loop| {
            let [left, right, into] = l.strides;
            Loop { strides: if turned { [right, left, into] } else { l.strides }, ..*l }
        };
        let (m, n) = if turned { (&p.n, &p.m) } else { (&p.m, &p.n) };
        Self {
            starts: if turned { [right, left, into] } else { [left, right, into] },
            outer: p.outer.iter().map(turn).collect(),
            summed: p.summed.iter().map(turn).collect(),
            m: turn(m),
            n: turn(n),
            k: turn(&p.k),
            mask: p
                .mask
                .as_ref()
                .filter(|m| m.dims == p.into.dims && p.outer.is_empty() && p.summed.is_empty())
                .map(|m| start_of(plan, m)),
            sparse: p.sparse && p.n.strides[1] == 1 && p.n.strides[2] == 1 && p.n.extent >= SPARSE_COLUMNS,
        }
    }

    /// Rows of the result.
    pub fn height(&self) -> usize {
        self.m.extent
    }

    /// Some rows of the result.
    pub fn rows(&self, range: &Range<usize>) -> Self {
        let mut tile = self.clone();
        tile.starts[0] += tile.m.strides[0] * range.start;
        tile.starts[2] += tile.m.strides[2] * range.start;
        tile.mask = tile.mask.map(|at| at + tile.m.strides[2] * range.start);
        tile.m.extent = range.len();
        tile
    }

    /// The places of the result, where they follow one another without a gap.
    pub fn result(&self) -> Option<Range<usize>> {
        let (m, n) = (&self.m, &self.n);
        let dense = n.strides[2] == 1 && (m.strides[2] == n.extent || m.extent == 1) && self.outer.is_empty();
        dense.then(|| self.starts[2]..self.starts[2] + m.extent * n.extent)
    }

    /// Multiplications.
    pub fn size(&self) -> usize {
        let loops: usize = self.outer.iter().chain(&self.summed).map(|l| l.extent).product();
        loops * self.m.extent * self.n.extent * self.k.extent
    }

    /// Runs it.
    pub fn run<T: Real>(&self, isa: Isa, arena: &Arena<T>, workspace: &mut Workspace) {
        let outer: usize = self.outer.iter().map(|l| l.extent).product();
        let summed: usize = self.summed.iter().map(|l| l.extent).product();
        if self.m.extent * self.n.extent == 0 {
            return;
        }
        for i in 0..outer {
            let starts = step(self.starts, &self.outer, i);
            if summed * self.k.extent == 0 {
                self.one(isa, arena, starts, (false, 0), workspace);
            }
            for j in 0..summed {
                self.one(isa, arena, step(starts, &self.summed, j), (j > 0, self.k.extent), workspace);
            }
        }
    }

    /// One product of two matrices, by the path that its extents and its operands suit.
    fn one<T: Real>(
        &self,
        isa: Isa,
        arena: &Arena<T>,
        starts: [usize; 3],
        (add, k): (bool, usize),
        workspace: &mut Workspace,
    ) {
        let (m, n) = (self.m.extent, self.n.extent);
        let shape = Geometry {
            extents: [m, n, k],
            left: [self.m.strides[0], self.k.strides[0]],
            right: [self.k.strides[1], self.n.strides[1]],
            into: [self.m.strides[2], self.n.strides[2]],
            add,
        };
        // SAFETY: the plan gives this task its result alone, and its operands are not written meanwhile; the three do
        // not overlap (see `Arena`). Every path below takes these slices, or none.
        let slices = || unsafe {
            (
                arena.read(starts[0], if k == 0 { 0 } else { last(m, k, shape.left) }),
                arena.read(starts[1], if k == 0 { 0 } else { last(k, n, shape.right) }),
                arena.write(starts[2], last(m, n, shape.into)),
            )
        };
        if k > 0 && (m == 1 || n == 1) {
            let (left, right, into) = slices();
            if vector::multiply(isa, &shape, left, right, into) {
                return;
            }
        }
        if k == 0 || isa != Isa::Avx512 && m * n * k <= SMALL {
            let (left, right, into) = slices();
            small(isa, &shape, left, right, into);
            return;
        }
        if self.sparse {
            let (left, right, into) = slices();
            let (spikes, entries) = (spikes::count(isa, left, &shape, workspace), (m * k) as u64);
            workspace.spikes += spikes;
            workspace.entries += entries;
            if (spikes as f64) < SPARSE * entries as f64 {
                spikes::multiply(isa, &shape, [left, right], into, SPARSE, workspace);
                return;
            }
        }
        if let Some(mask) = self.mask.filter(|_| shape.left[1] == 1 && shape.right[0] == 1) {
            let counted = Geometry { extents: [m, 0, n], left: shape.into, ..shape };
            // SAFETY: as above; the mask is an operand.
            let mask = unsafe { arena.read(mask, last(m, n, shape.into)) };
            let (left, right, into) = slices();
            if (spikes::count(isa, mask, &counted, workspace) as f64) < MASKED * (m * n) as f64 {
                spikes::multiply_masked(isa, &shape, (mask, &counted), [left, right], into, MASKED, workspace);
                return;
            }
        }
        // Bounds are checked before pointers are handed on; the slices are dropped at once.
        let _ = slices();
        // SAFETY: as above, and the bounds were checked.
        unsafe { dense(isa, arena, &shape, starts, workspace) };
    }
}

/// Elements from the first of a matrix to the end of its last.
fn last(rows: usize, columns: usize, [r, c]: [usize; 2]) -> usize {
    (rows.saturating_sub(1)) * r + (columns.saturating_sub(1)) * c + 1
}

/// A product by our own blocks with AVX-512, else by the gemm crate.
///
/// # Safety
/// All three matrices lie within the arena; no one else reads or writes the result, which overlaps neither operand, and
/// no one writes the operands.
unsafe fn dense<T: Real>(isa: Isa, arena: &Arena<T>, shape: &Geometry, starts: [usize; 3], workspace: &mut Workspace) {
    let [m, n, k] = shape.extents;
    #[cfg(target_arch = "x86_64")]
    if isa == Isa::Avx512 {
        let matrix = |which: usize, [row, column]: [usize; 2]| blocked::Matrix {
            start: arena.pointer(starts[which]),
            row,
            column,
        };
        let (left, right) = (matrix(0, shape.left), matrix(1, shape.right));
        // SAFETY: the matrices are as the caller says; the processor has AVX-512.
        if unsafe { blocked::multiply(shape.extents, left, right, matrix(2, shape.into), shape.add, workspace) } {
            return;
        }
    }
    let signed = |s: usize| isize::try_from(s).unwrap_or(isize::MAX);
    // SAFETY: the matrices are as the caller says.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            arena.pointer(starts[2]),
            signed(shape.into[1]),
            signed(shape.into[0]),
            shape.add,
            arena.pointer(starts[0]),
            signed(shape.left[1]),
            signed(shape.left[0]),
            arena.pointer(starts[1]),
            signed(shape.right[1]),
            signed(shape.right[0]),
            T::ONE,
            T::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

fn step(mut starts: [usize; 3], loops: &[Loop], mut at: usize) -> [usize; 3] {
    for l in loops.iter().rev() {
        let place = at % l.extent;
        at /= l.extent;
        for (s, stride) in starts.iter_mut().zip(l.strides) {
            *s += place * stride;
        }
    }
    starts
}

/// Extents and strides of one matrix product: rows and columns of each matrix.
struct Geometry {
    extents: [usize; 3],
    left: [usize; 2],
    right: [usize; 2],
    into: [usize; 2],
    add: bool,
}

#[inline(always)]
fn small_body<T: Real, const FMA: bool>(shape: &Geometry, left: &[T], right: &[T], into: &mut [T]) {
    let [m, n, k] = shape.extents;
    let rows = shape.right[1] == 1 && shape.into[1] == 1;
    for i in 0..m {
        if rows {
            let out = &mut into[i * shape.into[0]..][..n];
            if !shape.add {
                out.fill(T::ZERO);
            }
            for l in 0..k {
                let a = left[i * shape.left[0] + l * shape.left[1]];
                let row = &right[l * shape.right[0]..][..n];
                for (o, &b) in out.iter_mut().zip(row) {
                    *o = a.fused::<FMA>(b, *o);
                }
            }
        } else {
            for j in 0..n {
                let at = i * shape.into[0] + j * shape.into[1];
                let mut total = if shape.add { into[at] } else { T::ZERO };
                for l in 0..k {
                    let a = left[i * shape.left[0] + l * shape.left[1]];
                    total = a.fused::<FMA>(right[l * shape.right[0] + j * shape.right[1]], total);
                }
                into[at] = total;
            }
        }
    }
}

vectorized!(
    fn small<T: Real>(shape: &Geometry, left: &[T], right: &[T], into: &mut [T]) = small_body
);
