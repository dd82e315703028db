//! The portable executor.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod conformance;
#[path = "../../../graph/tests/all/naive/mod.rs"]
mod naive;
