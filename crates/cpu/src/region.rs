//! The register machine: fused element-wise operations over cache-sized blocks.

#![allow(unsafe_code)]
// Registers and loads are numbered by `bind`, which sizes their tables.
#![allow(clippy::indexing_slicing)]

mod bind;
mod copies;

use fe_graph::plan::{ALIGNMENT, Fold, Map, Plan, View};

use crate::arena::Arena;
use crate::elementwise;
use crate::isa::vectorized;
use crate::math::Real;
use copies::{expand, grouped, offset};

/// Elements of a block: small enough that some dozen registers stay in the first-level cache.
pub const BLOCK: usize = 256;

/// From this many elements on, the innermost dimension is run through by itself.
const LONG: usize = 96;

/// The location of an operand.
#[derive(Clone, Copy, Debug)]
enum Location {
    /// A register.
    Register(usize),
    /// Memory that follows the space: its place for the first element.
    Memory(usize),
    /// Memory that follows the innermost dimension: the number of its load.
    Row(usize),
}

/// The filling of a register.
#[derive(Clone, Debug)]
enum Filling<T> {
    Number(T),
    /// The same element for all.
    Same(usize),
    /// Strides along the dimensions of the space.
    Strided {
        start: usize,
        strides: Vec<usize>,
    },
    /// Strides along dimensions of its own, neighbours of the space that it steps through evenly being one.
    Merged {
        start: usize,
        dims: Vec<usize>,
        strides: Vec<usize>,
    },
    /// The same offsets for every group of elements, and strides along the dimensions outside of that.
    Grouped {
        start: usize,
        offsets: Vec<usize>,
        span: usize,
        dims: Vec<usize>,
        strides: Vec<usize>,
    },
    /// Offsets of all elements, where the space is no more than a block.
    Listed {
        start: usize,
        offsets: Vec<usize>,
        span: usize,
    },
}

#[derive(Clone, Debug)]
struct BoundInstruction {
    map: Map,
    operands: [Location; 3],
    into: Location,
}

#[derive(Clone, Debug)]
struct Fill<T> {
    register: usize,
    filling: Filling<T>,
}

/// A load read in place, row by row.
#[derive(Clone, Debug)]
struct RowLoad {
    start: usize,
    strides: Vec<usize>,
}

#[derive(Clone, Debug)]
struct BoundFold {
    value: Location,
    fold: Fold,
    last: bool,
    /// Elements folded into one where the last dimensions go; elements that stay where the first go.
    group: usize,
    into: usize,
    /// Results.
    results: usize,
    /// The place of its running sums, where the first dimensions are folded.
    sums: usize,
}

/// A region with its places in memory.
#[derive(Clone, Debug)]
pub struct BoundRegion<T> {
    /// Merged dimensions.
    dims: Vec<usize>,
    size: usize,
    /// Filled once.
    constants: Vec<Fill<T>>,
    /// Filled for each block, or, in rows, for each row where the stride along it is 0.
    fills: Vec<Fill<T>>,
    rows: Vec<RowLoad>,
    instructions: Vec<BoundInstruction>,
    folds: Vec<BoundFold>,
    /// Whether the innermost dimension is run through by itself.
    by_rows: bool,
    /// Whether instructions may run on to the end of a vector: every operand and result is a buffer of its own then,
    /// which memory is rounded up for.
    rounded: bool,
    /// Registers needed.
    pub registers: usize,
    /// Running sums needed.
    pub sums: usize,
}

/// The place of a view's first element.
pub fn start_of(plan: &Plan, view: &View) -> usize {
    plan.buffers.get(view.buffer).map_or(usize::MAX, |b| b.start) + view.offset
}

