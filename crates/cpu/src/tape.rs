//! Small work without loops around it: a straight list of instructions on whole vectors of sixteen.
//!
//! With tensors of ten elements, finding out what to do costs more than doing it. So a run of small loops, products and
//! rearrangements is compiled ([`compile`]) to one list. Every instruction knows its places; a scalar is kept in all
//! sixteen lanes, so that it meets a vector without being spread; lanes beyond a tensor's end are computed along and
//! never read.

#![allow(unsafe_code)]
// Lanes are numbered below their number.
#![allow(clippy::indexing_slicing)]

mod compile;
mod wide;

use fe_graph::plan::{Fold, Map};

use crate::arena::Arena;
use crate::elementwise::{self, larger};
use crate::isa::{Isa, vectorized};
use crate::math::Real;

pub use compile::compile;
pub use wide::Wide;

/// Lanes of a vector: what buffers are rounded up to.
pub const LANES: usize = fe_graph::plan::ALIGNMENT;

/// Terms summed in the tape's own precision before they are carried in f64.
const SHORT: usize = 64;

/// An operand: where it begins, and how far apart its vectors are: [`LANES`], or 0 for a scalar in all lanes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Operand {
    at: usize,
    step: usize,
}

/// A fold to several results.
#[derive(Clone, Copy, Debug)]
struct Folded {
    fold: Fold,
    from: usize,
    into: usize,
    results: usize,
    terms: usize,
    /// Whether a result's terms follow one another; else those of all results do.
    along: bool,
}

/// Rows copied next to one another.
#[derive(Clone, Copy, Debug)]
struct Rows {
    from: usize,
    into: usize,
    rows: usize,
    width: usize,
    /// From a row to the next.
    step: usize,
    /// Whether one element fills a row.
    filled: bool,
}

/// A small product. Columns are lanes: the right operand and the result follow along them.
#[derive(Clone, Copy, Debug)]
pub struct Multiplied {
    left: usize,
    right: usize,
    into: usize,
    rows: usize,
    columns: usize,
    terms: usize,
    /// Left: along rows and terms. Right: along terms. Result: along rows.
    strides: [usize; 4],
}

/// The operation of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Copy,
    Select,
    Neg,
    Square,
    Recip,
    Sqrt,
    Abs,
    Step,
    Relu,
    Add,
    Sub,
    Mul,
    Div,
    Max,
    Min,
    Less,
    LessEqual,
    Equal,
    /// A longer function, over slices: the one of number `extra`.
    Function,
    /// As many places as `count` says, from `extra` on in the list of places.
    Pick,
    /// Elements of one vector at the lanes from `extra` on in the list of places; lane [`LANES`] is 0.
    Permute,
    /// Rows: those of number `extra`.
    Rows,
    /// One element in all lanes.
    Spread,
    /// Σ of as many terms as `count` says, in all lanes.
    Sum,
    /// Their largest.
    Largest,
    /// The fold of number `extra`.
    Fold,
    /// The product of number `extra`.
    Multiply,
}

/// One instruction, small, for a tape is read again at every step.
#[derive(Clone, Copy, Debug)]
struct Instruction {
    op: Op,
    into: u32,
    /// The first element of each operand, and the distance between its vectors.
    at: [u32; 3],
    step: [u32; 3],
    /// Vectors, or what the operation says.
    count: u32,
    /// A number whose meaning depends on the operation.
    extra: u32,
}

/// A list of instructions.
#[derive(Clone, Debug)]
pub struct Tape<T> {
    code: Vec<Instruction>,
    /// Places that are picked.
    places: Vec<u32>,
    functions: Vec<Map>,
    rows: Vec<Rows>,
    folds: Vec<Folded>,
    products: Vec<Multiplied>,
    /// Numbers and where they stand, in all lanes.
    numbers: Vec<(usize, T)>,
    /// Elements of memory that instructions reach.
    reach: usize,
}

type Vector<T> = [T; LANES];

