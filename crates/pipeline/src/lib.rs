//! The library under the command line: `Text → Loaded → Prepared → Fitted → Document`, and from a finished run's directory
//! back to what was prepared and where the fit ended.
//!
//! ```text
//! Text      a program and where it stands            Text::read
//! Loaded    checked, with the headers of its data    load
//! Prepared  derived, with its data                   prepare
//! Fitted    a problem and its solution               Prepared::fit
//! Document  what is reported of it                   Prepared::document, directory::Run::write
//! Finished  a run's directory                        Finished::read, Finished::prepare, Finished::solution
//! ```
//!
//! Nothing here prints, reads the environment, or knows of exit codes: what calls it does. Data come from files, or from
//! arrays of the caller's ([`ReadOptions::arrays`]).

mod budget;
mod checkpoint;
mod codes;
pub mod compare;
pub mod data;
mod diagrams;
pub mod directory;
mod document;
mod error;
mod evaluate;
mod executor;
mod explain;
mod finished;
mod fit;
mod forms;
mod gaps;
mod load;
mod new_rows;
mod options;
mod page;
mod pictures;
mod predict;
mod prepare;
mod record;
mod row_codes;
pub mod sample;
mod sources;
pub mod stream;
pub mod sweep;
mod text;
mod threads;
mod timelines;
mod timings;
mod totals;
mod verify;
mod watch;

pub use budget::Foreseen;
pub use checkpoint::{Checkpoints, Earlier, is_of};
pub use codes::CODES;
pub use error::{Error, OptionName, fault};
pub use evaluate::{Evaluated, evaluate, evaluate_own};
pub use explain::{explanation, plan};
pub use fe_data::Headers;
pub use finished::{Finished, Solution};
pub use fit::{Fitted, failed};
pub use load::{Loaded, Sought, load, load_with, sources};
pub use new_rows::in_place_of_table;
pub use options::{Assignment, ExecutorKind, FitOptions, Precision, ReadOptions, bytes};
pub use page::{page_again, put_pictures, rewrite};
pub use predict::{PredictOptions, Predictions, predict};
pub use prepare::{Prepared, derive, prepare, prepare_with};
pub use record::{Identity, RunRecord};
pub use row_codes::{Codes, CodesFile, codes};
pub use text::Text;
pub use threads::on_threads;
pub use timings::{Clock, Spent, Stage};
pub use verify::{Referee, verify};
pub use watch::{Unwatched, Watch};
