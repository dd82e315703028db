//! The error that a fixed set of draws leaves in a guide: how far it moves when it is fitted to other draws
//! (sample-average approximation; Giordano, Ingram and Broderick, 2024).

use std::ops::ControlFlow;

use fe_graph::ExecutionError;

use crate::lbfgs::{Curvature, Options};
use crate::moments::{Change, Moments, change};
use crate::problem::{Problem, Setting, Values};
use crate::qmc::{fixed_draws, noise_sites};
use crate::saa::{Memory, SaaObjective, Stop};
use crate::streams::FixedSet;

/// Other sets of draws that the guide is fitted to.
const SETS: u64 = 2;

/// A fit to another set is compared when its gradient is this small, relative to the objective.
const TOLERANCE: f64 = 1e-6;

/// Iterations of a fit to another set, which is near from the first.
const ITERATIONS: usize = 100;

/// The distance that the moments of latents move from one set of draws to another: root mean squares over other sets,
/// the largest of any latent. Two sets have errors of their own, so this is √2 times the standard error that one
/// leaves. `None` where nothing is drawn, no latent is in the table, or it was interrupted.
///
/// # Errors
/// When a run fails.
pub(crate) fn change_of_draws(
    objective: &mut SaaObjective,
    problem: &Problem,
    (found, curvature): (&Values, &Curvature),
    setting: &Setting,
    count: usize,
    mut going: impl FnMut(f64) -> bool,
) -> Result<Option<Change>, ExecutionError> {
    let Some(mut moments) = Moments::new(problem)?.filter(|_| count > 0 && !setting.draws.is_empty()) else {
        return Ok(None);
    };
    let options = Options { iterations: ITERATIONS, tolerance: TOLERANCE, ..Options::default() };
    let mut others = vec![];
    for set in 1..=SETS {
        let sites = noise_sites(problem.objective);
        let Some(draws) = fixed_draws(problem, sites, count, FixedSet::Redraw(set)) else { return Ok(None) };
        let other = Setting { draws, ..setting.clone() };
        let mut interrupted = false;
        let (values, _) = objective.minimize((found, Memory::Passing(curvature.clone())), &other, &options, |now| {
            interrupted = !going(now.value);
            if interrupted { ControlFlow::Break(Stop::Interrupted) } else { ControlFlow::Continue(()) }
        })?;
        if interrupted {
            return Ok(None);
        }
        others.push(moments.at(&values, &setting.extra)?);
    }
    Ok(Some(change(&moments.at(found, &setting.extra)?, &others)))
}
