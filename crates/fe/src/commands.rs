//! `fe check`, `fe explain` and `fe fmt`.

use std::io::Write;

use crate::cli::{CheckArgs, ExplainArgs, FmtArgs};
use crate::failure::Failure;
use crate::program::{self, Text};
use crate::render;

/// Everything short of fitting.
pub fn check(text: &Text, args: &CheckArgs) -> Result<(), Failure> {
    let outcome = program::load(text, &args.program).and_then(|loaded| {
        let derived = fe_objective::derive(&loaded.program, &text.source);
        derived.map_err(|e| Failure::Program(vec![program::underivable(e)]))?;
        Ok(loaded)
    });
    if args.json {
        let diagnostics = match &outcome {
            Ok(loaded) => &loaded.warnings,
            Err(Failure::Program(d) | Failure::Data(d)) => d,
            Err(_) => &vec![],
        };
        println!("{:#}", render::json(&text.file, &text.source, diagnostics));
        return outcome.map(|_| ()).map_err(|f| f.silenced());
    }
    let loaded = outcome?;
    eprint!("{}", render::text(&text.file, &text.source, &loaded.warnings, render::colour_on_stderr()));
    let count = loaded.warnings.len();
    let warnings = match count {
        0 => String::new(),
        1 => ", with 1 warning".into(),
        n => format!(", with {n} warnings"),
    };
    println!("{}: no errors{warnings}", text.file);
    Ok(())
}

/// The derived objective.
pub fn explain(text: &Text, args: &ExplainArgs) -> Result<(), Failure> {
    let loaded = program::load(text, &args.program)?;
    eprint!("{}", render::text(&text.file, &text.source, &loaded.warnings, render::colour_on_stderr()));
    let objective = fe_objective::derive(&loaded.program, &text.source)
        .map_err(|e| Failure::Program(vec![program::underivable(e)]))?;
    print!("{}", fe_objective::explain(&loaded.program, &objective, &text.source));
    if args.graph {
        println!("\ngraph of the objective per row\n{}", objective.graph.dump(&[objective.value]));
    }
    Ok(())
}

/// Canonical layout.
pub fn fmt(args: &FmtArgs) -> Result<(), Failure> {
    let mut unformatted = false;
    for model in &args.models {
        let text = Text::read(model)?;
        let formatted = match fe_syntax::format(&text.source) {
            Ok(f) => f,
            Err(d) => {
                eprint!("{}", render::text(&text.file, &text.source, &d, render::colour_on_stderr()));
                return Err(Failure::Program(vec![]));
            }
        };
        if args.check {
            if formatted != text.source {
                eprintln!("{model}: not in the canonical layout; run `fe fmt {model}`");
                unformatted = true;
            }
        } else if model == "-" {
            let _ = std::io::stdout().write_all(formatted.as_bytes());
        } else if formatted != text.source {
            fe_report::write_atomically(model, formatted)
                .map_err(|e| Failure::Io(format!("{model} cannot be written: {e}")))?;
        }
    }
    if unformatted { Err(Failure::Unformatted) } else { Ok(()) }
}
