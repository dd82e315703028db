//! Parameter updates, element by element, in vector code.

#![allow(unsafe_code)]

use fe_graph::training::{BETA1, BETA2, EPSILON, Rule};

use crate::isa::vectorized;
use crate::math::Real;

/// One step of the rule, beside the elements.
#[derive(Clone, Copy, Debug)]
pub struct Stride {
    /// The step size.
    pub rate: f64,
    /// The factor of the gradient.
    pub scale: f64,
    /// 1 − β₁ᵗ and 1 − β₂ᵗ at step t.
    corrections: [f64; 2],
}

impl Stride {
    /// The stride of a step, numbered from 1.
    pub fn new(rate: f64, count: u64, scale: f64) -> Self {
        let steps = i32::try_from(count).unwrap_or(i32::MAX);
        Self { rate, scale, corrections: [BETA1, BETA2].map(|b| 1.0 - b.powi(steps)) }
    }
}

#[inline(always)]
fn update_body<T: Real, const FMA: bool>(
    rule: Rule,
    stride: Stride,
    parameter: &mut [T],
    gradient: &[T],
    first: &mut [T],
    second: &mut [T],
) -> bool {
    let t = T::from_f64;
    let [correction1, correction2] = stride.corrections;
    let scale = t(stride.scale);
    // NaN once a gradient is NaN or infinite.
    let mut check = [T::ZERO; 16];
    for chunk in gradient.chunks(16) {
        for (c, &g) in check.iter_mut().zip(chunk) {
            *c = *c + g * T::ZERO;
        }
    }
    let elements = parameter.iter_mut().zip(gradient).zip(first.iter_mut());
    match rule {
        Rule::Adam => {
            let (b1, c1, b2, c2) = (t(BETA1), t(1.0 - BETA1), t(BETA2), t(1.0 - BETA2));
            let (rate, root, epsilon) = (t(stride.rate / correction1), t(1.0 / correction2.sqrt()), t(EPSILON));
            for (((p, &g), m), v) in elements.zip(second.iter_mut()) {
                let g = g * scale;
                *m = b1.fused::<FMA>(*m, c1 * g);
                *v = b2.fused::<FMA>(*v, c2 * g * g);
                *p = *p - rate * *m / (v.sqrt().fused::<FMA>(root, epsilon));
            }
        }
        Rule::Adamax => {
            let (b1, c1, b2) = (t(BETA1), t(1.0 - BETA1), t(BETA2));
            let (rate, epsilon) = (t(stride.rate / correction1), t(EPSILON));
            for (((p, &g), m), u) in elements.zip(second.iter_mut()) {
                let g = g * scale;
                *m = b1.fused::<FMA>(*m, c1 * g);
                let (decayed, size) = (b2 * *u, g.abs() + epsilon);
                *u = if decayed > size { decayed } else { size };
                *p = *p - rate * *m / *u;
            }
        }
        Rule::Sgd { momentum } => {
            let (momentum, rate) = (t(momentum), t(stride.rate));
            for ((p, &g), m) in elements {
                *m = momentum.fused::<FMA>(*m, g * scale);
                *p = *p - rate * *m;
            }
        }
    }
    check.iter().all(|&c| c == T::ZERO)
}

vectorized!(
    /// Moves parameters one step. Whether every gradient was finite.
    pub fn update<T: Real>(
        rule: Rule,
        stride: Stride,
        parameter: &mut [T],
        gradient: &[T],
        first: &mut [T],
        second: &mut [T],
    ) -> bool = update_body
);

#[inline(always)]
fn square_body<T: Real, const FMA: bool>(x: &[T]) -> f64 {
    let mut lanes = [0.0f64; 16];
    for chunk in x.chunks(16) {
        for (l, v) in lanes.iter_mut().zip(chunk) {
            *l += v.to_f64() * v.to_f64();
        }
    }
    lanes.iter().sum()
}

vectorized!(
    /// Σ x², carried in f64.
    pub fn square<T: Real>(x: &[T]) -> f64 = square_body
);
