//! The operations. Few, and closed under differentiation.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::axis::{Axis, AxisId};
use crate::graph::{InputId, NodeId};
use crate::scan::Scan;
use crate::tensor::Tensor;

/// A 64-bit float compared and hashed by its bits.
#[derive(Clone, Copy, Debug)]
pub struct Real(pub f64);

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}
impl Eq for Real {}
impl Hash for Real {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// Names a source of randomness; the same name gives the same numbers. See [`Site::named`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Site(pub u64);

impl Site {
    /// Names of streams outside of any graph that a node's could be too.
    pub const OUTSIDE: [&str; 2] = ["holdout", "batches"];

    /// The site of a node of this name.
    pub fn named(name: &str) -> Self {
        if Self::OUTSIDE.contains(&name) { Self::outside(&format!("node {name}")) } else { Self::outside(name) }
    }

    /// The site of a stream that no graph draws from (FNV-1a).
    pub fn outside(name: &str) -> Self {
        Self(name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)))
    }
}

/// Standard noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoiseKind {
    /// N(0, 1)
    Normal,
    /// Uniform on the open interval (0, 1)
    Uniform,
    /// Exponential with rate 1
    Exponential,
}

/// The weight of an arrival at time t, as a function of v = (1 − t)/τ: a smooth version of `[t < 1]`. With
/// u = clamp(v/2 + 1/2, 0, 1): linear u; cubic 3u² − 2u³; quintic 6u⁵ − 15u⁴ + 10u³; cosine ½(1 − cos πu); sigmoid
/// σ(v), which alone has no compact support (arXiv 2602.03896).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Indicator {
    /// 3u² − 2u³, the default: mean exact, variance short by 9τ/35.
    Cubic,
    /// u: variance short by τ/3.
    Linear,
    /// 6u⁵ − 15u⁴ + 10u³: variance short by 50τ/231.
    Quintic,
    /// ½(1 − cos πu): variance short by τ/4.
    Cosine,
    /// σ(v): mean too large by the factor 1 + τ log(1 + e^{−1/τ}).
    Sigmoid,
}

/// Element-wise functions of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Unary {
    Neg,
    Exp,
    Log,
    Log1p,
    Expm1,
    Sqrt,
    Square,
    Recip,
    Abs,
    /// −1, 0 or 1
    Sign,
    /// 1 where positive, else 0
    Step,
    Relu,
    Tanh,
    Sigmoid,
    /// log(1 + eˣ)
    Softplus,
    Sin,
    Cos,
    Atan,
    Floor,
    Erf,
    /// Φ, the standard normal distribution function
    NormalCdf,
    /// log Φ, accurate in the tail
    LogNormalCdf,
    /// log |Γ|
    LogGamma,
    /// The derivative of order n + 1 of log Γ: 0 is digamma, 1 trigamma
    Polygamma(u8),
    /// log I_n(|x|), the modified Bessel function of the first kind
    LogBesselI(u8),
}

impl Unary {
    /// Those without an order.
    pub const PLAIN: [Self; 23] = [
        Self::Neg,
        Self::Exp,
        Self::Log,
        Self::Log1p,
        Self::Expm1,
        Self::Sqrt,
        Self::Square,
        Self::Recip,
        Self::Abs,
        Self::Sign,
        Self::Step,
        Self::Relu,
        Self::Tanh,
        Self::Sigmoid,
        Self::Softplus,
        Self::Sin,
        Self::Cos,
        Self::Atan,
        Self::Floor,
        Self::Erf,
        Self::NormalCdf,
        Self::LogNormalCdf,
        Self::LogGamma,
    ];
}

/// Element-wise functions of two arguments; comparisons give 1 or 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Max,
    Min,
    Less,
    LessEqual,
    Equal,
    /// log z where P(a, z) = Φ(ε): a Gamma(a, 1) draw from the shape a and a standard normal number ε
    LogGammaQuantile,
    /// Its derivative in a at fixed ε
    LogGammaQuantileSlope,
    /// ε where P(a, eʸ) = Φ(ε): the standard normal number that stands for a Gamma(a, 1) value in its distribution function,
    /// from the shape a and the value's log y; what [`Binary::LogGammaQuantile`] undoes
    GammaScore,
    /// The angle x where F(x) = Φ(ε): a von Mises draw around 0 from the concentration κ and ε
    VonMisesQuantile,
    /// Its derivative in κ at fixed ε
    VonMisesQuantileSlope,
}

