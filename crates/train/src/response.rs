//! Linear response: the covariance that a mean-field guide leaves out, from how its means answer to a tilt of the log
//! posterior (Giordano, Broderick and Jordan, JMLR 19(51), 2018).
//!
//! With F the free energy over all rows and η the guide's parameters, the covariance of the means m among the η is the
//! block of (∂²F/∂η²)⁻¹ that belongs to them. For a Gaussian posterior it is the posterior's own.

use fe_graph::ExecutionError;
use fe_objective::{Independent, Objective, Start};

use crate::curvature::{Covariance, LARGEST, MOST_WORK, Step, hessian};
use crate::problem::{Problem, Setting, Values};
use crate::saa::SaaObjective;

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
    let steps: Vec<Step> = places.iter().map(|&place| Step { place, size: STEP }).collect();
    let hessian = hessian(objective, problem, (found, setting), &steps)?;
    let Some(covariance) = Covariance::of(&hessian, n) else {
        return not("the free energy does not curve upward in every direction of the guide's parameters");
    };
    let mut worst: Option<Understated> = None;
    for i in &independent {
        let (Some(&first), Some(scales)) = (starts.get(i.location), found.get(i.log_scale)) else { continue };
        for k in 0..i.length {
            // One that nothing depends on has no spread to be understated.
            let variance = covariance.variance(std::iter::once((first + i.start + k, 1.0))).unwrap_or(0.0);
            let Some(log_scale) = scales.get(i.start + k) else { continue };
            let factor = variance.sqrt() / log_scale.exp();
            if worst.as_ref().is_none_or(|w| factor > w.factor) {
                worst = Some(Understated { name: i.name.clone(), index: index(o, i, k), factor });
            }
        }
    }
    Ok(worst.map(Response::Worst))
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
