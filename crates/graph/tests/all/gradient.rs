//! Derivatives of every operation against central differences, first and second.

use crate::naive::{Case, expression};
use fe_graph::{Binary, DerivativeError, Indicator, NodeId, NoiseKind, Site, Tensor, Unary};

const TOLERANCE: f64 = 1e-7;

const UNARIES: [(Unary, f64, f64); 33] = [
    (Unary::Neg, -2.0, 2.0),
    (Unary::Exp, -2.0, 2.0),
    (Unary::Log, 0.5, 3.0),
    (Unary::Log1p, -0.5, 2.0),
    (Unary::Expm1, -2.0, 2.0),
    (Unary::Sqrt, 0.5, 3.0),
    (Unary::Square, -2.0, 2.0),
    (Unary::Recip, 0.5, 3.0),
    (Unary::Recip, -3.0, -0.5),
    (Unary::Abs, 0.5, 3.0),
    (Unary::Abs, -3.0, -0.5),
    (Unary::Sign, 0.5, 3.0),
    (Unary::Step, -3.0, -0.5),
    (Unary::Relu, 0.5, 3.0),
    (Unary::Relu, -3.0, -0.5),
    (Unary::Tanh, -2.0, 2.0),
    (Unary::Sigmoid, -4.0, 4.0),
    (Unary::Softplus, -4.0, 4.0),
    (Unary::Sin, -3.0, 3.0),
    (Unary::Cos, -3.0, 3.0),
    (Unary::Atan, -3.0, 3.0),
    (Unary::Floor, 0.1, 0.9),
    (Unary::Erf, -2.0, 2.0),
    (Unary::NormalCdf, -3.0, 3.0),
    (Unary::LogNormalCdf, -3.0, 3.0),
    (Unary::LogNormalCdf, -60.0, -40.0),
    (Unary::LogNormalCdf, 4.0, 6.0),
    (Unary::LogGamma, 0.5, 9.0),
    (Unary::Polygamma(0), 0.7, 9.0),
    (Unary::Polygamma(1), 0.7, 9.0),
    (Unary::Polygamma(2), 0.7, 9.0),
    (Unary::Polygamma(3), 0.7, 9.0),
    (Unary::Polygamma(4), 0.7, 9.0),
];

#[test]
fn functions_of_one_argument() {
    for (k, (op, low, high)) in UNARIES.into_iter().enumerate() {
        let mut case = Case::new(k as u64);
        let a = case.axis("A", 5);
        let x = case.input("x", &[a], low, high);
        let y = case.graph.unary(op, x.1);
        case.check_gradient(y, &[x], TOLERANCE);
        case.check_second(y, &[x], TOLERANCE);
    }
}

#[test]
fn functions_of_two_arguments() {
    let all = [
        Binary::Add,
        Binary::Sub,
        Binary::Mul,
        Binary::Div,
        Binary::Pow,
        Binary::Max,
        Binary::Min,
        Binary::Less,
        Binary::LessEqual,
        Binary::Equal,
    ];
    for (k, op) in all.into_iter().enumerate() {
        // Shared and private axes on each side, a scalar, and the same node twice.
        for shape in 0..5 {
            let mut case = Case::new(k as u64);
            let (a, b, c) = (case.axis("A", 2), case.axis("B", 3), case.axis("C", 2));
            let (left, right) = match shape {
                0 => (vec![a, b], vec![a, b]),
                1 => (vec![a, b], vec![b, c]),
                2 => (vec![], vec![b]),
                3 => (vec![a, b], vec![]),
                _ => (vec![a], vec![a]),
            };
            let x = case.input("x", &left, 0.5, 1.9);
            let y = case.input("y", &right, 0.6, 2.1);
            let z = case.graph.binary(op, x.1, if shape == 4 { x.1 } else { y.1 });
            case.check_gradient(z, &[x, y], TOLERANCE);
            case.check_second(z, &[x, y], TOLERANCE);
        }
    }
}

