//! A run directory: each file is written aside and renamed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use fe_data::Statistic;
use fe_report::{Array, Document, Group, inference_data, json, trace_csv, write_atomically};
use safetensors::tensor::{Dtype, TensorView};

use crate::error::Error;
use crate::fit::Fitted;
use crate::page;
use crate::record::{self, RunRecord};
use crate::verify;

/// The page of a run.
pub const PAGE: &str = "report.html";

/// The program as run.
pub(crate) const PROGRAM: &str = "model.fe";

/// The parameters, in 64 bits on the program's scale.
pub(crate) const PARAMETERS: &str = "params.safetensors";

/// The course of the fit.
pub(crate) const TRACE: &str = "trace.csv";

/// The document of the fit, written last: where it is, all is.
pub(crate) const FIT: &str = "fit.json";

/// The fit beside chains, where it was held to some.
pub(crate) const VERIFICATION: &str = "verify.json";

/// Draws of these chains.
pub(crate) const CHAINS: &str = "verify.nc";

/// Draws and data, as ArviZ has them.
pub(crate) const DRAWS: &str = "posterior.nc";

/// A file of a run: its name, and what is in it.
pub type File = (&'static str, Vec<u8>);

/// What is written.
pub struct Run<'a> {
    /// The program as run.
    pub source: &'a str,
    /// What it was made from.
    pub record: &'a RunRecord,
    /// The fit.
    pub fitted: &'a Fitted<'a>,
    /// Its document.
    pub document: &'a Document,
    /// What `standardize` subtracted and divided by, by name of the data.
    pub statistics: &'a [(String, Vec<Statistic>)],
}

/// Whether a folder holds a run.
pub fn holds_run(folder: &Path) -> bool {
    [record::FILE, FIT].iter().any(|name| folder.join(name).exists())
}

/// The folder itself where it holds no run, else the first of `NAME-2`, `NAME-3`, … that holds none.
pub fn unused(folder: &Path) -> PathBuf {
    let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let further = (2u64..).map(|k| folder.with_file_name(format!("{name}-{k}")));
    let mut all = std::iter::once(folder.to_owned()).chain(further);
    all.find(|f| !holds_run(f)).unwrap_or_else(|| folder.to_owned())
}

/// Makes the folder, before anything is fitted for it.
///
/// # Errors
/// When it cannot be made.
pub fn create(folder: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(|e| unwritten(folder, &e))
}

/// Writes a file aside and renames it.
///
/// # Errors
/// When it cannot be written.
pub fn put(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_atomically(path, bytes).map_err(|e| unwritten(path, &e))
}

/// Removes a file of an earlier fit, where there is one.
fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Io(format!("{} of an earlier fit cannot be removed: {e}", path.display())))
        }
        _ => Ok(()),
    }
}

fn unwritten(what: &Path, e: &dyn std::fmt::Display) -> Error {
    Error::Io(format!("{} cannot be written: {e}", what.display()))
}

impl Run<'_> {
    /// Writes everything.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        for old in [VERIFICATION, CHAINS] {
            remove(&folder.join(old))?;
        }
        write(folder, &self.files()?)
    }

    /// Everything that is written, in order: each file's name, and what is in it.
    ///
    /// # Errors
    /// When a file cannot be made.
    pub fn files(&self) -> Result<Vec<File>, Error> {
        let trace = self.fitted.trace();
        let draws = inference_data(&groups(self)).map_err(|e| unwritten(Path::new(DRAWS), &e))?;
        Ok(vec![
            (PROGRAM, self.source.as_bytes().to_vec()),
            (record::FILE, self.record.text()?.into_bytes()),
            (TRACE, trace_csv(&trace).into_bytes()),
            (PARAMETERS, parameters(self.fitted, self.statistics)?),
            (DRAWS, draws),
            (PAGE, page::of_fit(self, &trace).html().into_bytes()),
            (FIT, json(self.document).into_bytes()),
        ])
    }
}

/// Reads the files of a finished run.
///
/// # Errors
/// When one is missing.
pub fn read(folder: &Path) -> Result<Vec<File>, Error> {
    let read = |name: &'static str| {
        let path = folder.join(name);
        let bytes = std::fs::read(&path).map_err(|e| Error::Io(format!("{} cannot be read: {e}", path.display())))?;
        Ok((name, bytes))
    };
    [PROGRAM, record::FILE, TRACE, PARAMETERS, DRAWS, PAGE, FIT].into_iter().map(read).collect()
}

/// Writes files of a run, in order.
///
/// # Errors
/// When one cannot be written.
pub fn write(folder: &Path, files: &[File]) -> Result<(), Error> {
    files.iter().try_for_each(|(name, bytes)| put(&folder.join(name), bytes))
}

