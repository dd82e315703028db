//! A family with its arguments.

use fe_graph::{Axis, Graph, NodeId, Site};

use crate::expr::formula;
use crate::family::{Family, Sampling, Statistic, constants};
use crate::modifier::{Cut, Density, Modifier};
use crate::support::Support;

/// A family with its arguments, perhaps restricted by a type.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// Which family.
    pub family: &'static dyn Family,
    /// Its canonical arguments, then those of its modifiers.
    pub args: Vec<NodeId>,
    /// The axis of categories, where the family has one; the axis of a vector, or of a matrix' rows; or the axis along which
    /// elements increase, where the type says so.
    pub event: Option<Axis>,
    /// The type of what is drawn; the density is normalised over it.
    pub restricted: Option<Support>,
    /// What else is done to the density, the innermost first.
    pub modifiers: Vec<Modifier>,
}

impl Distribution {
    /// An unrestricted distribution without a category axis.
    pub fn new(family: &'static dyn Family, args: Vec<NodeId>) -> Self {
        Self { family, args, event: None, restricted: None, modifiers: vec![] }
    }

    /// The family's own arguments.
    pub fn own_args(&self) -> &[NodeId] {
        let taken: usize = self.modifiers.iter().map(|m| m.arguments()).sum();
        self.args.get(..self.args.len().saturating_sub(taken)).unwrap_or_default()
    }

    /// Adds a modifier with its arguments outside of those there are.
    pub fn modify(&mut self, modifier: Modifier, args: &[NodeId]) {
        self.modifiers.push(modifier);
        self.args.extend(args);
    }

    /// Where the values lie, within the restriction. `None` where that depends on arguments that are not constant, or is no
    /// [`Support`].
    pub fn support(&self, g: &Graph) -> Option<Support> {
        let whole = self.unrestricted_support(g)?;
        self.restricted.map_or(Some(whole), |to| to.intersection(whole))
    }

    /// The ends of a truncation that is not weighted, where they are numbers.
    pub fn ends(&self, g: &Graph) -> Option<(f64, f64)> {
        let mut rest = self.args.get(self.own_args().len()..)?;
        let mut found = None;
        for modifier in &self.modifiers {
            let (own, after) = rest.split_at_checked(modifier.arguments())?;
            rest = after;
            let end = |k: usize| g.constant_value(*own.get(k)?);
            match modifier {
                Modifier::Truncated(Cut::Below) => found = Some((end(0)?, f64::INFINITY)),
                Modifier::Truncated(Cut::Above) => found = Some((f64::NEG_INFINITY, end(0)?)),
                Modifier::Truncated(Cut::Both) => found = Some((end(0)?, end(1)?)),
                Modifier::Weighted => return None,
                _ => {}
            }
        }
        found
    }

    fn unrestricted_support(&self, g: &Graph) -> Option<Support> {
        match (self.event, self.family.category_axis_argument()) {
            (Some(axis), Some(_)) => Some(Support::Index(self.family.categories(g.extent_of(axis.id)))),
            _ => self.family.support(&constants(g, self.own_args())),
        }
    }

    /// Whether the density can be normalised over a type.
    pub fn can_restrict(&self, g: &Graph, to: Support) -> bool {
        // Tried on a copy of the arguments' values, so that no nodes are left behind.
        let mut scratch = Graph::with_axes_of(g);
        let args = constants(g, self.own_args());
        let args = args.into_iter().map(|value| match value {
            Some(v) => scratch.constant(v),
            None => scratch.input("argument", &[]).1,
        });
        let trial = Self { args: args.collect(), restricted: Some(to), modifiers: vec![], ..self.clone() };
        trial.log_mass(&mut scratch).is_some()
    }

    /// log p(x) in nats, normalised within the restriction, over the axes of x and of the arguments. `None` when the
    /// normaliser is unknown.
    pub fn log_density(&self, g: &mut Graph, x: NodeId) -> Option<NodeId> {
        let own = self.own_args();
        let mut rest = self.args.get(own.len()..).unwrap_or_default();
        let mut modifiers = vec![];
        for &modifier in &self.modifiers {
            let (args, after) = rest.split_at(modifier.arguments().min(rest.len()));
            modifiers.push((modifier, args));
            rest = after;
        }
        let support = self.support(g);
        let discrete = support.is_some_and(Support::is_discrete);
        let missing = self.event.filter(|_| self.family.is_vector() && self.modifiers.contains(&Modifier::Missing));
        let marginal = missing.is_some();
        let density = Density {
            family: self.family,
            args: own,
            inside: support.unwrap_or(Support::Real).inner_value(),
            discrete,
            marginal,
        };
        density.modified(g, x, &modifiers, &mut |g, x| {
            let mass = self.log_mass(g)?;
            let density = match missing {
                Some(event) => self.family.observed_log_density(g, x, own, event)?,
                None => self.family.log_density(g, x, own, self.event),
            };
            Some(g.sub(density, mass))
        })
    }

