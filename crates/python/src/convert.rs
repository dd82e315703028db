//! Arrays of Python as the pipeline takes them, and back.

use std::collections::HashMap;
use std::sync::Arc;

use fe_data::{Element, InMemory};
use fe_pipeline::{Assignment, ReadOptions, Sought};
use fe_report::Array;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// An array as it comes: its shape, its f64 elements, what these are, the levels of text, and names of its columns.
pub type Incoming<'py> = (Vec<usize>, Bound<'py, PyBytes>, String, Option<Vec<String>>, Vec<String>);

/// A datum of a program as it goes: its name, what its reader names, and of one that takes all columns but some, these.
pub type Source = (String, Vec<String>, Option<Vec<String>>);

/// The data that a program reads, on their way to Python.
pub fn sought(sources: Vec<(String, Sought)>) -> Vec<Source> {
    let each = |(name, sought)| match sought {
        Sought::Named(names) => (name, names, None),
        Sought::AllBut(names) => (name, vec![], Some(names)),
    };
    sources.into_iter().map(each).collect()
}

/// An array as it goes: its name, axes, shape and f64 elements.
pub type Outgoing<'py> = (String, Vec<String>, Vec<usize>, Bound<'py, PyBytes>);

fn numbers(bytes: &[u8]) -> Vec<f64> {
    bytes.chunks_exact(8).filter_map(|b| Some(f64::from_ne_bytes(b.try_into().ok()?))).collect()
}

/// How a program is read: arrays and files in the place of those that it reads, and values of `const`s and `dim`s.
pub fn reading(
    arrays: HashMap<String, Incoming<'_>>,
    files: HashMap<String, String>,
    set: HashMap<String, String>,
) -> PyResult<ReadOptions> {
    let array = |(name, (shape, bytes, element, levels, columns)): (String, Incoming<'_>)| {
        let element = match element.as_str() {
            "real" => Element::Real,
            "integer" => Element::Integer,
            "bool" => Element::Bool,
            "text" => Element::Text,
            other => return Err(PyValueError::new_err(format!("`{other}` is no kind of elements"))),
        };
        Ok((name, Arc::new(InMemory { shape, values: numbers(bytes.as_bytes()), element, levels, columns })))
    };
    let assigned = |all: HashMap<String, String>| {
        let mut all: Vec<Assignment> = all.iter().map(|(name, value)| Assignment::new(name, value)).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    };
    let arrays = arrays.into_iter().map(array).collect::<PyResult<_>>()?;
    Ok(ReadOptions { data: assigned(files), set: assigned(set), arrays, ..ReadOptions::default() })
}

/// An array on its way to Python.
pub fn outgoing<'py>(py: Python<'py>, array: &Array) -> Outgoing<'py> {
    let bytes: Vec<u8> = array.values.iter().flat_map(|v| v.to_ne_bytes()).collect();
    (array.name.clone(), array.axes.clone(), array.shape.clone(), PyBytes::new(py, &bytes))
}
