//! A proposal read off a lattice: where what is drawn of a guide has one to three dimensions, the posterior is evaluated at the
//! cells of a box in the coordinates of the guide's noise, and proposed from as a histogram. Its weights are nearly level
//! whatever the posterior's shape, so that the table and the evidence are those of quadrature (the grid of INLA; Rue,
//! Martino and Chopin, 2009), while every draw still has its exact weight.

use std::collections::HashMap;
use std::f64::consts::PI;
use std::sync::Arc;

use fe_graph::special::normal_cdf;
use fe_graph::{Compiled, ExecutionError, InputId, NodeId, NoiseKind, Site, Tensor};

use crate::draws::normal_draws;
use crate::problem::{Problem, Values};
use crate::qmc::{MatchedDraws, noise_sites_of};
use crate::reading::Reading;
use crate::streams::{FixedSet, Purpose};

/// Cells along each axis, by dimension.
const CELLS: [usize; 3] = [512, 64, 20];

/// How far from the guide's mean an axis is looked along, in its standard deviations, and in how many steps.
const REACH: f64 = 32.0;
const STEPS: usize = 256;

/// Log density below the highest at which nothing is looked for any more.
const DEPTH: f64 = 20.0;

/// Mass of the outermost cells of a side beyond which the box grows there, and how often.
const EDGE: f64 = 1e-6;
const ROUNDS: usize = 4;

/// The share of the proposal that is level over the box.
const LEVEL: f64 = 0.02;

/// The posterior in the coordinates of what is drawn.
struct Target<'a> {
    problem: &'a Problem<'a>,
    values: &'a Values,
    extra: &'a HashMap<InputId, Arc<Tensor>>,
    compiled: Box<dyn Compiled>,
    weight: NodeId,
    /// Sources of the noise, with the numbers of each.
    sites: Vec<(Site, Vec<usize>)>,
    exact: Vec<Site>,
}

impl Target<'_> {
    /// log p(x, z) − log q(z) + log N(ε) at some ε, one behind the other; −∞ where it is none.
    fn at(&mut self, points: &[Vec<f64>]) -> Result<Vec<f64>, ExecutionError> {
        let draws = self.draws(points);
        let reading = Reading { purpose: Purpose::Table, count: points.len(), matched: Some(&draws) };
        let outputs = [self.weight];
        let mut found = reading.collect(self.problem, self.values, self.extra, &mut *self.compiled, &outputs)?;
        let weights = found.pop().unwrap_or_default();
        let target = weights.into_iter().zip(points).map(|(w, e)| w + log_normal(e));
        Ok(target.map(|t| if t.is_finite() { t } else { f64::NEG_INFINITY }).collect())
    }

    fn draws(&self, points: &[Vec<f64>]) -> MatchedDraws {
        let mut draws = HashMap::new();
        let mut start = 0;
        for (site, shape) in &self.sites {
            let size: usize = shape.iter().product();
            let values = points.iter().flat_map(|p| p.iter().skip(start).take(size).copied()).collect();
            let shape = std::iter::once(points.len()).chain(shape.iter().copied()).collect();
            draws.insert(*site, Arc::new(Tensor { shape, values }));
            start += size;
        }
        MatchedDraws { draws, all_normal: true, exact: self.exact.clone() }
    }
}

fn log_normal(e: &[f64]) -> f64 {
    e.iter().map(|v| -0.5 * v * v - 0.5 * (2.0 * PI).ln()).sum()
}

/// A box and the number of cells along each of its axes.
#[derive(Clone)]
struct Lattice {
    low: Vec<f64>,
    high: Vec<f64>,
    cells: usize,
}

impl Lattice {
    fn width(&self, axis: usize) -> f64 {
        let ends = self.low.get(axis).zip(self.high.get(axis));
        ends.map_or(0.0, |(low, high)| (high - low) / self.cells as f64)
    }

    /// The place of a cell along each axis.
    fn place(&self, cell: usize) -> Vec<usize> {
        let mut rest = cell;
        self.low
            .iter()
            .map(|_| {
                let at = rest % self.cells;
                rest /= self.cells;
                at
            })
            .collect()
    }

    /// A point of a cell, by its share of the width along each axis.
    fn point(&self, cell: usize, share: &dyn Fn(usize) -> f64) -> Vec<f64> {
        let place = self.place(cell).into_iter().zip(&self.low).enumerate();
        place.map(|(axis, (at, low))| low + (at as f64 + share(axis)) * self.width(axis)).collect()
    }

    fn count(&self) -> usize {
        self.cells.pow(self.low.len() as u32)
    }
}

