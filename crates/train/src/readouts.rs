//! What a fitted guide says of some rows: mean and standard deviation of each latent and `let`, or the probabilities of its values.

use std::collections::HashMap;
use std::sync::Arc;

use fe_graph::{Axis, AxisId, ExecutionError, Graph, InputId, NodeId, Tensor};
use fe_objective::{FIGURE_ROWS, Readout, ReadoutOf};

use crate::fit::FitError;
use crate::heldout;
use crate::problem::{Problem, Setting, Values, from_sorted};
use crate::qmc::{MatchedDraws, matched_draws};
use crate::reading::{EXACT_BUDGET, part};
use crate::streams::Purpose;

/// Draws where something has to be drawn.
const DRAWS: usize = 4096;

/// Numbers of the largest value of a pass.
const WIDTH: usize = 2_000_000;

/// What a guide says of a latent or of a `let`, for some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct RowCode {
    /// Its name.
    pub name: String,
    /// Its axes as declared.
    pub axes: Vec<String>,
    /// Their extents, the row's being that of the rows asked for.
    pub shape: Vec<usize>,
    /// What is known of each element, row-major.
    pub known: Known,
    /// Draws behind it; 0 where it is exact.
    pub draws: usize,
}

/// What is known of the elements of a code.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// Of numbers.
    Moments {
        /// Means.
        mean: Vec<f64>,
        /// Standard deviations.
        sd: Vec<f64>,
    },
    /// Of values from a finite set.
    Probabilities {
        /// How many values there are.
        values: usize,
        /// The probability of each, the values last.
        of: Vec<f64>,
    },
}

/// Running sums over draws, element by element.
struct Sums {
    count: f64,
    mean: Vec<f64>,
    /// Squared deviations from the mean.
    squares: Vec<f64>,
    /// The mean of variances that are known given the draws.
    variance: Vec<f64>,
}

impl Sums {
    fn new() -> Self {
        Self { count: 0.0, mean: vec![], squares: vec![], variance: vec![] }
    }

    /// Takes in values of one draw, with the variances given it.
    fn add(&mut self, values: &[f64], variances: Option<&[f64]>) {
        self.count += 1.0;
        for all in [&mut self.mean, &mut self.squares, &mut self.variance] {
            all.resize(values.len(), 0.0);
        }
        for ((mean, square), v) in self.mean.iter_mut().zip(&mut self.squares).zip(values) {
            let off = v - *mean;
            *mean += off / self.count;
            *square += off * (v - *mean);
        }
        for (sum, v) in self.variance.iter_mut().zip(variances.unwrap_or_default()) {
            *sum += (v - *sum) / self.count;
        }
    }

    fn sd(&self) -> Vec<f64> {
        let degrees = (self.count - 1.0).max(1.0);
        self.squares.iter().zip(&self.variance).map(|(s, v)| (s / degrees + v).max(0.0).sqrt()).collect()
    }
}

/// The nodes that a readout is made of: its value or its probabilities, and its variance given the draws.
fn nodes(readout: &Readout) -> Vec<NodeId> {
    match readout.of {
        ReadoutOf::Value { given: Some((mean, variance)), .. } => vec![mean, variance],
        ReadoutOf::Value { draw, given: None } => vec![draw],
        ReadoutOf::Finite { probabilities, .. } => vec![probabilities],
    }
}

/// What the guide says of the rows of a problem.
#[derive(Clone, Debug, PartialEq)]
pub struct RowCodes {
    /// The rows, by their numbers in the data, in order; none without a row axis.
    pub rows: Vec<u64>,
    /// What is said of each thing that was asked for.
    pub codes: Vec<RowCode>,
    /// Whether rows that were held out are left out: what is known of them would follow from all rows together.
    pub without_heldout: bool,
}

