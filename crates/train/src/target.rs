//! The posterior as a density over the noise ε of a fitted guide, with its gradient: what modes are searched for in, proposals are
//! held to, and chains move in.

use std::collections::HashMap;
use std::f64::consts::PI;
use std::sync::Arc;

use fe_graph::{AxisId, Compiled, ExecutionError, Feed, InputId, NodeId, Site, Tensor};
use fe_objective::PulledBack;

use crate::problem::{Problem, Setting, Values};
use crate::psis;
use crate::qmc::MatchedDraws;
use crate::referee::NoiseSource;
use crate::sizes::Sizes;
use crate::streams::Purpose;

/// Numbers of the largest value that a pass computes: many arrays of that size should stay near the core.
const BUDGET: usize = 1 << 16;

/// Far out, a density that is a difference of large numbers may be nothing but their rounding, and such a draw would have all
/// the weight. A coordinate is far from here on, in standard deviations of the guide; at as many neighbours, so close in
/// parts of the distance, a density that is known to this many nats differs by less.
const FAR: f64 = 8.0;
const NEIGHBOURS: usize = 4;
const CLOSE: f64 = 6e-8;
const KNOWN: f64 = 1.0;

/// Draws whose neighbours are looked at in one go.
const LOOKED: usize = 64;

/// The posterior in the coordinates of what is drawn, all of which is standard normal under the guide.
pub(crate) struct Target<'a> {
    problem: &'a Problem<'a>,
    feed: Feed,
    /// The density alone, and with its gradient, each with the most points of a pass.
    value: (Box<dyn Compiled>, usize),
    slope: (Box<dyn Compiled>, usize),
    /// Sources of the noise, in the order of the coordinates, with their inputs and the extents of one draw.
    sources: Vec<(Site, InputId, Vec<usize>)>,
    /// The numbers of one draw.
    pub dimension: usize,
}

/// The most points of a pass over some nodes.
pub(crate) fn points_of_pass(sizes: Sizes, nodes: &[NodeId]) -> usize {
    (BUDGET / sizes.largest(nodes)).max(1)
}

/// The number of coordinates of a density.
pub fn dimension(problem: &Problem, of: &PulledBack) -> usize {
    of.noise.iter().map(|n| n.shape(problem).iter().product::<usize>()).sum()
}

impl<'a> Target<'a> {
    /// At the values where a guide ended, with the further inputs of its fit.
    ///
    /// # Errors
    /// When the executor cannot compile.
    pub fn new(
        problem: &'a Problem<'a>,
        values: &Values,
        extra: &HashMap<InputId, Arc<Tensor>>,
        of: &PulledBack,
    ) -> Result<Self, ExecutionError> {
        let setting = Setting { extra: extra.clone(), ..Setting::reporting(Purpose::Chains.step(0), 1) };
        let both: Vec<NodeId> = std::iter::once(of.value).chain(of.gradient.iter().copied()).collect();
        let compiled = |nodes: &[NodeId]| -> Result<_, ExecutionError> {
            Ok((problem.compile(nodes)?, points_of_pass(problem.sizes(), nodes)))
        };
        Ok(Self {
            problem,
            feed: problem.feed(values, &problem.train, &setting),
            value: compiled(&[of.value])?,
            slope: compiled(&both)?,
            sources: of.noise.iter().map(|n| (n.site, n.input, n.shape(problem))).collect(),
            dimension: dimension(problem, of),
        })
    }

    /// log p(x, z) − log q(z) + log N(ε) at some ε; −∞ where it is none.
    ///
    /// # Errors
    /// When a run fails.
    pub fn at(&mut self, points: &[Vec<f64>]) -> Result<Vec<f64>, ExecutionError> {
        let mut all = vec![];
        let (compiled, most) = (&mut self.value.0, self.value.1);
        for part in points.chunks(most) {
            let results = pass(&mut **compiled, &mut self.feed, &self.sources, (part, points.len().min(most)))?;
            let values = results.first().map_or(&[][..], |t| &t.values);
            all.extend(values.iter().take(part.len()).map(|t| if t.is_finite() { *t } else { f64::NEG_INFINITY }));
        }
        Ok(all)
    }

