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

/// A call of a wrapper, and where it stands.
#[derive(Clone, Copy)]
struct Call<'c> {
    arguments: &'c [Argument],
    span: Span,
    /// How it is written.
    usage: &'static str,
    left: &'c [(Axis, Span)],
    categories: Option<AxisId>,
    role: Role,
}

/// The ends of a truncation or a censoring, one at least.
#[derive(Clone, Copy, Default)]
struct Ends<'c> {
    low: Option<&'c Expr>,
    high: Option<&'c Expr>,
}

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
        let call = Call { arguments, span, usage, left, categories, role };
        Some(match name {
            "Mixture" => self.mixture(call),
            "Weighted" => self.weighted(call),
            "Truncated" => self.between(call, Self::truncated),
            _ => self.between(call, Self::censored),
        })
    }

    /// `Mixture(w, D)`: the components of D lie along the last axis of w, and which of them is summed out.
    fn mixture(&mut self, call: Call) -> Option<Drawn> {
        let [shares, of] = call.arguments else { return self.wrong_use(call) };
        let weights = self.expression(&shares.value, None);
        let weights = self.drop_primes(weights);
        if weights.poison {
            return None;
        }
        let along = match weights.axes.last() {
            Some(&(axis, _)) if !call.left.iter().any(|l| l.0 == axis) => axis,
            _ => {
                let have = self.axis_names(&weights.order());
                self.report(messages::no_category_axis("Mixture", "weights", weights.span, &have));
                return None;
            }
        };
        if weights.along != Some(Along::Simplex(along)) && weights.level != crate::value::Level::Data {
            let axis = self.graph.axis_name(along);
            self.report(messages::not_a_simplex("Mixture", "weights", weights.span, &axis, false));
            return None;
        }
        let mut drawn = self.distribution(&of.value, &[(along, shares.value.span)], None, call.role)?;
        if drawn.distribution.family.is_vector() || drawn.distribution.event.is_some() {
            self.report(messages::unwrapped("Mixture", drawn.distribution.family.name(), drawn.span));
            return None;
        }
        drawn.distribution.modify(Modifier::Mixture(along), &[weights.node]);
        drawn.args.push((&SHARES, weights, shares.value.clone()));
        Some(Drawn { span: call.span, ..drawn })
    }

    /// `Weighted(D, w)`: w copies of each observation.
    fn weighted(&mut self, call: Call) -> Option<Drawn> {
        let [of, weight] = call.arguments else { return self.wrong_use(call) };
        if call.role != Role::Likelihood {
            self.report(messages::only_a_likelihood("Weighted", call.span));
            return None;
        }
        let mut drawn = self.distribution(&of.value, call.left, call.categories, call.role)?;
        let order: Vec<Axis> = call.left.iter().map(|a| a.0).collect();
        let value = self.expression(&weight.value, Some(&order));
        if value.poison || !self.argument_fits(drawn.distribution.family, &WEIGHT, &value, &weight.value) {
            return None;
        }
        drawn.distribution.modify(Modifier::Weighted, &[value.node]);
        drawn.args.push((&WEIGHT, value, weight.value.clone()));
        Some(Drawn { span: call.span, ..drawn })
    }

    /// `Truncated` and `Censored`: a distribution and one end or two.
    fn between<'c>(
        &mut self,
        call: Call<'c>,
        cut: fn(&mut Self, Drawn, Ends<'c>, Call<'c>) -> Option<Drawn>,
    ) -> Option<Drawn> {
        let Some((of, given)) = call.arguments.split_first() else { return self.wrong_use(call) };
        let mut ends = Ends::default();
        for (k, end) in given.iter().enumerate() {
            let slot = match (&end.name, k) {
                (Some(name), _) if name.value == "low" => &mut ends.low,
                (Some(name), _) if name.value == "high" => &mut ends.high,
                (None, 0) => &mut ends.low,
                (None, 1) => &mut ends.high,
                _ => return self.wrong_use(call),
            };
            if slot.replace(&end.value).is_some() {
                return self.wrong_use(call);
            }
        }
        if (ends.low.is_none() && ends.high.is_none()) || of.name.is_some() {
            return self.wrong_use(call);
        }
        let drawn = self.distribution(&of.value, call.left, call.categories, call.role)?;
        Some(Drawn { span: call.span, ..cut(self, drawn, ends, call)? })
    }

    /// What lies outside has no density, and what lies inside is normalised. Of latents the ends are numbers, so that their
    /// support is known.
    fn truncated(&mut self, mut drawn: Drawn, ends: Ends, call: Call) -> Option<Drawn> {
        if call.role == Role::Likelihood && !self.cuts_by_numbers(&drawn, ends) {
            return self.truncated_data(drawn, ends, call);
        }
        let mut end = |e: Option<&Expr>, otherwise: f64| match e {
            Some(e) => self.plain_number(e, "an end of a truncation"),
            None => Some(otherwise),
        };
        let (a, b) = (end(ends.low, f64::NEG_INFINITY)?, end(ends.high, f64::INFINITY)?);
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
    fn cuts_by_numbers(&self, drawn: &Drawn, ends: Ends) -> bool {
        let number = |e: &Expr| match bare(e).kind.as_ref() {
            ExprKind::Number { .. } => true,
            ExprKind::Unary { operand, .. } => matches!(bare(operand).kind.as_ref(), ExprKind::Number { .. }),
            ExprKind::Name(name) => self.scope.get(name).is_some_and(|entry| entry.kind == Kind::Const),
            _ => false,
        };
        let continuous = drawn.support.is_some_and(|s| !s.is_discrete());
        continuous && drawn.distribution.modifiers.is_empty() && [ends.low, ends.high].into_iter().flatten().all(number)
    }

    /// A truncation of a likelihood, whose ends may be anything.
    fn truncated_data(&mut self, mut drawn: Drawn, ends: Ends, call: Call) -> Option<Drawn> {
        let values = self.values_of(ends, call)?;
        let cut = match (ends.low, ends.high) {
            (Some(_), None) => Cut::Below,
            (None, _) => Cut::Above,
            (Some(_), Some(_)) => Cut::Both,
        };
        let nodes: Vec<NodeId> = values.iter().map(|(_, value, _)| value.node).collect();
        let censored = |m: &Modifier| matches!(m, Modifier::CensoredBelow | Modifier::CensoredAbove);
        if !self.takes_ends("Truncated", &drawn, &nodes, censored) {
            return None;
        }
        drawn.distribution.modify(Modifier::Truncated(cut), &nodes);
        drawn.args.extend(values.into_iter().map(|(_, value, e)| (&LIMIT, value, e.clone())));
        Some(drawn)
    }

    /// The ends that are given, each with what it is to a censoring, and its value.
    fn values_of<'c>(&mut self, ends: Ends<'c>, call: Call) -> Option<Vec<(Modifier, Value, &'c Expr)>> {
        let order: Vec<Axis> = call.left.iter().map(|a| a.0).collect();
        let mut values = vec![];
        for (end, modifier) in [(ends.low, Modifier::CensoredBelow), (ends.high, Modifier::CensoredAbove)] {
            let Some(e) = end else { continue };
            let value = self.expression(e, Some(&order));
            if value.poison {
                return None;
            }
            values.push((modifier, value, e));
        }
        Some(values)
    }

    /// Whether a likelihood can be cut at these ends, within what else was made of it; else an error was reported.
    fn takes_ends(&mut self, name: &str, drawn: &Drawn, ends: &[NodeId], within: fn(&Modifier) -> bool) -> bool {
        let d = &drawn.distribution;
        let fits = d.modifiers.iter().all(within) && d.restricted.is_none() && self.knows_shares(drawn, ends);
        if !fits {
            self.report(messages::unwrapped(name, d.family.name(), drawn.span));
        }
        fits
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
    fn censored(&mut self, mut drawn: Drawn, ends: Ends, call: Call) -> Option<Drawn> {
        if call.role != Role::Likelihood {
            self.report(messages::only_a_likelihood("Censored", drawn.span));
            return None;
        }
        self.restriction_as_ends(&mut drawn);
        let values = self.values_of(ends, call)?;
        let nodes: Vec<NodeId> = values.iter().map(|(_, value, _)| value.node).collect();
        if !self.takes_ends("Censored", &drawn, &nodes, |m| matches!(m, Modifier::Truncated(_))) {
            return None;
        }
        for (modifier, value, e) in values {
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

    fn wrong_use(&mut self, call: Call) -> Option<Drawn> {
        self.report(messages::wrapper_usage(call.span, call.usage));
        None
    }
}
