//! Gaussian Markov chains over the steps of a loop on the unconstrained scale: the Gaussians whose precision is block
//! tridiagonal, written forward,
//!
//! u_t = m_t + A_t (u_{t−1} − m_{t−1}) + L_t ε_t,   ε ~ N(0, I), L_t lower triangular.
//!
//! They are fitted relative to a Laplace start of the same form, with u⁰, A⁰, L⁰ and W_t = (chol P⁰_{t−1})⁻¹: m = u⁰ + C μ
//! with C its map from noise to states, A = A⁰ + L⁰ B W, L = L⁰ D. About the start the divergence has unit
//! curvature in μ, in B, and in D below its diagonal.

use std::collections::{BTreeMap, HashSet};
use std::f64::consts::PI;

use fe_check::{Guide, Latent, Program};
use fe_graph::{Axis, Graph, NodeId, Op, Site};

use crate::elimination;
use crate::guide::builder::Builder;
use crate::guide::kind::{ChainReason, GuideKind};
use crate::guide::own::off_scale;
use crate::guide::types::{Carrier, Chain, FULL_RANK_LIMIT, JointPart, Motion, Posterior};
use crate::markov::{Block, ChainLaw, Recursion};
use crate::messages;
use crate::objective::{Block as Part, Underivable};
use crate::stencil;

/// The most scalars of a step whose correlations are fitted: beyond, each scalar is a chain of its own.
pub const BLOCK_LIMIT: usize = 16;

/// Rows beyond which a fit may go in batches.
const WHOLE: usize = 4096;

/// Latents that share a chain.
#[derive(Clone, Debug)]
pub(crate) struct Members {
    pub steps: Axis,
    pub latents: Vec<usize>,
    /// Why they have this guide.
    pub reason: ChainReason,
}

/// How many steps back each latent of a loop reads each other latent of it in its prior: (reader, read, steps).
fn lags(g: &Graph, program: &Program) -> Vec<(usize, usize, usize)> {
    let mut found = vec![];
    for (k, latent) in program.latents.iter().enumerate() {
        let Some(steps) = latent.chain else { continue };
        for id in g.reachable(&latent.prior.args) {
            let node = g.node(id);
            let (Op::Gather { axis }, &[x, index]) = (&node.op, node.inputs.as_slice()) else { continue };
            let Some((Some(along), offset)) = stencil::position(g, index) else { continue };
            if *axis != steps || along != steps || offset >= 0 {
                continue;
            }
            let read = program.latents.iter().enumerate().filter(|(_, l)| l.chain == latent.chain);
            for (j, other) in read {
                if g.depends_on(x, &HashSet::from([other.node])) {
                    found.push((k, j, usize::try_from(-offset).unwrap_or(usize::MAX)));
                }
            }
        }
    }
    found
}

/// Whether a latent can be part of a chain: its unconstrained scale has every step.
fn fits(latent: &Latent) -> bool {
    let elements = latent.axes.len().saturating_sub(latent.support.rank());
    let across = latent.axes.iter().take(elements).any(|a| Some(*a) == latent.chain);
    across && !latent.support.is_discrete()
}

/// Whether a latent changes with the rows of a batch.
fn in_batches(latent: &Latent, program: &Program) -> bool {
    let batched = program.train.batch.is_some() || program.train.holdout.is_some();
    latent.is_local(program.row) && (batched || program.row.is_some_and(|r| r.rows > WHOLE))
}

