//! Nanoseconds an element of noise and of Poisson counts, on one core, against the streams of `fe_graph::noise`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::hint::black_box;
use std::time::Instant;

use fe_cpu::isa::Isa;
use fe_cpu::math::Real;
use fe_cpu::sampling::{ArrivalScratch, arrivals, noise, nonzeros};
use fe_graph::noise::{Element, NoiseKey, Stream, arrivals_of_orders};
use fe_graph::{Indicator, NoiseKind, Site};

const ORDERS: [u8; 2] = [0, 1];
const TEMPERATURE: f64 = 0.1;

fn key(step: u64) -> NoiseKey {
    NoiseKey { seed: 1, site: Site::named("z"), step }
}

/// Prints the least of many rounds, a call's time over `n` elements, in nanoseconds, where the label has every word of
/// the command line.
fn time(label: &str, n: usize, mut call: impl FnMut(u64)) {
    if !std::env::args().skip(1).filter(|a| !a.starts_with('-')).all(|a| label.contains(&a)) {
        return;
    }
    let calls = 16_384_usize.div_ceil(n) as u64;
    let round = |k| {
        let start = Instant::now();
        (k * calls..(k + 1) * calls).for_each(&mut call);
        start.elapsed().as_secs_f64() * 1e9 / (n as u64 * calls) as f64
    };
    let best = (0..40).map(round).fold(f64::INFINITY, f64::min);
    println!("{label:<40} {best:8.2}");
}

fn kernel<T: Real>(isa: Isa, name: &str) {
    let label = |what: &str, rows: u64, width: usize| format!("{isa:?} {name} {what} {rows}×{width}");
    for (rows, width) in [(16, 512), (1024, 8), (1, 10)] {
        let numbers: Vec<u64> = (0..rows).collect();
        let n = rows as usize * width;
        let mut out = vec![T::ZERO; n];
        for kind in [NoiseKind::Normal, NoiseKind::Uniform, NoiseKind::Exponential] {
            time(&label(&format!("{kind:?}"), rows, width), n, |step| {
                noise(isa, key(step), kind, &numbers, width, black_box(&mut out));
            });
        }
        let mut other = vec![T::ZERO; n];
        let mut scratch = ArrivalScratch::default();
        for rate in [0.05, 0.3, 1.0, 10.0, 100.0] {
            // Rates as an encoder gives them, of sd 0.5 in the log about the mean.
            noise(isa, key(0), NoiseKind::Normal, &numbers, width, &mut out);
            let log = |x: &T| T::from_f64(f64::ln(rate) - 0.125 + 0.5 * x.to_f64());
            let log_rate: Vec<T> = out.iter().map(log).collect();
            time(&label(&format!("arrivals {rate}"), rows, width), n, |step| {
                let (key, tau) = (key(step), T::from_f64(TEMPERATURE));
                let outs = &mut [out.as_mut_slice(), other.as_mut_slice()];
                arrivals(isa, key, Indicator::Cubic, &ORDERS, tau, &log_rate, &numbers, width, outs, &mut scratch);
                black_box(&outs);
            });
        }
        let mut counts = vec![0; rows as usize];
        time(&label("nonzeros", rows, width), n, |_| nonzeros(isa, &out, width, black_box(&mut counts)));
    }
}

fn reference() {
    let n = 1 << 14;
    let stream = |step, k| Stream::new(key(step), Element { row: 3, rest: k });
    for kind in [NoiseKind::Normal, NoiseKind::Uniform, NoiseKind::Exponential] {
        time(&format!("reference f64 {kind:?}"), n as usize, |step| {
            (0..n).for_each(|k| _ = black_box(stream(step, k).draw(kind)));
        });
    }
    for rate in [0.05, 0.3, 1.0, 10.0, 100.0] {
        time(&format!("reference f64 arrivals {rate}"), n as usize, |step| {
            for k in 0..n {
                let mut totals = [0.0; 2];
                let log = f64::ln(black_box(rate));
                arrivals_of_orders(&mut stream(step, k), log, TEMPERATURE, &ORDERS, Indicator::Cubic, &mut totals);
                black_box(totals);
            }
        });
    }
}

fn main() {
    reference();
    for isa in Isa::available() {
        kernel::<f32>(isa, "f32");
        kernel::<f64>(isa, "f64");
    }
}
