//! Finite latents whose guide is stated: where a term reads one element by element, its expectation is the sum over
//! values, Σ_c q(c) f(c).

use std::collections::{HashMap, HashSet};

use fe_check::GradientEstimator;
use fe_distribution::Support;
use fe_graph::{Axis, NodeId, axis};

use crate::deriver::Deriver;
use crate::enumeration::TABLE_LIMIT;
use crate::guide::types::Posterior;
use crate::influence::kept_apart;

/// The most rows whose figures are taken at once.
pub const FIGURE_ROWS: usize = 1000;

impl Deriver<'_> {
    /// The elements of a term with the finite latents that it reads element by element summed over; `None` where there
    /// are none.
    pub(crate) fn over_values(&mut self, elements: NodeId) -> Option<NodeId> {
        let axes = self.g.axes_of(elements).to_vec();
        let mut summed = elements;
        // A guide may read latents that come before: those that come last go first.
        for (k, latent) in self.program.latents.iter().enumerate().rev() {
            let (Some(Posterior::Family(q)), None) =
                (self.realised.posteriors.get(k).cloned(), self.realised.replaced.get(&latent.node))
            else {
                continue;
            };
            let finite = matches!(latent.support, Support::Bool | Support::Index(_));
            let otherwise = matches!(latent.estimator, Some((GradientEstimator::Score, _)));
            let Some(apart) = kept_apart(&self.g, summed, latent.node) else { continue };
            if !finite || otherwise || !latent.axes.iter().all(|a| apart.contains(a)) {
                continue;
            }
            let count = latent.support.bounds().1 as usize + 1;
            if self.numbers_at_once(&axes).saturating_mul(count) > TABLE_LIMIT {
                continue;
            }
            let values = Axis::plain(self.g.add_axis(&format!("values of {}", latent.name), count));
            let q = self.after_distribution(&q);
            let Some(log_q) = q.log_density(&mut self.g, latent.node) else { continue };
            let every = self.g.iota(values);
            let at = self.g.substitute(&[summed, log_q], &HashMap::from([(latent.node, every)]));
            let &[f, log_q] = at.as_slice() else { continue };
            // What cannot happen has no say, whatever it would cost.
            let probability = self.g.exp(log_q);
            let zero = self.g.constant(0.0);
            let never = self.g.equal(probability, zero);
            let f = self.g.select(never, zero, f);
            let product = self.g.mul(probability, f);
            let product = self.g.broadcast(product, &axis::union(&axes, &[values]));
            summed = self.g.sum(product, &[values]);
        }
        (summed != elements).then_some(summed)
    }

    /// How many numbers an array over these axes holds at any time: in batches of a stated size, those of a batch or of a
    /// block of the figures.
    pub(crate) fn numbers_at_once(&self, axes: &[Axis]) -> usize {
        let row = self.program.row.map(|r| Axis::plain(r.axis));
        let most = self.program.train.batch.map_or(usize::MAX, |batch| batch.max(FIGURE_ROWS));
        let extent = |a: &Axis| self.g.extent_of(a.id).min(if Some(*a) == row { most } else { usize::MAX });
        axes.iter().map(extent).fold(1, usize::saturating_mul)
    }

    /// The finite latent that a term reads and that was to be summed over.
    pub(crate) fn left_over(&self, node: NodeId) -> Option<&fe_check::Latent> {
        let asked = |l: &&fe_check::Latent| matches!(l.estimator, Some((GradientEstimator::Enumeration, _)));
        let reads = |l: &&fe_check::Latent| self.g.depends_on(node, &HashSet::from([l.node]));
        self.program.latents.iter().filter(asked).find(reads)
    }
}
