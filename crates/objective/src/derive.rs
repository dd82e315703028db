//! The free energy of a program: every term with the best estimator that applies, and the graph of the whole.

use std::collections::{HashMap, HashSet};

use fe_check::{Functional, Latent, OptimizerKind, Program, Schedule};
use fe_distribution::{Distribution, Statistic};
use fe_graph::{Axis, Graph, NodeId, Op, axis};

use crate::expectation::Expectation;
use crate::formula;
use crate::guides::{self, Posterior, Realised};
use crate::objective::{Energy, Joint, LatentNodes, Objective, Reported, Term, TermKind, Underivable};
use crate::prepare;

/// The largest number of elements a value may have to stand in the posterior table.
const TABLE_LIMIT: usize = 1000;

/// The temperature of relaxed counts when nothing is said: for the cubic indicator no annealing is needed
/// (arXiv 2602.03896; theory of the estimators in the docs).
pub const DEFAULT_TEMPERATURE: f64 = 0.4;

/// The derivation in progress.
struct Deriver<'a> {
    g: Graph,
    program: &'a Program,
    source: &'a str,
    realised: Realised,
    /// Latents that are not random by themselves, and statistics of the data.
    replaced: HashMap<NodeId, NodeId>,
    expectation: Expectation,
    draws: HashMap<NodeId, NodeId>,
    random: HashSet<NodeId>,
}

/// A term's expectation and how it was had.
struct Expected {
    node: NodeId,
    sampled: bool,
    reason: String,
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
    let draws = guides::draws(&mut g, program, &realised, temperature.1)?;
    let mut d = Deriver { g, program, source, realised, replaced, expectation: Expectation::new(laws), draws, random };

    let mut terms = vec![];
    for (k, latent) in program.latents.iter().enumerate() {
        terms.push(d.rate(k, latent)?);
    }
    for observe in &program.observes {
        terms.push(d.distortion(observe)?);
    }
    for loss in &program.losses {
        terms.push(d.loss(loss)?);
    }
    let mut energies = vec![];
    for latent in &program.latents {
        if latent.support == fe_distribution::Support::Count {
            energies.push(d.energy(latent)?);
        }
    }
    let (value, controls) = d.value(&terms, &energies, per_row.1)?;
    let latents = d.ledger();
    let meters = d.reported(&program.meters);
    let posterior = d.posterior();
    let decoded = d.decoded();
    let log_weight = d.log_weight();
    let joints = d.joints()?;

    let up_to_constant = program.latents.iter().any(|l| l.prior.family.name() == "Flat");
    let mut notes = std::mem::take(&mut d.realised.notes);
    if up_to_constant {
        notes.push("a Flat prior is not normalised: the free energy is known up to a constant".into());
    }
    let mut parameters = guides::declared(program);
    parameters.append(&mut d.realised.parameters);
    let mut objective = Objective {
        deterministic: false,
        graph: d.g,
        row: program.row,
        parameters,
        prepared: vec![],
        terms,
        energies,
        spec: program.objective.terms.clone(),
        controls,
        temperature: temperature.0,
        temperature_schedule: program.train.temperature.unwrap_or(Schedule::Constant(DEFAULT_TEMPERATURE)),
        per_row: per_row.0,
        value,
        gradient: vec![],
        joints,
        latents,
        meters,
        posterior,
        decoded,
        log_weight,
        up_to_constant,
        notes,
    };
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
    fn after(&mut self, node: NodeId) -> NodeId {
        self.g.substitute(&[node], &self.replaced).first().copied().unwrap_or(node)
    }

    fn after_distribution(&mut self, d: &Distribution) -> Distribution {
        Distribution { args: self.g.substitute(&d.args, &self.replaced), ..d.clone() }
    }

    fn has_rows(&self, node: NodeId) -> bool {
        self.program.row.is_some_and(|r| self.g.has_axis(node, Axis::plain(r.axis)))
    }

