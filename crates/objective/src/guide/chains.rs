//! Gaussian Markov chains over the steps of a loop on the unconstrained scale: the Gaussians whose precision is block
//! tridiagonal, written forward,
//!
//! u_t = m_t + A_t (u_{t−1} − m_{t−1}) + L_t ε_t,   ε ~ N(0, I), L_t lower triangular.
//!
//! They are fitted relative to an anchor of the same form, with base u⁰, A⁰, L⁰ and W_t = (chol P⁰_{t−1})⁻¹: m = u⁰ + C μ
//! with C the anchor's map from noise to states, A = A⁰ + L⁰ B W, L = L⁰ D. About the anchor the divergence has unit
//! curvature in μ, in B, and in D below its diagonal.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::f64::consts::PI;

use fe_check::{Guide, Latent, Program};
use fe_graph::{Axis, Graph, InputId, NodeId, Op, Site};

use crate::formula;
use crate::guides::{Carrier, FULL_RANK_LIMIT, Posterior, Realised, free, prior_median};
use crate::markov::{Block, Recursion, earlier};
use crate::objective::{Block as Part, Underivable};
use crate::stencil;

/// The most scalars of a step whose correlations are fitted: beyond, each scalar is a chain of its own.
pub const BLOCK_LIMIT: usize = 16;

/// Rows beyond which a fit may go in batches.
const WHOLE: usize = 4096;

/// A Gaussian Markov chain under construction.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    /// The latents.
    pub parts: Vec<Part>,
    /// Axes of u, the steps first.
    pub axes: Vec<Axis>,
    /// Axes of A and L, the steps first.
    pub square: Vec<Axis>,
    /// How many steps back terms reach.
    pub reach: usize,
    /// Why this is the guide.
    pub because: &'static str,
    pub base: InputId,
    pub transition: InputId,
    pub scale: InputId,
    pub whitening: InputId,
    /// The node of u − m, which is random.
    pub deviation: NodeId,
    /// The node of ε.
    pub noise: NodeId,
    /// The node of u.
    pub value: NodeId,
    pub site: Site,
    /// u − m from ε.
    block: Block,
    recursion: Recursion,
    factor: NodeId,
    pub law: ChainLaw,
}

/// What is known of the deviation of a chain: it is normal with mean 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChainLaw {
    /// The axis of the steps.
    pub steps: Axis,
    pub block: Block,
    /// Axes of the scalars of a step, where these are independent.
    pub apart: Option<Axis>,
    /// A over (steps, row, column), or over (steps, scalars).
    transition: NodeId,
    /// P of every step, over the same axes.
    pub covariance: NodeId,
}

impl ChainLaw {
    /// Cov(x_t, x_{t−lag}) at every t ≥ lag: A_t Cov(x_{t−1}, x_{t−lag}).
    pub fn lagged(&self, g: &mut Graph, lag: usize) -> NodeId {
        let Some(less) = lag.checked_sub(1) else { return self.covariance };
        let before = self.lagged(g, less);
        let before = earlier(g, before, self.steps, 1);
        match self.block {
            Block::Scalars => g.mul(self.transition, before),
            Block::Vector(row) => g.matrix_product(self.transition, before, row, row.primed()),
        }
    }
}

impl Chain {
    /// u − m at this ε.
    pub fn at_noise(&self, g: &mut Graph, noise: NodeId) -> NodeId {
        let spread = self.block.apply(g, self.factor, noise);
        self.recursion.states(g, spread)
    }
}

