//! Scales: the place of a value along an axis, and the axis's ticks.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::figures::fixed;

/// Room beyond the outermost values, as a part of their span.
const MARGIN: f64 = 0.04;

/// The most ticks an axis may have.
const MOST: i32 = 24;

/// A linear or logarithmic scale with its ticks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    log: bool,
    ticks: Vec<f64>,
    /// The distance of ticks that are evenly spaced.
    step: f64,
    /// Names in the place of the numbers 0, 1, 2, …
    names: Vec<String>,
}

impl Scale {
    /// A scale that holds the values, which are finite and, on a logarithmic scale, positive, with about so many ticks.
    pub fn over(values: impl Iterator<Item = f64>, log: bool, ticks: usize) -> Self {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let (low, high) = match low <= high {
            true => (low, high),
            false if log => (1.0, 10.0),
            false => (0.0, 1.0),
        };
        if log { Self::logarithmic(low, high, ticks) } else { Self::linear(low, high, ticks) }
    }

    /// From 0 to a little above a number that is not negative.
    pub fn from_zero(high: f64, ticks: usize) -> Self {
        let high = if high > 0.0 { high * (1.0 + MARGIN) } else { 1.0 };
        Self::between(0.0, high, ticks)
    }

    /// The same scale with its ticks at whole numbers alone.
    pub fn whole(self, wanted: usize) -> Self {
        if self.log || self.step >= 1.0 {
            return self;
        }
        let step = even(self.high - self.low, wanted).max(1.0);
        let first = (self.low / step).ceil();
        let ticks = (0..MOST).map(|k| (first + f64::from(k)) * step).take_while(|t| *t <= self.high).collect();
        Self { ticks, step, ..self }
    }

    /// A scale of categories: 0, 1, 2, … by their names.
    pub fn named(names: &[String]) -> Self {
        let count = names.len().max(1) as f64;
        let ticks = (0..names.len()).map(|k| k as f64).collect();
        Self { low: -0.5, high: count - 0.5, log: false, ticks, step: 1.0, names: names.to_vec() }
    }

    fn linear(low: f64, high: f64, ticks: usize) -> Self {
        let span = high - low;
        if span <= 0.0 {
            let half = if low == 0.0 { 0.5 } else { low.abs() * 0.1 };
            return Self::between(low - half, high + half, ticks);
        }
        // Values that are not negative and come near 0 start there.
        let start = if low >= 0.0 && low < 0.2 * span { 0.0 } else { low - MARGIN * span };
        Self::between(start, high + MARGIN * span, ticks)
    }

    fn between(low: f64, high: f64, ticks: usize) -> Self {
        let step = even(high - low, ticks);
        let first = (low / step).ceil();
        let ticks = (0..MOST).map(|k| (first + f64::from(k)) * step).take_while(|t| *t <= high).collect();
        Self { low, high, log: false, ticks, step, names: vec![] }
    }

    fn logarithmic(low: f64, high: f64, wanted: usize) -> Self {
        let (bottom, top) = (low.log10(), high.log10());
        let room = if top > bottom { MARGIN * (top - bottom) } else { 0.2 };
        let (low, high) = (10f64.powf(bottom - room), 10f64.powf(top + room));
        let decades = top - bottom;
        let within = |ticks: Vec<f64>| -> Vec<f64> { ticks.into_iter().filter(|t| (low..=high).contains(t)).collect() };
        let exponents = || low.log10().floor() as i32..=high.log10().ceil() as i32;
        let ticks = if decades > 2.5 {
            let stride = (decades / wanted.max(1) as f64).ceil().max(1.0) as usize;
            let first = exponents().find(|e| e.rem_euclid(stride as i32) == 0).unwrap_or(0);
            within((first..=*exponents().end()).step_by(stride).map(|e| decimal(1, e)).collect())
        } else {
            within(exponents().flat_map(|e| [1, 2, 5].map(|m| decimal(m, e))).collect())
        };
        if ticks.len() >= 2 {
            return Self { low, high, log: true, ticks, step: 0.0, names: vec![] };
        }
        Self { low, high, log: true, ..Self::between(low, high, wanted) }
    }

    fn place(&self, value: f64) -> f64 {
        let of = |v: f64| if self.log { v.ln() } else { v };
        let place = (of(value) - of(self.low)) / (of(self.high) - of(self.low));
        if place.is_finite() { place } else { 0.0 }
    }

    /// A tick as it is written.
    pub fn label(&self, value: f64) -> String {
        if !self.names.is_empty() {
            return self.names.get(value as usize).cloned().unwrap_or_default();
        }
        let size = value.abs();
        if size != 0.0 && !(1e-4..1e6).contains(&size) {
            return power(value);
        }
        if self.step == 0.0 {
            return if size < 10_000.0 { format!("{value}") } else { fixed(value, 0) };
        }
        // A step is 1, 2 or 5 of its decimal place; 2.5 is none.
        fixed(value, (-self.step.log10() - 1e-9).ceil().clamp(0.0, 9.0) as usize)
    }

    /// How many ticks there are.
    pub fn count(&self) -> usize {
        self.ticks.len()
    }

    /// Letters of the longest tick.
    pub fn longest(&self) -> usize {
        self.ticks.iter().map(|&t| self.label(t).chars().count()).max().unwrap_or(0)
    }
}

