//! `fe run`: check, compile, fit, report.

use std::path::PathBuf;

use fe_pipeline::{directory, prepare};

use crate::cli::RunArgs;
use crate::failure::{Failure, at};
use crate::progress::Progress;
use crate::{input, output, render};

/// Where the run is written: a folder that is named, and else one of the program's name that holds no run, unless that is to be
/// replaced.
fn folder(args: &RunArgs, name: &str) -> PathBuf {
    let own = || PathBuf::from("runs").join(name);
    match (&args.out, args.force) {
        (Some(out), force) => {
            if directory::holds_run(out) && !force && !args.quiet {
                output::err(&format!("note: the run in {} is replaced\n", out.display()));
            }
            out.clone()
        }
        (None, true) => own(),
        (None, false) => directory::unused(&own()),
    }
}

/// Runs a program.
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    let text = input::text(&args.program.model)?;
    let (reading, fitting) = (args.program.reading()?, args.fit.options());
    let prepared = prepare(&text, &reading, &fitting).map_err(at(&text))?;
    if !args.quiet {
        output::diagnostics(&text, &prepared.warnings);
    }
    let folder = folder(args, &prepared.program.name);
    directory::create(&folder)?;
    let result = prepared.fit(None, &mut Progress::new(args.quiet));
    let fitted = result.map_err(at(&text))?;
    let document = prepared.document(&fitted).map_err(at(&text))?;
    let run = directory::Run {
        source: &text.source,
        record: &prepared.record(&fitted, prepared.identity(&text, &reading, &fitting, None)),
        fitted: &fitted,
        document: &document,
        statistics: &prepared.arrays.statistics,
    };
    run.write(&folder)?;
    if args.json {
        output::out(&fe_report::json(&document))?;
    } else if !args.quiet {
        let ledger = fe_report::terminal(&document, output::width(), render::colour_on_stdout());
        output::out(&format!("{ledger}\nsaved in {}\n", folder.display()))?;
    }
    // Chains stand for the guide, however far its own fit went.
    if args.strict && !fitted.fit.converged && fitted.fit.chains.is_none() {
        return Err(Failure::Unconverged(format!("not converged: {}", fitted.fit.test)));
    }
    if args.strict && document.verdict.trusted != Some(true) {
        let against = document.verdict.faults().into_iter().chain(document.verdict.omission());
        return Err(Failure::Unconverged(against.collect::<Vec<_>>().join("; ")));
    }
    Ok(())
}
