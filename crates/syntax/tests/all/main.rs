//! The grammar, the formatter and what is said of mistakes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod grammar;
mod mistakes;
mod programs;
mod properties;
