//! InverseGamma(shape, scale).

use fe_graph::{Axis, Binary, Graph, NodeId, NoiseKind, Site};
use rand::Rng;

use crate::expr::{Expr, Formula, formula};
use crate::family::{Family, Parameter, Sampling, Statistic, divergence, noise};
use crate::gamma::Gamma;
use crate::support::Support;

/// The inverse gamma distribution.
#[derive(Debug)]
pub(crate) struct InverseGamma;

impl Family for InverseGamma {
    fn name(&self) -> &'static str {
        "InverseGamma"
    }

    fn summary(&self) -> &'static str {
        "1/z is Gamma(shape, rate = scale); of variances of Normals"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["inv_gamma", "inverse_gamma", "invgamma"]
    }

    fn draws_implicitly(&self) -> bool {
        true
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
        formula(g, &[&[x], args].concat(), |[x, a, b]| a * b.log() - (a + 1.0) * x.log() - b / x - a.lgamma())
    }

    fn expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Recip => |[a, b]| a / b,
            Statistic::Log => |[a, b]| b.log() - a.digamma(),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn variance(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Recip => |[a, b]| a / b.square(),
            Statistic::Log => |[a, b]| a.trigamma().over(b),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn entropy(&self, g: &mut Graph, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, args, |[a, b]| a + b.log() + a.lgamma() - (1.0 + a) * a.digamma()))
    }

    fn expected_log_density(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        q: &dyn Family,
        q_args: &[NodeId],
    ) -> Option<NodeId> {
        let recip = q.expectation(g, Statistic::Recip, q_args)?;
        let log = q.expectation(g, Statistic::Log, q_args)?;
        Some(formula(g, &[&[recip, log], args].concat(), |[recip, log, a, b]| {
            a * b.log() - (a + 1.0) * log - b * recip - a.lgamma()
        }))
    }

    fn kl(&self, g: &mut Graph, args: &[NodeId], prior: &dyn Family, prior_args: &[NodeId]) -> Option<NodeId> {
        match prior.name() {
            // That of the gamma values 1/z.
            "InverseGamma" => Some(formula(g, &[args, prior_args].concat(), |[a, b, a0, b0]| {
                let shapes = (a - a0) * a.digamma() - a.lgamma() + a0.lgamma();
                shapes + a0 * (b.log() - b0.log()) + a * (b0 / b - 1.0)
            })),
            _ => divergence(g, self, args, prior, prior_args),
        }
    }

    /// The inverse of a gamma draw.
    fn sample(&self, g: &mut Graph, args: &[NodeId], site: Site, axes: &[Axis], _how: &Sampling) -> Option<NodeId> {
        let e = noise(g, NoiseKind::Normal, site, axes, args);
        Some(formula(g, &[&[e], args].concat(), |[e, a, b]| (b.log() - a.log_gamma_draw(e)).exp()))
    }

    fn median(&self, args: &[f64]) -> Option<f64> {
        let median = Gamma.median(args)?.recip();
        median.is_finite().then_some(median)
    }

    fn cdf(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, &[&[x], args].concat(), |[x, a, s]| {
            let inside = x.number(0.0).less(x);
            inside.select((-score(x, a, s)).normal_cdf(), x.number(0.0))
        }))
    }

    fn log_cdf(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, &[&[x], args].concat(), |[x, a, s]| (-score(x, a, s)).log_normal_cdf()))
    }

    fn log_survival(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, &[&[x], args].concat(), |[x, a, s]| score(x, a, s).log_normal_cdf()))
    }

    fn fisher(&self, g: &mut Graph, args: &[NodeId]) -> Option<Vec<NodeId>> {
        Gamma.fisher(g, args)
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let z = Gamma.draw(args, rng)?.recip();
        z.is_finite().then_some(z)
    }
}

/// The standard normal number that stands for 1/x, a gamma variable.
fn score<'s>(x: Expr<'s>, shape: Expr<'s>, scale: Expr<'s>) -> Expr<'s> {
    shape.binary(Binary::GammaScore, scale.log() - x.max(1e-30).log())
}
