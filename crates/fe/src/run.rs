//! `fe run`: check, compile, fit, report.

use std::path::{Path, PathBuf};

use fe_pipeline::directory::{self, Writing};
use fe_pipeline::{Checkpoints, Earlier, Finished, Identity, is_of, page_again, prepare};
use fe_report::Document;

use crate::cli::RunArgs;
use crate::failure::{Failure, at};
use crate::progress::Progress;
use crate::report::pictures;
use crate::{input, output, render, timings};

/// Where the run is written: a folder that is named, and else one of the program's name that holds no run, unless that is to be
/// replaced or gone on with.
fn folder(args: &RunArgs, name: &str, source: &str, identity: &Identity) -> Result<PathBuf, Failure> {
    let own = PathBuf::from("runs").join(name);
    if let Some(out) = &args.out {
        if directory::holds_run(out) && !args.force && !args.resume {
            note(args, &format!("the run in {} is replaced", out.display()));
        }
        return Ok(out.clone());
    }
    if args.force {
        return Ok(own);
    }
    if args.resume {
        for folder in directory::used(&own) {
            if is_of(&folder, source, identity)? || is_finished(&folder, source, identity).is_some() {
                return Ok(folder);
            }
        }
    }
    let unused = directory::unused(&own);
    if unused != own && !args.resume && is_of(&own, source, identity)? {
        note(args, &format!("{} holds this fit as it was ended; `--resume` goes on with it", own.display()));
    }
    Ok(unused)
}

fn note(args: &RunArgs, said: &str) {
    if !args.quiet {
        output::err(&format!("note: {said}\n"));
    }
}

/// What is reported of this very fit, where a folder holds it, done.
fn is_finished(folder: &Path, source: &str, identity: &Identity) -> Option<Document> {
    let run = Finished::read(folder).ok()?;
    let same = run.record.identity == *identity && run.text.source == source;
    let document = same.then(|| run.document().ok()).flatten()?;
    (!document.verdict.interrupted).then_some(document)
}

/// Takes up an earlier fit where one is to be gone on with, and else forgets it.
fn take_up(args: &RunArgs, checkpoints: &mut Checkpoints, folder: &Path) -> Result<(), Failure> {
    let at = folder.display();
    match (args.resume, checkpoints.resume()) {
        (true, Earlier::Same(steps)) => note(args, &format!("the fit in {at} goes on after {steps} steps")),
        (true, Earlier::Nothing) => note(args, &format!("no fit in {at} was begun: it begins at the start")),
        (true, Earlier::Other) => {
            return Err(Failure::usage(format!(
                "--resume: the fit that was begun in {at} is of another program, or has other options, data or version; \
                 leave out --resume to begin anew, or name another folder with --out"
            )));
        }
        (false, Earlier::Nothing) => {}
        (false, Earlier::Same(_) | Earlier::Other) => {
            note(args, &format!("a fit that was begun in {at} and not finished is forgotten"));
            checkpoints.forget()?;
        }
    }
    Ok(())
}

/// Runs a program.
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    let text = input::text(&args.program.model)?;
    let (reading, fitting) = (args.program.reading()?, args.fit.options());
    let prepared = prepare(&text, &reading, &fitting).map_err(at(&text))?;
    if !args.quiet {
        output::diagnostics(&text, &prepared.warnings);
    }
    let identity = prepared.identity(&text, &reading, &fitting, None);
    let folder = folder(args, &prepared.program.name, &text.source, &identity)?;
    if let Some(document) = args.resume.then(|| is_finished(&folder, &text.source, &identity)).flatten() {
        note(args, &format!("the fit in {} is done: there is nothing to go on with", folder.display()));
        let pictures = match args.pictures {
            Some(_) => pictures(&page_again(&Finished::read(&folder)?)?, args.pictures.as_ref(), &folder)?,
            None => None,
        };
        return told(args, &document, &folder, pictures);
    }
    let mut writing = Writing::begin(&folder)?;
    let mut checkpoints = Checkpoints::new(&mut writing, &text.source, &identity, args.keeping.every())?;
    take_up(args, &mut checkpoints, &folder)?;
    let mut progress = if args.finish { Progress::at_its_end(args.quiet) } else { Progress::new(args.quiet) };
    let result = prepared.fit_kept(None, &mut progress, &mut checkpoints);
    let unkept = checkpoints.failure();
    let fitted = result.map_err(at(&text))?;
    if let Some(error) = unkept {
        note(args, &format!("the state of the fit could not be kept as it went: {error}"));
    }
    let mut document = prepared.document(&fitted).map_err(at(&text))?;
    let record = prepared.record(&fitted, identity);
    document.run.clone_from(&record.run);
    let run = directory::Run {
        source: &text.source,
        record: &record,
        fitted: &fitted,
        document: &document,
        statistics: &prepared.arrays.statistics,
    };
    let page = run.write(writing)?;
    if args.timings {
        output::err(&timings::table(&prepared.clock().spent()));
        output::err(&timings::memory(&prepared.foreseen()?));
    }
    let pictures = pictures(&page, args.pictures.as_ref(), &folder)?;
    told(args, &document, &folder, pictures)
}

/// Says what a run came to, and whether it can be relied on where that is asked.
fn told(args: &RunArgs, document: &Document, folder: &Path, pictures: Option<String>) -> Result<(), Failure> {
    if args.json {
        output::out(&fe_report::json(document))?;
    } else if !args.quiet {
        let ledger = fe_report::terminal(document, output::width(), render::colour_on_stdout());
        output::out(&format!("{ledger}\nsaved in {}\n{}", folder.display(), pictures.unwrap_or_default()))?;
    }
    // Chains stand for the guide, however far its own fit went.
    let verdict = &document.verdict;
    if args.strict && !verdict.converged && verdict.nuts.is_none() {
        return Err(Failure::Unconverged(format!("not converged: {}", verdict.test.as_deref().unwrap_or_default())));
    }
    if args.strict && verdict.trusted != Some(true) {
        let against = verdict.faults().into_iter().chain(verdict.omission());
        return Err(Failure::Unconverged(against.collect::<Vec<_>>().join("; ")));
    }
    Ok(())
}
