//! The figures of a fit: every term over all rows at temperature 0, with Monte Carlo standard errors where sampled.

use std::sync::Arc;

use fe_check::Functional;
use fe_distribution::PoissonRate;
use fe_graph::{Axis, ExecutionError, NodeId, Tensor};
use fe_objective::{Bound, FIGURE_ROWS, Objective, TermKind};

use crate::activity;
use crate::figures::{ByRow, Figures, RateSplit, TermFigure};
use crate::footprint::Pass;
use crate::problem::{Problem, Setting, Values};
use crate::qmc::{matchable, matched_draws, noise_sites};
use crate::reading::part;
use crate::sizes::Sizes;
use crate::streams::Purpose;

/// Noise of one pass over the samples.
const WIDTH: usize = 4_000_000;

/// Elements of the largest array of one pass.
const LARGEST: usize = 1 << 26;

/// Samples per row taken for figures: many for few rows, and always enough for a standard error.
fn sample_count(rows: usize) -> usize {
    (131_072 / rows.max(1)).clamp(8, 16_384)
}

/// Numbers that the samples of all rows may compute before they are spread evenly, where that can be done.
const COSTLY: usize = 1 << 28;

/// Samples where they are spread evenly; and where a sample costs much, the numbers of the largest value of a pass.
const EVEN: usize = 1024;
const EVEN_WIDTH: usize = 1 << 17;

/// The sums that figures are made of, in this order: terms, spikes, information, the two parts of an objective that weighs draws,
/// and the five parts of each rate that is split.
struct Summed {
    nodes: Vec<NodeId>,
    /// Whether each is a sum over rows.
    local: Vec<bool>,
}

impl Summed {
    fn new(o: &Objective) -> Self {
        let mut all: Vec<(NodeId, bool)> = o.terms.iter().map(|t| (t.sum, t.local)).collect();
        all.extend(o.spikes.iter().map(|e| (e.sum, e.local)));
        all.extend(o.minimised.gains.iter().map(|g| (g.sum, g.local)));
        all.extend(o.minimised.importance.iter().flat_map(|b| [(b.sum, b.local), (b.rest, false)]));
        for latent in &o.guides.latents {
            all.extend(latent.split.iter().flat_map(PoissonRate::parts).map(|node| (node, latent.local)));
        }
        let (nodes, local) = all.into_iter().unzip();
        Self { nodes, local }
    }
}

/// Blocks of bounded size that rows are run in; weights that all rows share are of all rows.
fn blocks(problem: &Problem, rows: &Arc<Vec<u64>>) -> Vec<Arc<Vec<u64>>> {
    let o = problem.objective;
    let size = block_size(o, rows.len());
    if o.row.is_some() && rows.len() > size {
        rows.chunks(size).map(|c| Arc::new(c.to_vec())).collect()
    } else {
        vec![rows.clone()]
    }
}

fn block_size(o: &Objective, rows: usize) -> usize {
    let together = o.minimised.importance.is_some_and(|b| !b.local) || !o.guides.of_all_rows.is_empty();
    if together { rows.max(1) } else { rows.clamp(1, FIGURE_ROWS) }
}

/// Elements of the largest array that nodes need, of one row and one sample.
fn widest(o: &Objective, nodes: &[NodeId]) -> usize {
    let row = o.row.map(|r| r.axis);
    let apart = |a: &&Axis| Some(a.id) != row && **a != Axis::SAMPLE;
    let size = |n: NodeId| {
        let axes = o.graph.axes_of(n).iter().filter(apart);
        axes.fold(1usize, |n, a| n.saturating_mul(o.graph.extent_of(a.id)))
    };
    let of_rows = |n: &NodeId| o.graph.axes_of(*n).iter().any(|a| Some(a.id) == row);
    o.graph.reachable(nodes).into_iter().filter(of_rows).map(size).max().unwrap_or(1)
}

/// Whether the samples of so many rows cost much.
fn costly(sizes: Sizes, rows: usize) -> bool {
    sizes.evaluation(1).saturating_mul(sample_count(rows)) > COSTLY
}

