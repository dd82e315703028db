//! The operations by their definitions: index loops over f64, nothing shared with any executor but the element-wise
//! functions and the noise streams. Slow, for small graphs.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::needless_range_loop)]

use std::collections::HashMap;
use std::sync::Arc;

use fe_graph::noise::{self, Element, NoiseKey, Stream};
use fe_graph::{Axis, Factor, Feed, Graph, InputId, NodeId, NoiseKind, Op, Real, Scan, Site, Tensor, Unary, special};

type Env = HashMap<Axis, usize>;

/// What is known while a graph or a loop's body runs.
struct Run<'a> {
    extents: &'a dyn Fn(Axis) -> usize,
    inputs: HashMap<InputId, Tensor>,
    feed: &'a Feed,
    step: u64,
}

/// The values of the outputs.
pub fn evaluate(graph: &Graph, outputs: &[NodeId], feed: &Feed) -> Vec<Tensor> {
    let extents = |a: Axis| feed.extents.get(&a.id).copied().unwrap_or(graph.extent_of(a.id));
    let inputs = feed.inputs.iter().map(|(&k, t)| (k, t.as_ref().clone())).collect();
    run(graph, outputs, &Run { extents: &extents, inputs, feed, step: feed.step })
}

/// Calls `f` for every position over the axes, row-major.
pub fn each(axes: &[Axis], extent: &dyn Fn(Axis) -> usize, env: &mut Env, f: &mut dyn FnMut(&Env)) {
    let Some((&first, rest)) = axes.split_first() else { return f(env) };
    let before = env.get(&first).copied();
    for k in 0..extent(first) {
        env.insert(first, k);
        each(rest, extent, env, f);
    }
    match before {
        Some(k) => env.insert(first, k),
        None => env.remove(&first),
    };
}

fn place(axes: &[Axis], env: &Env, extent: &dyn Fn(Axis) -> usize) -> usize {
    axes.iter().fold(0, |at, &a| at * extent(a) + env[&a])
}

