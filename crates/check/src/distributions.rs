//! Calls of families: which parameterization, whether each argument suits it, and over which axes.

use fe_distribution::{Alternative, Distribution, Family, Parameter, Support};
use fe_graph::{Axis, AxisId, Binary, Op};
use fe_syntax::Span;
use fe_syntax::ast::{Argument, BinaryOperator, Expr, ExprKind, Name};

use crate::checker::Checker;
use crate::cutpoints::parted;
use crate::expression::DEEPEST;
use crate::kind::{Kind, Role};
use crate::messages;
use crate::polynomial;
use crate::reads::{bare, parts};
use crate::scope::nearest;
use crate::text::written;
use crate::value::{Along, Level, Value};
use crate::wrappers::WRAPPERS;

/// Families that are planned.
const LATER: [&str; 1] = ["halfstudentt"];

/// Distributions of other languages that are written out here, and how.
const WRITTEN_OUT: [(&[&str], &str); 4] = [
    (
        &["gaussianprocess", "gp", "latentgp", "marginalgp"],
        "a Gaussian process is a `MultivariateNormal(0, K)` with a covariance over its points, `let K[N, N'] = size^2 * exp(-0.5 * \
         (t[N] - t[N'])^2 / reach^2) + 0.001 * eye(N)`",
    ),
    (
        &["gaussianrandomwalk", "randomwalk", "ar", "autoregressive"],
        "a walk is a loop, `for t in T { latent x[t] ~ Normal(if t == 0 then 0 else x[t-1], s) }`",
    ),
    (
        &["hmm", "hiddenmarkovmodel", "discretehmm", "markovchain", "discretemarkovchain"],
        "a chain of states is a loop, `for t in T { latent s[t] : index(K) ~ Categorical(if t == 0 then start else P[s[t-1]]) }`, \
         which is summed out",
    ),
    (
        &["deterministic", "delta", "dirac", "pointmass"],
        "what follows from other values is a `let`, as in `let a = b + c`",
    ),
];

/// Argument names of other languages, and ours.
const ARGUMENT_SYNONYMS: [(&str, &[&str]); 20] = [
    ("mu", &["mean", "location"]),
    ("loc", &["mean", "location"]),
    ("m", &["mean", "location"]),
    ("sigma", &["sd", "scale"]),
    ("scale", &["sd", "scale"]),
    ("std", &["sd", "scale"]),
    ("stddev", &["sd", "scale"]),
    ("sd", &["sd", "scale"]),
    ("tau", &["precision"]),
    ("var", &["variance"]),
    ("lam", &["rate"]),
    ("lambda", &["rate"]),
    ("beta", &["rate", "b", "scale"]),
    ("alpha", &["shape", "a"]),
    ("nu", &["df"]),
    ("p", &["prob", "probs"]),
    ("logit", &["logits"]),
    ("n", &["trials"]),
    ("phi", &["shape"]),
    ("kappa", &["concentration"]),
];

/// A distribution with what is known of its call.
#[derive(Clone, Debug)]
pub(crate) struct Drawn {
    pub distribution: Distribution,
    /// The arguments as given, for messages and warnings.
    pub args: Vec<(&'static Parameter, Value, Expr)>,
    /// Its support before any restriction, where it is known.
    pub support: Option<Support>,
    /// The family's name in the text.
    pub name: Span,
    /// The whole call.
    pub span: Span,
}

impl<'a> Checker<'a> {
    /// The distribution that an expression calls, `None` where something is wrong with it, which is then said.
    /// `categories` is the axis that an `index(J)` on the left counts along.
    pub fn distribution(
        &mut self,
        e: &Expr,
        left: &[(Axis, Span)],
        categories: Option<AxisId>,
        role: Role,
    ) -> Option<Drawn> {
        if self.inlining.depth >= DEEPEST {
            self.report(messages::too_deep(e.span));
            return None;
        }
        self.inlining.depth += 1;
        let before = self.enter(e.span);
        let drawn = match self.inlined_distribution(e, left, categories, role) {
            Some(drawn) => drawn,
            None => self.distribution_within(e, left, categories, role),
        };
        self.leave(before);
        self.inlining.depth -= 1;
        drawn
    }

