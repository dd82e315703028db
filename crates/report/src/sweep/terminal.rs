//! A sweep, as text for a terminal.

use super::{FLOOR, Pair, Point, Sweep};
use crate::figures::{duration, fixed, percent, plural, significant};
use crate::layout::{Align, NO_BREAK, Page, Span, Table, Tone};
use crate::terminal::{LABEL, WIDTH};

/// The points as a table, and the certificate, within `width` columns (taken as 60 to 120), with ANSI colour if asked for.
pub fn sweep_terminal(sweep: &Sweep, width: usize, colour: bool) -> String {
    let mut page = Page::new(width.clamp(WIDTH.0, WIDTH.1), colour);
    let mut name = vec![Span::strong(&sweep.model)];
    name.extend(sweep.title.iter().map(|title| Span::plain(format!(" · {title}"))));
    page.paragraph(Span::plain(""), 0, &name);
    let at_a_time = match (sweep.jobs, sweep.threads) {
        (1, threads) => plural(threads, "thread"),
        (jobs, threads) => format!("{jobs} at a time, {} each", plural(threads, "thread")),
    };
    let facts = [plural(sweep.points.len() as u64, "fit"), duration(sweep.seconds), at_a_time];
    let facts: Vec<String> = facts.iter().map(|fact| fact.replace(' ', NO_BREAK)).collect();
    page.paragraph(Span::plain(""), 0, &[Span::faint(facts.join(&format!("{NO_BREAK}· ")))]);
    page.paragraph(Span::plain("minimised"), LABEL, &[Span::plain(sweep.objective.trim())]);
    page.blank();
    points(&mut page, sweep);
    certificate(&mut page, sweep);
    for note in &sweep.notes {
        page.paragraph(Span::faint("note"), LABEL, &[Span::plain(note)]);
    }
    page.into_text()
}

/// A latent's or meter's zeros: the first that has any.
pub(crate) fn zeros(p: &Point) -> Option<f64> {
    let of_latents = p.latents.values().find_map(|l| l.zeros);
    of_latents.or_else(|| p.meters.values().map(|m| m.zeros).next())
}

fn points(page: &mut Page, sweep: &Sweep) {
    let mut table = Table::new(
        &sweep.over.join(", "),
        &[
            ("F", Align::Point),
            ("D", Align::Point),
            ("R nats", Align::Point),
            ("spikes", Align::Point),
            ("prior", Align::Point),
            ("zeros", Align::Right),
            ("held out F", Align::Point),
            ("", Align::Left),
        ],
    );
    for p in &sweep.points {
        let values: Vec<String> = p.at.values().map(|v| format!("{v}")).collect();
        let figure = |v: f64| Span::plain(if v.is_finite() { fixed(v, 4) } else { String::new() });
        let spikes = |v: Option<f64>| Span::plain(v.map(|v| significant(v, 4)).unwrap_or_default());
        let remark = match (&p.failed, p.converged) {
            (Some(_), _) => Span::new("failed", Tone::Bad),
            (None, false) => Span::new("not converged", Tone::Doubtful),
            (None, true) => Span::plain(""),
        };
        table.row(
            &Span::plain(values.join(", ")),
            [
                figure(p.account.free_energy),
                figure(p.account.distortion),
                figure(p.account.rate),
                spikes(p.account.energy),
                spikes(p.account.prior_energy),
                Span::plain(zeros(p).map(percent).unwrap_or_default()),
                figure(p.heldout.as_ref().map_or(f64::NAN, |h| h.account.free_energy)),
                remark,
            ],
        );
    }
    page.table(&table);
    for p in sweep.points.iter() {
        if let Some(why) = &p.failed {
            let at: Vec<String> = p.at.iter().map(|(n, v)| sweep.said(n, *v)).collect();
            page.paragraph(Span::new("failed", Tone::Bad), LABEL, &[Span::plain(format!("{}: {why}", at.join(", ")))]);
        }
    }
    page.blank();
}

fn certificate(page: &mut Page, sweep: &Sweep) {
    let Some(of) = &sweep.certifies else { return };
    let (verdict, tone) = verdict(sweep);
    let skipped = sweep.certificate.iter().filter(|p| p.is_skipped()).count();
    let mut text = vec![Span::new(verdict, tone), Span::plain(format!(": {of} between neighbouring weights"))];
    if skipped > 0 {
        text.push(Span::plain(format!("; {} closer than {FLOOR}, collapsed, skipped", plural(skipped as u64, "pair"))));
    }
    page.paragraph(Span::strong("certificate"), LABEL + 2, &text);
    for pair in sweep.violations() {
        page.paragraph(Span::plain(""), LABEL + 2, &[Span::plain(violation(sweep, pair))]);
    }
}

/// What the certificate says of all pairs.
pub(crate) fn verdict(sweep: &Sweep) -> (String, Tone) {
    let skipped = sweep.certificate.iter().filter(|p| p.is_skipped()).count();
    let compared = sweep.certificate.len() - skipped;
    let broken = sweep.violations().count();
    match (broken, compared) {
        (_, 0) => ("no pair to compare".to_owned(), Tone::Doubtful),
        (0, n) => (format!("holds for {}", all(n)), Tone::Good),
        (k, n) => (format!("violated by {k} of {n} pairs of neighbours"), Tone::Bad),
    }
}

fn all(pairs: usize) -> String {
    match pairs {
        1 => "the one pair of neighbours".into(),
        n => format!("all {n} pairs of neighbours"),
    }
}

/// `beta = 1 to 2, K = 32: slope 2.11 not in [1, 2]; the fit at 1 is beaten by 0.52 nats: not converged`
fn violation(sweep: &Sweep, pair: &Pair) -> String {
    let name = sweep.over.first().map_or("", String::as_str);
    let along = sweep.over.get(1).zip(pair.along).map(|(n, v)| format!(", {}", sweep.said(n, v))).unwrap_or_default();
    let [low, high] = pair.within;
    let digits = |v: f64| significant(v, 4);
    format!(
        "{} to {}{along}: slope {} ± {}, not in [{}, {}]; at {} the other fit is lower by {} nats: not converged",
        sweep.said(name, pair.from),
        pair.to,
        pair.slope.map(digits).unwrap_or_default(),
        pair.error.map(|e| significant(e, 2)).unwrap_or_default(),
        digits(low),
        digits(high),
        pair.beaten.unwrap_or(f64::NAN),
        pair.violation.map(digits).unwrap_or_default(),
    )
}
