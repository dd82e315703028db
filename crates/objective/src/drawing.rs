//! Pathwise draws of every random node, in terms of noise.

use std::collections::{HashMap, HashSet};

use fe_check::Program;
use fe_distribution::Distribution;
use fe_graph::{Axis, Graph, NodeId, NoiseKind, Site, axis};

use crate::guides::{Posterior, Realised};
use crate::objective::Underivable;

/// A pathwise draw of every random node, in terms of noise: what replaces the nodes where a term is sampled. With `among`
/// each sample holds that many draws, along this axis, from noise of their own.
pub(crate) fn draws(
    g: &mut Graph,
    program: &Program,
    realised: &Realised,
    temperature: NodeId,
    among: Option<Axis>,
) -> Result<HashMap<NodeId, NodeId>, Underivable> {
    let mut map: HashMap<NodeId, NodeId> = HashMap::new();
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
    // A guide may read latents that are declared later in the text: go round until every parent is drawn.
    let mut waiting: Vec<usize> = (0..program.latents.len()).collect();
    while !waiting.is_empty() {
        let mut postponed = vec![];
        for &k in &waiting {
            let (Some(latent), Some(posterior)) = (program.latents.get(k), realised.posteriors.get(k)) else {
                continue;
            };
            let (Posterior::Family(d) | Posterior::Prior(d)) = posterior else { continue };
            if realised.replaced.contains_key(&latent.node) {
                continue;
            }
            let d = realised.after(g, d);
            let pending: HashSet<NodeId> = waiting
                .iter()
                .filter_map(|&j| program.latents.get(j))
                .map(|l| l.node)
                .filter(|n| !map.contains_key(n) && !realised.replaced.contains_key(n))
                .collect();
            if d.args.iter().any(|&a| g.depends_on(a, &pending)) {
                postponed.push(k);
                continue;
            }
            let args = g.substitute(&d.args, &map);
            let before = g.set_origin(g.origin_of(latent.node));
            let how = fe_distribution::Sampling { temperature, indicator: latent.indicator };
            let axes = axis::union(&outer, &axis::sorted(&latent.axes));
            let site = of(Site::named(&latent.name));
            let drawn = Distribution { args, ..d.clone() }.sample(g, site, &axes, &how);
            g.set_origin(before);
            // Without a pathwise draw the node stays as it is; only a term that needs it is then in error.
            if let Some(z) = drawn {
                map.insert(latent.node, z);
            }
        }
        if postponed.len() == waiting.len() {
            let span = postponed.first().and_then(|&k| program.latents.get(k)).map(|l| l.span).unwrap_or_default();
            return Err(Underivable {
                message: "these guides read each other in a circle".into(),
                span,
                help: "let each guide read latents that come before it".into(),
            });
        }
        waiting = postponed;
    }
    Ok(map)
}
