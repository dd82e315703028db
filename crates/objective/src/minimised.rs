//! What is minimised, per row: a weighed sum of functionals with its bounds, or a bound from importance weights.

use fe_check::{Functional, Schedule};
use fe_graph::{Axis, Binary, InputId, NodeId};

use crate::deriver::{DEFAULT_TEMPERATURE, Deriver, Inputs};
use crate::estimate::Drawn;
use crate::objective::{Bound, ImportanceBound, Minimised, Pricing, Spikes, Term, TermKind, Underivable};
use crate::score::Part;

/// What functionals are made of, and what of each is drawn.
struct Scopes<'b> {
    terms: &'b [Drawn<Term>],
    spikes: &'b [Drawn<Spikes>],
}

impl Deriver<'_> {
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

    /// What is minimised, per row, with the inputs and bounds that come with it.
    pub(crate) fn minimised(
        &mut self,
        terms: &[Drawn<Term>],
        spikes: &[Drawn<Spikes>],
        inputs: Inputs,
    ) -> Result<Minimised, Underivable> {
        let importance = self.program.objective.importance.map(|spec| self.importance(spec)).transpose()?;
        let per_row = inputs.per_row.1;
        let (value, controls, bounds) = match importance {
            Some(bound) => (self.importance_value(&bound, per_row), vec![], vec![]),
            None => self.weighed_functionals(&Scopes { terms, spikes }, per_row),
        };
        let mut sums = terms.iter().map(|t| t.of.sum).chain(spikes.iter().map(|e| e.of.sum));
        let scored = importance.is_none() && sums.any(|sum| self.scored_in(sum).next().is_some());
        Ok(Minimised {
            spec: self.program.objective.terms.clone(),
            controls,
            bounds,
            importance,
            temperature: inputs.temperature.0,
            temperature_schedule: self.program.train.temperature.unwrap_or(Schedule::Constant(DEFAULT_TEMPERATURE)),
            training: self.program.training.map(|t| t.0),
            per_row: inputs.per_row.0,
            value,
            gradient: vec![],
            gains: self.enumeration.gains.clone(),
            pricing: if self.enumeration.follows_prices { Pricing::Dual } else { Pricing::Augmented },
            deterministic: false,
            scored,
        })
    }

    /// The sum of weighed functionals, per row, with its bounds and what the score function adds to it.
    fn weighed_functionals(
        &mut self,
        scopes: &Scopes,
        per_row: NodeId,
    ) -> (NodeId, Vec<(InputId, Schedule)>, Vec<Bound>) {
        let weights = self.weights.clone();
        let mut scored = vec![];
        let mut value = self.g.constant(0.0);
        for (&weight, (_, functional)) in weights.terms.iter().zip(&self.program.objective.terms) {
            value = self.weighed(functional, weight, scopes, per_row, &mut scored, value);
        }
        // What follows from exact guides in time order is weighed already: its slope is theirs.
        if let Some((slope, local)) = self.enumeration.slope {
            let slope = self.per_row(slope, local, per_row);
            value = self.g.add(value, slope);
        }
        let mut bounds = vec![];
        for (stated, price) in self.program.objective.bounds.iter().zip(&weights.prices) {
            let ((multiplier, m), (penalty, p)) = (price.multiplier, price.penalty);
            let mut bounded = self.g.constant(0.0);
            let mut own = vec![];
            for (weight, functional) in &stated.terms {
                let weight = self.g.constant(*weight);
                bounded = self.weighed(functional, weight, scopes, per_row, &mut own, bounded);
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
        (self.g.add(value, scores), weights.controls, bounds)
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
            Functional::Information(one, other) => {
                let own = self.enumeration.gains.iter().filter(|g| g.of == [one.clone(), other.clone()]);
                let own: Vec<(NodeId, bool)> = own.map(|g| (g.sum, g.local)).collect();
                own.into_iter().map(|(sum, local)| (self.g.neg(sum), local, [].as_slice())).collect()
            }
            Functional::Energy(name) => {
                let own = scopes.spikes.iter().filter(|e| named(name, &e.of.name));
                own.map(|e| (e.of.sum, e.of.local, e.elements.as_slice())).collect()
            }
            Functional::Rate(name) | Functional::Distortion(name) => {
                let rate = matches!(of, Functional::Rate(_));
                let own = scopes.terms.iter();
                let own = own.filter(|t| (t.of.kind == TermKind::Rate) == rate && named(name, &t.of.name));
                own.map(|t| (t.of.sum, t.of.local, t.elements.as_slice())).collect()
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
