//! Products with sampled counts, on the counts that are not 0 alone.

#![allow(unsafe_code)]
#![allow(clippy::indexing_slicing)]

use super::Geometry;
#[cfg(target_arch = "x86_64")]
use super::blocked::Matrix;
use super::workspace::Workspace;
use crate::isa::{Isa, vectorized};
use crate::math::Real;

/// Counts the entries of each row of the left operand that are not 0; returns their number.
pub fn count<T: Real>(isa: Isa, left: &[T], shape: &Geometry, workspace: &mut Workspace) -> u64 {
    workspace.ends.clear();
    workspace.ends.resize(shape.extents[0], 0);
    count_rows(isa, shape, left, &mut workspace.ends);
    workspace.ends.iter().map(|&c| u64::from(c)).sum()
}

#[inline(always)]
fn count_body<T: Real, const FMA: bool>(shape: &Geometry, left: &[T], counts: &mut [u32]) {
    let [m, _, k] = shape.extents;
    if shape.left[1] == 1 {
        for (i, c) in counts.iter_mut().enumerate() {
            *c = left[i * shape.left[0]..][..k].iter().map(|&v| u32::from(v != T::ZERO)).sum();
        }
    } else {
        for l in 0..k {
            if shape.left[0] == 1 {
                for (c, &v) in counts.iter_mut().zip(&left[l * shape.left[1]..][..m]) {
                    *c += u32::from(v != T::ZERO);
                }
            } else {
                for (i, c) in counts.iter_mut().enumerate() {
                    *c += u32::from(left[i * shape.left[0] + l * shape.left[1]] != T::ZERO);
                }
            }
        }
    }
}

vectorized!(
    fn count_rows<T: Real>(shape: &Geometry, left: &[T], counts: &mut [u32]) = count_body
);

/// Lists where the spikes are, row by row, from their counts. Afterwards `ends` holds the end of each row's list.
fn list<T: Real>(left: &[T], shape: &Geometry, most: usize, workspace: &mut Workspace) {
    let [m, _, k] = shape.extents;
    let mut total = 0;
    for end in &mut workspace.ends {
        let count = *end;
        *end = total;
        total += count;
    }
    let (ends, places) = (&mut workspace.ends, &mut workspace.places);
    // Room for as many as there can be, so that later steps find it.
    places.clear();
    places.reserve(most);
    places.resize(total as usize, 0);
    let mut visit = |i: usize, l: usize| {
        if left[i * shape.left[0] + l * shape.left[1]] != T::ZERO {
            places[ends[i] as usize] = l as u32;
            ends[i] += 1;
        }
    };
    // Along the unit stride, whichever it is.
    if shape.left[1] == 1 {
        (0..m).for_each(|i| (0..k).for_each(|l| visit(i, l)));
    } else {
        (0..k).for_each(|l| (0..m).for_each(|i| visit(i, l)));
    }
}

/// into = left · right, or into + left · right, once the spikes are counted. Columns of `right` and `into` are
/// contiguous; at most `part` of the entries are spikes.
pub fn multiply<T: Real>(
    isa: Isa,
    shape: &Geometry,
    [left, right]: [&[T]; 2],
    into: &mut [T],
    part: f64,
    workspace: &mut Workspace,
) {
    let [m, n, k] = shape.extents;
    list(left, shape, (part * (m * k) as f64) as usize + 1, workspace);
    let mut begin = 0;
    for (i, &end) in workspace.ends.iter().enumerate() {
        let places = &workspace.places[begin as usize..end as usize];
        begin = end;
        let out = &mut into[i * shape.into[0]..][..n];
        let counts = &left[i * shape.left[0]..];
        #[cfg(target_arch = "x86_64")]
        if isa == Isa::Avx512 {
            // Bounds are checked before pointers are handed on.
            if let Some(&l) = places.iter().max() {
                let _ = (&right[l as usize * shape.right[0]..][..n], counts[l as usize * shape.left[1]]);
            }
            let right = Matrix { start: right.as_ptr().cast_mut(), row: shape.right[0], column: 1 };
            // SAFETY: the rows lie within `right` and the counts within `left`, as checked, and neither is written;
            // `out` has n elements; the processor has AVX-512.
            unsafe { T::combine(places, (counts.as_ptr(), shape.left[1]), right, out, shape.add) };
            continue;
        }
        combine(isa, places, (counts, shape.left[1]), (right, shape.right[0]), out, shape.add);
    }
}

