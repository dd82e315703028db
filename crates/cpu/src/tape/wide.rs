//! Operations with instructions of their own in wide registers: sums of a few numbers, picking among sixteen, small
//! products.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::Multiplied;

/// Numbers that fill a wide register.
pub trait Wide: Copy {
    /// Σ x: a register full of sums side by side, then two by two.
    ///
    /// # Safety
    /// The processor has AVX-512 F.
    #[cfg(target_arch = "x86_64")]
    unsafe fn sum(x: &[Self]) -> Self;

    /// The sixteen numbers from `from` on, at these lanes, to `into`; 0 for lanes from sixteen on.
    ///
    /// # Safety
    /// The processor has AVX-512 F; sixteen numbers may be read and written.
    #[cfg(target_arch = "x86_64")]
    unsafe fn permute(from: *const Self, lanes: &[u32; 16], into: *mut Self);

    /// Σ x·y.
    ///
    /// # Safety
    /// The processor has AVX-512 F.
    #[cfg(target_arch = "x86_64")]
    unsafe fn dot(x: &[Self], y: &[Self]) -> Self;

    /// Σ of so many rows, `apart` from one another, each times its weight; as many columns as `into` has.
    ///
    /// # Safety
    /// The processor has AVX-512 F.
    ///
    /// # Panics
    /// Where a row or a weight is missing.
    #[cfg(target_arch = "x86_64")]
    unsafe fn weigh(rows: &[Self], apart: usize, weights: &[Self], step: usize, terms: usize, into: &mut [Self]);

    /// A product, its places counted from `memory`.
    ///
    /// # Safety
    /// The processor has AVX-512 F; the operands may be read and the result written.
    #[cfg(target_arch = "x86_64")]
    unsafe fn small_product(memory: *mut Self, p: &Multiplied);
}

#[cfg(not(target_arch = "x86_64"))]
impl<T: Copy> Wide for T {}

