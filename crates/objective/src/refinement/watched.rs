//! What is watched of a descent, step by step: the parts of F, spikes, zeros, R².

use fe_check::Guide;
use fe_distribution::{Distribution, Support};
use fe_graph::{Axis, NodeId};

use super::descent::{DescentTrace, Moves};
use super::direction::Directions;
use super::handles::Handled;
use crate::objective::Objective;

/// The nodes of a trace, by a loop of their own; in a loop over positions there is none but the terms of the last states.
pub(super) fn trace(o: &mut Objective, handled: &Handled, moves: &Moves, found: &Directions) -> DescentTrace {
    let program = &handled.program;
    let zeros = zeros(o, handled);
    let r2 = r2(o);
    let limited: Vec<NodeId> = moves.limited.iter().map(|&n| share(o, n)).collect();
    let terms: Vec<NodeId> = o.terms.iter().map(|t| t.sum).collect();
    let spikes: Vec<NodeId> = o.spikes.iter().map(|e| e.sum).collect();
    let g = &mut o.graph;
    let mean = |g: &mut fe_graph::Graph, n: NodeId| g.mean(n, &[Axis::SAMPLE]);
    let roots: Vec<NodeId> = terms.iter().chain(&spikes).chain(&zeros).chain(&r2).map(|&n| mean(g, n)).collect();
    let mut watched = g.substitute(&roots, &found.values);
    watched.extend(&limited);
    let steps = program.refinements.first().map_or(0, |r| r.steps).saturating_add(1);
    let axis = moves.axis(g, steps);
    let from: Vec<NodeId> = program.refinements.iter().map(|r| r.from).collect();
    let looped = program.refinements.iter().any(|r| r.chain.is_some());
    let mut stacked = if looped {
        vec![].into_iter()
    } else {
        g.iterate(axis, &moves.states(&from), &watched, &moves.fresh, None).watched.into_iter()
    };
    let mut take = |n: usize| stacked.by_ref().take(n).collect::<Vec<_>>();
    DescentTrace {
        axis,
        terms: take(terms.len()),
        spikes: take(spikes.len()),
        zeros: take(zeros.len()),
        r2: take(r2.len()),
        limited: take(limited.len()),
    }
}

/// The mean over a row's elements, summed over rows.
fn share(o: &mut Objective, node: NodeId) -> NodeId {
    let row: Vec<Axis> = o.row.iter().map(|r| Axis::plain(r.axis)).collect();
    let others = fe_graph::axis::difference(o.graph.axes_of(node), &row);
    let mean = o.graph.mean(node, &others);
    o.graph.sum_all_but(mean, &[])
}

/// The probability of 0 of counts, and points that are 0, of each refined latent.
fn zeros(o: &mut Objective, handled: &Handled) -> Vec<NodeId> {
    let mut all = vec![];
    for latent in &handled.program.latents {
        let refined = handled
            .program
            .refinements
            .iter()
            .any(|r| handled.program.latents.get(r.latent).is_some_and(|l| l.name == latent.name));
        let g = &mut o.graph;
        let zero = match &latent.guide {
            Guide::Stated(q) if refined && latent.support == Support::Count => {
                let nothing = g.constant(0.0);
                let q: &Distribution = q;
                q.log_density(g, nothing).map(|l| g.exp(l))
            }
            Guide::PointAt(point) if refined => {
                let nothing = g.constant(0.0);
                Some(g.equal(*point, nothing))
            }
            _ => None,
        };
        if let Some(zero) = zero {
            all.push(share(o, zero));
        }
    }
    all
}

/// 1 − SS_res/SS_tot of each row of each likelihood that is decoded, summed over rows.
fn r2(o: &mut Objective) -> Vec<NodeId> {
    let row: Vec<Axis> = o.row.iter().map(|r| Axis::plain(r.axis)).collect();
    let mut all = vec![];
    for (x, mean) in o.report.decoded.clone() {
        let g = &mut o.graph;
        let others = fe_graph::axis::difference(g.axes_of(x), &row);
        let rest = g.sub(x, mean);
        let own = g.mean(x, &others);
        let about = g.sub(x, own);
        let (rest, about) = (g.square(rest), g.square(about));
        let (rest, about) = (g.sum(rest, &others), g.sum(about, &others));
        let tiny = g.constant(1e-12);
        let about = g.binary(fe_graph::Binary::Max, about, tiny);
        let lost = g.div(rest, about);
        let one = g.constant(1.0);
        let r2 = g.sub(one, lost);
        all.push(g.sum_all_but(r2, &[]));
    }
    all
}
