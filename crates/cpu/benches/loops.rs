//! Values and gradients of recurrences, each beside the same loop written out in Rust: microseconds, medians of runs
//! that take turns. The numbers of both are held to each other first.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
// Loops are written out as one would by hand.
#![allow(clippy::needless_range_loop)]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use fe_cpu::{CpuExecutor, Precision};
use fe_graph::{Axis, Binary, Executor, Feed, Graph, InputId, NodeId, Recurrence, Tensor};

/// Runs of each; the median is told.
const RUNS: usize = 41;

/// A graph with what it is fed.
struct Case {
    graph: Graph,
    feed: Feed,
    parameters: Vec<NodeId>,
}

/// A number between −1 and 1, another for each k.
fn number(k: usize) -> f64 {
    (k.wrapping_mul(2_654_435_761) % 10_007) as f64 / 5003.5 - 1.0
}

impl Case {
    fn new() -> Self {
        Self { graph: Graph::new(), feed: Feed::default(), parameters: vec![] }
    }

    fn axis(&mut self, name: &str, extent: usize) -> Axis {
        Axis::plain(self.graph.add_axis(name, extent))
    }

    fn fed(&mut self, name: &str, axes: &[Axis], values: &[f64]) -> (InputId, NodeId) {
        let shape = self.graph.input(name, axes);
        let extents = axes.iter().map(|a| self.graph.extent_of(a.id)).collect();
        self.feed.inputs.insert(shape.0, Arc::new(Tensor::new(extents, values.to_vec()).unwrap()));
        shape
    }

    fn data(&mut self, axes: &[Axis], values: &[f64]) -> NodeId {
        self.fed("data", axes, values).1
    }

    fn parameter(&mut self, axes: &[Axis], values: &[f64]) -> NodeId {
        let node = self.fed("parameter", axes, values).1;
        self.parameters.push(node);
        node
    }

    /// A value some positions ago.
    fn earlier(&mut self, x: NodeId, axis: Axis, by: f64) -> NodeId {
        let g = &mut self.graph;
        let (iota, by, zero) = (g.iota(axis), g.constant(-by), g.constant(0.0));
        let index = g.add(iota, by);
        let index = g.binary(Binary::Max, index, zero);
        g.gather(x, index, axis)
    }

    /// What stands for values over an axis while they are defined.
    fn stand_in(&mut self, axes: &[Axis]) -> NodeId {
        self.graph.input("stand-in", axes).1
    }

    /// Microseconds of the value and its gradient and of `own`, which computes the same.
    fn measure(mut self, name: &str, steps: usize, value: NodeId, own: &mut dyn FnMut() -> Vec<f64>) {
        let gradient = self.graph.gradient(value, &self.parameters).unwrap();
        let outputs = [vec![value], gradient].concat();
        let mut compiled = CpuExecutor::new(Precision::F64).compile(&self.graph, &outputs).unwrap();
        let written = own();
        let numbers = |tensors: Vec<Tensor>| tensors.into_iter().flat_map(|t| t.values).collect::<Vec<f64>>();
        // The second run knows what stays; parameters change from run to run.
        for _ in 0..2 {
            let planned = numbers(compiled.run(&self.feed).unwrap());
            assert_eq!(planned.len(), written.len());
            for (a, b) in planned.iter().zip(&written) {
                assert!((a - b).abs() < 1e-9 * (1.0 + b.abs()), "{name}: {a} {b}");
            }
            self.anew();
        }
        let (mut times, mut written) = (vec![], vec![]);
        for _ in 0..RUNS {
            self.anew();
            let start = Instant::now();
            black_box(compiled.run(&self.feed).unwrap());
            times.push(start.elapsed().as_secs_f64() * 1e6);
            let start = Instant::now();
            black_box(own());
            written.push(start.elapsed().as_secs_f64() * 1e6);
        }
        let median = |times: &mut Vec<f64>| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        };
        let (ours, theirs) = (median(&mut times), median(&mut written));
        let each = ours * 1e3 / steps as f64;
        println!(
            "{name:<32} {ours:9.1} µs   written out {theirs:8.1} µs   {:5.1} ×   {each:6.1} ns a step",
            ours / theirs
        );
    }

    /// The parameters as new tensors.
    fn anew(&mut self) {
        let graph = &self.graph;
        let of = |n: &NodeId| if let fe_graph::Op::Input(k) = graph.node(*n).op { Some(k) } else { None };
        for key in self.parameters.iter().filter_map(of) {
            let same = Tensor::clone(&self.feed.inputs[&key]);
            self.feed.inputs.insert(key, Arc::new(same));
        }
    }
}

