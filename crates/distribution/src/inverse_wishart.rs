//! InverseWishart(df, scale), a covariance matrix.

use fe_graph::{Axis, Factor, Graph, NodeId, matrix};
use rand::Rng;

use crate::arrays::times_transposed;
use crate::expr::formula;
use crate::family::{Family, Parameter, Statistic, constant_argument};
use crate::support::Support;
use crate::wishart::{bartlett, divergence, entropy_parts, log_diagonal, log_gamma, product, trace};

/// A matrix whose inverse is Wishart(df, scale⁻¹): the conjugate prior of a Normal covariance.
#[derive(Debug)]
pub(crate) struct InverseWishart;

impl Family for InverseWishart {
    fn name(&self) -> &'static str {
        "InverseWishart"
    }

    fn summary(&self) -> &'static str {
        "a covariance matrix, over `[K, K']`, of mean scale / (df − K − 1); df above K − 1"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["inv_wishart", "inverse_wishart"]
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
        let (log_x, log_psi) = (log_diagonal(g, x, axis), log_diagonal(g, scale, axis));
        let (trace, gamma) = (trace(g, x, scale, axis), log_gamma(g, df, axis));
        let ln2 = std::f64::consts::LN_2;
        let density = formula(g, &[df, log_x, log_psi, trace, gamma], |[df, x, psi, trace, gamma]| {
            df * psi - (df + k + 1.0) * x - 0.5 * (trace + df * ln2) - gamma
        });
        g.on_diagonal(density, axis, axis.primed())
    }

    fn vector_expectation(&self, g: &mut Graph, of: Statistic, args: &[NodeId], event: Axis) -> Option<NodeId> {
        let &[df, scale] = args else { return None };
        let k = g.extent_of(event.id) as f64;
        // There is a mean from K + 1 degrees of freedom up.
        let known = constant_argument(g, args, 0).is_some_and(|df| df > k + 1.0);
        let scale = g.broadcast(scale, &[event, event.primed()]);
        (known && of == Statistic::Value).then(|| formula(g, &[df, scale], |[n, psi]| psi / (n - k - 1.0)))
    }

    /// That of the inverse, less (K + 1) E log of its determinant: the volume of the inversion.
    fn vector_entropy(&self, g: &mut Graph, args: &[NodeId], event: Axis) -> Option<NodeId> {
        let &[df, scale] = args else { return None };
        let k = g.extent_of(event.id) as f64;
        let ((own, log_determinant), log_psi) = (entropy_parts(g, df, event), log_diagonal(g, scale, event));
        let entropy =
            formula(g, &[own, log_determinant, log_psi], |[own, det, psi]| own - (k + 1.0) * det + (k + 1.0) * psi);
        Some(g.on_diagonal(entropy, event, event.primed()))
    }

    /// That of the inverses.
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
        let (log_psi, log_psi0) = (log_diagonal(g, scale, event), log_diagonal(g, prior_scale, event));
        let ratio = formula(g, &[log_psi, log_psi0], |[psi, psi0]| 2.0 * (psi - psi0));
        let trace = trace(g, scale, prior_scale, event);
        let kl = divergence(g, (df, prior_df), (ratio, trace), event);
        Some(g.on_diagonal(kl, event, event.primed()))
    }

    /// C A⁻ᵀ A⁻¹ Cᵀ, C the lower factor of the scale and A that of Wishart(df, 1).
    fn draw_vector(&self, args: &[Vec<f64>], rng: &mut dyn Rng) -> Option<Vec<f64>> {
        let [df, scale] = args else { return None };
        let k = df.len();
        let mut lower = scale.clone();
        matrix::factorize(Factor::Cholesky, k, &mut lower);
        let mut inverse = bartlett(*df.first()?, k, rng)?;
        matrix::factorize(Factor::Inverse, k, &mut inverse);
        let transposed: Vec<f64> = (0..k).flat_map(|j| inverse.iter().skip(j).step_by(k).copied()).collect();
        let drawn = times_transposed(&product(&lower, &transposed, k), k);
        drawn.iter().all(|v| v.is_finite()).then_some(drawn)
    }
}
