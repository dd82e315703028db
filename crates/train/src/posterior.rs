//! Draws of the fitted guide: the posterior table, and how far the guide can be trusted.

use std::collections::BTreeMap;
use std::sync::Arc;

use fe_graph::{Axis, ExecutionError, Tensor};

use crate::deterministic::even_draws;
use crate::problem::{Problem, Setting, Values};
use crate::psis;

/// Draws behind a posterior table.
const DRAWS: usize = 8192;

/// Numbers in flight per pass.
const BUDGET: usize = 2_000_000;

/// Steps from here on are for the table.
const TABLE: u64 = 1 << 41;

/// Weights are trusted up to this Pareto k̂ (Vehtari et al., 2024).
const KHAT_LIMIT: f64 = 0.7;

/// Moments and quantiles of one value, each row-major over its declared axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The latent or `let`.
    pub name: String,
    /// Extents, as declared.
    pub shape: Vec<usize>,
    /// Means.
    pub mean: Vec<f64>,
    /// Standard deviations.
    pub sd: Vec<f64>,
    /// 5 % quantiles.
    pub q05: Vec<f64>,
    /// Medians.
    pub q50: Vec<f64>,
    /// 95 % quantiles.
    pub q95: Vec<f64>,
}

/// The posterior as the guide has it, and reweighted toward the truth.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Posterior {
    /// From draws of the guide.
    pub guide: Vec<Summary>,
    /// From the same draws with Pareto-smoothed importance weights, where k̂ allows it.
    pub resampled: Option<Vec<Summary>>,
    /// Pareto k̂ of the weights p/q, where they can be had.
    pub khat: Option<f64>,
    /// The effective fraction e of the draws under these weights: 1/e − 1 estimates the χ² divergence of the posterior from
    /// the guide. k̂ speaks of the shape of the largest weights, whatever their size; this of their size.
    pub effective: Option<f64>,
}

/// Draws from the guide, evenly where its noise has few dimensions, and summarises.
///
/// # Errors
/// When a run fails.
pub fn posterior(problem: &Problem, values: &Values, fitted: &Setting) -> Result<Posterior, ExecutionError> {
    let o = problem.objective;
    if o.posterior.is_empty() && o.log_weight.is_none() {
        return Ok(Posterior::default());
    }
    let mut outputs: Vec<_> = o.posterior.iter().map(|p| p.node).collect();
    outputs.extend(o.log_weight);
    let mut compiled = problem.compile(&outputs)?;
    let rows = problem.train.clone();
    let width = (BUDGET / problem.training_rows().max(16)).clamp(1, DRAWS);
    let mut collected: Vec<Vec<f64>> = vec![vec![]; outputs.len()];
    let even = even_draws(problem, &outputs, DRAWS).unwrap_or_default();
    let mut done = 0;
    for pass in 0.. {
        if done >= DRAWS {
            break;
        }
        let now = width.min(DRAWS - done);
        let mut setting = Setting { extra: fitted.extra.clone(), ..Setting::reporting(TABLE + pass, now) };
        setting.draws = even.iter().map(|(&site, t)| (site, Arc::new(part(t, done, now)))).collect();
        let results = compiled.run(&problem.feed(values, &rows, &setting))?;
        for ((store, result), &node) in collected.iter_mut().zip(results).zip(&outputs) {
            // What does not depend on the draws is the same for each of them.
            let copies = if o.graph.has_axis(node, Axis::SAMPLE) { 1 } else { now };
            for _ in 0..copies {
                store.extend(&result.values);
            }
        }
        done += now;
    }
    let log_weights = o.log_weight.and_then(|_| collected.pop());
    let smoothed = log_weights.as_deref().and_then(psis::smooth);
    let mut result = Posterior {
        khat: smoothed.as_ref().map(|s| s.khat),
        effective: smoothed.as_ref().map(|s| s.ess / DRAWS as f64),
        ..Posterior::default()
    };
    let uniform = vec![1.0 / DRAWS as f64; DRAWS];
    let weights = smoothed.filter(|s| s.khat <= KHAT_LIMIT).map(|s| s.weights);
    let mut resampled = vec![];
    for (reported, draws) in o.posterior.iter().zip(&collected) {
        result.guide.push(summary(problem, &reported.name, &reported.axes, draws, &uniform));
        if let Some(w) = &weights {
            resampled.push(summary(problem, &reported.name, &reported.axes, draws, w));
        }
    }
    result.resampled = weights.map(|_| resampled);
    Ok(result)
}

/// Some of the draws of a tensor whose first axis they are.
fn part(draws: &Tensor, from: usize, count: usize) -> Tensor {
    let (all, rest) = draws.shape.split_first().map_or((1, &[][..]), |(&n, rest)| (n, rest));
    let size = draws.values.len() / all.max(1);
    let values = draws.values.iter().skip(from * size).take(count * size).copied().collect();
    Tensor { shape: std::iter::once(count).chain(rest.iter().copied()).collect(), values }
}

fn summary(problem: &Problem, name: &str, axes: &[Axis], draws: &[f64], weights: &[f64]) -> Summary {
    let g = &problem.objective.graph;
    let width = (draws.len() / weights.len().max(1)).max(1);
    let mut columns: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for k in 0..width {
        let mut pairs: Vec<(f64, f64)> =
            draws.iter().skip(k).step_by(width).copied().zip(weights.iter().copied()).collect();
        // About the first draw, so that what is the same in all of them has no spread.
        let first = pairs.first().map_or(0.0, |p| p.0);
        let mean = first + pairs.iter().map(|(v, w)| (v - first) * w).sum::<f64>();
        let variance: f64 = pairs.iter().map(|(v, w)| w * (v - mean) * (v - mean)).sum();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let quantile = |p: f64| {
            let mut total = 0.0;
            pairs.iter().find(|(_, w)| {
                total += w;
                total >= p
            })
        };
        let last = pairs.last().map_or(f64::NAN, |x| x.0);
        let at = |p: f64| quantile(p).map_or(last, |x| x.0);
        for (key, v) in
            [("mean", mean), ("sd", variance.sqrt()), ("q05", at(0.05)), ("q50", at(0.5)), ("q95", at(0.95))]
        {
            columns.entry(key).or_default().push(v);
        }
    }
    let mut declared =
        |key: &str| -> Tensor { crate::problem::from_sorted(g, axes, columns.remove(key).unwrap_or_default()) };
    let mean = declared("mean");
    Summary {
        name: name.to_owned(),
        shape: mean.shape.clone(),
        mean: mean.values,
        sd: declared("sd").values,
        q05: declared("q05").values,
        q50: declared("q50").values,
        q95: declared("q95").values,
    }
}
