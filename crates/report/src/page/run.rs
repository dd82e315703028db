//! The page of one run.

use super::{Block, Drawing, Page, Panels, Pictured, Section, ledger};
use crate::chart::{Axis, Chart, Histogram, Series};
use crate::document::{Document, Latent};
use crate::ledger::{Ledger, Sums};
use crate::refinement::RefinedStep;
use crate::trace::TraceRow;
use crate::verification::Verification;

/// The parts of a run's page.
#[derive(Clone, Debug, PartialEq)]
pub struct RunPage<'a> {
    /// The figures.
    pub document: &'a Document,
    /// The course of the fit.
    pub trace: &'a [TraceRow],
    /// The fit beside the data: over what predicts them, data drawn anew, residuals, calibration.
    pub fit: Vec<Panels>,
    /// What is known of global values: densities, pairs.
    pub globals: Vec<Panels>,
    /// Pictures of what the program shows.
    pub shown: Vec<Pictured>,
    /// Rows of the data beside what their codes say of them.
    pub reconstructions: Vec<Pictured>,
    /// Data drawn from the priors.
    pub samples: Vec<Pictured>,
    /// What happens along a loop: trajectories, spikes, what each position costs.
    pub along: Vec<Drawing>,
    /// Why pictures are missing.
    pub missing: Vec<String>,
    /// The derived objective.
    pub explanation: Option<String>,
    /// The program.
    pub source: &'a str,
    /// The fit beside chains, where it was held to some.
    pub verification: Option<&'a Verification>,
    /// Options, versions, data, seed.
    pub about: Vec<(String, String)>,
}

/// The page of a run.
pub fn run_page(run: &RunPage) -> Page {
    let document = run.document;
    let figures = Ledger::of(document);
    let mut sections = vec![];
    let mut section = |title: &str, blocks: Vec<Block>| {
        if !blocks.is_empty() {
            sections.push(Section { title: title.into(), blocks });
        }
    };
    let mut summary = vec![ledger::headline(document)];
    summary.extend(ledger::summary(document, &figures));
    section("Summary", summary);
    section("Ledger", ledger::tables(&figures));
    let panels = |all: &[Panels]| all.iter().cloned().map(Block::Panels).collect::<Vec<_>>();
    section("Fit and data", panels(&run.fit));
    let units: Vec<Drawing> = document.latents.iter().flat_map(|(name, latent)| histograms(name, latent)).collect();
    section("Units", if units.is_empty() { vec![] } else { vec![Block::Charts(units)] });
    for (title, pictures) in
        [("Pictures", &run.shown), ("Reconstructions", &run.reconstructions), ("Samples", &run.samples)]
    {
        section(title, if pictures.is_empty() { vec![] } else { vec![Block::Pictures(pictures.clone())] });
    }
    section("Along the loop", if run.along.is_empty() { vec![] } else { vec![Block::Charts(run.along.clone())] });
    section("Refinement", refinement(document));
    section("Left out of this page", run.missing.iter().cloned().map(Block::Prose).collect());
    section("Parameters", ledger::estimates(&figures));
    section("Posterior", ledger::posteriors(&figures).into_iter().chain(panels(&run.globals)).collect());
    section("Rows left out", left_out(document));
    section("Held to NUTS", run.verification.map(held).unwrap_or_default());
    section("Course of the fit", course(run.document, run.trace));
    section("Checks and notes", ledger::checks(&figures));
    section("Derivation", run.explanation.iter().cloned().map(Block::Listing).collect());
    section("Program", vec![Block::Program(run.source.into())]);
    section("This run", vec![Block::Facts(run.about.iter().cloned().map(Into::into).collect())]);
    Page {
        title: document.title.clone().unwrap_or_else(|| document.model.clone()),
        facts: facts(document, figures.facts),
        sections,
        footer: format!("Written by fe {}.", document.fe_version),
    }
}

/// The table beside chains, and what came of it.
fn held(verification: &Verification) -> Vec<Block> {
    let facts = verification.facts().join(" · ");
    vec![Block::Prose(format!("{} ({facts}).", verification.sentence())), Block::Table(verification.table())]
}

/// The most rows that are marks of a chart.
const MARKS: usize = 2000;

/// The k̂ from which a row cannot be left out by weights.
const KHAT: f64 = 0.7;

/// What is known of each row from all others, and how far that can be relied on.
fn left_out(document: &Document) -> Vec<Block> {
    let Some(loo) = &document.loo else { return vec![] };
    let (densities, khats) = (loo.rows.values(), loo.khat.values());
    let every = densities.len().div_ceil(MARKS).max(1);
    let of = if every == 1 { "each row".to_owned() } else { format!("one row in {every}") };
    let marks = |name: &str, values: &[f64]| Series {
        name: name.into(),
        points: values.iter().enumerate().step_by(every).map(|(row, v)| (row as f64, *v)).collect(),
        scattered: true,
        ..Series::default()
    };
    let last = densities.len().saturating_sub(1) as f64;
    let limit = Series {
        name: "not to be relied on above 0.7".into(),
        points: vec![(0.0, KHAT), (last, KHAT)],
        dashed: true,
        ..Series::default()
    };
    let chart = |title: String, label: &str, series: Vec<Series>| {
        Drawing::Lines(Chart { title, x: Axis::counting("row"), y: Axis::linear(label), series, ..Chart::default() })
    };
    vec![Block::Charts(vec![
        chart(format!("log p of {of} given all others"), "nats", vec![marks("", densities)]),
        chart(format!("k̂ of {of} left out"), "Pareto k̂", vec![marks("row", khats), limit]),
    ])]
}

