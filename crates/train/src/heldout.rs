//! Held-out rows under a guide with free parameters for each row: those parameters are refitted, all else fixed.

use std::sync::Arc;

use fe_graph::{ExecutionError, Tensor};

use crate::fit::FitError;
use crate::method::SCORE_SAMPLES;
use crate::optimizer::{Optimizer, Rule};
use crate::problem::{Problem, Setting, Values};
use crate::streams::Purpose;

/// Steps of the refit.
const STEPS: u64 = 500;

/// First step size; it falls to 0 along half a cosine.
const STEP_SIZE: f64 = 0.1;

/// The values with the local parameters of held-out rows refitted by Adam.
///
/// # Errors
/// When a run fails.
pub(crate) fn refit(problem: &Problem, values: &Values, fitted: &Setting) -> Result<Values, FitError> {
    let o = problem.objective;
    let mut values = values.clone();
    let local: Vec<usize> = (0..values.len()).filter(|&k| o.parameters.get(k).is_some_and(|p| p.local)).collect();
    let outputs: Vec<_> = local.iter().filter_map(|&k| o.minimised.gradient.get(k).copied()).collect();
    let mut compiled = problem.compile(&outputs)?;
    let rows: Vec<usize> = problem.heldout.iter().map(|&r| r as usize).collect();
    let mut optimizer = Optimizer::new(Rule::Adam);
    for step in 0..STEPS {
        let progress = step as f64 / STEPS as f64;
        let setting = Setting {
            samples: if o.minimised.scored { SCORE_SAMPLES } else { 1 },
            step: Purpose::Refit.step(step),
            progress: 1.0,
            temperature: problem.temperature(1.0),
            extra: fitted.extra.clone(),
            ..Setting::default()
        };
        let gradients: Vec<Vec<f64>> = compiled
            .run(&problem.feed(&values, &Arc::clone(&problem.heldout), &setting))?
            .into_iter()
            .map(|t: Tensor| t.values)
            .collect();
        let mut moving: Vec<Vec<f64>> = local.iter().filter_map(|&k| values.get_mut(k).map(std::mem::take)).collect();
        let lr = STEP_SIZE * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        let done = optimizer.step_rows(&mut moving, &gradients, &rows, lr);
        for (&k, value) in local.iter().zip(moving) {
            if let Some(slot) = values.get_mut(k) {
                *slot = value;
            }
        }
        done.map_err(|_| {
            FitError::Execution(ExecutionError::Backend {
                message: "a local gradient does not have its parameter's shape".into(),
                origin: fe_graph::Origin::default(),
            })
        })?;
    }
    Ok(values)
}
