//! The Laplace start of a joint guide: the point and the scale that the guide starts with, which stay fixed as the
//! preconditioner of its parameters. They are the prior's median, or the mode found from there, with the inverse
//! Hessian of the potential; of several candidates the one with the lowest free energy is taken.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use fe_graph::noise::{Element, Stream};
use fe_graph::{ExecutionError, InputId, Tensor};
use fe_objective::Joint;

use crate::lbfgs;
use crate::linear_algebra::covariance_factor;
use crate::potential::{DRAWS, Potential, PotentialNodes};
use crate::problem::{Problem, Values};
use crate::streams::Outside;

/// Directions flatter than this fraction of the steepest keep that curvature, so that no start is infinitely wide.
const FLOOR: f64 = 1e-10;

/// Iterations of the search for a mode.
const ITERATIONS: usize = 500;

/// Dimensions up to which the diagonal of a Hessian is taken element by element.
const EXACT_DIAGONAL: usize = 256;

/// Random signs behind its estimate beyond that.
const PROBES: u64 = 64;

/// The end of the search for a mode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reached {
    /// The largest element of the gradient there.
    pub gradient: f64,
    /// The iterations that led there.
    pub iterations: usize,
}

/// A start of a joint guide: its vector is u₀ + C·v, where v is what the guide learns.
#[derive(Clone, Debug)]
pub(crate) struct LaplaceStart {
    /// u₀ [dimension].
    pub location: Vec<f64>,
    /// C, lower triangular [dimension, dimension], or its diagonal [dimension].
    pub scale: Vec<f64>,
    /// Its origin, in words.
    pub from: &'static str,
    /// The search for the mode, where it is one.
    pub mode: Option<Reached>,
}

impl LaplaceStart {
    /// The prior's medians, without any width.
    pub fn median(joint: &Joint) -> Self {
        let scale = vec![0.0; joint.scale_shape().iter().product()];
        Self { location: medians(joint), scale, from: "the prior's median", mode: None }
    }

    /// The same place, with a part of the width.
    pub fn narrowed(&self, part: f64) -> Self {
        Self { scale: self.scale.iter().map(|c| c * part).collect(), ..self.clone() }
    }

    /// Puts it among the inputs of the objective.
    pub fn feed(&self, joint: &Joint, extra: &mut HashMap<InputId, Arc<Tensor>>) {
        let location = Tensor { shape: vec![joint.dimension], values: self.location.clone() };
        let scale = Tensor { shape: joint.scale_shape(), values: self.scale.clone() };
        extra.insert(joint.start, Arc::new(location));
        extra.insert(joint.preconditioner, Arc::new(scale));
    }
}

/// A note of where a guide started.
pub(crate) fn started(joint: &Joint, from: &str) -> String {
    format!("the {} started at {from}", if joint.is_flow() { "flow" } else { "Gaussian guide" })
}

/// The prior's medians on the unconstrained scale.
fn medians(joint: &Joint) -> Vec<f64> {
    joint.blocks.iter().flat_map(|b| std::iter::repeat_n(b.median, b.length)).collect()
}

/// The scale of independent standard normals.
fn unit(joint: &Joint) -> Vec<f64> {
    let d = joint.dimension;
    if joint.is_diagonal() {
        return vec![1.0; d];
    }
    let mut scale = vec![0.0; d * d];
    scale.iter_mut().step_by(d + 1).for_each(|v| *v = 1.0);
    scale
}

