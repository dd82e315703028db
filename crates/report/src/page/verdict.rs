//! Whether a fit can be relied on, in plain words, and what speaks against it.

use super::{Block, Mood};
use crate::document::Document;
use crate::figures::{fixed, percent};
use crate::layout::{NO_BREAK, Tone};
use crate::verdict::Verdict;
use crate::{posterior, terminal};

impl From<Tone> for Mood {
    fn from(tone: Tone) -> Self {
        match tone {
            Tone::Plain | Tone::Strong | Tone::Faint => Self::Plain,
            Tone::Good => Self::Good,
            Tone::Doubtful => Self::Doubtful,
            Tone::Bad => Self::Bad,
        }
    }
}

/// The verdict in a sentence, then what speaks against the fit, each with what to try.
pub(super) fn summary(document: &Document) -> Vec<Block> {
    let verdict = &document.verdict;
    let test = verdict.test.clone().unwrap_or_default();
    let said = |mood, word: &str, text: String| Block::Notice(mood, word.into(), text);
    let mut blocks = vec![match (verdict.converged, verdict.holds()) {
        (true, true) => said(Mood::Good, "Converged, and nothing that was checked speaks against the fit.", test),
        (true, false) => said(Mood::Bad, "Converged, and not to be relied on.", test),
        (false, _) => said(Mood::Bad, "Not converged.", test),
    }];
    blocks.extend(verdict.faults().into_iter().map(|fault| said(Mood::Bad, "Take care:", fault)));
    for bound in document.constraints.iter().filter(|c| !c.met) {
        blocks.push(said(Mood::Bad, "Not met:", bound.expr.clone()));
    }
    for term in document.terms.iter().filter(|t| t.biased) {
        let size = term.bias.clone().unwrap_or_else(|| "by an unknown amount".into());
        blocks.push(said(Mood::Doubtful, "Biased:", format!("{}, in training: {size}", term.name)));
    }
    blocks
}

/// What was checked, and what else is to be known.
pub(super) fn checks(verdict: &Verdict) -> Vec<Block> {
    let mut facts = vec![];
    if let Some(test) = &verdict.test {
        let word = if verdict.converged { "converged" } else { "not converged" };
        facts.push(("convergence".to_owned(), format!("{word}: {test}")));
    }
    if let Some(khat) = verdict.khat {
        let (_, meaning) = posterior::khat_meaning(khat, verdict);
        let effective = verdict.effective.filter(|_| !verdict.resampled());
        let effective = effective.map_or_else(String::new, |e| format!(", {} of draws effective", percent(e)));
        facts.push(("Pareto k̂".into(), format!("{}{effective}: {meaning}", fixed(khat, 2))));
    }
    facts.extend(
        terminal::checks(verdict).into_iter().map(|(name, text, _)| (name.into(), text.replace(NO_BREAK, " "))),
    );
    let faults = verdict.faults();
    let notes = verdict.notes.iter().filter(|n| !faults.contains(n));
    facts.extend(notes.map(|note| ("note".to_owned(), note.clone())));
    vec![Block::Facts(facts)]
}
