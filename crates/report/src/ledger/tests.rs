//! Every cell of a ledger, in the terminal and on the page.

use indexmap::IndexMap;

use super::{Form, Ledger, Room, Table, Value};
use crate::account::Account;
use crate::document::{Constraint, Document, HeldOut, Latent, Meter, Price, RateSplit, Summary, Term, TermKind};
use crate::page::{Block, Page, Section};
use crate::terminal::layout;

fn named<T>(entries: impl IntoIterator<Item = (&'static str, T)>) -> IndexMap<String, T> {
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A document that fills every table.
fn document() -> Document {
    let term = |name: &str, kind, nats| Term {
        name: name.into(),
        kind,
        nats,
        se: Some(0.0123),
        estimator: "closed form".into(),
        reason: "of a kind".into(),
        ..Term::default()
    };
    let account = Account {
        free_energy: 13.5,
        free_energy_se: Some(0.0217),
        distortion: 7.25,
        rate: 6.25,
        local_rate: Some(6.0),
        global_rate: Some(0.25),
        energy: Some(5.125),
        prior_energy: Some(4.375),
        r2: Some(0.817),
        ..Account::default()
    };
    let latent = |rate: f64, energy: Option<f64>| Latent {
        rate,
        energy,
        prior_energy: energy.map(|spikes| spikes * 1.5),
        nats_per_spike: energy.map(|spikes| rate / spikes),
        zeros: Some(0.913),
        lifetime_sparsity: Some(0.771),
        population_sparsity: Some(0.662),
        active: Some(31),
        of: Some(32),
        dimension: 32,
        split: energy.map(|spikes| RateSplit {
            log_ratio: 7.5,
            minus_spikes: -spikes,
            prior_spikes: 4.11,
            mean_f: 1.37,
            suppressed: 2.22,
            excited: 3.91,
        }),
        ..Latent::default()
    };
    let draws = |centre: f64| {
        let array = |shift: f64| vec![centre + shift, centre + shift + 0.5].into();
        Summary {
            axes: vec![],
            mean: array(0.0),
            sd: vec![0.7, 0.8].into(),
            q05: array(-1.2),
            q50: array(0.1),
            q95: array(1.3),
        }
    };
    Document {
        rows: 10,
        account: account.over(10),
        heldout: Some(HeldOut { rows: Some(7), account }),
        terms: vec![
            term("x", TermKind::Distortion, 7.25),
            term("z", TermKind::Rate, 6.0),
            term("w", TermKind::Penalty, 0.25),
        ],
        latents: named([("z", latent(6.0, Some(3.1))), ("y", latent(0.4, Some(2.02))), ("u", latent(0.3, None))]),
        meters: named([("a", Meter { mean: 0.3987, zeros: 0.5012, ..Meter::default() })]),
        prices: vec![Price { unit: "ATP".into(), per_spike: 2.4e9, per_row: 1.2e10, ..Price::default() }],
        constraints: vec![Constraint {
            expr: "rate <= 1".into(),
            value: 6.25,
            unit: "nats".into(),
            ..Constraint::default()
        }],
        posterior: named([("w", draws(1.5))]),
        posterior_resampled: Some(named([("w", draws(2.5))])),
        ..Document::default()
    }
}

fn tables(ledger: &Ledger) -> Vec<Table> {
    let form = Form { whole: 12, beginning: 8, aligned: true };
    let mut tables = vec![ledger.account.clone()];
    tables.extend(ledger.tables.iter().cloned());
    tables.extend(ledger.posteriors.iter().map(|posterior| posterior.table(form)));
    tables
}

#[test]
fn both_renderers_write_every_cell() {
    let document = document();
    let tables = tables(&Ledger::of(&document));
    assert_eq!(tables.len(), 9, "a table is empty");
    for table in tables {
        let mut terminal = layout::Page::new(200, false);
        terminal.table(&table.laid(Room::Roomy, 24));
        let terminal = terminal.into_text();
        let section = Section { title: "s".into(), blocks: vec![Block::Table(table.clone())] };
        let page = Page { sections: vec![section], ..Page::default() }.html();
        for row in &table.rows {
            for (column, cell) in table.columns.iter().zip(&row.cells) {
                let written = cell.written(Room::Page);
                assert!(page.contains(&format!(">{written}<")), "{written} on the page: {page}");
                let there = column.from == Room::Page || terminal.contains(&written);
                assert!(there, "{written} in the terminal: {terminal}");
            }
        }
    }
}

#[test]
fn a_page_says_the_unit_of_every_figure() {
    let document = document();
    for table in tables(&Ledger::of(&document)) {
        for (k, column) in table.columns.iter().enumerate() {
            let heading = column.heading(Room::Page);
            for cell in table.rows.iter().filter_map(|row| row.cells.get(k)) {
                let Value::Number(number) = cell.value else { continue };
                let Some(unit) = number.unit() else { continue };
                assert!(heading.contains(unit) || table.caption.contains(unit), "{}: {heading}: {unit}", table.caption);
            }
        }
    }
}

#[test]
fn numbers_are_written_as_their_kinds_are_read() {
    use super::{Cell, Number};
    assert_eq!(Number::Nats(-1234.5, 2).text(), "−1234.50");
    assert_eq!(Number::Spikes(43.1874).text(), "43.19");
    assert_eq!(Number::Error(0.00714).text(), "0.0071");
    assert_eq!(Number::Percent(0.9312).text(), "93.1 %");
    assert_eq!(Number::Stated(1.2e-10).text(), "1.2e−10");
    assert_eq!(Number::Drawn(f64::NAN, Some(2)).text(), "–");
    let share = Cell::from(Value::Share { part: 504, of: 512 });
    assert_eq!([share.written(Room::Narrow), share.written(Room::Page)], ["504/512", "504 of 512"]);
    let rise = Cell::from(Value::Difference(Number::Bits(0.25, 2)));
    assert_eq!(rise.written(Room::Page), "+0.25");
}
