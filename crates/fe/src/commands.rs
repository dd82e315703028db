//! `fe check`, `fe explain` and `fe fmt`.

use fe_check::Program;
use fe_objective::Objective;

use crate::cli::{CheckArgs, ExplainArgs, FmtArgs};
use crate::failure::Failure;
use crate::output;
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
        output::out(&format!("{:#}\n", render::json(&text.file, &text.source, diagnostics)))?;
        return outcome.map(|_| ()).map_err(|f| f.silenced());
    }
    let loaded = outcome?;
    output::err(&render::text(&text.file, &text.source, &loaded.warnings, render::colour_on_stderr()));
    let count = loaded.warnings.len();
    let warnings = match count {
        0 => String::new(),
        1 => ", with 1 warning".into(),
        n => format!(", with {n} warnings"),
    };
    output::out(&format!("{}: no errors{warnings}\n", text.file))
}

/// The derived objective.
pub fn explain(text: &Text, args: &ExplainArgs) -> Result<(), Failure> {
    let loaded = program::load(text, &args.program)?;
    output::err(&render::text(&text.file, &text.source, &loaded.warnings, render::colour_on_stderr()));
    let objective = fe_objective::derive(&loaded.program, &text.source)
        .map_err(|e| Failure::Program(vec![program::underivable(e)]))?;
    let mut page = explanation(&loaded.program, &objective, &text.source);
    if args.plan {
        let rows = loaded.program.row.map_or(1, |r| r.rows);
        if let Ok((method, _)) = fe_train::method(&objective, &loaded.program.train, rows) {
            let plan = fe_train::plan(&objective, &method, rows);
            page += &format!("\nplan of a step, in f32\n{}", plan.describe(&objective.graph, size_of::<f32>()));
        }
    }
    if args.graph {
        page += &format!("\ngraph of the objective per row\n{}\n", objective.graph.dump(&[objective.minimised.value]));
    }
    output::out(&page)
}

/// The derivation in the notation of a paper, and how it is fitted.
pub fn explanation(program: &Program, objective: &Objective, source: &str) -> String {
    let mut page = fe_objective::explain(program, objective, source);
    let rows = program.row.map_or(1, |r| r.rows);
    match fe_train::method(objective, &program.train, rows) {
        Ok((method, notes)) => {
            if let (true, fe_train::Method::Lbfgs { .. }) = (!objective.guides.non_centred.is_empty(), &method) {
                let names = objective.guides.non_centred.join(", ");
                page += &format!("fitted as written too, {names} centred: the lower free energy is kept\n");
            }
            page += &format!("fitted by {}\n", method.describe(objective));
            page.extend(notes.iter().map(|note| format!("note: {note}\n")));
        }
        Err(e) => page += &format!("it cannot be fitted as asked: {e}\n"),
    }
    page
}

/// Canonical layout.
pub fn fmt(args: &FmtArgs) -> Result<(), Failure> {
    let mut unformatted = false;
    for model in &args.models {
        let text = Text::read(model)?;
        let formatted = match fe_syntax::format(&text.source) {
            Ok(f) => f,
            Err(d) => {
                output::err(&render::text(&text.file, &text.source, &d, render::colour_on_stderr()));
                return Err(Failure::Program(vec![]));
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
