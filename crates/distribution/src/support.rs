//! The sets that values lie in, and the maps from the real line onto them.

use fe_graph::{Axis, Graph, NodeId};

/// A set of values. `Positive`, `Unit` and `Interval` are open for transforms, which never reach an end, and closed for
/// data: 0 is a positive datum, as 0 and 1 are unit data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Support {
    /// The real line.
    Real,
    /// From 0 up.
    Positive,
    /// From 0 to 1.
    Unit,
    /// From `low` to `high`; either may be infinite.
    Interval {
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// 0, 1, 2, …
    Count,
    /// 0 or 1.
    Bool,
    /// 0, 1, …, n − 1.
    Index(usize),
    /// Non-negative elements that add up to 1 along the last axis.
    Simplex,
    /// Elements that increase along the last axis.
    Ordered,
    /// One 1 among zeros along the last axis.
    OneHot,
    /// Lower factors L of correlation matrices L Lᵀ, over the last two axes: rows of length 1, a positive diagonal.
    CorrelationFactor,
    /// Lower factors L of covariance matrices L Lᵀ, over the last two axes: a positive diagonal.
    CovarianceFactor,
    /// Symmetric positive definite matrices, over the last two axes.
    Covariance,
}

impl Support {
    /// From 0 up, 0 included: of arguments that may be 0.
    pub const NON_NEGATIVE: Self = Support::Interval { low: 0.0, high: f64::INFINITY };

    /// The plainest support between two ends.
    pub fn between(low: f64, high: f64) -> Self {
        match (low, high) {
            (f64::NEG_INFINITY, f64::INFINITY) => Support::Real,
            (0.0, f64::INFINITY) => Support::Positive,
            (0.0, 1.0) => Support::Unit,
            _ => Support::Interval { low, high },
        }
    }

    /// The least and the greatest value of an element.
    pub fn bounds(self) -> (f64, f64) {
        match self {
            Support::Real | Support::Ordered | Support::CovarianceFactor | Support::Covariance => {
                (f64::NEG_INFINITY, f64::INFINITY)
            }
            Support::CorrelationFactor => (-1.0, 1.0),
            Support::Positive | Support::Count => (0.0, f64::INFINITY),
            Support::Unit | Support::Bool | Support::Simplex | Support::OneHot => (0.0, 1.0),
            Support::Interval { low, high } => (low, high),
            Support::Index(n) => (0.0, n as f64 - 1.0),
        }
    }

    /// Whether every value of `inner` is one of this set, as sets of numbers: counts are positive reals. Whether both
    /// are discrete is a question of its own, see [`Support::is_discrete`].
    pub fn contains(self, inner: Support) -> bool {
        if self.rank() > 0 {
            return self == inner;
        }
        let ((low, high), (inner_low, inner_high)) = (self.bounds(), inner.bounds());
        low <= inner_low && inner_high <= high && (!self.is_discrete() || inner.is_discrete())
    }

    /// What lies in both; `None` where that is no [`Support`].
    pub(crate) fn intersection(self, other: Support) -> Option<Support> {
        if other.contains(self) {
            return Some(self);
        }
        if self.contains(other) {
            return Some(other);
        }
        let plain = |s: Support| !s.is_discrete() && s.rank() == 0;
        let (low, high) = (self.bounds().0.max(other.bounds().0), self.bounds().1.min(other.bounds().1));
        (plain(self) && plain(other) && low < high).then(|| Support::between(low, high))
    }

    /// Whether a number may be an element, ends included; NaN and infinities never may. Of vectors and matrices this
    /// judges each element alone, see [`Support::first_outside`].
    pub fn contains_value(self, x: f64) -> bool {
        let (low, high) = self.bounds();
        x.is_finite() && low <= x && x <= high && (!self.is_discrete() || x.fract() == 0.0)
    }

    /// A number that surely has a density, of elements of these values.
    pub fn inner_value(self) -> f64 {
        let (low, high) = self.bounds();
        match (low.is_finite(), high.is_finite()) {
            (true, true) if self.is_discrete() => low,
            (true, true) => 0.5 * (low + high),
            (true, false) => low + 1.0,
            (false, true) => high - 1.0,
            (false, false) => 0.0,
        }
    }

    /// Whether the values are whole numbers.
    pub fn is_discrete(self) -> bool {
        matches!(self, Support::Count | Support::Bool | Support::Index(_) | Support::OneHot)
    }

    /// Which of the maps onto this set is used.
    fn map(self) -> Option<Map> {
        if self.is_discrete() || self.rank() > 0 {
            return None;
        }
        let (low, high) = self.bounds();
        Some(match (low.is_finite(), high.is_finite()) {
            (false, false) => Map::Identity,
            (true, false) => Map::Above(low),
            (false, true) => Map::Below(high),
            (true, true) => Map::Between(low, high),
        })
    }