/// Folds one block into its results. `at` is the place of the block's first element in the space.
#[inline(always)]
fn fold<T: Real>(f: &BoundFold, arena: &Arena<T>, at: usize, block: &[T], carried: &mut f64, sums: &mut [f64]) {
    let mut done = 0;
    while done < block.len() {
        let within = (at + done) % f.group;
        let whole = (block.len() - done) / f.group;
        if f.last && within == 0 && whole > 1 {
            // SAFETY: the results of a region's folds are its own (see `Arena`).
            let results = unsafe { arena.write(f.into + (at + done) / f.group, whole) };
            whole_folds(f.fold, results, &block[done..done + whole * f.group], f.group);
            done += whole * f.group;
            continue;
        }
        let length = (f.group - within).min(block.len() - done);
        let part = &block[done..done + length];
        if f.last {
            if within == 0 {
                *carried = if f.fold == Fold::Sum { 0.0 } else { f64::NEG_INFINITY };
            }
            match f.fold {
                Fold::Sum => *carried += elementwise::sum(part),
                Fold::Max => *carried = elementwise::max(part, *carried),
            }
            if within + length == f.group {
                // SAFETY: the results of a region's folds are its own (see `Arena`).
                unsafe { arena.write(f.into + (at + done) / f.group, 1) }.fill(T::from_f64(*carried));
            }
        } else {
            let sums = &mut sums[f.sums + within..][..length];
            match f.fold {
                Fold::Sum => {
                    for (r, &v) in sums.iter_mut().zip(part) {
                        *r += v.to_f64();
                    }
                }
                Fold::Max => {
                    for (r, &v) in sums.iter_mut().zip(part) {
                        *r = elementwise::larger(*r, v.to_f64());
                    }
                }
            }
        }
        done += length;
    }
}

/// Folds groups that lie in one block.
#[inline(always)]
fn whole_folds<T: Real>(fold: Fold, results: &mut [T], block: &[T], group: usize) {
    match group {
        1 => folds_of::<T, 1>(fold, results, block),
        2 => folds_of::<T, 2>(fold, results, block),
        3 => folds_of::<T, 3>(fold, results, block),
        4 => folds_of::<T, 4>(fold, results, block),
        5 => folds_of::<T, 5>(fold, results, block),
        6 => folds_of::<T, 6>(fold, results, block),
        7 => folds_of::<T, 7>(fold, results, block),
        8 => folds_of::<T, 8>(fold, results, block),
        _ => {
            for (r, group) in results.iter_mut().zip(block.chunks_exact(group)) {
                *r = T::from_f64(match fold {
                    Fold::Sum => elementwise::sum(group),
                    Fold::Max => elementwise::max(group, f64::NEG_INFINITY),
                });
            }
        }
    }
}

#[inline(always)]
fn folds_of<T: Real, const N: usize>(fold: Fold, results: &mut [T], block: &[T]) {
    let (groups, _) = block.as_chunks::<N>();
    match fold {
        Fold::Sum => {
            for (r, group) in results.iter_mut().zip(groups) {
                *r = T::from_f64(group.iter().fold(0.0, |sum, v| sum + v.to_f64()));
            }
        }
        Fold::Max => {
            for (r, group) in results.iter_mut().zip(groups) {
                let largest = group.iter().fold(f64::NEG_INFINITY, |most, v| elementwise::larger(most, v.to_f64()));
                *r = T::from_f64(largest);
            }
        }
    }
}

/// Fills what stays the same throughout, and begins the folds.
#[inline(always)]
fn begin<T: Real>(region: &BoundRegion<T>, arena: &Arena<T>, scratch: &mut [T], sums: &mut [f64], block_len: usize) {
    for Fill { register, filling } in &region.constants {
        let out = &mut scratch[register * BLOCK..register * BLOCK + block_len];
        match filling {
            Filling::Number(v) => out.fill(*v),
            // SAFETY: loads are not written while the region runs.
            Filling::Same(at) => out.fill(unsafe { arena.read(*at, 1) }[0]),
            _ => {}
        }
    }
    let start = |f: &BoundFold| if f.fold == Fold::Sum { 0.0 } else { f64::NEG_INFINITY };
    for f in region.folds.iter().filter(|f| !f.last) {
        sums[f.sums..f.sums + f.group].fill(start(f));
    }
    if region.size == 0 {
        for f in region.folds.iter().filter(|f| f.last) {
            // SAFETY: the results of a region's folds are its own.
            unsafe { arena.write(f.into, f.results) }.fill(T::from_f64(start(f)));
        }
    }
}

