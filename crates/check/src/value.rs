//! An elaborated expression: its node, its axes in declared order, and what is known of its values.

use fe_distribution::Support;
use fe_graph::{Axis, AxisId, NodeId};
use fe_syntax::Span;
use fe_syntax::ast::Unit;

use crate::range::Range;

/// What an expression is made of, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Numbers only.
    Constant,
    /// Data, known once the files are read.
    Data,
    /// Parameters too.
    Free,
    /// Latents too.
    Random,
}

/// What stands along an axis besides single elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Along {
    /// Elements add up to 1.
    Simplex(Axis),
    /// Elements from 0 up that add up to a node without that axis.
    Parts(Axis, NodeId),
    /// Elements increase.
    Ordered(Axis),
}

impl Along {
    /// The axis.
    pub fn axis(self) -> Axis {
        match self {
            Along::Simplex(axis) | Along::Parts(axis, _) | Along::Ordered(axis) => axis,
        }
    }

    /// The same along another axis.
    pub fn on(self, moved: impl Fn(Axis) -> Axis) -> Self {
        match self {
            Along::Simplex(axis) => Along::Simplex(moved(axis)),
            Along::Parts(axis, total) => Along::Parts(moved(axis), total),
            Along::Ordered(axis) => Along::Ordered(moved(axis)),
        }
    }
}

/// A typed expression.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    /// Its node in the program's graph.
    pub node: NodeId,
    /// Its axes as declared or as they came, each with the place that brought it in.
    pub axes: Vec<(Axis, Span)>,
    /// Its elements.
    pub range: Range,
    /// Its constraint along an axis.
    pub along: Option<Along>,
    /// What it is made of.
    pub level: Level,
    /// The axis it counts along, for an `index(J)`.
    pub index: Option<AxisId>,
    /// The axis it names, for a bare axis name.
    pub axis: Option<Axis>,
    /// Which datum it is, for a bare name.
    pub datum: Option<usize>,
    /// The unit of a `const` or a number.
    pub unit: Option<Unit>,
    /// Where it stands.
    pub span: Span,
    /// Whether something is wrong with it, and was said.
    pub poison: bool,
}

impl Value {
    /// A value without axes.
    pub fn scalar(node: NodeId, range: Range, level: Level, span: Span) -> Self {
        Self {
            node,
            axes: vec![],
            range,
            along: None,
            level,
            index: None,
            axis: None,
            datum: None,
            unit: None,
            span,
            poison: false,
        }
    }

    /// Stands for what could not be understood.
    pub fn poison(span: Span) -> Self {
        Self { poison: true, ..Self::scalar(NodeId(u32::MAX), Range::REAL, Level::Constant, span) }
    }

    /// The axes without their places.
    pub fn order(&self) -> Vec<Axis> {
        self.axes.iter().map(|a| a.0).collect()
    }

    /// Whether it carries an axis.
    pub fn has(&self, axis: Axis) -> bool {
        self.axes.iter().any(|a| a.0 == axis)
    }

    /// A value computed from this one, element by element.
    pub fn derived(&self, node: NodeId, range: Range, span: Span) -> Self {
        Self { node, axes: self.axes.clone(), level: self.level, ..Self::scalar(node, range, self.level, span) }
    }

    /// The axes of both branches of an `if`, in the order of the one that has them all where one does.
    pub fn either(&self, other: &Self) -> Vec<(Axis, Span)> {
        let within = self.axes.iter().all(|a| other.has(a.0));
        if within { other.axes.clone() } else { self.joined(other) }
    }

    /// The axes of this value and then the new ones of another.
    pub fn joined(&self, other: &Self) -> Vec<(Axis, Span)> {
        let mut axes = self.axes.clone();
        axes.extend(other.axes.iter().copied().filter(|a| !self.has(a.0)));
        axes
    }
}

/// What a vector type says along the last axis.
pub(crate) fn along(support: Support, axes: &[Axis]) -> Option<Along> {
    let last = *axes.last()?;
    match support {
        Support::Simplex | Support::OneHot => Some(Along::Simplex(last)),
        Support::Ordered => Some(Along::Ordered(last)),
        _ => None,
    }
}
