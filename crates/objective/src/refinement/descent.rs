//! The descent itself: states that move together, and what is watched of them.

use std::collections::{HashMap, HashSet};

use fe_check::{Refinement, Schedule, StepSize, Through};
use fe_graph::{Axis, Graph, NodeId, Op, Site, State, axis};

use super::descended::{Descended, Draws, descended};
use super::direction::{Directions, directions};
use super::guard::Guard;
use super::handles::Handled;
use super::spike;
use super::watched;
use crate::messages;
use crate::objective::{Objective, Underivable};

/// Draws of a step where a term has no closed form and the program says no number.
const DRAWS: usize = 1;

/// The descent of an objective: how its states move, and the nodes that tell of it.
#[derive(Clone, Debug)]
pub struct Descent {
    /// Its states, in order of declaration.
    pub states: Vec<DescentState>,
    /// Steps.
    pub steps: usize,
    /// Whether messages are drawn anew in each step.
    pub spiking: bool,
    /// How far the outer gradient runs back.
    pub through: Through,
    /// The largest eigenvalue of the slope's own slope at the last states, in the metric of the rules, over rows: steps of
    /// less than 2 over it are stable.
    pub curvature: NodeId,
    /// What is watched before each step.
    pub trace: DescentTrace,
}

/// One state.
#[derive(Clone, Debug)]
pub struct DescentState {
    /// Its name.
    pub name: String,
    /// Its axes.
    pub axes: Vec<Axis>,
    /// Its value after the last step.
    pub last: NodeId,
    /// What its step is.
    pub step: DescentStep,
}

/// The step of a state.
#[derive(Clone, Copy, Debug)]
pub enum DescentStep {
    /// An input that the fit sets by the curvature.
    Chosen(fe_graph::InputId),
    /// A number or a schedule.
    Stated(Schedule),
    /// A node that follows from parameters.
    Fitted(NodeId),
}

/// What is watched before each of some steps, stacked along an axis. Sums over rows, as terms are.
#[derive(Clone, Debug)]
pub struct DescentTrace {
    /// The steps: one more than the descent has.
    pub axis: Axis,
    /// Each term's sum, in the objective's order.
    pub terms: Vec<NodeId>,
    /// Each count's spikes, in the objective's order.
    pub spikes: Vec<NodeId>,
    /// The share of 0 among counts, or among points, of each refined latent; summed over rows.
    pub zeros: Vec<NodeId>,
    /// R² of what is decoded at the guides' means, of each likelihood that has one; summed over rows.
    pub r2: Vec<NodeId>,
    /// The share of elements whose move the limit more than halved, of each state; summed over rows.
    pub limited: Vec<NodeId>,
}

impl Objective {
    /// Puts the last states of the program's descent in the place of the inputs that stand for them.
    ///
    /// # Errors
    /// Where what is descended has no slope, or a guide no metric.
    pub(crate) fn descend(&mut self, handled: &Handled) -> Result<(), Underivable> {
        let refinements = &handled.program.refinements;
        let Some(first) = refinements.first() else { return Ok(()) };
        let draws = Draws::new(&mut self.graph, first.samples.unwrap_or(DRAWS));
        let parts = descended(self, draws);
        let spikes = first.samples.map(|_| draws);
        self.slopes_are_known(handled, &parts)?;
        let row = self.row.map(|r| Axis::plain(r.axis));
        let found = directions(&mut self.graph, handled, row, &parts, spikes)?;
        let steps = self.step_nodes(refinements);
        let mut moves = Moves::new(&mut self.graph, refinements, &found, &steps);
        if first.guard {
            let guard = Guard::new(&mut self.graph, row, first, &moves.nodes, &parts, &found)?;
            moves.guarded(&mut self.graph, &guard);
        }
        let (last, mut values) = self.settled(handled, first, &moves, &found)?;
        self.averaged(first, refinements, &moves, &found);
        let states: HashMap<NodeId, NodeId> = refinements.iter().map(|r| r.node).zip(last.iter().copied()).collect();
        let trace = watched::trace(self, handled, &moves, &found);
        let curvature = self.curvature(refinements, &found, &last, &values);
        for value in values.values_mut() {
            *value = self.graph.substitute(&[*value], &states).first().copied().unwrap_or(*value);
        }
        values.extend(states);
        let mut roots = vec![];
        self.each_node(|n| roots.push(*n));
        let mut new = self.graph.substitute(&roots, &values).into_iter();
        self.each_node(|n| {
            if let Some(root) = new.next() {
                *n = root;
            }
        });
        let states = refinements.iter().zip(last).zip(steps);
        self.descent = Some(Descent {
            states: states
                .map(|((r, last), (step, _))| DescentState { name: r.name.clone(), axes: r.axes.clone(), last, step })
                .collect(),
            steps: first.steps,
            spiking: first.samples.is_some(),
            through: first.through,
            curvature,
            trace,
        });
        Ok(())
    }

