//! Readers, what they make of files, and how files that are wrong are refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;
mod errors;
mod hostile;
mod preprocessing;
mod readers;
mod tables;