/// Latents that share a chain.
#[derive(Clone, Debug)]
pub(crate) struct Members {
    pub steps: Axis,
    pub latents: Vec<usize>,
    /// Why they have this guide.
    pub because: &'static str,
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
pub(crate) fn by_default(g: &Graph, program: &Program, notes: &mut Vec<String>) -> Vec<Members> {
    let batched = program.train.batch.is_some() || program.train.holdout.is_some();
    let free = |l: &Latent| matches!(l.guide, Guide::Default) && !l.support.is_discrete();
    let open = |k: usize| {
        let latent = program.latents.get(k);
        latent.is_some_and(|l| free(l) && fits(l) && !in_batches(l, program))
    };
    let lags: Vec<(usize, usize, usize)> =
        lags(g, program).into_iter().filter(|&(k, j, _)| open(k) && open(j)).collect();
    // Connected by lags.
    let mut sets: Vec<Vec<usize>> = vec![];
    for &(k, j, _) in &lags {
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
        list.push(Members { steps, latents: set, because: "as the prior links steps" });
    }
    list
}

/// A continuous latent outside of a set that some term reads together with one of it.
fn hangs_on<'p>(g: &Graph, program: &'p Program, set: &[usize]) -> Option<&'p str> {
    let nodes: HashSet<NodeId> = set.iter().filter_map(|&k| program.latents.get(k)).map(|l| l.node).collect();
    let others: Vec<&Latent> = (program.latents.iter())
        .filter(|l| !nodes.contains(&l.node) && !l.support.is_discrete() && matches!(l.guide, Guide::Default))
        .collect();
    let mut terms: Vec<Vec<NodeId>> = vec![];
    for l in &program.latents {
        terms.push([l.prior.args.as_slice(), &[l.node]].concat());
    }
    terms.extend(program.observes.iter().map(|o| [o.distribution.args.as_slice(), &[o.value]].concat()));
    terms.extend(program.losses.iter().map(|l| vec![l.node]));
    for term in terms {
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
        let (Guide::Tridiagonal(n), Some(steps)) = (&latent.guide, latent.chain) else { continue };
        let failed = |message: String, help: &str| Underivable {
            message,
            span: latent.guide_span.unwrap_or(latent.span),
            help: help.into(),
        };
        if !fits(latent) {
            return Err(failed(
                format!("the elements of `{}` depend on each other along the loop", latent.name),
                "a tridiagonal guide takes real, positive, unit and bounded latents; use `FullRank()`",
            ));
        }
        if in_batches(latent, program) {
            return Err(failed(
                format!("`{}` has rows, and a tridiagonal guide needs all of them at every step", latent.name),
                &format!("leave out `batch` and `holdout`, with at most {WHOLE} rows, or use `MeanField()`"),
            ));
        }
        groups.entry(*n).or_insert(Members { steps, latents: vec![], because: "as stated" }).latents.push(k);
    }
    Ok(groups.into_values().collect())
}

