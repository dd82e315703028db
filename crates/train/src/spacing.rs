//! Latents that are integrated at points: whether these are close enough for how the density bends.

use fe_graph::{ExecutionError, NodeId};

use crate::fit::Fitted;
use crate::problem::Problem;
use crate::reading;

/// Draws that are looked at.
const DRAWS: usize = 64;

/// An error of the log evidence that matters, in nats.
const MOST: f64 = 0.01;

/// A latent whose density has edges between its points.
#[derive(Clone, Debug, PartialEq)]
pub struct Coarse {
    /// The latent.
    pub name: String,
    /// About how far off log p(data) is, in nats.
    pub nats: f64,
}

/// The latents whose sums over points are no integrals: by what the sum over every second point gives. Of what is smooth the error
/// falls off so fast that twice the points square it; of what is not, the square is too small, and large enough to be told.
///
/// # Errors
/// When a run fails.
pub(crate) fn coarse(problem: &Problem, fitted: &Fitted) -> Result<Vec<Coarse>, ExecutionError> {
    let latents = &problem.objective.report.spaced;
    if latents.is_empty() {
        return Ok(vec![]);
    }
    let outputs: Vec<NodeId> = latents.iter().map(|s| s.coarser).collect();
    let drawn = reading::of_guide(problem, fitted, &outputs, DRAWS)?;
    let found = latents.iter().zip(drawn).map(|(latent, drawn)| Coarse {
        name: latent.name.clone(),
        nats: drawn.iter().map(|d| d * d).sum::<f64>() / DRAWS as f64,
    });
    Ok(found.filter(|c| c.nats.is_nan() || c.nats > MOST).collect())
}
