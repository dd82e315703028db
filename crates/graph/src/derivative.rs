//! Symbolic reverse-mode differentiation: the derivative of a graph is a graph, so it can be taken again.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::axis::{self, Axis};
use crate::graph::{Graph, NodeId};
use crate::noise::MAX_ORDER;
use crate::op::{Binary, Op, Unary};

/// The reason for which there is no derivative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DerivativeError {
    /// The Poisson sampler has derivatives up to a fixed order.
    #[error("the Poisson sampler has derivatives up to order {MAX_ORDER} only")]
    ArrivalOrder,
    /// Quantile functions have first derivatives.
    #[error("draws by implicit gradients have first derivatives only")]
    QuantileOrder,
}

impl Graph {
    /// The gradient of the sum of all elements of `output`, one node for each of `with_respect_to`, with its axes.
    ///
    /// # Errors
    /// Where the highest order of derivative of a sampler is exceeded.
    pub fn gradient(&mut self, output: NodeId, with_respect_to: &[NodeId]) -> Result<Vec<NodeId>, DerivativeError> {
        let axes = self.axes_of(output).to_vec();
        let one = self.full(1.0, &axes);
        self.vjp(&[(output, one)], with_respect_to)
    }

    /// Vector–Jacobian products: Σ over the seeds (node, cotangent) of cotangent · ∂node/∂x for each x. A cotangent has
    /// its node's axes.
    ///
    /// # Errors
    /// As [`Graph::gradient`].
    pub fn vjp(
        &mut self,
        seeds: &[(NodeId, NodeId)],
        with_respect_to: &[NodeId],
    ) -> Result<Vec<NodeId>, DerivativeError> {
        let outputs: Vec<NodeId> = seeds.iter().map(|s| s.0).collect();
        let targets: HashSet<NodeId> = with_respect_to.iter().copied().collect();
        // Only what leads to a target is differentiated: never the data.
        let mut active = HashSet::new();
        for id in self.reachable(&outputs) {
            if targets.contains(&id) || self.node(id).inputs.iter().any(|i| active.contains(i)) {
                active.insert(id);
            }
        }
        let mut sweep = Sweep { active, cotangents: BTreeMap::new(), scans: HashMap::new() };
        for &(node, cotangent) in seeds {
            sweep.add(self, node, cotangent);
        }
        let mut found: HashMap<NodeId, NodeId> = HashMap::new();
        while let Some((id, cotangent)) = sweep.cotangents.pop_last() {
            if targets.contains(&id) {
                found.insert(id, cotangent);
            }
            let before = self.set_origin(self.origin_of(id));
            let step = self.pull_back(&mut sweep, id, cotangent);
            self.set_origin(before);
            step?;
        }
        Ok(with_respect_to
            .iter()
            .map(|&x| {
                let axes = self.axes_of(x).to_vec();
                found.get(&x).copied().unwrap_or_else(|| self.full(0.0, &axes))
            })
            .collect())
    }

    /// Sum of a product, to just these axes, without making the product where it can be contracted.
    fn product_to(&mut self, a: NodeId, b: NodeId, axes: &[Axis]) -> NodeId {
        let all = axis::union(self.axes_of(a), self.axes_of(b));
        let over = axis::difference(&all, axes);
        let result = if over.is_empty() { self.mul(a, b) } else { self.contract(a, b, &over) };
        self.broadcast(result, axes)
    }

