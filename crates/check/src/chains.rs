//! `for t in T { … }`. The body is understood for all positions at once: `x[t]` is x along the axis, `x[t-1]` is x one
//! position on. Only a `let` that reads its own past becomes a loop, [`fe_graph::Graph::recur`].

use fe_graph::{Axis, Binary, NodeId};
use fe_syntax::Span;
use fe_syntax::ast::{BinaryOperator, Expr, ExprKind, Statement, StatementKind};

use crate::checker::Checker;
use crate::loops::Loop;
use crate::messages;
use crate::range::Range;
use crate::reads::{bare, offset_of};
use crate::value::{Level, Value};

/// A condition on the loop's position, as far as it says what is left of it.
enum Split {
    /// One position, and the others.
    At(usize),
    /// Those below, and the rest; the other way round where `flipped`.
    Below { end: usize, flipped: bool },
}

impl<'a> Checker<'a> {
    /// The statements of the program, those in loops with their loop.
    pub fn all_statements(&self) -> Vec<(&'a Statement, Option<&'a Statement>)> {
        let mut all = vec![];
        for statement in &self.ast.statements {
            match &statement.kind {
                StatementKind::For { body, .. } => all.extend(body.iter().map(|inner| (inner, Some(statement)))),
                _ => all.push((statement, None)),
            }
        }
        all
    }

    /// Runs with a loop around; `None` where the loop is not understood, which is said once.
    pub fn within<T>(&mut self, around: Option<&'a Statement>, f: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let Some(statement) = around else { return Some(f(self)) };
        let chain = match self.loops.known.iter().find(|l| l.0 == statement.span) {
            Some((_, chain)) => chain.clone(),
            None => {
                let chain = self.chain_of(statement);
                self.loops.known.push((statement.span, chain.clone()));
                chain
            }
        };
        let before = self.loops.current.replace(chain?);
        let result = f(self);
        self.loops.current = before;
        Some(result)
    }

    fn chain_of(&mut self, statement: &'a Statement) -> Option<Loop> {
        let StatementKind::For { variable, axis, from, .. } = &statement.kind else { return None };
        let [(whole, _)] = *self.axis_refs(std::slice::from_ref(axis))?.as_slice() else { return None };
        let from = match from {
            Some(e) => self.whole_number(e, "the start of a loop", 0)?,
            None => 0,
        };
        let extent = self.graph.extent_of(whole.id);
        let known = self.axes.entry(whole.id).is_some_and(|e| e.size.is_some());
        if known && from >= extent {
            let place = statement.span;
            self.report(messages::loop_is_empty(place, from, &self.graph.axis_name(whole), extent));
            return None;
        }
        let axis = if from == 0 {
            whole
        } else {
            let name = format!("{} from {from}", self.graph.axis_name(whole));
            Axis::plain(self.graph.add_axis(&name, extent.saturating_sub(from).max(1)))
        };
        let first = from as i64;
        Some(Loop { variable: variable.value.clone(), whole, axis, from: first, base: first, low: from, at: None })
    }

    /// The loop's variable as a value, where the name is that.
    pub fn position(&mut self, name: &str, span: Span) -> Option<Value> {
        let chain = self.loops.current.as_ref().filter(|c| c.variable == name && self.inlining.locals.is_empty())?;
        let (axis, from, at) = (chain.axis, chain.from, chain.at);
        if let Some(at) = at {
            return Some(self.literal(at as f64, None, span));
        }
        let node = self.positions(axis, from);
        let range = Range { whole: true, ..Range::POSITIVE };
        Some(Value { axes: vec![(axis, span)], ..Value::scalar(node, range, Level::Data, span) })
    }

    /// 0, 1, 2, … along an axis, moved by so many; not below 0.
    fn positions(&mut self, axis: Axis, by: i64) -> NodeId {
        let iota = self.graph.iota(axis);
        let offset = self.graph.constant(by as f64);
        let moved = self.graph.add(iota, offset);
        if by >= 0 {
            return moved;
        }
        let zero = self.graph.constant(0.0);
        self.graph.binary(Binary::Max, moved, zero)
    }

