//! Element-wise operations on slices, as loops that become vector code.

use fe_graph::plan::Map;
use fe_graph::{Binary, Unary, special};

use crate::math::Real;

#[inline(always)]
fn one<T: Real>(out: &mut [T], a: &[T], f: impl Fn(T) -> T) {
    for (o, &x) in out.iter_mut().zip(a) {
        *o = f(x);
    }
}

#[inline(always)]
fn two<T: Real>(out: &mut [T], a: &[T], b: &[T], f: impl Fn(T, T) -> T) {
    for ((o, &x), &y) in out.iter_mut().zip(a).zip(b) {
        *o = f(x, y);
    }
}

#[inline(always)]
fn truth<T: Real>(t: bool) -> T {
    if t { T::ONE } else { T::ZERO }
}

/// Functions that are rare or have no vector form, one element at a time in f64.
#[inline(never)]
fn slow_unary<T: Real>(op: Unary, out: &mut [T], a: &[T]) {
    for (o, &x) in out.iter_mut().zip(a) {
        *o = T::from_f64(special::unary(op, x.to_f64()));
    }
}

#[inline(never)]
fn slow_binary<T: Real>(op: Binary, out: &mut [T], a: &[T], b: &[T]) {
    for ((o, &x), &y) in out.iter_mut().zip(a).zip(b) {
        *o = T::from_f64(special::binary(op, x.to_f64(), y.to_f64()));
    }
}

/// One instruction on a block. `b` and `c` are ignored where the operation has fewer operands.
// NaN alone differs from itself.
#[allow(clippy::eq_op)]
#[inline(always)]
pub fn apply<T: Real, const FMA: bool>(map: Map, out: &mut [T], a: &[T], b: &[T], c: &[T]) {
    match map {
        Map::Copy => out.copy_from_slice(a),
        Map::Select => {
            for (((o, &w), &x), &y) in out.iter_mut().zip(a).zip(b).zip(c) {
                *o = if w != T::ZERO { x } else { y };
            }
        }
        Map::Unary(op) => match op {
            Unary::Neg => one(out, a, |x| -x),
            Unary::Exp => one(out, a, |x| x.exp::<FMA>()),
            Unary::Log => one(out, a, |x| x.log::<FMA>()),
            Unary::Log1p => one(out, a, |x| x.log1p::<FMA>()),
            Unary::Expm1 => one(out, a, |x| x.expm1::<FMA>()),
            Unary::Sqrt => one(out, a, |x| x.sqrt()),
            Unary::Square => one(out, a, |x| x * x),
            Unary::Recip => one(out, a, |x| T::ONE / x),
            Unary::Abs => one(out, a, |x| x.abs()),
            Unary::Sign => one(out, a, |x| {
                let below = if x < T::ZERO { -T::ONE } else { x };
                if x > T::ZERO { T::ONE } else { below }
            }),
            Unary::Step => one(out, a, |x| truth(x > T::ZERO)),
            // NaN stays.
            Unary::Relu => one(out, a, |x| if x < T::ZERO { T::ZERO } else { x }),
            Unary::Tanh => one(out, a, |x| x.tanh::<FMA>()),
            Unary::Sigmoid => one(out, a, |x| x.sigmoid::<FMA>()),
            Unary::Softplus => one(out, a, |x| x.softplus::<FMA>()),
            Unary::Sin => one(out, a, |x| x.sin::<FMA>()),
            Unary::Cos => one(out, a, |x| x.cos::<FMA>()),
            Unary::Floor => one(out, a, |x| x.floor()),
            Unary::LogGamma => one(out, a, |x| x.log_gamma::<FMA>()),
            Unary::Polygamma(0) => one(out, a, |x| x.digamma::<FMA>()),
            Unary::Atan
            | Unary::Erf
            | Unary::NormalCdf
            | Unary::LogNormalCdf
            | Unary::Polygamma(_)
            | Unary::LogBesselI(_) => {
                slow_unary(op, out, a);
            }
        },
        Map::Binary(op) => match op {
            Binary::Add => two(out, a, b, |x, y| x + y),
            Binary::Sub => two(out, a, b, |x, y| x - y),
            Binary::Mul => two(out, a, b, |x, y| x * y),
            Binary::Div => two(out, a, b, |x, y| x / y),
            // NaN of either operand stays: x + y is NaN then.
            Binary::Max => two(out, a, b, larger),
            Binary::Min => two(out, a, b, |x, y| {
                let smaller = if x < y { x } else { y };
                if x == x && y == y { smaller } else { x + y }
            }),
            Binary::Less => two(out, a, b, |x, y| truth(x < y)),
            Binary::LessEqual => two(out, a, b, |x, y| truth(x <= y)),
            Binary::Equal => two(out, a, b, |x, y| truth(x == y)),
            Binary::Pow
            | Binary::LogGammaQuantile
            | Binary::LogGammaQuantileSlope
            | Binary::GammaScore
            | Binary::VonMisesQuantile
            | Binary::VonMisesQuantileSlope => slow_binary(op, out, a, b),
        },
    }
}

/// Σ of a slice: sixteen sums side by side, then in f64.
#[inline(always)]
pub fn sum<T: Real>(x: &[T]) -> f64 {
    let (chunks, rest) = x.as_chunks::<16>();
    let tail: f64 = rest.iter().map(|v| v.to_f64()).sum();
    let Some((first, chunks)) = chunks.split_first() else { return tail };
    let mut lanes = *first;
    for chunk in chunks {
        for (l, &v) in lanes.iter_mut().zip(chunk) {
            *l = *l + v;
        }
    }
    let mut fours = [0.0; 4];
    for part in lanes.as_chunks::<4>().0 {
        for (f, l) in fours.iter_mut().zip(part) {
            *f += l.to_f64();
        }
    }
    let [a, b, c, d] = fours;
    (a + c) + (b + d) + tail
}

/// The larger of two; NaN if either is.
// NaN alone differs from itself.
#[allow(clippy::eq_op)]
#[inline(always)]
pub fn larger<T: Real>(x: T, y: T) -> T {
    let larger = if x > y { x } else { y };
    if x == x && y == y { larger } else { x + y }
}

/// The largest of a slice and `start`, sixteen side by side; NaN if any is.
#[inline(always)]
pub fn max<T: Real>(x: &[T], start: f64) -> f64 {
    let (chunks, rest) = x.as_chunks::<16>();
    let most = rest.iter().fold(start, |most, v| larger(most, v.to_f64()));
    let Some((first, chunks)) = chunks.split_first() else { return most };
    let mut lanes = *first;
    for chunk in chunks {
        for (l, &v) in lanes.iter_mut().zip(chunk) {
            *l = larger(*l, v);
        }
    }
    lanes.iter().fold(most, |most, l| larger(most, l.to_f64()))
}
