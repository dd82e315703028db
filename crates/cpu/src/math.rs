//! Element-wise functions. Measured errors: docs/math.md.

mod elementary;
mod gamma;
mod kernel;
pub mod slices;
mod trigonometric;

use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::product::Lanes;
use crate::tape::Wide;

/// f32 or f64, with functions written without branches, so that a loop over them becomes vector code. `FMA` says that
/// fused multiply-add is an instruction here.
pub trait Real:
    Copy
    + Debug
    + Default
    + Send
    + Sync
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Lanes
    + Wide
    + 'static
{
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// Rounded from an f64.
    fn from_f64(x: f64) -> Self;
    /// As an f64.
    fn to_f64(self) -> f64;
    /// a·b + c, rounded once where that is an instruction.
    fn fused<const FMA: bool>(self, b: Self, c: Self) -> Self;
    /// √x
    fn sqrt(self) -> Self;
    /// |x|
    fn abs(self) -> Self;
    /// ⌊x⌋
    fn floor(self) -> Self;
    /// eˣ
    fn exp<const FMA: bool>(self) -> Self;
    /// log x
    fn log<const FMA: bool>(self) -> Self;
    /// log(1 + x)
    fn log1p<const FMA: bool>(self) -> Self;
    /// eˣ − 1
    fn expm1<const FMA: bool>(self) -> Self;
    /// tanh x
    fn tanh<const FMA: bool>(self) -> Self;
    /// 1/(1 + e⁻ˣ)
    fn sigmoid<const FMA: bool>(self) -> Self;
    /// log(1 + eˣ)
    fn softplus<const FMA: bool>(self) -> Self;
    /// sin x
    fn sin<const FMA: bool>(self) -> Self;
    /// cos x
    fn cos<const FMA: bool>(self) -> Self;
    /// log |Γ(x)|
    fn log_gamma<const FMA: bool>(self) -> Self;
    /// ψ(x)
    fn digamma<const FMA: bool>(self) -> Self;
}

macro_rules! real {
    ($t:ty) => {
        impl Real for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as Self
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn fused<const FMA: bool>(self, b: Self, c: Self) -> Self {
                if FMA { self.mul_add(b, c) } else { self * b + c }
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                <$t>::sqrt(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                <$t>::abs(self)
            }
            #[inline(always)]
            fn floor(self) -> Self {
                <$t>::floor(self)
            }
            #[inline(always)]
            fn exp<const FMA: bool>(self) -> Self {
                elementary::exp::<Self, FMA>(self)
            }
            #[inline(always)]
            fn log<const FMA: bool>(self) -> Self {
                elementary::log::<Self, FMA>(self)
            }
            #[inline(always)]
            fn log1p<const FMA: bool>(self) -> Self {
                elementary::log1p::<Self, FMA>(self)
            }
            #[inline(always)]
            fn expm1<const FMA: bool>(self) -> Self {
                elementary::expm1::<Self, FMA>(self)
            }
            #[inline(always)]
            fn tanh<const FMA: bool>(self) -> Self {
                elementary::tanh::<Self, FMA>(self)
            }
            #[inline(always)]
            fn sigmoid<const FMA: bool>(self) -> Self {
                elementary::sigmoid::<Self, FMA>(self)
            }
            #[inline(always)]
            fn softplus<const FMA: bool>(self) -> Self {
                elementary::softplus::<Self, FMA>(self)
            }
            #[inline(always)]
            fn sin<const FMA: bool>(self) -> Self {
                trigonometric::Trigonometric::sine::<FMA, false>(self)
            }
            #[inline(always)]
            fn cos<const FMA: bool>(self) -> Self {
                trigonometric::Trigonometric::sine::<FMA, true>(self)
            }
            #[inline(always)]
            fn log_gamma<const FMA: bool>(self) -> Self {
                gamma::log_gamma::<Self, FMA>(self)
            }
            #[inline(always)]
            fn digamma<const FMA: bool>(self) -> Self {
                gamma::digamma::<Self, FMA>(self)
            }
        }
    };
}

real!(f32);
real!(f64);
