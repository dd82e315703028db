//! One more spike: the slope of an expectation in the mean of a count, from draws of it.
//!
//! ∂E f(z)/∂λᵢ = E[f(z + eᵢ) − f(z)] exactly, for any f, where z is Poisson of mean λ: the difference estimator of
//! measure-valued derivatives (Mohamed, Rosca, Figurnov and Mnih 2020, section 6).

use std::collections::{HashMap, HashSet};

use fe_graph::{Axis, Graph, NodeId, Op, axis};

use super::handles::{Handle, Handled};
use crate::messages;
use crate::objective::Underivable;

/// Counts that a cost draws in the law of a refined guide.
pub(super) struct Drawn {
    /// The number of the handle that is their mean.
    handle: usize,
    /// The draws.
    draws: Vec<NodeId>,
}

/// The drawn counts of a cost, in the order of handles; those that follow from other draws belong to these.
pub(super) fn drawn(g: &Graph, handled: &Handled, cost: NodeId) -> Vec<Drawn> {
    let order = g.reachable(&[cost]);
    let counts: Vec<NodeId> = order.into_iter().filter(|&n| matches!(g.node(n).op, Op::Arrivals { .. })).collect();
    let mut all = vec![];
    for (handle, of) in handled.handles.iter().enumerate() {
        let own = HashSet::from([of.input]);
        let mut draws: Vec<NodeId> = vec![];
        for &n in counts.iter().filter(|&&n| g.depends_on(n, &own)) {
            let before: HashSet<NodeId> = draws.iter().copied().collect();
            if !g.depends_on(n, &before) {
                draws.push(n);
            }
        }
        if !draws.is_empty() {
            all.push(Drawn { handle, draws });
        }
    }
    all
}

/// What one more spike in each element of each drawn count adds to a cost, over the axes of its mean; by the number of the
/// handle. As many evaluations of the cost as a row has elements.
///
/// # Errors
/// Where the cost is not a sum over rows.
pub(super) fn effects(
    g: &mut Graph,
    handled: &Handled,
    row: Option<Axis>,
    cost: NodeId,
) -> Result<HashMap<usize, NodeId>, Underivable> {
    let mut found = HashMap::new();
    for Drawn { handle, draws } in drawn(g, handled, cost) {
        let Some(of) = handled.handles.get(handle) else { continue };
        let effect = effect(g, handled, row, cost, of, &draws).ok_or_else(|| {
            let first = handled.program.refinements.iter().find(|r| r.latent == of.latent);
            first.map_or_else(
                || messages::no_message("", fe_syntax::Span::default()),
                |r| messages::no_message(&r.name, r.span),
            )
        })?;
        found.insert(handle, effect);
    }
    Ok(found)
}

fn effect(
    g: &mut Graph,
    handled: &Handled,
    row: Option<Axis>,
    cost: NodeId,
    of: &Handle,
    draws: &[NodeId],
) -> Option<NodeId> {
    let axes = g.axes_of(of.input).to_vec();
    let chain = handled.program.refinements.iter().find(|r| r.latent == of.latent).and_then(|r| r.chain);
    let apart: Vec<Axis> = row.into_iter().chain(chain).filter(|a| axes.contains(a)).collect();
    let elements: Vec<(Axis, Axis)> =
        axis::difference(&axes, &axis::sorted(&apart)).into_iter().map(|a| (Axis::private(a.id), a)).collect();
    let mut one = g.constant(1.0);
    for &(which, own) in &elements {
        let (which, own) = (g.iota(which), g.iota(own));
        let here = g.equal(which, own);
        one = g.mul(one, here);
    }
    let more: HashMap<NodeId, NodeId> = draws.iter().map(|&z| (z, g.add(z, one))).collect();
    let with = g.substitute(&[cost], &more).first().copied()?;
    let moving: HashSet<NodeId> = draws.iter().copied().collect();
    let kept: Vec<Axis> = apart.iter().copied().chain(elements.iter().map(|e| e.0)).collect();
    let with = g.apart(with, &kept, &moving)?;
    let without = g.apart(cost, &apart, &moving)?;
    let effect = g.sub(with, without);
    let effect = g.rename(effect, &elements);
    Some(g.broadcast(effect, &axes))
}

/// A cost with its draws as constants, for what it has of a mean in closed form.
pub(super) fn held(g: &mut Graph, handled: &Handled, cost: NodeId) -> NodeId {
    let draws: Vec<NodeId> = drawn(g, handled, cost).into_iter().flat_map(|d| d.draws).collect();
    let stopped: HashMap<NodeId, NodeId> = draws.into_iter().map(|z| (z, g.stop(z))).collect();
    g.substitute(&[cost], &stopped).first().copied().unwrap_or(cost)
}

/// Draws at their means, for the curvature: a count that is drawn has no slope of its own.
pub(super) fn at_means(g: &mut Graph, nodes: &[NodeId]) -> Vec<NodeId> {
    let mut means = HashMap::new();
    for n in g.reachable(nodes) {
        if let (Op::Arrivals { .. }, &[log_rate, _]) = (&g.node(n).op, g.node(n).inputs.as_slice()) {
            let axes = g.axes_of(n).to_vec();
            let rate = g.exp(log_rate);
            means.insert(n, g.broadcast(rate, &axes));
        }
    }
    g.substitute(nodes, &means)
}
