//! Constructors of nodes. They keep the invariants of [`Op`] and simplify as they go: constants fold, neutral elements
//! vanish, log undoes exp, a sum of a product becomes a contraction.

mod layout;

pub use layout::{Counting, Windows};

use std::sync::Arc;

use crate::axis::{self, Axis, AxisId};
use crate::graph::{Graph, Interior, NodeId};
use crate::op::{Binary, Indicator, NoiseKind, Op, Real, Site, Unary};
use crate::special;
use crate::tensor::Tensor;

impl Graph {
    /// A number.
    pub fn constant(&mut self, value: f64) -> NodeId {
        self.push(Op::Constant(Real(value)), vec![], vec![])
    }

    /// A number repeated over axes.
    pub fn full(&mut self, value: f64, axes: &[Axis]) -> NodeId {
        let c = self.constant(value);
        self.broadcast(c, axes)
    }

    /// A fixed tensor; its values are row-major over the sorted axes.
    pub fn literal(&mut self, tensor: Tensor, axes: &[Axis]) -> NodeId {
        self.push(Op::Literal(Arc::new(tensor)), vec![], axis::sorted(axes))
    }

    /// Standard noise over axes.
    pub fn noise(&mut self, kind: NoiseKind, site: Site, axes: &[Axis]) -> NodeId {
        self.push(Op::Noise { kind, site }, vec![], axis::sorted(axes))
    }

    /// The extent of an axis as a number known when the graph runs.
    pub fn extent(&mut self, axis: AxisId) -> NodeId {
        self.push(Op::Extent(axis), vec![], vec![])
    }

    /// 0, 1, 2, … along an axis.
    pub fn iota(&mut self, axis: Axis) -> NodeId {
        self.push(Op::Iota, vec![], vec![axis])
    }

    fn unary_of(&self, id: NodeId, op: Unary) -> Option<NodeId> {
        let node = self.node(id);
        (node.op == Op::Unary(op)).then(|| node.inputs.first().copied()).flatten()
    }

    fn operands(&self, id: NodeId, op: &Op) -> Option<(NodeId, NodeId)> {
        let node = self.node(id);
        match (&node.op == op, node.inputs.as_slice()) {
            (true, &[a, b]) => Some((a, b)),
            _ => None,
        }
    }

    /// Whether log(1 − y) is finite and known without the difference, by the form of y alone: of σ(u), Φ(u), exp(−eᵛ),
    /// and of 1 less one of them.
    pub fn has_log_of_rest(&self, y: NodeId) -> bool {
        let node = self.node(y);
        match (&node.op, node.inputs.as_slice()) {
            (Op::Unary(Unary::Sigmoid | Unary::NormalCdf), _) => true,
            (Op::Input(input), _) => self.input_info(*input).is_some_and(|i| i.interior == Interior::Unit),
            (Op::Unary(Unary::Exp), &[u]) => {
                self.unary_of(u, Unary::Neg).is_some_and(|v| self.unary_of(v, Unary::Exp).is_some())
            }
            (Op::Binary(Binary::Sub), &[one, q]) if self.constant_value(one) == Some(1.0) => {
                matches!(self.node(q).op, Op::Unary(Unary::Sigmoid | Unary::NormalCdf | Unary::Exp))
            }
            _ => false,
        }
    }

    /// log(1 − y) where it is known without the difference, which loses what y lacks to 1.
    fn log_of_rest(&mut self, y: NodeId) -> Option<NodeId> {
        let node = self.node(y);
        if let (Op::Binary(Binary::Sub), &[one, q]) = (&node.op, node.inputs.as_slice())
            && self.constant_value(one) == Some(1.0)
        {
            return Some(self.log(q));
        }
        let (&Op::Unary(op), &[u]) = (&node.op, node.inputs.as_slice()) else { return None };
        match op {
            Unary::Sigmoid => {
                let s = self.softplus(u);
                Some(self.neg(s))
            }
            Unary::NormalCdf => {
                let other = self.neg(u);
                Some(self.unary(Unary::LogNormalCdf, other))
            }
            Unary::Exp => {
                let rest = self.unary(Unary::Expm1, u);
                let rest = self.neg(rest);
                Some(self.log(rest))
            }
            _ => None,
        }
    }

