//! Text to tokens. Pieces of other languages are reported here and replaced by what they stand for.

use crate::diagnostic::Diagnostic;
use crate::messages;
use crate::span::Span;
use crate::token::{Lexeme, Slip, Token, line_break_between};
use logos::Logos;

/// What the lexer found.
pub struct Lexed<'s> {
    /// The tokens, comments apart.
    pub tokens: Vec<Lexeme<'s>>,
    /// The comments.
    pub comments: Vec<Span>,
    /// What is no part of the language.
    pub diagnostics: Vec<Diagnostic>,
}

/// Cuts a program into tokens. Never fails: what it cannot read it reports and replaces.
pub fn lex(text: &str) -> Lexed<'_> {
    let mut lexer = Lexer {
        text,
        logos: Token::lexer(text),
        found: Lexed { tokens: Vec::new(), comments: Vec::new(), diagnostics: Vec::new() },
        open: 0,
        semicolons: None,
    };
    lexer.run();
    let mut found = lexer.found;
    if let Some((first, count)) = lexer.semicolons {
        found.diagnostics.push(messages::semicolon(first, count));
    }
    found
}

struct Lexer<'s> {
    text: &'s str,
    logos: logos::Lexer<'s, Token<'s>>,
    found: Lexed<'s>,
    /// Round and square brackets open in this statement.
    open: usize,
    /// The first semicolon, and how many there are: one habit, one message.
    semicolons: Option<(Span, usize)>,
}

impl<'s> Lexer<'s> {
    fn run(&mut self) {
        while let Some(result) = self.logos.next() {
            let span = self.span();
            match result {
                Ok(Token::Comment) => self.found.comments.push(span),
                Ok(Token::Slip(slip)) => self.slip(slip, span),
                Ok(Token::Prime) => self.prime(span),
                Ok(Token::Percent) => self.percent(span),
                Ok(Token::Number(digits)) => self.number(digits, span),
                Ok(token) => {
                    match token {
                        Token::OpenParen | Token::OpenBracket => {
                            self.open = self.open.saturating_add(1);
                        }
                        Token::CloseParen | Token::CloseBracket => {
                            self.open = self.open.saturating_sub(1);
                        }
                        _ if token.opens_statement() => self.open = 0,
                        _ => {}
                    }
                    self.push(token, span);
                }
                Err(()) => self.unknown(span),
            }
        }
    }

    fn span(&self) -> Span {
        let range = self.logos.span();
        Span::new(range.start, range.end)
    }

    fn push(&mut self, token: Token<'s>, span: Span) {
        self.found.tokens.push(Lexeme { token, span });
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.found.diagnostics.push(diagnostic);
    }

