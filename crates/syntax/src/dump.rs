//! The tree as S-expressions, one statement per line and without places; and the tokens, one source line per line.

use crate::ast::{
    Argument, Ast, AxisRef, BinaryOperator, Declaration, Expr, ExprKind, GuideBody, Name, Statement, StatementKind,
    Target, Type, UnaryOperator, Unit,
};
use crate::lexer::lex;
use crate::token::{Token, line_break_between};
use std::fmt::Write;

/// Prints a tree compactly. Trees that differ only in places print alike, and others do not.
pub fn dump(ast: &Ast) -> String {
    let mut out = String::new();
    statements(&mut out, &ast.statements, 0);
    out
}

/// Prints the tokens that the lexer finds, comments left out.
pub fn dump_tokens(text: &str) -> String {
    let mut out = String::new();
    let mut last = None;
    for lexeme in lex(text).tokens {
        if let Some(last) = last {
            let fresh = line_break_between(text, last, lexeme.span);
            out.push_str(if fresh { "\n" } else { " " });
        }
        last = Some(lexeme.span);
        out.push_str(&match lexeme.token {
            Token::Name(name) => format!("name:{name}"),
            Token::Number(digits) => format!("number:{digits}"),
            Token::Text(text) => format!("text:{text:?}"),
            Token::Invalid => "invalid".to_owned(),
            _ => text.get(lexeme.span.start..lexeme.span.end).unwrap_or_default().to_owned(),
        });
    }
    out.push('\n');
    out
}

fn statements(out: &mut String, all: &[Statement], indent: usize) {
    for statement in all {
        let _ = write!(out, "{:indent$}(", "");
        match &statement.kind {
            StatementKind::For { variable, axis, from, body } => {
                let from = from.as_ref().map_or(String::new(), |from| format!(" from {}", expr(from)));
                let _ = writeln!(out, "for {} in {}{from}", variable.value, axis_ref(axis));
                statements(out, body, indent.saturating_add(2));
                let _ = write!(out, "{:indent$}", "");
            }
            kind => out.push_str(&simple(kind)),
        }
        out.push_str(")\n");
    }
}

/// Every statement without a body.
fn simple(kind: &StatementKind) -> String {
    match kind {
        StatementKind::Model { name, title } => {
            let title = title.as_ref().map_or(String::new(), |title| format!(" {:?}", title.value));
            format!("model {}{title}", name.value)
        }
        StatementKind::Dim { name, size } => format!("dim {} = {}", name.value, expr(size)),
        StatementKind::Const { name, value } => format!("const {} = {}", name.value, expr(value)),
        StatementKind::Data(it) => format!("data {}", declaration(it)),
        StatementKind::Param(it) => format!("param {}", declaration(it)),
        StatementKind::Let(it) => format!("let {}", declaration(it)),
        StatementKind::Latent { target: it, ty, prior, by } => {
            format!("latent {}{} ~ {}{}", target(it), annotation(ty.as_ref()), expr(prior), method(by.as_ref()))
        }
        StatementKind::Guide { targets, star, body, by } => {
            let names: Vec<_> = targets.iter().map(target).chain(star.map(|_| "*".to_owned())).collect();
            let body = match body {
                GuideBody::Distribution(body) => format!("~ {}", expr(body)),
                GuideBody::Word(word) => format!("= {}", word.value),
                GuideBody::Call(call) => format!("= {}", expr(call)),
            };
            format!("guide {} {body}{}", names.join(" "), method(by.as_ref()))
        }
        StatementKind::Observe { target: it, distribution } => {
            format!("observe {} ~ {}", target(it), expr(distribution))
        }
        StatementKind::Loss { name, axes, value } => {
            let axes: Vec<_> = axes.iter().map(axis_ref).collect();
            let axes = if axes.is_empty() { String::new() } else { format!("[{}]", axes.join(" ")) };
            format!("loss {}{axes} = {}", name.value, expr(value))
        }
        StatementKind::Meter { name } => format!("meter {}", name.value),
        StatementKind::Price { name, value, unit } => {
            let unit = unit.as_ref().map_or(String::new(), |unit| format!(" {}", unit.value));
            format!("price {} = {}{unit}", name.value, expr(value))
        }
        StatementKind::Refine { target: it, from, steps, by, average } => {
            let by = by.as_ref().map_or(String::new(), |by| format!(" by {}", expr(by)));
            let average = average.as_ref().map_or(String::new(), |it| format!(" average {}", expr(it)));
            format!("refine {} from {} over {}{by}{average}", target(it), expr(from), expr(steps))
        }
        StatementKind::Minimize { objective, bounds } => {
            let bounds: String = bounds.iter().map(|bound| format!(" subject-to {}", expr(bound))).collect();
            format!("minimize {}{bounds}", expr(objective))
        }
        StatementKind::Train { entries } => {
            let entries: String =
                entries.iter().map(|entry| format!(" :{} {}", entry.key.value, expr(&entry.value))).collect();
            format!("train{entries}")
        }
        StatementKind::Show { value, style, sizes } => {
            format!("show {} as {}{}", expr(value), style.value, bracket(sizes))
        }
        StatementKind::Fn { name, parameters, body } => {
            let parameters: Vec<_> = parameters.iter().map(|it| it.value.as_str()).collect();
            format!("fn {}({}) = {}", name.value, parameters.join(" "), expr(body))
        }
        StatementKind::Broken { keyword, name } => {
            let name = name.as_ref().map_or(String::new(), |name| format!(" {}", name.value));
            format!("broken {keyword}{name}")
        }
        StatementKind::For { .. } => "for".to_owned(),
    }
}

