//! Instruction sets. A kernel is plain Rust that compiles to vector code; `vectorized!` makes a version for each
//! instruction set and calls the one chosen when the process starts.

use std::sync::OnceLock;

/// An instruction set of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// AVX-512 F, DQ, BW, VL, with FMA.
    Avx512,
    /// AVX2 with FMA.
    Avx2,
    /// Whatever the build targets.
    Portable,
}

impl Isa {
    /// The best this processor has. Found once.
    pub fn detect() -> Self {
        static FOUND: OnceLock<Isa> = OnceLock::new();
        *FOUND.get_or_init(|| {
            #[cfg(target_arch = "x86_64")]
            {
                let fma = is_x86_feature_detected!("fma") && is_x86_feature_detected!("avx2");
                let avx512 = is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl");
                match (avx512, fma) {
                    (true, true) => return Self::Avx512,
                    (false, true) => return Self::Avx2,
                    _ => {}
                }
            }
            Self::Portable
        })
    }

    /// Every instruction set this processor has, the best first.
    pub fn available() -> Vec<Self> {
        let all = [Self::Avx512, Self::Avx2, Self::Portable];
        let from = all.iter().position(|&i| i == Self::detect()).unwrap_or(0);
        all.into_iter().skip(from).collect()
    }
}

/// Declares `name(isa, arguments…)`, which runs `body(arguments…)` compiled for that instruction set. The body is an
/// `#[inline(always)]` function with a last const parameter `FMA`, true where fused multiply-add is an instruction.
///
/// ```ignore
/// vectorized!(pub fn scale<T: Real>(a: T, x: &mut [T]) = scale_body);
/// ```
macro_rules! vectorized {
    ($(#[$doc:meta])* $vis:vis fn $name:ident $(<$t:ident : $bound:path>)? ($($arg:ident : $ty:ty),* $(,)?) $(-> $ret:ty)? = $body:ident) => {
        $(#[$doc])*
        #[allow(unsafe_code, clippy::too_many_arguments)]
        $vis fn $name $(<$t: $bound>)? (isa: $crate::isa::Isa, $($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
                fn avx512 $(<$t: $bound>)? ($($arg: $ty),*) $(-> $ret)? {
                    $body::<$($t,)? true>($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2 $(<$t: $bound>)? ($($arg: $ty),*) $(-> $ret)? {
                    $body::<$($t,)? true>($($arg),*)
                }
                match isa {
                    // SAFETY: `Isa::detect` found these features, and nothing else gives these values.
                    $crate::isa::Isa::Avx512 => return unsafe { avx512 $(::<$t>)? ($($arg),*) },
                    // SAFETY: as above.
                    $crate::isa::Isa::Avx2 => return unsafe { avx2 $(::<$t>)? ($($arg),*) },
                    $crate::isa::Isa::Portable => {}
                }
            }
            let _ = isa;
            $body::<$($t,)? false>($($arg),*)
        }
    };
}
pub(crate) use vectorized;
