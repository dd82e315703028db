//! Statistics of a code: its sparsity, and the quality of its reconstructions.
//!
//! Each accumulator takes rows in chunks and adds them one by one in f64, so its result does not depend on where the
//! chunks are cut.

/// A unit is active where its rate exceeds this many nats per row.
pub const ACTIVE_NATS: f64 = 0.01;

/// The number of active units, given each unit's rate in nats per row.
pub fn active(rates: &[f64]) -> usize {
    rates.iter().filter(|&&rate| rate > ACTIVE_NATS).count()
}

/// A chunk that does not divide into whole rows, or two that do not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found} numbers do not make whole rows of {columns}, or not as many as their counterpart's")]
pub struct ChunkError {
    columns: usize,
    found: usize,
}

/// Treves–Rolls sparsity from the sums of |z| and z² over `count` samples:
/// (1 − (Σ|z|)²/(m Σz²))/(1 − 1/m), in [0, 1]. All-silent is 1; a single sample has none.
fn treves_rolls(sum: f64, squares: f64, count: f64) -> Option<f64> {
    if count < 2.0 {
        None
    } else if squares == 0.0 {
        Some(1.0)
    } else {
        let sparsity = (1.0 - sum * sum / (count * squares)) / (1.0 - 1.0 / count);
        // Rounding can leave an even code a hair below 0; clamp keeps NaN.
        Some(sparsity.clamp(0.0, 1.0))
    }
}

/// Activity of a code, from samples at temperature 0: mean, exact zeros, and Treves–Rolls sparsity of |z|.
#[derive(Clone, Debug)]
pub struct CodeStatistics {
    rows: u64,
    zeros: u64,
    sum: f64,
    /// Per unit: Σ|z| and Σz² over rows.
    units: Vec<(f64, f64)>,
    /// Sum over rows of the sparsity over units.
    population: f64,
}

impl CodeStatistics {
    /// An empty account of so many units.
    pub fn new(units: usize) -> Self {
        Self { rows: 0, zeros: 0, sum: 0.0, units: vec![(0.0, 0.0); units], population: 0.0 }
    }

    /// Adds samples `[rows, units]`, row-major.
    ///
    /// # Errors
    /// When they do not make whole rows; nothing is added then.
    pub fn add(&mut self, samples: &[f64]) -> Result<(), ChunkError> {
        let columns = self.units.len();
        if samples.is_empty() {
            return Ok(());
        }
        if columns == 0 || !samples.len().is_multiple_of(columns) {
            return Err(ChunkError { columns, found: samples.len() });
        }
        for row in samples.chunks_exact(columns) {
            let (mut sum, mut squares) = (0.0, 0.0);
            for (unit, &z) in self.units.iter_mut().zip(row) {
                let (magnitude, square) = (z.abs(), z * z);
                unit.0 += magnitude;
                unit.1 += square;
                sum += magnitude;
                squares += square;
                self.sum += z;
                self.zeros += u64::from(z == 0.0);
            }
            self.population += treves_rolls(sum, squares, columns as f64).unwrap_or(0.0);
            self.rows += 1;
        }
        Ok(())
    }

    /// Rows added.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    fn samples(&self) -> Option<f64> {
        (self.rows > 0).then_some(self.rows as f64 * self.units.len() as f64)
    }

    /// Mean over rows and units; none before any row.
    pub fn mean(&self) -> Option<f64> {
        Some(self.sum / self.samples()?)
    }

    /// Fraction of samples that are exactly zero; none before any row.
    pub fn zeros(&self) -> Option<f64> {
        Some(self.zeros as f64 / self.samples()?)
    }

    /// Sparsity of each unit over rows, averaged over units; none with fewer than two rows.
    pub fn lifetime(&self) -> Option<f64> {
        let rows = self.rows as f64;
        let mut total = 0.0;
        for &(sum, squares) in &self.units {
            total += treves_rolls(sum, squares, rows)?;
        }
        (!self.units.is_empty()).then(|| total / self.units.len() as f64)
    }

    /// Sparsity of each row over units, averaged over rows; none with fewer than two units.
    pub fn population(&self) -> Option<f64> {
        (self.rows > 0 && self.units.len() > 1).then(|| self.population / self.rows as f64)
    }
}

