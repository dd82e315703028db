//! Matrix families and one-hot vectors: maps against numeric differentiation, densities against other formulas, quadrature
//! and draws.

use std::collections::HashMap;

use crate::common::{close, evaluate};
use fe_distribution::{Distribution, Statistic, Support, family};
use fe_graph::{Axis, Graph, NodeId, Tensor};
use rand::SeedableRng;
use statrs::function::gamma::ln_gamma;

const MAPPED: [Support; 5] =
    [Support::Simplex, Support::Ordered, Support::CorrelationFactor, Support::CovarianceFactor, Support::Covariance];

/// Unconstrained numbers without pattern.
fn numbers(count: usize) -> Vec<f64> {
    (0..count).map(|k| 1.3 * (2.1 * k as f64 + 0.4).sin()).collect()
}

/// A value and its log-Jacobian, by elements, in the graph.
fn mapped(support: Support, n: usize, u: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut g = Graph::new();
    let axis = Axis::plain(g.add_axis("K", n));
    let axes = if support.rank() == 2 { vec![axis, axis.primed()] } else { vec![axis] };
    let free = support.free_axes(&mut g, &axes);
    let (id, node) = g.input("u", &free);
    let (z, jacobian) = support.constrain_along(&mut g, node, &free, &axes).unwrap();
    assert!(g.axes_of(jacobian).iter().all(|a| free.contains(a)), "{support:?}");
    let z = g.broadcast(z, &axes);
    let jacobian = g.broadcast(jacobian, &free);
    let mut values = evaluate(&g, &[z, jacobian], &HashMap::from([(id, u.to_vec())]), 0);
    let jacobian = values.remove(1);
    (values.remove(0), jacobian)
}

/// log |det| by elimination with pivots.
fn log_determinant(mut m: Vec<Vec<f64>>) -> f64 {
    let n = m.len();
    let mut total = 0.0;
    for k in 0..n {
        let pivot = (k..n).max_by(|&a, &b| m[a][k].abs().total_cmp(&m[b][k].abs())).unwrap();
        m.swap(k, pivot);
        total += m[k][k].abs().ln();
        for i in k + 1..n {
            let factor = m[i][k] / m[k][k];
            let (above, below) = m.split_at_mut(i);
            below[0].iter_mut().zip(&above[k]).skip(k).for_each(|(b, a)| *b -= factor * a);
        }
    }
    total
}

#[test]
fn maps_of_vectors_and_matrices_have_the_volume_of_numeric_differentiation() {
    for support in MAPPED {
        for n in 1..=5usize {
            let count = support.free_count(n);
            let u = numbers(count);
            let elements = n.pow(support.rank() as u32);
            let (z, jacobian) = mapped(support, n, &u);
            let host = support.constrain_values(&u, n, elements).unwrap();
            for (a, b) in z.iter().zip(&host) {
                close("the graph's value", *a, *b, 1e-12);
            }
            assert_eq!(support.first_outside(&host, n), None, "{support:?} {n}: {host:?}");
            for (a, b) in support.unconstrain_values(&host, n).unwrap().iter().zip(&u) {
                close("the inverse", *a, *b, 1e-8);
            }
            // The elements that determine a value: all but the last share, a triangle, or all.
            let free: Vec<usize> = match support {
                Support::Simplex => (0..n - 1).collect(),
                Support::CorrelationFactor => (0..n).flat_map(|i| (0..i).map(move |j| i * n + j)).collect(),
                Support::CovarianceFactor | Support::Covariance => {
                    (0..n).flat_map(|i| (0..=i).map(move |j| i * n + j)).collect()
                }
                _ => (0..n).collect(),
            };
            let moved = |k: usize, by: f64| {
                let mut u = u.clone();
                u[k] += by;
                support.constrain_values(&u, n, elements).unwrap()
            };
            let h = 1e-5;
            let slopes: Vec<Vec<f64>> = (0..count)
                .map(|k| {
                    let (up, down) = (moved(k, h), moved(k, -h));
                    free.iter().map(|&i| (up[i] - down[i]) / (2.0 * h)).collect()
                })
                .collect();
            let expected = log_determinant(slopes);
            let found: f64 = jacobian.iter().sum();
            assert!((found - expected).abs() < 1e-7 * expected.abs().max(1.0), "{support:?} {n}: {found} {expected}");
        }
    }
}