#[inline(always)]
fn run_body<T: Real, const FMA: bool>(region: &BoundRegion<T>, arena: &Arena<T>, scratch: &mut [T], sums: &mut [f64]) {
    let block_len = BLOCK.min(region.size);
    begin(region, arena, scratch, sums, block_len);
    let mut carried = [0.0f64; FOLDS];
    let inner = if region.by_rows { region.dims.last().copied().unwrap_or(1) } else { region.size };
    let rows = region.size.checked_div(inner).unwrap_or(0);
    for row in 0..rows {
        let mut begin = 0;
        while begin < inner {
            let length = (inner - begin).min(BLOCK);
            let at = row * inner + begin;
            let rounded = if region.rounded { length.next_multiple_of(ALIGNMENT) } else { length };
            for Fill { register, filling } in &region.fills {
                // Along a row that it does not follow, a load is the same: filled at the row's first block.
                let same = matches!(filling, Filling::Strided { strides, .. } if strides.last() == Some(&0));
                if same && begin > 0 {
                    continue;
                }
                let length = if same { block_len } else { length };
                let out = &mut scratch[register * BLOCK..][..length];
                match filling {
                    Filling::Listed { start, offsets, span } => {
                        // SAFETY: loads are not written while the region runs.
                        let from = unsafe { arena.read(*start, *span) };
                        for (o, &k) in out.iter_mut().zip(offsets) {
                            *o = from[k];
                        }
                    }
                    Filling::Strided { start, strides } if same => {
                        let place = start + offset(&region.dims, strides, row);
                        // SAFETY: as above.
                        out.fill(unsafe { arena.read(place, 1) }[0]);
                    }
                    Filling::Strided { start, strides } => expand(arena, &region.dims, strides, *start, at, out),
                    Filling::Merged { start, dims, strides } => expand(arena, dims, strides, *start, at, out),
                    Filling::Grouped { start, offsets, span, dims, strides } => {
                        grouped(arena, (dims, strides), (*start, offsets, *span), at, out);
                    }
                    Filling::Number(_) | Filling::Same(_) => {}
                }
            }
            let registers = scratch.as_mut_ptr();
            let read = |source: Location, length: usize| -> &[T] {
                match source {
                    Location::Register(r) => {
                        debug_assert!((r + 1) * BLOCK <= region.registers * BLOCK);
                        // SAFETY: `run` checks that the scratch holds all registers; an instruction's result is never
                        // one of its operands, so this slice is not written while it lives.
                        unsafe { std::slice::from_raw_parts(registers.add(r * BLOCK), length) }
                    }
                    // SAFETY: loads are not written; a stored value is read back only after it was written.
                    Location::Memory(start) => unsafe { arena.read(start + at, length) },
                    Location::Row(k) => {
                        let load = &region.rows[k];
                        let place = load.start + offset(&region.dims, &load.strides, row) + begin;
                        // SAFETY: loads are not written while the region runs.
                        unsafe { arena.read(place, length) }
                    }
                }
            };
            for instruction in &region.instructions {
                let [a, b, c] = instruction.operands;
                let (a, b, c) = (read(a, rounded), read(b, rounded), read(c, rounded));
                let out = match instruction.into {
                    // SAFETY: as in `read`: this register is no operand's.
                    Location::Register(r) => unsafe {
                        std::slice::from_raw_parts_mut(registers.add(r * BLOCK), rounded)
                    },
                    // SAFETY: a store's place is its own, and no operand's.
                    Location::Memory(start) => unsafe { arena.write(start + at, rounded) },
                    Location::Row(_) => continue,
                };
                elementwise::apply::<T, FMA>(instruction.map, out, a, b, c);
            }
            for (f, carried) in region.folds.iter().zip(&mut carried) {
                fold(f, arena, at, read(f.value, length), carried, sums);
            }
            begin += length;
        }
    }
    for f in region.folds.iter().filter(|f| !f.last) {
        // SAFETY: the results of a region's folds are its own.
        let results = unsafe { arena.write(f.into, f.results) };
        for (r, &v) in results.iter_mut().zip(&sums[f.sums..]) {
            *r = T::from_f64(v);
        }
    }
}

/// Folds of one region, at most: what the planner keeps to.
const FOLDS: usize = fe_graph::plan::FOLDS;

vectorized!(
    /// Runs a region. `scratch` holds [`BLOCK`] elements for each of its registers.
    fn run_vectorized<T: Real>(region: &BoundRegion<T>, arena: &Arena<T>, scratch: &mut [T], sums: &mut [f64]) = run_body
);

impl<T: Real> BoundRegion<T> {
    /// Runs it. `scratch` holds [`BLOCK`] elements for each register, `sums` the running sums.
    pub fn run(&self, isa: crate::isa::Isa, arena: &Arena<T>, scratch: &mut [T], sums: &mut [f64]) {
        assert!(scratch.len() >= self.registers * BLOCK && self.folds.len() <= FOLDS);
        run_vectorized(isa, self, arena, scratch, sums);
    }
}