/// Whether draws are spread evenly where they can be: where latents are integrated out, what is left to draw is of few
/// dimensions; and so where a draw costs much.
fn spreads(sizes: Sizes, rows: usize) -> bool {
    !sizes.o.guides.eliminated.is_empty() || costly(sizes, rows)
}

/// Samples of each of so many rows, and those of a pass, where they are spread evenly or not.
fn passes(sizes: Sizes, nodes: &[NodeId], rows: usize, even: bool) -> (usize, usize) {
    let o = sizes.o;
    let count = if o.row.is_some() { rows.max(1) } else { 1 };
    let samples = match even {
        _ if o.minimised.deterministic => 1,
        true => EVEN,
        false => sample_count(count),
    };
    let drawn = noise_sites(o).iter().map(|s| s.size).fold(1, usize::saturating_add);
    let large = even && (costly(sizes, count) || o.guides.latents.iter().any(|l| l.guide.is_summed()));
    let width = match large {
        true => EVEN_WIDTH / sizes.largest(nodes),
        false => {
            let block = block_size(o, rows);
            let held = LARGEST / block.saturating_mul(widest(o, nodes)).max(1);
            (65_536 / block).min(WIDTH / drawn).min(held)
        }
    };
    (samples, width.clamp(1, samples))
}

/// A pass of the figures of so many rows: what it runs, with its draws and rows, and whether there are more of it.
pub(crate) fn pass(sizes: Sizes, rows: usize) -> Pass {
    let Summed { nodes, .. } = Summed::new(sizes.o);
    let count = if sizes.o.row.is_some() { rows.max(1) } else { 1 };
    let sites = if spreads(sizes, count) { matchable(sizes, &nodes) } else { None };
    let (samples, draws) = passes(sizes, &nodes, rows, sites.is_some());
    let drawn = sites.into_iter().flatten().map(|s| s.site).collect();
    let block = if sizes.o.row.is_some() { block_size(sizes.o, rows) } else { 1 };
    Pass { nodes, draws, rows: block, drawn, of: (samples, rows.max(block)) }
}

/// Numbers of a value in a block of rows, at so many draws.
pub(crate) fn in_block(sizes: Sizes, node: NodeId, draws: usize) -> usize {
    Sizes { rows: block_size(sizes.o, sizes.rows), ..sizes }.of(node, draws)
}

/// The totals of sums over rows.
struct Totals<'a> {
    problem: &'a Problem<'a>,
    summed: Summed,
    /// Rows that were summed over; 1 without.
    rows: usize,
    /// For each sum its total at each sample.
    samples: Vec<Vec<f64>>,
}

impl<'a> Totals<'a> {
    /// Runs blocks of rows, some samples at a time.
    fn new(
        problem: &'a Problem<'a>,
        values: &Values,
        rows: &Arc<Vec<u64>>,
        blocks: &[Arc<Vec<u64>>],
        fitted: &Setting,
    ) -> Result<Self, ExecutionError> {
        let o = problem.objective;
        let count = if o.row.is_some() { rows.len().max(1) } else { 1 };
        let summed = Summed::new(o);
        let even = match spreads(problem.sizes(), count) {
            false => None,
            true => matched_draws(problem, &summed.nodes, EVEN),
        };
        let mut compiled = problem.compile(&summed.nodes)?;
        let (samples, width) = passes(problem.sizes(), &summed.nodes, rows.len(), even.is_some());
        let mut totals = vec![vec![0.0; samples]; summed.nodes.len()];
        for (k, block) in blocks.iter().enumerate() {
            for (pass, done) in (0..samples).step_by(width).enumerate() {
                let now = width.min(samples - done);
                let step = Purpose::Figures.step(pass as u64);
                let mut setting = Setting { extra: fitted.extra.clone(), ..Setting::reporting(step, now) };
                let sites = even.iter().flat_map(|m| &m.draws);
                setting.draws = sites.map(|(&site, t)| (site, Arc::new(part(t, done, now)))).collect();
                let result = compiled.run(&problem.feed(values, block, &setting))?;
                for ((total, value), &local) in totals.iter_mut().zip(&result).zip(&summed.local) {
                    if k > 0 && !local {
                        continue;
                    }
                    for (s, slot) in total.iter_mut().skip(done).take(now).enumerate() {
                        *slot += value.values.get(s).copied().unwrap_or_else(|| value.item());
                    }
                }
            }
        }
        Ok(Self { problem, summed, rows: count, samples: totals })
    }

