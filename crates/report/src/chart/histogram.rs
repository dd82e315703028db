//! Histograms.

use plotters::element::Rectangle;
use serde::{Deserialize, Serialize};

use super::frame::{Format, Frame};
use super::paint::Paint;
use super::scale::{Scale, even};
use super::{Axis, left_out};

/// The most bins.
const MOST: usize = 400;

/// A histogram.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// What it shows.
    pub title: String,
    /// Along.
    pub x: Axis,
    /// The things counted: `units`.
    pub of: String,
    /// The values. One that is not finite, or not positive on a logarithmic axis, is left out.
    pub values: Vec<f64>,
}

/// Values in `[from, to)`; the last bin holds its end.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bin {
    from: f64,
    to: f64,
    count: u64,
}

impl Histogram {
    /// The histogram as a file by itself. Values that have no place are left out, and a line under it says how many.
    pub fn svg(&self) -> String {
        self.draw(true)
    }

    /// The histogram; inside a page that has [`super::style`] it is not `alone`.
    pub(crate) fn draw(&self, alone: bool) -> String {
        let bins = self.bins();
        let shown: u64 = bins.iter().map(|b| b.count).sum();
        let frame = Frame {
            title: &self.title,
            labels: (&self.x.label, &self.of),
            legend: vec![],
            dashed: vec![],
            note: left_out(self.values.len() - shown as usize, "value", self.x.log),
            x: Scale::over(bins.iter().flat_map(|b| [b.from, b.to]), self.x.log, 6),
            y: Scale::from_zero(bins.iter().map(|b| b.count).max().unwrap_or(0) as f64, 5).whole(5),
            format: Format::Full,
        };
        frame.draw(alone, |chart| {
            let full = bins.iter().filter(|b| b.count > 0);
            let bar = |b: &Bin| {
                let mut bar = Rectangle::new([(b.from, 0.0), (b.to, b.count as f64)], Paint::Series(0).area());
                // A hair between bars.
                bar.set_margin(0, 0, 2, 2);
                bar
            };
            chart.draw_series(full.map(bar)).map(|_| ())
        })
    }

    /// Bins of one width at round places, √n of them, 8 to 40; in the logarithm on a logarithmic axis.
    fn bins(&self) -> Vec<Bin> {
        let into = |v: f64| if self.x.log { v.log10() } else { v };
        let back = |v: f64| if self.x.log { 10f64.powf(v) } else { v };
        let values: Vec<f64> = self.values.iter().filter(|v| self.x.holds(**v)).map(|&v| into(v)).collect();
        let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
        if values.is_empty() {
            return vec![];
        }
        let wanted = (values.len() as f64).sqrt().clamp(8.0, 40.0) as usize;
        let span = high - low;
        // Values that are all the same have one bin, in the middle of which they stand.
        let (step, start, count) = if span <= low.abs().max(1e-300) * 1e-12 {
            let step = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
            (step, low - step / 2.0, 1)
        } else {
            let step = even(span, wanted);
            let start = (low / step).floor() * step;
            (step, start, (((high - start) / step).floor() as usize + 1).min(MOST))
        };
        let edge = |k: usize| back(start + k as f64 * step);
        let mut bins: Vec<Bin> = (0..count).map(|k| Bin { from: edge(k), to: edge(k + 1), count: 0 }).collect();
        for v in values {
            let at = (((v - start) / step) as usize).min(count.saturating_sub(1));
            if let Some(bin) = bins.get_mut(at) {
                bin.count += 1;
            }
        }
        bins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: Vec<f64>, log: bool) -> Vec<Bin> {
        Histogram { values, x: Axis { log, ..Axis::default() }, ..Histogram::default() }.bins()
    }

    #[test]
    fn every_value_is_in_the_bin_that_holds_it() {
        // A sequence that fills 0…10 evenly and is not sorted.
        let values: Vec<f64> = (0..997).map(|k| f64::from(k * 613 % 997) / 99.7).collect();
        let bins = of(values.clone(), false);
        for bin in &bins {
            let inside = values.iter().filter(|v| (bin.from..bin.to).contains(v)).count() as u64;
            assert_eq!(bin.count, inside, "{bin:?}");
        }
        assert_eq!(bins.iter().map(|b| b.count).sum::<u64>(), 997);
        assert!((8..=41).contains(&bins.len()), "{}", bins.len());
    }

    #[test]
    fn logarithmic_bins_have_one_ratio() {
        let bins = of((0..100).map(|k| 10f64.powf(f64::from(k) / 25.0 - 2.0)).collect(), true);
        let ratios: Vec<f64> = bins.iter().map(|b| b.to / b.from).collect();
        assert!(ratios.iter().all(|r| (r / ratios[0] - 1.0).abs() < 1e-9), "{ratios:?}");
        assert_eq!(bins.iter().map(|b| b.count).sum::<u64>(), 100);
        assert!(of(vec![-1.0, 0.0, f64::NAN], true).is_empty());
    }

    #[test]
    fn equal_values_have_one_bin() {
        for value in [0.0, 3.0, -2e-9, 1e200] {
            let bins = of(vec![value; 7], false);
            assert_eq!(bins.len(), 1);
            assert!(bins[0].count == 7 && bins[0].from < value && value < bins[0].to);
        }
    }

    #[test]
    fn what_is_left_out_is_said() {
        let h = Histogram { values: vec![1.0, f64::NAN, 2.0, f64::INFINITY], ..Histogram::default() };
        assert!(h.svg().contains("2 values left out: not finite"));
        assert!(!Histogram { values: vec![1.0], ..h }.svg().contains("left out"));
    }
}