/// What the guide says of all rows of a problem, those held out too; the free parameters that these have of their own are refitted
/// with all else fixed.
///
/// # Errors
/// When a run fails, or the refit does.
pub fn codes(
    problem: &Problem,
    values: &Values,
    extra: HashMap<InputId, Arc<Tensor>>,
    wanted: &[&Readout],
) -> Result<RowCodes, FitError> {
    let o = problem.objective;
    let fitted = Setting { extra, ..Setting::default() };
    let together = o.row.is_none() || !o.guides.of_all_rows.is_empty();
    let mut blocks = vec![];
    if together || !problem.train.is_empty() {
        blocks.extend(divided(&problem.train, together).map(|rows| (rows, values.clone())));
    }
    let without_heldout = together && !problem.heldout.is_empty();
    if !problem.heldout.is_empty() && !without_heldout {
        let local = o.parameters.iter().any(|p| p.local);
        let values = if local { heldout::refit(problem, values, &fitted)? } else { values.clone() };
        blocks.extend(divided(&problem.heldout, false).map(|rows| (rows, values.clone())));
    }
    let sums = sums(problem, &fitted, &blocks, wanted)?;
    let rows: Vec<u64> = blocks.iter().flat_map(|(rows, _)| rows.iter().copied()).collect();
    let of = |(k, r): (usize, &&Readout)| code(problem, r, &rows, sums.iter().filter_map(|b| b.get(k)));
    let codes = wanted.iter().enumerate().map(of).collect();
    let mut sorted = rows.clone();
    sorted.sort_unstable();
    Ok(RowCodes { rows: sorted, codes, without_heldout })
}

/// Rows in blocks that can be run.
fn divided(rows: &Arc<Vec<u64>>, together: bool) -> impl Iterator<Item = Arc<Vec<u64>>> {
    let size = if together { rows.len().max(1) } else { FIGURE_ROWS };
    let whole = (rows.len() <= size).then(|| rows.clone());
    let parts: Vec<_> = match &whole {
        Some(_) => vec![],
        None => rows.chunks(size).map(|c| Arc::new(c.to_vec())).collect(),
    };
    whole.into_iter().chain(parts)
}

/// The sums of each block of rows.
fn sums(
    problem: &Problem,
    fitted: &Setting,
    blocks: &[(Arc<Vec<u64>>, Values)],
    wanted: &[&Readout],
) -> Result<Vec<Vec<Sums>>, ExecutionError> {
    let o = problem.objective;
    let outputs: Vec<NodeId> = wanted.iter().flat_map(|r| nodes(r)).collect();
    let mut compiled = problem.compile(&outputs)?;
    let drawn = outputs.iter().any(|&n| o.graph.has_axis(n, Axis::SAMPLE));
    // Moments that are linear in few normal draws come out exactly.
    let whole = blocks.len() == 1 && problem.heldout.is_empty();
    let matched = if drawn && whole { matched_draws(problem, &outputs, DRAWS) } else { None };
    let count = if drawn { DRAWS } else { 1 };
    let size = blocks.first().map_or(1, |b| b.0.len().max(1));
    let each = problem.sizes().largest(&outputs).saturating_mul(size).div_ceil(problem.training_rows());
    let most = if o.guides.eliminated.is_empty() { WIDTH } else { EXACT_BUDGET };
    let width = (most / each.max(1)).clamp(1, count);
    let mut all: Vec<Vec<Sums>> = vec![];
    for (block, values) in blocks {
        let mut sums: Vec<Sums> = wanted.iter().map(|_| Sums::new()).collect();
        for (pass, done) in (0..count).step_by(width).enumerate() {
            let now = width.min(count - done);
            let setting = setting(fitted, matched.as_ref(), (pass, done, now));
            let found = compiled.run(&problem.feed(values, block, &setting))?;
            add(&o.graph, wanted, (&outputs, &found), now, &mut sums);
        }
        all.push(sums);
    }
    Ok(all)
}

fn setting(fitted: &Setting, matched: Option<&MatchedDraws>, (pass, done, now): (usize, usize, usize)) -> Setting {
    let step = Purpose::Codes.step(pass as u64);
    let mut setting = Setting { extra: fitted.extra.clone(), ..Setting::reporting(step, now) };
    let sites = matched.iter().flat_map(|m| &m.draws);
    setting.draws = sites.map(|(&site, t)| (site, Arc::new(part(t, done, now)))).collect();
    setting
}

