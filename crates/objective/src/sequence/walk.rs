//! The sum in time order where every choice sees the state: one loop from the last position back, whose table goes over the
//! values that the next position reads.

use std::collections::HashMap;

use fe_graph::{Axis, Binary, Graph, NodeId, Recurrence, axis};
use fe_syntax::Span;

use super::operator::{Drawn, Operator, total};
use super::tables::{Place, TABLE_LIMIT, align};
use super::{Left, Sequence, Variable};
use crate::elimination::elements;
use crate::messages;
use crate::objective::{Choice, Seen, SeenElement, Underivable, When};

/// The loop's axis, which counts from the last position back.
struct Backward {
    time: Axis,
    back: Axis,
    index: NodeId,
}

impl Backward {
    fn new(g: &mut Graph, time: Axis) -> Self {
        let length = g.extent_of(time.id);
        let back = Axis::plain(g.add_axis("positions from the last", length));
        let (place, last) = (g.iota(back), g.constant(length as f64 - 1.0));
        let index = g.sub(last, place);
        Self { time, back, index }
    }

    fn turned(&self, g: &mut Graph, node: NodeId) -> NodeId {
        if g.has_axis(node, self.time) { g.gather(node, self.index, self.time) } else { node }
    }

    /// The value of what is to come at the next position; nothing comes after the last.
    fn next(&self, g: &mut Graph, stand_in: NodeId) -> NodeId {
        let (place, zero) = (g.iota(self.back), g.constant(0.0));
        let index = g.shift(place, -1.0);
        let index = g.binary(Binary::Max, index, zero);
        let next = g.gather(stand_in, index, self.back);
        let last = g.equal(place, zero);
        g.select(last, zero, next)
    }
}

/// One position of the loop, for all of them at once.
struct Walk<'s, 'a> {
    sequence: &'s Sequence<'a>,
    backward: Backward,
    /// Variables that the next position reads.
    carried: Vec<&'s Variable<'a>>,
    /// Variables outside of loops, and what is paid there.
    outside: Vec<&'s Variable<'a>>,
    paid_outside: Vec<NodeId>,
    /// What stands for what is to come, and that before the position.
    recurrence: Recurrence,
    /// The numbers of the largest table.
    largest: usize,
    /// Best choices: their probabilities, what is to come before them and their rates, functions of what stands for what is to
    /// come after the position.
    chosen: Vec<(&'s Variable<'a>, [NodeId; 3])>,
}

/// What is left once everything is summed out.
pub(super) fn sum(g: &mut Graph, sequence: &Sequence) -> Result<Left, Underivable> {
    let walk = Walk::new(g, sequence)?;
    let whole = walk.whole(g, walk.recurrence)?;
    let value = walk.value(g, whole);
    let choices = walk.choices(g, whole);
    let shorter = walk.without_last(g)?;
    let length = g.extent_of(walk.backward.time.id);
    let note = format!(
        "finite latents are summed out in time order, last step first: {length} steps, each of tables of at most {} numbers",
        walk.largest
    );
    Ok(Left { value, shorter, gains: vec![], choices, note })
}

impl<'s, 'a> Walk<'s, 'a> {
    fn new(g: &mut Graph, sequence: &'s Sequence<'a>) -> Result<Self, Underivable> {
        let Some(time) = sequence.time else { return Err(messages::not_finite_alone(Span::default())) };
        let backward = Backward::new(g, time);
        let order = sequence.order(g).into_iter().filter_map(|k| sequence.variables.get(k));
        let (inside, outside): (Vec<&Variable>, Vec<&Variable>) = order.partition(|v| v.latent.chain.is_some());
        // What the next position reads of this one.
        let tables = || sequence.costs.iter().chain(sequence.variables.iter().flat_map(Variable::tables));
        let read_back = |k: usize| tables().any(|t| t.before.contains(&k));
        let carried = sequence.variables.iter().enumerate().filter(|(k, _)| read_back(*k)).map(|(_, v)| v).collect();
        let (mut costs, mut paid_outside) = (vec![], vec![]);
        for table in &sequence.costs {
            if table.place == Place::Outside {
                paid_outside.push(table.node);
            } else {
                let node = table.aligned(g, time, 0.0);
                costs.push(backward.turned(g, node));
            }
        }
        let drawn: Vec<(&Variable, Drawn)> = inside.iter().map(|v| (*v, drawn_along(g, v, time, &backward))).collect();
        let recurrence =
            Recurrence { stand_in: costs.first().copied().unwrap_or(backward.index), value: backward.index };
        let mut walk =
            Self { sequence, backward, carried, outside, paid_outside, recurrence, largest: 0, chosen: vec![] };
        walk.recurrence = walk.position(g, costs, &drawn)?;
        Ok(walk)
    }

