//! Puts what is integrated out into the graph: each latent as its conditional mean and what is random about it.

use std::collections::HashMap;
use std::f64::consts::{E, PI};

use fe_check::Latent;
use fe_graph::{Axis, Graph, InputId, NodeId, Site, axis};

use super::block::{self, Gaussian, at, transposed_times};
use super::chain::{self, By, Layout, Member, Smoothed};
use super::plan::{Around, Linked};
use super::{Eliminated, Plan, Stage, Structure, around, elements, expanded, points, reads};
use crate::guide::builder::Builder;
use crate::guide::kind::GuideKind;
use crate::guide::types::{Carrier, JointPart, Motion, Posterior, SoughtMode};
use crate::markov::{Block, ChainLaw, Recursion};
use crate::messages;
use crate::objective::Underivable;

/// A stage taken out of −log p, as functions of θ and of what is taken out after it.
enum Solved {
    Block { latent: usize, dense: Vec<Axis>, of: Gaussian },
    Chain(Smoothed),
}

/// What stands for θ and for what is integrated out.
struct InPlace {
    /// With θ as it is.
    exact: HashMap<NodeId, NodeId>,
    /// With θ constant to differentiation: at the conditional, what is minimised has no derivative in it.
    stopped: HashMap<NodeId, NodeId>,
}

/// A node with θ in place, either way.
#[derive(Clone, Copy)]
struct Both {
    exact: NodeId,
    stopped: NodeId,
}

impl Both {
    fn map(self, f: &mut dyn FnMut(NodeId) -> NodeId) -> Self {
        Self { exact: f(self.exact), stopped: f(self.stopped) }
    }
}

impl InPlace {
    fn both(&self, g: &mut Graph, node: NodeId) -> Both {
        Both { exact: at(g, node, &self.exact), stopped: at(g, node, &self.stopped) }
    }
}

/// Integrates the stages of a plan out, the guides of all else being built, and gives their latents' representations by
/// number.
///
/// # Errors
/// When −log p has no derivative.
pub(crate) fn build(b: &mut Builder, plan: &Plan) -> Result<Vec<(usize, Posterior, GuideKind)>, Underivable> {
    let solved = solve(b, plan)?;
    let mut place = InPlace { exact: b.done.replaced.clone(), stopped: HashMap::new() };
    let outside = b.program.latents.iter().enumerate().filter(|(k, _)| !plan.holds(*k)).map(|(_, l)| l.node);
    let params = b.program.params.iter().map(|p| p.node);
    for node in outside.chain(params) {
        let value = b.done.replaced.get(&node).copied().unwrap_or(node);
        let stopped = b.g.stop(value);
        place.stopped.insert(node, stopped);
    }
    for (&node, &value) in &b.done.replaced {
        place.stopped.entry(node).or_insert(value);
    }
    let mut list = vec![];
    for (k, terms) in &plan.points {
        let Some(latent) = b.program.latents.get(*k) else { continue };
        let points = points::place(b, latent, terms, &place.stopped)?;
        b.done.points.insert(*k, points);
        let structure = Structure::Points { elements: elements(b.g, &latent.axes) };
        list.push((*k, Posterior::Enumerated, GuideKind::Eliminated { structure }));
    }
    for stage in solved.into_iter().rev() {
        match stage {
            Solved::Block { latent, dense, of } => list.extend(put_block(b, &mut place, latent, &dense, &of)),
            Solved::Chain(of) => list.extend(put_chain(b, &mut place, &of, Carrier::Conditional)),
        }
    }
    if let Some(around) = &plan.around {
        let (of, start, found) = at_mode(b, around)?;
        let found = at(b.g, found, &place.exact);
        b.done.modes.push(SoughtMode { start, found });
        // It is no conditional at which what is minimised has no derivative.
        let mut live = InPlace { exact: place.exact.clone(), stopped: place.exact };
        list.extend(put_chain(b, &mut live, &of, Carrier::Around));
    }
    note(b, plan);
    Ok(list)
}

