//! The body of a loop as it is run: one turn, or several written out one after another where a turn is so small that
//! going from one to the next costs more than its arithmetic.

use std::collections::HashMap;

use fe_graph::{Graph, InputId, NodeId, Op, Scan, axis};

/// Elements of all values of a turn from which on its arithmetic outweighs the rest.
const ELEMENTS: usize = 1024;

/// Nodes of a body that is written out several times, about.
const NODES: usize = 256;

/// Turns written out, at most.
const TURNS: usize = 16;

/// The results of a loop that somebody uses, by their numbers there.
#[derive(Clone, Debug)]
pub struct Used {
    /// Carries that are needed: used outside, or read by a node that is needed.
    pub carries: Vec<usize>,
    /// Stacked results.
    pub stacked: Vec<usize>,
    /// Carries whose values before each turn are used.
    pub histories: Vec<usize>,
}

impl Used {
    /// From the numbers of the results that are used.
    pub fn of(scan: &Scan, results: &[usize]) -> Self {
        let (c, s) = (scan.carries.len(), scan.stacked.len());
        let among = |from: usize, count: usize| -> Vec<usize> {
            (0..count).filter(|k| results.contains(&(from + k))).collect()
        };
        let (stacked, histories) = (among(c, s), among(c + s, c));
        let mut needed: Vec<bool> = (0..c).map(|k| results.contains(&k) || histories.contains(&k)).collect();
        loop {
            let next = scan.carries.iter().zip(&needed).filter(|n| *n.1).map(|(c, _)| c.1);
            let roots: Vec<NodeId> = next.chain(stacked.iter().filter_map(|&k| scan.stacked.get(k).copied())).collect();
            let mut grown = false;
            for id in scan.body.reachable(&roots) {
                let Op::Input(input) = scan.body.node(id).op else { continue };
                for (_, needed) in scan.carries.iter().zip(&mut needed).filter(|(c, _)| c.0 == input) {
                    grown |= !std::mem::replace(needed, true);
                }
            }
            if !grown {
                let carries = (0..c).filter(|&k| needed.get(k) == Some(&true)).collect();
                return Self { carries, stacked, histories };
            }
        }
    }

    /// Nodes of the body that are needed: next carries, and what is stacked.
    fn roots(&self, scan: &Scan) -> Vec<NodeId> {
        let carries = self.carries.iter().filter_map(|&k| scan.carries.get(k)).map(|c| c.1);
        carries.chain(self.stacked.iter().filter_map(|&k| scan.stacked.get(k).copied())).collect()
    }
}

/// The results of one of the turns that are written out.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    /// Its position, from the lowest of these turns.
    pub position: usize,
    /// By the order of [`Used::stacked`].
    pub stacked: Vec<NodeId>,
    /// By the order of [`Used::histories`].
    pub before: Vec<NodeId>,
}

/// A body, ready to be planned.
pub struct Body {
    /// Its expressions. Over several turns, slices have the loop's axis, of as many positions.
    pub graph: Graph,
    /// By the order of [`Used::carries`]: input, node of that, and next value.
    pub carries: Vec<(InputId, NodeId, NodeId)>,
    /// Inputs as those of [`Scan`].
    pub slices: Vec<InputId>,
    /// As above.
    pub constants: Vec<InputId>,
    /// The lowest position.
    pub time: Option<InputId>,
    /// In the order in which they are made.
    pub turns: Vec<Turn>,
}

/// The number of turns that are worth writing out together, of so many.
pub fn width(scan: &Scan, used: &Used, extents: &[usize], turns: usize) -> usize {
    let body = &scan.body;
    let order = body.reachable(&used.roots(scan));
    let extent = |a: &axis::Axis| extents.get(a.id.0 as usize).copied().unwrap_or(1);
    let (mut nodes, mut elements) = (0, 0usize);
    for &id in &order {
        let node = body.node(id);
        let own = match node.op {
            // Noise belongs to one turn; what has the loop's axis needs all of it.
            Op::Noise { .. } | Op::Arrivals { .. } | Op::Scan(_) | Op::Output(_) => true,
            Op::Extent(axis) => axis == scan.axis.id,
            _ => node.axes.iter().any(|a| a.id == scan.axis.id),
        };
        if own {
            return 1;
        }
        if !matches!(node.op, Op::Input(_) | Op::Constant(_) | Op::Broadcast(_) | Op::Rename(_)) {
            nodes += 1;
        }
        elements = elements.saturating_add(node.axes.iter().map(extent).fold(1, usize::saturating_mul));
    }
    if elements > ELEMENTS { 1 } else { (NODES / nodes.max(1)).min(TURNS).min(turns / 2).max(1) }
}

impl Body {
    /// Writes out so many turns.
    pub fn new(scan: &Scan, used: &Used, width: usize) -> Self {
        let mut graph = Graph::with_axes_of(&scan.body);
        let axes = |k: InputId| scan.body.input_info(k).map(|i| i.axes.clone()).unwrap_or_default();
        let mut inputs: HashMap<InputId, NodeId> = HashMap::new();
        let mut carries = vec![];
        for &(k, _) in used.carries.iter().filter_map(|&k| scan.carries.get(k)) {
            let (input, node) = graph.input("carry", &axes(k));
            inputs.insert(k, node);
            carries.push((input, node, node));
        }
        let (mut slices, mut constants) = (vec![], vec![]);
        for &k in &scan.constants {
            let (input, node) = graph.input("constant", &axes(k));
            inputs.insert(k, node);
            constants.push(input);
        }
        let mut scanned = vec![];
        for &k in &scan.slices {
            let all = if width > 1 { axis::union(&axes(k), &[scan.axis]) } else { axes(k) };
            let (input, node) = graph.input("slice", &all);
            slices.push(input);
            scanned.push((k, node));
        }
        let time = scan.time.map(|k| (k, graph.input("time", &[])));
        let mut turns = vec![];
        for turn in 0..width {
            let position = if scan.reverse { width - 1 - turn } else { turn };
            for &(k, node) in &scanned {
                inputs.insert(k, if width > 1 { graph.pick(node, scan.axis, position) } else { node });
            }
            if let Some((k, (_, lowest))) = time {
                inputs.insert(k, graph.shift(lowest, position as f64));
            }
            let before = |k: &usize| scan.carries.get(*k).and_then(|c| inputs.get(&c.0)).copied();
            let before = used.histories.iter().filter_map(before).collect();
            let mut results = graph.import(&scan.body, &used.roots(scan), &inputs).into_iter();
            for (&(k, _), carry) in used.carries.iter().filter_map(|&k| scan.carries.get(k)).zip(&mut carries) {
                if let Some(next) = results.next() {
                    carry.2 = next;
                    inputs.insert(k, next);
                }
            }
            turns.push(Turn { position, stacked: results.collect(), before });
        }
        Self { graph, carries, slices, constants, time: time.map(|t| t.1.0), turns }
    }

    /// The nodes that a plan has to give: next carries first, then what is read of each turn, then the carries.
    pub fn outputs(&self) -> Vec<NodeId> {
        let turns = self.turns.iter().flat_map(|t| t.stacked.iter().chain(&t.before));
        let carries = self.carries.iter();
        carries.clone().map(|c| c.2).chain(turns.copied()).chain(carries.map(|c| c.1)).collect()
    }
}
