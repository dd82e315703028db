//! A finished fit on rows that it has not seen.

use std::collections::HashMap;
use std::sync::Arc;

use fe_graph::{InputId, Tensor};
use fe_objective::{Objective, Pricing};

use crate::descent::{self, Refined};
use crate::evaluate;
use crate::figures::{ByRow, Figures};
use crate::fit::{Fit, FitError};
use crate::heldout;
use crate::problem::{Problem, Setting, Values};

/// The figures of new rows under a finished fit.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRows {
    /// Over all of them.
    pub figures: Figures,
    /// Each by itself; nothing where that was not asked for.
    pub by_row: ByRow,
    /// What became of the descent that refines guides.
    pub refined: Option<Refined>,
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
    let refined = descent::refined(problem, values, &problem.heldout, &fitted)?;
    Ok(NewRows { figures, by_row, refined, refitted })
}

/// The figures of a finished fit's own rows: those held out, or else those trained on. Each by itself where `apart`.
///
/// # Errors
/// When a run fails, or the free energy is not finite.
pub fn own_rows(
    problem: &Problem,
    values: &Values,
    extra: HashMap<InputId, Arc<Tensor>>,
    apart: bool,
) -> Result<NewRows, FitError> {
    let fitted = Setting { extra, ..Setting::default() };
    let heldout = !problem.heldout.is_empty();
    let rows = if heldout { &problem.heldout } else { &problem.train };
    let refitted = heldout && problem.objective.parameters.iter().any(|p| p.local);
    let refit = if refitted { Some(heldout::refit(problem, values, &fitted)?) } else { None };
    let values = refit.as_ref().unwrap_or(values);
    let figures = evaluate::figures(problem, values, rows, &fitted)?;
    if !figures.free_energy.is_finite() {
        let setting = Setting { extra: fitted.extra, ..Setting::reporting(0, 64) };
        return Err(crate::fit::locate_rows(problem, values, rows, &setting, 0));
    }
    let apart = apart && problem.objective.row.is_some() && problem.objective.guides.of_all_rows.is_empty();
    let by_row = if apart { evaluate::by_row(problem, values, rows, &fitted)? } else { ByRow::default() };
    let refined = descent::refined(problem, values, rows, &fitted)?;
    Ok(NewRows { figures, by_row, refined, refitted })
}

/// Some rows of a finished fit, each by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// Their numbers in the data.
    pub rows: Vec<u64>,
    /// Whether they were held out.
    pub heldout: bool,
    /// Their figures.
    pub by_row: ByRow,
}

/// The rows of a finished fit one by one: those held out where there are any, else those trained on. Of more than
/// `most`, as many at even distances. A program without rows has none, nor has one whose rows cannot be taken one by one.
///
/// # Errors
/// When a run fails.
pub fn rows(problem: &Problem, fit: &Fit, most: usize) -> Result<Rows, FitError> {
    let named = |name: &str| {
        Ok(fit.preconditioners.iter().find(|(n, _)| n == name).map(|(_, t)| t.clone()).unwrap_or_default())
    };
    let fitted = Setting { extra: preconditioners::<FitError>(problem.objective, named)?, ..Setting::default() };
    let heldout = !problem.heldout.is_empty();
    let all = if heldout { &problem.heldout } else { &problem.train };
    let apart = problem.objective.row.is_some() && problem.objective.guides.of_all_rows.is_empty();
    let all = if apart { all.as_slice() } else { &[] };
    let count = all.len().min(most);
    let rows: Vec<u64> = (0..count).filter_map(|k| all.get(k * all.len() / count).copied()).collect();
    let refitted = heldout && problem.objective.parameters.iter().any(|p| p.local);
    let refit = if refitted { Some(heldout::refit(problem, &fit.values, &fitted)?) } else { None };
    let by_row = evaluate::by_row(problem, refit.as_ref().unwrap_or(&fit.values), &rows, &fitted)?;
    Ok(Rows { rows, heldout, by_row })
}

/// The preconditioners of Gaussian guides and chains, for each input that takes one, by its name.
///
/// # Errors
/// The first of `named`.
pub fn preconditioners<E>(
    objective: &Objective,
    mut named: impl FnMut(&str) -> Result<Tensor, E>,
) -> Result<HashMap<InputId, Arc<Tensor>>, E> {
    let joints = objective.guides.joints.iter().flat_map(|j| [j.start, j.preconditioner]);
    let chains = objective.guides.chains.iter().flat_map(|c| [c.start, c.transition, c.scale, c.whitening]);
    // A descent goes on by the steps and at the prices that it ended with; exact guides are those at these prices.
    let steps = objective.descent.iter().flat_map(descent::chosen);
    let follows = objective.descent.is_some() || objective.minimised.pricing == Pricing::Dual;
    let priced = objective.minimised.bounds.iter().filter(|_| follows).map(|b| b.multiplier);
    let all = joints.chain(chains).chain(steps).chain(priced);
    let named_inputs = |input| Some((input, &objective.graph.input_info(input)?.name));
    let mut found: HashMap<InputId, Arc<Tensor>> = all
        .filter_map(named_inputs)
        .map(|(input, name)| Ok((input, Arc::new(named(name)?))))
        .collect::<Result<_, E>>()?;
    // Searches for modes begin anywhere, and at 0 where data have another length.
    for (input, name) in objective.guides.modes.iter().filter_map(|m| named_inputs(m.start)) {
        let axes = objective.graph.input_info(input).map(|i| i.axes.as_slice()).unwrap_or_default();
        let shape: Vec<usize> = axes.iter().map(|a| objective.graph.extent_of(a.id)).collect();
        if let Some(start) = named(name).ok().filter(|t| t.shape == shape) {
            found.insert(input, Arc::new(start));
        }
    }
    Ok(found)
}
