//! Fusion: element-wise operations and folds that share a loop.

use std::collections::HashMap;

use super::lower::{Axes, Class, Id, Lowered, Operation};

/// The place of a group in the order of running: whether it is steady work, its phase, and its class.
pub type Place = (bool, usize, Class);

/// Nodes computed together.
#[derive(Clone, Debug)]
pub struct Group {
    /// The axes looped over, where it is a fused loop.
    pub space: Option<Axes>,
    /// In order of evaluation.
    pub nodes: Vec<Id>,
}

/// Groups in the order they run, by place.
pub type Groups = HashMap<Place, Vec<Group>>;

/// The space a node is computed over, where it can share a loop.
fn space(lowered: &Lowered, id: Id) -> Option<Axes> {
    let node = lowered.nodes.get(id)?;
    match &node.operation {
        Operation::Map(_) => Some(node.axes.clone()),
        Operation::Fold { space, .. } => Some(space.clone()),
        _ => None,
    }
}

/// Whether an operand is the very value that its node computes, in the same order.
pub fn is_direct(lowered: &Lowered, view: &super::View) -> bool {
    lowered
        .nodes
        .get(view.buffer)
        .is_some_and(|n| view.offset == 0 && view.dims.len() == n.axes.len() && view.follows(&n.axes))
}

/// Whether a group can take another fold.
fn room(lowered: &Lowered, group: &Group) -> bool {
    let is_fold = |&&id: &&Id| lowered.nodes.get(id).is_some_and(|n| matches!(n.operation, Operation::Fold { .. }));
    group.nodes.iter().filter(is_fold).count() < super::FOLDS
}

/// Puts every node into the first group it can join: the loop of an operand, where that is element-wise over the same
/// space, or any loop over that space after all of its operands.
pub fn fuse(lowered: &Lowered, levels: &[Option<usize>]) -> Groups {
    let mut groups: Groups = HashMap::new();
    let mut group_of: HashMap<Id, usize> = HashMap::new();
    for (id, node) in lowered.nodes.iter().enumerate() {
        let Some(&Some(level)) = levels.get(id) else { continue };
        let place = (node.steady, level, node.class);
        let space = space(lowered, id);
        let mut earliest = 0;
        for view in node.operands.iter().filter_map(|o| o.view()) {
            let base = lowered.nodes.get(view.buffer);
            let same_place = base.is_some_and(|b| {
                levels.get(view.buffer).copied().flatten().is_some_and(|l| (b.steady, l, b.class) == place)
            });
            let Some(&at) = group_of.get(&view.buffer).filter(|_| same_place) else { continue };
            let inside = space.is_some()
                && base.is_some_and(|b| matches!(b.operation, Operation::Map(_)) && Some(&b.axes) == space.as_ref())
                && is_direct(lowered, view);
            earliest = earliest.max(if inside { at } else { at + 1 });
        }
        let list = groups.entry(place).or_default();
        let found = match &space {
            Some(_) => list
                .iter()
                .enumerate()
                .skip(earliest)
                .find(|(_, g)| g.space == space && room(lowered, g))
                .map(|(k, _)| k),
            None => None,
        };
        let at = match found {
            Some(k) => k,
            None => {
                list.push(Group { space, nodes: vec![] });
                list.len() - 1
            }
        };
        if let Some(group) = list.get_mut(at) {
            group.nodes.push(id);
        }
        group_of.insert(id, at);
    }
    groups
}
