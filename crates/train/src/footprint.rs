//! What a fit and its report take in memory, foreseen from the plans that they will run and from what they keep.

use std::collections::HashSet;

use fe_check::Nuts;
use fe_graph::plan::{Conditions, Plan, Work};
use fe_graph::{InputId, NodeId, Site};
use fe_objective::{NoiseInput, Objective, Sampled};

use crate::method::Method;
use crate::posterior::{tabled, tabled_draws};
use crate::qmc::matchable;
use crate::sampled::{COUNT, MOST_LIKELIHOODS, left_out};
use crate::sizes::Sizes;
use crate::{activity, evaluate, plan, reading, sampling, target};

/// Steps of a trajectory, as most have them.
const STEPS: usize = 15;

/// A part of a fit and its report, of which one is at work at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Steps.
    Fit,
    /// The figures of the ledger.
    Figures,
    /// The activity of latents and meters.
    Activity,
    /// The posterior table, its weights and a wider proposal.
    Table,
    /// Draws for files.
    Draws,
    /// Chains that stand for the guide.
    Chains,
    /// Leave-one-out.
    LeaveOneOut,
    /// What the page shows of loops: tables of choices, and what each position costs.
    Page,
    /// Files: what is drawn, observed and read, as it is brought into their form.
    Files,
}

/// What a part takes beside data and parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The part.
    pub part: Part,
    /// Numbers of its plans, in the precision of the executor.
    pub planned: u64,
    /// Numbers that it keeps, in double precision, with those that parts before it have kept for it.
    pub kept: u64,
}

/// A pass over some nodes, as it is run again and again.
pub(crate) struct Pass {
    pub nodes: Vec<NodeId>,
    /// Draws at a time.
    pub draws: usize,
    /// Rows at a time.
    pub rows: usize,
    /// Sites whose draws are given.
    pub drawn: HashSet<Site>,
    /// Draws and rows in all.
    pub of: (usize, usize),
}

impl Pass {
    /// Some draws of all rows at a time, up to a count.
    fn reading(sizes: Sizes, nodes: Vec<NodeId>, count: usize) -> Self {
        let sites = matchable(sizes, &nodes).filter(|_| count > 1);
        let all = crate::qmc::noise_sites_of(sizes.o, &nodes);
        let drawn: HashSet<Site> = sites.into_iter().flatten().map(|s| s.site).collect();
        let given = !drawn.is_empty() && all.iter().all(|s| drawn.contains(&s.site));
        let draws = reading::width(sizes, &nodes, given).clamp(1, count);
        Self { nodes, draws, rows: sizes.rows, drawn, of: (count, sizes.rows) }
    }

    /// Numbers of its plans: what is left after passes of equal size has one of its own, which is kept beside the other.
    fn planned(&self, o: &Objective) -> u64 {
        let left = |each: usize, of: usize| match of % each.max(1) {
            0 => each,
            rest => rest.min(each),
        };
        let last = (left(self.draws, self.of.0), left(self.rows, self.of.1));
        let whole = self.planned_at(o, (self.draws, self.rows));
        match last == (self.draws, self.rows) {
            true => whole,
            false => whole.saturating_add(self.planned_at(o, last)),
        }
    }

    /// Numbers of a plan of so many draws and rows.
    fn planned_at(&self, o: &Objective, (draws, rows): (usize, usize)) -> u64 {
        let again = self.draws < self.of.0 || self.rows < self.of.1;
        let inputs = 0..u32::try_from(o.graph.inputs().len()).unwrap_or(u32::MAX);
        let conditions = Conditions {
            extents: plan::extents(o, draws, rows),
            rows: o.row.map(|r| fe_graph::Axis::plain(r.axis)),
            drawn: self.drawn.clone(),
            steady: if again { inputs.map(InputId).collect() } else { HashSet::new() },
            ..Conditions::default()
        };
        numbers(&Plan::new(&o.graph, &self.nodes, &conditions))
    }
}

