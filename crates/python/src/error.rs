//! Errors as exceptions of the package, with their spans rendered.

use fe_pipeline::{Error, Text, fault};
use pyo3::prelude::*;

/// The exception of an error; at places of a program where it is known. The package's `_errors` has a class for each kind.
pub fn raised(py: Python<'_>, error: &Error, text: Option<&Text>) -> PyErr {
    let kind = match error {
        Error::Program(_) | Error::Text(_) => "program",
        Error::Request(_) => "request",
        Error::Option(..) => "option",
        Error::Data(_) => "data",
        Error::Fit(_) => "fit",
        Error::Io(_) => "io",
        Error::Internal(_) => "fault",
    };
    let (plain, coloured, json) = match text {
        Some(text) if !error.diagnostics().is_empty() => {
            let said = error.diagnostics();
            let rendered = |colour| fe_render::text(&text.file, &text.source, said, colour);
            (rendered(false), rendered(true), fe_render::json(&text.file, &text.source, said).to_string())
        }
        _ => {
            let message = match error {
                Error::Internal(message) => fault(message),
                other => other.brief(),
            };
            (message.clone(), message, "{\"diagnostics\": []}".to_owned())
        }
    };
    let exception = py.import("fe._errors").and_then(|module| module.call_method1("of", (kind, plain, coloured, json)));
    exception.map_or_else(|e| e, PyErr::from_value)
}
