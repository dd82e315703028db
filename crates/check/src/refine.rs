//! `refine`: its name, its start, its method, and the one guide that reads it.

use std::collections::HashSet;

use fe_distribution::Support;
use fe_graph::{Axis, InputId, NodeId, Op, Reach};
use fe_syntax::Span;
use fe_syntax::ast::{Argument, Expr, ExprKind, Name, Statement, StatementKind, Target};

use crate::checker::Checker;
use crate::guide::Guide;
use crate::messages;
use crate::program::{Init, Latent, Param};
use crate::range::Range;
use crate::reads::bare;
use crate::refinement::{DescentRule, Refinement, StepSize, Through};
use crate::scope::nearest;
use crate::value::{Level, Value};

/// Where a step that is learned starts.
const LEARNED_FROM: f64 = 0.1;

/// The most that an element moves in a step where nothing is said.
const LIMIT: f64 = 1.0;

const OPTIONS: [&str; 6] = ["step", "limit", "guard", "samples", "average", "through"];

/// A state that is declared, before its start is known.
#[derive(Clone, Debug)]
pub(crate) struct Declared<'a> {
    pub name: &'a Name,
    pub input: InputId,
    pub node: NodeId,
    pub axes: Vec<(Axis, Span)>,
    pub statement: &'a Statement,
    pub around: Option<&'a Statement>,
}

/// What stands behind `by`.
struct Options {
    step: StepSize,
    limit: Option<f64>,
    guard: bool,
    samples: Option<usize>,
    average: bool,
    through: Option<Through>,
}

impl<'a> Checker<'a> {
    /// The value of a state: it is there before anything that it starts from.
    pub fn state(&mut self, target: &'a Target, statement: &'a Statement) -> Value {
        let name = &target.name;
        let Some(axes) = self.target_axes(target) else { return Value::poison(name.span) };
        let order: Vec<Axis> = axes.iter().map(|a| a.0).collect();
        let (input, node) = self.graph.input(&name.value, &order);
        let around = self.scope.get(&name.value).and_then(|e| e.around);
        self.found.states.push(Declared { name, input, node, axes: axes.clone(), statement, around });
        Value { axes, ..Value::scalar(node, Range::REAL, Level::Free, name.span) }
    }

    /// Every `refine`, once all that it may start from, and the guide that reads it, are known.
    pub fn refinements(&mut self) {
        for state in std::mem::take(&mut self.found.states) {
            let before = self.enter(state.statement.span);
            let found = self.within(state.around, |c| c.refinement(&state)).flatten();
            self.leave(before);
            match found {
                Some(refinement) => self.found.refinements.push(refinement),
                None => self.said.incomplete = true,
            }
        }
        self.found.refinements.sort_by_key(|r| r.span);
        self.descents_agree();
    }

    fn refinement(&mut self, state: &Declared<'a>) -> Option<Refinement> {
        let StatementKind::Refine { from, steps, by, average, .. } = &state.statement.kind else { return None };
        let name = &state.name.value;
        let order: Vec<Axis> = state.axes.iter().map(|a| a.0).collect();
        let start = self.at_site(format!("{name}.from"), |c| c.expression(from, Some(&order)));
        let start = self.fit_axes(start, &state.axes, name, state.name.span);
        let steps = self.whole_number(steps, "`over`", 1);
        let method = by.as_ref().map_or(Some((DescentRule::NaturalGradient, &[][..])), |by| self.rule(by));
        let (rule, arguments) = method?;
        let options = self.descent_options(name, arguments, average.as_ref());
        if start.poison {
            return None;
        }
        if start.level == Level::Random {
            self.report(messages::random_start(name, start.span));
            return None;
        }
        let (steps, options) = (steps?, options?);
        let latent = self.reader_of(state)?;
        self.rule_fits(rule, latent, state)?;
        let whole = start.node;
        let own = self.own_parameters(whole);
        let through = self.through(&options, own.as_deref(), state)?;
        if options.guard && options.samples.is_some() {
            self.report(messages::guard_with_samples(name, state.statement.span));
            return None;
        }
        Some(Refinement {
            name: name.clone(),
            input: state.input,
            node: state.node,
            chain: self.loops.current.as_ref().map(|c| c.axis).filter(|a| order.contains(a)),
            axes: order,
            from: whole,
            steps,
            rule,
            step: options.step,
            limit: options.limit,
            guard: options.guard,
            samples: options.samples,
            average: options.average,
            through,
            latent,
            span: state.statement.span,
        })
    }

