//! Recurrences: expressions over an axis that read their own values at earlier positions become one scan.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::axis::{Axis, difference};
use crate::graph::{Graph, InputId, NodeId};
use crate::op::{Binary, Op};
use crate::scan::Scan;

/// The number that stands for a value before the first position, where it is not used: inside of what types allow, so
/// that a log of it leaves no NaN in a derivative.
const BEFORE: f64 = 0.5;

/// A value that reads itself, or others of the same loop, at earlier positions.
#[derive(Clone, Copy, Debug)]
pub struct Recurrence {
    /// The input that stands for its values at every position. It is read shifted; at the same position only by others.
    /// The value itself, where none reads it earlier.
    pub stand_in: NodeId,
    /// Its value at every position, with the axes of the stand-in.
    pub value: NodeId,
}

/// A recurrence worked out.
#[derive(Clone, Debug)]
pub struct Stepped {
    /// The values of each recurrence at every position.
    pub values: Vec<NodeId>,
    /// Results of other loops that were worked out along with these, each with what now takes its place.
    pub inlined: Vec<(NodeId, NodeId)>,
}

impl Graph {
    /// Steps along an axis: the values of all recurrences at every position, by one scan. What does not follow from
    /// them is computed outside of it; loops over the axis that read them become a part of it.
    ///
    /// # Errors
    /// The node that mixes positions, or reads one that is not there yet, where one does.
    pub fn recur(&mut self, axis: Axis, recurrences: &[Recurrence]) -> Result<Stepped, NodeId> {
        let roots: Vec<NodeId> = recurrences.iter().map(|r| r.value).collect();
        let values: HashMap<NodeId, NodeId> =
            recurrences.iter().filter(|r| r.stand_in != r.value).map(|r| (r.stand_in, r.value)).collect();
        let order = self.reachable(&roots);
        let inside = self.following(&order, &values.keys().copied().collect());
        let positions = self.position_axes(&inside, axis);
        // The longest; of several, the one given.
        let along = positions.iter().rev().copied().max_by_key(|a| self.extent_of(a.id)).unwrap_or(axis);
        let mut step = Step::new(self, values, inside, positions.clone());
        for &root in &roots {
            step.work_out(root)?;
        }
        while let Some(next) = step.due.pop() {
            step.work_out(next)?;
        }
        let Step { body, map, mut slices, constants, carries, loops, .. } = step.finished()?;
        let (mut stacked, mut whole, mut inlined) = (vec![], vec![], vec![]);
        for root in &roots {
            stacked.push(map.get(root).copied().ok_or(*root)?);
        }
        for id in order.iter().filter(|&&id| self.node(id).inputs.first().is_some_and(|i| loops.contains_key(i))) {
            if let Some(&node) = map.get(id) {
                whole.push(*id);
                stacked.push(node);
            }
        }
        let initial: Vec<NodeId> = carries
            .iter()
            .map(|c| match c.from {
                Some(node) => node,
                None => {
                    let axes = body.input_info(c.input).map(|i| i.axes.clone()).unwrap_or_default();
                    self.full(BEFORE, &axes)
                }
            })
            .collect();
        for (_, node) in &mut slices {
            if let Some(&own) = positions.iter().find(|&&p| p != along && self.has_axis(*node, p)) {
                *node = self.held(*node, own, along);
            }
        }
        let pairs = carries.iter().filter_map(|c| Some((c.input, c.next?))).collect();
        let (slices, scanned): (Vec<InputId>, Vec<NodeId>) = slices.into_iter().unzip();
        let (constants, fixed): (Vec<InputId>, Vec<NodeId>) = constants.into_iter().unzip();
        let scan = Scan { body, axis: along, reverse: false, carries: pairs, slices, constants, time: None, stacked };
        let mut results = self.split_scan(scan, 0, &initial, &scanned, &fixed).stacked.into_iter();
        let mut values = vec![];
        for (r, result) in recurrences.iter().zip(results.by_ref()) {
            values.push(self.cut(result, r.stand_in, along, &positions));
        }
        for (id, result) in whole.into_iter().zip(results) {
            inlined.push((id, self.cut(result, id, along, &positions)));
        }
        Ok(Stepped { values, inlined })
    }

    /// A tensor over another axis of positions, its last element held where that is longer.
    fn held(&mut self, node: NodeId, own: Axis, along: Axis) -> NodeId {
        let last = self.extent_of(own.id).saturating_sub(1) as f64;
        let (iota, last) = (self.iota(along), self.constant(last));
        let index = self.binary(Binary::Min, iota, last);
        self.gather(node, index, own)
    }

