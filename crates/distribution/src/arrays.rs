//! Whole vectors and matrices: their unconstrained scales, and the maps from there, in the graph and on numbers.

use fe_graph::{Axis, Factor, Graph, NodeId, Tensor, matrix};

use crate::support::Support;

/// How far sums and symmetries may be off in data: files hold rounded numbers.
const ROUNDED: f64 = 1e-6;

/// Places on and below the diagonal of a matrix of n rows, row by row; below it alone where `diagonal` is not asked for.
fn entries(n: usize, diagonal: bool) -> Vec<(usize, usize)> {
    (0..n).flat_map(|i| (0..i + usize::from(diagonal)).map(move |j| (i, j))).collect()
}

fn literal(g: &mut Graph, axes: &[Axis], values: Vec<f64>) -> NodeId {
    let shape = axes.iter().map(|a| g.extent_of(a.id)).collect();
    g.literal(Tensor { shape, values }, axes)
}

/// A triangle of a matrix: its entries in a row along `free`, and in their places over (`row`, `column`).
struct Triangle {
    free: Axis,
    row: Axis,
    column: Axis,
    diagonal: bool,
}

impl Triangle {
    fn entries(&self, g: &Graph) -> Vec<(usize, usize)> {
        entries(g.extent_of(self.row.id), self.diagonal)
    }

    /// The matrix that has u in the triangle, and 0 elsewhere.
    fn matrix(&self, g: &mut Graph, u: NodeId) -> NodeId {
        let (places, n) = (self.entries(g), g.extent_of(self.row.id));
        if places.is_empty() {
            return g.full(0.0, &[self.row, self.column]);
        }
        let (mut index, mut mask) = (vec![0.0; n * n], vec![0.0; n * n]);
        for (k, (i, j)) in places.into_iter().enumerate() {
            if let (Some(slot), Some(on)) = (index.get_mut(i * n + j), mask.get_mut(i * n + j)) {
                (*slot, *on) = (k as f64, 1.0);
            }
        }
        let (index, mask) = (literal(g, &[self.row, self.column], index), literal(g, &[self.row, self.column], mask));
        let spread = g.gather(u, index, self.free);
        g.mul(mask, spread)
    }

    /// The entries of a matrix that lie in the triangle.
    fn of(&self, g: &mut Graph, m: NodeId) -> NodeId {
        let places = self.entries(g);
        let rows = literal(g, &[self.free], places.iter().map(|p| p.0 as f64).collect());
        let columns = literal(g, &[self.free], places.iter().map(|p| p.1 as f64).collect());
        let m = g.gather(m, rows, self.row);
        g.gather(m, columns, self.column)
    }

    /// Numbers of the row alone, at the entries on the diagonal.
    fn on_diagonal(&self, g: &mut Graph, f: impl Fn(usize) -> f64) -> NodeId {
        let values = self.entries(g).into_iter().map(|(i, j)| if i == j { f(i) } else { 0.0 }).collect();
        literal(g, &[self.free], values)
    }

    /// The factor of a correlation matrix: row i is a point of the sphere, by partial correlations tanh u, and its last
    /// element what they leave (Lewandowski, Kurowicka and Joe, 2009).
    fn correlation_factor(&self, g: &mut Graph, u: NodeId) -> (NodeId, NodeId) {
        let m = self.matrix(g, u);
        // ½ log(1 − tanh² u) = log 2 − ½ (log(1 + e²ᵘ) + log(1 + e⁻²ᵘ))
        let (up, down) = (g.scale(m, 2.0), g.scale(m, -2.0));
        let (up, down) = (g.softplus(up), g.softplus(down));
        let both = g.add(up, down);
        let both = g.scale(both, -0.5);
        let left = g.shift(both, std::f64::consts::LN_2);
        // What is left before column j: Σ_{k < j}.
        let earlier = Axis::private(self.column.id);
        let (k, j) = (g.iota(earlier), g.iota(self.column));
        let before = g.less(k, j);
        let others = g.rename(left, &[(self.column, earlier)]);
        let rest = g.contract(others, before, &[earlier]);
        let i = g.iota(self.row);
        let on = g.equal(i, j);
        let share = g.tanh(m);
        let share = g.add(share, on);
        let length = g.exp(rest);
        let z = g.mul(share, length);
        let slope = g.scale(left, 2.0);
        let slope = g.add(slope, rest);
        (z, self.of(g, slope))
    }

