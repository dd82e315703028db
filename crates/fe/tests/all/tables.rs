//! Tables and labels, from the file to what is reported, by the command: levels, columns, rows, dates, and functions of arrays.

use std::path::Path;

use crate::common::*;
use serde_json::Value;

/// A folder with a table and a program.
fn folder(table: &str, program: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rows.csv"), table).unwrap();
    std::fs::write(folder.path().join("model.fe"), program).unwrap();
    folder
}

fn fitted(folder: &Path) -> Value {
    serde_json::from_str(&done(folder, &["run", "model.fe", "--json", "--quiet", "--out", "fit"])).unwrap()
}

/// The nats of a loss, over all rows of a program without any.
fn nats(document: &Value, name: &str) -> f64 {
    let terms = document["terms"].as_array().unwrap();
    let found = terms.iter().find(|t| t["name"] == name).unwrap_or_else(|| panic!("no {name} in {terms:?}"));
    found["nats"].as_f64().unwrap()
}

const TABLE: &str = "kind,other,site,sex,day,use,w,x\n\
                     pear,plum,300,f,2020-01-31,train,1,0.5\n\
                     apple,pear,17,m,2020-03-01,train,2,-1.5\n\
                     plum,apple,300,f,2020-01-30,test,4,2.5\n\
                     pear,fig,5,m,2021-01-31,test,8,-0.5\n";

/// Each value of data as a loss of its own, so that every number of a program is in its document.
#[test]
fn levels_dates_and_rows_are_what_the_table_says() {
    let program = "data kind[N] : index(K) = csv(\"rows.csv\", \"kind\")\n\
        data other[N] : index(K) = csv(\"rows.csv\", \"other\")\n\
        data site[N] : index(S) = csv(\"rows.csv\", \"site\") |> categories\n\
        data sex[N] : index(X) = csv(\"rows.csv\", \"sex\") |> categories(\"m\", \"f\", \"other\")\n\
        data man[N] : bool = csv(\"rows.csv\", \"sex\") == \"m\"\n\
        data woman[N] : bool = \"m\" != csv(\"rows.csv\", \"sex\")\n\
        data day[N] = csv(\"rows.csv\", \"day\") |> days(\"2020-01-01\")\n\
        data x[N, D] = csv(\"rows.csv\", all but \"site\")\n\
        data late[M] = csv(\"rows.csv\", \"w\", where = \"day > '2020-02-01' and not (kind == 'plum')\")\n\
        let a[K] = [1, 10, 100, 1000]\nlet b[S] = [1, 10, 100]\nlet c[X] = [1, 10, 100]\nlet d[D] = [1, 10]\n\
        param p = 0\nloss penalty = p^2\n\
        loss kinds = sum(a[kind], N)\nloss others = sum(a[other], N)\nloss sites = sum(b[site], N)\n\
        loss sexes = sum(c[sex], N)\nloss men = sum(man, N)\nloss women = sum(woman, N)\nloss days_ = sum(day, N)\n\
        loss columns = sum(x @ d, N)\nloss lates = sum(late, M)\n\
        loss names = a[\"fig\"] + 2 * a[\"apple\"] + b[\"300\"] + c[\"f\"] + d[\"x\"] + x[0, \"w\"]\n\
        loss pears = sum(if kind == \"pear\" or other == \"pear\" then x[N, \"w\"] else 0, N)\n\
        minimize distortion\n";
    let folder = folder(TABLE, program);
    let document = fitted(folder.path());
    // apple, fig, pear, plum are 0 to 3, of both columns; sites are 5, 17, 300.
    let a = |names: &[&str]| -> f64 {
        let value = |n: &&str| match *n {
            "apple" => 1.0,
            "fig" => 10.0,
            "pear" => 100.0,
            _ => 1000.0,
        };
        names.iter().map(value).sum()
    };
    for (name, expected) in [
        ("kinds", a(&["pear", "apple", "plum", "pear"])),
        ("others", a(&["plum", "pear", "apple", "fig"])),
        ("sites", 100.0 + 10.0 + 100.0 + 1.0),
        ("sexes", 10.0 + 1.0 + 10.0 + 1.0),
        ("men", 2.0),
        ("women", 2.0),
        ("days_", 30.0 + 60.0 + 29.0 + 396.0),
        ("columns", 1.0 + 2.0 + 4.0 + 8.0 + 10.0 * (0.5 - 1.5 + 2.5 - 0.5)),
        ("lates", 2.0 + 8.0),
        ("names", 10.0 + 2.0 + 100.0 + 10.0 + 10.0 + 1.0),
        ("pears", 1.0 + 2.0 + 8.0),
    ] {
        assert!(
            (nats(&document, name) - expected).abs() < 1e-9,
            "{name}: {} and not {expected}",
            nats(&document, name)
        );
    }
    let labels = &document["labels"];
    assert_eq!(labels["K"], serde_json::json!(["apple", "fig", "pear", "plum"]));
    assert_eq!(labels["S"], serde_json::json!(["5", "17", "300"]));
    assert_eq!(labels["X"], serde_json::json!(["m", "f", "other"]));
    assert_eq!(labels["D"], serde_json::json!(["w", "x"]));
    let said = stderr(&run(folder.path(), &["run", "model.fe", "--out", "again"]));
    assert!(!said.contains("error"), "{said}");
    let said = done(folder.path(), &["run", "model.fe", "--out", "third"]);
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("`x` takes w, x, and leaves out kind, other, sex, day, use"), "{said}");
}

