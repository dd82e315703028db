//! Plans a graph once and runs it many times on this machine's cores: fused element-wise loops, planned buffers, matrix
//! products on row panels, sampling inside the plan. The numbers do not depend on the number of threads.

pub mod isa;
pub mod math;
pub mod sampling;
