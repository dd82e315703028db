//! Where a fit stands, so that it can be gone on from bit for bit.

use std::time::{Duration, Instant};

use fe_graph::training::TrainerState;
use serde::{Deserialize, Serialize};

use crate::bounds::Dual;
use crate::fit::Monitor;
use crate::journal::Journal;
use crate::optimizer::Optimizer;
use crate::problem::Values;
use crate::trace::{TracePoint, Window};

/// Where a fit stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State(pub(crate) Way);

/// By the method that makes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Way {
    Steps(Box<Standing>),
    Minimum(Box<Journal>),
}

impl State {
    /// Steps or iterations done.
    pub fn steps(&self) -> u64 {
        match &self.0 {
            Way::Steps(standing) => standing.done,
            Way::Minimum(journal) => journal.iterations(),
        }
    }
}

/// Where a fit by steps stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub seconds: f64,
    pub done: u64,
    pub chunk: u64,
    pub attempt: u64,
    pub engine: EngineState,
    pub duals: Vec<Dual>,
    /// Inputs that change in the course of the fit, as they were given to the last steps: multipliers, and steps of a descent.
    pub inputs: Vec<(u32, f64)>,
    /// Of a descent whose steps are chosen: its last curvature, and the step of the fit at which they are chosen again.
    pub inner: Option<(f64, u64)>,
    pub window: Window,
    pub trace: Vec<TracePoint>,
    pub history: Vec<f64>,
}

/// The parameters and the optimiser's memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum EngineState {
    Resident(TrainerState),
    Hosted(Values, Box<(Optimizer, Optimizer)>),
}

/// A fit on its way: who watches it, who keeps where it stands, and where an earlier one stood.
pub(crate) struct Course<'a> {
    pub monitor: &'a mut dyn Monitor,
    pub keeper: &'a mut dyn Keeper,
    pub earlier: Option<State>,
    /// When it began; by so much earlier as an earlier one took.
    pub started: Instant,
}

impl<'a> Course<'a> {
    /// Of a fit that begins now, or goes on.
    pub fn new(monitor: &'a mut dyn Monitor, keeper: &'a mut dyn Keeper) -> Self {
        let earlier = keeper.earlier();
        let seconds = match &earlier {
            Some(State(Way::Steps(standing))) => standing.seconds,
            Some(State(Way::Minimum(journal))) => journal.seconds,
            None => 0.0,
        };
        let now = Instant::now();
        let before = Duration::try_from_secs_f64(seconds).ok().and_then(|d| now.checked_sub(d));
        Self { monitor, keeper, earlier, started: before.unwrap_or(now) }
    }
}

/// Keeps where a fit stands, and says where an earlier one stood.
pub trait Keeper {
    /// Where an earlier fit of the same problem stood.
    fn earlier(&mut self) -> Option<State>;

    /// Whether the time has come to keep it.
    fn due(&self) -> bool;

    /// Keeps it.
    fn keep(&mut self, state: State, moment: Moment);
}

/// When a state is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// In the course of the fit, as it was due.
    Due,
    /// The fit is ended from outside.
    Interrupted,
    /// The fit has ended, and its posterior is read next.
    Ended,
}

/// Keeps as another does, but an earlier fit stood elsewhere.
pub struct From<'a> {
    earlier: Option<State>,
    keeper: &'a mut dyn Keeper,
}

impl<'a> From<'a> {
    /// Goes on from a state, if there is one.
    pub fn new(earlier: Option<State>, keeper: &'a mut dyn Keeper) -> Self {
        Self { earlier, keeper }
    }
}

impl Keeper for From<'_> {
    fn earlier(&mut self) -> Option<State> {
        self.earlier.take().or_else(|| self.keeper.earlier())
    }

    fn due(&self) -> bool {
        self.keeper.due()
    }

    fn keep(&mut self, state: State, moment: Moment) {
        self.keeper.keep(state, moment);
    }
}

/// Nothing is kept.
pub struct Unkept;

impl Keeper for Unkept {
    fn earlier(&mut self) -> Option<State> {
        None
    }

    fn due(&self) -> bool {
        false
    }

    fn keep(&mut self, _: State, _: Moment) {}
}
