//! The free energy of a program: every term with the best estimator that applies, and the graph of the whole.

use std::collections::{HashMap, HashSet};

use fe_check::{Functional, Latent, OptimizerKind, Program, Schedule};
use fe_distribution::{Distribution, PoissonRate};
use fe_graph::{Axis, Binary, Graph, NodeId, Op};

use crate::drawing;
use crate::enumeration::Enumeration;
use crate::expectation::Expectation;
use crate::formula;
use crate::guides::{self, Posterior, Realised};
use crate::objective::{Bound, Energy, ImportanceBound, Landscape, Objective, Term, TermKind, Underivable};
use crate::prepare;
use crate::score::{Part, Scored};

/// The temperature of relaxed counts when nothing is said: for the cubic indicator no annealing is needed
/// (arXiv 2602.03896; theory of the estimators in the docs).
pub const DEFAULT_TEMPERATURE: f64 = 0.4;

/// The derivation in progress.
pub(crate) struct Deriver<'a> {
    pub(crate) g: Graph,
    pub(crate) program: &'a Program,
    pub(crate) source: &'a str,
    pub(crate) realised: Realised,
    /// Latents that are not random by themselves, and statistics of the data.
    pub(crate) replaced: HashMap<NodeId, NodeId>,
    pub(crate) expectation: Expectation,
    pub(crate) draws: HashMap<NodeId, NodeId>,
    /// Latents whose draws have no pathwise derivative.
    pub(crate) scored: Vec<Scored>,
    /// Draws of counts that are relaxed by a softmax.
    pub(crate) softened: Vec<NodeId>,
    /// Elements of what was sampled for the term in the making.
    pub(crate) sampled: Vec<NodeId>,
    pub(crate) random: HashSet<NodeId>,
    pub(crate) enumeration: Enumeration,
}

/// What functionals are made of, and what of each is sampled, element by element.
struct Scopes<'b> {
    terms: &'b [Term],
    energies: &'b [Energy],
    of_terms: &'b [Vec<NodeId>],
    of_energies: &'b [Vec<NodeId>],
}

/// A term's expectation and how it was had.
pub(crate) struct Expected {
    pub(crate) node: NodeId,
    pub(crate) sampled: bool,
    /// Whether finite latents were summed over under their stated guides.
    pub(crate) summed: bool,
    pub(crate) reason: String,
}

