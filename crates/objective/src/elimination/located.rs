//! Where the density of one number lies, and how wide it is, for every element: what points to integrate it at are placed by. A
//! convex −log p is followed from its mode to either side; any other is summed along rows of points.

use std::collections::{HashMap, HashSet};

use fe_graph::{Axis, Binary, Graph, NodeId, State, Tensor, Unary, axis};

use super::block::at;

/// −log p as a function of one number for each element.
pub(super) struct Potential<'a> {
    /// The number.
    pub node: NodeId,
    /// The number's axes, sorted.
    pub axes: &'a [Axis],
    /// dU/dz
    pub slope: NodeId,
    /// d²U/dz², where U is convex.
    pub curvature: Option<NodeId>,
    /// Mean and standard deviation of the prior.
    pub prior: (NodeId, NodeId),
}

/// Steps to the mode at most, how far each goes in standard deviations of the prior, and the part of a conditional one that ends
/// them.
const STEPS: usize = 40;
const STRIDE: f64 = 2.0;
const CLOSE: f64 = 0.2;

/// A step of more than this part of the last one, the same way, is one of many.
const EVEN: f64 = 0.6;

/// The mode is looked for within so many standard deviations of the prior.
const FAR: f64 = 1e4;

/// Each side is as wide as w where w U′(m ± w) is this: two standard deviations of what is Gaussian. It is no less than what U rises
/// by, so that the density has fallen off by then however it bends.
const RISE: f64 = 4.0;

/// How often a width is mended, at most, by what factor, and the factor that ends it.
const MENDS: usize = 12;
const MENDED: f64 = 4.0;
const ALIKE: f64 = 1.3;

/// The search for where an element lies: rows of points, so many over so many standard deviations to either side, at first the
/// prior's, then those found. As far as a row can miss the middle of what is narrower than its step, the next one reaches. What is
/// found only places the points.
const WIDE: (usize, f64) = (17, 6.0);
const NEAR: (usize, f64) = (9, 3.2);
const ROUNDS: usize = 3;

