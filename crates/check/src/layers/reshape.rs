//! Axes named anew: `as[…]`, and all of them in one: `flatten`.

use fe_graph::Axis;
use fe_syntax::Span;
use fe_syntax::ast::{Expr, ExprKind, Name};

use super::{Arguments, Called, Part};
use crate::checker::Checker;
use crate::functions::Input;
use crate::messages;
use crate::value::Value;

impl<'a> Checker<'a> {
    /// `x |> as[3, 32, 32]`: the last axes of x, as many as have these elements together, laid out over others. Three
    /// sizes are the channels, the height and the width of a picture.
    pub fn reshaped(&mut self, x: Value, function: &Name, sizes: &[Expr], span: Span) -> Value {
        let axes: Option<Vec<(Axis, Span)>> = match sizes {
            [channels, height, width] => {
                let channels = self.axis(channels).map(|a| (a, channels.span));
                let height = self.picture_side(height, Part::Height);
                let width = self.picture_side(width, Part::Width);
                [channels, height, width].into_iter().collect()
            }
            _ => sizes.iter().map(|e| self.axis(e).map(|a| (a, e.span))).collect(),
        };
        if x.poison {
            return x;
        }
        let Some(axes) = axes else { return Value::poison(span) };
        let to: Vec<Axis> = axes.iter().map(|a| a.0).collect();
        for (k, &(axis, at)) in axes.iter().enumerate() {
            if let Some(first) = axes.iter().take(k).find(|a| a.0 == axis) {
                let name = self.graph.axis_name(axis);
                return self.fail(messages::axis_twice("as", &name, at, first.1), span);
            }
        }
        let wanted = self.elements(&to);
        let mut from: Vec<Axis> = vec![];
        for &(axis, _) in x.axes.iter().rev() {
            let found = self.elements(&from);
            let single = self.graph.extent_of(axis.id) == 1;
            if self.is_row(axis) || self.is_position(axis) || found > wanted || found == wanted && !single {
                break;
            }
            from.insert(0, axis);
        }
        if self.elements(&from) != wanted {
            let have = self.sized(&x.order());
            return self.fail(messages::other_count(function.span, wanted, x.span, &have), span);
        }
        let kept: Vec<(Axis, Span)> = x.axes.iter().copied().filter(|a| !from.contains(&a.0)).collect();
        if let Some((axis, at)) = axes.iter().find(|a| kept.iter().any(|k| k.0 == a.0)) {
            let name = self.graph.axis_name(*axis);
            return self.fail(messages::axis_already(&name, *at, x.span), span);
        }
        let node = self.graph.reshape(x.node, &from, &to);
        Value { axes: kept.into_iter().chain(axes).collect(), ..x.derived(node, x.range, span) }
    }

    /// `x |> flatten`: every axis but the rows' in one, named by its size.
    pub(super) fn flatten(&mut self, called: Called, inputs: Vec<Input>) -> Value {
        let span = called.span;
        let Some(Arguments { x, given: [] }) = self.arguments(called, inputs, [], 0) else {
            return Value::poison(span);
        };
        if x.poison {
            return x;
        }
        let stays = |a: &Axis| self.is_row(*a) || self.is_position(*a);
        let from: Vec<Axis> = x.axes.iter().map(|a| a.0).filter(|a| !stays(a)).collect();
        let kept: Vec<(Axis, Span)> = x.axes.iter().copied().filter(|a| stays(&a.0)).collect();
        let to = Axis::plain(self.numeric_axis(self.elements(&from), span));
        let node = self.graph.reshape(x.node, &from, &[to]);
        Value { axes: kept.into_iter().chain([(to, span)]).collect(), ..x.derived(node, x.range, span) }
    }

    /// A side of a picture: a named axis, or one of this size.
    fn picture_side(&mut self, e: &Expr, part: Part) -> Option<(Axis, Span)> {
        match e.kind.as_ref() {
            ExprKind::Number { .. } => {
                let size = self.whole(e)?;
                Some((self.part(part, size), e.span))
            }
            _ => self.axis(e).map(|a| (a, e.span)),
        }
    }

    fn is_position(&self, axis: Axis) -> bool {
        self.loops.current.as_ref().is_some_and(|looped| looped.axis == axis)
    }

    fn elements(&self, axes: &[Axis]) -> usize {
        axes.iter().fold(1, |n, a| n.saturating_mul(self.graph.extent_of(a.id)))
    }

    /// Axes with their sizes.
    fn sized(&self, axes: &[Axis]) -> String {
        let named = |&a: &Axis| {
            let (name, size) = (self.graph.axis_name(a), self.graph.extent_of(a.id));
            if name == size.to_string() { name } else { format!("{name} = {size}") }
        };
        axes.iter().map(named).collect::<Vec<_>>().join(", ")
    }
}
