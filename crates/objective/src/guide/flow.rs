//! A normalising flow below a joint Gaussian's mean and covariance: layers of an inverse autoregressive flow (Kingma et al.,
//! arXiv 1606.04934), each behind an element-wise sinh–arcsinh transform (Jones and Pewsey, 2009). A layer maps x to
//!
//! y_i = sinh(e^{κ_i} arsinh x_i + γ_i),   x'_i = y_i exp(s_i(y)) + t_i(y),
//!
//! with s_i and t_i sums of functions of the y_j before y_i: of s, arsinh y_j and ½ log(1 + y_j²), so that a scale is at most
//! a power of what it follows, as in a funnel; of t, y_j and √(1 + y_j²) − 1, lines and bends. All coefficients start at 0,
//! where a layer is the identity. The map is triangular, so its slopes give its volume, and blocks keep their order.

use fe_graph::{Graph, NodeId, Unary};

use crate::guide::builder::Builder;
use crate::guide::types::{Frame, strictly_lower};

/// x after all layers, and Σ over layers of log ∂x'_i/∂x_i element by element; `None` without layers.
pub(crate) fn layers(b: &mut Builder, frame: &Frame, count: usize, noise: NodeId) -> (NodeId, Option<NodeId>) {
    let (mut x, mut log_slope) = (noise, None);
    for layer in 1..=count {
        let name = |what: &str| format!("{}.flow{layer}.{what}", frame.name);
        let tail = b.free(name("tail"), &[frame.along], 0.0);
        let skew = b.free(name("skew"), &[frame.along], 0.0);
        let before = Bends::of(b.g, x);
        let weight = b.g.exp(tail);
        let angle = b.g.mul(weight, before.arsinh);
        let angle = b.g.add(angle, skew);
        let y = sinh(b.g, angle);
        let after = Bends::of(b.g, y);
        // log cosh of the angle is ½ log(1 + y²).
        let stretched = b.g.sub(after.log_root, before.log_root);
        let stretched = b.g.add(stretched, tail);

        let mut sum = |what: &str, parts: [(&str, NodeId); 2]| {
            let mut total = b.g.constant(0.0);
            for (kind, value) in parts {
                let raw = b.free(name(&format!("{what}.{kind}")), &[frame.along, frame.across], 0.0);
                let below = strictly_lower(b.g, frame, raw, frame.dimension);
                let turned = b.g.rename(value, &[(frame.along, frame.across)]);
                let part = b.g.contract(below, turned, &[frame.across]);
                total = b.g.add(total, part);
            }
            total
        };
        let log_scale = sum("scale", [("odd", after.arsinh), ("even", after.log_root)]);
        let shift = sum("shift", [("odd", y), ("even", after.bend)]);
        let g = &mut *b.g;
        let scale = g.exp(log_scale);
        let scaled = g.mul(y, scale);
        x = g.add(scaled, shift);
        let slope = g.add(stretched, log_scale);
        log_slope = Some(match log_slope {
            Some(earlier) => g.add(earlier, slope),
            None => slope,
        });
    }
    (x, log_slope)
}

/// Functions of x that a layer is made of.
struct Bends {
    arsinh: NodeId,
    /// ½ log(1 + x²)
    log_root: NodeId,
    /// √(1 + x²) − 1
    bend: NodeId,
}

impl Bends {
    /// Without cancellation: √(1 + x²) − 1 = x²/(1 + √(1 + x²)), arsinh x = sign x log(1 + |x| + √(1 + x²) − 1).
    fn of(g: &mut Graph, x: NodeId) -> Self {
        let square = g.square(x);
        let more = g.shift(square, 1.0);
        let root = g.sqrt(more);
        let divisor = g.shift(root, 1.0);
        let bend = g.div(square, divisor);
        let (size, sign) = (g.abs(x), g.unary(Unary::Sign, x));
        let grown = g.add(size, bend);
        let log = g.unary(Unary::Log1p, grown);
        let arsinh = g.mul(sign, log);
        let log_root = g.unary(Unary::Log1p, square);
        let log_root = g.scale(log_root, 0.5);
        Self { arsinh, log_root, bend }
    }
}

fn sinh(g: &mut Graph, x: NodeId) -> NodeId {
    let back = g.neg(x);
    let (up, down) = (g.unary(Unary::Expm1, x), g.unary(Unary::Expm1, back));
    let twice = g.sub(up, down);
    g.scale(twice, 0.5)
}
