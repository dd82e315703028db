//! Distributions made of another one: `Truncated(D, low, high)`, `Censored(D, low, high)`, `Mixture(w, D)`,
//! `Weighted(D, w)`.

use fe_distribution::{Cut, Modifier, Parameter, Support};
use fe_graph::{Axis, AxisId, NodeId};
use fe_syntax::Span;
use fe_syntax::ast::{Argument, Expr, ExprKind, Name};

use crate::checker::Checker;
use crate::distributions::Drawn;
use crate::kind::{Kind, Role};
use crate::messages;
use crate::reads::bare;
use crate::value::{Along, Value};

/// How each is written.
pub(crate) const WRAPPERS: [(&str, &str); 4] = [
    ("Truncated", "Truncated(Normal(m, s), low = 0, high = 10)"),
    ("Censored", "Censored(Normal(m, s), low = 0, high = limit)"),
    ("Mixture", "Mixture(w, Normal(m, s))"),
    ("Weighted", "Weighted(Normal(m, s), w)"),
];

static LIMIT: Parameter = Parameter::new("limit", Support::Real);
static WEIGHT: Parameter = Parameter::new("weight", Support::Positive);
static SHARES: Parameter = Parameter::new("weights", Support::Simplex);

impl<'a> Checker<'a> {
    /// What a call of one of these draws from; `None` for any other name.
    pub fn wrapper(
        &mut self,
        call: (&Name, &[Argument], Span),
        left: &[(Axis, Span)],
        categories: Option<AxisId>,
        role: Role,
    ) -> Option<Option<Drawn>> {
        let (function, arguments, span) = call;
        let (name, usage) = *WRAPPERS.iter().find(|w| w.0 == function.value)?;
        Some(match name {
            "Mixture" => self.mixture(arguments, left, span, role, usage),
            "Weighted" => self.weighted(arguments, left, categories, span, role, usage),
            _ => self.between(name, arguments, left, categories, span, role, usage),
        })
    }

    /// `Mixture(w, D)`: the components of D lie along the last axis of w, and which of them is summed out.
    fn mixture(
        &mut self,
        arguments: &[Argument],
        left: &[(Axis, Span)],
        span: Span,
        role: Role,
        usage: &str,
    ) -> Option<Drawn> {
        let [shares, of] = arguments else { return self.wrong_use(span, usage) };
        let weights = self.expression(&shares.value, None);
        let weights = self.drop_primes(weights);
        if weights.poison {
            return None;
        }
        let along = match weights.axes.last() {
            Some(&(axis, _)) if !left.iter().any(|l| l.0 == axis) => axis,
            _ => {
                let have = self.axis_names(&weights.order());
                self.report(messages::no_category_axis("Mixture", "weights", weights.span, &have));
                return None;
            }
        };
        if weights.along != Some(Along::Simplex(along)) && weights.level != crate::value::Level::Data {
            let axis = self.graph.axis_name(along);
            self.report(messages::not_a_simplex("Mixture", "weights", weights.span, &axis));
            return None;
        }
        let mut drawn = self.distribution(&of.value, &[(along, shares.value.span)], None, role)?;
        if drawn.distribution.family.is_vector() || drawn.distribution.event.is_some() {
            self.report(messages::unwrapped("Mixture", drawn.distribution.family.name(), drawn.span));
            return None;
        }
        drawn.distribution.modify(Modifier::Mixture(along), &[weights.node]);
        drawn.args.push((&SHARES, weights, shares.value.clone()));
        Some(Drawn { span, ..drawn })
    }

    /// `Weighted(D, w)`: w copies of each observation.
    fn weighted(
        &mut self,
        arguments: &[Argument],
        left: &[(Axis, Span)],
        categories: Option<AxisId>,
        span: Span,
        role: Role,
        usage: &str,
    ) -> Option<Drawn> {
        let [of, weight] = arguments else { return self.wrong_use(span, usage) };
        if role != Role::Likelihood {
            self.report(messages::only_a_likelihood("Weighted", span));
            return None;
        }
        let mut drawn = self.distribution(&of.value, left, categories, role)?;
        let order: Vec<Axis> = left.iter().map(|a| a.0).collect();
        let value = self.expression(&weight.value, Some(&order));
        if value.poison || !self.argument_fits(drawn.distribution.family, &WEIGHT, &value, &weight.value) {
            return None;
        }
        drawn.distribution.modify(Modifier::Weighted, &[value.node]);
        drawn.args.push((&WEIGHT, value, weight.value.clone()));
        Some(Drawn { span, ..drawn })
    }

