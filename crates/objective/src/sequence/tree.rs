//! The sum in time order where a choice sees less than the state: every element of every variable has an axis of its own, and
//! what is to come hangs on all that was seen and done. Chance that no choice sees is summed out first, then, from the last
//! choice back, that choice and the chance that it was the first to see (Jensen, Jensen and Dittmer 1994). What one choice saw
//! and did, later ones remember.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fe_check::Sees;
use fe_graph::{Axis, Binary, Graph, NodeId, axis};

use super::operator::{Drawn, Operator, total};
use super::tables::{Place, TABLE_LIMIT, Table};
use super::{Gained, Left, Sequence, Variable};
use crate::elimination::elements;
use crate::messages;
use crate::objective::{Choice, Seen, SeenElement, Underivable, When};

/// Probabilities of what was seen are taken to be no less than this: what is impossible counts nothing.
const RARE: f64 = 1e-30;

/// When an element is drawn: its position, what is outside of loops before or after all; then the order at a position.
type Moment = (i64, usize);

/// An element of a variable.
struct Drawing {
    variable: usize,
    at: Option<usize>,
    axis: Axis,
}

/// The elements of a sequence and the factors that are left.
struct Tree<'s, 'a> {
    sequence: &'s Sequence<'a>,
    elements: BTreeMap<Moment, Drawing>,
    axes: HashMap<(usize, Option<usize>), Axis>,
    probabilities: Vec<NodeId>,
    /// The table that each chance element is drawn by: it adds up to 1 along it.
    heads: HashMap<Axis, NodeId>,
    costs: Vec<NodeId>,
    largest: usize,
    /// How choices are made, the last one first.
    chosen: Vec<Choice>,
}

/// What is left once everything is summed out.
pub(super) fn sum(g: &mut Graph, sequence: &Sequence) -> Result<Left, Underivable> {
    let mut tree = Tree::new(g, sequence);
    let order = tree.order();
    let (mut choices, mut heads) = (HashMap::new(), vec![]);
    for (moment, element) in &tree.elements {
        let Some(variable) = sequence.variables.get(element.variable) else { continue };
        let log_p = tree.of_element(g, &variable.log_p, element);
        let log_q = variable.log_q.as_ref().map(|t| tree.of_element(g, t, element));
        let weight = weight_at(g, variable, element);
        let drawn = Drawn { along: element.axis, log_p, log_q, weight };
        match (&variable.operator, log_q) {
            (Operator::Chance, _) => {
                let p = g.exp(log_p);
                heads.push((element.axis, p));
            }
            (Operator::Stated, Some(log_q)) => {
                let q = g.exp(log_q);
                heads.push((element.axis, q));
                let zero = g.constant(0.0);
                tree.costs.push(drawn.with_rate(g, log_q, zero));
            }
            (Operator::Best(_) | Operator::Stated, _) => {}
        }
        choices.insert(*moment, drawn);
    }
    tree.probabilities.extend(heads.iter().map(|h| h.1));
    tree.heads.extend(heads);
    for table in &sequence.costs {
        let all = tree.instances(g, table);
        tree.costs.extend(all);
    }
    let mut gains = vec![];
    for gain in &sequence.gains {
        let value = tree.gained(g, gain, &order)?;
        let axes = g.axes_of(value).to_vec();
        let (_, stand_in) = g.input("gain", &axes);
        tree.costs.push(stand_in);
        gains.push((stand_in, value));
    }
    for moment in &order {
        let Some(element) = tree.elements.get(moment) else { continue };
        let Some(variable) = sequence.variables.get(element.variable) else { continue };
        let along = element.axis;
        match (&variable.operator, choices.get(moment)) {
            (Operator::Best(_), Some(drawn)) => tree.choose(g, variable, drawn)?,
            _ => tree.average(g, variable, along)?,
        }
    }
    let note = format!(
        "finite latents are summed out in time order, last step first, over all that was seen and done: tables of at most {} \
         numbers",
        tree.largest
    );
    tree.chosen.reverse();
    Ok(Left { value: total(g, &tree.costs), shorter: None, gains, choices: tree.chosen, note })
}

