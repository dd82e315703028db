//! Large products with AVX-512: blocks of the result stay in registers while the summed axis goes by.
//!
//! The right operand is copied in strips of four vectors, the left one only where its summed axis is not contiguous.
//! Blocks of [`DEPTH`] are summed in order, each from 0, so a number depends on the summed axis alone and not on how
//! rows and columns were divided among tasks. (The layout is that of Goto and van de Geijn, ACM TOMS 34(3), 2008.)

#![allow(unsafe_code)]
#![allow(clippy::indexing_slicing)]

use std::arch::x86_64::*;

use super::transposed::{transpose_double, transpose_single};
use super::workspace::{DEPTH, ROWS, VECTORS, Workspace};

/// Rows of the result in registers.
const HEIGHT: usize = 6;

/// Vectors of the result in registers, along a row: 6 · 4 sums, 4 operands and a broadcast fill 29 of 32 registers.
const WIDTH: usize = 4;

/// Vectors of a row that are summed over spikes at once.
const ALONG: usize = 12;

/// With fewer rows than this a copy of the right operand does not pay.
const WORTH_COPYING: usize = 13;

/// A matrix in memory: its first element, and the distance between rows and between columns.
#[derive(Clone, Copy)]
pub struct Matrix<T> {
    pub start: *mut T,
    pub row: usize,
    pub column: usize,
}

impl<T> Matrix<T> {
    fn at(self, i: usize, j: usize) -> *mut T {
        self.start.wrapping_add(i * self.row + j * self.column)
    }

    fn transposed(self) -> Self {
        Self { start: self.start, row: self.column, column: self.row }
    }
}

/// Numbers that fill an AVX-512 register.
pub trait Lanes: Copy + 'static {
    /// into = left · right, or into + left · right, for rows × columns × depth.
    ///
    /// # Safety
    /// The processor has AVX-512 F. The matrices lie in memory that may be read, and for `into` written, by no one
    /// else; `into` overlaps neither operand and its columns are contiguous.
    unsafe fn multiply(
        extents: [usize; 3],
        left: Matrix<Self>,
        right: Matrix<Self>,
        into: Matrix<Self>,
        add: bool,
        workspace: &mut Workspace,
    );

    /// out = Σ counts[l] · right[l] over places l, or out + that; counts lie a stride apart.
    ///
    /// # Safety
    /// The processor has AVX-512 F. At every place there is a count and a row of `right`, as long as `out`, whose
    /// columns are contiguous; no one writes them.
    unsafe fn combine(places: &[u32], counts: (*const Self, usize), right: Matrix<Self>, out: &mut [Self], add: bool);
}

/// into = left · right, or into + left · right. False where neither rows nor columns of the result are contiguous:
/// nothing was done then.
///
/// # Safety
/// The processor has AVX-512 F. The matrices lie in memory that may be read, and for `into` written, by no one else;
/// `into` overlaps neither operand.
pub unsafe fn multiply<T: Lanes>(
    [m, n, k]: [usize; 3],
    left: Matrix<T>,
    right: Matrix<T>,
    into: Matrix<T>,
    add: bool,
    workspace: &mut Workspace,
) -> bool {
    if into.column == 1 {
        // SAFETY: the caller's promise.
        unsafe { T::multiply([m, n, k], left, right, into, add, workspace) };
    } else if into.row == 1 {
        let (left, right) = (right.transposed(), left.transposed());
        // SAFETY: the caller's promise.
        unsafe { T::multiply([n, m, k], left, right, into.transposed(), add, workspace) };
    } else {
        return false;
    }
    true
}

/// Divides `count` into as few pieces of at most `most` as there can be, of nearly equal sizes.
fn pieces(count: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let pieces = count.div_ceil(most);
    (0..pieces).map(move |i| (i * count / pieces, (i + 1) * count / pieces))
}

