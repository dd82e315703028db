//! A sweep, as text for a terminal.

use super::{FLOOR, Pair, Sweep, points, verdict};
use crate::figures::{duration, plural, significant};
use crate::ledger::{Span, Tone};
use crate::terminal::LABEL;
use crate::terminal::layout::Page;

/// The points as a table, and the certificate, within `width` columns (taken as 60 to 120), with ANSI colour if asked
/// for.
pub fn sweep_terminal(sweep: &Sweep, width: usize, colour: bool) -> String {
    let mut page = Page::within(width, colour);
    page.heading(&sweep.model, sweep.title.as_deref());
    let at_a_time = match (sweep.jobs, sweep.threads) {
        (1, threads) => plural(threads, "thread"),
        (jobs, threads) => format!("{jobs} at a time, {} each", plural(threads, "thread")),
    };
    page.facts(&[plural(sweep.points.len() as u64, "fit"), duration(sweep.seconds), at_a_time]);
    page.paragraph(Span::plain("minimised"), LABEL, &[Span::plain(sweep.objective.trim())]);
    page.blank();
    page.ledger(&points(sweep));
    for p in &sweep.points {
        if let Some(why) = &p.failed {
            let text = format!("{}: {why}", sweep.place(p));
            page.paragraph(Span::new("failed", Tone::Bad), LABEL, &[Span::plain(text)]);
        }
    }
    page.blank();
    certificate(&mut page, sweep);
    for note in &sweep.notes {
        page.paragraph(Span::faint("note"), LABEL, &[Span::plain(note)]);
    }
    page.into_text()
}

fn certificate(page: &mut Page, sweep: &Sweep) {
    let Some(of) = &sweep.certifies else { return };
    let skipped = sweep.certificate.iter().filter(|p| p.is_skipped()).count();
    let mut text = vec![verdict(sweep), Span::plain(format!(": {of} between neighbouring weights"))];
    if skipped > 0 {
        text.push(Span::plain(format!("; {} closer than {FLOOR}, collapsed, skipped", plural(skipped as u64, "pair"))));
    }
    page.paragraph(Span::strong("certificate"), LABEL + 2, &text);
    for pair in sweep.violations() {
        page.paragraph(Span::plain(""), LABEL + 2, &[Span::plain(violation(sweep, pair))]);
    }
}

/// `beta = 1 to 2, K = 32: slope 2.11 not in [1, 2]; the fit at 1 is beaten by 0.52 nats: not converged`
fn violation(sweep: &Sweep, pair: &Pair) -> String {
    let [low, high] = pair.within;
    let digits = |v: f64| significant(v, 4);
    format!(
        "{}: slope {} ± {}, not in [{}, {}]; at {} the other fit is lower by {} nats: not converged",
        sweep.neighbours(pair),
        pair.slope.map(digits).unwrap_or_default(),
        pair.error.map(|e| significant(e, 2)).unwrap_or_default(),
        digits(low),
        digits(high),
        pair.beaten.unwrap_or(f64::NAN),
        pair.violation.map(digits).unwrap_or_default(),
    )
}
