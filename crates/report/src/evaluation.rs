//! The document of a finished fit on rows that it has not seen.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::account::{self, Account};
use crate::balance::{Imbalance, sums};
use crate::document::Term;
use crate::figures::plural;
use crate::ledger::refinement;
use crate::ledger::{Span, Sums, new_rows};
use crate::nested::Nested;
use crate::refinement::Refinement;
use crate::terminal::layout::Page;

/// The account of new rows under a finished fit. Figures are nats per new row unless a field says otherwise; of what
/// all rows share, each has the part that a row had in the fit.
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
    /// Which rows these are, where the fit had them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<Own>,
    /// Rows that were evaluated.
    pub rows: u64,
    /// Rows that the fit was made on.
    pub trained_rows: u64,
    /// The free energy and its parts.
    #[serde(flatten, serialize_with = "account::of_new_rows")]
    pub account: Account,
    /// Whether the guide has free parameters for each row, which were refitted with all else fixed.
    pub refitted: bool,
    /// The terms of the free energy; they add up to it.
    pub terms: Vec<Term>,
    /// What became of the descent that refines guides, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refinement: Option<Refinement>,
    /// Each row by itself; of rows that the fit saw, where that was asked for.
    pub by_row: ByRow,
    /// Notes for the reader.
    pub notes: Vec<String>,
}

/// Rows that a fit had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Own {
    /// Those that it held out.
    HeldOut,
    /// Those that it was made on.
    Trained,
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
        sums(Sums::from(self))
    }
}

impl ByRow {
    /// A table with a header line: `row,free_energy,distortion,rate,energy`, rows counted from 0. Numbers are written
    /// in the fewest digits that read back the same; without counts the last cell is empty.
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
    let mut page = Page::within(width, colour);
    page.heading(&evaluation.model, evaluation.title.as_deref());
    let rows = plural(evaluation.rows, "row");
    let these = match evaluation.own {
        None => plural(evaluation.rows, "new row"),
        Some(Own::HeldOut) => format!("{rows} held out"),
        Some(Own::Trained) => format!("{rows} of the fit"),
    };
    let old = plural(evaluation.trained_rows, "row");
    page.paragraph(Span::plain(""), 0, &[Span::faint(format!("{these}, by the fit of {old} in {}", evaluation.run))]);
    let refined = refinement::steps(evaluation.refinement.as_ref());
    for table in [Sums::from(evaluation).table(), new_rows(evaluation), refined] {
        if !table.rows.is_empty() {
            page.blank();
            page.ledger(&table);
        }
    }
    if let Some(found) = &evaluation.refinement {
        page.blank();
        let line = refinement::settled(found);
        page.labelled("refined", &line.spans);
    }
    let refitted = "the guide has free parameters for each row: those of the new rows were fitted with all else fixed";
    if evaluation.refitted {
        page.blank();
        page.labelled("note", &[Span::plain(refitted)]);
    }
    for note in &evaluation.notes {
        page.labelled("note", &[Span::plain(note)]);
    }
    page.into_text()
}
