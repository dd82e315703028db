//! Sums of values as polynomials in what they are made of, by which shares that are written out, `[a, (1 - a) * b, (1 - a) * (1 - b)]`,
//! are known to add up to 1, and so are rows, `diag(stay) + (1 - stay) * (1 - eye(K))` of two states.

use std::collections::BTreeMap;

use fe_graph::{Axis, Binary, Graph, NodeId, Op, Unary};

/// Terms of a polynomial, and operations that are looked at, at most: beyond these nothing is said.
const TERMS: usize = 64;
const OPERATIONS: usize = 512;

/// What is multiplied in a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Factor {
    Value(NodeId),
    /// σ(x): σ(−x) is 1 − σ(x).
    Sigmoid(NodeId),
}

/// Coefficients by the factors of each term.
type Polynomial = BTreeMap<Vec<Factor>, f64>;

/// Whether the sum of some values is 1, whatever they are made of.
pub(crate) fn is_one(g: &Graph, nodes: &[NodeId]) -> bool {
    let (mut total, mut left) = (Polynomial::new(), OPERATIONS);
    for &node in nodes {
        let Some(own) = of(g, node, &mut left) else { return false };
        total = sum(total, &own, 1.0);
    }
    is(total, 1.0)
}

/// Whether the elements of a value along an axis add up to 1, whatever they are made of.
pub(crate) fn adds_up(g: &Graph, node: NodeId, axis: Axis) -> bool {
    let mut left = OPERATIONS;
    along(g, node, axis, &mut left).is_some_and(|total| is(total, 1.0))
}

/// Whether a polynomial is a number.
fn is(mut p: Polynomial, number: f64) -> bool {
    let constant = p.remove(&vec![]).unwrap_or(0.0);
    (constant - number).abs() < 1e-9 && p.values().all(|c| c.abs() < 1e-9)
}

/// The sum of a value along an axis, where it is a polynomial in what has no such axis.
fn along(g: &Graph, node: NodeId, axis: Axis, left: &mut usize) -> Option<Polynomial> {
    *left = left.checked_sub(1)?;
    if !g.has_axis(node, axis) {
        // Of an axis whose size is not known yet nothing is said.
        let extent = g.extent_of(axis.id);
        return (extent > 1).then(|| Some(sum(Polynomial::new(), &of(g, node, left)?, extent as f64)))?;
    }
    let own = g.node(node);
    let found = match (&own.op, own.inputs.as_slice()) {
        (Op::Binary(Binary::Add), &[a, b]) => sum(along(g, a, axis, left)?, &along(g, b, axis, left)?, 1.0),
        (Op::Binary(Binary::Sub), &[a, b]) => sum(along(g, a, axis, left)?, &along(g, b, axis, left)?, -1.0),
        (Op::Binary(Binary::Mul), &[a, b]) if !g.has_axis(a, axis) => {
            product(&of(g, a, left)?, &along(g, b, axis, left)?)
        }
        (Op::Binary(Binary::Mul), &[a, b]) if !g.has_axis(b, axis) => {
            product(&along(g, a, axis, left)?, &of(g, b, left)?)
        }
        (Op::Binary(Binary::Equal), &[a, b]) if is_eye(g, a, b, axis) => Polynomial::from([(vec![], 1.0)]),
        (Op::Unary(Unary::Neg), &[a]) => sum(Polynomial::new(), &along(g, a, axis, left)?, -1.0),
        (Op::Select, &[condition, a, b]) if !g.has_axis(condition, axis) => {
            let (a, b) = (along(g, a, axis, left)?, along(g, b, axis, left)?);
            is(sum(a.clone(), &b, -1.0), 0.0).then_some(a)?
        }
        // What is picked has the sum of every row, where that is one number.
        (Op::Gather { axis: by }, &[x, _]) if *by != axis && g.has_axis(x, axis) => {
            let total = along(g, x, axis, left)?;
            let number = total.get(&vec![]).copied().unwrap_or(0.0);
            is(total.clone(), number).then_some(total)?
        }
        (Op::Broadcast(_), &[x]) => along(g, x, axis, left)?,
        (Op::Rename(pairs), &[x]) => {
            let from = pairs.iter().find(|p| p.1 == axis).map_or(axis, |p| p.0);
            along(g, x, from, left)?
        }
        (Op::Literal(t), _) if own.axes.as_slice() == [axis] => {
            Polynomial::from([(vec![], t.values.iter().sum::<f64>())])
        }
        _ => return None,
    };
    (found.len() <= TERMS).then_some(found)
}

/// Whether the equality of two places is 1 at one place along an axis for each along its copy.
fn is_eye(g: &Graph, a: NodeId, b: NodeId, axis: Axis) -> bool {
    let counts = |n: NodeId| matches!(g.node(n).op, Op::Iota).then(|| g.axes_of(n).first().copied()).flatten();
    let copies = |x: Axis, y: Axis| x == axis && y != axis && y.id == axis.id;
    counts(a).zip(counts(b)).is_some_and(|(x, y)| copies(x, y) || copies(y, x))
}

