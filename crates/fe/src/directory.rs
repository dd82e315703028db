//! A run directory: each file is written aside and renamed.

use std::collections::HashMap;
use std::path::Path;

use fe_report::{Document, TraceRow, json, trace_csv, write_atomically};
use fe_train::{Fit, Problem};
use safetensors::tensor::{Dtype, TensorView};

use crate::failure::Failure;

/// What is written.
pub struct Run<'a> {
    /// The program as run.
    pub source: &'a str,
    /// Options, versions, data hashes, seed.
    pub run_json: serde_json::Value,
    /// The fit.
    pub fit: &'a Fit,
    /// Its document.
    pub document: &'a Document,
    /// What was fitted.
    pub problem: &'a Problem<'a>,
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
    put("trace.csv", trace(run.fit).as_bytes())?;
    put("params.safetensors", &parameters(run)?)?;
    // Last: who finds it finds the others.
    put("fit.json", json(run.document).as_bytes())
}

fn trace(fit: &Fit) -> String {
    let rows: Vec<TraceRow> = fit
        .trace
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
        .collect();
    trace_csv(&rows)
}

/// Every parameter on the program's scale, and the fixed parts of joint Gaussians, in 64 bits.
fn parameters(run: &Run) -> Result<Vec<u8>, Failure> {
    let mut arrays: Vec<(String, Vec<usize>, Vec<u8>)> = vec![];
    let bytes = |values: &[f64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    for (parameter, value) in run.problem.objective.parameters.iter().zip(&run.fit.values) {
        let tensor = run.problem.declared_value(parameter, value);
        arrays.push((parameter.name.clone(), tensor.shape, bytes(&tensor.values)));
    }
    for (name, tensor) in &run.fit.anchors {
        arrays.push((name.clone(), tensor.shape.clone(), bytes(&tensor.values)));
    }
    let internal = |e: &dyn std::fmt::Display| Failure::Internal(format!("parameters cannot be saved: {e}"));
    let mut views = vec![];
    for (name, shape, data) in &arrays {
        views.push((name.clone(), TensorView::new(Dtype::F64, shape.clone(), data).map_err(|e| internal(&e))?));
    }
    let metadata = HashMap::from([("fe_version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]);
    safetensors::serialize(views, Some(metadata)).map_err(|e| internal(&e))
}
