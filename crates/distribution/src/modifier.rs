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
    /// One argument, which the log density is multiplied by.
    Weighted,
    /// Values that are NaN were not observed, and count for nothing.
    Missing,
}

impl Modifier {
    /// How many arguments it takes.
    pub fn arguments(self) -> usize {
        match self {
            Modifier::Mixture(_) | Modifier::Weighted | Modifier::CensoredBelow | Modifier::CensoredAbove => 1,
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

impl Density<'_> {
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
                let tail = if below {
                    self.family.log_cdf(g, end, self.args)?
                } else {
                    // Of counts, what lies at the end lies above the one before.
                    let last = if self.discrete { g.shift(end, -1.0) } else { end };
                    self.family.log_survival(g, last, self.args)?
                };
                // Where a value is censored its own density is not asked for.
                let within = g.constant(self.inside);
                let told = g.select(beyond, within, x);
                let density = self.modified(g, told, inner, plain)?;
                Some(g.select(beyond, tail, density))
            }
            (Modifier::Weighted, &[weight]) => {
                let density = self.modified(g, x, inner, plain)?;
                Some(g.mul(weight, density))
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
