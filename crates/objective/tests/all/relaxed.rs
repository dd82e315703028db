//! What is said of the estimators of Poisson counts, against the samplers that training uses.

use fe_cpu::{CpuExecutor, Precision};
use fe_distribution::{Distribution, Sampling, family};
use fe_graph::{Axis, Executor, Feed, Graph, Indicator, NodeId, Site};
use fe_objective::gumbel_softmax;
use fe_objective::relaxed::{moments, softmax_moments};

const INDICATORS: [Indicator; 5] =
    [Indicator::Cubic, Indicator::Linear, Indicator::Quintic, Indicator::Cosine, Indicator::Sigmoid];

/// At a temperature close to 0 the softmax is a count; elsewhere, within three standard errors of what 400,000 draws by
/// numpy gave.
#[test]
fn a_softmax_over_counts_has_the_moments_of_a_long_run() {
    for (rate, tau, [mean, error], variance) in [
        (0.5, 1.0, [0.683_84, 0.000_69], 0.192_86),
        (0.5, 0.4, [0.534_67, 0.000_91], 0.332_03),
        (3.0, 1.0, [3.162_57, 0.001_49], 0.890_64),
        (3.0, 1.5, [3.375_76, 0.001_12], 0.504_10),
    ] {
        let (m, v) = softmax_moments(rate, tau);
        assert!((m - mean).abs() < 3.0 * error, "λ = {rate}, τ = {tau}: mean {m}");
        assert!((v / variance - 1.0).abs() < 0.01, "λ = {rate}, τ = {tau}: variance {v}");
    }
    let (m, v) = softmax_moments(2.0, 0.002);
    assert!((m - 2.0).abs() < 1e-4 && (v - 2.0).abs() < 0.02, "{m}, {v}");
}

const DRAWS: usize = 200_000;

/// Mean and variance of what a graph draws, with their standard errors.
fn drawn(g: &Graph, node: NodeId) -> [(f64, f64); 2] {
    let feed = Feed { seed: 3, ..Feed::default() };
    let mut compiled = CpuExecutor::new(Precision::F64).compile(g, &[node]).unwrap();
    let z = compiled.run(&feed).unwrap().remove(0).values;
    let n = z.len() as f64;
    assert_eq!(z.len(), DRAWS);
    let mean = z.iter().sum::<f64>() / n;
    let moment = |power: i32| z.iter().map(|z| (z - mean).powi(power)).sum::<f64>() / n;
    let variance = moment(2);
    [(mean, (variance / n).sqrt()), (variance, ((moment(4) - variance * variance) / n).sqrt())]
}

fn agrees(what: &str, found: (f64, f64), expected: f64) {
    let (value, error) = found;
    assert!((value - expected).abs() < 3.0 * error, "{what}: {value} ± {error}, not {expected}");
}

/// Every row of the table against the sampler itself, at three temperatures and two rates.
#[test]
fn every_estimator_draws_what_is_said_of_it() {
    for (tau, rate) in [1.0, 0.5, 0.1].into_iter().flat_map(|tau| [(tau, 0.5), (tau, 3.0)]) {
        for indicator in INDICATORS {
            let mut g = Graph::new();
            let n = Axis::plain(g.add_axis("n", DRAWS));
            let (log_rate, temperature) = (g.constant(f64::ln(rate)), g.constant(tau));
            let known = moments(indicator, tau);
            let mut draw = |order| g.arrivals(log_rate, temperature, order, indicator, Site::named("z"), &[n]);
            let (z, slope) = (draw(0), draw(1));
            let what = format!("{indicator:?}, λ = {rate}, τ = {tau}");
            let [mean, variance] = drawn(&g, z);
            agrees(&format!("mean, {what}"), mean, rate * known.mean);
            agrees(&format!("variance, {what}"), variance, rate * known.variance);
            let [mean, variance] = drawn(&g, slope);
            agrees(&format!("mean of the slope, {what}"), mean, rate * known.mean);
            agrees(&format!("variance of the slope, {what}"), variance, rate * known.slope_variance);
        }
        let mut g = Graph::new();
        let n = Axis::plain(g.add_axis("n", DRAWS));
        let q = Distribution::new(family("Poisson").unwrap(), vec![g.constant(rate)]);
        let how = Sampling { temperature: g.constant(tau), indicator: Indicator::Cubic };
        let z = gumbel_softmax(&mut g, &q, "z", &[n], &how).unwrap();
        let (mean, variance) = softmax_moments(rate, tau);
        let [m, v] = drawn(&g, z);
        agrees(&format!("mean of a softmax, λ = {rate}, τ = {tau}"), m, mean);
        agrees(&format!("variance of a softmax, λ = {rate}, τ = {tau}"), v, variance);
    }
}

/// The score function's estimate of the gradient of a mean count against the other of S samples, (z_i − z̄) (z_i − λ), has
/// the mean λ and the variance that is said.
#[test]
fn the_score_has_the_variance_that_is_said() {
    const SAMPLES: usize = 4;
    for rate in [0.5, 3.0] {
        let mut g = Graph::new();
        let (n, s) = (Axis::plain(g.add_axis("n", DRAWS)), Axis::plain(g.add_axis("s", SAMPLES)));
        let log_rate = g.constant(f64::ln(rate));
        let exact = g.constant(0.0);
        let z = g.arrivals(log_rate, exact, 0, Indicator::Cubic, Site::named("z"), &[n, s]);
        let mut compiled = CpuExecutor::new(Precision::F64).compile(&g, &[z]).unwrap();
        let z = compiled.run(&Feed { seed: 5, ..Feed::default() }).unwrap().remove(0).values;
        let of_first = |z: &[f64]| {
            let (first, others) = z.split_first().unwrap();
            (first - others.iter().sum::<f64>() / others.len() as f64) * (first - rate)
        };
        let scores: Vec<f64> = z.chunks(SAMPLES).map(of_first).collect();
        let count = scores.len() as f64;
        let mean = scores.iter().sum::<f64>() / count;
        let moment = |power: i32| scores.iter().map(|x| (x - mean).powi(power)).sum::<f64>() / count;
        let (variance, fourth) = (moment(2), moment(4));
        agrees("score", (mean, (variance / count).sqrt()), rate);
        let said = rate + 2.0 * rate * rate + rate * rate / (SAMPLES as f64 - 1.0);
        agrees("its variance", (variance, ((fourth - variance * variance) / count).sqrt()), said);
    }
}
