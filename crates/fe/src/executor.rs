//! Which executor runs a program.

use fe_candle::CandleExecutor;
use fe_cpu::CpuExecutor;
use fe_graph::Executor;

use crate::cli::{ExecutorArg, PrecisionArg};
use crate::failure::Failure;

/// The executor asked for; where none is, the planned one on a CPU and candle elsewhere.
pub fn open(
    executor: Option<ExecutorArg>,
    precision: PrecisionArg,
    device: &str,
) -> Result<Box<dyn Executor>, Failure> {
    match (executor, device) {
        (None | Some(ExecutorArg::Cpu), "cpu") => Ok(Box::new(CpuExecutor::new(match precision {
            PrecisionArg::F32 => fe_cpu::Precision::F32,
            PrecisionArg::F64 => fe_cpu::Precision::F64,
        }))),
        (Some(ExecutorArg::Cpu), device) => {
            Err(Failure::Usage(format!("the executor `cpu` does not run on the device `{device}`: use `candle`")))
        }
        (_, device) => {
            let precision = match precision {
                PrecisionArg::F32 => fe_candle::Precision::F32,
                PrecisionArg::F64 => fe_candle::Precision::F64,
            };
            let executor = CandleExecutor::new(precision, device).map_err(|e| Failure::Usage(e.to_string()))?;
            Ok(Box::new(executor))
        }
    }
}