/// Adds a pass to the sums. What does not depend on the draws is added once.
fn add(g: &Graph, wanted: &[&Readout], (outputs, found): (&[NodeId], &[Tensor]), now: usize, sums: &mut [Sums]) {
    let mut found = outputs.iter().zip(found);
    for (readout, sums) in wanted.iter().zip(sums) {
        let own: Vec<(&NodeId, &Tensor)> = found.by_ref().take(nodes(readout).len()).collect();
        let drawn = own.iter().any(|(n, _)| g.has_axis(**n, Axis::SAMPLE));
        if !drawn && sums.count > 0.0 {
            continue;
        }
        let size = |(n, t): &(&NodeId, &Tensor)| t.values.len() / if g.has_axis(**n, Axis::SAMPLE) { now } else { 1 };
        let slice = |of: &(&NodeId, &Tensor), draw: usize| -> Vec<f64> {
            let skip = if g.has_axis(*of.0, Axis::SAMPLE) { draw * size(of) } else { 0 };
            of.1.values.iter().skip(skip).take(size(of)).copied().collect()
        };
        for draw in 0..if drawn { now } else { 1 } {
            let Some(first) = own.first() else { continue };
            let variances = own.get(1).map(|v| slice(v, draw));
            sums.add(&slice(first, draw), variances.as_deref());
        }
    }
}

/// The blocks of a readout one behind the other, its rows in order, in its declared order.
fn code<'a>(problem: &Problem, readout: &Readout, rows: &[u64], blocks: impl Iterator<Item = &'a Sums>) -> RowCode {
    let g = &problem.objective.graph;
    let row = problem.objective.row.map(|r| Axis::plain(r.axis));
    let (mut mean, mut sd, mut draws) = (vec![], vec![], 0);
    let with_rows = row.is_some_and(|r| readout.axes.contains(&r));
    // What has no row is the same in every block.
    for sums in blocks.take(if with_rows { usize::MAX } else { 1 }) {
        mean.extend(&sums.mean);
        sd.extend(sums.sd());
        draws = if sums.count > 1.0 { sums.count as usize } else { 0 };
    }
    let extent = |a: &Axis| if Some(*a) == row { rows.len() } else { g.extent_of(a.id) };
    let declared = |values: Vec<f64>, axes: &[Axis]| {
        let values = if with_rows { in_order(values, rows) } else { values };
        resized(g, row.map(|r| (r.id, rows.len())), axes, values)
    };
    let known = match readout.of {
        ReadoutOf::Value { .. } => {
            Known::Moments { mean: declared(mean, &readout.axes), sd: declared(sd, &readout.axes) }
        }
        ReadoutOf::Finite { values, .. } => {
            let axes = [readout.axes.as_slice(), &[values]].concat();
            Known::Probabilities { values: g.extent_of(values.id), of: declared(mean, &axes) }
        }
    };
    let axes = readout.axes.iter().map(|&a| g.axis_name(a)).collect();
    RowCode { name: readout.name.clone(), axes, shape: readout.axes.iter().map(extent).collect(), known, draws }
}

/// Values whose first axis is that of some rows, these brought into order.
fn in_order(values: Vec<f64>, rows: &[u64]) -> Vec<f64> {
    if rows.is_sorted() {
        return values;
    }
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&k| rows.get(k));
    let width = values.len() / rows.len().max(1);
    order.into_iter().flat_map(|k| values.iter().skip(k * width).take(width).copied()).collect()
}

/// Values over sorted axes in the order declared, where the row axis has its own extent.
fn resized(g: &Graph, row: Option<(AxisId, usize)>, declared: &[Axis], values: Vec<f64>) -> Vec<f64> {
    let Some((axis, rows)) = row.filter(|_| fe_graph::axis::sorted(declared) != declared) else {
        return from_sorted(g, declared, values).values;
    };
    let mut g = g.clone();
    g.set_extent(axis, rows);
    from_sorted(&g, declared, values).values
}
