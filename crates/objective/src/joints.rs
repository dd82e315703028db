//! The log joint density along the vector of a joint guide, for its start and its scale.

use std::collections::HashMap;

use fe_graph::{Axis, NodeId};

use crate::deriver::Deriver;
use crate::guide::types::SoughtMode;
use crate::messages;
use crate::objective::{Chain, Joint, Landscape, ModeSearch, Underivable};

impl Deriver<'_> {
    pub(crate) fn joints(&mut self) -> Result<Vec<Joint>, Underivable> {
        let mut list = vec![];
        for group in std::mem::take(&mut self.realised.groups) {
            let Some(landscape) = self.landscape(group.value, &[group.axis])? else { continue };
            list.push(Joint {
                name: group.name,
                axis: group.axis,
                dimension: group.dimension,
                kind: group.kind,
                blocks: group.blocks,
                start: group.start,
                preconditioner: group.preconditioner,
                site: group.site,
                landscape,
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
                start: chain.start,
                transition: chain.transition,
                scale: chain.scale,
                whitening: chain.whitening,
                landscape,
            });
        }
        Ok(list)
    }

    /// The searches for conditional modes, and where they end at the means of the Gaussian guides.
    pub(crate) fn mode_searches(&mut self) -> Vec<ModeSearch> {
        let noise = self.realised.groups.iter().map(|x| x.noise).chain(self.realised.vectors.iter().map(|x| x.node));
        let noise: Vec<NodeId> = noise.collect();
        let mut none = HashMap::new();
        for node in noise {
            let axes = self.g.axes_of(node).to_vec();
            none.insert(node, self.g.full(0.0, &axes));
        }
        let mut searches = vec![];
        for SoughtMode { start, found } in self.realised.modes.clone() {
            let at_means = self.g.substitute(&[found], &none).first().copied();
            let at_means = at_means.filter(|&n| !self.g.depends_on(n, &self.random));
            searches.push(ModeSearch { start, at_means });
        }
        searches
    }

    /// The log joint density with what is integrated out gone: log p(x, z) − log q(z | θ) is the same at any z, and is taken
    /// at the conditional mean, with all its derivatives in θ.
    fn log_marginal(&mut self) -> Option<NodeId> {
        if self.realised.eliminated.is_empty() {
            return self.log_joint(None).map(|d| d.whole);
        }
        let exact = self.realised.exact.clone();
        let stopped: Vec<_> = exact.iter().filter_map(|(&n, &v)| Some((n, self.replaced.insert(n, v)?))).collect();
        let joint = self.log_joint(None);
        self.replaced.extend(stopped);
        let mut total = joint?.whole;
        let mut at_mean = HashMap::new();
        for conditional in self.realised.eliminated.clone() {
            total = self.g.sub(total, conditional.log_density);
            for primitive in conditional.primitives {
                let axes = self.g.axes_of(primitive).to_vec();
                at_mean.insert(primitive, self.g.full(0.0, &axes));
            }
        }
        self.g.substitute(&[total], &at_mean).first().copied()
    }

    /// The log joint density with a point in the place of a guide's vector, with its first and second derivatives.
    fn landscape(&mut self, value: NodeId, axes: &[Axis]) -> Result<Option<Landscape>, Underivable> {
        let (point, at) = self.g.input("point", axes);
        let (direction, along) = self.g.input("direction", axes);
        let Some(density) = self.log_marginal() else { return Ok(None) };
        let potential = self.g.neg(density);
        let potential = self.g.substitute(&[potential], &HashMap::from([(value, at)]));
        let mut potential = potential.first().copied().unwrap_or(at);
        // What else is random is drawn from its guide: the curvature then is an average over those draws.
        let alone = !self.g.depends_on(potential, &self.random);
        if !alone {
            potential = self.g.substitute(&[potential], &self.draws).first().copied().unwrap_or(potential);
            potential = self.g.mean(potential, &[Axis::SAMPLE]);
        }
        let failed =
            |e: fe_graph::DerivativeError| messages::no_derivative("the joint density", &e, fe_syntax::Span::default());
        let gradient = self.g.gradient(potential, &[at]).map_err(failed)?.first().copied().unwrap_or(at);
        let slope = self.g.mul(gradient, along);
        let slope = self.g.sum_all_but(slope, &[]);
        // Draws by implicit gradients whose shapes depend on the point have no second derivative.
        let product = match self.g.gradient(slope, &[at]) {
            Err(fe_graph::DerivativeError::QuantileOrder) => None,
            found => found.map_err(failed)?.first().copied(),
        };
        let known = product.is_some() && !self.g.depends_on(potential, &self.random);
        let product = product.unwrap_or(along);
        Ok(Some(Landscape { point, potential, gradient, direction, product, known, alone }))
    }
}
