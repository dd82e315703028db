//! LKJ(concentration): the lower Cholesky factor of a correlation matrix.

use fe_graph::{Axis, Graph, NodeId};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::expr::formula;
use crate::family::{Family, Parameter, Statistic};
use crate::support::Support;

/// The factor L of a correlation matrix R = L Lᵀ with density ∝ |R|^(η − 1) (Lewandowski, Kurowicka and Joe, 2009). Row r
/// of L, from 0, is a point of the sphere by itself: its last element squared is Beta(η + (K − 1 − r)/2, r/2), and the
/// direction of the others is uniform.
#[derive(Debug)]
pub(crate) struct Lkj;

/// For each row: its number, b = η + (K − 1 − r)/2, and η + (K − 1)/2.
fn rows(g: &mut Graph, args: &[NodeId], event: Axis) -> Option<[NodeId; 3]> {
    let &[concentration] = args else { return None };
    let k = g.extent_of(event.id) as f64;
    let r = g.iota(event);
    let b = formula(g, &[concentration, r], |[c, r]| c + (k - 1.0 - r) * 0.5);
    let whole = formula(g, &[concentration], |[c]| c + 0.5 * (k - 1.0));
    Some([r, b, whole])
}

/// log Γ(b + r/2) − log Γ(b) − r/2 log π: minus the log of the volume of a row.
fn normaliser(g: &mut Graph, rows: [NodeId; 3]) -> NodeId {
    let log_pi = std::f64::consts::PI.ln();
    formula(g, &rows, |[r, b, whole]| whole.lgamma() - b.lgamma() - r * (0.5 * log_pi))
}

/// E log L_rr
fn expected_log(g: &mut Graph, [_, b, whole]: [NodeId; 3]) -> NodeId {
    formula(g, &[b, whole], |[b, whole]| 0.5 * (b.digamma() - whole.digamma()))
}

impl Family for Lkj {
    fn name(&self) -> &'static str {
        "LKJ"
    }

    fn summary(&self) -> &'static str {
        "the lower Cholesky factor of a correlation matrix, over `[K, K']`; uniform over these at 1"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["lkjcholesky", "lkj_corr_cholesky"]
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] = &[Parameter::new("concentration", Support::Positive)];
        ALL
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::CorrelationFactor)
    }

    fn is_matrix(&self) -> bool {
        true
    }

    /// (2b − 2) log L_rr and the normaliser for each row.
    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], event: Option<Axis>) -> NodeId {
        let found = event.and_then(|axis| Some((axis, rows(g, args, axis)?)));
        let Some((axis, [r, b, whole])) = found else { return g.constant(f64::NAN) };
        let last = g.diagonal(x, axis, axis.primed());
        let volume = normaliser(g, [r, b, whole]);
        let density = formula(g, &[last, b, volume], |[l, b, volume]| 2.0 * (b - 1.0) * l.log() + volume);
        g.on_diagonal(density, axis, axis.primed())
    }

    /// 0 above the diagonal and, by symmetry, the mean below it; on it √Beta, whose square the others share.
    fn vector_expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId], event: Axis) -> Option<NodeId> {
        let [r, b, whole] = rows(g, args, event)?;
        let column = event.primed();
        match of {
            Statistic::Value => {
                let mean = formula(g, &[b, whole], |[b, whole]| {
                    ((b + 0.5).lgamma() - b.lgamma() + whole.lgamma() - (whole + 0.5).lgamma()).exp()
                });
                Some(g.on_diagonal(mean, event, column))
            }
            Statistic::Square => {
                let on = formula(g, &[b, whole], |[b, whole]| b / whole);
                let on = g.on_diagonal(on, event, column);
                // (1 − b/(b + r/2)) / r
                let each = formula(g, &[whole], |[whole]| 0.5 / whole);
                let j = g.iota(column);
                let below = g.less(j, r);
                let below = g.mul(below, each);
                Some(g.add(on, below))
            }
            _ => None,
        }
    }

    fn vector_entropy(&self, g: &mut Graph, args: &[NodeId], event: Axis) -> Option<NodeId> {
        let rows = rows(g, args, event)?;
        let (log, volume) = (expected_log(g, rows), normaliser(g, rows));
        let entropy = formula(g, &[rows[1], log, volume], |[b, log, volume]| 2.0 * (1.0 - b) * log - volume);
        Some(g.on_diagonal(entropy, event, event.primed()))
    }

    fn vector_kl(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        prior: &dyn Family,
        prior_args: &[NodeId],
        event: Axis,
    ) -> Option<NodeId> {
        if prior.name() != self.name() {
            return None;
        }
        let (q, p) = (rows(g, args, event)?, rows(g, prior_args, event)?);
        let log = expected_log(g, q);
        let (volume, prior_volume) = (normaliser(g, q), normaliser(g, p));
        let kl = formula(g, &[q[1], p[1], log, volume, prior_volume], |[b, c, log, v, w]| 2.0 * (b - c) * log + v - w);
        Some(g.on_diagonal(kl, event, event.primed()))
    }

    /// Row by row; `args` is the concentration, once for each row.
    fn draw_vector(&self, args: &[Vec<f64>], rng: &mut dyn Rng) -> Option<Vec<f64>> {
        let [concentrations] = args else { return None };
        let (k, &eta) = (concentrations.len(), concentrations.first()?);
        let mut drawn = vec![0.0; k * k];
        for (r, row) in drawn.chunks_mut(k.max(1)).enumerate() {
            let last = if r == 0 {
                1.0
            } else {
                rand_distr::Beta::new(eta + 0.5 * (k - 1 - r) as f64, 0.5 * r as f64).ok()?.sample(rng)
            };
            let direction: Vec<f64> = (0..r).map(|_| StandardNormal.sample(rng)).collect();
            let length = direction.iter().map(|e| e * e).sum::<f64>().sqrt();
            for (slot, e) in row.iter_mut().zip(direction) {
                *slot = (1.0 - last).sqrt() * e / length;
            }
            *row.get_mut(r)? = last.sqrt();
        }
        Some(drawn)
    }
}
