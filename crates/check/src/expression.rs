//! Elaboration of expressions: operators, `if`, lists, indexing, pipes.

use fe_distribution::Support;
use fe_graph::{Axis, Unary};
use fe_syntax::Span;
use fe_syntax::ast::{BinaryOperator, Expr, ExprKind, Name, UnaryOperator};

use crate::checker::Checker;
use crate::functions::Input;
use crate::kind::Kind;
use crate::messages;
use crate::range::Range;
use crate::reads::bare;
use crate::scope::nearest;
use crate::value::{Along, Value};

/// Whether an operator compares.
pub(crate) fn compares(op: BinaryOperator) -> bool {
    use BinaryOperator as B;
    matches!(op, B::Equal | B::NotEqual | B::Less | B::LessEqual | B::Greater | B::GreaterEqual)
}

/// How deep expressions may nest.
pub(crate) const DEEPEST: usize = 150;

impl<'a> Checker<'a> {
    /// The value of an expression. `hint` gives a list its axes.
    pub fn expression(&mut self, e: &Expr, hint: Option<&[Axis]>) -> Value {
        if let Some((_, value)) = self.source_value.as_ref().filter(|s| s.0 == e.span) {
            return value.clone();
        }
        if self.inlining.depth >= DEEPEST {
            return self.fail(messages::too_deep(e.span), e.span);
        }
        self.inlining.depth += 1;
        let mut value = self.expression_within(e, hint);
        self.inlining.depth -= 1;
        value.span = e.span;
        value
    }

    fn expression_within(&mut self, e: &Expr, hint: Option<&[Axis]>) -> Value {
        let span = e.span;
        match e.kind.as_ref() {
            ExprKind::Parenthesised(inner) => self.expression(inner, hint),
            ExprKind::Number { value, unit, .. } => self.literal(*value, unit.as_ref().map(|u| &u.value), span),
            ExprKind::Name(name) => self.name(name, span),
            ExprKind::Primed { name, .. } => match self.scope.get(&name.value) {
                Some(entry) if entry.kind == Kind::Unknown => Value::poison(span),
                None if self.said.unknown.contains(&name.value) => Value::poison(span),
                None => match self.axis_but_for_case(&name.value) {
                    Some(axis) => {
                        self.said.unknown.insert(name.value.clone());
                        self.fail(messages::place_as_value(&format!("{}'", name.value), span, axis), span)
                    }
                    None => self.fail(messages::primed_value(&name.value, span), span),
                },
                _ => self.fail(messages::primed_value(&name.value, span), span),
            },
            ExprKind::Text(_) => self.fail(messages::text_here(span), span),
            ExprKind::List(items) => self.list(items, hint, span),
            ExprKind::Unary { operator, operand } => {
                let before = self.enter(span);
                let value = self.expression(operand, hint);
                let value = self.unary(operator.value, value, span);
                self.leave(before);
                value
            }
            ExprKind::Binary { .. } => self.chain_of_operators(e, hint),
            ExprKind::Pipe { .. } => self.pipeline(e),
            ExprKind::If { condition, then, otherwise } => {
                let before = self.enter(span);
                let value = self.conditional(condition, then, otherwise, hint, span);
                self.leave(before);
                value
            }
            ExprKind::Index { value, indices } => {
                let before = self.enter(span);
                let value = self.index(value, indices, span);
                self.leave(before);
                value
            }
            ExprKind::Call { function, arguments } => {
                let before = self.enter(span);
                let inputs = arguments.iter().map(Input::from).collect();
                let value = self.call(function, inputs, span);
                self.leave(before);
                value
            }
            ExprKind::Shape { function, .. } => {
                self.fail(messages::layer_without_input("as", function.span, "as[3, 32, 32]"), span)
            }
            ExprKind::Clause { word, .. } => self.fail(messages::clause_here(word.written(), span), span),
            ExprKind::Error => {
                self.said.incomplete = true;
                Value::poison(span)
            }
        }
    }