/// The distance of about so many ticks within a span: 1, 2 or 5 times a power of ten.
pub fn even(span: f64, wanted: usize) -> f64 {
    let rough = span / wanted.max(1) as f64;
    if !(rough.is_finite() && rough > 0.0) {
        return 1.0;
    }
    let exponent = rough.log10().floor() as i32;
    let steps = [(1, exponent), (2, exponent), (5, exponent), (1, exponent + 1)].map(|(m, e)| decimal(m, e));
    let far = |step: &f64| (step / rough).ln().abs();
    steps.into_iter().min_by(|a, b| far(a).total_cmp(&far(b))).unwrap_or(rough)
}

/// m · 10^e as it is read from its digits, so that it is written in as few again.
fn decimal(m: i32, e: i32) -> f64 {
    format!("{m}e{e}").parse().unwrap_or(f64::NAN)
}

/// A number as a multiple of a power of ten: `10⁻⁶`, `2.5·10⁷`.
fn power(value: f64) -> String {
    let text = format!("{:.2e}", value.abs());
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    let raised = exponent.chars().map(|c| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        c => c.to_digit(10).and_then(|d| char::from_u32('⁰' as u32 + d)).unwrap_or(c),
    });
    let sign = if value < 0.0 { "−" } else { "" };
    let times = if digits == "1" { String::new() } else { format!("{digits}·") };
    format!("{sign}{times}10{}", raised.collect::<String>())
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        from + (self.place(*value) * f64::from(to - from)).round() as i32
    }

    fn key_points<H: KeyPointHint>(&self, _: H) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, value: &f64) -> String {
        self.label(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale) -> Vec<String> {
        scale.ticks.iter().map(|&t| scale.label(t)).collect()
    }

    fn linear(low: f64, high: f64) -> Vec<String> {
        labels(&Scale::over([low, high].into_iter(), false, 5))
    }

    fn logarithmic(low: f64, high: f64) -> Vec<String> {
        labels(&Scale::over([low, high].into_iter(), true, 6))
    }

    #[test]
    fn linear_ticks_are_round() {
        assert_eq!(linear(0.1, 0.9), ["0.0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(linear(-3.0, 7.0), ["−2", "0", "2", "4", "6"]);
        assert_eq!(linear(0.3, 0.8), ["0.3", "0.4", "0.5", "0.6", "0.7", "0.8"]);
        assert_eq!(linear(0.0, 4.0), ["0", "1", "2", "3", "4"]);
        assert_eq!(linear(100_010.0, 100_050.0), ["100,010", "100,020", "100,030", "100,040", "100,050"]);
        assert_eq!(linear(1e7, 3e7), ["10⁷", "1.5·10⁷", "2·10⁷", "2.5·10⁷", "3·10⁷"]);
    }

    #[test]
    fn counts_have_no_fractions_and_categories_have_names() {
        let few = Scale::over([0.0, 2.0].into_iter(), false, 6);
        assert_eq!(labels(&few), ["0.0", "0.5", "1.0", "1.5", "2.0"]);
        assert_eq!(labels(&few.whole(6)), ["0", "1", "2"]);
        assert_eq!(
            labels(&Scale::over([0.0, 300.0].into_iter(), false, 5).whole(5)),
            ["0", "50", "100", "150", "200", "250", "300"]
        );
        let named = Scale::named(&["low".into(), "high".into()]);
        assert_eq!(labels(&named), ["low", "high"]);
        assert_eq!([0.0, 1.0].map(|v| named.map(&v, (0, 100))), [25, 75]);
    }

    #[test]
    fn logarithmic_ticks_are_decades_or_fewer_steps() {
        assert_eq!(logarithmic(0.01, 8.0), ["0.01", "0.1", "1", "10"]);
        assert_eq!(logarithmic(0.1, 8.0), ["0.1", "0.2", "0.5", "1", "2", "5"]);
        assert_eq!(
            logarithmic(1e-8, 1e4),
            ["10⁻⁸", "10⁻⁶", "10⁻⁴", "0.01", "1", "100", "10,000"].map(|s| s.replace("10⁻⁴", "0.0001"))
        );
        // Within less than a step of 1, 2, 5 the ticks are even.
        assert_eq!(logarithmic(30.0, 40.0), ["30", "32", "34", "36", "38", "40"]);
    }

    #[test]
    fn equal_values_and_none_have_a_scale() {
        assert!((5..=7).contains(&linear(3.0, 3.0).len()));
        assert_eq!(labels(&Scale::over([].into_iter(), false, 5)).len(), 6);
        assert!(logarithmic(2.0, 2.0).len() > 1);
        assert!(linear(0.0, 0.0).contains(&"0.0".to_owned()));
        // No loop runs away where steps are lost in rounding, or the span is none.
        assert!(linear(1e17, 1e17 + 16.0).len() <= MOST as usize);
        assert!(linear(-1.7e308, 1.7e308).len() <= MOST as usize);
    }

    #[test]
    fn places_are_even_in_the_scale() {
        let scale = Scale { low: 1.0, high: 100.0, log: true, ticks: vec![], step: 0.0, names: vec![] };
        assert_eq!([1.0, 10.0, 100.0].map(|v| scale.map(&v, (0, 1000))), [0, 500, 1000]);
        let scale = Scale { low: -1.0, high: 3.0, log: false, ticks: vec![], step: 1.0, names: vec![] };
        assert_eq!([-1.0, 0.0, 3.0].map(|v| scale.map(&v, (400, 0))), [400, 300, 0]);
    }
}
