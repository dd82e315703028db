//! Every operation on candle against the definitions, in both precisions, at one thread and two.

use std::sync::Arc;

use crate::naive::Case;
use fe_graph::{Axis, AxisId, Binary, Executor, Indicator, NodeId, NoiseKind, Site, Tensor, Unary};

use super::{Precision, executor};

fn run(case: &Case, outputs: &[NodeId], precision: Precision) -> Vec<Tensor> {
    let executor = executor(precision);
    executor.compile(&case.graph, outputs).unwrap().run(&case.feed).unwrap()
}

/// Compares with the definitions: f64 to rounding, f32 to `single` of the largest value.
fn check(case: &Case, outputs: &[NodeId], single: f64) {
    let expected = case.values(outputs);
    for (precision, tolerance) in [(Precision::F64, 1e-12), (Precision::F32, single)] {
        for ((found, expected), id) in run(case, outputs, precision).iter().zip(&expected).zip(outputs) {
            let dump = || case.graph.dump(&[*id]);
            assert_eq!(found.shape, expected.shape, "{}", dump());
            let scale = expected.values.iter().filter(|v| v.is_finite()).fold(1.0f64, |m, v| m.max(v.abs()));
            for (f, e) in found.values.iter().zip(&expected.values) {
                let same = f == e || f.is_nan() && e.is_nan() || (f - e).abs() <= tolerance * scale;
                assert!(same, "{precision:?}: {f}, not {e}\n{}", dump());
            }
        }
    }
}

#[test]
fn functions_of_one_argument() {
    use Unary::*;
    let all = Unary::PLAIN.into_iter().chain([Polygamma(0), Polygamma(1), Polygamma(2)]);
    let mut case = Case::new(1);
    let (a, b) = (case.axis("A", 40), case.axis("B", 7));
    let x = case.input("x", &[a, b], 0.1, 6.0).1;
    let y = case.input("y", &[a, b], -6.0, 6.0).1;
    // A view whose elements do not lie side by side.
    let last = case.axis("C", 40);
    let z = case.graph.rename(y, &[(a, last)]);
    let special = vec![0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1.0, -1.0];
    let special = case.graph.literal(Tensor::new(vec![7], special).unwrap(), &[b]);
    for op in all {
        let positive = case.graph.unary(op, x);
        let edges = case.graph.unary(op, special);
        let mut outputs = vec![positive, edges];
        if !matches!(op, Log | Log1p | Sqrt | LogGamma | Polygamma(_)) {
            outputs.push(case.graph.unary(op, y));
            outputs.push(case.graph.unary(op, z));
        }
        // The argument's own rounding, times slopes of up to 100 (the polygammas near 0.1 have large values).
        check(&case, &outputs, 2e-5);
    }
}

#[test]
fn functions_of_two_arguments() {
    use Binary::*;
    for op in [Add, Sub, Mul, Div, Pow, Max, Min, Less, LessEqual, Equal] {
        let mut case = Case::new(2);
        let (a, b, c) = (case.axis("A", 4), case.axis("B", 1), case.axis("C", 4));
        let mut values = vec![];
        for axes in [vec![], vec![a], vec![b, c], vec![a, b, c], vec![c], vec![a, c]] {
            values.push(case.input("x", &axes, 0.5, 3.0).1);
        }
        // A transposed view, a repeated one, and extreme values.
        values.push(case.graph.rename(values[5], &[(a, c), (c, a)]));
        let repeated = case.graph.broadcast(values[1], &[c]);
        values.push(case.graph.stop(repeated));
        let extreme = Tensor::new(vec![4], vec![f64::NAN, 0.0, f64::INFINITY, -1.0]).unwrap();
        values.push(case.graph.literal(extreme, &[c]));
        let pairs: Vec<_> = values.iter().flat_map(|&x| values.iter().map(move |&y| (x, y))).collect();
        let outputs: Vec<NodeId> = pairs.into_iter().map(|(x, y)| case.graph.binary(op, x, y)).collect();
        check(&case, &outputs, 1e-6);
    }
}

