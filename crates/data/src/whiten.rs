//! Whitening of natural images: flattens their amplitude spectrum, which falls as 1/f, up to a
//! soft cut-off at the highest frequencies (Olshausen and Field, 1997).

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use crate::images::Picture;

/// Pixels cut off every side of a filtered image, where the filter wraps around.
pub(crate) const BORDER: usize = 4;
/// The cut-off f₀, cycles per pixel.
const CUTOFF: f64 = 0.5;
/// Below this standard deviation nothing varies but rounding errors.
const FLAT: f64 = 1e-8;

/// The filter R(f) = f exp(−(f/f₀)⁴), f being the radial frequency in cycles per pixel.
#[derive(Default)]
pub(crate) struct Filter {
    planner: Option<FftPlanner<f64>>,
}

impl Filter {
    /// The filtered image, of the same size.
    pub(crate) fn apply(&mut self, picture: &Picture) -> Picture {
        let Picture { height, width, ref pixels } = *picture;
        let planner = self.planner.get_or_insert_with(FftPlanner::new);
        let mut spectrum: Vec<Complex<f64>> = pixels.iter().map(|x| Complex::new(*x, 0.0)).collect();
        planner.plan_fft_forward(width).process(&mut spectrum);
        let mut spectrum = transpose(&spectrum, width);
        planner.plan_fft_forward(height).process(&mut spectrum);

        let scale = 1.0 / (height as f64 * width as f64);
        for (x, column) in spectrum.chunks_exact_mut(height).enumerate() {
            for (y, value) in column.iter_mut().enumerate() {
                *value *= scale * response(frequency(y, height), frequency(x, width));
            }
        }

        planner.plan_fft_inverse(height).process(&mut spectrum);
        let mut spectrum = transpose(&spectrum, height);
        planner.plan_fft_inverse(width).process(&mut spectrum);
        Picture { height, width, pixels: spectrum.iter().map(|z| z.re).collect() }
    }
}

/// Frequency of the `index`th of `count` Fourier coefficients, in [−½, ½) cycles per pixel.
fn frequency(index: usize, count: usize) -> f64 {
    let signed = if 2 * index < count { index as f64 } else { index as f64 - count as f64 };
    signed / count as f64
}

fn response(vertical: f64, horizontal: f64) -> f64 {
    let radial = vertical.hypot(horizontal);
    radial * (-(radial / CUTOFF).powi(4)).exp()
}

/// Columns of a matrix of rows of length `width`, one after the other.
fn transpose(rows: &[Complex<f64>], width: usize) -> Vec<Complex<f64>> {
    (0..width).flat_map(|column| rows.iter().skip(column).step_by(width).copied()).collect()
}

/// Scales to mean 0 and population standard deviation 1; false, and unchanged, where nothing varies.
pub(crate) fn standardize(values: &mut [f64]) -> bool {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    let sd = variance.sqrt();
    if sd.is_nan() || sd < FLAT {
        return false;
    }
    for value in values {
        *value = (*value - mean) / sd;
    }
    true
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::{Filter, Picture, standardize};

    /// The filter by the definition of the discrete Fourier transform, without any FFT.
    fn naive(picture: &Picture) -> Vec<f64> {
        let (h, w) = (picture.height, picture.width);
        let signed = |k: usize, n: usize| if 2 * k < n { k as f64 } else { k as f64 - n as f64 };
        let mut out = vec![0.0; h * w];
        for v in 0..h {
            for u in 0..w {
                let (mut re, mut im) = (0.0, 0.0);
                for y in 0..h {
                    for x in 0..w {
                        let angle = -TAU * ((v * y) as f64 / h as f64 + (u * x) as f64 / w as f64);
                        re += picture.pixels[y * w + x] * angle.cos();
                        im += picture.pixels[y * w + x] * angle.sin();
                    }
                }
                let f = ((signed(v, h) / h as f64).powi(2) + (signed(u, w) / w as f64).powi(2)).sqrt();
                let gain = f * (-(2.0 * f).powi(4)).exp() / (h * w) as f64;
                for y in 0..h {
                    for x in 0..w {
                        let angle = TAU * ((v * y) as f64 / h as f64 + (u * x) as f64 / w as f64);
                        out[y * w + x] += gain * (re * angle.cos() - im * angle.sin());
                    }
                }
            }
        }
        out
    }

    #[test]
    fn filter_agrees_with_a_naive_transform() {
        for (height, width) in [(8, 8), (7, 12), (9, 5), (1, 6), (13, 1)] {
            let pixels = (0..height * width).map(|i| ((i * i * 37 + 11) % 101) as f64 / 101.0).collect();
            let picture = Picture { height, width, pixels };
            let fast = Filter::default().apply(&picture);
            assert_eq!((fast.height, fast.width), (height, width));
            for (a, b) in fast.pixels.iter().zip(naive(&picture)) {
                assert!((a - b).abs() < 1e-12, "{height} × {width}: {a} and {b}");
            }
        }
    }

    #[test]
    fn a_grating_is_scaled_by_the_response_at_its_frequency() {
        // 4 cycles in 32 pixels: f = 1/8, R = exp(-1/256) / 8.
        let pixels = (0..32 * 32).map(|i| 0.5 + 0.25 * (TAU * (i % 32) as f64 / 8.0).cos()).collect();
        let picture = Picture { height: 32, width: 32, pixels };
        let gain = (-1.0f64 / 256.0).exp() / 8.0;
        for (i, value) in Filter::default().apply(&picture).pixels.iter().enumerate() {
            let expected = gain * 0.25 * (TAU * (i % 32) as f64 / 8.0).cos();
            assert!((value - expected).abs() < 1e-14);
        }
    }

    #[test]
    fn standardizing_uses_the_population_sd() {
        let mut values = [1.0, 3.0];
        assert!(standardize(&mut values));
        assert_eq!(values, [-1.0, 1.0]);
        assert!(!standardize(&mut [0.3; 9]));
    }
}
