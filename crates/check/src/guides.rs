//! Guides against latents, and losses against guides.

use std::collections::HashSet;

use fe_distribution::Distribution;
use fe_graph::{Axis, NodeId, Reach};
use fe_syntax::Span;
use fe_syntax::ast::{Argument, Expr, ExprKind, GuideBody, Name, Statement, StatementKind, Target};

use crate::checker::{Checker, keyword};
use crate::distributions::Drawn;
use crate::guide::{Guide, JOINT, JointKind, Sees};
use crate::kind::{Kind, Role};
use crate::messages;
use crate::nuts;
use crate::program::Latent;
use crate::reads::{bare, is_start};
use crate::scope::nearest;
use crate::value::Value;

/// Layers of a flow where nothing is said.
const LAYERS: usize = 2;

/// Layers of a flow, at most: each is compiled.
const MOST_LAYERS: usize = 64;

impl<'a> Checker<'a> {
    /// Every `guide` statement, put to its latents.
    pub fn guides(&mut self) {
        let mut groups = 0;
        let mut stars: Vec<(&'a Statement, Span)> = vec![];
        for (statement, around) in self.all_statements() {
            let StatementKind::Guide { targets, .. } = &statement.kind else { continue };
            if let ([target], None) = (targets.as_slice(), around)
                && is_start(target)
            {
                self.loops.starts.push(statement);
            }
        }
        for (statement, around) in self.all_statements() {
            let StatementKind::Guide { targets, star, .. } = &statement.kind else { continue };
            if self.loops.starts.iter().any(|s| std::ptr::eq(*s, statement)) {
                continue;
            }
            if let Some(star) = star {
                if let Some(first) = stars.first() {
                    self.report(messages::stated_twice("guide *", *star, first.1));
                    continue;
                }
                stars.push((statement, *star));
                continue;
            }
            self.within(around, |c| {
                let chain = c.loops.current.clone();
                match targets.first().map_or(Some(None), |t| c.ahead(t)) {
                    Some(Some(ahead)) => c.loops.current = Some(ahead),
                    Some(None) => {}
                    None => return,
                }
                let of: Vec<usize> = targets.iter().filter_map(|t| c.guided(t, statement)).collect();
                c.guide(statement, &of, &mut groups);
                c.loops.current = chain;
            });
        }
        for start in std::mem::take(&mut self.loops.starts) {
            let StatementKind::Guide { targets, .. } = &start.kind else { continue };
            if let Some(target) = targets.first() {
                self.report(messages::guide_of_start(&target.name.value, target.span));
            }
        }
        for (statement, star) in stars {
            let StatementKind::Guide { body, .. } = &statement.kind else { continue };
            if self.nuts(statement, body) {
                continue;
            }
            let free: Vec<usize> = self
                .found
                .latents
                .iter()
                .enumerate()
                .filter(|(_, l)| l.guide_span.is_none() && !l.support.is_discrete())
                .map(|(k, _)| k)
                .collect();
            if let GuideBody::Distribution(e) = body
                && let ExprKind::Call { function, arguments } = bare(e).kind.as_ref()
                && fe_distribution::family(&function.value).is_some()
                && (function.value != "Laplace" || !arguments.is_empty())
            {
                self.report(messages::star_family(&function.value, function.span, star));
                continue;
            }
            self.guide(statement, &free, &mut groups);
        }
    }

    /// The latent that a guide names, marked as having one.
    fn guided(&mut self, target: &'a Target, statement: &Statement) -> Option<usize> {
        let name = &target.name;
        let Some(entry) = self.scope.get(&name.value) else {
            if self.said.unknown.insert(name.value.clone()) {
                let near = nearest(&name.value, self.scope.names(|k| k == Kind::Latent));
                self.report(messages::unknown_latent(&name.value, name.span, near));
            }
            return None;
        };
        if entry.kind == Kind::Unknown {
            return None;
        }
        if entry.kind != Kind::Latent {
            self.report(messages::guide_of_other(&name.value, entry.kind, name.span, entry.span));
            return None;
        }
        let at = self.found.latents.iter().position(|l| l.name == name.value)?;
        let latent = self.found.latents.get(at)?;
        if let Some(first) = latent.guide_span {
            self.report(messages::guide_twice(&name.value, name.span, first));
            return None;
        }
        let (axes, declared) = (latent.axes.clone(), latent.span);
        if let Some(latent) = self.found.latents.get_mut(at) {
            latent.guide_span = Some(statement.span);
        }
        let in_loop = target.axes.iter().flatten().any(|e| self.step(e).is_some());
        if in_loop && !self.loops.current.as_ref().is_some_and(|c| axes.contains(&c.axis)) {
            let variable = self.loops.current.as_ref().map(|c| c.variable.clone()).unwrap_or_default();
            self.report(messages::guide_of_other_style(&name.value, target.span, declared, &variable));
            return None;
        }
        if target.axes.is_some() && !in_loop {
            let order: Vec<Axis> = self.target_axes(target)?.iter().map(|a| a.0).collect();
            if order != axes {
                let (given, have) = (self.axis_names(&order), self.axis_names(&axes));
                self.report(messages::guide_axes(&name.value, target.span, &given, &have, declared));
                return None;
            }
        }
        Some(at)
    }

    /// What a statement says of the latents with these numbers.
    fn guide(&mut self, statement: &'a Statement, of: &[usize], groups: &mut usize) {
        let StatementKind::Guide { targets, body, by, .. } = &statement.kind else { return };
        let set = |c: &mut Self, guide: &Guide| {
            for &k in of {
                let support = c.found.latents.get(k).map(|l| l.support);
                let estimator = by.as_ref().zip(support).and_then(|(by, support)| c.estimator(by, support));
                if let Some(latent) = c.found.latents.get_mut(k) {
                    latent.estimator = estimator.or(latent.estimator);
                    latent.guide = guide.clone();
                    latent.guide_span = Some(statement.span);
                }
            }
        };
        match body {
            GuideBody::Word(word) => match word.value.as_str() {
                "point" if !self.all_continuous(of, "point", word.span) => {}
                "point" => set(self, &Guide::Point),
                "prior" => set(self, &Guide::Prior),
                "exact" if !self.all_finite(of, word.span) => {}
                "exact" => set(self, &Guide::Exact(Sees::Everything)),
                other => {
                    let near = nearest(other, ["point", "prior", "exact"]);
                    self.report(messages::guide_word(other, word.span, near));
                }
            },
            GuideBody::Call(e) => match bare(e).kind.as_ref() {
                ExprKind::Call { function, arguments } if function.value == "exact" => {
                    let sees = self.seen(arguments, of);
                    if let Some(sees) = sees.filter(|_| self.all_finite(of, function.span)) {
                        set(self, &Guide::Exact(sees));
                    }
                }
                _ => self.point_at(e, of, statement, targets),
            },
            GuideBody::Distribution(e) => {
                if let (Some((_, span)), Some(first)) = (nuts::called(e), targets.first()) {
                    self.report(messages::nuts_of_some(span, &first.name.value, first.name.span));
                    return;
                }
                if let Some(joint) = self.joint(e, *groups) {
                    if let Ok(guide) = joint
                        && self.suits(&guide, of, e.span)
                    {
                        set(self, &guide);
                        *groups += 1;
                    }
                    return;
                }
                if let [first, second, ..] = targets.as_slice() {
                    self.report(messages::guide_of_several(e.span, first.name.span, second.name.span));
                    return;
                }
                match of {
                    &[k] => self.stated(e, k, statement, targets, by.as_ref()),
                    // Its latent is not known, but mistakes inside are mistakes still.
                    _ => {
                        self.axes_unknown = true;
                        self.distribution(e, &[], None, Role::Guide);
                        self.axes_unknown = false;
                    }
                }
            }
        }
    }

    /// `= point(v)`
    fn point_at(&mut self, e: &'a Expr, of: &[usize], statement: &Statement, targets: &[Target]) {
        let ExprKind::Call { function, arguments } = bare(e).kind.as_ref() else { return };
        let (&[k], "point", [argument]) = (of, function.value.as_str(), arguments.as_slice()) else {
            if function.value != "point" {
                self.report(messages::guide_word(&function.value, function.span, nearest(&function.value, ["point"])));
            } else if !of.is_empty() {
                self.report(messages::point_arguments(e.span));
            }
            return;
        };
        let Some(latent) = self.found.latents.get(k).cloned() else { return };
        if !self.all_continuous(of, "point", function.span) {
            return;
        }
        let axes: Vec<(Axis, Span)> = latent.axes.iter().map(|&a| (a, latent.span)).collect();
        let value =
            self.at_site(format!("{}.guide", latent.name), |c| c.expression(&argument.value, Some(&latent.axes)));
        let place = targets.first().map_or(statement.span, |t| t.name.span);
        let value = self.fit_axes(value, &axes, &latent.name, place);
        if value.poison || self.reads_what_is_not_drawn(&[&value], k) {
            return;
        }
        if let Some(latent) = self.found.latents.get_mut(k) {
            latent.guide = Guide::PointAt(value.node);
        }
    }

    /// Whether a guide over several latents suits them; else an error was reported.
    fn suits(&mut self, guide: &Guide, of: &[usize], span: Span) -> bool {
        if !self.all_continuous(of, guide.word().unwrap_or_default(), span) {
            return false;
        }
        match *guide {
            Guide::Joint { kind: JointKind::LowRank { rank }, .. } => self.rank_is_low(of, rank, span),
            Guide::Joint { kind: JointKind::Laplace, .. } => {
                if let Some(first) = self.found.params.first() {
                    let (name, place) = (first.name.clone(), first.span);
                    self.report(messages::laplace_with_params(span, &name, place));
                }
            }
            Guide::Tridiagonal { .. } => return self.one_chain(of, span),
            _ => {}
        }
        true
    }

    /// `FullRank()`, `LowRank(8)` and so on, as the group of this number; an error was reported where it is one of the others.
    fn joint(&mut self, e: &Expr, group: usize) -> Option<Result<Guide, ()>> {
        let (name, span, arguments) = match bare(e).kind.as_ref() {
            ExprKind::Call { function, arguments } => (function.value.as_str(), function.span, arguments.as_slice()),
            ExprKind::Name(name) if JOINT.contains(&name.as_str()) => {
                self.report(messages::family_without_call(name, e.span));
                return Some(Err(()));
            }
            _ => return None,
        };
        let of = |kind| Guide::Joint { kind, group };
        let guide = match name {
            "FullRank" => of(JointKind::FullRank),
            "MeanField" => of(JointKind::MeanField),
            "Tridiagonal" => Guide::Tridiagonal { group },
            // With arguments it is the distribution.
            "Laplace" if !arguments.is_empty() => return None,
            "Laplace" => of(JointKind::Laplace),
            "LowRank" => {
                let rank = self.size_of_joint(name, span, arguments, ("rank", None));
                return Some(rank.map(|rank| of(JointKind::LowRank { rank })));
            }
            "Flow" => {
                let layers = self.size_of_joint(name, span, arguments, ("layers", Some(LAYERS)));
                return Some(layers.map(|layers| of(JointKind::Flow { layers })));
            }
            other => {
                if fe_distribution::family(other).is_some() {
                    return None;
                }
                let plain = other.to_lowercase().replace('_', "");
                let (_, near) = SYNONYMS.iter().find(|s| s.0 == plain.trim_start_matches("auto"))?;
                self.report(messages::guide_word(other, span, Some(near)));
                return Some(Err(()));
            }
        };
        if let Some(first) = arguments.first() {
            self.report(messages::joint_arguments(name, first.value.span));
            return Some(Err(()));
        }
        Some(Ok(guide))
    }

    /// The one argument of `LowRank(8)` or `Flow(layers = 2)`.
    fn size_of_joint(
        &mut self,
        name: &str,
        span: Span,
        arguments: &[Argument],
        (key, default): (&str, Option<usize>),
    ) -> Result<usize, ()> {
        match (arguments, default) {
            ([], Some(default)) => Ok(default),
            ([one], _) if one.name.as_ref().is_none_or(|n| n.value == key) => {
                let size = self.whole_number(&one.value, &format!("`{key}`"), 1).ok_or(())?;
                if key == "layers" && size > MOST_LAYERS {
                    self.report(messages::too_many_layers(name, one.value.span, MOST_LAYERS));
                    return Err(());
                }
                Ok(size)
            }
            _ => {
                let place = arguments.last().map_or(span, |a| a.value.span);
                self.report(messages::joint_size(name, key, place));
                Err(())
            }
        }
    }

    /// A covariance of full rank has no use for factors.
    fn rank_is_low(&mut self, of: &[usize], rank: usize, span: Span) {
        let extents = |l: &crate::program::Latent| l.axes.iter().map(|a| self.graph.extent_of(a.id)).product::<usize>();
        let dimensions =
            of.iter().filter_map(|&k| self.found.latents.get(k)).map(extents).fold(0, usize::saturating_add);
        if rank >= dimensions && dimensions > 0 {
            self.report(messages::rank_too_high(span, rank, dimensions));
        }
    }

    fn all_continuous(&mut self, of: &[usize], word: &str, span: Span) -> bool {
        let count = of.iter().filter_map(|&k| self.found.latents.get(k)).find(|l| l.support.is_discrete());
        let Some((name, declared)) = count.map(|l| (l.name.clone(), l.span)) else { return true };
        self.report(messages::counts_in_gaussian(word, span, &name, declared));
        false
    }

    /// Whether every value of some latents can be summed over, as an exact guide needs.
    fn all_finite(&mut self, of: &[usize], span: Span) -> bool {
        let finite = |l: &Latent| l.support.is_discrete() && l.support.bounds().1.is_finite();
        let other = of.iter().filter_map(|&k| self.found.latents.get(k)).find(|l| !finite(l));
        let Some((name, declared)) = other.map(|l| (l.name.clone(), l.span)) else { return true };
        self.report(messages::exact_of_infinite(span, &name, declared));
        false
    }

    /// `exact(o, m)`: latents that are declared before those that see them.
    fn seen(&mut self, arguments: &[Argument], of: &[usize]) -> Option<Sees> {
        let mut nodes = vec![];
        for Argument { name: key, value } in arguments {
            let name = match (bare(value).kind.as_ref(), key) {
                (ExprKind::Name(name), None) => name.as_str(),
                _ => "",
            };
            let latent = self.found.latents.iter().position(|l| l.name == name);
            let Some(latent) = latent.filter(|k| !of.contains(k)).and_then(|k| self.found.latents.get(k)) else {
                let near = nearest(name, self.scope.names(|k| k == Kind::Latent)).map(str::to_owned);
                self.report(messages::exact_sees_what(value.span, near.as_deref()));
                return None;
            };
            nodes.push(latent.node);
        }
        Some(Sees::Only(nodes))
    }

    /// Whether latents are steps of one loop, as a tridiagonal guide needs.
    fn one_chain(&mut self, of: &[usize], span: Span) -> bool {
        let latents: Vec<(String, Span, Option<Axis>)> =
            of.iter().filter_map(|&k| self.found.latents.get(k)).map(|l| (l.name.clone(), l.span, l.chain)).collect();
        if let Some((name, declared, _)) = latents.iter().find(|l| l.2.is_none()) {
            self.report(messages::tridiagonal_outside(span, name, *declared));
            return false;
        }
        let Some((first, rest)) = latents.split_first() else { return true };
        if let Some(other) = rest.iter().find(|l| l.2 != first.2) {
            self.report(messages::tridiagonal_of_two(span, (&first.0, first.1), (&other.0, other.1)));
            return false;
        }
        true
    }

    /// `guide z ~ Normal(m, s)`
    fn stated(&mut self, e: &'a Expr, k: usize, statement: &'a Statement, targets: &'a [Target], by: Option<&'a Name>) {
        let Some(latent) = self.found.latents.get(k).cloned() else { return };
        let place = targets.first().map_or(statement.span, |t| t.name.span);
        let axes: Vec<(Axis, Span)> = latent.axes.iter().map(|&a| (a, latent.span)).collect();
        let drawn = self.at_site(format!("{}.guide", latent.name), |c| c.distribution(e, &axes, None, Role::Guide));
        let Some(drawn) = drawn else { return };
        if !self.axes_fit(&drawn, &axes, &latent.name, place) {
            return;
        }
        let family = drawn.distribution.family.name();
        let Some(support) = drawn.support else {
            self.report(messages::moving_support(&latent.name, family, drawn.span));
            return;
        };
        let same_kind = support.is_discrete() == latent.support.is_discrete();
        if !same_kind || !latent.support.contains(support) || drawn.distribution.family.is_improper() {
            let prior = latent.prior.family.name();
            self.report(messages::guide_support(
                &latent.name,
                family,
                drawn.name,
                support,
                prior,
                latent.span,
                latent.support,
            ));
            return;
        }
        let mut distribution = drawn.distribution.clone();
        if self.loops.current.as_ref().is_some_and(|c| c.from < 0) {
            match self.guide_from_start(&latent, place, &drawn.distribution) {
                Some((joined, start)) => {
                    let args: Vec<&Value> = start.args.iter().map(|a| &a.1).collect();
                    let around = self.loops.current.take();
                    let wrong = self.reads_what_is_not_drawn(&args, k);
                    self.loops.current = around;
                    if wrong {
                        return;
                    }
                    distribution = joined;
                }
                None => return,
            }
        }
        if self.reads_what_is_not_drawn(&drawn.args.iter().map(|a| &a.1).collect::<Vec<_>>(), k) {
            return;
        }
        self.variance_warning(&drawn);
        self.overflow_warning(&drawn);
        let estimator = by.and_then(|by| self.estimator(by, latent.support));
        if let Some(latent) = self.found.latents.get_mut(k) {
            latent.estimator = estimator.or(latent.estimator);
            latent.guide = Guide::Stated(distribution);
            latent.guide_span = Some(statement.span);
        }
    }

    /// The guide of a latent written forward, joined with that of its start.
    fn guide_from_start(&mut self, latent: &Latent, place: Span, on: &Distribution) -> Option<(Distribution, Drawn)> {
        let of = |s: &'a Statement| match &s.kind {
            StatementKind::Guide { targets, body: GuideBody::Distribution(e), .. } => {
                targets.first().filter(|t| t.name.value == latent.name).map(|t| (t, e))
            }
            _ => None,
        };
        let Some(at) = self.loops.starts.iter().position(|s| of(s).is_some()) else {
            self.report(messages::guide_without_start(&latent.name, place));
            return None;
        };
        let (target, e) = of(self.loops.starts.remove(at))?;
        let along = self.loops.current.as_ref().map(|c| c.axis);
        let rest: Vec<(Axis, Span)> =
            latent.axes.iter().filter(|a| Some(**a) != along).map(|&a| (a, latent.span)).collect();
        let site = format!("{}.guide.start", latent.name);
        self.distribution_from_start(e, &rest, on, target, site, None, Role::Guide)
    }

