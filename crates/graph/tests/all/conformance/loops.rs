//! Loops of many shapes on an executor: panels of rows, tables updated at an index, what is taken out of the loop and
//! what cannot be.

use std::collections::HashSet;

use crate::naive::Case;
use fe_graph::{Axis, Binary, Graph, InputId, NodeId, Recurrence, Scan, State, Tensor, Unary};

use super::programs::check;

/// A value one position ago.
fn earlier(g: &mut Graph, x: NodeId, axis: Axis) -> NodeId {
    let (iota, by, zero) = (g.iota(axis), g.constant(-1.0), g.constant(0.0));
    let index = g.add(iota, by);
    let index = g.binary(Binary::Max, index, zero);
    g.gather(x, index, axis)
}

/// Values, their derivatives and second ones by the first input.
fn with_derivatives(case: &mut Case, value: NodeId, inputs: &[(InputId, NodeId)]) -> Vec<NodeId> {
    let nodes: Vec<NodeId> = inputs.iter().map(|i| i.1).collect();
    let square = case.graph.square(value);
    let first = case.graph.gradient(square, &nodes).unwrap();
    let second = case.graph.gradient(first[0], &nodes).unwrap();
    [vec![value], first, second].concat()
}

/// Rows that go their own ways along a loop: as samples and as rows of data, few and enough to divide, with a sum over
/// rows after it.
#[test]
fn rows_of_a_loop() {
    for samples in [3, 130] {
        for sampled in [false, true] {
            let mut case = Case::new(11);
            let row = if sampled { Axis::SAMPLE } else { case.axis("N", samples) };
            case.graph.set_extent(row.id, samples);
            if !sampled {
                case.feed.rows = Some((row.id, std::sync::Arc::new((0..samples as u64).collect())));
            }
            let (t, k) = (case.axis("T", 5), case.axis("K", 3));
            let a = case.input("a", &[row], 0.2, 0.9);
            let x = case.input("x", &[t, k], -1.0, 1.0);
            let y = case.graph.input("y", &[row, t, k]).1;
            let past = earlier(&mut case.graph, y, t);
            let g = &mut case.graph;
            let (decayed, bent) = (g.mul(a.1, past), g.tanh(past));
            let driven = g.mul(bent, x.1);
            let value = g.add(decayed, driven);
            let value = g.recur(t, &[Recurrence { stand_in: y, value }]).unwrap().values[0];
            let level = case.graph.sum(value, &[k]);
            let outputs = with_derivatives(&mut case, value, &[a, x]);
            check(&case, &[outputs, vec![level]].concat(), 2e-5);
            if samples < 10 {
                case.check_gradient(value, &[a, x], 1e-8);
            }
        }
    }
}

/// Q-learning: an index picks the cell of a table that is read and updated, by a product with indicators and by a sum
/// at an index.
#[test]
fn tables_updated_at_an_index() {
    for scattered in [false, true] {
        let mut case = Case::new(12);
        let (s, t, k, a) = (case.axis("S", 2), case.axis("T", 6), case.axis("K", 3), case.axis("A", 2));
        let rate = case.input("rate", &[s], 0.2, 0.8);
        let reward = case.input("reward", &[s, t], -1.0, 1.0);
        let states = Tensor::new(vec![6], vec![0.0, 2.0, 1.0, 1.0, 0.0, 2.0]).unwrap();
        let state = case.graph.literal(states, &[t]);
        let q = case.graph.input("q", &[s, t, k, a]).1;
        let past = earlier(&mut case.graph, q, t);
        let g = &mut case.graph;
        let read = g.gather(past, state, k);
        let gap = g.sub(reward.1, read);
        let gain = g.mul(rate.1, gap);
        let update = if scattered {
            g.scatter_add(gain, state, k, &[])
        } else {
            let places = g.iota(k);
            let here = g.binary(Binary::Equal, places, state);
            g.mul(here, gain)
        };
        let value = g.add(past, update);
        let values = g.recur(t, &[Recurrence { stand_in: q, value }]).unwrap().values;
        let read = case.graph.gather(values[0], state, k);
        case.check_gradient(read, &[rate, reward], 1e-8);
        let outputs = with_derivatives(&mut case, read, &[rate, reward]);
        check(&case, &outputs, 2e-5);
    }
}

