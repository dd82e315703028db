//! Loop fission: of a loop's body the recurrence alone stays in the loop. What carries have no part in is computed
//! before it, at all positions at once; what no carry reads is computed after it, from what the loop leaves.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::axis::{Axis, AxisId, difference, union};
use crate::graph::{Graph, InputId, NodeId};
use crate::op::{Binary, Op};
use crate::scan::Scan;

/// Elements of a value at one position that may always be kept for every position.
const SMALL: usize = 64;

/// Values kept for every position have at most so many times the elements that the loop reads and carries.
const TIMES: usize = 4;

/// The results of a loop in parts; each stands for a result of the whole one.
pub(crate) struct SplitResults {
    /// Final carries.
    pub carries: Vec<NodeId>,
    /// Stacked results, but for those that are summed.
    pub stacked: Vec<NodeId>,
    /// Sums over positions.
    pub totals: Vec<NodeId>,
}

/// A loop fitted to its operands, and its body in parts.
struct Split<'a> {
    scan: &'a Scan,
    /// What each input of the body but the carries is fed.
    fed: HashMap<InputId, NodeId>,
    order: Vec<NodeId>,
    /// Nodes that follow from a carry, or belong to a position for another reason: noise, and what mixes positions.
    varying: HashSet<NodeId>,
    pinned: HashSet<NodeId>,
    /// Varying nodes that stay in the loop.
    core: HashSet<NodeId>,
    /// Elements of a value that may be kept for every position.
    limit: usize,
}

/// The loop that stays, while it is built.
struct Inner {
    body: Graph,
    map: HashMap<NodeId, NodeId>,
    carries: Vec<(InputId, NodeId)>,
    slices: Vec<(InputId, NodeId)>,
    constants: Vec<(InputId, NodeId)>,
    time: Option<InputId>,
}

/// Nodes that do not vary and are built in the loop all the same, and those that are computed before it.
type Placed = (HashSet<NodeId>, BTreeSet<NodeId>);

/// Laid out anew, not computed: nothing is saved by keeping it.
fn is_view(op: &Op) -> bool {
    matches!(op, Op::Broadcast(_) | Op::Rename(_) | Op::Reshape { .. } | Op::Stop)
}

fn is_leaf(op: &Op) -> bool {
    matches!(op, Op::Input(_) | Op::Constant(_) | Op::Literal(_) | Op::Extent(_))
}

/// Elements of a node at one position and sample.
fn size(body: &Graph, id: NodeId) -> usize {
    let axes = body.axes_of(id).iter().filter(|a| a.id != AxisId::SAMPLE);
    axes.fold(1, |n, a| n.saturating_mul(body.extent_of(a.id)))
}

impl<'a> Split<'a> {
    fn new(scan: &'a Scan, scanned: &[NodeId], constants: &[NodeId]) -> Self {
        let body = &scan.body;
        let roots: Vec<NodeId> = scan.carries.iter().map(|c| c.1).chain(scan.stacked.iter().copied()).collect();
        let order = body.reachable(&roots);
        let is_carry = |op: &Op| matches!(op, Op::Input(k) if scan.carries.iter().any(|c| c.0 == *k));
        let at = [scan.axis];
        let belongs = |&&id: &&NodeId| body.node(id).op.mixes(&at) || body.has_axis(id, scan.axis);
        let pinned: HashSet<NodeId> = order.iter().filter(belongs).copied().collect();
        let mut from = pinned.clone();
        from.extend(order.iter().filter(|&&id| is_carry(&body.node(id).op)));
        let varying = body.following(&order, &from);
        let inputs = scan.carries.iter().map(|c| c.0).chain(scan.slices.iter().copied());
        let elements = |input: InputId| {
            let axes = body.input_info(input).map(|i| i.axes.as_slice()).unwrap_or_default();
            axes.iter().filter(|a| a.id != AxisId::SAMPLE).fold(1usize, |n, a| n.saturating_mul(body.extent_of(a.id)))
        };
        let read: usize = inputs.map(elements).fold(0, usize::saturating_add);
        let slices = scan.slices.iter().copied().zip(scanned.iter().copied());
        let fed = slices.chain(scan.constants.iter().copied().zip(constants.iter().copied())).collect();
        let limit = read.saturating_mul(TIMES).max(SMALL);
        let mut split = Self { scan, fed, order, varying, pinned, core: HashSet::new(), limit };
        for &(_, next) in &scan.carries {
            split.keep(next);
        }
        split
    }

    /// Keeps a node in the loop, with what it follows from.
    fn keep(&mut self, root: NodeId) {
        let mut stack = vec![root];
        while let Some(id) = stack.pop() {
            if self.varying.contains(&id) && self.core.insert(id) {
                stack.extend(&self.scan.body.node(id).inputs);
            }
        }
    }

    fn is_carry(&self, id: NodeId) -> bool {
        matches!(self.scan.body.node(id).op, Op::Input(k) if self.scan.carries.iter().any(|c| c.0 == k))
    }

