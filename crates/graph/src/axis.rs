//! Named axes. A tensor's axes are a sorted set; order never carries meaning.

/// A named axis of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AxisId(pub u32);

impl AxisId {
    /// The axis of Monte Carlo samples. Every graph has it; its extent is given when the graph runs.
    pub const SAMPLE: AxisId = AxisId(0);
}

/// One axis of a tensor: an axis of the graph, or a primed copy of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Axis {
    /// The axis.
    pub id: AxisId,
    /// The number of primes: `N` is 0, `N'` is 1; [`Axis::PRIVATE`] of them are written `N*`.
    pub primes: u8,
}

impl Axis {
    /// The sample axis.
    pub const SAMPLE: Axis = Axis { id: AxisId::SAMPLE, primes: 0 };

    /// The primes of a copy that an operation makes for itself and sums over, so that it meets no copy a program names.
    pub const PRIVATE: u8 = u8::MAX;

    /// The unprimed copy.
    pub fn plain(id: AxisId) -> Self {
        Self { id, primes: 0 }
    }

    /// The copy an operation makes for itself.
    pub fn private(id: AxisId) -> Self {
        Self { id, primes: Self::PRIVATE }
    }

    /// The next primed copy.
    #[must_use]
    pub fn primed(self) -> Self {
        Self { primes: self.primes.saturating_add(1), ..self }
    }
}

/// Name and nominal extent of an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisInfo {
    /// As the user wrote it.
    pub name: String,
    /// The extent when none is given at run time.
    pub extent: usize,
}

/// The union of two sorted axis sets.
pub fn union(a: &[Axis], b: &[Axis]) -> Vec<Axis> {
    let mut out = [a, b].concat();
    out.sort_unstable();
    out.dedup();
    out
}

/// The axes of `a` that are not in `b`.
pub fn difference(a: &[Axis], b: &[Axis]) -> Vec<Axis> {
    a.iter().copied().filter(|x| !b.contains(x)).collect()
}

/// The axes in both.
pub fn intersection(a: &[Axis], b: &[Axis]) -> Vec<Axis> {
    a.iter().copied().filter(|x| b.contains(x)).collect()
}

/// Whether every axis of `a` is in `b`.
pub fn subset(a: &[Axis], b: &[Axis]) -> bool {
    a.iter().all(|x| b.contains(x))
}

/// A sorted set from a list.
pub fn sorted(axes: &[Axis]) -> Vec<Axis> {
    union(axes, &[])
}
