//! The posterior in the coordinates of the noise behind the guide, with its gradient: what a Markov chain moves in. What is
//! summed or integrated out is so there too, and the guide's own map is the preconditioner: where the guide is the posterior,
//! this is a standard normal.

use std::collections::{HashMap, HashSet};

use fe_check::Program;
use fe_graph::{Axis, Graph, InputId, NodeId, NoiseKind, Op, Site, Unary};
use fe_syntax::Span;

use crate::elimination::Structure;
use crate::guide::kind::GuideKind;
use crate::messages;
use crate::objective::{Objective, Underivable};

/// log p(x, z(ε)) − log q(z(ε)) + log N(ε) as a function of ε, where z(ε) is the draw of the guide from standard normal ε.
#[derive(Clone, Debug)]
pub struct PulledBack {
    /// What ε consists of.
    pub noise: Vec<NoiseInput>,
    /// The log density, nats: a number.
    pub value: NodeId,
    /// Its gradient, one node for each of `noise`.
    pub gradient: Vec<NodeId>,
}

/// One source of the guide's noise, as an input of standard normal numbers.
#[derive(Clone, Debug)]
pub struct NoiseInput {
    /// The source.
    pub site: Site,
    /// The distribution that the guide draws there, which the standard normal number becomes by its quantile.
    pub kind: NoiseKind,
    /// Axes, without samples.
    pub axes: Vec<Axis>,
    /// The input.
    pub input: InputId,
}

/// Where the program says what is done with its posterior, as well as it does.
fn place(program: &Program) -> Span {
    let stated = program.objective.span;
    stated.or_else(|| program.latents.first().map(|l| l.span)).unwrap_or_default()
}

/// A node whose derivative passes everywhere. A Gaussian conditional is a constant to the derivative of the objective, which is
/// right in the mean over its draws (Fisher's identity), and not at the one draw that stands for all here.
fn without_stops(g: &mut Graph, node: NodeId) -> NodeId {
    let mut result = node;
    loop {
        let reached = g.reachable(&[result]);
        let inner = |id: &NodeId| matches!(g.node(*id).op, Op::Stop).then(|| g.node(*id).inputs.first().copied())?;
        let stops: HashMap<NodeId, NodeId> = reached.iter().filter_map(|id| Some((*id, inner(id)?))).collect();
        if stops.is_empty() {
            return result;
        }
        result = g.substitute(&[result], &stops).first().copied().unwrap_or(result);
    }
}

impl Objective {
    /// Builds the density into the graph.
    ///
    /// # Errors
    /// Where there is none, with the reason.
    pub fn pull_back(&mut self, program: &Program) -> Result<PulledBack, Underivable> {
        let span = place(program);
        let weight = self.weight_or_reason(program)?;
        let mut noise: Vec<NoiseInput> = vec![];
        let mut replaced = HashMap::new();
        let mut sites = HashSet::new();
        for id in self.graph.reachable(&[weight]) {
            let (site, kind) = match self.graph.node(id).op {
                Op::Noise { kind, site } => (site, kind),
                Op::Arrivals { .. } => return Err(messages::nuts_without_density(span)),
                _ => continue,
            };
            let axes = self.axes_without_samples(id);
            // The weight is the same wherever an exact conditional is drawn.
            if self.guides.eliminated.contains(&site) {
                let level = if kind == NoiseKind::Normal { 0.0 } else { 0.5 };
                replaced.insert(id, self.graph.full(level, &axes));
                continue;
            }
            if !sites.insert(site) {
                return Err(messages::nuts_without_density(span));
            }
            let (input, normal) = self.graph.input(&format!("noise {}", noise.len()), &axes);
            let drawn = match kind {
                NoiseKind::Normal => normal,
                NoiseKind::Uniform => self.graph.unary(Unary::NormalCdf, normal),
                NoiseKind::Exponential => {
                    let log = self.graph.unary(Unary::LogNormalCdf, normal);
                    self.graph.neg(log)
                }
            };
            replaced.insert(id, drawn);
            noise.push(NoiseInput { site, kind, axes, input });
        }
        if noise.is_empty() {
            return Err(messages::nothing_for_nuts(span));
        }
        let conditionals = self.has_conditionals();
        let g = &mut self.graph;
        let mut ratio = g.substitute(&[weight], &replaced).first().copied().unwrap_or(weight);
        if conditionals {
            ratio = without_stops(g, ratio);
        }
        let mut value = g.sum_all_but(ratio, &[]);
        let inputs: Vec<NodeId> = noise.iter().map(|n| g.input_node(n.input)).collect();
        for &input in &inputs {
            let density = g.log_normal_pdf(input);
            let density = g.sum_all_but(density, &[]);
            value = g.add(value, density);
        }
        let gradient =
            g.gradient(value, &inputs).map_err(|e| messages::no_derivative("the joint density", &e, span))?;
        let whole = gradient.into_iter().zip(&noise).map(|(d, n)| g.broadcast(d, &n.axes)).collect();
        Ok(PulledBack { noise, value, gradient: whole })
    }

    /// Whether latents are drawn from exact conditionals that are Gaussian.
    fn has_conditionals(&self) -> bool {
        let by_points = |s: &Structure| matches!(s, Structure::Points { .. });
        let mut choices = self.guides.latents.iter().map(|l| l.guide);
        choices.any(|c| matches!(c, GuideKind::Eliminated { structure } if !by_points(&structure)))
    }

    /// The node of the log weight of a draw, or why there is none.
    fn weight_or_reason(&self, program: &Program) -> Result<NodeId, Underivable> {
        let span = place(program);
        if program.train.batch.is_some() {
            return Err(messages::nuts_in_batches(program.train.span.unwrap_or(span)));
        }
        if self.minimised.importance.is_some() || !self.is_free_energy() {
            return Err(messages::nuts_without_posterior(span));
        }
        let choice = |name: &str| self.guides.latents.iter().find(|l| l.name == name).map(|l| l.guide);
        let exact = |name: &str| choice(name).is_some_and(GuideKind::is_exact);
        for latent in &program.latents {
            if matches!(latent.guide, fe_check::Guide::Point | fe_check::Guide::PointAt(_)) {
                return Err(messages::nuts_beside_point(&latent.name, latent.guide_span.unwrap_or(latent.span)));
            }
            if latent.support.is_discrete() && !exact(&latent.name) {
                return Err(messages::nuts_of_counts(&latent.name, latent.span));
            }
        }
        if program.latents.iter().all(|l| exact(&l.name)) {
            return Err(messages::nothing_for_nuts(span));
        }
        self.report.log_weight.ok_or_else(|| messages::nuts_without_density(span))
    }
}
