//! The terms of the free energy, each with the best estimator that applies.

use std::collections::HashSet;

use fe_check::{Latent, Schedule};
use fe_distribution::Distribution;
use fe_graph::{Axis, Indicator, NodeId, Op, Origin, Reach, axis};
use fe_syntax::Span;

use crate::deriver::{DEFAULT_TEMPERATURE, Deriver};
use crate::enumerated::Source;
use crate::estimate::{Drawn, Estimate};
use crate::estimator::{Estimator, Remainder};
use crate::formula;
use crate::guide::kind::Turn;
use crate::guide::types::{Carrier, JointPart, Posterior};
use crate::influence::is_periodic;
use crate::messages;
use crate::objective::{Spikes, Term, TermKind, Underivable};

/// Why the rate of a latent that is summed out in time order is exact.
fn why_in_turn(turn: Turn) -> &'static str {
    match turn {
        Turn::Chance => "the guide is the prior, whose values are summed over",
        Turn::Best(_) => "every value is summed over, last step first: the guide is the best there is",
        Turn::Stated { .. } => "every value is summed over under the stated guide",
    }
}

/// Why the rate of what is taken at its mode is a mean over draws of the others.
const AT_MODE: &str = "its guide is the Gaussian at its mode given the latents that are drawn";

/// What is known of a term before its expectation is.
struct Heading<'t> {
    name: &'t str,
    kind: TermKind,
    span: Span,
    local: bool,
    penalty: bool,
}

/// A term's expectation and its text in paper notation.
struct Written {
    estimate: Estimate,
    formula: String,
}

