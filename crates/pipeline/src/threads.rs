//! Threads of a piece of work.

use crate::error::{Error, OptionName};

/// Bytes of a thread's stack. Programs are understood by recursion, as deep as their values follow from one another; what is not
/// used of this takes no memory.
const STACK: usize = 512 << 20;

/// Threads that are started at most: a number beyond any machine's is a slip, and starting them takes minutes.
const MOST: usize = 1024;

/// Does work on so many threads of its own; all cores where none are asked for. Everything that divides its work, candle's
/// products too, divides it among them.
///
/// # Errors
/// When 0 are asked for or more than 1024, or they cannot be started.
pub fn on_threads<T: Send>(threads: Option<usize>, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
    let builder = match threads {
        None => return on_a_deep_stack(work),
        Some(n) if n == 0 || n > MOST => {
            return Err(Error::Option(OptionName::Threads, format!("takes a number from 1 to {MOST}")));
        }
        Some(n) => rayon::ThreadPoolBuilder::new().num_threads(n).stack_size(STACK),
    };
    let pool = builder.build().map_err(|e| Error::Internal(format!("threads cannot be started: {e}")))?;
    Ok(pool.install(work))
}

/// Does work on a thread of its own, whose parallel parts are all cores'.
fn on_a_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Error> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        let thread = thread.map_err(|e| Error::Internal(format!("a thread cannot be started: {e}")))?;
        thread.join().map_or_else(|panic| std::panic::resume_unwind(panic), Ok)
    })
}
