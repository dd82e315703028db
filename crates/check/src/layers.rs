//! Layers: functions with parameters of their own, one set for each call in the text.

use fe_distribution::Support;
use fe_graph::Axis;
use fe_syntax::Span;
use fe_syntax::ast::{Expr, ExprKind, Name};

use crate::axes::whole_size;
use crate::checker::Checker;
use crate::functions::Input;
use crate::messages;
use crate::program::{Init, Param};
use crate::range::Range;
use crate::value::{Level, Value};

impl<'a> Checker<'a> {
    /// `x |> dense(K)`: x W + b over the last axis of x. W starts as normal(0, √(1/fan in)), so that outputs have the
    /// scale of the inputs (LeCun, Bottou, Orr, Müller 1998), and b at 0. Parameters are `site.dense.k.weight` and
    /// `.bias`, k counting the site's dense layers from 1.
    pub fn dense(&mut self, function: &Name, inputs: Vec<Input>, span: Span) -> Value {
        let (x, width) = match inputs.as_slice() {
            [x, Input::Expr(width)] => (x.clone(), *width),
            [Input::Expr(_)] => return self.fail(messages::layer_without_input("dense", span), span),
            [_, Input::Named(name, _)] => {
                return self.fail(messages::named_argument("dense", &name.value, name.span, "dense(64)".into()), span);
            }
            _ => {
                return self
                    .fail(messages::arity("dense", 1, inputs.len().saturating_sub(1), span, "dense(64)".into()), span);
            }
        };
        let x = match x {
            Input::Value(v) => v,
            Input::Expr(e) | Input::Named(_, e) => self.expression(e, None),
        };
        let out = self.width(width);
        let Some(out) = out else { return Value::poison(span) };
        if x.poison {
            return x;
        }
        let row = self.row.map(|r| Axis::plain(r.axis));
        let Some(&(last, _)) = x.axes.last() else {
            return self.fail(messages::layer_scalar(function.span, x.span), span);
        };
        if Some(last) == row {
            let name = self.graph.axis_name(last);
            return self.fail(messages::layer_over_rows(function.span, x.span, &name), span);
        }
        if out != last && x.has(out) {
            let name = self.graph.axis_name(out);
            return self.fail(messages::axis_already(&name, width.span, x.span), span);
        }
        // dense(64) on an axis 64 is a map from that axis to its primed copy.
        let to = if out == last { out.primed() } else { out };
        let fan_in = self.graph.extent_of(last.id).max(1) as f64;
        let number = {
            let count = self.site.layers.entry("dense".into()).or_default();
            *count += 1;
            *count
        };
        let site = format!("{}.dense.{number}", self.site.name);
        let init = Init::Normal { mean: 0.0, sd: (1.0 / fan_in).sqrt() };
        let weight = self.layer_param(format!("{site}.weight"), &[last, to], init, span);
        let bias = self.layer_param(format!("{site}.bias"), &[out], Init::Constant(0.0), span);
        let product = self.graph.contract(x.node, weight, &[last]);
        let product = self.graph.rename(product, &[(to, out)]);
        let node = self.graph.add(product, bias);
        let mut axes: Vec<(Axis, Span)> = x.axes.iter().copied().filter(|a| a.0 != last).collect();
        axes.push((out, width.span));
        Value { axes, ..Value::scalar(node, Range::REAL, x.level.max(Level::Free), span) }
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
        if value.poison {
            return None;
        }
        match self.graph.constant_value(value.node).filter(|_| value.axes.is_empty()).map(whole_size) {
            Some(Some(size)) => Some(Axis::plain(self.numeric_axis(size, e.span))),
            Some(None) => {
                let v = self.graph.constant_value(value.node).unwrap_or(f64::NAN);
                self.report(messages::bad_size("", v, e.span));
                None
            }
            None => {
                self.report(messages::not_an_axis(e.span));
                None
            }
        }
    }

    fn layer_param(&mut self, name: String, axes: &[Axis], init: Init, span: Span) -> fe_graph::NodeId {
        let (input, node) = self.graph.input(&name, axes);
        let (axes, free) = (axes.to_vec(), axes.to_vec());
        self.found.params.push(Param { name, input, axes, free, node, support: Support::Real, init, span });
        node
    }
}
