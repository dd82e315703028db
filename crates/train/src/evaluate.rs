//! The figures of a fit: every term over all rows at temperature 0, with Monte Carlo standard errors where sampled.

use std::collections::HashMap;
use std::sync::Arc;

use fe_check::Functional;
use fe_distribution::PoissonRate;
use fe_graph::{Axis, ExecutionError, NodeId, Tensor};
use fe_objective::{FIGURE_ROWS, LatentNodes, TermKind};

use crate::deterministic;
use crate::problem::{Problem, Setting, Values, from_sorted};
use crate::statistics::{self, CodeStatistics, R2};

/// Steps from here on are for reporting, so that figures never reuse the noise of training.
const REPORTING: u64 = 1 << 40;

/// One term, per row.
#[derive(Clone, Debug, PartialEq)]
pub struct TermFigure {
    /// Nats per row.
    pub nats: f64,
    /// Its standard error, where it was sampled.
    pub se: Option<f64>,
}

/// What the ledger says of one latent, per row.
#[derive(Clone, Debug, PartialEq)]
pub struct LatentFigure {
    /// Its name.
    pub name: String,
    /// Whether it has the row axis.
    pub local: bool,
    /// Nats.
    pub rate: f64,
    /// Expected spikes, of a count.
    pub energy: Option<f64>,
    /// The prior's expected spikes, of a count.
    pub prior_energy: Option<f64>,
    /// Fraction of exact zeros among samples, of a count.
    pub zeros: Option<f64>,
    /// Treves–Rolls sparsity over rows, averaged over units.
    pub lifetime: Option<f64>,
    /// Treves–Rolls sparsity over units, averaged over rows.
    pub population: Option<f64>,
    /// Units whose rate exceeds 0.01 nats, where rates are known unit by unit.
    pub active: Option<usize>,
    /// Units.
    pub units: usize,
    /// The parts of its rate, of a Poisson latent with a Poisson prior.
    pub split: Option<RateSplit>,
    /// Its figures unit by unit, where each row has its own units.
    pub by_unit: Option<ByUnit>,
}

/// The parts of the rate of Poisson latents, per row: Σ λ log(λ/r) − λ + r over units, which is Σ r f(λ/r) with
/// f(y) = 1 − y + y log y.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateSplit {
    /// Σ λ log(λ/r), nats.
    pub log_ratio: f64,
    /// Σ λ, spikes under the guide.
    pub spikes: f64,
    /// Σ r, spikes under the prior.
    pub prior: f64,
    /// The rate of units below their prior rate, nats.
    pub suppressed: f64,
    /// The rate of units at or above it, nats.
    pub excited: f64,
}

/// Figures of each unit, in the mean over rows, in the order of the latent's axes. What is not known unit by unit is none.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ByUnit {
    /// Nats.
    pub rate: Option<Vec<f64>>,
    /// Expected spikes.
    pub energy: Option<Vec<f64>>,
    /// The prior's expected spikes.
    pub prior: Option<Vec<f64>>,
}

/// What the ledger says of a meter.
#[derive(Clone, Debug, PartialEq)]
pub struct MeterFigure {
    /// Its name.
    pub name: String,
    /// Mean activity.
    pub mean: f64,
    /// Fraction of exact zeros.
    pub zeros: f64,
    /// As for latents.
    pub lifetime: Option<f64>,
    /// As for latents.
    pub population: Option<f64>,
}

/// Everything over one set of rows, per row.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Figures {
    /// How many rows; 1 without.
    pub rows: usize,
    /// In the objective's order of terms.
    pub terms: Vec<TermFigure>,
    /// distortion + rate.
    pub free_energy: f64,
    /// Standard error of the free energy, where sampled; terms share their draws.
    pub se: Option<f64>,
    /// Likelihoods and losses.
    pub distortion: f64,
    /// All rates.
    pub rate: f64,
    /// Rates of latents with the row axis.
    pub local_rate: f64,
    /// Expected spikes, with counts.
    pub energy: Option<f64>,
    /// The prior's expected spikes, where known of every count.
    pub prior_energy: Option<f64>,
    /// Expected spikes of each count, in the objective's order of energies.
    pub energies: Vec<f64>,
    /// What was minimised, at its final weights.
    pub objective: f64,
    /// What is bounded, in the objective's order of bounds.
    pub bounds: Vec<f64>,
    /// By latent.
    pub latents: Vec<LatentFigure>,
    /// By meter.
    pub meters: Vec<MeterFigure>,
    /// 1 − SS_res/SS_tot about each row's own mean, averaged over rows and likelihoods.
    pub r2: Option<f64>,
}

/// Noise of one pass over the samples.
const WIDTH: usize = 4_000_000;

