//! The time of one training step: a linear Poisson VAE in closed form, the same sampled, and a model of ten numbers.
//! `cargo bench -p fe-candle`; `RAYON_NUM_THREADS` sets the threads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use fe_candle::{CandleExecutor, Precision};
use fe_graph::{Axis, Executor, Feed, Graph, Indicator, InputId, NodeId, NoiseKind, Site, Tensor};

const ROWS: usize = 1000;
const PIXELS: usize = 256;
const UNITS: usize = 256;

struct Model {
    graph: Graph,
    free_energy: NodeId,
    parameters: Vec<(InputId, NodeId)>,
    data: InputId,
}

/// F = Σ (x − λW)² + Σ λ‖W‖² + Σ r f(δr), or with counts in place of λ.
fn poisson_vae(sampled: bool) -> Model {
    let mut g = Graph::new();
    let n = Axis::plain(g.add_axis("N", ROWS));
    let d = Axis::plain(g.add_axis("D", PIXELS));
    let k = Axis::plain(g.add_axis("K", UNITS));
    let (data, x) = g.input("x", &[n, d]);
    let (encoder_id, encoder) = g.input("E", &[d, k]);
    let (decoder_id, decoder) = g.input("W", &[d, k]);
    let (prior_id, prior) = g.input("log r", &[k]);
    let change = g.contract(x, encoder, &[d]);
    let log_rate = g.add(prior, change);
    let rate = g.exp(log_rate);
    let code = if sampled {
        let tau = g.constant(0.4);
        g.arrivals(log_rate, tau, 0, Indicator::Cubic, Site::named("z"), &[n, k])
    } else {
        rate
    };
    let mean = g.contract(code, decoder, &[k]);
    let error = g.sub(x, mean);
    let square = g.square(error);
    let mut total = g.sum(square, &[n, d]);
    if !sampled {
        let weight = g.square(decoder);
        let weight = g.sum(weight, &[d]);
        let spread = g.contract(rate, weight, &[n, k]);
        total = g.add(total, spread);
    }
    // λ (log δr − 1) + r
    let less = g.shift(change, -1.0);
    let gain = g.contract(rate, less, &[n, k]);
    let base = g.exp(prior);
    let base = g.broadcast(base, &[n]);
    let base = g.sum(base, &[n, k]);
    let kl = g.add(gain, base);
    let total = g.add(total, kl);
    let free_energy = g.scale(total, 1.0 / ROWS as f64);
    Model {
        graph: g,
        free_energy,
        parameters: vec![(encoder_id, encoder), (decoder_id, decoder), (prior_id, prior)],
        data,
    }
}

/// Eight schools, not centred: full-rank Gaussian guide over ten numbers, one sample.
fn eight_schools() -> Model {
    let mut g = Graph::new();
    let j = Axis::plain(g.add_axis("J", 8));
    let p = Axis::plain(g.add_axis("P", 10));
    let (data, y) = g.input("y", &[j]);
    let (mean_id, mean) = g.input("mean", &[p]);
    let (root_id, root) = g.input("root", &[p, p.primed()]);
    let noise = g.noise(NoiseKind::Normal, Site::named("z"), &[Axis::SAMPLE, p]);
    let noise = g.rename(noise, &[(p, p.primed())]);
    let moved = g.contract(root, noise, &[p.primed()]);
    let z = g.add(mean, moved);
    let (mu, log_tau) = (g.pick(z, p, 0), g.pick(z, p, 1));
    let eta = g.slice(z, p, 2, j);
    let tau = g.exp(log_tau);
    let spread = g.mul(tau, eta);
    let theta = g.add(mu, spread);
    let sd = g.literal(Tensor::new(vec![8], vec![15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]).unwrap(), &[j]);
    let error = g.sub(y, theta);
    let error = g.div(error, sd);
    let terms = [error, eta].map(|e| {
        let s = g.square(e);
        g.sum(s, &[j])
    });
    let (mu, tau) = (g.scale(mu, 0.2), g.scale(tau, 0.2));
    let (mu, tau) = (g.square(mu), g.square(tau));
    let tau = g.log1p(tau);
    let mut total = g.add(terms[0], terms[1]);
    total = g.add(total, mu);
    total = g.scale(total, 0.5);
    total = g.add(total, tau);
    total = g.sub(total, log_tau);
    let total = g.mean(total, &[Axis::SAMPLE]);
    Model { graph: g, free_energy: total, parameters: vec![(mean_id, mean), (root_id, root)], data }
}

fn numbers(shape: &[usize], scale: f64, seed: u64) -> Tensor {
    let count: usize = shape.iter().product();
    let at = |k: usize| {
        let z = (k as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ seed.wrapping_mul(0x1234_5677));
        (((z ^ z >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f64 / (1u64 << 24) as f64 - 0.5) * 2.0 * scale
    };
    Tensor { shape: shape.to_vec(), values: (0..count).map(at).collect() }
}

fn time(name: &str, mut model: Model, precision: Precision, steps: usize) {
    let nodes: Vec<NodeId> = model.parameters.iter().map(|p| p.1).collect();
    let mut outputs = vec![model.free_energy];
    outputs.extend(model.graph.gradient(model.free_energy, &nodes).unwrap());
    let mut program = CandleExecutor::new(precision, "cpu").unwrap().compile(&model.graph, &outputs).unwrap();
    let shape = |node: NodeId| -> Vec<usize> {
        model.graph.axes_of(node).iter().map(|a| model.graph.extent_of(a.id)).collect()
    };
    let data_axes = &model.graph.input_info(model.data).unwrap().axes;
    let data_shape: Vec<usize> = data_axes.iter().map(|a| model.graph.extent_of(a.id)).collect();
    let data = numbers(&data_shape, 1.0, 1);
    let parameters: Vec<Tensor> = nodes.iter().map(|&n| numbers(&shape(n), 0.05, 2)).collect();
    let mut times = vec![];
    for step in 0..steps {
        let mut inputs: HashMap<_, _> =
            model.parameters.iter().zip(&parameters).map(|(p, t)| (p.0, Arc::new(t.clone()))).collect();
        inputs.insert(model.data, Arc::new(data.clone()));
        let feed = Feed { inputs, step: step as u64, ..Feed::default() };
        let start = Instant::now();
        program.run(&feed).unwrap();
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let count = model.graph.reachable(&outputs).len();
    println!("{name:30} {precision:?} {count:4} nodes: median {:.3} ms, best {:.3} ms", times[steps / 2], times[0]);
    if std::env::args().any(|a| a == "--dump") {
        println!("{}", model.graph.dump(&outputs));
    }
}

fn main() {
    for precision in [Precision::F32, Precision::F64] {
        time("linear Poisson VAE, closed form", poisson_vae(false), precision, 60);
        time("linear Poisson VAE, sampled", poisson_vae(true), precision, 20);
        time("eight schools, one sample", eight_schools(), precision, 3000);
    }
}
