//! How exact guides choose, as tables of numbers, and draws of what is chosen.

use std::collections::HashMap;
use std::sync::Arc;

use fe_graph::noise::{Element, Stream};
use fe_graph::{ExecutionError, InputId, Tensor};
use fe_objective::Choice;

use crate::problem::{Problem, Setting, from_sorted};
use crate::streams::{Outside, Purpose};

/// The tables of a choice. What it sees runs over `shape`, row-major, behind the positions of its loop where it has them.
#[derive(Clone, Debug, PartialEq)]
pub struct ChoiceTable {
    /// The latent.
    pub name: String,
    /// Extents of the loop, where the tables go over it, and of what is seen.
    pub shape: Vec<usize>,
    /// How many values it has.
    pub values: usize,
    /// The probability of each value, the values last.
    pub probabilities: Vec<f64>,
    /// What is to come, in what is minimised; nothing where that is not known apart from what was paid.
    pub to_come: Vec<f64>,
    /// Nats of the choice itself.
    pub rate: Vec<f64>,
}

/// The tables of some choices of a fit.
///
/// # Errors
/// When the run fails.
pub fn choice_tables(
    problem: &Problem,
    values: &[Vec<f64>],
    extra: HashMap<InputId, Arc<Tensor>>,
    wanted: &[&Choice],
) -> Result<Vec<ChoiceTable>, ExecutionError> {
    if wanted.is_empty() {
        return Ok(vec![]);
    }
    let g = &problem.objective.graph;
    let nodes: Vec<_> = wanted.iter().flat_map(|c| [c.probabilities, c.to_come.unwrap_or(c.rate), c.rate]).collect();
    let setting = Setting { extra, ..Setting::reporting(Purpose::Figures.step(0), 1) };
    let found = problem.compile(&nodes)?.run(&problem.feed(values, &problem.train, &setting))?;
    let mut found = found.into_iter();
    let mut tables = vec![];
    for choice in wanted {
        let seen = choice.seen_axes();
        let own = [seen.as_slice(), &[choice.values]].concat();
        let (Some(p), Some(v), Some(r)) = (found.next(), found.next(), found.next()) else { continue };
        tables.push(ChoiceTable {
            name: choice.name.clone(),
            shape: seen.iter().map(|a| g.extent_of(a.id)).collect(),
            values: g.extent_of(choice.values.id),
            probabilities: from_sorted(g, &own, p.values).values,
            to_come: choice.to_come.map_or_else(Vec::new, |_| from_sorted(g, &seen, v.values).values),
            rate: from_sorted(g, &seen, r.values).values,
        });
    }
    Ok(tables)
}

/// A draw of a choice with these probabilities, at a line of a stream.
pub fn choose(name: &str, seed: u64, line: u64, shares: &[f64]) -> usize {
    let mut stream = Stream::new(Outside::Choice(name).key(seed, line), Element { row: 0, rest: 0 });
    let mut left = stream.uniform() * shares.iter().sum::<f64>();
    let place = shares.iter().position(|p| {
        left -= p;
        left < 0.0
    });
    // What rounding leaves over goes to the last value that can be.
    place.or_else(|| shares.iter().rposition(|p| *p > 0.0)).unwrap_or(0)
}
