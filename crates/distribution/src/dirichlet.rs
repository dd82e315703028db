//! Dirichlet(concentration) along the last axis.

use fe_graph::{Axis, Graph, NodeId, NoiseKind, Site};
use rand::Rng;
use rand_distr::Distribution;

use crate::expr::formula;
use crate::family::{Family, Parameter, Sampling, Statistic, noise};
use crate::support::Support;

/// Non-negative numbers that add up to 1; with concentration 1, any of them as likely.
#[derive(Debug)]
pub(crate) struct Dirichlet;

/// Concentrations along the event axis, and their sum.
fn total(g: &mut Graph, args: &[NodeId], event: Axis) -> Option<(NodeId, NodeId)> {
    let a = g.broadcast(*args.first()?, &[event]);
    Some((a, g.sum(a, &[event])))
}

impl Family for Dirichlet {
    fn name(&self) -> &'static str {
        "Dirichlet"
    }

    fn summary(&self) -> &'static str {
        "shares along the last axis, which add up to 1; uniform at 1"
    }

    fn draws_implicitly(&self) -> bool {
        true
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] = &[Parameter::new("concentration", Support::Positive)];
        ALL
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::Simplex)
    }

    fn is_vector(&self) -> bool {
        true
    }

    /// Each element has its part, so that their sum is the density: log Γ(Σa) in equal shares.
    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], event: Option<Axis>) -> NodeId {
        let Some((a, sum)) = event.and_then(|axis| total(g, args, axis)) else { return g.constant(f64::NAN) };
        let k = event.map_or(1.0, |axis| g.extent_of(axis.id) as f64);
        formula(g, &[x, a, sum], |[x, a, sum]| {
            (a - 1.0) * x.log_sloped(a - 1.0) - a.lgamma() + sum.lgamma() * (1.0 / k)
        })
    }

    fn vector_expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId], event: Axis) -> Option<NodeId> {
        let (a, sum) = total(g, args, event)?;
        match of {
            Statistic::Value | Statistic::Relu => Some(formula(g, &[a, sum], |[a, sum]| a / sum)),
            Statistic::Square => Some(formula(g, &[a, sum], |[a, sum]| a * (a + 1.0) / (sum * (sum + 1.0)))),
            Statistic::Log => Some(formula(g, &[a, sum], |[a, sum]| a.digamma() - sum.digamma())),
            _ => None,
        }
    }

    fn vector_entropy(&self, g: &mut Graph, args: &[NodeId], event: Axis) -> Option<NodeId> {
        let (a, sum) = total(g, args, event)?;
        let k = g.extent_of(event.id) as f64;
        Some(formula(g, &[a, sum], |[a, sum]| {
            a.lgamma() - sum.lgamma() * (1.0 / k) - (a - 1.0) * (a.digamma() - sum.digamma())
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
        let k = g.extent_of(event.id) as f64;
        let ((a, sum), (b, sum_b)) = (total(g, args, event)?, total(g, prior_args, event)?);
        Some(formula(g, &[a, sum, b, sum_b], |[a, sum, b, sum_b]| {
            (sum.lgamma() - sum_b.lgamma()) * (1.0 / k) - a.lgamma()
                + b.lgamma()
                + (a - b) * (a.digamma() - sum.digamma())
        }))
    }

    /// Shares of gamma draws, as exponentials, so that their logs are known where they underflow.
    fn vector_sample(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        site: Site,
        axes: &[Axis],
        _how: &Sampling,
        event: Axis,
    ) -> Option<NodeId> {
        let (a, _) = total(g, args, event)?;
        let e = noise(g, NoiseKind::Normal, site, axes, &[a]);
        let log_gammas = formula(g, &[e, a], |[e, a]| a.log_gamma_draw(e));
        let log_shares = g.log_softmax(log_gammas, &[event]);
        Some(g.exp(log_shares))
    }

    /// Gammas with these shapes, in shares of their sum.
    fn draw_vector(&self, args: &[Vec<f64>], rng: &mut dyn Rng) -> Option<Vec<f64>> {
        let [shapes] = args else { return None };
        let mut gammas = vec![];
        for &shape in shapes {
            gammas.push(rand_distr::Gamma::new(shape, 1.0).ok()?.sample(rng));
        }
        let total: f64 = gammas.iter().sum();
        (total > 0.0).then(|| gammas.into_iter().map(|g| g / total).collect())
    }

    /// `args` are the concentrations of the two or more shares; the first share is drawn.
    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let (first, rest) = args.split_first()?;
        let others: f64 = rest.iter().sum();
        Some(rand_distr::Beta::new(*first, others).ok()?.sample(rng))
    }
}
