//! What becomes of what is to come when a finite latent is summed out: chance, the best choice, a stated one.

use fe_check::{Guide, Latent, Sees};
use fe_graph::{Axis, Binary, Graph, NodeId};

use super::Variable;

/// Log probabilities are cut off here, below which nothing is ever met: so that impossible values stay finite.
const LEAST: f64 = -1e30;

/// How a finite latent is summed out.
#[derive(Clone, Debug)]
pub(crate) enum Operator {
    /// By its own probabilities.
    Chance,
    /// By the best of all functions of what it sees.
    Best(Sees),
    /// By a stated guide.
    Stated,
}

impl Operator {
    pub fn of(latent: &Latent) -> Self {
        match &latent.guide {
            Guide::Prior => Self::Chance,
            Guide::Exact(sees) => Self::Best(sees.clone()),
            Guide::Stated(_) => Self::Stated,
            _ => Self::Best(Sees::Everything),
        }
    }
}

/// A log probability that stays finite.
pub(super) fn at_least(g: &mut Graph, log: NodeId) -> NodeId {
    let least = g.constant(LEAST);
    g.binary(Binary::Max, log, least)
}

/// The tables of a variable at one position.
pub(super) struct Drawn {
    /// The axis that its values have there.
    pub along: Axis,
    pub log_p: NodeId,
    pub log_q: Option<NodeId>,
    /// The weight of its rate, α.
    pub weight: NodeId,
}

impl Drawn {
    /// What is to come before the variable is drawn, from what is to come once it is.
    pub fn before(&self, g: &mut Graph, variable: &Variable, to_come: NodeId) -> NodeId {
        match (&variable.operator, self.log_q) {
            (Operator::Chance, _) => {
                let p = g.exp(self.log_p);
                g.contract(p, to_come, &[self.along])
            }
            (Operator::Stated, Some(log_q)) => {
                let cost = self.with_rate(g, log_q, to_come);
                let q = g.exp(log_q);
                g.contract(q, cost, &[self.along])
            }
            (Operator::Best(_) | Operator::Stated, _) => {
                let scaled = g.div(to_come, self.weight);
                let tilted = g.sub(self.log_p, scaled);
                let log = g.logsumexp(tilted, &[self.along]);
                let value = g.mul(self.weight, log);
                g.neg(value)
            }
        }
    }

    /// log q of the best choice, log p − V/α less its logarithm of a sum; and its rate Σ q log q/p.
    pub fn best(&self, g: &mut Graph, to_come: NodeId) -> (NodeId, NodeId) {
        let scaled = g.div(to_come, self.weight);
        let tilted = g.sub(self.log_p, scaled);
        let log_q = g.log_softmax(tilted, &[self.along]);
        let (q, ratio) = (g.exp(log_q), g.sub(log_q, self.log_p));
        (q, g.contract(q, ratio, &[self.along]))
    }

    /// V + α log q/p
    pub fn with_rate(&self, g: &mut Graph, log_q: NodeId, to_come: NodeId) -> NodeId {
        let ratio = g.sub(log_q, self.log_p);
        let rate = g.mul(self.weight, ratio);
        g.add(to_come, rate)
    }
}

/// The sum of some nodes.
pub(super) fn total(g: &mut Graph, nodes: &[NodeId]) -> NodeId {
    let zero = g.constant(0.0);
    nodes.iter().fold(zero, |sum, &n| g.add(sum, n))
}
