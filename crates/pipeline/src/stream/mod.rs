//! A finished fit turned one line at a time: online inference, and a controller in a loop with the world.
//!
//! A program with a loop makes one turn of it for each line; what it reads of its past is carried from turn to turn, so that
//! nothing grows. A program without one takes each line for a row of its own.

mod believed;
mod chooser;
mod expressions;
mod lines;
mod plan;
mod step;
mod turn;
mod turned;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;

use fe_check::{Columns, Header, Rows};
use fe_distribution::Support;
use fe_syntax::Diagnostic;
use fe_train::Monitor;

use crate::directory;
use crate::error::Error;
use crate::finished::Finished;
use crate::load::Loaded;
use crate::options::{FitOptions, ReadOptions};
use crate::prepare::prepare;
use crate::text::Text;

pub use chooser::Chooser;
pub use lines::{LineForm, Lines, Table, json_line};
pub use plan::{Plan, PlanOptions};
pub use step::{Action, Step, StepCode};

use turn::{Lag, Looped, Over};
use turned::Turned;

/// What a line gives of one thing.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// Numbers, row-major; NaN where one is missing.
    Numbers(Vec<f64>),
    /// Levels of text.
    Words(Vec<String>),
}

/// What a line gives, by name.
pub type Row = BTreeMap<String, Given>;

/// How a stream runs.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// Latents and `let`s to tell of; none: every latent.
    pub names: Vec<String>,
    /// Draws of what has no closed form.
    pub samples: usize,
    /// The seed of all draws; the fit's where it is left out.
    pub seed: Option<u64>,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self { names: vec![], samples: 64, seed: None }
    }
}

/// What takes a line and answers it.
pub enum Online {
    /// A finished fit, turn by turn.
    Turns(Box<Stream>),
    /// A plan that is made anew.
    Plans(Box<Plan>),
    /// Exact choices, by their tables.
    Chooses(Box<Chooser>),
}

impl Online {
    /// A finished run before the first line, as its program asks for: turn by turn, or choice by choice.
    ///
    /// # Errors
    /// As [`Stream::open`] and [`Chooser::open`].
    pub fn open(run: Finished, options: StreamOptions) -> Result<Self, Error> {
        match chooser::is_for(&run.load()?.program) {
            true => Ok(Self::Chooses(Box::new(Chooser::open(&run, &options)?))),
            false => Ok(Self::Turns(Box::new(Stream::open(run, options)?))),
        }
    }

    /// The same of a program whose parameters stay at their start.
    ///
    /// # Errors
    /// As [`Online::open`], and when the program or its data are wrong.
    pub fn unfitted(text: &Text, reading: &ReadOptions, options: StreamOptions) -> Result<Self, Error> {
        Self::open(at_start(text, reading)?, options)
    }

    /// What lines give.
    pub fn taken(&self) -> &[Taken] {
        match self {
            Self::Turns(s) => s.taken(),
            Self::Plans(p) => p.taken(),
            Self::Chooses(c) => c.taken(),
        }
    }

    /// The program, for messages.
    pub fn text(&self) -> &Text {
        match self {
            Self::Turns(s) => s.text(),
            Self::Plans(p) => p.text(),
            Self::Chooses(c) => c.text(),
        }
    }

    /// What is to be known before the first line.
    pub fn notes(&self) -> Vec<String> {
        match self {
            Self::Turns(s) => s.notes(),
            Self::Plans(_) | Self::Chooses(_) => vec![],
        }
    }

    /// Answers a line.
    ///
    /// # Errors
    /// As [`Stream::step`], [`Plan::step`] and [`Chooser::step`].
    pub fn step(&mut self, row: &Row) -> Result<Step, Error> {
        match self {
            Self::Turns(s) => s.step(row),
            Self::Plans(p) => p.step(row),
            Self::Chooses(c) => c.step(row),
        }
    }
}

/// Something that a line gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// Its name.
    pub name: String,
    /// The shape of one line of it.
    pub shape: Vec<usize>,
    /// Whether a line may leave it out: a state, which goes on by itself then.
    pub optional: bool,
    /// Levels, of text.
    pub levels: Option<Vec<String>>,
    /// Names of its columns, where it is read from a table.
    pub columns: Vec<String>,
}

/// A finished fit in the course of a stream.
pub struct Stream {
    run: Finished,
    options: StreamOptions,
    looped: Looped,
    /// What lines give.
    taken: Vec<Taken>,
    /// The axes of the fit, by name.
    sizes: HashMap<String, usize>,
    headers: HashMap<String, Header>,
    /// The row axis of the whole program.
    rows: Rows,
    turns: HashMap<Vec<bool>, Turned>,
    /// The decisions of every position from the first steady one on.
    steady: Option<Vec<bool>>,
    /// Earlier values by name, the latest first.
    past: BTreeMap<String, VecDeque<Vec<f64>>>,
    /// How many of them are read.
    depths: BTreeMap<String, usize>,
    /// Whether the first positions of what is written ahead are there.
    begun: bool,
    position: u64,
}

