//! First-order optimisers for noisy gradients. A tensor is a flat `Vec<f64>`; every update is element by element, so
//! the numbers do not depend on the number of threads.

pub use fe_graph::training::Rule;
use fe_graph::training::{BETA1, BETA2, EPSILON};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Elements handled by one task; also the panel over which a sum is taken, so it fixes the order of addition.
const CHUNK: usize = 8192;

/// Parameters, gradients and earlier calls disagree about the number or the size of the tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parameters and gradients differ in shape")]
pub struct ShapeMismatch;

/// The rule's memory of one tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Memory {
    first: Vec<f64>,
    second: Vec<f64>,
    /// Updates each row has had; a tensor that is updated whole is one row.
    steps: Vec<u64>,
}

/// One row's slices of a tensor and of its memory.
struct RowSlices<'a> {
    parameter: &'a mut [f64],
    first: &'a mut [f64],
    second: &'a mut [f64],
    steps: u64,
}

/// A rule and its memory of each tensor. The order and size of the tensors are those of its first call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Optimizer {
    rule: Rule,
    memory: Vec<Memory>,
}

impl Optimizer {
    /// An optimiser that has made no step.
    pub fn new(rule: Rule) -> Self {
        Self { rule, memory: Vec::new() }
    }

    /// Moves `params` one step of length `lr` against `grads`.
    pub fn step(&mut self, params: &mut [Vec<f64>], grads: &[Vec<f64>], lr: f64) -> Result<(), ShapeMismatch> {
        let rule = self.rule;
        self.prepare(params, grads, |_| Some(1))?;
        for ((parameter, gradient), memory) in params.iter_mut().zip(grads).zip(&mut self.memory) {
            if parameter.len() != gradient.len() {
                return Err(ShapeMismatch);
            }
            for row in rows_of(parameter, memory, &[0]).ok_or(ShapeMismatch)? {
                update(rule, row, gradient, lr);
            }
        }
        Ok(())
    }

    /// Moves only some rows of `params`, each with its own count of steps, so that a row seen rarely is corrected for
    /// bias as if it were alone. A gradient holds `rows.len()` rows in the order of `rows`; those of a row that occurs
    /// twice add up. The width of a row is `gradient.len() / rows.len()` for each tensor.
    pub fn step_rows(
        &mut self,
        params: &mut [Vec<f64>],
        grads: &[Vec<f64>],
        rows: &[usize],
        lr: f64,
    ) -> Result<(), ShapeMismatch> {
        if rows.is_empty() {
            return Ok(());
        }
        let rule = self.rule;
        self.prepare(params, grads, |(parameter, gradient)| {
            let width = gradient.len() / rows.len();
            (width > 0 && width * rows.len() == gradient.len() && parameter.len() % width == 0)
                .then(|| parameter.len() / width)
        })?;
        let mut order: Vec<(usize, usize)> = rows.iter().copied().zip(0..).collect();
        order.sort_unstable();
        let groups: Vec<&[(usize, usize)]> = order.chunk_by(|a, b| a.0 == b.0).collect();
        let distinct: Vec<usize> = groups.iter().filter_map(|group| group.first()).map(|&(row, _)| row).collect();
        for ((parameter, gradient), memory) in params.iter_mut().zip(grads).zip(&mut self.memory) {
            let width = gradient.len() / rows.len();
            let slices = rows_of(parameter, memory, &distinct).ok_or(ShapeMismatch)?;
            slices.into_par_iter().zip(&groups).with_min_len(1 + CHUNK / width).for_each(|(row, group)| {
                let mut parts = group.iter().filter_map(|&(_, place)| gradient.get(place * width..(place + 1) * width));
                let Some(first) = parts.next() else { return };
                let mut sum = first.to_vec();
                for part in parts {
                    sum.iter_mut().zip(part).for_each(|(s, p)| *s += p);
                }
                update(rule, row, &sum, lr);
            });
        }
        Ok(())
    }

