//! The ledger of a fit: its headline, the terms of the free energy, the codes, what was held out, the bounds.

use super::{Block, Cell, Headline, Kind, Mood, Row, Table};
use crate::document::{Document, TermKind};
use crate::figures::{adding_decimals, bits, count, fixed, maybe, percent, plural, quantity, significant};
use crate::terminal::{self, DEFAULT_OBJECTIVE};

fn figure(name: &str, value: String, unit: impl Into<String>) -> Headline {
    Headline { name: name.into(), value, unit: unit.into() }
}

/// The figures that one looks for first.
pub(super) fn headline(document: &Document) -> Block {
    let decimals = terminal::adding(document).min(3);
    let nats = |v: f64| fixed(v, decimals);
    let per = if document.rows > 1 { "nats per row" } else { "nats" };
    let error = document.account.free_energy_se.map_or_else(String::new, |se| format!(" ± {}", significant(se, 2)));
    let mut list = vec![
        figure("Free energy F", nats(document.account.free_energy), format!("{per}{error}")),
        figure("Distortion D", nats(document.account.distortion), per),
        figure(
            "Rate R",
            nats(document.account.rate),
            format!("{per} = {} bits", fixed(document.account.rate_bits(), decimals.min(2))),
        ),
    ];
    if let Some(energy) = document.account.energy {
        let prior = document.account.prior_energy;
        let prior = prior.map_or_else(String::new, |p| format!("; {} under the prior", significant(p, 4)));
        list.push(figure("Energy", significant(energy, 4), format!("spikes per row{prior}")));
    }
    if let Some(held) = &document.heldout {
        let rows = held.rows.map_or_else(String::new, |rows| format!(", {}", plural(rows, "row")));
        list.push(figure("Held-out F", nats(held.account.free_energy), format!("nats per row{rows}")));
        list.extend(
            held.account.r2.map(|r2| figure("Held-out R²", fixed(r2, 3), "of reconstructions from mean codes")),
        );
    }
    Block::Headline(list)
}

/// Every table of the ledger.
pub(super) fn tables(document: &Document) -> Vec<Block> {
    let decimals = terminal::adding(document);
    let mut blocks = vec![Block::Table(terms(document, decimals)), Block::Prose(terminal::bound(document, decimals))];
    if document.objective.trim() != DEFAULT_OBJECTIVE {
        let per = if document.rows > 1 { " nats per row" } else { " nats" };
        let value = fixed(document.objective_value, decimals);
        blocks.push(Block::Prose(format!("Minimised: {} = {value}{per}.", document.objective.trim())));
    }
    for table in
        [codes(document), splits(document), prices(document), meters(document), held_out(document), bounds(document)]
    {
        if !table.rows.is_empty() {
            blocks.push(Block::Table(table));
        }
    }
    if let Some(loo) = &document.loo {
        let text = terminal::left_out(loo);
        blocks.push(Block::Facts(vec![("leave-one-out".into(), text)]));
    }
    blocks
}

fn terms(document: &Document, decimals: usize) -> Table {
    let nats = |value: f64| Cell::Text(fixed(value, decimals));
    let se = |se: Option<f64>| Cell::Text(se.map_or_else(String::new, |se| significant(se, 2)));
    let title = if document.rows > 1 { "Free energy per row" } else { "Free energy" };
    let figures = ["nats", "± se", "bits"].map(|name| (name, Kind::Figure));
    let mut table = Table::new(title, figures.into_iter().chain([("estimator", Kind::Word), ("because", Kind::Prose)]));
    for term in &document.terms {
        let information = if term.kind == TermKind::Rate { nats(bits(term.nats)) } else { "".into() };
        let estimator = match term.biased {
            true => Cell::Said(Mood::Doubtful, format!("{}, biased", term.estimator)),
            false => Cell::Text(term.estimator.clone()),
        };
        let name = format!("{} {}", terminal::kind(term.kind), term.name);
        table.row(name, [nats(term.nats), se(term.se), information, estimator, term.reason.as_str().into()]);
    }
    if terminal::has_sums(document) {
        let none = || Cell::from("");
        let rate = |name: &str, v: f64| Row::sum(name, [nats(v), none(), nats(bits(v))]);
        table.rows.push(Row::sum("D", [nats(document.account.distortion)]));
        table.rows.push(rate("R", document.account.rate));
        if let Some((local, global)) = document.account.local_rate.zip(document.account.global_rate) {
            table.rows.extend([rate("R of each row", local), rate("R of what rows share, by row", global)]);
        }
    }
    let whole = [nats(document.account.free_energy), se(document.account.free_energy_se)];
    table.rows.push(Row::sum("F = D + R", whole).strong());
    table
}

fn optional(value: Option<f64>, write: impl Fn(f64) -> String) -> Cell {
    Cell::Text(value.map_or_else(String::new, write))
}

