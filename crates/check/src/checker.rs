//! The state of a check, and the order in which a program is understood: names, axes, declarations by dependency, then
//! guides, likelihoods, the objective and training.

use std::collections::{BTreeSet, HashMap, HashSet};

use fe_graph::{Axis, AxisId, Graph, InputId, NodeId, Origin};
use fe_syntax::ast::{Ast, Statement, StatementKind};
use fe_syntax::{Diagnostic, Severity, Span};

use crate::axis_table::Axes;
use crate::distributions::Drawn;
use crate::kind::Kind;
use crate::layers::{Layer, Layers};
use crate::loops::Loop;
use crate::messages;
use crate::program::{Data, Latent, Loss, Named, Nuts, Observe, Param, Program, Row};
use crate::reads::{is_start, statement_reads, target_of};
use crate::refine::Declared;
use crate::refinement::Refinement;
use crate::scope::Scope;
use crate::source::{Header, Overrides, SourceCall};
use crate::value::Value;

/// Where parameters of layers are made: `z.guide`, and how many layers of each kind it has so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallSite {
    pub name: String,
    pub layers: HashMap<Layer, usize>,
}

/// What a check finds.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The program; `None` where there is an error, here or in parsing, or where a file has no header.
    pub program: Option<Program>,
    /// Errors, then warnings, each in order of place.
    pub diagnostics: Vec<Diagnostic>,
    /// Overrides that name nothing or are no number: the request is wrong, and not the program.
    pub wrong_overrides: Vec<Diagnostic>,
}

/// What a check has found of the program so far.
#[derive(Debug, Default)]
pub(crate) struct Found<'a> {
    pub sources: Vec<SourceCall>,
    pub data: Vec<Data>,
    pub params: Vec<Param>,
    pub latents: Vec<Latent>,
    /// States of descents that are declared, until their starts are known.
    pub states: Vec<Declared<'a>>,
    pub refinements: Vec<Refinement>,
    pub nuts: Option<Nuts>,
    pub observes: Vec<Observe>,
    pub losses: Vec<Loss>,
    pub lets: Vec<Named>,
    /// The input that is 1 in what is minimised and 0 elsewhere, where a layer asks for it.
    pub training: Option<(InputId, NodeId)>,
    /// The span behind each origin of a node.
    pub origins: Vec<Span>,
}

/// What was said of the program, and what is not to be said again.
#[derive(Debug, Default)]
pub(crate) struct Said<'a> {
    pub diagnostics: Vec<Diagnostic>,
    /// Of overrides that name nothing or are no number: the request is wrong, and not the program.
    pub wrong_overrides: Vec<Diagnostic>,
    /// Names already reported.
    pub unknown: HashSet<String>,
    /// Names declared in a circle.
    pub cyclic: BTreeSet<&'a str>,
    /// Whether nothing is observed and nothing lost.
    pub aimless: bool,
    /// Whether a part did not parse, or a file has no header: there is no program then.
    pub incomplete: bool,
}

/// Loops over an axis.
#[derive(Debug, Default)]
pub(crate) struct Loops<'a> {
    /// The loop around the statement at hand.
    pub current: Option<Loop>,
    /// Loops that were understood, by their place, or were not.
    pub known: Vec<(Span, Option<Loop>)>,
    /// Axes that have one position more than another, for recurrences written forward.
    pub longer: Vec<(AxisId, Axis)>,
    /// Guides of starts, `guide s[0] ~ …`, that wait for those that go on from them.
    pub starts: Vec<&'a Statement>,
    /// Latents of loops whose values were there before their priors.
    pub announced: HashMap<&'a str, (InputId, NodeId)>,
}

/// Calls of the program's own functions, which are inlined.
#[derive(Debug, Default)]
pub(crate) struct Inlining {
    /// Arguments of the functions being inlined, innermost last.
    pub locals: Vec<HashMap<String, Value>>,
    /// Calls around the expression at hand, innermost last.
    pub calls: Vec<Span>,
    /// How deep the expression at hand stands.
    pub depth: usize,
    /// Calls so far.
    pub inlined: usize,
}

