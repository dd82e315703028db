//! `fe eval`: a finished fit on rows that it has not seen.

use fe_pipeline::{Evaluated, Finished, evaluate, evaluate_own};
use fe_report::{evaluation_terminal, refined_csv, write_atomically};

use crate::cli::{self, EvalArgs};
use crate::failure::{Failure, at};
use crate::{output, render};

/// Runs the command.
pub fn eval(args: &EvalArgs) -> Result<(), Failure> {
    let run = Finished::read(&args.run)?;
    let reading = cli::reading(&args.data, &args.set)?;
    let apart = args.out.is_some();
    let own = reading.data.is_empty();
    let found = if own { evaluate_own(&run, &reading.set, apart) } else { evaluate(&run, &reading) };
    let Evaluated { evaluation, steps } = found.map_err(at(&run.text))?;
    if let Some(path) = &args.trace {
        if steps.is_empty() {
            return Err(Failure::Usage("--trace: this program refines nothing step by step".into()));
        }
        write_atomically(path, refined_csv(&steps))
            .map_err(|e| Failure::Io(format!("{} cannot be written: {e}", path.display())))?;
    }
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
