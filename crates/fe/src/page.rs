//! `report.html`: the page of a run, from a fit that was just made or from its directory. And `fe report`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fe_check::Program;
use fe_graph::{InputId, Tensor};
use fe_objective::Objective;
use fe_report::{Document, Page, RunPage, TraceRow, read_trace, run_page, write_atomically};
use fe_train::{Fit, Problem, Values};
use serde_json::Value;

use crate::cli::{ExecutorArg, PrecisionArg, ReportArgs};
use crate::failure::Failure;
use crate::finished::Finished;
use crate::pictures::{Pictures, pictures};
use crate::program::{self, Loaded};
use crate::{commands, data, directory, executor, output, sweep};

/// The page of a fit.
pub fn of_fit(run: &directory::Run, trace: &[TraceRow]) -> Page {
    let objective = run.problem.objective;
    let anchors = anchors(objective, run.fit);
    let made = pictures(run.program, run.problem, &run.fit.values, anchors);
    let explanation = commands::explanation(run.program, objective, run.source);
    page(run.document, trace, (run.source, Some(explanation)), &run.run_json, made)
}

fn page(
    document: &Document,
    trace: &[TraceRow],
    (source, explanation): (&str, Option<String>),
    about: &Value,
    made: Pictures,
) -> Page {
    run_page(&RunPage {
        document,
        trace,
        shown: made.shown,
        reconstructions: made.reconstructions,
        samples: made.samples,
        missing: made.missing,
        explanation,
        source,
        about: facts(about),
    })
}

/// What stayed fixed of joint guides, by input: a fit has all that its guides take.
fn anchors(objective: &Objective, fit: &Fit) -> HashMap<InputId, Arc<Tensor>> {
    let named =
        |name: &str| fit.preconditioners.iter().find(|(n, _)| n == name).map(|(_, tensor)| tensor.clone()).ok_or(());
    fe_train::preconditioners(objective, named).unwrap_or_default()
}

/// What `run.json` says, for a reader.
fn facts(about: &Value) -> Vec<(String, String)> {
    let text = |v: &Value| match v {
        Value::String(s) => s.clone(),
        Value::Array(list) => {
            list.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    };
    let mut facts = vec![];
    for key in ["program", "fe_version", "seed", "executor", "threads"] {
        facts.extend(about.get(key).map(|v| (key.replace('_', " "), text(v))));
    }
    let empty = |v: &Value| v.is_null() || v.as_array().is_some_and(Vec::is_empty);
    let options = about.get("options").and_then(Value::as_object).into_iter().flatten();
    facts.extend(options.filter(|(_, v)| !empty(v)).map(|(name, v)| (format!("--{name}"), text(v))));
    for entry in about.get("data").and_then(Value::as_array).into_iter().flatten() {
        let Some(name) = entry.get("name").and_then(Value::as_str) else { continue };
        let shape = entry.get("shape").map(|s| format!("shape {s}, ")).unwrap_or_default();
        let hash = entry.get("sha256").map(&text).unwrap_or_default();
        facts.push((format!("data {name}"), format!("{shape}sha256 {hash}")));
    }
    facts
}

/// `fe report`: writes the page of a finished run or sweep again.
pub fn report(args: &ReportArgs) -> Result<(), Failure> {
    let path = match sweep::rewrite(&args.run)? {
        Some(path) => path,
        None => rewrite(&args.run)?,
    };
    output::out(&format!("{}\n", path.display()))?;
    if args.open {
        opener::open(&path).map_err(|e| Failure::Io(format!("{} cannot be opened: {e}", path.display())))?;
    }
    Ok(())
}

/// Writes the page of a run; gives where it is.
fn rewrite(folder: &Path) -> Result<PathBuf, Failure> {
    let run = Finished::read(folder)?;
    let damaged =
        |name: &str, e: &dyn std::fmt::Display| Failure::Io(format!("{} is damaged: {e}", folder.join(name).display()));
    let text = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).map_err(|e| Failure::Io(format!("{} cannot be read: {e}", path.display())))
    };
    let document: Document = serde_json::from_str(&text("fit.json")?).map_err(|e| damaged("fit.json", &e))?;
    let trace = read_trace(&text("trace.csv")?).map_err(|e| damaged("trace.csv", &e))?;
    let (explanation, made) = match again(&run) {
        Ok((explanation, made)) => (Some(explanation), made),
        Err(failure) => {
            let why = format!(
                "The program cannot be understood again, so its derivation and pictures are left out: {}.",
                failure.brief()
            );
            (None, Pictures { missing: vec![why], ..Pictures::default() })
        }
    };
    let page = page(&document, &trace, (&run.text.source, explanation), run.about(), made);
    let path = folder.join(directory::PAGE);
    write_atomically(&path, page.html())
        .map_err(|e| Failure::Io(format!("{} cannot be written: {e}", path.display())))?;
    Ok(path)
}

/// The derivation, and the pictures where the data are as they were.
fn again(run: &Finished) -> Result<(String, Pictures), Failure> {
    let (headers, _) = run.headers()?;
    let mut loaded = program::load_with(&run.text, &run.options, &headers)?;
    let objective = run.derive(&mut loaded.program)?;
    run.overrides(&mut loaded.program.train);
    let explanation = commands::explanation(&loaded.program, &objective, &run.text.source);
    let made = pictures_again(run, &loaded, &objective).unwrap_or_else(|failure| Pictures {
        missing: vec![format!("Pictures are left out, as the data cannot be read as they were: {}.", failure.brief())],
        ..Pictures::default()
    });
    Ok((explanation, made))
}

fn pictures_again(run: &Finished, loaded: &Loaded, objective: &Objective) -> Result<Pictures, Failure> {
    let program: &Program = &loaded.program;
    if objective.shown.is_empty() {
        return Ok(Pictures::default());
    }
    let rows = program.row.map_or(0, |r| r.rows);
    let split = fe_train::split(rows, program.train.holdout, run.seed).map_err(Failure::Usage)?;
    let arrays = data::load(program, &loaded.sources, &split.0)?;
    if let Some(changed) = run.changed(&arrays) {
        return Err(Failure::Usage(format!("those of `{changed}` have changed since")));
    }
    let executor = executor::open(Some(ExecutorArg::Cpu), PrecisionArg::F64, "cpu")?;
    let internal = |e: fe_graph::ExecutionError| Failure::Internal(e.to_string());
    let problem = Problem::new(objective, executor.as_ref(), arrays.tensors, split, run.seed).map_err(internal)?;
    let values: Values =
        objective.parameters.iter().map(|p| run.parameter(&problem, p)).collect::<Result<_, Failure>>()?;
    Ok(pictures(program, &problem, &values, run.anchors(objective)?))
}
