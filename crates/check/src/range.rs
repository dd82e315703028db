//! What is known of an expression's values: bounds and whether they are reached, whether 0 is among them, whether they are
//! whole numbers.

use fe_distribution::Support;

/// An interval with facts about its numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    /// No value is below.
    pub low: f64,
    /// No value is above.
    pub high: f64,
    /// Whether 0 may be a value.
    pub zero: bool,
    /// Whether every value is a whole number.
    pub whole: bool,
    /// Which ends are no values.
    pub open: Ends,
}

/// The ends of an interval that it lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    pub low: bool,
    pub high: bool,
}

impl Ends {
    const NONE: Ends = Ends { low: false, high: false };
    const BOTH: Ends = Ends { low: true, high: true };

    fn swapped(self) -> Self {
        Self { low: self.high, high: self.low }
    }
}

impl Range {
    pub const REAL: Range =
        Range { low: f64::NEG_INFINITY, high: f64::INFINITY, zero: true, whole: false, open: Ends::NONE };
    pub const POSITIVE: Range = Range { zero: false, ..Range::NON_NEGATIVE };
    pub const NON_NEGATIVE: Range = Range { low: 0.0, ..Range::REAL };
    pub const TRUTH: Range = Range { low: 0.0, high: 1.0, whole: true, ..Range::REAL };
    /// From 0 to 1, and neither.
    pub const PROPER_SHARE: Range = Range { low: 0.0, high: 1.0, zero: false, whole: false, open: Ends::BOTH };
    /// From −1 to 1, and neither.
    pub const CORRELATION: Range = Range { low: -1.0, high: 1.0, zero: true, whole: false, open: Ends::BOTH };

    /// One number.
    pub fn point(v: f64) -> Self {
        if v.is_nan() {
            return Self::REAL;
        }
        Self { low: v, high: v, zero: v == 0.0, whole: v.fract() == 0.0, open: Ends::NONE }
    }

    fn new(low: f64, high: f64, zero: bool, whole: bool) -> Self {
        let low = if low.is_nan() { f64::NEG_INFINITY } else { low };
        let high = if high.is_nan() { f64::INFINITY } else { high };
        Self { low, high, zero: zero && low <= 0.0 && high >= 0.0, whole, open: Ends::NONE }
    }

    /// The same without these ends.
    fn without(self, open: Ends) -> Self {
        let zero = self.zero && !(open.low && self.low == 0.0) && !(open.high && self.high == 0.0);
        Self { open, zero, ..self }
    }

    /// The values of a support. Transforms never reach an end; data may.
    pub fn of(support: Support) -> Self {
        let (low, high) = support.bounds();
        let open = matches!(support, Support::Positive | Support::Unit | Support::Simplex);
        Self::new(low, high, !open, support.is_discrete())
    }

    /// The values of a latent or a parameter: a transform, or chance, never reaches an end.
    pub fn interior(support: Support) -> Self {
        let all = Self::of(support);
        if support.is_discrete() { all } else { all.without(Ends::BOTH) }
    }

    /// Whether every value lies in the interior of a support of real numbers, or in a discrete one.
    pub fn within(self, support: Support) -> bool {
        let (low, high) = support.bounds();
        let strict = matches!(support, Support::Positive);
        self.low >= low && self.high <= high && !(strict && self.zero) && (!support.is_discrete() || self.whole)
    }

    /// The least range that holds both.
    pub fn hull(self, other: Self) -> Self {
        Self::new(
            self.low.min(other.low),
            self.high.max(other.high),
            self.zero || other.zero || self.low.max(other.low) > 0.0 && self.high.min(other.high) < 0.0,
            self.whole && other.whole,
        )
        .between_signs(self, other)
        .without(Ends {
            low: (self.open.low || other.low < self.low) && (other.open.low || self.low < other.low),
            high: (self.open.high || other.high > self.high) && (other.open.high || self.high > other.high),
        })
    }

    /// A hull across 0 of two ranges that both avoid it does not contain it.
    fn between_signs(mut self, a: Self, b: Self) -> Self {
        self.zero = a.zero || b.zero;
        self
    }

    pub fn neg(self) -> Self {
        Self::new(-self.high, -self.low, self.zero, self.whole).without(self.open.swapped())
    }

    pub fn add(self, other: Self) -> Self {
        let (low, high) = (self.low + other.low, self.high + other.high);
        let same_sign = (self.low >= 0.0 && other.low >= 0.0) || (self.high <= 0.0 && other.high <= 0.0);
        let zero = if same_sign { self.zero && other.zero } else { true };
        let open = Ends { low: self.open.low || other.open.low, high: self.open.high || other.open.high };
        Self::new(low, high, zero, self.whole && other.whole).without(open)
    }