    fn distribution_within(
        &mut self,
        e: &Expr,
        left: &[(Axis, Span)],
        categories: Option<AxisId>,
        role: Role,
    ) -> Option<Drawn> {
        let (function, arguments) = self.call_of_family(e, role)?;
        if let Some(drawn) = self.wrapper((&function, arguments, e.span), left, categories, role) {
            return drawn;
        }
        let Some(family) = self.family(&function) else {
            // Mistakes inside the arguments are mistakes of their own.
            for argument in arguments {
                let value = &argument.value;
                if !matches!(bare(value).kind.as_ref(), ExprKind::List(_) | ExprKind::Text(_)) && !calls_a_family(value)
                {
                    self.expression(&argument.value, None);
                }
            }
            return None;
        };
        if family.is_of_data() && role != Role::Likelihood {
            self.report(messages::only_a_likelihood(family.name(), e.span));
            return None;
        }
        let order: Vec<Axis> = left.iter().map(|a| a.0).collect();
        // A list of probabilities is along the categories, one of cutpoints by itself; any other, along the left side's axes.
        let list: Vec<Axis> = match family.category_axis_argument() {
            Some(_) if !parted(family) => categories.map(Axis::plain).into_iter().collect(),
            _ => order.clone(),
        };
        let cutpoints: Vec<Option<Axis>> =
            arguments.iter().enumerate().map(|(k, a)| self.cutpoint_axis(family, k, a)).collect();
        let hint = |e: &Expr| match bare(e).kind.as_ref() {
            // A plain list is along the axis of the vector, whatever axes stand before it.
            ExprKind::List(items) if family.is_vector() && !family.is_matrix() && flat(items) => {
                list.last().map(std::slice::from_ref)
            }
            _ => (!list.is_empty()).then_some(list.as_slice()),
        };
        let values: Vec<Value> = arguments
            .iter()
            .zip(&cutpoints)
            .map(|(a, own)| self.expression(&a.value, own.as_ref().map(std::slice::from_ref).or(hint(&a.value))))
            .collect();
        let chosen = self.parameterization(family, &function, arguments, e.span)?;
        let mut args: Vec<(&'static Parameter, Value, Expr)> = vec![];
        let mut good = true;
        for (parameter, slot) in chosen.parameters.iter().zip(&chosen.slots) {
            let (value, written) = match slot.and_then(|k| Some((values.get(k)?, arguments.get(k)?))) {
                Some((value, argument)) => (self.drop_primes(value.clone()), argument.value.clone()),
                None => {
                    let number = parameter.default.unwrap_or(0.0);
                    (self.literal(number, None, e.span), e.clone())
                }
            };
            let value = if family.category_axis_argument() == Some(args.len()) {
                categories_last(value, &order)
            } else {
                value
            };
            good &= !value.poison && self.argument_fits(family, parameter, &value, &written);
            args.push((parameter, value, written));
        }
        if !good {
            return None;
        }
        let event = self.event_of(family, &args, &order, e.span)?;
        let nodes: Vec<_> = args.iter().map(|a| a.1.node).collect();
        let nodes = match chosen.alternative {
            Some(alternative) => (alternative.canonical)(&mut self.graph, &nodes),
            None => nodes,
        };
        let mut distribution = Distribution::new(family, nodes);
        distribution.event = event;
        let support = distribution.support(&self.graph);
        if let (true, None, &[low, high]) = (family.lies_between_arguments(), support, distribution.args.as_slice())
            && let (Some(low), Some(high)) = (self.graph.constant_value(low), self.graph.constant_value(high))
        {
            self.report(messages::uniform_ends(e.span, low, high));
            return None;
        }
        Some(Drawn { distribution, args, support, name: function.span, span: e.span })
    }

    /// The call that a distribution is; what else stands there is reported.
    fn call_of_family<'e>(&mut self, e: &'e Expr, role: Role) -> Option<(Name, &'e [Argument])> {
        match bare(e).kind.as_ref() {
            ExprKind::Call { function, arguments } => return Some((function.clone(), arguments)),
            ExprKind::Name(name) if fe_distribution::family(name).is_some() => {
                self.report(messages::family_without_call(name, e.span));
            }
            ExprKind::Error => self.said.incomplete = true,
            // Names of a formula stand for no values.
            ExprKind::Binary { .. }
                if role == Role::Likelihood && self.inlining.locals.is_empty() && !calls_a_family(e) =>
            {
                self.report(messages::formula(e.span));
            }
            _ => {
                let value = self.expression(e, None);
                if !value.poison {
                    self.report(messages::not_a_distribution(e.span, role));
                }
            }
        }
        None
    }