    /// Adds g · ∂y/∂x to the cotangent of each operand x of y. One flat match over all operations, so it stays whole.
    fn pull_back(&mut self, sweep: &mut Sweep, y: NodeId, g: NodeId) -> Result<(), DerivativeError> {
        let node = self.node(y).clone();
        let at = |k: usize| node.inputs.get(k).copied().unwrap_or(y);
        let axes = |graph: &Self, k: usize| graph.axes_of(at(k)).to_vec();
        match &node.op {
            Op::Unary(op) => {
                let x = at(0);
                if sweep.wants(x)
                    && let Some(d) = self.unary_derivative(*op, x, y)
                {
                    let c = self.mul(g, d);
                    sweep.add(self, x, c);
                }
            }
            Op::Binary(op) => {
                for side in [0, 1] {
                    if !sweep.wants(at(side)) {
                        continue;
                    }
                    let to = axes(self, side);
                    let c = match self.binary_derivative(*op, at(0), at(1), y, side)? {
                        Slope::Zero => continue,
                        Slope::One => self.sum_to(g, &to),
                        Slope::MinusOne => {
                            let n = self.neg(g);
                            self.sum_to(n, &to)
                        }
                        Slope::Node(d) => self.product_to(g, d, &to),
                    };
                    sweep.add(self, at(side), c);
                }
            }
            Op::Select => {
                let zero = self.constant(0.0);
                for side in [1, 2] {
                    if sweep.wants(at(side)) {
                        let (a, b) = if side == 1 { (g, zero) } else { (zero, g) };
                        let c = self.select(at(0), a, b);
                        let to = axes(self, side);
                        let c = self.sum_to(c, &to);
                        sweep.add(self, at(side), c);
                    }
                }
            }
            Op::Sum(_) => {
                let to = axes(self, 0);
                let c = self.broadcast(g, &to);
                sweep.add(self, at(0), c);
            }
            Op::Max(over) => {
                // Ties share the derivative.
                let hit = self.equal(at(0), y);
                let ties = self.sum(hit, over);
                let share = self.div(g, ties);
                let c = self.mul(hit, share);
                sweep.add(self, at(0), c);
            }
            Op::Contract(_) => {
                for (side, other) in [(0, 1), (1, 0)] {
                    if sweep.wants(at(side)) {
                        let to = axes(self, side);
                        let c = self.product_to(g, at(other), &to);
                        sweep.add(self, at(side), c);
                    }
                }
            }
            Op::Broadcast(_) => {
                let to = axes(self, 0);
                let c = self.sum_to(g, &to);
                sweep.add(self, at(0), c);
            }
            Op::Rename(pairs) => {
                let back: Vec<(Axis, Axis)> = pairs.iter().map(|&(a, b)| (b, a)).collect();
                let c = self.rename(g, &back);
                sweep.add(self, at(0), c);
            }
            Op::Reshape { from, to } => {
                let c = self.reshape(g, to, from);
                sweep.add(self, at(0), c);
            }
            Op::Gather { axis } => {
                let rest = axis::difference(self.axes_of(at(0)), &[*axis]);
                let over = axis::difference(self.axes_of(at(1)), &rest);
                let c = self.scatter_add(g, at(1), *axis, &over);
                let to = axes(self, 0);
                let c = self.sum_to(c, &to);
                sweep.add(self, at(0), c);
            }
            Op::ScatterAdd { axis, .. } => {
                let c = self.gather(g, at(1), *axis);
                let to = axes(self, 0);
                let c = self.sum_to(c, &to);
                sweep.add(self, at(0), c);
            }
            Op::Factor { kind, row, column } => {
                let c = self.factor_cotangent(*kind, y, g, *row, *column);
                sweep.add(self, at(0), c);
            }
            Op::Arrivals { order, indicator, site } => {
                if sweep.wants(at(0)) {
                    if *order >= MAX_ORDER {
                        return Err(DerivativeError::ArrivalOrder);
                    }
                    let d = self.arrivals(at(0), at(1), order + 1, *indicator, *site, &node.axes);
                    let to = axes(self, 0);
                    let c = self.product_to(g, d, &to);
                    sweep.add(self, at(0), c);
                }
            }
            Op::Output(k) => {
                sweep.scans.entry(at(0)).or_default().insert(*k, g);
                // The scan itself is reached once, after all its results.
                sweep.cotangents.entry(at(0)).or_insert(g);
            }
            Op::Scan(_) => self.pull_back_scan(sweep, y)?,
            Op::Constant(_) | Op::Literal(_) | Op::Input(_) | Op::Noise { .. } | Op::Extent(_) => {}
            Op::Iota | Op::Stop => {}
        }
        Ok(())
    }

