//! Charts as SVG text, drawn by plotters: a file by themselves, or part of a page.
//!
//! On a page a chart is read in light and in dark: its colours are classes that a style sheet resolves by
//! `prefers-color-scheme`. A file by itself goes on paper: it has the light ones, as attributes, for programs that know no
//! style sheets too.

mod frame;
mod histogram;
mod paint;
mod scale;

use plotters::element::{Circle, PathElement, Polygon, Rectangle};
use plotters::series::LineSeries;
use serde::{Deserialize, Serialize};

use frame::{Frame, UNIT};
use paint::Paint;
use scale::Scale;

pub use frame::Format;
pub use histogram::Histogram;
pub(crate) use paint::style;
pub use scale::even;

/// An axis of a chart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Axis {
    /// Its quantity, with its unit.
    pub label: String,
    /// Whether it is logarithmic.
    pub log: bool,
    /// Whether it counts: its ticks are whole numbers.
    pub counts: bool,
    /// The names of 0, 1, 2, … along it, of categories.
    pub names: Vec<String>,
}

/// Points joined by lines, in their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Its points. One that is not finite, or not positive on a logarithmic axis, is left out and breaks the line.
    pub points: Vec<(f64, f64)>,
    /// Whether each point has a mark.
    pub marks: bool,
    /// Whether the line is dashed.
    pub dashed: bool,
    /// A band about the line: the least and the most at each point; none where it is empty.
    pub band: Vec<(f64, f64)>,
    /// An upright line at each point: its ends; none where it is empty.
    pub whiskers: Vec<(f64, f64)>,
    /// Whether points stand alone, small and without a line: a raster.
    pub scattered: bool,
}

/// A bar that stands on 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// Where it begins along.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// Its height.
    pub height: f64,
}

/// Bars of one meaning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bars {
    /// Their name in the legend.
    pub name: String,
    /// Them.
    pub bars: Vec<Bar>,
}

/// A chart of lines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// Along.
    pub x: Axis,
    /// Up.
    pub y: Axis,
    /// Bars behind the lines.
    pub bars: Bars,
    /// Its lines; with more than one, counting bars, a legend names those that have names, but in a small one.
    pub series: Vec<Series>,
    /// Its size.
    pub format: Format,
}

impl Axis {
    /// A linear axis.
    pub fn linear(label: impl Into<String>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }

    /// A linear axis of whole numbers.
    pub fn counting(label: impl Into<String>) -> Self {
        Self { counts: true, ..Self::linear(label) }
    }

    /// An axis of categories.
    pub fn of_categories(label: impl Into<String>, names: Vec<String>) -> Self {
        Self { names, ..Self::linear(label) }
    }

    /// A logarithmic axis.
    pub fn logarithmic(label: impl Into<String>) -> Self {
        Self { label: label.into(), log: true, ..Self::default() }
    }

    /// Whether a value has a place on it.
    fn holds(&self, value: f64) -> bool {
        value.is_finite() && (!self.log || value > 0.0)
    }

    /// A scale along a chart, of as many ticks as there is room for.
    fn fitting(&self, values: &[f64], format: Format) -> Scale {
        let of = |ticks| self.scale(values.iter().copied(), ticks, false);
        let most = format.ticks().0;
        (2..=most).rev().map(of).find(|scale| format.has_room_for(scale)).unwrap_or_else(|| of(2))
    }

    /// A scale that holds these values, with about so many ticks; bars stand on 0.
    fn scale(&self, values: impl Iterator<Item = f64>, ticks: usize, on_zero: bool) -> Scale {
        if !self.names.is_empty() {
            return Scale::named(&self.names);
        }
        let scale = match on_zero {
            true => Scale::from_zero(values.fold(0.0, f64::max), ticks),
            false => Scale::over(values, self.log, ticks),
        };
        if self.counts { scale.whole(ticks) } else { scale }
    }
}

impl Chart {
    /// The chart as a file by itself. Points that have no place are left out, and a line under the chart says how many.
    pub fn svg(&self) -> String {
        self.draw(true)
    }

