//! Sampled gradients against exact ones: the same program with its expectation in closed form, and with one that no rule
//! covers because it is written as max(a, −a)². Means over many draws agree within three standard errors; of relaxed counts they
//! differ by the bias that is known.

use std::collections::HashMap;
use std::sync::Arc;

use fe_check::{Header, Overrides, Reader};
use fe_cpu::{CpuExecutor, Precision};
use fe_graph::{InputId, Tensor};
use fe_objective::Objective;
use fe_train::{Problem, Setting, Values};

use crate::trials::{Tier, Trials, claims};

/// Draws of the gradient, and samples of each.
const REPEATS: usize = 400;
const SAMPLES: usize = 500;

/// A program whose data are written in it.
fn compile(source: &str) -> (Objective, HashMap<InputId, Arc<Tensor>>) {
    let parsed = fe_syntax::parse(source);
    let (calls, _) = fe_check::sources(&parsed.ast, &Overrides::default());
    let (mut headers, mut numbers) = (HashMap::new(), HashMap::new());
    for call in calls {
        let Reader::Numbers { shape, values } = call.reader else { panic!("only numbers in the program") };
        headers.insert(call.data.clone(), Header { shape: shape.clone(), ..Header::default() });
        numbers.insert(call.data, Tensor { shape, values });
    }
    let checked = fe_check::check(&parsed.ast, &headers, &Overrides::default(), "test");
    let program = checked.program.unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    let data = program.data.iter().map(|d| (d.input, Arc::new(numbers[&d.name].clone()))).collect();
    (fe_objective::derive(&program, source).unwrap_or_else(|e| panic!("{e:?}")), data)
}

/// The gradient's mean and standard error by parameter, at the program's start, at a temperature.
fn gradient(source: &str, temperature: f64) -> Vec<(String, Vec<f64>, Vec<f64>)> {
    gradient_of(source, temperature, (REPEATS, SAMPLES))
}

/// The same of so many gradients of so many samples.
fn gradient_of(
    source: &str,
    temperature: f64,
    (repeats, samples): (usize, usize),
) -> Vec<(String, Vec<f64>, Vec<f64>)> {
    let (o, data) = compile(source);
    let executor = CpuExecutor::new(Precision::F64);
    let rows: Vec<u64> = (0..o.row.map_or(0, |r| r.rows) as u64).collect();
    let problem = Problem::new(&o, &executor, data, (rows, vec![]), 7).unwrap();
    let values: Values = problem.start(0);
    let mut compiled = problem.compile(&o.minimised.gradient).unwrap();
    let repeats = if o.minimised.deterministic { 1 } else { repeats };
    let mut sums: Vec<(Vec<f64>, Vec<f64>)> = vec![];
    for step in 0..repeats {
        let setting = Setting { temperature, ..Setting::reporting(step as u64, samples) };
        let found = compiled.run(&problem.feed(&values, &problem.train, &setting)).unwrap();
        sums.resize(found.len(), (vec![], vec![]));
        for (sum, tensor) in sums.iter_mut().zip(found) {
            sum.0.resize(tensor.values.len(), 0.0);
            sum.1.resize(tensor.values.len(), 0.0);
            for (k, v) in tensor.values.iter().enumerate() {
                sum.0[k] += v / repeats as f64;
                sum.1[k] += v * v / repeats as f64;
            }
        }
    }
    let error = |m: &f64, s: &f64| ((s - m * m).max(0.0) / repeats as f64).sqrt();
    o.parameters
        .iter()
        .zip(sums)
        .map(|(p, (mean, square))| {
            let errors = mean.iter().zip(&square).map(|(m, s)| error(m, s)).collect();
            (p.name.clone(), mean, errors)
        })
        .collect()
}

/// Every sampled gradient within three standard errors of the exact one, shifted by `bias`.
fn agree(what: &str, exact: &str, sampled: &str, temperature: f64, bias: impl Fn(&str, usize) -> f64) {
    let (exact, sampled) = (gradient(exact, temperature), gradient(sampled, temperature));
    let mut widest = 0.0f64;
    for ((name, truth, _), (_, mean, error)) in exact.iter().zip(&sampled) {
        for (k, ((t, m), e)) in truth.iter().zip(mean).zip(error).enumerate() {
            let expected = t + bias(name, k);
            widest = widest.max(e * (REPEATS as f64).sqrt());
            assert!(
                (m - expected).abs() <= 3.0 * e + 1e-12,
                "{what}: {name}[{k}] is {m} ± {e}, not {expected} (exact {t})"
            );
        }
    }
    assert!(widest > 0.0, "{what}: nothing was sampled");
    println!("{what}: the sd of a gradient of {SAMPLES} samples is {widest:.2e} at most; 0 in closed form");
}

