//! `fe run`: check, compile, fit, report.

use std::path::PathBuf;
use std::time::Instant;

use fe_check::{OptimizerKind, Program, TrainSpec};
use fe_graph::NonFinite;
use fe_objective::Objective;
use fe_syntax::{Diagnostic, Span};
use fe_train::{FitError, Problem};
use serde_json::json;

use crate::cli::{PrecisionArg, RunArgs};
use crate::failure::Failure;
use crate::program::{self, Text};
use crate::{data, directory, document, executor, finished, output, progress, render};

/// Below this many numbers of data and parameters together, f64 is the default.
const DOUBLE_BELOW: usize = 100_000;

/// Runs a program.
pub fn run(text: &Text, args: &RunArgs) -> Result<(), Failure> {
    let started = Instant::now();
    let loaded = program::load(text, &args.program)?;
    if !args.quiet {
        output::err(&render::text(&text.file, &text.source, &loaded.warnings, render::colour_on_stderr()));
    }
    let mut program = loaded.program;
    program.train = overridden(program.train.clone(), args);
    let seed = program.train.seed.unwrap_or(0);
    let objective =
        fe_objective::derive(&program, &text.source).map_err(|e| Failure::Program(vec![program::underivable(e)]))?;

    let rows = program.row.map_or(0, |r| r.rows);
    let split = fe_train::split(rows, program.train.holdout, seed).map_err(Failure::Usage)?;
    let derived = started.elapsed();
    let mut arrays = data::load(&program, &loaded.sources, &split.0)?;
    let read = started.elapsed();
    let parameters: usize = objective
        .parameters
        .iter()
        .map(|p| p.free.iter().map(|a| objective.graph.extent_of(a.id)).product::<usize>())
        .sum();
    let precision = match args.precision {
        Some(p) => p,
        None if arrays.numbers + parameters < DOUBLE_BELOW => PrecisionArg::F64,
        // A line search cannot see past single precision.
        None if fe_train::uses_lbfgs(&objective, &program.train, rows) => PrecisionArg::F64,
        None => PrecisionArg::F32,
    };
    let folder = args.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(&program.name));
    directory::create(&folder)?;
    let executor = executor::open(args.executor, precision, &args.device)?;
    let internal = |e: fe_graph::ExecutionError| Failure::Internal(e.to_string());
    let tensors = std::mem::take(&mut arrays.tensors);
    let bind = |objective| Problem::new(objective, executor.as_ref(), tensors.clone(), split.clone(), seed);
    let problem = bind(&objective).map_err(internal)?;

    let bound = started.elapsed();
    let mut display = progress::Progress::new(args.quiet);
    let result = fe_train::fit(&problem, &program.train, &mut display);
    display.finish();
    let fit = result.map_err(|e| failed(e, &program, &objective))?;

    // As location + scale · u or as written: a small fit is made both ways, and the lower of the two is kept.
    let mut notes = std::mem::take(&mut arrays.notes);
    let non_centred = objective.non_centred.clone();
    let small = fe_train::uses_lbfgs(&objective, &program.train, rows) && !fit.interrupted;
    let other = match small && !non_centred.is_empty() {
        true => {
            program::centre(&mut program, &non_centred);
            Some(
                fe_objective::derive(&program, &text.source)
                    .map_err(|e| Failure::Program(vec![program::underivable(e)]))?,
            )
        }
        false => None,
    };
    let mut centred = vec![];
    let (mut kept, mut problem) = (fit, problem);
    if let Some(other) = &other {
        let as_written = bind(other).map_err(internal)?;
        let mut display = progress::Progress::new(args.quiet);
        let result = fe_train::fit(&as_written, &program.train, &mut display);
        display.finish();
        // Where it cannot be fitted as written there is nothing to choose.
        if let Ok(fit) = result {
            let (first, second) = (kept.figures.objective, fit.figures.objective);
            let written = second < first;
            notes.push(program::choice(&non_centred, first, second));
            if written {
                (kept, problem, centred) = (fit, as_written, non_centred);
            }
        }
    }
    let (fit, objective) = (kept, problem.objective);

    let setting = document::Setting {
        seed,
        executor: executor.name(),
        threads: rayon::current_num_threads(),
        notes,
        draws: fit.fixed_draws,
    };
    // Reading apart, the time to the first step that is known to be made.
    let before = derived + (bound - read);
    let first_step = fit.trace.iter().find(|p| p.step > 0).map(|p| before.as_secs_f64() + p.seconds);
    let executor_name = setting.executor.clone();
    let document = document::document(&program, objective, &fit, setting);
    let run_json = json!({
        "fe_version": env!("CARGO_PKG_VERSION"),
        "program": text.file,
        "seed": seed,
        "executor": executor_name,
        "threads": rayon::current_num_threads(),
        "method": fit.method,
        "centred": centred,
        "options": {
            "data": args.program.data, "set": args.program.set, "steps": args.steps, "epochs": args.epochs,
            "precision": format!("{precision:?}").to_lowercase(), "device": args.device,
        },
        "seconds": {
            "data": (read - derived).as_secs_f64(), "data_cached": arrays.cached, "first_step_without_data": first_step,
        },
        "rows": fit.figures.rows,
        "data": finished::about_data(&arrays, &loaded.headers),
        "levels": arrays.levels.iter().map(|(n, l)| json!({ "name": n, "levels": l })).collect::<Vec<_>>(),
    });
    let run = directory::Run {
        source: &text.source,
        run_json,
        fit: &fit,
        document: &document,
        problem: &problem,
        statistics: &arrays.statistics,
    };
    directory::write(&folder, &run)?;
    if args.json {
        output::out(&fe_report::json(&document))?;
    } else if !args.quiet {
        let ledger = fe_report::terminal(&document, width(), render::colour_on_stdout());
        output::out(&format!("{ledger}\nsaved in {}\n", folder.display()))?;
    }
    if args.strict && !fit.converged {
        return Err(Failure::Unconverged(format!("not converged: {}", fit.test)));
    }
    if args.strict && !document.verdict.trusted {
        return Err(Failure::Unconverged(document.verdict.faults().join("; ")));
    }
    Ok(())
}

