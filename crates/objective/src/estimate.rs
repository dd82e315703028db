//! Expectations of a part of the free energy: in closed form, by quadrature, by a sum over values, or by draws.

use std::collections::{HashMap, HashSet};

use fe_check::Latent;
use fe_graph::{Axis, NodeId, Op};
use fe_syntax::Span;

use crate::deriver::Deriver;
use crate::drawing::Scored;
use crate::estimator::{DrawGradient, Estimator, Remainder};
use crate::formula;
use crate::messages;
use crate::objective::Underivable;

/// The expectation of a node: its value, how it is had and why so, and what it draws.
pub(crate) struct Estimate {
    pub value: NodeId,
    pub estimator: Estimator,
    /// Why this estimator; empty where the expectation was found in closed form.
    pub reason: String,
    /// The elements that are drawn, of which the score function needs each.
    pub draws: Vec<NodeId>,
}

/// A part of the free energy and the elements of it that are drawn.
pub(crate) struct Drawn<T> {
    pub of: T,
    pub elements: Vec<NodeId>,
}

impl Estimate {
    /// Whether the value has noise.
    pub fn is_sampled(&self) -> bool {
        self.estimator.is_sampled()
    }

    /// Whether finite latents were summed over under their stated guides.
    pub fn is_enumerated(&self) -> bool {
        matches!(self.estimator, Estimator::Enumeration(_))
    }

    fn by_quadrature(&self) -> bool {
        matches!(self.estimator, Estimator::Quadrature | Estimator::Enumeration(Remainder::Quadrature))
    }

    /// A value without noise, by quadrature where that was needed.
    pub fn closed(self, otherwise: Estimator, why: &str) -> Self {
        match self.by_quadrature() {
            true => Self { estimator: Estimator::Quadrature, reason: formula::by_quadrature(), ..self },
            false => Self { estimator: otherwise, reason: why.to_owned(), ..self },
        }
    }

    /// A sum over all values of a latent that is no draw.
    pub fn enumerated(self, why: &str) -> Self {
        match self.by_quadrature() {
            true => Self {
                estimator: Estimator::Enumeration(Remainder::Quadrature),
                reason: formula::by_quadrature(),
                ..self
            },
            false => Self { estimator: Estimator::Enumeration(Remainder::Closed), reason: why.to_owned(), ..self },
        }
    }

    /// A term whose latents are integrated at points.
    pub fn at_points(self) -> Self {
        let reason = "each element is integrated at points about its mean, given what is drawn".into();
        Self { estimator: Estimator::Elimination, reason, ..self }
    }

    /// A term whose finite latents are summed over.
    pub fn summed_out(self) -> Self {
        let why = "finite latents are summed over";
        if self.is_sampled() {
            let reason = format!("{why}; the rest is drawn ({})", self.reason);
            return Self { estimator: Estimator::Enumeration(Remainder::Drawn), reason, ..self };
        }
        self.enumerated(why)
    }

    /// Two values without noise as parts of one.
    pub fn with(self, other: Self, value: NodeId) -> Self {
        let estimator = if other.by_quadrature() { other.estimator } else { self.estimator };
        Self { value, estimator, ..self }
    }
}

/// Why a term is known in closed form where latents are integrated out and none is drawn, and why it is a mean over draws of the
/// others.
const ALONE: &str = "all that has a guide is Gaussian together, and is integrated out";
const AT_MODE: &str = "the Gaussian at the mode given the others is integrated; the others are drawn";
const GIVEN_OTHERS: &str = "what is Gaussian given the others is integrated out; the others are drawn";

