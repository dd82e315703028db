//! From a program to all that its fit needs: understood, derived, its data loaded.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use fe_check::{Header, Holdout, Program, SourceCall, TrainSpec};
use fe_graph::{ExecutionError, Executor, Feed, InputId, NodeId, Op};
use fe_objective::Objective;
use fe_syntax::Diagnostic;
use fe_train::Problem;

use crate::budget::{self, Foreseen};
use crate::data::{self, Arrays, Shared};
use crate::error::Error;
use crate::executor;
use crate::load::{self, Loaded};
use crate::options::{ExecutorKind, FitOptions, Precision, ReadOptions};
use crate::record::{DataRecord, Identity, RunOptions, SweepRecord};
use crate::text::Text;
use crate::timings::{Clock, Stage};
use crate::totals;

/// Rows trained on, and rows held out.
type Split = (Vec<u64>, Vec<u64>);

/// What the data are read from.
type Sources = [(SourceCall, Option<fe_data::Source>)];

/// A program with all that its fit needs.
pub struct Prepared {
    /// The program, with the caller's wishes.
    pub program: Program,
    /// What is minimised.
    pub objective: Objective,
    /// The program with its hierarchies as written, where they are tried both ways.
    pub(crate) as_written: Option<(Program, Objective)>,
    /// Its data.
    pub arrays: Arrays,
    /// What the user should know of the program.
    pub warnings: Vec<Diagnostic>,
    /// The seed.
    pub seed: u64,
    headers: HashMap<String, Header>,
    split: Split,
    precision: Precision,
    pub(crate) executor: Box<dyn Executor>,
    pub(crate) clock: Clock,
}

impl Prepared {
    /// Where the time went so far.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What its fit and the report of it are foreseen to take of memory, from the plans of each part.
    ///
    /// # Errors
    /// Where a step is more than could be reckoned in any time.
    pub fn foreseen(&self) -> Result<Foreseen, Error> {
        let rows = self.program.row.map_or(0, |r| r.rows);
        let by_lbfgs = fe_train::uses_lbfgs(&self.objective, &self.program.train, rows);
        budget::foreseen(&self.program, &self.objective, by_lbfgs, Some(self.precision))
    }
}

/// The objective of a program.
///
/// # Errors
/// When it cannot be derived, or a fit of it needs more than the machine has.
pub fn derive(program: &Program, text: &Text) -> Result<Objective, Error> {
    derive_within(program, text, (None, None))
}

/// As [`derive`], in a precision and within so many bytes of memory, where they are said.
fn derive_within(program: &Program, text: &Text, limits: (Option<Precision>, Option<u64>)) -> Result<Objective, Error> {
    let objective = fe_objective::derive(program, &text.source).map_err(load::underivable)?;
    let by_lbfgs = fe_train::uses_lbfgs(&objective, &program.train, program.row.map_or(0, |r| r.rows));
    budget::foresee(program, &objective, by_lbfgs, limits)?;
    Ok(objective)
}

/// Understands a program, derives its objective and reads its data.
///
/// # Errors
/// When the program, the options or the data are wrong.
pub fn prepare(text: &Text, reading: &ReadOptions, fitting: &FitOptions) -> Result<Prepared, Error> {
    prepare_with(text, reading, fitting, &Shared::default())
}

/// As [`prepare`], of several programs that may read the same data.
///
/// # Errors
/// As there.
pub fn prepare_with(
    text: &Text,
    reading: &ReadOptions,
    fitting: &FitOptions,
    shared: &Shared,
) -> Result<Prepared, Error> {
    let clock = Clock::start(Stage::Checking);
    let Loaded { mut program, warnings, sources, headers, cache } = load::load(text, reading)?;
    clock.enter(Stage::Derivation);
    program.train = overridden(program.train.clone(), fitting);
    let seed = program.train.seed.unwrap_or(0);
    let limits = (fitting.precision, fitting.memory);
    let objective = derive_within(&program, text, limits)?;
    let rows = program.row.map_or(0, |r| r.rows);
    let split = split(&program, &sources, seed, cache.as_deref())?;
    let by_lbfgs = fe_train::uses_lbfgs(&objective, &program.train, rows);
    let as_written = match by_lbfgs && !objective.guides.non_centred.is_empty() {
        true => {
            let mut written = program.clone();
            load::centre(&mut written, &objective.guides.non_centred);
            let objective = derive_within(&written, text, limits)?;
            Some((written, objective))
        }
        false => None,
    };
    clock.enter(Stage::Reading);
    let arrays = shared.load(&program, &sources, &split.0, cache.as_deref())?;
    totals::check(&program, &arrays)?;
    clock.enter(Stage::Other);
    let free = |p: &fe_objective::Parameter| p.free.iter().map(|a| objective.graph.extent_of(a.id)).product::<usize>();
    let parameters: usize = objective.parameters.iter().map(free).sum();
    let precision = fitting.precision.unwrap_or_else(|| Precision::of(arrays.numbers + parameters, by_lbfgs));
    let executor = executor::open(fitting.executor, precision, &fitting.device)?;
    Ok(Prepared { program, objective, as_written, arrays, warnings, seed, headers, split, precision, executor, clock })
}

