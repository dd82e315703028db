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

use fe_candle::{CandleExecutor, Precision};
use fe_graph::Executor;

fn executor(precision: Precision) -> CandleExecutor {
    CandleExecutor::new(precision, "cpu").unwrap()
}

#[test]
fn devices_that_are_not_there() {
    for device in ["gpu", "cpu:0", "cuda:x", "", "metal"] {
        let error = CandleExecutor::new(Precision::F32, device).unwrap_err().to_string();
        assert!(error.contains("there is no device"), "{error}");
    }
    if !cfg!(feature = "cuda") {
        let error = CandleExecutor::new(Precision::F32, "cuda:0").unwrap_err().to_string();
        assert!(error.contains("feature `cuda`"), "{error}");
    }
}

#[test]
fn the_executor_says_what_it_is() {
    assert_eq!(CandleExecutor::new(Precision::F32, "cpu").unwrap().name(), "candle f32");
    assert_eq!(CandleExecutor::new(Precision::F64, "cpu").unwrap().name(), "candle f64");
}
