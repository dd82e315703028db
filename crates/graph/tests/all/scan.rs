//! Loops: against the same steps written out, and their derivatives against differences.

use std::collections::HashMap;
use std::sync::Arc;

use crate::naive::{Recurrent, recurrent, step};
use fe_graph::{NodeId, Tensor};

fn close(a: &Tensor, b: &Tensor) {
    assert_eq!(a.shape, b.shape);
    for (x, y) in a.values.iter().zip(&b.values) {
        assert!((x - y).abs() < 1e-12 * (1.0 + x.abs()), "{x} {y}");
    }
}

/// The final carries and the stacked result, each step written out.
fn unrolled(r: &mut Recurrent, reverse: bool, steps: usize) -> (NodeId, NodeId, Vec<NodeId>) {
    let [h0, p0, x, rec, w] = [0, 1, 2, 3, 4].map(|k| r.inputs[k].1);
    let (mut h, mut p, mut ys) = (h0, p0, vec![]);
    for k in 0..steps {
        let t = if reverse { steps - 1 - k } else { k };
        let xt = r.case.graph.pick(x, r.time, t);
        let now = r.case.graph.constant(t as f64);
        let (next, product, y) = step(&mut r.case.graph, [h, p, xt, rec, w, now], false, (r.input, r.unit));
        (h, p) = (next, product);
        ys.push(y);
    }
    if reverse {
        ys.reverse();
    }
    (h, p, ys)
}

#[test]
fn a_loop_is_its_steps_written_out() {
    for reverse in [false, true] {
        let mut r = recurrent(reverse, false, 4);
        let (h, p, ys) = unrolled(&mut r, reverse, 4);
        let slices: Vec<NodeId> = (0..4).map(|t| r.case.graph.pick(r.results[2], r.time, t)).collect();
        for (a, b) in [(r.results[0], h), (r.results[1], p)].into_iter().chain(slices.into_iter().zip(ys)) {
            let values = r.case.values(&[a, b]);
            close(&values[0], &values[1]);
        }
        // The gradients of both forms, too.
        let nodes: Vec<NodeId> = r.inputs.iter().map(|i| i.1).collect();
        let totals = [r.results[0], h].map(|n| r.case.graph.square(n));
        let [a, b] = totals.map(|n| r.case.graph.gradient(n, &nodes).unwrap());
        for (a, b) in a.into_iter().zip(b) {
            let values = r.case.values(&[a, b]);
            close(&values[0], &values[1]);
        }
    }
}

#[test]
fn history_is_the_carry_before_each_step() {
    let r = recurrent(false, false, 3);
    let values = r.case.values(&[r.inputs[0].1, r.results[3], r.results[2], r.results[0]]);
    // T was created before K.
    assert_eq!(values[1].values[..3], values[0].values);
}

#[test]
fn first_derivatives() {
    for (reverse, noisy) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut r = recurrent(reverse, noisy, 4);
        let inputs = r.inputs.clone();
        for k in 0..r.results.len() {
            let out = r.results[k];
            let curved = r.case.graph.square(out);
            r.case.check_gradient(curved, &inputs, 1e-8);
        }
    }
}

#[test]
fn second_derivatives() {
    for (reverse, noisy) in [(false, false), (true, true)] {
        let mut r = recurrent(reverse, noisy, 3);
        let inputs = r.inputs.clone();
        let (h, p, y) = (r.results[0], r.results[1], r.results[2]);
        let hp = r.case.graph.mul(h, p);
        let y = r.case.graph.square(y);
        let both = r.case.graph.add(hp, y);
        r.case.check_second(both, &inputs, 1e-7);
    }
}

#[test]
fn a_loop_of_no_steps_gives_its_start() {
    let r = recurrent(false, false, 0);
    let values = r.case.values(&[r.inputs[0].1, r.results[0], r.results[2]]);
    assert_eq!(values[0], values[1]);
    assert!(values[2].is_empty());
}

/// A batch axis enters through the scanned tensor; every row is as if it ran alone.
#[test]
fn a_batch_enters_from_outside() {
    for reverse in [false, true] {
        let mut r = recurrent(reverse, false, 3);
        let x = r.inputs[2];
        let batch = r.case.input("batch", &[r.row, r.time, r.input], -1.0, 1.0);
        let outputs = [r.results[0], r.results[1], r.results[2]];
        let together = r.case.graph.substitute(&outputs, &HashMap::from([(x.1, batch.1)]));
        let values = r.case.values(&together);
        let whole = r.case.feed.inputs[&batch.0].clone();
        for row in 0..2 {
            let half = whole.len() / 2;
            let alone = Tensor::new(vec![2, 3], whole.values[row * half..(row + 1) * half].to_vec());
            // The input is over D, T in order of creation; the batch is over N, D, T.
            r.case.feed.inputs.insert(x.0, Arc::new(alone.unwrap()));
            for (one, all) in r.case.values(&outputs).iter().zip(&values) {
                let n = one.len();
                assert_eq!(one.values, all.values[row * n..(row + 1) * n]);
            }
        }
        let total = r.case.graph.square(together[0]);
        let total = r.case.graph.sum(total, &[r.row]);
        let inputs = [r.inputs[0], batch, r.inputs[3]];
        r.case.check_gradient(total, &inputs, 1e-8);
        r.case.check_second(total, &inputs, 1e-6);
    }
}

/// Samples enter through a constant of the loop; the carries widen with them.
#[test]
fn samples_enter_through_a_constant() {
    let mut r = recurrent(false, false, 3);
    let sampled = r.case.input("many R", &[r.row, r.unit, r.unit.primed()], -0.7, 0.7);
    let replaced = HashMap::from([(r.inputs[3].1, sampled.1)]);
    let h = r.case.graph.substitute(&[r.results[0]], &replaced)[0];
    assert_eq!(r.case.graph.axes_of(h), [r.row, r.unit]);
    let total = r.case.graph.square(h);
    let total = r.case.graph.sum(total, &[r.row]);
    let inputs = [r.inputs[0], r.inputs[2], sampled];
    r.case.check_gradient(total, &inputs, 1e-8);
}

/// What is carried may itself start from something differentiated, and one loop may feed another.
#[test]
fn loops_in_a_row() {
    let mut first = recurrent(false, false, 3);
    let twice = {
        let scan = first.case.graph.scan_of(first.case.graph.node(first.results[0]).inputs[0]).unwrap();
        let start = [first.results[0], first.results[1]];
        first.case.graph.scan(scan.scan.as_ref().clone(), &start, &scan.scanned, &scan.constants)
    };
    let inputs = first.inputs.clone();
    let out = first.case.graph.mul(twice[0], twice[1]);
    first.case.check_gradient(out, &inputs, 1e-8);
}
