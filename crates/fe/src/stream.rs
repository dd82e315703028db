//! `fe stream`: a finished run turned one line at a time.

use std::io::{BufRead, ErrorKind, Write};
use std::path::Path;

use fe_pipeline::stream::{LineForm, Lines, Online, Plan, PlanOptions, StreamOptions};
use fe_pipeline::{Error, Finished, FitOptions, prepare};
use fe_syntax::Diagnostic;

use crate::cli::{self, FormArg, StreamArgs};
use crate::failure::{Failure, at};
use crate::{input, output, progress};

/// Runs the command.
pub fn stream(args: &StreamArgs) -> Result<(), Failure> {
    progress::end_at_once();
    let mut turning = opened(args)?;
    turning.notes().iter().for_each(|n| output::err(&format!("note: {n}\n")));
    let form = args.form.map(|f| match f {
        FormArg::Json => LineForm::Json,
        FormArg::Csv => LineForm::Csv,
    });
    let mut lines = Lines::new(form);
    let mut stdin = std::io::stdin().lock();
    let (mut line, mut number, mut headed) = (String::new(), 0usize, false);
    loop {
        line.clear();
        match stdin.read_line(&mut line) {
            Ok(0) => return Ok(()),
            Ok(_) => number += 1,
            Err(e) if e.kind() == ErrorKind::InvalidData => {
                return Err(Failure::Io(format!("line {} of standard input is not UTF-8 text", number + 1)));
            }
            Err(e) => return Err(Failure::Io(format!("standard input cannot be read: {e}"))),
        }
        let text = turning.text().clone();
        let of_line = |e: Error| at(&text)(numbered(e, number));
        let Some(row) = lines.read(&line, turning.taken()).map_err(of_line)? else { continue };
        let step = turning.step(&row).map_err(of_line)?;
        let mut told = String::new();
        match lines.form() {
            Some(LineForm::Csv) => {
                let columns = step.columns();
                let joined = |each: &mut dyn Iterator<Item = String>| each.collect::<Vec<_>>().join(",") + "\n";
                if !headed {
                    told += &joined(&mut columns.iter().map(|c| c.0.clone()));
                    headed = true;
                }
                told += &joined(&mut columns.iter().map(|c| c.1.to_string()));
            }
            _ => told = step.json().to_string() + "\n",
        }
        // Nobody reads any more: that is an end, and no fault.
        if !written(&told)? {
            return Ok(());
        }
    }
}

/// Writes a line, at once; whether there is still somebody to read it.
fn written(told: &str) -> Result<bool, Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(told.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(Failure::Io(format!("standard output cannot be written: {e}"))),
    }
}

/// An error with the line that it is of.
fn numbered(e: Error, line: usize) -> Error {
    let all = |ds: Vec<Diagnostic>| {
        let with = |d: Diagnostic| Diagnostic { message: format!("line {line}: {}", d.message), ..d };
        ds.into_iter().map(with).collect()
    };
    match e {
        Error::Data(ds) => Error::Data(all(ds)),
        Error::Fit(ds) => Error::Fit(all(ds)),
        other => other,
    }
}

fn opened(args: &StreamArgs) -> Result<Online, Failure> {
    let folder = Path::new(&args.run);
    let options = StreamOptions { names: args.latents.clone(), samples: args.samples, seed: args.seed };
    let planning = PlanOptions { steps: args.steps, starts: args.starts };
    if folder.is_dir() {
        if !(args.data.is_empty() && args.set.is_empty()) {
            return Err(Failure::usage("--data and --set are of a program; a finished run is as it was fitted"));
        }
        let run = Finished::read(folder)?;
        if args.plan {
            let prepared = run.prepare().map_err(at(&run.text))?;
            let text = run.text.clone();
            let plan = Plan::open(&text, prepared, Some(&run), planning).map_err(at(&text))?;
            return Ok(Online::Plans(Box::new(plan)));
        }
        let text = run.text.clone();
        return Online::open(run, options).map_err(at(&text));
    }
    if args.run == "-" {
        return Err(Failure::usage("standard input holds the lines: give the program as a file"));
    }
    let text = input::text(&args.run)?;
    let reading = cli::reading(&args.data, &args.set)?;
    if args.plan {
        let prepared = prepare(&text, &reading, &FitOptions::default()).map_err(at(&text))?;
        let plan = Plan::open(&text, prepared, None, planning).map_err(at(&text))?;
        return Ok(Online::Plans(Box::new(plan)));
    }
    Online::unfitted(&text, &reading, options).map_err(at(&text))
}
