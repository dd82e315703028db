//! Uniform(low, high).

use fe_graph::{Axis, Graph, NodeId, NoiseKind, Site};
use rand::{Rng, RngExt};

use crate::expr::{Formula, formula};
use crate::family::{Family, Parameter, Sampling, Statistic, constant_argument, constants, divergence, exactly, noise};
use crate::support::Support;

/// The uniform distribution.
#[derive(Debug)]
pub(crate) struct Uniform;

impl Family for Uniform {
    fn name(&self) -> &'static str {
        "Uniform"
    }

    fn summary(&self) -> &'static str {
        "equally likely from low to high"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["unif"]
    }

    fn lies_between_arguments(&self) -> bool {
        true
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] =
            &[Parameter::new("low", Support::Real).or(0.0), Parameter::new("high", Support::Real).or(1.0)];
        ALL
    }

    fn support(&self, args: &[Option<f64>]) -> Option<Support> {
        match args {
            &[Some(low), Some(high)] if low < high => Some(Support::between(low, high)),
            _ => None,
        }
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], _event: Option<Axis>) -> NodeId {
        let fixed = self.support(&constants(g, args)).is_some();
        formula(g, &[&[x], args].concat(), |[x, low, high]| {
            let inside = -(high - low).log();
            if fixed {
                return inside.over(x);
            }
            // The support moves with the arguments, so x may fall out of it.
            let (below, above) = (x.less(low), high.less(x));
            (below + above).select(x.number(f64::NEG_INFINITY), inside)
        })
    }

    fn expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value => |[l, h]| 0.5 * (l + h),
            Statistic::Square => |[l, h]| (l.square() + l * h + h.square()) / 3.0,
            Statistic::Exp => |[l, h]| l.exp() * (h - l).expm1() / (h - l),
            Statistic::ExpNegative => |[l, h]| (-l).exp() * -(l - h).expm1() / (h - l),
            Statistic::Relu => |[l, h]| {
                let (a, b) = (l.relu(), h.relu());
                0.5 * (b - a) * (a + b) / (h - l)
            },
            // log h + l/(h − l) · log(h/l) − 1, whose middle term is 0 at l = 0.
            Statistic::Log => match constant_argument(g, args, 0)? {
                0.0 => |[_, h]| h.log() - 1.0,
                low if low > 0.0 => |[l, h]| h.log() + ((h - l) / l).log1p() * l / (h - l) - 1.0,
                _ => return None,
            },
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn variance(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value => |[l, h]| (h - l).square() / 12.0,
            // With centre c and width w: c² w²/3 + w⁴/180.
            Statistic::Square => |[l, h]| {
                let (c, w) = (0.5 * (l + h), h - l);
                w.square() * (c.square() / 3.0 + w.square() / 180.0)
            },
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn entropy(&self, g: &mut Graph, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, args, |[l, h]| (h - l).log()))
    }

    fn expected_log_density(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        q: &dyn Family,
        q_args: &[NodeId],
    ) -> Option<NodeId> {
        let (inner, outer) = (q.support(&constants(g, q_args))?, self.support(&constants(g, args))?);
        let log_density: Formula<2> = |[l, h]| -(h - l).log();
        outer.contains(inner).then(|| formula(g, args, log_density))
    }

    fn kl(&self, g: &mut Graph, args: &[NodeId], prior: &dyn Family, prior_args: &[NodeId]) -> Option<NodeId> {
        divergence(g, self, args, prior, prior_args)
    }

    fn sample(&self, g: &mut Graph, args: &[NodeId], site: Site, axes: &[Axis], _how: &Sampling) -> Option<NodeId> {
        let u = noise(g, NoiseKind::Uniform, site, axes, args);
        Some(formula(g, &[&[u], args].concat(), |[u, l, h]| l + (h - l) * u))
    }

    fn median(&self, args: &[f64]) -> Option<f64> {
        let [low, high] = exactly(args)?;
        Some(0.5 * (low + high))
    }

    fn cdf(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, &[&[x], args].concat(), |[x, l, h]| ((x - l) / (h - l)).max(0.0).min(1.0)))
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let [low, high] = exactly(args)?;
        (low < high).then(|| low + (high - low) * rng.random::<f64>())
    }
}