    /// The expectation of a node, exact where it is known, else by the draws.
    fn expect(&mut self, node: NodeId, span: fe_syntax::Span) -> Result<Expected, Underivable> {
        self.expectation.blocked = None;
        if let Some(exact) = self.expectation.mean(&mut self.g, node) {
            return Ok(Expected { node: exact, sampled: false, reason: String::new() });
        }
        let blocked = self.expectation.blocked.unwrap_or(node);
        let reason = formula::blocked(&self.g, blocked, self.program, self.source);
        let sampled = self.sample(node, span)?;
        Ok(Expected { node: sampled, sampled: true, reason })
    }

    fn sample(&mut self, node: NodeId, span: fe_syntax::Span) -> Result<NodeId, Underivable> {
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
                    "this term has no closed form under the guide of `{}` ({guide}), and that family has no pathwise sample yet",
                    latent.name
                ),
                span,
                help: "use a Normal, LogNormal, Laplace or Poisson guide, or leave the guide out".into(),
            });
        }
        Ok(sampled)
    }

    fn rate(&mut self, k: usize, latent: &Latent) -> Result<Term, Underivable> {
        let before = self.g.set_origin(self.g.origin_of(latent.node));
        let term = self.rate_term(k, latent);
        self.g.set_origin(before);
        term
    }

    fn rate_term(&mut self, k: usize, latent: &Latent) -> Result<Term, Underivable> {
        let posterior = self.realised.posteriors.get(k).cloned().unwrap_or(Posterior::Point);
        let prior = self.after_distribution(&latent.prior);
        let p = prior.family.name();
        let axes = axis::sorted(&latent.axes);
        let mut term = Term {
            name: latent.name.clone(),
            kind: TermKind::Rate,
            span: latent.guide_span.unwrap_or(latent.span),
            sum: latent.node,
            local: latent.is_local(self.program.row),
            sampled: false,
            penalty: matches!(posterior, Posterior::Point),
            estimator: "closed form",
            reason: String::new(),
            formula: String::new(),
            bias: None,
        };
        match &posterior {
            Posterior::Prior(_) => {
                term.sum = self.g.constant(0.0);
                term.reason = "the guide is the prior".into();
                term.formula = format!("KL(p({0}) ‖ p({0})) = 0", latent.name);
            }
            Posterior::Point => {
                let z = self.after(latent.node);
                let density = self.log_density(&prior, z, latent)?;
                let penalty = self.g.neg(density);
                let e = self.expect_sum(penalty, &axes, latent.span)?;
                term.sum = e.node;
                term.sampled = e.sampled;
                term.estimator = if e.sampled { "pathwise" } else { "exact" };
                term.reason = "a point guide: the rate is −log p at the point, a penalty and not information".into();
                term.formula = format!("−log p({0}) at {0} = point", latent.name);
            }
            Posterior::Family(q) => {
                let q = self.after_distribution(q);
                let qn = q.family.name();
                let registered = if self.kl_is_valid(latent, &prior) { q.kl(&mut self.g, &prior) } else { None };
                if let Some(kl) = registered {
                    let e = self.expect_sum(kl, &axes, latent.span)?;
                    term.sum = e.node;
                    term.sampled = e.sampled;
                    term.reason = format!("KL({qn} ‖ {p}) is registered");
                    if e.sampled {
                        term.estimator = "closed form, parents sampled";
                        term.reason =
                            format!("KL({qn} ‖ {p}) is registered; what it depends on is drawn ({})", e.reason);
                    }
                    term.formula = formula::kl(latent, qn, p);
                } else {
                    let density = self.log_density(&prior, latent.node, latent)?;
                    let cross = self.g.neg(density);
                    let cross = self.expect_sum(cross, &axes, latent.span)?;
                    let log_q = match q.entropy(&mut self.g) {
                        Some(h) => {
                            let n = self.g.neg(h);
                            self.expect_sum(n, &axes, latent.span)?
                        }
                        None => {
                            let log_q = self.log_density(&q, latent.node, latent)?;
                            self.expect_sum(log_q, &axes, latent.span)?
                        }
                    };
                    term.sum = self.g.add(cross.node, log_q.node);
                    term.sampled = cross.sampled || log_q.sampled;
                    term.reason = format!("E log q and E log p are known for {qn} against {p}");
                    if term.sampled {
                        term.estimator = "pathwise";
                        term.reason = format!("no KL({qn} ‖ {p}) is registered; {}", cross.reason);
                    }
                    term.formula = format!("KL(q({0}) ‖ p({0})) = E_q[log q({0}) − log p({0})]", latent.name);
                }
            }
            Posterior::Gaussian { log_jacobian, log_scale, .. } => {
                let z = self.after(latent.node);
                let density = self.log_density(&prior, z, latent)?;
                let target = self.g.add(density, *log_jacobian);
                let energy = self.g.neg(target);
                let e = self.expect_sum(energy, &axes, latent.span)?;
                let entropy = self.g.shift(*log_scale, 0.5 * (1.0 + (2.0 * std::f64::consts::PI).ln()));
                let entropy = self.g.broadcast(entropy, &axes);
                let entropy = self.g.sum_all_but(entropy, &[]);
                term.sum = self.g.sub(e.node, entropy);
                term.sampled = e.sampled;
                term.reason = format!("log {p} is linear or quadratic in a Gaussian; its entropy is log det");
                if e.sampled {
                    term.estimator = "pathwise, entropy exact";
                    term.reason = e.reason;
                }
                term.formula = formula::gaussian_rate(latent);
            }
        }
        self.note_bias(&mut term);
        Ok(term)
    }

    /// A registered KL is the rate only where the prior's parents do not descend from the latent in the guide.
    fn kl_is_valid(&self, latent: &Latent, prior: &Distribution) -> bool {
        let own = HashSet::from([latent.node]);
        let mut affected: HashSet<NodeId> = own.clone();
        loop {
            let before = affected.len();
            for (l, posterior) in self.program.latents.iter().zip(&self.realised.posteriors) {
                if let Posterior::Family(q) | Posterior::Prior(q) = posterior
                    && q.args.iter().any(|&a| self.g.depends_on(a, &affected))
                {
                    affected.insert(l.node);
                }
            }
            if affected.len() == before {
                break;
            }
        }
        affected.remove(&latent.node);
        !prior.args.iter().any(|&a| self.g.depends_on(a, &affected))
    }

    fn log_density(&mut self, d: &Distribution, x: NodeId, latent: &Latent) -> Result<NodeId, Underivable> {
        d.log_density(&mut self.g, x).ok_or_else(|| Underivable {
            message: format!(
                "the normalising constant of {} restricted to `{}` is not known",
                d.family.name(),
                latent.name
            ),
            span: latent.span,
            help: "use a family that has this support by itself".into(),
        })
    }

    /// The expectation of the sum of all elements; `axes` are at least the element axes.
    fn expect_sum(&mut self, element: NodeId, axes: &[Axis], span: fe_syntax::Span) -> Result<Expected, Underivable> {
        let element = self.g.broadcast(element, axes);
        let sum = self.g.sum_all_but(element, &[]);
        let mut e = self.expect(sum, span)?;
        e.node = self.g.sum_all_but(e.node, &[Axis::SAMPLE]);
        Ok(e)
    }

    fn distortion(&mut self, observe: &fe_check::Observe) -> Result<Term, Underivable> {
        let d = self.after_distribution(&observe.distribution);
        let x = self.after(observe.value);
        let before = self.g.set_origin(d.args.first().map(|&a| self.g.origin_of(a)).unwrap_or_default());
        let density = d.log_density(&mut self.g, x);
        self.g.set_origin(before);
        let density = density.ok_or_else(|| Underivable {
            message: format!("{} has no density here", d.family.name()),
            span: observe.span,
            help: "use another likelihood".into(),
        })?;
        let cost = self.g.neg(density);
        let local = self.has_rows(cost);
        let axes = self.g.axes_of(cost).to_vec();
        let e = self.expect_sum(cost, &axes, observe.span)?;
        let mut term = Term {
            name: observe.name.clone(),
            kind: TermKind::Distortion,
            span: observe.span,
            sum: e.node,
            local,
            sampled: e.sampled,
            penalty: false,
            estimator: if e.sampled { "pathwise" } else { "closed form" },
            reason: if e.sampled { e.reason } else { formula::why_closed(observe) },
            formula: formula::distortion(observe, !e.sampled, self.takes_expectations(observe), self.source),
            bias: None,
        };
        if !d.args.iter().any(|&a| self.g.depends_on(a, &self.random)) {
            term.estimator = "exact";
            term.reason = "nothing in it is random".into();
        }
        self.note_bias(&mut term);
        Ok(term)
    }

    /// Whether a Bernoulli likelihood reads data between 0 and 1, as expectations of binary ones.
    fn takes_expectations(&self, observe: &fe_check::Observe) -> bool {
        let between = |d: &fe_check::Data| d.node == observe.value && d.support != fe_distribution::Support::Bool;
        observe.distribution.family.name() == "Bernoulli" && self.program.data.iter().any(between)
    }

    fn loss(&mut self, loss: &fe_check::Loss) -> Result<Term, Underivable> {
        let node = self.after(loss.node);
        let local = self.has_rows(node);
        let axes = self.g.axes_of(node).to_vec();
        let e = self.expect_sum(node, &axes, loss.span)?;
        let mut term = Term {
            name: loss.name.clone(),
            kind: TermKind::Loss,
            span: loss.span,
            sum: e.node,
            local,
            sampled: e.sampled,
            penalty: false,
            estimator: if e.sampled { "pathwise" } else { "closed form" },
            reason: if e.sampled {
                e.reason
            } else {
                "it is linear or quadratic in values of known mean and variance".into()
            },
            formula: format!("E_q[{}]", formula::right_hand_side(self.source, loss.span)),
            bias: None,
        };
        self.note_bias(&mut term);
        Ok(term)
    }

    /// Names the bias of relaxed counts.
    fn note_bias(&self, term: &mut Term) {
        let relaxed = self.g.reachable(&[term.sum]).iter().find_map(|&n| match self.g.node(n).op {
            Op::Arrivals { indicator, .. } => Some(indicator),
            _ => None,
        });
        if let Some(indicator) = relaxed {
            let schedule = self.program.train.temperature.unwrap_or(Schedule::Constant(DEFAULT_TEMPERATURE));
            term.bias = Some(formula::relaxation_bias(indicator, schedule));
        }
    }

    fn energy(&mut self, latent: &Latent) -> Result<Energy, Underivable> {
        let axes = axis::sorted(&latent.axes);
        let z = self.after(latent.node);
        let e = self.expect_sum(z, &axes, latent.span)?;
        Ok(Energy { name: latent.name.clone(), sum: e.node, local: latent.is_local(self.program.row) })
    }

    /// A term per row: what is local by the rows of the batch, what is global by the rows of the data; averaged over
    /// samples.
    fn per_row(&mut self, sum: NodeId, local: bool, per_row: NodeId) -> NodeId {
        let mean = self.g.mean(sum, &[Axis::SAMPLE]);
        match self.program.row {
            Some(r) if local => {
                let n = self.g.extent(r.axis);
                self.g.div(mean, n)
            }
            _ => self.g.mul(per_row, mean),
        }
    }

    fn value(
        &mut self,
        terms: &[Term],
        energies: &[Energy],
        per_row: NodeId,
    ) -> Result<(NodeId, Vec<(fe_graph::InputId, Schedule)>), Underivable> {
        let mut controls = vec![];
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
            let mut parts = vec![];
            match functional {
                Functional::Rate(name) => {
                    for t in terms.iter().filter(|t| t.kind == TermKind::Rate) {
                        if name.as_ref().is_none_or(|n| *n == t.name) {
                            parts.push((t.sum, t.local));
                        }
                    }
                }
                Functional::Distortion(name) => {
                    for t in terms.iter().filter(|t| t.kind != TermKind::Rate) {
                        if name.as_ref().is_none_or(|n| *n == t.name) {
                            parts.push((t.sum, t.local));
                        }
                    }
                }
                Functional::Energy(name) => {
                    for e in energies {
                        if name.as_ref().is_none_or(|n| *n == e.name) {
                            parts.push((e.sum, e.local));
                        }
                    }
                }
            }
            for (sum, local) in parts {
                let part = self.per_row(sum, local, per_row);
                let part = self.g.mul(weight, part);
                value = self.g.add(value, part);
            }
        }
        Ok((value, controls))
    }

    /// A draw of a node, where one is known.
    fn drawn(&mut self, node: NodeId) -> Option<NodeId> {
        let node = self.after(node);
        let drawn = self.g.substitute(&[node], &self.draws).first().copied()?;
        let open: HashSet<NodeId> = self.random.iter().copied().collect();
        (!self.g.depends_on(drawn, &open)).then_some(drawn)
    }

    fn ledger(&mut self) -> Vec<LatentNodes> {
        let mut list = vec![];
        for (k, latent) in self.program.latents.iter().enumerate() {
            let axes = axis::sorted(&latent.axes);
            let Some(sample) = self.drawn(latent.node) else { continue };
            let sample = self.g.broadcast(sample, &axes);
            let prior = self.after_distribution(&latent.prior);
            let rate = match self.realised.posteriors.get(k).cloned() {
                Some(Posterior::Family(q)) => {
                    let q = self.after_distribution(&q);
                    q.kl(&mut self.g, &prior)
                }
                _ => None,
            };
            let rate = rate.and_then(|r| self.drawn(r)).map(|r| self.g.broadcast(r, &axes));
            let count = latent.support == fe_distribution::Support::Count;
            let prior_mean = if count {
                let m = prior.family.expectation(&mut self.g, Statistic::Value, &prior.args);
                m.and_then(|m| self.drawn(m)).map(|m| self.g.broadcast(m, &axes))
            } else {
                None
            };
            list.push(LatentNodes {
                name: latent.name.clone(),
                axes: latent.axes.clone(),
                local: latent.is_local(self.program.row),
                count,
                sample,
                rate,
                prior_mean,
                guide: self.realised.names.get(k).cloned().unwrap_or_default(),
            });
        }
        list
    }

    fn reported(&mut self, named: &[fe_check::Named]) -> Vec<Reported> {
        let mut list = vec![];
        for n in named {
            if let Some(node) = self.drawn(n.node) {
                list.push(Reported { name: n.name.clone(), axes: n.axes.clone(), node });
            }
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
        for (latent, posterior) in self.program.latents.iter().zip(self.realised.posteriors.clone()) {
            let joint = matches!(posterior, Posterior::Gaussian { .. });
            let fits = size(&self.g, &latent.axes) <= TABLE_LIMIT;
            if fits && (joint || !latent.is_local(row)) && !(batched && latent.is_local(row)) {
                shown.insert(latent.node);
                if let Some(node) = self.drawn(latent.node) {
                    let node = self.g.broadcast(node, &latent.axes);
                    list.push(Reported { name: latent.name.clone(), axes: latent.axes.clone(), node });
                }
            }
        }
        let hidden: HashSet<NodeId> =
            self.program.latents.iter().map(|l| l.node).filter(|n| !shown.contains(n)).collect();
        for l in &self.program.lets {
            let follows = self.g.depends_on(l.node, &shown) && !self.g.depends_on(l.node, &hidden);
            let rows = row.is_some_and(|r| l.axes.contains(&Axis::plain(r.axis)));
            if follows
                && !(batched && rows)
                && size(&self.g, &l.axes) <= TABLE_LIMIT
                && let Some(node) = self.drawn(l.node)
            {
                list.push(Reported { name: l.name.clone(), axes: l.axes.clone(), node });
            }
        }
        list
    }

    /// Likelihood means with every latent at its guide's mean.
    fn decoded(&mut self) -> Vec<(NodeId, NodeId)> {
        let mut means: HashMap<NodeId, NodeId> = HashMap::new();
        for group in &self.realised.groups {
            let zero = self.g.full(0.0, &[group.axis]);
            means.insert(group.noise, zero);
        }
        for _ in 0..self.program.latents.len() {
            for (latent, posterior) in self.program.latents.iter().zip(self.realised.posteriors.clone()) {
                if let Posterior::Family(q) | Posterior::Prior(q) = posterior {
                    let q = self.after_distribution(&q);
                    let args = self.g.substitute(&q.args, &means);
                    if let Some(m) = q.family.expectation(&mut self.g, Statistic::Value, &args) {
                        let m = self.g.broadcast(m, &latent.axes);
                        means.insert(latent.node, m);
                    }
                }
            }
        }
        let mut list = vec![];
        for observe in &self.program.observes {
            let (x, d) = (self.after(observe.value), self.after_distribution(&observe.distribution));
            if !self.has_rows(x) || observe.axes.len() < 2 || d.family.name() == "Categorical" {
                continue;
            }
            let args = self.g.substitute(&d.args, &means);
            let Some(m) = d.family.expectation(&mut self.g, Statistic::Value, &args) else { continue };
            let axes = self.g.axes_of(x).to_vec();
            let m = self.g.broadcast(m, &axes);
            if !self.g.depends_on(m, &self.random) {
                list.push((x, m));
            }
        }
        list
    }

    /// log p(x, z) − log q(z) of each sample.
    fn log_weight(&mut self) -> Option<NodeId> {
        let size: usize = self
            .program
            .latents
            .iter()
            .map(|l| l.axes.iter().map(|a| self.g.extent_of(a.id)).product::<usize>())
            .fold(0, usize::saturating_add);
        if self.program.train.batch.is_some() || size > guides::FULL_RANK_LIMIT || size == 0 {
            return None;
        }
        let mut total = self.g.constant(0.0);
        for (latent, posterior) in self.program.latents.iter().zip(self.realised.posteriors.clone()) {
            let axes = axis::sorted(&latent.axes);
            let prior = self.after_distribution(&latent.prior);
            let z = self.after(latent.node);
            let part = match posterior {
                Posterior::Point => return None,
                Posterior::Prior(_) => self.g.constant(0.0),
                Posterior::Family(q) => {
                    let q = self.after_distribution(&q);
                    let p = prior.log_density(&mut self.g, z)?;
                    let q = q.log_density(&mut self.g, z)?;
                    self.g.sub(p, q)
                }
                Posterior::Gaussian { log_jacobian, log_scale, noise, .. } => {
                    let p = prior.log_density(&mut self.g, z)?;
                    let p = self.g.add(p, log_jacobian);
                    let n = self.g.log_normal_pdf(noise);
                    let q = self.g.sub(n, log_scale);
                    self.g.sub(p, q)
                }
            };
            let part = self.g.broadcast(part, &axes);
            let part = self.g.sum_all_but(part, &[]);
            total = self.g.add(total, part);
        }
        for observe in &self.program.observes {
            let (x, d) = (self.after(observe.value), self.after_distribution(&observe.distribution));
            let density = d.log_density(&mut self.g, x)?;
            let density = self.g.sum_all_but(density, &[]);
            total = self.g.add(total, density);
        }
        for loss in &self.program.losses {
            let cost = self.after(loss.node);
            let cost = self.g.sum_all_but(cost, &[]);
            total = self.g.sub(total, cost);
        }
        let drawn = self.g.substitute(&[total], &self.draws).first().copied()?;
        (!self.g.depends_on(drawn, &self.random)).then_some(drawn)
    }

    fn joints(&mut self) -> Result<Vec<Joint>, Underivable> {
        let mut list = vec![];
        for group in std::mem::take(&mut self.realised.groups) {
            let (point, at) = self.g.input("point", &[group.axis]);
            let (direction, along) = self.g.input("direction", &[group.axis]);
            let mut energy = self.g.constant(0.0);
            for (latent, posterior) in self.program.latents.iter().zip(self.realised.posteriors.clone()) {
                let prior = self.after_distribution(&latent.prior);
                let z = self.after(latent.node);
                let mut density = self.log_density(&prior, z, latent)?;
                if let Posterior::Gaussian { log_jacobian, .. } = posterior {
                    density = self.g.add(density, log_jacobian);
                }
                let density = self.g.broadcast(density, &latent.axes);
                let density = self.g.sum_all_but(density, &[]);
                energy = self.g.sub(energy, density);
            }
            for observe in &self.program.observes {
                let (x, d) = (self.after(observe.value), self.after_distribution(&observe.distribution));
                if let Some(density) = d.log_density(&mut self.g, x) {
                    let density = self.g.sum_all_but(density, &[]);
                    energy = self.g.sub(energy, density);
                }
            }
            for loss in &self.program.losses {
                let cost = self.after(loss.node);
                let cost = self.g.sum_all_but(cost, &[]);
                energy = self.g.add(energy, cost);
            }
            let energy = self.g.substitute(&[energy], &HashMap::from([(group.value, at)]));
            let mut energy = energy.first().copied().unwrap_or(at);
            // What else is random is drawn from its guide: the curvature then is an average over those draws.
            let alone = !self.g.depends_on(energy, &self.random);
            if !alone {
                energy = self.g.substitute(&[energy], &self.draws).first().copied().unwrap_or(energy);
                energy = self.g.mean(energy, &[Axis::SAMPLE]);
            }
            let failed = |e: fe_graph::DerivativeError| Underivable {
                message: format!("the joint density cannot be differentiated: {e}"),
                span: fe_syntax::Span::default(),
                help: "report this program".into(),
            };
            let gradient = self.g.gradient(energy, &[at]).map_err(failed)?.first().copied().unwrap_or(at);
            let slope = self.g.mul(gradient, along);
            let slope = self.g.sum_all_but(slope, &[]);
            let product = self.g.gradient(slope, &[at]).map_err(failed)?.first().copied().unwrap_or(at);
            list.push(Joint {
                axis: group.axis,
                dimension: group.dimension,
                blocks: group.blocks,
                base: group.base,
                curvature: group.curvature,
                site: group.site,
                point,
                energy,
                energy_gradient: gradient,
                direction,
                energy_product: product,
                curvature_known: !self.g.depends_on(energy, &self.random),
                alone,
            });
        }
        Ok(list)
    }
}

