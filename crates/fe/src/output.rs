//! The only writers to standard output and standard error. A reader that has left, as in `fe explain … | head`, is no fault.

use std::io::{ErrorKind, Write};

use fe_pipeline::Text;
use fe_syntax::Diagnostic;

use crate::failure::Failure;
use crate::render;

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

/// Writes diagnostics of a program to standard error.
pub fn diagnostics(text: &Text, diagnostics: &[Diagnostic]) {
    err(&render::text(&text.file, &text.source, diagnostics, render::colour_on_stderr()));
}

/// Columns of the terminal; `COLUMNS` wins, and 100 elsewhere.
pub fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|c| c.parse::<usize>().ok());
    columns
        .or_else(|| console::Term::stdout().size_checked().map(|(_, w)| usize::from(w)))
        .unwrap_or(100)
        .clamp(60, 200)
}
