//! Pareto-smoothed importance sampling (Vehtari, Simpson, Gelman, Yao and Gabry, JMLR 25(72), 2024).

/// Log weights this close together are equal but for rounding.
const ROUNDING: f64 = 1e-8;

/// Smoothed importance weights, and their diagnosis of the proposal.
#[derive(Clone, Debug, PartialEq)]
pub struct Smoothed {
    /// k̂, the shape of the generalised Pareto distribution fitted to the largest weights: up to 0.7 the weights can be
    /// used. −∞ where the largest weights are all equal, so that there is no tail; +∞ where the tail has fewer than
    /// five different draws, so that nothing can be fitted.
    pub khat: f64,
    /// The smoothed weights, in the order of the draws; they sum to 1.
    pub weights: Vec<f64>,
    /// The effective number of draws, 1/Σ w².
    pub ess: f64,
}

impl Smoothed {
    /// Whether k̂ tells of a tail: where the largest weights are all equal, as those of counts are, it says nothing unless
    /// all weights are.
    pub fn has_tail(&self) -> bool {
        self.khat > f64::NEG_INFINITY || self.ess >= LEVEL * self.weights.len() as f64
    }
}

/// Weights of which more than this fraction is effective are level.
pub const LEVEL: f64 = 0.95;

/// Smooths the weights of independent draws, given by their logarithms up to a constant. A log weight of −∞ is a weight
/// of zero. `None` where no weight is positive, or one is infinite or not a number.
pub fn smooth(log_weights: &[f64]) -> Option<Smoothed> {
    let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !largest.is_finite() || log_weights.iter().any(|w| w.is_nan()) {
        return None;
    }
    let mut weights: Vec<f64> = log_weights.iter().map(|w| (w - largest).exp()).collect();
    let khat = smooth_tail(&mut weights);
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= total);
    let ess = 1.0 / weights.iter().map(|w| w * w).sum::<f64>();
    Some(Smoothed { khat, weights, ess })
}

/// k̂ of the tail of some numbers that are not negative, without smoothing them: whether their mean can be had from these draws. 0
/// where the largest of them are all equal, or none is positive.
pub fn tail_shape(numbers: &[f64]) -> f64 {
    let largest = numbers.iter().copied().fold(0.0, f64::max);
    if !(largest > 0.0 && largest.is_finite()) {
        return if largest > 0.0 { f64::INFINITY } else { 0.0 };
    }
    let mut scaled: Vec<f64> = numbers.iter().map(|v| v / largest).collect();
    let shape = smooth_tail(&mut scaled);
    if shape == f64::NEG_INFINITY { 0.0 } else { shape }
}

/// How many of so many weights are the tail: min(S/5, 3√S).
pub(crate) fn tail_length(count: usize) -> usize {
    let count = count as f64;
    (count / 5.0).min(3.0 * count.sqrt()).ceil() as usize
}

/// Replaces the largest weights, of which the largest is 1, by the expected order statistics of the fitted
/// distribution, none above 1; gives its shape.
fn smooth_tail(weights: &mut [f64]) -> f64 {
    let length = tail_length(weights.len());
    let mut order: Vec<usize> = (0..weights.len()).collect();
    let weight = |i: &usize| weights.get(*i).copied().unwrap_or(0.0);
    // Equal weights stay in the order of the draws, so that no more than the tail and the weight behind it need be sorted.
    let larger = |a: &usize, b: &usize| weight(b).total_cmp(&weight(a)).then(a.cmp(b));
    if length + 1 < order.len() {
        order.select_nth_unstable_by(length, larger);
        order.truncate(length + 1);
    }
    order.sort_unstable_by(larger);
    // The largest weight outside of the tail; a weight equal to it is outside too.
    let cutoff = order.get(length).map_or(0.0, weight).max(f64::MIN_POSITIVE);
    if cutoff >= 1.0 - ROUNDING {
        return f64::NEG_INFINITY;
    }
    order.truncate(length);
    order.retain(|i| weight(i) > cutoff);
    order.reverse();
    let excesses: Vec<f64> = order.iter().map(|i| weight(i) - cutoff).collect();
    let Some(Pareto { shape, scale }) = fit(&excesses) else { return f64::INFINITY };
    let tail = excesses.len() as f64;
    for (place, i) in order.iter().enumerate() {
        if let Some(weight) = weights.get_mut(*i) {
            *weight = (cutoff + quantile(shape, scale, (place as f64 + 0.5) / tail)).min(1.0);
        }
    }
    shape
}

