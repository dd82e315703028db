//! Names: who declares what, who reads whom, and in which order declarations can be understood.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fe_syntax::Span;
use fe_syntax::ast::{Argument, Ast, Expr, ExprKind, GuideBody, Name, Statement, StatementKind, Target};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Dim,
    /// An axis that first appears in `data`.
    DataAxis,
    Const,
    Data,
    Param,
    Let,
    Latent,
    Loss,
    Fn,
    /// Declared inside something that is not lowered yet, or by a statement that did not parse.
    Unknown,
}

impl Kind {
    /// With its article, for messages.
    pub fn describe(self) -> &'static str {
        match self {
            Kind::Dim | Kind::DataAxis => "an axis",
            Kind::Const => "a const",
            Kind::Data => "data",
            Kind::Param => "a param",
            Kind::Let => "a let",
            Kind::Latent => "a latent",
            Kind::Loss => "a loss",
            Kind::Fn => "a function",
            Kind::Unknown => "a name",
        }
    }
}

/// One declaration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub kind: Kind,
    /// The name where it is declared.
    pub span: Span,
    /// The statement that declares it.
    pub statement: &'a Statement,
}

/// A second declaration of a name.
#[derive(Debug)]
pub(crate) struct Duplicate {
    pub name: String,
    pub first: Span,
    pub first_kind: Kind,
    pub second: Span,
}

/// All names of a program.
#[derive(Debug, Default)]
pub(crate) struct Scope<'a> {
    entries: BTreeMap<&'a str, Entry<'a>>,
    /// Names in order of declaration.
    pub order: Vec<&'a str>,
    pub duplicates: Vec<Duplicate>,
    /// Whether a statement did not parse: what seems unused may be used there.
    pub broken: bool,
}

impl<'a> Scope<'a> {
    /// The names that a program declares.
    pub fn of(ast: &'a Ast) -> Self {
        let mut scope = Scope::default();
        for statement in &ast.statements {
            scope.declare_all(statement);
        }
        // Axes that only data name come after everything that names an axis outright.
        for statement in &ast.statements {
            if let StatementKind::Data(declaration) = &statement.kind {
                let index = declaration.ty.iter().filter(|t| t.name.value == "index").flat_map(|t| &t.arguments);
                for axis in declaration.target.axes.iter().flatten().chain(index) {
                    if let ExprKind::Name(name) = axis.kind.as_ref()
                        && !scope.entries.contains_key(name.as_str())
                    {
                        scope.insert(name, Kind::DataAxis, axis.span, statement);
                    }
                }
            }
        }
        for statement in &ast.statements {
            if let StatementKind::Broken { name, .. } = &statement.kind {
                scope.broken = true;
                if let Some(name) = name
                    && !scope.entries.contains_key(name.value.as_str())
                {
                    scope.insert(&name.value, Kind::Unknown, name.span, statement);
                }
            }
        }
        scope
    }

