//! Rows that a finished fit has not seen, as it sees them: its own statistics and levels, its own parameters.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use fe_check::{Data, Header, Program, Reader, Row, SourceCall};
use fe_graph::{Axis, Executor, InputId, Tensor};
use fe_objective::{Objective, WithStatistics};
use fe_syntax::Diagnostic;
use fe_train::{Kept, Problem, Values};
use indexmap::IndexMap;

use crate::error::{Error, OptionName};
use crate::finished::Finished;
use crate::load::{self, Loaded};
use crate::options::{Assignment, ExecutorKind, Precision, ReadOptions};
use crate::{data, executor, predict};

/// A finished fit's program on new rows.
pub(crate) struct OnNewRows {
    pub program: Program,
    pub objective: Objective,
    executor: Box<dyn Executor>,
    tensors: HashMap<InputId, Arc<Tensor>>,
    kept: Kept,
    seed: u64,
}

impl OnNewRows {
    /// Reads new rows for a finished fit. `new` says where the data with rows come from; what it leaves out is that of the fit.
    ///
    /// # Errors
    /// When the program has no rows, or the new data are not like those of the fit.
    pub fn open(run: &Finished, new: &ReadOptions) -> Result<Self, Error> {
        let (headers, trained) = (run.record.headers(&run.folder)?, run.record.rows);
        let given: HashSet<&str> =
            new.data.iter().map(|a| a.name.as_str()).chain(new.arrays.keys().map(String::as_str)).collect();
        let reading = run.reading_with(new);
        // Understood as the fit was: with the data it had, whose sizes decided on guides and estimators.
        let Loaded { mut program, sources, cache, .. } = load::load_with(&run.text, &reading, &headers)?;
        let mut objective = run.derive(&mut program)?;
        let row = evaluable(&program, &objective)?;
        let rows = new_rows(&program, row, &sources, &headers, &given)?;
        let row = Row { rows, ..row };
        program.graph.set_extent(row.axis, rows);
        program.row = Some(row);
        objective.graph.set_extent(row.axis, rows);
        objective.row = Some(row);

        let mut remembered = run.remembered();
        remembered.statistics.retain(|name, _| headers.contains_key(name));
        // What only said which rows to hold out is not needed of those that are new.
        program.data.retain(|d| !d.for_holdout || given.contains(d.name.as_str()));
        let all: Vec<u64> = (0..rows as u64).collect();
        let arrays = data::load_as(&program, &sources, &all, &remembered, cache.as_deref())?;
        let executor = executor::open(Some(ExecutorKind::Cpu), Precision::F64, "cpu")?;
        let mut statistics = HashMap::new();
        for prepared in objective.prepared.iter().filter(|p| p.statistic) {
            let name = objective.graph.input_info(prepared.input).map(|i| i.name.clone()).unwrap_or_default();
            statistics.insert(name.clone(), run.array(&name)?);
        }
        let kept = Kept { trained, statistics };
        let seed = run.record.identity.seed;
        Ok(Self { program, objective, executor, tensors: arrays.tensors, kept, seed })
    }

    /// The objective with the new rows, all of them held out.
    ///
    /// # Errors
    /// When the executor cannot run what data alone decide.
    pub fn problem(&self) -> Result<Problem<'_>, Error> {
        let (objective, executor) = (&self.objective, self.executor.as_ref());
        Problem::of_new_rows(objective, executor, self.tensors.clone(), &self.kept, self.seed)
            .map_err(|e| Error::Internal(e.to_string()))
    }

    /// The fit's parameters; those that each row has of its own are at their start.
    ///
    /// # Errors
    /// When these start at numbers of their own for each row of the run.
    pub fn values(&self, run: &Finished, problem: &Problem) -> Result<Values, Error> {
        let mut values = problem.start(0);
        for (value, parameter) in values.iter_mut().zip(&self.objective.parameters) {
            if !parameter.local {
                *value = run.parameter(problem, parameter)?;
            } else if value.len() != problem.shape(parameter).iter().product::<usize>() {
                let why = "starts at numbers of its own for each row of the run";
                return Err(Error::Request(format!("`{}` {why}, and has none for new rows", parameter.name)));
            }
        }
        Ok(values)
    }
}

