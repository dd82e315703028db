//! The loop around a statement.

use fe_graph::Axis;

/// The loop around the statement at hand.
#[derive(Clone, Debug)]
pub(crate) struct Loop {
    /// `t`
    pub variable: String,
    /// The axis it runs over.
    pub whole: Axis,
    /// The axis of its positions: the same, or, where it starts later, one of its own; of a statement that is written
    /// forward, one that is longer by the start.
    pub axis: Axis,
    /// The position at the first element along the axis: −1 where that is a start.
    pub from: i64,
    /// Which position the first element of arrays over the axis is of.
    pub base: i64,
    /// The least position that is left after the conditions around.
    pub low: usize,
    /// The position, where a condition fixes it.
    pub at: Option<usize>,
}
