//! Binomial(trials, prob).

use fe_graph::{Axis, Graph, NodeId, NoiseKind, Site, axis};
use rand::Rng;

use crate::bernoulli::{Link, complement};
use crate::expr::{Expr, Formula, formula};
use crate::family::{Alternative, Family, Parameter, Statistic, exactly};
use crate::support::Support;

/// Successes of a number of trials.
#[derive(Debug)]
pub(crate) struct Binomial;

impl Family for Binomial {
    fn name(&self) -> &'static str {
        "Binomial"
    }

    fn summary(&self) -> &'static str {
        "successes of so many trials, each with this probability"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["binom"]
    }

    fn linked(&self) -> &'static [(&'static str, &'static str)] {
        &[("binomial_logit", "Binomial(trials, logits = …)")]
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] = &[Parameter::new("trials", Support::Count), Parameter::new("prob", Support::Unit)];
        ALL
    }

    fn alternatives(&self) -> &'static [Alternative] {
        const TRIALS: Parameter = Parameter::new("trials", Support::Count);
        const ALL: &[Alternative] = &[
            Alternative {
                parameters: &[TRIALS, Parameter::new("logits", Support::Real)],
                canonical: |g, args| by_link(g, args, Link::Logit),
            },
            Alternative {
                parameters: &[TRIALS, Parameter::new("probit", Support::Real)],
                canonical: |g, args| by_link(g, args, Link::Probit),
            },
            Alternative {
                parameters: &[TRIALS, Parameter::new("cloglog", Support::Real)],
                canonical: |g, args| by_link(g, args, Link::ComplementaryLogLog),
            },
        ];
        ALL
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        // More successes than trials have density 0.
        Some(Support::Count)
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], _event: Option<Axis>) -> NodeId {
        formula(g, &[&[x], args].concat(), |[x, n, p]| {
            let chances = match p.logit() {
                Some(l) => x * l - n * l.softplus(),
                None => x * p.log_weighted(x) + (n - x) * p.log_rest_weighted(n - x),
            };
            chances + log_choose(n, x)
        })
    }

    fn expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value | Statistic::Relu => |[n, p]| n * p,
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn variance(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value | Statistic::Relu => |[n, p]| n * p * complement(p),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    /// Trials one by one, where their number is known beforehand.
    fn discrete_sample(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        site: Site,
        axes: &[Axis],
        _event: Option<Axis>,
    ) -> Option<NodeId> {
        let &[trials, prob] = args else { return None };
        successes(g, trials, prob, site, axes)
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let [n, p] = exactly(args)?;
        let whole = n >= 0.0 && n.fract() == 0.0 && n < u32::MAX.into();
        let count = rand_distr::Binomial::new(if whole { n as u64 } else { return None }, p).ok()?;
        Some(rand_distr::Distribution::<u64>::sample(&count, rng) as f64)
    }
}

/// Trials and a probability, from trials and what the probability is linked to.
fn by_link(g: &mut Graph, args: &[NodeId], link: Link) -> Vec<NodeId> {
    vec![formula(g, args, |[n, _]: [Expr; 2]| n), formula(g, args, |[_, x]| link.probability(x))]
}

/// log of n choose x; −∞ where x > n.
pub(crate) fn log_choose<'s>(n: Expr<'s>, x: Expr<'s>) -> Expr<'s> {
    (n + 1.0).lgamma() - (x + 1.0).lgamma() - (n - x + 1.0).lgamma()
}

/// The most trials that are drawn one by one.
const MOST_TRIALS: f64 = 10_000.0;

/// How many of a constant number of trials succeed, each with its own uniform number.
pub(crate) fn successes(g: &mut Graph, trials: NodeId, prob: NodeId, site: Site, axes: &[Axis]) -> Option<NodeId> {
    let count = g.constant_value(trials).filter(|n| (0.0..=MOST_TRIALS).contains(n))?;
    let each = Axis::plain(g.add_axis("trials", count as usize));
    let all = axis::union(&axis::union(axes, g.axes_of(trials)), g.axes_of(prob));
    let uniform = g.noise(NoiseKind::Uniform, site, &axis::union(&all, &[each]));
    let hits = g.less(uniform, prob);
    Some(g.sum(hits, &[each]))
}
