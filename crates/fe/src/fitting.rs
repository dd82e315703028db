//! From a checked program to its fit: derived, its data loaded, fitted, and non-centred where that is better.

use std::collections::HashMap;
use std::time::Instant;

use fe_check::{Header, OptimizerKind, Program, TrainSpec};
use fe_graph::{Executor, NonFinite};
use fe_objective::Objective;
use fe_syntax::{Diagnostic, Span};
use fe_train::{Fit, FitError, Monitor, Problem, Values};
use serde_json::{Value, json};

use crate::cli::{FitArgs, PrecisionArg, ProgramArgs};
use crate::data::{Arrays, Shared};
use crate::document::Setting;
use crate::failure::Failure;
use crate::program::{self, Text};
use crate::{document, executor, finished};

/// Below this many numbers of data and parameters together, f64 is the default.
const DOUBLE_BELOW: usize = 100_000;

/// Rows trained on, and rows held out.
type Split = (Vec<u64>, Vec<u64>);

/// A program with all that its fit needs.
pub struct Prepared {
    /// The program, with the command line's wishes.
    pub program: Program,
    /// What is minimised.
    pub objective: Objective,
    /// The program with its hierarchies as written, where they are tried both ways.
    as_written: Option<(Program, Objective)>,
    /// Its data.
    pub arrays: Arrays,
    /// What the user should know of the program.
    pub warnings: Vec<Diagnostic>,
    /// The seed.
    pub seed: u64,
    headers: HashMap<String, Header>,
    split: Split,
    precision: PrecisionArg,
    executor: Box<dyn Executor>,
    seconds: Seconds,
}

/// Where the time before the first step went.
#[derive(Clone, Copy)]
struct Seconds {
    data: f64,
    others: f64,
}

/// A fit, and what it was a fit of.
pub struct Fitted<'a> {
    /// The fit.
    pub fit: Fit,
    /// What was fitted.
    pub problem: Problem<'a>,
    /// The program as it was fitted.
    pub program: &'a Program,
    /// Latents that were fitted as written, and not as location + scale · u.
    centred: Vec<String>,
    notes: Vec<String>,
}

/// Understands a program, derives its objective and reads its data.
///
/// # Errors
/// When the program, the command line or the data are wrong.
pub fn prepare(text: &Text, args: &ProgramArgs, fit: &FitArgs) -> Result<Prepared, Failure> {
    prepare_with(text, args, fit, &Shared::default())
}

/// As [`prepare`], of several programs that may read the same data.
///
/// # Errors
/// As there.
pub fn prepare_with(text: &Text, args: &ProgramArgs, fit: &FitArgs, shared: &Shared) -> Result<Prepared, Failure> {
    let started = Instant::now();
    let loaded = program::load(text, args)?;
    let mut program = loaded.program;
    program.train = overridden(program.train.clone(), fit);
    let seed = program.train.seed.unwrap_or(0);
    let derive = |program: &Program| {
        fe_objective::derive(program, &text.source).map_err(|e| Failure::Program(vec![program::underivable(e)]))
    };
    let objective = derive(&program)?;
    let rows = program.row.map_or(0, |r| r.rows);
    let split = fe_train::split(rows, program.train.holdout, seed).map_err(Failure::Usage)?;
    let by_lbfgs = fe_train::uses_lbfgs(&objective, &program.train, rows);
    let as_written = match by_lbfgs && !objective.guides.non_centred.is_empty() {
        true => {
            let mut written = program.clone();
            program::centre(&mut written, &objective.guides.non_centred);
            let objective = derive(&written)?;
            Some((written, objective))
        }
        false => None,
    };
    let derived = started.elapsed();
    let arrays = shared.load(&program, &loaded.sources, &split.0)?;
    let read = started.elapsed();
    let free = |p: &fe_objective::Parameter| p.free.iter().map(|a| objective.graph.extent_of(a.id)).product::<usize>();
    let parameters: usize = objective.parameters.iter().map(free).sum();
    let precision = match fit.precision {
        Some(p) => p,
        None if arrays.numbers + parameters < DOUBLE_BELOW => PrecisionArg::F64,
        // A line search cannot see past single precision.
        None if by_lbfgs => PrecisionArg::F64,
        None => PrecisionArg::F32,
    };
    let executor = executor::open(fit.executor, precision, &fit.device)?;
    let seconds = Seconds { data: (read - derived).as_secs_f64(), others: derived.as_secs_f64() };
    Ok(Prepared {
        program,
        objective,
        as_written,
        arrays,
        warnings: loaded.warnings,
        seed,
        headers: loaded.headers,
        split,
        precision,
        executor,
        seconds,
    })
}

