//! Finite latents summed out in time order, last step first, each by the operator that its guide names.
//!
//! Let V be what is to come, a function of what has happened. With α the weight of a latent's rate in what is minimised,
//!
//! | guide | V before it is drawn |
//! |---|---|
//! | `prior` | Σ p V: its own chance, never bent |
//! | `exact` | −α log Σ p exp(−V/α): the best of all functions of what it sees |
//! | stated | Σ q (V + α log q/p): the controller as it is |
//!
//! (Todorov 2009; Kappen, Gómez and Opper 2012; Levine 2018). These do not commute, so that neighbouring steps cannot be
//! combined in pairs, as [`crate::enumeration`] does where every latent has the same operator. What is left at the end is the
//! objective. By its derivative in a cost come the probabilities that the cost is met with, and by that in the weight of a rate
//! that rate, since an exact guide is stationary (the envelope theorem).
//!
//! Where every choice sees the state of its chain, V is a table over that ([`walk`]): T steps cost T tables. Where one sees less,
//! V hangs on all that was seen and done before ([`tree`]).

mod operator;
mod tables;
mod tree;
mod walk;

use std::collections::{HashMap, HashSet};

use fe_check::{Functional, Guide, Latent, Program, Sees};
use fe_distribution::Support;
use fe_graph::{Axis, NodeId, Site, axis};

use crate::deriver::Deriver;
use crate::elimination::weighs_all_the_same;
use crate::enumerated::{Enumeration, Source, Summed};
use crate::enumeration::sites;
use crate::guide::kind::{Sight, Turn};
use crate::messages;
use crate::objective::{Choice, Gain, Underivable};
use operator::Operator;
use tables::{Reading, Table};

/// Whether finite latents are summed out in time order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    /// No guide asks for it.
    Never,
    /// A finite latent keeps its own chance: it is tried.
    Tried,
    /// A guide is exact: nothing else will do, but where all have the same operator, pairs.
    Must {
        /// Whether every finite latent is the exact conditional, at the weight of a free energy.
        conditional: bool,
    },
}

/// Whether a program's finite latents are summed out in time order.
pub(crate) fn called(program: &Program) -> Called {
    let finite = || program.latents.iter().filter(|l| is_finite(l));
    if program.objective.importance.is_some() {
        return Called::Never;
    }
    if finite().any(|l| matches!(l.guide, Guide::Exact(_))) {
        let whole = |l: &Latent| matches!(l.guide, Guide::Default | Guide::Exact(Sees::Everything));
        return Called::Must { conditional: weighs_all_the_same(program) && finite().all(whole) };
    }
    if finite().any(|l| matches!(l.guide, Guide::Prior)) { Called::Tried } else { Called::Never }
}

/// The latents that are summed out in time order, by number, each as it is reported.
pub(crate) fn turns(program: &Program) -> HashMap<usize, Turn> {
    let finite = program.latents.iter().enumerate().filter(|(_, l)| is_finite(l));
    finite.filter_map(|(k, l)| Some((k, turn(l)?))).collect()
}

fn is_finite(latent: &Latent) -> bool {
    let finite = matches!(latent.support, Support::Bool | Support::Index(_));
    finite && latent.estimator.is_none() && !latent.in_guide
}

fn turn(latent: &Latent) -> Option<Turn> {
    Some(match &latent.guide {
        Guide::Prior => Turn::Chance,
        Guide::Default | Guide::Exact(Sees::Everything) => Turn::Best(Sight::All),
        Guide::Exact(Sees::Only(nodes)) => Turn::Best(if nodes.is_empty() { Sight::Nothing } else { Sight::Some }),
        Guide::Stated(d) => Turn::Stated { family: d.family.name() },
        _ => return None,
    })
}

/// A finite latent of a sequence.
#[derive(Clone, Debug)]
struct Variable<'a> {
    /// Its number.
    number: usize,
    latent: &'a Latent,
    operator: Operator,
    /// The axis of its values, and that of its values one position earlier.
    values: Axis,
    before: Axis,
    /// The weight of its rate, over the latent's axes.
    weight: NodeId,
    /// log p over its values, and log q where that is stated.
    log_p: Table,
    log_q: Option<Table>,
}

/// What is summed out, with stand-ins for what derivatives are wanted in.
struct Sequence<'a> {
    /// In order of declaration.
    variables: Vec<Variable<'a>>,
    /// What is paid, weighed.
    costs: Vec<Table>,
    /// The axis of all positions; none outside of loops.
    time: Option<Axis>,
    /// What is gained: the two variables, and the stand-in of minus the weighed information.
    gains: Vec<Gained>,
}

