//! What the last turn of a loop adds to what is minimised, where finite latents are summed out in time order: whether an endless
//! task was given turns enough.

use fe_graph::{ExecutionError, Tensor};

use crate::problem::{Problem, Setting, Values};
use crate::streams::Purpose;

/// A sentence, where the loop has more than one turn.
///
/// # Errors
/// When the run fails.
pub(crate) fn last_turn(
    problem: &Problem,
    values: &Values,
    fitted: &Setting,
) -> Result<Option<String>, ExecutionError> {
    let Some(node) = problem.objective.report.last_turn else { return Ok(None) };
    let setting = Setting { extra: fitted.extra.clone(), ..Setting::reporting(Purpose::Figures.step(0), 1) };
    let result = problem.compile(&[node])?.run(&problem.feed(values, &problem.train, &setting))?;
    let change = result.first().map_or(f64::NAN, Tensor::item);
    Ok(Some(format!(
        "the last turn of the loop changes what is minimised by {change:.1e} nats, and another one by about as much"
    )))
}
