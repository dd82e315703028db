//! Expressions of a loop's body at one position of it.

use fe_check::{bare, offset_of, parts};
use fe_syntax::ast::{Argument, BinaryOperator, Expr, ExprKind, UnaryOperator};
use fe_syntax::{Diagnostic, Span};

use super::turn::{Lag, Looped, Over, POSITION, refused, value_name};

/// The names in an expression with their places, and whether each stands there as a whole, without an index.
pub(super) fn names(e: &Expr) -> Vec<(Span, String, bool)> {
    let mut found = vec![];
    let mut stack = vec![e];
    while let Some(e) = stack.pop() {
        if let ExprKind::Index { value, indices } = e.kind.as_ref()
            && let ExprKind::Name(n) = bare(value).kind.as_ref()
        {
            found.push((e.span, n.clone(), false));
            stack.extend(indices);
            continue;
        }
        if let ExprKind::Name(n) = e.kind.as_ref() {
            found.push((e.span, n.clone(), true));
        }
        stack.extend(parts(e));
    }
    found
}

/// `t` compared with a number: the comparison as one of `t` with it, and the number.
fn comparison(e: &Expr, variable: &str) -> Option<(BinaryOperator, f64)> {
    use BinaryOperator::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
    let ExprKind::Binary { operator, left, right } = bare(e).kind.as_ref() else { return None };
    let is_t = |e: &Expr| offset_of(e, variable) == Some(0);
    let number = |e: &Expr| match bare(e).kind.as_ref() {
        ExprKind::Number { value, unit: None, .. } => Some(*value),
        _ => None,
    };
    let op = operator.value;
    if !matches!(op, Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual) {
        return None;
    }
    if is_t(left) {
        return Some((op, number(right)?));
    }
    let turned = match op {
        Less => Greater,
        LessEqual => GreaterEqual,
        Greater => Less,
        GreaterEqual => LessEqual,
        same => same,
    };
    is_t(right).then_some((turned, number(left)?))
}

/// The largest number that a position is compared with anywhere in an expression.
pub(super) fn largest(e: &Expr, variable: &str) -> Option<f64> {
    let mut most: Option<f64> = None;
    let mut stack = vec![e];
    while let Some(e) = stack.pop() {
        if let Some((_, value)) = comparison(e, variable) {
            most = Some(most.map_or(value, |m| m.max(value)));
        }
        stack.extend(parts(e));
    }
    most
}

/// Writes expressions of a loop's body as they are at one position.
pub(super) struct Rewriter<'a> {
    looped: &'a Looped,
    variable: &'a str,
    position: usize,
    /// What was read of the past.
    pub lags: Vec<Lag>,
    /// How conditions were decided.
    pub decisions: Vec<bool>,
    /// Whether the number of the position is read.
    pub counted: bool,
    /// The first thing that does not go turn by turn.
    pub refused: Option<Diagnostic>,
    /// A hidden state whose last value is taken to be a number, and whether that was read.
    pub standing: Option<(String, usize)>,
    /// Whether it was read.
    pub stood: bool,
    /// The hidden state whose probabilities are carried.
    pub mixed: Option<String>,
}

impl<'a> Rewriter<'a> {
    /// For a position of a loop.
    pub fn new(looped: &'a Looped, variable: &'a str, position: usize) -> Self {
        let (lags, decisions) = (vec![], vec![]);
        let (refused, standing, mixed) = (None, None, None);
        Self { looped, variable, position, lags, decisions, counted: false, refused, standing, stood: false, mixed }
    }

    /// The loop's variable.
    pub fn variable(&self) -> &str {
        self.variable
    }

    fn refuse(&mut self, span: Span, message: String, help: &str) {
        self.refused.get_or_insert_with(|| refused(span, message, help));
    }

