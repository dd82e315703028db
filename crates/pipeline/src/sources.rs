//! What a program's readers ask for, as what `fe_data` reads.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fe_check::{Channels, Reader, SourceCall};

use crate::error::{Error, OptionName};

/// The reader with its path resolved; none for numbers written in the program, and for what the caller was to give.
pub(crate) fn source(call: &SourceCall, folder: &Path, replaced: Option<&str>) -> Option<fe_data::Source> {
    // A path given on the command line is relative to where the command runs.
    let at = |path: &str| replaced.map_or_else(|| folder.join(path), PathBuf::from);
    let reader = match &call.reader {
        Reader::Npy { path } => fe_data::Reader::Npy { path: at(path) },
        Reader::Npz { path, array } => fe_data::Reader::Npz { path: at(path), array: array.clone() },
        Reader::Table { path, format, columns: wanted, rows } => fe_data::Reader::Table(fe_data::Table {
            path: at(path),
            // Another file may be a table of another form.
            format: replaced.is_none().then(|| form(*format)),
            columns: columns(wanted),
            rows: rows.as_ref().map(condition),
        }),
        Reader::Json { path, field } => fe_data::Reader::Json { path: at(path), field: field.clone() },
        Reader::Idx { path } => fe_data::Reader::Idx { path: at(path) },
        Reader::Images { path, channels } => fe_data::Reader::Images { pattern: at(path), channels: colors(*channels) },
        Reader::Patches { path, array, images, channels, border, size, count, seed, moving } => {
            fe_data::Reader::Patches {
                pattern: at(path),
                array: array.clone(),
                images: *images,
                channels: colors(*channels),
                size: *size,
                count: *count,
                seed: *seed,
                border: *border,
                moving: moving.map(|(frames, drift)| fe_data::Moving { frames, drift }),
            }
        }
        Reader::Bars { size, angles, frames, width, blank } => fe_data::Reader::Bars(fe_data::Bars {
            size: *size,
            angles: *angles,
            frames: *frames,
            width: *width,
            blank: *blank,
        }),
        Reader::NormalDraws { mean, sd, count, seed } => {
            fe_data::Reader::NormalDraws { mean: *mean, sd: *sd, count: *count, seed: *seed }
        }
        Reader::Numbers { .. } | Reader::Input => return None,
    };
    Some(fe_data::Source { reader, stages: stages(call) })
}

/// A file for data that the program leaves to its caller; how it is read is told by its name.
///
/// # Errors
/// When its ending is that of nothing that is read.
pub(crate) fn given(call: &SourceCall, path: &str) -> Result<fe_data::Source, Error> {
    let file = PathBuf::from(path);
    let lower = path.to_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|e| lower.ends_with(e));
    let name = call.data.clone();
    let reader = if ends(&[".npy"]) {
        fe_data::Reader::Npy { path: file }
    } else if ends(&[".npz"]) {
        fe_data::Reader::Npz { path: file, array: Some(name) }
    } else if ends(&[".json"]) {
        fe_data::Reader::Json { path: file, field: Some(name) }
    } else if ends(&[".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".parquet", ".arrow", ".feather"]) {
        // A matrix is all columns of numbers, and a vector the column of its name.
        let columns = match call.rank {
            0 | 1 => fe_data::Columns::Named(vec![name]),
            _ => fe_data::Columns::AllBut(vec![]),
        };
        fe_data::Reader::Table(fe_data::Table { path: file, format: None, columns, rows: None })
    } else {
        return Err(Error::Option(
            OptionName::Data,
            format!(
                "{name}={path}: the ending says how an `input` is read: .csv, .parquet, .arrow, .npy, .npz or .json"
            ),
        ));
    };
    Ok(fe_data::Source { reader, stages: stages(call) })
}

/// The caller's array in the place of what a reader would give.
pub(crate) fn in_memory(call: &SourceCall, array: Arc<fe_data::InMemory>) -> fe_data::Source {
    fe_data::Source { reader: fe_data::Reader::Memory(array), stages: stages(call) }
}

fn form(format: fe_check::TableFormat) -> fe_data::Format {
    match format {
        fe_check::TableFormat::Text => fe_data::Format::Text,
        fe_check::TableFormat::Parquet => fe_data::Format::Parquet,
        fe_check::TableFormat::Arrow => fe_data::Format::Arrow,
    }
}

fn columns(wanted: &fe_check::Columns) -> fe_data::Columns {
    match wanted {
        fe_check::Columns::Named(names) => fe_data::Columns::Named(names.clone()),
        fe_check::Columns::AllBut(names) => fe_data::Columns::AllBut(names.clone()),
    }
}

fn condition(of: &fe_check::Condition) -> fe_data::Condition {
    use fe_check::{Cell, Condition as C, Relation as R};
    let both = |a: &C, b: &C| (Box::new(condition(a)), Box::new(condition(b)));
    match of {
        C::And(a, b) => {
            let (a, b) = both(a, b);
            fe_data::Condition::And(a, b)
        }
        C::Or(a, b) => {
            let (a, b) = both(a, b);
            fe_data::Condition::Or(a, b)
        }
        C::Not(a) => fe_data::Condition::Not(Box::new(condition(a))),
        C::Compare { column, relation, cell } => fe_data::Condition::Compare {
            column: column.clone(),
            relation: match relation {
                R::Equal => fe_data::Relation::Equal,
                R::NotEqual => fe_data::Relation::NotEqual,
                R::Less => fe_data::Relation::Less,
                R::LessEqual => fe_data::Relation::LessEqual,
                R::Greater => fe_data::Relation::Greater,
                R::GreaterEqual => fe_data::Relation::GreaterEqual,
            },
            cell: match cell {
                Cell::Number(number) => fe_data::Cell::Number(*number),
                Cell::Text(text) => fe_data::Cell::Text(text.clone()),
            },
        },
    }
}

fn colors(channels: Channels) -> fe_data::Channels {
    match channels {
        Channels::Grey => fe_data::Channels::Grey,
        Channels::Color => fe_data::Channels::Color,
    }
}

fn stages(call: &SourceCall) -> Vec<fe_data::Stage> {
    let stage = |stage: &fe_check::Stage| match stage {
        fe_check::Stage::Whiten => fe_data::Stage::Whiten,
        fe_check::Stage::Standardize => fe_data::Stage::Standardize,
        fe_check::Stage::Categories(order) => fe_data::Stage::Categories(order.clone()),
        fe_check::Stage::Days(since) => fe_data::Stage::Days(since.clone()),
    };
    call.stages.iter().map(|s| stage(&s.0)).collect()
}
