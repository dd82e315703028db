//! Numbers known at compile time, their units, and `--set`.

use fe_syntax::Span;
use fe_syntax::ast::{Expr, ExprKind, Unit};

use crate::axes::Number;
use crate::checker::Checker;
use crate::kind::Kind;
use crate::messages;
use crate::range::Range;
use crate::reads::expression_reads;
use crate::value::{Level, Value};

impl<'a> Checker<'a> {
    /// `const sigma = 0.5`, `const budget = 20 bits`
    pub fn constant(&mut self, name: &str, stated: &Expr, span: Span) -> Value {
        let number = match self.overridden(name) {
            // A number without a unit takes that of the program.
            Some(Some((value, None))) => self.number(stated, "a const").map(|n| Number { value, unit: n.unit }),
            Some(given) => given.map(|(value, unit)| Number { value, unit }),
            None => self.number(stated, "a const"),
        };
        let Some(Number { value, unit }) = number else { return Value::poison(span) };
        let node = self.graph.constant(value);
        Value { unit, ..Value::scalar(node, Range::point(value), Level::Constant, span) }
    }

    /// A number that must be known at compile time; says so where it is not.
    pub fn number(&mut self, e: &Expr, what: &str) -> Option<Number> {
        let value = self.expression(e, None);
        if value.poison {
            return None;
        }
        if let (Some(number), true) = (self.graph.constant_value(value.node), value.axes.is_empty()) {
            if !number.is_finite() {
                self.report(messages::not_finite(what, number, e.span));
                return None;
            }
            return Some(Number { value: number, unit: value.unit });
        }
        let (free, span) = self.what_is_free(e);
        self.report(messages::not_constant(what, e.span, &free, span));
        None
    }

    /// A number without a unit.
    pub fn plain_number(&mut self, e: &Expr, what: &str) -> Option<f64> {
        let number = self.number(e, what)?;
        if let Some(unit) = &number.unit {
            self.report(messages::unit_here(unit, e.span, what));
            return None;
        }
        Some(number.value)
    }

    /// A whole number from `least` up.
    pub fn whole_number(&mut self, e: &Expr, what: &str, least: usize) -> Option<usize> {
        let v = self.plain_number(e, what)?;
        if v.fract() == 0.0 && v >= least as f64 && v <= messages::LARGEST_WHOLE {
            return Some(v as usize);
        }
        self.report(messages::not_whole(what, v, least, e.span));
        None
    }

    /// The first name in an expression that is not known at compile time.
    fn what_is_free(&self, e: &Expr) -> (String, Span) {
        let mut reads = vec![];
        expression_reads(e, &mut reads);
        let free = |kind: Kind| matches!(kind, Kind::Data | Kind::Param | Kind::Latent | Kind::Let | Kind::Loss);
        reads
            .into_iter()
            .find_map(|(n, s)| {
                self.scope.get(n).filter(|d| free(d.kind)).map(|d| (format!("`{n}` is {}", d.kind.describe()), s))
            })
            .unwrap_or_else(|| ("not a single number".into(), e.span))
    }

    /// The value that the command line gives to a name; `Some(None)` where it is no number.
    pub fn overridden(&mut self, name: &str) -> Option<Option<(f64, Option<Unit>)>> {
        let text = self.overrides.set.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.clone())?;
        let number = parse_number(&text);
        if number.is_none() {
            self.said.wrong_overrides.push(messages::set_not_a_number(name, &text));
        }
        Some(number)
    }

    /// Reader arguments are read before any file: they may not hang on the size of one.
    pub fn reads_a_file_size(&self, e: &Expr) -> Option<(String, Span)> {
        let mut reads = vec![];
        expression_reads(e, &mut reads);
        let place = |n: &str| reads.iter().find(|r| r.0 == n).map(|r| r.1);
        let mut stack: Vec<(&str, Option<Span>)> = reads.iter().map(|r| (r.0, place(r.0))).collect();
        let mut seen: Vec<&str> = vec![];
        while let Some((name, span)) = stack.pop() {
            if seen.contains(&name) {
                continue;
            }
            seen.push(name);
            let Some(entry) = self.scope.get(name) else { continue };
            match (&entry.statement.kind, entry.kind) {
                (_, Kind::DataAxis) => return Some((name.to_owned(), span.unwrap_or(e.span))),
                (
                    fe_syntax::ast::StatementKind::Dim { size: value, .. }
                    | fe_syntax::ast::StatementKind::Const { value, .. },
                    Kind::Dim | Kind::Const,
                ) => {
                    let mut inner = vec![];
                    expression_reads(value, &mut inner);
                    stack.extend(inner.into_iter().map(|r| (r.0, span)));
                }
                _ => {}
            }
        }
        None
    }

    /// A number literal.
    pub fn literal(&mut self, value: f64, unit: Option<&Unit>, span: Span) -> Value {
        let (value, unit) = match unit {
            Some(Unit::Percent) => (value / 100.0, None),
            other => (value, other.cloned()),
        };
        let node = self.graph.constant(value);
        Value { unit, ..Value::scalar(node, Range::point(value), Level::Constant, span) }
    }

    /// A list of lists of numbers, row-major, when it is one.
    pub fn numbers(&mut self, e: &Expr) -> Option<(Vec<f64>, Vec<usize>)> {
        let mut values = vec![];
        let shape = self.collect_numbers(e, &mut values, 0)?;
        Some((values, shape))
    }

    fn collect_numbers(&mut self, e: &Expr, values: &mut Vec<f64>, depth: usize) -> Option<Vec<usize>> {
        match crate::reads::bare(e).kind.as_ref() {
            ExprKind::List(items) if depth < 8 => {
                let mut inner: Option<Vec<usize>> = None;
                for item in items {
                    let shape = self.collect_numbers(item, values, depth + 1)?;
                    match &inner {
                        Some(first) if *first != shape => {
                            self.report(messages::ragged_list(item.span, first, &shape));
                            return None;
                        }
                        _ => inner = Some(shape),
                    }
                }
                Some(std::iter::once(items.len()).chain(inner.unwrap_or_default()).collect())
            }
            _ => {
                values.push(self.plain_number(e, "an element of this list")?);
                Some(vec![])
            }
        }
    }
}

/// `0.5`, `1_000`, `10%`, `20 bits`
fn parse_number(text: &str) -> Option<(f64, Option<Unit>)> {
    let text = text.trim();
    let (digits, unit) = match text.strip_suffix('%') {
        Some(digits) => (digits, Some(Unit::Percent)),
        None => match text.split_once(char::is_whitespace) {
            Some((digits, word)) => (digits, Some(unit_word(word.trim())?)),
            None => (text, None),
        },
    };
    let value: f64 = digits.trim().replace('_', "").parse().ok()?;
    if !value.is_finite() {
        return None;
    }
    Some(match unit {
        Some(Unit::Percent) => (value / 100.0, None),
        unit => (value, unit),
    })
}

fn unit_word(word: &str) -> Option<Unit> {
    match word {
        "nats" | "nat" => Some(Unit::Nats),
        "bits" | "bit" => Some(Unit::Bits),
        "spikes" | "spike" => Some(Unit::Spikes),
        _ => None,
    }
}
