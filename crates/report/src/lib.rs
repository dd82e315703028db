//! A fit as a ledger: terminal text and JSON.
//!
//! A [`Document`] holds the figures of one fit and nothing about how they were computed. [`json`] writes it as
//! `fit.json`, [`terminal`] as the ledger printed after a fit, [`trace_csv`] writes the course of the fit, and
//! [`run_page`] makes a page of it all. What a reader is shown is decided once, in `ledger`, as tables of typed cells
//! ([`Table`], [`Cell`], [`Number`]); terminal and page only lay these out.

mod account;
mod arrays;
mod balance;
mod chart;
mod comparison;
mod diagrams;
mod document;
mod elpd;
mod evaluation;
mod figures;
mod file;
mod inference_data;
mod json;
mod ledger;
mod nested;
mod page;
mod picture;
mod refinement;
mod sweep;
mod terminal;
mod trace;
mod verdict;
mod verification;

pub use account::{Account, Figure};
pub use arrays::{ArraysError, csv, npz, npz_arrays, place};
pub use balance::{Imbalance, balance};
pub use chart::{Axis, Bar, Bars, Chart, Format, Histogram, Series, even};
pub use comparison::{
    Compared, Comparison, Errors, PairOfFits, PartErrors, Side, SideFit, compared, comparison_terminal, standard_error,
};
pub use diagrams::{DIAGRAMS_SCHEMA, Diagrams};
pub use document::{
    Constraint, Document, Estimate, HeldOut, InFile, Labels, Latent, LeaveOneOut, LogEvidence, Meter, Price, RateSplit,
    SCHEMA, Summary, Term, TermKind, Units,
};
pub use elpd::{Elpd, ElpdTable, Incomparable, elpd_table, elpd_terminal};
pub use evaluation::{ByRow, Evaluation, Own, evaluation_terminal};
pub use figures::fixed;
pub use file::{ASIDE, move_over, remove, write_atomically};
pub use inference_data::{Array, Group, MOST_ALONG, NetcdfError, inference_data};
pub use json::json;
pub use ledger::{Cell, Column, Interval, Kind, Label, Number, Room, Row, Span, Table, Tone, Value};
pub use nested::{Nested, ShapeError};
pub use page::{
    Block, Drawing, Fact, Headline, Page, Panels, PictureFile, Pictured, RunPage, Section, run_page, sweep_page,
};
pub use picture::{Picture, Planes, Shades, Size, images};
pub use refinement::{RefinedStep, Refinement, StateStep, listed_steps, refined_csv};
pub use sweep::{FLOOR, Pair, Point, Sweep, Weighed, certificate, sweep_csv, sweep_pictures, sweep_terminal};
pub use terminal::terminal;
pub use trace::{TraceRow, read_trace, trace_csv};
pub use verdict::{Coarse, CutOff, Departure, Disagreement, Heavy, MeanField, Modes, Nuts, Redraws, Starts, Verdict};
pub use verification::{Chains, Held, Outcome, VERIFICATION_SCHEMA, Verification, Verified, verification_terminal};
