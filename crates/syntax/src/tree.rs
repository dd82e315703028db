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

/// What a production may look at, and where it reports.
pub struct Context<'s> {
    /// The source.
    pub text: &'s str,
    /// All tokens, repaired.
    pub tokens: &'s [Lexeme<'s>],
    /// Everything said so far.
    pub diagnostics: Vec<Diagnostic>,
}

impl<'s> Context<'s> {
    /// Reports what recovery skipped.
    pub fn report(&mut self, error: ErrorRecovery<usize, Token<'s>, &'static str>) {
        self.report_error(error.error);
    }

    /// Reports an error of the parser, unless the same statement was already complained about.
    pub fn report_error(&mut self, error: ParseError<usize, Token<'s>, &'static str>) {
        let found = unexpected::explain(self.text, self.tokens, &self.diagnostics, error);
        self.diagnostics.extend(found);
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

    /// The name that the broken statement at token `first` declares: the word behind its keyword, or the last of
    /// several words in a row (`let real x`, `real x`).
    fn declared_name(&self, first: usize) -> Option<Name> {
        let mut rest = self.tokens.iter().skip(first);
        let keyword = rest.next()?.token;
        if matches!(keyword, Token::Minimize | Token::Train | Token::Show) {
            return None;
        }
        rest.skip_while(|lexeme| lexeme.token == Token::OpenParen)
            .take_while(|lexeme| matches!(lexeme.token, Token::Name(_)))
            .last()
            .and_then(|lexeme| {
                let text = self.text.get(lexeme.span.start..lexeme.span.end)?;
                Some(Spanned::new(text.to_owned(), lexeme.span))
            })
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
            self.diagnostics.push(offer);
        }
        if let ExprKind::Binary { operator, left, .. } = &*into.kind {
            let offer = messages::operator_after_pipe(
                operator.span,
                pipe,
                slice(value.span.to(left.span)),
                slice(Span::new(operator.span.start, into.span.end)),
            );
            self.diagnostics.push(offer);
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
        let (keyword, name) = match &statement.kind {
            StatementKind::Let(_)
            | StatementKind::Latent { .. }
            | StatementKind::Guide { .. }
            | StatementKind::Observe { .. }
            | StatementKind::Loss { .. }
            | StatementKind::Broken { .. } => return statement,
            StatementKind::Model { name, .. } => ("model", Some(name)),
            StatementKind::Dim { name, .. } => ("dim", Some(name)),
            StatementKind::Const { name, .. } => ("const", Some(name)),
            StatementKind::Data(declaration) => ("data", Some(&declaration.target.name)),
            StatementKind::Param(declaration) => ("param", Some(&declaration.target.name)),
            StatementKind::Meter { .. } => ("meter", None),
            StatementKind::Price { .. } => ("price", None),
            StatementKind::For { variable, .. } => ("for", Some(variable)),
            StatementKind::Refine { target, .. } => ("refine", Some(&target.name)),
            StatementKind::Minimize { .. } => ("minimize", None),
            StatementKind::Train { .. } => ("train", None),
            StatementKind::Show { .. } => ("show", None),
            StatementKind::Fn { name, .. } => ("fn", Some(name)),
        };
        let start = statement.span.start;
        let place = Span::new(start, start.saturating_add(keyword.len()));
        self.diagnostics.push(messages::not_inside_chain(place, keyword));
        Statement {
            kind: StatementKind::Broken { keyword: keyword.to_owned(), name: name.cloned() },
            span: statement.span,
        }
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
