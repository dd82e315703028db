//! Expressions of data alone are computed once, at load.

use std::collections::{HashMap, HashSet};

use fe_check::Program;
use fe_graph::{Axis, Graph, InputId, NodeId, Op, Unary};

use crate::objective::Prepared;

/// The most numbers a value kept from load may hold.
const LARGEST: usize = 20_000_000;

/// Which nodes are made of data alone, and which of those read rows.
struct DataNodes {
    pure: HashSet<NodeId>,
    with_rows: HashSet<NodeId>,
}

fn data_nodes(g: &Graph, roots: &[NodeId], data: &HashSet<InputId>, row: Option<Axis>) -> DataNodes {
    let (mut pure, mut with_rows, mut any) = (HashSet::new(), HashSet::new(), HashSet::new());
    for id in g.reachable(roots) {
        let node = g.node(id);
        let (is_pure, reads) = match &node.op {
            Op::Input(i) => (data.contains(i), data.contains(i)),
            Op::Constant(_) | Op::Literal(_) | Op::Iota | Op::Extent(_) => (true, false),
            Op::Noise { .. } | Op::Arrivals { .. } | Op::Scan(_) | Op::Output(_) => (false, false),
            _ => (node.inputs.iter().all(|i| pure.contains(i)), node.inputs.iter().any(|i| any.contains(i))),
        };
        if is_pure {
            pure.insert(id);
        }
        if reads {
            any.insert(id);
        }
        let own_rows = row.is_some_and(|r| node.axes.contains(&r));
        if reads && (own_rows || node.inputs.iter().any(|i| with_rows.contains(i))) {
            with_rows.insert(id);
        }
    }
    pure.retain(|n| any.contains(n));
    DataNodes { pure, with_rows }
}

/// Statistics of the data that the program itself takes over the row axis: they come from the training rows and stay
/// fixed, so they must not be recomputed from a batch.
pub(crate) fn statistics(
    g: &mut Graph,
    program: &Program,
    roots: &[NodeId],
) -> (HashMap<NodeId, NodeId>, Vec<Prepared>) {
    let Some(row) = program.row.map(|r| Axis::plain(r.axis)) else { return (HashMap::new(), vec![]) };
    let data: HashSet<InputId> = program.data.iter().map(|d| d.input).collect();
    let found = data_nodes(g, roots, &data, Some(row));
    let order = g.reachable(roots);
    // What collapses rows, and what follows from that alone: a mean is one with its division by the number of rows.
    let mut taken: HashSet<NodeId> = HashSet::new();
    for &id in &order {
        let node = g.node(id);
        let collapses = match &node.op {
            Op::Sum(over) | Op::Max(over) | Op::Contract(over) => over.contains(&row),
            _ => !node.axes.contains(&row) && node.inputs.iter().any(|i| taken.contains(i)),
        };
        if collapses && found.pure.contains(&id) && found.with_rows.contains(&id) {
            taken.insert(id);
        }
    }
    // Of these, what anything else reads.
    let mut read: HashSet<NodeId> = roots.iter().copied().filter(|r| taken.contains(r)).collect();
    for &id in order.iter().filter(|id| !taken.contains(id)) {
        read.extend(g.node(id).inputs.iter().copied().filter(|i| taken.contains(i)));
    }
    let mut map = HashMap::new();
    let mut prepared = vec![];
    for id in order.into_iter().filter(|id| read.contains(id)) {
        // Statistics of statistics see the earlier ones as given.
        let node = g.substitute(&[id], &map).first().copied().unwrap_or(id);
        let axes = g.axes_of(id).to_vec();
        let (input, value) = g.input(&format!("statistic {}", prepared.len() + 1), &axes);
        prepared.push(Prepared { input, node, statistic: true });
        map.insert(id, value);
    }
    (map, prepared)
}

/// Costly expressions of data alone, taken out of the step: those with a transcendental function or a product in them.
pub(crate) fn hoist(g: &mut Graph, program: &Program, prepared: &mut Vec<Prepared>, roots: &mut [NodeId]) {
    let row = program.row.map(|r| Axis::plain(r.axis));
    let data: HashSet<InputId> = program.data.iter().map(|d| d.input).chain(prepared.iter().map(|p| p.input)).collect();
    let found = data_nodes(g, roots, &data, row);
    let order = g.reachable(roots);
    let mut costly: HashSet<NodeId> = HashSet::new();
    for &id in order.iter().filter(|id| found.pure.contains(id)) {
        let node = g.node(id);
        let heavy = match &node.op {
            Op::Unary(u) => {
                !matches!(u, Unary::Neg | Unary::Square | Unary::Abs | Unary::Sign | Unary::Step | Unary::Relu)
            }
            Op::Contract(_) | Op::Sum(_) | Op::Max(_) => true,
            _ => false,
        };
        if heavy || node.inputs.iter().any(|i| costly.contains(i)) {
            costly.insert(id);
        }
    }
    let eligible = |g: &Graph, id: NodeId| {
        let node = g.node(id);
        let keeps_rows = row.is_some_and(|r| node.axes.contains(&r)) || !found.with_rows.contains(&id);
        let size = node.axes.iter().map(|a| g.extent_of(a.id)).fold(1usize, usize::saturating_mul);
        let sampled = node.axes.contains(&Axis::SAMPLE);
        costly.contains(&id) && !sampled && keeps_rows && size <= LARGEST && !matches!(node.op, Op::Broadcast(_))
    };
    // The frontier: what can be kept and is used by something that cannot.
    let mut frontier: HashSet<NodeId> = roots.iter().copied().filter(|&r| eligible(g, r)).collect();
    for &id in &order {
        if !eligible(g, id) {
            let inputs = g.node(id).inputs.clone();
            frontier.extend(inputs.into_iter().filter(|&i| eligible(g, i)));
        }
    }
    let mut frontier: Vec<NodeId> = frontier.into_iter().collect();
    frontier.sort_unstable();
    let mut map = HashMap::new();
    for id in frontier {
        let axes = g.axes_of(id).to_vec();
        let (input, value) = g.input(&format!("prepared {}", prepared.len() + 1), &axes);
        prepared.push(Prepared { input, node: id, statistic: false });
        map.insert(id, value);
    }
    let new = g.substitute(roots, &map);
    for (root, n) in roots.iter_mut().zip(new) {
        *root = n;
    }
}