    /// A lower factor whose diagonal goes through exp.
    fn covariance_factor(&self, g: &mut Graph, u: NodeId) -> NodeId {
        let m = self.matrix(g, u);
        let (i, j) = (g.iota(self.row), g.iota(self.column));
        let strictly = g.less(j, i);
        let below = g.mul(strictly, m);
        let diagonal = g.diagonal(m, self.row, self.column);
        let diagonal = g.exp(diagonal);
        let on = g.on_diagonal(diagonal, self.row, self.column);
        g.add(below, on)
    }
}

impl Support {
    /// How many of the last axes one value lies along: 0 for numbers, 1 for vectors, 2 for square matrices.
    pub fn rank(self) -> usize {
        match self {
            Support::Simplex | Support::Ordered | Support::OneHot => 1,
            Support::CorrelationFactor | Support::CovarianceFactor | Support::Covariance => 2,
            _ => 0,
        }
    }

    /// How many unconstrained numbers a value takes whose last axis has n places.
    pub fn free_count(self, n: usize) -> usize {
        match self {
            Support::Simplex => n.saturating_sub(1),
            Support::Ordered | Support::OneHot => n,
            Support::CorrelationFactor => n * n.saturating_sub(1) / 2,
            Support::CovarianceFactor | Support::Covariance => n * (n + 1) / 2,
            _ => 1,
        }
    }

    /// The axes of an array of such values, declared in this order, on the unconstrained scale. Where values take another
    /// count of numbers than they have elements, these lie along an axis of their own, in the place of the last ones.
    pub fn free_axes(self, g: &mut Graph, axes: &[Axis]) -> Vec<Axis> {
        let Some((rest, along)) = axes.len().checked_sub(self.rank()).map(|k| axes.split_at(k)) else {
            return axes.to_vec();
        };
        let (Some(last), false) = (along.last(), self == Support::Ordered) else { return axes.to_vec() };
        let count = self.free_count(g.extent_of(last.id));
        let names: Vec<String> = along.iter().map(|&a| g.axis_name(a)).collect();
        let free = Axis::plain(g.add_axis(&format!("{} unconstrained", names.join(" ")), count));
        [rest, &[free]].concat()
    }

    /// How many unconstrained numbers an array of such values takes.
    pub fn free_elements(self, g: &Graph, axes: &[Axis]) -> usize {
        let all = axes.iter().map(|a| g.extent_of(a.id)).fold(1, usize::saturating_mul);
        let n = axes.last().map_or(1, |a| g.extent_of(a.id));
        let one = n.max(1).saturating_pow(u32::try_from(self.rank()).unwrap_or_default());
        (all / one).saturating_mul(self.free_count(n))
    }

    /// Values over `axes`, as declared, at an unconstrained u over `free`, the [`Support::free_axes`] of these; and
    /// log |∂z/∂u| by the elements of `free`. `None` where there is no unconstrained scale. The maps are Stan's.
    pub fn constrain_along(self, g: &mut Graph, u: NodeId, free: &[Axis], axes: &[Axis]) -> Option<(NodeId, NodeId)> {
        if self.rank() == 0 {
            return self.constrain(g, u);
        }
        let (&own, &along) = (free.last()?, axes.last()?);
        let (row, column) = (axes.iter().rev().nth(1).copied().unwrap_or(along), along);
        let triangle = Triangle { free: own, row, column, diagonal: self != Support::CorrelationFactor };
        match self {
            Support::Ordered => Some(Support::increase(g, u, along)),
            Support::Simplex => Some(Support::break_stick(g, u, own, along)),
            Support::CorrelationFactor => Some(triangle.correlation_factor(g, u)),
            Support::CovarianceFactor => {
                let on = triangle.on_diagonal(g, |_| 1.0);
                Some((triangle.covariance_factor(g, u), g.mul(on, u)))
            }
            Support::Covariance => {
                let lower = triangle.covariance_factor(g, u);
                let other = g.transposed(lower, row, column);
                let z = g.matrix_product(lower, other, row, column);
                // |∂(L Lᵀ)/∂L| = 2ⁿ Π L_ii^(n − i), i from 0; and L_ii = exp u.
                let n = g.extent_of(row.id);
                let power = triangle.on_diagonal(g, |i| (n - i + 1) as f64);
                let two = triangle.on_diagonal(g, |_| std::f64::consts::LN_2);
                let slope = g.mul(power, u);
                Some((z, g.add(slope, two)))
            }
            _ => None,
        }
    }

