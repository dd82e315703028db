//! The log joint density along the vector of a joint guide, for its start and its scale.

use std::collections::HashMap;

use fe_graph::Axis;

use crate::density::Density;
use crate::derive::Deriver;
use crate::groups::Shape;
use crate::objective::{Joint, Underivable};

impl Deriver<'_> {
    pub(crate) fn joints(&mut self) -> Result<Vec<Joint>, Underivable> {
        let mut list = vec![];
        for group in std::mem::take(&mut self.realised.groups) {
            let (point, at) = self.g.input("point", &[group.axis]);
            let (direction, along) = self.g.input("direction", &[group.axis]);
            let Some(Density { whole: density, .. }) = self.log_joint(None) else { continue };
            let energy = self.g.neg(density);
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
            // Draws by implicit gradients whose shapes depend on the point have no second derivative.
            let product = match self.g.gradient(slope, &[at]) {
                Err(fe_graph::DerivativeError::QuantileOrder) => None,
                found => found.map_err(failed)?.first().copied(),
            };
            list.push(Joint {
                axis: group.axis,
                dimension: group.dimension,
                diagonal: group.shape.diagonal(),
                fixed: group.shape == Shape::Fixed,
                flow: matches!(group.shape, Shape::Flow(_)),
                blocks: group.blocks,
                base: group.base,
                curvature: group.curvature,
                site: group.site,
                point,
                energy,
                energy_gradient: gradient,
                direction,
                energy_product: product.unwrap_or(along),
                curvature_known: product.is_some() && !self.g.depends_on(energy, &self.random),
                alone,
            });
        }
        Ok(list)
    }
}