/// The weight of a rate at an element.
fn weight_at(g: &mut Graph, variable: &Variable, element: &Drawing) -> NodeId {
    match (variable.latent.chain, element.at) {
        (Some(chain), Some(at)) => g.pick(variable.weight, chain, at),
        _ => variable.weight,
    }
}

impl<'s, 'a> Tree<'s, 'a> {
    fn new(g: &mut Graph, sequence: &'s Sequence<'a>) -> Self {
        let length = sequence.time.map_or(0, |t| g.extent_of(t.id)) as i64;
        let late: BTreeSet<usize> = sequence.late().collect();
        let (mut list, mut axes) = (BTreeMap::new(), HashMap::new());
        for (place, &k) in sequence.order(g).iter().enumerate() {
            let Some(variable) = sequence.variables.get(k) else { continue };
            let count = g.extent_of(variable.values.id);
            let steps: Vec<Option<usize>> = match variable.latent.chain {
                Some(chain) => (0..g.extent_of(chain.id)).map(Some).collect(),
                None => vec![None],
            };
            for at in steps {
                let name =
                    at.map_or_else(|| variable.latent.name.clone(), |t| format!("{} at {t}", variable.latent.name));
                let axis = Axis::plain(g.add_axis(&name, count));
                let position = at.map_or(if late.contains(&k) { length } else { -1 }, |t| t as i64);
                list.insert((position, place), Drawing { variable: k, at, axis });
                axes.insert((k, at), axis);
            }
        }
        Self {
            sequence,
            elements: list,
            axes,
            probabilities: vec![],
            heads: HashMap::new(),
            costs: vec![],
            largest: 0,
            chosen: vec![],
        }
    }

    fn operator(&self, element: &Drawing) -> Option<&Operator> {
        self.sequence.variables.get(element.variable).map(|v| &v.operator)
    }

    /// What each choice knows: what it sees, and what earlier choices knew and did.
    fn knowledge(&self) -> Vec<(Moment, BTreeSet<Moment>)> {
        let mut known: BTreeSet<Moment> = BTreeSet::new();
        let mut list = vec![];
        for (&moment, element) in &self.elements {
            let Some(Operator::Best(sees)) = self.operator(element) else { continue };
            let seen = self.elements.range(..moment).filter(|(_, other)| match sees {
                Sees::Everything => true,
                Sees::Only(nodes) => {
                    self.sequence.variables.get(other.variable).is_some_and(|v| nodes.contains(&v.latent.node))
                }
            });
            known.extend(seen.map(|(m, _)| *m));
            list.push((moment, known.clone()));
            known.insert(moment);
        }
        list
    }

    /// The order in which elements are summed out.
    fn order(&self) -> Vec<Moment> {
        let knowledge = self.knowledge();
        let chosen: BTreeSet<Moment> = knowledge.iter().map(|k| k.0).collect();
        let first = |m: &Moment| knowledge.iter().position(|(_, known)| known.contains(m));
        let chance = |group: Option<usize>| {
            let own = self.elements.keys().rev().filter(|m| !chosen.contains(m) && first(m) == group);
            own.copied().collect::<Vec<_>>()
        };
        let mut order = chance(None);
        for (k, (choice, _)) in knowledge.iter().enumerate().rev() {
            order.push(*choice);
            order.extend(chance(Some(k)));
        }
        order
    }

    /// A table at each of its positions, over the axes of the elements that it reads there.
    fn instances(&self, g: &mut Graph, table: &Table) -> Vec<NodeId> {
        match table.place {
            Place::Outside => vec![self.named(g, table.node, None)],
            Place::At(at) => vec![self.named(g, table.node, Some(at))],
            Place::Along(own, by) => {
                let count = g.extent_of(own.id);
                (0..count)
                    .filter_map(|y| {
                        let at = usize::try_from(y as i64 + by).ok()?;
                        let node = g.pick(table.node, own, y);
                        Some(self.named(g, node, Some(at)))
                    })
                    .collect()
            }
        }
    }

    /// A variable's own table at one of its elements.
    fn of_element(&self, g: &mut Graph, table: &Table, element: &Drawing) -> NodeId {
        match (table.place, element.at) {
            (Place::Along(own, by), Some(at)) => {
                let y = usize::try_from(at as i64 - by).unwrap_or(0);
                let node = g.pick(table.node, own, y);
                self.named(g, node, Some(at))
            }
            (Place::At(at), None) => self.named(g, table.node, Some(at)),
            (_, at) => self.named(g, table.node, at),
        }
    }

