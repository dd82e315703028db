//! One turn of a program's loop as a program of its own: what it reads of the past becomes data, and what a condition on the
//! position decides is decided.

use std::collections::{BTreeMap, BTreeSet};

use fe_check::{bare, offset_of};
use fe_syntax::ast::{
    BinaryOperator, Declaration, Expr, ExprKind, GuideBody, Name, Statement, StatementKind, Target, Type,
};
use fe_syntax::{Diagnostic, Span, Spanned};

use super::believed::{self, joined, number};
use super::expressions::Rewriter;

/// The name under which a turn reads the number of its position.
pub(super) const POSITION: &str = "the position";

/// What a name that runs over the loop's axis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// Data, given a line at a time.
    Data,
    /// A parameter of each position.
    Param,
    /// A `let`, a refined state, or a latent with a guide that is stated, of the loop.
    State,
    /// A `let` written one position ahead: `s[t+1]`.
    Ahead,
    /// A latent whose guide is not stated: its past is not known, but distributed.
    Hidden,
    /// A `let` outside of the loop.
    Outside,
}

/// A value of an earlier position that a turn reads, as data called `name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lag {
    /// As it is written: `v[t-1]`.
    pub name: String,
    /// Whose it is.
    pub of: String,
    /// How many turns ago it was made.
    pub back: usize,
}

/// A turn of the loop.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    /// Its program.
    pub statements: Vec<Statement>,
    /// What it reads of the past.
    pub lags: Vec<Lag>,
    /// How conditions on the position were decided, in order.
    pub decisions: Vec<bool>,
    /// Data that are numbers: the values of hidden states.
    pub numbers: Vec<(String, usize)>,
}

/// What is known of a program before any turn of it.
#[derive(Clone, Debug)]
pub(super) struct Looped {
    statements: Vec<Statement>,
    /// The axis of its loops; without one, each line is a row by itself.
    pub axis: Option<String>,
    /// What runs over that axis.
    pub over: BTreeMap<String, Over>,
    /// From this position on all conditions are decided alike.
    pub steady: usize,
    /// Losses and likelihoods of the end, which no turn is.
    pub ends: Vec<String>,
    /// Finite latents of the loop with the number of their values: the probabilities of one that is hidden can be carried.
    finite: BTreeMap<String, usize>,
    /// Normal states whose beliefs are carried.
    pub believed: Vec<String>,
}

/// Something of the program that does not go turn by turn.
pub(super) fn refused(span: Span, message: impl Into<String>, help: impl Into<String>) -> Diagnostic {
    Diagnostic::error("R0020", message, span, "this").help(help)
}

/// Name and axes of a declaration.
fn declared(statement: &Statement) -> Option<&Target> {
    match &statement.kind {
        StatementKind::Data(d) | StatementKind::Param(d) | StatementKind::Let(d) => Some(&d.target),
        StatementKind::Latent { target, .. } | StatementKind::Refine { target, .. } => Some(target),
        _ => None,
    }
}

/// Whether an index names an axis.
fn is_axis(e: &Expr, axis: &str) -> bool {
    matches!(bare(e).kind.as_ref(), ExprKind::Name(n) if n == axis)
}

fn is_start(target: &Target) -> bool {
    let zero = |e: &Expr| matches!(bare(e).kind.as_ref(), ExprKind::Number { value, .. } if *value == 0.0);
    target.axes.iter().flatten().any(zero)
}

