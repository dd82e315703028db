//! Where inside a loop a value first stopped being finite: its turns once more, each looked through before it is made.

use std::collections::HashMap;
use std::sync::Arc;

use fe_graph::noise::step_within;
use fe_graph::{Axis, AxisId, Compiled, ExecutionError, Feed, Graph, InputId, NodeId, NonFinite, Scan, Tensor};

/// A tensor at one position of an axis; `axes` are sorted.
fn slice(tensor: &Tensor, axes: &[Axis], axis: Axis, position: usize) -> Tensor {
    let Some(at) = axes.iter().position(|&a| a == axis) else { return tensor.clone() };
    let inner: usize = tensor.shape.iter().skip(at + 1).product();
    let extent = tensor.shape.get(at).copied().unwrap_or(1);
    let blocks = tensor.values.chunks((extent * inner).max(1));
    let values = blocks.flat_map(|b| b.iter().skip(position * inner).take(inner)).copied().collect();
    let mut shape = tensor.shape.clone();
    shape.remove(at);
    Tensor { shape, values }
}

/// The first value of a loop that is not finite, and the position at which it is computed.
fn search(
    scan: &Scan,
    body: &mut dyn Compiled,
    operands: &[Arc<Tensor>],
    outside: &Feed,
    extents: &[usize],
) -> Result<Option<(usize, NonFinite)>, ExecutionError> {
    let carried = scan.carries.len();
    let axes_of = |input: InputId| scan.body.input_info(input).map(|i| i.axes.clone()).unwrap_or_default();
    let mut carries: Vec<Arc<Tensor>> = operands.iter().take(carried).cloned().collect();
    let number = |k: usize| AxisId(u32::try_from(k).unwrap_or(u32::MAX));
    let mut feed = Feed {
        seed: outside.seed,
        extents: extents.iter().enumerate().map(|(k, &e)| (number(k), e)).collect(),
        rows: outside.rows.clone(),
        draws: outside.draws.clone(),
        ..Feed::default()
    };
    for (&input, constant) in scan.constants.iter().zip(operands.iter().skip(carried + scan.slices.len())) {
        feed.inputs.insert(input, constant.clone());
    }
    let count = extents.get(scan.axis.id.0 as usize).copied().unwrap_or(1);
    for turn in 0..count {
        let position = if scan.reverse { count - 1 - turn } else { turn };
        for (&(input, _), carry) in scan.carries.iter().zip(&carries) {
            feed.inputs.insert(input, carry.clone());
        }
        for (&input, tensor) in scan.slices.iter().zip(operands.iter().skip(carried)) {
            let axes = fe_graph::axis::union(&axes_of(input), &[scan.axis]);
            feed.inputs.insert(input, Arc::new(slice(tensor, &axes, scan.axis, position)));
        }
        if let Some(time) = scan.time {
            feed.inputs.insert(time, Arc::new(Tensor::scalar(position as f64)));
        }
        feed.step = step_within(outside.step, position as u64);
        if let Some(inside) = body.first_non_finite(&feed)? {
            return Ok(Some((position, inside)));
        }
        carries = body.run(&feed)?.into_iter().take(carried).map(Arc::new).collect();
    }
    Ok(None)
}

/// Where, inside the loop that a node is a result of, a value first stopped being finite; the position in the loop
/// comes first. `compile` makes a body ready.
///
/// # Errors
/// As the loop's body.
pub fn first_non_finite(
    graph: &Graph,
    result: NodeId,
    values: &HashMap<NodeId, Tensor>,
    feed: &Feed,
    extents: &[usize],
    compile: impl FnOnce(&Graph, Vec<NodeId>) -> Box<dyn Compiled>,
) -> Result<Option<NonFinite>, ExecutionError> {
    let Some(&node) = graph.node(result).inputs.first() else { return Ok(None) };
    let Some(parts) = graph.scan_of(node) else { return Ok(None) };
    let scan = parts.scan.as_ref();
    let tensors = graph.node(node).inputs.iter().filter_map(|i| values.get(i).cloned().map(Arc::new));
    let operands: Vec<Arc<Tensor>> = tensors.collect();
    let outputs = scan.carries.iter().map(|c| c.1).chain(scan.stacked.iter().copied()).collect();
    let mut body = compile(&scan.body, outputs);
    let found = search(scan, body.as_mut(), &operands, feed, extents)?;
    Ok(found.map(|(position, mut inside)| {
        inside.index.insert(0, (graph.axis_name(scan.axis), position));
        NonFinite { node, ..inside }
    }))
}
