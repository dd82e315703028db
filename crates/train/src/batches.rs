//! Choices of rows: those held out, and those in the batch of a step.

use fe_graph::noise::{Element, Stream};

use crate::streams::Outside;

/// A random order of 0..count: number `number` of a stream.
fn permutation(count: usize, seed: u64, stream: Outside, number: u64) -> Vec<usize> {
    let mut stream = Stream::new(stream.key(seed, number), Element { row: 0, rest: 0 });
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        order.swap(last, (stream.uniform() * (last + 1) as f64) as usize);
    }
    order
}

/// Divides rows 0..rows at random into those trained on and those held out, both ascending. An `amount` below 1 is the
/// fraction held out, rounded to whole rows; from 1 on it is their number. One row at least is trained on.
pub fn holdout(rows: usize, amount: f64, seed: u64) -> (Vec<u64>, Vec<u64>) {
    let wanted = if amount < 1.0 { amount * rows as f64 } else { amount };
    // A float becomes an integer by saturation; NaN becomes 0.
    let count = (wanted.round() as usize).min(rows.saturating_sub(1));
    let mut heldout = permutation(rows, seed, Outside::Holdout, 0);
    let mut train = heldout.split_off(count);
    train.sort_unstable();
    heldout.sort_unstable();
    let numbers = |rows: Vec<usize>| rows.into_iter().map(|row| row as u64).collect();
    (numbers(train), numbers(heldout))
}

/// The batches of a fit. The rows are shuffled anew for every epoch, and the epochs follow one another without a gap: a
/// batch is always full, so one may span two epochs (or more, where it is larger than the data), and no row is skipped.
#[derive(Clone, Debug)]
pub struct Batches {
    rows: usize,
    size: usize,
    seed: u64,
    /// The epoch shuffled last, and its order.
    shuffled: Option<(u64, Vec<usize>)>,
}

impl Batches {
    /// Batches of `size` out of 0..rows.
    pub fn new(rows: usize, size: usize, seed: u64) -> Self {
        Self { rows, size, seed, shuffled: None }
    }

    /// The rows of a step, `size` of them (none without rows). They depend on nothing but the step, so that a fit can
    /// go on where it stopped.
    pub fn batch(&mut self, step: u64) -> Vec<usize> {
        let mut batch = Vec::new();
        let rows = self.rows as u128;
        if rows == 0 {
            return batch;
        }
        let first = u128::from(step) * self.size as u128;
        let (mut epoch, mut place) = ((first / rows) as u64, (first % rows) as usize);
        while batch.len() < self.size {
            let missing = self.size - batch.len();
            batch.extend(self.order(epoch).iter().skip(place).take(missing));
            epoch = epoch.wrapping_add(1);
            place = 0;
        }
        batch
    }

    fn order(&mut self, epoch: u64) -> &[usize] {
        let order = match self.shuffled.take() {
            Some((shuffled, order)) if shuffled == epoch => order,
            _ => permutation(self.rows, self.seed, Outside::Batches, epoch),
        };
        &self.shuffled.insert((epoch, order)).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permutation_holds_everything_once_and_is_uniform() {
        let mut counts = [[0u32; 5]; 5];
        for number in 0..20_000 {
            let p = permutation(5, 3, Outside::Start("test"), number);
            (0..5).for_each(|i| counts[i][p[i]] += 1);
            let mut sorted = p;
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4]);
        }
        // Binomial(20000, 1/5): sd 56.6.
        assert!(counts.iter().flatten().all(|&c| (f64::from(c) - 4000.0).abs() < 5.0 * 56.6), "{counts:?}");
    }

    #[test]
    fn holdout_divides_the_rows() {
        for (rows, amount, expected) in [
            (100, 0.1, 10),
            (100, 30.0, 30),
            (3, 0.5, 2),
            (1, 0.5, 0),
            (10, 50.0, 9),
            (0, 0.5, 0),
            (7, f64::NAN, 0),
            (7, -1.0, 0),
        ] {
            let (train, heldout) = holdout(rows, amount, 5);
            assert_eq!(heldout.len(), expected, "{rows} {amount}");
            assert!(train.is_sorted() && heldout.is_sorted());
            let mut all: Vec<u64> = train.into_iter().chain(heldout).collect();
            all.sort_unstable();
            assert_eq!(all, (0..rows as u64).collect::<Vec<_>>());
        }
        assert_eq!(holdout(50, 0.2, 1), holdout(50, 0.2, 1));
        assert_ne!(holdout(50, 0.2, 1), holdout(50, 0.2, 2));
    }

    #[test]
    fn every_epoch_visits_every_row_once() {
        for (rows, size) in [(10, 3), (7, 7), (5, 12), (1, 1), (100, 1)] {
            let mut batches = Batches::new(rows, size, 11);
            let stream: Vec<usize> = (0..6 * rows as u64).flat_map(|step| batches.batch(step)).collect();
            assert_eq!(stream.len(), 6 * rows * size);
            for epoch in stream.chunks_exact(rows) {
                let mut sorted = epoch.to_vec();
                sorted.sort_unstable();
                assert_eq!(sorted, (0..rows).collect::<Vec<_>>());
            }
            if rows == 100 {
                assert_ne!(stream[..100], stream[100..200]);
            }
        }
    }

    #[test]
    fn a_batch_depends_on_its_step_only() {
        let mut forward = Batches::new(23, 5, 1);
        let all: Vec<Vec<usize>> = (0..40).map(|step| forward.batch(step)).collect();
        let mut batches = Batches::new(23, 5, 1);
        for step in [39, 3, 17, 0, 22, 5, 4] {
            assert_eq!(batches.batch(step), all[step as usize]);
        }
        assert_ne!(Batches::new(23, 5, 2).batch(0), all[0]);
    }

    #[test]
    fn odd_sizes() {
        assert!(Batches::new(0, 5, 1).batch(3).is_empty());
        assert!(Batches::new(5, 0, 1).batch(3).is_empty());
        assert_eq!(Batches::new(3, 4, 1).batch(u64::MAX).len(), 4);
    }
}
