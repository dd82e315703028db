//! What is reported besides the terms: samples of latents, meters, the posterior table, reconstructions, weights.

use std::collections::{HashMap, HashSet};

use fe_distribution::{Distribution, PoissonRate, Statistic, poisson_rate};
use fe_graph::{Axis, Graph, InputId, NodeId, Op, axis};

use crate::deriver::Deriver;
use crate::enumerated::{Source, Summed};
use crate::guide::kind::GuideKind;
use crate::guide::types::{Carrier, JointPart, Posterior};
use crate::objective::{Beyond, LatentNodes, Predicted, ReportNodes, Reported, Shown, Spaced, Term, TermKind};

/// The largest number of elements a value may have to stand in the posterior table.
const TABLE_LIMIT: usize = 1000;

impl Deriver<'_> {
    /// A draw of a node, where one is known.
    pub(crate) fn drawn(&mut self, node: NodeId) -> Option<NodeId> {
        let node = self.after(node);
        let drawn = self.g.substitute(&[node], &self.draws).first().copied()?;
        let open: HashSet<NodeId> = self.random.iter().copied().collect();
        (!self.g.depends_on(drawn, &open)).then_some(drawn)
    }

    /// As [`Self::drawn`], of many nodes at once: what they share is gone through once.
    pub(crate) fn all_drawn(&mut self, nodes: &[NodeId]) -> Vec<Option<NodeId>> {
        let nodes = self.g.substitute(nodes, &self.replaced);
        let drawn = self.g.substitute(&nodes, &self.draws);
        let open: HashSet<NodeId> = self.random.iter().copied().collect();
        let open = self.g.depending(&drawn, &open);
        drawn.into_iter().map(|d| (!open.contains(&d)).then_some(d)).collect()
    }

    /// What is reported of each latent beside its term.
    pub(crate) fn ledger(&mut self, terms: &[Term]) -> Vec<LatentNodes> {
        let mut list = vec![];
        for (k, latent) in self.program.latents.iter().enumerate() {
            let axes = axis::sorted(&latent.axes);
            let summed = self.enumeration.latents.get(&k).copied();
            let sample = match summed {
                Some(s) => Some(s.marginal_draw),
                None => self.drawn(latent.node),
            };
            let Some(sample) = sample else { continue };
            let sample = self.g.broadcast(sample, &axes);
            let prior = self.after_distribution(&latent.prior);
            let rate = match self.realised.posteriors.get(k).cloned() {
                Some(Posterior::Family(q)) => {
                    let q = self.after_distribution(&q);
                    q.kl(&mut self.g, &prior)
                }
                Some(Posterior::Enumerated) => summed.map(|s| s.rate),
                _ => None,
            };
            let rate = rate.and_then(|r| self.drawn(r)).map(|r| self.g.broadcast(r, &axes));
            let count = latent.support == fe_distribution::Support::Count;
            let guide = match self.realised.posteriors.get(k).cloned() {
                Some(Posterior::Family(q) | Posterior::Prior(q)) => Some(self.after_distribution(&q)),
                _ => None,
            };
            let mut mean_of = |d: &Distribution| {
                let m = d.expectation(&mut self.g, Statistic::Value).filter(|_| count)?;
                self.drawn(m).map(|m| self.g.broadcast(m, &axes))
            };
            let (mean, prior_mean) = (guide.as_ref().and_then(&mut mean_of), mean_of(&prior));
            let term = terms.iter().find(|t| t.kind == TermKind::Rate && t.name == latent.name);
            let split = match (&guide, term) {
                (Some(q), Some(term)) if self.kl_is_valid(k, latent) => self.split(q, &prior, &axes, term),
                _ => None,
            };
            list.push(LatentNodes {
                name: latent.name.clone(),
                axes: latent.axes.clone(),
                local: latent.is_local(self.program.row),
                count,
                sample,
                rate,
                mean,
                prior_mean,
                split,
                guide: self.realised.kinds.get(k).copied().unwrap_or(GuideKind::Prior),
            });
        }
        list
    }

    /// The parts of a rate, which add up to its term: where that is drawn, they are of the same draws.
    fn split(&mut self, q: &Distribution, prior: &Distribution, axes: &[Axis], term: &Term) -> Option<PoissonRate> {
        let integrated = !self.realised.chains.is_empty() || !self.realised.eliminated.is_empty();
        if term.estimator.is_sampled() && integrated {
            return None;
        }
        let mut parts = poisson_rate(&mut self.g, q, prior)?.parts();
        for part in &mut parts {
            let element = self.g.broadcast(*part, axes);
            let sum = self.g.sum_all_but(element, &[]);
            let sum = if term.estimator.is_sampled() { self.drawn(sum)? } else { self.exactly(sum)? };
            *part = self.g.sum_all_but(sum, &[Axis::SAMPLE]);
        }
        Some(parts.into())
    }

    /// Everything that is reported besides the terms and the latents' own figures.
    pub(crate) fn report_nodes(&mut self) -> ReportNodes {
        let program = self.program;
        let meters = self.reported(&program.meters);
        let posterior = self.posterior();
        let means = self.means();
        let decoded = self.decoded(&means);
        let shown = self.shown(&means);
        let log_weight = self.log_weight();
        let pointwise = self.pointwise();
        let observed = self.observed();
        let predictive = self.predictive();
        let beyond = self.beyond();
        let spaced = self.spaced();
        let last_turn = self.enumeration.last_turn;
        let choices = self.enumeration.choices.clone();
        let (readouts, losses) = (vec![], vec![]);
        let functions = self.functions();
        ReportNodes {
            meters,
            posterior,
            decoded,
            shown,
            log_weight,
            pointwise,
            observed,
            predictive,
            beyond,
            spaced,
            last_turn,
            choices,
            functions,
            readouts,
            losses,
        }
    }

    fn reported(&mut self, named: &[fe_check::Named]) -> Vec<Reported> {
        let mut list = vec![];
        for n in named {
            if let Some(node) = self.drawn(n.node) {
                list.push(Reported { name: n.name.clone(), axes: n.axes.clone(), node, normal: None, given: None });
            }
        }
        list
    }

    /// `let` values that follow from the program's params and data alone, without rows.
    fn functions(&mut self) -> Vec<Reported> {
        let program = self.program;
        let latents: HashSet<NodeId> = program.latents.iter().map(|l| l.node).collect();
        // By their inputs: what a type makes of one may have been simplified away.
        let params: HashSet<InputId> =
            program.params.iter().filter(|p| !p.name.contains('.')).map(|p| p.input).collect();
        let rows = |axes: &[Axis]| program.row.is_some_and(|r| axes.iter().any(|a| a.id == r.axis));
        let g = &program.graph;
        let all: Vec<NodeId> = program.lets.iter().map(|l| l.node).collect();
        let is_param = |n: &NodeId| matches!(g.node(*n).op, Op::Input(input) if params.contains(&input));
        let params: HashSet<NodeId> = g.reachable(&all).into_iter().filter(is_param).collect();
        let (of_params, of_latents) = (g.depending(&all, &params), g.depending(&all, &latents));
        let size = |axes: &[Axis]| axes.iter().map(|a| g.extent_of(a.id)).fold(1usize, usize::saturating_mul);
        let follows = |l: &&fe_check::Named| {
            of_params.contains(&l.node)
                && !of_latents.contains(&l.node)
                && !rows(&l.axes)
                && size(&l.axes) <= TABLE_LIMIT
        };
        let lets: Vec<&fe_check::Named> = program.lets.iter().filter(follows).collect();
        let drawn = self.all_drawn(&lets.iter().map(|l| l.node).collect::<Vec<_>>());
        let mut list = vec![];
        for (l, node) in lets.into_iter().zip(drawn) {
            let Some(node) = node else { continue };
            let node = self.g.broadcast(node, &l.axes);
            list.push(Reported { name: l.name.clone(), axes: l.axes.clone(), node, normal: None, given: None });
        }
        list
    }

    /// Latents that are not local to batches, and the `let` values that follow from them alone.
    fn posterior(&mut self) -> Vec<Reported> {
        let row = self.program.row;
        let batched = self.program.train.batch.is_some() || self.program.train.holdout.is_some();
        let size =
            |g: &Graph, axes: &[Axis]| axes.iter().map(|a| g.extent_of(a.id)).fold(1usize, usize::saturating_mul);
        let mut list = vec![];
        let mut shown: HashSet<NodeId> = HashSet::new();
        for (k, (latent, posterior)) in self.program.latents.iter().zip(self.realised.posteriors.clone()).enumerate() {
            if let Some(summed) = self.enumeration.latents.get(&k).copied() {
                if self.realised.points.contains_key(&k) || self.realised.counts.contains_key(&k) {
                    shown.insert(latent.node);
                    let node = self.g.broadcast(summed.marginal_draw, &latent.axes);
                    let given = self.moments_summed(k, summed, &latent.axes);
                    if size(&self.g, &latent.axes) <= TABLE_LIMIT {
                        let (name, axes) = (latent.name.clone(), latent.axes.clone());
                        list.push(Reported { name, axes, node, normal: None, given });
                    }
                    continue;
                }
                self.report_probabilities(latent, summed, batched, &mut list);
                if summed.draw.is_some() {
                    shown.insert(latent.node);
                }
                continue;
            }
            let joint = matches!(posterior, Posterior::Joint(_));
            let fits = size(&self.g, &latent.axes) <= TABLE_LIMIT;
            if (joint || !latent.is_local(row)) && !(batched && latent.is_local(row)) {
                // What follows from a latent that is too long for the table may be short.
                shown.insert(latent.node);
                if fits && let Some(node) = self.drawn(latent.node) {
                    let node = self.g.broadcast(node, &latent.axes);
                    let normal = self.normal_by_chains(latent.node, &latent.axes);
                    let given = self.moments_given(latent.node, &latent.axes);
                    list.push(Reported { name: latent.name.clone(), axes: latent.axes.clone(), node, normal, given });
                }
            }
        }
        let hidden: HashSet<NodeId> =
            self.program.latents.iter().map(|l| l.node).filter(|n| !shown.contains(n)).collect();
        let lets: Vec<NodeId> = self.program.lets.iter().map(|l| l.node).collect();
        let (shown, hidden) = (self.g.depending(&lets, &shown), self.g.depending(&lets, &hidden));
        let drawn = self.all_drawn(&lets);
        for (l, drawn) in self.program.lets.iter().zip(drawn) {
            let follows = shown.contains(&l.node) && !hidden.contains(&l.node);
            let rows = row.is_some_and(|r| l.axes.contains(&Axis::plain(r.axis)));
            if follows
                && !(batched && rows)
                && size(&self.g, &l.axes) <= TABLE_LIMIT
                && let Some(node) = drawn
            {
                let normal = self.normal_by_chains(l.node, &l.axes);
                let given = self.moments_given(l.node, &l.axes);
                list.push(Reported { name: l.name.clone(), axes: l.axes.clone(), node, normal, given });
            }
        }
        list
    }

    /// Mean and variance of a value given draws of all that is not integrated out.
    pub(crate) fn moments_given(&mut self, node: NodeId, axes: &[Axis]) -> Option<(NodeId, NodeId)> {
        // Draws that have weights of their own stand for nothing but themselves.
        if self.realised.eliminated.is_empty() || self.is_around() {
            return None;
        }
        let node = self.after(node);
        let drawn = self.given_all_else(node)?;
        let (mean, variance) = (self.given.mean(&mut self.g, drawn)?, self.given.variance(&mut self.g, drawn)?.value);
        Some((self.g.broadcast(mean, axes), self.g.broadcast(variance, axes)))
    }

    /// The same of a latent that is integrated at points, or summed over its counts.
    pub(crate) fn moments_summed(&mut self, k: usize, summed: Summed, axes: &[Axis]) -> Option<(NodeId, NodeId)> {
        let value = match self.realised.points.get(&k).copied() {
            Some(points) => points.value,
            None => self.g.iota(summed.values),
        };
        let (value, shares) = (self.drawn(value)?, self.drawn(summed.probabilities)?);
        let mean = self.g.contract(shares, value, &[summed.values]);
        let off = self.g.sub(value, mean);
        let square = self.g.square(off);
        let variance = self.g.contract(shares, square, &[summed.values]);
        Some((self.g.broadcast(mean, axes), self.g.broadcast(variance, axes)))
    }

    /// Mean and standard deviation of a value that is affine in Gaussian chains.
    pub(crate) fn normal_by_chains(&mut self, node: NodeId, axes: &[Axis]) -> Option<(NodeId, NodeId)> {
        if !self.expectation.has_chains() {
            return None;
        }
        let node = self.after(node);
        let (mean, variance) = self.expectation.normal_by_chains(&mut self.g, node)?;
        let sd = self.g.sqrt(variance);
        Some((self.g.broadcast(mean, axes), self.g.broadcast(sd, axes)))
    }

    /// The probability that counts have at the largest value that was summed.
    fn beyond(&mut self) -> Vec<Beyond> {
        let mut list = vec![];
        for (k, latent) in self.program.latents.iter().enumerate() {
            let summed = self.enumeration.latents.get(&k).copied();
            let Some((largest, summed)) = self.realised.counts.get(&k).copied().zip(summed) else { continue };
            let Some(shares) = self.drawn(summed.probabilities) else { continue };
            let last = self.g.pick(shares, summed.values, largest);
            list.push(Beyond { name: latent.name.clone(), largest, probability: last });
        }
        list
    }

    /// What the sum over every second point gives, where latents are integrated at such.
    fn spaced(&mut self) -> Vec<Spaced> {
        let mut list = vec![];
        for (k, latent) in self.program.latents.iter().enumerate() {
            let summed = self.enumeration.latents.get(&k).copied();
            let Some((points, summed)) = self.realised.points.get(&k).copied().zip(summed) else { continue };
            let Some(shares) = self.drawn(summed.probabilities) else { continue };
            list.push(Spaced { name: latent.name.clone(), coarser: points.coarser(&mut self.g, shares) });
        }
        list
    }

    /// The probability of each value of a latent that was summed out.
    fn report_probabilities(
        &mut self,
        latent: &fe_check::Latent,
        summed: Summed,
        batched: bool,
        list: &mut Vec<Reported>,
    ) {
        let axes = [latent.axes.as_slice(), &[summed.values]].concat();
        let size = axes.iter().map(|a| self.g.extent_of(a.id)).fold(1usize, usize::saturating_mul);
        if size > TABLE_LIMIT || batched && latent.is_local(self.program.row) {
            return;
        }
        if let Some(node) = self.drawn(summed.probabilities) {
            let node = self.g.broadcast(node, &axis::sorted(&axes));
            list.push(Reported { name: format!("P({})", latent.name), axes, node, normal: None, given: None });
        }
    }

    /// What stands for each latent, or for the noise behind it, when every latent is at its guide's mean.
    fn means(&mut self) -> HashMap<NodeId, NodeId> {
        let mut means: HashMap<NodeId, NodeId> = HashMap::new();
        for group in &self.realised.groups {
            let zero = self.g.full(0.0, &[group.axis]);
            means.insert(group.noise, zero);
        }
        for vector in &self.realised.vectors {
            let zero = self.g.full(0.0, &vector.axes);
            means.insert(vector.node, zero);
        }
        for primitive in self.realised.eliminated.clone().iter().flat_map(|c| c.primitives.clone()) {
            let axes = self.g.axes_of(primitive).to_vec();
            let zero = self.g.full(0.0, &axes);
            means.insert(primitive, zero);
        }
        for _ in 0..self.program.latents.len() {
            for (latent, posterior) in self.program.latents.iter().zip(self.realised.posteriors.clone()) {
                if let Posterior::Family(q) | Posterior::Prior(q) = posterior {
                    let q = self.after_distribution(&q);
                    let args = self.g.substitute(&q.args, &means);
                    let at_means = Distribution { args, ..q.clone() };
                    if let Some(m) = at_means.expectation(&mut self.g, Statistic::Value) {
                        let m = self.g.broadcast(m, &latent.axes);
                        means.insert(latent.node, m);
                    }
                }
            }
        }
        means
    }

    /// What is shown, with every latent at its guide's mean.
    fn shown(&mut self, means: &HashMap<NodeId, NodeId>) -> Vec<Shown> {
        let mut list = vec![];
        for show in &self.program.shows {
            let (name, axes) = (show.value.name.clone(), show.value.axes.clone());
            let node = self.after(show.value.node);
            let node = self.g.substitute(&[node], means).first().copied();
            let node = node.filter(|&n| !self.g.depends_on(n, &self.random)).map(|n| self.g.broadcast(n, &axes));
            list.push(Shown { name, axes, node, style: show.style, sizes: show.sizes.clone() });
        }
        list
    }

    /// Likelihood means with every latent at its guide's mean.
    fn decoded(&mut self, means: &HashMap<NodeId, NodeId>) -> Vec<(NodeId, NodeId)> {
        let mut list = vec![];
        for observe in &self.program.observes {
            let (x, d) = (self.after(observe.value), self.after_distribution(&observe.distribution));
            if !self.has_rows(x) || observe.axes.len() < 2 || d.family.is_nominal() {
                continue;
            }
            let args = self.g.substitute(&d.args, means);
            let Some(m) = Distribution { args, ..d.clone() }.expectation(&mut self.g, Statistic::Value) else {
                continue;
            };
            let axes = self.g.axes_of(x).to_vec();
            let m = self.g.broadcast(m, &axes);
            if !self.g.depends_on(m, &self.random) {
                list.push((x, m));
            }
        }
        list
    }

    /// log p of each row given the shared latents, for models in which rows depend on nothing else.
    fn pointwise(&mut self) -> Option<NodeId> {
        let row = Axis::plain(self.program.row?.axis);
        let latents = self.program.latents.iter().enumerate();
        let own = latents.filter(|(k, l)| !self.is_enumerated(*k) && l.axes.contains(&row)).count();
        if own > 0 || self.enumeration.in_turn || self.program.observes.is_empty() || !self.program.losses.is_empty() {
            return None;
        }
        let mut total = self.g.constant(0.0);
        if self.enumeration.log_partition.is_some() {
            total = self.enumeration.by_row?;
        }
        for (k, observe) in self.program.observes.iter().enumerate() {
            if self.enumeration.expected.contains_key(&Source::Observe(k)) {
                continue;
            }
            let (x, d) = (self.after(observe.value), self.after_distribution(&observe.distribution));
            let density = d.log_density(&mut self.g, x)?;
            if !self.g.has_axis(density, row) {
                return None;
            }
            let density = self.g.sum_to(density, &[row]);
            total = self.g.add(total, density);
        }
        self.drawn(total)
    }

    /// Likelihoods with their arguments drawn. One that reads a latent without draws is left out, and one of which only the
    /// log density is given.
    fn predictive(&mut self) -> Vec<Predicted> {
        let mut list = vec![];
        for observe in self.program.observes.iter().filter(|o| !o.distribution.family.is_written_out()) {
            let d = self.after_distribution(&observe.distribution);
            let args: Option<Vec<NodeId>> = d.args.iter().map(|&a| self.drawn(a)).collect();
            if let Some(args) = args {
                let distribution = Distribution { args, ..d };
                list.push(Predicted { name: observe.name.clone(), axes: observe.axes.clone(), distribution });
            }
        }
        list
    }

    /// The observed arrays.
    fn observed(&mut self) -> Vec<Reported> {
        let mut list = vec![];
        for observe in &self.program.observes {
            let node = self.after(observe.value);
            list.push(Reported {
                name: observe.name.clone(),
                axes: observe.axes.clone(),
                node,
                normal: None,
                given: None,
            });
        }
        list
    }

    /// Whether a latent is represented by its exact conditional, so that draws of it have weights of 1.
    fn is_exact(&self, k: usize) -> bool {
        let conditional = matches!(
            self.realised.posteriors.get(k),
            Some(Posterior::Joint(JointPart { of: Carrier::Conditional, .. }))
        );
        conditional || self.is_enumerated(k)
    }

    /// Whether latents are taken by the Gaussian at their mode given all others.
    pub(crate) fn is_around(&self) -> bool {
        let around = |p: &Posterior| matches!(p, Posterior::Joint(JointPart { of: Carrier::Around, .. }));
        self.realised.posteriors.iter().any(around)
    }

    /// log p(x, z) − log q(z) of each sample.
    pub(crate) fn log_weight(&mut self) -> Option<NodeId> {
        let drawn = self.program.latents.iter().enumerate().filter(|(k, _)| !self.is_exact(*k));
        let size: usize = drawn
            .map(|(_, l)| l)
            .map(|l| l.axes.iter().map(|a| self.g.extent_of(a.id)).product::<usize>())
            .fold(0, usize::saturating_add);
        let pointed = self.realised.posteriors.iter().any(|p| matches!(p, Posterior::Point));
        if self.program.train.batch.is_some() || size == 0 || pointed {
            return None;
        }
        let weight = self.log_ratio(None)?.whole;
        let drawn = self.g.substitute(&[weight], &self.draws).first().copied()?;
        (!self.g.depends_on(drawn, &self.random)).then_some(drawn)
    }
}
