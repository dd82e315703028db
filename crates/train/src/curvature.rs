//! Where a joint guide starts, and its scale: the prior's median, or the mode found from there, with the curvature
//! of the log joint density. Of the two the one with the lower free energy is taken.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use fe_graph::noise::{Element, NoiseKey, Stream};
use fe_graph::{Compiled, ExecutionError, InputId, Site, Tensor};
use fe_objective::Joint;

use crate::lbfgs;
use crate::linear_algebra::covariance_factor;
use crate::problem::{Problem, Setting, Values};

/// Directions flatter than this fraction of the steepest keep that curvature, so that no start is infinitely wide.
const FLOOR: f64 = 1e-10;

/// Draws of what else is random, over which the curvature is averaged.
const DRAWS: usize = 16;

/// The largest element of the gradient at a mode, and the iterations that led there.
pub type Reached = (f64, usize);

/// Dimensions up to which the diagonal of a Hessian is taken element by element.
const EXACT_DIAGONAL: usize = 256;

/// Random signs behind its estimate beyond that.
const PROBES: u64 = 64;

/// The base u₀ and the scale C of a joint guide.
#[derive(Clone, Debug)]
pub struct Anchor {
    /// u₀ [dimension].
    pub base: Vec<f64>,
    /// C, lower triangular [dimension, dimension], or its diagonal [dimension].
    pub factor: Vec<f64>,
    /// What it was taken from.
    pub from: &'static str,
    /// Of a mode.
    pub gradient: Option<Reached>,
}

impl Anchor {
    /// All of it at the prior's medians.
    pub fn median(joint: &Joint) -> Self {
        let factor = vec![0.0; joint.scale_shape().iter().product()];
        Self { base: medians(joint), factor, from: "the prior's median", gradient: None }
    }

    /// As inputs of the objective.
    pub fn feed(&self, joint: &Joint, extra: &mut HashMap<InputId, Arc<Tensor>>) {
        let d = joint.dimension;
        let base = Tensor { shape: vec![d], values: self.base.clone() };
        let factor = Tensor { shape: joint.scale_shape(), values: self.factor.clone() };
        extra.insert(joint.base, Arc::new(base));
        extra.insert(joint.curvature, Arc::new(factor));
    }
}

/// Where a guide started, in words.
pub fn started(joint: &Joint, from: &str) -> String {
    format!("the {} started at {from}", if joint.is_flow() { "flow" } else { "Gaussian guide" })
}

/// The prior's medians on the unconstrained scale.
pub fn medians(joint: &Joint) -> Vec<f64> {
    joint.blocks.iter().flat_map(|b| std::iter::repeat_n(b.median, b.length)).collect()
}

fn unit(d: usize) -> Vec<f64> {
    let mut factor = vec![0.0; d * d];
    factor.iter_mut().step_by(d + 1).for_each(|v| *v = 1.0);
    factor
}

/// The candidate starts of a joint Gaussian, best guess last; other Gaussian guides stand where `fitted` has them.
///
/// # Errors
/// When a run fails.
pub fn candidates(
    problem: &Problem,
    joint: &Joint,
    values: &Values,
    fitted: &HashMap<InputId, Arc<Tensor>>,
) -> Result<Vec<Anchor>, ExecutionError> {
    let median = medians(joint);
    let d = joint.dimension;
    let factor = if joint.is_diagonal() { vec![1.0; d] } else { unit(d) };
    let mut list =
        vec![Anchor { base: median.clone(), factor, from: "the prior's median, unit scale", gradient: None }];
    if !joint.landscape.known {
        return Ok(list);
    }
    let mut energy = Energy {
        problem,
        joint,
        values,
        fitted,
        value: problem.compile(&[joint.landscape.energy, joint.landscape.energy_gradient])?,
        product: problem.compile(&[joint.landscape.energy_product])?,
    };
    if let Some(factor) = energy.factor(&median)? {
        list.push(Anchor {
            base: median.clone(),
            factor,
            from: "the prior's median and the curvature there",
            gradient: None,
        });
    }
    if !joint.landscape.alone {
        return Ok(list);
    }
    let options = lbfgs::Options { iterations: 500, ..lbfgs::Options::default() };
    if let Some((mode, reached)) = energy.mode(&median, options)?
        && let Some(factor) = energy.factor(&mode)?
    {
        list.push(Anchor {
            base: mode,
            factor,
            from: "the mode found from the prior's median, and the curvature there",
            gradient: Some(reached),
        });
    }
    if joint.is_laplace() {
        list.retain(|a| a.gradient.is_some());
    }
    Ok(list)
}

