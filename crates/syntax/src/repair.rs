//! Between lexer and parser: words take the meaning of their place, and what would throw the parser off the track for
//! more than one statement (misspelt keywords, lines without one, braces) is reported and set right.

use crate::diagnostic::Diagnostic;
use crate::messages;
use crate::span::Span;
use crate::spelling;
use crate::token::{Lexeme, Token, line_break_between};

/// Operators, brackets and branches that one expression may nest; everything that walks the tree recurses this deep.
const DEPTH: usize = 1000;

/// Prepares tokens for the parser. The result has balanced braces, and no expression deeper than [`DEPTH`].
pub fn repair<'s>(text: &'s str, tokens: &[Lexeme<'s>], diagnostics: &mut Vec<Diagnostic>) -> Vec<Lexeme<'s>> {
    let words = words(text, tokens, diagnostics);
    let mut statements = Statements {
        text,
        input: &words,
        partners: partners(&words),
        dropped: Vec::new(),
        output: Vec::new(),
        diagnostics,
        open: 0,
        braces: Vec::new(),
        keyword: None,
        stray_column: None,
    };
    statements.run();
    let output = statements.output;
    limit_depth(&output, diagnostics)
}

/// Units behind numbers, `price` where it opens a statement, reserved words in the place of names, and the constants of
/// Python.
fn words<'s>(text: &'s str, tokens: &[Lexeme<'s>], diagnostics: &mut Vec<Diagnostic>) -> Vec<Lexeme<'s>> {
    let mut output: Vec<Lexeme<'s>> = Vec::with_capacity(tokens.len());
    let mut in_train = false;
    // One name chosen badly is one mistake, however often it is used.
    let mut reserved: Vec<&str> = Vec::new();
    let mut open = 0_usize;
    for (i, lexeme) in tokens.iter().enumerate() {
        let peek = |k: usize| tokens.get(i.saturating_add(k)).copied();
        let next = peek(1).map(|lexeme| lexeme.token);
        let last = output.last().copied();
        let slice = text.get(lexeme.span.start..lexeme.span.end).unwrap_or_default();
        let behind_number = matches!(last.map(|last| last.token), Some(Token::Number(_)));
        let opens = last.is_none_or(|last| last.token.opens_statement());
        let token = match lexeme.token {
            Token::Name("nat" | "nats" | "bit" | "bits" | "spike" | "spikes")
                if behind_number && next != Some(Token::Equals) =>
            {
                Token::Unit(slice)
            }
            Token::Name("price")
                if next.is_some_and(Token::is_word) && peek(2).is_some_and(|lexeme| lexeme.token == Token::Equals) =>
            {
                Token::Price
            }
            // `holdout = where split == "test"`
            Token::Name("where")
                if in_train
                    && last.is_some_and(|last| last.token == Token::Equals)
                    && next.is_some_and(Token::starts_operand)
                    && peek(2).is_none_or(|lexeme| lexeme.token != Token::Equals) =>
            {
                Token::Where
            }
            // `csv("d.csv", all but "y")`
            Token::Name("all")
                if open > 0
                    && next == Some(Token::Name("but"))
                    && peek(2).is_some_and(|lexeme| matches!(lexeme.token, Token::Text(_))) =>
            {
                Token::All
            }
            Token::Name("but") if last.is_some_and(|last| last.token == Token::All) => Token::But,
            Token::Name(word @ ("True" | "False" | "TRUE" | "FALSE")) if !opens && next != Some(Token::Equals) => {
                let meant = if word.eq_ignore_ascii_case("true") { "true" } else { "false" };
                diagnostics.push(messages::capital_boolean(lexeme.span, word, meant));
                Token::Name(meant)
            }
            Token::Name(word @ ("None" | "NULL")) if !opens && next != Some(Token::Equals) => {
                diagnostics.push(messages::none(lexeme.span, word));
                Token::Invalid
            }
            Token::For if open > 0 && last.is_some_and(|last| goes_on(text, last, *lexeme)) => {
                diagnostics.push(messages::comprehension(lexeme.span));
                Token::Invalid
            }
            // `by guide` behind a latent's distribution; a value may be called `by` too.
            Token::Guide
                if last.is_some_and(|l| l.token == Token::By && !line_break_between(text, l.span, lexeme.span))
                    && output.iter().rev().nth(1).is_some_and(|l| l.token == Token::CloseParen) =>
            {
                Token::Name(slice)
            }
            token if token.opens_statement() => {
                let name =
                    if in_train { next == Some(Token::Equals) } else { stands_for_name(text, last, *lexeme, peek(1)) };
                if name {
                    if !reserved.contains(&slice) {
                        diagnostics.push(messages::reserved_word(lexeme.span, slice));
                        reserved.push(slice);
                    }
                    Token::Name(slice)
                } else {
                    token
                }
            }
            token => token,
        };
        match (token, last.map(|last| last.token)) {
            (Token::OpenBrace, Some(Token::Train)) => in_train = true,
            (Token::CloseBrace, _) => in_train = false,
            (Token::OpenParen | Token::OpenBracket, _) => open = open.saturating_add(1),
            (Token::CloseParen | Token::CloseBracket, _) => open = open.saturating_sub(1),
            _ if token.opens_statement() => (in_train, open) = (false, 0),
            _ => {}
        }
        output.push(Lexeme { token, span: lexeme.span });
    }
    output
}

/// Whether an operand ends on the same line.
fn goes_on(text: &str, last: Lexeme, next: Lexeme) -> bool {
    last.token.ends_operand() && !line_break_between(text, last.span, next.span)
}

/// Whether a keyword stands where a name or an operand is due, with nothing behind it that it could open.
fn stands_for_name(text: &str, last: Option<Lexeme>, keyword: Lexeme, next: Option<Lexeme>) -> bool {
    let Some(last) = last else { return false };
    let wanted = last.token.opens_statement()
        || !(last.token.ends_operand()
            || matches!(last.token, Token::OpenBrace | Token::CloseBrace | Token::Question | Token::Invalid));
    let opens_something = next.is_some_and(|next| {
        matches!(next.token, Token::Name(_) | Token::OpenBrace) && !line_break_between(text, keyword.span, next.span)
    });
    wanted && !line_break_between(text, last.span, keyword.span) && !opens_something
}

/// For each opening brace the token that closes it.
fn partners(tokens: &[Lexeme]) -> Vec<Option<usize>> {
    let mut partners = vec![None; tokens.len()];
    let mut open = Vec::new();
    for (i, lexeme) in tokens.iter().enumerate() {
        match lexeme.token {
            Token::OpenBrace => open.push(i),
            Token::CloseBrace => {
                if let Some(slot) = open.pop().and_then(|at: usize| partners.get_mut(at)) {
                    *slot = Some(i);
                }
            }
            _ => {}
        }
    }
    partners
}

/// An open brace.
struct Brace {
    span: Span,
    train: bool,
    partner: Option<usize>,
}

/// The pass over statements and braces.
struct Statements<'a, 's> {
    text: &'s str,
    input: &'a [Lexeme<'s>],
    partners: Vec<Option<usize>>,
    /// Closing braces whose partner was closed earlier.
    dropped: Vec<usize>,
    output: Vec<Lexeme<'s>>,
    diagnostics: &'a mut Vec<Diagnostic>,
    /// Round and square brackets open.
    open: usize,
    braces: Vec<Brace>,
    /// The keyword of this statement, until its brace.
    keyword: Option<Token<'s>>,
    /// The column of the last line without a keyword; lines indented deeper belong to it.
    stray_column: Option<usize>,
}

impl<'s> Statements<'_, 's> {
    fn run(&mut self) {
        let mut at = 0;
        while let Some(lexeme) = self.peek(at) {
            at = self.step(at, lexeme);
        }
        let end = self.text.len();
        while let Some(brace) = self.braces.pop() {
            self.diagnostics.push(messages::brace_not_closed(brace.span, brace.train));
            self.insert(Token::CloseBrace, end);
        }
    }

    fn peek(&self, at: usize) -> Option<Lexeme<'s>> {
        self.input.get(at).copied()
    }

    fn insert(&mut self, token: Token<'s>, at: usize) {
        let span = Span::new(at, at);
        self.output.push(Lexeme { token, span });
    }

    /// Handles the token at `at`, and says where to go on.
    fn step(&mut self, at: usize, lexeme: Lexeme<'s>) -> usize {
        match lexeme.token {
            Token::OpenBrace => return self.open_brace(at, lexeme),
            Token::CloseBrace => self.close_brace(at, lexeme),
            Token::Name(word) => {
                if let Some(end) = self.block_at(at) {
                    return self.skip_block(lexeme.span, end);
                }
                self.word(at, lexeme, word);
            }
            token if token.opens_statement() => self.keyword(lexeme),
            token => {
                match token {
                    Token::OpenParen | Token::OpenBracket => self.open = self.open.saturating_add(1),
                    Token::CloseParen | Token::CloseBracket => {
                        self.open = self.open.saturating_sub(1);
                    }
                    _ => {}
                }
                self.output.push(lexeme);
            }
        }
        at.saturating_add(1)
    }

    /// A statement begins: a brace that it cannot stand in is closed first.
    fn keyword(&mut self, lexeme: Lexeme<'s>) {
        let ends = |brace: &Brace| brace.train || (brace.partner.is_none() && !stands_in_chain(lexeme.token));
        while let Some(brace) = self.braces.pop_if(|brace| ends(brace)) {
            self.diagnostics.push(messages::brace_not_closed(brace.span, brace.train));
            self.dropped.extend(brace.partner);
            self.insert(Token::CloseBrace, lexeme.span.start);
        }
        self.open = 0;
        self.keyword = Some(lexeme.token);
        self.stray_column = None;
        self.output.push(lexeme);
    }

    fn open_brace(&mut self, at: usize, lexeme: Lexeme<'s>) -> usize {
        // Chains do not nest, so a deep stack of braces is no program; the bound keeps the parser's stack small.
        let room = self.braces.len() < 8;
        match self.keyword.take() {
            Some(token @ (Token::Train | Token::For)) if room => {
                self.braces.push(Brace {
                    span: lexeme.span,
                    train: token == Token::Train,
                    partner: self.partners.get(at).copied().flatten(),
                });
                self.open = 0;
                self.output.push(lexeme);
                at.saturating_add(1)
            }
            _ => {
                let end = self.partners.get(at).copied().flatten().unwrap_or(at);
                self.output.push(Lexeme { token: Token::Invalid, span: lexeme.span });
                self.skip_block(lexeme.span, end)
            }
        }
    }

    fn close_brace(&mut self, at: usize, lexeme: Lexeme<'s>) {
        self.open = 0;
        self.keyword = None;
        if self.braces.pop().is_some() {
            self.output.push(lexeme);
        } else if !self.dropped.contains(&at) {
            self.diagnostics.push(messages::closes_nothing(lexeme.span, "}"));
        }
    }

    /// Reports a block of another language that begins at `start`, and passes over it.
    fn skip_block(&mut self, start: Span, end: usize) -> usize {
        self.diagnostics.push(messages::no_blocks(start));
        end.saturating_add(1)
    }

    /// The end of a block such as `parameters { … }`, if one is headed by the word at `at`.
    fn block_at(&self, at: usize) -> Option<usize> {
        if !self.at_statement(at)? {
            return None;
        }
        let ahead = |k: usize| self.peek(at.saturating_add(k));
        let head = (1..3).find(|&k| ahead(k).is_some_and(|next| next.token == Token::OpenBrace))?;
        let first = ahead(0)?;
        let last = ahead(head.saturating_sub(1))?;
        let one_line = !line_break_between(self.text, first.span, last.span);
        let misspelt_train = matches!(first.token, Token::Name(word)
            if head == 1 && spelling::keyword(word).is_some_and(|(_, token)| token == Token::Train));
        let open = at.saturating_add(head);
        (one_line && !misspelt_train).then(|| self.partners.get(open).copied().flatten().unwrap_or(open))
    }

    /// Whether a statement is due at the word at `at`: `Some(true)` where a line begins, `Some(false)` within one.
    fn at_statement(&self, at: usize) -> Option<bool> {
        let in_train = self.braces.last().is_some_and(|brace| brace.train);
        if self.open > 0 || in_train {
            return None;
        }
        let lexeme = self.peek(at)?;
        let Some(last) = self.output.last() else {
            return Some(true);
        };
        let complete = match last.token {
            Token::OpenBrace | Token::CloseBrace => return Some(true),
            Token::Question | Token::Invalid => true,
            token => token.ends_operand() && (matches!(token, Token::Name(_)) || !token.is_word()),
        };
        complete.then(|| line_break_between(self.text, last.span, lexeme.span))
    }

    /// A word where a statement is due is a misspelt keyword, or opens a line that lacks one.
    fn word(&mut self, at: usize, lexeme: Lexeme<'s>, word: &'s str) {
        let Some(line_start) = self.at_statement(at) else {
            self.output.push(lexeme);
            return;
        };
        let next = self.peek(at.saturating_add(1)).map(|next| next.token);
        let meant = spelling::keyword(word).filter(|(_, token)| can_follow(*token, next, line_start));
        if let Some((keyword, token)) = meant {
            self.diagnostics.push(messages::misspelt_keyword(lexeme.span, word, keyword));
            self.keyword(Lexeme { token, span: lexeme.span });
            return;
        }
        if line_start && word != "return" {
            let column = self.column(lexeme.span);
            if self.stray_column.is_none_or(|stray| column <= stray) {
                self.insert(Token::Stray, lexeme.span.start);
                self.keyword = Some(Token::Stray);
                self.stray_column = Some(column);
            }
        }
        self.output.push(lexeme);
    }

    fn column(&self, span: Span) -> usize {
        let before = self.text.get(..span.start).unwrap_or_default();
        before.rfind('\n').map_or(before.len(), |at| before.len().saturating_sub(at).saturating_sub(1))
    }
}

