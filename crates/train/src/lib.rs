//! Optimizers, schedules, minibatches, convergence, evaluation.

pub mod batches;
mod chains;
pub mod convergence;
mod curvature;
mod deterministic;
pub mod draws;
mod engine;
mod evaluate;
mod fit;
mod heldout;
pub mod lbfgs;
pub mod linear_algebra;
pub mod optimizer;
mod plan;
mod posterior;
mod predictive;
mod problem;
pub mod psis;
mod sampled;
pub mod statistics;
mod stochastic;

pub use evaluate::{Figures, LatentFigure, MeterFigure, TermFigure};
pub use fit::{Fit, FitError, Method, Monitor, TracePoint, fit, method, split, uses_lbfgs};
pub use plan::plan;
pub use posterior::{Posterior, Summary};
pub use predictive::{PredictiveError, Prior, posterior_predictive, prior_predictive};
pub use problem::{Problem, Setting, Values, from_sorted, to_sorted};
pub use sampled::{Drawn, Draws, Loo};
