//! Fixed standard normal draws, by which an expectation becomes a deterministic function that L-BFGS can minimise.

use fe_graph::noise::philox;
use nalgebra::DMatrix;
use std::f64::consts::SQRT_2;

/// Points of one scrambled Sobol sequence, and its dimensions; beyond them an independent scramble begins.
const POINTS: usize = 1 << 16;
const DIMENSIONS: usize = 256;

/// Standard normal draws [samples, dimensions], row-major: Owen-scrambled Sobol points (Burley, JCGT 9(4), 2020)
/// through the normal quantile, then moved so that their mean is exactly 0 and their covariance (divisor: samples)
/// exactly the identity. So a quadratic is integrated exactly, and a smooth function better than by independent draws.
/// With fewer than about 30 samples for each dimension the last step flattens the tails. `None` unless samples >
/// dimensions, without which no such draws exist.
pub fn normal_draws(samples: usize, dimensions: usize, seed: u64) -> Option<Vec<f64>> {
    if samples <= dimensions {
        return None;
    }
    // One row for each dimension, so that nalgebra's columns are the samples.
    let mut draws = DMatrix::from_fn(dimensions, samples, |d, s| {
        let (block, scramble) = (d / DIMENSIONS, s / POINTS);
        let key = [seed as u32, (seed >> 32) as u32];
        let [scrambled, ..] = philox([block as u32, scramble as u32, 0, 0], key);
        let point = sobol_burley::sample((s % POINTS) as u32, (d % DIMENSIONS) as u32, scrambled);
        // The points have 23 bits; the middle of a cell is neither 0 nor 1.
        normal_quantile(f64::from(point) + 0.5f64.powi(24))
    });
    // The second round removes what rounding left in the first, where the points were nearly dependent.
    for _ in 0..2 {
        for mut row in draws.row_iter_mut() {
            let mean = row.mean();
            row.add_scalar_mut(-mean);
        }
        let covariance = (&draws * draws.transpose()) / samples as f64;
        draws = covariance.cholesky()?.l().solve_lower_triangular(&draws)?;
    }
    Some(draws.as_slice().to_vec())
}

/// The point below which a standard normal number lies with probability p.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    -SQRT_2 * puruspe::inverfc(2.0 * p)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fe_graph::Site;
    use fe_graph::noise::{Element, NoiseKey, Stream};

    #[test]
    fn quantiles() {
        for (p, z) in [(0.5, 0.0), (0.975, 1.959963984540054), (1e-7, -5.199337582187471), (0.25, -0.6744897501960817)]
        {
            assert!((normal_quantile(p) - z).abs() < 1e-9, "{p} {}", normal_quantile(p));
        }
    }

    #[test]
    fn moments() {
        for (samples, dimensions) in [(2, 1), (11, 10), (64, 10), (1000, 10), (1000, 33), (1024, 300), (70_000, 2)] {
            let draws = normal_draws(samples, dimensions, 7).unwrap();
            assert_eq!(draws.len(), samples * dimensions);
            let mean = |f: &dyn Fn(&[f64]) -> f64| draws.chunks(dimensions).map(f).sum::<f64>() / samples as f64;
            for i in 0..dimensions {
                assert!(mean(&|z| z[i]).abs() < 1e-12);
                for j in (0..=i).step_by(1 + dimensions / 20) {
                    let identity = f64::from(u8::from(i == j));
                    assert!((mean(&|z| z[i] * z[j]) - identity).abs() < 1e-12, "{samples} {dimensions} {i} {j}");
                }
                if samples >= 1000 {
                    let fourth = mean(&|z| z[i].powi(4));
                    // Independent draws would spread by √(96/samples); whitening of many dimensions mixes them to that.
                    let spread = if dimensions <= 10 {
                        0.5
                    } else if dimensions <= 50 {
                        1.0
                    } else {
                        4.0
                    } * (96.0 / samples as f64).sqrt();
                    assert!((fourth - 3.0).abs() < spread, "{samples} {dimensions} {i} {fourth}");
                    assert!(mean(&|z| z[i].powi(3)).abs() < spread);
                }
            }
        }
    }

    #[test]
    fn too_few_samples_and_no_dimensions() {
        assert_eq!(normal_draws(10, 10, 0), None);
        assert_eq!(normal_draws(0, 0, 0), None);
        assert_eq!(normal_draws(5, 0, 0), Some(vec![]));
    }

    #[test]
    fn seeds_differ_and_repeat() {
        assert_eq!(normal_draws(64, 3, 1), normal_draws(64, 3, 1));
        assert_ne!(normal_draws(64, 3, 1), normal_draws(64, 3, 2));
        assert_ne!(normal_draws(64, 3, 1), normal_draws(64, 3, 1 << 40));
    }

    /// Root mean square error over seeds of the mean of three smooth functions of ten variables, against their exact
    /// expectations: exp(Σ a z), its sum coordinate by coordinate, and Σ softplus of neighbours' sums.
    fn errors(draws: impl Fn(u64) -> Vec<f64>) -> [f64; 3] {
        let softplus = |x: f64| x.exp().ln_1p();
        // E softplus(√2 z) by the trapezoid rule, which is exact to rounding for such integrands.
        let expected: f64 = (-8000..=8000)
            .map(|i| f64::from(i) * 0.002)
            .map(|z| 0.002 * softplus(SQRT_2 * z) * (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt())
            .sum();
        let mut squares = [0.0; 3];
        let seeds = 50;
        for seed in 0..seeds {
            let z = draws(seed);
            let n = z.len() as f64 / 10.0;
            let mean = |f: &dyn Fn(&[f64]) -> f64| z.chunks(10).map(f).sum::<f64>() / n;
            let found = [
                mean(&|z| (0.2 * z.iter().sum::<f64>()).exp()) - 0.2f64.exp(),
                mean(&|z| z.iter().map(|z| z.exp()).sum::<f64>()) - 10.0 * 0.5f64.exp(),
                mean(&|z| z.windows(2).map(|w| softplus(w[0] + w[1])).sum::<f64>()) - 9.0 * expected,
            ];
            squares.iter_mut().zip(found).for_each(|(s, e)| *s += e * e / seeds as f64);
        }
        squares.map(f64::sqrt)
    }

    #[test]
    fn smooth_functions_are_integrated_better_than_by_independent_draws() {
        let samples = 256;
        let fixed = errors(|seed| normal_draws(samples, 10, seed).unwrap());
        let independent = errors(|seed| {
            let mut stream =
                Stream::new(NoiseKey { seed, site: Site::named("draws"), step: 0 }, Element { row: 0, rest: 0 });
            (0..samples * 10).map(|_| stream.normal()).collect()
        });
        println!("{fixed:?} {independent:?}");
        for (fixed, independent) in fixed.into_iter().zip(independent) {
            assert!(fixed < independent / 3.0, "{fixed} {independent}");
        }
    }
}
