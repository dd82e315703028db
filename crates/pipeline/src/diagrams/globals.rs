//! Densities of global values with those of their priors, and pairs of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use fe_check::{Latent, Program};
use fe_cpu::{CpuExecutor, Precision};
use fe_graph::{Axis, Executor, Feed, Op, Tensor};
use fe_report::{Axis as Scale, Bar, Bars, Chart, Document, Drawing, Format, Nested, Panels, Series};

use super::Groups;
use super::numbers::{Bins, correlation};

/// The most elements of one array that have densities, and the most densities.
const ELEMENTS: usize = 8;
const DENSITIES: usize = 16;

/// The most values whose pairs are shown, and the draws in each.
const PAIRED: usize = 5;
const POINTS: usize = 150;

/// The part of the draws that a density shows, and about its bars.
const WITHIN: f64 = 0.99;
const BARS: usize = 24;

/// Points of the line of a prior.
const GRID: usize = 81;

/// A number that is known by draws.
struct Global<'a> {
    name: String,
    draws: Vec<f64>,
    /// The latent that it is an element of; a `let` has none.
    latent: Option<&'a Latent>,
    /// Whether it is an array's only element.
    single: bool,
}

pub(super) fn panels(program: &Program, document: &Document, groups: Groups) -> Vec<Panels> {
    let (globals, left_out) = globals(program, document, groups);
    let shown = globals.get(..DENSITIES.min(globals.len())).unwrap_or_default();
    let mut panels = vec![];
    if !shown.is_empty() {
        panels.push(densities(program, document, shown, left_out + (globals.len() - shown.len())));
    }
    panels.extend(pairs(program, shown));
    panels
}

/// The elements of small arrays that vary, in the table's order; and how many values are of larger ones.
fn globals<'a>(program: &'a Program, document: &Document, groups: Groups) -> (Vec<Global<'a>>, usize) {
    let (mut found, mut larger) = (vec![], 0);
    for (name, summary) in document.posterior_resampled.as_ref().unwrap_or(&document.posterior) {
        let Some((draws, array)) = groups.draws("posterior", name) else { continue };
        if draws.width > ELEMENTS {
            larger += draws.width;
            continue;
        }
        let latent = program.latents.iter().find(|l| l.name == *name);
        let places = Nested::new(array.shape.clone(), vec![0.0; draws.width]);
        for element in 0..draws.width {
            let place = places.as_ref().map(|p| p.named_place(element, &summary.axes, &document.labels));
            let values = draws.of(element);
            let varies = values.iter().any(|v| Some(v) != values.first());
            if varies && values.iter().all(|v| v.is_finite()) {
                let name = format!("{name}{}", place.unwrap_or_default());
                found.push(Global { name, draws: values, latent, single: draws.width == 1 });
            }
        }
    }
    (found, larger)
}

fn is_whole(program: &Program, global: &Global) -> bool {
    global
        .latent
        .is_some_and(|l| l.support.is_discrete() || l.prior.support(&program.graph).is_some_and(|s| s.is_discrete()))
}

fn densities(program: &Program, document: &Document, globals: &[Global], left_out: usize) -> Panels {
    let mut with_prior = 0;
    let drawings = globals.iter().map(|global| {
        let whole = is_whole(program, global);
        let (least, most) = ends(&global.draws);
        let bins = match whole {
            true => Some(Bins::whole(least, most, 40)),
            false => Bins::over(global.draws.clone(), WITHIN, BARS),
        };
        let bins = bins.unwrap_or(Bins { start: least, step: (most - least).max(f64::MIN_POSITIVE), count: 1 });
        let shares = bins.shares(global.draws.iter());
        let height = |share: f64| if whole { share } else { share / bins.step };
        let bar = |(k, share): (usize, &f64)| {
            let (from, to) = bins.edges(k);
            Bar { from, to, height: height(*share) }
        };
        let bars = Bars { name: "posterior".into(), bars: shares.iter().enumerate().map(bar).collect() };
        let line = global.latent.and_then(|l| prior(program, l, bins, whole));
        with_prior += usize::from(line.is_some());
        let series = line.into_iter().map(|points| Series {
            name: "prior".into(),
            points,
            dashed: !whole,
            scattered: whole,
            ..Series::default()
        });
        let labels = global.latent.filter(|l| l.axes.is_empty()).and_then(|_| names(program, document, global));
        let x = match labels {
            Some(names) => Scale::of_categories("", names),
            None if whole => Scale::counting(""),
            None => Scale::linear(""),
        };
        let y = Scale::linear("");
        let series = series.collect();
        Drawing::Lines(Chart { title: global.name.clone(), x, y, bars, series, format: Format::Small })
    });
    let drawings: Vec<Drawing> = drawings.collect();
    let any_whole = globals.iter().any(|g| is_whole(program, g));
    let mut caption = String::from(
        "What is known of single values: bars are the density of the posterior, the middle 99 % of its draws",
    );
    if any_whole {
        caption.push_str(" (of whole numbers the probability of each)");
    }
    match with_prior {
        0 => caption.push('.'),
        n if n == globals.len() => caption.push_str("; the dashed line is the density of the prior."),
        _ => caption.push_str(
            "; the dashed line is the density of the prior, of those values whose prior depends on nothing else.",
        ),
    }
    if left_out > 0 {
        caption.push_str(&format!(" Left out: {left_out} further values, which are in the tables or in fit.json."));
    }
    Panels { caption, drawings }
}

