//! ChiSquared(df).

use fe_graph::{Axis, Graph, NodeId, Site};
use rand::Rng;

use crate::expr::formula;
use crate::family::{Family, Parameter, Sampling, Statistic, divergence, exactly};
use crate::gamma::Gamma;
use crate::support::Support;

/// The chi-squared distribution.
#[derive(Debug)]
pub(crate) struct ChiSquared;

impl Family for ChiSquared {
    fn name(&self) -> &'static str {
        "ChiSquared"
    }

    fn summary(&self) -> &'static str {
        "Gamma(df/2, ½): the sum of df squares of standard Normals"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["chi2", "chi_square", "chisquare"]
    }

    fn draws_implicitly(&self) -> bool {
        true
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] = &[Parameter::new("df", Support::Positive)];
        ALL
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::Positive)
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], event: Option<Axis>) -> NodeId {
        let args = gamma(g, args);
        Gamma.log_density(g, x, &args, event)
    }

    fn expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let args = gamma(g, args);
        Gamma.expectation(g, of, &args)
    }

    fn variance(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let args = gamma(g, args);
        Gamma.variance(g, of, &args)
    }

    fn entropy(&self, g: &mut Graph, args: &[NodeId]) -> Option<NodeId> {
        let args = gamma(g, args);
        Gamma.entropy(g, &args)
    }

    fn expected_log_density(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        q: &dyn Family,
        q_args: &[NodeId],
    ) -> Option<NodeId> {
        let args = gamma(g, args);
        Gamma.expected_log_density(g, &args, q, q_args)
    }

    fn kl(&self, g: &mut Graph, args: &[NodeId], prior: &dyn Family, prior_args: &[NodeId]) -> Option<NodeId> {
        divergence(g, self, args, prior, prior_args)
    }

    fn sample(&self, g: &mut Graph, args: &[NodeId], site: Site, axes: &[Axis], how: &Sampling) -> Option<NodeId> {
        let args = gamma(g, args);
        Gamma.sample(g, &args, site, axes, how)
    }

    fn median(&self, args: &[f64]) -> Option<f64> {
        let [df] = exactly(args)?;
        Gamma.median(&[0.5 * df, 0.5])
    }

    fn cdf(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        let args = gamma(g, args);
        Gamma.cdf(g, x, &args)
    }

    fn log_cdf(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        let args = gamma(g, args);
        Gamma.log_cdf(g, x, &args)
    }

    fn log_survival(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        let args = gamma(g, args);
        Gamma.log_survival(g, x, &args)
    }

    fn fisher(&self, g: &mut Graph, args: &[NodeId]) -> Option<Vec<NodeId>> {
        Some(vec![formula(g, args, |[df]| 0.25 * (0.5 * df).trigamma())])
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let [df] = exactly(args)?;
        Gamma.draw(&[0.5 * df, 0.5], rng)
    }
}

/// The arguments of the gamma distribution that it is.
fn gamma(g: &mut Graph, args: &[NodeId]) -> Vec<NodeId> {
    let half = g.constant(0.5);
    vec![formula(g, args, |[df]| 0.5 * df), half]
}
