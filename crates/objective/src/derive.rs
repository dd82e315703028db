//! The free energy of a program: every term with the best estimator that applies, and the graph of the whole.

use std::collections::{HashMap, HashSet};

use fe_check::{Nuts, Program};
use fe_distribution::Support;
use fe_graph::{Axis, Graph, InputId, NodeId, Op, Site};
use fe_syntax::Span;

use crate::deriver::{Deriver, Inputs};
use crate::drawing;
use crate::enumerated::Enumeration;
use crate::enumeration;
use crate::estimate::Drawn;
use crate::expectation::Expectation;
use crate::guide;
use crate::guide::Attempt;
use crate::guide::types::{JointPart, Posterior};
use crate::messages;
use crate::objective::{Guides, Minimised, Objective, Prepared, ReportNodes, Sampled, Spikes, Term, Underivable};
use crate::prepare;
use crate::refinement;
use crate::weights::Weights;

/// Derives the free energy.
///
/// # Errors
/// Where a term has no estimator yet, with its place.
pub fn derive(program: &Program, source: &str) -> Result<Objective, Underivable> {
    let mut failed = None;
    for attempt in Attempt::all(program) {
        match derive_with(program, source, attempt) {
            Ok(objective) => return Ok(objective),
            Err(error) => failed = Some(error),
        }
    }
    // What is wrong with the last is wrong with the program.
    Err(failed.unwrap_or_else(|| messages::fault("nothing was tried", Span::default())))
}

fn derive_with(program: &Program, source: &str, attempt: Attempt) -> Result<Objective, Underivable> {
    let handled = refinement::handled(program);
    let program = handled.as_ref().map_or(program, |h| &h.program);
    let mut g = program.graph.clone();
    let inputs = Inputs { temperature: g.input("temperature", &[]), per_row: g.input("1/rows", &[]) };
    let (statistics, mut prepared) = prepare::statistics(&mut g, program, &roots_of(program));
    let mut d = Deriver::new(program, source, g, statistics, (inputs.temperature.1, attempt))?;
    let terms = d.terms()?;
    let spikes = d.spikes()?;
    let mut minimised = d.minimised(&terms, &spikes, inputs)?;
    if let Some((_, training)) = program.training {
        let on = d.g.constant(1.0);
        let value = d.g.substitute(&[minimised.value], &HashMap::from([(training, on)]));
        minimised.value = value.first().copied().unwrap_or(minimised.value);
    }
    let terms = terms.into_iter().map(|t| t.of).collect();
    let spikes = spikes.into_iter().map(|e| e.of).collect();
    let mut objective = d.objective(terms, spikes, minimised)?;
    if let Some(handled) = &handled {
        objective.descend(handled)?;
    }
    objective.differentiate(program)?;
    objective.hoist(program, &mut prepared);
    objective.prepared = prepared;
    objective.settle();
    objective.add_density();
    if let Some(nuts) = program.nuts {
        let density = objective.pull_back(program)?;
        objective.notes.push(taken_by_chains(nuts));
        objective.sampled = Some(Sampled { density, nuts });
    }
    Ok(objective)
}

/// What is said of chains in the place of a guide.
fn taken_by_chains(nuts: Nuts) -> String {
    let Nuts { draws, warmup, chains, .. } = nuts;
    format!(
        "the posterior is taken by NUTS: {chains} chains of {draws} draws after {warmup} of adaptation, in the noise of the guides \
         above, which are fitted first; F, D and R are those of the guides"
    )
}

/// A program's graph with the statistics that it takes of its training rows as inputs, for rows that are none of these.
pub struct WithStatistics {
    /// The program's graph, with the inputs.
    pub graph: Graph,
    /// The input that stands for each statistic.
    pub replaced: HashMap<NodeId, NodeId>,
    /// The inputs, with the names under which an objective's problem has them.
    pub inputs: Vec<(String, InputId)>,
}

