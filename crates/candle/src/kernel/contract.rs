//! Sums of products over axes, as matrix products where they are.

use candle_core::{Device, Tensor};
use fe_graph::{Axis, axis};

use super::{Element, Named, fill, reduce, slice};
use crate::fault::Fault;

/// Below this many multiplications the set-up of a blocked matrix product costs more than the product.
const SMALL: usize = 1 << 12;

/// The part an axis plays in Σₖ a[b, m, k] · c[b, n, k].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// In both operands and in the result.
    Batch,
    /// In one operand and in the result.
    Free,
    /// In both operands, summed.
    Summed,
}

/// Σ over `over` of a · b. The result's dimensions follow `axes`; it may be a strided view.
pub fn contract<T: Element>(a: Named, b: Named, over: &[Axis], axes: &[Axis]) -> Result<Tensor, Fault> {
    let shared = axis::intersection(a.axes, b.axes);
    let role = |x: Axis| match (over.contains(&x), shared.contains(&x)) {
        (true, _) => Role::Summed,
        (_, true) => Role::Batch,
        _ => Role::Free,
    };
    // The operand whose free axis comes first in the result goes left: the product then lies in the result's order.
    let first_free = axes.iter().find(|&&x| role(x) == Role::Free);
    let (a, b) = if first_free.is_some_and(|x| b.axes.contains(x)) { (b, a) } else { (a, b) };
    let extents =
        |x: Named, r: Role| -> Vec<usize> { x.axes.iter().filter(|&&n| role(n) == r).map(|&n| x.extent(n)).collect() };
    let (batch, rows, columns) = (extents(a, Role::Batch), extents(a, Role::Free), extents(b, Role::Free));
    let product = |dims: &[usize]| dims.iter().product::<usize>();
    let (p, m, n, k) = (product(&batch), product(&rows), product(&columns), product(&extents(a, Role::Summed)));
    let device = a.tensor.device().clone();
    let host = device.is_cpu();
    let [left, right] = [grouped(a, role, [p, m, k])?, grouped(b, role, [p, n, k])?];
    let dims = [batch, rows, columns].concat();
    let result = if p == 0 || m == 0 || n == 0 || k == 0 {
        Tensor::zeros(dims.as_slice(), a.tensor.dtype(), &device)?
    } else if host && m == 1 && n == 1 {
        let values = reduce::dot::<T>(&left.contiguous()?, &right.contiguous()?, k)?;
        Tensor::from_vec(values, dims.as_slice(), &device)?
    } else if host && m.saturating_mul(n).saturating_mul(k) <= SMALL {
        Tensor::from_vec(small::<T>(&left, &right, [p, m, n, k])?, dims.as_slice(), &Device::Cpu)?
    } else {
        let (left, right) = if host { (left, right) } else { (left.contiguous()?, right.contiguous()?) };
        let right = right.transpose(1, 2)?;
        let out = if p == 1 { left.squeeze(0)?.matmul(&right.squeeze(0)?)? } else { left.matmul(&right)? };
        out.reshape(dims.as_slice())?
    };
    // From batch, rows, columns to the result's order.
    let mut now: Vec<Axis> = a.axes.iter().copied().filter(|&x| role(x) == Role::Batch).collect();
    for x in [a, b] {
        now.extend(x.axes.iter().copied().filter(|&x| role(x) == Role::Free));
    }
    let order: Vec<usize> = axes.iter().filter_map(|x| now.iter().position(|y| x == y)).collect();
    Ok(if order.is_sorted() { result } else { result.permute(order)? })
}

/// A tensor as [batch, free, summed], without copying where strides allow.
fn grouped(x: Named, role: impl Fn(Axis) -> Role, dims: [usize; 3]) -> Result<Tensor, Fault> {
    let repeated = x.tensor.dims().iter().zip(x.tensor.stride()).any(|(&d, &s)| d > 1 && s == 0);
    let tensor = if repeated { x.tensor.contiguous()? } else { x.tensor.clone() };
    // Neighbours of one role are merged first, which a contiguous tensor allows for free.
    let mut groups: Vec<(Role, usize)> = vec![];
    for &a in x.axes {
        let (r, d) = (role(a), x.extent(a));
        match groups.last_mut() {
            Some((same, extent)) if *same == r => *extent *= d,
            _ => groups.push((r, d)),
        }
    }
    let merged: Vec<usize> = groups.iter().map(|g| g.1).collect();
    let tensor = if merged.len() == tensor.rank() { tensor } else { tensor.reshape(merged)? };
    let mut order: Vec<usize> = vec![];
    for r in [Role::Batch, Role::Free, Role::Summed] {
        order.extend((0..groups.len()).filter(|&k| groups.get(k).is_some_and(|g| g.0 == r)));
    }
    let tensor = if order.is_sorted() { tensor } else { tensor.permute(order.as_slice())? };
    let tensor = match groups.len() {
        3 if [Role::Batch, Role::Free, Role::Summed].iter().all(|r| groups.iter().any(|g| g.0 == *r)) => tensor,
        _ => with_all_roles(tensor, &groups, &order, dims)?,
    };
    Ok(tensor)
}

/// Inserts the roles that a tensor lacks as dimensions of extent 1, and merges those that it has several times.
fn with_all_roles(
    tensor: Tensor,
    groups: &[(Role, usize)],
    order: &[usize],
    dims: [usize; 3],
) -> Result<Tensor, Fault> {
    let roles: Vec<Role> = order.iter().filter_map(|&k| groups.get(k).map(|g| g.0)).collect();
    if roles.windows(2).any(|w| w.first() == w.last()) {
        return Ok(tensor.reshape(dims.as_slice())?);
    }
    let mut tensor = tensor;
    for (at, r) in [Role::Batch, Role::Free, Role::Summed].into_iter().enumerate() {
        if !roles.contains(&r) {
            tensor = tensor.unsqueeze(at)?;
        }
    }
    Ok(tensor)
}

/// The product by its definition, accumulated in f64.
fn small<T: Element>(left: &Tensor, right: &Tensor, [p, m, n, k]: [usize; 4]) -> Result<Vec<T>, Fault> {
    let ((sl, ll), (sr, lr)) = (left.storage_and_layout(), right.storage_and_layout());
    let (xs, ys) = (slice::<T>(&sl, ll)?, slice::<T>(&sr, lr)?);
    let (&[lp, lm, lk], &[rp, rn, rk]) = (ll.stride(), lr.stride()) else {
        return Err(Fault::from("a matrix product needs three dimensions"));
    };
    let element = |at: usize| {
        let (row, j) = (at / n, at % n);
        let (q, i) = (row / m, row % m);
        let (x, y) = (q * lp + i * lm, q * rp + j * rn);
        let total: f64 = (0..k)
            .map(|l| match (xs.get(x + l * lk), ys.get(y + l * rk)) {
                (Some(x), Some(y)) => x.wide() * y.wide(),
                _ => f64::NAN,
            })
            .sum();
        T::of(total)
    };
    let piece = (SMALL / k).max(1);
    fill(p * m * n, piece, |start, out| out.iter_mut().enumerate().for_each(|(at, r)| *r = element(start + at)))
}
