//! Joint guides: one distribution over several latents on the unconstrained scale.

use std::collections::{HashMap, HashSet};
use std::f64::consts::{E, PI};

use fe_check::Program;
use fe_graph::{Axis, AxisId, Graph, InputId, NodeId, Site, Tensor};

use crate::centring;
use crate::flow;
use crate::guides::{Carrier, Posterior, Realised, free, prior_median};
use crate::low_rank::LowRank;
use crate::objective::{Block, Underivable};

/// What is fitted of a joint guide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Mean and covariance of a Gaussian.
    Full,
    /// Mean and variances.
    Diagonal,
    /// Nothing: it is at the mode, with the curvature there.
    Fixed,
    /// Mean, variances and so many factors.
    LowRank(usize),
    /// Mean, covariance, and so many layers of a flow below them.
    Flow(usize),
}

impl Shape {
    /// Whether C is diagonal, and given as such.
    pub fn diagonal(self) -> bool {
        matches!(self, Self::Diagonal | Self::LowRank(_))
    }
}

/// A joint guide under construction.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub axis: Axis,
    pub dimension: usize,
    /// What is fitted of it.
    pub shape: Shape,
    pub blocks: Vec<Block>,
    pub base: InputId,
    pub curvature: InputId,
    /// The node of ε.
    pub noise: NodeId,
    /// The node of u.
    pub value: NodeId,
    pub site: Site,
}

/// The axes of a joint guide's vector and the names of what is fitted of it.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub name: String,
    pub along: Axis,
    pub across: Axis,
    pub dimension: usize,
}

/// The step that u makes from its base, before its scale C.
struct Step {
    value: NodeId,
    /// log of the scale of each element given those before it; of factors, of what they leave over.
    log_scale: NodeId,
    low_rank: Option<LowRank>,
}

/// Of one block of u, given the blocks before it.
pub(crate) struct Conditional {
    /// The squared length of its standardised residual.
    pub square: NodeId,
    /// log of its scale, summed over elements.
    pub log_scale: NodeId,
}

pub(crate) fn build_group(
    g: &mut Graph,
    program: &Program,
    (number, shape): (usize, Shape),
    members: &[usize],
    done: &mut Realised,
    in_group: &mut HashMap<usize, Posterior>,
    replaced: &mut HashMap<NodeId, NodeId>,
) -> Result<(), Underivable> {
    let name = if number == 0 { "guide".to_owned() } else { format!("guide{}", number + 1) };
    let mut standard = centring::candidates(g, program, members);
    let mut blocks = vec![];
    let mut total = 0usize;
    for &k in members {
        let Some(latent) = program.latents.get(k) else { continue };
        let length = latent.support.free_elements(g, &latent.axes);
        let median = match standard.contains(&k) {
            true => centring::median(g, latent),
            false => prior_median(g, latent).and_then(|m| latent.support.unconstrain(m)).unwrap_or(0.0),
        };
        blocks.push(Block { name: latent.name.clone(), start: total, length, median });
        total = total.saturating_add(length);
    }
    let id: AxisId = g.add_axis(&format!("{name} dimension"), total);
    let (along, across) = (Axis::plain(id), Axis::plain(id).primed());
    let frame = Frame { name, along, across, dimension: total };
    let name = &frame.name;
    // What the group shares is said of its first latent.
    let first = members.first().and_then(|&k| program.latents.get(k)).map(|l| g.origin_of(l.node));
    let outside = g.set_origin(first.unwrap_or_default());
    let (base, base_node) = g.input(&format!("{name}.base"), &[along]);
    let scale_axes: &[Axis] = if shape.diagonal() { &[along] } else { &[along, across] };
    let (curvature, scale) = g.input(&format!("{name}.curvature"), scale_axes);
    let (_, noise) = g.input(&format!("{name}.noise"), &[along]);
    let site = Site::named(&format!("{name}.noise"));
    let step = step(g, program, shape, &frame, noise, done);
    // log A_jj of A = C L, both lower triangular.
    let (u, own_scale) = if shape.diagonal() {
        (g.mul(scale, step.value), scale)
    } else {
        let turned = g.rename(step.value, &[(along, across)]);
        (g.contract(scale, turned, &[across]), g.diagonal(scale, along, across))
    };
    let u = g.add(base_node, u);
    let log_curvature = g.log(own_scale);
    let log_scale = g.add(step.log_scale, log_curvature);
    let conditionals = match &step.low_rank {
        Some(factors) => factors.conditionals(g, &frame, &blocks, noise, log_scale),
        None => triangular(g, &frame, &blocks, noise, log_scale),
    };
    let group = done.groups.len();
    let mut waiting: Vec<((&Block, Conditional), usize)> =
        blocks.iter().zip(conditionals).zip(members.iter().copied()).collect();
    while !waiting.is_empty() {
        // A non-centred latent follows its parents; where these follow each other in a circle, they stay as they are.
        let before = waiting.len();
        let mut later = vec![];
        for ((block, given), k) in waiting {
            let Some(latent) = program.latents.get(k) else { continue };
            let pending = |j: &usize| program.latents.get(*j).map(|l| l.node).filter(|n| !replaced.contains_key(n));
            let parents: HashSet<NodeId> = members.iter().filter_map(pending).collect();
            if standard.contains(&k) && latent.prior.args.iter().any(|&a| g.depends_on(a, &parents)) {
                later.push(((block, given), k));
                continue;
            }
            let outside = g.set_origin(g.origin_of(latent.node));
            let own = latent.support.free_axes(g, &latent.axes);
            let unconstrained = if own.is_empty() {
                g.pick(u, along, block.start)
            } else {
                let flat = Axis::plain(g.add_axis(&format!("{} elements", latent.name), block.length));
                let s = g.slice(u, along, block.start, flat);
                g.reshape(s, &[flat], &own)
            };
            let standardised = match standard.contains(&k) {
                true => centring::standardised(g, latent, unconstrained, replaced),
                false => None,
            };
            let plain = match &standardised {
                Some(s) => Some((s.value, s.log_jacobian)),
                None => latent.support.constrain_along(g, unconstrained, &own, &latent.axes),
            };
            let Some((z, log_jacobian)) = plain else {
                return Err(Underivable {
                    message: format!("`{}` cannot be part of a joint guide", latent.name),
                    span: latent.guide_span.unwrap_or(latent.span),
                    help: "a joint guide holds continuous latents; state another guide".into(),
                });
            };
            replaced.insert(latent.node, z);
            let log_prior = standardised.map(|s| s.log_prior);
            let size = block.length as f64;
            let entropy = g.shift(given.log_scale, 0.5 * size * (2.0 * PI * E).ln());
            let half = g.scale(given.square, 0.5);
            let surprise = g.add(half, given.log_scale);
            let surprise = g.shift(surprise, 0.5 * size * (2.0 * PI).ln());
            let log_density = g.neg(surprise);
            in_group.insert(
                k,
                Posterior::Joint { of: Carrier::Group(group), log_jacobian, entropy, log_density, log_prior },
            );
            g.set_origin(outside);
        }
        if later.len() == before {
            standard.clear();
        }
        waiting = later;
    }
    done.groups.push(Group { axis: along, dimension: total, shape, blocks, base, curvature, noise, value: u, site });
    g.set_origin(outside);
    Ok(())
}

