//! Whole programs on candle: composites, derivatives, loops, threads, what is kept between runs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::naive::{Case, expression, recurrent};
use fe_graph::{Axis, AxisId, Compiled, Executor, Feed, Indicator, NodeId, NoiseKind, Scan, Site, Tensor};

use super::{Precision, executor};

fn compile(case: &Case, outputs: &[NodeId], precision: Precision) -> Box<dyn Compiled> {
    executor(precision).compile(&case.graph, outputs).unwrap()
}

/// The largest difference, relative to the largest value.
fn distance(a: &[Tensor], b: &[Tensor]) -> f64 {
    let mut worst: f64 = 0.0;
    for (a, b) in a.iter().zip(b) {
        assert_eq!(a.shape, b.shape);
        let scale = b.values.iter().fold(1.0f64, |m, v| m.max(v.abs()));
        let gap = a.values.iter().zip(&b.values).map(|(x, y)| (x - y).abs() / scale);
        worst = gap.fold(worst, |m, g| if g > m || g.is_nan() { g } else { m });
    }
    worst
}

pub fn check(case: &Case, outputs: &[NodeId], single: f64) {
    let expected = case.values(outputs);
    for (precision, tolerance) in [(Precision::F64, 1e-11), (Precision::F32, single)] {
        let found = compile(case, outputs, precision).run(&case.feed).unwrap();
        let gap = distance(&found, &expected);
        assert!(gap <= tolerance, "{precision:?}: off by {gap}\n{}", case.graph.dump(outputs));
    }
}

#[test]
fn random_composites_and_their_derivatives() {
    // Small extents, extents of several vectors with a rest, and enough rows to divide.
    for (count, extents) in [(300, (2, 3)), (60, (5, 37)), (40, (301, 4))] {
        for seed in 0..count {
            random_composite(2000 + seed, extents);
        }
    }
}

fn random_composite(seed: u64, (rows, columns): (usize, usize)) {
    let mut case = Case::new(seed);
    let (a, b) = (case.axis("A", rows), case.axis("B", columns));
    let (x, y) = (case.input("x", &[a], -1.0, 1.0), case.input("y", &[b], -1.0, 1.0));
    let w = case.input("w", &[a, b], -1.0, 1.0);
    let leaves = [x.1, y.1, w.1];
    let out = expression(&mut case, &leaves, 4);
    let first = case.graph.gradient(out, &leaves).unwrap();
    let second = case.graph.gradient(first[2], &leaves).unwrap();
    let outputs = [vec![out], first, second].concat();
    check(&case, &outputs, 2e-5);
}

#[test]
fn loops_and_their_derivatives() {
    for (reverse, noisy, steps) in
        [(false, false, 4), (true, false, 4), (false, true, 3), (true, true, 1), (false, false, 0)]
    {
        let mut r = recurrent(reverse, noisy, steps);
        let nodes: Vec<NodeId> = r.inputs.iter().map(|i| i.1).collect();
        let mut outputs = r.results.clone();
        for k in 0..r.results.len() {
            let square = r.case.graph.square(r.results[k]);
            let first = r.case.graph.gradient(square, &nodes).unwrap();
            outputs.extend(r.case.graph.gradient(first[3], &nodes).unwrap());
            outputs.extend(first);
        }
        check(&r.case, &outputs, 1e-5);
        // Each alone, so that carries and results that nobody uses are left out.
        for &output in &outputs {
            check(&r.case, &[output], 1e-5);
        }
        let batch = r.case.input("batch", &[r.row, r.time, r.input], -1.0, 1.0);
        let many = r.case.graph.substitute(&outputs, &HashMap::from([(nodes[2], batch.1)]));
        check(&r.case, &many, 1e-5);
    }
}

/// Σₜ Σᵤ (a product of a loop inside a loop).
#[test]
fn a_loop_in_a_loop() {
    let mut case = Case::new(3);
    let (t, u) = (case.axis("T", 3), case.axis("U", 4));
    let x = case.input("x", &[t], -1.0, 1.0);
    let y = case.input("y", &[u], -1.0, 1.0);
    let mut inner = fe_graph::Graph::with_axes_of(&case.graph);
    let (s_id, s) = inner.input("s", &[]);
    let (y_id, yu) = inner.input("y", &[]);
    let noise = inner.noise(NoiseKind::Normal, Site::named("inner"), &[]);
    let m = inner.mul(s, yu);
    let m = inner.add(m, noise);
    let next = inner.tanh(m);
    let inner = Scan {
        body: inner,
        axis: u,
        reverse: false,
        carries: vec![(s_id, next)],
        slices: vec![y_id],
        constants: vec![],
        time: None,
        stacked: vec![next],
    };
    let mut outer = fe_graph::Graph::with_axes_of(&case.graph);
    let (c_id, c) = outer.input("c", &[]);
    let (x_id, xt) = outer.input("x", &[]);
    let (k_id, k) = outer.input("k", &[u]);
    let start = outer.add(c, xt);
    let results = outer.scan(inner, &[start], &[k], &[]);
    let total = outer.sum(results[1], &[u]);
    let outer = Scan {
        body: outer,
        axis: t,
        reverse: true,
        carries: vec![(c_id, total)],
        slices: vec![x_id],
        constants: vec![k_id],
        time: None,
        stacked: vec![results[0]],
    };
    let start = case.graph.constant(0.3);
    let results = case.graph.scan(outer, &[start], &[x.1], &[y.1]);
    case.check_gradient(results[0], &[x, y], 1e-7);
    case.check_second(results[0], &[x, y], 1e-6);
    let first = case.graph.gradient(results[0], &[x.1, y.1]).unwrap();
    let second = case.graph.gradient(first[1], &[x.1, y.1]).unwrap();
    check(&case, &[results, first, second].concat(), 1e-5);
}

