//! Brackets: primed copies of axes, picks by index arrays and by numbers.

use fe_distribution::Support;
use fe_graph::{Axis, Op};
use fe_syntax::Span;
use fe_syntax::ast::{Expr, ExprKind};

use crate::checker::Checker;
use crate::messages;
use crate::range::Range;
use crate::reads::bare;
use crate::value::{Along, Level, Value};

impl<'a> Checker<'a> {
    /// `x[N']`, `m[c]`, `x[0]`.
    pub fn index(&mut self, value: &Expr, indices: &[Expr], span: Span) -> Value {
        let base = self.expression(value, None);
        let mut parts = vec![];
        for (place, index) in indices.iter().enumerate() {
            match bare(index).kind.as_ref() {
                ExprKind::Primed { .. } => match self.axis(bare(index)) {
                    Some(axis) => parts.push(Pick::Rename(axis, index.span)),
                    None => return Value::poison(span),
                },
                ExprKind::Text(text) => {
                    if base.poison {
                        return Value::poison(span);
                    }
                    match self.labelled(text, place, indices.len(), &base, index.span) {
                        Some((axis, picked)) => parts.push(Pick::Label(axis, picked)),
                        None => return Value::poison(span),
                    }
                }
                _ if self.step(index).is_some() => {
                    parts.push(Pick::Step(self.step(index).unwrap_or(0), index.span));
                }
                _ => {
                    let picked = self.expression(index, None);
                    if picked.poison && picked.axis.is_none() {
                        return Value::poison(span);
                    }
                    parts.push(match (picked.axis, picked.index) {
                        (Some(axis), _) => Pick::Rename(axis, index.span),
                        (None, Some(_)) => Pick::Gather(picked),
                        (None, None) => Pick::Place(place, picked),
                    });
                }
            }
        }
        if base.poison {
            return Value::poison(span);
        }
        let whole = base.clone();
        parts.into_iter().fold(base, |value, part| {
            if value.poison { value } else { self.pick(value, part, &whole, indices.len(), span) }
        })
    }

    fn pick(&mut self, value: Value, part: Pick, whole: &Value, count: usize, span: Span) -> Value {
        match part {
            Pick::Rename(axis, place) => {
                let Some(from) = value.axes.iter().map(|a| a.0).find(|a| a.id == axis.id) else {
                    // `s[T]`, the state after the last step.
                    let longer = self.loops.longer.iter().find(|l| l.0 == axis.id && axis.primes == 0).map(|l| l.1);
                    if let Some(longer) = longer.filter(|&l| value.has(l)) {
                        let last = self.graph.constant(self.graph.extent_of(axis.id) as f64);
                        let index = Value::scalar(last, Range::POSITIVE, Level::Constant, place);
                        return self.gathered(value, longer, &index, span);
                    }
                    let (name, have) = (self.graph.axis_name(axis), self.axis_names(&whole.order()));
                    return self.fail(messages::no_such_axis(&name, place, &have, whole.span), span);
                };
                if from == axis || value.has(axis) {
                    return value;
                }
                let node = self.graph.rename(value.node, &[(from, axis)]);
                let axes = value.axes.iter().map(|&(a, s)| if a == from { (axis, place) } else { (a, s) }).collect();
                let along = value.along.filter(|a| !matches!(a, Along::Parts(..)));
                let along = along.map(|a| a.on(|x| if x == from { axis } else { x }));
                Value { node, axes, along, datum: None, ..value }
            }
            Pick::Step(offset, place) => self.at_step(value, offset, place, span),
            Pick::Gather(index) => {
                let along = index.index.map(Axis::plain);
                let Some(axis) = along.filter(|&a| value.has(a)) else {
                    let name = along.map(|a| self.graph.axis_name(a)).unwrap_or_default();
                    let have = self.axis_names(&whole.order());
                    return self.fail(messages::no_such_axis(&name, index.span, &have, whole.span), span);
                };
                self.gathered(value, axis, &index, span)
            }
            Pick::Label(axis, index) => self.gathered(value, axis, &index, span),
            Pick::Place(place, index) => {
                let number = self.graph.constant_value(index.node);
                if whole.axes.is_empty() {
                    return self.fail(messages::index_scalar(span, whole.span), span);
                }
                let (Some(&(axis, _)), true) = (whole.axes.get(place), count == whole.axes.len()) else {
                    if number.is_none() {
                        return self.fail(messages::index_type(index.span), span);
                    }
                    let have = self.axis_names(&whole.order());
                    return self.fail(messages::index_count(span, count, &have), span);
                };
                let Some(k) = number else {
                    return match self.counted_along(axis, &index) {
                        Some(index) => self.gathered(value, axis, &index, span),
                        None => Value::poison(span),
                    };
                };
                let extent = self.graph.extent_of(axis.id);
                let known = self.axes.entry(axis.id).is_some_and(|e| e.size.is_some());
                if k.fract() != 0.0 || k < 0.0 || (known && k >= extent as f64) {
                    let name = self.graph.axis_name(axis);
                    return self.fail(messages::index_outside(index.span, k, &name, extent), span);
                }
                self.gathered(value, axis, &index, span)
            }
        }
    }

    /// An array of whole numbers that is in the place of an axis, as an index along it: a list, which is looked at, or data,
    /// which are checked while loading. Anything else is reported.
    fn counted_along(&mut self, axis: Axis, index: &Value) -> Option<Value> {
        let extent = self.graph.extent_of(axis.id);
        let along = Value { index: Some(axis.id), ..index.clone() };
        if let (Op::Literal(tensor), true) = (&self.graph.node(index.node).op, index.range.whole) {
            let outside = tensor.values.iter().copied().find(|&v| v < 0.0 || v >= extent as f64);
            let Some(outside) = outside else { return Some(along) };
            let name = self.graph.axis_name(axis);
            self.report(messages::index_outside(index.span, outside, &name, extent));
            return None;
        }
        let datum = index.datum.and_then(|k| self.found.data.get_mut(k)).filter(|d| !d.optional);
        if let Some(datum) = datum {
            if matches!(datum.support, Support::Real | Support::Count) {
                datum.support = Support::Index(extent);
            }
            if matches!(datum.support, Support::Index(n) if n <= extent) {
                return Some(along);
            }
        }
        self.report(messages::index_type(index.span));
        None
    }

    pub(crate) fn gathered(&mut self, value: Value, axis: Axis, index: &Value, span: Span) -> Value {
        let node = self.graph.gather(value.node, index.node, axis);
        let mut axes = vec![];
        for &(a, s) in &value.axes {
            let comes: Vec<(Axis, Span)> = if a == axis { index.axes.clone() } else { vec![(a, s)] };
            for c in comes {
                if !axes.iter().any(|x: &(Axis, Span)| x.0 == c.0) {
                    axes.push(c);
                }
            }
        }
        let level = value.level.max(index.level);
        // What parts add up to would have to be picked too.
        let along = value.along.filter(|a| a.axis() != axis && !matches!(a, Along::Parts(..)));
        Value { axes, index: value.index, along, ..Value::scalar(node, value.range, level, span) }
    }
}

/// What one index does.
enum Pick {
    /// `x[N']`, or `x[N]`, which changes nothing.
    Rename(Axis, Span),
    /// By an `index(J)` array.
    Gather(Value),
    /// `a["gentoo"]`: an element by its name.
    Label(Axis, Value),
    /// `x[t-1]`: so many positions from the loop's.
    Step(i64, Span),
    /// By a number, at its place.
    Place(usize, Value),
}