fn facts(document: &Document, facts: Vec<String>) -> Vec<String> {
    let model = document.title.as_ref().map(|_| document.model.clone());
    let seed = format!("seed {}", document.seed);
    model.into_iter().chain(facts).chain([seed]).collect()
}

/// Free energy, distortion and rate, each on a scale of its own. Where nothing is random there is no rate, and F is the distortion.
fn course(document: &Document, trace: &[TraceRow]) -> Vec<Block> {
    let line = |name: &str, of: &dyn Fn(&TraceRow) -> Option<f64>, dashed: bool| Series {
        name: name.into(),
        // A figure that was not taken at a step is no point of the line.
        points: trace.iter().filter_map(|row| Some((row.step as f64, of(row)?))).collect(),
        dashed,
        ..Series::default()
    };
    let chart = |title: &str, unit: &str, series: Vec<Series>| {
        let series: Vec<Series> = series.into_iter().filter(|s| !s.points.is_empty()).collect();
        let long = series.iter().any(|s| s.points.len() > 1);
        let (x, y) = (Axis::counting("step"), Axis::linear(unit));
        long.then(|| Drawing::Lines(Chart { title: title.into(), x, y, series, ..Chart::default() }))
    };
    let (training, held) =
        (line("training", &|r| r.free_energy, false), line("held out", &|r| r.heldout_free_energy, true));
    let nats = Sums::from(document).unit();
    let codes = !document.latents.is_empty();
    let parts = [
        chart("Distortion D", nats, vec![line("", &|r| r.distortion, false)]),
        chart("Rate R", nats, vec![line("", &|r| r.rate, false)]),
    ];
    let whole = chart("Free energy F", nats, vec![training, held]);
    let energy = chart("Energy", "spikes per row", vec![line("", &|r| r.energy, false)]);
    let parts = parts.into_iter().filter(|_| codes);
    let charts: Vec<Drawing> = std::iter::once(whole).chain(parts).chain([energy]).flatten().collect();
    if charts.is_empty() { vec![] } else { vec![Block::Charts(charts)] }
}

/// F, R² and zeros, and spikes, by step of the descent.
fn refinement(document: &Document) -> Vec<Block> {
    let Some(refinement) = &document.refinement else { return vec![] };
    // Steps are listed by doubling: far ones stand at even distances from the first, and the start in the table alone.
    let log = refinement.steps > 32;
    let steps = || refinement.trace.iter().filter(move |s| !log || s.step > 0);
    let line = |name: &str, of: &dyn Fn(&RefinedStep) -> Option<f64>| Series {
        name: name.into(),
        points: steps().filter_map(|s| Some((s.step as f64, of(s)?))).collect(),
        marks: true,
        ..Series::default()
    };
    let chart = |title: &str, unit: &str, series: Vec<Series>| {
        let series: Vec<Series> = series.into_iter().filter(|s| !s.points.is_empty()).collect();
        let x = if log { Axis::logarithmic("step") } else { Axis::counting("step") };
        let long = series.iter().any(|s| s.points.len() > 1);
        long.then(|| {
            Drawing::Lines(Chart { title: title.into(), x, y: Axis::linear(unit), series, ..Chart::default() })
        })
    };
    let nats = "nats per row";
    let charts: Vec<Drawing> = [
        chart("Free energy by step", nats, vec![line("", &|s| Some(s.free_energy))]),
        chart("Zeros and R² by step", "share", vec![line("zeros", &|s| s.zeros), line("R²", &|s| s.r2)]),
        chart("Spikes by step", "spikes per row", vec![line("", &|s| s.spikes)]),
    ]
    .into_iter()
    .flatten()
    .collect();
    if charts.is_empty() { vec![] } else { vec![Block::Charts(charts)] }
}

fn histograms(name: &str, latent: &Latent) -> Vec<Drawing> {
    let Some(units) = &latent.units else { return vec![] };
    let of = |title: String, label: &str, values: &Option<Vec<f64>>| {
        let values = values.clone().filter(|v| v.len() > 1)?;
        Some(Drawing::Histogram(Histogram { title, x: Axis::linear(label), of: "units".into(), values }))
    };
    [
        of(format!("Rate of each unit of {name}"), "nats per row", &units.rate),
        of(format!("Spikes of each unit of {name}"), "spikes per row", &units.energy),
    ]
    .into_iter()
    .flatten()
    .collect()
}
