//! What statements and expressions read.

use fe_syntax::Span;
use fe_syntax::ast::{Argument, BinaryOperator, Expr, ExprKind, GuideBody, Statement, StatementKind, Target};

use crate::kind::Kind;

/// The variable of a loop.
pub(crate) fn loop_variable(statement: &Statement) -> Option<&str> {
    match &statement.kind {
        StatementKind::For { variable, .. } => Some(&variable.value),
        _ => None,
    }
}

/// What a `let` or a `latent` declares.
pub(crate) fn target_of(statement: &Statement) -> Option<&Target> {
    match &statement.kind {
        StatementKind::Let(d) => Some(&d.target),
        StatementKind::Latent { target, .. } => Some(target),
        _ => None,
    }
}

/// Whether a target is the first position of a recurrence written forward: `s[0]`.
pub(crate) fn is_start(target: &Target) -> bool {
    let zero = |e: &Expr| matches!(bare(e).kind.as_ref(), ExprKind::Number { value, unit: None, .. } if *value == 0.0);
    target.axes.iter().flatten().any(zero)
}

/// Whether a target of a loop is another position than the loop's: `s[t+1]`.
pub(crate) fn is_forward(target: &Target, variable: &str) -> bool {
    target.axes.iter().flatten().any(|e| offset_of(e, variable).is_some_and(|o| o != 0))
}

/// A name read, and where.
pub(crate) type Read<'a> = (&'a str, Span);

/// What a declaration must know before it can be understood.
pub(crate) fn declaration_reads(statement: &Statement, kind: Kind) -> Vec<Read<'_>> {
    let mut reads = vec![];
    match &statement.kind {
        StatementKind::Dim { size, .. } => expression_reads(size, &mut reads),
        StatementKind::Const { value, .. } => expression_reads(value, &mut reads),
        // The axes that a datum binds do not wait for it.
        StatementKind::Data(_) if kind == Kind::DataAxis => {}
        StatementKind::Data(d) | StatementKind::Param(d) | StatementKind::Let(d) => {
            target_reads(&d.target, &mut reads);
            d.ty.iter().flat_map(|t| &t.arguments).for_each(|a| expression_reads(a, &mut reads));
            expression_reads(&d.value, &mut reads);
        }
        StatementKind::Latent { target, ty, prior, .. } => {
            target_reads(target, &mut reads);
            ty.iter().flat_map(|t| &t.arguments).for_each(|a| expression_reads(a, &mut reads));
            expression_reads(prior, &mut reads);
        }
        // A state is there before what it starts from, which may follow from its past.
        StatementKind::Refine { target, .. } => target_reads(target, &mut reads),
        StatementKind::Loss { axes, value, .. } => {
            reads.extend(axes.iter().map(|a| (a.name.value.as_str(), a.name.span)));
            expression_reads(value, &mut reads);
        }
        StatementKind::Fn { parameters, body, .. } => {
            expression_reads(body, &mut reads);
            reads.retain(|r| !parameters.iter().any(|p| p.value == r.0));
        }
        _ => {}
    }
    reads
}

/// Every name a statement reads, those in its axes included, and not the one it declares.
pub(crate) fn statement_reads(statement: &Statement) -> Vec<Read<'_>> {
    let mut reads = declaration_reads(statement, Kind::Unknown);
    match &statement.kind {
        StatementKind::Guide { targets, body, .. } => {
            targets.iter().for_each(|t| target_reads(t, &mut reads));
            if let GuideBody::Distribution(e) | GuideBody::Call(e) = body {
                expression_reads(e, &mut reads);
            }
        }
        StatementKind::Observe { target, distribution } => {
            reads.push((&target.name.value, target.name.span));
            target_reads(target, &mut reads);
            expression_reads(distribution, &mut reads);
        }
        StatementKind::Meter { name } => reads.push((&name.value, name.span)),
        StatementKind::Price { value, .. } => expression_reads(value, &mut reads),
        StatementKind::For { axis, from, body, .. } => {
            reads.push((&axis.name.value, axis.name.span));
            from.iter().for_each(|e| expression_reads(e, &mut reads));
            body.iter().for_each(|s| reads.extend(statement_reads(s)));
        }
        StatementKind::Refine { from, steps, by, average, .. } => {
            [Some(from), Some(steps), by.as_ref(), average.as_ref()]
                .into_iter()
                .flatten()
                .for_each(|e| expression_reads(e, &mut reads));
        }
        StatementKind::Minimize { objective, bounds } => {
            expression_reads(objective, &mut reads);
            bounds.iter().for_each(|b| expression_reads(b, &mut reads));
        }
        StatementKind::Train { entries } => entries.iter().for_each(|e| expression_reads(&e.value, &mut reads)),
        StatementKind::Show { value, sizes, .. } => {
            expression_reads(value, &mut reads);
            sizes.iter().for_each(|s| expression_reads(s, &mut reads));
        }
        _ => {}
    }
    reads
}

