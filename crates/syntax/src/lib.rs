//! Text to syntax tree: lexer, parser, formatter, spans, diagnostics as plain data.

pub mod ast;
mod diagnostic;
mod span;

pub use diagnostic::{Diagnostic, Label, Severity};
pub use span::{Span, Spanned};
