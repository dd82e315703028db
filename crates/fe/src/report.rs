//! `fe report`: the page of a finished run or sweep again.

use std::path::{Path, PathBuf};

use fe_pipeline::{directory, put_pictures, rewrite, sweep};
use fe_report::Page;

use crate::cli::ReportArgs;
use crate::failure::Failure;
use crate::output;

/// Runs the command.
pub fn report(args: &ReportArgs) -> Result<(), Failure> {
    let (path, page) = match sweep::rewrite(&args.run)? {
        Some(rewritten) => rewritten,
        None => rewrite(&args.run)?,
    };
    output::out(&format!("{}\n", path.display()))?;
    if let Some(said) = pictures(&page, args.pictures.as_ref(), &args.run)? {
        output::out(&said)?;
    }
    if args.open {
        opener::open(&path).map_err(|e| Failure::Io(format!("{} cannot be opened: {e}", path.display())))?;
    }
    Ok(())
}

/// Writes the pictures of a page that is in a folder, where they are `wanted`; says what was written.
pub fn pictures(page: &Page, wanted: Option<&Option<PathBuf>>, folder: &Path) -> Result<Option<String>, Failure> {
    let Some(wanted) = wanted else { return Ok(None) };
    let into = wanted.clone().unwrap_or_else(|| folder.join(directory::PICTURES));
    let written = match put_pictures(page, &into)? {
        0 => "the page has no pictures".to_owned(),
        1 => format!("1 picture in {}", into.display()),
        n => format!("{n} pictures in {}", into.display()),
    };
    Ok(Some(format!("{written}\n")))
}
