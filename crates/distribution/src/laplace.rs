//! Laplace(location, scale).

use std::f64::consts::{LN_2, PI};

use fe_graph::{Axis, Graph, NodeId, NoiseKind, Site};
use rand::Rng;

use crate::expr::{Expr, Formula, formula};
use crate::family::{
    Family, FreeForm, KlText, Natural, Parameter, Proximal, Sampling, Statistic, cut, divergence, exactly,
    location_and_log_scale, location_scale_direction, noise, twin,
};
use crate::support::Support;

/// The Laplace (double exponential) distribution.
#[derive(Debug)]
pub(crate) struct Laplace;

impl Family for Laplace {
    fn name(&self) -> &'static str {
        "Laplace"
    }

    fn summary(&self) -> &'static str {
        "falls off exponentially on both sides; the mean distance from the location is the scale"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["doubleexponential", "double_exponential"]
    }

    fn free_form(&self) -> Option<FreeForm> {
        Some(FreeForm::LocationScale)
    }

    fn kl_text(&self) -> Option<KlText> {
        let summand = "[b e^(−|μ − m|/b) + |μ − m|]/c − log(b/c) − 1";
        Some(KlText { summand, legend: |_| "q = Laplace(μ, b), p = Laplace(m, c)".into() })
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] =
            &[Parameter::new("location", Support::Real), Parameter::new("scale", Support::Positive)];
        ALL
    }

    fn location_scale(&self) -> Option<[usize; 2]> {
        Some([0, 1])
    }

    fn natural(&self) -> Option<Natural> {
        Some(Natural {
            coordinates: location_and_log_scale,
            direction: |g, args, slopes, _| location_scale_direction(g, args, slopes, 1.0),
            text: "the information of the location is 1/b², that of log b is 1",
        })
    }

    /// Soft thresholding at w/b around the location (Daubechies, Defrise and De Mol 2004).
    fn proximal(&self) -> Option<Proximal> {
        Some(|g, v, w, args| {
            formula(g, &[&[v, w], args].concat(), |[v, w, m, b]| {
                let threshold = w / b;
                m + (v - m - threshold).relu() - (m - v - threshold).relu()
            })
        })
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::Real)
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], _event: Option<Axis>) -> NodeId {
        formula(g, &[&[x], args].concat(), |[x, m, b]| -((x - m).abs() / b) - b.log() - LN_2)
    }

    fn expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value => |[m, _]| m,
            Statistic::Square => |[m, b]| m.square() + 2.0 * b.square(),
            Statistic::Relu => |[m, b]| m.relu() + 0.5 * b * (-(m.abs() / b)).exp(),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn variance(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let f: Formula<2> = match of {
            Statistic::Value => |[_, b]| 2.0 * b.square(),
            Statistic::Square => |[m, b]| (8.0 * m.square() + 20.0 * b.square()) * b.square(),
            // With t = |m|/b and e = e^{−t}: b² (2 − e − t e − e²/4) for m > 0, b² (e − e²/4) else.
            Statistic::Relu => |[m, b]| {
                let t = m.abs() / b;
                let e = (-t).exp();
                let above = 2.0 - e - t * e;
                b.square() * (m.number(0.0).less(m).select(above, e) - 0.25 * e.square())
            },
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn entropy(&self, g: &mut Graph, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, args, |[_, b]| b.log() + (1.0 + LN_2)))
    }

    fn expected_log_density(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        q: &dyn Family,
        q_args: &[NodeId],
    ) -> Option<NodeId> {
        let nodes = [q_args, args].concat();
        let f: Formula<4> = match q.name() {
            "Normal" => |[qm, qs, m, b]| cross(folded_normal(qm - m, qs), b),
            "Laplace" => |[qm, qb, m, b]| cross((qm - m).abs() + qb * (-((qm - m).abs() / qb)).exp(), b),
            _ => return None,
        };
        Some(formula(g, &nodes, f))
    }

    fn kl(&self, g: &mut Graph, args: &[NodeId], prior: &dyn Family, prior_args: &[NodeId]) -> Option<NodeId> {
        match prior.name() {
            // δb e^{−|δm|/b} + |δm|/b₀ − log δb − 1 with δb = b/b₀ (arXiv 2405.14473).
            "Laplace" => Some(formula(g, &[args, prior_args].concat(), |[m, b, m0, b0]| {
                let d = (m - m0).abs();
                b / b0 * (-(d / b)).exp() + d / b0 - b.log() + b0.log() - 1.0
            })),
            _ => divergence(g, self, args, prior, prior_args),
        }
    }

    fn sample(&self, g: &mut Graph, args: &[NodeId], site: Site, axes: &[Axis], _how: &Sampling) -> Option<NodeId> {
        // A difference of exponential values: both tails are reached in single precision too.
        let a = noise(g, NoiseKind::Exponential, site, axes, args);
        let b = noise(g, NoiseKind::Exponential, twin(site), axes, args);
        Some(formula(g, &[&[a, b], args].concat(), |[e, f, m, b]| m + b * (e - f)))
    }

    fn median(&self, args: &[f64]) -> Option<f64> {
        args.first().copied()
    }

    fn cdf(&self, g: &mut Graph, x: NodeId, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, &[&[x], args].concat(), |[x, m, b]| {
            let tail = 0.5 * (-((x - m).abs() / b)).exp();
            x.less(m).select(tail, 1.0 - tail)
        }))
    }

    fn log_mass(&self, g: &mut Graph, low: f64, high: f64, args: &[NodeId]) -> Option<NodeId> {
        // Of two equal tails the lower one, whose log is known.
        Some(match cut(Some(Support::Real), low, high) {
            (None, None) => g.constant(0.0),
            (Some(low), None) => formula(g, args, |[m, b]| log_cdf((m - low) / b)),
            (None, Some(high)) => formula(g, args, |[m, b]| log_cdf((high - m) / b)),
            (Some(low), Some(high)) => formula(g, args, |[m, b]| {
                let (centre, half) = ((m - 0.5 * (low + high)) / b, 0.5 * (high - low) / b);
                let (upto, below) = (log_cdf(half - centre.abs()), log_cdf(-half - centre.abs()));
                upto + (-(below - upto).expm1()).log()
            }),
        })
    }

    fn fisher(&self, g: &mut Graph, args: &[NodeId]) -> Option<Vec<NodeId>> {
        let each = formula(g, args, |[m, b]| b.square().recip().over(m));
        Some(vec![each, each])
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let [m, b] = exactly(args)?;
        let mut standard = || rand_distr::Distribution::<f64>::sample(&rand_distr::Exp1, rng);
        (b > 0.0).then(|| m + b * (standard() - standard()))
    }
}

/// E[log p(z)] from E|z − m|.
fn cross<'s>(distance: Expr<'s>, b: Expr<'s>) -> Expr<'s> {
    -(distance / b) - b.log() - LN_2
}

/// E|d + s ε| for standard normal ε: s √(2/π) e^{−d²/2s²} + d erf(d/(s√2)).
fn folded_normal<'s>(d: Expr<'s>, s: Expr<'s>) -> Expr<'s> {
    let a = d / s;
    (2.0 / PI).sqrt() * s * (-0.5 * a.square()).exp() + d * (std::f64::consts::FRAC_1_SQRT_2 * a).erf()
}

/// log of the standard cdf: t − log 2 below 0, log(1 − e^{−t}/2) above.
fn log_cdf(t: Expr) -> Expr {
    let above = (-0.5 * (-t.abs()).exp()).log1p();
    t.less(t.number(0.0)).select(t - LN_2, above)
}
