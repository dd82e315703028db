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
const CELLS: [usize; 3] = [256, 56, 18];

/// How far from the guide's mean an axis is looked along, in its standard deviations, and in how many steps.
const REACH: f64 = 32.0;
const STEPS: usize = 128;

/// Log density below the highest at which nothing is looked for any more.
const DEPTH: f64 = 16.0;

/// Mass of the outermost cells of a side beyond which the box grows there, and how often.
const EDGE: f64 = 1e-6;
const ROUNDS: usize = 4;

/// The share of the proposal that is level over all cells.
const LEVEL: f64 = 0.02;

/// The share of the mass in where edges of finer cells are put; the rest is of the length.
const CORE: f64 = 0.5;

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

/// Cells of a box: along each axis their edges.
#[derive(Clone)]
struct Lattice {
    edges: Vec<Vec<f64>>,
}

impl Lattice {
    /// Cells of one width along each axis.
    fn even(ends: &[(f64, f64)], cells: usize) -> Self {
        let between =
            |&(low, high): &(f64, f64)| (0..=cells).map(|k| low + (high - low) * k as f64 / cells as f64).collect();
        Self { edges: ends.iter().map(between).collect() }
    }

    fn ends(&self) -> Vec<(f64, f64)> {
        let ends = |e: &Vec<f64>| Some((*e.first()?, *e.last()?));
        self.edges.iter().filter_map(ends).collect()
    }

    /// Of each axis, the lower edge and the width of a cell.
    fn sides(&self, cell: usize) -> Vec<(f64, f64)> {
        let mut rest = cell;
        self.edges
            .iter()
            .map(|edges| {
                let cells = edges.len().saturating_sub(1).max(1);
                let at = rest % cells;
                rest /= cells;
                let side = edges.get(at).zip(edges.get(at + 1));
                side.map_or((0.0, 0.0), |(low, high)| (*low, high - low))
            })
            .collect()
    }

    /// A point of a cell, by its share of the width along each axis.
    fn point(&self, cell: usize, share: &dyn Fn(usize) -> f64) -> Vec<f64> {
        self.sides(cell).into_iter().enumerate().map(|(axis, (low, width))| low + share(axis) * width).collect()
    }

    fn log_volume(&self, cell: usize) -> f64 {
        self.sides(cell).into_iter().map(|(_, width)| width.ln()).sum()
    }

    fn count(&self) -> usize {
        self.edges.iter().map(|e| e.len().saturating_sub(1)).product()
    }

    /// The mass of every cell, from the target at its centre.
    fn mass(&self, target: &mut Target) -> Result<Vec<f64>, ExecutionError> {
        let centres: Vec<Vec<f64>> = (0..self.count()).map(|c| self.point(c, &|_| 0.5)).collect();
        let logs = target.at(&centres)?;
        Ok(shares(&logs.iter().enumerate().map(|(c, l)| l + self.log_volume(c)).collect::<Vec<_>>()))
    }

    /// The mass of the cells at each place along each axis.
    fn marginals(&self, mass: &[f64]) -> Vec<Vec<f64>> {
        let mut all: Vec<Vec<f64>> = self.edges.iter().map(|e| vec![0.0; e.len().saturating_sub(1)]).collect();
        for (cell, m) in mass.iter().enumerate() {
            let mut rest = cell;
            for own in &mut all {
                let cells = own.len().max(1);
                if let Some(slot) = own.get_mut(rest % cells) {
                    *slot += m;
                }
                rest /= cells;
            }
        }
        all
    }

    /// Moves the sides of the box outward where mass lies at them. `None` where none does.
    fn grown(&self, mass: &[f64]) -> Option<Self> {
        let mut ends = self.ends();
        let mut moved = false;
        for ((low, high), marginal) in ends.iter_mut().zip(self.marginals(mass)) {
            let width = *high - *low;
            let out = |m: Option<&f64>| m.is_some_and(|m| *m > EDGE);
            if out(marginal.first()) {
                *low -= 0.4 * width;
                moved = true;
            }
            if out(marginal.last()) {
                *high += 0.4 * width;
                moved = true;
            }
        }
        let cells = self.edges.first().map_or(1, |e| e.len().saturating_sub(1));
        moved.then(|| Self::even(&ends, cells))
    }