    /// An element-wise function.
    pub fn unary(&mut self, op: Unary, x: NodeId) -> NodeId {
        if let Some(v) = self.constant_value(x) {
            let axes = self.axes_of(x).to_vec();
            return self.full(special::unary(op, v), &axes);
        }
        let inner = self.node(x).clone();
        let first = inner.inputs.first().copied().unwrap_or(x);
        match (op, &inner.op) {
            (Unary::Neg, Op::Unary(Unary::Neg))
            | (Unary::Log, Op::Unary(Unary::Exp))
            | (Unary::Exp, Op::Unary(Unary::Log))
            | (Unary::Square, Op::Unary(Unary::Sqrt))
            | (Unary::Recip, Op::Unary(Unary::Recip))
            | (Unary::Log1p, Op::Unary(Unary::Expm1)) => return first,
            (Unary::Log1p, Op::Unary(Unary::Exp)) => return self.softplus(first),
            (Unary::Sqrt, Op::Unary(Unary::Square)) => return self.unary(Unary::Abs, first),
            (Unary::Sqrt | Unary::Recip | Unary::Square, Op::Unary(Unary::Exp)) => {
                let k = match op {
                    Unary::Sqrt => 0.5,
                    Unary::Recip => -1.0,
                    _ => 2.0,
                };
                let scaled = self.scale(first, k);
                return self.exp(scaled);
            }
            (Unary::Square, Op::Unary(Unary::Neg | Unary::Abs)) => return self.square(first),
            (Unary::Log, Op::Unary(Unary::Sigmoid)) => {
                let n = self.neg(first);
                let s = self.softplus(n);
                return self.neg(s);
            }
            (Unary::Log1p, Op::Unary(Unary::Neg)) => {
                if let Some(log) = self.log_of_rest(first) {
                    return log;
                }
            }
            // log(1 + (q − 1))
            (Unary::Log1p, Op::Binary(b @ (Binary::Sub | Binary::Add))) => {
                if let &[q, one] = inner.inputs.as_slice()
                    && self.constant_value(one) == Some(if *b == Binary::Sub { 1.0 } else { -1.0 })
                {
                    return self.log(q);
                }
            }
            (Unary::Log, Op::Unary(Unary::NormalCdf)) => return self.unary(Unary::LogNormalCdf, first),
            (Unary::Log, Op::Binary(Binary::Sub)) if self.constant_value(first) == Some(1.0) => {
                if let Some(log) = inner.inputs.get(1).and_then(|&y| self.log_of_rest(y)) {
                    return log;
                }
            }
            (Unary::Log, Op::Unary(Unary::Recip)) => {
                let l = self.log(first);
                return self.neg(l);
            }
            (Unary::Log, Op::Unary(Unary::Sqrt)) => {
                let l = self.log(first);
                return self.scale(l, 0.5);
            }
            (Unary::Log, Op::Binary(b @ (Binary::Mul | Binary::Div))) => {
                if let &[p, q] = inner.inputs.as_slice() {
                    let exact = |g: &Self, n: NodeId| {
                        g.unary_of(n, Unary::Exp).is_some() || g.constant_value(n).is_some_and(|v| v > 0.0)
                    };
                    if exact(self, p) || exact(self, q) {
                        let (lp, lq) = (self.log(p), self.log(q));
                        return if *b == Binary::Mul { self.add(lp, lq) } else { self.sub(lp, lq) };
                    }
                }
            }
            (Unary::Neg, Op::Binary(Binary::Sub)) => {
                if let &[p, q] = inner.inputs.as_slice() {
                    return self.sub(q, p);
                }
            }
            _ => {}
        }
        self.push(Op::Unary(op), vec![x], inner.axes)
    }