    /// A node with the axes of elements at a position in the place of those of values.
    fn named(&self, g: &mut Graph, mut node: NodeId, at: Option<usize>) -> NodeId {
        let mut pairs = vec![];
        for (k, variable) in self.sequence.variables.iter().enumerate() {
            let own = if variable.latent.chain.is_some() { at } else { None };
            if let Some(&axis) = self.axes.get(&(k, own)) {
                pairs.push((variable.values, axis));
            }
            match own.and_then(|t| t.checked_sub(1)).and_then(|t| self.axes.get(&(k, Some(t)))) {
                Some(&axis) => pairs.push((variable.before, axis)),
                // Before the first position nothing has a say.
                None => node = g.pick(node, variable.before, 0),
            }
        }
        g.rename(node, &pairs)
    }

    fn fits(&mut self, g: &Graph, variable: &Variable, nodes: &[NodeId]) -> Result<(), Underivable> {
        let axes = nodes.iter().fold(vec![], |all, &n| axis::union(&all, g.axes_of(n)));
        let size = elements(g, &axes);
        self.largest = self.largest.max(size);
        if size > TABLE_LIMIT {
            return Err(messages::too_many_values(&variable.latent.name, variable.latent.span, size, TABLE_LIMIT));
        }
        Ok(())
    }

    /// Whether some factors are the table alone that an element is drawn by, whose sum is 1.
    fn is_head(&self, factors: &[NodeId], along: Axis) -> bool {
        matches!(factors, &[one] if self.heads.get(&along) == Some(&one))
    }

    /// Sums a chance element out: Σ P, and what is to come in its mean.
    fn average(&mut self, g: &mut Graph, variable: &Variable, along: Axis) -> Result<(), Underivable> {
        let has = |g: &Graph, n: &NodeId| g.has_axis(*n, along);
        let (own, rest): (Vec<NodeId>, Vec<NodeId>) = self.probabilities.iter().partition(|n| has(g, n));
        let (paid, left): (Vec<NodeId>, Vec<NodeId>) = self.costs.iter().partition(|n| has(g, n));
        self.fits(g, variable, &[own.as_slice(), &paid].concat())?;
        (self.probabilities, self.costs) = (rest, left);
        let one = g.constant(1.0);
        let p = own.iter().fold(one, |product, &n| g.mul(product, n));
        let whole = (!self.is_head(&own, along)).then(|| g.sum(p, &[along]));
        if !paid.is_empty() {
            let to_come = total(g, &paid);
            let mean = g.contract(p, to_come, &[along]);
            let mean = match whole {
                Some(whole) => {
                    let rare = g.constant(RARE);
                    let whole = g.binary(Binary::Max, whole, rare);
                    g.div(mean, whole)
                }
                None => mean,
            };
            self.costs.push(mean);
        }
        self.probabilities.extend(whole);
        Ok(())
    }

    /// Takes the best choice.
    fn choose(&mut self, g: &mut Graph, variable: &Variable, drawn: &Drawn) -> Result<(), Underivable> {
        // What is seen before does not hang on it.
        for node in &mut self.probabilities {
            *node = g.pick(*node, drawn.along, 0);
        }
        let (paid, left): (Vec<NodeId>, Vec<NodeId>) = self.costs.iter().partition(|n| g.has_axis(**n, drawn.along));
        self.fits(g, variable, &[paid.as_slice(), &[drawn.log_p]].concat())?;
        self.costs = left;
        let to_come = total(g, &paid);
        let value = drawn.before(g, variable, to_come);
        let known = self.knowledge();
        let own = self.elements.iter().find(|(_, e)| e.axis == drawn.along).map(|(m, _)| *m);
        let seen = known.into_iter().find(|k| Some(k.0) == own).map(|k| k.1).unwrap_or_default();
        let unseen = |e: &(&Moment, &Drawing)| !seen.contains(e.0) && g.has_axis(value, e.1.axis);
        if let Some((_, other)) = self.elements.iter().find(unseen) {
            let name = self.sequence.variables.get(other.variable).map_or("", |v| v.latent.name.as_str());
            return Err(messages::prior_of_unseen(&variable.latent.name, name, variable.latent.span));
        }
        self.costs.push(value);
        let (probabilities, rate) = drawn.best(g, to_come);
        let axes = axis::union(g.axes_of(value), g.axes_of(rate));
        let sees = seen.iter().filter_map(|m| self.elements.get(m)).filter(|e| axes.contains(&e.axis));
        let sees = sees.filter_map(|e| {
            let name = self.sequence.variables.get(e.variable)?.latent.name.clone();
            Some(Seen { name, element: e.at.map_or(SeenElement::Only, SeenElement::At), values: e.axis })
        });
        let sees = sees.collect();
        let when = own.and_then(|m| self.elements.get(&m)?.at).map_or(When::Once, When::At);
        let (name, values) = (variable.latent.name.clone(), drawn.along);
        self.chosen.push(Choice { name, when, sees, values, probabilities, to_come: None, rate });
        Ok(())
    }