/// The latents that get a tridiagonal guide because none is stated: those of a loop that hang together by lags. Small
/// models whose chains hang on random latents outside of them, or reach further back than one step, keep one Gaussian
/// over everything, which holds all a chain holds and more; what is decided is said.
pub(crate) fn by_default(
    g: &Graph,
    program: &Program,
    eliminated: &elimination::Plan,
    notes: &mut Vec<String>,
) -> Vec<Members> {
    let batched = program.train.batch.is_some() || program.train.holdout.is_some();
    let free = |l: &Latent| matches!(l.guide, Guide::Default) && !l.support.is_discrete();
    let open = |k: usize| {
        let latent = program.latents.get(k);
        !eliminated.holds(k) && latent.is_some_and(|l| free(l) && fits(l) && !in_batches(l, program))
    };
    let lags: Vec<(usize, usize, usize)> =
        lags(g, program).into_iter().filter(|&(k, j, _)| open(k) && open(j)).collect();
    // Connected by lags.
    // And what the same step of a term reads together.
    let chained: Vec<usize> = lags.iter().map(|l| l.0).collect();
    let meet = meetings(g, program, &chained);
    let mut sets: Vec<Vec<usize>> = vec![];
    for (k, j) in lags.iter().map(|l| (l.0, l.1)).chain(meet) {
        let (mut joined, apart): (Vec<_>, Vec<_>) = sets.into_iter().partition(|s| s.contains(&k) || s.contains(&j));
        joined.push(vec![k, j]);
        let mut set: Vec<usize> = joined.into_iter().flatten().collect();
        set.sort_unstable();
        set.dedup();
        sets = apart;
        sets.push(set);
    }
    sets.sort();
    let everything = program.latents.iter().filter(|l| free(l)).map(|l| l.support.free_elements(g, &l.axes));
    let small = everything.fold(0, usize::saturating_add) <= FULL_RANK_LIMIT && !batched;
    let mut list = vec![];
    for set in sets {
        let names: Vec<&str> = set.iter().filter_map(|&k| program.latents.get(k)).map(|l| l.name.as_str()).collect();
        let named = names.join("`, `");
        let single = set.len() == 1;
        let back = lags.iter().filter(|l| set.contains(&l.0)).map(|l| l.2).max().unwrap_or(1);
        let outside = hangs_on(g, program, &set);
        if small && (back > 1 || outside.is_some()) {
            let why = match (outside, single) {
                (Some(other), true) if back <= 1 => format!("is a chain, but hangs together with `{other}`"),
                (Some(other), false) if back <= 1 => format!("are a chain, but hang together with `{other}`"),
                (_, true) => format!("is a chain, but reaches {back} steps back"),
                (_, false) => format!("are a chain, but reach {back} steps back"),
            };
            notes.push(format!(
                "`{named}` {why}, and everything is small enough for one full-rank Gaussian, which holds more than a \
                 tridiagonal one"
            ));
            continue;
        }
        if let Some(other) = outside {
            notes.push(format!(
                "the guide holds `{named}` and what else is random, such as `{other}`, for independent: standard deviations \
                 are understated where they hang together"
            ));
        }
        if back > 1 {
            notes.push(format!(
                "the prior of `{named}` reaches {back} steps back, and the tridiagonal guide links neighbours only: \
                 dependence over more steps is what follows from that"
            ));
        }
        let Some(steps) = set.first().and_then(|&k| program.latents.get(k)).and_then(|l| l.chain) else { continue };
        list.push(Members { steps, latents: set, reason: ChainReason::Prior });
    }
    list
}

/// Pairs of latents along the same loop that one term reads.
fn meetings(g: &Graph, program: &Program, chained: &[usize]) -> Vec<(usize, usize)> {
    let node = |k: usize| program.latents.get(k).map(|l| l.node);
    let mut pairs = vec![];
    for term in terms(program) {
        let read: HashSet<NodeId> = g.reachable(&term).into_iter().collect();
        let met: Vec<usize> = chained.iter().copied().filter(|&k| node(k).is_some_and(|n| read.contains(&n))).collect();
        let steps = |k: usize| program.latents.get(k).and_then(|l| l.chain);
        pairs.extend(
            met.iter()
                .zip(met.iter().skip(1))
                .filter(|(a, b)| a != b && steps(**a) == steps(**b))
                .map(|(&a, &b)| (a, b)),
        );
    }
    pairs
}

