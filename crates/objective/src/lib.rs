//! Program to free energy: terms, estimators with reasons, one graph.

mod density;
mod derive;
mod drawing;
mod enumeration;
mod expectation;
mod explain;
mod flow;
mod formula;
mod groups;
mod guides;
mod importance;
mod joints;
mod ledger;
mod low_rank;
mod objective;
mod prepare;
mod quadrature;
mod terms;

pub use derive::{DEFAULT_TEMPERATURE, derive};
pub use explain::explain;
pub use guides::FULL_RANK_LIMIT;
pub use objective::{
    Block, Bound, Energy, Joint, LatentNodes, Objective, Parameter, Predicted, Prepared, Reported, Start, Term,
    TermKind, Underivable,
};