    /// Whether a guide reads its own latent, or one that is declared after it; in a loop, other than at earlier positions.
    /// It is reported.
    fn reads_what_is_not_drawn(&mut self, args: &[&Value], k: usize) -> bool {
        let Some(latent) = self.found.latents.get(k).cloned() else { return false };
        let steps = self.loops.current.as_ref().map(|c| (c.axis, c.variable.clone()));
        let longer = self.loops.current.as_ref().and_then(|c| self.loops.longer.iter().find(|l| l.0 == c.whole.id));
        let longer = longer.map(|l| l.1);
        for value in args {
            for other in self.found.latents.iter().skip(k) {
                let reach = match &steps {
                    Some((axis, _)) if other.axes.contains(axis) => self.graph.reach(value.node, other.node, *axis),
                    // What is written ahead, `s[t+1]`, is there at its own position already.
                    Some(_) if longer.is_some_and(|l| other.axes.contains(&l)) => {
                        let along = longer.unwrap_or(Axis::SAMPLE);
                        match self.graph.reach(value.node, other.node, along) {
                            Reach::UpTo(by) => Reach::UpTo(by - 1),
                            other => other,
                        }
                    }
                    _ if self.graph.depends_on(value.node, &HashSet::from([other.node])) => Reach::Anywhere,
                    _ => Reach::Nowhere,
                };
                if reach <= Reach::UpTo(-1) {
                    continue;
                }
                let own = other.name == latent.name;
                let message = match &steps {
                    Some((_, variable)) if own => {
                        messages::guide_reads_itself(&latent.name, value.span, reach, variable)
                    }
                    _ => messages::guide_reads_later(&latent.name, value.span, &other.name, other.span),
                };
                self.report(message);
                return true;
            }
        }
        false
    }