    /// `Truncated` and `Censored`: a distribution and one end or two.
    #[allow(clippy::too_many_arguments)]
    fn between(
        &mut self,
        name: &str,
        arguments: &[Argument],
        left: &[(Axis, Span)],
        categories: Option<AxisId>,
        span: Span,
        role: Role,
        usage: &str,
    ) -> Option<Drawn> {
        let Some((of, ends)) = arguments.split_first() else { return self.wrong_use(span, usage) };
        let (mut low, mut high): (Option<&Expr>, Option<&Expr>) = (None, None);
        for (k, end) in ends.iter().enumerate() {
            let slot = match (&end.name, k) {
                (Some(name), _) if name.value == "low" => &mut low,
                (Some(name), _) if name.value == "high" => &mut high,
                (None, 0) => &mut low,
                (None, 1) => &mut high,
                _ => return self.wrong_use(span, usage),
            };
            if slot.replace(&end.value).is_some() {
                return self.wrong_use(span, usage);
            }
        }
        if (low.is_none() && high.is_none()) || of.name.is_some() {
            return self.wrong_use(span, usage);
        }
        let drawn = self.distribution(&of.value, left, categories, role)?;
        let drawn = if name == "Truncated" {
            self.truncated(drawn, low, high, left, role)
        } else {
            self.censored(drawn, low, high, left, role)
        };
        Some(Drawn { span, ..drawn? })
    }

    /// What lies outside has no density, and what lies inside is normalised. Of latents the ends are numbers, so that their
    /// support is known.
    fn truncated(
        &mut self,
        mut drawn: Drawn,
        low: Option<&Expr>,
        high: Option<&Expr>,
        left: &[(Axis, Span)],
        role: Role,
    ) -> Option<Drawn> {
        if role == Role::Likelihood && !self.cuts_by_numbers(&drawn, [low, high]) {
            return self.truncated_data(drawn, low, high, left);
        }
        let mut end = |e: Option<&Expr>, otherwise: f64| match e {
            Some(e) => self.plain_number(e, "an end of a truncation"),
            None => Some(otherwise),
        };
        let (a, b) = (end(low, f64::NEG_INFINITY)?, end(high, f64::INFINITY)?);
        if a >= b {
            self.report(messages::empty_range(drawn.span, a, b));
            return None;
        }
        let to = Support::between(a, b);
        let d = &mut drawn.distribution;
        let discrete = drawn.support.is_none_or(Support::is_discrete);
        if discrete || d.event.is_some() || !d.modifiers.is_empty() || d.restricted.is_some() {
            self.report(messages::unwrapped("Truncated", d.family.name(), drawn.span));
            return None;
        }
        d.restricted = Some(to);
        drawn.support = d.support(&self.graph);
        if drawn.support.is_none() || !d.can_restrict(&self.graph, to) {
            self.report(messages::unwrapped("Truncated", d.family.name(), drawn.span));
            return None;
        }
        Some(drawn)
    }

    /// Whether a truncation is a restriction to a range of real numbers, which data are held to while loading.
    fn cuts_by_numbers(&self, drawn: &Drawn, ends: [Option<&Expr>; 2]) -> bool {
        let number = |e: &Expr| match bare(e).kind.as_ref() {
            ExprKind::Number { .. } => true,
            ExprKind::Unary { operand, .. } => matches!(bare(operand).kind.as_ref(), ExprKind::Number { .. }),
            ExprKind::Name(name) => self.scope.get(name).is_some_and(|entry| entry.kind == Kind::Const),
            _ => false,
        };
        let continuous = drawn.support.is_some_and(|s| !s.is_discrete());
        continuous && drawn.distribution.modifiers.is_empty() && ends.iter().flatten().all(|e| number(e))
    }

