//! VonMises(location, concentration).

use std::f64::consts::PI;

use fe_graph::{Axis, Binary, Graph, NodeId, NoiseKind, Site, Unary};
use rand::{Rng, RngExt};

use crate::expr::{Expr, formula};
use crate::family::{Family, Parameter, Sampling, exactly, noise};
use crate::support::Support;

/// The normal distribution's like on the circle.
#[derive(Debug)]
pub(crate) struct VonMises;

impl Family for VonMises {
    fn name(&self) -> &'static str {
        "VonMises"
    }

    fn summary(&self) -> &'static str {
        "angles from −π to π around the location; uniform at concentration 0, of variance about 1/concentration where large"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["von_mises"]
    }

    fn draws_implicitly(&self) -> bool {
        true
    }

    fn is_circular(&self) -> bool {
        true
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] =
            &[Parameter::new("location", Support::Real), Parameter::new("concentration", Support::NON_NEGATIVE)];
        ALL
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::Interval { low: -PI, high: PI })
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], _event: Option<Axis>) -> NodeId {
        formula(g, &[&[x], args].concat(), |[x, m, k]| k * (x - m).cos() - k.log_bessel_i0() - (2.0 * PI).ln())
    }

    fn entropy(&self, g: &mut Graph, args: &[NodeId]) -> Option<NodeId> {
        Some(formula(g, args, |[m, k]| (k.log_bessel_i0() - k * resultant(k) + (2.0 * PI).ln()).over(m)))
    }

    fn expected_log_density(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        q: &dyn Family,
        q_args: &[NodeId],
    ) -> Option<NodeId> {
        if q.name() != self.name() {
            return None;
        }
        Some(formula(g, &[q_args, args].concat(), |[qm, qk, m, k]| {
            k * resultant(qk) * (qm - m).cos() - k.log_bessel_i0() - (2.0 * PI).ln()
        }))
    }

    fn kl(&self, g: &mut Graph, args: &[NodeId], prior: &dyn Family, prior_args: &[NodeId]) -> Option<NodeId> {
        if prior.name() != self.name() {
            return None;
        }
        Some(formula(g, &[args, prior_args].concat(), |[m, k, m0, k0]| {
            resultant(k) * (k - k0 * (m - m0).cos()) - k.log_bessel_i0() + k0.log_bessel_i0()
        }))
    }

    /// The quantile of a normal number, whose derivatives are implicit ones, around the location and back into (−π, π).
    fn sample(&self, g: &mut Graph, args: &[NodeId], site: Site, axes: &[Axis], _how: &Sampling) -> Option<NodeId> {
        let e = noise(g, NoiseKind::Normal, site, axes, args);
        Some(formula(g, &[&[e], args].concat(), |[e, m, k]| {
            let z = m + k.binary(Binary::VonMisesQuantile, e);
            let turns = ((z + PI) * (0.5 / PI)).unary(Unary::Floor);
            z - 2.0 * PI * turns
        }))
    }

    /// Half of the mass lies within half a turn after the location's opposite, so from −π on the median is where the
    /// distribution function, by Simpson's rule, has grown to ½.
    fn median(&self, args: &[f64]) -> Option<f64> {
        let [m, k] = exactly(args)?;
        if !((0.0..1e8).contains(&k) && m.is_finite()) {
            return None;
        }
        let steps = 4096 + 64 * (k.sqrt() as usize);
        let h = 2.0 * PI / steps as f64;
        let density = |x: f64| (k * ((x - m).cos() - 1.0)).exp();
        let piece = |j: usize| {
            let x = -PI + h * j as f64;
            h / 6.0 * (density(x) + 4.0 * density(x + 0.5 * h) + density(x + h))
        };
        let whole: f64 = (0..steps).map(piece).sum();
        let mut below = 0.0;
        for j in 0..steps {
            let part = piece(j);
            if below + part >= 0.5 * whole {
                // Within a step the mass is nearly a parabola; Newton's steps find the place.
                let (start, mut x) = (-PI + h * j as f64, -PI + h * (j as f64 + 0.5));
                for _ in 0..20 {
                    let half = 0.5 * (x - start);
                    let within = half / 3.0 * (density(start) + 4.0 * density(start + half) + density(x));
                    x -= (below + within - 0.5 * whole) / density(x);
                }
                return Some(x.clamp(start, start + h));
            }
            below += part;
        }
        None
    }

    fn fisher(&self, g: &mut Graph, args: &[NodeId]) -> Option<Vec<NodeId>> {
        Some(vec![
            formula(g, args, |[m, k]| (k * resultant(k)).over(m)),
            // A′ = 1 − A/κ − A²
            formula(g, args, |[m, k]| (1.0 - resultant(k) / k - resultant(k).square()).over(m)),
        ])
    }

    /// Best and Fisher (1979), rejection from a wrapped Cauchy distribution.
    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let [m, k] = exactly(args)?;
        if !(k >= 0.0 && k.is_finite() && m.is_finite()) {
            return None;
        }
        let around = |x: f64| (x + PI).rem_euclid(2.0 * PI) - PI;
        if k < 1e-8 {
            return Some(PI * (2.0 * rng.random::<f64>() - 1.0));
        }
        let t = 1.0 + (1.0 + 4.0 * k * k).sqrt();
        let p = (t - (2.0 * t).sqrt()) / (2.0 * k);
        let r = (1.0 + p * p) / (2.0 * p);
        loop {
            let z = (PI * rng.random::<f64>()).cos();
            let f = (1.0 + r * z) / (r + z);
            let c = k * (r - f);
            let u = rng.random::<f64>();
            if c * (2.0 - c) > u || (c / u).ln() + 1.0 >= c {
                let side = if rng.random::<bool>() { 1.0 } else { -1.0 };
                return Some(around(m + side * f.clamp(-1.0, 1.0).acos()));
            }
        }
    }
}

/// A(κ) = I₁(κ)/I₀(κ), the mean of cos(x − location).
fn resultant(k: Expr) -> Expr {
    (k.log_bessel_i1() - k.log_bessel_i0()).exp()
}