/// The axis of the loop that time runs along: the only one, or the only one that data have or that a state is written ahead in.
/// What runs in another loop is there as a whole in every turn.
fn time(statements: &[Statement]) -> Result<Option<String>, Diagnostic> {
    let mut found: Vec<(&str, Span, bool)> = vec![];
    for statement in statements {
        let StatementKind::For { variable, axis, body, .. } = &statement.kind else { continue };
        let name = axis.name.value.as_str();
        let of_data = statements.iter().any(|s| {
            let along = |d: &Declaration| d.target.axes.iter().flatten().any(|e| is_axis(e, name));
            matches!(&s.kind, StatementKind::Data(d) if along(d))
        });
        let ahead = body
            .iter()
            .filter_map(declared)
            .any(|t| t.axes.iter().flatten().any(|e| offset_of(e, &variable.value).is_some_and(|o| o > 0)));
        match found.iter_mut().find(|f| f.0 == name) {
            Some(known) => known.2 |= of_data || ahead,
            None => found.push((name, statement.span, of_data || ahead)),
        }
    }
    if let [(only, ..)] = found.as_slice() {
        return Ok(Some((*only).to_owned()));
    }
    let told: Vec<&(&str, Span, bool)> = found.iter().filter(|f| f.2).collect();
    match (found.as_slice(), told.as_slice()) {
        ([], _) => Ok(None),
        (_, [(only, ..)]) => Ok(Some((*only).to_owned())),
        ([(one, ..), (other, span, _), ..], _) => {
            let message = format!("loops run over `{one}` and over `{other}`, and time could run along either");
            let help = "a stream has one time: keep the loop that time runs along, or give data to that one alone";
            Err(refused(*span, message, help))
        }
        ([(only, ..)], _) => Ok(Some((*only).to_owned())),
    }
}

impl Looped {
    /// Finds the loop of a program.
    ///
    /// # Errors
    /// When there are loops over two axes, and time could be either.
    pub fn new(statements: Vec<Statement>, finite: BTreeMap<String, usize>) -> Result<Self, Diagnostic> {
        let (statements, believed) = believed::carried(statements);
        let axis = time(&statements)?;
        let (over, ends) = (BTreeMap::new(), vec![]);
        let mut looped = Self { statements, axis, over, steady: 0, ends, finite, believed };
        looped.names();
        looped.conditions();
        looped.ends = looped.ends();
        Ok(looped)
    }

    fn names(&mut self) {
        let Some(axis) = self.axis.clone() else { return };
        let mut over = BTreeMap::new();
        let mut stated = BTreeSet::new();
        for statement in &self.statements {
            match &statement.kind {
                StatementKind::For { variable, body, axis: of, .. } if of.name.value == axis => {
                    for inner in body {
                        if let StatementKind::Guide { targets, body: GuideBody::Distribution(_), .. } = &inner.kind {
                            stated.extend(targets.iter().map(|t| t.name.value.clone()));
                        }
                        let Some(target) = declared(inner) else { continue };
                        let offset = target.axes.iter().flatten().find_map(|e| offset_of(e, &variable.value));
                        let latent = matches!(inner.kind, StatementKind::Latent { .. });
                        let kind = match offset {
                            Some(0) if latent => Over::Hidden,
                            Some(0) => Over::State,
                            Some(_) => Over::Ahead,
                            None => continue,
                        };
                        over.insert(target.name.value.clone(), kind);
                    }
                }
                kind => {
                    let Some(target) = declared(statement) else { continue };
                    if !target.axes.iter().flatten().any(|e| is_axis(e, &axis)) {
                        continue;
                    }
                    let kind = match kind {
                        StatementKind::Data(_) => Over::Data,
                        StatementKind::Param(_) => Over::Param,
                        StatementKind::Latent { .. } => Over::Hidden,
                        _ => Over::Outside,
                    };
                    over.insert(target.name.value.clone(), kind);
                }
            }
        }
        for (name, kind) in &mut over {
            if *kind == Over::Hidden && stated.contains(name) {
                *kind = Over::State;
            }
        }
        self.over = over;
    }

