//! Layers: functions with parameters of their own, one set for each call in the text.

mod convolution;
mod dropout;
mod layer;
mod norm;
mod pictures;
mod reshape;

use std::collections::HashMap;

use fe_distribution::Support;
use fe_graph::{Axis, AxisId, NodeId};
use fe_syntax::Span;
use fe_syntax::ast::{Expr, ExprKind, Name};

use crate::axes::whole_size;
use crate::checker::Checker;
use crate::functions::Input;
use crate::messages;
use crate::program::{Init, Param};
use crate::range::Range;
use crate::value::{Level, Value};

use convolution::Direction;
use pictures::Pooling;

pub(crate) use layer::{Called, Layer};

/// The part that an axis made by a layer plays; its size says the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// Rows of a picture.
    Height,
    /// Columns of a picture.
    Width,
    /// Rows and columns of a kernel, these primed.
    Kernel,
    /// Rows and columns of a picture with what lies around it, these primed.
    Padded,
    /// Groups of channels.
    Groups,
    /// Channels of a group.
    Group,
}

/// What layers have made so far.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    axes: HashMap<(Part, usize), AxisId>,
    /// The results of convolutions, and which param holds their kernels.
    kernels: HashMap<NodeId, usize>,
}

/// A layer's input and its arguments, in the order of their names.
struct Arguments<'e, const N: usize> {
    x: Value,
    given: [Option<&'e Expr>; N],
}

impl<'a> Checker<'a> {
    /// The value of a layer.
    pub fn layer(&mut self, called: Called, inputs: Vec<Input>) -> Value {
        match called.layer {
            Layer::Dense => self.dense(called, inputs),
            Layer::Conv => self.conv(called, Direction::Forward, inputs),
            Layer::Deconv => self.conv(called, Direction::Transposed, inputs),
            Layer::Pool => self.pool(called, Pooling::Mean, inputs),
            Layer::MaxPool => self.pool(called, Pooling::Largest, inputs),
            Layer::Upsample => self.upsample(called, inputs),
            Layer::Flatten => self.flatten(called, inputs),
            Layer::Norm => self.norm(called, inputs),
            Layer::Dropout => self.dropout(called, inputs),
            Layer::Repeat => self.repeat(called, inputs),
        }
    }

    /// `x |> dense(K)`: x W + b over the last axis of x. W starts as normal(0, √(1/fan in)), so that outputs have the
    /// scale of the inputs (LeCun, Bottou, Orr, Müller 1998), and b at 0. Parameters are `site.dense.k.weight` and
    /// `.bias`, k counting the site's dense layers from 1.
    fn dense(&mut self, called: Called, inputs: Vec<Input>) -> Value {
        let span = called.span;
        let Some(Arguments { x, given: [Some(width)] }) = self.arguments(called, inputs, ["width"], 1) else {
            return Value::poison(span);
        };
        let Some(out) = self.width(width) else { return Value::poison(span) };
        if x.poison {
            return x;
        }
        let Some(&(last, _)) = x.axes.last() else {
            return self.fail(messages::layer_scalar(called.at, x.span), span);
        };
        if self.is_row(last) {
            let name = self.graph.axis_name(last);
            return self.fail(messages::layer_over_rows(called.at, x.span, &name), span);
        }
        if out != last && x.has(out) {
            let name = self.graph.axis_name(out);
            return self.fail(messages::axis_already(&name, width.span, x.span), span);
        }
        // dense(64) on an axis 64 is a map from that axis to its primed copy.
        let to = if out == last { out.primed() } else { out };
        let fan_in = self.graph.extent_of(last.id).max(1) as f64;
        let site = self.layer_site(called.layer);
        let init = Init::Normal { mean: 0.0, sd: (1.0 / fan_in).sqrt() };
        let weight = self.layer_param(format!("{site}.weight"), &[last, to], init, span);
        let bias = self.layer_param(format!("{site}.bias"), &[out], Init::Constant(0.0), span);
        let product = self.graph.contract(x.node, weight, &[last]);
        let product = self.graph.rename(product, &[(to, out)]);
        let node = self.graph.add(product, bias);
        let mut axes: Vec<(Axis, Span)> = x.axes.iter().copied().filter(|a| a.0 != last).collect();
        axes.push((out, width.span));
        self.layered(&x, node, axes, span)
    }

    /// `h |> repeat(8, block)`: a function of the program, so many times one behind the other, each with parameters of
    /// its own.
    fn repeat(&mut self, called: Called, inputs: Vec<Input>) -> Value {
        let span = called.span;
        let Some(Arguments { x, given: [Some(times), Some(block)] }) =
            self.arguments(called, inputs, ["times", "block"], 2)
        else {
            return Value::poison(span);
        };
        let Some(times) = self.whole(times) else { return Value::poison(span) };
        let ExprKind::Name(name) = block.kind.as_ref() else {
            return self.fail(messages::repeat_of_value(block.span), span);
        };
        let block = Name::new(name.clone(), block.span);
        let mut value = x;
        for _ in 0..times {
            if value.poison {
                return Value::poison(span);
            }
            value = self.call(&block, vec![Input::Value(value)], span);
        }
        value
    }