    /// The chart; inside a page that has [`style`] it is not `alone`.
    pub(crate) fn draw(&self, alone: bool) -> String {
        let shown: Vec<Vec<Vec<(f64, f64)>>> = self.series.iter().map(|s| self.runs(s)).collect();
        let points = || shown.iter().flatten().flatten();
        let given: usize = self.series.iter().map(|s| s.points.len()).sum();
        let first = usize::from(!self.bars.bars.is_empty());
        let of_bars = (first > 0).then_some((Paint::Series(0), self.bars.name.as_str(), false));
        let lines = self.series.iter().enumerate().map(|(k, s)| (Paint::Series(first + k), s.name.as_str(), s.dashed));
        let named =
            of_bars.into_iter().chain(lines).filter(|(_, name, _)| !name.is_empty() || self.bars.bars.is_empty());
        let several = self.series.len() + first > 1 && self.format == Format::Full;
        let ticks = self.format.ticks();
        let along = points().map(|p| p.0).chain(self.bars.bars.iter().flat_map(|b| [b.from, b.to]));
        let up = points().map(|p| p.1).chain(self.bands()).chain(self.bars.bars.iter().map(|b| b.height));
        let frame = Frame {
            title: &self.title,
            labels: (&self.x.label, &self.y.label),
            legend: if several { named.collect() } else { vec![] },
            dashed: (0..first).map(|_| false).chain(self.series.iter().map(|s| s.dashed)).collect(),
            note: left_out(given - points().count(), "point", self.x.log || self.y.log),
            x: self.x.fitting(&along.collect::<Vec<_>>(), self.format),
            y: self.y.scale(up, ticks.1, first > 0),
            format: self.format,
        };
        frame.draw(alone, |chart| {
            chart.draw_series(self.bars.bars.iter().filter(|b| b.height > 0.0).map(|b| {
                let mut bar = Rectangle::new([(b.from, 0.0), (b.to, b.height)], Paint::Series(0).bar());
                // A hair between bars.
                bar.set_margin(0, 0, 2, 2);
                bar
            }))?;
            for (k, (series, runs)) in self.series.iter().zip(&shown).enumerate() {
                let paint = Paint::Series(first + k);
                if let Some(outline) = self.outline(series) {
                    chart.draw_series(std::iter::once(Polygon::new(outline, paint.shade())))?;
                }
                let ends = series.points.iter().zip(&series.whiskers);
                let upright = ends.filter(|(p, w)| self.x.holds(p.0) && self.y.holds(w.0) && self.y.holds(w.1));
                chart.draw_series(upright.map(|(p, w)| PathElement::new([(p.0, w.0), (p.0, w.1)], paint.faint())))?;
                if series.scattered {
                    let points = runs.iter().flatten();
                    chart.draw_series(points.map(|&p| Circle::new(p, 3 * UNIT / 2, paint.area())))?;
                    continue;
                }
                for run in runs {
                    chart.draw_series(LineSeries::new(run.iter().copied(), paint.line(2)))?;
                    // A point without neighbours has no line.
                    if series.marks || run.len() == 1 {
                        chart.draw_series(run.iter().map(|&p| Circle::new(p, 3 * UNIT, paint.area())))?;
                    }
                }
            }
            Ok(())
        })
    }

    /// The ends of all bands and upright lines.
    fn bands(&self) -> impl Iterator<Item = f64> + '_ {
        self.series
            .iter()
            .flat_map(|s| s.band.iter().chain(&s.whiskers).flat_map(|&(l, h)| [l, h]))
            .filter(|&v| self.y.holds(v))
    }

    /// The outline of a series' band, where each of its points has a place.
    fn outline(&self, series: &Series) -> Option<Vec<(f64, f64)>> {
        let whole = !series.band.is_empty() && series.band.len() == series.points.len();
        let upper = series.points.iter().zip(&series.band).map(|(p, b)| (p.0, b.1));
        let lower = series.points.iter().zip(&series.band).map(|(p, b)| (p.0, b.0)).rev();
        let outline: Vec<(f64, f64)> = upper.chain(lower).collect();
        (whole && outline.iter().all(|&(x, y)| self.x.holds(x) && self.y.holds(y))).then_some(outline)
    }

    /// The stretches of a series between points that have no place.
    fn runs(&self, series: &Series) -> Vec<Vec<(f64, f64)>> {
        let runs = series.points.split(|&(x, y)| !(self.x.holds(x) && self.y.holds(y)));
        runs.filter(|run| !run.is_empty()).map(<[_]>::to_vec).collect()
    }
}

