//! Expressions as the user would write them, for reports and messages.

use fe_syntax::ast::{BinaryOperator, Expr, ExprKind, UnaryOperator, Unit};

/// The text of an expression; a long or deep one is cut with `…`.
pub(crate) fn written(e: &Expr) -> String {
    let mut text = String::new();
    write(e, &mut text, 12);
    text
}

fn write(e: &Expr, out: &mut String, depth: usize) {
    let Some(depth) = depth.checked_sub(1).filter(|_| out.len() < 400) else {
        out.push('…');
        return;
    };
    match e.kind.as_ref() {
        ExprKind::Name(name) => out.push_str(name),
        ExprKind::Primed { name, primes } => {
            out.push_str(&name.value);
            out.push_str(&"'".repeat(usize::from(*primes)));
        }
        ExprKind::Number { text, unit, .. } => {
            out.push_str(text);
            match unit.as_ref().map(|u| &u.value) {
                Some(Unit::Percent) => out.push('%'),
                Some(unit) => {
                    out.push(' ');
                    out.push_str(unit_name(unit));
                }
                None => {}
            }
        }
        ExprKind::Text(text) => out.push_str(&format!("\"{text}\"")),
        ExprKind::Parenthesised(inner) => {
            out.push('(');
            write(inner, out, depth);
            out.push(')');
        }
        ExprKind::Unary { operator, operand } => {
            out.push_str(if operator.value == UnaryOperator::Negate { "-" } else { "not " });
            write(operand, out, depth);
        }
        ExprKind::Binary { operator, left, right } => {
            write(left, out, depth);
            let tight = operator.value == BinaryOperator::Power;
            out.push_str(&if tight { "^".into() } else { format!(" {} ", symbol(operator.value)) });
            write(right, out, depth);
        }
        ExprKind::Pipe { value, into } => {
            write(value, out, depth);
            out.push_str(" |> ");
            write(into, out, depth);
        }
        ExprKind::If { condition, then, otherwise } => {
            for (word, part) in [("if ", condition), (" then ", then), (" else ", otherwise)] {
                out.push_str(word);
                write(part, out, depth);
            }
        }
        ExprKind::Index { value, indices } => {
            write(value, out, depth);
            list(indices, "[", "]", out, depth);
        }
        ExprKind::Shape { function, sizes } => {
            out.push_str(&function.value);
            list(sizes, "[", "]", out, depth);
        }
        ExprKind::List(items) => list(items, "[", "]", out, depth),
        ExprKind::Call { function, arguments } => {
            out.push_str(&function.value);
            out.push('(');
            for (k, argument) in arguments.iter().enumerate() {
                out.push_str(if k > 0 { ", " } else { "" });
                if let Some(name) = &argument.name {
                    out.push_str(&format!("{} = ", name.value));
                }
                write(&argument.value, out, depth);
            }
            out.push(')');
        }
        ExprKind::Clause { word, operand } => {
            out.push_str(word.written());
            out.push(' ');
            write(operand, out, depth);
        }
        ExprKind::Error => out.push('…'),
    }
}

fn list(items: &[Expr], open: &str, close: &str, out: &mut String, depth: usize) {
    out.push_str(open);
    for (k, item) in items.iter().enumerate() {
        out.push_str(if k > 0 { ", " } else { "" });
        write(item, out, depth);
    }
    out.push_str(close);
}

/// How an operator is written.
pub(crate) fn symbol(op: BinaryOperator) -> &'static str {
    use BinaryOperator as B;
    match op {
        B::Or => "or",
        B::And => "and",
        B::Equal => "==",
        B::NotEqual => "!=",
        B::Less => "<",
        B::LessEqual => "<=",
        B::Greater => ">",
        B::GreaterEqual => ">=",
        B::Add => "+",
        B::Subtract => "-",
        B::Multiply => "*",
        B::Divide => "/",
        B::MatMul => "@",
        B::Power => "^",
    }
}

/// How a unit is written.
pub(crate) fn unit_name(unit: &Unit) -> &str {
    match unit {
        Unit::Nats => "nats",
        Unit::Bits => "bits",
        Unit::Spikes => "spikes",
        Unit::Percent => "%",
        Unit::Other(word) => word,
    }
}
