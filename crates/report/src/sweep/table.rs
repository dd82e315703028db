//! `sweep.csv`: a row for each point, a column for each figure.

use indexmap::IndexMap;

use super::{Point, Sweep};

/// The text of `sweep.csv`: the swept values, then the figures; those of a latent `z` are called `z.rate`, of held-out rows
/// `heldout.rate`. Numbers are written in the fewest digits that read back the same, what is unknown as an empty cell.
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
    let figures = [
        ("free_energy", Some(p.account.free_energy)),
        ("distortion", Some(p.account.distortion)),
        ("rate", Some(p.account.rate)),
        ("rate_bits", Some(p.account.rate / std::f64::consts::LN_2)),
        ("energy", p.account.energy),
        ("prior_energy", p.account.prior_energy),
        ("objective_value", Some(p.objective_value)),
        ("seconds", Some(p.seconds)),
    ];
    for (name, value) in figures {
        // What was swept comes first, and keeps its name.
        put(if sweep.over.iter().any(|o| o == name) { format!("{name} reached") } else { name.into() }, value);
    }
    for (name, l) in &p.latents {
        for (figure, value) in [
            ("rate", Some(l.rate)),
            ("energy", l.energy),
            ("prior_energy", l.prior_energy),
            ("nats_per_spike", l.nats_per_spike),
            ("zeros", l.zeros),
            ("lifetime_sparsity", l.lifetime_sparsity),
            ("population_sparsity", l.population_sparsity),
            ("active", l.active.map(|n| n as f64)),
        ] {
            put(format!("{name}.{figure}"), value);
        }
    }
    for (name, m) in &p.meters {
        for (figure, value) in [
            ("mean", Some(m.mean)),
            ("zeros", Some(m.zeros)),
            ("lifetime_sparsity", m.lifetime_sparsity),
            ("population_sparsity", m.population_sparsity),
        ] {
            put(format!("{name}.{figure}"), value);
        }
    }
    for c in &p.constraints {
        put(format!("{}: reached", c.expr), Some(c.value));
        put(format!("{}: multiplier", c.expr), Some(c.multiplier));
    }
    if let Some(h) = &p.heldout {
        for (figure, value) in [
            ("free_energy", Some(h.account.free_energy)),
            ("distortion", Some(h.account.distortion)),
            ("rate", Some(h.account.rate)),
            ("energy", h.account.energy),
            ("r2", h.account.r2),
        ] {
            put(format!("heldout.{figure}"), value);
        }
    }
    row.insert("converged".into(), if p.failed.is_some() { "failed".into() } else { p.converged.to_string() });
    row
}
