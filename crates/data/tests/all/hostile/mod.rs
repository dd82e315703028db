//! Files that are damaged, that lie, or that are merely odd: one table for each format says what becomes of every one of them.
//! What is accepted stands there with its values, so that nothing is read wrongly in silence.

mod arrays;
#[cfg(feature = "columnar")]
mod columns;
mod packed;
mod places;
mod text;

use std::fmt::Write as _;

use crate::common::*;
use fe_data::{DataError, Source, header, load};

/// One line and its help for each file: what is read of it, or what is said.
fn table(folder: &Folder, rows: &[(&str, Source)]) -> String {
    let mut out = String::new();
    for (name, source) in rows {
        writeln!(out, "{name}\n  {}", outcome(folder, source).replace("\n  ", "\n    ")).unwrap();
    }
    out
}

/// The values that `source` gives, or its message, control characters written out. Header and values tell the same.
fn outcome(folder: &Folder, source: &Source) -> String {
    let (told, found) = (header(source), load(source));
    let text = match found {
        Ok(array) => {
            let told = told.expect("what can be read has a header");
            assert_eq!((&told.shape, told.element, &told.columns), (&array.shape, array.element, &array.columns));
            let values: Vec<String> = array.values.iter().take(8).map(|v| format!("{v:?}")).collect();
            let levels = array.levels.map(|levels| format!(" of {levels:?}")).unwrap_or_default();
            let columns = if array.columns.is_empty() { String::new() } else { format!(" of {:?}", array.columns) };
            format!("read: {:?} {:?}{columns}: {}{levels}", array.element, array.shape, values.join(" "))
        }
        Err(error) => {
            if let Err(other) = told {
                assert_eq!(other, error, "header and load disagree");
            }
            whole(&error);
            folder.shorten(&error)
        }
    };
    text.chars()
        .map(|c| if c.is_control() && c != '\n' { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

/// Every message names what it is about and is one clause.
fn whole(error: &DataError) {
    assert!(error.file.is_some(), "no file is named: {error}");
    assert!(!error.message.is_empty() && !error.message.ends_with('.'), "{error}");
}

/// What is said of each beginning of a file, none of which may be read; neighbours of which the same is said are one line.
fn beginnings(folder: &Folder, name: &str, bytes: &[u8], source: impl Fn(std::path::PathBuf) -> Source) -> String {
    let mut runs: Vec<(usize, usize, String)> = vec![];
    for length in 0..bytes.len() {
        let source = source(folder.write(name, &bytes[..length]));
        let error = load(&source).expect_err("a part of a file");
        let said = folder.shorten(&error).replace(&format!("byte {length}:"), "byte LENGTH:");
        let said = said.replace(&format!("after {length} bytes"), "after LENGTH bytes");
        match runs.last_mut() {
            Some((_, last, before)) if *before == said => *last = length,
            _ => runs.push((length, length, said)),
        }
    }
    runs.iter()
        .map(|(from, to, said)| format!("{from} to {to} bytes\n  {}\n", said.replace("\n  ", "\n    ")))
        .collect()
}
