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
use fe_graph::{Axis, Graph, NodeId, Recurrence, Tensor, axis};

use super::block::{at, identity};
use super::plan::Linked;
use crate::markov::{Block, Recursion, earlier};

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

/// Integrates a chain out of −log p, of which `gradients` are the derivatives in its latents. `zeros` stands for all that is
/// integrated out, these latents included.
pub(super) fn integrate(
    g: &mut Graph,
    (layout, linked): (Layout, Linked),
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
    let precision = match linked {
        Linked::Neighbours => backward(g, &layout, on, beside),
        Linked::Nothing => on,
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
    let mean = match linked {
        Linked::Neighbours => smoothed(g, &layout, slope, spread, transition),
        Linked::Nothing => {
            let given = g.neg(slope);
            block.apply(g, spread, given)
        }
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
fn smoothed(g: &mut Graph, layout: &Layout, slope: NodeId, spread: NodeId, transition: NodeId) -> NodeId {
    let Layout { steps, block, .. } = *layout;
    let turned = match block {
        Block::Scalars => transition,
        Block::Vector(row) => g.transposed(transition, row, row.primed()),
    };
    let turned = from_behind(g, turned, steps, 1);
    let (place, zero) = (g.iota(steps), g.constant(0.0));
    let first = g.equal(place, zero);
    let turned = g.select(first, zero, turned);
    let given = g.neg(slope);
    let given = from_behind(g, given, steps, 0);
    let pulled = Recursion::new(g, block, turned, steps).states(g, given);
    let pulled = from_behind(g, pulled, steps, 0);
    let shift = block.apply(g, spread, pulled);
    Recursion::new(g, block, transition, steps).states(g, shift)
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

/// S_t of every step.
fn backward(g: &mut Graph, layout: &Layout, on: NodeId, beside: NodeId) -> NodeId {
    let steps = layout.steps;
    let (on, link) = (from_behind(g, on, steps, 0), from_behind(g, beside, steps, 1));
    let axes = axis::union(g.axes_of(on), g.axes_of(link));
    let (_, stand_in) = g.input("precision", &axes);
    let after = earlier(g, stand_in, steps, 1);
    let (place, zero) = (g.iota(steps), g.constant(0.0));
    let first = g.equal(place, zero);
    let moved = match layout.block {
        Block::Scalars => {
            // Nothing is read at the first step, and nothing may be divided by there.
            let one = g.constant(1.0);
            let after = g.select(first, one, after);
            let square = g.square(link);
            g.div(square, after)
        }
        Block::Vector(row) => {
            let column = row.primed();
            let unit = identity(g, row, column);
            let after = g.select(first, unit, after);
            let lower = g.cholesky(after, row, column);
            let inverse = g.triangular_inverse(lower, row, column);
            let half = g.matrix_product(inverse, link, row, column);
            let turned = g.transposed(half, row, column);
            g.matrix_product(turned, half, row, column)
        }
    };
    let moved = g.select(first, zero, moved);
    let value = g.sub(on, moved);
    let value = g.broadcast(value, &axes);
    let stepped = g.recur(steps, &[Recurrence { stand_in, value }]);
    // Each position reads the one before it alone, so that there is always an order.
    let backward = stepped.ok().and_then(|s| s.values.first().copied()).unwrap_or(value);
    from_behind(g, backward, steps, 0)
}
