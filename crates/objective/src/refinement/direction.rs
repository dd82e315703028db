//! One law: a state goes against the slope of what is descended, in the mean that it stands for.

use std::collections::{HashMap, HashSet};

use fe_check::{DescentRule, Guide, Refinement};
use fe_distribution::{Distribution, Statistic};
use fe_graph::{Axis, Graph, NodeId, axis};

use super::descended::{Descended, Draws};
use super::handles::{Handle, Handled, slope_of};
use super::spike;
use crate::messages;
use crate::objective::Underivable;

/// The slope in each state, in the metric of its rule, in terms of the states.
pub(super) struct Directions {
    /// One for each refinement, in order.
    pub of: Vec<NodeId>,
    /// Handles in terms of the states.
    pub values: HashMap<NodeId, NodeId>,
    /// Noise that is drawn anew at each step.
    pub fresh: HashSet<NodeId>,
}

/// The directions of all states of a program.
pub(super) fn directions(
    g: &mut Graph,
    handled: &Handled,
    row: Option<Axis>,
    parts: &Descended,
    draws: Option<Draws>,
) -> Result<Directions, Underivable> {
    let inputs: Vec<NodeId> = handled.handles.iter().map(|h| h.input).collect();
    let span = handled.program.refinements.first().map(|r| r.span).unwrap_or_default();
    let no_slope = |e| messages::no_derivative("what is descended", &e, span);
    let mut values = handled.values();
    points(g, handled, parts, &mut values);
    let total = g.add(parts.distortion, parts.cost);
    let more = spike::effects(g, handled, row, total)?;
    let (distortion, cost) = (spike::held(g, handled, parts.distortion), spike::held(g, handled, parts.cost));
    let distortion = g.gradient(distortion, &inputs).map_err(no_slope)?;
    let cost = g.gradient(cost, &inputs).map_err(no_slope)?;
    // What is random in a step: the slope of a cost that is quadratic, at a draw, is the effect of one more spike.
    let mut fresh = HashSet::new();
    let distortion = match draws {
        Some(draws) => {
            let at = at_draws(g, handled, &values, draws, &mut fresh);
            let drawn = g.substitute(&distortion, &at);
            drawn.into_iter().map(|slope| g.mean(slope, &[draws.axis])).collect()
        }
        None => distortion,
    };
    let mut slopes: Vec<NodeId> = distortion.into_iter().zip(cost).map(|(d, c)| g.add(d, c)).collect();
    for (k, slope) in slopes.iter_mut().enumerate() {
        if let Some(&effect) = more.get(&k) {
            *slope = g.add(*slope, effect);
        }
    }
    let slopes = g.substitute(&slopes, &values);
    if draws.is_some() {
        fresh.extend(g.noise_of(&slopes));
    }
    let mut of = vec![];
    for state in &handled.program.refinements {
        let own: Vec<(&Handle, NodeId)> =
            handled.handles.iter().zip(slopes.iter().copied()).filter(|(h, _)| h.latent == state.latent).collect();
        let d = direction(g, handled, state, &own, &values, parts)?;
        let axes = axis::sorted(&state.axes);
        of.push(g.broadcast(d, &axes));
    }
    Ok(Directions { of, values, fresh })
}