struct Energy<'a> {
    problem: &'a Problem<'a>,
    joint: &'a Joint,
    values: &'a Values,
    fitted: &'a HashMap<InputId, Arc<Tensor>>,
    value: Box<dyn Compiled>,
    product: Box<dyn Compiled>,
}

impl Energy<'_> {
    fn setting(&self, point: &[f64], direction: Option<&[f64]>) -> Setting {
        let tensor = |v: &[f64]| Arc::new(Tensor { shape: vec![v.len()], values: v.to_vec() });
        let mut setting = Setting { extra: self.fitted.clone(), ..Setting::reporting(0, DRAWS) };
        setting.extra.insert(self.joint.landscape.point, tensor(point));
        if let Some(v) = direction {
            setting.extra.insert(self.joint.landscape.direction, tensor(v));
        }
        setting
    }

    fn at(&mut self, point: &[f64]) -> Result<(f64, Vec<f64>), ExecutionError> {
        let feed = self.problem.feed(self.values, &self.problem.train, &self.setting(point, None));
        let mut results = self.value.run(&feed)?.into_iter();
        let value = results.next().map_or(f64::NAN, |t| t.item());
        Ok((value, results.next().map(|t| t.values).unwrap_or_default()))
    }

    fn mode(&mut self, start: &[f64], options: lbfgs::Options) -> Result<Option<(Vec<f64>, Reached)>, ExecutionError> {
        let outcome = lbfgs::minimize(|x| self.at(x), start.to_vec(), &options, |_| ControlFlow::Continue(()))?;
        let usable = outcome.value.is_finite() && outcome.x.iter().all(|v| v.is_finite());
        Ok(usable.then_some((outcome.x, (outcome.gradient_norm, outcome.iterations))))
    }

    /// The Hessian at a point times a direction.
    fn product(&mut self, point: &[f64], direction: &[f64]) -> Result<Vec<f64>, ExecutionError> {
        let feed = self.problem.feed(self.values, &self.problem.train, &self.setting(point, Some(direction)));
        Ok(self.product.run(&feed)?.into_iter().next().unwrap_or_default().values)
    }

    /// The lower factor of the inverse Hessian at a point, or the scales by its diagonal.
    fn factor(&mut self, point: &[f64]) -> Result<Option<Vec<f64>>, ExecutionError> {
        if self.joint.is_diagonal() {
            return Ok(diagonal_factor(&self.diagonal(point)?));
        }
        let d = self.joint.dimension;
        let mut hessian = Vec::with_capacity(d * d);
        for k in 0..d {
            hessian.extend(self.product(point, &one_of(d, k))?);
        }
        Ok(covariance_factor(&hessian, d, FLOOR))
    }

    /// The diagonal of the Hessian: beyond few dimensions the mean of v ∘ Hv over random signs v (Bekas, Kokiopoulou and
    /// Saad, 2007).
    fn diagonal(&mut self, point: &[f64]) -> Result<Vec<f64>, ExecutionError> {
        let d = self.joint.dimension;
        let mut diagonal = vec![0.0; d];
        if d <= EXACT_DIAGONAL {
            for (k, slot) in diagonal.iter_mut().enumerate() {
                *slot = self.product(point, &one_of(d, k))?.get(k).copied().unwrap_or(f64::NAN);
            }
            return Ok(diagonal);
        }
        for step in 0..PROBES {
            let key = NoiseKey { seed: self.problem.seed, site: Site::named("signs for a diagonal"), step };
            let signs: Vec<f64> =
                (0..d as u64).map(|row| Stream::new(key, Element { row, rest: 0 }).normal().signum()).collect();
            let products = self.product(point, &signs)?;
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
fn diagonal_factor(diagonal: &[f64]) -> Option<Vec<f64>> {
    let steepest = diagonal.iter().copied().fold(0.0, f64::max);
    if !(steepest > 0.0 && diagonal.iter().all(|v| v.is_finite())) {
        return None;
    }
    Some(diagonal.iter().map(|h| h.max(FLOOR * steepest).sqrt().recip()).collect())
}