/// Numbers drawn of each block of rows for the statistics of codes.
const ACTIVITY: usize = 1_000_000;

struct Activity {
    code: CodeStatistics,
    units: usize,
    rates: Option<UnitMeans>,
    means: Option<UnitMeans>,
    priors: Option<UnitMeans>,
}

impl Activity {
    fn new(units: usize) -> Self {
        Self { code: CodeStatistics::new(units), units, rates: None, means: None, priors: None }
    }
}

/// Means of each unit over rows and samples.
struct UnitMeans {
    sums: Vec<f64>,
    rows: usize,
}

impl UnitMeans {
    /// Adds the figures of some rows, `[rows, units]`, to those there are.
    fn add(slot: &mut Option<Self>, values: &[f64], units: usize) {
        let means = slot.get_or_insert_with(|| Self { sums: vec![0.0; units], rows: 0 });
        for row in values.chunks(units.max(1)) {
            means.sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            means.rows += 1;
        }
    }

    fn means(&self) -> Vec<f64> {
        self.sums.iter().map(|sum| sum / self.rows as f64).collect()
    }
}

/// Samples per row taken for figures: many for few rows, and always enough for a standard error.
fn sample_count(rows: usize) -> usize {
    (131_072 / rows.max(1)).clamp(8, 16_384)
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
    let o = problem.objective;
    let has_rows = o.row.is_some();
    let count = if has_rows { rows.len().max(1) } else { 1 };
    let sampled = !o.minimised.deterministic;
    let samples = if sampled { sample_count(count) } else { 1 };
    let mut outputs: Vec<NodeId> = o.terms.iter().map(|t| t.sum).collect();
    outputs.extend(o.energies.iter().map(|e| e.sum));
    let parts: Vec<bool> = o.terms.iter().map(|t| t.local).chain(o.energies.iter().map(|e| e.local)).collect();
    let weighed = o.minimised.importance.map(|b| [(b.sum, b.local), (b.rest, false)]);
    let parts: Vec<bool> = parts.into_iter().chain(weighed.iter().flatten().map(|b| b.1)).collect();
    outputs.extend(weighed.iter().flatten().map(|b| b.0));
    let first_part = outputs.len();
    outputs.extend(o.guides.latents.iter().flat_map(|l| &l.split).flat_map(PoissonRate::parts));
    let split = o.guides.latents.iter().filter(|l| l.split.is_some()).flat_map(|l| [l.local; 5]);
    let parts: Vec<bool> = parts.into_iter().chain(split).collect();
    let mut sums = problem.compile(&outputs)?;
    // Rows and samples in blocks of bounded size; weights that all rows share are of all rows.
    let whole_rows = o.minimised.importance.is_some_and(|b| !b.local);
    let block = if whole_rows { rows.len().max(1) } else { rows.len().clamp(1, FIGURE_ROWS) };
    let drawn = deterministic::noise_sites(o).iter().map(|s| s.size).fold(1, usize::saturating_add);
    let width = (65_536 / block).min(WIDTH / drawn).clamp(1, samples);
    let blocks: Vec<Arc<Vec<u64>>> = if has_rows && rows.len() > block {
        rows.chunks(block).map(|c| Arc::new(c.to_vec())).collect()
    } else {
        vec![rows.clone()]
    };
    // totals[term][sample]
    let mut totals = vec![vec![0.0; samples]; outputs.len()];
    for (k, chunk) in blocks.iter().enumerate() {
        let mut done = 0;
        let mut pass = 0;
        while done < samples {
            let now = width.min(samples - done);
            let setting = Setting { extra: fitted.extra.clone(), ..Setting::reporting(REPORTING + pass, now) };
            let result = sums.run(&problem.feed(values, chunk, &setting))?;
            for ((total, value), &local) in totals.iter_mut().zip(&result).zip(&parts) {
                if k > 0 && !local {
                    continue;
                }
                for (s, slot) in total.iter_mut().skip(done).take(now).enumerate() {
                    *slot += value.values.get(s).copied().unwrap_or_else(|| value.item());
                }
            }
            done += now;
            pass += 1;
        }
    }
    let scale = |local: bool| 1.0 / if local { count as f64 } else { problem.training_rows() as f64 };
    let mut f = Figures { rows: count, ..Figures::default() };
    let mut whole = vec![0.0; samples];
    for (term, total) in o.terms.iter().zip(&totals) {
        let per_row = scale(term.local);
        let (mean, se) = mean_and_error(total);
        let nats = mean * per_row;
        f.terms.push(TermFigure { nats, se: term.estimator.is_sampled().then_some(se * per_row) });
        whole.iter_mut().zip(total).for_each(|(w, t)| *w += t * per_row);
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
    let energies: Vec<f64> = o
        .energies
        .iter()
        .zip(totals.iter().skip(o.terms.len()))
        .map(|(e, t)| mean_and_error(t).0 * scale(e.local))
        .collect();
    f.energy = (!energies.is_empty()).then(|| energies.iter().sum());
    f.objective = match weighed {
        Some(parts) => {
            let totals = totals.iter().skip(o.terms.len() + o.energies.len());
            parts.iter().zip(totals).map(|(b, t)| mean_and_error(t).0 * scale(b.1)).sum()
        }
        // At its final weights.
        None => o.minimised.spec.iter().map(|(w, of)| w.last() * functional(problem, of, &f, &energies)).sum(),
    };
    let bound =
        |b: &fe_objective::Bound| b.stated.terms.iter().map(|(w, of)| w * functional(problem, of, &f, &energies)).sum();
    f.bounds = o.minimised.bounds.iter().map(bound).collect();
    f.energies = energies;
    activities(problem, values, &blocks, fitted, &mut f)?;
    let mut parts = totals.iter().skip(first_part).map(|t| mean_and_error(t).0);
    for (l, figure) in o.guides.latents.iter().zip(&mut f.latents).filter(|(l, _)| l.split.is_some()) {
        let mut next = || parts.next().unwrap_or(f64::NAN) * scale(l.local);
        figure.split =
            Some(RateSplit { log_ratio: next(), spikes: next(), prior: next(), suppressed: next(), excited: next() });
    }
    Ok(f)
}

/// The figures of each row by itself, in nats and spikes.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ByRow {
    /// Distortion + rate.
    pub free_energy: Vec<f64>,
    /// Likelihoods and losses.
    pub distortion: Vec<f64>,
    /// Rates; of latents that all rows share, each row's part.
    pub rate: Vec<f64>,
    /// Expected spikes, with counts.
    pub energy: Option<Vec<f64>>,
}

