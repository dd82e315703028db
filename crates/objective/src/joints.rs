//! The log joint density along the vector of a joint Gaussian, for its start and its scale.

use std::collections::HashMap;

use fe_graph::Axis;

use crate::derive::Deriver;
use crate::guides::{Posterior, Shape};
use crate::objective::{Joint, Underivable};

impl Deriver<'_> {
    pub(crate) fn joints(&mut self) -> Result<Vec<Joint>, Underivable> {
        let mut list = vec![];
        for group in std::mem::take(&mut self.realised.groups) {
            let (point, at) = self.g.input("point", &[group.axis]);
            let (direction, along) = self.g.input("direction", &[group.axis]);
            let mut energy = self.g.constant(0.0);
            for (latent, posterior) in self.program.latents.iter().zip(self.realised.posteriors.clone()) {
                let prior = self.after_distribution(&latent.prior);
                let z = self.after(latent.node);
                let mut density = self.log_density(&prior, z, latent)?;
                if let Posterior::Gaussian { log_jacobian, .. } = posterior {
                    density = self.g.add(density, log_jacobian);
                }
                let density = self.g.broadcast(density, &latent.axes);
                let density = self.g.sum_all_but(density, &[]);
                energy = self.g.sub(energy, density);
            }
            for observe in &self.program.observes {
                let (x, d) = (self.after(observe.value), self.after_distribution(&observe.distribution));
                if let Some(density) = d.log_density(&mut self.g, x) {
                    let density = self.g.sum_all_but(density, &[]);
                    energy = self.g.sub(energy, density);
                }
            }
            for loss in &self.program.losses {
                let cost = self.after(loss.node);
                let cost = self.g.sum_all_but(cost, &[]);
                energy = self.g.add(energy, cost);
            }
            let energy = self.g.substitute(&[energy], &HashMap::from([(group.value, at)]));
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
            let gradient = self.g.gradient(energy, &[at]).map_err(failed)?.first().copied().unwrap_or(at);
            let slope = self.g.mul(gradient, along);
            let slope = self.g.sum_all_but(slope, &[]);
            let product = self.g.gradient(slope, &[at]).map_err(failed)?.first().copied().unwrap_or(at);
            list.push(Joint {
                axis: group.axis,
                dimension: group.dimension,
                diagonal: group.shape == Shape::Diagonal,
                fixed: group.shape == Shape::Fixed,
                blocks: group.blocks,
                base: group.base,
                curvature: group.curvature,
                site: group.site,
                point,
                energy,
                energy_gradient: gradient,
                direction,
                energy_product: product,
                curvature_known: !self.g.depends_on(energy, &self.random),
                alone,
            });
        }
        Ok(list)
    }
}
