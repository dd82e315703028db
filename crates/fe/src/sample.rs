//! `fe sample`: draws from a program's priors, or new data from a finished fit.

use std::path::Path;

use fe_pipeline::{Finished, sample};

use crate::cli::{self, SampleArgs};
use crate::failure::{Failure, at};
use crate::{input, output};

/// Runs the command.
pub fn sample(args: &SampleArgs) -> Result<(), Failure> {
    let of = Path::new(&args.of);
    let drawn = if of.is_dir() {
        let run = Finished::read(of)?;
        sample::posterior(&run, args.seed, args.count).map_err(at(&run.text))?
    } else {
        let text = input::text(&args.of)?;
        sample::prior(&text, &cli::reading(&args.data, &args.set)?, args.seed, args.count).map_err(at(&text))?
    };
    if let Some(note) = &drawn.note {
        output::err(&format!("note: {note}\n"));
    }
    let out = args.out.as_ref().unwrap_or(&drawn.default);
    drawn.write(out)?;
    let names = |g: &fe_report::Group| {
        let names: Vec<&str> = g.arrays.iter().map(|a| a.name.as_str()).collect();
        format!("{}: {}", g.name.replace('_', " "), names.join(", "))
    };
    let names: Vec<String> = drawn.groups.iter().map(names).collect();
    output::out(&format!("{} draws of {}\nsaved in {}\n", drawn.count, names.join("; "), out.display()))
}
