//! Ordered categories: cutpoints that increase, and data that count the intervals between them.

use fe_distribution::{Family, Parameter, Support};
use fe_graph::{Axis, AxisId, Op};
use fe_syntax::ast::{Argument, Expr, ExprKind};

use crate::checker::Checker;
use crate::distributions::Drawn;
use crate::messages;
use crate::reads::bare;
use crate::value::{Along, Level, Value};

/// Whether a family's categories lie between the elements of its argument.
pub(crate) fn parted(family: &dyn Family) -> bool {
    family.category_axis_argument().is_some() && family.categories(1) > 1
}

impl<'a> Checker<'a> {
    /// The axis of a list of cutpoints, named by their number.
    pub fn cutpoint_axis(&mut self, family: &dyn Family, place: usize, argument: &Argument) -> Option<Axis> {
        let wanted = family.category_axis_argument().and_then(|k| Some((k, family.parameters().get(k)?)));
        let (k, parameter) = wanted.filter(|_| parted(family))?;
        let here = argument.name.as_ref().map_or(place == k, |name| name.value == parameter.name);
        let ExprKind::List(items) = bare(&argument.value).kind.as_ref() else { return None };
        here.then(|| Axis::plain(self.numeric_axis(items.len(), argument.value.span)))
    }

    /// Whether elements increase along the last axis: by their type, or by what they are, or data that are checked.
    pub fn increases(&mut self, family: &dyn Family, parameter: &Parameter, value: &Value, e: &Expr) -> bool {
        let last = value.axes.last().map(|a| a.0);
        if last.is_none() || value.along == last.map(Along::Ordered) || self.is_increasing_literal(value) {
            return true;
        }
        if let (Level::Data, Some(datum)) = (value.level, value.datum.and_then(|k| self.found.data.get_mut(k))) {
            if datum.support == Support::Real {
                datum.support = Support::Ordered;
            }
            if datum.support == Support::Ordered {
                return true;
            }
        }
        let (axis, text) = (last.map(|a| self.graph.axis_name(a)).unwrap_or_default(), crate::text::written(e));
        self.report(messages::not_increasing(family.name(), parameter.name, value.span, &axis, &text));
        false
    }

    fn is_increasing_literal(&self, value: &Value) -> bool {
        let (Op::Literal(tensor), [_]) = (&self.graph.node(value.node).op, value.axes.as_slice()) else {
            return false;
        };
        tensor.values.windows(2).all(|pair| matches!(pair, [a, b] if a < b))
    }

    /// Whether an index counts the categories that a likelihood has; says so where it does not.
    pub fn counts_categories(&mut self, name: &str, index: AxisId, drawn: &Drawn, place: fe_syntax::Span) -> bool {
        let (d, family) = (&drawn.distribution, drawn.distribution.family);
        let Some(event) = d.event else { return true };
        if !parted(family) {
            if event.id == index {
                return true;
            }
            let (over, of) = (self.graph.axis_name(event), self.graph.axis_name(Axis::plain(index)));
            self.report(messages::index_axis(name, place, &of, &over, drawn.span));
            return false;
        }
        let (cutpoints, have) = (self.graph.extent_of(event.id), self.graph.extent_of(index));
        let known = |id: AxisId| self.axes.entry(id).is_some_and(|a| a.size.is_some());
        if !known(event.id) || !known(index) || family.categories(cutpoints) == have {
            return true;
        }
        let of = self.graph.axis_name(Axis::plain(index));
        self.report(messages::category_count(name, place, &of, have, drawn.span, cutpoints));
        false
    }
}