/// One check of one program.
pub(crate) struct Checker<'a> {
    pub ast: &'a Ast,
    pub scope: Scope<'a>,
    /// `None` while only the files are asked for.
    pub headers: Option<&'a HashMap<String, Header>>,
    pub overrides: &'a Overrides,
    pub graph: Graph,
    pub axes: Axes,
    /// Names of the elements of axes.
    pub labels: HashMap<AxisId, Vec<String>>,
    pub row: Option<Row>,
    /// Why there is no row axis: the first axes of two observed arrays that differ.
    pub row_conflict: Option<(Span, Span)>,
    pub values: HashMap<&'a str, Value>,
    pub site: CallSite,
    /// The reader call of the `data` declaration at hand, and the array it stands for.
    pub source_value: Option<(Span, Value)>,
    /// What a `train` block says of a batch, needed where a mean runs over rows.
    pub batch: Option<Span>,
    /// The data whose likelihood, written out, is at hand.
    pub observed: Option<String>,
    /// Likelihoods that were understood, by what they are of.
    pub likelihoods: HashMap<&'a str, Drawn>,
    /// Data with latents in the place of their gaps.
    pub imputed: HashMap<String, Value>,
    /// Whether the declaration at hand has axes that were not understood.
    pub axes_unknown: bool,
    pub loops: Loops<'a>,
    pub inlining: Inlining,
    pub layers: Layers,
    pub found: Found<'a>,
    pub said: Said<'a>,
}

impl<'a> Checker<'a> {
    pub fn new(ast: &'a Ast, headers: Option<&'a HashMap<String, Header>>, overrides: &'a Overrides) -> Self {
        let whole = ast.statements.iter().map(|s| s.span).reduce(Span::to).unwrap_or_default();
        Self {
            ast,
            scope: Scope::of(ast),
            headers,
            overrides,
            graph: Graph::new(),
            axes: Axes::default(),
            labels: HashMap::new(),
            row: None,
            row_conflict: None,
            values: HashMap::new(),
            site: CallSite::default(),
            source_value: None,
            batch: None,
            observed: None,
            likelihoods: HashMap::new(),
            imputed: HashMap::new(),
            axes_unknown: false,
            loops: Loops::default(),
            inlining: Inlining::default(),
            layers: Layers::default(),
            found: Found { origins: vec![whole], ..Found::default() },
            said: Said::default(),
        }
    }