/// The levels that a single index counts.
fn names(program: &Program, document: &Document, global: &Global) -> Option<Vec<String>> {
    let latent = global.latent?;
    let fe_distribution::Support::Index(size) = latent.prior.support(&program.graph)? else { return None };
    let axis = latent.prior.event?;
    document.labels.get(&program.graph.axis_name(axis)).filter(|names| names.len() == size).cloned()
}

/// The density of a latent's prior over some bins, where its arguments are numbers; of whole numbers, at each of them.
fn prior(program: &Program, latent: &Latent, bins: Bins, whole: bool) -> Option<Vec<(f64, f64)>> {
    let law = &latent.prior;
    if law.family.is_vector() || law.family.is_improper() || law.family.is_written_out() {
        return None;
    }
    let mut graph = program.graph.clone();
    // A weight whose law differs from element to element, or follows from others, has no one line.
    let moves = |n: &fe_graph::NodeId| matches!(graph.node(*n).op, Op::Input(_) | Op::Noise { .. });
    if graph.reachable(&law.args).iter().any(moves) {
        return None;
    }
    let alike = |a: &Axis| Some(*a) == law.event;
    if law.args.iter().any(|&a| !graph.axes_of(a).iter().all(alike)) {
        return None;
    }
    let (from, to) = (bins.edges(0).0, bins.edges(bins.count.saturating_sub(1)).1);
    let (least, most) = law.support(&graph)?.bounds();
    let count = if whole { (to - from).round() as usize } else { GRID };
    let place = |k: usize| match whole {
        true => from + 0.5 + k as f64,
        false => from + (to - from) * k as f64 / (count - 1) as f64,
    };
    let points: Vec<f64> = (0..count).map(place).filter(|x| (least..=most).contains(x)).collect();
    let axis = Axis::plain(graph.add_axis("place", points.len()));
    let (input, node) = graph.input("place", &[axis]);
    let density = law.log_density(&mut graph, node)?;
    if graph.axes_of(density).iter().collect::<HashSet<_>>() != HashSet::from([&axis]) {
        return None;
    }
    let tensor = Tensor { shape: vec![points.len()], values: points.clone() };
    let feed = Feed { inputs: HashMap::from([(input, Arc::new(tensor))]), ..Feed::default() };
    let found = CpuExecutor::new(Precision::F64).compile(&graph, &[density]).ok()?.run(&feed).ok()?;
    let heights = found.first()?.values.iter().map(|v| v.exp());
    // At the end of a support a density may be infinite.
    Some(points.into_iter().zip(heights).filter(|p| p.1.is_finite()).collect())
}

fn ends(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)))
}

/// Every pair of the first values that are real: single ones before elements of arrays.
fn pairs(program: &Program, globals: &[Global]) -> Option<Panels> {
    let real = || globals.iter().filter(|g| g.latent.is_some() && !is_whole(program, g));
    let chosen: Vec<&Global> = real().filter(|g| g.single).chain(real().filter(|g| !g.single)).take(PAIRED).collect();
    let mut drawings = vec![];
    for (k, b) in chosen.iter().enumerate() {
        for a in chosen.iter().take(k) {
            let every = a.draws.len().div_ceil(POINTS).max(1);
            let points = a.draws.iter().copied().zip(b.draws.iter().copied()).step_by(every).collect();
            let r = fe_report::fixed(correlation(&a.draws, &b.draws), 2);
            let title = format!("r = {r}");
            let series = vec![Series { points, scattered: true, ..Series::default() }];
            let (x, y) = (Scale::linear(a.name.clone()), Scale::linear(b.name.clone()));
            drawings.push(Drawing::Lines(Chart { title, x, y, series, format: Format::Small, ..Chart::default() }));
        }
    }
    let draws = chosen.first()?.draws.len();
    let shown = draws.div_ceil(draws.div_ceil(POINTS).max(1));
    let of =
        if chosen.len() < real().count() { format!(" of the first {} values", chosen.len()) } else { String::new() };
    let caption =
        format!("Pairs{of}: {shown} of {draws} draws of the posterior, with Pearson's correlation r over all of them.");
    (!drawings.is_empty()).then_some(Panels { caption, drawings })
}
