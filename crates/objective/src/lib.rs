//! Program to free energy: terms, estimators with reasons, one graph.

mod arrivals;
mod codes;
mod count_estimators;
mod degree;
mod density;
mod derive;
mod deriver;
mod drawing;
mod elimination;
mod enumerated;
mod enumeration;
mod estimate;
mod estimator;
mod expectation;
mod explain;
mod formula;
mod guide;
mod importance;
mod independent;
mod influence;
mod joints;
mod law;
mod ledger;
mod markov;
mod means;
mod messages;
mod minimised;
mod nodes;
mod objective;
mod prepare;
mod pulled_back;
mod quadrature;
mod readouts;
mod refinement;
mod relaxation;
pub mod relaxed;
mod resampled;
mod score;
mod sequence;
mod stencil;
mod terms;
mod values;
mod variance;
mod weights;

pub use codes::CODES;
pub use derive::{WithStatistics, derive};
pub use deriver::DEFAULT_TEMPERATURE;
pub use elimination::Structure;
pub use estimator::{DrawGradient, Estimator, Remainder};
pub use explain::explain;
pub use guide::kind::{ChainReason, GuideKind, Sight, Turn};
pub use guide::types::FULL_RANK_LIMIT;
pub use independent::Independent;
pub use objective::{
    Beyond, Block, Bound, Chain, Choice, Gain, Guides, ImportanceBound, Joint, Landscape, LatentNodes, Minimised,
    ModeSearch, Objective, Parameter, Predicted, Prepared, Pricing, Readout, ReadoutOf, ReportNodes, Reported, Sampled,
    Seen, SeenElement, Shown, Spaced, Spikes, Start, Term, TermKind, Underivable, When,
};
pub use pulled_back::{FEW, NoiseInput, PulledBack};
pub use refinement::{Descent, DescentState, DescentStep, DescentTrace};
pub use relaxation::gumbel_softmax;
pub use values::FIGURE_ROWS;
