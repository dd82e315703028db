//! A finished fit: its files, and what can be asked of it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use fe_pipeline::directory::{self, File, Writing};
use fe_pipeline::stream::{Online, Plan, PlanOptions, StreamOptions};
use fe_pipeline::{
    Error, Evaluated, Finished, PredictOptions, Sought, codes, evaluate, evaluate_own, page_again, predict,
    put_pictures, sample, sources,
};
use fe_report::{Document, Group, Page, json, terminal};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::convert::{Incoming, Outgoing, Source, outgoing, reading, sought};
use crate::error::raised;
use crate::stream::Stream;
use crate::work::without_lock;

/// What a fit has made.
pub struct Made {
    /// From which everything else is asked.
    pub finished: Finished,
    /// The document.
    pub document: Document,
    /// The files of its directory.
    pub files: Vec<File>,
    /// Its page; of a run that was read it is made where it is asked for.
    pub page: Option<Page>,
    /// Draws and data.
    pub groups: Vec<Group>,
    /// What is to be known of the program, as text.
    pub warnings: String,
}

impl Made {
    /// What a finished run's directory holds; its draws stay in their file.
    ///
    /// # Errors
    /// When a file is missing or damaged.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let finished = Finished::read(folder)?;
        let (document, files) = (finished.document()?, directory::read(folder)?);
        Ok(Self { finished, document, files, page: None, groups: vec![], warnings: String::new() })
    }

    /// The data that its program reads, as [`fe_pipeline::sources`] tells of them.
    pub fn sources(&self) -> Vec<(String, Sought)> {
        sources(&self.finished.text, &self.finished.record.identity.options.reading(&self.finished.place))
    }
}

/// A finished fit.
#[pyclass(frozen, module = "fe._fe")]
pub struct Fit {
    made: Made,
}

/// Levels of text, by axis.
type Labels = Vec<(String, Vec<String>)>;

/// A group of draws or data: its name, how many draws and chains there are, its arrays, its attributes, and the levels of its axes.
type Told<'py> = (String, usize, usize, Vec<Outgoing<'py>>, Vec<(String, String)>, Labels);

impl Fit {
    /// A fit.
    pub fn new(made: Made) -> Self {
        Self { made }
    }

    fn raised(&self, py: Python<'_>, error: &Error) -> PyErr {
        raised(py, error, Some(&self.made.finished.text))
    }

    fn groups_of<'py>(py: Python<'py>, groups: &[Group]) -> Vec<Told<'py>> {
        let told = |g: &Group| {
            let arrays = g.arrays.iter().map(|a| outgoing(py, a)).collect();
            let labels = g.labels.iter().map(|(axis, levels)| (axis.clone(), levels.clone())).collect();
            (g.name.clone(), g.draws, g.chains, arrays, g.attributes.clone(), labels)
        };
        groups.iter().map(told).collect()
    }
}

#[pymethods]
impl Fit {
    /// The data that its program reads: each name, the columns, array or field that its reader names, or the columns that it
    /// leaves out.
    fn sources(&self) -> Vec<Source> {
        sought(self.made.sources())
    }

    /// `fit.json`
    fn document(&self) -> String {
        json(&self.made.document)
    }

    /// What the program's author should know, as text.
    fn warnings(&self) -> &str {
        &self.made.warnings
    }

    /// The ledger as text of so many columns.
    fn ledger(&self, width: usize, colour: bool) -> String {
        terminal(&self.made.document, width, colour)
    }

