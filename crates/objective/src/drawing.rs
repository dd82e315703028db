//! Draws of every random node, in terms of noise.

use std::collections::{HashMap, HashSet};

use fe_check::{GradientEstimator, Latent, Program};
use fe_distribution::{Distribution, Sampling, Support};
use fe_graph::{Axis, Graph, NodeId, NoiseKind, Site, axis};

use crate::arrivals;
use crate::guide::autoregressive;
use crate::guide::types::{Posterior, Realised};
use crate::objective::Underivable;
use crate::relaxation::gumbel_softmax;

/// A latent whose draws have no pathwise derivative.
#[derive(Clone, Debug)]
pub(crate) struct Scored {
    /// Its number.
    pub number: usize,
    /// The node of its draw.
    pub draw: NodeId,
    /// Whether the program asks for the score function.
    pub asked: bool,
}

/// What replaces the random nodes where a term is sampled.
#[derive(Debug, Default)]
pub(crate) struct Draws {
    /// A draw of every random node, in terms of noise.
    pub of: HashMap<NodeId, NodeId>,
    /// Those whose derivative is not that of a path.
    pub scored: Vec<Scored>,
    /// Draws of counts that are relaxed by a softmax.
    pub softened: Vec<NodeId>,
    /// Arrival times of counts that are drawn in a loop.
    pub arrivals: Vec<NodeId>,
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
    let mut drawing = Drawing { g, program, realised, temperature, among, draws: Draws::default() };
    drawing.vectors();
    // A guide may read latents that are declared later in the text: go round until every parent is drawn.
    let mut waiting: Vec<usize> = (0..program.latents.len()).collect();
    while !waiting.is_empty() {
        let postponed = drawing.round(&waiting)?;
        if postponed.len() == waiting.len() {
            return Err(autoregressive::circle(program, &postponed));
        }
        waiting = postponed;
    }
    drawing.conditionals();
    Ok(drawing.draws)
}

/// Draws in the making.
struct Drawing<'d> {
    g: &'d mut Graph,
    program: &'d Program,
    realised: &'d Realised,
    temperature: NodeId,
    among: Option<Axis>,
    draws: Draws,
}