    /// A name: an argument of the function being inlined, or a declaration.
    fn name(&mut self, name: &str, span: Span) -> Value {
        if let Some(value) = self.inlining.locals.last().and_then(|l| l.get(name)) {
            return Value { span, ..value.clone() };
        }
        if let Some(position) = self.position(name, span) {
            return position;
        }
        if self.scope.get(name).is_some_and(|e| e.kind == Kind::Fn) {
            let declared = self.scope.get(name).map(|e| e.span);
            return self.fail(messages::function_as_value(name, span, declared), span);
        }
        if let Some(value) = self.values.get(name) {
            let mut value = value.clone();
            if let Some(datum) = value.datum.and_then(|k| self.found.data.get(k)).filter(|d| d.optional) {
                if self.observed.as_deref() == Some(name) {
                    return self.filled(value, span);
                }
                let (named, declared) = (datum.name.clone(), datum.span);
                if let Some(imputed) = self.imputed(&value, name, span) {
                    return imputed;
                }
                return self.fail(messages::missing_elsewhere(&named, span, declared), span);
            }
            // An axis comes in where the name stands, not where it was declared.
            value.axes.iter_mut().for_each(|a| a.1 = span);
            return Value { span, ..value };
        }
        match self.scope.get(name) {
            Some(_) => Value::poison(span),
            None if name == "pi" => self.literal(std::f64::consts::PI, None, span),
            None => {
                if !self.said.unknown.insert(name.to_owned()) {
                    return Value::poison(span);
                }
                if crate::functions::is_function(name) {
                    return self.fail(messages::function_as_value(name, span, None), span);
                }
                if let Some(axis) = self.axis_but_for_case(name) {
                    return self.fail(messages::place_as_value(name, span, axis), span);
                }
                let locals: Vec<String> = self.inlining.locals.last().iter().flat_map(|l| l.keys().cloned()).collect();
                let known = self.scope.names(|k| k != Kind::Unknown).chain(locals.iter().map(String::as_str));
                let near = nearest(name, known).map(str::to_owned);
                let near = near.map(|n| (self.scope.get(&n).map(|e| e.span), n));
                self.fail(messages::unknown_name(name, span, near), span)
            }
        }
    }

    /// The axis that a name is but for its case, `K` of `k`, and where it is declared.
    fn axis_but_for_case(&self, name: &str) -> Option<(String, Span)> {
        let lower = name.chars().all(|c| !c.is_uppercase());
        let mut axes = self.scope.names(|k| matches!(k, Kind::Dim | Kind::DataAxis));
        let axis = axes.find(|axis| lower && axis.to_lowercase() == name)?.to_owned();
        let declared = self.scope.get(&axis)?.span;
        Some((axis, declared))
    }

    /// Data that may be missing, in their own likelihood: any value stands where one is missing, as that term is left out.
    fn filled(&mut self, value: Value, span: Span) -> Value {
        let support = value.datum.and_then(|k| self.found.data.get(k)).map_or(Support::Real, |d| d.support);
        let there = self.graph.equal(value.node, value.node);
        let any = self.graph.constant(support.inner_value());
        let node = self.graph.select(there, value.node, any);
        let mut filled = Value { index: value.index, ..value.derived(node, value.range, span) };
        filled.axes.iter_mut().for_each(|a| a.1 = span);
        filled
    }

    /// A left spine of binary operators, without recursion along it.
    fn chain_of_operators(&mut self, e: &Expr, hint: Option<&[Axis]>) -> Value {
        let mut spine = vec![];
        let mut at = e;
        while let ExprKind::Binary { operator, left, right } = at.kind.as_ref() {
            spine.push((at.span, operator, right));
            at = left;
        }
        let first_matmul = spine.last().is_some_and(|s| s.1.value == BinaryOperator::MatMul);
        // A text is looked up among the levels of what it is compared with.
        let mut text = match bare(at).kind.as_ref() {
            ExprKind::Text(text) if spine.last().is_some_and(|s| compares(s.1.value)) => Some(text.as_str()),
            _ => None,
        };
        let mut value = match text {
            Some(_) => Value { span: at.span, ..Value::poison(at.span) },
            None => self.expression(at, if first_matmul { None } else { hint }),
        };
        for (span, operator, right) in spine.into_iter().rev() {
            let before = self.enter(span);
            if compares(operator.value)
                && let Some(found) =
                    self.compared_with_text(operator.value, &value, text.take(), right, (operator.span, span))
            {
                value = Value { span, ..found };
                self.leave(before);
                continue;
            }
            let matmul = operator.value == BinaryOperator::MatMul;
            let right = self.expression(right, if matmul { None } else { hint });
            value = if matmul {
                self.matmul(value, right, operator.span, span)
            } else {
                self.binary(operator.value, value, right, operator.span, span)
            };
            value.span = span;
            self.leave(before);
        }
        value
    }

