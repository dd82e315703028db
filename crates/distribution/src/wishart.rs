//! Wishart(df, scale), a covariance matrix; and what its inverse shares with it.

use fe_graph::{Axis, Factor, Graph, NodeId, matrix};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::arrays::times_transposed;
use crate::expr::formula;
use crate::family::{Family, Parameter, Statistic};
use crate::support::Support;

/// The distribution of the sum of `df` outer products of Normal vectors with covariance `scale`; any df above K − 1.
#[derive(Debug)]
pub(crate) struct Wishart;

/// For each row r, from 0: its number, and the log of the diagonal of the lower factor of a matrix.
pub(crate) fn log_diagonal(g: &mut Graph, m: NodeId, event: Axis) -> NodeId {
    let lower = g.cholesky(m, event, event.primed());
    let diagonal = g.diagonal(lower, event, event.primed());
    g.log(diagonal)
}

/// ‖row r of L_of⁻¹ L‖², whose sum is tr((L_of L_ofᵀ)⁻¹ L Lᵀ), of two covariance matrices.
pub(crate) fn trace(g: &mut Graph, of: NodeId, m: NodeId, event: Axis) -> NodeId {
    let column = event.primed();
    let (outer, inner) = (g.cholesky(of, event, column), g.cholesky(m, event, column));
    let inverse = g.triangular_inverse(outer, event, column);
    let product = g.matrix_product(inverse, inner, event, column);
    let product = g.square(product);
    g.sum(product, &[column])
}

/// log Γ_K(df/2) in shares of the rows: log Γ((df − r)/2) + (K − 1)/4 log π. NaN where df ≤ K − 1.
pub(crate) fn log_gamma(g: &mut Graph, df: NodeId, event: Axis) -> NodeId {
    let k = g.extent_of(event.id) as f64;
    let r = g.iota(event);
    let log_pi = std::f64::consts::PI.ln();
    formula(g, &[df, r], |[df, r]| {
        let known = ((df - r) * 0.5).lgamma() + 0.25 * (k - 1.0) * log_pi;
        df.number(k - 1.0).less(df).select(known, df.number(f64::NAN))
    })
}

/// ψ_K(df/2) in shares of the rows.
fn digamma(g: &mut Graph, df: NodeId, event: Axis) -> NodeId {
    let r = g.iota(event);
    formula(g, &[df, r], |[df, r]| ((df - r) * 0.5).digamma())
}

/// The entropy of Wishart(df, V) but for its multiples of log |V|; and E log |W| − log |V|; in shares of the rows.
pub(crate) fn entropy_parts(g: &mut Graph, df: NodeId, event: Axis) -> (NodeId, NodeId) {
    let k = g.extent_of(event.id) as f64;
    let (gamma, psi) = (log_gamma(g, df, event), digamma(g, df, event));
    let ln2 = std::f64::consts::LN_2;
    let entropy = formula(g, &[df, gamma, psi], |[df, gamma, psi]| {
        0.5 * (k + 1.0) * ln2 + gamma - 0.5 * (df - k - 1.0) * psi + 0.5 * df
    });
    let log_determinant = formula(g, &[psi], |[psi]| psi + ln2);
    (entropy, log_determinant)
}

/// KL of Wishart(n, V) from Wishart(n₀, V₀), in shares of the rows, from shares of log |V₀| − log |V| and tr(V₀⁻¹ V).
pub(crate) fn divergence(
    g: &mut Graph,
    (df, prior): (NodeId, NodeId),
    (log_ratio, trace): (NodeId, NodeId),
    event: Axis,
) -> NodeId {
    let (gamma, gamma0) = (log_gamma(g, df, event), log_gamma(g, prior, event));
    let psi = digamma(g, df, event);
    formula(g, &[df, prior, log_ratio, trace, gamma, gamma0, psi], |[n, n0, ratio, trace, gamma, gamma0, psi]| {
        0.5 * (n0 * ratio + n * (trace - 1.0) + (n - n0) * psi) + gamma0 - gamma
    })
}

