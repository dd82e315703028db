//! The document of a finished fit on rows that it has not seen.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::account::{self, Account};
use crate::balance::{Imbalance, balance};
use crate::document::{Document, Term};
use crate::figures::{adding_decimals, fixed, plural, significant};
use crate::layout::{Align, Page, Span, Table};
use crate::nested::Nested;
use crate::terminal::{LABEL, WIDTH, filled, terms};

/// What a finished fit says of new rows. Figures are nats per new row unless a field says otherwise; of what all rows share,
/// each has the part that a row had in the fit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The model's name.
    pub model: String,
    /// Its title, when it states one.
    #[serde(default)]
    pub title: Option<String>,
    /// The run directory.
    pub run: String,
    /// The version of the compiler.
    pub fe_version: String,
    /// New rows.
    pub rows: u64,
    /// Rows that the fit was made on.
    pub trained_rows: u64,
    /// The free energy and what it is made of.
    #[serde(flatten, serialize_with = "account::of_new_rows")]
    pub account: Account,
    /// Whether the guide has free parameters for each row, which were refitted with all else fixed.
    pub refitted: bool,
    /// The terms of the free energy; they add up to it.
    pub terms: Vec<Term>,
    /// Each row by itself.
    pub by_row: ByRow,
    /// What else the reader must know.
    pub notes: Vec<String>,
}

/// The figures of each row, in the order of the data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ByRow {
    /// Distortion + rate, nats.
    pub free_energy: Nested,
    /// Distortion, nats.
    pub distortion: Nested,
    /// Rate, nats.
    pub rate: Nested,
    /// Expected spikes; none without counts.
    pub energy: Option<Nested>,
}

impl Evaluation {
    /// Checks that the terms add up.
    ///
    /// # Errors
    /// The first sum that does not hold.
    pub fn balance(&self) -> Result<(), Imbalance> {
        balance(&ledger(self), false)
    }
}

impl ByRow {
    /// A table with a header line: `row,free_energy,distortion,rate,energy`, rows counted from 0. Numbers are written in the
    /// fewest digits that read back the same; without counts the last cell is empty.
    pub fn csv(&self) -> String {
        let mut text = String::from("row,free_energy,distortion,rate,energy\n");
        let columns = [&self.free_energy, &self.distortion, &self.rate].map(Nested::values);
        let energy = self.energy.as_ref().map(Nested::values);
        for row in 0..self.free_energy.values().len() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{row}");
            for column in columns.iter().copied().map(Some).chain([energy]) {
                text.push(',');
                if let Some(figure) = column.and_then(|c| c.get(row)) {
                    let _ = write!(text, "{figure:?}");
                }
            }
            text.push('\n');
        }
        text
    }
}

/// The ledger of new rows, within `width` columns (taken as 60 to 120), with ANSI colour if asked for.
pub fn evaluation_terminal(evaluation: &Evaluation, width: usize, colour: bool) -> String {
    let mut page = Page::new(width.clamp(WIDTH.0, WIDTH.1), colour);
    let mut name = vec![Span::strong(&evaluation.model)];
    name.extend(evaluation.title.iter().map(|title| Span::plain(format!(" · {title}"))));
    page.paragraph(Span::plain(""), 0, &name);
    let (new, old) = (plural(evaluation.rows, "new row"), plural(evaluation.trained_rows, "row"));
    page.paragraph(Span::plain(""), 0, &[Span::faint(format!("{new}, by the fit of {old} in {}", evaluation.run))]);
    terms(&mut page, &ledger(evaluation));
    totals(&mut page, evaluation);
    if evaluation.refitted {
        let text = "the guide has free parameters for each row: those of the new rows were fitted with all else fixed";
        page.blank();
        page.paragraph(Span::strong("note"), LABEL, &[Span::plain(text)]);
    }
    for note in &evaluation.notes {
        page.paragraph(Span::strong("note"), LABEL, &[Span::plain(note)]);
    }
    page.into_text()
}

/// What the table of terms needs.
fn ledger(e: &Evaluation) -> Document {
    Document { rows: e.rows, terms: e.terms.clone(), account: e.account, ..Document::default() }
}

fn totals(page: &mut Page, e: &Evaluation) {
    let columns = ["F", "D", "R", "spikes", "prior", "R²"].map(|name| (name, Align::Point));
    let mut table = Table::new("new rows", &columns);
    let mut line = |label: &str, [f, d, r]: [f64; 3], spikes: [Option<f64>; 2], r2: Option<f64>| {
        let decimals = adding_decimals(&[(&[d, r], f)]);
        let figures = [f, d, r].map(|v| Span::plain(fixed(v, decimals)));
        let spikes = spikes.map(|spikes| filled(spikes, |spikes| significant(spikes, 4)));
        table.row(&Span::plain(label), figures.into_iter().chain(spikes).chain([filled(r2, |r2| fixed(r2, 3))]));
    };
    let a = &e.account;
    let spikes = [a.energy, a.prior_energy];
    line("mean", [a.free_energy, a.distortion, a.rate], spikes, a.r2);
    let all = [a.free_energy_total, a.distortion_total, a.rate_total].map(|total| total.unwrap_or(f64::NAN));
    line("total", all, spikes.map(|spikes| spikes.map(|spikes| spikes * e.rows as f64)), None);
    page.blank();
    page.table(&table);
}
