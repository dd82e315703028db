//! Noise and Poisson counts against the streams of `fe_graph::noise`, one element at a time.

use fe_cpu::isa::Isa;
use fe_cpu::math::Real;
use fe_cpu::sampling::{ArrivalScratch, arrivals, noise, nonzeros};
use fe_graph::noise::{Element, NoiseKey, Stream, arrivals_of_orders};
use fe_graph::{Indicator, NoiseKind, Site};

const ORDERS: [u8; 4] = [0, 1, 2, 3];
const INDICATORS: [Indicator; 5] =
    [Indicator::Cubic, Indicator::Linear, Indicator::Quintic, Indicator::Cosine, Indicator::Sigmoid];
const KINDS: [NoiseKind; 3] = [NoiseKind::Normal, NoiseKind::Uniform, NoiseKind::Exponential];

fn key(step: u64) -> NoiseKey {
    NoiseKey { seed: 0x0123_4567_89ab_cdef, site: Site::named("z"), step }
}

fn element(rows: &[u64], width: usize, k: usize) -> Element {
    Element { row: rows[k / width], rest: (k % width) as u32 }
}

fn drawn<T: Real>(isa: Isa, kind: NoiseKind, rows: &[u64], width: usize) -> Vec<T> {
    let mut out = vec![T::ZERO; rows.len() * width];
    noise(isa, key(3), kind, rows, width, &mut out);
    out
}

/// The counts of every order, one after another.
fn counted<T: Real>(
    isa: Isa,
    indicator: Indicator,
    temperature: f64,
    log_rate: &[T],
    rows: &[u64],
    width: usize,
    scratch: &mut ArrivalScratch<T>,
) -> [Vec<T>; 4] {
    let mut outs = ORDERS.map(|_| vec![T::from_f64(-7.0); log_rate.len()]);
    let mut slices: Vec<&mut [T]> = outs.iter_mut().map(Vec::as_mut_slice).collect();
    let temperature = T::from_f64(temperature);
    arrivals(isa, key(5), indicator, &ORDERS, temperature, log_rate, rows, width, &mut slices, scratch);
    outs
}

fn expected(indicator: Indicator, temperature: f64, log_rate: f64, element: Element) -> [f64; 4] {
    let mut totals = [0.0; 4];
    arrivals_of_orders(&mut Stream::new(key(5), element), log_rate, temperature, &ORDERS, indicator, &mut totals);
    totals
}

/// Rows of all shapes: long, short, of one element, one row.
fn shapes() -> Vec<(Vec<u64>, usize)> {
    vec![
        (vec![7, u64::MAX, 1 << 40, 3], 501),
        ((0..300).map(|r| r * 0x1_0000_0001).collect(), 3),
        ((0..130).collect(), 1),
        (vec![0], 2000),
        (vec![0], 5),
        ((5..20).collect(), 64),
    ]
}

fn noise_agrees<T: Real>(bound: f64) {
    for isa in Isa::available() {
        for kind in KINDS {
            for (rows, width) in shapes() {
                for (k, x) in drawn::<T>(isa, kind, &rows, width).into_iter().enumerate() {
                    let reference = Stream::new(key(3), element(&rows, width, k)).draw(kind);
                    let error = (x.to_f64() - reference).abs();
                    assert!(error <= bound * (1.0 + reference.abs()), "{isa:?} {kind:?} {k}: {x:?} {reference}");
                }
            }
        }
    }
}

#[test]
fn noise_is_the_streams_in_double_precision() {
    noise_agrees::<f64>(2e-15);
}

#[test]
fn noise_is_the_streams_in_single_precision() {
    noise_agrees::<f32>(2e-7);
}

/// In single precision too, uniforms near 1 keep the bits of their distance to 1.
#[test]
fn small_exponentials_are_accurate_in_single_precision() {
    let (rows, width) = (vec![11], 1 << 21);
    for isa in Isa::available() {
        let exponentials = drawn::<f32>(isa, NoiseKind::Exponential, &rows, width);
        let (mut least, mut worst) = (f64::INFINITY, 0.0_f64);
        for (k, x) in exponentials.into_iter().enumerate() {
            let reference = Stream::new(key(3), element(&rows, width, k)).exponential();
            least = least.min(reference);
            worst = worst.max((f64::from(x) / reference - 1.0).abs());
        }
        assert!(least < 1e-5 && worst < 3e-7, "{isa:?}: least {least}, error {worst}");
    }
}

