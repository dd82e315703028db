//! The derivative of a scan: a scan the other way. It reads the carries before each step, steps the cotangents of the
//! carries back, and sums those of the constants; what of this is no recurrence is computed around it (`scan_split`).

use std::collections::HashMap;

use crate::axis::Axis;
use crate::derivative::{DerivativeError, Sweep};
use crate::graph::{Graph, InputId, NodeId};
use crate::op::Op;
use crate::scan::{Scan, ScanParts};

/// The scan that goes backward, as it is put together.
struct Backward<'a> {
    scan: &'a Scan,
    /// Cotangents of the results of the forward scan, by their number.
    given: HashMap<usize, NodeId>,
    body: Graph,
    /// The nodes that take the place of the forward body's inputs.
    inputs: HashMap<InputId, NodeId>,
    carries: Vec<InputId>,
    start: Vec<NodeId>,
    slices: Vec<InputId>,
    feeds: Vec<NodeId>,
}

impl<'a> Backward<'a> {
    fn new(outer: &Graph, scan: &'a Scan, given: HashMap<usize, NodeId>) -> Self {
        Self {
            scan,
            given,
            body: Graph::with_axes_of(outer),
            inputs: HashMap::new(),
            carries: vec![],
            start: vec![],
            slices: vec![],
            feeds: vec![],
        }
    }

    fn axes_of(&self, input: InputId) -> Vec<Axis> {
        self.scan.body.input_info(input).map(|i| i.axes.clone()).unwrap_or_default()
    }

    /// An input that is carried.
    fn carried(&mut self, name: &str, axes: &[Axis], start: NodeId) -> NodeId {
        let (input, node) = self.body.input(name, axes);
        self.carries.push(input);
        self.start.push(start);
        node
    }

    /// An input that is stepped through.
    fn sliced(&mut self, name: &str, axes: &[Axis], feed: NodeId) -> NodeId {
        let (input, node) = self.body.input(name, axes);
        self.slices.push(input);
        self.feeds.push(feed);
        node
    }

    /// The cotangent of each carry.
    fn carry_cotangents(&mut self, outer: &mut Graph) -> Vec<NodeId> {
        let carries = self.scan.carries.iter().enumerate();
        carries
            .map(|(k, &(input, _))| {
                let axes = self.axes_of(input);
                let zero = outer.full(0.0, &axes);
                let start = self.given.get(&k).copied().unwrap_or(zero);
                self.carried("carry cotangent", &axes, start)
            })
            .collect()
    }

    /// The carries before each step, results of the forward scan `id`.
    fn carries_before(&mut self, outer: &mut Graph, id: NodeId) -> Vec<NodeId> {
        let (c, s) = (self.scan.carries.len(), self.scan.stacked.len());
        let carries = self.scan.carries.iter().enumerate();
        carries
            .map(|(k, &(input, _))| {
                let result = c + s + k;
                let feed = outer.push(Op::Output(result), vec![id], self.scan.result_axes(result));
                let node = self.sliced("carry", &self.axes_of(input), feed);
                self.inputs.insert(input, node);
                node
            })
            .collect()
    }

    /// The tensors that the forward scan steps through.
    fn scanned(&mut self, tensors: &[NodeId]) -> Vec<NodeId> {
        let slices = self.scan.slices.iter().zip(tensors);
        slices
            .map(|(&input, &tensor)| {
                let node = self.sliced("scanned", &self.axes_of(input), tensor);
                self.inputs.insert(input, node);
                node
            })
            .collect()
    }

    /// The cotangent of each stacked result that has one.
    fn stacked_cotangents(&mut self) -> Vec<Option<NodeId>> {
        let (scan, c) = (self.scan, self.scan.carries.len());
        let stacked = scan.stacked.iter().enumerate();
        stacked
            .map(|(k, &node)| {
                let cotangent = self.given.get(&(c + k)).copied()?;
                Some(self.sliced("stacked cotangent", scan.body.axes_of(node), cotangent))
            })
            .collect()
    }

