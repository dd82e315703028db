//! Functions of whole arrays: transpose, eye, diag, onehot, slice, concat.

use fe_distribution::Support;
use fe_graph::{Axis, Binary};
use fe_syntax::Span;
use fe_syntax::ast::{ExprKind, Name};

use crate::checker::Checker;
use crate::functions::{Input, usage};
use crate::messages;
use crate::range::Range;
use crate::reads::bare;
use crate::value::{Along, Level, Value};

impl<'a> Checker<'a> {
    /// The order of declared axes turned round; names, not places, carry the meaning.
    pub fn transpose(&mut self, function: &Name, inputs: Vec<Input>, span: Span) -> Value {
        let Some([mut x]) = self.exactly(function, inputs, span) else { return Value::poison(span) };
        x.axes.reverse();
        // A square matrix over N and N' has to swap its elements too.
        if let [(a, _), (b, _)] = x.axes.as_slice()
            && a.id == b.id
        {
            let (a, b) = (*a, *b);
            x.node = self.graph.rename(x.node, &[(a, b), (b, a)]);
            x.axes.reverse();
        }
        Value { datum: None, ..x }
    }

    /// `eye(N)` over N and N'; `diag` of a vector, or of a square matrix.
    pub fn diagonal(&mut self, function: &Name, inputs: Vec<Input>, span: Span) -> Value {
        let Some([x]) = self.exactly(function, inputs, span) else { return Value::poison(span) };
        if x.poison && x.axis.is_none() {
            return x;
        }
        let place = x.span;
        let make = |c: &mut Self, axis: Axis| {
            let (i, j) = (c.graph.iota(axis), c.graph.iota(axis.primed()));
            c.graph.equal(i, j)
        };
        if function.value == "eye" {
            let axis = match (x.axis, self.graph.constant_value(x.node).and_then(crate::axes::whole_size)) {
                (Some(axis), _) => axis,
                (None, Some(size)) if x.axes.is_empty() => Axis::plain(self.numeric_axis(size, place)),
                _ => return self.fail(messages::not_an_axis(place), span),
            };
            let node = make(self, axis);
            let axes = vec![(axis, span), (axis.primed(), span)];
            return Value { axes, ..Value::scalar(node, Range::TRUTH, Level::Constant, span) };
        }
        match *x.axes.as_slice() {
            [(axis, s)] => {
                let eye = make(self, axis);
                let node = self.graph.mul(x.node, eye);
                let mut value = x.derived(node, x.range.hull(Range::point(0.0)), span);
                value.axes = vec![(axis, s), (axis.primed(), s)];
                value
            }
            [(a, s), (b, _)] if a.id == b.id => {
                let (i, j) = (self.graph.iota(a), self.graph.iota(b));
                let eye = self.graph.equal(i, j);
                let node = self.graph.contract(x.node, eye, &[b]);
                let mut value = x.derived(node, x.range, span);
                value.axes = vec![(a, s)];
                self.drop_primes(value)
            }
            _ => {
                let have = self.axis_names(&x.order());
                self.fail(messages::diag_axes(place, &have), span)
            }
        }
    }

    /// `cholesky(x)`: the lower factor of a square matrix over N and N'.
    pub fn cholesky(&mut self, function: &Name, inputs: Vec<Input>, span: Span) -> Value {
        let Some([x]) = self.exactly(function, inputs, span) else { return Value::poison(span) };
        if x.poison {
            return x;
        }
        let order = x.order();
        let square = order.iter().find_map(|&a| order.contains(&a.primed()).then_some((a, a.primed())));
        let Some((row, column)) = square else {
            let have = self.axis_names(&order);
            return self.fail(messages::diag_axes(x.span, &have), span);
        };
        let node = self.graph.cholesky(x.node, row, column);
        x.derived(node, Range::REAL, span)
    }

    /// `arange(N)`: 0, 1, 2, … along N.
    pub fn arange(&mut self, function: &Name, inputs: Vec<Input>, span: Span) -> Value {
        let Some([x]) = self.exactly(function, inputs, span) else { return Value::poison(span) };
        let axis = match (x.axis, self.graph.constant_value(x.node).and_then(crate::axes::whole_size)) {
            (Some(axis), _) => axis,
            _ if x.poison => return Value::poison(span),
            (None, Some(size)) if x.axes.is_empty() => Axis::plain(self.numeric_axis(size, x.span)),
            _ => return self.fail(messages::not_an_axis(x.span), span),
        };
        if self.row.is_some_and(|r| r.axis == axis.id && axis.primes == 0) {
            let name = self.graph.axis_name(axis);
            return self.fail(messages::numbers_of_rows(span, &name), span);
        }
        let node = self.graph.iota(axis);
        let known = self.axes.entry(axis.id).and_then(|e| e.size);
        let high = known.map_or(f64::INFINITY, |n| n as f64 - 1.0);
        let range = Range { low: 0.0, high, whole: true, ..Range::REAL };
        Value { axes: vec![(axis, span)], ..Value::scalar(node, range, Level::Constant, span) }
    }