/// The `train` block with the command line's wishes.
fn overridden(mut train: TrainSpec, args: &RunArgs) -> TrainSpec {
    if args.seed.is_some() {
        train.seed = args.seed;
    }
    if args.steps.is_some() {
        train.steps = args.steps;
        train.epochs = None;
    }
    if args.epochs.is_some() {
        train.epochs = args.epochs;
        train.steps = None;
    }
    train
}

/// Columns of the terminal; `COLUMNS` wins, and 100 elsewhere.
pub fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|c| c.parse::<usize>().ok());
    columns
        .or_else(|| console::Term::stdout().size_checked().map(|(_, w)| usize::from(w)))
        .unwrap_or(100)
        .clamp(60, 200)
}

/// Why a fit failed, at its place in the program.
pub fn failed(e: FitError, program: &Program, objective: &Objective) -> Failure {
    match e {
        FitError::Execution(fe_graph::ExecutionError::Index { origin, value, extent }) => {
            let message = format!("an index is {value}, outside the {extent} places of its axis");
            let d = Diagnostic::error("R0002", message, span_of(program, origin), "this index");
            Failure::Data(vec![d.help("an index counts from 0; write `- 1` after a source that counts from 1")])
        }
        FitError::Execution(e) => Failure::Internal(e.to_string()),
        FitError::Unsuited(message) => {
            let span = program.train.span.unwrap_or_default();
            Failure::Program(vec![Diagnostic::error("E0801", message, span, "asked for here")])
        }
        FitError::NonFinite { step, terms, place } => {
            let first = objective.terms.iter().find(|t| terms.contains(&t.name)).map(|t| t.span);
            Failure::Fit(vec![non_finite(program, step, &terms, first, place.as_deref())])
        }
    }
}

fn span_of(program: &Program, origin: fe_graph::Origin) -> Span {
    program.origins.get(origin.0 as usize).copied().unwrap_or_default()
}

fn non_finite(
    program: &Program,
    step: u64,
    terms: &[String],
    first: Option<Span>,
    place: Option<&NonFinite>,
) -> Diagnostic {
    let of = match terms {
        [] => "its gradient".to_owned(),
        terms => format!("the term{} `{}`", if terms.len() == 1 { "" } else { "s" }, terms.join("`, `")),
    };
    let message = format!("the free energy stopped being finite at step {step}, in {of}");
    let (span, label) = match place {
        None => (
            first.or(program.objective.span).unwrap_or_default(),
            "no single operation is to blame: a sum over rows, or a gradient, left the range of numbers".to_owned(),
        ),
        Some(p) => {
            let at: Vec<String> =
                p.index.iter().filter(|(axis, _)| axis != "sample").map(|(axis, k)| format!("{axis} = {k}")).collect();
            let at = if at.is_empty() { String::new() } else { format!(" at {}", at.join(", ")) };
            let of: Vec<String> = p.operands.iter().map(|v| format!("{v:.6}")).collect();
            let of = if of.is_empty() { String::new() } else { format!(" of {}", of.join(" and ")) };
            // What belongs to no line of its own is said of the term.
            let own = (p.origin != fe_graph::Origin::default()).then(|| span_of(program, p.origin));
            (own.or(first).unwrap_or_default(), format!("{}{of} gives {}{at}", p.operation, p.value))
        }
    };
    let help = match program.train.optimizer {
        Some(OptimizerKind::Lbfgs) => "bound what is exponentiated, or state another start",
        _ => "lower the step size `lr`, clip the gradient with `clip = 100`, or bound what is exponentiated",
    };
    Diagnostic::error("R0001", message, span, label).help(help)
}
