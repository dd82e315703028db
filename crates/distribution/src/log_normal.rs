//! LogNormal(mean, sd) of the log.

use fe_graph::{Axis, Graph, NodeId, Site};
use rand::Rng;

use crate::expr::{Formula, HALF_LOG_TWO_PI, HALF_LOG_TWO_PI_E, formula};
use crate::family::{Family, FreeForm, KlText, Natural, Parameter, Sampling, Statistic, constant_argument, divergence};
use crate::normal::{self, Normal};
use crate::support::Support;

/// The distribution of exp of a normal value.
#[derive(Debug)]
pub(crate) struct LogNormal;

impl Family for LogNormal {
    fn name(&self) -> &'static str {
        "LogNormal"
    }

    fn summary(&self) -> &'static str {
        "its log is normal with this mean and sd"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["log_normal"]
    }

    fn gaussian_on(&self) -> Option<Support> {
        Some(Support::Positive)
    }

    fn free_form(&self) -> Option<FreeForm> {
        Some(FreeForm::LocationScale)
    }

    fn kl_text(&self) -> Option<KlText> {
        let summand = "½[(μ − m)²/s² + σ²/s² − 1 − log(σ²/s²)]";
        Some(KlText { summand, legend: |_| "q = LogNormal(μ, σ), p = LogNormal(m, s)".into() })
    }

    fn parameters(&self) -> &'static [Parameter] {
        Normal.parameters()
    }

    fn location_scale(&self) -> Option<[usize; 2]> {
        Some([0, 1])
    }

    fn natural(&self) -> Option<Natural> {
        Normal.natural()
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::Positive)
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], _event: Option<Axis>) -> NodeId {
        formula(g, &[&[x], args].concat(), |[x, m, s]| {
            let l = x.log();
            -0.5 * ((l - m) / s).square() - s.log() - l - HALF_LOG_TWO_PI
        })
    }

    fn expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value | Statistic::Relu => |[m, s]| (m + 0.5 * s.square()).exp(),
            Statistic::Log => |[m, _]| m,
            Statistic::Recip => |[m, s]| (0.5 * s.square() - m).exp(),
            Statistic::Square => |[m, s]| (2.0 * (m + s.square())).exp(),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn variance(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value | Statistic::Relu => |[m, s]| normal::exp_variance(m, s),
            Statistic::Log => |[_, s]| s.square(),
            Statistic::Recip => |[m, s]| normal::exp_variance(-m, s),
            Statistic::Square => |[m, s]| normal::exp_variance(2.0 * m, 2.0 * s),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn entropy(&self, g: &mut Graph, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, args, |[m, s]| m + s.log() + HALF_LOG_TWO_PI_E))
    }

    fn expected_log_density(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        q: &dyn Family,
        q_args: &[NodeId],
    ) -> Option<NodeId> {
        let mean = q.expectation(g, Statistic::Log, q_args)?;
        let variance = q.variance(g, Statistic::Log, q_args)?;
        let of_log = normal::second_moment(g, &[&[mean, variance], args].concat());
        Some(g.sub(of_log, mean))
    }

    fn kl(&self, g: &mut Graph, args: &[NodeId], prior: &dyn Family, prior_args: &[NodeId]) -> Option<NodeId> {
        match prior.name() {
            "LogNormal" => Some(formula(g, &[args, prior_args].concat(), |[m, s, m0, s0]| normal::kl(m, s, m0, s0))),
            _ => divergence(g, self, args, prior, prior_args),
        }
    }

    fn sample(&self, g: &mut Graph, args: &[NodeId], site: Site, axes: &[Axis], how: &Sampling) -> Option<NodeId> {
        let z = Normal.sample(g, args, site, axes, how)?;
        Some(g.exp(z))
    }

    fn median(&self, args: &[f64]) -> Option<f64> {
        args.first().map(|m| m.exp())
    }

    fn cdf(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        let log = g.log(x);
        let cdf = Normal.cdf(g, log, args)?;
        if constant_argument(g, &[x], 0).is_some_and(|x| x > 0.0) {
            return Some(cdf);
        }
        Some(formula(g, &[x, cdf], |[x, cdf]| x.number(0.0).less(x).select(cdf, x.number(0.0))))
    }

    fn log_mass(&self, g: &mut Graph, low: f64, high: f64, args: &[NodeId]) -> Option<NodeId> {
        // log max(low, 0) is −∞ where nothing is cut off.
        (high > 0.0).then(|| Normal.log_mass(g, low.max(0.0).ln(), high.ln(), args)).flatten()
    }

    fn fisher(&self, g: &mut Graph, args: &[NodeId]) -> Option<Vec<NodeId>> {
        Normal.fisher(g, args)
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        Normal.draw(args, rng).map(f64::exp)
    }
}
