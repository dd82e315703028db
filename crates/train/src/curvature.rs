//! The curvature of the free energy of all rows at a minimum, and what follows from it of the parameters' spread.

use fe_graph::ExecutionError;

use crate::linear_algebra::{cholesky, invert_lower};
use crate::problem::{Problem, Setting, Values};
use crate::saa::{SaaObjective, flatten, unflatten};

/// The most parameters whose Hessian is taken.
pub(crate) const LARGEST: usize = 1024;

/// The most numbers that all the gradients for a Hessian may compute.
pub(crate) const MOST_WORK: usize = 4_000_000_000;

/// A place among all parameters, one behind the other, and the step of the central difference there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub place: usize,
    pub size: f64,
}

/// Second derivatives of the free energy of all rows, row-major over some places, by central differences of the gradient.
///
/// # Errors
/// When a run fails.
pub(crate) fn hessian(
    objective: &mut SaaObjective,
    problem: &Problem,
    (found, setting): (&Values, &Setting),
    steps: &[Step],
) -> Result<Vec<f64>, ExecutionError> {
    let rows = problem.training_rows() as f64;
    let base = flatten(found);
    let mut hessian = vec![0.0; steps.len() * steps.len()];
    for (row, &Step { place, size }) in hessian.chunks_mut(steps.len().max(1)).zip(steps) {
        let mut side = |by: f64| -> Result<Vec<f64>, ExecutionError> {
            let mut x = base.clone();
            if let Some(v) = x.get_mut(place) {
                *v += by;
            }
            Ok(objective.at(&unflatten(&x, found), setting)?.1)
        };
        let (above, below) = (side(size)?, side(-size)?);
        for (slot, other) in row.iter_mut().zip(steps) {
            let difference = above.get(other.place).zip(below.get(other.place)).map_or(f64::NAN, |(a, b)| a - b);
            *slot = rows * difference / (2.0 * size);
        }
    }
    Ok(hessian)
}

/// The inverse of a positive definite Hessian H = LLᵀ, as the columns of L⁻¹: the covariance of places j and k is the product of
/// their columns.
pub(crate) struct Covariance {
    /// Of each place, its column; none of one that nothing depends on.
    columns: Vec<Option<Vec<f64>>>,
}

impl Covariance {
    /// The inverse of a matrix that is symmetric but for rounding. Parameters that nothing depends on, whose rows are 0, as above
    /// the diagonal of a factor, are left out. `None` where it is not positive definite.
    pub fn of(hessian: &[f64], n: usize) -> Option<Self> {
        let at = |i: usize, j: usize| hessian.get(i * n + j).copied().unwrap_or(f64::NAN);
        let live: Vec<usize> = (0..n).filter(|&i| (0..n).any(|j| at(i, j) != 0.0)).collect();
        let pairs = live.iter().flat_map(|&i| live.iter().map(move |&j| (i, j)));
        let symmetric: Vec<f64> = pairs.map(|(i, j)| 0.5 * (at(i, j) + at(j, i))).collect();
        let inverse = invert_lower(&cholesky(&symmetric, live.len())?, live.len())?;
        let mut columns = vec![None; n];
        for (k, &place) in live.iter().enumerate() {
            if let Some(column) = columns.get_mut(place) {
                *column = Some(inverse.iter().skip(k).step_by(live.len().max(1)).copied().collect());
            }
        }
        Some(Self { columns })
    }

    /// The variance of a linear combination of places. `None` where it takes one that nothing depends on.
    pub fn variance(&self, weights: impl Iterator<Item = (usize, f64)>) -> Option<f64> {
        let mut sum: Vec<f64> = vec![];
        for (place, weight) in weights.filter(|(_, w)| *w != 0.0) {
            let column = self.columns.get(place)?.as_ref()?;
            sum.resize(column.len(), 0.0);
            sum.iter_mut().zip(column).for_each(|(s, v)| *s += weight * v);
        }
        Some(sum.iter().map(|v| v * v).sum())
    }
}
