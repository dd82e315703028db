//! Large fits go on in coordinates of their own.

use std::collections::HashMap;
use std::sync::Arc;

use fe_data::InMemory;
use fe_pipeline::{FitOptions, ReadOptions, prepare};

use crate::{Quiet, text};

const PEOPLE: usize = 20;
const ITEMS: usize = 18;

/// Products of two latents: where both are at their prior's middle, the curvature there says nothing of one of them. `starts` keeps
/// a fit in its first coordinates.
pub const PROGRAM: &str = "dim P = 20\ndim I = 18\ndata y[P, I] : bool = csv(\"y.csv\")\nlatent s ~ HalfNormal(1)\n\
    latent u[P] ~ Normal(0, 1)\nlatent v[I] ~ LogNormal(0, s)\nlatent b[I] ~ Normal(0, s)\n\
    observe y ~ Bernoulli(logits = 3 * v * (u - b))\n";

/// Answers of people to items.
pub fn answers() -> ReadOptions {
    let number = |k: usize| (((k * k * 31 + k * 7919) % 1009) as f64 / 504.0 - 1.0) * 1.7;
    let value = |p: usize, i: usize| {
        f64::from(u8::from(number(p) * (0.5 * number(100 + i)).exp() + 0.5 * number(1000 + ITEMS * p + i) > 0.0))
    };
    let y: Vec<f64> = (0..PEOPLE).flat_map(|p| (0..ITEMS).map(move |i| value(p, i))).collect();
    let arrays = HashMap::from([("y".to_owned(), Arc::new(InMemory::real(vec![PEOPLE, ITEMS], y)))]);
    ReadOptions { arrays, ..ReadOptions::default() }
}

#[test]
fn of_two_forms_the_lower_is_gone_on_with() {
    if std::env::var_os("FE_FULL").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let text = text(folder.path(), PROGRAM);
    let prepared = prepare(&text, &answers(), &FitOptions::default()).unwrap();
    let fitted = prepared.fit(None, &mut Quiet).unwrap();
    let document = prepared.document(&fitted).unwrap();
    let note = document.verdict.notes.iter().find(|n| n.contains("first minimum of each")).unwrap();
    let (low, high) = note.split_once("a row").unwrap().0.rsplit_once(", ").unwrap().1.split_once(" against ").unwrap();
    let (low, high): (f64, f64) = (low.trim().parse().unwrap(), high.trim().parse().unwrap());
    assert!(low <= high && fitted.fit.figures.objective < low + 1e-3, "{note}");
    // One of the two, written out by hand, is no lower.
    let by_hand = PROGRAM
        .replace("latent v[I] ~ LogNormal(0, s)", "latent d[I] ~ Normal(0, 1)\nlet v = exp(s * d)")
        .replace("latent b[I] ~ Normal(0, s)", "latent e[I] ~ Normal(0, 1)\nlet b = s * e");
    let text = crate::text(folder.path(), &by_hand);
    let prepared = prepare(&text, &answers(), &FitOptions::default()).unwrap();
    let alone = prepared.fit(None, &mut Quiet).unwrap().fit.figures.objective;
    let non_centred = if note.contains("kept as written") { high } else { low };
    assert!((alone - non_centred).abs() < 0.015, "{alone}: {note}");
    assert!(fitted.fit.figures.objective < alone + 1e-6, "{alone}: {note}");
}

#[test]
fn the_minimum_is_the_same_in_any_coordinates() {
    let folder = tempfile::tempdir().unwrap();
    let reading = answers();
    let fit = |more: &str| {
        let text = text(folder.path(), &format!("{PROGRAM}{more}"));
        let prepared = prepare(&text, &reading, &FitOptions::default()).unwrap();
        let fitted = prepared.fit(None, &mut Quiet).unwrap();
        (fitted.fit.figures.objective, fitted.fit.steps, fitted.fit.fixed_draws)
    };
    let (own, steps, draws) = fit("");
    let (first, more, as_many) = fit("train { starts = 2 }\n");
    assert_eq!(draws, as_many);
    assert!((own - first).abs() < 1e-8, "{own} and {first}");
    assert!(steps < more, "{steps} and {more}, {draws:?}");
}
