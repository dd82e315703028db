//! The fit beside its data: over what predicts them, data drawn anew, residuals, ranks among draws, calibration.

use fe_check::{Data, Observe, Program};
use fe_distribution::Support;
use fe_graph::Axis;
use fe_report::{Array, Axis as Scale, Bar, Bars, Chart, Drawing, Labels, Panels, Series};

use super::Groups;
use super::numbers::{Bins, Draws, binomial_band, calibration, interval, ranks};

/// The most observed variables that are shown.
const VARIABLES: usize = 3;

/// The most marks of a chart, and places along its bands.
const MARKS: usize = 500;

/// The most levels that have a line of their own.
const LEVELS: usize = 4;

/// The most categories that are held to their probabilities each.
const CATEGORIES: usize = 6;

/// The fewest values that are worth a chart.
const FEWEST: usize = 5;

/// What is observed, by its values.
enum Kind {
    YesNo,
    /// Names, in their order.
    Categories(Vec<String>),
    Counts,
    Real,
}

/// One observed variable, its values and data drawn anew.
struct Observed<'a> {
    program: &'a Program,
    observe: &'a Observe,
    array: &'a Array,
    drawn: Draws<'a>,
    kind: Kind,
}

pub(super) fn panels(program: &Program, labels: &Labels, groups: Groups) -> Vec<Panels> {
    let all: Vec<Observed> = program.observes.iter().filter_map(|o| observed(program, labels, groups, o)).collect();
    let mut panels = vec![];
    for one in all.iter().take(VARIABLES) {
        let mut made = Panels::default();
        let mut add = |chart: Option<(Chart, String)>| {
            if let Some((chart, caption)) = chart {
                if !made.caption.is_empty() {
                    made.caption.push(' ');
                }
                made.caption.push_str(&caption);
                made.drawings.push(Drawing::Lines(chart));
            }
        };
        add(one.over_data(labels, groups));
        match &one.kind {
            Kind::YesNo => add(one.calibrated()),
            Kind::Categories(names) => {
                add(one.drawn_anew());
                add(one.calibrated_by_category(names));
            }
            Kind::Counts => {
                add(one.drawn_anew());
                add(one.ranked());
            }
            Kind::Real => {
                add(one.drawn_anew());
                add(one.residuals());
                add(one.ranked());
            }
        }
        if !made.drawings.is_empty() {
            panels.push(made);
        }
    }
    if let (Some(last), true) = (panels.last_mut(), all.len() > VARIABLES) {
        last.caption.push_str(&format!(" The first {VARIABLES} of {} observed variables are shown.", all.len()));
    }
    panels
}

fn observed<'a>(
    program: &'a Program,
    labels: &Labels,
    groups: Groups<'a>,
    observe: &'a Observe,
) -> Option<Observed<'a>> {
    let array = groups.array("observed_data", &observe.name)?;
    let (drawn, _) = groups.draws("posterior_predictive", &observe.name)?;
    let known = array.values.iter().filter(|v| v.is_finite()).count();
    if drawn.width != array.values.len() || known < FEWEST || drawn.count() < 10 {
        return None;
    }
    if drawn.values.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let law = &observe.distribution;
    let whole = |v: &f64| v.fract() == 0.0 && *v >= 0.0 || v.is_nan();
    let values = || array.values.iter().chain(drawn.values);
    let named = |size: usize| {
        // Of an order of categories the event is its cutpoints; the data know what they count along.
        let data = program.data.iter().find(|d| d.name == observe.name);
        let axes = data.and_then(|d| d.index).map(Axis::plain).into_iter().chain(law.event);
        let levels = axes.map(|a| program.graph.axis_name(a)).find_map(|a| labels.get(&a).filter(|l| l.len() == size));
        levels.cloned().unwrap_or_else(|| (0..size).map(|k| k.to_string()).collect())
    };
    let kind = match law.support(&program.graph) {
        Some(Support::Bool) => Kind::YesNo,
        Some(Support::Index(2)) => Kind::YesNo,
        Some(Support::Index(size)) => Kind::Categories(named(size)),
        Some(Support::OneHot) => return None,
        Some(s) if !s.is_discrete() => Kind::Real,
        _ if !values().all(whole) => Kind::Real,
        _ if values().all(|v| *v <= 1.0 || v.is_nan()) => Kind::YesNo,
        _ => Kind::Counts,
    };
    Some(Observed { program, observe, array, drawn, kind })
}

