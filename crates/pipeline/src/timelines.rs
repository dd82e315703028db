//! What happens along a loop, as charts: where latents and states are, with what is not known of them, which units spike
//! when, and what each position costs.

use std::collections::BTreeSet;
use std::sync::Arc;

use fe_check::{Guide, Program};
use fe_graph::{Axis, Graph, NodeId, Tensor};
use fe_objective::{Objective, Readout};
use fe_report::{Axis as Scale, Chart, Document, Drawing, Series, Summary};
use fe_train::{FitError, Known, Problem, Setting, from_sorted};

use crate::finished::Solution;

/// The most components of one trajectory that are drawn, and the most charts of them.
const COMPONENTS: usize = 4;
const TRAJECTORIES: usize = 8;

/// The most rows of which the first one is shown, and the fewest positions that are worth a chart.
const ROWS: usize = 64;
const POSITIONS: usize = 3;

/// The most spikes in a raster, and its units.
const SPIKES: usize = 4000;

/// Draws for what each position costs.
const DRAWS: usize = 256;

/// Whether a program has anything that happens along a loop.
pub(crate) fn has_any(program: &Program) -> bool {
    program.latents.iter().any(|l| l.chain.is_some())
}

/// The charts of a fit.
///
/// # Errors
/// When a run fails.
pub(crate) fn timelines(
    program: &Program,
    problem: &Problem,
    solution: &Solution,
    document: &Document,
) -> Result<Vec<Drawing>, FitError> {
    let o = problem.objective;
    let rows = program.row.map_or(0, |r| r.rows);
    let steps: BTreeSet<Axis> = program.latents.iter().filter_map(|l| l.chain).collect();
    let long = |a: &Axis| o.graph.extent_of(a.id) >= POSITIONS;
    if rows > ROWS || !steps.iter().any(long) {
        return Ok(vec![]);
    }
    let shown = Shown { program, o, problem, solution, document, steps, of_rows: rows > 0 };
    let mut charts = shown.trajectories()?;
    charts.extend(shown.raster()?);
    charts.extend(shown.costs()?);
    Ok(charts)
}

struct Shown<'a> {
    program: &'a Program,
    o: &'a Objective,
    problem: &'a Problem<'a>,
    solution: &'a Solution,
    document: &'a Document,
    /// The axes of loops.
    steps: BTreeSet<Axis>,
    of_rows: bool,
}

