//! What a program does to a distribution besides choosing its arguments: mixtures, censoring, weights, missing values.

use fe_graph::{Axis, Graph, NodeId};

use crate::expr::formula;
use crate::family::Family;

/// One modification of a density; its own arguments follow those of the family, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modifier {
    /// One argument, weights along the axis, along which the components differ.
    Mixture(Axis),
    /// One argument, the lowest value that is told apart: what lies there may lie anywhere below.
    CensoredBelow,
    /// One argument, the highest value that is told apart: what lies there may lie anywhere above.
    CensoredAbove,
    /// The ends between which values lie, both included; the density is normalised over what is between.
    Truncated(Cut),
    /// One argument, which the log density is multiplied by; where it is 0, the value does not count, whatever it is.
    Weighted,
    /// Values that are NaN were not observed, and count for nothing.
    Missing,
}

/// Which ends a truncation has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// A lower one.
    Below,
    /// An upper one.
    Above,
    /// A lower one, then an upper one.
    Both,
}

impl Modifier {
    /// How many arguments it takes.
    pub fn arguments(self) -> usize {
        match self {
            Modifier::Mixture(_) | Modifier::Weighted | Modifier::CensoredBelow | Modifier::CensoredAbove => 1,
            Modifier::Truncated(Cut::Below | Cut::Above) => 1,
            Modifier::Truncated(Cut::Both) => 2,
            Modifier::Missing => 0,
        }
    }
}

/// A density so far: a function of x.
pub(crate) struct Density<'a> {
    pub family: &'static dyn Family,
    /// The family's own arguments.
    pub args: &'a [NodeId],
    /// A value that surely has a density.
    pub inside: f64,
    /// Whether values are whole numbers.
    pub discrete: bool,
    /// Whether the family leaves out of a vector what is missing by itself.
    pub marginal: bool,
}

/// The ends of a range, both included, where it has any.
#[derive(Clone, Copy, Default)]
struct Ends {
    low: Option<NodeId>,
    high: Option<NodeId>,
}

impl Ends {
    /// Those of the truncation among modifiers.
    fn of(modifiers: &[(Modifier, &[NodeId])]) -> Self {
        let found = modifiers.iter().find_map(|(modifier, args)| match (modifier, *args) {
            (Modifier::Truncated(Cut::Below), &[low]) => Some(Self { low: Some(low), high: None }),
            (Modifier::Truncated(Cut::Above), &[high]) => Some(Self { low: None, high: Some(high) }),
            (Modifier::Truncated(Cut::Both), &[low, high]) => Some(Self { low: Some(low), high: Some(high) }),
            _ => None,
        });
        found.unwrap_or_default()
    }
}

impl Density<'_> {
    /// log P(low ≤ z ≤ high) of the family. `None` where its distribution function is not known.
    fn log_mass(&self, g: &mut Graph, ends: Ends) -> Option<NodeId> {
        // Of counts, what lies at an end lies above the one before.
        let low = ends.low.map(|low| if self.discrete { g.shift(low, -1.0) } else { low });
        match (low, ends.high) {
            (None, None) => Some(g.constant(0.0)),
            (Some(low), None) => self.family.log_survival(g, low, self.args),
            (None, Some(high)) => self.family.log_cdf(g, high, self.args),
            (Some(low), Some(high)) => {
                let mut four = vec![];
                for end in [low, high] {
                    four.push(self.family.log_cdf(g, end, self.args)?);
                    four.push(self.family.log_survival(g, end, self.args)?);
                }
                // F(h) − F(l) = F(h) S(l) − S(h) F(l), of which the second is the smaller by a known factor, on either side.
                Some(formula(g, &four, |[below_low, above_low, below_high, above_high]| {
                    let larger = below_high + above_low;
                    larger + (-(above_high + below_low - larger).expm1()).log()
                }))
            }
        }
    }

    /// The log density of x under the modifiers that are left, the last the outermost. `plain` is that of the family within
    /// its restriction. `None` where the distribution function is needed and not known.
    pub fn modified(
        &self,
        g: &mut Graph,
        x: NodeId,
        modifiers: &[(Modifier, &[NodeId])],
        plain: &mut dyn FnMut(&mut Graph, NodeId) -> Option<NodeId>,
    ) -> Option<NodeId> {
        let Some(((modifier, args), inner)) = modifiers.split_last() else { return plain(g, x) };
        match (modifier, *args) {
            (Modifier::Mixture(axis), &[weights]) => {
                let density = self.modified(g, x, inner, plain)?;
                let weights = formula(g, &[weights], |[w]| w.log());
                let weights = g.log_softmax(weights, &[*axis]);
                let joint = g.add(density, weights);
                Some(g.logsumexp(joint, &[*axis]))
            }
            (Modifier::CensoredBelow | Modifier::CensoredAbove, &[end]) => {
                let below = *modifier == Modifier::CensoredBelow;
                let beyond = if below { g.less_equal(x, end) } else { g.less_equal(end, x) };
                let within = Ends::of(inner);
                let part = if below { Ends { high: Some(end), ..within } } else { Ends { low: Some(end), ..within } };
                let (tail, whole) = (self.log_mass(g, part)?, self.log_mass(g, within)?);
                let tail = g.sub(tail, whole);
                // Where a value is censored its own density is not asked for.
                let within = g.constant(self.inside);
                let told = g.select(beyond, within, x);
                let density = self.modified(g, told, inner, plain)?;
                Some(g.select(beyond, tail, density))
            }
            (Modifier::Truncated(_), _) => {
                let ends = Ends::of(modifiers.get(inner.len()..).unwrap_or_default());
                let density = self.modified(g, x, inner, plain)?;
                let mass = self.log_mass(g, ends)?;
                let mut density = g.sub(density, mass);
                let nowhere = g.constant(f64::NEG_INFINITY);
                if let Some(low) = ends.low {
                    let there = g.less_equal(low, x);
                    density = g.select(there, density, nowhere);
                }
                if let Some(high) = ends.high {
                    let there = g.less_equal(x, high);
                    density = g.select(there, density, nowhere);
                }
                Some(density)
            }
            (Modifier::Weighted, &[weight]) => {
                let zero = g.constant(0.0);
                let none = g.equal(weight, zero);
                let inside = g.constant(self.inside);
                let counted = g.select(none, inside, x);
                let density = self.modified(g, counted, inner, plain)?;
                let weighted = g.mul(weight, density);
                Some(g.select(none, zero, weighted))
            }
            (Modifier::Missing, _) if self.marginal => self.modified(g, x, inner, plain),
            (Modifier::Missing, _) => {
                let there = g.equal(x, x);
                let (within, nothing) = (g.constant(self.inside), g.constant(0.0));
                let known = g.select(there, x, within);
                let density = self.modified(g, known, inner, plain)?;
                Some(g.select(there, density, nothing))
            }
            _ => None,
        }
    }
}
