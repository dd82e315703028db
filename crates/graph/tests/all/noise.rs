//! The generator against its published vectors, noise against its distributions, arrivals against exact moments.

use std::collections::HashSet;

use fe_graph::noise::{Element, NoiseKey, Stream, arrivals, arrivals_of_orders, philox, step_within};
use fe_graph::special::{log_gamma, normal_cdf};
use fe_graph::{Indicator, NoiseKind, Site};

/// Known answers of Random123 for philox4x32-10.
#[test]
fn philox_gives_the_published_answers() {
    let pi = ([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]);
    assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    assert_eq!(philox(pi.0, pi.1), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
}

fn key(step: u64) -> NoiseKey {
    NoiseKey { seed: 3, site: Site::named("z"), step }
}

fn draws(kind: NoiseKind, count: u32) -> Vec<f64> {
    (0..count).map(|k| Stream::new(key(0), Element { row: u64::from(k / 7), rest: k % 7 }).draw(kind)).collect()
}

/// Kolmogorov and Smirnov's statistic, times √n; above 1.95 once in a thousand.
fn kolmogorov(mut values: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let gap = |(k, &v): (usize, &f64)| (cdf(v) - k as f64 / n).abs().max((cdf(v) - (k + 1) as f64 / n).abs());
    values.iter().enumerate().map(gap).fold(0.0, f64::max) * n.sqrt()
}

#[test]
fn noise_follows_its_distribution() {
    let count = 100_000;
    assert!(kolmogorov(draws(NoiseKind::Normal, count), normal_cdf) < 1.95);
    assert!(kolmogorov(draws(NoiseKind::Uniform, count), |x| x) < 1.95);
    assert!(kolmogorov(draws(NoiseKind::Exponential, count), |x| -f64::exp_m1(-x)) < 1.95);
}

#[test]
fn noise_has_its_moments() {
    let n = 200_000;
    // Mean and variance, and five standard errors of each.
    for (kind, mean, variance, fourth) in [
        (NoiseKind::Normal, 0.0, 1.0, 3.0),
        (NoiseKind::Uniform, 0.5, 1.0 / 12.0, 1.0 / 80.0),
        (NoiseKind::Exponential, 1.0, 1.0, 9.0),
    ] {
        let values = draws(kind, n);
        let average = |f: &dyn Fn(f64) -> f64| values.iter().map(|&v| f(v)).sum::<f64>() / f64::from(n);
        let m = average(&|v| v);
        let v = average(&|x| (x - mean) * (x - mean));
        let error = |second: f64| 5.0 * (second / f64::from(n)).sqrt();
        assert!((m - mean).abs() < error(variance), "{kind:?} mean {m}");
        assert!((v - variance).abs() < error(fourth - variance * variance), "{kind:?} variance {v}");
    }
}

#[test]
fn elements_sites_and_steps_are_independent() {
    let mut seen = HashSet::new();
    let (mut product, mut count) = (0.0, 0.0);
    for step in 0..4 {
        for site in ["a", "b"] {
            for row in 0..30 {
                for rest in 0..30 {
                    let key = NoiseKey { seed: 1, site: Site::named(site), step: step_within(9, step) };
                    let next = NoiseKey { step: step_within(9, step + 1), ..key };
                    let a = Stream::new(key, Element { row, rest }).normal();
                    let b = Stream::new(next, Element { row, rest: rest + 1 }).normal();
                    assert!(seen.insert(a.to_bits()));
                    product += a * b;
                    count += 1.0;
                }
            }
        }
    }
    assert!((product / f64::sqrt(count)).abs() < 4.0);
}

const COUNT: u64 = 200_000;

/// Mean and variance of the relaxed count, and of its derivative the mean.
fn moments(rate: f64, tau: f64, indicator: Indicator) -> (f64, f64, f64) {
    let (mut sum, mut squares, mut slopes) = (0.0, 0.0, 0.0);
    for row in 0..COUNT {
        let mut z = [0.0; 2];
        let mut stream = Stream::new(key(1), Element { row, rest: 0 });
        arrivals_of_orders(&mut stream, rate.ln(), tau, &[0, 1], indicator, &mut z);
        sum += z[0];
        squares += z[0] * z[0];
        slopes += z[1];
    }
    let n = COUNT as f64;
    let mean = sum / n;
    (mean, squares / n - mean * mean, slopes / n)
}

/// Campbell's theorem: for a compact symmetric indicator and τ ≤ 1 the mean is λ, the variance λ(1 − κτ), and the mean
/// of the derivative in log λ is λ again.
#[test]
fn compact_indicators_have_the_mean_and_a_smaller_variance() {
    for (indicator, kappa) in [
        (Indicator::Cubic, 9.0 / 35.0),
        (Indicator::Linear, 1.0 / 3.0),
        (Indicator::Quintic, 50.0 / 231.0),
        (Indicator::Cosine, 0.25),
    ] {
        for (rate, tau) in [(0.5, 1.0), (3.0, 0.4), (3.0, 0.1), (12.0, 0.5)] {
            let (mean, variance, slope) = moments(rate, tau, indicator);
            let expected = rate * (1.0 - kappa * tau);
            assert!((mean / rate - 1.0).abs() < 0.01, "{indicator:?} {rate} {tau}: mean {mean}");
            assert!((variance / expected - 1.0).abs() < 0.02, "{indicator:?} {rate} {tau}: variance {variance}");
            assert!((slope / rate - 1.0).abs() < 0.03, "{indicator:?} {rate} {tau}: slope {slope}");
        }
    }
}

/// Sigmoid: mean λ(1 + τ log(1 + e^(−1/τ))), so 31 % too large at τ = 1; variance less by λτσ(1/τ).
#[test]
fn the_sigmoid_indicator_is_biased_as_known() {
    for (rate, tau) in [(0.5, 1.0), (3.0, 1.0), (3.0, 0.1)] {
        let (mean, variance, _) = moments(rate, tau, Indicator::Sigmoid);
        let expected = rate * (1.0 + tau * f64::ln_1p(f64::exp(-1.0 / tau)));
        let shrunk = expected - rate * tau / (1.0 + f64::exp(-1.0 / tau));
        assert!((mean / expected - 1.0).abs() < 0.01, "{rate} {tau}: mean {mean}, not {expected}");
        assert!((variance / shrunk - 1.0).abs() < 0.02, "{rate} {tau}: variance {variance}, not {shrunk}");
    }
    assert!((moments(0.5, 1.0, Indicator::Sigmoid).0 / 0.5 - 1.31).abs() < 0.01);
}

/// At temperature 0 the counts are Poisson: a chi-square test over the counts expected five times or more.
#[test]
fn counts_at_temperature_zero_are_poisson() {
    for rate in [0.3, 2.0, 9.0, 60.0] {
        let mut observed = vec![0.0; 200];
        for row in 0..COUNT {
            let z =
                arrivals(&mut Stream::new(key(2), Element { row, rest: 1 }), f64::ln(rate), 0.0, 0, Indicator::Cubic);
            assert_eq!(z, z.floor());
            observed[z as usize] += 1.0;
        }
        let (mut statistic, mut freedom, mut rest) = (0.0, -1.0, (0.0, 0.0));
        for (k, &o) in observed.iter().enumerate() {
            let k = k as f64;
            let e = COUNT as f64 * (k * f64::ln(rate) - rate - log_gamma(k + 1.0)).exp();
            if e < 5.0 {
                rest = (rest.0 + o, rest.1 + e);
            } else {
                statistic += (o - e) * (o - e) / e;
                freedom += 1.0;
            }
        }
        if rest.1 > 1.0 {
            statistic += (rest.0 - rest.1) * (rest.0 - rest.1) / rest.1;
            freedom += 1.0;
        }
        // Within four standard deviations of its mean.
        assert!(statistic < freedom + 4.0 * f64::sqrt(2.0 * freedom), "λ = {rate}: χ² = {statistic} of {freedom}");
    }
}

#[test]
fn at_temperature_zero_nothing_can_be_differentiated() {
    for order in 1..4 {
        let z = arrivals(&mut Stream::new(key(0), Element { row: 0, rest: 0 }), 1.0, 0.0, order, Indicator::Sigmoid);
        assert_eq!(z, 0.0);
    }
}

#[test]
fn extreme_rates_end() {
    let sample = |rate: f64, tau: f64| {
        arrivals(&mut Stream::new(key(0), Element { row: 0, rest: 0 }), rate, tau, 0, Indicator::Cubic)
    };
    assert_eq!(sample(f64::NEG_INFINITY, 0.4), 0.0);
    assert_eq!(sample(-800.0, 0.4), 0.0);
    assert_eq!(sample(17.0, 0.4), f64::INFINITY);
    assert_eq!(sample(f64::INFINITY, 0.0), f64::INFINITY);
    assert!(sample(f64::NAN, 0.4).is_nan() && sample(0.0, f64::NAN).is_nan());
}
