//! `fe sweep`: many fits of one program, side by side, with the certificate of their curves.

use fe_pipeline::sweep::{self, Shard, Share, SweepOptions};
use fe_report::{Sweep, sweep_terminal};

use crate::cli::SweepArgs;
use crate::failure::{Failure, at};
use crate::progress::Shown;
use crate::{input, output, render};

/// Runs the command.
pub fn sweep(args: &SweepArgs) -> Result<(), Failure> {
    let text = input::text(&args.program.model)?;
    let options = SweepOptions {
        over: args.over.clone(),
        reading: args.program.reading()?,
        fitting: args.fit.options(),
        jobs: args.jobs,
        resume: args.resume,
        checkpoint: args.keeping.every(),
        certify: args.certify.unwrap_or(0),
        folder: args.out.clone(),
    };
    let watch = Shown::new(args.quiet);
    if let Some(shard) = args.shard {
        let outcome = sweep::share(&text, &options, shard, &watch);
        watch.finish();
        return shared(args, shard, &outcome.map_err(at(&text))?);
    }
    let outcome = sweep::sweep(&text, &options, &watch);
    watch.finish();
    let (report, folder) = outcome.map_err(at(&text))?;
    if args.json {
        output::out(&fe_report::json(&report))?;
    } else if !args.quiet {
        let table = sweep_terminal(&report, output::width(), render::colour_on_stdout());
        output::out(&format!("{table}\nsaved in {}\n", folder.display()))?;
    }
    ending(&report, args.strict)
}

/// Says what came of a share.
fn shared(args: &SweepArgs, shard: Shard, share: &Share) -> Result<(), Failure> {
    let fits = |n: usize| if n == 1 { "1 fit".to_owned() } else { format!("{n} fits") };
    if args.json {
        output::out(&fe_report::json(share))?;
    } else if !args.quiet {
        let left = match share.left {
            0 => String::new(),
            n => format!(", {n} left to others"),
        };
        output::out(&format!(
            "shard {}/{} of {}: {} made, {} found done{left}, {} failed\nsaved in {}; `fe sweep` with --resume collects them\n",
            shard.index,
            shard.of,
            fits(share.points),
            share.made,
            share.found,
            share.failed.len(),
            share.folder.display()
        ))?;
    }
    match share.failed.as_slice() {
        [] => Ok(()),
        [first, ..] => {
            let failed = share.failed.len();
            Err(Failure::Fits(format!(
                "{failed} of {} failed, {} among them: {}",
                fits(share.points),
                first.at,
                first.why
            )))
        }
    }
}

/// How the command ends.
fn ending(report: &Sweep, strict: bool) -> Result<(), Failure> {
    let failed = report.points.iter().filter(|p| p.failed.is_some()).count();
    if failed > 0 {
        return Err(Failure::Fits(format!("{failed} of {} fits failed", report.points.len())));
    }
    let (unconverged, broken) = (report.points.iter().filter(|p| !p.converged).count(), report.violations().count());
    if strict && unconverged + broken > 0 {
        return Err(Failure::Unconverged(format!(
            "{unconverged} of {} fits have not converged; {broken} of {} pairs violate the certificate",
            report.points.len(),
            report.certificate.len()
        )));
    }
    Ok(())
}
