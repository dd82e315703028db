//! ZeroInflatedPoisson(rate, zeros).

use fe_graph::{Axis, Binary, Graph, NodeId, NoiseKind, Site};
use rand::Rng;

use crate::bernoulli::{Bernoulli, complement};
use crate::expr::{Formula, formula};
use crate::family::{Family, Parameter, Statistic, exactly, noise, twin};
use crate::poisson::{Poisson, exact_counts};
use crate::support::Support;

/// Poisson counts with more zeros.
#[derive(Debug)]
pub(crate) struct ZeroInflatedPoisson;

impl Family for ZeroInflatedPoisson {
    fn name(&self) -> &'static str {
        "ZeroInflatedPoisson"
    }

    fn summary(&self) -> &'static str {
        "0 with probability `zeros`, else Poisson with this rate"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["zip", "zero_inflated_poisson"]
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] = &[Parameter::new("rate", Support::Positive), Parameter::new("zeros", Support::Unit)];
        ALL
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::Count)
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], _event: Option<Axis>) -> NodeId {
        formula(g, &[&[x], args].concat(), |[x, rate, w]| {
            // Where x is 0: log(w + (1 − w) e^{−λ}) = log(1 + (1 − w)(e^{−λ} − 1)).
            let none = (complement(w) * (-rate).expm1()).log1p();
            let some = w.log_rest_weighted(x) + x * rate.log_weighted(x) - rate - (x + 1.0).lgamma();
            x.binary(Binary::Equal, x.number(0.0)).select(none, some)
        })
    }

    fn expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value | Statistic::Relu => |[rate, w]| complement(w) * rate,
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn variance(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value | Statistic::Relu => |[rate, w]| complement(w) * rate * (1.0 + w * rate),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    /// Poisson counts, and zeros in their place.
    fn discrete_sample(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        site: Site,
        axes: &[Axis],
        _event: Option<Axis>,
    ) -> Option<NodeId> {
        let u = noise(g, NoiseKind::Uniform, twin(site), axes, args);
        let log_rate = formula(g, args, |[rate, _]| rate.log());
        let counts = exact_counts(g, log_rate, site, axes);
        Some(formula(g, &[&[u, counts], args].concat(), |[u, z, _, w]| u.less(w).select(z.number(0.0), z)))
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let [rate, w] = exactly(args)?;
        let zero = Bernoulli.draw(&[w], rng)?;
        let count = Poisson.draw(&[rate], rng)?;
        Some(if zero == 1.0 { 0.0 } else { count })
    }
}
