//! Logistic(location, scale).

use std::f64::consts::PI;

use fe_graph::{Axis, Graph, NodeId, NoiseKind, Site};
use rand::Rng;

use crate::expr::{Formula, formula};
use crate::family::{Family, Parameter, Sampling, Statistic, divergence, exactly, noise, twin};
use crate::support::Support;

/// The logistic distribution.
#[derive(Debug)]
pub(crate) struct Logistic;

impl Family for Logistic {
    fn name(&self) -> &'static str {
        "Logistic"
    }

    fn summary(&self) -> &'static str {
        "the distribution function is sigmoid((z − location)/scale); heavier tails than Normal"
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
        formula(g, &[&[x], args].concat(), |[x, m, s]| {
            let z = (x - m) / s;
            -z.softplus() - (-z).softplus() - s.log()
        })
    }

    fn expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value => |[m, _]| m,
            Statistic::Square => |[m, s]| m.square() + PI * PI / 3.0 * s.square(),
            // ∫₀^∞ P(z > t) dt
            Statistic::Relu => |[m, s]| s * (m / s).softplus(),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn variance(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value => |[_, s]| PI * PI / 3.0 * s.square(),
            // Var z² = 4 m² σ² + E ζ⁴ − σ⁴ with E ζ⁴ = 7π⁴s⁴/15.
            Statistic::Square => |[m, s]| {
                let v = PI * PI / 3.0 * s.square();
                4.0 * m.square() * v + 3.2 * v.square()
            },
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn entropy(&self, g: &mut Graph, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, args, |[_, s]| s.log() + 2.0))
    }

    fn kl(&self, g: &mut Graph, args: &[NodeId], prior: &dyn Family, prior_args: &[NodeId]) -> Option<NodeId> {
        divergence(g, self, args, prior, prior_args)
    }

    fn sample(&self, g: &mut Graph, args: &[NodeId], site: Site, axes: &[Axis], _how: &Sampling) -> Option<NodeId> {
        // The log of a ratio of exponential values: both tails are reached in single precision too.
        let a = noise(g, NoiseKind::Exponential, site, axes, args);
        let b = noise(g, NoiseKind::Exponential, twin(site), axes, args);
        Some(formula(g, &[&[a, b], args].concat(), |[e, f, m, s]| m + s * (e.log() - f.log())))
    }

    fn median(&self, args: &[f64]) -> Option<f64> {
        args.first().copied()
    }

    fn cdf(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, &[&[x], args].concat(), |[x, m, s]| ((x - m) / s).sigmoid()))
    }

    fn fisher(&self, g: &mut Graph, args: &[NodeId]) -> Option<Vec<NodeId>> {
        Some(vec![
            formula(g, args, |[m, s]| (1.0 / 3.0 * s.square().recip()).over(m)),
            formula(g, args, |[m, s]| ((3.0 + PI * PI) / 9.0 * s.square().recip()).over(m)),
        ])
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let [m, s] = exactly(args)?;
        let mut standard = || rand_distr::Distribution::<f64>::sample(&rand_distr::Exp1, rng);
        (s > 0.0).then(|| m + s * (standard().ln() - standard().ln()))
    }
}