    /// So many elements of values, one value behind the other, at unconstrained numbers, n being the extent of the last
    /// axis: what [`Support::constrain_along`] computes.
    pub fn constrain_values(self, u: &[f64], n: usize, elements: usize) -> Option<Vec<f64>> {
        if self.rank() == 0 {
            return u.iter().map(|&u| self.constrain_value(u)).collect();
        }
        let (free, mut all) = (self.free_count(n), vec![]);
        for k in 0..elements / self.size(n) {
            all.extend(self.constrain_one(u.get(k * free..(k + 1) * free)?, n)?);
        }
        Some(all)
    }

    /// The unconstrained numbers of values, one behind the other; `None` where one is no inner point of the set.
    pub fn unconstrain_values(self, z: &[f64], n: usize) -> Option<Vec<f64>> {
        if self.rank() == 0 {
            return z.iter().map(|&z| self.unconstrain(z)).collect();
        }
        let mut all = vec![];
        for z in z.chunks(self.size(n)) {
            all.extend(self.unconstrain_one(z, n).filter(|u| u.iter().all(|u| u.is_finite()))?);
        }
        Some(all)
    }

    /// So many elements of values that one number stands for: itself for each element, or on the diagonal of a matrix.
    pub fn of_number(self, value: f64, n: usize, elements: usize) -> Vec<f64> {
        let on = |k: usize| self.rank() < 2 || (k / n.max(1)) % n.max(1) == k % n.max(1);
        (0..elements).map(|k| if on(k) { value } else { 0.0 }).collect()
    }

    /// Values made of positive draws where they are shares, of any where they increase: divided by their sum, or put in
    /// order.
    pub fn of_draws(self, mut draws: Vec<f64>, n: usize) -> Vec<f64> {
        for one in draws.chunks_mut(n.max(1)) {
            match self {
                Support::Simplex => {
                    let sum: f64 = one.iter().sum();
                    one.iter_mut().for_each(|v| *v /= sum);
                }
                Support::Ordered => one.sort_by(f64::total_cmp),
                _ => {}
            }
        }
        draws
    }

    /// The first of several values, one behind the other, that is none of this set, give or take rounding.
    pub fn first_outside(self, z: &[f64], n: usize) -> Option<usize> {
        z.chunks(self.size(n)).position(|z| !self.contains_one(z, n))
    }

    /// Elements of one value.
    fn size(self, n: usize) -> usize {
        n.saturating_pow(u32::try_from(self.rank()).unwrap_or_default()).max(1)
    }

    fn contains_one(self, z: &[f64], n: usize) -> bool {
        let near = |a: f64, b: f64| (a - b).abs() <= ROUNDED * a.abs().max(1.0);
        let at = |i: usize, j: usize| z.get(i * n + j).copied().unwrap_or(f64::NAN);
        let lower = || (0..n).all(|i| at(i, i) > 0.0 && (i + 1..n).all(|j| at(i, j) == 0.0));
        if !z.iter().all(|&v| self.contains_value(v)) {
            return false;
        }
        match self {
            Support::Simplex | Support::OneHot => near(z.iter().sum(), 1.0),
            Support::Ordered => z.windows(2).all(|pair| matches!(pair, [a, b] if a < b)),
            Support::CorrelationFactor => {
                lower() && z.chunks(n.max(1)).all(|row| near(row.iter().map(|v| v * v).sum(), 1.0))
            }
            Support::CovarianceFactor => lower(),
            Support::Covariance => {
                (0..n).all(|i| (0..i).all(|j| near(at(i, j), at(j, i)))) && self.unconstrain_one(z, n).is_some()
            }
            _ => true,
        }
    }

