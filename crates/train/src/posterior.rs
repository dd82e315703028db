//! Draws of the fitted guide: the posterior table, and how far the guide can be trusted.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use fe_graph::{Axis, ExecutionError, InputId, NodeId, Tensor};
use fe_objective::Reported;

use crate::lattice;
use crate::moments::{Change, change};
use crate::problem::{Problem, Setting, Values, from_sorted};
use crate::psis::{self, Smoothed};
use crate::qmc::matched_draws;
use crate::reading::Reading;
use crate::starts::evaluation;
use crate::streams::Purpose;

/// Draws behind a posterior table.
const DRAWS: usize = 8192;

/// Weights are trusted up to this Pareto k̂ (Vehtari et al., 2024).
const KHAT_LIMIT: f64 = 0.7;

/// And those of the wider proposal up to this one: its weights have a variance then. What needs a wide proposal and
/// still has heavy weights is far from its guide.
const WIDE_LIMIT: f64 = 0.5;

/// Weights under which less than this fraction of the draws is effective are not used, whatever their k̂: it is itself
/// an estimate, from few large weights.
const LEAST_EFFECTIVE: f64 = 0.1;

/// Where half of the draws are effective, the wider proposal is held to the limit of the guide's own weights.
const AMPLE: f64 = 0.5;

/// Numbers that the draws behind a table and its weights may compute: where a draw costs more, there are fewer, down to
/// [`FEWEST`].
const MOST_WORK: usize = 2_000_000_000;
const FEWEST: usize = 2048;

/// The 95 % quantile of the standard normal distribution.
const UPPER: f64 = 1.644_853_626_951_472_2;

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
    /// From the same draws, or those of a wider proposal, with Pareto-smoothed importance weights, where k̂ allows it.
    pub resampled: Option<Vec<Summary>>,
    /// Pareto k̂ of the weights p/q, where they can be had.
    pub khat: Option<f64>,
    /// The same of a wider proposal, a Student t with the guide's location and scale, which is asked where k̂ is too
    /// high.
    pub khat_wide: Option<f64>,
    /// The effective fraction e of the draws under these weights: 1/e − 1 estimates the χ² divergence of the posterior
    /// from the guide. k̂ speaks of the shape of the largest weights, whatever their size; this of their size.
    pub effective: Option<f64>,
    /// The same of the wider proposal.
    pub effective_wide: Option<f64>,
    /// log p(data) by the weights that can be used, and its standard error.
    pub log_evidence: Option<(f64, f64)>,
    /// The standard deviation that differs most between the guide and the resampled table.
    pub departure: Option<Departure>,
    /// The largest difference between what the two proposals' weights give, where both can be used.
    pub disagreement: Option<Change>,
}

/// A standard deviation of the guide that the weights correct.
#[derive(Clone, Debug, PartialEq)]
pub struct Departure {
    /// The latent or `let`.
    pub name: String,
    /// The element, by its place along the axes as declared.
    pub index: Vec<usize>,
    /// The guide's over the resampled one.
    pub factor: f64,
}

/// The element whose standard deviations in two tables differ most, as a ratio.
fn departure(guide: &[Summary], resampled: &[Summary]) -> Option<Departure> {
    let mut worst: Option<Departure> = None;
    for (a, b) in guide.iter().zip(resampled) {
        for (k, (x, y)) in a.sd.iter().zip(&b.sd).enumerate().filter(|(_, (x, y))| **x > 0.0 && **y > 0.0) {
            let factor = x / y;
            if worst.as_ref().is_none_or(|w| factor.ln().abs() > w.factor.ln().abs()) {
                let (mut rest, mut index) = (k, vec![]);
                for extent in a.shape.iter().rev() {
                    index.insert(0, rest % extent.max(&1));
                    rest /= extent.max(&1);
                }
                worst = Some(Departure { name: a.name.clone(), index, factor });
            }
        }
    }
    worst
}

/// log of the mean of weights, from their logarithms.
fn log_mean(logs: &[f64]) -> f64 {
    let highest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    highest + (logs.iter().map(|l| (l - highest).exp()).sum::<f64>() / logs.len().max(1) as f64).ln()
}

/// Means and standard deviations of a table, one behind the other.
fn moments(table: &[Summary]) -> Vec<(f64, f64)> {
    table.iter().flat_map(|s| s.mean.iter().copied().zip(s.sd.iter().copied())).collect()
}

