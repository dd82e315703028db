//! Latents whose past is not known, but distributed: what is known of it is carried.
//!
//! A state of a loop whose prior is normal around a function of its last value gets the guide that carries a mean and a
//! standard deviation: with the last belief N(m, v), the next prior is N(f(m), √(σ² + f′² v)), f being affine, and a descent
//! moves it to the posterior given the line. Where the line is normal too, that is Kalman's filter; elsewhere it is the best
//! normal belief at each line (assumed density filtering; Opper 1998).

use fe_check::{bare, offset_of, parts};
use fe_syntax::Span;
use fe_syntax::ast::{
    Argument, BinaryOperator, Declaration, Expr, ExprKind, GuideBody, Statement, StatementKind, Target, UnaryOperator,
};

/// Steps of the descent to the posterior, and their size. The error of a step of .2 falls by a fifth or more.
const STEPS: usize = 200;
const STEP: f64 = 0.2;

fn expr(kind: ExprKind, span: Span) -> Expr {
    Expr { kind: Box::new(kind), span }
}

/// A number.
pub(super) fn number(value: f64, span: Span) -> Expr {
    expr(ExprKind::Number { value, text: value.to_string(), unit: None }, span)
}

/// One expression joined to another.
pub(super) fn joined(operator: BinaryOperator, left: Expr, right: Expr) -> Expr {
    let span = left.span;
    expr(ExprKind::Binary { operator: fe_syntax::Spanned { value: operator, span }, left, right }, span)
}

fn call(function: &str, arguments: Vec<Expr>, span: Span) -> Expr {
    let function = fe_syntax::Spanned { value: function.to_owned(), span };
    let arguments = arguments.into_iter().map(|value| Argument { name: None, value }).collect();
    expr(ExprKind::Call { function, arguments }, span)
}

/// An expression with others in the place of some of its parts.
fn with(e: &Expr, put: &dyn Fn(&Expr) -> Option<Expr>) -> Expr {
    if let Some(other) = put(e) {
        return other;
    }
    let all = |items: &[Expr]| items.iter().map(|i| with(i, put)).collect();
    let kind = match e.kind.as_ref() {
        ExprKind::If { condition, then, otherwise } => {
            ExprKind::If { condition: with(condition, put), then: with(then, put), otherwise: with(otherwise, put) }
        }
        ExprKind::Index { value, indices } => ExprKind::Index { value: with(value, put), indices: all(indices) },
        ExprKind::Pipe { value, into } => ExprKind::Pipe { value: with(value, put), into: with(into, put) },
        ExprKind::Binary { operator, left, right } => {
            ExprKind::Binary { operator: operator.clone(), left: with(left, put), right: with(right, put) }
        }
        ExprKind::Unary { operator, operand } => {
            ExprKind::Unary { operator: operator.clone(), operand: with(operand, put) }
        }
        ExprKind::Call { function, arguments } => {
            let own = |a: &Argument| Argument { name: a.name.clone(), value: with(&a.value, put) };
            ExprKind::Call { function: function.clone(), arguments: arguments.iter().map(own).collect() }
        }
        ExprKind::List(items) => ExprKind::List(all(items)),
        ExprKind::Parenthesised(inner) => ExprKind::Parenthesised(with(inner, put)),
        other => other.clone(),
    };
    expr(kind, e.span)
}

/// A state that is read at its last position.
struct State<'a> {
    name: &'a str,
    variable: &'a str,
}

impl State<'_> {
    /// Whether an expression is the last value, as it is written.
    fn is_last(&self, e: &Expr) -> bool {
        let ExprKind::Index { value, indices } = e.kind.as_ref() else { return false };
        let own = matches!(bare(value).kind.as_ref(), ExprKind::Name(n) if n == self.name);
        own && matches!(indices.as_slice(), [i] if offset_of(i, self.variable) == Some(-1))
    }

    fn reads(&self, e: &Expr) -> bool {
        self.is_last(e) || parts(e).into_iter().any(|p| self.reads(p))
    }

    /// Whether an expression is affine in the last value, as far as its form tells.
    fn is_affine(&self, e: &Expr) -> bool {
        use BinaryOperator::{Add, Divide, Multiply, Subtract};
        if self.is_last(e) || !self.reads(e) {
            return true;
        }
        match e.kind.as_ref() {
            ExprKind::Parenthesised(inner) => self.is_affine(inner),
            ExprKind::Unary { operator, operand } => operator.value == UnaryOperator::Negate && self.is_affine(operand),
            ExprKind::If { condition, then, otherwise } => {
                !self.reads(condition) && self.is_affine(then) && self.is_affine(otherwise)
            }
            ExprKind::Binary { operator, left, right } => match operator.value {
                Add | Subtract => self.is_affine(left) && self.is_affine(right),
                Multiply if self.reads(left) => self.is_affine(left) && !self.reads(right),
                Multiply => self.is_affine(right),
                Divide => self.is_affine(left) && !self.reads(right),
                _ => false,
            },
            _ => false,
        }
    }
}

/// The name of the carried mean and of the logarithm of the carried standard deviation.
fn names(of: &str) -> [String; 4] {
    [format!("mean of {of}"), format!("log sd of {of}"), format!("{of} before"), format!("spread of {of}")]
}

