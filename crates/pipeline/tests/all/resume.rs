//! A fit that is ended anywhere and gone on with ends bit for bit where one that was let alone does.

use std::path::Path;
use std::time::Duration;

use fe_pipeline::directory::Writing;
use fe_pipeline::{Checkpoints, Earlier, ExecutorKind, FitOptions, Precision, ReadOptions, Text, prepare};
use fe_train::Monitor;
use serde_json::Value;

/// Ends a fit after so many looks at it.
struct After(u64);

impl Monitor for After {
    fn step(&mut self, _: u64, _: Option<u64>, _: f64) -> bool {
        self.0 = self.0.saturating_sub(1);
        self.0 > 0
    }

    fn note(&mut self, _: &str) {}
}

/// Counts the looks.
#[derive(Default)]
struct Count(u64);

impl Monitor for Count {
    fn step(&mut self, _: u64, _: Option<u64>, _: f64) -> bool {
        self.0 += 1;
        true
    }

    fn note(&mut self, _: &str) {}
}

/// Where a fit ended: the bits of its parameters and of the draws of its chains, its trace without times, and its document
/// without them.
#[derive(Debug, PartialEq)]
struct End {
    parameters: Vec<Vec<u64>>,
    preconditioners: Vec<(String, Vec<u64>)>,
    draws: Vec<Vec<u64>>,
    trace: Vec<(u64, u64, u64, Option<u64>)>,
    document: Value,
}

/// How a program is fitted.
struct How<'a> {
    text: &'a Text,
    reading: ReadOptions,
    fitting: FitOptions,
}

impl How<'_> {
    /// Fits in a folder, from where an earlier fit was left there; the state is kept at every look, and stays. `None` where the
    /// fit was ended.
    fn fit(&self, folder: &Path, monitor: &mut dyn Monitor, resumes: bool) -> Option<End> {
        let prepared = prepare(self.text, &self.reading, &self.fitting).unwrap();
        let identity = prepared.identity(self.text, &self.reading, &self.fitting, None);
        let mut writing = Writing::begin(folder).unwrap();
        let mut checkpoints = Checkpoints::new(&mut writing, &self.text.source, &identity, Duration::ZERO).unwrap();
        let earlier = checkpoints.resume();
        assert_eq!(matches!(earlier, Earlier::Same(_)), resumes, "{earlier:?}");
        let fitted = prepared.fit_kept(None, monitor, &mut checkpoints).unwrap();
        assert!(checkpoints.failure().is_none());
        if fitted.fit.interrupted {
            return None;
        }
        let mut document: Value = serde_json::from_str(&fe_report::json(&prepared.document(&fitted).unwrap())).unwrap();
        document.as_object_mut().unwrap().remove("seconds").unwrap();
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        let f = &fitted.fit;
        Some(End {
            parameters: f.values.iter().map(|v| bits(v)).collect(),
            preconditioners: f.preconditioners.iter().map(|(n, t)| (n.clone(), bits(&t.values))).collect(),
            draws: f.chains.iter().flat_map(|c| c.draws.iter().map(|d| bits(&d.values))).collect(),
            trace: f
                .trace
                .iter()
                .map(|p| (p.step, p.free_energy.to_bits(), p.rate.to_bits(), p.heldout.map(f64::to_bits)))
                .collect(),
            document,
        })
    }
}

/// Holds two ends to be the same, and says where they are not.
fn same(found: &End, whole: &End, how: &str) {
    let (Value::Object(a), Value::Object(b)) = (&found.document, &whole.document) else { panic!("no documents") };
    for (key, value) in a {
        assert_eq!(Some(value), b.get(key), "{how}: {key}");
    }
    assert_eq!(found, whole, "{how}");
}

