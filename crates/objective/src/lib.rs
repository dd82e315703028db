//! Program to free energy: terms, estimators with reasons, one graph.

mod centring;
mod chains;
mod closed_loops;
mod degree;
mod density;
mod derive;
mod drawing;
mod enumeration;
mod estimators;
mod expectation;
mod explain;
mod flow;
mod formula;
mod groups;
mod guides;
mod importance;
mod independent;
mod influence;
mod joints;
mod ledger;
mod low_rank;
mod markov;
mod objective;
mod prepare;
mod quadrature;
mod relaxation;
pub mod relaxed;
mod score;
mod stencil;
mod terms;
mod values;

pub use derive::{DEFAULT_TEMPERATURE, derive};
pub use explain::explain;
pub use guides::FULL_RANK_LIMIT;
pub use independent::Independent;
pub use objective::{
    Block, Bound, Chain, Energy, ImportanceBound, Joint, Landscape, LatentNodes, Objective, Parameter, Predicted,
    Prepared, Reported, Shown, Start, Term, TermKind, Underivable,
};
pub use relaxation::gumbel_softmax;
pub use values::FIGURE_ROWS;