#[test]
fn quantiles_of_a_normal_number() {
    use Binary::*;
    for op in [LogGammaQuantile, LogGammaQuantileSlope, GammaScore, VonMisesQuantile, VonMisesQuantileSlope] {
        let mut case = Case::new(4);
        let (a, b) = (case.axis("A", 7), case.axis("B", 90));
        let shape = case.input("shape", &[a], 0.2, 9.0).1;
        let normal = case.input("normal", &[b], -3.0, 3.0).1;
        let extreme = Tensor::new(vec![7], vec![f64::NAN, 0.0, f64::INFINITY, -1.0, 1e-3, 1e5, 1.0]).unwrap();
        let extreme = case.graph.literal(extreme, &[a]);
        let outputs = [case.graph.binary(op, shape, normal), case.graph.binary(op, extreme, normal)];
        check(&case, &outputs, 2e-5);
    }
}

#[test]
fn select_takes_elements() {
    let mut case = Case::new(3);
    let (a, b) = (case.axis("A", 3), case.axis("B", 2));
    let c = case.graph.literal(Tensor::new(vec![3], vec![0.0, 1.0, f64::NAN]).unwrap(), &[a]);
    let x = case.input("x", &[b], 0.5, 3.0).1;
    let y = case.input("y", &[a, b], 0.5, 3.0).1;
    let outputs = [case.graph.select(c, x, y), case.graph.select(c, y, x)];
    check(&case, &outputs, 1e-7);
}

/// Every way to part axes into batch, rows, columns and summed, with axes of either operand in any order.
#[test]
fn contractions_of_every_kind() {
    let mut count = 0;
    for code in 0..4usize.pow(5) {
        // The part of each of five axes: in the left operand, in the right, in both, in both and summed.
        let roles: Vec<usize> = (0..5).map(|k| code / 4usize.pow(k) % 4).collect();
        if !roles.contains(&3) || code % 3 != 0 {
            continue;
        }
        count += 1;
        let mut case = Case::new(code as u64);
        let axes: Vec<Axis> = (0..5).map(|k| case.axis("A", [3, 2, 1, 4, 2][k])).collect();
        let of = |wanted: &[usize]| -> Vec<Axis> {
            axes.iter().zip(&roles).filter(|(_, r)| wanted.contains(r)).map(|(a, _)| *a).collect()
        };
        let x = case.input("x", &of(&[0, 2, 3]), -1.0, 1.0).1;
        let y = case.input("y", &of(&[1, 2, 3]), -1.0, 1.0).1;
        let out = case.graph.contract(x, y, &of(&[3]));
        check(&case, &[out], 1e-6);
    }
    assert!(count > 200);
}

#[test]
fn large_contractions() {
    let mut case = Case::new(5);
    let (s, n, d, k) = (case.axis("S", 3), case.axis("N", 61), case.axis("D", 17), case.axis("K", 33));
    let x = case.input("x", &[n, d], -1.0, 1.0).1;
    let w = case.input("w", &[d, k], -1.0, 1.0).1;
    let z = case.input("z", &[s, n, k], -1.0, 1.0).1;
    let batched = case.input("b", &[s, d, k], -1.0, 1.0).1;
    let v = case.input("v", &[k], -1.0, 1.0).1;
    let g = &mut case.graph;
    let turned = g.rename(w, &[(d, d.primed())]);
    let repeated = g.broadcast(w, &[n]);
    let repeated = g.stop(repeated);
    let outputs = [
        g.contract(x, w, &[d]),
        g.contract(w, x, &[d]),
        g.contract(z, w, &[k]),
        g.contract(z, x, &[n]),
        g.contract(z, z, &[s, n, k]),
        g.contract(z, batched, &[k]),
        g.contract(z, batched, &[s, k]),
        g.contract(batched, z, &[k]),
        g.contract(z, v, &[k]),
        g.contract(w, turned, &[k]),
        g.contract(z, repeated, &[k]),
        g.contract(repeated, z, &[n, k]),
        g.contract(repeated, repeated, &[n]),
    ];
    check(&case, &outputs, 1e-5);
}

