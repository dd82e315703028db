//! Whether a function is convex in some latents, read off its form (the rules of disciplined convex programming; Grant, Boyd and Ye
//! 2006): where −log p is, it has one mode, which Newton's method finds, and a Hessian that is positive definite there.

use std::collections::HashMap;

use fe_graph::{Binary, Graph, Interior, Node, NodeId, Op, Unary};

/// How a value bends in the latents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Not at all, with its sign where that is known: whether it is at least 0, or at most.
    Fixed(Option<bool>),
    Affine,
    Convex,
    Concave,
    /// exp of what is affine, times something fixed, with its sign where that is known.
    Exponential(Option<bool>),
    Other,
}

use Shape::{Affine, Concave, Convex, Exponential, Fixed, Other};

/// Whether the sum of all elements of a node is convex in some nodes.
pub(super) fn is_convex(g: &Graph, node: NodeId, of: &[NodeId]) -> bool {
    let mut shapes: HashMap<NodeId, Shape> = HashMap::new();
    for n in g.reachable(&[node]) {
        let shape = if of.contains(&n) { Affine } else { shape(g, g.node(n), &shapes) };
        shapes.insert(n, shape);
    }
    matches!(shapes.get(&node), Some(Fixed(_) | Affine | Convex | Exponential(Some(true))))
}

fn shape(g: &Graph, node: &Node, shapes: &HashMap<NodeId, Shape>) -> Shape {
    let at = |k: usize| node.inputs.get(k).and_then(|i| shapes.get(i)).copied();
    let first = at(0).unwrap_or(Other);
    match (&node.op, at(1)) {
        (Op::Constant(c), _) => Fixed(Some(c.0 >= 0.0)),
        (Op::Literal(t), _) => {
            let all = |ok: fn(&f64) -> bool| t.values.iter().all(ok);
            Fixed(if all(|v| *v >= 0.0) { Some(true) } else { all(|v| *v <= 0.0).then_some(false) })
        }
        (Op::Input(input), _) => {
            let positive = |i: &fe_graph::InputInfo| matches!(i.interior, Interior::Positive | Interior::Unit);
            Fixed(g.input_info(*input).filter(|i| positive(i)).map(|_| true))
        }
        (Op::Extent(_) | Op::Iota, _) => Fixed(Some(true)),
        (Op::Unary(u), _) => unary(*u, first),
        (Op::Binary(b), Some(second)) => binary(*b, first, second),
        (Op::Sum(_), _) => summed(first),
        (Op::Broadcast(_) | Op::Rename(_) | Op::Reshape { .. } | Op::Stop, _) => first,
        (Op::Contract(_), Some(second)) => summed(binary(Binary::Mul, first, second)),
        (Op::Gather { .. }, Some(Fixed(_))) => first,
        (Op::ScatterAdd { .. }, Some(Fixed(_))) => summed(first),
        (Op::Select, Some(second)) => match (first, at(2)) {
            (Fixed(_), Some(third)) => either(second, third),
            _ => Other,
        },
        _ if node.inputs.iter().all(|i| matches!(shapes.get(i), Some(Fixed(_)))) => Fixed(None),
        _ => Other,
    }
}

fn summed(x: Shape) -> Shape {
    match x {
        Exponential(Some(true)) => Convex,
        Exponential(Some(false)) => Concave,
        Exponential(None) => Other,
        x => x,
    }
}

fn negated(x: Shape) -> Shape {
    match x {
        Fixed(sign) => Fixed(sign.map(|s| !s)),
        Exponential(sign) => Exponential(sign.map(|s| !s)),
        Convex => Concave,
        Concave => Convex,
        x => x,
    }
}