/// The information of two variables that is a gain.
#[derive(Clone, Debug)]
struct Gained {
    of: [usize; 2],
    weight: NodeId,
}

impl Variable<'_> {
    /// Whether it is written forward, `s[t+1]` at position t, so that at a position it comes before what is written there.
    fn is_ahead(&self, all: &[Variable], g: &fe_graph::Graph) -> bool {
        let length = |v: &Variable| v.latent.chain.map_or(0, |c| g.extent_of(c.id));
        all.iter().any(|other| other.latent.chain.is_some() && length(other) < length(self))
    }
}

/// What the sums have left.
struct Left {
    /// The objective over plates, a function of stand-ins.
    value: NodeId,
    /// The same without the last turn of the loop.
    shorter: Option<NodeId>,
    /// For each gain its stand-in and its value, minus the weighed information.
    gains: Vec<(NodeId, NodeId)>,
    /// How exact guides choose, functions of stand-ins.
    choices: Vec<Choice>,
    /// How it was done.
    note: String,
}

/// A cost with the stand-in that takes its place in the sums.
struct Standing {
    source: Source,
    stand_in: NodeId,
    value: NodeId,
    plain: NodeId,
    over: Vec<Axis>,
}

impl<'a> Deriver<'a> {
    /// Sums out every finite latent in time order.
    pub(crate) fn in_turn(&mut self, nodes: &HashSet<NodeId>) -> Result<Enumeration, Underivable> {
        let (mut sequence, standing) = self.sequence(nodes)?;
        let tags = self.tag(&mut sequence);
        let left =
            if sequence.is_tree() { tree::sum(&mut self.g, &sequence) } else { walk::sum(&mut self.g, &sequence) }?;
        let total = self.g.sum_all_but(left.value, &[]);
        let mut stand_ins: HashMap<NodeId, NodeId> = standing.iter().map(|s| (s.stand_in, s.value)).collect();
        for (tag, variable) in tags.iter().zip(&sequence.variables) {
            let axes = self.g.axes_of(*tag).to_vec();
            let zero = self.g.full(0.0, &axes);
            stand_ins.insert(*tag, zero);
            let rate = self.weight_of_rate(&variable.latent.name);
            let axes = self.g.axes_of(variable.weight).to_vec();
            let rate = self.g.broadcast(rate, &axes);
            stand_ins.insert(variable.weight, rate);
        }
        stand_ins.extend(left.gains.iter().copied());
        let mut wanted: Vec<NodeId> = standing.iter().map(|s| s.stand_in).collect();
        wanted.extend(&tags);
        wanted.extend(sequence.variables.iter().map(|v| v.weight));
        wanted.extend(left.gains.iter().map(|g| g.0));
        let span = sequence.variables.first().map(|v| v.latent.span).unwrap_or_default();
        let slopes = self.g.gradient(total, &wanted);
        let slopes = slopes.map_err(|e| messages::no_derivative("the sum in time order", &e, span))?;
        let choices = self.chosen_in_turn(left.choices, &stand_ins);
        let resolved = self.g.substitute(&[[total].as_slice(), &slopes].concat(), &stand_ins);
        let Some((&total, slopes)) = resolved.split_first() else { return Ok(Enumeration::default()) };
        self.realised.notes.push(left.note);
        let mut found = self.found_in_turn(&sequence, &standing, &left.gains, (total, slopes));
        found.choices = choices;
        if let Some(shorter) = left.shorter {
            let shorter = self.g.sum_all_but(shorter, &[]);
            let shorter = self.g.substitute(&[shorter], &stand_ins).first().copied().unwrap_or(shorter);
            found.last_turn = Some(self.g.sub(total, shorter));
        }
        Ok(found)
    }

