//! MultivariateNormal(mean, covariance) along the last axis.

use fe_graph::{Axis, Graph, NodeId, NoiseKind, Site};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::expr::{HALF_LOG_TWO_PI, HALF_LOG_TWO_PI_E, formula};
use crate::family::{Alternative, Family, FromNormal, Parameter, Sampling, Statistic, noise};
use crate::support::Support;

/// A vector along an axis with a covariance over that axis and its primed copy. What is asked of it is read off the
/// lower Cholesky factor L: z = mean + L ε.
#[derive(Debug)]
pub(crate) struct MultivariateNormal;

/// The mean, L and L⁻¹ over (axis, axis').
fn parts(g: &mut Graph, args: &[NodeId], event: Axis) -> Option<(NodeId, NodeId, NodeId)> {
    let &[mean, covariance] = args else { return None };
    let lower = g.cholesky(covariance, event, event.primed());
    let inverse = g.triangular_inverse(lower, event, event.primed());
    Some((mean, lower, inverse))
}

/// M x, over the matrix's rows.
fn times(g: &mut Graph, matrix: NodeId, x: NodeId, event: Axis) -> NodeId {
    let x = g.broadcast(x, &[event]);
    let x = g.rename(x, &[(event, event.primed())]);
    g.contract(matrix, x, &[event.primed()])
}

/// The two axes of a square matrix: an axis and its primed copy.
fn square(g: &Graph, matrix: NodeId) -> Option<(Axis, Axis)> {
    let axes = g.axes_of(matrix);
    axes.iter().map(|&a| (a, a.primed())).find(|(_, p)| axes.contains(p))
}

/// L Lᵀ
fn from_factor(g: &mut Graph, lower: NodeId) -> NodeId {
    let Some((row, column)) = square(g, lower) else { return lower };
    // Only the lower triangle counts.
    let (i, j) = (g.iota(row), g.iota(column));
    let mask = g.less_equal(j, i);
    let lower = g.mul(mask, lower);
    let other = g.transposed(lower, row, column);
    g.matrix_product(lower, other, row, column)
}

/// P⁻¹ = (L⁻¹)ᵀ L⁻¹ of P = L Lᵀ
fn from_precision(g: &mut Graph, precision: NodeId) -> NodeId {
    let Some((row, column)) = square(g, precision) else { return precision };
    let lower = g.cholesky(precision, row, column);
    let inverse = g.triangular_inverse(lower, row, column);
    let other = g.transposed(inverse, row, column);
    g.matrix_product(other, inverse, row, column)
}

