//! `report.html`: its pictures against arrays that are known, and `fe report`, which writes it again.

use std::path::Path;

use crate::common::*;
use fe_report::{Shades, Size, images};

const ROWS: usize = 30;

/// The guide's mean code of x is x A, and B decodes it.
const A: [[f64; 2]; 4] = [[0.5, 0.0], [0.0, 1.0], [-0.5, 0.25], [0.0, 0.0]];
const B: [[f64; 4]; 2] = [[1.0, -1.0, 0.0, 0.5], [2.0, 0.0, 0.0, -4.0]];

const PROGRAM: &str = r#"model tiny "Codes </title><script>alert(1)</script>"
dim K = 2
data x[N, D] = csv("x.csv")
data A[D, K] = [[0.5, 0], [0, 1], [-0.5, 0.25], [0, 0]]
data B[K, D] = [[1, -1, 0, 0.5], [2, 0, 0, -4]]
param m[K] = 0
latent z[N, K] ~ Normal(m, 1)
guide z ~ Normal(x @ A, 0.5)
observe x ~ Normal(z @ B, 1)
show B as images[2, 2]
show z @ B as images[2, 2]
"#;

fn x(row: usize, column: usize) -> f64 {
    ((row * 4 + column) as f64 * 0.77).sin()
}

/// A folder with the program, its data, and a run of it.
fn ran() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tiny.fe"), PROGRAM).unwrap();
    let line = |row: usize| (0..4).map(|d| x(row, d).to_string()).collect::<Vec<_>>().join(",");
    let lines: Vec<String> = (0..ROWS).map(line).collect();
    std::fs::write(folder.path().join("x.csv"), format!("a,b,c,d\n{}\n", lines.join("\n"))).unwrap();
    done(folder.path(), &["run", "tiny.fe", "--quiet", "--out", "run"]);
    folder
}

fn page(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("run/report.html")).unwrap()
}

#[test]
fn pictures_are_of_the_arrays_that_they_name() {
    let folder = ran();
    let html = page(folder.path());
    let shown = images(&B.concat(), Size::grey(2, 2), None, Shades::Symmetric).unwrap();
    assert!(html.contains(&shown.uri), "B is not shown");

    let decoded = |row: usize| -> Vec<f64> {
        let code = |k: usize| (0..4).map(|d| x(row, d) * A[d][k]).sum::<f64>();
        (0..4).map(|d| code(0) * B[0][d] + code(1) * B[1][d]).collect()
    };
    // 24 rows, eight to a line, each line over that of its reconstructions; shades by the middle 98 % of the data.
    let data = |row: usize| (0..4).map(|d| x(row, d)).collect::<Vec<f64>>();
    let lines = (0..3).flat_map(|line| {
        let rows = line * 8..line * 8 + 8;
        rows.clone().map(data).chain(rows.map(decoded)).collect::<Vec<_>>()
    });
    let pairs: Vec<f64> = lines.flatten().collect();
    let mut sorted: Vec<f64> = (0..24).flat_map(data).collect();
    sorted.sort_by(f64::total_cmp);
    let expected = images(&pairs, Size::grey(2, 2), Some(8), Shades::Between(sorted[0], sorted[94])).unwrap();
    assert!(html.contains(&expected.uri), "the reconstructions are others");
    assert!(html.contains("24 draws of the prior predictive"));
}

#[test]
fn the_title_of_a_program_is_text() {
    let folder = ran();
    let html = page(folder.path());
    assert!(!html.contains("<script") && html.contains("&lt;script&gt;alert(1)"));
}

#[test]
fn a_page_is_written_again_as_it_was() {
    let folder = ran();
    let before = page(folder.path());
    std::fs::remove_file(folder.path().join("run/report.html")).unwrap();
    assert_eq!(done(folder.path(), &["report", "run"]), "run/report.html\n");
    assert_eq!(page(folder.path()), before);
}

#[test]
fn pictures_of_other_data_are_left_out_and_that_is_said() {
    let folder = ran();
    let path = folder.path().join("x.csv");
    let data = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, data.replacen("0,", "1,", 1)).unwrap();
    done(folder.path(), &["report", "run"]);
    let html = page(folder.path());
    assert!(html.contains("those of `x` have changed since") && !html.contains("data:image/png"));
    std::fs::remove_file(&path).unwrap();
    done(folder.path(), &["report", "run"]);
    let html = page(folder.path());
    assert!(html.contains("Pictures are left out, as the data cannot be read as they were"));
    // The derivation needs no data.
    assert!(html.contains("KL(q(z)"));
}

