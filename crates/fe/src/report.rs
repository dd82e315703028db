//! `fe report`: the page of a finished run or sweep again.

use fe_pipeline::{rewrite, sweep};

use crate::cli::ReportArgs;
use crate::failure::Failure;
use crate::output;

/// Runs the command.
pub fn report(args: &ReportArgs) -> Result<(), Failure> {
    let path = match sweep::rewrite(&args.run)? {
        Some(path) => path,
        None => rewrite(&args.run)?,
    };
    output::out(&format!("{}\n", path.display()))?;
    if args.open {
        opener::open(&path).map_err(|e| Failure::Io(format!("{} cannot be opened: {e}", path.display())))?;
    }
    Ok(())
}
