//! A fit, both ways where a hierarchy can be written both ways, and what is reported of it.

use fe_check::{OptimizerKind, Program};
use fe_graph::NonFinite;
use fe_objective::Objective;
use fe_report::{Document, TraceRow};
use fe_syntax::{Diagnostic, Span};
use fe_train::{Fit, FitError, Monitor, Problem, Unkept, Values};
use sha2::{Digest, Sha256};

use crate::checkpoint::Checkpoints;
use crate::document::{self, Setting};
use crate::error::Error;
use crate::finished::Solution;
use crate::forms::{self, Form, Kept, Watch};
use crate::gaps::AllGaps;
use crate::prepare::Prepared;
use crate::record::{Identity, Levels, RunRecord, SCHEMA, Seconds};
use crate::timings::{Clock, Stage};

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
    pub(crate) gaps: AllGaps,
    /// The clock of the run.
    pub(crate) clock: &'a Clock,
}

impl Prepared {
    /// Fits it, from parameters that another fit ended with where there are any: both ways where a hierarchy can be
    /// written as location + scale · u, of which the lower is kept. The posterior is then taken by chains, where the program
    /// asks for them.
    ///
    /// # Errors
    /// When a value stops being finite, or what `train` asks cannot be done.
    pub fn fit(&self, from: Option<Values>, monitor: &mut dyn Monitor) -> Result<Fitted<'_>, Error> {
        self.fit_kept(from, monitor, &mut Checkpoints::none())
    }

    /// As [`Prepared::fit`]; where it stands is kept now and then, and where an earlier one stood it goes on.
    ///
    /// # Errors
    /// As there.
    pub fn fit_kept(
        &self,
        from: Option<Values>,
        monitor: &mut dyn Monitor,
        checkpoints: &mut Checkpoints,
    ) -> Result<Fitted<'_>, Error> {
        self.clock.enter(Stage::FirstStep);
        let mut fitted = self.by_guides(from, &mut self.clock.watching(monitor), checkpoints)?;
        let setting = fe_train::Setting { extra: fitted.solution().preconditioners, ..fe_train::Setting::default() };
        let Fitted { fit, problem, program, .. } = &mut fitted;
        fit.take_by_chains(problem, &setting, (monitor, &mut checkpoints.of_chains()))
            .map_err(|e| failed(e.into(), program, problem.objective))?;
        self.clock.enter(Stage::Other);
        Ok(fitted)
    }

    /// Its start, of which nothing is read but its figures.
    ///
    /// # Errors
    /// When a value is not finite.
    pub(crate) fn start(&self, monitor: &mut dyn Monitor) -> Result<Fitted<'_>, Error> {
        let problem = self.problem()?;
        let train = fe_check::TrainSpec { steps: Some(0), epochs: None, ..self.program.train.clone() };
        let fit = fe_train::minimise(&problem, &train, None, monitor, &mut Unkept)
            .map_err(|e| failed(e, &self.program, &self.objective))?
            .unread();
        let (program, gaps) = (&self.program, AllGaps::of(&self.program, &self.arrays));
        Ok(Fitted { fit, problem, program, centred: vec![], notes: vec![], gaps, clock: &self.clock })
    }

    /// As [`Prepared::fit_kept`], guides alone.
    fn by_guides(
        &self,
        from: Option<Values>,
        monitor: &mut dyn Monitor,
        checkpoints: &mut Checkpoints,
    ) -> Result<Fitted<'_>, Error> {
        let mut notes = self.arrays.notes.clone();
        let problem = self.problem()?;
        let form = Form { problem, program: &self.program, centred: vec![] };
        let mut watch = Watch { monitor, checkpoints, clock: &self.clock };
        let (best, form) = match &self.as_written {
            None => (form.alone(from, &mut watch)?, form),
            Some((written, objective)) => {
                let centred = self.objective.guides.non_centred.clone();
                let other = Form { problem: self.bind(objective, self.seed)?, program: written, centred };
                let Kept { best, form, note } = forms::lower((form, other), from, &mut watch)?;
                notes.extend(note);
                (best, form)
            }
        };
        let Form { problem, program, centred } = form;
        let failing = |e| failed(e, program, problem.objective);
        self.clock.enter(Stage::Checks);
        let weighed = best.weighed(&problem).map_err(failing)?;
        self.clock.enter(Stage::Draws);
        let fit = weighed.drawn(&problem).map_err(failing)?;
        let gaps = AllGaps::of(program, &self.arrays);
        Ok(Fitted { fit, problem, program, centred, notes, gaps, clock: &self.clock })
    }

    /// What is reported of a fit.
    ///
    /// # Errors
    /// When its figures do not add up.
    pub fn document(&self, fitted: &Fitted) -> Result<Document, Error> {
        self.clock.enter(Stage::LeaveOneOut);
        let loo = fitted.fit.draws.loo();
        self.clock.enter(Stage::Document);
        let setting = Setting {
            seed: self.seed,
            executor: self.executor.name(),
            threads: rayon::current_num_threads(),
            notes: fitted.notes.clone(),
            draws: fitted.fit.fixed_draws,
            labels: fitted.gaps.labels(self.arrays.labels(fitted.program)),
            gaps: &fitted.gaps,
            loo,
        };
        let document = document::document(fitted.program, fitted.problem.objective, &fitted.fit, setting);
        self.clock.enter(Stage::Other);
        document
    }

    /// What the fit was made from, for its directory.
    pub fn record(&self, fitted: &Fitted, identity: Identity) -> RunRecord {
        // Reading apart, the time to the first step that is known to be made.
        let derived = self.clock.seconds(&[Stage::Checking, Stage::Derivation]);
        let first_step = fitted.fit.trace.iter().find(|p| p.step > 0).map(|p| derived + p.seconds);
        let levels = self.arrays.levels.iter().map(|(n, l)| Levels { name: n.clone(), levels: l.clone() });
        RunRecord {
            schema: SCHEMA,
            run: mark(&identity, &fitted.fit.values),
            identity,
            place: None,
            threads: rayon::current_num_threads(),
            method: fitted.fit.method.clone(),
            centred: fitted.centred.clone(),
            seconds: Seconds {
                data: self.clock.seconds(&[Stage::Reading]),
                data_cached: self.arrays.cached,
                first_step_without_data: first_step,
                stages: self.clock.spent(),
            },
            rows: fitted.fit.figures.rows,
            levels: levels.collect(),
        }
    }
}