    /// Makes room on the first call, and checks afterwards that nothing has changed its shape. `rows` gives a tensor's
    /// number of rows, or nothing where its gradient cannot be cut into rows.
    fn prepare(
        &mut self,
        params: &[Vec<f64>],
        grads: &[Vec<f64>],
        rows: impl Fn((&Vec<f64>, &Vec<f64>)) -> Option<usize>,
    ) -> Result<(), ShapeMismatch> {
        if params.len() != grads.len() {
            return Err(ShapeMismatch);
        }
        let counts: Vec<usize> = params.iter().zip(grads).map(rows).collect::<Option<_>>().ok_or(ShapeMismatch)?;
        if self.memory.is_empty() {
            self.memory = params
                .iter()
                .zip(&counts)
                .map(|(p, &rows)| {
                    let second = if matches!(self.rule, Rule::Sgd { .. }) { 0 } else { p.len() };
                    Memory { first: vec![0.0; p.len()], second: vec![0.0; second], steps: vec![0; rows] }
                })
                .collect();
        }
        let same = self.memory.len() == params.len()
            && self.memory.iter().zip(params).zip(&counts).all(|((memory, parameter), &rows)| {
                memory.first.len() == parameter.len() && memory.steps.len() == rows
            });
        if same { Ok(()) } else { Err(ShapeMismatch) }
    }
}

/// Cuts the rows `rows` (ascending, distinct) out of a tensor and its memory and counts one step for each; `None` where
/// a row does not exist.
fn rows_of<'a>(parameter: &'a mut [f64], memory: &'a mut Memory, rows: &[usize]) -> Option<Vec<RowSlices<'a>>> {
    let count = memory.steps.len();
    let mut parameters = cut(parameter, count, rows)?;
    let mut firsts = cut(&mut memory.first, count, rows)?;
    let mut seconds = cut(&mut memory.second, count, rows)?;
    let mut cuts = Vec::with_capacity(rows.len());
    for &row in rows.iter().rev() {
        let steps = memory.steps.get_mut(row)?;
        *steps += 1;
        cuts.push(RowSlices {
            parameter: parameters.pop()?,
            first: firsts.pop()?,
            second: seconds.pop()?,
            steps: *steps,
        });
    }
    cuts.reverse();
    Some(cuts)
}

/// The rows `rows` (ascending, distinct) of a table of `count` rows, as disjoint slices.
fn cut<'a>(mut table: &'a mut [f64], count: usize, rows: &[usize]) -> Option<Vec<&'a mut [f64]>> {
    let width = table.len().checked_div(count)?;
    let mut slices = Vec::with_capacity(rows.len());
    let mut passed = 0;
    for &row in rows {
        let (_, rest) = table.split_at_mut_checked((row.checked_sub(passed)?).checked_mul(width)?)?;
        let (slice, rest) = rest.split_at_mut_checked(width)?;
        slices.push(slice);
        table = rest;
        passed = row + 1;
    }
    Some(slices)
}

/// Applies the rule to one row, in parallel where it is long.
fn update(rule: Rule, row: RowSlices<'_>, gradient: &[f64], lr: f64) {
    let steps = i32::try_from(row.steps).unwrap_or(i32::MAX);
    let (correction1, correction2) = (1.0 - BETA1.powi(steps), 1.0 - BETA2.powi(steps));
    let parameter = row.parameter.par_chunks_mut(CHUNK);
    let first = row.first.par_chunks_mut(CHUNK);
    let second = row.second.par_chunks_mut(CHUNK);
    let gradient = gradient.par_chunks(CHUNK);
    match rule {
        Rule::Adam => parameter.zip(gradient).zip(first).zip(second).for_each(|(((p, g), m), v)| {
            for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
                *m = BETA1 * *m + (1.0 - BETA1) * g;
                *v = BETA2 * *v + (1.0 - BETA2) * g * g;
                *p -= lr * (*m / correction1) / ((*v / correction2).sqrt() + EPSILON);
            }
        }),
        Rule::Adamax => parameter.zip(gradient).zip(first).zip(second).for_each(|(((p, g), m), u)| {
            for (((p, g), m), u) in p.iter_mut().zip(g).zip(m).zip(u) {
                *m = BETA1 * *m + (1.0 - BETA1) * g;
                *u = (BETA2 * *u).max(g.abs() + EPSILON);
                *p -= lr / correction1 * *m / *u;
            }
        }),
        Rule::Sgd { momentum } => parameter.zip(gradient).zip(first).for_each(|((p, g), m)| {
            for ((p, g), m) in p.iter_mut().zip(g).zip(m) {
                *m = momentum * *m + g;
                *p -= lr * *m;
            }
        }),
    }
}

