//! Activity of latents and meters over rows, and how well data are reconstructed.

use std::sync::Arc;

use fe_graph::{Axis, ExecutionError, NodeId, Tensor};
use fe_objective::{LatentNodes, Objective, TermKind};

use crate::figures::{ByUnit, Figures, LatentFigure, MeterFigure};
use crate::problem::{Problem, Setting, Values, from_sorted};
use crate::statistics::{self, CodeStatistics, R2};
use crate::streams::Purpose;

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

/// The units of a latent or a meter: its elements in a row.
fn units(o: &Objective, axes: &[Axis]) -> usize {
    let row = o.row.map(|r| Axis::plain(r.axis));
    let g = &o.graph;
    axes.iter().filter(|a| Some(**a) != row).map(|a| g.extent_of(a.id)).product()
}

/// The sum of what latents and meters did, as blocks of rows pass.
struct Watch<'a> {
    o: &'a Objective,
    latents: Vec<Activity>,
    meters: Vec<Activity>,
    r2: R2,
}

/// Rates, means and prior means of each unit, where they are reported: of what belongs to rows, and what priors spend on counts.
fn by_unit(l: &LatentNodes) -> [Option<NodeId>; 3] {
    [l.rate.filter(|_| l.local), l.mean.filter(|_| l.local), l.prior_mean.filter(|_| l.local || l.count)]
}

/// The nodes that are watched, in the order of [`Watch::add`].
pub(crate) fn nodes(o: &Objective) -> Vec<NodeId> {
    let mut nodes = vec![];
    for l in &o.guides.latents {
        // Zeros and sparseness are of counts.
        nodes.extend(l.count.then_some(l.sample));
        nodes.extend(by_unit(l).into_iter().flatten());
    }
    nodes.extend(o.report.meters.iter().map(|m| m.node));
    nodes.extend(o.report.decoded.iter().flat_map(|&(x, m)| [x, m]));
    nodes
}

/// Samples of each of so many rows: with few rows several of each, for the fractions to mean something.
pub(crate) fn samples(o: &Objective, rows: usize) -> usize {
    if o.minimised.deterministic && o.guides.latents.is_empty() {
        return 1;
    }
    let elements = o.guides.latents.iter().map(|l| units(o, &l.axes)).fold(0, usize::saturating_add);
    (1000 / rows.max(1)).min(ACTIVITY / elements.max(1)).max(1)
}

/// Adds the activity of latents and meters, and the quality of reconstruction, to figures whose terms are known.
///
/// # Errors
/// When a run fails.
pub(crate) fn add(
    problem: &Problem,
    values: &Values,
    blocks: &[Arc<Vec<u64>>],
    fitted: &Setting,
    f: &mut Figures,
) -> Result<(), ExecutionError> {
    let o = problem.objective;
    let mut compiled = problem.compile(&nodes(o))?;
    let mut watch = Watch::new(problem);
    let samples = samples(o, f.rows);
    let some = if nodes(o).is_empty() { &[] } else { blocks };
    for block in some {
        let setting = Setting { extra: fitted.extra.clone(), ..Setting::reporting(Purpose::Figures.step(0), samples) };
        watch.add(compiled.run(&problem.feed(values, block, &setting))?);
    }
    let latents: Vec<LatentFigure> = o
        .guides
        .latents
        .iter()
        .zip(&watch.latents)
        .map(|(l, activity)| latent_figure(problem, l, activity, f))
        .collect();
    f.latents = latents;
    let counts = f.latents.iter().filter(|l| l.spikes.is_some());
    let priors: Option<Vec<f64>> = counts.map(|l| l.prior_spikes).collect();
    f.prior_spikes = priors.filter(|p| !p.is_empty() && p.len() == o.spikes.len()).map(|p| p.iter().sum());
    f.meters = o.report.meters.iter().zip(&watch.meters).map(|(m, activity)| meter_figure(&m.name, activity)).collect();
    f.r2 = watch.r2.value();
    Ok(())
}

