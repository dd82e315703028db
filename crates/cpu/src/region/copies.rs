//! Copies of strided views into registers, in the order of a region's space.

use super::LONG;
use crate::arena::Arena;
use crate::math::Real;

/// Outer dimensions whose positions are counted along.
const DIMS: usize = 8;

/// Copies elements `from..from + out.len()` of the space, in its order, from a strided view.
#[inline(always)]
pub(super) fn expand<T: Real>(
    arena: &Arena<T>,
    dims: &[usize],
    strides: &[usize],
    start: usize,
    from: usize,
    out: &mut [T],
) {
    let outer = dims.len().saturating_sub(1);
    let inner = dims.last().copied().unwrap_or(1);
    let step = strides.last().copied().unwrap_or(0);
    let (mut row, mut within, mut done) = (from / inner, from % inner, 0);
    let mut place = start + offset(dims, strides, row);
    // Positions along the outer dimensions, so that a row is found from the one before without a division.
    let mut counts = [0; DIMS];
    let mut rest = row;
    for (c, &d) in counts.iter_mut().zip(dims[..outer].iter().rev()) {
        *c = rest % d;
        rest /= d;
    }
    let (next, by) = match outer {
        0 => (1, 0),
        _ => (dims[outer - 1], strides[outer - 1]),
    };
    while done < out.len() {
        // Rows that follow one another evenly are copied together.
        let even = if inner < LONG && within == 0 && outer <= DIMS {
            (next - counts[0]).min((out.len() - done) / inner)
        } else {
            0
        };
        let passed = if even > 1 {
            let rows = &mut out[done..done + even * inner];
            // SAFETY: a region's loads are not written while it runs (see `Arena`).
            let source = unsafe { arena.read(place, (even - 1) * by + (inner - 1) * step + 1) };
            even_rows(rows, source, inner, (by, step));
            done += even * inner;
            even
        } else {
            let length = (inner - within).min(out.len() - done);
            let at = place + within * step;
            let part = &mut out[done..done + length];
            // SAFETY: as above.
            match step {
                0 => part.fill(unsafe { arena.read(at, 1) }[0]),
                1 => part.copy_from_slice(unsafe { arena.read(at, length) }),
                _ => {
                    let source = unsafe { arena.read(at, (length - 1) * step + 1) };
                    for (o, &v) in part.iter_mut().zip(source.iter().step_by(step)) {
                        *o = v;
                    }
                }
            }
            done += length;
            1
        };
        within = 0;
        row += passed;
        if outer > DIMS {
            place = start + offset(dims, strides, row);
            continue;
        }
        let mut passed = passed;
        for ((c, &d), &s) in counts.iter_mut().zip(dims[..outer].iter().rev()).zip(strides[..outer].iter().rev()) {
            *c += passed;
            place += s * passed;
            if *c < d {
                break;
            }
            place -= s * d;
            *c = 0;
            passed = 1;
        }
    }
}

/// Rows of no more elements than this are of a known length to the compiler.
pub(super) const SHORT: usize = 8;

/// Rows, each `by` elements after the one before, whose elements are `step` apart.
#[inline(always)]
fn even_rows<T: Real>(rows: &mut [T], source: &[T], inner: usize, (by, step): (usize, usize)) {
    match (by, step) {
        _ if inner <= SHORT => short_rows(rows, source, inner, (by, step)),
        (_, 0) => splat_rows(rows, source, inner, by),
        (0, 1) => repeat(rows, &source[..inner]),
        (_, 1) => {
            for (k, row) in rows.chunks_exact_mut(inner).enumerate() {
                row.copy_from_slice(&source[k * by..][..inner]);
            }
        }
        _ => {
            for (k, row) in rows.chunks_exact_mut(inner).enumerate() {
                for (o, &v) in row.iter_mut().zip(source[k * by..].iter().step_by(step)) {
                    *o = v;
                }
            }
        }
    }
}

/// Rows of one element each, repeated: whole vectors are written past the end of a row, where the next one follows.
#[inline(always)]
fn splat_rows<T: Real>(rows: &mut [T], source: &[T], inner: usize, by: usize) {
    let whole = inner.next_multiple_of(SPLAT);
    let count = rows.len() / inner;
    for k in 0..count {
        let v = source[k * by];
        let row = &mut rows[k * inner..];
        if row.len() < whole {
            row[..inner].fill(v);
            continue;
        }
        let (vectors, _) = row[..whole].as_chunks_mut::<SPLAT>();
        for vector in vectors {
            *vector = [v; SPLAT];
        }
    }
}

