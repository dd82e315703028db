//! `fe compare`: two programs fitted to the same data with the same seeds, or finished runs, side by side.

use std::path::Path;

use fe_pipeline::compare::{self, Blamed, Side};
use fe_pipeline::{Error, Finished, directory};
use fe_report::{Comparison, comparison_terminal, elpd_table, elpd_terminal};

use crate::cli::{self, CompareArgs};
use crate::failure::Failure;
use crate::progress::Shown;
use crate::{input, output, render};

/// Runs the command.
pub fn compare(args: &CompareArgs) -> Result<(), Failure> {
    if let Some(program) = args.of.iter().find(|of| !Path::new(of).is_dir()) {
        return match args.of.as_slice() {
            [a, b] if !Path::new(a).is_dir() && !Path::new(b).is_dir() => programs(a, b, args),
            [_, _] => Err(Failure::usage(format!(
                "`{program}` is no finished run, and the other one is: fit it with `fe run`"
            ))),
            _ => Err(Failure::usage(format!(
                "more than two are compared as finished runs: fit `{program}` with `fe run`"
            ))),
        };
    }
    runs(args)
}

/// Finished runs, by leave-one-out.
fn runs(args: &CompareArgs) -> Result<(), Failure> {
    if !args.data.is_empty() || !args.set.is_empty() {
        return Err(Failure::usage("--data and --set are for programs: these runs are finished"));
    }
    let named = |name: &String| Ok((name.clone(), Finished::read(Path::new(name))?.document()?));
    let documents = args.of.iter().map(named).collect::<Result<Vec<_>, Error>>()?;
    let table = elpd_table(&documents).map_err(|e| Error::Request(e.to_string()))?;
    if let Some(folder) = &args.out {
        let _held = directory::Writing::begin(folder)?;
        directory::put(&folder.join("compare.json"), fe_report::json(&table).as_bytes())?;
    }
    if args.json {
        output::out(&fe_report::json(&table))?;
    } else if !args.quiet {
        output::out(&elpd_terminal(&table, output::width(), render::colour_on_stdout()))?;
    }
    let unconverged = table.fits.iter().filter(|f| !f.converged).count();
    if args.strict && unconverged > 0 {
        return Err(Failure::Unconverged(format!("{unconverged} of {} fits have not converged", table.fits.len())));
    }
    Ok(())
}

/// Two programs, fitted.
fn programs(a: &str, b: &str, args: &CompareArgs) -> Result<(), Failure> {
    if [a, b].into_iter().all(|model| model == "-") {
        return Err(Failure::usage("standard input can be read once: one of the programs must be a file"));
    }
    let texts = [input::text(a)?, input::text(b)?];
    let [a, b] = compare::given(texts, &cli::reading(&args.data, &args.set)?)?;
    // What is wrong with the folder is found before anything is fitted.
    let _held = args.out.as_deref().map(directory::Writing::begin).transpose()?;
    let watch = Shown::new(args.quiet);
    let report = compare::compare([&a, &b], &args.fit.options(), args.seeds, &watch);
    let report = report.map_err(|Blamed { error, side }| {
        let text = side.map(|side| match side {
            Side::A => Box::new(a.text.clone()),
            Side::B => Box::new(b.text.clone()),
        });
        Failure::Pipeline(error, text)
    })?;
    finish(&report, args)
}

/// Writes and prints.
fn finish(report: &Comparison, args: &CompareArgs) -> Result<(), Failure> {
    if let Some(folder) = &args.out {
        compare::write(folder, report)?;
    }
    if args.json {
        output::out(&fe_report::json(report))?;
    } else if !args.quiet {
        let mut text = comparison_terminal(report, output::width(), render::colour_on_stdout());
        if let Some(folder) = &args.out {
            text.push_str(&format!("\nsaved in {}\n", folder.display()));
        }
        output::out(&text)?;
    }
    let fits = report.a.fits.iter().chain(&report.b.fits);
    let unconverged = fits.filter(|f| !f.converged).count();
    if args.strict && unconverged > 0 {
        let all = report.a.fits.len() + report.b.fits.len();
        return Err(Failure::Unconverged(format!("{unconverged} of {all} fits have not converged")));
    }
    Ok(())
}