/// Derives the free energy.
///
/// # Errors
/// Where a term has no estimator yet, with its place.
pub fn derive(program: &Program, source: &str) -> Result<Objective, Underivable> {
    let mut g = program.graph.clone();
    let temperature = g.input("temperature", &[]);
    let per_row = g.input("1/rows", &[]);
    let (mut replaced, mut prepared) = prepare::statistics(&mut g, program, &roots_of(program));
    let realised = guides::realise(&mut g, program)?;
    let z_values: Vec<(NodeId, NodeId)> = realised.replaced.iter().map(|(&a, &b)| (a, b)).collect();
    replaced.extend(z_values);
    let realised = Realised { replaced: replaced.clone(), ..realised };
    let laws = realised.laws(&mut g, program);
    let random: HashSet<NodeId> = laws.keys().copied().collect();
    let draws = drawing::draws(&mut g, program, &realised, temperature.1, None)?;
    // In batches the rows' own noise is larger than that of one draw, which costs a fraction of the points.
    let whole = program.train.batch.is_none() && program.train.holdout.is_none();
    let expectation = Expectation::new(laws, program.row.map(|r| Axis::plain(r.axis)), whole);
    let enumeration = Enumeration::default();
    let mut d = Deriver {
        g,
        program,
        source,
        realised,
        replaced,
        expectation,
        draws: draws.of,
        scored: draws.scored,
        softened: draws.softened,
        sampled: vec![],
        random,
        enumeration,
    };
    d.enumeration = d.enumerate()?;
    d.random.extend(d.enumerated_nodes());
    for (k, summed) in &d.enumeration.latents {
        if let (Some(latent), Some(draw)) = (program.latents.get(*k), summed.draw) {
            d.draws.insert(latent.node, draw);
        }
    }

    let mut terms = vec![];
    // Of each term, then of each energy, the elements that were sampled.
    let mut sampled = vec![];
    for (k, latent) in program.latents.iter().enumerate() {
        terms.push(d.rate(k, latent)?);
        sampled.push(std::mem::take(&mut d.sampled));
    }
    for (k, observe) in program.observes.iter().enumerate() {
        terms.push(d.distortion(k, observe)?);
        sampled.push(std::mem::take(&mut d.sampled));
    }
    for (k, loss) in program.losses.iter().enumerate() {
        terms.push(d.loss(k, loss)?);
        sampled.push(std::mem::take(&mut d.sampled));
    }
    let mut energies = vec![];
    for latent in &program.latents {
        if latent.support == fe_distribution::Support::Count {
            energies.push(d.energy(latent)?);
            sampled.push(std::mem::take(&mut d.sampled));
        }
    }
    let importance = program.objective.importance.map(|spec| d.importance(spec)).transpose()?;
    let (value, controls, bounds) = match importance {
        Some(bound) => (d.importance_value(&bound, per_row.1), vec![], vec![]),
        None => d.value(&terms, &energies, &sampled, per_row.1),
    };
    let scored = importance.is_none()
        && terms
            .iter()
            .map(|t| t.sum)
            .chain(energies.iter().map(|e| e.sum))
            .any(|sum| d.scored_in(sum).next().is_some());
    let latents = d.ledger(&terms);
    let meters = d.reported(&program.meters);
    let posterior = d.posterior();
    let means = d.means();
    let decoded = d.decoded(&means);
    let shown = d.shown(&means);
    let log_weight = d.log_weight();
    let pointwise = d.pointwise();
    let observed = d.observed();
    let predictive = d.predictive();
    let joints = d.joints()?;
    let chains = d.chains()?;

    let up_to_constant = program.latents.iter().any(|l| l.prior.family.name() == "Flat");
    let mut notes = std::mem::take(&mut d.realised.notes);
    if up_to_constant {
        notes.push("a Flat prior is not normalised: the free energy is known up to a constant".into());
    }
    let non_centred: Vec<String> = program
        .latents
        .iter()
        .zip(&d.realised.posteriors)
        .filter(|(_, p)| matches!(p, Posterior::Joint { log_prior: Some(_), .. }))
        .map(|(l, _)| l.name.clone())
        .collect();
    let mut parameters = guides::declared(program);
    parameters.append(&mut d.realised.parameters);
    let mut objective = Objective {
        deterministic: false,
        scored,
        graph: d.g,
        row: program.row,
        parameters,
        prepared: vec![],
        terms,
        energies,
        spec: program.objective.terms.clone(),
        controls,
        bounds,
        temperature: temperature.0,
        temperature_schedule: program.train.temperature.unwrap_or(Schedule::Constant(DEFAULT_TEMPERATURE)),
        per_row: per_row.0,
        importance,
        value,
        gradient: vec![],
        joints,
        chains,
        latents,
        meters,
        posterior,
        decoded,
        shown,
        log_weight,
        pointwise,
        observed,
        predictive,
        up_to_constant,
        non_centred,
        notes,
    };
    if objective.log_weight.is_some() && !objective.is_free_energy() {
        objective.log_weight = None;
        objective.notes.push(
            "what is minimised is not the free energy alone, so the guide is not meant to be the posterior, and no k̂ judges it".into(),
        );
    }
    differentiate(&mut objective, program)?;
    let mut roots = objective.roots();
    prepare::hoist(&mut objective.graph, program, &mut prepared, &mut roots);
    objective.set_roots(&roots);
    objective.prepared = prepared;
    let g = &objective.graph;
    objective.deterministic = !g
        .reachable(&[objective.value])
        .iter()
        .any(|&n| matches!(g.node(n).op, Op::Noise { .. } | Op::Arrivals { .. }));
    if !objective.deterministic
        && program.train.optimizer == Some(OptimizerKind::Lbfgs)
        && program.train.batch.is_some()
    {
        return Err(Underivable {
            message: "lbfgs needs an objective that repeats, and batches of a sampled one do not".into(),
            span: program.train.span.unwrap_or_default(),
            help: "leave out `batch`, or use adam".into(),
        });
    }
    Ok(objective)
}

/// Every expression a program states.
fn roots_of(program: &Program) -> Vec<NodeId> {
    let mut roots: Vec<NodeId> = vec![];
    for l in &program.latents {
        roots.extend(&l.prior.args);
        if let fe_check::Guide::Stated(d) = &l.guide {
            roots.extend(&d.args);
        }
    }
    for o in &program.observes {
        roots.push(o.value);
        roots.extend(&o.distribution.args);
    }
    roots.extend(program.losses.iter().map(|l| l.node));
    roots.extend(program.lets.iter().chain(&program.meters).map(|n| n.node));
    roots
}

