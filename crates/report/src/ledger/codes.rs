//! The codes: what they spend, the parts of their rates, what spikes cost, and what is metered.

use super::cell::{Cell, Number, Room, Value};
use super::table::{Column, Label, Row, Table};
use crate::document::{Document, Latent};

const LIFETIME: Column = Column::point("lifetime").roomy("lifetime sparsity");
const POPULATION: Column = Column::point("population").roomy("population sparsity");

/// The spikes of each latent, and its sparsity.
pub(super) fn codes(document: &Document) -> Table {
    let title = if document.account.energy.is_some() { "spikes" } else { "code" };
    let columns = [
        Column::point("").page("rate, nats").from(Room::Page),
        Column::point("per row").page("spikes"),
        Column::point("prior").page("prior spikes"),
        Column::point("per unit").page("spikes per unit").from(Room::Roomy),
        Column::point("nats/spike").page("nats per spike"),
        Column::point("zeros"),
        LIFETIME,
        POPULATION,
        Column::right("active").page("active units"),
    ];
    let mut table = Table::new(title, "Codes, per row", columns);
    let tells = |latent: &Latent| {
        latent.energy.is_some() || latent.zeros.is_some() || latent.lifetime_sparsity.is_some() || latent.of.is_some()
    };
    for (name, latent) in document.latents.iter().filter(|(_, latent)| tells(latent)) {
        let units = latent.dimension as f64;
        let active = latent.active.zip(latent.of).map(|(part, of)| Value::Share { part, of });
        let cells = [
            Number::Part(latent.rate).into(),
            Cell::of(latent.energy, Number::Spikes),
            Cell::of(latent.prior_energy, Number::Spikes),
            Cell::of(latent.energy.filter(|_| latent.dimension > 1), |spikes| Number::Ratio(spikes / units)),
            Cell::of(latent.nats_per_spike, Number::Ratio),
            Cell::of(latent.zeros, Number::Percent),
            Cell::of(latent.lifetime_sparsity, Number::Fraction),
            Cell::of(latent.population_sparsity, Number::Fraction),
            active.unwrap_or_default().into(),
        ];
        table.row(Label::Name(name.clone()), cells);
    }
    if document.latents.values().filter(|latent| latent.energy.is_some()).count() > 1 {
        let spikes = |value| Cell::of(value, Number::Spikes);
        let energy = Cell::known(document.account.energy, Number::Spikes).toned(super::Tone::Strong);
        let cells = [Cell::empty(), energy, spikes(document.account.prior_energy)];
        table.rows.push(Row::sum(Label::Text("energy".into()), cells).strong());
    }
    table
}

/// The rates of Poisson latents by what their spikes say and what they cost.
pub(super) fn split(document: &Document) -> Table {
    let columns = [
        Column::point("r f(λ/r)").page("Σ r f(λ/r), the rate"),
        Column::point("λ log(λ/r)").page("Σ λ log(λ/r)"),
        Column::point("− λ").page("− Σ λ"),
        Column::point("+ r").page("+ Σ r"),
        Column::point("mean f").page("mean f, nats per prior spike"),
        Column::point("suppressed"),
        Column::point("excited"),
    ];
    let mut table = Table::new("rate", "The rate of Poisson codes in its parts, nats per row", columns).explained(
        "λ is a unit's expected count under the guide, r that under the prior, and f(y) = 1 − y + y log y what it costs to \
         tell one from the other, in nats for each prior spike. The rate is what spikes say, less the spikes, plus those that \
         the prior expects; and it is the sum of what silence costs, in units below their prior rate (suppressed), and of \
         what activity costs, in those at or above it (excited).",
    );
    for (name, latent) in &document.latents {
        let Some(split) = &latent.split else { continue };
        let part = |value: f64| Cell::from(Number::Part(value));
        let cells = [
            part(latent.rate),
            part(split.log_ratio),
            part(split.minus_spikes),
            part(split.prior_spikes),
            Number::Ratio(split.mean_f).into(),
            part(split.suppressed),
            part(split.excited),
        ];
        table.row(Label::Name(name.clone()), cells);
    }
    table
}

/// The cost of spikes in other units, by the user's assumption.
pub(super) fn prices(document: &Document) -> Table {
    let columns = [
        Column::right("a spike"),
        Column::right("per row"),
        Column::right("prior").page("prior, per row"),
        Column::right("per bit"),
        Column::right("held out").page("held out, per row"),
    ];
    let mut table = Table::new("price", "What spikes cost", columns);
    for price in &document.prices {
        let amount = |value| Cell::of(value, Number::Price);
        let cells = [
            Number::Stated(price.per_spike).into(),
            Number::Price(price.per_row).into(),
            amount(price.prior_per_row),
            amount(price.per_bit),
            amount(price.heldout_per_row),
        ];
        table.row(Label::Name(price.unit.clone()), cells);
    }
    table.remark("the price of a spike is the program's assumption");
    table
}

/// The activity of what the program meters.
pub(super) fn meters(document: &Document) -> Table {
    let columns = [Column::point("mean"), Column::point("zeros"), LIFETIME, POPULATION];
    let mut table = Table::new("meters", "Meters", columns);
    for (name, meter) in &document.meters {
        let cells = [
            Number::Ratio(meter.mean).into(),
            Number::Percent(meter.zeros).into(),
            Cell::known(meter.lifetime_sparsity, Number::Fraction),
            Cell::known(meter.population_sparsity, Number::Fraction),
        ];
        table.row(Label::Name(name.clone()), cells);
    }
    table
}