    /// What is to come before a position, from what is to come after it.
    fn position(
        &mut self,
        g: &mut Graph,
        mut costs: Vec<NodeId>,
        drawn: &[(&'s Variable<'a>, Drawn)],
    ) -> Result<Recurrence, Underivable> {
        let mut axes: Vec<Axis> = self.carried.iter().map(|v| v.before).collect();
        let inside = self.sequence.variables.iter().filter(|v| v.latent.chain.is_some());
        let mut inner: Vec<Axis> = inside.flat_map(|v| [v.values, v.before]).collect();
        inner.push(self.backward.back);
        for node in costs.iter().chain(drawn.iter().map(|(_, d)| &d.log_p)) {
            axes.extend(axis::difference(g.axes_of(*node), &axis::sorted(&inner)));
        }
        let axes = axis::union(&axis::sorted(&axes), &[self.backward.back]);
        let (_, stand_in) = g.input("what is to come", &axes);
        let next = self.backward.next(g, stand_in);
        let pairs: Vec<(Axis, Axis)> = self.carried.iter().map(|v| (v.before, v.values)).collect();
        costs.push(g.rename(next, &pairs));
        for (variable, drawn) in drawn.iter().rev() {
            let best = matches!(variable.operator, Operator::Best(_));
            let to_come = best.then(|| of_choice(g, drawn, &costs));
            costs = self.summed_out(g, variable, drawn, costs)?;
            if let Some((q, rate)) = to_come.map(|v| drawn.best(g, v)) {
                let before = total(g, &costs);
                self.chosen.push((variable, [q, before, rate]));
            }
        }
        let value = total(g, &costs);
        Ok(Recurrence { stand_in, value: g.broadcast(value, &axes) })
    }

    /// What is to come before each position, from the last back.
    fn whole(&self, g: &mut Graph, recurrence: Recurrence) -> Result<NodeId, Underivable> {
        let span = self.sequence.variables.first().map(|v| v.latent.span).unwrap_or_default();
        let stepped = g.recur(self.backward.back, &[recurrence]);
        let stepped = stepped.ok().and_then(|s| s.values.first().copied());
        stepped.ok_or_else(|| messages::mixes_positions("", span))
    }

    /// What each best choice is at every position of its loop, from what is to come.
    fn choices(&self, g: &mut Graph, whole: NodeId) -> Vec<Choice> {
        let stands = HashMap::from([(self.recurrence.stand_in, whole)]);
        let length = g.extent_of(self.backward.time.id);
        let mut list = vec![];
        for (variable, nodes) in self.chosen.iter().rev() {
            let Some(own) = variable.latent.chain else { continue };
            let (last, place) = (g.constant(length as f64 - 1.0), g.iota(own));
            let index = g.sub(last, place);
            let found = g.substitute(nodes, &stands);
            let turned: Vec<NodeId> = found.into_iter().map(|n| g.gather(n, index, self.backward.back)).collect();
            let &[probabilities, to_come, rate] = turned.as_slice() else { continue };
            let axes = axis::union(g.axes_of(to_come), g.axes_of(rate));
            let seen = |axis: Axis, name: &str, element: SeenElement| {
                let seen = Seen { name: name.to_owned(), element, values: axis };
                axes.contains(&axis).then_some(seen)
            };
            let sees = self.sequence.variables.iter().flat_map(|v| {
                let here = if v.latent.chain.is_some() { SeenElement::Back(0) } else { SeenElement::Only };
                let name = v.latent.name.as_str();
                [seen(v.values, name, here), seen(v.before, name, SeenElement::Back(1))]
            });
            let sees = sees.flatten().collect();
            let (name, values) = (variable.latent.name.clone(), variable.values);
            let (when, to_come) = (When::Along(own), Some(to_come));
            list.push(Choice { name, when, sees, values, probabilities, to_come, rate });
        }
        list
    }