impl Deriver<'_> {
    /// The expectation of the sum of all elements; `axes` are at least the element axes.
    pub(crate) fn expect(&mut self, element: NodeId, axes: &[Axis], span: Span) -> Result<Estimate, Underivable> {
        let mut element = self.g.broadcast(element, axes);
        let mut sum = self.g.sum_all_but(element, &[]);
        let mut exact = self.exactly(sum);
        let over = if exact.is_none() { self.over_values(element) } else { None };
        if let Some(over) = over {
            element = over;
            sum = self.g.sum_all_but(element, &[]);
            exact = self.exactly(sum);
        }
        if let Some(value) = exact {
            let value = self.g.sum_all_but(value, &[Axis::SAMPLE]);
            let estimator = match (over.is_some(), self.reads_quadrature(value)) {
                (false, false) => Estimator::ClosedForm,
                (false, true) => Estimator::Quadrature,
                (true, false) => Estimator::Enumeration(Remainder::Closed),
                (true, true) => Estimator::Enumeration(Remainder::Quadrature),
            };
            return Ok(Estimate { value, estimator, reason: String::new(), draws: vec![] });
        }
        let (value, reason, eliminated) = self.by_draws(sum, span)?;
        let value = self.g.sum_all_but(value, &[Axis::SAMPLE]);
        let estimator = match over {
            Some(_) => Estimator::Enumeration(Remainder::Drawn),
            None if eliminated && !self.g.has_axis(value, Axis::SAMPLE) => Estimator::ClosedForm,
            None if eliminated && self.is_around() => Estimator::AtMode,
            None if eliminated => Estimator::Elimination,
            None => self.by_draws_of(value),
        };
        let draws = self.g.substitute(&[element], &self.draws);
        Ok(Estimate { value, estimator, reason, draws })
    }

    /// The expectation of a node where it is known.
    pub(crate) fn exactly(&mut self, node: NodeId) -> Option<NodeId> {
        self.expectation.blocked = None;
        self.expectation.mean(&mut self.g, node)
    }

    /// The expectation of a node by the draws, after [`Deriver::exactly`] found none, why it found none, and whether what is
    /// eliminated was integrated given the draws.
    fn by_draws(&mut self, node: NodeId, span: Span) -> Result<(NodeId, String, bool), Underivable> {
        let blocked = self.expectation.blocked.unwrap_or(node);
        let reason = formula::blocked(&self.g, blocked, self.program, self.source);
        if let Some(given) = self.given_draws(node) {
            if self.realised.eliminated.is_empty() {
                let given_draws = "what is random besides the chain is drawn, and the chain integrated given that";
                return Ok((given, format!("{reason}; {given_draws}"), false));
            }
            let alone = !self.g.has_axis(given, Axis::SAMPLE);
            let reason = match (alone, self.is_around()) {
                (true, _) => ALONE,
                (false, true) => AT_MODE,
                (false, false) => GIVEN_OTHERS,
            };
            return Ok((given, reason.into(), true));
        }
        Ok((self.sample(node, span)?, reason, false))
    }

    /// A mean over draws, with the derivative that a value's draws have.
    pub(crate) fn by_draws_of(&self, value: NodeId) -> Estimator {
        Estimator::Draws { gradient: self.gradient_of_draws(value), entropy_exact: false }
    }

    /// The derivative that the draws in a value have.
    pub(crate) fn gradient_of_draws(&self, value: NodeId) -> DrawGradient {
        let implicit = |n: &NodeId| matches!(self.g.node(*n).op, Op::Binary(b) if b.is_quantile());
        if self.scored_in(value).next().is_some() {
            DrawGradient::Score
        } else if self.g.reachable(&[value]).iter().any(implicit) {
            DrawGradient::Implicit
        } else {
            DrawGradient::Pathwise
        }
    }

    /// Whether a value is had by quadrature.
    fn reads_quadrature(&self, value: NodeId) -> bool {
        let rule = self.expectation.rule;
        rule.is_some_and(|r| self.g.reachable(&[value]).iter().any(|&n| self.g.has_axis(n, r.axis)))
    }

    /// Latents without a pathwise draw whose draws a node depends on.
    pub(crate) fn scored_in(&self, node: NodeId) -> impl Iterator<Item = &Scored> {
        self.scored.iter().filter(move |s| self.g.depends_on(node, &HashSet::from([s.draw])))
    }

    /// What is integrated given draws of all else: latents by their exact conditionals, else chains, which are long.
    fn integrated(&self) -> HashSet<NodeId> {
        let conditionals = self.realised.eliminated.iter().flat_map(|c| c.primitives.iter().copied());
        let chains = self.realised.chains.iter().map(|c| &c.motion).flat_map(|m| [m.deviation, m.noise]);
        let eliminated: HashSet<NodeId> = conditionals.collect();
        if eliminated.is_empty() { chains.collect() } else { eliminated }
    }

    /// A node with draws of all that is not integrated out; `None` where it reads nothing that is, or hangs on its draws.
    pub(crate) fn given_all_else(&mut self, node: NodeId) -> Option<NodeId> {
        let integrated = self.integrated();
        let noise: HashSet<NodeId> = integrated.iter().filter_map(|n| self.draws.get(n).copied()).collect();
        let others: HashMap<NodeId, NodeId> =
            self.draws.iter().filter(|(n, _)| !integrated.contains(n)).map(|(&n, &d)| (n, d)).collect();
        if integrated.is_empty() || !self.g.depends_on(node, &integrated) {
            return None;
        }
        let drawn = self.g.substitute(&[node], &others).first().copied()?;
        // A guide that reads what is integrated would be drawn from other draws of it.
        // Where nothing else is drawn, what is eliminated is integrated all the same, and chains are known in closed form.
        let something = drawn != node || !self.realised.eliminated.is_empty();
        (something && !self.g.depends_on(drawn, &noise)).then_some(drawn)
    }

    /// The expectation over these in closed form, given draws of all else: of less noise than draws of everything.
    fn given_draws(&mut self, node: NodeId) -> Option<NodeId> {
        if !self.scored.is_empty() {
            return None;
        }
        let drawn = self.given_all_else(node)?;
        match self.realised.eliminated.is_empty() {
            true => self.expectation.mean(&mut self.g, drawn),
            false => self.given.mean(&mut self.g, drawn),
        }
    }

    fn sample(&mut self, node: NodeId, span: Span) -> Result<NodeId, Underivable> {
        if let Some(latent) = self.left_over(node) {
            return Err(messages::not_by_enumeration(&latent.name, span));
        }
        let sampled = self.g.substitute(&[node], &self.draws).first().copied().unwrap_or(node);
        let stuck: Option<&Latent> = self
            .program
            .latents
            .iter()
            .find(|l| self.random.contains(&l.node) && self.g.depends_on(sampled, &HashSet::from([l.node])));
        if let Some(latent) = stuck {
            let index = self.program.latents.iter().position(|l| l.name == latent.name);
            let guide = index.and_then(|k| self.realised.kinds.get(k)).copied();
            return Err(messages::no_draws(&latent.name, guide, span));
        }
        Ok(sampled)
    }
}
