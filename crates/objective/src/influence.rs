//! Which elements of a term an element of a latent can influence.

use std::collections::{HashMap, HashSet};

use fe_graph::axis::{difference, intersection};
use fe_graph::{Axis, Binary, Graph, NodeId, Op, Unary};

/// The axes of `latent` along which `root` keeps its elements apart: at a position along them it depends on the latent's
/// elements at that position alone. `None` where it does not depend on the latent at all.
pub(crate) fn kept_apart(g: &Graph, root: NodeId, latent: NodeId) -> Option<Vec<Axis>> {
    let mut known: HashMap<NodeId, Vec<Axis>> = HashMap::from([(latent, g.axes_of(latent).to_vec())]);
    for id in g.reachable(&[root]) {
        if known.contains_key(&id) {
            continue;
        }
        let node = g.node(id);
        let mut reads = node.inputs.iter().enumerate().filter(|(_, i)| known.contains_key(i));
        let Some(first) = reads.next() else { continue };
        let through = |(place, input): (usize, &NodeId)| {
            let axes = known.get(input).cloned().unwrap_or_default();
            match &node.op {
                Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Broadcast(_) | Op::Stop | Op::Arrivals { .. } => axes,
                Op::Sum(over) | Op::Max(over) | Op::Contract(over) => difference(&axes, over),
                Op::Gather { axis } if place == 0 => difference(&axes, &[*axis]),
                Op::Gather { .. } => axes,
                Op::ScatterAdd { axis, over } => difference(&difference(&axes, over), &[*axis]),
                Op::Rename(pairs) => {
                    let moved: Vec<Axis> = pairs.iter().flat_map(|p| [p.0, p.1]).collect();
                    difference(&axes, &moved)
                }
                Op::Reshape { from, .. } => difference(&axes, from),
                Op::Factor { row, column, .. } => difference(&axes, &[*row, *column]),
                // A loop may carry anything anywhere.
                _ => vec![],
            }
        };
        let mut kept = through(first);
        for read in reads {
            kept = intersection(&kept, &through(read));
        }
        kept = intersection(&kept, &node.axes);
        known.insert(id, kept);
    }
    known.remove(&root)
}

/// Whether `root` reads an angle only through sines and cosines of sums, and so goes on smoothly from π to −π.
pub(crate) fn is_periodic(g: &Graph, root: NodeId, angle: NodeId) -> bool {
    let mut angles = HashSet::from([angle]);
    for id in g.reachable(&[root]) {
        let node = g.node(id);
        if angles.contains(&id) || !node.inputs.iter().any(|i| angles.contains(i)) {
            continue;
        }
        match &node.op {
            Op::Unary(Unary::Sin | Unary::Cos) => {}
            Op::Unary(Unary::Neg) | Op::Binary(Binary::Add | Binary::Sub) => drop(angles.insert(id)),
            Op::Broadcast(_) | Op::Rename(_) | Op::Reshape { .. } => drop(angles.insert(id)),
            Op::Gather { .. } if node.inputs.first().is_some_and(|x| angles.contains(x)) => drop(angles.insert(id)),
            _ => return false,
        }
    }
    !angles.contains(&root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_kept_apart_until_something_mixes_them() {
        let mut g = Graph::new();
        let (n, k) = (Axis::plain(g.add_axis("N", 3)), Axis::plain(g.add_axis("K", 2)));
        let (_, z) = g.input("z", &[n, k]);
        let (_, w) = g.input("w", &[k]);
        let (_, index) = g.input("index", &[n]);
        let element = g.mul(z, w);
        let sum = g.sum(element, &[k]);
        let product = g.contract(z, w, &[k]);
        let other = g.rename(z, &[(n, n.primed())]);
        let picked = g.gather(z, index, n);
        let mixed = g.add(element, product);
        let apart = |node: NodeId| kept_apart(&g, node, z);
        assert_eq!(apart(z), Some(vec![n, k]));
        assert_eq!(apart(element), Some(vec![n, k]));
        assert_eq!(apart(sum), Some(vec![n]));
        assert_eq!(apart(product), Some(vec![n]));
        assert_eq!(apart(other), Some(vec![k]));
        assert_eq!(apart(picked), Some(vec![k]));
        assert_eq!(apart(mixed), Some(vec![n]));
        assert_eq!(apart(w), None);
    }

    #[test]
    fn an_index_is_read_by_element() {
        let mut g = Graph::new();
        let (n, k) = (Axis::plain(g.add_axis("N", 3)), Axis::plain(g.add_axis("K", 2)));
        let (_, c) = g.input("c", &[n]);
        let (_, m) = g.input("m", &[k]);
        let picked = g.gather(m, c, k);
        assert_eq!(kept_apart(&g, picked, c), Some(vec![n]));
    }

    #[test]
    fn angles_in_sines_are_periodic() {
        let mut g = Graph::new();
        let (_, z) = g.input("z", &[]);
        let (_, m) = g.input("m", &[]);
        let shifted = g.sub(m, z);
        let cosine = g.unary(Unary::Cos, shifted);
        let double = g.scale(z, 2.0);
        let other = g.mul(m, cosine);
        assert!(is_periodic(&g, other, z));
        assert!(!is_periodic(&g, shifted, z));
        assert!(!is_periodic(&g, double, z));
    }
}