fn differentiate(objective: &mut Objective, program: &Program) -> Result<(), Underivable> {
    let inputs: Vec<NodeId> = objective
        .parameters
        .iter()
        .map(|p| p.input)
        .collect::<Vec<_>>()
        .into_iter()
        .map(|i| objective.graph.input_node(i))
        .collect();
    objective.gradient = objective.graph.gradient(objective.value, &inputs).map_err(|e| Underivable {
        message: format!("the objective cannot be differentiated: {e}"),
        span: program.objective.span.unwrap_or_default(),
        help: "report this program".into(),
    })?;
    Ok(())
}

impl Deriver<'_> {
    pub(crate) fn after(&mut self, node: NodeId) -> NodeId {
        self.g.substitute(&[node], &self.replaced).first().copied().unwrap_or(node)
    }

    pub(crate) fn after_distribution(&mut self, d: &Distribution) -> Distribution {
        Distribution { args: self.g.substitute(&d.args, &self.replaced), ..d.clone() }
    }

    pub(crate) fn has_rows(&self, node: NodeId) -> bool {
        self.program.row.is_some_and(|r| self.g.has_axis(node, Axis::plain(r.axis)))
    }

    /// The expectation of a node where it is known.
    pub(crate) fn exactly(&mut self, node: NodeId) -> Option<Expected> {
        self.expectation.blocked = None;
        let node = self.expectation.mean(&mut self.g, node)?;
        Some(Expected { node, sampled: false, summed: false, reason: String::new() })
    }

    /// The expectation of a node by the draws, after [`Deriver::exactly`] found none.
    pub(crate) fn by_draws(&mut self, node: NodeId, span: fe_syntax::Span) -> Result<Expected, Underivable> {
        let blocked = self.expectation.blocked.unwrap_or(node);
        let mut reason = formula::blocked(&self.g, blocked, self.program, self.source);
        if let Some(given) = self.chains_given_draws(node) {
            reason.push_str("; what is random besides the chain is drawn, and the chain integrated given that");
            return Ok(Expected { node: given, sampled: true, summed: false, reason });
        }
        let sampled = self.sample(node, span)?;
        Ok(Expected { node: sampled, sampled: true, summed: false, reason })
    }

    /// The expectation over chains in closed form, given draws of all else: of less noise than draws of the chains, which
    /// are long.
    fn chains_given_draws(&mut self, node: NodeId) -> Option<NodeId> {
        let chained: HashSet<NodeId> = self.realised.chains.iter().flat_map(|c| [c.deviation, c.noise]).collect();
        let noise: HashSet<NodeId> = chained.iter().filter_map(|n| self.draws.get(n).copied()).collect();
        let others: HashMap<NodeId, NodeId> =
            self.draws.iter().filter(|(n, _)| !chained.contains(n)).map(|(&n, &d)| (n, d)).collect();
        if chained.is_empty() || !self.scored.is_empty() || !self.g.depends_on(node, &chained) {
            return None;
        }
        let drawn = self.g.substitute(&[node], &others).first().copied()?;
        // A guide that reads the chain would be drawn from other draws of it.
        if drawn == node || self.g.depends_on(drawn, &noise) {
            return None;
        }
        self.expectation.mean(&mut self.g, drawn)
    }

    pub(crate) fn sample(&mut self, node: NodeId, span: fe_syntax::Span) -> Result<NodeId, Underivable> {
        if let Some(latent) = self.left_over(node) {
            return Err(Underivable {
                message: format!(
                    "this term mixes several elements of `{}`, which cannot be summed over then",
                    latent.name
                ),
                span,
                help: "leave `by enumeration` away: the score function is taken".into(),
            });
        }
        let sampled = self.g.substitute(&[node], &self.draws).first().copied().unwrap_or(node);
        let stuck: Option<&Latent> = self
            .program
            .latents
            .iter()
            .find(|l| self.random.contains(&l.node) && self.g.depends_on(sampled, &HashSet::from([l.node])));
        if let Some(latent) = stuck {
            let index = self.program.latents.iter().position(|l| l.name == latent.name);
            let guide = index.and_then(|k| self.realised.names.get(k)).cloned().unwrap_or_default();
            return Err(Underivable {
                message: format!(
                    "this term has no closed form under the guide of `{}` ({guide}), and that family has no draws in a graph",
                    latent.name
                ),
                span,
                help: "use another guide, or leave it out; a Binomial one needs a number of trials known beforehand"
                    .into(),
            });
        }
        Ok(sampled)
    }

    /// A term per row: what is local by the rows of the batch, what is global by the rows of the data; averaged over
    /// samples.
    pub(crate) fn per_row(&mut self, sum: NodeId, local: bool, per_row: NodeId) -> NodeId {
        let mean = self.g.mean(sum, &[Axis::SAMPLE]);
        match self.program.row {
            Some(r) if local => {
                let n = self.g.extent(r.axis);
                self.g.div(mean, n)
            }
            _ => self.g.mul(per_row, mean),
        }
    }

    /// A bound from importance weights, per row.
    fn importance_value(&mut self, bound: &ImportanceBound, per_row: NodeId) -> NodeId {
        let value = self.per_row(bound.sum, bound.local, per_row);
        let rest = self.g.mul(per_row, bound.rest);
        self.g.add(value, rest)
    }

    /// What is minimised, per row, with its bounds.
    fn value(
        &mut self,
        terms: &[Term],
        energies: &[Energy],
        sampled: &[Vec<NodeId>],
        per_row: NodeId,
    ) -> (NodeId, Vec<(fe_graph::InputId, Schedule)>, Vec<Bound>) {
        let mut controls = vec![];
        let mut scored = vec![];
        let (of_terms, of_energies) = sampled.split_at(terms.len().min(sampled.len()));
        let scopes = Scopes { terms, energies, of_terms, of_energies };
        let mut value = self.g.constant(0.0);
        for (number, (weight, functional)) in self.program.objective.terms.iter().enumerate() {
            let weight = match weight {
                Schedule::Constant(w) => self.g.constant(*w),
                schedule => {
                    let (input, node) = self.g.input(&format!("weight {}", number + 1), &[]);
                    controls.push((input, *schedule));
                    node
                }
            };
            value = self.weighed(functional, weight, &scopes, per_row, &mut scored, value);
        }
        let mut bounds = vec![];
        for stated in &self.program.objective.bounds {
            let (multiplier, m) = self.g.input(&format!("multiplier of {}", stated.text), &[]);
            let (penalty, p) = self.g.input(&format!("penalty of {}", stated.text), &[]);
            let mut bounded = self.g.constant(0.0);
            let mut own = vec![];
            for (weight, functional) in &stated.terms {
                let weight = self.g.constant(*weight);
                bounded = self.weighed(functional, weight, &scopes, per_row, &mut own, bounded);
            }
            let excess = self.g.shift(bounded, -stated.limit);
            let (price, slope) = self.augmented(excess, m, p);
            value = self.g.add(value, price);
            for part in own {
                scored.push(Part { factor: self.g.mul(slope, part.factor), ..part });
            }
            bounds.push(Bound { stated: stated.clone(), value: bounded, multiplier, penalty });
        }
        let scores = self.scores(&scored);
        (self.g.add(value, scores), controls, bounds)
    }

    /// The augmented Lagrangian of an inequality, (max(0, μ + ρ g)² − μ²)/2ρ, and μ g where ρ is 0; and its slope in g
    /// (Nocedal and Wright 2006, section 17.4).
    fn augmented(&mut self, excess: NodeId, multiplier: NodeId, penalty: NodeId) -> (NodeId, NodeId) {
        let zero = self.g.constant(0.0);
        let least = self.g.constant(1e-30);
        let step = self.g.mul(penalty, excess);
        let raised = self.g.add(multiplier, step);
        let raised = self.g.relu(raised);
        let (squared, before) = (self.g.square(raised), self.g.square(multiplier));
        let gained = self.g.sub(squared, before);
        let twice = self.g.scale(penalty, 2.0);
        let twice = self.g.binary(Binary::Max, twice, least);
        let bent = self.g.div(gained, twice);
        let straight = self.g.mul(multiplier, excess);
        let penalised = self.g.less(zero, penalty);
        let slope = self.g.select(penalised, raised, multiplier);
        (self.g.select(penalised, bent, straight), self.g.stop(slope))
    }

    /// A functional per row, weighed and added to a total; what of it is sampled goes to the scores.
    fn weighed(
        &mut self,
        of: &Functional,
        weight: NodeId,
        scopes: &Scopes,
        per_row: NodeId,
        scored: &mut Vec<Part>,
        mut total: NodeId,
    ) -> NodeId {
        let named = |wanted: &Option<String>, name: &String| wanted.as_ref().is_none_or(|n| n == name);
        let parts: Vec<(NodeId, bool, &[NodeId])> = match of {
            Functional::Energy(name) => {
                let own = scopes.energies.iter().zip(scopes.of_energies).filter(|(e, _)| named(name, &e.name));
                own.map(|(e, elements)| (e.sum, e.local, elements.as_slice())).collect()
            }
            Functional::Rate(name) | Functional::Distortion(name) => {
                let rate = matches!(of, Functional::Rate(_));
                let own = scopes.terms.iter().zip(scopes.of_terms);
                let own = own.filter(|(t, _)| (t.kind == TermKind::Rate) == rate && named(name, &t.name));
                own.map(|(t, elements)| (t.sum, t.local, elements.as_slice())).collect()
            }
        };
        for (sum, local, elements) in parts {
            let part = self.per_row(sum, local, per_row);
            let part = self.g.mul(weight, part);
            total = self.g.add(total, part);
            let one = self.g.constant(1.0);
            let share = self.per_row(one, local, per_row);
            let factor = self.g.mul(weight, share);
            scored.extend(elements.iter().map(|&elements| Part { elements, factor }));
        }
        total
    }
}

