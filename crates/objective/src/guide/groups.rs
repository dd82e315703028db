//! Joint guides: one distribution over several latents on the unconstrained scale.

use std::collections::HashSet;
use std::f64::consts::{E, PI};

use fe_check::{JointKind, Latent};
use fe_graph::{Axis, AxisId, Graph, NodeId, Site};

use crate::guide::builder::Builder;
use crate::guide::low_rank::LowRank;
use crate::guide::own::off_scale;
use crate::guide::types::{Carrier, Conditional, Frame, Group, JointPart, Posterior, over_block, strictly_lower};
use crate::guide::{angles, centring, flow};
use crate::messages;
use crate::objective::{Block, Underivable};

/// The step that u makes from its start, before its preconditioner C.
struct Step {
    value: NodeId,
    /// log of the scale of each element given those before it; of factors, of what they leave over.
    log_scale: NodeId,
    low_rank: Option<LowRank>,
}

/// Members of a joint guide, and the scalars of each in its vector.
struct Vector {
    frame: Frame,
    blocks: Vec<Block>,
    /// Members that are fitted as location + scale · u.
    standard: Vec<usize>,
}

/// Builds the joint guide with this number over some latents.
///
/// # Errors
/// Where one of them has no unconstrained scale.
pub(crate) fn build_group(
    b: &mut Builder,
    number: usize,
    kind: JointKind,
    members: &[usize],
) -> Result<(), Underivable> {
    let Vector { frame, blocks, standard } = vector(b, number, members);
    let &Frame { ref name, along, across, dimension } = &frame;
    // What the group shares is said of its first latent.
    let first = members.first().and_then(|&k| b.program.latents.get(k)).map(|l| b.g.origin_of(l.node));
    let outside = b.g.set_origin(first.unwrap_or_default());
    let (start, start_node) = b.g.input(&format!("{name}.base"), &[along]);
    let scale_axes: &[Axis] = if kind.is_diagonal() { &[along] } else { &[along, across] };
    let (preconditioner, scale) = b.g.input(&format!("{name}.curvature"), scale_axes);
    let (_, noise) = b.g.input(&format!("{name}.noise"), &[along]);
    let site = Site::named(&format!("{name}.noise"));
    let step = step(b, kind, &frame, noise);
    let g = &mut *b.g;
    // log A_jj of A = C L, both lower triangular.
    let (u, own_scale) = if kind.is_diagonal() {
        (g.mul(scale, step.value), scale)
    } else {
        let turned = g.rename(step.value, &[(along, across)]);
        (g.contract(scale, turned, &[across]), g.diagonal(scale, along, across))
    };
    let u = g.add(start_node, u);
    let log_preconditioner = g.log(own_scale);
    let log_scale = g.add(step.log_scale, log_preconditioner);
    let conditionals = match &step.low_rank {
        Some(factors) => factors.conditionals(g, &frame, &blocks, noise, log_scale),
        None => triangular(g, &frame, &blocks, noise, log_scale),
    };
    let latents = members.iter().filter_map(|&k| Some((k, b.program.latents.get(k)?)));
    let parts = latents.zip(blocks.iter().zip(conditionals));
    let parts = parts.map(|((member, latent), (block, given))| Part { member, latent, block, given }).collect();
    // What is not fitted has no turn to find.
    let turns = kind != JointKind::Laplace;
    place(b, u, (along, turns), parts, standard)?;
    b.done.groups.push(Group {
        name: name.clone(),
        axis: along,
        dimension,
        kind,
        blocks,
        start,
        preconditioner,
        noise,
        value: u,
        site,
    });
    b.g.set_origin(outside);
    Ok(())
}

/// The vector of a joint guide: its axes, and where each member stands in it.
fn vector(b: &mut Builder, number: usize, members: &[usize]) -> Vector {
    let program = b.program;
    let name = if number == 0 { "guide".to_owned() } else { format!("guide{}", number + 1) };
    let standard = centring::candidates(b.g, program, members);
    let mut blocks = vec![];
    let mut total = 0usize;
    for &k in members {
        let Some(latent) = program.latents.get(k) else { continue };
        let length = latent.support.free_elements(b.g, &latent.axes);
        let median = match standard.contains(&k) {
            true => centring::median(b.g, latent),
            false => b.free_median(latent),
        };
        blocks.push(Block { name: latent.name.clone(), start: total, length, median });
        total = total.saturating_add(length);
    }
    let id: AxisId = b.g.add_axis(&format!("{name} dimension"), total);
    let (along, across) = (Axis::plain(id), Axis::plain(id).primed());
    Vector { frame: Frame { name, along, across, dimension: total }, blocks, standard }
}

/// A member of a joint guide, its place in the vector, and its density given the members before it.
struct Part<'b> {
    member: usize,
    latent: &'b Latent,
    block: &'b Block,
    given: Conditional,
}

