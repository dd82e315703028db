//! The exact conditional of a chain: its precision is block tridiagonal, and is taken apart from the last step backward.
//!
//! With D_t the blocks of H on the diagonal and O_t those beside it (of step t with t − 1),
//!
//! S_t = D_t − O_{t+1}ᵀ S_{t+1}⁻¹ O_{t+1},   A_t = −S_t⁻¹ O_t,   h_t = −g_t + A_{t+1}ᵀ h_{t+1},
//!
//! z_t | z_{t−1} ~ N(A_t z_{t−1} + S_t⁻¹ h_t, S_t⁻¹), log |H| = Σ log |S_t|: the Kalman smoother, in its information form and
//! backward.

use std::collections::HashMap;
use std::f64::consts::PI;

use fe_check::Latent;
use fe_graph::{Axis, Graph, NodeId, Scan, Tensor, axis};

use super::block::{at, identity};
use super::plan::Linked;
use crate::markov::{Block, Recursion};

/// Steps that are probed together: those whose neighbours are apart from each other's.
const PHASES: usize = 3;

/// A latent of a chain, and its place among the scalars of a step.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub number: usize,
    /// Its axes but for the steps.
    pub rest: Vec<Axis>,
    pub start: usize,
    pub length: usize,
}

/// How the latents of a chain lie in one array over its steps and the scalars of a step.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub steps: Axis,
    /// The scalars of a step; none where it is one, without an axis of its own.
    pub row: Option<Axis>,
    pub block: Block,
    pub width: usize,
    pub members: Vec<Member>,
}

/// A chain given θ and what is integrated out after it.
pub(super) struct Smoothed {
    pub layout: Layout,
    /// A_t, 0 at the first step.
    pub transition: NodeId,
    /// F_t of what is new at a step, F Fᵀ = S⁻¹.
    pub factor: NodeId,
    /// S⁻¹
    pub spread: NodeId,
    pub mean: NodeId,
    /// log |F|, of each scalar.
    pub log_scale: NodeId,
    /// −log p of what is left.
    pub left: NodeId,
}

impl Layout {
    /// Of some latents along the steps of a loop; `apart` where the scalars of a step go their own ways.
    pub fn new(g: &mut Graph, latents: &[(usize, &Latent)], steps: Axis, apart: bool) -> Self {
        let (mut members, mut width) = (vec![], 0);
        for (number, latent) in latents {
            let rest: Vec<Axis> = latent.axes.iter().copied().filter(|a| *a != steps).collect();
            let length = super::elements(g, &rest);
            members.push(Member { number: *number, rest, start: width, length });
            width += length;
        }
        let bare = members.len() == 1 && members.iter().all(|m| m.rest.is_empty());
        let names: Vec<&str> = latents.iter().map(|(_, l)| l.name.as_str()).collect();
        let row = (!bare).then(|| Axis::plain(g.add_axis(&format!("{} step", names.join(".")), width)));
        let block = row.filter(|_| !apart).map_or(Block::Scalars, Block::Vector);
        Self { steps, row, block, width, members }
    }

    /// Axes of the array.
    pub fn axes(&self) -> Vec<Axis> {
        axis::sorted(&std::iter::once(self.steps).chain(self.row).collect::<Vec<_>>())
    }

    /// The part of one latent, over its axes.
    pub fn take(&self, g: &mut Graph, x: NodeId, member: &Member) -> NodeId {
        let Some(row) = self.row else { return x };
        let x = g.broadcast(x, &[row]);
        if member.rest.is_empty() {
            return g.pick(x, row, member.start);
        }
        if member.length == self.width {
            return g.reshape(x, &[row], &member.rest);
        }
        let flat = Axis::plain(g.add_axis("part of a step", member.length));
        let x = g.slice(x, row, member.start, flat);
        g.reshape(x, &[flat], &member.rest)
    }

    /// One array from the parts of all latents.
    fn put(&self, g: &mut Graph, parts: Vec<NodeId>) -> NodeId {
        let Some(row) = self.row else { return parts.first().copied().unwrap_or_else(|| g.constant(0.0)) };
        let mut whole: Option<(NodeId, Axis, usize)> = None;
        for (part, member) in parts.into_iter().zip(&self.members) {
            let part = g.broadcast(part, &axis::sorted(&member.rest));
            let alone = whole.is_none() && member.length == self.width;
            let flat = if alone { row } else { Axis::plain(g.add_axis("part of a step", member.length)) };
            let part = if member.rest.is_empty() {
                g.broadcast(part, &[flat])
            } else {
                g.reshape(part, &member.rest, &[flat])
            };
            whole = Some(match whole {
                None => (part, flat, member.length),
                Some((before, axis, size)) => {
                    let size = size + member.length;
                    let longer =
                        if size == self.width { row } else { Axis::plain(g.add_axis("parts of a step", size)) };
                    (g.concat((before, axis), (part, flat), longer), longer, size)
                }
            });
        }
        whole.map_or_else(|| g.constant(0.0), |w| w.0)
    }
}

