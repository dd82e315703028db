//! Turns the parser's "this token was not expected" into a message that says what to do.

use crate::diagnostic::Diagnostic;
use crate::messages;
use crate::span::Span;
use crate::spelling;
use crate::stray;
use crate::token::{Lexeme, Token, line_break_between};
use crate::tree::is_type;
use lalrpop_util::ParseError;
use std::collections::BTreeSet;

/// Explains an error of the parser; `None` where the same statement was already complained about.
pub fn explain<'s>(
    text: &'s str,
    tokens: &[Lexeme<'s>],
    reported: &BTreeSet<usize>,
    error: ParseError<usize, Token<'s>, &'static str>,
) -> Option<Diagnostic> {
    let spot = Spot::new(text, tokens, error);
    let (start, end) = (spot.start(), spot.end());
    let known = start < end && reported.range(start..end).next().is_some();
    let idle = known || spot.found_token() == Some(Token::Invalid);
    (!idle).then(|| spot.describe())
}

/// The place of an error and what surrounds it.
struct Spot<'a, 's> {
    text: &'s str,
    /// The statement's tokens before the error, keyword included.
    before: &'a [Lexeme<'s>],
    /// The token that was not expected; `None` at the end of the text.
    found: Option<Lexeme<'s>>,
    /// The one behind it.
    next: Option<Lexeme<'s>>,
    /// What the grammar would have taken, as the generator names it.
    expected: Vec<String>,
}

impl<'a, 's> Spot<'a, 's> {
    fn new(text: &'s str, tokens: &'a [Lexeme<'s>], error: ParseError<usize, Token<'s>, &'static str>) -> Self {
        let (found, expected) = match error {
            ParseError::UnrecognizedToken { token, expected } => (Some(token), expected),
            ParseError::ExtraToken { token } => (Some(token), Vec::new()),
            ParseError::UnrecognizedEof { expected, .. } => (None, expected),
            ParseError::InvalidToken { .. } | ParseError::User { .. } => (None, Vec::new()),
        };
        // Tokens of no width share their place with the next one, so the kind decides.
        let at = found.map_or(tokens.len(), |(start, token, _)| {
            let first = tokens.partition_point(|lexeme| lexeme.span.start < start);
            tokens
                .iter()
                .skip(first)
                .position(|lexeme| lexeme.token == token)
                .map_or(tokens.len(), |further| first.saturating_add(further))
        });
        let (past, rest) = tokens.split_at_checked(at).unwrap_or((tokens, &[]));
        let keyword = past.iter().rposition(|lexeme| lexeme.token.opens_statement()).unwrap_or(0);
        Self {
            text,
            before: past.get(keyword..).unwrap_or_default(),
            found: rest.first().copied(),
            next: rest.get(1).copied(),
            expected,
        }
    }

    fn start(&self) -> usize {
        self.before.first().or(self.found.as_ref()).map_or(self.text.len(), |lexeme| lexeme.span.start)
    }

    fn end(&self) -> usize {
        match self.found {
            Some(found) if !self.ended() => found.span.end,
            _ => self.before.last().map_or(0, |last| last.span.end),
        }
    }

    fn found_token(&self) -> Option<Token<'s>> {
        self.found.map(|found| found.token)
    }

