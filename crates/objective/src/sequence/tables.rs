//! Terms as tables: over positions, and over the values that finite latents have at a position and at the one before.

use std::collections::{HashMap, HashSet};

use fe_check::Latent;
use fe_graph::{Axis, Binary, Graph, NodeId, Op, axis};
use fe_syntax::Span;

use super::Variable;
use crate::deriver::Deriver;
use crate::enumeration::moved_down;
use crate::messages;
use crate::objective::Underivable;

/// The most numbers in one table.
pub(super) const TABLE_LIMIT: usize = 1 << 24;

/// A finite latent that terms read, with the axes of its values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading<'a> {
    pub number: usize,
    pub latent: &'a Latent,
    pub values: Axis,
    pub before: Axis,
}

/// Where along the positions a table lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It belongs to no position: it reads what is declared outside of loops.
    Outside,
    /// At one position.
    At(usize),
    /// Its element y along an axis is at position y plus a number.
    Along(Axis, i64),
}

/// A table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub node: NodeId,
    pub place: Place,
    /// The variables that it reads at its position, by their place among the variables, and those that it reads one before.
    pub now: Vec<usize>,
    pub before: Vec<usize>,
}

/// One read of a latent's element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    Whole,
    At(usize),
    Step(Axis, i64),
}

impl Table {
    /// A table of a variable's own values.
    pub fn own(variable: &Variable, node: NodeId) -> Self {
        let place = variable.latent.chain.map_or(Place::Outside, |chain| Place::Along(chain, 0));
        Self { node, place, now: vec![], before: vec![] }
    }

    /// Over all positions, with a number where it has none.
    pub fn aligned(&self, g: &mut Graph, time: Axis, elsewhere: f64) -> NodeId {
        align(g, self.node, self.place, time, elsewhere)
    }
}

/// A node that lies somewhere along the positions over all of them, with a number where it has none.
pub(super) fn align(g: &mut Graph, node: NodeId, place: Place, time: Axis, elsewhere: f64) -> NodeId {
    let position = g.iota(time);
    let elsewhere = g.constant(elsewhere);
    match place {
        Place::Outside => node,
        Place::At(at) => {
            let at = g.constant(at as f64);
            let here = g.equal(position, at);
            g.select(here, node, elsewhere)
        }
        Place::Along(own, by) => {
            let (length, all) = (g.extent_of(own.id) as i64, g.extent_of(time.id) as i64);
            if own == time && by == 0 {
                return g.broadcast(node, &[time]);
            }
            let moved = g.shift(position, -by as f64);
            let (zero, last) = (g.constant(0.0), g.constant(length as f64 - 1.0));
            let within = g.binary(Binary::Max, moved, zero);
            let within = g.binary(Binary::Min, within, last);
            let node = g.broadcast(node, &[own]);
            let found = g.gather(node, within, own);
            if by <= 0 && length + by >= all {
                return found;
            }
            let inside = g.equal(within, moved);
            g.select(inside, found, elsewhere)
        }
    }
}