    /// Draws that have no slope, and are no counts, have no message in them; and the slope at a draw is the effect of one more
    /// spike where what is descended is quadratic.
    fn slopes_are_known(&mut self, handled: &Handled, parts: &Descended) -> Result<(), Underivable> {
        let program = &handled.program;
        if let Some(r) = program.refinements.first().filter(|_| self.minimised.scored) {
            return Err(messages::no_message(&r.name, r.span));
        }
        let g = &mut self.graph;
        let distortion = spike::held(g, handled, parts.distortion);
        for r in program.refinements.iter().filter(|r| r.samples.is_some()) {
            for handle in handled.handles.iter().filter(|h| h.latent == r.latent) {
                let slope = g.gradient(distortion, &[handle.input]).ok().and_then(|s| s.first().copied());
                let own = HashSet::from([handle.input]);
                let bent = slope.and_then(|slope| {
                    let axes = g.axes_of(slope).to_vec();
                    let probe = g.input("probe", &axes).1;
                    let along = g.mul(slope, probe);
                    let along = g.sum_all_but(along, &[]);
                    g.gradient(along, &[handle.input]).ok()?.first().copied()
                });
                if bent.is_none_or(|bent| g.depends_on(bent, &own)) {
                    return Err(messages::message_not_affine(&r.name, r.span));
                }
            }
        }
        Ok(())
    }

    /// The step of each state, and its node.
    fn step_nodes(&mut self, refinements: &[Refinement]) -> Vec<(DescentStep, NodeId)> {
        let mut steps = vec![];
        for r in refinements {
            steps.push(match r.step {
                StepSize::Chosen => {
                    let (input, node) = self.graph.input(&format!("step of {}", r.name), &[]);
                    (DescentStep::Chosen(input), node)
                }
                StepSize::Stated(Schedule::Constant(v)) => {
                    (DescentStep::Stated(Schedule::Constant(v)), self.graph.constant(v))
                }
                StepSize::Stated(schedule) => {
                    let (input, node) = self.graph.input(&format!("step of {}", r.name), &[]);
                    self.minimised.controls.push((input, schedule));
                    (DescentStep::Stated(schedule), node)
                }
                StepSize::Fitted(node) => (DescentStep::Fitted(node), node),
            });
        }
        steps
    }

    /// The states after the last step, as far as the outer gradient runs through them, and the handles in terms of states.
    fn settled(
        &mut self,
        handled: &Handled,
        first: &Refinement,
        moves: &Moves,
        found: &Directions,
    ) -> Result<(Vec<NodeId>, HashMap<NodeId, NodeId>), Underivable> {
        let g = &mut self.graph;
        let refinements = &handled.program.refinements;
        let from: Vec<NodeId> = refinements.iter().map(|r| r.from).collect();
        if let Some(axis) = first.chain {
            let last = moves.along(g, axis, handled, first.steps).map_err(|node| {
                let place = handled.program.origins.get(g.origin_of(node).0 as usize).copied();
                messages::descent_not_step_by_step(&first.name, place.unwrap_or(first.span))
            })?;
            let last = match first.through {
                Through::None => last.into_iter().map(|n| g.stop(n)).collect(),
                Through::Last(_) | Through::All => last,
            };
            // What reads the last position reads the descended states there.
            let states: HashMap<NodeId, NodeId> =
                refinements.iter().map(|r| r.node).zip(last.iter().copied()).collect();
            let mut values = found.values.clone();
            for &(input, pick) in &handled.before {
                let pick = g.substitute(&[pick], &states).first().copied().unwrap_or(pick);
                values.insert(input, pick);
            }
            return Ok((last, values));
        }
        let stopped = |g: &mut Graph, nodes: Vec<NodeId>| nodes.into_iter().map(|n| g.stop(n)).collect::<Vec<_>>();
        let last = match first.through {
            Through::All => moves.made(g, &from, first.steps),
            Through::None => {
                let last = moves.made(g, &from, first.steps);
                stopped(g, last)
            }
            Through::Last(n) => {
                let before = moves.made(g, &from, first.steps.saturating_sub(n));
                let before = if first.steps > n { stopped(g, before) } else { before };
                moves.made(g, &before, n.min(first.steps))
            }
        };
        Ok((last, found.values.clone()))
    }

