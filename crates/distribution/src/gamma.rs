//! Gamma(shape, rate).

use fe_graph::{Axis, Binary, Graph, NodeId, NoiseKind, Site, quantile};
use rand::Rng;
use rand_distr::Distribution;

use crate::expr::{Expr, Formula, formula};
use crate::family::{
    Alternative, Family, Natural, Parameter, Sampling, Statistic, constant_argument, divergence, exactly, noise,
};
use crate::support::Support;

/// The gamma distribution.
#[derive(Debug)]
pub(crate) struct Gamma;

const SHAPE: Parameter = Parameter::new("shape", Support::Positive);

impl Family for Gamma {
    fn name(&self) -> &'static str {
        "Gamma"
    }

    fn summary(&self) -> &'static str {
        "mean shape/rate, variance shape/rate²; Exponential at shape = 1"
    }

    fn draws_implicitly(&self) -> bool {
        true
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] = &[SHAPE, Parameter::new("rate", Support::Positive)];
        ALL
    }

    fn alternatives(&self) -> &'static [Alternative] {
        const ALL: &[Alternative] = &[
            Alternative {
                parameters: &[SHAPE, Parameter::new("scale", Support::Positive)],
                canonical: |g, args| {
                    vec![formula(g, args, |[a, _]| a), formula(g, args, |[_, s]: [Expr; 2]| s.recip())]
                },
            },
            Alternative {
                parameters: &[Parameter::new("mean", Support::Positive), Parameter::new("sd", Support::Positive)],
                canonical: |g, args| {
                    vec![formula(g, args, |[m, s]| (m / s).square()), formula(g, args, |[m, s]| m / s.square())]
                },
            },
        ];
        ALL
    }

    /// The information of (log shape, log rate) is [[α² ψ′(α), −α], [−α, α]].
    fn natural(&self) -> Option<Natural> {
        Some(Natural {
            coordinates: |g, args| {
                vec![formula(g, args, |[a, _]: [Expr; 2]| a.log()), formula(g, args, |[_, b]: [Expr; 2]| b.log())]
            },
            direction: |g, args, slopes, _| {
                let &[shape, rate] = slopes else { return None };
                Some(match (shape, rate) {
                    (Some(shape), Some(rate)) => {
                        let all = [args, &[shape, rate]].concat();
                        let shape =
                            formula(g, &all, |[a, b, da, db]| (a * da + b * db) / (a * (a * a.trigamma() - 1.0)));
                        let rate = formula(g, &all, |[a, b, da, db]| {
                            (a * da + a * a.trigamma() * b * db) / (a * (a * a.trigamma() - 1.0))
                        });
                        vec![Some(shape), Some(rate)]
                    }
                    (Some(shape), None) => {
                        let all = [args, &[shape]].concat();
                        vec![Some(formula(g, &all, |[a, _, da]| da / (a * a.trigamma()))), None]
                    }
                    (None, Some(rate)) => {
                        let all = [args, &[rate]].concat();
                        vec![None, Some(formula(g, &all, |[a, b, db]| b * db / a))]
                    }
                    (None, None) => vec![None, None],
                })
            },
            text: "the information of (log shape, log rate) is [[α² ψ′(α), −α], [−α, α]]",
        })
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::Positive)
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], _event: Option<Axis>) -> NodeId {
        formula(g, &[&[x], args].concat(), |[x, a, r]| {
            a * r.log() + (a - 1.0) * x.log_sloped(a - 1.0) - r * x - a.lgamma()
        })
    }

    fn expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value | Statistic::Relu => |[a, r]| a / r,
            Statistic::Square => |[a, r]| a * (a + 1.0) / r.square(),
            Statistic::Log => |[a, r]| a.digamma() - r.log(),
            Statistic::ExpNegative => |[a, r]| (-(a * r.recip().log1p())).exp(),
            Statistic::Recip if constant_argument(g, args, 0)? > 1.0 => |[a, r]| r / (a - 1.0),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn variance(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value | Statistic::Relu => |[a, r]| a / r.square(),
            Statistic::Square => |[a, r]| a * (a + 1.0) * (4.0 * a + 6.0) / r.square().square(),
            Statistic::Log => |[a, r]| a.trigamma().over(r),
            Statistic::Recip if constant_argument(g, args, 0)? > 2.0 => |[a, r]| (r / (a - 1.0)).square() / (a - 2.0),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn entropy(&self, g: &mut Graph, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, args, |[a, r]| a - r.log() + a.lgamma() + (1.0 - a) * a.digamma()))
    }

    fn expected_log_density(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        q: &dyn Family,
        q_args: &[NodeId],
    ) -> Option<NodeId> {
        let mean = q.expectation(g, Statistic::Value, q_args)?;
        let log = q.expectation(g, Statistic::Log, q_args)?;
        Some(formula(g, &[&[mean, log], args].concat(), |[mean, log, a, r]| {
            a * r.log() + (a - 1.0) * log - r * mean - a.lgamma()
        }))
    }

    fn kl(&self, g: &mut Graph, args: &[NodeId], prior: &dyn Family, prior_args: &[NodeId]) -> Option<NodeId> {
        match prior.name() {
            "Gamma" => Some(formula(g, &[args, prior_args].concat(), |[a, r, a0, r0]| {
                let shapes = (a - a0) * a.digamma() - a.lgamma() + a0.lgamma();
                shapes + a0 * (r.log() - r0.log()) + a * (r0 / r - 1.0)
            })),
            _ => divergence(g, self, args, prior, prior_args),
        }
    }

    /// The quantile of a normal number, whose derivatives are implicit ones; as an exponential, so that log z is known where
    /// z underflows.
    fn sample(&self, g: &mut Graph, args: &[NodeId], site: Site, axes: &[Axis], _how: &Sampling) -> Option<NodeId> {
        let e = noise(g, NoiseKind::Normal, site, axes, args);
        Some(formula(g, &[&[e], args].concat(), |[e, a, r]| (a.log_gamma_draw(e) - r.log()).exp()))
    }

    fn median(&self, args: &[f64]) -> Option<f64> {
        let [a, r] = exactly(args)?;
        (a > 0.0 && r > 0.0 && a.is_finite()).then(|| quantile::log_gamma_quantile(a, 0.0).exp() / r)
    }

    fn cdf(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, &[&[x], args].concat(), |[x, a, r]| {
            let inside = x.number(0.0).less(x);
            inside.select(score(x, a, r).normal_cdf(), x.number(0.0))
        }))
    }

    fn log_cdf(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, &[&[x], args].concat(), |[x, a, r]| score(x, a, r).log_normal_cdf()))
    }

    fn log_survival(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, &[&[x], args].concat(), |[x, a, r]| (-score(x, a, r)).log_normal_cdf()))
    }

    fn fisher(&self, g: &mut Graph, args: &[NodeId]) -> Option<Vec<NodeId>> {
        Some(vec![
            formula(g, args, |[a, r]: [Expr; 2]| a.trigamma().over(r)),
            formula(g, args, |[a, r]| a / r.square()),
        ])
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let [a, r] = exactly(args)?;
        let z = rand_distr::Gamma::new(a, 1.0 / r).ok()?.sample(rng);
        z.is_finite().then_some(z)
    }
}

/// The standard normal number that stands for x in the distribution function of Gamma(shape, rate). Below 1e-30 the
/// probability is taken to be that at 1e-30.
pub(crate) fn score<'s>(x: Expr<'s>, shape: Expr<'s>, rate: Expr<'s>) -> Expr<'s> {
    shape.binary(Binary::GammaScore, x.max(1e-30).log() + rate.log())
}
