//! Normal(mean, sd).

use fe_graph::{Axis, Graph, NodeId, NoiseKind, Site};
use rand::Rng;
use rand_distr::Distribution;

use crate::expr::{Expr, Formula, HALF_LOG_TWO_PI, HALF_LOG_TWO_PI_E, formula};
use crate::family::{
    Alternative, Family, FreeForm, KlText, LikelihoodText, Natural, Parameter, Proximal, Sampling, Statistic, cut,
    divergence, exactly, location_and_log_scale, location_scale_direction, noise,
};
use crate::support::Support;

/// The normal distribution.
#[derive(Debug)]
pub(crate) struct Normal;

const MEAN: Parameter = Parameter::new("mean", Support::Real);

impl Family for Normal {
    fn name(&self) -> &'static str {
        "Normal"
    }

    fn summary(&self) -> &'static str {
        "the normal distribution"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["n", "gaussian", "gauss", "norm"]
    }

    fn linked(&self) -> &'static [(&'static str, &'static str)] {
        &[("normal_id_glm", "Normal(x @ w + b, s)")]
    }

    fn gaussian_on(&self) -> Option<Support> {
        Some(Support::Real)
    }

    fn free_form(&self) -> Option<FreeForm> {
        Some(FreeForm::LocationScale)
    }

    fn kl_text(&self) -> Option<KlText> {
        let summand = "½[(μ − m)²/s² + σ²/s² − 1 − log(σ²/s²)]";
        Some(KlText { summand, legend: |_| "q = Normal(μ, σ), p = Normal(m, s)".into() })
    }

    fn likelihood_text(&self) -> Option<LikelihoodText> {
        Some(LikelihoodText {
            formula: "Σ ½{(x − E m)² + Var m}/s² + log s + ½ log 2π",
            call: "Normal(m, s)",
            why: Some("the mean is linear in values whose mean and variance are known"),
        })
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] = &[MEAN, Parameter::new("sd", Support::Positive)];
        ALL
    }

    fn alternatives(&self) -> &'static [Alternative] {
        const ALL: &[Alternative] = &[
            Alternative {
                parameters: &[MEAN, Parameter::new("variance", Support::Positive)],
                canonical: |g, args| vec![formula(g, args, |[m, _]| m), formula(g, args, |[_, v]: [Expr; 2]| v.sqrt())],
            },
            Alternative {
                parameters: &[MEAN, Parameter::new("precision", Support::Positive)],
                canonical: |g, args| {
                    vec![formula(g, args, |[m, _]| m), formula(g, args, |[_, p]: [Expr; 2]| p.recip().sqrt())]
                },
            },
        ];
        ALL
    }

    fn location_scale(&self) -> Option<[usize; 2]> {
        Some([0, 1])
    }

    fn natural(&self) -> Option<Natural> {
        Some(Natural {
            coordinates: location_and_log_scale,
            direction: |g, args, slopes, _| location_scale_direction(g, args, slopes, 2.0),
            text: "the information of the mean is 1/s², that of log s is 2",
        })
    }

    fn proximal(&self) -> Option<Proximal> {
        Some(|g, v, w, args| {
            formula(g, &[&[v, w], args].concat(), |[v, w, m, s]| (v * s.square() + w * m) / (s.square() + w))
        })
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::Real)
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], _event: Option<Axis>) -> NodeId {
        formula(g, &[&[x], args].concat(), |[x, m, s]| -0.5 * ((x - m) / s).square() - s.log() - HALF_LOG_TWO_PI)
    }

    fn expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value => |[m, _]| m,
            Statistic::Square => |[m, s]| m.square() + s.square(),
            Statistic::Exp => |[m, s]| (m + 0.5 * s.square()).exp(),
            Statistic::ExpNegative => |[m, s]| (0.5 * s.square() - m).exp(),
            // m Φ(m/s) + s φ(m/s)
            Statistic::Relu => |[m, s]| m * (m / s).normal_cdf() + s * density(m / s),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn variance(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value => |[_, s]| s.square(),
            Statistic::Square => |[m, s]| (4.0 * m.square() + 2.0 * s.square()) * s.square(),
            Statistic::Exp => |[m, s]| exp_variance(m, s),
            Statistic::ExpNegative => |[m, s]| exp_variance(-m, s),
            // With a = m/s: s² (Φ(a) + a² Φ(a) Φ(−a) + a φ(a) (Φ(−a) − Φ(a)) − φ(a)²), in which nothing of the size of
            // a² is left to cancel where a is large.
            Statistic::Relu => |[m, s]| {
                let a = m / s;
                let (above, below, d) = (a.normal_cdf(), (-a).normal_cdf(), density(a));
                s.square() * (above + a.square() * above * below + a * d * (below - above) - d.square())
            },
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn entropy(&self, g: &mut Graph, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, args, |[_, s]| s.log() + HALF_LOG_TWO_PI_E))
    }

    fn expected_log_density(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        q: &dyn Family,
        q_args: &[NodeId],
    ) -> Option<NodeId> {
        let mean = q.expectation(g, Statistic::Value, q_args)?;
        let variance = q.variance(g, Statistic::Value, q_args)?;
        Some(second_moment(g, &[&[mean, variance], args].concat()))
    }

    fn kl(&self, g: &mut Graph, args: &[NodeId], prior: &dyn Family, prior_args: &[NodeId]) -> Option<NodeId> {
        match prior.name() {
            "Normal" => Some(formula(g, &[args, prior_args].concat(), |[m, s, m0, s0]| kl(m, s, m0, s0))),
            _ => divergence(g, self, args, prior, prior_args),
        }
    }

    fn sample(&self, g: &mut Graph, args: &[NodeId], site: Site, axes: &[Axis], _how: &Sampling) -> Option<NodeId> {
        let e = noise(g, NoiseKind::Normal, site, axes, args);
        Some(formula(g, &[&[e], args].concat(), |[e, m, s]| m + s * e))
    }

    fn median(&self, args: &[f64]) -> Option<f64> {
        args.first().copied()
    }

    fn cdf(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, &[&[x], args].concat(), |[x, m, s]| ((x - m) / s).normal_cdf()))
    }

    fn log_cdf(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, &[&[x], args].concat(), |[x, m, s]| ((x - m) / s).log_normal_cdf()))
    }

    fn log_survival(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, &[&[x], args].concat(), |[x, m, s]| ((m - x) / s).log_normal_cdf()))
    }

    fn log_mass(&self, g: &mut Graph, low: f64, high: f64, args: &[NodeId]) -> Option<NodeId> {
        // Of two equal tails the lower one, where log Φ is accurate.
        Some(match cut(Some(Support::Real), low, high) {
            (None, None) => g.constant(0.0),
            (Some(low), None) => formula(g, args, |[m, s]| ((m - low) / s).log_normal_cdf()),
            (None, Some(high)) => formula(g, args, |[m, s]| ((high - m) / s).log_normal_cdf()),
            (Some(low), Some(high)) => formula(g, args, |[m, s]| {
                let (centre, half) = ((m - 0.5 * (low + high)) / s, 0.5 * (high - low) / s);
                let upto = (half - centre.abs()).log_normal_cdf();
                let below = (-half - centre.abs()).log_normal_cdf();
                upto + (-(below - upto).expm1()).log()
            }),
        })
    }

    fn fisher(&self, g: &mut Graph, args: &[NodeId]) -> Option<Vec<NodeId>> {
        Some(vec![
            formula(g, args, |[m, s]| s.square().recip().over(m)),
            formula(g, args, |[m, s]| (2.0 / s.square()).over(m)),
        ])
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let [m, s] = exactly(args)?;
        Some(rand_distr::Normal::new(m, s).ok()?.sample(rng))
    }
}

/// Var[eᶻ] = e^{2m + 2s²} (1 − e^{−s²}), of which no factor overflows alone.
pub(crate) fn exp_variance<'s>(m: Expr<'s>, s: Expr<'s>) -> Expr<'s> {
    (2.0 * (m + s.square())).exp() * -(-s.square()).expm1()
}

/// φ(a)
fn density(a: Expr) -> Expr {
    (-0.5 * a.square() - HALF_LOG_TWO_PI).exp()
}

/// E[log p(z)] of a normal p from the mean and variance of z, and the mean and sd of p.
pub(crate) fn second_moment(g: &mut Graph, nodes: &[NodeId]) -> NodeId {
    formula(g, nodes, |[mean, variance, m, s]| {
        -0.5 * ((mean - m).square() + variance) / s.square() - s.log() - HALF_LOG_TWO_PI
    })
}

/// KL between normals: ½ ((m − m₀)² + s²)/s₀² − log(s/s₀) − ½.
pub(crate) fn kl<'s>(m: Expr<'s>, s: Expr<'s>, m0: Expr<'s>, s0: Expr<'s>) -> Expr<'s> {
    0.5 * (((m - m0) / s0).square() + (s / s0).square()) - s.log() + s0.log() - 0.5
}