    /// What is left of x where it is multiplied by 1/y and has y for a factor: the other factor, or nothing where x is y. The
    /// slope of y log y is then finite at 0.
    fn cancelled(&self, x: NodeId, reciprocal: NodeId) -> Option<Option<NodeId>> {
        let y = self.unary_of(reciprocal, Unary::Recip)?;
        if x == y {
            return Some(None);
        }
        let (p, q) = self.operands(x, &Op::Binary(Binary::Mul))?;
        let left = if q == y { p } else { q };
        (p == y || q == y).then_some(Some(left))
    }

    /// An element-wise function of two tensors, matched by axis.
    pub fn binary(&mut self, op: Binary, a: NodeId, b: NodeId) -> NodeId {
        let axes = axis::union(self.axes_of(a), self.axes_of(b));
        let (ca, cb) = (self.constant_value(a), self.constant_value(b));
        if let (Some(x), Some(y)) = (ca, cb) {
            return self.full(special::binary(op, x, y), &axes);
        }
        let kept = match (op, ca, cb) {
            (Binary::Add, Some(0.0), _) | (Binary::Mul, Some(1.0), _) => Some(b),
            (Binary::Add | Binary::Sub, _, Some(0.0)) | (Binary::Mul | Binary::Div | Binary::Pow, _, Some(1.0)) => {
                Some(a)
            }
            (Binary::Sub, Some(0.0), _) => Some(self.neg(b)),
            (Binary::Mul, Some(-1.0), _) => Some(self.neg(b)),
            (Binary::Mul | Binary::Div, _, Some(-1.0)) => Some(self.neg(a)),
            (Binary::Mul, Some(0.0), _) | (Binary::Mul, _, Some(0.0)) => Some(self.constant(0.0)),
            (Binary::Div, Some(1.0), _) => Some(self.unary(Unary::Recip, b)),
            (Binary::Pow, _, Some(2.0)) => Some(self.square(a)),
            (Binary::Pow, _, Some(0.5)) => Some(self.unary(Unary::Sqrt, a)),
            (Binary::Pow, _, Some(-1.0)) => Some(self.unary(Unary::Recip, a)),
            (Binary::Pow, _, Some(0.0)) => Some(self.constant(1.0)),
            _ => None,
        };
        if let Some(node) = kept {
            return self.broadcast_to(node, &axes);
        }
        // A broadcast operand is redundant where the other one brings the axes.
        let (a, b) = (self.without_broadcast(a, b), self.without_broadcast(b, a));
        let (neg_a, neg_b) = (self.unary_of(a, Unary::Neg), self.unary_of(b, Unary::Neg));
        match (op, neg_a, neg_b) {
            (Binary::Add, _, Some(y)) => return self.sub(a, y),
            (Binary::Add, Some(x), _) => return self.sub(b, x),
            (Binary::Sub, _, Some(y)) => return self.add(a, y),
            (Binary::Mul | Binary::Div, Some(x), Some(y)) => return self.binary(op, x, y),
            (Binary::Mul | Binary::Div, Some(x), None) => {
                let p = self.binary(op, x, b);
                return self.neg(p);
            }
            (Binary::Mul | Binary::Div, None, Some(y)) => {
                let p = self.binary(op, a, y);
                return self.neg(p);
            }
            _ => {}
        }
        match op {
            Binary::Mul if a == b => return self.square(a),
            Binary::Mul if self.cancelled(a, b).is_some() || self.cancelled(b, a).is_some() => {
                let rest = self.cancelled(a, b).or_else(|| self.cancelled(b, a)).flatten();
                return match rest {
                    Some(rest) => self.broadcast_to(rest, &axes),
                    None => self.full(1.0, &axes),
                };
            }
            Binary::Div if a == b => return self.full(1.0, &axes),
            Binary::Mul => {
                // Numbers gather at the front: k (l x) = (k l) x.
                let (k, x) = match (self.constant_value(a), self.constant_value(b)) {
                    (Some(k), _) => (Some(k), b),
                    (_, Some(k)) => (Some(k), a),
                    _ => (None, a),
                };
                if let Some(k) = k
                    && let Some((p, q)) = self.operands(x, &Op::Binary(Binary::Mul))
                    && let Some(l) = self.constant_value(p)
                {
                    let c = self.constant(k * l);
                    let m = self.mul(c, q);
                    return self.broadcast_to(m, &axes);
                }
                if let (Some(x), Some(y)) = (self.unary_of(a, Unary::Exp), self.unary_of(b, Unary::Exp)) {
                    let s = self.add(x, y);
                    return self.exp(s);
                }
            }
            Binary::Div => {
                if let Some(k) = self.constant_value(b) {
                    return self.scale(a, 1.0 / k);
                }
                if let Some(y) = self.unary_of(b, Unary::Exp) {
                    let n = self.neg(y);
                    let e = self.exp(n);
                    return self.mul(a, e);
                }
            }
            _ => {}
        }
        let commutes = matches!(op, Binary::Add | Binary::Mul | Binary::Max | Binary::Min | Binary::Equal);
        let swap = commutes
            && match (self.constant_value(a), self.constant_value(b)) {
                (None, Some(_)) => true,
                (Some(_), None) => false,
                _ => b < a,
            };
        let inputs = if swap { vec![b, a] } else { vec![a, b] };
        self.push(Op::Binary(op), inputs, axes)
    }