    /// The first position from which on no condition changes: behind the largest number that a position is compared with.
    fn conditions(&mut self) {
        let mut steady = 0usize;
        for statement in &self.statements {
            let StatementKind::For { variable, from, body, axis } = &statement.kind else { continue };
            if Some(&axis.name.value) != self.axis.as_ref() {
                continue;
            }
            let start = from.as_ref().and_then(|e| match bare(e).kind.as_ref() {
                ExprKind::Number { value, .. } => Some(*value),
                _ => None,
            });
            let compared =
                body.iter().flat_map(expressions).filter_map(|e| super::expressions::largest(e, &variable.value));
            let all = compared.chain(start).filter(|v| *v >= 0.0).fold(-1.0, f64::max);
            steady = steady.max((all.floor() + 1.0) as usize);
        }
        self.steady = steady;
    }

    /// Statements outside of the loop that read a position of it, or the end.
    fn ends(&self) -> Vec<String> {
        let outer = self.statements.iter().filter(|s| self.is_end(s));
        outer
            .filter_map(|s| match &s.kind {
                StatementKind::Loss { name, .. } => Some(name.value.clone()),
                StatementKind::Observe { target, .. } => Some(target.name.value.clone()),
                StatementKind::Let(d) => Some(d.target.name.value.clone()),
                _ => None,
            })
            .collect()
    }

    fn is_end(&self, statement: &Statement) -> bool {
        let read = expressions(statement).into_iter().flat_map(super::expressions::names);
        let of_loop = |(_, n, whole): &(Span, String, bool)| self.runs(n) && !*whole;
        let kind = matches!(
            statement.kind,
            StatementKind::Loss { .. } | StatementKind::Observe { .. } | StatementKind::Let(_)
        );
        let own = declared(statement).is_some_and(is_start);
        kind && !own && read.filter(|r| self.runs(&r.1)).collect::<Vec<_>>().iter().any(of_loop)
    }

    fn runs(&self, name: &str) -> bool {
        self.over.contains_key(name)
    }

    /// The turn at a position.
    ///
    /// # Errors
    /// When something does not go turn by turn.
    pub fn turn(&self, position: usize) -> Result<Turn, Diagnostic> {
        let Some(axis) = self.axis.clone() else {
            let statements = self.statements.clone();
            return Ok(Turn { statements, lags: vec![], decisions: vec![], numbers: vec![] });
        };
        let mut lags: BTreeMap<String, Lag> = BTreeMap::new();
        let (mut statements, mut decisions, mut variable, mut counted) = (vec![], vec![], None, false);
        let (mut mixed, mut numbers): (Option<String>, Vec<(String, usize)>) = (None, vec![]);
        for statement in &self.statements {
            let (v, of, from, body) = match &statement.kind {
                StatementKind::For { variable, axis: of, from, body } if of.name.value == axis => {
                    (variable, of, from, body)
                }
                _ => {
                    statements.extend(self.outside(statement)?);
                    continue;
                }
            };
            variable = Some(v.value.clone());
            let start = from.as_ref().map(|e| (bare(e).kind.as_ref().clone(), e.span));
            let start = match start {
                None => 0.0,
                Some((ExprKind::Number { value, .. }, _)) => value,
                Some((_, span)) => {
                    return Err(refused(
                        span,
                        "the start of the loop is no number",
                        "write the number of the position",
                    ));
                }
            };
            let begun = position as f64 >= start;
            decisions.push(begun);
            if !begun {
                continue;
            }
            let mut rewriter = Rewriter::new(self, &v.value, position);
            let mut turned = vec![];
            for inner in body {
                turned.push(self.inside(inner, &v.value, &mut rewriter)?);
            }
            if let Some(d) = rewriter.refused {
                return Err(d);
            }
            lags.extend(rewriter.lags.into_iter().map(|l| (l.name.clone(), l)));
            decisions.extend(rewriter.decisions);
            counted |= rewriter.counted;
            mixed = mixed.or(rewriter.mixed);
            let kind = StatementKind::For { variable: v.clone(), axis: of.clone(), from: None, body: turned };
            statements.push(Statement { kind, span: statement.span });
        }
        let lags: Vec<Lag> = lags.into_values().collect();
        for lag in &lags {
            statements.push(self.lagged(lag, &axis, variable.as_deref().unwrap_or_default())?);
        }
        if counted {
            statements.push(data(POSITION, vec![], None, Span::default()));
        }
        if let Some(name) = mixed {
            let count = self.finite.get(&name).copied().unwrap_or(0);
            numbers.extend((0..count).map(|value| (value_name(&name, value), value)));
            let ty = self.latent_type(&name);
            statements.extend(numbers.iter().map(|(n, _)| data(n, vec![], ty.clone(), Span::default())));
        }
        Ok(Turn { statements, lags, decisions, numbers })
    }