    fn last(&self) -> Option<Token<'s>> {
        self.before.last().map(|last| last.token)
    }

    fn keyword(&self) -> Option<Token<'s>> {
        self.before.first().map(|first| first.token).filter(|token| token.opens_statement())
    }

    fn keyword_text(&self) -> &'static str {
        self.keyword().map_or("", spelling::written)
    }

    fn slice(&self, span: Span) -> &'s str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    /// Where to point: the unexpected token, or the last one where the statement simply ended.
    fn place(&self) -> Span {
        let last = self.before.last().map(|last| last.span);
        match self.found {
            Some(found) if !self.ended() => found.span,
            _ => last.unwrap_or_default(),
        }
    }

    /// Whether the statement ended too early.
    fn ended(&self) -> bool {
        self.found.is_none_or(|found| {
            found.token.opens_statement() || matches!(found.token, Token::CloseBrace | Token::OpenBrace)
        })
    }

    /// Whether the grammar would have taken this token.
    fn takes(&self, terminal: &str) -> bool {
        self.expected.iter().any(|name| name.trim_matches('"') == terminal)
    }

    /// Whether an operand was due.
    fn wants_value(&self) -> bool {
        self.takes("NUMBER") && self.takes("-") && self.takes("[") && !self.takes("+")
    }

    /// Whether an expression was complete. Behind the last one of a statement, the parser may already be waiting for
    /// the next statement.
    fn after_value(&self) -> bool {
        let by_value = !matches!(
            self.keyword(),
            Some(Token::Model | Token::Meter | Token::Show | Token::Train | Token::Stray) | None
        );
        self.takes("+") || (by_value && self.takes("let") && self.last().is_some_and(Token::ends_operand))
    }

    /// The innermost bracket open before the error.
    fn open_bracket(&self) -> Option<Lexeme<'s>> {
        let mut open = Vec::new();
        for lexeme in self.before {
            match lexeme.token {
                Token::OpenParen | Token::OpenBracket => open.push(*lexeme),
                Token::CloseParen | Token::CloseBracket => {
                    open.pop();
                }
                _ => {}
            }
        }
        open.pop()
    }

    /// The declared name with its bracket, as written.
    fn target(&self) -> &'s str {
        let rest = self.before.get(1..).unwrap_or_default();
        let end = rest
            .iter()
            .position(|lexeme| matches!(lexeme.token, Token::Colon | Token::Equals | Token::Tilde | Token::OpenParen))
            .unwrap_or(rest.len());
        let target = rest.get(..end).unwrap_or_default();
        match (target.first(), target.last()) {
            (Some(first), Some(last)) => self.slice(first.span.to(last.span)),
            _ => "x",
        }
    }

    fn describe(&self) -> Diagnostic {
        match self.keyword() {
            Some(Token::Stray) => self.stray(),
            None => self.no_statement(),
            Some(keyword) => self
                .bracket()
                .or_else(|| self.branch())
                .or_else(|| self.definition(keyword))
                .or_else(|| self.head(keyword))
                .or_else(|| self.expression())
                .unwrap_or_else(|| self.generic()),
        }
    }

    fn no_statement(&self) -> Diagnostic {
        let place = self.place();
        match self.found_token() {
            Some(Token::From) => messages::import(place),
            Some(Token::CloseParen | Token::CloseBracket) => messages::closes_nothing(place, self.slice(place)),
            _ => messages::no_statement(place),
        }
    }

    /// A line that opens with no keyword. The token found is its first word.
    fn stray(&self) -> Diagnostic {
        match self.found {
            Some(found) => stray::explain(self.slice(found.span), found.span, self.next.map(|next| next.token)),
            None => messages::no_statement(self.place()),
        }
    }

    /// Brackets that do not pair.
    fn bracket(&self) -> Option<Diagnostic> {
        let open = self.open_bracket();
        let place = self.place();
        let partner = |open: Lexeme| match open.token {
            Token::OpenParen => ")",
            _ => "]",
        };
        match (self.found_token(), open) {
            (Some(Token::CloseParen | Token::CloseBracket), None) => {
                return Some(messages::closes_nothing(place, self.slice(place)));
            }
            (Some(Token::CloseParen | Token::CloseBracket), Some(open)) if self.slice(place) != partner(open) => {
                return Some(messages::bracket_mismatch(place, self.slice(place), open.span, partner(open)));
            }
            _ => {}
        }
        let open = open?;
        let last = self.before.last()?;
        let new_line = self
            .found
            .is_some_and(|found| found.token.starts_operand() && line_break_between(self.text, last.span, found.span));
        let clause = matches!(
            self.found_token(),
            Some(Token::By | Token::Subject | Token::Over | Token::As | Token::Tilde | Token::OpenBrace)
        );
        let unfinished = self.ended() || (last.token.ends_operand() && (new_line || clause));
        unfinished.then(|| messages::bracket_not_closed(open.span, self.slice(open.span), last.span, partner(open)))
    }

    /// `if` and its words.
    fn branch(&self) -> Option<Diagnostic> {
        let place = self.place();
        let last_if = || self.before.iter().rfind(|lexeme| lexeme.token == Token::If).map(|lexeme| lexeme.span);
        let found = self.found_token();
        match found {
            Some(Token::Equals) if self.takes("then") => {
                return Some(messages::equals_in_expression(place));
            }
            Some(Token::If) if self.after_value() => return Some(messages::ternary(place)),
            Some(Token::If) if self.wants_value() => return Some(messages::bare_if(place)),
            Some(Token::Question) if self.after_value() => return Some(messages::ternary(place)),
            _ => {}
        }
        if let Some(Token::Name(word @ ("elif" | "elsif" | "elseif"))) = found {
            return Some(messages::else_if(place, word));
        }
        let comparing = found.is_some_and(is_comparison);
        for word in ["then", "else"] {
            if self.takes(word) && !comparing {
                let last = self.before.last()?.span;
                return Some(messages::missing_branch(last_if()?, word, last));
            }
        }
        match found {
            Some(Token::Then | Token::Else) if self.after_value() => {
                Some(messages::branch_without_if(place, self.slice(place)))
            }
            _ => None,
        }
    }

    /// What should join a name and its meaning.
    fn definition(&self, keyword: Token) -> Option<Diagnostic> {
        let place = self.place();
        let written = self.keyword_text();
        let (equals, tilde) = (self.takes("="), self.takes("~"));
        let target_only = self.before.iter().all(|lexeme| !matches!(lexeme.token, Token::Equals | Token::Tilde));
        let undefined = target_only || keyword == Token::Train;
        let joins = (equals || tilde) && undefined && self.open_bracket().is_none();
        if !joins {
            return match self.found_token()? {
                Token::Equals if self.after_value() => Some(messages::equals_in_expression(place)),
                _ => None,
            };
        }
        let wanted = if tilde { "~" } else { "=" };
        let next = self.next.map(|next| next.token);
        match self.found_token() {
            _ if self.ended() => Some(messages::says_nothing(place, written, self.target())),
            Some(Token::Equals) => Some(messages::tilde_wanted(place, written, self.target())),
            Some(Token::Tilde) => Some(messages::equals_wanted(place, written, self.target())),
            Some(Token::Less) if next == Some(Token::Minus) => {
                let whole = self.next.map_or(place, |next| place.to(next.span));
                Some(messages::left_arrow(whole, wanted))
            }
            Some(Token::OpenParen) if keyword != Token::Fn && self.before.len() == 2 => {
                Some(messages::round_axes(place, written, self.target()))
            }
            Some(Token::Name(_)) if self.names_type() => {
                let ty = self.before.get(1)?;
                Some(messages::type_first(ty.span, written, self.slice(ty.span), self.slice(place)))
            }
            Some(Token::Colon) if keyword == Token::Fn => Some(messages::block_colon(place)),
            Some(Token::Number(_) | Token::Name(_) | Token::Minus | Token::Text(_)) => {
                let last = self.before.last()?.span;
                let first = if keyword == Token::Train { last } else { self.before.first()?.span };
                let so_far = self.slice(first.to(last));
                let call = if next == Some(Token::OpenParen) { "(…)" } else { "" };
                let rest = format!("{}{call}", self.slice(place));
                Some(messages::missing_sign(place, wanted, so_far, &rest))
            }
            _ => None,
        }
    }

    /// Whether the word behind the keyword is a type, as in `param real x`.
    fn names_type(&self) -> bool {
        self.before.len() == 2 && self.before.last().is_some_and(is_type)
    }

    /// Mistakes right behind the keyword, or in the head of a chain.
    fn head(&self, keyword: Token) -> Option<Diagnostic> {
        let place = self.place();
        let last_is_in = self.last() == Some(Token::In);
        let in_head = keyword == Token::For && !self.takes("let");
        let found = self.found_token();
        let range = || {
            let end = self.found.zip(self.next);
            end.is_some_and(|(colon, next)| !line_break_between(self.text, colon.span, next.span))
        };
        let misheaded = match found {
            Some(Token::OpenParen | Token::Equals | Token::Comma) => true,
            Some(Token::Colon) => range(),
            _ => false,
        };
        if in_head && misheaded {
            return Some(messages::loop_head(place));
        }
        if keyword == Token::For && found == Some(Token::OpenBrace) && last_is_in {
            return Some(messages::loop_head(place));
        }
        if keyword == Token::Meter && self.before.len() == 2 && !self.ended() {
            return Some(messages::meter_expression(place));
        }
        if keyword == Token::Train && found == Some(Token::Comma) && self.takes("}") {
            return Some(messages::comma_in_train(place));
        }
        if keyword == Token::Fn && self.before.len() == 2 && self.takes("(") {
            return Some(messages::function_head(place));
        }
        if found == Some(Token::Colon) {
            return Some(match self.open_bracket() {
                Some(_) => messages::slice(place),
                None => messages::block_colon(place),
            });
        }
        let named = self.takes("NAME") && !self.takes("NUMBER");
        if self.before.len() == 1 && named {
            if let Some(Token::If | Token::Then | Token::Else | Token::And | Token::Or | Token::Not) = found {
                return Some(messages::reserved_word(place, self.slice(place)));
            }
            let found = if self.ended() { "nothing".to_owned() } else { self.described() };
            return Some(messages::missing_name(place, self.keyword_text(), &found));
        }
        None
    }

    /// Mistakes inside an expression.
    fn expression(&self) -> Option<Diagnostic> {
        let place = self.place();
        let last = *self.before.last()?;
        let listed = self.open_bracket().is_some();
        let found = self.found;
        if self.ended() {
            return self.wants_value().then(|| {
                if last.token == Token::Comma {
                    messages::trailing_comma(last.span)
                } else {
                    messages::value_missing_at_end(last.span)
                }
            });
        }
        let found = found?;
        if self.after_value() {
            return match found.token {
                token if is_comparison(token) => {
                    let first = self.before.iter().rfind(|lexeme| is_comparison(lexeme.token))?;
                    Some(messages::chained_comparison(place, first.span, self.slice(place)))
                }
                Token::Comma => Some(messages::comma_between_statements(place)),
                token if last.token == Token::Percent && token.starts_operand() => Some(messages::modulo(last.span)),
                Token::Then | Token::Else => Some(messages::branch_without_if(place, self.slice(place))),
                _ if self.slice(last.span) == "lambda" => Some(messages::lambda(last.span)),
                token if token.is_word() && matches!(last.token, Token::Number(_)) => {
                    Some(messages::unknown_unit(place, self.slice(last.span), self.slice(place)))
                }
                token if token.starts_operand() => Some(messages::missing_operator(place, last.span, listed)),
                _ => None,
            };
        }
        if !self.wants_value() {
            return None;
        }
        match found.token {
            Token::Not => Some(messages::bare_not(place)),
            Token::CloseParen | Token::CloseBracket if last.token == Token::Comma => {
                Some(messages::trailing_comma(last.span))
            }
            Token::CloseParen | Token::CloseBracket if matches!(last.token, Token::OpenParen | Token::OpenBracket) => {
                Some(messages::empty_list(place))
            }
            _ => Some(messages::value_missing(place, &self.described())),
        }
    }

    /// What was found, in words.
    fn described(&self) -> String {
        let Some(found) = self.found else {
            return "the end of the program".to_owned();
        };
        let written = self.slice(found.span);
        match found.token {
            Token::Number(_) => format!("the number `{written}`"),
            Token::Text(_) => format!("the text {written}"),
            Token::Name(_) => format!("the name `{written}`"),
            _ => format!("`{written}`"),
        }
    }

    fn generic(&self) -> Diagnostic {
        if self.found_token() == Some(Token::Less) && self.before.last().is_some_and(is_type) {
            return messages::bounded_type(self.place());
        }
        let found = if self.ended() { "the end of the statement".to_owned() } else { self.described() };
        messages::unexpected(self.place(), &found, &self.due())
    }

    /// What the grammar would have taken, in words.
    fn due(&self) -> String {
        let mut due: Vec<String> = Vec::new();
        if self.wants_value() {
            due.push("a value".to_owned());
        } else if self.takes("NAME") && self.keyword() == Some(Token::Train) {
            due.push("an entry such as `batch = 100`".to_owned());
        } else if self.takes("NAME") && !self.after_value() {
            due.push("a name".to_owned());
        }
        let words = ["in", "from", "over", "steps", "to", "as", "by", "subject"];
        let marks = ["=", "~", ")", "]", "{", "}", ","];
        let listed = |terminal: &&str| self.takes(terminal) && (!words.contains(terminal) || !self.takes("NAME"));
        due.extend(
            words.iter().chain(&marks).filter(|terminal| listed(terminal)).map(|terminal| format!("`{terminal}`")),
        );
        if self.takes("let") {
            due.push("a new statement".to_owned());
        }
        if due.is_empty() {
            due.push("another word or sign".to_owned());
        }
        let last = due.pop().unwrap_or_default();
        if due.is_empty() { last } else { format!("{} or {last}", due.join(", ")) }
    }
}

fn is_comparison(token: Token) -> bool {
    matches!(
        token,
        Token::EqualEqual | Token::NotEqual | Token::Less | Token::LessEqual | Token::Greater | Token::GreaterEqual
    )
}
