//! What the grammar's productions call to build the tree.

use crate::ast::{
    Argument, BinaryOperator, Expr, ExprKind, GuideBody, Name, Statement, StatementKind, Target, UnaryOperator, Unit,
};
use crate::diagnostic::Diagnostic;
use crate::messages;
use crate::span::{Span, Spanned};
use crate::spelling;
use crate::token::{Lexeme, Token};
use crate::unexpected;
use lalrpop_util::{ErrorRecovery, ParseError};
use std::collections::BTreeSet;

/// What a production may look at, and where it reports.
pub struct Context<'s> {
    /// The source.
    pub text: &'s str,
    /// All tokens, repaired.
    pub tokens: &'s [Lexeme<'s>],
    diagnostics: Vec<Diagnostic>,
    /// Where each diagnostic begins.
    places: BTreeSet<usize>,
}

impl<'s> Context<'s> {
    /// Starts with what was said of the tokens.
    pub fn new(text: &'s str, tokens: &'s [Lexeme<'s>], diagnostics: Vec<Diagnostic>) -> Self {
        let places = diagnostics.iter().map(|diagnostic| diagnostic.span().start).collect();
        Self { text, tokens, diagnostics, places }
    }

    /// Everything said, in no order.
    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics
    }

    fn say(&mut self, diagnostic: Diagnostic) {
        self.places.insert(diagnostic.span().start);
        self.diagnostics.push(diagnostic);
    }

    /// Reports what recovery skipped.
    pub fn report(&mut self, error: ErrorRecovery<usize, Token<'s>, &'static str>) {
        self.report_error(error.error);
    }

    /// Reports an error of the parser, unless the same statement was already complained about.
    pub fn report_error(&mut self, error: ParseError<usize, Token<'s>, &'static str>) {
        if let Some(found) = unexpected::explain(self.text, self.tokens, &self.places, error) {
            self.say(found);
        }
    }

    /// A statement that did not parse, with the name it was about to declare.
    pub fn broken(&mut self, span: Span, error: ErrorRecovery<usize, Token<'s>, &'static str>) -> Vec<Statement> {
        self.report(error);
        let first = self.tokens.partition_point(|lexeme| lexeme.span.start < span.start);
        let keyword = self.tokens.get(first).map_or("", |lexeme| spelling::written(lexeme.token));
        vec![Statement {
            kind: StatementKind::Broken { keyword: keyword.to_owned(), name: self.declared_name(first) },
            span,
        }]
    }

    /// The name that the broken statement at token `first` declares: the word behind its keyword, or behind a type
    /// written before it (`param real x`, `vector<lower=0>[N] x`), or the second word of a line without keyword.
    fn declared_name(&self, first: usize) -> Option<Name> {
        let mut rest = self.tokens.iter().skip(first);
        let keyword = rest.next()?.token;
        if matches!(keyword, Token::Minimize | Token::Train | Token::Show) {
            return None;
        }
        let mut rest = rest.skip_while(|lexeme| lexeme.token == Token::OpenParen);
        let word = rest.next().filter(|lexeme| lexeme.token.is_word())?;
        let mut open = 0_usize;
        let second = rest.find(|lexeme| {
            match lexeme.token {
                Token::Less | Token::OpenBracket => open = open.saturating_add(1),
                Token::Greater | Token::CloseBracket => open = open.saturating_sub(1),
                _ => return open == 0 || lexeme.token.opens_statement(),
            }
            false
        });
        let second = second.filter(|lexeme| matches!(lexeme.token, Token::Name(_)));
        let adjacent = |next: &&Lexeme| {
            let gap = self.text.get(word.span.end..next.span.start).unwrap_or_default();
            keyword == Token::Stray && gap.trim().is_empty()
        };
        let place = second.filter(|next| is_type(word) || adjacent(next)).unwrap_or(word).span;
        Some(Spanned::new(self.text.get(place.start..place.end)?.to_owned(), place))
    }

