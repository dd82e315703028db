//! What summing out finite latents has found.

use std::collections::HashMap;

use fe_graph::{Axis, NodeId};

use crate::objective::{Choice, Gain};

/// The term a factor comes from, by its number in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    Prior(usize),
    Observe(usize),
    Loss(usize),
    /// The distance of the points that a latent is integrated at.
    Width(usize),
}

/// What summing out has found.
#[derive(Debug, Default)]
pub(crate) struct Enumeration {
    /// log Z, summed over everything, where a latent was enumerated.
    pub log_partition: Option<NodeId>,
    /// log Z of each row, where every latent that is summed out belongs to one.
    pub by_row: Option<NodeId>,
    /// E[log factor] element by element, for each term that reads an enumerated latent.
    pub expected: HashMap<Source, NodeId>,
    /// The enumerated latents, by number.
    pub latents: HashMap<usize, Summed>,
    /// Whether they were summed out in time order.
    pub in_turn: bool,
    /// A node of value 0 whose derivative is that of what is minimised, where they were, and whether it is a sum over rows.
    pub slope: Option<(NodeId, bool)>,
    /// By how much the last turn of the loop raises what is minimised, over all rows.
    pub last_turn: Option<NodeId>,
    /// How exact guides choose.
    pub choices: Vec<Choice>,
    /// What `information` is of.
    pub gains: Vec<Gain>,
    /// Whether exact guides follow the multipliers of bounds.
    pub follows_prices: bool,
}

/// One latent summed out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summed {
    /// E[log q(z | those not yet summed out)], summed over everything.
    pub log_q: NodeId,
    /// The probability of each value, over the latent's axes and `values`.
    pub probabilities: NodeId,
    /// The axis of values.
    pub values: Axis,
    /// Its rate, element by element, for the report.
    pub rate: NodeId,
    /// Draws given the draws of all else; of a chain along it. None where a latent that is summed out later has none.
    pub draw: Option<NodeId>,
    /// A draw of each element by itself.
    pub marginal_draw: NodeId,
}
