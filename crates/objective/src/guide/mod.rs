//! From what the program says of a guide to random nodes: stated families, families with free parameters, joint
//! guides on the unconstrained scale, points, and the prior itself.

use std::collections::{HashMap, HashSet};

use fe_check::{Guide, Init, Latent, Program};
use fe_distribution::{Distribution, Support, family};
use fe_graph::{Axis, Graph, NodeId, Site, axis};

use crate::chains::{self, Chain};
use crate::closed_loops::{self, ClosedLoop};
use crate::expectation::Law;
use crate::formula;
use crate::groups::{Group, Shape, build_group};
use crate::objective::{Parameter, Start, Underivable};

/// The most scalars that share one full-rank Gaussian when nothing is said.
pub const FULL_RANK_LIMIT: usize = 256;

/// The most that a stated one may have: its matrix then has 2²⁴ numbers.
const DENSE_LIMIT: usize = 1 << 12;

/// How one latent is represented.
#[derive(Clone, Debug)]
pub(crate) enum Posterior {
    /// Its own input is random, with this law.
    Family(Distribution),
    /// A function of the noise of a joint guide.
    Joint {
        /// Of which.
        of: Carrier,
        /// log |dz/du|, per element.
        log_jacobian: NodeId,
        /// Its mean is that of −log q(u | earlier latents of the group); of a Gaussian it is a number.
        entropy: NodeId,
        /// log q(u | earlier latents of the group).
        log_density: NodeId,
        /// log p(z) + log |dz/du| per element, of a latent that is fitted as location + scale · u: the density of u.
        log_prior: Option<NodeId>,
    },
    /// A free value.
    Point,
    /// The prior.
    Prior(Distribution),
    /// The exact conditional of a finite latent given all else, by summing it out.
    Enumerated,
}

/// The Gaussian that a latent is part of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Carrier {
    /// A joint Gaussian, by number.
    Group(usize),
    /// A Gaussian Markov chain, by number.
    Chain(usize),
}

/// A standard normal vector: its node, its noise, and its axes.
#[derive(Clone, Debug)]
pub(crate) struct Vector {
    pub node: NodeId,
    pub site: Site,
    pub axes: Vec<Axis>,
}

/// Every latent's representation.
#[derive(Debug)]
pub(crate) struct Realised {
    pub posteriors: Vec<Posterior>,
    /// How each is reported.
    pub names: Vec<String>,
    pub groups: Vec<Group>,
    /// Gaussian Markov chains along loops.
    pub chains: Vec<Chain>,
    pub parameters: Vec<Parameter>,
    /// Standard normal vectors behind guides that are affine in one.
    pub vectors: Vec<Vector>,
    /// Latents whose guides read one another's past.
    pub loops: Vec<ClosedLoop>,
    /// What takes the place of a latent's input where it is not random by itself.
    pub replaced: HashMap<NodeId, NodeId>,
    pub notes: Vec<String>,
}

fn elements(g: &Graph, axes: &[Axis]) -> usize {
    axes.iter().map(|a| g.extent_of(a.id)).fold(1, usize::saturating_mul)
}

