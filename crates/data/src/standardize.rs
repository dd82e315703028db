//! Columns scaled to mean 0 and standard deviation 1 over rows.

use std::path::Path;

use crate::error::{DataError, Kind, Place};
use crate::{Array, Element, Header, Options, Source, Stage};

/// A standard deviation this small beside the mean is rounding error.
const RELATIVE_FLAT: f64 = 1e-12;

/// What `standardize` subtracts from a column and divides it by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistic {
    /// Mean over the rows used.
    pub mean: f64,
    /// Standard deviation over the rows used, with n − 1.
    pub sd: f64,
}

/// The header after all stages, and an error where `standardize` has no meaning.
pub(crate) fn check_header(header: Header, source: &Source) -> Result<Header, DataError> {
    if source.stages.contains(&Stage::Standardize) {
        scalable(header.element)?;
        several(&header.shape)?;
    }
    Ok(Header { element: Element::Real, levels: None, ..header })
}

fn scalable(element: Element) -> Result<(), DataError> {
    if element == Element::Text {
        return Err(DataError::new(Kind::Stage, "`standardize` has no meaning for indices of text"));
    }
    Ok(())
}

fn several(shape: &[usize]) -> Result<(), DataError> {
    if shape.first().is_none_or(|rows| *rows < 2) {
        return Err(DataError::new(
            Kind::Stage,
            "`standardize` takes its statistics over rows, and there is at most one",
        ));
    }
    Ok(())
}

/// Scales each column of `array` and keeps the statistics in it. Missing values are left out of
/// the statistics.
pub(crate) fn standardize(path: Option<&Path>, array: &mut Array, options: &Options) -> Result<(), DataError> {
    let element = if array.levels.is_some() { Element::Text } else { array.element };
    scalable(element)?;
    if options.statistics.is_none() {
        several(&array.shape)?;
    }
    let rows = array.shape.first().copied().unwrap_or(1).max(1);
    let width = (array.values.len() / rows).max(1);
    let statistics = match &options.statistics {
        Some(statistics) if statistics.len() == width => statistics.clone(),
        Some(statistics) => {
            return Err(DataError::new(
                Kind::Argument,
                format!("the run kept statistics of {} columns, and these data have {width}", statistics.len()),
            )
            .help("the data must have the columns that the model was fitted to"));
        }
        None => measure(array, width, options.rows.as_deref())?,
    };
    let too_large = statistics.iter().position(|column| !(column.mean.is_finite() && column.sd.is_finite()));
    if let Some(column) = too_large {
        let error =
            DataError::new(Kind::Constant, "the column's values are too large to take a scale from: it overflows")
                .at(Place::Column(name(array, column)))
                .help("divide it by a constant in the file");
        return Err(DataError { file: path.map(Path::to_owned), ..error });
    }
    let flat = statistics.iter().position(|column| column.sd <= RELATIVE_FLAT * column.mean.abs());
    if let Some(column) = flat {
        let error = DataError::new(Kind::Constant, "the column does not vary over the rows, so it has no scale")
            .at(Place::Column(name(array, column)))
            .help("leave it out, or leave `standardize` out");
        return Err(DataError { file: path.map(Path::to_owned), ..error });
    }
    for row in array.values.chunks_exact_mut(width) {
        for (value, column) in row.iter_mut().zip(&statistics) {
            *value = (*value - column.mean) / column.sd;
        }
    }
    array.statistics = statistics;
    Ok(())
}

fn measure(array: &Array, width: usize, rows: Option<&[usize]>) -> Result<Vec<Statistic>, DataError> {
    let count = array.values.len() / width;
    let all: Vec<usize>;
    let rows = match rows {
        Some(rows) => rows,
        None => {
            all = (0..count).collect();
            &all
        }
    };
    if let Some(row) = rows.iter().find(|row| **row >= count) {
        return Err(DataError::new(Kind::Argument, format!("row {row} is asked for, and there are {count}")));
    }
    let cells = |row: &usize| array.values.get(row * width..(row + 1) * width).unwrap_or_default();
    let mut counts = vec![0.0; width];
    let mut means = vec![0.0; width];
    for row in rows {
        for ((value, count), mean) in cells(row).iter().zip(&mut counts).zip(&mut means) {
            if !value.is_nan() {
                *count += 1.0;
                *mean += value;
            }
        }
    }
    for (mean, count) in means.iter_mut().zip(&counts) {
        *mean /= count;
    }
    let mut squares = vec![0.0; width];
    for row in rows {
        for ((value, mean), square) in cells(row).iter().zip(&means).zip(&mut squares) {
            if !value.is_nan() {
                *square += (value - mean).powi(2);
            }
        }
    }
    let columns = means.iter().zip(&squares).zip(&counts).enumerate();
    columns
        .map(|(column, ((mean, square), count))| match *count >= 2.0 {
            true => Ok(Statistic { mean: *mean, sd: (square / (count - 1.0)).sqrt() }),
            false => Err(DataError::new(Kind::Constant, "the column has fewer than two values to take a scale from")
                .at(Place::Column(name(array, column)))),
        })
        .collect()
}

/// A column's name in its table, or its indices beyond the first.
fn name(array: &Array, column: usize) -> String {
    if let Some(name) = array.columns.get(column) {
        return name.clone();
    }
    let header = Header::new(array.shape.iter().skip(1).copied().collect(), array.element);
    match crate::place(&header, &[], column) {
        Place::Element(index) => index.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
        place => place.to_string(),
    }
}