#[test]
fn functions_of_arrays_are_what_they_say() {
    let program = "dim N = 3\ndim D = 2\n\
        data x[N, D] = [[1, 2], [3, 5], [-1, 0.5]]\ndata v[N] = [2, -1, 0.5]\ndata w[D] = [0.3, -2]\ndata e[N] = [1, 10, 100]\n\
        data A[N, N'] = [[0, 2, 1], [1, 0, 0.5], [3, 1, 4]]\n\
        param p = 0\nloss penalty = p^2\n\
        loss round_ = sum(round(x[N, D] * 0.7), N, D)\nloss half = round(2.5) + 10 * round(-2.5) + 100 * ceil(-0.5)\n\
        loss ceil_ = sum(ceil(x[N, D] * 0.7), N, D)\n\
        loss sd_ = sd(v, N)\nloss sds = sum(sd(x, N), D)\nloss both = sd(x, N, D)\n\
        loss softened = sum(log_softmax(x, D) * x, N, D)\n\
        loss counted = sum(arange(N) * v, N) + 10 * sum(arange(4) * arange(4), 4)\n\
        loss dotted = dot(w, w) + sum(dot(x, w), N)\n\
        loss solved = sum(solve(A, v) * e, N)\n\
        loss inverse = sum(solve(A, eye(N)) @ v * e, N)\n\
        loss columns = sum(solve(A, x) @ w * e, N)\n\
        minimize distortion\n";
    let folder = folder("", program);
    let document = fitted(folder.path());
    let x = [[1.0, 2.0], [3.0, 5.0], [-1.0, 0.5]];
    let flat: Vec<f64> = x.iter().flatten().copied().collect();
    let (v, w) = ([2.0, -1.0, 0.5], [0.3, -2.0]);
    let sd = |v: &[f64]| {
        let mean = v.iter().sum::<f64>() / v.len() as f64;
        (v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (v.len() as f64 - 1.0)).sqrt()
    };
    // By Cramer's rule: the determinant is 0·(0·4 − 0.5·1) − 2·(1·4 − 0.5·3) + 1·(1·1 − 0·3) = −4.
    let cramer = |b: [f64; 3]| {
        let a = [[0.0, 2.0, 1.0], [1.0, 0.0, 0.5], [3.0, 1.0, 4.0]];
        let det = |m: [[f64; 3]; 3]| {
            m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
                + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
        };
        assert_eq!(det(a), -4.0);
        [0, 1, 2].map(|k| {
            let mut m = a;
            (0..3).for_each(|i| m[i][k] = b[i]);
            det(m) / det(a)
        })
    };
    let weighed = |v: [f64; 3]| v[0] + 10.0 * v[1] + 100.0 * v[2];
    let columns = [0, 1].map(|d| weighed(cramer([x[0][d], x[1][d], x[2][d]])));
    let softened: f64 = x.iter().map(|r| r.iter().map(|v| v * (v - (r[0].exp() + r[1].exp()).ln())).sum::<f64>()).sum();
    for (name, expected) in [
        ("round_", flat.iter().map(|v| (v * 0.7 + 0.5).floor()).sum()),
        ("half", 3.0 + 10.0 * -2.0 + 0.0),
        ("ceil_", flat.iter().map(|v| (v * 0.7).ceil()).sum()),
        ("sd_", sd(&v)),
        ("sds", sd(&[1.0, 3.0, -1.0]) + sd(&[2.0, 5.0, 0.5])),
        ("both", sd(&flat)),
        ("softened", softened),
        ("counted", 0.0 * 2.0 - 1.0 + 2.0 * 0.5 + 10.0 * (1.0 + 4.0 + 9.0)),
        ("dotted", w[0] * w[0] + w[1] * w[1] + x.iter().map(|r| r[0] * w[0] + r[1] * w[1]).sum::<f64>()),
        ("solved", weighed(cramer(v))),
        ("inverse", weighed(cramer(v))),
        ("columns", w[0] * columns[0] + w[1] * columns[1]),
    ] {
        assert!(
            (nats(&document, name) - expected).abs() < 1e-9,
            "{name}: {} and not {expected}",
            nats(&document, name)
        );
    }
}

