//! The tables of a sweep: its points, and the verdict of its certificate.

use super::{Point, Sweep};
use crate::figures::significant;
use crate::ledger::{Cell, Column, Label, Number, Room, Span, Table, Tone, Value};

/// Decimals of nats and bits.
const DECIMALS: usize = 4;

/// A latent's or meter's zeros: the first that has any.
pub(crate) fn zeros(p: &Point) -> Option<f64> {
    let of_latents = p.latents.values().find_map(|l| l.zeros);
    of_latents.or_else(|| p.meters.values().map(|m| m.zeros).next())
}

/// The figures of each fit.
pub(crate) fn points(sweep: &Sweep) -> Table {
    let columns = [
        Column::point("F").page("F, nats"),
        Column::point("D").page("D, nats"),
        Column::point("R nats").page("R, nats"),
        Column::point("R bits").page("R, bits").from(Room::Page),
        Column::point("spikes"),
        Column::point("prior").page("prior spikes"),
        Column::point("nats/spike").page("nats per spike").from(Room::Page),
        Column::right("zeros"),
        Column::point("held out F").page("held out F, nats"),
        Column::point("held out R²").from(Room::Page),
        Column::word("").page("converged"),
    ];
    let mut table = Table::new(sweep.over.join(", "), "Figures per row", columns);
    let nats = |value| Cell::finite(value, |value| Number::Nats(value, DECIMALS));
    for p in &sweep.points {
        let (account, held) = (&p.account, p.heldout.as_ref().map(|held| &held.account));
        let state = match (&p.failed, p.converged) {
            (Some(_), _) => Cell::from(Value::State("failed", "failed")).toned(Tone::Bad),
            (None, false) => Cell::from(Value::State("not converged", "no")).toned(Tone::Doubtful),
            (None, true) => Value::State("", "yes").into(),
        };
        let values: Vec<String> = p.at.values().map(f64::to_string).collect();
        let ratio = account.energy.filter(|spikes| *spikes > 0.0).map(|spikes| account.rate / spikes);
        let cells = [
            nats(account.free_energy),
            nats(account.distortion),
            nats(account.rate),
            Cell::finite(account.rate_bits(), |value| Number::Bits(value, DECIMALS)),
            Cell::of(account.energy, Number::Spikes),
            Cell::of(account.prior_energy, Number::Spikes),
            Cell::of(ratio, Number::Ratio),
            Cell::of(zeros(p), Number::Percent),
            nats(held.map_or(f64::NAN, |held| held.free_energy)),
            Cell::of(held.and_then(|held| held.r2), Number::Fraction),
            state,
        ];
        table.row(Label::Told(values.join(", "), sweep.place(p)), cells);
    }
    table
}

/// Each pair of neighbours that was compared.
pub(crate) fn pairs(sweep: &Sweep) -> Table {
    let columns = [
        Column::point("slope"),
        Column::point("±"),
        Column::point("at least"),
        Column::point("at most"),
        Column::word(""),
    ];
    let mut table = Table::new("certificate", sweep.certifies.clone().unwrap_or_default(), columns);
    for pair in &sweep.certificate {
        let [low, high] = pair.within;
        let outcome = match (pair.holds, pair.beaten, pair.violation) {
            (Some(true), ..) => Span::new("holds", Tone::Good),
            (Some(false), Some(beaten), Some(lacks)) => {
                Span::new(format!("{beaten} is beaten by {} nats", significant(lacks, 3)), Tone::Bad)
            }
            (Some(false), ..) => Span::new("violated", Tone::Bad),
            (None, ..) => Span::plain("skipped"),
        };
        let cells = [
            Cell::of(pair.slope, Number::Slope),
            Cell::of(pair.error, Number::Error),
            Number::Slope(low).into(),
            Number::Slope(high).into(),
            Cell::text(outcome.text).toned(outcome.tone),
        ];
        table.row(Label::Text(sweep.neighbours(pair)), cells);
    }
    table.remark(format!(
        "Pairs that differ by less than {} have collapsed onto each other and are skipped.",
        super::FLOOR
    ));
    table
}

/// The certificate's verdict on all pairs.
pub(crate) fn verdict(sweep: &Sweep) -> Span {
    let skipped = sweep.certificate.iter().filter(|p| p.is_skipped()).count();
    let compared = sweep.certificate.len() - skipped;
    match (sweep.violations().count(), compared) {
        (_, 0) => Span::new("no pair to compare", Tone::Doubtful),
        (0, 1) => Span::new("holds for the one pair of neighbours", Tone::Good),
        (0, n) => Span::new(format!("holds for all {n} pairs of neighbours"), Tone::Good),
        (k, n) => Span::new(format!("violated by {k} of {n} pairs of neighbours"), Tone::Bad),
    }
}