fn declaration(it: &Declaration) -> String {
    format!("{}{} = {}", target(&it.target), annotation(it.ty.as_ref()), expr(&it.value))
}

fn target(it: &Target) -> String {
    let axes = it.axes.as_ref().map_or(String::new(), |axes| bracket(axes));
    format!("{}{axes}", it.name.value)
}

fn annotation(ty: Option<&Type>) -> String {
    ty.map_or(String::new(), |ty| {
        let arguments: String = ty.arguments.iter().map(|it| format!(" {}", expr(it))).collect();
        format!(" : {}{arguments}{}", ty.name.value, if ty.optional { "?" } else { "" })
    })
}

fn method(by: Option<&Name>) -> String {
    by.map_or(String::new(), |by| format!(" by {}", by.value))
}

fn axis_ref(axis: &AxisRef) -> String {
    format!("{}{}", axis.name.value, "'".repeat(axis.primes.into()))
}

fn bracket(all: &[Expr]) -> String {
    if all.is_empty() { String::new() } else { format!("[{}]", listed(all)) }
}

fn listed(all: &[Expr]) -> String {
    all.iter().map(expr).collect::<Vec<_>>().join(" ")
}

fn expr(it: &Expr) -> String {
    match &*it.kind {
        ExprKind::If { condition, then, otherwise } => {
            format!("(if {} {} {})", expr(condition), expr(then), expr(otherwise))
        }
        ExprKind::Pipe { value, into } => format!("(|> {} {})", expr(value), expr(into)),
        ExprKind::Binary { operator, left, right } => {
            format!("({} {} {})", binary(operator.value), expr(left), expr(right))
        }
        ExprKind::Unary { operator, operand } => {
            let operator = match operator.value {
                UnaryOperator::Negate => "-",
                UnaryOperator::Not => "not",
            };
            format!("({operator} {})", expr(operand))
        }
        ExprKind::Index { value, indices } => format!("([] {} {})", expr(value), listed(indices)),
        ExprKind::Call { function, arguments } => {
            let arguments: String = arguments.iter().map(argument).collect();
            format!("({}{arguments})", function.value)
        }
        ExprKind::Name(name) => name.clone(),
        ExprKind::Primed { name, primes } => format!("{}{}", name.value, "'".repeat((*primes).into())),
        ExprKind::Number { text, unit, .. } => match unit.as_ref().map(|unit| &unit.value) {
            None => text.clone(),
            Some(Unit::Percent) => format!("{text}%"),
            Some(Unit::Nats) => format!("{text}:nats"),
            Some(Unit::Bits) => format!("{text}:bits"),
            Some(Unit::Spikes) => format!("{text}:spikes"),
            Some(Unit::Other(word)) => format!("{text}:{word}"),
        },
        ExprKind::Text(text) => format!("{text:?}"),
        ExprKind::List(items) => format!("[{}]", listed(items)),
        ExprKind::Parenthesised(inner) => format!("(() {})", expr(inner)),
        ExprKind::Shape { function, sizes } => format!("({}[] {})", function.value, listed(sizes)),
        ExprKind::Clause { word, operand } => format!("({} {})", word.written(), expr(operand)),
        ExprKind::Error => "(error)".to_owned(),
    }
}

fn argument(it: &Argument) -> String {
    match &it.name {
        Some(name) => format!(" :{} {}", name.value, expr(&it.value)),
        None => format!(" {}", expr(&it.value)),
    }
}

fn binary(operator: BinaryOperator) -> &'static str {
    match operator {
        BinaryOperator::Or => "or",
        BinaryOperator::And => "and",
        BinaryOperator::Equal => "==",
        BinaryOperator::NotEqual => "!=",
        BinaryOperator::Less => "<",
        BinaryOperator::LessEqual => "<=",
        BinaryOperator::Greater => ">",
        BinaryOperator::GreaterEqual => ">=",
        BinaryOperator::Add => "+",
        BinaryOperator::Subtract => "-",
        BinaryOperator::Multiply => "*",
        BinaryOperator::Divide => "/",
        BinaryOperator::MatMul => "@",
        BinaryOperator::Power => "^",
    }
}