impl<'a> Deriver<'a> {
    /// A term as a table.
    pub(super) fn table(
        &mut self,
        root: NodeId,
        named: &[Reading<'a>],
        nodes: &HashSet<NodeId>,
        span: Span,
    ) -> Result<Table, Underivable> {
        // What is summed in the end may be summed at once.
        let mut root = root;
        while let (Op::Sum(_), &[inner]) = (&self.g.node(root).op, self.g.node(root).inputs.as_slice()) {
            root = inner;
        }
        let root = moved_down(&mut self.g, root, nodes);
        let reads = self.elements(root, named, nodes, span)?;
        let steps: Vec<(Axis, i64)> = reads
            .iter()
            .filter_map(|r| if let Element::Step(own, by) = r.2 { Some((own, by)) } else { None })
            .collect();
        let latest = steps.iter().map(|s| s.1).max();
        let (mut places, mut now, mut before) = (HashMap::new(), vec![], vec![]);
        let mut place = Place::Outside;
        for &(node, k, element) in &reads {
            let Some(one) = named.get(k) else { continue };
            let behind = match (element, latest) {
                (Element::Whole, _) => 0,
                (Element::Step(own, by), Some(latest)) => {
                    if !matches!(place, Place::Outside) && place != Place::Along(own, latest) {
                        return Err(messages::other_positions(&one.latent.name, span));
                    }
                    place = Place::Along(own, latest);
                    latest - by
                }
                (Element::At(at), _) => {
                    if !matches!(place, Place::Outside) && place != Place::At(at) {
                        return Err(messages::other_positions(&one.latent.name, span));
                    }
                    place = Place::At(at);
                    0
                }
                (Element::Step(..), None) => 0,
            };
            let (list, values) = match behind {
                0 => (&mut now, one.values),
                1 => (&mut before, one.before),
                _ => return Err(messages::too_far_back(&one.latent.name, span)),
            };
            list.push(k);
            let value = self.g.iota(values);
            places.insert(node, value);
        }
        let value = self.g.substitute(&[root], &places).first().copied().unwrap_or(root);
        let mut plates: Vec<Axis> = vec![];
        for one in reads.iter().filter_map(|r| named.get(r.1)) {
            plates.extend(one.latent.axes.iter().filter(|a| Some(**a) != one.latent.chain));
        }
        if let Place::Along(own, _) = place {
            plates.push(own);
        }
        let node = self.g.broadcast(value, &plates);
        let others: HashSet<NodeId> = self.random.iter().copied().filter(|n| !nodes.contains(n)).collect();
        let unknown: HashSet<NodeId> = others.union(nodes).copied().collect();
        if self.g.depends_on(node, &unknown) {
            return Err(messages::not_finite_alone(span));
        }
        let size = self.numbers_at_once(self.g.axes_of(node));
        if size > TABLE_LIMIT {
            let name = reads.first().and_then(|r| named.get(r.1)).map_or("", |one| one.latent.name.as_str());
            return Err(messages::too_many_values(name, span, size, TABLE_LIMIT));
        }
        Ok(Table { node, place, now, before })
    }

    /// Every read of a latent in a term, with what stands for it.
    fn elements(
        &self,
        root: NodeId,
        named: &[Reading<'a>],
        nodes: &HashSet<NodeId>,
        span: Span,
    ) -> Result<Vec<(NodeId, usize, Element)>, Underivable> {
        let g = &self.g;
        let of = |id: NodeId| named.iter().position(|r| r.latent.node == id);
        let chain = |k: usize| named.get(k).and_then(|r| r.latent.chain);
        let whole = |k: usize| chain(k).map_or(Element::Whole, |axis| Element::Step(axis, 0));
        let mut dependent: HashSet<NodeId> = HashSet::new();
        let mut reads: Vec<(NodeId, usize, Element)> = vec![];
        let mut direct: HashSet<usize> = HashSet::new();
        if let Some(k) = of(root) {
            direct.insert(k);
        }
        for id in g.reachable(&[root]) {
            if nodes.contains(&id) {
                dependent.insert(id);
                continue;
            }
            let node = g.node(id);
            if !node.inputs.iter().any(|i| dependent.contains(i)) {
                continue;
            }
            dependent.insert(id);
            if let (Op::Gather { axis }, &[x, index]) = (&node.op, node.inputs.as_slice())
                && let Some(k) = of(x).filter(|&k| chain(k) == Some(*axis))
                && !dependent.contains(&index)
            {
                let element = match (g.shift_of(index), g.constant_value(index)) {
                    (Some((own, by)), _) => Element::Step(own, by),
                    (None, Some(at)) if at >= 0.0 => Element::At(at as usize),
                    _ => return Err(self.mixes(k, named, span)),
                };
                reads.push((id, k, element));
                continue;
            }
            direct.extend(node.inputs.iter().filter_map(|&i| of(i)));
            let positions: Vec<Axis> = reads
                .iter()
                .filter_map(|r| if let Element::Step(own, _) = r.2 { Some(own) } else { None })
                .chain(direct.iter().filter_map(|&k| chain(k)))
                .collect();
            let plates = direct.iter().chain(reads.iter().map(|r| &r.1)).filter_map(|&k| named.get(k));
            let positions = axis::union(
                &axis::sorted(&positions),
                &axis::sorted(&plates.flat_map(|r| r.latent.axes.clone()).collect::<Vec<_>>()),
            );
            let touched: Vec<Axis> = match &node.op {
                Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Broadcast(_) | Op::Stop => vec![],
                Op::Sum(over) | Op::Max(over) | Op::Contract(over) => over.clone(),
                Op::Gather { axis } => vec![*axis],
                Op::Rename(pairs) => pairs.iter().flat_map(|p| [p.0, p.1]).collect(),
                Op::Reshape { from, to } => [from.as_slice(), to].concat(),
                _ => positions.clone(),
            };
            if touched.iter().any(|a| positions.contains(a)) {
                let k = (0..named.len())
                    .find(|&k| named.get(k).is_some_and(|r| g.depends_on(id, &HashSet::from([r.latent.node]))));
                return Err(self.mixes(k.unwrap_or_default(), named, span));
            }
        }
        for k in direct {
            if let Some(one) = named.get(k) {
                reads.push((one.latent.node, k, whole(k)));
            }
        }
        reads.sort_by_key(|r| (r.1, r.0));
        Ok(reads)
    }

    fn mixes(&self, k: usize, named: &[Reading<'a>], span: Span) -> Underivable {
        messages::mixes_positions(named.get(k).map_or("", |r| r.latent.name.as_str()), span)
    }
}
