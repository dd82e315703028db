//! Multinomial(trials, probs) along the last axis.

use fe_graph::{Axis, Graph, NodeId};
use rand::Rng;
use rand_distr::Distribution;

use crate::expr::formula;
use crate::family::{Family, Parameter, Statistic};
use crate::support::Support;

/// How often each of several outcomes comes up in so many trials.
#[derive(Debug)]
pub(crate) struct Multinomial;

impl Family for Multinomial {
    fn name(&self) -> &'static str {
        "Multinomial"
    }

    fn summary(&self) -> &'static str {
        "how often each outcome along the last axis comes up in so many trials"
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] =
            &[Parameter::new("trials", Support::Count), Parameter::new("probs", Support::Simplex)];
        ALL
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::Count)
    }

    fn is_vector(&self) -> bool {
        true
    }

    fn total_argument(&self) -> Option<usize> {
        Some(0)
    }

    /// x log p − log x! for each outcome, log n! in equal shares. That counts add up to n is not checked again.
    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], event: Option<Axis>) -> NodeId {
        let (Some(axis), &[trials, probs]) = (event, args) else { return g.constant(f64::NAN) };
        let k = g.extent_of(axis.id) as f64;
        formula(g, &[x, trials, probs], |[x, n, p]| {
            x * p.log_weighted(x) - (x + 1.0).lgamma() + (n + 1.0).lgamma() * (1.0 / k)
        })
    }

    fn vector_expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId], event: Axis) -> Option<NodeId> {
        let &[trials, probs] = args else { return None };
        let probs = g.broadcast(probs, &[event]);
        matches!(of, Statistic::Value | Statistic::Relu).then(|| formula(g, &[trials, probs], |[n, p]| n * p))
    }

    /// One outcome after another: each is binomial among the trials that are left.
    fn draw_vector(&self, args: &[Vec<f64>], rng: &mut dyn Rng) -> Option<Vec<f64>> {
        let [trials, probs] = args else { return None };
        let (mut left, mut share) = (*trials.first()?, probs.iter().sum::<f64>());
        let mut drawn = vec![];
        for &p in probs {
            let chance = if share > 0.0 { (p / share).clamp(0.0, 1.0) } else { 0.0 };
            let count = rand_distr::Binomial::new(left as u64, chance).ok()?.sample(rng) as f64;
            drawn.push(count);
            left -= count;
            share -= p;
        }
        // Rounding may leave some over.
        if let Some(last) = drawn.last_mut() {
            *last += left;
        }
        Some(drawn)
    }
}