#[test]
fn what_is_no_vector_or_matrix_of_a_type_is_told() {
    let cases: [(Support, usize, &[f64]); 8] = [
        (Support::Simplex, 2, &[0.4, 0.5]),
        (Support::Simplex, 2, &[1.2, -0.2]),
        (Support::Ordered, 2, &[1.0, 1.0]),
        (Support::OneHot, 3, &[1.0, 1.0, 0.0]),
        (Support::CorrelationFactor, 2, &[1.0, 0.0, 0.6, 0.6]),
        (Support::CovarianceFactor, 2, &[1.0, 0.3, 0.6, 0.8]),
        (Support::Covariance, 2, &[1.0, 0.3, 0.2, 1.0]),
        (Support::Covariance, 2, &[1.0, 2.0, 2.0, 1.0]),
    ];
    for (support, n, z) in cases {
        assert_eq!(support.first_outside(z, n), Some(0), "{support:?} {z:?}");
    }
    assert_eq!(Support::Simplex.first_outside(&[0.5, 0.5, 0.1, 0.1], 2), Some(1));
    assert_eq!(Support::Simplex.unconstrain_values(&[0.0, 1.0], 2), None);
}

/// A distribution of a family over (K, K'), of n rows, with these arguments: numbers, or matrices row by row.
fn matrix(g: &mut Graph, name: &str, n: usize, args: &[Vec<f64>]) -> (Distribution, Axis) {
    let axis = Axis::plain(g.add_axis("K", n));
    let args = args.iter().map(|a| match a.as_slice() {
        [one] => g.constant(*one),
        all => g.literal(Tensor::new(vec![n, n], all.to_vec()).unwrap(), &[axis, axis.primed()]),
    });
    let args: Vec<NodeId> = args.collect();
    (Distribution { event: Some(axis), ..Distribution::new(family(name).unwrap(), args) }, axis)
}

fn total(g: &mut Graph, node: NodeId, axis: Axis) -> NodeId {
    g.sum(node, &[axis, axis.primed()])
}

/// log p of one matrix.
fn log_density(name: &str, n: usize, args: &[Vec<f64>], x: &[f64]) -> f64 {
    let mut g = Graph::new();
    let (d, axis) = matrix(&mut g, name, n, args);
    let x = g.literal(Tensor::new(vec![n, n], x.to_vec()).unwrap(), &[axis, axis.primed()]);
    let density = d.log_density(&mut g, x).unwrap();
    let density = total(&mut g, density, axis);
    crate::common::scalar(&g, density)
}

/// As the host draws: a number once for each row.
fn rows(n: usize, args: &[Vec<f64>]) -> Vec<Vec<f64>> {
    args.iter().map(|a| if a.len() == 1 { vec![a[0]; n] } else { a.clone() }).collect()
}