fn solve(b: &mut Builder, plan: &Plan) -> Result<Vec<Solved>, Underivable> {
    let (g, program) = (&mut *b.g, b.program);
    let mut energy = g.constant(0.0);
    for &term in &plan.terms {
        let total = g.sum_all_but(term, &[]);
        energy = g.sub(energy, total);
    }
    let all = || plan.latents_of_stages().filter_map(|k| program.latents.get(k));
    let mut zeros: HashMap<NodeId, NodeId> = HashMap::new();
    for latent in all() {
        zeros.insert(latent.node, g.full(0.0, &axis::sorted(&latent.axes)));
    }
    let span = all().next().map(|l| l.span).unwrap_or_default();
    let failed = |e: fe_graph::DerivativeError| messages::no_derivative("the joint density", &e, span);
    if plan.stages.iter().all(|s| matches!(s, Stage::Block { .. })) {
        let latents: Vec<(usize, &Latent)> =
            plan.latents_of_stages().filter_map(|k| program.latents.get(k).map(|l| (k, l))).collect();
        let axes: Vec<(usize, NodeId, Vec<Axis>)> = latents.iter().map(|(k, l)| (*k, l.node, l.axes.clone())).collect();
        let links = reads::links(g, &plan.terms, &axes);
        if let Some(written) = expanded::expanded(g, energy, &latents, &zeros, &links).map_err(failed)? {
            energy = written;
        }
    }
    let mut solved = vec![];
    for stage in &plan.stages {
        let latents: Vec<(usize, &Latent)> =
            stage.latents().iter().filter_map(|&k| program.latents.get(k).map(|l| (k, l))).collect();
        let nodes: Vec<NodeId> = latents.iter().map(|(_, l)| l.node).collect();
        let before = g.set_origin(nodes.first().map(|&n| g.origin_of(n)).unwrap_or_default());
        let gradients = g.gradient(energy, &nodes).map_err(failed)?;
        match (stage, latents.first(), gradients.first()) {
            (Stage::Block { latent, dense }, Some((_, of)), Some(&gradient)) => {
                let of = block::integrate(g, of, (energy, gradient), &zeros, dense);
                energy = of.left;
                solved.push(Solved::Block { latent: *latent, dense: dense.clone(), of });
            }
            (Stage::Chain { steps, apart, .. }, ..) => {
                let layout = Layout::new(g, &latents, *steps, *apart);
                let of =
                    chain::integrate(g, (layout, Linked::Neighbours, By::Pairs), &nodes, (energy, &gradients), &zeros);
                energy = of.left;
                solved.push(Solved::Chain(of));
            }
            _ => {}
        }
        for node in &nodes {
            zeros.remove(node);
        }
        g.set_origin(before);
    }
    Ok(solved)
}

/// The Gaussian at the mode of some latents given all others, where that is looked for from, and the mode.
fn at_mode(b: &mut Builder, around: &Around) -> Result<(Smoothed, InputId, NodeId), Underivable> {
    let (g, program) = (&mut *b.g, b.program);
    let latents: Vec<(usize, &Latent)> =
        around.latents.iter().filter_map(|&k| program.latents.get(k).map(|l| (k, l))).collect();
    let first = latents.first().map(|(_, l)| (g.origin_of(l.node), l.span)).unwrap_or_default();
    let before = g.set_origin(first.0);
    let mut energy = g.constant(0.0);
    for &term in &around.terms {
        let total = g.sum_all_but(term, &[]);
        energy = g.sub(energy, total);
    }
    let layout = Layout::new(g, &latents, around.steps, false);
    let names: Vec<&str> = latents.iter().map(|(_, l)| l.name.as_str()).collect();
    let (start, from) = g.input(&format!("{}.mode", names.join(".")), &layout.axes());
    let found = around::mode(g, (layout, around.linked), &latents, (energy, from));
    g.set_origin(before);
    let (of, found) = found.map_err(|e| messages::no_derivative("the joint density", &e, first.1))?;
    Ok((of, start, found))
}