#[test]
fn reductions_of_every_kind() {
    let mut case = Case::new(6);
    let axes: Vec<Axis> = (0..4).map(|k| case.axis("A", [3, 5, 2, 4][k])).collect();
    let x = case.input("x", &axes, -1.0, 1.0).1;
    let last = case.axis("A", 3);
    let turned = case.graph.rename(x, &[(axes[0], last)]);
    let repeated = case.graph.broadcast(x, &[axes[1].primed()]);
    let repeated = case.graph.stop(repeated);
    let mut outputs = vec![];
    for code in 1..16usize {
        let over: Vec<Axis> = (0..4).filter(|k| code >> k & 1 == 1).map(|k| axes[k]).collect();
        outputs.extend([x, turned, repeated].map(|x| case.graph.sum(x, &over)));
        outputs.extend([x, turned, repeated].map(|x| case.graph.max(x, &over)));
    }
    outputs.push(case.graph.sum(repeated, &[axes[1].primed()]));
    check(&case, &outputs, 1e-6);
}

#[test]
fn the_maximum_of_nan_is_nan() {
    let mut case = Case::new(6);
    let a = case.axis("A", 3);
    let x = case.graph.literal(Tensor::new(vec![3], vec![1.0, f64::NAN, 2.0]).unwrap(), &[a]);
    let top = case.graph.max(x, &[a]);
    assert!(run(&case, &[top], Precision::F64)[0].item().is_nan());
}

/// Sums of a million f32 are as exact as their operands, along any axis.
#[test]
fn long_sums_are_accurate() {
    let mut case = Case::new(7);
    let (n, k) = (case.axis("N", 40_000), case.axis("K", 25));
    let (id, x) = case.input("x", &[n, k], 0.0, 1.0);
    // What f32 holds.
    let rounded = Tensor {
        shape: vec![40_000, 25],
        values: case.feed.inputs[&id].values.iter().map(|&v| f64::from(v as f32)).collect(),
    };
    let exact: f64 = rounded.values.iter().sum();
    let column: f64 = rounded.values.iter().step_by(25).sum();
    let square: f64 = rounded.values.iter().map(|v| v * v).sum();
    case.feed.inputs.insert(id, Arc::new(rounded));
    let y = case.graph.stop(x);
    let outputs = [case.graph.sum(x, &[n, k]), case.graph.sum(x, &[n]), case.graph.contract(x, y, &[n, k])];
    let found = run(&case, &outputs, Precision::F32);
    for (found, exact) in [(found[0].item(), exact), (found[1].values[0], column), (found[2].item(), square)] {
        assert!((found - exact).abs() < 1e-7 * exact, "{found}, not {exact}");
    }
}

#[test]
fn layouts() {
    let mut case = Case::new(8);
    let (a, b, c) = (case.axis("A", 2), case.axis("B", 6), case.axis("C", 3));
    let (d, e) = (case.axis("D", 2), case.axis("E", 4));
    let x = case.input("x", &[a, b], -1.0, 1.0).1;
    let y = case.input("y", &[b], -1.0, 1.0).1;
    let g = &mut case.graph;
    let mut outputs = vec![
        g.broadcast(y, &[a, c]),
        g.rename(x, &[(a, a.primed())]),
        g.rename(x, &[(b, b.primed()), (a, d)]),
        g.reshape(x, &[b], &[c, d]),
        g.reshape(x, &[b], &[d, c]),
        g.reshape(x, &[b, a], &[c, e]),
        g.reshape(x, &[a, b], &[e, c]),
        g.pick(x, b, 4),
        g.pick(x, a, 1),
        g.slice(x, b, 2, c),
        g.iota(b),
    ];
    let both = g.add_axis("AB", 8);
    outputs.push(g.concat((x, a), (y, b), Axis::plain(both)));
    let extent = g.extent(b.id);
    outputs.push(g.mul(extent, y));
    // Views of views.
    for k in 0..outputs.len() {
        let over: Vec<Axis> = case.graph.axes_of(outputs[k]).iter().copied().take(1).collect();
        let r = case.graph.broadcast(outputs[k], &[e.primed()]);
        outputs.push(case.graph.sum(r, &over));
        outputs.push(case.graph.square(outputs[k]));
    }
    check(&case, &outputs, 1e-6);
}