/// Every node by its definition. One flat match over all operations, so it stays whole.
fn run(graph: &Graph, outputs: &[NodeId], run: &Run) -> Vec<Tensor> {
    let extent = run.extents;
    let mut values: HashMap<NodeId, Tensor> = HashMap::new();
    let mut loops: HashMap<NodeId, Vec<Tensor>> = HashMap::new();
    for id in graph.reachable(outputs) {
        let node = graph.node(id);
        if let Op::Scan(_) = node.op {
            loops.insert(id, run_scan(graph, id, &values, run));
            continue;
        }
        let at = |k: usize, env: &Env| -> f64 {
            let input = node.inputs[k];
            values[&input].values[place(graph.axes_of(input), env, extent)]
        };
        let key = |site| NoiseKey { seed: run.feed.seed, site, step: run.step };
        let element = |env: &Env| {
            let row_axis = run.feed.rows.as_ref().map(|r| Axis::plain(r.0)).filter(|a| node.axes.contains(a));
            let others: Vec<Axis> = node.axes.iter().copied().filter(|a| Some(*a) != row_axis).collect();
            let row = row_axis.map_or(0, |a| run.feed.rows.as_ref().unwrap().1[env[&a]]);
            Element { row, rest: place(&others, env, extent) as u32 }
        };
        let mut out = vec![];
        let mut scattered: HashMap<usize, f64> = HashMap::new();
        let mut factors: HashMap<usize, f64> = HashMap::new();
        if let Op::Factor { kind, row, column } = &node.op {
            let rest: Vec<Axis> = node.axes.iter().copied().filter(|a| a != row && a != column).collect();
            let n = extent(*row);
            each(&rest, extent, &mut Env::new(), &mut |env| {
                let here = |i: usize, j: usize| {
                    let mut env = env.clone();
                    env.insert(*row, i);
                    env.insert(*column, j);
                    env
                };
                let a: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| at(0, &here(i, j))).collect()).collect();
                let result = match kind {
                    Factor::Cholesky => cholesky_by_columns(&a),
                    Factor::Inverse => inverse_by_substitution(&a),
                    Factor::FullInverse => inverse_by_cofactors(&a),
                };
                for i in 0..n {
                    for j in 0..n {
                        factors.insert(place(&node.axes, &here(i, j), extent), result[i][j]);
                    }
                }
            });
        }
        if let Op::ScatterAdd { axis, .. } = &node.op {
            let u = node.inputs[0];
            each(graph.axes_of(u), extent, &mut Env::new(), &mut |env| {
                let mut to = env.clone();
                to.insert(*axis, at(1, env) as usize);
                *scattered.entry(place(&node.axes, &to, extent)).or_default() += at(0, env);
            });
        }
        each(&node.axes, extent, &mut Env::new(), &mut |env| {
            let over = |axes: &[Axis], start: f64, f: &dyn Fn(f64, &Env) -> f64| {
                let mut total = start;
                each(axes, extent, &mut env.clone(), &mut |env| total = f(total, env));
                total
            };
            out.push(match &node.op {
                Op::Constant(Real(v)) => *v,
                Op::Literal(t) => t.values[place(&node.axes, env, extent)],
                Op::Input(i) => run.inputs[i].values[place(&node.axes, env, extent)],
                Op::Noise { site, .. } | Op::Arrivals { site, order: 0, .. } if run.feed.draws.contains_key(site) => {
                    run.feed.draws[site].values[place(&node.axes, env, extent)]
                }
                Op::Noise { kind, site } => Stream::new(key(*site), element(env)).draw(*kind),
                Op::Arrivals { order, indicator, site } => {
                    let mut stream = Stream::new(key(*site), element(env));
                    noise::arrivals(&mut stream, at(0, env), at(1, env), *order, *indicator)
                }
                Op::Extent(a) => extent(Axis::plain(*a)) as f64,
                Op::Iota => env[&node.axes[0]] as f64,
                Op::Unary(op) => special::unary(*op, at(0, env)),
                Op::Binary(op) => special::binary(*op, at(0, env), at(1, env)),
                Op::Select => {
                    if at(0, env) != 0.0 {
                        at(1, env)
                    } else {
                        at(2, env)
                    }
                }
                Op::Sum(axes) => over(axes, 0.0, &|t, e| t + at(0, e)),
                Op::Max(axes) => over(axes, f64::NEG_INFINITY, &|t, e| t.max(at(0, e))),
                Op::Contract(axes) => over(axes, 0.0, &|t, e| t + at(0, e) * at(1, e)),
                Op::Broadcast(_) | Op::Stop => at(0, env),
                Op::Rename(pairs) => {
                    let mut from = env.clone();
                    from.retain(|a, _| pairs.iter().all(|p| p.1 != *a));
                    from.extend(pairs.iter().map(|p| (p.0, env[&p.1])));
                    at(0, &from)
                }
                Op::Reshape { from, to } => {
                    let mut linear = place(to, env, extent);
                    let mut source = env.clone();
                    for &a in from.iter().rev() {
                        source.insert(a, linear % extent(a));
                        linear /= extent(a);
                    }
                    at(0, &source)
                }
                Op::Gather { axis } => {
                    let mut source = env.clone();
                    source.insert(*axis, at(1, env) as usize);
                    at(0, &source)
                }
                Op::ScatterAdd { .. } => scattered.get(&place(&node.axes, env, extent)).copied().unwrap_or(0.0),
                Op::Factor { .. } => factors[&place(&node.axes, env, extent)],
                Op::Output(k) => loops[&node.inputs[0]][*k].values[place(&node.axes, env, extent)],
                Op::Scan(_) => unreachable!(),
            });
        });
        values.insert(id, Tensor { shape: node.axes.iter().map(|&a| extent(a)).collect(), values: out });
    }
    outputs.iter().map(|o| values[o].clone()).collect()
}

