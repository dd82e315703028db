//! Counts that are summed to a largest value: whether the posterior reaches it.

use fe_graph::{ExecutionError, NodeId};

use crate::fit::Fitted;
use crate::problem::Problem;
use crate::reading;

/// Draws that are looked at.
const DRAWS: usize = 256;

/// The probability at the largest value from which what lies beyond may matter: an error of a mean by as much times the range.
const MOST: f64 = 1e-9;

/// A count whose sum ends too early.
#[derive(Clone, Debug, PartialEq)]
pub struct CutOff {
    /// The latent.
    pub name: String,
    /// The largest value that is summed.
    pub largest: usize,
    /// The posterior probability there, of the element that has most.
    pub probability: f64,
}

/// The counts whose sums end where the posterior does not.
///
/// # Errors
/// When a run fails.
pub(crate) fn cut_off(problem: &Problem, fitted: &Fitted) -> Result<Vec<CutOff>, ExecutionError> {
    let counts = &problem.objective.report.beyond;
    if counts.is_empty() {
        return Ok(vec![]);
    }
    let outputs: Vec<NodeId> = counts.iter().map(|b| b.probability).collect();
    let drawn = reading::of_guide(problem, fitted, &outputs, DRAWS)?;
    let found = counts.iter().zip(drawn).map(|(count, drawn)| CutOff {
        name: count.name.clone(),
        largest: count.largest,
        probability: mean_of_worst(&drawn),
    });
    Ok(found.filter(|c| c.probability.is_nan() || c.probability > MOST).collect())
}

/// The mean over draws of the element whose mean is largest.
fn mean_of_worst(drawn: &[f64]) -> f64 {
    let width = (drawn.len() / DRAWS).max(1);
    let mean = |k: usize| drawn.iter().skip(k).step_by(width).sum::<f64>() / DRAWS as f64;
    (0..width).map(mean).fold(0.0, |most, p| if p <= most { most } else { p })
}
