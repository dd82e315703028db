//! Dense host tensors, row-major over a graph's sorted axes.

use std::hash::{Hash, Hasher};

/// Values and extents, row-major.
#[derive(Clone, Debug, Default)]
pub struct Tensor {
    /// Extent of each axis; empty for a scalar.
    pub shape: Vec<usize>,
    /// `shape.product()` values.
    pub values: Vec<f64>,
}

impl Tensor {
    /// A tensor, or `None` when the number of values is not the product of the extents.
    pub fn new(shape: Vec<usize>, values: Vec<f64>) -> Option<Self> {
        let size = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
        (size == values.len()).then_some(Self { shape, values })
    }

    /// A scalar.
    pub fn scalar(value: f64) -> Self {
        Self { shape: vec![], values: vec![value] }
    }

    /// The same value everywhere.
    pub fn full(shape: Vec<usize>, value: f64) -> Self {
        let size = shape.iter().product();
        Self { shape, values: vec![value; size] }
    }

    /// The only value of a scalar, NaN for an empty tensor.
    pub fn item(&self) -> f64 {
        self.values.first().copied().unwrap_or(f64::NAN)
    }

    /// Whether this is a matrix with ones along its diagonal and zeros elsewhere.
    pub fn is_identity(&self) -> bool {
        let &[n, m] = self.shape.as_slice() else { return false };
        n == m && self.values.iter().enumerate().all(|(k, &v)| v == if k % (n + 1) == 0 { 1.0 } else { 0.0 })
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The tensor with its axes reordered: axis `k` of the result is axis `order[k]` of this one. `None` where
    /// `order` is not a permutation.
    pub fn permuted(&self, order: &[usize]) -> Option<Self> {
        let mut seen = order.to_vec();
        seen.sort_unstable();
        if !seen.iter().copied().eq(0..self.shape.len()) {
            return None;
        }
        if order.iter().copied().eq(0..order.len()) {
            return Some(self.clone());
        }
        let mut strides = vec![1usize; self.shape.len()];
        for k in (0..self.shape.len().saturating_sub(1)).rev() {
            let next = strides.get(k + 1)?.checked_mul(*self.shape.get(k + 1)?)?;
            *strides.get_mut(k)? = next;
        }
        let shape: Vec<usize> = order.iter().filter_map(|&k| self.shape.get(k).copied()).collect();
        let steps: Vec<usize> = order.iter().filter_map(|&k| strides.get(k).copied()).collect();
        let mut index = vec![0usize; shape.len()];
        let mut at = 0usize;
        let mut values = Vec::with_capacity(self.values.len());
        for _ in 0..self.values.len() {
            values.push(*self.values.get(at)?);
            for ((i, &extent), &step) in index.iter_mut().zip(&shape).zip(&steps).rev() {
                *i += 1;
                at += step;
                if *i < extent {
                    break;
                }
                at -= step * extent;
                *i = 0;
            }
        }
        Some(Self { shape, values })
    }
}

impl PartialEq for Tensor {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape
            && self.values.len() == other.values.len()
            && self.values.iter().zip(&other.values).all(|(a, b)| a.to_bits() == b.to_bits())
    }
}

impl Eq for Tensor {}

impl Hash for Tensor {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.shape.hash(state);
        for v in &self.values {
            v.to_bits().hash(state);
        }
    }
}
