//! Draws of the fitted guide: the posterior table, and how far the guide can be trusted.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use fe_graph::{Axis, ExecutionError, InputId, NodeId, Tensor};
use fe_objective::{Objective, Reported};
use rayon::prelude::*;

use crate::moments::{Change, change};
use crate::problem::{Problem, Setting, Values, from_sorted};
use crate::proposal::{Modes, proposal};
use crate::psis::{self, Smoothed};
use crate::qmc::{MatchedDraws, matched_draws, normal_draws_of};
use crate::reading::Reading;
use crate::sizes::Sizes;
use crate::streams::Purpose;
use crate::target::Target;

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

/// Where so many of the draws are effective, the wider proposal is held to the limit of the guide's own weights.
const AMPLE: f64 = 0.6;

/// The share of the mass from which modes where the guide is not are looked for in a table: far enough, little moves a standard
/// deviation.
const ELSEWHERE: f64 = 1e-6;

/// k̂ of a weighted square from which its mean may not exist: that of a Student t with 2 degrees of freedom is 1, that of a Cauchy
/// distribution 2, and k̂ is off by a tenth or two. And the most elements that are looked at.
const HEAVY: f64 = 1.2;
const MEASURED: usize = 512;

/// Numbers that the draws behind a table and its weights may compute: where a draw costs more, there are fewer, down to
/// [`FEWEST`].
const MOST_WORK: usize = 2_000_000_000;
const FEWEST: usize = 2048;

/// The same where latents are integrated out: what is left to draw is of few dimensions, and spread evenly.
const MOST_WORK_LEFT: usize = 500_000_000;
const FEWEST_LEFT: usize = 1024;

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
    /// The same of a wider proposal, up to 64 dimensions: a lattice, or a mixture that was moved toward the posterior.
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
    /// The modes of the posterior, where they were looked for.
    pub modes: Option<Modes>,
    /// The element whose standard deviation cannot be had from the draws behind the resampled table.
    pub heavy: Option<Heavy>,
}

/// A standard deviation that rests on few draws far out.
#[derive(Clone, Debug, PartialEq)]
pub struct Heavy {
    /// The latent or `let`.
    pub name: String,
    /// The element, by its place along the axes as declared.
    pub index: Vec<usize>,
    /// k̂ of the squared distance from the mean, under the weights.
    pub khat: f64,
}

/// Whose draws are behind a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Guide,
    Wider,
}

