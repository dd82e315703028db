//! Exact expectations, recognised from the graph.
//!
//! The primitives are the independent random nodes: a latent whose guide has fixed arguments, or the standard normal
//! vector behind a joint Gaussian. Expectations pass through everything linear, split over independent factors, and end
//! at E[a²] = E[a]² + Var[a], at registered statistics of a family, and at exp or relu of something Gaussian. What is
//! not covered is reported as blocked at a node, so that the user can be told why a term is sampled.

use std::collections::{BTreeSet, HashMap};

use fe_distribution::{Distribution, Statistic, Support};
use fe_graph::axis::{difference, intersection, subset, union};
use fe_graph::{Axis, Binary, Graph, NodeId, Op, Tensor, Unary};

use crate::degree::{Degree, Degrees};
use crate::law::Law;
use crate::markov::{Block, ChainLaw};
use crate::quadrature::{self, Rule};

/// The most slopes of one affine function along the directions of a primitive.
const MOST_SLOPES: usize = 1 << 23;

/// A variance, and the axes along which different elements depend on different primitives (and so are independent).
#[derive(Clone, Debug)]
struct Spread {
    variance: NodeId,
    independent: Vec<Axis>,
}

/// Takes expectations over the primitives.
pub(crate) struct Expectation {
    laws: HashMap<NodeId, Law>,
    random: HashMap<NodeId, BTreeSet<NodeId>>,
    means: HashMap<NodeId, Option<NodeId>>,
    spreads: HashMap<NodeId, Option<Spread>>,
    degrees: Degrees,
    /// The axis of rows, of which a batch holds some.
    row: Option<Axis>,
    /// The first node whose expectation is not known.
    pub blocked: Option<NodeId>,
    /// Whether quadrature is worth its points, and its rule once it was used.
    quadrature: bool,
    pub rule: Option<Rule>,
}

impl Expectation {
    pub fn new(laws: HashMap<NodeId, Law>, row: Option<Axis>, quadrature: bool) -> Self {
        Self {
            laws,
            row,
            degrees: Degrees::default(),
            random: HashMap::new(),
            means: HashMap::new(),
            spreads: HashMap::new(),
            blocked: None,
            quadrature,
            rule: None,
        }
    }

    /// How a primitive is distributed.
    pub fn law(&self, id: NodeId) -> Option<Law> {
        self.laws.get(&id).cloned()
    }

    /// The primitives a node depends on.
    pub fn primitives(&mut self, g: &Graph, id: NodeId) -> BTreeSet<NodeId> {
        if !self.random.contains_key(&id) {
            for n in g.reachable(&[id]) {
                if self.random.contains_key(&n) {
                    continue;
                }
                let mut set = BTreeSet::new();
                if self.laws.contains_key(&n) {
                    set.insert(n);
                }
                for i in &g.node(n).inputs {
                    set.extend(self.random.get(i).into_iter().flatten().copied());
                }
                self.random.insert(n, set);
            }
        }
        self.random.get(&id).cloned().unwrap_or_default()
    }

    fn fixed(&mut self, g: &Graph, id: NodeId) -> bool {
        self.primitives(g, id).is_empty()
    }

    fn independent(&mut self, g: &Graph, a: NodeId, b: NodeId) -> bool {
        let pa = self.primitives(g, a);
        self.primitives(g, b).is_disjoint(&pa)
    }

    /// E[node], `None` where it is not known in closed form.
    pub fn mean(&mut self, g: &mut Graph, id: NodeId) -> Option<NodeId> {
        if let Some(known) = self.means.get(&id) {
            return *known;
        }
        let before = g.set_origin(g.origin_of(id));
        let blocked = self.blocked;
        let mut result = self.mean_of(g, id);
        if result.is_none() {
            result = self.by_quadrature(g, id);
            self.blocked = if result.is_some() { blocked } else { self.blocked };
        }
        g.set_origin(before);
        if result.is_none() && self.blocked.is_none() {
            self.blocked = Some(id);
        }
        self.means.insert(id, result);
        result
    }