    pub fn sub(self, other: Self) -> Self {
        self.add(other.neg())
    }

    pub fn mul(self, other: Self) -> Self {
        let product = |a: f64, b: f64| if a == 0.0 || b == 0.0 { 0.0 } else { a * b };
        let ends = [
            product(self.low, other.low),
            product(self.low, other.high),
            product(self.high, other.low),
            product(self.high, other.high),
        ];
        let low = ends.iter().copied().fold(f64::INFINITY, f64::min);
        let high = ends.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let product = Self::new(low, high, self.zero || other.zero, self.whole && other.whole);
        // Of numbers of one sign, the largest product is that of the largest; what is 0 `zero` says.
        let positive = self.low >= 0.0 && other.low >= 0.0 && self.high > 0.0 && other.high > 0.0;
        let largest = positive && (self.open.high || other.open.high);
        product.without(Ends { low: false, high: largest })
    }

    pub fn recip(self) -> Self {
        if self.low >= 0.0 {
            let high = if self.low == 0.0 { f64::INFINITY } else { 1.0 / self.low };
            Self::new(1.0 / self.high, high, false, false).without(self.open.swapped())
        } else if self.high <= 0.0 {
            self.neg().recip().neg()
        } else {
            Self { zero: false, ..Self::REAL }
        }
    }

    pub fn div(self, other: Self) -> Self {
        self.mul(other.recip())
    }

    pub fn exp(self) -> Self {
        Self::new(self.low.exp(), self.high.exp(), false, false).without(self.open)
    }

    pub fn abs(self) -> Self {
        if self.low >= 0.0 {
            self
        } else if self.high <= 0.0 {
            self.neg()
        } else {
            let far = (self.open.high || -self.low > self.high) && (self.open.low || self.high > -self.low);
            let all = Self::new(0.0, self.high.max(-self.low), self.zero, self.whole);
            all.without(Ends { low: false, high: far })
        }
    }

    pub fn square(self) -> Self {
        let a = self.abs();
        a.mul(a)
    }

    pub fn power(self, exponent: Option<f64>) -> Self {
        match exponent {
            Some(2.0) => self.square(),
            Some(k) if k.fract() == 0.0 && k > 0.0 && k % 2.0 == 0.0 => {
                let a = self.abs();
                Self::new(a.low.powf(k), a.high.powf(k), a.zero, a.whole).without(a.open)
            }
            Some(k) if k > 0.0 && self.low >= 0.0 => {
                let whole = self.whole && k.fract() == 0.0;
                Self::new(self.low.powf(k), self.high.powf(k), self.zero, whole).without(self.open)
            }
            Some(k) if k.fract() == 0.0 && k > 0.0 => {
                Self::new(self.low.powf(k), self.high.powf(k), self.zero, self.whole).without(self.open)
            }
            _ if self.low >= 0.0 && !self.zero => Self::POSITIVE,
            _ if self.low >= 0.0 => Self::NON_NEGATIVE,
            _ => Self::REAL,
        }
    }

    /// An increasing function, given by its values at the ends.
    pub fn monotone(self, f: impl Fn(f64) -> f64) -> Self {
        let (low, high) = (f(self.low), f(self.high));
        Self::new(low, high, low <= 0.0 && high >= 0.0, false).without(self.open)
    }

    /// A sum of one or more such values.
    pub fn sum(self) -> Self {
        let low = if self.low >= 0.0 { self.low } else { f64::NEG_INFINITY };
        let high = if self.high <= 0.0 { self.high } else { f64::INFINITY };
        let zero = if self.low >= 0.0 || self.high <= 0.0 { self.zero } else { true };
        Self::new(low, high, zero, self.whole)
    }

    /// A mean of such values.
    pub fn mean(self) -> Self {
        let zero = if self.low >= 0.0 || self.high <= 0.0 { self.zero } else { true };
        Self { zero, whole: false, ..self }
    }

    /// The larger of two.
    pub fn max(self, other: Self) -> Self {
        let (low, high) = (self.low.max(other.low), self.high.max(other.high));
        let zero = (self.zero || other.zero) && low <= 0.0;
        let open = Ends { low: self.open.low && other.open.low, high: self.open.high && other.open.high };
        Self::new(low, high, zero, self.whole && other.whole).without(open)
    }

