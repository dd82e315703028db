//! What a finished fit predicts: observed variables at new rows, without them, or at further steps of its chains.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use fe_check::{Data, Header, Program, Reader, Row, SourceCall};
use fe_distribution::Support;
use fe_graph::{Axis, AxisId, InputId, NodeId, Op};
use fe_objective::{Readout, WithStatistics};
use fe_report::{Array, Group, Labels, inference_data, npz_arrays};
use fe_syntax::Diagnostic;
use fe_train::{KnownDraws, Predicting, Predictive};

use crate::data::{self, Remembered};
use crate::error::{Error, OptionName};
use crate::executor;
use crate::finished::Finished;
use crate::load::{self, Loaded};
use crate::new_rows::{uneven, unlike};
use crate::options::{ExecutorKind, Precision, ReadOptions};
use crate::sample::undrawn;
use crate::{CodesFile, directory};

/// How a prediction is made and told.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictOptions {
    /// Draws behind it.
    pub count: usize,
    /// The probability that an interval holds.
    pub interval: f64,
    /// The seed of the draws; the run's where none is given.
    pub seed: Option<u64>,
    /// Steps beyond the end of the chains, in place of new rows.
    pub ahead: Option<usize>,
    /// Whether the draws are told as well.
    pub draws: bool,
}

impl Default for PredictOptions {
    fn default() -> Self {
        Self { count: 4000, interval: 0.9, seed: None, ahead: None, draws: false }
    }
}

/// What is predicted.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// Arrays over the axes of what is observed, one behind the other: `y_mean`, `y_sd`, `y_q5`, `y_q50`, `y_q95`;
    /// `y_probability` of categories; `y_draws` where they are asked for.
    pub arrays: Vec<Array>,
    /// What the first axis runs over, and the number of its first element: rows from 0, or steps from the first that is new.
    pub first: (String, usize),
    /// The levels of text that axes run over, those of an observed category under `NAME_value`.
    pub labels: Labels,
    /// What the reader should know.
    pub notes: Vec<String>,
}

/// Predicts what a fit observed at new rows, whose other data `new` says, or at further steps.
///
/// # Errors
/// When a program has no rows, data are missing, not used, or unlike those of the fit, a group that the fit has not seen has no
/// prior, or a distribution cannot be drawn from.
pub fn predict(run: &Finished, new: &ReadOptions, options: &PredictOptions) -> Result<Predictions, Error> {
    if !(options.interval > 0.0 && options.interval < 1.0) {
        return Err(Error::Option(OptionName::Interval, "takes a probability between 0 and 1, such as 0.9".into()));
    }
    // What the fit knows, with its own data.
    let own = run.prepare()?;
    if let Some(changed) = run.changed(&own.arrays) {
        return Err(Error::Request(format!(
            "the data of `{changed}` have changed since the fit, which draws of it stand on"
        )));
    }
    let mut asked = Asked::new(run, new)?;
    match options.ahead {
        None => asked.rows()?,
        Some(steps) => asked.further(steps, own.problem()?.heldout.len())?,
    }
    asked.groups()?;
    let problem = own.problem_with(options.seed.unwrap_or(own.seed))?;
    let end = run.solution(&problem)?;
    let local = |r: &Readout| own.program.row.is_some_and(|row| r.axes.contains(&Axis::plain(row.axis)));
    let latent = |r: &Readout| own.program.latents.iter().any(|l| l.name == r.name);
    let readouts = own.objective.report.readouts.iter().filter(|r| latent(r));
    let wanted: Vec<&Readout> = readouts.filter(|r| options.ahead.is_some() || !local(r)).collect();
    if let Some(l) = own.program.latents.iter().find(|l| {
        let known = wanted.iter().any(|r| r.name == l.name);
        !known && (options.ahead.is_some() || !l.is_local(own.program.row))
    }) {
        return Err(Error::Request(format!("`{}` has a guide that cannot be drawn from", l.name)));
    }
    let known =
        fe_train::known_draws(&problem, &end.values, &end.preconditioners, &wanted, options.count).map_err(undrawn)?;
    let found = asked.predicted(run, known, options)?;
    let mut notes = std::mem::take(&mut asked.notes);
    if found.is_empty() {
        return Err(Error::Request(format!("{}: no likelihood of this program has draws", run.folder.display())));
    }
    notes.push(format!("by {} draws", options.count));
    let last = options.ahead.map(|steps| (asked.chain.as_str(), steps));
    let labels = labels(&asked.program, &found);
    let arrays = found.iter().flat_map(|p| told(p, options, last)).collect();
    let first = if options.ahead.is_some() { (asked.chain, asked.steps) } else { ("row".to_owned(), 0) };
    Ok(Predictions { arrays, first, labels, notes })
}

