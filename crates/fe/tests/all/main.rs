//! The command, through the built binary, and the compiler behind it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod cache;
mod cli;
#[path = "../common/mod.rs"]
mod common;
mod compare;
mod data;
mod derivation;
mod determinism;
mod diagrams;
mod docs;
mod eval;
mod front;
mod lsp;
mod memory;
mod messages;
mod nothing_lost;
mod report;
mod results;
mod rules_axes;
mod rules_guides;
mod rules_rows;
mod sample;
mod sizes;
mod stream;
mod sweep;
mod tables;
mod verdict;
mod verify;
mod work;
