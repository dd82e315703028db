//! Loops: the body is a plan of its own, run once for each position.

use std::collections::{HashMap, HashSet};

use candle_core::Tensor;
use fe_graph::noise::step_within;
use fe_graph::{Axis, InputId, NodeId, Op, Scan, Site};

use crate::fault::Fault;
use crate::kernel::size;
use crate::plan::{Context, Plan};

/// A compiled loop. Only carries, results and histories that somebody uses are computed.
pub struct Loop {
    pub body: Plan,
    pub axis: Axis,
    reverse: bool,
    time: Option<InputId>,
    carries: Vec<Carry>,
    /// Body input, place among the operands.
    slices: Vec<(InputId, usize)>,
    constants: Vec<(InputId, usize)>,
    stacked: Vec<Stacked>,
    /// The number of results of the loop, used or not.
    results: usize,
}

/// One turn of a loop.
pub struct Turn<'a> {
    pub position: usize,
    /// The body's context, with its own noise.
    pub context: &'a Context<'a>,
    /// The feed of the body.
    pub inputs: &'a HashMap<InputId, Tensor>,
    outputs: &'a [Tensor],
    /// The carries before the step.
    before: &'a [Tensor],
}

struct Carry {
    input: InputId,
    /// Place of the initial value among the operands.
    start: usize,
    /// Place of the next value among the body's outputs.
    next: usize,
    /// The result that the final value is.
    last: usize,
    /// The result that collects the values before each step.
    history: Option<Stacked>,
}

struct Stacked {
    /// The result.
    result: usize,
    /// Place among the body's outputs; unused for a history.
    output: usize,
    /// The axes of the result.
    axes: Vec<Axis>,
}

impl Loop {
    /// Compiles a loop of which the results `used` are used.
    pub fn compile(scan: &Scan, used: &[usize]) -> Self {
        let (c, s) = (scan.carries.len(), scan.stacked.len());
        let stacked: Vec<(usize, NodeId)> =
            scan.stacked.iter().copied().enumerate().filter(|(k, _)| used.contains(&(c + k))).collect();
        // A carry is needed where it is used outside, or where a needed body node reads it.
        let mut needed: HashSet<usize> = (0..c).filter(|k| used.contains(k) || used.contains(&(c + s + k))).collect();
        loop {
            let next_of = |k: &usize| scan.carries.get(*k).map(|x| x.1);
            let roots: Vec<NodeId> = stacked.iter().map(|x| x.1).chain(needed.iter().filter_map(next_of)).collect();
            let before = needed.len();
            for id in scan.body.reachable(&roots) {
                if let Op::Input(input) = scan.body.node(id).op
                    && let Some(k) = scan.carries.iter().position(|&(i, _)| i == input)
                {
                    needed.insert(k);
                }
            }
            if needed.len() == before {
                break;
            }
        }
        let mut outputs: Vec<NodeId> = vec![];
        let mut carries = vec![];
        for (k, &(input, next)) in scan.carries.iter().enumerate().filter(|(k, _)| needed.contains(k)) {
            let result = c + s + k;
            let history = used.contains(&result).then(|| Stacked { result, output: 0, axes: scan.result_axes(result) });
            carries.push(Carry { input, start: k, next: outputs.len(), last: k, history });
            outputs.push(next);
        }
        let stacked = stacked
            .into_iter()
            .map(|(k, node)| {
                outputs.push(node);
                Stacked { result: c + k, output: outputs.len() - 1, axes: scan.result_axes(c + k) }
            })
            .collect();
        let operand = |first: usize| move |(k, &input): (usize, &InputId)| (input, first + k);
        Self {
            body: Plan::compile(&scan.body, &outputs),
            axis: scan.axis,
            reverse: scan.reverse,
            time: scan.time,
            carries,
            slices: scan.slices.iter().enumerate().map(operand(c)).collect(),
            constants: scan.constants.iter().enumerate().map(operand(c + scan.slices.len())).collect(),
            stacked,
            results: scan.results(),
        }
    }

    /// The randomness drawn in the body.
    pub fn sites(&self) -> Vec<Site> {
        self.body.sites()
    }

