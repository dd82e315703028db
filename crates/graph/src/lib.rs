//! The tensor IR with named axes: operations, derivatives, simplification, and the executor trait.
//!
//! A [`Graph`] is an arena of shared nodes. A node's axes are a sorted set of names: order carries no meaning,
//! element-wise operations match by name, and a rename is the only way one axis becomes another. Nothing here knows of
//! probability or of the language.

mod apart;
pub mod axis;
mod build;
mod derivative;
mod executor;
mod graph;
mod iterate;
pub mod matrix;
pub mod noise;
mod op;
pub mod plan;
pub mod quantile;
mod reach;
mod recur;
mod scan;
mod scan_derivative;
mod scan_split;
pub mod special;
mod substitute;
mod tensor;
pub mod trace;
pub mod training;

pub use axis::{Axis, AxisId, AxisInfo};
pub use build::{Counting, Windows};
pub use derivative::DerivativeError;
pub use executor::{Compiled, ExecutionError, Executor, Feed, NonFinite};
pub use graph::{Graph, InputId, InputInfo, Interior, NodeId};
pub use iterate::{Iterated, State};
pub use op::{Binary, Factor, Indicator, Node, NoiseKind, Op, Origin, Real, ScanRef, Site, Unary};
pub use reach::Reach;
pub use recur::{Recurrence, Stepped};
pub use scan::{Scan, ScanParts};
pub use tensor::Tensor;