    /// `value |> into`, which has no binary operator on either side without parentheses.
    pub fn pipe(&mut self, value: Expr, pipe: Span, into: Expr) -> Expr {
        let slice = |span: Span| self.text.get(span.start..span.end).unwrap_or_default();
        if let ExprKind::Binary { operator, left, right } = &*value.kind {
            let offer = messages::pipe_after_operator(
                pipe,
                operator.span,
                slice(left.span),
                slice(operator.span),
                slice(right.span),
                slice(into.span),
            );
            self.say(offer);
        }
        if let ExprKind::Binary { operator, left, .. } = &*into.kind {
            let offer = messages::operator_after_pipe(
                operator.span,
                pipe,
                slice(value.span.to(left.span)),
                slice(Span::new(operator.span.start, into.span.end)),
            );
            self.say(offer);
        }
        let span = value.span.to(into.span);
        Expr { kind: Box::new(ExprKind::Pipe { value, into }), span }
    }

    /// A chain. What may not stand inside becomes [`StatementKind::Broken`], so that its name stays known.
    pub fn chain(
        &mut self,
        variable: Name,
        axis: crate::ast::AxisRef,
        from: Option<Expr>,
        body: Vec<Statement>,
    ) -> StatementKind {
        let body = body.into_iter().map(|statement| self.inside_chain(statement)).collect();
        StatementKind::For { variable, axis, from, body }
    }

    fn inside_chain(&mut self, statement: Statement) -> Statement {
        use StatementKind::{Broken, Guide, Latent, Let, Loss, Observe, Refine};
        if matches!(
            statement.kind,
            Let(_) | Latent { .. } | Guide { .. } | Refine { .. } | Observe { .. } | Loss { .. } | Broken { .. }
        ) {
            return statement;
        }
        let (keyword, name) = head(&statement.kind);
        let start = statement.span.start;
        let place = Span::new(start, start.saturating_add(keyword.len()));
        self.say(messages::not_inside_chain(place, keyword));
        Statement { kind: Broken { keyword: keyword.to_owned(), name: name.cloned() }, span: statement.span }
    }

    /// Something follows a statement that is no part of it: the statement cannot be trusted, only its name.
    pub fn damage(
        &mut self,
        mut all: Vec<Statement>,
        error: ErrorRecovery<usize, Token<'s>, &'static str>,
    ) -> Vec<Statement> {
        let found = match &error.error {
            ParseError::UnrecognizedToken { token: (start, ..), .. } => *start,
            _ => self.text.len(),
        };
        let before = self.tokens.partition_point(|lexeme| lexeme.span.start < found);
        let opening =
            self.tokens.get(..before).unwrap_or_default().iter().rfind(|lexeme| lexeme.token.opens_statement());
        self.report(error);
        let own = |statement: &&mut Statement| opening.is_some_and(|it| it.span.start == statement.span.start);
        if let Some(last) = all.last_mut().filter(own) {
            let (keyword, name) = head(&last.kind);
            last.kind = StatementKind::Broken { keyword: keyword.to_owned(), name: name.cloned() };
        }
        all
    }

    /// What stands behind the `=` of a guide: a word, or one with arguments. A distribution there was meant to follow `~`.
    pub fn guide_word(&mut self, equals: Span, method: Expr) -> GuideBody {
        match *method.kind {
            ExprKind::Name(word) => GuideBody::Word(Spanned::new(word, method.span)),
            // Distributions are called with a capital.
            ExprKind::Call { ref function, .. } if function.value.starts_with(char::is_lowercase) => {
                GuideBody::Call(method)
            }
            _ => {
                self.say(messages::tilde_wanted(equals, "guide", "z"));
                GuideBody::Distribution(method)
            }
        }
    }
}

/// Whether a word is a type, of this language or of Stan.
pub fn is_type(lexeme: &Lexeme) -> bool {
    matches!(
        lexeme.token,
        Token::Name(
            "real"
                | "positive"
                | "unit"
                | "count"
                | "bool"
                | "simplex"
                | "ordered"
                | "index"
                | "int"
                | "float"
                | "double"
                | "array"
                | "vector"
                | "row_vector"
                | "matrix"
        )
    )
}

