//! What diagrams show, as numbers: bins, quantiles, ranks among draws, calibration.

use statrs::distribution::{Binomial, DiscreteCDF};

/// Draws of an array, one behind the other, each with as many elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draws<'a> {
    pub values: &'a [f64],
    pub width: usize,
}

impl<'a> Draws<'a> {
    pub fn count(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    pub fn each(&self) -> impl Iterator<Item = &'a [f64]> + use<'a> {
        self.values.chunks_exact(self.width.max(1))
    }

    /// All draws of one element.
    pub fn of(&self, element: usize) -> Vec<f64> {
        self.values.iter().skip(element).step_by(self.width.max(1)).copied().collect()
    }

    /// The mean of each element over the draws of some places.
    pub fn means(&self, which: impl Fn(usize) -> bool) -> Vec<f64> {
        let (mut sums, mut count) = (vec![0.0; self.width], 0.0);
        for (_, draw) in self.each().enumerate().filter(|(k, _)| which(*k)) {
            sums.iter_mut().zip(draw).for_each(|(s, v)| *s += v);
            count += 1.0;
        }
        sums.into_iter().map(|s| s / f64::max(count, 1.0)).collect()
    }

    /// The standard deviation of each element.
    pub fn sds(&self) -> Vec<f64> {
        let means = self.means(|_| true);
        let mut sums = vec![0.0; self.width];
        for draw in self.each() {
            sums.iter_mut().zip(draw).zip(&means).for_each(|((s, v), m)| *s += (v - m).powi(2));
        }
        let count = self.count().saturating_sub(1).max(1) as f64;
        sums.into_iter().map(|s| (s / count).sqrt()).collect()
    }
}

/// The quantile of sorted values, linear between them (type 7 of Hyndman and Fan, The American Statistician 50:361, 1996);
/// NaN of none.
pub(super) fn quantile(sorted: &[f64], p: f64) -> f64 {
    let at = p * sorted.len().saturating_sub(1) as f64;
    let (low, part) = (at.floor() as usize, at.fract());
    match (sorted.get(low), sorted.get(low + 1)) {
        (Some(a), Some(b)) if part > 0.0 => a + part * (b - a),
        (Some(a), _) => *a,
        _ => f64::NAN,
    }
}

/// The 5 %, 50 % and 95 % quantile.
pub(super) fn interval(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.retain(|v| v.is_finite());
    values.sort_by(f64::total_cmp);
    let [low, mid, high] = [0.05, 0.5, 0.95].map(|p| quantile(&values, p));
    (low, mid, high)
}

/// Pearson's correlation; 0 where one does not vary.
pub(super) fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().min(b.len()).max(1) as f64;
    let mean = |v: &[f64]| v.iter().sum::<f64>() / n;
    let (of_a, of_b) = (mean(a), mean(b));
    let (mut both, mut own_a, mut own_b) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        both += (x - of_a) * (y - of_b);
        own_a += (x - of_a).powi(2);
        own_b += (y - of_b).powi(2);
    }
    let scale = (own_a * own_b).sqrt();
    if scale > 0.0 { both / scale } else { 0.0 }
}

/// Bins of one width, side by side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bins {
    pub start: f64,
    pub step: f64,
    pub count: usize,
}

impl Bins {
    /// About so many at round places over the middle `within` of values.
    pub fn over(mut values: Vec<f64>, within: f64, wanted: usize) -> Option<Self> {
        values.retain(|v| v.is_finite());
        values.sort_by(f64::total_cmp);
        let (low, high) = (quantile(&values, (1.0 - within) / 2.0), quantile(&values, (1.0 + within) / 2.0));
        if low.partial_cmp(&high) != Some(std::cmp::Ordering::Less) {
            return None;
        }
        let step = fe_report::even(high - low, wanted);
        let start = (low / step).floor() * step;
        let count = ((high - start) / step).floor() as usize + 1;
        Some(Self { start, step, count: count.min(400) })
    }