/// Elements that are written at once.
const SPLAT: usize = 8;

/// One row over and over: what there is is copied behind itself.
#[inline(always)]
fn repeat<T: Real>(rows: &mut [T], row: &[T]) {
    let mut done = row.len().min(rows.len());
    rows[..done].copy_from_slice(&row[..done]);
    while done < rows.len() {
        let more = done.min(rows.len() - done);
        rows.copy_within(..more, done);
        done += more;
    }
}

/// Rows of a few elements, each `by` elements after the one before, whose elements are `step` apart.
#[inline(always)]
fn short_rows<T: Real>(rows: &mut [T], source: &[T], inner: usize, strides: (usize, usize)) {
    match inner {
        1 => rows_of::<T, 1>(rows, source, strides),
        2 => rows_of::<T, 2>(rows, source, strides),
        3 => rows_of::<T, 3>(rows, source, strides),
        4 => rows_of::<T, 4>(rows, source, strides),
        5 => rows_of::<T, 5>(rows, source, strides),
        6 => rows_of::<T, 6>(rows, source, strides),
        7 => rows_of::<T, 7>(rows, source, strides),
        _ => rows_of::<T, 8>(rows, source, strides),
    }
}

#[inline(always)]
fn rows_of<T: Real, const N: usize>(rows: &mut [T], source: &[T], (by, step): (usize, usize)) {
    let (rows, _) = rows.as_chunks_mut::<N>();
    match step {
        0 if by == 1 => {
            for (row, &v) in rows.iter_mut().zip(source) {
                *row = [v; N];
            }
        }
        0 => {
            for (k, row) in rows.iter_mut().enumerate() {
                *row = [source[k * by]; N];
            }
        }
        1 => {
            for (k, row) in rows.iter_mut().enumerate() {
                row.copy_from_slice(&source[k * by..][..N]);
            }
        }
        _ => {
            for (k, row) in rows.iter_mut().enumerate() {
                let from = &source[k * by..];
                *row = std::array::from_fn(|i| from[i * step]);
            }
        }
    }
}

/// Copies elements `from..from + out.len()` of the space, in its order, from where each group of them has the same offsets
/// from its first place, which moves on by strides along the dimensions outside.
#[inline(always)]
pub(super) fn grouped<T: Real>(
    arena: &Arena<T>,
    (dims, strides): (&[usize], &[usize]),
    (start, offsets, span): (usize, &[usize], usize),
    from: usize,
    out: &mut [T],
) {
    let group = offsets.len();
    let inner = dims.last().copied().unwrap_or(1);
    let by = strides.last().copied().unwrap_or(0);
    let (mut number, mut within, mut done) = (from / group, from % group, 0);
    while done < out.len() {
        let row = number / inner;
        let column = number % inner;
        let place = start + offset(dims, strides, row) + column * by;
        // Whole groups up to the end of the innermost of these dimensions, or a part of one.
        let whole = if within == 0 { (inner - column).min((out.len() - done) / group) } else { 0 };
        let length = if whole > 0 { whole * group } else { (group - within).min(out.len() - done) };
        let groups = whole.max(1);
        // SAFETY: a region's loads are not written while it runs (see `Arena`).
        let source = unsafe { arena.read(place, (groups - 1) * by + span) };
        let part = &mut out[done..done + length];
        for (k, part) in part.chunks_mut(group).enumerate() {
            let first = k * by;
            for (o, &offset) in part.iter_mut().zip(&offsets[within..]) {
                // SAFETY: offsets lie within `span`, and `source` holds that much from the first place of its last group on.
                *o = unsafe { *source.get_unchecked(first + offset) };
            }
        }
        done += length;
        within += length;
        number += within / group;
        within %= group;
    }
}

/// The offset of row `row` of the space, its innermost dimension left out.
#[inline(always)]
pub(super) fn offset(dims: &[usize], strides: &[usize], mut row: usize) -> usize {
    let mut offset = 0;
    let outer = dims.len().saturating_sub(1);
    for (&d, &s) in dims[..outer].iter().zip(&strides[..outer]).rev() {
        offset += row % d * s;
        row /= d;
    }
    offset
}