/// Standard normal numbers as a primitive of the graph.
fn noise(g: &mut Graph, name: &str, axes: &[Axis]) -> (NodeId, Site) {
    let name = format!("{name}.conditional");
    (g.input(&name, axes).1, Site::named(&name))
}

/// Σ log N(ε) − log |F|
fn log_density(g: &mut Graph, noise: NodeId, log_scale: NodeId) -> NodeId {
    let density = g.log_normal_pdf(noise);
    let density = g.sub(density, log_scale);
    g.sum_all_but(density, &[])
}

/// Σ log |F| + ½ log 2πe
fn entropy(g: &mut Graph, log_scale: NodeId) -> NodeId {
    let each = g.shift(log_scale, 0.5 * (2.0 * PI * E).ln());
    g.sum_all_but(each, &[])
}

fn put_block(
    b: &mut Builder,
    place: &mut InPlace,
    number: usize,
    dense: &[Axis],
    of: &Gaussian,
) -> Option<(usize, Posterior, GuideKind)> {
    let latent = b.program.latents.get(number)?;
    let g = &mut *b.g;
    let before = g.set_origin(g.origin_of(latent.node));
    let axes = axis::sorted(&latent.axes);
    let apart = axis::difference(&axes, dense);
    let own = axis::union(&apart, &of.row.into_iter().collect::<Vec<_>>());
    let (noise, site) = noise(g, &latent.name, &own);
    let (mean, factor, log_scale) = (place.both(g, of.mean), place.both(g, of.factor), place.both(g, of.log_scale));
    let log_scale = log_scale.map(&mut |n| g.broadcast(n, &own));
    let deviation = factor.map(&mut |f| match of.row {
        None => g.mul(f, noise),
        Some(row) => {
            let x = transposed_times(g, f, noise, row);
            g.reshape(x, &[row], dense)
        }
    });
    let value = |g: &mut Graph, mean: NodeId, deviation: NodeId| {
        let sum = g.add(mean, deviation);
        g.broadcast(sum, &axes)
    };
    let exact = value(g, mean.exact, deviation.exact);
    let stopped = value(g, mean.stopped, deviation.stopped);
    place.exact.insert(latent.node, exact);
    place.stopped.insert(latent.node, stopped);
    let part = JointPart {
        of: Carrier::Conditional,
        log_jacobian: g.constant(0.0),
        entropy: entropy(g, log_scale.stopped),
        log_density: log_density(g, noise, log_scale.stopped),
        log_prior: None,
    };
    let exact_density = log_density(g, noise, log_scale.exact);
    let (blocks, width) = (elements(g, &apart), elements(g, dense));
    let structure =
        if dense.is_empty() { Structure::Apart { elements: blocks } } else { Structure::Blocks { blocks, width } };
    g.set_origin(before);
    b.done.replaced.insert(latent.node, stopped);
    b.done.exact.insert(latent.node, exact);
    let eliminated = Eliminated { primitives: vec![noise], site, axes: own, motion: None, log_density: exact_density };
    b.done.eliminated.push(eliminated);
    Some((number, Posterior::Joint(part), GuideKind::Eliminated { structure }))
}

