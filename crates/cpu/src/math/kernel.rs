//! The bits and the polynomials of one precision, on which the functions stand. Coefficients are minimax fits of the
//! relative error (Remez exchange in 300 bits, each coefficient rounded before the rest is fitted again).

use super::Real;

/// a₀ + a₁x + a₂x² + … by Horner's rule.
macro_rules! polynomial {
    ($fma:ident; $x:expr; $last:expr $(,)?) => { $last };
    ($fma:ident; $x:expr; $first:expr, $($rest:expr),+ $(,)?) => {
        $crate::math::Real::fused::<$fma>(polynomial!($fma; $x; $($rest),+), $x, $first)
    };
}
pub(super) use polynomial;

/// The bits and the polynomials of f32 or f64.
pub(super) trait Kernel: Real {
    /// 1.5·2ᵖ with p bits of fraction. A small x plus this is rounded to an integer, which its low bits then hold.
    const ROUND: Self;
    /// 2ᵖ: at and above it every number is an integer.
    const INTEGERS: Self;
    /// log 2 in two parts; the product of the first with an exponent is exact.
    const LN2: (Self, Self);
    /// Below, eˣ rounds to 0. Above, it overflows.
    const EXP_RANGE: (Self, Self);
    /// Below, eˣ − 1 rounds to −1.
    const EXPM1_MIN: Self;
    /// ∞
    const INFINITY: Self;
    /// Not a number.
    const NAN: Self;

    /// `ROUND` plus the bias of an exponent.
    const EXPONENT: Self;
    /// 2ⁿ from n + `EXPONENT`, for normal 2ⁿ.
    fn power_of_two(n: Self) -> Self;
    /// x = 2ᵏ(1 + f) as (k, f) with √½ ≤ 1 + f < √2, for 0 < x < ∞.
    fn split(self) -> (Self, Self);
    /// |x| with the sign of `sign`.
    fn with_sign_of(self, sign: Self) -> Self;

    /// eʳ − 1 − r for |r| ≤ ½ log 2.
    fn exp_tail<const FMA: bool>(self) -> Self;
    /// log(1 + f) − f + f²/2 for √½ ≤ 1 + f < √2.
    fn log_tail<const FMA: bool>(self) -> Self;
    /// tanh(x) − x for |x| ≤ 0.55.
    fn tanh_tail<const FMA: bool>(self) -> Self;
}

macro_rules! bits {
    ($t:ty, $bits:ty, fraction: $fraction:expr, bias: $bias:expr) => {
        const EXPONENT: Self = Self::ROUND + $bias as $t;
        const INTEGERS: Self = ((1 as $bits) << $fraction) as $t;
        const INFINITY: Self = <$t>::INFINITY;
        const NAN: Self = <$t>::NAN;

        #[inline(always)]
        fn power_of_two(n: Self) -> Self {
            // The shift drops the bits of `ROUND`.
            <$t>::from_bits(n.to_bits() << $fraction)
        }
        #[inline(always)]
        fn split(self) -> (Self, Self) {
            let lowest = (std::f64::consts::FRAC_1_SQRT_2 as $t).to_bits();
            let one = (1.0 as $t).to_bits();
            // In the low bits of 2ᵖ, an integer is added to it.
            let unit = Self::INTEGERS;
            let subnormal = self < <$t>::MIN_POSITIVE;
            let (scaled, base) = if subnormal {
                (self * unit, unit + $bias as $t + $fraction as $t)
            } else {
                (self, unit + $bias as $t)
            };
            let bits = scaled.to_bits().wrapping_add(one.wrapping_sub(lowest));
            let k = <$t>::from_bits(unit.to_bits() | (bits >> $fraction)) - base;
            let m = <$t>::from_bits((bits & (((1 as $bits) << $fraction) - 1)).wrapping_add(lowest));
            (k, m - 1.0)
        }
        #[inline(always)]
        fn with_sign_of(self, sign: Self) -> Self {
            self.copysign(sign)
        }
    };
}

impl Kernel for f32 {
    const ROUND: Self = 12_582_912.0;
    const LN2: (Self, Self) = (0.693_145_75, 1.428_606_8e-6);
    const EXP_RANGE: (Self, Self) = (-104.0, 89.0);
    const EXPM1_MIN: Self = -18.0;
    bits!(f32, u32, fraction: 23, bias: 127);

    #[inline(always)]
    fn exp_tail<const FMA: bool>(self) -> Self {
        let r = self;
        r * r * polynomial!(FMA; r; 0.499_999_97, 0.166_665_39, 0.041_667_756, 0.008_367_126, 0.001_383_560_7)
    }
    #[inline(always)]
    fn log_tail<const FMA: bool>(self) -> Self {
        let f = self;
        let p = polynomial!(FMA; f;
            0.333_333_3, -0.250_008_23, 0.200_012_61, -0.166_233_3, 0.142_009_23, -0.131_595_67, 0.127_674_48,
            -0.076_437_6);
        f * f * f * p
    }
    #[inline(always)]
    fn tanh_tail<const FMA: bool>(self) -> Self {
        let z = self * self;
        self * z * polynomial!(FMA; z; -0.333_333_16, 0.133_325_44, -0.053_847_548, 0.021_050_714, -0.006_242_849)
    }
}

impl Kernel for f64 {
    const ROUND: Self = 6_755_399_441_055_744.0;
    const LN2: (Self, Self) = (0.693_147_180_560_117_7, -1.723_944_452_561_483_5e-13);
    const EXP_RANGE: (Self, Self) = (-746.0, 710.0);
    const EXPM1_MIN: Self = -38.0;
    bits!(f64, u64, fraction: 52, bias: 1023);

    #[inline(always)]
    fn exp_tail<const FMA: bool>(self) -> Self {
        let r = self;
        let p = polynomial!(FMA; r;
            0.5, 0.166_666_666_666_666_77, 0.041_666_666_666_666_69, 0.008_333_333_333_321_747,
            0.001_388_888_888_888_389_6, 0.000_198_412_698_852_440_62, 2.480_158_729_422_074_8e-5,
            2.755_724_534_659_608_7e-6, 2.755_732_604_753_527e-7, 2.510_863_209_692_687e-8,
            2.089_139_037_000_738_6e-9);
        r * r * p
    }
    #[inline(always)]
    fn log_tail<const FMA: bool>(self) -> Self {
        // log(1 + f) = 2 artanh s with s = f/(2 + f), and f − 2s = sf.
        let f = self;
        let half_square = 0.5 * f * f;
        let s = f / (2.0 + f);
        let z = s * s;
        let p = polynomial!(FMA; z;
            0.666_666_666_666_673_4, 0.399_999_999_994_166_36, 0.285_714_287_420_292_87, 0.222_221_986_049_807_09,
            0.181_835_628_525_526_72, 0.153_140_848_802_040_07, 0.147_956_322_377_129_83);
        s * z.fused::<FMA>(p, half_square)
    }
    #[inline(always)]
    fn tanh_tail<const FMA: bool>(self) -> Self {
        let z = self * self;
        let p = polynomial!(FMA; z;
            -0.333_333_333_333_333, 0.133_333_333_333_265_72, -0.053_968_253_963_729_05, 0.021_869_488_384_884_554,
            -0.008_863_232_584_602_624, 0.003_592_091_852_112_688, -0.001_455_541_649_056_398_1,
            0.000_588_439_376_107_618_9, -0.000_233_368_112_329_015_82, 8.329_654_526_186_278e-5,
            -1.948_203_112_437_25e-5);
        self * z * p
    }
}
