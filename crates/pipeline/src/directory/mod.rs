//! A run directory: what it holds, and how it is read and written.

mod writing;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use fe_check::Program;
use fe_data::Statistic;
use fe_objective::Objective;
use fe_report::{Array, Document, Group, Page, inference_data, json, trace_csv, write_atomically};
use safetensors::tensor::{Dtype, TensorView};

use crate::diagrams::diagrams;
use crate::error::Error;
use crate::fit::Fitted;
use crate::page;
use crate::record::{self, Place, RunRecord};
use crate::timings::Stage;
use crate::verify;

pub use self::writing::Writing;

/// The folder of a run's pictures, where they are wanted as files.
pub const PICTURES: &str = "pictures";

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

/// The numbers behind the diagrams of the page.
pub(crate) const DIAGRAMS: &str = "diagrams.json";

/// Draws of these chains.
pub(crate) const CHAINS: &str = "verify.nc";

/// Draws and data, as ArviZ has them.
pub(crate) const DRAWS: &str = "posterior.nc";

/// The name under which files that have room for it keep the mark of their run.
pub(crate) const RUN_KEY: &str = "run";

/// What a run consists of, in the order in which it is written.
const RUN_FILES: [&str; 8] = [PROGRAM, record::FILE, TRACE, PARAMETERS, DRAWS, DIAGRAMS, PAGE, FIT];

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

/// The files of pictures that an earlier fit left beside its page.
fn pictures_of(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join(PICTURES)).into_iter().flatten().flatten();
    entries.map(|e| e.path()).filter(|path| path.extension().is_some_and(|e| e == "svg")).collect()
}

/// Whether a folder holds a run, whole or not.
pub fn holds_run(folder: &Path) -> bool {
    [record::FILE, FIT].iter().any(|name| folder.join(name).exists())
}

/// The folder itself, then `NAME-2`, `NAME-3`, …
fn series(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let first = folder.to_owned();
    let further = (2u64..).map({
        let first = first.clone();
        move |k| first.with_file_name(format!("{name}-{k}"))
    });
    std::iter::once(first).chain(further)
}

/// The folder itself where it holds no run and none is being made there, else the first such of `NAME-2`, `NAME-3`, …
pub fn unused(folder: &Path) -> PathBuf {
    series(folder).find(|f| !holds_run(f) && !writing::is_begun(f)).unwrap_or_else(|| folder.to_owned())
}

/// The folder itself, `NAME-2`, … as far as there are runs, whole or begun.
pub fn used(folder: &Path) -> Vec<PathBuf> {
    series(folder).take_while(|f| holds_run(f) || writing::is_begun(f)).collect()
}

/// Where a fit of this folder that has not ended stands, as it was kept.
pub(crate) fn checkpoint(folder: &Path) -> Option<Vec<u8>> {
    writing::checkpoint(folder)
}

/// Whether a run was begun beside this folder and left with a checkpoint, or is being made now.
pub fn is_begun(folder: &Path) -> bool {
    writing::is_begun(folder)
}

/// Holds a folder to be that of a whole run. One whose files were all made when its process was killed is completed.
///
/// # Errors
/// When it is incomplete, or another process is writing it.
pub fn whole(folder: &Path) -> Result<(), Error> {
    writing::settle(folder)?;
    if folder.join(FIT).exists() {
        return Ok(());
    }
    let (at, why) = (folder.display(), "`fe run` with `--resume` goes on with it");
    Err(Error::Io(match (is_begun(folder), folder.join(record::FILE).exists()) {
        (true, _) => format!("{at} holds no finished run: its fit was ended before it was written, and {why}"),
        (false, true) => format!("{at} is incomplete: it has no {FIT}, which is written last; run the program again"),
        (false, false) => format!("{at} has no {FIT}; is it a finished run?"),
    }))
}

/// Writes a file aside and renames it.
///
/// # Errors
/// When it cannot be written.
pub fn put(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_atomically(path, bytes).map_err(|e| unwritten(path, &e))
}

pub(crate) fn unwritten(what: &Path, e: &dyn std::fmt::Display) -> Error {
    Error::Io(format!("{} cannot be written: {e}", what.display()))
}

