//! What users take away: estimates with their errors, codes of rows, predictions, labels, and runs side by side.

use std::path::Path;

use crate::common::*;
use serde_json::Value;

/// x, a group, and y = 0.3 + 1.5 x + something, without a generator to depend on.
fn rows() -> Vec<(f64, &'static str, f64)> {
    let row = |i: u32| {
        let (t, g) = (f64::from(i), ["red", "green", "blue"][(i as usize * 7 % 11) % 3]);
        let x = (1.7 * t).sin() * 2.0;
        (x, g, 0.3 + 1.5 * x + (0.9 * t).cos())
    };
    (0..30).map(row).collect()
}

fn folder(program: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let lines: String = rows().iter().map(|(x, g, y)| format!("{x:?},{g},{y:?}\n")).collect();
    std::fs::write(folder.path().join("rows.csv"), format!("x,g,y\n{lines}")).unwrap();
    std::fs::write(folder.path().join("model.fe"), program).unwrap();
    folder
}

fn fit(folder: &Path) -> Value {
    serde_json::from_str(&done(folder, &["run", "model.fe", "--json", "--quiet", "--out", "fit"])).unwrap()
}

/// A table's column.
fn column(text: &str, name: &str) -> Vec<f64> {
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let at = head.iter().position(|n| *n == name).unwrap_or_else(|| panic!("{name} in {head:?}"));
    lines.map(|l| l.split(',').nth(at).unwrap().parse().unwrap()).collect()
}

fn refused(folder: &Path, arguments: &[&str], words: &[&str]) {
    let output = run(folder, arguments);
    assert_ne!(code(&output), 0, "{arguments:?}");
    for word in words {
        assert!(stderr(&output).contains(word), "{word} in {}", stderr(&output));
    }
}

const LINE: &str = "data x[N] = csv(\"rows.csv\", \"x\")\ndata y[N] = csv(\"rows.csv\", \"y\")\n\
                    param slope = 0\nparam level = 0\nparam sigma : positive = 1\n\
                    observe y ~ Normal(level + slope * x, sigma)\n";

const GROUPS: &str = "data x[N] = csv(\"rows.csv\", \"x\")\ndata g[N] : index(G) = csv(\"rows.csv\", \"g\")\n\
                      data y[N] = csv(\"rows.csv\", \"y\")\nlatent w ~ Normal(0, 2)\nlatent a[G] ~ Normal(0, 1)\n\
                      observe y ~ Normal(w * x + a[g], 0.8)\n";