fn direction(
    g: &mut Graph,
    handled: &Handled,
    state: &Refinement,
    own: &[(&Handle, NodeId)],
    values: &HashMap<NodeId, NodeId>,
    parts: &Descended,
) -> Result<NodeId, Underivable> {
    let latent = handled.program.latents.get(state.latent);
    let none = || messages::no_metric(&state.name, state.span);
    match (state.rule, latent.map(|l| &l.guide)) {
        (DescentRule::NaturalGradient, Some(Guide::Stated(q))) => {
            let natural = q.family.natural().ok_or_else(none)?;
            let args: Vec<NodeId> = q.args.iter().map(|a| values.get(a).copied().unwrap_or(*a)).collect();
            let slopes: Vec<Option<NodeId>> =
                (0..args.len()).map(|k| own.iter().find(|(h, _)| h.argument == k).map(|o| o.1)).collect();
            let directions = (natural.direction)(g, &args, &slopes, q.event).ok_or_else(none)?;
            let coordinates = (natural.coordinates)(g, &args);
            let moved: Vec<(NodeId, NodeId)> = coordinates
                .into_iter()
                .zip(directions)
                .filter(|(c, _)| g.depends_on(*c, &HashSet::from([state.node])))
                .filter_map(|(c, d)| Some((c, d?)))
                .collect();
            let &[(coordinate, direction)] = moved.as_slice() else { return Err(none()) };
            let slope = slope_of(g, coordinate, state.node).ok_or_else(none)?;
            Ok(g.div(direction, slope))
        }
        (DescentRule::Proximal, Some(_)) => {
            let (handle, slope) = own.first().ok_or_else(none)?;
            let point = values.get(&handle.input).copied().unwrap_or(handle.value);
            // The rate is what the proximal map answers for: its slope is v − a.
            let rate = rate_slope(g, handled, state, parts, values).ok_or_else(none)?;
            let rest = g.sub(*slope, rate);
            let pull = g.sub(state.node, point);
            Ok(g.add(rest, pull))
        }
        _ => {
            let mut total = g.constant(0.0);
            for (handle, slope) in own {
                let value = values.get(&handle.input).copied().unwrap_or(handle.value);
                if let Some(by) = slope_of(g, value, state.node) {
                    let part = g.mul(*slope, by);
                    total = g.add(total, part);
                }
            }
            Ok(total)
        }
    }
}

/// The slope of a point's own penalty in the point.
fn rate_slope(
    g: &mut Graph,
    handled: &Handled,
    state: &Refinement,
    parts: &Descended,
    values: &HashMap<NodeId, NodeId>,
) -> Option<NodeId> {
    let latent = handled.program.latents.get(state.latent)?;
    let handle = handled.handles.iter().find(|h| h.latent == state.latent)?;
    let density = latent.prior.log_density(g, handle.input)?;
    let total = g.sum_all_but(density, &[]);
    let slope = g.gradient(total, &[handle.input]).ok()?.first().copied()?;
    let weight = parts.weights.get(&latent.name).copied()?;
    let weighed = g.mul(weight, slope);
    let weighed = g.neg(weighed);
    g.substitute(&[weighed], values).first().copied()
}

/// Points that proximal maps give, in terms of their states.
fn points(g: &mut Graph, handled: &Handled, parts: &Descended, values: &mut HashMap<NodeId, NodeId>) {
    for state in handled.program.refinements.iter().filter(|r| r.rule == DescentRule::Proximal) {
        let Some(latent) = handled.program.latents.get(state.latent) else { continue };
        let handle = handled.handles.iter().find(|h| h.latent == state.latent);
        let weight = parts.weights.get(&latent.name).copied();
        if let (Some(map), Some(handle), Some(weight)) = (latent.prior.family.proximal(), handle, weight) {
            let point = map(g, handle.value, weight, &latent.prior.args);
            let axes = axis::sorted(&latent.axes);
            values.insert(handle.input, g.broadcast(point, &axes));
        }
    }
}

/// Means at draws: of each guide whose mean is an argument, a draw in the place of that argument.
fn at_draws(
    g: &mut Graph,
    handled: &Handled,
    values: &HashMap<NodeId, NodeId>,
    draws: Draws,
    fresh: &mut HashSet<NodeId>,
) -> HashMap<NodeId, NodeId> {
    let mut at = HashMap::new();
    for handle in &handled.handles {
        let Some(latent) = handled.program.latents.get(handle.latent) else { continue };
        let Guide::Stated(q) = &latent.guide else { continue };
        let mean = q.family.expectation(g, Statistic::Value, &q.args);
        if mean != Some(handle.input) {
            continue;
        }
        let args = g.substitute(&q.args, values);
        let q = Distribution { args, ..q.clone() };
        let site = Draws::site(&latent.name);
        let axes = axis::union(&[draws.axis], &axis::sorted(&latent.axes));
        if let Some(drawn) = drawn(g, &q, site, &axes) {
            fresh.extend(g.noise_of(&[drawn]));
            at.insert(handle.input, drawn);
        }
    }
    at
}

/// A draw as it is, not relaxed.
fn drawn(g: &mut Graph, q: &Distribution, site: fe_graph::Site, axes: &[Axis]) -> Option<NodeId> {
    let zero = g.constant(0.0);
    let how = fe_distribution::Sampling { temperature: zero, indicator: fe_graph::Indicator::Cubic };
    q.stopped_sample(g, site, axes, &how)
}
