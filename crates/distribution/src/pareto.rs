//! Pareto(shape, minimum).

use fe_graph::{Axis, Graph, NodeId, NoiseKind, Site};
use rand::Rng;

use crate::expr::{Formula, formula};
use crate::family::{Family, Parameter, Sampling, Statistic, divergence, exactly, noise};
use crate::support::Support;

/// The Pareto distribution.
#[derive(Debug)]
pub(crate) struct Pareto;

impl Family for Pareto {
    fn name(&self) -> &'static str {
        "Pareto"
    }

    fn summary(&self) -> &'static str {
        "a power law from the minimum up: P(z > t) = (minimum/t)^shape"
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] =
            &[Parameter::new("shape", Support::Positive), Parameter::new("minimum", Support::Positive)];
        ALL
    }

    fn support(&self, args: &[Option<f64>]) -> Option<Support> {
        let minimum = (*args.get(1)?)?;
        (minimum > 0.0).then_some(Support::Interval { low: minimum, high: f64::INFINITY })
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], _event: Option<Axis>) -> NodeId {
        formula(g, &[&[x], args].concat(), |[x, a, m]| {
            let below = x.less(m);
            let inside = below.select(m, x);
            let log_density = a.log() + a * m.log() - (a + 1.0) * inside.log();
            below.select(x.number(f64::NEG_INFINITY), log_density)
        })
    }

    fn expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Log => |[a, m]| m.log() + a.recip(),
            Statistic::Recip => |[a, m]| a / (m * (a + 1.0)),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn variance(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Log => |[a, m]| a.square().recip().over(m),
            Statistic::Recip => |[a, m]| a / (m.square() * (a + 2.0) * (a + 1.0).square()),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn entropy(&self, g: &mut Graph, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, args, |[a, m]| m.log() - a.log() + a.recip() + 1.0))
    }

    fn kl(&self, g: &mut Graph, args: &[NodeId], prior: &dyn Family, prior_args: &[NodeId]) -> Option<NodeId> {
        divergence(g, self, args, prior, prior_args)
    }

    fn sample(&self, g: &mut Graph, args: &[NodeId], site: Site, axes: &[Axis], _how: &Sampling) -> Option<NodeId> {
        let e = noise(g, NoiseKind::Exponential, site, axes, args);
        Some(formula(g, &[&[e], args].concat(), |[e, a, m]| m * (e / a).exp()))
    }

    fn median(&self, args: &[f64]) -> Option<f64> {
        let [a, m] = exactly(args)?;
        let median = m * (std::f64::consts::LN_2 / a).exp();
        (a > 0.0 && m > 0.0 && median.is_finite()).then_some(median)
    }

    fn cdf(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, &[&[x], args].concat(), |[x, a, m]| {
            let below = x.less(m);
            let inside = below.select(m, x);
            below.select(x.number(0.0), -(a * (m.log() - inside.log())).expm1())
        }))
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let [a, m] = exactly(args)?;
        let e: f64 = rand_distr::Distribution::sample(&rand_distr::Exp1, rng);
        let z = m * (e / a).exp();
        (a > 0.0 && m > 0.0 && z.is_finite()).then_some(z)
    }
}