/// A body and what it is fed: a carry, one slice and one constant.
fn looped(
    case: &mut Case,
    (axis, reverse): (Axis, bool),
    [start, x, c]: [(InputId, NodeId); 3],
    build: impl Fn(&mut Graph, [NodeId; 4]) -> (NodeId, NodeId),
) -> Vec<NodeId> {
    let mut body = Graph::with_axes_of(&case.graph);
    let of = |g: &Graph, n: NodeId| g.axes_of(n).to_vec();
    let (h_id, h) = body.input("h", &of(&case.graph, start.1));
    let slice: Vec<Axis> = of(&case.graph, x.1).into_iter().filter(|&a| a != axis).collect();
    let (x_id, xt) = body.input("x", &slice);
    let (c_id, ct) = body.input("c", &of(&case.graph, c.1));
    let (t_id, t) = body.input("t", &[]);
    let (next, stacked) = build(&mut body, [h, xt, ct, t]);
    let scan = Scan {
        body,
        axis,
        reverse,
        carries: vec![(h_id, next)],
        slices: vec![x_id],
        constants: vec![c_id],
        time: Some(t_id),
        stacked: vec![stacked],
    };
    case.graph.scan(scan, &[start.1], &[x.1], &[c.1])
}

/// Weights whose cotangent is a sum of products, and others whose cotangent is too large to keep for every position.
#[test]
fn large_constants_of_a_loop() {
    for bent in [false, true] {
        let mut case = Case::new(13);
        let (t, k) = (case.axis("T", 3), case.axis("K", 9));
        let h = case.input("h", &[k], -1.0, 1.0);
        let x = case.input("x", &[t, k], -1.0, 1.0);
        let w = case.input("w", &[k, k.primed()], -0.3, 0.3);
        let results = looped(&mut case, (t, false), [h, x, w], |g, [h, x, w, _]| {
            let w = if bent {
                let shifted = g.add(w, h);
                g.tanh(shifted)
            } else {
                w
            };
            let moved = g.contract(h, w, &[k]);
            let moved = g.rename(moved, &[(k.primed(), k)]);
            let total = g.add(moved, x);
            let next = g.tanh(total);
            (next, moved)
        });
        case.check_gradient(results[1], &[h, x, w], 1e-8);
        let outputs = with_derivatives(&mut case, results[0], &[h, x, w]);
        check(&case, &outputs, 2e-5);
    }
}

/// A constant that has the loop's own axis is read whole at every position; the position is read before the loop and
/// after it.
#[test]
fn constants_along_the_loop_and_its_positions() {
    for reverse in [false, true] {
        let mut case = Case::new(14);
        let t = case.axis("T", 4);
        let h = case.input("h", &[], -1.0, 1.0);
        let x = case.input("x", &[t], -1.0, 1.0);
        let c = case.input("c", &[t], -1.0, 1.0);
        let results = looped(&mut case, (t, reverse), [h, x, c], |g, [h, x, c, now]| {
            let all = g.mul(c, h);
            let all = g.tanh(all);
            let all = g.sum(all, &[t]);
            let phase = g.scale(now, 0.3);
            let wave = g.unary(Unary::Sin, phase);
            let driven = g.mul(wave, x);
            let next = g.add(all, driven);
            let late = g.mul(now, h);
            let late = g.exp(late);
            (next, late)
        });
        case.check_gradient(results[0], &[h, x, c], 1e-7);
        case.check_gradient(results[1], &[h, x, c], 1e-7);
        let outputs = with_derivatives(&mut case, results[0], &[h, x, c]);
        check(&case, &[outputs, results].concat(), 2e-5);
    }
}

