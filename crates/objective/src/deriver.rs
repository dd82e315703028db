//! The state of a derivation, and what all of its steps use.

use std::collections::{HashMap, HashSet};

use fe_check::Program;
use fe_distribution::Distribution;
use fe_graph::{Axis, Graph, InputId, NodeId, Site};

use crate::drawing::Scored;
use crate::enumerated::Enumeration;
use crate::expectation::Expectation;
use crate::guide::types::Realised;
use crate::weights::Weights;

/// The temperature of relaxed counts when nothing is said: for the cubic indicator no annealing is needed
/// (arXiv 2602.03896; theory of the estimators in the docs).
pub const DEFAULT_TEMPERATURE: f64 = 0.4;

/// The derivation in progress.
pub(crate) struct Deriver<'a> {
    pub(crate) g: Graph,
    pub(crate) program: &'a Program,
    pub(crate) source: &'a str,
    pub(crate) realised: Realised,
    /// Latents that are not random by themselves, and statistics of the data.
    pub(crate) replaced: HashMap<NodeId, NodeId>,
    pub(crate) expectation: Expectation,
    /// Expectations over what is integrated out, given draws of all else.
    pub(crate) given: Expectation,
    pub(crate) draws: HashMap<NodeId, NodeId>,
    /// Latents whose draws have no pathwise derivative.
    pub(crate) scored: Vec<Scored>,
    /// Draws of counts that are relaxed by a softmax.
    pub(crate) softened: Vec<NodeId>,
    /// Arrival times of counts that are drawn in a loop.
    pub(crate) arrivals: Vec<NodeId>,
    pub(crate) random: HashSet<NodeId>,
    pub(crate) enumeration: Enumeration,
    pub(crate) weights: Weights,
    /// Where draws of a Gaussian at its mode were chosen by their weights, the site of the choice.
    pub(crate) chosen: Option<Site>,
}

/// Inputs of the whole objective, each with its node.
#[derive(Clone, Copy)]
pub(crate) struct Inputs {
    pub(crate) temperature: (InputId, NodeId),
    pub(crate) per_row: (InputId, NodeId),
}

impl Deriver<'_> {
    pub(crate) fn after(&mut self, node: NodeId) -> NodeId {
        self.g.substitute(&[node], &self.replaced).first().copied().unwrap_or(node)
    }

    pub(crate) fn after_distribution(&mut self, d: &Distribution) -> Distribution {
        Distribution { args: self.g.substitute(&d.args, &self.replaced), ..d.clone() }
    }

    pub(crate) fn has_rows(&self, node: NodeId) -> bool {
        self.program.row.is_some_and(|r| self.g.has_axis(node, Axis::plain(r.axis)))
    }
}
