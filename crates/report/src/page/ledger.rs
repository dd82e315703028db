//! The ledger of a fit on its page: a headline, what the reader must not miss, the tables, and what was checked.

use super::{Block, Fact, Headline};
use crate::document::Document;
use crate::figures::plural;
use crate::ledger::{Form, Ledger, Line, Number, Sums, Tone, Topic};

/// The most elements of one array that are shown, and how many of a larger one: a table that nobody reads to its end hides what
/// stands behind it.
const MOST: usize = 100;
const BEGINNING: usize = 10;
const FORM: Form = Form { whole: MOST, beginning: BEGINNING, aligned: true };

fn figure(name: &str, value: String, unit: impl Into<String>) -> Headline {
    Headline { name: name.into(), value, unit: unit.into() }
}

/// The figures that one looks for first.
pub(super) fn headline(document: &Document) -> Block {
    let (sums, account) = (Sums::from(document), &document.account);
    let (decimals, per) = (sums.decimals().min(3), sums.unit());
    let nats = |value: f64| Number::Nats(value, decimals).text();
    let error = account.free_energy_se.map_or_else(String::new, |se| format!(" ± {}", Number::Error(se).text()));
    let bits = Number::Bits(account.rate_bits(), decimals.min(2)).text();
    let mut list = vec![
        figure("Free energy F", nats(account.free_energy), format!("{per}{error}")),
        figure("Distortion D", nats(account.distortion), per),
        figure("Rate R", nats(account.rate), format!("{per} = {bits} bits")),
    ];
    if let Some(energy) = account.energy {
        let spikes = |value| Number::Spikes(value).text();
        let prior = account.prior_energy.map_or_else(String::new, |p| format!("; {} under the prior", spikes(p)));
        list.push(figure("Energy", spikes(energy), format!("spikes per row{prior}")));
    }
    if let Some(held) = &document.heldout {
        let rows = held.rows.map_or_else(String::new, |rows| format!(", {}", plural(rows, "row")));
        list.push(figure("Held-out F", nats(held.account.free_energy), format!("nats per row{rows}")));
        let r2 = held.account.r2.map(|r2| Number::Fraction(r2).text());
        list.extend(r2.map(|r2| figure("Held-out R²", r2, "of reconstructions from mean codes")));
    }
    Block::Headline(list)
}

/// The verdict in a sentence, then what speaks against the fit, each with what to try.
pub(super) fn summary(document: &Document, ledger: &Ledger) -> Vec<Block> {
    let verdict = &document.verdict;
    let test = verdict.test.clone().unwrap_or_default();
    let said = |tone, word: &str, text: String| Block::Notice(tone, word.into(), text);
    let mut blocks = vec![match (verdict.converged, verdict.judged()) {
        (true, Some(true)) => said(Tone::Good, "Converged, and every check of the fit passed.", test),
        (true, None) => said(Tone::Doubtful, "Converged, and not all of it was checked.", test),
        (true, Some(false)) => said(Tone::Bad, "Converged, and not to be relied on.", test),
        (false, _) => said(Tone::Bad, "Not converged.", test),
    }];
    blocks.extend(verdict.faults().into_iter().map(|fault| said(Tone::Bad, "Take care:", fault)));
    blocks.extend(verdict.omission().map(|omission| said(Tone::Doubtful, "Take care:", omission)));
    for bound in document.constraints.iter().filter(|c| !c.met) {
        blocks.push(said(Tone::Bad, "Not met:", bound.expr.clone()));
    }
    let biased = ledger.statements.iter().filter(|line| line.topic == Topic::Biased);
    blocks.extend(biased.map(|line| said(Tone::Doubtful, "Biased:", line.text())));
    blocks
}

/// Every table of the ledger but the posterior's.
pub(super) fn tables(ledger: &Ledger) -> Vec<Block> {
    let mut blocks = vec![Block::Table(ledger.account.clone())];
    blocks.extend(ledger.statements.iter().filter_map(|line| match line.topic {
        Topic::Evidence => Some(Block::Prose(line.text())),
        Topic::Minimised => Some(Block::Prose(format!("Minimised: {}.", line.text()))),
        // Biased terms stand in the summary.
        _ => None,
    }));
    blocks.extend(ledger.tables.iter().cloned().map(Block::Table));
    blocks
}

/// The parameters that were estimated.
pub(super) fn estimates(ledger: &Ledger) -> Vec<Block> {
    ledger.estimates.iter().map(|estimates| Block::Table(estimates.table(FORM))).collect()
}

/// The tables of the guide's draws, and of the same resampled.
pub(super) fn posteriors(ledger: &Ledger) -> Vec<Block> {
    ledger.posteriors.iter().map(|posterior| Block::Table(posterior.table(FORM))).collect()
}

/// The checks and notes; faults stand in the summary.
pub(super) fn checks(ledger: &Ledger) -> Vec<Block> {
    let lines = ledger.checks.iter().filter(|line| line.topic != Topic::Fault);
    vec![Block::Facts(lines.map(fact).collect())]
}

fn fact(line: &Line) -> Fact {
    Fact { name: line.topic.heading().into(), text: line.text(), note: line.topic.meaning().map(Into::into) }
}

impl Topic {
    fn heading(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Minimised => "minimised",
            Self::Biased => "biased",
            Self::LeftOut => "leave-one-out",
            Self::Verdict => "convergence",
            Self::Weights => "Pareto k̂",
            Self::Chains => "chains",
            Self::Starts => "starts",
            Self::Modes => "modes",
            Self::Draws => "draws",
            Self::Descent => "refinement",
            Self::Spread => "spread",
            Self::Fault | Self::Note => "note",
        }
    }

    /// An explanation for a newcomer.
    fn meaning(self) -> Option<&'static str> {
        match self {
            Self::LeftOut => {
                Some("elpd: the sum over rows of log p(row | all others), by reweighting the guide's draws.")
            }
            Self::Weights => Some(
                "k̂ says how heavy the tail is of the weights posterior / guide that the guide's draws have. Below 0.5 the \
                 guide is close to the posterior; up to 0.7 its draws stand for the posterior once they are resampled by \
                 these weights; above that a few draws carry all the weight, and none are resampled.",
            ),
            Self::Chains => Some(
                "R̂ compares the chains, and their halves, with each other: near 1 they tell the same. Effective draws are as many \
                 as independent ones would be worth. A trajectory diverges where the posterior is too sharply bent for its steps.",
            ),
            _ => None,
        }
    }
}
