//! Walks several strided tensors at once, in row-major order of the result.

/// The extents of a result and, for each of `N` operands, its strides along the result's axes (0 where it lacks the
/// axis). Neighbouring axes that all operands step through alike are merged, so that runs are long.
pub struct Walk<const N: usize> {
    dims: Vec<usize>,
    strides: Vec<[usize; N]>,
}

/// Consecutive elements of the result, and where the operands' elements are.
pub struct Run<const N: usize> {
    /// The start of the run, counted from the start of the walked part.
    pub at: usize,
    /// The number of elements.
    pub len: usize,
    /// The place of each operand's first element.
    pub offsets: [usize; N],
    /// The distance between each operand's elements.
    pub steps: [usize; N],
}

impl<const N: usize> Walk<N> {
    /// `strides` holds, for each axis of the result, the operands' strides.
    pub fn new(dims: &[usize], strides: &[[usize; N]]) -> Self {
        let mut merged: Vec<(usize, [usize; N])> = vec![];
        for (&d, &s) in dims.iter().zip(strides).filter(|(d, _)| **d != 1) {
            match merged.last_mut() {
                Some((outer, steps)) if steps.iter().zip(&s).all(|(&o, &i)| o == i.saturating_mul(d)) => {
                    *outer = outer.saturating_mul(d);
                    *steps = s;
                }
                _ => merged.push((d, s)),
            }
        }
        let (dims, strides) = merged.into_iter().unzip();
        Self { dims, strides }
    }

    /// Calls `visit` for each run of the elements `start..start + len` of the result.
    pub fn runs(&self, start: usize, len: usize, mut visit: impl FnMut(Run<N>)) {
        let Some((&inner, outer)) = self.dims.split_last() else {
            if len > 0 {
                visit(Run { at: 0, len: 1, offsets: [0; N], steps: [0; N] });
            }
            return;
        };
        if inner == 0 {
            return;
        }
        let steps = self.strides.last().copied().unwrap_or([0; N]);
        let mut place = vec![0; outer.len()];
        let mut left = start / inner;
        let mut base = [0; N];
        for ((p, &d), s) in place.iter_mut().zip(outer).zip(&self.strides).rev() {
            *p = left % d.max(1);
            left /= d.max(1);
            for (b, &s) in base.iter_mut().zip(s) {
                *b += *p * s;
            }
        }
        let mut skip = start % inner;
        let mut at = 0;
        while at < len {
            let count = (inner - skip).min(len - at);
            let mut offsets = base;
            for (o, &s) in offsets.iter_mut().zip(&steps) {
                *o += skip * s;
            }
            visit(Run { at, len: count, offsets, steps });
            at += count;
            skip = 0;
            for ((p, &d), s) in place.iter_mut().zip(outer).zip(&self.strides).rev() {
                *p += 1;
                for (b, &s) in base.iter_mut().zip(s) {
                    *b += s;
                }
                if *p < d {
                    break;
                }
                for (b, &s) in base.iter_mut().zip(s) {
                    *b -= *p * s;
                }
                *p = 0;
            }
        }
    }
}