#[inline(always)]
fn combine_body<T: Real, const FMA: bool>(
    places: &[u32],
    (counts, stride): (&[T], usize),
    (right, row): (&[T], usize),
    out: &mut [T],
    add: bool,
) {
    if !add {
        out.fill(T::ZERO);
    }
    for &l in places {
        let a = counts[l as usize * stride];
        for (o, &x) in out.iter_mut().zip(&right[l as usize * row..]) {
            *o = a.fused::<FMA>(x, *o);
        }
    }
}

vectorized!(
    /// out = Σ counts[l] · right[l] over places, or out + that.
    fn combine<T: Real>(places: &[u32], counts: (&[T], usize), right: (&[T], usize), out: &mut [T], add: bool) = combine_body
);

/// into = left · right at the elements where the mask, counted before, is not 0, and 0 elsewhere. The summed axis is
/// contiguous in both operands.
pub fn multiply_masked<T: Real>(
    isa: Isa,
    shape: &Geometry,
    (mask, counted): (&[T], &Geometry),
    [left, right]: [&[T]; 2],
    into: &mut [T],
    part: f64,
    workspace: &mut Workspace,
) {
    let [m, n, k] = shape.extents;
    list(mask, counted, (part * (m * n) as f64) as usize + 1, workspace);
    let mut begin = 0;
    for (i, &end) in workspace.ends.iter().enumerate() {
        let places = &workspace.places[begin as usize..end as usize];
        begin = end;
        for j in 0..n {
            into[i * shape.into[0] + j * shape.into[1]] = T::ZERO;
        }
        let row = &left[i * shape.left[0]..][..k];
        for four in places.chunks(4) {
            // A place missing in the last four is computed again.
            let at = |c: usize| four.get(c).or(four.first()).map_or(0, |&j| j as usize);
            let columns = [at(0), at(1), at(2), at(3)].map(|j| &right[j * shape.right[1]..][..k]);
            let sums = dots(isa, row, columns);
            for (&j, sum) in four.iter().zip(sums) {
                into[i * shape.into[0] + j as usize * shape.into[1]] = sum;
            }
        }
    }
}

#[inline(always)]
fn dots_body<T: Real, const FMA: bool>(row: &[T], columns: [&[T]; 4]) -> [T; 4] {
    const LANES: usize = 16;
    let mut sums = [[T::ZERO; LANES]; 4];
    let whole = row.len() / LANES * LANES;
    let [a, b, c, d] = columns.map(|column| column[..whole].as_chunks::<LANES>().0);
    for ((((x, a), b), c), d) in row[..whole].as_chunks::<LANES>().0.iter().zip(a).zip(b).zip(c).zip(d) {
        for (sums, y) in sums.iter_mut().zip([a, b, c, d]) {
            for ((sum, &x), &y) in sums.iter_mut().zip(x).zip(y) {
                *sum = x.fused::<FMA>(y, *sum);
            }
        }
    }
    let mut totals = [T::ZERO; 4];
    for ((total, sums), column) in totals.iter_mut().zip(sums).zip(columns) {
        for (&x, &y) in row[whole..].iter().zip(&column[whole..]) {
            *total = x.fused::<FMA>(y, *total);
        }
        for sum in sums {
            *total = *total + sum;
        }
    }
    totals
}

vectorized!(
    /// Σ row · column for four columns.
    fn dots<T: Real>(row: &[T], columns: [&[T]; 4]) -> [T; 4] = dots_body
);
