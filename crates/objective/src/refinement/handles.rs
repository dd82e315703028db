//! Handles: what guides make of the states of a descent, as inputs of their own while the free energy is derived.

use std::collections::{HashMap, HashSet};

use fe_check::{Guide, Program};
use fe_distribution::Support;
use fe_graph::{Graph, Interior, NodeId, Op};

/// An argument of a guide, or a point, that states move.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    /// The number of the latent.
    pub latent: usize,
    /// The number of the argument of its guide; 0 of a point.
    pub argument: usize,
    /// The input that stands for it.
    pub input: NodeId,
    /// What it is, in terms of the states; of a point that a proximal map gives, the state.
    pub value: NodeId,
}

/// A program whose guides read handles in the place of states.
pub(crate) struct Handled {
    pub program: Program,
    pub handles: Vec<Handle>,
    /// States at earlier positions of a loop: the input that stands for them, and what it is.
    pub before: Vec<(NodeId, NodeId)>,
}

impl Handled {
    /// Handles in terms of the states.
    pub fn values(&self) -> HashMap<NodeId, NodeId> {
        self.handles.iter().map(|h| (h.input, h.value)).collect()
    }
}

/// Puts handles in the guides of refined latents, and inputs in the place of states at earlier positions; `None` where the
/// program refines nothing.
pub(crate) fn handled(program: &Program) -> Option<Handled> {
    if program.refinements.is_empty() {
        return None;
    }
    let mut of = Handled { program: program.clone(), handles: vec![], before: vec![] };
    of.before = earlier(&mut of.program);
    let replaced: HashMap<NodeId, NodeId> = of.before.iter().map(|&(input, value)| (value, input)).collect();
    if !replaced.is_empty() {
        each_root(&mut of.program, &replaced);
    }
    let states: HashSet<NodeId> = program.refinements.iter().map(|r| r.node).collect();
    let Program { graph, latents, .. } = &mut of.program;
    for (k, latent) in latents.iter_mut().enumerate() {
        let name = latent.name.clone();
        match &mut latent.guide {
            Guide::Stated(d) => {
                let parameters = d.family.parameters();
                for (argument, arg) in d.args.iter_mut().enumerate() {
                    if !graph.depends_on(*arg, &states) {
                        continue;
                    }
                    let interior = match parameters.get(argument).map(|p| p.support) {
                        Some(Support::Positive | Support::Simplex) => Interior::Positive,
                        Some(Support::Unit) => Interior::Unit,
                        _ => Interior::Real,
                    };
                    let axes = graph.axes_of(*arg).to_vec();
                    let (_, input) = graph.input_within(&format!("{name}.guide.{argument}"), &axes, interior);
                    of.handles.push(Handle { latent: k, argument, input, value: *arg });
                    *arg = input;
                }
            }
            Guide::PointAt(node) => {
                let axes = graph.axes_of(*node).to_vec();
                let (_, input) = graph.input(&format!("{name}.guide.point"), &axes);
                of.handles.push(Handle { latent: k, argument: 0, input, value: *node });
                *node = input;
            }
            _ => {}
        }
    }
    Some(of)
}

/// What the program reads of states at earlier positions: an input for each, and the pick it stands for.
fn earlier(program: &mut Program) -> Vec<(NodeId, NodeId)> {
    let states: HashMap<NodeId, String> =
        program.refinements.iter().filter(|r| r.chain.is_some()).map(|r| (r.node, r.name.clone())).collect();
    let roots = roots_of(program);
    let g = &mut program.graph;
    let mut found = vec![];
    for id in g.reachable(&roots) {
        let (Op::Gather { .. }, &[x, index]) = (&g.node(id).op, g.node(id).inputs.as_slice()) else { continue };
        if let Some(name) = states.get(&x).filter(|_| g.shift_of(index).is_some_and(|(_, by)| by < 0)) {
            let axes = g.axes_of(id).to_vec();
            let (_, input) = g.input(&format!("{name}.before"), &axes);
            found.push((input, id));
        }
    }
    found
}

fn roots_of(program: &mut Program) -> Vec<NodeId> {
    let mut roots = vec![];
    each(program, &mut |node| roots.push(*node));
    roots
}

/// Rebuilds every expression of a program with some nodes replaced.
fn each_root(program: &mut Program, replaced: &HashMap<NodeId, NodeId>) {
    let roots = roots_of(program);
    let mut new = program.graph.substitute(&roots, replaced).into_iter();
    each(program, &mut |node| {
        if let Some(root) = new.next() {
            *node = root;
        }
    });
}

/// Shows every expression that a program states.
fn each(program: &mut Program, visit: &mut dyn FnMut(&mut NodeId)) {
    let Program { latents, refinements, observes, losses, lets, meters, shows, .. } = program;
    for latent in latents {
        latent.prior.args.iter_mut().for_each(&mut *visit);
        match &mut latent.guide {
            Guide::Stated(d) => d.args.iter_mut().for_each(&mut *visit),
            Guide::PointAt(node) => visit(node),
            _ => {}
        }
    }
    refinements.iter_mut().for_each(|r| visit(&mut r.from));
    for observe in observes {
        visit(&mut observe.value);
        observe.distribution.args.iter_mut().for_each(&mut *visit);
    }
    losses.iter_mut().for_each(|l| visit(&mut l.node));
    lets.iter_mut().chain(meters).for_each(|l| visit(&mut l.node));
    shows.iter_mut().for_each(|s| visit(&mut s.value.node));
}

/// The derivative of what a state moves in that state, element by element.
pub(super) fn slope_of(g: &mut Graph, of: NodeId, state: NodeId) -> Option<NodeId> {
    if of == state {
        return Some(g.constant(1.0));
    }
    let total = g.sum_all_but(of, &[]);
    g.gradient(total, &[state]).ok()?.first().copied()
}
