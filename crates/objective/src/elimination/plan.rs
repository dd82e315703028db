//! Which latents are integrated out, in what order, and by what structure.

use std::cmp::Reverse;
use std::collections::HashSet;

use fe_check::{Guide, Latent, Program};
use fe_distribution::Support;
use fe_graph::{Axis, Graph, NodeId, Op};

use super::reads::{Link, Links, links};
use super::{convex, elements, weighs_all_the_same};
use crate::degree::{Degree, Degrees};
use crate::guide::chains::BLOCK_LIMIT;
use crate::guide::types::FULL_RANK_LIMIT;
use crate::quadrature;

/// How large matrices may be.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// The most elements of one block.
    dense: usize,
    /// The most numbers that the matrices of one draw hold.
    matrix: usize,
}

/// Where matrices are factorised for every draw.
const DRAWN: Limits = Limits { dense: 128, matrix: 1 << 16 };

/// Where they are factorised once, since nothing is drawn.
const ALONE: Limits = Limits { dense: 1 << 10, matrix: 1 << 20 };

/// The most elements of the terms that read what is integrated at points.
const POINTS_LIMIT: usize = 1 << 13;

/// The most dimensions of what is left to the guide: it is drawn, and has to be small to be worth that; smaller still where a draw
/// costs dozens of evaluations.
const LEFT_LIMIT: usize = 64;
const LEFT_BY_POINTS: usize = 16;

/// The most numbers of what is taken by the Gaussian about its mode.
const AROUND_LIMIT: usize = 1 << 13;

/// What is integrated out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// One after another: each from what those before it leave.
    pub stages: Vec<Stage>,
    /// log p of every term that reads them, over the program's own nodes.
    pub terms: Vec<NodeId>,
    /// Latents of which each element is integrated at points, with the terms that read them.
    pub points: Vec<(usize, Vec<NodeId>)>,
    /// Where nothing is integrated out exactly, what is taken by the Gaussian at its conditional mode.
    pub around: Option<Around>,
}

/// Latents that are taken together by the Gaussian at their mode given all others.
#[derive(Clone, Debug)]
pub(crate) struct Around {
    /// The axis along which they are a chain, or go their own ways.
    pub steps: Axis,
    pub linked: Linked,
    pub latents: Vec<usize>,
    /// log p of every term that reads them.
    pub terms: Vec<NodeId>,
}

/// How steps hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Linked {
    /// Each with its neighbours.
    Neighbours,
    /// Not at all.
    Nothing,
}

/// Latents that are integrated out together.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    /// One latent, whose elements hang together along these axes and no others.
    Block { latent: usize, dense: Vec<Axis> },
    /// Latents along the steps of a loop; `apart` where the scalars of a step go their own ways.
    Chain { steps: Axis, apart: bool, latents: Vec<usize> },
}

impl Stage {
    /// The latents.
    pub fn latents(&self) -> &[usize] {
        match self {
            Self::Block { latent, .. } => std::slice::from_ref(latent),
            Self::Chain { latents, .. } => latents,
        }
    }
}

impl Plan {
    /// Whether a latent is integrated out.
    pub fn holds(&self, k: usize) -> bool {
        self.stages.iter().any(|s| s.latents().contains(&k)) || self.by_points(k) || self.is_around(k)
    }

    /// Whether a latent is taken by the Gaussian at its conditional mode.
    pub fn is_around(&self, k: usize) -> bool {
        self.around.as_ref().is_some_and(|a| a.latents.contains(&k))
    }

    /// Whether a latent is integrated at points.
    pub fn by_points(&self, k: usize) -> bool {
        self.points.iter().any(|p| p.0 == k)
    }

    /// The numbers of what the stages integrate out.
    pub fn latents_of_stages(&self) -> impl Iterator<Item = usize> {
        self.stages.iter().flat_map(|s| s.latents().iter().copied())
    }

    /// The numbers of all that is integrated out.
    pub fn latents(&self) -> Vec<usize> {
        let around = self.around.iter().flat_map(|a| a.latents.iter().copied());
        self.latents_of_stages().chain(self.points.iter().map(|p| p.0)).chain(around).collect()
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty() && self.points.is_empty() && self.around.is_none()
    }
}