    /// A left spine of pipes, without recursion along it.
    fn pipeline(&mut self, e: &Expr) -> Value {
        let mut spine = vec![];
        let mut at = e;
        let source = self.source_value.as_ref().map(|s| s.0);
        while let ExprKind::Pipe { value, into } = at.kind.as_ref()
            && source != Some(at.span)
        {
            spine.push((at.span, into));
            at = value;
        }
        let mut value = self.expression(at, None);
        for (span, into) in spine.into_iter().rev() {
            let before = self.enter(span);
            value = match bare(into).kind.as_ref() {
                ExprKind::Name(name) => {
                    let function = Name::new(name.clone(), into.span);
                    self.call(&function, vec![Input::Value(value)], span)
                }
                ExprKind::Call { function, arguments } => {
                    let inputs = std::iter::once(Input::Value(value)).chain(arguments.iter().map(Input::from));
                    self.call(function, inputs.collect(), span)
                }
                ExprKind::Shape { function, sizes } => self.reshaped(value, function, sizes, span),
                ExprKind::Error => {
                    self.said.incomplete = true;
                    Value::poison(span)
                }
                // The parser has offered both readings of an operator behind a pipe.
                ExprKind::Binary { .. } => {
                    self.said.incomplete = true;
                    Value::poison(span)
                }
                _ => self.fail(messages::pipe_into(into.span), span),
            };
            value.span = span;
            self.leave(before);
        }
        value
    }

    fn unary(&mut self, operator: UnaryOperator, value: Value, span: Span) -> Value {
        if value.poison {
            return value;
        }
        match operator {
            UnaryOperator::Negate => {
                let node = self.graph.neg(value.node);
                Value { unit: value.unit.clone(), ..value.derived(node, value.range.neg(), span) }
            }
            UnaryOperator::Not => {
                let Some(value) = self.truth(value) else { return Value::poison(span) };
                let one = self.graph.constant(1.0);
                let node = self.graph.sub(one, value.node);
                value.derived(node, Range::TRUTH, span)
            }
        }
    }

    /// A value that is 0 or 1.
    pub(crate) fn truth(&mut self, value: Value) -> Option<Value> {
        if value.poison {
            return None;
        }
        if value.range.within(Support::Bool) {
            return Some(value);
        }
        // Data are checked while loading.
        if let Some(datum) = value.datum.and_then(|k| self.found.data.get_mut(k))
            && datum.support == Support::Real
        {
            datum.support = Support::Bool;
            return Some(value);
        }
        self.report(messages::not_a_truth(value.span));
        None
    }

    fn binary(&mut self, op: BinaryOperator, a: Value, b: Value, at: Span, span: Span) -> Value {
        use BinaryOperator as B;
        if a.poison || b.poison {
            return Value::poison(span);
        }
        if a.unit.is_some() || b.unit.is_some() {
            return self.with_units(op, &a, &b, at, span);
        }
        let (x, y) = (a.range, b.range);
        let (node, range) = match op {
            B::Add => {
                self.residual(&a, &b);
                (self.graph.add(a.node, b.node), x.add(y))
            }
            B::Subtract => (self.graph.sub(a.node, b.node), x.sub(y)),
            // x · x is x², wherever it came from.
            B::Multiply if a.node == b.node => (self.graph.mul(a.node, b.node), x.square()),
            B::Multiply => (self.graph.mul(a.node, b.node), x.mul(y)),
            B::Divide => {
                if self.graph.constant_value(b.node) == Some(0.0) {
                    return self.fail(messages::division_by_zero(b.span), span);
                }
                (self.graph.div(a.node, b.node), x.div(y))
            }
            B::Power => (self.graph.pow(a.node, b.node), x.power(self.graph.constant_value(b.node))),
            B::Less => (self.graph.less(a.node, b.node), Range::TRUTH),
            B::Greater => (self.graph.less(b.node, a.node), Range::TRUTH),
            B::LessEqual => (self.graph.less_equal(a.node, b.node), Range::TRUTH),
            B::GreaterEqual => (self.graph.less_equal(b.node, a.node), Range::TRUTH),
            B::Equal => (self.graph.equal(a.node, b.node), Range::TRUTH),
            B::NotEqual => {
                let same = self.graph.equal(a.node, b.node);
                let one = self.graph.constant(1.0);
                (self.graph.sub(one, same), Range::TRUTH)
            }
            B::And | B::Or => {
                let (Some(a), Some(b)) = (self.truth(a.clone()), self.truth(b.clone())) else {
                    return Value::poison(span);
                };
                let both = self.graph.mul(a.node, b.node);
                if op == B::And {
                    (both, Range::TRUTH)
                } else {
                    let sum = self.graph.add(a.node, b.node);
                    (self.graph.sub(sum, both), Range::TRUTH)
                }
            }
            B::MatMul => return self.matmul(a, b, at, span),
        };
        let range = self.graph.constant_value(node).map_or(range, Range::point);
        let level = a.level.max(b.level);
        let along = self.mixed(op, &a, &b);
        Value { axes: a.joined(&b), along, ..Value::scalar(node, range, level, span) }
    }