/// The remark on values that have no place.
fn left_out(count: usize, noun: &str, log: bool) -> Option<String> {
    let why = if log { "not finite, or not above 0 on a logarithmic axis" } else { "not finite" };
    (count > 0).then(|| format!("{} left out: {why}", crate::figures::plural(count as u64, noun)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, points: &[(f64, f64)]) -> Series {
        Series { name: name.into(), points: points.to_vec(), ..Series::default() }
    }

    fn chart(series: Vec<Series>) -> Chart {
        Chart { title: "t".into(), x: Axis::linear("x"), y: Axis::linear("y"), series, ..Chart::default() }
    }

    /// The places of the lines of series in a drawing.
    fn lines(svg: &str) -> Vec<Vec<(f64, f64)>> {
        let lines = svg.lines().filter(|l| l.starts_with("<polyline") && l.contains("class=\"l"));
        let points = lines.filter_map(|l| l.split_once("points=\"")?.1.split_once('"')).map(|p| p.0);
        let pair = |p: &str| p.split_once(',').map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()));
        // A name in the legend has a line of two points too: it is level, and the data of these tests are not.
        points
            .map(|p| p.split_whitespace().filter_map(pair).collect::<Vec<(f64, f64)>>())
            .filter(|p| p.first().map(|p| p.1) != p.last().map(|p| p.1))
            .collect()
    }

    #[test]
    fn points_stand_in_proportion() {
        let svg = chart(vec![series("", &[(0.0, 0.0), (1.0, 3.0), (4.0, 12.0)])]).svg();
        let line = lines(&svg).remove(0);
        let part = |of: fn(&(f64, f64)) -> f64| (of(&line[1]) - of(&line[0])) / (of(&line[2]) - of(&line[0]));
        assert!((part(|p| p.0) - 0.25).abs() < 2e-3 && (part(|p| p.1) - 0.25).abs() < 2e-3, "{line:?}");
        assert!(line[2].1 < line[0].1, "up is more");
    }

    #[test]
    fn a_logarithmic_axis_has_equal_ratios_at_equal_distances() {
        let mut chart = chart(vec![series("", &[(0.01, 1.0), (0.1, 2.0), (1.0, 3.0), (10.0, 4.0)])]);
        chart.x.log = true;
        let line = lines(&chart.svg()).remove(0);
        let steps: Vec<f64> = line.windows(2).map(|w| w[1].0 - w[0].0).collect();
        assert!(steps.iter().all(|s| (s - steps[0]).abs() <= 2.0), "{steps:?}");
    }

    #[test]
    fn what_has_no_place_breaks_the_line_and_is_said() {
        let points = [(1.0, 1.0), (2.0, 2.0), (3.0, f64::NAN), (4.0, 4.0), (5.0, 5.0), (6.0, -1.0)];
        let mut chart = chart(vec![series("", &points)]);
        let linear = chart.svg();
        assert_eq!(lines(&linear).iter().map(Vec::len).collect::<Vec<_>>(), [2, 3]);
        assert!(linear.contains("1 point left out: not finite"));
        chart.y.log = true;
        let log = chart.svg();
        assert_eq!(lines(&log).iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
        assert!(log.contains("2 points left out: not finite, or not above 0"));
    }

    #[test]
    fn a_point_alone_is_marked() {
        let one = chart(vec![series("", &[(1.0, 1.0)])]).svg();
        assert_eq!(one.matches("<circle").count(), 1);
        let mut marked = series("", &[(1.0, 1.0), (2.0, 5.0)]);
        marked.marks = true;
        assert_eq!(chart(vec![marked]).svg().matches("<circle").count(), 2);
    }

    #[test]
    fn a_band_lies_about_its_line_and_points_of_a_raster_have_none() {
        let mut with_band = series("z", &[(0.0, 1.0), (1.0, 2.0), (2.0, 1.5)]);
        with_band.band = vec![(0.0, 2.0), (1.0, 3.0), (0.5, 2.5)];
        let svg = chart(vec![with_band.clone()]).svg();
        let polygon = svg.lines().find(|l| l.starts_with("<polygon")).unwrap();
        assert!(polygon.contains("class=\"f0\"") && polygon.contains("opacity=\"0.2\""), "{polygon}");
        with_band.band.pop();
        assert!(!chart(vec![with_band]).svg().contains("<polygon"));
        let mut raster = series("", &[(0.0, 1.0), (1.0, 2.0), (2.0, 1.5)]);
        raster.scattered = true;
        let svg = chart(vec![raster]).svg();
        assert!(lines(&svg).is_empty());
        assert_eq!(svg.matches("<circle").count(), 3);
    }

    #[test]
    fn every_colour_has_a_class() {
        let many =
            (0..19).map(|k| series(&format!("β = {k}"), &[(0.0, f64::from(k)), (1.0, 2.0 * f64::from(k) + 1.0)]));
        let svg = chart(many.collect()).svg();
        let drawn = svg.split_once("</style>").unwrap().1;
        assert_eq!(drawn.matches("=\"#").count(), drawn.matches("class=\"").count());
        for stands_for in ["#01", "#02"] {
            assert!(!drawn.contains(stands_for));
        }
        // Colours come again after eight, with other strokes.
        assert_eq!(lines(&svg).len(), 19);
        assert_eq!(svg.matches("stroke-dasharray=\"20 14\"").count(), 2 * 8);
        assert_eq!(svg.matches("stroke-dasharray=\"6 12\"").count(), 2 * 3);
    }

    #[test]
    fn names_are_text() {
        let mut chart =
            chart(vec![series("<script>alert(1)</script>", &[(0.0, 1.0)]), series("fill=\"#010000\"", &[(0.0, 2.0)])]);
        chart.title = "\"a\" & <b>\u{0}".into();
        chart.x.label = "</text><script>".into();
        let svg = chart.svg();
        assert!(!svg.contains("<script") && !svg.contains("<b>") && !svg.contains('\u{0}'));
        assert!(svg.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && svg.contains("fill=&quot;#010000&quot;"));
    }

    #[test]
    fn a_chart_of_nothing_is_a_frame() {
        let svg = chart(vec![]).svg();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && lines(&svg).is_empty());
        assert_eq!(svg.matches("<svg").count(), 1);
        assert_eq!(svg.matches("</svg>").count(), 1);
    }
}