fn run_scan(graph: &Graph, id: NodeId, values: &HashMap<NodeId, Tensor>, outer: &Run) -> Vec<Tensor> {
    let parts = graph.scan_of(id).unwrap();
    let scan = parts.scan;
    let extent = outer.extents;
    let length = extent(scan.axis);
    let (c, s) = (scan.carries.len(), scan.stacked.len());
    let mut carried: Vec<Tensor> = parts.carries.iter().map(|n| values[n].clone()).collect();
    let mut at_position: Vec<Vec<Tensor>> = vec![vec![]; length];
    let order: Vec<usize> = if scan.reverse { (0..length).rev().collect() } else { (0..length).collect() };
    for t in order {
        let mut inputs = HashMap::new();
        for (k, &(input, _)) in scan.carries.iter().enumerate() {
            inputs.insert(input, carried[k].clone());
        }
        for (&input, node) in scan.slices.iter().zip(&parts.scanned) {
            let axes = graph.axes_of(*node);
            let kept: Vec<Axis> = axes.iter().copied().filter(|&a| a != scan.axis).collect();
            let mut slice = vec![];
            each(&kept, extent, &mut Env::from([(scan.axis, t)]), &mut |env| {
                slice.push(values[node].values[place(axes, env, extent)]);
            });
            inputs.insert(input, Tensor { shape: kept.iter().map(|&a| extent(a)).collect(), values: slice });
        }
        for (&input, node) in scan.constants.iter().zip(&parts.constants) {
            inputs.insert(input, values[node].clone());
        }
        if let Some(time) = scan.time {
            inputs.insert(time, Tensor::scalar(t as f64));
        }
        let roots: Vec<NodeId> = scan.carries.iter().map(|x| x.1).chain(scan.stacked.iter().copied()).collect();
        let step = noise::step_within(outer.step, t as u64);
        let mut results = run(&scan.body, &roots, &Run { extents: extent, inputs, feed: outer.feed, step });
        let stacked = results.split_off(c);
        at_position[t] = stacked.into_iter().chain(std::mem::replace(&mut carried, results)).collect();
    }
    let mut results = carried;
    for k in 0..c + s {
        let axes = scan.result_axes(c + k);
        let inner: Vec<Axis> = axes.iter().copied().filter(|&a| a != scan.axis).collect();
        let mut out = vec![];
        each(&axes, extent, &mut Env::new(), &mut |env| {
            out.push(at_position[env[&scan.axis]][k].values[place(&inner, env, extent)]);
        });
        results.push(Tensor { shape: axes.iter().map(|&a| extent(a)).collect(), values: out });
    }
    results
}

/// Small random numbers, the same for the same seed.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) ^ (self.0 << 7 >> 40)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.next() % 1_000_003) as f64 / 1_000_003.0
    }

    pub fn tensor(&mut self, shape: &[usize], low: f64, high: f64) -> Tensor {
        let n = shape.iter().product();
        Tensor { shape: shape.to_vec(), values: (0..n).map(|_| self.between(low, high)).collect() }
    }
}

/// A graph with inputs and a feed for them.
pub struct Case {
    pub graph: Graph,
    pub feed: Feed,
    pub random: Random,
}

impl Case {
    pub fn new(seed: u64) -> Self {
        Self { graph: Graph::new(), feed: Feed { seed, ..Feed::default() }, random: Random(seed + 77) }
    }

    /// An axis of the graph.
    pub fn axis(&mut self, name: &str, extent: usize) -> Axis {
        Axis::plain(self.graph.add_axis(name, extent))
    }

    /// An input with random values.
    pub fn input(&mut self, name: &str, axes: &[Axis], low: f64, high: f64) -> (InputId, NodeId) {
        let (id, node) = self.graph.input(name, axes);
        let shape: Vec<usize> = self.graph.axes_of(node).iter().map(|a| self.graph.extent_of(a.id)).collect();
        self.feed.inputs.insert(id, Arc::new(self.random.tensor(&shape, low, high)));
        (id, node)
    }

    pub fn values(&self, outputs: &[NodeId]) -> Vec<Tensor> {
        evaluate(&self.graph, outputs, &self.feed)
    }

    /// Checks the gradient of Σ w · output, w fixed and irregular, against central differences.
    pub fn check_gradient(&mut self, output: NodeId, inputs: &[(InputId, NodeId)], tolerance: f64) {
        let total = self.weighted(output);
        let nodes: Vec<NodeId> = inputs.iter().map(|i| i.1).collect();
        let gradients = self.graph.gradient(total, &nodes).unwrap();
        for (g, n) in gradients.iter().zip(&nodes) {
            assert_eq!(self.graph.axes_of(*g), self.graph.axes_of(*n), "a gradient has its input's axes");
        }
        let symbolic = self.values(&gradients);
        for (&(id, _), symbolic) in inputs.iter().zip(symbolic) {
            let numeric = self.differences(total, id);
            for (k, (s, n)) in symbolic.values.iter().zip(&numeric).enumerate() {
                let scale = 1.0 + s.abs().max(n.abs());
                assert!(
                    (s - n).abs() <= tolerance * scale,
                    "element {k}: symbolic {s}, numeric {n}\n{}",
                    self.graph.dump(&[total])
                );
            }
        }
    }

