//! The certificate of a curve: a test of optimality that needs no reference.
//!
//! Points of a curve minimise Y + w X at weights w. At w₁ < w₂ each is at least as good as the other at its own weight,
//! Y₁ + w₁ X₁ ≤ Y₂ + w₁ X₂ and Y₂ + w₂ X₂ ≤ Y₁ + w₂ X₁, and so w₁ ≤ −(Y₂ − Y₁)/(X₂ − X₁) ≤ w₂.

use serde::{Deserialize, Serialize};

/// Below this difference, nats or spikes per row, two points have collapsed onto each other, and their slope says
/// nothing.
pub const FLOOR: f64 = 0.01;

/// Relative error of sums in single precision.
const ROUNDING: f64 = 1e-6;

/// Standard errors that a difference of sampled figures may have.
const ERRORS: f64 = 3.0;

/// A point of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weighed {
    /// The value of what was swept.
    pub at: f64,
    /// The weight of X in what was minimised, or the multiplier of its bound.
    pub weight: f64,
    /// X: what is weighed.
    pub of: f64,
    /// Y: the rest of what was minimised.
    pub rest: f64,
    /// Standard error of Y + w X where it was sampled; else 0.
    pub se: f64,
    /// The relative error of the weight: 0 for a number of the program.
    pub weight_error: f64,
}

impl Weighed {
    fn at_price(&self, weight: f64) -> f64 {
        self.rest + weight * self.of
    }
}

/// Two neighbours on a curve.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The swept value at the point of the lower weight.
    pub from: f64,
    /// The swept value at the point of the higher weight.
    pub to: f64,
    /// The other thing that was swept, which they share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub along: Option<f64>,
    /// −ΔY/ΔX; none for a pair that is skipped.
    pub slope: Option<f64>,
    /// The interval that it must lie in.
    pub within: [f64; 2],
    /// The error of the slope, from Monte Carlo errors and rounding.
    pub error: Option<f64>,
    /// Whether it lies there within that error; none for a pair that is skipped.
    pub holds: Option<bool>,
    /// The nats per row by which one of the two is beaten by the other at its own weight; none for a pair that holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub violation: Option<f64>,
    /// And which: what was swept, at the point that has not converged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beaten: Option<f64>,
}

impl Pair {
    /// Whether the two have collapsed onto each other.
    pub fn is_skipped(&self) -> bool {
        self.holds.is_none()
    }
}

/// Compares the neighbours of a curve, in order of their weights.
pub fn certificate(points: &[Weighed]) -> Vec<Pair> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a.weight.total_cmp(&b.weight));
    sorted.iter().zip(sorted.iter().skip(1)).map(|(a, b)| pair(a, b)).collect()
}

fn pair(a: &Weighed, b: &Weighed) -> Pair {
    let within = [a.weight, b.weight];
    let fall = a.of - b.of;
    if fall.abs() < FLOOR {
        return Pair { from: a.at, to: b.at, within, ..Pair::default() };
    }
    // Nats by which each is beaten, at its own weight.
    let (first, second) = (a.at_price(a.weight) - b.at_price(a.weight), b.at_price(b.weight) - a.at_price(b.weight));
    let size = a.at_price(a.weight).abs().max(b.at_price(b.weight).abs());
    let doubt = |w: &Weighed| w.weight_error * w.weight.abs() * fall.abs();
    let error = ERRORS * a.se.hypot(b.se) + ROUNDING * size;
    let (of_first, of_second) = (error + doubt(a), error + doubt(b));
    let holds = first <= of_first && second <= of_second;
    let worst = if first - of_first > second - of_second { (first, a.at) } else { (second, b.at) };
    Pair {
        from: a.at,
        to: b.at,
        along: None,
        slope: Some((b.rest - a.rest) / fall),
        within,
        error: Some(of_first.max(of_second) / fall.abs()),
        holds: Some(holds),
        violation: (!holds).then_some(worst.0),
        beaten: (!holds).then_some(worst.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(weight: f64, of: f64, rest: f64) -> Weighed {
        Weighed { at: weight, weight, of, rest, se: 0.0, weight_error: 0.0 }
    }

    /// D(R) = e^(−2R), whose optimum at β has 2 e^(−2R) = β.
    fn optimum(beta: f64) -> Weighed {
        let rate = -0.5 * (beta / 2.0_f64).ln();
        point(beta, rate, (-2.0 * rate).exp())
    }

    #[test]
    fn it_holds_along_a_curve_of_optima() {
        let points: Vec<Weighed> = [0.05, 1.0, 0.2].map(optimum).to_vec();
        let pairs = certificate(&points);
        assert_eq!(pairs.iter().map(|p| (p.from, p.to)).collect::<Vec<_>>(), [(0.05, 0.2), (0.2, 1.0)]);
        for p in pairs {
            let [low, high] = p.within;
            assert!(p.slope.is_some_and(|s| low < s && s < high) && p.holds == Some(true), "{p:?}");
        }
    }

    #[test]
    fn a_point_above_the_curve_is_named_with_what_it_lacks() {
        // A nat too much of distortion, more than the other point asks for at this weight.
        let (mut worse, other) = (optimum(0.2), optimum(0.1));
        worse.rest += 1.0;
        let pairs = certificate(&[worse, other]);
        let lacks = worse.at_price(0.2) - other.at_price(0.2);
        assert_eq!((pairs[0].holds, pairs[0].beaten), (Some(false), Some(0.2)));
        assert!((pairs[0].violation.unwrap_or_default() - lacks).abs() < 1e-12 && lacks > 0.9, "{pairs:?}");
        // The same, where both are known to within two nats.
        let pairs = certificate(&[Weighed { se: 0.5, ..worse }, Weighed { se: 0.5, ..other }]);
        assert_eq!(pairs[0].holds, Some(true));
    }

    #[test]
    fn a_rate_that_rises_with_its_price_is_a_violation() {
        let pairs = certificate(&[point(1.0, 2.0, 5.0), point(2.0, 3.0, 4.5)]);
        assert_eq!((pairs[0].holds, pairs[0].beaten), (Some(false), Some(2.0)));
    }

    #[test]
    fn collapsed_points_are_skipped() {
        let pairs = certificate(&[point(4.0, 0.004, 9.0), point(8.0, 0.001, 9.1)]);
        assert!(pairs[0].is_skipped() && pairs[0].slope.is_none());
    }
}
