//! Which rows of a table are read: comparisons of its columns.

use std::path::Path;

use crate::column::{Column, truth};
use crate::error::{DataError, Kind, Place};

/// Of which rows. A cell that is missing satisfies no comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// A column compared with a number or a text.
    Compare {
        /// The column.
        column: String,
        /// How.
        relation: Relation,
        /// With what.
        cell: Cell,
    },
    /// Both.
    And(Box<Condition>, Box<Condition>),
    /// Either.
    Or(Box<Condition>, Box<Condition>),
    /// Not.
    Not(Box<Condition>),
}

/// Comparisons. Texts are ordered by their characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Relation {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// What a cell is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

impl Relation {
    fn holds(self, order: Option<std::cmp::Ordering>) -> bool {
        use std::cmp::Ordering::{Equal, Greater, Less};
        order.is_some_and(|order| match self {
            Relation::Equal => order == Equal,
            Relation::NotEqual => order != Equal,
            Relation::Less => order == Less,
            Relation::LessEqual => order != Greater,
            Relation::Greater => order == Greater,
            Relation::GreaterEqual => order != Less,
        })
    }
}

impl Condition {
    /// The columns that are compared, each once.
    pub(crate) fn columns(&self) -> Vec<String> {
        let mut names = match self {
            Condition::Compare { column, .. } => vec![column.clone()],
            Condition::And(a, b) | Condition::Or(a, b) => [a.columns(), b.columns()].concat(),
            Condition::Not(a) => a.columns(),
        };
        names.sort();
        names.dedup();
        names
    }

    /// For each row, whether it is read.
    pub(crate) fn kept(&self, path: &Path, columns: &[Column], rows: usize) -> Result<Vec<bool>, DataError> {
        let both = |a: &Condition, b: &Condition, join: fn(bool, bool) -> bool| {
            let (a, b) = (a.kept(path, columns, rows)?, b.kept(path, columns, rows)?);
            Ok(a.into_iter().zip(b).map(|(a, b)| join(a, b)).collect())
        };
        match self {
            Condition::And(a, b) => both(a, b, |a, b| a && b),
            Condition::Or(a, b) => both(a, b, |a, b| a || b),
            Condition::Not(a) => Ok(a.kept(path, columns, rows)?.into_iter().map(|kept| !kept).collect()),
            Condition::Compare { column, relation, cell } => {
                let Some(found) = columns.iter().find(|other| other.name == *column) else {
                    return Ok(vec![false; rows]);
                };
                compared(path, found, *relation, cell)
            }
        }
    }
}

/// Which cells of a column are so related to what they are compared with.
fn compared(path: &Path, column: &Column, relation: Relation, cell: &Cell) -> Result<Vec<bool>, DataError> {
    let mixed = |holds: &str, with: String| {
        Err(DataError::file(Kind::MixedTypes, path, format!("the column holds {holds}, and is compared with {with}"))
            .at(Place::Column(column.name.clone()))
            .help("in a condition texts stand in single quotes, and numbers without"))
    };
    match cell {
        Cell::Number(number) if column.is_text() => mixed("text", format!("the number {number}")),
        Cell::Number(number) => Ok(column.values.iter().map(|v| relation.holds(v.partial_cmp(number))).collect()),
        Cell::Text(text) if !column.is_text() && column.values.iter().any(|v| !v.is_nan()) => {
            mixed("numbers", format!("the text `{text}`"))
        }
        Cell::Text(text) => {
            // However truth is written, it is the same.
            let order = |level: &String| match (truth(level), truth(text)) {
                (Some(a), Some(b)) => a.total_cmp(&b),
                _ => level.cmp(text),
            };
            let levels: Vec<bool> = column.levels.iter().map(|level| relation.holds(Some(order(level)))).collect();
            let holds = |v: &f64| !v.is_nan() && levels.get(*v as usize).copied().unwrap_or(false);
            Ok(column.values.iter().map(holds).collect())
        }
    }
}
