//! Errors of the vectorised functions in units in the last place, against f64 for f32 and against a table of
//! high-precision values for f64; their edge cases against the standard library's. The bounds are those written in
//! docs/math.md.

use std::collections::BTreeMap;

use fe_cpu::isa::Isa;
use fe_cpu::math::{Real, slices};
use fe_graph::special;

struct Function {
    name: &'static str,
    single: fn(Isa, &[f32], &mut [f32]),
    double: fn(Isa, &[f64], &mut [f64]),
    standard: fn(f64) -> f64,
    /// Whether the error for x < 0 is that of the larger of 1, |f(x)| and |f(−x)|: the reflection cancels near zeros.
    reflected: bool,
}

macro_rules! functions {
    ($($name:ident = $standard:expr, $reflected:literal);* $(;)?) => {
        [$(Function {
            name: stringify!($name),
            single: slices::$name,
            double: slices::$name,
            standard: $standard,
            reflected: $reflected,
        }),*]
    };
}

const FUNCTIONS: [Function; 11] = functions![
    exp = f64::exp, false;
    log = f64::ln, false;
    log1p = f64::ln_1p, false;
    expm1 = f64::exp_m1, false;
    tanh = f64::tanh, false;
    sigmoid = special::sigmoid, false;
    softplus = special::softplus, false;
    sin = f64::sin, false;
    cos = f64::cos, false;
    log_gamma = special::log_gamma, true;
    digamma = |x| special::polygamma(0, x), true;
];

/// The precision of f32 or of f64.
#[derive(Clone, Copy)]
struct Format {
    fraction: i32,
    least: i32,
    greatest: i32,
}

const SINGLE: Format = Format { fraction: 23, least: -126, greatest: 127 };
const DOUBLE: Format = Format { fraction: 52, least: -1022, greatest: 1023 };

/// 2ⁿ for a normal result.
fn power(n: i32) -> f64 {
    f64::from_bits(((n + 1023) as u64) << 52)
}

impl Format {
    /// The unit in the last place of x.
    fn unit(self, x: f64) -> f64 {
        let exponent = ((x.abs().to_bits() >> 52) as i32 - 1023).clamp(self.least, self.greatest);
        power(exponent) * power(-self.fraction)
    }

    /// |got − want| in units in the last place of the larger of |want| and `scale`; `want` lacks `rest` of its own
    /// units. Infinity counts as the power of two after the greatest number.
    fn ulps(self, got: f64, want: f64, rest: f64, scale: f64) -> f64 {
        if want.is_nan() || got.is_nan() {
            return if want.is_nan() && got.is_nan() { 0.0 } else { f64::INFINITY };
        }
        // Halved, so that the next power of two is a number also for f64.
        let limit = power(self.greatest);
        let half = |x: f64| (0.5 * x).clamp(-limit, limit);
        let inside = got.is_finite() && half(want).abs() < limit;
        let difference = if inside { got - want } else { 2.0 * (half(got) - half(want)) };
        let unit = self.unit(want.abs().max(scale));
        (difference / unit - rest * (self.unit(want) / unit)).abs()
    }
}

/// The bounds of docs/math.md: by row, for f32 and f64, each with and without fused multiply-add.
fn bounds() -> BTreeMap<String, [f64; 4]> {
    include_str!("../../../../docs/math.md")
        .lines()
        .filter_map(|line| {
            let mut cells = line.trim().trim_matches('|').split('|').map(str::trim);
            let name = cells.next()?.replace('`', "");
            let bounds: Vec<f64> = cells.map_while(|c| c.parse().ok()).collect();
            Some((name, bounds.try_into().ok()?))
        })
        .collect()
}

/// The largest error so far of each row, precision and instruction set, and where it is.
#[derive(Default)]
struct Errors(BTreeMap<(String, bool, String), (f64, f64)>);

impl Errors {
    fn meet(&mut self, function: &Function, double: bool, isa: Isa, x: f64, error: f64) {
        let row =
            if function.reflected && x < 0.0 { format!("{}, x < 0", function.name) } else { function.name.into() };
        let worst = self.0.entry((row, double, format!("{isa:?}"))).or_default();
        if error > worst.0 {
            *worst = (error, x);
        }
    }

    fn check(&self) {
        let bounds = bounds();
        let mut failures = Vec::new();
        for ((row, double, isa), (error, x)) in &self.0 {
            let bound = bounds[row][2 * usize::from(*double) + usize::from(isa == "Portable")];
            let line = format!("{row} f{} {isa}: {error:.3} at {x:e}, bound {bound}", if *double { 64 } else { 32 });
            println!("{line}");
            if *error > bound {
                failures.push(line);
            }
        }
        assert!(failures.is_empty(), "{failures:#?}");
    }
}

/// f32 against f64 over every `stride`-th bit pattern.
fn sweep(functions: &[Function], stride: usize) {
    const BLOCK: usize = 4096;
    let mut errors = Errors::default();
    let mut out = [0f32; BLOCK];
    for function in functions {
        let mut worst = vec![[(0.5, 0.0); 2]; 3];
        for start in (0..1u64 << 32).step_by(BLOCK * stride) {
            let x: [f32; BLOCK] =
                std::array::from_fn(|i| f32::from_bits((start + (i * stride) as u64).min(u64::from(u32::MAX)) as u32));
            let want = x.map(|x| (function.standard)(f64::from(x)));
            for (isa, worst) in Isa::available().into_iter().zip(&mut worst) {
                (function.single)(isa, &x, &mut out);
                for ((&x, &got), &want) in x.iter().zip(&out).zip(&want) {
                    // Correctly rounded, so half a unit at most.
                    if got == want as f32 {
                        continue;
                    }
                    let reflected = function.reflected && x < 0.0;
                    let scale = if reflected { (function.standard)(-f64::from(x)).abs().max(1.0) } else { 0.0 };
                    let error = SINGLE.ulps(f64::from(got), want, 0.0, scale);
                    let worst = &mut worst[usize::from(reflected)];
                    if error > worst.0 {
                        *worst = (error, f64::from(x));
                    }
                }
            }
        }
        for (isa, worst) in Isa::available().into_iter().zip(worst) {
            for (error, x) in worst {
                errors.meet(function, false, isa, x, error);
            }
        }
    }
    errors.check();
}

