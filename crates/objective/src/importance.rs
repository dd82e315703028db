//! Bounds from importance weights: −(1/(1 − α)) log (1/k) Σ w^{1−α} over k draws of the guide, w = p(x, z)/q(z). At α = 0 it is
//! the importance-weighted bound (Burda, Grosse and Salakhutdinov, arXiv 1509.00519), else Rényi's (Li and Turner, arXiv
//! 1602.02311). The draws lie along an axis of their own, so that samples are replicates of the whole logarithm, and the
//! gradient is the plain pathwise one, which is unbiased for the mean of what is written.

use fe_check::Importance;
use fe_graph::Axis;

use crate::deriver::Deriver;
use crate::drawing;
use crate::guide::types::Posterior;
use crate::messages;
use crate::objective::{ImportanceBound, Underivable};

impl Deriver<'_> {
    /// The bound: of each row where every latent that is drawn belongs to one, else of the whole.
    pub(crate) fn importance(&mut self, spec: Importance) -> Result<ImportanceBound, Underivable> {
        let row = self.program.row.map(|r| Axis::plain(r.axis));
        let drawn = self.program.latents.iter().zip(&self.realised.posteriors);
        let global = drawn
            .filter(|(_, p)| !matches!(p, Posterior::Point | Posterior::Enumerated))
            .any(|(l, _)| !l.is_local(self.program.row));
        let row = row.filter(|_| !global);
        let span = self.program.objective.span.unwrap_or_default();
        let ratio =
            self.log_ratio(row).ok_or_else(|| messages::fault("a latent or a likelihood has no density", span))?;
        if row.is_some() && self.g.depends_on(ratio.whole, &self.random) {
            return Err(messages::weights_of_shared(span));
        }
        let axis = Axis::plain(self.g.add_axis("importance draws", spec.draws));
        let temperature = self.g.constant(0.0);
        let draws = drawing::draws(&mut self.g, self.program, &self.realised, temperature, Some(axis))?;
        let weighed = if row.is_some() { ratio.by_row } else { ratio.whole };
        let log_w = self.g.substitute(&[weighed], &draws.of).first().copied().unwrap_or(weighed);
        if !draws.scored.is_empty() || self.g.depends_on(log_w, &self.random) {
            return Err(messages::weights_without_draws(span));
        }
        let order = 1.0 - spec.alpha;
        let powers = self.g.scale(log_w, order);
        // With nothing drawn the mean over draws is the one value.
        let total = self.g.logsumexp(powers, &[axis]);
        let mean = self.g.shift(total, -(spec.draws as f64).ln());
        let bound = self.g.scale(mean, -1.0 / order);
        let sum = self.g.sum_all_but(bound, &[Axis::SAMPLE]);
        let rest = if row.is_some() { self.g.neg(ratio.whole) } else { self.g.constant(0.0) };
        Ok(ImportanceBound { sum, local: row.is_some(), rest, draws: spec.draws })
    }
}