/// The statements that may stand inside `for`.
fn stands_in_chain(token: Token) -> bool {
    matches!(token, Token::Let | Token::Latent | Token::Guide | Token::Observe | Token::Loss | Token::Stray)
}

/// Whether what follows a misspelt word could follow the keyword that it is near to. Within a line only a name will do.
fn can_follow(keyword: Token, next: Option<Token>, line_start: bool) -> bool {
    let Some(next) = next else { return false };
    match (keyword, next) {
        (_, Token::Name(_)) => keyword != Token::Train,
        _ if !line_start => false,
        (Token::Train, Token::OpenBrace) | (Token::Guide, Token::Star) => true,
        (Token::Minimize, next) => next.starts_operand() && next != Token::OpenBracket,
        _ => false,
    }
}

/// An upper bound on the depth of the tree that one bracket's tokens make: operators nest, whichever way they lean,
/// above the deepest of their operands.
#[derive(Default)]
struct Level {
    operators: usize,
    operand: usize,
    /// The deepest of the expressions before the last comma.
    before: usize,
}

impl Level {
    fn depth(&self) -> usize {
        self.before.max(self.operators.saturating_add(self.operand))
    }

    fn next_expression(&mut self) {
        *self = Self { before: self.depth(), ..Self::default() };
    }
}