const DATA: &str =
    "dim K = 2\ndata x[N, D] = [[0.5, -1, 2], [1.5, 0.3, -0.2]]\nlet W[K, D] = [[1, 0.5, -0.7], [0.2, -1.1, 0.4]]\n";

fn relaxed_counts_are_short_by_nine_thirty_fifths() {
    let head = format!("{DATA}param v[K] = [0.3, -0.4]\nlatent z[N, K] ~ Poisson(1)\nguide z ~ Poisson(exp(v))\n");
    let exact = format!("{head}loss d = 0.5 * (x - z @ W)^2\n");
    let sampled = format!("{head}loss d = 0.5 * max(x - z @ W, z @ W - x)^2\n");
    // ½ Var z ‖w‖² has the relaxed variance λ(1 − κτ): its slope in log λ is short by ½ κτ λ ‖w‖².
    let squares = [1.0 + 0.25 + 0.49, 0.04 + 1.21 + 0.16];
    for temperature in [0.4, 1.0] {
        let bias = |_: &str, k: usize| {
            let rate = [0.3f64, -0.4][k].exp();
            -0.5 * (9.0 / 35.0) * temperature * rate * squares[k]
        };
        agree(&format!("relaxed counts at {temperature}"), &exact, &sampled, temperature, bias);
    }
}

/// The shoot-out of docs/studies/estimators.md: eight units of rate 1 before a fixed decoder, the gradient in their log rates
/// by every estimator of a count and temperature, against the exact one. Run with `--nocapture`, it prints the table.
fn estimators_of_counts_by_temperature() {
    const DRAWS: (usize, usize) = (100, 200);
    const DECODER: [[f64; 6]; 8] = [
        [0.9, -0.3, 0.5, 0.1, -0.7, 0.2],
        [-0.4, 0.8, 0.1, -0.6, 0.3, 0.5],
        [0.2, 0.6, -0.9, 0.4, 0.1, -0.3],
        [0.7, 0.2, 0.3, -0.8, 0.5, -0.1],
        [-0.1, -0.5, 0.6, 0.7, 0.4, -0.2],
        [0.3, 0.1, -0.2, 0.5, -0.6, 0.8],
        [-0.8, 0.4, 0.2, 0.1, 0.3, 0.6],
        [0.5, -0.7, 0.4, -0.2, 0.1, 0.3],
    ];
    let head = format!(
        "dim K = 8\ndata x[N, D] = [[0.5, -1, 2, 0.3, -0.4, 1]]\nlet W[K, D] = {DECODER:?}\nparam v[K] = 0\n\
         latent z[N, K] ~ Poisson(1)\n"
    );
    let objective = "minimize distortion + 0 * rate\n";
    let exact = gradient(&format!("{head}guide z ~ Poisson(exp(v))\nloss d = (x - z @ W)^2\n{objective}"), 0.0);
    let truth = &exact[0].1;
    let length = truth.iter().map(|t| t * t).sum::<f64>();
    // Bias of the mean gradient and its Monte Carlo error, variance of one sample's gradient, both relative to the exact one.
    let figures = |by: &str, temperature: f64| {
        let sampled =
            format!("{head}guide z ~ Poisson(exp(v)) by {by}\nloss d = max(x - z @ W, z @ W - x)^2\n{objective}");
        let found = gradient_of(&sampled, temperature, DRAWS);
        let (mean, error) = (&found[0].1, &found[0].2);
        let bias = truth.iter().zip(mean).map(|(t, m)| (m - t).powi(2)).sum::<f64>() / length;
        let noise = error.iter().map(|e| e * e).sum::<f64>() / length;
        (bias.sqrt(), noise.sqrt(), noise * (DRAWS.0 * DRAWS.1) as f64)
    };
    let temperatures = [0.02, 0.1, 0.4, 1.0];
    let table: HashMap<&str, Vec<(f64, f64, f64)>> =
        ["cubic", "linear", "quintic", "cosine", "sigmoid", "gumbel_softmax"]
            .into_iter()
            .map(|by| (by, temperatures.iter().map(|&t| figures(by, t)).collect()))
            .collect();
    let score = figures("score", 0.0);
    for (by, row) in &table {
        for (t, (bias, noise, variance)) in temperatures.iter().zip(row) {
            println!("{by} at {t}: bias {bias:.3} ± {noise:.3}, variance {variance:.2}");
        }
    }
    println!("score: bias {:.3} ± {:.3}, variance {:.1}", score.0, score.1, score.2);
    // Of these indicators the mean is exact, and the variance short by κτ: so is the slope of Σ λ ‖w‖².
    let squares = DECODER.map(|w| w.iter().map(|w| w * w).sum::<f64>());
    let short = (squares.iter().map(|s| s * s).sum::<f64>() / length).sqrt();
    for (by, kappa) in [("cubic", 9.0 / 35.0), ("linear", 1.0 / 3.0), ("quintic", 50.0 / 231.0), ("cosine", 0.25)] {
        for (t, (bias, noise, _)) in temperatures.iter().zip(&table[by]) {
            let expected = kappa * t * short;
            assert!((bias - expected).abs() < 3.0 * noise, "{by} at {t}: bias {bias} ± {noise}, not {expected}");
        }
    }
    let (cubic, sigmoid) = (&table["cubic"], &table["sigmoid"]);
    assert!(
        sigmoid[3].0 > 0.2 && sigmoid[3].0 > 2.0 * cubic[3].0,
        "sigmoid at 1: {:?}, cubic {:?}",
        sigmoid[3],
        cubic[3]
    );
    // What cubic pays for its small bias, and what the score function costs.
    assert!(cubic[1].2 > sigmoid[1].2, "{cubic:?} {sigmoid:?}");
    let relaxed = table.iter().filter(|(by, _)| **by != "gumbel_softmax").flat_map(|(_, row)| &row[2..]);
    let widest = relaxed.map(|r| r.2).fold(0.0, f64::max);
    assert!(score.2 > widest, "score {score:?}, the widest of the relaxed from τ = 0.4 {widest}");
}