/// `bound` is the error in a time t; the terms' dependence on t gives that of the counts.
fn arrivals_agree<T: Real>(bound: f64) {
    let (rows, width) = (vec![4, 9, u64::MAX - 1], 170);
    let rates = [1e-6, 1e-3, 0.05, 0.3, 1.0, 3.0, 17.0, 120.0, 500.0];
    let log_rate: Vec<T> = (0..rows.len() * width)
        .map(|k| match k % 97 {
            13 => T::from_f64(f64::NAN),
            29 => T::from_f64(f64::INFINITY),
            31 => T::from_f64(f64::NEG_INFINITY),
            43 => T::from_f64(16.2),
            _ => T::from_f64(f64::ln(rates[k % rates.len()])),
        })
        .collect();
    let mut scratch = ArrivalScratch::default();
    for isa in Isa::available() {
        for indicator in INDICATORS {
            for temperature in [0.0, 0.05, 0.4, 1.0] {
                // As the element type has it, which is what the kernel is given.
                let temperature = T::from_f64(temperature).to_f64();
                let outs = counted(isa, indicator, temperature, &log_rate, &rows, width, &mut scratch);
                for (k, log) in log_rate.iter().enumerate() {
                    let log = log.to_f64();
                    let place = element(&rows, width, k);
                    let [low, reference, high] = [-1.0, 0.0, 1.0].map(|s| {
                        expected(indicator, temperature, log + s * bound * (1.0 + log.abs().min(20.0)), place)
                    });
                    for ((out, order), (reference, (low, high))) in
                        outs.iter().zip(ORDERS).zip(reference.into_iter().zip(low.into_iter().zip(high)))
                    {
                        let x = out[k].to_f64();
                        if !reference.is_finite() {
                            assert!(x == reference || x.is_nan() && reference.is_nan(), "{k}: {x} {reference}");
                            continue;
                        }
                        // What a relative change of the rate by the bound does, and rounding of what is added.
                        let steepness = f64::max(1.0, (1.0 + temperature) / temperature.max(0.05)).powi(order.into());
                        let slack = (low - reference).abs().max((high - reference).abs())
                            + bound * steepness * (1.0 + reference.abs());
                        let told = format!("{isa:?} {indicator:?} {temperature} order {order} of {log}, {k}");
                        assert!((x - reference).abs() <= slack, "{told}: {x} {reference} ± {slack}");
                    }
                }
            }
        }
    }
}

#[test]
fn arrivals_are_the_streams_in_double_precision() {
    arrivals_agree::<f64>(1e-13);
}

#[test]
fn arrivals_are_the_streams_in_single_precision() {
    arrivals_agree::<f32>(1e-6);
}

fn split_invariant<T: Real>() {
    let (rows, width): (Vec<u64>, usize) = ((100..117).collect(), 77);
    let log_rate: Vec<T> = (0..rows.len() * width)
        .map(|k| T::from_f64(if k == 700 { 7.0 } else { (k * 7919 % 1000) as f64 * 5e-3 - 3.0 }))
        .collect();
    let bits = |x: &T| x.to_f64().to_bits();
    let mut scratch = ArrivalScratch::default();
    for isa in Isa::available() {
        for kind in KINDS {
            let whole: Vec<u64> = drawn::<T>(isa, kind, &rows, width).iter().map(bits).collect();
            let cut = |n| rows.chunks(n).flat_map(|r| drawn::<T>(isa, kind, r, width)).map(|x| bits(&x)).collect();
            assert_eq!(whole, {
                let one: Vec<u64> = cut(1);
                one
            });
            assert_eq!(whole, {
                let five: Vec<u64> = cut(5);
                five
            });
        }
        for (indicator, temperature) in INDICATORS.into_iter().flat_map(|i| [(i, 0.0), (i, 0.3)]) {
            let whole = counted(isa, indicator, temperature, &log_rate, &rows, width, &mut scratch);
            for n in [1, 6] {
                let mut start = 0;
                for r in rows.chunks(n) {
                    let part = start * width..(start + r.len()) * width;
                    let outs = counted(isa, indicator, temperature, &log_rate[part.clone()], r, width, &mut scratch);
                    for (whole, out) in whole.iter().zip(&outs) {
                        assert!(whole[part.clone()].iter().map(bits).eq(out.iter().map(bits)), "{isa:?} {indicator:?}");
                    }
                    start += r.len();
                }
            }
        }
    }
}

#[test]
fn numbers_do_not_depend_on_how_elements_are_split_into_calls() {
    split_invariant::<f32>();
    split_invariant::<f64>();
}

/// Mean and variance of counts.
fn moments(indicator: Indicator, temperature: f32, rate: f32) -> (f64, f64) {
    let (rows, width): (Vec<u64>, usize) = ((0..200).collect(), 1000);
    let log_rate = vec![rate.ln(); rows.len() * width];
    let mut out = vec![0.0_f32; log_rate.len()];
    let mut scratch = ArrivalScratch::default();
    let outs = &mut [out.as_mut_slice()];
    arrivals(Isa::detect(), key(1), indicator, &[0], temperature, &log_rate, &rows, width, outs, &mut scratch);
    let n = out.len() as f64;
    let mean = out.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
    (mean, out.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / n)
}

