//! Variances, and along which axes elements are independent: by parts where these are, else over the directions of the
//! primitives.

use std::collections::HashMap;

use fe_distribution::Statistic;
use fe_graph::axis::{difference, intersection, subset, union};
use fe_graph::{Axis, Binary, Graph, NodeId, Op, Tensor, Unary};

use crate::expectation::{Expectation, Variance, rectified};
use crate::law::Law;
use crate::markov::{Block, ChainLaw};

/// The most slopes of one affine function along the directions of a primitive.
const MOST_SLOPES: usize = 1 << 23;

impl Expectation {
    /// The variance of a node, and where its elements are independent.
    pub(crate) fn variance(&mut self, g: &mut Graph, id: NodeId) -> Option<Variance> {
        if let Some(known) = self.variances.get(&id) {
            return known.clone();
        }
        let result = self
            .variance_by_parts(g, id)
            .or_else(|| self.variance_by_primitives(g, id))
            .or_else(|| self.variance_by_directions(g, id));
        if result.is_none() && self.blocked.is_none() {
            self.blocked = Some(id);
        }
        self.variances.insert(id, result.clone());
        result
    }

    fn variance_by_parts(&mut self, g: &mut Graph, id: NodeId) -> Option<Variance> {
        let axes = g.axes_of(id).to_vec();
        if self.fixed(g, id) {
            return Some(Variance { value: g.constant(0.0), independent: axes });
        }
        if let Some(law) = self.laws.get(&id).cloned() {
            let v = match law {
                Law::Family(d) => d.variance(g, Statistic::Value)?,
                Law::StandardNormal => g.constant(1.0),
                Law::Chain(law) => return Some(along_chain(g, &law)),
                Law::Opaque => return None,
            };
            return Some(Variance { value: g.broadcast(v, &axes), independent: axes });
        }
        let node = g.node(id).clone();
        match (&node.op, node.inputs.as_slice()) {
            (Op::Unary(op), &[x]) => self.variance_of_unary(g, *op, x, axes),
            (Op::Binary(Binary::Add | Binary::Sub), &[a, b]) if self.independent(g, a, b) => {
                self.variance_of_sum(g, a, b)
            }
            (Op::Binary(op @ (Binary::Mul | Binary::Div)), &[a, b]) => {
                let (factor, x) = match (op, self.fixed(g, a), self.fixed(g, b)) {
                    (_, _, true) => (b, a),
                    (Binary::Mul, true, _) => (a, b),
                    _ => return None,
                };
                let of = self.variance(g, x)?;
                let square = g.square(factor);
                Some(Variance { value: g.binary(*op, of.value, square), independent: of.independent })
            }
            (Op::Contract(over), &[a, b]) => {
                let (factor, x) = match (self.fixed(g, a), self.fixed(g, b)) {
                    (true, _) => (a, b),
                    (_, true) => (b, a),
                    _ => return None,
                };
                let of = self.variance(g, x)?;
                if !subset(over, &of.independent) {
                    return None;
                }
                let square = g.square(factor);
                let variance = g.contract(of.value, square, over);
                Some(Variance { value: variance, independent: difference(&of.independent, over) })
            }
            (Op::Sum(over), &[x]) => {
                let of = self.variance(g, x)?;
                if !subset(over, &of.independent) {
                    return None;
                }
                let axes = g.axes_of(x).to_vec();
                let v = g.broadcast(of.value, &axes);
                Some(Variance { value: g.sum(v, over), independent: difference(&of.independent, over) })
            }
            _ => self.variance_of_linear(g, id),
        }
    }

    /// Of −x, and of what a function of one Gaussian or of one primitive has; `axes` are those of the result.
    fn variance_of_unary(&mut self, g: &mut Graph, op: Unary, x: NodeId, axes: Vec<Axis>) -> Option<Variance> {
        if op == Unary::Neg {
            return self.variance(g, x);
        }
        if matches!(op, Unary::Exp | Unary::Relu) {
            let of = self.variance(g, x);
            if self.gaussian(g, x)
                && let Some(of) = of
            {
                let m = self.mean(g, x)?;
                let v = of.value;
                let variance = if op == Unary::Relu {
                    rectified(g, m, v).1
                } else {
                    // e^{2m + v} (e^v − 1)
                    let twice = g.scale(m, 2.0);
                    let e = g.add(twice, v);
                    let (e, w) = (g.exp(e), g.unary(Unary::Expm1, v));
                    g.mul(e, w)
                };
                return Some(Variance { value: variance, independent: of.independent });
            }
        }
        let variance = self.statistic(g, op, x, |g, d, s| d.variance(g, s))?;
        Some(Variance { value: variance, independent: axes })
    }

