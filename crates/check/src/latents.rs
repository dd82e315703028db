//! `latent`: its axes, its support, and its value before its prior is known.

use fe_distribution::{Distribution, Support};
use fe_graph::{Axis, InputId, NodeId};
use fe_syntax::Span;
use fe_syntax::ast::{Expr, Name, StatementKind, Target, Type};

use crate::checker::Checker;
use crate::distributions::Drawn;
use crate::guide::Guide;
use crate::kind::{Kind, Role};
use crate::messages;
use crate::program::Latent;
use crate::range::Range;
use crate::reads::declaration_reads;
use crate::types::Declared;
use crate::value::{Level, Value, along};

impl<'a> Checker<'a> {
    /// `latent z[N, K] : positive ~ Gamma(2, 1) by cubic`
    pub fn latent(&mut self, target: &'a Target, ty: Option<&'a Type>, prior: &'a Expr, by: Option<&'a Name>) -> Value {
        let name = &target.name;
        let axes = self.target_axes(target);
        let ty = ty.map(|t| (t.span, self.plain_type(t)));
        let left = axes.clone().unwrap_or_default();
        let categories = ty.and_then(|t| t.1).and_then(|t| t.index);
        // In a loop the prior may read the latent's past: its value is there before.
        let early = match (&self.loops.current, &axes) {
            (Some(_), Some(axes)) => {
                let stated = ty.and_then(|t| t.1);
                Some(
                    self.loops
                        .announced
                        .get(name.value.as_str())
                        .copied()
                        .unwrap_or_else(|| self.announced_value(name, axes, stated, prior)),
                )
            }
            _ => None,
        };
        self.axes_unknown = axes.is_none();
        let drawn =
            self.at_site(format!("{}.prior", name.value), |c| c.distribution(prior, &left, categories, Role::Prior));
        self.axes_unknown = false;
        let (Some(axes), Some(mut drawn)) = (axes, drawn) else { return Value::poison(name.span) };
        if matches!(ty, Some((_, None))) {
            return Value::poison(name.span);
        }
        if !self.axes_fit(&drawn, &axes, &name.value, target.span) {
            return Value::poison(name.span);
        }
        let ty = ty.and_then(|(span, t)| t.map(|t| (span, t)));
        let Some(support) = self.latent_support(&mut drawn, name, &axes, ty) else { return Value::poison(name.span) };
        let order: Vec<Axis> = axes.iter().map(|a| a.0).collect();
        let own = drawn_axes(support, &order).to_vec();
        let (input, node) = early.unwrap_or_else(|| self.graph.input(&name.value, &own));
        let whole = self.unfolded(node, support, &order);
        let (along, range) = (along(support, &order), Range::interior(support));
        let support = self.as_index(&mut drawn.distribution, support, &order);
        let centred = by.filter(|by| by.value == "centred");
        if let Some(by) = centred.filter(|_| drawn.distribution.family.location_scale().is_none()) {
            self.report(messages::never_non_centred(drawn.distribution.family.name(), by.span));
        }
        // A form to be fitted in is one of the guide.
        let in_guide = by.is_some_and(|by| by.value == "guide") || centred.is_some();
        let estimator = by.filter(|_| !in_guide).and_then(|by| self.estimator(by, support));
        self.variance_warning(&drawn);
        self.overflow_warning(&drawn);
        let index =
            drawn.distribution.event.filter(|_| matches!(support, Support::Index(_)) && whole == node).map(|a| a.id);
        self.found.latents.push(Latent {
            name: name.value.clone(),
            input,
            node,
            chain: self.loops.current.as_ref().map(|c| c.axis).filter(|a| own.contains(a)),
            axes: own,
            support,
            prior: drawn.distribution,
            guide: Guide::Default,
            centred: centred.is_some(),
            in_guide,
            estimator,
            span: name.span,
            guide_span: None,
            fills: None,
        });
        Value { axes, index, along, ..Value::scalar(whole, range, Level::Random, name.span) }
    }

    /// The value of a latent at its input: of a one-hot vector, which is drawn as an index, the vector.
    fn unfolded(&mut self, node: NodeId, support: Support, axes: &[Axis]) -> NodeId {
        let Some(&along) = axes.last().filter(|_| support == Support::OneHot) else { return node };
        let place = self.graph.iota(along);
        self.graph.equal(place, node)
    }

    /// A one-hot vector is summed out as the index it stands for.
    fn as_index(&mut self, d: &mut Distribution, support: Support, axes: &[Axis]) -> Support {
        let (Some(&along), Some(index), Support::OneHot) = (axes.last(), d.family.as_index(), support) else {
            return support;
        };
        let args: Vec<NodeId> = d.args.iter().map(|&a| self.graph.broadcast(a, &[along])).collect();
        *d = Distribution { event: Some(along), ..Distribution::new(index, args) };
        Support::Index(self.graph.extent_of(along.id))
    }