/// A term of −log p and what it reads.
struct Read {
    density: NodeId,
    latents: Vec<usize>,
}

/// What is to be integrated out of a program whose guide is left to the compiler: blocks that are Gaussian given others,
/// where these others are few and are drawn anyway. What depends on nothing that is drawn has a closed free energy already.
///
/// Elements that are apart from each other and not Gaussian are integrated at points, where that is asked for: whether the
/// program reads them one by one is found out when they are summed.
pub(crate) fn plan(g: &mut Graph, program: &Program, at_points: bool) -> Plan {
    // What is tried leaves nothing behind in the graph.
    let (stages, points) = found(&mut g.clone(), program, at_points);
    if stages.is_empty() {
        // Points take one latent of each group, and would leave the others behind.
        let more = |a: &Found| points.is_empty() || a.latents.iter().any(|k| !points.contains(k));
        let around = if at_points { around(&mut g.clone(), program).filter(more) } else { None };
        if let Some(Found { steps, linked, latents }) = around {
            let read = terms(g, program).unwrap_or_default();
            let own = read.iter().filter(|t| t.latents.iter().any(|k| latents.contains(k)));
            let terms = own.map(|t| t.density).collect();
            return Plan { around: Some(Around { steps, linked, latents, terms }), ..Plan::default() };
        }
        if points.is_empty() {
            return Plan::default();
        }
    }
    let out: Vec<usize> = stages.iter().flat_map(|s| s.latents().iter().copied()).collect();
    let read = terms(g, program).unwrap_or_default();
    let reading = |ks: &[usize]| -> Vec<NodeId> {
        read.iter().filter(|t| t.latents.iter().any(|k| ks.contains(k))).map(|t| t.density).collect()
    };
    let points = points.into_iter().map(|k| (k, reading(&[k]))).collect();
    Plan { stages, terms: reading(&out), points, around: None }
}

/// The stages of a plan, and what is integrated at points; none where nothing is integrated out.
fn found(g: &mut Graph, program: &Program, at_points: bool) -> (Vec<Stage>, Vec<usize>) {
    let nothing = || (vec![], vec![]);
    if !is_plain(program) {
        return nothing();
    }
    let Some(terms) = terms(g, program) else { return nothing() };
    let all: Vec<usize> = candidates(g, program, &terms);
    let mut points = if at_points { points(g, program, &terms, &all) } else { vec![] };
    if left(g, program, &points) > LEFT_BY_POINTS {
        points = vec![];
    }
    let meets = |k: usize| terms.iter().any(|t| t.latents.contains(&k) && t.latents.iter().any(|j| points.contains(j)));
    let mut out: Vec<usize> = all.into_iter().filter(|&k| !meets(k)).collect();
    let whole = quadratic(g, program, &terms, out.clone());
    if is_large_and_alone(g, program, &whole) {
        return stages(g, program, &terms, &whole, ALONE).map_or_else(|_| nothing(), |stages| (stages, vec![]));
    }
    loop {
        out = quadratic(g, program, &terms, out);
        out = given_others(program, &terms, out);
        let gone = [out.as_slice(), &points].concat();
        if gone.is_empty() || left(g, program, &gone) > LEFT_LIMIT {
            return nothing();
        }
        match stages(g, program, &terms, &out, DRAWN) {
            Ok(stages) => return (stages, points),
            Err(too_large) => out.retain(|&k| k != too_large),
        }
    }
}

/// Whether the whole of the free energy is minimised, on all rows at once.
fn is_plain(program: &Program) -> bool {
    let train = &program.train;
    let batched = train.batch.is_some() || train.holdout.is_some();
    let other = program.objective.importance.is_some() || !program.objective.bounds.is_empty();
    !batched && !other && weighs_all_the_same(program)
}

/// The dimensions of what is left to the guide.
fn left(g: &Graph, program: &Program, gone: &[usize]) -> usize {
    let kept = program.latents.iter().enumerate().filter(|(k, l)| !gone.contains(k) && !l.support.is_discrete());
    kept.map(|(_, l)| l.support.free_elements(g, &l.axes)).fold(0, usize::saturating_add)
}

