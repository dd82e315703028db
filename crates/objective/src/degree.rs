//! How a node depends on random ones: not at all, affinely, or in another way.

use std::collections::HashMap;

use fe_graph::{Binary, Graph, Node, NodeId, Op, Scan, Unary};

/// Of a node in the random ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Degree {
    /// It does not depend on any.
    Fixed,
    /// A linear function and a fixed number.
    Affine,
    /// Anything else.
    Other,
}

/// Degrees of a graph's nodes, found once.
#[derive(Debug, Default)]
pub(crate) struct Degrees {
    known: HashMap<NodeId, Degree>,
    /// Of each loop, those of its results.
    results: HashMap<NodeId, Vec<Degree>>,
}

impl Degrees {
    /// The degree of a node; `primitive` gives those of the random nodes.
    pub fn of(&mut self, g: &Graph, id: NodeId, primitive: &dyn Fn(NodeId) -> Option<Degree>) -> Degree {
        if let Some(&known) = self.known.get(&id) {
            return known;
        }
        for n in g.reachable(&[id]) {
            if self.known.contains_key(&n) {
                continue;
            }
            let node = g.node(n);
            let degree = match (primitive(n), &node.op) {
                (Some(degree), _) => degree,
                (None, Op::Scan(scan)) => {
                    let operands: Vec<Degree> = node.inputs.iter().map(|&i| self.at(i)).collect();
                    let results = of_loop(&scan.0, &operands);
                    let most = results.iter().copied().max().unwrap_or(Degree::Fixed);
                    self.results.insert(n, results);
                    most
                }
                (None, Op::Output(k)) => {
                    let results = node.inputs.first().and_then(|scan| self.results.get(scan));
                    results.and_then(|r| r.get(*k)).copied().unwrap_or(Degree::Other)
                }
                _ => self.of_operation(node),
            };
            self.known.insert(n, degree);
        }
        self.at(id)
    }

    fn at(&self, id: NodeId) -> Degree {
        self.known.get(&id).copied().unwrap_or(Degree::Other)
    }

    fn of_operation(&self, node: &Node) -> Degree {
        let most = node.inputs.iter().map(|&i| self.at(i)).max().unwrap_or(Degree::Fixed);
        if most != Degree::Affine {
            return most;
        }
        let fixed = |k: usize| node.inputs.get(k).is_some_and(|&i| self.at(i) == Degree::Fixed);
        let affine = match &node.op {
            Op::Unary(Unary::Neg) | Op::Sum(_) | Op::Broadcast(_) | Op::Rename(_) | Op::Reshape { .. } => true,
            Op::Binary(Binary::Add | Binary::Sub) => true,
            Op::Binary(Binary::Mul) | Op::Contract(_) => fixed(0) || fixed(1),
            Op::Binary(Binary::Div) | Op::Gather { .. } | Op::ScatterAdd { .. } => fixed(1),
            Op::Select => fixed(0),
            _ => false,
        };
        if affine { Degree::Affine } else { Degree::Other }
    }
}

/// The results of a loop, from its operands: carries take the degree of whatever they are given, until nothing changes.
fn of_loop(scan: &Scan, operands: &[Degree]) -> Vec<Degree> {
    let (carried, sliced) = (scan.carries.len(), scan.slices.len());
    let at = |k: usize| operands.get(k).copied().unwrap_or(Degree::Other);
    let mut carries: Vec<Degree> = (0..carried).map(at).collect();
    loop {
        let mut inputs: HashMap<_, Degree> = scan.carries.iter().map(|c| c.0).zip(carries.iter().copied()).collect();
        inputs.extend(scan.slices.iter().enumerate().map(|(k, &input)| (input, at(carried + k))));
        inputs.extend(scan.constants.iter().enumerate().map(|(k, &input)| (input, at(carried + sliced + k))));
        let primitive = |n: NodeId| match scan.body.node(n).op {
            Op::Input(input) => inputs.get(&input).copied(),
            _ => None,
        };
        let mut body = Degrees::default();
        let next: Vec<Degree> = scan
            .carries
            .iter()
            .zip(&carries)
            .map(|(&(_, next), &before)| before.max(body.of(&scan.body, next, &primitive)))
            .collect();
        if next == carries {
            let stacked: Vec<Degree> = scan.stacked.iter().map(|&n| body.of(&scan.body, n, &primitive)).collect();
            return [carries.as_slice(), &stacked, &carries].concat();
        }
        carries = next;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use fe_graph::{Axis, Recurrence};

    #[test]
    fn a_linear_loop_is_affine_and_a_bent_one_is_not() {
        let mut g = Graph::new();
        let t = Axis::plain(g.add_axis("T", 4));
        let ((_, z), (_, s), (_, f)) = (g.input("z", &[t]), g.input("s", &[t]), g.input("f", &[]));
        let place = g.iota(t);
        let index = g.shift(place, -1.0);
        let earlier = g.gather(s, index, t);
        let kept = g.mul(f, earlier);
        let value = g.add(kept, z);
        let linear = g.recur(t, &[Recurrence { stand_in: s, value }]).unwrap().values[0];
        let bent = g.tanh(kept);
        let value = g.add(bent, z);
        let bent = g.recur(t, &[Recurrence { stand_in: s, value }]).unwrap().values[0];
        let random = |n: NodeId| (n == z).then_some(Degree::Affine);
        let mut degrees = Degrees::default();
        assert_eq!(degrees.of(&g, linear, &random), Degree::Affine);
        assert_eq!(degrees.of(&g, bent, &random), Degree::Other);
        assert_eq!(Degrees::default().of(&g, linear, &|n| (n == f).then_some(Degree::Affine)), Degree::Other);
        assert_eq!(Degrees::default().of(&g, linear, &|_| None), Degree::Fixed);
    }
}