    /// The nodes of the loop that a result is computed from after it; none where it cannot be.
    fn after(&self, root: NodeId, is_total: bool) -> Option<BTreeSet<NodeId>> {
        let body = &self.scan.body;
        let (mut tail, mut read) = (BTreeSet::new(), BTreeSet::new());
        let mut stack = vec![root];
        while let Some(id) = stack.pop() {
            if !self.varying.contains(&id) {
                continue;
            }
            let node = body.node(id);
            // A result is kept whatever comes; a product that is only summed over positions is a contraction.
            let asked = id == root && (!is_total || matches!(node.op, Op::Binary(Binary::Mul)));
            let small = size(body, id) <= self.limit;
            if body.has_axis(id, self.scan.axis) {
                return None;
            } else if self.core.contains(&id) || self.is_carry(id) {
                if !small && !asked {
                    return None;
                }
                read.insert(id);
            } else if self.pinned.contains(&id) || !(small || asked || is_view(&node.op)) {
                return None;
            } else if tail.insert(id) {
                stack.extend(&node.inputs);
            }
        }
        Some(read)
    }

    /// Nodes that do not vary and are built in the loop all the same, and those that are computed before it.
    fn before(&self, roots: &[NodeId]) -> Placed {
        let body = &self.scan.body;
        let (mut along, mut hoisted) = (HashSet::new(), BTreeSet::new());
        let mut place = |id: NodeId, along: &mut HashSet<NodeId>| {
            let op = &body.node(id).op;
            if self.varying.contains(&id) {
                return;
            }
            if is_leaf(op) || is_view(op) || size(body, id) > self.limit {
                along.insert(id);
            } else {
                hoisted.insert(id);
            }
        };
        for &root in roots {
            place(root, &mut along);
        }
        for &id in self.order.iter().rev() {
            if self.core.contains(&id) || along.contains(&id) {
                for &operand in &body.node(id).inputs {
                    place(operand, &mut along);
                }
            }
        }
        (along, hoisted)
    }

    /// Builds nodes of the body in the graph around the loop, at all positions; `map` knows those that are there.
    fn outside(&self, outer: &mut Graph, roots: &[NodeId], map: &mut HashMap<NodeId, NodeId>) {
        let body = &self.scan.body;
        let (mut wanted, mut stack) = (BTreeSet::new(), roots.to_vec());
        while let Some(id) = stack.pop() {
            if !map.contains_key(&id) && wanted.insert(id) {
                stack.extend(&body.node(id).inputs);
            }
        }
        for id in wanted {
            let node = body.node(id);
            let new = match node.op {
                Op::Input(k) => match self.fed.get(&k) {
                    Some(&fed) => fed,
                    None => outer.iota(self.scan.axis),
                },
                _ => {
                    let operands: Vec<NodeId> = node.inputs.iter().filter_map(|i| map.get(i).copied()).collect();
                    outer.rebuild(node, &operands)
                }
            };
            map.insert(id, new);
        }
    }

    /// The loop's body: its core, and what that reads; `before` knows what is computed before it.
    fn inner(&self, outer: &Graph, (along, hoisted): &Placed, before: &HashMap<NodeId, NodeId>) -> Inner {
        let (own, axis) = (&self.scan.body, self.scan.axis);
        let body = Graph::with_axes_of(outer);
        let mut inner =
            Inner { body, map: HashMap::new(), carries: vec![], slices: vec![], constants: vec![], time: None };
        let mut carried = HashMap::new();
        for &(input, _) in &self.scan.carries {
            let axes = own.input_info(input).map(|i| i.axes.clone()).unwrap_or_default();
            let (new, node) = inner.body.input("carry", &axes);
            inner.carries.push((new, node));
            carried.insert(input, node);
        }
        for &id in &self.order {
            let node = own.node(id);
            let stays = self.core.contains(&id) || along.contains(&id);
            let new = match node.op {
                _ if hoisted.contains(&id) => {
                    let Some(&value) = before.get(&id) else { continue };
                    inner.read(outer, outer.has_axis(value, axis).then_some(axis), value)
                }
                Op::Input(k) if carried.contains_key(&k) => carried.get(&k).copied().unwrap_or(id),
                _ if !stays => continue,
                Op::Input(k) => match self.fed.get(&k) {
                    // A constant may have the loop's axis itself, and is given whole.
                    Some(&fed) => inner.read(outer, self.scan.slices.contains(&k).then_some(axis), fed),
                    None => {
                        let (input, new) = inner.body.input("time", &[]);
                        inner.time = Some(input);
                        new
                    }
                },
                _ => {
                    let operands: Vec<NodeId> = node.inputs.iter().filter_map(|i| inner.map.get(i).copied()).collect();
                    inner.body.rebuild(node, &operands)
                }
            };
            inner.map.insert(id, new);
        }
        inner
    }
}

impl Inner {
    /// What stands in the body for a node around the loop: one position of it along an axis, or all of it.
    fn read(&mut self, outer: &Graph, along: Option<Axis>, node: NodeId) -> NodeId {
        let rest = difference(outer.axes_of(node), along.as_slice());
        if let Some(value) = outer.constant_value(node) {
            return self.body.full(value, &rest);
        }
        let (input, new) = self.body.input("outside", &rest);
        let list = if along.is_some() { &mut self.slices } else { &mut self.constants };
        list.push((input, node));
        new
    }
}

