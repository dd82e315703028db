//! Text to tree. Never fails: what cannot be read is reported, and stands in the tree as a broken statement.

use crate::ast::Ast;
use crate::diagnostic::Diagnostic;
use crate::grammar::ProgramParser;
use crate::lexer::lex;
use crate::repair::repair;
use crate::tree::Context;

/// A program's tree and what is wrong with its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The statements, broken ones among them.
    pub ast: Ast,
    /// The mistakes, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a program. Each mistake gives one diagnostic, and the rest of the program is read all the same.
pub fn parse(text: &str) -> Parsed {
    let lexed = lex(text);
    let mut diagnostics = lexed.diagnostics;
    let tokens = repair(text, &lexed.tokens, &mut diagnostics);
    let mut context = Context { text, tokens: &tokens, diagnostics };
    let stream = tokens.iter().map(|lexeme| Ok((lexeme.span.start, lexeme.token, lexeme.span.end)));
    let ast = ProgramParser::new().parse(&mut context, stream).unwrap_or_else(|error| {
        context.report_error(error);
        Ast::default()
    });
    let mut diagnostics = context.diagnostics;
    diagnostics.sort_by_key(|diagnostic| diagnostic.span());
    Parsed { ast, diagnostics }
}