    /// A result of the loop over the positions of what it stands for.
    fn cut(&mut self, result: NodeId, like: NodeId, along: Axis, positions: &[Axis]) -> NodeId {
        match positions.iter().copied().find(|&p| p != along && self.has_axis(like, p)) {
            Some(own) => {
                let index = self.iota(own);
                self.gather(result, index, along)
            }
            None => result,
        }
    }
}

/// A carry of the loop: its input in the body, where it starts, and its next value.
struct Carry {
    input: InputId,
    /// A node outside; none where what it carries is not used before the first position.
    from: Option<NodeId>,
    /// Its carry: the value of an outer node at this position, until that is worked out.
    of: Option<NodeId>,
    next: Option<NodeId>,
}

/// The body of the loop while it is built: every node that follows from a recurrence, at one position.
struct Step<'g> {
    graph: &'g Graph,
    values: HashMap<NodeId, NodeId>,
    inside: HashSet<NodeId>,
    positions: Vec<Axis>,
    body: Graph,
    map: HashMap<NodeId, NodeId>,
    slices: Vec<(InputId, NodeId)>,
    constants: Vec<(InputId, NodeId)>,
    carries: Vec<Carry>,
    /// For each node that is read earlier, its values 1, 2, … positions ago.
    earlier: HashMap<NodeId, Vec<NodeId>>,
    /// Loops that became a part of this one: what stands for the inputs of their bodies, and where their carries begin.
    loops: BTreeMap<NodeId, (HashMap<InputId, NodeId>, usize)>,
    /// Nodes whose values are carried on, to be worked out.
    due: Vec<NodeId>,
}

impl<'g> Step<'g> {
    fn new(graph: &'g Graph, values: HashMap<NodeId, NodeId>, inside: HashSet<NodeId>, positions: Vec<Axis>) -> Self {
        Self {
            graph,
            values,
            inside,
            positions,
            body: Graph::with_axes_of(graph),
            map: HashMap::new(),
            slices: vec![],
            constants: vec![],
            carries: vec![],
            earlier: HashMap::new(),
            loops: BTreeMap::new(),
            due: vec![],
        }
    }

    /// Builds a node and what it needs at the same position. Without recursion, for graphs of any depth.
    fn work_out(&mut self, root: NodeId) -> Result<(), NodeId> {
        let mut stack = vec![root];
        let mut open: HashSet<NodeId> = HashSet::new();
        while let Some(&id) = stack.last() {
            if self.map.contains_key(&id) {
                stack.pop();
                continue;
            }
            if !self.inside.contains(&id) {
                self.outside(id)?;
                continue;
            }
            let mut needs = self.needs(id)?;
            needs.retain(|n| !self.map.contains_key(n));
            if needs.is_empty() {
                let built = self.build(id)?;
                self.map.insert(id, built);
            } else if open.insert(id) {
                stack.extend(needs);
            } else {
                return Err(id);
            }
        }
        Ok(())
    }

    /// A node from outside: one position of it, or all of it.
    fn outside(&mut self, id: NodeId) -> Result<(), NodeId> {
        let axes = self.graph.axes_of(id);
        let inner = match self.graph.constant_value(id) {
            Some(value) if axes.is_empty() => self.body.constant(value),
            _ => {
                let (input, inner) = self.body.input("outside", &difference(axes, &self.positions));
                match axes.iter().filter(|a| self.positions.contains(a)).count() {
                    0 => self.constants.push((input, id)),
                    1 => self.slices.push((input, id)),
                    _ => return Err(id),
                }
                inner
            }
        };
        self.map.insert(id, inner);
        Ok(())
    }

    /// The lag of a pick along the loop.
    fn lag(&self, id: NodeId) -> Option<Result<(NodeId, usize), NodeId>> {
        let node = self.graph.node(id);
        let (Op::Gather { axis }, &[x, index]) = (&node.op, node.inputs.as_slice()) else { return None };
        if !self.positions.contains(axis) {
            return None;
        }
        let shift = self.graph.shift_of(index).filter(|(own, _)| self.positions.contains(own));
        let back = shift.and_then(|(_, by)| usize::try_from(-by).ok());
        Some(back.map(|b| (x, b)).ok_or(id))
    }

    /// Nodes that have to be known at this position before one is.
    fn needs(&self, id: NodeId) -> Result<Vec<NodeId>, NodeId> {
        let node = self.graph.node(id);
        if let Some(&value) = self.values.get(&id) {
            return Ok(vec![value]);
        }
        if let Some(lag) = self.lag(id) {
            let (x, back) = lag?;
            return Ok(if back == 0 { vec![x] } else { vec![] });
        }
        if node.axes.iter().filter(|a| self.positions.contains(a)).count() != 1 {
            return Err(id);
        }
        if let (Op::Output(k), &[scan]) = (&node.op, node.inputs.as_slice()) {
            let parts = self.graph.scan_of(scan).ok_or(id)?;
            let steps = !parts.scan.reverse && parts.scan.time.is_none() && self.positions.contains(&parts.scan.axis);
            if !steps || parts.carries.iter().chain(&parts.constants).any(|n| self.inside.contains(n)) {
                return Err(id);
            }
            let (mut needs, _) = parts.reads(*k).ok_or(id)?;
            needs.extend(&parts.constants);
            return Ok(needs);
        }
        if node.op.mixes(&self.positions) {
            return Err(id);
        }
        Ok(node.inputs.clone())
    }