    /// A statement outside of the loop, as far as a turn has it.
    fn outside(&self, statement: &Statement) -> Result<Option<Statement>, Diagnostic> {
        let target = declared(statement);
        if let (StatementKind::Let(d), Some(true)) = (&statement.kind, target.map(is_start)) {
            // The start of what is written ahead is evaluated by itself.
            let mut d = d.clone();
            let rest: Vec<Expr> = d.target.axes.iter().flatten().skip(1).cloned().collect();
            d.target.axes = (!rest.is_empty()).then_some(rest);
            d.target.name.value = start_name(&d.target.name.value);
            return Ok(Some(Statement { kind: StatementKind::Let(d), span: statement.span }));
        }
        if target.is_some_and(is_start) {
            let help = "give the first state as a `let`, or by a line: a stream's start is known";
            return Err(refused(statement.span, "the first position is random", help));
        }
        if matches!(statement.kind, StatementKind::Show { .. } | StatementKind::Meter { .. }) || self.is_end(statement)
        {
            return Ok(None);
        }
        let inner = match &statement.kind {
            StatementKind::For { body, .. } => body.iter().flat_map(expressions).collect(),
            _ => expressions(statement),
        };
        let reads = inner.into_iter().flat_map(super::expressions::names);
        let own = target.map(|t| t.name.value.clone());
        if let Some((span, name, _)) = reads.into_iter().find(|r| self.runs(&r.1) && Some(&r.1) != own.as_ref()) {
            let message = format!("all positions of `{name}` are read here, and a stream has one at a time");
            return Err(refused(span, message, "put what reads it inside the loop, position by position"));
        }
        Ok(Some(statement.clone()))
    }

    /// A statement of the loop, at the position.
    fn inside(&self, inner: &Statement, variable: &str, r: &mut Rewriter) -> Result<Statement, Diagnostic> {
        let target = |t: &Target| here(t, variable);
        let kind = match &inner.kind {
            StatementKind::Let(d) => StatementKind::Let(Declaration {
                target: target(&d.target),
                ty: d.ty.clone(),
                value: r.expression(&d.value),
            }),
            StatementKind::Latent { target: t, ty, prior, by } => {
                if t.axes.iter().flatten().any(|e| offset_of(e, variable).is_some_and(|o| o != 0)) {
                    let help = "write it at its own position, `s[t]` from `s[t-1]`";
                    return Err(refused(inner.span, "a latent that is written ahead has no turn of its own", help));
                }
                let prior = match self.mixed(&t.name.value, prior, r)? {
                    Some(mixed) => mixed,
                    None => r.expression(prior),
                };
                StatementKind::Latent { target: target(t), ty: ty.clone(), prior, by: by.clone() }
            }
            StatementKind::Guide { targets, star, body, by } => {
                let body = match body {
                    GuideBody::Distribution(e) => GuideBody::Distribution(r.expression(e)),
                    GuideBody::Call(e) => GuideBody::Call(r.expression(e)),
                    GuideBody::Word(w) => GuideBody::Word(w.clone()),
                };
                let targets = targets.iter().map(target).collect();
                StatementKind::Guide { targets, star: *star, body, by: by.clone() }
            }
            StatementKind::Observe { target: t, distribution } => {
                StatementKind::Observe { target: target(t), distribution: r.expression(distribution) }
            }
            StatementKind::Loss { name, axes, value } => {
                StatementKind::Loss { name: name.clone(), axes: axes.clone(), value: r.expression(value) }
            }
            StatementKind::Refine { target: t, from, steps, by, average } => StatementKind::Refine {
                target: target(t),
                from: r.expression(from),
                steps: steps.clone(),
                by: by.clone(),
                average: average.clone(),
            },
            other => other.clone(),
        };
        Ok(Statement { kind, span: inner.span })
    }

