//! Draws of what is taken by the Gaussian at its mode, weighed among themselves: for each draw of all else several of it, the mean of
//! whose weights takes the place of one weight, and of which one is chosen by its share (importance resampling; Naesseth, Lindsten
//! and Schön 2015). Means under these weights are those under the weights of single draws, with less noise: what the mode has cost
//! is paid once, and a draw more is a density more.

use std::collections::HashMap;

use fe_graph::{Axis, NodeId, NoiseKind, Site, axis};

use crate::deriver::Deriver;

/// Draws of the Gaussian for each draw of all else.
const DRAWS: usize = 16;

impl Deriver<'_> {
    /// Puts chosen draws in the place of those of the Gaussian, and gives the log of the mean weight. `None` where there is no such
    /// guide, or a density is not known.
    pub(crate) fn choose_draws(&mut self) -> Option<NodeId> {
        if !self.is_around() {
            return None;
        }
        let around = self.realised.eliminated.first()?.clone();
        let motion = around.motion.as_ref()?;
        let axes = axis::sorted(&around.axes);
        let single = self.draws.get(&motion.noise).copied()?;
        let weight = self.log_weight()?;
        let many = Axis::plain(self.g.add_axis("draws of the conditional", DRAWS));
        let all = axis::union(&axes, &[Axis::SAMPLE, many]);
        let noise = self.g.noise(NoiseKind::Normal, around.site, &all);
        let weights = self.g.substitute(&[weight], &HashMap::from([(single, noise)])).first().copied()?;
        let weights = self.g.broadcast(weights, &[many]);
        let total = self.g.logsumexp(weights, &[many]);
        let mean = self.g.shift(total, -(DRAWS as f64).ln());
        // The largest of log weights and Gumbel numbers is at each place with its share.
        let site = Site::named(&format!("choice {}", around.site.0));
        let apart = self.g.noise(NoiseKind::Exponential, site, &[Axis::SAMPLE, many]);
        let apart = self.g.log(apart);
        let keys = self.g.sub(weights, apart);
        let most = self.g.max(keys, &[many]);
        let chosen = self.g.equal(keys, most);
        let chosen = self.g.contract(chosen, noise, &[many]);
        for draw in self.draws.values_mut() {
            *draw = self.g.substitute(&[*draw], &HashMap::from([(single, chosen)])).first().copied().unwrap_or(*draw);
        }
        self.chosen = Some(site);
        Some(mean)
    }
}