impl Objective {
    /// Every node that is run, in a fixed order; see `Objective::set_roots`.
    pub fn roots(&self) -> Vec<NodeId> {
        let mut roots = vec![self.value];
        roots.extend(&self.gradient);
        roots.extend(self.terms.iter().map(|t| t.sum));
        roots.extend(self.energies.iter().map(|e| e.sum));
        roots.extend(self.bounds.iter().map(|b| b.value));
        roots.extend(self.importance.iter().flat_map(|b| [b.sum, b.rest]));
        for l in &self.latents {
            roots.push(l.sample);
            roots.extend(l.rate);
            roots.extend(l.mean);
            roots.extend(l.prior_mean);
            roots.extend(l.split.iter().flat_map(PoissonRate::parts));
        }
        roots.extend(self.meters.iter().chain(&self.posterior).map(|m| m.node));
        roots.extend(self.posterior.iter().filter_map(|p| p.normal).flat_map(|(m, s)| [m, s]));
        roots.extend(self.decoded.iter().flat_map(|&(x, m)| [x, m]));
        roots.extend(self.shown.iter().filter_map(|s| s.node));
        roots.extend(self.log_weight);
        roots.extend(self.pointwise);
        roots.extend(self.observed.iter().map(|o| o.node));
        roots.extend(self.predictive.iter().flat_map(|p| &p.distribution.args));
        for j in &self.joints {
            roots.extend([j.energy, j.energy_gradient, j.energy_product]);
        }
        for Landscape { energy, energy_gradient, energy_product, .. } in self.chains.iter().map(|c| &c.landscape) {
            roots.extend([*energy, *energy_gradient, *energy_product]);
        }
        roots
    }