/// What was found to be taken at its mode, with how it hangs together along an axis.
struct Found {
    steps: Axis,
    linked: Linked,
    latents: Vec<usize>,
}

/// What is taken by the Gaussian at its mode given all others: latents with normal priors whose scales or means hang on others,
/// along one axis, in which every term is log-concave. `None` where there are none, or the structure is another.
fn around(g: &mut Graph, program: &Program) -> Option<Found> {
    // Chains draw all that is not exact.
    if !is_plain(program) || program.nuts.is_some() {
        return None;
    }
    let terms = terms(g, program)?;
    let free = |k: usize| {
        let open = |l: &Latent| !l.support.is_discrete() && !matches!(l.guide, Guide::Point | Guide::PointAt(_));
        program.latents.get(k).is_some_and(open)
    };
    let normal = |l: &Latent| l.prior.family.gaussian_on() == Some(Support::Real);
    let suits = |k: &usize| program.latents.get(*k).is_some_and(|l| normal(l) && !l.axes.is_empty());
    let all: Vec<usize> = candidates(g, program, &terms).into_iter().filter(suits).collect();
    let hangs = |k: usize, args: &[NodeId]| {
        let others = program.latents.iter().enumerate().filter(|(j, _)| *j != k && free(*j));
        let others: HashSet<NodeId> = others.map(|(_, l)| l.node).collect();
        args.iter().any(|&a| g.depends_on(a, &others))
    };
    let prior =
        |k: usize, of: fn(&[NodeId]) -> &[NodeId]| program.latents.get(k).is_some_and(|l| hangs(k, of(&l.prior.args)));
    let latents: Vec<usize> = all.into_iter().filter(|&k| prior(k, |args| args)).collect();
    // Where no scale is unknown, one Gaussian over everything has the shape already.
    if !latents.iter().any(|&k| prior(k, |args| args.get(1..).unwrap_or_default())) {
        return None;
    }
    let of: Vec<&Latent> = latents.iter().filter_map(|&k| program.latents.get(k)).collect();
    let steps = match of.iter().find_map(|l| l.chain) {
        Some(steps) => steps,
        None => of.first()?.axes.first().copied()?,
    };
    let size: usize = of.iter().map(|l| elements(g, &l.axes)).sum();
    let length = g.extent_of(steps.id);
    let shared = of.iter().all(|l| l.axes.contains(&steps));
    let width = size / length.max(1);
    let fits = shared && length > 1 && size <= AROUND_LIMIT && width <= BLOCK_LIMIT;
    if !fits || left(g, program, &latents) > LEFT_BY_POINTS {
        return None;
    }
    let nodes: Vec<NodeId> = of.iter().map(|l| l.node).collect();
    let mut read = vec![];
    for term in terms.iter().filter(|t| t.latents.iter().any(|k| latents.contains(k))) {
        let cost = g.neg(term.density);
        if !convex::is_convex(g, cost, &nodes) {
            return None;
        }
        read.push(term.density);
    }
    // What is quadratic is left to elimination, which had its reasons.
    if read.iter().all(|&density| is_quadratic(g, program, density, &latents)) {
        return None;
    }
    let axes: Vec<(usize, NodeId, Vec<Axis>)> =
        latents.iter().filter_map(|&k| program.latents.get(k).map(|l| (k, l.node, l.axes.clone()))).collect();
    let links = links(g, &read, &axes);
    let pairs = latents.iter().flat_map(|&a| latents.iter().map(move |&b| (a, b))).filter(|&(a, b)| links.meet(a, b));
    let most = pairs.map(|(a, b)| links.along(a, b, steps)).max().unwrap_or(Link::Same);
    let linked = match most {
        Link::Same => Linked::Nothing,
        Link::Band(1) => Linked::Neighbours,
        Link::Band(_) | Link::Any => return None,
    };
    Some(Found { steps, linked, latents })
}