/// Numbers of a plan and of the bodies of its loops, which lie in memory of their own.
fn numbers(plan: &Plan) -> u64 {
    let phases = plan.steady.iter().chain(&plan.phases);
    let body = |work: &Work| match work {
        Work::Scan { scan, .. } => {
            let outputs: Vec<NodeId> = scan.carries.iter().map(|c| c.1).chain(scan.stacked.iter().copied()).collect();
            let conditions = Conditions {
                extents: plan.extents.clone(),
                steady: scan.constants.iter().copied().collect(),
                whole: scan.carries.iter().map(|c| c.1).collect(),
                undivided: true,
                first: Some(scan.axis),
                ..Conditions::default()
            };
            numbers(&Plan::new(&scan.body, &outputs, &conditions))
        }
        _ => 0,
    };
    let bodies = phases.flat_map(|p| p.rows.iter().chain(&p.once)).map(body);
    bodies.fold(plan.arena as u64, u64::saturating_add)
}

/// Numbers of what a fit has drawn and observed, and those of them that its files are made of.
pub fn reported(o: &Objective, rows: usize) -> (u64, u64) {
    let sizes = Sizes { o, rows: rows.max(1) };
    let values: Vec<NodeId> = o.report.posterior.iter().map(|p| p.node).collect();
    let observed: Vec<NodeId> = o.report.observed.iter().map(|r| r.node).collect();
    let both = sizes.collected(&values, COUNT).saturating_add(sizes.collected(&observed, 1));
    let by_row = left_out(o, sizes.rows).map_or(0, |_| sizes.rows.saturating_mul(COUNT));
    let likelihoods = by_row.min(MOST_LIKELIHOODS);
    (both.saturating_add(by_row) as u64, both.saturating_add(likelihoods) as u64)
}

/// What each part of a fit on so many rows takes, and of its report, but for its files.
pub fn footprint(o: &Objective, method: &Method, rows: usize) -> Vec<Taken> {
    let sizes = Sizes { o, rows: rows.max(1) };
    let taken = |part, planned, kept: usize| Taken { part, planned, kept: kept as u64 };
    let mut parts = vec![taken(Part::Fit, numbers(&plan::plan(o, method, rows)), 0)];
    parts.push(taken(Part::Figures, evaluate::pass(sizes, rows).planned(o), 0));
    let watched = activity::nodes(o);
    if !watched.is_empty() {
        let draws = activity::samples(o, rows);
        let kept = watched.iter().map(|&n| evaluate::in_block(sizes, n, draws)).fold(0, usize::saturating_add);
        let rows = evaluate::pass(sizes, rows).rows;
        let pass = Pass { nodes: watched, draws, rows, drawn: HashSet::new(), of: (draws, sizes.rows.max(rows)) };
        parts.push(taken(Part::Activity, pass.planned(o), kept));
    }
    let (table, count) = (tabled(o), tabled_draws(sizes));
    if !table.is_empty() {
        let drawn = sizes.collected(&table, count);
        let pass = Pass::reading(sizes, table, count);
        // Draws of the guide and of a wider proposal stand side by side, and with them the noise of both.
        let sites = matchable(sizes, &pass.nodes).unwrap_or_default();
        let noise = sites.iter().map(|s| s.size).fold(0, usize::saturating_add).saturating_mul(count);
        let wider = o.report.log_weight.is_some() && !sites.is_empty();
        let times = if wider { 2 } else { 1 };
        let mut planned = pass.planned(o);
        if let Some(density) = o.density.as_ref().filter(|_| wider) {
            planned = planned.saturating_add(proposed(sizes, density, count));
        }
        parts.push(taken(Part::Table, planned, (drawn + noise).saturating_mul(times)));
        let values: Vec<NodeId> = o.report.posterior.iter().map(|p| p.node).collect();
        let behind = if wider { drawn } else { 0 };
        if !values.is_empty() {
            let kept = sizes.collected(&values, COUNT).saturating_add(behind);
            let planned = if wider { 0 } else { Pass::reading(sizes, values, COUNT).planned(o) };
            parts.push(taken(Part::Draws, planned, kept));
        }
    }
    // What is observed is run out of the graph, and put in its order.
    let observed: Vec<NodeId> = o.report.observed.iter().map(|r| r.node).collect();
    if !observed.is_empty() {
        let kept = sizes.collected(&observed, 1).saturating_mul(2);
        let pass = Pass { nodes: observed, draws: 1, rows: sizes.rows, drawn: HashSet::new(), of: (1, sizes.rows) };
        parts.push(taken(Part::Draws, pass.planned(o), kept));
    }
    parts.extend(o.sampled.as_ref().map(|sampled| chained(sizes, sampled)));
    if let Some(nodes) = left_out(o, rows.max(1)) {
        let kept = sizes.collected(&nodes, COUNT);
        parts.push(taken(Part::LeaveOneOut, Pass::reading(sizes, nodes.to_vec(), COUNT).planned(o), kept));
    }
    for nodes in paged(o, rows) {
        // What comes out is put in its order.
        let kept = sizes.collected(&nodes, 1).saturating_mul(2);
        let pass = Pass { nodes, draws: 1, rows: sizes.rows, drawn: HashSet::new(), of: (1, sizes.rows) };
        parts.push(taken(Part::Page, pass.planned(o), kept));
    }
    parts
}

