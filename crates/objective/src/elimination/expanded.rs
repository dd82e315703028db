//! A quadratic written out: c + gᵀ z + ½ zᵀ H z, whose coefficients read rows once each. What is left after each stage is then
//! worked out from arrays as long as the latents, however many rows there are.

use std::collections::HashMap;

use fe_check::Latent;
use fe_graph::{Axis, DerivativeError, Graph, NodeId, axis};

use super::block::{at, identity};
use super::elements;
use super::reads::{Link, Links};

/// The most numbers that the coefficients of one pair of latents may have.
const MOST: usize = 1 << 16;

/// −log p as an explicit quadratic in some latents, given by number. `None` where a pair has too many coefficients.
///
/// # Errors
/// When −log p has no derivative.
pub(super) fn expanded(
    g: &mut Graph,
    energy: NodeId,
    latents: &[(usize, &Latent)],
    zeros: &HashMap<NodeId, NodeId>,
    links: &Links,
) -> Result<Option<NodeId>, DerivativeError> {
    let pairs: Vec<(usize, usize)> = (0..latents.len()).flat_map(|a| (a..latents.len()).map(move |b| (a, b))).collect();
    let apart = |(a, b): (usize, usize)| -> Option<(&Latent, &Latent, Vec<Axis>)> {
        let (&(i, one), &(j, other)) = (latents.get(a)?, latents.get(b)?);
        let same = |axis: &Axis| one.axes.contains(axis) && links.along(i, j, *axis) == Link::Same;
        let rest = other.axes.iter().copied().filter(|x| !same(x)).collect();
        links.meet(i, j).then_some((one, other, rest))
    };
    let met: Vec<(&Latent, &Latent, Vec<Axis>)> = pairs.into_iter().filter_map(apart).collect();
    let large = |(one, _, rest): &(&Latent, &Latent, Vec<Axis>)| {
        elements(g, &one.axes).saturating_mul(elements(g, rest)) > MOST
    };
    if met.iter().any(large) {
        return Ok(None);
    }
    let nodes: Vec<NodeId> = latents.iter().map(|(_, l)| l.node).collect();
    let gradients = g.gradient(energy, &nodes)?;
    let slopes: HashMap<NodeId, NodeId> = nodes.into_iter().zip(gradients).collect();
    let mut total = at(g, energy, zeros);
    for (_, latent) in latents {
        let Some(&slope) = slopes.get(&latent.node) else { continue };
        let origin = at(g, slope, zeros);
        let linear = g.mul(origin, latent.node);
        let linear = g.broadcast(linear, &latent.axes);
        let linear = g.sum_all_but(linear, &[]);
        total = g.add(total, linear);
    }
    for (one, other, rest) in met {
        let Some(&slope) = slopes.get(&one.node) else { continue };
        let mut probe = g.constant(1.0);
        let mut columns = vec![];
        for &row in &rest {
            let column = Axis::plain(g.add_axis(&format!("{} again", g.axis_name(row)), g.extent_of(row.id)));
            let unit = identity(g, row, column);
            probe = g.mul(probe, unit);
            columns.push((row, column));
        }
        let probe = g.broadcast(probe, &axis::sorted(&other.axes));
        let mut probed = zeros.clone();
        probed.insert(other.node, probe);
        let (moved, origin) = (at(g, slope, &probed), at(g, slope, zeros));
        let curvature = g.sub(moved, origin);
        let own: Vec<Axis> = columns.iter().map(|c| c.1).collect();
        let curvature = g.broadcast(curvature, &axis::union(&axis::sorted(&one.axes), &axis::sorted(&own)));
        let turned = if columns.is_empty() { other.node } else { g.rename(other.node, &columns) };
        let applied = if own.is_empty() { g.mul(curvature, turned) } else { g.contract(curvature, turned, &own) };
        let product = g.mul(one.node, applied);
        let product = g.sum_all_but(product, &[]);
        let share = if one.node == other.node { 0.5 } else { 1.0 };
        let product = g.scale(product, share);
        total = g.add(total, product);
    }
    Ok(Some(total))
}
