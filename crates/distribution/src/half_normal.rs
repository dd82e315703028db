//! HalfNormal(sd): |z| of a normal z with mean 0.

use std::f64::consts::{LN_2, PI};

use fe_graph::{Axis, Graph, NodeId, NoiseKind, Site};
use rand::Rng;

use crate::expr::{EULER_GAMMA, Expr, Formula, HALF_LOG_TWO_PI, HALF_LOG_TWO_PI_E, formula};
use crate::family::{Family, Natural, Parameter, Proximal, Sampling, Statistic, divergence, exactly, noise};
use crate::normal::{self, Normal};
use crate::support::Support;

/// The positive half of a centred normal distribution.
#[derive(Debug)]
pub(crate) struct HalfNormal;

impl Family for HalfNormal {
    fn name(&self) -> &'static str {
        "HalfNormal"
    }

    fn summary(&self) -> &'static str {
        "the positive half of Normal(0, sd)"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["half_normal"]
    }

    fn starts_at_zero(&self) -> bool {
        true
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] = &[Parameter::new("sd", Support::Positive)];
        ALL
    }

    fn natural(&self) -> Option<Natural> {
        Some(Natural {
            coordinates: |g, args| vec![formula(g, args, |[s]: [Expr; 1]| s.log())],
            direction: |g, args, slopes, _| {
                let &[Some(slope)] = slopes else { return None };
                Some(vec![Some(formula(g, &[args, &[slope]].concat(), |[s, slope]: [Expr; 2]| 0.5 * s * slope))])
            },
            text: "the information of the log scale is 2",
        })
    }

    fn proximal(&self) -> Option<Proximal> {
        Some(|g, v, w, args| formula(g, &[&[v, w], args].concat(), |[v, w, s]| v.relu() / (1.0 + w / s.square())))
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::Positive)
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], _event: Option<Axis>) -> NodeId {
        formula(g, &[&[x], args].concat(), |[x, s]| -0.5 * (x / s).square() - s.log() + (LN_2 - HALF_LOG_TWO_PI))
    }

    fn expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<1> = match of {
            Statistic::Value | Statistic::Relu => |[s]| (2.0 / PI).sqrt() * s,
            Statistic::Square => |[s]| s.square(),
            Statistic::Log => |[s]| s.log() - 0.5 * (EULER_GAMMA + LN_2),
            // 2 e^{s²/2} Φ(±s)
            Statistic::Exp => |[s]| (0.5 * s.square() + s.log_normal_cdf() + LN_2).exp(),
            Statistic::ExpNegative => |[s]| (0.5 * s.square() + (-s).log_normal_cdf() + LN_2).exp(),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn variance(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<1> = match of {
            Statistic::Value | Statistic::Relu => |[s]| (1.0 - 2.0 / PI) * s.square(),
            Statistic::Square => |[s]| 2.0 * s.square().square(),
            // ψ′(½)/4
            Statistic::Log => |[s]| s.number(PI * PI / 8.0).over(s),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn entropy(&self, g: &mut Graph, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, args, |[s]| s.log() + (HALF_LOG_TWO_PI_E - LN_2)))
    }

    fn expected_log_density(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        q: &dyn Family,
        q_args: &[NodeId],
    ) -> Option<NodeId> {
        let zero = g.constant(0.0);
        let whole = Normal.expected_log_density(g, &[&[zero], args].concat(), q, q_args)?;
        Some(g.shift(whole, LN_2))
    }

    fn kl(&self, g: &mut Graph, args: &[NodeId], prior: &dyn Family, prior_args: &[NodeId]) -> Option<NodeId> {
        match prior.name() {
            "HalfNormal" => Some(formula(g, &[args, prior_args].concat(), |[s, s0]| {
                let zero = s.number(0.0);
                normal::kl(zero, s, zero, s0)
            })),
            _ => divergence(g, self, args, prior, prior_args),
        }
    }

    fn sample(&self, g: &mut Graph, args: &[NodeId], site: Site, axes: &[Axis], _how: &Sampling) -> Option<NodeId> {
        let e = noise(g, NoiseKind::Normal, site, axes, args);
        Some(formula(g, &[&[e], args].concat(), |[e, s]| s * e.abs()))
    }

    fn median(&self, args: &[f64]) -> Option<f64> {
        // Φ⁻¹(¾)
        args.first().map(|s| 0.674_489_750_196_081_7 * s)
    }

    fn cdf(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, &[&[x], args].concat(), |[x, s]| (std::f64::consts::FRAC_1_SQRT_2 * (x.relu() / s)).erf()))
    }

    fn log_mass(&self, g: &mut Graph, low: f64, high: f64, args: &[NodeId]) -> Option<NodeId> {
        if low <= 0.0 && high == f64::INFINITY {
            return Some(g.constant(0.0));
        }
        let zero = g.constant(0.0);
        let upper_half = Normal.log_mass(g, low.max(0.0), high, &[&[zero], args].concat())?;
        Some(g.shift(upper_half, LN_2))
    }

    fn fisher(&self, g: &mut Graph, args: &[NodeId]) -> Option<Vec<NodeId>> {
        Some(vec![formula(g, args, |[s]| 2.0 / s.square())])
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let [s] = exactly(args)?;
        Normal.draw(&[0.0, s], rng).map(f64::abs)
    }
}