impl Run<'_> {
    /// Writes everything in a folder that was taken for it; gives what is on its page. Draws that their form does not take cost the
    /// run nothing else: the error names their file, and all others are in place.
    ///
    /// # Errors
    /// When a file cannot be made or written.
    pub fn write(&self, writing: Writing) -> Result<Page, Error> {
        let (files, page, lost) = self.made(Place::here(writing.folder()))?;
        self.fitted.clock.enter(Stage::Writing);
        writing.commit(&files, self.fitted.fit.interrupted)?;
        self.fitted.clock.enter(Stage::Other);
        match lost {
            Some(Error::Io(what)) => Err(Error::Io(format!("{what}; everything else of the run is there"))),
            Some(other) => Err(other),
            None => Ok(page),
        }
    }

    /// Everything that is written, in order: each file's name, and what is in it; and the page before it became text. `place` is what
    /// the paths of a run are relative to that is written to a folder.
    ///
    /// # Errors
    /// When a file cannot be made.
    pub fn files(&self, place: Option<Place>) -> Result<(Vec<File>, Page), Error> {
        match self.made(place)? {
            (files, page, None) => Ok((files, page)),
            (_, _, Some(lost)) => Err(lost),
        }
    }

    /// The files, those of draws empty where they could not be made, with why.
    fn made(&self, place: Option<Place>) -> Result<(Vec<File>, Page, Option<Error>), Error> {
        let clock = self.fitted.clock;
        clock.enter(Stage::Tables);
        let trace = self.fitted.trace();
        let groups = groups(self);
        let draws = inference_data(&groups).map_err(|e| unwritten(Path::new(DRAWS), &e));
        // An empty file says that the older one goes.
        let (draws, lost) = draws.map_or_else(|e| (vec![], Some(e)), |bytes| (bytes, None));
        let parameters = parameters(self.fitted, self.statistics, &self.record.run)?;
        clock.enter(Stage::Page);
        let diagrams = diagrams(self.fitted.program, self.document, &groups);
        let page = page::of_fit(self, &trace, &diagrams);
        let diagrams = serde_json::to_vec(&diagrams).map_err(|e| unwritten(Path::new(DIAGRAMS), &e))?;
        let html = page.html().into_bytes();
        clock.enter(Stage::Document);
        let fit = json(self.document).into_bytes();
        clock.enter(Stage::Other);
        let mut record = self.record.clone();
        record.seconds.stages = clock.spent();
        record.place = place;
        let files = vec![
            (PROGRAM, self.source.as_bytes().to_vec()),
            (record::FILE, record.text()?.into_bytes()),
            (TRACE, trace_csv(&trace).into_bytes()),
            (PARAMETERS, parameters),
            (DRAWS, draws),
            (DIAGRAMS, diagrams),
            (PAGE, html),
            (FIT, fit),
        ];
        Ok((files, page, lost))
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
    RUN_FILES.into_iter().map(read).collect()
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
        (RUN_KEY.to_owned(), run.record.run.clone()),
    ];
    about.extend(run.document.verdict.khat.map(|k| ("khat".to_owned(), format!("{k:.3}"))));
    let gaps = &run.fitted.gaps;
    let mut groups = run.fitted.fit.chains.as_ref().map(|c| verify::groups(c, gaps)).unwrap_or_default();
    if !draws.posterior.is_empty() && groups.is_empty() {
        let arrays = draws.posterior.iter().map(|d| gaps.array(array(d))).collect();
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
    groups.extend(posterior_predictive(run));
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

/// The most draws of data that are written, and the most numbers that they, and the latents behind them, may be.
const MOST_PREDICTIVE: usize = 500;
const MOST_PREDICTED: usize = 1_000_000;
const MOST_BEHIND: usize = 20_000_000;

/// How many draws of data are written, and the numbers of each; none where fewer than ten would fit.
pub(crate) fn predicted(program: &Program, objective: &Objective) -> Option<(usize, usize)> {
    let size = |axes: &[fe_graph::Axis]| {
        axes.iter().map(|a| program.graph.extent_of(a.id)).fold(1usize, usize::saturating_mul)
    };
    let report = &objective.report.predictive;
    let told: usize = report.iter().map(|p| size(&p.axes)).fold(0, usize::saturating_add);
    let behind = program.latents.iter().map(|l| size(&l.axes)).fold(told, usize::saturating_add);
    let count = MOST_PREDICTIVE.min(MOST_PREDICTED / told.max(1)).min(MOST_BEHIND / behind.max(1));
    (!report.is_empty() && count >= 10).then_some((count, told))
}

/// Data drawn anew given draws of the posterior, or of the guide where those do not say all, at the rows that were trained on; none where a likelihood cannot be drawn from, or
/// where fewer than ten draws would fit.
fn posterior_predictive(run: &Run) -> Option<Group> {
    let (program, problem) = (run.fitted.program, &run.fitted.problem);
    let (count, _) = predicted(program, problem.objective)?;
    let end = run.fitted.solution();
    let fit = &run.fitted.fit;
    let posterior = match &fit.chains {
        Some(chains) => (chains.lengths.chains * chains.lengths.draws, chains.draws.as_slice()),
        None => (fit.draws.count, fit.draws.posterior.as_slice()),
    };
    let end = (&end.values, &end.preconditioners);
    let found = fe_train::posterior_predictive(problem, end, Some(posterior), count).ok()?;
    let row = program.row.map(|r| program.graph.axis_name(fe_graph::Axis::plain(r.axis)));
    let arrays = found.drawn.into_iter().map(|d| {
        let array = Array { name: d.name, axes: d.axes, shape: d.shape, values: d.values };
        match &row {
            Some(row) if !problem.heldout.is_empty() => rows_of(array, count, row, &problem.train),
            _ => array,
        }
    });
    let of = match found.of_posterior {
        true => "draws of the posterior group, evenly spread",
        false => "draws of the fitted guide",
    };
    let attributes = vec![("draws_of".to_owned(), format!("data drawn anew, given {of}"))];
    let (name, arrays) = ("posterior_predictive".into(), arrays.collect());
    Some(Group { name, draws: count, chains: 1, arrays, attributes, ..Group::default() })
}

/// Some of the rows of an array of draws.
fn rows_of(array: Array, draws: usize, row: &str, rows: &[u64]) -> Array {
    let Some(at) = array.axes.iter().position(|a| a == row) else { return array };
    let extent = array.shape.get(at).copied().unwrap_or(1).max(1);
    let inner: usize = array.shape.iter().skip(at + 1).product::<usize>().max(1);
    let outer = draws * array.shape.iter().take(at).product::<usize>();
    let mut values = Vec::with_capacity(outer * rows.len() * inner);
    for o in 0..outer {
        for &r in rows {
            let start = (o * extent + r as usize) * inner;
            values.extend(array.values.get(start..start + inner).unwrap_or_default());
        }
    }
    let mut shape = array.shape.clone();
    shape.iter_mut().skip(at).take(1).for_each(|n| *n = rows.len());
    Array { shape, values, ..array }
}

/// The most numbers of a datum that are written beside the draws.
const MOST_CONSTANT: usize = 1_000_000;

/// The data that are not observed: predictors and groups, of the rows that were trained on.
fn constant_data(run: &Run) -> Vec<Array> {
    let (program, problem) = (run.fitted.program, &run.fitted.problem);
    let array = |d: &fe_check::Data| {
        let tensor = problem.training_data(d.input).filter(|t| t.values.len() <= MOST_CONSTANT)?;
        let sorted = fe_graph::axis::sorted(&d.axes);
        let order: Vec<usize> = d.axes.iter().filter_map(|a| sorted.iter().position(|s| s == a)).collect();
        let tensor = tensor.clone().permuted(&order)?;
        let axes = d.axes.iter().map(|&a| program.graph.axis_name(a)).collect();
        Some(Array { name: d.name.clone(), axes, shape: tensor.shape, values: tensor.values })
    };
    program.data.iter().filter(|d| !is_observed(program, d)).filter_map(array).collect()
}

fn is_observed(program: &Program, data: &fe_check::Data) -> bool {
    program.observes.iter().any(|o| o.value == data.node)
}

/// Numbers of data that are written beside what is observed.
pub(crate) fn constants(program: &Program) -> u64 {
    let size =
        |d: &fe_check::Data| d.axes.iter().map(|a| program.graph.extent_of(a.id)).fold(1usize, usize::saturating_mul);
    let others = program.data.iter().filter(|d| !is_observed(program, d)).map(size);
    others.filter(|n| *n <= MOST_CONSTANT).fold(0, usize::saturating_add) as u64
}

/// Every parameter on the program's scale, the fixed parts of joint Gaussians, and statistics of the data, in 64 bits, with the
/// mark of their run.
pub(crate) fn parameters(
    fitted: &Fitted,
    statistics: &[(String, Vec<Statistic>)],
    mark: &str,
) -> Result<Vec<u8>, Error> {
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
    // One entry: several would come in the order of a hash map, another one each time.
    let metadata = HashMap::from([(RUN_KEY.to_owned(), mark.to_owned())]);
    safetensors::serialize(views, Some(metadata)).map_err(|e| internal(&e))
}

/// The names under which the statistics of `standardize` are saved.
pub(crate) fn statistic_names(data: &str) -> (String, String) {
    (format!("{data}.standardize.mean"), format!("{data}.standardize.sd"))
}
