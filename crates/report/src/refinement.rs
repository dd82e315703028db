//! What became of the descent that refines a guide, as `fit.json` and a table have it.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::nested::number;

/// A descent, over the rows held out or else trained on. Figures are per row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Refinement {
    /// Steps.
    pub steps: u64,
    /// The size of a step of each state at the end of the fit; none where it is fitted.
    pub step: Vec<StateStep>,
    /// The largest curvature of what is descended, over rows, in the metric of the descent, less 1: that of a natural gradient
    /// with the prior's own share taken off. Steps below 2/(1 + rho) are stable.
    pub rho: Option<f64>,
    /// The share of elements, over all steps, whose move the limit more than halved.
    #[serde(with = "number")]
    pub limited: f64,
    /// The first step whose free energy is within 1 % of the total fall.
    pub settled: Option<u64>,
    /// The share of the total fall that the last step made.
    #[serde(with = "number")]
    pub last_fall: f64,
    /// Steps that raised the mean free energy.
    pub rises: u64,
    /// Expected spikes of all steps up to the settled one: the cost of a percept.
    pub percept_spikes: Option<f64>,
    /// After 0, 1, 2, 4, … steps, and the last.
    pub trace: Vec<RefinedStep>,
}

/// The step of one state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StateStep {
    /// The state.
    pub name: String,
    /// Its step.
    pub size: Option<f64>,
}

/// The state of a descent after some steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RefinedStep {
    /// Steps made.
    pub step: u64,
    /// Distortion + rate, nats.
    #[serde(with = "number")]
    pub free_energy: f64,
    /// Nats.
    #[serde(with = "number")]
    pub distortion: f64,
    /// Nats.
    #[serde(with = "number")]
    pub rate: f64,
    /// Expected spikes of the code as it is then.
    pub spikes: Option<f64>,
    /// Expected spikes of all steps so far.
    pub cumulative_spikes: Option<f64>,
    /// The share of zeros among counts, or points.
    pub zeros: Option<f64>,
    /// Of what is decoded at the guide's means.
    pub r2: Option<f64>,
}

impl Refinement {
    /// Whether the descent has settled: its last step made next to nothing of the fall.
    pub fn is_settled(&self) -> bool {
        self.last_fall <= 1e-3
    }
}

/// The numbers of steps that are listed: 0, 1, 2, 4, … and the last.
pub fn listed_steps(steps: usize) -> Vec<usize> {
    let doubled = std::iter::successors(Some(1usize), |s| s.checked_mul(2)).take_while(|&s| s < steps);
    std::iter::once(0).chain(doubled).chain((steps > 0).then_some(steps)).collect()
}

/// A table of every step with a header line; an empty cell where a figure has no meaning.
pub fn refined_csv(trace: &[RefinedStep]) -> String {
    let mut text = String::from("step,free_energy,distortion,rate,spikes,cumulative_spikes,zeros,r2\n");
    for s in trace {
        // Writing to a string cannot fail.
        let _ = write!(text, "{}", s.step);
        let figures =
            [Some(s.free_energy), Some(s.distortion), Some(s.rate), s.spikes, s.cumulative_spikes, s.zeros, s.r2];
        for figure in figures {
            text.push(',');
            if let Some(v) = figure {
                let _ = write!(text, "{v}");
            }
        }
        text.push('\n');
    }
    text
}
