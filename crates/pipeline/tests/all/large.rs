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
const PROGRAM: &str = "dim P = 20\ndim I = 18\ndata y[P, I] : bool = csv(\"y.csv\")\nlatent s ~ HalfNormal(1)\n\
    latent u[P] ~ Normal(0, 1)\nlatent v[I] ~ LogNormal(0, s)\nlatent b[I] ~ Normal(0, s)\n\
    observe y ~ Bernoulli(logits = 3 * v * (u - b))\n";

#[test]
fn the_minimum_is_the_same_in_any_coordinates() {
    let folder = tempfile::tempdir().unwrap();
    let number = |k: usize| (((k * k * 31 + k * 7919) % 1009) as f64 / 504.0 - 1.0) * 1.7;
    let value = |p: usize, i: usize| {
        f64::from(u8::from(number(p) * (0.5 * number(100 + i)).exp() + 0.5 * number(1000 + ITEMS * p + i) > 0.0))
    };
    let y: Vec<f64> = (0..PEOPLE).flat_map(|p| (0..ITEMS).map(move |i| value(p, i))).collect();
    let arrays = HashMap::from([("y".to_owned(), Arc::new(InMemory::real(vec![PEOPLE, ITEMS], y)))]);
    let reading = ReadOptions { arrays, ..ReadOptions::default() };
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