    fn without_broadcast(&self, a: NodeId, other: NodeId) -> NodeId {
        let node = self.node(a);
        match (&node.op, node.inputs.first()) {
            (Op::Broadcast(added), Some(&inner)) if axis::subset(added, self.axes_of(other)) => inner,
            _ => a,
        }
    }

    /// `a` where `condition` is not 0, else `b`.
    pub fn select(&mut self, condition: NodeId, a: NodeId, b: NodeId) -> NodeId {
        let axes = axis::union(self.axes_of(condition), &axis::union(self.axes_of(a), self.axes_of(b)));
        if let Some(c) = self.constant_value(condition) {
            let chosen = if c != 0.0 { a } else { b };
            return self.broadcast_to(chosen, &axes);
        }
        if a == b {
            return self.broadcast_to(a, &axes);
        }
        self.push(Op::Select, vec![condition, a, b], axes)
    }

    /// Sum over axes. Over an axis that the operand lacks, the operand times its extent.
    pub fn sum(&mut self, x: NodeId, over: &[Axis]) -> NodeId {
        let over = axis::sorted(over);
        let lacking = axis::difference(&over, self.axes_of(x));
        let over = axis::intersection(&over, self.axes_of(x));
        let mut result = self.sum_present(x, over);
        for a in lacking {
            let n = self.extent(a.id);
            result = self.mul(n, result);
        }
        result
    }

    fn sum_present(&mut self, x: NodeId, over: Vec<Axis>) -> NodeId {
        if over.is_empty() {
            return x;
        }
        let node = self.node(x).clone();
        let axes = axis::difference(&node.axes, &over);
        match (&node.op, node.inputs.as_slice()) {
            (Op::Broadcast(_), &[inner]) => {
                let s = self.sum(inner, &over);
                self.broadcast_to(s, &axes)
            }
            (Op::Unary(Unary::Neg), &[inner]) => {
                let s = self.sum(inner, &over);
                self.neg(s)
            }
            (Op::Sum(before), &[inner]) => {
                let both = axis::union(before, &over);
                self.sum(inner, &both)
            }
            (Op::Binary(Binary::Mul), &[a, b]) if self.axes_of(a) != self.axes_of(b) => self.contract(a, b, &over),
            _ => self.push(Op::Sum(over), vec![x], axes),
        }
    }

    /// Sum over every axis but those kept.
    pub fn sum_all_but(&mut self, x: NodeId, kept: &[Axis]) -> NodeId {
        let over = axis::difference(self.axes_of(x), kept);
        self.sum(x, &over)
    }

    /// Mean over axes: the sum divided by the extents.
    pub fn mean(&mut self, x: NodeId, over: &[Axis]) -> NodeId {
        let mut result = x;
        let over = axis::intersection(&axis::sorted(over), self.axes_of(x));
        if !over.is_empty() {
            result = self.sum(x, &over);
            for a in over {
                let n = self.extent(a.id);
                result = self.div(result, n);
            }
        }
        result
    }