/// Cuts short each statement whose expression is nested too deeply.
fn limit_depth<'s>(tokens: &[Lexeme<'s>], diagnostics: &mut Vec<Diagnostic>) -> Vec<Lexeme<'s>> {
    let mut output = Vec::with_capacity(tokens.len());
    let mut outer: Vec<Level> = Vec::new();
    let mut here = Level::default();
    let mut skipping = false;
    let mut after_operand = false;
    for lexeme in tokens {
        let token = lexeme.token;
        if token.opens_statement() || matches!(token, Token::OpenBrace | Token::CloseBrace) {
            outer.clear();
            here = Level::default();
            skipping = false;
        }
        if skipping {
            continue;
        }
        match token {
            Token::OpenParen | Token::OpenBracket => {
                // An index wraps what stands before it, as an operator does.
                let index = token == Token::OpenBracket && after_operand;
                here.operators = here.operators.saturating_add(usize::from(index));
                outer.push(std::mem::take(&mut here));
            }
            Token::CloseParen | Token::CloseBracket => {
                if let Some(around) = outer.pop() {
                    let inside = std::mem::replace(&mut here, around).depth();
                    here.operand = here.operand.max(inside.saturating_add(1));
                }
            }
            // The entries of a `train` block are told apart by their `=`.
            Token::Comma | Token::Equals => here.next_expression(),
            token if nests(token) => here.operators = here.operators.saturating_add(1),
            _ => {}
        }
        after_operand = token.ends_operand();
        if here.depth() > DEPTH || outer.len() > DEPTH {
            diagnostics.push(messages::too_deep(lexeme.span, DEPTH));
            skipping = true;
        }
        output.push(Lexeme { token: if skipping { Token::Invalid } else { token }, span: lexeme.span });
    }
    output
}

/// Whether a token puts a node above its operands.
fn nests(token: Token) -> bool {
    matches!(
        token,
        Token::Pipe
            | Token::EqualEqual
            | Token::NotEqual
            | Token::Less
            | Token::LessEqual
            | Token::Greater
            | Token::GreaterEqual
            | Token::Plus
            | Token::Minus
            | Token::Star
            | Token::Slash
            | Token::At
            | Token::Caret
            | Token::And
            | Token::Or
            | Token::Not
            | Token::If
    )
}