    /// How far back the outer gradient runs: as stated, or not at all where that is exact once the descent has settled.
    fn through(&mut self, options: &Options, own: Option<&str>, state: &Declared<'a>) -> Option<Through> {
        let name = &state.name.value;
        let importance = self.ast.statements.iter().find_map(|s| match &s.kind {
            StatementKind::Minimize { objective, .. } => {
                crate::importance::importance_call(objective).map(|c| c.0.span)
            }
            _ => None,
        });
        let why = if matches!(options.step, StepSize::Fitted(_)) {
            Some("its step is fitted".to_owned())
        } else if options.average {
            Some("`average = true` minimises the mean over the steps".to_owned())
        } else if importance.is_some() {
            Some("what is minimised is not what is descended".to_owned())
        } else {
            own.map(|param| format!("`{param}` is fitted by where the descent starts alone"))
        };
        match (options.through, why) {
            (Some(Through::None), Some(why)) => {
                self.report(messages::through_none(name, state.statement.span, &why));
                None
            }
            (Some(stated), _) => Some(stated),
            (None, Some(_)) => Some(Through::All),
            (None, None) => Some(Through::None),
        }
    }

    /// A parameter that a start reads and nothing else does: without a gradient through the descent it would not be fitted.
    fn own_parameters(&self, start: NodeId) -> Option<String> {
        let inputs = |roots: &[NodeId]| -> HashSet<InputId> {
            let op = |n: NodeId| if let Op::Input(input) = self.graph.node(n).op { Some(input) } else { None };
            self.graph.reachable(roots).into_iter().filter_map(op).collect()
        };
        let mut roots: Vec<NodeId> = self.found.latents.iter().flat_map(|l| l.prior.args.clone()).collect();
        for latent in &self.found.latents {
            if let Guide::Stated(d) = &latent.guide {
                roots.extend(&d.args);
            }
        }
        roots.extend(self.found.observes.iter().flat_map(|o| o.distribution.args.clone()));
        roots.extend(self.found.losses.iter().map(|l| l.node));
        let (read, elsewhere) = (inputs(&[start]), inputs(&roots));
        let own = |p: &&Param| read.contains(&p.input) && !elsewhere.contains(&p.input);
        self.found.params.iter().find(own).map(|p| p.name.clone())
    }

    /// `natural_gradient`, `gradient(step = 0.05)`.
    fn rule(&mut self, by: &'a Expr) -> Option<(DescentRule, &'a [Argument])> {
        let (word, arguments) = match by.kind.as_ref() {
            ExprKind::Name(word) => (word.as_str(), &[][..]),
            ExprKind::Call { function, arguments } => (function.value.as_str(), arguments.as_slice()),
            _ => return None,
        };
        let found = DescentRule::ALL.into_iter().find(|r| r.word() == word);
        if found.is_none() {
            let near = nearest(word, DescentRule::ALL.map(DescentRule::word));
            self.report(messages::unknown_descent(word, by.span, near));
        }
        Some((found?, arguments))
    }

    fn descent_options(
        &mut self,
        state: &str,
        arguments: &'a [Argument],
        average: Option<&'a Expr>,
    ) -> Option<Options> {
        let mut options = Options {
            step: StepSize::Chosen,
            limit: Some(LIMIT),
            guard: false,
            samples: None,
            average: false,
            through: None,
        };
        let mut good = true;
        if let Some(e) = average {
            match self.yes_or_no(e, "average") {
                Some(yes) => options.average = yes,
                None => good = false,
            }
        }
        for Argument { name, value } in arguments {
            let Some(key) = name else {
                self.report(messages::unnamed_option(value.span));
                good = false;
                continue;
            };
            good &= match key.value.as_str() {
                "step" => self.step_size(state, value).map(|s| options.step = s).is_some(),
                "limit" if word(value) == Some("none") => {
                    options.limit = None;
                    true
                }
                "limit" => self.positive_number(value, "`limit`").map(|v| options.limit = Some(v)).is_some(),
                "guard" => self.yes_or_no(value, "guard").map(|yes| options.guard = yes).is_some(),
                "samples" => self.whole_number(value, "`samples`", 1).map(|n| options.samples = Some(n)).is_some(),
                "through" => {
                    options.through = match word(value) {
                        Some("none") => Some(Through::None),
                        Some("all") => Some(Through::All),
                        _ => self.whole_number(value, "`through`", 1).map(Through::Last),
                    };
                    options.through.is_some()
                }
                other => {
                    self.report(messages::unknown_option(other, key.span, nearest(other, OPTIONS)));
                    false
                }
            };
        }
        good.then_some(options)
    }

