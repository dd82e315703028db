//! DirichletMultinomial(trials, concentration) along the last axis.

use fe_graph::{Axis, Graph, NodeId};
use rand::Rng;

use crate::dirichlet::Dirichlet;
use crate::expr::formula;
use crate::family::{Family, Parameter, Statistic};
use crate::multinomial::Multinomial;
use crate::support::Support;

/// How often each of several outcomes comes up in so many trials, where the shares vary as a Dirichlet distribution.
#[derive(Debug)]
pub(crate) struct DirichletMultinomial;

impl Family for DirichletMultinomial {
    fn name(&self) -> &'static str {
        "DirichletMultinomial"
    }

    fn summary(&self) -> &'static str {
        "Multinomial counts along the last axis whose shares are Dirichlet(concentration)"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["dirichlet_multinomial"]
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] =
            &[Parameter::new("trials", Support::Count), Parameter::new("concentration", Support::Positive)];
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

    fn is_of_data(&self) -> bool {
        true
    }

    /// log Γ(x + a) − log Γ(a) − log x! for each outcome, log n! + log Γ(A) − log Γ(n + A) in equal shares, A = Σ a. That
    /// counts add up to n is not checked again.
    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], event: Option<Axis>) -> NodeId {
        let (Some(axis), &[trials, concentration]) = (event, args) else { return g.constant(f64::NAN) };
        let k = g.extent_of(axis.id) as f64;
        let total = g.sum(concentration, &[axis]);
        formula(g, &[x, trials, concentration, total], |[x, n, a, total]| {
            let shared = (n + 1.0).lgamma() - total.log_rising(n);
            a.log_rising(x) - (x + 1.0).lgamma() + shared * (1.0 / k)
        })
    }

    fn vector_expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId], event: Axis) -> Option<NodeId> {
        let &[trials, concentration] = args else { return None };
        let concentration = g.broadcast(concentration, &[event]);
        let total = g.sum(concentration, &[event]);
        matches!(of, Statistic::Value | Statistic::Relu)
            .then(|| formula(g, &[trials, concentration, total], |[n, a, total]| n * a / total))
    }

    fn draw_vector(&self, args: &[Vec<f64>], rng: &mut dyn Rng) -> Option<Vec<f64>> {
        let [trials, concentration] = args else { return None };
        let shares = Dirichlet.draw_vector(std::slice::from_ref(concentration), rng)?;
        Multinomial.draw_vector(&[trials.clone(), shares], rng)
    }
}
