//! The element-wise functions on one `f64`, as the constant folder and the executors use them.

use crate::op::{Binary, Unary};
use crate::quantile;

/// The value of an element-wise function.
pub fn unary(op: Unary, x: f64) -> f64 {
    match op {
        Unary::Neg => -x,
        Unary::Exp => x.exp(),
        Unary::Log => x.ln(),
        Unary::Log1p => x.ln_1p(),
        Unary::Expm1 => x.exp_m1(),
        Unary::Sqrt => x.sqrt(),
        Unary::Square => x * x,
        Unary::Recip => x.recip(),
        Unary::Abs => x.abs(),
        Unary::Sign => {
            if x > 0.0 {
                1.0
            } else if x < 0.0 {
                -1.0
            } else {
                x
            }
        }
        Unary::Step => f64::from(u8::from(x > 0.0)),
        Unary::Relu => {
            if x.is_nan() {
                x
            } else {
                x.max(0.0)
            }
        }
        Unary::Tanh => x.tanh(),
        Unary::Sigmoid => sigmoid(x),
        Unary::Softplus => softplus(x),
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Atan => x.atan(),
        Unary::Floor => x.floor(),
        Unary::Erf => libm::erf(x),
        Unary::NormalCdf => normal_cdf(x),
        Unary::LogNormalCdf => log_normal_cdf(x),
        Unary::LogGamma => log_gamma(x),
        Unary::Polygamma(n) => polygamma(n, x),
        Unary::LogBesselI(n) => log_bessel_i(n, x),
    }
}

/// The value of an element-wise function of two arguments.
pub fn binary(op: Binary, a: f64, b: f64) -> f64 {
    let truth = |t: bool| f64::from(u8::from(t));
    match op {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Pow => a.powf(b),
        Binary::Max if a.is_nan() || b.is_nan() => f64::NAN,
        Binary::Min if a.is_nan() || b.is_nan() => f64::NAN,
        Binary::Max => a.max(b),
        Binary::Min => a.min(b),
        Binary::Less => truth(a < b),
        Binary::LessEqual => truth(a <= b),
        Binary::Equal => truth(a == b),
        Binary::LogGammaQuantile => quantile::log_gamma_quantile(a, b),
        Binary::LogGammaQuantileSlope => quantile::log_gamma_quantile_slope(a, b),
        Binary::GammaScore => quantile::gamma_score(a, b),
        Binary::VonMisesQuantile => quantile::von_mises_quantile(a, b),
        Binary::VonMisesQuantileSlope => quantile::von_mises_quantile_slope(a, b),
    }
}

/// 1/(1 + e⁻ˣ) without overflow.
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// log(1 + eˣ) without overflow.
pub fn softplus(x: f64) -> f64 {
    if x.is_nan() { x } else { x.max(0.0) + (-x.abs()).exp().ln_1p() }
}

/// Φ(x), accurate in the lower tail.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// log Φ(x). Below −20 by the asymptotic series of the Mills ratio, Σ (−1)ᵏ (2k−1)!!/x²ᵏ.
pub fn log_normal_cdf(x: f64) -> f64 {
    if x > 0.0 {
        return (-normal_cdf(-x)).ln_1p();
    }
    if x > -20.0 {
        return normal_cdf(x).ln();
    }
    if x == f64::NEG_INFINITY {
        return x;
    }
    let r = 1.0 / (x * x);
    let (mut term, mut series) = (1.0, 1.0);
    for k in 1..=8 {
        term *= -f64::from(2 * k - 1) * r;
        series += term;
    }
    -0.5 * x * x - (-x).ln() - 0.5 * (2.0 * std::f64::consts::PI).ln() + f64::ln(series)
}

/// log |Γ(x)|.
pub fn log_gamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// B₂ₖ for k = 1, 2, …
const BERNOULLI: [f64; 10] = [
    1.0 / 6.0,
    -1.0 / 30.0,
    1.0 / 42.0,
    -1.0 / 30.0,
    5.0 / 66.0,
    -691.0 / 2730.0,
    7.0 / 6.0,
    -3617.0 / 510.0,
    43867.0 / 798.0,
    -174_611.0 / 330.0,
];

/// ψ⁽ⁿ⁾(x), the derivative of order n + 1 of log Γ: recurrence up to 15 + n, then the asymptotic series (DLMF 5.11.2,
/// 5.15.8). Reflection for x ≤ 0 is taken for the digamma function only; elsewhere NaN.
pub fn polygamma(n: u8, x: f64) -> f64 {
    if x.is_nan() || (x <= 0.0 && (n > 0 || x == x.floor())) {
        return f64::NAN;
    }
    if x < 0.0 {
        let angle = std::f64::consts::PI * x;
        return polygamma(0, 1.0 - x) - std::f64::consts::PI * angle.cos() / angle.sin();
    }
    if x == f64::INFINITY {
        return if n == 0 { x } else { 0.0 };
    }
    let order = i32::from(n);
    let factorial = |k: i32| (1..=k).map(f64::from).product::<f64>();
    let sign = if n.is_multiple_of(2) { -1.0 } else { 1.0 };
    let mut shift = 0.0;
    let mut y = x;
    while y < 15.0 + f64::from(n) {
        shift += y.powi(-(order + 1));
        y += 1.0;
    }
    if n == 0 {
        let r = 1.0 / (y * y);
        let (mut power, mut series) = (1.0, 0.0);
        for (k, b) in (1..).zip(BERNOULLI) {
            power *= r;
            series += b * power / (2.0 * f64::from(k));
        }
        return y.ln() - 0.5 / y - series - shift;
    }
    // ψ⁽ⁿ⁾(y) = (−1)ⁿ⁺¹ [ (n−1)!/yⁿ + n!/(2yⁿ⁺¹) + Σ B₂ₖ (2k+n−1)!/((2k)! y²ᵏ⁺ⁿ) ]
    let mut tail = factorial(order - 1) * y.powi(-order) + 0.5 * factorial(order) * y.powi(-order - 1);
    let mut ratio = factorial(order + 1) / 2.0;
    for (k, b) in (1..).zip(BERNOULLI) {
        tail += b * ratio * y.powi(-(2 * k + order));
        let m = 2 * k;
        ratio *= f64::from((m + order) * (m + order + 1)) / f64::from((m + 1) * (m + 2));
    }
    sign * (tail + factorial(order) * shift)
}

/// log I_n(|x|): the power series, whose terms are all positive (DLMF 10.25.2), and from 40 + n² on the expansion for
/// large x (DLMF 10.40.1), cut at its least term.
pub fn log_bessel_i(n: u8, x: f64) -> f64 {
    let (x, order) = (x.abs(), f64::from(n));
    if x.is_nan() || x == f64::INFINITY {
        return x;
    }
    if x > 40.0 + order * order {
        let (mut term, mut series) = (1.0f64, 1.0);
        for k in 1..60 {
            let odd = f64::from(2 * k - 1);
            let next = term * -(4.0 * order * order - odd * odd) / (f64::from(k) * 8.0 * x);
            if next.abs() >= term.abs() || next == 0.0 {
                break;
            }
            term = next;
            series += term;
        }
        return x - 0.5 * (2.0 * std::f64::consts::PI * x).ln() + series.ln();
    }
    let quarter = 0.25 * x * x;
    let (mut term, mut series, mut k) = (1.0, 1.0, 0.0);
    while term > 1e-18 * series {
        k += 1.0;
        term *= quarter / (k * (k + order));
        series += term;
    }
    let leading = if n == 0 { 0.0 } else { order * (0.5 * x).ln() - log_gamma(order + 1.0) };
    leading + f64::ln(series)
}
