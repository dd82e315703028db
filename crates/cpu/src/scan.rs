//! Loops inside a plan. The body is a program of its own, in memory of its own, and runs once for each position on the
//! thread that runs the loop: slices are copied in, results copied out, and carries copied from where the body leaves
//! them to where it reads them. A turn allocates nothing and makes no tensors.

#![allow(unsafe_code)]

mod copies;
mod trace;

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use fe_graph::noise::step_within;
use fe_graph::plan::{ALIGNMENT, Conditions, Plan, View};
use fe_graph::{Axis, ExecutionError, InputId, NodeId, Op, Origin, Scan};

use self::copies::Copies;
use crate::arena::Arena;
use crate::isa::Isa;
use crate::math::Real;
use crate::program::{Part, Program, Scratch};
use crate::random::Key;
use crate::region::start_of;

pub use trace::first_non_finite;

/// A loop with its places in memory.
pub struct BoundScan<T> {
    body: Program<T>,
    arena: Arena<T>,
    scratch: Scratch<T>,
    turns: usize,
    reverse: bool,
    /// The place of the position.
    time: Option<usize>,
    /// Once a call, into the body: where carries start, and constants.
    starts: Vec<Copies>,
    /// Every turn, into the body.
    slices: Vec<Copies>,
    /// Every turn, out of the body: what is stacked, and carries before the turn.
    results: Vec<Copies>,
    /// Every turn, within the body: from the next carry to the carry.
    carries: Vec<Copies>,
    /// Once a call, out of the body: the last carries.
    last: Vec<Copies>,
}

/// The results that somebody uses, and what of a body they need.
struct Needed {
    carries: BTreeSet<usize>,
    /// Outputs of the body: the next values of these carries, then what is stacked and used.
    outputs: Vec<NodeId>,
}

impl Needed {
    /// A carry is needed where it is used outside, or where a node that is needed reads it.
    fn of(scan: &Scan, used: &[usize]) -> Self {
        let (c, s) = (scan.carries.len(), scan.stacked.len());
        let stacked: Vec<NodeId> =
            scan.stacked.iter().enumerate().filter(|(k, _)| used.contains(&(c + k))).map(|(_, &id)| id).collect();
        let mut carries: BTreeSet<usize> = (0..c).filter(|k| used.contains(k) || used.contains(&(c + s + k))).collect();
        loop {
            let next = carries.iter().filter_map(|&k| scan.carries.get(k)).map(|c| c.1);
            let outputs: Vec<NodeId> = next.chain(stacked.iter().copied()).collect();
            let before = carries.len();
            for id in scan.body.reachable(&outputs) {
                if let Op::Input(input) = scan.body.node(id).op {
                    carries.extend(scan.carries.iter().position(|c| c.0 == input));
                }
            }
            if carries.len() == before {
                return Self { carries, outputs };
            }
        }
    }
}

/// The places of the inputs of a body.
struct Places<'a> {
    plan: &'a Plan,
    scan: &'a Scan,
    /// Memory behind the body's own, for carries that it does not read.
    rooms: Vec<(InputId, usize)>,
}

impl Places<'_> {
    /// The memory of an input and its axes in their order there; none where the body does not read it.
    fn input(&self, input: InputId) -> Option<(usize, Vec<(Axis, usize)>)> {
        let extent = |a: &Axis| self.plan.extents.get(a.id.0 as usize).copied().unwrap_or(1);
        if let Some(slot) = self.plan.inputs.iter().find(|s| s.key == input) {
            let start = self.plan.buffers.get(slot.buffer)?.start;
            return Some((start, slot.axes.iter().map(|a| (*a, extent(a))).collect()));
        }
        let &(_, start) = self.rooms.iter().find(|r| r.0 == input)?;
        let axes = &self.scan.body.input_info(input)?.axes;
        Some((start, axes.iter().map(|a| (*a, extent(a))).filter(|a| a.1 != 1).collect()))
    }
}

