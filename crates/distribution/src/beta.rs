//! Beta(a, b).

use fe_graph::{Axis, Graph, NodeId, NoiseKind, Site};
use rand::Rng;
use rand_distr::Distribution;
use statrs::function::beta::checked_beta_reg;

use crate::expr::{Formula, formula};
use crate::family::{
    Alternative, Family, Parameter, Sampling, Statistic, constant_argument, divergence, exactly, noise, twin,
};
use crate::support::Support;

/// The beta distribution.
#[derive(Debug)]
pub(crate) struct Beta;

impl Family for Beta {
    fn name(&self) -> &'static str {
        "Beta"
    }

    fn summary(&self) -> &'static str {
        "mean a/(a + b); uniform at a = b = 1"
    }

    fn draws_implicitly(&self) -> bool {
        true
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] = &[Parameter::new("a", Support::Positive), Parameter::new("b", Support::Positive)];
        ALL
    }

    fn alternatives(&self) -> &'static [Alternative] {
        const ALL: &[Alternative] = &[Alternative {
            parameters: &[Parameter::new("mean", Support::Unit), Parameter::new("concentration", Support::Positive)],
            canonical: |g, args| vec![formula(g, args, |[m, k]| m * k), formula(g, args, |[m, k]| (1.0 - m) * k)],
        }];
        ALL
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::Unit)
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], _event: Option<Axis>) -> NodeId {
        formula(g, &[&[x], args].concat(), |[x, a, b]| {
            (a - 1.0) * x.log_sloped(a - 1.0) + (b - 1.0) * x.log_rest_sloped(b - 1.0) - a.log_beta(b)
        })
    }

    fn expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value | Statistic::Relu => |[a, b]| a / (a + b),
            Statistic::Square => |[a, b]| a * (a + 1.0) / ((a + b) * (a + b + 1.0)),
            Statistic::Log => |[a, b]| a.digamma() - (a + b).digamma(),
            Statistic::LogOneMinus => |[a, b]| b.digamma() - (a + b).digamma(),
            Statistic::Recip if constant_argument(g, args, 0)? > 1.0 => |[a, b]| (a + b - 1.0) / (a - 1.0),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn variance(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value | Statistic::Relu => |[a, b]| a * b / ((a + b).square() * (a + b + 1.0)),
            Statistic::Log => |[a, b]| a.trigamma() - (a + b).trigamma(),
            Statistic::LogOneMinus => |[a, b]| b.trigamma() - (a + b).trigamma(),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn entropy(&self, g: &mut Graph, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, args, |[a, b]| {
            a.log_beta(b) - (a - 1.0) * a.digamma() - (b - 1.0) * b.digamma() + (a + b - 2.0) * (a + b).digamma()
        }))
    }

    fn expected_log_density(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        q: &dyn Family,
        q_args: &[NodeId],
    ) -> Option<NodeId> {
        let left = q.expectation(g, Statistic::Log, q_args)?;
        let right = q.expectation(g, Statistic::LogOneMinus, q_args)?;
        Some(formula(g, &[&[left, right], args].concat(), |[left, right, a, b]| {
            (a - 1.0) * left + (b - 1.0) * right - a.log_beta(b)
        }))
    }

    fn kl(&self, g: &mut Graph, args: &[NodeId], prior: &dyn Family, prior_args: &[NodeId]) -> Option<NodeId> {
        match prior.name() {
            "Beta" => Some(formula(g, &[args, prior_args].concat(), |[a, b, a0, b0]| {
                let slopes = (a - a0) * a.digamma() + (b - b0) * b.digamma() - (a - a0 + b - b0) * (a + b).digamma();
                slopes + a0.log_beta(b0) - a.log_beta(b)
            })),
            _ => divergence(g, self, args, prior, prior_args),
        }
    }

    /// The share of the first of two gamma draws, as a sigmoid, so that log z and log(1 − z) are known at either end.
    fn sample(&self, g: &mut Graph, args: &[NodeId], site: Site, axes: &[Axis], _how: &Sampling) -> Option<NodeId> {
        let logit = logit_draw(g, args, site, axes);
        Some(formula(g, &[logit], |[u]| u.sigmoid()))
    }

    fn median(&self, args: &[f64]) -> Option<f64> {
        let [a, b] = exactly(args)?;
        if !(a > 0.0 && b > 0.0 && (a + b).is_finite()) {
            return None;
        }
        // Beyond this, Kerman's approximation (arXiv 1111.0433) is exact to 1e-7.
        if a.min(b) > 1e3 {
            return Some((a - 1.0 / 3.0) / (a + b - 2.0 / 3.0));
        }
        let u = bisect(-700.0, 36.0, |u| checked_beta_reg(a, b, fe_graph::special::sigmoid(u)).ok())?;
        Some(fe_graph::special::sigmoid(u))
    }

    fn fisher(&self, g: &mut Graph, args: &[NodeId]) -> Option<Vec<NodeId>> {
        Some(vec![
            formula(g, args, |[a, b]| a.trigamma() - (a + b).trigamma()),
            formula(g, args, |[a, b]| b.trigamma() - (a + b).trigamma()),
        ])
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let [a, b] = exactly(args)?;
        Some(rand_distr::Beta::new(a, b).ok()?.sample(rng))
    }
}

/// The logit of a draw: the difference of the logs of two gamma draws.
pub(crate) fn logit_draw(g: &mut Graph, args: &[NodeId], site: Site, axes: &[Axis]) -> NodeId {
    let e = noise(g, NoiseKind::Normal, site, axes, args);
    let f = noise(g, NoiseKind::Normal, twin(site), axes, args);
    formula(g, &[&[e, f], args].concat(), |[e, f, a, b]| a.log_gamma_draw(e) - b.log_gamma_draw(f))
}

/// Where an increasing distribution function reaches ½.
fn bisect(mut low: f64, mut high: f64, cdf: impl Fn(f64) -> Option<f64>) -> Option<f64> {
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if cdf(middle)? < 0.5 {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(0.5 * (low + high))
}