    /// The input and the arguments of a layer, by place or by name; of these the first `required` must be given.
    fn arguments<'e, const N: usize>(
        &mut self,
        called: Called,
        inputs: Vec<Input<'e>>,
        names: [&str; N],
        required: usize,
    ) -> Option<Arguments<'e, N>> {
        let (name, usage, span) = (called.name(), called.layer.usage(), called.span);
        let mut given = [None; N];
        let mut places = vec![];
        for input in inputs {
            match input {
                Input::Named(named, e) => {
                    let slot = names.iter().position(|n| *n == named.value);
                    let Some(slot) = slot.and_then(|k| given.get_mut(k)) else {
                        self.report(messages::named_argument(name, &named.value, named.span, usage.to_owned()));
                        return None;
                    };
                    *slot = Some(e);
                }
                other => places.push(other),
            }
        }
        let mut places = places.into_iter();
        let first = places.next();
        let mut count = 0;
        let mut extra = None;
        for place in places {
            count += 1;
            match (given.iter_mut().find(|g| g.is_none()), &place) {
                (Some(slot), Input::Expr(e)) => *slot = Some(*e),
                _ => extra = extra.or(Some(place.span())),
            }
        }
        let lacking = given.iter().take(required).filter(|g| g.is_none()).count();
        match first {
            Some(Input::Expr(_)) if required > 0 && lacking > 0 => {
                self.report(messages::layer_without_input(name, span, usage));
                None
            }
            Some(first) if lacking == 0 && extra.is_none() => Some(Arguments { x: self.input(&first), given }),
            None if lacking == 0 => {
                self.report(messages::layer_without_input(name, span, usage));
                None
            }
            _ => {
                self.report(messages::arity(
                    name,
                    required.max(N.min(1)),
                    count,
                    extra.unwrap_or(span),
                    usage.to_owned(),
                ));
                None
            }
        }
    }

    /// A value that a layer with parameters makes of x.
    fn layered(&self, x: &Value, node: NodeId, axes: Vec<(Axis, Span)>, span: Span) -> Value {
        Value { axes, ..Value::scalar(node, Range::REAL, x.level.max(Level::Free), span) }
    }

    /// Whether an axis is the rows'.
    fn is_row(&self, axis: Axis) -> bool {
        self.row.as_ref().is_some_and(|r| Axis::plain(r.axis) == axis)
    }

    /// The name of a site's next layer of a kind: `z.guide.conv.2`.
    fn layer_site(&mut self, layer: Layer) -> String {
        let count = self.site.layers.entry(layer).or_default();
        *count += 1;
        format!("{}.{}.{count}", self.site.name, layer.name())
    }

    /// An axis that layers make, one for each part and size.
    fn part(&mut self, part: Part, size: usize) -> Axis {
        if let Some(&id) = self.layers.axes.get(&(part, size)) {
            return Axis::plain(id);
        }
        let name = match part {
            Part::Height => format!("{size} high"),
            Part::Width => format!("{size} wide"),
            Part::Kernel => format!("kernel {size}"),
            Part::Padded => format!("{size} padded"),
            Part::Groups => format!("{size} groups"),
            Part::Group => format!("{size} in a group"),
        };
        let id = self.graph.add_axis(&name, size);
        self.layers.axes.insert((part, size), id);
        Axis::plain(id)
    }

    /// The axis a layer leads to: an axis, or the one named by a size.
    fn width(&mut self, e: &Expr) -> Option<Axis> {
        if let ExprKind::Name(_) = e.kind.as_ref() {
            return self.axis(e);
        }
        let value = self.expression(e, None);
        if value.axis.is_some() {
            return value.axis;
        }
        let size = self.whole_of(&value, e)?;
        Some(Axis::plain(self.numeric_axis(size, e.span)))
    }

    /// A whole number from 1 on, known at compile time.
    fn whole(&mut self, e: &Expr) -> Option<usize> {
        let value = self.expression(e, None);
        self.whole_of(&value, e)
    }

    fn whole_of(&mut self, value: &Value, e: &Expr) -> Option<usize> {
        if value.poison {
            return None;
        }
        match self.graph.constant_value(value.node).filter(|_| value.axes.is_empty()) {
            Some(v) => {
                let size = whole_size(v);
                if size.is_none() {
                    self.report(messages::bad_size("", v, e.span));
                }
                size
            }
            None => {
                self.report(messages::not_an_axis(e.span));
                None
            }
        }
    }

    fn layer_param(&mut self, name: String, axes: &[Axis], init: Init, span: Span) -> NodeId {
        let (input, node) = self.graph.input(&name, axes);
        let (axes, free) = (axes.to_vec(), axes.to_vec());
        self.found.params.push(Param { name, input, axes, free, node, support: Support::Real, init, span });
        node
    }
}
