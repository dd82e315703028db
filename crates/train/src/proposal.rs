//! Draws by which the posterior is held to more than the guide: from a lattice where few numbers are drawn, else from a mixture
//! that knows the modes and has been moved toward the posterior.

use fe_graph::ExecutionError;

use crate::lattice;
use crate::mixture::{Component, Mixture};
use crate::modes::{self, Mode};
use crate::problem::Problem;
use crate::psis;
use crate::qmc::MatchedDraws;
use crate::streams::Outside;
use crate::target::{Target, log_normal};

/// Times that the mixture is moved at most: it is left as it is where so much of its draws is effective, or where that has grown
/// by less than this for more rounds than these.
const ROUNDS: u64 = 10;
const GOOD: f64 = 0.9;
const GAIN: f64 = 0.02;
const PATIENCE: usize = 2;

/// The most numbers that the draws which move it may compute, and the fewest draws of a round.
const WORK: usize = 2_000_000_000;
const FEWEST: usize = 1024;

/// In the end its components are made so much wider: what fits the mass is a little too tight for the tails.
const MARGIN: f64 = 1.2;

/// Each mode is proposed from as two Student t, so much narrower and wider than its curvature says: their shares are found.
const WIDTHS: [f64; 2] = [0.8, 1.6];

/// Components that are added where weighted draws of the first round fall: a posterior with a bend or a long side is covered by
/// several.
const EXTRA: usize = 6;

/// Draws, and what to add to their log p(x, z) − log q(z) to weigh them.
pub(crate) struct Proposal {
    pub draws: MatchedDraws,
    /// log N(ε) − log of the proposal's density; −∞ where the density of a draw is lost in rounding.
    pub correction: Vec<f64>,
    /// What the search for modes found.
    pub modes: Option<Modes>,
}

/// The modes of a posterior.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Modes {
    /// How many were found.
    pub count: usize,
    /// The share of the mass of those that lie where the guide is not, by the Laplace approximation.
    pub elsewhere: f64,
}

/// Draws of the best proposal that can be had.
///
/// # Errors
/// When a run fails.
pub(crate) fn proposal(
    target: &mut Target,
    problem: &Problem,
    count: usize,
) -> Result<Option<Proposal>, ExecutionError> {
    let modes = modes::search(target, problem.sizes().evaluation(1), problem.seed)?;
    let found = (!modes.is_empty()).then(|| counted(&modes));
    // A box that a mode is not in holds a part of the posterior.
    let places: Vec<&[f64]> = modes.iter().map(|m| m.location.as_slice()).collect();
    if let Some((draws, correction)) = lattice::proposal(target, problem, count, &places)? {
        return Ok(Some(Proposal { draws, correction, modes: found }));
    }
    let Some(mixture) = moved(target, problem, begun(&modes, target.dimension), count)? else { return Ok(None) };
    let mixture = mixture.widened(MARGIN);
    let points = mixture.draws(count, Outside::Proposal.key(problem.seed, 0));
    let densities: Vec<f64> = points.iter().map(|p| mixture.log_density(p)).collect();
    let logs = target.at(&points)?.into_iter().zip(&densities).map(|(t, q)| t - q).collect();
    let logs = target.known(&points, logs)?;
    let own = |((p, q), log): ((&Vec<f64>, &f64), f64)| if log.is_finite() { log_normal(p) - q } else { log };
    let correction = points.iter().zip(&densities).zip(logs).map(own).collect();
    Ok(Some(Proposal { draws: target.draws(&points), correction, modes: found }))
}

/// The mixture after its rounds: of all of them the one whose draws were most effective. `None` where none had a weight.
fn moved(
    target: &mut Target,
    problem: &Problem,
    mut mixture: Mixture,
    count: usize,
) -> Result<Option<Mixture>, ExecutionError> {
    let most = WORK / problem.sizes().evaluation(1).max(1) / ROUNDS as usize;
    let each = most.clamp(FEWEST.min(count), count);
    let (mut best, mut idle): (Option<(f64, Mixture)>, usize) = (None, 0);
    for round in 0..ROUNDS {
        let points = mixture.draws(each, Outside::Proposal.key(problem.seed, round + 1));
        let densities = points.iter().map(|p| mixture.log_density(p));
        let logs = target.at(&points)?.into_iter().zip(densities).map(|(t, q)| t - q).collect();
        let logs = target.known(&points, logs)?;
        let Some(smoothed) = psis::smooth(&logs) else { break };
        let effective = smoothed.ess / each as f64;
        let before = best.as_ref().map_or(0.0, |b| b.0);
        idle = if effective < before + GAIN { idle + 1 } else { 0 };
        if effective > before {
            best = Some((effective, mixture.clone()));
        }
        if effective >= GOOD || idle > PATIENCE {
            break;
        }
        mixture = mixture.moved(&points, &smoothed.weights);
        if round == 0 {
            mixture = mixture.scattered(&points, &smoothed.weights, EXTRA);
        }
    }
    Ok(best.map(|b| b.1))
}

/// A mixture of the guide's own place, as wide as it is, and of the modes.
fn begun(modes: &[Mode], dimension: usize) -> Mixture {
    let mut components = vec![Component::heavy(dimension, 0.5)];
    let most = modes.first().map_or(0.0, |m| m.log_mass);
    for mode in modes {
        let mass = (mode.log_mass - most).exp().max(0.05);
        components.extend(WIDTHS.map(|wide| mode.component(mass, wide)));
    }
    if modes.is_empty() {
        components.extend(WIDTHS.map(|wide| Component::standard(dimension, 0.5, wide)));
    }
    Mixture::new(components, dimension)
}

/// How many modes there are, and how much of them is not where the guide is.
fn counted(modes: &[Mode]) -> Modes {
    let most = modes.first().map_or(0.0, |m| m.log_mass);
    let mass = |m: &Mode| (m.log_mass - most).exp();
    // Of a guide that is close to a mode, 99.7 % of the draws lie within.
    let far = |m: &&Mode| {
        let reach = 3.0 + (m.location.len() as f64).sqrt();
        m.location.iter().map(|v| v * v).sum::<f64>() > reach * reach
    };
    let whole: f64 = modes.iter().map(mass).sum();
    Modes { count: modes.len(), elsewhere: modes.iter().filter(far).map(mass).fold(0.0, |a, b| a + b) / whole }
}
