//! Where a Gaussian Markov chain starts: the mode of the log joint density along its steps, with the curvature there.
//!
//! The Hessian is block tridiagonal (or banded, where terms reach further back), so a few products with directions that
//! are spread over distant steps give all its blocks. Eliminating from the last step backward turns it into the chain
//! u_t = A_t u_{t−1} + L_t ε_t: with S_t = H_tt − H_{t+1,t}ᵀ S_{t+1}⁻¹ H_{t+1,t}, A_t = −S_t⁻¹ H_{t,t−1} and
//! L_t L_tᵀ = S_t⁻¹.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use fe_graph::noise::philox;
use fe_graph::{Compiled, ExecutionError, InputId, Tensor};
use fe_objective::Chain;
use nalgebra::DMatrix;

use crate::lbfgs;
use crate::linear_algebra::symmetric_eigen;
use crate::problem::{Problem, Setting, Values, from_sorted, to_sorted};

/// Directions flatter than this fraction of the steepest keep that curvature, so that no start is infinitely wide.
const FLOOR: f64 = 1e-10;

/// Probes by random signs, where the scalars of a step are fitted as chains of their own and may yet depend on each other.
const SIGNS: u32 = 4;

/// Iterations of the search for a mode.
const ITERATIONS: usize = 300;

/// Draws of what else is random, over which the curvature is averaged.
const DRAWS: usize = 16;

/// The base and the factors of a chain.
#[derive(Clone, Debug)]
pub struct ChainAnchor {
    base: Vec<f64>,
    map: Markov,
    /// What it was taken from.
    pub from: &'static str,
}

/// Chains side by side, each u_t = A_t u_{t−1} + L_t ε_t over so many scalars; row-major over (step, chain, row, column).
#[derive(Clone, Debug, PartialEq)]
struct Markov {
    shape: Shape,
    transition: Vec<f64>,
    scale: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Shape {
    steps: usize,
    chains: usize,
    size: usize,
}

impl Shape {
    fn of(problem: &Problem, chain: &Chain) -> Self {
        let g = &problem.objective.graph;
        let extents: Vec<usize> = chain.axes.iter().map(|a| g.extent_of(a.id)).collect();
        let width = extents.get(1).copied().unwrap_or(1);
        let dense = chain.square.len() > chain.axes.len();
        let (chains, size) = if dense { (1, width) } else { (width, 1) };
        Self { steps: extents.first().copied().unwrap_or(0), chains, size }
    }

    fn width(self) -> usize {
        self.chains * self.size
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

    fn put(self, into: &mut [f64], step: usize, chain: usize, block: &DMatrix<f64>) {
        let n = self.size * self.size;
        let start = (step * self.chains + chain) * n;
        if let Some(slots) = into.get_mut(start..start + n) {
            slots.iter_mut().zip(block.transpose().iter()).for_each(|(s, v)| *s = *v);
        }
    }

    /// The scalars of a step and a chain.
    fn vector(self, from: &[f64], step: usize, chain: usize) -> nalgebra::DVector<f64> {
        let start = (step * self.chains + chain) * self.size;
        nalgebra::DVector::from_iterator(
            self.size,
            (start..start + self.size).map(|k| from.get(k).copied().unwrap_or(0.0)),
        )
    }

    fn put_vector(self, into: &mut [f64], step: usize, chain: usize, values: &nalgebra::DVector<f64>) {
        let start = (step * self.chains + chain) * self.size;
        if let Some(slots) = into.get_mut(start..start + self.size) {
            slots.iter_mut().zip(values.iter()).for_each(|(s, v)| *s = *v);
        }
    }
}

impl Markov {
    /// Independent standard normals.
    fn unit(shape: Shape) -> Self {
        let n = shape.steps * shape.chains * shape.size * shape.size;
        let mut scale = vec![0.0; n];
        for step in 0..shape.steps {
            for chain in 0..shape.chains {
                shape.put(&mut scale, step, chain, &DMatrix::identity(shape.size, shape.size));
            }
        }
        Self { shape, transition: vec![0.0; n], scale }
    }

