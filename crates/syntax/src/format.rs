//! The canonical layout of a program: one statement per line, comments where they were, at most one empty line between.
//!
//! The tree says where lines may break; the text itself is taken from the source, token by token, so nothing is lost.

use crate::ast::{
    Argument, AxisRef, BinaryOperator, Declaration, Expr, ExprKind, GuideBody, Name, Statement, StatementKind, Target,
    Type, UnaryOperator, Unit,
};
use crate::diagnostic::Diagnostic;
use crate::layout::Doc;
use crate::lexer::lex;
use crate::parser::parse;
use crate::span::Span;
use crate::token::Lexeme;

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
    let mut writer = Writer { text, tokens: &lexed.tokens, comments: &lexed.comments, end: 0, commented: false };
    let mut parts = writer.statements(&parsed.ast.statements);
    writer.lead(parts.is_empty(), &mut parts);
    Ok(Doc::Join(parts).render())
}

/// Takes tokens and comments from the source, in order, as the tree is walked.
struct Writer<'a, 's> {
    text: &'s str,
    tokens: &'a [Lexeme<'s>],
    comments: &'a [Span],
    /// Where the last token or comment ended.
    end: usize,
    /// Whether a comment stands behind the last token.
    commented: bool,
}

impl<'s> Writer<'_, 's> {
    fn slice(&self, span: Span) -> &'s str {
        self.text.get(span.start..span.end).unwrap_or_default().trim_end()
    }

    /// Takes the next comment, if it begins before `limit`.
    fn comment(&mut self, limit: usize) -> Option<&'s str> {
        let (first, rest) = self.comments.split_first()?;
        if first.start >= limit {
            return None;
        }
        self.comments = rest;
        self.end = first.end;
        Some(self.slice(*first))
    }

    fn upcoming(&self) -> usize {
        self.tokens.first().map_or(self.text.len(), |next| next.span.start)
    }

    /// Whether the source has an empty line between the last piece and `start`.
    fn blank_before(&self, start: usize) -> bool {
        let gap = self.text.get(self.end..start).unwrap_or_default();
        gap.matches('\n').count() > 1
    }

    /// The comments that stand before a statement or at the end of a block, and the empty lines among them.
    fn lead(&mut self, mut first: bool, parts: &mut Vec<Doc<'s>>) {
        let upcoming = self.upcoming();
        loop {
            let start = self.comments.first().map_or(upcoming, |comment| comment.start.min(upcoming));
            let more = start < upcoming || !self.tokens.is_empty();
            if !first && more && self.blank_before(start) {
                parts.push(Doc::Blank);
            }
            let Some(comment) = self.comment(upcoming) else {
                break;
            };
            parts.extend([Doc::Hard, Doc::Text(comment), Doc::Hard]);
            first = false;
        }
        self.commented = false;
    }

    /// The next token, with the comments before it and the one behind it on its line.
    fn token(&mut self) -> Doc<'s> {
        let Some((lexeme, rest)) = self.tokens.split_first() else {
            return Doc::Join(Vec::new());
        };
        let mut parts = Vec::new();
        if self.commented {
            parts.push(Doc::Hard);
        }
        while let Some(comment) = self.comment(lexeme.span.start) {
            parts.extend([Doc::Hard, Doc::Text(comment), Doc::Hard]);
        }
        parts.push(Doc::Text(self.slice(lexeme.span)));
        self.tokens = rest;
        self.end = lexeme.span.end;
        let line = self.text.get(self.end..).unwrap_or_default();
        let line_end = line.find('\n').map_or(self.text.len(), |at| self.end.saturating_add(at));
        let behind = self.comment(line_end.min(self.upcoming()));
        self.commented = behind.is_some();
        parts.extend(behind.map(Doc::Suffix));
        Doc::Join(parts)
    }

    fn tokens(&mut self, count: usize) -> Doc<'s> {
        Doc::Join((0..count).map(|_| self.token()).collect())
    }

    fn statements(&mut self, all: &[Statement]) -> Vec<Doc<'s>> {
        let mut parts = Vec::new();
        for (i, statement) in all.iter().enumerate() {
            parts.push(Doc::Hard);
            self.lead(i == 0, &mut parts);
            parts.push(self.statement(&statement.kind));
            parts.push(Doc::Hard);
        }
        parts
    }

    /// A keyword and a space.
    fn keyword(&mut self) -> Doc<'s> {
        Doc::Join(vec![self.token(), Doc::Space])
    }

    /// ` = value`, or the same with another sign or word.
    fn meaning(&mut self, value: &Expr) -> Doc<'s> {
        Doc::Join(vec![Doc::Space, self.token(), Doc::Space, self.expr(value, false)])
    }

    /// A word of the statement and what follows it, on a line of their own if the statement is long.
    fn clause(&mut self, value: &Expr) -> Doc<'s> {
        Doc::Join(vec![Doc::Line(" "), self.token(), Doc::Space, self.expr(value, true)])
    }

    fn by(&mut self, by: Option<&Name>) -> Doc<'s> {
        match by {
            Some(_) => Doc::Join(vec![Doc::Line(" "), self.token(), Doc::Space, self.token()]),
            None => Doc::Join(Vec::new()),
        }
    }

    fn statement(&mut self, kind: &StatementKind) -> Doc<'s> {
        let opening = self.keyword();
        let mut parts = vec![opening];
        match kind {
            StatementKind::Model { title, .. } => {
                parts.push(self.token());
                if title.is_some() {
                    parts.extend([Doc::Space, self.token()]);
                }
            }
            StatementKind::Dim { size: value, .. } | StatementKind::Const { value, .. } => {
                parts.extend([self.token(), self.meaning(value)]);
            }
            StatementKind::Data(it) | StatementKind::Param(it) | StatementKind::Let(it) => {
                parts.push(self.declaration(it));
            }
            StatementKind::Latent { target, ty, prior, by } => parts.extend([
                self.target(target),
                self.annotation(ty.as_ref()),
                self.meaning(prior),
                self.by(by.as_ref()),
            ]),
            StatementKind::Guide { targets, body, by, .. } => {
                parts.extend([self.guided(targets), self.guide_body(body), self.by(by.as_ref())])
            }
            StatementKind::Observe { target, distribution } => {
                parts.extend([self.target(target), self.meaning(distribution)])
            }
            StatementKind::Loss { axes, value, .. } => {
                parts.extend([self.token(), self.axes(axes), self.meaning(value)]);
            }
            StatementKind::Meter { .. } => parts.push(self.token()),
            StatementKind::Price { value, unit, .. } => {
                parts.extend([self.token(), self.meaning(value)]);
                if unit.is_some() {
                    parts.extend([Doc::Space, self.token()]);
                }
            }
            StatementKind::For { axis, from, body, .. } => return self.chain(parts, axis, from.as_ref(), body),
            StatementKind::Refine { target, from, steps, by, average } => {
                parts.extend([self.target(target), self.clause(from), self.clause(steps)]);
                parts.extend([Doc::Space, self.token()]);
                if let Some(by) = by {
                    parts.push(self.method(by, average.as_ref()));
                }
            }
            StatementKind::Minimize { objective, bounds } => {
                parts.push(self.expr(objective, false));
                parts.push(self.bounds(bounds));
            }
            StatementKind::Train { entries } => {
                parts.push(self.token());
                for (i, entry) in entries.iter().enumerate() {
                    parts.push(Doc::Line(if i == 0 { " " } else { "  " }));
                    parts.extend([self.token(), self.meaning(&entry.value)]);
                }
                let close = Doc::Line(if entries.is_empty() { "" } else { " " });
                return Doc::group(vec![Doc::indent(parts), close, self.token()]);
            }
            StatementKind::Show { value, sizes, .. } => {
                parts.push(self.expr(value, false));
                parts.extend([Doc::Space, self.token(), Doc::Space, self.token()]);
                parts.push(self.indices(sizes));
            }
            StatementKind::Fn { parameters, body, .. } => {
                parts.push(self.tokens(2));
                for i in 0..parameters.len() {
                    if i > 0 {
                        parts.extend([self.token(), Doc::Space]);
                    }
                    parts.push(self.token());
                }
                parts.extend([self.token(), self.meaning(body)]);
            }
            // A program with broken statements is not laid out.
            StatementKind::Broken { .. } => {}
        }
        Doc::group(vec![Doc::indent(parts)])
    }

    fn declaration(&mut self, it: &Declaration) -> Doc<'s> {
        Doc::Join(vec![self.target(&it.target), self.annotation(it.ty.as_ref()), self.meaning(&it.value)])
    }

    fn target(&mut self, it: &Target) -> Doc<'s> {
        let name = self.token();
        let axes = self.indices(it.axes.as_deref().unwrap_or_default());
        Doc::Join(vec![name, axes])
    }

    fn annotation(&mut self, ty: Option<&Type>) -> Doc<'s> {
        let Some(ty) = ty else {
            return Doc::Join(Vec::new());
        };
        let mut parts = vec![Doc::Space, self.token(), Doc::Space, self.token()];
        if !ty.arguments.is_empty() {
            let arguments: Vec<_> = ty.arguments.iter().map(|value| (value, false)).collect();
            parts.push(self.bracket(&arguments, false));
        }
        if ty.optional {
            parts.push(self.token());
        }
        Doc::Join(parts)
    }

    fn guided(&mut self, targets: &[Target]) -> Doc<'s> {
        if targets.is_empty() {
            return self.token();
        }
        let mut parts = Vec::new();
        for (i, it) in targets.iter().enumerate() {
            if i > 0 {
                parts.extend([self.token(), Doc::Space]);
            }
            parts.push(self.target(it));
        }
        Doc::Join(parts)
    }

    fn guide_body(&mut self, body: &GuideBody) -> Doc<'s> {
        match body {
            GuideBody::Distribution(value) => self.meaning(value),
            GuideBody::Word(_) => Doc::Join(vec![Doc::Space, self.token(), Doc::Space, self.token()]),
        }
    }

    fn axis(&mut self, axis: &AxisRef) -> Doc<'s> {
        self.tokens(usize::from(axis.primes).saturating_add(1))
    }

    fn axes(&mut self, axes: &[AxisRef]) -> Doc<'s> {
        if axes.is_empty() {
            return Doc::Join(Vec::new());
        }
        let mut parts = vec![self.token()];
        for (i, axis) in axes.iter().enumerate() {
            if i > 0 {
                parts.extend([self.token(), Doc::Space]);
            }
            parts.push(self.axis(axis));
        }
        parts.push(self.token());
        Doc::Join(parts)
    }

    fn chain(&mut self, mut head: Vec<Doc<'s>>, axis: &AxisRef, from: Option<&Expr>, body: &[Statement]) -> Doc<'s> {
        head.extend([self.token(), Doc::Space, self.token(), Doc::Space, self.axis(axis)]);
        if let Some(from) = from {
            head.push(self.meaning(from));
        }
        head.extend([Doc::Space, self.token()]);
        let mut inside = self.statements(body);
        self.lead_inside(body.is_empty(), &mut inside);
        let empty = inside.is_empty();
        let mut parts = vec![Doc::group(vec![Doc::indent(head)]), Doc::indent(inside)];
        if !empty {
            parts.push(Doc::Hard);
        }
        parts.push(self.token());
        Doc::Join(parts)
    }

    /// The comments before a closing brace; no empty line goes before the brace itself.
    fn lead_inside(&mut self, first: bool, parts: &mut Vec<Doc<'s>>) {
        let commented = self.commented;
        self.lead(first, parts);
        if matches!(parts.last(), Some(Doc::Blank)) {
            parts.pop();
        }
        if commented && parts.is_empty() {
            parts.push(Doc::Hard);
        }
    }

    fn method(&mut self, by: &Expr, average: Option<&Expr>) -> Doc<'s> {
        let mut parts = vec![Doc::Line(" "), self.token(), Doc::Space, self.token()];
        if let ExprKind::Call { arguments, .. } = &*by.kind {
            let mut all: Vec<_> = arguments.iter().map(named).collect();
            // The tree keeps `average` apart; it goes back to where it was written.
            all.extend(average.map(|value| (value, true)));
            all.sort_by_key(|(value, _)| value.span.start);
            parts.push(self.bracket(&all, false));
        }
        Doc::Join(parts)
    }

    fn bounds(&mut self, bounds: &[Expr]) -> Doc<'s> {
        let mut parts = Vec::new();
        for (i, bound) in bounds.iter().enumerate() {
            if i == 0 {
                parts.extend([Doc::Line(" "), self.token(), Doc::Space, self.token(), Doc::Space]);
            } else {
                parts.extend([self.token(), Doc::Line(" ")]);
            }
            parts.push(self.expr(bound, true));
        }
        Doc::Join(parts)
    }

    /// An index bracket, where simple sums are written tight: `s[t-1]`.
    fn indices(&mut self, indices: &[Expr]) -> Doc<'s> {
        if indices.is_empty() {
            return Doc::Join(Vec::new());
        }
        let indices: Vec<_> = indices.iter().map(|value| (value, false)).collect();
        self.bracket(&indices, true)
    }

    /// A bracketed list of values, some behind `name =`. Lists of atoms fill their lines.
    fn bracket(&mut self, values: &[(&Expr, bool)], tight: bool) -> Doc<'s> {
        let fill = values.iter().all(|(value, named)| !named && is_atom(value));
        let open = self.token();
        let mut inside = vec![Doc::Line("")];
        for (i, (value, named)) in values.iter().enumerate() {
            if i > 0 {
                inside.push(self.token());
                inside.push(if fill { Doc::group(vec![Doc::Line(" ")]) } else { Doc::Line(" ") });
            }
            if *named {
                inside.extend([self.token(), Doc::Space, self.token(), Doc::Space]);
            }
            inside.push(match &*value.kind {
                ExprKind::Binary { left, right, .. } if tight && is_tight(value) => {
                    Doc::Join(vec![self.expr(left, true), self.token(), self.expr(right, true)])
                }
                _ => self.expr(value, true),
            });
        }
        if values.is_empty() {
            return Doc::Join(vec![open, self.token()]);
        }
        Doc::group(vec![open, Doc::indent(inside), Doc::Line(""), self.token()])
    }

    /// An expression. `nested` ones indent the lines that they are broken into; a statement does that for its own.
    fn expr(&mut self, it: &Expr, nested: bool) -> Doc<'s> {
        match &*it.kind {
            ExprKind::If { condition, then, otherwise } => {
                let head = vec![self.keyword(), self.expr(condition, true)];
                let tail = vec![self.clause(then), self.clause(otherwise)];
                broken(head, tail, nested)
            }
            ExprKind::Pipe { .. } | ExprKind::Binary { .. } => self.operation(it, nested),
            ExprKind::Unary { operator, operand } => {
                let mut parts = vec![self.token()];
                if operator.value == UnaryOperator::Not {
                    parts.push(Doc::Space);
                }
                parts.push(self.expr(operand, true));
                Doc::Join(parts)
            }
            ExprKind::Index { value, indices } => Doc::Join(vec![self.expr(value, true), self.indices(indices)]),
            ExprKind::Call { arguments, .. } => {
                let arguments: Vec<_> = arguments.iter().map(named).collect();
                Doc::Join(vec![self.token(), self.bracket(&arguments, false)])
            }
            ExprKind::Shape { sizes, .. } => Doc::Join(vec![self.token(), self.indices(sizes)]),
            ExprKind::Primed { primes, .. } => self.tokens(usize::from(*primes).saturating_add(1)),
            ExprKind::Number { unit, .. } => {
                let digits = self.token();
                match unit.as_ref().map(|unit| &unit.value) {
                    None => digits,
                    Some(Unit::Percent) => Doc::Join(vec![digits, self.token()]),
                    Some(_) => Doc::Join(vec![digits, Doc::Space, self.token()]),
                }
            }
            ExprKind::List(items) => {
                let items: Vec<_> = items.iter().map(|value| (value, false)).collect();
                self.bracket(&items, false)
            }
            ExprKind::Parenthesised(inner) => self.bracket(&[(inner, false)], false),
            ExprKind::Name(_) | ExprKind::Text(_) | ExprKind::Error => self.token(),
        }
    }

    /// A chain of operators of one strength, or of pipes, which breaks before each of them.
    fn operation(&mut self, it: &Expr, nested: bool) -> Doc<'s> {
        let mut operands = Vec::new();
        let mut first = it;
        while let Some((left, right)) = sides(first).filter(|_| strength(first) == strength(it)) {
            operands.push(right);
            first = left;
        }
        let power = strength(it) == Some(7);
        let head = vec![self.expr(first, true)];
        let mut tail = Vec::new();
        for right in operands.into_iter().rev() {
            if power {
                tail.push(self.token());
            } else {
                tail.extend([Doc::Line(" "), self.token(), Doc::Space]);
            }
            tail.push(self.expr(right, true));
        }
        broken(head, tail, nested)
    }
}