/// Two actions, learned by their rewards: T trials of S subjects.
fn q_learning() {
    let (trials, subjects) = (60, 8);
    let mut c = Case::new();
    let (t, s, a) = (c.axis("T", trials), c.axis("S", subjects), c.axis("A", 2));
    let cells = trials * subjects;
    let chosen: Vec<f64> = (0..cells).map(|k| f64::from(number(k) > 0.0)).collect();
    let rewards: Vec<f64> = (0..cells).map(|k| f64::from(number(k + 7777) > 0.2)).collect();
    let took: Vec<f64> = chosen.iter().flat_map(|&c| [1.0 - c, c]).collect();
    let rates: Vec<f64> = (0..subjects).map(|k| 0.3 + 0.2 * number(k)).collect();
    let slopes: Vec<f64> = (0..subjects).map(|k| 2.0 + number(k)).collect();
    let later: Vec<f64> = (0..trials).map(|k| f64::from(k > 0)).collect();
    let (alpha, beta) = (c.parameter(&[s], &rates), c.parameter(&[s], &slopes));
    let (choice, reward) = (c.data(&[t, s], &chosen), c.data(&[t, s], &rewards));
    let (took_node, later) = (c.data(&[t, s, a], &took), c.data(&[t], &later));
    let (sign, q) = (c.data(&[a], &[-1.0, 1.0]), c.stand_in(&[t, s, a]));
    let past = c.earlier(q, t, 1.0);
    let (took_past, reward_past) = (c.earlier(took_node, t, 1.0), c.earlier(reward, t, 1.0));
    let g = &mut c.graph;
    let gap = g.sub(reward_past, past);
    let rate = g.mul(alpha, took_past);
    let gain = g.mul(rate, gap);
    let next = g.add(past, gain);
    let value = g.mul(later, next);
    let q = g.recur(t, &[Recurrence { stand_in: q, value }]).unwrap().values[0];
    let difference = g.contract(q, sign, &[a]);
    let logit = g.mul(beta, difference);
    let (fit, level) = (g.mul(choice, logit), g.softplus(logit));
    let each = g.sub(fit, level);
    let total = g.sum(each, &[t, s]);
    c.measure("Q-learning, 480 trials", trials, total, &mut || {
        let (mut value, mut of_rates, mut of_slopes) = (0.0, vec![0.0; subjects], vec![0.0; subjects]);
        let mut history = vec![[0.0f64; 2]; cells];
        for s in 0..subjects {
            let mut q = [0.0; 2];
            let mut slope = vec![0.0; trials];
            for t in 0..trials {
                let k = t * subjects + s;
                history[k] = q;
                let logit = slopes[s] * (q[1] - q[0]);
                value += chosen[k] * logit - logit.max(0.0) - (-logit.abs()).exp().ln_1p();
                slope[t] = chosen[k] - 1.0 / (1.0 + (-logit).exp());
                of_slopes[s] += slope[t] * (q[1] - q[0]);
                let i = chosen[k] as usize;
                q[i] += rates[s] * (rewards[k] - q[i]);
            }
            let mut back = [0.0; 2];
            for t in (0..trials).rev() {
                let k = t * subjects + s;
                let i = chosen[k] as usize;
                if t + 1 < trials {
                    of_rates[s] += back[i] * (rewards[k] - history[k][i]);
                    back[i] *= 1.0 - rates[s];
                }
                back[0] -= slope[t] * slopes[s];
                back[1] += slope[t] * slopes[s];
            }
        }
        [vec![value], of_rates, of_slopes].concat()
    });
}

