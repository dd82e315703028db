//! Picking and adding by index.

use fe_graph::{Axis, axis};
use num_traits::Zero;

use super::walk::Run;
use super::{Element, Named, fill, size, slice, strided, walk, zeros};
use crate::fault::Fault;

/// An index as a place along an axis of this extent.
pub fn place(value: f64, extent: usize) -> Result<usize, Fault> {
    // The comparison fails for NaN too.
    let fits = value >= 0.0 && value < extent as f64 && value.fract() == 0.0;
    if fits { Ok(value as usize) } else { Err(Fault::Index { value, extent }) }
}

/// Finds the first index that is none, if any.
fn check<T: Element>(index: Named, extent: usize) -> Result<(), Fault> {
    let whole = walk([index], index.axes, index.tensor.dims());
    let (storage, layout) = index.tensor.storage_and_layout();
    let data = slice::<T>(&storage, layout)?;
    let mut found = Ok(());
    whole.runs(0, size(index.tensor.dims())?, |Run { len, offsets: [o], steps: [s], .. }| {
        if found.is_ok()
            && let Some(bad) = strided(data, o, s, len).find_map(|v| place(v.wide(), extent).err())
        {
            found = Err(bad);
        }
    });
    found
}

/// Picks along `along` of x: each element of the result takes x there where the index says.
pub fn gather<T: Element>(x: Named, index: Named, along: Axis, axes: &[Axis], dims: &[usize]) -> Result<Vec<T>, Fault> {
    let extent = x.extent(along);
    check::<T>(index, extent)?;
    let stride = x.stride(along);
    // x without the axis: the result may carry an axis of that name, but it is the index's.
    let strides: Vec<[usize; 2]> =
        axes.iter().map(|&a| [if a == along { 0 } else { x.stride(a) }, index.stride(a)]).collect();
    let walk = super::Walk::new(dims, &strides);
    let ((sx, lx), (si, li)) = (x.tensor.storage_and_layout(), index.tensor.storage_and_layout());
    let (xs, is) = (slice::<T>(&sx, lx)?, slice::<T>(&si, li)?);
    fill(size(dims)?, 1 << 14, |start, out| {
        walk.runs(start, out.len(), |Run { at, len, offsets: [o, i], steps: [s, t] }| {
            let Some(out) = out.get_mut(at..at + len) else { return };
            if t == 0 {
                let row = o + is.get(i).map_or(0, |v| v.wide() as usize) * stride;
                match (s, xs.get(row..row + len)) {
                    (1, Some(x)) => out.copy_from_slice(x),
                    _ => out.iter_mut().zip(strided(xs, row, s, len)).for_each(|(r, x)| *r = x),
                }
            } else {
                for (k, (r, v)) in out.iter_mut().zip(strided(is, i, t, len)).enumerate() {
                    *r = xs.get(o + k * s + v.wide() as usize * stride).copied().unwrap_or_else(T::nan);
                }
            }
        });
    })
}

/// Adds each element of u at the place along `along` that the index says, summing over the axes of u that the result
/// lacks. Accumulates in f64, in the order of u.
pub fn scatter_add<T: Element>(
    u: Named,
    index: Named,
    along: Axis,
    over: &[Axis],
    axes: &[Axis],
    dims: &[usize],
) -> Result<Vec<T>, Fault> {
    let position = axes.iter().position(|&a| a == along);
    let extent = position.and_then(|k| dims.get(k).copied()).unwrap_or(0);
    check::<T>(index, extent)?;
    let count = size(dims)?;
    // Strides of the result, row-major.
    let mut steps = vec![0usize; dims.len()];
    let mut step = 1usize;
    for (s, &d) in steps.iter_mut().zip(dims).rev() {
        *s = step;
        step = step.saturating_mul(d);
    }
    let step_of = |a: Axis| axes.iter().position(|&b| b == a).and_then(|k| steps.get(k).copied()).unwrap_or(0);
    let stride = step_of(along);
    let kept = axis::difference(u.axes, over);
    let strides: Vec<[usize; 3]> = u
        .axes
        .iter()
        .map(|&a| [u.stride(a), index.stride(a), if kept.contains(&a) { step_of(a) } else { 0 }])
        .collect();
    let walk = super::Walk::new(u.tensor.dims(), &strides);
    let ((su, lu), (si, li)) = (u.tensor.storage_and_layout(), index.tensor.storage_and_layout());
    let (us, is) = (slice::<T>(&su, lu)?, slice::<T>(&si, li)?);
    let mut total = zeros::<f64>(count)?;
    walk.runs(0, size(u.tensor.dims())?, |Run { len, offsets: [o, i, r], steps: [s, t, q], .. }| {
        for (k, (v, at)) in strided(us, o, s, len).zip(strided(is, i, t, len)).enumerate() {
            if let Some(sum) = total.get_mut(r + k * q + at.wide() as usize * stride) {
                *sum += v.wide();
            }
        }
    });
    let mut out = vec![<T as Zero>::zero(); count];
    out.iter_mut().zip(total).for_each(|(r, v)| *r = T::of(v));
    Ok(out)
}