/// Draws of the proposal for what some nodes need, with log N(ε) − log of the proposal's density, by which weights of draws of
/// the guide become its own. `None` where what is drawn has more dimensions, or is not normal, or where the posterior is in
/// no box.
///
/// # Errors
/// When a run fails.
pub(crate) fn proposal(
    problem: &Problem,
    values: &Values,
    extra: &HashMap<InputId, Arc<Tensor>>,
    weight: NodeId,
    count: usize,
) -> Result<Option<(MatchedDraws, Vec<f64>)>, ExecutionError> {
    let exact = problem.objective.guides.eliminated.clone();
    let free: Vec<_> =
        noise_sites_of(problem.objective, &[weight]).into_iter().filter(|s| !exact.contains(&s.site)).collect();
    let dimension: usize = free.iter().map(|s| s.size).sum();
    let Some(&cells) = dimension.checked_sub(1).and_then(|d| CELLS.get(d)) else { return Ok(None) };
    if free.iter().any(|s| s.kind != Some(NoiseKind::Normal)) {
        return Ok(None);
    }
    let sites = free.iter().map(|s| (s.site, s.shape(problem))).collect();
    let mut target = Target { problem, values, extra, compiled: problem.compile(&[weight])?, weight, sites, exact };
    let Some(mut lattice) = along_axes(&mut target, dimension, cells)? else { return Ok(None) };
    let mut mass = vec![];
    for _ in 0..ROUNDS {
        let centres: Vec<Vec<f64>> = (0..lattice.count()).map(|c| lattice.point(c, &|_| 0.5)).collect();
        mass = shares(&target.at(&centres)?);
        if !grow(&mut lattice, &mass) {
            break;
        }
    }
    let Some((points, densities)) = drawn(&lattice, &mass, count, FixedSet::Reading.seed(problem.seed)) else {
        return Ok(None);
    };
    let correction = points.iter().zip(densities).map(|(e, q)| log_normal(e) - q).collect();
    Ok(Some((target.draws(&points), correction)))
}

/// The box in which the posterior lies along each axis of the noise, through the guide's mean.
fn along_axes(target: &mut Target, dimension: usize, cells: usize) -> Result<Option<Lattice>, ExecutionError> {
    let mut lattice = Lattice { low: vec![], high: vec![], cells };
    for axis in 0..dimension {
        let at = |k: usize| -REACH + 2.0 * REACH * k as f64 / STEPS as f64;
        let points: Vec<Vec<f64>> =
            (0..=STEPS).map(|k| (0..dimension).map(|a| if a == axis { at(k) } else { 0.0 }).collect()).collect();
        let found = target.at(&points)?;
        let highest = found.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if !highest.is_finite() {
            return Ok(None);
        }
        let inside = |v: &f64| *v > highest - DEPTH;
        let (Some(first), Some(last)) = (found.iter().position(inside), found.iter().rposition(inside)) else {
            return Ok(None);
        };
        lattice.low.push(at(first.saturating_sub(1)));
        lattice.high.push(at((last + 1).min(STEPS)));
    }
    Ok(Some(lattice))
}

/// Weights that add up to 1, from their logarithms.
fn shares(logs: &[f64]) -> Vec<f64> {
    let highest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut list: Vec<f64> = logs.iter().map(|l| (l - highest).exp()).collect();
    let total: f64 = list.iter().sum();
    list.iter_mut().for_each(|v| *v /= total);
    list
}

/// Moves the sides of a box outward where mass lies at them. Whether one was.
fn grow(lattice: &mut Lattice, mass: &[f64]) -> bool {
    let dimension = lattice.low.len();
    let (mut below, mut above) = (vec![0.0; dimension], vec![0.0; dimension]);
    for (cell, m) in mass.iter().enumerate() {
        for (axis, at) in lattice.place(cell).into_iter().enumerate() {
            if let (0, Some(side)) = (at, below.get_mut(axis)) {
                *side += m;
            }
            if let (true, Some(side)) = (at + 1 == lattice.cells, above.get_mut(axis)) {
                *side += m;
            }
        }
    }
    let widths: Vec<f64> = (0..dimension).map(|a| lattice.width(a) * lattice.cells as f64).collect();
    let mut moved = false;
    for (((low, high), width), (b, a)) in
        lattice.low.iter_mut().zip(&mut lattice.high).zip(widths).zip(below.into_iter().zip(above))
    {
        if b > EDGE {
            *low -= 0.4 * width;
        }
        if a > EDGE {
            *high += 0.4 * width;
        }
        moved |= b > EDGE || a > EDGE;
    }
    moved
}

/// Draws of the histogram, evenly spread, each with the logarithm of its density. `None` where there are too few.
fn drawn(lattice: &Lattice, mass: &[f64], count: usize, seed: u64) -> Option<(Vec<Vec<f64>>, Vec<f64>)> {
    let dimension = lattice.low.len();
    let level = LEVEL / mass.len() as f64;
    let mut ends = Vec::with_capacity(mass.len());
    let mut total = 0.0;
    for m in mass {
        total += (1.0 - LEVEL) * m + level;
        ends.push(total);
    }
    let volume: f64 = (0..dimension).map(|a| lattice.width(a)).product();
    let normal = normal_draws(count, dimension + 1, seed)?;
    let mut points = Vec::with_capacity(count);
    let mut densities = Vec::with_capacity(count);
    for row in normal.chunks(dimension + 1) {
        let share = |k: usize| row.get(k).map_or(0.5, |&z| normal_cdf(z));
        let chosen = share(dimension) * total;
        let cell = ends.partition_point(|&end| end < chosen).min(mass.len().saturating_sub(1));
        points.push(lattice.point(cell, &share));
        let m = mass.get(cell).copied().unwrap_or(0.0);
        densities.push((((1.0 - LEVEL) * m + level) / total / volume).ln());
    }
    Some((points, densities))
}