    fn yes_or_no(&mut self, e: &Expr, option: &str) -> Option<bool> {
        match word(e) {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => {
                self.report(messages::yes_or_no(option, e.span));
                None
            }
        }
    }

    fn positive_number(&mut self, e: &Expr, what: &str) -> Option<f64> {
        let v = self.plain_number(e, what)?;
        if v > 0.0 {
            return Some(v);
        }
        self.report(messages::must_be_positive(what, e.span, v));
        None
    }

    /// A number or a schedule, `learned`, or a positive param.
    fn step_size(&mut self, state: &str, e: &'a Expr) -> Option<StepSize> {
        if word(e) == Some("learned") {
            let name = format!("{state}.step");
            let (input, raw) = self.graph.input(&name, &[]);
            let node = self.graph.exp(raw);
            self.found.params.push(Param {
                name,
                input,
                axes: vec![],
                free: vec![],
                node,
                support: Support::Positive,
                init: Init::Constant(LEARNED_FROM),
                span: e.span,
            });
            return Some(StepSize::Fitted(node));
        }
        let fitted = matches!(bare(e).kind.as_ref(), ExprKind::Name(n) if self.values.get(n.as_str()).is_some_and(|v| v.level == Level::Free));
        if fitted {
            let value = self.expression(e, None);
            if !value.axes.is_empty() || !value.range.within(Support::Positive) {
                self.report(messages::step_of_param(e.span));
                return None;
            }
            return Some(StepSize::Fitted(value.node));
        }
        self.positive_schedule(e, "`step`").map(StepSize::Stated)
    }

    /// The number of the latent whose guide reads a state, element by element; nothing else reads it, but for its past.
    fn reader_of(&mut self, state: &Declared<'a>) -> Option<usize> {
        let name = &state.name.value;
        let args = |l: &Latent| match &l.guide {
            Guide::Stated(d) => d.args.clone(),
            Guide::PointAt(node) => vec![*node],
            _ => vec![],
        };
        let own = HashSet::from([state.node]);
        let readers: Vec<usize> = (0..self.found.latents.len())
            .filter(|&k| {
                let args = self.found.latents.get(k).map(args).unwrap_or_default();
                args.iter().any(|&a| self.reads_now(a, state))
            })
            .collect();
        let named = |k: usize| self.found.latents.get(k).map(|l| (l.name.clone(), l.guide_span.unwrap_or(l.span)));
        let number = match readers.as_slice() {
            &[one] => one,
            [] => {
                let latent = self.found.latents.first().map_or("z", |l| l.name.as_str()).to_owned();
                self.report(messages::state_unread(name, state.name.span, &latent));
                return None;
            }
            &[first, second, ..] => {
                let (first, second) = (named(first)?, named(second)?);
                self.report(messages::state_of_two(name, state.name.span, (&first.0, first.1), (&second.0, second.1)));
                return None;
            }
        };
        let latent = self.found.latents.get(number)?.clone();
        let order: Vec<Axis> = state.axes.iter().map(|a| a.0).collect();
        let same: HashSet<Axis> = latent.axes.iter().copied().collect();
        if order.iter().copied().collect::<HashSet<_>>() != same {
            let (have, want) = (self.axis_names(&order), self.axis_names(&latent.axes));
            self.report(messages::state_axes(name, state.name.span, &have, &latent.name, &want, latent.span));
            return None;
        }
        if args(&latent).iter().any(|&a| !self.element_by_element(a, state.node)) {
            let place = latent.guide_span.unwrap_or(latent.span);
            self.report(messages::state_mixed(name, state.name.span, &latent.name, place));
            return None;
        }
        let mut others: Vec<(NodeId, String, Span)> = vec![];
        for l in &self.found.latents {
            others.extend(l.prior.args.iter().map(|&a| (a, format!("the prior of `{}`", l.name), l.span)));
        }
        for o in &self.found.observes {
            others.extend(o.distribution.args.iter().map(|&a| (a, format!("the likelihood of `{}`", o.name), o.span)));
        }
        others.extend(self.found.losses.iter().map(|l| (l.node, format!("`{}`", l.name), l.span)));
        let wrong =
            others.into_iter().find(|(node, _, _)| self.graph.depends_on(*node, &own) && self.reads_now(*node, state));
        if let Some((_, what, place)) = wrong {
            self.report(messages::state_elsewhere(name, state.name.span, &what, place));
            return None;
        }
        Some(number)
    }