/// How the mean is worked out along the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// By neighbours in pairs: it may read what else is random, of which expectations are taken.
    Pairs,
    /// By a loop: it is a number, given numbers.
    Turns,
}

/// Integrates a chain out of −log p, of which `gradients` are the derivatives in its latents. `zeros` stands for all that is
/// integrated out, these latents included.
pub(super) fn integrate(
    g: &mut Graph,
    (layout, linked, by): (Layout, Linked, By),
    nodes: &[NodeId],
    (energy, gradients): (NodeId, &[NodeId]),
    zeros: &HashMap<NodeId, NodeId>,
) -> Smoothed {
    let Layout { steps, row, block, width, .. } = layout;
    let own: HashMap<NodeId, NodeId> = nodes.iter().filter_map(|n| zeros.get(n).map(|&z| (*n, z))).collect();
    let at_zero: Vec<NodeId> = gradients.iter().map(|&n| at(g, n, &own)).collect();
    let slope = layout.put(g, at_zero);
    let slope = g.broadcast(slope, &layout.axes());
    let (on, beside) = blocks(g, (&layout, linked), nodes, gradients, zeros);
    let given = g.neg(slope);
    let (precision, pulled) = match (linked, by) {
        (Linked::Neighbours, By::Turns) => backward(g, &layout, (on, beside), given),
        // The precision is known of what reads nothing else that is random.
        (Linked::Neighbours, By::Pairs) => {
            let none = g.full(0.0, &layout.axes());
            (backward(g, &layout, (on, beside), none).0, given)
        }
        (Linked::Nothing, _) => (on, given),
    };
    let (factor, spread, log_scale) = match block {
        Block::Scalars => {
            let (root, log) = (g.sqrt(precision), g.log(precision));
            (g.recip(root), g.recip(precision), g.scale(log, -0.5))
        }
        Block::Vector(row) => {
            let column = row.primed();
            let lower = g.cholesky(precision, row, column);
            let inverse = g.triangular_inverse(lower, row, column);
            let factor = g.transposed(inverse, row, column);
            let diagonal = g.diagonal(lower, row, column);
            let log = g.log(diagonal);
            (factor, g.matrix_product(factor, inverse, row, column), g.neg(log))
        }
    };
    let transition = block.product(g, spread, beside);
    let transition = g.neg(transition);
    let mean = match (linked, by) {
        (Linked::Neighbours, By::Pairs) => smoothed(g, &layout, given, spread, transition),
        (Linked::Neighbours, By::Turns) => {
            let shift = block.apply(g, spread, pulled);
            Recursion::in_turns(block, transition, steps).states(g, shift)
        }
        (Linked::Nothing, _) => block.apply(g, spread, given),
    };
    let mean = g.broadcast(mean, &layout.axes());
    let log_scale = g.broadcast(log_scale, &layout.axes());
    let means: HashMap<NodeId, NodeId> =
        nodes.iter().zip(&layout.members).map(|(&n, member)| (n, layout.take(g, mean, member))).collect();
    let at_mean = at(g, energy, &means);
    let volume = g.sum_all_but(log_scale, &[]);
    let left = g.sub(at_mean, volume);
    let count = (g.extent_of(steps.id) * width) as f64;
    let left = g.shift(left, -0.5 * count * (2.0 * PI).ln());
    debug_assert!(row.is_some() || width == 1);
    Smoothed { layout, transition, factor, spread, mean, log_scale, left }
}

/// The mean, from h, which is had from the last step backward.
fn smoothed(g: &mut Graph, layout: &Layout, given: NodeId, spread: NodeId, transition: NodeId) -> NodeId {
    let Layout { steps, block, .. } = *layout;
    let turned = match block {
        Block::Scalars => transition,
        Block::Vector(row) => g.transposed(transition, row, row.primed()),
    };
    let turned = from_behind(g, turned, steps, 1);
    let (place, zero) = (g.iota(steps), g.constant(0.0));
    let first = g.equal(place, zero);
    let turned = g.select(first, zero, turned);
    let given = from_behind(g, given, steps, 0);
    let pulled = Recursion::in_pairs(g, block, turned, steps).states(g, given);
    let pulled = from_behind(g, pulled, steps, 0);
    let shift = block.apply(g, spread, pulled);
    Recursion::in_pairs(g, block, transition, steps).states(g, shift)
}

/// x at the steps counted from the last one, and so many on.
fn from_behind(g: &mut Graph, x: NodeId, steps: Axis, on: usize) -> NodeId {
    let length = g.extent_of(steps.id);
    let x = g.broadcast(x, &[steps]);
    let values = (0..length).map(|k| (length - 1 - k + on).min(length - 1) as f64).collect();
    let index = g.literal(Tensor { shape: vec![length], values }, &[steps]);
    g.gather(x, index, steps)
}

