//! Picks of what follows element by element from a latent are moved down to the latent itself, (s · z)[j] = s · z[j]: so that a
//! group's effect is read as its own element, however it is scaled.

use std::collections::{HashMap, HashSet};

use fe_graph::{Axis, Graph, NodeId, Op, axis};

/// Picks of picks are moved one after another, so many times at most.
const ROUNDS: usize = 8;

/// An expression with picks by a fixed index moved down to some nodes.
pub(crate) fn moved_down(g: &mut Graph, mut root: NodeId, to: &HashSet<NodeId>) -> NodeId {
    for _ in 0..ROUNDS {
        let mut moved = HashMap::new();
        for id in g.reachable(&[root]) {
            let node = g.node(id).clone();
            let (Op::Gather { axis }, &[x, index]) = (&node.op, node.inputs.as_slice()) else { continue };
            if to.contains(&x) || !g.depends_on(x, to) || g.depends_on(index, to) || !is_elementwise(g, x) {
                continue;
            }
            let picked = picked(g, x, (index, *axis), to);
            moved.insert(id, g.broadcast(picked, &node.axes));
        }
        if moved.is_empty() {
            return root;
        }
        root = g.substitute(&[root], &moved).first().copied().unwrap_or(root);
    }
    root
}

fn is_elementwise(g: &Graph, x: NodeId) -> bool {
    matches!(g.node(x).op, Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Broadcast(_) | Op::Stop)
}

/// x at an index along an axis, picked from its operands.
fn picked(g: &mut Graph, x: NodeId, (index, along): (NodeId, Axis), to: &HashSet<NodeId>) -> NodeId {
    if !g.has_axis(x, along) {
        return x;
    }
    if to.contains(&x) || !g.depends_on(x, to) || !is_elementwise(g, x) {
        return g.gather(x, index, along);
    }
    let node = g.node(x).clone();
    let operands: Vec<(NodeId, NodeId)> = node.inputs.iter().map(|&i| (i, picked(g, i, (index, along), to))).collect();
    if let (Op::Broadcast(axes), Some(&(_, inner))) = (&node.op, operands.first()) {
        let axes = axis::union(&axis::difference(&axis::sorted(axes), &[along]), g.axes_of(index));
        return g.broadcast(inner, &axes);
    }
    g.substitute(&[x], &operands.into_iter().collect()).first().copied().unwrap_or(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pick_of_a_scaled_latent_is_one_of_the_latent() {
        let mut g = Graph::new();
        let (rows, groups) = (Axis::plain(g.add_axis("N", 6)), Axis::plain(g.add_axis("J", 3)));
        let ((_, z), (_, s), (_, shift)) = (g.input("z", &[groups]), g.input("s", &[]), g.input("shift", &[groups]));
        let (_, index) = g.input("index", &[rows]);
        let scaled = g.mul(s, z);
        let both = g.add(scaled, shift);
        let picked = g.gather(both, index, groups);
        let root = g.exp(picked);
        let moved = moved_down(&mut g, root, &HashSet::from([z]));
        let (z_at, shift_at) = (g.gather(z, index, groups), g.gather(shift, index, groups));
        let scaled = g.mul(s, z_at);
        let both = g.add(scaled, shift_at);
        let expected = g.exp(both);
        assert_eq!(moved, expected);
    }
}
