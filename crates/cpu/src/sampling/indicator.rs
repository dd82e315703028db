//! The indicators of arrivals and their derivatives, over lanes.

use fe_graph::Indicator;

use crate::math::Real;

/// What an arrival adds to a count, as a function of v = (1 − t)/τ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// 1 where t < 1: temperature 0.
    Exact,
    /// g(v).
    Relaxed(Indicator),
}

/// A shape at a temperature.
#[derive(Clone, Copy, Debug)]
pub(super) struct Curve<T> {
    pub(super) shape: Shape,
    /// What v is measured in: τ, or 1 where counts are exact.
    pub(super) scale: T,
    /// Where v is not above this, an arrival adds nothing.
    pub(super) least: T,
    /// The time at which that is so.
    pub(super) window: f64,
}

impl<T: Real> Curve<T> {
    #[inline(always)]
    pub(super) fn new(indicator: Indicator, temperature: T) -> Self {
        if temperature > T::ZERO {
            let reach = if indicator == Indicator::Sigmoid { 40.0 } else { 1.0 };
            let window = 1.0 + reach * temperature.to_f64();
            Self { shape: Shape::Relaxed(indicator), scale: temperature, least: T::from_f64(-reach), window }
        } else {
            Self { shape: Shape::Exact, scale: T::ONE, least: T::ZERO, window: 1.0 }
        }
    }

    /// Dᵏ g at the v of two arrivals of each lane, D = ∂/∂ log λ, added to `totals`.
    #[inline(always)]
    pub(super) fn add<const FMA: bool, const N: usize>(&self, order: u8, v: &[[T; N]; 2], totals: &mut [f64; N]) {
        use Indicator::{Cosine, Cubic, Linear, Quintic, Sigmoid};
        let n = T::from_f64;
        let pi = n(std::f64::consts::PI);
        match (self.shape, order) {
            (Shape::Exact, 0) => self.each(v, totals, |v| if v > T::ZERO { T::ONE } else { T::ZERO }),
            (Shape::Exact, _) => {}
            (Shape::Relaxed(Linear), _) => self.compact(order, v, totals, |u| [u, T::ONE, T::ZERO, T::ZERO]),
            (Shape::Relaxed(Cubic), _) => self.compact(order, v, totals, |u| {
                [u * u * (n(3.0) - (u + u)), n(6.0) * u * (T::ONE - u), n(6.0) - n(12.0) * u, n(-12.0)]
            }),
            (Shape::Relaxed(Quintic), _) => self.compact(order, v, totals, |u| {
                let w = u * (T::ONE - u);
                [
                    u * u * u * (n(10.0) + u * (n(6.0) * u - n(15.0))),
                    n(30.0) * w * w,
                    n(60.0) * w * (T::ONE - (u + u)),
                    n(60.0) - n(360.0) * w,
                ]
            }),
            (Shape::Relaxed(Cosine), _) => self.compact(order, v, totals, |u| {
                let (sin, cos) = ((pi * u).sin::<FMA>(), (pi * u).cos::<FMA>());
                let half = n(0.5);
                [half * (T::ONE - cos), half * pi * sin, half * pi * pi * cos, -(half * pi * pi * pi * sin)]
            }),
            (Shape::Relaxed(Sigmoid), _) => self.each(v, totals, |v| {
                let (p, q) = (v.sigmoid::<FMA>(), (-v).sigmoid::<FMA>());
                let d = p * q;
                let derivatives = [p, d, d * (q - p), d * (T::ONE - n(6.0) * d)];
                let term = chain(order, T::ONE / self.scale - v, derivatives);
                if v > self.least { term } else { T::ZERO }
            }),
        }
    }

    /// A g that goes from 0 to 1 for u = (1 + v)/2 on [0, 1]; `g` gives it and its derivatives in u.
    #[inline(always)]
    fn compact<const N: usize>(&self, order: u8, v: &[[T; N]; 2], totals: &mut [f64; N], g: impl Fn(T) -> [T; 4]) {
        let half = T::from_f64(0.5);
        let early = if order == 0 { T::ONE } else { T::ZERO };
        let reciprocal = T::ONE / self.scale;
        // du/dv = ½
        let [h, h2, h3] = [half, half * half, half * half * half];
        self.each(v, totals, |v| {
            let u = half * v + half;
            let [g0, g1, g2, g3] = g(u);
            let term = chain(order, reciprocal - v, [g0, h * g1, h2 * g2, h3 * g3]);
            let term = if u < T::ONE { term } else { early };
            if u > T::ZERO { term } else { T::ZERO }
        });
    }

    #[inline(always)]
    fn each<const N: usize>(&self, v: &[[T; N]; 2], totals: &mut [f64; N], term: impl Fn(T) -> T) {
        let [first, second] = v;
        let mut added = [T::ZERO; N];
        for (added, (a, b)) in added.iter_mut().zip(first.iter().zip(second)) {
            *added = term(*a) + term(*b);
        }
        for (total, added) in totals.iter_mut().zip(&added) {
            *total += added.to_f64();
        }
    }
}

/// Dᵏ g((1 − t)/τ) with D = −t d/dt, from the derivatives of g and x = t/τ.
#[inline(always)]
fn chain<T: Real>(order: u8, x: T, [g0, g1, g2, g3]: [T; 4]) -> T {
    match order {
        0 => g0,
        1 => x * g1,
        2 => x * (x * g2 - g1),
        3 => x * (g1 + x * (x * g3 - T::from_f64(3.0) * g2)),
        _ => T::from_f64(f64::NAN),
    }
}
