//! log |Γ| and its derivative ψ. Three pieces, with z = |x|:
//!
//! - z < 1: from 1 + z by the recurrence, whose terms do not cancel;
//! - 1 ≤ z < 3: the zeros as factors, times a rational function;
//! - z ≥ 3: Stirling's formula, its remainder a polynomial in 1/z² (Abramowitz & Stegun 6.1.40, 6.3.18);
//!
//! and x < 0 by reflection (6.1.17, 6.3.7). All are computed and one is chosen.

use super::elementary::{constant, log_with_error};
use super::kernel::{Kernel, polynomial};

/// The coefficients of one precision: minimax fits, the rational ones by reweighted least squares.
pub(super) trait GammaKernel: Kernel {
    /// The positive zero of ψ in two parts.
    const DIGAMMA_ZERO: (Self, Self);

    /// log Γ(1 + t)/(t(t − 1)) for 0 ≤ t ≤ 2.
    fn log_gamma_factor<const FMA: bool>(self) -> Self;
    /// ψ(1 + t)/(1 + t − zero) for 0 ≤ t ≤ 2.
    fn digamma_factor<const FMA: bool>(self) -> Self;
    /// z(log Γ(z) − (z − ½)log z + z − ½ log 2π) from w = 1/z² for z ≥ 3.
    fn log_gamma_remainder<const FMA: bool>(self) -> Self;
    /// z²(log z − 1/(2z) − ψ(z)) from w = 1/z² for z ≥ 3.
    fn digamma_remainder<const FMA: bool>(self) -> Self;
    /// sin(πr)/r from r² for |r| ≤ ½.
    fn sin_pi<const FMA: bool>(self) -> Self;
    /// cos(πr) from r² for |r| ≤ ½.
    fn cos_pi<const FMA: bool>(self) -> Self;
}

/// z less the nearest integer.
#[inline(always)]
fn off_integer<T: Kernel>(z: T) -> T {
    let r = z - ((z + T::INTEGERS) - T::INTEGERS);
    if z < T::INTEGERS { r } else { T::ZERO }
}

#[inline(always)]
pub(super) fn log_gamma<T: GammaKernel, const FMA: bool>(x: T) -> T {
    let z = x.abs();
    let below_one = z < T::ONE;
    let (log, error) = log_with_error::<T, FMA>(z);

    let t = if below_one { z } else { z - T::ONE };
    // Plus 0, so that log Γ(1) is not −0.
    let factored = (t * (t - T::ONE)).fused::<FMA>(t.log_gamma_factor::<FMA>(), T::ZERO);
    let small = if below_one { (factored - error) - log } else { factored };

    let inverse = T::ONE / z;
    let shifted = z - constant(0.5);
    // ½ log 2π − ½ is the rest of Stirling's formula.
    let remainder = (inverse * inverse).log_gamma_remainder::<FMA>();
    let rest = inverse.fused::<FMA>(remainder, constant(0.418_938_533_204_672_7));
    let large = shifted.fused::<FMA>(log - T::ONE, shifted.fused::<FMA>(error, rest));
    let y = if z < constant(3.0) { small } else { large };

    // log |Γ(−z)| = log π − log(z |sin πz|) − log Γ(z), with log Γ(z) = log Γ(1 + z) − log z for z < 1.
    let r = off_integer(z);
    let sine = (r * (r * r).sin_pi::<FMA>()).abs();
    let product = if below_one { sine } else { z * sine };
    let (log, _) = log_with_error::<T, FMA>(product);
    let reflected = (constant::<T>(1.144_729_885_849_400_2) - log) - if below_one { factored } else { y };
    // Near 0 the product loses bits below the smallest normal number, but there log |Γ(−z)| is log Γ(z).
    let reflected = if z < constant(1e-20) { y } else { reflected };
    let reflected = if product == T::ZERO { T::INFINITY } else { reflected };

    let y = if x < T::ZERO { reflected } else { y };
    if z == T::ZERO || z == T::INFINITY { T::INFINITY } else { y }
}

#[inline(always)]
pub(super) fn digamma<T: GammaKernel, const FMA: bool>(x: T) -> T {
    let z = x.abs();
    let below_one = z < T::ONE;
    let inverse = T::ONE / z;

    let t = if below_one { z } else { z - T::ONE };
    let zero = if below_one { T::DIGAMMA_ZERO.0 - T::ONE } else { T::DIGAMMA_ZERO.0 };
    let factored = ((z - zero) - T::DIGAMMA_ZERO.1) * t.digamma_factor::<FMA>();
    let small = if below_one { factored - inverse } else { factored };

    let (log, error) = log_with_error::<T, FMA>(z);
    let w = inverse * inverse;
    let large = log + (error - w.fused::<FMA>(w.digamma_remainder::<FMA>(), constant::<T>(0.5) * inverse));
    let y = if z < constant(3.0) { small } else { large };

    // ψ(−z) = ψ(z) + 1/z + π cot πz, with ψ(z) = ψ(1 + z) − 1/z for z < 1.
    let r = off_integer(z);
    let square = r * r;
    let cotangent = square.cos_pi::<FMA>() / (r * square.sin_pi::<FMA>());
    let other = if below_one { factored } else { y + inverse };
    let reflected = constant::<T>(std::f64::consts::PI).fused::<FMA>(cotangent, other);
    let reflected = if r == T::ZERO { T::NAN } else { reflected };

    let y = if x == T::INFINITY { x } else { y };
    if x <= T::ZERO { reflected } else { y }
}

impl GammaKernel for f32 {
    const DIGAMMA_ZERO: (Self, Self) = (1.461_632_1, 1.243_815e-8);