/// Fits a program in one go, and in pieces of a few lengths.
fn pieces(source: &str, reading: &ReadOptions, fitting: &FitOptions) {
    let there = tempfile::tempdir().unwrap();
    let text = Text { file: "m.fe".into(), source: source.into(), folder: there.path().into(), stem: "m".into() };
    let how = How { text: &text, reading: reading.clone(), fitting: fitting.clone() };
    let mut looks = Count::default();
    let whole = how.fit(&there.path().join("whole"), &mut looks, false).unwrap();
    assert!(looks.0 > 2, "{source} ends at once");
    // Minimisations that are gone on with show again what they had shown, so that later cuts are farther on.
    let n = looks.0;
    let mut cuts: Vec<u64> = vec![2, 3, n / 5, n / 3, n / 2, 2 * n / 3, n - 1];
    cuts.retain(|&c| c >= 2);
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty() && v != "0" && v != "false");
    if !set("FE_FULL") && !set("CI") {
        // Every other one, as every day.
        cuts = cuts.into_iter().skip(1).step_by(2).collect();
    }
    let folder = there.path().join("pieces");
    let mut begun = false;
    for &cut in &cuts {
        if let Some(end) = how.fit(&folder, &mut After(cut), begun) {
            assert!(begun, "{source} was fitted in one go");
            same(&end, &whole, &format!("{source}, ended after {cut} looks at last"));
        }
        begun = true;
    }
    same(&how.fit(&folder, &mut After(u64::MAX), true).unwrap(), &whole, &format!("{source}, in pieces"));
}

fn plain(source: &str) {
    pieces(source, &ReadOptions::default(), &FitOptions::default());
}

/// Numbers that are neither orderly nor random, in so many rows and columns.
fn numbers(rows: usize, columns: usize) -> String {
    let value = |i: usize| f64::from(u32::try_from((i * 7919 + i * i * 31) % 1009).unwrap()) / 252.0 - 2.0;
    let row = |r: usize| {
        let cells: Vec<String> = (0..columns).map(|c| format!("{:.4}", value(r * columns + c))).collect();
        if columns == 1 { cells.join("") } else { format!("[{}]", cells.join(", ")) }
    };
    format!("[{}]", (0..rows).map(row).collect::<Vec<_>>().join(", "))
}

#[test]
fn minima_with_fixed_draws_and_starts_and_both_ways_of_writing_a_hierarchy() {
    plain(
        "data y[J] = [28, 8, -3, 7, -1, 1, 18, 12]\ndata s[J] = [15, 10, 16, 11, 9, 11, 10, 18]\n\
         latent mu ~ Normal(0, 5) by guide\nlatent tau ~ HalfNormal(5) by guide\n\
         latent theta[J] ~ Normal(mu, tau) by guide\nobserve y ~ Normal(theta, s)\n",
    );
}

#[test]
fn both_ways_of_writing_a_large_hierarchy_and_their_first_minima() {
    if std::env::var_os("FE_FULL").is_none() {
        return;
    }
    pieces(crate::large::PROGRAM, &crate::large::answers(), &FitOptions::default());
}

#[test]
fn a_large_fit_in_coordinates_of_its_own() {
    if std::env::var_os("FE_FULL").is_none() {
        return;
    }
    let by_hand = crate::large::PROGRAM
        .replace("latent v[I] ~ LogNormal(0, s)", "latent d[I] ~ Normal(0, 1)\nlet v = exp(s * d)")
        .replace("latent b[I] ~ Normal(0, s)", "latent e[I] ~ Normal(0, 1)\nlet b = s * e");
    pieces(&by_hand, &crate::large::answers(), &FitOptions::default());
}

#[test]
fn minima_of_bounded_objectives() {
    plain(
        "data x[N] = [1, -1, 2, 0.5, -0.5]\nlatent z[N] ~ Normal(0, 1)\nparam g = 1\nparam h = 0\nparam c = 1\n\
         guide z ~ Normal(g * x, exp(h))\nloss d = (x - c * z)^2\nminimize distortion subject to rate <= 1 bits\n",
    );
}

#[test]
fn batches_held_out_rows_schedules_and_clipping() {
    let source = format!(
        "data x[N, D] = {}\nparam w[D] = normal(0, 0.5)\nparam b = 0\nlatent z[N] ~ Normal(0, 1)\nguide z ~ Normal(x @ w, 0.5)\n\
         observe x ~ Normal(z + b, 1)\nminimize distortion + ramp(0.1, 1, until = 0.5) * rate\n\
         train {{ optimizer = adam(lr = cosine(0.05, 0))  batch = 16  steps = 90  holdout = 20%  clip = 1 }}\n",
        numbers(70, 3)
    );
    plain(&source);
    let fitting = FitOptions { executor: Some(ExecutorKind::Candle), ..FitOptions::default() };
    pieces(&source, &ReadOptions::default(), &fitting);
}