    /// Quantities with units add up with their like and scale by bare numbers.
    fn with_units(&mut self, op: BinaryOperator, a: &Value, b: &Value, at: Span, span: Span) -> Value {
        use BinaryOperator as B;
        let (node, unit) = match (op, &a.unit, &b.unit) {
            (B::Add, x, y) if x == y => (self.graph.add(a.node, b.node), a.unit.clone()),
            (B::Subtract, x, y) if x == y => (self.graph.sub(a.node, b.node), a.unit.clone()),
            (B::Multiply, _, None) => (self.graph.mul(a.node, b.node), a.unit.clone()),
            (B::Multiply, None, _) => (self.graph.mul(a.node, b.node), b.unit.clone()),
            (B::Divide, _, None) => (self.graph.div(a.node, b.node), a.unit.clone()),
            (B::Divide, x, y) if x == y => (self.graph.div(a.node, b.node), None),
            _ => return self.fail(messages::units_differ(at, a, b), span),
        };
        let range = self.graph.constant_value(node).map_or(Range::REAL, Range::point);
        Value { unit, axes: a.joined(b), ..Value::scalar(node, range, a.level.max(b.level), span) }
    }

    /// Sums over the last axis of a and the first of b.
    fn matmul(&mut self, a: Value, b: Value, at: Span, span: Span) -> Value {
        if a.poison || b.poison {
            return Value::poison(span);
        }
        let (Some(&(last, _)), Some(&(first, _))) = (a.axes.last(), b.axes.first()) else {
            let scalar = if a.axes.is_empty() { &a } else { &b };
            return self.fail(messages::matmul_scalar(at, scalar.span), span);
        };
        let describe = |c: &Self, v: &Value| (v.span, c.axis_names(&v.order()));
        if last.id != first.id {
            let (left, right) = (describe(self, &a), describe(self, &b));
            let names = (self.graph.axis_name(last), self.graph.axis_name(first));
            let fix = if b.axes.last().is_some_and(|l| l.0.id == last.id) { Some("transpose") } else { None };
            return self.fail(messages::matmul_axes(at, &left, &right, &names, fix), span);
        }
        let rest_a: Vec<(Axis, Span)> = a.axes.iter().copied().filter(|x| x.0 != last).collect();
        let rest_b: Vec<(Axis, Span)> = b.axes.iter().copied().filter(|x| x.0 != first).collect();
        if let Some(common) = rest_a.iter().find(|x| rest_b.iter().any(|y| y.0 == x.0)) {
            let (left, right) = (describe(self, &a), describe(self, &b));
            let (shared, summed) = (self.graph.axis_name(common.0), self.graph.axis_name(last));
            return self.fail(messages::matmul_shared(at, &left, &right, &shared, &summed), span);
        }
        let (x, y, over) = if last == first {
            (a.node, b.node, last)
        } else {
            // A private copy, so that neither operand's other axes are met.
            let over = Axis::private(last.id);
            (self.graph.rename(a.node, &[(last, over)]), self.graph.rename(b.node, &[(first, over)]), over)
        };
        let node = self.graph.contract(x, y, &[over]);
        let range = a.range.mul(b.range).sum();
        let axes = rest_a.into_iter().chain(rest_b).collect();
        // Simplexes that are mixed by shares.
        let shares = a.along == Some(Along::Simplex(last));
        let along = b.along.filter(|x| shares && matches!(x, Along::Simplex(axis) if *axis != first));
        let value = Value { axes, along, ..Value::scalar(node, range, a.level.max(b.level), span) };
        self.drop_primes(value)
    }

