//! The checker: programs that are right, programs that are wrong, and what they mean.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;
mod errors;
mod fuzz;
mod layers;
mod meaning;
mod programs;
mod valid;
