//! What diagnostics look like, and whether a stream wants colour.

use std::io::IsTerminal;

pub use fe_render::{json, text};

/// Whether standard error wants colour.
pub fn colour_on_stderr() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && std::io::stderr().is_terminal()
}

/// Whether standard output wants colour.
pub fn colour_on_stdout() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && std::io::stdout().is_terminal()
}
