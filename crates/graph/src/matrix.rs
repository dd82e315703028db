//! Square matrices over two axes: the Cholesky factor, the inverse of a triangle and of a whole matrix, their values and
//! derivatives.

use crate::axis::Axis;
use crate::graph::{Graph, NodeId};
use crate::op::{Factor, Op};

impl Graph {
    /// The lower Cholesky factor L of a matrix over (`row`, `column`), L Lᵀ = ½(A + Aᵀ), over the same axes. NaN where
    /// the matrix is not positive definite.
    pub fn cholesky(&mut self, matrix: NodeId, row: Axis, column: Axis) -> NodeId {
        self.factor(Factor::Cholesky, matrix, row, column)
    }

    /// The inverse of a lower triangular matrix over (`row`, `column`); what lies above the diagonal is not read.
    pub fn triangular_inverse(&mut self, lower: NodeId, row: Axis, column: Axis) -> NodeId {
        self.factor(Factor::Inverse, lower, row, column)
    }

    /// The inverse of a square matrix over (`row`, `column`), over the same axes. NaN where there is none.
    pub fn inverse(&mut self, matrix: NodeId, row: Axis, column: Axis) -> NodeId {
        self.factor(Factor::FullInverse, matrix, row, column)
    }

    pub(crate) fn factor(&mut self, kind: Factor, matrix: NodeId, row: Axis, column: Axis) -> NodeId {
        let matrix = self.broadcast(matrix, &[row, column]);
        let axes = self.axes_of(matrix).to_vec();
        self.push(Op::Factor { kind, row, column }, vec![matrix], axes)
    }

    /// Rows and columns changed places.
    pub fn transposed(&mut self, matrix: NodeId, row: Axis, column: Axis) -> NodeId {
        self.rename(matrix, &[(row, column), (column, row)])
    }

    /// The product of two matrices over the same (`row`, `column`).
    pub fn matrix_product(&mut self, a: NodeId, b: NodeId, row: Axis, column: Axis) -> NodeId {
        let middle = Axis::private(row.id);
        let (a, b) = (self.rename(a, &[(column, middle)]), self.rename(b, &[(row, middle)]));
        self.contract(a, b, &[middle])
    }

    /// The part of a matrix on and below its diagonal, the diagonal times a number.
    fn lower_triangle(&mut self, matrix: NodeId, row: Axis, column: Axis, diagonal: f64) -> NodeId {
        let (i, j) = (self.iota(row), self.iota(column));
        let (below, on) = (self.less(j, i), self.equal(i, j));
        let on = self.scale(on, diagonal);
        let mask = self.add(below, on);
        self.mul(mask, matrix)
    }

    /// The cotangent of the operand of a factor y, from that of y.
    pub(crate) fn factor_cotangent(&mut self, kind: Factor, y: NodeId, g: NodeId, row: Axis, column: Axis) -> NodeId {
        let g = match kind {
            Factor::FullInverse => g,
            Factor::Cholesky | Factor::Inverse => self.lower_triangle(g, row, column, 1.0),
        };
        match kind {
            // dL = L Φ(L⁻¹ dA L⁻ᵀ), Φ the lower triangle with half the diagonal (Murray, arXiv 1602.07527).
            Factor::Cholesky => {
                let transposed = self.transposed(y, row, column);
                let inner = self.matrix_product(transposed, g, row, column);
                let inner = self.lower_triangle(inner, row, column, 0.5);
                let inverse = self.triangular_inverse(y, row, column);
                let left = self.transposed(inverse, row, column);
                let outer = self.matrix_product(left, inner, row, column);
                let outer = self.matrix_product(outer, inverse, row, column);
                let mirror = self.transposed(outer, row, column);
                let both = self.add(outer, mirror);
                self.scale(both, 0.5)
            }
            // d(L⁻¹) = −L⁻¹ dL L⁻¹
            Factor::Inverse | Factor::FullInverse => {
                let transposed = self.transposed(y, row, column);
                let outer = self.matrix_product(transposed, g, row, column);
                let outer = self.matrix_product(outer, transposed, row, column);
                let outer = match kind {
                    Factor::Inverse => self.lower_triangle(outer, row, column, 1.0),
                    Factor::FullInverse | Factor::Cholesky => outer,
                };
                self.neg(outer)
            }
        }
    }
}

