//! Gauss–Hermite quadrature: expectations of smooth functions of one normal number.

use fe_graph::{Axis, Binary, Graph, NodeId, Op, Tensor, Unary};

/// Points of the rule: exact for polynomials of degree 63.
pub(crate) const POINTS: usize = 32;

/// The most numbers that one expectation may take.
pub(crate) const MOST: usize = 1 << 23;

/// Below this a variance counts as this much: the slope of a root at 0 has no value.
const LEAST: f64 = 1e-30;

/// Points and weights for E f(t), t ~ N(0, 1): the roots of the Hermite polynomial He_n, which part those of He_{n−1}, and
/// 1/(n p_{n−1}²), p being orthonormal.
fn rule(n: usize) -> (Vec<f64>, Vec<f64>) {
    let bound = 2.0 * (n as f64).sqrt() + 1.0;
    let mut roots: Vec<f64> = vec![];
    for degree in 1..=n {
        let ends: Vec<f64> = std::iter::once(-bound).chain(roots).chain([bound]).collect();
        let inner = ends.iter().zip(ends.iter().skip(1)).map(|(&a, &b)| bisect(degree, a, b));
        roots = inner.collect();
    }
    let weights = roots.iter().map(|&x| 1.0 / (n as f64 * orthonormal(n - 1, x).powi(2))).collect();
    (roots, weights)
}

/// p_n(x), from p_{k+1} = (x p_k − √k p_{k−1})/√(k + 1).
fn orthonormal(n: usize, x: f64) -> f64 {
    let (mut before, mut now) = (0.0, 1.0);
    for k in 0..n {
        let k = k as f64;
        (before, now) = (now, (x * now - k.sqrt() * before) / (k + 1.0).sqrt());
    }
    now
}

fn bisect(degree: usize, mut low: f64, mut high: f64) -> f64 {
    let sign = orthonormal(degree, low).is_sign_negative();
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if orthonormal(degree, middle).is_sign_negative() == sign {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// Whether an operation is smooth in its operands, element by element.
pub(crate) fn smooth(op: &Op) -> bool {
    match op {
        Op::Unary(u) => !matches!(u, Unary::Abs | Unary::Sign | Unary::Step | Unary::Relu | Unary::Floor),
        Op::Binary(b) => matches!(b, Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Pow),
        _ => false,
    }
}

/// The rule's axis with its points and weights as nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub axis: Axis,
    points: NodeId,
    weights: NodeId,
}

impl Rule {
    /// Brings the rule into a graph.
    pub fn new(g: &mut Graph) -> Self {
        let axis = Axis::plain(g.add_axis("quadrature", POINTS));
        let (points, weights) = rule(POINTS);
        let mut literal = |values: Vec<f64>| g.literal(Tensor { shape: vec![POINTS], values }, &[axis]);
        let (points, weights) = (literal(points), literal(weights));
        Self { axis, points, weights }
    }

    /// m + √v t at every point.
    pub fn points(&self, g: &mut Graph, mean: NodeId, variance: NodeId) -> NodeId {
        let least = g.constant(LEAST);
        let variance = g.binary(Binary::Max, variance, least);
        let scale = g.sqrt(variance);
        let step = g.mul(scale, self.points);
        g.add(mean, step)
    }

    /// Σ w f over the points.
    pub fn sum(&self, g: &mut Graph, values: NodeId) -> NodeId {
        g.contract(values, self.weights, &[self.axis])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_the_normal_distribution() {
        let (points, weights) = rule(POINTS);
        let moment = |k: i32| points.iter().zip(&weights).map(|(x, w)| w * x.powi(k)).sum::<f64>();
        let mut odd = 1.0;
        for k in 0..20 {
            // E t^{2k} = (2k − 1)!!
            assert!((moment(2 * k) / odd - 1.0).abs() < 1e-11, "{k}: {} {odd}", moment(2 * k));
            assert!(moment(2 * k + 1).abs() < 1e-9 * odd);
            odd *= f64::from(2 * k + 1);
        }
    }

    #[test]
    fn softplus_against_fine_sums() {
        let (points, weights) = rule(POINTS);
        let softplus = |x: f64| if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() };
        for (m, s, tolerance) in [(0.3, 0.5, 1e-12), (-1.0, 1.0, 1e-10), (2.0, 2.0, 1e-6)] {
            let found: f64 = points.iter().zip(&weights).map(|(x, w)| w * softplus(m + s * x)).sum();
            // The trapezoid rule on ±12 sd.
            let h = 24.0 / 20_000.0;
            let exact: f64 = (0..=20_000)
                .map(|k| -12.0 + h * f64::from(k))
                .map(|t| h * (-0.5 * t * t).exp() / (2.0 * std::f64::consts::PI).sqrt() * softplus(m + s * t))
                .sum();
            assert!((found - exact).abs() < tolerance, "{m} {s}: {found} {exact}");
        }
    }
}