/// Quantile functions of a normal number: first derivatives by both operands, and none beyond.
#[test]
fn quantiles_of_a_normal_number() {
    for (k, op) in [Binary::LogGammaQuantile, Binary::VonMisesQuantile].into_iter().enumerate() {
        for (low, high) in [(0.05, 0.9), (1.5, 9.0), (250.0, 260.0)] {
            let mut case = Case::new(k as u64);
            let (a, b) = (case.axis("A", 3), case.axis("B", 4));
            let shape = case.input("shape", &[a], low, high);
            let normal = case.input("normal", &[b], -2.0, 2.0);
            let z = case.graph.binary(op, shape.1, normal.1);
            case.check_gradient(z, &[shape, normal], TOLERANCE);
            let slope = case.graph.gradient(z, &[shape.1]).unwrap();
            assert_eq!(case.graph.gradient(slope[0], &[shape.1]), Err(DerivativeError::QuantileOrder));
            assert_eq!(case.graph.gradient(slope[0], &[normal.1]), Err(DerivativeError::QuantileOrder));
        }
    }
}

/// The normal score of a gamma value: what its quantile undoes, with first derivatives by both operands, and second ones
/// by the value.
#[test]
fn normal_scores_of_gamma_values() {
    for (low, high) in [(0.05, 0.9), (1.5, 9.0), (250.0, 260.0)] {
        let mut case = Case::new(7);
        let (a, b) = (case.axis("A", 3), case.axis("B", 4));
        let shape = case.input("shape", &[a], low, high);
        let normal = case.input("normal", &[b], -6.0, 6.0);
        let y = case.graph.binary(Binary::LogGammaQuantile, shape.1, normal.1);
        let back = case.graph.binary(Binary::GammaScore, shape.1, y);
        let back = case.values(&[back])[0].values.clone();
        let given = case.values(&[normal.1])[0].values.clone();
        for row in back.chunks(4) {
            for (found, expected) in row.iter().zip(&given) {
                assert!((found - expected).abs() < 1e-10 * expected.abs().max(1.0), "{found} {expected}");
            }
        }
        let value = case.input("value", &[b], 0.7 * low.ln(), 1.1 * high.ln());
        let z = case.graph.binary(Binary::GammaScore, shape.1, value.1);
        case.check_gradient(z, &[shape, value], TOLERANCE);
        case.check_second(z, &[value], TOLERANCE);
        let slope = case.graph.gradient(z, &[shape.1]).unwrap();
        assert_eq!(case.graph.gradient(slope[0], &[shape.1]), Err(DerivativeError::QuantileOrder));
    }
}

#[test]
fn a_tie_of_max_shares_the_derivative() {
    let mut case = Case::new(0);
    let a = case.axis("A", 3);
    let x = case.graph.literal(Tensor::new(vec![3], vec![2.0, 1.0, 2.0]).unwrap(), &[a]);
    let top = case.graph.max(x, &[a]);
    let y = case.graph.literal(Tensor::new(vec![3], vec![2.0, 2.0, 0.0]).unwrap(), &[a]);
    let larger = case.graph.binary(Binary::Max, x, y);
    let g = case.graph.gradient(top, &[x]).unwrap();
    let h = case.graph.gradient(larger, &[x, y]).unwrap();
    assert_eq!(case.values(&g)[0].values, [0.5, 0.0, 0.5]);
    assert_eq!(case.values(&h)[0].values, [0.5, 0.0, 1.0]);
    assert_eq!(case.values(&h)[1].values, [0.5, 1.0, 0.0]);
}

#[test]
fn select_follows_the_branch_taken() {
    let mut case = Case::new(3);
    let (a, b) = (case.axis("A", 3), case.axis("B", 2));
    let x = case.input("x", &[a], 0.5, 2.0);
    let y = case.input("y", &[b], 0.5, 2.0);
    let c = case.input("c", &[a], -1.0, 1.0);
    let zero = case.graph.constant(0.0);
    let condition = case.graph.less(zero, c.1);
    let (ex, ly) = (case.graph.exp(x.1), case.graph.log(y.1));
    let z = case.graph.select(condition, ex, ly);
    case.check_gradient(z, &[x, y, c], TOLERANCE);
    case.check_second(z, &[x, y], TOLERANCE);
}