/// Guides with a pathwise draw, the everyday one first.
const PATHWISE: [(&str, &str); 7] = [
    ("Normal", "latent z[N, K] ~ Normal(0, 1)\nguide z ~ Normal(m, exp(s))\n"),
    ("LogNormal", "latent z[N, K] ~ LogNormal(0, 1)\nguide z ~ LogNormal(m, 0.5 * exp(s))\n"),
    ("Laplace", "latent z[N, K] ~ Laplace(0, 1)\nguide z ~ Laplace(m, exp(s))\n"),
    ("Exponential", "latent z[N, K] ~ Exponential(1)\nguide z ~ Exponential(exp(m + s))\n"),
    ("Gamma", "latent z[N, K] ~ Gamma(2, 1)\nguide z ~ Gamma(exp(m), exp(s))\n"),
    ("Beta", "latent z[N, K] ~ Beta(1, 1)\nguide z ~ Beta(exp(m), exp(s))\n"),
    ("ChiSquared", "latent z[N, K] ~ ChiSquared(2)\nguide z ~ ChiSquared(exp(m + s))\n"),
];

fn pathwise_gradient_is_unbiased(name: &str, guide: &str) {
    let head = format!("{DATA}param m[K] = [0.3, -0.4]\nparam s[K] = [-0.5, 0.1]\n{guide}");
    let exact = format!("{head}loss d = 0.5 * (x - z @ W)^2\n");
    let sampled = format!("{head}loss d = 0.5 * max(x - z @ W, z @ W - x)^2\n");
    agree(name, &exact, &sampled, 0.0, |_, _| 0.0);
}

/// Widest standard deviation of an element of one gradient of `SAMPLES` samples.
fn spread(source: &str) -> f64 {
    let elements = gradient(source, 0.0).into_iter().flat_map(|(_, _, errors)| errors);
    elements.fold(0.0, f64::max) * (REPEATS as f64).sqrt()
}

