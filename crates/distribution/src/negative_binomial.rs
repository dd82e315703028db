//! NegativeBinomial(mean, shape).

use fe_graph::{Axis, Graph, NodeId, NoiseKind, Site};
use rand::Rng;

use crate::expr::{Expr, Formula, formula};
use crate::family::{Alternative, Family, Natural, Parameter, Statistic, exactly, noise, twin};
use crate::gamma::Gamma;
use crate::poisson::{Poisson, exact_counts};
use crate::support::Support;

/// Counts with more variance than Poisson.
#[derive(Debug)]
pub(crate) struct NegativeBinomial;

impl Family for NegativeBinomial {
    fn name(&self) -> &'static str {
        "NegativeBinomial"
    }

    fn summary(&self) -> &'static str {
        "Poisson counts whose rate is Gamma with this shape: variance mean + mean²/shape"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["neg_binomial", "neg_binomial_2", "negativebinomial2", "negative_binomial"]
    }

    fn linked(&self) -> &'static [(&'static str, &'static str)] {
        &[("neg_binomial_2_log", "NegativeBinomial(log_mean = …, shape = …)")]
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] =
            &[Parameter::new("mean", Support::Positive), Parameter::new("shape", Support::Positive)];
        ALL
    }

    fn alternatives(&self) -> &'static [Alternative] {
        const ALL: &[Alternative] = &[
            Alternative {
                parameters: &[Parameter::new("log_mean", Support::Real), Parameter::new("shape", Support::Positive)],
                canonical: |g, args| vec![formula(g, args, |[u, _]| u.exp()), formula(g, args, |[_, r]: [Expr; 2]| r)],
            },
            Alternative {
                parameters: &[Parameter::new("shape", Support::Positive), Parameter::new("rate", Support::Positive)],
                canonical: |g, args| vec![formula(g, args, |[r, b]| r / b), formula(g, args, |[r, _]: [Expr; 2]| r)],
            },
        ];
        ALL
    }

    fn natural(&self) -> Option<Natural> {
        Some(Natural {
            coordinates: |g, args| {
                vec![formula(g, args, |[m, _]: [Expr; 2]| m.log()), formula(g, args, |[_, r]: [Expr; 2]| r)]
            },
            // That of the shape is no closed form.
            direction: |g, args, slopes, _| {
                let &[Some(slope), None] = slopes else { return None };
                Some(vec![Some(formula(g, &[args, &[slope]].concat(), |[m, r, d]| (1.0 + m / r) * d)), None])
            },
            text: "the information of the log mean, at a fixed shape r, is 1/(1/λ + 1/r)",
        })
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::Count)
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], _event: Option<Axis>) -> NodeId {
        formula(g, &[&[x], args].concat(), |[x, m, r]| {
            let ways = r.log_rising(x) - (x + 1.0).lgamma();
            ways - r * (m / r).log1p() + x * (m.log_weighted(x) - (m + r).log())
        })
    }

    fn expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value | Statistic::Relu => |[m, r]| m.over(r),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn variance(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value | Statistic::Relu => |[m, r]| m + m.square() / r,
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    /// Poisson counts whose rates are gamma draws.
    fn discrete_sample(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        site: Site,
        axes: &[Axis],
        _event: Option<Axis>,
    ) -> Option<NodeId> {
        let e = noise(g, NoiseKind::Normal, twin(site), axes, args);
        let log_rate = formula(g, &[&[e], args].concat(), |[e, m, r]| r.log_gamma_draw(e) + m.log() - r.log());
        Some(exact_counts(g, log_rate, site, axes))
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let [m, r] = exactly(args)?;
        let rate = Gamma.draw(&[r, r / m], rng)?;
        Poisson.draw(&[rate], rng)
    }
}