/// What the page runs of programs with choices or with losses along a loop: the tables of choices, and what is paid. Of many rows
/// that is summed panel by panel, and is little beside all else.
fn paged(o: &Objective, rows: usize) -> Vec<Vec<NodeId>> {
    let report = &o.report;
    let tables = report.choices.iter().flat_map(|c| [c.probabilities, c.to_come.unwrap_or(c.rate), c.rate]).collect();
    let along = rows <= 1 && (!report.losses.is_empty() || !report.choices.is_empty());
    let latents = o.guides.latents.iter().filter(|_| along).flat_map(|l| l.rate.into_iter().chain(l.mean));
    let paid = report.losses.iter().filter(|_| along).map(|l| l.node).chain(latents).collect();
    [tables, paid].into_iter().filter(|nodes: &Vec<NodeId>| !nodes.is_empty()).collect()
}

/// What chains take: a plan for each, their points and those as noise, what is reported at each, and what is kept of their way.
fn chained(sizes: Sizes, sampled: &Sampled) -> Taken {
    let Nuts { draws, warmup, chains, .. } = sampled.nuts;
    let of = &sampled.density;
    let numbers = |n: &NoiseInput| n.axes.iter().map(|&a| sizes.extent(a, 1)).fold(1, usize::saturating_mul);
    let dimension = of.noise.iter().map(numbers).fold(0, usize::saturating_add);
    let nodes: Vec<NodeId> = std::iter::once(of.value).chain(of.gradient.iter().copied()).collect();
    let slope = Pass { nodes, draws: 1, rows: sizes.rows, drawn: HashSet::new(), of: (1, sizes.rows) };
    let values: Vec<NodeId> = sizes.o.report.posterior.iter().map(|p| p.node).collect();
    let count = draws.saturating_mul(chains);
    let told = (warmup + draws).saturating_mul(chains).saturating_mul(STEPS).saturating_mul(dimension + 1);
    let points = count.saturating_mul(dimension).saturating_mul(2);
    let reported = sizes.collected(&values, count).saturating_mul(2);
    let kept = told.min(sampling::MOST_KEPT).saturating_add(points).saturating_add(reported) as u64;
    let planned = slope.planned(sizes.o).saturating_mul(chains as u64);
    Taken {
        part: Part::Chains,
        planned: planned.saturating_add(Pass::reading(sizes, values, count).planned(sizes.o)),
        kept,
    }
}

/// Numbers of the plans by which a wider proposal is found: the density, and its gradient.
fn proposed(sizes: Sizes, density: &fe_objective::PulledBack, count: usize) -> u64 {
    let both: Vec<NodeId> = std::iter::once(density.value).chain(density.gradient.iter().copied()).collect();
    let of = |nodes: Vec<NodeId>| {
        let draws = target::points_of_pass(sizes, &nodes).min(count);
        // Passes are filled up to one size.
        Pass { nodes, draws, rows: sizes.rows, drawn: HashSet::new(), of: (2 * draws, sizes.rows) }.planned(sizes.o)
    };
    of(vec![density.value]).saturating_add(of(both))
}