/// The lower factor of Wishart(df, 1), by rows: normals below the diagonal, √χ² on it (Bartlett, 1933).
pub(crate) fn bartlett(df: f64, k: usize, rng: &mut dyn Rng) -> Option<Vec<f64>> {
    let mut lower = vec![0.0; k * k];
    for (r, row) in lower.chunks_mut(k.max(1)).enumerate() {
        for slot in row.iter_mut().take(r) {
            *slot = StandardNormal.sample(rng);
        }
        *row.get_mut(r)? = rand_distr::ChiSquared::new(df - r as f64).ok()?.sample(rng).sqrt();
    }
    Some(lower)
}

/// The product of two matrices of k columns.
pub(crate) fn product(a: &[f64], b: &[f64], k: usize) -> Vec<f64> {
    let columns = |j: usize| b.iter().skip(j).step_by(k.max(1));
    a.chunks(k.max(1))
        .flat_map(|row| (0..k).map(move |j| row.iter().zip(columns(j)).map(|(a, b)| a * b).sum::<f64>()))
        .collect()
}

impl Family for Wishart {
    fn name(&self) -> &'static str {
        "Wishart"
    }

    fn summary(&self) -> &'static str {
        "a covariance matrix, over `[K, K']`, of mean df · scale; df above K − 1"
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] =
            &[Parameter::new("df", Support::Positive), Parameter::new("scale", Support::Covariance)];
        ALL
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::Covariance)
    }

    fn is_matrix(&self) -> bool {
        true
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], event: Option<Axis>) -> NodeId {
        let (Some(axis), &[df, scale]) = (event, args) else { return g.constant(f64::NAN) };
        let k = g.extent_of(axis.id) as f64;
        let (log_x, log_v) = (log_diagonal(g, x, axis), log_diagonal(g, scale, axis));
        let (trace, gamma) = (trace(g, scale, x, axis), log_gamma(g, df, axis));
        let ln2 = std::f64::consts::LN_2;
        let density = formula(g, &[df, log_x, log_v, trace, gamma], |[df, x, v, trace, gamma]| {
            (df - k - 1.0) * x - df * v - 0.5 * (trace + df * ln2) - gamma
        });
        g.on_diagonal(density, axis, axis.primed())
    }

    fn vector_expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId], event: Axis) -> Option<NodeId> {
        let &[df, scale] = args else { return None };
        let column = event.primed();
        let scale = g.broadcast(scale, &[event, column]);
        match of {
            Statistic::Value => Some(g.mul(df, scale)),
            Statistic::Square => {
                let row = g.diagonal(scale, event, column);
                let across = g.rename(row, &[(event, column)]);
                Some(formula(g, &[df, scale, row, across], |[n, v, i, j]| {
                    n * n * v.square() + n * (v.square() + i * j)
                }))
            }
            _ => None,
        }
    }

    fn vector_entropy(&self, g: &mut Graph, args: &[NodeId], event: Axis) -> Option<NodeId> {
        let &[df, scale] = args else { return None };
        let k = g.extent_of(event.id) as f64;
        let ((own, _), log_v) = (entropy_parts(g, df, event), log_diagonal(g, scale, event));
        let entropy = formula(g, &[own, log_v], |[own, v]| own + (k + 1.0) * v);
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
        let (true, &[df, scale], &[prior_df, prior_scale]) = (prior.name() == self.name(), args, prior_args) else {
            return None;
        };
        let (log_v, log_v0) = (log_diagonal(g, scale, event), log_diagonal(g, prior_scale, event));
        let ratio = formula(g, &[log_v, log_v0], |[v, v0]| 2.0 * (v0 - v));
        let trace = trace(g, prior_scale, scale, event);
        let kl = divergence(g, (df, prior_df), (ratio, trace), event);
        Some(g.on_diagonal(kl, event, event.primed()))
    }

    fn draw_vector(&self, args: &[Vec<f64>], rng: &mut dyn Rng) -> Option<Vec<f64>> {
        let [df, scale] = args else { return None };
        let k = df.len();
        let mut lower = scale.clone();
        matrix::factorize(Factor::Cholesky, k, &mut lower);
        let root = product(&lower, &bartlett(*df.first()?, k, rng)?, k);
        let drawn = times_transposed(&root, k);
        drawn.iter().all(|v| v.is_finite()).then_some(drawn)
    }
}
