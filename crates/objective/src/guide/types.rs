//! What guides are made of, below the modules that build them: how a latent is represented, the joint Gaussians and chains
//! that latents are part of, and what all of it has in the graph.

use std::collections::HashMap;

use fe_check::JointKind;
use fe_distribution::Distribution;
use fe_graph::{Axis, Graph, InputId, NodeId, Site, Tensor};

use crate::elimination::{Eliminated, Points};
use crate::guide::kind::{ChainReason, GuideKind, Turn};
use crate::markov::{self, Recursion};
use crate::objective::{Block, Parameter};

/// The most scalars that share one full-rank Gaussian when nothing is said.
pub const FULL_RANK_LIMIT: usize = 256;

/// How one latent is represented.
#[derive(Clone, Debug)]
pub(crate) enum Posterior {
    /// Its own input is random, with this law.
    Family(Distribution),
    /// A function of the noise of a joint guide.
    Joint(JointPart),
    /// A free value.
    Point,
    /// The prior.
    Prior(Distribution),
    /// The exact conditional of a finite latent given all else, by summing it out.
    Enumerated,
}

/// A latent as a part of a joint guide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JointPart {
    /// Of which.
    pub of: Carrier,
    /// log |dz/du|, per element.
    pub log_jacobian: NodeId,
    /// Its mean is that of −log q(u | earlier latents of the group); of a Gaussian it is a number.
    pub entropy: NodeId,
    /// log q(u | earlier latents of the group).
    pub log_density: NodeId,
    /// log p(z) + log |dz/du| per element, of a latent that is fitted as location + scale · u: the density of u.
    pub log_prior: Option<NodeId>,
}

/// The Gaussian that a latent is part of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Carrier {
    /// A joint Gaussian, by number.
    Group(usize),
    /// A Gaussian Markov chain, by number.
    Chain(usize),
    /// Its exact conditional, which is Gaussian.
    Conditional,
    /// The Gaussian at its mode given all else.
    Around,
}

/// A standard normal vector: its node, its noise, and its axes.
#[derive(Clone, Debug)]
pub(crate) struct Vector {
    pub node: NodeId,
    pub site: Site,
    pub axes: Vec<Axis>,
}

/// A joint guide under construction.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub name: String,
    pub axis: Axis,
    pub dimension: usize,
    /// What is fitted of it.
    pub kind: JointKind,
    pub blocks: Vec<Block>,
    pub start: InputId,
    pub preconditioner: InputId,
    /// The node of ε.
    pub noise: NodeId,
    /// The node of u.
    pub value: NodeId,
    pub site: Site,
}

/// The axes of a joint guide's vector and the names of what is fitted of it.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub name: String,
    pub along: Axis,
    pub across: Axis,
    pub dimension: usize,
}

/// Of one block of u, given the blocks before it.
pub(crate) struct Conditional {
    /// The squared length of its standardised residual.
    pub square: NodeId,
    /// log of its scale, summed over elements.
    pub log_scale: NodeId,
}

/// A Gaussian Markov chain under construction.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    /// The latents.
    pub parts: Vec<Block>,
    /// Axes of u, the steps first.
    pub axes: Vec<Axis>,
    /// Axes of A and L, the steps first.
    pub square: Vec<Axis>,
    /// How many steps back terms reach.
    pub reach: usize,
    /// Why this is the guide.
    pub reason: ChainReason,
    pub start: InputId,
    pub transition: InputId,
    pub scale: InputId,
    pub whitening: InputId,
    /// The node of u.
    pub value: NodeId,
    pub site: Site,
    pub motion: Motion,
}

/// How a Gaussian Markov chain deviates from its mean: x_t = A_t x_{t−1} + F_t ε_t.
#[derive(Clone, Debug)]
pub(crate) struct Motion {
    /// The node of u − m, which is random.
    pub deviation: NodeId,
    /// The node of ε.
    pub noise: NodeId,
    pub recursion: Recursion,
    pub factor: NodeId,
    /// The law of the deviation.
    pub law: markov::ChainLaw,
}

impl Motion {
    /// u − m at this ε.
    pub fn at_noise(&self, g: &mut Graph, noise: NodeId) -> NodeId {
        let spread = self.law.block.apply(g, self.factor, noise);
        self.recursion.states(g, spread)
    }
}

/// Latents that are drawn together along an axis, because their guides read one another's past.
#[derive(Clone, Debug)]
pub(crate) struct Autoregressive {
    pub axis: Axis,
    /// Their numbers, in order of declaration.
    pub members: Vec<usize>,
}

/// A mode that is looked for at every draw of what it depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SoughtMode {
    /// Where the search begins.
    pub start: InputId,
    /// Where it ends.
    pub found: NodeId,
}

/// Every latent's representation.
#[derive(Debug, Default)]
pub(crate) struct Realised {
    pub posteriors: Vec<Posterior>,
    /// How each is reported.
    pub kinds: Vec<GuideKind>,
    pub groups: Vec<Group>,
    /// Gaussian Markov chains along loops.
    pub chains: Vec<Chain>,
    pub parameters: Vec<Parameter>,
    /// Standard normal vectors behind guides that are affine in one.
    pub vectors: Vec<Vector>,
    /// Latents whose guides read one another's past.
    pub loops: Vec<Autoregressive>,
    /// The points of latents that are integrated at such, by number.
    pub points: HashMap<usize, Points>,
    /// The largest values of counts without an end that are summed out, by number.
    pub counts: HashMap<usize, usize>,
    /// Finite latents that are summed out in time order, by number.
    pub in_turn: HashMap<usize, Turn>,
    /// Latents that are integrated out.
    pub eliminated: Vec<Eliminated>,
    /// Modes of what is taken by the Gaussian there.
    pub modes: Vec<SoughtMode>,
    /// What takes the place of a latent's input where it is not random by itself.
    pub replaced: HashMap<NodeId, NodeId>,
    /// The same of latents that are integrated out, with the derivatives that their means and scales have in what they depend
    /// on: in `replaced` they have none, since what is minimised has none there.
    pub exact: HashMap<NodeId, NodeId>,
    pub notes: Vec<String>,
}

/// The sum of a vector over one block.
pub(crate) fn over_block(g: &mut Graph, frame: &Frame, block: &Block, vector: NodeId) -> NodeId {
    let part = Axis::plain(g.add_axis(&format!("{} elements", block.name), block.length));
    let own = g.slice(vector, frame.along, block.start, part);
    g.sum(own, &[part])
}

/// What lies below the diagonal of a matrix.
pub(crate) fn strictly_lower(g: &mut Graph, frame: &Frame, matrix: NodeId, n: usize) -> NodeId {
    let values = (0..n).flat_map(|i| (0..n).map(move |j| f64::from(u8::from(j < i)))).collect();
    let mask = g.literal(Tensor { shape: vec![n, n], values }, &[frame.along, frame.across]);
    g.mul(mask, matrix)
}
