//! The fe command: check, explain, fit and report probabilistic programs.
fn main() {}
