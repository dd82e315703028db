//! A mixture of multivariate Student t distributions that is moved toward a posterior by weighted draws of its own:
//! population Monte Carlo (Cappé, Douc, Guillin, Marin and Robert, 2008, section 4).

use std::f64::consts::PI;

use fe_graph::noise::{Element, NoiseKey, Stream};
use fe_graph::special::log_gamma;

use crate::draws::normal_draws;
use crate::linear_algebra::{cholesky, solve_lower};

/// Degrees of freedom: tails that are wider than those of most posteriors; and of the first component, a Cauchy distribution, so
/// that weights stay bounded where a posterior's tails are as those of a Cauchy prior.
const DEGREES: u32 = 5;
const HEAVY: u32 = 1;

/// The least weight of a component; one to which the draws give less stays where it is.
const LEAST: f64 = 0.01;

/// The weight that the first component, which is never moved, has at least: what the others lose, it still finds.
const DEFENCE: f64 = 0.1;

/// One component.
#[derive(Clone, Debug)]
pub(crate) struct Component {
    pub weight: f64,
    pub location: Vec<f64>,
    /// The lower factor of the scale matrix, row-major.
    pub scale: Vec<f64>,
    /// Degrees of freedom.
    degrees: u32,
}

/// The proposal.
#[derive(Clone, Debug)]
pub(crate) struct Mixture {
    components: Vec<Component>,
    dimension: usize,
}

/// What a point is to each component.
struct Place {
    /// log of weight times density.
    logs: Vec<f64>,
    /// Squared distances in the components' scales.
    squares: Vec<f64>,
}

impl Component {
    /// A Student t of a weight, a location, and the lower factor of its scale matrix.
    pub fn new(weight: f64, location: Vec<f64>, scale: Vec<f64>) -> Self {
        Self { weight, location, scale, degrees: DEGREES }
    }

    /// With the standard normal's location, and a scale.
    pub fn standard(dimension: usize, weight: f64, scale: f64) -> Self {
        let mut factor = vec![0.0; dimension * dimension];
        factor.iter_mut().step_by(dimension + 1).for_each(|v| *v = scale);
        Self::new(weight, vec![0.0; dimension], factor)
    }

    /// The Cauchy distribution at the standard normal's location.
    pub fn heavy(dimension: usize, weight: f64) -> Self {
        Self { degrees: HEAVY, ..Self::standard(dimension, weight, 1.0) }
    }

    /// So many times as wide.
    pub fn widened(&self, by: f64) -> Self {
        Self { scale: self.scale.iter().map(|v| by * v).collect(), ..self.clone() }
    }

    fn log_density(&self, square: f64, d: usize) -> f64 {
        let (nu, n) = (f64::from(self.degrees), d as f64);
        let constant = log_gamma(0.5 * (nu + n)) - log_gamma(0.5 * nu) - 0.5 * n * (nu * PI).ln();
        constant - self.log_scale(d) - 0.5 * (nu + n) * (square / nu).ln_1p()
    }

    /// The squared distance of a point from it, in its scale.
    pub fn square(&self, point: &[f64]) -> f64 {
        let off: Vec<f64> = point.iter().zip(&self.location).map(|(a, b)| a - b).collect();
        let solved = solve_lower(&self.scale, off.len(), &off);
        solved.map_or(f64::INFINITY, |s| s.iter().map(|v| v * v).sum())
    }

    fn log_scale(&self, dimension: usize) -> f64 {
        self.scale.iter().step_by(dimension + 1).map(|v| v.ln()).sum()
    }
}

impl Mixture {
    /// Of components whose weights are made to add up to 1. The first is the one that stays.
    pub fn new(mut components: Vec<Component>, dimension: usize) -> Self {
        let total: f64 = components.iter().map(|c| c.weight).sum();
        components.iter_mut().for_each(|c| c.weight /= total);
        Self { components, dimension }
    }

    fn place(&self, point: &[f64]) -> Place {
        let squares: Vec<f64> = self.components.iter().map(|c| c.square(point)).collect();
        let log = |(c, s): (&Component, &f64)| c.weight.ln() + c.log_density(*s, self.dimension);
        Place { logs: self.components.iter().zip(&squares).map(log).collect(), squares }
    }

    /// With all components but the first so many times as wide.
    pub fn widened(&self, by: f64) -> Self {
        let components = self.components.iter().enumerate();
        let components = components.map(|(k, c)| if k == 0 { c.clone() } else { c.widened(by) }).collect();
        Self { components, dimension: self.dimension }
    }