/// Replaces square matrices of n rows, one behind the other and row-major, by their factors.
pub fn factorize(kind: Factor, n: usize, matrices: &mut [f64]) {
    if n == 0 {
        return;
    }
    for matrix in matrices.chunks_exact_mut(n.saturating_mul(n)) {
        match kind {
            Factor::Cholesky => cholesky(n, matrix),
            Factor::Inverse => invert_lower(n, matrix),
            Factor::FullInverse => invert(n, matrix),
        }
    }
}

/// Row by row: L_ij = (A_ij − Σ_{k<j} L_ik L_jk) / L_jj, every element from finished rows and what precedes it.
fn cholesky(n: usize, a: &mut [f64]) {
    let at = |m: &[f64], i: usize, j: usize| m.get(i * n + j).copied().unwrap_or(f64::NAN);
    for i in 0..n {
        for j in 0..i {
            let value = 0.5 * (at(a, i, j) + at(a, j, i));
            if let Some(below) = a.get_mut(i * n + j) {
                *below = value;
            }
        }
    }
    for i in 0..n {
        let (finished, rest) = a.split_at_mut(i * n);
        let Some(row) = rest.get_mut(..n) else { return };
        for j in 0..=i {
            let (before, after) = row.split_at_mut(j);
            let Some(here) = after.first_mut() else { continue };
            if i == j {
                let rest = *here - before.iter().map(|l| l * l).sum::<f64>();
                *here = if rest > 0.0 { rest.sqrt() } else { f64::NAN };
            } else {
                let other = finished.get(j * n..j * n + j).unwrap_or_default();
                let rest = *here - before.iter().zip(other).map(|(l, m)| l * m).sum::<f64>();
                *here = rest / at(finished, j, j);
            }
        }
        row.iter_mut().skip(i + 1).for_each(|above| *above = 0.0);
    }
}

/// Rows up to this length are kept on the stack while they are replaced.
const SHORT: usize = 64;

/// Row by row: B_i = (e_i − Σ_{k<i} L_ik B_k) / L_ii.
fn invert_lower(n: usize, l: &mut [f64]) {
    let (mut short, mut long) = ([0.0; SHORT], vec![]);
    if n > SHORT {
        long.resize(n, 0.0);
    }
    for i in 0..n {
        let (finished, rest) = l.split_at_mut(i * n);
        let Some(row) = rest.get_mut(..n) else { return };
        let kept = if n > SHORT { long.as_mut_slice() } else { &mut short };
        let Some(factors) = kept.get_mut(..n) else { return };
        factors.copy_from_slice(row);
        let scale = 1.0 / factors.get(i).copied().unwrap_or(f64::NAN);
        row.fill(0.0);
        for (&factor, done) in factors.iter().take(i).zip(finished.chunks_exact(n)) {
            for (r, d) in row.iter_mut().zip(done) {
                *r -= factor * d;
            }
        }
        row.iter_mut().for_each(|r| *r *= scale);
        if let Some(r) = row.get_mut(i) {
            *r = scale;
        }
    }
}

/// Gauss and Jordan's elimination in place, each pivot the largest of what is left of its column; NaN where that is 0.
fn invert(n: usize, a: &mut [f64]) {
    let at = |m: &[f64], i: usize, j: usize| m.get(i * n + j).copied().unwrap_or(f64::NAN);
    let mut swaps = Vec::with_capacity(n);
    for k in 0..n {
        let largest = (k..n).max_by(|&i, &j| at(a, i, k).abs().total_cmp(&at(a, j, k).abs())).unwrap_or(k);
        for j in 0..n {
            a.swap(k * n + j, largest * n + j);
        }
        swaps.push(largest);
        let pivot = at(a, k, k);
        if pivot == 0.0 || !pivot.is_finite() {
            a.fill(f64::NAN);
            return;
        }
        let mut row: Vec<f64> = a.get(k * n..(k + 1) * n).unwrap_or_default().to_vec();
        if let Some(one) = row.get_mut(k) {
            *one = 1.0;
        }
        row.iter_mut().for_each(|v| *v /= pivot);
        for i in (0..n).filter(|&i| i != k) {
            let Some(other) = a.get_mut(i * n..(i + 1) * n) else { return };
            let factor = other.get_mut(k).map_or(f64::NAN, |v| std::mem::replace(v, 0.0));
            other.iter_mut().zip(&row).for_each(|(o, r)| *o -= factor * r);
        }
        if let Some(own) = a.get_mut(k * n..(k + 1) * n) {
            own.copy_from_slice(&row);
        }
    }
    for (k, &largest) in swaps.iter().enumerate().rev() {
        for i in 0..n {
            a.swap(i * n + k, i * n + largest);
        }
    }
}