impl Graph {
    /// Runs a loop like [`Graph::scan`], with as little inside of it as can be. The last `totals` of its stacked
    /// results are wanted summed over positions only.
    pub(crate) fn split_scan(
        &mut self,
        scan: Scan,
        totals: usize,
        initial: &[NodeId],
        scanned: &[NodeId],
        constants: &[NodeId],
    ) -> SplitResults {
        let (scan, operands) = self.fitted(scan, initial, scanned, constants);
        let mut rest = operands.into_iter();
        let mut initial: Vec<NodeId> = rest.by_ref().take(scan.carries.len()).collect();
        let scanned: Vec<NodeId> = rest.by_ref().take(scan.slices.len()).collect();
        let constants: Vec<NodeId> = rest.collect();
        let first_total = scan.stacked.len().saturating_sub(totals);
        let mut split = Split::new(&scan, &scanned, &constants);
        let mut after: Vec<Option<BTreeSet<NodeId>>> = vec![];
        for (k, &root) in scan.stacked.iter().enumerate() {
            let reads = split.after(root, k >= first_total);
            if reads.is_none() {
                split.keep(root);
            }
            after.push(reads);
        }
        // What comes after the loop, the loop hands out.
        let read: BTreeSet<NodeId> =
            after.iter().flatten().flatten().copied().filter(|&id| !split.is_carry(id)).collect();
        let kept = scan.stacked.iter().zip(&after).filter(|(_, a)| a.is_none()).map(|(&id, _)| id);
        let mut roots: Vec<NodeId> = scan.carries.iter().map(|c| c.1).collect();
        roots.extend(kept.chain(read.iter().copied()));
        let placed = split.before(&roots);
        let mut outside = HashMap::new();
        split.outside(self, &placed.1.iter().copied().collect::<Vec<_>>(), &mut outside);
        let mut inner = split.inner(self, &placed, &outside);

        let at = |inner: &Inner, id: &NodeId| inner.map.get(id).copied().unwrap_or(NodeId(u32::MAX));
        let mut carries: Vec<(InputId, NodeId)> = vec![];
        for (&(input, _), (_, next)) in inner.carries.iter().zip(&scan.carries) {
            carries.push((input, at(&inner, next)));
        }
        // What is large is summed as the loop goes.
        let mut stacked: Vec<NodeId> = read.iter().map(|id| at(&inner, id)).collect();
        let mut numbers: Vec<usize> = vec![];
        for (k, root) in scan.stacked.iter().enumerate().filter(|&(k, _)| after.get(k).is_some_and(Option::is_none)) {
            let value = at(&inner, root);
            if k < first_total {
                numbers.push(stacked.len());
                stacked.push(value);
            } else {
                let axes = scan.body.axes_of(*root).to_vec();
                let (input, sum) = inner.body.input("sum", &axes);
                numbers.push(carries.len());
                carries.push((input, inner.body.add(sum, value)));
                initial.push(self.full(0.0, &axes));
            }
        }
        let Inner { body, slices, constants, time, .. } = inner;
        let (slices, scanned): (Vec<InputId>, Vec<NodeId>) = slices.into_iter().unzip();
        let (constants, fixed): (Vec<InputId>, Vec<NodeId>) = constants.into_iter().unzip();
        let (axis, reverse, count, own) = (scan.axis, scan.reverse, carries.len(), scan.carries.len());
        let histories = count + stacked.len();
        let lean = Scan { body, axis, reverse, carries, slices, constants, time, stacked };
        let results = self.scan(lean, &initial, &scanned, &fixed);

        let result = |k: usize| results.get(k).copied().unwrap_or(NodeId(u32::MAX));
        outside.extend(read.iter().enumerate().map(|(k, &id)| (id, result(count + k))));
        for id in split.order.iter().filter(|&&id| split.is_carry(id)) {
            let of = |c: &(InputId, NodeId)| scan.body.node(*id).op == Op::Input(c.0);
            if let Some(k) = scan.carries.iter().position(of) {
                outside.insert(*id, result(histories + k));
            }
        }
        let sunk: Vec<NodeId> =
            scan.stacked.iter().zip(&after).filter(|(_, a)| a.is_some()).map(|(&id, _)| id).collect();
        split.outside(self, &sunk, &mut outside);
        let (mut numbers, mut values) = (numbers.into_iter(), vec![]);
        for (k, (root, reads)) in scan.stacked.iter().zip(&after).enumerate() {
            let total = k >= first_total;
            let value = match reads {
                Some(_) => outside.get(root).copied().unwrap_or(NodeId(u32::MAX)),
                None => result(numbers.next().map_or(usize::MAX, |n| if total { n } else { count + n })),
            };
            values.push(match (total, reads.is_some()) {
                (false, _) => self.broadcast(value, &union(scan.body.axes_of(*root), &[axis])),
                (true, true) => self.sum(value, &[axis]),
                (true, false) => value,
            });
        }
        let totals = values.split_off(first_total.min(values.len()));
        SplitResults { carries: results.into_iter().take(own).collect(), stacked: values, totals }
    }
}