impl Shown<'_> {
    /// The place of a loop's axis among some, its own or the one that is longer by a start.
    fn along(&self, axes: &[Axis]) -> Option<usize> {
        let extents: BTreeSet<usize> = self.steps.iter().map(|a| self.o.graph.extent_of(a.id)).collect();
        let ahead = |a: &Axis| {
            let name = self.o.graph.axis_name(*a);
            let of = |s: &Axis| name.starts_with(&self.o.graph.axis_name(*s));
            let longer = self.o.graph.extent_of(a.id).checked_sub(1).is_some_and(|n| extents.contains(&n));
            longer && self.steps.iter().any(of)
        };
        axes.iter().position(|a| self.steps.contains(a)).or_else(|| axes.iter().position(ahead))
    }

    fn title(&self, what: &str) -> String {
        if self.of_rows { format!("{what}, of the first row") } else { what.to_owned() }
    }

    /// Means with two standard deviations about them.
    fn trajectories(&self) -> Result<Vec<Drawing>, FitError> {
        let row = self.o.row.map(|r| Axis::plain(r.axis));
        // Counts are in the raster, and chance that is kept is as it was.
        let counts = |name: &str| self.o.guides.latents.iter().any(|l| l.name == name && l.count);
        let kept = |name: &str| self.program.latents.iter().any(|l| l.name == name && matches!(l.guide, Guide::Prior));
        let few = |r: &&Readout| {
            if counts(&r.name) || kept(&r.name) {
                return false;
            }
            let Some(place) = self.along(&r.axes) else { return false };
            let rest = r.axes.iter().enumerate().filter(|(k, a)| *k != place && Some(**a) != row);
            let count = |n: &usize| (1..=COMPONENTS).contains(n);
            count(&rest.map(|(_, a)| self.o.graph.extent_of(a.id)).product())
        };
        let wanted: Vec<&Readout> = self.o.report.readouts.iter().filter(few).take(TRAJECTORIES).collect();
        // What is in the table to read is shown as it is there.
        let (in_table, others): (Vec<&Readout>, Vec<&Readout>) =
            wanted.iter().copied().partition(|r| self.in_table(&r.name).is_some());
        let found = if others.is_empty() {
            vec![]
        } else {
            let extra = self.solution.preconditioners.clone();
            fe_train::codes(self.problem, &self.solution.values, extra, &others)?.codes
        };
        let drawn = wanted.iter().filter_map(|readout| {
            if in_table.iter().any(|r| r.name == readout.name) {
                let Summary { mean, sd, .. } = self.in_table(&readout.name)?;
                return self.trajectory(readout, mean.shape(), mean.values(), sd.values());
            }
            let code = found.iter().find(|c| c.name == readout.name)?;
            let Known::Moments { mean, sd } = &code.known else { return None };
            self.trajectory(readout, &code.shape, mean, sd)
        });
        Ok(drawn.collect())
    }

    /// What the table to read says of a value.
    fn in_table(&self, name: &str) -> Option<&Summary> {
        self.document.posterior_resampled.as_ref().unwrap_or(&self.document.posterior).get(name)
    }

    fn trajectory(&self, readout: &Readout, shape: &[usize], mean: &[f64], sd: &[f64]) -> Option<Drawing> {
        let place = self.along(&readout.axes)?;
        let extent = *shape.get(place)?;
        let inner: usize = shape.iter().skip(place + 1).product();
        let outer: usize = shape.iter().take(place).product();
        // Of several rows the first.
        let outer = if self.of_rows { 1.min(outer) } else { outer };
        let mut series = vec![];
        for component in 0..outer * inner {
            let at = |t: usize| (component / inner * extent + t) * inner + component % inner;
            let mut line = Series { name: component.to_string(), ..Series::default() };
            for t in 0..extent {
                let (m, s) = (*mean.get(at(t))?, *sd.get(at(t))?);
                line.points.push((t as f64, m));
                line.band.push((m - 2.0 * s, m + 2.0 * s));
            }
            series.push(line);
        }
        let title = self.title(&format!("{}: mean ± 2 sd", readout.name));
        let x = Scale::counting(self.o.graph.axis_name(*readout.axes.get(place)?).trim_end_matches("+1"));
        Some(Drawing::Lines(Chart { title, x, y: Scale::linear(readout.name.clone()), series, ..Chart::default() }))
    }

    fn run(&self, graph: &Graph, nodes: &[NodeId], samples: usize) -> Result<Vec<Tensor>, FitError> {
        let setting = Setting { extra: self.solution.preconditioners.clone(), ..Setting::reporting(0, samples) };
        let feed = self.problem.feed(&self.solution.values, self.rows(), &setting);
        Ok(self.problem.executor.compile(graph, nodes)?.run(&feed)?)
    }

    fn rows(&self) -> &Arc<Vec<u64>> {
        if self.problem.train.is_empty() { &self.problem.heldout } else { &self.problem.train }
    }

    /// One draw of all latents that count, one above the other: a mark for each unit that spikes at a position.
    fn raster(&self) -> Result<Option<Drawing>, FitError> {
        let counts = self.o.guides.latents.iter().filter(|l| l.count);
        let (mut series, mut first, mut step) = (vec![], 0usize, String::new());
        for (latent, place) in counts.filter_map(|l| Some((l, self.along(&l.axes)?))) {
            let mut graph = self.o.graph.clone();
            let sample = Some(Axis::SAMPLE).filter(|&s| graph.has_axis(latent.sample, s));
            let axes: Vec<Axis> = sample.into_iter().chain(fe_graph::axis::sorted(&latent.axes)).collect();
            let node = graph.broadcast(latent.sample, &axes);
            let Some(drawn) = self.run(&graph, &[node], 1)?.into_iter().next() else { continue };
            let values = from_sorted(&graph, &latent.axes, drawn.values).values;
            let shape: Vec<usize> = latent.axes.iter().map(|a| graph.extent_of(a.id)).collect();
            let extent = shape.get(place).copied().unwrap_or(1);
            let inner: usize = shape.iter().skip(place + 1).product();
            let shown = match self.of_rows {
                true => values.len() / shape.first().copied().unwrap_or(1).max(1),
                false => values.len(),
            };
            let unit = |k: usize| first + k / (extent * inner) * inner + k % inner;
            let spiking = values.iter().enumerate().take(shown).filter(|(_, v)| **v > 0.0);
            let points: Vec<(f64, f64)> =
                spiking.map(|(k, _)| ((k / inner % extent) as f64, unit(k) as f64)).take(SPIKES).collect();
            first += shown / extent.max(1);
            step = latent.axes.get(place).map(|a| self.o.graph.axis_name(*a)).unwrap_or_default();
            if !points.is_empty() {
                series.push(Series { name: latent.name.clone(), points, scattered: true, ..Series::default() });
            }
        }
        let title = self.title("Spikes, one draw");
        let (x, y) = (Scale::counting(step), Scale::counting("unit"));
        Ok((!series.is_empty()).then_some(Drawing::Lines(Chart { title, x, y, series, ..Chart::default() })))
    }

    /// Losses, rates and spikes of each position, in the mean over rows.
    fn costs(&self) -> Result<Vec<Drawing>, FitError> {
        let o = self.o;
        let mut graph = o.graph.clone();
        let mut nodes: Vec<(String, bool, NodeId)> = vec![];
        let mut add = |name: String, spikes: bool, node: NodeId, axes: &[Axis]| {
            let Some(place) = self.along(axes).and_then(|p| axes.get(p)).copied() else { return };
            let sample = graph.has_axis(node, Axis::SAMPLE).then_some(Axis::SAMPLE);
            let wide = sample.into_iter().chain(fe_graph::axis::sorted(axes)).collect::<Vec<_>>();
            let whole = graph.broadcast(node, &wide);
            let kept: Vec<Axis> = sample.into_iter().chain([place]).collect();
            nodes.push((name, spikes, graph.sum_all_but(whole, &kept)));
        };
        for loss in &o.report.losses {
            add(loss.name.clone(), false, loss.node, &loss.axes);
        }
        for latent in &o.guides.latents {
            if let Some(rate) = latent.rate {
                add(format!("rate of {}", latent.name), false, rate, &latent.axes);
            }
            if let Some(mean) = latent.mean {
                add(format!("spikes of {}", latent.name), true, mean, &latent.axes);
            }
        }
        if nodes.is_empty() {
            return Ok(vec![]);
        }
        let outputs: Vec<NodeId> = nodes.iter().map(|n| n.2).collect();
        let drawn = outputs.iter().any(|&n| graph.has_axis(n, Axis::SAMPLE));
        let samples = if drawn { DRAWS } else { 1 };
        let found = self.run(&graph, &outputs, samples)?;
        let rows = if self.of_rows { self.rows().len().max(1) as f64 } else { 1.0 };
        let mut lines: (Vec<Series>, Vec<Series>) = (vec![], vec![]);
        for ((name, spikes, node), value) in nodes.iter().zip(&found) {
            let draws = if graph.has_axis(*node, Axis::SAMPLE) { samples } else { 1 };
            let extent = value.values.len() / draws.max(1);
            let mean =
                |t: usize| value.values.iter().skip(t).step_by(extent.max(1)).sum::<f64>() / (draws as f64 * rows);
            let points = (0..extent).map(|t| (t as f64, mean(t))).collect();
            let line = Series { name: name.clone(), points, ..Series::default() };
            if *spikes { lines.1.push(line) } else { lines.0.push(line) }
        }
        let chart = |title: &str, unit: &str, series: Vec<Series>| {
            let (x, y) = (Scale::counting("position"), Scale::linear(unit));
            (!series.is_empty())
                .then(|| Drawing::Lines(Chart { title: title.into(), x, y, series, ..Chart::default() }))
        };
        let nats = chart("What each position costs", "nats", lines.0);
        Ok([nats, chart("Expected spikes of each position", "spikes", lines.1)].into_iter().flatten().collect())
    }
}
