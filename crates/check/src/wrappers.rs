//! Distributions made of another one: `Truncated(D, low, high)`, `Censored(D, low, high)`, `Mixture(w, D)`,
//! `Weighted(D, w)`.

use fe_distribution::{Modifier, Parameter, Support};
use fe_graph::{Axis, AxisId};
use fe_syntax::Span;
use fe_syntax::ast::{Argument, Expr, Name};

use crate::checker::Checker;
use crate::distributions::Drawn;
use crate::kind::Role;
use crate::messages;
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
            self.truncated(drawn, low, high)
        } else {
            self.censored(drawn, low, high, left, role)
        };
        Some(Drawn { span, ..drawn? })
    }

    /// What lies outside has no density, and what lies inside is normalised.
    fn truncated(&mut self, mut drawn: Drawn, low: Option<&Expr>, high: Option<&Expr>) -> Option<Drawn> {
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
        let d = &drawn.distribution;
        // Tried on a copy, so that no nodes are left behind.
        let mut scratch = self.graph.clone();
        let zero = scratch.constant(0.0);
        let known = d.family.log_cdf(&mut scratch, zero, d.own_args()).is_some();
        if !known || d.event.is_some() || !d.modifiers.is_empty() || d.restricted.is_some() {
            self.report(messages::unwrapped("Censored", d.family.name(), drawn.span));
            return None;
        }
        let order: Vec<Axis> = left.iter().map(|a| a.0).collect();
        for (end, modifier) in [(low, Modifier::CensoredBelow), (high, Modifier::CensoredAbove)] {
            let Some(e) = end else { continue };
            let value: Value = self.expression(e, Some(&order));
            if value.poison {
                return None;
            }
            drawn.distribution.modify(modifier, &[value.node]);
            drawn.args.push((&LIMIT, value, e.clone()));
        }
        Some(drawn)
    }

    fn wrong_use(&mut self, span: Span, usage: &str) -> Option<Drawn> {
        self.report(messages::wrapper_usage(span, usage));
        None
    }
}
