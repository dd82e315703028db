//! Streams against the batch run of the same loop, and against recurrences written out.

use std::path::Path;

use fe_pipeline::stream::{Given, Row, Step, Stream, StreamOptions};
use fe_pipeline::{Error, Finished, FitOptions, ReadOptions, Text, codes, directory, evaluate_own, prepare};
use fe_train::Known;

use super::Quiet;

/// A filter by descent: each step goes on from what the last one knew.
const FILTER: &str = "\
dim K = 2
dim T = 12
param u = 0.1
data y[T, D] = csv(\"y.csv\", \"a\", \"b\", \"c\")
let W[K, D] = [[1, 0.5, -0.3], [-0.2, 0.8, 0.6]]
for t in T {
  let p[t, K] = if t == 0 then u else 0.9 * m[t-1]
  let r[t, K] = if t == 0 then 0 else l[t-1]
  latent z[t, K] ~ Normal(p[t], sqrt(0.81 * exp(2 * r[t]) + 0.19))
  guide z[t] ~ Normal(m[t], exp(l[t]))
  refine m[t, K] from p[t] over 1 steps by natural_gradient(step = 0.3)
  refine l[t, K] from r[t] over 1 steps by natural_gradient(step = 0.3)
  observe y[t] ~ Normal(z[t] @ W, 0.4)
}
";

fn observations() -> Vec<[f64; 3]> {
    let at = |t: f64| [(1.7 * t).sin() + 0.1 * t, (0.9 * t + 0.4).cos(), (0.3 * t).sin() - 0.4];
    (0..12).map(|t| at(f64::from(t))).collect()
}

fn write(folder: &Path, program: &str) -> Text {
    let rows = observations().iter().map(|r| format!("{:?},{:?},{:?}\n", r[0], r[1], r[2])).collect::<String>();
    std::fs::write(folder.join("y.csv"), format!("a,b,c\n{rows}")).unwrap();
    let file = folder.join("model.fe");
    std::fs::write(&file, program).unwrap();
    Text::read(file.to_str().unwrap()).unwrap()
}

/// A fit of so many steps, kept in memory.
fn finished(text: &Text, steps: usize) -> Finished {
    let (reading, fitting) = (ReadOptions::default(), FitOptions { steps: Some(steps), ..FitOptions::default() });
    let prepared = prepare(text, &reading, &fitting).unwrap();
    let fitted = prepared.fit(None, &mut Quiet).unwrap();
    let document = prepared.document(&fitted).unwrap();
    let record = prepared.record(&fitted, prepared.identity(text, &reading, &fitting, None));
    let statistics = &prepared.arrays.statistics;
    let run =
        directory::Run { source: &text.source, record: &record, fitted: &fitted, document: &document, statistics };
    Finished::of(&run, text, reading.arrays, Path::new(".")).unwrap()
}

fn row(of: &[(&str, &[f64])]) -> Row {
    of.iter().map(|(name, values)| ((*name).to_owned(), Given::Numbers(values.to_vec()))).collect()
}

fn open(text: &Text) -> Result<Stream, Error> {
    Stream::unfitted(text, &ReadOptions::default(), StreamOptions::default())
}

fn moments<'a>(step: &'a Step, name: &str) -> (&'a [f64], &'a [f64]) {
    match &step.codes.iter().find(|c| c.name == name).unwrap().known {
        Known::Moments { mean, sd } => (mean, sd),
        Known::Probabilities { of, .. } => (of, &[]),
    }
}

fn close(a: &[f64], b: &[f64], within: f64) {
    assert_eq!(a.len(), b.len());
    for (x, y) in a.iter().zip(b) {
        assert!((x - y).abs() <= within, "{a:?} and {b:?}");
    }
}

#[test]
fn a_stream_is_the_loop_that_it_was_fitted_with() {
    let folder = tempfile::tempdir().unwrap();
    let text = write(folder.path(), FILTER);
    let run = finished(&text, 5);
    let batch = evaluate_own(&run, &[], false).unwrap().evaluation;
    let whole = codes(&run, &ReadOptions::default(), &[]).unwrap();
    let Known::Moments { mean, sd } = &whole.codes[0].known else { panic!("no moments") };

    let mut stream = Stream::open(finished(&text, 5), StreamOptions::default()).unwrap();
    let (mut sum, mut rate) = (0.0, 0.0);
    for (t, y) in observations().iter().enumerate() {
        let step = stream.step(&row(&[("y", y)])).unwrap();
        close(moments(&step, "z").0, &mean[2 * t..2 * t + 2], 1e-12);
        close(moments(&step, "z").1, &sd[2 * t..2 * t + 2], 1e-12);
        sum += step.free_energy;
        rate += step.rate;
    }
    assert!((sum - batch.account.free_energy).abs() < 1e-10, "{sum} and {}", batch.account.free_energy);
    assert!((rate - batch.account.rate).abs() < 1e-10);
}