    /// A latent that follows another, or its own past, and that a loss reads, has its guide stated: left alone it would
    /// bend the model's own randomness toward success.
    pub fn losses_need_guides(&mut self) {
        let random: HashSet<NodeId> = self.found.latents.iter().map(|l| l.node).collect();
        let mut found = vec![];
        for latent in &self.found.latents {
            if !matches!(latent.guide, Guide::Default) || latent.guide_span.is_some() {
                continue;
            }
            let follows = latent.prior.args.iter().any(|&a| self.graph.depends_on(a, &random));
            let own = HashSet::from([latent.node]);
            let loss = self.found.losses.iter().find(|l| self.graph.depends_on(l.node, &own));
            if let (true, Some(loss)) = (follows, loss) {
                found.push((latent.name.clone(), latent.span, loss.name.clone(), loss.span));
            }
        }
        for (name, span, loss, place) in found {
            let statement = self.ast.statements.iter().find(|s| s.span == place);
            let place = statement.map_or(place, |s| keyword(s, "loss"));
            self.report(messages::loss_needs_guide(&name, span, &loss, place));
        }
    }
}

/// What others call guides over several latents, in lower case and without `Auto`.
const SYNONYMS: [(&str, &str); 18] = [
    ("fullrank", "FullRank"),
    ("multivariatenormal", "FullRank"),
    ("meanfield", "MeanField"),
    ("diagonalnormal", "MeanField"),
    ("lowrank", "LowRank"),
    ("lowrankmultivariatenormal", "LowRank"),
    ("flow", "Flow"),
    ("normalizingflow", "Flow"),
    ("normalisingflow", "Flow"),
    ("iaf", "Flow"),
    ("iafnormal", "Flow"),
    ("maf", "Flow"),
    ("bnaf", "Flow"),
    ("bnafnormal", "Flow"),
    ("realnvp", "Flow"),
    ("laplaceapproximation", "Laplace"),
    ("tridiagonal", "Tridiagonal"),
    ("banded", "Tridiagonal"),
];
