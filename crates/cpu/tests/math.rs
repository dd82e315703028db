//! Errors of the vectorised functions in units in the last place, against f64 for f32 and against a table of
//! high-precision values for f64; their edge cases against the standard library's. The bounds are those of
//! docs/math.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use fe_cpu::isa::Isa;
use fe_cpu::math::slices;
use fe_graph::special;

struct Function {
    name: &'static str,
    single: fn(Isa, &[f32], &mut [f32]),
    standard: fn(f64) -> f64,
}

macro_rules! functions {
    ($($name:ident = $standard:expr),* $(,)?) => {
        [$(Function {
            name: stringify!($name),
            single: slices::$name,
            standard: $standard,
        }),*]
    };
}

const FUNCTIONS: [Function; 11] = functions![
    exp = f64::exp,
    log = f64::ln,
    log1p = f64::ln_1p,
    expm1 = f64::exp_m1,
    tanh = f64::tanh,
    sigmoid = special::sigmoid,
    softplus = special::softplus,
    sin = f64::sin,
    cos = f64::cos,
    log_gamma = special::log_gamma,
    digamma = |x| special::polygamma(0, x),
];

/// |got − want| in units in the last place of f32 at `want`; infinity counts as 2¹²⁸.
fn ulps(got: f32, want: f64) -> f64 {
    if want.is_nan() || got.is_nan() {
        return if want.is_nan() && got.is_nan() { 0.0 } else { f64::INFINITY };
    }
    let limit = 2f64.powi(128);
    let want = want.clamp(-limit, limit);
    let exponent = ((want.abs().to_bits() >> 52) as i32 - 1023).clamp(-126, 127);
    (f64::from(got).clamp(-limit, limit) - want).abs() / 2f64.powi(exponent - 23)
}

/// The largest error over every `stride`-th bit pattern and where it is.
fn sweep(function: &Function, isa: Isa, stride: usize) -> (f64, f32) {
    const BLOCK: usize = 4096;
    let (mut worst, mut at) = (0.0, 0.0);
    let mut out = [0f32; BLOCK];
    let mut start = 0u64;
    while start < 1 << 32 {
        let x: [f32; BLOCK] =
            std::array::from_fn(|i| f32::from_bits((start + (i * stride) as u64).min(u64::from(u32::MAX)) as u32));
        (function.single)(isa, &x, &mut out);
        for (&x, &got) in x.iter().zip(&out) {
            let error = ulps(got, (function.standard)(f64::from(x)));
            if error > worst {
                (worst, at) = (error, x);
            }
        }
        start += (BLOCK * stride) as u64;
    }
    (worst, at)
}

#[test]
fn single_precision() {
    for function in &FUNCTIONS {
        for isa in Isa::available() {
            let (worst, at) = sweep(function, isa, 5003);
            assert!(worst < 2.0, "{} {isa:?}: {worst:.3} at {at:e}", function.name);
        }
    }
}
