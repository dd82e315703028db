//! One number for each group, whatever its likelihood: integrated at points about its conditional mean, as a
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

/// They lie at sinh(κ t)/κ standard deviations from the conditional mean: near it at even distances, and further apart
/// outside, since a side may fall off as slowly as the prior: the outermost lie at 11.
const BEND: f64 = 0.35;

/// The search for where an element lies: rows of points, so many over so many standard deviations to either side, at first the
/// prior's, then those found. As far as a row can miss the middle of what is narrower than its step, the next one reaches. What is
/// found only places the points.
const WIDE: (usize, f64) = (17, 6.0);
const NEAR: (usize, f64) = (9, 3.2);
const ROUNDS: usize = 3;

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
    let found = g.substitute(&[slope, mean, sd], stopped);
    let &[slope, mean, sd] = found.as_slice() else {
        return Err(messages::mixes_elements(&latent.name, latent.span));
    };
    let (mode, scale) = located(g, latent.node, slope, (mean, sd), &axes);
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

/// A row of points at which slopes are taken.
struct Probes {
    along: Axis,
    /// In standard deviations.
    places: NodeId,
    step: f64,
    /// Its points once more, and by what slopes are summed up to each: the trapezoid rule from the first.
    upto: Axis,
    sums: NodeId,
}

impl Probes {
    fn new(g: &mut Graph, (count, side): (usize, f64)) -> Self {
        let along = Axis::plain(g.add_axis("probes", count));
        let upto = Axis::plain(g.add_axis("probes before", count));
        let step = 2.0 * side / (count - 1) as f64;
        let places = (0..count).map(|k| k as f64 * step - side).collect();
        let places = g.literal(Tensor { shape: vec![count], values: places }, &[along]);
        let weight = |to: usize, k: usize| match (k, to) {
            (k, to) if k > to || to == 0 => 0.0,
            (k, to) if k == 0 || k == to => 0.5,
            _ => 1.0,
        };
        let sums = (0..count).flat_map(|k| (0..count).map(move |to| weight(to, k))).collect();
        let sums = g.literal(Tensor { shape: vec![count, count], values: sums }, &[along, upto]);
        Self { along, places, step, upto, sums }
    }
}

/// Mean and standard deviation of every element, roughly: from the slope of −log p along a row of points, summed up to log p.
fn located(
    g: &mut Graph,
    node: NodeId,
    slope: NodeId,
    (mean, sd): (NodeId, NodeId),
    axes: &[Axis],
) -> (NodeId, NodeId) {
    let (wide, near) = (Probes::new(g, WIDE), Probes::new(g, NEAR));
    let (mut centre, mut scale) = (g.broadcast(mean, axes), g.broadcast(sd, axes));
    for row in std::iter::once(&wide).chain(std::iter::repeat_n(&near, ROUNDS)) {
        let whole = axis::union(axes, &[row.along]);
        let off = g.mul(scale, row.places);
        let value = g.add(centre, off);
        let value = g.broadcast(value, &whole);
        let down = at(g, slope, &HashMap::from([(node, value)]));
        let down = g.broadcast(down, &whole);
        let fallen = g.contract(down, row.sums, &[row.along]);
        let fallen = g.rename(fallen, &[(row.upto, row.along)]);
        let width = g.scale(scale, row.step);
        let fallen = g.mul(fallen, width);
        let log = g.neg(fallen);
        let shares = g.softmax(log, &[row.along]);
        let own = g.contract(shares, value, &[row.along]);
        let from = g.sub(value, own);
        let square = g.square(from);
        let variance = g.contract(shares, square, &[row.along]);
        // What falls between two points is found in the next round.
        let least = g.scale(width, 0.4);
        let least = g.square(least);
        let variance = g.binary(Binary::Max, variance, least);
        (centre, scale) = (own, g.sqrt(variance));
    }
    (centre, scale)
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
