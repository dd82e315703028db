//! The table of a posterior: one line per element, and a picture of the intervals where there is room.

use indexmap::IndexMap;

use crate::document::Summary;
use crate::figures::{NONE, count, decimals, fixed, significant};
use crate::layout::{Align, Page, Span, Table, Tone, elide};
use crate::nested::Nested;
use crate::terminal::NAME;
use crate::verdict::Verdict;

/// Elements of one array that are all shown, and how many are where it has more.
const WHOLE: usize = 12;
const BEGINNING: usize = 8;

/// Columns for the intervals: not drawn below the first, no wider than the second.
const PLOT: (usize, usize) = (24, 40);

/// Significant digits of the standard deviation.
const SD_DIGITS: i32 = 3;

/// How a table is written.
#[derive(Clone, Copy)]
struct Form {
    /// Decimal points under each other, and one number of decimals for each array where one suits it.
    aligned: bool,
    /// Columns for the intervals.
    plot: usize,
}

/// Prints the table under its title: with intervals if they fit, and if even the numbers do not, without aligning
/// their points.
pub(crate) fn print(page: &mut Page, title: &str, posterior: &IndexMap<String, Summary>) {
    let bare = table(title, posterior, Form { aligned: true, plot: 0 });
    let [wide, narrow] = bare.widths();
    let room = page.width.saturating_sub(wide + 4).min(PLOT.1);
    if room >= PLOT.0 {
        page.table(&table(title, posterior, Form { aligned: true, plot: room }));
    } else if narrow <= page.width {
        page.table(&bare);
    } else {
        page.table(&table(title, posterior, Form { aligned: false, plot: 0 }));
    }
}

fn table(title: &str, posterior: &IndexMap<String, Summary>, form: Form) -> Table {
    let align = if form.aligned { Align::Point } else { Align::Right };
    let mut columns = ["mean", "sd", "5 %", "50 %", "95 %"].map(|name| (name, align)).to_vec();
    columns.push(("5 % ───●─── 95 %", Align::Left));
    let mut table = Table::new(title, &columns);
    for (name, summary) in posterior {
        let name = elide(name, NAME);
        let size = summary.mean.values().len();
        let shown = if size > WHOLE { BEGINNING } else { size };
        let rows: Vec<[f64; 5]> = (0..shown).map(|element| figures(summary, element)).collect();
        let scale = Scale::of(&rows, form.plot);
        let alike = form.aligned && alike(&rows);
        for (element, row) in rows.iter().enumerate() {
            let decimals = sd_decimals(if alike { &rows } else { std::slice::from_ref(row) });
            let mut cells: Vec<Span> = row.iter().map(|&value| Span::plain(write(value, decimals))).collect();
            cells.extend(scale.as_ref().map(|scale| Span::plain(scale.draw(row))));
            table.row(&Span::plain(format!("{name}{}", summary.mean.place(element))), cells);
        }
        if shown < size {
            table.remark(Span::faint(format!("… {} more of {name} in fit.json", count((size - shown) as u64))));
        }
    }
    table
}

/// Mean, sd and the three quantiles of one element; NaN where one is missing.
pub(crate) fn figures(summary: &Summary, element: usize) -> [f64; 5] {
    let at = |array: &Nested| array.values().get(element).copied().unwrap_or(f64::NAN);
    [&summary.mean, &summary.sd, &summary.q05, &summary.q50, &summary.q95].map(at)
}

/// The standard deviations that are positive and finite.
fn sds(rows: &[[f64; 5]]) -> impl Iterator<Item = f64> {
    rows.iter().map(|&[_, sd, ..]| sd).filter(|sd| *sd > 0.0 && sd.is_finite())
}

/// Whether one number of decimals suits all rows.
pub(crate) fn alike(rows: &[[f64; 5]]) -> bool {
    sds(rows).fold(0.0, f64::max) <= 100.0 * sds(rows).fold(f64::INFINITY, f64::min)
}

/// Decimals that give the smallest standard deviation three significant digits. None where they are more than can be
/// read, or nothing varies.
pub(crate) fn sd_decimals(rows: &[[f64; 5]]) -> Option<usize> {
    let smallest = sds(rows).fold(f64::INFINITY, f64::min);
    (1e-6..1e9).contains(&smallest).then(|| decimals(smallest, SD_DIGITS))
}

pub(crate) fn write(value: f64, decimals: Option<usize>) -> String {
    match decimals {
        _ if value.is_nan() => NONE.into(),
        Some(decimals) => fixed(value, decimals),
        None => significant(value, 4),
    }
}

/// The common scale of an array's intervals.
struct Scale {
    low: f64,
    high: f64,
    columns: usize,
}

impl Scale {
    /// None without room, for a single element, or where the intervals have no extent.
    fn of(rows: &[[f64; 5]], columns: usize) -> Option<Self> {
        let low = rows.iter().map(|&[_, _, q05, ..]| q05).fold(f64::INFINITY, f64::min);
        let high = rows.iter().map(|&[.., q95]| q95).fold(f64::NEG_INFINITY, f64::max);
        let extent = high - low;
        (columns > 0 && rows.len() > 1 && extent > 0.0 && extent.is_finite()).then_some(Self { low, high, columns })
    }

    fn column(&self, value: f64) -> usize {
        let last = self.columns.saturating_sub(1);
        // The conversion saturates, and takes NaN to 0.
        (((value - self.low) / (self.high - self.low) * last as f64).round() as usize).min(last)
    }

    fn draw(&self, &[_, _, q05, q50, q95]: &[f64; 5]) -> String {
        if ![q05, q50, q95].iter().all(|quantile| quantile.is_finite()) {
            return String::new();
        }
        let (from, median, to) = (self.column(q05), self.column(q50), self.column(q95));
        let zero = (self.low < 0.0 && 0.0 < self.high).then(|| self.column(0.0));
        let draw = |column| match (column == median, (from..=to).contains(&column), Some(column) == zero) {
            (true, _, _) => '●',
            (_, true, true) => '┼',
            (_, true, false) => '─',
            (_, false, true) => '┊',
            (_, false, false) => ' ',
        };
        (0..self.columns).map(draw).collect()
    }
}

/// The tone of k̂, and what it says about the guide.
pub(crate) fn khat_meaning(khat: f64, verdict: &Verdict) -> (Tone, &'static str) {
    if verdict.misses() && khat <= 1.0 {
        (Tone::Bad, "the guide is too far from the posterior to be corrected; doubt its spread and tails")
    } else if verdict.misses() {
        (Tone::Bad, "the guide misses the posterior, which is not to be trusted")
    } else if !verdict.resampled() && verdict.corrected() {
        (Tone::Plain, "the guide is too light in its tails to resample; draws from a wider proposal correct it")
    } else if !verdict.resampled() {
        (
            Tone::Plain,
            "the guide is close to the posterior where its draws fall, and too light in the far tails to resample",
        )
    } else if khat >= 0.5 {
        (Tone::Plain, "the guide is near enough for resampling to correct it")
    } else {
        (Tone::Good, "the guide is close to the posterior")
    }
}
