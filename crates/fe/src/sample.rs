//! `fe sample`: draws from a program's priors, or new data from a finished fit.

use std::path::{Path, PathBuf};

use fe_report::{Array, Group, csv, inference_data, npz, write_atomically};
use fe_train::{Drawn, Problem};

use crate::cli::{ExecutorArg, PrecisionArg, ProgramArgs, SampleArgs};
use crate::failure::Failure;
use crate::finished::Finished;
use crate::program::{self, Text};
use crate::{data, executor, output};

/// Runs the command.
pub fn sample(args: &SampleArgs) -> Result<(), Failure> {
    let of = Path::new(&args.of);
    let (groups, default) = if of.is_dir() { (posterior(of, args)?, of.join("predictive.nc")) } else { prior(args)? };
    let out = args.out.clone().unwrap_or(default);
    let extension = out.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    let unwritten = |e: &dyn std::fmt::Display| Failure::Io(format!("{} cannot be written: {e}", out.display()));
    let arrays: Vec<Array> = groups.iter().flat_map(|g| g.arrays.iter().cloned()).collect();
    let bytes = match extension.as_str() {
        "nc" => inference_data(&groups).map_err(|e| unwritten(&e))?,
        "npz" => npz(&arrays, args.count).map_err(|e| unwritten(&e))?,
        "csv" => csv(&arrays, args.count).into_bytes(),
        _ => return Err(Failure::Usage(format!("{}: draws are written as .nc, .npz or .csv", out.display()))),
    };
    write_atomically(&out, &bytes).map_err(|e| unwritten(&e))?;
    let names: Vec<String> = groups
        .iter()
        .map(|g| {
            let names: Vec<&str> = g.arrays.iter().map(|a| a.name.as_str()).collect();
            format!("{}: {}", g.name.replace('_', " "), names.join(", "))
        })
        .collect();
    output::out(&format!("{} draws of {}\nsaved in {}\n", args.count, names.join("; "), out.display()))
}

fn group(name: &str, count: usize, drawn: Vec<Drawn>) -> Group {
    let array = |d: Drawn| Array { name: d.name, axes: d.axes, shape: d.shape, values: d.values };
    Group { name: name.into(), draws: count, arrays: drawn.into_iter().map(array).collect(), attributes: vec![] }
}

fn undrawn(e: fe_train::PredictiveError) -> Failure {
    match e {
        fe_train::PredictiveError::Execution(e) => Failure::Internal(e.to_string()),
        other => Failure::Usage(other.to_string()),
    }
}

/// Latents from their priors, and data given them.
fn prior(args: &SampleArgs) -> Result<(Vec<Group>, PathBuf), Failure> {
    let text = Text::read(&args.of)?;
    let options = ProgramArgs { model: args.of.clone(), data: args.data.clone(), set: args.set.clone() };
    let loaded = program::load(&text, &options)?;
    let program = loaded.program;
    let rows: Vec<u64> = (0..program.row.map_or(0, |r| r.rows) as u64).collect();
    let arrays = data::load(&program, &loaded.sources, &rows)?;
    let executor = executor::open(Some(ExecutorArg::Cpu), PrecisionArg::F64, "cpu")?;
    let seed = args.seed.or(program.train.seed).unwrap_or(0);
    let drawn = fe_train::prior_predictive(&program, executor.as_ref(), &arrays.tensors, seed, args.count);
    let drawn = drawn.map_err(undrawn)?;
    let mut groups = vec![];
    for (name, list) in [("prior", drawn.latents), ("prior_predictive", drawn.predictive)] {
        if !list.is_empty() {
            groups.push(group(name, args.count, list));
        }
    }
    Ok((groups, PathBuf::from(format!("{}_prior.nc", program.name))))
}

/// New data given draws of a fitted guide.
fn posterior(folder: &Path, args: &SampleArgs) -> Result<Vec<Group>, Failure> {
    let run = Finished::read(folder)?;
    let loaded = program::load(&run.text, &run.options)?;
    let mut program = loaded.program;
    let objective = run.derive(&mut program)?;
    let rows = program.row.map_or(0, |r| r.rows);
    let split = fe_train::split(rows, program.train.holdout, run.seed).map_err(Failure::Usage)?;
    let arrays = data::load(&program, &loaded.sources, &split.0)?;
    let executor = executor::open(Some(ExecutorArg::Cpu), PrecisionArg::F64, "cpu")?;
    let internal = |e: fe_graph::ExecutionError| Failure::Internal(e.to_string());
    let seed = args.seed.unwrap_or(run.seed);
    let problem = Problem::new(&objective, executor.as_ref(), arrays.tensors, split, seed).map_err(internal)?;
    let mut values = vec![];
    for parameter in &objective.parameters {
        values.push(run.parameter(&problem, parameter)?);
    }
    let extra = run.anchors(&objective)?;
    let drawn = fe_train::posterior_predictive(&problem, &values, &extra, args.count).map_err(undrawn)?;
    if drawn.is_empty() {
        return Err(Failure::Usage(format!(
            "{}: no likelihood of this program has draws: a guide that it depends on has none",
            folder.display()
        )));
    }
    Ok(vec![group("posterior_predictive", args.count, drawn)])
}
