//! Data with gaps that something else than their likelihood reads: each gap is then a latent, whose prior is that likelihood.

use fe_distribution::Distribution;
use fe_graph::Axis;
use fe_syntax::Span;
use fe_syntax::ast::{Expr, StatementKind, Target};

use crate::checker::{Checker, Inlining};
use crate::distributions::Drawn;
use crate::guide::Guide;
use crate::kind::{Kind, Role};
use crate::program::Latent;
use crate::range::Range;
use crate::reads::expression_reads;
use crate::value::{Level, Value};

impl<'a> Checker<'a> {
    /// The data with a latent in the place of each gap; `None` where their likelihood is not known yet, or is none whose elements
    /// could be inferred one by one.
    pub(crate) fn imputed(&mut self, value: &Value, name: &str, span: Span) -> Option<Value> {
        let filled = match self.imputed.get(name) {
            Some(known) => known.clone(),
            None => self.impute(value, name)?,
        };
        let mut filled = Value { span, ..filled };
        filled.axes.iter_mut().for_each(|a| a.1 = span);
        Some(filled)
    }

    fn impute(&mut self, value: &Value, name: &str) -> Option<Value> {
        let (target, distribution) = self.likelihood_of(name)?;
        let mut reads = vec![];
        expression_reads(distribution, &mut reads);
        let ready = |read: &&str| *read != name && (self.values.contains_key(read) || !self.waits_for(read));
        let taken = self.scope.get(&format!("{name}_missing")).is_some();
        if taken || self.loops.current.is_some() || !reads.iter().map(|r| r.0).collect::<Vec<_>>().iter().all(ready) {
            return None;
        }
        let drawn = self.likelihood(target, distribution, &value.axes, value.index)?;
        let Drawn { distribution: d, support, .. } = &drawn;
        let single = d.modifiers.is_empty() && d.restricted.is_none() && d.event.is_none() && !d.family.is_of_data();
        let support = support.filter(|s| single && !s.is_discrete() && s.rank() == 0)?;
        let axes = value.order();
        if d.args.iter().any(|&a| self.graph.axes_of(a).iter().any(|x| !axes.contains(x))) {
            return None;
        }
        let prior = Distribution::clone(d);
        let own = format!("{name}_missing");
        let (input, node) = self.graph.input(&own, &axes);
        self.found.latents.push(Latent {
            name: own,
            input,
            node,
            chain: None,
            axes,
            support,
            prior,
            guide: Guide::Default,
            centred: false,
            in_guide: false,
            estimator: None,
            span: target.name.span,
            guide_span: None,
            fills: self.found.data.iter().find(|d| d.name == name).map(|d| d.input),
        });
        let there = self.graph.equal(value.node, value.node);
        let whole = self.graph.select(there, value.node, node);
        let range = value.range.hull(Range::interior(support));
        let filled = Value { level: Level::Random, ..value.derived(whole, range, value.span) };
        self.imputed.insert(name.to_owned(), filled.clone());
        Some(filled)
    }

    /// The likelihood that a program states of whole data, outside of loops.
    fn likelihood_of(&self, name: &str) -> Option<(&'a Target, &'a Expr)> {
        self.ast.statements.iter().find_map(|s| match &s.kind {
            StatementKind::Observe { target, distribution } if target.name.value == name && target.axes.is_none() => {
                Some((target, distribution))
            }
            _ => None,
        })
    }

    /// Whether a name has a value that is not there yet.
    fn waits_for(&self, name: &str) -> bool {
        let valued = [Kind::Const, Kind::Data, Kind::Param, Kind::Let, Kind::Latent, Kind::Loss];
        self.scope.get(name).is_some_and(|e| valued.contains(&e.kind))
    }

    /// The distribution of a likelihood, understood once.
    pub(crate) fn likelihood(
        &mut self,
        target: &'a Target,
        distribution: &'a Expr,
        left: &[(Axis, Span)],
        categories: Option<fe_graph::AxisId>,
    ) -> Option<Drawn> {
        let name = target.name.value.as_str();
        if let Some(known) = self.likelihoods.get(name) {
            return Some(known.clone());
        }
        // What a function around it is called with is none of its own.
        let inlined = self.inlining.inlined;
        let around = std::mem::replace(&mut self.inlining, Inlining { inlined, ..Inlining::default() });
        let drawn = self
            .at_site(format!("{name}.observe"), |c| c.distribution(distribution, left, categories, Role::Likelihood));
        self.inlining = Inlining { inlined: self.inlining.inlined, ..around };
        if let Some(drawn) = &drawn {
            self.likelihoods.insert(name, drawn.clone());
        }
        drawn
    }
}