    /// The log probability of the restriction before it is made: 0 where it cuts nothing off.
    pub fn log_mass(&self, g: &mut Graph) -> Option<NodeId> {
        let Some(to) = self.restricted else { return Some(g.constant(0.0)) };
        match self.unrestricted_support(g) {
            Some(whole) if to.contains(whole) => Some(g.constant(0.0)),
            // Of the K! orders that independent elements can have, one: shared out among the elements.
            Some(Support::Real) if to == Support::Ordered => {
                let extent = g.extent_of(self.event?.id) as f64;
                Some(g.constant(-fe_graph::special::log_gamma(extent + 1.0) / extent))
            }
            _ if to.is_discrete() || to.rank() > 0 => None,
            _ => {
                let (low, high) = to.bounds();
                self.family.log_mass(g, low, high, self.own_args())
            }
        }
    }

    /// E[s(z)], where closed.
    pub fn expectation(&self, g: &mut Graph, of: Statistic) -> Option<NodeId> {
        if !self.modifiers.is_empty() {
            return None;
        }
        match self.event {
            Some(axis) if self.family.is_vector() => self.family.vector_expectation(g, of, &self.args, axis),
            _ => self.family.expectation(g, of, &self.args),
        }
    }

    /// Var[s(z)] of each element, where closed.
    pub fn variance(&self, g: &mut Graph, of: Statistic) -> Option<NodeId> {
        // Elements of a vector are not independent, which is what a variance is asked for.
        if self.family.is_vector() || !self.modifiers.is_empty() {
            None
        } else {
            self.family.variance(g, of, &self.args)
        }
    }

    /// A draw over `axes` and those of the arguments, differentiable in the arguments; `None` where there is none, or where
    /// a restriction cuts something off.
    pub fn sample(&self, g: &mut Graph, site: Site, axes: &[Axis], how: &Sampling) -> Option<NodeId> {
        if self.is_cut(g) {
            return None;
        }
        match self.event {
            Some(axis) if self.family.is_vector() => self.family.vector_sample(g, &self.args, site, axes, how, axis),
            _ => self.family.sample(g, &self.args, site, axes, how),
        }
    }

    /// A draw over `axes` and those of the arguments that counts as constant to differentiation, for the score function;
    /// `None` where there is none, or where a restriction cuts something off.
    pub fn stopped_sample(&self, g: &mut Graph, site: Site, axes: &[Axis], how: &Sampling) -> Option<NodeId> {
        if self.is_cut(g) {
            return None;
        }
        let drawn = self.family.discrete_sample(g, &self.args, site, axes, self.event);
        let drawn = drawn.or_else(|| self.sample(g, site, axes, how))?;
        Some(g.stop(drawn))
    }

    /// The entropy in nats, where closed: the family's, or for categories the sum over them.
    pub fn entropy(&self, g: &mut Graph) -> Option<NodeId> {
        if self.is_cut(g) {
            return None;
        }
        let Some(axis) = self.event else { return self.family.entropy(g, &self.args) };
        if self.family.is_vector() {
            return self.family.vector_entropy(g, &self.args, axis);
        }
        let every = g.iota(axis);
        let log_q = self.log_density(g, every)?;
        let terms = formula(g, &[log_q], |[l]| {
            let q = l.exp();
            -(q * l.unless_zero(q, 0.0))
        });
        Some(g.sum(terms, &[axis]))
    }

    /// KL(self ‖ prior) in nats, where closed; the prior may be restricted to a set that holds this one's support.
    pub fn kl(&self, g: &mut Graph, prior: &Distribution) -> Option<NodeId> {
        if self.is_cut(g) {
            return None;
        }
        if let (Some(axis), true) = (self.event, self.family.is_vector() && prior.modifiers.is_empty()) {
            return self.family.vector_kl(g, &self.args, prior.family, &prior.args, axis);
        }
        if let (Some(axis), true) = (self.event, self.event == prior.event && prior.modifiers.is_empty()) {
            let every = g.iota(axis);
            let (log_q, log_p) = (self.log_density(g, every)?, prior.log_density(g, every)?);
            let terms = formula(g, &[log_q, log_p], |[l, r]| {
                let q = l.exp();
                q * (l - r).unless_zero(q, 0.0)
            });
            return Some(g.sum(terms, &[axis]));
        }
        if !prior.modifiers.is_empty() {
            return None;
        }
        if prior.is_cut(g) && !prior.support(g)?.contains(self.support(g)?) {
            return None;
        }
        let whole = self.family.kl(g, &self.args, prior.family, &prior.args)?;
        let mass = prior.log_mass(g)?;
        Some(g.add(whole, mass))
    }

    /// Whether the family's own formulas do not hold: a restriction cuts something off, or the density is modified.
    pub(crate) fn is_cut(&self, g: &Graph) -> bool {
        !self.modifiers.is_empty()
            || self.restricted.is_some_and(|to| self.unrestricted_support(g).is_none_or(|whole| !to.contains(whole)))
    }
}
