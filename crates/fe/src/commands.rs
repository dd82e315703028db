//! `fe check`, `fe explain` and `fe fmt`.

use fe_pipeline::{Error, derive, explanation, load, plan};

use crate::cli::{CheckArgs, ExplainArgs, FmtArgs};
use crate::failure::{Failure, at, code};
use crate::{input, output, render};

/// Everything short of fitting.
pub fn check(args: &CheckArgs) -> Result<(), Failure> {
    let text = input::text(&args.program.model)?;
    let reading = args.program.reading()?;
    let outcome = load(&text, &reading).and_then(|loaded| derive(&loaded.program, &text).map(|_| loaded));
    if args.json {
        let diagnostics = match &outcome {
            Ok(loaded) => &loaded.warnings,
            Err(Error::Program(d) | Error::Data(d)) => d,
            Err(_) => &vec![],
        };
        output::out(&format!("{:#}\n", render::json(&text.file, &text.source, diagnostics)))?;
        return outcome.map(|_| ()).map_err(|error| match error {
            Error::Program(_) | Error::Data(_) => Failure::Said(code(&error)),
            other => other.into(),
        });
    }
    let loaded = outcome.map_err(at(&text))?;
    output::diagnostics(&text, &loaded.warnings);
    let warnings = match loaded.warnings.len() {
        0 => String::new(),
        1 => ", with 1 warning".into(),
        n => format!(", with {n} warnings"),
    };
    output::out(&format!("{}: no errors{warnings}\n", text.file))
}

/// The derived objective.
pub fn explain(args: &ExplainArgs) -> Result<(), Failure> {
    let text = input::text(&args.program.model)?;
    let loaded = load(&text, &args.program.reading()?).map_err(at(&text))?;
    output::diagnostics(&text, &loaded.warnings);
    let objective = derive(&loaded.program, &text).map_err(at(&text))?;
    let mut page = explanation(&loaded.program, &objective, &text.source);
    if args.plan
        && let Some(plan) = plan(&loaded.program, &objective)
    {
        page += &format!("\nplan of a step, in f32\n{plan}");
    }
    if args.graph {
        page += &format!("\ngraph of the objective per row\n{}\n", objective.graph.dump(&[objective.minimised.value]));
    }
    output::out(&page)
}

/// Canonical layout.
pub fn fmt(args: &FmtArgs) -> Result<(), Failure> {
    let mut unformatted = false;
    for model in &args.models {
        let text = input::text(model)?;
        let formatted = match fe_syntax::format(&text.source) {
            Ok(formatted) => formatted,
            Err(diagnostics) => {
                output::diagnostics(&text, &diagnostics);
                return Err(Failure::Said(code(&Error::Program(vec![]))));
            }
        };
        if args.check {
            if formatted != text.source {
                output::err(&format!("{model}: not in the canonical layout; run `fe fmt {model}`\n"));
                unformatted = true;
            }
        } else if model == "-" {
            output::out(&formatted)?;
        } else if formatted != text.source {
            fe_report::write_atomically(model, formatted)
                .map_err(|e| Failure::Io(format!("{model} cannot be written: {e}")))?;
        }
    }
    if unformatted { Err(Failure::Unformatted) } else { Ok(()) }
}