/// Whether these are all that the program's guide would hold, none of them along a chain, and too large to share a full-rank one:
/// what is Gaussian as a whole then still has its exact posterior.
fn is_large_and_alone(g: &Graph, program: &Program, out: &[usize]) -> bool {
    let latents = program.latents.iter().enumerate();
    let free = latents.filter(|(_, l)| !matches!(l.guide, Guide::Point | Guide::PointAt(_)));
    let held = |(k, l): (usize, &Latent)| out.contains(&k) && l.chain.is_none();
    let size: usize = out.iter().filter_map(|&k| program.latents.get(k)).map(|l| elements(g, &l.axes)).sum();
    size > FULL_RANK_LIMIT && free.clone().count() == out.len() && free.into_iter().all(held)
}

/// log p of every term, as the program states it. `None` where a density is not known.
fn terms(g: &mut Graph, program: &Program) -> Option<Vec<Read>> {
    let mut list = vec![];
    for latent in &program.latents {
        list.push(latent.prior.log_density(g, latent.node)?);
    }
    for observe in &program.observes {
        list.push(observe.distribution.log_density(g, observe.value)?);
    }
    for loss in &program.losses {
        list.push(g.neg(loss.node));
    }
    let reads = list.into_iter().map(|density| {
        let reached: HashSet<NodeId> = g.reachable(&[density]).into_iter().collect();
        let read = program.latents.iter().enumerate().filter(|(_, l)| reached.contains(&l.node));
        Read { density, latents: read.map(|(k, _)| k).collect() }
    });
    Some(reads.collect())
}

/// Latents on the whole real line that are left to the compiler, and meet nothing discrete.
fn candidates(g: &Graph, program: &Program, terms: &[Read]) -> Vec<usize> {
    let discrete = |k: &usize| program.latents.get(*k).is_some_and(|l| l.support.is_discrete());
    let guided: Vec<NodeId> = program
        .latents
        .iter()
        .flat_map(|l| match &l.guide {
            Guide::Stated(d) => d.args.clone(),
            Guide::Prior => l.prior.args.clone(),
            _ => vec![],
        })
        .collect();
    let suits = |k: usize, l: &Latent| {
        let plain = l.prior.restricted.is_none() && l.prior.modifiers.is_empty() && l.support == Support::Real;
        let own = HashSet::from([l.node]);
        plain
            && matches!(l.guide, Guide::Default)
            && !l.in_guide
            && !guided.iter().any(|&a| g.depends_on(a, &own))
            && !terms.iter().any(|t| t.latents.contains(&k) && t.latents.iter().any(discrete))
    };
    program.latents.iter().enumerate().filter(|(k, l)| suits(*k, l)).map(|(k, _)| k).collect()
}

/// Latents with normal priors that hang on others that are drawn, in which some term is not quadratic: of those that meet, the
/// one with most elements.
fn points(g: &mut Graph, program: &Program, terms: &[Read], all: &[usize]) -> Vec<usize> {
    let free = |k: &usize| {
        let open = |l: &Latent| !l.support.is_discrete() && !matches!(l.guide, Guide::Point | Guide::PointAt(_));
        program.latents.get(*k).is_some_and(open)
    };
    let mut list: Vec<usize> = vec![];
    let mut order: Vec<usize> = all.to_vec();
    order.sort_by_key(|&k| Reverse(program.latents.get(k).map_or(0, |l| elements(g, &l.axes))));
    for k in order {
        let Some(latent) = program.latents.get(k) else { continue };
        let own: Vec<&Read> = terms.iter().filter(|t| t.latents.contains(&k)).collect();
        let rows: usize = own.iter().map(|t| elements(g, g.axes_of(t.density))).fold(0, usize::saturating_add);
        let normal = latent.prior.family.gaussian_on() == Some(Support::Real) && latent.prior.event.is_none();
        let suits = normal
            && !latent.axes.is_empty()
            && latent.chain.is_none()
            && rows <= POINTS_LIMIT
            && own.iter().any(|t| t.latents.iter().any(|j| *j != k && free(j)))
            && !own.iter().any(|t| t.latents.iter().any(|j| list.contains(j)));
        let smooth = own.iter().all(|t| is_smooth(g, t.density, latent.node));
        if suits && smooth && own.iter().any(|t| !is_quadratic(g, program, t.density, &[k])) {
            list.push(k);
        }
    }
    list
}