#[cfg(target_arch = "x86_64")]
macro_rules! wide {
    (
        $t:ty, $lanes:literal, $mask:ty, $zero:ident, $splat:ident, $load:ident, $load_some:ident, $store_some:ident,
        $add:ident, $fused:ident, $reduce:ident, $permute:item
    ) => {
        impl Wide for $t {
            #[inline]
            #[target_feature(enable = "avx512f")]
            unsafe fn sum(x: &[Self]) -> Self {
                let (full, rest) = x.as_chunks::<$lanes>();
                // SAFETY: lanes that are masked away are not read.
                let mut sum = unsafe { $load_some(((1u32 << rest.len()) - 1) as $mask, rest.as_ptr()) };
                for chunk in full {
                    // SAFETY: a chunk is a register full.
                    sum = $add(sum, unsafe { $load(chunk.as_ptr()) });
                }
                $reduce(sum)
            }

            #[inline]
            #[target_feature(enable = "avx512f")]
            $permute

            #[inline]
            #[target_feature(enable = "avx512f")]
            unsafe fn dot(x: &[Self], y: &[Self]) -> Self {
                let length = x.len().min(y.len());
                let (x, y) = (x.split_at(length).0, y.split_at(length).0);
                let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<$lanes>(), y.as_chunks::<$lanes>());
                let some = ((1u32 << x_rest.len()) - 1) as $mask;
                // SAFETY: lanes that are masked away are not read.
                let (a, b) = unsafe { ($load_some(some, x_rest.as_ptr()), $load_some(some, y_rest.as_ptr())) };
                let mut sum = $fused(a, b, $zero());
                for (x, y) in x.iter().zip(y) {
                    // SAFETY: a chunk is a register full.
                    sum = unsafe { $fused($load(x.as_ptr()), $load(y.as_ptr()), sum) };
                }
                $reduce(sum)
            }

            #[inline]
            #[target_feature(enable = "avx512f")]
            unsafe fn weigh(
                rows: &[Self],
                apart: usize,
                weights: &[Self],
                step: usize,
                terms: usize,
                into: &mut [Self],
            ) {
                if terms == 0 {
                    return;
                }
                assert!((terms - 1) * apart + into.len() <= rows.len() && (terms - 1) * step < weights.len());
                for (block, into) in into.chunks_mut($lanes).enumerate() {
                    let some = ((1u32 << into.len()) - 1) as $mask;
                    let mut sums = [$zero(), $zero(), $zero(), $zero()];
                    let at = |k: usize, sum| {
                        // SAFETY: in bounds by the assertion; lanes that are masked away are not read.
                        unsafe {
                            let row = $load_some(some, rows.as_ptr().add(k * apart + block * $lanes));
                            $fused($splat(*weights.as_ptr().add(k * step)), row, sum)
                        }
                    };
                    let fours = terms / 4;
                    for k in 0..fours {
                        let [a, b, c, d] = sums;
                        sums = [at(4 * k, a), at(4 * k + 1, b), at(4 * k + 2, c), at(4 * k + 3, d)];
                    }
                    let [mut a, b, c, d] = sums;
                    for k in 4 * fours..terms {
                        a = at(k, a);
                    }
                    let sum = $add($add(a, b), $add(c, d));
                    // SAFETY: lanes that are masked away are not written.
                    unsafe { $store_some(into.as_mut_ptr(), some, sum) };
                }
            }

            #[inline]
            #[target_feature(enable = "avx512f")]
            unsafe fn small_product(memory: *mut Self, p: &Multiplied) {
                let [along_rows, along_terms, right_step, row] = p.strides;
                for column in (0..p.columns).step_by($lanes) {
                    let some = ((1u32 << (p.columns - column).min($lanes)) - 1) as $mask;
                    let mut first = 0;
                    // Four rows together, so that no sum waits for itself; those there are not are made as the last.
                    while first < p.rows {
                        let place = |r: usize| p.left + (first + r).min(p.rows - 1) * along_rows;
                        let places = [place(0), place(1), place(2), place(3)];
                        let (mut a, mut b, mut c, mut d) = ($zero(), $zero(), $zero(), $zero());
                        for k in 0..p.terms {
                            let at = k * along_terms;
                            // SAFETY: operands may be read; lanes that are masked away are not.
                            unsafe {
                                let left = |place: usize| $splat(*memory.add(place + at));
                                let x = $load_some(some, memory.add(p.right + column + k * right_step));
                                let [p, q, r, s] = places;
                                a = $fused(left(p), x, a);
                                b = $fused(left(q), x, b);
                                c = $fused(left(r), x, c);
                                d = $fused(left(s), x, d);
                            }
                        }
                        for (r, sum) in (first..p.rows).zip([a, b, c, d]) {
                            // SAFETY: the result may be written; lanes that are masked away are not.
                            unsafe { $store_some(memory.add(p.into + r * row + column), some, sum) };
                        }
                        first += 4;
                    }
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
wide!(
    f32,
    16,
    __mmask16,
    _mm512_setzero_ps,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_maskz_loadu_ps,
    _mm512_mask_storeu_ps,
    _mm512_add_ps,
    _mm512_fmadd_ps,
    _mm512_reduce_add_ps,
    unsafe fn permute(from: *const Self, lanes: &[u32; 16], into: *mut Self) {
        // SAFETY: by the caller's promise.
        unsafe {
            let lanes = _mm512_loadu_si512(lanes.as_ptr().cast());
            let some = _mm512_cmplt_epu32_mask(lanes, _mm512_set1_epi32(16));
            _mm512_storeu_ps(into, _mm512_maskz_permutexvar_ps(some, lanes, _mm512_loadu_ps(from)));
        }
    }
);
#[cfg(target_arch = "x86_64")]
wide!(
    f64,
    8,
    __mmask8,
    _mm512_setzero_pd,
    _mm512_set1_pd,
    _mm512_loadu_pd,
    _mm512_maskz_loadu_pd,
    _mm512_mask_storeu_pd,
    _mm512_add_pd,
    _mm512_fmadd_pd,
    _mm512_reduce_add_pd,
    unsafe fn permute(from: *const Self, lanes: &[u32; 16], into: *mut Self) {
        // SAFETY: by the caller's promise.
        unsafe {
            let (low, high) = (_mm512_loadu_pd(from), _mm512_loadu_pd(from.add(8)));
            for half in [0, 8] {
                let lanes = _mm512_cvtepu32_epi64(_mm256_loadu_si256(lanes.as_ptr().add(half).cast()));
                let some = _mm512_cmplt_epu64_mask(lanes, _mm512_set1_epi64(16));
                _mm512_storeu_pd(into.add(half), _mm512_maskz_permutex2var_pd(some, low, lanes, high));
            }
        }
    }
);