    /// A truncation of a likelihood, whose ends may be anything.
    fn truncated_data(
        &mut self,
        mut drawn: Drawn,
        low: Option<&Expr>,
        high: Option<&Expr>,
        left: &[(Axis, Span)],
    ) -> Option<Drawn> {
        let order: Vec<Axis> = left.iter().map(|a| a.0).collect();
        let mut ends: Vec<(Value, &Expr)> = vec![];
        for e in [low, high].into_iter().flatten() {
            let value = self.expression(e, Some(&order));
            if value.poison {
                return None;
            }
            ends.push((value, e));
        }
        let cut = match (low, high) {
            (Some(_), None) => Cut::Below,
            (None, _) => Cut::Above,
            (Some(_), Some(_)) => Cut::Both,
        };
        let nodes: Vec<NodeId> = ends.iter().map(|(value, _)| value.node).collect();
        let d = &drawn.distribution;
        let censored = |m: &Modifier| matches!(m, Modifier::CensoredBelow | Modifier::CensoredAbove);
        if !d.modifiers.iter().all(censored) || d.restricted.is_some() || !self.knows_shares(&drawn, &nodes) {
            self.report(messages::unwrapped("Truncated", d.family.name(), drawn.span));
            return None;
        }
        drawn.distribution.modify(Modifier::Truncated(cut), &nodes);
        drawn.args.extend(ends.into_iter().map(|(value, e)| (&LIMIT, value, e.clone())));
        Some(drawn)
    }

    /// Whether the shares of a distribution on either side of these ends are known.
    fn knows_shares(&self, drawn: &Drawn, ends: &[NodeId]) -> bool {
        let d = &drawn.distribution;
        // Tried on a copy, so that no nodes are left behind.
        let mut scratch = self.graph.clone();
        let known = |&end: &NodeId| {
            let end = if drawn.support.is_some_and(Support::is_discrete) { scratch.shift(end, -1.0) } else { end };
            d.family.log_cdf(&mut scratch, end, d.own_args()).is_some()
        };
        d.event.is_none() && ends.iter().all(known)
    }

    /// What lies at an end may lie beyond it.
    fn censored(
        &mut self,
        mut drawn: Drawn,
        low: Option<&Expr>,
        high: Option<&Expr>,
        left: &[(Axis, Span)],
        role: Role,
    ) -> Option<Drawn> {
        if role != Role::Likelihood {
            self.report(messages::only_a_likelihood("Censored", drawn.span));
            return None;
        }
        self.restriction_as_ends(&mut drawn);
        let order: Vec<Axis> = left.iter().map(|a| a.0).collect();
        let mut ends: Vec<(Modifier, Value, &Expr)> = vec![];
        for (end, modifier) in [(low, Modifier::CensoredBelow), (high, Modifier::CensoredAbove)] {
            let Some(e) = end else { continue };
            let value: Value = self.expression(e, Some(&order));
            if value.poison {
                return None;
            }
            ends.push((modifier, value, e));
        }
        let nodes: Vec<NodeId> = ends.iter().map(|(_, value, _)| value.node).collect();
        let d = &drawn.distribution;
        let cut = |m: &Modifier| matches!(m, Modifier::Truncated(_));
        if !d.modifiers.iter().all(cut) || d.restricted.is_some() || !self.knows_shares(&drawn, &nodes) {
            self.report(messages::unwrapped("Censored", d.family.name(), drawn.span));
            return None;
        }
        for (modifier, value, e) in ends {
            drawn.distribution.modify(modifier, &[value.node]);
            drawn.args.push((&LIMIT, value, e.clone()));
        }
        Some(drawn)
    }

    /// A truncation between numbers as one between ends, so that what lies beyond a limit within it is known.
    fn restriction_as_ends(&mut self, drawn: &mut Drawn) {
        let Some(to) = drawn.distribution.restricted.take_if(|to| to.rank() == 0) else { return };
        let (low, high) = to.bounds();
        let ends: Vec<NodeId> =
            [low, high].into_iter().filter(|end| end.is_finite()).map(|end| self.graph.constant(end)).collect();
        let cut = match (low.is_finite(), high.is_finite()) {
            (true, true) => Cut::Both,
            (true, false) => Cut::Below,
            (false, true) => Cut::Above,
            (false, false) => return,
        };
        drawn.distribution.modify(Modifier::Truncated(cut), &ends);
    }

    fn wrong_use(&mut self, span: Span, usage: &str) -> Option<Drawn> {
        self.report(messages::wrapper_usage(span, usage));
        None
    }
}