    /// Tables of choices with what stood in for costs, and with the axes that they are said to have.
    fn chosen_in_turn(&mut self, choices: Vec<Choice>, stand_ins: &HashMap<NodeId, NodeId>) -> Vec<Choice> {
        // Three of each, so that they can be taken apart again.
        let of = |c: &Choice| [c.probabilities, c.to_come.unwrap_or(c.rate), c.rate];
        let nodes: Vec<NodeId> = choices.iter().flat_map(of).collect();
        let resolved = self.g.substitute(&nodes, stand_ins);
        let mut list = vec![];
        for (choice, nodes) in choices.into_iter().zip(resolved.chunks_exact(3)) {
            let &[probabilities, to_come, rate] = nodes else { continue };
            let seen: Vec<Axis> = choice.sees.iter().map(|s| s.values).chain(choice.axis()).collect();
            let own: Vec<Axis> = seen.iter().copied().chain([choice.values]).collect();
            let mut whole = |node: NodeId, axes: &[Axis]| {
                let node = self.g.stop(node);
                self.g.broadcast(node, axes)
            };
            let (probabilities, to_come, rate) =
                (whole(probabilities, &own), whole(to_come, &seen), whole(rate, &seen));
            // What belongs to rows or plates is one choice for each of them, and no table.
            if [to_come, rate].iter().all(|&n| self.g.axes_of(n).len() == seen.len()) {
                let to_come = choice.to_come.map(|_| to_come);
                list.push(Choice { probabilities, to_come, rate, ..choice });
            }
        }
        list
    }

    /// What the derivatives of the objective say: expected costs, rates, probabilities and information.
    fn found_in_turn(
        &mut self,
        sequence: &Sequence,
        standing: &[Standing],
        gains: &[(NodeId, NodeId)],
        (total, slopes): (NodeId, &[NodeId]),
    ) -> Enumeration {
        let row = self.program.row.map(|r| Axis::plain(r.axis));
        let local = row.is_some_and(|r| sequence.variables.iter().all(|v| v.latent.axes.contains(&r)));
        let mut result = Enumeration::default();
        let mut slopes = slopes.iter().copied();
        for (cost, slope) in standing.iter().zip(slopes.by_ref()) {
            let met = self.g.stop(slope);
            let plain = self.g.stop(cost.plain);
            let product = self.g.mul(met, plain);
            let over = axis::intersection(self.g.axes_of(product), &axis::sorted(&cost.over));
            let expected = self.g.sum(product, &over);
            let expected = self.g.neg(expected);
            result.expected.insert(cost.source, expected);
        }
        let probabilities: Vec<NodeId> = slopes.by_ref().take(sequence.variables.len()).collect();
        let rates: Vec<NodeId> = slopes.by_ref().take(sequence.variables.len()).collect();
        for ((variable, p), rate) in sequence.variables.iter().zip(probabilities).zip(rates) {
            let own = axis::sorted(&variable.latent.axes);
            let (probabilities, rate) = (self.g.stop(p), self.g.stop(rate));
            let rate = self.g.broadcast(rate, &own);
            let log_q = self.g.sum_all_but(rate, &[]);
            let zero = self.g.constant(0.0);
            result.expected.insert(Source::Prior(variable.number), zero);
            let [site, _]: [Site; 2] = sites(variable.latent);
            let marginal_draw = self.pick_by(probabilities, variable.values, &own, site);
            let values = variable.values;
            let summed = Summed { log_q, probabilities, values, rate, draw: None, marginal_draw };
            result.latents.insert(variable.number, summed);
        }
        for (gain, ((_, value), slope)) in sequence.gains.iter().zip(gains.iter().zip(slopes)) {
            let names = gain.of.map(|k| sequence.variables.get(k).map_or_else(String::new, |v| v.latent.name.clone()));
            let weight = self.weights.of(&mut self.g, self.program, |f| is_information(f, &names));
            let (met, value) = (self.g.stop(slope), self.g.stop(*value));
            let sum = self.g.mul(met, value);
            let sum = self.g.sum_all_but(sum, &[]);
            let per_weight = self.g.div(sum, weight);
            let sum = self.g.neg(per_weight);
            result.gains.push(Gain { of: names, sum, local });
        }
        if !self.program.params.is_empty() {
            let fixed = self.g.stop(total);
            result.slope = Some((self.g.sub(total, fixed), local));
        }
        let chosen = sequence.variables.iter().any(|v| matches!(v.operator, Operator::Best(_)));
        result.follows_prices = chosen && !self.program.objective.bounds.is_empty();
        result.in_turn = true;
        result
    }

    /// A cost of 0 on every value of every variable: the derivative in it is the probability of that value.
    fn tag(&mut self, sequence: &mut Sequence) -> Vec<NodeId> {
        let mut tags = vec![];
        for variable in &sequence.variables {
            let axes = axis::union(&axis::sorted(&variable.latent.axes), &[variable.values]);
            let (_, tag) = self.g.input(&format!("cost of {}", variable.latent.name), &axes);
            tags.push(tag);
            sequence.costs.push(Table::own(variable, tag));
        }
        tags
    }

