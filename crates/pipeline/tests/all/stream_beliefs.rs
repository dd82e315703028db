//! Streams of what is hidden: against the forward algorithm, Kalman's filter, and the batch.

use fe_pipeline::stream::{Given, Row, Step, Stream, StreamOptions};
use fe_pipeline::{Error, FitOptions, ReadOptions, Text, prepare};
use fe_train::Known;

use super::Quiet;

const Y: [f64; 8] = [0.3, -1.2, 2.1, 1.9, 0.2, -0.7, -1.1, 1.4];

fn text(program: &str) -> Text {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.fe");
    std::fs::write(&file, program).unwrap();
    Text::read(file.to_str().unwrap()).unwrap()
}

fn open(program: &str) -> Result<Stream, Error> {
    Stream::unfitted(&text(program), &ReadOptions::default(), StreamOptions::default())
}

fn row(y: f64) -> Row {
    [("y".to_owned(), Given::Numbers(vec![y]))].into_iter().collect()
}

fn code<'a>(step: &'a Step, name: &str) -> &'a Known {
    &step.codes.iter().find(|c| c.name == name).unwrap().known
}

fn close(a: f64, b: f64, within: f64) {
    assert!((a - b).abs() < within, "{a} and {b}");
}

fn normal(x: f64, mean: f64, sd: f64) -> f64 {
    (-0.5 * ((x - mean) / sd).powi(2)).exp() / (sd * (2.0 * std::f64::consts::PI).sqrt())
}