/// Campbell's theorem for compact symmetric indicators: the mean is λ, the variance λ(1 − κτ).
#[test]
fn moments_of_compact_indicators() {
    for (indicator, kappa) in [
        (Indicator::Cubic, 9.0 / 35.0),
        (Indicator::Linear, 1.0 / 3.0),
        (Indicator::Quintic, 50.0 / 231.0),
        (Indicator::Cosine, 0.25),
    ] {
        for temperature in [0.0, 0.4, 1.0] {
            for rate in [0.5, 20.0] {
                let (mean, variance) = moments(indicator, temperature, rate);
                let (rate, temperature) = (f64::from(rate), f64::from(temperature));
                assert!((mean / rate - 1.0).abs() < 0.01, "{indicator:?} {temperature} {rate}: mean {mean}");
                let ratio = variance / (rate * (1.0 - kappa * temperature));
                assert!((ratio - 1.0).abs() < 0.02, "{indicator:?} {temperature} {rate}: variance {variance}");
            }
        }
    }
}

/// The sigmoid at τ = 1 counts 31 % too many: E = λ(1 + τ log(1 + e^(−1/τ))).
#[test]
fn moments_of_the_sigmoid() {
    let (mean, variance) = moments(Indicator::Sigmoid, 1.0, 3.0);
    let excess = f64::exp(-1.0).ln_1p();
    assert!((mean / (3.0 * (1.0 + excess)) - 1.0).abs() < 0.005, "mean {mean}");
    let expected = 3.0 * (1.0 + excess - 1.0 / (1.0 + f64::exp(-1.0)));
    assert!((variance / expected - 1.0).abs() < 0.02, "variance {variance}");
}

/// Exact counts have Poisson probabilities.
#[test]
fn exact_counts_are_poisson() {
    let (rate, n) = (2.5_f64, 400_000);
    let log_rate = vec![rate.ln(); n];
    let mut out = vec![0.0; n];
    let mut scratch = ArrivalScratch::default();
    let outs = &mut [out.as_mut_slice()];
    arrivals(Isa::detect(), key(9), Indicator::Cubic, &[0], 0.0, &log_rate, &[0], n, outs, &mut scratch);
    let mut probability = (-rate).exp();
    for k in 0..8 {
        let frequency = out.iter().filter(|x| **x == f64::from(k)).count() as f64 / n as f64;
        let deviation = (probability * (1.0 - probability) / n as f64).sqrt();
        assert!((frequency - probability).abs() < 4.5 * deviation, "{k}: {frequency} {probability}");
        probability *= rate / f64::from(k + 1);
    }
}

/// One unit with a rate of a million among silent ones: its sum keeps its digits in single precision.
#[test]
fn a_hot_unit_is_exact() {
    let (rows, width) = (vec![2], 1000);
    let mut log_rate = vec![-3.0_f32; width];
    log_rate[321] = 1e6_f32.ln();
    let mut scratch = ArrivalScratch::default();
    for isa in Isa::available() {
        let [counts, slopes, ..] = counted(isa, Indicator::Cubic, 0.3, &log_rate, &rows, width, &mut scratch);
        let log = f64::from(log_rate[321]);
        let [count, slope, ..] = expected(Indicator::Cubic, f64::from(0.3_f32), log, element(&rows, width, 321));
        assert!((f64::from(counts[321]) / count - 1.0).abs() < 1e-6, "{isa:?}: {} {count}", counts[321]);
        assert!((f64::from(slopes[321]) / slope - 1.0).abs() < 1e-6, "{isa:?}: {} {slope}", slopes[321]);
    }
}

#[test]
fn nonzeros_are_counted_by_row() {
    let (width, rows) = (77, 9);
    let x: Vec<f32> = (0..width * rows).map(|k| if k % 7 == 0 { 0.5 } else { 0.0 }).collect();
    for isa in Isa::available() {
        let mut counts = vec![9; rows];
        nonzeros(isa, &x, width, &mut counts);
        assert_eq!(counts, vec![11; rows]);
    }
}

/// Nothing panics where slices are too short or empty.
#[test]
fn mismatched_slices_are_harmless() {
    let mut scratch = ArrivalScratch::default();
    let mut out = [0.0_f32; 10];
    noise(Isa::detect(), key(0), NoiseKind::Normal, &[], 0, &mut out);
    arrivals(Isa::detect(), key(0), Indicator::Cubic, &[0, 1], 0.3, &[2.0; 80], &[], 0, &mut [&mut out], &mut scratch);
    arrivals(Isa::detect(), key(0), Indicator::Cubic, &[], 0.3, &[2.0; 80], &[1], 80, &mut [], &mut scratch);
    noise(Isa::detect(), key(0), NoiseKind::Normal, &[1], 1, &mut out[..0]);
}
