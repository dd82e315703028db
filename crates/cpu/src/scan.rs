//! Loops inside a plan. The body is a program of its own, in memory of its own, and runs once for each position on the
//! thread that runs the loop, or once for several positions where one is little work. A turn allocates nothing and
//! makes no tensors.

mod copies;
mod stretch;
mod trace;
mod unroll;

use std::ops::Range;

use fe_graph::plan::{Plan, View};
use fe_graph::{Axis, ExecutionError, Scan};

use self::copies::Copies;
use self::stretch::{Around, Stretch};
use self::unroll::Used;
use crate::arena::Arena;
use crate::isa::Isa;
use crate::math::Real;
use crate::random::Key;

pub use trace::first_non_finite;

/// The setting that the work of a plan is bound in.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The axis of data rows.
    pub rows: Option<Axis>,
    /// Instructions to run.
    pub isa: Isa,
}

/// A loop with its places in memory.
pub struct BoundScan<T> {
    /// The turns that are made several at a time, and the rest.
    stretches: Vec<Stretch<T>>,
    /// Out of the last stretch: the last carries.
    last: Vec<Copies>,
    turns: usize,
    reverse: bool,
}

impl<T: Real> BoundScan<T> {
    /// Places a loop whose views are those of the panel; `panel` is the divided axis and its rows.
    ///
    /// # Errors
    /// Where there is not the memory for its body.
    pub fn bind(
        plan: &Plan,
        scan: &Scan,
        operands: &[View],
        into: &[(usize, View)],
        setting: Setting,
        panel: Option<(Axis, &Range<usize>)>,
    ) -> Result<Self, ExecutionError> {
        let mut extents = plan.extents.clone();
        if let Some((axis, rows)) = panel
            && let Some(extent) = extents.get_mut(axis.id.0 as usize)
        {
            *extent = rows.len();
        }
        let turns = extents.get(scan.axis.id.0 as usize).copied().unwrap_or(1);
        let used = Used::of(scan, &into.iter().map(|i| i.0).collect::<Vec<_>>());
        let width = unroll::width(scan, &used, &extents, turns);
        let around = Around { plan, scan, used: &used, operands, into, setting, extents: &extents };
        let mut stretches: Vec<Stretch<T>> = vec![];
        for (width, count) in [(width, turns / width), (1, turns % width)] {
            // A loop of no turns gives its start, by a body that never runs.
            if count > 0 || (turns == 0 && stretches.is_empty()) {
                let stretch = Stretch::bind(around, width, count, stretches.last())?;
                stretches.push(stretch);
            }
        }
        let last = stretches.last().map(|s| around.last(s)).unwrap_or_default();
        Ok(Self { stretches, last, turns, reverse: scan.reverse })
    }

    /// Runs it.
    ///
    /// # Errors
    /// As its body.
    pub fn run(&mut self, outer: &Arena<T>, key: &Key) -> Result<(), ExecutionError> {
        let (mut done, mut before) = (0, None);
        for stretch in &mut self.stretches {
            stretch.start(outer, before);
            done = stretch.run(outer, key, done, self.reverse.then_some(self.turns))?;
            before = Some(stretch.arena());
        }
        if let Some(arena) = before {
            stretch::copy(&self.last, arena, outer, 0);
        }
        Ok(())
    }
}