/// Draws from the guide, moment-matched where its noise has few dimensions, and summarises.
///
/// # Errors
/// When a run fails.
pub fn posterior(problem: &Problem, values: &Values, fitted: &Setting) -> Result<Posterior, ExecutionError> {
    let o = problem.objective;
    if o.report.posterior.is_empty() && o.report.log_weight.is_none() {
        return Ok(Posterior::default());
    }
    let mut outputs: Vec<_> = o.report.posterior.iter().map(|p| p.node).collect();
    // Moments given what is drawn, two for each value that has them.
    let given = o.report.posterior.iter().filter_map(|p| p.given);
    outputs.extend(given.flat_map(|(mean, variance)| [mean, variance]));
    outputs.extend(o.report.log_weight);
    // Moments are exact given what is drawn, and that is spread evenly.
    let most = if o.guides.eliminated.is_empty() { DRAWS } else { 2 * FEWEST };
    let count = (MOST_WORK / evaluation(problem, 1).max(1)).clamp(FEWEST, most);
    let matched = matched_draws(problem, &outputs, count);
    let extra = &fitted.extra;
    // Long chains are not drawn where nothing but their own means and standard deviations is asked for.
    let known = if matched.is_none() { normals(problem, values, extra)? } else { HashMap::new() };
    if o.report.log_weight.is_none() && known.len() == o.report.posterior.len() {
        let guide = o.report.posterior.iter().filter_map(|r| known.get(r.name.as_str()).cloned()).collect();
        return Ok(Posterior { guide, ..Posterior::default() });
    }
    let mut compiled = problem.compile(&outputs)?;
    let reading = Reading { purpose: Purpose::Table, count, matched: matched.as_ref() };
    let mut drawn = reading.collect(problem, values, extra, &mut *compiled, &outputs)?;
    let log_weights = o.report.log_weight.and_then(|_| drawn.pop());
    let mut result =
        Posterior { guide: table(problem, &drawn, &vec![1.0 / count as f64; count]), ..Posterior::default() };
    for summary in &mut result.guide {
        if let Some(exact) = known.get(summary.name.as_str()) {
            *summary = exact.clone();
        }
    }
    let Some(own) = log_weights.and_then(|w| weighed(problem, &drawn, &w, KHAT_LIMIT)) else { return Ok(result) };
    // A Gaussian is lighter in its tails than most posteriors, however close, and cannot see where it never draws: a wider
    // proposal tells.
    let mut wider = None;
    if let (Some(weight), Some(matched)) = (o.report.log_weight, matched.as_ref().filter(|m| m.all_normal)) {
        let by_lattice = lattice::proposal(problem, values, extra, weight, count)?;
        let (wide, correction) = by_lattice.unwrap_or_else(|| matched.widened(problem.seed));
        let reading = Reading { matched: Some(&wide), ..reading };
        let mut drawn = reading.collect(problem, values, extra, &mut *compiled, &outputs)?;
        let log_weights: Vec<f64> = drawn.pop().into_iter().flatten().zip(correction).map(|(w, c)| w + c).collect();
        wider = weighed(problem, &drawn, &log_weights, WIDE_LIMIT);
    }
    result.take(own, wider);
    Ok(result)
}

/// Draws of a proposal under their weights.
struct Weighed {
    khat: f64,
    /// The effective fraction of the draws.
    effective: f64,
    /// The table, and the log evidence with its standard error, where the weights can be used.
    usable: Option<(Vec<Summary>, (f64, f64))>,
}

/// Draws under their weights, which can be used where k̂ is at most `limit` and enough draws are effective. `None` where no
/// weight is positive.
fn weighed(problem: &Problem, drawn: &[Vec<f64>], log_weights: &[f64], limit: f64) -> Option<Weighed> {
    let s: Smoothed = psis::smooth(log_weights)?;
    let count = log_weights.len() as f64;
    let effective = s.ess / count;
    let enough = s.khat <= limit && effective >= LEAST_EFFECTIVE || s.khat <= KHAT_LIMIT && effective >= AMPLE;
    let usable = effective >= psis::LEVEL || enough && s.has_tail();
    let evidence = || (log_mean(log_weights), ((1.0 / effective - 1.0).max(0.0) / count).sqrt());
    let usable = usable.then(|| (table(problem, drawn, &s.weights), evidence()));
    Some(Weighed { khat: s.khat, effective, usable })
}

/// The table of weighted draws: of each value, then of the moments that are known given what is drawn.
fn table(problem: &Problem, drawn: &[Vec<f64>], weights: &[f64]) -> Vec<Summary> {
    let reported = &problem.objective.report.posterior;
    let mut moments = drawn.get(reported.len()..).unwrap_or_default().chunks(2);
    let summaries = reported.iter().zip(drawn).map(|(r, draws)| {
        let given = r.given.and_then(|_| moments.next());
        summary(problem, (&r.name, &r.axes), draws, given, weights)
    });
    summaries.collect()
}