/// Kalman's filter: where the descent of a Gaussian settles, prediction and correction are his.
#[test]
fn a_descent_that_settles_is_kalmans_filter() {
    let program = "\
dim T = 12
data y[T, D] = csv(\"y.csv\", \"a\", \"b\", \"c\")
for t in T {
  let p[t] = if t == 0 then 0 else 0.9 * m[t-1]
  let s[t] = if t == 0 then 0 else l[t-1]
  latent z[t] ~ Normal(p[t], sqrt(0.81 * exp(2 * s[t]) + 0.19))
  guide z[t] ~ Normal(m[t], exp(l[t]))
  refine m[t] from p[t] over 400 steps by natural_gradient(step = 0.2)
  refine l[t] from s[t] over 400 steps by natural_gradient(step = 0.2)
  observe y[t] ~ Normal(z[t], 0.5)
}
";
    let folder = tempfile::tempdir().unwrap();
    let mut stream = open(&write(folder.path(), program)).unwrap();
    let (mut mean, mut variance) = (0.0, 1.0);
    for (t, y) in observations().iter().enumerate() {
        let (prior, spread) = if t == 0 { (0.0, 0.81 + 0.19) } else { (0.9 * mean, 0.81 * variance + 0.19) };
        let step = stream.step(&row(&[("y", y)])).unwrap();
        // Three observations of one number, sd .5 each.
        let precision = 1.0 / spread + 3.0 / 0.25;
        variance = 1.0 / precision;
        mean = (prior / spread + y.iter().sum::<f64>() / 0.25) / precision;
        close(moments(&step, "z").0, &[mean], 1e-9);
        close(moments(&step, "z").1, &[variance.sqrt()], 1e-9);
        // F is then minus the log of the predictive density of the three.
        let total: f64 = y.iter().map(|v| v - prior).sum();
        let squares: f64 = y.iter().map(|v| (v - prior).powi(2)).sum();
        let quadratic = (squares - total * total * spread / (0.25 + 3.0 * spread)) / 0.25;
        let determinant = (0.25f64).powi(3) * (1.0 + 3.0 * spread / 0.25);
        let evidence = 0.5 * (quadratic + determinant.ln() + 3.0 * (2.0 * std::f64::consts::PI).ln());
        assert!((step.free_energy - evidence).abs() < 1e-9, "{} and {evidence}", step.free_energy);
    }
}

#[test]
fn earlier_data_and_traces_are_carried() {
    let program = "\
data y[T] = csv(\"y.csv\", \"a\")
data x[T] = csv(\"y.csv\", \"b\")
param w = 0.7
for t in T {
  let trace[t] = if t == 0 then x[t] else 0.5 * trace[t-1] + x[t]
  let late[t] = if t < 2 then 0 else y[t-2] + 0.1 * t
  observe y[t] ~ Normal(w * trace[t] + late[t], 0.3)
}
for t in T from 1 {
  loss change = 0.5 * (y[t] - y[t-1])^2
}
";
    let folder = tempfile::tempdir().unwrap();
    let mut stream = open(&write(folder.path(), program)).unwrap();
    let (mut trace, mut past) = (0.0, vec![]);
    for (t, [y, x, _]) in observations().into_iter().enumerate() {
        trace = 0.5 * trace + x;
        let late = if t < 2 { 0.0 } else { past[t - 2] + 0.1 * t as f64 };
        let off: f64 = (y - 0.7 * trace - late) / 0.3;
        let mut f = 0.5 * off * off + 0.3f64.ln() + 0.5 * (2.0 * std::f64::consts::PI).ln();
        if let Some(last) = past.last() {
            f += 0.5 * (y - last) * (y - last);
        }
        past.push(y);
        let step = stream.step(&row(&[("y", &[y]), ("x", &[x])])).unwrap();
        assert!((step.free_energy - f).abs() < 1e-12, "line {t}: {} and {f}", step.free_energy);
    }
}

const CONTROLLER: &str = "\
dim T = 3
dim S = 2
let F[S, S'] = [[1, 0], [0.1, 1]]
let G[S] = [0.005, 0.1]
let weight[S] = [1, 0.1]
param gain[T, S] = [[-2, -1], [-1, -2], [0.5, 0]]
let s[0, S] = [1, 0]
for t in T {
  latent a[t] ~ Normal(0, 3)
  guide a[t] ~ Normal(sum(s[t] * gain[t], S), 0.5)
  let s[t+1, S] = s[t] @ F + a[t] * G
  loss cost = 0.5 * weight * s[t]^2
}
loss end = sum(s[T]^2, S)
";

#[test]
fn a_controller_acts_on_the_state_that_a_line_gives_or_on_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let text = write(folder.path(), CONTROLLER);
    let mut stream = open(&text).unwrap();
    assert_eq!(stream.notes().len(), 1);
    assert!(stream.taken().iter().all(|t| t.optional));
    let first = stream.step(&Row::new()).unwrap();
    close(moments(&first, "a").0, &[-2.0], 1e-12);
    assert!((first.distortion - 0.5).abs() < 1e-12);
    // Without a line of its own the state is the one that the action led to.
    let a = first.action[0].values[0];
    assert_eq!(first.action[0].name, "a");
    let second = stream.step(&Row::new()).unwrap();
    close(moments(&second, "a").0, &[-(1.0 + 0.005 * a) - 2.0 * 0.1 * a], 1e-12);
    let third = stream.step(&row(&[("s", &[4.0, 1.0])])).unwrap();
    close(moments(&third, "a").0, &[2.0], 1e-12);
    // The gains are those of three positions.
    let error = stream.step(&Row::new()).unwrap_err();
    assert!(error.brief().contains("`gain` has a value for each of the 3 positions"), "{error}");
}

#[test]
fn rows_without_a_loop_are_each_their_own() {
    let program = "\
dim K = 2
data y[N, D] = csv(\"y.csv\", \"a\", \"b\", \"c\") |> standardize
param u[K] = -0.5
let W[K, D] = [[1, 0.5, -0.3], [-0.2, 0.8, 0.6]]
latent z[N, K] ~ Poisson(exp(u))
guide z ~ Poisson(exp(v))
refine v[N, K] from u over 30 steps by natural_gradient(step = 0.1)
observe y ~ Normal(z @ W, 1)
";
    let folder = tempfile::tempdir().unwrap();
    let text = write(folder.path(), program);
    let whole = codes(&finished(&text, 3), &ReadOptions::default(), &[]).unwrap();
    let Known::Moments { mean, .. } = &whole.codes[0].known else { panic!("no moments") };
    let batch = evaluate_own(&finished(&text, 3), &[], false).unwrap().evaluation;
    let mut stream = Stream::open(finished(&text, 3), StreamOptions::default()).unwrap();
    let mut sum = 0.0;
    for (n, y) in observations().iter().enumerate() {
        let step = stream.step(&row(&[("y", y)])).unwrap();
        close(moments(&step, "z").0, &mean[2 * n..2 * n + 2], 1e-10);
        close(&[step.spikes.unwrap()], &[mean[2 * n] + mean[2 * n + 1]], 1e-10);
        let draw = step.codes[0].draw.as_ref().unwrap();
        assert!(draw.iter().all(|d| d.fract() == 0.0 && *d >= 0.0));
        sum += step.free_energy;
    }
    assert!((sum / 12.0 - batch.account.free_energy).abs() < 1e-10);
}

#[test]
fn what_does_not_go_line_by_line_is_refused_with_a_way_out() {
    let refused = [
        (
            "data y[T] = csv(\"y.csv\", \"a\")\nfor t in T {\n  latent s[t] ~ Normal(if t == 0 then 0 else sin(s[t-1]), 1)\n  \
          observe y[t] ~ Normal(s[t], 1)\n}\n",
            "the past of `s` is not known here",
        ),
        (
            "data y[T] = csv(\"y.csv\", \"a\")\nlet m = mean(y, T)\nfor t in T {\n  observe y[t] ~ Normal(m, 1)\n}\n",
            "all positions of `y` are read here",
        ),
        (
            "data y[T] = csv(\"y.csv\", \"a\")\nfor t in T {\n  latent s[t] ~ Normal(0, 1) by guide\n  observe y[t] ~ Normal(s[t], 1)\n}\n",
            "the guide of `s` is one for all lines",
        ),
        (
            "data y[N] = csv(\"y.csv\", \"a\")\nlatent s[N] ~ Normal(0, 1)\nguide s ~ MeanField()\nobserve y ~ Normal(s, 1)\n",
            "the guide of `s` is one for all lines of the fit",
        ),
        (
            "data y[N] = csv(\"y.csv\", \"a\")\nparam m[N] = 0\nlatent s[N] ~ Normal(0, 1)\nguide s ~ Normal(m, 0.1)\n\
          observe y ~ Normal(s, 1)\n",
            "`m` was fitted to each line of the fit by itself",
        ),
        ("latent s ~ Normal(0, 1)\nloss d = s^2\n", "there is nothing that a line could be"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (program, said) in refused {
        let text = write(folder.path(), program);
        let error = open(&text).and_then(|mut s| s.step(&row(&[("y", &[0.1])]))).map(|_| ()).unwrap_err();
        assert!(error.brief().contains(said), "{program}\n{error:?}");
    }
}