    fn last(&self) -> Option<Lexeme<'s>> {
        self.found.tokens.last().copied()
    }

    /// Takes in everything up to and including `end`, or to the end of the line, or of the text where `lines` is set.
    /// Returns what stands before `end`, and whether it was found.
    fn take_until(&mut self, end: &str, lines: bool) -> (&'s str, bool) {
        let rest = self.logos.remainder();
        let limit = if lines { rest.len() } else { rest.find('\n').unwrap_or(rest.len()) };
        let within = rest.get(..limit).unwrap_or_default();
        match within.find(end) {
            Some(at) => {
                self.logos.bump(at.saturating_add(end.len()));
                (within.get(..at).unwrap_or_default(), true)
            }
            None => {
                self.logos.bump(limit);
                (within.trim_end(), false)
            }
        }
    }

    fn slip(&mut self, slip: Slip, span: Span) {
        let written = self.text.get(span.start..span.end).unwrap_or_default();
        match slip {
            Slip::Power => {
                self.report(messages::double_star(span));
                self.push(Token::Caret, span);
            }
            Slip::DoubleSlash => self.double_slash(span),
            Slip::BlockComment => {
                self.take_until("*/", true);
                let whole = self.span();
                self.report(messages::block_comment(whole));
            }
            Slip::Semicolon => {
                let (first, count) = self.semicolons.unwrap_or((span, 0));
                self.semicolons = Some((first, count.saturating_add(1)));
            }
            Slip::Walrus => {
                self.report(messages::walrus(span));
                self.push(Token::Equals, span);
            }
            Slip::Update => self.update(written, span),
            Slip::Word(word) => {
                self.report(messages::word_operator(span, written, word));
                let token = match word {
                    "and" => Token::And,
                    "or" => Token::Or,
                    _ => Token::Not,
                };
                self.push(token, span);
            }
            Slip::Arrow => {
                self.report(messages::arrow(span, written));
                self.push(Token::Invalid, span);
            }
            Slip::Dot => {
                self.report(messages::dot(span));
                self.push(Token::Invalid, span);
            }
            Slip::Backslash => {
                self.report(messages::backslash(span));
            }
            Slip::TripleQuote => {
                let (inner, _) = self.take_until("\"\"\"", true);
                let whole = self.span();
                self.report(messages::triple_quotes(span));
                // Where no value is due, it was a comment.
                if self.last().is_some_and(|last| !last.token.ends_operand()) {
                    self.push(Token::Text(inner), whole);
                }
            }
            Slip::Unterminated => {
                let (inner, _) = self.take_until("\n", false);
                let whole = self.span();
                self.report(messages::unterminated_text(whole));
                self.push(Token::Text(inner), whole);
            }
            Slip::Number => self.bad_number(written, span),
        }
    }

    /// `//` is a comment, unless a bracket is open: then it is taken for a division.
    fn double_slash(&mut self, span: Span) {
        self.report(messages::double_slash(span));
        if self.open > 0 {
            self.push(Token::Slash, span);
        } else {
            self.take_until("\n", false);
        }
    }

    fn update(&mut self, written: &str, span: Span) {
        let guide_star = written == "*=" && self.last().is_some_and(|last| last.token == Token::Guide);
        if guide_star {
            let middle = span.start.saturating_add(1);
            self.push(Token::Star, Span::new(span.start, middle));
            self.push(Token::Equals, Span::new(middle, span.end));
        } else {
            self.report(messages::update(span, written));
            self.push(Token::Equals, span);
        }
    }

    /// A prime touches the name it belongs to; anywhere else it opens a text in single quotes.
    fn prime(&mut self, span: Span) {
        let touched = self.last().filter(|last| last.span.end == span.start);
        match touched.map(|last| last.token) {
            Some(token) if token.is_word() => self.push(Token::Prime, span),
            Some(Token::Prime | Token::Number(_)) => self.push(Token::Prime, span),
            Some(Token::CloseParen | Token::CloseBracket) => {
                self.report(messages::prime_after_bracket(span));
            }
            _ => {
                let (inner, closed) = self.take_until("'", false);
                let whole = self.span();
                self.report(if closed { messages::single_quotes(whole, inner) } else { messages::lone_quote(whole) });
                self.push(Token::Text(inner), whole);
            }
        }
    }

    /// A percent sign belongs to a number; anywhere else it is another language's modulo.
    fn percent(&mut self, span: Span) {
        let number =
            |last: Lexeme| matches!(last.token, Token::Number(_)) && !line_break_between(self.text, last.span, span);
        if self.last().is_some_and(number) {
            self.push(Token::Percent, span);
        } else {
            self.report(messages::modulo(span));
            self.push(Token::Slash, span);
        }
    }

    fn number(&mut self, digits: &'s str, span: Span) {
        let value: Result<f64, _> = digits.replace('_', "").parse();
        if value.is_ok_and(f64::is_finite) {
            self.push(Token::Number(digits), span);
        } else {
            self.report(messages::number_too_large(span));
            self.push(Token::Number("1"), span);
        }
    }

    /// Digits that run into letters: the digits are kept.
    fn bad_number(&mut self, written: &'s str, span: Span) {
        let end = written.find(|c: char| !c.is_ascii_digit()).unwrap_or(written.len());
        let digits = written.get(..end).unwrap_or_default();
        let suffix = written.get(end..).unwrap_or_default();
        self.report(messages::number_suffix(span, digits, suffix));
        self.push(Token::Number(digits), span);
    }

    fn unknown(&mut self, span: Span) {
        let written = self.text.get(span.start..span.end).unwrap_or_default();
        let character = written.chars().next().unwrap_or('\u{FFFD}');
        if let Some((token, meant)) = look_alike(character) {
            self.report(messages::look_alike(span, character, meant));
            self.push(token, span);
            return;
        }
        match character {
            '“' | '”' | '„' | '‘' | '’' | '«' => {
                let (inner, _) = self.take_quoted();
                let whole = self.span();
                self.report(messages::curly_quotes(whole, inner));
                self.push(Token::Text(inner), whole);
            }
            '\u{200B}'..='\u{200F}' | '\u{2028}' | '\u{2029}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{3000}' => {
                self.report(messages::invisible(span, character))
            }
            _ => {
                self.report(messages::unknown_character(span, character));
                self.push(Token::Invalid, span);
            }
        }
    }

    /// The inside of a text that opened with a typographic quote.
    fn take_quoted(&mut self) -> (&'s str, bool) {
        let line = self.logos.remainder().lines().next().unwrap_or_default();
        let closing = line.chars().find(|c| matches!(c, '”' | '“' | '"' | '’' | '‘' | '»' | '\''));
        let mut buffer = [0; 4];
        self.take_until(closing.map_or("\n", |c| c.encode_utf8(&mut buffer)), false)
    }
}

/// Characters that word processors and formula editors put in place of an operator.
fn look_alike(character: char) -> Option<(Token<'static>, &'static str)> {
    Some(match character {
        '−' | '–' | '—' | '‐' | '‑' => (Token::Minus, "-"),
        '×' | '·' | '⋅' | '∗' | '•' => (Token::Star, "*"),
        '÷' | '∕' => (Token::Slash, "/"),
        '≤' | '⩽' => (Token::LessEqual, "<="),
        '≥' | '⩾' => (Token::GreaterEqual, ">="),
        '≠' => (Token::NotEqual, "!="),
        '∼' | '～' | '˜' => (Token::Tilde, "~"),
        '＝' => (Token::Equals, "="),
        '（' => (Token::OpenParen, "("),
        '）' => (Token::CloseParen, ")"),
        '，' => (Token::Comma, ","),
        '′' => (Token::Prime, "'"),
        '∧' => (Token::And, "and"),
        '∨' => (Token::Or, "or"),
        '¬' => (Token::Not, "not"),
        _ => return None,
    })
}