/// What runs along a chart of the fit.
enum Along<'a> {
    /// The place in a loop.
    Steps(String),
    /// The one datum that predicts, with groups of rows that have curves of their own, and whether nothing else does.
    Datum { name: &'a str, values: &'a [f64], levels: Option<(&'a [f64], Vec<String>)>, alone: bool },
    /// What is predicted.
    Fitted,
}

impl Observed<'_> {
    fn name(&self) -> &str {
        &self.observe.name
    }

    /// What predicts it, of the data on its one axis.
    fn along<'a>(&'a self, labels: &Labels, groups: Groups<'a>) -> Along<'a> {
        let &[axis] = self.observe.axes.as_slice() else { return Along::Fitted };
        let graph = &self.program.graph;
        if self.program.latents.iter().any(|l| l.chain == Some(axis)) {
            return Along::Steps(graph.axis_name(axis));
        }
        let beside = |d: &&Data| {
            d.node != self.observe.value && !d.for_holdout && d.axes.contains(&axis) && graph.extent_of(axis.id) > 1
        };
        let others: Vec<&Data> = self.program.data.iter().filter(beside).collect();
        let values = |d: &Data| groups.array("constant_data", &d.name).filter(|a| a.shape == self.array.shape);
        let real = |d: &&&Data| d.index.is_none() && !d.support.is_discrete() && d.axes.len() == 1;
        let mut reals = others.iter().filter(real);
        let (Some(datum), None) = (reals.next(), reals.next()) else { return Along::Fitted };
        let Some(found) = values(datum) else { return Along::Fitted };
        let rest: Vec<&&Data> = others.iter().filter(|d| d.name != datum.name).collect();
        let levels = match rest.as_slice() {
            [group] => group.index.zip(values(group)).and_then(|(of, codes)| {
                let name = graph.axis_name(fe_graph::Axis::plain(of));
                let size = graph.extent_of(of);
                let names = labels.get(&name).cloned();
                let names = names.unwrap_or_else(|| (0..size).map(|k| format!("{name} = {k}")).collect());
                (size <= LEVELS).then_some((codes.values.as_slice(), names))
            }),
            _ => None,
        };
        let alone = rest.is_empty() || levels.is_some();
        Along::Datum { name: &datum.name, values: &found.values, levels, alone }
    }

    /// Observed values with what is predicted of them.
    fn over_data(&self, labels: &Labels, groups: Groups) -> Option<(Chart, String)> {
        if matches!(self.kind, Kind::YesNo | Kind::Categories(_)) {
            return None;
        }
        let means = self.drawn.means(|_| true);
        let name = self.name();
        let caption = |what: &str| format!("{name} {what}");
        match self.along(labels, groups) {
            Along::Steps(axis) => {
                let at: Vec<f64> = (0..self.array.values.len()).map(|k| k as f64).collect();
                let series = self.curves(&at, None, &means);
                let x = Scale::counting(axis.trim_end_matches("+1"));
                let chart = self.chart(format!("{name} along {}", x.label), x, series);
                Some((
                    chart,
                    caption(
                        "as observed (marks), with the mean and 90 % of data drawn anew from the posterior (line and band).",
                    ),
                ))
            }
            Along::Datum { name: along, values, levels, alone: true } => {
                let series = self.curves(values, levels.as_ref().map(|l| (l.0, l.1.as_slice())), &means);
                let chart = self.chart(format!("{name} over {along}"), Scale::linear(along), series);
                Some((
                    chart,
                    caption(
                        "as observed (marks), with the mean and 90 % of data drawn anew from the posterior (line and band).",
                    ),
                ))
            }
            Along::Datum { name: along, values, .. } => {
                let series = self.each_by_itself(values, &means);
                let chart = self.chart(format!("{name} over {along}"), Scale::linear(along), series);
                Some((
                    chart,
                    caption(
                        "as observed, with the mean and 90 % of data drawn anew for each value (dots and upright lines), which depend on other data too.",
                    ),
                ))
            }
            Along::Fitted => {
                // Values of one distribution have nothing that predicts them.
                let (low, high) = ends(&means);
                let chance = self.drawn.sds().into_iter().fold(0.0, f64::max) / (self.drawn.count() as f64).sqrt();
                if high - low < 8.0 * chance {
                    return None;
                }
                let marks = self.marks();
                let points = marks.iter().filter_map(|&k| Some((*means.get(k)?, *self.array.values.get(k)?)));
                let observed =
                    Series { name: "observed".into(), points: points.collect(), scattered: true, ..Series::default() };
                let same = Series {
                    name: "as predicted".into(),
                    points: vec![(low, low), (high, high)],
                    dashed: true,
                    ..Series::default()
                };
                let chart = self.chart(
                    format!("{name} against its prediction"),
                    Scale::linear("predicted mean"),
                    vec![observed, same],
                );
                Some((chart, caption("against the mean of data drawn anew; on the dashed line both are the same.")))
            }
        }
    }

    fn chart(&self, title: String, x: Scale, series: Vec<Series>) -> Chart {
        let label = self.name().to_owned();
        let y = if matches!(self.kind, Kind::Counts) { Scale::counting(label) } else { Scale::linear(label) };
        Chart { title, x, y, series, ..Chart::default() }
    }

    /// The values that have a mark, evenly spread.
    fn marks(&self) -> Vec<usize> {
        let known: Vec<usize> =
            self.array.values.iter().enumerate().filter(|(_, v)| v.is_finite()).map(|(k, _)| k).collect();
        let every = known.len().div_ceil(MARKS).max(1);
        known.into_iter().step_by(every).collect()
    }

    /// Marks of the data, then mean and band, of all rows or of each level.
    fn curves(&self, at: &[f64], levels: Option<(&[f64], &[String])>, means: &[f64]) -> Vec<Series> {
        let level = |k: &usize| levels.and_then(|(codes, _)| codes.get(*k)).map_or(0, |c| *c as usize);
        let count = levels.map_or(1, |l| l.1.len());
        let (mut data, mut curves) = (vec![], vec![]);
        let marks = self.marks();
        for of in 0..count {
            let name = levels.and_then(|l| l.1.get(of)).cloned();
            let points = marks.iter().filter(|k| level(k) == of);
            let points: Vec<(f64, f64)> =
                points.filter_map(|&k| Some((*at.get(k)?, *self.array.values.get(k)?))).collect();
            data.push(Series {
                name: name.clone().unwrap_or("observed".into()),
                points,
                scattered: true,
                ..Series::default()
            });
            let mut order: Vec<usize> = (0..at.len()).filter(|k| level(k) == of).collect();
            order.sort_by(|&a, &b| at.get(a).unwrap_or(&0.0).total_cmp(at.get(b).unwrap_or(&0.0)));
            // Rows at the same place have the same prediction.
            order.dedup_by(|a, b| at.get(*a) == at.get(*b));
            let every = order.len().div_ceil(MARKS / 2).max(1);
            let places: Vec<usize> = order.into_iter().step_by(every).collect();
            let points = places.iter().filter_map(|&k| Some((*at.get(k)?, *means.get(k)?))).collect();
            let band = places.iter().map(|&k| interval(self.drawn.of(k))).map(|(low, _, high)| (low, high)).collect();
            let name = name.map_or("predicted, 90 %".into(), |n| format!("{n}, predicted"));
            curves.push(Series { name, points, band, ..Series::default() });
        }
        data.into_iter().chain(curves).collect()
    }

    fn each_by_itself(&self, at: &[f64], means: &[f64]) -> Vec<Series> {
        let marks = self.marks();
        let place = |k: usize, v: &[f64]| Some((*at.get(k)?, *v.get(k)?));
        let observed = marks.iter().filter_map(|&k| place(k, &self.array.values)).collect();
        let predicted = marks.iter().filter_map(|&k| place(k, means)).collect();
        let ends = marks.iter().map(|&k| interval(self.drawn.of(k)));
        let whiskers = ends.map(|(low, _, high)| (low, high)).collect();
        vec![
            Series { name: "observed".into(), points: observed, scattered: true, ..Series::default() },
            Series {
                name: "predicted, 90 %".into(),
                points: predicted,
                whiskers,
                scattered: true,
                ..Series::default()
            },
        ]
    }

    /// How often values occur, in the data and in data drawn anew.
    fn drawn_anew(&self) -> Option<(Chart, String)> {
        let (low, high) = ends(&self.array.values);
        let (least, most) = ends(self.drawn.values);
        let name = self.name();
        let (bins, x) = match &self.kind {
            Kind::Categories(names) => {
                let bins = Bins { start: -0.5, step: 1.0, count: names.len() };
                (bins, Scale::of_categories(name, names.clone()))
            }
            Kind::Real => {
                let drawn = Bins::over(self.drawn.values.to_vec(), 0.99, 24)?;
                let all = Bins::over(
                    self.array
                        .values
                        .iter()
                        .copied()
                        .chain([drawn.edges(0).0, drawn.edges(drawn.count - 1).1])
                        .collect(),
                    1.0,
                    24,
                )?;
                (all, Scale::linear(name))
            }
            Kind::Counts | Kind::YesNo => {
                let tail = interval(self.drawn.values.to_vec()).2;
                (Bins::whole(low.min(least), high.max(tail.min(most)), 30), Scale::counting(name))
            }
        };
        let bar = |(k, share): (usize, f64)| {
            let (from, to) = bins.edges(k);
            Bar { from, to, height: share }
        };
        let shares = bins.shares(self.array.values.iter());
        let bars = Bars { name: "observed".into(), bars: shares.into_iter().enumerate().map(bar).collect() };
        let mut anew: Vec<Vec<f64>> = vec![Vec::with_capacity(self.drawn.count()); bins.count];
        for draw in self.drawn.each() {
            let known = draw.iter().zip(&self.array.values).filter(|(_, y)| y.is_finite()).map(|(v, _)| v);
            anew.iter_mut().zip(bins.shares(known)).for_each(|(all, share)| all.push(share));
        }
        let ends: Vec<(f64, f64, f64)> = anew.into_iter().map(interval).collect();
        let shown = || ends.iter().enumerate().filter(|(_, e)| e.2 > 0.0);
        let series = Series {
            name: "drawn anew, 90 %".into(),
            points: shown().map(|(k, e)| (bins.middle(k), e.1)).collect(),
            whiskers: shown().map(|(_, e)| (e.0, e.2)).collect(),
            scattered: true,
            ..Series::default()
        };
        let y = Scale::linear("share of values");
        let title = format!("{name} and data drawn anew");
        let chart = Chart { title, x, y, bars, series: vec![series], ..Chart::default() };
        let caption = format!(
            "How often values of {name} occur (bars), with the median and 90 % of {} sets of data drawn anew from the posterior (dots and upright lines).",
            self.drawn.count()
        );
        Some((chart, caption))
    }

    /// Residuals in standard deviations of what is drawn anew.
    fn residuals(&self) -> Option<(Chart, String)> {
        let (means, sds) = (self.drawn.means(|_| true), self.drawn.sds());
        let of = |k: &usize| {
            let (y, m, s) = (self.array.values.get(*k)?, means.get(*k)?, sds.get(*k)?);
            (*s > 0.0).then(|| (*m, (y - m) / s))
        };
        let marks = self.marks();
        let points: Vec<(f64, f64)> = marks.iter().filter_map(of).collect();
        if points.len() < FEWEST {
            return None;
        }
        let (low, high) = ends(&points.iter().map(|p| p.0).collect::<Vec<_>>());
        let expected = Series {
            name: "0 ± 2 sd".into(),
            points: vec![(low, 0.0), (high, 0.0)],
            dashed: true,
            band: vec![(-2.0, 2.0), (-2.0, 2.0)],
            ..Series::default()
        };
        let name = self.name();
        let residuals = Series { name: "residual".into(), points, scattered: true, ..Series::default() };
        let series = vec![residuals, expected];
        let (x, y) = (Scale::linear("predicted mean"), Scale::linear("(observed − predicted) / sd"));
        let chart = Chart { title: format!("Residuals of {name}"), x, y, series, ..Chart::default() };
        let caption = "Residuals are in standard deviations of data drawn anew: about one in twenty of them lies outside the band where the model holds, with no trend.";
        Some((chart, caption.to_owned()))
    }

    /// The histogram of ranks among draws.
    fn ranked(&self) -> Option<(Chart, String)> {
        let ranks: Vec<f64> = ranks(&self.array.values, self.drawn).into_iter().filter(|r| r.is_finite()).collect();
        let count = match ranks.len() {
            0..40 => return None,
            40..200 => 5,
            200..1000 => 10,
            _ => 20,
        };
        let bins = Bins { start: 0.0, step: 1.0 / count as f64, count };
        let bar = |(k, share): (usize, f64)| {
            let (from, to) = bins.edges(k);
            Bar { from, to, height: share }
        };
        let bars = Bars {
            name: "share of values".into(),
            bars: bins.shares(ranks.iter()).into_iter().enumerate().map(bar).collect(),
        };
        let (low, high) = binomial_band(ranks.len(), 1.0 / count as f64);
        let at = |y: f64| vec![(0.0, y), (1.0, y)];
        let level = 1.0 / count as f64;
        let uniform = Series {
            name: "uniform, 90 %".into(),
            points: at(level),
            band: vec![(low, high), (low, high)],
            ..Series::default()
        };
        let name = self.name();
        let (x, y) = (Scale::linear("rank among data drawn anew"), Scale::linear("share of values"));
        let title = format!("Ranks of {name} among data drawn anew");
        let chart = Chart { title, x, y, bars, series: vec![uniform], ..Chart::default() };
        let caption = "Ranks among data drawn anew are uniform where the model holds, nine of ten bars within the band if values are independent; a hill says that the model expects more spread than there is, a valley less, a slope that it is off. The fit has seen these values, so that a flexible model has a hill.";
        Some((chart, caption.to_owned()))
    }

    /// How often what is predicted with a probability comes true.
    fn calibrated(&self) -> Option<(Chart, String)> {
        let groups = calibration(&self.array.values, self.drawn, 10);
        if groups.iter().map(|g| g.cells).sum::<usize>() < 20 {
            return None;
        }
        let band = groups.iter().map(|g| g.band).collect();
        let expected = Series {
            name: "as predicted, 90 %".into(),
            points: groups.iter().map(|g| (g.predicted, g.predicted)).collect(),
            whiskers: band,
            scattered: true,
            ..Series::default()
        };
        let came = Series {
            name: "came true".into(),
            points: groups.iter().map(|g| (g.predicted, g.observed)).collect(),
            marks: true,
            ..Series::default()
        };
        let name = self.name();
        let (x, y) = (Scale::linear("predicted probability"), Scale::linear("share that came true"));
        let chart =
            Chart { title: format!("Calibration of {name}"), x, y, series: vec![came, expected], ..Chart::default() };
        let size = groups.iter().map(|g| g.cells).max().unwrap_or(0);
        let caption = format!(
            "Calibration: how many of those of {name} came true that were predicted with about the same probability, in groups of {size}; the upright lines are where nine of ten groups lie if the probabilities hold."
        );
        Some((chart, caption))
    }

    /// The same of each category: the share of cells that are of it, by how probable it was.
    fn calibrated_by_category(&self, names: &[String]) -> Option<(Chart, String)> {
        let known = self.array.values.iter().filter(|v| v.is_finite()).count();
        if known < 20 || !(2..=CATEGORIES).contains(&names.len()) {
            return None;
        }
        let (mut series, mut expected) = (vec![], vec![]);
        for (k, category) in names.iter().enumerate() {
            let is = |v: &f64| if v.is_finite() { f64::from(u8::from(*v == k as f64)) } else { f64::NAN };
            let (observed, drawn): (Vec<f64>, Vec<f64>) =
                (self.array.values.iter().map(is).collect(), self.drawn.values.iter().map(is).collect());
            let groups = calibration(&observed, Draws { values: &drawn, width: self.drawn.width }, 5);
            let points = groups.iter().map(|g| (g.predicted, g.observed)).collect();
            series.push(Series { name: category.clone(), points, marks: true, ..Series::default() });
            expected.extend(groups);
        }
        expected.sort_by(|a, b| a.predicted.total_cmp(&b.predicted));
        series.push(Series {
            name: "as predicted, 90 %".into(),
            points: expected.iter().map(|g| (g.predicted, g.predicted)).collect(),
            whiskers: expected.iter().map(|g| g.band).collect(),
            scattered: true,
            ..Series::default()
        });
        let name = self.name();
        let (x, y) = (Scale::linear("predicted probability"), Scale::linear("share of the category"));
        let chart = Chart { title: format!("Calibration of {name} by category"), x, y, series, ..Chart::default() };
        let caption = format!(
            "Calibration: how many of those values of {name} are of a category that it was predicted for with about the same probability, in groups of a fifth of them; the upright lines are where nine of ten groups lie if the probabilities hold."
        );
        Some((chart, caption))
    }
}

fn ends(values: &[f64]) -> (f64, f64) {
    let finite = values.iter().filter(|v| v.is_finite());
    finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)))
}
