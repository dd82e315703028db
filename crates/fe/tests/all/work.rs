//! Programs of daily work, from tables with text to predictions, held to what `reference.py` of `tests/work` computes.

use std::path::Path;

use crate::common::*;
use serde_json::Value;

/// The columns of a table that tell of an array, row by row: `y_mean`, or `y_probability[0]` and so on.
fn columns(text: &str, array: &str) -> Vec<f64> {
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let of = |name: &str| name == array || name.strip_prefix(array).is_some_and(|rest| rest.starts_with('['));
    let places: Vec<usize> = (0..head.len()).filter(|k| of(head[*k])).collect();
    assert!(!places.is_empty(), "{array} in {head:?}");
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        places.iter().map(|k| cells[*k].parse().unwrap()).collect::<Vec<f64>>()
    };
    lines.flat_map(row).collect()
}

/// Fits a program of `tests/work`, and holds it to its figures, codes and predictions.
fn held(name: &str) {
    let folder = root().join("tests/work");
    let expected: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
    let expected = &expected[name];
    let out = tempfile::tempdir().unwrap();
    let run = out.path().join("run");
    let run = run.to_str().unwrap();
    let program = format!("{name}.fe");
    let document = done(&folder, &["run", &program, "--json", "--quiet", "--pictures", "--out", run]);
    let document: Value = serde_json::from_str(&document).unwrap();
    figures(&document, &expected["figures"]);
    let compare = |text: &str, arrays: &Value| {
        for (array, value) in arrays.as_object().unwrap() {
            let within = value[1].as_f64().unwrap();
            let wanted: Vec<f64> = value[0].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            let found = columns(text, array);
            assert_eq!(found.len(), wanted.len(), "{array}");
            for (k, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                assert!((found - wanted).abs() <= within, "{array} {k}: {found}, and not {wanted} within {within}");
            }
        }
    };
    if !expected["codes"].as_object().unwrap().is_empty() {
        let codes = out.path().join("codes.csv");
        done(&folder, &["codes", run, "--out", codes.to_str().unwrap()]);
        compare(&std::fs::read_to_string(&codes).unwrap(), &expected["codes"]);
    }
    if !expected["predictions"].as_object().unwrap().is_empty() {
        let given = expected["given"].as_object().unwrap().iter();
        let given: Vec<String> = given.map(|(data, file)| format!("{data}={}", file.as_str().unwrap())).collect();
        let given = given.iter().flat_map(|g| ["--data", g.as_str()]);
        let all: Vec<&str> = ["predict", run].into_iter().chain(given).collect();
        compare(&done(&folder, &all), &expected["predictions"]);
    }
    // Every picture of the page is a file.
    let page = std::fs::read_to_string(Path::new(run).join("report.html")).unwrap();
    let pictures = std::fs::read_dir(Path::new(run).join("pictures")).unwrap().map(|e| e.unwrap().path());
    let drawn = pictures.filter(|p| std::fs::read_to_string(p).unwrap().starts_with("<svg")).count();
    assert_eq!(drawn, page.matches("<svg").count() + page.matches("<img").count());
}

/// Holds a document to figures by their paths, each with how far it may be.
fn figures(document: &Value, expected: &Value) {
    for (path, value) in expected.as_object().unwrap() {
        let (value, within) = (value[0].as_f64().unwrap(), value[1].as_f64().unwrap());
        let found = at(document, path);
        assert!((found - value).abs() <= within, "{path}: {found}, and not {value} within {within}");
    }
}

/// A line and a curve through the same distances, by leave-one-out: each row's density given all others is in closed form.
#[test]
fn models_are_compared() {
    let folder = root().join("tests/work");
    let expected: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
    let out = tempfile::tempdir().unwrap();
    let runs = ["braking_straight", "braking_curved"].map(|name| {
        let run = out.path().join(name).to_str().unwrap().to_owned();
        done(&folder, &["run", &format!("{name}.fe"), "--quiet", "--out", &run]);
        run
    });
    let table: Value = serde_json::from_str(&done(&folder, &["compare", &runs[0], &runs[1], "--json"])).unwrap();
    assert_eq!(table["fits"][0]["model"], "braking_curved");
    figures(&table, &expected["braking"]["compared"]);
}

/// A test for each program, and that there is one for each.
macro_rules! programs_of_work {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                held(stringify!($name));
            }
        )*

        #[test]
        fn every_program_is_held_to_something() {
            let names: Vec<String> = programs("tests/work").iter().map(|p| stem(p)).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

programs_of_work!(
    assay,
    bandit,
    braking_curved,
    braking_straight,
    cells,
    clicks,
    decisions,
    disasters,
    exams,
    games,
    growth,
    lives,
    machine,
    marks,
    overdispersed,
    prices,
    ratings,
    regression,
    robust,
    scales,
    schools,
    spikes,
    survival_of_animals,
    tides,
    visits,
    waits,
);
