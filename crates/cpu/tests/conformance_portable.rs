//! What every executor is held to, without this processor's wide registers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../../graph/tests/naive/mod.rs"]
mod naive;

#[path = "../../graph/tests/conformance/operations.rs"]
mod operations;
#[path = "../../graph/tests/conformance/programs.rs"]
mod programs;

use fe_cpu::isa::Isa;
use fe_cpu::{CpuExecutor, Precision};

fn executor(precision: Precision) -> CpuExecutor {
    CpuExecutor::new(precision).with_isa(Isa::Portable)
}
