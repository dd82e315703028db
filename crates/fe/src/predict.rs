//! `fe predict`: what a finished fit predicts at new rows.

use fe_pipeline::{CodesFile, Finished, PredictOptions, ReadOptions, in_place_of_table, predict as predicted};

use crate::cli::{self, PredictArgs};
use crate::failure::{Failure, at};
use crate::output;

/// Runs the command.
pub fn predict(args: &PredictArgs) -> Result<(), Failure> {
    let run = Finished::read(&args.run)?;
    let form = args.out.as_deref().map(CodesFile::of).transpose()?;
    if args.draws && !matches!(form, Some(CodesFile::Npz | CodesFile::Nc)) {
        return Err(Failure::usage("--draws needs --out with a .npz or .nc file: a table holds no draws"));
    }
    let options = PredictOptions {
        count: args.count,
        interval: args.interval,
        seed: args.seed,
        ahead: args.ahead,
        draws: args.draws,
    };
    let found = predicted(&run, &reading(&run, &args.data)?, &options).map_err(at(&run.text))?;
    for note in &found.notes {
        output::err(&format!("note: {note}\n"));
    }
    match &args.out {
        Some(out) => {
            found.write(out)?;
            output::out(&format!("saved in {}\n", out.display()))
        }
        None => output::out(&found.csv()),
    }
}

/// Files with the names of data, and at most one without, which stands for the program's table.
fn reading(run: &Finished, given: &[String]) -> Result<ReadOptions, Failure> {
    let (named, tables): (Vec<String>, Vec<String>) = given.iter().cloned().partition(|text| text.contains('='));
    let mut reading = cli::reading(&named, &[])?;
    match tables.as_slice() {
        [] => {}
        [table] => reading.data.extend(in_place_of_table(run, table, &reading).map_err(at(&run.text))?),
        [_, second, ..] => {
            let said = format!("--data takes one file without a name, and NAME=FILE beside it, not `{second}`");
            return Err(Failure::usage(said));
        }
    }
    Ok(reading)
}
