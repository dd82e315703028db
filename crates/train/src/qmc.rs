//! Quasi-Monte Carlo draws in the place of noise: one fixed set for an objective that is minimised (sample average
//! approximation), and moment-matched sets by which a fitted guide is read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use fe_graph::noise::{Element, Stream};
use fe_graph::special::{log_gamma, log_normal_cdf, normal_cdf};
use fe_graph::{Axis, NodeId, NoiseKind, Op, Site, Tensor};
use fe_objective::{FEW, Objective};

use crate::draws::normal_draws;
use crate::problem::Problem;
use crate::sizes::Sizes;
use crate::streams::{FixedSet, Outside};

/// A source of noise in an objective.
pub(crate) struct NoiseSite {
    pub site: Site,
    /// Its distribution; none for the arrivals of relaxed counts, which keep their own noise.
    pub kind: Option<NoiseKind>,
    /// Axes without samples.
    axes: Vec<Axis>,
    /// Elements a sample.
    pub size: usize,
}

/// The sources of noise of an objective.
pub(crate) fn noise_sites(o: &Objective) -> Vec<NoiseSite> {
    noise_sites_of(o, &[o.minimised.value])
}

/// The sources of noise of some of an objective's nodes.
pub(crate) fn noise_sites_of(o: &Objective, nodes: &[NodeId]) -> Vec<NoiseSite> {
    let mut sites = vec![];
    let mut seen = HashSet::new();
    for id in o.graph.reachable(nodes) {
        let (site, kind) = match o.graph.node(id).op {
            Op::Noise { kind, site } => (site, Some(kind)),
            Op::Arrivals { site, .. } => (site, None),
            _ => continue,
        };
        if seen.insert(site) {
            let axes = o.axes_without_samples(id);
            let size = axes.iter().map(|a| o.graph.extent_of(a.id)).product();
            sites.push(NoiseSite { site, kind, axes, size });
        }
    }
    sites
}

fn extent(problem: &Problem, axis: Axis) -> usize {
    match problem.objective.row {
        Some(r) if r.axis == axis.id => problem.train.len(),
        _ => problem.objective.graph.extent_of(axis.id),
    }
}

/// One fixed set of draws for all sites together: quasi-random normals whose mean and covariance are exact, mapped to
/// the kind of each site. Relaxed counts keep the noise of step 0. `None` where so few draws cannot have these moments.
pub(crate) fn fixed_draws(
    problem: &Problem,
    sites: Vec<NoiseSite>,
    count: usize,
    set: FixedSet,
) -> Option<HashMap<Site, Arc<Tensor>>> {
    let sites: Vec<(NoiseSite, NoiseKind)> = sites
        .into_iter()
        .filter_map(|s| s.kind.map(|k| (s, k)))
        .map(|(s, k)| {
            let size = s.axes.iter().map(|a| extent(problem, *a)).product();
            (NoiseSite { size, ..s }, k)
        })
        .collect();
    let total: usize = sites.iter().map(|s| s.0.size).sum();
    if total == 0 {
        return Some(HashMap::new());
    }
    let all = normal_draws(count, total, set.seed(problem.seed))?;
    let mut map = HashMap::new();
    let mut start = 0;
    for (s, kind) in sites {
        let mapped = |z: f64| match kind {
            NoiseKind::Normal => z,
            NoiseKind::Uniform => normal_cdf(z),
            NoiseKind::Exponential => -log_normal_cdf(z),
        };
        let values =
            all.chunks(total).flat_map(|row| row.iter().skip(start).take(s.size).map(|&z| mapped(z))).collect();
        let shape = std::iter::once(count).chain(s.axes.iter().map(|a| extent(problem, *a))).collect();
        map.insert(s.site, Arc::new(Tensor { shape, values }));
        start += s.size;
    }
    Some(map)
}

/// Moment-matched quasi-Monte Carlo draws of all noise of some nodes.
pub(crate) struct MatchedDraws {
    /// For each site its draws, samples first.
    pub draws: HashMap<Site, Arc<Tensor>>,
    /// Whether all of it is standard normal.
    pub all_normal: bool,
    /// Sites of what is integrated out given the rest: draws of exact conditionals, which need no wider proposal.
    pub exact: Vec<Site>,
}

/// Moment-matched draws of the noise that some nodes need: a guide's own means and standard deviations come out exactly
/// where they are linear in the noise. `None` where the noise is of more than [`FEW`] dimensions, or relaxed counts'.
pub(crate) fn matched_draws(problem: &Problem, nodes: &[NodeId], count: usize) -> Option<MatchedDraws> {
    let sites = matchable(Sizes { o: problem.objective, rows: problem.train.len() }, nodes)?;
    let exact = problem.objective.guides.eliminated.clone();
    let mut free = sites.iter().filter(|s| !exact.contains(&s.site));
    let all_normal = free.all(|s| s.kind == Some(NoiseKind::Normal));
    // Not the draws that the guide was fitted to.
    let draws = fixed_draws(problem, sites, count, FixedSet::Reading)?;
    Some(MatchedDraws { draws, all_normal, exact })
}