    /// The logarithm of its density.
    pub fn log_density(&self, point: &[f64]) -> f64 {
        log_sum(&self.place(point).logs)
    }

    /// Draws, evenly spread where there are enough.
    pub fn draws(&self, count: usize, key: NoiseKey) -> Vec<Vec<f64>> {
        let d = self.dimension.max(1);
        let even = normal_draws(count, self.dimension, key.seed ^ key.step).unwrap_or_default();
        let mut even = even.chunks(d);
        let mut draw = |row: u64| {
            let mut stream = Stream::new(key, Element { row, rest: 0 });
            // Strata of the components, so that their shares are as even as they can be.
            let chosen = (row as f64 + stream.uniform()) / count as f64;
            let mut total = 0.0;
            let component = self.components.iter().find(|c| {
                total += c.weight;
                chosen < total
            });
            let Some(c) = component.or(self.components.last()) else { return vec![] };
            let chi: f64 = (0..c.degrees).map(|_| stream.normal().powi(2)).sum();
            let factor = (f64::from(c.degrees) / chi).sqrt();
            let noise = even.next().map_or_else(|| (0..d).map(|_| stream.normal()).collect(), <[f64]>::to_vec);
            let rows = c.scale.chunks(d);
            let moved = rows.map(|r| factor * r.iter().zip(&noise).map(|(a, b)| a * b).sum::<f64>());
            moved.zip(&c.location).map(|(a, b)| a + b).collect()
        };
        (0..count as u64).map(&mut draw).collect()
    }

    /// With further components, as wide as the widest but the first and placed at draws chosen by their weights.
    pub fn scattered(&self, points: &[Vec<f64>], weights: &[f64], more: usize) -> Self {
        let mut components = self.components.clone();
        let widest = self
            .components
            .iter()
            .skip(1)
            .max_by(|a, b| a.log_scale(self.dimension).total_cmp(&b.log_scale(self.dimension)));
        let Some(widest) = widest.or(self.components.first()).cloned() else { return self.clone() };
        let mut total = 0.0;
        let mut next = 0.5 / more as f64;
        for (point, w) in points.iter().zip(weights) {
            total += w;
            if total > next {
                next += 1.0 / more as f64;
                let scale = widest.scale.iter().map(|v| 0.7 * v).collect();
                components.push(Component::new(1.0 / more as f64, point.clone(), scale));
            }
        }
        Self::new(components, self.dimension)
    }

    /// Moved toward the posterior by draws and their normalised weights: one step of EM, to which each draw counts by its weight
    /// and by the share that each component has in it.
    pub fn moved(&self, points: &[Vec<f64>], weights: &[f64]) -> Self {
        let (d, nu) = (self.dimension, f64::from(DEGREES));
        let mut parts: Vec<Part> = self.components.iter().map(|_| Part::new(d)).collect();
        for (point, &w) in points.iter().zip(weights).filter(|(_, w)| **w > 0.0) {
            let place = self.place(point);
            let whole = log_sum(&place.logs);
            for ((part, log), square) in parts.iter_mut().zip(&place.logs).zip(&place.squares) {
                let share = w * (log - whole).exp();
                part.add(point, share, share * (nu + d as f64) / (nu + square));
            }
        }
        let mut list = vec![];
        for (k, (component, part)) in self.components.iter().zip(&parts).enumerate() {
            if k == 0 {
                list.push(Component { weight: part.share.max(DEFENCE), ..component.clone() });
            } else {
                // A mode of little mass may still be far enough to matter.
                let moved = if part.share > LEAST { part.component() } else { None };
                let weight = part.share.max(LEAST);
                list.push(Component { weight, ..moved.unwrap_or_else(|| component.clone()) });
            }
        }
        Self::new(list, d)
    }
}

/// Weighted sums of a component's draws.
struct Part {
    share: f64,
    total: f64,
    squares: f64,
    first: Vec<f64>,
    second: Vec<f64>,
}

/// A scale matrix is drawn toward its diagonal as by this many draws for each dimension.
const SHRINKAGE: f64 = 1.0;

impl Part {
    fn new(d: usize) -> Self {
        Self { share: 0.0, total: 0.0, squares: 0.0, first: vec![0.0; d], second: vec![0.0; d * d] }
    }

