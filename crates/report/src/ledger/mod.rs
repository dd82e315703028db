//! The ledger of a fit: every figure that a reader is shown, once, as typed cells that know neither terminal nor page.
//!
//! [`Ledger::of`] takes what a [`Document`] holds and decides what is said, in which unit and with how many digits.
//! [`terminal`](crate::terminal) and [`page`](crate::page) only decide where it stands.

mod account;
mod cell;
mod checks;
mod codes;
mod estimates;
mod posterior;
pub(crate) mod refinement;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use account::{Sums, new_rows};
pub(crate) use cell::NO_BREAK;
pub use cell::{Cell, Interval, Number, Room, Span, Tone, Value};
pub(crate) use estimates::Estimates;
pub(crate) use posterior::{Form, Posterior};
pub use table::{Column, Kind, Label, Row, Table};

use crate::document::{Document, LogEvidence, Term};
use crate::figures::{duration, fixed, percent, plural, significant};

/// The objective when a program states none; it needs no line of its own.
const DEFAULT_OBJECTIVE: &str = "distortion + rate";

/// The topic of a line of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// The bound on the evidence that the free energy is.
    Evidence,
    /// The objective, where it is not the free energy.
    Minimised,
    /// A term whose estimate is biased in training.
    Biased,
    /// Leave-one-out cross-validation.
    LeftOut,
    /// Whether the fit converged.
    Verdict,
    /// The importance weights of guide to posterior.
    Weights,
    /// The chains that stand for the guide.
    Chains,
    /// Other starts.
    Starts,
    /// The modes of the posterior.
    Modes,
    /// Other draws.
    Draws,
    /// The descent that refines guides.
    Descent,
    /// The spread that a mean-field guide leaves out.
    Spread,
    /// A fault of the fit.
    Fault,
    /// Notes for the reader.
    Note,
}

/// A line of a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) topic: Topic,
    pub(crate) spans: Vec<Span>,
}

impl Line {
    fn new(topic: Topic, text: impl AsRef<str>) -> Self {
        Self::toned(topic, text, Tone::Plain)
    }

    fn toned(topic: Topic, text: impl AsRef<str>, tone: Tone) -> Self {
        Self { topic, spans: vec![Span::new(text, tone)] }
    }

    /// Its words.
    pub(crate) fn text(&self) -> String {
        self.spans.iter().map(|span| span.text.replace(NO_BREAK, " ")).collect()
    }
}

/// Every figure of a fit that a reader is shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ledger<'a> {
    /// The model's name.
    pub(crate) model: &'a str,
    /// Its title, when it states one.
    pub(crate) title: Option<&'a str>,
    /// The facts of the fit: rows, steps, seconds, executor.
    pub(crate) facts: Vec<String>,
    /// The terms of the free energy, and their sums.
    pub(crate) account: Table,
    /// Statements on these.
    pub(crate) statements: Vec<Line>,
    /// Codes, prices, meters, bounds, rows that were held out; none of them empty.
    pub(crate) tables: Vec<Table>,
    /// The parameters.
    pub(crate) estimates: Option<Estimates<'a>>,
    /// Draws of the guide.
    pub(crate) posteriors: Vec<Posterior<'a>>,
    /// The checks of the fit.
    pub(crate) checks: Vec<Line>,
}

impl<'a> Ledger<'a> {
    /// The ledger of a fit.
    pub(crate) fn of(document: &'a Document) -> Self {
        let sums = Sums::from(document);
        let tables = [
            codes::codes(document),
            codes::split(document),
            refinement::steps(document.refinement.as_ref()),
            codes::meters(document),
            account::held_out(document),
            codes::prices(document),
            checks::bounds(document),
        ];
        Self {
            model: &document.model,
            title: document.title.as_deref(),
            facts: facts(document),
            account: sums.table(),
            statements: statements(document, sums),
            tables: tables.into_iter().filter(|table| !table.rows.is_empty()).collect(),
            estimates: Estimates::of(document),
            posteriors: posterior::posteriors(document),
            checks: checks::lines(document),
        }
    }
}

fn facts(document: &Document) -> Vec<String> {
    let mut facts = Vec::new();
    if document.rows > 1 {
        facts.push(plural(document.rows, "row"));
    }
    let steps = plural(document.steps, "step");
    facts.push(document.optimizer.as_ref().map_or(steps.clone(), |optimizer| format!("{steps} of {optimizer}")));
    facts.push(duration(document.seconds));
    facts.extend(document.executor.clone());
    facts.extend(document.nonzero_fraction.map(|part| format!("{} of counts not 0", percent(part))));
    facts.extend(document.threads.map(|threads| plural(threads, "thread")));
    facts
}

fn statements(document: &Document, sums: Sums) -> Vec<Line> {
    let mut evidence = sums.evidence();
    let bound = -document.account.free_energy_total.unwrap_or(f64::NAN);
    // Where the bound is as good as tight there is nothing to add.
    if let Some(LogEvidence { value, se }) = document.log_evidence.filter(|e| (e.value - bound).abs() > 0.01) {
        // No digit that the error has no say in.
        let decimals = usize::from(se < 0.05) + usize::from(se < 0.005) + 1;
        evidence.push_str(&format!("; by reweighted draws it is {}", fixed(value, decimals)));
        if se >= 0.001 {
            evidence.push_str(&format!(" ± {}", significant(se, 1)));
        }
    }
    let mut lines = vec![Line::new(Topic::Evidence, evidence)];
    let objective = document.objective.trim();
    if objective != DEFAULT_OBJECTIVE {
        let value = fixed(document.objective_value, sums.decimals());
        lines.push(Line::new(Topic::Minimised, format!("{objective} = {value} {}", sums.unit())));
    }
    let biased = document.terms.iter().filter(|term| term.biased);
    lines.extend(biased.map(|term| Line::new(Topic::Biased, bias(term))));
    lines
}

fn bias(term: &Term) -> String {
    match &term.bias {
        Some(bias) => format!("{}, in training: {bias}", term.name),
        None => format!("{}, in training, by an unknown amount", term.name),
    }
}