#[test]
fn maximum_likelihood_is_shown_with_the_errors_of_its_information() {
    let folder = folder(LINE);
    let document = fit(folder.path());
    let (x, y): (Vec<f64>, Vec<f64>) = rows().iter().map(|r| (r.0, r.2)).unzip();
    let n = x.len() as f64;
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let sxx: f64 = x.iter().map(|v| (v - mx).powi(2)).sum();
    let slope = x.iter().zip(&y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>() / sxx;
    let level = my - slope * mx;
    let sigma = (x.iter().zip(&y).map(|(x, y)| (y - level - slope * x).powi(2)).sum::<f64>() / n).sqrt();
    let errors = [sigma / sxx.sqrt(), sigma * (1.0 / n + mx * mx / sxx).sqrt(), sigma / (2.0 * n).sqrt()];
    for ((name, value), error) in [("slope", slope), ("level", level), ("sigma", sigma)].into_iter().zip(errors) {
        let found = &document["params"][name];
        assert!((at(found, "value") - value).abs() < 1e-6, "{name}: {found} and not {value}");
        assert!((at(found, "se") / error - 1.0).abs() < 1e-3, "{name}: {found} and not ± {error}");
    }
    let said = done(folder.path(), &["run", "model.fe", "--out", "again"]);
    assert!(said.contains("log likelihood −") && !said.contains("log evidence"), "{said}");
    assert!(said.contains("params    estimate      se\n  slope "), "{said}");
    let page = std::fs::read_to_string(folder.path().join("fit/report.html")).unwrap();
    assert!(page.contains("Parameters, as fitted"));
}

#[test]
fn arrays_of_parameters_nest_and_large_ones_are_named() {
    let program = "data y[N, D] = csv(\"rows.csv\", \"x\", \"y\")\ndim K = 2\nparam p[K] : simplex = 0.5\n\
                   param big[D, M, M] = 0\ndim M = 80\nparam m[K, D] = normal(0, 1)\n\
                   let mean[D] = p @ m + sum(sum(big, M), M')\nobserve y ~ Normal(mean, 1)\n\
                   train { steps = 2 }\n";
    let program = program.replace("param big[D, M, M] = 0\ndim M = 80\n", "dim L = 10_001\nparam big[L] = 0\n");
    let program = program.replace(" + sum(sum(big, M), M')", " + sum(big, L)");
    let document = fit(folder(&program).path());
    assert_eq!(document["params"]["m"]["value"].as_array().unwrap().len(), 2);
    assert!(document["params"]["big"].is_null());
    assert_eq!(document["params_in_file"][0], serde_json::json!({ "name": "big", "shape": [10001] }));
    assert!(document["params_without_errors"].as_str().unwrap().contains("not converged"));
}

#[test]
fn codes_of_factors_are_their_exact_posterior() {
    let program = "data y[N, D] = csv(\"rows.csv\", \"x\", \"y\")\nlet W[D] = [0.8, -0.5]\nlatent z[N] ~ Normal(0, 1)\n\
                   let twice[N] = 2 * z\nobserve y ~ Normal(W * z, 0.7)\n";
    let folder = folder(program);
    fit(folder.path());
    done(folder.path(), &["codes", "fit", "--out", "z.csv"]);
    let text = std::fs::read_to_string(folder.path().join("z.csv")).unwrap();
    assert!(text.starts_with("row,z_mean,z_sd\n0,"), "{text}");
    let precision = 1.0 + (0.64 + 0.25) / 0.49;
    let exact = |(x, _, y): &(f64, &str, f64)| (0.8 * x - 0.5 * y) / 0.49 / precision;
    for (row, (mean, sd)) in rows().iter().zip(column(&text, "z_mean").into_iter().zip(column(&text, "z_sd"))) {
        assert!((mean - exact(row)).abs() < 1e-3 && (sd - precision.powf(-0.5)).abs() < 1e-3, "{mean} ± {sd}");
    }
    done(folder.path(), &["codes", "fit", "--latent", "twice", "--out", "t.csv"]);
    let text = std::fs::read_to_string(folder.path().join("t.csv")).unwrap();
    for (row, mean) in rows().iter().zip(column(&text, "twice_mean")) {
        assert!((mean - 2.0 * exact(row)).abs() < 0.05, "{mean}");
    }
    // New rows have codes of their own, where the guide is of each row.
    refused(folder.path(), &["codes", "fit", "--data", "y=rows.csv"], &["one Gaussian over all rows"]);
    std::fs::write(
        folder.path().join("model.fe"),
        format!("{program}param e[D] = 0\nparam s = 0\nguide z ~ Normal(sum(e * y, D), exp(s))\n"),
    )
    .unwrap();
    fit(folder.path());
    std::fs::write(folder.path().join("new.csv"), "x,y\n1,0\n").unwrap();
    done(folder.path(), &["codes", "fit", "--data", "y=new.csv", "--out", "n.csv"]);
    let mean = column(&std::fs::read_to_string(folder.path().join("n.csv")).unwrap(), "z_mean");
    assert!(mean.len() == 1 && (mean[0] - 0.8 / 0.49 / precision).abs() < 0.02, "{mean:?}");
    for file in ["z.npz", "z.nc"] {
        assert!(done(folder.path(), &["codes", "fit", "--out", file]).contains("z_sd[N = 30]"));
    }
    refused(folder.path(), &["codes", "fit", "--latent", "u"], &["`u` is no latent", "`z`, `twice`"]);
    refused(folder.path(), &["codes", "fit", "--out", "z.txt"], &[".nc, .npz or .csv"]);
    std::fs::write(folder.path().join("rows.csv"), format!("x,g,y\n{}", "1,red,1\n".repeat(30))).unwrap();
    refused(folder.path(), &["codes", "fit"], &["`y` have changed since the fit"]);
}

#[test]
fn responsibilities_are_probabilities_of_each_row() {
    let program = "data y[N] = csv(\"rows.csv\", \"y\")\ndim K = 2\nlet p[K] = [0.3, 0.7]\nlet m[K] = [-2, 1]\n\
                   latent k[N] : index(K) ~ Categorical(p)\nobserve y ~ Normal(m[k], 1)\n";
    let folder = folder(program);
    fit(folder.path());
    done(folder.path(), &["codes", "fit", "--out", "k.csv"]);
    let text = std::fs::read_to_string(folder.path().join("k.csv")).unwrap();
    for ((_, _, y), found) in rows().iter().zip(column(&text, "k_probability[0]")) {
        let weight = |p: f64, m: f64| p * (-0.5 * (y - m).powi(2)).exp();
        let exact = weight(0.3, -2.0) / (weight(0.3, -2.0) + weight(0.7, 1.0));
        assert!((found - exact).abs() < 1e-9, "{found} and not {exact}");
    }
}

#[test]
fn predictions_of_known_and_unseen_groups() {
    let folder = folder(GROUPS);
    let document = fit(folder.path());
    assert_eq!(document["labels"]["G"], serde_json::json!(["blue", "green", "red"]));
    std::fs::write(folder.path().join("new.csv"), "x,g\n0,red\n2,blue\n0,violet\n").unwrap();
    let output = run(folder.path(), &["predict", "fit", "--data", "x=new.csv", "--data", "g=new.csv"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stderr(&output).contains("the fit has not seen violet"), "{}", stderr(&output));
    let text = stdout(&output);
    let (mean, sd) = (column(&text, "y_mean"), column(&text, "y_sd"));
    let table = |name: &str, k: usize| document["posterior"][name]["mean"].as_array().unwrap()[k].as_f64().unwrap();
    let w = at(&document["posterior"]["w"], "mean");
    // Four standard errors of 4000 draws of what is drawn: the effects of groups, and a prior of sd 1.
    assert!((mean[0] - table("a", 2)).abs() < 0.02, "{mean:?}");
    assert!((mean[1] - 2.0 * w - table("a", 0)).abs() < 0.03, "{mean:?}");
    assert!(mean[2].abs() < 0.07 && (sd[2] - 1.64f64.sqrt()).abs() < 0.05, "{mean:?} ± {sd:?}");
    assert!(sd[0] < 0.9, "{sd:?}");
    // A file without a name stands for the program's one table, of whatever is not named.
    for given in [&["--data", "new.csv"][..], &["--data", "x=new.csv", "--data", "new.csv"]] {
        assert_eq!(done(folder.path(), &[&["predict", "fit"], given].concat()), text);
    }
    let twice = ["predict", "fit", "--data", "new.csv", "--data", "rows.csv"];
    refused(folder.path(), &twice, &["one file without a name", "`rows.csv`"]);
    let wide =
        done(folder.path(), &["predict", "fit", "--data", "x=new.csv", "--data", "g=new.csv", "--interval", "0.5"]);
    assert!(wide.starts_with("row,y_mean,y_sd,y_q25,y_q50,y_q75\n"), "{wide}");
    done(folder.path(), &["predict", "fit", "--data", "x=new.csv", "--data", "g=new.csv", "--draws", "--out", "p.npz"]);

    refused(folder.path(), &["predict", "fit", "--data", "x=new.csv"], &["what is known of new rows: g"]);
    let both = ["predict", "fit", "--data", "x=new.csv", "--data", "g=new.csv"];
    refused(folder.path(), &[&both[..], &["--data", "y=rows.csv"]].concat(), &["`y` is what is predicted"]);
    refused(folder.path(), &[&both[..], &["--interval", "2"]].concat(), &["--interval takes a probability"]);
    refused(folder.path(), &[&both[..], &["--draws"]].concat(), &["--draws needs --out"]);
}

#[test]
fn a_file_without_a_name_stands_for_one_table_alone() {
    let folder = folder(&GROUPS.replace("csv(\"rows.csv\", \"g\")", "csv(\"groups.csv\", \"g\")"));
    std::fs::copy(folder.path().join("rows.csv"), folder.path().join("groups.csv")).unwrap();
    fit(folder.path());
    std::fs::write(folder.path().join("new.csv"), "x,g\n0,red\n").unwrap();
    let said = ["2 tables", "--data x=FILE for rows.csv", "--data g=FILE for groups.csv"];
    refused(folder.path(), &["predict", "fit", "--data", "new.csv"], &said);
    // Where what is not named is of one table, it is that.
    done(folder.path(), &["predict", "fit", "--data", "g=new.csv", "--data", "new.csv"]);
}

#[test]
fn categories_are_predicted_by_their_levels() {
    let folder = folder(
        "data x[N] = csv(\"rows.csv\", \"x\")\ndata g[N] : index(G) = csv(\"rows.csv\", \"g\")\nlatent b[G] ~ Normal(0, 1)\n\
         observe g ~ Categorical(softmax(b * x, G))\n",
    );
    fit(folder.path());
    std::fs::write(folder.path().join("new.csv"), "x\n0\n1.5\n").unwrap();
    let text = done(folder.path(), &["predict", "fit", "--data", "new.csv"]);
    let shares = ["blue", "green", "red"].map(|level| column(&text, &format!("g_probability[{level}]")));
    // Where x = 0 all are alike, within four standard errors of 4000 draws.
    assert!(shares.iter().all(|s| (s[0] - 1.0 / 3.0).abs() < 0.03), "{text}");
    assert!((shares.iter().map(|s| s[1]).sum::<f64>() - 1.0).abs() < 1e-9, "{text}");
    // Without rows there is nothing new.
    let folder = self::folder(
        "data y[N] = csv(\"rows.csv\", \"y\")\nlet n[N, N'] = eye(N)\nobserve y ~ MultivariateNormal(0, n)\n",
    );
    fit(folder.path());
    refused(folder.path(), &["predict", "fit", "--data", "rows.csv"], &["no row axis"]);
}

#[test]
fn a_param_of_groups_is_not_known_of_others() {
    let folder = folder(&GROUPS.replace("latent a[G] ~ Normal(0, 1)", "param a[G] = 0"));
    fit(folder.path());
    std::fs::write(folder.path().join("new.csv"), "x,g\n0,violet\n").unwrap();
    let arguments = ["predict", "fit", "--data", "x=new.csv", "--data", "g=new.csv"];
    refused(
        folder.path(),
        &arguments,
        &["`a` is a param with a value for each element of G", "a latent with a prior has one"],
    );
}

#[test]
fn a_chain_goes_on_past_its_end() {
    let program = "data y[T] = csv(\"rows.csv\", \"y\")\nfor t in T {\n    \
                   latent x[t] ~ Normal(if t == 0 then 0 else 0.5 * x[t - 1], 1)\n    observe y[t] ~ Normal(x[t], 0.3)\n}\n";
    let folder = folder(program);
    fit(folder.path());
    let text = done(folder.path(), &["predict", "fit", "--ahead", "12"]);
    let (mean, sd) = (column(&text, "y_mean"), column(&text, "y_sd"));
    assert_eq!(mean.len(), 12);
    assert!(text.starts_with("T,y_mean") && text.contains("\n30,"), "{text}");
    // Far ahead it is the chain at rest: variance 1 / (1 − 1/4), and that of what is observed.
    assert!(mean[11].abs() < 0.08 && (sd[11] - (4.0f64 / 3.0 + 0.09).sqrt()).abs() < 0.06, "{mean:?} ± {sd:?}");
    assert!(sd[0] < sd[11]);
    refused(folder.path(), &["predict", "fit"], &["no row axis", "--ahead N continues"]);
}

#[test]
fn levels_name_elements_and_coordinates() {
    let folder = folder(GROUPS);
    let said = done(folder.path(), &["run", "model.fe", "--out", "fit"]);
    for name in ["a[red]", "a[green]", "a[blue]"] {
        assert!(said.contains(name), "{said}");
    }
    let page = std::fs::read_to_string(folder.path().join("fit/report.html")).unwrap();
    assert!(page.contains("a[green]"));
}

#[test]
fn runs_are_not_replaced_without_a_word() {
    let folder = folder(LINE);
    for expected in ["saved in runs/model\n", "saved in runs/model-2\n", "saved in runs/model-3\n"] {
        assert!(done(folder.path(), &["run", "model.fe"]).ends_with(expected), "{expected}");
    }
    assert!(done(folder.path(), &["run", "model.fe", "--force"]).ends_with("saved in runs/model\n"));
    let output = run(folder.path(), &["run", "model.fe", "--out", "runs/model"]);
    assert!(stderr(&output).contains("the run in runs/model is replaced"));
}

#[test]
fn finished_runs_are_compared_by_leave_one_out() {
    let folder = folder(GROUPS);
    done(folder.path(), &["run", "model.fe", "--quiet", "--out", "with"]);
    std::fs::write(folder.path().join("model.fe"), GROUPS.replace("w * x + ", "0 * w + ")).unwrap();
    done(folder.path(), &["run", "model.fe", "--quiet", "--out", "without"]);
    let table: Value = serde_json::from_str(&done(folder.path(), &["compare", "without", "with", "--json"])).unwrap();
    assert_eq!((&table["fits"][0]["name"], &table["fits"][1]["name"]), (&"with".into(), &"without".into()));
    assert!(at(&table["fits"][1], "difference") < -10.0, "{table}");
    let said = done(folder.path(), &["compare", "without", "with", "with"]);
    assert!(said.contains("leave-one-out") && said.contains("p_loo"), "{said}");
    refused(folder.path(), &["compare", "with", "model.fe"], &["no finished run", "fe run"]);
}