    fn conditional(
        &mut self,
        condition: &Expr,
        then: &Expr,
        otherwise: &Expr,
        hint: Option<&[Axis]>,
        span: Span,
    ) -> Value {
        if let Some(value) = self.split(condition, then, otherwise, hint, span) {
            return value;
        }
        let condition = self.expression(condition, None);
        let Some(condition) = self.truth(condition) else {
            self.expression(then, hint);
            self.expression(otherwise, hint);
            return Value::poison(span);
        };
        if let Some(known) = self.graph.constant_value(condition.node) {
            let (taken, left) = if known != 0.0 { (then, otherwise) } else { (otherwise, then) };
            let taken = self.expression(taken, hint);
            return self.over_both(taken, left, hint);
        }
        // A list takes its axes from the other branch.
        let list = |e: &Expr| matches!(bare(e).kind.as_ref(), ExprKind::List(_));
        let (a, b) = if list(then) && !list(otherwise) {
            let b = self.expression(otherwise, hint);
            let order = b.order();
            (self.expression(then, if b.poison { hint } else { Some(&order) }), b)
        } else {
            let a = self.expression(then, hint);
            let order = a.order();
            let from = if list(otherwise) && !list(then) && !a.poison { Some(order.as_slice()) } else { hint };
            let b = self.expression(otherwise, from);
            (a, b)
        };
        if a.poison || b.poison {
            return Value::poison(span);
        }
        let (a, b) = self.on_one_copy(a, b);
        let node = self.graph.select(condition.node, a.node, b.node);
        let axes = condition.joined(&Value { axes: a.either(&b), ..a.clone() });
        let level = condition.level.max(a.level).max(b.level);
        // Where the condition picks whole vectors, they stay what they both are.
        let along = a.along.filter(|x| a.along == b.along && !condition.has(x.axis()));
        Value { axes, along, ..Value::scalar(node, a.range.hull(b.range), level, span) }
    }

    /// The branch that a constant takes, over the axes of the other one too: else what is summed would change with the constant.
    /// Only where the other is arithmetic, which makes nothing and refuses nothing that it would not refuse elsewhere.
    fn over_both(&mut self, taken: Value, left: &Expr, hint: Option<&[Axis]>) -> Value {
        if taken.poison || !self.is_arithmetic(left) {
            return taken;
        }
        let left = self.expression(left, hint);
        let axes = taken.either(&left);
        if left.poison || axes.len() == taken.axes.len() {
            return taken;
        }
        let (taken, _) = self.on_one_copy(taken, left);
        let order: Vec<Axis> = axes.iter().map(|a| a.0).collect();
        let node = self.graph.broadcast(taken.node, &fe_graph::axis::sorted(&order));
        Value { node, axes, ..taken }
    }

    /// Names that are declared, and numbers, added and multiplied element by element.
    fn is_arithmetic(&self, e: &Expr) -> bool {
        match e.kind.as_ref() {
            ExprKind::Name(name) => self.scope.get(name).is_some(),
            ExprKind::Number { .. } => true,
            ExprKind::Parenthesised(inner) => self.is_arithmetic(inner),
            ExprKind::Unary { operand, .. } => self.is_arithmetic(operand),
            ExprKind::Binary { operator, left, right } => {
                let plain = [BinaryOperator::Add, BinaryOperator::Subtract, BinaryOperator::Multiply];
                plain.contains(&operator.value) && self.is_arithmetic(left) && self.is_arithmetic(right)
            }
            _ => false,
        }
    }

    /// An element-wise function of one argument.
    pub fn elementwise(&mut self, op: Unary, x: &Value, range: Range, span: Span) -> Value {
        let node = self.graph.unary(op, x.node);
        let range = self.graph.constant_value(node).map_or(range, Range::point);
        x.derived(node, range, span)
    }
}