/// Memory, for instructions whose reach is checked.
#[derive(Clone, Copy)]
struct Memory<T>(*mut T);

impl<T: Real> Memory<T> {
    /// # Safety
    /// The place and the fifteen after it are in memory, which nobody else writes.
    #[inline(always)]
    unsafe fn load(self, at: usize) -> Vector<T> {
        // SAFETY: by the caller's promise; an array is aligned as its elements are.
        unsafe { self.0.add(at).cast::<Vector<T>>().read() }
    }

    /// # Safety
    /// As [`Memory::load`]; and nobody else reads it.
    #[inline(always)]
    unsafe fn store(self, at: usize, value: Vector<T>) {
        // SAFETY: by the caller's promise.
        unsafe { self.0.add(at).cast::<Vector<T>>().write(value) }
    }

    /// # Safety
    /// The place is in memory, which nobody else writes.
    #[inline(always)]
    unsafe fn one(self, at: usize) -> T {
        // SAFETY: by the caller's promise.
        unsafe { *self.0.add(at) }
    }
}

#[inline(always)]
fn each<T: Real>(f: impl Fn(usize) -> T) -> Vector<T> {
    let mut out = [T::ZERO; LANES];
    for (k, o) in out.iter_mut().enumerate() {
        *o = f(k);
    }
    out
}

/// The value that a fold begins with.
fn nothing<T: Real>(fold: Fold) -> T {
    if fold == Fold::Sum { T::ZERO } else { T::from_f64(f64::NEG_INFINITY) }
}

#[inline(always)]
fn folded<T: Real>(fold: Fold, x: T, y: T) -> T {
    if fold == Fold::Sum { x + y } else { larger(x, y) }
}

impl Instruction {
    /// # Safety
    /// Operands and results are in memory and nobody else's; the result overlaps no operand but at the same place.
    #[inline(always)]
    unsafe fn unary<T: Real>(&self, m: Memory<T>, f: impl Fn(T) -> T) {
        for k in 0..self.count as usize {
            // SAFETY: by the caller's promise.
            unsafe {
                let x = self.operand(m, 0, k);
                m.store(self.into as usize + k * LANES, each(|l| f(x[l])));
            }
        }
    }

    /// # Safety
    /// As [`Instruction::unary`].
    #[inline(always)]
    unsafe fn binary<T: Real>(&self, m: Memory<T>, f: impl Fn(T, T) -> T) {
        for k in 0..self.count as usize {
            // SAFETY: by the caller's promise.
            unsafe {
                let (x, y) = (self.operand(m, 0, k), self.operand(m, 1, k));
                m.store(self.into as usize + k * LANES, each(|l| f(x[l], y[l])));
            }
        }
    }

    /// Vector `k` of an operand.
    ///
    /// # Safety
    /// As [`Instruction::unary`].
    #[inline(always)]
    unsafe fn operand<T: Real>(&self, m: Memory<T>, which: usize, k: usize) -> Vector<T> {
        // SAFETY: by the caller's promise.
        unsafe { m.load(self.at[which] as usize + k * self.step[which] as usize) }
    }

    /// # Safety
    /// As [`Instruction::unary`].
    #[inline(always)]
    unsafe fn select<T: Real>(&self, m: Memory<T>) {
        for k in 0..self.count as usize {
            // SAFETY: by the caller's promise.
            unsafe {
                let (w, x, y) = (self.operand(m, 0, k), self.operand(m, 1, k), self.operand(m, 2, k));
                m.store(self.into as usize + k * LANES, each(|l| if w[l] != T::ZERO { x[l] } else { y[l] }));
            }
        }
    }

    /// # Safety
    /// As [`Instruction::unary`]; all operands follow on in memory.
    #[inline(always)]
    unsafe fn function<T: Real, const FMA: bool>(&self, m: Memory<T>, map: Map) {
        let length = self.count as usize * LANES;
        // SAFETY: by the caller's promise.
        unsafe {
            let slice = |which: usize| std::slice::from_raw_parts(m.0.add(self.at[which] as usize), length);
            let out = std::slice::from_raw_parts_mut(m.0.add(self.into as usize), length);
            elementwise::apply::<T, FMA>(map, out, slice(0), slice(1), slice(2));
        }
    }
}