/// Whether a term has no kinks in a latent: a sum over points is no integral of what has.
fn is_smooth(g: &Graph, density: NodeId, latent: NodeId) -> bool {
    let of = HashSet::from([latent]);
    let bent = |n: NodeId| {
        let op = &g.node(n).op;
        matches!(op, Op::Unary(_) | Op::Binary(_)) && !quadrature::smooth(op) && g.depends_on(n, &of)
    };
    !g.reachable(&[density]).into_iter().any(bent)
}

/// Those in which every term is quadratic, of all together: where a term is not, those that it is not quadratic in by
/// themselves stay out, else the smallest, as loadings that multiply factors.
fn quadratic(g: &mut Graph, program: &Program, terms: &[Read], mut out: Vec<usize>) -> Vec<usize> {
    for term in terms {
        loop {
            let read: Vec<usize> = term.latents.iter().copied().filter(|k| out.contains(k)).collect();
            if read.is_empty() || is_quadratic(g, program, term.density, &read) {
                break;
            }
            let alone: Vec<usize> =
                read.iter().copied().filter(|&k| !is_quadratic(g, program, term.density, &[k])).collect();
            let size = |k: &usize| program.latents.get(*k).map_or(0, |l| elements(g, &l.axes));
            let dropped =
                if alone.is_empty() { read.into_iter().min_by_key(size).into_iter().collect() } else { alone };
            out.retain(|k| !dropped.contains(k));
        }
    }
    out
}

/// Whether the derivative of a term in some latents is affine in them.
fn is_quadratic(g: &mut Graph, program: &Program, density: NodeId, of: &[usize]) -> bool {
    let nodes: Vec<NodeId> = of.iter().filter_map(|&k| program.latents.get(k)).map(|l| l.node).collect();
    let total = g.sum_all_but(density, &[]);
    let Ok(gradient) = g.gradient(total, &nodes) else { return false };
    let mut degrees = Degrees::default();
    let primitive = |n: NodeId| nodes.contains(&n).then_some(Degree::Affine);
    gradient.into_iter().all(|n| degrees.of(g, n, &primitive) <= Degree::Affine)
}

/// Those that hang together, by terms, with a latent that is not among them.
fn given_others(program: &Program, terms: &[Read], out: Vec<usize>) -> Vec<usize> {
    let free = |k: &usize| {
        !out.contains(k)
            && program.latents.get(*k).is_some_and(|l| !matches!(l.guide, Guide::Point | Guide::PointAt(_)))
    };
    let mut given: HashSet<usize> = HashSet::new();
    loop {
        let before = given.len();
        for term in terms {
            if term.latents.iter().any(|k| free(k) || given.contains(k)) {
                given.extend(term.latents.iter().copied().filter(|k| out.contains(k)));
            }
        }
        if given.len() == before {
            return out.into_iter().filter(|k| given.contains(k)).collect();
        }
    }
}

/// A stage that could be next.
struct Next {
    /// The numbers that are left behind it, and what breaks ties.
    key: (usize, Reverse<usize>, Reverse<usize>),
    stage: Stage,
    left: Links,
}

