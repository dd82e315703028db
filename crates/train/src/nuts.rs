//! Chains of the no-U-turn sampler (Hoffman and Gelman, JMLR 15, 2014; nuts-rs) in the coordinates of the guide's noise.

use std::collections::HashMap;

use fe_graph::ExecutionError;
use fe_graph::noise::{Element, Stream};
use fe_objective::PulledBack;
use nuts_rs::{Chain, CpuLogpFunc, CpuMath, CpuMathError, DiagNutsSettings, HasDims, LogpError, Settings};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::problem::{Problem, Setting, Values};
use crate::sampling::Watched;
use crate::streams::Outside;
use crate::target::Target;

pub use crate::target::dimension;

/// The acceptance that the step size is set for: above the usual, since a referee's own error is to be small.
const ACCEPTANCE: f64 = 0.9;

/// Doublings of a trajectory.
const DEPTH: u64 = 10;

/// Chains start this much wider than the guide is.
const DISPERSION: f64 = 2.0;

/// The number of times that a start whose density is not finite is moved half-way to the guide's mean.
const HALVINGS: usize = 30;

/// The length of chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// Chains.
    pub chains: usize,
    /// Steps in which step size and scales are found, of each chain; not kept.
    pub warmup: usize,
    /// Draws of each chain.
    pub draws: usize,
}

/// A transition of a chain, to its next draw.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// The log density, nats, in the coordinates of the noise.
    pub log_density: f64,
    /// The Hamiltonian.
    pub energy: f64,
    /// Doublings of the trajectory.
    pub depth: u64,
    /// Leapfrog steps.
    pub steps: u64,
    /// The mean acceptance along the trajectory.
    pub acceptance: f64,
    /// The step size.
    pub step_size: f64,
    /// Whether the trajectory was left because its energy ran away.
    pub diverging: bool,
}

/// Draws of one chain.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct OneChain {
    /// Points, one behind the other.
    pub points: Vec<f64>,
    /// One for each draw.
    pub transitions: Vec<Transition>,
}

/// The density behind one chain.
struct Density<'a, 'w> {
    target: Target<'a>,
    /// Who watches all chains, and the number of this one.
    watched: Option<(&'a Watched<'w>, usize)>,
    /// What the chain was told before it was ended, which it is told again.
    told: std::vec::IntoIter<f64>,
}

/// Why a density has no value at a point.
#[derive(Debug, thiserror::Error)]
enum NoValue {
    /// It is not finite there, which ends a trajectory.
    #[error("the density is not finite")]
    NotFinite,
    /// Somebody wants an end.
    #[error("the chains were ended from outside")]
    Stopped,
    /// The executor could not run, which ends everything.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
}

impl LogpError for NoValue {
    fn is_recoverable(&self) -> bool {
        matches!(self, Self::NotFinite)
    }
}

impl<'a, 'w> Density<'a, 'w> {
    fn new(target: Target<'a>, watched: Option<(&'a Watched<'w>, usize)>) -> Self {
        let told = watched.map(|(all, chain)| all.told(chain)).unwrap_or_default();
        Self { target, watched, told: told.into_iter() }
    }

    /// The value, with the gradient put where it belongs.
    fn at(&mut self, point: &[f64], gradient: &mut [f64]) -> Result<f64, NoValue> {
        if let Some(value) = self.told.next() {
            gradient.iter_mut().zip(self.told.by_ref()).for_each(|(slot, v)| *slot = v);
            return Some(value).filter(|v| v.is_finite()).ok_or(NoValue::NotFinite);
        }
        if let Some((all, _)) = self.watched {
            all.wait();
            if all.stopped() {
                return Err(NoValue::Stopped);
            }
        }
        let found = self.target.slopes(&[point.to_vec()])?.pop();
        let (value, slopes) = found.unwrap_or_else(|| (f64::NEG_INFINITY, vec![0.0; gradient.len()]));
        gradient.iter_mut().zip(slopes).for_each(|(slot, v)| *slot = v);
        if let Some((all, chain)) = self.watched {
            all.tell(chain, value, gradient);
        }
        Some(value).filter(|v| v.is_finite()).ok_or(NoValue::NotFinite)
    }
}

impl HasDims for Density<'_, '_> {
    fn dim_sizes(&self) -> HashMap<String, u64> {
        HashMap::from([("unconstrained_parameter".to_owned(), self.target.dimension as u64)])
    }
}

impl CpuLogpFunc for Density<'_, '_> {
    type LogpError = NoValue;
    type FlowParameters = ();
    // Points are kept by whoever draws them.
    type ExpandedVector = Vec<f64>;

    fn dim(&self) -> usize {
        self.target.dimension
    }

