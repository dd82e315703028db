//! Affine functions of Gaussian chains: where along the chain each element reads, and with which slopes. So a variance
//! is a sum over few places, and not over all steps.

use std::collections::HashMap;

use fe_graph::axis::{difference, intersection, sorted, subset};
use fe_graph::{Axis, Binary, Graph, NodeId, Op, Tensor, Unary};

use crate::expectation::Expectation;
use crate::law::Law;
use crate::markov::{Block, ChainLaw};

/// Steps between two places whose covariance is worth taking.
const FARTHEST: usize = 16;

/// One place that an affine function reads a chain at: Σ_j slope_j x[place, j].
#[derive(Clone, Debug, PartialEq)]
struct Read {
    /// The step, over some of the function's axes.
    place: NodeId,
    /// Over the function's axes and the direction of the chain's block; or, where `apart`, over the function's axes
    /// alone, since each element reads its own scalar.
    slope: NodeId,
    /// The function's axes that stand for the scalars of a step, slowest first, while they stand side by side.
    apart: Option<Vec<Axis>>,
}

/// What an index says of steps: c along an axis, t + c; or c alone.
pub(crate) fn position(g: &Graph, index: NodeId) -> Option<(Option<Axis>, i64)> {
    if let Some(c) = g.constant_value(index) {
        return (c.fract() == 0.0).then_some((None, c as i64));
    }
    let node = g.node(index);
    match (&node.op, node.inputs.as_slice()) {
        (Op::Iota, _) => Some((node.axes.first().copied(), 0)),
        (Op::Binary(op @ (Binary::Add | Binary::Sub)), &[a, b]) => {
            let ((axis, x), (none, y)) = (position(g, a)?, position(g, b)?);
            match (op, none) {
                (Binary::Add, None) => Some((axis, x + y)),
                (Binary::Add, other) if axis.is_none() => Some((other, x + y)),
                (Binary::Sub, None) => Some((axis, x - y)),
                _ => None,
            }
        }
        // Not below 0: where it would be, nothing reads it.
        (Op::Binary(Binary::Max), &[a, b]) if g.constant_value(b) == Some(0.0) => position(g, a),
        (Op::Binary(Binary::Max), &[a, b]) if g.constant_value(a) == Some(0.0) => position(g, b),
        _ => None,
    }
}

/// Steps from one place back to another, where they are the same everywhere.
fn steps_between(g: &Graph, from: NodeId, to: NodeId) -> Option<i64> {
    if from == to {
        return Some(0);
    }
    let ((a, x), (b, y)) = (position(g, from)?, position(g, to)?);
    (a == b).then_some(x - y)
}

impl Expectation {
    /// The covariance, element by element, of the parts of two functions that are affine in one chain. `None` where they
    /// read it in a way that is not followed.
    pub(crate) fn covariance_along(&mut self, g: &mut Graph, chain: NodeId, a: NodeId, b: NodeId) -> Option<NodeId> {
        let Some(Law::Chain(law)) = self.law(chain) else { return None };
        let left = self.reads(g, chain, a)?;
        let right = if a == b { left.clone() } else { self.reads(g, chain, b)? };
        let mut total = g.constant(0.0);
        for x in &left {
            for y in &right {
                let steps = steps_between(g, x.place, y.place)?;
                let lag = usize::try_from(steps.unsigned_abs()).ok().filter(|l| *l <= FARTHEST)?;
                let covariance = law.lagged(g, lag);
                let (later, before) = if steps >= 0 { (x, y) } else { (y, x) };
                let covariance = at(g, covariance, later.place, law.steps);
                let part = weighed(g, &law, later, before, covariance)?;
                total = g.add(total, part);
            }
        }
        Some(total)
    }

    /// Where and how a node reads a chain, in which it is affine.
    fn reads(&mut self, g: &mut Graph, chain: NodeId, id: NodeId) -> Option<Vec<Read>> {
        let Some(Law::Chain(law)) = self.law(chain) else { return None };
        let mut known: HashMap<NodeId, Vec<Read>> = HashMap::new();
        for n in g.reachable(&[id]) {
            if !self.primitives(g, n).contains(&chain) {
                continue;
            }
            let reads = if n == chain { vec![whole(g, &law)?] } else { self.reads_of(g, chain, n, &known)? };
            known.insert(n, reads);
        }
        Some(known.remove(&id).unwrap_or_default())
    }