/// Guides without a pathwise draw, the everyday one first, and others by choice.
const BY_SCORE: [(&str, &str); 7] = [
    ("Bernoulli", "latent z[N, K] ~ Bernoulli(0.5)\nguide z ~ Bernoulli(sigmoid(m + s))\n"),
    ("Poisson", "latent z[N, K] ~ Poisson(1)\nguide z ~ Poisson(exp(m + s)) by score\n"),
    ("Geometric", "latent z[N, K] ~ Geometric(0.5)\nguide z ~ Geometric(sigmoid(m + s))\n"),
    ("NegativeBinomial", "latent z[N, K] ~ NegativeBinomial(1, 2)\nguide z ~ NegativeBinomial(exp(m), exp(s))\n"),
    ("Binomial", "latent z[N, K] ~ Binomial(5, 0.5)\nguide z ~ Binomial(5, sigmoid(m + s))\n"),
    ("Normal", "latent z[N, K] ~ Normal(0, 1)\nguide z ~ Normal(m, exp(s)) by score\n"),
    ("Gamma", "latent z[N, K] ~ Gamma(2, 1)\nguide z ~ Gamma(exp(m), exp(s)) by score\n"),
];

/// The score function agrees with the closed form.
fn score_function_gradient_is_unbiased(name: &str, guide: &str) {
    let objective = "minimize distortion + 0 * rate\n";
    let head = format!("{DATA}param m[K] = [0.3, -0.4]\nparam s[K] = [-0.5, 0.1]\n{guide}{objective}");
    let exact = format!("{head}loss d = 0.5 * (x - z @ W)^2\n");
    let sampled = format!("{head}loss d = 0.5 * max(x - z @ W, z @ W - x)^2\n");
    agree(&format!("score, {name}"), &exact, &sampled, 0.0, |_, _| 0.0);
}

/// Of the same expectation: closed form, pathwise, score function.
fn variances_are_in_the_order_of_the_estimators() {
    for (family, args) in [("Normal", "m, exp(s)"), ("Gamma", "exp(m), exp(s)")] {
        let prior = if family == "Normal" { "Normal(0, 1)" } else { "Gamma(2, 1)" };
        let head = format!("{DATA}param m[K] = [0.3, -0.4]\nparam s[K] = [-0.5, 0.1]\nlatent z[N, K] ~ {prior}\n");
        let loss = "loss d = 0.5 * max(x - z @ W, z @ W - x)^2\n";
        let closed = spread(&format!("{head}guide z ~ {family}({args})\nloss d = 0.5 * (x - z @ W)^2\n"));
        let pathwise = spread(&format!("{head}guide z ~ {family}({args})\n{loss}"));
        let score = spread(&format!("{head}guide z ~ {family}({args}) by score\n{loss}"));
        println!("{family}: sd of a gradient: closed {closed:.1e}, pathwise {pathwise:.2e}, score {score:.2e}");
        assert!(closed < 1e-12 && 0.0 < pathwise && pathwise < score, "{family}: {closed} {pathwise} {score}");
    }
}

/// Rows, and terms that a latent does not reach, stay out of its score: more of them do not add to the variance.
fn scores_are_rao_blackwellised() {
    let program = |rows: &str, other: &str| {
        format!(
            "data x[N] = {rows}\nparam m[N] = 0.3\nlatent z[N] ~ Bernoulli(0.5)\nguide z ~ Bernoulli(sigmoid(m))\n\
             latent b ~ Poisson(1)\nguide b ~ Poisson(2) by score\nloss d = max(x - 3 * z, 3 * z - x)\n\
             loss e = {other} * max(b, 0.5 * b)\nminimize distortion + rate\n"
        )
    };
    // Read element by element the loss of z is summed over values, so that none of it is left to the score.
    assert!(spread(&program("[1, -2]", "1")) < 1e-6);
    let mixed = |other: &str| {
        format!(
            "dim K = 2\ndata x[N] = [1, -2, 0.5]\nparam m[K] = 0.3\nlatent z[K] ~ Bernoulli(0.5)\n\
             guide z ~ Bernoulli(sigmoid(m))\nlatent b ~ Poisson(1)\nguide b ~ Poisson(2) by score\n\
             loss d = max(x - sum(z), sum(z) - x)\nloss e = {other} * max(b, 0.5 * b)\n"
        )
    };
    let (alone, beside) = (spread(&mixed("0")), spread(&mixed("1000")));
    assert!((alone / beside - 1.0).abs() < 1e-9, "{alone} {beside}");
}