impl WithStatistics {
    /// Those of a program, in the order in which [`derive()`] finds them.
    pub fn of(program: &Program) -> Self {
        let mut graph = program.graph.clone();
        let (replaced, prepared) = prepare::statistics(&mut graph, program, &roots_of(program));
        let name = |input: InputId| graph.input_info(input).map(|i| i.name.clone()).unwrap_or_default();
        let inputs = prepared.iter().map(|p| (name(p.input), p.input)).collect();
        Self { graph, replaced, inputs }
    }
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
    roots.extend(program.refinements.iter().map(|r| r.from));
    for o in &program.observes {
        roots.push(o.value);
        roots.extend(&o.distribution.args);
    }
    roots.extend(program.losses.iter().map(|l| l.node));
    roots.extend(program.lets.iter().chain(&program.meters).map(|n| n.node));
    roots
}

impl<'a> Deriver<'a> {
    /// The derivation of a program whose guides are built and whose finite latents are summed out.
    fn new(
        program: &'a Program,
        source: &'a str,
        mut g: Graph,
        mut replaced: HashMap<NodeId, NodeId>,
        (temperature, attempt): (NodeId, Attempt),
    ) -> Result<Self, Underivable> {
        let mut realised = guide::realise(&mut g, program, &replaced, attempt)?;
        replaced.extend(realised.replaced.iter().map(|(&a, &b)| (a, b)));
        realised.replaced = replaced.clone();
        let laws = realised.laws(&mut g, program);
        let random: HashSet<NodeId> = laws.keys().copied().collect();
        let draws = drawing::draws(&mut g, program, &realised, temperature, None)?;
        // In batches the rows' own noise is larger than that of one draw, which costs a fraction of the points.
        let whole = program.train.batch.is_none() && program.train.holdout.is_none();
        let row = program.row.map(|r| Axis::plain(r.axis));
        let expectation = Expectation::new(laws, row, whole);
        let given = Expectation::new(realised.conditional_laws(&mut g, &draws.of), row, whole);
        let weights = Weights::new(&mut g, program);
        let mut d = Self {
            g,
            program,
            source,
            realised,
            replaced,
            expectation,
            given,
            draws: draws.of,
            scored: draws.scored,
            softened: draws.softened,
            arrivals: draws.arrivals,
            random,
            enumeration: Enumeration::default(),
            weights,
            chosen: None,
        };
        // What is made of the sums belongs to the first latent that is summed out.
        let first = program.latents.iter().enumerate().find(|(k, _)| d.is_enumerated(*k));
        let before = d.g.set_origin(first.map(|(_, l)| d.g.origin_of(l.node)).unwrap_or_default());
        d.enumeration = d.enumerate()?;
        d.g.set_origin(before);
        d.random.extend(d.enumerated_nodes());
        for (k, summed) in &d.enumeration.latents {
            if let (Some(latent), Some(draw)) = (program.latents.get(*k), summed.draw) {
                d.draws.insert(latent.node, draw);
            }
        }
        Ok(d)
    }

    /// Every term, in the order of the ledger: rates, distortions, losses.
    fn terms(&mut self) -> Result<Vec<Drawn<Term>>, Underivable> {
        let program = self.program;
        let mut terms = vec![];
        for (k, latent) in program.latents.iter().enumerate() {
            terms.push(self.rate(k, latent)?);
        }
        for (k, observe) in program.observes.iter().enumerate() {
            terms.push(self.distortion(k, observe)?);
        }
        for (k, loss) in program.losses.iter().enumerate() {
            terms.push(self.loss(k, loss)?);
        }
        Ok(terms)
    }

    /// Expected counts of every latent that counts.
    fn spikes(&mut self) -> Result<Vec<Drawn<Spikes>>, Underivable> {
        let program = self.program;
        let counts = program.latents.iter().enumerate().filter(|(_, l)| l.support == Support::Count);
        counts.map(|(k, latent)| self.spikes_of(k, latent)).collect()
    }