/// A driven recurrence of the second order, held to what was observed.
fn autoregression() {
    let steps = 5000;
    let mut c = Case::new();
    let t = c.axis("T", steps);
    let drive: Vec<f64> = (0..steps).map(number).collect();
    let seen: Vec<f64> = (0..steps).map(|k| number(k + 99)).collect();
    // What is read before the first position counts for nothing.
    let (once, twice): (Vec<f64>, Vec<f64>) = (0..steps).map(|k| (f64::from(k > 0), f64::from(k > 1))).unzip();
    let (first, second) = (c.parameter(&[], &[0.6]), c.parameter(&[], &[-0.3]));
    let [x, seen_node, once, twice] = [&drive, &seen, &once, &twice].map(|v| c.data(&[t], v));
    let y = c.stand_in(&[t]);
    let (one, two) = (c.earlier(y, t, 1.0), c.earlier(y, t, 2.0));
    let g = &mut c.graph;
    let (weight_one, weight_two) = (g.mul(first, once), g.mul(second, twice));
    let (one, two) = (g.mul(weight_one, one), g.mul(weight_two, two));
    let both = g.add(one, two);
    let value = g.add(both, x);
    let y = g.recur(t, &[Recurrence { stand_in: y, value }]).unwrap().values[0];
    let gap = g.sub(y, seen_node);
    let square = g.square(gap);
    let total = g.sum(square, &[t]);
    c.measure("AR(2), 5,000 steps", steps, total, &mut || {
        let (a, b) = (0.6, -0.3);
        let mut y = vec![0.0; steps];
        let mut value = 0.0;
        for t in 0..steps {
            let one = if t > 0 { y[t - 1] } else { 0.0 };
            let two = if t > 1 { y[t - 2] } else { 0.0 };
            y[t] = a * one + b * two + drive[t];
            value += (y[t] - seen[t]).powi(2);
        }
        let (mut of_a, mut of_b) = (0.0, 0.0);
        let (mut next, mut after) = (0.0, 0.0);
        for t in (0..steps).rev() {
            let back = 2.0 * (y[t] - seen[t]) + a * next + b * after;
            of_a += if t > 0 { back * y[t - 1] } else { 0.0 };
            of_b += if t > 1 { back * y[t - 2] } else { 0.0 };
            (after, next) = (next, back);
        }
        vec![value, of_a, of_b]
    });
}

/// The probability of a sequence of five hidden states, by their scaled forward recursion.
fn hidden_states() {
    const K: usize = 5;
    let steps = 1000;
    let mut c = Case::new();
    let (t, k) = (c.axis("T", steps), c.axis("K", K));
    let mut moves = [[0.0; K]; K];
    for (i, row) in moves.iter_mut().enumerate() {
        for (j, m) in row.iter_mut().enumerate() {
            *m = 0.2 + 0.1 * number(i * K + j);
        }
    }
    let likelihood: Vec<f64> = (0..steps * K).map(|i| 0.5 + 0.4 * number(i)).collect();
    let first: Vec<f64> = (0..steps).map(|k| f64::from(k == 0)).collect();
    let a = c.parameter(&[k, k.primed()], moves.as_flattened());
    let (b, first, p) = (c.data(&[t, k], &likelihood), c.data(&[t], &first), c.stand_in(&[t, k]));
    let past = c.earlier(p, t, 1.0);
    let g = &mut c.graph;
    let even = g.constant(1.0 / K as f64);
    let past = g.select(first, even, past);
    let moved = g.contract(past, a, &[k]);
    let moved = g.rename(moved, &[(k.primed(), k)]);
    let joint = g.mul(moved, b);
    let scale = g.sum(joint, &[k]);
    let value = g.div(joint, scale);
    let p = g.recur(t, &[Recurrence { stand_in: p, value }]).unwrap().values[0];
    // The scales again, from the probabilities.
    let past = c.earlier(p, t, 1.0);
    let g = &mut c.graph;
    let past = g.select(first, even, past);
    let moved = g.contract(past, a, &[k]);
    let moved = g.rename(moved, &[(k.primed(), k)]);
    let scale = g.contract(moved, b, &[k]);
    let logs = g.log(scale);
    let total = g.sum(logs, &[t]);
    c.measure("hidden Markov model, 5 states", steps, total, &mut || {
        let (mut p, mut value) = ([1.0 / K as f64; K], 0.0);
        let mut history = vec![([0.0; K], [0.0; K], 0.0); steps];
        for t in 0..steps {
            let mut joint = [0.0; K];
            for i in 0..K {
                for j in 0..K {
                    joint[j] += p[i] * moves[i][j];
                }
            }
            for j in 0..K {
                joint[j] *= likelihood[t * K + j];
            }
            let scale: f64 = joint.iter().sum();
            history[t] = (p, joint.map(|x| x / scale), scale);
            p = history[t].1;
            value += scale.ln();
        }
        let (mut back, mut of_moves) = ([0.0; K], [[0.0; K]; K]);
        for t in (0..steps).rev() {
            let (before, now, scale) = history[t];
            let along: f64 = (0..K).map(|j| back[j] * now[j]).sum();
            let mut of_moved = [0.0; K];
            for j in 0..K {
                of_moved[j] = (back[j] - along + 1.0) / scale * likelihood[t * K + j];
            }
            for i in 0..K {
                back[i] = 0.0;
                for j in 0..K {
                    of_moves[i][j] += before[i] * of_moved[j];
                    back[i] += moves[i][j] * of_moved[j];
                }
            }
        }
        [&[value], of_moves.as_flattened()].concat()
    });
}