const HIDDEN: &str = "\
dim S = 3
data y[T] = [0.3, -1.2, 2.1, 1.9, 0.2, -0.7, -1.1, 1.4]
let begin[S] = [0.5, 0.3, 0.2]
let P[S, S'] = [[0.8, 0.15, 0.05], [0.1, 0.7, 0.2], [0.25, 0.25, 0.5]]
let level[S] = [-1, 0.2, 1.5]
for t in T {
  latent s[t] : index(S) ~ Categorical(if t == 0 then begin else P[s[t-1]])
  observe y[t] ~ Normal(level[s[t]], 0.7)
}
";

/// Lines of a hidden Markov model are the forward algorithm: their free energies add up to −log p of all, which the batch sums
/// out in another way.
#[test]
fn a_hidden_markov_model_is_filtered() {
    let begin = [0.5, 0.3, 0.2];
    let moves = [[0.8, 0.15, 0.05], [0.1, 0.7, 0.2], [0.25, 0.25, 0.5]];
    let level = [-1.0, 0.2, 1.5];
    let mut stream = open(HIDDEN).unwrap();
    let (mut belief, mut sum): (Vec<f64>, f64) = (vec![], 0.0);
    for (t, y) in Y.into_iter().enumerate() {
        let before = |s: usize| match t {
            0 => begin[s],
            _ => (0..3).map(|k| belief[k] * moves[k][s]).sum(),
        };
        let joint: Vec<f64> = (0..3).map(|s| before(s) * normal(y, level[s], 0.7)).collect();
        let evidence: f64 = joint.iter().sum();
        belief = joint.iter().map(|j| j / evidence).collect();
        let step = stream.step(&row(y)).unwrap();
        close(step.free_energy, -evidence.ln(), 1e-12);
        let Known::Probabilities { of, .. } = code(&step, "s") else { panic!("no probabilities") };
        of.iter().zip(&belief).for_each(|(a, b)| close(*a, *b, 1e-12));
        sum += step.free_energy;
    }
    let prepared = prepare(&text(HIDDEN), &ReadOptions::default(), &FitOptions::default()).unwrap();
    let document = prepared.document(&prepared.fit(None, &mut Quiet).unwrap()).unwrap();
    close(sum, document.account.free_energy, 1e-10);
}

const WALK: &str = "\
data y[T] = [0.3, -1.2, 2.1, 1.9, 0.2, -0.7, -1.1, 1.4]
for t in T {
  latent s[t] ~ Normal(if t == 0 then 0 else 0.9 * s[t-1] + 0.1, if t == 0 then 1 else 0.5)
  observe y[t] ~ Normal(s[t], 0.4)
}
";

/// A state space with no guide of its own is Kalman's filter.
#[test]
fn a_state_space_is_filtered() {
    let mut stream = open(WALK).unwrap();
    assert!(stream.notes()[0].contains("`s`: what is known is carried as a normal belief; that is exact"));
    let (mut mean, mut variance, mut sum) = (0.0, 0.0, 0.0);
    for (t, y) in Y.into_iter().enumerate() {
        let (prior, spread) = if t == 0 { (0.0, 1.0) } else { (0.9 * mean + 0.1, 0.25 + 0.81 * variance) };
        let gain = spread / (spread + 0.16);
        let evidence = -normal(y, prior, f64::sqrt(spread + 0.16)).ln();
        (mean, variance) = (prior + gain * (y - prior), (1.0 - gain) * spread);
        let step = stream.step(&row(y)).unwrap();
        let Known::Moments { mean: m, sd } = code(&step, "s") else { panic!("no moments") };
        close(m[0], mean, 1e-9);
        close(sd[0], f64::sqrt(variance), 1e-9);
        close(step.free_energy, evidence, 1e-9);
        sum += evidence;
    }
    // The batch integrates the whole path out: the same evidence.
    let prepared = prepare(&text(WALK), &ReadOptions::default(), &FitOptions::default()).unwrap();
    let document = prepared.document(&prepared.fit(None, &mut Quiet).unwrap()).unwrap();
    close(sum, document.account.free_energy, 1e-6);
}

/// A line that is not normal: the belief is the normal one of least free energy, which here a grid finds.
#[test]
fn counts_are_filtered_by_the_best_normal_belief() {
    let program = "\
data y[T] = [2, 0, 5]
for t in T {
  latent s[t] ~ Normal(if t == 0 then 0 else s[t-1], 0.8)
  observe y[t] ~ Poisson(exp(s[t]))
}
";
    let mut stream = open(program).unwrap();
    let (mut mean, mut variance) = (0.0f64, 0.0f64);
    for (y, log_factorial) in [(2.0, 2f64.ln()), (0.0, 0.0), (5.0, 120f64.ln())] {
        let (prior, spread) = (mean, 0.64 + variance);
        // F of N(m, e^2l): E[−log Poisson] + KL, minimised by Newton's steps in m and l.
        let (mut m, mut l) = (prior, 0.5 * spread.ln());
        for _ in 0..200 {
            let (v, rate) = ((2.0 * l).exp(), (m + 0.5 * (2.0 * l).exp()).exp());
            m -= (rate - y + (m - prior) / spread) / (rate + 1.0 / spread);
            l -= 0.2 * (v * rate + v / spread - 1.0) / 2.0;
        }
        let (v, rate) = ((2.0 * l).exp(), (m + 0.5 * (2.0 * l).exp()).exp());
        let kl = 0.5 * (v / spread + (m - prior).powi(2) / spread - 1.0 + (spread / v).ln());
        let step = stream.step(&row(y)).unwrap();
        let Known::Moments { mean: found, sd } = code(&step, "s") else { panic!("no moments") };
        close(found[0], m, 1e-6);
        close(sd[0], l.exp(), 1e-6);
        close(step.free_energy, rate - y * m + log_factorial + kl, 1e-8);
        (mean, variance) = (m, v);
    }
}

/// What runs in another loop is there as a whole in every turn.
#[test]
fn time_runs_along_the_loop_that_data_have() {
    let program = "\
dim K = 4
data y[T] = [0.3, -1.2, 2.1, 1.9, 0.2, -0.7, -1.1, 1.4]
for k in K {
  let w[k] = if k == 0 then 1 else 0.5 * w[k-1]
}
for t in T {
  let trace[t] = if t == 0 then y[t] else 0.5 * trace[t-1] + y[t]
  observe y[t] ~ Normal(sum(w, K) * 0.1 * trace[t], 1)
}
";
    let mut stream = open(program).unwrap();
    let mut trace = 0.0;
    for y in Y {
        trace = 0.5 * trace + y;
        close(stream.step(&row(y)).unwrap().free_energy, -normal(y, 1.875 * 0.1 * trace, 1.0).ln(), 1e-12);
    }
}

#[test]
fn what_hangs_together_is_not_carried_apart() {
    let two = "\
data y[T] = [0.3, -1.2]
data x[T] = [0.1, 0.2]
let P[S, S'] = [[0.8, 0.2], [0.3, 0.7]]
dim S = 2
for t in T {
  latent a[t] : index(S) ~ Categorical(if t == 0 then [0.5, 0.5] else P[a[t-1]])
  latent b[t] : index(S) ~ Categorical(if t == 0 then [0.5, 0.5] else P[b[t-1]])
  observe y[t] ~ Normal(a[t], 1)
  observe x[t] ~ Normal(b[t], 1)
}
";
    let bent = "\
data y[T] = [0.3, -1.2]
for t in T {
  latent s[t] ~ Normal(if t == 0 then 0 else sin(s[t-1]), 1)
  observe y[t] ~ Normal(s[t], 1)
}
";
    let loops = "\
data y[T] = [0.3, -1.2]
data x[U] = [0.3, -1.2]
for t in T {
  observe y[t] ~ Normal(if t == 0 then 0 else y[t-1], 1)
}
for u in U {
  observe x[u] ~ Normal(if u == 0 then 0 else x[u-1], 1)
}
";
    for (program, said) in [
        (two, "`b` and `a` are both hidden"),
        (bent, "the past of `s` is not known here, but distributed"),
        (loops, "loops run over `T` and over `U`, and time could run along either"),
    ] {
        let error = open(program).map(|_| ()).unwrap_err();
        assert!(error.brief().contains(said), "{program}\n{error:?}");
    }
}