    /// From the blocks of a precision, on its diagonal and below; where it is not positive definite, the closest that is
    /// by the absolute values of what remains at each step. `None` where a number is not finite.
    fn from_precision(shape: Shape, diagonal: &[f64], below: &[f64]) -> Option<Self> {
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
    fn whitening(&self) -> Option<Vec<f64>> {
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
    fn states(&self, noise: &[f64]) -> Vec<f64> {
        let shape = self.shape;
        let mut states = vec![0.0; noise.len()];
        for chain in 0..shape.chains {
            let mut before = nalgebra::DVector::zeros(shape.size);
            for step in 0..shape.steps {
                let spread = shape.block(&self.scale, step, chain) * shape.vector(noise, step, chain);
                before = shape.block(&self.transition, step, chain) * before + spread;
                shape.put_vector(&mut states, step, chain, &before);
            }
        }
        states
    }

    /// The gradient in ε from that in u.
    fn pull_back(&self, gradient: &[f64]) -> Vec<f64> {
        let shape = self.shape;
        let mut back = vec![0.0; gradient.len()];
        for chain in 0..shape.chains {
            let mut after = nalgebra::DVector::zeros(shape.size);
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

impl ChainAnchor {
    /// As inputs of the objective.
    pub fn feed(&self, problem: &Problem, chain: &Chain, extra: &mut HashMap<InputId, Arc<Tensor>>) {
        let g = &problem.objective.graph;
        let whitening = self.map.whitening().unwrap_or_else(|| Markov::unit(self.map.shape).scale);
        let mut put = |input: InputId, axes: &[fe_graph::Axis], values: &[f64]| {
            let sorted = fe_graph::axis::sorted(axes);
            let shape = sorted.iter().map(|a| g.extent_of(a.id)).collect();
            let values = to_sorted(g, axes, values.to_vec());
            extra.insert(input, Arc::new(Tensor { shape, values }));
        };
        put(chain.base, &chain.axes, &self.base);
        put(chain.transition, &chain.square, &self.map.transition);
        put(chain.scale, &chain.square, &self.map.scale);
        put(chain.whitening, &chain.square, &whitening);
    }
}

/// The candidate starts of a chain, best guess last; other Gaussian guides stand where `fitted` has them.
///
/// # Errors
/// When a run fails.
pub fn candidates(
    problem: &Problem,
    chain: &Chain,
    values: &Values,
    fitted: &HashMap<InputId, Arc<Tensor>>,
) -> Result<Vec<ChainAnchor>, ExecutionError> {
    let shape = Shape::of(problem, chain);
    let step: Vec<f64> = chain.blocks.iter().flat_map(|b| std::iter::repeat_n(b.median, b.length)).collect();
    let median: Vec<f64> = std::iter::repeat_n(step, shape.steps).flatten().collect();
    let unit = Markov::unit(shape);
    let mut list =
        vec![ChainAnchor { base: median.clone(), map: unit.clone(), from: "the prior's median, unit scale" }];
    let l = &chain.landscape;
    if !l.known {
        return Ok(list);
    }
    let mut energy = Energy {
        problem,
        chain,
        shape,
        values,
        fitted,
        value: problem.compile(&[l.energy, l.energy_gradient])?,
        product: problem.compile(&[l.energy_product])?,
    };
    let Some(start) = energy.factor(&median)? else { return Ok(list) };
    list.push(ChainAnchor {
        base: median.clone(),
        map: start.clone(),
        from: "the prior's median and the curvature there",
    });
    if let Some(mode) = energy.mode(&median, &start)?
        && let Some(map) = energy.factor(&mode)?
    {
        list.push(ChainAnchor {
            base: mode,
            map,
            from: "the mode found from the prior's median, and the curvature there",
        });
    }
    Ok(list)
}

struct Energy<'a> {
    problem: &'a Problem<'a>,
    chain: &'a Chain,
    shape: Shape,
    values: &'a Values,
    fitted: &'a HashMap<InputId, Arc<Tensor>>,
    value: Box<dyn Compiled>,
    product: Box<dyn Compiled>,
}

impl Energy<'_> {
    fn setting(&self, point: &[f64], direction: Option<&[f64]>) -> Setting {
        let g = &self.problem.objective.graph;
        let shape: Vec<usize> = fe_graph::axis::sorted(&self.chain.axes).iter().map(|a| g.extent_of(a.id)).collect();
        let tensor =
            |v: &[f64]| Arc::new(Tensor { shape: shape.clone(), values: to_sorted(g, &self.chain.axes, v.to_vec()) });
        let samples = if self.chain.landscape.alone { 1 } else { DRAWS };
        let mut setting = Setting { extra: self.fitted.clone(), ..Setting::reporting(0, samples) };
        setting.extra.insert(self.chain.landscape.point, tensor(point));
        if let Some(v) = direction {
            setting.extra.insert(self.chain.landscape.direction, tensor(v));
        }
        setting
    }

    fn declared(&self, t: Tensor) -> Vec<f64> {
        from_sorted(&self.problem.objective.graph, &self.chain.axes, t.values).values
    }

    fn at(&mut self, point: &[f64]) -> Result<(f64, Vec<f64>), ExecutionError> {
        let feed = self.problem.feed(self.values, &self.problem.train, &self.setting(point, None));
        let mut results = self.value.run(&feed)?.into_iter();
        let value = results.next().map_or(f64::NAN, |t| t.item());
        Ok((value, results.next().map(|t| self.declared(t)).unwrap_or_default()))
    }

    fn times(&mut self, point: &[f64], direction: &[f64]) -> Result<Vec<f64>, ExecutionError> {
        let feed = self.problem.feed(self.values, &self.problem.train, &self.setting(point, Some(direction)));
        let result = self.product.run(&feed)?.into_iter().next().unwrap_or_default();
        Ok(self.declared(result))
    }

    /// The mode, searched in the coordinates of a chain that has the curvature at the start.
    fn mode(&mut self, start: &[f64], map: &Markov) -> Result<Option<Vec<f64>>, ExecutionError> {
        let options = lbfgs::Options { iterations: ITERATIONS, memory: 20, ..lbfgs::Options::default() };
        let moved = |x: &[f64]| -> Vec<f64> { map.states(x).iter().zip(start).map(|(a, b)| a + b).collect() };
        let outcome = lbfgs::minimize(
            |x| {
                let (value, gradient) = self.at(&moved(x))?;
                Ok::<_, ExecutionError>((value, map.pull_back(&gradient)))
            },
            vec![0.0; start.len()],
            &options,
            |_| ControlFlow::Continue(()),
        )?;
        let mode = moved(&outcome.x);
        Ok((outcome.value.is_finite() && mode.iter().all(|v| v.is_finite())).then_some(mode))
    }

    /// The chain whose precision is the Hessian at a point, by products with directions of steps so far apart that no two
    /// meet in one block.
    fn factor(&mut self, point: &[f64]) -> Result<Option<Markov>, ExecutionError> {
        let shape = self.shape;
        let (width, apart) = (shape.width(), (2 * self.chain.reach + 1).min(shape.steps));
        let n = shape.steps * shape.chains * shape.size * shape.size;
        let (mut diagonal, mut below) = (vec![0.0; n], vec![0.0; n]);
        let rounds = if shape.chains > 1 { SIGNS } else { 1 };
        for first in 0..apart {
            for column in 0..shape.size {
                for round in 0..rounds {
                    let sign = |step: usize, chain: usize| -> f64 {
                        if rounds == 1 {
                            return 1.0;
                        }
                        let [bits, ..] = philox([step as u32, chain as u32, round, 0], [0, 0]);
                        if bits & 1 == 0 { 1.0 } else { -1.0 }
                    };
                    let mut direction = vec![0.0; point.len()];
                    for step in (first..shape.steps).step_by(apart) {
                        for chain in 0..shape.chains {
                            if let Some(v) = direction.get_mut(step * width + chain * shape.size + column) {
                                *v = sign(step, chain);
                            }
                        }
                    }
                    let product = self.times(point, &direction)?;
                    for step in (first..shape.steps).step_by(apart) {
                        for chain in 0..shape.chains {
                            let weight = sign(step, chain) / f64::from(rounds);
                            for row in 0..shape.size {
                                let place = ((step * shape.chains + chain) * shape.size + row) * shape.size + column;
                                let take = |at: usize| {
                                    product.get(at * width + chain * shape.size + row).copied().unwrap_or(0.0)
                                };
                                if let Some(slot) = diagonal.get_mut(place) {
                                    *slot += weight * take(step);
                                }
                                if let Some(slot) = below.get_mut(place + shape.chains * shape.size * shape.size) {
                                    *slot += weight * take(step + 1);
                                }
                            }
                        }
                    }
                }
            }
        }
        Ok(Markov::from_precision(shape, &diagonal, &below))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn sample(shape: Shape) -> (Vec<f64>, Vec<f64>) {
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
    fn whole(shape: Shape, diagonal: &[f64], below: &[f64], chain: usize) -> DMatrix<f64> {
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
            let shape = Shape { steps, chains, size };
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
        let shape = Shape { steps: 2, chains: 1, size: 1 };
        let map = Markov::from_precision(shape, &[-4.0, 1.0], &[0.0, 0.0]).unwrap();
        assert_eq!(map.scale, [0.5, 1.0]);
        assert_eq!(Markov::from_precision(shape, &[0.0, 0.0], &[0.0, 0.0]), None);
        assert_eq!(Markov::from_precision(shape, &[f64::NAN, 0.0], &[0.0, 0.0]), None);
    }
}