/// What every term of −log p reads.
fn terms(program: &Program) -> Vec<Vec<NodeId>> {
    let mut terms: Vec<Vec<NodeId>> = vec![];
    for l in &program.latents {
        terms.push([l.prior.args.as_slice(), &[l.node]].concat());
    }
    terms.extend(program.observes.iter().map(|o| [o.distribution.args.as_slice(), &[o.value]].concat()));
    terms.extend(program.losses.iter().map(|l| vec![l.node]));
    terms
}

/// A continuous latent outside of a set that some term reads together with one of it.
fn hangs_on<'p>(g: &Graph, program: &'p Program, set: &[usize]) -> Option<&'p str> {
    let nodes: HashSet<NodeId> = set.iter().filter_map(|&k| program.latents.get(k)).map(|l| l.node).collect();
    let others: Vec<&Latent> = (program.latents.iter())
        .filter(|l| !nodes.contains(&l.node) && !l.support.is_discrete() && matches!(l.guide, Guide::Default))
        .collect();
    for term in terms(program) {
        let read: HashSet<NodeId> = g.reachable(&term).into_iter().collect();
        if nodes.iter().any(|n| read.contains(n))
            && let Some(other) = others.iter().find(|l| read.contains(&l.node))
        {
            return Some(&other.name);
        }
    }
    None
}

/// The latents of each `guide … ~ Tridiagonal()`.
///
/// # Errors
/// Where one cannot follow its loop.
pub(crate) fn stated(program: &Program) -> Result<Vec<Members>, Underivable> {
    let mut groups: BTreeMap<usize, Members> = BTreeMap::new();
    for (k, latent) in program.latents.iter().enumerate() {
        let (Guide::Tridiagonal { group: n }, Some(steps)) = (&latent.guide, latent.chain) else { continue };
        let span = latent.guide_span.unwrap_or(latent.span);
        if !fits(latent) {
            return Err(messages::steps_hang_together(&latent.name, span));
        }
        if in_batches(latent, program) {
            return Err(messages::chain_in_batches(&latent.name, WHOLE, span));
        }
        groups.entry(*n).or_insert(Members { steps, latents: vec![], reason: ChainReason::Stated }).latents.push(k);
    }
    Ok(groups.into_values().collect())
}

/// Builds the chains of some latents: one for all where the scalars of a step are few, else one for each.
pub(crate) fn build(b: &mut Builder, members: &[Members]) -> Result<(), Underivable> {
    let program = b.program;
    for set in members {
        let length = b.g.extent_of(set.steps.id).max(1);
        let size = |g: &Graph, ks: &[usize]| -> usize {
            ks.iter()
                .filter_map(|&k| program.latents.get(k))
                .map(|l| l.support.free_elements(g, &l.axes) / length)
                .sum()
        };
        if size(b.g, &set.latents) <= BLOCK_LIMIT {
            build_chain(b, set, &set.latents)?;
            continue;
        }
        for &k in &set.latents {
            build_chain(b, set, &[k])?;
            let own = size(b.g, &[k]);
            if let (true, Some(latent)) = (own > BLOCK_LIMIT, program.latents.get(k)) {
                b.done.notes.push(format!(
                    "`{}` has {own} scalars a step, and correlations among more than {BLOCK_LIMIT} are not fitted: each is \
                     a chain of its own",
                    latent.name
                ));
            }
        }
        let names: Vec<&str> =
            set.latents.iter().filter_map(|&k| program.latents.get(k)).map(|l| l.name.as_str()).collect();
        if let [_, _, ..] = names.as_slice() {
            b.done.notes.push(format!(
                "`{}` have more than {BLOCK_LIMIT} scalars a step together: each has a tridiagonal guide of its own",
                names.join("`, `")
            ));
        }
    }
    Ok(())
}