/// A program that is asked about rows, groups or steps that its fit has not seen.
struct Asked {
    program: Program,
    sources: Vec<(SourceCall, Option<fe_data::Source>)>,
    headers: HashMap<String, Header>,
    cache: Option<std::path::PathBuf>,
    statistics: WithStatistics,
    remembered: Remembered,
    /// Data that are given anew, and those that a prediction reads.
    given: HashSet<String>,
    read: HashSet<InputId>,
    /// Axes that are longer than in the fit.
    longer: Vec<AxisId>,
    /// The axis of the steps, where they are continued.
    chain: String,
    /// How many steps the fit had.
    steps: usize,
    notes: Vec<String>,
}

impl Asked {
    fn new(run: &Finished, new: &ReadOptions) -> Result<Self, Error> {
        let headers = run.record.headers(&run.folder)?;
        let names = new.data.iter().map(|a| a.name.clone()).chain(new.arrays.keys().cloned());
        let given: HashSet<String> = names.collect();
        let reading = run.reading_with(new);
        let Loaded { mut program, sources, cache, .. } = load::load_with(&run.text, &reading, &headers)?;
        load::centre(&mut program, &run.record.centred);
        let statistics = WithStatistics::of(&program);
        let read = read(&program, &statistics);
        if let Some(data) = program.data.iter().find(|d| given.contains(&d.name) && !read.contains(&d.input)) {
            return Err(Error::Option(
                OptionName::Data,
                format!("{}=…: `{}` is what is predicted, or nothing that a prediction reads", data.name, data.name),
            ));
        }
        let (longer, notes, chain) = (vec![], vec![], String::new());
        let remembered = run.remembered();
        let steps = 0;
        Ok(Self { program, sources, headers, cache, statistics, remembered, given, read, longer, chain, steps, notes })
    }

    fn reads(&self, data: &Data) -> bool {
        self.read.contains(&data.input)
    }

    fn source(&self, name: &str) -> Option<(&SourceCall, &fe_data::Source)> {
        let found = self.sources.iter().find(|(c, _)| c.data == name)?;
        Some((&found.0, found.1.as_ref()?))
    }

    /// Takes the number of rows from the data that are given.
    fn rows(&mut self) -> Result<(), Error> {
        let Some(row) = self.program.row else {
            let chained = self.program.latents.iter().any(|l| l.chain.is_some());
            let help = if chained { "; --ahead N continues its chains" } else { "" };
            return Err(Error::Request(format!(
                "{} has no row axis, so there are no new rows of it{help}; `fe sample RUN` draws its data anew",
                self.program.name
            )));
        };
        let with_rows = |d: &&Data| d.axes.contains(&Axis::plain(row.axis));
        let needed: Vec<&Data> = self.program.data.iter().filter(with_rows).filter(|d| self.reads(d)).collect();
        let missing: Vec<&str> =
            needed.iter().filter(|d| !self.given.contains(&d.name)).map(|d| d.name.as_str()).collect();
        if !missing.is_empty() {
            return Err(Error::Option(
                OptionName::Data,
                format!("NAME=FILE gives what is known of new rows: {}", missing.join(", ")),
            ));
        }
        let mut sizes: Vec<(&Data, &SourceCall, usize)> = vec![];
        let mut wrong = vec![];
        for data in needed {
            let Some((call, source)) = self.source(&data.name) else { continue };
            match self.compared(data, call, source) {
                Ok(rows) => sizes.push((data, call, rows)),
                Err(d) => wrong.push(*d),
            }
        }
        if let (Some(first), true) = (sizes.first(), wrong.is_empty())
            && let Some(other) = sizes.iter().find(|s| s.2 != first.2)
        {
            wrong.push(uneven(first, other));
        }
        if !wrong.is_empty() {
            return Err(Error::Data(wrong));
        }
        let rows = match sizes.first() {
            Some(first) => first.2,
            None => {
                self.notes
                    .push("nothing is known of a row but that it is one: one is predicted, and all are alike".into());
                1
            }
        };
        self.set_extent(row.axis, rows);
        self.program.row = Some(Row { rows, ..row });
        Ok(())
    }

