//! The posterior by Markov chains: its table, with the error of every number, and whether the chains have mixed.

use std::collections::HashMap;
use std::sync::Arc;

use fe_check::Nuts;
use fe_graph::special::{log_normal_cdf, normal_cdf};
use fe_graph::{Axis, ExecutionError, InputId, NodeId, NoiseKind, Tensor};
use fe_objective::{NoiseInput, PulledBack};

use crate::draws::normal_quantile;
use crate::fit::{Fit, Monitor};
use crate::mixing::{Mixing, standard_error};
use crate::nuts::{self, Lengths, OneChain, Transition};
use crate::posterior::{Posterior, Summary, table};
use crate::problem::{Problem, Setting, Values, from_sorted};
use crate::qmc::MatchedDraws;
use crate::reading::Reading;
use crate::sampled::{Drawn, MOST_PAIRS, by_draw};
use crate::sampling::{ChainKeeper, Watched};
use crate::streams::Purpose;
use crate::target::dimension;

/// What chains have to reach, and how long they may run for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demands {
    /// Chains, their warmup, and the draws they are given first.
    pub lengths: Lengths,
    /// The most draws of a chain: it is made four times as long until it has mixed.
    pub most: usize,
    /// The effective sample size, of the bulk and of the tails, that every number must reach.
    pub effective: f64,
    /// And the split R̂ that none may exceed.
    pub rhat: f64,
}

impl Default for Demands {
    fn default() -> Self {
        let lengths = Lengths { chains: 4, warmup: 1000, draws: 1000 };
        Self { lengths, most: 16_000, effective: 400.0, rhat: 1.01 }
    }
}

/// Divergences above this fraction of the draws leave a table that cannot be relied on.
const DIVERGING: f64 = 1e-3;

/// The posterior by chains.
#[derive(Clone, Debug, PartialEq)]
pub struct ByChains {
    /// Moments and quantiles, of each value that is reported.
    pub table: Vec<Summary>,
    /// The error and the mixing of each, in the order of the table.
    pub quality: Vec<Quality>,
    /// Draws of each value, chains one behind the other.
    pub draws: Vec<Drawn>,
    /// log p of each row given each draw, row-major over (draw, row), where chains stand for the guide.
    pub pointwise: Option<Vec<f64>>,
    /// What is known of the draws, by chain.
    pub transitions: Vec<Vec<Transition>>,
    /// The lengths that the chains ended with.
    pub lengths: Lengths,
    /// The number of coordinates that they moved in.
    pub dimension: usize,
    /// Draws whose trajectory ran away.
    pub divergences: usize,
    /// What is not as demanded, in words; empty where the chains have mixed.
    pub open: Vec<String>,
}

/// The worst mixing of any number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worst {
    /// Split R̂.
    pub rhat: f64,
    /// Effective draws in the bulk.
    pub bulk: f64,
    /// And in the tails.
    pub tail: f64,
}

/// The error and the mixing of the elements of one value, row-major over its declared axes.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Quality {
    /// Standard errors of the means.
    pub mean: Vec<f64>,
    /// Standard errors of the standard deviations.
    pub sd: Vec<f64>,
    /// Split R̂.
    pub rhat: Vec<f64>,
    /// Effective sample sizes of the bulk.
    pub bulk: Vec<f64>,
    /// And of the tails.
    pub tail: Vec<f64>,
}

/// Runs chains until they have mixed, or as long as they may.
///
/// # Errors
/// When a run fails.
pub fn by_chains(
    problem: &Problem,
    values: &Values,
    fitted: &Setting,
    of: &PulledBack,
    demands: Demands,
) -> Result<ByChains, ExecutionError> {
    let mut lengths = demands.lengths;
    loop {
        let chains = nuts::chains(problem, values, fitted, of, lengths)?;
        let result = read(problem, values, &fitted.extra, of, (chains, lengths, demands))?;
        let longer = (4 * lengths.draws).min(demands.most);
        if result.open.is_empty() || longer <= lengths.draws {
            return Ok(result);
        }
        lengths.draws = longer;
    }
}

/// Draws of the guide's noise, in the place of its own.
fn noise(problem: &Problem, of: &PulledBack, chains: &[OneChain], dimension: usize) -> MatchedDraws {
    let mut draws = HashMap::new();
    let mut start = 0;
    for part in &of.noise {
        let shape = part.shape(problem);
        let size: usize = shape.iter().product();
        let points = chains.iter().flat_map(|c| c.points.chunks(dimension.max(1)));
        let values: Vec<f64> = points.flat_map(|p| p.iter().skip(start).take(size).map(|&z| part.drawn(z))).collect();
        let count = values.len() / size.max(1);
        let shape = std::iter::once(count).chain(shape).collect();
        draws.insert(part.site, Arc::new(Tensor { shape, values }));
        start += size;
    }
    MatchedDraws { draws, all_normal: false, exact: problem.objective.guides.eliminated.clone() }
}