#[test]
fn an_lkj_density_integrates_to_one() {
    // Rows are independent, so each is integrated by itself, over the partial correlations on the unconstrained scale.
    let (side, width) = (141, 28.0);
    let at = |k: usize| -0.5 * width + width / (side - 1) as f64 * k as f64;
    for (n, eta) in [(2, 0.7), (2, 3.0), (3, 1.0), (3, 2.5)] {
        let mut g = Graph::new();
        let axis = Axis::plain(g.add_axis("K", n));
        let axes = [axis, axis.primed()];
        let free = Support::CorrelationFactor.free_axes(&mut g, &axes);
        let points = Axis::plain(g.add_axis("P", side * side));
        let (id, u) = g.input("u", &[free[0], points]);
        let (z, jacobian) = Support::CorrelationFactor.constrain_along(&mut g, u, &free, &axes).unwrap();
        let eta = g.constant(eta);
        let d = Distribution { event: Some(axis), ..Distribution::new(family("LKJ").unwrap(), vec![eta]) };
        let density = d.log_density(&mut g, z).unwrap();
        let density = g.diagonal(density, axis, axis.primed());
        // The last row has the last n − 1 numbers; of the others' entries u is 0.
        let count = n * (n - 1) / 2;
        let mut feed = vec![];
        for k in 0..count {
            for p in 0..side * side {
                feed.push(match count - 1 - k {
                    0 => at(p / side),
                    1 if n > 2 => at(p % side),
                    _ => 0.0,
                });
            }
        }
        let v = evaluate(&g, &[density, jacobian], &HashMap::from([(id, feed)]), 0);
        let all = side * side;
        let last = |p: usize| v[0][(n - 1) * all + p];
        let volume = |p: usize| (count - (n - 1)..count).map(|k| v[1][k * all + p]).sum::<f64>();
        let mass: f64 = (0..all).map(|p| (last(p) + volume(p)).exp()).sum();
        let step = width / (side - 1) as f64;
        // Of two rows one number is free, and each point counts `side` times.
        let area = if n == 2 { step / side as f64 } else { step * step };
        close("mass", mass * area, 1.0, 1e-6);
    }
}

#[test]
fn lkj_draws_have_the_moments_of_correlations() {
    let (n, eta, count) = (4usize, 1.5, 40_000);
    let mut rng = rand::rngs::StdRng::seed_from_u64(3);
    let lkj = family("LKJ").unwrap();
    let draws: Vec<Vec<f64>> = (0..count).map(|_| lkj.draw_vector(&[vec![eta; n]], &mut rng).unwrap()).collect();
    assert!(draws.iter().all(|l| Support::CorrelationFactor.first_outside(l, n).is_none()));
    // Each correlation is Beta(a, a) on (−1, 1) with a = η − 1 + K/2.
    let a = eta - 1.0 + 0.5 * n as f64;
    let correlation = |l: &[f64], i: usize, j: usize| (0..n).map(|k| l[i * n + k] * l[j * n + k]).sum::<f64>();
    let mean = |f: &dyn Fn(&[f64]) -> f64| draws.iter().map(|l| f(l)).sum::<f64>() / f64::from(count);
    for (i, j) in [(0, 1), (1, 3), (2, 3)] {
        let second = 1.0 / (2.0 * a + 1.0);
        let fourth = 3.0 * second / (2.0 * a + 3.0);
        let r = |l: &[f64]| correlation(l, i, j);
        let se = |variance: f64| (variance / f64::from(count)).sqrt();
        assert!(mean(&|l| r(l)).abs() < 4.0 * se(second));
        assert!((mean(&|l| r(l).powi(2)) - second).abs() < 4.0 * se(fourth - second * second));
    }
    let mut g = Graph::new();
    let (d, axis) = matrix(&mut g, "LKJ", n, &[vec![eta]]);
    let (other, _) = matrix(&mut g, "LKJ", n, &[vec![4.0]]);
    let p = Distribution { event: d.event, ..other };
    let first = d.expectation(&mut g, Statistic::Value).unwrap();
    let square = d.expectation(&mut g, Statistic::Square).unwrap();
    let entropy = d.entropy(&mut g).unwrap();
    let entropy = total(&mut g, entropy, axis);
    let kl = d.kl(&mut g, &p).unwrap();
    let kl = total(&mut g, kl, axis);
    let v = evaluate(&g, &[first, square, entropy, kl], &HashMap::new(), 0);
    for k in 0..n * n {
        assert!((mean(&|l| l[k]) - v[0][k]).abs() < 0.02, "E L at {k}");
        assert!((mean(&|l| l[k] * l[k]) - v[1][k]).abs() < 0.02, "E L² at {k}");
    }
    let few = &draws[..3000];
    let log = |l: &[f64], eta: f64| log_density("LKJ", n, &[vec![eta]], l);
    held("entropy", few.iter().map(|l| -log(l, eta)).collect(), v[2][0]);
    held("KL", few.iter().map(|l| log(l, eta) - log(l, 4.0)).collect(), v[3][0]);
}