    /// Puts other nodes in the place of [`Objective::roots`], in the same order.
    fn set_roots(&mut self, roots: &[NodeId]) {
        let mut new = roots.iter().copied();
        let mut put = |slot: &mut NodeId| {
            if let Some(n) = new.next() {
                *slot = n;
            }
        };
        put(&mut self.value);
        self.gradient.iter_mut().for_each(&mut put);
        self.terms.iter_mut().for_each(|t| put(&mut t.sum));
        self.energies.iter_mut().for_each(|e| put(&mut e.sum));
        self.bounds.iter_mut().for_each(|b| put(&mut b.value));
        if let Some(b) = &mut self.importance {
            put(&mut b.sum);
            put(&mut b.rest);
        }
        for l in &mut self.latents {
            put(&mut l.sample);
            l.rate.as_mut().map(&mut put);
            l.mean.as_mut().map(&mut put);
            l.prior_mean.as_mut().map(&mut put);
            if let Some(split) = &mut l.split {
                let mut parts = split.parts();
                parts.iter_mut().for_each(&mut put);
                *split = parts.into();
            }
        }
        self.meters.iter_mut().chain(&mut self.posterior).for_each(|m| put(&mut m.node));
        for (mean, sd) in self.posterior.iter_mut().filter_map(|p| p.normal.as_mut()) {
            put(mean);
            put(sd);
        }
        for (x, m) in &mut self.decoded {
            put(x);
            put(m);
        }
        self.shown.iter_mut().filter_map(|s| s.node.as_mut()).for_each(&mut put);
        self.log_weight.as_mut().map(&mut put);
        self.pointwise.as_mut().map(&mut put);
        self.observed.iter_mut().for_each(|o| put(&mut o.node));
        self.predictive.iter_mut().flat_map(|p| &mut p.distribution.args).for_each(&mut put);
        for j in &mut self.joints {
            put(&mut j.energy);
            put(&mut j.energy_gradient);
            put(&mut j.energy_product);
        }
        for l in self.chains.iter_mut().map(|c| &mut c.landscape) {
            put(&mut l.energy);
            put(&mut l.energy_gradient);
            put(&mut l.energy_product);
        }
    }
}
