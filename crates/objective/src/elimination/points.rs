//! One number for each group, whatever its likelihood: integrated at points spread evenly about its conditional mode, as a
//! finite latent is over its values (adaptive quadrature; Pinheiro and Bates 1995). The trapezoid rule on a smooth density
//! that falls off on both sides errs by less than any power of its step.

use std::collections::HashMap;

use fe_graph::{Axis, Binary, Graph, NodeId, Tensor, axis};

use super::block::at;
use crate::guide::builder::Builder;
use crate::messages;
use crate::objective::Underivable;

/// Points of each element, at even steps of t from −REACH to REACH.
pub(crate) const POINTS: usize = 33;
const REACH: f64 = 6.0;

/// They lie at sinh(κ t)/κ standard deviations, by the curvature at the mode, from there: near it at even distances, and
/// further apart outside, since a side may fall off as slowly as the prior: the outermost lie at 11.
const BEND: f64 = 0.35;

/// Steps of Newton's method towards the mode, from the prior's mean. The mode only places the points.
const STEPS: usize = 14;

/// The longest step, in standard deviations of the prior.
const LONGEST: f64 = 3.0;

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
    // Elements are apart: the sum of the slopes has the curvatures for its slopes.
    let all = g.sum_all_but(slope, &[]);
    let curvature = g.gradient(all, &[latent.node]).map_err(failed)?.first().copied().unwrap_or(slope);
    let (Some(&mean), Some(&sd)) = (latent.prior.args.first(), latent.prior.args.get(1)) else {
        return Err(messages::mixes_elements(&latent.name, latent.span));
    };
    let found = g.substitute(&[slope, curvature, mean, sd], stopped);
    let &[slope, curvature, mean, sd] = found.as_slice() else {
        return Err(messages::mixes_elements(&latent.name, latent.span));
    };
    let mut mode = g.broadcast(mean, &axes);
    // The prior bounds the curvature from below where the likelihood is log-concave; half of it where it is not.
    let variance = g.square(sd);
    let least = g.recip(variance);
    let least = g.scale(least, 0.5);
    let longest = g.scale(sd, LONGEST);
    for _ in 0..STEPS {
        let here = HashMap::from([(latent.node, mode)]);
        let (down, bend) = (at(g, slope, &here), at(g, curvature, &here));
        let bend = g.binary(Binary::Max, bend, least);
        let step = g.div(down, bend);
        let step = g.binary(Binary::Min, step, longest);
        let shortest = g.neg(longest);
        let step = g.binary(Binary::Max, step, shortest);
        mode = g.sub(mode, step);
    }
    let here = HashMap::from([(latent.node, mode)]);
    let bend = at(g, curvature, &here);
    let bend = g.binary(Binary::Max, bend, least);
    let bend = g.broadcast(bend, &axes);
    let root = g.sqrt(bend);
    let scale = g.recip(root);
    let along = Axis::plain(g.add_axis(&format!("points of {}", latent.name), POINTS));
    let step = 2.0 * REACH / (POINTS - 1) as f64;
    let steps = || (0..POINTS).map(|k| BEND * (k as f64 * step - REACH));
    let mut literal = |values: Vec<f64>| g.literal(Tensor { shape: vec![POINTS], values }, &[along]);
    let places = literal(steps().map(|t| t.sinh() / BEND).collect());
    let widths = literal(steps().map(|t| (step * t.cosh()).ln()).collect());
    let spread = g.mul(scale, places);
    let value = g.add(mode, spread);
    let value = g.broadcast(value, &axis::union(&axes, &[along]));
    let log_scale = g.log(scale);
    let log_width = g.add(log_scale, widths);
    let (value, log_width) = (g.stop(value), g.stop(log_width));
    g.set_origin(before);
    Ok(Points { along, value, log_width })
}

impl Points {
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
