//! Counter-based noise and Poisson counts, many elements at a time. The words are those of [`fe_graph::noise`]: an
//! element draws the same numbers here and there, up to rounding, however a tensor is cut into calls.

mod arrivals;
mod indicator;
mod pool;
mod standard;
mod words;

pub use arrivals::{ArrivalScratch, arrivals};

use fe_graph::NoiseKind;
use fe_graph::noise::NoiseKey;

use crate::isa::vectorized;
use crate::math::Real;
use words::{Generator, Places};

vectorized!(
    /// Standard noise: `out` is [row, rest], row-major, `width` elements a row; its element (r, k) is the first draw of
    /// the stream of row number `rows[r]` and rest k. A tensor without rows is one row of number 0.
    pub fn noise<T: Real>(key: NoiseKey, kind: NoiseKind, rows: &[u64], width: usize, out: &mut [T]) = noise_body
);

/// Elements computed together.
const LANES: usize = 64;

/// Where there are no more than this many.
const SHORT: usize = 16;

#[inline(always)]
fn noise_body<T: Real, const FMA: bool>(key: NoiseKey, kind: NoiseKind, rows: &[u64], width: usize, out: &mut [T]) {
    let generator = Generator::new(key);
    let mut places = Places::new(rows, width);
    if out.len() <= SHORT {
        draw::<T, FMA, SHORT>(&generator, kind, &mut places, out);
    } else {
        for out in out.chunks_mut(LANES) {
            draw::<T, FMA, LANES>(&generator, kind, &mut places, out);
        }
    }
}

/// The next up to N elements.
#[inline(always)]
fn draw<T: Real, const FMA: bool, const N: usize>(
    generator: &Generator,
    kind: NoiseKind,
    places: &mut Places,
    out: &mut [T],
) {
    let (mut rest, mut row, mut drawn) = ([0; N], [0; N], [T::ZERO; N]);
    places.next(&mut rest, &mut row);
    let [a, b, c, d] = &generator.words(&[0; N], &rest, &row);
    let words = a.iter().zip(b).zip(c.iter().zip(d));
    match kind {
        NoiseKind::Normal => {
            for (x, ((a, b), (c, d))) in drawn.iter_mut().zip(words) {
                *x = standard::normal::<T, FMA>([*a, *b, *c, *d]);
            }
        }
        NoiseKind::Uniform => {
            for (x, ((a, b), _)) in drawn.iter_mut().zip(words) {
                *x = standard::uniform::<T, FMA>([*a, *b]);
            }
        }
        NoiseKind::Exponential => {
            for (x, ((a, b), _)) in drawn.iter_mut().zip(words) {
                *x = standard::exponential::<T, FMA>([*a, *b]);
            }
        }
    }
    for (x, d) in out.iter_mut().zip(&drawn) {
        *x = *d;
    }
}

vectorized!(
    /// The number of elements that are not zero in each row of `x`, which has `width` a row.
    pub fn nonzeros<T: Real>(x: &[T], width: usize, counts: &mut [u32]) = nonzeros_body
);

#[inline(always)]
fn nonzeros_body<T: Real, const FMA: bool>(x: &[T], width: usize, counts: &mut [u32]) {
    for (count, row) in counts.iter_mut().zip(x.chunks(width.max(1))) {
        let mut found = 0;
        for x in row {
            found += u32::from(*x != T::ZERO);
        }
        *count = found;
    }
}
