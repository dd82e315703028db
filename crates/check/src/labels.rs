//! Names of the elements of axes: levels of text, and columns of tables.

use std::collections::BTreeMap;

use fe_graph::{Axis, AxisId};
use fe_syntax::Span;
use fe_syntax::ast::{BinaryOperator, Declaration, Expr, ExprKind, StatementKind};

use crate::checker::Checker;
use crate::kind::Kind;
use crate::messages;
use crate::range::Range;
use crate::reads::bare;
use crate::scope::nearest;
use crate::value::{Level, Value};

/// The axis of an `index(J)` that a declaration names outright.
fn index_axis(d: &Declaration) -> Option<(&str, Span)> {
    let argument = d.ty.iter().filter(|t| t.name.value == "index").find_map(|t| t.arguments.first())?;
    match argument.kind.as_ref() {
        ExprKind::Name(name) => Some((name, argument.span)),
        _ => None,
    }
}

/// The levels of one axis that several columns have: those of the one that has them all, else all of them, sorted as numbers
/// where all are, or by their characters.
fn merged(lists: &[&Vec<String>]) -> Vec<String> {
    let all_of = |one: &Vec<String>| lists.iter().all(|other| other.iter().all(|level| one.contains(level)));
    if let Some(one) = lists.iter().find(|one| all_of(one)) {
        return (*one).clone();
    }
    let mut all: Vec<String> = lists.iter().flat_map(|l| l.iter().cloned()).collect();
    let number = |level: &String| level.parse::<f64>().ok();
    match all.iter().all(|level| number(level).is_some()) {
        true => all.sort_by(|a, b| number(a).unwrap_or(0.0).total_cmp(&number(b).unwrap_or(0.0)).then(a.cmp(b))),
        false => all.sort(),
    }
    all.dedup();
    all
}

impl<'a> Checker<'a> {
    /// Names the elements of axes as the headers of the data do, and gives axes of levels their sizes.
    pub(crate) fn label_axes(&mut self) {
        let ast = self.ast;
        let mut levels: BTreeMap<&str, (Span, Vec<&Vec<String>>)> = BTreeMap::new();
        let mut columns: BTreeMap<&str, Vec<&Vec<String>>> = BTreeMap::new();
        for statement in &ast.statements {
            let StatementKind::Data(d) = &statement.kind else { continue };
            let Some(header) = self.headers.and_then(|h| h.get(&d.target.name.value)) else { continue };
            if let (Some((axis, place)), Some(of)) = (index_axis(d), &header.levels) {
                levels.entry(axis).or_insert((place, vec![])).1.push(of);
            }
            if let (Some([_, last]), [_, width]) = (d.target.axes.as_deref(), header.shape.as_slice())
                && let ExprKind::Name(axis) = last.kind.as_ref()
                && *width == header.columns.len()
            {
                columns.entry(axis).or_default().push(&header.columns);
            }
        }
        for (axis, (place, lists)) in levels {
            let all = merged(&lists);
            self.bind(axis, all.len(), place);
            self.label(axis, all);
        }
        for (axis, lists) in columns {
            // Two matrices with other columns along one axis have no names in common.
            if let Some((first, rest)) = lists.split_first()
                && rest.iter().all(|other| other == first)
            {
                self.label(axis, (*first).clone());
            }
        }
    }

    fn label(&mut self, axis: &str, labels: Vec<String>) {
        if let Some(entry) = self.axes.table.get(axis) {
            self.labels.entry(entry.id).or_insert(labels);
        }
    }

    /// The labels of an axis, where it has as many elements.
    pub(crate) fn labels_of(&self, axis: AxisId) -> Option<&Vec<String>> {
        self.labels.get(&axis).filter(|l| l.len() == self.graph.extent_of(axis))
    }