#[test]
fn gathers_and_scatters() {
    for shape in 0..6 {
        let mut case = Case::new(20 + shape);
        let (n, j, k, m) = (case.axis("N", 4), case.axis("J", 3), case.axis("K", 2), case.axis("M", 3));
        let x = case.input("x", &[j, k], 0.5, 2.0).1;
        let (index_axes, values): (Vec<_>, Vec<f64>) = match shape {
            0 => (vec![n], vec![2.0, 0.0, 2.0, 1.0]),
            1 => (vec![n, k], vec![0.0, 1.0, 2.0, 2.0, 1.0, 0.0, 0.0, 2.0]),
            2 => (vec![n, m], [0.0, 1.0, 2.0].repeat(4)),
            3 => (vec![j], vec![2.0, 0.0, 1.0]),
            4 => (vec![], vec![1.0]),
            _ => (vec![k], vec![2.0, 0.0]),
        };
        let dims = index_axes.iter().map(|a| case.graph.extent_of(a.id)).collect();
        let index = case.graph.literal(Tensor::new(dims, values).unwrap(), &index_axes);
        let mut outputs = vec![case.graph.gather(x, index, j)];
        let u_axes = [index_axes.clone(), vec![k, m]].concat();
        let u = case.input("u", &u_axes, 0.5, 2.0).1;
        for over in [index_axes.clone(), [index_axes.clone(), vec![m]].concat()] {
            outputs.push(case.graph.scatter_add(u, index, j, &over));
        }
        if shape != 3 {
            outputs.push(case.graph.scatter_add(u, index, j, &[]));
        }
        check(&case, &outputs, 1e-6);
    }
}

/// Indices along the innermost axis, which are read once for all that is met with them, and along the outermost.
#[test]
fn long_gathers_and_scatters() {
    for inner in [true, false] {
        let mut case = Case::new(30);
        let axes = [case.axis("A", if inner { 7 } else { 300 }), case.axis("B", if inner { 300 } else { 7 })];
        let [along, apart] = if inner { [axes[1], axes[0]] } else { axes };
        let j = case.axis("J", 11);
        let values = (0..300).map(|k| f64::from(k * k % 11)).collect();
        let index = case.graph.literal(Tensor::new(vec![300], values).unwrap(), &[along]);
        let (x, u) = (case.input("x", &[apart, j], 0.5, 2.0).1, case.input("u", &axes, 0.5, 2.0).1);
        let picked = case.graph.gather(x, index, j);
        let outputs = [
            picked,
            case.graph.mul(picked, u),
            case.graph.scatter_add(u, index, j, &[along]),
            case.graph.scatter_add(u, index, j, &[along, apart]),
        ];
        check(&case, &outputs, 1e-6);
    }
}

#[test]
fn diagonals() {
    for extent in [1, 2, 5, 16, 21] {
        let mut case = Case::new(40);
        let j = case.axis("J", extent);
        let x = case.input("x", &[j, j.primed()], 0.5, 2.0).1;
        let u = case.input("u", &[j], 0.5, 2.0).1;
        let g = &mut case.graph;
        let (picked, square) = (g.diagonal(x, j, j.primed()), g.on_diagonal(u, j, j.primed()));
        let there_and_back = g.diagonal(square, j, j.primed());
        let scaled = g.mul(square, x);
        let outputs = [picked, square, there_and_back, scaled, g.sum(scaled, &[j]), g.sum(scaled, &[j.primed()])];
        check(&case, &outputs, 1e-6);
    }
}

#[test]
fn noise_and_arrivals() {
    for rows in [false, true] {
        let mut case = Case::new(9);
        let (n, k) = (case.axis("N", 5), case.axis("K", 3));
        let all = [Axis::SAMPLE, n, k];
        case.feed.extents.insert(AxisId::SAMPLE, 4);
        if rows {
            case.feed.rows = Some((n.id, Arc::new(vec![7, 1, 1 << 40, 3, 9])));
        }
        let g = &mut case.graph;
        let mut outputs: Vec<NodeId> = [NoiseKind::Normal, NoiseKind::Uniform, NoiseKind::Exponential]
            .map(|kind| g.noise(kind, Site::named("a"), &all))
            .to_vec();
        outputs.push(g.noise(NoiseKind::Normal, Site::named("b"), &[k]));
        outputs.push(g.noise(NoiseKind::Normal, Site::named("c"), &[]));
        let rate = case.input("rate", &[k], -1.0, 2.5).1;
        let tau = case.input("tau", &[], 0.3, 0.4).1;
        let zero = case.graph.constant(0.0);
        for indicator in
            [Indicator::Cubic, Indicator::Linear, Indicator::Quintic, Indicator::Cosine, Indicator::Sigmoid]
        {
            for order in 0..3 {
                outputs.push(case.graph.arrivals(rate, tau, order, indicator, Site::named("z"), &all));
            }
        }
        outputs.push(case.graph.arrivals(rate, zero, 0, Indicator::Cubic, Site::named("z"), &all));
        // An arrival within rounding of the window's edge may fall on either side, with a weight of the same size.
        check(&case, &outputs, 2e-4);
    }
}

