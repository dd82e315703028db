//! `fe sample`, against moments that are known.

use crate::common::*;

/// A table of draws: names and columns.
fn table(path: &std::path::Path) -> (Vec<String>, Vec<Vec<f64>>) {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let names: Vec<String> = lines.next().unwrap().split(',').map(str::to_owned).collect();
    let mut columns = vec![vec![]; names.len()];
    for line in lines {
        for (column, cell) in columns.iter_mut().zip(line.split(',')) {
            column.push(cell.parse().unwrap());
        }
    }
    (names, columns)
}

fn moments(column: &[f64]) -> (f64, f64) {
    let mean = column.iter().sum::<f64>() / column.len() as f64;
    (mean, (column.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / column.len() as f64).sqrt())
}

/// Draws of a program under `tests/exact`, or of a run of it, by column.
fn draws(program: &str, fitted: bool) -> (Vec<String>, Vec<Vec<f64>>) {
    let out = tempfile::tempdir().unwrap();
    let model = root().join("tests/exact").join(program);
    let mut of = model.to_str().unwrap().to_owned();
    if fitted {
        let folder = out.path().join("run");
        let output = run(&root(), &["run", &of, "--quiet", "--out", folder.to_str().unwrap()]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        of = folder.to_str().unwrap().to_owned();
    }
    let file = out.path().join("draws.csv");
    let output = run(&root(), &["sample", &of, "--count", "4000", "--out", file.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    table(&file)
}

fn column<'a>(table: &'a (Vec<String>, Vec<Vec<f64>>), name: &str) -> &'a [f64] {
    let at = table.0.iter().position(|n| n == name).unwrap_or_else(|| panic!("{name} in {:?}", table.0));
    &table.1[at]
}

/// Five standard errors of a mean, and of a standard deviation, of 4000 draws.
fn near(found: (f64, f64), mean: f64, sd: f64, what: &str) {
    let error = sd / 4000f64.sqrt();
    assert!((found.0 - mean).abs() < 5.0 * error, "{what}: mean {} and not {mean}", found.0);
    assert!((found.1 - sd).abs() < 5.0 * error, "{what}: sd {} and not {sd}", found.1);
}

#[test]
fn data_before_and_after_a_fit() {
    // mu ~ N(0, 2), y ~ N(mu, 0.8); after the fit mu has mean 0.44125 · 4/(4 + 0.08) or so.
    let prior = draws("leave_one_out.fe", false);
    near(moments(column(&prior, "mu")), 0.0, 2.0, "mu");
    near(moments(column(&prior, "y[3]")), 0.0, (4.0f64 + 0.64).sqrt(), "y");
    let posterior = draws("leave_one_out.fe", true);
    let variance = 1.0 / (0.25 + 8.0 / 0.64);
    let mean = variance * 3.6 / 0.64;
    near(moments(column(&posterior, "y[3]")), mean, (variance + 0.64f64).sqrt(), "new y");
}

#[test]
fn chains_vectors_and_classes() {
    // A hidden Markov chain: how often state 1 follows 0 and 1, and where it stands at the end.
    let chain = draws("hidden_markov.fe", false);
    let (mut from, mut stays) = ([0.0; 2], [0.0; 2]);
    for t in 1..7 {
        let (before, now) = (column(&chain, &format!("s[{}]", t - 1)), column(&chain, &format!("s[{t}]")));
        for (b, n) in before.iter().zip(now) {
            from[*b as usize] += 1.0;
            stays[*b as usize] += n;
        }
    }
    assert!((stays[0] / from[0] - 0.1).abs() < 0.02 && (stays[1] / from[1] - 0.7).abs() < 0.03, "{stays:?} {from:?}");
    // A Gaussian process: the covariance of two of its points.
    let process = draws("gaussian_process_latent.fe", false);
    let (a, b) = (column(&process, "f[0]"), column(&process, "f[1]"));
    let covariance = a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / 4000.0;
    assert!((covariance - 1.69 * (-0.25f64 / 1.28).exp()).abs() < 0.15, "{covariance}");
    // A mixture after the fit: the mean of a row is that of its classes.
    let mixture = draws("mixture.fe", true);
    near(moments(column(&mixture, "x[2]")), -0.0009618 + 2.0 * 0.9700603, (1.0f64 + 0.117).sqrt(), "row 2");
    // Cut off at both ends.
    let cut = draws("truncated.fe", false);
    assert!(column(&cut, "x[0]").iter().all(|v| (0.0..=3.0).contains(v)));
}

#[test]
fn what_cannot_be_drawn_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("flat.fe");
    std::fs::write(&program, "data y[N] = [1, 2]\nlatent m ~ Flat()\nobserve y ~ Normal(m, 1)\n").unwrap();
    let output = run(folder.path(), &["sample", "flat.fe"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("`m` cannot be drawn from Flat"), "{}", stderr(&output));
    let output = run(folder.path(), &["sample", "flat.fe", "--out", "draws.txt"]);
    assert_eq!(code(&output), 2);
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let output = run(folder.path(), &["sample", "empty"]);
    assert!(code(&output) == 2 && stderr(&output).contains("is it a finished run?"), "{}", stderr(&output));
}

#[test]
fn arrays_for_numpy() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("draws.npz");
    let model = root().join("tests/exact/mixture.fe");
    let output = run(&root(), &["sample", model.to_str().unwrap(), "--count", "7", "--out", file.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    // Our own reader takes it as data: 7 rows of 4.
    let program = folder.path().join("again.fe");
    std::fs::write(
        &program,
        "data x[N, D] = npz(\"draws.npz\", \"x\")\nlatent m ~ Normal(0, 1)\nobserve x ~ Normal(m, 2)\n",
    )
    .unwrap();
    let fit = fit(folder.path(), &["again.fe"]);
    assert_eq!(fit["rows"], 7);
}

#[test]
fn of_whose_posterior_data_are_drawn_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let model = root().join("examples/eight_schools.fe");
    done(folder.path(), &["run", model.to_str().unwrap(), "--quiet", "--out", "run"]);
    let output = run(folder.path(), &["sample", "run", "--count", "10", "--out", "draws.nc"]);
    let fit: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("run/fit.json")).unwrap()).unwrap();
    assert!(!fit["posterior_resampled"].is_null());
    let said = "given draws of the fitted guide; the table to read is from draws chosen by importance weights";
    assert!(stderr(&output).contains(said), "{}", stderr(&output));
    let file = std::fs::read(folder.path().join("draws.nc")).unwrap();
    let attribute = b"data drawn anew, given draws of the fitted guide";
    assert!(file.windows(attribute.len()).any(|w| w == attribute));
}

