//! `minimize`: a weighted sum of functionals, with its units.

use std::collections::HashMap;

use fe_distribution::Support;
use fe_syntax::Span;
use fe_syntax::ast::{BinaryOperator, Expr, ExprKind, Name, Statement, StatementKind, UnaryOperator, Unit};

use crate::checker::Checker;
use crate::guide::Guide;
use crate::importance::{IMPORTANCE, importance_call};
use crate::kind::Kind;
use crate::messages;
use crate::program::{Bound, Functional, Latent, ObjectiveSpec, Schedule};
use crate::reads::bare;
use crate::scope::nearest;
use crate::text::{unit_name, written};

/// A functional with its weight.
#[derive(Clone, Debug)]
struct Term {
    weight: Schedule,
    /// Whether a factor was written: before `energy` it is nats per spike.
    weighted: bool,
    functional: Functional,
    span: Span,
}

impl Term {
    fn unit(&self) -> Unit {
        match self.functional {
            Functional::Energy(_) if !self.weighted => Unit::Spikes,
            _ => Unit::Nats,
        }
    }
}

const FUNCTIONALS: [&str; 5] = ["distortion", "rate", "energy", "free_energy", INFORMATION];

/// The functional of two latents, which alone is taken off.
const INFORMATION: &str = "information";

impl<'a> Checker<'a> {
    /// What is minimised: `distortion + rate` where nothing is said.
    pub fn objective(&mut self, statement: Option<&'a Statement>) -> ObjectiveSpec {
        let Some((statement, objective, bounds)) = statement.and_then(|s| match &s.kind {
            StatementKind::Minimize { objective, bounds } => Some((s, objective, bounds)),
            _ => None,
        }) else {
            return ObjectiveSpec::default();
        };
        if let Some((function, arguments)) = importance_call(objective) {
            let importance = self.importance(function, arguments, objective.span);
            if let Some(first) = bounds.first() {
                self.report(messages::importance_in_a_sum(&function.value, first.span));
            }
            let (text, span) = (written(objective), Some(statement.span));
            return ObjectiveSpec { importance, text, span, ..ObjectiveSpec::default() };
        }
        let terms = self.sum(objective);
        let stated = bounds.len();
        let bounds: Vec<Bound> = bounds.iter().filter_map(|b| self.bound(b)).collect();
        let bounded: Vec<Functional> = bounds.iter().flat_map(|b| b.terms.iter().map(|t| t.1.clone())).collect();
        let Some(terms) = terms else { return ObjectiveSpec::default() };
        self.units_agree(&terms);
        // What a bound that is wrong would have named is not known.
        if bounds.len() == stated {
            self.rates_named(&terms, &bounded, objective.span);
        }
        let distorted = |f: &Functional| matches!(f, Functional::Distortion(_));
        let named = terms.iter().map(|t| &t.functional).chain(&bounded).any(distorted);
        let anything = !self.found.observes.is_empty() || !self.found.losses.is_empty();
        if !named && anything && bounds.len() == stated {
            self.report(messages::no_distortion(objective.span));
        }
        ObjectiveSpec {
            terms: terms.into_iter().map(|t| (t.weight, t.functional)).collect(),
            importance: None,
            bounds,
            text: written(objective),
            span: Some(statement.span),
        }
    }

    /// A linear combination of functionals.
    fn sum(&mut self, e: &Expr) -> Option<Vec<Term>> {
        let mut terms = vec![];
        let mut good = true;
        // The left spine without recursion, its summands from right to left.
        let mut at = bare(e);
        loop {
            match at.kind.as_ref() {
                ExprKind::Binary { operator, left, right } if operator.value == BinaryOperator::Add => {
                    match self.summand(right) {
                        Some(found) => terms.push(found),
                        None => good = false,
                    }
                    at = bare(left);
                }
                ExprKind::Binary { operator, left, right } if operator.value == BinaryOperator::Subtract => {
                    if let Some(found) = self.gain(right) {
                        good &= found.is_some();
                        terms.extend(found.map(|t| vec![t]));
                        at = bare(left);
                        continue;
                    }
                    if self.summand(right).is_some() {
                        self.report(messages::subtracted_functional(operator.span, &written(right)));
                    }
                    good = false;
                    at = bare(left);
                }
                _ => {
                    match self.summand(at) {
                        Some(found) => terms.push(found),
                        None => good = false,
                    }
                    break;
                }
            }
        }
        terms.reverse();
        good.then(|| terms.into_iter().flatten().collect())
    }