#[test]
fn what_is_no_run_has_no_page() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["report", "nowhere"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("is it a finished run?"));
}

#[test]
fn a_page_shows_what_happens_along_a_loop_and_by_step_of_a_descent() {
    let folder = tempfile::tempdir().unwrap();
    let page = |program: &str, name: &str| {
        std::fs::write(folder.path().join("model.fe"), program).unwrap();
        done(folder.path(), &["run", "model.fe", "--quiet", "--steps", "5", "--out", name]);
        std::fs::read_to_string(folder.path().join(name).join("report.html")).unwrap()
    };
    let controller = "\
dim T = 12
param gain = -0.5
let s[0] = 2
for t in T {
  latent up[t] ~ Poisson(0.5)
  latent a[t] ~ Normal(0, 1)
  guide up[t] ~ Poisson(exp(0.1 * s[t]))
  guide a[t] ~ Normal(gain * s[t], 0.3)
  let s[t+1] = 0.9 * s[t] + a[t] + 0.1 * up[t]
  loss cost = s[t]^2
}
train { optimizer = adam(lr = 0.01) samples = 8 }
";
    let html = page(controller, "loop");
    assert!(html.contains("Along the loop"));
    for title in [
        "a: mean ± 2 sd",
        "s: mean ± 2 sd",
        "Spikes, one draw",
        "What each position costs",
        "rate of up",
        "Expected spikes",
    ] {
        assert!(html.contains(title), "no {title}");
    }
    // Bands about a and s; counts are in the raster alone.
    assert_eq!(html.matches("<polygon").count(), 2);
    assert!(!html.contains("up: mean"));
    let descent = "\
dim K = 2
data x[N, D] = [[0.9, -0.4, 0.3], [-0.7, 0.8, 0.1]]
param u[K] = 0
param W[K, D] = normal(0, 0.5)
latent z[N, K] ~ Poisson(exp(u))
guide z ~ Poisson(exp(v))
refine v[N, K] from u over 40 steps by natural_gradient
observe x ~ Normal(z @ W, sqrt(0.5))
";
    let html = page(descent, "descent");
    for title in ["Free energy by step", "Zeros and R² by step", "Spikes by step"] {
        assert!(html.contains(title), "no {title}");
    }
    assert!(!html.contains("left out: not finite"));
}

/// The page's charts and pictures, and nothing else, each a file that is whole by itself and light.
#[test]
fn every_picture_of_the_page_is_a_file() {
    let folder = ran();
    let said = done(folder.path(), &["report", "run", "--pictures"]);
    let files = |at: &str| -> Vec<(String, String)> {
        let entries = std::fs::read_dir(folder.path().join(at)).unwrap().map(|e| e.unwrap());
        let mut found: Vec<_> = entries
            .map(|e| (e.file_name().into_string().unwrap(), std::fs::read_to_string(e.path()).unwrap()))
            .collect();
        found.sort();
        found
    };
    let found = files("run/pictures");
    let html = page(folder.path());
    assert_eq!(html.matches("<svg").count() + html.matches("<img").count(), found.len());
    assert!(said.ends_with(&format!("{} pictures in run/pictures\n", found.len())), "{said}");
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    for name in
        ["Pictures_B.svg", "Pictures_z_B.svg", "Reconstructions_x.svg", "Samples_x.svg", "Rate_of_each_unit_of_z.svg"]
    {
        assert!(names.contains(&name), "{names:?}");
    }
    for (name, svg) in &found {
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{name}");
        assert_eq!((svg.matches("<svg").count(), svg.contains("prefers-color-scheme")), (1, false), "{name}");
        let uri = svg.split_once("xlink:href=\"").map(|(_, rest)| rest.split('"').next().unwrap());
        assert!(uri.is_none_or(|uri| html.contains(uri)), "{name} has other pixels than the page");
        assert_eq!(uri.is_some(), ["Pictures", "Reconstructions", "Samples"].iter().any(|s| name.starts_with(s)));
    }
    // `fe run` writes the same, into a folder that it is told, and a new fit forgets the pictures of the one before.
    done(folder.path(), &["run", "tiny.fe", "--quiet", "--out", "run", "--pictures=figures"]);
    assert_eq!(files("figures"), found);
    assert!(files("run/pictures").is_empty());
}