    /// Runs the body at every position; gives the results that are used. Noise at position t is that of the step mixed
    /// with t ([`step_within`]), so that a loop and its derivative, which runs the other way, draw alike.
    pub fn run(
        &mut self,
        context: &Context,
        operands: &[&Tensor],
        operand_axes: &[Vec<Axis>],
    ) -> Result<Vec<Option<Tensor>>, Fault> {
        let mut gathered: HashMap<usize, Vec<Tensor>> = HashMap::new();
        let last = self.each(context, operands, operand_axes, |this, turn| {
            for (carry, value) in this.carries.iter().zip(turn.before) {
                if let Some(history) = &carry.history {
                    gathered.entry(history.result).or_default().push(value.clone());
                }
            }
            for part in &this.stacked {
                if let Some(value) = turn.outputs.get(part.output) {
                    gathered.entry(part.result).or_default().push(value.clone());
                }
            }
            Ok(true)
        })?;
        let mut results: Vec<Option<Tensor>> = vec![None; self.results];
        for (carry, value) in self.carries.iter().zip(last) {
            if let Some(slot) = results.get_mut(carry.last) {
                *slot = Some(value);
            }
        }
        for part in self.stacked.iter().chain(self.carries.iter().filter_map(|c| c.history.as_ref())) {
            let mut list = gathered.remove(&part.result).unwrap_or_default();
            if self.reverse {
                list.reverse();
            }
            if let Some(slot) = results.get_mut(part.result) {
                *slot = Some(self.stack(&list, &part.axes, context)?);
            }
        }
        Ok(results)
    }

    /// Steps through the positions until `visit` says to stop. Returns the carries then.
    pub fn each(
        &mut self,
        context: &Context,
        operands: &[&Tensor],
        operand_axes: &[Vec<Axis>],
        mut visit: impl FnMut(&mut Self, &Turn) -> Result<bool, Fault>,
    ) -> Result<Vec<Tensor>, Fault> {
        let operand = |k: usize| operands.get(k).copied().ok_or_else(|| Fault::from("a loop lacks an operand"));
        let mut inputs: HashMap<InputId, Tensor> = HashMap::new();
        for &(input, k) in &self.constants {
            inputs.insert(input, operand(k)?.clone());
        }
        let mut slices: Vec<(InputId, &Tensor, usize)> = vec![];
        for &(input, k) in &self.slices {
            let along = operand_axes.get(k).and_then(|axes| axes.iter().position(|&a| a == self.axis));
            let along = along.ok_or_else(|| Fault::from("a scanned tensor lacks the axis of the loop"))?;
            slices.push((input, operand(k)?, along));
        }
        let mut carried: Vec<Tensor> =
            self.carries.iter().map(|c| operand(c.start).cloned()).collect::<Result<_, _>>()?;
        let extent = context.extent(self.axis.id);
        for k in 0..extent {
            let position = if self.reverse { extent - 1 - k } else { k };
            for (carry, value) in self.carries.iter().zip(&carried) {
                inputs.insert(carry.input, value.clone());
            }
            for &(input, tensor, along) in &slices {
                inputs.insert(input, tensor.narrow(along, position, 1)?.squeeze(along)?);
            }
            if let Some(input) = self.time {
                inputs.insert(input, context.backend.scalar(position as f64)?);
            }
            let inner = Context { step: step_within(context.step, position as u64), ..*context };
            let outputs = self.body.run(&inner, &inputs, false)?;
            let next = self.carries.iter().filter_map(|c| outputs.get(c.next).cloned()).collect();
            let before = std::mem::replace(&mut carried, next);
            let turn = Turn { position, context: &inner, inputs: &inputs, outputs: &outputs, before: &before };
            if !visit(self, &turn)? {
                break;
            }
        }
        Ok(carried)
    }

    /// One tensor of the values at all positions.
    fn stack(&self, list: &[Tensor], axes: &[Axis], context: &Context) -> Result<Tensor, Fault> {
        let dims = context.dims(axes);
        size(&dims)?;
        let along = axes.iter().position(|&a| a == self.axis).unwrap_or(0);
        let [first, ..] = list else {
            return Ok(Tensor::zeros(dims, context.backend.dtype(), &context.backend.device)?);
        };
        if first.rank() + 1 != dims.len() {
            return Err(Fault::from("a result of a loop has the axis of the loop already"));
        }
        let stacked = Tensor::stack(list, 0)?;
        let mut order: Vec<usize> = (1..dims.len()).collect();
        order.insert(along.min(order.len()), 0);
        Ok(if along == 0 { stacked } else { stacked.permute(order)? })
    }
}