    /// The rows of new data, whose width must be that of the fit's.
    fn compared(&self, data: &Data, call: &SourceCall, source: &fe_data::Source) -> Result<usize, Box<Diagnostic>> {
        if matches!(call.reader, Reader::NormalDraws { .. } | Reader::Bars { .. }) {
            let message = format!("`{}` is drawn anew, and is not read from a file", data.name);
            return Err(Box::new(Diagnostic::error("R0010", message, call.span, "read here")));
        }
        // Statistics are there already, so one row will do.
        let stages = source.stages.iter().filter(|s| **s != fe_data::Stage::Standardize).cloned().collect();
        let now = fe_data::header(&fe_data::Source { stages, ..source.clone() });
        let now = now.map_err(|e| Box::new(load::data_diagnostic(&e, call)))?;
        if let Some(before) = self.headers.get(&data.name) {
            let rest = |shape: &[usize]| shape.iter().skip(1).product::<usize>();
            let (had, has) = (rest(&before.shape), rest(&now.shape));
            if had != has || before.levels.is_some() != now.levels.is_some() {
                return Err(Box::new(unlike(data, call, true, before, (had, has), now.levels.is_some())));
            }
        }
        Ok(now.shape.first().copied().unwrap_or(0))
    }

    /// Continues the chains by so many steps.
    fn further(&mut self, steps: usize, heldout: usize) -> Result<(), Error> {
        let chains: HashSet<Axis> = self.program.latents.iter().filter_map(|l| l.chain).collect();
        let mut chains = chains.into_iter();
        let (Some(axis), None) = (chains.next(), chains.next()) else {
            return Err(Error::Option(
                OptionName::Ahead,
                "continues the one chain of latents that a program has".into(),
            ));
        };
        if heldout > 0 {
            return Err(Error::Option(
                OptionName::Ahead,
                "continues the rows of a fit, and this one held some out".into(),
            ));
        }
        if steps == 0 {
            return Err(Error::Option(OptionName::Ahead, "takes a number of steps from 1".into()));
        }
        self.chain = self.program.graph.axis_name(axis);
        self.steps = self.program.graph.extent_of(axis.id);
        let length = self.steps + steps;
        for data in self.program.data.iter().filter(|d| self.reads(d) && d.axes.contains(&axis)) {
            if !self.given.contains(&data.name) {
                return Err(Error::Option(
                    OptionName::Data,
                    format!(
                        "NAME=FILE gives `{}` at all {length} steps, those of the fit and those to come",
                        data.name
                    ),
                ));
            }
        }
        self.set_extent(axis.id, length);
        self.longer.push(axis.id);
        Ok(())
    }

    fn set_extent(&mut self, axis: AxisId, extent: usize) {
        self.program.graph.set_extent(axis, extent);
        self.statistics.graph.set_extent(axis, extent);
    }

