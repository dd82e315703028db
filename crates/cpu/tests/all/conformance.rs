//! What every executor is held to, and what is particular to this one.

#[path = "../../../graph/tests/all/conformance/failures.rs"]
mod failures;
#[path = "../../../graph/tests/all/conformance/loops.rs"]
mod loops;
#[path = "../../../graph/tests/all/conformance/operations.rs"]
mod operations;
#[path = "../../../graph/tests/all/conformance/programs.rs"]
mod programs;
#[path = "../../../graph/tests/all/conformance/windows.rs"]
mod windows;

use fe_cpu::{CpuExecutor, Precision};
use fe_graph::Executor;

fn executor(precision: Precision) -> CpuExecutor {
    CpuExecutor::new(precision)
}

#[test]
fn the_executor_says_what_it_is() {
    assert_eq!(executor(Precision::F32).name(), "cpu f32");
    assert_eq!(executor(Precision::F64).name(), "cpu f64");
}
