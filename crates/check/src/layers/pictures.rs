//! Layers of pictures that have no parameters: means and maxima of squares, and pictures made larger. The last three axes
//! of a picture are its channels, its height and its width.

use fe_graph::Axis;
use fe_syntax::Span;
use fe_syntax::ast::Expr;

use super::{Arguments, Called, Part};
use crate::checker::Checker;
use crate::functions::Input;
use crate::messages;
use crate::value::Value;

/// What stands for a square of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pooling {
    /// Its mean.
    Mean,
    /// Its largest element.
    Largest,
}

/// The axes of a picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Picture {
    pub channels: Axis,
    pub height: Axis,
    pub width: Axis,
}

impl<'a> Checker<'a> {
    /// The last three axes of a value.
    pub(super) fn picture(&mut self, called: Called, x: &Value) -> Option<Picture> {
        let order = x.order();
        let name = called.name();
        let &[.., channels, height, width] = order.as_slice() else {
            let have = self.axis_names(&order);
            self.report(messages::not_a_picture(name, called.at, x.span, &have));
            return None;
        };
        if let Some(row) = [channels, height, width].into_iter().find(|&a| self.is_row(a)) {
            let row = self.graph.axis_name(row);
            self.report(messages::picture_over_rows(name, called.at, x.span, &row));
            return None;
        }
        Some(Picture { channels, height, width })
    }

    /// The axes of x with those of its picture replaced.
    pub(super) fn replaced(x: &Value, by: &[Axis], at: Span) -> Vec<(Axis, Span)> {
        let kept = x.axes.len().saturating_sub(3);
        x.axes.iter().copied().take(kept).chain(by.iter().map(|&a| (a, at))).collect()
    }

    /// An axis of a picture of another size; of the same size it stays.
    pub(super) fn side(&mut self, from: Axis, part: Part, size: usize) -> Axis {
        if self.graph.extent_of(from.id) == size { from } else { self.part(part, size) }
    }

    /// `x |> pool(2)`, the means of squares of 2 × 2; `x |> pool`, the mean of each channel; `x |> max_pool(2)`.
    pub(super) fn pool(&mut self, called: Called, pooling: Pooling, inputs: Vec<Input>) -> Value {
        let span = called.span;
        let required = match pooling {
            Pooling::Mean => 0,
            Pooling::Largest => 1,
        };
        let Some(Arguments { x, given: [size] }) = self.arguments(called, inputs, ["size"], required) else {
            return Value::poison(span);
        };
        if x.poison {
            return x;
        }
        let Some(p) = self.picture(called, &x) else { return Value::poison(span) };
        let Some(size) = size else {
            let node = self.graph.mean(x.node, &[p.height, p.width]);
            let axes = Self::replaced(&x, &[p.channels], span);
            return Value { axes, ..x.derived(node, x.range, span) };
        };
        let Some(places) = self.squares(called, &x, p, size) else { return Value::poison(span) };
        let inside = [places.height.1, places.width.1];
        let cut = self.graph.reshape(x.node, &[p.height], &[places.height.0, inside[0]]);
        let cut = self.graph.reshape(cut, &[p.width], &[places.width.0, inside[1]]);
        let node = match pooling {
            Pooling::Mean => self.graph.mean(cut, &inside),
            Pooling::Largest => self.graph.max(cut, &inside),
        };
        let axes = Self::replaced(&x, &[p.channels, places.height.0, places.width.0], span);
        Value { axes, ..x.derived(node, x.range, span) }
    }

    /// `x |> upsample(2)`: each element 2 × 2 times.
    pub(super) fn upsample(&mut self, called: Called, inputs: Vec<Input>) -> Value {
        let span = called.span;
        let Some(Arguments { x, given: [Some(times)] }) = self.arguments(called, inputs, ["times"], 1) else {
            return Value::poison(span);
        };
        let Some(times) = self.whole(times) else { return Value::poison(span) };
        if x.poison {
            return x;
        }
        let Some(p) = self.picture(called, &x) else { return Value::poison(span) };
        let mut node = x.node;
        let mut sides = [p.height, p.width];
        for (side, part) in sides.iter_mut().zip([Part::Height, Part::Width]) {
            let inside = self.kernel(part, times);
            let size = self.graph.extent_of(side.id).saturating_mul(times);
            let larger = self.side(*side, part, size);
            let repeated = self.graph.broadcast(node, &[inside]);
            if larger != *side {
                node = self.graph.reshape(repeated, &[*side, inside], &[larger]);
                *side = larger;
            }
        }
        let axes = Self::replaced(&x, &[p.channels, sides[0], sides[1]], span);
        Value { axes, ..x.derived(node, x.range, span) }
    }

    /// The axis of a kernel's rows or columns.
    pub(super) fn kernel(&mut self, part: Part, size: usize) -> Axis {
        let plain = self.part(Part::Kernel, size);
        if part == Part::Width { plain.primed() } else { plain }
    }

    /// The axes of a picture cut in squares: which square, and where in it.
    fn squares(&mut self, called: Called, x: &Value, p: Picture, size: &Expr) -> Option<Squares> {
        let n = self.whole(size)?;
        let cut = |c: &mut Self, side: Axis, part: Part| {
            let extent = c.graph.extent_of(side.id);
            if !extent.is_multiple_of(n) {
                let (axis, name) = (c.graph.axis_name(side), called.name());
                c.report(messages::stride_does_not_divide(name, n, size.span, (&axis, extent), x.span));
                return None;
            }
            Some((c.side(side, part, extent / n), c.kernel(part, n)))
        };
        let height = cut(self, p.height, Part::Height)?;
        Some(Squares { height, width: cut(self, p.width, Part::Width)? })
    }
}

/// A picture cut in squares.
struct Squares {
    height: (Axis, Axis),
    width: (Axis, Axis),
}
