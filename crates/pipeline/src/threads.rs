//! Threads of a piece of work.

use crate::error::{Error, OptionName};

/// Bytes of a thread's stack: as many as the first thread of a process has, since whole programs are understood on it.
const STACK: usize = 8 << 20;

/// Does work on so many threads of its own; all cores where none are asked for. Everything that divides its work, candle's
/// products too, divides it among them.
///
/// # Errors
/// When 0 are asked for, or they cannot be started.
pub fn on_threads<T: Send>(threads: Option<usize>, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
    let builder = match threads {
        None => return Ok(work()),
        Some(0) => return Err(Error::Option(OptionName::Threads, "takes a number from 1".into())),
        Some(n) => rayon::ThreadPoolBuilder::new().num_threads(n).stack_size(STACK),
    };
    let pool = builder.build().map_err(|e| Error::Internal(format!("threads cannot be started: {e}")))?;
    Ok(pool.install(work))
}