    /// Whether an expression names the loop's axis by its variable.
    pub fn loop_axis(&self, e: &Expr) -> Option<Axis> {
        let chain = self.loops.current.as_ref().filter(|_| self.inlining.locals.is_empty())?;
        (offset_of(e, &chain.variable) == Some(0)).then_some(chain.axis)
    }

    /// How far from the loop's position an index is, where it is one.
    pub fn step(&self, e: &Expr) -> Option<i64> {
        let chain = self.loops.current.as_ref().filter(|_| self.inlining.locals.is_empty())?;
        offset_of(e, &chain.variable)
    }

    /// A value at the loop's position, moved by so many.
    pub fn at_step(&mut self, value: Value, offset: i64, place: Span, span: Span) -> Value {
        let Some(chain) = self.loops.current.clone() else { return Value::poison(span) };
        let longer = self.loops.longer.iter().find(|l| l.0 == chain.whole.id).map(|l| (l.1, 0));
        let places = [Some((chain.axis, chain.base)), Some((chain.whole, 0)), longer];
        let found = places.into_iter().flatten().find(|p| value.has(p.0));
        let (axis, base) = found.unwrap_or((chain.whole, 0));
        if !value.has(axis) {
            let (name, have) = (self.graph.axis_name(axis), self.axis_names(&value.order()));
            return self.fail(messages::no_such_axis(&name, place, &have, value.span), span);
        }
        let end = base + self.graph.extent_of(axis.id) as i64;
        let (low, high) = match chain.at {
            Some(at) => (at as i64, at as i64),
            None => (chain.low as i64, self.graph.extent_of(chain.whole.id) as i64 - 1),
        };
        let known = self.axes.entry(chain.whole.id).is_some_and(|e| e.size.is_some());
        if low + offset < base || known && high + offset >= end {
            let name = self.graph.axis_name(if axis == chain.axis { chain.whole } else { axis });
            let reaches = if low + offset < base { low + offset } else { high + offset };
            let last = end - 1;
            let base = usize::try_from(base).unwrap_or(0);
            return self.fail(messages::time_outside(place, &chain.variable, offset, reaches, base, last, &name), span);
        }
        let by = chain.from + offset - base;
        if by == 0 && axis == chain.axis && (chain.at.is_none() || value.level == Level::Random) {
            return value;
        }
        // What is random is read by how far back it lies, so that it can be seen that it lies back.
        let (node, axes) = match chain.at.filter(|_| value.level < Level::Random) {
            Some(at) => (self.graph.constant((at as i64 + offset - base) as f64), vec![]),
            None => (self.positions(chain.axis, by), vec![(chain.axis, place)]),
        };
        let index = Value { axes, ..Value::scalar(node, Range::REAL, Level::Data, place) };
        let datum = value.datum;
        Value { datum, ..self.gathered(value, axis, &index, span) }
    }