fn wrong(d: Diagnostic) -> Error {
    Error::Program(vec![d])
}

/// A fit that nobody watches.
struct Silent;

impl Monitor for Silent {
    fn step(&mut self, _: u64, _: Option<u64>, _: f64) -> bool {
        true
    }

    fn note(&mut self, _: &str) {}
}

/// Positions at whose conditions a stream looks before it begins.
const FORESEEN: usize = 64;

impl Stream {
    /// Before the first line.
    ///
    /// # Errors
    /// When the program does not go turn by turn.
    pub fn open(run: Finished, options: StreamOptions) -> Result<Self, Error> {
        let whole = run.load()?;
        let finite = whole.program.latents.iter().filter_map(|l| match l.support {
            Support::Index(count) if l.chain.is_some() => Some((l.name.clone(), count)),
            _ => None,
        });
        let statements = fe_syntax::parse(&run.text.source).ast.statements;
        let looped = Looped::new(statements, finite.collect()).map_err(wrong)?;
        let sizes = sizes(&whole);
        let headers = run.record.headers(&run.folder)?;
        let mut depths: BTreeMap<String, usize> = BTreeMap::new();
        let (mut position, mut lags) = (0, vec![]);
        while position <= looped.steady.min(FORESEEN) {
            lags.extend(looped.turn(position).map_err(wrong)?.lags);
            position += 1;
        }
        lags.extend(looped.turn(looped.steady).map_err(wrong)?.lags);
        for Lag { of, back, .. } in lags {
            let depth = depths.entry(of).or_default();
            *depth = back.max(*depth);
        }
        let row = whole.program.row.and_then(|r| whole.program.graph.axis(r.axis));
        let rows = row.map_or(Rows::None, |a| Rows::Along(a.name.clone()));
        let taken = taken(&run, &whole, &looped, &depths);
        if !taken.iter().any(|t| !t.optional) && looped.axis.is_none() {
            return Err(Error::Request(format!(
                "{} has neither rows nor a loop: there is nothing that a line could be. A plan is made anew at each line with \
                 --plan",
                whole.program.name
            )));
        }
        let stream = Self {
            run,
            options,
            looped,
            taken,
            sizes,
            headers,
            rows,
            turns: HashMap::new(),
            steady: None,
            past: BTreeMap::new(),
            depths,
            begun: false,
            position: 0,
        };
        Ok(stream)
    }

    /// Of a program whose parameters stay at their start.
    ///
    /// # Errors
    /// As [`Stream::open`], and when the program or its data are wrong.
    pub fn unfitted(text: &Text, reading: &ReadOptions, options: StreamOptions) -> Result<Self, Error> {
        Self::open(at_start(text, reading)?, options)
    }

    /// What lines give: data that each must hold, and states that it may.
    pub fn taken(&self) -> &[Taken] {
        &self.taken
    }

    /// The program, for messages.
    pub fn text(&self) -> &Text {
        &self.run.text
    }

    /// What is left out of every turn.
    pub fn notes(&self) -> Vec<String> {
        let listed = |names: &[String]| names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
        let mut notes = vec![];
        if !self.looped.ends.is_empty() {
            let names = listed(&self.looped.ends);
            notes.push(format!("{names}: read at the end of the loop, which a stream has not, and left out"));
        }
        if let believed @ [_, ..] = self.looped.believed.as_slice() {
            let apart = if believed.len() > 1 { ", each apart from the others" } else { "" };
            notes.push(format!(
                "{}: what is known is carried as a normal belief{apart}; that is exact where lines are normal around it",
                listed(believed)
            ));
        }
        notes
    }

    /// Makes a turn on what a line gives.
    ///
    /// # Errors
    /// When the line lacks something or holds it in another shape, or the free energy is not finite.
    pub fn step(&mut self, row: &Row) -> Result<Step, Error> {
        lines::known(&self.taken, row, &self.run.text)?;
        let decisions = self.ready()?;
        let mut turned =
            self.turns.remove(&decisions).ok_or_else(|| Error::Internal("a turn of the stream was not made".into()))?;
        let stepped = self.stepped(&mut turned, row);
        self.turns.insert(decisions, turned);
        stepped
    }

    /// The turn for the position at hand, compiled.
    fn ready(&mut self) -> Result<Vec<bool>, Error> {
        let position = usize::try_from(self.position).unwrap_or(usize::MAX);
        if let (Some(known), true) = (&self.steady, position >= self.looped.steady) {
            return Ok(known.clone());
        }
        let turn = self.looped.turn(position).map_err(wrong)?;
        let decisions = turn.decisions.clone();
        if !self.turns.contains_key(&decisions) {
            // What is over does not come back.
            self.turns.clear();
            let turned = Turned::new(self, turn)?;
            self.turns.insert(decisions.clone(), turned);
        }
        if position >= self.looped.steady {
            self.steady = Some(decisions.clone());
        }
        Ok(decisions)
    }