    /// Gives a latent its value before its prior is known.
    fn announced_value(
        &mut self,
        name: &'a Name,
        axes: &[(Axis, Span)],
        ty: Option<Declared>,
        prior: &Expr,
    ) -> (InputId, NodeId) {
        let order: Vec<Axis> = axes.iter().map(|a| a.0).collect();
        let family = self.family_written(prior).and_then(|f| f.support(&[]));
        let stated = ty.map(|t| t.support);
        let support = family.filter(|&s| s == Support::OneHot).or(stated).or(family).unwrap_or(Support::Real);
        let (input, node) = self.graph.input(&name.value, drawn_axes(support, &order));
        let value = Value {
            axes: axes.to_vec(),
            index: ty.and_then(|t| t.index),
            along: along(support, &order),
            ..Value::scalar(self.unfolded(node, support, &order), Range::interior(support), Level::Random, name.span)
        };
        self.values.insert(&name.value, value);
        (input, node)
    }

    /// Latents of a loop that declarations of the same loop read, at earlier positions where they are not understood yet:
    /// their values are there before.
    pub fn announce(&mut self, names: &[&'a str]) {
        for entry in names.iter().filter_map(|n| self.scope.get(n)).collect::<Vec<_>>() {
            let Some(around) = entry.around else { continue };
            for (read, _) in declaration_reads(entry.statement, entry.kind) {
                let Some(other) = self.scope.get(read).filter(|o| o.kind == Kind::Latent) else { continue };
                let same = other.around.is_some_and(|s| std::ptr::eq(s, around));
                let StatementKind::Latent { target, ty, prior, .. } = &other.statement.kind else { continue };
                if !same || self.values.contains_key(read) || names.contains(&target.name.value.as_str()) {
                    continue;
                }
                self.within(Some(around), |c| {
                    let outside = c.loops.current.clone();
                    if let Some(Some(ahead)) = c.ahead(target) {
                        c.loops.current = Some(ahead);
                    }
                    let ty = ty.as_ref().and_then(|t| c.plain_type(t));
                    if let Some(axes) = c.target_axes(target) {
                        let early = c.announced_value(&target.name, &axes, ty, prior);
                        c.loops.announced.insert(&target.name.value, early);
                    }
                    c.loops.current = outside;
                });
            }
        }
    }

    /// The prior's support after the type, which restricts it.
    fn latent_support(
        &mut self,
        drawn: &mut Drawn,
        name: &Name,
        axes: &[(Axis, Span)],
        ty: Option<(Span, Declared)>,
    ) -> Option<Support> {
        let family = drawn.distribution.family.name();
        if let Some((place, Declared { support: Support::Ordered, .. })) = ty {
            return self.ordered_support(drawn, name, axes, place);
        }
        let Some(support) = drawn.support else {
            self.report(messages::moving_support(&name.value, family, drawn.span));
            return None;
        };
        let Some((place, ty)) = ty else { return Some(support) };
        let counted = drawn.distribution.event.filter(|_| matches!(support, Support::Index(_))).map(|a| a.id);
        if let (Some(stated), Some(own)) = (ty.index, counted)
            && stated != own
        {
            let (stated, own) = (Axis::plain(stated), Axis::plain(own));
            let (stated, own) = (self.graph.axis_name(stated), self.graph.axis_name(own));
            self.report(messages::index_of_other_axis(&name.value, place, &stated, &own, drawn.span));
            return None;
        }
        if ty.support.is_discrete() != support.is_discrete() && ty.support != Support::Real {
            self.report(messages::type_of_prior(&name.value, place, ty.support, family, drawn.name, support));
            return None;
        }
        if ty.support.contains(support) {
            return Some(support);
        }
        drawn.distribution.restricted = Some(ty.support);
        let Some(inside) = drawn.distribution.support(&self.graph) else {
            self.report(messages::type_of_prior(&name.value, place, ty.support, family, drawn.name, support));
            return None;
        };
        if !drawn.distribution.can_restrict(&self.graph, ty.support) {
            self.report(messages::unknown_normaliser(&name.value, place, ty.support, family, drawn.name));
            return None;
        }
        Some(inside)
    }

    /// Increasing elements along the last axis, each of one prior on the real line: then any order is as likely.
    fn ordered_support(
        &mut self,
        drawn: &mut Drawn,
        name: &Name,
        axes: &[(Axis, Span)],
        place: Span,
    ) -> Option<Support> {
        let Some(&(along, _)) = axes.last() else {
            self.report(messages::ordered_without_axis(&name.value, place));
            return None;
        };
        if let Some((_, value, _)) = drawn.args.iter().find(|(_, v, _)| v.has(along)) {
            let axis = self.graph.axis_name(along);
            self.report(messages::ordered_unequal(&name.value, place, &axis, value.span));
            return None;
        }
        if drawn.support != Some(Support::Real) {
            self.report(messages::ordered_off_the_line_later(place));
            return None;
        }
        drawn.distribution.restricted = Some(Support::Ordered);
        drawn.distribution.event = Some(along);
        Some(Support::Ordered)
    }
}

/// The axes along which single numbers of a latent are drawn.
fn drawn_axes(support: Support, axes: &[Axis]) -> &[Axis] {
    match axes.split_last() {
        Some((_, rest)) if support == Support::OneHot => rest,
        _ => axes,
    }
}