/// States of the filter.
const N: usize = 4;

type Square = [[f64; N]; N];

fn product(a: &Square, b: &Square) -> Square {
    let mut c = [[0.0; N]; N];
    for i in 0..N {
        for k in 0..N {
            for j in 0..N {
                c[i][j] += a[i][k] * b[k][j];
            }
        }
    }
    c
}

fn transposed(a: &Square) -> Square {
    let mut c = [[0.0; N]; N];
    for (i, row) in a.iter().enumerate() {
        for (j, &x) in row.iter().enumerate() {
            c[j][i] = x;
        }
    }
    c
}

fn applied(a: &Square, x: &[f64; N]) -> [f64; N] {
    a.map(|row| row.iter().zip(x).map(|(a, x)| a * x).sum())
}

fn dot(x: &[f64; N], y: &[f64; N]) -> f64 {
    x.iter().zip(y).map(|(a, b)| a * b).sum()
}

/// The parameters and data of a filter.
struct Filter {
    moves: Square,
    weights: [f64; N],
    seen: Vec<f64>,
    drift: f64,
    noise: f64,
}

impl Filter {
    /// Log density of what was seen, and its derivatives by the noise of states, of observations, and by the moves.
    fn written_out(&self) -> Vec<f64> {
        let Self { moves, weights, seen, drift, noise } = self;
        let (mut mean, mut spread) = ([0.0; N], [[0.0; N]; N]);
        for (k, row) in spread.iter_mut().enumerate() {
            row[k] = 1.0;
        }
        let (mut value, mut history) = (0.0, vec![]);
        for y in seen {
            let ahead = applied(moves, &mean);
            let mut wide = product(&product(moves, &spread), &transposed(moves));
            for (k, row) in wide.iter_mut().enumerate() {
                row[k] += drift;
            }
            let (gap, gain) = (y - dot(weights, &ahead), applied(&wide, weights));
            let scale = dot(weights, &gain) + noise;
            history.push((mean, spread, gap, gain, scale));
            value -= 0.5 * (scale.ln() + gap * gap / scale);
            for i in 0..N {
                mean[i] = ahead[i] + gain[i] * gap / scale;
                for j in 0..N {
                    spread[i][j] = wide[i][j] - gain[i] * gain[j] / scale;
                }
            }
        }
        let (mut of_drift, mut of_noise, mut of_moves) = (0.0, 0.0, [[0.0; N]; N]);
        let (mut of_mean, mut of_spread) = ([0.0; N], [[0.0; N]; N]);
        for (mean, spread, gap, gain, scale) in history.into_iter().rev() {
            let along = dot(&of_mean, &gain) / scale;
            let of_gap = along - gap / scale;
            let inner = applied(&of_spread, &gain);
            let other = applied(&transposed(&of_spread), &gain);
            let of_scale = -along * gap / scale + dot(&gain, &inner) / (scale * scale) - 0.5 / scale
                + 0.5 * gap * gap / (scale * scale);
            of_noise += of_scale;
            let (mut of_ahead, mut of_wide) = (of_mean, of_spread);
            for i in 0..N {
                let of_gain = of_mean[i] * gap / scale - (inner[i] + other[i]) / scale + of_scale * weights[i];
                of_ahead[i] -= of_gap * weights[i];
                for j in 0..N {
                    of_wide[i][j] += of_gain * weights[j];
                }
                of_drift += of_wide[i][i];
            }
            let left = product(&product(&of_wide, moves), &transposed(&spread));
            let right = product(&product(&transposed(&of_wide), moves), &spread);
            for i in 0..N {
                for j in 0..N {
                    of_moves[i][j] += left[i][j] + right[i][j] + of_ahead[i] * mean[j];
                }
            }
            of_spread = product(&product(&transposed(moves), &of_wide), moves);
            of_mean = applied(&transposed(moves), &of_ahead);
        }
        [&[value, of_drift, of_noise], of_moves.as_flattened()].concat()
    }
}

