//! The terms of the free energy, each with the best estimator that applies.

use std::collections::HashSet;

use fe_check::{Latent, Schedule};
use fe_distribution::Distribution;
use fe_graph::{Axis, NodeId, Op, Origin, Reach, axis};

use crate::derive::{DEFAULT_TEMPERATURE, Deriver, Expected};
use crate::enumeration::Source;
use crate::formula;
use crate::guides::{Carrier, Posterior};
use crate::influence::is_periodic;
use crate::objective::{Energy, Term, TermKind, Underivable};
use crate::quadrature;
use crate::score::Scored;

impl Deriver<'_> {
    pub(crate) fn rate(&mut self, k: usize, latent: &Latent) -> Result<Term, Underivable> {
        let before = self.g.set_origin(self.g.origin_of(latent.node));
        let term = self.rate_term(k, latent);
        self.g.set_origin(before);
        term
    }

    pub(crate) fn rate_term(&mut self, k: usize, latent: &Latent) -> Result<Term, Underivable> {
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
            Posterior::Enumerated => {
                let zero = self.g.constant(0.0);
                let log_q = self.enumeration.latents.get(&k).map_or(zero, |s| s.log_q);
                let log_p = self.enumeration.expected.get(&Source::Prior(k)).copied().unwrap_or(zero);
                let log_p = self.g.sum_all_but(log_p, &[]);
                let kl = self.g.sub(log_q, log_p);
                let e = self.expect_sum(kl, &[], latent.span)?;
                term.sum = e.node;
                term.sampled = e.sampled;
                term.estimator = if e.sampled { "enumeration, parents sampled" } else { "enumeration" };
                term.reason = "every value is summed over: the guide is the exact conditional".into();
                if e.sampled {
                    term.reason = format!("{}; what they depend on is drawn ({})", term.reason, e.reason);
                }
                term.formula = format!("KL(p({0} | all else) ‖ p({0}))", latent.name);
            }
            Posterior::Point => {
                let density = self.prior_density(k, &prior, latent)?;
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
                let registered = if self.kl_is_valid(k, latent) { q.kl(&mut self.g, &prior) } else { None };
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
                    let density = self.prior_density(k, &prior, latent)?;
                    let cross = self.g.neg(density);
                    let cross = self.expect_sum(cross, &axes, latent.span)?;
                    let log_q = match q.entropy(&mut self.g) {
                        Some(h) => {
                            let n = self.g.neg(h);
                            self.expect_sum(n, &axes, latent.span)?
                        }
                        None => {
                            let z = self.after(latent.node);
                            let log_q = self.log_density(&q, z, latent)?;
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
            Posterior::Joint { of, log_jacobian, entropy, log_prior, .. } => {
                let target = match log_prior {
                    Some(density) => self.g.sum_all_but(*density, &[]),
                    None => {
                        // On the unconstrained scale a vector may have fewer elements.
                        let density = self.prior_density(k, &prior, latent)?;
                        let density = self.g.broadcast(density, &axes);
                        let density = self.g.sum_all_but(density, &[]);
                        let log_jacobian = self.g.sum_all_but(*log_jacobian, &[]);
                        self.g.add(density, log_jacobian)
                    }
                };
                let energy = self.g.neg(target);
                let e = self.expect_sum(energy, &[], latent.span)?;
                let shape = match of {
                    Carrier::Group(group) => self.realised.groups.get(*group).map(|x| x.shape),
                    Carrier::Chain(_) => None,
                };
                let entropy = self.expect_sum(*entropy, &[], latent.span)?;
                term.sum = self.g.sub(e.node, entropy.node);
                term.sampled = e.sampled || entropy.sampled;
                term.reason = format!("log {p} is linear or quadratic in a Gaussian; its entropy is log det");
                if e.sampled {
                    term.estimator = "pathwise, entropy exact";
                    term.reason = e.reason;
                }
                if entropy.sampled {
                    term.estimator = "pathwise";
                    term.reason = "a flow bends the noise: its volume is exact, and averaged over draws".into();
                }
                term.formula = formula::joint_rate(latent, shape, log_prior.is_some());
            }
        }
        self.note_bias(&mut term);
        Ok(term)
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
    pub(crate) fn expect_sum(
        &mut self,
        element: NodeId,
        axes: &[Axis],
        span: fe_syntax::Span,
    ) -> Result<Expected, Underivable> {
        let mut element = self.g.broadcast(element, axes);
        let mut sum = self.g.sum_all_but(element, &[]);
        let mut exact = self.exactly(sum);
        let over = if exact.is_none() { self.over_values(element) } else { None };
        if let Some(over) = over {
            element = over;
            sum = self.g.sum_all_but(element, &[]);
            exact = self.exactly(sum);
        }
        let mut e = match exact {
            Some(exact) => exact,
            None => self.by_draws(sum, span)?,
        };
        e.summed = over.is_some();
        e.node = self.g.sum_all_but(e.node, &[Axis::SAMPLE]);
        if e.sampled {
            let drawn = self.g.substitute(&[element], &self.draws);
            self.sampled.extend(drawn);
        }
        Ok(e)
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
        density.ok_or_else(|| Underivable {
            message: format!("{} has no density here", d.family.name()),
            span: observe.span,
            help: "use another likelihood".into(),
        })
    }

    pub(crate) fn distortion(&mut self, k: usize, observe: &fe_check::Observe) -> Result<Term, Underivable> {
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
        if summed_out.is_some() || e.summed {
            say_enumerated(&mut term);
        }
        self.note_bias(&mut term);
        Ok(term)
    }

    /// Whether a Bernoulli likelihood reads data between 0 and 1, as expectations of binary ones.
    pub(crate) fn takes_expectations(&self, observe: &fe_check::Observe) -> bool {
        let between = |d: &fe_check::Data| d.node == observe.value && d.support != fe_distribution::Support::Bool;
        observe.distribution.family.name() == "Bernoulli" && self.program.data.iter().any(between)
    }

    pub(crate) fn loss(&mut self, k: usize, loss: &fe_check::Loss) -> Result<Term, Underivable> {
        let summed_out = self.enumeration.expected.get(&Source::Loss(k)).copied();
        let node = match summed_out {
            Some(expected) => self.g.neg(expected),
            None => self.after(loss.node),
        };
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
        if summed_out.is_some() || e.summed {
            say_enumerated(&mut term);
        }
        self.note_bias(&mut term);
        Ok(term)
    }

    /// Says where quadrature was used, and names the bias of relaxed counts.
    pub(crate) fn note_bias(&self, term: &mut Term) {
        let rule = self.expectation.rule;
        let quadrature =
            rule.is_some_and(|r| self.g.reachable(&[term.sum]).iter().any(|&n| self.g.has_axis(n, r.axis)));
        if quadrature && !term.sampled {
            let points = quadrature::POINTS;
            let exact =
                if term.estimator.starts_with("enumeration") { "enumeration, quadrature" } else { "quadrature" };
            term.estimator = exact;
            term.reason = format!(
                "smooth functions of one Gaussian number for each element, by Gauss–Hermite at {points} points"
            );
        }
        let reached = self.g.reachable(&[term.sum]);
        let relaxed = reached.iter().find_map(|&n| match (&self.g.node(n).op, self.g.node(n).inputs.as_slice()) {
            (Op::Arrivals { indicator, .. }, &[_, at]) if self.g.constant_value(at) != Some(0.0) => Some(*indicator),
            _ => None,
        });
        if let Some(indicator) = relaxed {
            let schedule = self.program.train.temperature.unwrap_or(Schedule::Constant(DEFAULT_TEMPERATURE));
            term.bias = Some(formula::relaxation_bias(indicator, schedule));
        }
        if reached.iter().any(|n| self.softened.contains(n)) {
            let schedule = self.program.train.temperature.unwrap_or(Schedule::Constant(DEFAULT_TEMPERATURE));
            term.bias = Some(formula::softmax_bias(schedule));
        }
        let turning = self.program.latents.iter().zip(&self.realised.posteriors).find_map(|(latent, posterior)| {
            let Posterior::Family(q) = posterior else { return None };
            let draw = self.draws.get(&latent.node).filter(|_| q.family.name() == "VonMises")?;
            (!is_periodic(&self.g, term.sum, *draw)).then_some(&latent.name)
        });
        if let Some(name) = turning {
            term.bias = Some(format!(
                "the term is not periodic in `{name}`: its gradient misses the jump from π to −π, which counts where the guide \
                 has mass there"
            ));
        }
        self.name_draws(term, &reached);
    }

    /// Latents without a pathwise draw whose draws a node depends on.
    pub(crate) fn scored_in(&self, node: NodeId) -> impl Iterator<Item = &Scored> {
        self.scored.iter().filter(move |s| self.g.depends_on(node, &HashSet::from([s.draw])))
    }

    /// Says of a sampled term by which derivative of its draws.
    fn name_draws(&self, term: &mut Term, reached: &[NodeId]) {
        let mut scored = false;
        for s in self.scored_in(term.sum) {
            let name = self.program.latents.get(s.number).map_or("", |l| l.name.as_str());
            let why = if s.asked { "asked for" } else { "its draws have no slope" };
            term.reason.push_str(&format!("; of `{name}` by the score function, against the other samples: {why}"));
            scored = true;
        }
        let implicit = |n: &NodeId| matches!(self.g.node(*n).op, Op::Binary(b) if b.is_quantile());
        term.estimator = match term.estimator {
            "pathwise" if scored => "score function",
            "pathwise, entropy exact" if scored => "score function, entropy exact",
            "pathwise" if reached.iter().any(implicit) => "pathwise, implicit",
            "pathwise, entropy exact" if reached.iter().any(implicit) => "pathwise, implicit; entropy exact",
            other => other,
        };
    }

    pub(crate) fn energy(&mut self, latent: &Latent) -> Result<Energy, Underivable> {
        let axes = axis::sorted(&latent.axes);
        let z = self.after(latent.node);
        let e = self.expect_sum(z, &axes, latent.span)?;
        Ok(Energy { name: latent.name.clone(), sum: e.node, local: latent.is_local(self.program.row) })
    }
}

/// A term whose finite latents are summed over.
fn say_enumerated(term: &mut Term) {
    let rest = format!("; the rest is drawn ({})", term.reason);
    term.estimator = if term.sampled { "enumeration, the rest sampled" } else { "enumeration" };
    term.reason = format!("finite latents are summed over{}", if term.sampled { &rest } else { "" });
}