    /// `a["gentoo"]`: the axis that has this label, and its place along it. Says what is wrong.
    pub(crate) fn labelled(
        &mut self,
        text: &str,
        place: usize,
        count: usize,
        of: &Value,
        span: Span,
    ) -> Option<(Axis, Value)> {
        let axes = of.order();
        // As many as there are axes: each is in its place.
        let among: Vec<Axis> = match axes.get(place).filter(|_| count == axes.len()) {
            Some(&axis) => vec![axis],
            None => axes.clone(),
        };
        let known: Vec<(Axis, Vec<String>)> =
            among.iter().filter_map(|&a| Some((a, self.labels_of(a.id)?.clone()))).collect();
        let found: Vec<(Axis, usize)> =
            known.iter().filter_map(|(a, l)| Some((*a, l.iter().position(|l| l == text)?))).collect();
        match found.as_slice() {
            &[(axis, k)] => {
                let node = self.graph.constant(k as f64);
                return Some((axis, Value::scalar(node, Range::point(k as f64), Level::Constant, span)));
            }
            [] if self.axes.table.contains_key(text) || known.is_empty() => {
                // Without headers nothing is known of labels.
                if self.headers.is_some() && !self.said.incomplete {
                    let have = self.axis_names(&axes);
                    self.report(match self.axes.table.contains_key(text) {
                        true => messages::quoted_axis(text, span),
                        false => messages::no_labels(text, span, &have, of.span),
                    });
                }
            }
            [] => {
                let near =
                    nearest(text, known.iter().flat_map(|(_, l)| l.iter().map(String::as_str))).map(str::to_owned);
                let known: Vec<(String, Vec<String>)> =
                    known.into_iter().map(|(a, l)| (self.graph.axis_name(a), l)).collect();
                self.report(messages::unknown_label(text, span, near.as_deref(), &known));
            }
            several => {
                let names: Vec<String> = several.iter().map(|(a, _)| self.graph.axis_name(*a)).collect();
                self.report(messages::label_of_several(text, span, &names));
            }
        }
        None
    }

    /// `species == S`: an index compared with the size of its own axis, which it never is.
    fn compared_with_size(&mut self, op: BinaryOperator, left: &Value, right: &Expr) {
        let equality = matches!(op, BinaryOperator::Equal | BinaryOperator::NotEqual);
        let (Some(axis), ExprKind::Name(name)) = (left.index.filter(|_| equality), bare(right).kind.as_ref()) else {
            return;
        };
        let is_axis = self.scope.get(name).is_some_and(|entry| matches!(entry.kind, Kind::Dim | Kind::DataAxis));
        if is_axis && self.graph.axis_name(Axis::plain(axis)) == *name {
            self.report(messages::size_as_level(name, right.span, left.span));
        }
    }

    /// `species == "gentoo"`: an index compared with one of its levels. `None` where neither side is a text.
    pub(crate) fn compared_with_text(
        &mut self,
        op: BinaryOperator,
        left: &Value,
        left_text: Option<&str>,
        right: &Expr,
        (at, span): (Span, Span),
    ) -> Option<Value> {
        let right_text = match bare(right).kind.as_ref() {
            ExprKind::Text(text) => Some(text.as_str()),
            _ => None,
        };
        let (text, place, value) = match (left_text, right_text) {
            (None, Some(text)) => (text, right.span, left.clone()),
            (Some(text), None) => (text, left.span, self.expression(right, None)),
            (Some(_), Some(_)) => return Some(self.fail(messages::text_here(left.span), span)),
            (None, None) => {
                self.compared_with_size(op, left, right);
                return None;
            }
        };
        if value.poison {
            return Some(Value::poison(span));
        }
        if !matches!(op, BinaryOperator::Equal | BinaryOperator::NotEqual) {
            return Some(self.fail(messages::text_operator(at, place), span));
        }
        let Some(axis) = value.index else {
            return Some(self.fail(messages::text_against_number(place, value.span), span));
        };
        let of = Value { axes: vec![(Axis::plain(axis), value.span)], ..value.clone() };
        let Some((_, index)) = self.labelled(text, 0, 1, &of, place) else { return Some(Value::poison(span)) };
        let same = self.graph.equal(value.node, index.node);
        let node = match op {
            BinaryOperator::Equal => same,
            _ => {
                let one = self.graph.constant(1.0);
                self.graph.sub(one, same)
            }
        };
        Some(value.derived(node, Range::TRUTH, span))
    }
}
