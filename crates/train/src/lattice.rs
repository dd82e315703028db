//! A proposal read off a lattice: where what is drawn of a guide has one to three dimensions, the posterior is evaluated at the
//! cells of a box in the coordinates of the guide's noise, and proposed from as a histogram. Its weights are nearly level
//! whatever the posterior's shape, so that the table and the evidence are those of quadrature (the grid of INLA; Rue,
//! Martino and Chopin, 2009), while every draw still has its exact weight.

use fe_graph::ExecutionError;
use fe_graph::special::normal_cdf;

use crate::draws::normal_draws;
use crate::problem::Problem;
use crate::qmc::MatchedDraws;
use crate::streams::FixedSet;
use crate::target::{Target, log_normal};

/// Cells along each axis, by dimension, of the box that shows where the posterior is; and of those that are proposed from.
const COARSE: [usize; 3] = [128, 28, 10];
const CELLS: [usize; 3] = [256, 96, 32];

/// Log density below the highest that counts as this much: what is interpolated has no ends.
const FLOOR: f64 = 50.0;

/// Draws by which an interpolated lattice is judged, and the effective share of them below which the density itself is evaluated
/// at the corners of fewer cells, by dimension.
const JUDGED: usize = 256;
const LEAST: f64 = 0.85;
const EVALUATED: [usize; 3] = [256, 56, 18];

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

    /// Whether a point lies in the box.
    fn holds(&self, point: &[f64]) -> bool {
        self.ends().iter().zip(point).all(|((low, high), v)| low < v && v < high)
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

    /// The mass of every cell, from the mean of the target at its corners. Within a cell a density of one mode is highest at a
    /// corner, so no weight of a draw is above the number of corners, however steep a tail: at centres the target says
    /// nothing of the near side of a cell.
    fn mass(&self, target: &mut Target) -> Result<Vec<f64>, ExecutionError> {
        Ok(self.shares(&self.logs(target)?))
    }

    /// The log density at every corner.
    fn logs(&self, target: &mut Target) -> Result<Vec<f64>, ExecutionError> {
        let sides: Vec<usize> = self.edges.iter().map(Vec::len).collect();
        let count: usize = sides.iter().product();
        let corner = |k: usize| {
            let mut rest = k;
            let along = self.edges.iter().map(|edges| {
                let at = edges.get(rest % edges.len().max(1)).copied().unwrap_or(0.0);
                rest /= edges.len().max(1);
                at
            });
            along.collect()
        };
        target.at(&(0..count).map(corner).collect::<Vec<Vec<f64>>>())
    }

    /// The mass of every cell, from the log density at every corner.
    fn shares(&self, logs: &[f64]) -> Vec<f64> {
        let sides: Vec<usize> = self.edges.iter().map(Vec::len).collect();
        let highest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let heights: Vec<f64> = logs.iter().map(|l| (l - highest).exp()).collect();
        let mass: Vec<f64> =
            (0..self.count()).map(|c| self.height(c, &sides, &heights) * self.log_volume(c).exp()).collect();
        let total: f64 = mass.iter().sum();
        mass.into_iter().map(|m| m / total).collect()
    }

    /// The log density at every corner of a finer lattice within this one, whose cells are even: by cubics along one axis after
    /// another. What is nearly normal is nearly quadratic there.
    fn interpolated(&self, logs: &[f64], finer: &Self) -> Vec<f64> {
        let highest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut values: Vec<f64> = logs.iter().map(|l| l.max(highest - FLOOR)).collect();
        let mut stride = 1;
        for (own, edges) in self.edges.iter().zip(&finer.edges) {
            let (count, new) = (own.len(), edges.len());
            let rows: Vec<(usize, [f64; 4])> = edges.iter().map(|&x| cubic(own, x)).collect();
            let mut next = Vec::with_capacity(values.len() / count.max(1) * new);
            for block in values.chunks(stride * count) {
                for (first, weights) in &rows {
                    let at = |k: usize, j: usize| block.get((first + k) * stride + j).copied().unwrap_or(0.0);
                    next.extend((0..stride).map(|j| (0..4).zip(weights).map(|(k, w)| w * at(k, j)).sum::<f64>()));
                }
            }
            values = next;
            stride *= new;
        }
        values
    }

    /// The mean of what the corners of a cell have.
    fn height(&self, cell: usize, sides: &[usize], heights: &[f64]) -> f64 {
        let mut corners = vec![0];
        let (mut rest, mut stride) = (cell, 1);
        for &side in sides {
            let cells = side.saturating_sub(1).max(1);
            let low = (rest % cells) * stride;
            corners = corners.iter().flat_map(|c| [c + low, c + low + stride]).collect();
            (rest, stride) = (rest / cells, stride * side);
        }
        corners.iter().filter_map(|&c| heights.get(c)).sum::<f64>() / corners.len() as f64
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

    /// So many cells along each axis that are small where the mass is: edges at even steps of the mass and of the length, mixed.
    fn refined(&self, mass: &[f64], cells: usize) -> Self {
        let edges = self.edges.iter().zip(self.marginals(mass)).map(|(edges, marginal)| {
            let coarse = marginal.len().max(1);
            let level = (1.0 - CORE) / coarse as f64;
            let mut reached = vec![0.0];
            for m in &marginal {
                reached.push(reached.last().copied().unwrap_or(0.0) + CORE * m + level);
            }
            let total = reached.last().copied().unwrap_or(1.0);
            let at = |k: usize| {
                let wanted = total * k as f64 / cells as f64;
                let cell = reached.partition_point(|&r| r <= wanted).clamp(1, coarse) - 1;
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
/// the guide become its own. `None` where what is drawn has more dimensions, or where the posterior, or one of its modes, is in
/// no box.
///
/// # Errors
/// When a run fails.
pub(crate) fn proposal(
    target: &mut Target,
    problem: &Problem,
    count: usize,
    modes: &[&[f64]],
) -> Result<Option<(MatchedDraws, Vec<f64>)>, ExecutionError> {
    let dimension = target.dimension;
    let of = |list: &[usize; 3]| dimension.checked_sub(1).and_then(|d| list.get(d)).copied();
    let (Some(coarse), Some(cells), Some(fewer)) = (of(&COARSE), of(&CELLS), of(&EVALUATED)) else { return Ok(None) };
    let Some(mut lattice) = along_axes(target, dimension, coarse)? else { return Ok(None) };
    let mut logs = lattice.logs(target)?;
    let mut mass = lattice.shares(&logs);
    for round in 0.. {
        let Some(grown) = lattice.grown(&mass) else { break };
        // Tails that go on and on are in no box.
        if round == ROUNDS {
            return Ok(None);
        }
        lattice = grown;
        logs = lattice.logs(target)?;
        mass = lattice.shares(&logs);
    }
    if modes.iter().any(|m| !lattice.holds(m)) {
        return Ok(None);
    }
    let fine = lattice.refined(&mass, cells);
    let found = fine.shares(&lattice.interpolated(&logs, &fine));
    (lattice, mass) = if is_close(target, &fine, &found, problem.seed)? {
        (fine, found)
    } else {
        let evaluated = lattice.refined(&mass, fewer);
        let mass = evaluated.mass(target)?;
        (evaluated, mass)
    };
    let Some((points, densities)) = drawn(&lattice, &mass, count, FixedSet::Reading.seed(problem.seed)) else {
        return Ok(None);
    };
    let correction = points.iter().zip(densities).map(|(e, q)| log_normal(e) - q).collect();
    Ok(Some((target.draws(&points), correction)))
}

/// The four neighbours of a point among even places, by the first of them, and the weights of the cubic through them.
fn cubic(places: &[f64], x: f64) -> (usize, [f64; 4]) {
    let (low, next) = (places.first().copied().unwrap_or(0.0), places.get(1).copied().unwrap_or(1.0));
    let at = (x - low) / (next - low);
    let first = (at.floor().max(1.0) as usize - 1).min(places.len().saturating_sub(4));
    let t = at - first as f64;
    let weights = [
        (t - 1.0) * (t - 2.0) * (t - 3.0) / -6.0,
        t * (t - 2.0) * (t - 3.0) / 2.0,
        t * (t - 1.0) * (t - 3.0) / -2.0,
        t * (t - 1.0) * (t - 2.0) / 6.0,
    ];
    (first, weights)
}

/// Whether draws of a histogram have level weights.
fn is_close(target: &mut Target, lattice: &Lattice, mass: &[f64], seed: u64) -> Result<bool, ExecutionError> {
    let Some((points, densities)) = drawn(lattice, mass, JUDGED, FixedSet::Modes.seed(seed)) else {
        return Ok(false);
    };
    let logs: Vec<f64> = target.at(&points)?.into_iter().zip(densities).map(|(t, q)| t - q).collect();
    let highest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logs.iter().map(|l| (l - highest).exp()).collect();
    let (sum, squares) = weights.iter().fold((0.0, 0.0), |(s, q), w| (s + w, q + w * w));
    Ok(sum * sum >= LEAST * JUDGED as f64 * squares)
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn a_cubic_is_interpolated_exactly_in_three_dimensions() {
        let f = |p: &[f64]| 0.3 * p[0].powi(3) - p[0] * p[1] + 0.5 * p[1].powi(2) - p[2].powi(3) * 0.1 + p[0] * p[2];
        let coarse = Lattice::even(&[(-2.0, 3.0), (-1.0, 1.5), (0.0, 4.0)], 7);
        let corners = |l: &Lattice| -> Vec<Vec<f64>> {
            let mut all = vec![];
            for &z in &l.edges[2] {
                for &y in &l.edges[1] {
                    all.extend(l.edges[0].iter().map(|&x| vec![x, y, z]));
                }
            }
            all
        };
        let logs: Vec<f64> = corners(&coarse).iter().map(|p| f(p)).collect();
        let mass = coarse.shares(&logs);
        let fine = coarse.refined(&mass, 11);
        for (found, p) in coarse.interpolated(&logs, &fine).iter().zip(corners(&fine)) {
            assert!((found - f(&p)).abs() < 1e-10, "{found}, not {} at {p:?}", f(&p));
        }
    }
}