/// The mark of a run: two that were made from the same and ended at the same place have the same one.
fn mark(identity: &Identity, values: &Values) -> String {
    let mut hasher = Sha256::new();
    // What cannot be written as JSON is told apart by where it ended.
    hasher.update(serde_json::to_vec(identity).unwrap_or_default());
    values.iter().flatten().for_each(|v| hasher.update(v.to_le_bytes()));
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

impl Fitted<'_> {
    /// Where it ended.
    pub fn solution(&self) -> Solution {
        let named = |name: &str| {
            self.fit.preconditioners.iter().find(|(n, _)| n == name).map(|(_, tensor)| tensor.clone()).ok_or(())
        };
        // A fit has all that its guides take.
        let preconditioners = fe_train::preconditioners(self.problem.objective, named).unwrap_or_default();
        Solution { values: self.fit.values.clone(), preconditioners }
    }

    /// The course of the fit.
    pub fn trace(&self) -> Vec<TraceRow> {
        let row = |p: &fe_train::TracePoint| TraceRow {
            step: p.step,
            seconds: p.seconds,
            free_energy: Some(p.free_energy),
            distortion: Some(p.distortion),
            rate: Some(p.rate),
            energy: p.spikes,
            heldout_free_energy: p.heldout,
        };
        self.fit.trace.iter().map(row).collect()
    }
}

/// Why a fit failed, at its place in the program.
pub fn failed(e: FitError, program: &Program, objective: &Objective) -> Error {
    match e {
        FitError::Execution(fe_graph::ExecutionError::Index { origin, value, extent }) => {
            let message = format!("an index is {value}, outside the {extent} places of its axis");
            let d = Diagnostic::error("R0002", message, span_of(program, origin), "this index");
            Error::Data(vec![d.help("an index counts from 0; write `- 1` after a source that counts from 1")])
        }
        FitError::Execution(e) => Error::Internal(e.to_string()),
        FitError::Unsuited(message) => {
            let span = program.train.span.unwrap_or_default();
            Error::Program(vec![Diagnostic::error("E0801", message, span, "asked for here")])
        }
        FitError::NonFinite { step, terms, place } => {
            let first = objective.terms.iter().find(|t| terms.contains(&t.name)).map(|t| t.span);
            Error::Fit(vec![non_finite(program, step, &terms, first, place.as_deref())])
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
        // No step was made yet, of whatever size.
        _ if step == 0 => {
            "it is so where the fit begins: state another start, as in `param b = 0.1`, bring data near 1 by `|> standardize`, or \
             bound what is exponentiated"
        }
        Some(OptimizerKind::Lbfgs) => "bound what is exponentiated, or state another start",
        _ => "lower the step size `lr`, clip the gradient with `clip = 100`, or bound what is exponentiated",
    };
    Diagnostic::error("R0001", message, span, label).help(help)
}
