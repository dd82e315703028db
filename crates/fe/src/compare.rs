//! `fe compare`: two programs fitted to the same data with the same seeds, side by side.

use fe_pipeline::compare::{self, Blamed, Side};
use fe_pipeline::directory;
use fe_report::{Comparison, comparison_terminal};

use crate::cli::{self, CompareArgs};
use crate::failure::Failure;
use crate::progress::Shown;
use crate::{input, output, render};

/// Runs the command.
pub fn compare(args: &CompareArgs) -> Result<(), Failure> {
    if [&args.a, &args.b].into_iter().all(|model| model == "-") {
        return Err(Failure::usage("standard input can be read once: one of the programs must be a file"));
    }
    let texts = [input::text(&args.a)?, input::text(&args.b)?];
    let [a, b] = compare::given(texts, &cli::reading(&args.data, &args.set)?)?;
    if let Some(folder) = &args.out {
        directory::create(folder)?;
    }
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
