//! A stream: a program or a finished fit that is turned one line at a time.

use std::sync::Mutex;

use fe_pipeline::stream::{Online, json_line};
use fe_pipeline::{Error, Text};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::error::raised;
use crate::work::without_lock;

/// What takes a line and answers it.
#[pyclass(frozen, module = "fe._fe")]
pub struct Stream {
    online: Mutex<Online>,
}

impl Stream {
    /// A stream before its first line.
    pub fn new(online: Online) -> Self {
        Self { online: Mutex::new(online) }
    }
}

fn poisoned<E>(_: E) -> PyErr {
    PyRuntimeError::new_err("an earlier line ended in a fault; open the stream again")
}

#[pymethods]
impl Stream {
    /// The names that a line gives, and whether each may be left out.
    fn taken(&self) -> PyResult<Vec<(String, bool)>> {
        let online = self.online.lock().map_err(poisoned)?;
        Ok(online.taken().iter().map(|t| (t.name.clone(), t.optional)).collect())
    }

    /// What is to be known before the first line.
    fn notes(&self) -> PyResult<Vec<String>> {
        Ok(self.online.lock().map_err(poisoned)?.notes())
    }

    /// Answers a line: JSON in, and JSON out.
    fn step(&self, py: Python<'_>, line: &str) -> PyResult<String> {
        let answered = without_lock(py, None, |_| {
            let mut online = self.online.lock().map_err(|_| None)?;
            let row = json_line(line, online.taken());
            let step = row.and_then(|row| online.step(&row));
            step.map(|s| s.json().to_string()).map_err(|e| Some(Box::new((e, online.text().clone()))))
        })?;
        answered.map_err(|failed: Option<Box<(Error, Text)>>| match failed {
            Some(failed) => raised(py, &failed.0, Some(&failed.1)),
            None => poisoned(()),
        })
    }
}