#[test]
fn given_draws_take_the_place_of_noise() {
    let mut case = Case::new(10);
    let (n, k) = (case.axis("N", 2), case.axis("K", 3));
    let site = Site::named("z");
    let noise = case.graph.noise(NoiseKind::Normal, site, &[n, k]);
    let twice = case.graph.add(noise, noise);
    let before = run(&case, &[twice], Precision::F64);
    case.feed.draws.insert(site, Arc::new(Tensor::new(vec![2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap()));
    check(&case, &[noise, twice], 1e-7);
    case.feed.draws.clear();
    assert_eq!(run(&case, &[twice], Precision::F64), before);
}

#[test]
fn factors_of_matrices() {
    let mut case = Case::new(11);
    let (a, b) = (case.axis("A", 7), case.axis("B", 3));
    let m = case.input("m", &[a, a.primed(), b], -1.0, 1.0).1;
    let one = case.input("one", &[], 0.5, 2.0).1;
    let g = &mut case.graph;
    let turned = g.transposed(m, a, a.primed());
    let product = g.matrix_product(m, turned, a, a.primed());
    let (i, j) = (g.iota(a), g.iota(a.primed()));
    let eye = g.equal(i, j);
    let definite = g.add(product, eye);
    let lower = g.cholesky(definite, a, a.primed());
    // Rows and columns the other way round, of a matrix that is computed.
    let other = g.cholesky(definite, a.primed(), a);
    let inverse = g.triangular_inverse(lower, a, a.primed());
    let unit = g.mul(one, eye);
    let plain = g.cholesky(unit, a, a.primed());
    let negative = g.neg(definite);
    let none = g.cholesky(negative, a, a.primed());
    check(&case, &[lower, other, inverse, plain, none], 2e-4);
}

#[test]
fn inverses_of_matrices() {
    let mut case = Case::new(12);
    let (a, b) = (case.axis("A", 5), case.axis("B", 3));
    let m = case.input("m", &[a, a.primed(), b], -1.0, 1.0).1;
    let g = &mut case.graph;
    // No matrix has a small pivot everywhere, and rows have to be exchanged where the diagonal is 0.
    let (i, j) = (g.iota(a), g.iota(a.primed()));
    let eye = g.equal(i, j);
    let one = g.constant(1.0);
    let off = g.sub(one, eye);
    let hollow = g.mul(m, off);
    let far = g.scale(eye, 3.0);
    let moved = g.add(m, far);
    let (plain, other) = (g.inverse(moved, a, a.primed()), g.inverse(moved, a.primed(), a));
    let exchanged = g.inverse(hollow, a, a.primed());
    let zero = g.constant(0.0);
    let none = g.mul(hollow, zero);
    let none = g.inverse(none, a, a.primed());
    check(&case, &[plain, other, none], 2e-4);
    check(&case, &[exchanged], 5e-3);
}

/// Few elements at the end of the space, and what follows them and what does not, across the ends of blocks: sums and maxima of them.
#[test]
fn short_rows() {
    for extent in (1..=9).chain([12, 33, 95, 96]) {
        let mut case = Case::new(30 + extent as u64);
        let (a, b, c) = (case.axis("A", 3), case.axis("B", 67), case.axis("C", extent));
        let x = case.input("x", &[a, b], -1.0, 1.0).1;
        let y = case.input("y", &[a, c], -1.0, 1.0).1;
        let z = case.input("z", &[b, c], -1.0, 1.0).1;
        let w = case.input("w", &[a], -1.0, 1.0).1;
        let turned = case.axis("D", 67);
        let v = case.input("v", &[c, turned], -1.0, 1.0).1;
        let g = &mut case.graph;
        let v = g.rename(v, &[(turned, b)]);
        let mut whole = g.exp(x);
        for other in [y, z, w, v] {
            let part = g.mul(whole, other);
            let bent = g.tanh(part);
            whole = g.add(bent, other);
        }
        let outputs = [whole, g.sum(whole, &[c]), g.max(whole, &[c]), g.sum(whole, &[b, c]), g.sum(whole, &[a])];
        check(&case, &outputs, 2e-5);
    }
}

/// Loads whose last few dimensions lie in another order than the space, beside those that repeat whole rows of it.
#[test]
fn small_groups() {
    for (p, q, r) in [(2, 2, 2), (4, 2, 2), (2, 3, 5), (3, 4, 7), (5, 5, 5)] {
        let mut case = Case::new(60 + (p * q * r) as u64);
        let (a, b) = (case.axis("A", 5), case.axis("B", 37));
        let (c, d, e) = (case.axis("C", p), case.axis("D", q), case.axis("E", r));
        // Laid out as their axes are numbered: these are the last three the other way round, and in turn.
        let (e2, d2, c2) = (case.axis("E'", r), case.axis("D'", q), case.axis("C'", p));
        let (d3, c3, b3) = (case.axis("D*", q), case.axis("C*", p), case.axis("B*", 37));
        let whole = case.input("whole", &[a, b, c, d, e], -1.0, 1.0).1;
        let back = case.input("back", &[b, e2, d2, c2], -1.0, 1.0).1;
        let turned = case.input("turned", &[a, e, d3, c3, b3], -1.0, 1.0).1;
        let outer = case.input("outer", &[a, c, e], -1.0, 1.0).1;
        let rows = case.input("rows", &[b, c, d, e], -1.0, 1.0).1;
        let g = &mut case.graph;
        let back = g.rename(back, &[(e2, e), (d2, d), (c2, c)]);
        let turned = g.rename(turned, &[(d3, d), (c3, c), (b3, b)]);
        let mut sum = g.exp(whole);
        for other in [back, turned, outer, rows] {
            let part = g.mul(sum, other);
            let bent = g.tanh(part);
            sum = g.add(bent, other);
        }
        let outputs = [sum, g.sum(sum, &[d]), g.sum(sum, &[c, d, e]), g.max(sum, &[e]), g.sum(sum, &[a])];
        check(&case, &outputs, 2e-5);
    }
}

/// Contractions with a vector of a few elements, whose axis lies first, between others and last.
#[test]
fn vectors_of_few() {
    for extent in 1..=6 {
        let mut case = Case::new(90 + extent as u64);
        let (first, a) = (case.axis("F", extent), case.axis("A", 40));
        let (middle, b, last) = (case.axis("M", extent), case.axis("B", 70), case.axis("L", extent));
        let x = case.input("x", &[first, a, middle, b, last], -1.0, 1.0).1;
        let vectors = [first, middle, last].map(|axis| case.input("v", &[axis], -1.0, 1.0).1);
        let fixed = case
            .graph
            .literal(Tensor { shape: vec![extent], values: (0..extent).map(|k| k as f64 - 1.5).collect() }, &[middle]);
        let g = &mut case.graph;
        let mut outputs = vec![g.contract(x, fixed, &[middle])];
        for (v, axis) in vectors.into_iter().zip([first, middle, last]) {
            let product = g.contract(x, v, &[axis]);
            outputs.push(product);
            let bent = g.tanh(product);
            outputs.push(g.contract(bent, v, &[]));
        }
        check(&case, &outputs, 2e-5);
    }
}

/// What is put among zeros, in runs and in pieces, and at one place more than once.
#[test]
fn among_zeros() {
    let mut case = Case::new(120);
    let (a, t, b) = (case.axis("A", 9), case.axis("T", 12), case.axis("B", 5));
    let part = case.axis("P", 7);
    let x = case.input("x", &[a, t, b], -1.0, 1.0).1;
    let g = &mut case.graph;
    let bent = g.exp(x);
    let begin = g.slice(bent, t, 0, part);
    let end = g.slice(bent, t, 5, part);
    let one = g.pick(bent, t, 3);
    let inner = g.pick(bent, b, 2);
    let mut outputs = vec![];
    let both = g.mul(begin, end);
    let mut total = g.sum_all_but(both, &[]);
    for other in [begin, end, one, inner] {
        let squared = g.square(other);
        let sum = g.sum_all_but(squared, &[]);
        outputs.extend(g.gradient(sum, &[x]).unwrap());
        total = g.add(total, sum);
    }
    outputs.extend(g.gradient(total, &[x]).unwrap());
    check(&case, &outputs, 2e-5);
}
