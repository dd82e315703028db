//! What allocates nothing. The allocator counts for a whole process, so these are a process of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod counting;
mod sampling;
mod training;
