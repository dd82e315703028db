//! Fits of compiled programs against computations made by hand: minima of quadratics, single steps, figures in closed form,
//! shapes of importance weights, verdicts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod chains;
mod figures;
mod minima;
mod mixing;
mod noise;
mod steps;
mod support;
mod weights;
