//! Weibull(shape, scale).

use std::f64::consts::{LN_2, PI};

use fe_graph::{Axis, Graph, NodeId, NoiseKind, Site};
use rand::Rng;

use crate::expr::{EULER_GAMMA, Expr, Formula, formula};
use crate::family::{Family, Parameter, Sampling, Statistic, divergence, exactly, noise};
use crate::support::Support;

/// The Weibull distribution.
#[derive(Debug)]
pub(crate) struct Weibull;

impl Family for Weibull {
    fn name(&self) -> &'static str {
        "Weibull"
    }

    fn summary(&self) -> &'static str {
        "scale times a standard exponential to the power 1/shape: waiting times whose hazard grows (shape > 1) or falls"
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] =
            &[Parameter::new("shape", Support::Positive), Parameter::new("scale", Support::Positive)];
        ALL
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::Positive)
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], _event: Option<Axis>) -> NodeId {
        formula(g, &[&[x], args].concat(), |[x, k, s]| {
            let log = x.log_sloped(k - 1.0);
            k.log() - k * s.log() + (k - 1.0) * log - power(x / s, k)
        })
    }

    fn expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value | Statistic::Relu => |[k, s]| s * moment(k, 1.0),
            Statistic::Square => |[k, s]| s.square() * moment(k, 2.0),
            Statistic::Log => |[k, s]| s.log() - EULER_GAMMA / k,
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn variance(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value | Statistic::Relu => |[k, s]| s.square() * (moment(k, 2.0) - moment(k, 1.0).square()),
            Statistic::Square => |[k, s]| s.square().square() * (moment(k, 4.0) - moment(k, 2.0).square()),
            Statistic::Log => |[k, s]| (PI * PI / 6.0 / k.square()).over(s),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn entropy(&self, g: &mut Graph, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, args, |[k, s]| EULER_GAMMA * (1.0 - k.recip()) + s.log() - k.log() + 1.0))
    }

    fn expected_log_density(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        q: &dyn Family,
        q_args: &[NodeId],
    ) -> Option<NodeId> {
        if q.name() != self.name() {
            return None;
        }
        // E[zᵏ] of q is s^k Γ(1 + k/k_q).
        Some(formula(g, &[q_args, args].concat(), |[qk, qs, k, s]| {
            let log = qs.log() - EULER_GAMMA / qk;
            let power = (k * (qs.log() - s.log()) + (1.0 + k / qk).lgamma()).exp();
            k.log() - k * s.log() + (k - 1.0) * log - power
        }))
    }

    fn kl(&self, g: &mut Graph, args: &[NodeId], prior: &dyn Family, prior_args: &[NodeId]) -> Option<NodeId> {
        divergence(g, self, args, prior, prior_args)
    }

    fn sample(&self, g: &mut Graph, args: &[NodeId], site: Site, axes: &[Axis], _how: &Sampling) -> Option<NodeId> {
        let e = noise(g, NoiseKind::Exponential, site, axes, args);
        Some(formula(g, &[&[e], args].concat(), |[e, k, s]| s * (e.log() / k).exp()))
    }

    fn median(&self, args: &[f64]) -> Option<f64> {
        let [k, s] = exactly(args)?;
        let median = s * (LN_2.ln() / k).exp();
        (k > 0.0 && s > 0.0 && median.is_finite()).then_some(median)
    }

    fn log_survival(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, &[&[x], args].concat(), |[x, k, s]| {
            let inside = x.number(0.0).less(x);
            let x = inside.select(x, s);
            inside.select(-power(x / s, k), x.number(0.0))
        }))
    }

    fn cdf(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, &[&[x], args].concat(), |[x, k, s]| {
            let inside = x.number(0.0).less(x);
            let x = inside.select(x, s);
            inside.select(-(-power(x / s, k)).expm1(), x.number(0.0))
        }))
    }

    fn fisher(&self, g: &mut Graph, args: &[NodeId]) -> Option<Vec<NodeId>> {
        let of_shape = PI * PI / 6.0 + (1.0 - EULER_GAMMA) * (1.0 - EULER_GAMMA);
        Some(vec![
            formula(g, args, |[k, s]| (of_shape / k.square()).over(s)),
            formula(g, args, |[k, s]| (k / s).square()),
        ])
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let [k, s] = exactly(args)?;
        let e: f64 = rand_distr::Distribution::sample(&rand_distr::Exp1, rng);
        let z = s * (e.ln() / k).exp();
        (k > 0.0 && s > 0.0 && z.is_finite()).then_some(z)
    }
}

/// xᵏ for x ≥ 0; 0 at 0.
fn power<'s>(x: Expr<'s>, k: Expr<'s>) -> Expr<'s> {
    let log = x.unless_zero(x, 1.0).log();
    (k * log).exp().unless_zero(x, 0.0)
}

/// E[zⁿ]/scaleⁿ = Γ(1 + n/k)
fn moment(k: Expr, n: f64) -> Expr {
    (1.0 + n / k).lgamma().exp()
}