    /// `information(c, o)`, or a number times it: what may be taken off. The inner `None`: something is wrong, and was said.
    #[allow(clippy::option_option)]
    fn gain(&mut self, e: &Expr) -> Option<Option<Term>> {
        let e = bare(e);
        match e.kind.as_ref() {
            ExprKind::Binary { operator, left, right } if operator.value == BinaryOperator::Multiply => {
                let (weight, of) = if mentions(right) { (left, right) } else { (right, left) };
                let term = self.gain(of)?;
                let weight = self.weight(weight);
                Some(term.zip(weight).map(|(term, weight)| Term { weight, weighted: true, ..term }))
            }
            ExprKind::Call { function, arguments } if function.value == INFORMATION => {
                let names: Option<Vec<String>> = arguments
                    .iter()
                    .map(|a| match bare(&a.value).kind.as_ref() {
                        ExprKind::Name(name) if self.functional_argument(INFORMATION, name, a.value.span) => {
                            Some(name.clone())
                        }
                        ExprKind::Name(_) => None,
                        _ => {
                            self.report(messages::information_of_what(a.value.span));
                            None
                        }
                    })
                    .collect();
                let Some(names) = names else { return Some(None) };
                let [one, other] = names.as_slice() else {
                    self.report(messages::information_of_what(e.span));
                    return Some(None);
                };
                let functional = Functional::Information(one.clone(), other.clone());
                Some(Some(Term { weight: Schedule::Constant(1.0), weighted: false, functional, span: e.span }))
            }
            _ => None,
        }
    }

    /// A functional, or a number times one.
    fn summand(&mut self, e: &Expr) -> Option<Vec<Term>> {
        let e = bare(e);
        match e.kind.as_ref() {
            ExprKind::Binary { operator, left, right } => match operator.value {
                BinaryOperator::Multiply => {
                    let (weight, of) =
                        if mentions(right) || self.is_number(left) { (left, right) } else { (right, left) };
                    if mentions(left) && mentions(right) {
                        self.report(messages::product_of_functionals(operator.span, e.span));
                        return None;
                    }
                    let terms = self.nested(of);
                    let weight = self.weight(weight);
                    self.scaled(terms?, weight?, e.span)
                }
                BinaryOperator::Divide if !mentions(right) => {
                    let terms = self.nested(left);
                    let number = self.plain_number(right, "a weight");
                    let (terms, number) = (terms?, number?);
                    self.scaled(terms, Schedule::Constant(1.0 / number), e.span)
                }
                BinaryOperator::Add | BinaryOperator::Subtract => self.sum(e),
                BinaryOperator::LessEqual | BinaryOperator::Less => {
                    self.report(messages::bound_in_objective(e.span));
                    None
                }
                _ => {
                    self.report(messages::not_linear(e.span));
                    None
                }
            },
            ExprKind::Unary { operator, operand } if operator.value == UnaryOperator::Negate => {
                if self.nested(operand).is_some() {
                    self.report(messages::subtracted_functional(operator.span, &written(operand)));
                }
                None
            }
            ExprKind::Name(name) => {
                let function = Name::new(name.clone(), e.span);
                self.functional(&function, None, e.span)
            }
            ExprKind::Call { function, arguments } => match arguments.as_slice() {
                _ if function.value == INFORMATION => {
                    self.report(messages::information_added(e.span));
                    None
                }
                [one] if one.name.is_none() => self.functional(function, Some(&one.value), e.span),
                _ if FUNCTIONALS.contains(&function.value.as_str()) => {
                    self.report(messages::functional_arity(&function.value, e.span));
                    None
                }
                _ => self.functional(function, Some(e), e.span),
            },
            ExprKind::Error => {
                self.said.incomplete = true;
                None
            }
            ExprKind::Number { .. } => {
                self.report(messages::constant_objective(e.span));
                None
            }
            _ => {
                self.report(messages::not_linear(e.span));
                None
            }
        }
    }