impl Family for MultivariateNormal {
    fn name(&self) -> &'static str {
        "MultivariateNormal"
    }

    fn summary(&self) -> &'static str {
        "a vector along the last axis; its covariance is over that axis and its primed copy"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["mvnormal", "multi_normal", "multinormal", "multivariate_normal"]
    }

    fn affine_in_normal(&self) -> Option<FromNormal> {
        Some(from_normal)
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] = &[Parameter::new("mean", Support::Real), Parameter::new("covariance", Support::Real)];
        ALL
    }

    fn alternatives(&self) -> &'static [Alternative] {
        const ALL: &[Alternative] = &[
            Alternative {
                parameters: &[Parameter::new("mean", Support::Real), Parameter::new("precision", Support::Real)],
                canonical: |g, args| match *args {
                    [mean, precision] => vec![mean, from_precision(g, precision)],
                    _ => args.to_vec(),
                },
            },
            Alternative {
                parameters: &[Parameter::new("mean", Support::Real), Parameter::new("cholesky", Support::Real)],
                canonical: |g, args| match *args {
                    [mean, lower] => vec![mean, from_factor(g, lower)],
                    _ => args.to_vec(),
                },
            },
        ];
        ALL
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::Real)
    }

    fn is_vector(&self) -> bool {
        true
    }

    /// −½ ε² − log L_ii − ½ log 2π for each element of ε = L⁻¹ (x − mean).
    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], event: Option<Axis>) -> NodeId {
        let found = event.and_then(|axis| Some((axis, parts(g, args, axis)?)));
        let Some((axis, (mean, lower, inverse))) = found else { return g.constant(f64::NAN) };
        let deviation = g.sub(x, mean);
        let e = times(g, inverse, deviation, axis);
        let scale = g.diagonal(lower, axis, axis.primed());
        formula(g, &[e, scale], |[e, scale]| -0.5 * e.square() - scale.log() - HALF_LOG_TWO_PI)
    }

    /// Elements that are missing are taken for independent ones of variance 1 that lie at their means, whose density is then
    /// left out: what is left is the margin of the others.
    fn observed_log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], event: Axis) -> Option<NodeId> {
        let &[mean, covariance] = args else { return None };
        let x = g.broadcast(x, &[event]);
        let there = g.equal(x, x);
        let deviation = g.sub(x, mean);
        let nothing = g.constant(0.0);
        let deviation = g.select(there, deviation, nothing);
        let other = g.rename(there, &[(event, event.primed())]);
        let both = g.mul(there, other);
        let kept = g.mul(both, covariance);
        let one = g.constant(1.0);
        let gone = g.sub(one, there);
        let gone = g.on_diagonal(gone, event, event.primed());
        let covariance = g.add(kept, gone);
        let lower = g.cholesky(covariance, event, event.primed());
        let inverse = g.triangular_inverse(lower, event, event.primed());
        let e = times(g, inverse, deviation, event);
        let scale = g.diagonal(lower, event, event.primed());
        Some(formula(g, &[e, scale, there], |[e, scale, there]| {
            -0.5 * e.square() - scale.log() - HALF_LOG_TWO_PI * there
        }))
    }

    fn vector_expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId], event: Axis) -> Option<NodeId> {
        let &[mean, covariance] = args else { return None };
        let mean = g.broadcast(mean, &[event]);
        match of {
            Statistic::Value => Some(mean),
            Statistic::Square | Statistic::Exp => {
                let variance = g.diagonal(covariance, event, event.primed());
                Some(match of {
                    Statistic::Square => formula(g, &[mean, variance], |[m, v]| m.square() + v),
                    _ => formula(g, &[mean, variance], |[m, v]| (m + 0.5 * v).exp()),
                })
            }
            _ => None,
        }
    }

    fn vector_entropy(&self, g: &mut Graph, args: &[NodeId], event: Axis) -> Option<NodeId> {
        let (_, lower, _) = parts(g, args, event)?;
        let scale = g.diagonal(lower, event, event.primed());
        Some(formula(g, &[scale], |[s]| s.log() + HALF_LOG_TWO_PI_E))
    }

    fn vector_kl(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        prior: &dyn Family,
        prior_args: &[NodeId],
        event: Axis,
    ) -> Option<NodeId> {
        if prior.name() != self.name() {
            return None;
        }
        let ((m, lower, _), (m0, lower0, inverse0)) = (parts(g, args, event)?, parts(g, prior_args, event)?);
        let moved = g.matrix_product(inverse0, lower, event, event.primed());
        let moved = g.square(moved);
        let trace = g.sum(moved, &[event.primed()]);
        let gap = g.sub(m, m0);
        let e = times(g, inverse0, gap, event);
        let (s, s0) = (g.diagonal(lower, event, event.primed()), g.diagonal(lower0, event, event.primed()));
        Some(formula(g, &[trace, e, s, s0], |[trace, e, s, s0]| 0.5 * (trace + e.square() - 1.0) + s0.log() - s.log()))
    }

    fn vector_sample(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        site: Site,
        axes: &[Axis],
        _how: &Sampling,
        event: Axis,
    ) -> Option<NodeId> {
        let (mean, lower, _) = parts(g, args, event)?;
        let e = noise(g, NoiseKind::Normal, site, axes, &[mean]);
        let spread = times(g, lower, e, event);
        Some(g.add(mean, spread))
    }

    fn draw_vector(&self, args: &[Vec<f64>], rng: &mut dyn Rng) -> Option<Vec<f64>> {
        let [mean, covariance] = args else { return None };
        let n = mean.len();
        let mut lower = covariance.clone();
        if n == 0 || lower.len() != n.checked_mul(n)? {
            return None;
        }
        fe_graph::matrix::factorize(fe_graph::Factor::Cholesky, n, &mut lower);
        let e: Vec<f64> = (0..n).map(|_| StandardNormal.sample(rng)).collect();
        let rows = mean.iter().zip(lower.chunks_exact(n));
        let drawn: Vec<f64> = rows.map(|(m, l)| m + l.iter().zip(&e).map(|(l, e)| l * e).sum::<f64>()).collect();
        drawn.iter().all(|v| v.is_finite()).then_some(drawn)
    }

    /// `args` are a mean and a variance: one element is drawn.
    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let &[mean, variance] = args else { return None };
        let e: f64 = StandardNormal.sample(rng);
        (variance > 0.0).then(|| mean + variance.sqrt() * e)
    }
}

/// mean + L ε, L the Cholesky factor of the covariance.
fn from_normal(g: &mut Graph, args: &[NodeId], event: Axis, noise: NodeId) -> Option<NodeId> {
    let &[mean, covariance] = args else { return None };
    let lower = g.cholesky(covariance, event, event.primed());
    let turned = g.rename(noise, &[(event, event.primed())]);
    let spread = g.contract(lower, turned, &[event.primed()]);
    Some(g.add(mean, spread))
}