    /// Makes room for groups that the fit has not seen: levels of text, or whole numbers beyond the last.
    fn groups(&mut self) -> Result<(), Error> {
        for k in 0..self.program.data.len() {
            let Some(data) = self.program.data.get(k).filter(|d| self.reads(d) && self.given.contains(&d.name)) else {
                continue;
            };
            let (Some(axis), Op::Input(_)) = (data.index, &self.program.graph.node(data.node).op) else { continue };
            let Some((call, source)) = self.source(&data.name) else { continue };
            let array =
                fe_data::load_with(source, &fe_data::Options { allow_missing: data.optional, ..Default::default() })
                    .map_err(|e| Error::Data(vec![load::data_diagnostic(&e, call)]))?;
            let (name, had) = (data.name.clone(), self.program.graph.extent_of(axis));
            let unseen: Vec<String> = match (&array.levels, self.remembered.levels.get(&name)) {
                (Some(now), Some(known)) => now.iter().filter(|l| !known.contains(l)).cloned().collect(),
                _ => {
                    let largest = array.values.iter().copied().filter(|v| v.is_finite()).fold(-1.0, f64::max);
                    (had..(largest + 1.0) as usize).map(|k| k.to_string()).collect()
                }
            };
            if unseen.is_empty() {
                continue;
            }
            // Several columns may have levels of one axis: a new one has the same place in all of them.
            for other in self.program.data.iter().filter(|d| d.index == Some(axis)) {
                if let Some(levels) = self.remembered.levels.get_mut(&other.name) {
                    levels.extend(unseen.iter().cloned());
                }
            }
            self.set_extent(axis, had + unseen.len());
            if let Some(data) = self.program.data.get_mut(k) {
                data.support = Support::Index(had + unseen.len());
            }
            self.longer.push(axis);
            let axis = self.program.graph.axis_name(Axis::plain(axis));
            let names = unseen.join(", ");
            self.notes.push(format!(
                "`{name}`: the fit has not seen {names}; what {axis} has of its own is drawn from its prior there"
            ));
        }
        self.complete()
    }

    /// What has an axis that is longer now must be known there: by its prior, or by data that are given.
    fn complete(&self) -> Result<(), Error> {
        let grown = |axes: &[Axis]| axes.iter().find(|a| self.longer.contains(&a.id)).copied();
        let name = |a: Axis| self.program.graph.axis_name(a);
        if let Some((param, axis)) = self.program.params.iter().find_map(|p| Some((p, grown(&p.axes)?))) {
            return Err(Error::Request(format!(
                "`{}` is a param with a value for each element of {} that the fit has seen, and none beyond; a latent with a prior \
                 has one",
                param.name,
                name(axis)
            )));
        }
        let needed = self.program.data.iter().filter(|d| self.reads(d) && !self.given.contains(&d.name));
        match needed.filter_map(|d| Some((d, grown(&d.axes)?))).next() {
            Some((data, axis)) => Err(Error::Option(
                OptionName::Data,
                format!("NAME=FILE gives `{}` for {} of all elements, those of the fit first", data.name, name(axis)),
            )),
            None => Ok(()),
        }
    }

    /// Draws.
    fn predicted(
        &mut self,
        run: &Finished,
        known: Vec<KnownDraws>,
        options: &PredictOptions,
    ) -> Result<Vec<Predictive>, Error> {
        let row = self.program.row;
        let (read, given) = (&self.read, &self.given);
        let mut program = self.program.clone();
        program.data.retain(|d| read.contains(&d.input));
        self.remembered.statistics.retain(|name, _| given.contains(name) || options.ahead.is_some());
        let rows: Vec<u64> = (0..row.map_or(0, |r| r.rows) as u64).collect();
        let arrays = data::load_as(&program, &self.sources, &rows, &self.remembered, self.cache.as_deref())?;
        let mut inputs = arrays.tensors;
        for (name, input) in &self.statistics.inputs {
            inputs.insert(*input, Arc::new(run.array(name)?));
        }
        for param in &self.program.params {
            let saved = run.array(&param.name)?;
            let tensor = fe_train::unconstrained(&self.program.graph, param, &saved.values);
            let size: usize = tensor.shape.iter().product();
            if size != tensor.values.len() {
                return Err(Error::Request(format!(
                    "`{}` is a param with a value for each row of the fit, and none for others; a latent with a prior has one",
                    param.name
                )));
            }
            inputs.insert(param.input, Arc::new(tensor));
        }
        let executor = executor::open(Some(ExecutorKind::Cpu), Precision::F64, "cpu")?;
        let statistics = WithStatistics {
            graph: std::mem::take(&mut self.statistics.graph),
            replaced: std::mem::take(&mut self.statistics.replaced),
            inputs: vec![],
        };
        let seed = options.seed.unwrap_or(run.record.identity.seed);
        let of = Predicting { program: &self.program, statistics, inputs, known, count: options.count, seed };
        fe_train::predict(of, executor.as_ref()).map_err(undrawn)
    }
}

