//! The extension module of the Python package `free-energy`: the pipeline as Python calls it.
//!
//! Arrays come as bytes of f64 with their shapes and go as such, documents as JSON: what they become in Python is decided there
//! (`python/fe`). Work runs on a thread of its own, without the interpreter's lock, while the caller's looks for signals.
#![cfg(feature = "extension")]

mod convert;
mod error;
mod fit;
mod model;
mod stream;
mod work;

use fe_report::{elpd_table, json};
use pyo3::prelude::*;
use pyo3::types::PyModule;

use crate::error::raised;

/// The diagnostics of a program, as JSON: what is wrong with it, without its data where they are not there.
#[pyfunction]
fn check(source: String, file: &str, folder: std::path::PathBuf) -> String {
    let text = fe_pipeline::Text::in_memory(file, source, &folder);
    let said = match fe_pipeline::load(&text, &fe_pipeline::ReadOptions::default()) {
        Ok(loaded) => loaded.warnings,
        Err(error) => error.diagnostics().to_vec(),
    };
    fe_render::json(file, &text.source, &said).to_string()
}

/// The text of a program's diagnostics, with their spans.
#[pyfunction]
fn render(source: String, file: &str, folder: std::path::PathBuf, colour: bool) -> String {
    let text = fe_pipeline::Text::in_memory(file, source, &folder);
    let said = match fe_pipeline::load(&text, &fe_pipeline::ReadOptions::default()) {
        Ok(loaded) => loaded.warnings,
        Err(error) => error.diagnostics().to_vec(),
    };
    fe_render::text(file, &text.source, &said, colour)
}

/// A finished run, from its directory.
#[pyfunction]
fn load(py: Python<'_>, folder: std::path::PathBuf) -> PyResult<fit::Fit> {
    fit::Made::read(&folder).map(fit::Fit::new).map_err(|e| raised(py, &e, None))
}

/// Documents of fits, side by side by leave-one-out, as JSON.
#[pyfunction]
fn compare(py: Python<'_>, documents: Vec<(String, String)>) -> PyResult<String> {
    let read = |(name, text): (String, String)| serde_json::from_str(&text).map(|document| (name, document));
    let documents = documents.into_iter().map(read).collect::<Result<Vec<_>, serde_json::Error>>();
    let documents = documents
        .map_err(|e| raised(py, &fe_pipeline::Error::Request(format!("this is no document of a fit: {e}")), None))?;
    let table = elpd_table(&documents).map_err(|e| raised(py, &fe_pipeline::Error::Request(e.to_string()), None))?;
    Ok(json(&table))
}

/// The extension module.
#[pymodule]
fn _fe(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(check, module)?)?;
    module.add_function(wrap_pyfunction!(render, module)?)?;
    module.add_function(wrap_pyfunction!(load, module)?)?;
    module.add_function(wrap_pyfunction!(compare, module)?)?;
    module.add_class::<model::Model>()?;
    module.add_class::<stream::Stream>()?;
    module.add_class::<fit::Fit>()
}