    #[inline(always)]
    fn log_gamma_factor<const FMA: bool>(self) -> Self {
        let t = self;
        let p = polynomial!(FMA; t; 0.139_715_66, -0.024_321_083, -0.133_363_29, -0.031_550_977, -0.000_116_752_984);
        let q = polynomial!(FMA; t; 1.0, 1.581_284, 0.708_703_8, 0.083_045_93);
        0.4375 + p / q
    }
    #[inline(always)]
    fn digamma_factor<const FMA: bool>(self) -> Self {
        let t = self;
        let p = polynomial!(FMA; t; 0.375_380_13, -0.242_139_9, -0.375_072_4, -0.065_087_736, -0.000_104_869_374);
        let q = polynomial!(FMA; t; 1.0, 1.631_821_5, 0.711_726_37, 0.079_535_39);
        0.875 + p / q
    }
    #[inline(always)]
    fn log_gamma_remainder<const FMA: bool>(self) -> Self {
        polynomial!(FMA; self; 0.083_333_32, -0.002_776_954_3, 0.000_774_927_55, -0.000_408_448_45)
    }
    #[inline(always)]
    fn digamma_remainder<const FMA: bool>(self) -> Self {
        polynomial!(FMA; self; 0.083_333_276, -0.008_328_732, 0.003_844_755_2, -0.002_731_001_2)
    }
    #[inline(always)]
    fn sin_pi<const FMA: bool>(self) -> Self {
        polynomial!(FMA; self; std::f32::consts::PI, -5.167_721, 2.550_269_8, -0.599_437_4, 0.079_836_026)
    }
    #[inline(always)]
    fn cos_pi<const FMA: bool>(self) -> Self {
        polynomial!(FMA; self; 0.999_999_94, -4.934_790_6, 4.058_358_7, -1.331_492_7, 0.218_837_96)
    }
}

impl GammaKernel for f64 {
    const DIGAMMA_ZERO: (Self, Self) = (1.461_632_144_968_362_2, 9.549_995_429_965_697e-17);

    #[inline(always)]
    fn log_gamma_factor<const FMA: bool>(self) -> Self {
        let t = self;
        let p = polynomial!(FMA; t;
            0.139_715_664_901_532_87, 0.224_961_364_724_181_32, -0.043_881_223_739_572_636, -0.271_090_653_300_471_94,
            -0.186_276_493_367_897_34, -0.050_929_662_460_997_095, -0.005_619_673_701_818_615,
            -0.000_187_462_318_835_474_87, -5.035_969_765_548_887_5e-8);
        let q = polynomial!(FMA; t;
            1.0, 3.365_497_588_106_19, 4.481_082_347_353_235, 3.005_631_622_162_220_6, 1.070_971_055_611_451_1,
            0.196_244_688_352_029_57, 0.016_346_654_768_161_363, 0.000_444_550_731_673_524_6);
        0.4375 + p / q
    }
    #[inline(always)]
    fn digamma_factor<const FMA: bool>(self) -> Self {
        let t = self;
        let p = polynomial!(FMA; t;
            0.375_380_137_503_405_4, 0.006_749_789_633_650_044, -0.490_532_820_635_770_97, -0.339_763_919_284_251_87,
            -0.090_552_002_620_874_86, -0.010_650_072_630_582_75, -0.000_506_998_532_482_476_2,
            -6.826_931_507_405_120_5e-6);
        let q = polynomial!(FMA; t;
            1.0, 2.294_855_438_981_831, 1.913_784_301_670_785, 0.755_686_284_481_218_9, 0.150_967_531_435_047_35,
            0.014_829_078_913_590_163, 0.000_626_822_845_932_229_8, 7.853_273_073_580_081e-6);
        0.875 + p / q
    }
    #[inline(always)]
    fn log_gamma_remainder<const FMA: bool>(self) -> Self {
        polynomial!(FMA; self;
            0.083_333_333_333_331_44, -0.002_777_777_776_939_371_7, 0.000_793_650_656_162_663_8,
            -0.000_595_226_335_439_597_6, 0.000_841_142_386_073_718_7, -0.001_896_832_988_092_019,
            0.005_921_401_818_998_687, -0.021_149_851_330_127_707, 0.068_606_852_319_614_19,
            -0.158_336_578_837_638_96, 0.181_231_995_018_607_6)
    }
    #[inline(always)]
    fn digamma_remainder<const FMA: bool>(self) -> Self {
        polynomial!(FMA; self;
            0.083_333_333_333_329_42, -0.008_333_333_331_100_18, 0.003_968_253_505_247_983,
            -0.004_166_616_991_310_097, 0.007_572_539_803_787_517, -0.020_955_429_226_924_335,
            0.079_236_212_186_612_67, -0.353_766_462_735_742, 1.548_306_297_701_865_6, -5.504_615_385_528_818,
            13.072_703_277_331_636, -14.922_043_466_646_41)
    }
    #[inline(always)]
    fn sin_pi<const FMA: bool>(self) -> Self {
        polynomial!(FMA; self;
            std::f64::consts::PI, -5.167_712_780_049_91, 2.550_164_039_872_466, -0.599_264_529_168_891_6,
            0.082_145_884_273_912_7, -0.007_370_411_297_469_185, 0.000_466_210_634_897_217_9,
            -2.168_735_565_315_762e-5, 5.565_417_687_941_143e-7)
    }
    #[inline(always)]
    fn cos_pi<const FMA: bool>(self) -> Self {
        polynomial!(FMA; self;
            1.0, -4.934_802_200_544_677, 4.058_712_126_416_504, -1.335_262_768_843_151_3, 0.235_330_630_119_519_07,
            -0.025_806_888_617_095_64, 0.001_929_555_573_660_904_7, -0.000_104_564_556_570_345_65,
            4.147_323_637_549_006e-6)
    }
}