/// A value as a polynomial, where that takes no more operations than are left.
fn of(g: &Graph, node: NodeId, left: &mut usize) -> Option<Polynomial> {
    *left = left.checked_sub(1)?;
    if let Some(c) = g.constant_value(node) {
        return Some(Polynomial::from([(vec![], c)]));
    }
    let own = g.node(node);
    let found = match (&own.op, own.inputs.as_slice()) {
        (Op::Binary(Binary::Add), &[a, b]) => sum(of(g, a, left)?, &of(g, b, left)?, 1.0),
        (Op::Binary(Binary::Sub), &[a, b]) => sum(of(g, a, left)?, &of(g, b, left)?, -1.0),
        (Op::Binary(Binary::Mul), &[a, b]) => product(&of(g, a, left)?, &of(g, b, left)?),
        (Op::Binary(Binary::Div), &[a, b]) => {
            let by = g.constant_value(b).filter(|by| *by != 0.0)?;
            sum(Polynomial::new(), &of(g, a, left)?, by.recip())
        }
        (Op::Unary(Unary::Neg), &[a]) => sum(Polynomial::new(), &of(g, a, left)?, -1.0),
        (Op::Unary(Unary::Square), &[a]) => {
            let a = of(g, a, left)?;
            product(&a, &a)
        }
        (Op::Unary(Unary::Sigmoid), &[x]) => match (&g.node(x).op, g.node(x).inputs.first()) {
            (Op::Unary(Unary::Neg), Some(&y)) => Polynomial::from([(vec![], 1.0), (vec![Factor::Sigmoid(y)], -1.0)]),
            _ => Polynomial::from([(vec![Factor::Sigmoid(x)], 1.0)]),
        },
        _ => Polynomial::from([(vec![Factor::Value(node)], 1.0)]),
    };
    (found.len() <= TERMS).then_some(found)
}

fn sum(mut a: Polynomial, b: &Polynomial, times: f64) -> Polynomial {
    for (factors, c) in b {
        *a.entry(factors.clone()).or_insert(0.0) += times * c;
    }
    a
}

fn product(a: &Polynomial, b: &Polynomial) -> Polynomial {
    let mut all = Polynomial::new();
    for (x, c) in a {
        for (y, d) in b {
            let mut factors = [x.as_slice(), y].concat();
            factors.sort_unstable();
            *all.entry(factors).or_insert(0.0) += c * d;
        }
    }
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn shares_written_out() {
        let mut g = Graph::new();
        let (a, b) = (g.input("a", &[]).1, g.input("b", &[]).1);
        let one = g.constant(1.0);
        let (rest, other) = (g.sub(one, a), g.sub(one, b));
        assert!(is_one(&g, &[a, rest]) && is_one(&g, &[rest, a]));
        assert!(!is_one(&g, &[a, other]) && !is_one(&g, &[a, rest, b]) && !is_one(&g, &[]));
        let (left, last) = (g.mul(rest, b), g.mul(rest, other));
        assert!(is_one(&g, &[a, left, last]));
        assert!(!is_one(&g, &[a, left, left]));
        let (both, neither) = (g.mul(a, b), g.mul(rest, other));
        let (one_of, other_of) = (g.mul(a, other), g.mul(rest, b));
        assert!(is_one(&g, &[both, neither, one_of, other_of]));
        // Hardy and Weinberg's: p², 2 p q, q².
        let (p2, q2, pq) = (g.square(a), g.square(rest), g.mul(a, rest));
        let twice = g.scale(pq, 2.0);
        assert!(is_one(&g, &[p2, twice, q2]) && !is_one(&g, &[p2, pq, q2]));
        let (half, third) = (g.scale(a, 0.5), g.scale(rest, 0.5));
        assert!(!is_one(&g, &[half, third]));
        let (up, turned) = (g.sigmoid(b), g.neg(b));
        let down = g.sigmoid(turned);
        assert!(is_one(&g, &[up, down]));
    }

    #[test]
    fn nothing_is_said_of_what_is_too_long() {
        let mut g = Graph::new();
        let mut x = g.input("x", &[]).1;
        let one = g.constant(1.0);
        for _ in 0..200 {
            let bent = g.tanh(x);
            let doubled = g.add(bent, x);
            x = g.add(doubled, one);
        }
        let rest = g.sub(one, x);
        assert!(!is_one(&g, &[x, rest]));
        let mut y = g.input("y", &[]).1;
        for _ in 0..100 {
            let shifted = g.add(y, one);
            y = g.mul(shifted, y);
        }
        let rest = g.sub(one, y);
        assert!(!is_one(&g, &[y, rest]));
    }
}
