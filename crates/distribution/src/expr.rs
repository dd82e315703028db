//! Graph expressions in operator notation, so that a family's file reads like its formulas.

use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Neg, Sub};

use fe_graph::{Binary, Graph, Interior, NodeId, Op, Real, Unary};

/// ½ log 2π
pub(crate) const HALF_LOG_TWO_PI: f64 = 0.918_938_533_204_672_8;
/// ½ log 2πe, the entropy of the standard normal
pub(crate) const HALF_LOG_TWO_PI_E: f64 = HALF_LOG_TWO_PI + 0.5;
/// Euler's constant γ
pub(crate) const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;

/// A node together with its graph.
#[derive(Clone, Copy)]
pub(crate) struct Expr<'s> {
    graph: &'s RefCell<Graph>,
    id: NodeId,
}

/// A formula in N nodes.
pub(crate) type Formula<const N: usize> = for<'s> fn([Expr<'s>; N]) -> Expr<'s>;

/// The node of a formula in the given nodes; a missing one counts as NaN.
pub(crate) fn formula<const N: usize>(
    g: &mut Graph,
    nodes: &[NodeId],
    f: impl for<'s> FnOnce([Expr<'s>; N]) -> Expr<'s>,
) -> NodeId {
    let graph = RefCell::new(std::mem::take(g));
    let nodes = std::array::from_fn(|k| {
        let id = nodes.get(k).copied().unwrap_or_else(|| graph.borrow_mut().constant(f64::NAN));
        Expr { graph: &graph, id }
    });
    let id = f(nodes).id;
    *g = graph.into_inner();
    id
}

/// The operand of a node that applies `op`, seen through a repetition along axes.
pub(crate) fn operand_of(g: &mut Graph, id: NodeId, op: Unary) -> Option<NodeId> {
    let node = g.node(id).clone();
    match (&node.op, node.inputs.as_slice()) {
        (Op::Unary(found), &[x]) if *found == op => Some(x),
        (Op::Broadcast(_), &[inner]) => {
            let x = operand_of(g, inner, op)?;
            Some(g.broadcast(x, &node.axes))
        }
        _ => None,
    }
}

/// Whether a node is positive by its form alone, and its log is taken without evaluating it. Looked at to a small depth.
fn is_positive(g: &Graph, id: NodeId, depth: u8) -> bool {
    let node = g.node(id);
    let all = |depth: u8| depth > 0 && node.inputs.iter().all(|&i| is_positive(g, i, depth - 1));
    match (&node.op, node.inputs.as_slice()) {
        (Op::Constant(Real(v)), _) => *v > 0.0,
        (Op::Input(input), _) => g.input_info(*input).is_some_and(|i| i.interior != Interior::Real),
        (Op::Literal(t), _) => t.values.iter().all(|&v| v > 0.0),
        (Op::Unary(Unary::Exp | Unary::Sigmoid | Unary::NormalCdf), _) => true,
        (Op::Unary(Unary::Sqrt | Unary::Recip) | Op::Binary(Binary::Mul | Binary::Div), _) => all(depth),
        (Op::Binary(Binary::Sub), &[one, y]) => g.constant_value(one) == Some(1.0) && g.has_log_of_rest(y),
        _ => false,
    }
}

impl<'s> Expr<'s> {
    fn with(self, f: impl FnOnce(&mut Graph) -> NodeId) -> Self {
        Self { id: f(&mut self.graph.borrow_mut()), ..self }
    }

    /// A number in the same graph.
    pub fn number(self, value: f64) -> Self {
        self.with(|g| g.constant(value))
    }

    pub fn unary(self, op: Unary) -> Self {
        self.with(|g| g.unary(op, self.id))
    }

    pub fn binary(self, op: Binary, other: Self) -> Self {
        self.with(|g| g.binary(op, self.id, other.id))
    }

    /// This repeated along the axes of another expression.
    pub fn over(self, other: Self) -> Self {
        self.with(|g| {
            let axes = g.axes_of(other.id).to_vec();
            g.broadcast(self.id, &axes)
        })
    }

    /// `yes` where this is not 0, else `no`.
    pub fn select(self, yes: Self, no: Self) -> Self {
        self.with(|g| g.select(self.id, yes.id, no.id))
    }

    pub fn less(self, other: Self) -> Self {
        self.binary(Binary::Less, other)
    }

    pub fn max(self, other: f64) -> Self {
        self.binary(Binary::Max, self.number(other))
    }

    pub fn min(self, other: f64) -> Self {
        self.binary(Binary::Min, self.number(other))
    }

    /// The x of sigmoid(x).
    pub fn logit(self) -> Option<Self> {
        let x = operand_of(&mut self.graph.borrow_mut(), self.id, Unary::Sigmoid)?;
        Some(Self { id: x, ..self })
    }

    /// The x of Φ(x).
    pub fn probit(self) -> Option<Self> {
        let x = operand_of(&mut self.graph.borrow_mut(), self.id, Unary::NormalCdf)?;
        Some(Self { id: x, ..self })
    }

    /// The q of 1 − q.
    pub fn rest_of(self) -> Option<Self> {
        let g = self.graph.borrow();
        let node = g.node(self.id);
        let (Op::Binary(Binary::Sub), &[one, q]) = (&node.op, node.inputs.as_slice()) else { return None };
        (g.constant_value(one) == Some(1.0)).then_some(Self { id: q, ..self })
    }

