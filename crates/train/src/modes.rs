//! Modes of the posterior in the coordinates of a guide's noise, found from wide starts: each with its mass by the Laplace
//! approximation. Nothing of the guide but its coordinates is used, so what it has missed can be found.

use std::ops::ControlFlow;

use fe_graph::ExecutionError;

use crate::draws::normal_draws;
use crate::lbfgs::{self, Options};
use crate::linear_algebra::{cholesky, covariance_factor};
use crate::mixture::Component;
use crate::streams::FixedSet;
use crate::target::Target;

/// How far starts lie from the guide's mean, in its standard deviations, which may be small parts of the prior's; and how many
/// are looked at of each distance, beside those along the axes.
const SPREADS: [f64; 6] = [2.0, 6.0, 20.0, 60.0, 200.0, 600.0];
const LOOKED: usize = 256;

/// Starts, the guide's mean included: of the rest as many of each distance, those of highest density, no two of them within this
/// part of the distance.
const STARTS: usize = 25;
const NEAR: f64 = 0.25;

/// Evaluations that the search from one start takes, by what it took on posteriors of ten dimensions: iterations.
const TYPICAL: usize = 40;

/// The most numbers that all searches together may compute.
const WORK: usize = 1_000_000_000;

/// The search from one start.
const ITERATIONS: usize = 100;
const TOLERANCE: f64 = 1e-6;

/// The largest gradient, relative to the log density, of what is a mode: others run on, to where a density has no end.
const FLAT: f64 = 1e-3;

/// Half the distance over which curvature is first taken, and then in standard deviations.
const ROUGH: f64 = 1e-2;
const CURVED: f64 = 0.05;

/// What a gradient costs, in evaluations.
const GRADIENT: usize = 3;

/// Modes whose distance is less than this, in standard deviations of the first, are one.
const APART: f64 = 1.0;

/// Modes with less than this of the mass of the largest are left out.
const LEAST: f64 = 1e-8;

/// A mode.
#[derive(Clone, Debug)]
pub(crate) struct Mode {
    /// Its place ε.
    pub location: Vec<f64>,
    /// The lower factor of the inverse Hessian there.
    pub scale: Vec<f64>,
    /// log of its mass, by the Laplace approximation.
    pub log_mass: f64,
}

/// The modes found, those of most mass first; none where a search would cost too much. `evaluation` is the cost of a draw.
///
/// # Errors
/// When a run fails.
pub(crate) fn search(target: &mut Target, evaluation: usize, seed: u64) -> Result<Vec<Mode>, ExecutionError> {
    let one = evaluation.saturating_mul(GRADIENT * TYPICAL).max(1);
    let number = (WORK / one).min(STARTS);
    if number < 2 {
        return Ok(vec![]);
    }
    let mut modes: Vec<Mode> = vec![];
    for start in starts(target, number, seed)? {
        let Some(end) = climb(target, start)? else { continue };
        if modes.iter().any(|m| m.distance(&end) < APART) {
            continue;
        }
        modes.extend(mode(target, end)?);
    }
    modes.sort_by(|a, b| b.log_mass.total_cmp(&a.log_mass));
    let most = modes.first().map_or(0.0, |m| m.log_mass);
    modes.retain(|m| m.log_mass > most + LEAST.ln());
    Ok(modes)
}

/// The guide's mean, and of points at each distance those of highest density.
fn starts(target: &mut Target, number: usize, seed: u64) -> Result<Vec<Vec<f64>>, ExecutionError> {
    let d = target.dimension;
    let mut list = vec![vec![0.0; d]];
    let each = (number - 1).div_ceil(SPREADS.len());
    let looked = LOOKED.max(4 * d);
    let Some(normal) = normal_draws(looked, d, FixedSet::Modes.seed(seed)) else { return Ok(list) };
    for spread in SPREADS {
        let random = normal.chunks(d).map(|e| e.iter().map(|v| spread * v).collect::<Vec<f64>>());
        // A mirror image differs in one number alone.
        let axes = (0..d).flat_map(|k| [spread, -spread].map(|s| moved(&vec![0.0; d], &[(k, s)])));
        let points: Vec<Vec<f64>> = random.chain(axes).collect();
        let found = target.at(&points)?;
        let mut order: Vec<(f64, Vec<f64>)> = found.into_iter().zip(points).filter(|(v, _)| v.is_finite()).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut chosen = vec![vec![0.0; d]];
        for (_, point) in order {
            let near = |c: &Vec<f64>| c.iter().zip(&point).all(|(a, b)| (a - b).abs() < NEAR * spread);
            if chosen.len() <= each && !chosen.iter().any(near) {
                chosen.push(point);
            }
        }
        list.extend(chosen.into_iter().skip(1));
    }
    list.truncate(number);
    Ok(list)
}

