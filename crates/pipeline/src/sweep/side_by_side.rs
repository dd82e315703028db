//! Work on several points at a time, each on its own threads.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::error::Error;

/// What is known of each piece of work.
enum State<T> {
    Waiting,
    Running,
    Done(T),
}

/// How many work at a time, and on how many threads each.
#[derive(Clone, Copy, Debug)]
pub struct Crew {
    /// Pieces of work at a time.
    pub jobs: usize,
    /// Threads of each.
    pub threads: usize,
}

/// Does the work of `todo`, side by side; one whose parent is in `todo` waits for it. What
/// comes back is in the order of `todo`, without what was not begun when the user wanted an end.
pub fn side_by_side<T: Send>(
    todo: &[usize],
    parent: impl Fn(usize) -> Option<usize> + Sync,
    crew: Crew,
    stopped: &(impl Fn() -> bool + Sync),
    work: impl Fn(usize) -> T + Sync,
) -> Result<Vec<(usize, T)>, Error> {
    let states: Mutex<Vec<State<T>>> = Mutex::new(todo.iter().map(|_| State::Waiting).collect());
    let changed = Condvar::new();
    // The next that can be begun; `Err(true)` while others may still make one ready.
    let next = |states: &[State<T>]| -> Result<usize, bool> {
        let done = |k: usize| {
            let at = todo.iter().position(|&t| t == k);
            at.is_none_or(|at| matches!(states.get(at), Some(State::Done(_))))
        };
        let ready = |at: usize, k: usize| matches!(states.get(at), Some(State::Waiting)) && parent(k).is_none_or(done);
        let found = todo.iter().enumerate().find(|(at, k)| ready(*at, **k)).map(|(at, _)| at);
        found.ok_or_else(|| states.iter().any(|s| matches!(s, State::Running)))
    };
    let worker = || -> Result<(), Error> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(crew.threads).build();
        let pool = pool.map_err(|e| Error::Internal(format!("threads cannot be started: {e}")))?;
        let mut held = states.lock().unwrap_or_else(PoisonError::into_inner);
        while !stopped() {
            let at = match next(&held) {
                Ok(at) => at,
                Err(true) => {
                    held = changed.wait(held).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
                Err(false) => break,
            };
            let Some((state, &k)) = held.get_mut(at).zip(todo.get(at)) else { break };
            *state = State::Running;
            drop(held);
            let done = pool.install(|| work(k));
            held = states.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(state) = held.get_mut(at) {
                *state = State::Done(done);
            }
            changed.notify_all();
        }
        changed.notify_all();
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..crew.jobs.max(1)).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .try_for_each(|w| w.join().unwrap_or_else(|_| Err(Error::Internal("a fit among others broke off".into()))))
    })?;
    let states = states.into_inner().unwrap_or_else(PoisonError::into_inner);
    let done = todo.iter().zip(states).filter_map(|(&k, s)| match s {
        State::Done(done) => Some((k, done)),
        State::Waiting | State::Running => None,
    });
    Ok(done.collect())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn work_waits_for_what_it_hangs_on() {
        let order = Mutex::new(vec![]);
        let parent = |k: usize| [Some(2), Some(0), None, Some(2), Some(9)][k];
        let todo = [0, 1, 2, 3, 4];
        let done = side_by_side(&todo, parent, Crew { jobs: 3, threads: 1 }, &|| false, |k| {
            order.lock().unwrap().push(k);
            10 * k
        });
        assert_eq!(done.unwrap(), todo.map(|k| (k, 10 * k)));
        let order = order.into_inner().unwrap();
        let at = |k: usize| order.iter().position(|&o| o == k).unwrap();
        assert!(at(2) < at(0) && at(0) < at(1) && at(2) < at(3), "{order:?}");
    }

    #[test]
    fn each_has_its_threads_and_no_more_run_than_jobs() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let done = side_by_side(
            &[0, 1, 2, 3, 4, 5],
            |_| None,
            Crew { jobs: 2, threads: 3 },
            &|| false,
            |_| {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(std::time::Duration::from_millis(5));
                now.fetch_sub(1, Ordering::SeqCst);
                rayon::current_num_threads()
            },
        );
        assert_eq!(done.unwrap().iter().map(|d| d.1).collect::<Vec<_>>(), [3; 6]);
        assert!(most.into_inner() <= 2);
    }
}
