//! Categorical(probs) along the category axis.

use fe_graph::{Axis, Graph, NodeId, NoiseKind, Site, axis};
use rand::{Rng, RngExt};

use crate::expr::{Expr, formula};
use crate::family::{Alternative, Family, Natural, Parameter};
use crate::support::Support;

/// One of the indices of an axis. What is given along it counts as weights, so that probs made by exp of logits need
/// not be normalised first.
#[derive(Debug)]
pub(crate) struct Categorical;

impl Family for Categorical {
    fn name(&self) -> &'static str {
        "Categorical"
    }

    fn summary(&self) -> &'static str {
        "an index along the last axis of its argument, each with its probability"
    }

    fn synonyms(&self) -> &'static [&'static str] {
        &["cat"]
    }

    fn linked(&self) -> &'static [(&'static str, &'static str)] {
        &[("categorical_logit", "Categorical(logits = …)")]
    }

    fn is_nominal(&self) -> bool {
        true
    }

    fn parameters(&self) -> &'static [Parameter] {
        const ALL: &[Parameter] = &[Parameter::new("probs", Support::Simplex)];
        ALL
    }

    fn alternatives(&self) -> &'static [Alternative] {
        const ALL: &[Alternative] = &[Alternative {
            parameters: &[Parameter::new("logits", Support::Real)],
            canonical: |g, args| vec![formula(g, args, |[l]| l.exp())],
        }];
        ALL
    }

    /// The arguments are weights, whose logs have the information diag p − p pᵀ.
    fn natural(&self) -> Option<Natural> {
        Some(Natural {
            coordinates: |g, args| vec![formula(g, args, |[w]: [Expr; 1]| w.log())],
            direction: |g, args, slopes, event| {
                let (&[weights], &[Some(slope)], Some(axis)) = (args, slopes, event) else { return None };
                let total = g.sum(weights, &[axis]);
                Some(vec![Some(g.mul(total, slope))])
            },
            text: "the information of the logits is diag p − p pᵀ",
        })
    }

    fn support(&self, _args: &[Option<f64>]) -> Option<Support> {
        None
    }

    fn category_axis_argument(&self) -> Option<usize> {
        Some(0)
    }

    fn log_density(&self, g: &mut Graph, x: NodeId, args: &[NodeId], event: Option<Axis>) -> NodeId {
        let log_weights = formula(g, args, |[p]| p.log());
        let Some(axis) = event else { return log_weights };
        let log_probs = g.log_softmax(log_weights, &[axis]);
        g.gather(log_probs, x, axis)
    }

    fn discrete_sample(
        &self,
        g: &mut Graph,
        args: &[NodeId],
        site: Site,
        axes: &[Axis],
        event: Option<Axis>,
    ) -> Option<NodeId> {
        let axis = event?;
        let log_weights = formula(g, args, |[p]| p.log());
        let probs = g.softmax(log_weights, &[axis]);
        let others = axis::difference(g.axes_of(probs), &[axis]);
        let uniform = g.noise(NoiseKind::Uniform, site, &axis::union(axes, &others));
        Some(pick(g, probs, axis, uniform))
    }

    fn draw(&self, args: &[f64], rng: &mut dyn Rng) -> Option<f64> {
        let total: f64 = args.iter().sum();
        if !(total > 0.0 && total.is_finite()) || args.iter().any(|&w| w < 0.0) {
            return None;
        }
        let mut left = rng.random::<f64>() * total;
        let index = args.iter().position(|&w| {
            left -= w;
            left < 0.0
        });
        // Rounding may leave a sliver beyond the last weight.
        index.or_else(|| args.iter().rposition(|&w| w > 0.0)).map(|k| k as f64)
    }
}

/// A value drawn by its probabilities along an axis: how many of the cumulative ones lie below a uniform number.
pub fn pick(g: &mut Graph, probabilities: NodeId, values: Axis, uniform: NodeId) -> NodeId {
    let (place, earlier) = (g.iota(values), Axis::private(values.id));
    let other = g.rename(place, &[(values, earlier)]);
    let upto = g.less_equal(other, place);
    let p = g.rename(probabilities, &[(values, earlier)]);
    let cumulative = g.contract(upto, p, &[earlier]);
    let below = g.less(cumulative, uniform);
    // Rounding may leave a sliver beyond the last.
    let last = g.constant(g.extent_of(values.id) as f64 - 1.0);
    let inner = g.less(place, last);
    let counted = g.mul(below, inner);
    g.sum(counted, &[values])
}

/// An index drawn on the host by the weights of its values. `None` where these are no shares.
pub fn draw_category(weights: &[f64], rng: &mut dyn Rng) -> Option<usize> {
    Categorical.draw(weights, rng).map(|index| index as usize)
}