/// The order: each time what leaves the least hanging together behind it; of what leaves as little, those of most axes
/// first, and of these the last declared.
///
/// # Errors
/// The latent whose matrices would be too large.
fn stages(g: &Graph, program: &Program, terms: &[Read], out: &[usize], limits: Limits) -> Result<Vec<Stage>, usize> {
    let nodes: Vec<NodeId> = terms.iter().map(|t| t.density).collect();
    let latents: Vec<(usize, NodeId, Vec<Axis>)> =
        out.iter().filter_map(|&k| program.latents.get(k).map(|l| (k, l.node, l.axes.clone()))).collect();
    let mut links = links(g, &nodes, &latents);
    let mut waiting: Vec<usize> = out.to_vec();
    let mut list = vec![];
    let steps_of = |links: &Links, k: usize| {
        let steps = program.latents.get(k).and_then(|l| l.chain)?;
        matches!(links.along(k, k, steps), Link::Band(1)).then_some(steps)
    };
    while !waiting.is_empty() {
        let mut best: Option<Next> = None;
        let mut refused = None;
        for &k in &waiting {
            let stage = match steps_of(&links, k) {
                Some(steps) => chain(g, program, &links, &waiting, k, steps),
                None => block(g, program, &links, k, limits),
            };
            let stage = match stage {
                Ok(stage) => stage,
                Err(too_large) => {
                    refused = refused.or(Some(too_large));
                    continue;
                }
            };
            let mut left = links.clone();
            left.eliminate(stage.latents());
            let others = waiting.iter().filter(|j| !stage.latents().contains(j));
            let numbers = others.map(|&j| numbers(g, program, &left, j)).fold(0, usize::saturating_add);
            let axes = program.latents.get(k).map_or(0, |l| l.axes.len());
            let key = (numbers, Reverse(axes), Reverse(k));
            if best.as_ref().is_none_or(|b| key < b.key) {
                best = Some(Next { key, stage, left });
            }
        }
        let Some(Next { stage, left, .. }) = best else { return Err(refused.unwrap_or_default()) };
        links = left;
        waiting.retain(|k| !stage.latents().contains(k));
        list.push(stage);
    }
    Ok(list)
}

/// How many numbers the Hessian of a latent has, as its elements hang together.
fn numbers(g: &Graph, program: &Program, links: &Links, k: usize) -> usize {
    let Some(latent) = program.latents.get(k) else { return 0 };
    let wide = dense(program, links, k);
    let banded = latent.chain.filter(|&t| links.along(k, k, t) == Link::Band(1));
    let width = wide.iter().filter(|&&a| Some(a) != banded).map(|a| g.extent_of(a.id)).fold(1, usize::saturating_mul);
    elements(g, &latent.axes).saturating_mul(width)
}

/// The axes of a latent along which its elements hang together.
fn dense(program: &Program, links: &Links, k: usize) -> Vec<Axis> {
    let axes = program.latents.get(k).map_or(&[][..], |l| &l.axes);
    axes.iter().copied().filter(|&a| links.along(k, k, a) != Link::Same).collect()
}

fn block(g: &Graph, program: &Program, links: &Links, k: usize, limits: Limits) -> Result<Stage, usize> {
    let dense = dense(program, links, k);
    let width = elements(g, &dense);
    let all = program.latents.get(k).map_or(0, |l| elements(g, &l.axes));
    if width > limits.dense || (!dense.is_empty() && all.saturating_mul(width) > limits.matrix) {
        return Err(k);
    }
    Ok(Stage::Block { latent: k, dense })
}

/// The chain of a latent and of those along the same loop that it meets.
fn chain(
    g: &Graph,
    program: &Program,
    links: &Links,
    waiting: &[usize],
    first: usize,
    steps: Axis,
) -> Result<Stage, usize> {
    let mut latents = vec![first];
    loop {
        let along = |k: &&usize| program.latents.get(**k).is_some_and(|l| l.axes.contains(&steps));
        let next =
            waiting.iter().filter(along).find(|k| !latents.contains(k) && latents.iter().any(|&l| links.meet(l, **k)));
        let Some(&next) = next else { break };
        if latents.iter().chain([&next]).any(|&l| links.meet(l, next) && links.along(l, next, steps) > Link::Band(1)) {
            return Err(next);
        }
        latents.push(next);
    }
    latents.sort_unstable();
    let length = g.extent_of(steps.id).max(1);
    let width: usize =
        latents.iter().filter_map(|&k| program.latents.get(k)).map(|l| elements(g, &l.axes) / length).sum();
    let apart = latents.len() == 1 && dense(program, links, first) == [steps];
    if length < 2 || (!apart && width > BLOCK_LIMIT) {
        return Err(first);
    }
    Ok(Stage::Chain { steps, apart, latents })
}