    /// `dot(a, b)`: the sum of the products along the last axis, which both have; their other axes are matched by name.
    pub fn dot(&mut self, function: &Name, inputs: Vec<Input>, span: Span) -> Value {
        let Some([a, b]) = self.exactly(function, inputs, span) else { return Value::poison(span) };
        if a.poison || b.poison {
            return Value::poison(span);
        }
        let last = |v: &Value| v.axes.last().map(|x| x.0);
        let Some(axis) = last(&a).filter(|x| last(&b) == Some(*x)) else {
            let have = |v: &Value| (v.span, self.axis_names(&v.order()));
            return self.fail(messages::dot_axes(span, &have(&a), &have(&b)), span);
        };
        let node = self.graph.contract(a.node, b.node, &[axis]);
        let mut axes = a.joined(&b);
        axes.retain(|x| x.0 != axis);
        Value { axes, ..Value::scalar(node, a.range.mul(b.range).sum(), a.level.max(b.level), span) }
    }

    /// `solve(A, b)`: x of A x = b, for a square matrix over N and N' and b over N.
    pub fn solve(&mut self, function: &Name, inputs: Vec<Input>, span: Span) -> Value {
        let Some([a, b]) = self.exactly(function, inputs, span) else { return Value::poison(span) };
        if a.poison || b.poison {
            return Value::poison(span);
        }
        let order = a.order();
        let square = order.iter().find_map(|&x| order.contains(&x.primed()).then_some((x, x.primed())));
        let Some((row, column)) = square else {
            let have = self.axis_names(&order);
            return self.fail(messages::diag_axes(a.span, &have), span);
        };
        if !b.has(row) {
            let (name, have) = (self.graph.axis_name(row), self.axis_names(&b.order()));
            return self.fail(messages::no_such_axis(&name, span, &have, b.span), span);
        }
        let inverse = self.graph.inverse(a.node, row, column);
        // A private copy is summed over, so that a second matrix keeps its columns.
        let over = Axis::private(row.id);
        let left = self.graph.rename(inverse, &[(column, over)]);
        let right = self.graph.rename(b.node, &[(row, over)]);
        let node = self.graph.contract(left, right, &[over]);
        let mut axes = b.axes.clone();
        axes.extend(a.axes.iter().copied().filter(|x| x.0 != row && x.0 != column && !b.has(x.0)));
        Value { axes, ..Value::scalar(node, Range::REAL, a.level.max(b.level), span) }
    }

    /// `onehot(x, K)`: along K 1 at the place x, which is held within the axis, and 0 elsewhere.
    pub fn onehot(&mut self, function: &Name, inputs: Vec<Input>, span: Span) -> Value {
        // The second copy of an axis stands here too, as in `onehot(move, S')`.
        let primed = match inputs.as_slice() {
            [_, Input::Expr(e)] if matches!(bare(e).kind.as_ref(), ExprKind::Primed { .. }) => Some(*e),
            _ => None,
        };
        let (x, axis, place) = match primed {
            Some(e) => {
                let axis = self.axis(bare(e));
                let first = inputs.into_iter().take(1).collect();
                let Some([x]) = self.exactly::<1>(function, first, span) else { return Value::poison(span) };
                (x, axis, e.span)
            }
            None => {
                let Some([x, along]) = self.exactly::<2>(function, inputs, span) else { return Value::poison(span) };
                if along.axis.is_none() && !along.poison {
                    return self.fail(messages::not_an_axis(along.span), span);
                }
                (x, along.axis, along.span)
            }
        };
        let Some(axis) = axis.filter(|_| !x.poison) else { return Value::poison(span) };
        if x.has(axis) {
            let name = self.graph.axis_name(axis);
            return self.fail(messages::axis_already(&name, span, x.span), span);
        }
        let came = place;
        let (place, zero) = (self.graph.iota(axis), self.graph.constant(0.0));
        let last = self.graph.constant(self.graph.extent_of(axis.id) as f64 - 1.0);
        let within = self.graph.binary(Binary::Min, x.node, last);
        let within = self.graph.binary(Binary::Max, within, zero);
        let node = self.graph.equal(within, place);
        let axes = [x.axes.as_slice(), &[(axis, came)]].concat();
        let range = Range::of(Support::Bool);
        Value { axes, along: Some(Along::Simplex(axis)), ..Value::scalar(node, range, x.level, span) }
    }

