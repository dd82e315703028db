//! The bounds of a fit as a table, and its checks and notes: a line each.

use super::cell::{Cell, NO_BREAK, Number, Span, Tone};
use super::table::{Column, Label, Table};
use super::{Line, Topic};
use crate::document::{Document, LeaveOneOut};
use crate::figures::{count, fixed, percent, plural, significant};
use crate::verdict::{MeanField, Modes, Nuts, Redraws, Starts, Verdict, share};

/// The bounds of the objective.
pub(super) fn bounds(document: &Document) -> Table {
    let columns = [
        Column::right("reached"),
        Column::point("multiplier").page("multiplier, nats per unit of the bound"),
        Column::word(""),
    ];
    let mut table = Table::new("subject to", "Subject to", columns);
    for bound in &document.constraints {
        let (word, tone) = if bound.met { ("met", Tone::Good) } else { ("not met", Tone::Bad) };
        let cells = [
            Cell::text(format!("{} {}", significant(bound.value, 4), bound.unit)),
            Number::Ratio(bound.multiplier).into(),
            Cell::text(word).toned(tone),
        ];
        table.row(Label::Text(bound.expr.clone()), cells);
    }
    table
}

/// Every line that says how far the fit can be relied on.
pub(super) fn lines(document: &Document) -> Vec<Line> {
    let verdict = &document.verdict;
    let mut lines = vec![];
    lines.extend(document.loo.as_ref().map(|loo| Line::new(Topic::LeftOut, left_out(loo))));
    lines.push(convergence(verdict));
    lines.extend(document.refinement.as_ref().map(super::refinement::settled));
    lines.extend(verdict.nuts.as_ref().map(chains));
    lines.extend(verdict.khat.map(|khat| weights(khat, verdict)));
    lines.extend(verdict.starts.as_ref().map(starts));
    lines.extend(verdict.modes.as_ref().and_then(|m| modes(m, verdict)));
    lines.extend(verdict.draws.as_ref().map(draws));
    lines.extend(verdict.mean_field.as_ref().map(|found| Line::new(Topic::Spread, understated(found))));
    let faults: Vec<String> = verdict.faults().into_iter().chain(verdict.omission()).collect();
    lines.extend(verdict.notes.iter().map(|note| {
        let topic = if faults.contains(note) { Topic::Fault } else { Topic::Note };
        Line::new(topic, note)
    }));
    lines
}

/// The model's predictions of each row from all others, in one line.
fn left_out(loo: &LeaveOneOut) -> String {
    let rows = loo.khat.values().len();
    let mut text = format!("elpd {:.1} ± {:.1} nats, {:.1} effective parameters", loo.elpd, loo.se, loo.p_loo);
    if loo.unreliable > 0 {
        text.push_str(&format!("; {} of {rows} rows cannot be left out by reweighting (k̂ > 0.7)", loo.unreliable));
    }
    text.replace('-', "−")
}

fn convergence(verdict: &Verdict) -> Line {
    let (word, tone) = if verdict.converged { ("converged", Tone::Good) } else { ("not converged", Tone::Bad) };
    let test = verdict.test.as_ref().map(|test| Span::plain(format!(": {test}")));
    Line { topic: Topic::Verdict, spans: [Span::new(word, tone)].into_iter().chain(test).collect() }
}

/// The chains that stand for the guide, and how they mixed.
fn chains(nuts: &Nuts) -> Line {
    let diverged = match nuts.divergences {
        0 => "no divergence".to_owned(),
        some => plural(some, "divergence"),
    };
    let text = format!(
        "NUTS, {} of {} in {}: R̂{NO_BREAK}{} at most, {} effective draws at least, {diverged}",
        plural(nuts.chains, "chain"),
        plural(nuts.draws, "draw"),
        plural(nuts.dimension, "dimension"),
        fixed(nuts.rhat, 3),
        count(nuts.bulk.min(nuts.tail).max(0.0).round() as u64),
    );
    Line::toned(Topic::Chains, text, if nuts.open.is_empty() { Tone::Good } else { Tone::Bad })
}