/// The draws behind the resampled table.
pub(crate) struct Resampled {
    /// Of each reported value, one draw behind the other.
    pub values: Vec<Vec<f64>>,
    /// Weights that add up to 1.
    pub weights: Vec<f64>,
    /// The noise of draws that are not the guide's, with log N(ε) − log of their density.
    pub proposal: Option<(MatchedDraws, Vec<f64>)>,
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
                worst = Some(Departure { name: a.name.clone(), index: place(&a.shape, k), factor });
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

/// What is drawn for the table.
pub(crate) fn tabled(o: &Objective) -> Vec<NodeId> {
    let mut outputs: Vec<_> = o.report.posterior.iter().map(|p| p.node).collect();
    // Moments given what is drawn, two for each value that has them.
    let given = o.report.posterior.iter().filter_map(|p| p.given);
    outputs.extend(given.flat_map(|(mean, variance)| [mean, variance]));
    outputs.extend(o.report.log_weight);
    outputs
}

/// The number of draws behind the table.
pub(crate) fn tabled_draws(sizes: Sizes) -> usize {
    let o = sizes.o;
    // Moments are exact given what is drawn, and that is spread evenly.
    let exact = !o.guides.eliminated.is_empty() && o.guides.latents.iter().all(|l| !l.guide.is_at_mode());
    let (work, fewest, most) = match (o.guides.eliminated.is_empty(), exact) {
        (true, _) => (MOST_WORK, FEWEST, DRAWS),
        (false, false) => (MOST_WORK, FEWEST, 2 * FEWEST),
        (false, true) => (MOST_WORK_LEFT, FEWEST_LEFT, 2 * FEWEST),
    };
    (work / sizes.evaluation(1).max(1)).clamp(fewest, most)
}

/// Draws from the guide, moment-matched where its noise has few dimensions, and summarises.
///
/// # Errors
/// When a run fails.
pub(crate) fn posterior(
    problem: &Problem,
    values: &Values,
    fitted: &Setting,
) -> Result<(Posterior, Option<Resampled>), ExecutionError> {
    let o = problem.objective;
    if o.report.posterior.is_empty() && o.report.log_weight.is_none() {
        return Ok((Posterior::default(), None));
    }
    let (outputs, count) = (tabled(o), tabled_draws(problem.sizes()));
    let matched = matched_draws(problem, &outputs, count);
    let extra = &fitted.extra;
    // Long chains are not drawn where nothing but their own means and standard deviations is asked for.
    let known = if matched.is_none() { normals(problem, values, extra)? } else { HashMap::new() };
    if o.report.log_weight.is_none() && known.len() == o.report.posterior.len() {
        let guide = o.report.posterior.iter().filter_map(|r| known.get(r.name.as_str()).cloned()).collect();
        return Ok((Posterior { guide, ..Posterior::default() }, None));
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
    let Some(own) = log_weights.and_then(|w| weighed(problem, &drawn, &w, KHAT_LIMIT)) else {
        return Ok((result, None));
    };
    // A Gaussian is lighter in its tails than most posteriors, however close, and cannot see where it never draws: a wider
    // proposal tells.
    let (mut wider, mut proposed_draws) = (None, None);
    // Beside counts, which keep the guide's own draws given all else, what is normal is widened.
    let normal = match &matched {
        Some(matched) if matched.all_normal => None,
        _ => normal_draws_of(problem, &outputs, count),
    };
    if let Some(matched) = matched.as_ref().filter(|m| m.all_normal).or(normal.as_ref()) {
        let proposed = match &o.density {
            Some(density) if normal.is_none() => {
                proposal(&mut Target::new(problem, values, extra, density)?, problem, count)?
            }
            _ => None,
        };
        result.modes = proposed.as_ref().and_then(|p| p.modes);
        let (wide, correction) = proposed.map_or_else(|| matched.widened(problem.seed), |p| (p.draws, p.correction));
        let reading = Reading { matched: Some(&wide), ..reading };
        let mut drawn = reading.collect(problem, values, extra, &mut *compiled, &outputs)?;
        let log_weights: Vec<f64> = drawn.pop().into_iter().flatten().zip(&correction).map(|(w, c)| w + c).collect();
        // Far out a density may overflow where it is nothing.
        let log_weights: Vec<f64> =
            log_weights.into_iter().map(|w| if w.is_finite() { w } else { f64::NEG_INFINITY }).collect();
        wider = weighed(problem, &drawn, &log_weights, WIDE_LIMIT);
        proposed_draws = Some((drawn, (wide, correction)));
    }
    let resampled = result.take(own, wider).map(|(from, weights)| match (from, proposed_draws) {
        (From::Wider, Some((values, proposal))) => Resampled { values, weights, proposal: Some(proposal) },
        _ => Resampled { values: drawn, weights, proposal: None },
    });
    Ok((result, resampled))
}

/// Draws of a proposal under their weights.
struct Weighed {
    khat: f64,
    /// The effective fraction of the draws.
    effective: f64,
    /// What follows from the weights, where they can be used.
    usable: Option<Usable>,
}

/// What follows from weights that can be used.
struct Usable {
    table: Vec<Summary>,
    /// The smoothed weights, which add up to 1.
    weights: Vec<f64>,
    /// log p(data) and its standard error.
    evidence: (f64, f64),
    heavy: Option<Heavy>,
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
    let usable = usable.then(|| {
        let table = table(problem, drawn, &s.weights);
        let heavy = heavy(problem, &table, drawn, &s.weights);
        Usable { table, evidence: evidence(), heavy, weights: s.weights }
    });
    Some(Weighed { khat: s.khat, effective, usable })
}

/// The table of weighted draws: of each value, then of the moments that are known given what is drawn.
pub(crate) fn table(problem: &Problem, drawn: &[Vec<f64>], weights: &[f64]) -> Vec<Summary> {
    let reported = &problem.objective.report.posterior;
    let mut moments = drawn.get(reported.len()..).unwrap_or_default().chunks(2);
    let given: Vec<_> = reported.iter().map(|r| r.given.and_then(|_| moments.next())).collect();
    let values = reported.par_iter().zip(drawn).zip(given);
    values.map(|((r, draws), given)| summary(problem, (&r.name, &r.axes), draws, given, weights)).collect()
}

/// The element whose standard deviation rests most on few draws, where that is too few: by k̂ of weight times squared distance
/// from the mean (Vehtari et al., 2024, section 3.2).
fn heavy(problem: &Problem, table: &[Summary], drawn: &[Vec<f64>], weights: &[f64]) -> Option<Heavy> {
    let mut worst: Option<Heavy> = None;
    // Probabilities and what follows from latents have moments where these do, or ends.
    let latent = |s: &Summary| problem.objective.guides.latents.iter().any(|l| l.name == s.name);
    let latents = table.iter().zip(drawn).filter(|(s, _)| latent(s));
    let elements = latents.flat_map(|(s, draws)| (0..s.mean.len()).map(move |k| (s, draws, k)));
    for (summary, draws, k) in elements.take(MEASURED) {
        let mean = summary.mean.get(k).copied().unwrap_or(0.0);
        let column = draws.iter().skip(k).step_by(summary.mean.len().max(1));
        let square = |(v, &w): (&f64, &f64)| if w > 0.0 { w * (v - mean).powi(2) } else { 0.0 };
        let squares: Vec<f64> = column.zip(weights).map(square).collect();
        let khat = psis::tail_shape(&squares);
        if khat > HEAVY && worst.as_ref().is_none_or(|w| khat > w.khat) {
            worst = Some(Heavy { name: summary.name.clone(), index: place(&summary.shape, k), khat });
        }
    }
    worst
}

/// The place along each axis of an element, row-major.
fn place(shape: &[usize], k: usize) -> Vec<usize> {
    let (mut rest, mut index) = (k, vec![]);
    for extent in shape.iter().rev() {
        index.insert(0, rest % extent.max(&1));
        rest /= extent.max(&1);
    }
    index
}

impl Posterior {
    /// Takes over what the weights of both proposals say; gives whose draws are behind the resampled table, and their weights.
    fn take(&mut self, own: Weighed, wider: Option<Weighed>) -> Option<(From, Vec<f64>)> {
        (self.khat, self.effective) = (Some(own.khat), Some(own.effective));
        self.khat_wide = wider.as_ref().map(|w| w.khat);
        self.effective_wide = wider.as_ref().map(|w| w.effective);
        // Modes where the guide is not are in the wider proposal's table alone; else the one of more effective draws is taken.
        let elsewhere = self.modes.is_some_and(|m| m.elsewhere > ELSEWHERE);
        let better = wider.as_ref().is_some_and(|w| w.effective > own.effective);
        let doubtful = elsewhere || better || own.khat > WIDE_LIMIT;
        let (own, wider) = (own.usable, wider.and_then(|w| w.usable));
        if let (Some(own), Some(wider), false) = (&own, &wider, elsewhere) {
            self.disagreement = Some(change(&moments(&wider.table), &[moments(&own.table)]));
        }
        // Of two, the one of the smaller error; the guide's own says nothing of modes where it is not.
        let known = if elsewhere && wider.is_some() { None } else { own.as_ref() };
        let evidences = known.into_iter().chain(&wider).map(|u| u.evidence);
        self.log_evidence = evidences.min_by(|a, b| a.1.total_cmp(&b.1));
        let (own, wider) = (own.map(|u| (From::Guide, u)), wider.map(|u| (From::Wider, u)));
        let (from, usable) = if doubtful { wider.or(own) } else { own.or(wider) }?;
        (self.resampled, self.heavy) = (Some(usable.table), usable.heavy);
        self.departure = self.resampled.as_ref().and_then(|table| departure(&self.guide, table));
        Some((from, usable.weights))
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
        // What has no weight has no say, though far out it may be no number.
        let column = |of: &[f64]| -> Vec<(f64, f64)> {
            let all = of.iter().skip(k).step_by(width).copied().zip(weights.iter().copied());
            all.filter(|(_, w)| *w > 0.0).collect()
        };
        let mut pairs = column(draws);
        // About the first draw, so that what is the same in all of them has no variance.
        let first = pairs.first().map_or(0.0, |p| p.0);
        let mean = first + pairs.iter().map(|(v, w)| (v - first) * w).sum::<f64>();
        let variance: f64 = pairs.iter().map(|(v, w)| w * (v - mean) * (v - mean)).sum();
        let (mean, variance) = match given {
            Some([means, variances]) => {
                let means = column(means);
                let mean: f64 = means.iter().map(|(m, w)| m * w).sum();
                let between: f64 = means.iter().map(|(m, w)| w * (m - mean) * (m - mean)).sum();
                (mean, between + column(variances).into_iter().map(|(v, w)| v * w).sum::<f64>())
            }
            _ => (mean, variance),
        };
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
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
