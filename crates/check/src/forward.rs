//! Recurrences written forward: `s[0]` before a loop, and `s[t+1]` from `s[t]` inside. Their axis has one position more
//! than the loop's; a statement of `s[t+1]` is understood along it, so that it reads `s[t]` one position back.

use fe_distribution::Distribution;
use fe_graph::{Axis, NodeId};
use fe_syntax::Span;
use fe_syntax::ast::{Expr, Statement, StatementKind, Target, Type};

use crate::checker::Checker;
use crate::distributions::Drawn;
use crate::kind::Role;
use crate::loops::Loop;
use crate::messages;
use crate::reads::{declaration_reads, is_start};
use crate::value::Value;

impl<'a> Checker<'a> {
    /// The axis that has one position more than another.
    fn longer_than(&mut self, whole: Axis) -> Axis {
        if let Some(known) = self.loops.longer.iter().find(|l| l.0 == whole.id) {
            return known.1;
        }
        let (extent, name) = (self.graph.extent_of(whole.id), self.graph.axis_name(whole));
        let axis = Axis::plain(self.graph.add_axis(&format!("{name}+1"), extent.saturating_add(1)));
        self.loops.longer.push((whole.id, axis));
        axis
    }

    /// The loop as it is for a target that stands one position ahead, `Some(None)` for one at the loop's own position;
    /// `None` where it stands elsewhere, which is said.
    pub fn ahead(&mut self, target: &Target) -> Option<Option<Loop>> {
        let Some(chain) = self.loops.current.clone() else { return Some(None) };
        let found = target.axes.iter().flatten().find_map(|e| self.step(e).filter(|&o| o != 0).map(|o| (o, e.span)));
        let Some((offset, span)) = found else { return Some(None) };
        if offset != 1 || chain.from != 0 {
            self.report(messages::forward_steps(span, &target.name.value, &chain.variable, chain.from));
            return None;
        }
        let axis = self.longer_than(chain.whole);
        Some(Some(Loop { axis, from: -1, base: 0, ..chain }))
    }

    /// The statement that says how a recurrence starts.
    pub fn start_of(&mut self, name: &str, target: &Target) -> Option<&'a Statement> {
        let entry = self.scope.get(name)?;
        let Some(start) = entry.start else {
            let variable = self.loops.current.as_ref().map(|c| c.variable.clone()).unwrap_or_default();
            self.report(messages::no_start(name, target.span, &variable));
            return None;
        };
        if let Some(own) = declaration_reads(start, entry.kind).into_iter().find(|r| r.0 == name) {
            self.report(messages::cycle(&[(entry.statement_name(), own.1)]));
            return None;
        }
        Some(start)
    }

    /// The axes of a start: those of what goes on from it, without the loop's. Those that it states are these.
    pub fn rest_of_start(&mut self, target: &Target, start: &Target, ty: Option<&Type>) -> Option<Vec<(Axis, Span)>> {
        if let Some(ty) = ty {
            self.report(messages::type_of_start(&target.name.value, ty.span, target.span));
            return None;
        }
        let around = self.loops.current.clone();
        let ahead = self.ahead(target)??;
        let along = ahead.axis;
        self.loops.current = Some(ahead);
        let axes = self.target_axes(target);
        self.loops.current = None;
        let stated: Vec<&Expr> = start.axes.iter().flatten().collect();
        let zero = Target { axes: None, ..start.clone() };
        let stated: Vec<Option<Axis>> = stated
            .into_iter()
            .filter(|e| !is_start(&Target { axes: Some(vec![(*e).clone()]), ..zero.clone() }))
            .map(|e| self.axis(e))
            .collect();
        self.loops.current = around;
        let rest: Vec<(Axis, Span)> = axes?.into_iter().filter(|a| a.0 != along).collect();
        let stated: Vec<Axis> = stated.into_iter().collect::<Option<_>>()?;
        let order: Vec<Axis> = rest.iter().map(|a| a.0).collect();
        if stated != order {
            let (given, have) = (self.axis_names(&stated), self.axis_names(&order));
            self.report(messages::axes_of_start(&target.name.value, start.span, &given, &have, target.span));
            return None;
        }
        Some(rest)
    }

    /// The start at the first position, and what goes on from it at the others, over the axis of the loop at hand.
    pub fn after_start(&mut self, start: NodeId, on: NodeId) -> NodeId {
        let Some(axis) = self.loops.current.as_ref().map(|c| c.axis) else { return on };
        let (place, zero) = (self.graph.iota(axis), self.graph.constant(0.0));
        let first = self.graph.equal(place, zero);
        self.graph.select(first, start, on)
    }

    /// `latent s[t+1, S] ~ …` and its start.
    pub fn latent_ahead(&mut self, chain: Loop, statement: &'a Statement) -> Value {
        let StatementKind::Latent { target, ty, prior, by } = &statement.kind else {
            return Value::poison(statement.span);
        };
        let around = self.loops.current.clone();
        let Some(start) = self.start_of(&target.name.value, target) else { return Value::poison(target.span) };
        let StatementKind::Latent { target: first, ty: typed, prior: begin, by: relaxed } = &start.kind else {
            return Value::poison(target.span);
        };
        if let Some(by) = relaxed {
            self.report(messages::type_of_start(&target.name.value, by.span, target.span));
            return Value::poison(target.span);
        }
        let Some(rest) = self.rest_of_start(target, first, typed.as_ref()) else { return Value::poison(target.span) };
        self.loops.current = Some(chain);
        let value = self.latent(target, ty.as_ref(), prior, by.as_ref());
        if !value.poison
            && let Some(at) = self.found.latents.iter().position(|l| l.name == target.name.value)
            && let Some(on) = self.found.latents.get(at).map(|l| l.prior.clone())
        {
            let site = format!("{}.prior.start", target.name.value);
            let joined = self.distribution_from_start(begin, &rest, &on, first, site, value.index, Role::Prior);
            match (joined, self.found.latents.get_mut(at)) {
                (Some((joined, _)), Some(latent)) => latent.prior = joined,
                _ => {
                    self.loops.current = around;
                    return Value::poison(target.span);
                }
            }
        }
        self.loops.current = around;
        value
    }

    /// The distribution of a start, joined with that of what goes on from it: the same family.
    #[allow(clippy::too_many_arguments)]
    pub fn distribution_from_start(
        &mut self,
        begin: &'a Expr,
        rest: &[(Axis, Span)],
        on: &Distribution,
        target: &Target,
        site: String,
        categories: Option<fe_graph::AxisId>,
        role: Role,
    ) -> Option<(Distribution, Drawn)> {
        let ahead = self.loops.current.take();
        let drawn = self.at_site(site, |c| c.distribution(begin, rest, categories, role));
        let fits = drawn.as_ref().is_some_and(|d| self.axes_fit(d, rest, &target.name.value, target.span));
        self.loops.current = ahead;
        let drawn = drawn.filter(|_| fits)?;
        let d = &drawn.distribution;
        let same = d.family.name() == on.family.name()
            && d.event == on.event
            && d.modifiers == on.modifiers
            && d.args.len() == on.args.len();
        if !same {
            self.report(messages::family_of_start(&target.name.value, drawn.span, d.family.name(), on.family.name()));
            return None;
        }
        let args: Vec<(NodeId, NodeId)> = d.args.iter().copied().zip(on.args.iter().copied()).collect();
        let args =
            args.into_iter().map(|(start, on)| if start == on { on } else { self.after_start(start, on) }).collect();
        Some((Distribution { args, ..on.clone() }, drawn))
    }
}