/// How many steps back any term reaches along a loop.
fn reach(g: &Graph, program: &Program, steps: Axis) -> usize {
    let mut roots: Vec<NodeId> = vec![];
    for l in &program.latents {
        roots.extend(&l.prior.args);
    }
    for o in &program.observes {
        roots.extend(&o.distribution.args);
    }
    roots.extend(program.losses.iter().map(|l| l.node));
    let mut most = 1;
    for id in g.reachable(&roots) {
        let node = g.node(id);
        if let (Op::Gather { axis }, &[_, index]) = (&node.op, node.inputs.as_slice())
            && *axis == steps
            && let Some((Some(_), offset)) = stencil::position(g, index)
        {
            most = most.max(usize::try_from(offset.unsigned_abs()).unwrap_or(most));
        }
    }
    most.min(g.extent_of(steps.id).saturating_sub(1)).max(1)
}

fn build_chain(b: &mut Builder, set: &Members, members: &[usize]) -> Result<(), Underivable> {
    let program = b.program;
    let steps = set.steps;
    let length = b.g.extent_of(steps.id).max(1);
    let latents: Vec<(usize, &Latent)> =
        members.iter().filter_map(|&k| program.latents.get(k).map(|l| (k, l))).collect();
    let Some(&(_, first)) = latents.first() else { return Ok(()) };
    let outside = b.g.set_origin(b.g.origin_of(first.node));
    let (mut parts, mut width) = (vec![], 0);
    for (_, latent) in &latents {
        let own = latent.support.free_elements(b.g, &latent.axes) / length;
        parts.push(Part { name: latent.name.clone(), start: width, length: own, median: b.free_median(latent) });
        width += own;
    }
    let names: Vec<&str> = latents.iter().map(|(_, l)| l.name.as_str()).collect();
    let name = format!("{}.guide", names.join("."));
    let owns: Vec<Vec<Axis>> = latents.iter().map(|(_, l)| l.support.free_axes(b.g, &l.axes)).collect();
    // A scalar a step has no axis of its own.
    let bare = width == 1 && owns.iter().flatten().all(|a| *a == steps);
    let row = (!bare).then(|| Axis::plain(b.g.add_axis(&format!("{name} block"), width)));
    let dense = (2..=BLOCK_LIMIT).contains(&width);
    let block = row.filter(|_| dense).map_or(Block::Scalars, Block::Vector);
    let (mut chain, log_scale) = gaussian(b, &name, Steps { along: steps, row, block });
    (chain.reach, chain.reason) = (reach(b.g, program, steps), set.reason);
    let of = Carrier::Chain(b.done.chains.len());
    for ((part, &(k, latent)), own) in parts.iter().zip(&latents).zip(&owns) {
        let before = b.g.set_origin(b.g.origin_of(latent.node));
        let rest: Vec<Axis> = own.iter().copied().filter(|a| *a != steps).collect();
        let take = |g: &mut Graph, x: NodeId| -> NodeId {
            let Some(row) = row else { return x };
            if rest.is_empty() {
                return g.pick(x, row, part.start);
            }
            if part.length == width {
                return g.reshape(x, &[row], &rest);
            }
            let flat = Axis::plain(g.add_axis(&format!("{} block", latent.name), part.length));
            let x = g.slice(x, row, part.start, flat);
            g.reshape(x, &[flat], &rest)
        };
        let g = &mut *b.g;
        let u = take(g, chain.value);
        let Some((z, log_jacobian)) = latent.support.constrain_along(g, u, own, &latent.axes) else {
            return Err(messages::fault(off_scale(latent), latent.span));
        };
        let (log_scale, noise) = (take(g, log_scale), take(g, chain.motion.noise));
        let entropy = g.shift(log_scale, 0.5 * (1.0 + (2.0 * PI).ln()));
        let entropy = g.sum_all_but(entropy, &[]);
        let log_density = g.log_normal_pdf(noise);
        let log_density = g.sub(log_density, log_scale);
        let log_density = g.sum_all_but(log_density, &[]);
        b.done.replaced.insert(latent.node, z);
        let part = JointPart { of, log_jacobian, entropy, log_density, log_prior: None };
        b.built.insert(k, Posterior::Joint(part));
        b.g.set_origin(before);
    }
    chain.parts = parts;
    b.done.chains.push(chain);
    b.g.set_origin(outside);
    Ok(())
}