/// R² of reconstructions: 1 − SS_res/SS_tot of each row about that row's own mean, averaged over rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct R2 {
    sum: f64,
    rows: u64,
    constant: u64,
}

impl R2 {
    /// An empty account.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds rows `x` and their reconstructions `xhat`, both `[rows, columns]`, row-major.
    ///
    /// # Errors
    /// When they do not make the same number of whole rows; nothing is added then.
    pub fn add(&mut self, x: &[f64], xhat: &[f64], columns: usize) -> Result<(), ChunkError> {
        if x.is_empty() && xhat.is_empty() {
            return Ok(());
        }
        if columns == 0 || !x.len().is_multiple_of(columns) {
            return Err(ChunkError { columns, found: x.len() });
        }
        if xhat.len() != x.len() {
            return Err(ChunkError { columns, found: xhat.len() });
        }
        for (row, guess) in x.chunks_exact(columns).zip(xhat.chunks_exact(columns)) {
            // Told by equality: the rounding error of the mean would pass for variance.
            if row.iter().all(|value| Some(value) == row.first()) {
                self.constant += 1;
                continue;
            }
            let mean = row.iter().sum::<f64>() / columns as f64;
            let total: f64 = row.iter().map(|value| (value - mean).powi(2)).sum();
            let residual: f64 = row.iter().zip(guess).map(|(value, guess)| (value - guess).powi(2)).sum();
            self.sum += 1.0 - residual / total;
            self.rows += 1;
        }
        Ok(())
    }

    /// The mean over rows; none before any row that varies.
    pub fn value(&self) -> Option<f64> {
        (self.rows > 0).then(|| self.sum / self.rows as f64)
    }