/// Builds the chains of some latents: one for all where the scalars of a step are few, else one for each.
pub(crate) fn build(
    g: &mut Graph,
    program: &Program,
    members: &[Members],
    done: &mut Realised,
    in_chain: &mut HashMap<usize, Posterior>,
    replaced: &mut HashMap<NodeId, NodeId>,
) -> Result<(), Underivable> {
    for set in members {
        let length = g.extent_of(set.steps.id).max(1);
        let size = |g: &Graph, ks: &[usize]| -> usize {
            ks.iter()
                .filter_map(|&k| program.latents.get(k))
                .map(|l| l.support.free_elements(g, &l.axes) / length)
                .sum()
        };
        if size(g, &set.latents) <= BLOCK_LIMIT {
            build_chain(g, program, set, &set.latents, done, in_chain, replaced)?;
            continue;
        }
        for &k in &set.latents {
            build_chain(g, program, set, &[k], done, in_chain, replaced)?;
            let own = size(g, &[k]);
            if let (true, Some(latent)) = (own > BLOCK_LIMIT, program.latents.get(k)) {
                done.notes.push(format!(
                    "`{}` has {own} scalars a step, and correlations among more than {BLOCK_LIMIT} are not fitted: each is \
                     a chain of its own",
                    latent.name
                ));
            }
        }
        let names: Vec<&str> =
            set.latents.iter().filter_map(|&k| program.latents.get(k)).map(|l| l.name.as_str()).collect();
        if let [_, _, ..] = names.as_slice() {
            done.notes.push(format!(
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

fn build_chain(
    g: &mut Graph,
    program: &Program,
    set: &Members,
    members: &[usize],
    done: &mut Realised,
    in_chain: &mut HashMap<usize, Posterior>,
    replaced: &mut HashMap<NodeId, NodeId>,
) -> Result<(), Underivable> {
    let steps = set.steps;
    let length = g.extent_of(steps.id).max(1);
    let latents: Vec<(usize, &Latent)> =
        members.iter().filter_map(|&k| program.latents.get(k).map(|l| (k, l))).collect();
    let Some(&(_, first)) = latents.first() else { return Ok(()) };
    let outside = g.set_origin(g.origin_of(first.node));
    let (mut parts, mut width) = (vec![], 0);
    for (_, latent) in &latents {
        let own = latent.support.free_elements(g, &latent.axes) / length;
        let median = prior_median(g, latent).and_then(|m| latent.support.unconstrain(m)).unwrap_or(0.0);
        parts.push(Part { name: latent.name.clone(), start: width, length: own, median });
        width += own;
    }
    let names: Vec<&str> = latents.iter().map(|(_, l)| l.name.as_str()).collect();
    let name = format!("{}.guide", names.join("."));
    let owns: Vec<Vec<Axis>> = latents.iter().map(|(_, l)| l.support.free_axes(g, &l.axes)).collect();
    let rests: Vec<Vec<Axis>> = owns.iter().map(|own| own.iter().copied().filter(|a| *a != steps).collect()).collect();
    // A scalar a step has no axis of its own.
    let bare = width == 1 && rests.iter().all(Vec::is_empty);
    let row = (!bare).then(|| Axis::plain(g.add_axis(&format!("{name} block"), width)));
    let dense = (2..=BLOCK_LIMIT).contains(&width);
    let (mut chain, log_scale) = gaussian(g, program, done, &name, (steps, row), dense);
    (chain.reach, chain.because) = (reach(g, program, steps), set.because);
    let number = done.chains.len();
    for (((part, (k, latent)), own), rest) in parts.iter().zip(&latents).zip(&owns).zip(&rests) {
        let before = g.set_origin(g.origin_of(latent.node));
        let take = |g: &mut Graph, x: NodeId| -> NodeId {
            let Some(row) = row else { return x };
            if rest.is_empty() {
                return g.pick(x, row, part.start);
            }
            if part.length == width {
                return g.reshape(x, &[row], rest);
            }
            let flat = Axis::plain(g.add_axis(&format!("{} block", latent.name), part.length));
            let x = g.slice(x, row, part.start, flat);
            g.reshape(x, &[flat], rest)
        };
        let u = take(g, chain.value);
        let Some((z, log_jacobian)) = latent.support.constrain_along(g, u, own, &latent.axes) else {
            return Err(Underivable {
                message: format!("`{}` cannot be part of a tridiagonal guide", latent.name),
                span: latent.guide_span.unwrap_or(latent.span),
                help: "it takes real, positive, unit and bounded latents; state another guide".into(),
            });
        };
        replaced.insert(latent.node, z);
        let (log_scale, noise) = (take(g, log_scale), take(g, chain.noise));
        let entropy = g.shift(log_scale, 0.5 * (1.0 + (2.0 * PI).ln()));
        let entropy = g.sum_all_but(entropy, &[]);
        let log_density = g.log_normal_pdf(noise);
        let log_density = g.sub(log_density, log_scale);
        let log_density = g.sum_all_but(log_density, &[]);
        let of = Carrier::Chain(number);
        in_chain.insert(*k, Posterior::Joint { of, log_jacobian, entropy, log_density, log_prior: None });
        g.set_origin(before);
    }
    chain.parts = parts;
    done.chains.push(chain);
    g.set_origin(outside);
    Ok(())
}

/// The chain over its steps and the scalars of each, and log L_jj.
fn gaussian(
    g: &mut Graph,
    program: &Program,
    done: &mut Realised,
    name: &str,
    (steps, row): (Axis, Option<Axis>),
    dense: bool,
) -> (Chain, NodeId) {
    let axes: Vec<Axis> = std::iter::once(steps).chain(row).collect();
    let (block, square) = match row {
        Some(row) if dense => (Block::Vector(row), vec![steps, row, row.primed()]),
        _ => (Block::Scalars, axes.clone()),
    };
    let (base, base_node) = g.input(&format!("{name}.base"), &axes);
    let (transition, anchor_map) = g.input(&format!("{name}.base_transition"), &square);
    let (scale, anchor_factor) = g.input(&format!("{name}.base_scale"), &square);
    let (whitening, whiten) = g.input(&format!("{name}.whitening"), &square);
    let mean = free(g, done, program, format!("{name}.mean"), &axes, 0.0);
    let link = free(g, done, program, format!("{name}.transition"), &square, 0.0);
    let raw = free(g, done, program, format!("{name}.scale"), &square, 0.0);
    // Nothing comes before the first step.
    let (place, zero) = (g.iota(steps), g.constant(0.0));
    let first = g.equal(place, zero);
    let anchor_map = g.select(first, zero, anchor_map);
    let shift = block.apply(g, anchor_factor, mean);
    let shift = Recursion::new(g, block, anchor_map, steps).states(g, shift);
    let mean = g.add(base_node, shift);
    let link = block.product(g, link, whiten);
    let link = block.product(g, anchor_factor, link);
    let moved = g.add(anchor_map, link);
    let map = g.select(first, zero, moved);
    let (log_diagonal, anchor_diagonal, inner) = match block {
        Block::Scalars => (raw, anchor_factor, g.exp(raw)),
        Block::Vector(row) => {
            let column = row.primed();
            let below = lower_triangle(g, row);
            let below = g.mul(below, raw);
            let log_diagonal = g.diagonal(raw, row, column);
            let diagonal = g.exp(log_diagonal);
            let on = g.on_diagonal(diagonal, row, column);
            (log_diagonal, g.diagonal(anchor_factor, row, column), g.add(below, on))
        }
    };
    let factor = block.product(g, anchor_factor, inner);
    let log_anchor = g.log(anchor_diagonal);
    let log_scale = g.add(log_diagonal, log_anchor);
    let recursion = Recursion::new(g, block, map, steps);
    let spread = block.times_transposed(g, factor, factor);
    let covariance = recursion.covariances(g, spread);
    let (_, deviation) = g.input(&format!("{name}.deviation"), &axes);
    let site = format!("{name}.noise");
    let (_, noise) = g.input(&site, &axes);
    let value = g.add(mean, deviation);
    let law = ChainLaw { steps, block, apart: row.filter(|_| !dense), transition: map, covariance };
    let chain = Chain {
        parts: vec![],
        axes,
        square,
        reach: 1,
        because: "",
        base,
        transition,
        scale,
        whitening,
        deviation,
        noise,
        value,
        site: Site::named(&site),
        block,
        recursion,
        factor,
        law,
    };
    (chain, log_scale)
}

/// 1 below the diagonal, else 0.
fn lower_triangle(g: &mut Graph, row: Axis) -> NodeId {
    let (i, j) = (g.iota(row), g.iota(row.primed()));
    g.less(j, i)
}

/// The guide in words.
pub(crate) fn describe(g: &Graph, chain: &Chain) -> String {
    let extents: Vec<usize> = chain.axes.iter().map(|a| g.extent_of(a.id)).collect();
    let (steps, width) = (extents.first().copied().unwrap_or(0), extents.get(1).copied().unwrap_or(1));
    let steps = formula::plural(steps, "step");
    let kind = match chain.block {
        Block::Scalars if width > 1 => format!("{width} independent Gaussians with tridiagonal precision, {steps}"),
        Block::Scalars => format!("Gaussian with tridiagonal precision, {steps}"),
        Block::Vector(_) => format!("Gaussian with block-tridiagonal precision, {steps} of {width}"),
    };
    format!("{kind}, {}", chain.because)
}