    /// The axis of categories, of a vector or of a matrix' rows, where the family has one; `None` where one is due and
    /// none is there, which is reported.
    fn event_of(
        &mut self,
        family: &'static dyn Family,
        args: &[(&'static Parameter, Value, Expr)],
        order: &[Axis],
        span: Span,
    ) -> Option<Option<Axis>> {
        let event = match family.category_axis_argument().and_then(|k| args.get(k)) {
            Some((parameter, value, _)) => match value.axes.last() {
                Some(&(axis, _)) if !order.contains(&axis) => Some(axis),
                _ => {
                    let have = self.axis_names(&value.order());
                    self.report(messages::no_category_axis(family.name(), parameter.name, value.span, &have));
                    return None;
                }
            },
            None if family.is_matrix() => match order {
                [.., row, column] if row.primed() == *column => Some(*row),
                _ if self.axes_unknown => None,
                _ => {
                    let have = self.axis_names(order);
                    self.report(messages::matrix_without_axes(family.name(), span, &have));
                    return None;
                }
            },
            None if family.is_vector() => match order.last() {
                Some(&axis) => Some(axis),
                None if self.axes_unknown => None,
                None => {
                    self.report(messages::vector_without_axis(family.name(), span));
                    return None;
                }
            },
            None => None,
        };
        if let (true, Some(event)) = (family.is_matrix(), event) {
            let size = self.graph.extent_of(event.id);
            let df = args.iter().find(|a| a.0.name == "df");
            let known = df.and_then(|a| Some((self.graph.constant_value(a.1.node)?, a.1.span)));
            if let Some((df, place)) = known.filter(|k| k.0 <= size as f64 - 1.0) {
                self.report(messages::few_degrees_of_freedom(family.name(), place, df, size));
                return None;
            }
        }
        Some(event)
    }

    /// The family of a name.
    fn family(&mut self, function: &Name) -> Option<&'static dyn Family> {
        let name = function.value.as_str();
        let span = function.span;
        if let Some(family) = fe_distribution::family(name) {
            return Some(family);
        }
        if crate::guide::JOINT.contains(&name) {
            self.report(messages::guide_word_as_distribution(name, span));
            return None;
        }
        if let Some(entry) = self.scope.get(name) {
            if entry.kind != Kind::Unknown {
                let synonym = fe_distribution::called_elsewhere(&name.to_lowercase()).map(|f| f.name());
                self.report(messages::value_as_distribution(name, entry.kind, span, entry.span, synonym));
            }
            return None;
        }
        let lower = name.to_lowercase();
        let mut linked = fe_distribution::families().iter().flat_map(|f| f.linked());
        if let Some((_, instead)) = linked.find(|l| l.0 == lower) {
            self.report(messages::linked_family(name, span, instead));
            return None;
        }
        if let Some((wrapper, usage)) = WRAPPERS.iter().find(|w| w.0.to_lowercase() == lower) {
            self.report(messages::wrapper_case(name, span, wrapper, usage));
            return None;
        }
        let flat = lower.replace('_', "");
        if let Some((_, instead)) = WRITTEN_OUT.iter().find(|(names, _)| names.contains(&flat.as_str())) {
            self.report(messages::family_written_out(name, span, instead));
            return None;
        }
        if LATER.contains(&lower.as_str()) {
            self.report(messages::family_later(name, span));
            return None;
        }
        let known = || fe_distribution::families().iter().map(|f| f.name());
        if let Some(family) = known().find(|f| f.to_lowercase() == lower) {
            self.report(messages::family_case(name, span, family));
            return None;
        }
        if let Some(family) = fe_distribution::called_elsewhere(&lower) {
            self.report(messages::family_synonym(name, span, family.name()));
            return None;
        }
        let all: Vec<&str> = known().collect();
        let near = nearest(name, known().chain(crate::guide::JOINT.iter().copied()));
        let theirs = || fe_distribution::families().iter().flat_map(|f| f.synonyms().iter().map(|s| (*s, f.name())));
        let elsewhere = nearest(name, theirs().map(|s| s.0)).and_then(|s| theirs().find(|t| t.0 == s));
        self.report(messages::unknown_family(name, span, near, elsewhere, &all));
        None
    }

    /// The parameterization that the argument names select.
    fn parameterization(
        &mut self,
        family: &'static dyn Family,
        function: &Name,
        arguments: &[Argument],
        span: Span,
    ) -> Option<Chosen> {
        let canonical = family.parameters();
        let alternatives = family.alternatives().iter().map(|a| (a.parameters, Some(a)));
        let all: Vec<_> = std::iter::once((canonical, None)).chain(alternatives).collect();
        let names: Vec<&Name> = arguments.iter().filter_map(|a| a.name.as_ref()).collect();
        let usages: Vec<String> = all
            .iter()
            .map(|(ps, _)| {
                let ps: Vec<&str> = ps.iter().map(|p| p.name).collect();
                ps.join(", ")
            })
            .collect();
        let every: Vec<&'static str> = all.iter().flat_map(|(ps, _)| ps.iter().map(|p| p.name)).collect();
        let unknown: Vec<(&Name, Option<&str>)> = names
            .iter()
            .filter(|n| !every.contains(&n.value.as_str()))
            .map(|n| {
                let synonym = ARGUMENT_SYNONYMS
                    .iter()
                    .find(|s| s.0 == n.value.to_lowercase())
                    .and_then(|s| s.1.iter().copied().find(|ours| every.contains(ours)));
                (*n, synonym.or_else(|| nearest(&n.value, every.iter().copied())))
            })
            .collect();
        if !unknown.is_empty() {
            self.report(messages::unknown_parameters(family.name(), &unknown, &usages));
            return None;
        }
        let suits = |ps: &[Parameter]| names.iter().all(|n| ps.iter().any(|p| p.name == n.value));
        let Some(&(parameters, alternative)) = all.iter().find(|(ps, _)| suits(ps)) else {
            self.report(messages::mixed_parameters(family.name(), &names, &usages));
            return None;
        };
        let mut slots: Vec<Option<usize>> = parameters.iter().map(|_| None).collect();
        let mut place = 0;
        for (k, argument) in arguments.iter().enumerate() {
            let slot = match &argument.name {
                Some(name) => parameters.iter().position(|p| p.name == name.value)?,
                None => {
                    place += 1;
                    place - 1
                }
            };
            match slots.get_mut(slot) {
                Some(empty @ None) => *empty = Some(k),
                Some(Some(first)) => {
                    let first = arguments.get(*first).map_or(span, |a| a.value.span);
                    let what = parameters.get(slot).map_or("", |p| p.name);
                    self.report(messages::argument_twice(family.name(), what, argument.value.span, first));
                    return None;
                }
                None => {
                    let names: Vec<&str> = parameters.iter().map(|p| p.name).collect();
                    self.report(messages::too_many_parameters(family, &names, arguments.len(), argument.value.span));
                    return None;
                }
            }
        }
        let missing: Vec<&str> = parameters
            .iter()
            .zip(&slots)
            .filter(|(p, s)| s.is_none() && p.default.is_none())
            .map(|(p, _)| p.name)
            .collect();
        if !missing.is_empty() {
            self.report(messages::missing_parameters(family.name(), &missing, span, function.span, &usages));
            return None;
        }
        Some(Chosen { parameters, slots, alternative })
    }

    /// Whether a value suits a parameter; says why where it does not.
    pub(crate) fn argument_fits(
        &mut self,
        family: &dyn Family,
        parameter: &'static Parameter,
        value: &Value,
        e: &Expr,
    ) -> bool {
        if let Some(unit) = &value.unit {
            self.report(messages::unit_here(
                unit,
                value.span,
                &format!("the {} of `{}`", parameter.name, family.name()),
            ));
            return false;
        }
        let support = parameter.support;
        if support == Support::Simplex {
            let last = value.axes.last().map(|a| Along::Simplex(a.0));
            let data = value.level == Level::Data;
            if data || (last.is_some() && value.along == last) || value.axes.is_empty() {
                return true;
            }
            let adds_up = |axis: Axis| polynomial::adds_up(&self.graph, value.node, axis);
            if value.range.low >= 0.0 && value.axes.last().is_some_and(|a| adds_up(a.0)) {
                return true;
            }
            let axis = value.axes.last().map(|a| self.graph.axis_name(a.0)).unwrap_or_default();
            self.report(messages::not_a_simplex(
                family.name(),
                parameter.name,
                value.span,
                &axis,
                self.is_difference(value),
            ));
            return false;
        }
        if support == Support::Ordered {
            return self.increases(family, parameter, value, e);
        }
        if value.range.within(support) {
            return true;
        }
        if value.level == Level::Data {
            return self.narrow_for(family, parameter, value);
        }
        let local = |name: &str| self.inlining.locals.last().is_some_and(|l| l.contains_key(name));
        let named = match bare(e).kind.as_ref() {
            ExprKind::Name(name) if !local(name) => {
                self.scope.get(name).map(|entry| (name.clone(), entry.kind, entry.span))
            }
            _ => None,
        };
        let factor = self.factor_of_any_sign(e);
        self.report(messages::argument_range(family, parameter, value, &written(e), named, factor));
        false
    }

    /// Data whose sign alone decides that of a product: every other factor of it is positive.
    fn factor_of_any_sign(&self, e: &Expr) -> Option<(String, Span)> {
        let (mut stack, mut found) = (vec![bare(e)], None);
        while let Some(e) = stack.pop() {
            match e.kind.as_ref() {
                ExprKind::Binary { operator, left, right }
                    if matches!(operator.value, BinaryOperator::Multiply | BinaryOperator::Divide) =>
                {
                    stack.extend([bare(left), bare(right)]);
                }
                ExprKind::Number { value, .. } if *value > 0.0 => {}
                ExprKind::Call { function, .. }
                    if matches!(function.value.as_str(), "exp" | "softplus" | "sigmoid") => {}
                ExprKind::Name(name) if self.values.get(name.as_str()).is_some_and(|v| v.range.low > 0.0) => {}
                ExprKind::Name(name) => {
                    let entry = self.scope.get(name).filter(|entry| entry.kind == Kind::Data)?;
                    found = Some((name.clone(), entry.span));
                }
                _ => return None,
            }
        }
        found
    }

    /// Whether a value is a difference, as those of neighbouring cumulative probabilities are.
    fn is_difference(&self, value: &Value) -> bool {
        let mut node = self.graph.node(value.node);
        while let (Op::Broadcast(_), Some(&inner)) = (&node.op, node.inputs.first()) {
            node = self.graph.node(inner);
        }
        matches!(node.op, Op::Binary(Binary::Sub))
    }

    /// Data are checked against what they are used for while loading.
    fn narrow_for(&mut self, family: &dyn Family, parameter: &Parameter, value: &Value) -> bool {
        let Some(datum) = value.datum.and_then(|k| self.found.data.get_mut(k)) else { return true };
        if datum.support == Support::Real {
            datum.support = parameter.support;
        }
        if parameter.support.contains(datum.support) {
            return true;
        }
        let (name, declared, support) = (datum.name.clone(), datum.span, datum.support);
        self.report(messages::data_range(family.name(), parameter, value.span, &name, declared, support));
        false
    }
}

/// A parameterization, with the place of each parameter among the arguments given.
struct Chosen {
    parameters: &'static [Parameter],
    slots: Vec<Option<usize>>,
    alternative: Option<&'static Alternative>,
}

/// Whether a list has no lists in it.
fn flat(items: &[Expr]) -> bool {
    !items.iter().any(|e| matches!(bare(e).kind.as_ref(), ExprKind::List(_)))
}

/// A value whose categories come last: the one axis that the left side lacks, as of `b * x` with `b[G]` and `x[N]` over rows.
fn categories_last(mut value: Value, order: &[Axis]) -> Value {
    let mut others = (0..value.axes.len()).filter(|&k| value.axes.get(k).is_some_and(|a| !order.contains(&a.0)));
    if let (Some(only), None) = (others.next(), others.next()) {
        let axis = value.axes.remove(only);
        value.axes.push(axis);
    }
    value
}

/// Whether a distribution stands somewhere in an expression, a mixture that is written as a sum, say.
fn calls_a_family(e: &Expr) -> bool {
    let family = match e.kind.as_ref() {
        ExprKind::Call { function, .. } => function.value.starts_with(|c: char| c.is_uppercase()),
        ExprKind::Name(name) => fe_distribution::family(name).is_some(),
        _ => false,
    };
    family || parts(e).into_iter().any(calls_a_family)
}
