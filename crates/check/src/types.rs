//! Type annotations.

use fe_distribution::Support;
use fe_graph::AxisId;
use fe_syntax::ast::Type;

use crate::checker::Checker;
use crate::messages;
use crate::scope::nearest;

const TYPES: [&str; 8] = ["real", "positive", "unit", "count", "bool", "simplex", "ordered", "index"];

/// Types of other languages, and ours.
const TYPE_HABITS: [(&str, &str); 12] = [
    ("int", "count"),
    ("integer", "count"),
    ("nat", "count"),
    ("float", "real"),
    ("double", "real"),
    ("number", "real"),
    ("boolean", "bool"),
    ("binary", "bool"),
    ("probability", "unit"),
    ("prob", "unit"),
    ("nonnegative", "positive"),
    ("category", "index"),
];

/// A type understood.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Declared {
    pub support: Support,
    /// The axis of an `index(J)`.
    pub index: Option<AxisId>,
}

impl<'a> Checker<'a> {
    /// What an annotation of something else than data says.
    pub fn plain_type(&mut self, ty: &Type) -> Option<Declared> {
        if ty.optional {
            self.report(messages::missing_only_in_data(ty.span));
            return None;
        }
        self.declared_type(ty)
    }

    /// What an annotation says.
    pub fn declared_type(&mut self, ty: &Type) -> Option<Declared> {
        let plain = |support| Some(Declared { support, index: None });
        let name = ty.name.value.as_str();
        if !matches!(name, "real" | "index") && TYPES.contains(&name) && !ty.arguments.is_empty() {
            self.report(messages::type_arguments(name, ty.span));
            return None;
        }
        match name {
            "real" => match ty.arguments.as_slice() {
                [] => plain(Support::Real),
                [low, high] => {
                    let low_value = self.plain_number(low, "the lower end of a range");
                    let high_value = self.plain_number(high, "the upper end of a range");
                    let (a, b) = (low_value?, high_value?);
                    if a >= b {
                        self.report(messages::empty_range(ty.span, a, b));
                        return None;
                    }
                    plain(match (a, b) {
                        (0.0, 1.0) => Support::Unit,
                        (low, high) => Support::Interval { low, high },
                    })
                }
                _ => {
                    self.report(messages::range_ends(ty.span));
                    None
                }
            },
            "positive" => plain(Support::Positive),
            "unit" => plain(Support::Unit),
            "count" => plain(Support::Count),
            "bool" => plain(Support::Bool),
            "simplex" => plain(Support::Simplex),
            "ordered" => plain(Support::Ordered),
            "index" => {
                let [of] = ty.arguments.as_slice() else {
                    self.report(messages::index_of_what(ty.span));
                    return None;
                };
                let axis = self.axis(of)?;
                let entry = self.axes.entry(axis.id).cloned();
                if let Some(entry) = entry
                    && entry.size.is_none()
                    && self.headers.is_some()
                    && !self.incomplete
                {
                    let name = self.graph.axis_name(axis);
                    self.report(messages::index_without_size(&name, of.span));
                    return None;
                }
                let size = self.graph.extent_of(axis.id);
                Some(Declared { support: Support::Index(size), index: Some(axis.id) })
            }
            other => {
                let habit = TYPE_HABITS.iter().find(|h| h.0 == other.to_lowercase()).map(|h| h.1);
                let near = habit.or_else(|| nearest(other, TYPES));
                self.report(messages::unknown_type(other, ty.name.span, near));
                None
            }
        }
    }
}