    /// Minimises the mean over the steps, where the program asks for that.
    fn averaged(&mut self, first: &Refinement, refinements: &[Refinement], moves: &Moves, found: &Directions) {
        if !first.average {
            return;
        }
        let g = &mut self.graph;
        let now = g.substitute(&[self.minimised.value], &found.values).first().copied();
        let next: HashMap<NodeId, NodeId> =
            refinements.iter().map(|r| r.node).zip(moves.next.iter().copied()).collect();
        let after = now.and_then(|now| g.substitute(&[now], &next).first().copied());
        let from: Vec<NodeId> = refinements.iter().map(|r| r.from).collect();
        let axis = moves.axis(g, first.steps);
        let watched: Vec<NodeId> = after.into_iter().collect();
        let stacked = g.iterate(axis, &moves.states(&from), &watched, &moves.fresh, None).watched;
        if let Some(&stacked) = stacked.first() {
            self.minimised.value = g.mean(stacked, &[axis]);
        }
    }

    /// The largest eigenvalue of the slope's own slope, by power iteration on its transpose, each row by itself.
    fn curvature(
        &mut self,
        refinements: &[Refinement],
        found: &Directions,
        last: &[NodeId],
        values: &HashMap<NodeId, NodeId>,
    ) -> NodeId {
        /// Iterations.
        const POWER: usize = 10;
        let row = self.row.map(|r| Axis::plain(r.axis));
        let g = &mut self.graph;
        let states: Vec<NodeId> = refinements.iter().map(|r| r.node).collect();
        let seeds: Vec<NodeId> =
            refinements.iter().map(|r| g.input(&format!("{} direction", r.name), &axis::sorted(&r.axes)).1).collect();
        let smooth = spike::at_means(g, &found.of);
        let pairs: Vec<(NodeId, NodeId)> = smooth.into_iter().zip(seeds.iter().copied()).collect();
        let Ok(images) = g.vjp(&pairs, &states) else { return g.constant(f64::NAN) };
        let mut at = values.clone();
        for (&state, &last) in states.iter().zip(last) {
            at.insert(state, g.stop(last));
        }
        let images = g.substitute(&images, &at);
        let kept: Vec<Axis> = row.into_iter().collect();
        let mut square = g.constant(0.0);
        for (&image, r) in images.iter().zip(refinements) {
            let image = g.broadcast(image, &axis::sorted(&r.axes));
            let squared = g.square(image);
            let total = g.sum_all_but(squared, &kept);
            square = g.add(square, total);
        }
        let length = g.unary(fe_graph::Unary::Sqrt, square);
        let tiny = g.constant(1e-30);
        let divisor = g.binary(fe_graph::Binary::Max, length, tiny);
        let mut power = vec![];
        for ((&seed, &image), r) in seeds.iter().zip(&images).zip(refinements) {
            let axes = axis::sorted(&r.axes);
            let start =
                g.noise(fe_graph::NoiseKind::Normal, fe_graph::Site::named(&format!("{} direction", r.name)), &axes);
            let next = g.div(image, divisor);
            let next = g.broadcast(next, &axes);
            power.push(State { stand_in: seed, from: start, next });
        }
        let axis = Axis::plain(g.add_axis("power iterations", POWER));
        let lengths = g.iterate(axis, &power, &[length], &HashSet::new(), None).watched;
        let Some(&lengths) = lengths.first() else { return g.constant(f64::NAN) };
        let end = g.pick(lengths, axis, POWER - 1);
        match row {
            Some(row) if g.has_axis(end, row) => g.max(end, &[row]),
            _ => end,
        }
    }
}

/// How states move.
#[derive(Clone)]
pub(super) struct Moves {
    pub nodes: Vec<NodeId>,
    /// By how much they go down, as far as the limit lets them.
    by: Vec<NodeId>,
    pub next: Vec<NodeId>,
    /// The share of each state's elements that the limit holds.
    pub limited: Vec<NodeId>,
    pub fresh: HashSet<NodeId>,
}