    fn logp(&mut self, position: &[f64], gradient: &mut [f64]) -> Result<f64, NoValue> {
        self.at(position, gradient)
    }

    fn expand_vector<R: rand::Rng + ?Sized>(&mut self, _: &mut R, _: &[f64]) -> Result<Vec<f64>, CpuMathError> {
        Ok(vec![])
    }
}

/// Chains from starts around the guide. Each has its own stream, so that longer chains begin with the shorter ones, and no
/// number depends on the threads that they run on.
///
/// # Errors
/// When a run fails, or no start has a finite density.
pub fn chains(
    problem: &Problem,
    values: &Values,
    fitted: &Setting,
    of: &PulledBack,
    lengths: Lengths,
) -> Result<Vec<OneChain>, ExecutionError> {
    // Chains that nobody watches are not ended.
    Ok(watched(problem, values, fitted, of, (lengths, None))?.unwrap_or_default())
}

/// As [`chains`]; `None` where whoever watches them has ended them.
///
/// # Errors
/// As there.
pub(crate) fn watched(
    problem: &Problem,
    values: &Values,
    fitted: &Setting,
    of: &PulledBack,
    (lengths, watched): (Lengths, Option<&Watched>),
) -> Result<Option<Vec<OneChain>>, ExecutionError> {
    let one = |k: usize| {
        let watched = watched.map(|all| (all, k));
        if let Some(done) = watched.and_then(|(all, _)| all.done(k)) {
            return Ok(Some(done));
        }
        let density = Density::new(Target::new(problem, values, &fitted.extra, of)?, watched);
        let found = one(problem.seed, density, lengths, k as u64);
        if let (Some((all, _)), Ok(found)) = (watched, &found) {
            all.end(k, found);
        }
        match found {
            Err(_) if watched.is_some_and(|(all, _)| all.stopped()) => Ok(None),
            found => found.map(Some),
        }
    };
    (0..lengths.chains).into_par_iter().map(one).collect()
}

fn one(seed: u64, mut density: Density, lengths: Lengths, number: u64) -> Result<OneChain, ExecutionError> {
    let failed = |e: &dyn std::fmt::Display| ExecutionError::Backend {
        message: format!("a chain could not go on: {e}"),
        origin: fe_graph::Origin::default(),
    };
    let watched = density.watched.map(|(all, _)| all);
    let start = start(seed, number, &mut density)?;
    let mut settings = DiagNutsSettings {
        num_tune: lengths.warmup as u64,
        num_draws: lengths.draws as u64,
        maxdepth: DEPTH,
        ..DiagNutsSettings::default()
    };
    settings.adapt_options.step_size_settings.target_accept = ACCEPTANCE;
    let key = Outside::Chain.key(seed, number);
    let bits = (Stream::new(key, Element { row: 0, rest: 1 }).uniform() * 2f64.powi(53)) as u64;
    let mut random = ChaCha8Rng::seed_from_u64(bits);
    let mut chain = settings.new_chain(number, CpuMath::new(density), &mut random).map_err(|e| failed(&e))?;
    chain.set_position(&start).map_err(|e| failed(&e))?;
    let mut result = OneChain::default();
    for k in 0..lengths.warmup + lengths.draws {
        let (point, _, of_draw, progress) = chain.expanded_draw().map_err(|e| failed(&format!("{e:#}")))?;
        if let Some(all) = watched {
            all.step();
        }
        if k < lengths.warmup {
            continue;
        }
        result.points.extend(point.iter());
        result.transitions.push(Transition {
            log_density: of_draw.point.logp,
            energy: of_draw.point.energy,
            depth: of_draw.depth,
            steps: progress.num_steps,
            acceptance: of_draw.adapt.step_size.mean_tree_accept,
            step_size: progress.step_size,
            diverging: progress.diverging,
        });
    }
    Ok(result)
}

/// A start around the guide, wider than it, where the density is finite.
fn start(seed: u64, number: u64, density: &mut Density) -> Result<Vec<f64>, ExecutionError> {
    let mut stream = Stream::new(Outside::Chain.key(seed, number), Element { row: 0, rest: 0 });
    let mut point: Vec<f64> = (0..density.target.dimension).map(|_| DISPERSION * stream.normal()).collect();
    let mut gradient = vec![0.0; density.target.dimension];
    for _ in 0..HALVINGS {
        match density.at(&point, &mut gradient) {
            Ok(_) => break,
            Err(NoValue::NotFinite) => point.iter_mut().for_each(|v| *v *= 0.5),
            // The first draw says so.
            Err(NoValue::Stopped) => break,
            Err(NoValue::Execution(e)) => return Err(e),
        }
    }
    Ok(point)
}
