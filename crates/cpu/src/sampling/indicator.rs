//! The indicators of arrivals and their derivatives, over lanes.

use fe_graph::Indicator;

use super::LANES;
use crate::math::Real;

/// The amount that an arrival adds to a count, as a function of v = (1 − t)/τ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counting {
    /// 1 where t < 1: temperature 0.
    Exact,
    /// g(v).
    Relaxed(Indicator),
}

/// A shape at a temperature.
#[derive(Clone, Copy, Debug)]
pub(super) struct Curve<T> {
    pub(super) shape: Counting,
    /// The unit of v: τ, or 1 where counts are exact.
    pub(super) scale: T,
    /// The largest v at which an arrival adds nothing.
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
            Self { shape: Counting::Relaxed(indicator), scale: temperature, least: T::from_f64(-reach), window }
        } else {
            Self { shape: Counting::Exact, scale: T::ONE, least: T::ZERO, window: 1.0 }
        }
    }

    /// Dᵏ g at the v of two arrivals of each lane, D = ∂/∂ log λ, added to `totals`.
    #[inline(always)]
    pub(super) fn add<const FMA: bool>(&self, order: u8, v: &[[T; LANES]; 2], totals: &mut [f64; LANES]) {
        match self.shape {
            Counting::Exact => self.add_of::<Exact, FMA>(order, v, totals),
            Counting::Relaxed(Indicator::Linear) => self.add_of::<Linear, FMA>(order, v, totals),
            Counting::Relaxed(Indicator::Cubic) => self.add_of::<Cubic, FMA>(order, v, totals),
            Counting::Relaxed(Indicator::Quintic) => self.add_of::<Quintic, FMA>(order, v, totals),
            Counting::Relaxed(Indicator::Cosine) => self.add_of::<Cosine, FMA>(order, v, totals),
            Counting::Relaxed(Indicator::Sigmoid) => self.add_of::<Sigmoid, FMA>(order, v, totals),
        }
    }

    #[inline(always)]
    fn add_of<G: Derivatives, const FMA: bool>(
        &self,
        order: u8,
        [first, second]: &[[T; LANES]; 2],
        totals: &mut [f64; LANES],
    ) {
        let chain = chain(order);
        let mut added = [T::ZERO; LANES];
        for (added, (a, b)) in added.iter_mut().zip(first.iter().zip(second)) {
            *added = self.term::<G, FMA>(chain, *a) + self.term::<G, FMA>(chain, *b);
        }
        for (total, added) in totals.iter_mut().zip(&added) {
            *total += added.to_f64();
        }
    }

    /// Dᵏ g((1 − t)/τ), with x = t/τ.
    #[inline(always)]
    fn term<G: Derivatives, const FMA: bool>(&self, [c0, c1, c2, c3]: [T; 4], v: T) -> T {
        let x = T::ONE / self.scale - v;
        let [g0, g1, g2, g3] = G::of::<T, FMA>(v);
        let term = c0 * g0 + x * (c1 * g1 + x * (c2 * g2 + x * (c3 * g3)));
        let term = if v < T::from_f64(G::FULL) { term } else { c0 };
        if v > self.least { term } else { T::ZERO }
    }
}

/// The coefficients of g, x g′, x² g″ and x³ g‴ in Dᵏ g, D = −t d/dt. One loop so does for all orders.
#[inline(always)]
fn chain<T: Real>(order: u8) -> [T; 4] {
    let n = T::from_f64;
    match order {
        0 => [n(1.0), n(0.0), n(0.0), n(0.0)],
        1 => [n(0.0), n(1.0), n(0.0), n(0.0)],
        2 => [n(0.0), n(-1.0), n(1.0), n(0.0)],
        3 => [n(0.0), n(1.0), n(-3.0), n(1.0)],
        _ => [n(f64::NAN); 4],
    }
}

/// An indicator as a function of v.
trait Derivatives {
    /// From here on it is 1.
    const FULL: f64;
    /// Below `FULL` and above `Curve::least`, g and its first three derivatives.
    fn of<T: Real, const FMA: bool>(v: T) -> [T; 4];
}

/// From the derivatives in u = (1 + v)/2 those in v.
#[inline(always)]
fn halved<T: Real>([g0, g1, g2, g3]: [T; 4]) -> [T; 4] {
    [g0, T::from_f64(0.5) * g1, T::from_f64(0.25) * g2, T::from_f64(0.125) * g3]
}

#[inline(always)]
fn place<T: Real>(v: T) -> T {
    let half = T::from_f64(0.5);
    half * v + half
}

struct Exact;

impl Derivatives for Exact {
    const FULL: f64 = f64::INFINITY;
    #[inline(always)]
    fn of<T: Real, const FMA: bool>(_: T) -> [T; 4] {
        [T::ONE, T::ZERO, T::ZERO, T::ZERO]
    }
}

struct Linear;

impl Derivatives for Linear {
    const FULL: f64 = 1.0;
    #[inline(always)]
    fn of<T: Real, const FMA: bool>(v: T) -> [T; 4] {
        halved([place(v), T::ONE, T::ZERO, T::ZERO])
    }
}

struct Cubic;

impl Derivatives for Cubic {
    const FULL: f64 = 1.0;
    #[inline(always)]
    fn of<T: Real, const FMA: bool>(v: T) -> [T; 4] {
        let (n, u) = (T::from_f64, place(v));
        halved([u * u * (n(3.0) - (u + u)), n(6.0) * u * (T::ONE - u), n(6.0) - n(12.0) * u, n(-12.0)])
    }
}

struct Quintic;

impl Derivatives for Quintic {
    const FULL: f64 = 1.0;
    #[inline(always)]
    fn of<T: Real, const FMA: bool>(v: T) -> [T; 4] {
        let (n, u) = (T::from_f64, place(v));
        let w = u * (T::ONE - u);
        halved([
            u * u * u * (n(10.0) + u * (n(6.0) * u - n(15.0))),
            n(30.0) * w * w,
            n(60.0) * w * (T::ONE - (u + u)),
            n(60.0) - n(360.0) * w,
        ])
    }
}

struct Cosine;

impl Derivatives for Cosine {
    const FULL: f64 = 1.0;
    #[inline(always)]
    fn of<T: Real, const FMA: bool>(v: T) -> [T; 4] {
        let (half, pi) = (T::from_f64(0.5), T::from_f64(std::f64::consts::PI));
        let angle = pi * place(v);
        let (sin, cos) = (half * angle.sin::<FMA>(), half * angle.cos::<FMA>());
        halved([half - cos, pi * sin, pi * pi * cos, -(pi * pi * pi * sin)])
    }
}

struct Sigmoid;

impl Derivatives for Sigmoid {
    const FULL: f64 = f64::INFINITY;
    #[inline(always)]
    fn of<T: Real, const FMA: bool>(v: T) -> [T; 4] {
        let (p, q) = (v.sigmoid::<FMA>(), (-v).sigmoid::<FMA>());
        let d = p * q;
        [p, d, d * (q - p), d * (T::ONE - T::from_f64(6.0) * d)]
    }
}
