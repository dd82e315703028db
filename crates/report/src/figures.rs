//! How numbers are written for a reader: a true minus sign, groups of three digits, as many digits as mean something.
//! And how long names are.

use unicode_width::UnicodeWidthStr;

/// A figure that was not computed, or has no meaning here.
pub(crate) const NONE: &str = "–";

/// Nats in a bit.
const NATS_PER_BIT: f64 = std::f64::consts::LN_2;

/// The numbers that are written as plain decimals; a power of ten is shorter for others.
const PLAIN: std::ops::Range<f64> = 1e-5..1e12;

pub(crate) fn bits(nats: f64) -> f64 {
    nats / NATS_PER_BIT
}

/// The power of ten of the first digit; 0 for zero and what is not finite.
fn magnitude(value: f64) -> i32 {
    let exponent = value.abs().log10().floor();
    if exponent.is_finite() { exponent as i32 } else { 0 }
}

/// Decimals that give the number so many significant digits, within what can be read.
pub(crate) fn decimals(value: f64, digits: i32) -> usize {
    (digits - 1 - magnitude(value)).clamp(0, 9) as usize
}

/// A number with so many decimals: `−1,234.50`.
pub fn fixed(value: f64, decimals: usize) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    let sign = if value < 0.0 { "−" } else { "" };
    if value.is_infinite() {
        return format!("{sign}∞");
    }
    if value.abs() >= PLAIN.end {
        return format!("{value:.3e}").replace('-', "−");
    }
    let text = format!("{:.decimals$}", value.abs());
    let zero = !text.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), ""), |(whole, fraction)| (whole, fraction));
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{}{point}{fraction}", if zero { "" } else { sign }, grouped(whole))
}

/// A number with so many significant digits, as a power of ten where plain decimals would hide them.
pub(crate) fn significant(value: f64, digits: i32) -> String {
    if value == 0.0 {
        "0".into()
    } else if value.abs() < PLAIN.start {
        let digits = (digits - 1).max(0) as usize;
        format!("{value:.digits$e}").replace('-', "−")
    } else {
        fixed(value, decimals(value, digits))
    }
}

/// A quantity of any size, as a power of ten where it is large or small: `2.277e11`.
pub(crate) fn quantity(value: f64, digits: i32) -> String {
    if value == 0.0 || (1e-3..1e6).contains(&value.abs()) {
        return significant(value, digits);
    }
    let digits = (digits - 1).max(0) as usize;
    format!("{value:.digits$e}").replace('-', "−")
}

/// A fraction: `93.1 %`.
pub(crate) fn percent(fraction: f64) -> String {
    format!("{} %", fixed(100.0 * fraction, 1))
}

/// A whole number: `100,000`.
pub(crate) fn count(number: u64) -> String {
    grouped(&number.to_string())
}

/// A number and its noun: `1 row`, `312 rows`.
pub(crate) fn plural(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A time: `0.42 s`, `61.2 s`, `12 min 4 s`, `3 h 12 min`.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 119.5 {
        let decimals = if seconds < 10.0 { 2 } else { 1 };
        return format!("{} s", fixed(seconds, decimals));
    }
    let whole = seconds.round();
    let (hours, minutes) = ((whole / 3600.0).floor(), (whole / 60.0).floor());
    if hours < 1.0 {
        format!("{minutes} min {} s", whole - 60.0 * minutes)
    } else {
        format!("{} h {} min", fixed(hours, 0), minutes - 60.0 * hours)
    }
}

/// Groups of three in a run of digits; four digits stand alone.
fn grouped(digits: &str) -> String {
    if digits.len() < 5 {
        return digits.to_owned();
    }
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Decimals for a column of figures and the sums over some of them, such that the written figures add up too.
///
/// Starts from six significant digits of the largest figure, at most four decimals, and takes up to two more where
/// rounding would show; a column that adds up at none of these is left at the first.
pub(crate) fn adding_decimals(sums: &[(&[f64], f64)]) -> usize {
    let largest = sums.iter().map(|(_, sum)| sum.abs()).fold(0.0, f64::max);
    let first = decimals(largest, 6).clamp(1, 4);
    let adds = |decimals: usize| {
        let scale = 10f64.powi(decimals as i32);
        sums.iter().all(|(parts, sum)| {
            let parts: f64 = parts.iter().map(|part| (part * scale).round()).sum();
            parts == (sum * scale).round()
        })
    };
    (first..first + 3).find(|&decimals| adds(decimals)).unwrap_or(first)
}

/// A name no wider than this, its middle left out where it is longer.
pub(crate) fn elide(name: &str, width: usize) -> String {
    let letters: Vec<char> = name.chars().collect();
    if name.width() <= width {
        return name.to_owned();
    }
    let half = width.saturating_sub(1) / 2;
    let ends =
        letters.iter().take(half).chain(['…'].iter()).chain(letters.iter().skip(letters.len().saturating_sub(half)));
    ends.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_a_reader() {
        assert_eq!(fixed(-1234.5, 2), "−1234.50");
        assert_eq!(fixed(16_720_000.04, 1), "16,720,000.0");
        assert_eq!(fixed(-0.0001, 2), "0.00");
        assert_eq!(fixed(f64::NAN, 2), "nan");
        assert_eq!(fixed(f64::NEG_INFINITY, 2), "−∞");
        assert_eq!(fixed(-3.25e14, 2), "−3.250e14");
        assert_eq!(significant(0.000_001_234, 3), "1.23e−6");
        assert_eq!(significant(0.0, 3), "0");
        assert_eq!(significant(43.21, 3), "43.2");
        assert_eq!(percent(0.9312), "93.1 %");
        assert_eq!(plural(1, "row"), "1 row");
        assert_eq!(plural(100_000, "row"), "100,000 rows");
    }

    #[test]
    fn times_are_written_for_a_reader() {
        assert_eq!(duration(0.416), "0.42 s");
        assert_eq!(duration(61.23), "61.2 s");
        assert_eq!(duration(724.0), "12 min 4 s");
        assert_eq!(duration(3599.9), "1 h 0 min");
        assert_eq!(duration(11_531.0), "3 h 12 min");
        assert_eq!(duration(f64::NAN), "nan s");
    }

    #[test]
    fn written_terms_add_up() {
        // At four decimals .00004 + .00004 would be written .0000 + .0000 = .0001.
        let parts = [10.000_04, 20.000_04];
        let sum = parts.iter().sum();
        assert_eq!(adding_decimals(&[(&parts, sum)]), 5);
        assert_eq!(adding_decimals(&[(&[137.7, 29.5], 167.2)]), 3);
        assert_eq!(adding_decimals(&[(&[1e7, 2e7], 3e7)]), 1);
        assert_eq!(adding_decimals(&[(&[f64::NAN], f64::NAN)]), 4);
    }

    #[test]
    fn long_names_lose_their_middle() {
        assert_eq!(elide("short", 10), "short");
        assert_eq!(elide("z.guide.dense.2.weight", 11), "z.gui…eight");
    }
}