    /// Of a sum or a difference of independent parts.
    fn variance_of_sum(&mut self, g: &mut Graph, a: NodeId, b: NodeId) -> Option<Variance> {
        let (fa, fb) = (self.fixed(g, a), self.fixed(g, b));
        let (sa, sb) = (self.variance(g, a)?, self.variance(g, b)?);
        let independent = match (fa, fb) {
            (true, _) => sb.independent,
            (_, true) => sa.independent,
            _ => intersection(&sa.independent, &sb.independent),
        };
        Some(Variance { value: g.add(sa.value, sb.value), independent })
    }

    /// Of whatever else is linear in its one random operand: it only moves elements, or picks some.
    fn variance_of_linear(&mut self, g: &mut Graph, id: NodeId) -> Option<Variance> {
        let node = g.node(id).clone();
        let (which, x) = self.linear_operand(g, id)?;
        if which.len() != 1 {
            return None;
        }
        let of = self.variance(g, x)?;
        let full = g.axes_of(x).to_vec();
        let v = g.broadcast(of.value, &full);
        // A fixed branch of a select has variance 0.
        let variance = if node.op == Op::Select {
            let zero = g.constant(0.0);
            let c = *node.inputs.first()?;
            if which.first() == Some(&1) { g.select(c, v, zero) } else { g.select(c, zero, v) }
        } else {
            self.replace_operand(g, id, &which, v)?
        };
        let independent = match &node.op {
            Op::Rename(pairs) => {
                let moved = |a: &Axis| pairs.iter().find(|p| p.0 == *a).map_or(*a, |p| p.1);
                union(&of.independent.iter().map(moved).collect::<Vec<_>>(), &[])
            }
            Op::Reshape { from, to } if subset(from, &of.independent) => union(&difference(&of.independent, from), to),
            Op::Reshape { from, .. } => difference(&of.independent, from),
            Op::Gather { axis } => {
                let kept = difference(&of.independent, &[*axis]);
                match node.inputs.get(1) {
                    Some(&index) if of.independent.contains(axis) => union(&kept, &picked_apart(g, index)),
                    _ => kept,
                }
            }
            Op::ScatterAdd { axis, over } => added_apart(g, &of.independent, *axis, over, *node.inputs.get(1)?)?,
            _ => of.independent,
        };
        Some(Variance { value: variance, independent })
    }

    /// The variance of an affine function of several independent primitives: the sum of those that each brings by itself.
    fn variance_by_primitives(&mut self, g: &mut Graph, id: NodeId) -> Option<Variance> {
        let primitives = self.primitives(g, id);
        if primitives.len() < 2 || !self.affine(g, id) {
            return None;
        }
        let zero = g.constant(0.0);
        let mut total = Variance { value: zero, independent: g.axes_of(id).to_vec() };
        for &p in &primitives {
            let mut others = HashMap::new();
            for &other in primitives.iter().filter(|&&o| o != p) {
                let axes = g.axes_of(other).to_vec();
                others.insert(other, g.broadcast(zero, &axes));
            }
            let alone = *g.substitute(&[id], &others).first()?;
            let own = self.variance(g, alone)?;
            total.value = g.add(total.value, own.value);
            total.independent = intersection(&total.independent, &own.independent);
        }
        Some(total)
    }

    /// The covariance of two affine functions: over the directions of the primitives, the products of their slopes and the
    /// primitive's variance; and what chains add.
    pub(crate) fn covariance_by_directions(&mut self, g: &mut Graph, a: NodeId, b: NodeId) -> Option<NodeId> {
        let (left, right) = (self.slopes(g, a)?, self.slopes(g, b)?);
        let mut total = g.constant(0.0);
        for of in left {
            if let Some(other) = right.iter().find(|r| r.primitive == of.primitive) {
                let product = g.mul(of.slope, other.slope);
                let part = self.along_directions(g, product, &of)?;
                total = g.add(total, part);
            }
        }
        let shared = self.primitives(g, a).intersection(&self.primitives(g, b)).copied().collect::<Vec<_>>();
        for chain in shared {
            if matches!(self.laws.get(&chain), Some(Law::Chain(_))) {
                let part = self.covariance_along(g, chain, a, b)?;
                total = g.add(total, part);
            }
        }
        Some(total)
    }

    /// The variance of an affine function: over the directions of the primitives, its squared slopes and the primitive's
    /// variance. It covers what [`Self::variance_by_parts`] cannot: correlated elements of a joint Gaussian, states of a loop.
    fn variance_by_directions(&mut self, g: &mut Graph, id: NodeId) -> Option<Variance> {
        let variance = self.covariance_by_directions(g, id, id)?;
        Some(Variance { value: variance, independent: vec![] })
    }

