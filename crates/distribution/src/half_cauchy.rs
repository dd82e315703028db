//! HalfCauchy(scale): |z| of a Cauchy z with location 0.

use std::f64::consts::PI;

use fe_graph::{Axis, Graph, NodeId, Site};
use rand::Rng;

use crate::cauchy::{self, Cauchy};
use crate::expr::{Formula, formula};
use crate::family::{Family, Parameter, Sampling, Statistic, cut, divergence, exactly};
use crate::support::Support;

/// The positive half of a centred Cauchy distribution.
#[derive(Debug)]
pub(crate) struct HalfCauchy;

impl Family for HalfCauchy {
    fn name(&self) -> &'static str {
        "HalfCauchy"
    }

    fn summary(&self) -> &'static str {
        "the positive half of Cauchy(0, scale); its median is the scale"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["half_cauchy"]
    }

    fn starts_at_zero(&self) -> bool {
        true
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] = &[Parameter::new("scale", Support::Positive)];
        ALL
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::Positive)
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], _event: Option<Axis>) -> NodeId {
        formula(g, &[&[x], args].concat(), |[x, s]| -(x / s).square().log1p() - s.log() + (2.0 / PI).ln())
    }

    fn expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        // log z is symmetric about log s.
        (of == Statistic::Log).then(|| formula(g, args, |[s]| s.log()))
    }

    fn variance(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        (of == Statistic::Log).then(|| formula(g, args, |[s]| s.number(PI * PI / 4.0).over(s)))
    }

    fn entropy(&self, g: &mut Graph, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<1> = |[s]| s.log() + (2.0 * PI).ln();
        Some(formula(g, args, f))
    }

    fn kl(&self, g: &mut Graph, args: &[NodeId], prior: &dyn Family, prior_args: &[NodeId]) -> Option<NodeId> {
        match prior.name() {
            "HalfCauchy" => Some(formula(g, &[args, prior_args].concat(), |[s, s0]| {
                let zero = s.number(0.0);
                cauchy::kl(zero, s, zero, s0)
            })),
            _ => divergence(g, self, args, prior, prior_args),
        }
    }

    fn sample(&self, g: &mut Graph, args: &[NodeId], site: Site, axes: &[Axis], how: &Sampling) -> Option<NodeId> {
        let zero = g.constant(0.0);
        let z = Cauchy.sample(g, &[&[zero], args].concat(), site, axes, how)?;
        Some(g.abs(z))
    }

    fn median(&self, args: &[f64]) -> Option<f64> {
        args.first().copied()
    }

    fn cdf(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, &[&[x], args].concat(), |[x, s]| 2.0 / PI * (x.relu() / s).atan()))
    }

    fn log_mass(&self, g: &mut Graph, low: f64, high: f64, args: &[NodeId]) -> Option<NodeId> {
        // The angle between the ends: atan(high/s) − atan(low/s) as one angle, so that a far tail is accurate.
        let f = match cut(Some(Support::Positive), low, high) {
            (None, None) => return Some(g.constant(0.0)),
            (Some(low), None) => formula(g, args, |[s]| (s / low).atan()),
            (None, Some(high)) => formula(g, args, |[s]| (high / s).atan()),
            (Some(low), Some(high)) => formula(g, args, |[s]| ((high - low) * s / (s.square() + low * high)).atan()),
        };
        Some(formula(g, &[f], |[angle]| (2.0 / PI * angle).log()))
    }

    fn fisher(&self, g: &mut Graph, args: &[NodeId]) -> Option<Vec<NodeId>> {
        Some(vec![formula(g, args, |[s]| 0.5 / s.square())])
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let [s] = exactly(args)?;
        Cauchy.draw(&[0.0, s], rng).map(f64::abs)
    }
}
