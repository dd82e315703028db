//! Chains on their way: what their densities have come to is kept, and gives the same draws again without a run of the model.
//!
//! The state of a sampler cannot be read. But a chain is a function of its seed and of the values and gradients that it was told,
//! and nearly all of its time is theirs: a chain that is begun anew and told them again is soon where it was, to the bit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::fit::Monitor;
use crate::nuts::{Lengths, OneChain};

/// Numbers that chains on their way keep of their densities, all together: 64 MB, which a disk takes in about a second. What a
/// chain has computed beyond its share is computed again.
pub(crate) const MOST_KEPT: usize = 8 << 20;

/// How often a trajectory that goes on for long looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);

/// What chains have so far.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Sampling(Vec<Sofar>);

/// What one has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Sofar {
    /// Values of the log density, each with its gradient, in the order in which they were asked for.
    Told(Vec<f64>),
    /// All its draws.
    Done(OneChain),
}

/// Keeps what chains have so far, and says what earlier ones had.
pub trait ChainKeeper: Send {
    /// What earlier chains of the same posterior had.
    fn earlier(&mut self) -> Option<Sampling>;

    /// Whether the time has come to keep it.
    fn due(&self) -> bool;

    /// Keeps it.
    fn keep(&mut self, sampling: Sampling);
}

/// Chains that somebody watches, and whose way is kept.
pub(crate) struct Watched<'a> {
    seen: Mutex<Seen<'a>>,
    chains: Vec<Mutex<Sofar>>,
    stopped: AtomicBool,
    /// Transitions of all chains.
    total: u64,
    /// Numbers that one keeps at most.
    share: usize,
}

struct Seen<'a> {
    monitor: &'a mut dyn Monitor,
    keeper: &'a mut dyn ChainKeeper,
    done: u64,
    last: Instant,
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Watched<'a> {
    /// Chains that go on from where earlier ones were.
    pub fn new(monitor: &'a mut dyn Monitor, keeper: &'a mut dyn ChainKeeper, lengths: Lengths) -> Self {
        let mut earlier = keeper.earlier().unwrap_or_default().0.into_iter();
        let chains = (0..lengths.chains).map(|_| Mutex::new(earlier.next().unwrap_or(Sofar::Told(vec![]))));
        Self {
            chains: chains.collect(),
            stopped: AtomicBool::new(false),
            total: (lengths.chains * (lengths.warmup + lengths.draws)) as u64,
            share: MOST_KEPT / lengths.chains.max(1),
            seen: Mutex::new(Seen { monitor, keeper, done: 0, last: Instant::now() }),
        }
    }

    /// Whether chains are to end.
    pub fn stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// All draws of a chain, where it has them.
    pub fn done(&self, chain: usize) -> Option<OneChain> {
        match &*locked(self.chains.get(chain)?) {
            Sofar::Done(one) => Some(one.clone()),
            Sofar::Told(_) => None,
        }
    }

    /// What a chain has been told.
    pub fn told(&self, chain: usize) -> Vec<f64> {
        match self.chains.get(chain).map(locked).as_deref() {
            Some(Sofar::Told(numbers)) => numbers.clone(),
            _ => vec![],
        }
    }

    /// A chain is told a value and a gradient. Once its share is full it keeps no more, so that what it keeps has no gap.
    pub fn tell(&self, chain: usize, value: f64, gradient: &[f64]) {
        if let Some(Sofar::Told(numbers)) = self.chains.get(chain).map(locked).as_deref_mut()
            && numbers.len() + gradient.len() < self.share
        {
            numbers.push(value);
            numbers.extend(gradient);
        }
    }

    /// A chain has all its draws.
    pub fn end(&self, chain: usize, one: &OneChain) {
        if let Some(mut slot) = self.chains.get(chain).map(locked) {
            *slot = Sofar::Done(one.clone());
        }
    }

    /// A chain has made a transition.
    pub fn step(&self) {
        let mut seen = locked(&self.seen);
        seen.done += 1;
        self.look(&mut seen);
    }

    /// A chain is amid a transition.
    pub fn wait(&self) {
        if let Ok(mut seen) = self.seen.try_lock()
            && seen.last.elapsed() >= LOOK
        {
            self.look(&mut seen);
        }
    }

    fn look(&self, seen: &mut Seen) {
        if self.stopped() {
            return;
        }
        seen.last = Instant::now();
        if !seen.monitor.draw(seen.done, self.total) {
            self.stopped.store(true, Ordering::SeqCst);
        } else if seen.keeper.due() {
            seen.keeper.keep(self.sampling());
        }
    }

    fn sampling(&self) -> Sampling {
        Sampling(self.chains.iter().map(|c| locked(c).clone()).collect())
    }

    /// Keeps what chains have that are ended from outside.
    pub fn ended(self) {
        let sampling = self.stopped().then(|| self.sampling());
        let seen = self.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        seen.monitor.ended();
        if let Some(sampling) = sampling {
            seen.keeper.keep(sampling);
        }
    }
}