    /// Whether an expression is made of numbers and what is fixed at compile time.
    fn is_number(&self, e: &Expr) -> bool {
        let mut reads = vec![];
        crate::reads::expression_reads(e, &mut reads);
        let fixed = |n: &str| {
            let kind = self.scope.get(n).map(|e| e.kind);
            matches!(kind, Some(Kind::Const | Kind::Dim | Kind::DataAxis)) || matches!(n, "ramp" | "cosine")
        };
        reads.iter().all(|r| fixed(r.0))
    }

    fn nested(&mut self, e: &Expr) -> Option<Vec<Term>> {
        if self.inlining.depth > 100 {
            self.report(messages::too_deep(e.span));
            return None;
        }
        self.inlining.depth += 1;
        let found = self.sum(e);
        self.inlining.depth -= 1;
        found
    }

    fn scaled(&mut self, terms: Vec<Term>, weight: Schedule, span: Span) -> Option<Vec<Term>> {
        terms
            .into_iter()
            .map(|t| match product(t.weight, weight) {
                Some(weight) => Some(Term { weight, weighted: true, ..t }),
                None => {
                    self.report(messages::schedules_multiply(span));
                    None
                }
            })
            .collect()
    }

    /// A factor before a functional.
    fn weight(&mut self, e: &Expr) -> Option<Schedule> {
        if let Some(schedule) = self.schedule(e, "a weight") {
            let schedule = schedule?;
            let lowest = match schedule {
                Schedule::Constant(v) => v,
                Schedule::Ramp { from, to, .. } | Schedule::Cosine { from, to } => from.min(to),
            };
            if lowest < 0.0 {
                self.report(messages::negative_weight(e.span, lowest));
                return None;
            }
            return Some(schedule);
        }
        None
    }

    /// `rate`, `rate(w)`.
    fn functional(&mut self, function: &Name, of: Option<&Expr>, span: Span) -> Option<Vec<Term>> {
        let word = function.value.as_str();
        let term = |functional| Term { weight: Schedule::Constant(1.0), weighted: false, functional, span };
        if word == INFORMATION {
            self.report(messages::information_of_what(span));
            return None;
        }
        if IMPORTANCE.contains(&word) {
            self.report(messages::importance_in_a_sum(word, function.span));
            return None;
        }
        if !FUNCTIONALS.contains(&word) {
            let declared = self.scope.get(word).map(|e| (e.kind, e.span));
            if !matches!(declared, Some((Kind::Unknown, _))) {
                let near = nearest(word, FUNCTIONALS);
                self.report(messages::unknown_functional(word, function.span, near, declared));
            }
            return None;
        }
        let name = match of.map(bare) {
            None => None,
            Some(e) => match e.kind.as_ref() {
                ExprKind::Name(name) => Some((name.clone(), e.span)),
                ExprKind::Error => {
                    self.said.incomplete = true;
                    return None;
                }
                _ => {
                    self.report(messages::functional_of_what(word, e.span));
                    return None;
                }
            },
        };
        if let Some((name, place)) = &name
            && !self.functional_argument(word, name, *place)
        {
            return None;
        }
        let name = name.map(|n| n.0);
        if word == "energy" && name.is_none() && !self.has_counts() {
            self.report(messages::energy_without_counts(span));
            return None;
        }
        Some(match word {
            "distortion" => vec![term(Functional::Distortion(name))],
            "rate" => vec![term(Functional::Rate(name))],
            "energy" => vec![term(Functional::Energy(name))],
            _ if name.is_some() => {
                self.report(messages::functional_arity(word, span));
                return None;
            }
            _ => vec![term(Functional::Distortion(None)), term(Functional::Rate(None))],
        })
    }

