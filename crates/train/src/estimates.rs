//! What a fit estimates: the program's own parameters, and what follows from them, with standard errors from the curvature of the
//! free energy.
//!
//! At a minimum over the parameters θ of the program and η of the guides together, the inverse of ∂²F/∂(θ, η)², F being that of
//! all rows, has in its block of θ the covariance of the estimates: the inverse Fisher information where nothing is latent, and
//! that of F as a function of θ alone, min over η, where the guides answer to a change of θ.

use fe_graph::{Compiled, ExecutionError, NodeId, Tensor};

use crate::curvature::{Covariance, LARGEST, MOST_WORK, Step, hessian};
use crate::problem::{Problem, Setting, Values};
use crate::saa::{SaaObjective, flatten, unflatten};

/// First steps of the differences, relative to the parameter; and those that follow, in units of the spread which the curvature
/// along each parameter alone gives it.
const FIRST_STEP: f64 = 1e-4;
const STEP: f64 = 0.01;

/// The relative step of differences of a type's own scale.
const SCALE_STEP: f64 = 1e-5;

/// A parameter of the program, or a `let` that follows from some, as the fit has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Its name.
    pub name: String,
    /// Its axes as declared.
    pub axes: Vec<String>,
    /// Their extents.
    pub shape: Vec<usize>,
    /// Its value, row-major over these, on the program's scale.
    pub values: Vec<f64>,
    /// The standard errors of these, where they were computed: NaN at elements that nothing depends on.
    pub errors: Option<Vec<f64>>,
}

/// What became of the standard errors of a program's parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum StandardErrors {
    /// For each parameter that is declared, in order, and then for each `let` that follows from some, one for each element as
    /// declared.
    Known(Vec<Vec<f64>>),
    /// They were not computed, and why.
    NotComputed(String),
}

/// The estimates of a fit.
pub(crate) fn estimates(problem: &Problem, values: &Values, errors: Option<&StandardErrors>) -> Vec<Estimate> {
    let g = &problem.objective.graph;
    let mut known = match errors {
        Some(StandardErrors::Known(all)) => all.as_slice(),
        _ => &[],
    }
    .iter();
    let declared = problem.objective.parameters.iter().zip(values).filter(|(p, _)| p.is_declared());
    let estimate = |(parameter, value): (&fe_objective::Parameter, &Vec<f64>)| {
        let tensor = problem.declared_value(parameter, value);
        Estimate {
            name: parameter.name.clone(),
            axes: parameter.axes.iter().map(|&a| g.axis_name(a)).collect(),
            shape: parameter.axes.iter().map(|a| g.extent_of(a.id)).collect(),
            values: tensor.values,
            errors: known.next().cloned(),
        }
    };
    let mut all: Vec<Estimate> = declared.map(estimate).collect();
    // What cannot be computed is left out: it is reported and nothing more.
    let functions = functions(problem, values).unwrap_or_default();
    for (of, values) in problem.objective.report.functions.iter().zip(functions) {
        all.push(Estimate {
            name: of.name.clone(),
            axes: of.axes.iter().map(|&a| g.axis_name(a)).collect(),
            shape: of.axes.iter().map(|a| g.extent_of(a.id)).collect(),
            values,
            errors: known.next().cloned(),
        });
    }
    all
}

/// The values of what follows from parameters alone, each row-major over its axes as declared.
fn functions(problem: &Problem, values: &Values) -> Result<Vec<Vec<f64>>, ExecutionError> {
    let of = &problem.objective.report.functions;
    if of.is_empty() {
        return Ok(vec![]);
    }
    let nodes: Vec<NodeId> = of.iter().map(|f| f.node).collect();
    let mut compiled = problem.compile(&nodes)?;
    values_of(problem, values, &mut *compiled)
}

/// As [`functions`], compiled.
fn values_of(problem: &Problem, values: &Values, compiled: &mut dyn Compiled) -> Result<Vec<Vec<f64>>, ExecutionError> {
    let found = compiled.run(&problem.feed(values, &problem.train.clone(), &Setting::default()))?;
    let ordered = |(of, tensor): (&fe_objective::Reported, Tensor)| {
        let sorted = fe_graph::axis::sorted(&of.axes);
        let order: Vec<usize> = of.axes.iter().filter_map(|a| sorted.iter().position(|s| s == a)).collect();
        tensor.permuted(&order).map(|t| t.values).unwrap_or_default()
    };
    Ok(problem.objective.report.functions.iter().zip(found).map(ordered).collect())
}

