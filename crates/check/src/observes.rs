//! `observe`, `meter`, `show`, `price`.

use fe_distribution::{Modifier, Support};
use fe_graph::Axis;
use fe_syntax::Span;
use fe_syntax::ast::{Expr, ExprKind, Name, Statement, StatementKind, Target, Unit};

use crate::checker::Checker;
use crate::distributions::Drawn;
use crate::kind::Kind;
use crate::messages;
use crate::program::{Named, Observe, Price, Show, ShowStyle};
use crate::reads::bare;
use crate::scope::nearest;
use crate::text::written;
use crate::value::{Level, Value};

impl<'a> Checker<'a> {
    /// Every likelihood.
    pub fn observes(&mut self) {
        let mut seen: Vec<(&str, Span)> = vec![];
        for (statement, around) in self.all_statements() {
            let StatementKind::Observe { target, distribution } = &statement.kind else { continue };
            let name = target.name.value.as_str();
            if let Some((_, first)) = seen.iter().find(|s| s.0 == name) {
                self.report(messages::observed_twice(name, target.name.span, *first));
                continue;
            }
            seen.push((name, target.name.span));
            let before = self.enter(statement.span);
            self.within(around, |c| c.observe(statement, target, distribution));
            self.leave(before);
        }
    }

    fn observe(&mut self, statement: &'a Statement, target: &'a Target, distribution: &'a Expr) {
        let value = self.observed(target);
        let left = value.as_ref().map(|v| v.axes.clone()).unwrap_or_default();
        let categories = value.as_ref().and_then(|v| v.index);
        self.axes_unknown = value.is_none();
        let name = target.name.value.as_str();
        self.observed = self.family_written(distribution).filter(|f| f.is_written_out()).map(|_| name.to_owned());
        let drawn = self.likelihood(target, distribution, &left, categories);
        self.observed = None;
        self.axes_unknown = false;
        let (Some(value), Some(mut drawn)) = (value, drawn) else { return };
        if !self.axes_fit(&drawn, &left, name, target.span) || !self.data_fit(&value, &drawn, target) {
            return;
        }
        let whole = self.is_shared_out(&mut drawn, &left, target);
        let Some(whole) = whole else { return };
        if let Some(datum) = value.datum.and_then(|k| self.found.data.get(k)).filter(|d| d.optional) {
            if whole || !self.leaves_out_elements(&value, &drawn) {
                let (named, family) = (datum.name.clone(), drawn.distribution.family.name());
                self.report(messages::missing_vector(&named, target.name.span, family));
                return;
            }
            drawn.distribution.modify(Modifier::Missing, &[]);
        }
        self.variance_warning(&drawn);
        self.overflow_warning(&drawn);
        self.found.observes.push(Observe {
            name: name.to_owned(),
            value: value.node,
            distribution: drawn.distribution,
            axes: value.order(),
            span: statement.span,
        });
    }

    /// Whether a log density is written out of whole vectors, and not of single elements: what it lacks of the axes of what is
    /// observed, it is shared out along. `None` where that would tie rows together, or where it cannot be, which is said.
    fn is_shared_out(&mut self, drawn: &mut Drawn, left: &[(Axis, Span)], target: &Target) -> Option<bool> {
        let d = &mut drawn.distribution;
        let Some(value) = d.args.first().copied().filter(|_| d.family.is_written_out()) else { return Some(false) };
        let lacking: Vec<Axis> = left.iter().map(|l| l.0).filter(|&a| !self.graph.has_axis(value, a)).collect();
        if lacking.is_empty() {
            return Some(false);
        }
        let row = self.row.map(|r| Axis::plain(r.axis)).filter(|r| lacking.contains(r));
        let within = d.modifiers.first().and(lacking.first().copied());
        if let Some(axis) = row.or(within) {
            let (name, own) = (self.graph.axis_name(axis), self.graph.axes_of(value));
            let have = if own.is_empty() { "one number".to_owned() } else { format!("over {}", self.axis_names(own)) };
            self.report(messages::density_of_a_sum(&target.name.value, drawn.span, &name, &have));
            return None;
        }
        let mut share = value;
        for axis in lacking {
            let extent = self.graph.extent(axis.id);
            share = self.graph.div(share, extent);
        }
        if let Some(slot) = d.args.first_mut() {
            *slot = share;
        }
        Some(true)
    }

