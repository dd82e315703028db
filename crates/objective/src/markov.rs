//! Linear recursions along a chain: by a loop, or by combining neighbouring steps in pairs: T steps then take ⌈log₂ T⌉ rounds of
//! operations on whole arrays, work and memory in all a few times T. Either way their derivatives are recursions of the same kind;
//! expectations of what is linear in a latent are taken through pairs, not through loops.
//!
//! A step is the map x ↦ A x + b, and two in turn are one, (A₂, b₂) ∘ (A₁, b₁) = (A₂A₁, A₂b₁ + b₂). The pairs of
//! neighbours are combined, the chain of half the length is solved, which gives every second state, and one more step
//! from each of these gives the others. For covariances, P ↦ A P Aᵀ + Q, it is the same.

use fe_graph::{Axis, Binary, Graph, NodeId, Scan, axis};

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

/// The maps of a chain's steps.
#[derive(Clone, Debug)]
pub(crate) struct Recursion {
    block: Block,
    way: Way,
}

/// How the steps are taken.
#[derive(Clone, Debug)]
enum Way {
    /// With the maps of pairs, of the pairs of these, and so on: in expressions of which closed expectations are known.
    Pairs(Vec<Level>),
    /// One after the other, by a loop.
    Turns { maps: NodeId, steps: Axis },
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
    /// From the maps over `steps`, of which the first is 0: in pairs.
    pub fn in_pairs(g: &mut Graph, block: Block, maps: NodeId, steps: Axis) -> Self {
        let mut levels = vec![];
        let (mut maps, mut steps) = (maps, steps);
        loop {
            let length = g.extent_of(steps.id);
            if length < 2 {
                return Self { block, way: Way::Pairs(levels) };
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

    /// The same, by a loop.
    pub fn in_turns(block: Block, maps: NodeId, steps: Axis) -> Self {
        Self { block, way: Way::Turns { maps, steps } }
    }

    /// The x over the steps with x_t = A_t x_{t−1} + b_t.
    pub fn states(&self, g: &mut Graph, given: NodeId) -> NodeId {
        self.solve(g, given, &|g, map, x| self.block.apply(g, map, x))
    }

    /// The P over the steps with P_t = A_t P_{t−1} A_tᵀ + Q_t.
    pub fn covariances(&self, g: &mut Graph, given: NodeId) -> NodeId {
        self.solve(g, given, &|g, map, p| self.block.carry(g, map, p))
    }

    fn solve(&self, g: &mut Graph, given: NodeId, step: Step) -> NodeId {
        match &self.way {
            Way::Pairs(levels) => by_pairs(g, levels, given, step),
            Way::Turns { maps, steps } => by_turns(g, (*maps, *steps), given, step),
        }
    }
}

/// What a map makes of the state before.
type Step<'a> = &'a dyn Fn(&mut Graph, NodeId, NodeId) -> NodeId;

fn by_pairs(g: &mut Graph, levels: &[Level], given: NodeId, step: Step) -> NodeId {
    let Some((level, rest)) = levels.split_first() else { return given };
    let (first, second) = level.split(g, given);
    let moved = step(g, level.second, first);
    let both = g.add(moved, second);
    let seconds = by_pairs(g, rest, both, step);
    let before = earlier(g, seconds, level.pairs, 1);
    let moved = step(g, level.first, before);
    let firsts = g.add(moved, first);
    level.join(g, firsts, seconds)
}

fn by_turns(g: &mut Graph, (maps, steps): (NodeId, Axis), given: NodeId, step: Step) -> NodeId {
    let along = |g: &Graph, n| axis::difference(g.axes_of(n), &[steps]);
    let (own, of_maps) = (along(g, given), along(g, maps));
    let mut body = Graph::with_axes_of(g);
    let (state, before) = body.input("state", &own);
    let (map, map_now) = body.input("map", &of_maps);
    let (shift, shift_now) = body.input("shift", &own);
    let moved = step(&mut body, map_now, before);
    let next = body.add(moved, shift_now);
    let scan = Scan {
        body,
        axis: steps,
        reverse: false,
        carries: vec![(state, next)],
        slices: vec![map, shift],
        constants: vec![],
        time: None,
        stacked: vec![next],
    };
    let start = g.full(0.0, &own);
    g.scan(scan, &[start], &[maps, given], &[]).get(1).copied().unwrap_or(given)
}

/// The values so many steps earlier; at the first steps the first, which is met only by maps that are 0.
pub(crate) fn earlier(g: &mut Graph, x: NodeId, steps: Axis, by: usize) -> NodeId {
    let (place, by, zero) = (g.iota(steps), g.constant(-(by as f64)), g.constant(0.0));
    let place = g.add(place, by);
    let place = g.binary(Binary::Max, place, zero);
    g.gather(x, place, steps)
}

/// What is known of the deviation of a chain: it is normal with mean 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChainLaw {
    /// The axis of the steps.
    pub steps: Axis,
    pub block: Block,
    /// Axes of the scalars of a step, where these are independent.
    pub apart: Option<Axis>,
    /// A over (steps, row, column), or over (steps, scalars).
    pub transition: NodeId,
    /// P of every step, over the same axes.
    pub covariance: NodeId,
}

impl ChainLaw {
    /// Cov(x_t, x_{t−lag}) at every t ≥ lag: A_t Cov(x_{t−1}, x_{t−lag}).
    pub fn lagged(&self, g: &mut Graph, lag: usize) -> NodeId {
        let Some(less) = lag.checked_sub(1) else { return self.covariance };
        let before = self.lagged(g, less);
        let before = earlier(g, before, self.steps, 1);
        match self.block {
            Block::Scalars => g.mul(self.transition, before),
            Block::Vector(row) => g.matrix_product(self.transition, before, row, row.primed()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use fe_cpu::{CpuExecutor, Precision};
    use fe_graph::{Executor, Feed, InputId, Tensor};

    use super::*;

    fn numbers(count: usize, phase: f64, size: f64) -> Vec<f64> {
        (0..count).map(|k| size * (k as f64 * 1.7 + phase).sin()).collect()
    }

    fn run(g: &Graph, outputs: &[NodeId], inputs: HashMap<InputId, Arc<Tensor>>) -> Vec<Vec<f64>> {
        let feed = Feed { inputs, ..Feed::default() };
        let mut compiled = CpuExecutor::new(Precision::F64).compile(g, outputs).unwrap();
        compiled.run(&feed).unwrap().into_iter().map(|t| t.values).collect()
    }

    fn close(found: &[f64], expected: &[f64], tolerance: f64) {
        assert_eq!(found.len(), expected.len());
        let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < tolerance, "{worst:e}");
    }

    /// A x of a row-major matrix.
    fn times(a: &[f64], x: &[f64]) -> Vec<f64> {
        a.chunks(x.len()).map(|row| row.iter().zip(x).map(|(a, x)| a * x).sum()).collect()
    }

    /// A P Aᵀ + Q
    fn carried(a: &[f64], p: &[f64], q: &[f64], n: usize) -> Vec<f64> {
        let place = (0..n * n).map(|k| (k / n, k % n));
        let sum = |i: usize, j: usize| -> f64 {
            (0..n * n).map(|k| a[i * n + k / n] * p[k] * a[j * n + k % n]).sum::<f64>() + q[i * n + j]
        };
        place.map(|(i, j)| sum(i, j)).collect()
    }

    #[test]
    fn recursions_against_a_loop() {
        for (steps, n) in [(1, 1), (2, 3), (3, 1), (7, 2), (64, 1), (101, 3)] {
            let mut g = Graph::new();
            let axis = Axis::plain(g.add_axis("T", steps));
            let row = Axis::plain(g.add_axis("S", n));
            let square = [axis, row, row.primed()];
            let ((a, maps), (b, given)) = (g.input("A", &square), g.input("b", &[axis, row]));
            let (q, spread) = g.input("Q", &square);
            let ways = [
                Recursion::in_pairs(&mut g, Block::Vector(row), maps, axis),
                Recursion::in_turns(Block::Vector(row), maps, axis),
            ];
            let outputs: Vec<NodeId> =
                ways.iter().flat_map(|r| [r.states(&mut g, given), r.covariances(&mut g, spread)]).collect();
            // Maps that shrink, so that rounding does not grow along the chain.
            let mut values = numbers(steps * n * n, 0.3, 0.9 / n as f64);
            values[..n * n].fill(0.0);
            let (shifts, spreads) = (numbers(steps * n, 1.1, 1.0), numbers(steps * n * n, 2.0, 0.5));
            let tensor = |shape: Vec<usize>, values: &[f64]| Arc::new(Tensor { shape, values: values.to_vec() });
            let inputs = HashMap::from([
                (a, tensor(vec![steps, n, n], &values)),
                (b, tensor(vec![steps, n], &shifts)),
                (q, tensor(vec![steps, n, n], &spreads)),
            ]);
            let found = run(&g, &outputs, inputs);
            let (mut x, mut p) = (vec![0.0; n], vec![0.0; n * n]);
            let (mut xs, mut ps) = (vec![], vec![]);
            for t in 0..steps {
                let map = &values[t * n * n..(t + 1) * n * n];
                x = times(map, &x).iter().zip(&shifts[t * n..]).map(|(a, b)| a + b).collect();
                p = carried(map, &p, &spreads[t * n * n..(t + 1) * n * n], n);
                xs.extend(&x);
                ps.extend(&p);
            }
            for way in found.chunks(2) {
                close(&way[0], &xs, 1e-10);
                close(&way[1], &ps, 1e-10);
            }
        }
    }

    #[test]
    fn scalars_go_their_own_way_and_have_gradients() {
        scalars(|g, maps, axis| Recursion::in_pairs(g, Block::Scalars, maps, axis));
        scalars(|_, maps, axis| Recursion::in_turns(Block::Scalars, maps, axis));
    }

    fn scalars(way: impl Fn(&mut Graph, NodeId, Axis) -> Recursion) {
        let (steps, n) = (37, 2);
        let mut g = Graph::new();
        let (axis, other) = (Axis::plain(g.add_axis("T", steps)), Axis::plain(g.add_axis("S", n)));
        let ((a, maps), (b, given)) = (g.input("A", &[axis, other]), g.input("b", &[axis, other]));
        let recursion = way(&mut g, maps, axis);
        let states = recursion.states(&mut g, given);
        let squares = g.square(states);
        let total = g.sum_all_but(squares, &[]);
        let gradient = g.gradient(total, &[maps, given]).unwrap();
        let mut values = numbers(steps * n, 0.3, 0.9);
        values[..n].fill(0.0);
        let shifts = numbers(steps * n, 1.1, 1.0);
        let at = |values: &[f64], shifts: &[f64], outputs: &[NodeId]| {
            let tensor = |values: &[f64]| Arc::new(Tensor { shape: vec![steps, n], values: values.to_vec() });
            run(&g, outputs, HashMap::from([(a, tensor(values)), (b, tensor(shifts))]))
        };
        let mut x = vec![0.0; n];
        let mut xs = vec![];
        for t in 0..steps {
            x = (0..n).map(|j| values[t * n + j] * x[j] + shifts[t * n + j]).collect();
            xs.extend(&x);
        }
        close(&at(&values, &shifts, &[states])[0], &xs, 1e-12);
        let found = at(&values, &shifts, &gradient);
        let h = 1e-6;
        for k in n..steps * n {
            let difference = |which: usize| {
                let moved = |by: f64| {
                    let (mut v, mut s) = (values.clone(), shifts.clone());
                    if which == 0 {
                        v[k] += by
                    } else {
                        s[k] += by
                    }
                    at(&v, &s, &[total])[0][0]
                };
                (moved(h) - moved(-h)) / (2.0 * h)
            };
            for which in [0, 1] {
                let numeric = difference(which);
                assert!((found[which][k] - numeric).abs() < 1e-7 * numeric.abs().max(1.0));
            }
        }
    }
}
