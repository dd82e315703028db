//! The table of named axes.

use std::collections::BTreeMap;

use fe_graph::AxisId;
use fe_syntax::Span;

/// An axis and where its size comes from.
#[derive(Clone, Debug)]
pub(crate) struct AxisEntry {
    pub id: AxisId,
    /// Unknown while a file's header is.
    pub size: Option<usize>,
    /// Where the size is stated: a `dim`, or the axis in a `data` declaration.
    pub stated: Span,
    /// Whether a file, not the program, states it.
    pub from_file: bool,
}

/// All axes by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Axes {
    pub table: BTreeMap<String, AxisEntry>,
}

impl Axes {
    /// The entry of an axis.
    pub fn entry(&self, id: AxisId) -> Option<&AxisEntry> {
        self.table.values().find(|e| e.id == id)
    }
}