    /// Whether log(1 − this) is taken without the difference.
    pub fn has_log_of_rest(self) -> bool {
        self.graph.borrow().has_log_of_rest(self.id)
    }

    /// This, but `neutral` where `weight` is 0.
    pub fn unless_zero(self, weight: Self, neutral: f64) -> Self {
        let zero = weight.binary(Binary::Equal, self.number(0.0));
        zero.select(self.number(neutral), self)
    }

    /// The log, to be multiplied by a `weight` that has no slope, as counts have none. Where this might be 0, the log is 0 at
    /// weight 0, so that 0 · log 0 = 0, and its derivatives are too.
    pub fn log_weighted(self, weight: Self) -> Self {
        if self.is_positive() { self.log() } else { self.unless_zero(weight, 1.0).log() }
    }

    /// log(1 − this), to be multiplied by a `weight` that has no slope; 0 where that is 0.
    pub fn log_rest_weighted(self, weight: Self) -> Self {
        let rest = if self.has_log_of_rest() { self } else { self.unless_zero(weight, 0.0) };
        (-rest).log1p()
    }

    /// The log, to be multiplied by a `weight` that has a slope, which is this log, at weight 0 as well. The log is 0 only
    /// where this and the weight are both 0.
    pub fn log_sloped(self, weight: Self) -> Self {
        if self.is_positive() { self.log() } else { self.unless_both(0.0, weight, 1.0).log() }
    }

    /// log(1 − this), to be multiplied by a `weight` that has a slope; 0 only where this is 1 and the weight 0.
    pub fn log_rest_sloped(self, weight: Self) -> Self {
        let rest = if self.has_log_of_rest() { self } else { self.unless_both(1.0, weight, 0.0) };
        (-rest).log1p()
    }

    fn is_positive(self) -> bool {
        is_positive(&self.graph.borrow(), self.id, 8)
    }

    /// This, but `neutral` where it is at its `pole` and `weight` is 0.
    fn unless_both(self, pole: f64, weight: Self, neutral: f64) -> Self {
        let there = self.binary(Binary::Equal, self.number(pole));
        let nothing = weight.binary(Binary::Equal, self.number(0.0));
        (there * nothing).select(self.number(neutral), self)
    }

    /// log z of a Gamma(this, 1) draw z, from a standard normal number.
    pub fn log_gamma_draw(self, normal: Self) -> Self {
        self.binary(Binary::LogGammaQuantile, normal)
    }

    /// log Γ(this + by) − log Γ(this), for `by` from 0 up: the log of a rising factorial. Far out the two would be lost in their
    /// own rounding, and Stirling's series has their difference term by term (Abramowitz and Stegun, 6.1.40).
    pub fn log_rising(self, by: Self) -> Self {
        const FAR: f64 = 16.0;
        let rest = |z: Self| {
            let r = z.recip();
            let square = r.square();
            r * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square * (1.0 / 1680.0))))
        };
        // Either form is kept where it is finite, so that the one which is not taken has derivatives too.
        let (near, far) = (self.min(FAR), self.max(FAR));
        let direct = (near + by).lgamma() - near.lgamma();
        let logs = (far + by - 0.5) * (by / far).log1p() + by * (far.log() - 1.0);
        let series = logs + rest(far + by) - rest(far);
        self.less(self.number(FAR)).select(direct, series)
    }

    /// log B(this, other)
    pub fn log_beta(self, other: Self) -> Self {
        self.lgamma() + other.lgamma() - (self + other).lgamma()
    }
}

macro_rules! unary {
    ($($name:ident = $op:expr;)*) => {
        impl Expr<'_> { $(pub fn $name(self) -> Self { self.unary($op) })* }
    };
}

unary! {
    exp = Unary::Exp;
    expm1 = Unary::Expm1;
    log = Unary::Log;
    log1p = Unary::Log1p;
    sqrt = Unary::Sqrt;
    square = Unary::Square;
    recip = Unary::Recip;
    abs = Unary::Abs;
    relu = Unary::Relu;
    sigmoid = Unary::Sigmoid;
    softplus = Unary::Softplus;
    atan = Unary::Atan;
    cos = Unary::Cos;
    erf = Unary::Erf;
    normal_cdf = Unary::NormalCdf;
    log_normal_cdf = Unary::LogNormalCdf;
    lgamma = Unary::LogGamma;
    digamma = Unary::Polygamma(0);
    trigamma = Unary::Polygamma(1);
    log_bessel_i0 = Unary::LogBesselI(0);
    log_bessel_i1 = Unary::LogBesselI(1);
}

impl Neg for Expr<'_> {
    type Output = Self;
    fn neg(self) -> Self {
        self.unary(Unary::Neg)
    }
}

macro_rules! operator {
    ($($trait:ident $method:ident;)*) => { $(
        impl $trait for Expr<'_> {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                self.binary(Binary::$trait, other)
            }
        }
        impl $trait<f64> for Expr<'_> {
            type Output = Self;
            fn $method(self, other: f64) -> Self {
                self.binary(Binary::$trait, self.number(other))
            }
        }
        impl<'s> $trait<Expr<'s>> for f64 {
            type Output = Expr<'s>;
            fn $method(self, other: Expr<'s>) -> Expr<'s> {
                other.number(self).binary(Binary::$trait, other)
            }
        }
    )* };
}

operator! {
    Add add;
    Sub sub;
    Mul mul;
    Div div;
}
