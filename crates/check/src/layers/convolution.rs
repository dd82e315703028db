//! Convolutions and their transposes.

use fe_graph::{Axis, Windows};
use fe_syntax::Span;
use fe_syntax::ast::Expr;

use super::pictures::Picture;
use super::{Arguments, Called, Part};
use crate::checker::Checker;
use crate::functions::Input;
use crate::messages;
use crate::program::Init;
use crate::value::Value;

/// Whether a layer goes from pictures to smaller ones, or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// To smaller ones.
    Forward,
    /// Back, to larger ones.
    Transposed,
}

/// A kernel's size and step, with where they stand.
struct Kernel {
    size: (usize, Span),
    stride: (usize, Span),
}

impl<'a> Checker<'a> {
    /// `x |> conv(C, kernel = 3, stride = 1)`: sums over windows of a picture, with zeros around it, so that the result is
    /// `stride` times smaller. `x |> deconv(C, kernel = 4, stride = 2)` is the transpose: `stride` times larger. Kernels
    /// start as normal(0, √(2/fan in)) (He, Zhang, Ren, Sun 2015), where a deconv's fan in is what reaches one element on
    /// average, and biases at 0. Parameters are `site.conv.k.weight`, over channels in and out, kernel rows and columns,
    /// and `.bias`.
    pub(super) fn conv(&mut self, called: Called, direction: Direction, inputs: Vec<Input>) -> Value {
        let span = called.span;
        let names = ["channels", "kernel", "stride"];
        let Some(Arguments { x, given: [Some(channels), size, stride] }) = self.arguments(called, inputs, names, 1)
        else {
            return Value::poison(span);
        };
        let defaults = match direction {
            Direction::Forward => (3, 1),
            Direction::Transposed => (4, 2),
        };
        let number = |c: &mut Self, e: Option<&Expr>, otherwise| match e {
            Some(e) => c.whole(e).map(|n| (n, e.span)),
            None => Some((otherwise, called.at)),
        };
        let (Some(size), Some(stride)) = (number(self, size, defaults.0), number(self, stride, defaults.1)) else {
            return Value::poison(span);
        };
        let Some(out) = self.width(channels) else { return Value::poison(span) };
        if x.poison {
            return x;
        }
        let Some(p) = self.picture(called, &x) else { return Value::poison(span) };
        if out != p.channels && x.has(out) {
            let name = self.graph.axis_name(out);
            return self.fail(messages::axis_already(&name, channels.span, x.span), span);
        }
        let kernel = Kernel { size, stride };
        // What is wrong with one side is wrong with the other as well, and is said once.
        let steps = |c: &mut Self, side, part| c.steps(called, &x, side, part, &kernel, direction);
        let Some(height) = steps(self, p.height, Part::Height) else { return Value::poison(span) };
        let Some(width) = steps(self, p.width, Part::Width) else { return Value::poison(span) };
        self.convolved(&x, p, (out, channels.span), [height, width], direction, called)
    }

    /// The windows along one side of a picture.
    fn steps(
        &mut self,
        called: Called,
        x: &Value,
        side: Axis,
        part: Part,
        kernel: &Kernel,
        direction: Direction,
    ) -> Option<Windows> {
        let ((size, size_at), (stride, stride_at)) = (kernel.size, kernel.stride);
        let (given, name) = (self.graph.extent_of(side.id), called.name());
        let axis = self.graph.axis_name(side);
        if direction == Direction::Forward && !given.is_multiple_of(stride) {
            self.report(messages::stride_does_not_divide(name, stride, stride_at, (&axis, given), x.span));
            return None;
        }
        let (large, small) = match direction {
            Direction::Forward => (given, given / stride),
            Direction::Transposed => (given.saturating_mul(stride), given),
        };
        if size > large {
            self.report(messages::kernel_too_large(name, size, size_at, (&axis, large), x.span));
            return None;
        }
        let (axis, position) = match direction {
            Direction::Forward => (side, self.side(side, part, small)),
            Direction::Transposed => (self.side(side, part, large), side),
        };
        let reach = (small - 1).saturating_mul(stride) + size;
        let around = reach.saturating_sub(large);
        let padded = if around == 0 && axis != position {
            axis
        } else {
            let plain = self.part(Part::Padded, reach.max(large));
            if part == Part::Width { plain.primed() } else { plain }
        };
        Some(Windows { axis, padded, position, offset: self.kernel(part, size), stride, before: around.div_ceil(2) })
    }

    fn convolved(
        &mut self,
        x: &Value,
        p: Picture,
        (out, out_at): (Axis, Span),
        [height, width]: [Windows; 2],
        direction: Direction,
        called: Called,
    ) -> Value {
        let span = called.span;
        // From channels to as many, the kernel maps to their primed copy.
        let to = if out == p.channels { out.primed() } else { out };
        let size = |c: &Self, a: Axis| c.graph.extent_of(a.id) as f64;
        let mut fan_in = size(self, p.channels) * size(self, height.offset) * size(self, width.offset);
        if direction == Direction::Transposed {
            fan_in = (fan_in / (height.stride * width.stride) as f64).max(1.0);
        }
        let site = self.layer_site(called.layer);
        let init = Init::Normal { mean: 0.0, sd: (2.0 / fan_in).sqrt() };
        let kernel_axes = [p.channels, to, height.offset, width.offset];
        let weight = self.layer_param(format!("{site}.weight"), &kernel_axes, init, span);
        let kernels = self.found.params.len() - 1;
        let bias = self.layer_param(format!("{site}.bias"), &[out], Init::Constant(0.0), span);
        let g = &mut self.graph;
        let (node, sides) = match direction {
            Direction::Forward => {
                let seen = g.windows(x.node, &height);
                let seen = g.windows(seen, &width);
                let node = g.contract(seen, weight, &[p.channels, height.offset, width.offset]);
                (node, [height.position, width.position])
            }
            Direction::Transposed => {
                let laid = g.contract(x.node, weight, &[p.channels]);
                let laid = g.overlaid(laid, &width);
                (g.overlaid(laid, &height), [height.axis, width.axis])
            }
        };
        let node = g.rename(node, &[(to, out)]);
        let node = g.add(node, bias);
        self.layers.kernels.insert(node, kernels);
        let mut axes = Self::replaced(x, &[out, sides[0], sides[1]], span);
        axes.iter_mut().filter(|a| a.0 == out).for_each(|a| a.1 = out_at);
        self.layered(x, node, axes, span)
    }

    /// A sum h + (h |> … |> conv(C)) is a residual block: the kernel of its last convolution starts at 0, so that the
    /// block starts as the identity (Goyal et al. 2017; Zhang, Dauphin, Ma 2019).
    pub fn residual(&mut self, a: &Value, b: &Value) {
        for (branch, trunk) in [(a, b), (b, a)] {
            if let Some(&kernels) = self.layers.kernels.get(&branch.node)
                && self.graph.reachable(&[branch.node]).contains(&trunk.node)
                && let Some(param) = self.found.params.get_mut(kernels)
            {
                param.init = Init::Constant(0.0);
            }
        }
    }
}
