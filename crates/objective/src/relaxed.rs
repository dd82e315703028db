//! How far the relaxed counts that training may draw are from Poisson counts, estimator by estimator.
//!
//! With arrivals at t counted as g((1 − t)/τ), Campbell's theorem gives every moment as an integral over t > 0; those of a
//! softmax over counts have no closed form, and are computed by quadrature.

use fe_graph::Indicator;
use fe_graph::noise::indicator_derivative;
use fe_graph::special::log_gamma;

use crate::relaxation::VALUES;

/// Moments of a relaxed count z of rate λ, each divided by λ; of a Poisson count, 1 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// E z; also the mean of dz/d log λ, which is why the gradient of a mean count has the bias of the mean.
    pub mean: f64,
    /// Var z.
    pub variance: f64,
    /// Var dz/d log λ: the noise of the gradient of a mean count.
    pub slope_variance: f64,
}

/// What is known of a compact symmetric indicator for τ ≤ 1: the mean is 1, the variance 1 − κτ and that of the slope
/// a/τ + bτ, with κ = ∫ g(1 − g) dv, a = ∫ g′² dv and b = ∫ v² g′² dv over −1 … 1.
pub(crate) struct Compact {
    /// κ.
    pub kappa: f64,
    /// κτ in a formula.
    pub short: &'static str,
    a: f64,
    b: f64,
}

/// The constants of an indicator; `None` for the sigmoid, which reaches everywhere.
pub(crate) fn compact(indicator: Indicator) -> Option<Compact> {
    let squared = std::f64::consts::PI.powi(2);
    let (kappa, short, a, b) = match indicator {
        Indicator::Cubic => (9.0 / 35.0, "9τ/35", 3.0 / 5.0, 3.0 / 35.0),
        Indicator::Linear => (1.0 / 3.0, "τ/3", 1.0 / 2.0, 1.0 / 6.0),
        Indicator::Quintic => (50.0 / 231.0, "50τ/231", 5.0 / 7.0, 5.0 / 77.0),
        Indicator::Cosine => (0.25, "τ/4", squared / 16.0, squared / 48.0 - 0.125),
        Indicator::Sigmoid => return None,
    };
    Some(Compact { kappa, short, a, b })
}

/// By how much the sigmoid's mean is too large, relative to λ: τ log(1 + e^(−1/τ)).
pub(crate) fn sigmoid_excess(tau: f64) -> f64 {
    if tau > 0.0 { tau * (-1.0 / tau).exp().ln_1p() } else { 0.0 }
}

/// By how much the sigmoid's variance falls short of its mean, relative to λ: τσ(1/τ).
pub(crate) fn sigmoid_shortfall(tau: f64) -> f64 {
    if tau > 0.0 { tau / (1.0 + (-1.0 / tau).exp()) } else { 0.0 }
}

/// The moments of arrivals under an indicator: in closed form but for the slope of the sigmoid, and for compact indicators
/// with τ > 1, whose arrivals are cut off at t = 0.
pub fn moments(indicator: Indicator, tau: f64) -> Moments {
    if tau <= 0.0 {
        return Moments { mean: 1.0, variance: 1.0, slope_variance: 0.0 };
    }
    match compact(indicator) {
        Some(c) if tau <= 1.0 => {
            Moments { mean: 1.0, variance: 1.0 - c.kappa * tau, slope_variance: c.a / tau + c.b * tau }
        }
        Some(_) => integrated(indicator, tau),
        None => {
            let mean = 1.0 + sigmoid_excess(tau);
            Moments { mean, variance: mean - sigmoid_shortfall(tau), ..integrated(indicator, tau) }
        }
    }
}

/// The integrals of Campbell's theorem over v = (1 − t)/τ, v < 1/τ, by Simpson's rule: τ ∫ g, τ ∫ g², ∫ g′² (1 − τv)²/τ.
fn integrated(indicator: Indicator, tau: f64) -> Moments {
    let reach: f64 = if indicator == Indicator::Sigmoid { 40.0 } else { 1.0 };
    let end = reach.min(1.0 / tau);
    // From `reach` on the indicator is 1.
    let whole = (1.0 / tau - end).max(0.0);
    let g = |v: f64| indicator_derivative(indicator, 0, v);
    let slope = |v: f64| (indicator_derivative(indicator, 1, v) * (1.0 - tau * v)).powi(2);
    Moments {
        mean: tau * (simpson(g, -reach, end) + whole),
        variance: tau * (simpson(|v| g(v).powi(2), -reach, end) + whole),
        slope_variance: simpson(slope, -reach, end) / tau,
    }
}

