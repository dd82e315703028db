//! A program, and its fits.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fe_pipeline::sweep::{self, Shard, SweepOptions};
use fe_pipeline::{Finished, FitOptions, Precision, ReadOptions, Text, directory, on_threads, prepare, sources};
use fe_report::json;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::convert::{Incoming, Source, reading, sought};
use crate::error::raised;
use crate::fit::{Fit, Made};
use crate::work::{Told, without_lock};

/// A program's text.
#[pyclass(frozen, module = "fe._fe")]
pub struct Model {
    text: Text,
}

/// How a program is fitted: `seed`, `steps`, `epochs`, `precision`.
fn fitting(
    seed: Option<u64>,
    steps: Option<usize>,
    epochs: Option<usize>,
    precision: Option<&str>,
) -> PyResult<FitOptions> {
    let precision = match precision {
        None => None,
        Some("f32") => Some(Precision::F32),
        Some("f64") => Some(Precision::F64),
        Some(other) => return Err(PyValueError::new_err(format!("precision is \"f32\" or \"f64\", not {other:?}"))),
    };
    Ok(FitOptions { seed, steps, epochs, precision, ..FitOptions::default() })
}

/// Fits, and makes all that a run's directory holds.
fn made(text: &Text, reading: &ReadOptions, fitting: &FitOptions, told: Told) -> Result<Made, fe_pipeline::Error> {
    let prepared = prepare(text, reading, fitting)?;
    let mut told = told;
    let fitted = prepared.fit(None, &mut told)?;
    let mut document = prepared.document(&fitted)?;
    let record = prepared.record(&fitted, prepared.identity(text, reading, fitting, None));
    document.run.clone_from(&record.run);
    let run = directory::Run {
        source: &text.source,
        record: &record,
        fitted: &fitted,
        document: &document,
        statistics: &prepared.arrays.statistics,
    };
    let (files, page) = run.files(None)?;
    let groups = directory::groups(&run);
    let finished = Finished::of(&run, text, reading.arrays.clone(), Path::new("(in memory)"))?;
    let warnings = fe_render::text(&text.file, &text.source, &prepared.warnings, false);
    Ok(Made { finished, document, files, page: Some(page), groups, warnings })
}

#[pymethods]
impl Model {
    /// A program from its text; `file` is what messages call it, and paths in it are relative to `folder`.
    #[new]
    fn new(source: String, file: &str, folder: PathBuf) -> Self {
        let mut text = Text::in_memory(file, source, &folder);
        if let Some(stem) = Path::new(file).file_stem().filter(|_| file.ends_with(".fe")) {
            text.stem = stem.to_string_lossy().into_owned();
        }
        Self { text }
    }

    /// The data that the program reads: each name, the columns, array or field that its reader names, or the columns that it
    /// leaves out.
    fn sources(&self, set: HashMap<String, String>) -> PyResult<Vec<Source>> {
        Ok(sought(sources(&self.text, &reading(HashMap::new(), HashMap::new(), set)?)))
    }

    /// A fit.
    #[pyo3(signature = (arrays, files, set, *, seed=None, steps=None, epochs=None, threads=None, precision=None, progress=None))]
    #[allow(clippy::too_many_arguments)]
    fn fit(
        &self,
        py: Python<'_>,
        arrays: HashMap<String, Incoming<'_>>,
        files: HashMap<String, String>,
        set: HashMap<String, String>,
        seed: Option<u64>,
        steps: Option<usize>,
        epochs: Option<usize>,
        threads: Option<usize>,
        precision: Option<&str>,
        progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Fit> {
        let (reading, fitting) = (reading(arrays, files, set)?, fitting(seed, steps, epochs, precision)?);
        let text = &self.text;
        let made = without_lock(py, progress.as_ref(), |shared| {
            on_threads(threads, || made(text, &reading, &fitting, Told(shared))).flatten()
        })?;
        made.map(Fit::new).map_err(|e| raised(py, &e, Some(text)))
    }

    /// Fits over values of a `const` or `dim`: `sweep.json`, and the folder that holds it.
    #[pyo3(signature = (over, arrays, files, set, folder, *, resume=false, seed=None, steps=None, epochs=None, threads=None, precision=None))]
    #[allow(clippy::too_many_arguments)]
    fn sweep(
        &self,
        py: Python<'_>,
        over: Vec<String>,
        arrays: HashMap<String, Incoming<'_>>,
        files: HashMap<String, String>,
        set: HashMap<String, String>,
        folder: PathBuf,
        resume: bool,
        seed: Option<u64>,
        steps: Option<usize>,
        epochs: Option<usize>,
        threads: Option<usize>,
        precision: Option<&str>,
    ) -> PyResult<String> {
        let (reading, fitting) = (reading(arrays, files, set)?, fitting(seed, steps, epochs, precision)?);
        let options = SweepOptions { resume, checkpoint: Duration::MAX, ..swept(over, reading, fitting, folder) };
        let text = &self.text;
        let made = without_lock(py, None, |shared| {
            on_threads(threads, || sweep::sweep(text, &options, &Told(shared))).flatten()
        })?;
        made.map(|(report, _)| json(&report)).map_err(|e| raised(py, &e, Some(text)))
    }

    /// A share of these fits, in a folder where other processes make theirs: what came of it, as JSON.
    #[pyo3(signature = (over, arrays, files, set, folder, index, of, *, seed=None, steps=None, epochs=None, threads=None, precision=None))]
    #[allow(clippy::too_many_arguments)]
    fn share(
        &self,
        py: Python<'_>,
        over: Vec<String>,
        arrays: HashMap<String, Incoming<'_>>,
        files: HashMap<String, String>,
        set: HashMap<String, String>,
        folder: PathBuf,
        index: usize,
        of: usize,
        seed: Option<u64>,
        steps: Option<usize>,
        epochs: Option<usize>,
        threads: Option<usize>,
        precision: Option<&str>,
    ) -> PyResult<String> {
        let (reading, fitting) = (reading(arrays, files, set)?, fitting(seed, steps, epochs, precision)?);
        let options = swept(over, reading, fitting, folder);
        let text = &self.text;
        let made = without_lock(py, None, |shared| {
            on_threads(threads, || sweep::share(text, &options, Shard { index, of }, &Told(shared))).flatten()
        })?;
        made.map(|share| json(&share)).map_err(|e| raised(py, &e, Some(text)))
    }
}

/// The seconds between two checkpoints of a fit that may be killed with its worker.
const KEPT: Duration = Duration::from_secs(60);

fn swept(over: Vec<String>, reading: ReadOptions, fitting: FitOptions, folder: PathBuf) -> SweepOptions {
    let folder = Some(folder);
    SweepOptions { over, reading, fitting, jobs: None, resume: false, checkpoint: KEPT, certify: 0, folder }
}
