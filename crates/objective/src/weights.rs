//! What each functional weighs in what is minimised: the weights of its sum and the multipliers of its bounds, as nodes. They
//! are made before anything else is derived, since an exact guide follows them.

use fe_check::{Functional, Program, Schedule};
use fe_graph::{Graph, InputId, NodeId};

/// The weights of an objective.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weights {
    /// Of each summand.
    pub terms: Vec<NodeId>,
    /// Those that change in the course of a fit.
    pub controls: Vec<(InputId, Schedule)>,
    /// Of each bound.
    pub prices: Vec<Price>,
}

/// The price of a bound: an augmented Lagrangian's two numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Price {
    /// Nats of the objective for each of what is bounded.
    pub multiplier: (InputId, NodeId),
    /// The curvature that is added.
    pub penalty: (InputId, NodeId),
}

impl Weights {
    /// As inputs where they move.
    pub fn new(g: &mut Graph, program: &Program) -> Self {
        let mut weights = Self::default();
        for (number, (weight, _)) in program.objective.terms.iter().enumerate() {
            weights.terms.push(match weight {
                Schedule::Constant(w) => g.constant(*w),
                schedule => {
                    let (input, node) = g.input(&format!("weight {}", number + 1), &[]);
                    weights.controls.push((input, *schedule));
                    node
                }
            });
        }
        for stated in &program.objective.bounds {
            let multiplier = g.input(&format!("multiplier of {}", stated.text), &[]);
            let penalty = g.input(&format!("penalty of {}", stated.text), &[]);
            weights.prices.push(Price { multiplier, penalty });
        }
        weights
    }

    /// What all functionals that satisfy a condition weigh together, bounds by their multipliers.
    pub fn of(&self, g: &mut Graph, program: &Program, counts: impl Fn(&Functional) -> bool) -> NodeId {
        let mut total = g.constant(0.0);
        for (&weight, (_, functional)) in self.terms.iter().zip(&program.objective.terms) {
            if counts(functional) {
                total = g.add(total, weight);
            }
        }
        for (price, stated) in self.prices.iter().zip(&program.objective.bounds) {
            for (weight, _) in stated.terms.iter().filter(|(_, functional)| counts(functional)) {
                let part = g.scale(price.multiplier.1, *weight);
                total = g.add(total, part);
            }
        }
        total
    }
}
