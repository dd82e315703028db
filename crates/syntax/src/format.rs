//! The canonical layout of a program: one statement per line, comments where they were, at most one empty line between.
//!
//! The tree says where lines may break; the text itself is taken from the source, token by token, so nothing is lost.

mod expression;
mod layout;
mod statement;
mod writer;

use crate::diagnostic::Diagnostic;
use crate::lexer::lex;
use crate::parser::parse;
use layout::Doc;
use writer::Writer;

/// Lays out a program. Formatting twice changes nothing more, and the tree stays the same.
///
/// # Errors
/// The diagnostics of a program that does not parse; such a program is left alone.
pub fn format(text: &str) -> Result<String, Vec<Diagnostic>> {
    let parsed = parse(text);
    if !parsed.diagnostics.is_empty() {
        return Err(parsed.diagnostics);
    }
    let lexed = lex(text);
    let mut writer = Writer::new(text, &lexed);
    let mut parts = writer.statements(&parsed.ast.statements);
    writer.lead(parts.is_empty(), &mut parts);
    Ok(Doc::Join(parts).render())
}