macro_rules! lanes {
    ($module:ident, $t:ty, $lanes:literal, $vector:ty, $mask:ty, $zero:ident, $set:ident, $load:ident, $store:ident,
     $read:ident, $write:ident, $fma:ident, $add:ident, $transpose:ident) => {
        mod $module {
            use super::*;

            /// One block of the result: HEIGHT × WIDTH vectors at most, the last one masked.
            ///
            /// # Safety
            /// As for [`Lanes::multiply`]; `right` has contiguous columns.
            #[target_feature(enable = "avx512f")]
            unsafe fn block<const R: usize, const V: usize>(
                depth: usize,
                left: Matrix<$t>,
                right: Matrix<$t>,
                into: Matrix<$t>,
                mask: $mask,
                add: bool,
            ) {
                if add {
                    // What is added to comes into the cache meanwhile.
                    for r in 0..R {
                        for v in 0..V {
                            _mm_prefetch::<_MM_HINT_T0>(into.at(r, v * $lanes).cast());
                        }
                    }
                }
                let mut sums = [[$zero(); V]; R];
                let mut b = right.start.cast_const();
                let mut a = left.start.cast_const();
                for _ in 0..depth {
                    let mut operands = [$zero(); V];
                    for (v, operand) in operands.iter_mut().enumerate() {
                        // SAFETY: within the row, the last vector by its mask.
                        *operand = unsafe {
                            if v + 1 < V { $load(b.add(v * $lanes)) } else { $read(mask, b.add(v * $lanes)) }
                        };
                    }
                    for (r, sums) in sums.iter_mut().enumerate() {
                        // SAFETY: row r of the block.
                        let factor = $set(unsafe { *a.add(r * left.row) });
                        for (sum, &operand) in sums.iter_mut().zip(&operands) {
                            *sum = $fma(factor, operand, *sum);
                        }
                    }
                    b = b.wrapping_add(right.row);
                    a = a.wrapping_add(left.column);
                }
                for (r, sums) in sums.iter().enumerate() {
                    for (v, &sum) in sums.iter().enumerate() {
                        let to = into.at(r, v * $lanes);
                        // SAFETY: within the block, the last vector by its mask.
                        unsafe {
                            if v + 1 < V {
                                $store(to, if add { $add($load(to), sum) } else { sum });
                            } else {
                                $write(to, mask, if add { $add($read(mask, to), sum) } else { sum });
                            }
                        }
                    }
                }
            }

            /// A stripe of the result: some rows, and up to WIDTH vectors.
            ///
            /// # Safety
            /// As for `block`.
            #[target_feature(enable = "avx512f")]
            unsafe fn stripe<const V: usize>(
                [m, depth]: [usize; 2],
                left: Matrix<$t>,
                right: Matrix<$t>,
                into: Matrix<$t>,
                mask: $mask,
                add: bool,
            ) {
                for (i, end) in pieces(m, HEIGHT) {
                    let left = Matrix { start: left.at(i, 0), ..left };
                    let into = Matrix { start: into.at(i, 0), ..into };
                    // SAFETY: the caller's promise, for some rows.
                    unsafe {
                        match end - i {
                            1 => block::<1, V>(depth, left, right, into, mask, add),
                            2 => block::<2, V>(depth, left, right, into, mask, add),
                            3 => block::<3, V>(depth, left, right, into, mask, add),
                            4 => block::<4, V>(depth, left, right, into, mask, add),
                            5 => block::<5, V>(depth, left, right, into, mask, add),
                            _ => block::<6, V>(depth, left, right, into, mask, add),
                        }
                    }
                }
            }

            /// Copies columns of the right operand in strips of up to WIDTH vectors, each with contiguous columns.
            ///
            /// # Safety
            /// As for [`Lanes::multiply`].
            #[target_feature(enable = "avx512f")]
            #[inline(never)]
            unsafe fn copy(from: Matrix<$t>, depth: usize, columns: usize, to: *mut $t) {
                let strips = || {
                    pieces(columns.div_ceil($lanes), WIDTH)
                        .map(|(w, end)| (w * $lanes, columns.min(end * $lanes), (end - w) * $lanes))
                };
                if from.column == 1 {
                    // Along the rows, as they lie in memory.
                    for l in 0..depth {
                        for (start, end, width) in strips() {
                            let to = to.wrapping_add(start * depth + l * width);
                            for j in (start..end).step_by($lanes) {
                                let mask = mask_of(end - j);
                                // SAFETY: a piece of a row, by its mask.
                                unsafe { $store(to.add(j - start), $read(mask, from.at(l, j))) };
                            }
                        }
                    }
                    return;
                }
                let squares = if from.row == 1 { depth / $lanes * $lanes } else { 0 };
                for (start, end, width) in strips() {
                    let to = to.wrapping_add(start * depth);
                    for j in (start..end).step_by($lanes) {
                        let whole = if end - j >= $lanes { squares } else { 0 };
                        for l in (0..whole).step_by($lanes) {
                            // SAFETY: a square of the operand, and its place.
                            unsafe { $transpose(from.at(l, j), from.column, to.add(l * width + j - start), width) };
                        }
                        for l in whole..depth {
                            for j in j..end.min(j + $lanes) {
                                // SAFETY: an element of the operand, and its place.
                                unsafe { *to.add(l * width + j - start) = *from.at(l, j) };
                            }
                        }
                    }
                }
            }

            /// Copies rows of the left operand, one after the other along the summed axis.
            ///
            /// # Safety
            /// As for [`Lanes::multiply`].
            #[target_feature(enable = "avx512f")]
            #[inline(never)]
            unsafe fn copy_left(from: Matrix<$t>, rows: usize, depth: usize, to: *mut $t) {
                let width = rows.next_multiple_of($lanes);
                for l in 0..depth {
                    if from.row == 1 {
                        for i in (0..rows).step_by($lanes) {
                            let mask = mask_of(rows - i);
                            // SAFETY: a piece of a column, by its mask.
                            unsafe { $store(to.add(l * width + i), $read(mask, from.at(i, l))) };
                        }
                    } else {
                        for i in 0..rows {
                            // SAFETY: an element of the operand, and its place.
                            unsafe { *to.add(l * width + i) = *from.at(i, l) };
                        }
                    }
                }
            }

            fn mask_of(left: usize) -> $mask {
                if left >= $lanes { <$mask>::MAX } else { (1 << left) - 1 }
            }

            impl Lanes for $t {
                unsafe fn multiply(
                    extents: [usize; 3],
                    left: Matrix<Self>,
                    right: Matrix<Self>,
                    into: Matrix<Self>,
                    add: bool,
                    workspace: &mut Workspace,
                ) {
                    // SAFETY: the caller's promise.
                    unsafe { multiply(extents, left, right, into, add, workspace) }
                }

                unsafe fn combine(
                    places: &[u32],
                    counts: (*const Self, usize),
                    right: Matrix<Self>,
                    out: &mut [Self],
                    add: bool,
                ) {
                    // SAFETY: the caller's promise.
                    unsafe { combine(places, counts, right, out, add) }
                }
            }

            /// Some columns of [`Lanes::combine`]: V vectors, the last one masked.
            ///
            /// # Safety
            /// As there.
            #[target_feature(enable = "avx512f")]
            unsafe fn combine_columns<const V: usize>(
                places: &[u32],
                counts: (*const $t, usize),
                right: Matrix<$t>,
                out: &mut [$t],
                add: bool,
            ) {
                let mask = mask_of(out.len() - (V - 1) * $lanes);
                let mut sums = [$zero(); V];
                let to = out.as_mut_ptr();
                if add {
                    for (v, sum) in sums.iter_mut().enumerate() {
                        let mask = if v + 1 < V { <$mask>::MAX } else { mask };
                        // SAFETY: within `out`, by the mask.
                        *sum = unsafe { $read(mask, to.add(v * $lanes)) };
                    }
                }
                for &l in places {
                    // SAFETY: there is a count, by the caller's promise.
                    let count = $set(unsafe { *counts.0.add(l as usize * counts.1) });
                    let row = right.at(l as usize, 0).cast_const();
                    for (v, sum) in sums.iter_mut().enumerate() {
                        // SAFETY: within the row, by the mask.
                        let x = unsafe {
                            if v + 1 < V { $load(row.add(v * $lanes)) } else { $read(mask, row.add(v * $lanes)) }
                        };
                        *sum = $fma(count, x, *sum);
                    }
                }
                for (v, &sum) in sums.iter().enumerate() {
                    let mask = if v + 1 < V { <$mask>::MAX } else { mask };
                    // SAFETY: within `out`, by the mask.
                    unsafe { $write(to.add(v * $lanes), mask, sum) };
                }
            }

            /// # Safety
            /// As for [`Lanes::combine`].
            #[target_feature(enable = "avx512f")]
            unsafe fn combine(
                places: &[u32],
                counts: (*const $t, usize),
                right: Matrix<$t>,
                out: &mut [$t],
                add: bool,
            ) {
                let n = out.len();
                for (v, v_end) in pieces(n.div_ceil($lanes), ALONG) {
                    let (j, j_end) = (v * $lanes, n.min(v_end * $lanes));
                    let right = Matrix { start: right.at(0, j), ..right };
                    let out = &mut out[j..j_end];
                    // SAFETY: some columns of what the caller promised.
                    unsafe {
                        match v_end - v {
                            1 => combine_columns::<1>(places, counts, right, out, add),
                            2 => combine_columns::<2>(places, counts, right, out, add),
                            3 => combine_columns::<3>(places, counts, right, out, add),
                            4 => combine_columns::<4>(places, counts, right, out, add),
                            5 => combine_columns::<5>(places, counts, right, out, add),
                            6 => combine_columns::<6>(places, counts, right, out, add),
                            7 => combine_columns::<7>(places, counts, right, out, add),
                            8 => combine_columns::<8>(places, counts, right, out, add),
                            9 => combine_columns::<9>(places, counts, right, out, add),
                            10 => combine_columns::<10>(places, counts, right, out, add),
                            11 => combine_columns::<11>(places, counts, right, out, add),
                            _ => combine_columns::<12>(places, counts, right, out, add),
                        }
                    }
                }
            }

            /// # Safety
            /// As for [`Lanes::multiply`].
            #[target_feature(enable = "avx512f")]
            unsafe fn multiply(
                [m, n, k]: [usize; 3],
                left: Matrix<$t>,
                right: Matrix<$t>,
                into: Matrix<$t>,
                add: bool,
                workspace: &mut Workspace,
            ) {
                let copied = right.column != 1 || m >= WORTH_COPYING;
                let (columns_copy, rows_copy) = (workspace.right().cast::<$t>(), workspace.left().cast::<$t>());
                for (v, v_end) in pieces(n.div_ceil($lanes), VECTORS) {
                    let (j, j_end) = (v * $lanes, n.min(v_end * $lanes));
                    for (l, l_end) in (0..k.div_ceil(DEPTH)).map(|i| (i * DEPTH, k.min((i + 1) * DEPTH))) {
                        let depth = l_end - l;
                        let add = add || l > 0;
                        let columns = Matrix { start: right.at(l, j), ..right };
                        if copied {
                            // SAFETY: the copy has room for DEPTH rows of VECTORS vectors.
                            unsafe { copy(columns, depth, j_end - j, columns_copy) };
                        }
                        for (i, i_end) in pieces(m, ROWS) {
                            let mut rows = Matrix { start: left.at(i, l), ..left };
                            if left.column != 1 && n > $lanes {
                                // SAFETY: the copy has room for ROWS × DEPTH, a multiple of the lanes.
                                unsafe { copy_left(rows, i_end - i, depth, rows_copy) };
                                rows =
                                    Matrix { start: rows_copy, row: 1, column: (i_end - i).next_multiple_of($lanes) };
                            }
                            for (w, w_end) in pieces(v_end - v, WIDTH) {
                                let strip = if copied {
                                    Matrix {
                                        start: columns_copy.wrapping_add(w * $lanes * depth),
                                        row: (w_end - w) * $lanes,
                                        column: 1,
                                    }
                                } else {
                                    Matrix { start: columns.at(0, w * $lanes), ..columns }
                                };
                                let mask = mask_of(j_end - j - (w_end - 1) * $lanes);
                                let into = Matrix { start: into.at(i, j + w * $lanes), ..into };
                                let extents = [i_end - i, depth];
                                // SAFETY: some rows and columns of what the caller promised.
                                unsafe {
                                    match w_end - w {
                                        1 => stripe::<1>(extents, rows, strip, into, mask, add),
                                        2 => stripe::<2>(extents, rows, strip, into, mask, add),
                                        3 => stripe::<3>(extents, rows, strip, into, mask, add),
                                        _ => stripe::<4>(extents, rows, strip, into, mask, add),
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    };
}

lanes!(
    single,
    f32,
    16,
    __m512,
    __mmask16,
    _mm512_setzero_ps,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_maskz_loadu_ps,
    _mm512_mask_storeu_ps,
    _mm512_fmadd_ps,
    _mm512_add_ps,
    transpose_single
);
lanes!(
    double,
    f64,
    8,
    __m512d,
    __mmask8,
    _mm512_setzero_pd,
    _mm512_set1_pd,
    _mm512_loadu_pd,
    _mm512_storeu_pd,
    _mm512_maskz_loadu_pd,
    _mm512_mask_storeu_pd,
    _mm512_fmadd_pd,
    _mm512_add_pd,
    transpose_double
);

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::isa::Isa;

    /// Small multiples of 1/8: sums of their products are exact in f32.
    fn numbers(count: usize, mut state: u32) -> Vec<f64> {
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            f64::from(state % 17) / 8.0 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    fn check<T: Lanes>(from: impl Fn(f64) -> T, to: impl Fn(T) -> f64) {
        let (a, b) = (numbers(900 * 300, 1), numbers(900 * 300, 2));
        let mut of_t: [Vec<T>; 2] = [&a, &b].map(|v| v.iter().map(|&x| from(x)).collect());
        let mut workspace = Workspace::new();
        let shapes = [
            (1, 1, 1),
            (7, 5, 3),
            (13, 17, 300),
            (200, 70, 40),
            (33, 129, 257),
            (6, 64, 128),
            (50, 49, 129),
            (300, 31, 16),
            (16, 16, 16),
            (20, 32, 48),
            (5, 1100, 9),
            (900, 3, 20),
        ];
        for (m, n, k) in shapes {
            for code in 0..16 {
                let way = |bit: u32| code >> bit & 1 == 1;
                let (left, right) = (if way(0) { (1, m) } else { (k, 1) }, if way(1) { (1, k) } else { (n, 1) });
                let (into, add) = (if way(2) { (1, m + 2) } else { (n + 3, 1) }, way(3));
                let mut out: Vec<T> = (0..(m + 3) * (n + 3)).map(|_| from(9.0)).collect();
                let [left_t, right_t] = &mut of_t;
                let matrix = |v: &mut [T], (row, column)| Matrix { start: v.as_mut_ptr(), row, column };
                // SAFETY: the vectors hold the matrices, and the result is another vector.
                let done = unsafe {
                    multiply(
                        [m, n, k],
                        matrix(left_t, left),
                        matrix(right_t, right),
                        matrix(&mut out, into),
                        add,
                        &mut workspace,
                    )
                };
                assert!(done);
                for i in 0..m {
                    for j in 0..n {
                        let products = (0..k).map(|l| a[i * left.0 + l * left.1] * b[l * right.0 + j * right.1]);
                        let expected = products.sum::<f64>() + if add { 9.0 } else { 0.0 };
                        let slot = &mut out[i * into.0 + j * into.1];
                        assert_eq!(to(*slot), expected, "{m} × {n} × {k}, way {code}, at {i}, {j}");
                        *slot = from(9.0);
                    }
                }
                assert!(out.iter().all(|&v| to(v) == 9.0), "{m} × {n} × {k}, way {code}: wrote beside the result");
            }
        }
    }

    #[test]
    fn products_are_exact_and_write_nothing_else() {
        if Isa::detect() != Isa::Avx512 {
            eprintln!("SKIPPED: this processor has no AVX-512");
            return;
        }
        check::<f32>(|x| x as f32, f64::from);
        check::<f64>(|x| x, |x| x);
    }

    #[test]
    fn neither_rows_nor_columns_of_the_result_follow_on_themselves() {
        if Isa::detect() != Isa::Avx512 {
            return;
        }
        let (mut a, mut b) = (vec![1.0; 4], vec![0.0; 16]);
        let matrix = |v: &mut Vec<f64>, row, column| Matrix { start: v.as_mut_ptr(), row, column };
        let (left, right) = (matrix(&mut a, 2, 1), matrix(&mut a, 2, 1));
        // SAFETY: the vectors hold the matrices.
        assert!(!unsafe { multiply([2, 2, 2], left, right, matrix(&mut b, 4, 2), false, &mut Workspace::new()) });
        assert!(b.iter().all(|&v| v == 0.0));
    }
}
