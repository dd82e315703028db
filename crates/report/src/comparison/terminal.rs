//! A comparison, as text for a terminal.

use super::{Compared, Comparison};
use crate::account::Figure;
use crate::figures::{duration, plural};
use crate::ledger::{Cell, Column, Label, NO_BREAK, Number, Span, Table, Tone, Value};
use crate::terminal::layout::Page;

/// The comparison within `width` columns (taken as 60 to 120), with ANSI colour if asked for.
pub fn comparison_terminal(comparison: &Comparison, width: usize, colour: bool) -> String {
    let mut page = Page::within(width, colour);
    for (letter, side) in [("A", &comparison.a), ("B", &comparison.b)] {
        let seconds: f64 = side.fits.iter().map(|f| f.seconds).sum();
        let unconverged = side.fits.iter().filter(|f| !f.converged).count();
        let mut spans = vec![
            Span::strong(&side.model),
            Span::plain(format!(" · {}", side.objective.trim())),
            Span::faint(format!(" · {} · {}", side.program, duration(seconds)).replace(' ', NO_BREAK)),
        ];
        if unconverged > 0 {
            spans.push(Span::plain(" ·"));
            let fits = side.fits.len();
            let said =
                if fits == 1 { "not converged".into() } else { format!("{unconverged} of {fits} not converged") };
            spans.push(Span::new(format!(" {said}"), Tone::Doubtful));
        }
        page.paragraph(Span::strong(letter), 3, &spans);
    }
    page.paragraph(Span::plain(""), 0, &[Span::faint(facts(comparison))]);
    let mut groups: Vec<&str> = comparison.figures.iter().map(|f| f.of.as_str()).collect();
    groups.dedup();
    for group in groups {
        page.blank();
        page.ledger(&table(group, comparison.figures.iter().filter(|f| f.of == group)));
    }
    page.notes(comparison.notes.iter().map(String::as_str));
    page.into_text()
}

/// The rows and seeds that the differences stand on.
fn facts(c: &Comparison) -> String {
    let kind = if c.heldout { "held-out row" } else { "training row" };
    let rows = match (c.rows, c.rows == c.of_rows) {
        (0, _) => "without rows".to_owned(),
        (_, true) => plural(c.of_rows, kind),
        (rows, false) => format!("{} of {}", plural(rows, kind), c.of_rows),
    };
    let paired = match (c.rows, c.paired) {
        (0, _) => "",
        (_, true) => ", row by row",
        (_, false) => ", not the same rows",
    };
    let seeds: Vec<String> = c.seeds.iter().map(u64::to_string).collect();
    let word = if seeds.len() == 1 { "seed" } else { "seeds" };
    format!("errors over {rows}{paired} · {word} {}", seeds.join(", "))
}

/// A figure's name and unit for a reader.
fn label(figure: &Compared) -> String {
    let symbol = Figure::COMPARED.iter().find(|known| known.key() == figure.name).map(|known| known.symbol());
    // Its unit is said by its name.
    if figure.name == "seconds" {
        return figure.name.clone();
    }
    let word = symbol.unwrap_or(&figure.name);
    let word = word.replace("_sparsity", "");
    [word.as_str(), figure.unit.as_str()].join(" ").trim().to_owned()
}

/// The figures of one kind.
fn table<'a>(group: &str, figures: impl Iterator<Item = &'a Compared>) -> Table {
    let mut table = Table::new(group, group, ["A", "B", "B − A", "± se", "± seeds"].map(Column::point));
    for figure in figures {
        let number = |value| number(figure, value);
        let difference = figure.difference.map(|value| Value::Difference(number(value)));
        let cells = [
            Cell::of(figure.a, number),
            Cell::of(figure.b, number),
            difference.unwrap_or_default().into(),
            Cell::of(figure.se, Number::Error),
            Cell::of(figure.se_seeds, Number::Error),
        ];
        table.row(Label::Name(label(figure)), cells);
    }
    table
}

/// A value of a figure, with as many decimals as its kind is read with.
fn number(figure: &Compared, value: f64) -> Number {
    match (figure.unit.as_str(), figure.name.as_str()) {
        ("nats", _) => Number::Nats(value, 4),
        ("bits", _) => Number::Bits(value, 4),
        ("units", _) => Number::Fixed(value, 1),
        ("s", _) => Number::Fixed(value, 2),
        ("", "steps") => Number::Fixed(value, 0),
        ("", _) => Number::Fixed(value, 4),
        _ => Number::Spikes(value),
    }
}
