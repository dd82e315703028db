//! Turns of a loop one after another: a body bound to memory of its own, and what is copied into it and out of it.

#![allow(unsafe_code)]

use fe_graph::noise::step_within;
use fe_graph::plan::{Conditions, Plan, View};
use fe_graph::{Axis, ExecutionError, InputId, Origin, Scan};

use super::Setting;
use super::copies::Copies;
use super::unroll::{Body, Used};
use crate::arena::Arena;
use crate::math::Real;
use crate::program::{Part, Program, Scratch};
use crate::random::Key;
use crate::region::start_of;

/// A loop and the plan around it, whose views are those of the panel.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    pub plan: &'a Plan,
    pub scan: &'a Scan,
    pub used: &'a Used,
    pub operands: &'a [View],
    pub into: &'a [(usize, View)],
    pub setting: Setting,
    /// The extents of the panel.
    pub extents: &'a [usize],
}

/// A place of the body: a view of its memory.
struct Place {
    at: usize,
    view: View,
    axes: Vec<(Axis, usize)>,
}

/// Some turns of a loop.
pub struct Stretch<T> {
    body: Program<T>,
    arena: Arena<T>,
    scratch: Scratch<T>,
    /// Turns that the body makes at a time, and how many times it runs.
    width: usize,
    count: usize,
    /// The place of the position.
    time: Option<usize>,
    /// Once a call, into the body: constants.
    constants: Vec<Copies>,
    /// Once a call, into the body: carries, from outside or from the stretch before.
    starts: Vec<Copies>,
    /// Every time, into the body.
    slices: Vec<Copies>,
    /// Every time, out of the body: what is stacked, and carries before each turn.
    results: Vec<Copies>,
    /// Every time, within the body: from the next carry to the carry.
    carries: Vec<Copies>,
    /// The inputs of the carries.
    inputs: Vec<InputId>,
    /// Whether turns after one that changes no carry can be left out: nothing but the last carries is read of them.
    settles: bool,
}

/// Makes copies for a position.
pub fn copy<T: Real>(list: &[Copies], from: &Arena<T>, into: &Arena<T>, position: usize) {
    for copies in list {
        // SAFETY: a loop's operands are not written while it runs, its results are its own (see `Arena`), and its
        // bodies' memory is nobody else's; what is copied within that lies in buffers of its own.
        unsafe { copies.run(from, into, position) };
    }
}

impl Around<'_> {
    /// The place of an input of a body; none where nothing reads it.
    fn input<T>(body: &Program<T>, key: InputId) -> Option<Place> {
        let slot = body.plan.inputs.iter().find(|s| s.key == key)?;
        let extent = |a: &Axis| body.plan.extents.get(a.id.0 as usize).copied().unwrap_or(1);
        let axes: Vec<(Axis, usize)> = slot.axes.iter().map(|a| (*a, extent(a))).collect();
        let view = View::contiguous(slot.buffer, &axes);
        Some(Place { at: start_of(&body.plan, &view), view, axes })
    }

    /// Copies of an operand to an input of a body.
    fn feed<T>(&self, body: &Program<T>, key: InputId, operand: &View) -> Option<Copies> {
        let place = Self::input(body, key)?;
        Some(Copies::new(&place.axes, (start_of(self.plan, operand), operand), (place.at, &place.view)))
    }

    /// The place of a result that is used.
    fn result(&self, number: usize) -> Option<(usize, &View)> {
        let view = &self.into.iter().find(|i| i.0 == number)?.1;
        Some((start_of(self.plan, view), view))
    }

    /// Copies of what a body leaves at each turn, which its plan gives after the next carries.
    fn results<T>(&self, body: &Program<T>, turns: &Body) -> Vec<Copies> {
        let scan = self.scan;
        let (carries, stacked) = (scan.carries.len(), scan.stacked.len());
        let numbers = self.used.stacked.iter().map(|k| carries + k);
        let numbers: Vec<usize> = numbers.chain(self.used.histories.iter().map(|k| carries + stacked + k)).collect();
        let mut outputs = body.plan.outputs.iter().skip(turns.carries.len());
        let mut all = vec![];
        for turn in &turns.turns {
            for &number in &numbers {
                let (Some(from), Some((at, view))) = (outputs.next(), self.result(number)) else { continue };
                let dims = view.dims.iter().map(|d| (d.axis, d.extent)).filter(|d| d.0 != scan.axis);
                let axes: Vec<(Axis, usize)> = dims.collect();
                let (from, step) = ((start_of(&body.plan, from), from), view.stride(scan.axis));
                all.push(Copies::new(&axes, from, (at + turn.position * step, view)).writing(step));
            }
        }
        all
    }

    /// Copies of the last carries, out of the last stretch.
    pub fn last<T>(&self, stretch: &Stretch<T>) -> Vec<Copies> {
        let of = |(&k, &input): (&usize, &InputId)| {
            let (place, into) = (Self::input(&stretch.body, input)?, self.result(k)?);
            Some(Copies::new(&place.axes, (place.at, &place.view), into))
        };
        self.used.carries.iter().zip(&stretch.inputs).filter_map(of).collect()
    }
}