/// Applies an irregular function, so that second derivatives do not vanish.
fn curve(case: &mut Case, x: NodeId) -> NodeId {
    let s = case.graph.unary(Unary::Sin, x);
    let q = case.graph.square(x);
    case.graph.add(s, q)
}

#[test]
fn sums_maxima_and_contractions() {
    for over in 0..4 {
        let mut case = Case::new(over);
        let (a, b, c) = (case.axis("A", 2), case.axis("B", 3), case.axis("C", 2));
        let x = case.input("x", &[a, b], 0.5, 2.0);
        let y = case.input("y", &[b, c], 0.5, 2.0);
        let gone = match over {
            0 => vec![b],
            1 => vec![a, b],
            2 => vec![a, b, c],
            _ => vec![c],
        };
        let (cx, cy) = (curve(&mut case, x.1), curve(&mut case, y.1));
        let product = case.graph.mul(cx, cy);
        let outputs = [
            case.graph.sum(cx, &gone),
            case.graph.sum(product, &gone),
            case.graph.contract(cx, cy, &gone),
            case.graph.max(cx, &gone),
            case.graph.logsumexp(product, &gone),
            case.graph.softmax(product, &gone),
            case.graph.mean(product, &gone),
        ];
        for out in outputs {
            let curved = curve(&mut case, out);
            case.check_gradient(curved, &[x, y], TOLERANCE);
            case.check_second(curved, &[x, y], 1e-6);
        }
    }
}

#[test]
fn layout_operations() {
    let mut case = Case::new(11);
    let (a, b, c) = (case.axis("A", 2), case.axis("B", 6), case.axis("C", 3));
    let (d, e) = (case.axis("D", 2), case.axis("E", 4));
    let x = case.input("x", &[a, b], 0.5, 2.0);
    let y = case.input("y", &[b], 0.5, 2.0);
    let g = &mut case.graph;
    let outputs = [
        g.broadcast(y.1, &[a, c]),
        g.rename(x.1, &[(a, a.primed())]),
        g.rename(x.1, &[(b, b.primed()), (a, d)]),
        g.reshape(x.1, &[b], &[c, d]),
        g.reshape(x.1, &[b], &[d, c]),
        g.reshape(x.1, &[b, a], &[c, e]),
        g.sum_to(x.1, &[b, c]),
        g.pick(x.1, b, 4),
        g.slice(x.1, b, 2, c),
    ];
    for out in outputs {
        let (left, right) = (curve(&mut case, out), curve(&mut case, y.1));
        let both = case.graph.mul(left, right);
        case.check_gradient(both, &[x, y], TOLERANCE);
        case.check_second(both, &[x, y], TOLERANCE);
    }
}

#[test]
fn outer_products_of_a_tensor_with_itself() {
    let mut case = Case::new(12);
    let (a, b) = (case.axis("A", 3), case.axis("B", 2));
    let x = case.input("x", &[a, b], 0.5, 2.0);
    let other = case.graph.rename(x.1, &[(a, a.primed())]);
    let gram = case.graph.contract(x.1, other, &[b]);
    let curved = curve(&mut case, gram);
    case.check_gradient(curved, &[x], TOLERANCE);
    case.check_second(curved, &[x], TOLERANCE);
}