fn simpson(f: impl Fn(f64) -> f64, from: f64, to: f64) -> f64 {
    const INTERVALS: u32 = 4000;
    let h = (to - from) / f64::from(INTERVALS);
    let inner: f64 = (1..INTERVALS).map(|k| f64::from(2 + 2 * (k % 2)) * f(from + f64::from(k) * h)).sum();
    // At its ends f is taken from within: the slope of an indicator may jump there.
    let within = 1e-12 * (to - from);
    (f(from + within) + inner + f(to - within)) * h / 3.0
}

/// Mean and variance of z = Σ_k k softmax((log q(k) + g_k)/τ), q = Poisson(rate) over the counts that are relaxed.
///
/// Gumbel numbers are g_k = −log E_k, E_k exponential, so z = Σ k y_k / Σ y_k with independent y_k = (q(k)/E_k)^(1/τ). As
/// 1/S = ∫ e^(−sS) ds and 1/S² = ∫ s e^(−sS) ds, both moments are integrals over s of products of E[yⁿ e^(−sy)]: these are
/// functions of one number, and everything is smooth in log s. Trapezoids then converge exponentially.
pub fn softmax_moments(rate: f64, tau: f64) -> (f64, f64) {
    const STEP: f64 = 0.25;
    let log_q: Vec<f64> = (0..VALUES).map(|k| k as f64 * rate.ln() - rate - log_gamma(k as f64 + 1.0)).collect();
    let largest = log_q.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (first, last) = (-40.0 - largest, 6.0 - largest);
    let (mut mean, mut square) = (0.0, 0.0);
    for point in 0..((last - first) / STEP) as usize {
        let v = first + STEP * point as f64;
        // log Π E e^(−s y_k); Σ k α_k and Σ k² (β_k − α_k²), α and β being E[(sy)ⁿ e^(−sy)] / E e^(−sy).
        let (mut log_product, mut weighted, mut spread) = (0.0, 0.0, 0.0);
        for (k, l) in log_q.iter().enumerate() {
            let k = k as f64;
            let [zeroth, first, second] = transformed(v + l, tau);
            if zeroth <= 0.0 {
                log_product = f64::NEG_INFINITY;
                break;
            }
            let (alpha, beta) = (first / zeroth, second / zeroth);
            log_product += zeroth.ln();
            weighted += k * alpha;
            spread += k * k * (beta - alpha * alpha);
        }
        let weight = STEP * log_product.exp() / tau;
        if weight > 0.0 {
            mean += weight * weighted;
            square += weight * (spread + weighted * weighted);
        }
    }
    (mean, square - mean * mean)
}

/// E[xⁿ e^(−x)] for n = 0, 1, 2 with x = (eᶜ/E)^(1/τ), E exponential. With y = log x these are integrals over y of the
/// kernels y ↦ e^(ny − eʸ) against the law of log E at c − τy; that of n = 0 by parts.
fn transformed(c: f64, tau: f64) -> [f64; 3] {
    let step = 0.25 / tau.max(1.0);
    let (first, last) = (-38.0, 4.0);
    let mut sums = [0.0; 3];
    for point in 0..((last - first) / step) as usize {
        let y = first + step * point as f64;
        let kernel = (y - y.exp()).exp();
        let e = (c - tau * y).exp();
        let survives = (-e).exp();
        // Density of log E is E e^(−E).
        let density = if e.is_finite() { e * survives } else { 0.0 };
        let [zeroth, once, twice] = &mut sums;
        *zeroth += step * kernel * survives;
        *once += step * tau * kernel * density;
        *twice += step * tau * kernel * y.exp() * density;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPACT: [Indicator; 4] = [Indicator::Cubic, Indicator::Linear, Indicator::Quintic, Indicator::Cosine];

    /// The closed forms are the integrals of Campbell's theorem.
    #[test]
    fn closed_forms_are_the_integrals() {
        for tau in [1.0, 0.5, 0.1] {
            for indicator in COMPACT.into_iter().chain([Indicator::Sigmoid]) {
                let (closed, integral) = (moments(indicator, tau), integrated(indicator, tau));
                for (a, b) in [
                    (closed.mean, integral.mean),
                    (closed.variance, integral.variance),
                    (closed.slope_variance, integral.slope_variance),
                ] {
                    assert!((a - b).abs() < 1e-7 * b, "{indicator:?} at τ = {tau}: {a} is not {b}");
                }
            }
        }
        // 31 % too many at τ = 1.
        assert!((moments(Indicator::Sigmoid, 1.0).mean - 1.313_26).abs() < 1e-5);
        // Beyond τ = 1 what the window gains after t = 1 is more than what is cut off before t = 0: of a linear indicator the
        // mean is the triangle ½ (1 + τ) g(1/τ).
        let triangle = 0.5 * 2.5 * (0.5 + 0.5 / 1.5);
        assert!((moments(Indicator::Linear, 1.5).mean - triangle).abs() < 1e-7);
    }
}