    /// Whether single elements of what a likelihood draws can be left out.
    fn leaves_out_elements(&self, value: &Value, drawn: &Drawn) -> bool {
        let d = &drawn.distribution;
        let Some(event) = d.event.filter(|_| d.family.is_vector()) else { return true };
        // Tried on a copy, so that no nodes are left behind.
        let mut scratch = self.graph.clone();
        d.family.observed_log_density(&mut scratch, value.node, d.own_args(), event).is_some()
    }

    /// The observed value: data, or a `let` of data.
    fn observed(&mut self, target: &'a Target) -> Option<Value> {
        let name = &target.name;
        let Some(entry) = self.scope.get(&name.value) else {
            if self.said.unknown.insert(name.value.clone()) {
                let near = nearest(&name.value, self.scope.names(|k| k == Kind::Data));
                self.report(messages::unknown_observed(&name.value, name.span, near));
            }
            return None;
        };
        let value = self.values.get(name.value.as_str()).cloned().filter(|v| !v.poison);
        match entry.kind {
            Kind::Data | Kind::Let => {}
            Kind::Unknown => return None,
            kind => {
                self.report(messages::observe_other(&name.value, kind, name.span, entry.span));
                return None;
            }
        }
        let mut value = value?;
        if value.level > Level::Data {
            self.report(messages::observe_let(&name.value, name.span, entry.span));
            return None;
        }
        value.axes.iter_mut().for_each(|a| a.1 = name.span);
        if let Some(index) = target.axes.iter().flatten().find(|e| self.step(e).is_some()) {
            let offset = self.step(index).unwrap_or(0);
            let at = self.at_step(value, offset, index.span, target.span);
            return Some(at).filter(|v| !v.poison);
        }
        if target.axes.is_some() {
            let order: Vec<Axis> = self.target_axes(target)?.iter().map(|a| a.0).collect();
            if order != value.order() {
                let (given, have) = (self.axis_names(&order), self.axis_names(&value.order()));
                self.report(messages::observed_axes(&name.value, target.span, &given, &have, entry.span));
                return None;
            }
        }
        Some(value)
    }

    /// Data are checked against their likelihood: by type now, by value while loading.
    fn data_fit(&mut self, value: &Value, drawn: &Drawn, target: &Target) -> bool {
        let Some(support) = drawn.support else { return true };
        let family = drawn.distribution.family.name();
        if let Some(index) = value.index
            && !self.counts_categories(&target.name.value, index, drawn, target.name.span)
        {
            return false;
        }
        let accepted = drawn.distribution.family.expectations().unwrap_or(support);
        let Some(datum) = value.datum.and_then(|k| self.found.data.get_mut(k)) else { return true };
        // Counts are held to the number of categories while loading.
        let categories = matches!((accepted, datum.support), (Support::Index(_), Support::Count));
        if accepted.contains(datum.support) || categories {
            return true;
        }
        if datum.support == Support::Real {
            datum.support = accepted;
            return true;
        }
        let (have, declared) = (datum.support, datum.span);
        self.report(messages::data_type(
            &target.name.value,
            target.name.span,
            declared,
            have,
            family,
            drawn.name,
            accepted,
        ));
        false
    }

    /// `meter a`
    pub fn meters(&mut self) -> Vec<Named> {
        let ast = self.ast;
        let mut meters = vec![];
        for statement in &ast.statements {
            let StatementKind::Meter { name } = &statement.kind else { continue };
            let Some(entry) = self.scope.get(&name.value) else {
                if self.said.unknown.insert(name.value.clone()) {
                    let near = nearest(&name.value, self.scope.names(|k| matches!(k, Kind::Let | Kind::Latent)));
                    self.report(messages::unknown_name(&name.value, name.span, near.map(|n| (None, n.to_owned()))));
                }
                continue;
            };
            match entry.kind {
                Kind::Let | Kind::Latent | Kind::Loss => {
                    if let Some(value) = self.values.get(name.value.as_str()).filter(|v| !v.poison) {
                        let axes = value.order();
                        meters.push(Named { name: name.value.clone(), node: value.node, axes, span: name.span });
                    }
                }
                Kind::Unknown => {}
                kind => self.report(messages::meter_other(&name.value, kind, name.span, entry.span)),
            }
        }
        meters
    }