    /// dy/dx of y = op(x), `None` where it is zero.
    fn unary_derivative(&mut self, op: Unary, x: NodeId, y: NodeId) -> Option<NodeId> {
        Some(match op {
            Unary::Neg => self.constant(-1.0),
            Unary::Exp => y,
            Unary::Log => self.recip(x),
            Unary::Log1p => {
                let d = self.shift(x, 1.0);
                self.recip(d)
            }
            Unary::Expm1 => self.exp(x),
            Unary::Sqrt => {
                let r = self.recip(y);
                self.scale(r, 0.5)
            }
            Unary::Square => self.scale(x, 2.0),
            Unary::Recip => {
                let s = self.square(y);
                self.neg(s)
            }
            Unary::Abs => self.unary(Unary::Sign, x),
            Unary::Sign | Unary::Step | Unary::Floor => return None,
            Unary::Relu => self.unary(Unary::Step, x),
            Unary::Tanh => {
                let s = self.square(y);
                let one = self.constant(1.0);
                self.sub(one, s)
            }
            Unary::Sigmoid => {
                let n = self.neg(x);
                let other = self.sigmoid(n);
                self.mul(y, other)
            }
            Unary::Softplus => self.sigmoid(x),
            Unary::Sin => self.unary(Unary::Cos, x),
            Unary::Cos => {
                let s = self.unary(Unary::Sin, x);
                self.neg(s)
            }
            Unary::Atan => {
                let s = self.square(x);
                let d = self.shift(s, 1.0);
                self.recip(d)
            }
            Unary::Erf => {
                let s = self.square(x);
                let n = self.neg(s);
                let e = self.exp(n);
                self.scale(e, 2.0 / std::f64::consts::PI.sqrt())
            }
            Unary::NormalCdf => {
                let l = self.log_normal_pdf(x);
                self.exp(l)
            }
            Unary::LogNormalCdf => {
                let l = self.log_normal_pdf(x);
                let d = self.sub(l, y);
                self.exp(d)
            }
            Unary::LogGamma => self.unary(Unary::Polygamma(0), x),
            Unary::LogBesselI(n) => {
                // d log I_n/dx = I_{n+1}/I_n + n/x; even in x.
                let (above, size) = (self.unary(Unary::LogBesselI(n.saturating_add(1)), x), self.unary(Unary::Abs, x));
                let here = self.unary(Unary::LogBesselI(n), x);
                let ratio = self.sub(above, here);
                let mut slope = self.unary(Unary::Exp, ratio);
                if n > 0 {
                    let order = self.constant(f64::from(n));
                    let part = self.div(order, size);
                    slope = self.add(slope, part);
                }
                let sign = self.unary(Unary::Sign, x);
                self.mul(slope, sign)
            }
            Unary::Polygamma(n) => self.unary(Unary::Polygamma(n.saturating_add(1)), x),
        })
    }

    /// log φ(x) = −x²/2 − ½ log 2π
    pub fn log_normal_pdf(&mut self, x: NodeId) -> NodeId {
        let s = self.square(x);
        let h = self.scale(s, -0.5);
        self.shift(h, -0.5 * (2.0 * std::f64::consts::PI).ln())
    }

    /// φ(ε)/p, from the log of p.
    fn ratio_to_normal(&mut self, e: NodeId, log_density: NodeId) -> NodeId {
        let normal = self.log_normal_pdf(e);
        let ratio = self.sub(normal, log_density);
        self.exp(ratio)
    }

    /// ∂ε/∂y of the normal score ε of a Gamma(a, 1) value eʸ: the density of y, exp(ay − eʸ)/Γ(a), over φ(ε).
    fn score_slope(&mut self, a: NodeId, y: NodeId, e: NodeId) -> NodeId {
        let (product, power, constant) = (self.mul(a, y), self.exp(y), self.unary(Unary::LogGamma, a));
        let density = self.sub(product, power);
        let density = self.sub(density, constant);
        let normal = self.log_normal_pdf(e);
        let ratio = self.sub(density, normal);
        self.exp(ratio)
    }