    /// The same for the gradient itself, so for second derivatives.
    pub fn check_second(&mut self, output: NodeId, inputs: &[(InputId, NodeId)], tolerance: f64) {
        let total = self.weighted(output);
        let nodes: Vec<NodeId> = inputs.iter().map(|i| i.1).collect();
        for g in self.graph.gradient(total, &nodes).unwrap() {
            self.check_gradient(g, inputs, tolerance);
        }
    }

    /// Σ w · x with w a fixed tensor.
    fn weighted(&mut self, x: NodeId) -> NodeId {
        let axes = self.graph.axes_of(x).to_vec();
        let shape: Vec<usize> = axes.iter().map(|a| self.graph.extent_of(a.id)).collect();
        let w = Random(4).tensor(&shape, 0.5, 1.5);
        let w = self.graph.literal(w, &axes);
        let m = self.graph.mul(w, x);
        self.graph.sum_all_but(m, &[])
    }

    /// Central differences of a scalar, by Richardson's extrapolation.
    fn differences(&self, total: NodeId, input: InputId) -> Vec<f64> {
        let base = self.feed.inputs[&input].clone();
        let value = |k: usize, h: f64| {
            let mut feed = self.feed.clone();
            let mut moved = base.as_ref().clone();
            moved.values[k] += h;
            feed.inputs.insert(input, Arc::new(moved));
            evaluate(&self.graph, &[total], &feed)[0].item()
        };
        let slope = |k: usize, h: f64| (value(k, h) - value(k, -h)) / (2.0 * h);
        (0..base.len())
            .map(|k| {
                let h = 1e-3 * base.values[k].abs().max(0.3);
                (4.0 * slope(k, h / 2.0) - slope(k, h)) / 3.0
            })
            .collect()
    }
}

/// A recurrent network as a loop over T: hₜ = tanh(h R + xₜ W + 0.1 t + 0.3 ε), yₜ = h² + xₜ stacked, and a running
/// product of sums beside it.
pub struct Recurrent {
    pub case: Case,
    pub time: Axis,
    pub row: Axis,
    pub input: Axis,
    pub unit: Axis,
    /// h₀, p₀, x, R, W
    pub inputs: Vec<(InputId, NodeId)>,
    /// Final h and p, stacked y, and h and p before each step.
    pub results: Vec<NodeId>,
}

pub fn recurrent(reverse: bool, noisy: bool, steps: usize) -> Recurrent {
    let mut case = Case::new(5);
    let (row, input, time, unit) = (case.axis("N", 2), case.axis("D", 2), case.axis("T", steps), case.axis("K", 3));
    let h0 = case.input("h0", &[unit], -1.0, 1.0);
    let p0 = case.input("p0", &[], 0.5, 1.5);
    let x = case.input("x", &[time, input], -1.0, 1.0);
    let r = case.input("R", &[unit, unit.primed()], -0.7, 0.7);
    let w = case.input("W", &[input, unit], -0.7, 0.7);
    let mut body = Graph::with_axes_of(&case.graph);
    let (h_id, h) = body.input("h", &[unit]);
    let (p_id, p) = body.input("p", &[]);
    let (x_id, xt) = body.input("x", &[input]);
    let (r_id, rc) = body.input("R", &[unit, unit.primed()]);
    let (w_id, wc) = body.input("W", &[input, unit]);
    let (t_id, t) = body.input("t", &[]);
    let (next, product, stacked) = step(&mut body, [h, p, xt, rc, wc, t], noisy, (input, unit));
    let scan = Scan {
        body,
        axis: time,
        reverse,
        carries: vec![(h_id, next), (p_id, product)],
        slices: vec![x_id],
        constants: vec![r_id, w_id],
        time: Some(t_id),
        stacked: vec![stacked],
    };
    let results = case.graph.scan(scan, &[h0.1, p0.1], &[x.1], &[r.1, w.1]);
    Recurrent { case, time, row, input, unit, inputs: vec![h0, p0, x, r, w], results }
}

