//! What a guide says of each latent, and of each `let`: read for each row of a finished fit.

use std::collections::HashSet;

use fe_check::Latent;
use fe_distribution::{Distribution, Statistic};
use fe_graph::{Axis, NodeId};

use crate::deriver::Deriver;
use crate::guide::types::Posterior;
use crate::objective::{Readout, ReadoutOf, Reported};

impl Deriver<'_> {
    /// Every latent, and every `let` that follows from one, with its draws or what is known of it beside them. What has neither
    /// is left out.
    pub(crate) fn readouts(&mut self) -> Vec<Readout> {
        let program = self.program;
        let mut list = vec![];
        for (k, latent) in program.latents.iter().enumerate() {
            if let Some(of) = self.readout_of(k, latent) {
                list.push(Readout { name: latent.name.clone(), axes: latent.axes.clone(), of });
            }
        }
        let latents: HashSet<NodeId> = program.latents.iter().map(|l| l.node).collect();
        let lets: Vec<NodeId> = program.lets.iter().map(|l| l.node).collect();
        let random = program.graph.depending(&lets, &latents);
        let drawn = self.all_drawn(&lets);
        for (named, draw) in program.lets.iter().zip(drawn).filter(|(l, _)| random.contains(&l.node)) {
            if let Some(draw) = draw {
                let draw = self.g.broadcast(draw, &fe_graph::axis::sorted(&named.axes));
                let of = ReadoutOf::Value { draw, given: None };
                list.push(Readout { name: named.name.clone(), axes: named.axes.clone(), of });
            }
        }
        list
    }

    /// What each position of a loop costs, of losses inside of one that can be drawn.
    pub(crate) fn losses_along(&mut self) -> Vec<Reported> {
        let program = self.program;
        let chains: Vec<Axis> = program.latents.iter().filter_map(|l| l.chain).collect();
        let mut list = vec![];
        for loss in &program.losses {
            let Some(&along) = chains.iter().find(|&&a| program.graph.has_axis(loss.node, a)) else { continue };
            let Some(node) = self.drawn(loss.node) else { continue };
            let row = program.row.map(|r| Axis::plain(r.axis)).filter(|&r| self.g.has_axis(node, r));
            let kept: Vec<Axis> = [Some(Axis::SAMPLE).filter(|&s| self.g.has_axis(node, s)), row, Some(along)]
                .into_iter()
                .flatten()
                .collect();
            let node = self.g.sum_all_but(node, &kept);
            let axes = row.into_iter().chain([along]).collect();
            list.push(Reported { name: loss.name.clone(), axes, node, normal: None, given: None });
        }
        list
    }

    fn readout_of(&mut self, k: usize, latent: &Latent) -> Option<ReadoutOf> {
        let axes = fe_graph::axis::sorted(&latent.axes);
        if let Some(summed) = self.enumeration.latents.get(&k).copied() {
            if self.realised.points.contains_key(&k) || self.realised.counts.contains_key(&k) {
                let draw = self.drawn(latent.node).unwrap_or(summed.marginal_draw);
                let draw = self.g.broadcast(draw, &axes);
                return Some(ReadoutOf::Value { draw, given: self.moments_summed(k, summed, &axes) });
            }
            let shares = self.drawn(summed.probabilities)?;
            let along = fe_graph::axis::sorted(&[axes.as_slice(), &[summed.values]].concat());
            let draw = summed.draw.and_then(|_| self.drawn(latent.node)).map(|d| self.g.broadcast(d, &axes));
            let probabilities = self.g.broadcast(shares, &along);
            return Some(ReadoutOf::Finite { probabilities, values: summed.values, draw });
        }
        let draw = self.drawn(latent.node)?;
        let draw = self.g.broadcast(draw, &axes);
        let given = match self.realised.posteriors.get(k).cloned() {
            Some(Posterior::Family(q) | Posterior::Prior(q)) => self.moments_of(&q),
            Some(Posterior::Joint(_)) => match self.normal_by_chains(latent.node, &axes) {
                Some((mean, sd)) => Some((mean, self.g.square(sd))),
                None => self.moments_given(latent.node, &axes),
            },
            Some(Posterior::Point | Posterior::Enumerated) | None => None,
        };
        let given = given.map(|(m, v)| (self.g.broadcast(m, &axes), self.g.broadcast(v, &axes)));
        Some(ReadoutOf::Value { draw, given })
    }

    /// Mean and variance of a family of its own, given draws of what its arguments read.
    fn moments_of(&mut self, q: &Distribution) -> Option<(NodeId, NodeId)> {
        let q = self.after_distribution(q);
        let args: Option<Vec<NodeId>> = q.args.iter().map(|&a| self.drawn(a)).collect();
        let q = Distribution { args: args?, ..q };
        Some((q.expectation(&mut self.g, Statistic::Value)?, q.variance(&mut self.g, Statistic::Value)?))
    }
}