    /// Bins of whole numbers about them, of one each up to `most`.
    pub fn whole(low: f64, high: f64, most: usize) -> Self {
        let span = high - low + 1.0;
        let step = if span <= most as f64 { 1.0 } else { fe_report::even(span, most).max(1.0) };
        let start = (low / step).floor() * step;
        Self { start: start - 0.5, step, count: ((high - start) / step).floor() as usize + 1 }
    }

    pub fn edges(&self, bin: usize) -> (f64, f64) {
        (self.start + bin as f64 * self.step, self.start + (bin + 1) as f64 * self.step)
    }

    pub fn middle(&self, bin: usize) -> f64 {
        self.start + (bin as f64 + 0.5) * self.step
    }

    /// The share of all values in each bin; what lies outside is in none, and counts among all.
    pub fn shares<'a>(&self, values: impl Iterator<Item = &'a f64>) -> Vec<f64> {
        let (mut bins, mut all) = (vec![0.0; self.count], 0.0);
        for v in values.filter(|v| v.is_finite()) {
            all += 1.0;
            let at = (v - self.start) / self.step;
            if at >= 0.0
                && let Some(bin) = bins.get_mut(at as usize)
            {
                *bin += 1.0;
            }
        }
        bins.iter_mut().for_each(|b| *b /= f64::max(all, 1.0));
        bins
    }
}

/// The rank of each value among draws of it, as a part of all: uniform where values and draws are of one distribution
/// (Gneiting, Balabdaoui and Raftery, J. R. Statist. Soc. B 69:243, 2007). Among equal draws a value is put at a place
/// that the golden ratio's multiples give it, so that the ranks of counts are uniform too and no chance is in them. NaN
/// where a value is missing.
pub(super) fn ranks(observed: &[f64], draws: Draws) -> Vec<f64> {
    let (mut below, mut equal) = (vec![0.0; observed.len()], vec![0.0; observed.len()]);
    for draw in draws.each() {
        for ((b, e), (v, y)) in below.iter_mut().zip(&mut equal).zip(draw.iter().zip(observed)) {
            *b += f64::from(u8::from(v < y));
            *e += f64::from(u8::from(v == y));
        }
    }
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let all = draws.count() as f64 + 1.0;
    let place = |k: usize| ((k as f64 + 0.5) * GOLDEN).fract();
    let rank = |(k, ((b, e), y)): (usize, ((f64, f64), &f64))| {
        if y.is_finite() { (b + place(k) * (e + 1.0)) / all } else { f64::NAN }
    };
    below.into_iter().zip(equal).zip(observed).enumerate().map(rank).collect()
}

/// The 5 % and 95 % quantile of a binomial count, as a share of its trials.
pub(super) fn binomial_band(trials: usize, p: f64) -> (f64, f64) {
    let Ok(law) = Binomial::new(p.clamp(0.0, 1.0), trials as u64) else { return (f64::NAN, f64::NAN) };
    if p <= 0.0 || p >= 1.0 {
        return (p, p);
    }
    let at = |q: f64| law.inverse_cdf(q) as f64 / trials.max(1) as f64;
    (at(0.05), at(0.95))
}

/// A group of cells whose predicted probabilities are alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reliability {
    /// Cells.
    pub cells: usize,
    /// The mean of their probabilities.
    pub predicted: f64,
    /// The share of them that came true.
    pub observed: f64,
    /// Where that share lies in nine of ten cases if the probabilities hold.
    pub band: (f64, f64),
}