    /// The value z at an unconstrained u, and log |dz/du|, both over the axes of u: the identity, exp, sigmoid and the
    /// shifted and scaled ones of Stan. `None` for discrete supports, vectors and matrices.
    pub fn constrain(self, g: &mut Graph, u: NodeId) -> Option<(NodeId, NodeId)> {
        let axes = g.axes_of(u).to_vec();
        Some(match self.map()? {
            Map::Identity => (u, g.full(0.0, &axes)),
            Map::Above(low) => {
                let e = g.exp(u);
                (g.shift(e, low), u)
            }
            Map::Below(high) => {
                let (e, c) = (g.exp(u), g.constant(high));
                (g.sub(c, e), u)
            }
            Map::Between(low, high) => {
                let s = g.sigmoid(u);
                let scaled = g.scale(s, high - low);
                let negative = g.neg(u);
                let (right, left) = (g.softplus(u), g.softplus(negative));
                let both = g.add(right, left);
                let width = g.constant((high - low).ln());
                (g.shift(scaled, low), g.sub(width, both))
            }
        })
    }

    /// Increasing values along an axis at an unconstrained u, and log |∂z/∂u| element by element: the first as it is,
    /// then steps of exp(u), as Stan's `ordered` has them.
    pub fn increase(g: &mut Graph, u: NodeId, along: Axis) -> (NodeId, NodeId) {
        let axes = g.axes_of(u).to_vec();
        let (place, zero) = (g.iota(along), g.constant(0.0));
        let first = g.equal(place, zero);
        let step = g.exp(u);
        let step = g.select(first, u, step);
        // z_k = Σ_{j ≤ k} step_j
        let earlier = Axis::private(along.id);
        let other = g.rename(place, &[(along, earlier)]);
        let upto = g.less_equal(other, place);
        let step = g.rename(step, &[(along, earlier)]);
        let z = g.contract(upto, step, &[earlier]);
        let nothing = g.full(0.0, &axes);
        (z, g.select(first, nothing, u))
    }

    /// Shares along an axis at an unconstrained u over `free`, which is one shorter, and log |∂z/∂u| by the elements of
    /// `free`: Stan's stick-breaking, uniform at u = 0.
    pub fn break_stick(g: &mut Graph, u: NodeId, free: Axis, along: Axis) -> (NodeId, NodeId) {
        let k = g.extent_of(along.id);
        let (place, piece) = (g.iota(along), g.iota(free));
        // v_j = u_j − log(K − 1 − j): the logit of the share of what is left that piece j takes.
        let left: Vec<f64> = (0..k.saturating_sub(1)).map(|j| ((k - 1 - j) as f64).ln()).collect();
        let left = g.literal(fe_graph::Tensor { shape: vec![k.saturating_sub(1)], values: left }, &[free]);
        let v = g.sub(u, left);
        let negative = g.neg(v);
        let (log_rest, log_taken) = (g.softplus(v), g.softplus(negative));
        // log z_k = [k < K − 1] log σ(v_k) + Σ_{j < k} log σ(−v_j)
        let (before, own) = (g.less(piece, place), g.equal(piece, place));
        let (rest, taken) = (g.contract(before, log_rest, &[free]), g.contract(own, log_taken, &[free]));
        let log_z = g.add(rest, taken);
        let log_z = g.neg(log_z);
        let z = g.exp(log_z);
        // ∂z_j/∂u_j = z_j (1 − σ(v_j)), and the matrix of the first K − 1 is triangular.
        let first = g.slice(log_z, along, 0, free);
        let jacobian = g.sub(first, log_rest);
        (z, jacobian)
    }

    /// The value at an unconstrained u; the number that [`Support::constrain`] computes.
    pub fn constrain_value(self, u: f64) -> Option<f64> {
        Some(match self.map()? {
            Map::Identity => u,
            Map::Above(low) => low + u.exp(),
            Map::Below(high) => high - u.exp(),
            Map::Between(low, high) => low + (high - low) * fe_graph::special::sigmoid(u),
        })
    }

    /// The unconstrained number of a value; `None` at an end and outside.
    pub fn unconstrain(self, z: f64) -> Option<f64> {
        let u = match self.map()? {
            Map::Identity => z,
            Map::Above(low) => (z - low).ln(),
            Map::Below(high) => (high - z).ln(),
            Map::Between(low, high) => ((z - low) / (high - z)).ln(),
        };
        u.is_finite().then_some(u)
    }

    /// In words, to follow "must be": `positive reals`.
    pub fn describe(self) -> String {
        match self {
            Support::Real => "real numbers".into(),
            Support::Positive => "positive reals".into(),
            Support::Unit => "numbers from 0 to 1".into(),
            Support::Interval { low, high } if high.is_infinite() => format!("numbers from {low} up"),
            Support::Interval { low, high } if low.is_infinite() => format!("numbers up to {high}"),
            Support::Interval { low, high } => format!("numbers from {low} to {high}"),
            Support::Count => "counts 0, 1, 2, …".into(),
            Support::Bool => "0 or 1".into(),
            Support::Index(n) => format!("indices 0 to {}", n.saturating_sub(1)),
            Support::Simplex => "non-negative numbers that add up to 1".into(),
            Support::Ordered => "increasing numbers".into(),
            Support::OneHot => "vectors of one 1 among zeros".into(),
            Support::CorrelationFactor => "lower factors of correlation matrices".into(),
            Support::CovarianceFactor => "lower factors of covariance matrices".into(),
            Support::Covariance => "covariance matrices".into(),
        }
    }
}

/// A map from the real line onto an open interval.
enum Map {
    Identity,
    Above(f64),
    Below(f64),
    Between(f64, f64),
}