    /// A file of the run: `report.html`, `posterior.nc`, `params.safetensors`; none of another name.
    fn file<'py>(&self, py: Python<'py>, name: &str) -> Option<Bound<'py, PyBytes>> {
        self.made.files.iter().find(|(n, _)| *n == name).map(|(_, bytes)| PyBytes::new(py, bytes))
    }

    /// Writes the run's directory.
    fn save(&self, py: Python<'_>, folder: PathBuf) -> PyResult<()> {
        let written = Writing::begin(&folder).and_then(|writing| writing.commit(&self.made.files, false));
        written.map_err(|e| self.raised(py, &e))
    }

    /// Writes every picture of the page as a file of a folder; gives how many.
    fn pictures(&self, py: Python<'_>, folder: PathBuf) -> PyResult<usize> {
        let written = without_lock(py, None, |_| match &self.made.page {
            Some(page) => put_pictures(page, &folder),
            None => page_again(&self.made.finished).and_then(|page| put_pictures(&page, &folder)),
        })?;
        written.map_err(|e| self.raised(py, &e))
    }

    /// Draws of the posterior, statistics of them, parameters and data, by group.
    fn groups<'py>(&self, py: Python<'py>) -> Vec<Told<'py>> {
        Self::groups_of(py, &self.made.groups)
    }

    /// What the guide says of rows: the arrays, the rows' numbers, and notes.
    fn codes<'py>(
        &self,
        py: Python<'py>,
        arrays: HashMap<String, Incoming<'_>>,
        files: HashMap<String, String>,
        names: Vec<String>,
    ) -> PyResult<(Vec<Outgoing<'py>>, Vec<u64>, Vec<String>)> {
        let new = reading(arrays, files, HashMap::new())?;
        let found = without_lock(py, None, |_| codes(&self.made.finished, &new, &names))?;
        let found = found.map_err(|e| self.raised(py, &e))?;
        let told = found.arrays().iter().map(|a| outgoing(py, a)).collect();
        Ok((told, found.rows, found.notes))
    }

    /// What is predicted at new rows, or at further steps: the arrays, and notes.
    #[allow(clippy::too_many_arguments)]
    fn predict<'py>(
        &self,
        py: Python<'py>,
        arrays: HashMap<String, Incoming<'_>>,
        files: HashMap<String, String>,
        interval: f64,
        count: usize,
        seed: Option<u64>,
        ahead: Option<usize>,
        draws: bool,
    ) -> PyResult<(Vec<Outgoing<'py>>, Vec<String>)> {
        let new = reading(arrays, files, HashMap::new())?;
        let options = PredictOptions { count, interval, seed, ahead, draws };
        let found = without_lock(py, None, |_| predict(&self.made.finished, &new, &options))?;
        let found = found.map_err(|e| self.raised(py, &e))?;
        Ok((found.arrays.iter().map(|a| outgoing(py, a)).collect(), found.notes))
    }

    /// The figures of new rows, or of the fit's own where none are given, as JSON.
    fn eval(
        &self,
        py: Python<'_>,
        arrays: HashMap<String, Incoming<'_>>,
        files: HashMap<String, String>,
        set: HashMap<String, String>,
    ) -> PyResult<String> {
        let new = reading(arrays, files, set)?;
        let run = &self.made.finished;
        let own = new.arrays.is_empty() && new.data.is_empty();
        let found =
            without_lock(py, None, |_| if own { evaluate_own(run, &new.set, true) } else { evaluate(run, &new) })?;
        let Evaluated { evaluation, .. } = found.map_err(|e| self.raised(py, &e))?;
        Ok(json(&evaluation))
    }

    /// A stream of lines, from where the fit ended; a plan that is made anew at each where `plan` gives its iterations and starts.
    fn stream(
        &self,
        py: Python<'_>,
        names: Vec<String>,
        samples: usize,
        seed: Option<u64>,
        plan: Option<(usize, usize)>,
    ) -> PyResult<Stream> {
        let run = &self.made.finished;
        let opened = without_lock(py, None, |_| match plan {
            None => {
                let options = StreamOptions { names, samples, seed };
                Online::open(run.clone(), options)
            }
            Some((steps, starts)) => {
                let prepared = run.prepare()?;
                let plan = Plan::open(&run.text, prepared, Some(run), PlanOptions { steps, starts })?;
                Ok(Online::Plans(Box::new(plan)))
            }
        })?;
        opened.map(Stream::new).map_err(|e| self.raised(py, &e))
    }

    /// New data for each of so many draws of the guide.
    fn sample<'py>(&self, py: Python<'py>, count: usize, seed: Option<u64>) -> PyResult<Vec<Told<'py>>> {
        let found = without_lock(py, None, |_| sample::posterior(&self.made.finished, seed, count))?;
        let found = found.map_err(|e| self.raised(py, &e))?;
        Ok(Self::groups_of(py, &found.groups))
    }

    /// Where it was written, in messages.
    fn folder(&self) -> &Path {
        &self.made.finished.folder
    }
}
