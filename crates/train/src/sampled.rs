//! Draws of the posterior, for files and for leave-one-out cross-validation: of the fitted guide, or of what is behind the
//! resampled table where there is one.

use fe_graph::noise::{Element, Stream};
use fe_graph::{Axis, ExecutionError, NodeId, Tensor};
use fe_objective::{Objective, Reported};
use rayon::prelude::*;

use crate::posterior::Resampled;
use crate::problem::{Problem, Setting, Values};
use crate::psis;
use crate::qmc::{MatchedDraws, matched_draws};
use crate::reading::Reading;
use crate::streams::{Outside, Purpose};

/// The number of draws.
pub const COUNT: usize = 2000;

/// The most log densities of rows that are kept for leave-one-out: draws × rows.
pub(crate) const MOST_PAIRS: usize = 10_000_000;

/// Draws of one value, or one observed array.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The latent, `let`, or data.
    pub name: String,
    /// Its axes as declared.
    pub axes: Vec<String>,
    /// Their extents.
    pub shape: Vec<usize>,
    /// Row-major over (draw, axes); without the draw where it is observed.
    pub values: Vec<f64>,
}

/// Draws of the posterior, with the densities of the data given them.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Draws {
    /// The number of draws.
    pub count: usize,
    /// Draws of latents that are not local to batches, and of `let`s that follow from them.
    pub posterior: Vec<Drawn>,
    /// log p(x, z) − log q(z) of each draw, where they are the guide's.
    pub log_weights: Option<Vec<f64>>,
    /// For leave-one-out, of the draws behind the table to read, or of others of the guide that are moment-matched where the
    /// noise has few dimensions: their log weights, and log p of each row given each of them, row-major over (draw, row).
    pub pointwise: Option<Pointwise>,
    /// The data that were observed.
    pub observed: Vec<Drawn>,
}

/// Log weights of draws, and log p of each row given each of them, row-major over (draw, row).
pub type Pointwise = (Vec<f64>, Vec<f64>);

/// Leave-one-out cross-validation by Pareto-smoothed importance sampling, the proposal being the guide (Magnusson et
/// al., arXiv 1904.10679) or that of the table to read. nats.
#[derive(Clone, Debug, PartialEq)]
pub struct Loo {
    /// Σ log p(x_i | all rows but i).
    pub elpd: f64,
    /// Its standard error over rows.
    pub se: f64,
    /// The effective number of parameters: log density of the rows in sample, less `elpd`.
    pub p_loo: f64,
    /// log p(x_i | all rows but i), by row.
    pub rows: Vec<f64>,
    /// Pareto k̂ of each row's weights.
    pub khat: Vec<f64>,
    /// Rows that cannot be left out by reweighting: k̂ above 0.7, and weights that are not level.
    pub unreliable: usize,
}

/// Draws of a value as it is reported, from one behind the other over sorted axes.
pub(crate) fn by_draw(problem: &Problem, reported: &Reported, values: Vec<f64>, count: usize) -> Drawn {
    let g = &problem.objective.graph;
    let sorted = fe_graph::axis::sorted(&reported.axes);
    let extents = sorted.iter().map(|a| g.extent_of(a.id));
    let whole = Tensor { shape: std::iter::once(count).chain(extents).collect(), values };
    let place = |a: &Axis| sorted.iter().position(|s| s == a).map(|k| k + 1);
    let order: Vec<usize> = std::iter::once(0).chain(reported.axes.iter().filter_map(place)).collect();
    let whole = whole.permuted(&order).unwrap_or(whole);
    let shape = whole.shape.iter().skip(1).copied().collect();
    let axes = reported.axes.iter().map(|&a| g.axis_name(a)).collect();
    Drawn { name: reported.name.clone(), axes, shape, values: whole.values }
}