/// The sum over values under a stated guide, against the sum written by hand.
fn stated_classes_are_summed_over() {
    let head = "dim K = 2\ndata y[N] = [0.4, 1.9, -0.3]\nparam u[N, K] = [[0.2, -0.1], [0.5, 0.3], [-1, 0.7]]\n\
                param m[K] = [0.1, 1.5]\n";
    let summed = format!(
        "{head}latent c[N] : index(K) ~ Categorical(softmax(m, K))\nguide c ~ Categorical(softmax(u, K))\n\
         loss f = max(y - m[c], m[c] - y)\n"
    );
    let by_hand = format!(
        "{head}let q = softmax(u, K)\nloss f = sum(q * (max(y - m, m - y) + log(q) - log(softmax(m, K))), K)\n"
    );
    let (a, b) = (gradient(&summed, 0.0), gradient(&by_hand, 0.0));
    for ((name, x, _), (_, y, _)) in a.iter().zip(&b) {
        for (x, y) in x.iter().zip(y) {
            assert!((x - y).abs() < 1e-12, "{name}: {x} {y}");
        }
    }
}

/// Mean and variance of counts relaxed by a softmax, as computed independently (arXiv 2602.03896), and exact ones at 0.
fn softened_counts_have_the_known_moments() {
    let cases = [(0.5, 1.0, 0.682, 0.193), (3.0, 1.0, 3.163, 0.882), (0.5, 0.1, 0.50, 0.45), (3.0, 0.1, 3.00, 2.71)];
    let exact = [(0.5, 0.0, 0.5, 0.5), (3.0, 0.0, 3.0, 3.0)];
    for (rate, temperature, mean, variance) in cases.into_iter().chain(exact) {
        let source = format!(
            "data x[N] = [0]\nparam v = 0\nlatent z ~ Poisson({rate}) by gumbel_softmax\n\
             guide z ~ Poisson({rate} * exp(v)) by gumbel_softmax\nloss d = max(z - x[0], x[0] - z)\nmeter z\n"
        );
        let (o, data) = compile(&source);
        let executor = CpuExecutor::new(Precision::F64);
        let problem = Problem::new(&o, &executor, data, (vec![0], vec![]), 7).unwrap();
        let mut compiled = problem.compile(&[o.guides.latents[0].sample]).unwrap();
        let setting = Setting { temperature, ..Setting::reporting(3, 100_000) };
        let found = compiled.run(&problem.feed(&problem.start(0), &problem.train, &setting)).unwrap();
        let draws = &found[0].values;
        let n = draws.len() as f64;
        let average = draws.iter().sum::<f64>() / n;
        let spread = draws.iter().map(|z| (z - average).powi(2)).sum::<f64>() / n;
        assert!((average - mean).abs() < 0.02 * mean.max(0.5), "λ = {rate}, τ = {temperature}: mean {average}");
        assert!((spread / variance - 1.0).abs() < 0.05, "λ = {rate}, τ = {temperature}: variance {spread}");
    }
}

fn enumerated_gradients_are_exact_where_nothing_else_is_drawn() {
    // The classes summed out, against the sum written by hand.
    let head = "dim K = 2\ndata y[N] = [0.4, 1.9, -0.3]\nparam u[K] = [0.2, -0.1]\nparam m[K] = [0.1, 1.5]\n";
    let enumerated = format!("{head}latent c[N] : index(K) ~ Categorical(softmax(u))\nobserve y ~ Normal(m[c], 0.7)\n");
    let by_hand = format!(
        "{head}loss f = -logsumexp(u - logsumexp(u) - 0.5 * ((y - m) / 0.7)^2 - log(0.7) - 0.5 * log(2 * pi), K)\n"
    );
    let (a, b) = (gradient(&enumerated, 0.0), gradient(&by_hand, 0.0));
    for ((name, x, _), (_, y, _)) in a.iter().zip(&b) {
        for (x, y) in x.iter().zip(y) {
            assert!((x - y).abs() < 1e-12, "{name}: {x} {y}");
        }
    }
    // With another weight on the rate, the conditional is no longer the best guide, and its slope counts: against
    // central differences of the objective.
    let weighted = format!("{enumerated}minimize distortion + 0.3 * rate\n");
    let (o, data) = compile(&weighted);
    let executor = CpuExecutor::new(Precision::F64);
    let problem = Problem::new(&o, &executor, data, (vec![0, 1, 2], vec![]), 7).unwrap();
    let mut value = problem.compile(&[o.minimised.value]).unwrap();
    let mut at = |values: &Values| {
        let setting = Setting::reporting(0, 1);
        value.run(&problem.feed(values, &problem.train, &setting)).unwrap()[0].values[0]
    };
    let found = gradient(&weighted, 0.0);
    let start = problem.start(0);
    for (p, (name, slopes, _)) in found.iter().enumerate() {
        for (k, slope) in slopes.iter().enumerate() {
            let (mut up, mut down) = (start.clone(), start.clone());
            up[p][k] += 1e-5;
            down[p][k] -= 1e-5;
            let difference = (at(&up) - at(&down)) / 2e-5;
            assert!((slope - difference).abs() < 1e-8, "{name}[{k}]: {slope} {difference}");
        }
    }
}