    fn constrain_one(self, u: &[f64], n: usize) -> Option<Vec<f64>> {
        match self {
            Support::Simplex => {
                let (mut left, mut z) = (1.0, vec![]);
                for (j, u) in u.iter().enumerate() {
                    let share = fe_graph::special::sigmoid(u - ((n - 1).checked_sub(j)? as f64).ln());
                    z.push(left * share);
                    left -= left * share;
                }
                z.push(left);
                Some(z)
            }
            Support::Ordered => {
                let mut last = 0.0;
                let step = |(k, u): (usize, &f64)| {
                    last = if k == 0 { *u } else { last + u.exp() };
                    last
                };
                Some(u.iter().enumerate().map(step).collect())
            }
            Support::CorrelationFactor => {
                let mut z = vec![0.0; n * n];
                let mut entries = u.iter();
                for (i, row) in z.chunks_mut(n.max(1)).enumerate() {
                    let mut left = 1.0f64;
                    for slot in row.iter_mut().take(i) {
                        let share = entries.next()?.tanh();
                        *slot = share * left;
                        left *= (1.0 - share * share).sqrt();
                    }
                    *row.get_mut(i)? = left;
                }
                Some(z)
            }
            Support::CovarianceFactor | Support::Covariance => {
                let mut lower = vec![0.0; n * n];
                for (&u, (i, j)) in u.iter().zip(entries(n, true)) {
                    *lower.get_mut(i * n + j)? = if i == j { u.exp() } else { u };
                }
                Some(if self == Support::Covariance { times_transposed(&lower, n) } else { lower })
            }
            _ => None,
        }
    }

    fn unconstrain_one(self, z: &[f64], n: usize) -> Option<Vec<f64>> {
        match self {
            Support::Simplex => {
                let mut left = 1.0;
                let piece = |(j, z): (usize, &f64)| {
                    let u = (z / (left - z)).ln() + ((n - 1 - j) as f64).ln();
                    left -= z;
                    u
                };
                Some(z.iter().take(n.saturating_sub(1)).enumerate().map(piece).collect())
            }
            Support::Ordered => {
                let steps = z.windows(2).map(|pair| if let [a, b] = pair { (b - a).ln() } else { f64::NAN });
                Some(z.first().copied().into_iter().chain(steps).collect())
            }
            Support::CorrelationFactor => {
                let mut u = vec![];
                for (i, row) in z.chunks(n.max(1)).enumerate() {
                    let mut left = 1.0f64;
                    for z in row.iter().take(i) {
                        u.push((z / left.sqrt()).atanh());
                        left -= z * z;
                    }
                }
                Some(u)
            }
            Support::CovarianceFactor | Support::Covariance => {
                let mut lower = z.to_vec();
                if self == Support::Covariance {
                    matrix::factorize(Factor::Cholesky, n, &mut lower);
                }
                let at = |(i, j): (usize, usize)| {
                    let v = lower.get(i * n + j).copied().unwrap_or(f64::NAN);
                    if i == j { v.ln() } else { v }
                };
                let u: Vec<f64> = entries(n, true).into_iter().map(at).collect();
                u.iter().all(|u| u.is_finite()).then_some(u)
            }
            _ => None,
        }
    }
}

/// M Mᵀ of a matrix of n columns.
pub(crate) fn times_transposed(m: &[f64], n: usize) -> Vec<f64> {
    let rows: Vec<&[f64]> = m.chunks(n.max(1)).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    rows.iter().flat_map(|a| rows.iter().map(move |b| dot(a, b))).collect()
}
