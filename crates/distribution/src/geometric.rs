//! Geometric(prob).

use fe_graph::{Axis, Graph, NodeId, NoiseKind, Site, Unary};
use rand::Rng;

use crate::bernoulli::complement;
use crate::expr::{Formula, formula};
use crate::family::{Family, Parameter, Statistic, exactly, noise};
use crate::support::Support;

/// Failures before the first success.
#[derive(Debug)]
pub(crate) struct Geometric;

impl Family for Geometric {
    fn name(&self) -> &'static str {
        "Geometric"
    }

    fn summary(&self) -> &'static str {
        "failures before the first success, from 0 up"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["geom"]
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] = &[Parameter::new("prob", Support::Unit)];
        ALL
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::Count)
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], _event: Option<Axis>) -> NodeId {
        formula(g, &[&[x], args].concat(), |[x, p]| x * p.log_rest_weighted(x) + p.log())
    }

    fn expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<1> = match of {
            Statistic::Value | Statistic::Relu => |[p]| complement(p) / p,
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn variance(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<1> = match of {
            Statistic::Value | Statistic::Relu => |[p]| complement(p) / p.square(),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn entropy(&self, g: &mut Graph, args: &[NodeId]) -> Option<NodeId> {
        // That of the coin, as often as it is thrown.
        Some(formula(g, args, |[p]| {
            let q = complement(p);
            (-(q * p.log_rest_sloped(q)) - p * p.log()) / p
        }))
    }

    fn kl(&self, g: &mut Graph, args: &[NodeId], prior: &dyn Family, prior_args: &[NodeId]) -> Option<NodeId> {
        if prior.name() != self.name() {
            return None;
        }
        Some(formula(g, &[args, prior_args].concat(), |[p, r]| {
            let q = complement(p);
            p.log() - r.log() + q / p * (p.log_rest_sloped(q) - r.log_rest_sloped(q))
        }))
    }

    fn median(&self, args: &[f64]) -> Option<f64> {
        let [p] = exactly(args)?;
        if !(p > 0.0 && p <= 1.0) {
            return None;
        }
        // The least k with 1 − (1 − p)^{k+1} ≥ ½.
        let median = (-std::f64::consts::LN_2 / (-p).ln_1p()).ceil() - 1.0;
        Some(median.max(0.0)).filter(|m| m.is_finite())
    }

    fn fisher(&self, g: &mut Graph, args: &[NodeId]) -> Option<Vec<NodeId>> {
        Some(vec![formula(g, args, |[p]| (p.square() * complement(p)).recip())])
    }

    /// An exponential waiting time, rounded down.
    fn discrete_sample(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        site: Site,
        axes: &[Axis],
        _event: Option<Axis>,
    ) -> Option<NodeId> {
        let e = noise(g, NoiseKind::Exponential, site, axes, args);
        Some(formula(g, &[&[e], args].concat(), |[e, p]| (e / -(-p).log1p()).unary(Unary::Floor)))
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let [p] = exactly(args)?;
        let count = rand_distr::Distribution::<u64>::sample(&rand_distr::Geometric::new(p).ok()?, rng);
        (p > 0.0).then_some(count as f64)
    }
}