    /// Minus the weighed information of two variables given what is chosen, Σ p(c, o) log p(c, o) / p(c) p(o) at each choice.
    fn gained(&mut self, g: &mut Graph, gain: &Gained, order: &[Moment]) -> Result<NodeId, Underivable> {
        let [one, other] = gain.of;
        let name = |k: usize| self.sequence.variables.get(k).map_or("", |v| v.latent.name.as_str());
        for (choice, known) in self.knowledge() {
            let seen = known
                .iter()
                .filter_map(|m| self.elements.get(m))
                .find(|e| matches!(self.operator(e), Some(Operator::Chance | Operator::Stated)));
            if let (Some(seen), Some(element)) = (seen, self.elements.get(&choice)) {
                let span = self.sequence.variables.get(element.variable).map(|v| v.latent.span).unwrap_or_default();
                return Err(messages::information_seen(name(element.variable), name(seen.variable), span));
            }
        }
        let steps: Vec<Option<usize>> = self.elements.values().filter(|e| e.variable == one).map(|e| e.at).collect();
        let mut sum = g.constant(0.0);
        for at in steps {
            let (Some(&c), Some(&o)) = (self.axes.get(&(one, at)), self.axes.get(&(other, at))) else { continue };
            let joint = self.joint(g, [c, o], order)?;
            let (alone, given) = (g.sum(joint, &[o]), g.sum(joint, &[c]));
            let apart = g.mul(alone, given);
            let rare = g.constant(RARE);
            let (together, apart) = (g.binary(Binary::Max, joint, rare), g.binary(Binary::Max, apart, rare));
            let (together, apart) = (g.log(together), g.log(apart));
            let ratio = g.sub(together, apart);
            let information = g.contract(joint, ratio, &[c, o]);
            sum = g.add(sum, information);
        }
        let weighed = g.mul(gain.weight, sum);
        Ok(g.neg(weighed))
    }

    /// p of two elements given what is chosen.
    fn joint(&mut self, g: &mut Graph, kept: [Axis; 2], order: &[Moment]) -> Result<NodeId, Underivable> {
        let mut factors = self.probabilities.clone();
        for moment in order {
            let Some(element) = self.elements.get(moment) else { continue };
            let axis = element.axis;
            let chance = !matches!(self.operator(element), Some(Operator::Best(_)));
            if kept.contains(&axis) || !chance {
                continue;
            }
            let variable = self.sequence.variables.get(element.variable);
            let (own, mut rest): (Vec<NodeId>, Vec<NodeId>) = factors.iter().partition(|n| g.has_axis(**n, axis));
            if let Some(variable) = variable {
                self.fits(g, variable, &own)?;
            }
            if !self.is_head(&own, axis) {
                let one = g.constant(1.0);
                let p = own.iter().fold(one, |product, &n| g.mul(product, n));
                rest.push(g.sum(p, &[axis]));
            }
            factors = rest;
        }
        let one = g.constant(1.0);
        let factors: Vec<NodeId> = factors.into_iter().filter(|n| kept.iter().any(|&a| g.has_axis(*n, a))).collect();
        let joint = factors.iter().fold(one, |product, &n| g.mul(product, n));
        Ok(g.broadcast(joint, &kept))
    }
}
