//! Work on a thread of its own, while the caller's thread looks for signals and tells of progress.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use fe_pipeline::{Watch, fault};
use fe_train::Monitor;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// How often signals are looked for.
const EVERY: Duration = Duration::from_millis(50);

/// Bytes of the thread's stack: whole programs are understood on it.
const STACK: usize = 8 << 20;

/// How far a fit is: steps done, of how many where that is known, and what is minimised.
type Place = (u64, Option<u64>, f64);

/// What the two threads share.
#[derive(Default)]
pub struct Shared {
    stop: AtomicBool,
    place: Mutex<Option<Place>>,
}

impl Shared {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

/// A fit that the caller's thread may end.
pub struct Told<'a>(pub &'a Shared);

impl Monitor for Told<'_> {
    fn step(&mut self, done: u64, total: Option<u64>, objective: f64) -> bool {
        if let Ok(mut place) = self.0.place.lock() {
            *place = Some((done, total, objective));
        }
        !self.0.stopped()
    }

    fn draw(&mut self, _: u64, _: u64) -> bool {
        !self.0.stopped()
    }

    fn note(&mut self, _: &str) {}
}

impl Watch for Told<'_> {
    fn stopped(&self) -> bool {
        self.0.stopped()
    }
}

/// Does work without the interpreter's lock. `progress` is called now and then with where a fit is.
///
/// # Errors
/// `KeyboardInterrupt` and what else signals and `progress` raise, after the work has ended; a fault of the compiler.
pub fn without_lock<T: Send>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&Shared) -> T + Send,
) -> PyResult<T> {
    let shared = Shared::default();
    let (ended, end) = channel();
    let mut raised = None;
    let joined = std::thread::scope(|scope| {
        let shared = &shared;
        let builder = std::thread::Builder::new().stack_size(STACK);
        let handle = builder.spawn_scoped(scope, move || {
            // Dropped at the end, whether that is well or not.
            let _ended = ended;
            work(shared)
        });
        let handle = handle.map_err(|e| PyRuntimeError::new_err(format!("a thread cannot be started: {e}")))?;
        let mut end: Receiver<()> = end;
        loop {
            let (waited, back) = py.detach(move || (end.recv_timeout(EVERY), end));
            end = back;
            if !matches!(waited, Err(RecvTimeoutError::Timeout)) {
                break;
            }
            if raised.is_none() {
                let place = shared.place.lock().ok().and_then(|mut p| p.take());
                let told = progress.zip(place).map_or(Ok(()), |(call, place)| call.call1(place).map(|_| ()));
                raised = py.check_signals().and(told).err();
                if raised.is_some() {
                    shared.stop.store(true, Ordering::SeqCst);
                }
            }
        }
        py.detach(|| handle.join()).map_err(|_| PyRuntimeError::new_err(fault("the work on a program has panicked")))
    });
    match raised {
        Some(error) => Err(error),
        None => joined,
    }
}
