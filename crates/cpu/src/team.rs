//! Threads that run the same phases in step.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Looks that a waiting thread takes before it lets others run.
const SPINS: usize = 20_000;

/// A barrier at which threads wait for one another.
pub struct Barrier {
    threads: usize,
    waiting: AtomicUsize,
    round: AtomicUsize,
}

impl Barrier {
    /// For so many threads.
    pub fn new(threads: usize) -> Self {
        Self { threads, waiting: AtomicUsize::new(0), round: AtomicUsize::new(0) }
    }

    /// Returns when all have come. What was written before is seen after.
    pub fn wait(&self) {
        if self.threads < 2 {
            return;
        }
        let round = self.round.load(Ordering::Acquire);
        if self.waiting.fetch_add(1, Ordering::AcqRel) + 1 == self.threads {
            self.waiting.store(0, Ordering::Release);
            self.round.fetch_add(1, Ordering::AcqRel);
            return;
        }
        let mut looks = 0;
        while self.round.load(Ordering::Acquire) == round {
            looks += 1;
            if looks < SPINS {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
    }
}

/// Divides tasks of these costs among threads: panels stay in blocks, so that a thread finds its rows in its own cache,
/// and the rest goes to whoever has least. Returns each thread's tasks in order.
pub fn divide(blocks: &[f64], rest: &[f64], threads: usize) -> Vec<Vec<usize>> {
    let mut given = vec![vec![]; threads.max(1)];
    let mut load = vec![0.0; threads.max(1)];
    for (k, &cost) in blocks.iter().enumerate() {
        let thread = k * threads.max(1) / blocks.len().max(1);
        if let (Some(list), Some(sum)) = (given.get_mut(thread), load.get_mut(thread)) {
            list.push(k);
            *sum += cost;
        }
    }
    let mut order: Vec<usize> = (0..rest.len()).collect();
    order.sort_by(|&a, &b| rest.get(b).partial_cmp(&rest.get(a)).unwrap_or(std::cmp::Ordering::Equal).then(a.cmp(&b)));
    for k in order {
        let least = load.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(t, _)| t);
        if let (Some(list), Some(sum), Some(cost)) = (given.get_mut(least), load.get_mut(least), rest.get(k)) {
            list.push(blocks.len() + k);
            *sum += cost;
        }
    }
    given
}
