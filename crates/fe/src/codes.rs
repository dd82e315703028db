//! `fe codes`: what a finished fit's guide says of each row.

use fe_pipeline::{CodesFile, Finished, codes as read};
use fe_report::Array;

use crate::cli::{self, CodesArgs};
use crate::failure::{Failure, at};
use crate::output;

/// Runs the command.
pub fn codes(args: &CodesArgs) -> Result<(), Failure> {
    let run = Finished::read(&args.run)?;
    let out = args.out.clone().unwrap_or_else(|| args.run.join("codes.npz"));
    // A file that cannot be written is known before anything is read.
    CodesFile::of(&out)?;
    let found = read(&run, &cli::reading(&args.data, &[])?, &args.latents).map_err(at(&run.text))?;
    found.write(&out)?;
    let shape = |a: &Array| {
        let sizes: Vec<String> = a.axes.iter().zip(&a.shape).map(|(axis, n)| format!("{axis} = {n}")).collect();
        format!("  {}[{}]\n", a.name, sizes.join(", "))
    };
    let mut text: String = found.arrays().iter().map(shape).collect();
    for note in &found.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    output::out(&format!("{text}saved in {}\n", out.display()))
}