impl Potential<'_> {
    /// Its centre and its width in standard deviations, roughly; neither has a derivative that is of use.
    pub fn located(&self, g: &mut Graph) -> (NodeId, NodeId) {
        match self.curvature {
            Some(curvature) => self.about_its_mode(g, curvature),
            None => self.along_rows(g),
        }
    }

    /// Slope and curvature at some place.
    fn bend(&self, g: &mut Graph, curvature: NodeId, place: NodeId) -> (NodeId, NodeId) {
        let place = HashMap::from([(self.node, place)]);
        (at(g, self.slope, &place), at(g, curvature, &place))
    }

    fn about_its_mode(&self, g: &mut Graph, curvature: NodeId) -> (NodeId, NodeId) {
        let mode = self.mode(g, curvature);
        let (_, most) = self.bend(g, curvature, mode);
        let sides = Axis::plain(g.add_axis("sides", 2));
        let sign = g.literal(Tensor { shape: vec![2], values: vec![-1.0, 1.0] }, &[sides]);
        let both = axis::union(self.axes, &[sides]);
        let root = g.sqrt(most);
        let two = g.constant(RISE.sqrt());
        let from = g.div(two, root);
        let from = g.broadcast(from, &both);
        let (_, width) = g.input("width", &both);
        let off = g.mul(sign, width);
        let place = g.add(mode, off);
        let place = g.broadcast(place, &both);
        let (slope, bend) = self.bend(g, curvature, place);
        // f = w U′, and d log f/d log w
        let slope = g.mul(sign, slope);
        let product = g.mul(slope, width);
        let power = g.mul(width, bend);
        let power = g.div(power, slope);
        let power = g.shift(power, 1.0);
        let wanted = g.constant(RISE);
        let ratio = g.div(wanted, product);
        let ratio = g.log(ratio);
        let ratio = g.div(ratio, power);
        let limit = g.constant(MENDED.ln());
        // Where nothing rises it is wider.
        let whole = g.equal(ratio, ratio);
        let ratio = g.select(whole, ratio, limit);
        let ratio = g.binary(Binary::Min, ratio, limit);
        let other = g.neg(limit);
        let ratio = g.binary(Binary::Max, ratio, other);
        let size = g.unary(Unary::Abs, ratio);
        let alike = g.constant(ALIKE.ln());
        let stays = g.less(size, alike);
        let factor = g.exp(ratio);
        let mended = g.mul(width, factor);
        let next = g.select(stays, width, mended);
        let next = g.broadcast(next, &both);
        let mends = Axis::plain(g.add_axis("mends", MENDS));
        let state = State { stand_in: width, from, next };
        let found = g.iterate(mends, &[state], &[], &HashSet::new(), None);
        let found = found.last.first().copied().unwrap_or(from);
        // Once more, whatever it changes: where the search ended is no longer seen then.
        let width = at(g, mended, &HashMap::from([(width, found)]));
        // A Gaussian's are two standard deviations to either side.
        let off = g.contract(width, sign, &[sides]);
        let off = g.scale(off, 0.5 / RISE.sqrt());
        let centre = g.add(mode, off);
        let sum = g.sum(width, &[sides]);
        (centre, g.scale(sum, 0.5 / RISE.sqrt()))
    }

    /// Where U is least: by Newton's steps, none of which leaves the interval that slopes so far say it lies in. Steps that follow
    /// one another without growing short, as where a slope falls off like exp, become longer.
    fn mode(&self, g: &mut Graph, curvature: NodeId) -> NodeId {
        let axes = self.axes;
        let (mean, sd) = self.prior;
        let (zero, one) = (g.constant(0.0), g.constant(1.0));
        let far = g.scale(sd, FAR);
        let from = [mean, g.sub(mean, far), g.add(mean, far), far, one].map(|n| g.broadcast(n, axes));
        let names = ["place", "lower bound", "upper bound", "last step", "pace"];
        let [place, lower, upper, last, pace] = names.map(|name| g.input(name, axes).1);
        let (slope, bend) = self.bend(g, curvature, place);
        let rises = g.less(zero, slope);
        let low = g.select(rises, lower, place);
        let high = g.select(rises, place, upper);
        let step = g.div(slope, bend);
        let most = g.scale(sd, STRIDE);
        let least = g.neg(most);
        let step = g.binary(Binary::Min, step, most);
        let step = g.binary(Binary::Max, step, least);
        let ratio = g.div(step, last);
        let even = g.constant(EVEN);
        let steady = g.less(even, ratio);
        let doubled = g.scale(pace, 2.0);
        let faster = g.select(steady, doubled, one);
        let long = g.mul(step, faster);
        let tried = g.sub(place, long);
        let sum = g.add(low, high);
        let mut moved = g.scale(sum, 0.5);
        let middle = moved;
        for (k, within) in [g.less(low, tried), g.less(tried, high)].into_iter().enumerate() {
            moved = g.select(within, if k == 0 { tried } else { moved }, middle);
        }
        // In conditional standard deviations.
        let root = g.sqrt(bend);
        let size = g.unary(Unary::Abs, step);
        let size = g.mul(size, root);
        let close = g.constant(CLOSE);
        let stays = g.less(size, close);
        let states = [(place, moved), (lower, low), (upper, high), (last, step), (pace, faster)].into_iter().zip(from);
        let states: Vec<State> = states
            .map(|((stand_in, next), from)| {
                let next = g.select(stays, stand_in, next);
                State { stand_in, from, next: g.broadcast(next, axes) }
            })
            .collect();
        let steps = Axis::plain(g.add_axis("steps", STEPS));
        let found = g.iterate(steps, &states, &[], &HashSet::new(), None);
        let Some(&found) = found.last.first() else { return mean };
        // One step more, whatever it changes: where the search ended is no longer seen then.
        let close = g.sub(place, step);
        at(g, close, &HashMap::from([(place, found)]))
    }
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

impl Potential<'_> {
    /// Mean and standard deviation of every element, roughly: from its slope along a row of points, summed up to −log p.
    fn along_rows(&self, g: &mut Graph) -> (NodeId, NodeId) {
        let axes = self.axes;
        let (wide, near) = (Probes::new(g, WIDE), Probes::new(g, NEAR));
        let (mut centre, mut scale) = (g.broadcast(self.prior.0, axes), g.broadcast(self.prior.1, axes));
        for row in std::iter::once(&wide).chain(std::iter::repeat_n(&near, ROUNDS)) {
            let whole = axis::union(axes, &[row.along]);
            let off = g.mul(scale, row.places);
            let value = g.add(centre, off);
            let value = g.broadcast(value, &whole);
            let down = at(g, self.slope, &HashMap::from([(self.node, value)]));
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
}