/// The row axis of a program that can be evaluated on new rows.
fn evaluable(program: &Program, objective: &Objective) -> Result<Row, Error> {
    let Some(row) = program.row else {
        return Err(Error::Request(format!(
            "{} has no row axis, one that comes first in every observed array and has no `for`: its data are one whole, and \
             there are no new rows of it",
            program.name
        )));
    };
    if let Some(name) = objective.guides.of_all_rows.first() {
        return Err(Error::Request(format!(
            "`{name}` is summed or integrated out, and what is known of it follows from all rows of the fit: rows that it has \
             not seen would change it; for a latent with a continuous prior write `by guide` behind that, and fit again"
        )));
    }
    let local = |name: &str| program.latents.iter().any(|l| l.name == name && l.is_local(program.row));
    let chained = objective.guides.chains.iter().flat_map(|c| &c.blocks);
    match objective.guides.joints.iter().flat_map(|j| &j.blocks).chain(chained).find(|b| local(&b.name)) {
        None => Ok(row),
        Some(block) => Err(Error::Request(format!(
            "the guide of `{}` is one Gaussian over all rows of the fit, and has no part for new ones: state a guide for each \
             row, or hold rows out in the fit",
            block.name
        ))),
    }
}

/// The number of rows of the new data, each of which must be like those that the fit saw.
fn new_rows(
    program: &Program,
    row: Row,
    sources: &[(SourceCall, Option<fe_data::Source>)],
    headers: &HashMap<String, Header>,
    given: &HashSet<&str>,
) -> Result<usize, Error> {
    let with_rows = |d: &&Data| d.axes.first().is_some_and(|a| a.id == row.axis && a.primes == 0);
    let needed = program.data.iter().filter(with_rows).filter(|d| !d.for_holdout);
    let names: Vec<&str> = needed.map(|d| d.name.as_str()).collect();
    let is_given = |name: &str| given.contains(name);
    if !names.iter().any(|n| is_given(n)) {
        return Err(Error::Option(
            OptionName::Data,
            format!("NAME=FILE gives new rows, for each of {}", names.join(", ")),
        ));
    }
    let mut wrong = vec![];
    let mut sizes: Vec<(&Data, &SourceCall, usize)> = vec![];
    for data in &program.data {
        let Some((call, source)) = sources.iter().find(|(c, _)| c.data == data.name) else { continue };
        let (rows, replaced) = (with_rows(&data), is_given(&data.name));
        if replaced && matches!(call.reader, Reader::NormalDraws { .. } | Reader::Bars { .. } | Reader::Numbers { .. })
        {
            return Err(Error::Request(format!("`{}` is not read from a file, so no other can be given", data.name)));
        }
        let (Some(before), Some(source), true) = (headers.get(&data.name), source, replaced) else {
            sizes.extend((rows && !data.for_holdout).then_some((data, call, row.rows)));
            continue;
        };
        // Statistics are there already, so one row will do.
        let stages = source.stages.iter().filter(|s| **s != fe_data::Stage::Standardize).cloned().collect();
        let now = match fe_data::header(&fe_data::Source { stages, ..source.clone() }) {
            Ok(header) => header,
            Err(e) => {
                wrong.push(load::data_diagnostic(&e, call));
                continue;
            }
        };
        let rest = |shape: &[usize]| shape.iter().skip(usize::from(rows)).product::<usize>();
        let (had, has) = (rest(&before.shape), rest(&now.shape));
        if had != has || before.levels.is_some() != now.levels.is_some() {
            wrong.push(unlike(data, call, rows, before, (had, has), now.levels.is_some()));
        } else if rows {
            sizes.push((data, call, now.shape.first().copied().unwrap_or(0)));
        }
    }
    if let (Some(first), true) = (sizes.first(), wrong.is_empty())
        && let Some(other) = sizes.iter().find(|s| s.2 != first.2)
    {
        wrong.push(uneven(first, other));
    }
    match sizes.first() {
        Some(first) if wrong.is_empty() => Ok(first.2),
        _ => Err(Error::Data(wrong)),
    }
}