    /// The prior of a hidden finite state, mixed over the probabilities that its last value is known to have. None where it is
    /// none, or follows from nothing before.
    fn mixed(&self, name: &str, prior: &Expr, r: &mut Rewriter) -> Result<Option<Expr>, Diagnostic> {
        let (Some(&count), Some(Over::Hidden)) = (self.finite.get(name), self.over.get(name)) else { return Ok(None) };
        let ExprKind::Call { function, arguments } = bare(prior).kind.as_ref() else { return Ok(None) };
        let ([only], "Categorical") = (arguments.as_slice(), function.value.as_str()) else { return Ok(None) };
        let span = prior.span;
        let written = format!("{name}[{}-1]", r.variable());
        let mut sum: Option<Expr> = None;
        for value in 0..count {
            r.standing = Some((name.to_owned(), value));
            let given = r.expression(&only.value);
            if !r.stood {
                r.standing = None;
                return Ok(None);
            }
            let belief = Expr { kind: Box::new(ExprKind::Name(written.clone())), span };
            let here = Expr { kind: Box::new(ExprKind::Name(value_name(name, value))), span };
            let share = ExprKind::Index { value: belief, indices: vec![here] };
            let share = Expr { kind: Box::new(share), span };
            let given = Expr { kind: Box::new(ExprKind::Parenthesised(given)), span };
            let term = joined(BinaryOperator::Multiply, share, given);
            sum = Some(match sum {
                Some(sum) => joined(BinaryOperator::Add, sum, term),
                None => term,
            });
        }
        (r.standing, r.stood) = (None, false);
        let other = self.believed.first().cloned().or_else(|| r.mixed.clone()).filter(|o| o != name);
        if let Some(other) = other {
            let message =
                format!("`{name}` and `{other}` are both hidden, and what is known of one hangs on the other");
            let help = "make them one state of all their pairs, whose probabilities are carried together";
            return Err(refused(span, message, help));
        }
        r.mixed = Some(name.to_owned());
        r.lags.push(Lag { name: written, of: name.to_owned(), back: 1 });
        let Some(value) = sum else { return Ok(None) };
        let arguments = vec![fe_syntax::ast::Argument { name: None, value }];
        let kind = ExprKind::Call { function: function.clone(), arguments };
        Ok(Some(Expr { kind: Box::new(kind), span }))
    }

    /// The data that stand for an earlier value.
    fn lagged(&self, lag: &Lag, axis: &str, variable: &str) -> Result<Statement, Diagnostic> {
        let inner = self.statements.iter().flat_map(|s| match &s.kind {
            StatementKind::For { body, .. } => body.as_slice(),
            _ => std::slice::from_ref(s),
        });
        let of = |s: &&Statement| declared(s).is_some_and(|t| t.name.value == lag.of && !is_start(t));
        let missing = || refused(Span::default(), format!("`{}` is not declared", lag.of), "declare it in the loop");
        let found = inner.clone().find(of).ok_or_else(missing)?;
        let target = declared(found).ok_or_else(missing)?;
        let along = |e: &&Expr| !is_axis(e, axis) && offset_of(e, variable).is_none();
        let axes: Vec<Expr> = target.axes.iter().flatten().filter(along).cloned().collect();
        let span = target.name.span;
        Ok(match &found.kind {
            // Read as the file is: what is computed of it at once is computed here too.
            StatementKind::Data(d) => {
                let target = renamed(&lag.name, axes, span);
                let d = Declaration { target, ty: d.ty.clone(), value: d.value.clone() };
                Statement { kind: StatementKind::Data(d), span }
            }
            StatementKind::Param(d) | StatementKind::Let(d) => data(&lag.name, axes, d.ty.clone(), span),
            StatementKind::Latent { ty, .. } if self.over.get(&lag.of) == Some(&Over::Hidden) => {
                // The probabilities of its values, these first.
                let count = self.finite.get(&lag.of).copied().unwrap_or(0);
                let values = ty.as_ref().and_then(|t| t.arguments.first().cloned());
                let values = values.unwrap_or_else(|| number(count as f64, span));
                let axes = std::iter::once(values).chain(axes).collect();
                data(&lag.name, axes, None, span)
            }
            StatementKind::Latent { ty, .. } => data(&lag.name, axes, ty.clone(), span),
            _ => data(&lag.name, axes, None, span),
        })
    }