/// The figures of each of some rows: every row is run alone, with the samples that it has among the others.
///
/// # Errors
/// When a run fails.
pub fn by_row(problem: &Problem, values: &Values, rows: &[u64], fitted: &Setting) -> Result<ByRow, ExecutionError> {
    let o = problem.objective;
    let samples = if o.minimised.deterministic { 1 } else { sample_count(rows.len()) };
    let mut outputs: Vec<NodeId> = o.terms.iter().map(|t| t.sum).collect();
    outputs.extend(o.energies.iter().map(|e| e.sum));
    let mut sums = problem.compile(&outputs)?;
    let mut all = ByRow { energy: (!o.energies.is_empty()).then(Vec::new), ..ByRow::default() };
    for &row in rows {
        let setting = Setting { extra: fitted.extra.clone(), ..Setting::reporting(REPORTING, samples) };
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
        if let Some(energy) = &mut all.energy {
            energy.push(o.energies.iter().zip(result.iter().skip(o.terms.len())).map(|(e, t)| part(e.local, t)).sum());
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
    let setting = Setting { extra: fitted.extra.clone(), ..Setting::reporting(REPORTING, 1) };
    let sums = problem.compile(&outputs)?.run(&problem.feed(values, rows, &setting))?;
    let per_row = |local: bool| if local { rows.len().max(1) } else { problem.training_rows() } as f64;
    Ok(o.terms.iter().zip(&sums).map(|(t, s)| s.item() / per_row(t.local)).sum())
}

/// A functional per row, from the figures.
fn functional(problem: &Problem, of: &Functional, f: &Figures, energies: &[f64]) -> f64 {
    let o = problem.objective;
    let named = |wanted: &Option<String>, name: &String| wanted.as_ref().is_none_or(|n| n == name);
    match of {
        Functional::Energy(name) => {
            let own = o.energies.iter().zip(energies).filter(|(e, _)| named(name, &e.name));
            own.map(|(_, v)| v).sum()
        }
        Functional::Rate(name) | Functional::Distortion(name) => {
            let rate = matches!(of, Functional::Rate(_));
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

fn units(problem: &Problem, axes: &[Axis]) -> usize {
    let row = problem.objective.row.map(|r| Axis::plain(r.axis));
    let g = &problem.objective.graph;
    axes.iter().filter(|a| Some(**a) != row).map(|a| g.extent_of(a.id)).product()
}

/// Activity of latents and meters, and reconstruction.
fn activities(
    problem: &Problem,
    values: &Values,
    blocks: &[Arc<Vec<u64>>],
    fitted: &Setting,
    f: &mut Figures,
) -> Result<(), ExecutionError> {
    let o = problem.objective;
    let mut outputs = vec![];
    for l in &o.guides.latents {
        outputs.push(l.sample);
        outputs.extend(l.rate);
        outputs.extend(l.mean);
        outputs.extend(l.prior_mean);
    }
    outputs.extend(o.report.meters.iter().map(|m| m.node));
    outputs.extend(o.report.decoded.iter().flat_map(|&(x, m)| [x, m]));
    let mut compiled = problem.compile(&outputs)?;
    let mut latents: Vec<Activity> = o.guides.latents.iter().map(|l| Activity::new(units(problem, &l.axes))).collect();
    let mut meters: Vec<Activity> = o.report.meters.iter().map(|m| Activity::new(units(problem, &m.axes))).collect();
    let mut r2 = R2::default();
    let elements = o.guides.latents.iter().map(|l| units(problem, &l.axes)).fold(0, usize::saturating_add);
    for block in blocks {
        // With few rows, several samples of each, for the fractions to mean something.
        let samples = if o.minimised.deterministic && o.guides.latents.is_empty() {
            1
        } else {
            (1000 / f.rows.max(1)).min(ACTIVITY / elements.max(1)).max(1)
        };
        let setting = Setting { extra: fitted.extra.clone(), ..Setting::reporting(REPORTING, samples) };
        let mut results = compiled.run(&problem.feed(values, block, &setting))?.into_iter();
        let mut next = || results.next().unwrap_or_default();
        for (l, activity) in o.guides.latents.iter().zip(&mut latents) {
            add_latent(l, activity, &mut next);
        }
        for activity in &mut meters {
            // A chunk always holds whole rows: its shape is (rows, units).
            let _ = activity.code.add(&next().values);
        }
        for _ in &o.report.decoded {
            let (x, m): (Tensor, Tensor) = (next(), next());
            let columns: usize = x.shape.iter().skip(1).product();
            let _ = r2.add(&x.values, &m.values, columns);
        }
    }
    let by_name: HashMap<&str, f64> =
        o.energies.iter().map(|e| e.name.as_str()).zip(f.energies.iter().copied()).collect();
    let row = o.row.map(|r| Axis::plain(r.axis));
    for (l, activity) in o.guides.latents.iter().zip(&latents) {
        let rate = o
            .terms
            .iter()
            .zip(&f.terms)
            .find(|(t, _)| t.kind == TermKind::Rate && t.name == l.name)
            .map_or(0.0, |(_, v)| v.nats);
        let share = if l.local { 1.0 } else { 1.0 / problem.training_rows() as f64 };
        let count = |v: Option<f64>| if l.count { v } else { None };
        let own: Vec<Axis> = l.axes.iter().copied().filter(|a| Some(*a) != row).collect();
        let as_declared = |units: Vec<f64>| from_sorted(&o.graph, &own, units).values;
        let [rates, means, priors] =
            [&activity.rates, &activity.means, &activity.priors].map(|m| m.as_ref().map(UnitMeans::means));
        f.latents.push(LatentFigure {
            name: l.name.clone(),
            local: l.local,
            rate,
            energy: by_name.get(l.name.as_str()).copied(),
            prior_energy: priors.as_ref().map(|p| share * p.iter().sum::<f64>()),
            zeros: count(activity.code.zeros()),
            lifetime: if l.local { count(activity.code.lifetime()) } else { None },
            population: count(activity.code.population()),
            active: rates.as_deref().filter(|_| l.local).map(statistics::active),
            units: units(problem, &l.axes),
            split: None,
            by_unit: l.local.then(|| ByUnit {
                rate: rates.map(as_declared),
                energy: means.map(as_declared),
                prior: priors.map(as_declared),
            }),
        });
    }
    let counts = f.latents.iter().filter(|l| l.energy.is_some());
    let priors: Option<Vec<f64>> = counts.map(|l| l.prior_energy).collect();
    f.prior_energy = priors.filter(|p| !p.is_empty() && p.len() == o.energies.len()).map(|p| p.iter().sum());
    for (m, activity) in o.report.meters.iter().zip(&meters) {
        f.meters.push(MeterFigure {
            name: m.name.clone(),
            mean: activity.code.mean().unwrap_or(f64::NAN),
            zeros: activity.code.zeros().unwrap_or(f64::NAN),
            lifetime: activity.code.lifetime(),
            population: activity.code.population(),
        });
    }
    f.r2 = r2.value();
    Ok(())
}

fn add_latent(l: &LatentNodes, activity: &mut Activity, next: &mut impl FnMut() -> Tensor) {
    let _ = activity.code.add(&next().values);
    let units = activity.units;
    for (node, slot) in
        [(l.rate, &mut activity.rates), (l.mean, &mut activity.means), (l.prior_mean, &mut activity.priors)]
    {
        if node.is_some() {
            UnitMeans::add(slot, &next().values, units);
        }
    }
}