impl<T: Real> Stretch<T> {
    /// Places a body of so many turns that runs so many times.
    ///
    /// # Errors
    /// Where there is not the memory for it.
    pub fn bind(around: Around, width: usize, count: usize, before: Option<&Self>) -> Result<Self, ExecutionError> {
        let scan = around.scan;
        let turns = Body::new(scan, around.used, width);
        let mut extents = around.extents.to_vec();
        if let Some(extent) = extents.get_mut(scan.axis.id.0 as usize).filter(|_| width > 1) {
            *extent = width;
        }
        let conditions = Conditions {
            extents,
            rows: around.setting.rows,
            // Constants stay for all turns of a call.
            steady: turns.constants.iter().copied().collect(),
            whole: turns.carries.iter().map(|c| c.2).collect(),
            undivided: true,
            first: Some(scan.axis),
            ..Conditions::default()
        };
        let body = Program::new(Plan::new(&turns.graph, &turns.outputs(), &conditions), around.setting)?;
        let missing = || {
            let message = format!("there is not the memory for {} numbers", body.memory);
            ExecutionError::Backend { message, origin: Origin::default() }
        };
        let mut arena = Arena::new(body.memory).ok_or_else(missing)?;
        body.settle(arena.all());
        let inputs: Vec<InputId> = turns.carries.iter().map(|c| c.0).collect();
        let mut operands = around.operands.iter();
        let mut first: Vec<&View> = operands.by_ref().take(scan.carries.len()).collect();
        first = around.used.carries.iter().filter_map(|&k| first.get(k).copied()).collect();
        let slices = turns.slices.iter().zip(operands.by_ref());
        let stepped = |(&k, v): (&InputId, &View)| Some(around.feed(&body, k, v)?.reading(v.stride(scan.axis)));
        let slices = slices.filter_map(stepped).collect();
        let constants = turns.constants.iter().zip(operands);
        let constants = constants.filter_map(|(&k, v)| around.feed(&body, k, v)).collect();
        let start = |(n, &input): (usize, &InputId)| match before {
            None => around.feed(&body, input, first.get(n)?),
            Some(stretch) => {
                let from = Around::input(&stretch.body, *stretch.inputs.get(n)?)?;
                let into = Around::input(&body, input)?;
                Some(Copies::new(&into.axes, (from.at, &from.view), (into.at, &into.view)))
            }
        };
        let starts = inputs.iter().enumerate().filter_map(start).collect();
        let carried = |(&input, from): (&InputId, &View)| {
            let into = Around::input(&body, input)?;
            Some(Copies::new(&into.axes, (start_of(&body.plan, from), from), (into.at, &into.view)))
        };
        let carries = inputs.iter().zip(&body.plan.outputs).filter_map(carried).collect();
        let results = around.results(&body, &turns);
        let (scratch, time) = (body.scratch(), turns.time.and_then(|t| Some(Around::input(&body, t)?.at)));
        let settles = scan.can_settle() && results.is_empty();
        Ok(Self {
            arena,
            scratch,
            width,
            count,
            time,
            constants,
            starts,
            slices,
            results,
            carries,
            inputs,
            settles,
            body,
        })
    }

    /// The body's memory.
    pub fn arena(&self) -> &Arena<T> {
        &self.arena
    }

    /// Takes over constants and carries: from the stretch before, or from outside.
    pub fn start(&mut self, outer: &Arena<T>, before: Option<&Arena<T>>) {
        copy(&self.constants, outer, &self.arena, 0);
        copy(&self.starts, before.unwrap_or(outer), &self.arena, 0);
    }

    /// Makes its turns after so many are done, and gives how many then are; `from` is the number of all turns where
    /// they run from the last position.
    ///
    /// # Errors
    /// As the body.
    pub fn run(
        &mut self,
        outer: &Arena<T>,
        key: &Key,
        mut done: usize,
        from: Option<usize>,
    ) -> Result<usize, ExecutionError> {
        let Self { body, arena, scratch, .. } = self;
        let arena = &*arena;
        let whole = done + self.count * self.width;
        body.run_alone(Part::Steady, arena, key, scratch)?;
        for _ in 0..self.count {
            let lowest = from.map_or(done, |turns| turns - done - self.width);
            copy(&self.slices, outer, arena, lowest);
            if let Some(time) = self.time {
                // SAFETY: the body's memory is nobody else's.
                unsafe { arena.write(time, 1) }.fill(T::from_f64(lowest as f64));
            }
            let key = Key { step: step_within(key.step, lowest as u64), ..*key };
            body.run_alone(Part::Step, arena, &key, scratch)?;
            // SAFETY: the body's memory is nobody else's.
            if self.settles && self.carries.iter().all(|c| unsafe { c.are_done(arena, arena) }) {
                break;
            }
            copy(&self.results, arena, outer, lowest);
            copy(&self.carries, arena, arena, 0);
            done += self.width;
        }
        Ok(whole)
    }
}