/// y = 1 + x in the rows to train on, and anything in those held out.
#[test]
fn rows_held_out_by_name_are_those() {
    let table: String = (0..40)
        .map(|k| {
            let (x, use_) = (f64::from(k) / 10.0, if k % 4 == 3 { "test" } else { "train" });
            let y = if use_ == "test" { 100.0 } else { 1.0 + x + 0.1 * (f64::from(k) * 1.3).sin() };
            format!("{x},{y},{use_}\n")
        })
        .collect();
    let program = "data x[N] = csv(\"rows.csv\", \"x\")\ndata y[N] = csv(\"rows.csv\", \"y\")\n\
        data use[N] : index(U) = csv(\"rows.csv\", \"use\")\nparam a = 0\nparam b = 0\n\
        observe y ~ Normal(a + b * x, 1)\ntrain { holdout = where use == \"test\" }\n";
    let folder = folder(&format!("x,y,use\n{table}"), program);
    let document = fitted(folder.path());
    assert_eq!((at(&document, "rows"), at(&document, "heldout.rows")), (30.0, 10.0));
    // Least squares over the thirty, by hand.
    let rows: Vec<(f64, f64)> = table
        .lines()
        .filter(|l| l.ends_with("train"))
        .map(|l| {
            let mut cells = l.split(',').map(|c| c.parse::<f64>());
            (cells.next().unwrap().unwrap(), cells.next().unwrap().unwrap())
        })
        .collect();
    let n = rows.len() as f64;
    let (mx, my) = (rows.iter().map(|r| r.0).sum::<f64>() / n, rows.iter().map(|r| r.1).sum::<f64>() / n);
    let slope = rows.iter().map(|r| (r.0 - mx) * (r.1 - my)).sum::<f64>()
        / rows.iter().map(|r| (r.0 - mx).powi(2)).sum::<f64>();
    assert!((at(&document, "params.b.value") - slope).abs() < 1e-6);
    assert!((at(&document, "params.a.value") - (my - slope * mx)).abs() < 1e-6);
    // The condition is not needed of new rows, and of the run's own rows it is there.
    std::fs::write(folder.path().join("new.csv"), "x,y\n1,2\n2,3\n").unwrap();
    let all = ["eval", "fit", "--json", "--data", "x=new.csv", "--data", "y=new.csv"];
    let evaluated: Value = serde_json::from_str(&done(folder.path(), &all)).unwrap();
    assert_eq!(at(&evaluated, "rows"), 2.0);
    let own: Value = serde_json::from_str(&done(folder.path(), &["eval", "fit", "--json"])).unwrap();
    assert_eq!(at(&own, "rows"), 10.0);
    done(folder.path(), &["predict", "fit", "--data", "x=new.csv"]);
}

#[test]
fn a_fit_of_a_parquet_table_takes_new_rows_of_any_table() {
    let tables = root().join("crates/data/tests/tables");
    let read = |reader: &str, file: &str| format!("{reader}(\"{}\"", tables.join(file).display());
    let program = |reader: &str, file: &str| {
        let read = read(reader, file);
        format!(
            "data name[N] : index(K) = {read}, \"name\")\ndata x[N] = {read}, \"whole\")\ndata y[N] = {read}, \"real\")\n\
             latent a[K] ~ Normal(0, 1)\nlatent b ~ Normal(0, 1)\nobserve y ~ Normal(a[name] + b * x / 100, 0.5)\n"
        )
    };
    let mut figures = vec![];
    for (reader, file) in [("csv", "table.csv"), ("parquet", "zstd.parquet"), ("arrow", "lz4.arrow")] {
        let folder = folder("name,whole\nred,4\ngreen,9\n", &program(reader, file));
        figures.push(fitted(folder.path())["free_energy"].clone());
        let predicted = done(folder.path(), &["predict", "fit", "--data", "name=rows.csv", "--data", "x=rows.csv"]);
        assert_eq!(predicted.lines().count(), 3, "{predicted}");
    }
    assert!(figures.iter().all(|f| *f == figures[0]), "{figures:?}");
}

#[test]
fn data_that_the_caller_gives_come_from_any_file() {
    let program = "data x[N] = input\ndata z[N, D] = input |> standardize\ndata y[N] = 2 * input\nparam a = 0\nparam b[D] = 0\n\
        observe y ~ Normal(a * x + z @ b, 1)\n";
    let folder = folder("x,y,u\n1,2,1\n2,4,-1\n3,7,0\n", program);
    let said = run(folder.path(), &["run", "model.fe"]);
    assert_eq!(code(&said), 3, "{}", stderr(&said));
    assert!(stderr(&said).contains("--data x=FILE"), "{}", stderr(&said));
    let given = ["--data", "x=rows.csv", "--data", "y=rows.csv", "--data", "z=rows.csv"];
    done(folder.path(), &[&["run", "model.fe", "--quiet", "--out", "fit"], &given[..]].concat());
    let new = [&["predict", "fit"], &given[..2], &given[4..]].concat();
    assert_eq!(done(folder.path(), &new).lines().count(), 4);
    let said = run(folder.path(), &["run", "model.fe", "--data", "x=rows.doc"]);
    assert_eq!(code(&said), 2, "{}", stderr(&said));
}