    /// E[node] with the node's own axes.
    fn mean_of(&mut self, g: &mut Graph, id: NodeId) -> Option<NodeId> {
        if self.fixed(g, id) {
            return Some(id);
        }
        let axes = g.axes_of(id).to_vec();
        if let Some(law) = self.laws.get(&id).cloned() {
            let m = match law {
                Law::Family(d) => d.expectation(g, Statistic::Value)?,
                Law::StandardNormal | Law::Chain(_) => g.constant(0.0),
                Law::Opaque => return None,
            };
            return Some(g.broadcast(m, &axes));
        }
        let node = g.node(id).clone();
        let m = match (&node.op, node.inputs.as_slice()) {
            (Op::Unary(op), &[x]) => self.mean_of_unary(g, *op, x)?,
            (Op::Binary(op @ (Binary::Add | Binary::Sub)), &[a, b]) => {
                let (a, b) = (self.mean(g, a)?, self.mean(g, b)?);
                g.binary(*op, a, b)
            }
            (Op::Binary(Binary::Mul), &[a, b]) if self.independent(g, a, b) => {
                let (a, b) = (self.mean(g, a)?, self.mean(g, b)?);
                g.mul(a, b)
            }
            (Op::Binary(Binary::Div), &[a, b]) if self.independent(g, a, b) => {
                let (a, r) = (self.mean(g, a)?, g.recip(b));
                let r = self.mean(g, r)?;
                g.mul(a, r)
            }
            (Op::Contract(over), &[a, b]) if self.independent(g, a, b) => {
                let (a, b) = (self.mean(g, a)?, self.mean(g, b)?);
                g.contract(a, b, over)
            }
            (Op::Select, &[c, a, b]) if self.fixed(g, c) => {
                let (a, b) = (self.mean(g, a)?, self.mean(g, b)?);
                g.select(c, a, b)
            }
            (Op::Sum(over), &[x]) => {
                let x = self.mean(g, x)?;
                g.sum(x, over)
            }
            // A loop that is affine, at the means of what it steps through.
            (Op::Output(_), &[scan]) if self.affine(g, id) => {
                let mut means = HashMap::new();
                for operand in g.node(scan).inputs.clone() {
                    if !self.fixed(g, operand) {
                        means.insert(operand, self.mean(g, operand)?);
                    }
                }
                g.substitute(&[id], &means).first().copied()?
            }
            _ => {
                // Whatever else is linear in its one random operand.
                let (which, x) = self.linear_operand(g, id)?;
                let x = self.mean(g, x)?;
                self.replace_operand(g, id, &which, x)?
            }
        };
        Some(g.broadcast(m, &axes))
    }

    fn mean_of_unary(&mut self, g: &mut Graph, op: Unary, x: NodeId) -> Option<NodeId> {
        if let Some((condition, a, b)) = self.fixed_choice(g, x) {
            // A fixed choice, as densities make where 0 · log 0 = 0, is made outside of the expectation.
            let (a, b) = (g.unary(op, a), g.unary(op, b));
            let (a, b) = (self.mean(g, a)?, self.mean(g, b)?);
            return Some(g.select(condition, a, b));
        }
        match op {
            Unary::Neg => {
                let m = self.mean(g, x)?;
                Some(g.neg(m))
            }
            Unary::Square => {
                if let Some(tilted) = self.tilted(g, x) {
                    return Some(tilted);
                }
                let m = self.mean(g, x)?;
                let spread = self.spread(g, x)?;
                let s = g.square(m);
                Some(g.add(s, spread.variance))
            }
            Unary::Exp | Unary::Relu if self.gaussian(g, x) => {
                let m = self.mean(g, x)?;
                let v = self.spread(g, x)?.variance;
                if op == Unary::Exp {
                    let h = g.scale(v, 0.5);
                    let e = g.add(m, h);
                    return Some(g.exp(e));
                }
                Some(rectified(g, m, v).0)
            }
            Unary::Exp => match self.independent_parts(g, x) {
                // E[eᵃ⁺ᵇ] = E[eᵃ] E[eᵇ]
                Some((a, b)) => {
                    let (a, b) = (g.exp(a), g.exp(b));
                    let (a, b) = (self.mean(g, a)?, self.mean(g, b)?);
                    Some(g.mul(a, b))
                }
                None => self.statistic(g, op, x, |g, d, s| d.expectation(g, s)),
            },
            _ => self.statistic(g, op, x, |g, d, s| d.expectation(g, s)),
        }
    }

    /// The two parts of a sum or a difference that depend on different primitives.
    fn independent_parts(&mut self, g: &mut Graph, x: NodeId) -> Option<(NodeId, NodeId)> {
        let node = g.node(x).clone();
        match (&node.op, node.inputs.as_slice()) {
            (Op::Binary(Binary::Add), &[a, b]) if self.independent(g, a, b) => Some((a, b)),
            (Op::Binary(Binary::Sub), &[a, b]) if self.independent(g, a, b) => Some((a, g.neg(b))),
            _ => None,
        }
    }

