//! Means and standard deviations of latents under a guide, to compare two fits of the same guide: both with the same
//! noise, so that what differs is the guide.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use fe_graph::{Compiled, ExecutionError, InputId, NodeId, Tensor};
use fe_objective::LatentNodes;

use crate::problem::{Problem, Values};
use crate::qmc::{MatchedDraws, matched_draws};
use crate::reading::Reading;
use crate::streams::Purpose;

/// Draws behind a moment.
const DRAWS: usize = 1024;

/// Most scalars that are compared.
const MOST: usize = 4096;

/// Takes moments.
pub(crate) struct Moments<'a> {
    problem: &'a Problem<'a>,
    outputs: Vec<NodeId>,
    compiled: Box<dyn Compiled>,
    matched: Option<MatchedDraws>,
}

/// The largest changes of any latent from one fit to others, each a root mean square over the others.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Change {
    /// Of means, in standard deviations.
    pub means: f64,
    /// Of the logarithms of standard deviations.
    pub sds: f64,
}

impl<'a> Moments<'a> {
    /// Of latents that are drawn from a conditional only where there are no others: they follow from these. `None` where no latent is in the posterior table, or too many are.
    ///
    /// # Errors
    /// When the executor cannot compile.
    pub fn new(problem: &'a Problem<'a>) -> Result<Option<Self>, ExecutionError> {
        let o = problem.objective;
        let named = |exact: bool| -> HashSet<&str> {
            let follows = |l: &&LatentNodes| l.guide.is_exact() || l.guide.is_at_mode();
            o.guides.latents.iter().filter(|l| follows(l) == exact).map(|l| l.name.as_str()).collect()
        };
        let drawn = |latents: &HashSet<&str>| o.report.posterior.iter().any(|p| latents.contains(p.name.as_str()));
        let latents = Some(named(false)).filter(drawn).unwrap_or_else(|| named(true));
        let reported = o.report.posterior.iter().filter(|p| latents.contains(p.name.as_str()));
        let (mut outputs, mut size) = (vec![], 0usize);
        for r in reported {
            outputs.push(r.node);
            size += r.axes.iter().map(|a| o.graph.extent_of(a.id)).product::<usize>();
        }
        if size == 0 || size > MOST {
            return Ok(None);
        }
        let compiled = problem.compile(&outputs)?;
        let matched = matched_draws(problem, &outputs, DRAWS);
        Ok(Some(Self { problem, outputs, compiled, matched }))
    }

    /// Mean and standard deviation of each scalar.
    ///
    /// # Errors
    /// When a run fails.
    pub fn at(
        &mut self,
        values: &Values,
        extra: &HashMap<InputId, Arc<Tensor>>,
    ) -> Result<Vec<(f64, f64)>, ExecutionError> {
        let reading = Reading { purpose: Purpose::Moments, count: DRAWS, matched: self.matched.as_ref() };
        let drawn = reading.collect(self.problem, values, extra, &mut *self.compiled, &self.outputs)?;
        let mut moments = vec![];
        for draws in drawn {
            let width = draws.len() / DRAWS;
            for k in 0..width {
                let column = || draws.iter().skip(k).step_by(width);
                // About the first draw, so that what is the same in all of them has no variance.
                let first = column().next().copied().unwrap_or(0.0);
                let mean = column().map(|v| v - first).sum::<f64>() / DRAWS as f64;
                let variance = column().map(|v| (v - first - mean).powi(2)).sum::<f64>() / DRAWS as f64;
                moments.push((first + mean, variance.sqrt()));
            }
        }
        Ok(moments)
    }
}

/// The largest distance of moments from others; scalars without variance are left out.
pub(crate) fn change(from: &[(f64, f64)], others: &[Vec<(f64, f64)>]) -> Change {
    let count = others.len().max(1) as f64;
    let mut largest = Change::default();
    for (k, &(mean, sd)) in from.iter().enumerate().filter(|(_, m)| m.1 > 0.0) {
        let (mut means, mut sds) = (0.0, 0.0);
        for &(m, s) in others.iter().filter_map(|o| o.get(k)) {
            means += ((m - mean) / sd).powi(2) / count;
            sds += (s / sd).ln().powi(2) / count;
        }
        largest.means = largest.means.max(means.sqrt());
        largest.sds = largest.sds.max(sds.sqrt());
    }
    largest
}