/// Chooses and builds the guide of every latent.
pub(crate) fn realise(g: &mut Graph, program: &Program) -> Result<Realised, Underivable> {
    let row = program.row;
    // Rows that are taken one by one, or weighed one by one, share no guide.
    let weighed = program.objective.importance.is_some();
    let apart = weighed || program.train.batch.is_some() || program.train.holdout.is_some();
    let mut done = Realised {
        posteriors: vec![],
        names: vec![],
        groups: vec![],
        chains: vec![],
        parameters: vec![],
        vectors: vec![],
        loops: vec![],
        replaced: HashMap::new(),
        notes: vec![],
    };
    // Chains first: what is part of one is no longer free for the others.
    let mut chained = chains::stated(program)?;
    chained.extend(chains::by_default(g, program, &mut done.notes));
    let in_loops: HashSet<usize> = chained.iter().flat_map(|m| m.latents.iter().copied()).collect();
    // Which latents share a Gaussian: those that say so, and, by default, all small continuous ones.
    let mut members: Vec<(Option<usize>, Vec<usize>, Shape)> = vec![];
    let mut mean_field: HashSet<usize> = HashSet::new();
    let unstated = |l: &Latent| matches!(l.guide, Guide::Default) && !l.support.is_discrete();
    let joinable: Vec<usize> = (0..program.latents.len())
        .filter(|k| !in_loops.contains(k))
        .filter(|&k| program.latents.get(k).is_some_and(|l| unstated(l) && (!apart || !l.is_local(row))))
        .collect();
    let size = |ks: &[usize]| -> usize {
        ks.iter()
            .filter_map(|&k| program.latents.get(k))
            .map(|l| l.support.free_elements(g, &l.axes))
            .fold(0, usize::saturating_add)
    };
    let mut default_group = vec![];
    if size(&joinable) <= FULL_RANK_LIMIT {
        default_group = joinable;
    } else {
        let global: Vec<usize> =
            joinable.into_iter().filter(|&k| program.latents.get(k).is_some_and(|l| !l.is_local(row))).collect();
        if size(&global) <= FULL_RANK_LIMIT {
            default_group = global;
        } else {
            done.notes.push(format!(
                "the {} global dimensions are more than {FULL_RANK_LIMIT}: their guide is a mean-field Gaussian, which \
                 understates standard deviations where the posterior is correlated",
                size(&global)
            ));
            mean_field.extend(global);
        }
    }
    if !default_group.is_empty() {
        members.push((None, default_group, Shape::Full));
    }
    for (k, latent) in program.latents.iter().enumerate() {
        let (n, shape) = match latent.guide {
            Guide::FullRank(n) => (n, Shape::Full),
            Guide::LowRank { group, rank } => (group, Shape::LowRank(rank)),
            Guide::Flow { group, layers } => (group, Shape::Flow(layers)),
            _ => continue,
        };
        match members.iter_mut().find(|m| m.0 == Some(n)) {
            Some(m) => m.1.push(k),
            None => members.push((Some(n), vec![k], shape)),
        }
    }
    // Few independent scalars start together, at a mode and with the curvature there.
    let independent: Vec<usize> = (0..program.latents.len())
        .filter(|&k| program.latents.get(k).is_some_and(|l| matches!(l.guide, Guide::MeanField)))
        .collect();
    let local = |k: &usize| program.latents.get(*k).is_some_and(|l| apart && l.is_local(row));
    if !independent.is_empty() && size(&independent) <= FULL_RANK_LIMIT && !independent.iter().any(local) {
        members.push((None, independent, Shape::Diagonal));
    } else {
        mean_field.extend(independent);
    }
    let at_mode: Vec<usize> = (0..program.latents.len())
        .filter(|&k| program.latents.get(k).is_some_and(|l| matches!(l.guide, Guide::Laplace)))
        .collect();
    if !at_mode.is_empty() {
        members.push((None, at_mode, Shape::Fixed));
    }
    for (_, ks, shape) in &members {
        let guided = ks.first().and_then(|&k| program.latents.get(k)).and_then(|l| l.guide_span);
        let (what, limit) = match shape {
            Shape::Fixed => ("a Laplace guide", FULL_RANK_LIMIT),
            Shape::Flow(_) => ("a flow", FULL_RANK_LIMIT),
            Shape::Full => ("a full-rank guide", DENSE_LIMIT),
            Shape::LowRank(_) | Shape::Diagonal => ("a low-rank guide", usize::MAX),
        };
        let dimensions = size(ks);
        if dimensions > limit {
            return Err(Underivable {
                message: format!("{what} of {dimensions} dimensions has too large a matrix of them"),
                span: guided.unwrap_or_default(),
                help: format!("it takes up to {limit}; use `LowRank(8)` or `MeanField()`"),
            });
        }
        if ks.iter().any(local) {
            return Err(Underivable {
                message: format!("{what} is over all rows at once, and here each row stands by itself"),
                span: guided.unwrap_or_default(),
                help: if weighed {
                    "importance weights are of single rows: use `MeanField()` for what has a value for each row".into()
                } else {
                    "leave `batch` and `holdout` away, or use `MeanField()` for what has a value for each row".into()
                },
            });
        }
    }
    let mut in_group: HashMap<usize, Posterior> = HashMap::new();
    let mut replaced = HashMap::new();
    chains::build(g, program, &chained, &mut done, &mut in_group, &mut replaced)?;
    for (number, (_, ks, shape)) in members.into_iter().enumerate() {
        build_group(g, program, (number, shape), &ks, &mut done, &mut in_group, &mut replaced)?;
    }
    for (k, latent) in program.latents.iter().enumerate() {
        let before = g.set_origin(g.origin_of(latent.node));
        let posterior = if let Some(p) = in_group.remove(&k) {
            p
        } else {
            build_single(g, program, latent, mean_field.contains(&k), &mut done, &mut replaced)?
        };
        g.set_origin(before);
        done.names.push(name_of(g, &posterior, latent, mean_field.contains(&k), &done));
        done.posteriors.push(posterior);
    }
    closed_loops::close(g, program, &mut done, &mut replaced)?;
    done.replaced = replaced;
    Ok(done)
}