    fn binary_derivative(
        &mut self,
        op: Binary,
        a: NodeId,
        b: NodeId,
        y: NodeId,
        side: usize,
    ) -> Result<Slope, DerivativeError> {
        Ok(match (op, side) {
            (Binary::Add, _) | (Binary::Sub, 0) => Slope::One,
            (Binary::Sub, _) => Slope::MinusOne,
            (Binary::Mul, 0) => Slope::Node(b),
            (Binary::Mul, _) => Slope::Node(a),
            (Binary::Div, 0) => Slope::Node(self.recip(b)),
            (Binary::Div, _) => {
                let q = self.div(y, b);
                Slope::Node(self.neg(q))
            }
            (Binary::Pow, 0) => {
                let one = self.constant(1.0);
                let less = self.sub(b, one);
                let p = self.pow(a, less);
                Slope::Node(self.mul(b, p))
            }
            (Binary::Pow, _) => {
                // 0ᵇ does not change with b; log 0 must not be met.
                let zero = self.constant(0.0);
                let one = self.constant(1.0);
                let positive = self.less(zero, a);
                let safe = self.select(positive, a, one);
                let l = self.log(safe);
                Slope::Node(self.mul(y, l))
            }
            (Binary::Max | Binary::Min, _) => {
                let (larger, smaller) = if (op == Binary::Max) == (side == 0) { (a, b) } else { (b, a) };
                let strict = self.less(smaller, larger);
                let tie = self.equal(a, b);
                let half = self.scale(tie, 0.5);
                Slope::Node(self.add(strict, half))
            }
            (Binary::Less | Binary::LessEqual | Binary::Equal, _) => Slope::Zero,
            (Binary::LogGammaQuantile, 0) => Slope::Node(self.binary(Binary::LogGammaQuantileSlope, a, b)),
            (Binary::LogGammaQuantile, _) => {
                // φ(ε) over the density of log z, exp(a y − eʸ)/Γ(a).
                let (product, power, constant) = (self.mul(a, y), self.exp(y), self.unary(Unary::LogGamma, a));
                let density = self.sub(product, power);
                let density = self.sub(density, constant);
                Slope::Node(self.ratio_to_normal(b, density))
            }
            (Binary::GammaScore, 0) => {
                // At a fixed value, −(∂y/∂a at fixed ε)/(∂y/∂ε).
                let density = self.score_slope(a, b, y);
                let moved = self.binary(Binary::LogGammaQuantileSlope, a, y);
                let slope = self.mul(moved, density);
                Slope::Node(self.neg(slope))
            }
            (Binary::GammaScore, _) => Slope::Node(self.score_slope(a, b, y)),
            (Binary::VonMisesQuantile, 0) => Slope::Node(self.binary(Binary::VonMisesQuantileSlope, a, b)),
            (Binary::VonMisesQuantile, _) => {
                let (cosine, constant) = (self.unary(Unary::Cos, y), self.unary(Unary::LogBesselI(0), a));
                let density = self.mul(a, cosine);
                let density = self.sub(density, constant);
                let density = self.shift(density, -(2.0 * std::f64::consts::PI).ln());
                Slope::Node(self.ratio_to_normal(b, density))
            }
            (Binary::LogGammaQuantileSlope | Binary::VonMisesQuantileSlope, _) => {
                return Err(DerivativeError::QuantileOrder);
            }
        })
    }
}

/// The derivative of an operation in one of its operands.
enum Slope {
    Zero,
    One,
    MinusOne,
    Node(NodeId),
}

/// A walk from outputs to what they need, and the cotangents found on the way.
pub(crate) struct Sweep {
    active: HashSet<NodeId>,
    cotangents: BTreeMap<NodeId, NodeId>,
    /// Cotangents of the results of each scan, by their number.
    pub scans: HashMap<NodeId, HashMap<usize, NodeId>>,
}

impl Sweep {
    /// Whether a node leads to a target.
    pub fn wants(&self, id: NodeId) -> bool {
        self.active.contains(&id)
    }

    /// Adds to the cotangent of a node.
    pub fn add(&mut self, graph: &mut Graph, id: NodeId, cotangent: NodeId) {
        if !self.wants(id) {
            return;
        }
        let total = match self.cotangents.get(&id) {
            Some(&before) => graph.add(before, cotangent),
            None => cotangent,
        };
        let axes = graph.axes_of(id).to_vec();
        let total = graph.broadcast(total, &axes);
        self.cotangents.insert(id, total);
    }
}
