//! Normalisation over groups of channels.

use fe_graph::Axis;
use fe_syntax::Span;

use super::{Arguments, Called, Part};
use crate::checker::Checker;
use crate::functions::Input;
use crate::messages;
use crate::program::Init;
use crate::value::Value;

/// What is added to variances.
const EPSILON: f64 = 1e-5;

impl<'a> Checker<'a> {
    /// `x |> norm(groups = 8)`: in each row, every group of channels has mean 0 and variance 1 over the picture, and each
    /// channel then a scale and a shift of its own (Wu, He 2018); `norm(1)` is layer normalisation (Ba, Kiros, Hinton
    /// 2016). Of fewer than three axes the last is the channels. Parameters are `site.norm.k.scale`, from 1, and `.shift`,
    /// from 0.
    pub(super) fn norm(&mut self, called: Called, inputs: Vec<Input>) -> Value {
        let span = called.span;
        let Some(Arguments { x, given: [groups] }) = self.arguments(called, inputs, ["groups"], 0) else {
            return Value::poison(span);
        };
        let groups = match groups {
            Some(e) => match self.whole(e) {
                Some(n) => (n, e.span),
                None => return Value::poison(span),
            },
            None => (1, called.at),
        };
        if x.poison {
            return x;
        }
        let order = x.order();
        let (channels, sides) = match order.as_slice() {
            [.., c, h, w] if !self.is_row(*c) && !self.is_row(*h) && !self.is_row(*w) => (*c, vec![*h, *w]),
            [.., c] if !self.is_row(*c) => (*c, vec![]),
            [.., row] => {
                let name = self.graph.axis_name(*row);
                return self.fail(messages::layer_over_rows(called.at, x.span, &name), span);
            }
            [] => return self.fail(messages::layer_scalar(called.at, x.span), span),
        };
        self.normalised(&x, channels, sides, groups, called)
    }

    fn normalised(
        &mut self,
        x: &Value,
        channels: Axis,
        sides: Vec<Axis>,
        (groups, groups_at): (usize, Span),
        called: Called,
    ) -> Value {
        let span = called.span;
        let count = self.graph.extent_of(channels.id);
        if !count.is_multiple_of(groups) {
            let axis = self.graph.axis_name(channels);
            return self.fail(messages::groups_do_not_divide(groups, groups_at, (&axis, count), x.span), span);
        }
        let (apart, within) = match groups {
            1 => (None, channels),
            _ => (Some(self.part(Part::Groups, groups)), self.part(Part::Group, count / groups)),
        };
        let site = self.layer_site(called.layer);
        let scale = self.layer_param(format!("{site}.scale"), &[channels], Init::Constant(1.0), span);
        let shift = self.layer_param(format!("{site}.shift"), &[channels], Init::Constant(0.0), span);
        let g = &mut self.graph;
        let parted = apart.map(|a| g.reshape(x.node, &[channels], &[a, within]));
        let over: Vec<Axis> = sides.into_iter().chain([within]).collect();
        let parted = parted.unwrap_or(x.node);
        let mean = g.mean(parted, &over);
        let centred = g.sub(parted, mean);
        let square = g.square(centred);
        let variance = g.mean(square, &over);
        let variance = g.shift(variance, EPSILON);
        let deviation = g.sqrt(variance);
        let inverse = g.recip(deviation);
        let node = g.mul(centred, inverse);
        let node = apart.map_or(node, |a| g.reshape(node, &[a, within], &[channels]));
        let node = g.mul(node, scale);
        let node = g.add(node, shift);
        self.layered(x, node, x.axes.clone(), span)
    }
}
