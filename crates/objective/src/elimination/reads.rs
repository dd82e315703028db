//! How the elements of latents hang together in a quadratic: which of them are multiplied with which.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fe_graph::{Axis, Binary, Graph, Node, NodeId, Op, Unary};

use crate::degree::{Degree, Degrees};

/// A position along an axis of a latent that a node reads, of all that it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// The node's own position along the axis, and so many on.
    Step(i64),
    /// That of an index.
    Pick(NodeId),
}

/// The positions along one axis; none where they may be any.
type Places = Option<BTreeSet<Place>>;

/// Of each latent that a node is affine in, the positions along each of its axes.
type Reads = BTreeMap<usize, BTreeMap<Axis, Places>>;

/// How far apart along an axis elements are that are multiplied with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Link {
    /// The same position.
    Same,
    /// Up to so many steps.
    Band(u64),
    /// Any.
    Any,
}

/// Which elements of which latents are multiplied with which, by pairs of latents and axes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links(BTreeMap<(usize, usize), BTreeMap<Axis, Link>>);

impl Links {
    /// Whether two latents meet in a product.
    pub fn meet(&self, a: usize, b: usize) -> bool {
        self.0.contains_key(&pair(a, b))
    }

    /// How far apart along an axis; an axis that one of two latents lacks says nothing of the other's.
    pub fn along(&self, a: usize, b: usize, axis: Axis) -> Link {
        match self.0.get(&pair(a, b)) {
            Some(axes) => axes.get(&axis).copied().unwrap_or(Link::Any),
            None => Link::Same,
        }
    }

    /// Those that a latent meets, but for itself.
    pub fn of(&self, k: usize) -> Vec<usize> {
        let met = self.0.keys().filter(|(a, b)| a != b && (*a == k || *b == k));
        met.map(|&(a, b)| if a == k { b } else { a }).collect()
    }

    fn join(&mut self, a: usize, b: usize, axes: BTreeMap<Axis, Link>) {
        match self.0.entry(pair(a, b)) {
            std::collections::btree_map::Entry::Vacant(slot) => drop(slot.insert(axes)),
            std::collections::btree_map::Entry::Occupied(mut slot) => {
                for (axis, link) in slot.get_mut() {
                    *link = axes.get(axis).copied().unwrap_or(Link::Any).max(*link);
                }
            }
        }
    }

