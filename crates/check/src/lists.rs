//! Lists: numbers or expressions side by side along declared axes.

use fe_graph::{Axis, NodeId, Tensor};
use fe_syntax::Span;
use fe_syntax::ast::{Expr, ExprKind, UnaryOperator};

use crate::checker::Checker;
use crate::messages;
use crate::polynomial;
use crate::range::Range;
use crate::reads::bare;
use crate::value::{Along, Level, Value};

impl<'a> Checker<'a> {
    /// `[a, b]`, over the axes of the hint.
    pub fn list(&mut self, items: &[Expr], hint: Option<&[Axis]>, span: Span) -> Value {
        let Some(axes) = hint.filter(|h| !h.is_empty()) else {
            if self.axes_unknown {
                return Value::poison(span);
            }
            return self.fail(messages::list_without_axes(span), span);
        };
        let Some((&axis, rest)) = axes.split_first() else { return Value::poison(span) };
        let (levels, plain) = levels(items, axes.len());
        if levels > axes.len() || (plain && levels < axes.len()) {
            let names = self.axis_names(axes);
            return self.fail(messages::list_rank(span, levels, &names), span);
        }
        let extent = self.graph.extent_of(axis.id);
        if self.axes.entry(axis.id).is_some_and(|e| e.size.is_some()) && extent != items.len() {
            let stated = self.axes.entry(axis.id).map(|e| e.stated);
            let name = self.graph.axis_name(axis);
            return self.fail(messages::list_length(span, items.len(), &name, extent, stated), span);
        }
        if let Some(value) = self.literal_list(items, axes, span) {
            return value;
        }
        let parts: Vec<Value> =
            items.iter().map(|item| self.expression(item, (!rest.is_empty()).then_some(rest))).collect();
        if parts.iter().any(|p| p.poison) {
            return Value::poison(span);
        }
        if let Some(unit) = parts.iter().find(|p| p.unit.is_some()) {
            let place = unit.span;
            return self.fail(messages::unit_here_any(place), span);
        }
        if let Some(flat) = parts.iter().find(|p| !rest.is_empty() && p.axes.is_empty() && p.level == Level::Constant) {
            let (place, names) = (flat.span, self.axis_names(axes));
            return self.fail(messages::list_rank(place, 1, &names), span);
        }
        let range = parts.iter().map(|p| p.range).reduce(Range::hull).unwrap_or(Range::REAL);
        let level = parts.iter().map(|p| p.level).max().unwrap_or(Level::Constant);
        let node = self.stack(&parts, axis);
        let mut value = Value { axes: vec![(axis, span)], ..Value::scalar(node, range, level, span) };
        for part in &parts {
            value.axes = value.joined(part);
        }
        if let Some(shared) = parts.iter().find(|p| p.has(axis)) {
            let name = self.graph.axis_name(axis);
            return self.fail(messages::list_shares_axis(shared.span, &name), span);
        }
        value.along = self.along_of_list(&parts, axis);
        value
    }

    /// What adds up in a list: its elements, as `[p, 1 - p]` do, or rows of it that each do.
    fn along_of_list(&self, parts: &[Value], axis: Axis) -> Option<Along> {
        if let Some(Along::Simplex(inner)) = parts.first().and_then(|p| p.along)
            && parts.iter().all(|p| p.along == Some(Along::Simplex(inner)))
        {
            return Some(Along::Simplex(inner));
        }
        let shares = parts.iter().all(|p| p.range.low >= 0.0);
        let nodes: Vec<NodeId> = parts.iter().map(|p| p.node).collect();
        (shares && polynomial::is_one(&self.graph, &nodes)).then_some(Along::Simplex(axis))
    }

    /// A list of nothing but numbers, as one literal.
    fn literal_list(&mut self, items: &[Expr], axes: &[Axis], span: Span) -> Option<Value> {
        let mut values = vec![];
        let shape = written_numbers(items, &mut values, axes.len())?;
        let mut order: Vec<usize> = (0..axes.len()).collect();
        order.sort_by_key(|&k| axes.get(k));
        let fits = shape.iter().zip(axes).all(|(&n, a)| self.graph.extent_of(a.id) == n);
        if shape.len() != axes.len() || !fits {
            return None;
        }
        let range = values.iter().map(|&v| Range::point(v)).reduce(Range::hull).unwrap_or(Range::REAL);
        let row = shape.last().copied().unwrap_or(1).max(1);
        let simplex = range.low >= 0.0 && values.chunks(row).all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        let tensor = Tensor::new(shape, values)?.permuted(&order)?;
        let node = self.graph.literal(tensor, axes);
        let along = axes.last().filter(|_| simplex).map(|&a| Along::Simplex(a));
        let axes = axes.iter().map(|&a| (a, span)).collect();
        Some(Value { axes, along, ..Value::scalar(node, range, Level::Constant, span) })
    }

    /// Elements side by side along a new axis.
    fn stack(&mut self, parts: &[Value], axis: Axis) -> NodeId {
        let at = self.graph.iota(axis);
        let mut result = self.graph.constant(0.0);
        for (k, part) in parts.iter().enumerate().rev() {
            let place = self.graph.constant(k as f64);
            let here = self.graph.equal(at, place);
            result = self.graph.select(here, part.node, result);
        }
        result
    }
}

/// How many levels of brackets a list has, and whether nothing but numbers stands in them.
fn levels(items: &[Expr], most: usize) -> (usize, bool) {
    let mut deepest = 0;
    let mut plain = true;
    for item in items {
        match bare(item).kind.as_ref() {
            ExprKind::List(inner) if most > 0 => {
                let (depth, numbers) = levels(inner, most - 1);
                deepest = deepest.max(depth);
                plain &= numbers;
            }
            ExprKind::List(_) => deepest = deepest.max(1),
            ExprKind::Number { .. } => {}
            ExprKind::Unary { operand, .. } => plain &= matches!(bare(operand).kind.as_ref(), ExprKind::Number { .. }),
            _ => plain = false,
        }
    }
    (deepest.saturating_add(1), plain)
}

/// The numbers of nested lists, row-major, and their shape.
fn written_numbers(items: &[Expr], values: &mut Vec<f64>, depth: usize) -> Option<Vec<usize>> {
    let mut inner: Option<Vec<usize>> = None;
    for item in items {
        let shape = match bare(item).kind.as_ref() {
            ExprKind::Number { value, unit: None, .. } => {
                values.push(*value);
                vec![]
            }
            ExprKind::Unary { operator, operand } if operator.value == UnaryOperator::Negate => {
                let ExprKind::Number { value, unit: None, .. } = bare(operand).kind.as_ref() else { return None };
                values.push(-value);
                vec![]
            }
            ExprKind::List(items) if depth > 1 => written_numbers(items, values, depth - 1)?,
            _ => return None,
        };
        if inner.as_ref().is_some_and(|first| *first != shape) {
            return None;
        }
        inner = Some(shape);
    }
    Some(std::iter::once(items.len()).chain(inner?).collect())
}