    /// Rows left out because all their values are the same, where R² has no meaning.
    pub fn constant_rows(&self) -> u64 {
        self.constant
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: usize = 37;
    const UNITS: usize = 11;

    /// Counts with many zeros, one silent unit and one silent row, without a generator to depend on.
    fn counts() -> Vec<f64> {
        (0..ROWS * UNITS)
            .map(|i| {
                let (row, unit) = (i / UNITS, i % UNITS);
                if unit == 3 || row == 5 { 0.0 } else { ((i * 7919) % 13 % 5) as f64 }
            })
            .collect()
    }

    fn naive(z: &[f64]) -> f64 {
        let m = z.len() as f64;
        let sum: f64 = z.iter().map(|z| z.abs()).sum();
        let squares: f64 = z.iter().map(|z| z * z).sum();
        if squares == 0.0 { 1.0 } else { (1.0 - sum.powi(2) / (m * squares)) / (1.0 - 1.0 / m) }
    }

    fn average(values: impl Iterator<Item = f64>) -> f64 {
        let values: Vec<f64> = values.collect();
        values.iter().sum::<f64>() / values.len() as f64
    }

    fn close(a: Option<f64>, b: f64) {
        let a = a.expect("a figure");
        assert!((a - b).abs() < 1e-13, "{a} is not {b}");
    }

    #[test]
    fn a_code_agrees_with_the_definitions() {
        for sign in [1.0, -1.0] {
            let z: Vec<f64> =
                counts().iter().enumerate().map(|(i, z)| if i % 2 == 0 { z * sign } else { *z }).collect();
            let mut code = CodeStatistics::new(UNITS);
            code.add(&z).unwrap();
            let column = |unit: usize| z.iter().skip(unit).step_by(UNITS).copied().collect::<Vec<_>>();
            close(code.lifetime(), average((0..UNITS).map(|unit| naive(&column(unit)))));
            close(code.population(), average(z.chunks(UNITS).map(naive)));
            close(code.zeros(), z.iter().filter(|z| **z == 0.0).count() as f64 / z.len() as f64);
            close(code.mean(), average(z.iter().copied()));
            assert_eq!(code.rows(), ROWS as u64);
        }
    }

    #[test]
    fn chunks_do_not_matter() {
        let z = counts();
        let mut whole = CodeStatistics::new(UNITS);
        whole.add(&z).unwrap();
        for rows in [1, 2, 10] {
            let mut parts = CodeStatistics::new(UNITS);
            for chunk in z.chunks(rows * UNITS) {
                parts.add(chunk).unwrap();
            }
            assert_eq!(parts.lifetime(), whole.lifetime());
            assert_eq!(parts.population(), whole.population());
            assert_eq!(parts.mean(), whole.mean());
            assert_eq!(parts.zeros(), whole.zeros());
        }
    }

    #[test]
    fn the_extremes_of_sparsity() {
        let mut silent = CodeStatistics::new(4);
        silent.add(&[0.0; 12]).unwrap();
        assert_eq!((silent.lifetime(), silent.population(), silent.zeros()), (Some(1.0), Some(1.0), Some(1.0)));

        let mut even = CodeStatistics::new(3);
        even.add(&[0.1; 21]).unwrap();
        close(even.lifetime(), 0.0);
        close(even.population(), 0.0);

        let mut one_hot = CodeStatistics::new(2);
        one_hot.add(&[5.0, 0.0, 0.0, 2.0]).unwrap();
        close(one_hot.lifetime(), 1.0);
        close(one_hot.population(), 1.0);
    }

    /// A rectified standard normal has mean 1/√(2π), half its samples zero, and lifetime sparsity 1 − 1/π.
    #[test]
    fn a_rectified_normal_has_its_known_sparsity() {
        // Box–Muller on a grid: normal samples without a generator.
        let (radii, angles) = (4000, 64);
        let z: Vec<f64> = (0..radii * angles)
            .map(|i| {
                let (u, v) = ((i / angles) as f64 + 0.5, (i % angles) as f64 + 0.5);
                let radius = (-2.0 * (u / radii as f64).ln()).sqrt();
                (radius * (std::f64::consts::TAU * v / angles as f64).cos()).max(0.0)
            })
            .collect();
        let mut code = CodeStatistics::new(1);
        code.add(&z).unwrap();
        assert!((code.mean().unwrap() - 0.398_942).abs() < 5e-4);
        assert!((code.lifetime().unwrap() - (1.0 - std::f64::consts::FRAC_1_PI)).abs() < 5e-4);
        assert_eq!(code.zeros(), Some(0.5));
    }

    #[test]
    fn what_has_no_meaning_is_none() {
        let mut code = CodeStatistics::new(1);
        assert_eq!((code.mean(), code.zeros(), code.lifetime(), code.population()), (None, None, None, None));
        code.add(&[2.0]).unwrap();
        assert_eq!((code.mean(), code.lifetime(), code.population()), (Some(2.0), None, None));
        assert_eq!(CodeStatistics::new(0).lifetime(), None);
        assert_eq!(R2::new().value(), None);
    }

    #[test]
    fn ragged_chunks_are_refused() {
        let mut code = CodeStatistics::new(3);
        assert!(code.add(&[1.0; 4]).is_err());
        assert!(CodeStatistics::new(0).add(&[1.0]).is_err());
        assert_eq!(code.rows(), 0);
        let mut r2 = R2::new();
        assert!(r2.add(&[1.0; 4], &[1.0; 4], 3).is_err());
        assert!(r2.add(&[1.0; 4], &[1.0; 2], 2).is_err());
        assert!(r2.add(&[1.0], &[1.0], 0).is_err());
        assert!(r2.add(&[], &[], 0).is_ok());
    }

    #[test]
    fn r2_is_of_each_row_about_its_own_mean() {
        let x = [1.0, 2.0, 3.0, 10.0, 10.0, 16.0];
        let xhat = [1.0, 2.0, 4.0, 12.0, 12.0, 12.0];
        let mut r2 = R2::new();
        r2.add(&x[..3], &xhat[..3], 3).unwrap();
        r2.add(&x[3..], &xhat[3..], 3).unwrap();
        // Row by row: 1 − 1/2 and 1 − 24/24.
        close(r2.value(), 0.25);
    }

    #[test]
    fn a_constant_row_has_no_r2() {
        let mut r2 = R2::new();
        r2.add(&[0.1; 7], &[0.3; 7], 7).unwrap();
        assert_eq!((r2.value(), r2.constant_rows()), (None, 1));
    }

    #[test]
    fn units_are_active_above_the_threshold() {
        assert_eq!(active(&[0.0, 0.01, 0.010_001, 3.0, f64::NAN]), 2);
    }
}