/// A mean of draws agrees with its value, within four standard errors, which are small.
fn held(what: &str, draws: Vec<f64>, expected: f64) {
    let n = draws.len() as f64;
    let mean = draws.iter().sum::<f64>() / n;
    let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let se = (variance / n).sqrt();
    assert!((mean - expected).abs() < 4.0 * se, "{what}: {mean} ± {se}, not {expected}");
    assert!(se < 0.2, "{what}: {se}");
}

/// log Γ₂
fn log_gamma_2(a: f64) -> f64 {
    0.5 * std::f64::consts::PI.ln() + ln_gamma(a) + ln_gamma(a - 0.5)
}

fn determinant(m: &[f64]) -> f64 {
    m[0] * m[3] - m[1] * m[2]
}

/// tr(A⁻¹ B) of symmetric matrices.
fn trace(a: &[f64], b: &[f64]) -> f64 {
    (a[3] * b[0] - 2.0 * a[1] * b[1] + a[0] * b[3]) / determinant(a)
}

/// log densities of 2 × 2 matrices by their determinants and traces.
fn by_hand(name: &str, df: f64, scale: &[f64], x: &[f64]) -> f64 {
    let (log_x, log_s) = (determinant(x).ln(), determinant(scale).ln());
    let constant = df * 2f64.ln() + log_gamma_2(0.5 * df);
    match name {
        "Wishart" => 0.5 * ((df - 3.0) * log_x - trace(scale, x) - df * log_s) - constant,
        _ => 0.5 * (df * log_s - (df + 3.0) * log_x - trace(x, scale)) - constant,
    }
}

#[test]
fn wishart_densities_are_their_formulas_and_their_draws_agree() {
    let (scale, other) = (vec![1.2, 0.4, 0.4, 0.7], vec![0.9, -0.2, -0.2, 1.1]);
    for name in ["Wishart", "InverseWishart"] {
        let (df, df0) = (7.5, 9.0);
        let mut rng = rand::rngs::StdRng::seed_from_u64(8);
        let drawn = rows(2, &[vec![df], scale.clone()]);
        let draws: Vec<Vec<f64>> =
            (0..20_000).map(|_| family(name).unwrap().draw_vector(&drawn, &mut rng).unwrap()).collect();
        for x in &draws[..5] {
            assert_eq!(Support::Covariance.first_outside(x, 2), None);
            let found = log_density(name, 2, &[vec![df], scale.clone()], x);
            close("log density", found, by_hand(name, df, &scale, x), 1e-10);
        }
        let mut g = Graph::new();
        let (q, axis) = matrix(&mut g, name, 2, &[vec![df], scale.clone()]);
        let args =
            vec![g.constant(df0), g.literal(Tensor::new(vec![2, 2], other.clone()).unwrap(), &[axis, axis.primed()])];
        let p = Distribution { args, ..q.clone() };
        let entropy = q.entropy(&mut g).unwrap();
        let kl = q.kl(&mut g, &p).unwrap();
        let (entropy, kl) = (total(&mut g, entropy, axis), total(&mut g, kl, axis));
        let mean = q.expectation(&mut g, Statistic::Value).unwrap();
        let v = evaluate(&g, &[entropy, kl, mean], &HashMap::new(), 0);
        held("entropy", draws.iter().map(|x| -by_hand(name, df, &scale, x)).collect(), v[0][0]);
        let ratio = |x: &Vec<f64>| by_hand(name, df, &scale, x) - by_hand(name, df0, &other, x);
        held("KL", draws.iter().map(ratio).collect(), v[1][0]);
        for k in 0..4 {
            held("mean", draws.iter().map(|x| x[k]).collect(), v[2][k]);
        }
        if let Some(square) = q.expectation(&mut g, Statistic::Square) {
            let v = evaluate(&g, &[square], &HashMap::new(), 0).remove(0);
            for k in 0..4 {
                let of: Vec<f64> = draws.iter().map(|x| x[k] * x[k]).collect();
                let mean = of.iter().sum::<f64>() / of.len() as f64;
                assert!((mean / v[k] - 1.0).abs() < 0.06, "{name}, E S² at {k}: {mean} {}", v[k]);
            }
        }
    }
    // Of one row: a gamma, and its inverse.
    let wishart = log_density("Wishart", 1, &[vec![3.0], vec![0.8]], &[1.7]);
    let gamma = |shape: f64, rate: f64, x: f64| shape * rate.ln() - ln_gamma(shape) + (shape - 1.0) * x.ln() - rate * x;
    close("one row", wishart, gamma(1.5, 0.5 / 0.8, 1.7), 1e-12);
    let inverse = log_density("InverseWishart", 1, &[vec![3.0], vec![0.8]], &[1.7]);
    close("one row", inverse, gamma(1.5, 0.4, 1.0 / 1.7) - 2.0 * 1.7f64.ln(), 1e-12);
    // Too few degrees of freedom have no density.
    assert!(log_density("Wishart", 2, &[vec![0.9], scale.clone()], &scale).is_nan());
}