fn unary(op: Unary, x: Shape) -> Shape {
    match (op, x) {
        (Unary::Neg, x) => negated(x),
        (Unary::Recip | Unary::Sqrt, Fixed(sign)) => Fixed(sign),
        (
            Unary::Exp
            | Unary::Square
            | Unary::Abs
            | Unary::Sigmoid
            | Unary::Softplus
            | Unary::Relu
            | Unary::Step
            | Unary::NormalCdf,
            Fixed(_),
        ) => Fixed(Some(true)),
        (_, Fixed(_)) => Fixed(None),
        (Unary::Exp, Affine) => Exponential(Some(true)),
        (Unary::Exp | Unary::Softplus, Convex | Exponential(Some(true)))
        | (Unary::Softplus | Unary::Square, Affine) => Convex,
        (Unary::Square, Exponential(_)) | (Unary::Sqrt, Exponential(Some(true))) => Exponential(Some(true)),
        (Unary::Recip, Exponential(sign)) => Exponential(sign),
        (Unary::LogNormalCdf, Affine | Concave) => Concave,
        _ => Other,
    }
}

fn binary(op: Binary, a: Shape, b: Shape) -> Shape {
    match (op, a, b) {
        (Binary::Add, Fixed(x), Fixed(y)) => Fixed(x.filter(|_| x == y)),
        (Binary::Sub, Fixed(x), Fixed(y)) => Fixed(x.filter(|s| y == Some(!s))),
        (Binary::Mul | Binary::Div, Fixed(x), Fixed(y)) => Fixed(product(x, y)),
        (_, Fixed(_), Fixed(_)) => Fixed(None),
        (Binary::Add, a, b) => added(a, b),
        (Binary::Sub, a, b) => added(a, negated(b)),
        (Binary::Mul, Fixed(sign), x) | (Binary::Mul | Binary::Div, x, Fixed(sign)) => match (sign, x) {
            (_, Affine) => Affine,
            (_, Exponential(own)) => Exponential(product(sign, own)),
            (Some(true), x) => x,
            (Some(false), x) => negated(x),
            (None, _) => Other,
        },
        (Binary::Mul | Binary::Div, Exponential(x), Exponential(y)) => Exponential(product(x, y)),
        (Binary::Div, Fixed(sign), Exponential(own)) => Exponential(product(sign, own)),
        _ => Other,
    }
}

/// The sign of a product.
fn product(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    a.zip(b).map(|(a, b)| a == b)
}

fn added(a: Shape, b: Shape) -> Shape {
    match (summed(a), summed(b)) {
        (Fixed(_), x) | (x, Fixed(_)) => x,
        (Affine, x) | (x, Affine) => x,
        (a, b) if a == b => a,
        _ => Other,
    }
}

/// Of a choice by something fixed.
fn either(a: Shape, b: Shape) -> Shape {
    match (a, b) {
        (Fixed(x), Fixed(y)) => Fixed(x.filter(|_| x == y)),
        (a, b) => added(a, b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fe_graph::Axis;

    #[test]
    fn of_likelihoods_as_they_are_written() {
        let mut g = Graph::new();
        let t = Axis::plain(g.add_axis("T", 4));
        let ((_, h), (_, y), (_, m)) = (g.input("h", &[t]), g.input("y", &[t]), g.input("m", &[]));
        let half = g.scale(h, 0.5);
        let scale = g.exp(half);
        let score = g.div(y, scale);
        let square = g.square(score);
        let of = [h];
        assert!(is_convex(&g, square, &of));
        let rate = g.exp(h);
        let linear = g.mul(y, h);
        let poisson = g.sub(rate, linear);
        assert!(is_convex(&g, poisson, &of));
        let negative = g.neg(poisson);
        assert!(!is_convex(&g, negative, &of));
        let soft = g.softplus(h);
        let logistic = g.sub(soft, linear);
        assert!(is_convex(&g, logistic, &of));
        // The sign of y is not known.
        let weighed = g.mul(y, soft);
        assert!(!is_convex(&g, weighed, &of));
        let off = g.sub(rate, m);
        let squared = g.square(off);
        assert!(!is_convex(&g, squared, &of));
        let tanh = g.tanh(h);
        assert!(!is_convex(&g, tanh, &of));
    }
}
