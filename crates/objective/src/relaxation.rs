//! Counts as a softmax over their values, for any family of counts.

use fe_distribution::{Distribution, Sampling};
use fe_graph::{Axis, Graph, NodeId, NoiseKind, Site, axis};

/// How many values a relaxed count has: 0 to one less.
pub(crate) const VALUES: usize = 32;

/// z = Σ_k k softmax((log q(k) + g_k)/τ) over k = 0, 1, …, with Gumbel numbers g_k (Maddison, Mnih and Teh 2017; Jang, Gu
/// and Poole 2017; over counts, arXiv 2602.03896). At τ = 0 the count is exact. `None` where the family has no such draw.
pub fn gumbel_softmax(g: &mut Graph, q: &Distribution, name: &str, axes: &[Axis], how: &Sampling) -> Option<NodeId> {
    let values = Axis::plain(g.add_axis(&format!("counts of {name}"), VALUES));
    let every = g.iota(values);
    let logits = q.log_density(g, every)?;
    let all = axis::union(&axis::union(axes, g.axes_of(logits)), &[values]);
    let waiting = g.noise(NoiseKind::Exponential, Site::named(&format!("{name}.gumbel")), &all);
    let log_waiting = g.log(waiting);
    let perturbed = g.sub(logits, log_waiting);
    let zero = g.constant(0.0);
    let relaxed = g.less(zero, how.temperature);
    // Where counts are exact the other branch has to be finite still.
    let one = g.constant(1.0);
    let temperature = g.select(relaxed, how.temperature, one);
    let scaled = g.div(perturbed, temperature);
    let weights = g.softmax(scaled, &[values]);
    let soft = g.contract(weights, every, &[values]);
    let exact = q.stopped_sample(g, Site::named(name), axes, how)?;
    Some(g.select(relaxed, soft, exact))
}