fn codes(document: &Document) -> Table {
    let columns = [
        "rate, nats",
        "spikes",
        "prior spikes",
        "spikes per unit",
        "nats per spike",
        "zeros",
        "lifetime sparsity",
        "population sparsity",
        "active units",
    ];
    let mut table = Table::new("Codes, per row", columns.map(|name| (name, Kind::Figure)));
    let three = |v: f64| fixed(v, 3);
    for (name, latent) in &document.latents {
        let tells = latent.energy.is_some() || latent.zeros.is_some() || latent.of.is_some();
        if !tells {
            continue;
        }
        let units = latent.dimension as f64;
        let active = latent.active.zip(latent.of);
        let cells = [
            Cell::Text(significant(latent.rate, 4)),
            optional(latent.energy, |v| significant(v, 4)),
            optional(latent.prior_energy, |v| significant(v, 4)),
            optional(latent.energy.filter(|_| latent.dimension > 1), |v| significant(v / units, 3)),
            optional(latent.nats_per_spike, |v| significant(v, 3)),
            optional(latent.zeros, percent),
            optional(latent.lifetime_sparsity, three),
            optional(latent.population_sparsity, three),
            Cell::Text(active.map_or_else(String::new, |(a, of)| format!("{} of {}", count(a), count(of)))),
        ];
        table.row(name, cells);
    }
    if document.latents.values().filter(|l| l.energy.is_some()).count() > 1 {
        let energy = optional(document.account.energy, |v| significant(v, 4));
        table.rows.push(Row::sum("energy", ["".into(), energy]).strong());
    }
    table
}

/// The rate of Poisson codes in its parts, Σ λ log(λ/r) − Σ λ + Σ r.
fn splits(document: &Document) -> Table {
    let columns = [
        "Σ λ log(λ/r)",
        "−Σ λ",
        "+Σ r",
        "nats per prior spike",
        "of units below their prior rate",
        "of units above it",
    ];
    let mut table =
        Table::new("The rate of Poisson codes in its parts, nats per row", columns.map(|name| (name, Kind::Figure)));
    for (name, latent) in &document.latents {
        let Some(split) = &latent.split else { continue };
        let parts = [split.log_ratio, split.minus_spikes, split.prior_spikes];
        let decimals = adding_decimals(&[(&parts, latent.rate), (&[split.suppressed, split.excited], latent.rate)]);
        let nats = |v: f64| Cell::Text(fixed(v, decimals));
        let others = [significant(split.mean_f, 3).into(), nats(split.suppressed), nats(split.excited)];
        table.row(name, parts.map(nats).into_iter().chain(others));
    }
    table
}

/// What the spikes cost in other units.
fn prices(document: &Document) -> Table {
    let columns = ["per spike", "per row", "prior, per row", "per bit", "per row held out"];
    let columns = columns.map(|name| (name, Kind::Figure));
    let mut table = Table::new("What spikes cost, by the program's own assumption", columns);
    for price in &document.prices {
        let optional = |v: Option<f64>| optional(v, |v| quantity(v, 4));
        let first = [quantity(price.per_spike, 4).into(), quantity(price.per_row, 4).into()];
        let others = [price.prior_per_row, price.per_bit, price.heldout_per_row].map(optional);
        table.row(&price.unit, first.into_iter().chain(others));
    }
    table
}

fn meters(document: &Document) -> Table {
    let columns = ["mean", "zeros", "lifetime sparsity", "population sparsity"].map(|name| (name, Kind::Figure));
    let mut table = Table::new("Meters", columns);
    let three = |v: f64| fixed(v, 3);
    for (name, meter) in &document.meters {
        let sparsities = [meter.lifetime_sparsity, meter.population_sparsity].map(|s| Cell::Text(maybe(s, three)));
        let first = [Cell::Text(significant(meter.mean, 3)), Cell::Text(percent(meter.zeros))];
        table.row(name, first.into_iter().chain(sparsities));
    }
    table
}

fn held_out(document: &Document) -> Table {
    let columns = ["F", "D", "R", "spikes", "prior spikes", "R²"].map(|name| (name, Kind::Figure));
    let mut table = Table::new("Rows held out, nats per row", columns);
    let Some(held) = &document.heldout else { return table };
    let decimals = adding_decimals(&[(&[held.account.distortion, held.account.rate], held.account.free_energy)]);
    let figures =
        [held.account.free_energy, held.account.distortion, held.account.rate].map(|v| Cell::Text(fixed(v, decimals)));
    let spikes = [held.account.energy, held.account.prior_energy].map(|v| optional(v, |v| significant(v, 4)));
    let others = spikes.into_iter().chain([optional(held.account.r2, |v| fixed(v, 3))]);
    let name = held.rows.map_or_else(|| "per row".into(), |rows| plural(rows, "row"));
    table.row(name, figures.into_iter().chain(others));
    table
}

fn bounds(document: &Document) -> Table {
    let columns = [("reached", Kind::Figure), ("multiplier, nats per unit", Kind::Figure), ("", Kind::Word)];
    let mut table = Table::new("Subject to", columns);
    for bound in &document.constraints {
        let met =
            if bound.met { Cell::Said(Mood::Good, "met".into()) } else { Cell::Said(Mood::Bad, "not met".into()) };
        let reached = format!("{} {}", significant(bound.value, 4), bound.unit);
        table.row(&bound.expr, [reached.into(), significant(bound.multiplier, 3).into(), met]);
    }
    table
}