    /// The sum over a primitive's directions, each weighed with its variance.
    fn along_directions(&mut self, g: &mut Graph, x: NodeId, of: &Slopes) -> Option<NodeId> {
        let axes = g.axes_of(of.primitive).to_vec();
        let pairs: Vec<(Axis, Axis)> = axes.iter().map(|&a| (a, Axis::private(a.id))).collect();
        let directions: Vec<Axis> = union(&pairs.iter().map(|p| p.1).collect::<Vec<_>>(), &[]);
        let variance = self.variance_by_parts(g, of.primitive)?.value;
        let variance = g.rename(variance, &pairs);
        let x = g.broadcast(x, &directions);
        let weighed = g.mul(x, variance);
        let weighed = g.broadcast(weighed, &directions);
        Some(g.sum(weighed, &directions))
    }

    /// For each primitive, the slope of an affine function along each of its directions, over private copies of the
    /// primitive's axes. `None` where there are too many, or of rows, of which a batch holds some.
    fn slopes(&mut self, g: &mut Graph, id: NodeId) -> Option<Vec<Slopes>> {
        let primitives = self.primitives(g, id);
        if !self.affine(g, id) {
            return None;
        }
        let size =
            |g: &Graph, n: NodeId| g.axes_of(n).iter().map(|a| g.extent_of(a.id)).fold(1usize, usize::saturating_mul);
        let zero = g.constant(0.0);
        let mut at_zero: HashMap<NodeId, NodeId> = HashMap::new();
        for &p in &primitives {
            let axes = g.axes_of(p).to_vec();
            let copies = axes.iter().any(|a| a.primes != 0 || Some(*a) == self.row);
            let chain = matches!(self.laws.get(&p), Some(Law::Chain(_)));
            if !chain && (copies || size(g, p).saturating_mul(size(g, p).max(size(g, id))) > MOST_SLOPES) {
                return None;
            }
            at_zero.insert(p, g.broadcast(zero, &axes));
        }
        let origin = *g.substitute(&[id], &at_zero).first()?;
        let mut slopes = vec![];
        for &p in &primitives {
            if matches!(self.laws.get(&p), Some(Law::Chain(_))) {
                continue;
            }
            // Private axes: no product of the program sums over them.
            let axes = g.axes_of(p).to_vec();
            let directions: Vec<Axis> = axes.iter().map(|a| Axis::private(a.id)).collect();
            let mut unit = g.constant(1.0);
            for (&axis, &direction) in axes.iter().zip(&directions) {
                let n = g.extent_of(axis.id);
                let mut values = vec![0.0; n.checked_mul(n)?];
                values.iter_mut().step_by(n + 1).for_each(|v| *v = 1.0);
                let own = g.literal(Tensor::new(vec![n, n], values)?, &[axis, direction]);
                unit = g.mul(unit, own);
            }
            let mut at = at_zero.clone();
            at.insert(p, unit);
            let moved = *g.substitute(&[id], &at).first()?;
            let slope = g.sub(moved, origin);
            slopes.push(Slopes { primitive: p, slope: g.broadcast(slope, &directions) });
        }
        Some(slopes)
    }
}

/// The variance of every element of a chain, of which scalars that go their own ways are independent.
fn along_chain(g: &mut Graph, law: &ChainLaw) -> Variance {
    match law.block {
        Block::Scalars => Variance { value: law.covariance, independent: law.apart.into_iter().collect() },
        Block::Vector(row) => Variance { value: g.diagonal(law.covariance, row, row.primed()), independent: vec![] },
    }
}

/// The slopes of an affine function along the directions of one primitive.
struct Slopes {
    primitive: NodeId,
    slope: NodeId,
}

/// The axes of an index along which it surely picks different places: of a range all, of windows the places in one, as
/// windows overlap.
fn picked_apart(g: &Graph, index: NodeId) -> Vec<Axis> {
    match g.counted(index) {
        Some(counting) => match counting.within(|a| g.extent_of(a.id)) {
            Some(within) => vec![within],
            None => g.axes_of(index).to_vec(),
        },
        None => vec![],
    }
}

/// Along which axes sums at an index are independent, where the terms of each sum are: those of one place come from
/// different windows.
fn added_apart(g: &Graph, independent: &[Axis], axis: Axis, over: &[Axis], index: NodeId) -> Option<Vec<Axis>> {
    let counting = g.counted(index)?;
    let kept = difference(independent, over);
    let windows: Vec<Axis> = counting.steps.iter().map(|s| s.0).collect();
    if !subset(&union(over, &[]), &union(&windows, &[])) {
        return None;
    }
    match (windows.as_slice(), counting.within(|a| g.extent_of(a.id))) {
        // Nothing is added up.
        ([along], _) => Some(if independent.contains(along) { union(&kept, &[axis]) } else { kept }),
        (_, Some(within)) => {
            let positions = difference(&union(&windows, &[]), &[within]);
            subset(&positions, independent).then_some(kept)
        }
        _ => None,
    }
}