/// k̂, and what it says about the guide.
fn weights(khat: f64, verdict: &Verdict) -> Line {
    let (tone, meaning) = meaning(khat, verdict);
    let mut spans = vec![Span::new(format!("k̂{NO_BREAK}{}", fixed(khat, 2)), tone)];
    if let Some(effective) = verdict.effective.filter(|_| khat > 0.7 || !verdict.resampled()) {
        spans.push(Span::plain(format!(", {} of draws effective", percent(effective).replace(' ', NO_BREAK))));
    }
    spans.push(Span::plain(format!(": {meaning}")));
    Line { topic: Topic::Weights, spans }
}

fn meaning(khat: f64, verdict: &Verdict) -> (Tone, &'static str) {
    if verdict.level() && khat > 0.7 {
        (
            Tone::Good,
            "the guide is close to the posterior where its draws fall, and too light in the far tails to resample",
        )
    } else if verdict.misses() && khat == f64::NEG_INFINITY {
        (Tone::Bad, "the weights are those of few values, and say that the guide misses the posterior")
    } else if verdict.misses() && khat <= 1.0 {
        (Tone::Bad, "the guide is too far from the posterior to be corrected; doubt its spread and tails")
    } else if verdict.misses() {
        (Tone::Bad, "the guide misses the posterior, which is not to be trusted")
    } else if !verdict.resampled() && verdict.corrected() {
        (Tone::Plain, "the guide is too light in its tails to resample; draws from a wider proposal correct it")
    } else if !verdict.resampled() {
        (Tone::Plain, "the guide is near the posterior")
    } else if khat >= 0.5 {
        (Tone::Plain, "the guide is near enough for resampling to correct it")
    } else {
        (Tone::Good, "the guide is close to the posterior")
    }
}

fn starts(starts: &Starts) -> Line {
    let Starts { count: all, agreeing, unfinished, within, higher, apart } = *starts;
    let finished = all.saturating_sub(unfinished);
    let mut text = match higher {
        Some(gap) => {
            let others = finished.saturating_sub(agreeing);
            format!(
                "{others} of {all} starts ended up to {} nats higher: there is more than one optimum, and {agreeing} found the \
                 lowest",
                significant(gap, 2)
            )
        }
        // Differences within rounding are not told apart.
        None => format!("{agreeing} of {all} starts agree within {} nats", significant(within.max(0.001), 1)),
    };
    if unfinished > 0 {
        text.push_str(&format!("; {unfinished} had not converged when ended"));
    }
    if apart {
        text.push_str(
            "; those that agree lie more than a standard deviation apart: optima of equal depth, as where labels can be \
             exchanged, of which the guide holds one",
        );
    }
    Line::toned(Topic::Starts, text, if starts.alone() { Tone::Bad } else { Tone::Plain })
}

/// Several modes, and which table holds them; nothing is said of one.
fn modes(modes: &Modes, verdict: &Verdict) -> Option<Line> {
    let Modes { count: number, elsewhere } = *modes;
    if number < 2 && !verdict.elsewhere() {
        return None;
    }
    let found = if number == 1 { "one mode".into() } else { format!("{number} modes") };
    let text = format!(
        "{found} of the posterior found from wide starts; {} of the mass lies where the guide is not",
        share(elsewhere)
    );
    let held = verdict.elsewhere() && verdict.corrected();
    let text = if held { text + ", and in the resampled table" } else { text };
    Some(Line::toned(Topic::Modes, text, if verdict.elsewhere() && !held { Tone::Bad } else { Tone::Plain }))
}

fn draws(draws: &Redraws) -> Line {
    let text = format!(
        "another set of {} draws moves means by at most {} sd and sds by at most {}",
        count(draws.count),
        // Smaller changes are of no account.
        significant(draws.means.max(0.001), 2),
        significant(100.0 * draws.sds.max(0.001), 2) + NO_BREAK + "%",
    );
    Line::toned(Topic::Draws, text, if draws.too_few() { Tone::Bad } else { Tone::Plain })
}

fn understated(MeanField { worst, factor }: &MeanField) -> String {
    if *factor < 1.05 {
        return "by linear response, the mean-field guide understates no standard deviation by more than 5 %".into();
    }
    let factor = significant(*factor, 3);
    format!(
        "the mean-field guide understates the worst standard deviation, of {worst}, by a factor of {factor}, by linear \
         response"
    )
}
