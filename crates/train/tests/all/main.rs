//! Fits of compiled programs against computations made by hand: minima of quadratics, single steps, figures in closed form,
//! shapes of importance weights, verdicts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod figures;
mod minima;
mod noise;
mod steps;
mod support;
mod weights;