    /// The reads of a node from those of its operands.
    fn reads_of(
        &mut self,
        g: &mut Graph,
        chain: NodeId,
        id: NodeId,
        known: &HashMap<NodeId, Vec<Read>>,
    ) -> Option<Vec<Read>> {
        let node = g.node(id).clone();
        let of = |n: NodeId| known.get(&n).cloned().unwrap_or_default();
        let each = |g: &mut Graph, n: NodeId, f: &dyn Fn(&mut Graph, NodeId) -> NodeId| -> Vec<Read> {
            of(n).into_iter().map(|r| Read { slope: f(g, r.slope), ..r }).collect()
        };
        Some(match (&node.op, node.inputs.as_slice()) {
            (Op::Unary(Unary::Neg), &[x]) => each(g, x, &|g, s| g.neg(s)),
            (Op::Broadcast(_), &[x]) => of(x),
            (Op::Binary(op @ (Binary::Add | Binary::Sub)), &[a, b]) => {
                let right = each(g, b, &|g, s| if *op == Binary::Sub { g.neg(s) } else { s });
                merged(g, [of(a), right].concat())
            }
            (Op::Binary(op @ (Binary::Mul | Binary::Div)), &[a, b]) => {
                let (x, factor) = if self.primitives(g, a).contains(&chain) { (a, b) } else { (b, a) };
                if !self.primitives(g, factor).is_empty() || *op == Binary::Div && x == b {
                    return None;
                }
                each(g, x, &|g, s| g.binary(*op, s, factor))
            }
            (Op::Select, &[c, a, b]) => {
                let zero = g.constant(0.0);
                let then = each(g, a, &|g, s| g.select(c, s, zero));
                let otherwise = each(g, b, &|g, s| g.select(c, zero, s));
                merged(g, [then, otherwise].concat())
            }
            (Op::Contract(over), &[a, b]) => {
                let (x, factor) = if self.primitives(g, a).contains(&chain) { (a, b) } else { (b, a) };
                if !self.primitives(g, factor).is_empty() {
                    return None;
                }
                let summed = of(x).into_iter().map(|r| summed(g, r, over, Some(factor)));
                summed.collect::<Option<_>>()?
            }
            (Op::Sum(over), &[x]) => of(x).into_iter().map(|r| summed(g, r, over, None)).collect::<Option<_>>()?,
            (Op::Rename(pairs), &[x]) => {
                let renamed = of(x).into_iter().map(|r| {
                    let moved = |a: &Axis| pairs.iter().find(|p| p.0 == *a).map_or(*a, |p| p.1);
                    let apart = r.apart.map(|axes| axes.iter().map(moved).collect());
                    Read { place: g.rename(r.place, pairs), slope: g.rename(r.slope, pairs), apart }
                });
                renamed.collect()
            }
            (Op::Reshape { from, to }, &[x]) => {
                let mut list = vec![];
                for r in of(x) {
                    let apart = match r.apart {
                        Some(axes) if axes == *from => Some(to.clone()),
                        Some(axes) if axes.iter().any(|a| from.contains(a)) => return None,
                        other => other,
                    };
                    let moves = from.iter().any(|a| g.has_axis(r.place, *a));
                    let place = if moves { g.reshape(r.place, from, to) } else { r.place };
                    list.push(Read { place, slope: g.reshape(r.slope, from, to), apart });
                }
                list
            }
            (Op::Gather { axis }, &[x, index]) => {
                let mut list = vec![];
                for r in of(x) {
                    if r.apart.as_ref().is_some_and(|axes| axes.contains(axis)) {
                        return None;
                    }
                    let place = at(g, r.place, index, *axis);
                    list.push(Read { place, slope: at(g, r.slope, index, *axis), apart: r.apart });
                }
                merged(g, list)
            }
            _ => return None,
        })
    }
}