    /// The sums are of so many rows where they are sums over rows.
    fn scale(&self, local: bool) -> f64 {
        1.0 / if local { self.rows as f64 } else { self.problem.training_rows() as f64 }
    }

    /// The mean of a sum over samples, and its standard error, per row.
    fn per_row(&self, place: usize) -> (f64, f64) {
        let scale = self.scale(self.summed.local.get(place).copied().unwrap_or_default());
        let (mean, se) = self.samples.get(place).map_or((f64::NAN, f64::NAN), |samples| mean_and_error(samples));
        (mean * scale, se * scale)
    }

    /// Terms, their totals and the account of spikes.
    fn account(&self) -> Figures {
        let o = self.problem.objective;
        let mut f = Figures { rows: self.rows, ..Figures::default() };
        let mut whole = vec![0.0; self.samples.first().map_or(0, Vec::len)];
        for (k, (term, total)) in o.terms.iter().zip(&self.samples).enumerate() {
            let (nats, se) = self.per_row(k);
            f.terms.push(TermFigure { nats, se: term.estimator.is_sampled().then_some(se) });
            let scale = self.scale(term.local);
            whole.iter_mut().zip(total).for_each(|(w, t)| *w += t * scale);
            match term.kind {
                TermKind::Rate => {
                    f.rate += nats;
                    f.local_rate += if term.local { nats } else { 0.0 };
                }
                TermKind::Distortion | TermKind::Loss => f.distortion += nats,
            }
        }
        f.free_energy = f.distortion + f.rate;
        f.se = o.terms.iter().any(|t| t.estimator.is_sampled()).then(|| mean_and_error(&whole).1);
        f.spikes_by_latent = (0..o.spikes.len()).map(|k| self.per_row(o.terms.len() + k).0).collect();
        f.spikes = (!f.spikes_by_latent.is_empty()).then(|| f.spikes_by_latent.iter().sum());
        let before = o.terms.len() + o.spikes.len();
        f.gains = (0..o.minimised.gains.len()).map(|k| self.per_row(before + k).0).collect();
        f
    }

    /// The objective at its final weights, and the values that are bounded.
    fn objective(&self, f: &mut Figures) {
        let o = self.problem.objective;
        let of = |f: &Figures, w: f64, functional: &Functional| w * value_of(o, functional, f);
        f.objective = match o.minimised.importance {
            Some(_) => (0..2).map(|k| self.per_row(o.terms.len() + o.spikes.len() + f.gains.len() + k).0).sum(),
            None => o.minimised.spec.iter().map(|(w, functional)| of(f, w.last(), functional)).sum(),
        };
        let bound = |b: &Bound| b.stated.terms.iter().map(|(w, functional)| of(f, *w, functional)).sum();
        f.bounds = o.minimised.bounds.iter().map(bound).collect();
    }

    /// The parts of rates, for the latents that have them.
    fn splits(&self, f: &mut Figures) {
        let o = self.problem.objective;
        let weighed = if o.minimised.importance.is_some() { 2 } else { 0 };
        let mut parts = (o.terms.len() + o.spikes.len() + f.gains.len() + weighed..).map(|k| self.per_row(k).0);
        let mut next = || parts.next().unwrap_or(f64::NAN);
        for (_, figure) in o.guides.latents.iter().zip(&mut f.latents).filter(|(l, _)| l.split.is_some()) {
            let [log_ratio, spikes, prior, suppressed, excited] = std::array::from_fn(|_| next());
            figure.split = Some(RateSplit { log_ratio, spikes, prior, suppressed, excited });
        }
    }
}

/// The figures over some rows.
///
/// # Errors
/// When a run fails.
pub fn figures(
    problem: &Problem,
    values: &Values,
    rows: &Arc<Vec<u64>>,
    fitted: &Setting,
) -> Result<Figures, ExecutionError> {
    let blocks = blocks(problem, rows);
    let totals = Totals::new(problem, values, rows, &blocks, fitted)?;
    let mut figures = totals.account();
    totals.objective(&mut figures);
    activity::add(problem, values, &blocks, fitted, &mut figures)?;
    totals.splits(&mut figures);
    Ok(figures)
}