    /// The type that a latent of the loop is declared with.
    fn latent_type(&self, name: &str) -> Option<Type> {
        let inner = self.statements.iter().flat_map(|s| match &s.kind {
            StatementKind::For { body, .. } => body.as_slice(),
            _ => std::slice::from_ref(s),
        });
        inner
            .filter_map(|s| match &s.kind {
                StatementKind::Latent { target, ty, .. } if target.name.value == name => Some(ty.clone()),
                _ => None,
            })
            .next()
            .flatten()
    }

    /// The places of declarations, by name.
    pub fn place(&self, name: &str) -> Span {
        let inner = self.statements.iter().flat_map(|s| match &s.kind {
            StatementKind::For { body, .. } => body.as_slice(),
            _ => std::slice::from_ref(s),
        });
        let of = inner.filter_map(declared).find(|t| t.name.value == name);
        of.map_or(Span::default(), |t| t.name.span)
    }
}

/// What the first position of something that is written ahead is called in a turn.
pub(super) fn start_name(of: &str) -> String {
    format!("{of}[0]")
}

/// What a value of a hidden state is called.
pub(super) fn value_name(of: &str, value: usize) -> String {
    format!("{of} is {value}")
}

/// A target at the loop's own position.
fn here(target: &Target, variable: &str) -> Target {
    let mut target = target.clone();
    for e in target.axes.iter_mut().flatten() {
        if offset_of(e, variable).is_some() {
            *e = Expr { kind: Box::new(ExprKind::Name(variable.to_owned())), span: e.span };
        }
    }
    target
}

fn renamed(name: &str, axes: Vec<Expr>, span: Span) -> Target {
    let name: Name = Spanned { value: name.to_owned(), span };
    Target { name, axes: (!axes.is_empty()).then_some(axes), span }
}

/// `data name[axes] = npy("…")`, whose header the stream knows.
fn data(name: &str, axes: Vec<Expr>, ty: Option<Type>, span: Span) -> Statement {
    let text = Expr { kind: Box::new(ExprKind::Text("a stream".into())), span };
    let argument = fe_syntax::ast::Argument { name: None, value: text };
    let function = Spanned { value: "npy".to_owned(), span };
    let value = Expr { kind: Box::new(ExprKind::Call { function, arguments: vec![argument] }), span };
    let declaration = Declaration { target: renamed(name, axes, span), ty, value };
    Statement { kind: StatementKind::Data(declaration), span }
}

/// The expressions directly in a statement; those of a loop's body are not among them.
fn expressions(statement: &Statement) -> Vec<&Expr> {
    match &statement.kind {
        StatementKind::Let(d) | StatementKind::Param(d) | StatementKind::Data(d) => vec![&d.value],
        StatementKind::Latent { prior, .. } => vec![prior],
        StatementKind::Guide { body: GuideBody::Distribution(e) | GuideBody::Call(e), .. } => vec![e],
        StatementKind::Observe { distribution, .. } => vec![distribution],
        StatementKind::Loss { value, .. } => vec![value],
        StatementKind::Refine { from, .. } => vec![from],
        _ => vec![],
    }
}
