//! The nodes of an objective that are run, each shown once and always in the same order: the one list of them.

use fe_distribution::PoissonRate;
use fe_graph::NodeId;

use crate::objective::{
    Beyond, Bound, Chain, Choice, Gain, Guides, ImportanceBound, Joint, Landscape, LatentNodes, Minimised, Objective,
    Predicted, Readout, ReadoutOf, ReportNodes, Reported, Shown, Spaced, Spikes, Term,
};

use crate::refinement::{Descent, DescentTrace};

/// What holds nodes that are run.
trait Nodes {
    /// Shows each node to `visit`, which may put another in its place.
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId));
}

impl Objective {
    /// Shows each node that is run to `visit`, which may put another in its place.
    ///
    /// The order is part of the numbers: expressions of data alone are taken out of the graph in the order in which they
    /// are met.
    pub(crate) fn each_node(&mut self, mut visit: impl FnMut(&mut NodeId)) {
        let visit = &mut visit;
        let Minimised { value, gradient, bounds, importance, gains, .. } = &mut self.minimised;
        let Guides { latents, joints, chains, .. } = &mut self.guides;
        value.each(visit);
        gradient.each(visit);
        self.terms.each(visit);
        self.spikes.each(visit);
        bounds.each(visit);
        importance.each(visit);
        gains.each(visit);
        latents.each(visit);
        self.report.each(visit);
        joints.each(visit);
        chains.each(visit);
        self.descent.each(visit);
        // Last, as what is read of them after a fit decides nothing of its numbers.
        self.report.readouts.each(visit);
        self.report.losses.each(visit);
    }
}

impl Nodes for NodeId {
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId)) {
        visit(self);
    }
}

impl<T: Nodes> Nodes for Vec<T> {
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId)) {
        self.iter_mut().for_each(|part| part.each(visit));
    }
}

impl<T: Nodes> Nodes for Option<T> {
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId)) {
        self.iter_mut().for_each(|part| part.each(visit));
    }
}

impl<A: Nodes, B: Nodes> Nodes for (A, B) {
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId)) {
        self.0.each(visit);
        self.1.each(visit);
    }
}

impl Nodes for Term {
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId)) {
        self.sum.each(visit);
    }
}

impl Nodes for Spikes {
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId)) {
        self.sum.each(visit);
    }
}

impl Nodes for Gain {
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId)) {
        self.sum.each(visit);
    }
}

impl Nodes for Bound {
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId)) {
        self.value.each(visit);
    }
}

impl Nodes for ImportanceBound {
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId)) {
        self.sum.each(visit);
        self.rest.each(visit);
    }
}

impl Nodes for LatentNodes {
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId)) {
        self.sample.each(visit);
        self.rate.each(visit);
        self.mean.each(visit);
        self.prior_mean.each(visit);
        self.split.each(visit);
    }
}

impl Nodes for PoissonRate {
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId)) {
        let mut parts = self.parts();
        parts.iter_mut().for_each(visit);
        *self = parts.into();
    }
}

impl Nodes for ReportNodes {
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId)) {
        let Self {
            meters,
            posterior,
            decoded,
            shown,
            log_weight,
            pointwise,
            observed,
            predictive,
            beyond,
            spaced,
            last_turn,
            choices,
            functions,
            ..
        } = self;
        meters.each(visit);
        posterior.each(visit);
        // Only what is in the posterior table is known to be normal.
        posterior.iter_mut().for_each(|p| p.normal.each(visit));
        decoded.each(visit);
        shown.each(visit);
        log_weight.each(visit);
        pointwise.each(visit);
        observed.each(visit);
        predictive.each(visit);
        beyond.each(visit);
        spaced.each(visit);
        last_turn.each(visit);
        choices.each(visit);
        functions.each(visit);
    }
}

impl Nodes for Reported {
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId)) {
        self.node.each(visit);
        self.given.each(visit);
    }
}

impl Nodes for Choice {
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId)) {
        self.probabilities.each(visit);
        self.to_come.each(visit);
        self.rate.each(visit);
    }
}

impl Nodes for Shown {
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId)) {
        self.node.each(visit);
    }
}

impl Nodes for Predicted {
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId)) {
        self.distribution.args.each(visit);
    }
}

impl Nodes for Beyond {
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId)) {
        self.probability.each(visit);
    }
}

impl Nodes for Spaced {
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId)) {
        self.coarser.each(visit);
    }
}

impl Nodes for Readout {
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId)) {
        match &mut self.of {
            ReadoutOf::Value { draw, given } => {
                draw.each(visit);
                given.each(visit);
            }
            ReadoutOf::Finite { probabilities, draw, .. } => {
                probabilities.each(visit);
                draw.each(visit);
            }
        }
    }
}

impl Nodes for Joint {
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId)) {
        self.landscape.each(visit);
    }
}

impl Nodes for Chain {
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId)) {
        self.landscape.each(visit);
    }
}

impl Nodes for Descent {
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId)) {
        self.states.iter_mut().for_each(|s| s.last.each(visit));
        self.curvature.each(visit);
        let DescentTrace { terms, spikes, zeros, r2, limited, .. } = &mut self.trace;
        [terms, spikes, zeros, r2, limited].into_iter().for_each(|nodes| nodes.each(visit));
    }
}

impl Nodes for Landscape {
    fn each(&mut self, visit: &mut dyn FnMut(&mut NodeId)) {
        self.potential.each(visit);
        self.gradient.each(visit);
        self.product.each(visit);
    }
}
