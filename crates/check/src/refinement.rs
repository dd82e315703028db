//! `refine`: a guide's potential as the state of a descent on what is minimised.

use fe_graph::{Axis, InputId, NodeId};
use fe_syntax::Span;

use crate::program::Schedule;

/// One state of a descent: `refine v[N, K] from u over 16 steps by natural_gradient`.
#[derive(Clone, Debug)]
pub struct Refinement {
    /// The name declared.
    pub name: String,
    /// The input that stands for its value after the last step.
    pub input: InputId,
    /// The node of that input.
    pub node: NodeId,
    /// Its axes as declared, those of the latent whose guide reads it.
    pub axes: Vec<Axis>,
    /// The axis of the loop that it is declared in: then its own past is there before.
    pub chain: Option<Axis>,
    /// Where it starts, over some of its axes.
    pub from: NodeId,
    /// Steps, at least 1.
    pub steps: usize,
    /// How it moves.
    pub rule: DescentRule,
    /// How far.
    pub step: StepSize,
    /// The most that an element moves in a step, smoothly.
    pub limit: Option<f64>,
    /// Whether each row halves its own step until its free energy falls.
    pub guard: bool,
    /// Draws of the latents in each step in the place of expectations over them.
    pub samples: Option<usize>,
    /// Whether the outer objective is the mean over the steps.
    pub average: bool,
    /// How far back the outer gradient runs.
    pub through: Through,
    /// The latent whose guide reads it, by number.
    pub latent: usize,
    /// The statement.
    pub span: Span,
}

/// How a state moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DescentRule {
    /// Against the gradient, in the metric of the guide's Fisher information.
    NaturalGradient,
    /// Against the gradient.
    Gradient,
    /// Against the gradient of all but the prior, whose proximal map takes the state to the point that stands for it.
    Proximal,
}

impl DescentRule {
    /// As a program calls it.
    pub fn word(self) -> &'static str {
        match self {
            Self::NaturalGradient => "natural_gradient",
            Self::Gradient => "gradient",
            Self::Proximal => "proximal",
        }
    }

    pub(crate) const ALL: [Self; 3] = [Self::NaturalGradient, Self::Gradient, Self::Proximal];
}

/// How far a step goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StepSize {
    /// By the curvature of what is minimised, found anew as the model changes.
    Chosen,
    /// As stated.
    Stated(Schedule),
    /// A value that is fitted: a param, or one of its own.
    Fitted(NodeId),
}

/// How far back the outer gradient runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Through {
    /// Not at all: exact where the descent has settled (envelope theorem).
    None,
    /// Through so many last steps.
    Last(usize),
    /// Through all of them.
    All,
}
