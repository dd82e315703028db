//! The exponential, the logarithm and their kin, once for both precisions.

use super::Real;
use super::kernel::Kernel;

#[inline(always)]
pub(super) fn constant<T: Real>(x: f64) -> T {
    T::from_f64(x)
}

/// x within the bounds; NaN stays.
#[inline(always)]
fn clamp<T: Real>(x: T, low: T, high: T) -> T {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// x = n log 2 + r + e as (n, r, e): n an integer, |r| ≤ ½ log 2, e the rounding error of r.
#[inline(always)]
fn reduce<T: Kernel, const FMA: bool>(x: T) -> (T, T, T) {
    let n = x.fused::<FMA>(constant(std::f64::consts::LOG2_E), T::ROUND) - T::ROUND;
    let high = n.fused::<FMA>(-T::LN2.0, x);
    let low = n * T::LN2.1;
    let r = high - low;
    (n, r, (high - r) - low)
}

/// 2ⁿ as two factors, the first normal: a product with one after the other is rounded once also where it is subnormal.
#[inline(always)]
fn power_of_two<T: Kernel, const FMA: bool>(n: T) -> (T, T) {
    let half = n.fused::<FMA>(constant(0.5), T::EXPONENT);
    let rest = (n - (half - T::EXPONENT)) + T::EXPONENT;
    (T::power_of_two(half), T::power_of_two(rest))
}

#[inline(always)]
pub(super) fn exp<T: Kernel, const FMA: bool>(x: T) -> T {
    let (n, r, _) = reduce::<T, FMA>(clamp(x, T::EXP_RANGE.0, T::EXP_RANGE.1));
    let (a, b) = power_of_two::<T, FMA>(n);
    (T::ONE + (r + r.exp_tail::<FMA>())) * a * b
}

/// eˣ and its rounding error.
#[inline(always)]
fn exp_with_error<T: Kernel, const FMA: bool>(x: T) -> (T, T) {
    let (n, r, e) = reduce::<T, FMA>(clamp(x, T::EXP_RANGE.0, T::EXP_RANGE.1));
    let sum = T::ONE + r;
    let tail = r.exp_tail::<FMA>() + e.fused::<FMA>(r, e) + (r - (sum - T::ONE));
    let y = sum + tail;
    let (a, b) = power_of_two::<T, FMA>(n);
    (y * a * b, (tail - (y - sum)) * a * b)
}

/// eˣ − 1 = 2ⁿ((1 − 2⁻ⁿ) + (eʳ − 1)).
#[inline(always)]
pub(super) fn expm1<T: Kernel, const FMA: bool>(x: T) -> T {
    let (n, r, e) = reduce::<T, FMA>(clamp(x, T::EXPM1_MIN, T::EXP_RANGE.1));
    // Beyond 64, 2⁻ⁿ does not count.
    let first = T::ONE - T::power_of_two(T::EXPONENT - clamp(n, -constant::<T>(64.0), constant(64.0)));
    let sum = first + r;
    let error = r - (sum - first);
    // Beside e itself, e(eʳ − 1) counts.
    let tail = r.exp_tail::<FMA>() + e.fused::<FMA>(r, e) + error;
    let (a, b) = power_of_two::<T, FMA>(n);
    let y = (sum + tail) * a * b;
    // The sums lose the sign of −0.
    if x == T::ZERO { x } else { y }
}

/// k log 2 + log(1 + f) + `small`.
#[inline(always)]
fn combine<T: Kernel, const FMA: bool>(k: T, f: T, small: T) -> T {
    let half_square = constant::<T>(0.5) * f * f;
    let tail = k.fused::<FMA>(T::LN2.1, f.log_tail::<FMA>() + small);
    k.fused::<FMA>(T::LN2.0, f - (half_square - tail))
}

/// log x and its rounding error, for 0 < x < ∞.
#[inline(always)]
pub(super) fn log_with_error<T: Kernel, const FMA: bool>(x: T) -> (T, T) {
    let (k, f) = x.split();
    let half_square = constant::<T>(0.5) * f * f;
    let tail = k.fused::<FMA>(T::LN2.1, f.log_tail::<FMA>());
    let rest = f - (half_square - tail);
    let first = k * T::LN2.0;
    let sum = first + rest;
    (sum, (first - sum) + rest)
}

#[inline(always)]
pub(super) fn log<T: Kernel, const FMA: bool>(x: T) -> T {
    let (k, f) = x.split();
    let y = combine::<T, FMA>(k, f, T::ZERO);
    let edge = if x == T::ZERO { -T::INFINITY } else { T::NAN };
    let edge = if x == T::INFINITY { x } else { edge };
    if x > T::ZERO && x < T::INFINITY { y } else { edge }
}

#[inline(always)]
pub(super) fn log1p<T: Kernel, const FMA: bool>(x: T) -> T {
    let u = T::ONE + x;
    let lost = if x > T::ONE { T::ONE - (u - x) } else { x - (u - T::ONE) };
    let (k, f) = u.split();
    // Where u needs no scaling, x is f, with nothing lost.
    let unscaled = k == T::ZERO;
    let f = if unscaled { x } else { f };
    let lost = if unscaled { T::ZERO } else { lost / u };
    let y = combine::<T, FMA>(k, f, lost);
    let y = if x == T::ZERO { x } else { y };
    let edge = if x == -T::ONE { -T::INFINITY } else { T::NAN };
    let edge = if x == T::INFINITY { x } else { edge };
    if x > -T::ONE && x < T::INFINITY { y } else { edge }
}

#[inline(always)]
pub(super) fn tanh<T: Kernel, const FMA: bool>(x: T) -> T {
    let a = x.abs();
    let small = a + a.tanh_tail::<FMA>();
    let e = exp::<T, FMA>(a + a);
    let large = T::ONE - constant::<T>(2.0) / (e + T::ONE);
    let y = if a < constant(0.55) { small } else { large };
    y.with_sign_of(x)
}

/// 1/(1 + e) for x ≥ 0, else e/(1 + e), with e = e^−|x|; the errors of e and of the sum then corrected to first order.
#[inline(always)]
pub(super) fn sigmoid<T: Kernel, const FMA: bool>(x: T) -> T {
    let (e, error) = exp_with_error::<T, FMA>(-x.abs());
    let d = T::ONE + e;
    let d_error = ((T::ONE - d) + e) + error;
    let (n, n_error) = if x < T::ZERO { (e, error) } else { (T::ONE, T::ZERO) };
    let q = n / d;
    let inverse = if x < T::ZERO { T::ONE - q } else { q };
    (n_error - q * d_error).fused::<FMA>(inverse, q)
}

/// max(x, 0) + log(1 + e) with e = e^−|x|; for larger e as log 2 + log(1 + (e − 1)/2), where e − 1 is exact.
#[inline(always)]
pub(super) fn softplus<T: Kernel, const FMA: bool>(x: T) -> T {
    let e = exp::<T, FMA>(-x.abs());
    let large = e > constant(std::f64::consts::SQRT_2 - 1.0);
    let k = if large { T::ONE } else { T::ZERO };
    let f = if large { constant::<T>(0.5) * (e - T::ONE) } else { e };
    let positive = if x > T::ZERO { x } else { T::ZERO };
    positive + combine::<T, FMA>(k, f, T::ZERO)
}