    /// Maximum over axes; over an axis that the operand lacks, the operand.
    pub fn max(&mut self, x: NodeId, over: &[Axis]) -> NodeId {
        let over = axis::intersection(&axis::sorted(over), self.axes_of(x));
        if over.is_empty() {
            return x;
        }
        let axes = axis::difference(self.axes_of(x), &over);
        self.push(Op::Max(over), vec![x], axes)
    }

    /// log Σ exp over axes, without overflow.
    pub fn logsumexp(&mut self, x: NodeId, over: &[Axis]) -> NodeId {
        let top = self.max(x, over);
        let top = self.stop(top);
        let shifted = self.sub(x, top);
        let e = self.exp(shifted);
        let s = self.sum(e, over);
        let l = self.log(s);
        self.add(top, l)
    }

    /// x − logsumexp(x): log probabilities over `over`.
    pub fn log_softmax(&mut self, x: NodeId, over: &[Axis]) -> NodeId {
        let l = self.logsumexp(x, over);
        self.sub(x, l)
    }

    /// Probabilities over `over`, as exp of [`Graph::log_softmax`] so that their log is exact.
    pub fn softmax(&mut self, x: NodeId, over: &[Axis]) -> NodeId {
        let l = self.log_softmax(x, over);
        self.exp(l)
    }

    /// Sum over axes of a product.
    pub fn contract(&mut self, a: NodeId, b: NodeId, over: &[Axis]) -> NodeId {
        let over = axis::sorted(over);
        let both = axis::union(self.axes_of(a), self.axes_of(b));
        let target = axis::difference(&both, &over);
        let mut factor = None;
        for absent in axis::difference(&over, &both) {
            let n = self.extent(absent.id);
            factor = Some(factor.map_or(n, |f| self.mul(f, n)));
        }
        // What only one operand carries is summed first, repeated operands are taken once.
        let strip = |g: &Self, n: NodeId| match (&g.node(n).op, g.node(n).inputs.first()) {
            (Op::Broadcast(_), Some(&inner)) => inner,
            _ => n,
        };
        let (mut x, mut y) = (strip(self, a), strip(self, b));
        for lost in axis::difference(&axis::intersection(&both, &over), &axis::union(self.axes_of(x), self.axes_of(y)))
        {
            let n = self.extent(lost.id);
            factor = Some(factor.map_or(n, |f| self.mul(f, n)));
        }
        let only_x = axis::difference(&axis::intersection(&over, self.axes_of(x)), self.axes_of(y));
        let only_y = axis::difference(&axis::intersection(&over, self.axes_of(y)), self.axes_of(x));
        x = self.sum_present(x, only_x);
        y = self.sum_present(y, only_y);
        let over = axis::intersection(&axis::intersection(&over, self.axes_of(x)), self.axes_of(y));
        let mut result = if over.is_empty() {
            self.mul(x, y)
        } else if let Some(n) = self.unary_of(x, Unary::Neg) {
            let c = self.contract(n, y, &over);
            self.neg(c)
        } else if let Some(n) = self.unary_of(y, Unary::Neg) {
            let c = self.contract(x, n, &over);
            self.neg(c)
        } else if let Some(pair) = self.renaming(x, y, &over) {
            self.rename(x, &[pair])
        } else if let Some(pair) = self.renaming(y, x, &over) {
            self.rename(y, &[pair])
        } else {
            let axes = axis::difference(&axis::union(self.axes_of(x), self.axes_of(y)), &over);
            self.push(Op::Contract(over), vec![x, y], axes)
        };
        if let Some(f) = factor {
            result = self.mul(f, result);
        }
        self.broadcast_to(result, &target)
    }

    /// The axis and its new name, where a contraction of x with an identity matrix says no more than that.
    fn renaming(&self, x: NodeId, identity: NodeId, over: &[Axis]) -> Option<(Axis, Axis)> {
        let &[from] = over else { return None };
        let &[a, b] = self.axes_of(identity) else { return None };
        let to = if a == from { b } else { a };
        let mut node = self.node(identity);
        if let (Op::Rename(_), &[inner]) = (&node.op, node.inputs.as_slice()) {
            node = self.node(inner);
        }
        let Op::Literal(tensor) = &node.op else { return None };
        (!self.has_axis(x, to) && tensor.is_identity()).then_some((from, to))
    }