    fn declare_all(&mut self, statement: &'a Statement) {
        match &statement.kind {
            StatementKind::Dim { name, .. } => self.declare(name, Kind::Dim, statement),
            StatementKind::Const { name, .. } => self.declare(name, Kind::Const, statement),
            StatementKind::Data(d) => self.declare(&d.target.name, Kind::Data, statement),
            StatementKind::Param(d) => self.declare(&d.target.name, Kind::Param, statement),
            StatementKind::Let(d) => self.declare(&d.target.name, Kind::Let, statement),
            StatementKind::Latent { target, .. } => self.declare(&target.name, Kind::Latent, statement),
            StatementKind::Loss { name, .. } => self.declare(name, Kind::Loss, statement),
            StatementKind::Fn { name, .. } => self.declare(name, Kind::Fn, statement),
            StatementKind::Refine { target, .. } => self.declare(&target.name, Kind::Unknown, statement),
            StatementKind::For { body, .. } => {
                for inner in body {
                    match &inner.kind {
                        // `s[0]` before a loop and `s[t+1]` in it are one name.
                        StatementKind::Let(d) if self.entries.contains_key(d.target.name.value.as_str()) => {}
                        StatementKind::Let(d) => self.declare(&d.target.name, Kind::Unknown, inner),
                        StatementKind::Latent { target, .. } => self.declare(&target.name, Kind::Unknown, inner),
                        StatementKind::Loss { name, .. } => self.declare(name, Kind::Unknown, inner),
                        StatementKind::Broken { .. } => self.broken = true,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn declare(&mut self, name: &'a Name, kind: Kind, statement: &'a Statement) {
        if let Some(first) = self.entries.get(name.value.as_str()) {
            let duplicate =
                Duplicate { name: name.value.clone(), first: first.span, first_kind: first.kind, second: name.span };
            self.duplicates.push(duplicate);
        } else {
            self.insert(&name.value, kind, name.span, statement);
        }
    }

    fn insert(&mut self, name: &'a str, kind: Kind, span: Span, statement: &'a Statement) {
        self.entries.insert(name, Entry { kind, span, statement });
        self.order.push(name);
    }

    /// A declaration.
    pub fn get(&self, name: &str) -> Option<Entry<'a>> {
        self.entries.get(name).copied()
    }

    /// All declared names that satisfy a condition, for did-you-mean.
    pub fn names(&self, of: impl Fn(Kind) -> bool) -> impl Iterator<Item = &'a str> {
        self.entries.iter().filter(move |(_, e)| of(e.kind)).map(|(n, _)| *n)
    }

    /// Whether this statement is the one that gave a name its meaning.
    pub fn declares(&self, name: &str, statement: &Statement) -> bool {
        self.get(name).is_some_and(|e| std::ptr::eq(e.statement, statement))
    }

    /// Names in an order in which each follows those it reads, and the cycles, each a list of names that read one
    /// another; their members are in neither order.
    pub fn sorted(&self) -> (Vec<&'a str>, Vec<Vec<&'a str>>) {
        let mut waits: HashMap<&str, BTreeSet<&'a str>> = HashMap::new();
        for (&name, entry) in &self.entries {
            // What is not understood anyway waits for nothing.
            let understood = entry.kind != Kind::Unknown;
            let reads = if understood { declaration_reads(entry.statement, entry.kind) } else { vec![] };
            let known = reads.iter().filter_map(|r| self.entries.get_key_value(r.0).map(|(&n, _)| n));
            waits.insert(name, known.collect());
        }
        let mut done = BTreeSet::new();
        let mut sorted = vec![];
        let mut left: Vec<&'a str> = self.order.clone();
        loop {
            let before = left.len();
            left.retain(|name| {
                let ready = waits.get(name).is_none_or(|w| w.iter().all(|n| done.contains(n)));
                if ready {
                    done.insert(*name);
                    sorted.push(*name);
                }
                !ready
            });
            if left.is_empty() || left.len() == before {
                break;
            }
        }
        let cycles = self.cycles(&left, &waits);
        // What merely waits for a cycle is understood last, with the cycle's members unknown.
        let inside: BTreeSet<&str> = cycles.iter().flatten().copied().collect();
        sorted.extend(left.into_iter().filter(|n| !inside.contains(n)));
        (sorted, cycles)
    }

    /// Walks from each name along reads that are not done until a name repeats.
    fn cycles(&self, left: &[&'a str], waits: &HashMap<&str, BTreeSet<&'a str>>) -> Vec<Vec<&'a str>> {
        let open: BTreeSet<&str> = left.iter().copied().collect();
        let mut found: Vec<Vec<&'a str>> = vec![];
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for &start in left {
            let mut path: Vec<&'a str> = vec![];
            let mut at = start;
            loop {
                if let Some(k) = path.iter().position(|&n| n == at) {
                    found.push(path.split_off(k));
                    break;
                }
                if !seen.insert(at) {
                    break;
                }
                path.push(at);
                match waits.get(at).and_then(|w| w.iter().find(|n| open.contains(**n))) {
                    Some(next) => at = next,
                    None => break,
                }
            }
        }
        found
    }
}

/// A name read, and where.
pub(crate) type Read<'a> = (&'a str, Span);

/// What a declaration must know before it can be understood.
fn declaration_reads(statement: &Statement, kind: Kind) -> Vec<Read<'_>> {
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
            if let GuideBody::Distribution(e) = body {
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
        StatementKind::Refine { target, from, steps, by, average } => {
            target_reads(target, &mut reads);
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

fn target_reads<'a>(target: &'a Target, reads: &mut Vec<Read<'a>>) {
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
pub(crate) fn parts(e: &Expr) -> Vec<&Expr> {
    match e.kind.as_ref() {
        ExprKind::If { condition, then, otherwise } => vec![condition, then, otherwise],
        ExprKind::Pipe { value, into } => vec![value, into],
        ExprKind::Binary { left, right, .. } => vec![left, right],
        ExprKind::Unary { operand, .. } => vec![operand],
        ExprKind::Index { value, indices } => std::iter::once(value).chain(indices).collect(),
        ExprKind::Call { arguments, .. } => arguments.iter().map(|Argument { value, .. }| value).collect(),
        ExprKind::List(items) | ExprKind::Shape { sizes: items, .. } => items.iter().collect(),
        ExprKind::Parenthesised(inner) => vec![inner],
        ExprKind::Name(_) | ExprKind::Primed { .. } | ExprKind::Number { .. } | ExprKind::Text(_) | ExprKind::Error => {
            vec![]
        }
    }
}

/// The expression without the parentheses around it.
pub(crate) fn bare(mut e: &Expr) -> &Expr {
    while let ExprKind::Parenthesised(inner) = e.kind.as_ref() {
        e = inner;
    }
    e
}

/// The name nearest to a misspelt one, if any is near.
pub(crate) fn nearest<'n>(word: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let lower = word.to_lowercase();
    let length = word.chars().count();
    let best = known
        .into_iter()
        .filter(|k| *k != word)
        .map(|k| {
            let far =
                if k.to_lowercase() == lower { 0 } else { strsim::damerau_levenshtein(&lower, &k.to_lowercase()) };
            (far, k)
        })
        .min_by_key(|(far, _)| *far)?;
    // A single letter is near to every other: only its case may be wrong.
    let allowed = match length.min(best.1.chars().count()) {
        0..=1 => 0,
        2..=3 => 1,
        4..=7 => 2,
        _ => 3,
    };
    (best.0 <= allowed && best.0 < length).then_some(best.1)
}