    /// The same, and the gradient at each point; 0 where it is none.
    ///
    /// # Errors
    /// When a run fails.
    pub fn slopes(&mut self, points: &[Vec<f64>]) -> Result<Vec<(f64, Vec<f64>)>, ExecutionError> {
        let mut all = vec![];
        let (compiled, most) = (&mut self.slope.0, self.slope.1);
        for part in points.chunks(most) {
            let results = pass(&mut **compiled, &mut self.feed, &self.sources, (part, points.len().min(most)))?;
            let Some((values, gradients)) = results.split_first() else { continue };
            for (k, &value) in values.values.iter().take(part.len()).enumerate() {
                let own = |t: &'_ Tensor| {
                    let width = t.values.len() / t.shape.first().copied().unwrap_or(1).max(1);
                    t.values.iter().skip(k * width).take(width).copied().collect::<Vec<f64>>()
                };
                let gradient: Vec<f64> = gradients.iter().flat_map(own).collect();
                let finite = value.is_finite() && gradient.iter().all(|v| v.is_finite());
                all.push(if finite { (value, gradient) } else { (f64::NEG_INFINITY, vec![0.0; gradient.len()]) });
            }
        }
        Ok(all)
    }

    /// Log weights of draws, and −∞ for those of most weight that lie far out and whose density is lost in rounding.
    ///
    /// # Errors
    /// When a run fails.
    pub fn known(&mut self, points: &[Vec<f64>], mut logs: Vec<f64>) -> Result<Vec<f64>, ExecutionError> {
        let mut order: Vec<(f64, usize)> = logs.iter().copied().zip(0..).filter(|(w, _)| w.is_finite()).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0));
        let is_far = |k: &usize| points.get(*k).is_some_and(|p| p.iter().any(|v| v.abs() > FAR));
        let mut waiting = order.into_iter().map(|(_, k)| k);
        // Those that go leave others with most weight.
        let mut missing = psis::tail_length(points.len());
        while missing > 0 {
            let some: Vec<usize> = waiting.by_ref().take(missing).collect();
            if some.is_empty() {
                break;
            }
            let far: Vec<usize> = some.into_iter().filter(is_far).collect();
            let lost = self.rough(points, &far)?;
            missing = lost.len();
            for k in lost {
                if let Some(log) = logs.get_mut(k) {
                    *log = f64::NEG_INFINITY;
                }
            }
        }
        Ok(logs)
    }

    /// Of some draws, those whose density is not that of their neighbours.
    fn rough(&mut self, points: &[Vec<f64>], some: &[usize]) -> Result<Vec<usize>, ExecutionError> {
        let mut rough = vec![];
        for chunk in some.chunks(LOOKED) {
            let near = |k: usize, n: usize| -> Vec<f64> {
                let scale = 1.0 + CLOSE * n as f64;
                points.get(k).map(|p| p.iter().map(|v| v * scale).collect()).unwrap_or_default()
            };
            // As many each time, since a plan is laid out for a number of points.
            let all = chunk.iter().chain(std::iter::repeat(chunk.first().unwrap_or(&0))).take(LOOKED);
            let neighbours: Vec<Vec<f64>> = all.flat_map(|&k| (0..=NEIGHBOURS).map(move |n| near(k, n))).collect();
            let found = self.at(&neighbours)?;
            for (&k, own) in chunk.iter().zip(found.chunks(NEIGHBOURS + 1)) {
                let low = own.iter().copied().fold(f64::INFINITY, f64::min);
                let high = own.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                rough.extend((high - low > KNOWN || !low.is_finite()).then_some(k));
            }
        }
        Ok(rough)
    }

    /// Points as draws of the noise.
    pub fn draws(&self, points: &[Vec<f64>]) -> MatchedDraws {
        let tensors = tensors(&self.sources, points, points.len());
        let draws = self.sources.iter().zip(tensors).map(|((site, ..), t)| (*site, Arc::new(t))).collect();
        MatchedDraws { draws, all_normal: true, exact: self.problem.objective.guides.eliminated.clone() }
    }
}

/// Runs what is compiled at some points, the last of which is repeated up to a count, so that all passes have one plan.
fn pass(
    compiled: &mut dyn Compiled,
    feed: &mut Feed,
    sources: &[(Site, InputId, Vec<usize>)],
    (points, count): (&[Vec<f64>], usize),
) -> Result<Vec<Tensor>, ExecutionError> {
    feed.extents.insert(AxisId::SAMPLE, count);
    for ((_, input, _), tensor) in sources.iter().zip(tensors(sources, points, count)) {
        feed.inputs.insert(*input, Arc::new(tensor));
    }
    compiled.run(feed)
}

/// Points as tensors of each source, samples first, the last repeated up to a count.
fn tensors(sources: &[(Site, InputId, Vec<usize>)], points: &[Vec<f64>], count: usize) -> Vec<Tensor> {
    let (mut start, mut list) = (0, vec![]);
    let Some(last) = points.last() else { return list };
    for (_, _, shape) in sources {
        let size: usize = shape.iter().product();
        let rows = points.iter().chain(std::iter::repeat(last)).take(count);
        let values = rows.flat_map(|p| p.iter().skip(start).take(size).copied()).collect();
        list.push(Tensor { shape: std::iter::once(count).chain(shape.iter().copied()).collect(), values });
        start += size;
    }
    list
}

/// log N(ε; 0, I).
pub(crate) fn log_normal(e: &[f64]) -> f64 {
    e.iter().map(|v| -0.5 * v * v - 0.5 * (2.0 * PI).ln()).sum()
}