/// A model of some size: a sampled Poisson VAE with its gradient.
fn model(rows: usize, pixels: usize, units: usize) -> (Case, Vec<NodeId>) {
    let mut case = Case::new(9);
    let (n, d, k) = (case.axis("N", rows), case.axis("D", pixels), case.axis("K", units));
    let x = case.input("x", &[n, d], -1.0, 1.0).1;
    let e = case.input("E", &[d, k], -0.1, 0.1).1;
    let w = case.input("W", &[k, d], -0.1, 0.1).1;
    let prior = case.input("log r", &[k], -1.0, 0.5).1;
    case.feed.extents.insert(AxisId::SAMPLE, 2);
    let g = &mut case.graph;
    let change = g.contract(x, e, &[d]);
    let rate = g.add(prior, change);
    let tau = g.constant(0.4);
    let z = g.arrivals(rate, tau, 0, Indicator::Cubic, Site::named("z"), &[Axis::SAMPLE, n, k]);
    let noise = g.noise(NoiseKind::Normal, Site::named("e"), &[Axis::SAMPLE, n, d]);
    let mean = g.contract(z, w, &[k]);
    let error = g.sub(x, mean);
    let error = g.add(error, noise);
    let like = g.square(error);
    let counts = g.shift(z, 1.0);
    let penalty = g.lgamma(counts);
    let (like, penalty) = (g.sum(like, &[n, d]), g.sum(penalty, &[n, k]));
    let total = g.add(like, penalty);
    let total = g.mean(total, &[Axis::SAMPLE]);
    let top = g.softmax(change, &[n]);
    let mut outputs = vec![total, top];
    outputs.extend(g.gradient(total, &[e, w, prior]).unwrap());
    (case, outputs)
}

#[test]
fn one_thread_and_two_give_the_same_numbers() {
    let (case, outputs) = model(301, 67, 83);
    for precision in [Precision::F32, Precision::F64] {
        let runs = [1, 2, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| compile(&case, &outputs, precision).run(&case.feed).unwrap())
        });
        assert_eq!(runs[0], runs[1]);
        assert_eq!(runs[0], runs[2]);
    }
}

/// The matrix products take their number of threads from the environment at start: two processes are compared.
#[test]
fn one_thread_and_two_give_the_same_numbers_in_matrix_products() {
    if std::env::var_os("PRINT_NUMBERS").is_some() {
        let (case, outputs) = model(700, 390, 260);
        for precision in [Precision::F32, Precision::F64] {
            let mut hash = 0u64;
            for tensor in compile(&case, &outputs, precision).run(&case.feed).unwrap() {
                hash = tensor.values.iter().fold(hash, |h, v| h.rotate_left(5).wrapping_mul(0x9e37) ^ v.to_bits());
            }
            println!("numbers {hash:x}");
        }
        return;
    }
    // The test's own name, without the crate's.
    let module = module_path!().split_once("::").unwrap().1;
    let this = format!("{module}::one_thread_and_two_give_the_same_numbers_in_matrix_products");
    let numbers = ["1", "2", "3"].map(|threads| {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &this, "--nocapture"])
            .env("PRINT_NUMBERS", "1")
            .env("RAYON_NUM_THREADS", threads)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().filter_map(|l| l.split("numbers ").nth(1)).map(str::to_string).collect::<Vec<_>>()
    });
    assert_eq!(numbers[0].len(), 2);
    assert_eq!(numbers[0], numbers[1]);
    assert_eq!(numbers[0], numbers[2]);
}

#[test]
fn single_precision_agrees_with_double() {
    let (case, outputs) = model(301, 67, 83);
    let [single, double] =
        [Precision::F32, Precision::F64].map(|p| compile(&case, &outputs, p).run(&case.feed).unwrap());
    let gap = distance(&single, &double);
    assert!(gap < 1e-5, "off by {gap}");
    assert!((single[0].item() / double[0].item() - 1.0).abs() < 1e-6);
}