/// A fixed lattice of the f32s, of every 20,011th; all of them where `FE_EXHAUSTIVE=1` asks for it, a quarter of an hour when
/// optimised: `FE_EXHAUSTIVE=1 cargo test --release -p fe-cpu --test all math`.
#[test]
fn single_precision() {
    let all = std::env::var_os("FE_EXHAUSTIVE").is_some_and(|v| v == "1");
    sweep(&FUNCTIONS, if all { 1 } else { 20_011 });
}

#[test]
fn double_precision() {
    let table = include_str!("data/math_table.csv");
    let mut errors = Errors::default();
    for function in &FUNCTIONS {
        let rows: Vec<[f64; 3]> = table
            .lines()
            .filter_map(|line| line.strip_prefix(function.name)?.strip_prefix(','))
            .map(|line| line.split(',').map(|n| n.parse().unwrap()).collect::<Vec<f64>>().try_into().unwrap())
            .collect();
        assert!(rows.len() >= 500, "{}", function.name);
        let x: Vec<f64> = rows.iter().map(|r| r[0]).collect();
        let mut out = vec![0.0; x.len()];
        for isa in Isa::available() {
            (function.double)(isa, &x, &mut out);
            for (&[x, want, rest], &got) in rows.iter().zip(&out) {
                let reflected = function.reflected && x < 0.0;
                let scale = if reflected { (function.standard)(-x).abs().max(1.0) } else { 0.0 };
                errors.meet(function, true, isa, x, DOUBLE.ulps(got, want, rest, scale));
            }
        }
    }
    errors.check();
}

/// Where the standard's value is 0, infinite or NaN, so is ours, with the same sign; elsewhere it is near. Rounding
/// may differ only at the ends of the range, of which the points keep clear.
fn edges<T: Real>(slice: fn(Isa, &[T], &mut [T]), function: &Function, least: f64, max: f64) {
    let sizes = [0.0, least, 1e-30, 1.0, 2.0, 3.0, 20.0, 120.0, 800.0, 1e10, 1e30, max, f64::INFINITY];
    let x: Vec<T> = sizes.iter().flat_map(|&s| [s, -s]).chain([f64::NAN, -f64::NAN]).map(T::from_f64).collect();
    let mut out = vec![T::ONE; x.len()];
    for isa in Isa::available() {
        slice(isa, &x, &mut out);
        for (x, got) in x.iter().zip(&out) {
            let (x, got) = (x.to_f64(), got.to_f64());
            let want = T::from_f64((function.standard)(x)).to_f64();
            let same = got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
            let near = want != 0.0 && want.is_finite() && (got - want).abs() <= 1e-6 * want.abs().max(least / 1e-6);
            assert!(same || near, "{} {isa:?}: f({x:e}) = {got:e}, not {want:e}", function.name);
        }
    }
}

#[test]
fn edge_cases() {
    for function in &FUNCTIONS {
        edges(function.single, function, f64::from(f32::from_bits(1)), f64::from(f32::MAX));
        edges(function.double, function, f64::from_bits(1), f64::MAX);
    }
}

/// The first overflow and the last value that is not 0.
#[test]
fn ends_of_the_range_of_exp() {
    fn check<T: Real>(slice: fn(Isa, &[T], &mut [T]), x: [T; 4], least: T) {
        for isa in Isa::available() {
            let mut out = [T::ZERO; 4];
            slice(isa, &x, &mut out);
            let [finite, infinite, smallest, zero] = out.map(T::to_f64);
            assert!(finite.is_finite() && infinite == f64::INFINITY, "{isa:?} {out:?}");
            assert!(smallest == least.to_f64() && zero == 0.0, "{isa:?} {out:?}");
        }
    }
    let x = [709.782_712_893_383_9, 709.782_712_893_384_1, -745.133_219_101_941_1, -745.133_219_101_941_2];
    check(slices::exp, x, f64::from_bits(1));
    check(slices::exp, [88.722_83f32, 88.722_84, -103.972_07, -103.972_09], f32::from_bits(1));
}

/// A value does not depend on its place among the lanes or after them.
#[test]
fn values_do_not_depend_on_their_place() {
    fn check<T: Real>(slice: fn(Isa, &[T], &mut [T]), name: &str) {
        let x: Vec<T> = (0..75).map(|i| T::from_f64(f64::from(i) * 0.37 - 9.1)).collect();
        for isa in Isa::available() {
            let mut whole = vec![T::ZERO; x.len()];
            slice(isa, &x, &mut whole);
            for (x, want) in x.iter().zip(&whole) {
                let mut alone = [T::ZERO];
                slice(isa, &[*x], &mut alone);
                let (got, want) = (alone[0].to_f64(), want.to_f64());
                assert!(got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(), "{name} {isa:?} {x:?}");
            }
        }
    }
    for function in &FUNCTIONS {
        check(function.single, function.name);
        check(function.double, function.name);
    }
}