/// # Safety
/// The terms are in memory and nobody else's; `wide` says truly that the processor has AVX-512.
#[inline(always)]
unsafe fn whole<T: Real>(m: Memory<T>, wide: bool, fold: Fold, from: usize, terms: usize) -> T {
    // SAFETY: by the caller's promise.
    let x = unsafe { std::slice::from_raw_parts(m.0.add(from), terms) };
    match fold {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: by the caller's promise.
        Fold::Sum if wide => unsafe { T::sum(x) },
        Fold::Sum => T::from_f64(elementwise::sum(x)),
        Fold::Max => T::from_f64(elementwise::max(x, f64::NEG_INFINITY)),
    }
}

/// # Safety
/// The terms of all results are in memory, up to the end of a vector that begins with one, and nobody else's.
#[inline(always)]
unsafe fn fold<T: Real>(m: Memory<T>, wide: bool, f: &Folded) {
    if f.along {
        for k in 0..f.results {
            // SAFETY: by the caller's promise.
            unsafe { m.0.add(f.into + k).write(whole(m, wide, f.fold, f.from + k * f.terms, f.terms)) };
        }
        return;
    }
    for first in (0..f.results).step_by(LANES) {
        let mut long = [0.0; LANES];
        let mut short = [nothing(f.fold); LANES];
        for j in 0..f.terms {
            // SAFETY: by the caller's promise.
            let x = unsafe { m.load(f.from + first + j * f.results) };
            short = each(|l| folded(f.fold, short[l], x[l]));
            if f.fold == Fold::Sum && j % SHORT == SHORT - 1 {
                for (long, short) in long.iter_mut().zip(&mut short) {
                    *long += short.to_f64();
                    *short = T::ZERO;
                }
            }
        }
        if f.fold == Fold::Sum && f.terms >= SHORT {
            short = each(|l| T::from_f64(long[l] + short[l].to_f64()));
        }
        // SAFETY: as above; results are rounded up to whole vectors.
        unsafe { m.store(f.into + first, short) };
    }
}

/// # Safety
/// All operands and results are in memory, up to the end of a vector, and nobody else's.
#[inline(always)]
unsafe fn multiply<T: Real, const FMA: bool>(m: Memory<T>, p: &Multiplied) {
    let [along_rows, along_terms, right_step, row] = p.strides;
    for column in (0..p.columns).step_by(LANES) {
        let width = (p.columns - column).min(LANES);
        for r in 0..p.rows {
            let mut sum = [T::ZERO; LANES];
            for k in 0..p.terms {
                // SAFETY: by the caller's promise.
                let (a, x) = unsafe {
                    let left = m.one(p.left + r * along_rows + k * along_terms);
                    (left, m.load(p.right + column + k * right_step))
                };
                sum = each(|l| a.fused::<FMA>(x[l], sum[l]));
            }
            // SAFETY: as above; a row's last vector must not run into the next row.
            unsafe { std::ptr::copy_nonoverlapping(sum.as_ptr(), m.0.add(p.into + r * row + column), width) };
        }
    }
}

