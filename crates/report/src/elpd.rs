//! Fits beside each other by how well they predict rows that they have not seen: differences of elpd, with their errors over rows.

use serde::{Deserialize, Serialize};

use crate::document::{Document, LeaveOneOut};
use crate::figures::plural;
use crate::ledger::{Cell, Column, Label, Number, Table, Tone, Value};
use crate::nested::number;
use crate::terminal::layout::Page;

/// Why fits cannot be compared by leave-one-out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incomparable {
    /// One of them has none.
    #[error(
        "`{0}` has no leave-one-out cross-validation: it is there where rows depend on shared latents alone, and are not in \
         batches"
    )]
    NoLoo(String),
    /// They are of other numbers of rows.
    #[error("`{0}` is of {1} rows, and `{2}` of {3}: only fits to the same rows can be compared")]
    Rows(String, usize, String, usize),
    /// There are none.
    #[error("there are no fits to compare")]
    Nothing,
}

/// Fits by elpd, the best first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ElpdTable {
    /// Rows that each was left out of.
    pub rows: u64,
    /// The fits.
    pub fits: Vec<Elpd>,
    /// What the reader should know.
    pub notes: Vec<String>,
}

/// A fit among others. nats over all rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Elpd {
    /// What it is called.
    pub name: String,
    /// Its model.
    pub model: String,
    /// Σ log p(row | all others).
    #[serde(with = "number")]
    pub elpd: f64,
    /// Its standard error over rows.
    #[serde(with = "number")]
    pub se: f64,
    /// The effective number of parameters.
    #[serde(with = "number")]
    pub p_loo: f64,
    /// Its elpd less that of the best; 0 for that.
    #[serde(with = "number")]
    pub difference: f64,
    /// The standard error of that difference, row by row.
    #[serde(with = "number")]
    pub difference_se: f64,
    /// Rows whose share is not to be relied on.
    pub unreliable: u64,
    /// The free energy, nats per row.
    #[serde(with = "number")]
    pub free_energy: f64,
    /// Distortion, nats per row.
    #[serde(with = "number")]
    pub distortion: f64,
    /// Rate, nats per row.
    #[serde(with = "number")]
    pub rate: f64,
    /// Whether its fit converged.
    pub converged: bool,
}

/// The differences of fits to the same rows.
///
/// # Errors
/// When one has no leave-one-out, or they are of other numbers of rows.
pub fn elpd_table(documents: &[(String, Document)]) -> Result<ElpdTable, Incomparable> {
    let mut all: Vec<(&str, &Document, &LeaveOneOut)> = vec![];
    for (name, document) in documents {
        let loo = document.loo.as_ref().ok_or_else(|| Incomparable::NoLoo(name.clone()))?;
        all.push((name, document, loo));
    }
    all.sort_by(|a, b| b.2.elpd.total_cmp(&a.2.elpd));
    let Some(&(best_name, _, best)) = all.first() else { return Err(Incomparable::Nothing) };
    let rows = best.rows.values().len();
    if let Some((name, _, other)) = all.iter().find(|f| f.2.rows.values().len() != rows) {
        return Err(Incomparable::Rows(best_name.into(), rows, (*name).into(), other.rows.values().len()));
    }
    let fits = all.iter().map(|&(name, document, loo)| elpd(name, document, loo, best)).collect::<Vec<_>>();
    let mut notes = vec![];
    let doubtful: Vec<&str> = fits.iter().filter(|f| f.unreliable > 0).map(|f| f.name.as_str()).collect();
    if !doubtful.is_empty() {
        notes.push(format!("of {} some rows cannot be left out by reweighting (k̂ above 0.7)", doubtful.join(", ")));
    }
    if rows < 100 {
        notes.push(format!(
            "with {} an error of a difference is itself known to a tenth or two at best",
            plural(rows as u64, "row")
        ));
    }
    Ok(ElpdTable { rows: rows as u64, fits, notes })
}