    /// The weight of a latent's rate in what is minimised.
    fn weight_of_rate(&mut self, name: &str) -> NodeId {
        let own = |f: &Functional| matches!(f, Functional::Rate(of) if of.as_ref().is_none_or(|n| n == name));
        self.weights.of(&mut self.g, self.program, own)
    }

    /// The weight of a likelihood or a loss.
    fn weight_of_distortion(&mut self, name: &str) -> NodeId {
        let own = |f: &Functional| matches!(f, Functional::Distortion(of) if of.as_ref().is_none_or(|n| n == name));
        self.weights.of(&mut self.g, self.program, own)
    }

    /// Every term as a table.
    fn sequence(&mut self, nodes: &HashSet<NodeId>) -> Result<(Sequence<'a>, Vec<Standing>), Underivable> {
        let program = self.program;
        if program.objective.bounds.len() > 1 {
            let second = program.objective.bounds.get(1).map(|b| b.span).unwrap_or_default();
            return Err(messages::bounds_beside_exact(second));
        }
        let mut named = vec![];
        for (number, latent) in program.latents.iter().enumerate() {
            if !self.is_enumerated(number) {
                continue;
            }
            let count = latent.support.bounds().1 as usize + 1;
            let values = Axis::plain(self.g.add_axis(&format!("values of {}", latent.name), count));
            let before = Axis::plain(self.g.add_axis(&format!("earlier values of {}", latent.name), count));
            named.push(Reading { number, latent, values, before });
        }
        let mut variables = vec![];
        for one in &named {
            variables.push(self.variable(one, &named, nodes)?);
        }
        let (mut costs, mut standing) = (vec![], vec![]);
        for (k, observe) in program.observes.iter().enumerate() {
            let d = self.after_distribution(&observe.distribution);
            if d.args.iter().any(|&a| self.g.depends_on(a, nodes)) {
                let x = self.after(observe.value);
                let density = self.likelihood(&d, x, observe)?;
                let density = operator::at_least(&mut self.g, density);
                let cost = self.g.neg(density);
                let weight = self.weight_of_distortion(&observe.name);
                let table = self.table(cost, &named, nodes, observe.span)?;
                self.stand((Source::Observe(k), table, weight), &named, (&mut costs, &mut standing));
            }
        }
        for (k, loss) in program.losses.iter().enumerate() {
            let cost = self.after(loss.node);
            if self.g.depends_on(cost, nodes) {
                let weight = self.weight_of_distortion(&loss.name);
                let table = self.table(cost, &named, nodes, loss.span)?;
                self.stand((Source::Loss(k), table, weight), &named, (&mut costs, &mut standing));
            }
        }
        let longest = variables.iter().filter_map(|v| v.latent.chain).max_by_key(|c| self.g.extent_of(c.id));
        let gains = self.gains(&variables)?;
        let sequence = Sequence { variables, costs, time: longest, gains };
        sequence.reads_what_came(program, &self.g)?;
        Ok((sequence, standing))
    }

    /// A cost, weighed, behind a stand-in.
    fn stand(
        &mut self,
        (source, table, weight): (Source, Table, NodeId),
        named: &[Reading],
        (costs, standing): (&mut Vec<Table>, &mut Vec<Standing>),
    ) {
        let plain = table.node;
        let value = self.g.mul(weight, plain);
        let axes = self.g.axes_of(value).to_vec();
        let (_, stand_in) = self.g.input("cost", &axes);
        let over = named.iter().flat_map(|r| [r.values, r.before]).collect();
        standing.push(Standing { source, stand_in, value, plain, over });
        costs.push(Table { node: stand_in, ..table });
    }