/// The chain as it is.
fn whole(g: &mut Graph, law: &ChainLaw) -> Option<Read> {
    let place = g.iota(law.steps);
    Some(match law.block {
        Block::Scalars => Read { place, slope: g.constant(1.0), apart: law.apart.map(|a| vec![a]) },
        Block::Vector(row) => {
            let n = g.extent_of(row.id);
            let mut values = vec![0.0; n.checked_mul(n)?];
            values.iter_mut().step_by(n + 1).for_each(|v| *v = 1.0);
            let slope = g.literal(Tensor::new(vec![n, n], values)?, &[row, Axis::private(row.id)]);
            Read { place, slope, apart: None }
        }
    })
}

/// A read with some axes summed over, its slope times a factor. What is summed over may not be the steps; where scalars
/// stand side by side, it is all of them or none.
fn summed(g: &mut Graph, r: Read, over: &[Axis], factor: Option<NodeId>) -> Option<Read> {
    if !intersection(g.axes_of(r.place), over).is_empty() {
        return None;
    }
    let touched = r.apart.clone().filter(|axes| axes.iter().any(|a| over.contains(a)));
    let Some(axes) = touched else {
        let slope = match factor {
            Some(f) => g.contract(r.slope, f, over),
            None => g.sum(r.slope, over),
        };
        return Some(Read { slope, ..r });
    };
    if !subset(&axes, over) {
        return None;
    }
    // The scalars' axes become the directions that a variance sums over.
    let slope = match factor {
        Some(f) => g.mul(r.slope, f),
        None => r.slope,
    };
    let slope = g.broadcast(slope, &axes);
    let slope = g.sum(slope, &difference(over, &sorted(&axes)));
    let pairs: Vec<(Axis, Axis)> = axes.iter().map(|&a| (a, Axis::private(a.id))).collect();
    Some(Read { slope: g.rename(slope, &pairs), apart: Some(pairs.iter().map(|p| p.1).collect()), ..r })
}

/// Reads of the same place are one.
fn merged(g: &mut Graph, reads: Vec<Read>) -> Vec<Read> {
    let mut list: Vec<Read> = vec![];
    for r in reads {
        match list.iter_mut().find(|x| x.place == r.place && x.apart == r.apart) {
            Some(x) => x.slope = g.add(x.slope, r.slope),
            None => list.push(r),
        }
    }
    list
}

/// x picked along an axis by an index, which keeps indices simple: t + c of t is t + c.
fn at(g: &mut Graph, x: NodeId, index: NodeId, along: Axis) -> NodeId {
    let plain = g.node(index).op == Op::Iota && g.axes_of(index) == [along];
    if plain || !g.has_axis(x, along) {
        return x;
    }
    let is_position = matches!(position(g, x), Some((Some(axis), _)) if axis == along);
    if is_position {
        let place = g.iota(along);
        return g.substitute(&[x], &HashMap::from([(place, index)])).first().copied().unwrap_or(x);
    }
    g.gather(x, index, along)
}

/// Σ s_i C_ij r_j of a read s and an earlier one r, with C the covariance of what they read.
fn weighed(g: &mut Graph, law: &ChainLaw, later: &Read, before: &Read, covariance: NodeId) -> Option<NodeId> {
    match law.block {
        Block::Vector(row) => {
            let (from, to) = (Axis::private(row.id), Axis { primes: Axis::PRIVATE - 1, id: row.id });
            let covariance = g.rename(covariance, &[(row, from), (row.primed(), to)]);
            let left = g.contract(later.slope, covariance, &[from]);
            let right = g.rename(before.slope, &[(from, to)]);
            Some(g.contract(left, right, &[to]))
        }
        Block::Scalars => {
            if later.apart != before.apart {
                return None;
            }
            let slopes = g.mul(later.slope, before.slope);
            let Some(own) = law.apart else { return Some(g.mul(slopes, covariance)) };
            let axes = later.apart.clone()?;
            let covariance = g.reshape(covariance, &[own], &axes);
            let directions: Vec<Axis> = axes.iter().copied().filter(|a| a.primes == Axis::PRIVATE).collect();
            Some(if directions.is_empty() {
                g.mul(slopes, covariance)
            } else {
                g.contract(slopes, covariance, &sorted(&directions))
            })
        }
    }
}
