//! `fe run`: check, compile, fit, report.

use std::path::PathBuf;

use crate::cli::RunArgs;
use crate::failure::Failure;
use crate::program::Text;
use crate::{directory, fitting, output, progress, render};

/// Runs a program.
pub fn run(text: &Text, args: &RunArgs) -> Result<(), Failure> {
    let prepared = fitting::prepare(text, &args.program, &args.fit)?;
    if !args.quiet {
        output::err(&render::text(&text.file, &text.source, &prepared.warnings, render::colour_on_stderr()));
    }
    let folder = args.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(&prepared.program.name));
    directory::create(&folder)?;
    let mut display = progress::Progress::new(args.quiet);
    let result = prepared.fit(None, &mut display);
    display.finish();
    let fitted = result?;
    let document = prepared.document(&fitted)?;
    let run = directory::Run {
        source: &text.source,
        run_json: prepared.about(&fitted, prepared.identity(text, &args.program, &args.fit)),
        program: fitted.program,
        fit: &fitted.fit,
        document: &document,
        problem: &fitted.problem,
        statistics: &prepared.arrays.statistics,
    };
    directory::write(&folder, &run)?;
    if args.json {
        output::out(&fe_report::json(&document))?;
    } else if !args.quiet {
        let ledger = fe_report::terminal(&document, width(), render::colour_on_stdout());
        output::out(&format!("{ledger}\nsaved in {}\n", folder.display()))?;
    }
    if args.strict && !fitted.fit.converged {
        return Err(Failure::Unconverged(format!("not converged: {}", fitted.fit.test)));
    }
    if args.strict && !document.verdict.trusted {
        return Err(Failure::Unconverged(document.verdict.faults().join("; ")));
    }
    Ok(())
}

/// Columns of the terminal; `COLUMNS` wins, and 100 elsewhere.
pub fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|c| c.parse::<usize>().ok());
    columns
        .or_else(|| console::Term::stdout().size_checked().map(|(_, w)| usize::from(w)))
        .unwrap_or(100)
        .clamp(60, 200)
}
