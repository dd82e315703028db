//! Named axes: which there are, how long they are and who says so, and the row axis.

use std::collections::HashMap;

use fe_graph::{Axis, AxisId};
use fe_syntax::Span;
use fe_syntax::ast::{AxisRef, Declaration, Expr, ExprKind, Statement, StatementKind, Target, Unit};

use crate::axis_table::AxisEntry;
use crate::checker::Checker;
use crate::kind::Kind;
use crate::messages;
use crate::program::Row;
use crate::range::Range;
use crate::reads::expression_reads;
use crate::scope::nearest;
use crate::source::{Header, Rows};
use crate::value::{Along, Level, Value};

/// The longest axis: indices must be exact in a 32-bit float pipeline's integers.
pub(crate) const LONGEST: f64 = 2_147_483_647.0;

impl<'a> Checker<'a> {
    /// Creates every named axis, the row axis first, and binds those that the data bind.
    pub fn make_axes(&mut self) {
        let row = self.row_name();
        let order = self.scope.order.clone();
        let named = row.into_iter().chain(order.into_iter().filter(|n| Some(*n) != row));
        for name in named {
            if let Some(entry) = self.scope.get(name)
                && matches!(entry.kind, Kind::Dim | Kind::DataAxis)
            {
                let id = self.graph.add_axis(name, 1);
                let from_file = entry.kind == Kind::DataAxis;
                let axis = AxisEntry { id, size: None, stated: entry.span, from_file };
                self.axes.table.insert(name.to_owned(), axis);
                if row == Some(name) {
                    self.row = Some(Row { axis: id, rows: 1 });
                }
            }
        }
        self.label_axes();
        let ast = self.ast;
        for statement in &ast.statements {
            if let StatementKind::Data(d) = &statement.kind
                && let Some(header) = self.header_of(d)
            {
                self.bind_from(d, &header);
            }
        }
    }

    /// Gives the axes that first appear in a datum the sizes of its file.
    fn bind_from(&mut self, d: &Declaration, header: &Header) {
        let axes: &[Expr] = d.target.axes.as_deref().unwrap_or_default();
        // An array with too few dimensions binds those it has; the others are reported with the datum.
        let sizes = extents(&header.shape, axes.len()).unwrap_or_else(|| header.shape.clone());
        for (axis, size) in axes.iter().zip(sizes) {
            if let ExprKind::Name(name) = axis.kind.as_ref() {
                self.bind(name, size, axis.span);
            }
        }
    }

    pub(crate) fn bind(&mut self, name: &str, size: usize, stated: Span) {
        if let Some(entry) = self.axes.table.get_mut(name)
            && entry.from_file
            && entry.size.is_none()
        {
            entry.size = Some(size);
            entry.stated = stated;
            self.graph.set_extent(entry.id, size);
            self.note_rows();
        }
    }

    /// The row's extent follows its axis.
    pub fn note_rows(&mut self) {
        if let Some(row) = &mut self.row {
            row.rows = self.graph.extent_of(row.axis);
        }
    }

    /// The axis that comes first in every observed array. What is observed, is the data that `observe` names, or a
    /// `let` of data; where nothing is, the data that a loss reads.
    fn row_name(&mut self) -> Option<&'a str> {
        match &self.overrides.rows {
            Rows::Unknown => {}
            Rows::None => return None,
            Rows::Along(name) => return self.scope.get(name).map(|_| name.as_str()),
        }
        let ast = self.ast;
        let mut firsts: Vec<(&'a str, Span)> = vec![];
        let mut observed = false;
        for (statement, _) in self.all_statements() {
            if let StatementKind::Observe { target, .. } = &statement.kind {
                observed = true;
                self.first_axes(vec![target.name.value.as_str()], &mut firsts);
            }
        }
        if !observed {
            for (statement, _) in self.all_statements() {
                if let StatementKind::Loss { value, .. } = &statement.kind {
                    let mut reads = vec![];
                    expression_reads(value, &mut reads);
                    self.first_axes(reads.into_iter().map(|r| r.0).collect(), &mut firsts);
                }
            }
        }
        // Positions of a loop are not rows: they follow from one another.
        let looped = |name: &str| {
            let over = |s: &Statement| matches!(&s.kind, StatementKind::For { axis, .. } if axis.name.value == name);
            ast.statements.iter().any(over)
        };
        // Nor are elements of one vector, or the values that a latent may have.
        let events = self.event_axes();
        let values = self.axes_of_values();
        if firsts.iter().any(|f| looped(f.0) || events.contains(&f.0) || values.contains(&f.0)) {
            return None;
        }
        let &(name, span) = firsts.first()?;
        if let Some(other) = firsts.iter().find(|f| f.0 != name) {
            self.row_conflict = Some((span, other.1));
            return None;
        }
        self.scope.get(name).filter(|e| matches!(e.kind, Kind::Dim | Kind::DataAxis)).map(|_| name)
    }