/// A program run on many feeds in turn gives what a fresh one gives.
#[test]
fn what_is_kept_is_never_stale() {
    let (case, outputs) = model(5, 3, 4);
    let row = Axis::plain(AxisId(1));
    let other = {
        let mut feed = case.feed.clone();
        for (id, tensor) in &case.feed.inputs {
            let values = tensor.values.iter().map(|v| 0.9 * v).collect();
            feed.inputs.insert(*id, Arc::new(Tensor::new(tensor.shape.clone(), values).unwrap()));
        }
        feed
    };
    let mut feeds: Vec<Feed> = vec![case.feed.clone()];
    // One thing changed at a time.
    for id in case.feed.inputs.keys() {
        let mut feed = case.feed.clone();
        feed.inputs.insert(*id, other.inputs[id].clone());
        feeds.push(feed);
    }
    feeds.push(Feed { step: 1, ..case.feed.clone() });
    feeds.push(Feed { seed: 8, ..case.feed.clone() });
    feeds.push(Feed { extents: HashMap::from([(AxisId::SAMPLE, 3)]), ..case.feed.clone() });
    feeds.push(Feed { rows: Some((row.id, Arc::new(vec![4, 3, 2, 1, 0]))), ..case.feed.clone() });
    feeds.push(Feed { rows: Some((row.id, Arc::new(vec![0, 1, 2, 3, 4]))), ..case.feed.clone() });
    let drawn = Arc::new(Tensor::full(vec![2, 5, 3], 0.25));
    feeds.push(Feed { draws: HashMap::from([(Site::named("e"), drawn.clone())]), ..case.feed.clone() });
    let drawn = Arc::new(Tensor::full(vec![2, 5, 4], 2.0));
    feeds.push(Feed { draws: HashMap::from([(Site::named("z"), drawn)]), ..case.feed.clone() });
    let fresh: Vec<Vec<Tensor>> =
        feeds.iter().map(|f| compile(&case, &outputs, Precision::F64).run(f).unwrap()).collect();
    let mut program = compile(&case, &outputs, Precision::F64);
    let mut random = crate::naive::Random(3);
    for _ in 0..300 {
        let k = random.below(feeds.len());
        for _ in 0..random.below(4) {
            assert_eq!(program.run(&feeds[k]).unwrap(), fresh[k]);
        }
    }
    for (k, a) in fresh.iter().enumerate() {
        assert!(fresh[..k].iter().all(|b| a != b), "feed {k} is like another");
    }
}

/// Noise belongs to rows, not to places: a batch in another order draws the same.
#[test]
fn noise_follows_the_row() {
    let mut case = Case::new(1);
    let (n, k) = (case.axis("N", 3), case.axis("K", 4));
    let e = case.graph.noise(NoiseKind::Normal, Site::named("z"), &[n, k]);
    let mut program = compile(&case, &[e], Precision::F64);
    let mut rows = |numbers: Vec<u64>| {
        let extents = HashMap::from([(n.id, numbers.len())]);
        let feed = Feed { rows: Some((n.id, Arc::new(numbers))), extents, ..Feed::default() };
        program.run(&feed).unwrap().remove(0).values
    };
    let forth = rows(vec![10, 11, 12]);
    let back = rows(vec![12, 10]);
    assert_eq!(back[..4], forth[8..]);
    assert_eq!(back[4..], forth[..4]);
}

/// A code of few spikes: products with the counts, and the gradient that only spikes use, at a rate so low that they run
/// on the spikes alone, and at one so high that they do not.
#[test]
fn products_with_counts() {
    for (low, high) in [(-4.0, -3.0), (0.5, 1.0)] {
        let mut case = Case::new(77);
        let (n, z, d) = (case.axis("N", 70), case.axis("Z", 40), case.axis("D", 53));
        let rate = case.input("rate", &[n, z], low, high).1;
        let weight = case.input("weight", &[z, d], -1.0, 1.0).1;
        let x = case.input("x", &[n, d], -1.0, 1.0).1;
        let temperature = case.graph.constant(0.3);
        let axes = [Axis { id: AxisId::SAMPLE, primes: 0 }];
        let counts = case.graph.arrivals(rate, temperature, 0, Indicator::Cubic, Site::named("z"), &axes);
        let mean = case.graph.contract(counts, weight, &[z]);
        let gap = case.graph.sub(mean, x);
        let square = case.graph.square(gap);
        let out = case.graph.sum_all_but(square, &[]);
        let gradient = case.graph.gradient(out, &[rate, weight]).unwrap();
        check(&case, &[vec![out], gradient].concat(), 2e-5);
    }
}
