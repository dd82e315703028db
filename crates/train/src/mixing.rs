//! How well Markov chains have mixed: split R̂ and effective sample sizes, of ranks, of tails and of means (Vehtari, Gelman,
//! Simpson, Carpenter and Bürkner, Bayesian Analysis 16(2), 2021). Draws are given chain by chain, chains of one length.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use crate::draws::normal_quantile;

/// The mixing of one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mixing {
    /// The larger of split R̂ of the ranks and of the ranks of the distance from the median.
    pub rhat: f64,
    /// The effective sample size of the ranks.
    pub bulk: f64,
    /// The smaller effective sample size of the 5 % and the 95 % quantile.
    pub tail: f64,
}

impl Mixing {
    /// Of the chains of one number. Where it never changes there is nothing to mix.
    pub fn of(chains: &[Vec<f64>]) -> Self {
        let halves = split(chains);
        let count = halves.iter().map(Vec::len).sum::<usize>() as f64;
        if constant(&halves) {
            return Self { rhat: 1.0, bulk: count, tail: count };
        }
        let ranked = ranks(&halves);
        let middle = quantile(&halves, 0.5);
        let folded: Vec<Vec<f64>> = halves.iter().map(|c| c.iter().map(|v| (v - middle).abs()).collect()).collect();
        let at = |p: f64| {
            let end = quantile(&halves, p);
            let below: Vec<Vec<f64>> =
                halves.iter().map(|c| c.iter().map(|&v| f64::from(u8::from(v <= end))).collect()).collect();
            effective(&below)
        };
        let rhat = potential(&ranked).max(potential(&ranks(&folded)));
        Self { rhat, bulk: effective(&ranked), tail: at(0.05).min(at(0.95)) }
    }
}

/// The standard error of the mean of a number over chains: its standard deviation by its effective sample size.
pub fn standard_error(chains: &[Vec<f64>]) -> f64 {
    let halves = split(chains);
    let all: Vec<f64> = halves.iter().flatten().copied().collect();
    (variance(&all) / effective(&halves)).sqrt()
}

/// The halves of every chain.
fn split(chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let halves = chains.iter().flat_map(|c| {
        let half = c.len() / 2;
        [c.iter().take(half).copied().collect(), c.iter().skip(c.len() - half).copied().collect()]
    });
    halves.collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// With n − 1 below.
fn variance(values: &[f64]) -> f64 {
    let m = mean(values);
    values.iter().map(|v| (v - m) * (v - m)).sum::<f64>() / (values.len() as f64 - 1.0).max(1.0)
}

fn constant(chains: &[Vec<f64>]) -> bool {
    let ends = chains.iter().flatten().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)));
    let largest = ends.0.abs().max(ends.1.abs());
    // A number that is not finite has no order, and has not mixed.
    ends.1 - ends.0 <= 1e-14 * largest && chains.iter().flatten().all(|v| v.is_finite())
}

/// The normal quantiles of (r − 3/8)/(S + 1/4), r being the rank among all S draws; equal draws share their mean rank.
fn ranks(chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut order: Vec<(f64, usize, usize)> = vec![];
    for (c, chain) in chains.iter().enumerate() {
        order.extend(chain.iter().enumerate().map(|(k, &v)| (v, c, k)));
    }
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let count = order.len() as f64;
    let mut result: Vec<Vec<f64>> = chains.iter().map(|c| vec![0.0; c.len()]).collect();
    let mut before = 0;
    for equal in order.chunk_by(|a, b| a.0 == b.0) {
        let rank = before as f64 + 0.5 * (equal.len() as f64 + 1.0);
        before += equal.len();
        let z = normal_quantile((rank - 0.375) / (count + 0.25));
        for &(_, c, k) in equal {
            if let Some(slot) = result.get_mut(c).and_then(|r| r.get_mut(k)) {
                *slot = z;
            }
        }
    }
    result
}

/// A quantile of all draws, between neighbours in proportion.
fn quantile(chains: &[Vec<f64>], p: f64) -> f64 {
    let mut all: Vec<f64> = chains.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let place = p * (all.len() as f64 - 1.0).max(0.0);
    let low = all.get(place.floor() as usize).copied().unwrap_or(f64::NAN);
    let high = all.get(place.ceil() as usize).copied().unwrap_or(low);
    low + (place - place.floor()) * (high - low)
}