/// Moment-matched draws of what is normal beside counts, whose noise stays that of the guide. `None` where nothing is, or it is
/// of more than [`FEW`] dimensions.
pub(crate) fn normal_draws_of(problem: &Problem, nodes: &[NodeId], count: usize) -> Option<MatchedDraws> {
    let exact = problem.objective.guides.eliminated.clone();
    let mut sites = noise_sites_of(problem.objective, nodes);
    sites.retain(|s| s.kind == Some(NoiseKind::Normal) && !exact.contains(&s.site));
    let sizes = Sizes { o: problem.objective, rows: problem.train.len() };
    let size = |s: &NoiseSite| s.axes.iter().map(|a| sizes.extent(*a, 1)).fold(1usize, usize::saturating_mul);
    let total = sites.iter().map(size).fold(0usize, usize::saturating_add);
    if !(1..=FEW).contains(&total) {
        return None;
    }
    let draws = fixed_draws(problem, sites, count, FixedSet::Reading)?;
    Some(MatchedDraws { draws, all_normal: true, exact })
}

/// The sources of noise that draws can be matched for, of those that some nodes need.
pub(crate) fn matchable(sizes: Sizes, nodes: &[NodeId]) -> Option<Vec<NoiseSite>> {
    let mut sites = noise_sites_of(sizes.o, nodes);
    let size = |s: &NoiseSite| s.axes.iter().map(|a| sizes.extent(*a, 1)).fold(1usize, usize::saturating_mul);
    let all = |sites: &[NoiseSite]| sites.iter().map(size).fold(0usize, usize::saturating_add);
    if all(&sites) > FEW {
        sites.retain(|s| !sizes.o.guides.eliminated.contains(&s.site));
    }
    let total = all(&sites);
    (total > 0 && total <= FEW && sites.iter().all(|s| s.kind.is_some())).then_some(sites)
}

/// Degrees of freedom of the wider proposal.
const WIDE: u32 = 5;

impl MatchedDraws {
    /// Some of them.
    pub fn some(&self, rows: &[usize]) -> Self {
        let part = |tensor: &Tensor| {
            let count = tensor.shape.first().copied().unwrap_or(1).max(1);
            let width = tensor.values.len() / count;
            let values = rows.iter().flat_map(|r| tensor.values.iter().skip(r * width).take(width).copied()).collect();
            let shape = std::iter::once(rows.len()).chain(tensor.shape.iter().skip(1).copied()).collect();
            Arc::new(Tensor { shape, values })
        };
        let draws = self.draws.iter().map(|(&site, tensor)| (site, part(tensor))).collect();
        Self { draws, exact: self.exact.clone(), ..*self }
    }

    /// The draws of a multivariate Student t: each sample divided by √(χ²/ν); and for each sample
    /// log N(ε) − log t(ε), by which the weights of the normal draws become those of the t.
    pub fn widened(&self, seed: u64) -> (Self, Vec<f64>) {
        let nu = f64::from(WIDE);
        let count = self.draws.values().next().and_then(|t| t.shape.first().copied()).unwrap_or(0);
        let key = Outside::WiderProposal.key(seed, 0);
        let factors: Vec<f64> = (0..count as u64)
            .map(|row| {
                let mut stream = Stream::new(key, Element { row, rest: 0 });
                let chi: f64 = (0..WIDE).map(|_| stream.normal().powi(2)).sum();
                (nu / chi).sqrt()
            })
            .collect();
        let (mut squares, mut dimensions) = (vec![0.0; count], 0.0);
        let mut draws = HashMap::new();
        // In one order, so that sums over sites are the same each time.
        let mut sites: Vec<_> = self.draws.iter().collect();
        sites.sort_by_key(|(site, _)| **site);
        for (&site, tensor) in sites {
            if self.exact.contains(&site) {
                draws.insert(site, Arc::clone(tensor));
                continue;
            }
            let width = tensor.values.len() / count.max(1);
            dimensions += width as f64;
            let mut wide = tensor.as_ref().clone();
            let samples = wide.values.chunks_mut(width.max(1));
            for ((sample, factor), square) in samples.zip(&factors).zip(&mut squares) {
                for v in sample {
                    *v *= factor;
                    *square += *v * *v;
                }
            }
            draws.insert(site, Arc::new(wide));
        }
        let d = dimensions;
        let constant = 0.5 * d * (nu / 2.0).ln() + log_gamma(0.5 * nu) - log_gamma(0.5 * (nu + d));
        let correction = squares.iter().map(|s| constant - 0.5 * s + 0.5 * (nu + d) * (s / nu).ln_1p()).collect();
        (Self { draws, all_normal: false, exact: self.exact.clone() }, correction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wider_proposal_weighs_back_to_the_normal() {
        let (count, d) = (1 << 13, 3);
        let values = normal_draws(count, d, 5).unwrap();
        let tensor = Arc::new(Tensor { shape: vec![count, d], values });
        let draws =
            MatchedDraws { draws: HashMap::from([(Site::named("a"), tensor)]), all_normal: true, exact: vec![] };
        let (wide, correction) = draws.widened(1);
        let values = &wide.draws[&Site::named("a")].values;
        // E_t[N/t] = 1, E_t[N/t x²] = 1, E_t[N/t x⁴] = 3; and without weights the t's own variance ν/(ν − 2).
        let mean = |f: &dyn Fn(f64) -> f64| -> f64 {
            let samples = values.chunks(d).zip(&correction);
            samples.map(|(x, c)| c.exp() * f(x[0])).sum::<f64>() / count as f64
        };
        for (found, expected) in [(mean(&|_| 1.0), 1.0), (mean(&|x| x * x), 1.0), (mean(&|x| x.powi(4)), 3.0)] {
            assert!((found - expected).abs() < 0.05 * expected, "{found} {expected}");
        }
        let variance = values.iter().map(|x| x * x).sum::<f64>() / values.len() as f64;
        assert!((variance - 5.0 / 3.0).abs() < 0.1, "{variance}");
    }
}