/// One step of [`recurrent`].
pub fn step(
    g: &mut Graph,
    [h, p, x, r, w, t]: [NodeId; 6],
    noisy: bool,
    axes: (Axis, Axis),
) -> (NodeId, NodeId, NodeId) {
    let (input, unit) = axes;
    let recurrent = g.contract(h, r, &[unit]);
    let recurrent = g.rename(recurrent, &[(unit.primed(), unit)]);
    let driven = g.contract(x, w, &[input]);
    let drift = g.scale(t, 0.1);
    let mut total = g.add(recurrent, driven);
    total = g.add(total, drift);
    if noisy {
        let e = g.noise(NoiseKind::Normal, Site::named("step"), &[unit]);
        let e = g.scale(e, 0.3);
        total = g.add(total, e);
    }
    let next = g.tanh(total);
    let level = g.sum(next, &[unit]);
    let level = g.sigmoid(level);
    let product = g.mul(p, level);
    let square = g.square(next);
    let stacked = g.add(square, x);
    (next, product, stacked)
}

/// A random expression over some leaves, smooth and tame.
pub fn expression(case: &mut Case, leaves: &[NodeId], depth: usize) -> NodeId {
    if depth == 0 {
        return leaves[case.random.below(leaves.len())];
    }
    let x = expression(case, leaves, depth - 1);
    match case.random.below(14) {
        0 => case.graph.unary(Unary::Tanh, x),
        1 => case.graph.softplus(x),
        2 => case.graph.unary(Unary::Sin, x),
        3 => {
            let s = case.graph.sigmoid(x);
            case.graph.log(s)
        }
        4 => {
            let t = case.graph.unary(Unary::Tanh, x);
            case.graph.exp(t)
        }
        5 => {
            let axes = case.graph.axes_of(x).to_vec();
            match axes.first() {
                Some(&a) => case.graph.log_softmax(x, &[a]),
                None => case.graph.square(x),
            }
        }
        6 => {
            let axes = case.graph.axes_of(x).to_vec();
            case.graph.mean(x, &axes[axes.len().min(1)..])
        }
        k => {
            let y = expression(case, leaves, depth - 1);
            match k {
                7 | 8 => case.graph.add(x, y),
                9 => case.graph.sub(x, y),
                10 | 11 => case.graph.mul(x, y),
                12 => {
                    let p = case.graph.softplus(y);
                    let p = case.graph.shift(p, 0.5);
                    case.graph.div(x, p)
                }
                _ => {
                    let axes = fe_graph::axis::union(case.graph.axes_of(x), case.graph.axes_of(y));
                    let over = &axes[..axes.len().min(1)];
                    let c = case.graph.contract(x, y, over);
                    case.graph.unary(Unary::Tanh, c)
                }
            }
        }
    }
}

/// The outer-product form: a column at a time is taken out of what is left.
fn cholesky_by_columns(a: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = a.len();
    let mut left: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| 0.5 * (a[i][j] + a[j][i])).collect()).collect();
    let mut l = vec![vec![0.0; n]; n];
    for k in 0..n {
        let pivot = left[k][k].sqrt();
        for i in k..n {
            l[i][k] = left[i][k] / pivot;
        }
        for i in k + 1..n {
            for j in k + 1..n {
                left[i][j] -= l[i][k] * l[j][k];
            }
        }
    }
    l
}

/// Column by column, L b = e.
/// Each cofactor over the determinant.
fn inverse_by_cofactors(a: &[Vec<f64>]) -> Vec<Vec<f64>> {
    fn determinant(a: &[Vec<f64>]) -> f64 {
        match a {
            [] => 1.0,
            [first, rest @ ..] => (0..a.len())
                .map(|j| {
                    let minor: Vec<Vec<f64>> = rest.iter().map(|row| [&row[..j], &row[j + 1..]].concat()).collect();
                    first[j] * if j.is_multiple_of(2) { 1.0 } else { -1.0 } * determinant(&minor)
                })
                .sum(),
        }
    }
    let n = a.len();
    let whole = determinant(a);
    let cofactor = |i: usize, j: usize| {
        let minor: Vec<Vec<f64>> =
            (0..n).filter(|&r| r != i).map(|r| (0..n).filter(|&c| c != j).map(|c| a[r][c]).collect()).collect();
        determinant(&minor) * if (i + j).is_multiple_of(2) { 1.0 } else { -1.0 }
    };
    (0..n).map(|i| (0..n).map(|j| cofactor(j, i) / whole).collect()).collect()
}

fn inverse_by_substitution(l: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = l.len();
    let mut inverse = vec![vec![0.0; n]; n];
    for c in 0..n {
        for i in c..n {
            let known: f64 = (c..i).map(|k| l[i][k] * inverse[k][c]).sum();
            inverse[i][c] = (f64::from(u8::from(i == c)) - known) / l[i][i];
        }
    }
    inverse
}