pub(crate) fn target_reads<'a>(target: &'a Target, reads: &mut Vec<Read<'a>>) {
    target.axes.iter().flatten().for_each(|a| expression_reads(a, reads));
}

/// Every name in an expression, called functions included. Without recursion, for expressions of any depth.
pub(crate) fn expression_reads<'a>(e: &'a Expr, reads: &mut Vec<Read<'a>>) {
    let mut stack = vec![e];
    while let Some(e) = stack.pop() {
        match e.kind.as_ref() {
            ExprKind::Name(name) => reads.push((name, e.span)),
            ExprKind::Primed { name, .. } => reads.push((&name.value, name.span)),
            ExprKind::Call { function, .. } | ExprKind::Shape { function, .. } => {
                reads.push((&function.value, function.span));
            }
            _ => {}
        }
        stack.extend(parts(e).into_iter().rev());
    }
}

/// The expressions directly inside one, in order.
pub fn parts(e: &Expr) -> Vec<&Expr> {
    match e.kind.as_ref() {
        ExprKind::If { condition, then, otherwise } => vec![condition, then, otherwise],
        ExprKind::Pipe { value, into } => vec![value, into],
        ExprKind::Binary { left, right, .. } => vec![left, right],
        ExprKind::Unary { operand, .. } => vec![operand],
        ExprKind::Index { value, indices } => std::iter::once(value).chain(indices).collect(),
        ExprKind::Call { arguments, .. } => arguments.iter().map(|Argument { value, .. }| value).collect(),
        ExprKind::List(items) | ExprKind::Shape { sizes: items, .. } => items.iter().collect(),
        ExprKind::Parenthesised(inner) | ExprKind::Clause { operand: inner, .. } => vec![inner],
        ExprKind::Name(_) | ExprKind::Primed { .. } | ExprKind::Number { .. } | ExprKind::Text(_) | ExprKind::Error => {
            vec![]
        }
    }
}

/// The expression without the parentheses around it.
pub fn bare(mut e: &Expr) -> &Expr {
    while let ExprKind::Parenthesised(inner) = e.kind.as_ref() {
        e = inner;
    }
    e
}

/// c of `t + c`, `t - c`, `t`.
pub fn offset_of(e: &Expr, variable: &str) -> Option<i64> {
    let name = |e: &Expr| matches!(bare(e).kind.as_ref(), ExprKind::Name(n) if n == variable);
    let number = |e: &Expr| match bare(e).kind.as_ref() {
        ExprKind::Number { value, unit: None, .. } if value.fract() == 0.0 && value.abs() < 1e9 => Some(*value as i64),
        _ => None,
    };
    match bare(e).kind.as_ref() {
        ExprKind::Name(n) if n == variable => Some(0),
        ExprKind::Binary { operator, left, right } => match operator.value {
            BinaryOperator::Subtract if name(left) => number(right).map(|c| -c),
            BinaryOperator::Add if name(left) => number(right),
            BinaryOperator::Add if name(right) => number(left),
            _ => None,
        },
        _ => None,
    }
}

/// Names that an expression reads, but for those it reads at earlier positions; `past` says which offsets of a name are.
pub(crate) fn present_reads<'a>(
    e: &'a Expr,
    variable: &str,
    past: &dyn Fn(&str, i64) -> bool,
    reads: &mut Vec<&'a str>,
) {
    if let ExprKind::Index { value, indices } = e.kind.as_ref() {
        let name = match bare(value).kind.as_ref() {
            ExprKind::Name(name) => name.as_str(),
            _ => "",
        };
        if indices.iter().any(|i| offset_of(i, variable).is_some_and(|o| past(name, o))) {
            // Its indices may read others.
            for i in indices {
                present_reads(i, variable, past, reads);
            }
            if name.is_empty() {
                present_reads(value, variable, past, reads);
            }
            return;
        }
    }
    let inner = parts(e);
    if inner.is_empty() {
        let mut own = vec![];
        expression_reads(e, &mut own);
        reads.extend(own.into_iter().map(|r| r.0));
    } else {
        if let ExprKind::Call { function, .. } = e.kind.as_ref() {
            reads.push(&function.value);
        }
        for part in inner {
            present_reads(part, variable, past, reads);
        }
    }
}
