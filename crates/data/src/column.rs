//! One column of a table, while it is read and when it is whole.

use std::collections::HashMap;
use std::path::Path;

use crate::Element;
use crate::error::{DataError, Kind, Place};

/// One column.
pub(crate) struct Column {
    pub name: String,
    /// Numbers, or indices into `levels`; NaN where missing.
    pub values: Vec<f64>,
    pub element: Element,
    /// The levels; in order of first appearance until the column is finished.
    pub levels: Vec<String>,
    codes: HashMap<String, usize>,
    /// Whether the file itself states the order of the levels.
    ordered: bool,
    /// The first number and the first text, with their rows: a column has no business with both.
    first_number: Option<(usize, String)>,
    first_text: Option<(usize, String)>,
    integer: bool,
}

impl Column {
    pub fn new(name: &str) -> Self {
        Column {
            name: name.to_owned(),
            values: Vec::new(),
            element: Element::Real,
            levels: Vec::new(),
            codes: HashMap::new(),
            ordered: false,
            first_number: None,
            first_text: None,
            integer: true,
        }
    }

    /// Whether it holds text so far.
    pub fn is_text(&self) -> bool {
        self.first_text.is_some()
    }

    /// States levels before any is met, in their order.
    #[cfg_attr(not(feature = "columnar"), allow(dead_code))]
    pub fn state(&mut self, levels: impl Iterator<Item = String>) {
        self.ordered = true;
        for level in levels {
            self.code(&level);
        }
    }

    pub fn missing(&mut self) {
        self.values.push(f64::NAN);
    }

    pub fn number(&mut self, number: f64, whole: bool) {
        let row = self.values.len() + 1;
        self.first_number.get_or_insert_with(|| (row, number.to_string()));
        self.integer &= whole;
        self.values.push(number);
    }

    pub fn text(&mut self, text: &str) {
        let row = self.values.len() + 1;
        self.first_text.get_or_insert_with(|| (row, shorten(text)));
        let code = self.code(text);
        self.values.push(code as f64);
    }

    fn code(&mut self, level: &str) -> usize {
        if let Some(code) = self.codes.get(level) {
            return *code;
        }
        let next = self.levels.len();
        self.codes.insert(level.to_owned(), next);
        self.levels.push(level.to_owned());
        next
    }

    /// A cell of text: a number, a text, or nothing.
    pub fn cell(&mut self, path: &Path, cell: &str) -> Result<(), DataError> {
        let row = self.values.len() + 1;
        if matches!(cell, "" | "NA" | "NaN" | "nan") {
            self.missing();
            return Ok(());
        }
        match cell.parse::<f64>() {
            Ok(number) => {
                self.first_number.get_or_insert_with(|| (row, shorten(cell)));
                self.number(number, !cell.contains(['.', 'e', 'E', 'i', 'I']));
            }
            Err(_) => self.text(cell),
        }
        match (&self.first_number, &self.first_text) {
            (Some((number_row, number)), Some((text_row, text))) => {
                let (other_row, other) = match *text_row == row {
                    true => (number_row, number),
                    false => (text_row, text),
                };
                Err(DataError::file(
                    Kind::MixedTypes,
                    path,
                    format!("`{}` here and `{other}` in row {other_row}: numbers and text in one column", shorten(cell)),
                )
                .at(Place::Cell { row, column: self.name.clone() })
                .help("correct the cell, or leave it blank or NA if the value is missing; numbers have no thousands separators"))
            }
            _ => Ok(()),
        }
    }

    /// Keeps some of the rows, and settles what the column holds.
    pub fn finish(mut self, kept: Option<&[bool]>) -> Self {
        if let Some(kept) = kept {
            let mut kept = kept.iter();
            self.values.retain(|_| kept.next().copied().unwrap_or(false));
        }
        let truths: Vec<Option<f64>> = self.levels.iter().map(|level| truth(level)).collect();
        self.element = if self.first_text.is_none() {
            match self.integer && self.first_number.is_some() {
                true => Element::Integer,
                false => Element::Real,
            }
        } else if truths.iter().all(Option::is_some) {
            for value in self.values.iter_mut().filter(|value| !value.is_nan()) {
                *value = truths.get(*value as usize).copied().flatten().unwrap_or(f64::NAN);
            }
            Element::Bool
        } else {
            if !self.ordered {
                self.sort_levels();
            }
            Element::Text
        };
        self
    }

    /// The levels that are there, sorted, and the indices that follow.
    fn sort_levels(&mut self) {
        let mut there = vec![false; self.levels.len()];
        for value in self.values.iter().filter(|value| !value.is_nan()) {
            if let Some(there) = there.get_mut(*value as usize) {
                *there = true;
            }
        }
        let mut order: Vec<(usize, String)> = std::mem::take(&mut self.levels)
            .into_iter()
            .enumerate()
            .filter(|(k, _)| there.get(*k) == Some(&true))
            .collect();
        sort(&mut order, |level| &level.1);
        let mut places = vec![f64::NAN; there.len()];
        for (now, (before, _)) in order.iter().enumerate() {
            if let Some(place) = places.get_mut(*before) {
                *place = now as f64;
            }
        }
        for value in self.values.iter_mut().filter(|value| !value.is_nan()) {
            *value = places.get(*value as usize).copied().unwrap_or(f64::NAN);
        }
        self.levels = order.into_iter().map(|(_, level)| level).collect();
    }
}

/// Sorts by texts: as numbers where all of them are, else by their characters.
pub(crate) fn sort<T>(all: &mut [T], text: impl Fn(&T) -> &str) {
    let number = |of: &T| text(of).parse::<f64>().ok();
    if all.iter().all(|of| number(of).is_some()) {
        let size = |of: &T| number(of).unwrap_or(f64::NAN);
        all.sort_by(|a, b| size(a).total_cmp(&size(b)).then_with(|| text(a).cmp(text(b))));
    } else {
        all.sort_by(|a, b| text(a).cmp(text(b)));
    }
}

pub(crate) fn truth(word: &str) -> Option<f64> {
    match word {
        "true" | "True" | "TRUE" => Some(1.0),
        "false" | "False" | "FALSE" => Some(0.0),
        _ => None,
    }
}

fn shorten(cell: &str) -> String {
    cell.chars().take(30).collect()
}
