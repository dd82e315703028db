//! Text to syntax tree: lexer, parser, formatter, spans, diagnostics as plain data.

pub mod ast;
mod codes;
mod diagnostic;
mod dump;
mod format;
mod lexer;
mod messages;
mod parser;
mod repair;
mod span;
mod spelling;
mod stray;
mod token;
mod tree;
mod unexpected;

lalrpop_util::lalrpop_mod!(
    #[allow(clippy::all, clippy::pedantic, clippy::restriction, missing_docs, unused, reason = "generated")]
    grammar,
    "/fe.rs"
);

pub use codes::CODES;
pub use diagnostic::{Diagnostic, Label, Severity};
pub use dump::{dump, dump_tokens};
pub use format::format;
pub use parser::{Parsed, parse};
pub use span::{Span, Spanned};
