//! The log joint density along the vector of a joint Gaussian, for its start and its scale.

use std::collections::HashMap;

use fe_check::Latent;
use fe_graph::{Axis, NodeId, axis};

use crate::derive::Deriver;
use crate::enumeration::Source;
use crate::groups::Shape;
use crate::guides::Posterior;
use crate::objective::{Chain, Joint, Landscape, Underivable};

impl Deriver<'_> {
    /// The log prior of a latent at its value, summed; of a member of a joint Gaussian the density of its u, which is
    /// log p(z) + log |dz/du|.
    fn latent_density(&mut self, k: usize, latent: &Latent) -> Option<NodeId> {
        let volume = match self.realised.posteriors.get(k) {
            Some(&Posterior::Gaussian { log_prior: Some(density), .. }) => {
                return Some(self.g.sum_all_but(density, &[]));
            }
            Some(&Posterior::Gaussian { log_jacobian, .. }) => Some(log_jacobian),
            _ => None,
        };
        let (prior, z) = (self.after_distribution(&latent.prior), self.after(latent.node));
        let density = prior.log_density(&mut self.g, z)?;
        let density = self.g.broadcast(density, &axis::sorted(&latent.axes));
        let density = self.g.sum_all_but(density, &[]);
        Some(match volume {
            Some(volume) => {
                let volume = self.g.sum_all_but(volume, &[]);
                self.g.add(density, volume)
            }
            None => density,
        })
    }

    /// log p(x, z) with finite latents summed out, every other latent at its value, those of joint Gaussians as densities
    /// of u. `None` where a density is not known, which the terms have reported.
    pub(crate) fn joint_density(&mut self) -> Option<NodeId> {
        let mut total = self.enumeration.log_partition.unwrap_or_else(|| self.g.constant(0.0));
        let summed = |d: &Self, source: Source| d.enumeration.expected.contains_key(&source);
        for (k, latent) in self.program.latents.iter().enumerate() {
            if summed(self, Source::Prior(k)) {
                continue;
            }
            let density = self.latent_density(k, latent)?;
            total = self.g.add(total, density);
        }
        for (k, observe) in self.program.observes.iter().enumerate() {
            if summed(self, Source::Observe(k)) {
                continue;
            }
            let (x, d) = (self.after(observe.value), self.after_distribution(&observe.distribution));
            let density = d.log_density(&mut self.g, x)?;
            let density = self.g.sum_all_but(density, &[]);
            total = self.g.add(total, density);
        }
        for (k, loss) in self.program.losses.iter().enumerate() {
            if summed(self, Source::Loss(k)) {
                continue;
            }
            let cost = self.after(loss.node);
            let cost = self.g.sum_all_but(cost, &[]);
            total = self.g.sub(total, cost);
        }
        Some(total)
    }

    pub(crate) fn joints(&mut self) -> Result<Vec<Joint>, Underivable> {
        let mut list = vec![];
        for group in std::mem::take(&mut self.realised.groups) {
            let Some(l) = self.landscape(group.value, &[group.axis])? else { continue };
            list.push(Joint {
                axis: group.axis,
                dimension: group.dimension,
                diagonal: group.shape == Shape::Diagonal,
                fixed: group.shape == Shape::Fixed,
                blocks: group.blocks,
                base: group.base,
                curvature: group.curvature,
                site: group.site,
                point: l.point,
                energy: l.energy,
                energy_gradient: l.energy_gradient,
                direction: l.direction,
                energy_product: l.energy_product,
                curvature_known: l.known,
                alone: l.alone,
            });
        }
        Ok(list)
    }

    pub(crate) fn chains(&mut self) -> Result<Vec<Chain>, Underivable> {
        let mut list = vec![];
        for chain in std::mem::take(&mut self.realised.chains) {
            let Some(landscape) = self.landscape(chain.value, &chain.axes)? else { continue };
            list.push(Chain {
                axes: chain.axes,
                square: chain.square,
                blocks: chain.parts,
                reach: chain.reach,
                base: chain.base,
                transition: chain.transition,
                scale: chain.scale,
                whitening: chain.whitening,
                landscape,
            });
        }
        Ok(list)
    }

    /// The log joint density with a point in the place of a Gaussian vector, with its first and second derivatives.
    fn landscape(&mut self, value: NodeId, axes: &[Axis]) -> Result<Option<Landscape>, Underivable> {
        let (point, at) = self.g.input("point", axes);
        let (direction, along) = self.g.input("direction", axes);
        let Some(density) = self.joint_density() else { return Ok(None) };
        let energy = self.g.neg(density);
        let energy = self.g.substitute(&[energy], &HashMap::from([(value, at)]));
        let mut energy = energy.first().copied().unwrap_or(at);
        // What else is random is drawn from its guide: the curvature then is an average over those draws.
        let alone = !self.g.depends_on(energy, &self.random);
        if !alone {
            energy = self.g.substitute(&[energy], &self.draws).first().copied().unwrap_or(energy);
            energy = self.g.mean(energy, &[Axis::SAMPLE]);
        }
        let failed = |e: fe_graph::DerivativeError| Underivable {
            message: format!("the joint density cannot be differentiated: {e}"),
            span: fe_syntax::Span::default(),
            help: "report this program".into(),
        };
        let energy_gradient = self.g.gradient(energy, &[at]).map_err(failed)?.first().copied().unwrap_or(at);
        let slope = self.g.mul(energy_gradient, along);
        let slope = self.g.sum_all_but(slope, &[]);
        // Draws by implicit gradients whose shapes depend on the point have no second derivative.
        let product = match self.g.gradient(slope, &[at]) {
            Err(fe_graph::DerivativeError::QuantileOrder) => None,
            found => found.map_err(failed)?.first().copied(),
        };
        let known = product.is_some() && !self.g.depends_on(energy, &self.random);
        let energy_product = product.unwrap_or(along);
        Ok(Some(Landscape { point, energy, energy_gradient, direction, energy_product, known, alone }))
    }
}