/// The parts of a latent that is carried so: its prior's mean and standard deviation.
fn carries<'a>(
    inner: &'a Statement,
    variable: &str,
    stated: &dyn Fn(&str) -> bool,
) -> Option<(&'a Target, &'a Expr, &'a Expr)> {
    let StatementKind::Latent { target, ty: None, prior, by: None } = &inner.kind else { return None };
    let name = target.name.value.as_str();
    let alone = matches!(target.axes.as_deref(), Some([i]) if offset_of(i, variable) == Some(0));
    let ExprKind::Call { function, arguments } = bare(prior).kind.as_ref() else { return None };
    let [Argument { name: None, value: mean }, Argument { name: None, value: sd }] = arguments.as_slice() else {
        return None;
    };
    let state = State { name, variable };
    let normal = function.value == "Normal" && state.reads(mean) && !state.reads(sd) && state.is_affine(mean);
    (alone && normal && !stated(name)).then_some((target, mean, sd))
}

/// A program whose normal states carry what is known of them; and their names.
pub(super) fn carried(statements: Vec<Statement>) -> (Vec<Statement>, Vec<String>) {
    let mut stated: Vec<String> = vec![];
    let bodies = statements.iter().flat_map(|s| match &s.kind {
        StatementKind::For { body, .. } => body.as_slice(),
        _ => std::slice::from_ref(s),
    });
    for statement in bodies {
        if let StatementKind::Guide { targets, star, .. } = &statement.kind {
            stated.extend(targets.iter().map(|t| t.name.value.clone()));
            if star.is_some() {
                return (statements, vec![]);
            }
        }
    }
    let is_stated = |name: &str| stated.iter().any(|s| s == name);
    let mut carried = vec![];
    let all = statements.iter().map(|statement| {
        let StatementKind::For { variable, axis, from, body } = &statement.kind else { return statement.clone() };
        let mut turned = vec![];
        for inner in body {
            match carries(inner, &variable.value, &is_stated) {
                Some((target, mean, sd)) => {
                    carried.push(target.name.value.clone());
                    turned.extend(believed(inner, &variable.value, target, (mean, sd)));
                }
                None => turned.push(inner.clone()),
            }
        }
        let kind =
            StatementKind::For { variable: variable.clone(), axis: axis.clone(), from: from.clone(), body: turned };
        Statement { kind, span: statement.span }
    });
    let all = all.collect();
    (all, carried)
}

/// The statements in the place of a latent's.
fn believed(inner: &Statement, variable: &str, target: &Target, (mean, sd): (&Expr, &Expr)) -> Vec<Statement> {
    use BinaryOperator::{Add, Multiply, Power, Subtract};
    let span = inner.span;
    let name = target.name.value.as_str();
    let state = State { name, variable };
    let [of_mean, of_sd, before, spread] = names(name);
    let index = |by: i32| {
        let t = expr(ExprKind::Name(variable.to_owned()), span);
        if by == 0 { t } else { joined(Subtract, t, number(f64::from(-by), span)) }
    };
    let at = |name: &str, by: i32| {
        let value = expr(ExprKind::Name(name.to_owned()), span);
        expr(ExprKind::Index { value, indices: vec![index(by)] }, span)
    };
    let target_of = |name: &str| {
        let name = fe_syntax::Spanned { value: name.to_owned(), span: target.name.span };
        Target { name, axes: Some(vec![index(0)]), span: target.span }
    };
    let put = |value: Expr| with(mean, &|e: &Expr| state.is_last(e).then(|| value.clone()));
    let last = at(&of_mean, -1);
    let slope = joined(Subtract, put(number(1.0, span)), put(number(0.0, span)));
    let squared = |e: Expr| joined(Power, expr(ExprKind::Parenthesised(e), span), number(2.0, span));
    let variance = call("exp", vec![joined(Multiply, number(2.0, span), at(&of_sd, -1))], span);
    let wide = joined(Add, squared(sd.clone()), joined(Multiply, squared(slope), variance));
    let wide = call("sqrt", vec![wide], span);
    // At the first position nothing comes before.
    let first = joined(BinaryOperator::Equal, index(0), number(0.0, span));
    let wide = expr(ExprKind::If { condition: first, then: sd.clone(), otherwise: wide }, span);
    let declare =
        |name: &str, value: Expr| StatementKind::Let(Declaration { target: target_of(name), ty: None, value });
    let refine = |name: &str, from: Expr| {
        let argument =
            Argument { name: Some(fe_syntax::Spanned { value: "step".to_owned(), span }), value: number(STEP, span) };
        let function = fe_syntax::Spanned { value: "natural_gradient".to_owned(), span };
        let by = expr(ExprKind::Call { function, arguments: vec![argument] }, span);
        let steps = number(STEPS as f64, span);
        StatementKind::Refine { target: target_of(name), from, steps, by: Some(by), average: None }
    };
    let prior = call("Normal", vec![at(&before, 0), at(&spread, 0)], span);
    let guide = call("Normal", vec![at(&of_mean, 0), call("exp", vec![at(&of_sd, 0)], span)], span);
    let kinds = [
        declare(&before, put(last)),
        declare(&spread, wide),
        StatementKind::Latent { target: target.clone(), ty: None, prior, by: None },
        StatementKind::Guide {
            targets: vec![target_of(name)],
            star: None,
            body: GuideBody::Distribution(guide),
            by: None,
        },
        refine(&of_mean, at(&before, 0)),
        refine(&of_sd, call("log", vec![at(&spread, 0)], span)),
    ];
    kinds.into_iter().map(|kind| Statement { kind, span }).collect()
}
