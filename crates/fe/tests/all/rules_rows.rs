//! The rules of the language's section on rows, one test each, named after the rule.

use crate::common::*;
use serde_json::Value;

/// The document of a program's fit, and its folder.
fn fitted(program: &str, options: &[&str]) -> (tempfile::TempDir, Value) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.fe"), program).unwrap();
    let mut arguments = vec!["run", "p.fe", "--json", "--quiet", "--out", "fit"];
    arguments.extend(options);
    let document = done(folder.path(), &arguments);
    (folder, serde_json::from_str(&document).unwrap())
}

/// What `fe check` says of a wrong program.
fn refused(program: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.fe"), program).unwrap();
    let output = run(folder.path(), &["check", "p.fe"]);
    assert_eq!(code(&output), 1, "{program}");
    stderr(&output)
}

/// A saved array of a run.
fn saved(folder: &tempfile::TempDir, name: &str) -> Vec<f64> {
    let bytes = std::fs::read(folder.path().join("fit/params.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let view = tensors.tensor(name).unwrap_or_else(|_| panic!("{name} in {:?}", tensors.names()));
    view.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
}

#[test]
fn the_row_axis_comes_first_in_every_observed_array() {
    let program = "data x[N, D] = [[1, 2], [3, 4], [5, 6]]\ndata y[N] = [1, 0, 2]\nlatent m ~ Normal(0, 1)\n\
                   observe x ~ Normal(m, 1)\nobserve y ~ Normal(m, 1)\n";
    assert_eq!(fitted(program, &[]).1["rows"], 3);
    // Not where one of them begins with another.
    let program = "data x[N, D] = [[1, 2], [3, 4], [5, 6]]\ndata y[D] = [1, 0]\nlatent m ~ Normal(0, 1)\n\
                   observe x ~ Normal(m, 1)\nobserve y ~ Normal(m, 1)\n";
    assert_eq!(fitted(program, &[]).1["rows"], 1);
}

#[test]
fn an_axis_that_a_for_runs_over_is_not_of_rows() {
    let program = "data y[T] = [1, 2, 3]\nfor t in T {\n  latent s[t] ~ Normal(if t == 0 then 0 else s[t-1], 1)\n  \
                   observe y[t] ~ Normal(s[t], 1)\n}\n";
    assert_eq!(fitted(program, &[]).1["rows"], 1);
}

#[test]
fn an_event_axis_of_a_distribution_is_not_of_rows() {
    let program = "data y[N] = [1, 2, 3]\nlatent m ~ Normal(0, 1)\nobserve y ~ MultivariateNormal(m, eye(N))\n";
    let fit = fitted(program, &[]).1;
    assert_eq!(fit["rows"], 1);
    // m | y is N(6/4, 1/4): the evidence of N(0, I + 11ᵀ) at (1, 2, 3), 5/2·… by hand: ½(14 − 36/4) + ½ log 4 + 3/2 log 2π.
    let evidence = 0.5 * (14.0 - 9.0) + 0.5 * 4f64.ln() + 1.5 * (2.0 * std::f64::consts::PI).ln();
    assert!((at(&fit, "free_energy") - evidence).abs() < 1e-6);
}

/// Eight rows alike: whatever is drawn into a batch, its gradient is the same.
fn alike(rest: &str) -> String {
    format!("data x[N] = [3, 3, 3, 3, 3, 3, 3, 3]\n{rest}\n")
}

/// `p` after one step of gradient descent of length 1 on batches of so many rows.
fn one_step(program: &str, batch: usize) -> f64 {
    let train = format!("train {{ optimizer = sgd(lr = 1)  steps = 1  batch = {batch} }}\n");
    saved(&fitted(&format!("{program}{train}"), &["--precision", "f64"]).0, "p")[0]
}

#[test]
fn rows_may_be_minibatched() {
    // d/dp ½(3 − p)² at p = 1, whichever rows and however many.
    let program = alike("param p = 1\nobserve x ~ Normal(p, 1)");
    for batch in [1, 2, 8] {
        assert!((one_step(&program, batch) - 3.0).abs() < 1e-12, "batches of {batch}");
    }
}

#[test]
fn data_without_rows_are_constants() {
    let with = "data x[N, D] = [[1, 2], [3, 4], [5, 7]]\ndata s[D] = [0.5, 2]\nparam p = 1\n\
                observe x ~ Normal(p, s)\ntrain { optimizer = sgd(lr = 0.01)  steps = 3  batch = 2 }\n";
    let without = with.replace("data s[D] = [0.5, 2]", "let s[D] = [0.5, 2]");
    let [a, b] = [with, without.as_str()].map(|p| fitted(p, &[]).1);
    assert_eq!(a["free_energy"], b["free_energy"]);
    // And by hand, at p as it came out: the mean over rows, all of D in each.
    let (folder, fit) = fitted(with, &[]);
    let p = saved(&folder, "p")[0];
    let of = |x: f64, s: f64| 0.5 * ((x - p) / s).powi(2) + s.ln() + 0.5 * (2.0 * std::f64::consts::PI).ln();
    let whole: f64 = [[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]].iter().map(|r| of(r[0], 0.5) + of(r[1], 2.0)).sum();
    assert!((at(&fit, "free_energy") - whole / 3.0).abs() < 1e-9);
}

#[test]
fn without_a_row_axis_per_row_means_the_whole() {
    let program = "data x[N, D] = [[1, 2], [3, 4], [5, 6]]\ndata y[D] = [1, 0]\nlatent m ~ Normal(0, 1)\n\
                   observe x ~ Normal(m, 1)\nobserve y ~ Normal(m, 1)\n";
    let fit = fitted(program, &[]).1;
    assert_eq!((&fit["rows"], &fit["free_energy"]), (&Value::from(1), &fit["free_energy_total"]));
    // Eight unit normals and one shared mean: m | all is N(22/9, 1/9).
    let square = 1.0 + 4.0 + 9.0 + 16.0 + 25.0 + 36.0 + 1.0;
    let evidence = 0.5 * (square - 22.0 * 22.0 / 9.0) + 0.5 * 9f64.ln() + 4.0 * (2.0 * std::f64::consts::PI).ln();
    assert!((at(&fit, "free_energy") - evidence).abs() < 1e-6, "{}", at(&fit, "free_energy"));
}

#[test]
fn without_a_row_axis_batch_and_holdout_are_errors() {
    let program = "data x[N, D] = [[1, 2], [3, 4], [5, 6]]\ndata y[D] = [1, 0]\nlatent m ~ Normal(0, 1)\n\
                   observe x ~ Normal(m, 1)\nobserve y ~ Normal(m, 1)\n";
    for key in ["batch = 2", "holdout = 50%"] {
        let said = refused(&format!("{program}train {{ {key} }}\n"));
        assert!(said.contains("row axis"), "{said}");
    }
}

#[test]
fn a_latent_with_the_row_axis_is_local_and_its_terms_follow_the_batch() {
    // The rate of a row is ½p², whose derivative is p = 2; the likelihood does not look at z.
    let program =
        alike("param p = 2\nlatent z[N] ~ Normal(0, 1)\nguide z ~ Normal(p, 1)\nobserve x ~ Normal(3 + 0 * z, 1)");
    for batch in [1, 2, 8] {
        assert!((one_step(&program, batch) - 0.0).abs() < 1e-12, "batches of {batch}");
    }
    let fit = fitted(&program, &["--steps", "0"]).1;
    assert_eq!(fit["latents"]["z"]["local"], true);
}

#[test]
fn a_term_without_the_row_axis_counts_once_for_all_data() {
    // The rate is ½p² once, a quarter of a nat of slope over eight rows, in batches of any size.
    let program =
        alike("param p = 2\nlatent w ~ Normal(0, 1)\nguide w ~ Normal(p, 1)\nobserve x ~ Normal(3 + 0 * w, 1)");
    for batch in [1, 2, 8] {
        assert!((one_step(&program, batch) - (2.0 - 2.0 / 8.0)).abs() < 1e-12, "batches of {batch}");
    }
}

#[test]
fn reports_show_local_rate_and_global_rate_per_row_and_their_sum() {
    let program = alike(
        "param p = 2\nparam q = 4\nlatent z[N] ~ Normal(0, 1)\nguide z ~ Normal(p, 1)\nlatent w ~ Normal(0, 1)\n\
         guide w ~ Normal(q, 1)\nobserve x ~ Normal(w + z, 1)\ntrain { optimizer = adam }",
    );
    let (folder, fit) = fitted(&program, &["--steps", "0"]);
    for (path, value) in [("local_rate", 2.0), ("global_rate", 1.0), ("rate", 3.0)] {
        assert!((at(&fit, path) - value).abs() < 1e-9, "{path} is {}", at(&fit, path));
    }
    let said = done(folder.path(), &["run", "p.fe", "--steps", "0", "--out", "again"]);
    let line = |name: &str| said.lines().find(|l| l.trim_start().starts_with(name)).unwrap().to_owned();
    for (name, value) in [("local", "2.00"), ("global / rows", "1.00"), ("R ", "3.00")] {
        assert!(line(name).contains(value), "{said}");
    }
}

#[test]
fn an_expression_of_data_alone_is_computed_once_at_load() {
    let program = alike("param p = 1\nobserve x ~ Normal(p * log(1 + x^2), 1)\ntrain { batch = 2  steps = 1 }");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.fe"), &program).unwrap();
    let said = done(folder.path(), &["explain", "p.fe", "--graph"]);
    let graph = said.split("graph of the objective per row").nth(1).unwrap();
    // What a step computes begins at the value that was prepared, without the logarithm.
    assert!(graph.contains("prepared 1") && !graph.contains("log"), "{graph}");
}

#[test]
fn statistics_come_from_training_rows_and_are_kept() {
    let program = "data x[N] = [1, 2, 3, 5, 8, 13, 21, 34]\nparam p = 1\nlet c = x - mean(x, N)\n\
                   observe c ~ Normal(p, 1)\ntrain { holdout = 25%  seed = 5  optimizer = sgd(lr = 1)  steps = 1  batch = 1 }\n";
    let (folder, _) = fitted(program, &["--precision", "f64"]);
    let x = [1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0];
    let (train, held) = fe_train::split(8, Some(0.25), 5).unwrap();
    assert_eq!(held.len(), 2);
    let mean = train.iter().map(|&k| x[k as usize]).sum::<f64>() / 6.0;
    let kept: Vec<f64> = saved(&folder, "statistic 1");
    assert_eq!(kept.len(), 1);
    // A sum or a mean, as it was taken.
    assert!((kept[0] - mean).abs() < 1e-9 || (kept[0] - 6.0 * mean).abs() < 1e-9, "{kept:?} {mean}");
    // One step on one row: p becomes that row's distance from the mean of all six, not from its own.
    let p = saved(&folder, "p")[0];
    assert!(train.iter().any(|&k| (x[k as usize] - mean - p).abs() < 1e-9), "{p} with {mean}");
}

#[test]
fn a_mean_over_rows_of_what_is_not_data_is_an_error_in_a_minibatch() {
    let program = alike("latent z[N] ~ Normal(0, 1)\nobserve x ~ Normal(z - mean(z, N), 1)");
    let said = refused(&format!("{program}train {{ batch = 2 }}\n"));
    assert!(said.contains("row"), "{said}");
    // Without batches it stands.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.fe"), &program).unwrap();
    done(folder.path(), &["check", "p.fe"]);
}