fn put_chain(
    b: &mut Builder,
    place: &mut InPlace,
    of: &Smoothed,
    carrier: Carrier,
) -> Vec<(usize, Posterior, GuideKind)> {
    let layout = &of.layout;
    let members: Vec<(&Member, &Latent)> =
        layout.members.iter().filter_map(|m| Some((m, b.program.latents.get(m.number)?))).collect();
    let Some((_, first)) = members.first() else { return vec![] };
    let g = &mut *b.g;
    let before = g.set_origin(g.origin_of(first.node));
    let names: Vec<&str> = members.iter().map(|(_, l)| l.name.as_str()).collect();
    let name = names.join(".");
    let axes = layout.axes();
    let (noise, site) = noise(g, &name, &axes);
    let (_, deviation) = g.input(&format!("{name}.deviation"), &axes);
    let (mean, log_scale) = (place.both(g, of.mean), place.both(g, of.log_scale));
    let log_scale = log_scale.map(&mut |n| g.broadcast(n, &axes));
    let transition = at(g, of.transition, &place.stopped);
    let (factor, spread) = (at(g, of.factor, &place.stopped), at(g, of.spread, &place.stopped));
    let recursion = Recursion::in_turns(layout.block, transition, layout.steps);
    let covariance = recursion.covariances(g, spread);
    let apart = layout.row.filter(|_| layout.block == Block::Scalars);
    let law = ChainLaw { steps: layout.steps, block: layout.block, apart, transition, covariance };
    let value = mean.map(&mut |m| g.add(m, deviation));
    let mut list = vec![];
    let steps = g.extent_of(layout.steps.id);
    let structure = match layout.block {
        Block::Scalars => Structure::Chain { steps, width: 1, chains: layout.width },
        Block::Vector(_) => Structure::Chain { steps, width: layout.width, chains: 1 },
    };
    let kind = match carrier {
        Carrier::Around => GuideKind::AtMode { structure },
        _ => GuideKind::Eliminated { structure },
    };
    for (member, latent) in &members {
        let own = value.map(&mut |v| layout.take(g, v, member));
        place.exact.insert(latent.node, own.exact);
        place.stopped.insert(latent.node, own.stopped);
        b.done.replaced.insert(latent.node, own.stopped);
        b.done.exact.insert(latent.node, own.exact);
        let (scale, own_noise) = (layout.take(g, log_scale.stopped, member), layout.take(g, noise, member));
        let part = JointPart {
            of: carrier,
            log_jacobian: g.constant(0.0),
            entropy: entropy(g, scale),
            log_density: log_density(g, own_noise, scale),
            log_prior: None,
        };
        list.push((member.number, Posterior::Joint(part), kind));
    }
    let log_density = log_density(g, noise, log_scale.exact);
    g.set_origin(before);
    let motion = Motion { deviation, noise, recursion, factor, law };
    let eliminated = Eliminated { primitives: vec![deviation, noise], site, axes, motion: Some(motion), log_density };
    b.done.eliminated.push(eliminated);
    list
}

/// Says what is integrated out, and given what.
fn note(b: &mut Builder, plan: &Plan) {
    let names = |numbers: Vec<usize>| {
        let named = numbers.iter().filter_map(|&k| b.program.latents.get(k)).map(|l| format!("`{}`", l.name));
        named.collect::<Vec<_>>().join(", ")
    };
    let given = (0..b.program.latents.len()).filter(|&k| !plan.holds(k));
    let met = given.filter(|k| {
        b.program.latents.get(*k).is_some_and(|l| {
            let around = plan.around.iter().flat_map(|a| &a.terms);
            let terms = plan.terms.iter().chain(plan.points.iter().flat_map(|p| &p.1)).chain(around);
            terms.into_iter().any(|&t| b.g.depends_on(t, &[l.node].into()))
        })
    });
    let given = names(met.collect());
    let keep = "`by guide` behind a latent keeps it in the guide";
    let gaussian: Vec<usize> = plan.latents_of_stages().collect();
    if !gaussian.is_empty() {
        let of = names(gaussian);
        let condition = if given.is_empty() { String::new() } else { format!("given {given}, ") };
        b.done
            .notes
            .push(format!("{condition}the posterior of {of} is Gaussian, and is integrated out exactly; {keep}"));
    }
    if let Some(around) = &plan.around {
        let of = names(around.latents.clone());
        b.done.notes.push(format!(
            "given {given}, the guide of {of} is the Gaussian at its mode, which follows them (a nested Laplace approximation): \
             the weights of its draws say how exactly; {keep}"
        ));
    }
    if !plan.points.is_empty() {
        let of = names(plan.points.iter().map(|p| p.0).collect());
        b.done.notes.push(format!(
            "given {given}, the elements of {of} are apart from each other, and each is integrated at {} points; {keep}",
            points::POINTS
        ));
    }
}
