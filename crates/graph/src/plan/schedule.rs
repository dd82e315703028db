//! The phase in which each value is computed.

use super::lower::{Class, Lowered};

/// The phase of every node; given nodes have none, and steady nodes are numbered apart.
///
/// A value can be used in its own phase by work of its own kind: by the panel that made it, or by what runs once after
/// it. Anything else waits for the next phase.
pub fn levels(lowered: &Lowered) -> Vec<Option<usize>> {
    let mut levels: Vec<Option<usize>> = Vec::with_capacity(lowered.nodes.len());
    for node in &lowered.nodes {
        if node.is_given() {
            levels.push(None);
            continue;
        }
        let mut level = 0;
        for view in node.operands.iter().filter_map(|o| o.view()) {
            let (Some(base), Some(&Some(at))) = (lowered.nodes.get(view.buffer), levels.get(view.buffer)) else {
                continue;
            };
            if base.steady && !node.steady {
                continue;
            }
            let together = node.class == base.class
                && match node.class {
                    Class::Rows => lowered.is_local(view),
                    Class::Once => true,
                    Class::Tiled => false,
                };
            level = level.max(if together { at } else { at + 1 });
        }
        levels.push(Some(level));
    }
    levels
}
