//! The search for the place where a value first stopped being finite: every node is run and kept, and
//! [`fe_graph::trace`] finds the cause.

use std::collections::HashMap;

use candle_core::Tensor;
use fe_graph::{ExecutionError, InputId, NodeId, NonFinite, Op, Origin};

use crate::fault::Fault;
use crate::plan::{self, Action, Context, Instruction, Plan, Value};

/// The first non-finite value that reaches an output, if any.
pub fn first_non_finite(
    plan: &mut Plan,
    context: &Context,
    inputs: &HashMap<InputId, Tensor>,
) -> Result<Option<NonFinite>, ExecutionError> {
    plan.forget();
    let evaluated = plan.run(context, inputs, true);
    let found = evaluated.and_then(|_| locate(plan, context).map_err(|fault| fault.at(Origin::default())));
    plan.forget();
    found
}

/// The same among the values that the plan has kept.
fn locate(plan: &mut Plan, context: &Context) -> Result<Option<NonFinite>, Fault> {
    let mut values = HashMap::new();
    for (instruction, value) in plan.instructions.iter().zip(&plan.values) {
        if let Some(Value::Tensor(tensor)) = value {
            values.insert(instruction.node, context.backend.download(tensor)?);
        }
    }
    let outputs: Vec<NodeId> = plan.outputs.iter().filter_map(|&k| plan.instructions.get(k)).map(|s| s.node).collect();
    let Some(found) = fe_graph::trace::first_non_finite(&plan.graph, &outputs, &values) else { return Ok(None) };
    Ok(Some(inside_loop(plan, context, found.node)?.unwrap_or(found)))
}

/// The cause of a value that is a result of a loop: in the loop's body, its position in the loop first.
fn inside_loop(plan: &mut Plan, context: &Context, node: NodeId) -> Result<Option<NonFinite>, Fault> {
    let Plan { graph, instructions, values, .. } = plan;
    let Some(result) = instructions.iter().find(|s| s.node == node) else { return Ok(None) };
    let (Action::Op(Op::Output(_)), Some(&scan)) = (&result.action, result.inputs.first()) else { return Ok(None) };
    let Some(Instruction { action: Action::Loop(body), inputs, input_axes, node, .. }) = instructions.get_mut(scan)
    else {
        return Ok(None);
    };
    let operands = plan::tensors(inputs, values)?;
    let axis = body.axis;
    let mut found = None;
    body.each(context, &operands, input_axes, |this, turn| {
        let inside = first_non_finite(&mut this.body, turn.context, turn.inputs)?;
        found = inside.map(|inside| (turn.position, inside));
        Ok(found.is_none())
    })?;
    Ok(found.map(|(position, mut inside)| {
        inside.index.insert(0, (graph.axis_name(axis), position));
        NonFinite { node: *node, ..inside }
    }))
}
