//! The planned executor and its kernels.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod conformance;
mod conformance_portable;
mod math;
#[path = "../../../graph/tests/all/naive/mod.rs"]
mod naive;
mod sampling;
