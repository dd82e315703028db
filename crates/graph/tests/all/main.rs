//! Derivatives, rewriting, noise, loops and special functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod gradient;
mod iterate;
mod naive;
mod noise;
mod reach;
mod recur;
mod rewriting;
mod scan;
mod special;