/// The `train` block with the command line's wishes.
fn overridden(mut train: TrainSpec, args: &FitArgs) -> TrainSpec {
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

impl Prepared {
    /// The objective with its data.
    fn bind<'a>(&'a self, objective: &'a Objective) -> Result<Problem<'a>, Failure> {
        let tensors = self.arrays.tensors.clone();
        Problem::new(objective, self.executor.as_ref(), tensors, self.split.clone(), self.seed)
            .map_err(|e| Failure::Internal(e.to_string()))
    }

    /// The objective that is fitted first, with its data.
    pub fn problem(&self) -> Result<Problem<'_>, Failure> {
        self.bind(&self.objective)
    }

    /// Whether a fit can begin at the parameters of another one and gain by it: a minimum is sought on the whole, with
    /// nothing that was placed by the curvature at its own start.
    pub fn can_go_on(&self) -> bool {
        let o = &self.objective;
        let rows = self.program.row.map_or(0, |r| r.rows);
        let whole = fe_train::uses_lbfgs(o, &self.program.train, rows);
        whole && self.as_written.is_none() && o.guides.joints.is_empty() && o.guides.chains.is_empty()
    }

    /// Fits it, from parameters that another fit ended with where there are any: both ways where a hierarchy can be written as location + scale · u, of which
    /// the lower is kept.
    ///
    /// # Errors
    /// When a value stops being finite, or what `train` asks cannot be done.
    pub fn fit(&self, from: Option<Values>, monitor: &mut dyn Monitor) -> Result<Fitted<'_>, Failure> {
        let mut notes = self.arrays.notes.clone();
        let problem = self.bind(&self.objective)?;
        let fit = fe_train::fit(&problem, &self.program.train, from, monitor)
            .map_err(|e| failed(e, &self.program, &self.objective))?;
        let first = Fitted { fit, problem, program: &self.program, centred: vec![], notes: vec![] };
        let Some((written, objective)) = self.as_written.as_ref().filter(|_| !first.fit.interrupted) else {
            return Ok(Fitted { notes, ..first });
        };
        let problem = self.bind(objective)?;
        // Where it cannot be fitted as written there is nothing to choose.
        let Ok(fit) = fe_train::fit(&problem, &written.train, None, monitor) else {
            return Ok(Fitted { notes, ..first });
        };
        let names = &self.objective.guides.non_centred;
        let values = (first.fit.figures.objective, fit.figures.objective);
        notes.push(program::choice(names, values.0, values.1));
        Ok(match values.1 < values.0 {
            true => Fitted { fit, problem, program: written, centred: names.clone(), notes },
            false => Fitted { notes, ..first },
        })
    }

    /// What is reported of a fit.
    ///
    /// # Errors
    /// When its figures do not add up.
    pub fn document(&self, fitted: &Fitted) -> Result<fe_report::Document, Failure> {
        let setting = Setting {
            seed: self.seed,
            executor: self.executor.name(),
            threads: rayon::current_num_threads(),
            notes: fitted.notes.clone(),
            draws: fitted.fit.fixed_draws,
        };
        document::document(fitted.program, fitted.problem.objective, &fitted.fit, setting)
    }

    /// What decides the numbers of a fit, for `run.json`: two runs in which these agree are the same.
    pub fn identity(&self, text: &Text, args: &ProgramArgs, options: &FitArgs) -> Value {
        json!({
            "fe_version": env!("CARGO_PKG_VERSION"),
            "program": text.file,
            "seed": self.seed,
            "executor": self.executor.name(),
            "options": {
                "data": args.data, "set": args.set, "steps": options.steps, "epochs": options.epochs,
                "precision": format!("{:?}", self.precision).to_lowercase(), "device": options.device,
            },
            "data": finished::about_data(&self.arrays, &self.headers),
        })
    }

    /// `run.json`: enough to make the fit again, and to see new data as it saw its own.
    pub fn about(&self, fitted: &Fitted, identity: Value) -> Value {
        // Reading apart, the time to the first step that is known to be made.
        let first_step = fitted.fit.trace.iter().find(|p| p.step > 0).map(|p| self.seconds.others + p.seconds);
        let levels = self.arrays.levels.iter().map(|(n, l)| json!({ "name": n, "levels": l }));
        let mut about = identity;
        let further = json!({
            "threads": rayon::current_num_threads(),
            "method": fitted.fit.method,
            "centred": fitted.centred,
            "seconds": {
                "data": self.seconds.data, "data_cached": self.arrays.cached, "first_step_without_data": first_step,
            },
            "rows": fitted.fit.figures.rows,
            "levels": levels.collect::<Vec<_>>(),
        });
        if let (Some(map), Value::Object(further)) = (about.as_object_mut(), further) {
            map.extend(further);
        }
        about
    }
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
