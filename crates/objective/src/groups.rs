//! Joint Gaussians over several latents on the unconstrained scale.

use std::collections::{HashMap, HashSet};

use fe_check::Program;
use fe_graph::{Axis, AxisId, Graph, InputId, NodeId, Site, Tensor};

use crate::centring;
use crate::guides::{Carrier, Posterior, Realised, free, prior_median};
use crate::objective::{Block, Underivable};

/// What is fitted of a joint Gaussian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Mean and covariance.
    Full,
    /// Mean and variances.
    Diagonal,
    /// Nothing: it is at the mode, with the curvature there.
    Fixed,
}

/// A joint Gaussian under construction.
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
    // What the group shares is said of its first latent.
    let first = members.first().and_then(|&k| program.latents.get(k)).map(|l| g.origin_of(l.node));
    let outside = g.set_origin(first.unwrap_or_default());
    let (base, base_node) = g.input(&format!("{name}.base"), &[along]);
    let (curvature, curvature_node) = g.input(&format!("{name}.curvature"), &[along, across]);
    let mean = if shape == Shape::Fixed {
        g.full(0.0, &[along])
    } else {
        free(g, done, program, format!("{name}.mean"), &[along], 0.0)
    };
    let (_, noise) = g.input(&format!("{name}.noise"), &[along]);
    let (log_diagonal, spread) = if shape == Shape::Fixed {
        (g.full(0.0, &[along]), noise)
    } else if shape == Shape::Diagonal {
        let log_diagonal = free(g, done, program, format!("{name}.log_scale"), &[along], 0.0);
        let scale = g.exp(log_diagonal);
        (log_diagonal, g.mul(scale, noise))
    } else {
        let raw = free(g, done, program, format!("{name}.scale"), &[along, across], 0.0);
        // L: the strict lower triangle as it is, the diagonal through exp.
        let mask = triangle(g, total, along, across, |i, j| j < i);
        let below = g.mul(mask, raw);
        let log_diagonal = g.diagonal(raw, along, across);
        let diagonal = g.exp(log_diagonal);
        let on = g.on_diagonal(diagonal, along, across);
        let lower = g.add(below, on);
        let noise_across = g.rename(noise, &[(along, across)]);
        let spread = g.contract(lower, noise_across, &[across]);
        (log_diagonal, spread)
    };
    let step = g.add(mean, spread);
    let step = g.rename(step, &[(along, across)]);
    let step = g.contract(curvature_node, step, &[across]);
    let u = g.add(base_node, step);
    // log A_jj of A = C L, both lower triangular.
    let curvature_diagonal = g.diagonal(curvature_node, along, across);
    let log_curvature = g.log(curvature_diagonal);
    let log_scale = g.add(log_diagonal, log_curvature);
    let group = done.groups.len();
    let mut waiting: Vec<(&Block, usize)> = blocks.iter().zip(members.iter().copied()).collect();
    while !waiting.is_empty() {
        // A non-centred latent follows its parents; where these follow each other in a circle, they stay as they are.
        let before = waiting.len();
        let mut later = vec![];
        for (block, k) in waiting {
            let Some(latent) = program.latents.get(k) else { continue };
            let pending = |j: &usize| program.latents.get(*j).map(|l| l.node).filter(|n| !replaced.contains_key(n));
            let parents: HashSet<NodeId> = members.iter().filter_map(pending).collect();
            if standard.contains(&k) && latent.prior.args.iter().any(|&a| g.depends_on(a, &parents)) {
                later.push((block, k));
                continue;
            }
            let outside = g.set_origin(g.origin_of(latent.node));
            let own = latent.support.free_axes(g, &latent.axes);
            let part = |g: &mut Graph, x: NodeId| -> NodeId {
                if own.is_empty() {
                    return g.pick(x, along, block.start);
                }
                let flat = Axis::plain(g.add_axis(&format!("{} elements", latent.name), block.length));
                let s = g.slice(x, along, block.start, flat);
                g.reshape(s, &[flat], &own)
            };
            let unconstrained = part(g, u);
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
                    message: format!("`{}` cannot be part of a joint Gaussian", latent.name),
                    span: latent.guide_span.unwrap_or(latent.span),
                    help: "a joint Gaussian holds continuous latents; state another guide".into(),
                });
            };
            replaced.insert(latent.node, z);
            let (log_scale, noise) = (part(g, log_scale), part(g, noise));
            let of = Carrier::Group(group);
            let log_prior = standardised.map(|s| s.log_prior);
            in_group.insert(k, Posterior::Gaussian { of, log_jacobian, log_scale, noise, log_prior });
            g.set_origin(outside);
        }
        if later.len() == before {
            standard.clear();
        }
        waiting = later;
    }
    done.groups.push(Group {
        axis: along,
        dimension: total,
        shape,
        blocks,
        base,
        curvature,
        noise,
        value: u,
        site: Site::named(&format!("{name}.noise")),
    });
    g.set_origin(outside);
    Ok(())
}

fn triangle(g: &mut Graph, n: usize, along: Axis, across: Axis, keep: impl Fn(usize, usize) -> bool) -> NodeId {
    let values =
        (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| f64::from(u8::from(keep(i, j)))).collect();
    g.literal(Tensor { shape: vec![n, n], values }, &[along, across])
}
