//! Exponential(rate).

use std::f64::consts::PI;

use fe_graph::{Axis, Graph, NodeId, NoiseKind, Site};
use rand::Rng;
use rand_distr::Distribution;

use crate::expr::{EULER_GAMMA, Expr, Formula, formula};
use crate::family::{
    Alternative, Family, Natural, Parameter, Proximal, Sampling, Statistic, cut, divergence, exactly, noise,
};
use crate::support::Support;

/// The exponential distribution.
#[derive(Debug)]
pub(crate) struct Exponential;

impl Family for Exponential {
    fn name(&self) -> &'static str {
        "Exponential"
    }

    fn summary(&self) -> &'static str {
        "the waiting time for the first of events that come at this rate"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["exp", "expon"]
    }

    fn starts_at_zero(&self) -> bool {
        true
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] = &[Parameter::new("rate", Support::Positive)];
        ALL
    }

    fn alternatives(&self) -> &'static [Alternative] {
        const ALL: &[Alternative] = &[
            Alternative {
                parameters: &[Parameter::new("mean", Support::Positive)],
                canonical: |g, args| vec![formula(g, args, |[m]| m.recip())],
            },
            Alternative {
                parameters: &[Parameter::new("scale", Support::Positive)],
                canonical: |g, args| vec![formula(g, args, |[s]| s.recip())],
            },
        ];
        ALL
    }

    fn natural(&self) -> Option<Natural> {
        Some(Natural {
            coordinates: |g, args| vec![formula(g, args, |[rate]: [Expr; 1]| rate.log())],
            direction: |g, args, slopes, _| {
                let &[Some(slope)] = slopes else { return None };
                Some(vec![Some(formula(g, &[args, &[slope]].concat(), |[rate, slope]: [Expr; 2]| rate * slope))])
            },
            text: "the information of the log rate is 1",
        })
    }

    fn proximal(&self) -> Option<Proximal> {
        Some(|g, v, w, args| formula(g, &[&[v, w], args].concat(), |[v, w, rate]| (v - w * rate).relu()))
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::Positive)
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], _event: Option<Axis>) -> NodeId {
        formula(g, &[&[x], args].concat(), |[x, r]| r.log() - r * x)
    }

    fn expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<1> = match of {
            Statistic::Value | Statistic::Relu => |[r]| r.recip(),
            Statistic::Square => |[r]| 2.0 / r.square(),
            Statistic::Log => |[r]| -r.log() - EULER_GAMMA,
            Statistic::ExpNegative => |[r]| r / (r + 1.0),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn variance(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<1> = match of {
            Statistic::Value | Statistic::Relu => |[r]| r.square().recip(),
            Statistic::Square => |[r]| 20.0 / r.square().square(),
            Statistic::Log => |[r]| r.number(PI * PI / 6.0).over(r),
            Statistic::ExpNegative => |[r]| r / ((r + 2.0) * (r + 1.0).square()),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn entropy(&self, g: &mut Graph, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, args, |[r]| 1.0 - r.log()))
    }

    fn expected_log_density(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        q: &dyn Family,
        q_args: &[NodeId],
    ) -> Option<NodeId> {
        let mean = q.expectation(g, Statistic::Value, q_args)?;
        Some(self.log_density(g, mean, args, None))
    }

    fn kl(&self, g: &mut Graph, args: &[NodeId], prior: &dyn Family, prior_args: &[NodeId]) -> Option<NodeId> {
        match prior.name() {
            "Exponential" => {
                Some(formula(g, &[args, prior_args].concat(), |[r, r0]| r0 / r + r.log() - r0.log() - 1.0))
            }
            _ => divergence(g, self, args, prior, prior_args),
        }
    }

    fn sample(&self, g: &mut Graph, args: &[NodeId], site: Site, axes: &[Axis], _how: &Sampling) -> Option<NodeId> {
        let e = noise(g, NoiseKind::Exponential, site, axes, args);
        Some(formula(g, &[&[e], args].concat(), |[e, r]| e / r))
    }

    fn median(&self, args: &[f64]) -> Option<f64> {
        args.first().map(|r| std::f64::consts::LN_2 / r)
    }

    fn cdf(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, &[&[x], args].concat(), |[x, r]| -(-(r * x.relu())).expm1()))
    }

    fn log_survival(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, &[&[x], args].concat(), |[x, r]| -(r * x.relu())))
    }

    fn log_mass(&self, g: &mut Graph, low: f64, high: f64, args: &[NodeId]) -> Option<NodeId> {
        // e^{−r low} (1 − e^{−r (high − low)})
        Some(match cut(Some(Support::Positive), low, high) {
            (None, None) => g.constant(0.0),
            (Some(low), None) => formula(g, args, |[r]| -low * r),
            (low, Some(high)) => {
                let low = low.unwrap_or(0.0);
                formula(g, args, |[r]| (-((low - high) * r).expm1()).log() - low * r)
            }
        })
    }

    fn fisher(&self, g: &mut Graph, args: &[NodeId]) -> Option<Vec<NodeId>> {
        Some(vec![formula(g, args, |[r]| r.square().recip())])
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let [r] = exactly(args)?;
        let z: f64 = rand_distr::Exp::new(r).ok()?.sample(rng);
        z.is_finite().then_some(z)
    }
}
