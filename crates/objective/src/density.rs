//! log p(x, z) and log p(x, z) − log q(z) as functions of the latents, by row or of the whole.

use fe_graph::{Axis, NodeId, axis};

use crate::deriver::Deriver;
use crate::enumerated::Source;
use crate::guide::types::{JointPart, Posterior};

/// A log density in two parts that add up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Density {
    /// Of each row: what has the row axis, where rows are kept apart.
    pub by_row: NodeId,
    /// Of everything else.
    pub whole: NodeId,
}

impl Deriver<'_> {
    /// log p(x, z) with finite latents summed out, every other latent at its value, those of joint guides as densities of u;
    /// of each row by itself where `row` is given. `None` where a density is not known, which the terms have reported.
    pub(crate) fn log_joint(&mut self, row: Option<Axis>) -> Option<Density> {
        let zero = self.g.constant(0.0);
        let mut total = Density { by_row: zero, whole: zero };
        match (row.and(self.enumeration.by_row), self.enumeration.log_partition) {
            (Some(by_row), _) => total.by_row = by_row,
            (None, Some(whole)) => total.whole = whole,
            (None, None) => {}
        }
        let summed = |d: &Self, source: Source| d.enumeration.expected.contains_key(&source);
        for (k, latent) in self.program.latents.iter().enumerate() {
            match self.realised.posteriors.get(k) {
                Some(&Posterior::Joint(JointPart { log_prior: Some(density), .. })) => {
                    self.add_to(&mut total, density, row);
                    continue;
                }
                Some(&Posterior::Joint(JointPart { log_jacobian, .. })) => self.add_to(&mut total, log_jacobian, row),
                _ => {}
            }
            if summed(self, Source::Prior(k)) {
                continue;
            }
            let (prior, z) = (self.after_distribution(&latent.prior), self.after(latent.node));
            let density = prior.log_density(&mut self.g, z)?;
            let density = self.g.broadcast(density, &axis::sorted(&latent.axes));
            self.add_to(&mut total, density, row);
        }
        for (k, observe) in self.program.observes.iter().enumerate() {
            if summed(self, Source::Observe(k)) {
                continue;
            }
            let (x, d) = (self.after(observe.value), self.after_distribution(&observe.distribution));
            let density = d.log_density(&mut self.g, x)?;
            self.add_to(&mut total, density, row);
        }
        for (k, loss) in self.program.losses.iter().enumerate() {
            if summed(self, Source::Loss(k)) {
                continue;
            }
            let cost = self.after(loss.node);
            let gain = self.g.neg(cost);
            self.add_to(&mut total, gain, row);
        }
        Some(total)
    }

    /// log p(x, z) − log q(z), the log of an importance weight. Of a point it is log p alone.
    pub(crate) fn log_ratio(&mut self, row: Option<Axis>) -> Option<Density> {
        let mut total = self.log_joint(row)?;
        for (latent, posterior) in self.program.latents.iter().zip(self.realised.posteriors.clone()) {
            let z = self.after(latent.node);
            match posterior {
                Posterior::Point | Posterior::Enumerated => {}
                Posterior::Family(q) | Posterior::Prior(q) => {
                    let q = self.after_distribution(&q).log_density(&mut self.g, z)?;
                    let q = self.g.broadcast(q, &axis::sorted(&latent.axes));
                    let part = self.g.neg(q);
                    self.add_to(&mut total, part, row);
                }
                // The joint density is one of u, and so is this.
                Posterior::Joint(JointPart { log_density, .. }) => {
                    let part = self.g.neg(log_density);
                    self.add_to(&mut total, part, row);
                }
            }
        }
        Some(total)
    }

    fn add_to(&mut self, total: &mut Density, part: NodeId, row: Option<Axis>) {
        match row.filter(|&r| self.g.has_axis(part, r)) {
            Some(row) => {
                let sum = self.g.sum_to(part, &[row]);
                total.by_row = self.g.add(total.by_row, sum);
            }
            None => {
                let sum = self.g.sum_all_but(part, &[]);
                total.whole = self.g.add(total.whole, sum);
            }
        }
    }
}
