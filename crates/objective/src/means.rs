//! Expected values, passed through everything linear and split over independent factors, down to registered statistics.

use std::collections::{BTreeSet, HashMap};

use fe_distribution::{Distribution, Statistic};
use fe_graph::{Binary, Graph, NodeId, Op, Unary};

use crate::expectation::{Expectation, rectified};
use crate::law::Law;
use crate::quadrature::{self, Rule};

impl Expectation {
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
                let variance = self.variance(g, x)?;
                let s = g.square(m);
                Some(g.add(s, variance.value))
            }
            Unary::Exp | Unary::Relu if self.gaussian(g, x) => {
                let m = self.mean(g, x)?;
                let v = self.variance(g, x)?.value;
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
        let (var_a, var_c) = (self.variance(g, a)?.value, self.variance(g, c)?.value);
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
        let (mean, variance) = (self.mean(g, of)?, self.variance(g, of)?.value);
        let rule = match self.rule {
            Some(rule) => rule,
            None => *self.rule.insert(Rule::new(g)),
        };
        let points = rule.points(g, mean, variance);
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
    pub(crate) fn statistic(
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
    pub(crate) fn linear_operand(&mut self, g: &Graph, id: NodeId) -> Option<(Vec<usize>, NodeId)> {
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

    pub(crate) fn replace_operand(&self, g: &mut Graph, id: NodeId, which: &[usize], x: NodeId) -> Option<NodeId> {
        let old = g.node(id).inputs.get(*which.first()?).copied()?;
        g.substitute(&[id], &HashMap::from([(old, x)])).first().copied()
    }
}