    /// The smaller of two.
    pub fn min(self, other: Self) -> Self {
        self.neg().max(other.neg()).neg()
    }

    /// In words, to follow "may be".
    pub fn describe(self) -> String {
        let short = |v: f64| format!("{v}");
        if self.low == self.high {
            return short(self.low);
        }
        match (self.low, self.high) {
            (low, _) if low == 0.0 && self.zero => "0".into(),
            (low, high) if low.is_infinite() && high.is_infinite() => "negative".into(),
            (low, high) if high.is_infinite() => format!("any number from {} up", short(low)),
            (low, high) if low.is_infinite() => format!("any number up to {}", short(high)),
            (low, high) => format!("any number from {} to {}", short(low), short(high)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_keeps_signs() {
        let p = Range::POSITIVE;
        assert_eq!(p.add(p), p);
        assert_eq!(p.mul(p), p);
        assert_eq!(p.div(p), p);
        assert!(p.sub(p).zero);
        assert!(Range::REAL.square().low == 0.0 && Range::REAL.square().zero);
        assert!(!Range::REAL.exp().zero && Range::REAL.exp().low == 0.0);
        let unit = Range::of(Support::Unit);
        assert!(Range::point(1.0).sub(unit).within(Support::Unit));
        assert!(!Range::REAL.within(Support::Positive));
        assert!(Range::point(1.0).within(Support::Positive));
        assert!(!Range::point(0.0).within(Support::Positive));
        assert!(Range::NON_NEGATIVE.add(Range::point(0.1)).within(Support::Positive));
    }

    #[test]
    fn ends_that_are_not_reached_stay_so() {
        let (share, one) = (Range::PROPER_SHARE, Range::point(1.0));
        let positive = |r: Range| r.within(Support::Positive);
        assert!(positive(one.sub(share.square()).power(Some(0.5))));
        assert!(positive(one.sub(Range::CORRELATION.square())));
        assert!(positive(one.sub(share.mul(share))) && positive(one.sub(share)));
        assert!(positive(one.sub(share.power(Some(1.5)))));
        assert!(!positive(one.sub(Range::new(-1.0, 1.0, true, false).square())));
        assert!(!positive(one.sub(share.add(share))));
        assert!(!positive(Range::CORRELATION.square()));
        assert!(!positive(one.sub(share.hull(one))));
        assert!(positive(one.sub(share.hull(Range::point(0.5)))));
        assert!(positive(Range::interior(Support::Interval { low: -1.0, high: 1.0 }).neg().add(one)));
    }

    /// Random arithmetic on random intervals never leaves the computed range, nor meets an end that is open.
    #[test]
    fn ranges_hold_their_values() {
        let ends = [-2.0, -1.0, 0.0, 0.5, 1.0, 3.0];
        for &a in &ends {
            for &b in ends.iter().filter(|&&b| b >= a) {
                for &c in &ends {
                    for &d in ends.iter().filter(|&&d| d >= c) {
                        for (open, first, last) in [(Ends::NONE, 0.0, 1.0), (Ends::BOTH, 0.2, 0.9)] {
                            let (x, y) = (Range::new(a, b, true, false), Range::new(c, d, true, false));
                            let (x, y) = if a < b && c < d { (x.without(open), y.without(open)) } else { (x, y) };
                            for s in [first, 0.3, last] {
                                for t in [first, 0.6, last] {
                                    let (u, v) = (a + s * (b - a), c + t * (d - c));
                                    let inside = |r: Range, w: f64| {
                                        let met = (r.open.low && w == r.low) || (r.open.high && w == r.high);
                                        let within = r.low - 1e-12 <= w && w <= r.high + 1e-12 && (w != 0.0 || r.zero);
                                        w.is_nan() || (within && !met)
                                    };
                                    assert!(inside(x.add(y), u + v));
                                    assert!(inside(x.sub(y), u - v));
                                    assert!(inside(x.mul(y), u * v));
                                    assert!(v == 0.0 || inside(x.div(y), u / v));
                                    assert!(inside(x.square(), u * u));
                                    assert!(inside(x.abs(), u.abs()));
                                    assert!(inside(x.max(y), u.max(v)));
                                    assert!(inside(x.min(y), u.min(v)));
                                    assert!(inside(x.hull(y), u) && inside(x.hull(y), v));
                                    assert!(inside(x.power(Some(3.0)), u.powi(3)));
                                    assert!(inside(x.power(Some(0.5)), u.sqrt()));
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