impl Binary {
    /// Whether it is a quantile function or the slope of one.
    pub fn is_quantile(self) -> bool {
        matches!(
            self,
            Binary::LogGammaQuantile
                | Binary::LogGammaQuantileSlope
                | Binary::VonMisesQuantile
                | Binary::VonMisesQuantileSlope
        )
    }
}

/// One operation. A node's axes are those of the result. Element-wise operations match their operands by axis and
/// give the union.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A number.
    Constant(Real),
    /// A fixed tensor over the node's axes.
    Literal(Arc<Tensor>),
    /// A tensor given when the graph runs.
    Input(InputId),
    /// Fresh standard noise over the node's axes.
    Noise {
        /// Its distribution.
        kind: NoiseKind,
        /// Its name.
        site: Site,
    },
    /// The extent of an axis as a number.
    Extent(AxisId),
    /// 0, 1, 2, … along the node's one axis.
    Iota,
    /// Element-wise, one operand.
    Unary(Unary),
    /// Element-wise, two operands.
    Binary(Binary),
    /// Element-wise: second operand where the first is not 0, else the third.
    Select,
    /// Sum over these axes.
    Sum(Vec<Axis>),
    /// Maximum over these axes.
    Max(Vec<Axis>),
    /// Sum over these axes, which both operands have, of their product.
    Contract(Vec<Axis>),
    /// Repeated along these axes, which the operand lacks.
    Broadcast(Vec<Axis>),
    /// Axes renamed, pairwise from → to.
    Rename(Vec<(Axis, Axis)>),
    /// The elements over `from`, in that order, laid out over `to`, in that order; other axes untouched.
    Reshape {
        /// Axes that go, slowest first.
        from: Vec<Axis>,
        /// Axes that come, slowest first; same number of elements.
        to: Vec<Axis>,
    },
    /// Operands x and index: picks along `axis` of x; the index's own axes take its place, and axes that both carry
    /// pick pointwise.
    Gather {
        /// The axis of x picked along.
        axis: Axis,
    },
    /// Operands u and index: adds each element of u at position index along the new axis `axis`, summing over the
    /// axes `over`. The transpose of [`Op::Gather`].
    ScatterAdd {
        /// The new axis.
        axis: Axis,
        /// Axes of u summed away.
        over: Vec<Axis>,
    },
    /// A square matrix over (`row`, `column`) replaced by a factor or an inverse over the same axes.
    Factor {
        /// Which.
        kind: Factor,
        /// Rows.
        row: Axis,
        /// Columns.
        column: Axis,
    },
    /// Operands log rate η and temperature τ. Σᵢ Dᵏ g((1 − tᵢ)/τ) over the arrivals tᵢ = sᵢ e^{−η} of a Poisson
    /// process, sᵢ cumulated unit exponentials, D = d/dη and k the order; at τ = 0 the exact count (and 0 for k > 0).
    Arrivals {
        /// k
        order: u8,
        /// g
        indicator: Indicator,
        /// Its name.
        site: Site,
    },
    /// The operand, constant to differentiation.
    Stop,
    /// A loop; its results are taken by [`Op::Output`]. Operands: initial carries, then scanned tensors, then
    /// constants.
    Scan(ScanRef),
    /// Result k of a scan: final carries first, then stacked results.
    Output(usize),
}

/// Factors and inverses of square matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Factor {
    /// Lower L of L Lᵀ = ½(A + Aᵀ); NaN where A is not positive definite.
    Cholesky,
    /// The inverse of the lower triangle.
    Inverse,
    /// The inverse of the whole matrix; NaN where there is none.
    FullInverse,
}

/// A shared loop, compared by identity.
#[derive(Clone, Debug)]
pub struct ScanRef(pub Arc<Scan>);

impl PartialEq for ScanRef {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
impl Eq for ScanRef {}
impl Hash for ScanRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

/// The part of the program that a node came from; opaque here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin(pub u32);

/// One node.
#[derive(Clone, Debug)]
pub struct Node {
    /// The operation.
    pub op: Op,
    /// From what.
    pub inputs: Vec<NodeId>,
    /// The axes of the result, sorted.
    pub axes: Vec<Axis>,
    /// Its origin in the program.
    pub origin: Origin,
}
