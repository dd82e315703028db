//! The free energy as a table: its terms, their sums, and what they say about the evidence.

use super::cell::{Cell, Number, Tone};
use super::table::{Column, Kind, Label, Row, Table};
use crate::account::Account;
use crate::document::{Document, Term, TermKind};
use crate::evaluation::Evaluation;
use crate::figures::{adding_decimals, bits, count, fixed, plural};

/// Some rows, their account, and the terms that it is the sum of.
#[derive(Clone, Copy)]
pub(crate) struct Sums<'a> {
    pub(crate) rows: u64,
    pub(crate) account: &'a Account,
    pub(crate) terms: &'a [Term],
}

impl<'a> From<&'a Document> for Sums<'a> {
    fn from(document: &'a Document) -> Self {
        Self { rows: document.rows, account: &document.account, terms: &document.terms }
    }
}

impl<'a> From<&'a Evaluation> for Sums<'a> {
    fn from(evaluation: &'a Evaluation) -> Self {
        Self { rows: evaluation.rows, account: &evaluation.account, terms: &evaluation.terms }
    }
}

impl TermKind {
    /// The word for it in a ledger.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Distortion => "distortion",
            Self::Rate => "rate",
            Self::Penalty => "penalty",
        }
    }
}

impl Sums<'_> {
    /// The nats of distortions, and of rates.
    pub(crate) fn parts(&self) -> (Vec<f64>, Vec<f64>) {
        let part = |rate: bool| -> Vec<f64> {
            let terms = self.terms.iter().filter(|term| (term.kind != TermKind::Distortion) == rate);
            terms.map(|term| term.nats).collect()
        };
        (part(false), part(true))
    }

    /// The rate of what each row has of its own, and of what all rows share, where there are both.
    fn halves(&self) -> Option<(f64, f64)> {
        self.account.local_rate.zip(self.account.global_rate)
    }

    /// Decimals with which the terms and their sums, as written, add up.
    pub(crate) fn decimals(&self) -> usize {
        let Account { free_energy, distortion, rate, .. } = *self.account;
        let (distortions, rates) = self.parts();
        let halves = self.halves().map_or(vec![rate], |(local, global)| vec![local, global]);
        adding_decimals(&[
            (&distortions, distortion),
            (&rates, rate),
            (&halves, rate),
            (&[distortion, rate], free_energy),
        ])
    }

    /// Whether the sums of distortions and of rates are worth a line each: they are more than one term.
    fn has_sums(&self) -> bool {
        let (distortions, rates) = self.parts();
        distortions.len() > 1 || rates.len() > 1 || self.halves().is_some()
    }

    /// The table of the terms and their sums.
    pub(crate) fn table(&self) -> Table {
        let decimals = self.decimals();
        let nats = |value: f64| Cell::from(Number::Nats(value, decimals));
        let in_bits = |nats: f64| Cell::from(Number::Bits(bits(nats), decimals));
        let se = |se: Option<f64>| Cell::of(se, Number::Error).toned(Tone::Faint);
        let [title, caption] = match self.rows {
            0 | 1 => ["free energy", "Free energy"],
            _ => ["free energy per row", "Free energy per row"],
        };
        let columns = [
            Column::point("nats"),
            Column::point("± se"),
            Column::point("bits"),
            Column::new("estimator", Kind::Prose),
            Column::new("because", Kind::Reason),
        ];
        let mut table = Table::new(title, caption, columns).ruled();
        for term in self.terms {
            // A penalty is no information.
            let information = if term.kind == TermKind::Penalty { Cell::empty() } else { in_bits(term.nats) };
            let [estimator, reason] = estimator(term);
            let label = Label::Term(term.kind, term.name.clone());
            table.row(label, [nats(term.nats), se(term.se), information, estimator, reason]);
        }
        if self.has_sums() {
            let Account { distortion, rate, .. } = *self.account;
            let sum = |label: Label, value: f64| Row::sum(label, [nats(value), Cell::empty(), in_bits(value)]);
            table.rows.push(sum(Label::Text("D".into()), distortion));
            table.rows.push(sum(Label::Text("R".into()), rate));
            if let Some((local, global)) = self.halves() {
                let label = |text: &str| Label::Told(format!("  {text}"), text.into());
                table.rows.push(sum(label("local"), local));
                table.rows.push(sum(label("global / rows"), global));
                table = table.explained(
                    "local: the rate of what each row has of its own. global / rows: that of what all rows share, divided by \
                     their number.",
                );
            }
        }
        let Account { free_energy, free_energy_se, .. } = *self.account;
        let whole = [nats(free_energy), se(free_energy_se), in_bits(free_energy)];
        table.rows.push(Row::sum(Label::Text("F = D + R".into()), whole).strong());
        table
    }

    /// The bound on the evidence that the free energy is.
    pub(crate) fn evidence(&self) -> String {
        let total = self.account.free_energy_total.unwrap_or(f64::NAN);
        // One decimal place less for each power of ten of the rows, so that no digit is shown that the figures lack.
        let powers = self.rows.max(1).ilog10() as usize;
        let decimals = self.decimals().saturating_sub(powers);
        let rows = if self.rows > 1 { format!(" over all {} rows", count(self.rows)) } else { String::new() };
        let penalised = self.terms.iter().any(|term| term.kind == TermKind::Penalty);
        let latents = self.terms.iter().any(|term| term.kind != TermKind::Distortion);
        let mut text = if !latents {
            // Without latents there is nothing to integrate: it is no evidence, and no bound of one.
            format!("log likelihood {} nats{rows}", fixed(-total, decimals))
        } else if penalised {
            format!("F = {} nats{rows}; with a penalty in it, no bound on the evidence", fixed(total, decimals))
        } else {
            format!("log evidence ≥ {} nats{rows}", fixed(-total, decimals))
        };
        if self.account.up_to_constant {
            text.push_str("; known up to a constant, as a Flat prior is not normalised");
        }
        text
    }

    /// The unit of its figures.
    pub(crate) fn unit(&self) -> &'static str {
        if self.rows > 1 { "nats per row" } else { "nats" }
    }
}

