//! Sums and maxima over axes, and sums of products. All are accumulated in f64, over panels whose borders depend on
//! the shape only, and the panels' results are combined in order.

use candle_core::Tensor;
use fe_graph::Axis;
use rayon::prelude::*;

use super::elementwise::materialise;
use super::{Element, Named, size, slice};
use crate::fault::Fault;

/// Elements in a panel.
const PANEL: usize = 1 << 14;

/// The accumulation of a reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    Sum,
    /// NaN wins; over nothing, −∞.
    Max,
}

impl Fold {
    fn start(self) -> f64 {
        match self {
            Fold::Sum => 0.0,
            Fold::Max => f64::NEG_INFINITY,
        }
    }
}

fn plus(a: f64, b: f64) -> f64 {
    a + b
}

fn larger(a: f64, b: f64) -> f64 {
    if a > b || a.is_nan() { a } else { b }
}

/// Reduces over the axes `over`; the result is over the others.
pub fn reduce<T: Element>(fold: Fold, x: Named, over: &[Axis]) -> Result<Vec<T>, Fault> {
    size(x.tensor.dims())?;
    // Neighbouring axes of the same fate are one.
    let mut groups: Vec<(usize, bool)> = vec![];
    for (axis, &d) in x.axes.iter().zip(x.tensor.dims()).filter(|(_, d)| **d != 1) {
        let gone = over.contains(axis);
        match groups.last_mut() {
            Some((extent, same)) if *same == gone => *extent *= d,
            _ => groups.push((d, gone)),
        }
    }
    let (storage, layout) = x.tensor.storage_and_layout();
    let owned;
    let mut data: &[T] = if layout.is_contiguous() {
        let data = slice::<T>(&storage, layout)?;
        data.get(..layout.shape().elem_count()).unwrap_or(data)
    } else {
        owned = materialise::<T>(x)?;
        &owned
    };
    // The last reduced group first: it is the one that shrinks the most memory read in order.
    let mut values: Vec<T>;
    while let Some(k) = groups.iter().rposition(|g| g.1) {
        let extents = |part: Option<&[(usize, bool)]>| part.unwrap_or_default().iter().map(|g| g.0).product::<usize>();
        let (outer, inner) = (extents(groups.get(..k)), extents(groups.get(k + 1..)));
        let (reduced, _) = groups.remove(k);
        values = match fold {
            Fold::Sum => group(data, outer, reduced, inner, fold, plus),
            Fold::Max => group(data, outer, reduced, inner, fold, larger),
        };
        data = &values;
        // Its neighbours now touch; they are of one fate and need no merging to be reduced in turn.
    }
    Ok(data.to_vec())
}

/// Reduces the middle one of three axes.
fn group<T: Element>(
    data: &[T],
    outer: usize,
    reduced: usize,
    inner: usize,
    fold: Fold,
    f: impl Fn(f64, f64) -> f64 + Sync + Copy,
) -> Vec<T> {
    if outer == 0 || inner == 0 || reduced == 0 {
        return vec![T::of(fold.start()); outer * inner];
    }
    if inner == 1 {
        return rows(data, outer, reduced, |row| lanes(row.iter().map(|v| v.wide()), fold.start(), f), fold, f);
    }
    // Rows of a block are added up element by element.
    let height = (PANEL / inner).max(64).min(reduced);
    let panels = reduced.div_ceil(height);
    let block = reduced * inner;
    let partial = |job: usize| -> Vec<f64> {
        let (o, p) = (job / panels, job % panels);
        let mut total = vec![fold.start(); inner];
        let from = o * block + p * height * inner;
        let to = (from + height * inner).min((o + 1) * block);
        for row in data.get(from..to).unwrap_or_default().chunks_exact(inner) {
            total.iter_mut().zip(row).for_each(|(t, v)| *t = f(*t, v.wide()));
        }
        total
    };
    if panels == 1 {
        let mut out = vec![<T as num_traits::Zero>::zero(); outer * inner];
        let one = |(o, out): (usize, &mut [T])| {
            out.iter_mut().zip(partial(o)).for_each(|(r, t)| *r = T::of(t));
        };
        if data.len() <= PANEL {
            out.chunks_mut(inner).enumerate().for_each(one);
        } else {
            out.par_chunks_mut(inner).with_min_len((PANEL / block).max(1)).enumerate().for_each(one);
        }
        return out;
    }
    let partials: Vec<Vec<f64>> = (0..outer * panels).into_par_iter().map(partial).collect();
    let mut out = Vec::with_capacity(outer * inner);
    for parts in partials.chunks(panels) {
        let mut total = vec![fold.start(); inner];
        for part in parts {
            total.iter_mut().zip(part).for_each(|(t, &v)| *t = f(*t, v));
        }
        out.extend(total.into_iter().map(T::of));
    }
    out
}