#[test]
fn spikes_in_single_precision_with_a_budget() {
    let source = format!(
        "dim K = 6\ndata x[N, D] = {}\nparam u[K] = uniform(-2, -1)\nparam E[D, K] = normal(0, 0.3)\n\
         param W[K, D] = normal(0, 0.3)\nlatent z[N, K] ~ Poisson(exp(u))\nguide z ~ Poisson(exp(u + x @ E))\n\
         observe x ~ Normal(tanh(z @ W), 0.7)\nminimize distortion + rate subject to energy <= 1 spikes\n\
         train {{ optimizer = adamax(lr = 0.01)  batch = 20  steps = 70 }}\n",
        numbers(60, 4)
    );
    let fitting = FitOptions { precision: Some(Precision::F32), ..FitOptions::default() };
    pieces(&source, &ReadOptions::default(), &fitting);
}

#[test]
fn free_guides_of_rows_in_batches() {
    let source = format!(
        "data y[N] = {}\nparam m = 0\nlatent z[N] ~ Normal(m, 1) by guide\nobserve y ~ StudentT(3, z, 0.5)\n\
         train {{ optimizer = sgd(lr = 0.02, momentum = 0.5)  batch = 8  steps = 60 }}\n",
        numbers(40, 1)
    );
    plain(&source);
}

#[test]
fn descents_with_chosen_steps() {
    let source = format!(
        "dim K = 5\ndata x[N, D] = {}\nparam u[K] = uniform(-2, -1)\nparam W[K, D] = normal(0, 0.3)\n\
         latent z[N, K] ~ Poisson(exp(u))\nguide z ~ Poisson(exp(v))\nrefine v[N, K] from u over 4 steps by natural_gradient\n\
         observe x ~ Normal(z @ W, 0.7)\ntrain {{ optimizer = adam(lr = 0.01)  batch = 20  steps = 60 }}\n",
        numbers(60, 4)
    );
    plain(&source);
}

#[test]
fn chains_that_stand_for_a_guide() {
    plain(
        "data y[J] = [28, 8, -3, 7, -1, 1, 18, 12]\ndata s[J] = [15, 10, 16, 11, 9, 11, 10, 18]\n\
         latent mu ~ Normal(0, 5)\nlatent tau ~ HalfNormal(5)\nlatent theta[J] ~ Normal(mu, tau)\n\
         observe y ~ StudentT(4, theta, s)\nguide * ~ NUTS(draws = 100, warmup = 100, chains = 2)\n",
    );
}

#[test]
fn a_checkpoint_of_another_program_is_told_and_left() {
    let there = tempfile::tempdir().unwrap();
    let folder = there.path().join("run");
    let text = |source: &str| Text {
        file: "m.fe".into(),
        source: source.into(),
        folder: there.path().into(),
        stem: "m".into(),
    };
    let first = text("data y[N] = [1, 2, 4]\nlatent m ~ Normal(0, 1)\nobserve y ~ StudentT(3, m, 1)\n");
    let how = |text, seed| How {
        text,
        reading: ReadOptions::default(),
        fitting: FitOptions { seed, ..FitOptions::default() },
    };
    assert!(how(&first, None).fit(&folder, &mut After(2), false).is_none());
    let second = text("data y[N] = [1, 2, 4]\nlatent m ~ Normal(0, 2)\nobserve y ~ StudentT(3, m, 1)\n");
    for other in [how(&second, None), how(&first, Some(7))] {
        let prepared = prepare(other.text, &other.reading, &other.fitting).unwrap();
        let identity = prepared.identity(other.text, &other.reading, &other.fitting, None);
        let mut writing = Writing::begin(&folder).unwrap();
        let mut checkpoints = Checkpoints::new(&mut writing, &other.text.source, &identity, Duration::MAX).unwrap();
        assert_eq!(checkpoints.resume(), Earlier::Other);
    }
    assert!(how(&first, None).fit(&folder, &mut After(2), true).is_none());
}
