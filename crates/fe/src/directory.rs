//! A run directory: each file is written aside and renamed.

use std::collections::HashMap;
use std::path::Path;

use fe_check::Program;
use fe_data::Statistic;
use fe_report::{Array, Document, Group, TraceRow, inference_data, json, trace_csv, write_atomically};
use fe_train::{Fit, Problem};
use safetensors::tensor::{Dtype, TensorView};

use crate::failure::Failure;
use crate::{finished, page};

/// The page of a run.
pub const PAGE: &str = "report.html";

/// What is written.
pub struct Run<'a> {
    /// The program as run.
    pub source: &'a str,
    /// Options, versions, data hashes, seed.
    pub run_json: serde_json::Value,
    /// The program as it was fitted.
    pub program: &'a Program,
    /// The fit.
    pub fit: &'a Fit,
    /// Its document.
    pub document: &'a Document,
    /// What was fitted.
    pub problem: &'a Problem<'a>,
    /// What `standardize` subtracted and divided by, by name of the data.
    pub statistics: &'a [(String, Vec<Statistic>)],
}

/// Makes the folder, before anything is fitted for it.
pub fn create(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|e| unwritten(folder, &e))
}

fn unwritten(what: &Path, e: &dyn std::fmt::Display) -> Failure {
    Failure::Io(format!("{} cannot be written: {e}", what.display()))
}

/// Writes everything.
pub fn write(folder: &Path, run: &Run) -> Result<(), Failure> {
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        write_atomically(&path, bytes).map_err(|e| unwritten(&path, &e))
    };
    put("model.fe", run.source.as_bytes())?;
    put("run.json", format!("{:#}\n", run.run_json).as_bytes())?;
    let trace = trace(run.fit);
    put("trace.csv", trace_csv(&trace).as_bytes())?;
    put("params.safetensors", &parameters(run)?)?;
    let nc = inference_data(&groups(run)).map_err(|e| unwritten(&folder.join("posterior.nc"), &e))?;
    put("posterior.nc", &nc)?;
    put(PAGE, page::of_fit(run, &trace).html().as_bytes())?;
    // Last: who finds it finds the others.
    put("fit.json", json(run.document).as_bytes())
}

/// Draws and data as ArviZ has them.
fn groups(run: &Run) -> Vec<Group> {
    let draws = &run.fit.draws;
    let array = |d: &fe_train::Drawn| Array {
        name: d.name.clone(),
        axes: d.axes.clone(),
        shape: d.shape.clone(),
        values: d.values.clone(),
    };
    let mut about = vec![
        ("inference_library".to_owned(), "fe".to_owned()),
        ("inference_library_version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("model".to_owned(), run.document.model.clone()),
        ("draws_of".to_owned(), "the fitted guide, independent of each other".to_owned()),
    ];
    about.extend(run.document.verdict.khat.map(|k| ("khat".to_owned(), format!("{k:.3}"))));
    let mut groups = vec![];
    if !draws.posterior.is_empty() {
        let arrays = draws.posterior.iter().map(array).collect();
        groups.push(Group { name: "posterior".into(), draws: draws.count, arrays, attributes: about });
    }
    if let Some(weights) = &draws.log_weights {
        let weights = Array { name: "log_weight".into(), values: weights.clone(), ..Array::default() };
        let said = "log p(x, z) − log q(z), the log importance weight of the draw".to_owned();
        let attributes = vec![("log_weight".to_owned(), said)];
        groups.push(Group { name: "sample_stats".into(), draws: draws.count, arrays: vec![weights], attributes });
    }
    if !draws.observed.is_empty() {
        let arrays = draws.observed.iter().map(array).collect();
        groups.push(Group { name: "observed_data".into(), arrays, ..Group::default() });
    }
    groups
}

fn trace(fit: &Fit) -> Vec<TraceRow> {
    fit.trace
        .iter()
        .map(|p| TraceRow {
            step: p.step,
            seconds: p.seconds,
            free_energy: Some(p.free_energy),
            distortion: Some(p.distortion),
            rate: Some(p.rate),
            energy: p.energy,
            heldout_free_energy: p.heldout,
        })
        .collect()
}

/// Every parameter on the program's scale, the fixed parts of joint Gaussians, and statistics of the data, in 64 bits.
fn parameters(run: &Run) -> Result<Vec<u8>, Failure> {
    let mut arrays: Vec<(String, Vec<usize>, Vec<u8>)> = vec![];
    let bytes = |values: &[f64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    for (parameter, value) in run.problem.objective.parameters.iter().zip(&run.fit.values) {
        let tensor = run.problem.declared_value(parameter, value);
        arrays.push((parameter.name.clone(), tensor.shape, bytes(&tensor.values)));
    }
    for (name, tensor) in &run.fit.preconditioners {
        arrays.push((name.clone(), tensor.shape.clone(), bytes(&tensor.values)));
    }
    for (name, tensor) in run.problem.statistics() {
        arrays.push((name, tensor.shape, bytes(&tensor.values)));
    }
    for (data, columns) in run.statistics {
        let (mean, sd) = finished::statistic_names(data);
        for (name, of) in
            [(mean, columns.iter().map(|c| c.mean).collect()), (sd, columns.iter().map(|c| c.sd).collect::<Vec<_>>())]
        {
            arrays.push((name, vec![columns.len()], bytes(&of)));
        }
    }
    let internal = |e: &dyn std::fmt::Display| Failure::Internal(format!("parameters cannot be saved: {e}"));
    let mut views = vec![];
    for (name, shape, data) in &arrays {
        views.push((name.clone(), TensorView::new(Dtype::F64, shape.clone(), data).map_err(|e| internal(&e))?));
    }
    let metadata = HashMap::from([("fe_version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]);
    safetensors::serialize(views, Some(metadata)).map_err(|e| internal(&e))
}