impl Moves {
    fn new(g: &mut Graph, refinements: &[Refinement], found: &Directions, steps: &[(DescentStep, NodeId)]) -> Self {
        let (mut by, mut limited) = (vec![], vec![]);
        for ((r, &direction), &(_, step)) in refinements.iter().zip(&found.of).zip(steps) {
            let moved = g.mul(step, direction);
            let bound = match r.limit {
                Some(limit) => {
                    let share = g.scale(moved, 1.0 / limit);
                    let bent = g.tanh(share);
                    // tanh holds a move of more than 1.915 limits to less than half of it.
                    let size = g.abs(share);
                    let most = g.constant(1.915);
                    limited.push(g.less(most, size));
                    g.scale(bent, limit)
                }
                None => {
                    limited.push(g.constant(0.0));
                    moved
                }
            };
            by.push(g.broadcast(bound, &axis::sorted(&r.axes)));
        }
        let nodes: Vec<NodeId> = refinements.iter().map(|r| r.node).collect();
        let next = nodes.iter().zip(&by).map(|(&node, &by)| g.sub(node, by)).collect();
        Self { nodes, by, next, limited, fresh: found.fresh.clone() }
    }

    /// Each row's moves scaled so that what it descends falls.
    fn guarded(&mut self, g: &mut Graph, guard: &Guard) {
        let share = guard.share(g, &self.nodes, &self.by);
        for ((next, &node), &by) in self.next.iter_mut().zip(&self.nodes).zip(&self.by) {
            let part = g.mul(share, by);
            *next = g.sub(node, part);
        }
    }

    /// An axis of so many steps.
    pub fn axis(&self, g: &mut Graph, steps: usize) -> Axis {
        Axis::plain(g.add_axis("refinement step", steps))
    }

    pub fn states(&self, from: &[NodeId]) -> Vec<State> {
        let states = self.nodes.iter().zip(from).zip(&self.next);
        states.map(|((&stand_in, &from), &next)| State { stand_in, from, next }).collect()
    }

    /// The states after so many steps.
    fn made(&self, g: &mut Graph, from: &[NodeId], steps: usize) -> Vec<NodeId> {
        match steps {
            0 => from.to_vec(),
            1 => {
                let axes: Vec<Vec<Axis>> = self.nodes.iter().map(|&n| g.axes_of(n).to_vec()).collect();
                let from: Vec<NodeId> = from.iter().zip(axes).map(|(&f, axes)| g.broadcast(f, &axes)).collect();
                let at: HashMap<NodeId, NodeId> = self.nodes.iter().copied().zip(from).collect();
                g.substitute(&self.next, &at)
            }
            _ => {
                let axis = self.axis(g, steps);
                g.iterate(axis, &self.states(from), &[], &self.fresh, None).last
            }
        }
    }

    /// Where states go, on noise of this step's own.
    fn drawn_anew(&self, g: &mut Graph, step: usize) -> Vec<NodeId> {
        let mut replaced = HashMap::new();
        for &id in self.fresh.iter().filter(|_| step > 0) {
            let node = g.node(id).clone();
            let own = |site: Site| Site(site.0 ^ Site::named(&format!("refinement step {step}")).0);
            let new = match (&node.op, node.inputs.as_slice()) {
                (Op::Noise { kind, site }, _) => g.noise(*kind, own(*site), &node.axes),
                (Op::Arrivals { order, indicator, site }, &[rate, temperature]) => {
                    g.arrivals(rate, temperature, *order, *indicator, own(*site), &node.axes)
                }
                _ => continue,
            };
            replaced.insert(id, new);
        }
        g.substitute(&self.next, &replaced)
    }

    /// The states at every position of a loop, each from the states before it.
    fn along(&self, g: &mut Graph, axis: Axis, handled: &Handled, steps: usize) -> Result<Vec<NodeId>, NodeId> {
        let refinements = &handled.program.refinements;
        let mut value: Vec<NodeId> = refinements.iter().map(|r| r.from).collect();
        for step in 0..steps {
            let moved = Self { next: self.drawn_anew(g, step), ..self.clone() };
            value = moved.made(g, &value, 1);
        }
        let picks: HashMap<NodeId, NodeId> = handled.before.iter().copied().collect();
        let value = g.substitute(&value, &picks);
        let recurrences: Vec<fe_graph::Recurrence> = refinements
            .iter()
            .zip(value)
            .map(|(r, value)| fe_graph::Recurrence {
                stand_in: r.node,
                value: g.broadcast(value, &axis::sorted(&r.axes)),
            })
            .collect();
        Ok(g.recur(axis, &recurrences)?.values)
    }
}
