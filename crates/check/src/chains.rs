//! `for t in T { … }`. The body is understood for all positions at once: `x[t]` is x along the axis, `x[t-1]` is x one
//! position on. Only a `let` that reads its own past becomes a loop, [`fe_graph::Graph::recur`].

use std::collections::HashMap;

use fe_distribution::Support;
use fe_graph::{Axis, Binary, NodeId, Recurrence};
use fe_syntax::Span;
use fe_syntax::ast::{BinaryOperator, Declaration, Expr, ExprKind, Statement, StatementKind};

use crate::checker::Checker;
use crate::messages;
use crate::range::Range;
use crate::scope::{bare, expression_reads, parts};
use crate::value::{Level, Value};

/// The loop around the statement at hand.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    /// `t`
    pub variable: String,
    /// The axis it runs over.
    pub whole: Axis,
    /// The axis of its positions: the same, or, where it starts later, one of its own.
    pub axis: Axis,
    /// The first position.
    pub from: usize,
    /// The least position that is left after the conditions around.
    low: usize,
    /// The position, where a condition fixes it.
    at: Option<usize>,
    /// Values that read their own past, while they are worked out: their axes, and what stands for them 1, 2, …
    /// positions earlier.
    past: HashMap<String, Past>,
}

/// The axes of a value that reads its own past, what stands for it 1, 2, … positions earlier, and what is known of that.
type Past = (Vec<(Axis, Span)>, Vec<NodeId>, Range);

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
        let chain = match self.loops.iter().find(|l| l.0 == statement.span) {
            Some((_, chain)) => chain.clone(),
            None => {
                let chain = self.chain_of(statement);
                self.loops.push((statement.span, chain.clone()));
                chain
            }
        };
        let before = self.chain.replace(chain?);
        let result = f(self);
        self.chain = before;
        Some(result)
    }

    fn chain_of(&mut self, statement: &'a Statement) -> Option<Chain> {
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
        Some(Chain { variable: variable.value.clone(), whole, axis, from, low: from, at: None, past: HashMap::new() })
    }

    /// The loop's variable as a value, where the name is that.
    pub fn position(&mut self, name: &str, span: Span) -> Option<Value> {
        let chain = self.chain.as_ref().filter(|c| c.variable == name && self.locals.is_empty())?;
        let (axis, from, at) = (chain.axis, chain.from, chain.at);
        if let Some(at) = at {
            return Some(self.literal(at as f64, None, span));
        }
        let node = self.positions(axis, from as i64);
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
        let chain = self.chain.as_ref().filter(|_| self.locals.is_empty())?;
        (offset_of(e, &chain.variable) == Some(0)).then_some(chain.axis)
    }

    /// How far from the loop's position an index is, where it is one.
    pub fn step(&self, e: &Expr) -> Option<i64> {
        let chain = self.chain.as_ref().filter(|_| self.locals.is_empty())?;
        offset_of(e, &chain.variable)
    }

    /// What stands for a value's own past, where it is being worked out.
    pub fn past(&self, e: &Expr, indices: &[Expr]) -> Option<Value> {
        let chain = self.chain.as_ref().filter(|c| c.at.is_none())?;
        let ExprKind::Name(name) = bare(e).kind.as_ref() else { return None };
        let (axes, lagged, range) = chain.past.get(name)?;
        let offset = indices.iter().find_map(|i| self.step(i))?;
        let node = *lagged.get(usize::try_from(-offset).ok()?.checked_sub(1)?)?;
        Some(Value { axes: axes.clone(), ..Value::scalar(node, *range, Level::Random, e.span) })
    }

    /// A value at the loop's position, moved by so many.
    pub fn at_step(&mut self, value: Value, offset: i64, place: Span, span: Span) -> Value {
        let Some(chain) = self.chain.clone() else { return Value::poison(span) };
        let own = value.has(chain.axis);
        let (axis, base) = if own { (chain.axis, chain.from) } else { (chain.whole, 0) };
        if !value.has(axis) {
            let (name, have) = (self.graph.axis_name(axis), self.axis_names(&value.order()));
            return self.fail(messages::no_such_axis(&name, place, &have, value.span), span);
        }
        let extent = self.graph.extent_of(chain.whole.id) as i64;
        let (low, high) = match chain.at {
            Some(at) => (at as i64, at as i64),
            None => (chain.low as i64, extent - 1),
        };
        let known = self.axes.entry(chain.whole.id).is_some_and(|e| e.size.is_some());
        if low + offset < base as i64 || known && high + offset >= extent {
            let name = self.graph.axis_name(chain.whole);
            let reaches = if low + offset < base as i64 { low + offset } else { high + offset };
            let last = extent - 1;
            return self.fail(messages::time_outside(place, &chain.variable, offset, reaches, base, last, &name), span);
        }
        if offset == 0 && axis == chain.axis && chain.at.is_none() {
            return value;
        }
        let (node, axes) = match chain.at {
            Some(at) => (self.graph.constant((at as i64 + offset - base as i64) as f64), vec![]),
            None => {
                let by = chain.from as i64 + offset - base as i64;
                (self.positions(chain.axis, by), vec![(chain.axis, place)])
            }
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
        let chain = self.chain.clone().filter(|c| c.at.is_none() && self.locals.is_empty())?;
        let split = split_of(condition, &chain.variable)?;
        let extent = self.graph.extent_of(chain.whole.id);
        let branch = |c: &mut Self, e: &Expr, hint: Option<&[Axis]>, low: usize, at: Option<usize>| {
            c.chain = Some(Chain { low, at, ..chain.clone() });
            let value = c.expression(e, hint);
            c.chain = Some(chain.clone());
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
        let position = self.positions(chain.axis, chain.from as i64);
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

    /// `let`s of a loop that read one another's past, worked out together.
    pub fn recurrence(&mut self, names: &[&'a str], around: &'a Statement) {
        let mut members: Vec<(&'a str, &'a Declaration)> = vec![];
        for &name in names {
            if let Some(entry) = self.scope.get(name)
                && let StatementKind::Let(d) = &entry.statement.kind
            {
                members.push((name, d));
            }
        }
        self.within(around.into(), |c| c.recurrence_within(members));
        for &name in names {
            self.values.entry(name).or_insert_with(|| Value::poison(Span::default()));
        }
    }

    fn recurrence_within(&mut self, mut members: Vec<(&'a str, &'a Declaration)>) {
        let Some(variable) = self.chain.as_ref().map(|c| c.variable.clone()) else { return };
        let mut past = HashMap::new();
        for &(name, d) in &members {
            if let Some(index) = d.target.axes.iter().flatten().find(|e| self.step(e).is_some_and(|o| o != 0)) {
                self.report(messages::forward_later(index.span, &variable));
                return;
            }
            let depth = members.iter().map(|(_, m)| deepest(&m.value, name, &variable)).max().unwrap_or(0);
            if depth == 0 {
                continue;
            }
            let Some(axes) = self.target_axes(&d.target) else { return };
            let order: Vec<Axis> = axes.iter().map(|a| a.0).collect();
            if !self.chain.as_ref().is_some_and(|c| order.contains(&c.axis)) {
                self.report(messages::lag_of_a_local(name, d.target.span, &variable));
                return;
            }
            let lagged = (1..=depth).map(|k| self.graph.input(&format!("{name} {k} earlier"), &order).1).collect();
            past.insert(name.to_owned(), (axes, lagged, Range::POSITIVE));
        }
        // Each after those it reads at the same position.
        let mut ordered: Vec<(&'a str, &'a Declaration)> = vec![];
        while !members.is_empty() {
            let waiting: Vec<&str> = members.iter().map(|m| m.0).collect();
            let ready = members.iter().position(|(_, d)| {
                let mut reads = vec![];
                present_reads(&d.value, &variable, &mut reads);
                !reads.iter().any(|r| waiting.contains(r))
            });
            let Some(ready) = ready else {
                let spans: Vec<(&str, Span)> = members.iter().map(|m| (m.0, m.1.target.name.span)).collect();
                self.report(messages::cycle(&spans));
                return;
            };
            ordered.push(members.remove(ready));
        }
        let outside = self.chain.clone();
        let (first, params, said) = (self.lets.len(), self.params.len(), self.diagnostics.len());
        // By induction: what is positive wherever its past is, is positive. Of any other past nothing is known.
        let values = loop {
            if let Some(chain) = &mut self.chain {
                chain.past = past.clone();
            }
            let values = self.definitions_in_order(&ordered);
            if values.iter().any(|v| v.1.poison) {
                self.chain = outside;
                return;
            }
            let negative = |(name, v): &&(&str, Value)| {
                past.get(*name).is_some_and(|p| p.2 == Range::POSITIVE) && !v.range.within(Support::Positive)
            };
            let negative: Vec<&str> = values.iter().filter(negative).map(|v| v.0).collect();
            if negative.is_empty() || self.diagnostics.len() > said {
                break values;
            }
            for name in negative {
                past.entry(name.to_owned()).and_modify(|p| p.2 = Range::REAL);
            }
            self.lets.truncate(first);
            self.params.truncate(params);
        };
        self.chain = outside;
        let Some(axis) = self.chain.as_ref().map(|c| c.axis) else { return };
        let recurrences: Vec<Recurrence> = values
            .iter()
            .map(|(name, v)| {
                let lagged = past.get(*name).map(|p| p.1.clone()).unwrap_or_default();
                let order = v.order();
                Recurrence { value: self.graph.broadcast(v.node, &order), lagged }
            })
            .collect();
        let place = ordered.iter().map(|(_, d)| d.target.span.to(d.value.span)).reduce(Span::to).unwrap_or_default();
        let before = self.enter(place);
        let stepped = self.graph.recur(axis, &recurrences);
        self.leave(before);
        let nodes = match stepped {
            Ok(nodes) => nodes,
            Err(node) => {
                let at = self.graph.origin_of(node);
                let place = self.origins.get(at.0 as usize).copied().unwrap_or_default();
                self.report(messages::mixes_positions(place, &variable));
                return;
            }
        };
        for ((name, value), node) in values.into_iter().zip(nodes) {
            if let Some(named) = self.lets.iter_mut().skip(first).find(|l| l.name == name) {
                named.node = node;
            }
            self.values.insert(name, Value { node, ..value });
        }
    }

    fn definitions_in_order(&mut self, ordered: &[(&'a str, &'a Declaration)]) -> Vec<(&'a str, Value)> {
        let mut values = vec![];
        for &(name, d) in ordered {
            let before = self.enter(d.target.span);
            let value = self.definition(d);
            self.leave(before);
            self.values.insert(name, value.clone());
            values.push((name, value));
        }
        values
    }
}

/// c of `t + c`, `t - c`, `t`.
fn offset_of(e: &Expr, variable: &str) -> Option<i64> {
    let name = |e: &Expr| matches!(bare(e).kind.as_ref(), ExprKind::Name(n) if n == variable);
    let number = |e: &Expr| match bare(e).kind.as_ref() {
        ExprKind::Number { value, unit: None, .. } if value.fract() == 0.0 && value.abs() < 1e9 => Some(*value as i64),
        _ => None,
    };
    match bare(e).kind.as_ref() {
        ExprKind::Name(n) if n == variable => Some(0),
        ExprKind::Binary { operator, left, right } => match operator.value {
            BinaryOperator::Subtract if name(left) => number(right).map(|c| -c),
            BinaryOperator::Add if name(left) => number(right),
            BinaryOperator::Add if name(right) => number(left),
            _ => None,
        },
        _ => None,
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

/// How far back an expression reads a name.
fn deepest(e: &Expr, name: &str, variable: &str) -> usize {
    let own = match e.kind.as_ref() {
        ExprKind::Index { value, indices } if matches!(bare(value).kind.as_ref(), ExprKind::Name(n) if n == name) => {
            let back = |i: &Expr| offset_of(i, variable).and_then(|o| usize::try_from(-o).ok());
            indices.iter().filter_map(back).max().unwrap_or(0)
        }
        _ => 0,
    };
    parts(e).into_iter().map(|p| deepest(p, name, variable)).max().unwrap_or(0).max(own)
}

/// Names that an expression reads, but for those it reads at earlier positions.
pub(crate) fn present_reads<'a>(e: &'a Expr, variable: &str, reads: &mut Vec<&'a str>) {
    if let ExprKind::Index { value, indices } = e.kind.as_ref()
        && indices.iter().any(|i| offset_of(i, variable).is_some_and(|o| o < 0))
    {
        // Its indices may read others.
        for i in indices {
            present_reads(i, variable, reads);
        }
        if !matches!(bare(value).kind.as_ref(), ExprKind::Name(_)) {
            present_reads(value, variable, reads);
        }
        return;
    }
    let inner = parts(e);
    if inner.is_empty() {
        let mut own = vec![];
        expression_reads(e, &mut own);
        reads.extend(own.into_iter().map(|r| r.0));
    } else {
        if let ExprKind::Call { function, .. } = e.kind.as_ref() {
            reads.push(&function.value);
        }
        for part in inner {
            present_reads(part, variable, reads);
        }
    }
}