/// A generalised Pareto distribution on (0, ∞).
struct Pareto {
    shape: f64,
    scale: f64,
}

fn quantile(shape: f64, scale: f64, p: f64) -> f64 {
    let e = -(-p).ln_1p();
    scale * if shape.abs() < f64::EPSILON { e } else { (shape * e).exp_m1() / shape }
}

/// Fits ascending positive excesses by Zhang and Stephens (Technometrics 51, 2009), the shape then drawn towards ½ as
/// by ten observations (Vehtari et al., appendix C). `None` with fewer than five or without a finite answer.
fn fit(excesses: &[f64]) -> Option<Pareto> {
    let n = excesses.len() as f64;
    let largest = *excesses.last()?;
    let quartile = *excesses.get(((n / 4.0 + 0.5) as usize).checked_sub(1)?)?;
    if excesses.len() < 5 || quartile <= 0.0 {
        return None;
    }
    // For θ = −shape/scale the likelihood is highest at shape = mean log(1 − θ·x).
    let shape_at = |theta: f64| excesses.iter().map(|x| (-theta * x).ln_1p()).sum::<f64>() / n;
    let points = 30 + n.sqrt() as usize;
    let profile: Vec<(f64, f64)> = (1..=points)
        .map(|i| {
            let theta = 1.0 / largest + (1.0 - (points as f64 / (i as f64 - 0.5)).sqrt()) / (3.0 * quartile);
            let shape = shape_at(theta);
            (theta, n * ((-theta / shape).ln() - shape - 1.0))
        })
        .filter(|(_, likelihood)| likelihood.is_finite())
        .collect();
    let highest = profile.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
    let (sum, total) = profile.iter().fold((0.0, 0.0), |(sum, total), (theta, likelihood)| {
        let weight = (likelihood - highest).exp();
        (sum + weight * theta, total + weight)
    });
    let theta = sum / total;
    let shape = shape_at(theta);
    let scale = -shape / theta;
    let drawn = (n * shape + 10.0 * 0.5) / (n + 10.0);
    (drawn.is_finite() && scale.is_finite() && scale > 0.0).then_some(Pareto { shape: drawn, scale })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fe_graph::Site;
    use fe_graph::noise::{Element, NoiseKey, Stream};

    fn stream(seed: u64) -> Stream {
        Stream::new(NoiseKey { seed, site: Site::named("psis"), step: 0 }, Element { row: 0, rest: 0 })
    }

    /// Against arviz 0.23.4, `arviz.psislw(numpy.array(log_weights))`: k̂, 1/Σw², the largest and the fifth weight.
    fn agrees(log_weights: &[f64], expected: [f64; 4]) {
        let s = smooth(log_weights).unwrap();
        let largest = s.weights.iter().copied().fold(0.0, f64::max);
        for (got, want) in [s.khat, s.ess, largest, s.weights[4]].into_iter().zip(expected) {
            assert!((got / want - 1.0).abs() < 1e-9, "{got} {want}");
        }
    }

    #[test]
    fn agrees_with_arviz() {
        let waves: Vec<f64> = (0..60).map(|i| 3.0 * f64::from(i * i).sin()).collect();
        agrees(&waves, ARVIZ[0]);
        let pareto: Vec<f64> = (0..1000).map(|i| -0.9 * (1.0 - (f64::from(i) + 0.5) / 1000.0).ln()).collect();
        agrees(&pareto, ARVIZ[1]);
        let bounded: Vec<f64> = (0..200).map(|i| -0.01 * f64::from((i * 37) % 200)).collect();
        agrees(&bounded, ARVIZ[2]);
        let wild: Vec<f64> = (0..400).map(|i| 1e3 + 0.2 * f64::from((i * 171) % 400)).collect();
        agrees(&wild, ARVIZ[3]);
    }

    #[test]
    fn the_shape_of_pareto_draws_is_recovered() {
        for shape in [-0.3, 0.3, 0.7, 1.2] {
            let (mut sum, fits, n) = (0.0, 20, 1000);
            for seed in 0..fits {
                let mut s = stream(seed);
                let mut x: Vec<f64> = (0..n).map(|_| quantile(shape, 2.5, s.uniform())).collect();
                x.sort_by(f64::total_cmp);
                let fitted = fit(&x).unwrap();
                assert!((fitted.scale / 2.5 - 1.0).abs() < 0.25, "{}", fitted.scale);
                sum += fitted.shape;
            }
            // The standard deviation of one fit is near (1 + k)/√n; the prior moves it by 1 % of the way to ½.
            let expected = (1000.0 * shape + 5.0) / 1010.0;
            let error = (1.0 + shape.abs()) / (f64::from(n) * fits as f64).sqrt();
            assert!((sum / fits as f64 - expected).abs() < 4.0 * error, "{shape}: {}", sum / fits as f64);
        }
    }

    #[test]
    fn a_normal_proposal_that_is_too_narrow_has_the_known_shape() {
        // Target N(0, 1), proposal N(0, s): the weights have tail shape 1 − s² for s < 1, and a bound for s ≥ 1.
        let smoothed = |sd: f64| {
            let mut s = stream(5);
            let log_weights: Vec<f64> =
                (0..100_000).map(|_| s.normal()).map(|z| 0.5 * z * z * (1.0 - sd * sd)).collect();
            smooth(&log_weights).unwrap()
        };
        let khat = |sd: f64| smoothed(sd).khat;
        assert!(khat(1.2) < 0.0);
        assert!((khat(0.8) - 0.36).abs() < 0.15, "{}", khat(0.8));
        assert!((khat(0.4) - 0.84).abs() < 0.15, "{}", khat(0.4));
        // E w² = s²/√(2 s² − 1) where E w = 1.
        let effective = smoothed(1.2).ess / 1e5;
        assert!((effective - 1.88_f64.sqrt() / 1.44).abs() < 2e-3, "{effective}");
    }

    #[test]
    fn smoothing_mends_heavy_weights() {
        // E w = 1 for log-normal weights; smoothed weights keep order and sum, and are no larger than the largest.
        let mut s = stream(9);
        let log_weights: Vec<f64> = (0..4000).map(|_| 1.5 * s.normal()).collect();
        let smoothed = smooth(&log_weights).unwrap();
        assert!((smoothed.weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(smoothed.khat > 0.3 && smoothed.khat < 0.8, "{}", smoothed.khat);
        let mut order: Vec<usize> = (0..4000).collect();
        order.sort_by(|&a, &b| log_weights[a].total_cmp(&log_weights[b]));
        assert!(order.windows(2).all(|w| smoothed.weights[w[0]] <= smoothed.weights[w[1]]));
        assert!(smoothed.ess > 1.0 && smoothed.ess < 4000.0);
    }

    #[test]
    fn equal_weights_have_no_tail() {
        for noise in [0.0, 1e-12] {
            let log_weights: Vec<f64> = (0..100).map(|i| -1e4 + noise * f64::from(i).sin()).collect();
            let s = smooth(&log_weights).unwrap();
            assert_eq!(s.khat, f64::NEG_INFINITY);
            assert!((s.ess - 100.0).abs() < 1e-6);
        }
    }

    #[test]
    fn degenerate_weights() {
        assert_eq!(smooth(&[]), None);
        assert_eq!(smooth(&[f64::NEG_INFINITY; 5]), None);
        assert_eq!(smooth(&[0.0, f64::NAN]), None);
        assert_eq!(smooth(&[0.0, f64::INFINITY]), None);
        assert_eq!(smooth(&[0.0, -1.0, -2.0]).unwrap().khat, f64::INFINITY);
        let mut one = vec![f64::NEG_INFINITY; 1000];
        one[3] = 0.0;
        let s = smooth(&one).unwrap();
        assert_eq!((s.khat, s.weights[3], s.ess), (f64::INFINITY, 1.0, 1.0));
        let mut outlier = vec![0.0; 1000];
        outlier[7] = 700.0;
        assert_eq!(smooth(&outlier).unwrap().khat, f64::INFINITY);
    }

    const ARVIZ: [[f64; 4]; 4] = [
        [-0.7294952585399163, 19.123833104384804, 0.07214783325062908, 0.0015197739845494054],
        [0.8442664334030683, 38.144268500684035, 0.13591972134695593, 0.00018034239635595378],
        [-0.5392587331173688, 151.19112464328558, 0.011439747235553957, 0.002604117616396616],
        [3.5352266839036344, 6.861966715239656, 0.1757852062940276, 1.8038866280231968e-11],
    ];
}
