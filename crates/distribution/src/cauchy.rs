//! Cauchy(location, scale).

use std::f64::consts::PI;

use fe_graph::{Axis, Graph, NodeId, NoiseKind, Site};
use rand::Rng;
use rand_distr::Distribution;

use crate::expr::{Expr, formula};
use crate::family::{Family, Parameter, Sampling, divergence, exactly, noise, twin};
use crate::support::Support;

/// The Cauchy distribution.
#[derive(Debug)]
pub(crate) struct Cauchy;

impl Family for Cauchy {
    fn name(&self) -> &'static str {
        "Cauchy"
    }

    fn summary(&self) -> &'static str {
        "without a mean; half of it lies within one scale of the location"
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] =
            &[Parameter::new("location", Support::Real), Parameter::new("scale", Support::Positive)];
        ALL
    }

    fn location_scale(&self) -> Option<[usize; 2]> {
        Some([0, 1])
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::Real)
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], _event: Option<Axis>) -> NodeId {
        formula(g, &[&[x], args].concat(), |[x, m, s]| -((x - m) / s).square().log1p() - s.log() - PI.ln())
    }

    fn entropy(&self, g: &mut Graph, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, args, |[_, s]| s.log() + (4.0 * PI).ln()))
    }

    fn kl(&self, g: &mut Graph, args: &[NodeId], prior: &dyn Family, prior_args: &[NodeId]) -> Option<NodeId> {
        match prior.name() {
            "Cauchy" => Some(formula(g, &[args, prior_args].concat(), |[m, s, m0, s0]| kl(m, s, m0, s0))),
            _ => divergence(g, self, args, prior, prior_args),
        }
    }

    fn sample(&self, g: &mut Graph, args: &[NodeId], site: Site, axes: &[Axis], _how: &Sampling) -> Option<NodeId> {
        // A ratio of normal values: no end of an interval to round to, as an inverse cdf would have.
        let a = noise(g, NoiseKind::Normal, site, axes, args);
        let b = noise(g, NoiseKind::Normal, twin(site), axes, args);
        Some(formula(g, &[&[a, b], args].concat(), |[a, b, m, s]| m + s * (a / b)))
    }

    fn median(&self, args: &[f64]) -> Option<f64> {
        args.first().copied()
    }

    fn cdf(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, &[&[x], args].concat(), |[x, m, s]| ((x - m) / s).atan() / PI + 0.5))
    }

    fn fisher(&self, g: &mut Graph, args: &[NodeId]) -> Option<Vec<NodeId>> {
        let each = formula(g, args, |[m, s]| (0.5 / s.square()).over(m));
        Some(vec![each, each])
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let [m, s] = exactly(args)?;
        Some(rand_distr::Cauchy::new(m, s).ok()?.sample(rng))
    }
}

/// log (((s + s₀)² + (m − m₀)²)/(4 s s₀)) (Chyzak and Nielsen, arXiv 1905.10965), written so that equal arguments
/// give 0 without cancellation: log(1 + ((s − s₀)² + (m − m₀)²)/(4 s s₀)).
pub(crate) fn kl<'s>(m: Expr<'s>, s: Expr<'s>, m0: Expr<'s>, s0: Expr<'s>) -> Expr<'s> {
    (((s - s0).square() + (m - m0).square()) / (4.0 * s * s0)).log1p()
}