/// Puts every member's value in its place. A non-centred latent follows its parents; where these follow each other in a
/// circle, they stay as they are.
fn place(
    b: &mut Builder,
    u: NodeId,
    (along, turns): (Axis, bool),
    parts: Vec<Part>,
    mut standard: Vec<usize>,
) -> Result<(), Underivable> {
    let program = b.program;
    let members: Vec<usize> = parts.iter().map(|p| p.member).collect();
    let group = b.done.groups.len();
    let mut waiting = parts;
    while !waiting.is_empty() {
        let before = waiting.len();
        let mut later = vec![];
        for part in waiting {
            let latent = part.latent;
            let replaced = &b.done.replaced;
            let pending = |j: &usize| program.latents.get(*j).map(|l| l.node).filter(|n| !replaced.contains_key(n));
            let parents: HashSet<NodeId> = members.iter().filter_map(pending).collect();
            let standardised = standard.contains(&part.member);
            if standardised && latent.prior.args.iter().any(|&a| b.g.depends_on(a, &parents)) {
                later.push(part);
                continue;
            }
            let outside = b.g.set_origin(b.g.origin_of(latent.node));
            let joint = place_one(b, u, along, &part, standardised, Carrier::Group(group))?;
            if let (true, Some(low)) = (turns, angles::cut(b.g, program, latent))
                && let Some(&z) = b.done.replaced.get(&latent.node)
            {
                let z = angles::turned(b, latent, z, low);
                b.done.replaced.insert(latent.node, z);
            }
            b.built.insert(part.member, Posterior::Joint(joint));
            b.g.set_origin(outside);
        }
        if later.len() == before {
            standard.clear();
        }
        waiting = later;
    }
    Ok(())
}

/// One member's value from its place in the vector, and its densities.
fn place_one(
    b: &mut Builder,
    u: NodeId,
    along: Axis,
    part: &Part,
    standardised: bool,
    of: Carrier,
) -> Result<JointPart, Underivable> {
    let Part { latent, block, given, .. } = part;
    let g = &mut *b.g;
    let own = latent.support.free_axes(g, &latent.axes);
    let unconstrained = if own.is_empty() {
        g.pick(u, along, block.start)
    } else {
        let flat = Axis::plain(g.add_axis(&format!("{} elements", latent.name), block.length));
        let s = g.slice(u, along, block.start, flat);
        g.reshape(s, &[flat], &own)
    };
    let standardised = match standardised {
        true => centring::standardised(g, latent, unconstrained, &b.done.replaced),
        false => None,
    };
    let plain = match &standardised {
        Some(s) => Some((s.value, s.log_jacobian)),
        None => latent.support.constrain_along(g, unconstrained, &own, &latent.axes),
    };
    let Some((z, log_jacobian)) = plain else {
        return Err(messages::fault(off_scale(latent), latent.span));
    };
    b.done.replaced.insert(latent.node, z);
    let log_prior = standardised.map(|s| s.log_prior);
    let size = block.length as f64;
    let entropy = g.shift(given.log_scale, 0.5 * size * (2.0 * PI * E).ln());
    let half = g.scale(given.square, 0.5);
    let surprise = g.add(half, given.log_scale);
    let surprise = g.shift(surprise, 0.5 * size * (2.0 * PI).ln());
    let log_density = g.neg(surprise);
    Ok(JointPart { of, log_jacobian, entropy, log_density, log_prior })
}

/// m + L T(ε), or what takes its place.
fn step(b: &mut Builder, kind: JointKind, frame: &Frame, noise: NodeId) -> Step {
    let &Frame { ref name, along, .. } = frame;
    if kind == JointKind::Laplace {
        return Step { value: noise, log_scale: b.g.full(0.0, &[along]), low_rank: None };
    }
    let mean = b.free(format!("{name}.mean"), &[along], 0.0);
    let own = match kind {
        JointKind::MeanField | JointKind::Laplace => diagonal(b, frame, None, noise),
        JointKind::LowRank { rank } => diagonal(b, frame, Some(rank), noise),
        JointKind::FullRank => dense(b, frame, 0, noise),
        JointKind::Flow { layers } => dense(b, frame, layers, noise),
    };
    Step { value: b.g.add(mean, own.value), ..own }
}

/// Dε with D diagonal, and so many factors beside it.
fn diagonal(b: &mut Builder, frame: &Frame, rank: Option<usize>, noise: NodeId) -> Step {
    let log_scale = b.free(format!("{}.log_scale", frame.name), &[frame.along], 0.0);
    let scale = b.g.exp(log_scale);
    let value = b.g.mul(scale, noise);
    let Some(rank) = rank else { return Step { value, log_scale, low_rank: None } };
    let factors = LowRank::new(b, frame, rank, scale);
    Step { value: b.g.add(factors.spread, value), log_scale, low_rank: Some(factors) }
}

/// L T(ε) with L lower triangular and T so many layers of a flow.
fn dense(b: &mut Builder, frame: &Frame, layers: usize, noise: NodeId) -> Step {
    let &Frame { ref name, along, across, dimension } = frame;
    let (bent, log_slope) = flow::layers(b, frame, layers, noise);
    let raw = b.free(format!("{name}.scale"), &[along, across], 0.0);
    let g = &mut *b.g;
    // L: the strict lower triangle as it is, the diagonal through exp.
    let below = strictly_lower(g, frame, raw, dimension);
    let log_diagonal = g.diagonal(raw, along, across);
    let diagonal = g.exp(log_diagonal);
    let on = g.on_diagonal(diagonal, along, across);
    let lower = g.add(below, on);
    let turned = g.rename(bent, &[(along, across)]);
    let value = g.contract(lower, turned, &[across]);
    let log_scale = match log_slope {
        Some(slope) => g.add(log_diagonal, slope),
        None => log_diagonal,
    };
    Step { value, log_scale, low_rank: None }
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