impl Deriver<'_> {
    pub(crate) fn rate(&mut self, k: usize, latent: &Latent) -> Result<Drawn<Term>, Underivable> {
        let before = self.g.set_origin(self.g.origin_of(latent.node));
        let term = self.rate_term(k, latent);
        self.g.set_origin(before);
        term
    }

    fn rate_term(&mut self, k: usize, latent: &Latent) -> Result<Drawn<Term>, Underivable> {
        let posterior = self.realised.posteriors.get(k).cloned().unwrap_or(Posterior::Point);
        let prior = self.after_distribution(&latent.prior);
        let written = match &posterior {
            Posterior::Prior(_) => self.rate_of_prior(latent),
            Posterior::Enumerated => self.rate_of_enumerated(k, latent)?,
            Posterior::Point => self.rate_of_point(k, latent, &prior)?,
            Posterior::Family(q) => self.rate_of_family(k, latent, &prior, q)?,
            Posterior::Joint(part) => self.rate_of_joint(k, latent, &prior, *part)?,
        };
        let heading = Heading {
            name: &latent.name,
            kind: TermKind::Rate,
            span: latent.guide_span.unwrap_or(latent.span),
            local: latent.is_local(self.program.row),
            penalty: matches!(posterior, Posterior::Point),
        };
        Ok(self.term(&heading, written))
    }

    fn rate_of_prior(&mut self, latent: &Latent) -> Written {
        let estimate = Estimate {
            value: self.g.constant(0.0),
            estimator: Estimator::ClosedForm,
            reason: "the guide is the prior".into(),
            draws: vec![],
        };
        Written { estimate, formula: format!("KL(p({0}) ‖ p({0})) = 0", latent.name) }
    }

    fn rate_of_enumerated(&mut self, k: usize, latent: &Latent) -> Result<Written, Underivable> {
        let zero = self.g.constant(0.0);
        let log_q = self.enumeration.latents.get(&k).map_or(zero, |s| s.log_q);
        let log_p = self.enumeration.expected.get(&Source::Prior(k)).copied().unwrap_or(zero);
        let log_p = self.g.sum_all_but(log_p, &[]);
        let mut kl = self.g.sub(log_q, log_p);
        // Of a density, which is a probability over the distance of points.
        let width = self.enumeration.expected.get(&Source::Width(k)).copied();
        if let Some(width) = width {
            let width = self.g.sum_all_but(width, &[]);
            kl = self.g.sub(kl, width);
        }
        let e = self.expect(kl, &[], latent.span)?;
        if width.is_some() {
            let estimate = e.at_points();
            return Ok(Written { estimate, formula: format!("E KL(p({0} | all else) ‖ p({0}))", latent.name) });
        }
        if let Some(turn) = self.realised.in_turn.get(&k) {
            let (name, estimate) = (&latent.name, e.enumerated(why_in_turn(*turn)));
            return Ok(Written { estimate, formula: format!("KL(q({name} | what it sees) ‖ p({name}))") });
        }
        let why = "every value is summed over: the guide is the exact conditional";
        let estimate = if e.is_sampled() {
            let reason = format!("{why}; what they depend on is drawn ({})", e.reason);
            Estimate { estimator: Estimator::Enumeration(Remainder::DrawnParents), reason, ..e }
        } else {
            e.enumerated(why)
        };
        Ok(Written { estimate, formula: format!("KL(p({0} | all else) ‖ p({0}))", latent.name) })
    }

    fn rate_of_point(&mut self, k: usize, latent: &Latent, prior: &Distribution) -> Result<Written, Underivable> {
        let density = self.prior_density(k, prior, latent)?;
        let penalty = self.g.neg(density);
        let e = self.expect(penalty, &axis::sorted(&latent.axes), latent.span)?;
        let why = "a point guide: the rate is −log p at the point, a penalty and not information";
        let estimate = if e.is_sampled() {
            Estimate { estimator: self.by_draws_of(e.value), reason: why.into(), ..e }
        } else {
            e.closed(Estimator::Exact, why)
        };
        Ok(Written { estimate, formula: format!("−log p({0}) at {0} = point", latent.name) })
    }

    fn rate_of_family(
        &mut self,
        k: usize,
        latent: &Latent,
        prior: &Distribution,
        q: &Distribution,
    ) -> Result<Written, Underivable> {
        let q = self.after_distribution(q);
        let (qn, p) = (q.family.name(), prior.family.name());
        let axes = axis::sorted(&latent.axes);
        let registered = if self.kl_is_valid(k, latent) { q.kl(&mut self.g, prior) } else { None };
        if let Some(kl) = registered {
            let e = self.expect(kl, &axes, latent.span)?;
            let why = format!("KL({qn} ‖ {p}) is registered");
            let estimate = if e.is_sampled() {
                let reason = format!("{why}; what it depends on is drawn ({})", e.reason);
                Estimate { estimator: Estimator::ClosedFormGivenDraws, reason, ..e }
            } else {
                e.closed(Estimator::ClosedForm, &why)
            };
            return Ok(Written { estimate, formula: formula::kl(latent, q.family, prior.family) });
        }
        let density = self.prior_density(k, prior, latent)?;
        let cross = self.g.neg(density);
        let cross = self.expect(cross, &axes, latent.span)?;
        let log_q = match q.entropy(&mut self.g) {
            Some(h) => {
                let n = self.g.neg(h);
                self.expect(n, &axes, latent.span)?
            }
            None => {
                let z = self.after(latent.node);
                let log_q = self.log_density(&q, z, latent)?;
                self.expect(log_q, &axes, latent.span)?
            }
        };
        let value = self.g.add(cross.value, log_q.value);
        let estimate = if cross.is_sampled() || log_q.is_sampled() {
            let reason = format!("no KL({qn} ‖ {p}) is registered; {}", cross.reason);
            let draws = [cross.draws, log_q.draws].concat();
            Estimate { value, estimator: self.by_draws_of(value), reason, draws }
        } else {
            let why = format!("E log q and E log p are known for {qn} against {p}");
            cross.with(log_q, value).closed(Estimator::ClosedForm, &why)
        };
        let formula = format!("KL(q({0}) ‖ p({0})) = E_q[log q({0}) − log p({0})]", latent.name);
        Ok(Written { estimate, formula })
    }

    fn rate_of_joint(
        &mut self,
        k: usize,
        latent: &Latent,
        prior: &Distribution,
        part: JointPart,
    ) -> Result<Written, Underivable> {
        let JointPart { of, log_jacobian, entropy, log_prior, .. } = part;
        let target = match log_prior {
            Some(density) => self.g.sum_all_but(density, &[]),
            None => {
                // On the unconstrained scale a vector may have fewer elements.
                let density = self.prior_density(k, prior, latent)?;
                let density = self.g.broadcast(density, &axis::sorted(&latent.axes));
                let density = self.g.sum_all_but(density, &[]);
                let log_jacobian = self.g.sum_all_but(log_jacobian, &[]);
                self.g.add(density, log_jacobian)
            }
        };
        let potential = self.g.neg(target);
        let e = self.expect(potential, &[], latent.span)?;
        let kind = match of {
            Carrier::Group(group) => self.realised.groups.get(group).map(|x| x.kind),
            Carrier::Chain(_) | Carrier::Conditional | Carrier::Around => None,
        };
        let entropy = self.expect(entropy, &[], latent.span)?;
        let value = self.g.sub(e.value, entropy.value);
        let formula = match of {
            Carrier::Conditional => format!("E KL(p({0} | all else) ‖ p({0}))", latent.name),
            Carrier::Around => format!("E KL(q({0} | all else) ‖ p({0}))", latent.name),
            _ => formula::joint_rate(latent, kind, log_prior.is_some()),
        };
        let exact = matches!(of, Carrier::Conditional);
        let given = exact || matches!(of, Carrier::Around);
        let estimate = match (e.is_sampled(), entropy.is_sampled()) {
            _ if given && self.g.has_axis(value, Axis::SAMPLE) => Estimate {
                value,
                estimator: if exact { Estimator::Elimination } else { Estimator::AtMode },
                reason: if exact {
                    "its guide is its exact conditional given the latents that are drawn".into()
                } else {
                    AT_MODE.into()
                },
                draws: [e.draws, entropy.draws].concat(),
            },
            (false, false) => {
                let p = prior.family.name();
                let why = format!("log {p} is linear or quadratic in a Gaussian; its entropy is log det");
                e.with(entropy, value).closed(Estimator::ClosedForm, &why)
            }
            (true, false) => {
                let estimator = Estimator::Draws { gradient: self.gradient_of_draws(value), entropy_exact: true };
                Estimate { value, estimator, ..e }
            }
            (_, true) => Estimate {
                value,
                estimator: self.by_draws_of(value),
                reason: "a flow bends the noise: its volume is exact, and averaged over draws".into(),
                draws: [e.draws, entropy.draws].concat(),
            },
        };
        Ok(Written { estimate, formula })
    }

    /// A registered KL is the rate only where the prior's parents do not descend from the latent in the guide. Along a
    /// loop that latents are drawn in together, what was drawn before descends from none of what comes after.
    pub(crate) fn kl_is_valid(&self, k: usize, latent: &Latent) -> bool {
        let mut affected = HashSet::from([latent.node]);
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
        affected.extend(self.enumerated_nodes());
        if let Some(together) = self.realised.loops.iter().find(|l| l.members.contains(&k)) {
            for &j in &together.members {
                let Some(other) = self.program.latents.get(j) else { continue };
                let drawn_before = Reach::UpTo(if j < k { 0 } else { -1 });
                if latent.prior.args.iter().any(|&a| self.g.reach(a, other.node, together.axis) > drawn_before) {
                    return false;
                }
                affected.remove(&other.node);
            }
        }
        !latent.prior.args.iter().any(|&a| self.g.depends_on(a, &affected))
    }

    /// log p(z) of a latent at its value, expected over the finite latents it depends on.
    fn prior_density(&mut self, k: usize, prior: &Distribution, latent: &Latent) -> Result<NodeId, Underivable> {
        if let Some(&expected) = self.enumeration.expected.get(&Source::Prior(k)) {
            return Ok(expected);
        }
        let z = self.after(latent.node);
        self.log_density(prior, z, latent)
    }

    pub(crate) fn log_density(&mut self, d: &Distribution, x: NodeId, latent: &Latent) -> Result<NodeId, Underivable> {
        let density = d.log_density(&mut self.g, x);
        density.ok_or_else(|| messages::fault(format!("the prior of `{}` has no density", latent.name), latent.span))
    }

    /// log p(x) of a likelihood, at the place of its statement.
    pub(crate) fn likelihood(
        &mut self,
        d: &Distribution,
        x: NodeId,
        observe: &fe_check::Observe,
    ) -> Result<NodeId, Underivable> {
        let statement = self.program.origins.iter().position(|&s| s == observe.span).unwrap_or_default();
        let before = self.g.set_origin(Origin(u32::try_from(statement).unwrap_or_default()));
        let density = d.log_density(&mut self.g, x);
        self.g.set_origin(before);
        density.ok_or_else(|| messages::fault(format!("{} has no density", d.family.name()), observe.span))
    }

    pub(crate) fn distortion(&mut self, k: usize, observe: &fe_check::Observe) -> Result<Drawn<Term>, Underivable> {
        let d = self.after_distribution(&observe.distribution);
        let x = self.after(observe.value);
        let summed_out = self.enumeration.expected.get(&Source::Observe(k)).copied();
        let density = match summed_out {
            Some(expected) => expected,
            None => self.likelihood(&d, x, observe)?,
        };
        let cost = self.g.neg(density);
        let local = self.has_rows(cost);
        let axes = self.g.axes_of(cost).to_vec();
        let e = self.expect(cost, &axes, observe.span)?;
        let closed = !e.is_sampled();
        let at_points = self.at_points(&observe.distribution.args);
        let estimate = if summed_out.is_some() && at_points {
            e.at_points()
        } else if summed_out.is_some() || e.is_enumerated() {
            e.summed_out()
        } else if !d.args.iter().any(|&a| self.g.depends_on(a, &self.random)) {
            e.closed(Estimator::Exact, "nothing in it is random")
        } else if closed {
            e.closed(Estimator::ClosedForm, &formula::why_closed(observe))
        } else {
            e
        };
        let formula = formula::distortion(observe, closed, self.takes_expectations(observe), self.source);
        let heading =
            Heading { name: &observe.name, kind: TermKind::Distortion, span: observe.span, local, penalty: false };
        Ok(self.term(&heading, Written { estimate, formula }))
    }

    /// Whether some nodes of the program read a latent that is integrated at points.
    fn at_points(&self, nodes: &[NodeId]) -> bool {
        let latents = self.realised.points.keys().filter_map(|&k| self.program.latents.get(k)).map(|l| l.node);
        let latents: HashSet<NodeId> = latents.collect();
        nodes.iter().any(|&n| self.g.depends_on(n, &latents))
    }

    /// Whether a likelihood of binary data reads data between 0 and 1, as expectations of binary ones.
    pub(crate) fn takes_expectations(&self, observe: &fe_check::Observe) -> bool {
        let between = |d: &fe_check::Data| d.node == observe.value && d.support != fe_distribution::Support::Bool;
        observe.distribution.family.expectations().is_some() && self.program.data.iter().any(between)
    }

    pub(crate) fn loss(&mut self, k: usize, loss: &fe_check::Loss) -> Result<Drawn<Term>, Underivable> {
        let summed_out = self.enumeration.expected.get(&Source::Loss(k)).copied();
        let node = match summed_out {
            Some(expected) => self.g.neg(expected),
            None => self.after(loss.node),
        };
        let local = self.has_rows(node);
        let axes = self.g.axes_of(node).to_vec();
        let e = self.expect(node, &axes, loss.span)?;
        let at_points = self.at_points(&[loss.node]);
        let estimate = if summed_out.is_some() && at_points {
            e.at_points()
        } else if summed_out.is_some() || e.is_enumerated() {
            e.summed_out()
        } else if e.is_sampled() {
            e
        } else {
            e.closed(Estimator::ClosedForm, "it is linear or quadratic in values of known mean and variance")
        };
        let formula = format!("E_q[{}]", formula::right_hand_side(self.source, loss.span));
        let heading = Heading { name: &loss.name, kind: TermKind::Loss, span: loss.span, local, penalty: false };
        Ok(self.term(&heading, Written { estimate, formula }))
    }

    pub(crate) fn spikes_of(&mut self, k: usize, latent: &Latent) -> Result<Drawn<Spikes>, Underivable> {
        let axes = axis::sorted(&latent.axes);
        let z = match self.enumeration.latents.get(&k).copied() {
            Some(summed) => {
                let values = self.g.iota(summed.values);
                self.g.contract(summed.probabilities, values, &[summed.values])
            }
            None => self.after(latent.node),
        };
        let e = self.expect(z, &axes, latent.span)?;
        let spikes = Spikes { name: latent.name.clone(), sum: e.value, local: latent.is_local(self.program.row) };
        Ok(Drawn { of: spikes, elements: e.draws })
    }

    /// A term of a known expectation, with the bias of its gradient and the draws that have no slope named.
    fn term(&self, heading: &Heading, written: Written) -> Drawn<Term> {
        let Written { estimate, formula } = written;
        let sum = estimate.value;
        let term = Term {
            name: heading.name.to_owned(),
            kind: heading.kind,
            span: heading.span,
            sum,
            local: heading.local,
            penalty: heading.penalty,
            estimator: estimate.estimator,
            reason: estimate.reason + &self.scores_named(sum),
            formula,
            bias: self.bias(sum),
        };
        Drawn { of: term, elements: estimate.draws }
    }

    /// Of which latents a sampled value has the score function's derivative, and why.
    fn scores_named(&self, sum: NodeId) -> String {
        let named = self.scored_in(sum).map(|s| {
            let name = self.program.latents.get(s.number).map_or("", |l| l.name.as_str());
            let why = if s.asked { "asked for" } else { "its draws have no slope" };
            format!("; of `{name}` by the score function, against the other samples: {why}")
        });
        named.collect()
    }

    /// The bias of a sampled value's gradient: of relaxed counts, and of angles that a term does not go round with.
    fn bias(&self, sum: NodeId) -> Option<String> {
        let turning = self.program.latents.iter().zip(&self.realised.posteriors).find_map(|(latent, posterior)| {
            let Posterior::Family(q) = posterior else { return None };
            let draw = self.draws.get(&latent.node).filter(|_| q.family.is_circular())?;
            (!is_periodic(&self.g, sum, *draw)).then_some(&latent.name)
        });
        if let Some(name) = turning {
            return Some(format!(
                "the term is not periodic in `{name}`: its gradient misses the jump from π to −π, which counts where the guide \
                 has mass there"
            ));
        }
        let reached = self.g.reachable(&[sum]);
        let schedule = self.program.train.temperature.unwrap_or(Schedule::Constant(DEFAULT_TEMPERATURE));
        if reached.iter().any(|n| self.softened.contains(n)) {
            return Some(formula::softmax_bias(schedule));
        }
        if reached.iter().any(|n| self.arrivals.contains(n)) {
            return Some(formula::relaxation_bias(Indicator::Cubic, schedule));
        }
        let relaxed = reached.iter().find_map(|&n| match (&self.g.node(n).op, self.g.node(n).inputs.as_slice()) {
            (Op::Arrivals { indicator, .. }, &[_, at]) if self.g.constant_value(at) != Some(0.0) => Some(*indicator),
            _ => None,
        });
        relaxed.map(|indicator| formula::relaxation_bias(indicator, schedule))
    }
}
