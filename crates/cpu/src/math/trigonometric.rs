//! Sine and cosine, reduced to |f| ≤ ½ quarter turns for every argument: x·2/π mod 4 needs only a window of the bits of
//! 2/π, whose place follows from the exponent of x (Payne & Hanek 1983). Selects and shifts cut it out: on some
//! processors they are faster than loads from a table by lane.

use super::Real;
use super::kernel::polynomial;

/// The bits of 2/π after the point.
const TWO_OVER_PI: [u64; 20] = [
    0xa2f9_836e_4e44_1529,
    0xfc27_57d1_f534_ddc0,
    0xdb62_9599_3c43_9041,
    0xfe51_63ab_debb_c561,
    0xb724_6e3a_424d_d2e0,
    0x0649_2eea_09d1_921c,
    0xfe1d_eb1c_b129_a73e,
    0xe882_35f5_2ebb_4484,
    0xe99c_7026_b45f_7e41,
    0x3991_d639_8353_39f4,
    0x9c84_5f8b_bdf9_283b,
    0x1ff8_97ff_de05_980f,
    0xef2f_118b_5a0a_6d1f,
    0x6d36_7ecf_27cb_09b7,
    0x4f46_3f66_9e5f_ea2d,
    0x7527_bac7_ebe5_f17b,
    0x3d07_39f7_8a52_92ea,
    0x6bfb_5fb1_1f8d_5d08,
    0x5603_3046_fc7b_6bab,
    0xf0cf_bc20_9af4_361d,
];

/// 2/π as words of 64 bits, after `zeros` < 64 zeros.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler only")]
const fn words<const N: usize>(zeros: u32) -> [u64; N] {
    let mut words = [0; N];
    words[0] = TWO_OVER_PI[0] >> zeros;
    let mut i = 1;
    while i < N {
        words[i] = TWO_OVER_PI[i - 1] << (64 - zeros) | TWO_OVER_PI[i] >> zeros;
        i += 1;
    }
    words
}

/// For f32 with exponents from that of ½ on: bit 0 is worth 2 in x·2/π if the fraction of x is an integer.
const SINGLE: [u64; 4] = words(26);
/// Likewise for f64.
const DOUBLE: [u64; 19] = words(55);

/// `N` words from bit `start` on, where there are that many.
#[inline(always)]
#[allow(clippy::indexing_slicing, reason = "constant once the loops are unrolled")]
fn window<const M: usize, const N: usize>(mut words: [u64; M], start: u64) -> [u64; N] {
    let mut step = M.next_power_of_two() / 2;
    while step > 0 {
        // By bits: a branch here would not become a select.
        let far = 0u64.wrapping_sub(start >> (6 + step.trailing_zeros()) & 1);
        for i in 0..M - step {
            words[i] ^= (words[i] ^ words[i + step]) & far;
        }
        step /= 2;
    }
    let shift = start & 63;
    std::array::from_fn(|i| words[i] << shift | words[i + 1] >> 1 >> (63 - shift))
}

/// The two functions, as one with a quarter turn between them.
pub(super) trait Trigonometric: Real {
    /// cos x if `COSINE`, else sin x.
    fn sine<const FMA: bool, const COSINE: bool>(self) -> Self;
}

/// 2ⁿ for a normal result.
const fn power_of_two(n: i32) -> f64 {
    f64::from_bits(((n + 1023) as u64) << 52)
}

/// An integer below 2⁵² as a number, by the bits of 2⁵².
#[inline(always)]
fn number(n: u64) -> f64 {
    const UNIT: f64 = 4_503_599_627_370_496.0;
    f64::from_bits(UNIT.to_bits() | n) - UNIT
}

/// Half a quarter turn, in units of 2⁻⁶² quarter turns.
const HALF: u64 = 1 << 61;

/// The signed distance to the nearest quarter turn from `turned`, `HALF` above the angle modulo 4; in two parts.
#[inline(always)]
fn fraction(turned: u64) -> (f64, f64) {
    let high = number(turned >> 32 & 0x3fff_ffff) - 536_870_912.0;
    (high * power_of_two(-30), number(turned & 0xffff_ffff) * power_of_two(-62))
}

/// a + b and its rounding error.
#[inline(always)]
fn sum(a: f64, b: f64) -> (f64, f64) {
    let s = a + b;
    let t = s - a;
    (s, (a - (s - t)) + (b - t))
}

/// a·b and its rounding error (Dekker 1971 without fused multiply-add).
#[inline(always)]
fn product<const FMA: bool>(a: f64, b: f64) -> (f64, f64) {
    let p = a * b;
    if FMA {
        return (p, a.mul_add(b, -p));
    }
    let halves = |x: f64| {
        let high = f64::from_bits(x.to_bits() & (u64::MAX << 27));
        (high, x - high)
    };
    let ((a1, a2), (b1, b2)) = (halves(a), halves(b));
    (p, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2)
}