fn name_of(g: &Graph, posterior: &Posterior, latent: &Latent, mean_field: bool, done: &Realised) -> String {
    let stated = matches!(latent.guide, Guide::Stated(_));
    match posterior {
        Posterior::Family(d) if stated => format!("{}, as stated", d.family.name()),
        Posterior::Family(d) if mean_field => format!("mean-field {}", d.family.name()),
        Posterior::Family(d) => {
            format!("{} with free parameters for each of {}", d.family.name(), elements(g, &latent.axes))
        }
        Posterior::Joint { of: Carrier::Chain(chain), .. } => {
            done.chains.get(*chain).map(|c| chains::describe(g, c)).unwrap_or_default()
        }
        Posterior::Joint { of: Carrier::Group(group), log_prior, .. } => {
            let d = done.groups.get(*group).map_or(0, |x| x.dimension);
            let kind = match done.groups.get(*group).map(|x| x.shape) {
                Some(Shape::Diagonal) => "mean-field Gaussian".to_owned(),
                Some(Shape::Fixed) => "Gaussian at the mode, by the curvature there".to_owned(),
                Some(Shape::LowRank(rank)) => {
                    format!("Gaussian of {} plus a diagonal", formula::plural(rank, "factor"))
                }
                Some(Shape::Flow(layers)) => format!("flow of {}", formula::plural(layers, "layer")),
                _ => "full-rank Gaussian".to_owned(),
            };
            let form = if log_prior.is_some() { "; non-centred, as location + scale · u" } else { "" };
            format!("{kind}, {}{form}", formula::plural(d, "dimension"))
        }
        Posterior::Point => "point".to_owned(),
        Posterior::Enumerated => "the exact conditional, by enumeration".to_owned(),
        Posterior::Prior(_) => "prior".to_owned(),
    }
}

pub(crate) fn free(
    g: &mut Graph,
    done: &mut Realised,
    program: &Program,
    name: String,
    axes: &[Axis],
    start: f64,
) -> NodeId {
    let (input, node) = g.input(&name, axes);
    let local = program.row.is_some_and(|r| axes.contains(&Axis::plain(r.axis)));
    done.parameters.push(Parameter {
        name,
        input,
        axes: axes.to_vec(),
        free: axes.to_vec(),
        support: Support::Real,
        start: Start::Constant(start),
        local,
    });
    node
}