/// The data that priors and likelihoods read, what is observed apart.
pub(crate) fn read(program: &Program, statistics: &WithStatistics) -> HashSet<InputId> {
    let mut roots: Vec<NodeId> = program.latents.iter().flat_map(|l| l.prior.args.iter().copied()).collect();
    roots.extend(program.observes.iter().flat_map(|o| o.distribution.args.iter().copied()));
    let mut g = statistics.graph.clone();
    let roots = g.substitute(&roots, &statistics.replaced);
    let inputs = g.reachable(&roots).into_iter().filter_map(|n| match g.node(n).op {
        Op::Input(input) => Some(input),
        _ => None,
    });
    let data: HashSet<InputId> = program.data.iter().map(|d| d.input).collect();
    inputs.filter(|i| data.contains(i)).collect()
}

/// The arrays that tell of a prediction; of chains only the last steps.
fn told(of: &Predictive, options: &PredictOptions, last: Option<(&str, usize)>) -> Vec<Array> {
    let drawn = &of.drawn;
    let count = options.count;
    let part = |what: &str, values: Vec<f64>| {
        let whole = Array {
            name: format!("{}_{what}", drawn.name),
            axes: drawn.axes.clone(),
            shape: drawn.shape.clone(),
            values,
        };
        last.map_or(whole.clone(), |(axis, steps)| ended(whole, axis, steps))
    };
    let size = drawn.values.len() / count.max(1);
    let column = |k: usize| -> Vec<f64> { drawn.values.iter().skip(k).step_by(size.max(1)).copied().collect() };
    let mut arrays = vec![];
    if let Some(categories) = of.categories {
        let share = |k: usize, c: usize| column(k).iter().filter(|v| **v == c as f64).count() as f64 / count as f64;
        let shares = (0..categories).map(|c| part("probability", (0..size).map(|k| share(k, c)).collect()));
        arrays.extend(stacked(shares.collect(), &drawn.name));
    } else {
        let (mean, sd) = of.moments.clone().unwrap_or_else(|| (0..size).map(|k| moments(&column(k))).unzip());
        arrays.extend([part("mean", mean), part("sd", sd)]);
        let tail = (1.0 - options.interval) / 2.0;
        let sorted: Vec<Vec<f64>> = (0..size)
            .map(|k| {
                let mut draws = column(k);
                draws.sort_by(f64::total_cmp);
                draws
            })
            .collect();
        for p in [tail, 0.5, 1.0 - tail] {
            let percent = (p * 1e6).round() / 1e4;
            arrays.push(part(&format!("q{percent}"), sorted.iter().map(|d| quantile(d, p)).collect()));
        }
    }
    if options.draws {
        let axes = [vec!["draw".to_owned()], drawn.axes.clone()].concat();
        let shape = [vec![count], drawn.shape.clone()].concat();
        let all = Array { name: format!("{}_draws", drawn.name), axes, shape, values: drawn.values.clone() };
        arrays.push(last.map_or(all.clone(), |(axis, steps)| ended(all, axis, steps)));
    }
    arrays
}

/// The levels of the axes that predictions have, and of the categories that are predicted.
fn labels(program: &Program, found: &[Predictive]) -> Labels {
    let g = &program.graph;
    let named = |(axis, levels): (&AxisId, &Vec<String>)| {
        (g.extent_of(*axis) == levels.len()).then(|| (g.axis_name(Axis::plain(*axis)), levels.clone()))
    };
    let of_category = |p: &Predictive| {
        let data = program.data.iter().find(|d| d.name == p.drawn.name)?;
        let levels = program.labels.get(&data.index?).filter(|levels| Some(levels.len()) == p.categories)?;
        Some((format!("{}_value", p.drawn.name), levels.clone()))
    };
    program.labels.iter().filter_map(named).chain(found.iter().filter_map(of_category)).collect()
}