/// The keyword of a statement and the name it declares.
fn head(kind: &StatementKind) -> (&str, Option<&Name>) {
    match kind {
        StatementKind::Model { name, .. } => ("model", Some(name)),
        StatementKind::Dim { name, .. } => ("dim", Some(name)),
        StatementKind::Const { name, .. } => ("const", Some(name)),
        StatementKind::Data(declaration) => ("data", Some(&declaration.target.name)),
        StatementKind::Param(declaration) => ("param", Some(&declaration.target.name)),
        StatementKind::Let(declaration) => ("let", Some(&declaration.target.name)),
        StatementKind::Latent { target, .. } => ("latent", Some(&target.name)),
        StatementKind::Guide { targets, .. } => ("guide", targets.first().map(|target| &target.name)),
        StatementKind::Observe { target, .. } => ("observe", Some(&target.name)),
        StatementKind::Loss { name, .. } => ("loss", Some(name)),
        StatementKind::Meter { name } => ("meter", Some(name)),
        StatementKind::Price { name, .. } => ("price", Some(name)),
        StatementKind::For { variable, .. } => ("for", Some(variable)),
        StatementKind::Refine { target, .. } => ("refine", Some(&target.name)),
        StatementKind::Minimize { .. } => ("minimize", None),
        StatementKind::Train { .. } => ("train", None),
        StatementKind::Show { .. } => ("show", None),
        StatementKind::Fn { name, .. } => ("fn", Some(name)),
        StatementKind::Broken { keyword, name } => (keyword, name.as_ref()),
    }
}

/// An expression at `l..r`.
pub fn expr(l: usize, r: usize, kind: ExprKind) -> Expr {
    Expr { kind: Box::new(kind), span: Span::new(l, r) }
}

/// A name at `l..r`.
pub fn name(l: usize, r: usize, text: &str) -> Name {
    Spanned::new(text.to_owned(), Span::new(l, r))
}

/// `left ∘ right`
pub fn binary(left: Expr, operator: Spanned<BinaryOperator>, right: Expr) -> Expr {
    let span = left.span.to(right.span);
    Expr { kind: Box::new(ExprKind::Binary { operator, left, right }), span }
}

/// `∘ operand`
pub fn unary(operator: Spanned<UnaryOperator>, operand: Expr) -> Expr {
    let span = operator.span.to(operand.span);
    Expr { kind: Box::new(ExprKind::Unary { operator, operand }), span }
}

/// `value[…]`, or the shape `as[…]`.
pub fn index(l: usize, r: usize, value: Expr, indices: Vec<Expr>) -> Expr {
    let kind = match &*value.kind {
        ExprKind::Name(text) if text == "as" => {
            ExprKind::Shape { function: Spanned::new(text.clone(), value.span), sizes: indices }
        }
        _ => ExprKind::Index { value, indices },
    };
    expr(l, r, kind)
}

/// A number with its unit.
pub fn number(text: Name, unit: Option<Spanned<Unit>>) -> ExprKind {
    ExprKind::Number {
        // The lexer lets through only what reads as a number.
        value: text.value.replace('_', "").parse().unwrap_or(f64::NAN),
        text: text.value,
        unit,
    }
}

/// A unit behind a number.
pub fn unit(l: usize, r: usize, text: &str) -> Spanned<Unit> {
    let unit = match text {
        "nats" | "nat" => Unit::Nats,
        "bits" | "bit" => Unit::Bits,
        "spikes" | "spike" => Unit::Spikes,
        other => Unit::Other(other.to_owned()),
    };
    Spanned::new(unit, Span::new(l, r))
}

/// A guide for the targets, or for everything when there is a star.
pub fn guide(targets: Vec<Target>, star: Option<Span>, (body, by): (GuideBody, Option<Name>)) -> StatementKind {
    StatementKind::Guide { targets, star, body, by }
}

/// A refinement. `average` is written among the method's arguments and concerns the outer objective, so it is kept
/// apart.
pub fn refine(target: Target, from: Expr, steps: Expr, by: Option<Expr>) -> StatementKind {
    let mut average = None;
    let by = by.map(|mut method| {
        if let ExprKind::Call { arguments, .. } = &mut *method.kind {
            let named = |argument: &Argument| argument.name.as_ref().is_some_and(|name| name.value == "average");
            if let Some(place) = arguments.iter().position(named) {
                average = Some(arguments.remove(place).value);
            }
        }
        method
    });
    StatementKind::Refine { target, from, steps, by, average }
}

/// A chain whose head is broken: its body stands where the chain stood.
pub fn splice(mut head: Vec<Statement>, body: Vec<Statement>) -> Vec<Statement> {
    head.extend(body);
    head
}