/// Standard errors of what follows from parameters, by its slopes in all of them.
fn errors_of_functions(
    problem: &Problem,
    found: &Values,
    covariance: &Covariance,
) -> Result<Vec<Vec<f64>>, ExecutionError> {
    let of = &problem.objective.report.functions;
    if of.is_empty() {
        return Ok(vec![]);
    }
    let nodes: Vec<NodeId> = of.iter().map(|f| f.node).collect();
    let mut compiled = problem.compile(&nodes)?;
    let base = flatten(found);
    let at = values_of(problem, found, &mut *compiled)?;
    // For each function, for each element, its slopes.
    let mut slopes: Vec<Vec<Vec<f64>>> = at.iter().map(|v| vec![vec![0.0; base.len()]; v.len()]).collect();
    for place in 0..base.len() {
        let size = SCALE_STEP * base.get(place).copied().unwrap_or(0.0).abs().max(1.0);
        let mut side = |by: f64| {
            let mut moved = base.clone();
            moved.iter_mut().skip(place).take(1).for_each(|v| *v += by);
            values_of(problem, &unflatten(&moved, found), &mut *compiled)
        };
        let (above, below) = (side(size)?, side(-size)?);
        for ((function, above), below) in slopes.iter_mut().zip(above).zip(below) {
            for ((element, a), b) in function.iter_mut().zip(above).zip(below) {
                element.iter_mut().skip(place).take(1).for_each(|s| *s = (a - b) / (2.0 * size));
            }
        }
    }
    let error = |slopes: &Vec<f64>| covariance.variance(slopes.iter().copied().enumerate()).map_or(f64::NAN, f64::sqrt);
    Ok(slopes.iter().map(|function| function.iter().map(error).collect()).collect())
}

/// Standard errors at a minimum of an objective that repeats. `None` without a parameter that is declared.
///
/// # Errors
/// When a run fails.
pub(crate) fn standard_errors(
    objective: &mut SaaObjective,
    problem: &Problem,
    found: &Values,
    setting: &Setting,
    evaluation: usize,
) -> Result<Option<StandardErrors>, ExecutionError> {
    let o = problem.objective;
    if !o.parameters.iter().any(|p| p.is_declared()) {
        return Ok(None);
    }
    let not = |why: String| Ok(Some(StandardErrors::NotComputed(why)));
    if !o.is_free_energy() {
        return not("what is minimised is not the free energy".into());
    }
    let n: usize = found.iter().map(Vec::len).sum();
    if n > LARGEST || evaluation.saturating_mul(4 * n) > MOST_WORK {
        return not(format!("there are {n} parameters in all, and their Hessian would take too long"));
    }
    let first = |(place, v): (usize, &f64)| Step { place, size: FIRST_STEP * v.abs().max(1.0) };
    let mut steps: Vec<Step> = found.iter().flatten().enumerate().map(first).collect();
    let rough = hessian(objective, problem, (found, setting), &steps)?;
    for (k, step) in steps.iter_mut().enumerate() {
        let spread = rough.get(k * n + k).copied().unwrap_or(f64::NAN).sqrt().recip();
        if spread.is_finite() {
            step.size = STEP * spread;
        }
    }
    let hessian = hessian(objective, problem, (found, setting), &steps)?;
    let Some(covariance) = Covariance::of(&hessian, n) else {
        return not("the free energy does not curve upward in every direction of the parameters".into());
    };
    let (mut all, mut offset) = (vec![], 0);
    for (parameter, value) in o.parameters.iter().zip(found) {
        if parameter.is_declared() {
            all.push(on_the_program_s_scale(problem, parameter, value, &covariance, offset));
        }
        offset += value.len();
    }
    all.extend(errors_of_functions(problem, found, &covariance)?);
    Ok(Some(StandardErrors::Known(all)))
}

/// Standard errors of a parameter's elements as declared: by the slopes of its type's bijector.
fn on_the_program_s_scale(
    problem: &Problem,
    parameter: &fe_objective::Parameter,
    value: &[f64],
    covariance: &Covariance,
    offset: usize,
) -> Vec<f64> {
    let slope = |k: usize| -> Vec<f64> {
        let size = SCALE_STEP * value.get(k).copied().unwrap_or(0.0).abs().max(1.0);
        let side = |by: f64| {
            let moved: Vec<f64> = value.iter().enumerate().map(|(j, v)| if j == k { v + by } else { *v }).collect();
            problem.declared_value(parameter, &moved).values
        };
        side(size).iter().zip(side(-size)).map(|(a, b)| (a - b) / (2.0 * size)).collect()
    };
    let slopes: Vec<Vec<f64>> = (0..value.len()).map(slope).collect();
    let elements = problem.declared_value(parameter, value).values.len();
    let of = |i: usize| {
        let weights = slopes.iter().enumerate().map(|(k, s)| (offset + k, s.get(i).copied().unwrap_or(f64::NAN)));
        covariance.variance(weights).map_or(f64::NAN, f64::sqrt)
    };
    (0..elements).map(of).collect()
}
