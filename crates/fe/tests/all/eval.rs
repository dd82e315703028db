//! `fe eval`: a finished fit on rows that it has not seen.

use std::path::Path;

use crate::common::*;
use serde_json::Value;

/// Two numbers and a label.
type Row = (f64, f64, &'static str);

/// Rows, without a generator to depend on.
fn rows() -> Vec<Row> {
    let labels = ["red", "green", "blue"];
    (0..24)
        .map(|i| {
            let t = f64::from(i);
            let (a, b) = ((1.7 * t).sin() * 2.0 + 1.0, (0.9 * t + 0.4).cos() + 0.3 * (1.7 * t).sin());
            (a, b, labels[(i as usize * 7 % 11) % 3])
        })
        .collect()
}

fn table(path: &Path, rows: &[Row]) {
    let lines = rows.iter().map(|(a, b, g)| format!("{a:?},{b:?},{g}\n"));
    std::fs::write(path, format!("a,b,g\n{}", lines.collect::<String>())).unwrap();
}

/// A folder with a program and its table, and the document of its fit in `fit` there.
fn fitted(program: &str) -> (tempfile::TempDir, Value) {
    let folder = tempfile::tempdir().unwrap();
    table(&folder.path().join("rows.csv"), &rows());
    std::fs::write(folder.path().join("model.fe"), program).unwrap();
    let document = done(folder.path(), &["run", "model.fe", "--json", "--quiet", "--out", "fit"]);
    (folder, serde_json::from_str(&document).unwrap())
}

fn eval(folder: &Path, data: &[&str]) -> Value {
    let mut arguments = vec!["eval", "fit", "--json"];
    data.iter().for_each(|d| arguments.extend(["--data", d]));
    serde_json::from_str(&done(folder, &arguments)).unwrap()
}

/// The table's rows that a fit with 25 % held out was trained on, and those it was not.
fn split(seed: u64) -> [Vec<Row>; 2] {
    let all = rows();
    let (train, held) = fe_train::split(all.len(), Some(0.25), seed).unwrap();
    [train, held].map(|places| places.iter().map(|&p| all[p as usize]).collect())
}

fn same(a: &Value, b: &Value, within: f64, what: &str) {
    for key in ["free_energy", "distortion", "rate"] {
        let difference = at(a, key) - at(b, key);
        assert!(difference.abs() < within, "{what}: {key} is {} and {}", at(a, key), at(b, key));
    }
}

/// The per-row table is of the same fit: its means are the figures.
fn adds_up(evaluation: &Value) {
    for key in ["free_energy", "distortion", "rate"] {
        let column: Vec<f64> =
            evaluation["by_row"][key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert_eq!(column.len() as f64, at(evaluation, "rows"));
        let mean = column.iter().sum::<f64>() / column.len() as f64;
        assert!((mean - at(evaluation, key)).abs() < 1e-9, "{key}: {mean} and {}", at(evaluation, key));
        let total = at(evaluation, &format!("{key}_total"));
        assert!((total - column.iter().sum::<f64>()).abs() < 1e-8, "{key} in all: {total}");
    }
}

const REGRESSION: &str = "data a[N] = csv(\"rows.csv\", \"a\")\ndata b[N] = csv(\"rows.csv\", \"b\")\n\
                          latent w ~ Normal(0, 2)\nobserve b ~ Normal(w * a, 0.5)\n";

/// An amortised code of standardised rows, from which the program takes a mean once more.
const CODE: &str = "data x[N, D] = csv(\"rows.csv\", \"a\", \"b\") |> standardize\ndim K = 1\n\
                    param E[D, K] = normal(0, 0.3)\nparam W[K, D] = normal(0, 0.3)\nparam s[K] = 0\n\
                    let c = (x - mean(x, N)) * sum(x^2, N)\n\
                    latent z[N, K] ~ Normal(0, 1)\nguide z ~ Normal(c @ E, exp(s))\n\
                    observe x ~ Normal(z @ W, 0.7)\ntrain { holdout = 25%  seed = 3 }\n";

/// The same, of rows as they are: the program's own means are not 0.
fn raw() -> String {
    CODE.replace(" |> standardize", "").replace(" * sum(x^2, N)", " / (max(x, N) - mean(x, N))")
}

#[test]
fn the_training_rows_give_the_runs_own_figures() {
    let (folder, fit) = fitted(REGRESSION);
    let evaluation = eval(folder.path(), &["a=rows.csv", "b=rows.csv"]);
    same(&evaluation, &fit, 1e-12, "regression");
    assert_eq!((at(&evaluation, "rows"), at(&evaluation, "trained_rows")), (24.0, 24.0));
    assert_eq!(evaluation["refitted"], false);
    adds_up(&evaluation);

    let (folder, fit) = fitted(CODE);
    table(&folder.path().join("old.csv"), &split(3)[0]);
    let evaluation = eval(folder.path(), &["x=old.csv"]);
    same(&evaluation, &fit, 1e-12, "code");
    assert_eq!(at(&evaluation, "trained_rows"), 18.0);
    adds_up(&evaluation);
}

#[test]
fn held_out_rows_give_the_runs_held_out_figures() {
    for program in [CODE, &raw()] {
        let (folder, fit) = fitted(program);
        table(&folder.path().join("new.csv"), &split(3)[1]);
        let evaluation = eval(folder.path(), &["x=new.csv"]);
        assert_eq!(at(&evaluation, "rows"), 6.0);
        same(&evaluation, &fit["heldout"], 1e-12, "code");
        assert!((at(&evaluation, "r2") - at(&fit, "heldout.r2")).abs() < 1e-12);
        adds_up(&evaluation);
    }
}

/// By hand: the distortion and the rate of one row, whose own mean and spread would be nothing to go by.
#[test]
fn statistics_come_from_the_training_rows() {
    by_hand(CODE, true);
    by_hand(&raw(), false);
}

fn by_hand(program: &str, standardized: bool) {
    let (folder, _) = fitted(program);
    let [train, held] = split(3);
    table(&folder.path().join("one.csv"), &held[..1]);
    let evaluation = eval(folder.path(), &["x=one.csv"]);
    let bytes = std::fs::read(folder.path().join("fit/params.safetensors")).unwrap();
    let saved = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let get = |name: &str| -> Vec<f64> {
        let view = saved.tensor(name).unwrap();
        view.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
    };
    let columns: [fn(&Row) -> f64; 2] = [|r| r.0, |r| r.1];
    let (mut x, mut c) = (vec![], vec![]);
    for of in columns {
        let n = train.len() as f64;
        let mean = train.iter().map(of).sum::<f64>() / n;
        let square = train.iter().map(|r| (of(r) - mean).powi(2)).sum::<f64>();
        let sd = (square / (n - 1.0)).sqrt();
        if standardized {
            x.push((of(&held[0]) - mean) / sd);
            // Over standardised training rows the mean is 0 and the sum of squares n − 1.
            c.push(x.last().unwrap() * (n - 1.0));
        } else {
            let largest = train.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
            x.push(of(&held[0]));
            c.push((of(&held[0]) - mean) / (largest - mean));
        }
    }
    let (e, w, s) = (get("E"), get("W"), get("s")[0]);
    let (m, v) = (c[0] * e[0] + c[1] * e[1], (2.0 * s).exp());
    let rate = 0.5 * (m * m + v - 1.0) - s;
    let cost = |k: usize| {
        let square = (x[k] - m * w[k]).powi(2) + v * w[k] * w[k];
        0.5 * square / 0.49 + 0.7f64.ln() + 0.5 * (2.0 * std::f64::consts::PI).ln()
    };
    assert!((at(&evaluation, "rate") - rate).abs() < 1e-9, "{} {rate}", at(&evaluation, "rate"));
    let distortion = cost(0) + cost(1);
    assert!(
        (at(&evaluation, "distortion") - distortion).abs() < 1e-9,
        "{} {distortion}",
        at(&evaluation, "distortion")
    );
}

#[test]
fn guides_of_single_rows_are_fitted_to_the_new_ones() {
    // z given x is N(x · 4/5, 4/5 · 0.25): the evidence of a row is N(0, 1.25).
    let program = "data x[N] = csv(\"rows.csv\", \"b\")\nlatent z[N] ~ Normal(0, 1)\nobserve x ~ Normal(z, 0.5)\n\
                   train { holdout = 25%  seed = 3 }\n";
    let (folder, fit) = fitted(program);
    let held = &split(3)[1];
    table(&folder.path().join("new.csv"), held);
    let evaluation = eval(folder.path(), &["x=new.csv"]);
    assert_eq!(evaluation["refitted"], true);
    same(&evaluation, &fit["heldout"], 1e-9, "rows of their own");
    adds_up(&evaluation);
    for (row, (_, x, _)) in held.iter().enumerate() {
        let evidence = 0.5 * x * x / 1.25 + 0.5 * (2.0 * std::f64::consts::PI * 1.25).ln();
        let found = at(&evaluation, &format!("by_row.free_energy.{row}"));
        assert!((found - evidence).abs() < 1e-4, "row {row}: {found} and {evidence}");
    }
    let said = done(folder.path(), &["eval", "fit", "--data", "x=new.csv"]);
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("those of the new rows were fitted with all else fixed"), "{said}");
}

#[test]
fn sampled_terms_agree_within_their_errors() {
    let program = "data x[N] : count = csv(\"counts.csv\", \"n\")\nparam m = 0\nparam s = 0\nparam g = 0\n\
                   latent z[N] ~ Normal(0, 1)\nguide z ~ Normal(g * x + m, exp(s))\n\
                   observe x ~ Poisson(softplus(z))\ntrain { batch = 6  steps = 200  holdout = 25%  seed = 3 }\n";
    let folder = tempfile::tempdir().unwrap();
    let counts: Vec<u32> = (0..24u32).map(|i| i * 5 % 7 % 4).collect();
    let write = |name: &str, counts: &[u32]| {
        let lines: String = counts.iter().map(|n| format!("{n}\n")).collect();
        std::fs::write(folder.path().join(name), format!("n\n{lines}")).unwrap();
    };
    write("counts.csv", &counts);
    std::fs::write(folder.path().join("model.fe"), program).unwrap();
    let document = done(folder.path(), &["run", "model.fe", "--json", "--quiet", "--out", "fit"]);
    let fit: Value = serde_json::from_str(&document).unwrap();
    let (_, held) = fe_train::split(24, Some(0.25), 3).unwrap();
    write("new.csv", &held.iter().map(|&p| counts[p as usize]).collect::<Vec<_>>());
    let evaluation = eval(folder.path(), &["x=new.csv"]);
    let within = 5.0 * at(&evaluation, "free_energy_se") * 2f64.sqrt();
    assert!(within > 0.0 && within < 0.1, "{within}");
    same(&evaluation, &fit["heldout"], within, "counts");
    let rows = evaluation["by_row"]["free_energy"].as_array().unwrap();
    let mean = rows.iter().map(|v| v.as_f64().unwrap()).sum::<f64>() / rows.len() as f64;
    assert!((mean - at(&evaluation, "free_energy")).abs() < within);
}

#[test]
fn levels_of_text_are_those_of_the_fit() {
    let program = "data y[N] = csv(\"rows.csv\", \"a\")\ndata g[N] : index(G) = csv(\"rows.csv\", \"g\")\n\
                   latent m[G] ~ Normal(0, 2)\nobserve y ~ Normal(m[g], 1)\n";
    let (folder, fit) = fitted(program);
    let mut turned = rows();
    turned.reverse();
    assert_ne!(turned[0].2, rows()[0].2);
    table(&folder.path().join("turned.csv"), &turned);
    same(&eval(folder.path(), &["y=turned.csv", "g=turned.csv"]), &fit, 1e-12, "levels in another order");
    turned[4].2 = "violet";
    table(&folder.path().join("turned.csv"), &turned);
    let output = run(folder.path(), &["eval", "fit", "--data", "y=turned.csv", "--data", "g=turned.csv"]);
    assert_eq!(code(&output), 3);
    for words in ["[R0012]", "`violet`, which the fit has not seen", "the levels of the fit are blue, green, red"] {
        assert!(stderr(&output).contains(words), "`{words}` in {}", stderr(&output));
    }
}

#[test]
fn what_is_printed_and_saved() {
    let (folder, _) = fitted(CODE);
    table(&folder.path().join("new.csv"), &split(3)[1]);
    let said = done(folder.path(), &["eval", "fit", "--data", "x=new.csv", "--out", "rows.out.csv"]);
    insta::assert_snapshot!(said);
    let saved = std::fs::read_to_string(folder.path().join("rows.out.csv")).unwrap();
    let lines: Vec<&str> = saved.lines().collect();
    assert_eq!((lines[0], lines.len()), ("row,free_energy,distortion,rate,energy", 7));
    let cells: Vec<&str> = lines[3].split(',').collect();
    let number = |k: usize| cells[k].parse::<f64>().unwrap();
    assert_eq!((cells[0], cells[4]), ("2", ""));
    assert!((number(1) - number(2) - number(3)).abs() < 1e-12, "{}", lines[3]);
}

/// What `fe eval` says, and its exit code.
fn refused(folder: &Path, data: &[&str]) -> (i32, String) {
    let mut arguments = vec!["eval", "fit"];
    data.iter().for_each(|d| arguments.extend(["--data", d]));
    let output = run(folder, &arguments);
    (code(&output), stderr(&output))
}

#[test]
fn data_that_do_not_fit_are_told() {
    let (folder, _) = fitted(CODE);
    std::fs::write(folder.path().join("wide.npy"), []).unwrap();
    // The reader names its columns, so another width comes from a reader without names.
    let program = CODE.replace("csv(\"rows.csv\", \"a\", \"b\")", "csv(\"numbers.csv\")");
    std::fs::write(folder.path().join("numbers.csv"), "a,b\n1,2\n3,5\n2,2\n0,1\n4,3\n2,6\n5,1\n3,3\n").unwrap();
    std::fs::write(folder.path().join("model.fe"), program).unwrap();
    done(folder.path(), &["run", "model.fe", "--quiet", "--out", "fit"]);
    std::fs::write(folder.path().join("wide.csv"), "a,b,c\n1,2,3\n3,5,1\n").unwrap();
    let (exit, said) = refused(folder.path(), &["x=wide.csv"]);
    assert_eq!(exit, 3);
    insta::assert_snapshot!("wrong_width", said);
    let (exit, said) = refused(folder.path(), &["x=missing.csv"]);
    assert!(exit == 3 && said.contains("missing.csv"), "{exit} {said}");
    let (exit, said) = refused(folder.path(), &["q=wide.csv"]);
    assert!(exit == 2 && said.contains("no data called `q`"), "{exit} {said}");
    // Without new rows it is the fit's own.
    let own = done(folder.path(), &["eval", "fit"]);
    assert!(own.contains("2 rows held out, by the fit of 6 rows"), "{own}");

    let (folder, _) = fitted(REGRESSION);
    table(&folder.path().join("few.csv"), &rows()[..5]);
    let (exit, said) = refused(folder.path(), &["a=few.csv"]);
    assert_eq!(exit, 3);
    insta::assert_snapshot!("uneven_rows", said);
    // A run that is none.
    let (exit, said) = refused(folder.path().parent().unwrap(), &["a=few.csv"]);
    assert!(exit == 2 && said.contains("is it a finished run?"), "{exit} {said}");
}

#[test]
fn programs_that_have_no_new_rows() {
    let whole = "dim T = 24\ndata y[T] = csv(\"rows.csv\", \"a\")\nfor t in T {\n  latent s[t] ~ Normal(if t == 0 then 0 else s[t-1], 1)\n  \
                 observe y[t] ~ Normal(s[t], 1)\n}\n";
    let (folder, _) = fitted(whole);
    let (exit, said) = refused(folder.path(), &["y=rows.csv"]);
    assert!(exit == 2 && said.contains("has no row axis"), "{exit} {said}");
    let joint = "data y[N] = csv(\"rows.csv\", \"a\")\nlatent z[N] ~ Normal(0, 1)\nobserve y ~ Normal(z, 1)\n";
    let (folder, _) = fitted(joint);
    let (exit, said) = refused(folder.path(), &["y=rows.csv"]);
    assert!(exit == 2 && said.contains("is one Gaussian over all rows of the fit"), "{exit} {said}");
}