/// The candidate starts of a joint guide, best guess last; other Gaussian guides stand where `fitted` has them.
///
/// # Errors
/// When a run fails.
pub(crate) fn candidates(
    problem: &Problem,
    joint: &Joint,
    values: &Values,
    fitted: &HashMap<InputId, Arc<Tensor>>,
) -> Result<Vec<LaplaceStart>, ExecutionError> {
    let start = |location: &[f64], scale, from| LaplaceStart { location: location.to_vec(), scale, from, mode: None };
    let median = medians(joint);
    let mut list = vec![start(&median, unit(joint), "the prior's median, unit scale")];
    if !joint.landscape.known {
        return Ok(list);
    }
    let axes = [joint.axis];
    let nodes = PotentialNodes {
        axes: &axes,
        point: joint.landscape.point,
        direction: joint.landscape.direction,
        value: joint.landscape.potential,
        gradient: joint.landscape.gradient,
        product: joint.landscape.product,
    };
    let mut hessian = Hessian { problem, joint, potential: Potential::new(problem, nodes, values, fitted, DRAWS)? };
    if let Some(scale) = hessian.scale(&median)? {
        list.push(start(&median, scale, "the prior's median and the curvature there"));
    }
    if !joint.landscape.alone {
        return Ok(list);
    }
    if let Some((mode, reached)) = hessian.mode(&median)?
        && let Some(scale) = hessian.scale(&mode)?
    {
        let found = start(&mode, scale, "the mode found from the prior's median, and the curvature there");
        list.push(LaplaceStart { mode: Some(reached), ..found });
    }
    if joint.is_laplace() {
        list.retain(|a| a.mode.is_some());
    }
    Ok(list)
}

/// The potential of a joint guide, whose Hessian is taken.
struct Hessian<'a> {
    problem: &'a Problem<'a>,
    joint: &'a Joint,
    potential: Potential<'a>,
}

impl Hessian<'_> {
    /// The mode that the potential falls to from a point. `None` where it is not finite.
    fn mode(&mut self, from: &[f64]) -> Result<Option<(Vec<f64>, Reached)>, ExecutionError> {
        let options = lbfgs::Options { iterations: ITERATIONS, ..lbfgs::Options::default() };
        let outcome =
            lbfgs::minimize(|x| self.potential.at(x), from.to_vec(), &options, |_| ControlFlow::Continue(()))?;
        let usable = outcome.value.is_finite() && outcome.x.iter().all(|v| v.is_finite());
        let reached = Reached { gradient: outcome.gradient_norm, iterations: outcome.iterations };
        Ok(usable.then_some((outcome.x, reached)))
    }

    /// The lower factor of the inverse Hessian at a point, or the scales by its diagonal.
    fn scale(&mut self, point: &[f64]) -> Result<Option<Vec<f64>>, ExecutionError> {
        if self.joint.is_diagonal() {
            return Ok(diagonal_scale(&self.diagonal(point)?));
        }
        let d = self.joint.dimension;
        let mut hessian = Vec::with_capacity(d * d);
        for k in 0..d {
            hessian.extend(self.potential.times(point, &one_of(d, k))?);
        }
        Ok(covariance_factor(&hessian, d, FLOOR))
    }

    /// The diagonal of the Hessian: beyond few dimensions the mean of v ∘ Hv over random signs v (Bekas, Kokiopoulou
    /// and Saad, 2007).
    fn diagonal(&mut self, point: &[f64]) -> Result<Vec<f64>, ExecutionError> {
        let d = self.joint.dimension;
        let mut diagonal = vec![0.0; d];
        if d <= EXACT_DIAGONAL {
            for (k, slot) in diagonal.iter_mut().enumerate() {
                *slot = self.potential.times(point, &one_of(d, k))?.get(k).copied().unwrap_or(f64::NAN);
            }
            return Ok(diagonal);
        }
        for probe in 0..PROBES {
            let key = Outside::DiagonalSigns.key(self.problem.seed, probe);
            let signs: Vec<f64> =
                (0..d as u64).map(|row| Stream::new(key, Element { row, rest: 0 }).normal().signum()).collect();
            let products = self.potential.times(point, &signs)?;
            for ((slot, v), hv) in diagonal.iter_mut().zip(&signs).zip(products) {
                *slot += v * hv / PROBES as f64;
            }
        }
        Ok(diagonal)
    }
}

fn one_of(d: usize, k: usize) -> Vec<f64> {
    (0..d).map(|j| f64::from(u8::from(j == k))).collect()
}

/// 1/√ of the diagonal of a Hessian: the scales of the best Gaussian with independent components.
fn diagonal_scale(diagonal: &[f64]) -> Option<Vec<f64>> {
    let steepest = diagonal.iter().copied().fold(0.0, f64::max);
    if !(steepest > 0.0 && diagonal.iter().all(|v| v.is_finite())) {
        return None;
    }
    Some(diagonal.iter().map(|h| h.max(FLOOR * steepest).sqrt().recip()).collect())
}