/// The value in its quadrant, with the sign of an odd function's argument.
#[inline(always)]
fn place<const COSINE: bool>(sine: f64, cosine: f64, quadrant: u64, x: f64) -> f64 {
    let quadrant = quadrant + u64::from(COSINE);
    let y = if quadrant & 1 == 0 { sine } else { cosine };
    let sign = if COSINE { 0 } else { x.to_bits() & 1 << 63 };
    let y = f64::from_bits(y.to_bits() ^ (quadrant & 2) << 62 ^ sign);
    if x.abs() < f64::INFINITY { y } else { f64::NAN }
}

impl Trigonometric for f32 {
    #[inline(always)]
    fn sine<const FMA: bool, const COSINE: bool>(self) -> Self {
        let bits = u64::from(self.abs().to_bits());
        let exponent = bits >> 23;
        // The window ends with the second largest exponent; for the largest, the fraction is doubled.
        let m = (bits & 0x7f_ffff | 0x80_0000) << u64::from(exponent > 253);
        let [first, second] = window(SINGLE, exponent.min(253).wrapping_sub(126) & 127);
        let turned = m.wrapping_mul(first).wrapping_add(m.wrapping_mul(second >> 32) >> 32).wrapping_add(HALF);

        let x = f64::from(self);
        let small = x.abs() < std::f64::consts::FRAC_PI_4;
        let (high, low) = fraction(turned);
        let f = if small { x.abs() * std::f64::consts::FRAC_2_PI } else { high + low };
        let z = f * f;
        let sine = f * polynomial!(FMA; z;
            1.570_796_326_787_733_2, -0.645_964_096_100_079_3, 0.079_692_581_788_530_68, -0.004_681_260_228_365_958,
            0.000_158_194_172_193_449_42);
        let cosine = polynomial!(FMA; z;
            0.999_999_999_943_801_7, -1.233_700_539_546_719, 0.253_669_182_192_418_46, -0.020_859_933_141_493_377,
            0.000_903_356_576_243_996_5);
        let quadrant = if small { 0 } else { turned >> 62 };
        place::<COSINE>(sine, cosine, quadrant, x) as Self
    }
}

impl Trigonometric for f64 {
    #[inline(always)]
    fn sine<const FMA: bool, const COSINE: bool>(self) -> Self {
        let x = self.abs();
        let bits = x.to_bits();
        let exponent = bits >> 52;
        // As for f32.
        let m = (bits & ((1 << 52) - 1) | 1 << 52) << u64::from(exponent > 2045);
        let [first, second, third] = window(DOUBLE, exponent.min(2045).wrapping_sub(1022) & 1023);
        let turned = m.wrapping_mul(first).wrapping_add(HALF);
        // The rest of the product, added without loss: these parts may cancel.
        let (high, next) = fraction(turned);
        let middle = number(second >> 12) * power_of_two(-62 - 52);
        let low = number(second << 52 >> 12 | third >> 24) * power_of_two(-62 - 104);
        let m = number(m >> 32) * power_of_two(32) + number(m & 0xffff_ffff);
        let (p, p_error) = product::<FMA>(m, middle);
        let (a, a_error) = sum(high, p);
        let (b, b_error) = sum(a_error, next);
        let (f, f_error) = sum(a, b);
        let f_error = f_error + (b_error + m.fused::<FMA>(low, p_error));

        // Radians; below π/4 they are x.
        const QUARTER: (f64, f64) = (std::f64::consts::FRAC_PI_2, 6.123_233_995_736_766e-17);
        let (r, r_error) = product::<FMA>(f, QUARTER.0);
        let r_error = f.fused::<FMA>(QUARTER.1, f_error.fused::<FMA>(QUARTER.0, r_error));
        let small = x < std::f64::consts::FRAC_PI_4;
        let (r, e) = if small { (x, 0.0) } else { (r, r_error) };
        let quadrant = if small { 0 } else { turned >> 62 };

        let z = r * r;
        let p = polynomial!(FMA; z;
            -0.166_666_666_666_666_3, 0.008_333_333_333_321_84, -0.000_198_412_698_293_586_9,
            2.755_731_353_862_646_6e-6, -2.505_073_441_444_547e-8, 1.589_543_512_551_424_8e-10);
        let half = 0.5 * z;
        // sin(r + e) = sin r + e cos r, and cos r is near enough to 1 − r²/2 there.
        let sine = r + (r * z).fused::<FMA>(p, e * (1.0 - half));
        let p = polynomial!(FMA; z;
            0.041_666_666_666_666_595, -0.001_388_888_888_887_334, 2.480_158_728_899_973_8e-5,
            -2.755_731_421_614_403e-7, 2.087_570_525_064_276e-9, -1.135_874_069_432_923_1e-11);
        let most = 1.0 - half;
        let cosine = most + ((1.0 - most) - half + (z * z).fused::<FMA>(p, -r * e));

        place::<COSINE>(sine, cosine, quadrant, self)
    }
}