impl Posterior {
    /// Takes over what the weights of both proposals say.
    fn take(&mut self, own: Weighed, wider: Option<Weighed>) {
        (self.khat, self.effective) = (Some(own.khat), Some(own.effective));
        self.khat_wide = wider.as_ref().map(|w| w.khat);
        self.effective_wide = wider.as_ref().map(|w| w.effective);
        // Near the limit the guide's own weights rest on few large ones.
        let doubtful = own.khat > WIDE_LIMIT;
        let (own, own_evidence) = own.usable.unzip();
        let (wider, wider_evidence) = wider.and_then(|w| w.usable).unzip();
        if let (Some(own), Some(wider)) = (&own, &wider) {
            self.disagreement = Some(change(&moments(wider), &[moments(own)]));
        }
        self.resampled = if doubtful { wider.or(own) } else { own.or(wider) };
        // Of two, the one of the smaller error.
        self.log_evidence = own_evidence.into_iter().chain(wider_evidence).min_by(|a, b| a.1.total_cmp(&b.1));
        self.departure = self.resampled.as_ref().and_then(|table| departure(&self.guide, table));
    }
}

/// The summaries of values that are normal with known mean and standard deviation, by name.
fn normals<'a>(
    problem: &Problem<'a>,
    values: &Values,
    extra: &HashMap<InputId, Arc<Tensor>>,
) -> Result<HashMap<&'a str, Summary>, ExecutionError> {
    let o = problem.objective;
    let normal: Vec<(&Reported, NodeId, NodeId)> =
        o.report.posterior.iter().filter_map(|r| r.normal.map(|(m, s)| (r, m, s))).collect();
    if normal.is_empty() {
        return Ok(HashMap::new());
    }
    let outputs: Vec<NodeId> = normal.iter().flat_map(|n| [n.1, n.2]).collect();
    let setting = Setting { extra: extra.clone(), ..Setting::reporting(Purpose::Table.step(0), 1) };
    let mut results = problem.compile(&outputs)?.run(&problem.feed(values, &problem.train, &setting))?.into_iter();
    let mut map = HashMap::new();
    for (reported, ..) in normal {
        let mut next = || {
            let values = results.next().unwrap_or_default().values;
            from_sorted(&o.graph, &reported.axes, values)
        };
        let (mean, sd) = (next(), next().values);
        let at = |z: f64| mean.values.iter().zip(&sd).map(|(m, s)| m + z * s).collect();
        let summary = Summary {
            name: reported.name.clone(),
            shape: mean.shape.clone(),
            q05: at(-UPPER),
            q50: at(0.0),
            q95: at(UPPER),
            mean: mean.values.clone(),
            sd,
        };
        map.insert(reported.name.as_str(), summary);
    }
    Ok(map)
}

/// Moments and quantiles of weighted draws; moments from those given what is drawn, where they are known: means, then
/// variances.
fn summary(
    problem: &Problem,
    (name, axes): (&str, &[Axis]),
    draws: &[f64],
    given: Option<&[Vec<f64>]>,
    weights: &[f64],
) -> Summary {
    let g = &problem.objective.graph;
    let width = (draws.len() / weights.len().max(1)).max(1);
    let mut columns: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for k in 0..width {
        let mut pairs: Vec<(f64, f64)> =
            draws.iter().skip(k).step_by(width).copied().zip(weights.iter().copied()).collect();
        // About the first draw, so that what is the same in all of them has no variance.
        let first = pairs.first().map_or(0.0, |p| p.0);
        let mean = first + pairs.iter().map(|(v, w)| (v - first) * w).sum::<f64>();
        let variance: f64 = pairs.iter().map(|(v, w)| w * (v - mean) * (v - mean)).sum();
        let (mean, variance) = match given {
            Some([means, variances]) => {
                let column = |of: &'_ [f64]| of.iter().skip(k).step_by(width).copied().zip(weights).collect::<Vec<_>>();
                let mean: f64 = column(means).into_iter().map(|(m, w)| m * w).sum();
                let between: f64 = column(means).into_iter().map(|(m, w)| w * (m - mean) * (m - mean)).sum();
                (mean, between + column(variances).into_iter().map(|(v, w)| v * w).sum::<f64>())
            }
            _ => (mean, variance),
        };
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
    let mut declared = |key: &str| -> Tensor { from_sorted(g, axes, columns.remove(key).unwrap_or_default()) };
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
