//! Programs, each under its treatments. A trial is one program in one way, and has a name by which it can be chosen:
//!
//!     cargo test --workspace --test programs                                      the everyday ones
//!     FE_FULL=1 cargo test --workspace --test programs                            all
//!     cargo test --workspace --test programs -- posteriors::arK                   those in whose names this stands
//!     cargo test --workspace --test programs -- --include-ignored gallery::       slow ones too
//!
//! As many run at a time as there are cores, with one thread each. A program whose header says `# slow: …` waits for the full
//! run, which `FE_FULL=1` or `CI` asks for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod bounds;
mod cases;
#[path = "../common/mod.rs"]
mod common;
mod control;
mod descents;
mod errors;
mod estimators;
mod exact;
mod figures;
mod fits;
mod gallery;
mod generated;
mod metabolic;
mod phases;
mod posteriors;
mod structures;
mod studies;
mod treatments;
mod trials;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut trials = trials::Trials::default();
    // Those that take longest begin first, so that the end is not spent waiting for one.
    gallery::trials(&mut trials);
    control::trials(&mut trials);
    descents::trials(&mut trials);
    figures::trials(&mut trials);
    studies::trials(&mut trials);
    metabolic::trials(&mut trials);
    bounds::trials(&mut trials);
    exact::trials(&mut trials);
    estimators::trials(&mut trials);
    posteriors::trials(&mut trials);
    cases::trials(&mut trials);
    generated::trials(&mut trials);
    structures::trials(&mut trials);
    treatments::trials(&mut trials);
    phases::trials(&mut trials);
    errors::trials(&mut trials);
    trials.run()
}