/// Nodes of a filter: moves, weights, what is seen, whether a position is the first, both noises, and the unit matrix.
#[derive(Clone, Copy)]
struct FilterNodes {
    moves: NodeId,
    weights: NodeId,
    seen: NodeId,
    first: NodeId,
    drift: NodeId,
    noise: NodeId,
    unit: NodeId,
}

impl FilterNodes {
    /// The next mean and spread from those before, and the gap and its scale.
    fn step(self, g: &mut Graph, mean: NodeId, spread: NodeId, (row, column): (Axis, Axis)) -> [NodeId; 4] {
        let zero = g.constant(0.0);
        let (mean, spread) = (g.select(self.first, zero, mean), g.select(self.first, self.unit, spread));
        let turned = g.rename(mean, &[(row, column)]);
        let ahead = g.contract(self.moves, turned, &[column]);
        let (half, back) = (g.matrix_product(self.moves, spread, row, column), g.transposed(self.moves, row, column));
        let (wide, added) = (g.matrix_product(half, back, row, column), g.mul(self.drift, self.unit));
        let wide = g.add(wide, added);
        let guess = g.contract(self.weights, ahead, &[row]);
        let gap = g.sub(self.seen, guess);
        let across = g.rename(self.weights, &[(row, column)]);
        let gain = g.contract(wide, across, &[column]);
        let scale = g.contract(self.weights, gain, &[row]);
        let scale = g.add(scale, self.noise);
        let share = g.div(gain, scale);
        let (moved, gain) = (g.mul(share, gap), g.rename(gain, &[(row, column)]));
        let (mean, lost) = (g.add(ahead, moved), g.mul(share, gain));
        [mean, g.sub(wide, lost), gap, scale]
    }
}

/// The density of a sequence by a filter of four states.
fn filter() {
    let steps = 500;
    let mut c = Case::new();
    let (t, row) = (c.axis("T", steps), c.axis("K", N));
    let column = row.primed();
    let mut own = Filter {
        moves: [[0.0; N]; N],
        weights: [1.0, 0.5, -0.3, 0.2],
        seen: (0..steps).map(number).collect(),
        drift: 0.2,
        noise: 0.5,
    };
    let mut unit = [[0.0; N]; N];
    for i in 0..N {
        unit[i][i] = 1.0;
        for j in 0..N {
            own.moves[i][j] = 0.2 * number(i * N + j) + if i == j { 0.5 } else { 0.0 };
        }
    }
    let first: Vec<f64> = (0..steps).map(|k| f64::from(k == 0)).collect();
    let nodes = FilterNodes {
        drift: c.parameter(&[], &[own.drift]),
        noise: c.parameter(&[], &[own.noise]),
        moves: c.parameter(&[row, column], own.moves.as_flattened()),
        weights: c.data(&[row], &own.weights),
        seen: c.data(&[t], &own.seen),
        first: c.data(&[t], &first),
        unit: c.data(&[row, column], unit.as_flattened()),
    };
    let stand_ins = [c.stand_in(&[t, row]), c.stand_in(&[t, row, column])];
    let past = stand_ins.map(|s| c.earlier(s, t, 1.0));
    let next = nodes.step(&mut c.graph, past[0], past[1], (row, column));
    let recurrences = [0, 1].map(|k| Recurrence { stand_in: stand_ins[k], value: next[k] });
    let values = c.graph.recur(t, &recurrences).unwrap().values;
    let replaced = HashMap::from([(stand_ins[0], values[0]), (stand_ins[1], values[1])]);
    let [gap, scale] = [2, 3].map(|k| c.graph.substitute(&[next[k]], &replaced)[0]);
    let g = &mut c.graph;
    let (logs, square) = (g.log(scale), g.square(gap));
    let part = g.div(square, scale);
    let both = g.add(logs, part);
    let each = g.scale(both, -0.5);
    let total = g.sum(each, &[t]);
    c.measure("Kalman filter, 4 states", steps, total, &mut || own.written_out());
}

fn main() {
    // One thread, as the loops written out have.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| {
        q_learning();
        autoregression();
        filter();
        hidden_states();
    });
}