/// The steps of a chain: their axis, that of the scalars of a step, and how these hang together.
#[derive(Clone, Copy)]
struct Steps {
    along: Axis,
    row: Option<Axis>,
    block: Block,
}

/// The chain over its steps and the scalars of each, and log L_jj.
fn gaussian(b: &mut Builder, name: &str, steps: Steps) -> (Chain, NodeId) {
    let Steps { along, row, block } = steps;
    let axes: Vec<Axis> = std::iter::once(along).chain(row).collect();
    let square = match block {
        Block::Vector(row) => vec![along, row, row.primed()],
        Block::Scalars => axes.clone(),
    };
    let (start, start_node) = b.g.input(&format!("{name}.base"), &axes);
    let (transition, start_map) = b.g.input(&format!("{name}.base_transition"), &square);
    let (scale, start_factor) = b.g.input(&format!("{name}.base_scale"), &square);
    let (whitening, whiten) = b.g.input(&format!("{name}.whitening"), &square);
    let mean = b.free(format!("{name}.mean"), &axes, 0.0);
    let link = b.free(format!("{name}.transition"), &square, 0.0);
    let raw = b.free(format!("{name}.scale"), &square, 0.0);
    let g = &mut *b.g;
    // Nothing comes before the first step.
    let (place, zero) = (g.iota(along), g.constant(0.0));
    let first = g.equal(place, zero);
    let start_map = g.select(first, zero, start_map);
    let shift = block.apply(g, start_factor, mean);
    let shift = Recursion::in_pairs(g, block, start_map, along).states(g, shift);
    let mean = g.add(start_node, shift);
    let link = block.product(g, link, whiten);
    let link = block.product(g, start_factor, link);
    let moved = g.add(start_map, link);
    let map = g.select(first, zero, moved);
    let (log_diagonal, start_diagonal, inner) = match block {
        Block::Scalars => (raw, start_factor, g.exp(raw)),
        Block::Vector(row) => {
            let column = row.primed();
            let below = lower_triangle(g, row);
            let below = g.mul(below, raw);
            let log_diagonal = g.diagonal(raw, row, column);
            let diagonal = g.exp(log_diagonal);
            let on = g.on_diagonal(diagonal, row, column);
            (log_diagonal, g.diagonal(start_factor, row, column), g.add(below, on))
        }
    };
    let factor = block.product(g, start_factor, inner);
    let log_start = g.log(start_diagonal);
    let log_scale = g.add(log_diagonal, log_start);
    let recursion = Recursion::in_pairs(g, block, map, along);
    let spread = block.times_transposed(g, factor, factor);
    let covariance = recursion.covariances(g, spread);
    let (_, deviation) = g.input(&format!("{name}.deviation"), &axes);
    let site = format!("{name}.noise");
    let (_, noise) = g.input(&site, &axes);
    let value = g.add(mean, deviation);
    let apart = row.filter(|_| block == Block::Scalars);
    let chain = Chain {
        parts: vec![],
        axes,
        square,
        reach: 1,
        reason: ChainReason::Stated,
        start,
        transition,
        scale,
        whitening,
        value,
        site: Site::named(&site),
        motion: Motion {
            deviation,
            noise,
            recursion,
            factor,
            law: ChainLaw { steps: along, block, apart, transition: map, covariance },
        },
    };
    (chain, log_scale)
}

/// 1 below the diagonal, else 0.
fn lower_triangle(g: &mut Graph, row: Axis) -> NodeId {
    let (i, j) = (g.iota(row), g.iota(row.primed()));
    g.less(j, i)
}

/// The guide as it is reported.
pub(crate) fn kind(g: &Graph, chain: &Chain) -> GuideKind {
    let extents: Vec<usize> = chain.axes.iter().map(|a| g.extent_of(a.id)).collect();
    let (steps, width) = (extents.first().copied().unwrap_or(0), extents.get(1).copied().unwrap_or(1));
    GuideKind::Chain { steps, width, blocks: chain.motion.law.block != Block::Scalars, reason: chain.reason }
}