/// Draws and data as ArviZ has them.
pub fn groups(run: &Run) -> Vec<Group> {
    let draws = &run.fitted.fit.draws;
    let array = |d: &fe_train::Drawn| Array {
        name: d.name.clone(),
        axes: d.axes.clone(),
        shape: d.shape.clone(),
        values: d.values.clone(),
    };
    let of = match run.fitted.fit.posterior.resampled {
        Some(_) => "the posterior, by the weights behind the resampled table, in random order",
        None => "the fitted guide, independent of each other",
    };
    let mut about = vec![
        ("inference_library".to_owned(), "fe".to_owned()),
        ("inference_library_version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("model".to_owned(), run.document.model.clone()),
        ("draws_of".to_owned(), of.to_owned()),
    ];
    about.extend(run.document.verdict.khat.map(|k| ("khat".to_owned(), format!("{k:.3}"))));
    let mut groups = run.fitted.fit.chains.as_ref().map(verify::groups).unwrap_or_default();
    if !draws.posterior.is_empty() && groups.is_empty() {
        let arrays = draws.posterior.iter().map(array).collect();
        let (name, draws) = ("posterior".into(), draws.count);
        groups.push(Group { name, draws, arrays, attributes: about, chains: 1, ..Group::default() });
    }
    if let Some(weights) = &draws.log_weights {
        let weights = Array { name: "log_weight".into(), values: weights.clone(), ..Array::default() };
        let said = "log p(x, z) − log q(z), the log importance weight of the draw".to_owned();
        let attributes = vec![("log_weight".to_owned(), said)];
        groups.push(Group {
            name: "sample_stats".into(),
            draws: draws.count,
            arrays: vec![weights],
            attributes,
            chains: 1,
            ..Group::default()
        });
    }
    let estimates = &run.fitted.fit.estimates;
    let named = |e: &fe_train::Estimate, values: &[f64]| Array {
        name: e.name.clone(),
        axes: e.axes.clone(),
        shape: e.shape.clone(),
        values: values.to_vec(),
    };
    let values = estimates.iter().map(|e| named(e, &e.values)).collect::<Vec<_>>();
    let errors = estimates.iter().filter_map(|e| Some(named(e, e.errors.as_ref()?))).collect::<Vec<_>>();
    for (name, arrays) in [("point_estimates", values), ("standard_errors", errors)] {
        if !arrays.is_empty() {
            groups.push(Group { name: name.into(), arrays, ..Group::default() });
        }
    }
    if !draws.observed.is_empty() {
        let arrays = draws.observed.iter().map(array).collect();
        groups.push(Group { name: "observed_data".into(), arrays, ..Group::default() });
    }
    groups.extend(log_likelihood(run));
    let constant = constant_data(run);
    if !constant.is_empty() {
        groups.push(Group { name: "constant_data".into(), arrays: constant, ..Group::default() });
    }
    for group in &mut groups {
        group.labels.clone_from(&run.document.labels);
    }
    groups
}

/// log p of each row at draws of the posterior, under the name of what is observed, or `rows` where that is several.
fn log_likelihood(run: &Run) -> Option<Group> {
    let found = run.fitted.fit.draws.log_likelihood(run.record.identity.seed)?;
    let program = run.fitted.program;
    let axis = program.graph.axis_name(fe_graph::Axis::plain(program.row?.axis));
    let name = match program.observes.as_slice() {
        [only] => only.name.clone(),
        _ => "rows".to_owned(),
    };
    let array = Array { name, axes: vec![axis], shape: vec![found.rows], values: found.values };
    Some(Group { name: "log_likelihood".into(), draws: found.draws, arrays: vec![array], ..Group::default() })
}

/// The most numbers of a datum that are written beside the draws.
const MOST_CONSTANT: usize = 1_000_000;

/// The data that are not observed: predictors and groups, of the rows that were trained on.
fn constant_data(run: &Run) -> Vec<Array> {
    let (program, problem) = (run.fitted.program, &run.fitted.problem);
    let observed = |d: &fe_check::Data| program.observes.iter().any(|o| o.value == d.node);
    let array = |d: &fe_check::Data| {
        let tensor = problem.training_data(d.input).filter(|t| t.values.len() <= MOST_CONSTANT)?;
        let sorted = fe_graph::axis::sorted(&d.axes);
        let order: Vec<usize> = d.axes.iter().filter_map(|a| sorted.iter().position(|s| s == a)).collect();
        let tensor = tensor.clone().permuted(&order)?;
        let axes = d.axes.iter().map(|&a| program.graph.axis_name(a)).collect();
        Some(Array { name: d.name.clone(), axes, shape: tensor.shape, values: tensor.values })
    };
    program.data.iter().filter(|d| !observed(d)).filter_map(array).collect()
}

/// Every parameter on the program's scale, the fixed parts of joint Gaussians, and statistics of the data, in 64 bits.
pub(crate) fn parameters(fitted: &Fitted, statistics: &[(String, Vec<Statistic>)]) -> Result<Vec<u8>, Error> {
    let mut arrays: Vec<(String, Vec<usize>, Vec<u8>)> = vec![];
    let bytes = |values: &[f64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    for (parameter, value) in fitted.problem.objective.parameters.iter().zip(&fitted.fit.values) {
        let tensor = fitted.problem.declared_value(parameter, value);
        arrays.push((parameter.name.clone(), tensor.shape, bytes(&tensor.values)));
    }
    for (name, tensor) in &fitted.fit.preconditioners {
        arrays.push((name.clone(), tensor.shape.clone(), bytes(&tensor.values)));
    }
    for (name, tensor) in fitted.problem.statistics() {
        arrays.push((name, tensor.shape, bytes(&tensor.values)));
    }
    for (data, columns) in statistics {
        let (mean, sd) = statistic_names(data);
        for (name, of) in
            [(mean, columns.iter().map(|c| c.mean).collect()), (sd, columns.iter().map(|c| c.sd).collect::<Vec<_>>())]
        {
            arrays.push((name, vec![columns.len()], bytes(&of)));
        }
    }
    let internal = |e: &dyn std::fmt::Display| Error::Internal(format!("parameters cannot be saved: {e}"));
    let mut views = vec![];
    for (name, shape, data) in &arrays {
        views.push((name.clone(), TensorView::new(Dtype::F64, shape.clone(), data).map_err(|e| internal(&e))?));
    }
    let metadata = HashMap::from([("fe_version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]);
    safetensors::serialize(views, Some(metadata)).map_err(|e| internal(&e))
}

/// The names under which the statistics of `standardize` are saved.
pub(crate) fn statistic_names(data: &str) -> (String, String) {
    (format!("{data}.standardize.mean"), format!("{data}.standardize.sd"))
}