#[test]
fn gathers_and_scatters() {
    for shape in 0..5 {
        let mut case = Case::new(20 + shape);
        let (n, j, k, m) = (case.axis("N", 4), case.axis("J", 3), case.axis("K", 2), case.axis("M", 3));
        let x = case.input("x", &[j, k], 0.5, 2.0);
        // Plain; pointwise along a shared axis; a matrix of indices; a permutation along the axis itself; a scalar.
        let (index_axes, values): (Vec<_>, Vec<f64>) = match shape {
            0 => (vec![n], vec![2.0, 0.0, 2.0, 1.0]),
            1 => (vec![n, k], vec![0.0, 1.0, 2.0, 2.0, 1.0, 0.0, 0.0, 2.0]),
            2 => (vec![n, m], [0.0, 1.0, 2.0].repeat(4)),
            3 => (vec![j], vec![2.0, 0.0, 1.0]),
            _ => (vec![], vec![1.0]),
        };
        let dims = index_axes.iter().map(|a| case.graph.extent_of(a.id)).collect();
        let index = case.graph.literal(Tensor::new(dims, values).unwrap(), &index_axes);
        let c = curve(&mut case, x.1);
        let picked = case.graph.gather(c, index, j);
        let picked = curve(&mut case, picked);
        case.check_gradient(picked, &[x], TOLERANCE);
        case.check_second(picked, &[x], TOLERANCE);
        if shape == 4 {
            continue;
        }
        // Back onto the axis, with and without the index's axes summed away.
        let u_axes = [index_axes.clone(), vec![k]].concat();
        let u = case.input("u", &u_axes, 0.5, 2.0);
        let cu = curve(&mut case, u.1);
        let over = index_axes.iter().copied().filter(|a| *a != k).collect::<Vec<_>>();
        let scattered = case.graph.scatter_add(cu, index, j, &over);
        let scattered = curve(&mut case, scattered);
        case.check_gradient(scattered, &[u], TOLERANCE);
        case.check_second(scattered, &[u], TOLERANCE);
        if shape != 3 {
            let one_hot = case.graph.scatter_add(cu, index, j, &[]);
            let mixed = case.graph.mul(one_hot, c);
            case.check_gradient(mixed, &[u, x], TOLERANCE);
            case.check_second(mixed, &[u, x], TOLERANCE);
        }
    }
}

#[test]
fn concatenation() {
    let mut case = Case::new(31);
    let (a, b, k, both) = (case.axis("A", 2), case.axis("B", 3), case.axis("K", 2), case.axis("AB", 5));
    let x = case.input("x", &[a, k], 0.5, 2.0);
    let y = case.input("y", &[b], 0.5, 2.0);
    let z = case.graph.concat((x.1, a), (y.1, b), both);
    let values = case.values(&[z]);
    let (xs, ys) = (&case.feed.inputs[&x.0].values, &case.feed.inputs[&y.0].values);
    // K was created before AB.
    let expected: Vec<f64> = (0..2).flat_map(|k| [xs[k], xs[2 + k], ys[0], ys[1], ys[2]]).collect();
    assert_eq!(values[0].values, expected);
    let c = curve(&mut case, z);
    case.check_gradient(c, &[x, y], TOLERANCE);
    case.check_second(c, &[x, y], TOLERANCE);
}

#[test]
fn what_is_stopped_has_no_derivative() {
    let mut case = Case::new(32);
    let a = case.axis("A", 3);
    let x = case.input("x", &[a], 0.5, 2.0);
    let s = case.graph.exp(x.1);
    let s = case.graph.stop(s);
    let y = case.graph.mul(x.1, s);
    let g = case.graph.gradient(y, &[x.1]).unwrap()[0];
    assert_eq!(case.values(&[g])[0], case.values(&[s])[0]);
}

#[test]
fn noise_is_constant() {
    let mut case = Case::new(33);
    let a = case.axis("A", 4);
    let x = case.input("x", &[a], 0.5, 2.0);
    let e = case.graph.noise(NoiseKind::Normal, Site::named("z"), &[a, fe_graph::Axis::SAMPLE]);
    case.feed.extents.insert(fe_graph::AxisId::SAMPLE, 3);
    let sd = case.graph.exp(x.1);
    let z = case.graph.mul(sd, e);
    let y = case.graph.square(z);
    // The weights are fixed tensors of the nominal extents: sum the samples first.
    let y = case.graph.sum(y, &[fe_graph::Axis::SAMPLE]);
    case.check_gradient(y, &[x], TOLERANCE);
    case.check_second(y, &[x], TOLERANCE);
}

#[test]
fn arrivals_of_every_order() {
    let all = [Indicator::Cubic, Indicator::Quintic, Indicator::Cosine, Indicator::Sigmoid, Indicator::Linear];
    for (k, indicator) in all.into_iter().enumerate() {
        for tau in [0.4, 0.9] {
            let mut case = Case::new(40 + k as u64);
            let (n, u) = (case.axis("N", 3), case.axis("U", 2));
            let rate = case.input("log rate", &[u], -0.5, 2.0);
            let tau = case.graph.constant(tau);
            let z = case.graph.arrivals(rate.1, tau, 0, indicator, Site::named("z"), &[n, u]);
            let y = case.graph.unary(Unary::Sin, z);
            case.check_gradient(y, &[rate], 1e-5);
            // The linear indicator has kinks, the cubic and the cosine jumps in the second derivative: differences across
            // one are no derivative, but none lies near these draws.
            case.check_second(y, &[rate], if indicator == Indicator::Sigmoid { 1e-5 } else { 1e-4 });
        }
    }
}

