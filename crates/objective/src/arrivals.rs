//! Counts of a closed loop, whose rates follow from counts before: the exponential arrival times are drawn for all positions
//! beforehand, and a position counts those that come within its step at the rate it has (Poisson arrivals as in
//! [`fe_graph::Op::Arrivals`], written out so that a loop can hold them).

use fe_distribution::Distribution;
use fe_graph::{Axis, Binary, Graph, NodeId, NoiseKind, Site, Tensor, axis};

/// The most arrivals of a step: rates above a third of it would be cut short.
pub(crate) const MOST: usize = 48;

/// The least temperature, at which the cubic indicator is a step.
const COLD: f64 = 1e-6;

/// A Poisson count by its arrivals: the count, a function of the rate, and the arrival times at rate 1, which are not.
pub(crate) fn count(
    g: &mut Graph,
    d: &Distribution,
    (site, axes): (Site, &[Axis]),
    temperature: NodeId,
) -> Option<(NodeId, NodeId)> {
    let &[rate] = d.args.as_slice() else { return None };
    if d.family.name() != "Poisson" || d.restricted.is_some() || !d.modifiers.is_empty() {
        return None;
    }
    let arrival = Axis::plain(g.add_axis("arrivals", MOST));
    let earlier = Axis::private(arrival.id);
    let waits = g.noise(NoiseKind::Exponential, site, &axis::union(axes, &[arrival]));
    let waits = g.rename(waits, &[(arrival, earlier)]);
    let upto = (0..MOST).flat_map(|k| (0..MOST).map(move |j| f64::from(u8::from(j <= k)))).collect();
    let upto = g.literal(Tensor { shape: vec![MOST, MOST], values: upto }, &[arrival, earlier]);
    let times = g.contract(upto, waits, &[earlier]);
    // g(v) = 3u² − 2u³ with u = (1 + v)/2 and v = (1 − t/λ)/τ, between −1 and 1.
    let (cold, one, half) = (g.constant(COLD), g.constant(1.0), g.constant(0.5));
    let temperature = g.binary(Binary::Max, temperature, cold);
    let at = g.div(times, rate);
    let before = g.sub(one, at);
    let v = g.div(before, temperature);
    let lowest = g.constant(-1.0);
    let v = g.binary(Binary::Max, v, lowest);
    let v = g.binary(Binary::Min, v, one);
    let shifted = g.add(one, v);
    let u = g.mul(half, shifted);
    let (square, twice) = (g.square(u), g.scale(u, -2.0));
    let rest = g.shift(twice, 3.0);
    let counted = g.mul(square, rest);
    Some((g.sum(counted, &[arrival]), times))
}
