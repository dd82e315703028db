//! Latents whose likelihood is not Gaussian, by the Gaussian at their mode given all others: m where U(z; θ) is least, and its
//! Hessian there, both functions of θ (the Laplace approximation, nested; Rue, Martino and Chopin 2009). It is a guide and no
//! identity: draws of it have weights.
//!
//! m is found by Newton's method, each step of which is a quadratic that is integrated as those of elimination are. It is a constant
//! to differentiation but for one step more from it, δ = −H⁻¹ g, which is 0 there and has the derivative of m,
//! dm/dθ = −H⁻¹ ∂g/∂θ (implicit function theorem).

use std::collections::{HashMap, HashSet};

use fe_check::Latent;
use fe_graph::{Axis, DerivativeError, Graph, NodeId, State, axis};

use super::block::at;
use super::chain::{self, By, Layout, Smoothed};
use super::plan::Linked;
use crate::markov::Block;

/// Newton's steps, and how much of one is tried each time: what lowers U most is taken, so that none makes it worse; the first of
/// those that lower it alike.
const MOVES: usize = 10;
const PARTS: [f64; 4] = [1.0, 0.3, 0.05, 0.0];

/// A step whose squares, in conditional variances, sum to less is not taken, so that the search ends: the two steps after it
/// square what is left twice.
const NEAR: f64 = 1e-14;

/// What is larger, or no number, is no place to go to.
const HIGHEST: f64 = 1e300;

/// U and its derivatives about a point.
struct Quadratic<'l> {
    latents: Vec<&'l Latent>,
    layout: Layout,
    linked: Linked,
    energy: NodeId,
    gradient: Vec<NodeId>,
    /// H v, of `directions` v.
    products: Vec<NodeId>,
    directions: Vec<NodeId>,
    /// v = 0
    zeros: HashMap<NodeId, NodeId>,
}

/// The Gaussian at the mode of −log p, given by U: as a chain's conditional, as functions of all other latents; and the mode by
/// itself, which has no derivative. It is looked for from a point.
///
/// # Errors
/// When U has no second derivative.
pub(super) fn mode(
    g: &mut Graph,
    (layout, linked): (Layout, Linked),
    latents: &[(usize, &Latent)],
    (energy, from): (NodeId, NodeId),
) -> Result<(Smoothed, NodeId), DerivativeError> {
    let nodes: Vec<NodeId> = latents.iter().map(|(_, l)| l.node).collect();
    let gradient = g.gradient(energy, &nodes)?;
    let mut slope = g.constant(0.0);
    let (mut directions, mut zeros) = (vec![], HashMap::new());
    for ((_, latent), &own) in latents.iter().zip(&gradient) {
        let axes = axis::sorted(&latent.axes);
        let (_, direction) = g.input(&format!("{} step", latent.name), &axes);
        let along = g.mul(own, direction);
        let along = g.broadcast(along, &axes);
        let along = g.sum_all_but(along, &[]);
        slope = g.add(slope, along);
        zeros.insert(direction, g.full(0.0, &axes));
        directions.push(direction);
    }
    let products = g.gradient(slope, &nodes)?;
    let latents = latents.iter().map(|(_, l)| *l).collect();
    let of = Quadratic { latents, layout, linked, energy, gradient, products, directions, zeros };
    let found = of.descend(g, from);
    let found = g.stop(found);
    // One step more, which has the derivative of the mode; and the curvature there.
    let last = of.step(g, found);
    let mode = g.add(found, last.mean);
    let mut result = of.step(g, mode);
    result.mean = mode;
    Ok((result, found))
}

impl Quadratic<'_> {
    /// What stands for each latent at a point.
    fn place(&self, g: &mut Graph, point: NodeId) -> HashMap<NodeId, NodeId> {
        let members = self.latents.iter().zip(&self.layout.members);
        members.map(|(l, member)| (l.node, self.layout.take(g, point, member))).collect()
    }

    /// Newton's step from a point, as the mean of the quadratic there.
    fn step(&self, g: &mut Graph, point: NodeId) -> Smoothed {
        let here = self.place(g, point);
        let mut gradients = vec![];
        for (&gradient, &product) in self.gradient.iter().zip(&self.products) {
            let (level, product) = (at(g, gradient, &here), at(g, product, &here));
            gradients.push(g.add(level, product));
        }
        let moved: HashMap<NodeId, NodeId> = self
            .latents
            .iter()
            .zip(&self.directions)
            .map(|(l, &v)| {
                let from = here.get(&l.node).copied().unwrap_or(l.node);
                (l.node, g.add(from, v))
            })
            .collect();
        let energy = at(g, self.energy, &moved);
        let layout = (self.layout.clone(), self.linked, By::Turns);
        chain::integrate(g, layout, &self.directions, (energy, &gradients), &self.zeros)
    }

    /// 1 where a step is of any size beside the standard deviations of what is new at each position.
    fn is_far(&self, g: &mut Graph, step: NodeId, spread: NodeId) -> NodeId {
        let variance = match self.layout.block {
            Block::Scalars => spread,
            Block::Vector(row) => g.diagonal(spread, row, row.primed()),
        };
        let square = g.square(step);
        let size = g.div(square, variance);
        let size = g.sum_all_but(size, &[]);
        let near = g.constant(NEAR);
        g.less(near, size)
    }

    /// The mode, from a point.
    fn descend(&self, g: &mut Graph, from: NodeId) -> NodeId {
        let axes = self.layout.axes();
        let (_, stand_in) = g.input("mode", &axes);
        let Smoothed { mean: step, spread, .. } = self.step(g, stand_in);
        let moves = self.is_far(g, step, spread);
        // Each part is tried by itself: an axis of so few would lie within the longer ones.
        let highest = g.constant(HIGHEST);
        let (mut share, mut least) = (g.constant(0.0), highest);
        for part in PARTS {
            let off = g.scale(step, part);
            let tried = g.add(stand_in, off);
            let places = self.place(g, tried);
            let energy = at(g, self.energy, &places);
            let better = g.less(energy, least);
            let part = g.constant(part);
            share = g.select(better, part, share);
            least = g.select(better, energy, least);
        }
        let share = g.mul(share, moves);
        // A step that is no number is none.
        let zero = g.constant(0.0);
        let whole = g.equal(step, step);
        let step = g.select(whole, step, zero);
        let by = g.mul(share, step);
        let next = g.add(stand_in, by);
        let next = g.broadcast(next, &axes);
        let moves = Axis::plain(g.add_axis("Newton's steps", MOVES));
        let state = State { stand_in, from, next };
        let found = g.iterate(moves, &[state], &[], &HashSet::new(), None);
        found.last.first().copied().unwrap_or(from)
    }
}