    /// E[(a eᶜ)²] for a and c affine in the same normals: e^{2 E c + 2 Var c} ((E a + 2 Cov(a, c))² + Var a). It is the
    /// likelihood of a regression whose scale is unknown.
    fn tilted(&mut self, g: &mut Graph, x: NodeId) -> Option<NodeId> {
        let node = g.node(x).clone();
        let (Op::Binary(Binary::Mul), &[a, b]) = (&node.op, node.inputs.as_slice()) else { return None };
        let exponent = |g: &Graph, n: NodeId| match (&g.node(n).op, g.node(n).inputs.as_slice()) {
            (Op::Unary(Unary::Exp), &[c]) => Some(c),
            _ => None,
        };
        let (a, c) = match (exponent(g, a), exponent(g, b)) {
            (_, Some(c)) => (a, c),
            (Some(c), _) => (b, c),
            _ => return None,
        };
        if self.fixed(g, a) || self.fixed(g, c) || !self.gaussian(g, a) || !self.gaussian(g, c) {
            return None;
        }
        let (mean_a, mean_c) = (self.mean(g, a)?, self.mean(g, c)?);
        let (var_a, var_c) = (self.spread(g, a)?.variance, self.spread(g, c)?.variance);
        let covariance =
            if self.independent(g, a, c) { g.constant(0.0) } else { self.covariance_by_directions(g, a, c)? };
        let exponent = g.add(mean_c, var_c);
        let exponent = g.scale(exponent, 2.0);
        let factor = g.exp(exponent);
        let shift = g.scale(covariance, 2.0);
        let shifted = g.add(mean_a, shift);
        let square = g.square(shifted);
        let second = g.add(square, var_a);
        Some(g.mul(factor, second))
    }

    /// A smooth function of one normal number for each element, by quadrature.
    fn by_quadrature(&mut self, g: &mut Graph, id: NodeId) -> Option<NodeId> {
        if !self.quadrature || self.laws.contains_key(&id) {
            return None;
        }
        let mut of: Option<NodeId> = None;
        let mut waiting = vec![id];
        let mut seen = BTreeSet::new();
        while let Some(n) = waiting.pop() {
            if self.fixed(g, n) || !seen.insert(n) {
                continue;
            }
            if n != id && self.gaussian(g, n) {
                if of.is_some_and(|other| other != n) {
                    return None;
                }
                of = Some(n);
                continue;
            }
            let node = g.node(n).clone();
            if !quadrature::smooth(&node.op) {
                return None;
            }
            waiting.extend(&node.inputs);
        }
        let of = of?;
        let axes = g.axes_of(id).to_vec();
        let size = axes.iter().map(|a| g.extent_of(a.id)).fold(quadrature::POINTS, usize::saturating_mul);
        if size > quadrature::MOST {
            return None;
        }
        let (mean, variance) = (self.mean(g, of)?, self.spread(g, of)?.variance);
        let rule = match self.rule {
            Some(rule) => rule,
            None => *self.rule.insert(Rule::new(g)),
        };
        let points = rule.spread(g, mean, variance);
        let values = g.substitute(&[id], &HashMap::from([(of, points)])).first().copied()?;
        let total = rule.sum(g, values);
        Some(g.broadcast(total, &axes))
    }

    /// The parts of a select by a fixed condition, or of its negative.
    fn fixed_choice(&mut self, g: &mut Graph, x: NodeId) -> Option<(NodeId, NodeId, NodeId)> {
        let node = g.node(x).clone();
        match (&node.op, node.inputs.as_slice()) {
            (Op::Select, &[c, a, b]) if self.fixed(g, c) => Some((c, a, b)),
            (Op::Unary(Unary::Neg), &[y]) => {
                let (c, a, b) = self.fixed_choice(g, y)?;
                Some((c, g.neg(a), g.neg(b)))
            }
            _ => None,
        }
    }

