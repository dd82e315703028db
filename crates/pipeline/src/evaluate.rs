//! A finished fit on rows that it has not seen.

use std::collections::{HashMap, HashSet};

use fe_check::{Data, Header, Program, Reader, Row, SourceCall};
use fe_objective::Objective;
use fe_report::{ByRow, Evaluation, Nested, Own, RefinedStep};
use fe_syntax::Diagnostic;
use fe_train::{Kept, NewRows, Problem};

use crate::error::{Error, OptionName};
use crate::finished::Finished;
use crate::fit::failed;
use crate::load::{self, Loaded};
use crate::options::{Assignment, ExecutorKind, Precision, ReadOptions};
use crate::{data, document, executor};

/// The figures of new rows: of all, and of each by itself. `new` says where the data with rows come from; what it
/// leaves out is that of the fit.
///
/// # Errors
/// When the program has no rows, the new data are not like those of the fit, or a value is not finite.
pub fn evaluate(run: &Finished, new: &ReadOptions) -> Result<Evaluated, Error> {
    let (headers, trained) = (run.record.headers(&run.folder)?, run.record.rows);
    let given: HashSet<&str> =
        new.data.iter().map(|a| a.name.as_str()).chain(new.arrays.keys().map(String::as_str)).collect();
    let mut reading = run.record.identity.options.reading();
    reading.data.retain(|old| !given.contains(old.name.as_str()));
    reading.data.extend(new.data.iter().cloned());
    reading.set.extend(new.set.iter().cloned());
    (reading.arrays, reading.cache) = (new.arrays.clone(), new.cache.clone());
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
    let problem = Problem::of_new_rows(&objective, executor.as_ref(), arrays.tensors, &kept, seed)
        .map_err(|e| Error::Internal(e.to_string()))?;
    let mut values = problem.start(0);
    for (value, parameter) in values.iter_mut().zip(&objective.parameters) {
        if !parameter.local {
            *value = run.parameter(&problem, parameter)?;
        } else if value.len() != problem.shape(parameter).iter().product::<usize>() {
            let why = "starts at numbers of its own for each row of the run";
            return Err(Error::Request(format!("`{}` {why}, and has none for new rows", parameter.name)));
        }
    }
    let preconditioners = run.preconditioners(&objective)?;
    let found = fe_train::new_rows(&problem, &values, preconditioners).map_err(|e| failed(e, &program, &objective))?;
    evaluated(&program, &objective, run, None, found)
}

/// The figures of a fit's own rows, those held out or else those trained on, with other values of `const`s: of a descent,
/// say, that takes more steps. `apart` asks for each row by itself.
///
/// # Errors
/// When the program is understood otherwise now, a parameter has another size then, or a value is not finite.
pub fn evaluate_own(run: &Finished, set: &[Assignment], apart: bool) -> Result<Evaluated, Error> {
    let mut loaded = run.load_with(set)?;
    let objective = run.derive(&mut loaded.program)?;
    let prepared = run.prepare_with(loaded, objective)?;
    let problem = prepared.problem()?;
    let values = run.values(&problem)?;
    for (value, parameter) in values.iter().zip(&prepared.objective.parameters) {
        if value.len() != problem.shape(parameter).iter().product::<usize>() {
            let name = &parameter.name;
            return Err(Error::Request(format!(
                "`{name}` has another size with these values, and was fitted with its own"
            )));
        }
    }
    let own = if problem.heldout.is_empty() { Own::Trained } else { Own::HeldOut };
    let preconditioners = run.preconditioners(&prepared.objective)?;
    let found = fe_train::own_rows(&problem, &values, preconditioners, apart)
        .map_err(|e| failed(e, &prepared.program, &prepared.objective))?;
    evaluated(&prepared.program, &prepared.objective, run, Some(own), found)
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
    let names: Vec<&str> = program.data.iter().filter(with_rows).map(|d| d.name.as_str()).collect();
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
        if replaced && matches!(call.reader, Reader::NormalDraws { .. } | Reader::Numbers { .. }) {
            return Err(Error::Request(format!("`{}` is not read from a file, so no other can be given", data.name)));
        }
        let (Some(before), Some(source), true) = (headers.get(&data.name), source, replaced) else {
            sizes.extend(rows.then_some((data, call, row.rows)));
            continue;
        };
        // Statistics are there already, so one row will do.
        let stages = source.stages.iter().copied().filter(|s| *s != fe_data::Stage::Standardize).collect();
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
fn unlike(
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
fn uneven(first: &(&Data, &SourceCall, usize), other: &(&Data, &SourceCall, usize)) -> Diagnostic {
    let message = format!("`{}` has {} rows, and `{}` has {}", first.0.name, first.2, other.0.name, other.2);
    Diagnostic::error("R0011", message, other.1.span, "each row needs its own here")
        .and(first.1.span, "and here")
        .help(format!("give new rows of both, `{}` and `{}`", first.0.name, other.0.name))
}

/// The figures of rows under a finished fit.
pub struct Evaluated {
    /// All of them.
    pub evaluation: Evaluation,
    /// Every step of the descent that refines guides.
    pub steps: Vec<RefinedStep>,
}

fn evaluated(
    program: &Program,
    o: &Objective,
    run: &Finished,
    own: Option<Own>,
    found: NewRows,
) -> Result<Evaluated, Error> {
    let trained = run.record.rows;
    let NewRows { figures: f, by_row, refined, refitted } = found;
    let account = document::account(o, &f).over(f.rows as u64);
    let nested = |v: Vec<f64>| Nested::new(vec![v.len()], v).unwrap_or_default();
    let mut notes = vec![];
    if account.global_rate.is_some() && own.is_none() {
        notes.push(format!("of what all rows share, each new row has the part that each of the {trained} rows had"));
    }
    let steps = refined.iter().flat_map(|r| &r.trace).map(document::refined_step).collect();
    let evaluation = Evaluation {
        model: program.name.clone(),
        title: program.title.clone(),
        run: run.folder.display().to_string(),
        fe_version: env!("CARGO_PKG_VERSION").into(),
        own,
        rows: f.rows as u64,
        trained_rows: trained as u64,
        account,
        refitted,
        terms: document::terms(o, &f),
        refinement: refined.as_ref().map(document::refinement),
        by_row: ByRow {
            free_energy: nested(by_row.free_energy),
            distortion: nested(by_row.distortion),
            rate: nested(by_row.rate),
            energy: by_row.spikes.map(nested),
        },
        notes,
    };
    evaluation.balance().map_err(|e| Error::Internal(e.to_string()))?;
    Ok(Evaluated { evaluation, steps })
}