/// The mean of an objective at the program's start, and its standard error.
fn objective(source: &str) -> (f64, f64) {
    let (o, data) = compile(source);
    let executor = CpuExecutor::new(Precision::F64);
    let rows: Vec<u64> = (0..o.row.map_or(0, |r| r.rows) as u64).collect();
    let problem = Problem::new(&o, &executor, data, (rows, vec![]), 11).unwrap();
    let (values, mut compiled) = (problem.start(0), problem.compile(&[o.minimised.value]).unwrap());
    let repeats = if o.minimised.deterministic { 1 } else { 200 };
    let found: Vec<f64> = (0..repeats)
        .map(|step| {
            let setting = Setting::reporting(step, SAMPLES);
            compiled.run(&problem.feed(&values, &problem.train, &setting)).unwrap()[0].values[0]
        })
        .collect();
    let mean = found.iter().sum::<f64>() / found.len() as f64;
    let variance = found.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / found.len() as f64;
    (mean, (variance / found.len() as f64).sqrt())
}

/// One latent for each row, under a guide that is not its posterior.
const LOCAL: &str = "data y[N] = [0.4, -1.3, 2.1]\nparam m = 0.3\nparam s = -0.2\n\
     latent z[N] ~ Normal(0, 1)\nguide z ~ Normal(m, exp(s))\nobserve y ~ Normal(z, 0.5)\n";

/// The same latent of all rows, and a param that follows none.
const GLOBAL: &str = "data y[N] = [0.4, -1.3, 2.1]\nparam m = 0.3\nparam s = -0.6\n\
     latent z ~ Normal(0, 1)\nguide z ~ Normal(m, exp(s))\nparam b = 0.2\nloss ridge = b^2\nobserve y ~ Normal(z + b, 0.8)\n";

/// A class for each row that is summed out, on which the latent depends.
const CLASSES: &str = "dim K = 2\ndata y[N] = [0.4, -1.3, 2.1]\nparam m = 0.3\nparam s = -0.2\nlet centre[K] = [-1, 1]\n\
     latent c[N] : index(K) ~ Categorical([0.3, 0.7])\nlatent z[N] ~ Normal(centre[c], 0.7)\nguide z ~ Normal(m, exp(s))\n\
     observe y ~ Normal(z, 0.5)\n";

fn one_importance_draw_is_the_free_energy(source: &str) {
    let (free_energy, exact) = objective(source);
    for bound in
        ["iwae(k = 1)", "renyi(alpha = 0.5, k = 1)", "renyi(alpha = 3, k = 1)", "renyi(alpha = 0.99999, k = 9)"]
    {
        let (found, se) = objective(&format!("{source}minimize {bound}\n"));
        let se = se.hypot(exact);
        assert!(
            se > 0.0 && (found - free_energy).abs() < 3.5 * se + 1e-4,
            "{bound}: {found} ± {se}, not {free_energy}"
        );
    }
}

/// log N(y; 0, 1 + ½²), the evidence of a row of `LOCAL`, and the mean and variance of its posterior.
fn row_of_local(y: f64) -> (f64, f64, f64) {
    let evidence = -0.5 * y * y / 1.25 - 0.5 * (2.0 * std::f64::consts::PI * 1.25).ln();
    (evidence, y / 1.25, 0.2)
}