/// New data of another width or kind than those of the fit.
pub(crate) fn unlike(
    data: &Data,
    call: &SourceCall,
    rows: bool,
    before: &Header,
    (had, has): (usize, usize),
    text: bool,
) -> Diagnostic {
    let of = if rows { " a row" } else { "" };
    let message = if had == has {
        let kind = |text: bool| if text { "text" } else { "numbers" };
        format!(
            "the new `{}` holds {}, and the fit was made with {}",
            data.name,
            kind(text),
            kind(before.levels.is_some())
        )
    } else {
        format!("the new `{}` has {has} numbers{of}, and the fit was made with {had}", data.name)
    };
    let label = format!("read here, with shape {:?} in the fit", before.shape);
    Diagnostic::error("R0010", message, call.span, label)
        .help("give data with the columns that the model was fitted to")
}

/// New data whose numbers of rows differ.
pub(crate) fn uneven(first: &(&Data, &SourceCall, usize), other: &(&Data, &SourceCall, usize)) -> Diagnostic {
    let message = format!("`{}` has {} rows, and `{}` has {}", first.0.name, first.2, other.0.name, other.2);
    Diagnostic::error("R0011", message, other.1.span, "each row needs its own here")
        .and(first.1.span, "and here")
        .help(format!("give new rows of both, `{}` and `{}`", first.0.name, other.0.name))
}

/// A file of new rows that is given without a name: it stands in the place of the program's one table, for all that a
/// prediction reads of its rows and `new` does not name.
///
/// # Errors
/// Where a prediction reads rows of no table, or of several.
pub fn in_place_of_table(run: &Finished, file: &str, new: &ReadOptions) -> Result<Vec<Assignment>, Error> {
    let Loaded { program, sources, .. } = run.load()?;
    let read = predict::read(&program, &WithStatistics::of(&program));
    // Without rows there is nothing new to tell of, which `predict` says.
    let Some(row) = program.row.map(|r| Axis::plain(r.axis)) else { return Ok(vec![]) };
    let of_rows = |d: &&Data| read.contains(&d.input) && d.axes.contains(&row);
    let named = |d: &&Data| !new.data.iter().any(|a| a.name == d.name);
    let mut tables: IndexMap<&str, Vec<&str>> = IndexMap::new();
    for data in program.data.iter().filter(of_rows).filter(named) {
        let call = sources.iter().map(|(call, _)| call).find(|call| call.data == data.name);
        match call.map(|call| &call.reader) {
            Some(Reader::Table { path, .. }) => tables.entry(path).or_default().push(&data.name),
            Some(Reader::Input) => tables.entry("what its caller gives").or_default().push(&data.name),
            _ => {}
        }
    }
    let names = |of: &[&str]| of.iter().map(|name| format!("--data {name}=FILE")).collect::<Vec<_>>().join(" ");
    match tables.values().collect::<Vec<_>>().as_slice() {
        [all] => Ok(all.iter().map(|name| Assignment::new(name, file)).collect()),
        [] => Err(Error::Option(
            OptionName::Data,
            format!("takes NAME=FILE, not `{file}`: a prediction from {} reads rows of no table", run.folder.display()),
        )),
        _ => {
            let each = tables.iter().map(|(path, of)| format!("{} for {path}", names(of)));
            Err(Error::Option(
                OptionName::Data,
                format!(
                    "takes NAME=FILE, not `{file}`, as the rows are read from {} tables: {}",
                    tables.len(),
                    each.collect::<Vec<_>>().join("; ")
                ),
            ))
        }
    }
}
