//! Gaussian Markov chains as linear maps of independent noise.

use fe_objective::Chain;
use nalgebra::{DMatrix, DVector};

use crate::linear_algebra::symmetric_eigen;
use crate::problem::Problem;

/// Directions flatter than this fraction of the steepest keep that curvature, so that no start is infinitely wide.
const FLOOR: f64 = 1e-10;

/// Chains side by side, each u_t = A_t u_{t−1} + L_t ε_t over so many scalars; row-major over (step, chain, row,
/// column).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Markov {
    pub shape: ChainShape,
    pub transition: Vec<f64>,
    pub scale: Vec<f64>,
}

/// The extents of chains side by side: A and L are a square block of `size` for each step and chain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ChainShape {
    pub steps: usize,
    pub chains: usize,
    pub size: usize,
}

impl ChainShape {
    /// The extents of a chain guide: one dense chain, or as many independent ones as a step has scalars.
    pub fn of(problem: &Problem, chain: &Chain) -> Self {
        let g = &problem.objective.graph;
        let extents: Vec<usize> = chain.axes.iter().map(|a| g.extent_of(a.id)).collect();
        let width = extents.get(1).copied().unwrap_or(1);
        let dense = chain.square.len() > chain.axes.len();
        let (chains, size) = if dense { (1, width) } else { (width, 1) };
        Self { steps: extents.first().copied().unwrap_or(0), chains, size }
    }

    /// Scalars of a step.
    pub fn width(self) -> usize {
        self.chains * self.size
    }

    /// Numbers in the blocks of all steps and chains.
    pub fn blocks(self) -> usize {
        self.steps * self.chains * self.size * self.size
    }

    /// The block of a step and a chain.
    fn block(self, from: &[f64], step: usize, chain: usize) -> DMatrix<f64> {
        let n = self.size * self.size;
        let start = (step * self.chains + chain) * n;
        let values = from.get(start..start + n).unwrap_or_default();
        if values.len() == n {
            DMatrix::from_row_slice(self.size, self.size, values)
        } else {
            DMatrix::zeros(self.size, self.size)
        }
    }

    /// Writes the block of a step and a chain.
    fn put(self, into: &mut [f64], step: usize, chain: usize, block: &DMatrix<f64>) {
        let n = self.size * self.size;
        let start = (step * self.chains + chain) * n;
        if let Some(slots) = into.get_mut(start..start + n) {
            slots.iter_mut().zip(block.transpose().iter()).for_each(|(s, v)| *s = *v);
        }
    }

    /// The scalars of a step and a chain.
    fn vector(self, from: &[f64], step: usize, chain: usize) -> DVector<f64> {
        let start = (step * self.chains + chain) * self.size;
        DVector::from_iterator(self.size, (start..start + self.size).map(|k| from.get(k).copied().unwrap_or(0.0)))
    }

    /// Writes the scalars of a step and a chain.
    fn put_vector(self, into: &mut [f64], step: usize, chain: usize, values: &DVector<f64>) {
        let start = (step * self.chains + chain) * self.size;
        if let Some(slots) = into.get_mut(start..start + self.size) {
            slots.iter_mut().zip(values.iter()).for_each(|(s, v)| *s = *v);
        }
    }
}

impl Markov {
    /// Independent standard normals.
    pub fn unit(shape: ChainShape) -> Self {
        let n = shape.blocks();
        let mut scale = vec![0.0; n];
        for step in 0..shape.steps {
            for chain in 0..shape.chains {
                shape.put(&mut scale, step, chain, &DMatrix::identity(shape.size, shape.size));
            }
        }
        Self { shape, transition: vec![0.0; n], scale }
    }