    /// Whether a condition on the position holds, where numbers alone decide it.
    fn decided(&self, e: &Expr) -> Option<bool> {
        if let Some((op, value)) = comparison(e, self.variable) {
            let t = self.position as f64;
            return Some(match op {
                BinaryOperator::Equal => t == value,
                BinaryOperator::NotEqual => t != value,
                BinaryOperator::Less => t < value,
                BinaryOperator::LessEqual => t <= value,
                BinaryOperator::Greater => t > value,
                _ => t >= value,
            });
        }
        match bare(e).kind.as_ref() {
            ExprKind::Unary { operator, operand } if operator.value == UnaryOperator::Not => {
                self.decided(operand).map(|d| !d)
            }
            ExprKind::Binary { operator, left, right } => {
                let (left, right) = (self.decided(left)?, self.decided(right)?);
                match operator.value {
                    BinaryOperator::And => Some(left && right),
                    BinaryOperator::Or => Some(left || right),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// An expression at the position.
    pub fn expression(&mut self, e: &Expr) -> Expr {
        let kind = match e.kind.as_ref() {
            ExprKind::If { condition, then, otherwise } => {
                if let Some(holds) = self.decided(condition) {
                    self.decisions.push(holds);
                    return self.expression(if holds { then } else { otherwise });
                }
                ExprKind::If {
                    condition: self.expression(condition),
                    then: self.expression(then),
                    otherwise: self.expression(otherwise),
                }
            }
            ExprKind::Index { value, indices } => match bare(value).kind.as_ref() {
                ExprKind::Name(name) if self.looped.over.contains_key(name) => {
                    return self.indexed(e, name, value, indices);
                }
                _ => ExprKind::Index { value: self.expression(value), indices: self.all(indices) },
            },
            ExprKind::Name(name) if name == self.variable => {
                self.counted = true;
                ExprKind::Name(POSITION.to_owned())
            }
            ExprKind::Name(name) if self.looped.over.contains_key(name) => {
                let message = format!("all positions of `{name}` are read here, and a stream has one at a time");
                self.refuse(e.span, message, "read it at a position, as in `x[t]`");
                e.kind.as_ref().clone()
            }
            ExprKind::Pipe { value, into } => {
                ExprKind::Pipe { value: self.expression(value), into: self.expression(into) }
            }
            ExprKind::Binary { operator, left, right } => ExprKind::Binary {
                operator: operator.clone(),
                left: self.expression(left),
                right: self.expression(right),
            },
            ExprKind::Unary { operator, operand } => {
                ExprKind::Unary { operator: operator.clone(), operand: self.expression(operand) }
            }
            ExprKind::Call { function, arguments } => {
                let argument =
                    |r: &mut Self, a: &Argument| Argument { name: a.name.clone(), value: r.expression(&a.value) };
                let arguments = arguments.iter().map(|a| argument(self, a)).collect();
                ExprKind::Call { function: function.clone(), arguments }
            }
            ExprKind::List(items) => ExprKind::List(self.all(items)),
            ExprKind::Parenthesised(inner) => ExprKind::Parenthesised(self.expression(inner)),
            other => other.clone(),
        };
        Expr { kind: Box::new(kind), span: e.span }
    }

    fn all(&mut self, items: &[Expr]) -> Vec<Expr> {
        items.iter().map(|i| self.expression(i)).collect()
    }

    /// A name of the loop's axis with its indices.
    fn indexed(&mut self, e: &Expr, name: &str, value: &Expr, indices: &[Expr]) -> Expr {
        let variable = self.variable;
        let place = indices.iter().position(|i| offset_of(i, variable).is_some());
        let offset = place.and_then(|p| offset_of(indices.get(p)?, variable));
        let (Some(place), Some(offset), Some(&over)) = (place, offset, self.looped.over.get(name)) else {
            let message = format!("`{name}` is read here at a fixed position, which a stream may have left behind");
            self.refuse(e.span, message, "read it at the loop's position, or one before");
            return e.clone();
        };
        let back = match over {
            Over::Ahead => 1 - offset,
            _ => -offset,
        };
        if let (Over::Hidden, 1, Some((of, value)), [_]) = (over, back, &self.standing, indices)
            && of == name
        {
            self.stood = true;
            let name = value_name(of, *value);
            return Expr { kind: Box::new(ExprKind::Name(name)), span: e.span };
        }
        let here = match (over, back) {
            (Over::Outside, _) => {
                let message = format!("`{name}` is worked out for all positions before the loop");
                self.refuse(e.span, message, "declare it inside the loop, position by position");
                return e.clone();
            }
            (_, ..0) => {
                self.refuse(
                    e.span,
                    format!("`{name}` is read before it is there"),
                    "a stream has no lines of the future",
                );
                return e.clone();
            }
            (Over::Hidden, 1..) => {
                let message = format!("the past of `{name}` is not known here, but distributed");
                let help = "a state is carried whose prior is categorical around its own last value, or normal with a mean that \
                            is affine in it; carry others by hand: refine the guide, with the last posterior as the next \
                            prior (`refine v[t] from v[t-1] …`), or state it, and its draws are carried";
                self.refuse(e.span, message, help);
                return e.clone();
            }
            (Over::Ahead, 2..) => {
                let message = format!("`{name}` is read here further back than its start");
                self.refuse(e.span, message, "keep the older value in a `let` of its own");
                return e.clone();
            }
            (_, 0) => true,
            _ => false,
        };
        if here {
            let mut rest = vec![];
            for (k, i) in indices.iter().enumerate() {
                rest.push(match k == place {
                    true => Expr { kind: Box::new(ExprKind::Name(variable.to_owned())), span: i.span },
                    false => self.expression(i),
                });
            }
            return Expr { kind: Box::new(ExprKind::Index { value: value.clone(), indices: rest }), span: e.span };
        }
        let written = match offset {
            0 => format!("{name}[{variable}]"),
            o => format!("{name}[{variable}-{}]", -o),
        };
        let back = usize::try_from(back).unwrap_or(0);
        self.lags.push(Lag { name: written.clone(), of: name.to_owned(), back });
        let rest: Vec<Expr> =
            indices.iter().enumerate().filter(|(k, _)| *k != place).map(|(_, i)| self.expression(i)).collect();
        let past = Expr { kind: Box::new(ExprKind::Name(written)), span: e.span };
        match rest.is_empty() {
            true => past,
            false => Expr { kind: Box::new(ExprKind::Index { value: past, indices: rest }), span: e.span },
        }
    }
}
