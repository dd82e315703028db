//! Flat(): 1 on the support, not normalised.

use fe_graph::{Axis, Graph, NodeId};

use crate::family::{Family, Parameter};
use crate::support::Support;

/// The improper uniform prior. Its log density is 0, and stays 0 when a type restricts it: with it, a free energy is
/// known up to a constant only.
#[derive(Debug)]
pub(crate) struct Flat;

impl Family for Flat {
    fn name(&self) -> &'static str {
        "Flat"
    }

    fn summary(&self) -> &'static str {
        "improper: 1 everywhere, not normalised"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["improper"]
    }

    fn is_improper(&self) -> bool {
        true
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[]
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        Some(Support::Real)
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, _args: &[NodeId], _event: Option<Axis>) -> NodeId {
        let axes = g.axes_of(x).to_vec();
        g.full(0.0, &axes)
    }

    fn expected_log_density(
        &self,
        g: &mut Graph,
        _args: &[NodeId],
        _q: &dyn Family,
        _q_args: &[NodeId],
    ) -> Option<NodeId> {
        Some(g.constant(0.0))
    }

    fn median(&self, _args: &[f64]) -> Option<f64> {
        Some(0.0)
    }

    fn log_mass(&self, g: &mut Graph, _low: f64, _high: f64, _args: &[NodeId]) -> Option<NodeId> {
        Some(g.constant(0.0))
    }
}