    /// A registered statistic of a primitive.
    fn statistic(
        &mut self,
        g: &mut Graph,
        op: Unary,
        x: NodeId,
        look_up: impl Fn(&mut Graph, &Distribution, Statistic) -> Option<NodeId>,
    ) -> Option<NodeId> {
        let inner = g.node(x).clone();
        let negated = inner.op == Op::Unary(Unary::Neg);
        let of = if negated { *inner.inputs.first()? } else { x };
        if let (Unary::Log, Op::Binary(Binary::Mul), &[a, b]) = (op, &inner.op, inner.inputs.as_slice()) {
            // log(a z) = log a + log z; the primitive is positive where its log has an expectation.
            let (free, z) = if self.fixed(g, a) { (a, b) } else { (b, a) };
            if !self.fixed(g, free) {
                return None;
            }
            let part = self.statistic(g, op, z, look_up)?;
            let l = g.log(free);
            return Some(g.add(l, part));
        }
        let Some(Law::Family(d)) = self.laws.get(&of).cloned() else { return None };
        let statistic = match (op, negated) {
            (Unary::Log, false) => Statistic::Log,
            (Unary::Log1p, true) => Statistic::LogOneMinus,
            (Unary::Exp, false) => Statistic::Exp,
            (Unary::Exp, true) => Statistic::ExpNegative,
            (Unary::Recip, false) => Statistic::Recip,
            (Unary::Relu, false) => Statistic::Relu,
            _ => return None,
        };
        let value = look_up(g, &d, statistic)?;
        let axes = g.axes_of(of).to_vec();
        Some(g.broadcast(value, &axes))
    }

    /// The random operand of an operation that is linear in it, with the others fixed.
    fn linear_operand(&mut self, g: &Graph, id: NodeId) -> Option<(Vec<usize>, NodeId)> {
        let node = g.node(id).clone();
        let linear = match (&node.op, node.inputs.as_slice()) {
            (Op::Broadcast(_) | Op::Rename(_) | Op::Reshape { .. }, &[_]) => true,
            (Op::Gather { .. } | Op::ScatterAdd { .. }, &[_, index]) => self.fixed(g, index),
            (Op::Select, &[c, a, b]) => self.fixed(g, c) && (self.fixed(g, a) || self.fixed(g, b)),
            _ => false,
        };
        if !linear {
            return None;
        }
        let random: Vec<usize> =
            (0..node.inputs.len()).filter(|&k| node.inputs.get(k).is_some_and(|&x| !self.fixed(g, x))).collect();
        let first = random.first().and_then(|&k| node.inputs.get(k).copied())?;
        Some((random, first))
    }

    fn replace_operand(&self, g: &mut Graph, id: NodeId, which: &[usize], x: NodeId) -> Option<NodeId> {
        let old = g.node(id).inputs.get(*which.first()?).copied()?;
        g.substitute(&[id], &HashMap::from([(old, x)])).first().copied()
    }

    /// Whether a node is affine in the primitives.
    fn affine(&mut self, g: &Graph, id: NodeId) -> bool {
        let laws = &self.laws;
        let primitive =
            |n: NodeId| laws.get(&n).map(|law| if matches!(law, Law::Opaque) { Degree::Other } else { Degree::Affine });
        self.degrees.of(g, id, &primitive) <= Degree::Affine
    }

    /// Whether a node is affine in normal primitives, and so normal itself.
    fn gaussian(&mut self, g: &Graph, id: NodeId) -> bool {
        let normal = self.primitives(g, id).iter().all(|p| match self.laws.get(p) {
            Some(Law::StandardNormal | Law::Chain(_)) => true,
            Some(Law::Family(d)) => d.family.gaussian_on() == Some(Support::Real) && d.restricted.is_none(),
            _ => false,
        });
        normal && self.affine(g, id)
    }

    /// Mean and variance of a node that is affine in Gaussian chains and in nothing else that is random.
    pub fn normal_by_chains(&mut self, g: &mut Graph, id: NodeId) -> Option<(NodeId, NodeId)> {
        let primitives = self.primitives(g, id);
        let chained = primitives.iter().all(|p| matches!(self.laws.get(p), Some(Law::Chain(_))));
        if primitives.is_empty() || !chained || !self.affine(g, id) {
            return None;
        }
        Some((self.mean(g, id)?, self.spread(g, id)?.variance))
    }

    fn spread(&mut self, g: &mut Graph, id: NodeId) -> Option<Spread> {
        if let Some(known) = self.spreads.get(&id) {
            return known.clone();
        }
        let result = self
            .spread_by_parts(g, id)
            .or_else(|| self.spread_by_primitives(g, id))
            .or_else(|| self.spread_by_directions(g, id));
        if result.is_none() && self.blocked.is_none() {
            self.blocked = Some(id);
        }
        self.spreads.insert(id, result.clone());
        result
    }