/// The estimator of a term, and the reason for it.
fn estimator(term: &Term) -> [Cell; 2] {
    let (text, tone) = match term.biased {
        true => (format!("{}, biased", term.estimator), Tone::Doubtful),
        false => (term.estimator.clone(), Tone::Faint),
    };
    [Cell::text(text).toned(tone), Cell::text(&term.reason).toned(Tone::Faint)]
}

/// Accounts of rows that the fit was not made on, a line each.
fn accounts(title: &str, caption: &str) -> Table {
    let columns = [
        Column::point("F").page("F, nats"),
        Column::point("D").page("D, nats"),
        Column::point("R").page("R, nats"),
        Column::point("spikes"),
        Column::point("prior").page("prior spikes"),
        Column::point("R²"),
    ];
    Table::new(title, caption, columns)
}

/// One line of [`accounts`]: F, D and R, spikes, and R².
fn line([f, d, r]: [f64; 3], spikes: [Option<f64>; 2], r2: Option<f64>) -> Vec<Cell> {
    let decimals = adding_decimals(&[(&[d, r], f)]);
    let nats = [f, d, r].map(|value| Number::Nats(value, decimals).into());
    let spikes = spikes.map(|spikes| Cell::of(spikes, Number::Spikes));
    nats.into_iter().chain(spikes).chain([Cell::of(r2, Number::Fraction)]).collect()
}

fn per_row(account: &Account) -> Vec<Cell> {
    let Account { free_energy, distortion, rate, energy, prior_energy, r2, .. } = *account;
    line([free_energy, distortion, rate], [energy, prior_energy], r2)
}

/// The rows that a fit did not see.
pub(super) fn held_out(document: &Document) -> Table {
    let mut table = accounts("held out", "Rows held out, per row");
    if let Some(held) = &document.heldout {
        let label = held.rows.map_or_else(|| "per row".into(), |rows| plural(rows, "row"));
        table.row(Label::Text(label), per_row(&held.account));
    }
    table
}

/// Rows that were evaluated: in the mean, and all together.
pub(crate) fn new_rows(evaluation: &Evaluation) -> Table {
    let mut table = match evaluation.own {
        None => accounts("new rows", "New rows"),
        Some(_) => accounts("rows", "Rows"),
    };
    let account = &evaluation.account;
    table.row(Label::Text("mean".into()), per_row(account));
    let total = |total: Option<f64>| total.unwrap_or(f64::NAN);
    let all = [account.free_energy_total, account.distortion_total, account.rate_total].map(total);
    let spikes = [account.energy, account.prior_energy].map(|spikes| spikes.map(|s| s * evaluation.rows as f64));
    table.row(Label::Text("total".into()), line(all, spikes, None));
    table
}
