//! Readings of a fitted guide: values at many of its draws, a pass of bounded size at a time.

use std::collections::HashMap;
use std::sync::Arc;

use fe_graph::{Axis, Compiled, ExecutionError, InputId, NodeId, Tensor};

use crate::fit::Fitted;
use crate::problem::{Problem, Setting, Values};
use crate::qmc::{MatchedDraws, noise_sites_of};
use crate::sizes::Sizes;
use crate::streams::Purpose;

/// Numbers in flight per pass.
const BUDGET: usize = 2_000_000;

/// The same of what is large, or where conditionals are worked out for every draw: many arrays of that size, which should stay
/// near the core.
pub(crate) const EXACT_BUDGET: usize = 128_000;

/// A way of drawing from a fitted guide.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub purpose: Purpose,
    /// Draws.
    pub count: usize,
    /// Moment-matched draws in place of noise.
    pub matched: Option<&'a MatchedDraws>,
}

/// The values of some nodes at draws of a fit, as its checks look at them.
///
/// # Errors
/// When a run fails.
pub(crate) fn of_guide(
    problem: &Problem,
    fitted: &Fitted,
    outputs: &[NodeId],
    count: usize,
) -> Result<Vec<Vec<f64>>, ExecutionError> {
    let reading = Reading { purpose: Purpose::Moments, count, matched: None };
    reading.collect(problem, &fitted.values, &fitted.extra.extra, &mut *problem.compile(outputs)?, outputs)
}

impl Reading<'_> {
    /// The values of some compiled nodes at each draw of the guide, each node's draws one behind the other.
    ///
    /// # Errors
    /// When a run fails.
    pub fn collect(
        self,
        problem: &Problem,
        values: &Values,
        extra: &HashMap<InputId, Arc<Tensor>>,
        compiled: &mut dyn Compiled,
        outputs: &[NodeId],
    ) -> Result<Vec<Vec<f64>>, ExecutionError> {
        let Self { purpose, count, matched } = self;
        let g = &problem.objective.graph;
        let given =
            |m: &MatchedDraws| noise_sites_of(problem.objective, outputs).iter().all(|s| m.draws.contains_key(&s.site));
        let width = width(problem.sizes(), outputs, matched.is_some_and(given)).clamp(1, count);
        let mut collected: Vec<Vec<f64>> = vec![vec![]; outputs.len()];
        let mut done = 0;
        for pass in 0.. {
            if done >= count {
                break;
            }
            let now = width.min(count - done);
            let mut setting = Setting { extra: extra.clone(), ..Setting::reporting(purpose.step(pass), now) };
            let sites = matched.iter().flat_map(|m| &m.draws);
            setting.draws = sites.map(|(&site, t)| (site, Arc::new(part(t, done, now)))).collect();
            let results = compiled.run(&problem.feed(values, &problem.train, &setting))?;
            for ((store, result), &node) in collected.iter_mut().zip(results).zip(outputs) {
                // A value that does not depend on the draws is the same for each of them.
                let copies = if g.has_axis(node, Axis::SAMPLE) { 1 } else { now };
                for _ in 0..copies {
                    store.extend(&result.values);
                }
            }
            done += now;
        }
        Ok(collected)
    }
}

/// Draws of a pass, given those of all noise or not. Noise is numbered by passes, so that where some is not given, their size
/// does not depend on what is computed with it.
pub(crate) fn width(sizes: Sizes, outputs: &[NodeId], given: bool) -> usize {
    let o = sizes.o;
    let drawn = noise_sites_of(o, outputs).iter().map(|s| s.size).fold(1, usize::saturating_add);
    let least = sizes.rows.max(16).max(drawn);
    let summed = o.guides.latents.iter().any(|l| l.guide.is_summed());
    if given || summed {
        return EXACT_BUDGET / sizes.largest(outputs).max(16);
    }
    if o.guides.eliminated.is_empty() { BUDGET / least } else { EXACT_BUDGET / least }
}

/// Some of the draws of a tensor whose first axis they are.
pub(crate) fn part(draws: &Tensor, from: usize, count: usize) -> Tensor {
    let (all, rest) = draws.shape.split_first().map_or((1, &[][..]), |(&n, rest)| (n, rest));
    let size = draws.values.len() / all.max(1);
    let values = draws.values.iter().skip(from * size).take(count * size).copied().collect();
    Tensor { shape: std::iter::once(count).chain(rest.iter().copied()).collect(), values }
}
