//! The guides of a program under construction.

use std::collections::HashMap;

use fe_check::{Latent, Program};
use fe_distribution::Support;
use fe_graph::{Axis, Graph, NodeId};

use crate::guide::types::{Posterior, Realised};
use crate::objective::{Parameter, Start};

/// The guides of a program under construction.
pub(crate) struct Builder<'b> {
    pub g: &'b mut Graph,
    pub program: &'b Program,
    /// What is built.
    pub done: Realised,
    /// Latents of joint guides and chains that are built, by number.
    pub built: HashMap<usize, Posterior>,
}

impl Builder<'_> {
    /// A free tensor that starts at one number.
    pub fn free(&mut self, name: String, axes: &[Axis], start: f64) -> NodeId {
        let (input, node) = self.g.input(&name, axes);
        let local = self.program.row.is_some_and(|r| axes.contains(&Axis::plain(r.axis)));
        self.done.parameters.push(Parameter {
            name,
            input,
            axes: axes.to_vec(),
            free: axes.to_vec(),
            support: Support::Real,
            start: Start::Constant(start),
            local,
        });
        node
    }

    /// The median of a latent's prior on its unconstrained scale, where the prior's arguments are numbers; else 0.
    pub fn free_median(&self, latent: &Latent) -> f64 {
        prior_median(self.g, latent).and_then(|m| latent.support.unconstrain(m)).unwrap_or(0.0)
    }
}

/// The median of a latent's prior as a number, where its arguments are numbers.
fn prior_median(g: &Graph, latent: &Latent) -> Option<f64> {
    let args: Vec<f64> = latent.prior.own_args().iter().map(|&a| g.constant_value(a)).collect::<Option<_>>()?;
    let median = latent.prior.family.median(&args)?;
    if latent.support.contains_value(median) && latent.support.unconstrain(median).is_some_and(f64::is_finite) {
        return Some(median);
    }
    // A restriction may have cut the median off: a symmetric family on the positive side has its quartile there.
    let scale = args.last().copied().filter(|s| s.is_finite() && *s > 0.0).unwrap_or(1.0);
    [scale, 1.0, 0.5].into_iter().find(|&v| latent.support.contains_value(v))
}