/// R̂ of chains as they are.
fn potential(chains: &[Vec<f64>]) -> f64 {
    let n = chains.first().map_or(0, Vec::len) as f64;
    let means: Vec<f64> = chains.iter().map(|c| mean(c)).collect();
    let within = mean(&chains.iter().map(|c| variance(c)).collect::<Vec<_>>());
    let between = n * variance(&means);
    ((between / within + n - 1.0) / n).sqrt()
}

/// The effective sample size of the mean over chains as they are, by Geyer's initial monotone sequence.
fn effective(chains: &[Vec<f64>]) -> f64 {
    let n = chains.iter().map(Vec::len).min().unwrap_or(0);
    let count = (n * chains.len()) as f64;
    if n < 4 {
        return f64::NAN;
    }
    if constant(chains) {
        return count;
    }
    let covariances = autocovariances(chains, n);
    let at = |lag: usize| covariances.get(lag).copied().unwrap_or(f64::NAN);
    let own = at(0) * n as f64 / (n as f64 - 1.0);
    let means: Vec<f64> = chains.iter().map(|c| mean(c)).collect();
    let between = if chains.len() > 1 { variance(&means) } else { 0.0 };
    let whole = own * (n as f64 - 1.0) / n as f64 + between;
    let rho = |lag: usize| if lag == 0 { 1.0 } else { 1.0 - (own - at(lag)) / whole };
    // Sums of neighbours are positive and fall, of a reversible chain.
    let mut pairs: Vec<(f64, f64)> = vec![];
    let mut rest = 0.0;
    for k in 0.. {
        let (even, odd) = (rho(2 * k), rho(2 * k + 1));
        if 2 * k + 1 >= n.saturating_sub(2) || even + odd <= 0.0 || (even + odd).is_nan() {
            rest = even.max(0.0);
            break;
        }
        let last: f64 = pairs.last().map_or(f64::INFINITY, |p| p.0 + p.1);
        pairs.push(if even + odd > last { (0.5 * last, 0.5 * last) } else { (even, odd) });
    }
    let time = -1.0 + 2.0 * pairs.iter().map(|p| p.0 + p.1).sum::<f64>() + rest;
    // Of chains that swing about their mean, no more is claimed than so much.
    count / time.max(1.0 / count.log10())
}

/// The autocovariances of lags 0, 1, …, with n below, in the mean over chains.
fn autocovariances(chains: &[Vec<f64>], n: usize) -> Vec<f64> {
    let size = (2 * n).next_power_of_two();
    let mut planner = FftPlanner::new();
    let (forward, inverse) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
    let mut total = vec![0.0; n];
    for chain in chains {
        let m = mean(chain);
        let mut buffer: Vec<Complex<f64>> = chain.iter().take(n).map(|v| Complex::new(v - m, 0.0)).collect();
        buffer.resize(size, Complex::new(0.0, 0.0));
        forward.process(&mut buffer);
        buffer.iter_mut().for_each(|v| *v = Complex::new(v.norm_sqr(), 0.0));
        inverse.process(&mut buffer);
        let scale = 1.0 / (size as f64 * n as f64 * chains.len() as f64);
        total.iter_mut().zip(&buffer).for_each(|(t, v)| *t += v.re * scale);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two chains of four draws by hand: halves (1, 2), (3, 4), (2, 3), (4, 5) have means 1.5, 3.5, 2.5, 4.5, of variance 5/3,
    /// and variances ½, so that R̂² = (2·5/3/½ + 1)/2.
    #[test]
    fn split_rhat_by_hand() {
        let halves = split(&[vec![1.0, 2.0, 3.0, 4.0], vec![2.0, 3.0, 4.0, 5.0]]);
        assert_eq!(halves, [[1.0, 2.0], [3.0, 4.0], [2.0, 3.0], [4.0, 5.0]]);
        let expected = ((2.0 * (5.0 / 3.0) / 0.5 + 1.0) / 2.0f64).sqrt();
        assert!((potential(&halves) - expected).abs() < 1e-12);
    }
}