/// Yes and no against the probabilities that draws give them, in at most `most` groups of as many cells.
///
/// Cells are put into groups by every other draw, and the probability of a group is taken from the draws between: a mean
/// of few draws is off by chance, and groups made by the same draws would have that chance in their probabilities.
pub(super) fn calibration(observed: &[f64], draws: Draws, most: usize) -> Vec<Reliability> {
    let (by, of) = (draws.means(|k| k % 2 == 0), draws.means(|k| k % 2 == 1));
    let mut cells: Vec<(f64, f64, f64)> =
        by.iter().zip(&of).zip(observed).map(|((b, o), y)| (*b, *o, *y)).filter(|c| c.2.is_finite()).collect();
    cells.sort_by(|a, b| a.0.total_cmp(&b.0));
    let groups = (cells.len() / 10).clamp(1, most.max(1));
    let size = cells.len().div_ceil(groups).max(1);
    let of_group = |group: &[(f64, f64, f64)]| {
        let n = group.len() as f64;
        let predicted = group.iter().map(|c| c.1).sum::<f64>() / n;
        let observed = group.iter().map(|c| c.2).sum::<f64>() / n;
        Reliability { cells: group.len(), predicted, observed, band: binomial_band(group.len(), predicted) }
    };
    cells.chunks(size).map(of_group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::ChaCha8Rng;
    use rand::{Rng, RngExt, SeedableRng};

    fn uniform(rng: &mut impl Rng) -> f64 {
        rng.random::<f64>()
    }

    /// A Poisson count by the product of uniform numbers (Knuth, The Art of Computer Programming, 3.4.1).
    fn poisson(rng: &mut impl Rng, rate: f64) -> f64 {
        let (mut left, mut count) = (uniform(rng), 0.0);
        while left > (-rate).exp() {
            left *= uniform(rng);
            count += 1.0;
        }
        count
    }

    /// The most that an empirical distribution is off the uniform one.
    fn off_uniform(mut ranks: Vec<f64>) -> f64 {
        ranks.sort_by(f64::total_cmp);
        let n = ranks.len() as f64;
        ranks.iter().enumerate().map(|(k, r)| (r - (k as f64 + 0.5) / n).abs() + 0.5 / n).fold(0.0, f64::max)
    }

    /// The 99.9 % quantile of the Kolmogorov–Smirnov statistic.
    fn bound(n: usize) -> f64 {
        1.949 / (n as f64).sqrt()
    }

    #[test]
    fn ranks_of_counts_are_uniform_where_the_model_holds_and_not_else() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let (n, draws) = (4000, 60);
        let rates: Vec<f64> = (0..n).map(|k| 0.3 + 4.0 * (k % 17) as f64 / 17.0).collect();
        let observed: Vec<f64> = rates.iter().map(|&r| poisson(&mut rng, r)).collect();
        let anew = |rng: &mut ChaCha8Rng, by: f64| -> Vec<f64> {
            (0..draws).flat_map(|_| rates.iter().map(|&r| poisson(rng, by * r)).collect::<Vec<_>>()).collect()
        };
        let right = anew(&mut rng, 1.0);
        let found = off_uniform(ranks(&observed, Draws { values: &right, width: n }));
        assert!(found < bound(n), "{found} ≥ {}", bound(n));
        let wrong = anew(&mut rng, 1.3);
        assert!(off_uniform(ranks(&observed, Draws { values: &wrong, width: n })) > 3.0 * bound(n));
        // Without ties the rank is the share of draws below.
        let rank = ranks(&[2.5, f64::NAN], Draws { values: &[1.0, 0.0, 2.0, 0.0, 3.0, 0.0], width: 2 });
        assert!((0.5..0.75).contains(&rank[0]) && rank[1].is_nan(), "{rank:?}");
    }

    /// Nine of ten groups lie within their bands where probabilities hold, and their predictions are not spread by the noise of
    /// few draws.
    #[test]
    fn calibration_is_level_where_probabilities_hold() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let (n, draws) = (2000, 40);
        let (mut inside, mut all, mut rise) = (0, 0, (0.0, 0.0));
        for _ in 0..40 {
            let p: Vec<f64> = (0..n).map(|_| 0.2 + 0.6 * uniform(&mut rng)).collect();
            let yes = |rng: &mut ChaCha8Rng, p: f64| f64::from(u8::from(uniform(rng) < p));
            let observed: Vec<f64> = p.iter().map(|&p| yes(&mut rng, p)).collect();
            let anew: Vec<f64> =
                (0..draws).flat_map(|_| p.iter().map(|&p| yes(&mut rng, p)).collect::<Vec<_>>()).collect();
            let groups = calibration(&observed, Draws { values: &anew, width: n }, 10);
            assert_eq!(groups.iter().map(|g| g.cells).sum::<usize>(), n);
            inside += groups.iter().filter(|g| g.band.0 <= g.observed && g.observed <= g.band.1).count();
            all += groups.len();
            let (first, last) = (groups[0], groups[groups.len() - 1]);
            rise.0 += last.observed - first.observed;
            rise.1 += last.predicted - first.predicted;
        }
        // The band of a discrete count holds 90 % or a little more: 400 groups, 3 standard errors.
        let share = inside as f64 / all as f64;
        assert!((0.9 - 0.045..0.97).contains(&share), "{share}");
        // The rise of 40 sets is known to 0.02 of itself; groups by the same draws would have it 0.7 of what is predicted.
        let slope = rise.0 / rise.1;
        assert!((slope - 1.0).abs() < 0.08, "{slope}");
    }

    #[test]
    fn a_binomial_band_has_its_quantiles() {
        // 10 trials at ½: P(X ≤ 2) = 56/1024 = 0.0547, P(X ≤ 7) = 968/1024 = 0.945, P(X ≤ 8) = 0.989.
        assert_eq!(binomial_band(10, 0.5), (0.2, 0.8));
        assert_eq!(binomial_band(10, 0.0), (0.0, 0.0));
        let (low, high) = binomial_band(1_000_000, 0.3);
        let sd = (0.21f64 / 1e6).sqrt();
        assert!((low - 0.3 + 1.6449 * sd).abs() < 2e-6 && (high - 0.3 - 1.6449 * sd).abs() < 2e-6);
    }

    #[test]
    fn moments_quantiles_and_correlations_are_those_of_the_values() {
        let draws = Draws { values: &[1.0, 10.0, 2.0, 20.0, 6.0, 60.0], width: 2 };
        assert_eq!((draws.count(), draws.of(1)), (3, vec![10.0, 20.0, 60.0]));
        assert_eq!((draws.means(|_| true), draws.means(|k| k != 1)), (vec![3.0, 30.0], vec![3.5, 35.0]));
        assert!((draws.sds()[0] - 7f64.sqrt()).abs() < 1e-12);
        assert_eq!(quantile(&[0.0, 1.0, 3.0], 0.75), 2.0);
        assert!(quantile(&[], 0.5).is_nan());
        assert_eq!(interval(vec![5.0, f64::NAN, 1.0, 3.0]).1, 3.0);
        assert!((correlation(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]) - 1.0).abs() < 1e-12);
        assert!((correlation(&[1.0, 2.0, 3.0], &[1.0, -2.0, 1.0])).abs() < 1e-12);
        assert_eq!(correlation(&[1.0, 1.0], &[2.0, 3.0]), 0.0);
    }

    #[test]
    fn bins_hold_the_values_within_them() {
        let bins = Bins::whole(0.0, 4.0, 30);
        assert_eq!((bins.start, bins.step, bins.count), (-0.5, 1.0, 5));
        assert_eq!(bins.shares([0.0, 0.0, 4.0, f64::NAN].iter()), [2.0 / 3.0, 0.0, 0.0, 0.0, 1.0 / 3.0]);
        // Wider bins begin at whole numbers too, and what lies outside counts among all.
        let wide = Bins::whole(0.0, 299.0, 30);
        assert_eq!((wide.step, wide.middle(0)), (10.0, 4.5));
        let bins = Bins::over((0..1000).map(|k| f64::from(k) / 1000.0).collect(), 0.9, 9).unwrap();
        assert!((bins.shares([0.5, 7.0].iter()).iter().sum::<f64>() - 0.5).abs() < 1e-12);
        assert_eq!(Bins::over(vec![1.0; 9], 0.99, 9), None);
    }
}
