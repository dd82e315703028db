//! Plans a graph once and runs it many times on this machine's cores: fused element-wise loops, planned buffers, matrix
//! products on row panels, sampling inside the plan. The numbers do not depend on the number of threads.
//!
//! The order of work and the places of values are decided in [`fe_graph::plan`]; here work is bound to memory
//! (`program`), divided among threads (`team`), and done by kernels: fused loops (`region`), small work as straight
//! lists of instructions (`tape`), products (`product`), random numbers (`random`, [`sampling`]), indexing (`index`).
//! Threads are those of the rayon pool that [`fe_graph::Compiled::run`] is called in.

mod arena;
mod elementwise;
mod executor;
mod factor;
mod index;
pub mod isa;
pub mod math;
mod optimizer;
mod product;
mod program;
mod random;
mod region;
pub mod sampling;
mod scan;
mod tape;
mod team;
mod training_loop;

pub use executor::{CpuExecutor, Precision};
