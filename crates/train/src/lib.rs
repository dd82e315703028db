//! Optimizers, schedules, minibatches, convergence, evaluation.

mod activity;
pub mod batches;
mod bijector;
mod bounds;
mod chains;
mod checkpoint;
pub mod convergence;
mod curvature;
mod descent;
mod deterministic;
mod drawing;
pub mod draws;
mod engine;
mod estimates;
mod evaluate;
mod figures;
mod fit;
mod heldout;
mod horizon;
mod journal;
mod laplace;
mod lattice;
pub mod lbfgs;
pub mod linear_algebra;
mod markov;
mod method;
pub mod mixing;
mod mixture;
mod modes;
mod moments;
mod new_rows;
pub mod nuts;
pub mod optimizer;
mod plan;
mod posterior;
mod potential;
mod predictive;
mod problem;
mod proposal;
pub mod psis;
mod qmc;
mod reading;
mod readouts;
mod recentred;
mod redraws;
pub mod referee;
mod response;
mod saa;
mod sampled;
mod starting;
mod starts;
pub mod statistics;
mod stochastic;
pub mod streams;
mod tails;
mod target;
mod trace;
mod turns;

pub use bounds::Bounded;
pub use checkpoint::{From, Keeper, Moment, State, Unkept};
pub use descent::{Refined, RefinedAt};
pub use estimates::{Estimate, StandardErrors};
pub use figures::{ByRow, ByUnit, Figures, LatentFigure, MeterFigure, RateSplit, TermFigure};
pub use fit::{
    Checks, End, FirstMinimum, Fit, FitError, Monitor, Undrawn, Unread, first_minimum, fit, minimise, split,
};
pub use method::{Method, StochasticSteps, method, uses_lbfgs};
pub use moments::Change;
pub use new_rows::{NewRows, Rows, new_rows, own_rows, preconditioners, rows};
pub use plan::plan;
pub use posterior::{Departure, Heavy, Posterior, Summary};
pub use predictive::{
    KnownDraws, NewData, Predicting, Predictive, PredictiveError, Prior, known_draws, posterior_predictive, predict,
    prior_predictive,
};
pub use problem::{Kept, Problem, Ready, Setting, Values, from_sorted, to_sorted, unconstrained, unconstrained_value};
pub use proposal::Modes;
pub use readouts::{Known, RowCode, RowCodes, codes};
pub use response::{Response, Understated};
pub use sampled::{Drawn, Draws, LogLikelihood, Loo};
pub use starts::Starts;
pub use tails::CutOff;
pub use trace::TracePoint;
pub use turns::{TurnInput, TurnOutput, Turning};