    /// What is left of a loop, with what is outside summed out too.
    fn value(&self, g: &mut Graph, whole: NodeId) -> NodeId {
        let length = g.extent_of(self.backward.time.id);
        let mut value = g.pick(whole, self.backward.back, length - 1);
        for variable in &self.carried {
            value = g.pick(value, variable.before, 0);
        }
        let mut rest = self.paid_outside.clone();
        rest.push(value);
        for variable in self.outside.iter().rev() {
            let drawn = Drawn {
                along: variable.values,
                log_p: variable.log_p.node,
                log_q: variable.log_q.as_ref().map(|t| t.node),
                weight: variable.weight,
            };
            let (_, left) = one_less(g, variable, &drawn, rest);
            rest = left;
        }
        total(g, &rest)
    }

    /// The same without the last turn of the loop; none where that is the only one.
    fn without_last(&self, g: &mut Graph) -> Result<Option<NodeId>, Underivable> {
        let length = |v: &Variable| v.latent.chain.map(|c| g.extent_of(c.id));
        let all = g.extent_of(self.backward.time.id);
        let turns = self.sequence.variables.iter().filter_map(length).min().unwrap_or(all);
        if turns < 2 {
            return Ok(None);
        }
        let Recurrence { stand_in, value } = self.recurrence;
        let axes = g.axes_of(stand_in).to_vec();
        let (_, other) = g.input("what is to come, shorter", &axes);
        let value = g.substitute(&[value], &HashMap::from([(stand_in, other)])).first().copied().unwrap_or(value);
        let (place, last, zero) = (g.iota(self.backward.back), g.constant((all - turns) as f64), g.constant(0.0));
        let dropped = g.less_equal(place, last);
        let value = g.select(dropped, zero, value);
        let value = g.broadcast(value, &axes);
        let whole = self.whole(g, Recurrence { stand_in: other, value })?;
        Ok(Some(self.value(g, whole)))
    }

    /// What is paid with one variable less, where its table is not too large.
    fn summed_out(
        &mut self,
        g: &mut Graph,
        variable: &Variable,
        drawn: &Drawn,
        costs: Vec<NodeId>,
    ) -> Result<Vec<NodeId>, Underivable> {
        let (axes, rest) = one_less(g, variable, drawn, costs);
        let size = elements(g, &axis::difference(&axes, &[self.backward.back]));
        self.largest = self.largest.max(size);
        if size > TABLE_LIMIT {
            return Err(messages::too_many_values(&variable.latent.name, variable.latent.span, size, TABLE_LIMIT));
        }
        Ok(rest)
    }
}

/// What is to come after a choice, as far as that has a say in it.
fn of_choice(g: &mut Graph, drawn: &Drawn, costs: &[NodeId]) -> NodeId {
    let own: Vec<NodeId> = costs.iter().copied().filter(|&n| g.has_axis(n, drawn.along)).collect();
    total(g, &own)
}

/// What is paid with one variable less, and the axes of the table that it was summed out of.
fn one_less(g: &mut Graph, variable: &Variable, drawn: &Drawn, costs: Vec<NodeId>) -> (Vec<Axis>, Vec<NodeId>) {
    let (own, mut rest): (Vec<NodeId>, Vec<NodeId>) = costs.into_iter().partition(|&n| g.has_axis(n, drawn.along));
    let to_come = total(g, &own);
    let axes = axis::union(g.axes_of(to_come), g.axes_of(drawn.log_p));
    rest.push(drawn.before(g, variable, to_come));
    (axes, rest)
}

/// The tables of a variable over all positions, from the last back; where it has no element, all values are alike.
fn drawn_along(g: &mut Graph, variable: &Variable, time: Axis, backward: &Backward) -> Drawn {
    let alike = -(g.extent_of(variable.values.id) as f64).ln();
    let log_p = variable.log_p.aligned(g, time, alike);
    let log_p = backward.turned(g, log_p);
    let log_q = variable.log_q.as_ref().map(|t| t.aligned(g, time, alike));
    let log_q = log_q.map(|n| backward.turned(g, n));
    let place = variable.latent.chain.map_or(Place::Outside, |chain| Place::Along(chain, 0));
    let weight = align(g, variable.weight, place, time, 1.0);
    let weight = backward.turned(g, weight);
    Drawn { along: variable.values, log_p, log_q, weight }
}
