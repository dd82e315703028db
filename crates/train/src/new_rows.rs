//! A finished fit on rows that it has not seen.

use std::collections::HashMap;
use std::sync::Arc;

use fe_graph::{InputId, Tensor};

use crate::evaluate::{self, ByRow, Figures};
use crate::fit::FitError;
use crate::heldout;
use crate::problem::{Problem, Setting, Values};

/// What a finished fit says of new rows.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRows {
    /// Over all of them.
    pub figures: Figures,
    /// Each by itself.
    pub by_row: ByRow,
    /// Whether the guide has free parameters for each row, which were refitted with all else fixed.
    pub refitted: bool,
}

/// The figures of the rows that a problem holds out, under fitted values and the fixed parts of joint Gaussians.
///
/// # Errors
/// When a run fails, or the free energy is not finite.
pub fn new_rows(problem: &Problem, values: &Values, extra: HashMap<InputId, Arc<Tensor>>) -> Result<NewRows, FitError> {
    let fitted = Setting { extra, ..Setting::default() };
    let refitted = problem.objective.parameters.iter().any(|p| p.local);
    let refit = if refitted { Some(heldout::refit(problem, values, &fitted)?) } else { None };
    let values = refit.as_ref().unwrap_or(values);
    let figures = evaluate::figures(problem, values, &problem.heldout, &fitted)?;
    if !figures.free_energy.is_finite() {
        let setting = Setting { extra: fitted.extra, ..Setting::reporting(0, 64) };
        return Err(crate::fit::locate_rows(problem, values, &problem.heldout, &setting, 0));
    }
    let by_row = evaluate::by_row(problem, values, &problem.heldout, &fitted)?;
    Ok(NewRows { figures, by_row, refitted })
}
