//! OneHot(probs) along the last axis.

use fe_graph::{Axis, Graph, NodeId};
use rand::Rng;

use crate::categorical::Categorical;
use crate::expr::formula;
use crate::family::{Alternative, Family, Parameter, Statistic};
use crate::support::Support;

/// One of several outcomes, as a 1 among zeros. What is given along the axis counts as weights, as in `Categorical`.
#[derive(Debug)]
pub(crate) struct OneHot;

/// log p of each outcome.
fn log_probs(g: &mut Graph, args: &[NodeId], event: Axis) -> Option<NodeId> {
    let weights = g.broadcast(*args.first()?, &[event]);
    let log_weights = formula(g, &[weights], |[w]| w.log());
    Some(g.log_softmax(log_weights, &[event]))
}

impl Family for OneHot {
    fn name(&self) -> &'static str {
        "OneHot"
    }

    fn summary(&self) -> &'static str {
        "one outcome along the last axis, as a 1 among zeros"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["one_hot", "onehotcategorical"]
    }

    fn as_index(&self) -> Option<&'static dyn Family> {
        Some(&Categorical)
    }

    fn parameters(&self) -> &'static [Parameter] {
        Categorical.parameters()
    }

    fn alternatives(&self) -> &'static [Alternative] {
        Categorical.alternatives()
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::OneHot)
    }

    fn is_vector(&self) -> bool {
        true
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], event: Option<Axis>) -> NodeId {
        let Some(log_probs) = event.and_then(|axis| log_probs(g, args, axis)) else { return g.constant(f64::NAN) };
        formula(g, &[x, log_probs], |[x, l]| x * l.unless_zero(x, 0.0))
    }

    fn vector_expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId], event: Axis) -> Option<NodeId> {
        let log_probs = log_probs(g, args, event)?;
        matches!(of, Statistic::Value | Statistic::Square | Statistic::Relu).then(|| g.exp(log_probs))
    }

    fn vector_entropy(&self, g: &mut Graph, args: &[NodeId], event: Axis) -> Option<NodeId> {
        let log_probs = log_probs(g, args, event)?;
        Some(formula(g, &[log_probs], |[l]| {
            let p = l.exp();
            -(p * l.unless_zero(p, 0.0))
        }))
    }

    fn vector_kl(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        prior: &dyn Family,
        prior_args: &[NodeId],
        event: Axis,
    ) -> Option<NodeId> {
        if prior.name() != self.name() {
            return None;
        }
        let (log_q, log_p) = (log_probs(g, args, event)?, log_probs(g, prior_args, event)?);
        Some(formula(g, &[log_q, log_p], |[l, r]| {
            let q = l.exp();
            q * (l - r).unless_zero(q, 0.0)
        }))
    }

    fn draw_vector(&self, args: &[Vec<f64>], rng: &mut dyn Rng) -> Option<Vec<f64>> {
        let [weights] = args else { return None };
        let chosen = Categorical.draw(weights, rng)? as usize;
        Some((0..weights.len()).map(|k| f64::from(u8::from(k == chosen))).collect())
    }
}