impl Objective {
    /// Every node that is run, in a fixed order; see [`Objective::set_roots`].
    pub fn roots(&self) -> Vec<NodeId> {
        let mut roots = vec![self.value];
        roots.extend(&self.gradient);
        roots.extend(self.terms.iter().map(|t| t.sum));
        roots.extend(self.energies.iter().map(|e| e.sum));
        for l in &self.latents {
            roots.push(l.sample);
            roots.extend(l.rate);
            roots.extend(l.prior_mean);
        }
        roots.extend(self.meters.iter().chain(&self.posterior).map(|m| m.node));
        roots.extend(self.decoded.iter().flat_map(|&(x, m)| [x, m]));
        roots.extend(self.log_weight);
        for j in &self.joints {
            roots.extend([j.energy, j.energy_gradient, j.energy_product]);
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
        for l in &mut self.latents {
            put(&mut l.sample);
            l.rate.as_mut().map(&mut put);
            l.prior_mean.as_mut().map(&mut put);
        }
        self.meters.iter_mut().chain(&mut self.posterior).for_each(|m| put(&mut m.node));
        for (x, m) in &mut self.decoded {
            put(x);
            put(m);
        }
        self.log_weight.as_mut().map(&mut put);
        for j in &mut self.joints {
            put(&mut j.energy);
            put(&mut j.energy_gradient);
            put(&mut j.energy_product);
        }
    }
}
