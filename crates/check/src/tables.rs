//! What a reader of tables is asked for: which columns, which rows; and what is done to a column at once.

use fe_syntax::Span;
use fe_syntax::ast::{
    Argument, BinaryOperator, Clause, Declaration, Expr, ExprKind, Statement, StatementKind, UnaryOperator,
};

use crate::checker::Checker;
use crate::messages;
use crate::reads::bare;
use crate::source::{Cell, Columns, Condition, Reader, Relation, SourceCall, Stage};

/// Readers of tables.
pub(crate) const TABLES: [&str; 3] = ["csv", "parquet", "arrow"];

/// What precedes a condition where it is read as a program.
const BEFORE: &str = "let condition = ";

/// A stage piped behind a reader.
pub(crate) enum Piped<'e> {
    /// One that is understood.
    Stage(Stage),
    /// `categories(…)`, `days(…)`: its arguments are still to be looked at.
    Called(&'e str, &'e [Argument]),
}

/// The stage that stands behind a pipe, where it is one.
pub(crate) fn stage_in(into: &Expr) -> Option<Piped<'_>> {
    match into.kind.as_ref() {
        ExprKind::Name(name) => match name.as_str() {
            "whiten" => Some(Piped::Stage(Stage::Whiten)),
            "standardize" => Some(Piped::Stage(Stage::Standardize)),
            "categories" => Some(Piped::Stage(Stage::Categories(vec![]))),
            "days" => Some(Piped::Called("days", &[])),
            _ => None,
        },
        ExprKind::Call { function, arguments } => match function.value.as_str() {
            name @ ("categories" | "days") => Some(Piped::Called(name, arguments)),
            _ => None,
        },
        _ => None,
    }
}

impl<'a> Checker<'a> {
    /// What `categories("low", "high")` and `days("2020-01-31")` ask for.
    pub(crate) fn stage(&mut self, piped: &Piped, span: Span) -> Option<Stage> {
        let (name, arguments) = match piped {
            Piped::Stage(stage) => return Some(stage.clone()),
            Piped::Called(name, arguments) => (*name, *arguments),
        };
        if name == "days" {
            return match arguments {
                [Argument { name, value }] if name.as_ref().is_none_or(|n| n.value == "since") => {
                    match bare(value).kind.as_ref() {
                        ExprKind::Text(date) => Some(Stage::Days(date.clone())),
                        _ => self.wrong_stage(messages::days_since(value.span)),
                    }
                }
                _ => self.wrong_stage(messages::days_since(span)),
            };
        }
        let mut levels = vec![];
        for argument in arguments {
            let level = match bare(&argument.value).kind.as_ref() {
                ExprKind::Text(text) => Some(text.clone()),
                ExprKind::Number { value, unit: None, .. } => Some(value.to_string()),
                _ => None,
            };
            match level.filter(|_| argument.name.is_none()) {
                Some(level) if levels.contains(&level) => {
                    return self.wrong_stage(messages::level_twice(&level, argument.value.span));
                }
                Some(level) => levels.push(level),
                None => return self.wrong_stage(messages::level_no_text(argument.value.span)),
            }
        }
        Some(Stage::Categories(levels))
    }

    fn wrong_stage(&mut self, diagnostic: fe_syntax::Diagnostic) -> Option<Stage> {
        self.report(diagnostic);
        None
    }

    /// The columns of a table: all, some by their names, or all but some.
    pub(crate) fn columns(&mut self, reader: &str, given: &[&Expr]) -> Option<Columns> {
        let Some((first, rest)) = given.split_first() else { return Some(Columns::AllBut(vec![])) };
        let but = match bare(first).kind.as_ref() {
            ExprKind::Clause { word: Clause::AllBut, operand } => Some(operand),
            _ => None,
        };
        let mut names = vec![self.text_argument(reader, "column", but.unwrap_or(first))];
        names.extend(rest.iter().map(|e| self.text_argument(reader, "column", e)));
        let names = names.into_iter().collect::<Option<Vec<String>>>()?;
        Some(if but.is_some() { Columns::AllBut(names) } else { Columns::Named(names) })
    }

