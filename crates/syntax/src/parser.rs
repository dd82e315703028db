//! Text to tree. Never fails: what cannot be read is reported, and stands in the tree as a broken statement.

use crate::ast::Ast;
use crate::diagnostic::Diagnostic;
use crate::grammar::ProgramParser;
use crate::lexer::lex;
use crate::messages;
use crate::repair::repair;
use crate::token::Lexeme;
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
    let mut context = Context::new(text, &tokens, diagnostics);
    let stream = tokens.iter().map(|lexeme| Ok((lexeme.span.start, lexeme.token, lexeme.span.end)));
    let ast = ProgramParser::new().parse(&mut context, stream).unwrap_or_else(|error| {
        context.report_error(error);
        Ast::default()
    });
    let diagnostics = one_for_each(context.into_diagnostics(), &tokens);
    Parsed { ast, diagnostics }
}

/// Orders what was said, and says a thing once per statement: places where the same habit shows again become labels.
fn one_for_each(mut all: Vec<Diagnostic>, tokens: &[Lexeme]) -> Vec<Diagnostic> {
    all.sort_by_key(|diagnostic| diagnostic.span());
    let openings: Vec<usize> = tokens.iter().filter(|it| it.token.opens_statement()).map(|it| it.span.start).collect();
    let statement = |diagnostic: &Diagnostic| openings.partition_point(|start| *start <= diagnostic.span().start);
    let mut kept: Vec<Diagnostic> = Vec::new();
    let mut first = 0;
    for diagnostic in all {
        if kept.get(first).is_some_and(|it| statement(it) != statement(&diagnostic)) {
            first = kept.len();
        }
        let here = kept.get_mut(first..).unwrap_or_default();
        if messages::is_lexical(&diagnostic) && here.iter().any(messages::is_stray) {
            continue;
        }
        let same = |it: &&mut Diagnostic| it.code == diagnostic.code && it.message == diagnostic.message;
        match here.iter_mut().find(same) {
            Some(earlier) => earlier.labels.extend(diagnostic.labels),
            None => kept.push(diagnostic),
        }
    }
    kept
}