    /// `show W as images[16, 16]`, of colour `images[3, 16, 16]`.
    pub fn shows(&mut self) -> Vec<Show> {
        let ast = self.ast;
        let mut shows = vec![];
        for statement in &ast.statements {
            let StatementKind::Show { value, style, sizes } = &statement.kind else { continue };
            let before = self.enter(statement.span);
            let shown = self.show(value, style, sizes);
            self.leave(before);
            shows.extend(shown);
        }
        shows
    }

    fn show(&mut self, e: &Expr, style: &Name, sizes: &[Expr]) -> Option<Show> {
        let value = self.expression(e, None);
        let numbers: Vec<Option<usize>> =
            sizes.iter().map(|s| self.whole_number(s, "a size of a picture", 1)).collect();
        let shown_as = match style.value.as_str() {
            "images" => ShowStyle::Images,
            "map" => ShowStyle::Map,
            other => {
                self.report(messages::show_style(style, nearest(other, ["images", "map"])));
                return None;
            }
        };
        let numbers: Vec<usize> = numbers.into_iter().collect::<Option<_>>()?;
        if value.poison {
            return None;
        }
        if shown_as == ShowStyle::Map {
            return self.map(e, &value, numbers, style);
        }
        let Some(&(last, _)) = value.axes.last() else {
            self.report(messages::show_scalar(e.span));
            return None;
        };
        let extent = self.graph.extent_of(last.id);
        let known = self.axes.entry(last.id).is_some_and(|a| a.size.is_some());
        let formed = matches!(numbers.as_slice(), [_, _] | [3, _, _]);
        let pixels = numbers.iter().fold(1usize, |n, &s| n.saturating_mul(s));
        // The last axes together are an image where the last alone is none.
        let mut together = 1usize;
        let fits = value.axes.iter().rev().any(|a| {
            together = together.saturating_mul(self.graph.extent_of(a.0.id));
            together == pixels
        });
        if !formed || (known && !fits) {
            let name = self.graph.axis_name(last);
            let place = sizes.iter().map(|s| s.span).reduce(Span::to).unwrap_or(style.span);
            self.report(messages::show_sizes(place, &numbers, e.span, &name, extent));
            return None;
        }
        let named = Named { name: written(e), node: value.node, axes: value.order(), span: e.span };
        Some(Show { value: named, style: shown_as, sizes: numbers })
    }

    /// `show a as map[5, 9]`, of a choice.
    fn map(&mut self, e: &Expr, value: &Value, sizes: Vec<usize>, style: &Name) -> Option<Show> {
        let latent = matches!(bare(e).kind.as_ref(), ExprKind::Name(name) if self.scope.get(name).is_some_and(|s| s.kind == Kind::Latent));
        if !latent || !matches!(sizes.as_slice(), [_, _]) {
            self.report(messages::show_map(e.span, style.span));
            return None;
        }
        let named = Named { name: written(e), node: value.node, axes: value.order(), span: e.span };
        Some(Show { value: named, style: ShowStyle::Map, sizes })
    }

    /// `price spike = 2.4e9 ATP`
    pub fn prices(&mut self) -> Vec<Price> {
        let ast = self.ast;
        let mut prices: Vec<(Price, Span)> = vec![];
        for statement in &ast.statements {
            let StatementKind::Price { name, value, unit } = &statement.kind else { continue };
            if name.value != "spike" {
                self.report(messages::price_of_what(&name.value, name.span));
                continue;
            }
            let Some(number) = self.number(value, "a price") else { continue };
            let unit = match (unit, &number.unit) {
                (Some(unit), None) => unit.value.clone(),
                (_, Some(Unit::Other(word))) => word.clone(),
                (None, None) => {
                    self.report(messages::price_without_unit(value.span));
                    continue;
                }
                (_, Some(unit)) => {
                    self.report(messages::price_unit(value.span, unit));
                    continue;
                }
            };
            if number.value <= 0.0 {
                self.report(messages::price_sign(value.span, number.value));
                continue;
            }
            if let Some((_, first)) = prices.iter().find(|p| p.0.unit == unit) {
                self.report(messages::stated_twice("price", value.span, *first));
                continue;
            }
            prices.push((Price { value: number.value, unit }, value.span));
        }
        prices.into_iter().map(|p| p.0).collect()
    }
}