/// m + L T(ε), or what takes its place.
fn step(g: &mut Graph, program: &Program, shape: Shape, frame: &Frame, noise: NodeId, done: &mut Realised) -> Step {
    let &Frame { ref name, along, across, dimension } = frame;
    let none = |g: &mut Graph| g.full(0.0, &[along]);
    if shape == Shape::Fixed {
        return Step { value: noise, log_scale: none(g), low_rank: None };
    }
    let mean = free(g, done, program, format!("{name}.mean"), &[along], 0.0);
    let (spread, log_scale, low_rank) = match shape {
        Shape::Diagonal | Shape::LowRank(_) | Shape::Fixed => {
            let log_scale = free(g, done, program, format!("{name}.log_scale"), &[along], 0.0);
            let scale = g.exp(log_scale);
            let mut spread = g.mul(scale, noise);
            let mut low_rank = None;
            if let Shape::LowRank(rank) = shape {
                let factors = LowRank::new(g, done, frame, rank, scale);
                spread = g.add(factors.spread, spread);
                low_rank = Some(factors);
            }
            (spread, log_scale, low_rank)
        }
        Shape::Full | Shape::Flow(_) => {
            let layers = if let Shape::Flow(layers) = shape { layers } else { 0 };
            let (bent, log_slope) = flow::layers(g, program, done, frame, layers, noise);
            let raw = free(g, done, program, format!("{name}.scale"), &[along, across], 0.0);
            // L: the strict lower triangle as it is, the diagonal through exp.
            let below = strictly_lower(g, frame, raw, dimension);
            let log_diagonal = g.diagonal(raw, along, across);
            let diagonal = g.exp(log_diagonal);
            let on = g.on_diagonal(diagonal, along, across);
            let lower = g.add(below, on);
            let turned = g.rename(bent, &[(along, across)]);
            let spread = g.contract(lower, turned, &[across]);
            let log_scale = match log_slope {
                Some(slope) => g.add(log_diagonal, slope),
                None => log_diagonal,
            };
            (spread, log_scale, None)
        }
    };
    Step { value: g.add(mean, spread), log_scale, low_rank }
}

/// Of a map whose each element depends on its own noise and that before it.
fn triangular(g: &mut Graph, frame: &Frame, blocks: &[Block], noise: NodeId, log_scale: NodeId) -> Vec<Conditional> {
    let square = g.square(noise);
    blocks
        .iter()
        .map(|block| Conditional {
            square: over_block(g, frame, block, square),
            log_scale: over_block(g, frame, block, log_scale),
        })
        .collect()
}

/// The sum of a vector over one block.
pub(crate) fn over_block(g: &mut Graph, frame: &Frame, block: &Block, vector: NodeId) -> NodeId {
    let part = Axis::plain(g.add_axis(&format!("{} elements", block.name), block.length));
    let own = g.slice(vector, frame.along, block.start, part);
    g.sum(own, &[part])
}

/// What lies below the diagonal of a matrix.
pub(crate) fn strictly_lower(g: &mut Graph, frame: &Frame, matrix: NodeId, n: usize) -> NodeId {
    let values = (0..n).flat_map(|i| (0..n).map(move |j| f64::from(u8::from(j < i)))).collect();
    let mask = g.literal(Tensor { shape: vec![n, n], values }, &[frame.along, frame.across]);
    g.mul(mask, matrix)
}