/// The median of a latent's prior as a number, where its arguments are numbers.
pub(crate) fn prior_median(g: &Graph, latent: &Latent) -> Option<f64> {
    let args: Vec<f64> = latent.prior.own_args().iter().map(|&a| g.constant_value(a)).collect::<Option<_>>()?;
    let median = latent.prior.family.median(&args)?;
    if latent.support.contains_value(median) && latent.support.unconstrain(median).is_some_and(f64::is_finite) {
        return Some(median);
    }
    // A restriction may have cut the median off: a symmetric family on the positive side has its quartile there.
    let scale = args.last().copied().filter(|s| s.is_finite() && *s > 0.0).unwrap_or(1.0);
    [scale, 1.0, 0.5].into_iter().find(|&v| latent.support.contains_value(v))
}

fn build_single(
    g: &mut Graph,
    program: &Program,
    latent: &Latent,
    mean_field: bool,
    done: &mut Realised,
    replaced: &mut HashMap<NodeId, NodeId>,
) -> Result<Posterior, Underivable> {
    let unlowered = |message: String, help: &str| Underivable {
        message,
        span: latent.guide_span.unwrap_or(latent.span),
        help: help.to_owned(),
    };
    Ok(match &latent.guide {
        Guide::Stated(d) => {
            let own = HashSet::from([latent.node]);
            let alone = !d.args.iter().any(|&a| g.depends_on(a, &own));
            if let (Some(axis), true) = (d.event, alone && d.family.name() == "MultivariateNormal") {
                replaced.insert(latent.node, affine(g, latent, d, axis, done));
            }
            Posterior::Family(d.clone())
        }
        Guide::Prior => Posterior::Prior(latent.prior.clone()),
        Guide::Point => {
            let start = prior_median(g, latent).and_then(|m| latent.support.unconstrain(m)).unwrap_or(0.0);
            let own = latent.support.free_axes(g, &latent.axes);
            let u = free(g, done, program, format!("{}.point", latent.name), &own, start);
            let Some((z, _)) = latent.support.constrain_along(g, u, &own, &latent.axes) else {
                return Err(unlowered(
                    format!("`{}` has no unconstrained scale to search on", latent.name),
                    "a point guide needs a continuous latent",
                ));
            };
            replaced.insert(latent.node, z);
            Posterior::Point
        }
        Guide::Default if latent.support.is_discrete() && latent.support != Support::Count => Posterior::Enumerated,
        Guide::Default
        | Guide::MeanField
        | Guide::Laplace
        | Guide::FullRank(_)
        | Guide::LowRank { .. }
        | Guide::Flow { .. }
        | Guide::Tridiagonal(_) => own_family(g, program, latent, mean_field, done).ok_or_else(|| {
            unlowered(
                format!(
                    "no guide for `{}`, whose prior is {}, is built by default",
                    latent.name,
                    latent.prior.family.name()
                ),
                "state one with `guide`, or use a continuous or Poisson latent",
            )
        })?,
    })
}

/// A multivariate Normal as an affine function of a standard normal vector, whose expectations then are known.
fn affine(g: &mut Graph, latent: &Latent, d: &Distribution, axis: Axis, done: &mut Realised) -> NodeId {
    let axes = axis::sorted(&latent.axes);
    let (_, node) = g.input(&format!("{}.noise", latent.name), &axes);
    done.vectors.push(Vector { node, site: Site::named(&latent.name), axes });
    let &[mean, covariance] = d.args.as_slice() else { return node };
    let lower = g.cholesky(covariance, axis, axis.primed());
    let turned = g.rename(node, &[(axis, axis.primed())]);
    let spread = g.contract(lower, turned, &[axis.primed()]);
    g.add(mean, spread)
}