#[test]
fn a_run_is_read_from_any_folder_and_after_it_was_moved_with_its_project() {
    let there = tempfile::tempdir().unwrap();
    let (first, second) = (there.path().join("first"), there.path().join("second"));
    let path = |name: &str| first.join(name);
    std::fs::create_dir_all(path("models/data")).unwrap();
    std::fs::create_dir_all(path("more")).unwrap();
    std::fs::write(path("models/data/y.csv"), "y\n1\n2\n4\n").unwrap();
    std::fs::write(path("more/x.csv"), "x\n3\n1\n2\n").unwrap();
    let program = "data y[N] = csv(\"data/y.csv\", \"y\")\ndata x[N] = csv(\"data/x.csv\", \"x\")\nlatent b ~ Normal(0, 1)\n\
                   observe y ~ Normal(b * x, 1)\n";
    std::fs::write(path("models/m.fe"), program).unwrap();
    let made = ["run", "models/m.fe", "--data", "x=more/x.csv", "--quiet", "--out", "runs/m"];
    let output = run(&first, &made);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let drawn = |from: &std::path::Path, of: &str| {
        let file = there.path().join("draws.csv");
        for command in [&["sample", of, "--seed", "3", "--out", file.to_str().unwrap()][..], &["eval", of]] {
            let output = run(from, command);
            assert_eq!(code(&output), 0, "{command:?} in {}: {}", from.display(), stderr(&output));
        }
        std::fs::read_to_string(file).unwrap()
    };
    let here = drawn(&first, "runs/m");
    assert_eq!(drawn(&first.join("runs"), "m"), here);
    assert_eq!(drawn(there.path(), "first/runs/m"), here);
    std::fs::rename(&first, &second).unwrap();
    assert_eq!(drawn(there.path(), "second/runs/m"), here);
    // What is missing is named, once.
    std::fs::remove_file(second.join("more/x.csv")).unwrap();
    let said = stderr(&run(there.path(), &["sample", "second/runs/m"]));
    assert!(said.matches("Error").count() == 1 && said.contains("more/x.csv"), "{said}");
}