    /// From the blocks of a precision, on its diagonal and below; where it is not positive definite, the closest that
    /// is by the absolute values of what remains at each step. `None` where a number is not finite.
    pub fn from_precision(shape: ChainShape, diagonal: &[f64], below: &[f64]) -> Option<Self> {
        if !diagonal.iter().chain(below).all(|v| v.is_finite()) {
            return None;
        }
        let steepest = diagonal.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        if steepest == 0.0 {
            return None;
        }
        let mut map = Self::unit(shape);
        for chain in 0..shape.chains {
            let mut left: Option<DMatrix<f64>> = None;
            for step in (0..shape.steps).rev() {
                let mut rest = shape.block(diagonal, step, chain);
                if let Some(taken) = left.take() {
                    rest -= taken;
                }
                let covariance = inverse(&rest, FLOOR * steepest)?;
                let factor = covariance.clone().cholesky()?.l();
                shape.put(&mut map.scale, step, chain, &factor);
                if step > 0 {
                    let link = shape.block(below, step, chain);
                    let moved = &covariance * &link;
                    left = Some(link.transpose() * &moved);
                    shape.put(&mut map.transition, step, chain, &-moved);
                }
            }
        }
        Some(map)
    }

    /// (chol P_{t−1})⁻¹ at every step, P being the covariances; the identity at the first, where it has no say.
    pub fn whitening(&self) -> Option<Vec<f64>> {
        let shape = self.shape;
        let mut whitening = Self::unit(shape).scale;
        for chain in 0..shape.chains {
            let mut covariance = DMatrix::zeros(shape.size, shape.size);
            for step in 0..shape.steps {
                if step > 0 {
                    let factor = DMatrix::clone(&covariance).cholesky()?.l();
                    let inverse = factor.solve_lower_triangular(&DMatrix::identity(shape.size, shape.size))?;
                    shape.put(&mut whitening, step, chain, &inverse);
                }
                let map = shape.block(&self.transition, step, chain);
                let factor = shape.block(&self.scale, step, chain);
                covariance = &map * covariance * map.transpose() + &factor * factor.transpose();
            }
        }
        Some(whitening)
    }

    /// u from ε.
    pub fn states(&self, noise: &[f64]) -> Vec<f64> {
        let shape = self.shape;
        let mut states = vec![0.0; noise.len()];
        for chain in 0..shape.chains {
            let mut before = DVector::zeros(shape.size);
            for step in 0..shape.steps {
                let innovation = shape.block(&self.scale, step, chain) * shape.vector(noise, step, chain);
                before = shape.block(&self.transition, step, chain) * before + innovation;
                shape.put_vector(&mut states, step, chain, &before);
            }
        }
        states
    }

    /// The gradient in ε from that in u.
    pub fn pull_back(&self, gradient: &[f64]) -> Vec<f64> {
        let shape = self.shape;
        let mut back = vec![0.0; gradient.len()];
        for chain in 0..shape.chains {
            let mut after = DVector::zeros(shape.size);
            for step in (0..shape.steps).rev() {
                after += shape.vector(gradient, step, chain);
                let here = shape.block(&self.scale, step, chain).transpose() * &after;
                shape.put_vector(&mut back, step, chain, &here);
                after = shape.block(&self.transition, step, chain).transpose() * after;
            }
        }
        back
    }
}

