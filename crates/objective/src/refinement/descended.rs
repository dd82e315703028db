//! What a descent goes down: what is minimised, summed over rows, with the weights of this step and the prices of bounds.

use std::collections::HashMap;

use fe_check::{Functional, Schedule};
use fe_graph::{Axis, Graph, NodeId, Op, Site, axis};

use crate::objective::{Objective, TermKind};

/// What is descended, in its parts. Rows are summed over, so that each row's slope is its own.
pub(super) struct Descended {
    /// Distortion and losses, weighed.
    pub distortion: NodeId,
    /// Rates and spikes, weighed.
    pub cost: NodeId,
    /// The weight of each latent's rate, by its name.
    pub weights: HashMap<String, NodeId>,
}

/// The axis of the draws of a step, in the place of the samples that figures take.
#[derive(Clone, Copy)]
pub(super) struct Draws {
    pub axis: Axis,
}

impl Draws {
    /// So many draws.
    pub fn new(g: &mut Graph, count: usize) -> Self {
        Self { axis: Axis::private(g.add_axis("draws of a step", count)) }
    }

    /// Terms on noise of their own, and as many draws as a step takes: otherwise a state would fit the very draws that its
    /// free energy is told by.
    pub fn of(self, g: &mut Graph, roots: &[NodeId]) -> Vec<NodeId> {
        let mut replaced = HashMap::new();
        for id in g.noise_of(roots) {
            let node = g.node(id).clone();
            let own = |site: Site| Site(site.0 ^ Site::named("refinement").0);
            let axes: Vec<Axis> = node.axes.iter().map(|&a| if a == Axis::SAMPLE { self.axis } else { a }).collect();
            let new = match (&node.op, node.inputs.as_slice()) {
                (Op::Noise { kind, site }, _) => g.noise(*kind, own(*site), &axis::sorted(&axes)),
                // Counts as they are, not relaxed: a message is the effect of one more.
                (Op::Arrivals { order, indicator, site }, &[rate, _]) => {
                    let exactly = g.constant(0.0);
                    g.arrivals(rate, exactly, *order, *indicator, own(*site), &axis::sorted(&axes))
                }
                _ => continue,
            };
            replaced.insert(id, new);
        }
        g.substitute(roots, &replaced)
    }

    /// The site of a latent's noise in a step.
    pub fn site(name: &str) -> Site {
        Site(Site::named(name).0 ^ Site::named("refinement").0)
    }
}

/// The parts of what a descent goes down.
pub(super) fn descended(o: &mut Objective, draws: Draws) -> Descended {
    let mut controls = o.minimised.controls.clone().into_iter();
    let mut weighed: Vec<(NodeId, Functional)> = vec![];
    for (weight, functional) in o.minimised.spec.clone() {
        let node = match weight {
            Schedule::Constant(w) => o.graph.constant(w),
            Schedule::Ramp { .. } | Schedule::Cosine { .. } => match controls.next() {
                Some((input, _)) => o.graph.input_node(input),
                None => continue,
            },
        };
        weighed.push((node, functional));
    }
    // Of a bound its price alone: at the optimum nothing is left of the rest.
    for bound in o.minimised.bounds.clone() {
        let price = o.graph.input_node(bound.multiplier);
        for (w, functional) in bound.stated.terms {
            weighed.push((o.graph.scale(price, w), functional));
        }
    }
    let mut of = Descended { distortion: o.graph.constant(0.0), cost: o.graph.constant(0.0), weights: HashMap::new() };
    for (weight, functional) in weighed {
        let named = |wanted: &Option<String>, name: &String| wanted.as_ref().is_none_or(|n| n == name);
        let parts: Vec<(NodeId, Option<String>)> = match &functional {
            // Finite latents are summed out, and no descent reads them.
            Functional::Information(..) => vec![],
            Functional::Energy(name) => {
                o.spikes.iter().filter(|e| named(name, &e.name)).map(|e| (e.sum, None)).collect()
            }
            Functional::Rate(name) => {
                let rates = o.terms.iter().filter(|t| t.kind == TermKind::Rate && named(name, &t.name));
                rates.map(|t| (t.sum, Some(t.name.clone()))).collect()
            }
            Functional::Distortion(name) => {
                let costs = o.terms.iter().filter(|t| t.kind != TermKind::Rate && named(name, &t.name));
                costs.map(|t| (t.sum, None)).collect()
            }
        };
        let distortion = matches!(functional, Functional::Distortion(_));
        for (sum, latent) in parts {
            let sum = draws.of(&mut o.graph, &[sum]).first().copied().unwrap_or(sum);
            let mean = o.graph.mean(sum, &[draws.axis]);
            let part = o.graph.mul(weight, mean);
            let total = if distortion { &mut of.distortion } else { &mut of.cost };
            *total = o.graph.add(*total, part);
            if let Some(latent) = latent {
                let before = of.weights.get(&latent).copied();
                let now = before.map_or(weight, |b| o.graph.add(b, weight));
                of.weights.insert(latent, now);
            }
        }
    }
    of
}