    fn stepped(&mut self, turned: &mut Turned, row: &Row) -> Result<Step, Error> {
        if !self.begun {
            for (name, value) in turned.starts(self)? {
                self.past.entry(name).or_default().push_front(value);
            }
            self.begun = true;
        }
        for taken in self.taken.iter().filter(|t| t.optional) {
            if let Some(given) = row.get(&taken.name) {
                let now = lines::numbers(taken, given, &self.run.text, self.looped.place(&taken.name))?;
                let past = self.past.entry(taken.name.clone()).or_default();
                past.pop_front();
                past.push_front(now);
            }
        }
        let made = turned.run(self, row)?;
        for (name, value) in made.carried {
            let depth = self.depths.get(&name).copied().unwrap_or(0);
            let past = self.past.entry(name).or_default();
            past.push_front(value);
            past.truncate(depth);
        }
        self.position += 1;
        Ok(made.step)
    }

    /// An earlier value.
    fn earlier(&self, lag: &Lag) -> Option<&Vec<f64>> {
        self.past.get(&lag.of)?.get(lag.back.checked_sub(1)?)
    }
}

/// A program as a finished run whose parameters stay at their start.
fn at_start(text: &Text, reading: &ReadOptions) -> Result<Finished, Error> {
    let fitting = FitOptions { steps: Some(0), ..FitOptions::default() };
    let prepared = prepare(text, reading, &fitting)?;
    let fitted = prepared.start(&mut Silent)?;
    let record = prepared.record(&fitted, prepared.identity(text, reading, &fitting, None));
    Ok(Finished {
        text: text.clone(),
        folder: PathBuf::from("."),
        place: PathBuf::new(),
        parameters: directory::parameters(&fitted, &prepared.arrays.statistics, &record.run)?,
        record,
        arrays: reading.arrays.clone(),
    })
}

/// Every axis of a program with its extent.
fn sizes(whole: &Loaded) -> HashMap<String, usize> {
    let p = &whole.program;
    let data = p.data.iter().flat_map(|d| &d.axes);
    let params = p.params.iter().flat_map(|d| &d.axes);
    let latents = p.latents.iter().flat_map(|d| &d.axes);
    let lets = p.lets.iter().flat_map(|d| &d.axes);
    let states = p.refinements.iter().flat_map(|d| &d.axes);
    let all = data.chain(params).chain(latents).chain(lets).chain(states);
    let name = |id| p.graph.axis(id).map(|a| a.name.clone()).unwrap_or_default();
    all.map(|a| (name(a.id), p.graph.extent_of(a.id))).collect()
}

/// What lines give: data with rows or along the loop, and states that are written ahead.
fn taken(run: &Finished, whole: &Loaded, looped: &Looped, depths: &BTreeMap<String, usize>) -> Vec<Taken> {
    let program = &whole.program;
    let name = |id| program.graph.axis(id).map(|a| a.name.clone()).unwrap_or_default();
    let along = |a: &fe_graph::Axis| {
        looped.axis.as_ref().is_some_and(|t| *t == name(a.id)) || program.row.is_some_and(|r| r.axis == a.id)
    };
    let levels = |name: &str| run.record.levels.iter().find(|l| l.name == name).map(|l| l.levels.clone());
    let mut taken = vec![];
    for data in program.data.iter().filter(|d| d.axes.iter().any(along)) {
        let rest = data.axes.iter().filter(|a| !along(a)).map(|a| program.graph.extent_of(a.id));
        let call = whole.sources.iter().find(|(c, _)| c.data == data.name);
        let columns = match call.map(|c| &c.0.reader) {
            Some(fe_check::Reader::Table { columns: Columns::Named(names), .. }) => names.clone(),
            Some(fe_check::Reader::Table { columns: Columns::AllBut(_), .. }) => {
                whole.headers.get(&data.name).map(|h| h.columns.clone()).unwrap_or_default()
            }
            _ => vec![],
        };
        taken.push(Taken {
            name: data.name.clone(),
            shape: rest.collect(),
            optional: false,
            levels: levels(&data.name),
            columns,
        });
    }
    let ahead = looped.over.iter().filter(|(name, over)| **over == Over::Ahead && depths.contains_key(*name));
    for (name, _) in ahead {
        let Some(named) = program.lets.iter().find(|l| l.name == *name) else { continue };
        // Its first axis is that of the loop, one longer by its start.
        let shape = named.axes.iter().skip(1).map(|a| program.graph.extent_of(a.id)).collect();
        taken.push(Taken { name: name.clone(), shape, optional: true, levels: None, columns: vec![] });
    }
    taken
}