    fn variable(
        &mut self,
        one: &Reading<'a>,
        named: &[Reading<'a>],
        nodes: &HashSet<NodeId>,
    ) -> Result<Variable<'a>, Underivable> {
        let latent = one.latent;
        let operator = Operator::of(latent);
        let z = latent.node;
        let prior = self.after_distribution(&latent.prior);
        let density = self.log_density(&prior, z, latent)?;
        let density = operator::at_least(&mut self.g, density);
        let log_p = self.table(density, named, nodes, latent.span)?;
        let log_q = match &latent.guide {
            Guide::Stated(d) => {
                let q = self.after_distribution(d);
                let density = self.log_density(&q, z, latent)?;
                let density = operator::at_least(&mut self.g, density);
                Some(self.table(density, named, nodes, latent.guide_span.unwrap_or(latent.span))?)
            }
            _ => None,
        };
        let weight = self.weight_of_rate(&latent.name);
        if matches!(operator, Operator::Best(_)) && self.g.constant_value(weight).is_some_and(|w| w <= 0.0) {
            let span = self.program.objective.span.unwrap_or(latent.span);
            return Err(messages::exact_without_rate(&latent.name, span));
        }
        let (_, weight) = self.g.input(&format!("weight of {}", latent.name), &axis::sorted(&latent.axes));
        let Reading { number, values, before, .. } = *one;
        Ok(Variable { number, latent, operator, values, before, weight, log_p, log_q })
    }

    /// What is gained by what one variable says of another.
    fn gains(&mut self, variables: &[Variable<'a>]) -> Result<Vec<Gained>, Underivable> {
        let mut gains: Vec<Gained> = vec![];
        for (_, functional) in &self.program.objective.terms {
            let Functional::Information(one, other) = functional else { continue };
            let span = self.program.objective.span.unwrap_or_default();
            let place = |name: &String| variables.iter().position(|v| v.latent.name == *name);
            let (Some(a), Some(b)) = (place(one), place(other)) else {
                return Err(messages::information_not_summed(one, other, span));
            };
            let chain = |k: usize| variables.get(k).and_then(|v| v.latent.chain);
            if a == b || chain(a) != chain(b) {
                return Err(messages::information_of_other_steps(one, other, span));
            }
            let names = [one.clone(), other.clone()];
            let weight = self.weights.of(&mut self.g, self.program, |f| is_information(f, &names));
            if !gains.iter().any(|g| g.of == [a, b]) {
                gains.push(Gained { of: [a, b], weight });
            }
        }
        Ok(gains)
    }
}

fn is_information(f: &Functional, names: &[String; 2]) -> bool {
    matches!(f, Functional::Information(one, other) if [one, other] == [&names[0], &names[1]])
}

impl Sequence<'_> {
    /// Whether some choice sees less than the state, so that it hangs on all that was seen and done.
    fn is_tree(&self) -> bool {
        let less = |v: &Variable| matches!(v.operator, Operator::Best(Sees::Only(_)));
        self.time.is_none() || !self.gains.is_empty() || self.variables.iter().any(less) || self.late().next().is_some()
    }

    /// Variables outside of loops that follow from what is inside.
    fn late(&self) -> impl Iterator<Item = usize> {
        let inside = |k: &usize| self.variables.get(*k).is_some_and(|v| v.latent.chain.is_some());
        let after = move |v: &Variable| v.latent.chain.is_none() && v.tables().any(|t| t.now.iter().any(inside));
        self.variables.iter().enumerate().filter(move |(_, v)| after(v)).map(|(k, _)| k)
    }

    /// Variables in the order in which they are drawn: at one position those written ahead first, then as declared.
    pub fn order(&self, g: &fe_graph::Graph) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.variables.len()).collect();
        order.sort_by_key(|&k| self.variables.get(k).map(|v| (!v.is_ahead(&self.variables, g), k)));
        order
    }

    /// Whether everything is drawn from what is drawn before it.
    fn reads_what_came(&self, program: &Program, g: &fe_graph::Graph) -> Result<(), Underivable> {
        let order = self.order(g);
        let place = |k: usize| order.iter().position(|&o| o == k);
        for (k, variable) in self.variables.iter().enumerate() {
            for table in variable.tables() {
                let later = table.now.iter().copied().filter(|&j| j != k).find(|&j| {
                    let both = self.variables.get(j).is_some_and(|v| v.latent.chain == variable.latent.chain);
                    both && place(j) > place(k)
                });
                if let Some(other) = later.and_then(|j| self.variables.get(j)) {
                    let span = program.latents.get(variable.number).map(|l| l.span).unwrap_or_default();
                    return Err(messages::drawn_from_later(&variable.latent.name, &other.latent.name, span));
                }
            }
        }
        Ok(())
    }
}

impl Variable<'_> {
    /// The tables that it is drawn by.
    fn tables(&self) -> impl Iterator<Item = &Table> {
        std::iter::once(&self.log_p).chain(&self.log_q)
    }
}
