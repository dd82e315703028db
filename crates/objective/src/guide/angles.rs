//! Angles: latents over a whole turn that a program reads by their sine and cosine alone. Where an interval of a circle is cut
//! is then no matter of the model, and the guide is free to turn: its cut goes to where the angle is not.

use std::collections::{HashMap, HashSet};
use std::f64::consts::TAU;

use fe_check::{Guide, Latent, Program};
use fe_distribution::Support;
use fe_graph::{Binary, Graph, Node, NodeId, Op, Unary};

use crate::guide::builder::Builder;

/// How far the ends of an interval may be off a whole turn: π is written to some digits.
const ROUNDED: f64 = 1e-9;

/// What a value does when an angle goes once round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// It is what it was.
    Back,
    /// It goes round whole times itself, or stays.
    Whole,
    /// Anything else.
    Other,
}

/// The lower end of an angle's interval, where the program has no use for its cut.
pub(super) fn cut(g: &Graph, program: &Program, latent: &Latent) -> Option<f64> {
    let Support::Interval { low, high } = latent.support else { return None };
    if (high - low - TAU).abs() > ROUNDED || !latent.prior.modifiers.is_empty() {
        return None;
    }
    let mut scratch = g.clone();
    let mut terms = vec![];
    for other in &program.latents {
        if other.node == latent.node || other.prior.args.iter().any(|&a| g.depends_on(a, &HashSet::from([latent.node])))
        {
            terms.push(other.prior.log_density(&mut scratch, other.node)?);
        }
        match &other.guide {
            Guide::Stated(d) => terms.extend(&d.args),
            Guide::Prior => terms.extend(&other.prior.args),
            _ => {}
        }
    }
    for observe in &program.observes {
        terms.push(observe.distribution.log_density(&mut scratch, observe.value)?);
    }
    terms.extend(program.losses.iter().map(|l| l.node));
    goes_back(&scratch, &terms, latent.node).then_some(low)
}

/// The value z + `turn`, back in the interval that begins at `low`.
pub(super) fn turned(b: &mut Builder, latent: &Latent, z: NodeId, low: f64) -> NodeId {
    let turn = b.free(format!("{}.guide.turn", latent.name), &latent.axes, 0.0);
    let g = &mut *b.g;
    let z = g.add(z, turn);
    let off = g.shift(z, -low);
    let rounds = g.scale(off, 1.0 / TAU);
    let rounds = g.unary(Unary::Floor, rounds);
    let back = g.scale(rounds, TAU);
    g.sub(z, back)
}

/// Whether none of some terms changes when an angle goes once round.
fn goes_back(g: &Graph, terms: &[NodeId], angle: NodeId) -> bool {
    let mut found: HashMap<NodeId, Round> = HashMap::new();
    for n in g.reachable(terms) {
        let node = g.node(n);
        let of: Vec<Round> = node.inputs.iter().map(|i| found.get(i).copied().unwrap_or(Round::Back)).collect();
        let round = if n == angle { Round::Whole } else { of_operation(g, node, &of) };
        found.insert(n, round);
    }
    terms.iter().all(|t| found.get(t) == Some(&Round::Back))
}

fn of_operation(g: &Graph, node: &Node, of: &[Round]) -> Round {
    if of.iter().all(|r| *r == Round::Back) {
        return Round::Back;
    }
    if of.contains(&Round::Other) {
        return Round::Other;
    }
    let whole = |k: usize| node.inputs.get(k).and_then(|&i| g.constant_value(i)).is_some_and(|v| v.fract() == 0.0);
    let back = |k: usize| of.get(k) == Some(&Round::Back);
    match &node.op {
        Op::Unary(Unary::Sin | Unary::Cos) => Round::Back,
        Op::Unary(Unary::Neg) | Op::Binary(Binary::Add | Binary::Sub) => Round::Whole,
        Op::Binary(Binary::Mul) if whole(0) || whole(1) => Round::Whole,
        Op::Sum(_) | Op::Broadcast(_) | Op::Rename(_) | Op::Reshape { .. } => Round::Whole,
        Op::Gather { .. } if back(1) => Round::Whole,
        Op::Select if back(0) => Round::Whole,
        _ => Round::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sines_and_cosines_of_whole_multiples_go_back() {
        let mut g = Graph::new();
        let ((_, angle), (_, other)) = (g.input("angle", &[]), g.input("other", &[]));
        let mut holds = |build: &dyn Fn(&mut Graph) -> NodeId| {
            let term = build(&mut g);
            goes_back(&g, &[term], angle)
        };
        let cos = |g: &mut Graph, x: NodeId| g.unary(Unary::Cos, x);
        assert!(holds(&|g| cos(g, angle)));
        assert!(holds(&|g| {
            let twice = g.scale(angle, 2.0);
            let off = g.sub(other, twice);
            let c = cos(g, off);
            g.mul(c, other)
        }));
        assert!(holds(&|_| other));
        assert!(!holds(&|_| angle));
        assert!(!holds(&|g| g.square(angle)));
        assert!(!holds(&|g| {
            let half = g.scale(angle, 0.5);
            cos(g, half)
        }));
        assert!(!holds(&|g| {
            let c = cos(g, angle);
            g.mul(c, angle)
        }));
        assert!(!holds(&|g| {
            let scaled = g.mul(angle, other);
            cos(g, scaled)
        }));
    }
}