    /// Whether a value reads a state itself, not only its past.
    fn reads_now(&self, node: NodeId, state: &Declared<'a>) -> bool {
        let chain =
            state.around.and_then(|s| self.loops.known.iter().find(|l| l.0 == s.span)).and_then(|l| l.1.clone());
        match chain.filter(|c| state.axes.iter().any(|a| a.0 == c.axis)) {
            Some(chain) => self.graph.reach(node, state.node, chain.axis) >= Reach::UpTo(0),
            None => self.graph.depends_on(node, &HashSet::from([state.node])),
        }
    }

    /// Whether each element of a state reaches one element of a value.
    fn element_by_element(&self, value: NodeId, state: NodeId) -> bool {
        let (from, axes) = (HashSet::from([state]), self.graph.axes_of(state));
        let order = self.graph.reachable(&[value]);
        order.into_iter().filter(|&n| n != state && self.graph.depends_on(n, &from)).all(|n| {
            let node = self.graph.node(n);
            matches!(node.op, Op::Unary(_) | Op::Binary(_) | Op::Select) && node.axes.len() == axes.len()
        })
    }

    /// The method suits the guide.
    fn rule_fits(&mut self, rule: DescentRule, latent: usize, state: &Declared<'a>) -> Option<()> {
        let latent = self.found.latents.get(latent)?.clone();
        let place = latent.guide_span.unwrap_or(latent.span);
        let name = &state.name.value;
        match (rule, &latent.guide) {
            (DescentRule::Proximal, Guide::PointAt(_)) if latent.prior.family.proximal().is_none() => {
                let known = fe_distribution::families().iter().filter(|f| f.proximal().is_some()).map(|f| f.name());
                let known: Vec<&str> = known.collect();
                let prior = latent.prior.family.name();
                self.report(messages::no_proximal_map(name, state.statement.span, prior, latent.span, &known));
                return None;
            }
            (DescentRule::Proximal, Guide::PointAt(_)) => {}
            (DescentRule::Proximal, _) => {
                self.report(messages::proximal_without_point(name, state.statement.span, &latent.name, place));
                return None;
            }
            (DescentRule::NaturalGradient, Guide::Stated(d)) if d.family.natural().is_none() => {
                let known: Vec<&str> =
                    fe_distribution::families().iter().filter(|f| f.natural().is_some()).map(|f| f.name()).collect();
                let family = d.family.name();
                self.report(messages::no_fisher(name, state.statement.span, family, place, &known));
                return None;
            }
            (DescentRule::NaturalGradient, Guide::PointAt(_)) => {
                self.report(messages::natural_point(name, state.statement.span, place));
                return None;
            }
            _ => {}
        }
        Some(())
    }

    /// States that move together take as many steps.
    fn descents_agree(&mut self) {
        let all = self.found.refinements.clone();
        let Some((first, rest)) = all.split_first() else { return };
        for other in rest {
            let same = other.steps == first.steps
                && other.samples == first.samples
                && other.guard == first.guard
                && other.average == first.average
                && other.chain == first.chain;
            if !same {
                self.report(messages::descents_differ((&first.name, first.span), (&other.name, other.span)));
            }
        }
    }
}

/// A bare word.
fn word(e: &Expr) -> Option<&str> {
    match bare(e).kind.as_ref() {
        ExprKind::Name(word) => Some(word),
        _ => None,
    }
}
