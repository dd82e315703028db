//! The law of every random node, once all guides are built.

use std::collections::{HashMap, HashSet};

use fe_check::Program;
use fe_distribution::Distribution;
use fe_graph::{Graph, NodeId};

use crate::guide::types::{Posterior, Realised};
use crate::law::Law;
use crate::markov::ChainLaw;

impl Realised {
    /// The law of every random node, arguments after replacement.
    pub fn laws(&self, g: &mut Graph, program: &Program) -> HashMap<NodeId, Law> {
        let mut laws = HashMap::new();
        for group in &self.groups {
            laws.insert(group.noise, Law::StandardNormal);
        }
        for vector in &self.vectors {
            laws.insert(vector.node, Law::StandardNormal);
        }
        for chain in &self.chains {
            laws.insert(chain.motion.deviation, Law::Chain(chain.motion.law));
            laws.insert(chain.motion.noise, Law::StandardNormal);
        }
        // What these depend on is drawn, and only then are they integrated.
        for conditional in &self.eliminated {
            laws.extend(conditional.primitives.iter().map(|&p| (p, Law::Opaque)));
        }
        let random: HashSet<NodeId> = program
            .latents
            .iter()
            .map(|l| l.node)
            .filter(|n| !self.replaced.contains_key(n))
            .chain(self.groups.iter().map(|x| x.noise))
            .chain(self.vectors.iter().map(|x| x.node))
            .chain(self.chains.iter().map(|x| x.motion.deviation))
            .chain(self.eliminated.iter().flat_map(|x| x.primitives.iter().copied()))
            .collect();
        for (posterior, latent) in self.posteriors.iter().zip(&program.latents) {
            if let Posterior::Family(d) | Posterior::Prior(d) = posterior {
                if self.replaced.contains_key(&latent.node) {
                    continue;
                }
                let d = self.after(g, d);
                let conditional = d.args.iter().any(|&a| g.depends_on(a, &random));
                let integrable = !conditional && d.restricted.is_none();
                laws.insert(latent.node, if integrable { Law::Family(d) } else { Law::Opaque });
            }
        }
        laws
    }

    /// The laws of what is integrated out, given draws of all else.
    pub fn conditional_laws(&self, g: &mut Graph, draws: &HashMap<NodeId, NodeId>) -> HashMap<NodeId, Law> {
        let mut laws = HashMap::new();
        for conditional in &self.eliminated {
            laws.extend(conditional.primitives.iter().map(|&p| (p, Law::StandardNormal)));
            if let Some(motion) = &conditional.motion {
                let parts = g.substitute(&[motion.law.transition, motion.law.covariance], draws);
                if let &[transition, covariance] = parts.as_slice() {
                    laws.insert(motion.deviation, Law::Chain(ChainLaw { transition, covariance, ..motion.law }));
                }
            }
        }
        laws
    }

    /// A distribution with replaced latents in its arguments.
    pub fn after(&self, g: &mut Graph, d: &Distribution) -> Distribution {
        Distribution { args: g.substitute(&d.args, &self.replaced), ..d.clone() }
    }
}