    fn has_counts(&self) -> bool {
        // A latent that could not be understood may be a count.
        let unsure = self.scope.names(|k| k == Kind::Latent).count() > self.found.latents.len()
            || self.scope.names(|k| k == Kind::Unknown).next().is_some();
        unsure || self.found.latents.iter().any(|l| l.support == Support::Count)
    }

    /// Whether a name is what a functional can be taken of.
    fn functional_argument(&mut self, word: &str, name: &str, place: Span) -> bool {
        let entry = self.scope.get(name);
        if entry.is_some_and(|e| e.kind == Kind::Unknown) {
            return false;
        }
        if word == "distortion" {
            let observed = |s: &Statement| match &s.kind {
                StatementKind::Observe { target, .. } => target.name.value == name,
                StatementKind::Loss { name: loss, .. } => loss.value == name,
                _ => false,
            };
            if self.ast.statements.iter().any(observed) {
                return true;
            }
            let known: Vec<&str> = self.found.observes.iter().map(|o| o.name.as_str()).collect();
            let known: Vec<&str> = known.into_iter().chain(self.found.losses.iter().map(|l| l.name.as_str())).collect();
            let near = nearest(name, known).map(str::to_owned);
            self.report(messages::distortion_of_other(name, place, near.as_deref()));
            return false;
        }
        match entry {
            Some(e) if e.kind == Kind::Latent => {
                let latent = self.found.latents.iter().find(|l| l.name == name);
                let finite = |l: &Latent| l.support.is_discrete() && l.support != Support::Count;
                if word == INFORMATION && latent.is_some_and(|l| !finite(l)) {
                    self.report(messages::information_of_infinite(name, place, e.span));
                    return false;
                }
                if word == "energy" && latent.is_some_and(|l| l.support != Support::Count) {
                    self.report(messages::energy_of_real(name, place, e.span));
                    return false;
                }
                true
            }
            other => {
                let near = nearest(name, self.scope.names(|k| k == Kind::Latent));
                let declared = other.map(|e| (e.kind, e.span));
                self.report(messages::rate_of_other(word, name, place, near, declared));
                false
            }
        }
    }

    /// All summands have one unit.
    fn units_agree(&mut self, terms: &[Term]) {
        let spikes = terms.iter().find(|t| t.unit() == Unit::Spikes);
        let nats = terms.iter().find(|t| t.unit() == Unit::Nats);
        if let (Some(spikes), Some(nats)) = (spikes, nats) {
            self.report(messages::objective_units(spikes.span, nats.span));
        }
    }

    /// An objective names every latent's rate, or bounds it.
    fn rates_named(&mut self, terms: &[Term], bounded: &[Functional], span: Span) {
        let all: Vec<&Functional> = terms.iter().map(|t| &t.functional).chain(bounded).collect();
        if all.contains(&&Functional::Rate(None)) {
            return;
        }
        let missing: Vec<(String, Span)> = self
            .found
            .latents
            .iter()
            .filter(|l| !matches!(l.guide, Guide::Point | Guide::PointAt(_) | Guide::Prior))
            .filter(|l| !all.iter().any(|f| matches!(f, Functional::Rate(Some(n)) if *n == l.name)))
            .map(|l| (l.name.clone(), l.span))
            .collect();
        if !missing.is_empty() {
            self.report(messages::rate_left_out(span, &missing));
        }
    }

