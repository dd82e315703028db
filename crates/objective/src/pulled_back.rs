//! The posterior in the coordinates of the noise behind the guide, with its gradient: what a Markov chain moves in. What is
//! summed or integrated out is so there too, and the guide's own map is the preconditioner: where the guide is the posterior,
//! this is a standard normal.

use std::collections::{HashMap, HashSet};

use fe_check::Program;
use fe_graph::{Axis, DerivativeError, Graph, InputId, NodeId, NoiseKind, Op, Site, Unary, axis};
use fe_syntax::Span;

use crate::elimination::Structure;
use crate::guide::kind::GuideKind;
use crate::messages;
use crate::objective::{Objective, Underivable};

/// The most numbers of noise whose density is built unasked: in more, no proposal is wide enough to be of use.
pub const FEW: usize = 64;

/// log p(x, z(ε)) − log q(z(ε)) + log N(ε) as a function of ε, where z(ε) is the draw of the guide from standard normal ε: at
/// many points at once, which are samples.
#[derive(Clone, Debug)]
pub struct PulledBack {
    /// What ε consists of.
    pub noise: Vec<NoiseInput>,
    /// The log density, nats, of each sample.
    pub value: NodeId,
    /// Its gradient, one node for each of `noise`, of each sample.
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
    /// The input, which has samples too.
    pub input: InputId,
}

/// Why a density over the noise cannot be had.
enum Missing {
    /// Something else than independent numbers is drawn.
    Arrivals,
    /// Nothing is drawn.
    Nothing,
    /// It has no derivative.
    Derivative(DerivativeError),
}

impl Missing {
    fn message(&self, span: Span) -> Underivable {
        match self {
            Self::Arrivals => messages::nuts_without_density(span),
            Self::Nothing => messages::nothing_for_nuts(span),
            Self::Derivative(e) => messages::no_derivative("the joint density", e, span),
        }
    }
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
    /// The density that chains move in.
    ///
    /// # Errors
    /// Where there is none, with the reason.
    pub fn pull_back(&mut self, program: &Program) -> Result<PulledBack, Underivable> {
        let weight = self.weight_or_reason(program)?;
        match self.density.clone() {
            Some(density) => Ok(density),
            None => self.over_noise(weight).map_err(|missing| missing.message(place(program))),
        }
    }

    /// Builds the density over the noise where it is normal and of few numbers.
    pub(crate) fn add_density(&mut self) {
        let Some(weight) = self.report.log_weight else { return };
        let mut numbers = 0usize;
        for id in self.graph.reachable(&[weight]) {
            match self.graph.node(id).op {
                Op::Noise { site, .. } if self.guides.eliminated.contains(&site) => {}
                Op::Noise { kind: NoiseKind::Normal, .. } => {
                    let axes = self.axes_without_samples(id);
                    let size = axes.iter().map(|a| self.graph.extent_of(a.id)).fold(1, usize::saturating_mul);
                    numbers = numbers.saturating_add(size);
                }
                Op::Noise { .. } | Op::Arrivals { .. } => return,
                _ => {}
            }
        }
        if numbers <= FEW {
            self.density = self.over_noise(weight).ok();
        }
    }

    fn over_noise(&mut self, weight: NodeId) -> Result<PulledBack, Missing> {
        let mut noise: Vec<NoiseInput> = vec![];
        let mut replaced = HashMap::new();
        let mut sites = HashSet::new();
        for id in self.graph.reachable(&[weight]) {
            let (site, kind) = match self.graph.node(id).op {
                Op::Noise { kind, site } => (site, kind),
                Op::Arrivals { .. } => return Err(Missing::Arrivals),
                _ => continue,
            };
            let axes = self.axes_without_samples(id);
            // The weight is the same wherever an exact conditional is drawn; of a Gaussian at its mode, that at the mode is the
            // Laplace approximation.
            if self.guides.eliminated.contains(&site) {
                let level = if kind == NoiseKind::Normal { 0.0 } else { 0.5 };
                replaced.insert(id, self.graph.full(level, &axes));
                continue;
            }
            if !sites.insert(site) {
                return Err(Missing::Arrivals);
            }
            let sampled = axis::union(&[Axis::SAMPLE], &axes);
            let (input, normal) = self.graph.input(&format!("noise {}", noise.len()), &sampled);
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
            return Err(Missing::Nothing);
        }
        let conditionals = self.has_conditionals();
        let g = &mut self.graph;
        let mut ratio = g.substitute(&[weight], &replaced).first().copied().unwrap_or(weight);
        if conditionals {
            ratio = without_stops(g, ratio);
        }
        let mut value = g.sum_all_but(ratio, &[Axis::SAMPLE]);
        let inputs: Vec<NodeId> = noise.iter().map(|n| g.input_node(n.input)).collect();
        for &input in &inputs {
            let density = g.log_normal_pdf(input);
            let density = g.sum_all_but(density, &[Axis::SAMPLE]);
            value = g.add(value, density);
        }
        // No sample reads the noise of another.
        let total = g.sum_all_but(value, &[]);
        let gradient = g.gradient(total, &inputs).map_err(Missing::Derivative)?;
        let whole = |(d, n): (NodeId, &NoiseInput)| g.broadcast(d, &axis::union(&[Axis::SAMPLE], &n.axes));
        let gradient = gradient.into_iter().zip(&noise).map(whole).collect();
        Ok(PulledBack { noise, value, gradient })
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
            if choice(&latent.name).is_some_and(GuideKind::is_at_mode) {
                return Err(messages::nuts_beside_mode(&latent.name, latent.span));
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
