//! Finite states that follow from finite latents in a loop: `let s[t+1] : index(S) = move[s[t], a[t]]` is the latent
//! `s[t+1] ~ Categorical(onehot(move[s[t], a[t]], S))` whose guide is its prior, so that it is summed over with those that
//! it follows from.

use std::collections::BTreeSet;

use fe_syntax::Span;
use fe_syntax::ast::{
    Argument, Ast, Declaration, Expr, ExprKind, GuideBody, Name, Statement, StatementKind, Target, Type,
};

use crate::reads::{bare, expression_reads, target_of};

/// Families whose draws are finite in number.
const FINITE: [&str; 4] = ["Categorical", "Bernoulli", "OneHot", "Binomial"];

/// The program with such states as latents; `None` where it has none.
pub(crate) fn as_latents(ast: &Ast) -> Option<Ast> {
    let finite = finite_names(ast);
    let wanted = |s: &Statement| matches!(&s.kind, StatementKind::Let(d) if finite.followers.contains(d.target.name.value.as_str()));
    if finite.followers.is_empty() {
        return None;
    }
    let (mut statements, mut guides) = (vec![], vec![]);
    for statement in &ast.statements {
        statements.push(match &statement.kind {
            StatementKind::For { variable, axis, from, body } => {
                let body =
                    body.iter().map(|s| if wanted(s) { latent(s, ast, &mut guides) } else { s.clone() }).collect();
                let kind =
                    StatementKind::For { variable: variable.clone(), axis: axis.clone(), from: from.clone(), body };
                Statement { kind, span: statement.span }
            }
            // The start of one that is written forward.
            StatementKind::Let(_) if wanted(statement) => latent(statement, ast, &mut vec![]),
            _ => statement.clone(),
        });
    }
    statements.extend(guides);
    Some(Ast { statements })
}

/// Names of a program whose values are finite and random.
struct Finite<'a> {
    /// `let`s of a loop with the type of an index that follow from finite latents.
    followers: BTreeSet<&'a str>,
}

fn finite_names(ast: &Ast) -> Finite<'_> {
    let inner = |s: &Statement| matches!(s.kind, StatementKind::For { .. });
    let looped = || {
        ast.statements.iter().filter(move |s| inner(s)).flat_map(|s| match &s.kind {
            StatementKind::For { body, .. } => body.as_slice(),
            _ => &[],
        })
    };
    let latents = |finite: bool| -> BTreeSet<&str> {
        let all = ast.statements.iter().chain(looped()).filter_map(|s| match &s.kind {
            StatementKind::Latent { target, ty, prior, .. } => Some((target.name.value.as_str(), ty.as_ref(), prior)),
            _ => None,
        });
        all.filter(|(_, ty, prior)| is_finite(*ty, prior) == finite).map(|l| l.0).collect()
    };
    let (mut finite, mut other) = (latents(true), latents(false));
    let mut followers = BTreeSet::new();
    loop {
        let before = finite.len() + other.len();
        for statement in looped() {
            let StatementKind::Let(d) = &statement.kind else { continue };
            let mut reads = vec![];
            expression_reads(&d.value, &mut reads);
            let name = d.target.name.value.as_str();
            if reads.iter().any(|r| other.contains(r.0)) {
                other.insert(name);
            } else if reads.iter().any(|r| finite.contains(r.0)) {
                finite.insert(name);
                if index_axis(d.ty.as_ref()).is_some() {
                    followers.insert(name);
                }
            }
        }
        if finite.len() + other.len() == before {
            followers.retain(|n| !other.contains(n));
            return Finite { followers };
        }
    }
}

/// Whether a latent's values are finite in number, by its type or its prior as written.
fn is_finite(ty: Option<&Type>, prior: &Expr) -> bool {
    let typed = ty.is_some_and(|t| matches!(t.name.value.as_str(), "index" | "bool"));
    let drawn = match bare(prior).kind.as_ref() {
        ExprKind::Call { function, .. } => FINITE.contains(&function.value.as_str()),
        _ => false,
    };
    typed || drawn
}

/// S of `: index(S)`.
fn index_axis(ty: Option<&Type>) -> Option<&Expr> {
    ty.filter(|t| t.name.value == "index" && !t.optional).and_then(|t| t.arguments.first())
}

/// The latent that a `let` of a finite state stands for; that its guide is its prior is put to the guides.
fn latent(statement: &Statement, ast: &Ast, guides: &mut Vec<Statement>) -> Statement {
    let StatementKind::Let(Declaration { target, ty, value }) = &statement.kind else { return statement.clone() };
    // A start has the type of what goes on from it.
    let axis = index_axis(ty.as_ref()).or_else(|| axis_of(&target.name.value, ast));
    let Some(axis) = axis else { return statement.clone() };
    let name = |word: &str, span: Span| Name::new(word.to_owned(), span);
    let argument = |value: Expr| Argument { name: None, value };
    let call = |function: &str, arguments: Vec<Argument>| Expr {
        kind: Box::new(ExprKind::Call { function: name(function, value.span), arguments }),
        span: value.span,
    };
    let shares = call("onehot", vec![argument(value.clone()), argument(axis.clone())]);
    let prior = call("Categorical", vec![argument(shares)]);
    let body = GuideBody::Word(name("prior", target.name.span));
    let whole = Target { axes: None, ..target.clone() };
    guides.push(Statement {
        kind: StatementKind::Guide { targets: vec![whole], star: None, body, by: None },
        span: statement.span,
    });
    Statement {
        kind: StatementKind::Latent { target: target.clone(), ty: ty.clone(), prior, by: None },
        span: statement.span,
    }
}

/// The axis of a finite state, as the statement in the loop says.
fn axis_of<'a>(name: &str, ast: &'a Ast) -> Option<&'a Expr> {
    ast.statements.iter().find_map(|s| match &s.kind {
        StatementKind::For { body, .. } => body.iter().find_map(|inner| match &inner.kind {
            StatementKind::Let(d) if target_of(inner).is_some_and(|t| t.name.value == name) => {
                index_axis(d.ty.as_ref())
            }
            _ => None,
        }),
        _ => None,
    })
}
