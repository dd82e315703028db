//! Names: who declares what, who reads whom, and in which order declarations can be understood.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fe_syntax::Span;
use fe_syntax::ast::{Ast, ExprKind, Name, Statement, StatementKind};

use crate::kind::Kind;
use crate::reads::{
    declaration_reads, expression_reads, is_forward, is_start, loop_variable, present_reads, target_of, target_reads,
};

/// One declaration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub kind: Kind,
    /// The name where it is declared.
    pub span: Span,
    /// The statement that declares it.
    pub statement: &'a Statement,
    /// The loop around that.
    pub around: Option<&'a Statement>,
    /// The statement that says how a recurrence written forward starts: `let s[0] = …`.
    pub start: Option<&'a Statement>,
}

impl<'a> Entry<'a> {
    /// The name it declares, as its statement writes it.
    pub fn statement_name(&self) -> &'a str {
        target_of(self.statement).map_or("", |t| &t.name.value)
    }
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
    /// Starts, `s[0]`, and the statement of the same name in a loop, where that does not go on from one.
    pub not_forward: Vec<(String, Span, Span)>,
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
            StatementKind::Refine { target, .. } => self.declare(&target.name, Kind::State, statement),
            StatementKind::For { body, .. } => {
                for inner in body {
                    match &inner.kind {
                        StatementKind::Let(d) => self.declare_in(&d.target.name, Kind::Let, inner, Some(statement)),
                        StatementKind::Latent { target, .. } => {
                            self.declare_in(&target.name, Kind::Latent, inner, Some(statement));
                        }
                        StatementKind::Refine { target, .. } => {
                            self.declare_in(&target.name, Kind::State, inner, Some(statement));
                        }
                        StatementKind::Loss { name, .. } => self.declare_in(name, Kind::Loss, inner, Some(statement)),
                        StatementKind::Broken { .. } => self.broken = true,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn declare(&mut self, name: &'a Name, kind: Kind, statement: &'a Statement) {
        self.declare_in(name, kind, statement, None);
    }

    fn declare_in(&mut self, name: &'a Name, kind: Kind, statement: &'a Statement, around: Option<&'a Statement>) {
        if let Some(first) = self.entries.get_mut(name.value.as_str()) {
            // A start, and what goes on from it, are one declaration.
            let whole =
                |s: &Statement, around: Option<&Statement>| around.is_none() && target_of(s).is_some_and(is_start);
            let now = Entry { kind, span: name.span, statement, around, start: None };
            let pair = match (whole(first.statement, first.around), whole(statement, around)) {
                (true, false) => Some((*first, now)),
                (false, true) => Some((now, *first)),
                _ => None,
            };
            if let Some((start, on)) = pair.filter(|p| p.0.kind == p.1.kind && p.1.start.is_none())
                && let Some(variable) = on.around.and_then(loop_variable)
            {
                if target_of(on.statement).is_some_and(|t| is_forward(t, variable)) {
                    *first = Entry { start: Some(start.statement), ..on };
                } else {
                    self.not_forward.push((name.value.clone(), start.span, on.span));
                }
                return;
            }
            let duplicate =
                Duplicate { name: name.value.clone(), first: first.span, first_kind: first.kind, second: name.span };
            self.duplicates.push(duplicate);
        } else {
            self.insert(&name.value, kind, name.span, statement);
            if let Some(entry) = self.entries.get_mut(name.value.as_str()) {
                entry.around = around;
            }
        }
    }

    fn insert(&mut self, name: &'a str, kind: Kind, span: Span, statement: &'a Statement) {
        self.entries.insert(name, Entry { kind, span, statement, around: None, start: None });
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
        self.get(name).is_some_and(|e| {
            std::ptr::eq(e.statement, statement) || e.start.is_some_and(|s| std::ptr::eq(s, statement))
        })
    }

    /// Names in an order in which each follows those it reads, and the cycles, each a list of names that read one
    /// another; their members are in neither order.
    pub fn sorted(&self) -> (Vec<&'a str>, Vec<Vec<&'a str>>) {
        let mut waits: HashMap<&str, BTreeSet<&'a str>> = HashMap::new();
        for (&name, entry) in &self.entries {
            // What is not understood anyway waits for nothing.
            let understood = entry.kind != Kind::Unknown;
            let mut reads = if understood { declaration_reads(entry.statement, entry.kind) } else { vec![] };
            reads.extend(entry.start.into_iter().flat_map(|s| declaration_reads(s, entry.kind)));
            let own = |n: &&str| entry.around.is_some() && entry.kind == Kind::Latent && *n == name;
            let variable = entry.around.and_then(loop_variable);
            let reads = reads.iter().filter(|r| Some(r.0) != variable);
            // A latent's value is there before its prior is known, which may read its past.
            let known = reads.filter_map(|r| self.entries.get_key_value(r.0).map(|(&n, _)| n)).filter(|n| !own(n));
            let mut known: BTreeSet<&'a str> = known.collect();
            self.without_earlier(*entry, &mut known);
            if let Some(StatementKind::For { axis, from, .. }) = entry.around.map(|s| &s.kind) {
                let mut reads = vec![(axis.name.value.as_str(), axis.name.span)];
                from.iter().for_each(|e| expression_reads(e, &mut reads));
                known.extend(reads.iter().filter_map(|r| self.entries.get_key_value(r.0).map(|(&n, _)| n)));
            }
            waits.insert(name, known);
        }
        // What reads one another's past waits together for what is outside.
        for group in self.recurrences() {
            let all: BTreeSet<&'a str> =
                group.iter().filter_map(|n| waits.get(n)).flatten().copied().filter(|n| !group.contains(n)).collect();
            for name in &group {
                waits.insert(name, all.clone());
            }
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

    /// Takes out the latents of the same loop that a declaration reads at earlier positions alone, and puts in what their own
    /// axes and types need.
    fn without_earlier(&self, entry: Entry<'a>, known: &mut BTreeSet<&'a str>) {
        let Some(around) = entry.around else { return };
        let Some(variable) = loop_variable(around) else { return };
        let body = match &entry.statement.kind {
            StatementKind::Let(d) => &d.value,
            StatementKind::Latent { prior, .. } => prior,
            _ => return,
        };
        let ahead =
            |name: &str| self.get(name).and_then(|e| target_of(e.statement)).is_some_and(|t| is_forward(t, variable));
        let mut present = vec![];
        present_reads(body, variable, &|name, offset| offset < i64::from(ahead(name)), &mut present);
        let earlier: Vec<&'a str> = known
            .iter()
            .copied()
            .filter(|&n| !present.contains(&n))
            .filter(|n| {
                self.get(n).is_some_and(|e| e.kind == Kind::Latent && e.around.is_some_and(|s| std::ptr::eq(s, around)))
            })
            .collect();
        for name in earlier {
            known.remove(name);
            if let Some(StatementKind::Latent { target, ty, .. }) = self.get(name).map(|e| &e.statement.kind) {
                let mut reads = vec![];
                target_reads(target, &mut reads);
                ty.iter().flat_map(|t| &t.arguments).for_each(|a| expression_reads(a, &mut reads));
                let reads = reads.iter().filter(|r| r.0 != variable);
                known.extend(reads.filter_map(|r| self.entries.get_key_value(r.0).map(|(&n, _)| n)));
            }
        }
    }

    /// `let`s of one loop that read one another, each list all that do.
    pub fn recurrences(&self) -> Vec<Vec<&'a str>> {
        let lets: Vec<(&'a str, Entry<'a>)> = self
            .order
            .iter()
            .filter_map(|&n| self.get(n).map(|e| (n, e)))
            .filter(|(_, e)| e.around.is_some() && e.kind == Kind::Let)
            .collect();
        let reads: HashMap<&str, Vec<&'a str>> = lets
            .iter()
            .map(|&(name, e)| {
                let all = declaration_reads(e.statement, e.kind);
                let same =
                    |n: &&str| lets.iter().any(|(m, f)| m == n && f.around.map(|s| s.span) == e.around.map(|s| s.span));
                let near: Vec<&'a str> =
                    all.iter().filter_map(|r| self.entries.get_key_value(r.0).map(|(&n, _)| n)).filter(same).collect();
                (name, near)
            })
            .collect();
        let reached = |from: &'a str| -> BTreeSet<&'a str> {
            let (mut seen, mut stack) = (BTreeSet::new(), vec![from]);
            while let Some(n) = stack.pop() {
                for &next in reads.get(n).into_iter().flatten() {
                    if seen.insert(next) {
                        stack.push(next);
                    }
                }
            }
            seen
        };
        let reach: HashMap<&str, BTreeSet<&'a str>> = lets.iter().map(|&(n, _)| (n, reached(n))).collect();
        let mutual = |a: &str, b: &str| {
            reach.get(a).is_some_and(|r| r.contains(b)) && reach.get(b).is_some_and(|r| r.contains(a))
        };
        let mut groups: Vec<Vec<&'a str>> = vec![];
        let forward = |e: &Entry| {
            let variable = e.around.and_then(loop_variable);
            variable.is_some_and(|v| target_of(e.statement).is_some_and(|t| is_forward(t, v)))
        };
        for &(name, _) in lets.iter().filter(|(n, e)| mutual(n, n) || forward(e)) {
            match groups.iter_mut().find(|g| g.first().is_some_and(|f| mutual(f, name))) {
                Some(group) => group.push(name),
                None => groups.push(vec![name]),
            }
        }
        groups
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

/// Names of about the right length that are compared with a misspelt one, at most: programs of thousands of names, all of them
/// wrong, are understood in a time that grows with their length alone.
const COMPARED: usize = 300;

/// Letters that a name may differ in and still be near.
const FARTHEST: usize = 3;

/// The name nearest to a misspelt one, if any is near.
pub(crate) fn nearest<'n>(word: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let lower = word.to_lowercase();
    let length = word.chars().count();
    let best = known
        .into_iter()
        .filter(|k| *k != word && k.len().abs_diff(word.len()) <= FARTHEST)
        .take(COMPARED)
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
        _ => FARTHEST,
    };
    (best.0 <= allowed && best.0 < length).then_some(best.1)
}