/// The Euclidean norm of all gradients together, added in an order that does not depend on the number of threads.
pub fn global_norm(grads: &[Vec<f64>]) -> f64 {
    grads
        .iter()
        .map(|gradient| {
            let panels: Vec<f64> = gradient.par_chunks(CHUNK).map(|c| c.iter().map(|g| g * g).sum::<f64>()).collect();
            panels.iter().sum::<f64>()
        })
        .sum::<f64>()
        .sqrt()
}

/// Scales all gradients together so that their global norm is at most `limit`; returns the norm they had. Gradients
/// whose norm is not finite are left as they are.
pub fn clip(grads: &mut [Vec<f64>], limit: f64) -> f64 {
    let norm = global_norm(grads);
    if norm.is_finite() && norm > limit {
        let factor = limit / norm;
        for gradient in grads.iter_mut() {
            gradient.par_chunks_mut(CHUNK).for_each(|chunk| chunk.iter_mut().for_each(|g| *g *= factor));
        }
    }
    norm
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(step: usize, size: usize) -> Vec<f64> {
        (0..size).map(|i| ((i * 7 + step * 13 + 1) as f64).sin()).collect()
    }

    /// The textbook recursion for one scalar.
    fn scalar(rule: Rule, gradients: &[f64], lr: f64, mut x: f64) -> f64 {
        let (mut m, mut v) = (0.0, 0.0f64);
        for (t, &g) in (1..).zip(gradients) {
            match rule {
                Rule::Adam => {
                    m = 0.9 * m + 0.1 * g;
                    v = 0.999 * v + 0.001 * g * g;
                    x -= lr * (m / (1.0 - 0.9f64.powi(t))) / ((v / (1.0 - 0.999f64.powi(t))).sqrt() + 1e-8);
                }
                Rule::Adamax => {
                    m = 0.9 * m + 0.1 * g;
                    v = (0.999 * v).max(g.abs());
                    x -= lr / (1.0 - 0.9f64.powi(t)) * m / v;
                }
                Rule::Sgd { momentum } => {
                    m = momentum * m + g;
                    x -= lr * m;
                }
            }
        }
        x
    }

    const RULES: [Rule; 4] = [Rule::Adam, Rule::Adamax, Rule::Sgd { momentum: 0.0 }, Rule::Sgd { momentum: 0.9 }];

    #[test]
    fn each_rule_follows_its_recursion() {
        for rule in RULES {
            let size = 3 * CHUNK + 17;
            let mut optimizer = Optimizer::new(rule);
            let mut params = vec![vec![1.0; size], vec![2.0; 3]];
            for step in 0..20 {
                let grads = vec![gradient(step, size), gradient(step, 3)];
                optimizer.step(&mut params, &grads, 0.01).unwrap();
            }
            for i in [0, 5, CHUNK, size - 1] {
                let seen: Vec<f64> = (0..20).map(|step| gradient(step, size)[i]).collect();
                assert!((params[0][i] - scalar(rule, &seen, 0.01, 1.0)).abs() < 1e-7, "{rule:?}");
            }
        }
    }

    #[test]
    fn rows_move_as_if_each_were_alone() {
        for rule in RULES {
            let (rows, width) = (50, 4);
            let mut optimizer = Optimizer::new(rule);
            let mut params = vec![vec![1.0; rows * width]];
            let mut seen = vec![Vec::new(); rows];
            for step in 0..30 {
                let batch = [(step * 11) % rows, (step * 17 + 3) % rows, (step * step) % rows];
                let g = gradient(step, batch.len() * width);
                // A row that comes twice gets the sum.
                let mut sums = std::collections::BTreeMap::new();
                for (place, &row) in batch.iter().enumerate() {
                    *sums.entry(row).or_insert(0.0) += g[place * width + 2];
                }
                sums.into_iter().for_each(|(row, sum)| seen[row].push(sum));
                optimizer.step_rows(&mut params, &[g], &batch, 0.01).unwrap();
            }
            for row in 0..rows {
                let expected = scalar(rule, &seen[row], 0.01, 1.0);
                assert!((params[0][row * width + 2] - expected).abs() < 1e-6, "{rule:?} {row}");
            }
        }
    }

    #[test]
    fn quadratic_is_minimised() {
        for rule in RULES {
            let mut optimizer = Optimizer::new(rule);
            let mut params = vec![vec![3.0, -2.0]];
            for step in 0..4000 {
                let lr = 0.05 * (1.0 - step as f64 / 4000.0);
                let grads = vec![vec![2.0 * (params[0][0] - 1.0), 0.5 * (params[0][1] - 4.0)]];
                optimizer.step(&mut params, &grads, lr).unwrap();
            }
            assert!((params[0][0] - 1.0).abs() < 1e-4 && (params[0][1] - 4.0).abs() < 1e-4, "{rule:?} {params:?}");
        }
    }

    #[test]
    fn a_zero_gradient_moves_nothing() {
        for rule in RULES {
            let mut params = vec![vec![1.5; 3]];
            Optimizer::new(rule).step(&mut params, &[vec![0.0; 3]], 0.1).unwrap();
            assert_eq!(params, [[1.5; 3]]);
        }
    }

    #[test]
    fn clipping_keeps_the_direction() {
        let mut grads = vec![vec![3.0; 20_000], vec![4.0; 20_000]];
        let norm = (20_000.0 * 25.0f64).sqrt();
        assert!((clip(&mut grads, 1e9) - norm).abs() < 1e-9);
        assert_eq!(grads[0][0], 3.0);
        assert!((clip(&mut grads, 2.0) - norm).abs() < 1e-9);
        assert!((global_norm(&grads) - 2.0).abs() < 1e-12);
        assert!((grads[1][7] / grads[0][7] - 4.0 / 3.0).abs() < 1e-12);
        let mut bad = vec![vec![f64::NAN, 1.0]];
        assert!(clip(&mut bad, 0.1).is_nan());
        assert_eq!(bad[0][1], 1.0);
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let run = |threads| {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
                let mut optimizer = Optimizer::new(Rule::Adam);
                let mut params = vec![vec![1.0; 100_001]];
                for step in 0..5 {
                    let mut grads = vec![gradient(step, 100_001)];
                    clip(&mut grads, 1.0);
                    optimizer.step(&mut params, &grads, 0.01).unwrap();
                }
                params
            })
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn wrong_shapes_are_refused() {
        let mut optimizer = Optimizer::new(Rule::Adam);
        assert!(optimizer.step(&mut [vec![0.0; 2]], &[vec![0.0; 3]], 0.1).is_err());
        let mut optimizer = Optimizer::new(Rule::Adam);
        let mut params = vec![vec![0.0; 6]];
        assert!(optimizer.step_rows(&mut params, &[vec![0.0; 4]], &[0, 3], 0.1).is_err());
        assert!(optimizer.step_rows(&mut params, &[vec![0.0; 5]], &[0, 1], 0.1).is_err());
        assert!(optimizer.step_rows(&mut params, &[], &[0, 1], 0.1).is_err());
    }
}
