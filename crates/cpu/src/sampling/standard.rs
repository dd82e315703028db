//! Standard draws from the words of a stream, as [`fe_graph::noise::Stream`] makes them. In f32 they are computed from
//! the integers, so that no bits are lost near 0 and 1.

use std::mem::size_of;

use crate::math::Real;

/// 2⁻²⁷, 2⁻⁵³ and 2⁻³².
const HIGH: f64 = 1.0 / 134_217_728.0;
const LOW: f64 = 1.0 / 9_007_199_254_740_992.0;
const TURN: f64 = 1.0 / 4_294_967_296.0;

/// Uniform on (0, 1) with 53 bits.
#[inline(always)]
pub(super) fn uniform<T: Real, const FMA: bool>(words: [u32; 2]) -> T {
    let [high, low] = words;
    if single::<T>() {
        T::from_f64(f64::from(uniform_f32::<FMA>(high, low)))
    } else {
        T::from_f64(uniform_f64(high, low))
    }
}

/// Exponential with rate 1: −log u.
#[inline(always)]
pub(super) fn exponential<T: Real, const FMA: bool>(words: [u32; 2]) -> T {
    let [high, low] = words;
    if single::<T>() {
        T::from_f64(f64::from(exponential_f32::<FMA>(high, low)))
    } else {
        T::from_f64(-Real::log::<FMA>(uniform_f64(high, low)))
    }
}

/// Normal, by Box and Muller: √(−2 log u) cos 2πv.
#[inline(always)]
pub(super) fn normal<T: Real, const FMA: bool>(words: [u32; 4]) -> T {
    let [a, b, high, low] = words;
    let twice = exponential::<T, FMA>([a, b]);
    let radius = (twice + twice).sqrt();
    if single::<T>() {
        radius * T::from_f64(f64::from(cos_turn_f32::<FMA>(high, low)))
    } else {
        radius * T::from_f64(Real::cos::<FMA>(2.0 * std::f64::consts::PI * uniform_f64(high, low)))
    }
}

#[inline(always)]
fn single<T>() -> bool {
    size_of::<T>() == size_of::<f32>()
}

#[inline(always)]
fn uniform_f64(high: u32, low: u32) -> f64 {
    // Through i32, whose conversion every instruction set has.
    let (high, low) = (f64::from((high >> 5) as i32), f64::from((low >> 6) as i32));
    (high * 67_108_864.0 + low + 0.5) * LOW
}

#[inline(always)]
fn uniform_f32<const FMA: bool>(high: u32, low: u32) -> f32 {
    let (high, low) = ((high >> 5) as i32 as f32, (low >> 6) as i32 as f32);
    high.fused::<FMA>(HIGH as f32, (low + 0.5) * LOW as f32)
}

/// −log u, to 2 ulp: u = 2ᵏ m with m in [√½, √2) and −log u = −k log 2 − log1p(m − 1); and where k = 0 and u < 1,
/// m − 1 is −(1 − u), which the words' complement gives with all its bits.
#[inline(always)]
fn exponential_f32<const FMA: bool>(high: u32, low: u32) -> f32 {
    const ROOT_HALF: i32 = 0x3f35_04f3;
    let (u, rest) = (uniform_f32::<FMA>(high, low), uniform_f32::<FMA>(!high, !low));
    let bits = u.to_bits() as i32 - ROOT_HALF;
    let k = bits >> 23;
    let m = f32::from_bits(((bits & 0x007f_ffff) + ROOT_HALF) as u32);
    let f = if k == 0 { -rest } else { m - 1.0 };
    // (log1p f − f + f²/2)/f³ on [√½ − 1, √2 − 1], a minimax fit weighted to 6e-9 of log1p f.
    let p = (-0.076_344_3_f32)
        .fused::<FMA>(f, 0.127_615_5)
        .fused::<FMA>(f, -0.131_601_94)
        .fused::<FMA>(f, 0.142_017_62)
        .fused::<FMA>(f, -0.166_233_57)
        .fused::<FMA>(f, 0.200_012_27)
        .fused::<FMA>(f, -0.250_008_23)
        .fused::<FMA>(f, 0.333_333_3);
    let square = f * f;
    let tail = (p * f).fused::<FMA>(square, -0.5 * square);
    // log 2 in two parts, the first of which is exact times any k.
    let k = k as f32;
    -k.fused::<FMA>(0.693_359_4, k.fused::<FMA>(-2.121_944_4e-4, tail) + f)
}

/// cos 2πu. The turn is reduced as an integer, hence without rounding.
#[inline(always)]
fn cos_turn_f32<const FMA: bool>(high: u32, low: u32) -> f32 {
    // cos 2πu = sin 2π(u + ¼), with the angle in 2⁻³² turns, in [−½, ½).
    let angle = ((high & !31) | (low >> 27)).wrapping_add(1 << 30) as i32;
    // sin(π − x) = sin x takes the outer quarters to [−¼, ¼].
    let folded = i32::MIN.wrapping_sub(angle);
    let angle = if (angle ^ (angle << 1)) < 0 { folded } else { angle };
    let x = angle as f32 * TURN as f32;
    let z = x * x;
    // sin(2πx)/x in x², a minimax fit to 5e-9.
    let p = 39.711_132_f32
        .fused::<FMA>(z, -76.575_02)
        .fused::<FMA>(z, 81.602_234)
        .fused::<FMA>(z, -41.341_68)
        .fused::<FMA>(z, 6.283_185_5);
    p * x
}