/// Draws of the guide, or of what is behind the resampled table.
///
/// # Errors
/// When a run fails.
pub(crate) fn sampled(
    problem: &Problem,
    values: &Values,
    fitted: &Setting,
    resampled: Option<&Resampled>,
) -> Result<Draws, ExecutionError> {
    let o = problem.objective;
    let (mut drawn, mut log_weights) = (vec![], None);
    if let Some(resampled) = resampled {
        drawn = chosen(resampled, problem.seed);
    } else {
        let mut outputs: Vec<NodeId> = o.report.posterior.iter().map(|p| p.node).collect();
        outputs.extend(o.report.log_weight);
        if !outputs.is_empty() {
            let mut compiled = problem.compile(&outputs)?;
            let reading = Reading { purpose: Purpose::Draws, count: COUNT, matched: None };
            drawn = reading.collect(problem, values, &fitted.extra, &mut *compiled, &outputs)?;
        }
        log_weights = o.report.log_weight.and_then(|_| drawn.pop());
    }
    let proposal = resampled.and_then(|r| r.proposal.as_ref());
    let by_row = pointwise(problem, values, fitted, proposal)?;
    let posterior =
        o.report.posterior.iter().zip(drawn).map(|(r, values)| by_draw(problem, r, values, COUNT)).collect();
    let named = |axes: &[Axis]| axes.iter().map(|&a| o.graph.axis_name(a)).collect::<Vec<_>>();
    let mut observed = vec![];
    if !o.report.observed.is_empty() {
        let nodes: Vec<NodeId> = o.report.observed.iter().map(|r| r.node).collect();
        let mut compiled = problem.compile(&nodes)?;
        let results =
            compiled.run(&problem.feed(values, &problem.train, &Setting::reporting(Purpose::Draws.step(0), 1)))?;
        for (reported, tensor) in o.report.observed.iter().zip(results) {
            let sorted = fe_graph::axis::sorted(&reported.axes);
            let order: Vec<usize> = reported.axes.iter().filter_map(|a| sorted.iter().position(|s| s == a)).collect();
            let Tensor { shape, values } = tensor.permuted(&order).unwrap_or(tensor);
            observed.push(Drawn { name: reported.name.clone(), axes: named(&reported.axes), shape, values });
        }
    }
    Ok(Draws { count: COUNT, posterior, log_weights, pointwise: by_row, observed })
}

/// Draws of each reported value by their weights: as many of each as its weight has of all, but for one at most, in random
/// order.
fn chosen(resampled: &Resampled, seed: u64) -> Vec<Vec<f64>> {
    let mut picked = vec![];
    let mut total = 0.0;
    for (row, w) in resampled.weights.iter().enumerate() {
        total += w * COUNT as f64;
        while (picked.len() as f64) + 0.5 < total && picked.len() < COUNT {
            picked.push(row);
        }
    }
    // Rounding may leave the last one out.
    picked.resize(COUNT, picked.last().copied().unwrap_or(0));
    let key = Outside::Resampled.key(seed, 0);
    let place = |k: u64| Stream::new(key, Element { row: k, rest: 0 }).uniform();
    let mut order: Vec<(f64, usize)> = picked.into_iter().enumerate().map(|(k, row)| (place(k as u64), row)).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let count = resampled.weights.len().max(1);
    let take = |values: &Vec<f64>| {
        let width = values.len() / count;
        order.iter().flat_map(|&(_, row)| values.iter().skip(row * width).take(width).copied()).collect()
    };
    resampled.values.iter().map(take).collect()
}

/// What is drawn for leave-one-out of so many rows, where that is made: log weights, and log p of each row.
pub(crate) fn left_out(o: &Objective, rows: usize) -> Option<[NodeId; 2]> {
    let pointwise = o.report.pointwise.filter(|_| rows.saturating_mul(COUNT) <= MOST_PAIRS);
    Some([o.report.log_weight?, pointwise?])
}

/// Log weights of draws, and log p of each row given each.
fn pointwise(
    problem: &Problem,
    values: &Values,
    fitted: &Setting,
    proposal: Option<&(MatchedDraws, Vec<f64>)>,
) -> Result<Option<Pointwise>, ExecutionError> {
    let o = problem.objective;
    let rows = problem.training_rows();
    let Some(outputs) = left_out(o, rows) else { return Ok(None) };
    let mut compiled = problem.compile(&outputs)?;
    let (matched, correction) = match proposal {
        Some((draws, correction)) => {
            let spread: Vec<usize> = (0..COUNT).map(|k| k * correction.len() / COUNT).collect();
            let own = spread.iter().filter_map(|&k| correction.get(k).copied()).collect();
            (Some(draws.some(&spread)), own)
        }
        None => (matched_draws(problem, &outputs, COUNT), vec![0.0; COUNT]),
    };
    let reading = Reading { purpose: Purpose::LeaveOneOut, count: COUNT, matched: matched.as_ref() };
    let found = reading.collect(problem, values, &fitted.extra, &mut *compiled, &outputs)?;
    let pair = <[Vec<f64>; 2]>::try_from(found).ok();
    // Far out a density may overflow where it is nothing.
    let sum = |(w, c): (f64, f64)| if (w + c).is_finite() { w + c } else { f64::NEG_INFINITY };
    Ok(pair.map(|[weights, rows]| (weights.into_iter().zip(correction).map(sum).collect(), rows)))
}