fn split(program: &Program, sources: &Sources, seed: u64, cache: Option<&Path>) -> Result<Split, Error> {
    let rows = program.row.map_or(0, |r| r.rows);
    match program.train.holdout {
        Some(Holdout::Where(condition)) => where_split(program, condition, sources, cache),
        other => fe_train::split(rows, other.and_then(Holdout::share), seed).map_err(Error::Request),
    }
}

/// Rows at which a value of data alone is 0, and those at which it is not.
fn where_split(program: &Program, condition: NodeId, sources: &Sources, cache: Option<&Path>) -> Result<Split, Error> {
    let mut program = program.clone();
    let read: HashSet<InputId> = program
        .graph
        .reachable(&[condition])
        .into_iter()
        .filter_map(|n| match program.graph.node(n).op {
            Op::Input(input) => Some(input),
            _ => None,
        })
        .collect();
    program.data.retain(|d| read.contains(&d.input));
    let rows: Vec<u64> = (0..program.row.map_or(0, |r| r.rows) as u64).collect();
    let arrays = data::load(&program, sources, &rows, cache)?;
    let executor = executor::open(Some(ExecutorKind::Cpu), Precision::F64, "cpu")?;
    let internal = |e: ExecutionError| Error::Internal(e.to_string());
    let mut compiled = executor.compile(&program.graph, &[condition]).map_err(internal)?;
    let found = compiled.run(&Feed { inputs: arrays.tensors, ..Feed::default() }).map_err(internal)?;
    let held = found.into_iter().next().map(|t| t.values).unwrap_or_default();
    let of = |out: bool| rows.iter().zip(&held).filter(|(_, v)| (**v != 0.0) == out).map(|(row, _)| *row).collect();
    let (train, heldout): Split = (of(false), of(true));
    match (train.is_empty(), heldout.is_empty()) {
        (true, _) => Err(Error::Request("`holdout` holds all rows out, and leaves none to train on".into())),
        (_, true) => Err(Error::Request("`holdout` holds no row out: its condition holds of none".into())),
        _ => Ok((train, heldout)),
    }
}

/// The `train` block with the caller's wishes.
fn overridden(mut train: TrainSpec, wishes: &FitOptions) -> TrainSpec {
    if wishes.seed.is_some() {
        train.seed = wishes.seed;
    }
    if wishes.steps.is_some() {
        train.steps = wishes.steps;
        train.epochs = None;
    }
    if wishes.epochs.is_some() {
        train.epochs = wishes.epochs;
        train.steps = None;
    }
    train
}

impl Prepared {
    /// A program whose objective is at hand, such as that of a finished run, in double precision.
    pub(crate) fn of_objective(
        loaded: Loaded,
        objective: Objective,
        seed: u64,
        executor: Box<dyn Executor>,
    ) -> Result<Self, Error> {
        let Loaded { program, warnings, sources, headers, cache } = loaded;
        let split = split(&program, &sources, seed, cache.as_deref())?;
        let arrays = data::load(&program, &sources, &split.0, cache.as_deref())?;
        let precision = Precision::F64;
        let (as_written, clock) = (None, Clock::start(Stage::Other));
        Ok(Self { program, objective, as_written, arrays, warnings, seed, headers, split, precision, executor, clock })
    }

    /// An objective of this program with its data.
    pub(crate) fn bind<'a>(&'a self, objective: &'a Objective, seed: u64) -> Result<Problem<'a>, Error> {
        let tensors = self.arrays.tensors.clone();
        Problem::new(objective, self.executor.as_ref(), tensors, self.split.clone(), seed)
            .map_err(|e| Error::Internal(e.to_string()))
    }

    /// The objective that is fitted first, with its data.
    ///
    /// # Errors
    /// When the executor cannot run what data alone decide.
    pub fn problem(&self) -> Result<Problem<'_>, Error> {
        self.problem_with(self.seed)
    }

    /// As [`Prepared::problem`], with noise of another seed.
    ///
    /// # Errors
    /// As there.
    pub fn problem_with(&self, seed: u64) -> Result<Problem<'_>, Error> {
        self.bind(&self.objective, seed)
    }

    /// Whether a fit can begin at the parameters of another one and gain by it: a minimum is sought on the whole, with
    /// nothing that was placed by the curvature at its own start.
    pub fn can_go_on(&self) -> bool {
        let o = &self.objective;
        let rows = self.program.row.map_or(0, |r| r.rows);
        let whole = fe_train::uses_lbfgs(o, &self.program.train, rows);
        whole && self.as_written.is_none() && o.guides.joints.is_empty() && o.guides.chains.is_empty()
    }

    /// What decides the numbers of a fit: two runs in which these agree are the same.
    pub fn identity(
        &self,
        text: &Text,
        reading: &ReadOptions,
        fitting: &FitOptions,
        sweep: Option<SweepRecord>,
    ) -> Identity {
        Identity {
            fe_version: env!("CARGO_PKG_VERSION").into(),
            program: text.file.clone(),
            seed: self.seed,
            executor: self.executor.name(),
            options: RunOptions {
                data: reading.data.clone(),
                set: reading.set.clone(),
                steps: fitting.steps,
                epochs: fitting.epochs,
                precision: self.precision,
                device: fitting.device.clone(),
            },
            data: DataRecord::of(&self.arrays, &self.headers),
            sweep,
        }
    }
}