    fn build(&mut self, id: NodeId) -> Result<NodeId, NodeId> {
        let at = |map: &HashMap<NodeId, NodeId>, n: &NodeId| map.get(n).copied().ok_or(*n);
        if let Some(value) = self.values.get(&id) {
            return at(&self.map, value);
        }
        if let Some(lag) = self.lag(id) {
            let (x, back) = lag?;
            return if back == 0 { at(&self.map, &x) } else { self.earlier(x, back) };
        }
        let graph = self.graph;
        let mut step = graph.node(id).clone();
        if let (Op::Output(k), &[scan]) = (&step.op, step.inputs.as_slice()) {
            return self.result(scan, *k).ok_or(id);
        }
        let operands: Vec<NodeId> = step.inputs.iter().map(|i| at(&self.map, i)).collect::<Result<_, _>>()?;
        if let Op::Broadcast(axes) = &mut step.op {
            axes.retain(|a| !self.positions.contains(a));
        }
        step.axes.retain(|a| !self.positions.contains(a));
        Ok(self.body.rebuild(&step, &operands))
    }

    /// The value of a node some positions ago.
    fn earlier(&mut self, x: NodeId, back: usize) -> Result<NodeId, NodeId> {
        let axes = difference(self.graph.axes_of(x), &self.positions);
        let chain = self.earlier.entry(x).or_default();
        while chain.len() < back {
            let (input, node) = self.body.input("earlier", &axes);
            let next = chain.last().copied();
            if next.is_none() {
                self.due.push(x);
            }
            // The newest first; the others move on by one.
            let of = if next.is_none() { Some(x) } else { None };
            self.carries.push(Carry { input, from: None, of, next });
            chain.push(node);
        }
        chain.get(back.saturating_sub(1)).copied().ok_or(x)
    }

    /// A result of a loop that becomes a part of this one.
    fn result(&mut self, scan: NodeId, k: usize) -> Option<NodeId> {
        let parts = self.graph.scan_of(scan)?;
        if !self.loops.contains_key(&scan) {
            let mut inputs = HashMap::new();
            let first = self.carries.len();
            for (&(input, _), &from) in parts.scan.carries.iter().zip(&parts.carries) {
                let info = parts.scan.body.input_info(input)?;
                let (own, node) = self.body.input(&info.name, &info.axes);
                self.carries.push(Carry { input: own, from: Some(from), of: None, next: None });
                inputs.insert(input, node);
            }
            for (&input, constant) in parts.scan.constants.iter().zip(&parts.constants) {
                inputs.insert(input, self.map.get(constant).copied()?);
            }
            self.due.extend(&parts.scanned);
            self.loops.insert(scan, (inputs, first));
        }
        let (inputs, _) = self.loops.get_mut(&scan)?;
        for (&input, x) in parts.scan.slices.iter().zip(&parts.scanned) {
            if let Some(&node) = self.map.get(x) {
                inputs.insert(input, node);
            }
        }
        let (carries, stacked) = (parts.scan.carries.len(), parts.scan.stacked.len());
        let k = k.checked_sub(carries)?;
        match parts.scan.stacked.get(k) {
            Some(&root) => self.body.import(&parts.scan.body, &[root], inputs).first().copied(),
            None => inputs.get(&parts.scan.carries.get(k - stacked)?.0).copied(),
        }
    }

    /// With the next value of every carry.
    fn finished(mut self) -> Result<Self, NodeId> {
        for (&scan, (inputs, first)) in &mut self.loops {
            let parts = self.graph.scan_of(scan).ok_or(scan)?;
            for (&input, x) in parts.scan.slices.iter().zip(&parts.scanned) {
                inputs.insert(input, self.map.get(x).copied().ok_or(*x)?);
            }
            let roots: Vec<NodeId> = parts.scan.carries.iter().map(|c| c.1).collect();
            let next = self.body.import(&parts.scan.body, &roots, inputs);
            for (carry, next) in self.carries.iter_mut().skip(*first).zip(next) {
                carry.next = Some(next);
            }
        }
        for carry in &mut self.carries {
            if let Some(of) = carry.of {
                carry.next = Some(self.map.get(&of).copied().ok_or(of)?);
            }
        }
        Ok(self)
    }
}