/// Reads what is reported at each draw.
fn read(
    problem: &Problem,
    values: &Values,
    extra: &HashMap<InputId, Arc<Tensor>>,
    of: &PulledBack,
    (chains, lengths, demands): (Vec<OneChain>, Lengths, Demands),
) -> Result<ByChains, ExecutionError> {
    let reported = &problem.objective.report.posterior;
    let mut outputs: Vec<NodeId> = reported.iter().map(|p| p.node).collect();
    outputs.extend(reported.iter().filter_map(|p| p.given).flat_map(|(mean, variance)| [mean, variance]));
    let pairs = problem.training_rows().saturating_mul(lengths.chains * lengths.draws);
    let by_row =
        problem.objective.report.pointwise.filter(|_| problem.objective.sampled.is_some() && pairs <= MOST_PAIRS);
    outputs.extend(by_row);
    let dimension = dimension(problem, of);
    let matched = noise(problem, of, &chains, dimension);
    let count = lengths.chains * lengths.draws;
    let mut compiled = problem.compile(&outputs)?;
    let reading = Reading { purpose: Purpose::Chains, count, matched: Some(&matched) };
    let mut drawn = reading.collect(problem, values, extra, &mut *compiled, &outputs)?;
    let pointwise = by_row.and_then(|_| drawn.pop());
    let summaries = table(problem, &drawn, &vec![1.0 / count as f64; count]);
    let mut given = drawn.get(reported.len()..).unwrap_or_default().chunks(2);
    let mut quality = vec![];
    for (value, draws) in reported.iter().zip(&drawn) {
        let moments = value.given.and_then(|_| given.next());
        quality.push(quality_of(problem, &value.axes, draws, moments, lengths));
    }
    let transitions: Vec<Vec<Transition>> = chains.into_iter().map(|c| c.transitions).collect();
    let divergences = transitions.iter().flatten().filter(|s| s.diverging).count();
    let draws = reported.iter().zip(drawn).map(|(r, values)| by_draw(problem, r, values, count)).collect();
    let mut result = ByChains {
        table: summaries,
        quality,
        draws,
        pointwise,
        transitions,
        lengths,
        dimension,
        divergences,
        open: vec![],
    };
    result.open = result.left_open(demands);
    Ok(result)
}

/// The error and the mixing of each element of a value: moments are averages of those given what is drawn, where they are
/// known, and so are their errors.
fn quality_of(
    problem: &Problem,
    axes: &[Axis],
    draws: &[f64],
    given: Option<&[Vec<f64>]>,
    lengths: Lengths,
) -> Quality {
    let count = lengths.chains * lengths.draws;
    let width = (draws.len() / count.max(1)).max(1);
    let mut columns: [Vec<f64>; 5] = Default::default();
    let by_chain = |all: Vec<f64>| all.chunks(lengths.draws.max(1)).map(<[f64]>::to_vec).collect::<Vec<_>>();
    for k in 0..width {
        let column = |of: &[f64]| of.iter().skip(k).step_by(width).copied().collect::<Vec<f64>>();
        let own = column(draws);
        let (means, variances) = match given {
            Some([means, variances]) => (column(means), column(variances)),
            _ => (own.clone(), vec![0.0; own.len()]),
        };
        let mean = means.iter().sum::<f64>() / count.max(1) as f64;
        let squares: Vec<f64> = means.iter().zip(&variances).map(|(m, v)| v + (m - mean) * (m - mean)).collect();
        let sd = (squares.iter().sum::<f64>() / count.max(1) as f64).sqrt();
        // Of a root, by its slope.
        let of_sd = standard_error(&by_chain(squares)) / (2.0 * sd);
        let mixing = Mixing::of(&by_chain(own));
        let figures = [
            standard_error(&by_chain(means)),
            if sd > 0.0 { of_sd } else { 0.0 },
            mixing.rhat,
            mixing.bulk,
            mixing.tail,
        ];
        columns.iter_mut().zip(figures).for_each(|(column, figure)| column.push(figure));
    }
    let [mean, sd, rhat, bulk, tail] = columns.map(|column| from_sorted(&problem.objective.graph, axes, column).values);
    Quality { mean, sd, rhat, bulk, tail }
}