    /// The constants, and the inputs that receive them.
    fn constants(&mut self) -> (Vec<InputId>, Vec<NodeId>) {
        let constants = self.scan.constants.iter();
        constants
            .map(|&input| {
                let axes = self.axes_of(input);
                let (own, node) = self.body.input("constant", &axes);
                self.inputs.insert(input, node);
                (own, node)
            })
            .unzip()
    }

    fn time(&mut self) -> Option<InputId> {
        let input = self.scan.time?;
        let (own, node) = self.body.input("time", &[]);
        self.inputs.insert(input, node);
        Some(own)
    }

    /// The cotangents of the carries before each step, which may themselves have been asked for.
    fn histories(&mut self) -> Vec<Option<NodeId>> {
        let (c, s) = (self.scan.carries.len(), self.scan.stacked.len());
        let carries = self.scan.carries.iter().enumerate();
        carries
            .map(|(k, &(input, _))| {
                let cotangent = self.given.get(&(c + s + k)).copied()?;
                Some(self.sliced("history cotangent", &self.axes_of(input), cotangent))
            })
            .collect()
    }
}

impl Graph {
    /// Adds to the cotangents of the operands of a scan.
    ///
    /// # Errors
    /// Where its body has no derivative.
    pub(crate) fn pull_back_scan(&mut self, sweep: &mut Sweep, id: NodeId) -> Result<(), DerivativeError> {
        let Some(ScanParts { scan, carries: initial, scanned, constants }) = self.scan_of(id) else { return Ok(()) };
        let given = sweep.scans.remove(&id).unwrap_or_default();
        let mut backward = Backward::new(self, &scan, given);
        let carry_cotangents = backward.carry_cotangents(self);
        let before = backward.carries_before(self, id);
        let scanned_nodes = backward.scanned(&scanned);
        let stacked_cotangents = backward.stacked_cotangents();
        let (constant_inputs, constant_nodes) = backward.constants();
        let time = backward.time();
        let histories = backward.histories();
        let Backward { mut body, inputs, carries, start, slices, feeds, .. } = backward;

        let roots: Vec<NodeId> = scan.carries.iter().map(|x| x.1).chain(scan.stacked.iter().copied()).collect();
        let outputs = body.import(&scan.body, &roots, &inputs);
        let cotangents = carry_cotangents.into_iter().map(Some).chain(stacked_cotangents);
        let seeds: Vec<(NodeId, NodeId)> =
            outputs.into_iter().zip(cotangents).filter_map(|(n, c)| Some((n, c?))).collect();
        let wanted: Vec<NodeId> = before.iter().chain(&scanned_nodes).chain(&constant_nodes).copied().collect();
        let mut slopes = body.vjp(&seeds, &wanted)?.into_iter();
        let mut next: Vec<NodeId> = vec![];
        for (slope, extra) in slopes.by_ref().take(scan.carries.len()).zip(histories) {
            next.push(extra.map_or(slope, |e| body.add(slope, e)));
        }
        let derivative = Scan {
            body,
            axis: scan.axis,
            reverse: !scan.reverse,
            carries: carries.into_iter().zip(next).collect(),
            slices,
            constants: constant_inputs,
            time,
            stacked: slopes.collect(),
        };
        let results = self.split_scan(derivative, constants.len(), &start, &feeds, &constants);
        let operands = initial.iter().chain(&scanned).chain(&constants);
        let cotangents = results.carries.into_iter().chain(results.stacked).chain(results.totals);
        for (&operand, cotangent) in operands.zip(cotangents) {
            if sweep.wants(operand) {
                let to = self.axes_of(operand).to_vec();
                let cotangent = self.sum_to(cotangent, &to);
                sweep.add(self, operand, cotangent);
            }
        }
        Ok(())
    }
}
