//! Linear recursions along a chain, by combining neighbouring steps in pairs: T steps take ⌈log₂ T⌉ rounds of
//! operations on whole arrays, work and memory in all a few times T, and their derivatives are recursions of the same
//! kind.
//!
//! A step is the map x ↦ A x + b, and two in turn are one, (A₂, b₂) ∘ (A₁, b₁) = (A₂A₁, A₂b₁ + b₂). The pairs of
//! neighbours are combined, the chain of half the length is solved, which gives every second state, and one more step
//! from each of these gives the others. For covariances, P ↦ A P Aᵀ + Q, it is the same.

use fe_graph::{Axis, Binary, Graph, NodeId};

/// What one step holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// Scalars that each go their own way.
    Scalars,
    /// A vector along this axis; matrices have its primed copy for columns.
    Vector(Axis),
}

impl Block {
    /// The products of the maps of every step, A₂A₁.
    pub fn product(self, g: &mut Graph, after: NodeId, before: NodeId) -> NodeId {
        match self {
            Self::Scalars => g.mul(after, before),
            Self::Vector(row) => g.matrix_product(after, before, row, row.primed()),
        }
    }

    /// A x
    pub fn apply(self, g: &mut Graph, map: NodeId, x: NodeId) -> NodeId {
        match self {
            Self::Scalars => g.mul(map, x),
            Self::Vector(row) => {
                let x = g.rename(x, &[(row, row.primed())]);
                g.contract(map, x, &[row.primed()])
            }
        }
    }

    /// A P Aᵀ
    fn carry(self, g: &mut Graph, map: NodeId, covariance: NodeId) -> NodeId {
        match self {
            Self::Scalars => {
                let square = g.square(map);
                g.mul(square, covariance)
            }
            Self::Vector(row) => {
                let moved = g.matrix_product(map, covariance, row, row.primed());
                self.times_transposed(g, moved, map)
            }
        }
    }

    /// B Aᵀ
    pub fn times_transposed(self, g: &mut Graph, left: NodeId, right: NodeId) -> NodeId {
        match self {
            Self::Scalars => g.mul(left, right),
            Self::Vector(row) => {
                let (column, middle) = (row.primed(), Axis::private(row.id));
                let left = g.rename(left, &[(column, middle)]);
                let right = g.rename(right, &[(row, column), (column, middle)]);
                g.contract(left, right, &[middle])
            }
        }
    }
}

/// The maps of a chain's steps, with those of its pairs, of the pairs of these, and so on.
#[derive(Clone, Debug)]
pub(crate) struct Recursion {
    block: Block,
    levels: Vec<Level>,
}

/// A chain whose steps are combined in pairs.
#[derive(Clone, Copy, Debug)]
struct Level {
    steps: Axis,
    /// As long as `steps`, or longer by one where that is odd.
    even: Axis,
    pairs: Axis,
    two: Axis,
    first: NodeId,
    second: NodeId,
}

impl Level {
    /// The first and the second of every pair.
    fn split(&self, g: &mut Graph, x: NodeId) -> (NodeId, NodeId) {
        let (length, even) = (g.extent_of(self.steps.id), g.extent_of(self.even.id));
        let mut x = g.broadcast(x, &[self.steps]);
        if even > length {
            // What is added comes after all steps, and reaches none of them.
            let (place, last) = (g.iota(self.even), g.constant(length as f64 - 1.0));
            let place = g.binary(Binary::Min, place, last);
            x = g.gather(x, place, self.steps);
        }
        let paired = g.reshape(x, &[self.even], &[self.pairs, self.two]);
        (g.pick(paired, self.two, 0), g.pick(paired, self.two, 1))
    }

    /// The steps in order again.
    fn join(&self, g: &mut Graph, first: NodeId, second: NodeId) -> NodeId {
        let (place, zero) = (g.iota(self.two), g.constant(0.0));
        let is_first = g.equal(place, zero);
        let paired = g.select(is_first, first, second);
        let x = g.reshape(paired, &[self.pairs, self.two], &[self.even]);
        if self.even == self.steps { x } else { g.slice(x, self.even, 0, self.steps) }
    }
}

impl Recursion {
    /// From the maps over `steps`, of which the first is 0.
    pub fn new(g: &mut Graph, block: Block, maps: NodeId, steps: Axis) -> Self {
        let mut levels = vec![];
        let (mut maps, mut steps) = (maps, steps);
        loop {
            let length = g.extent_of(steps.id);
            if length < 2 {
                return Self { block, levels };
            }
            let half = length.div_ceil(2);
            let mut axis = |name: &str, extent: usize| Axis::plain(g.add_axis(name, extent));
            let even = if length.is_multiple_of(2) { steps } else { axis("even", 2 * half) };
            let (pairs, two) = (axis("pairs", half), axis("two", 2));
            let mut level = Level { steps, even, pairs, two, first: maps, second: maps };
            (level.first, level.second) = level.split(g, maps);
            maps = block.product(g, level.second, level.first);
            steps = pairs;
            levels.push(level);
        }
    }

    /// The x over the steps with x_t = A_t x_{t−1} + b_t.
    pub fn states(&self, g: &mut Graph, given: NodeId) -> NodeId {
        self.solve(g, given, 0, &|g, map, x| self.block.apply(g, map, x))
    }

    /// The P over the steps with P_t = A_t P_{t−1} A_tᵀ + Q_t.
    pub fn covariances(&self, g: &mut Graph, given: NodeId) -> NodeId {
        self.solve(g, given, 0, &|g, map, p| self.block.carry(g, map, p))
    }

    fn solve(
        &self,
        g: &mut Graph,
        given: NodeId,
        depth: usize,
        step: &dyn Fn(&mut Graph, NodeId, NodeId) -> NodeId,
    ) -> NodeId {
        let Some(level) = self.levels.get(depth) else { return given };
        let (first, second) = level.split(g, given);
        let moved = step(g, level.second, first);
        let both = g.add(moved, second);
        let seconds = self.solve(g, both, depth + 1, step);
        let before = earlier(g, seconds, level.pairs, 1);
        let moved = step(g, level.first, before);
        let firsts = g.add(moved, first);
        level.join(g, firsts, seconds)
    }
}

/// The values so many steps earlier; at the first steps the first, which is met only by maps that are 0.
pub(crate) fn earlier(g: &mut Graph, x: NodeId, steps: Axis, by: usize) -> NodeId {
    let (place, by, zero) = (g.iota(steps), g.constant(-(by as f64)), g.constant(0.0));
    let place = g.add(place, by);
    let place = g.binary(Binary::Max, place, zero);
    g.gather(x, place, steps)
}
