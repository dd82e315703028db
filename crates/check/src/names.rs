//! Names of a program and of the language, for who writes one: where each stands, and which there are.

use fe_syntax::Span;
use fe_syntax::ast::{Ast, Expr, ExprKind, Statement, StatementKind, Target};

use crate::reads::{expression_reads, parts, statement_reads};

/// A name where it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    /// Where.
    pub span: Span,
    /// The name.
    pub name: String,
    /// Whether it is declared here: by a statement, or as an axis that first appears in data.
    pub declared: bool,
}

/// What stands in the language without being declared.
pub struct Vocabulary {
    /// Functions and layers, each with how it is called.
    pub functions: Vec<(&'static str, String)>,
    /// Readers of data, each with how it is called.
    pub readers: Vec<(&'static str, &'static str)>,
    /// Types.
    pub types: &'static [&'static str],
    /// Keys of a `train` block.
    pub train: &'static [&'static str],
}

/// All that the language names itself, families of distributions apart.
pub fn vocabulary() -> Vocabulary {
    let functions = crate::functions::function_names().map(|f| (f, crate::functions::usage(f))).collect();
    let readers = crate::data::READERS.into_iter().map(|r| (r, crate::data::usage(r))).collect();
    Vocabulary { functions, readers, types: &crate::types::TYPES, train: &crate::train::KEYS }
}

/// Every name of a program where it stands, in the order of the text. Arguments of functions and variables of loops count as
/// names like others.
pub fn occurrences(ast: &Ast) -> Vec<Occurrence> {
    let mut all = vec![];
    for statement in &ast.statements {
        of_statement(statement, &mut all);
    }
    all.sort();
    all.dedup_by(|a, b| a.span == b.span);
    // An axis that nothing else declares is declared where it first appears in data.
    let mut known: Vec<String> = all.iter().filter(|o| o.declared).map(|o| o.name.clone()).collect();
    for statement in &ast.statements {
        let StatementKind::Data(d) = &statement.kind else { continue };
        let types = d.ty.iter().filter(|t| t.name.value == "index").flat_map(|t| &t.arguments);
        for axis in d.target.axes.iter().flatten().chain(types) {
            let ExprKind::Name(name) = axis.kind.as_ref() else { continue };
            if !known.contains(name)
                && let Some(first) = all.iter_mut().find(|o| o.span == axis.span)
            {
                first.declared = true;
                known.push(name.clone());
            }
        }
    }
    all
}

fn of_statement(statement: &Statement, all: &mut Vec<Occurrence>) {
    let declared: Vec<&fe_syntax::ast::Name> = match &statement.kind {
        StatementKind::Dim { name, .. } | StatementKind::Const { name, .. } | StatementKind::Loss { name, .. } => {
            vec![name]
        }
        StatementKind::Data(d) | StatementKind::Param(d) | StatementKind::Let(d) => vec![&d.target.name],
        StatementKind::Latent { target, .. } | StatementKind::Refine { target, .. } => vec![&target.name],
        StatementKind::Fn { name, parameters, body } => {
            let mut reads = vec![];
            expression_reads(body, &mut reads);
            all.extend(reads.into_iter().map(|(name, span)| Occurrence { span, name: name.into(), declared: false }));
            std::iter::once(name).chain(parameters).collect()
        }
        StatementKind::For { variable, .. } => vec![variable],
        _ => vec![],
    };
    all.extend(declared.iter().map(|n| Occurrence { span: n.span, name: n.value.clone(), declared: true }));
    if let StatementKind::For { body, .. } = &statement.kind {
        body.iter().for_each(|inner| of_statement(inner, all));
    }
    if let StatementKind::Guide { targets, .. } = &statement.kind {
        all.extend(targets.iter().map(named));
    }
    let reads = statement_reads(statement);
    all.extend(reads.into_iter().map(|(name, span)| Occurrence { span, name: name.into(), declared: false }));
}

fn named(target: &Target) -> Occurrence {
    Occurrence { span: target.name.span, name: target.name.value.clone(), declared: false }
}

/// The innermost text in quotes that stands at a place, and the name of what it is an index of: `a["gentoo"]`.
pub fn label_at(ast: &Ast, place: usize) -> Option<String> {
    let mut stack: Vec<&Expr> = vec![];
    for statement in &ast.statements {
        expressions(statement, &mut stack);
    }
    while let Some(e) = stack.pop() {
        if e.span.start > place || e.span.end < place {
            continue;
        }
        if let ExprKind::Index { value, indices } = e.kind.as_ref()
            && let ExprKind::Name(name) = value.kind.as_ref()
            && indices
                .iter()
                .any(|i| matches!(i.kind.as_ref(), ExprKind::Text(_)) && i.span.start < place && place <= i.span.end)
        {
            return Some(name.clone());
        }
        stack.extend(parts(e));
    }
    None
}

fn expressions<'e>(statement: &'e Statement, all: &mut Vec<&'e Expr>) {
    match &statement.kind {
        StatementKind::Data(d) | StatementKind::Param(d) | StatementKind::Let(d) => all.push(&d.value),
        StatementKind::Latent { prior, .. } => all.push(prior),
        StatementKind::Observe { distribution, .. } => all.push(distribution),
        StatementKind::Loss { value, .. } => all.push(value),
        StatementKind::For { body, .. } => body.iter().for_each(|s| expressions(s, all)),
        _ => {}
    }
}
