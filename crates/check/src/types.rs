//! Type annotations.

use fe_distribution::Support;
use fe_graph::{Axis, AxisId};
use fe_syntax::Span;
use fe_syntax::ast::Type;

use crate::checker::Checker;
use crate::messages;
use crate::scope::nearest;

pub(crate) const TYPES: [&str; 11] = [
    "real",
    "positive",
    "unit",
    "count",
    "bool",
    "simplex",
    "ordered",
    "index",
    "correlation_factor",
    "covariance_factor",
    "covariance",
];

/// Types of other languages, and ours.
const TYPE_HABITS: [(&str, &str); 17] = [
    ("cholesky_factor_corr", "correlation_factor"),
    ("corr_cholesky", "correlation_factor"),
    ("cholesky_factor_cov", "covariance_factor"),
    ("lower_cholesky", "covariance_factor"),
    ("cov_matrix", "covariance"),
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
            "correlation_factor" => plain(Support::CorrelationFactor),
            "covariance_factor" => plain(Support::CovarianceFactor),
            "covariance" => plain(Support::Covariance),
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
                    && !self.said.incomplete
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

    /// Whether an array has the axes that a vector's or a matrix' type lies along; says what is missing.
    pub fn lies_along(&mut self, name: &str, support: Support, axes: &[Axis], place: Span) -> bool {
        let square = matches!(axes, [.., a, b] if a.primed() == *b);
        match support.rank() {
            1 if axes.is_empty() => self.report(messages::vector_type_without_axis(name, support, place)),
            2 if !square => {
                let have = self.axis_names(axes);
                self.report(messages::matrix_type_without_axes(name, support, place, &have));
            }
            _ => return true,
        }
        false
    }
}