impl Drawing<'_> {
    /// The axes of what is drawn beside its own.
    fn outer(&self) -> Vec<Axis> {
        std::iter::once(Axis::SAMPLE).chain(self.among).collect()
    }

    /// The site of noise: another one where each sample holds several draws.
    fn site(&self, site: Site) -> Site {
        if self.among.is_some() { Site(site.0 ^ Site::named("importance").0) } else { site }
    }

    fn normal(&mut self, site: Site, axes: &[Axis]) -> NodeId {
        let axes = axis::union(&self.outer(), axes);
        let site = self.site(site);
        self.g.noise(NoiseKind::Normal, site, &axes)
    }

    /// Of the standard normal vectors behind joint guides, affine guides and chains.
    fn vectors(&mut self) {
        let realised = self.realised;
        for group in &realised.groups {
            let noise = self.normal(group.site, &[group.axis]);
            self.draws.of.insert(group.noise, noise);
        }
        for vector in &realised.vectors {
            let noise = self.normal(vector.site, &vector.axes);
            self.draws.of.insert(vector.node, noise);
        }
        for chain in &realised.chains {
            let noise = self.normal(chain.site, &axis::sorted(&chain.axes));
            self.draws.of.insert(chain.motion.noise, noise);
            let deviation = chain.motion.at_noise(self.g, noise);
            self.draws.of.insert(chain.motion.deviation, deviation);
        }
    }

    /// Of what is integrated out, once all that it depends on is drawn.
    fn conditionals(&mut self) {
        let realised = self.realised;
        for conditional in &realised.eliminated {
            let noise = self.normal(conditional.site, &axis::sorted(&conditional.axes));
            self.draws.of.extend(conditional.primitives.last().map(|&p| (p, noise)));
            if let Some(motion) = &conditional.motion {
                let deviation = motion.at_noise(self.g, noise);
                let deviation = self.g.substitute(&[deviation], &self.draws.of).first().copied().unwrap_or(deviation);
                self.draws.of.insert(motion.deviation, deviation);
            }
        }
    }

    /// Draws the waiting latents whose parents are drawn, those of a loop together; the others are given back.
    fn round(&mut self, waiting: &[usize]) -> Result<Vec<usize>, Underivable> {
        let (program, realised) = (self.program, self.realised);
        let mut postponed = vec![];
        let mut steps: HashMap<usize, NodeId> = HashMap::new();
        for &k in waiting {
            let (Some(latent), Some(posterior)) = (program.latents.get(k), realised.posteriors.get(k)) else {
                continue;
            };
            let (Posterior::Family(d) | Posterior::Prior(d)) = posterior else { continue };
            if realised.replaced.contains_key(&latent.node) {
                continue;
            }
            let d = realised.after(self.g, d);
            let together = realised.loops.iter().find(|l| l.members.contains(&k));
            let own = together.map_or(vec![k], |l| l.members.clone());
            if self.waits(&own, waiting) {
                postponed.push(k);
                continue;
            }
            // Without a draw the node stays as it is; only a term that needs it is then in error.
            match (self.latent(k, latent, &d, together.is_some()), together) {
                (Some(z), None) => drop(self.draws.of.insert(latent.node, z)),
                (Some(z), Some(_)) => drop(steps.insert(k, z)),
                (None, _) => {}
            }
        }
        for one in &realised.loops {
            let values: Option<Vec<(usize, NodeId)>> =
                one.members.iter().map(|k| steps.get(k).map(|&z| (*k, z))).collect();
            if let Some(values) = values {
                self.draws.of.extend(one.step(self.g, program, &values)?);
            }
        }
        Ok(postponed)
    }

    /// Whether latents that are drawn together read another one that is not drawn yet.
    fn waits(&mut self, own: &[usize], waiting: &[usize]) -> bool {
        let (program, realised) = (self.program, self.realised);
        let pending: HashSet<NodeId> = waiting
            .iter()
            .filter(|j| !own.contains(j))
            .filter_map(|&j| program.latents.get(j))
            .map(|l| l.node)
            .filter(|n| !self.draws.of.contains_key(n) && !realised.replaced.contains_key(n))
            .collect();
        let all: Vec<NodeId> = own
            .iter()
            .filter_map(|&j| realised.posteriors.get(j))
            .flat_map(|p| match p {
                Posterior::Family(d) | Posterior::Prior(d) => realised.after(self.g, d).args,
                _ => vec![],
            })
            .collect();
        all.iter().any(|&a| self.g.depends_on(a, &pending))
    }

    /// A draw of one latent whose parents are drawn, by the estimator that it asks for.
    fn latent(&mut self, k: usize, latent: &Latent, d: &Distribution, in_loop: bool) -> Option<NodeId> {
        let args = self.g.substitute(&d.args, &self.draws.of);
        let before = self.g.set_origin(self.g.origin_of(latent.node));
        let how = Sampling { temperature: self.temperature, indicator: latent.indicator() };
        let axes = axis::union(&self.outer(), &axis::sorted(&latent.axes));
        let site = self.site(Site::named(&latent.name));
        let q = Distribution { args, ..d.clone() };
        let estimator = latent.estimator.map(|e| e.0);
        let mut drawn = match estimator {
            Some(GradientEstimator::Score) => None,
            Some(GradientEstimator::GumbelSoftmax) => {
                let soft = gumbel_softmax(self.g, &q, &latent.name, &axes, &how);
                self.draws.softened.extend(soft);
                soft
            }
            _ if in_loop && latent.support == Support::Count => {
                let found = arrivals::count(self.g, &q, (site, &axes), self.temperature);
                self.draws.arrivals.extend(found.map(|f| f.1));
                found.map(|f| f.0)
            }
            _ => q.sample(self.g, site, &axes, &how),
        };
        // The score of a draw within a loop is that of all later draws too, and is not built.
        if drawn.is_none() && !in_loop && estimator != Some(GradientEstimator::GumbelSoftmax) {
            // Figures are of exact counts, whatever the temperature.
            let exact = Sampling { temperature: self.g.constant(0.0), ..how };
            drawn = q.stopped_sample(self.g, site, &axes, &exact);
            let asked = estimator == Some(GradientEstimator::Score);
            self.draws.scored.extend(drawn.map(|draw| Scored { number: k, draw, asked }));
        }
        self.g.set_origin(before);
        drawn
    }
}
