//! The minimisations of a fit in order: how each went and ended, and where the last one stands. A fit that goes on makes the same
//! ones again, so that those that had ended give what they gave, and the last one goes on.

use serde::{Deserialize, Serialize};

use crate::lbfgs::{Curvature, Outcome, Standing};

/// An iteration of a minimisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Iteration {
    pub iteration: usize,
    pub evaluations: usize,
    pub value: f64,
    pub gradient_norm: f64,
    /// Means over the draws of the sums of terms, spikes and bounded values.
    pub means: Vec<f64>,
    /// Since the fit began.
    pub seconds: f64,
}

/// A minimisation that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub course: Vec<Iteration>,
    pub outcome: Outcome,
}

/// The minimisations of a fit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Journal {
    pub ended: Vec<Ended>,
    /// The curvature that the last one left which later ones begin with, and which that was.
    pub curvature: Option<(usize, Curvature)>,
    /// The course of the one that has not ended.
    pub course: Vec<Iteration>,
    /// Where it stands.
    pub open: Option<Standing>,
    /// Since the fit began.
    pub seconds: f64,
}

impl Journal {
    /// Iterations of all of them.
    pub fn iterations(&self) -> u64 {
        let last = |course: &[Iteration]| course.last().map_or(0, |i| i.iteration as u64);
        self.ended.iter().map(|e| last(&e.course)).sum::<u64>() + last(&self.course)
    }
}
