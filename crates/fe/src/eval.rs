//! `fe eval`: a finished fit on rows that it has not seen.

use fe_pipeline::{Finished, evaluate};
use fe_report::{evaluation_terminal, write_atomically};

use crate::cli::{self, EvalArgs};
use crate::failure::{Failure, at};
use crate::{output, render};

/// Runs the command.
pub fn eval(args: &EvalArgs) -> Result<(), Failure> {
    let run = Finished::read(&args.run)?;
    let evaluation = evaluate(&run, &cli::reading(&args.data, &[])?).map_err(at(&run.text))?;
    if let Some(path) = &args.out {
        write_atomically(path, evaluation.by_row.csv())
            .map_err(|e| Failure::Io(format!("{} cannot be written: {e}", path.display())))?;
    }
    if args.json {
        return output::out(&fe_report::json(&evaluation));
    }
    let mut text = evaluation_terminal(&evaluation, output::width(), render::colour_on_stdout());
    if let Some(path) = &args.out {
        text.push_str(&format!("\nrows saved in {}\n", path.display()));
    }
    output::out(&text)
}