/// The figures of each of some rows: every row is run alone, with the samples that it has among the others.
///
/// # Errors
/// When a run fails.
pub fn by_row(problem: &Problem, values: &Values, rows: &[u64], fitted: &Setting) -> Result<ByRow, ExecutionError> {
    let o = problem.objective;
    let samples = if o.minimised.deterministic { 1 } else { sample_count(rows.len()) };
    let mut outputs: Vec<NodeId> = o.terms.iter().map(|t| t.sum).collect();
    outputs.extend(o.spikes.iter().map(|e| e.sum));
    let mut sums = problem.compile(&outputs)?;
    let mut all = ByRow { spikes: (!o.spikes.is_empty()).then(Vec::new), ..ByRow::default() };
    for &row in rows {
        let setting = Setting { extra: fitted.extra.clone(), ..Setting::reporting(Purpose::Figures.step(0), samples) };
        let result = sums.run(&problem.feed(values, &Arc::new(vec![row]), &setting))?;
        let part = |local: bool, t: &Tensor| {
            let share = if local { 1.0 } else { 1.0 / problem.training_rows() as f64 };
            share * mean_and_error(&t.values).0
        };
        let (mut distortion, mut rate) = (0.0, 0.0);
        for (term, sum) in o.terms.iter().zip(&result) {
            let of = if term.kind == TermKind::Rate { &mut rate } else { &mut distortion };
            *of += part(term.local, sum);
        }
        all.free_energy.push(distortion + rate);
        all.distortion.push(distortion);
        all.rate.push(rate);
        if let Some(spikes) = &mut all.spikes {
            spikes.push(o.spikes.iter().zip(result.iter().skip(o.terms.len())).map(|(e, t)| part(e.local, t)).sum());
        }
    }
    Ok(all)
}

/// The free energy of some rows, per row, from one sample: a look in the course of a fit.
///
/// # Errors
/// When a run fails.
pub fn quick_free_energy(
    problem: &Problem,
    values: &Values,
    rows: &Arc<Vec<u64>>,
    fitted: &Setting,
) -> Result<f64, ExecutionError> {
    let o = problem.objective;
    let outputs: Vec<NodeId> = o.terms.iter().map(|t| t.sum).collect();
    let setting = Setting { extra: fitted.extra.clone(), ..Setting::reporting(Purpose::Figures.step(0), 1) };
    let sums = problem.compile(&outputs)?.run(&problem.feed(values, rows, &setting))?;
    let per_row = |local: bool| if local { rows.len().max(1) } else { problem.training_rows() } as f64;
    Ok(o.terms.iter().zip(&sums).map(|(t, s)| s.item() / per_row(t.local)).sum())
}

/// A functional per row, from the figures.
fn value_of(o: &Objective, functional: &Functional, f: &Figures) -> f64 {
    let named = |wanted: &Option<String>, name: &String| wanted.as_ref().is_none_or(|n| n == name);
    match functional {
        Functional::Information(one, other) => {
            let own = o.minimised.gains.iter().zip(&f.gains).filter(|(g, _)| g.of == [one.clone(), other.clone()]);
            own.map(|(_, v)| -v).sum()
        }
        Functional::Energy(name) => {
            let own = o.spikes.iter().zip(&f.spikes_by_latent).filter(|(e, _)| named(name, &e.name));
            own.map(|(_, v)| v).sum()
        }
        Functional::Rate(name) | Functional::Distortion(name) => {
            let rate = matches!(functional, Functional::Rate(_));
            let own = o.terms.iter().zip(&f.terms).filter(|(t, _)| (t.kind == TermKind::Rate) == rate);
            own.filter(|(t, _)| named(name, &t.name)).map(|(_, v)| v.nats).sum()
        }
    }
}

fn mean_and_error(samples: &[f64]) -> (f64, f64) {
    let n = samples.len().max(1) as f64;
    let mean = samples.iter().sum::<f64>() / n;
    let variance = samples.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0).max(1.0);
    (mean, (variance / n).sqrt())
}