    /// Repeats along every axis of `axes` that the operand lacks.
    pub fn broadcast(&mut self, x: NodeId, axes: &[Axis]) -> NodeId {
        let added = axis::difference(&axis::sorted(axes), self.axes_of(x));
        if added.is_empty() {
            return x;
        }
        let node = self.node(x).clone();
        let all = axis::union(&node.axes, &added);
        match (&node.op, node.inputs.as_slice()) {
            (Op::Broadcast(before), &[inner]) => {
                let added = axis::union(before, &added);
                self.push(Op::Broadcast(added), vec![inner], all)
            }
            _ => self.push(Op::Broadcast(added), vec![x], all),
        }
    }

    fn broadcast_to(&mut self, x: NodeId, axes: &[Axis]) -> NodeId {
        self.broadcast(x, axes)
    }

    /// Sums and repeats so that the result has just these axes: the transpose of broadcasting.
    pub fn sum_to(&mut self, x: NodeId, axes: &[Axis]) -> NodeId {
        let x = self.sum_all_but(x, axes);
        self.broadcast(x, axes)
    }

    /// The Poisson sampler over (at least) `axes`; see [`Op::Arrivals`].
    pub fn arrivals(
        &mut self,
        log_rate: NodeId,
        temperature: NodeId,
        order: u8,
        indicator: Indicator,
        site: Site,
        axes: &[Axis],
    ) -> NodeId {
        let axes = axis::union(axes, self.axes_of(log_rate));
        self.push(Op::Arrivals { order, indicator, site }, vec![log_rate, temperature], axes)
    }

    /// The operand, constant to differentiation.
    pub fn stop(&mut self, x: NodeId) -> NodeId {
        if self.constant_value(x).is_some() || self.node(x).op == Op::Stop {
            return x;
        }
        let axes = self.axes_of(x).to_vec();
        self.push(Op::Stop, vec![x], axes)
    }

    /// k · x
    pub fn scale(&mut self, x: NodeId, k: f64) -> NodeId {
        let c = self.constant(k);
        self.mul(c, x)
    }

    /// x + k
    pub fn shift(&mut self, x: NodeId, k: f64) -> NodeId {
        let c = self.constant(k);
        self.add(x, c)
    }
}

macro_rules! named {
    ($(#[$doc:meta] $name:ident = $op:ident;)*) => {
        impl Graph { $(#[$doc] pub fn $name(&mut self, x: NodeId) -> NodeId { self.unary(Unary::$op, x) })* }
    };
    (two $(#[$doc:meta] $name:ident = $op:ident;)*) => {
        impl Graph { $(#[$doc] pub fn $name(&mut self, a: NodeId, b: NodeId) -> NodeId {
            self.binary(Binary::$op, a, b)
        })* }
    };
}

named! {
    /// −x
    neg = Neg;
    /// eˣ
    exp = Exp;
    /// log x
    log = Log;
    /// log(1 + x)
    log1p = Log1p;
    /// √x
    sqrt = Sqrt;
    /// x²
    square = Square;
    /// 1/x
    recip = Recip;
    /// |x|
    abs = Abs;
    /// max(x, 0)
    relu = Relu;
    /// tanh x
    tanh = Tanh;
    /// 1/(1 + e⁻ˣ)
    sigmoid = Sigmoid;
    /// log(1 + eˣ)
    softplus = Softplus;
    /// log |Γ(x)|
    lgamma = LogGamma;
    /// Φ(x)
    normal_cdf = NormalCdf;
}

named! { two
    /// a + b
    add = Add;
    /// a − b
    sub = Sub;
    /// a · b
    mul = Mul;
    /// a / b
    div = Div;
    /// aᵇ
    pow = Pow;
    /// 1 where a < b
    less = Less;
    /// 1 where a ≤ b
    less_equal = LessEqual;
    /// 1 where a = b
    equal = Equal;
}
