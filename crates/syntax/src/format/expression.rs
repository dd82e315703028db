//! The layout of expressions.

use super::layout::Doc;
use super::writer::Writer;
use crate::ast::{Argument, BinaryOperator, Expr, ExprKind, UnaryOperator, Unit};

impl<'s> Writer<'_, 's> {
    /// A word and what follows it, on a line of their own if the whole is long.
    pub fn clause(&mut self, value: &Expr) -> Doc<'s> {
        Doc::Join(vec![Doc::Line(" "), self.token(), Doc::Space, self.expr(value)])
    }

    /// An index bracket, where simple sums are written tight: `s[t-1]`.
    pub fn indices(&mut self, indices: &[Expr]) -> Doc<'s> {
        if indices.is_empty() {
            return Doc::Join(Vec::new());
        }
        let indices: Vec<_> = indices.iter().map(|value| (value, false)).collect();
        self.bracket(&indices, true)
    }

    /// A bracketed list of values, some behind `name =`. Lists of atoms fill their lines.
    pub fn bracket(&mut self, values: &[(&Expr, bool)], tight: bool) -> Doc<'s> {
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
                    Doc::Join(vec![self.expr(left), self.token(), self.expr(right)])
                }
                _ => self.expr(value),
            });
        }
        if values.is_empty() {
            return Doc::Join(vec![open, self.token()]);
        }
        Doc::group(vec![open, Doc::indent(inside), Doc::Line(""), self.token()])
    }

    pub fn expr(&mut self, it: &Expr) -> Doc<'s> {
        match &*it.kind {
            ExprKind::If { condition, then, otherwise } => {
                let head = vec![self.keyword(), self.expr(condition)];
                let tail = vec![self.clause(then), self.clause(otherwise)];
                broken(head, tail)
            }
            ExprKind::Pipe { .. } | ExprKind::Binary { .. } => self.operation(it),
            ExprKind::Unary { operator, operand } => {
                let mut parts = vec![self.token()];
                if operator.value == UnaryOperator::Not {
                    parts.push(Doc::Space);
                }
                parts.push(self.expr(operand));
                Doc::Join(parts)
            }
            ExprKind::Index { value, indices } => Doc::Join(vec![self.expr(value), self.indices(indices)]),
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
            ExprKind::Clause { word, operand } => {
                let mut parts: Vec<Doc> = (0..word.words()).flat_map(|_| [self.token(), Doc::Space]).collect();
                parts.push(self.expr(operand));
                Doc::Join(parts)
            }
            ExprKind::Name(_) | ExprKind::Text(_) | ExprKind::Error => self.token(),
        }
    }

    /// A chain of operators of one strength, or of pipes, which breaks before each of them.
    fn operation(&mut self, it: &Expr) -> Doc<'s> {
        let mut operands = Vec::new();
        let mut first = it;
        while let Some((left, right)) = sides(first).filter(|_| strength(first) == strength(it)) {
            operands.push(right);
            first = left;
        }
        let power = strength(it) == Some(7);
        let head = vec![self.expr(first)];
        let mut tail = Vec::new();
        for right in operands.into_iter().rev() {
            if power {
                tail.push(self.token());
            } else {
                tail.extend([Doc::Line(" "), self.token(), Doc::Space]);
            }
            tail.push(self.expr(right));
        }
        broken(head, tail)
    }
}

fn broken<'s>(mut head: Vec<Doc<'s>>, tail: Vec<Doc<'s>>) -> Doc<'s> {
    head.push(Doc::indent(tail));
    Doc::group(head)
}

/// An argument's value, and whether it is named.
pub fn named(argument: &Argument) -> (&Expr, bool) {
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
