//! The sum in time order where every choice sees the state: one loop from the last position back, whose table goes over the
//! values that the next position reads.

use fe_graph::{Axis, Binary, Graph, NodeId, Recurrence, axis};

use super::operator::{Drawn, total};
use super::tables::{Place, TABLE_LIMIT, align};
use super::{Left, Sequence, Variable};
use crate::elimination::elements;
use crate::messages;
use crate::objective::Underivable;

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

/// What is left once everything is summed out.
pub(super) fn sum(g: &mut Graph, sequence: &Sequence) -> Result<Left, Underivable> {
    let Some(time) = sequence.time else { return Err(messages::not_finite_alone(Default::default())) };
    let backward = Backward::new(g, time);
    let (inside, outside): (Vec<usize>, Vec<usize>) = sequence
        .order(g)
        .into_iter()
        .partition(|&k| sequence.variables.get(k).is_some_and(|v| v.latent.chain.is_some()));
    // What the next position reads of this one.
    let tables = || sequence.costs.iter().chain(sequence.variables.iter().flat_map(Variable::tables));
    let carried: Vec<&Variable> = sequence
        .variables
        .iter()
        .enumerate()
        .filter(|(k, _)| tables().any(|t| t.before.contains(k)))
        .map(|(_, v)| v)
        .collect();
    let mut costs = vec![];
    let mut rest = vec![];
    for table in &sequence.costs {
        if table.place == Place::Outside {
            rest.push(table.node);
        } else {
            let node = table.aligned(g, time, 0.0);
            costs.push(backward.turned(g, node));
        }
    }
    let mut drawn = vec![];
    for &k in &inside {
        let Some(variable) = sequence.variables.get(k) else { continue };
        drawn.push((variable, drawn_along(g, variable, time, &backward)));
    }
    let mut axes: Vec<Axis> = carried.iter().map(|v| v.before).collect();
    for node in costs.iter().chain(drawn.iter().map(|(_, d)| &d.log_p)) {
        let inner: Vec<Axis> =
            sequence.variables.iter().filter(|v| v.latent.chain.is_some()).flat_map(|v| [v.values, v.before]).collect();
        let plates = axis::difference(g.axes_of(*node), &axis::sorted(&[inner.as_slice(), &[backward.back]].concat()));
        axes.extend(plates);
    }
    let axes = axis::union(&axis::sorted(&axes), &[backward.back]);
    let (_, stand_in) = g.input("what is to come", &axes);
    let next = backward.next(g, stand_in);
    let pairs: Vec<(Axis, Axis)> = carried.iter().map(|v| (v.before, v.values)).collect();
    costs.push(g.rename(next, &pairs));
    let (mut largest, mut steps) = (0, costs);
    for (variable, drawn) in drawn.iter().rev() {
        steps = summed_out(g, variable, drawn, steps, (&mut largest, backward.back))?;
    }
    let value = total(g, &steps);
    let value = g.broadcast(value, &axes);
    let span = sequence.variables.first().map(|v| v.latent.span).unwrap_or_default();
    let stepped = g.recur(backward.back, &[Recurrence { stand_in, value }]);
    let stepped = stepped.ok().and_then(|s| s.values.first().copied());
    let whole = stepped.ok_or_else(|| messages::mixes_positions("", span))?;
    let length = g.extent_of(time.id);
    let mut value = g.pick(whole, backward.back, length - 1);
    for variable in &carried {
        value = g.pick(value, variable.before, 0);
    }
    rest.push(value);
    for &k in outside.iter().rev() {
        let Some(variable) = sequence.variables.get(k) else { continue };
        let drawn = Drawn {
            along: variable.values,
            log_p: variable.log_p.node,
            log_q: variable.log_q.as_ref().map(|t| t.node),
            weight: variable.weight,
        };
        rest = summed_out(g, variable, &drawn, rest, (&mut largest, backward.back))?;
    }
    let note = format!(
        "finite latents are summed out in time order, last step first: {length} steps, each of tables of at most {largest} numbers"
    );
    Ok(Left { value: total(g, &rest), gains: vec![], note })
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

/// What is paid with one variable less.
fn summed_out(
    g: &mut Graph,
    variable: &Variable,
    drawn: &Drawn,
    costs: Vec<NodeId>,
    (largest, steps): (&mut usize, Axis),
) -> Result<Vec<NodeId>, Underivable> {
    let (own, mut rest): (Vec<NodeId>, Vec<NodeId>) = costs.into_iter().partition(|&n| g.has_axis(n, drawn.along));
    let to_come = total(g, &own);
    let axes = axis::difference(&axis::union(g.axes_of(to_come), g.axes_of(drawn.log_p)), &[steps]);
    let size = elements(g, &axes);
    *largest = (*largest).max(size);
    if size > TABLE_LIMIT {
        return Err(messages::too_many_values(&variable.latent.name, variable.latent.span, size, TABLE_LIMIT));
    }
    rest.push(drawn.before(g, variable, to_come));
    Ok(rest)
}