    fn spread_by_parts(&mut self, g: &mut Graph, id: NodeId) -> Option<Spread> {
        let axes = g.axes_of(id).to_vec();
        if self.fixed(g, id) {
            return Some(Spread { variance: g.constant(0.0), independent: axes });
        }
        if let Some(law) = self.laws.get(&id).cloned() {
            let v = match law {
                Law::Family(d) => d.variance(g, Statistic::Value)?,
                Law::StandardNormal => g.constant(1.0),
                Law::Chain(law) => return Some(along_chain(g, &law)),
                Law::Opaque => return None,
            };
            return Some(Spread { variance: g.broadcast(v, &axes), independent: axes });
        }
        let node = g.node(id).clone();
        match (&node.op, node.inputs.as_slice()) {
            (Op::Unary(Unary::Neg), &[x]) => self.spread(g, x),
            (Op::Unary(op @ (Unary::Exp | Unary::Relu)), &[x]) => {
                let of = self.spread(g, x);
                if self.gaussian(g, x)
                    && let Some(of) = of
                {
                    let m = self.mean(g, x)?;
                    let v = of.variance;
                    let variance = if *op == Unary::Relu {
                        rectified(g, m, v).1
                    } else {
                        // e^{2m + v} (e^v − 1)
                        let twice = g.scale(m, 2.0);
                        let e = g.add(twice, v);
                        let (e, w) = (g.exp(e), g.unary(Unary::Expm1, v));
                        g.mul(e, w)
                    };
                    return Some(Spread { variance, independent: of.independent });
                }
                let variance = self.statistic(g, *op, x, |g, d, s| d.variance(g, s))?;
                Some(Spread { variance, independent: axes })
            }
            (Op::Unary(op), &[x]) => {
                let variance = self.statistic(g, *op, x, |g, d, s| d.variance(g, s))?;
                Some(Spread { variance, independent: axes })
            }
            (Op::Binary(Binary::Add | Binary::Sub), &[a, b]) if self.independent(g, a, b) => {
                let (fa, fb) = (self.fixed(g, a), self.fixed(g, b));
                let (sa, sb) = (self.spread(g, a)?, self.spread(g, b)?);
                let independent = match (fa, fb) {
                    (true, _) => sb.independent,
                    (_, true) => sa.independent,
                    _ => intersection(&sa.independent, &sb.independent),
                };
                Some(Spread { variance: g.add(sa.variance, sb.variance), independent })
            }
            (Op::Binary(op @ (Binary::Mul | Binary::Div)), &[a, b]) => {
                let (factor, x) = match (op, self.fixed(g, a), self.fixed(g, b)) {
                    (_, _, true) => (b, a),
                    (Binary::Mul, true, _) => (a, b),
                    _ => return None,
                };
                let of = self.spread(g, x)?;
                let square = g.square(factor);
                Some(Spread { variance: g.binary(*op, of.variance, square), independent: of.independent })
            }
            (Op::Contract(over), &[a, b]) => {
                let (factor, x) = match (self.fixed(g, a), self.fixed(g, b)) {
                    (true, _) => (a, b),
                    (_, true) => (b, a),
                    _ => return None,
                };
                let of = self.spread(g, x)?;
                if !subset(over, &of.independent) {
                    return None;
                }
                let square = g.square(factor);
                let variance = g.contract(of.variance, square, over);
                Some(Spread { variance, independent: difference(&of.independent, over) })
            }
            (Op::Sum(over), &[x]) => {
                let of = self.spread(g, x)?;
                if !subset(over, &of.independent) {
                    return None;
                }
                let axes = g.axes_of(x).to_vec();
                let v = g.broadcast(of.variance, &axes);
                Some(Spread { variance: g.sum(v, over), independent: difference(&of.independent, over) })
            }
            _ => {
                let (which, x) = self.linear_operand(g, id)?;
                if which.len() != 1 {
                    return None;
                }
                let of = self.spread(g, x)?;
                let full = g.axes_of(x).to_vec();
                let v = g.broadcast(of.variance, &full);
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
                    Op::Reshape { from, to } if subset(from, &of.independent) => {
                        union(&difference(&of.independent, from), to)
                    }
                    Op::Reshape { from, .. } => difference(&of.independent, from),
                    Op::Gather { axis } => {
                        let kept = difference(&of.independent, &[*axis]);
                        match node.inputs.get(1) {
                            Some(&index) if of.independent.contains(axis) && distinct(g, index) => {
                                union(&kept, g.axes_of(index))
                            }
                            _ => kept,
                        }
                    }
                    Op::ScatterAdd { .. } => return None,
                    _ => of.independent,
                };
                Some(Spread { variance, independent })
            }
        }
    }

    /// The variance of an affine function of several independent primitives: the sum of those that each brings by itself.
    fn spread_by_primitives(&mut self, g: &mut Graph, id: NodeId) -> Option<Spread> {
        let primitives = self.primitives(g, id);
        if primitives.len() < 2 || !self.affine(g, id) {
            return None;
        }
        let zero = g.constant(0.0);
        let mut total = Spread { variance: zero, independent: g.axes_of(id).to_vec() };
        for &p in &primitives {
            let mut others = HashMap::new();
            for &other in primitives.iter().filter(|&&o| o != p) {
                let axes = g.axes_of(other).to_vec();
                others.insert(other, g.broadcast(zero, &axes));
            }
            let alone = *g.substitute(&[id], &others).first()?;
            let own = self.spread(g, alone)?;
            total.variance = g.add(total.variance, own.variance);
            total.independent = intersection(&total.independent, &own.independent);
        }
        Some(total)
    }

    /// The covariance of two affine functions: over the directions of the primitives, the products of their slopes and the
    /// primitive's variance; and what chains add.
    fn covariance_by_directions(&mut self, g: &mut Graph, a: NodeId, b: NodeId) -> Option<NodeId> {
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
    /// variance. It covers what [`Self::spread_by_parts`] cannot: correlated elements of a joint Gaussian, states of a loop.
    fn spread_by_directions(&mut self, g: &mut Graph, id: NodeId) -> Option<Spread> {
        let variance = self.covariance_by_directions(g, id, id)?;
        Some(Spread { variance, independent: vec![] })
    }

    /// The sum over a primitive's directions, each weighed with its variance.
    fn along_directions(&mut self, g: &mut Graph, x: NodeId, of: &Slopes) -> Option<NodeId> {
        let axes = g.axes_of(of.primitive).to_vec();
        let pairs: Vec<(Axis, Axis)> = axes.iter().map(|&a| (a, Axis::private(a.id))).collect();
        let directions: Vec<Axis> = union(&pairs.iter().map(|p| p.1).collect::<Vec<_>>(), &[]);
        let variance = self.spread_by_parts(g, of.primitive)?.variance;
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
fn along_chain(g: &mut Graph, law: &ChainLaw) -> Spread {
    match law.block {
        Block::Scalars => Spread { variance: law.covariance, independent: law.apart.into_iter().collect() },
        Block::Vector(row) => Spread { variance: g.diagonal(law.covariance, row, row.primed()), independent: vec![] },
    }
}

/// The slopes of an affine function along the directions of one primitive.
struct Slopes {
    primitive: NodeId,
    slope: NodeId,
}

/// Whether an index tensor of this shape surely picks different places: a range.
fn distinct(g: &Graph, index: NodeId) -> bool {
    let node = g.node(index);
    match (&node.op, node.inputs.as_slice()) {
        (Op::Iota, _) => true,
        (Op::Constant(_), _) => true,
        (Op::Binary(Binary::Add), &[a, b]) => {
            (g.constant_value(a).is_some() && distinct(g, b)) || (g.constant_value(b).is_some() && distinct(g, a))
        }
        _ => false,
    }
}

/// Mean and variance of max(a, 0) for a ~ N(m, v): E = m Φ(m/s) + s φ(m/s), E² = (m² + v) Φ(m/s) + m s φ(m/s).
pub(crate) fn rectified(g: &mut Graph, m: NodeId, v: NodeId) -> (NodeId, NodeId) {
    let s = g.sqrt(v);
    let t = g.div(m, s);
    let cdf = g.normal_cdf(t);
    let l = g.log_normal_pdf(t);
    let pdf = g.exp(l);
    let (a, b) = (g.mul(m, cdf), g.mul(s, pdf));
    let mean = g.add(a, b);
    let square = g.square(m);
    let second = g.add(square, v);
    let second = g.mul(second, cdf);
    let cross = g.mul(m, b);
    let second = g.add(second, cross);
    let squared = g.square(mean);
    (mean, g.sub(second, squared))
}
