//! A finished fit on rows that it has not seen.

use fe_check::Program;
use fe_objective::Objective;
use fe_report::{ByRow, Evaluation, Nested, Own, RefinedStep};
use fe_train::NewRows;

use crate::document;
use crate::error::Error;
use crate::finished::Finished;
use crate::fit::failed;
use crate::new_rows::OnNewRows;
use crate::options::{Assignment, ReadOptions};

/// The figures of new rows: of all, and of each by itself. `new` says where the data with rows come from; what it
/// leaves out is that of the fit.
///
/// # Errors
/// When the program has no rows, the new data are not like those of the fit, or a value is not finite.
pub fn evaluate(run: &Finished, new: &ReadOptions) -> Result<Evaluated, Error> {
    let seen = OnNewRows::open(run, new)?;
    let problem = seen.problem()?;
    let values = seen.values(run, &problem)?;
    let preconditioners = run.preconditioners(&seen.objective)?;
    let found = fe_train::new_rows(&problem, &values, preconditioners)
        .map_err(|e| failed(e, &seen.program, &seen.objective))?;
    evaluated(&seen.program, &seen.objective, run, None, found)
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