/// The inverse of a symmetric matrix, its eigenvalues replaced by their absolute values, and none below `least`.
fn inverse(matrix: &DMatrix<f64>, least: f64) -> Option<DMatrix<f64>> {
    let n = matrix.nrows();
    let half = (matrix + matrix.transpose()) * 0.5;
    let eigen = symmetric_eigen(half.as_slice(), n)?;
    let vectors = DMatrix::from_row_slice(n, n, &eigen.vectors);
    let mut scaled = vectors.clone();
    for (mut row, value) in scaled.row_iter_mut().zip(&eigen.values) {
        row /= value.abs().max(least);
    }
    Some(vectors.transpose() * scaled)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn sample(shape: ChainShape) -> (Vec<f64>, Vec<f64>) {
        let n = shape.steps * shape.chains * shape.size * shape.size;
        let mut diagonal: Vec<f64> = (0..n).map(|k| 0.3 * (k as f64 * 0.7).sin()).collect();
        let below = (0..n).map(|k| 0.4 * (k as f64 * 1.3).cos()).collect();
        for step in 0..shape.steps {
            for chain in 0..shape.chains {
                let block = shape.block(&diagonal, step, chain);
                let block = (&block + block.transpose()) * 0.5 + DMatrix::identity(shape.size, shape.size) * 3.0;
                shape.put(&mut diagonal, step, chain, &block);
            }
        }
        (diagonal, below)
    }

    /// The precision as one matrix of the chain with number `chain`.
    fn whole(shape: ChainShape, diagonal: &[f64], below: &[f64], chain: usize) -> DMatrix<f64> {
        let s = shape.size;
        let mut m = DMatrix::zeros(shape.steps * s, shape.steps * s);
        for t in 0..shape.steps {
            m.view_mut((t * s, t * s), (s, s)).copy_from(&shape.block(diagonal, t, chain));
            if t > 0 {
                let link = shape.block(below, t, chain);
                m.view_mut((t * s, (t - 1) * s), (s, s)).copy_from(&link);
                m.view_mut(((t - 1) * s, t * s), (s, s)).copy_from(&link.transpose());
            }
        }
        m
    }

    #[test]
    fn a_chain_has_the_precision_it_was_made_from() {
        for (steps, chains, size) in [(1, 1, 1), (6, 1, 1), (5, 1, 3), (4, 3, 1)] {
            let shape = ChainShape { steps, chains, size };
            let (diagonal, below) = sample(shape);
            let map = Markov::from_precision(shape, &diagonal, &below).unwrap();
            let whitening = map.whitening().unwrap();
            for chain in 0..chains {
                let covariance = whole(shape, &diagonal, &below, chain).try_inverse().unwrap();
                // States of unit noises, column by column, are a factor of the covariance.
                let count = steps * size;
                let mut factor = DMatrix::zeros(count, count);
                for k in 0..count {
                    let mut noise = vec![0.0; steps * chains * size];
                    noise[(k / size * chains + chain) * size + k % size] = 1.0;
                    let states = map.states(&noise);
                    for j in 0..count {
                        factor[(j, k)] = states[(j / size * chains + chain) * size + j % size];
                    }
                }
                assert!((&factor * factor.transpose() - &covariance).abs().max() < 1e-12);
                for t in 1..steps {
                    let p = covariance.view(((t - 1) * size, (t - 1) * size), (size, size));
                    let w = shape.block(&whitening, t, chain);
                    assert!((&w * p * w.transpose() - DMatrix::identity(size, size)).abs().max() < 1e-12);
                }
            }
            // The pull-back is the transpose of the states.
            let n = steps * chains * size;
            let (a, b): (Vec<f64>, Vec<f64>) =
                ((0..n).map(|k| (k as f64).sin()).collect(), (0..n).map(|k| (k as f64).cos()).collect());
            let left: f64 = map.states(&a).iter().zip(&b).map(|(x, y)| x * y).sum();
            let right: f64 = map.pull_back(&b).iter().zip(&a).map(|(x, y)| x * y).sum();
            assert!((left - right).abs() < 1e-12);
        }
    }

    #[test]
    fn what_bends_down_keeps_its_scale() {
        let shape = ChainShape { steps: 2, chains: 1, size: 1 };
        let map = Markov::from_precision(shape, &[-4.0, 1.0], &[0.0, 0.0]).unwrap();
        assert_eq!(map.scale, [0.5, 1.0]);
        assert_eq!(Markov::from_precision(shape, &[0.0, 0.0], &[0.0, 0.0]), None);
        assert_eq!(Markov::from_precision(shape, &[f64::NAN, 0.0], &[0.0, 0.0]), None);
    }
}
