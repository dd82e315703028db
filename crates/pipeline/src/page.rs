//! `report.html`: the page of a run, from a fit that was just made or from its directory.

use std::path::{Path, PathBuf};

use fe_objective::Objective;
use fe_report::{Diagrams, Document, Page, RunPage, TraceRow, Verification, run_page};

use crate::directory::{self, Run};
use crate::error::Error;
use crate::explain::explanation;
use crate::finished::Finished;
use crate::load::Loaded;
use crate::pictures::{Pictures, pictures};
use crate::record::RunRecord;
use crate::timelines;

/// The page of a fit.
pub(crate) fn of_fit(run: &Run, trace: &[TraceRow], diagrams: &Diagrams) -> Page {
    let fitted = run.fitted;
    let made = pictures(fitted.program, &fitted.problem, &fitted.solution(), run.document);
    let explanation = explanation(fitted.program, fitted.problem.objective, run.source);
    page(run.document, trace, (run.source, Some(explanation)), (run.record, None), (made, diagrams))
}

fn page(
    document: &Document,
    trace: &[TraceRow],
    (source, explanation): (&str, Option<String>),
    (record, verification): (&RunRecord, Option<&Verification>),
    (made, diagrams): (Pictures, &Diagrams),
) -> Page {
    run_page(&RunPage {
        document,
        trace,
        fit: diagrams.fit.clone(),
        globals: diagrams.globals.clone(),
        shown: made.shown,
        reconstructions: made.reconstructions,
        samples: made.samples,
        along: made.along,
        missing: made.missing,
        explanation,
        source,
        verification,
        about: facts(record),
    })
}

/// The origin of a run, for a reader.
fn facts(record: &RunRecord) -> Vec<(String, String)> {
    let identity = &record.identity;
    let mut facts: Vec<(String, String)> = [
        ("program", identity.program.clone()),
        ("fe version", identity.fe_version.clone()),
        ("seed", identity.seed.to_string()),
        ("executor", identity.executor.clone()),
        ("threads", record.threads.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    if !record.run.is_empty() {
        facts.push(("run".to_owned(), record.run.clone()));
    }
    let options = &identity.options;
    let list = |all: &[crate::options::Assignment]| {
        (!all.is_empty()).then(|| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    };
    let given = [
        ("data replaced", list(&options.data)),
        ("set", list(&options.set)),
        ("steps", options.steps.map(|n| n.to_string())),
        ("epochs", options.epochs.map(|n| n.to_string())),
        ("precision", Some(options.precision.name().to_owned())),
        ("device", Some(options.device.clone())),
    ];
    facts.extend(given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    for data in &identity.data {
        let shape = data.header.as_ref().map(|h| format!("shape {}, ", shape(&h.shape))).unwrap_or_default();
        facts.push((format!("data {}", data.name), format!("{shape}sha256 {}", data.sha256)));
    }
    facts
}

fn shape(extents: &[usize]) -> String {
    let extents: Vec<String> = extents.iter().map(usize::to_string).collect();
    format!("[{}]", extents.join(","))
}

/// Writes every picture of a page as a file of a folder, which is made; gives how many they are.
///
/// # Errors
/// When the folder or a file cannot be written.
pub fn put_pictures(page: &Page, folder: &Path) -> Result<usize, Error> {
    std::fs::create_dir_all(folder).map_err(|e| directory::unwritten(folder, &e))?;
    let pictures = page.pictures();
    for picture in &pictures {
        directory::put(&folder.join(&picture.name), picture.svg.as_bytes())?;
    }
    Ok(pictures.len())
}

/// The page of a finished run, made again.
///
/// # Errors
/// When a file of the run is missing or damaged. A program that cannot be understood any more, or data that have changed, cost
/// the page its derivation and its pictures, which it says.
pub fn page_again(run: &Finished) -> Result<Page, Error> {
    let (document, trace) = (run.document()?, run.trace()?);
    let (explanation, mut made) = match again(run, &document) {
        Ok((explanation, made)) => (Some(explanation), made),
        Err(error) => {
            let why = format!(
                "The program cannot be understood again, so its derivation and pictures are left out: {}.",
                error.brief()
            );
            (None, Pictures { missing: vec![why], ..Pictures::default() })
        }
    };
    let diagrams = run.diagrams()?.unwrap_or_else(|| {
        made.missing
            .push("Densities and the fit beside the data are left out: this run was made before they were.".into());
        Diagrams::default()
    });
    let verification = run.verification()?;
    let about = (&run.record, verification.as_ref());
    Ok(page(&document, &trace, (&run.text.source, explanation), about, (made, &diagrams)))
}

/// Writes the page of a finished run again; gives where it is, and what is on it.
///
/// # Errors
/// As of [`page_again`]; and when the page cannot be written.
pub fn rewrite(folder: &Path) -> Result<(PathBuf, Page), Error> {
    let run = Finished::read(folder)?;
    let page = page_again(&run)?;
    run.put(directory::PAGE, page.html().as_bytes())?;
    Ok((folder.join(directory::PAGE), page))
}

/// The derivation, and the pictures where the data are as they were.
fn again(run: &Finished, document: &Document) -> Result<(String, Pictures), Error> {
    let mut loaded = run.load()?;
    let objective = run.derive(&mut loaded.program)?;
    let explanation = explanation(&loaded.program, &objective, &run.text.source);
    let made = pictures_again(run, loaded, objective, document).unwrap_or_else(|error| Pictures {
        missing: vec![format!("Pictures are left out, as the data cannot be read as they were: {}.", error.brief())],
        ..Pictures::default()
    });
    Ok((explanation, made))
}

fn pictures_again(
    run: &Finished,
    loaded: Loaded,
    objective: Objective,
    document: &Document,
) -> Result<Pictures, Error> {
    if objective.report.shown.is_empty() && !timelines::has_any(&loaded.program) {
        return Ok(Pictures::default());
    }
    let prepared = run.prepare_with(loaded, objective)?;
    if let Some(changed) = run.changed(&prepared.arrays) {
        return Err(Error::Request(format!("those of `{changed}` have changed since")));
    }
    let problem = prepared.problem()?;
    Ok(pictures(&prepared.program, &problem, &run.solution(&problem)?, document))
}
