//! What every executor is held to, without this processor's wide registers.
#![allow(clippy::duplicate_mod, reason = "the same tests hold two executors")]

#[path = "../../../graph/tests/all/conformance/loops.rs"]
mod loops;
#[path = "../../../graph/tests/all/conformance/operations.rs"]
mod operations;
#[path = "../../../graph/tests/all/conformance/programs.rs"]
mod programs;
#[path = "../../../graph/tests/all/conformance/windows.rs"]
mod windows;

use fe_cpu::isa::Isa;
use fe_cpu::{CpuExecutor, Precision};

fn executor(precision: Precision) -> CpuExecutor {
    CpuExecutor::new(precision).with_isa(Isa::Portable)
}