    /// `where = "split == 'train'"`
    pub(crate) fn rows_where(&mut self, e: &Expr) -> Option<Condition> {
        let ExprKind::Text(text) = bare(e).kind.as_ref() else {
            self.report(messages::where_no_text(e.span));
            return None;
        };
        // A condition in a text has single quotes around its own texts.
        let parsed = fe_syntax::parse(&format!("{BEFORE}{}", text.replace('\'', "\"")));
        let start = bare(e).span.start + 1;
        let place = |s: Span| {
            let at = |k: usize| start + k.saturating_sub(BEFORE.len()).min(text.len());
            Span::new(at(s.start), at(s.end))
        };
        if let Some(wrong) = parsed.diagnostics.first() {
            self.report(messages::where_unread(place(wrong.span()), &wrong.message));
            return None;
        }
        let found = match parsed.ast.statements.as_slice() {
            [Statement { kind: StatementKind::Let(d), .. }] => condition(&d.value).map_err(place),
            _ => Err(e.span),
        };
        found.map_err(|span| self.report(messages::where_compares(span))).ok()
    }

    /// A matrix of all columns that takes along a column that other data are.
    pub(crate) fn columns_taken_along(&mut self) {
        let tables: Vec<(&SourceCall, &str, &Columns)> = self.found.sources.iter().filter_map(table).collect();
        let mut said = vec![];
        for (call, path, columns) in &tables {
            let Columns::AllBut(_) = columns else { continue };
            let Some(header) = self.headers.and_then(|h| h.get(&call.data)) else { continue };
            let other = tables.iter().find_map(|(other, elsewhere, columns)| match columns {
                Columns::Named(names) if elsewhere == path && other.data != call.data => {
                    names.iter().find(|n| header.columns.contains(n)).map(|n| (n, *other))
                }
                _ => None,
            });
            if let Some((column, other)) = other {
                said.push(messages::column_taken_along(&call.data, call.span, column, &other.data, other.span));
            }
        }
        said.into_iter().for_each(|d| self.report(d));
    }
}

/// The path and columns of a call that reads a table.
fn table(call: &SourceCall) -> Option<(&SourceCall, &str, &Columns)> {
    match &call.reader {
        Reader::Table { path, columns, .. } => Some((call, path.as_str(), columns)),
        _ => None,
    }
}

/// Whether data of text are compared with one of their levels at once: `csv("d.csv", "alive") == "yes"`. Then the reader, the
/// level, and whether it is the true one.
pub(crate) fn compared_level(d: &Declaration, source: Span) -> Option<(&str, Span, bool)> {
    let ExprKind::Binary { operator, left, right } = bare(&d.value).kind.as_ref() else { return None };
    let same = match operator.value {
        BinaryOperator::Equal => true,
        BinaryOperator::NotEqual => false,
        _ => return None,
    };
    let (of, level) = if bare(left).span == source || left.span == source { (left, right) } else { (right, left) };
    match bare(level).kind.as_ref() {
        ExprKind::Text(text) if of.span == source || bare(of).span == source => Some((text, level.span, same)),
        _ => None,
    }
}

/// A condition as it is written; else the place of what is none.
fn condition(e: &Expr) -> Result<Condition, Span> {
    let e = bare(e);
    match e.kind.as_ref() {
        ExprKind::Unary { operator, operand } if operator.value == UnaryOperator::Not => {
            Ok(Condition::Not(Box::new(condition(operand)?)))
        }
        ExprKind::Binary { operator, left, right } => {
            let both = |l, r| Ok((Box::new(condition(l)?), Box::new(condition(r)?)));
            let relation = match operator.value {
                BinaryOperator::And => return both(left, right).map(|(l, r)| Condition::And(l, r)),
                BinaryOperator::Or => return both(left, right).map(|(l, r)| Condition::Or(l, r)),
                BinaryOperator::Equal => Relation::Equal,
                BinaryOperator::NotEqual => Relation::NotEqual,
                BinaryOperator::Less => Relation::Less,
                BinaryOperator::LessEqual => Relation::LessEqual,
                BinaryOperator::Greater => Relation::Greater,
                BinaryOperator::GreaterEqual => Relation::GreaterEqual,
                _ => return Err(e.span),
            };
            let column = match bare(left).kind.as_ref() {
                ExprKind::Name(name) => name.clone(),
                _ => return Err(left.span),
            };
            Ok(Condition::Compare { column, relation, cell: cell(right).ok_or(right.span)? })
        }
        _ => Err(e.span),
    }
}

/// A number or a text.
fn cell(e: &Expr) -> Option<Cell> {
    match bare(e).kind.as_ref() {
        ExprKind::Text(text) => Some(Cell::Text(text.clone())),
        ExprKind::Number { value, unit: None, .. } => Some(Cell::Number(*value)),
        ExprKind::Unary { operator, operand } if operator.value == UnaryOperator::Negate => match cell(operand)? {
            Cell::Number(v) => Some(Cell::Number(-v)),
            Cell::Text(_) => None,
        },
        ExprKind::Name(word) if matches!(word.as_str(), "true" | "false") => Some(Cell::Text(word.clone())),
        _ => None,
    }
}
