//! Starts minimised side by side, each on a thread of its own. A start knows nothing of the others, so that each ends where it
//! would have ended alone, and they are compared as if they had been made one after another.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use fe_graph::{ExecutionError, Origin};

use crate::checkpoint::Unkept;
use crate::journal::{Ended, Journal};
use crate::lbfgs::{Curvature, Options};
use crate::problem::{Problem, Setting, Values};
use crate::saa::{Kept, Memory, SaaObjective, Stop};
use crate::starts::placed;

/// The fewest starts that a thread is given: it compiles the objective for itself.
const FEWEST: usize = 2;

/// The stack of a thread, of which the system gives what is used: graphs are walked to any depth.
const STACK: usize = 512 << 20;

fn failed(message: String) -> ExecutionError {
    ExecutionError::Backend { message, origin: Origin::default() }
}

/// What every thread works on.
struct Work<'a> {
    problem: &'a Problem<'a>,
    first: &'a Values,
    setting: &'a Setting,
    options: &'a Options,
    count: usize,
    started: Instant,
    /// The next start to be made.
    next: AtomicUsize,
    /// Whether the fit is to end.
    stop: AtomicBool,
}

/// Makes starts 1 to `count` − 1 and leaves them in the journal of `objective`, which then takes them for made. Nothing is done
/// where there are few, where there is one thread, or where a fit goes on that has made some of them.
///
/// # Errors
/// When a run fails.
pub(crate) fn made(
    objective: &mut SaaObjective,
    (problem, first): (&Problem, &Values),
    setting: &Setting,
    options: &Options,
    count: usize,
    going: &mut dyn FnMut(f64) -> bool,
) -> Result<(), ExecutionError> {
    let starts = count.saturating_sub(1);
    let threads = rayon::current_num_threads().min(starts / FEWEST);
    if threads < 2 || !objective.is_at_end() {
        return Ok(());
    }
    let started = objective.started();
    let (next, stop) = (AtomicUsize::new(1), AtomicBool::new(false));
    let work = Work { problem, first, setting, options, count, started, next, stop };
    let (sender, receiver) = channel();
    let mut found: Vec<(usize, Ended)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (work, sender) = (&work, sender.clone());
                scope.spawn(move || alone(work, &sender))
            })
            .collect();
        drop(sender);
        for value in receiver {
            if !going(value) {
                work.stop.store(true, Ordering::Relaxed);
            }
        }
        let lost = |_| Err(failed("a thread ended before its time".into()));
        workers.into_iter().map(|w| w.join().unwrap_or_else(lost)).collect::<Result<Vec<_>, _>>()
    })?
    .into_iter()
    .flatten()
    .collect();
    found.sort_by_key(|f| f.0);
    // One that was ended early leaves a gap, behind which the order is lost.
    let whole = found.into_iter().enumerate().take_while(|(k, f)| f.0 == k + 1).map(|(_, f)| f.1);
    objective.foretell(whole.collect());
    Ok(())
}

/// Takes one start after another until there are no more, on a pool of one thread.
fn alone(work: &Work, sender: &Sender<f64>) -> Result<Vec<(usize, Ended)>, ExecutionError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).stack_size(STACK).build();
    let pool = pool.map_err(|e| failed(e.to_string()))?;
    pool.install(|| {
        let mut keeper = Unkept;
        let kept = Kept { journal: Journal::default(), keeper: &mut keeper, started: work.started };
        let mut objective = SaaObjective::new(work.problem, kept)?;
        let mut ended = vec![];
        loop {
            let k = work.next.fetch_add(1, Ordering::Relaxed);
            if k >= work.count || work.stop.load(Ordering::Relaxed) {
                return Ok(ended);
            }
            let start = placed(&mut objective, work.problem, work.first, work.setting, k)?;
            objective.minimize((&start, Memory::Passing(Curvature::default())), work.setting, work.options, |now| {
                // Nobody listens any more where the fit has failed elsewhere.
                _ = sender.send(now.value);
                match work.stop.load(Ordering::Relaxed) {
                    true => ControlFlow::Break(Stop::Interrupted),
                    false => ControlFlow::Continue(()),
                }
            })?;
            ended.extend(objective.take_ended().map(|e| (k, e)));
        }
    })
}
