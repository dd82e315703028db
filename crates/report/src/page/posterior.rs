//! The posterior, element by element, with its intervals.

use indexmap::IndexMap;

use super::{Block, Cell, Kind, Table};
use crate::document::{Document, Summary};
use crate::figures::count;
use crate::posterior::{alike, figures, sd_decimals, write};

/// The most elements of one array that are shown.
const MOST: usize = 100;

/// The tables of the guide's draws, and of the same resampled.
pub(super) fn tables(document: &Document) -> Vec<Block> {
    let resampled = document.posterior_resampled.as_ref();
    let both = [
        ("Draws of the guide", Some(&document.posterior)),
        ("The same draws, resampled by Pareto-smoothed importance weights", resampled),
    ];
    let full = both.into_iter().filter_map(|(title, p)| p.filter(|p| !p.is_empty()).map(|p| (title, p)));
    full.map(|(title, posterior)| Block::Table(table(title, posterior))).collect()
}

fn table(title: &str, posterior: &IndexMap<String, Summary>) -> Table {
    let numbers = ["mean", "sd", "5 %", "50 %", "95 %"].map(|name| (name, Kind::Figure));
    let mut table = Table::new(title, numbers.into_iter().chain([("5 % — 50 % — 95 %", Kind::Word)]));
    for (name, summary) in posterior {
        let size = summary.mean.values().len();
        let rows: Vec<[f64; 5]> = (0..size.min(MOST)).map(|element| figures(summary, element)).collect();
        let low = rows.iter().map(|r| r[2]).fold(f64::INFINITY, f64::min);
        let high = rows.iter().map(|r| r[4]).fold(f64::NEG_INFINITY, f64::max);
        let alike = alike(&rows);
        for (element, row) in rows.iter().enumerate() {
            let decimals = sd_decimals(if alike { &rows } else { std::slice::from_ref(row) });
            let mut cells: Vec<Cell> = row.iter().map(|&v| Cell::Text(write(v, decimals))).collect();
            let part = |v: f64| (v - low) / (high - low);
            // One interval alone has no scale to stand on.
            if rows.len() > 1 {
                cells.push(Cell::Interval { from: part(row[2]), at: part(row[3]), to: part(row[4]) });
            }
            table.row(format!("{name}{}", summary.mean.place(element)), cells);
        }
        if size > MOST {
            table.remarks.push(format!("{} more elements of {name} are in fit.json.", count((size - MOST) as u64)));
        }
    }
    table
}
