//! Which executor runs a program.

use fe_cpu::CpuExecutor;
use fe_graph::Executor;

use crate::error::Error;
use crate::options::{ExecutorKind, Precision};

/// The executor asked for; where none is, the planned one on a CPU and candle elsewhere.
///
/// # Errors
/// When there is no such executor for this device, or in this build.
pub fn open(executor: Option<ExecutorKind>, precision: Precision, device: &str) -> Result<Box<dyn Executor>, Error> {
    match (executor, device) {
        (None | Some(ExecutorKind::Cpu), "cpu") => Ok(Box::new(CpuExecutor::new(match precision {
            Precision::F32 => fe_cpu::Precision::F32,
            Precision::F64 => fe_cpu::Precision::F64,
        }))),
        (Some(ExecutorKind::Cpu), device) => {
            Err(Error::Request(format!("the executor `cpu` does not run on the device `{device}`: use `candle`")))
        }
        (None | Some(ExecutorKind::Candle), device) => candle(precision, device),
    }
}

#[cfg(feature = "candle")]
fn candle(precision: Precision, device: &str) -> Result<Box<dyn Executor>, Error> {
    let precision = match precision {
        Precision::F32 => fe_candle::Precision::F32,
        Precision::F64 => fe_candle::Precision::F64,
    };
    let executor = fe_candle::CandleExecutor::new(precision, device).map_err(|e| Error::Request(e.to_string()))?;
    Ok(Box::new(executor))
}

#[cfg(not(feature = "candle"))]
fn candle(_: Precision, device: &str) -> Result<Box<dyn Executor>, Error> {
    Err(Error::Request(format!(
        "this build of fe has no candle, and runs on the device `cpu` alone, not on `{device}`: build it with the \
         feature `candle`, which is there by default"
    )))
}
