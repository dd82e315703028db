//! Every family against quadrature, sampling and published values.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod categories;
mod closed;
mod common;
mod cuts;
mod docs;
mod edges;
mod matrices;
mod natural;
mod sampling;
mod transforms;
mod vectors;