/// Carries that change places, one that stays, and one that nothing reads but its history.
#[test]
fn carries_that_change_places() {
    let mut case = Case::new(15);
    let (t, k) = (case.axis("T", 5), case.axis("K", 2));
    let starts = [0, 1, 2, 3].map(|n| case.input(&format!("start {n}"), &[k], -1.0, 1.0));
    let x = case.input("x", &[t, k], -1.0, 1.0);
    let mut body = Graph::with_axes_of(&case.graph);
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|n| body.input(n, &[k]));
    let (x_id, xt) = body.input("x", &[k]);
    let moved = body.unary(Unary::Sin, b.1);
    let scan = Scan {
        body,
        axis: t,
        reverse: false,
        carries: vec![(a.0, b.1), (b.0, a.1), (c.0, c.1), (d.0, xt)],
        slices: vec![x_id],
        constants: vec![],
        time: None,
        stacked: vec![moved],
    };
    let nodes = starts.map(|s| s.1);
    let results = case.graph.scan(scan, &nodes, &[x.1], &[]);
    let mut outputs = results.clone();
    for &result in &results {
        let square = case.graph.square(result);
        outputs.extend(case.graph.gradient(square, &[nodes[0], nodes[1], nodes[2], nodes[3], x.1]).unwrap());
    }
    check(&case, &outputs, 2e-5);
    for &output in &outputs {
        check(&case, &[output], 2e-5);
    }
}

/// Turns of little work, which may be made several at a time: both ways, with a rest and without, positions read.
#[test]
fn long_loops_of_little_work() {
    for (steps, reverse) in [(37, false), (37, true), (64, false), (2, true), (1, false)] {
        let mut case = Case::new(16);
        let (k, t) = (case.axis("K", 3), case.axis("T", steps));
        let h = case.input("h", &[k], -1.0, 1.0);
        let x = case.input("x", &[k, t], -1.0, 1.0);
        let c = case.input("c", &[k, k.primed()], -0.4, 0.4);
        let results = looped(&mut case, (t, reverse), [h, x, c], |g, [h, x, c, now]| {
            let moved = g.contract(h, c, &[k]);
            let moved = g.rename(moved, &[(k.primed(), k)]);
            let phase = g.scale(now, 0.1);
            let wave = g.unary(Unary::Cos, phase);
            let driven = g.mul(wave, x);
            let next = g.add(moved, driven);
            (next, moved)
        });
        let mut outputs = with_derivatives(&mut case, results[0], &[h, x, c]);
        outputs.extend(with_derivatives(&mut case, results[1], &[c, x]));
        check(&case, &[outputs, results].concat(), 2e-5);
    }
}

/// Newton's method for a root, row by row, with a loop along another axis within each turn: rows that are at their root stay there, at
/// different turns, so that turns after the last of them can be left out.
#[test]
fn a_loop_that_settles() {
    for samples in [3, 130] {
        let mut case = Case::new(12);
        case.graph.set_extent(Axis::SAMPLE.id, samples);
        let (t, turns) = (case.axis("T", 6), case.axis("turns", 60));
        let a = case.input("a", &[Axis::SAMPLE, t], 0.5, 90.0);
        let g = &mut case.graph;
        let total = g.input("total", &[Axis::SAMPLE, t]).1;
        let past = earlier(g, total, t);
        let half = g.scale(past, 0.5);
        let value = g.add(half, a.1);
        let wanted = g.recur(t, &[Recurrence { stand_in: total, value }]).unwrap().values[0];
        let root = g.input("root", &[Axis::SAMPLE, t]).1;
        // The loop within: √ of running sums of the root's square, less those of what is wanted.
        let sum = g.input("sum", &[Axis::SAMPLE, t]).1;
        let before = earlier(g, sum, t);
        let quarter = g.scale(before, 0.25);
        let square = g.square(root);
        let value = g.add(quarter, square);
        let sums = g.recur(t, &[Recurrence { stand_in: sum, value }]).unwrap().values[0];
        let off = g.sub(sums, wanted);
        let slope = g.scale(root, 2.0);
        let step = g.div(off, slope);
        let near = g.constant(1e-9);
        let far = g.unary(Unary::Abs, step);
        let far = g.less(near, far);
        let step = g.mul(step, far);
        let next = g.sub(root, step);
        let from = g.full(3.0, &[Axis::SAMPLE, t]);
        let state = State { stand_in: root, from, next };
        let found = g.iterate(turns, &[state], &[], &HashSet::new(), None).last[0];
        let level = case.graph.sum(found, &[t]);
        check(&case, &[found, level], 2e-5);
    }
}