impl Fit {
    /// Has the posterior taken by chains, where the program asks for them: the table to read, draws and leave-one-out are theirs
    /// then, and checks of the guide are none of the posterior. Chains that are ended from outside leave those of the guide.
    ///
    /// # Errors
    /// When a run fails.
    pub fn take_by_chains(
        &mut self,
        problem: &Problem,
        fitted: &Setting,
        (monitor, keeper): (&mut dyn Monitor, &mut dyn ChainKeeper),
    ) -> Result<(), ExecutionError> {
        let Some(sampled) = problem.objective.sampled.as_ref().filter(|_| !self.interrupted) else { return Ok(()) };
        let Nuts { draws, warmup, chains, .. } = sampled.nuts;
        let lengths = Lengths { chains, warmup, draws };
        let demands = Demands { lengths, most: draws, ..Demands::default() };
        let (of, watched) = (&sampled.density, Watched::new(monitor, keeper, lengths));
        let made = nuts::watched(problem, &self.values, fitted, of, (lengths, Some(&watched)));
        watched.ended();
        let Some(made) = made? else {
            self.interrupted = true;
            return Ok(());
        };
        let found = read(problem, &self.values, &fitted.extra, of, (made, lengths, demands))?;
        let log_evidence = self.posterior.log_evidence;
        let guide = std::mem::take(&mut self.posterior.guide);
        self.posterior =
            Posterior { guide, resampled: Some(found.table.clone()), log_evidence, ..Posterior::default() };
        self.checks.response = None;
        self.checks.unchecked.clear();
        let count = chains * draws;
        self.draws.count = count;
        self.draws.posterior.clone_from(&found.draws);
        self.draws.log_weights = None;
        // Draws of the posterior itself have level weights.
        self.draws.pointwise = found.pointwise.clone().map(|rows| (vec![0.0; count], rows));
        self.chains = Some(found);
        Ok(())
    }
}

impl ByChains {
    /// The worst R̂ of any number, and the least effective draws, in the bulk and in the tails.
    pub fn worst(&self) -> Worst {
        let all = |of: fn(&Quality) -> &Vec<f64>| self.quality.iter().flat_map(of).copied();
        // A number that has no order is as bad as can be.
        let least = |list: &mut dyn Iterator<Item = f64>| {
            list.map(|v| if v.is_nan() { 0.0 } else { v }).fold(f64::INFINITY, f64::min)
        };
        Worst {
            rhat: all(|q| &q.rhat).map(|v| if v.is_nan() { f64::INFINITY } else { v }).fold(1.0, f64::max),
            bulk: least(&mut all(|q| &q.bulk)),
            tail: least(&mut all(|q| &q.tail)),
        }
    }

    /// What is not as demanded.
    fn left_open(&self, demands: Demands) -> Vec<String> {
        let mut open = vec![];
        let Worst { rhat, bulk, tail } = self.worst();
        if rhat > demands.rhat {
            open.push(format!("R̂ reaches {rhat:.3}, and {} is wanted", demands.rhat));
        }
        for (name, least) in [("bulk", bulk), ("tail", tail)] {
            if least < demands.effective {
                open.push(format!(
                    "{least:.0} draws are effective in the {name}, and {:.0} are wanted",
                    demands.effective
                ));
            }
        }
        let count = self.transitions.iter().map(Vec::len).sum::<usize>() as f64;
        if self.divergences as f64 > DIVERGING * count {
            open.push(format!("{} of {count} trajectories diverged", self.divergences));
        }
        open
    }
}

/// Extents and values of a source of noise.
pub(crate) trait NoiseSource {
    /// The extents of its axes.
    fn shape(&self, problem: &Problem) -> Vec<usize>;
    /// What the guide draws where the standard normal number is z.
    fn drawn(&self, z: f64) -> f64;
}

impl NoiseSource for NoiseInput {
    fn shape(&self, problem: &Problem) -> Vec<usize> {
        let o = problem.objective;
        let extent = |a: &Axis| match o.row {
            Some(row) if row.axis == a.id => problem.train.len(),
            _ => o.graph.extent_of(a.id),
        };
        self.axes.iter().map(extent).collect()
    }

    fn drawn(&self, z: f64) -> f64 {
        match self.kind {
            NoiseKind::Normal => z,
            NoiseKind::Uniform => normal_cdf(z),
            NoiseKind::Exponential => -log_normal_cdf(z),
        }
    }
}

/// By how many standard errors one among so many numbers has to be off for that to be as rare as 3 of a single one
/// (Bonferroni).
pub fn limit(numbers: usize) -> f64 {
    let single = normal_cdf(-3.0);
    -normal_quantile(single / numbers.max(1) as f64)
}