#[test]
fn only_so_many_derivatives_of_arrivals() {
    let mut case = Case::new(50);
    let n = case.axis("N", 2);
    let rate = case.input("log rate", &[n], 0.0, 1.0);
    let tau = case.graph.constant(0.5);
    let mut z = case.graph.arrivals(rate.1, tau, 0, Indicator::Sigmoid, Site::named("z"), &[n]);
    for _ in 0..3 {
        z = case.graph.gradient(z, &[rate.1]).unwrap()[0];
    }
    assert!(case.graph.gradient(z, &[rate.1]).is_err());
}

#[test]
fn random_composites() {
    for seed in 0..120 {
        let mut case = Case::new(1000 + seed);
        let (a, b) = (case.axis("A", 2), case.axis("B", 3));
        let x = case.input("x", &[a], -1.0, 1.0);
        let y = case.input("y", &[b], -1.0, 1.0);
        let w = case.input("w", &[a, b], -1.0, 1.0);
        let out = expression(&mut case, &[x.1, y.1, w.1], 4);
        case.check_gradient(out, &[x, y, w], 1e-6);
        if seed % 3 == 0 {
            let small = expression(&mut case, &[x.1, y.1, w.1], 3);
            case.check_second(small, &[x, y, w], 1e-6);
        }
    }
}

/// A positive definite matrix of an unconstrained one, M Mᵀ + 2 I, with two others beside it.
fn definite(case: &mut Case) -> ((fe_graph::InputId, NodeId), NodeId, fe_graph::Axis) {
    let (a, b) = (case.axis("A", 4), case.axis("B", 2));
    let m = case.input("m", &[a, a.primed(), b], -1.0, 1.0);
    let g = &mut case.graph;
    let turned = g.transposed(m.1, a, a.primed());
    let product = g.matrix_product(m.1, turned, a, a.primed());
    let (i, j) = (g.iota(a), g.iota(a.primed()));
    let eye = g.equal(i, j);
    let eye = g.scale(eye, 2.0);
    let matrix = g.add(product, eye);
    (m, matrix, a)
}

#[test]
fn factors_of_matrices() {
    let mut case = Case::new(3);
    let (m, matrix, a) = definite(&mut case);
    let lower = case.graph.cholesky(matrix, a, a.primed());
    let inverse = case.graph.triangular_inverse(lower, a, a.primed());
    for factor in [lower, inverse] {
        let curved = curve(&mut case, factor);
        case.check_gradient(curved, &[m], TOLERANCE);
        case.check_second(curved, &[m], 1e-6);
    }
    let mut case = Case::new(5);
    let a = case.axis("A", 3);
    let x = case.input("x", &[a, a.primed()], -0.3, 0.3);
    let (i, j) = (case.graph.iota(a), case.graph.iota(a.primed()));
    let eye = case.graph.equal(i, j);
    let matrix = case.graph.add(x.1, eye);
    let inverse = case.graph.inverse(matrix, a, a.primed());
    let curved = curve(&mut case, inverse);
    case.check_gradient(curved, &[x], TOLERANCE);
    case.check_second(curved, &[x], 1e-6);
    // A matrix that is not symmetric counts by its symmetric part, and so does its derivative.
    let mut case = Case::new(4);
    let a = case.axis("A", 3);
    let x = case.input("x", &[a, a.primed()], -0.3, 0.3);
    let (i, j) = (case.graph.iota(a), case.graph.iota(a.primed()));
    let eye = case.graph.equal(i, j);
    let eye = case.graph.scale(eye, 2.0);
    let matrix = case.graph.add(x.1, eye);
    let lower = case.graph.cholesky(matrix, a, a.primed());
    let curved = curve(&mut case, lower);
    case.check_gradient(curved, &[x], TOLERANCE);
}
