//! The score function, for draws without a pathwise derivative: of E_q f the gradient is
//! E_q[(R − b) ∇ log q(z)], R what z can influence of f, and b what is independent of z.
//!
//! Each element has its own R: the terms, and of these the rows and elements, that depend on it (Rao–Blackwellisation:
//! Ranganath, Gerrish and Blei 2014). b is the mean of R over the other samples (Salimans and Knowles 2014; Kool, van Hoof
//! and Welling 2019).

use fe_check::Latent;
use fe_graph::{Axis, AxisId, Binary, NodeId, axis};

use crate::deriver::Deriver;
use crate::drawing::Scored;
use crate::guide::types::Posterior;
use crate::influence::kept_apart;

/// A part of the objective: its elements for each sample, and the factor with which their sum enters.
pub(crate) struct Part {
    pub elements: NodeId,
    pub factor: NodeId,
}

impl Deriver<'_> {
    /// What is added to the objective so that its derivative is right: 0 in value, with the score function's gradient.
    pub(crate) fn scores(&mut self, parts: &[Part]) -> NodeId {
        let mut total = self.g.constant(0.0);
        for scored in self.scored.clone() {
            let Some(latent) = self.program.latents.get(scored.number) else { continue };
            let before = self.g.set_origin(self.g.origin_of(latent.node));
            if let Some(part) = self.score(&scored, latent, parts) {
                total = self.g.add(total, part);
            }
            self.g.set_origin(before);
        }
        total
    }

    /// The mean over samples of Σ stop(R − b) (log q − stop(log q)).
    fn score(&mut self, scored: &Scored, latent: &Latent, parts: &[Part]) -> Option<NodeId> {
        let (Posterior::Family(q) | Posterior::Prior(q)) = self.realised.posteriors.get(scored.number)?.clone() else {
            return None;
        };
        let own = axis::sorted(&latent.axes);
        let mut influenced = self.g.constant(0.0);
        for part in parts {
            let Some(apart) = kept_apart(&self.g, part.elements, scored.draw) else { continue };
            let kept = axis::union(&axis::intersection(&apart, &own), &[Axis::SAMPLE]);
            let kept = axis::intersection(&kept, self.g.axes_of(part.elements));
            let sum = self.g.sum_to(part.elements, &kept);
            let sum = self.g.mul(part.factor, sum);
            influenced = self.g.add(influenced, sum);
        }
        // The other samples' mean is (S m − R)/(S − 1), m the mean of all: R − b = (R − m) S/(S − 1).
        let mean = self.g.mean(influenced, &[Axis::SAMPLE]);
        let centred = self.g.sub(influenced, mean);
        let (samples, one) = (self.g.extent(AxisId::SAMPLE), self.g.constant(1.0));
        let others = self.g.sub(samples, one);
        let others = self.g.binary(Binary::Max, others, one);
        let correction = self.g.div(samples, others);
        let advantage = self.g.mul(centred, correction);
        let advantage = self.g.stop(advantage);

        let q = self.after_distribution(&q);
        let log_q = q.log_density(&mut self.g, latent.node)?;
        let log_q = self.g.broadcast(log_q, &own);
        let log_q = self.g.substitute(&[log_q], &self.draws).first().copied()?;
        let kept = axis::intersection(self.g.axes_of(log_q), self.g.axes_of(advantage));
        let log_q = self.g.sum_to(log_q, &kept);
        let fixed = self.g.stop(log_q);
        let moving = self.g.sub(log_q, fixed);
        let product = self.g.mul(advantage, moving);
        let sum = self.g.sum_all_but(product, &[Axis::SAMPLE]);
        Some(self.g.mean(sum, &[Axis::SAMPLE]))
    }
}