/// The setting that the work of a plan is bound in.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The axis of data rows.
    pub rows: Option<Axis>,
    /// Instructions to run.
    pub isa: Isa,
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
        let used: Vec<usize> = into.iter().map(|i| i.0).collect();
        let needed = Needed::of(scan, &used);
        let nexts = needed.outputs.iter().take(needed.carries.len());
        let conditions = Conditions {
            extents,
            rows: setting.rows,
            // Constants stay for all turns of a call.
            steady: scan.constants.iter().copied().collect(),
            whole: nexts.copied().collect(),
            undivided: true,
            ..Conditions::default()
        };
        let body = Program::new(Plan::new(&scan.body, &needed.outputs, &conditions), setting)?;
        let mut places = Places { plan: &body.plan, scan, rooms: vec![] };
        let mut memory = body.memory;
        for &(input, _) in needed.carries.iter().filter_map(|&k| scan.carries.get(k)) {
            if places.input(input).is_none() {
                places.rooms.push((input, memory));
                let size = places.input(input).map_or(1, |(_, axes)| axes.iter().map(|a| a.1).product());
                memory += room(size);
            }
        }
        let message = || format!("there is not the memory for {memory} numbers");
        let failure = || ExecutionError::Backend { message: message(), origin: Origin::default() };
        let mut arena = Arena::new(memory).ok_or_else(failure)?;
        body.settle(arena.all());
        let binding = Binding { outer: plan, places, needed: &needed };
        let (starts, slices) = binding.inward(operands);
        let (results, last) = binding.outward(into);
        let (carries, time) = (binding.carried(), scan.time.and_then(|t| Some(binding.places.input(t)?.0)));
        let (scratch, reverse) = (body.scratch(), scan.reverse);
        Ok(Self { arena, scratch, turns, reverse, time, starts, slices, results, carries, last, body })
    }

    /// Runs it.
    ///
    /// # Errors
    /// As its body.
    pub fn run(&mut self, outer: &Arena<T>, key: &Key) -> Result<(), ExecutionError> {
        let Self { body, arena, scratch, .. } = self;
        let arena = &*arena;
        let copy = |list: &[Copies], from: &Arena<T>, into: &Arena<T>, position: usize| {
            for copies in list {
                // SAFETY: operands are not written while the loop runs, its results are its own (see `Arena`), and the
                // body's memory is nobody else's; what is copied within that lies in buffers of its own.
                unsafe { copies.run(from, into, position) };
            }
        };
        copy(&self.starts, outer, arena, 0);
        body.run_alone(Part::Steady, arena, key, scratch)?;
        for turn in 0..self.turns {
            let position = if self.reverse { self.turns - 1 - turn } else { turn };
            copy(&self.slices, outer, arena, position);
            if let Some(time) = self.time {
                // SAFETY: as above.
                unsafe { arena.write(time, 1) }.fill(T::from_f64(position as f64));
            }
            let key = Key { step: step_within(key.step, position as u64), ..*key };
            body.run_alone(Part::Step, arena, &key, scratch)?;
            copy(&self.results, arena, outer, position);
            copy(&self.carries, arena, arena, position);
        }
        copy(&self.last, arena, outer, 0);
        Ok(())
    }
}

/// Elements that a room of so many takes: a vector that begins inside of it ends inside.
fn room(size: usize) -> usize {
    size.max(1).saturating_add(ALIGNMENT - 1).next_multiple_of(ALIGNMENT)
}

/// A body and the plan around it, while what is copied between them is worked out.
struct Binding<'a> {
    outer: &'a Plan,
    places: Places<'a>,
    needed: &'a Needed,
}

impl Binding<'_> {
    /// The place of an operand and an input of the body, which it is copied to.
    fn feed(&self, input: InputId, operand: &View, along: Option<Axis>) -> Option<Copies> {
        let (at, axes) = self.places.input(input)?;
        let into = View::contiguous(0, &axes);
        Some(Copies::new(&axes, along, (start_of(self.outer, operand), operand), (at, &into)))
    }

    /// What is copied into the body: once a call, and every turn.
    fn inward(&self, operands: &[View]) -> (Vec<Copies>, Vec<Copies>) {
        let scan = self.places.scan;
        let (carries, rest) = operands.split_at(scan.carries.len().min(operands.len()));
        let (scanned, constants) = rest.split_at(scan.slices.len().min(rest.len()));
        let starts = scan.carries.iter().map(|c| c.0).zip(carries).chain(scan.constants.iter().copied().zip(constants));
        let slices = scan.slices.iter().zip(scanned);
        (
            starts.filter_map(|(input, operand)| self.feed(input, operand, None)).collect(),
            slices.filter_map(|(&input, operand)| self.feed(input, operand, Some(scan.axis))).collect(),
        )
    }

    /// What is copied out of the body: every turn, and at the end.
    fn outward(&self, into: &[(usize, View)]) -> (Vec<Copies>, Vec<Copies>) {
        let scan = self.places.scan;
        let (carries, stacked) = (scan.carries.len(), scan.stacked.len());
        let (mut results, mut last) = (vec![], vec![]);
        let outputs = self.places.plan.outputs.iter().skip(self.needed.carries.len());
        let used: BTreeSet<usize> =
            into.iter().map(|i| i.0).filter(|k| (carries..carries + stacked).contains(k)).collect();
        let views: HashMap<usize, &View> = used.into_iter().zip(outputs).collect();
        for (k, view) in into {
            let at = start_of(self.outer, view);
            let place = |carry: usize| self.places.input(scan.carries.get(carry)?.0);
            if let Some(from) = views.get(k) {
                let axes: Vec<(Axis, usize)> =
                    view.dims.iter().map(|d| (d.axis, d.extent)).filter(|d| d.0 != scan.axis).collect();
                let from = (start_of(self.places.plan, from), *from);
                results.push(Copies::new(&axes, Some(scan.axis), from, (at, view)));
            } else if let Some((start, axes)) = place(if *k < carries { *k } else { k.wrapping_sub(carries + stacked) })
            {
                let from = View::contiguous(0, &axes);
                if *k < carries {
                    last.push(Copies::new(&axes, None, (start, &from), (at, view)));
                } else {
                    results.push(Copies::new(&axes, Some(scan.axis), (start, &from), (at, view)));
                }
            }
        }
        (results, last)
    }

    /// What is copied from turn to turn.
    fn carried(&self) -> Vec<Copies> {
        let scan = self.places.scan;
        let carries = self.needed.carries.iter().filter_map(|&k| scan.carries.get(k));
        let copies = carries.zip(&self.places.plan.outputs).filter_map(|(&(input, _), from)| {
            let (at, axes) = self.places.input(input)?;
            let into = View::contiguous(0, &axes);
            Some(Copies::new(&axes, None, (start_of(self.places.plan, from), from), (at, &into)))
        });
        copies.collect()
    }
}
