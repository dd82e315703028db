//! Nanoseconds per element of each function over a slice, by instruction set, beside the standard library's.
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::Instant;

use fe_cpu::isa::Isa;
use fe_cpu::math::{Real, slices};
use fe_graph::special;

const LEN: usize = 4096;

/// The least of many passes.
fn nanoseconds(mut pass: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..60 {
        let start = Instant::now();
        pass();
        best = best.min(start.elapsed().as_nanos() as f64);
    }
    best / LEN as f64
}

fn row<T: Real>(name: &str, scalar: fn(T) -> T, low: f64, high: f64, slice: fn(Isa, &[T], &mut [T])) {
    let x: Vec<T> = (0..LEN).map(|i| T::from_f64(low + (high - low) * (i * 1597 % LEN) as f64 / LEN as f64)).collect();
    let mut out = vec![T::ZERO; LEN];
    print!("{name:10} f{:<3}", 8 * size_of::<T>());
    for isa in Isa::available() {
        let time = nanoseconds(|| slice(isa, black_box(&x), black_box(&mut out)));
        print!("  {isa:?} {time:7.3}");
    }
    let time = nanoseconds(|| {
        for (o, x) in black_box(&mut out).iter_mut().zip(black_box(&x)) {
            *o = scalar(*x);
        }
    });
    println!("  standard {time:7.3}");
}

fn main() {
    macro_rules! rows {
        ($($name:ident = $scalar:expr, $low:literal to $high:literal);* $(;)?) => {
            $(
                row::<f32>(stringify!($name), $scalar, $low, $high, slices::$name);
                row::<f64>(stringify!($name), $scalar, $low, $high, slices::$name);
            )*
        };
    }
    rows!(
        exp = |x| x.exp(), -20.0 to 20.0;
        log = |x| x.ln(), 0.001 to 100.0;
        log1p = |x| x.ln_1p(), -0.9 to 10.0;
        expm1 = |x| x.exp_m1(), -3.0 to 3.0;
        tanh = |x| x.tanh(), -4.0 to 4.0;
        sigmoid = |x| 1.0 / (1.0 + (-x).exp()), -8.0 to 8.0;
        softplus = |x| x.max(0.0) + (-x.abs()).exp().ln_1p(), -8.0 to 8.0;
        sin = |x| x.sin(), -10.0 to 10.0;
        cos = |x| x.cos(), -10.0 to 10.0;
        log_gamma = |x| Real::from_f64(special::log_gamma(Real::to_f64(x))), 0.01 to 30.0;
        digamma = |x| Real::from_f64(special::polygamma(0, Real::to_f64(x))), 0.01 to 30.0;
    );
}