impl<'a> Watch<'a> {
    fn new(problem: &Problem<'a>) -> Self {
        let o = problem.objective;
        let activity = |axes: &[Axis]| Activity::new(units(o, axes));
        Self {
            o,
            latents: o.guides.latents.iter().map(|l| activity(&l.axes)).collect(),
            meters: o.report.meters.iter().map(|m| activity(&m.axes)).collect(),
            r2: R2::default(),
        }
    }

    /// Adds the results of a block of rows.
    fn add(&mut self, results: Vec<Tensor>) {
        let mut results = results.into_iter();
        let mut next = || results.next().unwrap_or_default();
        for (l, activity) in self.o.guides.latents.iter().zip(&mut self.latents) {
            add_latent(l, activity, &mut next);
        }
        for activity in &mut self.meters {
            // A chunk always holds whole rows: its shape is (rows, units).
            let _ = activity.code.add(&next().values);
        }
        for _ in &self.o.report.decoded {
            let (x, m): (Tensor, Tensor) = (next(), next());
            let columns: usize = x.shape.iter().skip(1).product();
            let _ = self.r2.add(&x.values, &m.values, columns);
        }
    }
}

fn latent_figure(problem: &Problem, l: &LatentNodes, activity: &Activity, f: &Figures) -> LatentFigure {
    let o = problem.objective;
    let row = o.row.map(|r| Axis::plain(r.axis));
    let mut rates = o.terms.iter().zip(&f.terms).filter(|(t, _)| t.kind == TermKind::Rate && t.name == l.name);
    let mut spikes = o.spikes.iter().zip(&f.spikes_by_latent).filter(|(e, _)| e.name == l.name);
    let share = if l.local { 1.0 } else { 1.0 / problem.training_rows() as f64 };
    let count = |v: Option<f64>| if l.count { v } else { None };
    let own: Vec<Axis> = l.axes.iter().copied().filter(|a| Some(*a) != row).collect();
    let as_declared = |units: Vec<f64>| from_sorted(&o.graph, &own, units).values;
    let [by_rate, means, priors] =
        [&activity.rates, &activity.means, &activity.priors].map(|m| m.as_ref().map(UnitMeans::means));
    LatentFigure {
        name: l.name.clone(),
        local: l.local,
        rate: rates.next().map_or(0.0, |(_, v)| v.nats),
        spikes: spikes.next_back().map(|(_, v)| *v),
        prior_spikes: priors.as_ref().map(|p| share * p.iter().sum::<f64>()),
        zeros: count(activity.code.zeros()),
        lifetime: if l.local { count(activity.code.lifetime()) } else { None },
        population: count(activity.code.population()),
        active: by_rate.as_deref().filter(|_| l.local).map(statistics::active),
        units: activity.units,
        split: None,
        by_unit: l.local.then(|| ByUnit {
            rate: by_rate.map(as_declared),
            spikes: means.map(as_declared),
            prior: priors.map(as_declared),
        }),
    }
}

fn meter_figure(name: &str, activity: &Activity) -> MeterFigure {
    MeterFigure {
        name: name.to_owned(),
        mean: activity.code.mean().unwrap_or(f64::NAN),
        zeros: activity.code.zeros().unwrap_or(f64::NAN),
        lifetime: activity.code.lifetime(),
        population: activity.code.population(),
    }
}

fn add_latent(l: &LatentNodes, activity: &mut Activity, next: &mut impl FnMut() -> Tensor) {
    if l.count {
        let _ = activity.code.add(&next().values);
    }
    let units = activity.units;
    let slots = [&mut activity.rates, &mut activity.means, &mut activity.priors];
    for (node, slot) in by_unit(l).into_iter().zip(slots) {
        if node.is_some() {
            UnitMeans::add(slot, &next().values, units);
        }
    }
}