/// Reduces each row of a matrix by `whole`, long rows in panels.
fn rows<T: Element>(
    data: &[T],
    count: usize,
    length: usize,
    whole: impl Fn(&[T]) -> f64 + Sync,
    fold: Fold,
    f: impl Fn(f64, f64) -> f64,
) -> Vec<T> {
    if length <= PANEL {
        let rows = |part: &[T]| part.chunks_exact(length).map(|row| T::of(whole(row))).collect::<Vec<T>>();
        let many = (PANEL / length).max(1) * length;
        if data.len() <= many {
            return rows(data);
        }
        let parts: Vec<Vec<T>> = data.par_chunks(many).map(rows).collect();
        return parts.concat();
    }
    let panels = length.div_ceil(PANEL);
    let partial = |job: usize| {
        let (row, p) = (job / panels, job % panels);
        let from = row * length + p * PANEL;
        whole(data.get(from..(from + PANEL).min((row + 1) * length)).unwrap_or_default())
    };
    let partials: Vec<f64> = (0..count * panels).into_par_iter().map(partial).collect();
    partials.chunks(panels).map(|parts| T::of(parts.iter().fold(fold.start(), |t, &v| f(t, v)))).collect()
}

/// Eight running results, so that the processor need not wait for one addition to begin the next.
fn lanes(values: impl ExactSizeIterator<Item = f64>, start: f64, f: impl Fn(f64, f64) -> f64) -> f64 {
    let mut totals = [start; 8];
    let mut values = values;
    while values.len() >= 8 {
        for t in &mut totals {
            *t = f(*t, values.next().unwrap_or(start));
        }
    }
    let rest = values.fold(start, &f);
    f(totals.into_iter().fold(start, &f), rest)
}

/// Σ over the last axis of the product of two contiguous tensors of the same shape: one number a row.
pub fn dot<T: Element>(a: &Tensor, b: &Tensor, length: usize) -> Result<Vec<T>, Fault> {
    let count = a.elem_count().checked_div(length).unwrap_or(a.elem_count());
    let ((sa, la), (sb, lb)) = (a.storage_and_layout(), b.storage_and_layout());
    let (xs, ys) = (slice::<T>(&sa, la)?, slice::<T>(&sb, lb)?);
    let (width, panels) = (length.clamp(1, PANEL), length.div_ceil(PANEL).max(1));
    let partial = |job: usize| {
        let (row, p) = (job / panels, job % panels);
        let span = row * length + p * width..row * length + ((p + 1) * width).min(length);
        let (x, y) = (xs.get(span.clone()).unwrap_or_default(), ys.get(span).unwrap_or_default());
        lanes(x.iter().zip(y).map(|(x, y)| x.wide() * y.wide()), 0.0, plus)
    };
    let jobs = count * panels;
    let partials: Vec<f64> = if jobs * width <= PANEL {
        (0..jobs).map(partial).collect()
    } else {
        (0..jobs).into_par_iter().with_min_len((PANEL / width).max(1)).map(partial).collect()
    };
    Ok(partials.chunks(panels).map(|parts| T::of(parts.iter().sum())).collect())
}