    /// Cells that are small where the mass is: edges at even steps of the mass along each axis and of its length, mixed.
    fn refined(&self, mass: &[f64]) -> Self {
        let edges = self.edges.iter().zip(self.marginals(mass)).map(|(edges, marginal)| {
            let cells = marginal.len().max(1);
            let level = (1.0 - CORE) / cells as f64;
            let mut reached = vec![0.0];
            for m in &marginal {
                reached.push(reached.last().copied().unwrap_or(0.0) + CORE * m + level);
            }
            let total = reached.last().copied().unwrap_or(1.0);
            let at = |k: usize| {
                let wanted = total * k as f64 / cells as f64;
                let cell = reached.partition_point(|&r| r <= wanted).clamp(1, cells) - 1;
                let pair = |of: &[f64]| of.get(cell).copied().zip(of.get(cell + 1).copied());
                match (pair(&reached), pair(edges)) {
                    (Some((a, b)), Some((low, high))) if b > a => low + (high - low) * (wanted - a) / (b - a),
                    _ => edges.last().copied().unwrap_or(0.0),
                }
            };
            (0..=cells).map(at).collect()
        });
        Self { edges: edges.collect() }
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
    let mut mass = lattice.mass(&mut target)?;
    for round in 0.. {
        let Some(grown) = lattice.grown(&mass) else { break };
        // Tails that go on and on are in no box.
        if round == ROUNDS {
            return Ok(None);
        }
        lattice = grown;
        mass = lattice.mass(&mut target)?;
    }
    lattice = lattice.refined(&mass);
    mass = smoothed(&lattice, lattice.mass(&mut target)?);
    let Some((points, densities)) = drawn(&lattice, &mass, count, FixedSet::Reading.seed(problem.seed)) else {
        return Ok(None);
    };
    let correction = points.iter().zip(densities).map(|(e, q)| log_normal(e) - q).collect();
    Ok(Some((target.draws(&points), correction)))
}

/// The box in which the posterior lies along each axis of the noise, through the guide's mean.
fn along_axes(target: &mut Target, dimension: usize, cells: usize) -> Result<Option<Lattice>, ExecutionError> {
    let mut ends = vec![];
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
        ends.push((at(first.saturating_sub(1)), at((last + 1).min(STEPS))));
    }
    Ok(Some(Lattice::even(&ends, cells)))
}

/// Weights that add up to 1, from their logarithms.
fn shares(logs: &[f64]) -> Vec<f64> {
    let highest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut list: Vec<f64> = logs.iter().map(|l| (l - highest).exp()).collect();
    let total: f64 = list.iter().sum();
    list.iter_mut().for_each(|v| *v /= total);
    list
}

/// The mass of every cell, or a share of that of a neighbour by volume where that is more: within a cell of a steep tail the
/// density is far above that of its centre, and a proposal may not fall short of it.
fn smoothed(lattice: &Lattice, mass: Vec<f64>) -> Vec<f64> {
    let density = |cell: usize| mass.get(cell).map_or(0.0, |m| m / lattice.log_volume(cell).exp());
    let cells: Vec<usize> = lattice.edges.iter().map(|e| e.len().saturating_sub(1).max(1)).collect();
    let raised = (0..mass.len()).map(|cell| {
        let own = density(cell);
        let mut most = own;
        let mut stride = 1;
        for &count in &cells {
            let at = cell / stride % count;
            if at > 0 {
                most = most.max(density(cell - stride));
            }
            if at + 1 < count {
                most = most.max(density(cell + stride));
            }
            stride *= count;
        }
        // Between the centre of a cell and its neighbour's a density that falls exponentially reaches their geometric mean.
        (own * most).sqrt() * lattice.log_volume(cell).exp()
    });
    let raised: Vec<f64> = raised.collect();
    let total: f64 = raised.iter().sum();
    raised.into_iter().map(|m| m / total).collect()
}

/// Draws of the histogram, evenly spread, each with the logarithm of its density. `None` where there are too few.
fn drawn(lattice: &Lattice, mass: &[f64], count: usize, seed: u64) -> Option<(Vec<Vec<f64>>, Vec<f64>)> {
    let dimension = lattice.edges.len();
    let level = LEVEL / mass.len() as f64;
    let mut ends = Vec::with_capacity(mass.len());
    let mut total = 0.0;
    for m in mass {
        total += (1.0 - LEVEL) * m + level;
        ends.push(total);
    }
    let normal = normal_draws(count, dimension + 1, seed)?;
    let mut points = Vec::with_capacity(count);
    let mut densities = Vec::with_capacity(count);
    for row in normal.chunks(dimension + 1) {
        let share = |k: usize| row.get(k).map_or(0.5, |&z| normal_cdf(z));
        let chosen = share(dimension) * total;
        let cell = ends.partition_point(|&end| end < chosen).min(mass.len().saturating_sub(1));
        points.push(lattice.point(cell, &share));
        let m = mass.get(cell).copied().unwrap_or(0.0);
        densities.push((((1.0 - LEVEL) * m + level) / total).ln() - lattice.log_volume(cell));
    }
    Some((points, densities))
}
