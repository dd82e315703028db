//! Products of a matrix and a vector: one pass over the matrix, as it lies.

#![allow(unsafe_code)]
// Extents and strides are checked where a product is placed.
#![allow(clippy::indexing_slicing)]

use super::Geometry;
use crate::isa::{Isa, vectorized};
use crate::math::Real;

/// Terms summed in the numbers' own precision before they are carried in f64.
const SHORT: usize = 256;

/// A matrix of so many results by so many terms, and the vector of terms.
struct Combination {
    results: usize,
    terms: usize,
    /// Matrix: from a result to the next, and from a term to the next.
    matrix: [usize; 2],
    vector: usize,
    into: usize,
    add: bool,
}

/// Multiplies where one of the operands is a vector and the matrix follows along its rows or its columns. Whether it
/// did.
pub fn multiply<T: Real>(isa: Isa, shape: &Geometry, left: &[T], right: &[T], into: &mut [T]) -> bool {
    let [m, n, k] = shape.extents;
    let (c, matrix, vector) = if n == 1 {
        let c = Combination {
            results: m,
            terms: k,
            matrix: shape.left,
            vector: shape.right[0],
            into: shape.into[0],
            add: shape.add,
        };
        (c, left, right)
    } else if m == 1 {
        let c = Combination {
            results: n,
            terms: k,
            matrix: [shape.right[1], shape.right[0]],
            vector: shape.left[1],
            into: shape.into[1],
            add: shape.add,
        };
        (c, right, left)
    } else {
        return false;
    };
    if c.matrix[1] == 1 && c.vector == 1 {
        dots(isa, &c, matrix, vector, into, isa == Isa::Avx512);
        return true;
    }
    if c.matrix[0] == 1 {
        combine(isa, &c, matrix, vector, into, isa == Isa::Avx512);
        return true;
    }
    false
}

fn put<T: Real>(c: &Combination, into: &mut [T], result: usize, total: f64) {
    if let Some(slot) = into.get_mut(result * c.into) {
        *slot = if c.add { *slot + T::from_f64(total) } else { T::from_f64(total) };
    }
}

#[inline(always)]
fn dot<T: Real, const FMA: bool>(x: &[T], y: &[T]) -> T {
    let ((x, last_x), (y, last_y)) = (x.as_chunks::<16>(), y.as_chunks::<16>());
    let mut lanes = [T::ZERO; 16];
    for (x, y) in x.iter().zip(y) {
        for ((l, &x), &y) in lanes.iter_mut().zip(x).zip(y) {
            *l = x.fused::<FMA>(y, *l);
        }
    }
    for ((l, &x), &y) in lanes.iter_mut().zip(last_x).zip(last_y) {
        *l = x.fused::<FMA>(y, *l);
    }
    T::from_f64(crate::elementwise::sum(&lanes))
}

/// Each result is the sum over one row.
#[inline(always)]
fn dots_body<T: Real, const FMA: bool>(c: &Combination, matrix: &[T], vector: &[T], into: &mut [T], wide: bool) {
    for (r, row) in (0..c.results).zip(matrix.chunks(c.matrix[0].max(c.terms))) {
        let pieces = row[..c.terms].chunks(SHORT).zip(vector.chunks(SHORT));
        let mut total = 0.0;
        for (x, y) in pieces {
            #[cfg(target_arch = "x86_64")]
            if wide {
                // SAFETY: the processor has AVX-512.
                total += unsafe { T::dot(x, y) }.to_f64();
                continue;
            }
            total += dot::<T, FMA>(x, y).to_f64();
        }
        put(c, into, r, total);
    }
}

/// All results are sums of rows, times a number each.
#[inline(always)]
fn combine_body<T: Real, const FMA: bool>(c: &Combination, matrix: &[T], vector: &[T], into: &mut [T], wide: bool) {
    for first in (0..c.results).step_by(16) {
        let width = (c.results - first).min(16);
        let mut totals = [0.0; 16];
        for begin in (0..c.terms).step_by(SHORT) {
            let mut sums = [T::ZERO; 16];
            let terms = begin..c.terms.min(begin + SHORT);
            let rows = &matrix[begin * c.matrix[1] + first..];
            let weights = &vector[begin * c.vector..];
            #[cfg(target_arch = "x86_64")]
            if wide {
                // SAFETY: the processor has AVX-512.
                unsafe { T::weigh(rows, c.matrix[1], weights, c.vector, terms.len(), &mut sums[..width]) };
            }
            if !wide {
                for k in 0..terms.len() {
                    let weight = weights[k * c.vector];
                    for (s, &x) in sums.iter_mut().zip(&rows[k * c.matrix[1]..][..width]) {
                        *s = weight.fused::<FMA>(x, *s);
                    }
                }
            }
            for (t, s) in totals.iter_mut().zip(sums) {
                *t += s.to_f64();
            }
        }
        for (k, &total) in totals.iter().enumerate().take(width) {
            put(c, into, first + k, total);
        }
    }
}

vectorized!(
    fn dots<T: Real>(c: &Combination, matrix: &[T], vector: &[T], into: &mut [T], wide: bool) = dots_body
);
vectorized!(
    fn combine<T: Real>(c: &Combination, matrix: &[T], vector: &[T], into: &mut [T], wide: bool) = combine_body
);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn matrix_times_vector_both_ways() {
        fn check<T: Real>() {
            let number = |k: usize| ((k * 29 + 7) % 17) as f64 / 8.0 - 1.0;
            for isa in Isa::available() {
                for (results, terms) in [(1, 1), (3, 20), (16, 16), (20, 125), (33, 600), (70, 7), (1, 1000)] {
                    // Along rows, along columns, and turned left to right; added to what is there, or not.
                    for code in 0..8 {
                        let (along, turned, add) = (code & 1 == 0, code & 2 == 0, code & 4 == 0);
                        let apart = if along { terms + 2 } else { results + 3 };
                        let matrix = if along { [apart, 1] } else { [1, apart] };
                        let step = if along { 1 } else { 2 };
                        let room = if along { results * apart } else { terms * apart };
                        let m: Vec<T> = (0..room).map(|k| T::from_f64(number(k))).collect();
                        let v: Vec<T> = (0..terms * step).map(|k| T::from_f64(number(k + 3))).collect();
                        let mut into = vec![T::ONE; 2 * results];
                        let shape = if turned {
                            Geometry { extents: [results, 1, terms], left: matrix, right: [step, 1], into: [2, 1], add }
                        } else {
                            Geometry {
                                extents: [1, results, terms],
                                left: [1, step],
                                right: [matrix[1], matrix[0]],
                                into: [1, 2],
                                add,
                            }
                        };
                        let (left, right) = if turned { (&m, &v) } else { (&v, &m) };
                        assert!(multiply(isa, &shape, left, right, &mut into));
                        for r in 0..results {
                            let exact: f64 = (0..terms)
                                .map(|k| m[r * matrix[0] + k * matrix[1]].to_f64() * v[k * step].to_f64())
                                .sum();
                            // Multiples of 1/64 of this size are exact in f32.
                            assert_eq!(into[2 * r].to_f64(), exact + if add { 1.0 } else { 0.0 });
                            assert_eq!(into[2 * r + 1].to_f64(), 1.0);
                        }
                    }
                }
            }
        }
        check::<f32>();
        check::<f64>();
    }
}
