//! Convolutions: windows and what lies one over another, against loops that know nothing of either.

use crate::naive::Case;
use fe_graph::{Axis, Executor, InputId, NodeId, Tensor, Windows};

use super::{Precision, executor};

/// Rows, channels, side, channels out, kernel, stride.
const SHAPES: [[usize; 6]; 8] = [
    [2, 1, 6, 3, 3, 1],
    [2, 3, 6, 4, 3, 2],
    [1, 2, 8, 5, 4, 2],
    [2, 2, 5, 3, 1, 1],
    [2, 2, 6, 3, 2, 2],
    [2, 2, 6, 3, 1, 3],
    [3, 2, 7, 2, 7, 1],
    // Panels of rows, and products in blocks.
    [130, 8, 8, 24, 3, 2],
];

/// A convolution and its transpose, with all that they read.
struct Convolution {
    case: Case,
    x: (InputId, NodeId),
    y: (InputId, NodeId),
    kernel: (InputId, NodeId),
    forward: NodeId,
    transposed: NodeId,
}

/// The windows along one side.
fn windows(case: &mut Case, axis: Axis, position: Axis, offset: Axis, kernel: usize, stride: usize) -> Windows {
    let (large, small) = (case.graph.extent_of(axis.id), case.graph.extent_of(position.id));
    let reach = (small - 1) * stride + kernel;
    let around = reach.saturating_sub(large);
    let padded = if around == 0 && axis != position { axis } else { case.axis("padded", reach.max(large)) };
    Windows { axis, padded, position, offset, stride, before: around.div_ceil(2) }
}

fn convolution([rows, channels, side, out, kernel, stride]: [usize; 6]) -> Convolution {
    let mut case = Case::new((rows + side + kernel) as u64);
    let n = case.axis("N", rows);
    let (o, c) = (case.axis("O", out), case.axis("C", channels));
    let (h, w) = (case.axis("H", side), case.axis("W", side));
    let k = case.axis("K", kernel);
    let (p, q) = if stride == 1 { (h, w) } else { (case.axis("P", side / stride), case.axis("Q", side / stride)) };
    case.feed.rows = Some((n.id, std::sync::Arc::new((0..rows as u64).collect())));
    let x = case.input("x", &[n, c, h, w], -1.0, 1.0);
    let y = case.input("y", &[n, o, p, q], -1.0, 1.0);
    let weight = case.input("k", &[c, o, k, k.primed()], -1.0, 1.0);
    let high = windows(&mut case, h, p, k, kernel, stride);
    let wide = windows(&mut case, w, q, k.primed(), kernel, stride);
    let g = &mut case.graph;
    let seen = g.windows(x.1, &high);
    let seen = g.windows(seen, &wide);
    let forward = g.contract(seen, weight.1, &[c, k, k.primed()]);
    let laid = g.contract(y.1, weight.1, &[o]);
    let laid = g.overlaid(laid, &wide);
    let transposed = g.overlaid(laid, &high);
    Convolution { case, x, y, kernel: weight, forward, transposed }
}

/// Calls with row, channel in, channel out, place in the picture, place among windows, place in the kernel: what meets.
fn each_meeting([rows, channels, side, out, kernel, stride]: [usize; 6], mut f: impl FnMut([usize; 9])) {
    let small = side / stride;
    let before = ((small - 1) * stride + kernel).saturating_sub(side).div_ceil(2);
    for (p, q, i, j) in (0..small * small * kernel * kernel)
        .map(|at| (at / kernel / kernel / small, at / kernel / kernel % small, at / kernel % kernel, at % kernel))
    {
        let (high, wide) = (p * stride + i, q * stride + j);
        if high < before || wide < before || high - before >= side || wide - before >= side {
            continue;
        }
        for at in 0..rows * channels * out {
            let (n, c, o) = (at / out / channels, at / out % channels, at % out);
            f([n, c, o, high - before, wide - before, p, q, i, j]);
        }
    }
}

fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(1.0f64, |m, v| m.max(v.abs()));
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= tolerance * scale, "{f}, not {e}");
    }
}

fn values(case: &Case, outputs: &[NodeId], precision: Precision) -> Vec<Tensor> {
    executor(precision).compile(&case.graph, outputs).unwrap().run(&case.feed).unwrap()
}

#[test]
fn convolutions_are_their_sums() {
    for shape in SHAPES {
        let Convolution { case, x, y, kernel, forward, transposed } = convolution(shape);
        let [rows, channels, side, out, size, stride] = shape;
        let small = side / stride;
        let of = |id| case.feed.inputs[&id].values.clone();
        // Inputs lie over their sorted axes: rows, channels out, channels in, then places.
        let (x, y, k) = (of(x.0), of(y.0), of(kernel.0));
        let mut expected = [vec![0.0; rows * out * small * small], vec![0.0; rows * channels * side * side]];
        each_meeting(shape, |[n, c, o, h, w, p, q, i, j]| {
            let from = ((n * channels + c) * side + h) * side + w;
            let to = ((n * out + o) * small + p) * small + q;
            let weight = k[((o * channels + c) * size + i) * size + j];
            expected[0][to] += x[from] * weight;
            expected[1][from] += y[to] * weight;
        });
        for (precision, tolerance) in [(Precision::F64, 1e-12), (Precision::F32, 1e-5)] {
            for (found, expected) in values(&case, &[forward, transposed], precision).iter().zip(&expected) {
                close(&found.values, expected, tolerance);
            }
        }
    }
}

#[test]
fn a_transpose_is_one() {
    for shape in SHAPES {
        let Convolution { mut case, x, y, forward, transposed, .. } = convolution(shape);
        let g = &mut case.graph;
        let (left, right) = (g.mul(forward, y.1), g.mul(x.1, transposed));
        let both = [g.sum_all_but(left, &[]), g.sum_all_but(right, &[])];
        let found = values(&case, &both, Precision::F64);
        close(&found[0].values, &found[1].values, 1e-12);
    }
}

/// First derivatives, and second ones, of which the mixed do not vanish; on the executor as by the definitions.
#[test]
fn derivatives_of_convolutions() {
    for shape in [[2, 1, 4, 2, 3, 2], [1, 2, 3, 1, 3, 1], [1, 1, 4, 2, 2, 2]] {
        let Convolution { mut case, x, y, kernel, forward, transposed } = convolution(shape);
        for (node, of) in [(forward, x), (transposed, y)] {
            let curved = case.graph.tanh(node);
            case.check_gradient(curved, &[of, kernel], 1e-7);
            let total = case.graph.sum_all_but(curved, &[]);
            let slopes = case.graph.gradient(total, &[of.1, kernel.1]).unwrap();
            let squares = slopes.iter().map(|&s| case.graph.square(s)).collect::<Vec<_>>();
            let squares = squares.into_iter().map(|s| case.graph.sum_all_but(s, &[])).collect::<Vec<_>>();
            let again = squares.iter().flat_map(|&s| case.graph.gradient(s, &[of.1, kernel.1]).unwrap());
            let outputs: Vec<NodeId> = slopes.iter().copied().chain(again.collect::<Vec<_>>()).collect();
            for (found, expected) in values(&case, &outputs, Precision::F64).iter().zip(case.values(&outputs)) {
                close(&found.values, &expected.values, 1e-11);
            }
        }
    }
}