/// A family with free parameters for each element. It starts at the prior where the prior's arguments are not random.
fn own_family(
    g: &mut Graph,
    program: &Program,
    latent: &Latent,
    mean_field: bool,
    done: &mut Realised,
) -> Option<Posterior> {
    let latents: HashSet<NodeId> = program.latents.iter().map(|l| l.node).collect();
    let bare = latent.prior.restricted.is_none() && latent.prior.modifiers.is_empty();
    let anchored = bare && !latent.prior.args.iter().any(|&a| g.depends_on(a, &latents));
    let prior = latent.prior.family.name();
    let name = |what: &str| format!("{}.guide.{what}", latent.name);
    if prior == "Poisson" {
        let v = free(g, done, program, name("log_rate"), &latent.axes, 0.0);
        let rate = *latent.prior.args.first()?;
        let log_rate = if anchored {
            let r = g.log(rate);
            g.add(r, v)
        } else {
            v
        };
        let rate = g.exp(log_rate);
        return Some(Posterior::Family(plain("Poisson", vec![rate])?));
    }
    let location_scale = ["Normal", "Laplace", "LogNormal"].contains(&prior) && bare;
    let own = if location_scale && !(mean_field && prior == "Laplace") {
        prior
    } else {
        match latent.support {
            Support::Real => "Normal",
            Support::Positive => "LogNormal",
            _ => return None,
        }
    };
    let matched = own == prior && anchored;
    let start =
        if matched { 0.0 } else { prior_median(g, latent).and_then(|m| latent.support.unconstrain(m)).unwrap_or(0.0) };
    let mut location = free(g, done, program, name("location"), &latent.axes, start);
    let log_scale = free(g, done, program, name("log_scale"), &latent.axes, 0.0);
    let mut scale = g.exp(log_scale);
    if matched && let &[m, s] = latent.prior.args.as_slice() {
        let offset = g.mul(s, location);
        location = g.add(m, offset);
        scale = g.mul(s, scale);
    }
    Some(Posterior::Family(plain(own, vec![location, scale])?))
}

fn plain(name: &str, args: Vec<NodeId>) -> Option<Distribution> {
    Some(Distribution { family: family(name)?, args, event: None, restricted: None, modifiers: vec![] })
}

impl Realised {
    /// The law of every random node, arguments after replacement.
    pub fn laws(&self, g: &mut Graph, program: &Program) -> HashMap<NodeId, Law> {
        let mut laws = HashMap::new();
        for group in &self.groups {
            laws.insert(group.noise, Law::StandardNormal);
        }
        for vector in &self.vectors {
            laws.insert(vector.node, Law::StandardNormal);
        }
        for chain in &self.chains {
            laws.insert(chain.deviation, Law::Chain(chain.law));
            laws.insert(chain.noise, Law::StandardNormal);
        }
        let random: HashSet<NodeId> = program
            .latents
            .iter()
            .map(|l| l.node)
            .filter(|n| !self.replaced.contains_key(n))
            .chain(self.groups.iter().map(|x| x.noise))
            .chain(self.vectors.iter().map(|x| x.node))
            .chain(self.chains.iter().map(|x| x.deviation))
            .collect();
        for (posterior, latent) in self.posteriors.iter().zip(&program.latents) {
            if let Posterior::Family(d) | Posterior::Prior(d) = posterior {
                if self.replaced.contains_key(&latent.node) {
                    continue;
                }
                let d = self.after(g, d);
                let conditional = d.args.iter().any(|&a| g.depends_on(a, &random));
                let integrable = !conditional && d.restricted.is_none();
                laws.insert(latent.node, if integrable { Law::Family(d) } else { Law::Opaque });
            }
        }
        laws
    }

    /// A distribution with replaced latents in its arguments.
    pub fn after(&self, g: &mut Graph, d: &Distribution) -> Distribution {
        Distribution { args: g.substitute(&d.args, &self.replaced), ..d.clone() }
    }
}

/// The start of a program's parameter.
pub(crate) fn declared(program: &Program) -> Vec<Parameter> {
    let row = program.row;
    program
        .params
        .iter()
        .map(|p| Parameter {
            name: p.name.clone(),
            input: p.input,
            axes: p.axes.clone(),
            free: p.free.clone(),
            support: p.support,
            start: Start::Declared(Init::clone(&p.init)),
            local: row.is_some_and(|r| p.axes.contains(&Axis::plain(r.axis))),
        })
        .collect()
}