    /// The objective, with everything that is reported beside its terms; not yet differentiated.
    fn objective(
        mut self,
        terms: Vec<Term>,
        spikes: Vec<Spikes>,
        minimised: Minimised,
    ) -> Result<Objective, Underivable> {
        let program = self.program;
        // Terms are done: what is drawn from here on is read.
        let chosen = self.choose_draws();
        let latents = self.ledger(&terms);
        let mut report = self.report_nodes();
        report.log_weight = chosen.or(report.log_weight);
        let modes = self.mode_searches();
        let joints = self.joints()?;
        let chains = self.chains()?;
        let readouts = self.readouts();
        let losses = self.losses_along();
        let report = ReportNodes { readouts, losses, ..report };
        let up_to_constant = program.latents.iter().any(|l| l.prior.family.is_improper());
        let mut notes = std::mem::take(&mut self.realised.notes);
        if up_to_constant {
            notes.push("a Flat prior is not normalised: the free energy is known up to a constant".into());
        }
        let posteriors = program.latents.iter().zip(&self.realised.posteriors);
        let non_centred = posteriors
            .filter(|(_, p)| matches!(p, Posterior::Joint(JointPart { log_prior: Some(_), .. })))
            .map(|(l, _)| l.name.clone())
            .collect();
        // What is drawn of exact conditionals, of finite latents too.
        let summed = program.latents.iter().enumerate().filter(|(k, _)| self.is_enumerated(*k));
        let summed: Vec<Site> = summed.flat_map(|(_, l)| enumeration::sites(l)).collect();
        let eliminated = self.realised.eliminated.iter().map(|e| e.site).chain(summed).chain(self.chosen).collect();
        let exact = latents.iter().filter(|l| l.guide.is_exact() && !l.local && program.row.is_some());
        let of_all_rows = exact.map(|l| l.name.clone()).collect();
        let kept = self.kept_chance();
        let mut parameters = guide::declared(program);
        parameters.append(&mut self.realised.parameters);
        let mut objective = Objective {
            graph: self.g,
            row: program.row,
            parameters,
            prepared: vec![],
            terms,
            spikes,
            minimised,
            guides: Guides { latents, joints, chains, non_centred, eliminated, modes, of_all_rows, kept },
            report,
            descent: None,
            density: None,
            sampled: None,
            up_to_constant,
            notes,
        };
        if objective.report.log_weight.is_some() && !objective.is_free_energy() {
            objective.report.log_weight = None;
            objective.notes.push(
                "what is minimised is not the free energy alone, so the guide is not meant to be the posterior, and no k̂ judges it".into(),
            );
        }
        if objective.report.log_weight.is_some() && !objective.guides.kept.is_empty() {
            objective.report.log_weight = None;
            objective.notes.push(format!(
                "the chance of {} is kept as it is, so the guide is a controller and not meant to be the posterior, and no k̂ \
                 judges it",
                objective.guides.kept.join(", ")
            ));
        }
        Ok(objective)
    }
}

impl Deriver<'_> {
    /// Latents with `guide = prior` that losses depend on, beside others that are chosen.
    fn kept_chance(&self) -> Vec<String> {
        let program = self.program;
        let prior = |l: &&fe_check::Latent| matches!(l.guide, fe_check::Guide::Prior);
        let chosen = program.latents.iter().any(|l| !prior(&l));
        let paid = |l: &&fe_check::Latent| {
            let own = HashSet::from([l.node]);
            program.losses.iter().any(|loss| program.graph.depends_on(loss.node, &own))
        };
        let kept = program.latents.iter().filter(prior).filter(paid).map(|l| l.name.clone());
        if chosen && program.observes.is_empty() { kept.collect() } else { vec![] }
    }
}

impl Objective {
    fn differentiate(&mut self, program: &Program) -> Result<(), Underivable> {
        let inputs: Vec<NodeId> = self
            .parameters
            .iter()
            .map(|p| p.input)
            .collect::<Vec<_>>()
            .into_iter()
            .map(|i| self.graph.input_node(i))
            .collect();
        let gradient = self.graph.gradient(self.minimised.value, &inputs);
        let span = program.objective.span.unwrap_or_default();
        self.minimised.gradient = gradient.map_err(|e| messages::no_derivative("the objective", &e, span))?;
        Ok(())
    }

    /// Takes costly expressions of data alone out of everything that is run.
    fn hoist(&mut self, program: &Program, prepared: &mut Vec<Prepared>) {
        let mut roots = vec![];
        self.each_node(|n| roots.push(*n));
        prepare::hoist(&mut self.graph, program, prepared, &mut roots);
        let mut new = roots.into_iter();
        self.each_node(|n| {
            if let Some(root) = new.next() {
                *n = root;
            }
        });
    }

    /// Finds out whether the objective has noise.
    fn settle(&mut self) {
        let g = &self.graph;
        self.minimised.deterministic = !g
            .reachable(&[self.minimised.value])
            .iter()
            .any(|&n| matches!(g.node(n).op, Op::Noise { .. } | Op::Arrivals { .. }));
    }
}
