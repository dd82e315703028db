//! Latents whose likelihood is not Gaussian, by the Gaussian at their mode given all others: m where U(z; θ) is least, and its
//! Hessian there, both functions of θ (the Laplace approximation, nested; Rue, Martino and Chopin 2009). It is a guide and no
//! identity: draws of it have weights.
//!
//! m is found by Newton's method, each step of which is a quadratic that is integrated as those of elimination are. It is a constant
//! to differentiation but for one step more from it, δ = −H⁻¹ g, which is 0 there and has the derivative of m,
//! dm/dθ = −H⁻¹ ∂g/∂θ (implicit function theorem).

use std::collections::{HashMap, HashSet};

use fe_check::Latent;
use fe_graph::{Axis, DerivativeError, Graph, NodeId, State, Tensor, axis};

use super::block::at;
use super::chain::{self, Layout, Smoothed};
use super::plan::Linked;

/// Newton's steps, and how much of one is tried each time: what lowers U most is taken, so that none makes it worse.
const MOVES: usize = 10;
const PARTS: [f64; 4] = [1.0, 0.3, 0.05, 0.0];

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

/// The Gaussian at the mode of −log p, given by U: as a chain's conditional, as functions of all other latents.
///
/// # Errors
/// When U has no second derivative.
pub(super) fn mode(
    g: &mut Graph,
    (layout, linked): (Layout, Linked),
    latents: &[(usize, &Latent)],
    energy: NodeId,
) -> Result<Smoothed, DerivativeError> {
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
    let found = of.descend(g);
    let found = g.stop(found);
    // One step more, which has the derivative of the mode; and the curvature there.
    let last = of.step(g, found);
    let mode = g.add(found, last.mean);
    let mut result = of.step(g, mode);
    result.mean = mode;
    Ok(result)
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
        let layout = (self.layout.clone(), self.linked);
        chain::integrate(g, layout, &self.directions, (energy, &gradients), &self.zeros)
    }

    /// The mode, from 0.
    fn descend(&self, g: &mut Graph) -> NodeId {
        let axes = self.layout.axes();
        let (_, stand_in) = g.input("mode", &axes);
        let step = self.step(g, stand_in).mean;
        let tries = Axis::plain(g.add_axis("tries", PARTS.len()));
        let parts = g.literal(Tensor { shape: vec![PARTS.len()], values: PARTS.to_vec() }, &[tries]);
        let off = g.mul(step, parts);
        let tried = g.add(stand_in, off);
        let places = self.place(g, tried);
        let energy = at(g, self.energy, &places);
        let energy = g.broadcast(energy, &[tries]);
        let highest = g.constant(HIGHEST);
        let known = g.less(energy, highest);
        let energy = g.select(known, energy, highest);
        let gain = g.neg(energy);
        let most = g.max(gain, &[tries]);
        let best = g.equal(gain, most);
        let count = g.sum(best, &[tries]);
        let share = g.contract(best, parts, &[tries]);
        let share = g.div(share, count);
        // A step that is no number is none.
        let zero = g.constant(0.0);
        let whole = g.equal(step, step);
        let step = g.select(whole, step, zero);
        let by = g.mul(share, step);
        let next = g.add(stand_in, by);
        let next = g.broadcast(next, &axes);
        let moves = Axis::plain(g.add_axis("Newton's steps", MOVES));
        let from = g.full(0.0, &axes);
        let state = State { stand_in, from, next };
        let found = g.iterate(moves, &[state], &[], &HashSet::new(), None);
        found.last.first().copied().unwrap_or(from)
    }
}
