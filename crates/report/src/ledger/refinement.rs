//! A descent, step by step, and whether it has settled.

use super::cell::{Cell, Number, Room, Tone};
use super::table::{Column, Label, Table};
use super::{Line, Topic};
use crate::figures::{percent, plural, significant};
use crate::refinement::Refinement;

/// The figures after some of its steps.
pub(crate) fn steps(refinement: Option<&Refinement>) -> Table {
    let columns = [
        Column::point("F").page("free energy, nats"),
        Column::point("distortion"),
        Column::point("rate"),
        Column::point("spikes"),
        Column::point("in all").page("spikes of all steps so far").from(Room::Roomy),
        Column::point("zeros"),
        Column::point("R²"),
    ];
    let mut table = Table::new("refinement", "Refinement, per row", columns);
    for step in refinement.into_iter().flat_map(|r| &r.trace) {
        let cells = [
            Number::Nats(step.free_energy, 3).into(),
            Number::Nats(step.distortion, 3).into(),
            Number::Nats(step.rate, 3).into(),
            Cell::of(step.spikes, Number::Spikes),
            Cell::of(step.cumulative_spikes, Number::Spikes),
            Cell::of(step.zeros, Number::Percent),
            Cell::of(step.r2, Number::Fraction),
        ];
        let label = if step.step == 0 { "start".into() } else { format!("step {}", step.step) };
        table.row(Label::Text(label), cells);
    }
    table
}

/// Whether it has settled, by what steps, and what it costs.
pub(crate) fn settled(refinement: &Refinement) -> Line {
    let tone = if refinement.is_settled() { Tone::Good } else { Tone::Doubtful };
    let mut text = match (refinement.is_settled(), refinement.settled) {
        (true, Some(step)) => format!("settled: within 1 % after {}", plural(step, "step")),
        (true, None) => "settled where it started".into(),
        (false, _) => {
            let steps = plural(refinement.steps, "step");
            format!("not settled: the last of {steps} made {} of the fall", percent(refinement.last_fall))
        }
    };
    for step in &refinement.step {
        if let Some(size) = step.size {
            text.push_str(&format!("; step of {} {}", step.name, significant(size, 3)));
        }
    }
    if let Some(rho) = refinement.rho {
        text.push_str(&format!(", stable below {}", significant(2.0 / (1.0 + rho), 3)));
    }
    if refinement.rises > 0 {
        text.push_str(&format!("; F rose in {}", plural(refinement.rises, "step")));
    }
    if refinement.limited > 5e-4 {
        text.push_str(&format!("; the limit held {} of moves", percent(refinement.limited)));
    }
    if let Some(spikes) = refinement.percept_spikes {
        text.push_str(&format!("; a percept costs {} spikes", significant(spikes, 3)));
    }
    Line::toned(Topic::Descent, text, tone)
}
