//! Squares of a matrix turned in registers of AVX-512.

#![allow(unsafe_code)]
#![allow(clippy::indexing_slicing)]

use std::arch::x86_64::*;

/// Turns a square of 16 × 16: row j of `from` becomes column j of `to`.
///
/// # Safety
/// `from` has 16 rows of 16 elements, `to` likewise and is written by no one else.
#[target_feature(enable = "avx512f")]
pub unsafe fn transpose_single(from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
    let mut rows = [_mm512_setzero_ps(); 16];
    for (j, row) in rows.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *row = unsafe { _mm512_loadu_ps(from.wrapping_add(j * from_row)) };
    }
    // Pairs, then quadruples within each quarter of a register; then the quarters themselves.
    let mut pairs = rows;
    for j in (0..16).step_by(2) {
        pairs[j] = _mm512_unpacklo_ps(rows[j], rows[j + 1]);
        pairs[j + 1] = _mm512_unpackhi_ps(rows[j], rows[j + 1]);
    }
    let mut fours = rows;
    for j in (0..16).step_by(4) {
        for i in 0..2 {
            let (low, high) = (_mm512_castps_pd(pairs[j + i]), _mm512_castps_pd(pairs[j + i + 2]));
            fours[j + 2 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            fours[j + 2 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
    }
    for j in 0..4 {
        let [a, b, c, d] = [fours[j], fours[j + 4], fours[j + 8], fours[j + 12]];
        let low = [_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0x88>(c, d)];
        let high = [_mm512_shuffle_f32x4::<0xdd>(a, b), _mm512_shuffle_f32x4::<0xdd>(c, d)];
        for (place, row) in [
            (j, _mm512_shuffle_f32x4::<0x88>(low[0], low[1])),
            (j + 4, _mm512_shuffle_f32x4::<0x88>(high[0], high[1])),
            (j + 8, _mm512_shuffle_f32x4::<0xdd>(low[0], low[1])),
            (j + 12, _mm512_shuffle_f32x4::<0xdd>(high[0], high[1])),
        ] {
            // SAFETY: the caller's promise.
            unsafe { _mm512_storeu_ps(to.wrapping_add(place * to_row), row) };
        }
    }
}

/// Turns a square of 8 × 8: row j of `from` becomes column j of `to`.
///
/// # Safety
/// `from` has 8 rows of 8 elements, `to` likewise and is written by no one else.
#[target_feature(enable = "avx512f")]
pub unsafe fn transpose_double(from: *const f64, from_row: usize, to: *mut f64, to_row: usize) {
    let mut rows = [_mm512_setzero_pd(); 8];
    for (j, row) in rows.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *row = unsafe { _mm512_loadu_pd(from.wrapping_add(j * from_row)) };
    }
    let mut pairs = rows;
    for j in (0..8).step_by(2) {
        pairs[j] = _mm512_unpacklo_pd(rows[j], rows[j + 1]);
        pairs[j + 1] = _mm512_unpackhi_pd(rows[j], rows[j + 1]);
    }
    for j in 0..2 {
        let [a, b, c, d] = [pairs[j], pairs[j + 2], pairs[j + 4], pairs[j + 6]];
        let low = [_mm512_shuffle_f64x2::<0x88>(a, b), _mm512_shuffle_f64x2::<0x88>(c, d)];
        let high = [_mm512_shuffle_f64x2::<0xdd>(a, b), _mm512_shuffle_f64x2::<0xdd>(c, d)];
        for (place, row) in [
            (j, _mm512_shuffle_f64x2::<0x88>(low[0], low[1])),
            (j + 2, _mm512_shuffle_f64x2::<0x88>(high[0], high[1])),
            (j + 4, _mm512_shuffle_f64x2::<0xdd>(low[0], low[1])),
            (j + 6, _mm512_shuffle_f64x2::<0xdd>(high[0], high[1])),
        ] {
            // SAFETY: the caller's promise.
            unsafe { _mm512_storeu_pd(to.wrapping_add(place * to_row), row) };
        }
    }
}
