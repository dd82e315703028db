//! Bernoulli(prob).

use fe_graph::{Axis, Graph, NodeId, NoiseKind, Site};
use rand::{Rng, RngExt};

use crate::expr::{Expr, Formula, formula};
use crate::family::{Alternative, Family, LikelihoodText, Natural, Parameter, Statistic, exactly, noise};
use crate::support::Support;

/// A coin. A prob made by sigmoid, Phi, or 1 − exp(−eˣ) is worked with through what it is made of, so that nothing is lost
/// where the prob rounds to 0 or 1.
#[derive(Debug)]
pub(crate) struct Bernoulli;

impl Family for Bernoulli {
    fn name(&self) -> &'static str {
        "Bernoulli"
    }

    fn summary(&self) -> &'static str {
        "1 with this probability, else 0; data between 0 and 1 count as expectations of such values"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["bern", "ber"]
    }

    fn linked(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("bernoulli_logit", "Bernoulli(logits = …)"),
            ("bernoulli_logits", "Bernoulli(logits = …)"),
            ("bernoulli_logit_glm", "Bernoulli(logits = x @ w + b)"),
            ("bernoulli_probit", "Bernoulli(probit = …)"),
            ("bernoulli_cloglog", "Bernoulli(cloglog = …)"),
        ]
    }

    fn expectations(&self) -> Option<Support> {
        Some(Support::Unit)
    }

    fn likelihood_text(&self) -> Option<LikelihoodText> {
        Some(LikelihoodText { formula: "−Σ x E log p + (1 − x) E log(1 − p)", call: "Bernoulli(p)", why: None })
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] = &[Parameter::new("prob", Support::Unit)];
        ALL
    }

    fn alternatives(&self) -> &'static [Alternative] {
        const ALL: &[Alternative] = &[
            Alternative {
                parameters: &[Parameter::new("logits", Support::Real)],
                canonical: |g, args| vec![formula(g, args, |[x]| Link::Logit.probability(x))],
            },
            Alternative {
                parameters: &[Parameter::new("probit", Support::Real)],
                canonical: |g, args| vec![formula(g, args, |[x]| Link::Probit.probability(x))],
            },
            Alternative {
                parameters: &[Parameter::new("cloglog", Support::Real)],
                canonical: |g, args| vec![formula(g, args, |[x]| Link::ComplementaryLogLog.probability(x))],
            },
        ];
        ALL
    }

    fn natural(&self) -> Option<Natural> {
        Some(Natural {
            coordinates: |g, args| {
                vec![formula(g, args, |[p]: [Expr; 1]| {
                    p.logit().unwrap_or_else(|| p.log() - p.log_rest_sloped(complement(p)))
                })]
            },
            direction: |_, _, slopes, _| Some(slopes.to_vec()),
            text: "the information of the logit is p (1 − p)",
        })
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::Bool)
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], _event: Option<Axis>) -> NodeId {
        formula(g, &[&[x], args].concat(), |[x, p]| match p.logit() {
            Some(l) => x * l - l.softplus(),
            None => x * p.log_weighted(x) + (1.0 - x) * p.log_rest_weighted(1.0 - x),
        })
    }

    fn expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<1> = match of {
            Statistic::Value | Statistic::Square | Statistic::Relu => |[p]| p,
            Statistic::Exp => |[p]| 1.0 + 1f64.exp_m1() * p,
            Statistic::ExpNegative => |[p]| 1.0 + (-1f64).exp_m1() * p,
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn variance(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let step = match of {
            Statistic::Value | Statistic::Square | Statistic::Relu => 1.0,
            Statistic::Exp => 1f64.exp_m1(),
            Statistic::ExpNegative => (-1f64).exp_m1(),
            _ => return None,
        };
        Some(formula(g, args, |[p]| step * step * (p * complement(p))))
    }

    fn entropy(&self, g: &mut Graph, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, args, |[p]| match p.logit() {
            // Even in l: softplus(−|l|) + |l| σ(−|l|).
            Some(l) => (-l.abs()).softplus() + l.abs() * (-l.abs()).sigmoid(),
            None => -(p * p.log_sloped(p)) - (1.0 - p) * p.log_rest_sloped(1.0 - p),
        }))
    }

    fn kl(&self, g: &mut Graph, args: &[NodeId], prior: &dyn Family, prior_args: &[NodeId]) -> Option<NodeId> {
        if prior.name() != self.name() {
            return None;
        }
        Some(formula(g, &[args, prior_args].concat(), |[p, r]| match (p.logit(), r.logit()) {
            (Some(l), Some(m)) => p * (l - m) - l.softplus() + m.softplus(),
            _ => {
                let q = complement(p);
                p * (p.log_sloped(p) - r.log_sloped(p)) + q * (p.log_rest_sloped(q) - r.log_rest_sloped(q))
            }
        }))
    }

    fn median(&self, args: &[f64]) -> Option<f64> {
        args.first().map(|&p| f64::from(u8::from(p > 0.5)))
    }

    fn fisher(&self, g: &mut Graph, args: &[NodeId]) -> Option<Vec<NodeId>> {
        Some(vec![formula(g, args, |[p]| (p * complement(p)).recip())])
    }

    fn discrete_sample(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        site: Site,
        axes: &[Axis],
        _event: Option<Axis>,
    ) -> Option<NodeId> {
        let u = noise(g, NoiseKind::Uniform, site, axes, args);
        Some(formula(g, &[&[u], args].concat(), |[u, p]| u.less(p)))
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let [p] = exactly(args)?;
        (0.0..=1.0).contains(&p).then(|| f64::from(u8::from(rng.random::<f64>() < p)))
    }
}

/// 1 − p
pub(crate) fn complement(p: Expr) -> Expr {
    let mirrored = p.logit().map(|l| (-l).sigmoid()).or_else(|| p.probit().map(|u| (-u).normal_cdf()));
    mirrored.or_else(|| p.rest_of()).unwrap_or_else(|| 1.0 - p)
}

/// The links by which a probability is given: of a real number x, p = σ(x), Φ(x), or 1 − exp(−eˣ).
#[derive(Clone, Copy)]
pub(crate) enum Link {
    Logit,
    Probit,
    ComplementaryLogLog,
}

impl Link {
    pub fn probability(self, x: Expr) -> Expr {
        match self {
            Link::Logit => x.sigmoid(),
            Link::Probit => x.normal_cdf(),
            Link::ComplementaryLogLog => 1.0 - (-x.exp()).exp(),
        }
    }
}
