//! A step of a training allocates nothing: twenty times the steps cost as many allocations.

use std::sync::Arc;

use crate::counting::{allocations, alone};
use fe_cpu::{CpuExecutor, Precision};
use fe_graph::training::{Rule, TrainingLoop, TrainingStep};
use fe_graph::{Axis, Executor, Feed, Graph, Indicator, NodeId, NoiseKind, Scan, Site, Tensor};

/// A loop that starts from these weights: with noise, a factor, and steps outside of it.
fn looped(g: &mut Graph, w: NodeId, (k, d): (Axis, Axis)) -> NodeId {
    let t = Axis { id: g.add_axis("T", 12), primes: 0 };
    let j = Axis { id: g.add_axis("J", 4), primes: 0 };
    let mut body = Graph::with_axes_of(g);
    let (h_id, h) = body.input("h", &[k]);
    let (s_id, s) = body.input("s", &[j, j.primed()]);
    let (x_id, x) = body.input("x", &[k]);
    let (one_id, one) = body.input("one", &[j, j.primed()]);
    let eps = body.noise(NoiseKind::Normal, Site::named("step"), &[k]);
    let (noise, kept) = (body.scale(eps, 0.1), body.scale(h, 0.9));
    let moved = body.add(kept, noise);
    let moved = body.add(moved, x);
    let next = body.tanh(moved);
    let square = body.square(next);
    let level = body.mean(square, &[k]);
    let (turned, added) = (body.transposed(s, j, j.primed()), body.mul(level, one));
    let spread = body.matrix_product(s, turned, j, j.primed());
    let spread = body.add(spread, added);
    let spread = body.scale(spread, 0.5);
    let factor = body.cholesky(spread, j, j.primed());
    let carries = vec![(h_id, next), (s_id, factor)];
    let (slices, constants, stacked) = (vec![x_id], vec![one_id], vec![level]);
    let scan = Scan { body, axis: t, reverse: false, carries, slices, constants, time: None, stacked };
    let drive = (0..12 * 40).map(|i| ((i * 29 % 61) as f64 / 61.0 - 0.5) * 0.2).collect();
    let drive = g.literal(Tensor::new(vec![40, 12], drive).unwrap(), &[k, t]);
    let identity = (0..16).map(|i| f64::from(i % 5 == 0)).collect();
    let identity = g.literal(Tensor::new(vec![4, 4], identity).unwrap(), &[j, j.primed()]);
    let start = g.pick(w, d, 0);
    let results = g.scan(scan, &[start, identity], &[drive], &[identity]);
    let (last, levels) = (g.sum_all_but(results[1], &[]), g.sum_all_but(results[2], &[]));
    g.add(last, levels)
}

/// Batches, products with counts and without, loops, picks and sums at an index.
fn model() -> (Graph, TrainingLoop) {
    let (batch, latents, rows) = (128, 40, 500);
    let mut g = Graph::new();
    let axis = |g: &mut Graph, name: &str, extent| Axis { id: g.add_axis(name, extent), primes: 0 };
    let (n, k) = (axis(&mut g, "N", batch), axis(&mut g, "K", latents));
    let d = axis(&mut g, "D", 50);
    let (x_id, x) = g.input("x", &[n, d]);
    let (w_id, w) = g.input("w", &[k, d]);
    let (t_id, temperature) = g.input("temperature", &[]);
    let rate = g.contract(x, w, &[d]);
    let z = g.arrivals(rate, temperature, 0, Indicator::Cubic, Site::named("z"), &[]);
    let eps = g.noise(NoiseKind::Normal, Site::named("eps"), &[n, d]);
    let mean = g.contract(z, w, &[k]);
    let noisy = g.add(mean, eps);
    let gap = g.sub(x, noisy);
    let square = g.square(gap);
    let index = g.literal(Tensor::new(vec![3], vec![4.0, 0.0, 4.0]).unwrap(), &[Axis { id: k.id, primes: 1 }]);
    let picked = g.gather(w, index, k);
    let picked = g.square(picked);
    let (a, b) = (g.sum_all_but(square, &[]), g.sum_all_but(picked, &[]));
    let value = g.add(a, b);
    let loops = looped(&mut g, w, (k, d));
    let value = g.add(value, loops);
    let gradient = g.gradient(value, &[w]).unwrap()[0];
    let numbers =
        |size: usize, by: f64| (0..size).map(|i| ((i * 37 % 101) as f64 / 50.5 - 1.0) * by).collect::<Vec<_>>();
    let mut feed = Feed { seed: 3, ..Feed::default() };
    feed.inputs.insert(x_id, Arc::new(Tensor::new(vec![rows, 50], numbers(rows * 50, 1.0)).unwrap()));
    feed.extents.insert(n.id, batch);
    feed.rows = Some((n.id, Arc::new((0..batch as u64).collect())));
    let training = TrainingLoop {
        outputs: vec![value],
        parameters: vec![(w_id, gradient, numbers(latents * 50, 0.1))],
        scalars: vec![t_id],
        rule: Rule::Adam,
        clip: Some(10.0),
        feed,
    };
    (g, training)
}

#[test]
fn steps_allocate_nothing() {
    let _turn = alone();
    for precision in [Precision::F32, Precision::F64] {
        let (graph, training) = model();
        let mut engine = CpuExecutor::new(precision).train(&graph, &training).unwrap().unwrap();
        let steps = |from: u64, count: u64| -> Vec<TrainingStep> {
            let step = |step| TrainingStep {
                step,
                rate: 1e-3,
                scalars: vec![0.2],
                rows: Some(Arc::new((0..128).map(|r| (r * 3 + step) % 500).collect())),
            };
            (from..from + count).map(step).collect()
        };
        let mut made_in = |from, count| {
            let steps = steps(from, count);
            let before = allocations();
            let advance = engine.advance(&steps).unwrap();
            assert!(advance.finite && advance.made == count as usize);
            allocations() - before
        };
        made_in(0, 10);
        let (few, many) = (made_in(10, 5), made_in(15, 100));
        // The gemm crate, which takes the place of our own blocks elsewhere, allocates its workspace.
        if !std::arch::is_x86_feature_detected!("avx512f") {
            eprintln!("not held here: products of this processor are the gemm crate's");
            continue;
        }
        // The pool's own threads may allocate a little meanwhile; a step that did would show 95 times.
        assert!(many < few + 40, "{few} allocations in 5 steps, {many} in 100");
        let nonzero_fraction = engine.nonzero_fraction().unwrap();
        assert!(nonzero_fraction > 0.0 && nonzero_fraction < 1.0, "{nonzero_fraction}");
    }
}