    fn add(&mut self, point: &[f64], share: f64, w: f64) {
        self.share += share;
        self.total += w;
        self.squares += share * share;
        for (slot, x) in self.first.iter_mut().zip(point) {
            *slot += w * x;
        }
        let d = point.len().max(1);
        for (row, x) in self.second.chunks_mut(d).zip(point) {
            for (slot, y) in row.iter_mut().zip(point) {
                *slot += w * x * y;
            }
        }
    }

    /// `None` where its draws do not span the space.
    fn component(&self) -> Option<Component> {
        let d = self.first.len();
        let location: Vec<f64> = self.first.iter().map(|v| v / self.total).collect();
        // The draws that its sums rest on.
        let draws = self.share * self.share / self.squares;
        let keep = draws / (draws + SHRINKAGE * d as f64);
        let mut matrix = self.second.clone();
        for (i, (row, a)) in matrix.chunks_mut(d.max(1)).zip(&location).enumerate() {
            for (j, (slot, b)) in row.iter_mut().zip(&location).enumerate() {
                *slot = (*slot - self.total * a * b) / self.share;
                if i != j {
                    *slot *= keep;
                }
            }
        }
        let scale = cholesky(&matrix, d)?;
        Some(Component::new(self.share, location, scale))
    }
}

fn log_sum(logs: &[f64]) -> f64 {
    let highest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !highest.is_finite() {
        return highest;
    }
    highest + logs.iter().map(|l| (l - highest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fe_graph::Site;

    fn key(step: u64) -> NoiseKey {
        NoiseKey { seed: 3, site: Site::named("mixture"), step }
    }

    fn normal(x: &[f64], location: &[f64], sd: f64) -> f64 {
        let square: f64 = x.iter().zip(location).map(|(a, b)| ((a - b) / sd).powi(2)).sum();
        -0.5 * square - x.len() as f64 * (sd.ln() + 0.5 * (2.0 * PI).ln())
    }

    /// Two bumps, of three quarters and one.
    fn bumps(x: &[f64]) -> f64 {
        let [a, b] =
            [0.75f64.ln() + normal(x, &[3.0, 0.0, -1.0], 0.5), 0.25f64.ln() + normal(x, &[-2.0, 1.0, 1.0], 1.0)];
        log_sum(&[a, b])
    }

    fn weights(mixture: &Mixture, points: &[Vec<f64>]) -> Vec<f64> {
        points.iter().map(|p| (bumps(p) - mixture.log_density(p)).exp()).collect()
    }

    fn begun() -> Mixture {
        let wide = [0.8, 1.6, 3.0].map(|s| Component::standard(3, 1.0, s));
        Mixture::new(std::iter::once(Component::heavy(3, 1.0)).chain(wide).collect(), 3)
    }

    fn effective(w: &[f64]) -> f64 {
        w.iter().sum::<f64>().powi(2) / w.iter().map(|w| w * w).sum::<f64>() / w.len() as f64
    }

    #[test]
    fn it_moves_onto_what_it_is_weighed_by_and_its_draws_have_its_density() {
        let mut mixture = begun();
        let mut found = vec![];
        for round in 0..8 {
            let points = mixture.draws(4096, key(round));
            let w = weights(&mixture, &points);
            found.push(effective(&w));
            let total: f64 = w.iter().sum();
            let shares: Vec<f64> = w.iter().map(|w| w / total).collect();
            mixture = mixture.moved(&points, &shares);
            if round == 0 {
                mixture = mixture.scattered(&points, &shares, 4);
            }
        }
        assert!(found[0] < 0.2 && found[7] > 0.7, "{found:?}");
        let points = mixture.draws(1 << 15, key(8));
        let w = weights(&mixture, &points);
        let mean =
            |f: &dyn Fn(&[f64]) -> f64| points.iter().zip(&w).map(|(p, w)| w * f(p)).sum::<f64>() / w.len() as f64;
        // E 1, E x, E x² of the bumps: 0.75·(9 + 0.25) + 0.25·(4 + 1).
        for (found, expected) in [(mean(&|_| 1.0), 1.0), (mean(&|p| p[0]), 1.75), (mean(&|p| p[0] * p[0]), 8.1875)] {
            assert!((found - expected).abs() < 0.02 * expected, "{found} {expected}");
        }
    }

    #[test]
    fn a_cauchy_tail_has_bounded_weights() {
        let mixture = begun();
        let far = |x: f64| -(1.0 + x * x).ln() - PI.ln() - mixture.log_density(&[x, 0.0, 0.0]);
        assert!(far(1e6) < far(1e3) + 14.0 && mixture.log_density(&[1e6, 0.0, 0.0]).is_finite());
    }
}