/// The head of a column: the name of an array, and the place of an element along its axes but the first, by levels where they
/// have some.
fn head(array: &Array, element: usize, labels: &Labels) -> String {
    let (mut rest, mut places) = (element, vec![]);
    for (axis, &size) in array.axes.iter().zip(&array.shape).skip(1).rev() {
        let at = rest % size.max(1);
        rest /= size.max(1);
        let level = labels.get(axis).filter(|levels| levels.len() == size).and_then(|levels| levels.get(at));
        places.insert(0, level.cloned().unwrap_or_else(|| at.to_string()));
    }
    let text = if places.is_empty() { array.name.clone() } else { format!("{}[{}]", array.name, places.join(";")) };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// Arrays of one shape as one, a last axis running over them.
fn stacked(parts: Vec<Array>, name: &str) -> Option<Array> {
    let first = parts.first()?.clone();
    let values = (0..first.values.len()).flat_map(|k| parts.iter().filter_map(move |p| p.values.get(k).copied()));
    let values = values.collect();
    let axes = [first.axes, vec![format!("{name}_value")]].concat();
    Some(Array { axes, shape: [first.shape, vec![parts.len()]].concat(), values, name: first.name })
}

/// The last elements along an axis.
fn ended(array: Array, axis: &str, last: usize) -> Array {
    let Some(at) = array.axes.iter().position(|a| a == axis) else { return array };
    let extent = array.shape.get(at).copied().unwrap_or(1);
    let inner: usize = array.shape.iter().skip(at + 1).product();
    let keep = |k: &usize| (k / inner.max(1)) % extent.max(1) >= extent.saturating_sub(last);
    let values = array.values.iter().enumerate().filter(|(k, _)| keep(k)).map(|(_, v)| *v).collect();
    let mut shape = array.shape.clone();
    shape.iter_mut().skip(at).take(1).for_each(|n| *n = last.min(extent));
    Array { shape, values, ..array }
}

fn moments(draws: &[f64]) -> (f64, f64) {
    let n = draws.len().max(1) as f64;
    let mean = draws.iter().sum::<f64>() / n;
    let squares: f64 = draws.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0).max(1.0)).sqrt())
}

/// A quantile of sorted draws, between neighbours in proportion.
fn quantile(sorted: &[f64], p: f64) -> f64 {
    let at = p * sorted.len().saturating_sub(1) as f64;
    let (low, part) = (at.floor(), at.fract());
    let value = |k: usize| sorted.get(k).or(sorted.last()).copied().unwrap_or(f64::NAN);
    let (a, b) = (value(low as usize), value(low as usize + 1));
    if part == 0.0 { a } else { a + part * (b - a) }
}

impl Predictions {
    /// Writes them in the form that the file's ending says.
    ///
    /// # Errors
    /// When the ending is another, a table cannot hold them, or the file cannot be written.
    pub fn write(&self, out: &Path) -> Result<(), Error> {
        let unwritten = |e: &dyn std::fmt::Display| Error::Io(format!("{} cannot be written: {e}", out.display()));
        let bytes = match CodesFile::of(out)? {
            CodesFile::Csv => self.csv().into_bytes(),
            CodesFile::Npz => npz_arrays(&self.arrays).map_err(|e| unwritten(&e))?,
            CodesFile::Nc => {
                let (name, labels) = ("predictions".into(), self.labels.clone());
                let group = Group { name, arrays: self.arrays.clone(), labels, ..Group::default() };
                inference_data(&[group]).map_err(|e| unwritten(&e))?
            }
        };
        directory::put(out, &bytes)
    }

    /// A table, one line for each row; draws are left out, and what does not begin with the axis of the first.
    pub fn csv(&self) -> String {
        let axis = self.arrays.first().and_then(|a| a.axes.first());
        let held: Vec<&Array> = self.arrays.iter().filter(|a| a.axes.first() == axis).collect();
        let lines = held.first().and_then(|a| a.shape.first()).copied().unwrap_or(1);
        let mut heads = vec![self.first.0.clone()];
        for array in &held {
            let width = array.shape.iter().skip(1).product();
            heads.extend((0..width).map(|k| head(array, k, &self.labels)));
        }
        let mut text = heads.join(",") + "\n";
        for line in 0..lines {
            text.push_str(&(self.first.1 + line).to_string());
            for array in &held {
                let width = array.values.len() / lines.max(1);
                for v in array.values.iter().skip(line * width).take(width) {
                    text.push_str(&format!(",{v}"));
                }
            }
            text.push('\n');
        }
        text
    }
}
