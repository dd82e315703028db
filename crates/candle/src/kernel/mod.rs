//! Loops over host memory, for what candle lacks or does slowly. Each takes tensors with their axes and gives the
//! values of the result, row-major over its axes. Work is split at fixed places, so that the numbers are the same at
//! any thread count.

pub mod contract;
pub mod elementwise;
pub mod index;
pub mod random;
pub mod reduce;
mod walk;

use candle_core::{Layout, Storage, Tensor, WithDType};
use fe_graph::Axis;
use rayon::prelude::*;

use crate::fault::Fault;
use walk::Walk;

/// The number types that graphs run in.
pub trait Element: WithDType + num_traits::Float {
    /// The nearest number of this type.
    fn of(value: f64) -> Self {
        <Self as WithDType>::from_f64(value)
    }

    /// As f64.
    fn wide(self) -> f64 {
        <Self as WithDType>::to_f64(self)
    }
}

impl Element for f32 {}
impl Element for f64 {}

/// A tensor and the names of its dimensions.
#[derive(Clone, Copy)]
pub struct Named<'a> {
    pub tensor: &'a Tensor,
    pub axes: &'a [Axis],
}

impl Named<'_> {
    /// The extent along an axis; 1 where the tensor lacks it.
    pub fn extent(&self, axis: Axis) -> usize {
        self.axes.iter().zip(self.tensor.dims()).find(|(a, _)| **a == axis).map_or(1, |(_, &d)| d)
    }

    /// The stride along an axis; 0 where the tensor lacks it or has one place.
    pub fn stride(&self, axis: Axis) -> usize {
        let at = self.axes.iter().position(|&a| a == axis);
        let (dims, strides) = (self.tensor.dims(), self.tensor.stride());
        match at.map(|k| (dims.get(k), strides.get(k))) {
            Some((Some(&d), Some(&s))) if d != 1 => s,
            _ => 0,
        }
    }
}

/// The strides of operands along the axes of a result.
fn walk<const N: usize>(operands: [Named; N], axes: &[Axis], dims: &[usize]) -> Walk<N> {
    let strides: Vec<[usize; N]> = axes.iter().map(|&a| operands.map(|x| x.stride(a))).collect();
    Walk::new(dims, &strides)
}

/// The host memory of a tensor, from its first element.
fn slice<'a, T: Element>(storage: &'a Storage, layout: &Layout) -> Result<&'a [T], Fault> {
    let Storage::Cpu(storage) = storage else { return Err(Fault::from("a host tensor was expected")) };
    let data = T::cpu_storage_as_slice(storage)?;
    data.get(layout.start_offset()..).ok_or_else(|| Fault::from("a tensor lies outside its memory"))
}

/// The number of elements of a tensor of these extents.
pub fn size(dims: &[usize]) -> Result<usize, Fault> {
    let count = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    count.filter(|&n| n <= isize::MAX as usize / 16).ok_or_else(|| Fault::from("a tensor is too large to address"))
}

/// Zeros, or an error where memory does not suffice.
fn zeros<T: Element>(len: usize) -> Result<Vec<T>, Fault> {
    let mut out: Vec<T> = vec![];
    out.try_reserve_exact(len).map_err(|_| Fault::Message(format!("out of memory for {len} numbers")))?;
    out.resize(len, <T as num_traits::Zero>::zero());
    Ok(out)
}

/// Fills a tensor in pieces of `piece` elements; `f` receives where a piece begins and the piece.
fn fill<T: Element>(len: usize, piece: usize, f: impl Fn(usize, &mut [T]) + Sync) -> Result<Vec<T>, Fault> {
    let mut out = zeros(len)?;
    if len <= piece {
        f(0, &mut out);
    } else {
        out.par_chunks_mut(piece).enumerate().for_each(|(k, part)| f(k * piece, part));
    }
    Ok(out)
}

/// The elements of a run.
fn strided<T: Element>(data: &[T], offset: usize, step: usize, len: usize) -> impl Iterator<Item = T> {
    (0..len).map(move |k| data.get(offset + k * step).copied().unwrap_or_else(T::nan))
}
