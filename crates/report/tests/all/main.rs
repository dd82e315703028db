//! The documents that a fit leaves: as JSON, on a terminal, as a page.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod balance;
mod document;
mod fits;
mod page;
mod sweep;
mod terminal;
mod verification;
