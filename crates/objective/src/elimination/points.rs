//! One number for each group, whatever its likelihood: integrated at points about its conditional mean, as a
//! finite latent is over its values (adaptive quadrature; Pinheiro and Bates 1995). The trapezoid rule on a smooth density
//! that falls off on both sides errs by less than any power of its step.

use std::collections::HashMap;

use fe_graph::{Axis, Graph, NodeId, Tensor, axis};

use super::convex;
use super::located::Potential;
use crate::guide::builder::Builder;
use crate::messages;
use crate::objective::Underivable;

/// Points of each element, at even steps of t from −REACH to REACH.
pub(crate) const POINTS: usize = 33;
const REACH: f64 = 6.0;

/// They lie at sinh(κ t)/κ standard deviations from the conditional mean: near it at even distances, and further apart
/// outside, since a side may fall off as slowly as the prior: the outermost lie at 11.
const BEND: f64 = 0.35;

/// The points at which a latent is integrated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Points {
    /// Their axis.
    pub along: Axis,
    /// The value at each, over the latent's axes and theirs.
    pub value: NodeId,
    /// log of the width that each stands for, over the same.
    pub log_width: NodeId,
}

/// Places the points of a latent whose elements are apart in `terms`; all else is constant to differentiation there.
///
/// # Errors
/// Where −log p has no derivative.
pub(super) fn place(
    b: &mut Builder,
    latent: &fe_check::Latent,
    terms: &[NodeId],
    stopped: &HashMap<NodeId, NodeId>,
) -> Result<Points, Underivable> {
    let g = &mut *b.g;
    let before = g.set_origin(g.origin_of(latent.node));
    let axes = axis::sorted(&latent.axes);
    let mut energy = g.constant(0.0);
    for &term in terms {
        let total = g.sum_all_but(term, &[]);
        energy = g.sub(energy, total);
    }
    let failed = |e: fe_graph::DerivativeError| messages::no_derivative("the joint density", &e, latent.span);
    let slope = g.gradient(energy, &[latent.node]).map_err(failed)?.first().copied().unwrap_or(energy);
    let (Some(&mean), Some(&sd)) = (latent.prior.args.first(), latent.prior.args.get(1)) else {
        return Err(messages::mixes_elements(&latent.name, latent.span));
    };
    let curvature = curvature(g, latent, terms, slope);
    let found = g.substitute(&[slope, mean, sd, curvature.unwrap_or(slope)], stopped);
    let &[slope, mean, sd, bend] = found.as_slice() else {
        return Err(messages::mixes_elements(&latent.name, latent.span));
    };
    let curvature = curvature.map(|_| bend);
    let potential = Potential { node: latent.node, axes: &axes, slope, curvature, prior: (mean, sd) };
    let (centre, scale) = potential.located(g);
    let along = Axis::plain(g.add_axis(&format!("points of {}", latent.name), POINTS));
    let step = 2.0 * REACH / (POINTS - 1) as f64;
    let steps = || (0..POINTS).map(|k| BEND * (k as f64 * step - REACH));
    let mut literal = |values: Vec<f64>| g.literal(Tensor { shape: vec![POINTS], values }, &[along]);
    let places = literal(steps().map(|t| t.sinh() / BEND).collect());
    let widths = literal(steps().map(|t| (step * t.cosh()).ln()).collect());
    let spread = g.mul(scale, places);
    let value = g.add(centre, spread);
    let value = g.broadcast(value, &axis::union(&axes, &[along]));
    let log_scale = g.log(scale);
    let log_width = g.add(log_scale, widths);
    let (value, log_width) = (g.stop(value), g.stop(log_width));
    g.set_origin(before);
    Ok(Points { along, value, log_width })
}

/// The derivative of each element's slope, where −log p is convex in it.
fn curvature(g: &mut Graph, latent: &fe_check::Latent, terms: &[NodeId], slope: NodeId) -> Option<NodeId> {
    let node = latent.node;
    let convex = terms.iter().all(|&term| {
        let cost = g.neg(term);
        convex::is_convex(g, cost, &[node])
    });
    let slope = g.broadcast(slope, &axis::sorted(&latent.axes));
    let total = g.sum_all_but(slope, &[]);
    // Elements are apart: none has a say in another's slope.
    convex.then(|| g.gradient(total, &[node]).ok()?.first().copied()).flatten()
}

impl Points {
    /// The sum over every second point relative to that over all, less 1, from the points' probabilities: twice the shares of the
    /// even ones, less all. Of a smooth density the sum over all errs by about its square.
    pub fn coarser(&self, g: &mut Graph, probabilities: NodeId) -> NodeId {
        let sign = (0..POINTS).map(|k| if k % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let sign = g.literal(Tensor { shape: vec![POINTS], values: sign }, &[self.along]);
        g.contract(probabilities, sign, &[self.along])
    }

    /// A value from the place of its point: anywhere between half-way to its neighbours, by a number in (0, 1). What that adds
    /// to the variance, a twelfth of the squared width, is taken off again about the mean.
    pub fn drawn(&self, g: &mut Graph, probabilities: NodeId, place: NodeId, within: NodeId) -> NodeId {
        let mean = g.contract(probabilities, self.value, &[self.along]);
        let off = g.sub(self.value, mean);
        let square = g.square(off);
        let variance = g.contract(probabilities, square, &[self.along]);
        let value = g.gather(off, place, self.along);
        let widths = g.exp(self.log_width);
        let width = g.gather(widths, place, self.along);
        let within = g.shift(within, -0.5);
        let within = g.mul(within, width);
        let value = g.add(value, within);
        let squares = g.square(widths);
        let square = g.contract(probabilities, squares, &[self.along]);
        let added = g.scale(square, 1.0 / 12.0);
        let whole = g.add(variance, added);
        let share = g.div(variance, whole);
        let share = g.sqrt(share);
        let value = g.mul(share, value);
        g.add(mean, value)
    }
}