    /// `slice(x, N, 0, 100)`: elements from 0 up to 100, over the axis named by their number.
    pub fn slice(&mut self, function: &Name, inputs: Vec<Input>, span: Span) -> Value {
        let numbers: Vec<Option<(f64, Span)>> = inputs
            .iter()
            .skip(2)
            .map(|i| match i {
                Input::Expr(e) => self.plain_number(e, "an end of a slice").map(|v| (v, e.span)),
                _ => None,
            })
            .collect();
        let first_two = inputs.iter().take(2).cloned().collect();
        if inputs.len() != 4 {
            return self.fail(messages::arity("slice", 4, inputs.len(), span, usage("slice")), span);
        }
        let Some([x, along]) = self.exactly::<2>(function, first_two, span) else { return Value::poison(span) };
        let (Some(Some(start)), Some(Some(end))) = (numbers.first().copied(), numbers.get(1).copied()) else {
            return Value::poison(span);
        };
        if x.poison {
            return x;
        }
        let Some(axis) = along.axis else { return self.fail(messages::not_an_axis(along.span), span) };
        if !x.has(axis) {
            let (missing, have) = (self.graph.axis_name(axis), self.axis_names(&x.order()));
            return self.fail(messages::no_such_axis(&missing, along.span, &have, x.span), span);
        }
        let extent = self.graph.extent_of(axis.id);
        let whole = |v: f64| v.fract() == 0.0 && v >= 0.0;
        let known = self.axes.entry(axis.id).is_some_and(|e| e.size.is_some());
        if !whole(start.0) || !whole(end.0) || end.0 <= start.0 || (known && end.0 > extent as f64) {
            let name = self.graph.axis_name(axis);
            return self.fail(messages::slice_ends(start.1.to(end.1), start.0, end.0, &name, extent), span);
        }
        let to = Axis::plain(self.numeric_axis((end.0 - start.0) as usize, end.1));
        if to == axis {
            return x;
        }
        if x.has(to) {
            let name = self.graph.axis_name(to);
            return self.fail(messages::axis_already(&name, span, x.span), span);
        }
        let node = self.graph.slice(x.node, axis, start.0 as usize, to);
        let axes = x.axes.iter().map(|&(a, s)| if a == axis { (to, end.1) } else { (a, s) }).collect();
        Value { node, axes, datum: None, index: x.index, ..x.derived(node, x.range, span) }
    }

    /// `concat(a, b, K)`: the last axes of a and b one behind the other. K names the result's axis, or an axis of both.
    pub fn concat(&mut self, function: &Name, inputs: Vec<Input>, span: Span) -> Value {
        let Some([a, b, along]) = self.exactly(function, inputs, span) else { return Value::poison(span) };
        if a.poison || b.poison {
            return Value::poison(span);
        }
        let Some(axis) = along.axis else { return self.fail(messages::not_an_axis(along.span), span) };
        let last = |v: &Value| if v.has(axis) { Some(axis) } else { v.axes.last().map(|a| a.0) };
        let (Some(x), Some(y)) = (last(&a), last(&b)) else {
            let scalar = if a.axes.is_empty() { a.span } else { b.span };
            return self.fail(messages::concat_scalar(scalar), span);
        };
        let total = self.graph.extent_of(x.id).saturating_add(self.graph.extent_of(y.id));
        let to = if a.has(axis) || b.has(axis) { Axis::plain(self.numeric_axis(total, along.span)) } else { axis };
        if self.graph.extent_of(to.id) != total {
            let (name, have) = (self.graph.axis_name(to), self.graph.extent_of(to.id));
            let part = |v: &Value, own: Axis| (v.span, self.graph.axis_name(own), self.graph.extent_of(own.id));
            let parts = [part(&a, x), part(&b, y)];
            let fits = |n: &&(Axis, Span)| n.0 != x && self.graph.extent_of(n.0.id) + parts[1].2 == have;
            let meant: Vec<String> = a.axes.iter().filter(fits).map(|n| self.graph.axis_name(n.0)).collect();
            return self.fail(messages::concat_size(along.span, (&name, have), parts, &meant), span);
        }
        let node = self.graph.concat((a.node, x), (b.node, y), to);
        let swap = |v: &Value, from: Axis| -> Vec<(Axis, Span)> {
            v.axes.iter().map(|&(n, s)| if n == from { (to, along.span) } else { (n, s) }).collect()
        };
        let left = Value { axes: swap(&a, x), ..a.clone() };
        let right = Value { axes: swap(&b, y), ..b.clone() };
        let level = a.level.max(b.level);
        Value { axes: left.joined(&right), ..Value::scalar(node, a.range.hull(b.range), level, span) }
    }
}