    /// The axes of which a latent, or what follows from one in a loop, is an index: `latent s[t] : index(S)`.
    fn axes_of_values(&self) -> Vec<&'a str> {
        let mut names = vec![];
        for (statement, around) in self.all_statements() {
            let ty = match &statement.kind {
                StatementKind::Latent { ty, .. } => ty.as_ref(),
                StatementKind::Let(d) if around.is_some() => d.ty.as_ref(),
                _ => None,
            };
            for argument in ty.filter(|t| t.name.value == "index").iter().flat_map(|t| &t.arguments) {
                if let ExprKind::Name(name) = argument.kind.as_ref() {
                    names.push(name.as_str());
                }
            }
        }
        names
    }

    /// The axes along which a distribution draws one vector.
    fn event_axes(&self) -> Vec<&'a str> {
        // Of a matrix the last is primed, and the one before it counts.
        let event = |axes: Option<&'a Vec<Expr>>, f: &dyn fe_distribution::Family| match axes?
            .iter()
            .rev()
            .nth(usize::from(f.is_matrix()))?
            .kind
            .as_ref()
        {
            ExprKind::Name(name) => Some(name.as_str()),
            _ => None,
        };
        let vector = |e: &Expr| self.family_written(e).filter(|f| f.is_vector());
        let mut names = vec![];
        for (statement, _) in self.all_statements() {
            match &statement.kind {
                StatementKind::Latent { target, prior, .. } => {
                    names.extend(vector(prior).and_then(|f| event(target.axes.as_ref(), f)));
                }
                StatementKind::Observe { target, distribution } => {
                    let entry = self.scope.get(&target.name.value);
                    if let (Some(f), Some(StatementKind::Data(d) | StatementKind::Let(d))) =
                        (vector(distribution), entry.map(|e| &e.statement.kind))
                    {
                        names.extend(event(d.target.axes.as_ref(), f));
                    }
                }
                _ => {}
            }
        }
        names
    }

    /// The first axes of the data that these names are, or read through `let`.
    fn first_axes(&self, names: Vec<&'a str>, firsts: &mut Vec<(&'a str, Span)>) {
        let mut stack = names;
        let mut seen: Vec<&str> = vec![];
        while let Some(name) = stack.pop() {
            if seen.contains(&name) {
                continue;
            }
            seen.push(name);
            let Some(entry) = self.scope.get(name) else { continue };
            match (&entry.statement.kind, entry.kind) {
                (StatementKind::Data(d), Kind::Data) => {
                    if let Some(first) = d.target.axes.iter().flatten().next()
                        && let ExprKind::Name(axis) = first.kind.as_ref()
                    {
                        firsts.push((axis, first.span));
                    }
                }
                (StatementKind::Let(d), Kind::Let) => {
                    let mut reads = vec![];
                    expression_reads(&d.value, &mut reads);
                    stack.extend(reads.into_iter().map(|r| r.0));
                }
                _ => {}
            }
        }
    }

    /// `dim K = 512`
    pub fn dim(&mut self, name: &str, size: &Expr, span: Span) -> Value {
        let stated = size.span;
        let number = match self.overridden(name) {
            Some(given) => given.map(|v| (v.0, v.1)),
            None => self.number(size, "the size of an axis").map(|v| (v.value, v.unit)),
        };
        let Some((number, unit)) = number else { return Value::poison(span) };
        if let Some(unit) = unit {
            return self.fail(messages::unit_here(&unit, stated, "the size of an axis"), span);
        }
        let Some(extent) = whole_size(number) else {
            return self.fail(messages::bad_size(name, number, stated), span);
        };
        if let Some(entry) = self.axes.table.get_mut(name) {
            entry.size = Some(extent);
            self.graph.set_extent(entry.id, extent);
        }
        self.note_rows();
        self.axis_value(name, span)
    }

    /// An axis bound by the data.
    pub fn data_axis(&mut self, name: &str, span: Span) -> Value {
        self.axis_value(name, span)
    }

    /// An axis used as a value is its size.
    fn axis_value(&mut self, name: &str, span: Span) -> Value {
        let Some(entry) = self.axes.table.get(name).cloned() else { return Value::poison(span) };
        let size = entry.size;
        let node = self.graph.constant(size.unwrap_or(1) as f64);
        let range = size.map_or(Range { whole: true, ..Range::POSITIVE }, |s| Range::point(s as f64));
        let axis = Some(Axis::plain(entry.id));
        // Without its file's header the size is unknown, and why was said elsewhere.
        Value { axis, poison: size.is_none(), ..Value::scalar(node, range, Level::Constant, span) }
    }

    /// The axis named by a number.
    pub fn numeric_axis(&mut self, size: usize, span: Span) -> AxisId {
        let name = size.to_string();
        if let Some(entry) = self.axes.table.get(&name) {
            return entry.id;
        }
        let id = self.graph.add_axis(&name, size);
        self.axes.table.insert(name, AxisEntry { id, size: Some(size), stated: span, from_file: false });
        id
    }

    /// The axes of a declared name: names of axes, sizes, and primed copies of either, each once.
    pub fn target_axes(&mut self, target: &Target) -> Option<Vec<(Axis, Span)>> {
        let mut axes: Vec<(Axis, Span)> = vec![];
        let mut good = true;
        for e in target.axes.iter().flatten() {
            match self.axis(e) {
                Some(axis) => {
                    if let Some(first) = axes.iter().find(|a| a.0 == axis) {
                        let name = self.graph.axis_name(axis);
                        self.report(messages::axis_twice(&target.name.value, &name, e.span, first.1));
                        good = false;
                    }
                    axes.push((axis, e.span));
                }
                None => good = false,
            }
        }
        good.then_some(axes)
    }

    /// Axes of a loss.
    pub fn axis_refs(&mut self, refs: &[AxisRef]) -> Option<Vec<(Axis, Span)>> {
        let mut axes = vec![];
        for r in refs {
            let plain = self.axis_named(&r.name.value, r.name.span)?;
            axes.push((Axis { primes: r.primes, ..plain }, r.name.span));
        }
        Some(axes)
    }

    /// The axis that an expression names; says so where it names none.
    pub fn axis(&mut self, e: &Expr) -> Option<Axis> {
        if let Some(axis) = self.loop_axis(e) {
            return Some(axis);
        }
        if let (Some(_), Some(chain)) = (self.step(e), &self.loops.current) {
            if self.step(e) == Some(1) && chain.from < 0 {
                return Some(chain.axis);
            }
            let (variable, from) = (chain.variable.clone(), chain.from);
            self.report(messages::forward_steps(e.span, "s", &variable, from));
            return None;
        }
        match e.kind.as_ref() {
            ExprKind::Name(name) => self.axis_named(name, e.span),
            ExprKind::Primed { name, primes } => {
                let plain = self.axis_named(&name.value, name.span)?;
                Some(Axis { primes: *primes, ..plain })
            }
            ExprKind::Number { unit: None, value, .. } => match whole_size(*value) {
                Some(size) => Some(Axis::plain(self.numeric_axis(size, e.span))),
                None => {
                    self.report(messages::bad_size("", *value, e.span));
                    None
                }
            },
            ExprKind::Parenthesised(inner) => self.axis(inner),
            ExprKind::Text(text) => {
                self.report(messages::quoted_axis(text, e.span));
                None
            }
            ExprKind::Error => {
                self.said.incomplete = true;
                None
            }
            _ => {
                self.report(messages::not_an_axis(e.span));
                None
            }
        }
    }

    /// An axis by its name, an argument of the function being inlined, or the digits of its size.
    fn axis_named(&mut self, name: &str, span: Span) -> Option<Axis> {
        if let Some(local) = self.inlining.locals.last().and_then(|l| l.get(name)).cloned() {
            return self.axis_of_value(&local, span);
        }
        if let Some(entry) = self.axes.table.get(name) {
            return Some(Axis::plain(entry.id));
        }
        if let Ok(size) = name.replace('_', "").parse::<f64>() {
            if let Some(size) = whole_size(size) {
                return Some(Axis::plain(self.numeric_axis(size, span)));
            }
            self.report(messages::bad_size("", size, span));
            return None;
        }
        match self.scope.get(name) {
            Some(e) if e.kind == Kind::Unknown => {}
            // A number fixed at compile time is a size as good as its digits.
            Some(e) if e.kind == Kind::Const => {
                let value = self.values.get(name).cloned()?;
                return self.axis_of_value(&value, span);
            }
            Some(e) => self.report(messages::value_as_axis(name, e.kind, span, e.span)),
            None => {
                if self.said.unknown.insert(name.to_owned()) {
                    let near = nearest(name, self.scope.names(|k| matches!(k, Kind::Dim | Kind::DataAxis)));
                    self.report(messages::unknown_axis(name, span, near));
                }
            }
        }
        None
    }

    fn axis_of_value(&mut self, value: &Value, span: Span) -> Option<Axis> {
        if let Some(axis) = value.axis {
            return Some(axis);
        }
        if value.poison {
            return None;
        }
        match self.graph.constant_value(value.node).and_then(whole_size) {
            Some(size) if value.axes.is_empty() => Some(Axis::plain(self.numeric_axis(size, span))),
            _ => {
                self.report(messages::not_an_axis(span));
                None
            }
        }
    }

    /// `N`, `N'`.
    pub fn axis_names(&self, axes: &[Axis]) -> String {
        axes.iter().map(|&a| self.graph.axis_name(a)).collect::<Vec<_>>().join(", ")
    }

    /// Where only the primed copy of an axis is left, the prime falls away.
    pub fn drop_primes(&mut self, mut value: Value) -> Value {
        let pairs: Vec<(Axis, Axis)> = value
            .axes
            .iter()
            .filter(|(a, _)| a.primes > 0)
            .filter(|(a, _)| value.axes.iter().filter(|(b, _)| b.id == a.id).count() == 1)
            .map(|&(a, _)| (a, Axis::plain(a.id)))
            .collect();
        if pairs.is_empty() || value.poison {
            return value;
        }
        value.node = self.graph.rename(value.node, &pairs);
        let moved: HashMap<Axis, Axis> = pairs.into_iter().collect();
        for axis in &mut value.axes {
            axis.0 = moved.get(&axis.0).copied().unwrap_or(axis.0);
        }
        let along = value.along.filter(|a| !matches!(a, Along::Parts(..)));
        value.along = along.map(|a| a.on(|axis| moved.get(&axis).copied().unwrap_or(axis)));
        value
    }

    /// The branches of an `if`: where one has an axis only primed and the other only unprimed, the prime falls away.
    pub fn on_one_copy(&mut self, a: Value, b: Value) -> (Value, Value) {
        let primed = |x: &Value, y: &Value| {
            let lone = |axis: Axis| x.axes.iter().filter(|o| o.0.id == axis.id).count() == 1;
            let other = |axis: Axis| y.has(Axis::plain(axis.id)) && !y.has(axis);
            x.axes.iter().any(|&(axis, _)| axis.primes > 0 && lone(axis) && other(axis))
        };
        let (left, right) = (primed(&a, &b), primed(&b, &a));
        (if left { self.drop_primes(a) } else { a }, if right { self.drop_primes(b) } else { b })
    }

    /// Refuses axes that the left side lacks, and repeats the value along those it lacks itself.
    pub fn fit_axes(&mut self, value: Value, left: &[(Axis, Span)], name: &str, place: Span) -> Value {
        let value = self.drop_primes(value);
        if value.poison {
            return value;
        }
        let extra: Vec<(Axis, Span)> =
            value.axes.iter().copied().filter(|a| !left.iter().any(|l| l.0 == a.0)).collect();
        if !extra.is_empty() {
            let names: Vec<(String, Span)> = extra.iter().map(|a| (self.graph.axis_name(a.0), a.1)).collect();
            let have = self.axis_names(&left.iter().map(|a| a.0).collect::<Vec<_>>());
            let span = value.span;
            return self.fail(messages::extra_axes(name, place, &have, &names, None, span), span);
        }
        value
    }
}

/// The number of elements an axis can have.
pub(crate) fn whole_size(v: f64) -> Option<usize> {
    ((1.0..=LONGEST).contains(&v) && v.fract() == 0.0).then_some(v as usize)
}

/// The sizes of declared axes in an array: its trailing dimensions flatten into the last. `None` where the array has
/// fewer dimensions than axes are declared.
pub(crate) fn extents(shape: &[usize], rank: usize) -> Option<Vec<usize>> {
    let product = |s: &[usize]| s.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    if rank == 0 {
        return (product(shape) == Some(1)).then(Vec::new);
    }
    let (first, rest) = shape.split_at_checked(rank - 1)?;
    if rest.is_empty() {
        return None;
    }
    let mut sizes = first.to_vec();
    sizes.push(product(rest)?);
    Some(sizes)
}

/// A number with its unit.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    pub value: f64,
    pub unit: Option<Unit>,
}
