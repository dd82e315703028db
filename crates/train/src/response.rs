//! Linear response: the covariance that a mean-field guide leaves out, from how its means answer to a tilt of the log
//! posterior (Giordano, Broderick and Jordan, JMLR 19(51), 2018).
//!
//! With F the free energy over all rows and η the guide's parameters, the covariance of the means m among the η is the
//! block of (∂²F/∂η²)⁻¹ that belongs to them. For a Gaussian posterior it is the posterior's own.

use fe_graph::ExecutionError;
use fe_objective::{Independent, Objective, Start};

use crate::linear_algebra::{cholesky, invert_lower};
use crate::problem::{Problem, Setting, Values};
use crate::saa::SaaObjective;

/// The most parameters of a guide whose Hessian is taken.
const LARGEST: usize = 1024;

/// The most numbers that all the gradients for a Hessian may compute.
const MOST_WORK: usize = 4_000_000_000;

/// Step of the central differences, in the unit of the guide's starting width.
const STEP: f64 = 1e-4;

/// The standard deviation that a mean-field guide understates most.
#[derive(Clone, Debug, PartialEq)]
pub struct Understated {
    /// The latent.
    pub name: String,
    /// The element, by its place along the axes as declared; empty for a scalar, and for a simplex.
    pub index: Vec<usize>,
    /// The standard deviation by linear response over the guide's own, on the unconstrained scale.
    pub factor: f64,
}

/// The finding of linear response on a mean-field guide.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// The worst.
    Worst(Understated),
    /// It was not computed, and why.
    NotComputed(String),
}

/// Linear response at a minimum of an objective that repeats. `None` without a mean-field guide.
///
/// # Errors
/// When a run fails.
pub(crate) fn response(
    objective: &mut SaaObjective,
    problem: &Problem,
    found: &Values,
    setting: &Setting,
    evaluation: usize,
) -> Result<Option<Response>, ExecutionError> {
    let o = problem.objective;
    let independent = o.independent();
    if independent.is_empty() {
        return Ok(None);
    }
    let not = |why: &str| Ok(Some(Response::NotComputed(why.into())));
    if !o.is_free_energy() {
        return not("what is minimised is not the free energy");
    }
    // The places of the guide's parameters among all: those of the program stay where they are.
    let (mut places, mut starts, mut offset) = (vec![], vec![], 0);
    for (p, v) in o.parameters.iter().zip(found) {
        starts.push(places.len());
        if !matches!(p.start, Start::Declared(_)) {
            places.extend((0..v.len()).map(|k| offset + k));
        }
        offset += v.len();
    }
    let n = places.len();
    if n > LARGEST || evaluation.saturating_mul(2 * n) > MOST_WORK {
        return not(&format!("the guide has {n} parameters, and the Hessian would take too long"));
    }
    let rows = problem.training_rows() as f64;
    let base = crate::saa::flatten(found);
    let mut hessian = vec![0.0; n * n];
    for (row, &at) in hessian.chunks_mut(n.max(1)).zip(&places) {
        let mut side = |step: f64| -> Result<Vec<f64>, ExecutionError> {
            let mut x = base.clone();
            if let Some(v) = x.get_mut(at) {
                *v += step;
            }
            Ok(objective.at(&crate::saa::unflatten(&x, found), setting)?.1)
        };
        let (above, below) = (side(STEP)?, side(-STEP)?);
        for (slot, &k) in row.iter_mut().zip(&places) {
            let difference = above.get(k).zip(below.get(k)).map_or(f64::NAN, |(a, b)| a - b);
            *slot = rows * difference / (2.0 * STEP);
        }
    }
    let Some(variances) = inverse_diagonal(&hessian, n) else {
        return not("the free energy does not curve upward in every direction of the guide's parameters");
    };
    let mut worst: Option<Understated> = None;
    for i in &independent {
        let (Some(&first), Some(scales)) = (starts.get(i.location), found.get(i.log_scale)) else { continue };
        for k in 0..i.length {
            let (variance, scale) = (variances.get(first + i.start + k), scales.get(i.start + k));
            let Some((variance, log_scale)) = variance.zip(scale) else { continue };
            let factor = variance.sqrt() / log_scale.exp();
            if worst.as_ref().is_none_or(|w| factor > w.factor) {
                worst = Some(Understated { name: i.name.clone(), index: index(o, i, k), factor });
            }
        }
    }
    Ok(worst.map(Response::Worst))
}

/// The diagonal of the inverse of a positive definite matrix that is symmetric but for rounding: of A = LLᵀ, the
/// squared columns of L⁻¹. Parameters that nothing depends on, whose rows are 0, as above the diagonal of a factor, are
/// left out.
fn inverse_diagonal(a: &[f64], n: usize) -> Option<Vec<f64>> {
    let at = |i: usize, j: usize| a.get(i * n + j).copied().unwrap_or(f64::NAN);
    let live: Vec<usize> = (0..n).filter(|&i| (0..n).any(|j| at(i, j) != 0.0)).collect();
    let pairs = live.iter().flat_map(|&i| live.iter().map(move |&j| (i, j)));
    let symmetric: Vec<f64> = pairs.map(|(i, j)| 0.5 * (at(i, j) + at(j, i))).collect();
    let inverse = invert_lower(&cholesky(&symmetric, live.len())?, live.len())?;
    let mut diagonal = vec![0.0; n];
    for row in inverse.chunks(live.len().max(1)) {
        for (&i, v) in live.iter().zip(row) {
            if let Some(d) = diagonal.get_mut(i) {
                *d += v * v;
            }
        }
    }
    Some(diagonal)
}

/// The place of a scalar in its latent, along the axes as declared.
fn index(o: &Objective, of: &Independent, scalar: usize) -> Vec<usize> {
    let size: usize = of.axes.iter().map(|a| o.graph.extent_of(a.id)).product();
    if size != of.length {
        // A simplex has fewer free numbers than elements: none of them is an element's own.
        return vec![];
    }
    let mut rest = scalar;
    let mut places = vec![];
    for axis in of.axes.iter().rev() {
        let extent = o.graph.extent_of(axis.id).max(1);
        places.push((*axis, rest % extent));
        rest /= extent;
    }
    let declared = o.guides.latents.iter().find(|l| l.name == of.name).map_or(&[][..], |l| &l.axes);
    declared.iter().filter_map(|a| places.iter().find(|p| p.0 == *a).map(|p| p.1)).collect()
}
