//! Gumbel(location, scale).

use std::f64::consts::{LN_2, PI};

use fe_graph::{Axis, Graph, NodeId, NoiseKind, Site};
use rand::Rng;

use crate::expr::{EULER_GAMMA, Formula, formula};
use crate::family::{Family, Parameter, Sampling, Statistic, divergence, exactly, noise};
use crate::support::Support;

/// The Gumbel distribution of maxima.
#[derive(Debug)]
pub(crate) struct Gumbel;

impl Family for Gumbel {
    fn name(&self) -> &'static str {
        "Gumbel"
    }

    fn summary(&self) -> &'static str {
        "the largest of many: the distribution function is exp(−e^{−(z − location)/scale})"
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
            -z - (-z).exp() - s.log()
        })
    }

    fn expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value => |[m, s]| m + EULER_GAMMA * s,
            Statistic::Square => |[m, s]| (m + EULER_GAMMA * s).square() + PI * PI / 6.0 * s.square(),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn variance(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value => |[_, s]| PI * PI / 6.0 * s.square(),
            // With mean μ and the central moments σ² = π²s²/6, μ₃ = 2ζ(3)s³, μ₄ = 3π⁴s⁴/20: 4μ²σ² + 4μμ₃ + μ₄ − σ⁴.
            Statistic::Square => |[m, s]| {
                let (mean, v) = (m + EULER_GAMMA * s, PI * PI / 6.0 * s.square());
                4.0 * mean.square() * v + 8.0 * ZETA_3 * mean * s * s.square() + 4.4 * v.square()
            },
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn entropy(&self, g: &mut Graph, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, args, |[_, s]| s.log() + (1.0 + EULER_GAMMA)))
    }

    fn kl(&self, g: &mut Graph, args: &[NodeId], prior: &dyn Family, prior_args: &[NodeId]) -> Option<NodeId> {
        match prior.name() {
            // E[e^{−(z − m₀)/s₀}] = e^{(m₀ − m)/s₀} Γ(1 + s/s₀).
            "Gumbel" => Some(formula(g, &[args, prior_args].concat(), |[m, s, m0, s0]| {
                let apart = (m - m0) / s0;
                let tail = ((1.0 + s / s0).lgamma() - apart).exp();
                s0.log() - s.log() + apart + EULER_GAMMA * (s / s0) + tail - (1.0 + EULER_GAMMA)
            })),
            _ => divergence(g, self, args, prior, prior_args),
        }
    }

    fn sample(&self, g: &mut Graph, args: &[NodeId], site: Site, axes: &[Axis], _how: &Sampling) -> Option<NodeId> {
        let e = noise(g, NoiseKind::Exponential, site, axes, args);
        Some(formula(g, &[&[e], args].concat(), |[e, m, s]| m - s * e.log()))
    }

    fn median(&self, args: &[f64]) -> Option<f64> {
        let [m, s] = exactly(args)?;
        let median = m - s * LN_2.ln();
        (s > 0.0 && median.is_finite()).then_some(median)
    }

    fn cdf(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, &[&[x], args].concat(), |[x, m, s]| (-(-((x - m) / s)).exp()).exp()))
    }

    fn fisher(&self, g: &mut Graph, args: &[NodeId]) -> Option<Vec<NodeId>> {
        let of_scale = PI * PI / 6.0 + (1.0 - EULER_GAMMA) * (1.0 - EULER_GAMMA);
        Some(vec![
            formula(g, args, |[m, s]| s.square().recip().over(m)),
            formula(g, args, |[m, s]| (of_scale * s.square().recip()).over(m)),
        ])
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let [m, s] = exactly(args)?;
        let e: f64 = rand_distr::Distribution::sample(&rand_distr::Exp1, rng);
        (s > 0.0).then(|| m - s * e.ln())
    }
}

/// ζ(3), Apéry's constant.
const ZETA_3: f64 = 1.202_056_903_159_594_2;