#[test]
fn one_hot_vectors_are_categories() {
    let probs = [0.2, 0.5, 0.3];
    let mut g = Graph::new();
    let axis = Axis::plain(g.add_axis("K", 3));
    let points = Axis::plain(g.add_axis("P", 3));
    let vector = |g: &mut Graph, v: [f64; 3]| g.literal(Tensor::new(vec![3], v.to_vec()).unwrap(), &[axis]);
    // Weights need not be normalised.
    let weights = vector(&mut g, probs.map(|p| 4.0 * p));
    let other = vector(&mut g, [0.6, 0.1, 0.3]);
    let of =
        |args: Vec<NodeId>| Distribution { event: Some(axis), ..Distribution::new(family("OneHot").unwrap(), args) };
    let (q, p) = (of(vec![weights]), of(vec![other]));
    let (id, x) = g.input("x", &[axis, points]);
    let density = q.log_density(&mut g, x).unwrap();
    let density = g.sum(density, &[axis]);
    let entropy = q.entropy(&mut g).unwrap();
    let entropy = g.sum(entropy, &[axis]);
    let kl = q.kl(&mut g, &p).unwrap();
    let kl = g.sum(kl, &[axis]);
    let mean = q.expectation(&mut g, Statistic::Value).unwrap();
    let unit = vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    let v = evaluate(&g, &[density, entropy, kl, mean], &HashMap::from([(id, unit)]), 0);
    for k in 0..3 {
        close("probability", v[0][k].exp(), probs[k], 1e-13);
        close("mean", v[3][k], probs[k], 1e-13);
    }
    close("entropy", v[1][0], -probs.iter().map(|p| p * p.ln()).sum::<f64>(), 1e-13);
    let expected = 0.2 * (0.2f64 / 0.6).ln() + 0.5 * (0.5f64 / 0.1).ln();
    close("KL", v[2][0], expected, 1e-13);
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let draws: Vec<Vec<f64>> =
        (0..4000).map(|_| family("OneHot").unwrap().draw_vector(&[probs.to_vec()], &mut rng).unwrap()).collect();
    for k in 0..3 {
        held("share", draws.iter().map(|d| d[k]).collect(), probs[k]);
    }
    assert!(draws.iter().all(|d| Support::OneHot.first_outside(d, 3).is_none()));
}
