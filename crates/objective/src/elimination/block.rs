//! The exact conditional of one latent whose elements are apart from each other, or hang together in blocks.

use std::collections::HashMap;
use std::f64::consts::PI;

use fe_graph::{Axis, Graph, NodeId, Tensor, axis};

/// A latent given θ and what is integrated out after it: its mean, how it spreads, and what is left of −log p without it.
pub(super) struct Gaussian {
    /// m, over the latent's axes.
    pub mean: NodeId,
    /// F of z = m + F ε: 1/√H over the latent's axes; or L⁻¹ of H = L Lᵀ, over the axes that stay apart, `row`, and its
    /// primed copy.
    pub factor: NodeId,
    /// log |F|, of each element.
    pub log_scale: NodeId,
    /// Where elements hang together, the axis that they are put along.
    pub row: Option<Axis>,
    /// −log p of what is left.
    pub left: NodeId,
}

/// A point at which a gradient is taken: what stands for each latent.
pub(super) fn at(g: &mut Graph, node: NodeId, point: &HashMap<NodeId, NodeId>) -> NodeId {
    g.substitute(&[node], point).first().copied().unwrap_or(node)
}

/// Integrates a latent out of −log p, of which `gradient` is the derivative in it. `zeros` stands for all that is
/// integrated out, this latent included; `dense` are the axes along which its elements hang together.
pub(super) fn integrate(
    g: &mut Graph,
    latent: &fe_check::Latent,
    (energy, gradient): (NodeId, NodeId),
    zeros: &HashMap<NodeId, NodeId>,
    dense: &[Axis],
) -> Gaussian {
    let axes = axis::sorted(&latent.axes);
    let zero = zeros.get(&latent.node).copied().unwrap_or(latent.node);
    // With what comes later in place: the mean follows it.
    let slope = at(g, gradient, &HashMap::from([(latent.node, zero)]));
    let slope = g.broadcast(slope, &axes);
    let origin = at(g, gradient, zeros);
    let mut probed = zeros.clone();
    let count = latent.axes.iter().map(|a| g.extent_of(a.id)).fold(1.0, |n, e| n * e as f64);
    let constant = 0.5 * count * (2.0 * PI).ln();
    let (mean, factor, log_scale, row) = if dense.is_empty() {
        let ones = g.full(1.0, &axes);
        probed.insert(latent.node, ones);
        let moved = at(g, gradient, &probed);
        let hessian = g.sub(moved, origin);
        let hessian = g.broadcast(hessian, &axes);
        let step = g.div(slope, hessian);
        let mean = g.neg(step);
        let root = g.sqrt(hessian);
        let (factor, log) = (g.recip(root), g.log(hessian));
        (mean, factor, g.scale(log, -0.5), None)
    } else {
        let width = dense.iter().map(|a| g.extent_of(a.id)).product();
        let row = Axis::plain(g.add_axis(&format!("{} block", latent.name), width));
        let column = row.primed();
        let unit = identity(g, row, column);
        let probe = g.reshape(unit, &[row], dense);
        let probe = g.broadcast(probe, &axes);
        probed.insert(latent.node, probe);
        let moved = at(g, gradient, &probed);
        let hessian = g.sub(moved, origin);
        let hessian = g.broadcast(hessian, &axis::union(&axes, &[column]));
        let hessian = g.reshape(hessian, dense, &[row]);
        let lower = g.cholesky(hessian, row, column);
        let inverse = g.triangular_inverse(lower, row, column);
        let flat = g.reshape(slope, dense, &[row]);
        let turned = g.rename(flat, &[(row, column)]);
        let half = g.contract(inverse, turned, &[column]);
        let step = transposed_times(g, inverse, half, row);
        let step = g.neg(step);
        let mean = g.reshape(step, &[row], dense);
        let diagonal = g.diagonal(lower, row, column);
        let log = g.log(diagonal);
        (mean, inverse, g.neg(log), Some(row))
    };
    let at_mean = at(g, energy, &HashMap::from([(latent.node, mean)]));
    let volume = g.sum_all_but(log_scale, &[]);
    let left = g.sub(at_mean, volume);
    let left = g.shift(left, -constant);
    Gaussian { mean, factor, log_scale, row, left }
}

/// Bᵀ x, over the rows again.
pub(super) fn transposed_times(g: &mut Graph, matrix: NodeId, x: NodeId, row: Axis) -> NodeId {
    let product = g.contract(matrix, x, &[row]);
    g.rename(product, &[(row.primed(), row)])
}

/// 1 where a row is a column.
pub(super) fn identity(g: &mut Graph, row: Axis, column: Axis) -> NodeId {
    let n = g.extent_of(row.id);
    let mut values = vec![0.0; n * n];
    values.iter_mut().step_by(n + 1).for_each(|v| *v = 1.0);
    g.literal(Tensor { shape: vec![n, n], values }, &[row, column])
}
