//! The posterior: a line for each element, with its interval.

use indexmap::IndexMap;

use super::cell::{Cell, Interval, Number, Value};
use super::table::{Column, Kind, Label, Table};
use crate::document::{Document, Labels, Summary};
use crate::figures::{count, decimals};
use crate::nested::Nested;

/// Significant digits of the standard deviation.
const SD_DIGITS: i32 = 3;

/// Draws of the guide, as they are or resampled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Posterior<'a> {
    title: &'static str,
    caption: &'static str,
    note: Option<&'static str>,
    summaries: &'a IndexMap<String, Summary>,
    labels: &'a Labels,
}

/// The part of a posterior that is shown, and its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// Elements of one array that are all shown.
    pub(crate) whole: usize,
    /// The number that are shown of an array with more.
    pub(crate) beginning: usize,
    /// Decimal points under each other, and one number of decimals for each array where one suits it.
    pub(crate) aligned: bool,
}

/// The guide's draws, and the same resampled where they are; those of no global are left out.
pub(super) fn posteriors(document: &Document) -> Vec<Posterior<'_>> {
    let by_chains = document.verdict.nuts.is_some();
    // Titles of one length keep the columns of the two tables under each other.
    let drawn = Posterior {
        title: if by_chains { "the guide" } else { "posterior" },
        caption: "Draws of the guide",
        note: None,
        summaries: &document.posterior,
        labels: &document.labels,
    };
    let resampled = document.posterior_resampled.as_ref().map(|summaries| Posterior {
        title: "resampled",
        caption: "The same draws, resampled by Pareto-smoothed importance weights",
        note: Some(
            "Each draw of the guide is kept with a probability in proportion to posterior density / guide density, so that \
             what is left is closer to the posterior than the guide is.",
        ),
        summaries,
        labels: &document.labels,
    });
    let chains = Posterior {
        title: "from NUTS",
        caption: "The posterior by chains of NUTS",
        note: Some("Draws of Markov chains, which started around the guide and moved in its noise."),
        ..resampled.unwrap_or(drawn)
    };
    let resampled = resampled.map(|resampled| if by_chains { chains } else { resampled });
    [Some(drawn), resampled].into_iter().flatten().filter(|p| !p.summaries.is_empty()).collect()
}

impl Posterior<'_> {
    /// Its table in some form.
    pub(crate) fn table(&self, form: Form) -> Table {
        let kind = if form.aligned { Kind::Point } else { Kind::Right };
        let numbers = ["mean", "sd", "5 %", "50 %", "95 %"].map(|name| Column::new(name, kind));
        let interval = Column::word("5 % ───●─── 95 %").page("5 % — 50 % — 95 %");
        let mut table = Table::new(self.title, self.caption, numbers.into_iter().chain([interval]));
        table.notes.extend(self.note);
        for (name, summary) in self.summaries {
            let size = summary.mean.values().len();
            let shown = if size > form.whole { form.beginning } else { size };
            let rows: Vec<[f64; 5]> = (0..shown).map(|element| figures(summary, element)).collect();
            let scale = Scale::of(&rows);
            let alike = form.aligned && alike(&rows);
            for (element, row) in rows.iter().enumerate() {
                let decimals = sd_decimals(if alike { &rows } else { std::slice::from_ref(row) });
                let numbers = row.iter().map(|&value| Cell::from(Number::Drawn(value, decimals)));
                let interval = scale.as_ref().and_then(|scale| scale.interval(row));
                let interval = interval.map_or_else(Cell::empty, |interval| Value::Interval(interval).into());
                let label = Label::Element(name.clone(), summary.mean.named_place(element, &summary.axes, self.labels));
                table.row(label, numbers.chain([interval]));
            }
            if shown < size {
                table.remark_on(&format!("… {} more of ", count((size - shown) as u64)), name, " in fit.json");
            }
        }
        table
    }
}

/// Mean, sd and the three quantiles of one element; NaN where one is missing.
fn figures(summary: &Summary, element: usize) -> [f64; 5] {
    let at = |array: &Nested| array.values().get(element).copied().unwrap_or(f64::NAN);
    [&summary.mean, &summary.sd, &summary.q05, &summary.q50, &summary.q95].map(at)
}

/// The standard deviations that are positive and finite.
fn sds(rows: &[[f64; 5]]) -> impl Iterator<Item = f64> {
    rows.iter().map(|&[_, sd, ..]| sd).filter(|sd| *sd > 0.0 && sd.is_finite())
}

/// Whether one number of decimals suits all rows.
fn alike(rows: &[[f64; 5]]) -> bool {
    sds(rows).fold(0.0, f64::max) <= 100.0 * sds(rows).fold(f64::INFINITY, f64::min)
}

/// Decimals that give the smallest standard deviation three significant digits. None where they are more than can be
/// read, or nothing varies.
fn sd_decimals(rows: &[[f64; 5]]) -> Option<usize> {
    let smallest = sds(rows).fold(f64::INFINITY, f64::min);
    (1e-6..1e9).contains(&smallest).then(|| decimals(smallest, SD_DIGITS))
}

/// The common scale of an array's intervals.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// None for a single element, which alone has no scale to stand on, or where the intervals have no extent.
    fn of(rows: &[[f64; 5]]) -> Option<Self> {
        let low = rows.iter().map(|&[_, _, q05, ..]| q05).fold(f64::INFINITY, f64::min);
        let high = rows.iter().map(|&[.., q95]| q95).fold(f64::NEG_INFINITY, f64::max);
        let extent = high - low;
        (rows.len() > 1 && extent > 0.0 && extent.is_finite()).then_some(Self { low, high })
    }

    fn part(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// None where a quantile is not finite.
    fn interval(&self, &[_, _, q05, q50, q95]: &[f64; 5]) -> Option<Interval> {
        let zero = (self.low < 0.0 && 0.0 < self.high).then(|| self.part(0.0));
        let finite = [q05, q50, q95].iter().all(|quantile| quantile.is_finite());
        finite.then(|| Interval { from: self.part(q05), at: self.part(q50), to: self.part(q95), zero })
    }
}