fn broken<'s>(mut head: Vec<Doc<'s>>, tail: Vec<Doc<'s>>, nested: bool) -> Doc<'s> {
    if nested {
        head.push(Doc::indent(tail));
    } else {
        head.extend(tail);
    }
    Doc::group(head)
}

fn named(argument: &Argument) -> (&Expr, bool) {
    (&argument.value, argument.name.is_some())
}

/// The operands of a pipe or a binary operator.
fn sides(it: &Expr) -> Option<(&Expr, &Expr)> {
    match &*it.kind {
        ExprKind::Pipe { value, into } => Some((value, into)),
        ExprKind::Binary { left, right, .. } => Some((left, right)),
        _ => None,
    }
}

/// How strongly an operation binds, from `|>` to `^`.
fn strength(it: &Expr) -> Option<u8> {
    Some(match &*it.kind {
        ExprKind::Pipe { .. } => 1,
        ExprKind::Binary { operator, .. } => match operator.value {
            BinaryOperator::Or => 2,
            BinaryOperator::And => 3,
            BinaryOperator::Equal
            | BinaryOperator::NotEqual
            | BinaryOperator::Less
            | BinaryOperator::LessEqual
            | BinaryOperator::Greater
            | BinaryOperator::GreaterEqual => 4,
            BinaryOperator::Add | BinaryOperator::Subtract => 5,
            BinaryOperator::Multiply | BinaryOperator::Divide | BinaryOperator::MatMul => 6,
            BinaryOperator::Power => 7,
        },
        _ => return None,
    })
}

/// A value without parts, perhaps with a minus sign.
fn is_atom(it: &Expr) -> bool {
    match &*it.kind {
        ExprKind::Unary { operand, .. } => is_atom(operand),
        ExprKind::Name(_) | ExprKind::Primed { .. } | ExprKind::Number { .. } | ExprKind::Text(_) => true,
        _ => false,
    }
}

/// A sum or difference of two unsigned atoms.
fn is_tight(it: &Expr) -> bool {
    let plain = |side: &Expr| is_atom(side) && !matches!(&*side.kind, ExprKind::Unary { .. });
    strength(it) == Some(5) && sides(it).is_some_and(|(left, right)| plain(left) && plain(right))
}
