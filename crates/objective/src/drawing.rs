//! Draws of every random node, in terms of noise.

use std::collections::{HashMap, HashSet};

use fe_check::{GradientEstimator, Program};
use fe_distribution::{Distribution, Sampling};
use fe_graph::{Axis, Graph, NodeId, NoiseKind, Site, axis};

use crate::guide::closed_loops;
use crate::guide::types::{Posterior, Realised};
use crate::objective::Underivable;
use crate::relaxation::gumbel_softmax;
use crate::score::Scored;

/// What replaces the random nodes where a term is sampled.
#[derive(Debug, Default)]
pub(crate) struct Draws {
    /// A draw of every random node, in terms of noise.
    pub of: HashMap<NodeId, NodeId>,
    /// Those whose derivative is not that of a path.
    pub scored: Vec<Scored>,
    /// Draws of counts that are relaxed by a softmax.
    pub softened: Vec<NodeId>,
}

/// A draw of every random node, in terms of noise. With `among` each sample holds that many draws, along this axis, from
/// noise of their own.
pub(crate) fn draws(
    g: &mut Graph,
    program: &Program,
    realised: &Realised,
    temperature: NodeId,
    among: Option<Axis>,
) -> Result<Draws, Underivable> {
    let mut draws = Draws::default();
    let map = &mut draws.of;
    let outer: Vec<Axis> = std::iter::once(Axis::SAMPLE).chain(among).collect();
    let of = |site: Site| if among.is_some() { Site(site.0 ^ Site::named("importance").0) } else { site };
    for group in &realised.groups {
        let axes = axis::union(&outer, &[group.axis]);
        let noise = g.noise(NoiseKind::Normal, of(group.site), &axes);
        map.insert(group.noise, noise);
    }
    for vector in &realised.vectors {
        let axes = axis::union(&outer, &vector.axes);
        let noise = g.noise(NoiseKind::Normal, of(vector.site), &axes);
        map.insert(vector.node, noise);
    }
    for chain in &realised.chains {
        let axes = axis::union(&outer, &axis::sorted(&chain.axes));
        let noise = g.noise(NoiseKind::Normal, of(chain.site), &axes);
        map.insert(chain.noise, noise);
        let deviation = chain.at_noise(g, noise);
        map.insert(chain.deviation, deviation);
    }
    // A guide may read latents that are declared later in the text: go round until every parent is drawn.
    let mut waiting: Vec<usize> = (0..program.latents.len()).collect();
    while !waiting.is_empty() {
        let mut postponed = vec![];
        let mut steps: HashMap<usize, NodeId> = HashMap::new();
        for &k in &waiting {
            let (Some(latent), Some(posterior)) = (program.latents.get(k), realised.posteriors.get(k)) else {
                continue;
            };
            let (Posterior::Family(d) | Posterior::Prior(d)) = posterior else { continue };
            if realised.replaced.contains_key(&latent.node) {
                continue;
            }
            let d = realised.after(g, d);
            // Those of a loop are drawn together.
            let together = realised.loops.iter().find(|l| l.members.contains(&k));
            let own = together.map_or(vec![k], |l| l.members.clone());
            let pending: HashSet<NodeId> = waiting
                .iter()
                .filter(|j| !own.contains(j))
                .filter_map(|&j| program.latents.get(j))
                .map(|l| l.node)
                .filter(|n| !map.contains_key(n) && !realised.replaced.contains_key(n))
                .collect();
            let all: Vec<NodeId> = own
                .iter()
                .filter_map(|&j| realised.posteriors.get(j))
                .flat_map(|p| match p {
                    Posterior::Family(d) | Posterior::Prior(d) => realised.after(g, d).args,
                    _ => vec![],
                })
                .collect();
            if all.iter().any(|&a| g.depends_on(a, &pending)) {
                postponed.push(k);
                continue;
            }
            let args = g.substitute(&d.args, map);
            let before = g.set_origin(g.origin_of(latent.node));
            let how = Sampling { temperature, indicator: latent.indicator() };
            let axes = axis::union(&outer, &axis::sorted(&latent.axes));
            let site = of(Site::named(&latent.name));
            let q = Distribution { args, ..d.clone() };
            let estimator = latent.estimator.map(|e| e.0);
            let mut drawn = match estimator {
                Some(GradientEstimator::Score) => None,
                Some(GradientEstimator::GumbelSoftmax) => {
                    let soft = gumbel_softmax(g, &q, &latent.name, &axes, &how);
                    draws.softened.extend(soft);
                    soft
                }
                _ => q.sample(g, site, &axes, &how),
            };
            // The score of a draw within a loop is that of all later draws too, and is not built.
            if drawn.is_none() && together.is_none() && estimator != Some(GradientEstimator::GumbelSoftmax) {
                // Figures are of exact counts, whatever the temperature.
                let exact = Sampling { temperature: g.constant(0.0), ..how };
                drawn = q.stopped_sample(g, site, &axes, &exact);
                let asked = estimator == Some(GradientEstimator::Score);
                draws.scored.extend(drawn.map(|draw| Scored { number: k, draw, asked }));
            }
            g.set_origin(before);
            // Without a draw the node stays as it is; only a term that needs it is then in error.
            match (drawn, together) {
                (Some(z), None) => drop(map.insert(latent.node, z)),
                (Some(z), Some(_)) => drop(steps.insert(k, z)),
                (None, _) => {}
            }
        }
        for one in &realised.loops {
            let values: Option<Vec<(usize, NodeId)>> =
                one.members.iter().map(|k| steps.get(k).map(|&z| (*k, z))).collect();
            if let Some(values) = values {
                map.extend(one.step(g, program, &values)?);
            }
        }
        if postponed.len() == waiting.len() {
            return Err(closed_loops::circle(program, &postponed));
        }
        waiting = postponed;
    }
    Ok(draws)
}
