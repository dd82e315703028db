//! The posterior as a density over the noise ε of a fitted guide: what proposals are held to.

use std::collections::{BTreeMap, HashMap};
use std::f64::consts::PI;
use std::sync::Arc;

use fe_graph::{Compiled, ExecutionError, InputId, NodeId, NoiseKind, Site, Tensor};

use crate::problem::{Problem, Values};
use crate::qmc::{MatchedDraws, noise_sites_of};
use crate::reading::Reading;
use crate::streams::Purpose;

/// The posterior in the coordinates of what is drawn, all of which is standard normal under the guide.
pub(crate) struct Target<'a> {
    problem: &'a Problem<'a>,
    values: &'a Values,
    extra: &'a HashMap<InputId, Arc<Tensor>>,
    weight: NodeId,
    /// For each number of points its own, since a plan is laid out for one.
    compiled: BTreeMap<usize, Box<dyn Compiled>>,
    /// Sources of the noise, with the numbers of each.
    sites: Vec<(Site, Vec<usize>)>,
    exact: Vec<Site>,
    /// The numbers of one draw.
    pub dimension: usize,
}

impl<'a> Target<'a> {
    /// From log p(x, z) − log q(z). `None` where nothing is drawn, or something that is not normal.
    pub fn new(
        problem: &'a Problem<'a>,
        values: &'a Values,
        extra: &'a HashMap<InputId, Arc<Tensor>>,
        weight: NodeId,
    ) -> Option<Self> {
        let exact = problem.objective.guides.eliminated.clone();
        let free: Vec<_> =
            noise_sites_of(problem.objective, &[weight]).into_iter().filter(|s| !exact.contains(&s.site)).collect();
        if free.is_empty() || free.iter().any(|s| s.kind != Some(NoiseKind::Normal)) {
            return None;
        }
        let sites: Vec<_> = free.iter().map(|s| (s.site, s.shape(problem))).collect();
        let dimension = sites.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        Some(Self { problem, values, extra, weight, compiled: BTreeMap::new(), sites, exact, dimension })
    }

    /// log p(x, z) − log q(z) + log N(ε) at some ε, one behind the other; −∞ where it is none.
    ///
    /// # Errors
    /// When a run fails.
    pub fn at(&mut self, points: &[Vec<f64>]) -> Result<Vec<f64>, ExecutionError> {
        let draws = self.draws(points);
        let outputs = [self.weight];
        let reading = Reading { purpose: Purpose::Table, count: points.len(), matched: Some(&draws) };
        let compiled = match self.compiled.entry(points.len()) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => entry.insert(self.problem.compile(&outputs)?),
        };
        let mut found = reading.collect(self.problem, self.values, self.extra, &mut **compiled, &outputs)?;
        let weights = found.pop().unwrap_or_default();
        let target = weights.into_iter().zip(points).map(|(w, e)| w + log_normal(e));
        Ok(target.map(|t| if t.is_finite() { t } else { f64::NEG_INFINITY }).collect())
    }

    /// Points as draws of the noise.
    pub fn draws(&self, points: &[Vec<f64>]) -> MatchedDraws {
        let mut draws = HashMap::new();
        let mut start = 0;
        for (site, shape) in &self.sites {
            let size: usize = shape.iter().product();
            let values = points.iter().flat_map(|p| p.iter().skip(start).take(size).copied()).collect();
            let shape = std::iter::once(points.len()).chain(shape.iter().copied()).collect();
            draws.insert(*site, Arc::new(Tensor { shape, values }));
            start += size;
        }
        MatchedDraws { draws, all_normal: true, exact: self.exact.clone() }
    }
}

/// log N(ε; 0, I).
pub(crate) fn log_normal(e: &[f64]) -> f64 {
    e.iter().map(|v| -0.5 * v * v - 0.5 * (2.0 * PI).ln()).sum()
}