/// The place to which −log density falls from a start. `None` where that has no end.
fn climb(target: &mut Target, start: Vec<f64>) -> Result<Option<Vec<f64>>, ExecutionError> {
    let options = Options { iterations: ITERATIONS, tolerance: TOLERANCE, ..Options::default() };
    let outcome = lbfgs::minimize(|x| slope(target, x), start, &options, |_| ControlFlow::Continue(()))?;
    let settled = outcome.value.is_finite() && outcome.gradient_norm <= FLAT * outcome.value.abs().max(1.0);
    Ok(settled.then_some(outcome.x))
}

/// −log density and its gradient.
fn slope(target: &mut Target, x: &[f64]) -> Result<(f64, Vec<f64>), ExecutionError> {
    let found = target.slopes(&[x.to_vec()])?.pop();
    let (value, gradient) = found.unwrap_or((f64::NEG_INFINITY, vec![0.0; x.len()]));
    Ok((-value, gradient.into_iter().map(|v| -v).collect()))
}

fn moved(x: &[f64], by: &[(usize, f64)]) -> Vec<f64> {
    let mut point = x.to_vec();
    for &(k, h) in by {
        if let Some(v) = point.get_mut(k) {
            *v += h;
        }
    }
    point
}

/// The mode at a place. `None` where −log density is not curved upward in all directions.
fn mode(target: &mut Target, location: Vec<f64>) -> Result<Option<Mode>, ExecutionError> {
    let d = location.len();
    let value = target.at(std::slice::from_ref(&location))?.first().copied().unwrap_or(f64::NAN);
    let rough = rows(target, &location, &vec![ROUGH; d])?;
    let steps: Vec<f64> = rough
        .iter()
        .enumerate()
        .map(|(k, row)| CURVED * row.get(k).copied().unwrap_or(f64::NAN).max(1e-8).sqrt().recip())
        .map(|h| h.clamp(1e-5, 1.0))
        .collect();
    let rows = rows(target, &location, &steps)?;
    let at = |i: usize, j: usize| rows.get(i).and_then(|r| r.get(j)).copied().unwrap_or(f64::NAN);
    let hessian: Vec<f64> = (0..d * d).map(|k| 0.5 * (at(k / d, k % d) + at(k % d, k / d))).collect();
    if cholesky(&hessian, d).is_none() {
        return Ok(None);
    }
    let Some(scale) = covariance_factor(&hessian, d, f64::EPSILON) else { return Ok(None) };
    let log_scale: f64 = scale.iter().step_by(d + 1).map(|v| v.ln()).sum();
    let log_mass = value + 0.5 * d as f64 * (2.0 * std::f64::consts::PI).ln() + log_scale;
    Ok(Some(Mode { location, scale, log_mass }))
}

/// Rows of the Hessian of −log density, by central differences of its gradient.
fn rows(target: &mut Target, location: &[f64], steps: &[f64]) -> Result<Vec<Vec<f64>>, ExecutionError> {
    let ends = steps.iter().enumerate().flat_map(|(k, &h)| [h, -h].map(|h| moved(location, &[(k, h)])));
    let found = target.slopes(&ends.collect::<Vec<_>>())?;
    let row = |([(_, up), (_, down)], h): (&[(f64, Vec<f64>); 2], &f64)| {
        down.iter().zip(up).map(|(down, up)| (down - up) / (2.0 * h)).collect()
    };
    Ok(found.as_chunks::<2>().0.iter().zip(steps).map(row).collect())
}

impl Mode {
    /// As a component of a proposal, of some weight and so many times as wide.
    pub fn component(&self, weight: f64, wide: f64) -> Component {
        Component::new(weight, self.location.clone(), self.scale.clone()).widened(wide)
    }

    /// How far a point is off, in its standard deviations.
    fn distance(&self, point: &[f64]) -> f64 {
        self.component(1.0, 1.0).square(point).sqrt()
    }
}
