//! The only writers to standard output and standard error. A reader that has left, as in `fe explain … | head`, is no fault.

use std::io::{ErrorKind, Write};

use crate::failure::Failure;

/// Writes to standard output.
///
/// # Errors
/// When it cannot be written, as on a full disk.
pub fn out(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Io(format!("standard output cannot be written: {e}")))
        }
        _ => Ok(()),
    }
}

/// Writes to standard error; there is nowhere to say that it failed.
pub fn err(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