fn importance_bounds_tighten_with_draws_to_the_evidence() {
    let evidence: f64 = [0.4, -1.3, 2.1].map(|y| row_of_local(y).0).iter().sum::<f64>() / 3.0;
    let mut before = objective(LOCAL);
    for k in [4, 16, 64] {
        let now = objective(&format!("{LOCAL}minimize iwae(k = {k})\n"));
        assert!(now.0 + 3.0 * now.1 < before.0, "{k}: {now:?} after {before:?}");
        assert!(now.0 + 3.0 * now.1 > -evidence, "{k}: {now:?} under {}", -evidence);
        before = now;
    }
    let (many, se) = objective(&format!("{LOCAL}minimize iwae(k = 512)\n"));
    assert!((many + evidence).abs() < 0.01 + 3.0 * se, "{many} ± {se}, not {}", -evidence);
}

fn a_renyi_bound_of_many_draws_is_that_of_two_gaussians() {
    // At α = ½ it is −log p(y) − 2 log ∫ √(q p), and the integral of two Gaussians is known (Bhattacharyya).
    let (m, v) = (0.3, (-0.4f64).exp());
    let exact = [0.4, -1.3, 2.1].map(|y| {
        let (evidence, mean, variance) = row_of_local(y);
        let overlap =
            0.5 * (2.0 * (v * variance).sqrt() / (v + variance)).ln() - (m - mean).powi(2) / (4.0 * (v + variance));
        -evidence - 2.0 * overlap
    });
    let exact = exact.iter().sum::<f64>() / 3.0;
    let (found, se) = objective(&format!("{LOCAL}minimize renyi(alpha = 0.5, k = 512)\n"));
    assert!((found - exact).abs() < 0.01 + 3.0 * se, "{found} ± {se}, not {exact}");
}

fn gradients_of_importance_bounds_are_those_of_their_means() {
    for bound in ["iwae(k = 5)", "renyi(alpha = 0.5, k = 5)"] {
        let at = |m: f64, s: f64| {
            let source = LOCAL.replace("m = 0.3", &format!("m = {m}")).replace("s = -0.2", &format!("s = {s}"));
            objective(&format!("{source}minimize {bound}\n"))
        };
        let h = 1e-3;
        let differences = [
            (at(0.3 + h, -0.2).0 - at(0.3 - h, -0.2).0) / (2.0 * h),
            (at(0.3, -0.2 + h).0 - at(0.3, -0.2 - h).0) / (2.0 * h),
        ];
        let found = gradient(&format!("{LOCAL}minimize {bound}\n"), 0.0);
        for ((name, mean, error), difference) in found.iter().zip(differences) {
            // The difference's own error is of the size of the gradient's: both average as many draws.
            let allowed = 3.0 * error[0] * (1.0 + (REPEATS as f64 / 200.0).sqrt());
            assert!(
                (mean[0] - difference).abs() < allowed,
                "{bound}, {name}: {} ± {}, not {difference}",
                mean[0],
                error[0]
            );
        }
    }
}

/// Every claim; of each family's guide in a trial of its own, the first of them everyday.
pub fn trials(trials: &mut Trials) {
    for (how, guides, check) in [
        ("pathwise gradient is unbiased", PATHWISE, pathwise_gradient_is_unbiased as fn(&str, &str)),
        ("score function gradient is unbiased", BY_SCORE, score_function_gradient_is_unbiased),
    ] {
        for (place, (name, guide)) in guides.into_iter().enumerate() {
            trials.add(format!("estimators::{how}::{name}"), Tier::of(place > 0), move || check(name, guide));
        }
    }
    for (name, source) in [("local", LOCAL), ("global", GLOBAL), ("classes", CLASSES)] {
        let tier = Tier::of(name != "local");
        trials.add(format!("estimators::one importance draw is the free energy::{name}"), tier, move || {
            one_importance_draw_is_the_free_energy(source);
        });
    }
    claims!(
        trials,
        Tier::Slow,
        variances_are_in_the_order_of_the_estimators,
        importance_bounds_tighten_with_draws_to_the_evidence,
        a_renyi_bound_of_many_draws_is_that_of_two_gaussians,
    );
    claims!(
        trials,
        Tier::Everyday,
        relaxed_counts_are_short_by_nine_thirty_fifths,
        estimators_of_counts_by_temperature,
        scores_are_rao_blackwellised,
        stated_classes_are_summed_over,
        softened_counts_have_the_known_moments,
        enumerated_gradients_are_exact_where_nothing_else_is_drawn,
        gradients_of_importance_bounds_are_those_of_their_means,
    );
}
