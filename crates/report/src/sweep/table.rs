//! `sweep.csv`: a row for each point, a column for each figure.

use indexmap::IndexMap;

use super::{Point, Sweep};
use crate::account::Figure;

/// The figures of training rows.
const ACCOUNT: [Figure; 6] =
    [Figure::FreeEnergy, Figure::Distortion, Figure::Rate, Figure::RateBits, Figure::Energy, Figure::PriorEnergy];

/// The figures of held-out rows.
const HELD_OUT: [Figure; 5] = [Figure::FreeEnergy, Figure::Distortion, Figure::Rate, Figure::Energy, Figure::R2];

/// The text of `sweep.csv`: the swept values, then the figures; those of a latent `z` are called `z.rate`, of held-out
/// rows `heldout.rate`. Numbers are written in the fewest digits that read back the same, what is unknown as an empty
/// cell.
///
/// # Errors
/// When the table cannot be written.
pub fn sweep_csv(sweep: &Sweep) -> Result<String, csv::Error> {
    let rows: Vec<IndexMap<String, String>> = sweep.points.iter().map(|p| row(sweep, p)).collect();
    // A point that failed lacks columns that others have.
    let mut columns: Vec<&String> = vec![];
    for name in rows.iter().flat_map(IndexMap::keys) {
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    let mut writer = csv::Writer::from_writer(vec![]);
    writer.write_record(&columns)?;
    for row in &rows {
        writer.write_record(columns.iter().map(|c| row.get(*c).map_or("", String::as_str)))?;
    }
    let bytes = writer.into_inner().map_err(|e| e.into_error())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn row(sweep: &Sweep, p: &Point) -> IndexMap<String, String> {
    let mut row: IndexMap<String, String> = IndexMap::new();
    let mut put = |name: String, value: Option<f64>| {
        let text = value.filter(|v| v.is_finite()).map(|v| format!("{v:?}")).unwrap_or_default();
        row.insert(name, text);
    };
    for name in &sweep.over {
        put(name.clone(), p.at.get(name).copied());
    }
    let account = ACCOUNT.map(|figure| (figure.key(), figure.of(&p.account)));
    let figures =
        account.into_iter().chain([("objective_value", Some(p.objective_value)), ("seconds", Some(p.seconds))]);
    for (name, value) in figures {
        // A swept name comes first, and keeps its name.
        put(if sweep.over.iter().any(|o| o == name) { format!("{name} reached") } else { name.into() }, value);
    }
    let latents = p.latents.iter().map(|(name, latent)| (name, latent.figures()));
    let meters = p.meters.iter().map(|(name, meter)| (name, meter.figures()));
    for (name, figures) in latents.chain(meters) {
        for (figure, value) in figures {
            put(format!("{name}.{figure}"), value);
        }
    }
    for c in &p.constraints {
        put(format!("{}: reached", c.expr), Some(c.value));
        put(format!("{}: multiplier", c.expr), Some(c.multiplier));
    }
    if let Some(h) = &p.heldout {
        for figure in HELD_OUT {
            put(format!("heldout.{}", figure.key()), figure.of(&h.account));
        }
    }
    row.insert("converged".into(), if p.failed.is_some() { "failed".into() } else { p.converged.to_string() });
    row
}
