//! What is said of estimators, against what they do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod elimination;
mod refinement;
mod relaxed;
mod sequence;
mod values;