/// The blocks of the Hessian on the diagonal, and those beside it, 0 at the first step: differences of the gradient at
/// every third step's unit vectors, or at those of all steps where they are apart. Each third is written out by itself: an axis of
/// three would lie within the longer ones.
fn blocks(
    g: &mut Graph,
    (layout, linked): (&Layout, Linked),
    nodes: &[NodeId],
    gradients: &[NodeId],
    zeros: &HashMap<NodeId, NodeId>,
) -> (NodeId, NodeId) {
    let length = g.extent_of(layout.steps.id);
    let phases = if linked == Linked::Neighbours { PHASES } else { 1 };
    let unit = match layout.block {
        Block::Scalars => g.constant(1.0),
        Block::Vector(row) => identity(g, row, row.primed()),
    };
    let (mut on, mut beside) = (g.constant(0.0), g.constant(0.0));
    for phase in 0..phases {
        let mut mask = |by: usize| {
            let values =
                (0..length).map(|t| f64::from(u8::from(t >= by && (t - by) % phases == phase))).collect::<Vec<f64>>();
            g.literal(Tensor { shape: vec![length], values }, &[layout.steps])
        };
        let (now, before) = (mask(0), mask(1));
        let probe = g.mul(now, unit);
        let mut probed = zeros.clone();
        for (node, member) in nodes.iter().zip(&layout.members) {
            let own = match layout.block {
                Block::Scalars => g.broadcast(probe, &axis::sorted(&member.rest)),
                Block::Vector(_) => layout.take(g, probe, member),
            };
            probed.insert(*node, own);
        }
        let mut columns = vec![];
        for &gradient in gradients {
            let (moved, origin) = (at(g, gradient, &probed), at(g, gradient, zeros));
            columns.push(g.sub(moved, origin));
        }
        let whole = layout.put(g, columns);
        let own = g.mul(whole, now);
        on = g.add(on, own);
        if linked == Linked::Neighbours {
            let own = g.mul(whole, before);
            beside = g.add(beside, own);
        }
    }
    let mut axes = layout.axes();
    if let Block::Vector(row) = layout.block {
        axes = axis::union(&axes, &[row.primed()]);
    }
    (g.broadcast(on, &axes), g.broadcast(beside, &axes))
}

/// S_t and h_t of every step, from the last one backward, by a loop.
fn backward(g: &mut Graph, layout: &Layout, (on, beside): (NodeId, NodeId), given: NodeId) -> (NodeId, NodeId) {
    let Layout { steps, block, .. } = *layout;
    let axes = |g: &Graph, n| axis::difference(g.axes_of(n), &[steps]);
    let (of_matrix, of_vector) = (axis::union(&axes(g, on), &axes(g, beside)), axes(g, given));
    // Nothing is read after the last step: there O is 0, whatever S is.
    let one = match block {
        Block::Scalars => g.constant(1.0),
        Block::Vector(row) => identity(g, row, row.primed()),
    };
    let start = [g.broadcast(one, &of_matrix), g.full(0.0, &of_matrix), g.full(0.0, &of_vector)];
    let mut body = Graph::with_axes_of(g);
    let (carried, after) = body.input("precision", &of_matrix);
    let (carried_link, link) = body.input("link", &of_matrix);
    let (carried_pull, pull) = body.input("pull", &of_vector);
    let (slice_on, on_now) = body.input("on", &of_matrix);
    let (slice_beside, beside_now) = body.input("beside", &of_matrix);
    let (slice_given, given_now) = body.input("given", &of_vector);
    let (moved, back) = match block {
        Block::Scalars => {
            let ratio = body.div(link, after);
            (body.mul(link, ratio), body.mul(ratio, pull))
        }
        Block::Vector(row) => {
            let column = row.primed();
            let lower = body.cholesky(after, row, column);
            let inverse = body.triangular_inverse(lower, row, column);
            let half = body.matrix_product(inverse, link, row, column);
            let turned = body.transposed(half, row, column);
            let back = block.apply(&mut body, inverse, pull);
            (body.matrix_product(turned, half, row, column), block.apply(&mut body, turned, back))
        }
    };
    let (precision, pulled) = (body.sub(on_now, moved), body.sub(given_now, back));
    let scan = Scan {
        body,
        axis: steps,
        reverse: true,
        carries: vec![(carried, precision), (carried_link, beside_now), (carried_pull, pulled)],
        slices: vec![slice_on, slice_beside, slice_given],
        constants: vec![],
        time: None,
        stacked: vec![precision, pulled],
    };
    let carries = scan.carries.len();
    let results = g.scan(scan, &start, &[on, beside, given], &[]);
    let result = |k: usize, other| results.get(carries + k).copied().unwrap_or(other);
    (result(0, on), result(1, given))
}