    /// Takes latents out: those that they meet are multiplied with each other in what is left, at the same position where
    /// both were read there, and else anywhere.
    pub fn eliminate(&mut self, out: &[usize]) {
        let mut met: BTreeSet<usize> = out.iter().flat_map(|&k| self.of(k)).collect();
        met.retain(|k| !out.contains(k));
        let aligned = |links: &Self, w: usize, axis: Axis| {
            let own = out.iter().all(|&k| !links.meet(k, k) || links.along(k, k, axis) == Link::Same);
            own && out.iter().all(|&k| !links.meet(k, w) || links.along(k, w, axis) == Link::Same)
        };
        let mut joins = vec![];
        for &a in &met {
            for &b in met.iter().filter(|&&b| b >= a) {
                let axes = self.0.values().flat_map(|axes| axes.keys().copied()).collect::<BTreeSet<Axis>>();
                let links = axes.into_iter().map(|axis| {
                    let same = aligned(self, a, axis) && aligned(self, b, axis);
                    (axis, if same { Link::Same } else { Link::Any })
                });
                joins.push((a, b, links.collect::<BTreeMap<Axis, Link>>()));
            }
        }
        for (a, b, axes) in joins {
            self.join(a, b, axes);
        }
        self.0.retain(|(a, b), _| !out.contains(a) && !out.contains(b));
    }
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

/// The links of latents, given by number, node and axes, in terms of any form: what one operation bends together, it
/// multiplies.
pub(crate) fn links(g: &Graph, terms: &[NodeId], latents: &[(usize, NodeId, Vec<Axis>)]) -> Links {
    let primitive = |n: NodeId| latents.iter().any(|l| l.1 == n).then_some(Degree::Affine);
    let mut degrees = Degrees::default();
    let mut reads: HashMap<NodeId, Reads> = HashMap::new();
    let mut links = Links::default();
    for n in g.reachable(terms) {
        if let Some((k, _, axes)) = latents.iter().find(|l| l.1 == n) {
            let own = axes.iter().map(|&a| (a, Some(BTreeSet::from([Place::Step(0)]))));
            reads.insert(n, Reads::from([(*k, own.collect())]));
            continue;
        }
        let degree = degrees.of(g, n, &primitive);
        if degree == Degree::Fixed {
            continue;
        }
        let node = g.node(n);
        if degree == Degree::Other && !is_linear(node, &reads) {
            let all = node.inputs.iter().filter_map(|i| reads.get(i)).cloned();
            record(&mut links, &all.fold(Reads::new(), union));
        }
        reads.insert(n, of_operation(g, n, &reads));
    }
    links
}

/// Whether an operation adds up what hangs on latents, and bends none of it.
fn is_linear(node: &Node, reads: &HashMap<NodeId, Reads>) -> bool {
    let fixed = |k: usize| node.inputs.get(k).is_some_and(|i| !reads.contains_key(i));
    match &node.op {
        Op::Unary(Unary::Neg) | Op::Sum(_) | Op::Broadcast(_) | Op::Rename(_) | Op::Reshape { .. } => true,
        Op::Binary(Binary::Add | Binary::Sub) => true,
        Op::Binary(Binary::Mul) | Op::Contract(_) => fixed(0) || fixed(1),
        Op::Binary(Binary::Div) | Op::Gather { .. } | Op::ScatterAdd { .. } => fixed(1),
        Op::Select => fixed(0),
        _ => false,
    }
}

/// Both reads together.
fn union(mut a: Reads, b: Reads) -> Reads {
    for (latent, axes) in b {
        let own = a.entry(latent).or_default();
        for (axis, places) in axes {
            match own.entry(axis) {
                std::collections::btree_map::Entry::Vacant(slot) => drop(slot.insert(places)),
                std::collections::btree_map::Entry::Occupied(mut slot) => {
                    let both = slot.get_mut().take().zip(places).map(|(x, y)| x.union(&y).copied().collect());
                    slot.insert(both);
                }
            }
        }
    }
    a
}

/// Every element that a product's operands read is multiplied with every other.
fn record(links: &mut Links, reads: &Reads) {
    for (&a, of_a) in reads {
        for (&b, of_b) in reads.range(a..) {
            let shared = of_a.iter().filter_map(|(axis, x)| Some((*axis, x, of_b.get(axis)?)));
            let axes = shared.map(|(axis, x, y)| {
                let both = x.as_ref().zip(y.as_ref()).map(|(x, y)| x.union(y).copied().collect::<BTreeSet<_>>());
                (axis, link(both))
            });
            links.join(a, b, axes.collect());
        }
    }
}

fn link(places: Places) -> Link {
    let Some(places) = places else { return Link::Any };
    if places.len() == 1 {
        return Link::Same;
    }
    let steps: Option<Vec<i64>> = places.iter().map(|p| if let Place::Step(k) = p { Some(*k) } else { None }).collect();
    match steps.as_deref() {
        Some([first, .., last]) => Link::Band(last.abs_diff(*first)),
        _ => Link::Any,
    }
}

/// The reads of a node, from those of its operands.
fn of_operation(g: &Graph, id: NodeId, known: &HashMap<NodeId, Reads>) -> Reads {
    let node = g.node(id);
    let mut reads = node.inputs.iter().filter_map(|i| known.get(i)).cloned().fold(Reads::new(), union);
    let each = |reads: &mut Reads, change: &dyn Fn(Axis, Place) -> Option<Place>| {
        for (axis, places) in reads.values_mut().flatten() {
            *places = places.take().and_then(|own| own.into_iter().map(|p| change(*axis, p)).collect());
        }
    };
    let along = |axis: Axis, place: Place, touched: &[Axis]| match place {
        Place::Step(_) => touched.contains(&axis),
        Place::Pick(index) => g.axes_of(index).iter().any(|a| touched.contains(a)),
    };
    match (&node.op, node.inputs.as_slice()) {
        (Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Broadcast(_) | Op::Stop, _) => {}
        (Op::Sum(over) | Op::Contract(over), _) => each(&mut reads, &|axis, p| (!along(axis, p, over)).then_some(p)),
        (Op::Rename(pairs), _) => {
            let touched: Vec<Axis> = pairs.iter().flat_map(|p| [p.0, p.1]).collect();
            each(&mut reads, &|axis, p| (!along(axis, p, &touched)).then_some(p));
        }
        (Op::Reshape { from, .. }, _) => each(&mut reads, &|axis, p| (!along(axis, p, from)).then_some(p)),
        (Op::Gather { axis: picked }, &[_, index]) => each(&mut reads, &|axis, p| match p {
            Place::Step(k) if axis == *picked => match g.shift_of(index) {
                Some((own, by)) if own == axis => Some(Place::Step(k.saturating_add(by))),
                _ => (k == 0).then_some(Place::Pick(index)),
            },
            p => (!along(axis, p, &[*picked])).then_some(p),
        }),
        _ => each(&mut reads, &|_, _| None),
    }
    reads
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn elements_apart_in_groups_along_steps_and_mixed() {
        let mut g = Graph::new();
        let (rows, groups) = (Axis::plain(g.add_axis("N", 6)), Axis::plain(g.add_axis("J", 3)));
        let steps = Axis::plain(g.add_axis("T", 5));
        let ((_, a), (_, m), (_, s)) = (g.input("a", &[groups]), g.input("m", &[]), g.input("s", &[steps]));
        let (_, index) = g.input("index", &[rows]);
        let latents = [(0, a, vec![groups]), (1, m, vec![]), (2, s, vec![steps])];
        // (a[index] − 1)², (a − m)², (s_t − s_{t−1})²
        let picked = g.gather(a, index, groups);
        let deviation = g.shift(picked, -1.0);
        let own = g.square(deviation);
        let about = g.sub(a, m);
        let about = g.square(about);
        let place = g.iota(steps);
        let (before, zero) = (g.shift(place, -1.0), g.constant(0.0));
        let before = g.binary(Binary::Max, before, zero);
        let before = g.gather(s, before, steps);
        let step = g.sub(s, before);
        let step = g.square(step);
        let mut found = links(&g, &[own, about, step], &latents);
        assert_eq!(found.along(0, 0, groups), Link::Same);
        assert_eq!(found.along(2, 2, steps), Link::Band(1));
        assert!(found.meet(0, 1) && !found.meet(0, 2));
        found.eliminate(&[0]);
        assert!(found.meet(1, 1) && !found.meet(0, 0));
        // In one product, a group's own element and another's are two.
        let both = g.sub(picked, m);
        let sum = g.sum(a, &[groups]);
        let both = g.sub(both, sum);
        let both = g.square(both);
        assert_eq!(links(&g, &[both], &latents).along(0, 0, groups), Link::Any);
    }

    #[test]
    fn what_is_read_at_other_places_is_mixed_by_elimination() {
        let mut g = Graph::new();
        let rows = Axis::plain(g.add_axis("N", 6));
        let (j, k) = (Axis::plain(g.add_axis("J", 3)), Axis::plain(g.add_axis("K", 2)));
        let ((_, a), (_, b), (_, c)) = (g.input("a", &[j]), g.input("b", &[k]), g.input("c", &[j]));
        let ((_, to_j), (_, to_k)) = (g.input("to J", &[rows]), g.input("to K", &[rows]));
        let (a_at, b_at, c_at) = (g.gather(a, to_j, j), g.gather(b, to_k, k), g.gather(c, to_j, j));
        let sum = g.add(a_at, b_at);
        let sum = g.add(sum, c_at);
        let square = g.square(sum);
        let latents = [(0, a, vec![j]), (1, b, vec![k]), (2, c, vec![j])];
        let mut found = links(&g, &[square], &latents);
        assert_eq!(found.along(1, 1, k), Link::Same);
        found.eliminate(&[0]);
        // Crossed effects hang together then; those of the same groups stay apart.
        assert_eq!(found.along(1, 1, k), Link::Any);
        assert_eq!(found.along(2, 2, j), Link::Same);
    }
}