    /// `rate <= 20 bits`
    fn bound(&mut self, e: &Expr) -> Option<Bound> {
        let (left, right) = match bare(e).kind.as_ref() {
            ExprKind::Binary { operator, left, right }
                if matches!(operator.value, BinaryOperator::LessEqual | BinaryOperator::Less) =>
            {
                (left, right)
            }
            ExprKind::Error => return None,
            _ => {
                self.report(messages::not_a_bound(e.span));
                return None;
            }
        };
        let found = self.sum(left);
        let number = self.number(right, "a bound");
        let (found, number) = (found?, number?);
        self.units_agree(&found);
        let wanted = found.first()?.unit();
        let Some(unit) = number.unit else {
            self.report(messages::bound_without_unit(right.span, number.value, &written(left), &wanted));
            return None;
        };
        let fits = match wanted {
            Unit::Spikes => unit == Unit::Spikes,
            _ => matches!(unit, Unit::Nats | Unit::Bits),
        };
        if !fits {
            self.report(messages::bound_unit(right.span, &unit, left.span, &written(left), &wanted));
            return None;
        }
        let mut terms = vec![];
        for term in found {
            let Schedule::Constant(weight) = term.weight else {
                self.report(messages::bound_schedule(term.span));
                return None;
            };
            terms.push((weight, term.functional));
        }
        let scale = if unit == Unit::Bits { std::f64::consts::LN_2 } else { 1.0 };
        let limit = number.value * scale;
        Some(Bound { terms, limit, unit: unit_name(&unit).to_owned(), scale, text: written(e), span: e.span })
    }

    /// A number, or `ramp(a, b, until = 0.5)`, or `cosine(a, b)`. The inner `None`: something is wrong, and was said.
    #[allow(clippy::option_option)]
    pub fn schedule(&mut self, e: &Expr, what: &str) -> Option<Option<Schedule>> {
        let ExprKind::Call { function, arguments } = bare(e).kind.as_ref() else {
            return Some(self.plain_number(e, what).map(Schedule::Constant));
        };
        let names: &[&str] = match function.value.as_str() {
            "ramp" => &["from", "to", "until"],
            "cosine" => &["from", "to"],
            _ => return Some(self.plain_number(e, what).map(Schedule::Constant)),
        };
        let mut values: HashMap<&str, f64> = HashMap::new();
        for (k, argument) in arguments.iter().enumerate() {
            let slot = match &argument.name {
                Some(key) => names.iter().find(|n| **n == key.value),
                None => names.get(k),
            };
            let Some(slot) = slot else {
                self.report(messages::schedule_arguments(&function.value, argument.value.span));
                return Some(None);
            };
            let Some(v) = self.plain_number(&argument.value, "an argument of a schedule") else { return Some(None) };
            values.insert(slot, v);
        }
        let (Some(&from), Some(&to)) = (values.get("from"), values.get("to")) else {
            self.report(messages::schedule_arguments(&function.value, e.span));
            return Some(None);
        };
        if function.value == "cosine" {
            return Some(Some(Schedule::Cosine { from, to }));
        }
        let until = values.get("until").copied().unwrap_or(1.0);
        if !(0.0..=1.0).contains(&until) {
            self.report(messages::schedule_until(e.span, until));
            return Some(None);
        }
        Some(Some(Schedule::Ramp { from, to, until }))
    }
}

/// Whether an expression names a functional.
fn mentions(e: &Expr) -> bool {
    let mut reads = vec![];
    crate::reads::expression_reads(e, &mut reads);
    reads.iter().any(|r| FUNCTIONALS.contains(&r.0) || IMPORTANCE.contains(&r.0))
}

fn product(a: Schedule, b: Schedule) -> Option<Schedule> {
    Some(match (a, b) {
        (Schedule::Constant(x), Schedule::Constant(y)) => Schedule::Constant(x * y),
        (Schedule::Constant(k), Schedule::Ramp { from, to, until })
        | (Schedule::Ramp { from, to, until }, Schedule::Constant(k)) => {
            Schedule::Ramp { from: k * from, to: k * to, until }
        }
        (Schedule::Constant(k), Schedule::Cosine { from, to })
        | (Schedule::Cosine { from, to }, Schedule::Constant(k)) => Schedule::Cosine { from: k * from, to: k * to },
        _ => return None,
    })
}