fn elpd(name: &str, document: &Document, loo: &LeaveOneOut, best: &LeaveOneOut) -> Elpd {
    let differences: Vec<f64> = loo.rows.values().iter().zip(best.rows.values()).map(|(a, b)| a - b).collect();
    let (n, total) = (differences.len().max(1) as f64, differences.iter().sum::<f64>());
    let variance = differences.iter().map(|d| (d - total / n).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let account = &document.account;
    Elpd {
        name: name.into(),
        model: document.model.clone(),
        elpd: loo.elpd,
        se: loo.se,
        p_loo: loo.p_loo,
        difference: total,
        difference_se: (n * variance).sqrt(),
        unreliable: loo.unreliable,
        free_energy: account.free_energy,
        distortion: account.distortion,
        rate: account.rate,
        converged: document.verdict.converged,
    }
}

/// The table within `width` columns (taken as 60 to 120), with ANSI colour if asked for.
pub fn elpd_terminal(of: &ElpdTable, width: usize, colour: bool) -> String {
    let mut page = Page::within(width, colour);
    let columns = [
        Column::point("elpd"),
        Column::point("se"),
        Column::point("difference"),
        Column::point("se"),
        Column::point("p_loo"),
        Column::point("F"),
        Column::point("D"),
        Column::point("R"),
        Column::word(""),
    ];
    let mut table = Table::new("leave-one-out", "Fits by leave-one-out cross-validation, nats over all rows", columns);
    for fit in &of.fits {
        let one = |value: f64| Cell::from(Number::Fixed(value, 1));
        let per_row = |value: f64| Cell::from(Number::Fixed(value, 3));
        let said = if fit.converged { Cell::empty() } else { Cell::text("not converged").toned(Tone::Doubtful) };
        let best = fit.difference == 0.0 && fit.difference_se == 0.0;
        let difference = if best { Cell::empty() } else { Value::Difference(Number::Fixed(fit.difference, 1)).into() };
        let cells = [
            one(fit.elpd),
            one(fit.se).toned(Tone::Faint),
            difference,
            if best { Cell::empty() } else { one(fit.difference_se).toned(Tone::Faint) },
            one(fit.p_loo),
            per_row(fit.free_energy),
            per_row(fit.distortion),
            per_row(fit.rate),
            said,
        ];
        table.row(Label::Name(fit.name.clone()), cells);
    }
    page.ledger(&table);
    page.notes(of.notes.iter().map(String::as_str));
    page.into_text()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn fit(name: &str, rows: &[f64]) -> (String, Document) {
        let loo = LeaveOneOut { elpd: rows.iter().sum(), rows: rows.to_vec().into(), ..LeaveOneOut::default() };
        (name.into(), Document { loo: Some(loo), ..Document::default() })
    }

    #[test]
    fn the_best_comes_first_and_differences_are_taken_row_by_row() {
        let found = elpd_table(&[fit("a", &[-2.0, -3.0, -1.0]), fit("b", &[-1.0, -2.5, -1.0])]).unwrap();
        assert_eq!(found.fits.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["b", "a"]);
        // Differences −1, −0.5, 0: their sum, and √(n · variance) = √(3 · 0.25).
        assert!((found.fits[1].difference + 1.5).abs() < 1e-15);
        assert!((found.fits[1].difference_se - 0.75f64.sqrt()).abs() < 1e-15);
        assert_eq!(found.fits[0].difference, 0.0);
    }

    #[test]
    fn fits_to_other_rows_are_refused() {
        let other = elpd_table(&[fit("a", &[-2.0]), fit("b", &[-1.0, -2.5])]);
        assert_eq!(other, Err(Incomparable::Rows("a".into(), 1, "b".into(), 2)));
        let without = ("c".to_owned(), Document::default());
        assert_eq!(elpd_table(&[without]), Err(Incomparable::NoLoo("c".into())));
        assert_eq!(elpd_table(&[]), Err(Incomparable::Nothing));
    }
}
