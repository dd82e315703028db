//! StudentT(df, location, scale).

use std::f64::consts::PI;

use fe_graph::{Axis, Graph, NodeId, NoiseKind, Site};
use rand::Rng;
use rand_distr::Distribution;

use crate::expr::{Expr, Formula, formula};
use crate::family::{Family, Parameter, Sampling, Statistic, constant_argument, divergence, exactly, noise, twin};
use crate::support::Support;

/// Student's t distribution.
#[derive(Debug)]
pub(crate) struct StudentT;

impl Family for StudentT {
    fn name(&self) -> &'static str {
        "StudentT"
    }

    fn summary(&self) -> &'static str {
        "a normal distribution with heavier tails; Cauchy at df = 1"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["student_t", "student", "t"]
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] = &[
            Parameter::new("df", Support::Positive),
            Parameter::new("location", Support::Real).or(0.0),
            Parameter::new("scale", Support::Positive).or(1.0),
        ];
        ALL
    }

    fn location_scale(&self) -> Option<[usize; 2]> {
        Some([1, 2])
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::Real)
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], _event: Option<Axis>) -> NodeId {
        formula(g, &[&[x], args].concat(), |[x, n, m, s]| {
            let tail = 0.5 * (n + 1.0) * (((x - m) / s).square() / n).log1p();
            (0.5 * (n + 1.0)).lgamma() - (0.5 * n).lgamma() - 0.5 * n.log() - s.log() - tail - 0.5 * PI.ln()
        })
    }

    fn expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        // The k-th moment exists above k degrees of freedom only.
        let df = constant_argument(g, args, 0)?;
        let f: Formula<3> = match of {
            Statistic::Value if df > 1.0 => |[_, m, _]| m,
            Statistic::Square if df > 2.0 => |[n, m, s]| m.square() + spread(n, s),
            _ => return None,
        };
        Some(formula(g, args, f))
    }

    fn variance(&self, g: &mut Graph, of: Statistic, args: &[NodeId]) -> Option<NodeId> {
        let df = constant_argument(g, args, 0)?;
        (of == Statistic::Value && df > 2.0).then(|| formula(g, args, |[n, _, s]| spread(n, s)))
    }

    fn entropy(&self, g: &mut Graph, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, args, |[n, _, s]| {
            let (upper, lower) = (0.5 * (n + 1.0), 0.5 * n);
            let tail = upper * (upper.digamma() - lower.digamma());
            tail + 0.5 * n.log() + lower.log_beta(n.number(0.5)) + s.log()
        }))
    }

    fn kl(&self, g: &mut Graph, args: &[NodeId], prior: &dyn Family, prior_args: &[NodeId]) -> Option<NodeId> {
        divergence(g, self, args, prior, prior_args)
    }

    fn sample(&self, g: &mut Graph, args: &[NodeId], site: Site, axes: &[Axis], _how: &Sampling) -> Option<NodeId> {
        // The polar method, exact for every df: √(n (u^{−2/n} − 1)) cos 2πv (Bailey 1994), u = e^{−E}.
        let e = noise(g, NoiseKind::Exponential, site, axes, args);
        let v = noise(g, NoiseKind::Uniform, twin(site), axes, args);
        Some(formula(g, &[&[e, v], args].concat(), |[e, v, n, m, s]| {
            let radius = (n * (2.0 * e / n).expm1()).sqrt();
            m + s * (radius * (2.0 * PI * v).cos())
        }))
    }

    fn median(&self, args: &[f64]) -> Option<f64> {
        args.get(1).copied()
    }

    fn fisher(&self, g: &mut Graph, args: &[NodeId]) -> Option<Vec<NodeId>> {
        let each: [Formula<3>; 3] = [
            |[n, m, s]| {
                let slope = (0.5 * n).trigamma() - (0.5 * (n + 1.0)).trigamma();
                let rest = 0.5 * (n + 5.0) / (n * (n + 1.0) * (n + 3.0));
                (0.25 * slope - rest).over(m).over(s)
            },
            |[n, m, s]| ((n + 1.0) / ((n + 3.0) * s.square())).over(m),
            |[n, m, s]| (2.0 * n / ((n + 3.0) * s.square())).over(m),
        ];
        Some(each.into_iter().map(|f| formula(g, args, f)).collect())
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let [df, m, s] = exactly(args)?;
        Some(m + s * rand_distr::StudentT::new(df).ok()?.sample(rng))
    }
}

/// The variance s² n/(n − 2).
fn spread<'s>(n: Expr<'s>, s: Expr<'s>) -> Expr<'s> {
    s.square() * (n / (n - 2.0))
}