    /// A condition on the loop's position: the value of the `if`, each branch understood for what is left to it.
    pub fn split(
        &mut self,
        condition: &Expr,
        then: &Expr,
        otherwise: &Expr,
        hint: Option<&[Axis]>,
        span: Span,
    ) -> Option<Value> {
        let chain = self.loops.current.clone().filter(|c| c.at.is_none() && self.inlining.locals.is_empty())?;
        let split = split_of(condition, &chain.variable)?;
        let extent = self.graph.extent_of(chain.whole.id);
        let branch = |c: &mut Self, e: &Expr, hint: Option<&[Axis]>, low: usize, at: Option<usize>| {
            c.loops.current = Some(Loop { low, at, ..chain.clone() });
            let value = c.expression(e, hint);
            c.loops.current = Some(chain.clone());
            value
        };
        let low = chain.low;
        let (test, first, second) = match split {
            // Never there: only the other branch counts.
            Split::At(at) if at < low || at >= extent => return Some(branch(self, otherwise, hint, low, None)),
            Split::At(at) => {
                let rest = if at == low { low + 1 } else { low };
                if rest >= extent {
                    return Some(branch(self, then, hint, low, Some(at)));
                }
                (BinaryOperator::Equal, (low, Some(at)), (rest, None))
            }
            Split::Below { end, flipped } => {
                if end <= low {
                    return Some(branch(self, if flipped { then } else { otherwise }, hint, low, None));
                }
                let (below, above) = ((low, None), (end, None));
                if flipped {
                    (BinaryOperator::GreaterEqual, above, below)
                } else {
                    (BinaryOperator::Less, below, above)
                }
            }
        };
        let number = match split {
            Split::At(at) => at,
            Split::Below { end, .. } => end,
        };
        let list = |e: &Expr| matches!(bare(e).kind.as_ref(), ExprKind::List(_));
        // A list takes its axes from the other branch, without the loop's.
        let plain = |v: &Value| -> Vec<Axis> { v.order().into_iter().filter(|a| *a != chain.axis).collect() };
        let (a, b) = if list(then) && !list(otherwise) {
            let b = branch(self, otherwise, hint, second.0, second.1);
            let order = plain(&b);
            (branch(self, then, if b.poison { hint } else { Some(&order) }, first.0, first.1), b)
        } else {
            let a = branch(self, then, hint, first.0, first.1);
            (a, branch(self, otherwise, hint, second.0, second.1))
        };
        if a.poison || b.poison {
            return Some(Value::poison(span));
        }
        let (a, b) = self.on_one_copy(a, b);
        let position = self.positions(chain.axis, chain.from);
        let limit = self.graph.constant(number as f64);
        let test = match test {
            BinaryOperator::Equal => self.graph.equal(position, limit),
            BinaryOperator::Less => self.graph.less(position, limit),
            _ => self.graph.less_equal(limit, position),
        };
        let node = self.graph.select(test, a.node, b.node);
        let mut axes = vec![(chain.axis, condition.span)];
        axes.extend(a.either(&b).into_iter().filter(|x| x.0 != chain.axis));
        let level = a.level.max(b.level).max(Level::Data);
        let along = a.along.filter(|_| a.along == b.along);
        Some(Value { axes, along, ..Value::scalar(node, a.range.hull(b.range), level, span) })
    }
}

/// What `t == c`, `t < c` and their like say of the position.
fn split_of(e: &Expr, variable: &str) -> Option<Split> {
    let ExprKind::Binary { operator, left, right } = bare(e).kind.as_ref() else { return None };
    let name = |e: &Expr| matches!(bare(e).kind.as_ref(), ExprKind::Name(n) if n == variable);
    let number = |e: &Expr| match bare(e).kind.as_ref() {
        ExprKind::Number { value, unit: None, .. } if value.fract() == 0.0 && (0.0..1e9).contains(value) => {
            Some(*value as usize)
        }
        _ => None,
    };
    use BinaryOperator as B;
    let (operator, c) = if name(left) {
        (operator.value, number(right)?)
    } else if name(right) {
        let turned = match operator.value {
            B::Less => B::Greater,
            B::LessEqual => B::GreaterEqual,
            B::Greater => B::Less,
            B::GreaterEqual => B::LessEqual,
            other => other,
        };
        (turned, number(left)?)
    } else {
        return None;
    };
    Some(match operator {
        B::Equal => Split::At(c),
        B::Less => Split::Below { end: c, flipped: false },
        B::LessEqual => Split::Below { end: c + 1, flipped: false },
        B::GreaterEqual => Split::Below { end: c, flipped: true },
        B::Greater => Split::Below { end: c + 1, flipped: true },
        _ => return None,
    })
}
