//! BetaBinomial(trials, a, b).

use fe_graph::{Axis, Graph, NodeId, Site};
use rand::Rng;

use crate::beta::{Beta, logit_draw};
use crate::binomial::{Binomial, log_choose, successes};
use crate::expr::{Formula, formula};
use crate::family::{Family, Parameter, Statistic, exactly, twin};
use crate::support::Support;

/// Successes of trials whose probability varies.
#[derive(Debug)]
pub(crate) struct BetaBinomial;

impl Family for BetaBinomial {
    fn name(&self) -> &'static str {
        "BetaBinomial"
    }

    fn summary(&self) -> &'static str {
        "Binomial successes whose probability is Beta(a, b)"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["beta_binomial"]
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] = &[
            Parameter::new("trials", Support::Count),
            Parameter::new("a", Support::Positive),
            Parameter::new("b", Support::Positive),
        ];
        ALL
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        // More successes than trials have density 0.
        Some(Support::Count)
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], _event: Option<Axis>) -> NodeId {
        formula(g, &[&[x], args].concat(), |[x, n, a, b]| {
            // Beyond n the count of ways is 0 already.
            let rest = (n - x).max(0.0);
            log_choose(n, x) + a.log_rising(x) + b.log_rising(rest) - (a + b).log_rising(x + rest)
        })
    }

    fn expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<3> = match of {
            Statistic::Value | Statistic::Relu => |[n, a, b]| n * a / (a + b),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn variance(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<3> = match of {
            Statistic::Value | Statistic::Relu => |[n, a, b]| {
                let c = a + b;
                n * a * b * (c + n) / (c.square() * (c + 1.0))
            },
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    /// Trials with a probability drawn from the beta distribution.
    fn discrete_sample(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        site: Site,
        axes: &[Axis],
        _event: Option<Axis>,
    ) -> Option<NodeId> {
        let &[trials, a, b] = args else { return None };
        let logit = logit_draw(g, &[a, b], twin(twin(site)), axes);
        let prob = g.sigmoid(logit);
        successes(g, trials, prob, site, axes)
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let [n, a, b] = exactly(args)?;
        let p = Beta.draw(&[a, b], rng)?;
        Binomial.draw(&[n, p], rng)
    }
}