    /// Reports a diagnostic; one inside a function of the program, once, with the call that met it.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        let Some(&call) = self.inlining.calls.first() else { return self.said.diagnostics.push(diagnostic) };
        let same = |d: &Diagnostic| d.code == diagnostic.code && d.span() == diagnostic.span();
        if !self.said.diagnostics.iter().any(same) {
            self.said.diagnostics.push(diagnostic.and(call, "in this call"));
        }
    }

    /// Reports an error; what it stands in is silent from here on.
    pub fn fail(&mut self, diagnostic: Diagnostic, span: Span) -> Value {
        self.report(diagnostic);
        Value::poison(span)
    }

    /// Whether an error has been reported.
    pub fn failed(&self) -> bool {
        self.said.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }

    /// Nodes made until [`Checker::leave`] come from this place.
    pub fn enter(&mut self, span: Span) -> Origin {
        let id = u32::try_from(self.found.origins.len()).unwrap_or(0);
        self.found.origins.push(span);
        self.graph.set_origin(Origin(id))
    }

    /// Back to the origin before.
    pub fn leave(&mut self, before: Origin) {
        self.graph.set_origin(before);
    }

    /// Runs with layers' parameters named after a site.
    pub fn at_site<T>(&mut self, name: String, f: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.site, CallSite { name, layers: HashMap::new() });
        let result = f(self);
        self.site = before;
        result
    }

    /// Everything that is declared, in an order in which each follows what it reads.
    pub fn declarations(&mut self) {
        let mut ambiguous = BTreeSet::new();
        for d in std::mem::take(&mut self.scope.duplicates) {
            ambiguous.insert(d.name.clone());
            self.report(messages::duplicate(&d.name, d.second, d.first, d.first_kind));
        }
        for (name, start, on) in std::mem::take(&mut self.scope.not_forward) {
            ambiguous.insert(name.clone());
            self.said.unknown.insert(name.clone());
            self.report(messages::start_of_backward(&name, start, on));
        }
        self.overrides_known();
        let (sorted, cycles) = self.scope.sorted();
        for cycle in &cycles {
            let spans: Vec<(&str, Span)> =
                cycle.iter().filter_map(|n| self.scope.get(n).map(|e| (*n, e.span))).collect();
            self.report(messages::cycle(&spans));
            for &name in cycle {
                self.said.cyclic.insert(name);
                self.values.insert(name, Value::poison(Span::default()));
            }
        }
        let groups = self.scope.recurrences();
        for name in sorted {
            let group = groups.iter().find(|g| g.contains(&name));
            self.announce(group.map_or(&[name], Vec::as_slice));
            match (group, self.scope.get(name).and_then(|e| e.around)) {
                (Some(_), _) if self.values.contains_key(name) => {}
                (Some(group), Some(around)) => self.recurrence(group, around),
                (_, around) => {
                    if self.within(around, |c| c.declaration(name)).is_none() {
                        self.values.insert(name, Value::poison(Span::default()));
                    }
                }
            }
            // Which of the two is meant cannot be known; as an axis it still serves.
            if ambiguous.contains(name)
                && let Some(value) = self.values.get_mut(name)
            {
                value.poison = true;
            }
        }
    }

    fn declaration(&mut self, name: &'a str) {
        let Some(entry) = self.scope.get(name) else { return };
        let before = self.enter(entry.statement.span);
        if entry.around.is_none() && target_of(entry.statement).is_some_and(is_start) {
            if !self.said.unknown.contains(name) {
                self.report(messages::start_alone(name, entry.span));
            }
            self.leave(before);
            self.values.insert(name, Value::poison(entry.span));
            return;
        }
        let value = match (&entry.statement.kind, entry.kind) {
            (StatementKind::Dim { size, .. }, _) => self.dim(name, size, entry.span),
            (StatementKind::Data(_), Kind::DataAxis) => self.data_axis(name, entry.span),
            (StatementKind::Const { value, .. }, _) => self.constant(name, value, entry.span),
            (StatementKind::Data(d), _) => self.datum(d),
            (StatementKind::Param(d), _) => self.param(d),
            (StatementKind::Let(d), Kind::Let) => self.definition(d),
            (StatementKind::Latent { target, ty, prior, by }, Kind::Latent) => match self.ahead(target) {
                Some(Some(chain)) => self.latent_ahead(chain, entry.statement),
                Some(None) => self.latent(target, ty.as_ref(), prior, by.as_ref()),
                None => Value::poison(entry.span),
            },
            (StatementKind::Refine { target, .. }, Kind::State) => self.state(target, entry.statement),
            (StatementKind::Loss { name, axes, value }, Kind::Loss) => {
                self.loss(name, axes, value, entry.statement.span)
            }
            (StatementKind::Fn { .. }, _) => return self.leave(before),
            _ => Value::poison(entry.span),
        };
        self.leave(before);
        self.values.insert(name, value);
    }

    /// `--set` names a const or a dim.
    fn overrides_known(&mut self) {
        for (name, _) in &self.overrides.set {
            match self.scope.get(name).map(|e| e.kind) {
                Some(Kind::Const | Kind::Dim | Kind::Unknown) => {}
                Some(kind) => self.said.wrong_overrides.push(messages::set_other(name, kind)),
                None => {
                    let near = crate::scope::nearest(name, self.scope.names(|k| matches!(k, Kind::Const | Kind::Dim)));
                    self.said.wrong_overrides.push(messages::set_unknown(name, near));
                }
            }
        }
    }

    /// One statement of its kind, the others being errors.
    fn only(&mut self, word: &'static str, is: impl Fn(&StatementKind) -> bool) -> Option<&'a Statement> {
        let mut all = self.ast.statements.iter().filter(|s| is(&s.kind));
        let first = all.next()?;
        for again in all {
            self.report(messages::stated_twice(word, keyword(again, word), keyword(first, word)));
        }
        Some(first)
    }

    /// The whole check.
    pub fn program(mut self, default_name: &str) -> Checked {
        let model = self.only("model", |k| matches!(k, StatementKind::Model { .. }));
        let train = self.only("train", |k| matches!(k, StatementKind::Train { .. }));
        let minimize = self.only("minimize", |k| matches!(k, StatementKind::Minimize { .. }));
        self.batch = train.and_then(batch_span);
        self.said.incomplete |= self.ast.statements.iter().any(|s| matches!(s.kind, StatementKind::Broken { .. }));
        self.make_axes();
        self.declarations();
        self.columns_taken_along();
        self.found.latents.sort_by_key(|l| l.span);
        self.guides();
        self.estimators_fit();
        self.observes();
        self.refinements();
        self.losses_need_guides();
        self.something_observed();
        let meters = self.meters();
        let shows = self.shows();
        let prices = self.prices();
        let objective = self.objective(minimize);
        let train = self.train(train);
        self.warn();
        self.said.diagnostics.sort_by_key(|d| (d.severity, d.span()));
        self.said.diagnostics.dedup();
        self.said.wrong_overrides.dedup();
        let refused = self.failed() || self.said.incomplete || !self.said.wrong_overrides.is_empty();
        let Said { diagnostics, wrong_overrides, .. } = self.said;
        if refused {
            return Checked { program: None, diagnostics, wrong_overrides };
        }
        let (name, title) = match model.map(|s| &s.kind) {
            Some(StatementKind::Model { name, title }) => (name.value.clone(), title.as_ref().map(|t| t.value.clone())),
            _ => (default_name.to_owned(), None),
        };
        let training = self.found.training;
        let Found { mut data, params, latents, refinements, nuts, observes, mut losses, mut lets, origins, .. } =
            self.found;
        data.sort_by_key(|d| d.span);
        lets.sort_by_key(|l| l.span);
        losses.sort_by_key(|l| l.span);
        let graph = &self.graph;
        let labels = self.labels.into_iter().filter(|(axis, l)| l.len() == graph.extent_of(*axis)).collect();
        let program = Program {
            name,
            title,
            graph: self.graph,
            row: self.row,
            data,
            params,
            latents,
            refinements,
            nuts,
            observes,
            losses,
            lets,
            meters,
            shows,
            prices,
            objective,
            train,
            training,
            labels,
            origins,
        };
        Checked { program: Some(program), diagnostics, wrong_overrides }
    }

    fn something_observed(&mut self) {
        let lost = |s: &Statement| matches!(s.kind, StatementKind::Observe { .. } | StatementKind::Loss { .. });
        let deep = |s: &Statement| match &s.kind {
            StatementKind::For { body, .. } => body.iter().any(lost),
            _ => lost(s),
        };
        if !self.scope.broken && !self.ast.statements.iter().any(deep) {
            let last = self.ast.statements.last();
            self.report(last.map_or_else(messages::empty_program, |end| messages::nothing_observed(end.span)));
            self.said.aimless = true;
        }
    }

    /// Every name that some statement other than its own declaration reads.
    pub fn names_read(&self) -> BTreeSet<&'a str> {
        let ast = self.ast;
        let mut read = BTreeSet::new();
        for statement in &ast.statements {
            for (name, _) in statement_reads(statement) {
                if !self.scope.declares(name, statement) {
                    read.insert(name);
                }
            }
        }
        read
    }
}

/// The place of the word that opens a statement.
pub(crate) fn keyword(statement: &Statement, word: &str) -> Span {
    Span::new(statement.span.start, statement.span.start.saturating_add(word.len()))
}

/// The entry of a minibatch.
fn batch_span(statement: &Statement) -> Option<Span> {
    let StatementKind::Train { entries } = &statement.kind else { return None };
    entries.iter().find(|e| e.key.value == "batch").map(|e| e.key.span.to(e.value.span))
}