#[inline(always)]
fn run_body<T: Real, const FMA: bool>(tape: &Tape<T>, arena: &Arena<T>, wide: bool) {
    assert!(tape.reach <= arena.len(), "a tape reaches outside of its memory");
    let m = Memory(arena.pointer(0));
    let truth = |t: bool| if t { T::ONE } else { T::ZERO };
    for i in &tape.code {
        let (into, from, count, extra) = (i.into as usize, i.at[0] as usize, i.count as usize, i.extra as usize);
        // SAFETY: `compile` takes the reach of every instruction into `reach`, which is checked above, and numbers what
        // it puts into the tape's lists; a task writes only what is its own (see `Arena`), and a tape's own registers
        // are no one else's.
        unsafe {
            match i.op {
                Op::Copy => i.unary(m, |x| x),
                Op::Select => i.select(m),
                Op::Neg => i.unary(m, |x| -x),
                Op::Square => i.unary(m, |x| x * x),
                Op::Recip => i.unary(m, |x| T::ONE / x),
                Op::Sqrt => i.unary(m, T::sqrt),
                Op::Abs => i.unary(m, T::abs),
                Op::Step => i.unary(m, |x| truth(x > T::ZERO)),
                Op::Relu => i.unary(m, |x| if x < T::ZERO { T::ZERO } else { x }),
                Op::Add => i.binary(m, |x, y| x + y),
                Op::Sub => i.binary(m, |x, y| x - y),
                Op::Mul => i.binary(m, |x, y| x * y),
                Op::Div => i.binary(m, |x, y| x / y),
                Op::Max => i.binary(m, larger),
                Op::Min => i.binary(m, |x, y| -larger(-x, -y)),
                Op::Less => i.binary(m, |x, y| truth(x < y)),
                Op::LessEqual => i.binary(m, |x, y| truth(x <= y)),
                Op::Equal => i.binary(m, |x, y| truth(x == y)),
                Op::Function => i.function::<T, FMA>(m, *tape.functions.get_unchecked(extra)),
                Op::Pick => {
                    for (k, &place) in tape.places.get_unchecked(extra..extra + count).iter().enumerate() {
                        // One by one: gathering instructions are slower than that on many a processor.
                        m.0.add(into + k).write_volatile(m.0.add(place as usize).read_volatile());
                    }
                }
                Op::Permute => {
                    let places = tape.places.get_unchecked(extra..extra + count * LANES).as_chunks::<LANES>().0;
                    for (k, places) in places.iter().enumerate() {
                        #[cfg(target_arch = "x86_64")]
                        if wide {
                            T::permute(m.0.add(from), places, m.0.add(into + k * LANES));
                            continue;
                        }
                        let x = m.load(from);
                        let pick = |l: usize| x.get(places[l] as usize).copied().unwrap_or(T::ZERO);
                        m.store(into + k * LANES, each(pick));
                    }
                }
                Op::Rows => {
                    let rows = tape.rows.get_unchecked(extra);
                    // Each row runs over into the next one, which then comes.
                    for k in 0..rows.rows {
                        let at = rows.from + k * rows.step;
                        let row = if rows.filled { [m.one(at); LANES] } else { m.load(at) };
                        m.store(rows.into + k * rows.width, row);
                    }
                }
                Op::Spread => m.store(into, [m.one(from); LANES]),
                Op::Sum => m.store(into, [whole(m, wide, Fold::Sum, from, count); LANES]),
                Op::Largest => m.store(into, [whole(m, wide, Fold::Max, from, count); LANES]),
                Op::Fold => fold(m, wide, tape.folds.get_unchecked(extra)),
                Op::Multiply => {
                    let product = tape.products.get_unchecked(extra);
                    #[cfg(target_arch = "x86_64")]
                    if wide {
                        T::small_product(m.0, product);
                        continue;
                    }
                    multiply::<T, FMA>(m, product);
                }
            }
        }
    }
}

vectorized!(
    /// Runs a tape.
    fn run_vectorized<T: Real>(tape: &Tape<T>, arena: &Arena<T>, wide: bool) = run_body
);

impl<T: Real> Tape<T> {
    /// Runs it.
    pub fn run(&self, isa: Isa, arena: &Arena<T>) {
        run_vectorized(isa, self, arena, isa == Isa::Avx512);
    }

    /// Puts the numbers it reads where it reads them.
    pub fn settle(&self, memory: &mut [T]) {
        for &(at, value) in &self.numbers {
            if let Some(lanes) = memory.get_mut(at..at + LANES) {
                lanes.fill(value);
            }
        }
    }

    /// Elements of memory that it needs.
    pub fn reach(&self) -> usize {
        self.reach
    }
}