/// The most numbers of log likelihoods that a file holds: of many rows, fewer draws.
pub(crate) const MOST_LIKELIHOODS: usize = 1_000_000;

/// log p of each row at draws of the posterior, row-major over (draw, row).
#[derive(Clone, Debug, PartialEq)]
pub struct LogLikelihood {
    /// The number of draws.
    pub draws: usize,
    /// The number of rows.
    pub rows: usize,
    /// The values.
    pub values: Vec<f64>,
}

impl Draws {
    /// log p of each row at draws of the posterior: those behind leave-one-out, by their weights where these can be used, else
    /// those of the guide as they are.
    pub fn log_likelihood(&self, seed: u64) -> Option<LogLikelihood> {
        let (log_weights, densities) = self.pointwise.as_ref()?;
        let count = log_weights.len();
        let rows = densities.len() / count.max(1);
        if rows == 0 || rows > MOST_LIKELIHOODS / 10 {
            return None;
        }
        let smoothed = psis::smooth(log_weights)?;
        let usable = smoothed.khat <= 0.7 && smoothed.weights.len() == count;
        let weights = if usable { smoothed.weights } else { vec![1.0 / count as f64; count] };
        let draws = (MOST_LIKELIHOODS / rows).min(COUNT);
        let resampled = Resampled { values: vec![densities.clone()], weights, proposal: None };
        let values: Vec<f64> = chosen(&resampled, seed).into_iter().flatten().take(draws * rows).collect();
        Some(LogLikelihood { draws: values.len() / rows, rows, values })
    }

    /// Leave-one-out cross-validation, where each row has its density and the weights can be had.
    pub fn loo(&self) -> Option<Loo> {
        let (weights, densities) = self.pointwise.as_ref()?;
        let rows = densities.len() / self.count.max(1);
        let all = psis::smooth(weights)?;
        let left_out = |row: usize| {
            let own: Vec<f64> = densities.iter().skip(row).step_by(rows).copied().collect();
            // What has no weight has none either way, though far out its density may be no number.
            let less = |(&w, d): (&f64, &f64)| if w > f64::NEG_INFINITY { w - d } else { w };
            let without: Vec<f64> = weights.iter().zip(&own).map(less).collect();
            let smoothed = psis::smooth(&without)?;
            let unreliable = smoothed.khat > 0.7 && smoothed.ess < psis::LEVEL * self.count as f64;
            Some((log_mean(&own, &smoothed.weights), smoothed.khat, unreliable, log_mean(&own, &all.weights)))
        };
        // Rows are left out side by side and added up in their order, so that no number depends on the threads.
        let found = (0..rows).into_par_iter().map(left_out).collect::<Option<Vec<_>>>()?;
        let (mut elpd, mut khat, mut inside, mut unreliable) = (vec![], vec![], 0.0, 0);
        for (outside, shape, heavy, within) in found {
            elpd.push(outside);
            khat.push(shape);
            unreliable += usize::from(heavy);
            inside += within;
        }
        let total: f64 = elpd.iter().sum();
        let (n, mean) = (rows as f64, total / rows as f64);
        let variance = elpd.iter().map(|e| (e - mean) * (e - mean)).sum::<f64>() / (n - 1.0).max(1.0);
        Some(Loo { elpd: total, se: (n * variance).sqrt(), p_loo: inside - total, rows: elpd, khat, unreliable })
    }
}

/// log Σ w exp(l)
fn log_mean(logs: &[f64], weights: &[f64]) -> f64 {
    let weighed: Vec<(&f64, &f64)> = logs.iter().zip(weights).filter(|(_, w)| **w > 0.0).collect();
    let most = weighed.iter().map(|(l, _)| **l).fold(f64::NEG_INFINITY, f64::max);
    most + weighed.into_iter().map(|(l, w)| w * (l - most).exp()).sum::<f64>().ln()
}
